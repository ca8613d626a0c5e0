/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* The tape drives that the kernel knows, as sysfs lists them: nothing here sends a command to a drive, except
 * where said. One thread. root: where sys and dev lie, "" outside of tests. */
#include <glib.h>
#include <stdbool.h>
#include <sys/types.h>

enum device_node {
        DEVICE_SG,  /* /dev/sgN: SCSI generic */
        DEVICE_ST,  /* /dev/nstN: the tape driver's, which does not rewind at close */
        DEVICE_BSG, /* /dev/bsg/H:C:T:L */
        DEVICE_NODES
};

struct device {
        char *id;                  /* "2:0:0:0": host, channel, target, LUN */
        char *directory;           /* in sysfs */
        char *nodes[DEVICE_NODES]; /* NULL: the driver is not loaded */
        char *vendor, *product, *revision;
        char *serial;      /* "": not known */
        unsigned type;     /* SPC-5, peripheral device type; 1 is a tape drive */
        unsigned segments; /* of the adapter's scatter-gather table; 0: not known */
};

#define DEVICE_TYPE_TAPE 0x01

typedef struct device Device;
void device_free(Device *d); /* NULL is allowed */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Device, device_free)

/* All tape drives, by id; the caller unrefs. Where sysfs has no serial number the drive is asked for it
 * (INQUIRY, which takes nothing from whoever uses the drive). Empty if there is no sysfs. */
GPtrArray *devices_list(const char *root);
/* The SCSI device that a character device with this number is a node of. *node (may be NULL): which.
 * -ENOENT, not logged: it is none, or sysfs is not there. */
int device_of_node(const char *root, dev_t number, enum device_node *node, struct device **ret);

#define DEVICE_SERIAL "serial:"
/* True if address may be a serial number rather than a path: it begins with "serial:", or has no slash in it
 * and no file is called so. */
bool device_is_serial(const char *address);
/* The drive of this serial number, with or without "serial:". -ENODEV, not logged: none has it; -ENOTUNIQ:
 * not logged: several have. */
int device_of_serial(const char *root, const char *serial, struct device **ret);
/* What "serial:..." or a path stands for: that drive. -ENOENT, not logged: neither. */
int device_of_address(const char *root, const char *address, struct device **ret);
/* "running", "blocked", "offline", "transport-offline" …, or NULL: gone. The caller frees. */
char *device_state(const struct device *d);

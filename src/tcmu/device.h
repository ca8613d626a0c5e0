/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* The objects of configfs and sysfs that a device of target_core_user and its loopback target consist of. One
 * thread; what fails is logged. */
#include <stddef.h>

#include <reelfs/tcmu.h>

struct device_size {
        size_t max_transfer; /* bytes */
        unsigned buffer_mib;
};

struct tcmu_device {
        char *name;
        char *backstore; /* directories in configfs */
        char *target;
        int uio;   /* file descriptor; -1: not open */
        void *map; /* the shared memory */
        size_t map_size;
};

/* The device, with its memory mapped, for someone to serve; the kernel does not use it before device_attach.
 * What is left of another of its name goes. -EBUSY: that is still served. On failure nothing remains. */
int device_create(struct tcmu_device *d, const char *name, const struct device_size *size);
/* Makes it appear: returns when the kernel has looked at it, so another thread has to serve it already. */
int device_attach(const struct tcmu_device *d);
/* Where; waits a little for the nodes. */
void device_find_nodes(const struct tcmu_device *d, struct tcmu_nodes *nodes);
/* The opposite of device_attach; somebody has to serve it meanwhile. */
void device_detach(const struct tcmu_device *d);
void device_destroy(struct tcmu_device *d);

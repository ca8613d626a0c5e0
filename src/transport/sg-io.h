/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* One SCSI command through a node of the kernel's: SG_IO with struct sg_io_hdr (sg, st) or struct sg_io_v4
 * (bsg), and what the kernel's answer means. */
#include <poll.h>
#include <stdbool.h>
#include <sys/types.h>

#include <reelfs/devices.h>
#include <reelfs/transport.h>

/* How data moves. */
enum sg_way {
        SG_COPY,   /* indirect: the kernel copies between our memory and its own */
        SG_DIRECT, /* our pages are given to the adapter */
        SG_MMAP,   /* in the driver's reserved buffer, which is mapped here; sg only */
};

/* The system calls; tests have others. */
struct sg_calls {
        int (*ioctl)(int fd, unsigned long request, void *argument);
        ssize_t (*read)(int fd, void *buf, size_t size);
        ssize_t (*write)(int fd, const void *buf, size_t size);
        int (*poll)(struct pollfd *fds, nfds_t n, int milliseconds);
        int64_t (*now)(void); /* monotonic_ns */
};
extern const struct sg_calls sg_system_calls;

struct sg_answer {
        unsigned host, driver; /* host_status and driver_status, as the kernel gave them */
        bool direct;           /* the kernel says that it did not copy; always false for SG_COPY */
        bool stuck; /* the kernel did not even give up; the node can be used no more, the buffers are its */
};

/* Sends c, whose data is one piece but on the st node. 0: c has status, sense and residual; -EMSGSIZE: not
 * sent: more than the adapter or the kernel can take in one command from this memory; -EPERM: not sent; the
 * others as sg_delivery_error and transport_ops.execute have them. */
int sg_send(const struct sg_calls *calls, enum device_node node, int fd, enum sg_way way,
        struct transport_command *c, struct sg_answer *answer);

/* What host and driver status mean. 0: the status is the drive's own. -ENODEV, -ETIMEDOUT, -ECONNRESET, -EIO.
 */
int sg_delivery_error(unsigned host, unsigned driver);
/* "DID_RESET", for messages. */
const char *sg_host_status_name(unsigned host);

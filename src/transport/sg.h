/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* Drives behind the kernel's nodes: /dev/sgN, /dev/nstN, /dev/bsg/H:C:T:L. A drive has up to three of them,
 * and which one carries the commands follows from how data is to move: io=direct from a node where that takes
 * effect, io=mmap and io=indirect from the sg node. The st node is held open meanwhile, whatever carries the
 * commands: it can be opened once only, so that `mt rewind` is told that the drive is busy. */
#include <stdatomic.h>
#include <stdint.h>

#include <reelfs/devices.h>
#include <reelfs/transport.h>

#include "sg-io.h"

/* As transport_open_with. address: a character device. */
int sg_open(const char *address, const struct transport_options *options, Transport **ret);
int sg_open_device(const Device *d, const struct transport_options *options, Transport **ret);

/* ---- For the modules of this transport and their tests */

#define SG_PAGE 4096u
#define SG_TRANSFER_MAX (8u << 20) /* more in one command gains nothing */
#define SG_COUNTED 4096u           /* shorter transfers, parameter data mostly, are copied and not counted */

struct sg {
        Transport transport;
        const struct sg_calls *calls;
        const char *root; /* where sys lies, "" outside of tests; a literal */
        Device *device;   /* without a directory where sysfs is not there */
        enum device_node asked;
        int fds[DEVICE_NODES]; /* -1: not open */

        enum device_node node; /* that commands take */
        enum sg_way way;
        size_t max_transfer;
        void *memory; /* of our own, for data in pieces; with SG_MMAP the driver's reserved buffer */
        size_t memory_size;
        char *why;       /* nothing better took effect; NULL: nothing better was to be had */
        int guard_error; /* why the st node is not held; 0: it is */
        bool tell_copy;  /* to say so if all data is copied */
        bool disrupted, stuck;
        bool silent;     /* the last command brought no answer */
        bool moved_tape; /* behind the st driver's back */
        bool attention;  /* a unit attention or a disruption was seen: perhaps a reset */

        /* Since the open, of transfers that count. Written by who executes, read by any thread. */
        atomic_uint_fast64_t transfers, copied;
        atomic_int reason; /* of the last that was copied: enum sg_reason */
};

enum sg_reason { SG_PIECES, SG_ALIGNMENT, SG_REFUSED, SG_REASONS };

/* Opens the nodes that asked needs, the st node first, and takes the drive for this process. Logs the
 * failure; t is to be closed by sg_free anyway.
 */
int sg_open_nodes(struct sg *t);
/* Opens one more. -errno, not logged. */
int sg_open_node(struct sg *t, enum device_node node);
/* UNIT ATTENTION came back. */
bool sg_is_attention(const struct transport_command *c);
/* Tells the st driver, which counts files and blocks, where the tape is: at its beginning. */
void sg_rewind_st(struct sg *t);
/* Finds out which node and way take effect, by commands to the drive that change nothing, and how much goes
 * into one command. Says so where it is not what io asks for. */
int sg_choose(struct sg *t, enum transport_io io);
/* A transport over nodes that are opened by calls. device is taken over. */
struct sg *sg_new(const struct sg_calls *calls, const char *root, Device *device, enum device_node asked);
void sg_free(struct sg *t);

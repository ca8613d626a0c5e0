/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* The command ring that is shared with the kernel (linux/target_core_user.h). Memory only, no I/O; one
 * thread.
 *
 * Commands are answered in any order: the kernel looks at the id in an answered entry, not at its place
 * (TCMU_MAILBOX_FLAG_CAP_OOOC). */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#define RING_IOV_MAX 1022 /* what the virtual drive takes */
#define RING_CDB_MAX 16

struct ring {
        uint8_t *map;
        size_t size;
        uint32_t next; /* offset in the ring of the entry that was not seen yet */
        struct iovec iov[RING_IOV_MAX];
};

enum ring_event_kind {
        RING_COMMAND,
        RING_ABORT, /* commands were given up by who sent them; the kernel waits for their answers */
        RING_RESET, /* the same, of the whole logical unit */
};

struct ring_event {
        enum ring_event_kind kind;
        uint16_t id; /* of the command */
        uint8_t cdb[RING_CDB_MAX];
        struct iovec *iov;   /* of the data, in the shared memory; until the next ring_next */
        int iovcnt;          /* -1: more pieces than RING_IOV_MAX, or none of the memory's */
        const uint16_t *ids; /* RING_ABORT, RING_RESET: the commands; until the next ring_complete */
        uint32_t count;
};

struct ring_reply {
        uint8_t status; /* SAM-5 */
        const uint8_t *sense;
        size_t sense_length;
        size_t nread; /* bytes of data in; 0: none, or as many as were asked for */
};

/* -EPROTO: not a ring of a version that is known here. */
int ring_init(struct ring *r, void *map, size_t size);
/* The next thing that the kernel wants. False: nothing for now. */
bool ring_next(struct ring *r, struct ring_event *e);
/* Answers a command that ring_next gave. The caller tells the kernel. */
void ring_complete(struct ring *r, uint16_t id, const struct ring_reply *reply);

/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* When the commands of a modelled drive are done: its buffer, and the tape behind it. Nobody waits here: each
 * call says when a command comes, in ns of a clock that never goes back, and is told when it is done. Places
 * on the tape are bytes from its beginning.
 *
 * The tape runs while the buffer gives it work: bytes to write, or room for what it reads ahead. The less
 * there is, the slower it runs; without any it stops, and goes back a little, so that it is at speed again
 * when it comes to the place. It starts again when half of the buffer is work, or when a command needs it. */
#include <stdbool.h>

#include <reelfs/virtual.h>

#include "serpentine.h"

enum mechanics_mode {
        MECHANICS_IDLE /* standing where it was moved to */,
        MECHANICS_WRITING,
        MECHANICS_READING
};

struct mechanics {
        const struct serpentine_drive *drive;
        int64_t now; /* what has happened until then is accounted for */
        enum mechanics_mode mode;
        bool moving, located; /* located: by the last command */
        int64_t ready;        /* if it does not move: from then on it can start */
        int64_t from;         /* if it moves: from then on it is at speed */
        uint64_t head, host;  /* places: of the tape, of the host */
        uint64_t end;         /* of data: no reading ahead beyond it */
        struct virtual_motion motion;
};

void mechanics_init(struct mechanics *m, const struct serpentine_drive *drive);

/* bytes: of data, between two places; those between the blocks count as well. Bytes written are in the buffer
 * when it is done. */
int64_t mechanics_write(struct mechanics *m, int64_t now, uint64_t from, uint64_t to, uint64_t bytes);
/* end: of data. */
int64_t mechanics_read(
        struct mechanics *m, int64_t now, uint64_t from, uint64_t to, uint64_t bytes, uint64_t end);
/* All of the buffer on the tape. */
int64_t mechanics_flush(struct mechanics *m, int64_t now);
/* LOCATE and SPACE; flushes. */
int64_t mechanics_locate(struct mechanics *m, int64_t now, uint64_t to);
int64_t mechanics_rewind(struct mechanics *m, int64_t now);
/* Loading or unloading a tape that is rewound. */
int64_t mechanics_load(struct mechanics *m, int64_t now, bool load);
/* Nothing happens until then. */
void mechanics_advance(struct mechanics *m, int64_t now);

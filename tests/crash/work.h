/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* The workload: operations on a mounted volume, below FUSE, as its frontend would do them, drawn from a seed;
 * each is told to the model. The thread that owns it is the only caller; the drive's is the scheduler's. */
#include <reelfs/sched.h>

#include "model.h"
#include "recorder.h"

#define WORK_BLOCK 8192
#define WORK_STAGE (32 << 10) /* longer files stream */

enum medium {
        MEDIUM_USUAL,
        MEDIUM_WORM,        /* written once */
        MEDIUM_APPEND_ONLY, /* the drive is in append-only mode */
        MEDIUM_COUNT,
};

/* A write that has found no room, and does not wait for it: the frontend's keep the thread free. */
struct parked {
        SchedFile *file; /* NULL: there is none */
        uint64_t id;
        struct part part;
};

struct work {
        enum medium medium;
        GRand *random;
        struct model *model;
        struct recording recording;
        const char *fault;       /* a rule of the fault injector, for command fault_at; NULL: none */
        const struct loss *loss; /* at that command; NULL: none */
        size_t fault_at;
        bool verbose; /* print each operation */

        Tape *tape;
        Volume *volume;
        Tree *tree;
        Sched *sched;
        SchedFile *streaming; /* a large file that stays open over several operations; its path: */
        char *streaming_path;
        uint64_t streaming_id;
        int64_t clock;  /* times that operations set */
        unsigned names; /* made so far, so that each is another one */
        GString *doing; /* the operation under way, for messages */
        bool unmounted; /* the last one ended without an error */

        /* Of a run in which operations go on while the drive works (race.h). */
        bool race_wanted, racing; /* racing: once the first files are there */
        bool few;                 /* of them there are only some */
        struct race *race;        /* while it does */
        struct parked parked;     /* at most one */
        GPtrArray *log;           /* a line for each operation */
        GPtrArray *left;          /* paths that files had */
};

/* Makes the cartridge at path, formats it and fills it with the first files, committed. */
int work_begin(struct work *w, uint32_t seed, const char *path);
/* One more operation. A negative error: a program has been told that something failed; or it went wrong, if
 * there is no fault. */
int work_step(struct work *w);
/* The last unmount, if it is mounted still. 0: it was told that all is on the tape. */
int work_end(struct work *w);
void work_clear(struct work *w);

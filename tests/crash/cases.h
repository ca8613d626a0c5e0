/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* One crash each: what it leaves, mounting that, and what is said of it. */
#include "check.h"
#include "recorder.h"

enum crash {
        CRASH_KILLED,     /* the daemon: the drive goes on */
        CRASH_ALL_LOST,   /* the power, and all of the drive's buffer */
        CRASH_PART_LOST,  /* the end of it */
        CRASH_PART_DONE,  /* in the midst of a command, of which a part is done */
        CRASH_OLD_MEMORY, /* the cartridge's chip holds what it did before the last write to it */
        CRASH_NO_END,     /* the power; the end of data was not written */
        CRASH_TORN,       /* the power, in the midst of a block */
        CRASH_KINDS,
};
extern const char *const crash_names[CRASH_KINDS];

struct cut {
        enum crash kind;
        size_t command; /* how many were done */
        uint64_t size;  /* of the cartridge's file */
        enum tail tail;
        unsigned memory;
        unsigned acked, last; /* see struct window */
};

/* All cuts of a recording, in order of commands, each of which leaves something else or at another time;
 * drawn from seed where there are too many. Of struct cut. acked, last: of a recording that is not of a
 * workload. */
GArray *cuts_of(const struct recording *r, uint32_t seed);
GArray *cuts_of_recovery(const struct recording *r, uint32_t seed, const struct window *w);

struct totals {
        unsigned cuts[CRASH_KINDS], second_cuts, repair_cuts, mounts, repairs, refused, rescued;
        /* What must not be: */
        unsigned lost, invented, failed_mounts, not_writable, other;
        bool silent; /* nothing is printed */
};

/* Whether the tape has an end of data. */
enum end { END_WRITTEN, END_MISSING, END_UNKNOWN };

/* Puts the cartridge at path into the state that the cut leaves, mounts it, and looks at everything; then
 * writes and mounts again. second: the commands of the first mount and of the repair are recorded there
 * (recording_begin), NULL: nobody wants them. what: the case, for messages. False: something is wrong, and
 * was printed. */
bool case_run(const struct recording *r, const struct cut *cut, const char *path, const struct window *w,
        struct recording *second, const char *what, struct totals *totals);

/* Mounts the cartridge that is there, and does the same. Without an end of data it is read-only, and is
 * repaired before it is written to. */
bool case_verify(const char *path, const struct window *w, enum end end, struct recording *second,
        const char *what, struct totals *totals);

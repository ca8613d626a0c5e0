/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* What the parts of bench-model share: which files are archived and restored, how fast their data comes and
 * goes, and the line that a figure is. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <reelfs/virtual.h>

#include "../../src/transport/mechanics.h"

#define GIB (UINT64_C(1) << 30)
#define FILES_A_SECOND 5000 /* that a program opens, writes and closes */
#define INDEX_S 300
#define SCATTERED_SIZE (64u << 20)

/* files of this size; the last of a list has none. */
struct kind {
        unsigned files;
        uint64_t size;
};

struct job {
        const char *set;
        const struct serpentine_drive *drive;
        double rate; /* of the source, bytes a second */
        uint64_t *sizes;
        size_t *shuffled; /* the same files in another order */
        size_t n;
        uint64_t part;     /* bytes of each file that are read, from its middle on; 0: all */
        uint32_t block;    /* bytes; 0: as always */
        const char *lacks; /* what the drive does; NULL: nothing */
};

/* SCALE of the command line divides the kinds. job_clear frees what job_make made. */
void job_make(struct job *j, const struct kind *kinds, unsigned scale);
void job_clear(struct job *j);
uint64_t job_bytes(const struct job *j);

/* What the source or the target of bytes takes. */
int64_t job_host_ns(const struct job *j, uint64_t bytes);

void job_print(const struct job *j, const char *what, const char *order, const char *who, double seconds,
        const struct virtual_motion *m);

/* By the real scheduler and volume; files in directory, gone afterwards. */
void model_reelfs(const struct job *j, const char *directory, bool restore);
void model_wanted(const struct serpentine_drive *drive, double rate, const char *directory);
void model_beside(const struct serpentine_drive *drive, double rate, const char *directory);

/* tar, one record for each file, and the physical limit: command by command. */
void model_others(const struct job *j);
void model_scattered(const struct serpentine_drive *drive);

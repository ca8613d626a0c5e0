/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* Copies a volume, or parts of it, into a directory, or only compares its files with their hashes: data in
 * the order of the tape, without FUSE. The calling thread reads the drive, another one writes files; the tape
 * waits only when the buffers between them are full, and then until half of them are free. Symbolic links
 * below the directory are never followed. */
#include <reelfs/volume.h>

enum restore_existing {
        RESTORE_REFUSE,    /* nothing is done if a name is there already; directories may be */
        RESTORE_OVERWRITE, /* it is replaced */
        RESTORE_RESUME, /* a file of the right size and time of modification is left, others are replaced */
};

struct restore_progress {
        uint64_t bytes, total_bytes; /* total: without what is complete already */
        uint64_t files, total_files; /* names that are not directories */
        uint64_t failed;             /* files that are not there, or in part */
        uint64_t attributes;         /* owners, modes, xattrs or times that could not be set */
        uint64_t skipped;            /* were complete */
        uint64_t damaged;            /* files that were made with holes, or are not what was written */
        uint64_t missing;            /* bytes of files that could not be read */
        uint64_t verified;           /* files that were read and are what was written, by their hash */
        uint64_t unknown;            /* that were read and have no hash */
        uint64_t differing;          /* that are not what was written; a restore counts them as failed, too */
};

/* Something of a file that is not as it should be. */
struct restore_bad {
        const char *path;
        bool differs;             /* it is not what was written; else these bytes cannot be read */
        uint64_t offset, bytes;   /* in the file; all of it, if it differs */
        uint64_t segment, object; /* where that is: what mt fsf takes, and the logical object number */
};

struct restore_options {
        char **paths; /* on the volume, ends with NULL; none: all of it */
        enum restore_existing existing;
        /* A file that cannot be read as a whole does not count as failed: it is made, with holes for what is
         * missing, and counts as damaged. These holes are told to bad and not logged. */
        bool salvage;
        /* Called every so often by the calling thread; false: end here. */
        bool (*report)(void *ctx, const struct restore_progress *progress);
        /* Called for each, besides the log, by either thread. NULL: nobody wants to know. */
        void (*bad)(void *ctx, const struct restore_bad *bad);
        void *ctx;
};

/* Directory target is open. Failures of single files are logged and counted in result, and 0 is returned.
 * -ENOENT: no such path; -EEXIST, -ENOTDIR: something is in the way; -ECANCELED: report said so; -ENOSPC;
 * errors of the drive that concern more than a block. All but -ECANCELED are logged. What is incomplete then
 * has not its time of modification. */
int restore_run(Volume *volume, Tree *tree, int target, const struct restore_options *options,
        struct restore_progress *result);

/* The same, but nothing is written: existing is ignored, and failed counts files that cannot be read. */
int restore_verify(
        Volume *volume, Tree *tree, const struct restore_options *options, struct restore_progress *result);

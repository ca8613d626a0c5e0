/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* What differs between kinds of volume. Nothing outside a profile's own table asks which one is mounted. */
#include <reelfs/volume.h>

struct profile {
        const char *name;      /* in the XML label */
        const char *partition; /* that data and indexes are in */
        bool compact_index;    /* elements that equal their default are left out of the index */
        bool incremental;      /* an index may say what has changed only */
        /* (drive) Behind a segment of data. */
        int (*end_segment)(Volume *v);
        /* (drive) Finds the last valid index behind the labels, loads it into v and *tree, and says in v
         * whether it is the last thing on the tape. -EUCLEAN: there is none; why, VOLUME_WHY_MAX bytes, says
         * more. */
        int (*find_index)(Volume *v, Tree **tree, char *why);
};

extern const struct profile profile_reel;

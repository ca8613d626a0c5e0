/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* What a volume has after a crash, against the model. */
#include <reelfs/volume.h>

#include "model.h"

/* Between which two steps the crash was: all up to acked was said to be safe, nothing after last was begun.
 */
struct window {
        const struct model *model;
        unsigned acked, last;
        bool faulty; /* the drive has failed: of what was not acknowledged, files may have a part */
        bool lied;   /* it has dropped data in the midst of other data and not said so: the volume may be
                        read-only   for that, and what was not acknowledged may have the wrong bytes */
        bool racing; /* operations went on while the drive worked */
};

struct verdict {
        unsigned lost;     /* names that were committed: they are gone, or are not what they were */
        unsigned invented; /* names, attributes or bytes that never were */
        unsigned rescued;  /* files in lost+found */
        GString *text;     /* a line for each of the first two kinds */
};

/* Files of the bench itself, written after the crash, are of this name with a number. */
#define CHECK_OWN "/after-the-crash-"
#define CHECK_OWN_SIZE 20001
#define CHECK_OWN_MAX 4 /* numbers are from 1 to this */
void check_own_content(uint8_t data[static CHECK_OWN_SIZE], unsigned number);

/* Reads everything. -EIO, and other errors of the tape: that was not possible, and says so in text. */
int check_volume(Volume *v, Tree *tree, const struct window *w, struct verdict *verdict);
/* All bytes of a file. NULL: they cannot be read. */
GBytes *check_read(Volume *v, Tree *tree, uint64_t ino);

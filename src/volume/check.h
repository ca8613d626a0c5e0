/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* What a check is made of: check.c looks at index and filemarks, check-deep.c reads the segments, repair.c
 * writes. Drive thread only. */
#include "scan.h"

struct check {
        Tape *tape;
        Volume *v; /* NULL: not even the labels can be read */
        Tree *tree;
        bool has_index;
        const struct volume_check_options *options;
        struct volume_check_result *result;
};

void inspect_problem(struct check *c, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Opens the volume into c, and says what is wrong with labels, index and the end of data. Negative: it cannot
 * be checked at all. */
int inspect_open(struct check *c);
void inspect_close(struct check *c);
/* Segments are where they are said to be. */
int inspect_filemarks(struct check *c);
/* Reads all of them. */
int inspect_deep(struct check *c);
/* Writes an index. 0 even if that is not possible or not agreed to, which is said. */
int inspect_repair(struct check *c);

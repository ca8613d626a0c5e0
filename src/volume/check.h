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

void check_problem(struct check *c, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Opens the volume into c, and says what is wrong with labels, index and the end of data. Negative: it cannot
 * be checked at all. */
int check_open(struct check *c);
void check_close(struct check *c);
/* Segments are where they are said to be. */
int check_filemarks(struct check *c);
/* Reads all of them. */
int check_deep(struct check *c);
/* Writes an index. 0 even if that is not possible or not agreed to, which is said. */
int check_repair(struct check *c);

/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
#include <reelfs/volume.h>

#include "check.h"

#define LOST_FOUND "/lost+found"

/* A name that the volume has. */
struct found {
        char *path;
        struct tree_attr attr;
        char *target, *attribute;
        bool marked; /* as what is not there as a whole */
};

struct check {
        Volume *volume;
        Tree *tree;
        const struct window *window;
        struct verdict *verdict;
        GPtrArray *all; /* of struct found */
        GHashTable *by_path;
        GHashTable *segments;           /* id: GBytes, what was read of it */
        GHashTable *inodes, *model_ids; /* of unchanged names: which belong together */
        GString *at;                    /* path of the walk */
        struct race_check *race;        /* of a run that races */
};

void check_complain(struct check *c, unsigned *count, const char *path, const char *text);
/* NULL: they cannot be read. */
GBytes *check_content(struct check *c, const struct found *f);
/* NULL: it is that state. */
const char *check_difference(const struct found *f, GBytes *content, const struct node *n);
/* A directory that a pack's member needed may be made anew, with attributes that nobody has set. */
bool check_is_makeshift(const struct found *f, const struct node *const *states, unsigned n);
/* Names of one inode are still names of one inode, others are not: of a name that has not changed. */
void check_links(struct check *c, const struct found *f, const struct node *n);

/* What is wrong with the bytes of a file in lost+found; NULL: they were written, whatever file they were of.
 */
const char *check_rescued(const struct window *w, GBytes *content);
/* At least so many bytes say where they are from. */
#define PIECE 8
/* Packs and indexes that cannot be used begin as what they are; all else is data of files. Of an index whose
 * beginning a drive has only said to have written there may be the rest. */
bool check_is_ours(const uint8_t *data, size_t size);

/* check-race.c: of a run that races. */
void race_check_begin(struct check *c);
void race_check_found(struct check *c, const struct found *f);
void race_check_rescued(struct check *c, const struct found *f, GBytes *content);
/* After all names. */
void race_check_end(struct check *c);

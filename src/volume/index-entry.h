/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* The half of the index reader that knows no XML: collects what the document says of one entry, then puts it
 * into the tree. */
#include <reelfs/util.h>

#include "index.h"

struct entry_xattr {
        char *name; /* as Linux has it */
        char *value;
        size_t size;
};

struct entry_extent {
        uint64_t file_offset, block, byte_offset, bytes;
};

struct entry_loader {
        Tree *tree;
        struct segment_table *segments;
        uint32_t block_length;
        bool apply; /* entries change a tree that is there */
        struct posix_defaults defaults;
        char why[INDEX_WHY_MAX]; /* after an error */

        /* The entry at hand. There is one at a time: a directory is put into the tree before its contents. */
        bool active;
        bool is_directory, is_root;
        char *name, *target, *posix;
        uint64_t fileuid, length;
        bool readonly;
        struct tree_times times;
        int64_t backup_time;
        struct tree_extent *extents;
        size_t n_extents, max_extents;
        struct entry_xattr *xattrs;
        size_t n_xattrs, max_xattrs, xattr_bytes;
};

/* Errors of all: -EUCLEAN, -ENOMEM; why is set. */
int entry_fail(struct entry_loader *l, int error, const char *format, ...)
        __attribute__((format(printf, 3, 4)));
void entry_begin(struct entry_loader *l, bool is_directory, bool is_root);
/* Takes value over, which is size bytes. */
int entry_add_xattr(struct entry_loader *l, const char *key, char *value, size_t size);
/* Turns blocks into a place in a segment. */
int entry_add_extent(struct entry_loader *l, const struct entry_extent *e);
/* Puts the entry into the tree below parent; *ino: what it became. */
int entry_end(struct entry_loader *l, uint64_t parent, uint64_t *ino);
/* A directory that is there and only leads to others. */
int entry_pass(struct entry_loader *l, uint64_t parent, uint64_t *ino);
/* There is no such name any more. */
int entry_delete(struct entry_loader *l, uint64_t parent);
/* Frees what the loader owns: not the tree and the table. */
void entry_loader_clear(struct entry_loader *l);

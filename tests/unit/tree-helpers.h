/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* For the tests of the tree: what makes and finds inodes in one call. */
#include <glib.h>
#include <sys/stat.h>

#include <reelfs/tree.h>

/* Creates, and gives the reference back. */
static inline int make(Tree *t, uint64_t parent, const char *name, uint32_t mode, uint64_t *ino)
{
        struct tree_attr attr;
        struct tree_new_inode n = { .mode = mode, .uid = 1, .gid = 2, .rdev = 0x801, .target = "some/where" };
        int r = tree_create(t, parent, name, &n, 10, &attr);
        if (r < 0)
                return r;
        tree_unref(t, attr.ino, 1);
        *ino = attr.ino;
        return 0;
}

static inline uint64_t add(Tree *t, uint64_t parent, const char *name, uint32_t mode)
{
        uint64_t ino = 0;
        g_assert_cmpint(make(t, parent, name, mode, &ino), ==, 0);
        return ino;
}

static inline uint64_t add_dir(Tree *t, uint64_t parent, const char *name)
{
        return add(t, parent, name, S_IFDIR | 0755);
}

static inline uint64_t add_file(Tree *t, uint64_t parent, const char *name)
{
        return add(t, parent, name, S_IFREG | 0644);
}

/* The ino at path; 0: none. */
static inline uint64_t at(Tree *t, const char *path)
{
        struct tree_attr attr;
        if (tree_resolve(t, path, &attr) < 0)
                return 0;
        tree_unref(t, attr.ino, 1);
        return attr.ino;
}

static inline struct tree_attr attr_of(Tree *t, uint64_t ino)
{
        struct tree_attr attr;
        g_assert_cmpint(tree_getattr(t, ino, &attr), ==, 0);
        return attr;
}

static inline struct tree_counts counts_of(Tree *t)
{
        struct tree_counts counts;
        tree_get_counts(t, &counts);
        return counts;
}

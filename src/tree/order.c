/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The order of the tape, for readdir. */
#include <stdlib.h>

#include "tree-private.h"

struct keyed {
        uint64_t position;
        struct dentry *d;
};

struct order {
        uint64_t (*position)(void *ctx, const struct tree_extent *first);
        void *ctx;
};

/* Of the first byte of its data; UINT64_MAX: it has none. */
static uint64_t position_of(const struct order *o, struct inode *inode)
{
        if (is_dir(inode))
                return inode->dir->position;
        if (S_ISREG(inode->mode) && inode->n_extents > 0)
                return o->position(o->ctx, inode_extents(inode));
        return UINT64_MAX;
}

/* Equal ones stay as they were. */
static int compare(const void *a, const void *b)
{
        const struct keyed *x = a, *y = b;
        if (x->position != y->position)
                return x->position < y->position ? -1 : 1;
        return x->d->cookie < y->d->cookie ? -1 : 1;
}

/* What has no data goes with the name before it. Returns whether there is anything to do. */
static bool look_at(const struct order *o, struct directory *dir, struct keyed *names)
{
        uint64_t before = 0;
        bool sorted = true;
        dir->position = UINT64_MAX;
        for (size_t i = 0; i < dir->n; i++) {
                uint64_t position = position_of(o, dir->slots[i]->inode);
                if (position != UINT64_MAX) {
                        dir->position = MIN(dir->position, position);
                        sorted &= before <= position;
                        before = position;
                }
                if (names)
                        names[i] = (struct keyed){ before, dir->slots[i] };
        }
        return !sorted;
}

/* Without memory for it the order stays as it is: it is right, only slower. */
static void sort(Tree *t, const struct order *o, struct directory *dir)
{
        if (dir->live < dir->n)
                dir_compact(t, dir);
        if (!look_at(o, dir, NULL))
                return;
        g_autofree struct keyed *names = g_try_new(struct keyed, dir->n);
        if (!names)
                return;
        look_at(o, dir, names);
        qsort(names, dir->n, sizeof(*names), compare);
        for (size_t i = 0; i < dir->n; i++)
                dir->slots[i] = names[i].d;
        for (size_t i = 0; i < dir->n; i++)
                dir->slots[i]->cookie = i + 1;
        dir->last_cookie = dir->n;
}

void tree_sort(Tree *tree, uint64_t (*position)(void *ctx, const struct tree_extent *first), void *ctx)
{
        autounlock Tree *t = tree_lock(tree);
        const struct order o = { position, ctx };
        const struct inode *dir = t->root;
        size_t i = 0;
        for (;;) {
                const struct dentry *d = dir_next(dir->dir, &i);
                if (d && is_dir(d->inode)) {
                        dir = d->inode;
                        i = 0;
                }
                if (d)
                        continue;
                /* What is below is sorted, what is above is not yet: its cookies are still those of i. */
                sort(t, &o, dir->dir);
                d = dir_dentry(dir);
                if (!d)
                        break;
                dir = d->parent;
                i = dir_seek(dir->dir, d->cookie + 1);
        }
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What differs from the last index, and from the last full one.
 *
 * An inode is noted once, with a bit in it that says so; then all of its names are in the next index, which
 * covers names that were added. Names that went are noted as such, if the index can have them: fileuids
 * ascend and go along with a name, so a fileuid tells that. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tree-private.h"

#define ENTRIES_MIN 16384

size_t log_limit(const Tree *t)
{
        return MAX(ENTRIES_MIN, t->dentries.n / 4);
}

static size_t gone_size(const struct gone *g)
{
        return offsetof(struct gone, name) + g->length + 1;
}

static void gone_free(Tree *t, struct gone *g)
{
        tree_release(t, g, gone_size(g));
}

static void clear(Tree *t, struct change_log *log)
{
        for (size_t i = 0; i < log->n_inos; i++) {
                struct inode *inode = inode_find(t, log->inos[i]);
                if (inode)
                        inode->noted &= (uint8_t)~log->bit & (LOG_LAST | LOG_FULL);
        }
        for (size_t i = 0; i < log->n_gone; i++)
                gone_free(t, log->gone[i]);
        tree_release(t, log->inos, log->max_inos * sizeof(*log->inos));
        tree_release(t, log->gone, log->max_gone * sizeof(struct gone *));
        *log = (struct change_log){ .known = log->known, .bit = log->bit };
}

void log_init(Tree *t)
{
        t->since_last = (struct change_log){ .known = TREE_ROOT, .bit = LOG_LAST };
        t->since_full = (struct change_log){ .known = TREE_ROOT, .bit = LOG_FULL };
}

void log_free(Tree *t)
{
        clear(t, &t->since_last);
        clear(t, &t->since_full);
}

void log_overflow(Tree *t)
{
        log_free(t);
        t->log_overflowed = true;
}

static void drop_dead_inodes(Tree *t, struct change_log *log)
{
        size_t n = 0;
        for (size_t i = 0; i < log->n_inos; i++) {
                struct inode *inode = inode_find(t, log->inos[i]);
                if (inode && inode->nlink > 0)
                        log->inos[n++] = log->inos[i];
                else if (inode)
                        inode->noted &= (uint8_t)~log->bit & (LOG_LAST | LOG_FULL);
        }
        log->n_inos = n;
}

static bool same_name(const struct gone *a, const struct gone *b)
{
        return a->dir == b->dir && a->length == b->length && memcmp(a->name, b->name, a->length) == 0;
}

static int compare_gone(const void *a, const void *b)
{
        const struct gone *x = *(struct gone *const *)a, *y = *(struct gone *const *)b;
        if (x->dir != y->dir)
                return x->dir < y->dir ? -1 : 1;
        if (x->length != y->length)
                return x->length < y->length ? -1 : 1;
        int r = memcmp(x->name, y->name, x->length);
        return r != 0 ? r : (x->fileuid > y->fileuid) - (x->fileuid < y->fileuid);
}

/* Of what is there twice, that with the lowest fileuid stays: it is in every index that one of them is in. */
static void drop_dead_names(Tree *t, struct change_log *log)
{
        if (log->n_gone > 0)
                qsort(log->gone, log->n_gone, sizeof(struct gone *), compare_gone);
        size_t n = 0;
        for (size_t i = 0; i < log->n_gone; i++) {
                struct gone *g = log->gone[i];
                if ((n > 0 && same_name(log->gone[n - 1], g)) || !inode_find(t, g->dir))
                        gone_free(t, g);
                else
                        log->gone[n++] = g;
        }
        log->n_gone = n;
}

static bool has_room(Tree *t, struct change_log *log)
{
        size_t limit = log_limit(t);
        if (t->log_overflowed)
                return false;
        if (log->n_inos + log->n_gone < limit)
                return true;
        drop_dead_inodes(t, log);
        drop_dead_names(t, log);
        /* Not for a little only: that would go on and on. */
        if (log->n_inos + log->n_gone <= limit / 4 * 3)
                return true;
        log_overflow(t);
        return false;
}

void log_inode(Tree *t, struct change_log *log, struct inode *inode)
{
        if ((inode->noted & log->bit) || !has_room(t, log))
                return;
        if (tree_reserve(t, &log->inos, log->n_inos, &log->max_inos, sizeof(*log->inos)) < 0) {
                log_overflow(t);
                return;
        }
        log->inos[log->n_inos++] = inode->ino;
        inode->noted |= log->bit & (LOG_LAST | LOG_FULL);
}

/* Takes g. */
static void add_gone(Tree *t, struct change_log *log, struct gone *g)
{
        if (has_room(t, log)) {
                if (tree_reserve(t, &log->gone, log->n_gone, &log->max_gone, sizeof(struct gone *)) == 0) {
                        log->gone[log->n_gone++] = g;
                        return;
                }
                log_overflow(t);
        }
        gone_free(t, g);
}

static bool may_know(const struct change_log *log, uint64_t dir, uint64_t fileuid)
{
        return fileuid <= log->known && dir <= log->known;
}

void log_gone(Tree *t, struct change_log *log, const struct dentry *d)
{
        if (t->log_overflowed || !may_know(log, d->parent->ino, d->fileuid))
                return;
        struct gone *g = tree_alloc(t, offsetof(struct gone, name) + d->length + 1);
        if (!g) {
                log_overflow(t);
                return;
        }
        g->dir = d->parent->ino;
        g->fileuid = d->fileuid;
        g->length = d->length;
        memcpy(g->name, d->name, (size_t)d->length + 1);
        add_gone(t, log, g);
}

/* What has changed since the last index has so since the last full one. */
static void merge(Tree *t)
{
        struct change_log last = t->since_last, *full = &t->since_full;
        t->since_last = (struct change_log){ .known = last.known, .bit = last.bit };
        for (size_t i = 0; i < last.n_inos; i++) {
                struct inode *inode = inode_find(t, last.inos[i]);
                if (inode && inode->nlink > 0)
                        log_inode(t, full, inode);
        }
        for (size_t i = 0; i < last.n_gone; i++)
                if (may_know(full, last.gone[i]->dir, last.gone[i]->fileuid))
                        add_gone(t, full, last.gone[i]);
                else
                        gone_free(t, last.gone[i]);
        last.n_gone = 0;
        clear(t, &last);
}

void log_begin(Tree *t, enum tree_scope scope)
{
        if (scope == TREE_ALL) {
                log_free(t);
                t->log_overflowed = false;
                t->since_full.known = t->highest_fileuid;
        } else {
                merge(t);
        }
        t->since_last.known = t->highest_fileuid;
}

void tree_get_log_size(Tree *tree, struct tree_log_size *size)
{
        autounlock Tree *t = tree_lock(tree);
        const struct change_log *last = &t->since_last, *full = &t->since_full;
        size->since_last = last->n_inos + last->n_gone;
        size->since_full = size->since_last + full->n_inos + full->n_gone;
        size->overflowed = t->log_overflowed;
}

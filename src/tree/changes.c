/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The walk over what has changed. What is to be told is collected from the log, with the directories on the
 * way to it, and put into the order of the walk by sorting. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tree-private.h"

#define STEPS_MIN 64

struct step {
        uint64_t dir; /* in which this is */
        struct dentry *d;
        const struct gone *gone; /* d is NULL */
};

struct walk {
        Tree *t;
        const struct tree_change_visitor *visitor;
        void *ctx;
        uint8_t scope; /* bits of logs; 0: everything */
        struct step *steps;
        size_t n, max;
        uint64_t *again; /* inodes to be noted for the next walk */
        size_t n_again, max_again;
        bool too_many; /* of those */
};

static int add_step(struct walk *w, const struct inode *dir, struct dentry *d, const struct gone *gone)
{
        if (w->n == w->max) {
                size_t max = MAX(STEPS_MIN, w->max * 2);
                struct step *steps = g_try_realloc(w->steps, max * sizeof(*steps));
                if (!steps)
                        return -ENOMEM;
                w->steps = steps;
                w->max = max;
        }
        w->steps[w->n++] = (struct step){ dir->ino, d, gone };
        return 0;
}

/* All names of the inode. */
static int add_names(struct walk *w, struct inode *inode)
{
        struct dentry *d = inode->names;
        do {
                int r = add_step(w, d->parent, d, NULL);
                if (r < 0)
                        return r;
                inode->in_walk = true;
                d = d->next;
        } while (d != inode->names);
        return 0;
}

/* The directory, and those that it is in. */
static int add_path(struct walk *w, struct inode *dir)
{
        int r = 0;
        while (r == 0 && !dir->in_walk && dir->names) {
                r = add_names(w, dir);
                dir = dir->names->parent;
        }
        return r;
}

static int add_inode(struct walk *w, struct inode *inode)
{
        if (inode->in_walk || !inode->names)
                return 0;
        int r = add_names(w, inode);
        struct dentry *d = inode->names;
        do {
                if (r == 0)
                        r = add_path(w, d->parent);
                d = d->next;
        } while (d != inode->names);
        return r;
}

static int add_gone(struct walk *w, const struct gone *g)
{
        struct inode *dir = inode_find(w->t, g->dir);
        if (!dir || dir->nlink == 0 || dentry_find(w->t, dir, g->name, g->length))
                return 0;
        int r = add_step(w, dir, NULL, g);
        return r < 0 ? r : add_path(w, dir);
}

static int add_log(struct walk *w, const struct change_log *log)
{
        int r = 0;
        for (size_t i = 0; i < log->n_inos && r == 0; i++) {
                struct inode *inode = inode_find(w->t, log->inos[i]);
                if (inode)
                        r = add_inode(w, inode);
        }
        for (size_t i = 0; i < log->n_gone && r == 0; i++)
                r = add_gone(w, log->gone[i]);
        return r;
}

static int compare_gone(const struct gone *a, const struct gone *b)
{
        if (a->length != b->length)
                return a->length < b->length ? -1 : 1;
        return memcmp(a->name, b->name, a->length);
}

static int compare(const void *a, const void *b)
{
        const struct step *x = a, *y = b;
        if (x->dir != y->dir)
                return x->dir < y->dir ? -1 : 1;
        if (!x->d || !y->d)
                return x->d ? 1 : y->d ? -1 : compare_gone(x->gone, y->gone);
        return x->d->cookie < y->d->cookie ? -1 : x->d->cookie > y->d->cookie;
}

static int collect(struct walk *w)
{
        int r = add_log(w, &w->t->since_last);
        if (r == 0 && (w->scope & LOG_FULL))
                r = add_log(w, &w->t->since_full);
        for (size_t i = 0; i < w->n; i++)
                if (w->steps[i].d)
                        w->steps[i].d->inode->in_walk = false;
        if (r == 0 && w->n > 0)
                qsort(w->steps, w->n, sizeof(*w->steps), compare);
        return r;
}

/* The first step of the directory that is no name before cookie; 0: its first one. */
static size_t seek_step(const struct walk *w, const struct inode *dir, uint64_t cookie)
{
        size_t low = 0, high = w->n;
        while (low < high) {
                size_t mid = low + (high - low) / 2;
                const struct step *s = &w->steps[mid];
                if (s->dir < dir->ino ||
                        (s->dir == dir->ino && cookie > 0 && (!s->d || s->d->cookie < cookie)))
                        low = mid + 1;
                else
                        high = mid;
        }
        return low;
}

static void note_again(struct walk *w, uint64_t ino)
{
        if (w->n_again > 0 && w->again[w->n_again - 1] == ino)
                return;
        if (w->n_again == w->max_again) {
                size_t max = MAX(STEPS_MIN, w->max_again * 2);
                uint64_t *again =
                        max > 2 * log_limit(w->t) ? NULL : g_try_realloc(w->again, max * sizeof(*again));
                w->too_many |= !again;
                if (!again)
                        return;
                w->again = again;
                w->max_again = max;
        }
        w->again[w->n_again++] = ino;
}

static int enter(struct walk *w, const struct tree_entry *e, bool changed)
{
        int r = w->visitor->enter ? w->visitor->enter(w->ctx, e, changed) : 0;
        if (r == TREE_NOTE_AGAIN)
                note_again(w, e->ino);
        return r < 0 ? r : 0;
}

static int leave(struct walk *w, const struct tree_entry *e)
{
        int r = w->visitor->leave ? w->visitor->leave(w->ctx, e) : 0;
        return r < 0 ? r : 0;
}

static int enter_name(struct walk *w, const struct dentry *d)
{
        const struct inode *inode = d ? d->inode : w->t->root;
        struct tree_entry e;
        entry_fill(w->t, d, &e);
        return enter(w, &e, inode->noted & w->scope);
}

static int leave_name(struct walk *w, const struct dentry *d)
{
        struct tree_entry e;
        entry_fill(w->t, d, &e);
        return leave(w, &e);
}

static int tell_gone(struct walk *w, const struct step *s)
{
        if (!w->visitor->gone || (s > w->steps && !s[-1].d && compare(s - 1, s) == 0))
                return 0;
        int r = w->visitor->gone(w->ctx, s->gone->name);
        return r < 0 ? r : 0;
}

static int walk_steps(struct walk *w)
{
        const struct inode *dir = w->t->root;
        size_t i = seek_step(w, dir, 0);
        int r = enter_name(w, NULL);
        while (r == 0) {
                const struct step *s = i < w->n && w->steps[i].dir == dir->ino ? &w->steps[i++] : NULL;
                const struct dentry *d = s ? s->d : dir_dentry(dir);
                if (s && !d) {
                        r = tell_gone(w, s);
                        continue;
                }
                r = s ? enter_name(w, d) : leave_name(w, d);
                if (!d)
                        break;
                if (s && is_dir(d->inode)) {
                        dir = d->inode;
                        i = seek_step(w, dir, 0);
                } else if (!s) {
                        dir = d->parent;
                        i = seek_step(w, dir, d->cookie + 1);
                }
        }
        return r;
}

static int enter_any(void *ctx, const struct tree_entry *e)
{
        return enter(ctx, e, true);
}

static int leave_any(void *ctx, const struct tree_entry *e)
{
        return leave(ctx, e);
}

static void begin_anew(struct walk *w, enum tree_scope scope)
{
        log_begin(w->t, scope);
        if (w->too_many)
                log_overflow(w->t);
        for (size_t i = 0; i < w->n_again; i++)
                log_inode(w->t, &w->t->since_last, inode_find(w->t, w->again[i]));
}

int tree_commit_walk(Tree *tree, enum tree_scope scope, const struct tree_change_visitor *visitor, void *ctx)
{
        static const struct tree_visitor all = { enter_any, leave_any };
        static const uint8_t logs[] = {
                [TREE_SINCE_LAST] = LOG_LAST, [TREE_SINCE_FULL] = LOG_LAST | LOG_FULL, [TREE_ALL] = 0
        };
        autounlock Tree *t = tree_lock(tree);
        if (scope != TREE_ALL && t->log_overflowed)
                return -EOVERFLOW;
        struct walk w = { .t = t, .visitor = visitor, .ctx = ctx, .scope = logs[scope] };
        int r = scope == TREE_ALL ? 0 : collect(&w);
        if (r == 0)
                r = scope == TREE_ALL ? walk_names(t, &all, &w) : walk_steps(&w);
        if (r == 0)
                begin_anew(&w, scope);
        g_free(w.steps);
        g_free(w.again);
        return r;
}

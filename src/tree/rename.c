/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <linux/fs.h>
#include <string.h>

#include "tree-private.h"

struct place {
        struct inode *dir;
        const char *name;
        size_t length;
        struct dentry *d; /* NULL: no such name */
};

static int find_place(Tree *t, uint64_t parent, const char *name, struct place *p)
{
        int r = inode_get_dir(t, parent, &p->dir);
        if (r < 0)
                return r;
        r = name_check(name, &p->length);
        if (r < 0)
                return r;
        p->name = name;
        p->d = dentry_find(t, p->dir, name, p->length);
        return 0;
}

bool dir_is_within(const struct inode *dir, const struct inode *ancestor)
{
        while (dir != ancestor) {
                const struct dentry *d = dir_dentry(dir);
                if (!d)
                        return false;
                dir = d->parent;
        }
        return true;
}

static int may_replace(const struct inode *inode, const struct inode *target)
{
        if (is_dir(inode) && !is_dir(target))
                return -ENOTDIR;
        if (!is_dir(inode) && is_dir(target))
                return -EISDIR;
        if (is_dir(target) && target->dir->live > 0)
                return -ENOTEMPTY;
        return 0;
}

static int move(Tree *t, const struct place *from, const struct place *to, int64_t now)
{
        struct inode *inode = from->d->inode;
        struct dentry *d;
        int r = dentry_new(t, to->dir, to->name, to->length, from->d->fileuid, &d);
        if (r < 0)
                return r;
        if (to->d)
                name_drop(t, to->d, now);
        log_gone(t, &t->since_last, from->d);
        dentry_remove(t, from->d);
        dentry_insert(t, to->dir, d, inode);
        return 0;
}

static int exchange(Tree *t, const struct place *from, const struct place *to, int64_t now)
{
        if (is_dir(to->d->inode) && dir_is_within(from->dir, to->d->inode))
                return -EINVAL;
        inode_changed(t, to->d->inode, false, now);
        log_gone(t, &t->since_last, from->d);
        log_gone(t, &t->since_last, to->d);
        dentry_exchange(from->d, to->d);
        return 0;
}

int tree_rename(Tree *tree, uint64_t parent, const char *name, uint64_t new_parent, const char *new_name,
        unsigned flags, int64_t now)
{
        if (flags != 0 && flags != RENAME_NOREPLACE && flags != RENAME_EXCHANGE)
                return -EINVAL;
        autounlock Tree *t = tree_lock(tree);
        struct place from, to;
        int r = find_place(t, parent, name, &from);
        if (r == 0)
                r = find_place(t, new_parent, new_name, &to);
        if (r < 0)
                return r;
        if (!from.d || (flags == RENAME_EXCHANGE && !to.d))
                return -ENOENT;
        if (flags == RENAME_NOREPLACE && to.d)
                return -EEXIST;
        struct inode *inode = from.d->inode;
        if (to.d && to.d->inode == inode)
                return 0; /* POSIX: two names of one file both stay */
        if (is_dir(inode) && dir_is_within(to.dir, inode))
                return -EINVAL;
        if (flags != RENAME_EXCHANGE && to.d) {
                r = may_replace(inode, to.d->inode);
                if (r < 0)
                        return r;
        }
        r = flags == RENAME_EXCHANGE ? exchange(t, &from, &to, now) : move(t, &from, &to, now);
        if (r < 0)
                return r;
        inode_changed(t, inode, false, now);
        inode_changed(t, from.dir, true, now);
        inode_changed(t, to.dir, true, now);
        return 0;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <string.h>

#include "tree-private.h"

int entry_check(const struct tree_entry *e)
{
        if (!S_ISREG(e->attr.mode))
                return e->n_extents == 0 ? 0 : -EINVAL;
        return e->attr.size <= INT64_MAX ? 0 : -EINVAL;
}

void entry_take_attributes(struct inode *inode, const struct tree_entry *e)
{
        inode->mode = (uint16_t)(e->attr.mode & (S_IFMT | 07777));
        inode->uid = e->attr.uid;
        inode->gid = e->attr.gid;
        inode->times = e->attr.times;
        inode->backup_time = e->backup_time;
        inode->readonly = e->readonly;
}

static int load_root(Tree *t, const struct tree_entry *e, uint64_t *ino)
{
        if (!S_ISDIR(e->attr.mode) || e->n_extents > 0)
                return -EINVAL;
        entry_take_attributes(t->root, e);
        *ino = TREE_ROOT;
        return 0;
}

int entry_load_inode(Tree *t, const struct tree_entry *e, struct inode **ret)
{
        struct inode *inode;
        int r = inode_new(t, e->ino, e->attr.mode, e->attr.rdev, e->target, &inode);
        if (r < 0)
                return r;
        entry_take_attributes(inode, e);
        if (S_ISREG(e->attr.mode)) {
                inode_set_size(t, inode, e->attr.size);
                r = extents_load(t, inode, e->extents, e->n_extents);
        }
        if (r < 0)
                inode_put(t, inode);
        else
                *ret = inode;
        return r;
}

/* The inode that e names once more, or NULL. */
static int find_linked(Tree *t, const struct tree_entry *e, struct inode **ret)
{
        struct inode *inode = inode_find(t, e->ino);
        const struct inode *of_fileuid = e->fileuid == e->ino ? inode : inode_find(t, e->fileuid);
        if (fileuid_is_alias(t, e->fileuid) || fileuid_is_alias(t, e->ino) ||
                (of_fileuid && (of_fileuid != inode || inode->first_name)))
                return -EEXIST;
        if (inode &&
                (is_dir(inode) || (inode->mode & S_IFMT) != (e->attr.mode & S_IFMT) || inode->nlink == 0))
                return -EINVAL;
        *ret = inode;
        return 0;
}

void tree_load_soon(Tree *tree, uint64_t parent, const char *name, bool again)
{
        autounlock Tree *t = tree_lock(tree);
        hashtab_fetch(&t->dentries, hash_name(&t->key, parent, name, strlen(name)), again);
}

int tree_load(Tree *tree, uint64_t parent, const struct tree_entry *e, uint64_t *ino)
{
        autounlock Tree *t = tree_lock(tree);
        if (entry_is_root(e))
                return load_root(t, e, ino);
        struct inode *dir, *inode;
        size_t length;
        int r = inode_get_dir(t, parent, &dir);
        if (r < 0)
                return r;
        if (e->fileuid == 0 || e->ino == 0 || entry_check(e) < 0 || name_check(e->name, &length) < 0)
                return -EINVAL;
        if (dentry_find(t, dir, e->name, length))
                return -EEXIST;
        r = find_linked(t, e, &inode);
        if (r == 0 && !inode)
                r = entry_load_inode(t, e, &inode);
        if (r < 0)
                return r;
        r = name_add(t, dir, e->name, length, inode, e->fileuid);
        if (r < 0) {
                inode_put(t, inode);
                return r;
        }
        uint64_t highest = MAX(e->fileuid, e->ino);
        t->highest_fileuid = MAX(t->highest_fileuid, highest);
        t->since_last.known = MAX(t->since_last.known, highest);
        t->since_full.known = MAX(t->since_full.known, highest);
        *ino = e->ino;
        return 0;
}

void tree_set_highest_fileuid(Tree *tree, uint64_t fileuid)
{
        autounlock Tree *t = tree_lock(tree);
        t->highest_fileuid = MAX(t->highest_fileuid, fileuid);
}

uint64_t tree_highest_fileuid(Tree *tree)
{
        autounlock Tree *t = tree_lock(tree);
        return t->highest_fileuid;
}

void entry_fill(Tree *t, const struct dentry *d, struct tree_entry *e)
{
        struct inode *inode = d ? d->inode : t->root;
        *e = (struct tree_entry){
                .fileuid = d ? d->fileuid : TREE_ROOT,
                .name = d ? d->name : "",
                .ino = inode->ino,
                .backup_time = inode->backup_time,
                .readonly = inode->readonly,
                .target = S_ISLNK(inode->mode) ? inode->target : NULL,
                .extents = inode->n_extents > 0 ? inode_extents(inode) : NULL,
                .n_extents = inode->n_extents,
        };
        inode_attr(inode, &e->attr);
}

/* d: NULL for the root. */
static int visit(
        Tree *t, int (*call)(void *ctx, const struct tree_entry *entry), void *ctx, const struct dentry *d)
{
        if (!call)
                return 0;
        struct tree_entry e;
        entry_fill(t, d, &e);
        int r = call(ctx, &e);
        return r < 0 ? r : 0;
}

int walk_names(Tree *t, const struct tree_visitor *visitor, void *ctx)
{
        const struct inode *dir = t->root;
        size_t i = 0;
        int r = visit(t, visitor->enter, ctx, NULL);
        while (r == 0) {
                const struct dentry *d = dir_next(dir->dir, &i);
                if (d) {
                        r = visit(t, visitor->enter, ctx, d);
                        if (is_dir(d->inode)) {
                                dir = d->inode;
                                i = 0;
                        }
                        continue;
                }
                d = dir_dentry(dir);
                r = visit(t, visitor->leave, ctx, d);
                if (!d)
                        break;
                dir = d->parent;
                i = dir_seek(dir->dir, d->cookie + 1);
        }
        return r;
}

int tree_walk(Tree *tree, const struct tree_visitor *visitor, void *ctx)
{
        autounlock Tree *t = tree_lock(tree);
        return walk_names(t, visitor, ctx);
}

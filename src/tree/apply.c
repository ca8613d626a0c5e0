/* SPDX-License-Identifier: GPL-2.0-or-later */
/* An incremental index, on the tree as it was before. Its entries come in the order of the directories as
 * they are now, so what an entry needs may be in another's place, or be taken away, and come back later: what
 * is taken away is kept in limbo to the end, with all that is below it. */
#include <errno.h>
#include <string.h>

#include "tree-private.h"

/* Where an entry belongs, and what is there. */
struct place {
        struct inode *dir; /* NULL: the entry is the root */
        size_t length;
        struct inode *inode; /* the entry's; NULL: it is new */
        struct dentry *d;    /* the name that has its fileuid; NULL: none */
        struct dentry *old;  /* what has its name; NULL: nothing */
};

/* Room for one more in limbo. */
static int reserve_limbo(Tree *t)
{
        return tree_reserve(t, &t->limbo, t->n_limbo, &t->max_limbo, sizeof(struct inode *));
}

/* Takes the name away, after reserve_limbo. */
static void detach(Tree *t, struct dentry *d)
{
        struct inode *inode = d->inode;
        log_gone(t, &t->since_full, d);
        name_detach(t, d);
        if (inode->names || inode->limbo)
                return;
        inode->limbo = true;
        inode_ref(inode);
        t->limbo[t->n_limbo++] = inode;
}

static struct dentry *find_fileuid(const struct inode *inode, uint64_t fileuid)
{
        struct dentry *d = inode->names ? inode->names->next : NULL;
        while (d && d->fileuid != fileuid)
                d = d == inode->names ? NULL : d->next;
        return d;
}

/* Which inode and name the entry is about, p->old being known. */
static int find_inode(Tree *t, const struct tree_entry *e, struct place *p)
{
        struct inode *inode = inode_find(t, e->ino);
        bool first = e->fileuid == e->ino;
        p->inode = inode;
        if (inode && p->old && p->old->inode == inode && p->old->fileuid == e->fileuid)
                p->d = p->old;
        else if (inode && (first ? inode->first_name : fileuid_is_alias(t, e->fileuid)))
                p->d = find_fileuid(inode, e->fileuid);
        if (p->d)
                return 0;
        /* A number is a name of one inode, or that inode's own. */
        if (fileuid_is_alias(t, e->fileuid) || fileuid_is_alias(t, e->ino) ||
                (!first && inode_find(t, e->fileuid)) || inode == t->root)
                return -EEXIST;
        return inode && is_dir(inode) && inode->names ? -EINVAL : 0;
}

static int find_place(Tree *t, uint64_t parent, const struct tree_entry *e, struct place *p)
{
        int r = inode_get_dir(t, parent, &p->dir);
        if (r < 0)
                return r;
        if (p->dir != t->root && !p->dir->names)
                return -ENOENT;
        if (e->fileuid == 0 || e->ino == 0 || entry_check(e) < 0 || name_check(e->name, &p->length) < 0)
                return -EINVAL;
        p->old = dentry_find(t, p->dir, e->name, p->length);
        r = find_inode(t, e, p);
        if (r < 0 || !p->inode)
                return r;
        if ((p->inode->mode & S_IFMT) != (e->attr.mode & S_IFMT))
                return -EINVAL;
        bool moves = !p->d || p->d->parent != p->dir;
        return is_dir(p->inode) && moves && dir_is_within(p->dir, p->inode) ? -EINVAL : 0;
}

static int find_root(Tree *t, const struct tree_entry *e, struct place *p)
{
        if (!S_ISDIR(e->attr.mode) || e->n_extents > 0)
                return -EINVAL;
        p->inode = t->root;
        return 0;
}

/* The name that the inode has elsewhere comes here. */
static int move_here(Tree *t, const struct tree_entry *e, const struct place *p)
{
        struct inode *inode = p->inode;
        struct dentry *d;
        int r = dentry_new(t, p->dir, e->name, p->length, e->fileuid, &d);
        if (r < 0)
                return r;
        log_gone(t, &t->since_full, p->d);
        dentry_remove(t, p->d);
        dentry_insert(t, p->dir, d, inode);
        return 0;
}

/* Gives the inode its name. What was in the way goes when nothing can fail any more; until then both are
 * there, and nobody looks. */
static int put_name(Tree *t, const struct tree_entry *e, const struct place *p, struct inode *inode)
{
        if (!p->dir || (p->d && p->d == p->old))
                return 0;
        int r = p->old ? reserve_limbo(t) : 0;
        if (r == 0)
                r = p->d ? move_here(t, e, p) : name_add(t, p->dir, e->name, p->length, inode, e->fileuid);
        if (r == 0 && p->old)
                detach(t, p->old);
        return r;
}

static int apply_new(Tree *t, const struct tree_entry *e, const struct tree_xattr *xattrs, size_t n_xattrs,
        struct place *p)
{
        int r = entry_load_inode(t, e, &p->inode);
        if (r < 0)
                return r;
        r = xattrs_load(t, p->inode, xattrs, n_xattrs);
        if (r == 0)
                r = put_name(t, e, p, p->inode);
        if (r < 0)
                inode_put(t, p->inode);
        return r;
}

/* What the entry says that takes memory, in an inode that is nowhere; of a directory without its list. */
static int make_content(Tree *t, const struct tree_entry *e, const struct tree_xattr *xattrs, size_t n_xattrs,
        struct inode *content)
{
        *content = (struct inode){ .mode = (uint16_t)(e->attr.mode & S_IFMT) };
        int r = is_dir(content) ? 0 : content_init(t, content, e->attr.rdev, e->target);
        if (r == 0 && S_ISREG(content->mode)) {
                content->size = e->attr.size;
                r = extents_load(t, content, e->extents, e->n_extents);
        }
        return r < 0 ? r : xattrs_load(t, content, xattrs, n_xattrs);
}

static void free_made(Tree *t, struct inode *content)
{
        if (is_dir(content))
                xattrs_free(t, content);
        else
                content_free(t, content);
}

/* The inode's content becomes this, and takes it. */
static void replace_content(Tree *t, struct inode *inode, struct inode *content)
{
        struct inode former = *inode;
        inode->xattrs = content->xattrs;
        inode->has_crc32 = content->has_crc32;
        inode->crc32 = content->crc32;
        if (S_ISREG(inode->mode))
                inode_set_size(t, inode, content->size);
        if (!is_dir(inode)) {
                inode->size = content->size;
                inode->mapped = content->mapped;
                inode->n_extents = content->n_extents;
                inode->max_extents = content->max_extents;
                inode->one = content->one; /* or what else is there: this is the largest */
        }
        free_made(t, &former);
}

static int apply_known(Tree *t, const struct tree_entry *e, const struct tree_xattr *xattrs, size_t n_xattrs,
        const struct place *p)
{
        struct inode content;
        int r = make_content(t, e, xattrs, n_xattrs, &content);
        if (r == 0)
                r = put_name(t, e, p, p->inode);
        if (r < 0) {
                free_made(t, &content);
                return r;
        }
        replace_content(t, p->inode, &content);
        entry_take_attributes(p->inode, e);
        return 0;
}

int tree_apply(Tree *tree, uint64_t parent, const struct tree_entry *e, const struct tree_xattr *xattrs,
        size_t n_xattrs, uint64_t *ino)
{
        autounlock Tree *t = tree_lock(tree);
        struct place p = { 0 };
        int r = entry_is_root(e) ? find_root(t, e, &p) : find_place(t, parent, e, &p);
        if (r == 0)
                r = p.inode ? apply_known(t, e, xattrs, n_xattrs, &p) : apply_new(t, e, xattrs, n_xattrs, &p);
        if (r < 0)
                return r;
        log_inode(t, &t->since_full, p.inode);
        uint64_t highest = MAX(e->fileuid, p.inode->ino);
        t->highest_fileuid = MAX(t->highest_fileuid, highest);
        t->since_last.known = MAX(t->since_last.known, highest);
        *ino = p.inode->ino;
        return 0;
}

int tree_apply_gone(Tree *tree, uint64_t parent, const char *name)
{
        autounlock Tree *t = tree_lock(tree);
        struct inode *dir;
        size_t length;
        int r = inode_get_dir(t, parent, &dir);
        if (r == 0)
                r = name_check(name, &length);
        if (r < 0)
                return r;
        struct dentry *d = dentry_find(t, dir, name, length);
        if (!d)
                return 0;
        r = reserve_limbo(t);
        if (r == 0)
                detach(t, d);
        return r;
}

/* What is below a directory that has no name any more. No recursion. */
static void free_below(Tree *t, struct inode *top)
{
        struct inode *dir = top;
        for (;;) {
                size_t i = 0;
                struct dentry *d = dir_next(dir->dir, &i);
                if (d && is_dir(d->inode)) {
                        dir = d->inode;
                        continue;
                }
                if (!d && dir == top)
                        break;
                if (!d) {
                        d = dir_dentry(dir);
                        dir = d->parent;
                }
                struct inode *inode = d->inode;
                name_detach(t, d);
                inode_put(t, inode);
        }
}

void tree_apply_end(Tree *tree)
{
        autounlock Tree *t = tree_lock(tree);
        for (size_t i = 0; i < t->n_limbo; i++) {
                struct inode *inode = t->limbo[i];
                inode->limbo = false;
                inode_unref(inode, 1);
                if (!inode->names && is_dir(inode))
                        free_below(t, inode);
                inode_put(t, inode);
        }
        tree_release(t, t->limbo, t->max_limbo * sizeof(struct inode *));
        t->limbo = NULL;
        t->n_limbo = t->max_limbo = 0;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <string.h>

#include "tree-private.h"

#define SLOTS_MIN 4

int name_check(const char *name, size_t *length)
{
        *length = strnlen(name, TREE_NAME_MAX + 1);
        if (*length > TREE_NAME_MAX)
                return -ENAMETOOLONG;
        if (*length == 0 || memchr(name, '/', *length) || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
                return -EINVAL;
        return 0;
}

static size_t dentry_size(size_t length)
{
        return offsetof(struct dentry, name) + length + 1;
}

struct dentry *dentry_find(Tree *t, const struct inode *dir, const char *name, size_t length)
{
        struct hash_link *link = hashtab_chain(&t->dentries, hash_name(&t->key, dir->ino, name, length));
        for (; link; link = link->next) {
                struct dentry *d = from_link(link, struct dentry);
                if (d->parent == dir && d->length == length && memcmp(d->name, name, length) == 0)
                        return d;
        }
        return NULL;
}

static int resize(Tree *t, struct directory *dir, size_t max)
{
        if (max > SIZE_MAX / sizeof(*dir->slots))
                return -ENOMEM;
        struct dentry **slots = tree_realloc(t, dir->slots, dir->max * sizeof(*slots), max * sizeof(*slots));
        if (!slots)
                return -ENOMEM;
        dir->slots = slots;
        dir->max = max;
        return 0;
}

/* Room for one more name. */
static int reserve(Tree *t, struct directory *dir)
{
        if (dir->n < dir->max)
                return 0;
        return resize(t, dir, MAX(SLOTS_MIN, dir->max + dir->max / 2));
}

int dentry_new(
        Tree *t, struct inode *dir, const char *name, size_t length, uint64_t fileuid, struct dentry **ret)
{
        int r = reserve(t, dir->dir);
        struct dentry *d = r < 0 ? NULL : tree_alloc(t, dentry_size(length));
        if (!d)
                return -ENOMEM;
        /* Not *d = {…}: the struct's tail padding reaches beyond a short name. */
        memset(d, 0, dentry_size(length));
        d->fileuid = fileuid;
        d->length = (uint8_t)length;
        memcpy(d->name, name, length);
        *ret = d;
        return 0;
}

void dentry_free(Tree *t, struct dentry *d)
{
        tree_release(t, d, dentry_size(d->length));
}

void dir_compact(Tree *t, struct directory *dir)
{
        size_t n = 0;
        for (size_t i = 0; i < dir->n; i++)
                if (dir->slots[i]->inode)
                        dir->slots[n++] = dir->slots[i];
                else
                        dentry_free(t, dir->slots[i]);
        dir->n = n;
        dir->first = 0;
        if (n + SLOTS_MIN < dir->max / 4)
                resize(t, dir, n + SLOTS_MIN);
}

static void ring_add(struct inode *inode, struct dentry *d)
{
        d->inode = inode;
        d->next = inode->names ? inode->names->next : d;
        if (inode->names)
                inode->names->next = d;
        inode->names = d;
        if (d->fileuid == inode->ino)
                inode->first_name = true;
}

/* Names mostly go in the order they came, and then the search ends at once. */
static void ring_remove(struct dentry *d)
{
        struct inode *inode = d->inode;
        struct dentry *before = inode->names;
        while (before->next != d)
                before = before->next;
        before->next = d->next;
        if (inode->names == d)
                inode->names = before == d ? NULL : before;
        if (d->fileuid == inode->ino)
                inode->first_name = false;
        d->inode = NULL;
        d->next = NULL;
}

void dentry_insert(Tree *t, struct inode *dir, struct dentry *d, struct inode *inode)
{
        d->parent = dir;
        d->cookie = ++dir->dir->last_cookie;
        dir->dir->slots[dir->dir->n++] = d;
        dir->dir->live++;
        hashtab_insert(t, &t->dentries, &d->link);
        ring_add(inode, d);
        /* A directory's links are its name, its "." and the ".." of each directory in it. */
        inode->nlink += is_dir(inode) ? 2 : 1;
        if (is_dir(inode))
                dir->nlink++;
}

void dentry_remove(Tree *t, struct dentry *d)
{
        struct inode *dir = d->parent, *inode = d->inode;
        hashtab_remove(t, &t->dentries, &d->link);
        ring_remove(d);
        inode->nlink -= is_dir(inode) ? 2 : 1;
        if (is_dir(inode))
                dir->nlink--;
        struct directory *list = dir->dir;
        list->live--;
        while (list->first < list->n && !list->slots[list->first]->inode)
                list->first++;
        if (list->live <= list->n / 2)
                dir_compact(t, list);
}

void dentry_exchange(struct dentry *a, struct dentry *b)
{
        struct inode *inode_a = a->inode, *inode_b = b->inode;
        ring_remove(a);
        ring_remove(b);
        uint64_t fileuid = a->fileuid;
        a->fileuid = b->fileuid;
        b->fileuid = fileuid;
        ring_add(inode_b, a);
        ring_add(inode_a, b);
        if (is_dir(inode_a) != is_dir(inode_b)) {
                a->parent->nlink += is_dir(inode_b) ? 1 : -1;
                b->parent->nlink += is_dir(inode_a) ? 1 : -1;
        }
}

size_t dir_seek(const struct directory *dir, uint64_t cookie)
{
        size_t low = 0, high = dir->n;
        while (low < high) {
                size_t mid = low + (high - low) / 2;
                if (dir->slots[mid]->cookie < cookie)
                        low = mid + 1;
                else
                        high = mid;
        }
        return low;
}

struct dentry *dir_next(const struct directory *dir, size_t *i)
{
        *i = MAX(*i, dir->first);
        while (*i < dir->n) {
                struct dentry *d = dir->slots[(*i)++];
                if (d->inode)
                        return d;
        }
        return NULL;
}

void dir_free(Tree *t, struct directory *dir)
{
        for (size_t i = 0; i < dir->n; i++)
                dentry_free(t, dir->slots[i]);
        tree_release(t, dir->slots, dir->max * sizeof(*dir->slots));
        tree_release(t, dir, sizeof(*dir));
}

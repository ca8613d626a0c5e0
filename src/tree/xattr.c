/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <string.h>
#include <sys/xattr.h>

#include "tree-private.h"

#define NAME_MAX_BYTES 255 /* linux/limits.h: XATTR_NAME_MAX */
#define VALUE_MAX (64 * 1024)
/* Names and values of one inode, and for each of them what it costs besides: they are searched one by one, so
 * this bounds their number too. */
#define ALL_MAX (1024 * 1024)
#define EACH 64

static size_t cost(const struct xattr *x)
{
        return EACH + (size_t)x->name_length + x->size;
}

static size_t xattr_size(const struct xattr *x)
{
        return offsetof(struct xattr, data) + x->name_length + 1 + x->size;
}

static char *xattr_value(struct xattr *x)
{
        return x->data + x->name_length + 1;
}

/* Where the pointer to it is; where to append one, if there is none of that name. *all: content of all of
 * them. */
static struct xattr **find(struct inode *inode, const char *name, size_t *all)
{
        struct xattr **found = NULL, **at = &inode->xattrs;
        for (*all = 0; *at; at = &(*at)->next) {
                *all += cost(*at);
                if (strcmp((*at)->data, name) == 0)
                        found = at;
        }
        return found ? found : at;
}

/* At *at, in the place of the one that is there, if any. */
static int replace(
        Tree *t, struct xattr **at, const char *name, size_t name_length, const void *value, size_t size)
{
        struct xattr *x = tree_alloc(t, offsetof(struct xattr, data) + name_length + 1 + size), *old = *at;
        if (!x)
                return -ENOMEM;
        x->next = old ? old->next : NULL;
        x->size = (uint32_t)size;
        x->name_length = (uint8_t)name_length;
        memcpy(x->data, name, name_length + 1);
        if (size > 0)
                memcpy(xattr_value(x), value, size);
        *at = x;
        if (old)
                tree_release(t, old, xattr_size(old));
        return 0;
}

int xattr_put(Tree *t, struct inode *inode, const char *name, const void *value, size_t size, int flags)
{
        size_t name_length = strnlen(name, NAME_MAX_BYTES + 1), all;
        if (name_length == 0 || name_length > NAME_MAX_BYTES)
                return -ERANGE;
        struct xattr **at = find(inode, name, &all);
        if (*at && (flags & XATTR_CREATE))
                return -EEXIST;
        if (!*at && (flags & XATTR_REPLACE))
                return -ENODATA;
        if (size > VALUE_MAX || all - (*at ? cost(*at) : 0) + EACH + name_length + size > ALL_MAX)
                return -ENOSPC;
        return replace(t, at, name, name_length, value, size);
}

int tree_xattr_set(
        Tree *tree, uint64_t ino, const char *name, const void *value, size_t size, int flags, int64_t now)
{
        autounlock Tree *t = tree_lock(tree);
        struct inode *inode;
        int r = inode_get(t, ino, &inode);
        if (r == 0)
                r = xattr_put(t, inode, name, value, size, flags);
        if (r == 0)
                inode_changed(t, inode, false, now);
        return r;
}

int tree_xattr_get(Tree *tree, uint64_t ino, const char *name, void **value, size_t *size)
{
        autounlock Tree *t = tree_lock(tree);
        struct inode *inode;
        int r = inode_get(t, ino, &inode);
        if (r < 0)
                return r;
        size_t all;
        struct xattr *x = *find(inode, name, &all);
        if (!x)
                return -ENODATA;
        char *copy = g_try_malloc((size_t)x->size + 1);
        if (!copy)
                return -ENOMEM;
        memcpy(copy, xattr_value(x), x->size);
        copy[x->size] = '\0';
        *value = copy;
        *size = x->size;
        return 0;
}

int tree_xattr_remove(Tree *tree, uint64_t ino, const char *name, int64_t now)
{
        autounlock Tree *t = tree_lock(tree);
        struct inode *inode;
        int r = inode_get(t, ino, &inode);
        if (r < 0)
                return r;
        size_t all;
        struct xattr **at = find(inode, name, &all), *x = *at;
        if (!x)
                return -ENODATA;
        *at = x->next;
        tree_release(t, x, xattr_size(x));
        inode_changed(t, inode, false, now);
        return 0;
}

int tree_xattr_list(Tree *tree, uint64_t ino, char **names, size_t *size)
{
        autounlock Tree *t = tree_lock(tree);
        struct inode *inode;
        int r = inode_get(t, ino, &inode);
        if (r < 0)
                return r;
        size_t n = 0;
        for (struct xattr *x = inode->xattrs; x; x = x->next)
                n += (size_t)x->name_length + 1;
        char *list = g_try_malloc(n + 1);
        if (!list)
                return -ENOMEM;
        *names = list;
        *size = n;
        for (struct xattr *x = inode->xattrs; x; x = x->next)
                list = mempcpy(list, x->data, (size_t)x->name_length + 1);
        *list = '\0';
        return 0;
}

int tree_visit_xattrs(Tree *t, const struct tree_entry *entry,
        int (*xattr)(void *ctx, const char *name, const void *value, size_t size), void *ctx)
{
        if (!entry->attr.has_xattrs)
                return 0;
        /* The walk that this is called from holds the lock. */
        struct inode *inode = inode_find(t, entry->ino);
        int r = 0;
        for (struct xattr *x = inode ? inode->xattrs : NULL; x && r >= 0; x = x->next)
                r = xattr(ctx, x->data, xattr_value(x), x->size);
        return r < 0 ? r : 0;
}

void xattrs_free(Tree *t, struct inode *inode)
{
        for (struct xattr *x = inode->xattrs, *next; x; x = next) {
                next = x->next;
                tree_release(t, x, xattr_size(x));
        }
        inode->xattrs = NULL;
}

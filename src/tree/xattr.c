/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>

#include <reelfs/hash.h>

#include "tree-private.h"

#define NAME_MAX_BYTES 255 /* linux/limits.h: XATTR_NAME_MAX */
#define VALUE_MAX (64 * 1024)
/* Names and values of one inode, and for each of them what it costs besides: they are searched one by one, so
 * this bounds their number too. */
#define ALL_MAX (1024 * 1024)
/* Beyond that for what reelfs itself notes of a file: an index that has it must not be refused. */
#define NOTES_MAX 4096
#define EACH 64
#define FEW 16 /* of which names may be searched one by one when they are loaded */

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

/* others: what the inode's other ones cost; most: what all may. -ERANGE, -ENOSPC. */
static int check_new(const char *name, size_t size, size_t others, size_t most, size_t *name_length)
{
        *name_length = strnlen(name, NAME_MAX_BYTES + 1);
        if (*name_length == 0 || *name_length > NAME_MAX_BYTES)
                return -ERANGE;
        return size > VALUE_MAX || others + EACH + *name_length + size > most ? -ENOSPC : 0;
}

/* The CRC of a regular file, which most have, is not kept as text. True: this was it. */
static bool take_crc(struct inode *inode, const char *name, const void *value, size_t size)
{
        uint32_t crc;
        if (!S_ISREG(inode->mode) || strcmp(name, HASH_XATTR_CRC32) != 0 ||
                !hash_crc_from_text(value, size, &crc))
                return false;
        inode->crc32 = crc;
        inode->has_crc32 = true;
        return true;
}

static int put(Tree *t, struct inode *inode, const char *name, const void *value, size_t size, int flags,
        size_t most)
{
        size_t name_length = strnlen(name, NAME_MAX_BYTES + 1), all;
        if (name_length == 0 || name_length > NAME_MAX_BYTES)
                return -ERANGE;
        if (flags == 0 && take_crc(inode, name, value, size))
                return 0;
        struct xattr **at = find(inode, name, &all);
        if (*at && (flags & XATTR_CREATE))
                return -EEXIST;
        if (!*at && (flags & XATTR_REPLACE))
                return -ENODATA;
        int r = check_new(name, size, all - (*at ? cost(*at) : 0), most, &name_length);
        return r < 0 ? r : replace(t, at, name, name_length, value, size);
}

int xattr_put(Tree *t, struct inode *inode, const char *name, const void *value, size_t size, int flags)
{
        return put(t, inode, name, value, size, flags, ALL_MAX);
}

int tree_xattr_set(
        Tree *tree, uint64_t ino, const char *name, const void *value, size_t size, int flags, int64_t now)
{
        autounlock Tree *t = tree_lock(tree);
        struct inode *inode;
        int r = inode_get(t, ino, &inode);
        if (r == 0)
                r = put(t, inode, name, value, size, flags, now == 0 ? ALL_MAX + NOTES_MAX : ALL_MAX);
        if (r == 0)
                inode_changed(t, inode, false, now);
        return r;
}

struct loaded {
        const struct tree_xattr *x;
        bool replaced; /* by one of the same name */
};

static int compare_loaded(const void *a, const void *b)
{
        const struct loaded *x = *(struct loaded *const *)a, *y = *(struct loaded *const *)b;
        int r = strcmp(x->x->name, y->x->name);
        return r != 0 ? r : (x > y) - (x < y);
}

/* Of several with one name the last one counts. -ENOMEM. */
static int find_replaced(struct loaded *all, size_t n)
{
        g_autofree struct loaded **sorted = g_try_new(struct loaded *, n);
        if (!sorted)
                return -ENOMEM;
        for (size_t i = 0; i < n; i++)
                sorted[i] = &all[i];
        qsort(sorted, n, sizeof(struct loaded *), compare_loaded);
        for (size_t i = 0; i + 1 < n; i++)
                sorted[i]->replaced = strcmp(sorted[i]->x->name, sorted[i + 1]->x->name) == 0;
        return 0;
}

/* Names need not be searched for among those before, which with as many as an
 * inode may have takes seconds. */
static int put_many(Tree *t, struct inode *inode, const struct tree_xattr *xattrs, size_t n)
{
        g_autofree struct loaded *all = g_try_new(struct loaded, n);
        if (!all)
                return -ENOMEM;
        for (size_t i = 0; i < n; i++)
                all[i] = (struct loaded){ &xattrs[i], false };
        int r = find_replaced(all, n);
        struct xattr **at = &inode->xattrs;
        size_t total = 0;
        for (size_t i = 0; i < n && r == 0; i++) {
                const struct tree_xattr *x = all[i].x;
                size_t name_length;
                if (all[i].replaced || take_crc(inode, x->name, x->value, x->size))
                        continue;
                r = check_new(x->name, x->size, total, ALL_MAX + NOTES_MAX, &name_length);
                if (r == 0)
                        r = replace(t, at, x->name, name_length, x->value, x->size);
                if (r < 0)
                        break;
                total += cost(*at);
                at = &(*at)->next;
        }
        return r;
}

int xattrs_load(Tree *t, struct inode *inode, const struct tree_xattr *xattrs, size_t n)
{
        if (n > FEW && !inode->xattrs)
                return put_many(t, inode, xattrs, n);
        int r = 0;
        for (size_t i = 0; i < n && r == 0; i++)
                r = put(t, inode, xattrs[i].name, xattrs[i].value, xattrs[i].size, 0, ALL_MAX + NOTES_MAX);
        return r;
}

int tree_load_xattrs(Tree *tree, uint64_t ino, const struct tree_xattr *xattrs, size_t n)
{
        autounlock Tree *t = tree_lock(tree);
        struct inode *inode;
        int r = inode_get(t, ino, &inode);
        return r < 0 ? r : xattrs_load(t, inode, xattrs, n);
}

static int get_crc(const struct inode *inode, void **value, size_t *size)
{
        char *text = g_try_malloc(HASH_CRC_TEXT_LENGTH + 1);
        if (!text)
                return -ENOMEM;
        hash_crc_to_text(inode->crc32, text);
        *value = text;
        *size = HASH_CRC_TEXT_LENGTH;
        return 0;
}

int tree_xattr_get(Tree *tree, uint64_t ino, const char *name, void **value, size_t *size)
{
        autounlock Tree *t = tree_lock(tree);
        struct inode *inode;
        int r = inode_get(t, ino, &inode);
        if (r < 0)
                return r;
        if (inode->has_crc32 && strcmp(name, HASH_XATTR_CRC32) == 0)
                return get_crc(inode, value, size);
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

static bool is_listed(const struct xattr *x)
{
        return strcmp(x->data, HASH_XATTR_SHA256) != 0;
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
                n += is_listed(x) ? (size_t)x->name_length + 1 : 0;
        char *list = g_try_malloc(n + 1);
        if (!list)
                return -ENOMEM;
        *names = list;
        *size = n;
        for (struct xattr *x = inode->xattrs; x; x = x->next)
                if (is_listed(x))
                        list = mempcpy(list, x->data, (size_t)x->name_length + 1);
        *list = '\0';
        return 0;
}

int tree_visit_xattrs(Tree *t, const struct tree_entry *entry,
        int (*xattr)(void *ctx, const char *name, const void *value, size_t size), void *ctx)
{
        int r = 0;
        if (entry->attr.has_crc32) {
                char text[HASH_CRC_TEXT_LENGTH + 1];
                hash_crc_to_text(entry->attr.crc32, text);
                r = xattr(ctx, HASH_XATTR_CRC32, text, HASH_CRC_TEXT_LENGTH);
        }
        if (!entry->attr.has_xattrs)
                return r < 0 ? r : 0;
        /* The walk that this is called from holds the lock. */
        struct inode *inode = inode_find(t, entry->ino);
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

/* ---- Hashes */

static void drop_xattrs(Tree *t, struct inode *inode, const char *prefix)
{
        for (struct xattr **at = &inode->xattrs; *at;) {
                struct xattr *x = *at;
                if (!g_str_has_prefix(x->data, prefix)) {
                        at = &x->next;
                        continue;
                }
                *at = x->next;
                tree_release(t, x, xattr_size(x));
        }
}

void xattrs_forget_hashes(Tree *t, struct inode *inode)
{
        inode->has_crc32 = false;
        drop_xattrs(t, inode, HASH_XATTR);
}

int tree_set_hash(Tree *tree, uint64_t ino, uint32_t crc32, const char *sha256)
{
        autounlock Tree *t = tree_lock(tree);
        struct inode *inode;
        int r = inode_get_file(t, ino, &inode);
        if (r < 0)
                return r;
        bool changes = !inode->has_crc32 || inode->crc32 != crc32;
        drop_xattrs(t, inode, HASH_XATTR_CRC32);
        inode->crc32 = crc32;
        inode->has_crc32 = true;
        size_t all;
        if (sha256 && !*find(inode, HASH_XATTR_SHA256, &all)) {
                changes = true;
                r = xattr_put(t, inode, HASH_XATTR_SHA256, sha256, strlen(sha256), 0);
        }
        if (changes)
                inode_changed(t, inode, false, 0);
        return r;
}

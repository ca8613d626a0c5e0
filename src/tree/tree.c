/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <string.h>

#include "tree-private.h"

#define ARRAY_MIN 64

/* What a million files are paid for with: 160 bytes each, as malloc rounds it. */
_Static_assert(sizeof(struct inode) <= 152, "an inode takes more memory");

/* What an allocation takes in glibc's malloc: a header of one word, rounded up to two, at least four. */
static size_t chunk(size_t size)
{
        return MAX((size + sizeof(size_t) + 2 * sizeof(size_t) - 1) & ~(2 * sizeof(size_t) - 1),
                4 * sizeof(size_t));
}

void *tree_alloc(Tree *t, size_t size)
{
        void *mem = g_try_malloc(size);
        if (mem)
                t->counts.memory += chunk(size);
        return mem;
}

void *tree_realloc(Tree *t, void *mem, size_t old_size, size_t size)
{
        void *new_mem = g_try_realloc(mem, size);
        if (new_mem)
                t->counts.memory += chunk(size) - (mem ? chunk(old_size) : 0);
        return new_mem;
}

void tree_release(Tree *t, void *mem, size_t size)
{
        if (mem)
                t->counts.memory -= chunk(size);
        g_free(mem);
}

int tree_reserve(Tree *t, void *array_pointer, size_t n, size_t *max, size_t element)
{
        if (n < *max)
                return 0;
        void *array, *bigger;
        memcpy(&array, array_pointer, sizeof(array));
        size_t new_max = MAX(ARRAY_MIN, *max * 2);
        bigger = tree_realloc(t, array, *max * element, new_max * element);
        if (!bigger)
                return -ENOMEM;
        memcpy(array_pointer, &bigger, sizeof(bigger));
        *max = new_max;
        return 0;
}

static uint64_t inode_hash(const Tree *t, const struct hash_link *link)
{
        return hash_number(&t->key, from_link(link, struct inode)->ino);
}

static uint64_t dentry_hash(const Tree *t, const struct hash_link *link)
{
        const struct dentry *d = from_link(link, struct dentry);
        return hash_name(&t->key, d->parent->ino, d->name, d->length);
}

static uint64_t alias_hash(const Tree *t, const struct hash_link *link)
{
        return hash_number(&t->key, from_link(link, struct alias)->fileuid);
}

Tree *tree_new(void)
{
        Tree *t = g_new0(Tree, 1);
        pthread_mutex_init(&t->lock, NULL);
        hash_key_init(&t->key);
        hashtab_init(t, &t->inodes, inode_hash);
        hashtab_init(t, &t->dentries, dentry_hash);
        hashtab_init(t, &t->aliases, alias_hash);
        t->counts.memory += sizeof(Tree);
        t->highest_fileuid = TREE_ROOT;
        log_init(t);
        int r = inode_new(t, TREE_ROOT, S_IFDIR | 0755, 0, NULL, &t->root);
        if (r < 0)
                g_error("reelfs: no memory for an empty tree");
        int64_t now = now_ns();
        t->root->times = (struct tree_times){ now, now, now, now };
        t->root->backup_time = now;
        t->root->nlink = 2;
        t->root->first_name = true; /* fileuid 1 is in use */
        return t;
}

void content_free(Tree *t, struct inode *inode)
{
        xattrs_free(t, inode);
        if (is_dir(inode))
                dir_free(t, inode->dir);
        else if (S_ISREG(inode->mode))
                extents_free(t, inode);
        else if (S_ISLNK(inode->mode) && inode->target)
                tree_release(t, inode->target, inode->size + 1);
}

void tree_free(Tree *t)
{
        if (!t)
                return;
        log_free(t);
        g_free(t->limbo);
        for (size_t i = 0; i < (size_t)1 << t->inodes.bits; i++)
                for (struct hash_link *link = t->inodes.buckets[i], *next; link; link = next) {
                        next = link->next;
                        content_free(t, from_link(link, struct inode));
                        g_free(from_link(link, struct inode));
                }
        for (size_t i = 0; i < (size_t)1 << t->aliases.bits; i++)
                for (struct hash_link *link = t->aliases.buckets[i], *next; link; link = next) {
                        next = link->next;
                        g_free(from_link(link, struct alias));
                }
        hashtab_free(&t->inodes);
        hashtab_free(&t->dentries);
        hashtab_free(&t->aliases);
        pthread_mutex_destroy(&t->lock);
        g_free(t);
}

int content_init(Tree *t, struct inode *inode, uint64_t rdev, const char *target)
{
        switch (inode->mode & S_IFMT) {
        case S_IFDIR:
                inode->dir = tree_alloc(t, sizeof(*inode->dir));
                if (!inode->dir)
                        return -ENOMEM;
                *inode->dir = (struct directory){ 0 };
                return 0;
        case S_IFLNK:
                if (!target)
                        return -EINVAL;
                inode->size = strlen(target);
                inode->target = tree_alloc(t, inode->size + 1);
                if (!inode->target)
                        return -ENOMEM;
                memcpy(inode->target, target, inode->size + 1);
                return 0;
        case S_IFCHR:
        case S_IFBLK:
                inode->rdev = rdev;
                return 0;
        case S_IFREG:
        case S_IFIFO:
        case S_IFSOCK:
                return 0;
        default:
                return -EINVAL;
        }
}

int inode_new(Tree *t, uint64_t ino, uint32_t mode, uint64_t rdev, const char *target, struct inode **ret)
{
        struct inode *inode = tree_alloc(t, sizeof(*inode));
        if (!inode)
                return -ENOMEM;
        *inode = (struct inode){ .ino = ino, .mode = (uint16_t)(mode & (S_IFMT | 07777)) };
        int r = content_init(t, inode, rdev, target);
        if (r < 0) {
                tree_release(t, inode, sizeof(*inode));
                return r;
        }
        hashtab_insert(t, &t->inodes, &inode->link);
        t->highest_used = MAX(t->highest_used, ino);
        t->counts.inodes++;
        if (is_dir(inode))
                t->counts.directories++;
        *ret = inode;
        return 0;
}

void inode_put(Tree *t, struct inode *inode)
{
        if (inode->nlink > 0 || inode->refs > 0)
                return;
        hashtab_remove(t, &t->inodes, &inode->link);
        t->counts.inodes--;
        if (is_dir(inode))
                t->counts.directories--;
        if (S_ISREG(inode->mode))
                t->counts.bytes -= inode->size;
        content_free(t, inode);
        tree_release(t, inode, sizeof(*inode));
}

struct inode *inode_find(Tree *t, uint64_t ino)
{
        if (ino > t->highest_used) /* as most are that come from an index */
                return NULL;
        struct hash_link *link = hashtab_chain(&t->inodes, hash_number(&t->key, ino));
        while (link && from_link(link, struct inode)->ino != ino)
                link = link->next;
        return link ? from_link(link, struct inode) : NULL;
}

int inode_get(Tree *t, uint64_t ino, struct inode **ret)
{
        *ret = inode_find(t, ino);
        return *ret ? 0 : -ESTALE;
}

int inode_get_dir(Tree *t, uint64_t ino, struct inode **ret)
{
        int r = inode_get(t, ino, ret);
        if (r < 0)
                return r;
        if (!is_dir(*ret))
                return -ENOTDIR;
        return (*ret)->nlink > 0 ? 0 : -ENOENT;
}

int inode_get_file(Tree *t, uint64_t ino, struct inode **ret)
{
        int r = inode_get(t, ino, ret);
        if (r < 0)
                return r;
        if (is_dir(*ret))
                return -EISDIR;
        return S_ISREG((*ret)->mode) ? 0 : -EINVAL;
}

void inode_attr(const struct inode *inode, struct tree_attr *attr)
{
        *attr = (struct tree_attr){
                .ino = inode->ino,
                .size = inode->size,
                .bytes = inode->mapped,
                .rdev = S_ISCHR(inode->mode) || S_ISBLK(inode->mode) ? inode->rdev : 0,
                .times = inode->times,
                .mode = inode->mode,
                .uid = inode->uid,
                .gid = inode->gid,
                .nlink = inode->nlink,
                .has_xattrs = inode->xattrs != NULL,
                .has_crc32 = inode->has_crc32,
                .crc32 = inode->crc32,
        };
}

void inode_ref(struct inode *inode)
{
        if (inode->refs < UINT32_MAX)
                inode->refs++;
}

void inode_unref(struct inode *inode, uint64_t count)
{
        if (inode->refs < UINT32_MAX)
                inode->refs -= (uint32_t)MIN(count, inode->refs);
}

void inode_attr_ref(struct inode *inode, struct tree_attr *attr)
{
        inode_attr(inode, attr);
        inode_ref(inode);
}

void inode_set_size(Tree *t, struct inode *inode, uint64_t size)
{
        t->counts.bytes += size - inode->size;
        inode->size = size;
}

void inode_changed(Tree *t, struct inode *inode, bool data, int64_t now)
{
        if (now != 0) {
                inode->times.ctime = now;
                if (data)
                        inode->times.mtime = now;
        }
        if (data && S_ISREG(inode->mode))
                xattrs_forget_hashes(t, inode);
        /* Without a name it will not be in any index. */
        if (inode->nlink == 0)
                return;
        t->changes++;
        if (!(inode->noted & LOG_LAST))
                log_inode(t, &t->since_last, inode);
}

uint64_t tree_changes(Tree *tree)
{
        autounlock Tree *t = tree_lock(tree);
        return t->changes;
}

void tree_get_counts(Tree *tree, struct tree_counts *counts)
{
        autounlock Tree *t = tree_lock(tree);
        *counts = t->counts;
        counts->names = t->dentries.n;
}

void tree_ref(Tree *tree, uint64_t ino)
{
        autounlock Tree *t = tree_lock(tree);
        struct inode *inode = inode_find(t, ino);
        if (inode)
                inode_ref(inode);
}

void tree_unref(Tree *tree, uint64_t ino, uint64_t count)
{
        autounlock Tree *t = tree_lock(tree);
        struct inode *inode = inode_find(t, ino);
        if (!inode)
                return;
        inode_unref(inode, count);
        inode_put(t, inode);
}

int tree_getattr(Tree *tree, uint64_t ino, struct tree_attr *attr)
{
        autounlock Tree *t = tree_lock(tree);
        struct inode *inode;
        int r = inode_get(t, ino, &inode);
        if (r < 0)
                return r;
        inode_attr(inode, attr);
        return 0;
}

int tree_setattr(
        Tree *tree, uint64_t ino, unsigned set, const struct tree_attr *values, struct tree_attr *attr)
{
        autounlock Tree *t = tree_lock(tree);
        struct inode *inode;
        int r = inode_get(t, ino, &inode);
        if (r < 0)
                return r;
        if (set & TREE_SET_MODE)
                inode->mode = (uint16_t)((inode->mode & S_IFMT) | (values->mode & 07777));
        if (set & TREE_SET_UID)
                inode->uid = values->uid;
        if (set & TREE_SET_GID)
                inode->gid = values->gid;
        if (set & TREE_SET_MTIME)
                inode->times.mtime = values->times.mtime;
        if (set & TREE_SET_ATIME)
                inode->times.atime = values->times.atime;
        if (set & TREE_SET_CTIME)
                inode->times.ctime = values->times.ctime;
        if (set & TREE_SET_BTIME)
                inode->times.btime = values->times.btime;
        if (set)
                inode_changed(t, inode, false, 0);
        if (attr)
                inode_attr(inode, attr);
        return 0;
}

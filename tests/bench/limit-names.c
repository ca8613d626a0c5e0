/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Names, attributes and extended attributes: hash tables under one lock. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <sys/xattr.h>

#include "limit-fs.h"

/* ---- Nodes */

static void node_init(struct node *n, uint64_t ino, mode_t mode, const struct fuse_ctx *ctx)
{
        *n = (struct node){ 0 };
        n->st = (struct stat){
                .st_ino = ino,
                .st_mode = mode,
                .st_nlink = S_ISDIR(mode) ? 2 : 1,
                .st_uid = ctx ? ctx->uid : 0,
                .st_gid = ctx ? ctx->gid : 0,
                .st_blksize = REQUEST_MAX,
        };
        limit_touch(&n->st.st_mtim);
        n->st.st_atim = n->st.st_ctim = n->st.st_mtim;
        if (S_ISDIR(mode)) {
                n->names = g_hash_table_new(g_str_hash, g_str_equal);
                n->order = g_ptr_array_new();
        }
}

void limit_names_init(struct limit_fs *fs)
{
        node_init(&fs->root, FUSE_ROOT_ID, S_IFDIR | 0755, NULL);
        fs->root.parent = &fs->root;
        fs->root.lookups = 1;
}

static void node_put(struct node *n, uint64_t count)
{
        n->lookups -= count;
        if (n->lookups > 0 || n->st.st_nlink > (S_ISDIR(n->st.st_mode) ? 1U : 0U))
                return;
        limit_resize(n, 0);
        if (n->pieces)
                g_ptr_array_free(n->pieces, TRUE);
        if (n->names)
                g_hash_table_destroy(n->names);
        if (n->order)
                g_ptr_array_free(n->order, TRUE);
        if (n->xattrs)
                g_hash_table_destroy(n->xattrs);
        free(n->target);
        free(n);
}

static int name_add(struct node *dir, const char *text, struct node *n)
{
        size_t length = strlen(text) + 1;
        struct name *name = malloc(sizeof(*name) + length);
        if (!name)
                return -ENOMEM;
        name->node = n;
        name->index = dir->order->len;
        memcpy(name->text, text, length);
        g_ptr_array_add(dir->order, name);
        g_hash_table_insert(dir->names, name->text, name);
        limit_touch(&dir->st.st_mtim);
        dir->st.st_ctim = dir->st.st_mtim;
        if (S_ISDIR(n->st.st_mode)) {
                n->parent = dir;
                dir->st.st_nlink++;
        }
        return 0;
}

/* Takes a name away; what it named stays as it is. */
static void name_remove(struct node *dir, struct name *name)
{
        g_hash_table_remove(dir->names, name->text);
        dir->order->pdata[name->index] = NULL;
        dir->st.st_nlink -= S_ISDIR(name->node->st.st_mode);
        limit_touch(&dir->st.st_mtim);
        dir->st.st_ctim = dir->st.st_mtim;
        free(name);
}

/* Takes a name away, and what it named if that was the last. */
static int name_drop(struct node *dir, struct name *name)
{
        struct node *n = name->node;
        if (n->names && g_hash_table_size(n->names) > 0)
                return -ENOTEMPTY;
        name_remove(dir, name);
        n->st.st_nlink--;
        limit_touch(&n->st.st_ctim);
        node_put(n, 0);
        return 0;
}

static void fill_entry(struct node *n, struct fuse_entry_param *e)
{
        n->lookups++;
        *e = (struct fuse_entry_param){ .ino = n->st.st_ino,
                .generation = 1,
                .attr = n->st,
                .attr_timeout = KEEP_SECONDS,
                .entry_timeout = KEEP_SECONDS };
}

/* ---- Operations on names */

static void op_lookup(fuse_req_t req, fuse_ino_t parent, const char *text)
{
        struct limit_fs *fs = fs_of(req);
        struct fuse_entry_param e = { .entry_timeout = KEEP_SECONDS };
        pthread_mutex_lock(&fs->lock);
        struct name *name = g_hash_table_lookup(node_of(req, parent)->names, text);
        if (name)
                fill_entry(name->node, &e);
        pthread_mutex_unlock(&fs->lock);
        fuse_reply_entry(req, &e);
}

static void op_forget_multi(fuse_req_t req, size_t count, struct fuse_forget_data *forgets)
{
        struct limit_fs *fs = fs_of(req);
        pthread_mutex_lock(&fs->lock);
        for (size_t i = 0; i < count; i++)
                node_put(node_of(req, forgets[i].ino), forgets[i].nlookup);
        pthread_mutex_unlock(&fs->lock);
        fuse_reply_none(req);
}

static void op_forget(fuse_req_t req, fuse_ino_t ino, uint64_t count)
{
        op_forget_multi(req, 1, &(struct fuse_forget_data){ ino, count });
}

static int create(fuse_req_t req, fuse_ino_t parent, const char *text, mode_t mode, const char *target,
        struct fuse_entry_param *e)
{
        struct limit_fs *fs = fs_of(req);
        const struct fuse_ctx *ctx = fuse_req_ctx(req);
        struct node *dir = node_of(req, parent), *n = malloc(sizeof(*n));
        if (!n)
                return -ENOMEM;
        node_init(n, (uintptr_t)n, mode & ~(S_ISLNK(mode) ? 0 : ctx->umask), ctx);
        if (target) {
                n->target = strdup(target);
                n->st.st_size = (off_t)strlen(target);
        }
        pthread_mutex_lock(&fs->lock);
        int r = g_hash_table_contains(dir->names, text) ? -EEXIST : name_add(dir, text, n);
        if (r == 0) {
                fill_entry(n, e);
        } else {
                n->st.st_nlink = 0;
                node_put(n, 0);
        }
        pthread_mutex_unlock(&fs->lock);
        return r;
}

static void create_and_reply(
        fuse_req_t req, fuse_ino_t parent, const char *text, mode_t mode, const char *target)
{
        struct fuse_entry_param e;
        int r = create(req, parent, text, mode, target, &e);
        if (r < 0)
                fuse_reply_err(req, -r);
        else
                fuse_reply_entry(req, &e);
}

static void op_mknod(fuse_req_t req, fuse_ino_t parent, const char *text, mode_t mode, dev_t rdev)
{
        create_and_reply(req, parent, text, mode, NULL);
}

static void op_mkdir(fuse_req_t req, fuse_ino_t parent, const char *text, mode_t mode)
{
        create_and_reply(req, parent, text, (mode & 07777) | S_IFDIR, NULL);
}

static void op_symlink(fuse_req_t req, const char *target, fuse_ino_t parent, const char *text)
{
        create_and_reply(req, parent, text, S_IFLNK | 0777, target);
}

static void op_create(
        fuse_req_t req, fuse_ino_t parent, const char *text, mode_t mode, struct fuse_file_info *fi)
{
        struct fuse_entry_param e;
        int r = create(req, parent, text, (mode & 07777) | S_IFREG, NULL, &e);
        limit_open_flags(fs_of(req), fi);
        if (r < 0)
                fuse_reply_err(req, -r);
        else
                fuse_reply_create(req, &e, fi);
}

static void op_readlink(fuse_req_t req, fuse_ino_t ino)
{
        fuse_reply_readlink(req, node_of(req, ino)->target);
}

static void op_link(fuse_req_t req, fuse_ino_t ino, fuse_ino_t parent, const char *text)
{
        struct limit_fs *fs = fs_of(req);
        struct node *n = node_of(req, ino);
        struct fuse_entry_param e;
        pthread_mutex_lock(&fs->lock);
        int r = name_add(node_of(req, parent), text, n);
        if (r == 0) {
                n->st.st_nlink++;
                limit_touch(&n->st.st_ctim);
                fill_entry(n, &e);
        }
        pthread_mutex_unlock(&fs->lock);
        if (r < 0)
                fuse_reply_err(req, -r);
        else
                fuse_reply_entry(req, &e);
}

static void op_unlink(fuse_req_t req, fuse_ino_t parent, const char *text)
{
        struct limit_fs *fs = fs_of(req);
        struct node *dir = node_of(req, parent);
        pthread_mutex_lock(&fs->lock);
        struct name *name = g_hash_table_lookup(dir->names, text);
        int r = name ? name_drop(dir, name) : -ENOENT;
        pthread_mutex_unlock(&fs->lock);
        fuse_reply_err(req, -r);
}

static int rename_locked(struct node *from, const char *text, struct node *to, const char *new_text)
{
        struct name *name = g_hash_table_lookup(from->names, text);
        struct name *old = g_hash_table_lookup(to->names, new_text);
        if (!name)
                return -ENOENT;
        struct node *n = name->node;
        if (old && old->node == n)
                return 0;
        int r = old ? name_drop(to, old) : 0;
        if (r == 0)
                r = name_add(to, new_text, n);
        if (r == 0) {
                name_remove(from, name);
                limit_touch(&n->st.st_ctim);
        }
        return r;
}

static void op_rename(fuse_req_t req, fuse_ino_t parent, const char *text, fuse_ino_t new_parent,
        const char *new_text, unsigned flags)
{
        struct limit_fs *fs = fs_of(req);
        struct node *from = node_of(req, parent), *to = node_of(req, new_parent);
        int r = flags == 0 || flags == RENAME_NOREPLACE ? 0 : -EINVAL;
        pthread_mutex_lock(&fs->lock);
        if (r == 0 && flags == RENAME_NOREPLACE && g_hash_table_contains(to->names, new_text))
                r = -EEXIST;
        if (r == 0)
                r = rename_locked(from, text, to, new_text);
        pthread_mutex_unlock(&fs->lock);
        fuse_reply_err(req, -r);
}

/* ---- Directories */

static void op_opendir(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
        fi->cache_readdir = 1;
        fi->keep_cache = 1;
        fuse_reply_open(req, fi);
}

/* Adds what offset stands for; false: no room. Offsets 0 and 1 are "." and "..". */
static bool add_entry(
        fuse_req_t req, struct node *dir, uint64_t offset, bool plus, GByteArray *buf, size_t size)
{
        struct name *name = offset < 2 ? NULL : dir->order->pdata[offset - 2];
        struct node *n = offset == 0 ? dir : offset == 1 ? dir->parent : name ? name->node : NULL;
        const char *text = offset == 0 ? "." : offset == 1 ? ".." : name ? name->text : NULL;
        if (!n)
                return true;
        struct fuse_entry_param e = { .attr = n->st };
        size_t used = buf->len, room = size - used;
        size_t need = plus ? fuse_add_direntry_plus(req, NULL, 0, text, NULL, 0)
                           : fuse_add_direntry(req, NULL, 0, text, NULL, 0);
        if (need > room)
                return false;
        g_byte_array_set_size(buf, (guint)(used + need));
        if (plus && name)
                fill_entry(n, &e);
        if (plus)
                fuse_add_direntry_plus(req, (char *)buf->data + used, need, text, &e, (off_t)offset + 1);
        else
                fuse_add_direntry(req, (char *)buf->data + used, need, text, &e.attr, (off_t)offset + 1);
        return true;
}

static void list(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset, bool plus)
{
        struct limit_fs *fs = fs_of(req);
        struct node *dir = node_of(req, ino);
        g_autoptr(GByteArray) buf = g_byte_array_sized_new((guint)size);
        pthread_mutex_lock(&fs->lock);
        for (uint64_t at = (uint64_t)offset; at < dir->order->len + 2; at++) {
                if (!add_entry(req, dir, at, plus, buf, size))
                        break;
        }
        pthread_mutex_unlock(&fs->lock);
        fuse_reply_buf(req, (char *)buf->data, buf->len);
}

static void op_readdir(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset, struct fuse_file_info *fi)
{
        list(req, ino, size, offset, false);
}

static void op_readdirplus(
        fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset, struct fuse_file_info *fi)
{
        list(req, ino, size, offset, true);
}

/* ---- Attributes */

static void op_getattr(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
        struct limit_fs *fs = fs_of(req);
        pthread_mutex_lock(&fs->lock);
        struct stat st = node_of(req, ino)->st;
        pthread_mutex_unlock(&fs->lock);
        fuse_reply_attr(req, &st, KEEP_SECONDS);
}

static void set(struct stat *st, const struct stat *to, int what)
{
        if (what & FUSE_SET_ATTR_MODE)
                st->st_mode = (st->st_mode & S_IFMT) | (to->st_mode & 07777);
        if (what & FUSE_SET_ATTR_UID)
                st->st_uid = to->st_uid;
        if (what & FUSE_SET_ATTR_GID)
                st->st_gid = to->st_gid;
        limit_touch(&st->st_ctim);
        if (what & (FUSE_SET_ATTR_ATIME | FUSE_SET_ATTR_ATIME_NOW))
                st->st_atim = what & FUSE_SET_ATTR_ATIME_NOW ? st->st_ctim : to->st_atim;
        if (what & (FUSE_SET_ATTR_MTIME | FUSE_SET_ATTR_MTIME_NOW))
                st->st_mtim = what & FUSE_SET_ATTR_MTIME_NOW ? st->st_ctim : to->st_mtim;
}

static void op_setattr(fuse_req_t req, fuse_ino_t ino, struct stat *to, int what, struct fuse_file_info *fi)
{
        struct limit_fs *fs = fs_of(req);
        struct node *n = node_of(req, ino);
        pthread_mutex_lock(&fs->lock);
        int r = what & FUSE_SET_ATTR_SIZE ? limit_resize(n, (uint64_t)to->st_size) : 0;
        set(&n->st, to, what);
        struct stat st = n->st;
        pthread_mutex_unlock(&fs->lock);
        if (r < 0)
                fuse_reply_err(req, -r);
        else
                fuse_reply_attr(req, &st, KEEP_SECONDS);
}

/* ---- Extended attributes */

static void reply_value(fuse_req_t req, const void *value, size_t have, size_t size)
{
        if (size == 0)
                fuse_reply_xattr(req, have);
        else if (size < have)
                fuse_reply_err(req, ERANGE);
        else
                fuse_reply_buf(req, value, have);
}

static void op_getxattr(fuse_req_t req, fuse_ino_t ino, const char *name, size_t size)
{
        struct limit_fs *fs = fs_of(req);
        struct node *n = node_of(req, ino);
        pthread_mutex_lock(&fs->lock);
        GBytes *value = n->xattrs ? g_hash_table_lookup(n->xattrs, name) : NULL;
        if (value)
                g_bytes_ref(value);
        pthread_mutex_unlock(&fs->lock);
        if (!value) {
                fuse_reply_err(req, ENODATA);
                return;
        }
        size_t have;
        const void *data = g_bytes_get_data(value, &have);
        reply_value(req, data, have, size);
        g_bytes_unref(value);
}

static void op_listxattr(fuse_req_t req, fuse_ino_t ino, size_t size)
{
        struct limit_fs *fs = fs_of(req);
        struct node *n = node_of(req, ino);
        g_autoptr(GString) names = g_string_new(NULL);
        GHashTableIter iter;
        void *name;
        pthread_mutex_lock(&fs->lock);
        if (n->xattrs) {
                g_hash_table_iter_init(&iter, n->xattrs);
                while (g_hash_table_iter_next(&iter, &name, NULL))
                        g_string_append_len(names, name, (gssize)strlen(name) + 1);
        }
        pthread_mutex_unlock(&fs->lock);
        reply_value(req, names->str, names->len, size);
}

static void op_setxattr(
        fuse_req_t req, fuse_ino_t ino, const char *name, const char *value, size_t size, int flags)
{
        struct limit_fs *fs = fs_of(req);
        struct node *n = node_of(req, ino);
        pthread_mutex_lock(&fs->lock);
        if (!n->xattrs)
                n->xattrs =
                        g_hash_table_new_full(g_str_hash, g_str_equal, g_free, (GDestroyNotify)g_bytes_unref);
        bool has = g_hash_table_contains(n->xattrs, name);
        int error = flags & XATTR_CREATE && has ? EEXIST : flags & XATTR_REPLACE && !has ? ENODATA : 0;
        if (error == 0)
                g_hash_table_insert(n->xattrs, g_strdup(name), g_bytes_new(value, size));
        pthread_mutex_unlock(&fs->lock);
        fuse_reply_err(req, error);
}

static void op_removexattr(fuse_req_t req, fuse_ino_t ino, const char *name)
{
        struct limit_fs *fs = fs_of(req);
        struct node *n = node_of(req, ino);
        pthread_mutex_lock(&fs->lock);
        bool had = n->xattrs && g_hash_table_remove(n->xattrs, name);
        pthread_mutex_unlock(&fs->lock);
        fuse_reply_err(req, had ? 0 : ENODATA);
}

static void op_statfs(fuse_req_t req, fuse_ino_t ino)
{
        struct statvfs st = { .f_bsize = REQUEST_MAX,
                .f_frsize = 512,
                .f_blocks = UINT32_MAX,
                .f_bfree = UINT32_MAX,
                .f_bavail = UINT32_MAX,
                .f_files = UINT32_MAX,
                .f_ffree = UINT32_MAX,
                .f_favail = UINT32_MAX,
                .f_namemax = 255 };
        fuse_reply_statfs(req, &st);
}

void limit_names_ops(struct fuse_lowlevel_ops *ops)
{
        ops->lookup = op_lookup;
        ops->forget = op_forget;
        ops->forget_multi = op_forget_multi;
        ops->mknod = op_mknod;
        ops->mkdir = op_mkdir;
        ops->symlink = op_symlink;
        ops->create = op_create;
        ops->readlink = op_readlink;
        ops->link = op_link;
        ops->unlink = op_unlink;
        ops->rmdir = op_unlink;
        ops->rename = op_rename;
        ops->opendir = op_opendir;
        ops->readdir = op_readdir;
        ops->readdirplus = op_readdirplus;
        ops->getattr = op_getattr;
        ops->setattr = op_setattr;
        ops->getxattr = op_getxattr;
        ops->listxattr = op_listxattr;
        ops->setxattr = op_setxattr;
        ops->removexattr = op_removexattr;
        ops->statfs = op_statfs;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Names: look-up, creation, removal, renaming, directories. */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include <reelfs/acl.h>
#include <reelfs/util.h>

#include "frontend.h"
#include "session-loop.h"

static void fill_entry(const struct tree_attr *attr, struct fuse_entry_param *e)
{
        *e = (struct fuse_entry_param){
                .ino = attr->ino,
                .generation = 1, /* inode numbers are never reused */
                .attr_timeout = KEEP_SECONDS,
                .entry_timeout = KEEP_SECONDS,
        };
        frontend_stat(attr, &e->attr);
}

/* Answers with the entry, whose reference becomes the kernel's look-up count. */
static void reply_entry(fuse_req_t req, int r, const struct tree_attr *attr)
{
        if (r < 0) {
                fuse_reply_err(req, -r);
                return;
        }
        struct fuse_entry_param e;
        fill_entry(attr, &e);
        if (fuse_reply_entry(req, &e) == -ENOENT)
                tree_unref(frontend_of(req)->tree, attr->ino, 1);
}

static void op_lookup(fuse_req_t req, fuse_ino_t parent, const char *name)
{
        struct tree_attr attr;
        int r = tree_lookup(frontend_of(req)->tree, parent, name, &attr);
        if (r == -ENOENT) {
                struct fuse_entry_param none = { .entry_timeout = KEEP_SECONDS };
                fuse_reply_entry(req, &none);
                return;
        }
        reply_entry(req, r, &attr);
}

static void forget_one(struct frontend *fe, fuse_ino_t ino, uint64_t count)
{
        frontend_drop_cache(fe, ino);
        tree_unref(fe->tree, ino, count);
}

static void op_forget(fuse_req_t req, fuse_ino_t ino, uint64_t count)
{
        forget_one(frontend_of(req), ino, count);
        fuse_reply_none(req);
}

static void op_forget_multi(fuse_req_t req, size_t count, struct fuse_forget_data *forgets)
{
        for (size_t i = 0; i < count; i++)
                forget_one(frontend_of(req), forgets[i].ino, forgets[i].nlookup);
        fuse_reply_none(req);
}

/* ---- Creation */

int frontend_may_add(struct frontend *fe)
{
        int r = fe->options->read_only ? -EROFS : volume_may_change(fe->volume);
        return r < 0 ? r : sched_has_room(fe->sched) ? 0 : -ENOSPC;
}

/* Mode and ACLs of a new inode: from its directory's default ACL, or else by the umask. */
static int inherit(struct frontend *fe, const struct fuse_ctx *ctx, uint64_t parent, struct tree_new_inode *n,
        void **access, void **dir_default)
{
        size_t size;
        int r = tree_xattr_get(fe->tree, parent, ACL_XATTR_DEFAULT, dir_default, &size);
        if (r == -ENODATA || S_ISLNK(n->mode)) {
                n->mode &= S_ISLNK(n->mode) ? ~0U : ~(uint32_t)ctx->umask;
                return 0;
        }
        if (r < 0)
                return r;
        uint32_t mode = n->mode;
        r = acl_inherit(*dir_default, size, &mode, access, &n->acl_access_size);
        if (r < 0)
                return r;
        n->mode = (n->mode & ~0777U) | (mode & 0777);
        n->acl_access = *access;
        if (S_ISDIR(n->mode)) {
                n->acl_default = *dir_default;
                n->acl_default_size = size;
        }
        return 0;
}

static int create(fuse_req_t req, uint64_t parent, const char *name, uint32_t mode, uint64_t rdev,
        const char *target, struct tree_attr *attr)
{
        struct frontend *fe = frontend_of(req);
        const struct fuse_ctx *ctx = fuse_req_ctx(req);
        g_autofree void *access = NULL, *dir_default = NULL;
        struct tree_new_inode n = {
                .mode = mode, .uid = ctx->uid, .gid = ctx->gid, .rdev = rdev, .target = target
        };
        struct tree_attr dir;
        int r = frontend_may_add(fe);
        if (r == 0)
                r = tree_getattr(fe->tree, parent, &dir);
        if (r < 0)
                return r;
        if (dir.mode & S_ISGID) {
                n.gid = dir.gid;
                if (S_ISDIR(mode))
                        n.mode |= S_ISGID;
        }
        r = inherit(fe, ctx, parent, &n, &access, &dir_default);
        if (r < 0)
                return r;
        return tree_create(fe->tree, parent, name, &n, now_ns(), attr);
}

static void op_mknod(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode, dev_t rdev)
{
        struct tree_attr attr;
        reply_entry(req, create(req, parent, name, mode, rdev, NULL, &attr), &attr);
}

static void op_mkdir(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode)
{
        struct tree_attr attr;
        reply_entry(req, create(req, parent, name, (mode & 07777) | S_IFDIR, 0, NULL, &attr), &attr);
}

static void op_symlink(fuse_req_t req, const char *target, fuse_ino_t parent, const char *name)
{
        struct tree_attr attr;
        reply_entry(req, create(req, parent, name, S_IFLNK | 0777, 0, target, &attr), &attr);
}

static void op_create(
        fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode, struct fuse_file_info *fi)
{
        struct frontend *fe = frontend_of(req);
        struct tree_attr attr;
        SchedFile *f;
        int r = create(req, parent, name, (mode & 07777) | S_IFREG, 0, NULL, &attr);
        if (r < 0) {
                fuse_reply_err(req, -r);
                return;
        }
        r = sched_open(fe->sched, attr.ino, &f);
        if (r < 0) {
                tree_unref(fe->tree, attr.ino, 1);
                fuse_reply_err(req, -r);
                return;
        }
        direct_open(fe, fi, f, attr.ino, name);
        struct fuse_entry_param e;
        fill_entry(&attr, &e);
        if (fuse_reply_create(req, &e, fi) == -ENOENT) {
                sched_release(f);
                tree_unref(fe->tree, attr.ino, 1);
        }
}

static void op_link(fuse_req_t req, fuse_ino_t ino, fuse_ino_t parent, const char *name)
{
        struct frontend *fe = frontend_of(req);
        struct tree_attr attr;
        int r = frontend_may_add(fe);
        if (r == 0)
                r = tree_link(fe->tree, ino, parent, name, now_ns(), &attr);
        reply_entry(req, r, &attr);
}

/* ---- Removal and renaming */

static void op_unlink(fuse_req_t req, fuse_ino_t parent, const char *name)
{
        struct frontend *fe = frontend_of(req);
        int r = volume_may_change(fe->volume);
        fuse_reply_err(req, -(r ?: tree_unlink(fe->tree, parent, name, now_ns())));
}

static void op_rmdir(fuse_req_t req, fuse_ino_t parent, const char *name)
{
        struct frontend *fe = frontend_of(req);
        int r = volume_may_change(fe->volume);
        fuse_reply_err(req, -(r ?: tree_rmdir(fe->tree, parent, name, now_ns())));
}

static bool is_interrupted(void *ctx)
{
        return fuse_req_interrupted(ctx);
}

static void waits(void *ctx)
{
        session_loop_promote(frontend_of(ctx)->loop);
}

static bool look(struct frontend *fe, fuse_ino_t parent, const char *name, struct tree_attr *attr)
{
        if (tree_lookup(fe->tree, parent, name, attr) < 0)
                return false;
        tree_unref(fe->tree, attr->ino, 1);
        return S_ISREG(attr->mode);
}

/* A file that is to take the place of another one is a safe way to replace that, during a commit, too. */
static int before_rename(
        fuse_req_t req, fuse_ino_t parent, const char *name, fuse_ino_t new_parent, const char *new_name)
{
        struct frontend *fe = frontend_of(req);
        struct sched_source source = { .interrupted = is_interrupted, .waits = waits, .ctx = req };
        struct tree_attr attr, replaced;
        bool replaces = look(fe, parent, name, &attr) && look(fe, new_parent, new_name, &replaced);
        return replaces ? sched_before_replacing(fe->sched, attr.ino, &source) : 0;
}

static void op_rename(fuse_req_t req, fuse_ino_t parent, const char *name, fuse_ino_t new_parent,
        const char *new_name, unsigned flags)
{
        struct frontend *fe = frontend_of(req);
        int r = volume_may_change(fe->volume);
        if (r == 0)
                r = before_rename(req, parent, name, new_parent, new_name);
        if (r == 0)
                r = tree_rename(fe->tree, parent, name, new_parent, new_name, flags, now_ns());
        fuse_reply_err(req, -r);
}

static void op_readlink(fuse_req_t req, fuse_ino_t ino)
{
        g_autofree char *target = NULL;
        int r = tree_readlink(frontend_of(req)->tree, ino, &target);
        if (r < 0)
                fuse_reply_err(req, -r);
        else
                fuse_reply_readlink(req, target);
}

/* ---- Directories. Offsets: 1 is behind ".", 2 behind "..", 2 + the tree's cookie from there on. */

struct listing {
        fuse_req_t req;
        char *buf;
        size_t size, used;
        uint64_t end;
        bool plus;
};

/* Names that come while a directory is listed stand behind all others. A program that renames or copies what
 * it is told would be told that next, and never come to an end: it gets what was there when it began. */
struct open_directory {
        atomic_uint_fast64_t end; /* the cookie behind that */
};

static struct open_directory *open_directory(const struct fuse_file_info *fi)
{
        return (struct open_directory *)(uintptr_t)fi->fh;
}

static void forget_directory(struct frontend *fe, struct open_directory *d)
{
        pthread_mutex_lock(&fe->cached_lock);
        g_hash_table_remove(fe->directories, d);
        pthread_mutex_unlock(&fe->cached_lock);
}

static bool add_entry(
        struct listing *l, const char *name, const struct tree_attr *attr, bool known, uint64_t next)
{
        struct fuse_entry_param e;
        fill_entry(attr, &e);
        if (!known)
                e.ino = 0; /* "." and "..": no look-up is counted */
        char *at = l->buf + l->used;
        size_t room = l->size - l->used;
        size_t n = l->plus ? fuse_add_direntry_plus(l->req, at, room, name, &e, (off_t)next)
                           : fuse_add_direntry(l->req, at, room, name, &e.attr, (off_t)next);
        if (n > room)
                return false;
        l->used += n;
        return true;
}

static bool list_one(void *ctx, const char *name, const struct tree_attr *attr, uint64_t next)
{
        const struct listing *l = ctx;
        return next <= l->end && add_entry(ctx, name, attr, true, next + 2);
}

static int list_dots(struct listing *l, struct frontend *fe, uint64_t ino, uint64_t offset)
{
        for (; offset < 2; offset++) {
                uint64_t which = ino;
                struct tree_attr attr;
                int r = offset == 1 ? tree_parent(fe->tree, ino, &which) : 0;
                if (r == 0)
                        r = tree_getattr(fe->tree, which, &attr);
                if (r < 0)
                        return r == -ENOENT || r == -ESTALE ? 0 : r;
                if (!add_entry(l, offset ? ".." : ".", &attr, false, offset + 1))
                        break;
        }
        return 0;
}

static void list(
        fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset, const struct fuse_file_info *fi, bool plus)
{
        struct frontend *fe = frontend_of(req);
        struct open_directory *d = open_directory(fi);
        if (offset == 0) /* also after rewinddir(3) */
                atomic_store(&d->end, tree_readdir_end(fe->tree, ino));
        g_autofree char *buf = g_try_malloc(size);
        struct listing l = { req, buf, size, 0, atomic_load(&d->end), plus };
        int r = buf ? 0 : -ENOMEM;
        if (r == 0 && offset < 2)
                r = list_dots(&l, fe, ino, (uint64_t)offset);
        if (r == 0)
                r = tree_readdir(fe->tree, ino, offset < 2 ? 0 : (uint64_t)offset - 2, plus, list_one, &l);
        if (r < 0)
                fuse_reply_err(req, -r);
        else
                fuse_reply_buf(req, buf, l.used);
}

static void op_opendir(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
        struct frontend *fe = frontend_of(req);
        struct open_directory *d = g_new(struct open_directory, 1);
        atomic_init(&d->end, tree_readdir_end(fe->tree, ino));
        pthread_mutex_lock(&fe->cached_lock);
        g_hash_table_add(fe->directories, d);
        pthread_mutex_unlock(&fe->cached_lock);
        fi->fh = (uintptr_t)d;
        fi->cache_readdir = 1;
        fi->keep_cache = 1;
        if (fuse_reply_open(req, fi) == -ENOENT)
                forget_directory(fe, d);
}

static void op_releasedir(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
        forget_directory(frontend_of(req), open_directory(fi));
        fuse_reply_err(req, 0);
}

static void op_readdir(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset, struct fuse_file_info *fi)
{
        list(req, ino, size, offset, fi, false);
}

static void op_readdirplus(
        fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset, struct fuse_file_info *fi)
{
        list(req, ino, size, offset, fi, true);
}

void ops_names(struct fuse_lowlevel_ops *ops)
{
        ops->lookup = op_lookup;
        ops->forget = op_forget;
        ops->forget_multi = op_forget_multi;
        ops->mknod = op_mknod;
        ops->mkdir = op_mkdir;
        ops->symlink = op_symlink;
        ops->create = op_create;
        ops->link = op_link;
        ops->unlink = op_unlink;
        ops->rmdir = op_rmdir;
        ops->rename = op_rename;
        ops->readlink = op_readlink;
        ops->opendir = op_opendir;
        ops->releasedir = op_releasedir;
        ops->readdir = op_readdir;
        ops->readdirplus = op_readdirplus;
}

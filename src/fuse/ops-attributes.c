/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Attributes, extended attributes, ACLs, and the filesystem's own figures. */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/xattr.h>

#include <reelfs/acl.h>
#include <reelfs/hash.h>
#include <reelfs/util.h>

#include "frontend.h"

#define NS INT64_C(1000000000)

static struct timespec to_timespec(int64_t ns)
{
        int64_t seconds = ns / NS, rest = ns % NS;
        return rest < 0 ? (struct timespec){ seconds - 1, rest + NS } : (struct timespec){ seconds, rest };
}

static int64_t from_timespec(const struct timespec *ts)
{
        int64_t ns;
        if (__builtin_mul_overflow((int64_t)ts->tv_sec, NS, &ns) ||
                __builtin_add_overflow(ns, ts->tv_nsec, &ns))
                return ts->tv_sec < 0 ? INT64_MIN : INT64_MAX;
        return ns;
}

void frontend_stat(const struct tree_attr *attr, struct stat *st)
{
        *st = (struct stat){
                .st_ino = attr->ino,
                .st_mode = attr->mode,
                .st_nlink = attr->nlink,
                .st_uid = attr->uid,
                .st_gid = attr->gid,
                .st_rdev = attr->rdev,
                .st_size = (off_t)attr->size,
                .st_blksize = REQUEST_MAX,
                .st_blocks = (blkcnt_t)((attr->bytes + 511) / 512),
                .st_atim = to_timespec(attr->times.atime),
                .st_mtim = to_timespec(attr->times.mtime),
                .st_ctim = to_timespec(attr->times.ctime),
        };
}

static void reply_attr(fuse_req_t req, int r, const struct tree_attr *attr)
{
        if (r < 0) {
                fuse_reply_err(req, -r);
                return;
        }
        struct stat st;
        frontend_stat(attr, &st);
        fuse_reply_attr(req, &st, KEEP_SECONDS);
}

static void op_getattr(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
        struct tree_attr attr;
        reply_attr(req, tree_getattr(frontend_of(req)->tree, ino, &attr), &attr);
}

/* chmod of an inode that has an ACL changes the ACL too. */
static int chmod_acl(Tree *tree, uint64_t ino, uint32_t mode, int64_t now)
{
        g_autofree void *acl = NULL;
        size_t size;
        int r = tree_xattr_get(tree, ino, ACL_XATTR_ACCESS, &acl, &size);
        if (r == -ENODATA)
                return 0;
        if (r == 0)
                r = acl_set_mode(acl, size, mode);
        return r < 0 ? r : tree_xattr_set(tree, ino, ACL_XATTR_ACCESS, acl, size, 0, now);
}

static int set_attributes(
        struct frontend *fe, uint64_t ino, const struct stat *st, int to_set, struct tree_attr *attr)
{
        int64_t now = now_ns();
        int r = volume_may_change(fe->volume);
        if (r < 0)
                return r;
        if (to_set & FUSE_SET_ATTR_SIZE) {
                r = sched_truncate(fe->sched, ino, (uint64_t)st->st_size, now);
                frontend_drop_cache(fe, ino);
        }
        if (r == 0 && (to_set & FUSE_SET_ATTR_MODE))
                r = chmod_acl(fe->tree, ino, st->st_mode, now);
        if (r < 0)
                return r;
        struct tree_attr v = { .mode = st->st_mode, .uid = st->st_uid, .gid = st->st_gid };
        v.times.ctime = now;
        v.times.mtime = to_set & FUSE_SET_ATTR_MTIME_NOW ? now : from_timespec(&st->st_mtim);
        v.times.atime = to_set & FUSE_SET_ATTR_ATIME_NOW ? now : from_timespec(&st->st_atim);
        unsigned set = TREE_SET_CTIME;
        static const struct {
                int fuse;
                unsigned tree;
        } map[] = {
                { FUSE_SET_ATTR_MODE, TREE_SET_MODE },
                { FUSE_SET_ATTR_UID, TREE_SET_UID },
                { FUSE_SET_ATTR_GID, TREE_SET_GID },
                { FUSE_SET_ATTR_MTIME | FUSE_SET_ATTR_MTIME_NOW, TREE_SET_MTIME },
                { FUSE_SET_ATTR_ATIME | FUSE_SET_ATTR_ATIME_NOW, TREE_SET_ATIME },
        };
        for (unsigned i = 0; i < G_N_ELEMENTS(map); i++)
                if (to_set & map[i].fuse)
                        set |= map[i].tree;
        return tree_setattr(fe->tree, ino, set, &v, attr);
}

static void op_setattr(fuse_req_t req, fuse_ino_t ino, struct stat *st, int to_set, struct fuse_file_info *fi)
{
        struct tree_attr attr;
        reply_attr(req, set_attributes(frontend_of(req), ino, st, to_set, &attr), &attr);
}

/* ---- Extended attributes */

#define STATUS_XATTR "reelfs.status"

/* The volume's own name for a virtual attribute, "ltfs.volumeUUID"; NULL: name cannot be one. */
static const char *virtual_name(const char *name)
{
        const char *key = g_str_has_prefix(name, "user.") ? name + strlen("user.") : NULL;
        return key && (g_ascii_strncasecmp(key, "ltfs.", 5) == 0 || g_str_has_prefix(key, "reelfs.")) ? key
                                                                                                      : NULL;
}

/* These are what reelfs has found, or nobody's. */
static bool is_own_hash(const char *name)
{
        return strcmp(name, HASH_XATTR_CRC32) == 0 || strcmp(name, HASH_XATTR_SHA256) == 0;
}

/* LTFS keeps names that begin with "ltfs" for itself, save these. */
static bool may_be_set(const char *name)
{
        static const char *const open[] = { "ltfs.hash.", "ltfs.permissions.", "ltfs.mediaPool.",
                "ltfs.spannedFileOffset" };
        const char *key = virtual_name(name);
        if (is_own_hash(name))
                return false;
        for (unsigned i = 0; key && i < G_N_ELEMENTS(open); i++)
                if (g_str_has_prefix(key, open[i]))
                        return true;
        return !key;
}

/* "reelfs.status" of the root is everything that `reelfs status` is made of, "reelfs.status.KEY" a part. */
static char *status_xattr(struct frontend *fe, uint64_t ino, const char *key)
{
        if (ino != TREE_ROOT || !g_str_has_prefix(key, STATUS_XATTR))
                return NULL;
        key += strlen(STATUS_XATTR);
        return *key == '.' ? status_value(fe, key + 1) : *key ? NULL : status_text(fe);
}

static int get_xattr(struct frontend *fe, uint64_t ino, const char *name, void **value, size_t *size)
{
        const char *key = virtual_name(name);
        char *text = key ? status_xattr(fe, ino, key) : NULL;
        if (text || (key && volume_virtual_xattr(fe->volume, fe->tree, ino, key, &text) == 0)) {
                *value = text;
                *size = strlen(text);
                return 0;
        }
        return tree_xattr_get(fe->tree, ino, name, value, size);
}

/* Answers size with data's length if the caller only asked for that. */
static void reply_data(fuse_req_t req, int r, const void *data, size_t n, size_t size)
{
        if (r == 0 && size > 0 && n > size)
                r = -ERANGE;
        if (r < 0)
                fuse_reply_err(req, -r);
        else if (size == 0)
                fuse_reply_xattr(req, n);
        else
                fuse_reply_buf(req, data, n);
}

static void op_getxattr(fuse_req_t req, fuse_ino_t ino, const char *name, size_t size)
{
        g_autofree void *value = NULL;
        size_t n = 0;
        int r = get_xattr(frontend_of(req), ino, name, &value, &n);
        reply_data(req, r, value, n, size);
}

static void op_listxattr(fuse_req_t req, fuse_ino_t ino, size_t size)
{
        g_autofree char *names = NULL;
        size_t n = 0;
        int r = tree_xattr_list(frontend_of(req)->tree, ino, &names, &n);
        reply_data(req, r, names, n, size);
}

/* The access ACL's permission bits become the mode's; an ACL that says no more is not kept. As with chmod(2),
 * only who is in the file's group can leave it set-group-ID. */
static int set_access_acl(fuse_req_t req, uint64_t ino, const void *acl, size_t size, int64_t now)
{
        Tree *tree = frontend_of(req)->tree;
        uint32_t bits;
        bool minimal;
        struct tree_attr attr;
        int r = acl_to_mode(acl, size, &bits, &minimal);
        if (r == 0)
                r = tree_getattr(tree, ino, &attr);
        if (r < 0)
                return r;
        if (minimal)
                r = tree_xattr_remove(tree, ino, ACL_XATTR_ACCESS, now);
        else
                r = tree_xattr_set(tree, ino, ACL_XATTR_ACCESS, acl, size, 0, now);
        if (r < 0 && r != -ENODATA)
                return r;
        attr.mode = (attr.mode & ~0777U) | bits;
        if ((attr.mode & S_ISGID) && !privileges_in_group(req, attr.gid))
                attr.mode &= ~(uint32_t)S_ISGID;
        attr.times.ctime = now;
        return tree_setattr(tree, ino, TREE_SET_MODE | TREE_SET_CTIME, &attr, NULL);
}

static int set_acl(fuse_req_t req, uint64_t ino, const char *name, const void *value, size_t size)
{
        Tree *tree = frontend_of(req)->tree;
        int64_t now = now_ns();
        struct tree_attr attr;
        int r = tree_getattr(tree, ino, &attr);
        if (r < 0)
                return r;
        bool is_default = strcmp(name, ACL_XATTR_DEFAULT) == 0;
        if (is_default && !S_ISDIR(attr.mode))
                return size ? -EACCES : 0;
        if (size == 0)
                return tree_xattr_remove(tree, ino, name, now);
        r = acl_check(value, size);
        if (r < 0)
                return r;
        return is_default ? tree_xattr_set(tree, ino, name, value, size, 0, now)
                          : set_access_acl(req, ino, value, size, now);
}

static bool is_acl(const char *name)
{
        return strcmp(name, ACL_XATTR_ACCESS) == 0 || strcmp(name, ACL_XATTR_DEFAULT) == 0;
}

static void op_setxattr(
        fuse_req_t req, fuse_ino_t ino, const char *name, const char *value, size_t size, int flags)
{
        struct frontend *fe = frontend_of(req);
        int r = frontend_may_add(fe);
        if (r == 0 && is_acl(name))
                r = set_acl(req, ino, name, value, size);
        else if (r == 0)
                r = may_be_set(name) ? tree_xattr_set(fe->tree, ino, name, value, size, flags, now_ns())
                                     : -EPERM;
        fuse_reply_err(req, -r);
}

static void op_removexattr(fuse_req_t req, fuse_ino_t ino, const char *name)
{
        struct frontend *fe = frontend_of(req);
        int r = is_own_hash(name) ? -EPERM : volume_may_change(fe->volume);
        if (r == 0)
                r = tree_xattr_remove(fe->tree, ino, name, now_ns());
        /* Taking an ACL away where there is none is no error on other filesystems. */
        fuse_reply_err(req, r == -ENODATA && is_acl(name) ? 0 : -r);
}

/* ---- The filesystem */

/* A drive that does not say how much the tape holds: programs that look for room shall find it. */
#define TOTAL_UNKNOWN (UINT64_C(1) << 50)
#define STATFS_UNIT 4096

static void op_statfs(fuse_req_t req, fuse_ino_t ino)
{
        struct frontend *fe = frontend_of(req);
        struct sched_status status;
        struct tree_counts counts;
        sched_get_status(fe->sched, &status);
        tree_get_counts(fe->tree, &counts);
        uint64_t total = status.total ?: TOTAL_UNKNOWN, left = MIN(status.remaining, total);
        struct statvfs st = {
                .f_bsize = REQUEST_MAX,
                .f_frsize = STATFS_UNIT,
                .f_blocks = total / STATFS_UNIT,
                .f_bfree = left / STATFS_UNIT,
                .f_bavail = left / STATFS_UNIT,
                .f_files = counts.inodes + UINT32_MAX,
                .f_ffree = UINT32_MAX,
                .f_favail = UINT32_MAX,
                .f_namemax = TREE_NAME_MAX,
        };
        fuse_reply_statfs(req, &st);
}

void ops_attributes(struct fuse_lowlevel_ops *ops)
{
        ops->getattr = op_getattr;
        ops->setattr = op_setattr;
        ops->getxattr = op_getxattr;
        ops->setxattr = op_setxattr;
        ops->listxattr = op_listxattr;
        ops->removexattr = op_removexattr;
        ops->statfs = op_statfs;
}

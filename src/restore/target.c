/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The directory that is restored into. Each name is reached from the root by directory descriptors, one
 * component after the other, none of which may be a symbolic link. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <reelfs/log.h>
#include <reelfs/util.h>

#include "private.h"

#define DIRECTORY_MODE 0700 /* until everything is in it */
#define FILE_MODE 01600     /* likewise: what nobody else gives a file */
#define OPEN_DIRECTORY (O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)

/* Nothing more can be written after these. */
static bool is_final(int error)
{
        return error == -ENOSPC || error == -EDQUOT || error == -EROFS;
}

static int node_failed(struct target *t, uint32_t i, int error, const char *what)
{
        struct node *n = plan_node(t->plan, i);
        if (is_final(error))
                return log_error_errno(
                        error, "the target directory takes no more; make room and go on with --resume");
        g_autofree char *path = plan_path(t->plan, i);
        if (!n->failed)
                log_message(LOG_ERR, error, "%s: %s", path, what);
        n->failed = true;
        return 0;
}

static struct timespec to_timespec(int64_t ns)
{
        int64_t s = ns / 1000000000, rest = ns % 1000000000;
        return rest < 0 ? (struct timespec){ s - 1, rest + 1000000000 } : (struct timespec){ s, rest };
}

/* ---- Places */

static int open_directory(struct target *t, uint32_t i)
{
        GArray *way = g_array_new(FALSE, FALSE, sizeof(uint32_t));
        for (uint32_t at = i; plan_node(t->plan, at)->parent != NODE_NONE;
                at = plan_node(t->plan, at)->parent)
                g_array_append_val(way, at);
        int fd = openat(t->root, ".", OPEN_DIRECTORY);
        for (guint k = way->len; fd >= 0 && k-- > 0;) {
                int next =
                        openat(fd, plan_node(t->plan, g_array_index(way, uint32_t, k))->name, OPEN_DIRECTORY);
                int r = errno;
                close(fd);
                fd = next;
                errno = r;
        }
        int r = fd < 0 ? -errno : fd;
        g_array_unref(way);
        return r;
}

/* The descriptor of the directory that holds node i, kept open for the next; negative: an error. */
static int parent_of(struct target *t, uint32_t i)
{
        uint32_t parent = plan_node(t->plan, i)->parent;
        if (t->directory >= 0 && t->directory_node == parent)
                return t->directory;
        close_fd(&t->directory);
        int fd = open_directory(t, parent);
        t->directory = fd < 0 ? -1 : fd;
        t->directory_node = parent;
        return fd;
}

/* ---- Attributes */

static void attribute_failed(struct target *t, uint32_t i, const char *what, bool *told)
{
        t->attributes++;
        if (*told)
                return;
        *told = true;
        g_autofree char *path = plan_path(t->plan, i);
        log_message(
                LOG_WARNING, -errno, "%s: %s cannot be restored; there may be more such files", path, what);
}

/* Of name in fd (by way of /proc, since no call takes both), or of what fd is. */
static void set_xattrs(struct target *t, uint32_t i, int fd, const char *name)
{
        const struct node *n = plan_node(t->plan, i);
        g_autofree char *names = NULL, *path = name ? g_strdup_printf("/proc/self/fd/%d/%s", fd, name) : NULL;
        size_t size = 0;
        if (tree_xattr_list(t->plan->tree, n->ino, &names, &size) < 0)
                return;
        for (const char *key = names; key < names + size; key += strlen(key) + 1) {
                g_autofree void *value = NULL;
                size_t length = 0;
                if (tree_xattr_get(t->plan->tree, n->ino, key, &value, &length) == 0 &&
                        (path ? lsetxattr(path, key, value, length, 0)
                              : fsetxattr(fd, key, value, length, 0)) < 0)
                        attribute_failed(t, i, key, &t->xattr_told);
        }
}

/* What may not be given away is not set for those who would get it. */
static uint32_t mode_here(const struct target *t, const struct tree_attr *a)
{
        bool own = t->is_root || (a->uid == geteuid() && a->gid == getegid());
        return a->mode & (own ? 07777 : 07777 & ~(uint32_t)(S_ISUID | S_ISGID));
}

/* Of name in fd, or, without a name, of what fd is. Rights of owners only after the owner, the times last. */
static void set_attributes(struct target *t, uint32_t i, int fd, const char *name)
{
        struct tree_attr a;
        if (tree_getattr(t->plan->tree, plan_node(t->plan, i)->ino, &a) < 0)
                return;
        int flags = name ? AT_SYMLINK_NOFOLLOW : AT_EMPTY_PATH;
        uint32_t mode = mode_here(t, &a);
        struct stat st;
        bool owned = t->is_root && !name && fstat(fd, &st) == 0 && st.st_uid == a.uid && st.st_gid == a.gid;
        if (t->is_root && !owned && fchownat(fd, name ?: "", a.uid, a.gid, flags) < 0)
                attribute_failed(t, i, "the owner", &t->owner_told);
        if (a.has_xattrs)
                set_xattrs(t, i, fd, name);
        if (!S_ISLNK(a.mode) && (name ? fchmodat(fd, name, mode, AT_SYMLINK_NOFOLLOW) : fchmod(fd, mode)) < 0)
                attribute_failed(t, i, "the mode", &t->owner_told);
        struct timespec times[2] = { to_timespec(a.times.atime), to_timespec(a.times.mtime) };
        if (plan_node(t->plan, i)->holes) /* another try may read more of it */
                times[1].tv_nsec = UTIME_OMIT;
        if ((name ? utimensat(fd, name, times, AT_SYMLINK_NOFOLLOW) : futimens(fd, times)) < 0)
                attribute_failed(t, i, "the time of modification", &t->owner_told);
}

/* ---- What is there already */

/* Of one type: what it is, but for names and attributes. */
static bool is_same(const struct target *t, const struct node *n, int fd, const struct tree_attr *a,
        const struct stat *st)
{
        if (S_ISREG(n->mode))
                return (uint64_t)st->st_size == a->size;
        if (!S_ISLNK(n->mode))
                return st->st_rdev == a->rdev;
        g_autofree char *wanted = NULL;
        char found[PATH_MAX + 1];
        ssize_t length = readlinkat(fd, n->name, found, sizeof(found));
        return tree_readlink(t->plan->tree, n->ino, &wanted) == 0 && length == (ssize_t)strlen(wanted) &&
                memcmp(found, wanted, (size_t)length) == 0;
}

/* Complete is what has the right size and time: that is set last. Stale: but other attributes are to be set.
 */
static void see_complete(struct target *t, struct node *n, int fd, const struct stat *st)
{
        struct tree_attr a;
        if ((n->mode & S_IFMT) != (st->st_mode & S_IFMT) || tree_getattr(t->plan->tree, n->ino, &a) < 0)
                return;
        struct timespec mtime = to_timespec(a.times.mtime);
        n->complete = is_same(t, n, fd, &a, st) && st->st_mtim.tv_sec == mtime.tv_sec &&
                st->st_mtim.tv_nsec == mtime.tv_nsec;
        n->stale = n->complete &&
                (a.has_xattrs || (!S_ISLNK(a.mode) && (st->st_mode & 07777) != mode_here(t, &a)) ||
                        (t->is_root && (st->st_uid != a.uid || st->st_gid != a.gid)));
}

/* As made here and not finished yet: what an interrupted restore leaves. */
static bool is_unfinished(const struct stat *st)
{
        return st->st_uid == geteuid() &&
                (st->st_mode & 07777) == (S_ISDIR(st->st_mode) ? DIRECTORY_MODE : FILE_MODE);
}

static int look_at(struct target *t, uint32_t i, uint64_t *in_the_way)
{
        struct node *n = plan_node(t->plan, i);
        struct stat st;
        n->absent = plan_node(t->plan, n->parent)->absent;
        int fd = n->absent ? -1 : parent_of(t, i);
        if (fd < 0)
                return 0;
        if (fstatat(fd, n->name, &st, AT_SYMLINK_NOFOLLOW) < 0) {
                n->absent = errno == ENOENT;
                return 0;
        }
        if (S_ISDIR(n->mode) && S_ISDIR(st.st_mode))
                return 0;
        if (S_ISDIR(n->mode) || S_ISDIR(st.st_mode) || t->existing == RESTORE_REFUSE) {
                g_autofree char *path = plan_path(t->plan, i);
                if (S_ISDIR(n->mode) || S_ISDIR(st.st_mode))
                        return log_error(-ENOTDIR,
                                "%s: is a directory here or on the tape, but not both; nothing was restored",
                                path);
                if ((*in_the_way)++ == 0)
                        log_message(LOG_ERR, 0,
                                "%s: is there already; --overwrite replaces what is there, --resume goes on "
                                "with an "
                                "interrupted restore",
                                path);
                return 0;
        }
        if (t->existing == RESTORE_RESUME && n->link_to == NODE_NONE) {
                see_complete(t, n, fd, &st);
                t->skipped += n->complete;
        }
        n->replaces = !(t->existing == RESTORE_RESUME && S_ISREG(st.st_mode) && is_unfinished(&st));
        return 0;
}

/* One that an earlier restore has finished may be closed to its owner; root is let in anyway. */
static void let_in(struct target *t, int fd, const char *name)
{
        struct stat st;
        if (!t->is_root && fstatat(fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode) &&
                st.st_uid == geteuid() && (st.st_mode & S_IRWXU) != S_IRWXU)
                fchmodat(fd, name, (st.st_mode & 07777) | S_IRWXU, AT_SYMLINK_NOFOLLOW);
}

static int make_directory(struct target *t, uint32_t i)
{
        struct node *n = plan_node(t->plan, i);
        int fd = parent_of(t, i);
        struct stat st;
        bool made = fd >= 0 && mkdirat(fd, n->name, DIRECTORY_MODE) == 0;
        if (!made && (fd < 0 || errno != EEXIST))
                return node_failed(t, i, fd < 0 ? fd : -errno, "cannot make the directory");
        if (made ||
                (t->existing == RESTORE_RESUME && fstatat(fd, n->name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
                        is_unfinished(&st)))
                n->attributes = true;
        if (!made && n->attributes)
                let_in(t, fd, n->name);
        return 0;
}

int target_prepare(struct target *t)
{
        uint64_t in_the_way = 0;
        int r = 0;
        for (uint32_t i = 1; r == 0 && i < t->plan->nodes->len && in_the_way == 0; i++)
                r = look_at(t, i, &in_the_way);
        if (r == 0 && in_the_way > 0)
                r = -EEXIST;
        close_fd(&t->directory);
        for (uint32_t i = 1; r == 0 && i < t->plan->nodes->len; i++)
                if (S_ISDIR(plan_node(t->plan, i)->mode))
                        r = make_directory(t, i);
        return r;
}

/* ---- Files */

/* The name under which node i is made: its own, or where it replaces something, another one until it is
 * complete. The caller frees. */
static char *name_meanwhile(const struct target *t, uint32_t i)
{
        const struct node *n = plan_node(t->plan, i);
        return n->replaces ? g_strdup_printf(".reelfs-restore.%d.%u", (int)getpid(), i) : g_strdup(n->name);
}

/* Where node i is to be made: *fd: its directory; *name, which the caller frees. */
static int make_way(struct target *t, uint32_t i, int *fd, char **name)
{
        struct node *n = plan_node(t->plan, i);
        *fd = parent_of(t, i);
        if (*fd < 0)
                return *fd;
        *name = name_meanwhile(t, i);
        if (t->existing != RESTORE_REFUSE && !n->absent && unlinkat(*fd, *name, 0) < 0 && errno != ENOENT)
                return -errno;
        n->provisional = n->replaces;
        return 0;
}

/* What is complete replaces what was there. */
static int put_in_place(struct target *t, uint32_t i)
{
        struct node *n = plan_node(t->plan, i);
        if (!n->provisional)
                return 0;
        int fd = parent_of(t, i);
        g_autofree char *name = name_meanwhile(t, i);
        if (fd < 0 || renameat(fd, name, fd, n->name) < 0)
                return fd < 0 ? fd : -errno;
        n->provisional = false;
        /* Two names of one inode rename leaves as they are. */
        unlinkat(fd, name, 0);
        return 0;
}

/* What did not become complete goes, and what was there stays. */
static void take_away(struct target *t, uint32_t i)
{
        struct node *n = plan_node(t->plan, i);
        int fd = n->provisional ? parent_of(t, i) : -1;
        if (fd < 0)
                return;
        g_autofree char *name = name_meanwhile(t, i);
        unlinkat(fd, name, 0);
        n->provisional = false;
}

static int open_file(struct target *t, uint32_t i)
{
        struct node *n = plan_node(t->plan, i);
        int fd, r = 0;
        g_autofree char *name = NULL;
        if (t->file >= 0 && t->file_node == i)
                return 0;
        close_fd(&t->file);
        if (n->begun) {
                name = name_meanwhile(t, i);
                fd = parent_of(t, i);
                t->file = fd < 0 ? fd : openat(fd, name, O_WRONLY | O_NOFOLLOW | O_CLOEXEC);
                t->file_end = UINT64_MAX;
        } else {
                r = make_way(t, i, &fd, &name);
                if (r == 0)
                        t->file = openat(
                                fd, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, FILE_MODE);
        }
        if (r == 0 && t->file < 0)
                r = fd < 0 ? fd : -errno;
        if (!n->begun)
                t->file_end = 0;
        t->file_node = i;
        n->begun = true;
        return r;
}

int target_write(struct target *t, const struct piece *piece, const void *data, size_t size)
{
        if (plan_node(t->plan, piece->node)->failed)
                return 0;
        int r = open_file(t, piece->node);
        if (r == 0)
                r = pwrite_all(t->file, data, size, piece->file_offset);
        if (t->file_end != UINT64_MAX)
                t->file_end = MAX(t->file_end, piece->file_offset + size);
        return r < 0 ? node_failed(t, piece->node, r, "cannot be written") : 0;
}

static int finish_file(struct target *t, uint32_t i)
{
        struct node *n = plan_node(t->plan, i);
        int r = n->failed ? 0 : open_file(t, i);
        if (r == 0 && !n->failed && t->file_end != n->size && ftruncate(t->file, (off_t)n->size) < 0)
                r = -errno;
        if (r == 0 && !n->failed) {
                set_attributes(t, i, t->file, NULL);
                r = put_in_place(t, i);
        }
        if (r < 0)
                r = node_failed(t, i, r, "cannot be written");
        t->files += r == 0 && !n->failed;
        if (n->failed && n->replaces) {
                g_autofree char *path = plan_path(t->plan, i);
                log_message(LOG_NOTICE, 0, "%s: the file that was there already was left as it is", path);
                take_away(t, i);
        }
        close_fd(&t->file);
        return r;
}

int target_piece_done(struct target *t, uint32_t i)
{
        return --plan_node(t->plan, i)->left == 0 ? finish_file(t, i) : 0;
}

static int make_other(struct target *t, uint32_t i)
{
        struct node *n = plan_node(t->plan, i);
        struct tree_attr a;
        g_autofree char *link = NULL, *name = NULL;
        int fd, r = make_way(t, i, &fd, &name);
        if (r == 0)
                r = tree_getattr(t->plan->tree, n->ino, &a);
        if (r == 0 && S_ISLNK(n->mode))
                r = tree_readlink(t->plan->tree, n->ino, &link);
        if (r == 0 &&
                (link ? symlinkat(link, fd, name) : mknodat(fd, name, (n->mode & S_IFMT) | 0600, a.rdev)) < 0)
                r = -errno;
        if (r == 0) {
                set_attributes(t, i, fd, name);
                r = put_in_place(t, i);
        }
        if (r < 0)
                return node_failed(t, i, r, "cannot be made");
        t->files++;
        return 0;
}

static int make_link(struct target *t, uint32_t i)
{
        const struct node *n = plan_node(t->plan, i), *first = plan_node(t->plan, n->link_to);
        g_autofree char *name = NULL;
        int fd, r = first->failed ? -EIO : make_way(t, i, &fd, &name);
        autofd from = r < 0 ? -1 : open_directory(t, first->parent);
        if (r == 0 && from < 0)
                r = from;
        if (r == 0 && linkat(from, first->name, fd, name, 0) < 0)
                r = -errno;
        if (r == 0)
                r = put_in_place(t, i);
        if (r < 0)
                return node_failed(t, i, r, "the hard link cannot be made");
        t->files++;
        return 0;
}

static int finish_one(struct target *t, uint32_t i)
{
        const struct node *n = plan_node(t->plan, i);
        int fd = n->stale ? parent_of(t, i) : -1;
        if (fd >= 0)
                set_attributes(t, i, fd, n->name);
        if (S_ISDIR(n->mode) || n->complete || n->failed)
                return 0;
        if (n->link_to != NODE_NONE)
                return make_link(t, i);
        if (!S_ISREG(n->mode))
                return make_other(t, i);
        return n->begun ? 0 : finish_file(t, i);
}

int target_finish(struct target *t)
{
        int r = 0;
        guint n = t->plan->nodes->len;
        for (uint32_t i = 0; r == 0 && i < n; i++)
                r = finish_one(t, i);
        /* From the bottom up: a directory that may not be entered any more has nothing to come in it. */
        for (uint32_t i = n; r == 0 && i-- > 0;) {
                const struct node *d = plan_node(t->plan, i);
                if (!S_ISDIR(d->mode) || !d->attributes || d->failed)
                        continue;
                autofd fd = open_directory(t, i);
                if (fd < 0)
                        r = node_failed(t, i, fd, "cannot be opened");
                else
                        set_attributes(t, i, fd, NULL);
        }
        for (uint32_t i = 0; i < n; i++)
                t->failed += plan_node(t->plan, i)->failed;
        if (r == 0 && syncfs(t->root) < 0)
                r = log_error_errno(-errno, "the target directory's disk failed");
        return r;
}

void target_clear(struct target *t)
{
        close_fd(&t->file);
        for (uint32_t i = 0; t->root >= 0 && t->plan->nodes && i < t->plan->nodes->len; i++)
                take_away(t, i);
        close_fd(&t->directory);
}

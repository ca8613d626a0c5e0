/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* The namespace in memory: inodes, names, attributes, xattrs, extents. No I/O, no FUSE. All functions: any
 * thread; one lock inside. Callbacks run under that lock and must not call back into the tree, nor block.
 *
 * Inodes are named by ino. A name (directory entry) has a fileuid of its own, as LTFS demands; ino is the
 * fileuid of the inode's first name, and stays when that name goes: it is then the id of the link group. Both
 * come from one counter and are never reused on a volume. The root is 1.
 *
 * An inode lives while it has a name or a reference. Functions said to "return a reference" add one on
 * success; tree_unref gives it back. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

typedef struct Tree Tree;

#define TREE_ROOT UINT64_C(1)
#define TREE_NAME_MAX 255 /* bytes */

/* Times: nanoseconds since 1970 UTC. */
struct tree_times {
        int64_t btime, mtime, ctime, atime; /* creation, data, attributes, access */
};

struct tree_attr {
        uint64_t ino;
        uint64_t size;  /* bytes; of a symlink: of its target; of a directory: 0 */
        uint64_t bytes; /* that extents cover */
        uint64_t rdev;
        struct tree_times times;
        uint32_t mode; /* with file type */
        uint32_t uid, gid;
        uint32_t nlink;  /* directories: 2 + subdirectories; 0: no name any more */
        bool has_xattrs; /* the hashes that tree_set_hash keeps are not counted */
        bool has_crc32;
        uint32_t crc32; /* of all that a regular file holds */
};

/* length bytes from file_offset on are at offset of segment. Extents of a file are sorted and do not overlap;
 * what none covers is a hole. Segment 0 is none. */
struct tree_extent {
        uint64_t file_offset, length, segment, offset;
};

/* An empty tree with a root directory of mode 0755, owner 0:0. */
Tree *tree_new(void);
void tree_free(Tree *t);

/* Rises with each change that an index has to record. */
uint64_t tree_changes(Tree *t);

struct tree_counts {
        uint64_t inodes, names, directories;
        uint64_t extents;
        uint64_t bytes; /* sum of file sizes, each inode once */
        size_t memory;  /* bytes allocated, estimate */
};
void tree_get_counts(Tree *t, struct tree_counts *counts);

/* ---- Names. now: becomes mtime and ctime of what changes.
 * -ENOENT, -ENOTDIR, -EEXIST, -EISDIR, -ENOTEMPTY, -ENAMETOOLONG (over TREE_NAME_MAX), -EINVAL (empty name,
 * '/', "." or ".."), -EMLINK, -ESTALE (no such inode), -ENOSPC (fileuids are used up). */

/* Returns a reference. name may be ".." and ".". */
int tree_lookup(Tree *t, uint64_t parent, const char *name, struct tree_attr *attr);

struct tree_new_inode {
        uint32_t mode; /* with type: regular, directory, symlink, fifo, socket, char or block device */
        uint32_t uid, gid;
        uint64_t rdev;
        const char *target; /* of a symlink */
        /* ACLs to begin with (see acl.h), or NULL */
        const void *acl_access, *acl_default;
        size_t acl_access_size, acl_default_size;
};
/* Returns a reference. In a directory with S_ISGID the group is inherited by the caller's choice, not here.
 */
int tree_create(Tree *t, uint64_t parent, const char *name, const struct tree_new_inode *new_inode,
        int64_t now, struct tree_attr *attr);
/* Returns a reference to ino. -EPERM: a directory. */
int tree_link(Tree *t, uint64_t ino, uint64_t parent, const char *name, int64_t now, struct tree_attr *attr);
int tree_unlink(Tree *t, uint64_t parent, const char *name, int64_t now);
int tree_rmdir(Tree *t, uint64_t parent, const char *name, int64_t now);
/* flags: 0, RENAME_NOREPLACE or RENAME_EXCHANGE of linux/fs.h. All rules of rename(2); -EINVAL: into an own
 * child. */
int tree_rename(Tree *t, uint64_t parent, const char *name, uint64_t new_parent, const char *new_name,
        unsigned flags, int64_t now);
/* The target, NUL-terminated; the caller frees. -EINVAL: not a symlink. */
int tree_readlink(Tree *t, uint64_t ino, char **target);

void tree_ref(Tree *t, uint64_t ino);
/* Gives count references back. An unknown ino is ignored. */
void tree_unref(Tree *t, uint64_t ino, uint64_t count);

/* Calls entry for each name from cookie (0: the first) on, "." and ".." not among them, until it returns
 * false; an entry for which it returned false was not taken. next: the cookie behind this entry, never 0.
 * Cookies stay valid while names come and go. with_ref: each taken entry returns a reference. */
int tree_readdir(Tree *t, uint64_t ino, uint64_t cookie, bool with_ref,
        bool (*entry)(void *ctx, const char *name, const struct tree_attr *attr, uint64_t next), void *ctx);
/* The cookie behind all entries that directory ino has now: what comes later has a higher one. 0: no such
 * directory. */
uint64_t tree_readdir_end(Tree *t, uint64_t ino);
/* The directory that holds directory ino (root: itself). */
int tree_parent(Tree *t, uint64_t ino, uint64_t *parent);
/* Path from the root, "/a/b", by the first name found, for messages; the caller frees. NULL: no name. */
char *tree_path(Tree *t, uint64_t ino);
/* Paths by all names, at most max of them, oldest first, each with its NUL, one after the other; *n: how
 * many. The caller frees. NULL: no name, or out of memory. */
char *tree_paths(Tree *t, uint64_t ino, size_t max, size_t *n);
/* Walks a path of components from the root; leading and doubled slashes are ignored. Returns a reference. */
int tree_resolve(Tree *t, const char *path, struct tree_attr *attr);

/* ---- Attributes */
enum tree_set {
        TREE_SET_MODE = 1 << 0, /* permission bits only */
        TREE_SET_UID = 1 << 1,
        TREE_SET_GID = 1 << 2,
        TREE_SET_MTIME = 1 << 3,
        TREE_SET_ATIME = 1 << 4,
        TREE_SET_CTIME = 1 << 5,
        TREE_SET_BTIME = 1 << 6,
};
int tree_getattr(Tree *t, uint64_t ino, struct tree_attr *attr);
/* Takes the members of values that set names. attr: the result; may be NULL. */
int tree_setattr(Tree *t, uint64_t ino, unsigned set, const struct tree_attr *values, struct tree_attr *attr);

/* ---- Extended attributes; names as Linux has them, "user.x" (-ERANGE: empty or over 255 bytes). Values up
 * to 64 KiB, 1 MiB for one inode, where each counts 64 bytes besides its name and value (-ENOSPC); what is
 * loaded, or set with now 0, may be 4 KiB more. now: becomes ctime, unless 0. flags: XATTR_CREATE (-EEXIST),
 * XATTR_REPLACE (-ENODATA). */
int tree_xattr_set(
        Tree *t, uint64_t ino, const char *name, const void *value, size_t size, int flags, int64_t now);
/* *value is a copy that the caller frees. -ENODATA: none of that name. */
int tree_xattr_get(Tree *t, uint64_t ino, const char *name, void **value, size_t *size);
int tree_xattr_remove(Tree *t, uint64_t ino, const char *name, int64_t now);
/* Names, each with its NUL, one after the other; the caller frees. Hashes that tree_set_hash keeps are not
 * among them: a copy of the file need not take them along. */
int tree_xattr_list(Tree *t, uint64_t ino, char **names, size_t *size);

/* ---- Hashes of regular files: attributes by the names of hash.h, which every change of the data takes away
 */
/* The file holds what has this CRC, and this SHA-256 as text, or NULL. */
int tree_set_hash(Tree *t, uint64_t ino, uint32_t crc32, const char *sha256);

/* ---- Extents of regular files */
/* Fills map with the extents that meet [offset, offset + length), cut to it; at most max. *n: how many. *size
 * (may be NULL): of the file. */
int tree_map(Tree *t, uint64_t ino, uint64_t offset, uint64_t length, struct tree_extent *map, size_t max,
        size_t *n, uint64_t *size);
/* All extents; the caller frees. */
int tree_extents(Tree *t, uint64_t ino, struct tree_extent **extents, size_t *n);
/* The file's range of e now is where e says: replaces what was mapped there, grows the size, sets mtime and
 * ctime to now (0: leaves times alone). Joins neighbours that continue each other. */
int tree_put_extent(Tree *t, uint64_t ino, const struct tree_extent *e, int64_t now);
/* Sets the size; down: extents behind it are cut; up: a hole. */
int tree_truncate(Tree *t, uint64_t ino, uint64_t size, int64_t now);
/* Makes [offset, offset + length) a hole; the size stays. */
int tree_punch(Tree *t, uint64_t ino, uint64_t offset, uint64_t length, int64_t now);
/* Extents of ino in segment take the places given by move(ctx, &extent), which sets .offset (and .segment)
 * anew; used when a stage is put into order. Extents are given in file order. */
int tree_relocate(
        Tree *t, uint64_t ino, uint64_t segment, void (*move)(void *ctx, struct tree_extent *e), void *ctx);
/* SEEK_DATA, SEEK_HOLE of lseek(2). -ENXIO: behind the end. */
int tree_seek(Tree *t, uint64_t ino, uint64_t offset, int whence, uint64_t *found);

/* ---- Loading from an index, and walking for one */

/* One name as an index has it. Pointers belong to the caller (walk: to the tree, until the callback returns).
 */
struct tree_entry {
        uint64_t fileuid;
        const char *name;      /* "" for the root */
        uint64_t ino;          /* fileuid, or the id of the link group */
        struct tree_attr attr; /* size, mode, uid, gid, rdev, times; load ignores ino, bytes, nlink */
        int64_t backup_time;   /* LTFS backuptime */
        bool readonly;         /* LTFS readonly */
        const char *target;    /* of a symlink */
        const struct tree_extent *extents;
        size_t n_extents;
};

/* A name is going to be loaded: what that needs of a table much larger than any cache is fetched meanwhile.
 * Called twice, some hundred nanoseconds apart. */
void tree_load_soon(Tree *t, uint64_t parent, const char *name, bool again);
/* Adds the entry below parent. An entry whose ino is there already is one more name of that inode (its
 * extents and attributes are those of the first; the caller has compared them). The root entry
 * (name "", fileuid TREE_ROOT) sets the root's attributes. *ino: what it became. -EEXIST: name or fileuid is
 * there already; -EINVAL: bad name, extents overlap or reach beyond size, fileuid 0; -ENOTDIR; -ENOMEM. */
int tree_load(Tree *t, uint64_t parent, const struct tree_entry *entry, uint64_t *ino);
/* The xattrs of an entry just loaded, as tree_xattr_set of one after the other, in one go. */
struct tree_xattr {
        const char *name;
        const void *value;
        size_t size;
};
int tree_load_xattrs(Tree *t, uint64_t ino, const struct tree_xattr *xattrs, size_t n);
/* Puts the names of every directory in the order of their data, so that who reads what it lists, depth first,
 * reads forwards: a file by its first extent, whose place position gives (not UINT64_MAX), a directory by
 * the first of the files below it. What has no data stays behind the name before it. Cookies are given anew:
 * only before anybody lists. position is called with the tree locked. */
void tree_sort(Tree *t, uint64_t (*position)(void *ctx, const struct tree_extent *first), void *ctx);
/* Highest fileuid of the volume, as the index states it; the next is one higher. */
void tree_set_highest_fileuid(Tree *t, uint64_t fileuid);
uint64_t tree_highest_fileuid(Tree *t);

struct tree_visitor {
        /* Root first, then depth first in directory order; a negative return stops the walk and is returned.
         * xattrs through tree_visit_xattr, from within. leave: after a directory's last entry. */
        int (*enter)(void *ctx, const struct tree_entry *entry);
        int (*leave)(void *ctx, const struct tree_entry *entry);
};
/* The tree is locked for the whole walk: readers and writers wait. No recursion: any depth. */
int tree_walk(Tree *t, const struct tree_visitor *visitor, void *ctx);
/* Within a walk: xattrs of the entry just entered. */
int tree_visit_xattrs(Tree *t, const struct tree_entry *entry,
        int (*xattr)(void *ctx, const char *name, const void *value, size_t size), void *ctx);

/* ---- What has changed since an index was written, for the next one. Renames and removals are remembered as
 * names, all else as inodes; what happened to a file, and how often, costs no more than that it did. */
enum tree_scope {
        TREE_SINCE_LAST, /* since the last tree_commit_walk of any scope */
        TREE_SINCE_FULL, /* since the last one of TREE_ALL, or since the tree was loaded; tree_apply is a
                          * change since then */
        TREE_ALL,        /* everything: what tree_walk walks */
};
/* Names and inodes noted; since_full has those of since_last as well. Some may be no more; directories on the
 * way to them, and all names of an inode that has several, come on top in a walk. overflowed: it was too much
 * to note (a quarter of all names, and over 16384), or memory was out: only TREE_ALL is possible. */
struct tree_log_size {
        uint64_t since_last, since_full;
        bool overflowed;
};
void tree_get_log_size(Tree *t, struct tree_log_size *size);

/* As in tree_visitor. Within a directory: names that are gone, then the others in its order. */
struct tree_change_visitor {
        /* changed false: only on the path to what is; its attributes need not be said. Returns 0, a negative
         * error, or TREE_NOTE_AGAIN: what this inode has became known in part only; it counts as changed
         * after this walk as well. */
        int (*enter)(void *ctx, const struct tree_entry *entry, bool changed);
        int (*leave)(void *ctx, const struct tree_entry *entry);
        /* In the directory entered last and not left: there is no such name any more (and perhaps there never
         * was). What was below it is not told. */
        int (*gone)(void *ctx, const char *name);
};
#define TREE_NOTE_AGAIN 1
/* Walks what the scope says, root first (the root always, changed or not), each directory before what is in
 * it; a changed inode by all of its names. The tree is locked for the whole walk, and in the same moment the
 * log begins anew: what is changed later belongs to the next walk. If a callback returns an error, which is
 * returned, the log is as it was. -ENOMEM: nothing was called, the log is as it was. -EOVERFLOW: a scope
 * other than TREE_ALL after overflow; nothing was called. */
int tree_commit_walk(Tree *t, enum tree_scope scope, const struct tree_change_visitor *visitor, void *ctx);

/* ---- Applying an incremental index to a loaded tree; before anybody else uses it */

/* The entry is what now has this name below parent. Its fileuid may be there already, anywhere: then the name
 * moves here (a directory with all that is below it). Attributes, extents and xattrs of the inode become the
 * entry's, wholly. Another name that is in the way is taken away, until tree_apply_end or until an entry
 * brings it again. The rest as tree_load: ino is the link group, *ino what it became; the root is told as
 * there. -EINVAL: also a directory below itself or with two names, another file type than the inode has;
 * -EEXIST: the fileuid is that of another inode, or of a name of one. After an error the tree is as it was.
 */
int tree_apply(Tree *t, uint64_t parent, const struct tree_entry *entry, const struct tree_xattr *xattrs,
        size_t n_xattrs, uint64_t *ino);
/* There is no such name any more; nothing if there was none. With a directory goes what is still below it at
 * the end. */
int tree_apply_gone(Tree *t, uint64_t parent, const char *name);
/* What was taken away and not put elsewhere is gone for good now. */
void tree_apply_end(Tree *t);

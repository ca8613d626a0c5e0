/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* What the files of this folder share. Every function here is called with the tree's lock held, and none
 * takes it.
 *
 * Memory per file decides the shapes: inode and dentry are one allocation each (176 and, with a name of 20
 * bytes, 80 bytes as malloc rounds them), the rest is a pointer in two hash tables and one in the directory's
 * list. */
#include <pthread.h>
#include <sys/stat.h>

#include <reelfs/tree.h>
#include <reelfs/util.h>

/* ---- Hash tables (hashtab.c): chained, links are embedded in the elements */
struct hash_link {
        struct hash_link *next;
};

struct hashtab {
        struct hash_link **buckets;
        size_t n;
        unsigned bits; /* of the number of buckets */
        uint64_t (*hash)(const Tree *t, const struct hash_link *link);
};

#define from_link(link, type) ((type *)((char *)(link)-offsetof(type, link)))

void hashtab_init(Tree *t, struct hashtab *tab, uint64_t (*hash)(const Tree *, const struct hash_link *));
void hashtab_free(struct hashtab *tab);
/* The chain that holds what has this hash, and other things. */
struct hash_link *hashtab_chain(const struct hashtab *tab, uint64_t hash);
/* Makes the processor fetch that chain's bucket, then, a while later, its first link. */
void hashtab_fetch(const struct hashtab *tab, uint64_t hash, bool chain);
void hashtab_insert(Tree *t, struct hashtab *tab, struct hash_link *link);
void hashtab_remove(Tree *t, struct hashtab *tab, struct hash_link *link);

/* Keyed: whoever makes names or writes indexes cannot make them collide. */
struct hash_key {
        uint64_t sip[2];
        uint64_t multiplier; /* odd */
};
void hash_key_init(struct hash_key *key);
uint64_t hash_name(const struct hash_key *key, uint64_t parent, const char *name, size_t length);
uint64_t hash_number(const struct hash_key *key, uint64_t number);

/* ---- Objects */
struct xattr {
        struct xattr *next;
        uint32_t size;
        uint8_t name_length;
        char data[]; /* name, NUL, value */
};

/* Names in the order of their cookies, which ascend as names are added. A removed name stays as its own
 * tombstone (inode is NULL), so that a cookie always finds its place by binary search; compaction frees
 * tombstones when they are half of all. */
struct directory {
        struct dentry **slots;
        size_t n, max; /* tombstones included */
        size_t first;  /* slots before it are tombstones */
        size_t live;
        uint64_t last_cookie;
        uint64_t position; /* tree_sort's, of the data in it that is first on the tape */
};

struct inode {
        struct hash_link link; /* Tree.inodes */
        uint64_t ino, size;
        struct tree_times times;
        int64_t backup_time;
        uint64_t mapped;      /* bytes that extents cover */
        struct dentry *names; /* the newest in a ring of all; its next is the oldest */
        struct xattr *xattrs;
        uint32_t uid, gid, nlink;
        uint16_t mode;
        bool readonly : 1;
        bool first_name : 1; /* the name whose fileuid is ino exists */
        bool limbo : 1;      /* in Tree.limbo */
        bool in_walk : 1;    /* while a walk over changes collects: it is in it */
        uint8_t noted : 2;   /* LOG_LAST, LOG_FULL: in that log */
        bool has_crc32 : 1;
        uint32_t n_extents, max_extents;
        uint32_t refs;  /* UINT32_MAX: so many that it stays until the tree goes */
        uint32_t crc32; /* regular, if has_crc32; the attribute HASH_XATTR_CRC32 */
        union {
                struct tree_extent one;   /* regular, max_extents is 0 */
                struct tree_extent *many; /* regular, max_extents above 0 */
                struct directory *dir;
                char *target;
                uint64_t rdev;
        };
};

struct dentry {
        struct hash_link link; /* Tree.dentries */
        struct inode *inode;   /* NULL: removed */
        struct inode *parent;
        struct dentry *next; /* ring of the inode's names, oldest to newest */
        uint64_t fileuid, cookie;
        uint8_t length;
        char name[]; /* with NUL */
};

/* A fileuid in use by a name of an inode whose ino is another number: with the inodes' own, all that are in
 * use. */
struct alias {
        struct hash_link link; /* Tree.aliases */
        uint64_t fileuid;
};

/* A name that is no more, but may be in an index. */
struct gone {
        uint64_t dir, fileuid;
        uint8_t length;
        char name[]; /* with NUL */
};

enum { LOG_LAST = 1, LOG_FULL = 2 };

/* What differs from an index: by number, so that nothing has to be looked for here when an inode goes. Some
 * of it may be no more. */
struct change_log {
        uint64_t *inos;
        struct gone **gone;
        size_t n_inos, max_inos, n_gone, max_gone;
        uint64_t known; /* a name with a higher fileuid, or in a directory with a higher ino, is not in the
                           index */
        uint8_t bit;    /* in inode.noted */
};

struct Tree {
        pthread_mutex_t lock; /* guards all of the tree */
        struct hash_key key;
        struct hashtab inodes, dentries, aliases;
        struct inode *root;
        uint64_t highest_fileuid, changes;
        uint64_t highest_used; /* no inode and no alias has ever had a higher number */
        struct tree_counts counts;
        /* since_full has what was before the last walk; since_last is to be added. */
        struct change_log since_last, since_full;
        bool log_overflowed;
        /* What tree_apply took away: each with a reference. */
        struct inode **limbo;
        size_t n_limbo, max_limbo;
};

/* An index with a higher one is refused when it is read. */
#define TREE_FILEUID_MAX INT64_MAX
/* Links of one file; what st_nlink and its users (tar, rsync) are sure to hold. */
#define TREE_LINK_MAX INT32_MAX

static inline Tree *tree_lock(Tree *t)
{
        pthread_mutex_lock(&t->lock);
        return t;
}

static inline void tree_unlock(Tree **t)
{
        pthread_mutex_unlock(&(*t)->lock);
}

/* autounlock Tree *t = tree_lock(tree); */
#define autounlock __attribute__((cleanup(tree_unlock)))

/* ---- Memory that tree_counts.memory knows of (tree.c). NULL when memory is out. */
void *tree_alloc(Tree *t, size_t size);
/* On failure mem stays as it is. */
void *tree_realloc(Tree *t, void *mem, size_t old_size, size_t size);
/* Room for one more than n in an array of *max elements of that size. -ENOMEM. */
int tree_reserve(Tree *t, void *array_pointer, size_t n, size_t *max, size_t element);
void tree_release(Tree *t, void *mem, size_t size);

/* ---- Inodes (tree.c) */
static inline bool is_dir(const struct inode *inode)
{
        return S_ISDIR(inode->mode);
}

/* An inode without names or references; target is copied. -EINVAL: no such file type, or a symlink without
 * target. */
int inode_new(Tree *t, uint64_t ino, uint32_t mode, uint64_t rdev, const char *target, struct inode **ret);
struct inode *inode_find(Tree *t, uint64_t ino);
/* -ESTALE: no such inode. */
int inode_get(Tree *t, uint64_t ino, struct inode **ret);
/* A directory that is in the tree: -ESTALE, -ENOTDIR, -ENOENT (removed). */
int inode_get_dir(Tree *t, uint64_t ino, struct inode **ret);
/* A regular file: -ESTALE, -EISDIR, -EINVAL. */
int inode_get_file(Tree *t, uint64_t ino, struct inode **ret);
/* What an inode of its type owns besides xattrs, to begin with, and all that it owns, to end with. */
int content_init(Tree *t, struct inode *inode, uint64_t rdev, const char *target);
void content_free(Tree *t, struct inode *inode);
/* Frees the inode unless it has a name or a reference. */
void inode_put(Tree *t, struct inode *inode);
void inode_attr(const struct inode *inode, struct tree_attr *attr);
/* One more reference; and count fewer, without inode_put. */
void inode_ref(struct inode *inode);
void inode_unref(struct inode *inode, uint64_t count);
/* attr with a reference. */
void inode_attr_ref(struct inode *inode, struct tree_attr *attr);
void inode_set_size(Tree *t, struct inode *inode, uint64_t size);
/* The inode differs from what an index says of it, which the log notes; ctime becomes now, and with data
 * mtime; now 0 leaves them alone. With data its hashes are forgotten. */
void inode_changed(Tree *t, struct inode *inode, bool data, int64_t now);

/* ---- Names in a directory (directory.c) */
/* -EINVAL, -ENAMETOOLONG. */
int name_check(const char *name, size_t *length);
struct dentry *dentry_find(Tree *t, const struct inode *dir, const char *name, size_t length);
/* Not in the directory yet, but that has room for it: dentry_insert takes it, dentry_remove leaves it.
 * -ENOMEM. */
int dentry_new(
        Tree *t, struct inode *dir, const char *name, size_t length, uint64_t fileuid, struct dentry **ret);
void dentry_free(Tree *t, struct dentry *d);
void dentry_insert(Tree *t, struct inode *dir, struct dentry *d, struct inode *inode);
/* d is gone afterwards. The inode stays, for dentry_insert or inode_put. */
void dentry_remove(Tree *t, struct dentry *d);
/* The names take each other's inode and fileuid. */
void dentry_exchange(struct dentry *a, struct dentry *b);
/* Index of the first slot whose cookie is at least cookie. */
size_t dir_seek(const struct directory *dir, uint64_t cookie);
/* The name at slot *i or behind it, and *i moves behind that; NULL: no more. */
struct dentry *dir_next(const struct directory *dir, size_t *i);
/* The directory's one name; NULL: the root, or removed. */
static inline struct dentry *dir_dentry(const struct inode *dir)
{
        return dir->names;
}
/* Frees its tombstones. */
void dir_compact(Tree *t, struct directory *dir);
void dir_free(Tree *t, struct directory *dir);

/* ---- Names (names.c) */
bool fileuid_is_alias(Tree *t, uint64_t fileuid);
/* Puts name into dir. -ENOMEM, -EMLINK. */
int name_add(
        Tree *t, struct inode *dir, const char *name, size_t length, struct inode *inode, uint64_t fileuid);
/* Takes the name away. The inode stays, for name_add or inode_put. */
void name_detach(Tree *t, struct dentry *d);
/* Removes the name for good, and the inode with its last one. */
void name_drop(Tree *t, struct dentry *d, int64_t now);

/* ---- Extents (extents.c) */
static inline struct tree_extent *inode_extents(struct inode *inode)
{
        return inode->max_extents > 0 ? inode->many : &inode->one;
}
/* Gives an inode without extents these, in any order. -EINVAL: they overlap, reach beyond the size, or are
 * void. */
int extents_load(Tree *t, struct inode *inode, const struct tree_extent *extents, size_t n);
void extents_free(Tree *t, struct inode *inode);

/* ---- Extended attributes (xattr.c) */
/* To an inode that has none; of several with one name the last one counts. */
int xattrs_load(Tree *t, struct inode *inode, const struct tree_xattr *xattrs, size_t n);
int xattr_put(Tree *t, struct inode *inode, const char *name, const void *value, size_t size, int flags);
void xattrs_free(Tree *t, struct inode *inode);
/* Hashes of what it held before. */
void xattrs_forget_hashes(Tree *t, struct inode *inode);

/* ---- Moving (rename.c) */
/* dir is ancestor, or somewhere below it. */
bool dir_is_within(const struct inode *dir, const struct inode *ancestor);

/* ---- Entries (load.c) */
/* -EINVAL: no inode can be so. */
int entry_check(const struct tree_entry *e);
static inline bool entry_is_root(const struct tree_entry *e)
{
        return e->name[0] == '\0' && e->fileuid == TREE_ROOT;
}
void entry_take_attributes(struct inode *inode, const struct tree_entry *e);
/* A new inode without a name, all but xattrs. */
int entry_load_inode(Tree *t, const struct tree_entry *e, struct inode **ret);
/* What an index says of the name; d: NULL for the root. */
void entry_fill(Tree *t, const struct dentry *d, struct tree_entry *e);
int walk_names(Tree *t, const struct tree_visitor *visitor, void *ctx);

/* ---- What has changed since an index (log.c). Without memory the log overflows; no call fails. */
void log_init(Tree *t);
void log_free(Tree *t);
/* The log is too large: from now on everything counts as changed. */
void log_overflow(Tree *t);
size_t log_limit(const Tree *t);
/* The inode, with all of its names, has to be in the next index. */
void log_inode(Tree *t, struct change_log *log, struct inode *inode);
/* d is about to lose its name, or its inode. */
void log_gone(Tree *t, struct change_log *log, const struct dentry *d);
/* An index has been written that says all the scope is about. */
void log_begin(Tree *t, enum tree_scope scope);

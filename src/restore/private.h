/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* What is to be restored, and where to. */
#include <glib.h>

#include <reelfs/hash.h>
#include <reelfs/restore.h>

#define NODE_NONE UINT32_MAX
/* Read over rather than located over: a LOCATE takes seconds, and discards what the drive has read ahead. */
#define GAP_MAX ((uint64_t)32 << 20)

struct node {
        uint64_t ino, size;
        const char *name;
        uint32_t parent;  /* index; of the root: NODE_NONE */
        uint32_t link_to; /* index of the first name of the same inode; NODE_NONE: this is it */
        uint32_t left;    /* extents that have not been written yet */
        uint32_t mode;
        bool attributes; /* are to be set; of directories above a path that was asked for: if they are made */
        bool begun, failed, complete;
        bool stale; /* complete, but for attributes */
        bool has_crc32, has_xattrs;
        bool differs; /* it is not what was written */
        bool holes;   /* of a salvage: this, or parts of it are missing */
        uint32_t crc32;
        struct hash_parts parts; /* of it, as far as it was read */
        struct hash_sha256 *sha; /* likewise, if that is in the index; or NULL */
        bool absent;             /* nothing of that name is in the target yet */
        bool replaces;           /* what is there, once this is complete */
        bool provisional;        /* it has another name still, and what it replaces is there */
};

struct piece {
        uint64_t block; /* object number where it begins */
        uint64_t segment, offset, length, file_offset;
        uint32_t node;
};

struct plan {
        Volume *volume;
        Tree *tree;
        GArray *nodes;  /* struct node, parents first */
        GArray *pieces; /* struct piece, in the order in which they are read */
        GStringChunk *names;
};

int plan_make(struct plan *p, Volume *volume, Tree *tree, char **paths);
/* The extents of all files that are neither complete nor failed. *bytes: of them. */
int plan_pieces(struct plan *p, uint64_t *bytes);
/* Pieces one after the other, with no gap above GAP_MAX. */
struct run {
        struct tape_range range;
        guint first, n; /* pieces */
};
/* Of pieces in the order of the tape; struct run. */
GArray *plan_runs(const struct plan *p);
/* Puts the runs into the order that the drive recommends from where the tape is, if it does. */
void plan_ask_order(struct plan *p);
void plan_clear(struct plan *p);
static inline struct node *plan_node(const struct plan *p, uint32_t i)
{
        return &g_array_index(p->nodes, struct node, i);
}
/* "a/b", for messages. The caller frees. */
char *plan_path(const struct plan *p, uint32_t i);

/* check.c: of what is read of a file, in any order. */
void check_put(const struct plan *p, const struct piece *piece, const void *data, size_t size);
enum check { CHECK_SAME, CHECK_DIFFERS /* logged */, CHECK_UNKNOWN /* there is no hash of it */ };
/* All of the file was read. */
enum check check_finish(const struct plan *p, uint32_t node, const struct restore_options *options);

struct target {
        struct plan *plan;
        enum restore_existing existing;
        int root;
        int directory; /* open: that of node directory_node; -1: none */
        uint32_t directory_node;
        int file; /* likewise */
        uint32_t file_node;
        uint64_t file_end; /* its length so far; UINT64_MAX: not known */
        bool is_root, xattr_told, owner_told;
        uint64_t files, failed, attributes, skipped;
};

/* What is there already, and the directories. */
int target_prepare(struct target *t);
/* These return an error only when nothing else can be written either. */
int target_write(struct target *t, const struct piece *piece, const void *data, size_t size);
/* One extent less to come; after the last one the file is finished. */
int target_piece_done(struct target *t, uint32_t node);
/* Everything that has no data; links; then the attributes of directories. */
int target_finish(struct target *t);
void target_clear(struct target *t);

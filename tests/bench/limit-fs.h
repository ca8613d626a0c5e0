/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* A filesystem that does as little as FUSE allows: names and attributes in memory, data in memory or thrown
 * away. What it costs is the limit for reelfs; so the kernel is told the same things about it, and sends the
 * same requests. */
#include <fuse_lowlevel.h>
#include <glib.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/stat.h>

#define KEEP_SECONDS 86400.0
#define REQUEST_MAX (1U << 20)

enum limit_direct { DIRECT_WRITE_ONLY, DIRECT_ALWAYS, DIRECT_NEVER };

struct node {
        struct stat st; /* st_ino is the node's address, but for the root */
        uint64_t lookups;
        struct node *parent; /* of a directory */
        GHashTable *names;   /* of a directory: name → struct name */
        GPtrArray *order;   /* of a directory: struct name in order of creation, NULL where one was removed */
        GPtrArray *pieces;  /* of a file: its data in pieces of REQUEST_MAX, NULL where there is none */
        size_t room;        /* in the first piece; the others have all of theirs */
        GHashTable *xattrs; /* name → GBytes; NULL: none */
        char *target;       /* of a symlink */
};

struct name {
        struct node *node;
        size_t index; /* in order */
        char text[];
};

struct limit_fs {
        bool keeps_data;
        bool copies; /* data that is thrown away is copied first */
        bool splices;
        enum limit_direct direct;
        size_t pool_size, request_max;
        unsigned workers, background;
        pthread_mutex_t lock; /* all nodes and names, and data that is kept */
        struct node root;
        uint8_t *pool;
        atomic_size_t turn; /* requests that the pool has served */
};

static inline struct limit_fs *fs_of(fuse_req_t req)
{
        return fuse_req_userdata(req);
}

static inline struct node *node_of(fuse_req_t req, fuse_ino_t ino)
{
        return ino == FUSE_ROOT_ID ? &fs_of(req)->root : (struct node *)(uintptr_t)ino;
}

/* The time now in *ts. */
void limit_touch(struct timespec *ts);

/* Cuts a file's data, or makes room for it: -ENOMEM. Under the lock. */
int limit_resize(struct node *n, uint64_t size);

/* limit-names.c, limit-data.c: fill in their part of the table. */
void limit_names_init(struct limit_fs *fs);
void limit_names_ops(struct fuse_lowlevel_ops *ops);
void limit_data_ops(struct fuse_lowlevel_ops *ops);
void limit_open_flags(const struct limit_fs *fs, struct fuse_file_info *fi);

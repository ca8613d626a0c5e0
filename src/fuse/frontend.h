/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* What the frontend's files share. A FUSE inode number is the tree's ino; a file handle is a SchedFile, that
 * of a directory is ops-names.c's. */
#include <fuse_lowlevel.h>
#include <glib.h>
#include <pthread.h>
#include <stdatomic.h>

#include <reelfs/mount.h>

struct frontend {
        Volume *volume;
        Tree *tree;
        Sched *sched;
        const struct mount_options *options;
        struct fuse_session *session;
        struct session_loop *loop;
        struct park *park;
        struct monitor *monitor;
        pthread_mutex_t cached_lock;
        GHashTable *cached;      /* inodes whose pages the kernel may keep: opened through the page cache, and
                                    since then not written around it. By cached_lock */
        GHashTable *directories; /* that are open; by cached_lock */
        uint64_t init_unique;    /* of the INIT request; before there are other workers */
        atomic_bool maps_direct; /* the kernel maps files that go around its pages, too */
        struct received {
                atomic_uint_fast64_t in_place, copied; /* bytes of all WRITEs: either, or */
                atomic_uint_fast64_t through_pages;    /* of these, through the kernel's pages */
        } received;
};

/* How long the kernel may keep names and attributes: nothing changes but through it. Seconds. */
#define KEEP_SECONDS 86400.0
/* Requests that may be under way at once. Half of them may wait for room in the pool; writes beyond that are
 * parked. */
#define MOUNT_WORKERS 32
/* Of a FUSE request; libfuse's pipe and the kernel take no more. Bytes. */
#define REQUEST_MAX (1U << 20)

static inline struct frontend *frontend_of(fuse_req_t req)
{
        return fuse_req_userdata(req);
}

/* Whether one more name or attribute may be added: 0, -EROFS, -ENOSPC. */
int frontend_may_add(struct frontend *fe);
void frontend_stat(const struct tree_attr *attr, struct stat *st);
/* True: the kernel may keep the pages that it has of ino; from now on it may have some. */
bool frontend_keep_cache(struct frontend *fe, uint64_t ino);
void frontend_drop_cache(struct frontend *fe, uint64_t ino);

/* direct.c: which files go around the kernel's pages. */
/* After fuse_session_mount: has the kernel asked, in the reply to INIT, to map such files as well: libfuse
 * does not know of that. 0 or -errno. */
int direct_prepare(struct frontend *fe);
struct fuse_in_header;
/* A request is INIT; called before libfuse gets it. */
void direct_saw_init(struct frontend *fe, const struct fuse_in_header *request);
/* Fills in fi for the file f. created: its name if this very open creates it, else NULL. */
void direct_open(
        struct frontend *fe, struct fuse_file_info *fi, SchedFile *f, uint64_t ino, const char *created);
SchedFile *direct_file(const struct fuse_file_info *fi);
/* Whether it was opened to go around. */
bool direct_is(const struct fuse_file_info *fi);
/* Whether it was opened to be written. */
bool direct_writes(const struct fuse_file_info *fi);

/* privileges.c: before bytes of a file are written around the kernel's pages. bits: its set-user-ID and
 * set-group-ID, too. 0 or -errno. */
int privileges_drop(struct frontend *fe, uint64_t ino, bool bits);
/* Whether who asks is in that group, or root. */
bool privileges_in_group(fuse_req_t req, gid_t gid);

/* ops-*.c: fill in their part of the table. */
void ops_names(struct fuse_lowlevel_ops *ops);
void ops_attributes(struct fuse_lowlevel_ops *ops);
void ops_data(struct fuse_lowlevel_ops *ops);

/* park.c: writes that find no room, and no worker that may wait for it, wait here in memory of their own. */
struct park *park_new(struct frontend *fe);
struct payload;
/* Takes the request over, with the rest of its data (done bytes of size are in already). */
void park_write(struct park *p, fuse_req_t req, SchedFile *f, uint64_t offset, size_t done, size_t size,
        struct payload *rest);
void park_free(struct park *p);

/* read-ahead.c: the kernel reads ahead, and asks for, no more than 128 KiB of a FUSE file at once, whatever
 * was agreed on in INIT; from now on it does so by REQUEST_MAX. Only root can tell it that; for others all
 * stays as it is. */
void read_ahead_widen(const char *mountpoint);

/* status.c: what a mount says of itself. The monitor looks at the scheduler every second, for the rates. */
struct monitor;
struct monitor *monitor_new(struct frontend *fe); /* NULL: no thread can be had */
void monitor_free(struct monitor *m);
/* "KEY=VALUE" lines; in values, control characters are replaced by "?". The caller frees. */
char *status_text(struct frontend *fe);
/* The value of one key, or NULL. The caller frees. */
char *status_value(struct frontend *fe, const char *key);

/* control.c: answers on the control socket of the mount. */
struct control;
int control_start(struct frontend *fe, struct control **ret);
/* From now on requests are refused, and who waits is told how far the closing is. */
void control_closing(struct control *c);
/* ctx: the control; a volume_progress's report. */
void control_progress(void *ctx, uint64_t done, uint64_t total);
/* The scheduler is used no more after this. */
void control_closed(struct control *c);
/* Tells who waits, and ends. loss: what was lost, for people; NULL: the error says it. */
void control_finish(struct control *c, int result, const char *loss);

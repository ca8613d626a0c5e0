/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* The operations of a workload. Each writes what it does to work.doing, and does nothing if there is nothing
 * that it could be done to. The model hears of it before it is begun where it may fail half done. */
#include "work.h"

unsigned work_random(struct work *w, unsigned below);
int64_t work_now(struct work *w);
/* So long that the drive waits for nobody any more who has read. */
void work_pause(void);

int make_directory(struct work *w, const char *path);
int make_file(struct work *w, const char *path, size_t size);
/* Returns when it is committed; path: of the file whose fsync it is, NULL: of everything. */
int sync_file(struct work *w, const char *path);
void stop_streaming(struct work *w);
/* Goes on with a write that has found no room, if there is one; wait: to its end. */
int write_parked(struct work *w, bool wait);

int operation_create(struct work *w);
int operation_stream(struct work *w);
int operation_stream_on(struct work *w);
int operation_overwrite(struct work *w);
int operation_rewrite(struct work *w);
int operation_append(struct work *w);
int operation_sparse(struct work *w);
int operation_truncate(struct work *w);
int operation_punch(struct work *w);
int operation_read(struct work *w);
int operation_fsync(struct work *w);
int operation_commit(struct work *w);

int operation_rename(struct work *w);
int operation_replace(struct work *w); /* a new file that takes the place of an old one, as editors do */
int operation_rename_directory(struct work *w);
int operation_unlink(struct work *w);
int operation_mkdir(struct work *w);
int operation_rmdir(struct work *w);
int operation_link(struct work *w);
int operation_symlink(struct work *w);
int operation_setattr(struct work *w);
int operation_xattr(struct work *w);
int work_remount(struct work *w);

/* ---- What they share */

/* A name of this type (S_IFMT) that is there now, below none if type is 0; NULL: there is none. */
const char *pick_name(struct work *w, uint32_t type);
/* A path that never was, in some directory. The caller frees. */
char *new_path(struct work *w, const char *what);
/* In a run that races sometimes one that a file had and gave up. */
char *new_file_path(struct work *w, const char *what);
/* The directory's inode, and *name: where in path the last component begins. */
int find_parent(struct work *w, const char *path, uint64_t *parent, const char **name);
int find_inode(struct work *w, const char *path, uint64_t *ino);
/* The inode's time as it is now becomes the model's; the rest as n says. Takes n. */
void tell_inode(struct work *w, struct node *n);
/* size bytes that are nowhere else. */
GBytes *new_content(struct work *w, size_t size);

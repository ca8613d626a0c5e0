/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* What a volume has to hold: every name with all states it ever had, each with the step of the workload that
 * made it. One thread.
 *
 * A commit that is acknowledged in step k promises all that steps up to k did. Of a crash in step n, after
 * that, every name may be found in the state it had at the end of step k, or in any later one up to step n.
 */
#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

/* A write that is under way: of piece some beginning is in the file already, of least bytes or more. */
struct part {
        GBytes *base, *piece; /* the file before it, and what is written at at */
        uint64_t at, least;
        int64_t since; /* the file's time is what it was, or later than this */
};

/* An inode in one of its states; never changed. */
struct node {
        uint64_t id;  /* of the inode: names with the same are hard links */
        uint64_t ino; /* in the tree that the workload works on */
        uint32_t mode, uid, gid;
        int64_t mtime;
        char *target;      /* of a symlink */
        char *attribute;   /* the value of MODEL_XATTR; NULL: it has none */
        GBytes *content;   /* of a regular file */
        struct part *part; /* content is how it is going to be; NULL: it is so */
};
#define MODEL_XATTR "user.crash"

/* Nodes are counted (g_rc_box). The copy is the caller's, to be changed before it is put into the model. */
struct node *node_new(uint64_t id, uint32_t mode);
struct node *node_copy(const struct node *n);
void node_unref(struct node *n);
void node_set_content(struct node *n, GBytes *content); /* takes content */
/* Begins a write, or goes on with one; what part refers to is not taken. NULL: it has ended. */
void node_set_part(struct node *n, const struct part *part);

struct model;
struct model *model_new(void);
void model_free(struct model *m);

/* A new step begins, and is the one that changes belong to. */
void model_begin_step(struct model *m);
unsigned model_step(const struct model *m);

/* The state a name has now; NULL: there is no such name. Paths begin with '/'. */
const struct node *model_get(const struct model *m, const char *path);
/* Takes n (NULL: the name goes). */
void model_put(struct model *m, const char *path, struct node *n);
/* All names of the inode, if it has any, have this state now. Takes n. */
void model_put_inode(struct model *m, struct node *n);
/* The name, and all below it, moves; what was at to is gone. */
void model_move(struct model *m, const char *from, const char *to);
bool model_is_empty(const struct model *m, const char *directory);
uint64_t model_new_id(struct model *m);

/* Names that are there now, in an order that depends on nothing but what was done. */
unsigned model_count(const struct model *m);
const char *model_name(const struct model *m, unsigned i);

/* States of a name from the end of step first to the end of step last: at most max; NULL: it was not there.
 * Returns how many; 1, NULL: it never was. max is enough for whatever a workload does. */
#define MODEL_STATES 512
unsigned model_states(const struct model *m, const char *path, unsigned first, unsigned last,
        const struct node *states[static MODEL_STATES]);
/* The same of an inode, whatever its names are. */
unsigned model_inode_states(const struct model *m, uint64_t id, unsigned first, unsigned last,
        const struct node *states[static MODEL_STATES]);
/* The state that it has now. */
const struct node *model_inode(const struct model *m, uint64_t id);
/* Whether it had a name all the time, from the end of step first to the end of step last. */
bool model_lives(const struct model *m, uint64_t id, unsigned first, unsigned last);
/* Whether it was there already at the end of the step. */
bool model_is_born(const struct model *m, uint64_t id, unsigned step);
/* Each inode that ever was. */
void model_foreach_inode(const struct model *m, void (*inode)(void *ctx, uint64_t id), void *ctx);
/* Each name that ever was. */
void model_foreach(const struct model *m, void (*name)(void *ctx, const char *path), void *ctx);

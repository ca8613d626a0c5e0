/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* What recovery is made of: recover.c goes on from the last index, recover-tree.c gives names to what it
 * finds. */
#include "scan.h"

struct recovery {
        Volume *v;
        Tree *tree;
        int64_t now;
        uint64_t known;      /* the highest fileuid that the last index can have */
        unsigned how;        /* enum recover_how */
        uint64_t generation; /* the highest seen */
        unsigned number;     /* the highest that was put behind a name to make it another one */
        uint64_t missed; /* object of an index that could not be read when the last one was searched for, and
                            now can; 0: none */
        struct found *found; /* in the order of the tape */
        size_t n, allocated;
        struct pending {
                char *path; /* NULL: none */
                struct tree_attr attr;
                struct pack_xattr *xattrs; /* with their names and values */
                size_t n_xattrs;
                uint64_t segment, offset;
        } pending; /* file of the pack at hand, until it is seen that its data is all there */
        struct {
                uint64_t packs, files, nameless, bytes; /* of those without a name */
                uint64_t incomplete, damaged, foreign, indexes;
                uint64_t older; /* files of the last index that made room */
        } counts;
};

/* Puts a member of pack f into the tree; a file, when the next one shows that it is whole. What is older at
 * its path makes room: what was found behind the last index, too, is replaced; what that index names moves to
 * lost+found, since it may have been renamed meanwhile. Errors: -ENOMEM; -EUCLEAN: it cannot be. */
int recover_member(struct recovery *r, const struct found *f, const struct pack_member *m, uint64_t offset);
/* Pack f has ended. If its last file is cut off, the bytes that there are go to lost+found: what is older at
 * its path is worth more. */
int recover_pack_end(struct recovery *r, const struct found *f);
void recover_forget_pending(struct recovery *r);
/* A file in lost+found for segment f, which has this id from now on. -ENOMEM. */
int recover_nameless(struct recovery *r, const struct found *f, uint64_t id);

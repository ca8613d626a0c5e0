/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* What recovery is made of: recover.c goes on from the last index, recover-tree.c gives names to what it
 * finds. */
#include "scan.h"

struct recovery {
        Volume *v;
        Tree *tree;
        int64_t now;
        struct found *found; /* in the order of the tape */
        size_t n, allocated;
        struct {
                uint64_t ino, offset, size;
        } last; /* file of the pack at hand; its data may be cut off */
        struct {
                uint64_t packs, files, nameless, bytes; /* of those without a name */
                uint64_t incomplete, damaged, foreign, indexes;
        } counts;
};

/* Puts a member of pack f into the tree. What is older at its path makes room: files are replaced, a
 * directory moves to lost+found, as does a file where a directory has to be. Errors: -ENOMEM; -EUCLEAN: it
 * cannot be. */
int recover_member(struct recovery *r, const struct found *f, const struct pack_member *m, uint64_t offset);
/* Pack f has ended: its last file gets the bytes that there are. */
int recover_pack_end(struct recovery *r, const struct found *f);
/* A file in lost+found for segment f, which has this id from now on. -ENOMEM. */
int recover_nameless(struct recovery *r, const struct found *f, uint64_t id);

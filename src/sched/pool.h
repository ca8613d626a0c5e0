/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* One arena of pinned, page-aligned memory, allocated at mount and cut three ways: batches, which go to the
 * drive as one command; crumbs and chunks, in which stages grow; and slabs, into which the tape is read. No
 * locks: the caller's. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <reelfs/sched.h>

#define POOL_CHUNK ((size_t)16 << 10)
/* Stages begin with these, so that a file of 4 KiB takes no more. */
#define POOL_CRUMB ((size_t)4 << 10)

/* A stack of equal pieces of the arena. */
struct pool_part {
        size_t piece;   /* bytes of one */
        unsigned total; /* pieces */
        unsigned n_free;
        void **free; /* the free ones */
};

struct pool {
        void *arena;
        size_t size, mapped; /* bytes to use; bytes of the mapping */
        enum pool_pages pages;
        bool pinned;
        struct pool_part batches, crumbs, chunks, slabs;
};

/* size: of the arena. batch: bytes of a batch and of a slab. -ENOMEM; -EINVAL: too small for that. */
int pool_init(struct pool *p, size_t size, size_t batch);
void pool_clear(struct pool *p);
/* NULL: none is free. */
void *pool_take(struct pool_part *part);
void pool_give(struct pool_part *part, void *piece);

/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <glib.h>
#include <sys/mman.h>

#include <reelfs/log.h>

#include "pool.h"

/* Pieces that the scheduler cannot do without: one at the drive, one filling, one to take over into, and one
 * in which packs are made. */
#define PIECES_MIN 4

static void *part_init(struct pool_part *part, uint8_t *base, size_t size, size_t piece)
{
        part->piece = piece;
        part->total = (unsigned)(size / piece);
        part->free = g_new(void *, part->total);
        for (unsigned i = part->total; i > 0; i--)
                pool_give(part, base + (i - 1) * piece);
        return base + part->total * piece;
}

static void *arena_map(size_t size)
{
        void *arena = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (arena == MAP_FAILED)
                return NULL;
        madvise(arena, size, MADV_HUGEPAGE);
        return arena;
}

int pool_init(struct pool *p, size_t size, size_t batch)
{
        *p = (struct pool){ .size = size };
        size_t batches = size / 2 / batch * batch, slabs = size / 4 / batch * batch;
        if (batches < PIECES_MIN * batch || slabs < PIECES_MIN * batch)
                return log_error(-EINVAL,
                        "a buffer of %zu KiB is too small for blocks of %zu KiB; give buffer=%zuM or more",
                        size >> 10, batch >> 10, 4 * PIECES_MIN * batch >> 20 ?: 1);
        p->arena = arena_map(size);
        if (!p->arena)
                return log_error_errno(-ENOMEM, "cannot allocate a buffer of %zu MiB", size >> 20);
        p->pinned = mlock(p->arena, size) == 0;
        if (!p->pinned)
                log_warning("the buffer of %zu MiB cannot be locked in memory (ulimit -l): direct I/O will "
                            "be slower",
                        size >> 20);
        uint8_t *next = p->arena;
        next = part_init(&p->batches, next, batches, batch);
        next = part_init(&p->slabs, next, slabs, batch);
        size_t crumbs = (size - batches - slabs) / 2;
        next = part_init(&p->crumbs, next, crumbs, POOL_CRUMB);
        part_init(&p->chunks, next, size - batches - slabs - crumbs, POOL_CHUNK);
        return 0;
}

void pool_clear(struct pool *p)
{
        if (p->arena)
                munmap(p->arena, p->size);
        g_free(p->batches.free);
        g_free(p->crumbs.free);
        g_free(p->chunks.free);
        g_free(p->slabs.free);
        *p = (struct pool){ 0 };
}

void *pool_take(struct pool_part *part)
{
        return part->n_free ? part->free[--part->n_free] : NULL;
}

void pool_give(struct pool_part *part, void *piece)
{
        g_assert(part->n_free < part->total);
        part->free[part->n_free++] = piece;
}

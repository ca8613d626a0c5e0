/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <glib.h>
#include <linux/mman.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include <reelfs/log.h>
#include <reelfs/util.h>

#include "pool.h"

/* Pieces that the scheduler cannot do without: one at the drive, one filling, one to take over into, and one
 * in which packs are made. */
#define PIECES_MIN 4
#define HUGE_PAGE ((size_t)2 << 20)

static void *part_init(struct pool_part *part, uint8_t *base, size_t size, size_t piece)
{
        part->piece = piece;
        part->total = (unsigned)(size / piece);
        part->free = g_new(void *, part->total);
        for (unsigned i = part->total; i > 0; i--)
                pool_give(part, base + (i - 1) * piece);
        return base + part->total * piece;
}

static bool map(struct pool *p, size_t size, int flags)
{
        void *arena = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | flags, -1, 0);
        if (arena == MAP_FAILED)
                return false;
        p->arena = arena;
        p->mapped = size;
        return true;
}

/* Huge pages that the administrator has set aside (vm.nr_hugepages), if there are enough. A limit of a
 * control group shows only when they are touched, and here as an error, not as a signal. */
static bool map_reserved(struct pool *p)
{
        if (!map(p, (p->size + HUGE_PAGE - 1) / HUGE_PAGE * HUGE_PAGE, MAP_HUGETLB | MAP_HUGE_2MB))
                return false;
        if (madvise(p->arena, p->mapped, MADV_POPULATE_WRITE) < 0) {
                munmap(p->arena, p->mapped);
                p->arena = NULL;
                return false;
        }
        p->pages = POOL_PAGES_RESERVED;
        return true;
}

static bool kernel_makes_huge_pages(void)
{
        g_autofree char *mode = NULL;
        return g_file_get_contents("/sys/kernel/mm/transparent_hugepage/enabled", &mode, NULL, NULL) &&
                !strstr(mode, "[never]");
}

static bool arena_map(struct pool *p)
{
        if (map_reserved(p))
                return true;
        if (!map(p, p->size, 0))
                return false;
        bool huge = madvise(p->arena, p->size, MADV_HUGEPAGE) == 0 && kernel_makes_huge_pages();
        p->pages = huge ? POOL_PAGES_TRANSPARENT : POOL_PAGES_SMALL;
        return true;
}

static void tell_unpinned(size_t size)
{
        struct rlimit limit = { 0 };
        getrlimit(RLIMIT_MEMLOCK, &limit);
        g_autofree char *most =
                limit.rlim_cur == RLIM_INFINITY ? g_strdup("unlimited") : format_size(limit.rlim_cur);
        log_warning("the buffer of %zu MiB cannot be locked in memory, so that direct I/O will be slower; "
                    "raise the limit (ulimit -l, or LimitMEMLOCK= of a systemd unit), which is %s",
                size >> 20, most);
}

int pool_init(struct pool *p, size_t size, size_t batch)
{
        *p = (struct pool){ .size = size };
        size_t batches = size / 2 / batch * batch, slabs = size / 4 / batch * batch;
        if (batches < PIECES_MIN * batch || slabs < PIECES_MIN * batch)
                return log_error(-EINVAL,
                        "a buffer of %zu KiB is too small for blocks of %zu KiB; give buffer=%zuM or more",
                        size >> 10, batch >> 10, 4 * PIECES_MIN * batch >> 20 ?: 1);
        if (!arena_map(p))
                return log_error_errno(-ENOMEM, "cannot allocate a buffer of %zu MiB", size >> 20);
        p->pinned = mlock(p->arena, p->mapped) == 0;
        /* mlock touches every page; without it they are to be touched now, not amid the first job. */
        if (!p->pinned) {
                madvise(p->arena, p->mapped, MADV_POPULATE_WRITE);
                tell_unpinned(size);
        }
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
                munmap(p->arena, p->mapped);
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

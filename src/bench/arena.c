/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include <reelfs/log.h>

#include "engine.h"

static size_t whole_pages(size_t size)
{
        return (size + BENCH_PAGE - 1) / BENCH_PAGE * BENCH_PAGE;
}

/* Bytes that do not compress to nothing. */
static void make_noise(uint8_t *p, size_t size)
{
        uint64_t x = 0x9e3779b97f4a7c15;
        for (size_t i = 0; i < size; i++) {
                x ^= x << 13;
                x ^= x >> 7;
                x ^= x << 17;
                p[i] = (uint8_t)(x >> 32);
        }
}

int arena_init(struct arena *a, size_t largest, size_t several, unsigned passes)
{
        size_t one = whole_pages(largest) + BENCH_PAGE, stride = whole_pages(several) + BENCH_PAGE;
        size_t buffers = MAX(one, BENCH_BUFFERS_MAX * stride);
        *a = (struct arena){ .size = buffers + stride, .stride = stride, .passes = passes };
        void *p = mmap(NULL, a->size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (p == MAP_FAILED)
                return log_error_errno(-ENOMEM, "cannot allocate buffers of %zu MiB", a->size >> 20);
        if (mlock(p, a->size) < 0)
                log_notice("the buffers cannot be locked in memory (ulimit -l)");
        a->base = p;
        make_noise(a->base, a->size);
        a->source = a->base + buffers;
        return 0;
}

void arena_clear(struct arena *a)
{
        if (a->base)
                munmap(a->base, a->size);
        *a = (struct arena){ 0 };
}

void *arena_buffer(const struct arena *a, unsigned i, size_t offset)
{
        return a->base + i * a->stride + offset;
}

void arena_fill(const struct arena *a, void *buf, size_t size)
{
        for (unsigned i = 0; i < a->passes; i++) {
                memcpy(buf, a->source, size);
                /* What is overwritten at once must have been written nevertheless. */
                __asm__ volatile("" : : "r"(buf) : "memory");
        }
}

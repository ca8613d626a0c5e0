/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* What the parts of the engine share. */
#include <stdatomic.h>

#include <reelfs/bench.h>

#include "meter.h"

#define BENCH_BUFFERS_MAX 8
#define BENCH_PAGE 4096

/* ---- arena.c: pinned memory, touched once. */
struct arena {
        uint8_t *base;
        size_t size;
        size_t stride;         /* from one of several buffers to the next */
        const uint8_t *source; /* stride bytes, what a program would have to say */
        unsigned passes;       /* over the data, until it has been said */
};
/* For one buffer of largest bytes, or BENCH_BUFFERS_MAX of several bytes each, which are filled; several 0:
 * none are. -ENOMEM, logged. */
int arena_init(struct arena *a, size_t largest, size_t several, unsigned passes);
void arena_clear(struct arena *a);
/* Buffer i, offset bytes (less than a page) behind the beginning of a page. */
void *arena_buffer(const struct arena *a, unsigned i, size_t offset);

/* Does the work of a program that makes size bytes, at most stride. */
void arena_fill(const struct arena *a, void *buf, size_t size);

/* ---- run.c */
struct run {
        BenchWay *way;
        const struct bench_cell *cell;
        const struct arena *arena;
        struct meter *meter;
        const atomic_bool *cancelled;
        int64_t target_ns; /* about as long as this */
        uint64_t limit;    /* commands, at most */
        void *buffer;      /* of the way's own; NULL: of the arena */
};
/* Measures the cell once, in sample. The way is open and prepared. *commands: done, also on failure. Errors
 * are those of the way; -EINTR: cancelled. */
int run_cell(const struct run *r, struct bench_sample *sample, uint64_t *commands);

/* ---- producer.c: a thread that fills buffers. */
typedef struct Producer Producer;
/* count buffers of arena, offset bytes into their page; the cell's size bytes of each are filled. NULL: no
 * thread can be made; logged. */
Producer *producer_start(const struct arena *arena, unsigned count, size_t offset, size_t size);
/* The next one that is full, and it is given back. */
void *producer_take(Producer *p);
void producer_give(Producer *p);
void producer_stop(Producer *p);

/* ---- spinner.c: a thread that computes, on the same processor as the caller. */
typedef struct Spinner Spinner;
/* NULL: no thread can be made; logged. */
Spinner *spinner_start(void);
/* Work done so far. */
uint64_t spinner_work(Spinner *s);
void spinner_stop(Spinner *s);

/* ---- cells.c */
/* limits: of each way. found: see bench_new. */
GArray *cells_plan(const struct bench_options *options, GPtrArray *ways, const struct bench_limits *limits,
        const struct bench_strip *found);
/* Bytes of the longest command. */
size_t cells_largest(const GArray *cells);
/* The same, of those cells whose buffers are filled; 0: there are none. */
size_t cells_largest_filled(const GArray *cells);
/* Whether there is something in the table of sizes, if it was asked for, and anything that moves data. */
bool cells_are_some(const GArray *cells, const struct bench_options *options);

struct Bench {
        struct bench_options options;
        GPtrArray *ways; /* borrowed */
        GArray *cells;
        struct bench_strip found;
        struct arena arena;
        struct meter meter;
        unsigned rounds; /* done */
        int64_t target_ns;
        uint64_t strip_space;
        atomic_bool cancelled;
};

/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <math.h>
#include <string.h>
#include <time.h>

#include <reelfs/util.h>

#include "engine.h"

/* A run in progress. */
struct state {
        const struct run *run;
        void *buffer;
        Producer *producer; /* NULL: there is none */
        int64_t target_ns;
};

static int move(const struct run *r, void *buf)
{
        const struct bench_way_ops *ops = r->way->ops;
        if (r->cell->table == BENCH_EMPTY)
                return ops->empty(r->way);
        return r->cell->move == BENCH_WRITE ? ops->write(r->way, buf, r->cell->size)
                                            : ops->read(r->way, buf, r->cell->size);
}

static int step(struct state *s)
{
        const struct run *r = s->run;
        if (s->producer) {
                int error = move(r, producer_take(s->producer));
                producer_give(s->producer);
                return error;
        }
        if (r->cell->buffers == 1)
                arena_fill(r->arena, s->buffer, r->cell->size);
        return move(r, s->buffer);
}

static int repeat_lot(struct state *s, uint64_t lot, uint64_t *commands)
{
        const struct run *r = s->run;
        unsigned each = r->cell->table == BENCH_EMPTY ? 1 : MAX(1, r->way->batch);
        for (uint64_t i = 0; i < lot && *commands < r->limit; i++) {
                if (*r->cancelled)
                        return -EINTR;
                int error = step(s);
                if (error < 0)
                        return error;
                *commands += each;
        }
        return 0;
}

/* Lots of 1, 2, 4, ... commands, and in the end as many as will fit: the clock is read seldom, since that
 * costs as much as a small command where the clock is a system call. */
static int repeat(struct state *s, uint64_t *commands)
{
        const struct run *r = s->run;
        int64_t start = monotonic_ns(), passed = 0;
        uint64_t calls = 0;
        for (uint64_t lot = 1; lot > 0 && *commands < r->limit;) {
                int error = repeat_lot(s, lot, commands);
                if (error < 0)
                        return error;
                calls += lot;
                passed = MAX(monotonic_ns() - start, 1);
                double fit = (double)(s->target_ns - passed) / (double)passed * (double)calls;
                lot = fit < 1 ? 0 : MIN(lot * 2, (uint64_t)fit);
        }
        return 0;
}

static void sleep_ns(int64_t ns)
{
        struct timespec t = { ns / 1000000000, ns % 1000000000 };
        while (nanosleep(&t, &t) < 0 && errno == EINTR)
                continue;
}

/* Work that the spinner does in a nanosecond, alone. */
static double spin_alone(Spinner *spinner, int64_t ns)
{
        int64_t start = monotonic_ns();
        uint64_t work = spinner_work(spinner);
        sleep_ns(ns);
        work = spinner_work(spinner) - work;
        return (double)work / (double)(monotonic_ns() - start);
}

static int measure(struct state *s, struct bench_sample *sample)
{
        const struct run *r = s->run;
        meter_start(r->meter);
        int error = repeat(s, &sample->commands);
        if (error == 0 && r->way->ops->settle)
                error = r->way->ops->settle(r->way);
        meter_stop(r->meter, sample);
        return error;
}

/* Threads take turns of several milliseconds: it takes some of them to see who gets how much. */
#define TURNS_NS 40000000

static int measure_beside(struct state *s, struct bench_sample *sample)
{
        Spinner *spinner = spinner_start();
        if (!spinner)
                return -EAGAIN;
        double alone = spin_alone(spinner, s->target_ns);
        uint64_t work = spinner_work(spinner);
        int error = measure(s, sample);
        work = spinner_work(spinner) - work;
        spinner_stop(spinner);
        bool is_long = sample->wall_ns >= TURNS_NS / 2 && alone > 0;
        sample->left = is_long ? (double)work / (double)sample->wall_ns / alone : NAN;
        return error;
}

int run_cell(const struct run *r, struct bench_sample *sample, uint64_t *commands)
{
        const struct bench_cell *cell = r->cell;
        size_t offset = cell->offset + r->way->offset;
        struct state s = { .run = r,
                .buffer = r->buffer ?: arena_buffer(r->arena, 0, offset),
                .target_ns = cell->beside ? MAX(r->target_ns, TURNS_NS) : r->target_ns };
        if (cell->buffers > 1) {
                s.producer = producer_start(r->arena, cell->buffers, offset, cell->size);
                if (!s.producer)
                        return -EAGAIN;
        }
        int error = cell->beside ? measure_beside(&s, sample) : measure(&s, sample);
        producer_stop(s.producer);
        *commands = sample->commands;
        return error;
}

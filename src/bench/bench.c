/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <string.h>

#include <reelfs/log.h>
#include <reelfs/util.h>

#include "engine.h"

/* A cell is measured for at least as long as this, or the clock and the system calls around it would be seen.
 */
#define TARGET_MIN_NS 2000000
/* A device that is this many times slower than hoped for ends the bench early. */
#define OVERTIME 2

/* What one way wrote in this round. */
struct section {
        GArray *strips; /* of struct bench_strip */
};

struct round {
        Bench *bench;
        unsigned number;
        unsigned done; /* cells */
        uint64_t end;  /* object number behind what was written in this round */
        struct section *sections;
};

static struct bench_cell *cell_at(Bench *b, unsigned i)
{
        return &g_array_index(b->cells, struct bench_cell, i);
}

/* The order in which this round goes through n things: from another one on, and every other round backwards.
 */
static unsigned in_order(const struct round *r, unsigned i, unsigned n)
{
        unsigned j = (i + r->number * MAX(1u, n / r->bench->options.rounds)) % n;
        return r->number % 2 ? n - 1 - j : j;
}

static void show_progress(struct round *r)
{
        const struct bench_options *o = &r->bench->options;
        r->done++;
        if (o->progress)
                o->progress(o->ctx, r->number, r->done, r->bench->cells->len);
}

static int prepare_run(Bench *b, BenchWay *w, struct bench_cell *cell, struct run *run)
{
        *run = (struct run){ .way = w,
                .cell = cell,
                .arena = &b->arena,
                .meter = &b->meter,
                .cancelled = &b->cancelled,
                .target_ns = b->target_ns,
                .limit = UINT64_MAX };
        int r = w->ops->prepare(w, cell);
        if (r == 0 && w->ops->lend)
                r = w->ops->lend(w, cell->size, &run->buffer);
        return r;
}

static int measure(struct round *r, struct run *run, struct bench_cell *cell, uint64_t *commands)
{
        struct bench_sample sample = { .round = r->number };
        int error = run_cell(run, &sample, commands);
        if (error == 0 && sample.commands > 0)
                g_array_append_val(cell->samples, sample);
        return error;
}

/* One command that does not count: driver and drive allocate what they need. */
static int warm_up(const struct run *run)
{
        void *buf = run->buffer ?: arena_buffer(run->arena, 0, run->cell->offset + run->way->offset);
        const struct bench_way_ops *ops = run->way->ops;
        return run->cell->move == BENCH_WRITE ? ops->write(run->way, buf, run->cell->size)
                                              : ops->read(run->way, buf, run->cell->size);
}

static uint32_t blocks_per_command(const struct bench_cell *cell)
{
        return cell->block ? (uint32_t)(cell->size / cell->block) : 1;
}

/* Of the tape's space: a case beside another thread has to last for some turns. */
static unsigned shares(const struct bench_cell *cell)
{
        return cell->beside ? 8 : 1;
}

static int write_strip(struct round *r, BenchWay *w, struct bench_cell *cell, GArray *strips)
{
        Bench *b = r->bench;
        struct run run;
        uint64_t commands = 0;
        struct bench_strip strip = { .length = cell->block ? cell->block : (uint32_t)cell->size };
        int error = prepare_run(b, w, cell, &run);
        if (error == 0 && w->ops->tell)
                error = w->ops->tell(w, &strip.object);
        if (error == 0)
                error = warm_up(&run);
        if (error < 0)
                return error;
        run.limit = MAX(1, shares(cell) * b->strip_space / cell->size);
        error = measure(r, &run, cell, &commands);
        if (error == 0 && w->ops->filemark)
                error = w->ops->filemark(w);
        strip.blocks = (commands + 1) * blocks_per_command(cell);
        g_array_append_val(strips, strip);
        return error;
}

/* A strip with enough blocks of that length, the longest one beside another thread; the one that was found,
 * if nothing was written. */
static struct bench_strip *find_strip(Bench *b, GArray *strips, const struct bench_cell *cell)
{
        uint32_t length = cell->block ? cell->block : (uint32_t)cell->size;
        struct bench_strip *longest = NULL;
        if (!b->options.write)
                return &b->found;
        for (unsigned i = 0; i < strips->len; i++) {
                struct bench_strip *s = &g_array_index(strips, struct bench_strip, i);
                if (s->length != length || s->blocks < 2 * blocks_per_command(cell))
                        continue;
                if (!longest || (cell->beside && s->blocks > longest->blocks))
                        longest = s;
        }
        return longest;
}

/* Puts the tape where at least two commands find something to read; all: as many as there can be. */
static int seek(BenchWay *w, struct bench_strip *s, uint32_t blocks, bool all)
{
        if (all || s->blocks - s->used < 2 * (uint64_t)blocks)
                s->used = 0;
        return w->ops->locate(w, s->object + s->used);
}

static int read_strip(struct round *r, BenchWay *w, struct bench_cell *cell, GArray *strips)
{
        struct run run;
        uint64_t commands = 0;
        uint32_t blocks = blocks_per_command(cell);
        struct bench_strip *s = w->ops->locate ? find_strip(r->bench, strips, cell) : NULL;
        if (w->ops->locate && !s)
                return 0;
        int error = prepare_run(r->bench, w, cell, &run);
        if (error == 0 && s)
                error = seek(w, s, blocks, cell->beside);
        bool cold = !s || s->blocks - s->used >= 2 * (uint64_t)blocks;
        if (error == 0 && cold)
                error = warm_up(&run);
        if (error < 0)
                return error;
        if (s) {
                s->used += cold ? blocks : 0;
                run.limit = (s->blocks - s->used) / blocks;
        }
        error = measure(r, &run, cell, &commands);
        if (s)
                s->used += commands * blocks;
        return error;
}

/* At the beginning of the tape, where a drive has nothing to work out. */
static int measure_empty(struct round *r, BenchWay *w, struct bench_cell *cell)
{
        struct run run;
        uint64_t commands = 0;
        int error = prepare_run(r->bench, w, cell, &run);
        if (error == 0 && w->ops->locate)
                error = w->ops->locate(w, 0);
        if (error == 0)
                error = measure(r, &run, cell, &commands);
        return error;
}

static int run_one(struct round *r, BenchWay *w, struct bench_cell *cell, GArray *strips)
{
        if (r->bench->cancelled)
                return -EINTR;
        int error = cell->table == BENCH_EMPTY ? measure_empty(r, w, cell)
                : cell->move == BENCH_WRITE    ? write_strip(r, w, cell, strips)
                                               : read_strip(r, w, cell, strips);
        show_progress(r);
        return error == -EOPNOTSUPP ? 0 : error;
}

/* All cells of one way that move data in one direction. */
static int run_way(struct round *r, unsigned way, enum bench_move direction, GArray *strips)
{
        Bench *b = r->bench;
        BenchWay *w = b->ways->pdata[way];
        unsigned n = b->cells->len;
        bool place = direction == BENCH_WRITE && w->ops->locate;
        int error = w->ops->open(w);
        if (error < 0)
                return error;
        if (place)
                error = w->ops->locate(w, r->end);
        for (unsigned i = 0; error == 0 && i < n; i++) {
                struct bench_cell *cell = cell_at(b, in_order(r, i, n));
                if (cell->way == way && cell->move == direction)
                        error = run_one(r, w, cell, strips);
        }
        if (error == 0 && place)
                error = w->ops->tell(w, &r->end);
        w->ops->close(w);
        return error;
}

/* Each way reads what another one wrote, if there are several. */
static int run_round(struct round *r)
{
        unsigned n = r->bench->ways->len;
        int error = 0;
        for (unsigned i = 0; error == 0 && i < n && r->bench->options.write; i++)
                error = run_way(r, in_order(r, i, n), BENCH_WRITE, r->sections[i].strips);
        for (unsigned i = 0; error == 0 && i < n; i++)
                error = run_way(r, in_order(r, (i + 1) % n, n), BENCH_READ, r->sections[i].strips);
        return error;
}

static int do_round(Bench *b, unsigned number)
{
        unsigned n = b->ways->len;
        struct round r = { .bench = b, .number = number, .sections = g_new0(struct section, n) };
        for (unsigned i = 0; i < n; i++)
                r.sections[i].strips = g_array_new(FALSE, TRUE, sizeof(struct bench_strip));
        int error = run_round(&r);
        for (unsigned i = 0; i < n; i++)
                g_array_unref(r.sections[i].strips);
        g_free(r.sections);
        return error;
}

int bench_run(Bench *b)
{
        int64_t start = monotonic_ns();
        int r = 0;
        while (r == 0 && b->rounds < b->options.rounds) {
                r = do_round(b, b->rounds);
                b->rounds += r == 0;
                if (monotonic_ns() - start > (int64_t)b->options.seconds * OVERTIME * 1000000000)
                        break;
        }
        return r;
}

void bench_cancel(Bench *b)
{
        b->cancelled = true;
}

static int learn_limits(Bench *b, struct bench_limits *limits)
{
        for (unsigned i = 0; i < b->ways->len; i++) {
                BenchWay *w = b->ways->pdata[i];
                int r = w->ops->open(w);
                if (r < 0)
                        return r;
                w->ops->limits(w, &limits[i]);
                w->ops->close(w);
        }
        return 0;
}

static int refuse_sizes(const Bench *b, const struct bench_limits *limits)
{
        size_t largest = 0;
        for (unsigned i = 0; i < b->ways->len; i++)
                largest = MAX(largest, limits[i].max_transfer);
        g_autofree char *most = format_size(largest);
        if (!b->options.write)
                return log_error(-EINVAL,
                        "there is nothing to measure with these sizes: what can be read are blocks of %u "
                        "bytes, "
                        "and a command moves at most %s",
                        b->found.length, most);
        return log_error(-EINVAL,
                "there is nothing to measure with these sizes: a command moves at most %s, in blocks that "
                "the "
                "drive takes",
                most);
}

/* Room for what else is written, and for what a drive needs itself. */
#define USABLE(capacity) ((capacity) / 8 * 7)

/* Of the tape, for each strip, besides the two commands that each has at least. */
static int share_space(Bench *b)
{
        uint64_t writes = 0, least = 0, space = b->options.space, usable = USABLE(b->options.capacity);
        for (unsigned i = 0; i < b->cells->len; i++) {
                const struct bench_cell *c = cell_at(b, i);
                if (c->move == BENCH_WRITE) {
                        writes += shares(c);
                        least += 2 * c->size;
                }
        }
        g_autofree char *capacity = format_size(b->options.capacity), *needed = format_size(least);
        if (b->options.capacity > 0 && least > usable)
                return log_error(-ENOSPC,
                        "the tape holds %s, and commands of these sizes need at least %s of it with some to "
                        "spare; measure less (--sizes, --tables, --ways)",
                        capacity, needed);
        if (b->options.capacity > 0 && space > usable - least) {
                space = usable - least;
                if (writes > 0)
                        log_notice("the tape holds %s; so less of it than --space says is used", capacity);
        }
        b->strip_space = space / MAX(1u, writes);
        return 0;
}

static int plan(Bench *b)
{
        g_autofree struct bench_limits *limits = g_new0(struct bench_limits, b->ways->len);
        int r = learn_limits(b, limits);
        if (r < 0)
                return r;
        b->cells = cells_plan(&b->options, b->ways, limits, &b->found);
        if (!cells_are_some(b->cells, &b->options))
                return refuse_sizes(b, limits);
        r = share_space(b);
        if (r < 0)
                return r;
        int64_t runs = (int64_t)b->cells->len * b->options.rounds;
        b->target_ns = MAX((int64_t)b->options.seconds * 1000000000 / runs, TARGET_MIN_NS);
        return arena_init(
                &b->arena, cells_largest(b->cells), cells_largest_filled(b->cells), b->options.passes);
}

int bench_new(
        const struct bench_options *options, GPtrArray *ways, const struct bench_strip *found, Bench **ret)
{
        Bench *b = g_new0(Bench, 1);
        b->options = *options;
        b->ways = ways;
        if (found)
                b->found = *found;
        meter_init(&b->meter);
        int r = plan(b);
        if (r < 0)
                bench_free(b);
        else
                *ret = b;
        return r;
}

void bench_free(Bench *b)
{
        if (!b)
                return;
        if (b->cells)
                g_array_unref(b->cells);
        arena_clear(&b->arena);
        meter_clear(&b->meter);
        g_free(b);
}

void bench_default_options(struct bench_options *options)
{
        *options = (struct bench_options){ .tables = (1u << BENCH_TABLES) - 1,
                .fixed_block = 4096,
                .buffer_size = 512 << 10,
                .passes = 1,
                .rounds = 5,
                .seconds = 60,
                .space = UINT64_C(2) << 30 };
}

GPtrArray *bench_ways(Bench *b)
{
        return b->ways;
}

GArray *bench_cells(Bench *b)
{
        return b->cells;
}

unsigned bench_rounds(Bench *b)
{
        return b->rounds;
}

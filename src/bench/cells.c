/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>

#include "engine.h"

const char *const bench_table_names[BENCH_TABLES] = { "empty", "sizes", "fixed", "alignment", "buffers",
        "beside" };
const char *const bench_move_names[BENCH_MOVES] = { "write", "read" };
const char *const bench_kind_names[] = { "copied", "direct", "mapped", "other" };

#define SMALLEST 512
/* A page and a sector, and the worst there is. */
static const size_t offsets[] = { 512, 1 };
static const size_t aligned_sizes[] = { 4 << 10, 64 << 10, 512 << 10 };
static const unsigned several[] = { 1, 2, 4, 8 };

struct plan {
        const struct bench_options *options;
        const BenchWay *way;
        struct bench_limits limits;
        const struct bench_strip *found;
        GArray *cells;
};

/* Whether a command of this kind can be given, and what it is to read will be there. */
static bool is_possible(const struct plan *p, const struct bench_cell *c)
{
        const struct bench_limits *l = &p->limits;
        uint32_t length = c->block ? c->block : (uint32_t)c->size;
        if (c->size > l->max_transfer || length < l->min_block || (l->max_block && length > l->max_block))
                return false;
        if (c->size % length || (l->fixed_only && length != l->min_block))
                return false;
        if (p->options->write)
                return true;
        return c->move == BENCH_READ && length == p->found->length && c->size / length <= p->found->blocks;
}

static void add(struct plan *p, struct bench_cell cell)
{
        if (cell.table != BENCH_EMPTY && !is_possible(p, &cell))
                return;
        cell.samples = g_array_new(FALSE, TRUE, sizeof(struct bench_sample));
        g_array_append_val(p->cells, cell);
}

static void add_moves(struct plan *p, struct bench_cell cell)
{
        for (cell.move = 0; cell.move < BENCH_MOVES; cell.move++)
                add(p, cell);
}

/* One block to a command, where blocks may be of any length; else as many as it takes. */
static uint32_t block_of(const struct plan *p)
{
        if (p->limits.fixed_only)
                return p->limits.min_block;
        return p->options->write ? 0 : p->found->length;
}

static void plan_empty(struct plan *p, struct bench_cell cell)
{
        cell.move = BENCH_READ;
        add(p, cell);
}

static void plan_sizes(struct plan *p, struct bench_cell cell)
{
        size_t smallest = p->options->smallest ?: SMALLEST,
               largest = p->options->largest ?: p->limits.max_transfer;
        cell.block = block_of(p);
        /* What was found on the tape need not be a power of two. */
        size_t first = p->options->write ? smallest : p->found->length;
        for (cell.size = first; cell.size <= largest; cell.size *= 2)
                if (cell.size >= smallest)
                        add_moves(p, cell);
}

static void plan_fixed(struct plan *p, struct bench_cell cell)
{
        if (!p->options->write)
                return;
        size_t largest = p->options->largest ?: p->limits.max_transfer;
        cell.block = p->options->fixed_block;
        for (cell.size = cell.block; cell.size <= largest; cell.size *= 4)
                add_moves(p, cell);
}

/* With a copy in the kernel as well: it may be slower from there. A mapped buffer begins where it begins. */
static void plan_alignment(struct plan *p, struct bench_cell cell)
{
        if (p->way->kind == BENCH_MAPPED || p->way->offset)
                return;
        cell.block = block_of(p);
        for (size_t i = 0; i < G_N_ELEMENTS(aligned_sizes); i++)
                for (size_t j = 0; j < G_N_ELEMENTS(offsets); j++) {
                        cell.size = aligned_sizes[i];
                        cell.offset = offsets[j];
                        add_moves(p, cell);
                }
}

static void plan_buffers(struct plan *p, struct bench_cell cell)
{
        cell.block = block_of(p);
        cell.move = BENCH_WRITE;
        cell.size = p->options->buffer_size;
        unsigned most = p->way->kind == BENCH_MAPPED ? 1 : G_N_ELEMENTS(several);
        for (unsigned i = 0; i < most; i++) {
                cell.buffers = several[i];
                add(p, cell);
        }
}

static void plan_beside(struct plan *p, struct bench_cell cell)
{
        cell.block = block_of(p);
        cell.size = p->options->write ? p->options->buffer_size : p->found->length;
        cell.beside = true;
        add_moves(p, cell);
}

static void (*const planners[BENCH_TABLES])(struct plan *p, struct bench_cell cell) = {
        [BENCH_EMPTY] = plan_empty,
        [BENCH_SIZES] = plan_sizes,
        [BENCH_FIXED] = plan_fixed,
        [BENCH_ALIGNMENT] = plan_alignment,
        [BENCH_BUFFERS] = plan_buffers,
        [BENCH_BESIDE] = plan_beside,
};

static void clear_cell(gpointer data)
{
        g_array_unref(((struct bench_cell *)data)->samples);
}

GArray *cells_plan(const struct bench_options *options, GPtrArray *ways, const struct bench_limits *limits,
        const struct bench_strip *found)
{
        GArray *cells = g_array_new(FALSE, TRUE, sizeof(struct bench_cell));
        g_array_set_clear_func(cells, clear_cell);
        for (unsigned way = 0; way < ways->len; way++) {
                struct plan p = { options, ways->pdata[way], limits[way], found, cells };
                for (unsigned table = 0; table < BENCH_TABLES; table++)
                        if (options->tables & 1u << table)
                                planners[table](&p, (struct bench_cell){ .table = table, .way = way });
        }
        return cells;
}

size_t cells_largest(const GArray *cells)
{
        size_t largest = BENCH_PAGE;
        for (unsigned i = 0; i < cells->len; i++)
                largest = MAX(largest, g_array_index(cells, struct bench_cell, i).size);
        return largest;
}

size_t cells_largest_filled(const GArray *cells)
{
        size_t largest = 0;
        for (unsigned i = 0; i < cells->len; i++) {
                const struct bench_cell *c = &g_array_index(cells, struct bench_cell, i);
                if (c->buffers > 0)
                        largest = MAX(largest, c->size);
        }
        return largest;
}

bool cells_are_some(const GArray *cells, const struct bench_options *options)
{
        bool sizes = !(options->tables & 1u << BENCH_SIZES), moves = options->tables == 1u << BENCH_EMPTY;
        for (unsigned i = 0; i < cells->len; i++) {
                const struct bench_cell *c = &g_array_index(cells, struct bench_cell, i);
                sizes |= c->table == BENCH_SIZES;
                moves |= c->table != BENCH_EMPTY;
        }
        return sizes && moves && cells->len > 0;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <math.h>
#include <string.h>

#include <reelfs/util.h>

#include "engine.h"
#include "summary.h"

/* What is said of each table, in this order. */
static const struct {
        const char *title;
        enum metric metrics[5];
        unsigned n;
} tables[BENCH_TABLES] = {
        [BENCH_EMPTY] = { "a command that moves nothing", { METRIC_CPU, METRIC_WALL, METRIC_INSTRUCTIONS },
                3 },
        [BENCH_SIZES] = { "by size of the command",
                { METRIC_CPU, METRIC_WALL, METRIC_CPU_GIB, METRIC_RATE, METRIC_INSTRUCTIONS }, 5 },
        [BENCH_FIXED] = { "several fixed blocks in a command", { METRIC_CPU_GIB, METRIC_RATE }, 2 },
        [BENCH_ALIGNMENT] = { "buffers that begin so many bytes behind a page", { METRIC_CPU, METRIC_WALL },
                2 },
        [BENCH_BUFFERS] = { "buffers that are filled (several: by another thread)",
                { METRIC_CPU_GIB, METRIC_RATE }, 2 },
        [BENCH_BESIDE] = { "a computing thread beside", { METRIC_LEFT, METRIC_RATE }, 2 },
};

/* Cells of one line of a table. */
static bool same_line(const struct bench_cell *a, const struct bench_cell *b)
{
        return a->table == b->table && a->move == b->move && a->size == b->size && a->offset == b->offset &&
                a->buffers == b->buffers && a->block == b->block;
}

/* "64 K", "4 M"; exact. The caller frees. */
static char *short_size(uint64_t bytes)
{
        if (bytes >= 1 << 20 && bytes % (1 << 20) == 0)
                return g_strdup_printf("%" G_GUINT64_FORMAT " M", bytes >> 20);
        if (bytes >= 1 << 10 && bytes % (1 << 10) == 0)
                return g_strdup_printf("%" G_GUINT64_FORMAT " K", bytes >> 10);
        return g_strdup_printf("%" G_GUINT64_FORMAT, bytes);
}

static char *line_name(const struct bench_cell *c)
{
        g_autofree char *size = short_size(c->size);
        if (c->table == BENCH_EMPTY)
                return g_strdup("");
        if (c->table == BENCH_ALIGNMENT)
                return g_strdup_printf("%s +%zu", size, c->offset);
        if (c->table == BENCH_BUFFERS)
                return g_strdup_printf("%s x%u", size, c->buffers);
        return g_steal_pointer(&size);
}

static void put_figure(GString *out, const struct figure *f, int digits, int width)
{
        g_autofree char *text =
                f->n ? g_strdup_printf("%.*f ±%.*f", digits, f->median, digits, f->mad) : g_strdup("-");
        /* ± is one column and two bytes. */
        g_string_append_printf(out, "  %*s", width + (f->n ? 1 : 0), text);
}

#define COLUMN 16

static void put_line(Bench *b, GString *out, const struct bench_cell *line, enum metric metric)
{
        GArray *cells = bench_cells(b);
        g_autofree char *name = line_name(line);
        g_string_append_printf(out, "%10s", name);
        for (unsigned way = 0; way < bench_ways(b)->len; way++) {
                struct figure f = { 0 };
                for (unsigned i = 0; i < cells->len; i++) {
                        const struct bench_cell *c = &g_array_index(cells, struct bench_cell, i);
                        if (c->way == way && same_line(c, line))
                                f = summary_figure(c, metric);
                }
                put_figure(out, &f, metrics[metric].digits, COLUMN);
        }
        g_string_append_c(out, '\n');
}

static bool is_first_of_line(GArray *cells, unsigned i)
{
        const struct bench_cell *c = &g_array_index(cells, struct bench_cell, i);
        for (unsigned j = 0; j < i; j++)
                if (same_line(&g_array_index(cells, struct bench_cell, j), c))
                        return false;
        return true;
}

static bool has_figures(GArray *cells, enum bench_table table, enum bench_move move, enum metric metric)
{
        for (unsigned i = 0; i < cells->len; i++) {
                const struct bench_cell *c = &g_array_index(cells, struct bench_cell, i);
                if (c->table == table && c->move == move && summary_figure(c, metric).n > 0)
                        return true;
        }
        return false;
}

static void put_table(
        Bench *b, GString *out, enum bench_table table, enum bench_move move, enum metric metric)
{
        GArray *cells = bench_cells(b);
        if (metric == METRIC_LEFT && !has_figures(cells, table, move, metric) &&
                has_figures(cells, table, move, METRIC_WALL))
                g_string_append_printf(out, "\n%s, %s: over too soon to tell; a larger --space may help\n",
                        move == BENCH_WRITE ? "WRITE" : "READ", tables[table].title);
        if (!has_figures(cells, table, move, metric))
                return;
        if (table == BENCH_EMPTY)
                g_string_append_printf(out, "\n%s: %s\n", tables[table].title, metrics[metric].title);
        else
                g_string_append_printf(out, "\n%s, %s: %s\n", move == BENCH_WRITE ? "WRITE" : "READ",
                        tables[table].title, metrics[metric].title);
        g_string_append_printf(out, "%10s", "");
        for (unsigned way = 0; way < bench_ways(b)->len; way++)
                g_string_append_printf(out, "  %*s", COLUMN, ((BenchWay *)bench_ways(b)->pdata[way])->name);
        g_string_append_c(out, '\n');
        for (unsigned i = 0; i < cells->len; i++) {
                const struct bench_cell *c = &g_array_index(cells, struct bench_cell, i);
                if (c->table == table && c->move == move && is_first_of_line(cells, i))
                        put_line(b, out, c, metric);
        }
}

static const char *cost_name(enum metric metric)
{
        return metric == METRIC_CPU ? "CPU time" : metric == METRIC_WALL ? "time" : "instructions";
}

static void put_crossover(GString *out, const struct crossover *x)
{
        g_string_append_printf(out, "%s, %s: %s costs ", x->move == BENCH_WRITE ? "WRITE" : "READ",
                cost_name(x->metric), x->direct->name);
        g_autofree char *size = isnan(x->median) ? NULL : format_size((uint64_t)x->median);
        if (!size)
                g_string_append_printf(out, "never less than %s", x->copied->name);
        else if (x->median <= x->smallest)
                g_string_append_printf(out, "less than %s at all sizes", x->copied->name);
        else
                g_string_append_printf(out, "less than %s from %s on", x->copied->name, size);
        if (x->rounds.n > 0 && size) {
                g_autofree char *median = format_size((uint64_t)x->rounds.median);
                g_autofree char *spread = format_size((uint64_t)x->rounds.mad);
                /* Curves that lie close together cross anywhere. */
                bool agree = fabs(log2(x->rounds.median / x->median)) <= 1;
                g_string_append_printf(out, " (%sround by round %s ±%s, %u round%s)",
                        agree ? "" : "or elsewhere, the difference is small: ", median, spread, x->rounds.n,
                        x->rounds.n == 1 ? "" : "s");
        }
        g_string_append_printf(out, "; %.2f of it at the largest\n", x->ratio);
}

static void put_similar(Bench *b, GString *out, uint64_t similar)
{
        const char *before = "; no worse within the ±: ";
        for (unsigned i = 0; i < MIN(bench_ways(b)->len, 64); i++) {
                if (!(similar & UINT64_C(1) << i))
                        continue;
                g_string_append_printf(out, "%s%s", before, ((BenchWay *)bench_ways(b)->pdata[i])->name);
                before = ", ";
        }
}

static void put_recommendation(Bench *b, GString *out, enum bench_move move, bool has_io)
{
        struct recommendation r = summary_recommend(b, move, has_io);
        if (!r.way)
                return;
        g_autofree char *size = format_size(r.size);
        g_string_append_printf(out, "%s, %s: %s", has_io ? "reelfs" : "other programs",
                move == BENCH_WRITE ? "WRITE" : "READ", r.way->name);
        if (has_io && strcmp(r.way->io, "auto") == 0)
                g_string_append_printf(out, " (reelfs mount %s)", r.way->address);
        else if (has_io)
                g_string_append_printf(out, " (reelfs mount -o io=%s %s)", r.way->io, r.way->address);
        g_string_append_printf(
                out, " with %s a command moves %.0f MiB/s, of %.0f at most", size, r.rate, r.best_rate);
        if (!isnan(r.cpu_gib))
                g_string_append_printf(out, ", for %.3f s of CPU a GiB", r.cpu_gib);
        put_similar(b, out, r.similar);
        g_string_append_c(out, '\n');
}

char *bench_text(Bench *b, const char *title)
{
        GString *out = g_string_new(NULL);
        g_string_append_printf(out, "%s\nMedian and median distance from it, %u round%s.\n", title,
                bench_rounds(b), bench_rounds(b) == 1 ? "" : "s");
        if (b->meter.coarse)
                g_string_append(
                        out, "This kernel counts CPU time by ticks, too coarsely to be of use here.\n");
        for (enum bench_table table = 0; table < BENCH_TABLES; table++)
                for (enum bench_move move = 0; move < BENCH_MOVES; move++)
                        for (unsigned i = 0; i < tables[table].n; i++)
                                put_table(b, out, table, move, tables[table].metrics[i]);
        g_autoptr(GArray) crossovers = summary_crossovers(b);
        g_string_append(out, crossovers->len ? "\nWhere direct I/O begins to pay:\n" : "");
        for (unsigned i = 0; i < crossovers->len; i++)
                put_crossover(out, &g_array_index(crossovers, struct crossover, i));
        g_string_append(out, "\nRecommended:\n");
        for (enum bench_move move = 0; move < BENCH_MOVES; move++)
                for (int has_io = 1; has_io >= 0; has_io--)
                        put_recommendation(b, out, move, has_io);
        return g_string_free(out, FALSE);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <math.h>
#include <string.h>

#include "statistics.h"
#include "summary.h"

const struct metric_info metrics[METRICS] = {
        [METRIC_CPU] = { "cpu_us", "CPU µs a command", 1 },
        [METRIC_WALL] = { "wall_us", "µs a command", 1 },
        [METRIC_CPU_GIB] = { "cpu_s_per_gib", "CPU s/GiB", 3 },
        [METRIC_RATE] = { "mib_per_s", "MiB/s", 1 },
        [METRIC_LEFT] = { "left_percent", "% of the CPU left to a computing thread beside", 1 },
        [METRIC_INSTRUCTIONS] = { "kilo_instructions", "thousand instructions a command", 1 },
};

/* As fast as it gets: within this of the best. */
#define NEARLY 0.95

/* Filling the buffers costs something as well. */
static double cpu_ns(const struct bench_cell *cell, const struct bench_sample *s)
{
        int64_t ns = cell->buffers > 0 ? s->process_ns : s->cpu_ns;
        return ns < 0 ? NAN : (double)ns;
}

double summary_sample(const struct bench_cell *cell, const struct bench_sample *s, enum metric metric)
{
        double commands = (double)s->commands, bytes = commands * (double)cell->size;
        bool moves = cell->table != BENCH_EMPTY;
        switch (metric) {
        case METRIC_CPU:
                return cpu_ns(cell, s) / commands / 1e3;
        case METRIC_WALL:
                return (double)s->wall_ns / commands / 1e3;
        case METRIC_CPU_GIB:
                return moves ? cpu_ns(cell, s) / 1e9 / (bytes / 0x1p30) : NAN;
        case METRIC_RATE:
                return moves ? bytes / 0x1p20 / ((double)s->wall_ns / 1e9) : NAN;
        case METRIC_LEFT:
                return cell->beside ? s->left * 100 : NAN;
        case METRIC_INSTRUCTIONS:
                return s->instructions ? (double)s->instructions / commands / 1e3 : NAN;
        default:
                return NAN;
        }
}

static struct figure make_figure(const double *values, unsigned n)
{
        return (struct figure){ statistics_median(values, n), statistics_mad(values, n), n };
}

struct figure summary_figure(const struct bench_cell *cell, enum metric metric)
{
        g_autofree double *values = g_new(double, cell->samples->len + 1);
        unsigned n = 0;
        for (unsigned i = 0; i < cell->samples->len; i++) {
                double v =
                        summary_sample(cell, &g_array_index(cell->samples, struct bench_sample, i), metric);
                if (!isnan(v))
                        values[n++] = v;
        }
        return make_figure(values, n);
}

#define CURVE_MAX 64

struct curve {
        size_t n;
        double sizes[CURVE_MAX], costs[CURVE_MAX];
};

/* round: -1 for the medians of all. NAN: not measured. */
static double cost_of(const struct bench_cell *cell, enum metric metric, int round)
{
        if (round < 0)
                return summary_figure(cell, metric).median;
        for (unsigned i = 0; i < cell->samples->len; i++) {
                const struct bench_sample *s = &g_array_index(cell->samples, struct bench_sample, i);
                if (s->round == (unsigned)round)
                        return summary_sample(cell, s, metric);
        }
        return NAN;
}

static const struct bench_cell *find_size(Bench *b, unsigned way, enum bench_move move, size_t size)
{
        GArray *cells = bench_cells(b);
        for (unsigned i = 0; i < cells->len; i++) {
                const struct bench_cell *c = &g_array_index(cells, struct bench_cell, i);
                if (c->table == BENCH_SIZES && c->way == way && c->move == move && c->size == size)
                        return c;
        }
        return NULL;
}

/* The sizes at which both were measured. Cells are in the order of their sizes. */
static void get_curves(Bench *b, unsigned direct, unsigned copied, const struct crossover *x, int round,
        struct curve *curves)
{
        GArray *cells = bench_cells(b);
        curves[0].n = 0;
        for (unsigned i = 0; i < cells->len && curves[0].n < CURVE_MAX; i++) {
                const struct bench_cell *c = &g_array_index(cells, struct bench_cell, i);
                if (c->table != BENCH_SIZES || c->way != direct || c->move != x->move)
                        continue;
                const struct bench_cell *other = find_size(b, copied, x->move, c->size);
                double cost = cost_of(c, x->metric, round);
                double other_cost = other ? cost_of(other, x->metric, round) : NAN;
                if (isnan(cost) || isnan(other_cost) || other_cost <= 0)
                        continue;
                size_t n = curves[0].n++;
                curves[0].sizes[n] = curves[1].sizes[n] = (double)c->size;
                curves[0].costs[n] = cost;
                curves[1].costs[n] = other_cost;
        }
        curves[1].n = curves[0].n;
}

static double cross(const struct curve *curves)
{
        struct statistics_curve direct = { curves[0].n, curves[0].sizes, curves[0].costs };
        struct statistics_curve copied = { curves[1].n, curves[1].sizes, curves[1].costs };
        /* What is dearer at the end does not begin to pay before. */
        if (direct.n == 0 || direct.costs[direct.n - 1] >= copied.costs[copied.n - 1])
                return NAN;
        return statistics_crossover(&copied, &direct);
}

static bool find_crossover(Bench *b, unsigned direct, unsigned copied, struct crossover *x)
{
        struct curve curves[2];
        g_autofree double *rounds = g_new(double, bench_rounds(b) + 1);
        unsigned n = 0;
        for (unsigned round = 0; round < bench_rounds(b); round++) {
                get_curves(b, direct, copied, x, (int)round, curves);
                double size = curves[0].n >= 2 ? cross(curves) : NAN;
                if (!isnan(size))
                        rounds[n++] = size;
        }
        get_curves(b, direct, copied, x, -1, curves);
        if (curves[0].n < 2)
                return false;
        size_t last = curves[0].n - 1;
        x->smallest = curves[0].sizes[0];
        x->median = cross(curves);
        x->ratio = curves[0].costs[last] / curves[1].costs[last];
        x->rounds = make_figure(rounds, isnan(x->median) ? 0 : n);
        return true;
}

static void add_pair(Bench *b, unsigned direct, unsigned copied, GArray *found)
{
        static const enum metric costs[] = { METRIC_CPU, METRIC_WALL, METRIC_INSTRUCTIONS };
        for (enum bench_move move = 0; move < BENCH_MOVES; move++)
                for (size_t i = 0; i < G_N_ELEMENTS(costs); i++) {
                        struct crossover x = { .direct = bench_ways(b)->pdata[direct],
                                .copied = bench_ways(b)->pdata[copied],
                                .move = move,
                                .metric = costs[i] };
                        if (find_crossover(b, direct, copied, &x))
                                g_array_append_val(found, x);
                }
}

GArray *summary_crossovers(Bench *b)
{
        GArray *found = g_array_new(FALSE, TRUE, sizeof(struct crossover));
        GPtrArray *ways = bench_ways(b);
        for (unsigned i = 0; i < ways->len; i++)
                for (unsigned j = 0; j < ways->len; j++) {
                        const BenchWay *direct = ways->pdata[i], *copied = ways->pdata[j];
                        if (direct->kind == BENCH_DIRECT && copied->kind == BENCH_COPIED &&
                                strcmp(direct->family, copied->family) == 0)
                                add_pair(b, i, j, found);
                }
        return found;
}

/* A cell that may be recommended. */
static bool is_candidate(Bench *b, const struct bench_cell *c, enum bench_move move, bool has_io)
{
        const BenchWay *way = bench_ways(b)->pdata[c->way];
        return c->table == BENCH_SIZES && c->move == move && c->samples->len > 0 &&
                (way->io != NULL) == has_io;
}

static double best_rate_of(Bench *b, enum bench_move move, bool has_io)
{
        GArray *cells = bench_cells(b);
        double best = 0;
        for (unsigned i = 0; i < cells->len; i++) {
                const struct bench_cell *c = &g_array_index(cells, struct bench_cell, i);
                if (is_candidate(b, c, move, has_io))
                        best = MAX(best, summary_figure(c, METRIC_RATE).median);
        }
        return best;
}

/* CPU time for the data; where that is not known, time stands for it. */
static struct figure cost_figure(const struct bench_cell *c)
{
        struct figure cost = summary_figure(c, METRIC_CPU_GIB), rate = summary_figure(c, METRIC_RATE);
        if (cost.n > 0)
                return cost;
        return (struct figure){ 1 / rate.median, rate.mad / (rate.median * rate.median), rate.n };
}

/* The shortest command of a way with which data moves about as fast as it gets, or longer ones that save CPU
 * time. NULL: it is slower. */
static const struct bench_cell *best_of_way(
        Bench *b, unsigned way, enum bench_move move, bool has_io, double best_rate)
{
        GArray *cells = bench_cells(b);
        const struct bench_cell *best = NULL;
        double best_cost = 0;
        for (unsigned i = 0; i < cells->len; i++) {
                const struct bench_cell *c = &g_array_index(cells, struct bench_cell, i);
                if (c->way != way || !is_candidate(b, c, move, has_io) ||
                        summary_figure(c, METRIC_RATE).median < NEARLY * best_rate)
                        continue;
                double cost = cost_figure(c).median;
                if (best && cost >= NEARLY * best_cost)
                        continue;
                best = c;
                best_cost = cost;
        }
        return best;
}

static bool within_noise(const struct bench_cell *a, const struct bench_cell *b)
{
        struct figure x = cost_figure(a), y = cost_figure(b);
        return fabs(x.median - y.median) <= x.mad + y.mad;
}

static bool is_direct(Bench *b, const struct bench_cell *c)
{
        return ((const BenchWay *)bench_ways(b)->pdata[c->way])->kind == BENCH_DIRECT;
}

/* The cheapest; a direct one, if the difference to it is noise. */
static const struct bench_cell *choose(Bench *b, const struct bench_cell *const *bests, unsigned n)
{
        const struct bench_cell *best = NULL, *direct = NULL;
        for (unsigned i = 0; i < n; i++)
                if (bests[i] && (!best || cost_figure(bests[i]).median < cost_figure(best).median))
                        best = bests[i];
        for (unsigned i = 0; i < n; i++)
                if (bests[i] && is_direct(b, bests[i]) &&
                        (!direct || cost_figure(bests[i]).median < cost_figure(direct).median))
                        direct = bests[i];
        return direct && within_noise(best, direct) ? direct : best;
}

struct recommendation summary_recommend(Bench *b, enum bench_move move, bool has_io)
{
        struct recommendation best = { .best_rate = best_rate_of(b, move, has_io) };
        unsigned n = bench_ways(b)->len;
        g_autofree const struct bench_cell **bests = g_new0(const struct bench_cell *, n);
        for (unsigned i = 0; i < n; i++)
                bests[i] = best_of_way(b, i, move, has_io, best.best_rate);
        const struct bench_cell *c = choose(b, bests, n);
        if (!c)
                return best;
        best.way = bench_ways(b)->pdata[c->way];
        best.size = c->size;
        best.rate = summary_figure(c, METRIC_RATE).median;
        best.cpu_gib = summary_figure(c, METRIC_CPU_GIB).median;
        for (unsigned i = 0; i < MIN(n, 64); i++)
                if (bests[i] && bests[i] != c && within_noise(c, bests[i]))
                        best.similar |= UINT64_C(1) << i;
        return best;
}

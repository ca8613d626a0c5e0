/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Time of a command by its size, both axes logarithmic: WRITE on the left, READ on the right. */
#include <math.h>
#include <string.h>

#include "summary.h"

#define WIDTH 1010
#define HEIGHT 470
#define PANEL_WIDTH 430.0
#define PANEL_HEIGHT 330.0
#define TOP 60.0
#define LEFT 70.0
#define PANEL_STEP 490.0

static const char *const colours[] = { "#1f4e9c", "#c0392b", "#1e8449", "#8e44ad", "#d68910", "#117a8b",
        "#5d6d7e", "#a04000" };

struct panel {
        Bench *bench;
        GString *out;
        enum bench_move move;
        double left;
        double size_min, size_max, cost_min, cost_max; /* log2, log10 */
};

static double x_of(const struct panel *p, double size)
{
        return p->left + (log2(size) - p->size_min) / (p->size_max - p->size_min) * PANEL_WIDTH;
}

static double y_of(const struct panel *p, double cost)
{
        return TOP + PANEL_HEIGHT * (1 - (log10(cost) - p->cost_min) / (p->cost_max - p->cost_min));
}

static const struct bench_cell *size_cell(Bench *b, unsigned i)
{
        const struct bench_cell *c = &g_array_index(bench_cells(b), struct bench_cell, i);
        return c->table == BENCH_SIZES && c->samples->len > 0 ? c : NULL;
}

/* Both panels have the same axes. False: there is nothing to be drawn. */
static bool find_axes(struct panel *p)
{
        double size_min = INFINITY, size_max = 0, cost_min = INFINITY, cost_max = 0;
        for (unsigned i = 0; i < bench_cells(p->bench)->len; i++) {
                const struct bench_cell *c = size_cell(p->bench, i);
                if (!c)
                        continue;
                double cost = MAX(summary_figure(c, METRIC_WALL).median, 1e-3);
                size_min = MIN(size_min, (double)c->size);
                size_max = MAX(size_max, (double)c->size);
                cost_min = MIN(cost_min, cost);
                cost_max = MAX(cost_max, cost);
        }
        if (size_max == 0)
                return false;
        p->size_min = floor(log2(size_min));
        p->size_max = MAX(ceil(log2(size_max)), p->size_min + 1);
        p->cost_min = floor(log10(cost_min));
        p->cost_max = MAX(ceil(log10(cost_max)), p->cost_min + 1);
        return true;
}

static void put_line(GString *out, double x1, double y1, double x2, double y2, const char *style)
{
        g_string_append_printf(
                out, "<line x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\" %s/>\n", x1, y1, x2, y2, style);
}

static void put_text(GString *out, double x, double y, const char *anchor, const char *text)
{
        g_autofree char *escaped = g_markup_escape_text(text, -1);
        g_string_append_printf(
                out, "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\">%s</text>\n", x, y, anchor, escaped);
}

static char *size_label(double size)
{
        if (size >= 0x1p20)
                return g_strdup_printf("%.0fM", size / 0x1p20);
        return size >= 0x1p10 ? g_strdup_printf("%.0fK", size / 0x1p10) : g_strdup_printf("%.0f", size);
}

/* Both ends, and in between as many as there is room for. */
static bool has_label(const struct panel *p, double size)
{
        if (p->size_max - p->size_min <= 8 || size == p->size_min || size == p->size_max)
                return true;
        return fmod(p->size_max - size, 2) == 0 && size > p->size_min + 1;
}

static void put_axes(const struct panel *p)
{
        static const char grid[] = "stroke=\"#ddd\"";
        double right = p->left + PANEL_WIDTH, bottom = TOP + PANEL_HEIGHT;
        for (double s = p->size_min; s <= p->size_max; s += 1) {
                g_autofree char *label = size_label(exp2(s));
                put_line(p->out, x_of(p, exp2(s)), TOP, x_of(p, exp2(s)), bottom, grid);
                if (has_label(p, s))
                        put_text(p->out, x_of(p, exp2(s)), bottom + 16, "middle", label);
        }
        for (double c = p->cost_min; c <= p->cost_max; c += 1) {
                g_autofree char *label = g_strdup_printf("%g", pow(10, c));
                put_line(p->out, p->left, y_of(p, pow(10, c)), right, y_of(p, pow(10, c)), grid);
                put_text(p->out, p->left - 6, y_of(p, pow(10, c)) + 4, "end", label);
        }
        g_autofree char *title = g_strdup_printf(
                "%s: µs a command, by bytes in it", p->move == BENCH_WRITE ? "WRITE" : "READ");
        put_text(p->out, p->left + PANEL_WIDTH / 2, TOP - 10, "middle", title);
}

/* The medians as a line, the spread as bars. */
static void put_curve(const struct panel *p, unsigned way, const char *colour)
{
        g_autoptr(GString) points = g_string_new(NULL);
        g_autofree char *style = g_strdup_printf("stroke=\"%s\" stroke-opacity=\"0.5\"", colour);
        for (unsigned i = 0; i < bench_cells(p->bench)->len; i++) {
                const struct bench_cell *c = size_cell(p->bench, i);
                if (!c || c->way != way || c->move != p->move)
                        continue;
                struct figure f = summary_figure(c, METRIC_WALL);
                double x = x_of(p, (double)c->size), cost = MAX(f.median, 1e-3);
                g_string_append_printf(points, "%.1f,%.1f ", x, y_of(p, cost));
                put_line(p->out, x, y_of(p, cost + f.mad), x, y_of(p, MAX(cost - f.mad, cost / 10)), style);
        }
        g_string_append_printf(p->out,
                "<polyline points=\"%s\" fill=\"none\" stroke=\"%s\" stroke-width=\"1.6\"/>\n", points->str,
                colour);
}

static const char *colour_of(Bench *b, const BenchWay *way)
{
        guint i = 0;
        g_ptr_array_find(bench_ways(b), way, &i);
        return colours[i % G_N_ELEMENTS(colours)];
}

/* True: there is one. */
static bool put_crossovers(const struct panel *p, GArray *crossovers)
{
        bool some = false;
        for (unsigned i = 0; i < crossovers->len; i++) {
                const struct crossover *x = &g_array_index(crossovers, struct crossover, i);
                if (x->move != p->move || x->metric != METRIC_WALL || isnan(x->median))
                        continue;
                g_autofree char *style = g_strdup_printf(
                        "stroke=\"%s\" stroke-dasharray=\"4 3\"", colour_of(p->bench, x->direct));
                put_line(p->out, x_of(p, x->median), TOP, x_of(p, x->median), TOP + PANEL_HEIGHT, style);
                some = true;
        }
        return some;
}

static void put_legend(const struct panel *p)
{
        GPtrArray *ways = bench_ways(p->bench);
        for (unsigned way = 0; way < ways->len; way++) {
                const BenchWay *w = ways->pdata[way];
                g_autofree char *style = g_strdup_printf(
                        "stroke=\"%s\" stroke-width=\"3\"", colours[way % G_N_ELEMENTS(colours)]);
                double x = LEFT + way % 8 * 116.0, y = HEIGHT - 18 - (way / 8) * 18.0;
                put_line(p->out, x, y - 4, x + 18, y - 4, style);
                put_text(p->out, x + 24, y, "start", w->name);
        }
}

static bool put_panel(struct panel *p, GArray *crossovers)
{
        put_axes(p);
        for (unsigned way = 0; way < bench_ways(p->bench)->len; way++)
                put_curve(p, way, colours[way % G_N_ELEMENTS(colours)]);
        return put_crossovers(p, crossovers);
}

char *bench_svg(Bench *b, const char *title)
{
        GString *out = g_string_new(NULL);
        struct panel p = { .bench = b, .out = out };
        g_autoptr(GArray) crossovers = summary_crossovers(b);
        g_string_append_printf(out,
                "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" viewBox=\"0 0 %d %d\" "
                "font-family=\"sans-serif\" font-size=\"12\">\n<rect width=\"100%%\" height=\"100%%\" "
                "fill=\"white\"/>\n",
                WIDTH, HEIGHT, WIDTH, HEIGHT);
        put_text(out, WIDTH / 2.0, 22, "middle", title);
        if (find_axes(&p)) {
                bool is_dashed = false;
                for (p.move = 0; p.move < BENCH_MOVES; p.move++) {
                        p.left = LEFT + p.move * PANEL_STEP;
                        is_dashed |= put_panel(&p, crossovers);
                }
                put_text(out, WIDTH / 2.0, TOP + PANEL_HEIGHT + 36, "middle",
                        is_dashed ? "Lines: medians. Bars: median distance. Dashed: from here on direct I/O "
                                    "takes "
                                    "less time than a copy."
                                  : "Lines: medians. Bars: median distance.");
                put_legend(&p);
        }
        g_string_append(out, "</svg>\n");
        return g_string_free(out, FALSE);
}

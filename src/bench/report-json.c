/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <math.h>

#include "summary.h"

static void put_string(GString *out, const char *key, const char *text)
{
        g_string_append_printf(out, "\"%s\": \"", key);
        for (; *text; text++) {
                unsigned char c = (unsigned char)*text;
                if (c == '"' || c == '\\')
                        g_string_append_printf(out, "\\%c", c);
                else if (c < 0x20 || c == 0x7f)
                        g_string_append_printf(out, "\\u%04x", c);
                else
                        g_string_append_c(out, *text);
        }
        g_string_append_c(out, '"');
}

static void put_number(GString *out, double n)
{
        char text[G_ASCII_DTOSTR_BUF_SIZE];
        if (isnan(n) || isinf(n))
                g_string_append(out, "null");
        else
                g_string_append(out, g_ascii_formatd(text, sizeof(text), "%.6g", n));
}

static void put_figure(GString *out, const struct bench_cell *cell, enum metric metric)
{
        struct figure f = summary_figure(cell, metric);
        if (f.n == 0)
                return;
        g_string_append_printf(out, ",\n    \"%s\": {\"median\": ", metrics[metric].key);
        put_number(out, f.median);
        g_string_append(out, ", \"mad\": ");
        put_number(out, f.mad);
        g_string_append(out, ", \"samples\": [");
        for (unsigned i = 0; i < cell->samples->len; i++) {
                const struct bench_sample *s = &g_array_index(cell->samples, struct bench_sample, i);
                g_string_append(out, i ? ", " : "");
                put_number(out, summary_sample(cell, s, metric));
        }
        g_string_append(out, "]}");
}

static void put_cell(GString *out, Bench *b, const struct bench_cell *c)
{
        const BenchWay *way = bench_ways(b)->pdata[c->way];
        g_string_append_printf(out,
                "  {\"table\": \"%s\", \"move\": \"%s\", \"way\": \"%s\", \"size\": %zu, \"block\": %u, "
                "\"offset\": %zu, \"buffers\": %u",
                bench_table_names[c->table], bench_move_names[c->move], way->name, c->size, c->block,
                c->offset, c->buffers);
        for (enum metric m = 0; m < METRICS; m++)
                put_figure(out, c, m);
        g_string_append_c(out, '}');
}

static void put_crossover(GString *out, const struct crossover *x)
{
        g_string_append_printf(out,
                "  {\"move\": \"%s\", \"cost\": \"%s\", \"direct\": \"%s\", \"copied\": \"%s\", \"size\": ",
                bench_move_names[x->move], metrics[x->metric].key, x->direct->name, x->copied->name);
        put_number(out, x->median);
        g_string_append_printf(out, ", \"rounds\": %u, \"rounds_median\": ", x->rounds.n);
        put_number(out, x->rounds.median);
        g_string_append(out, ", \"rounds_mad\": ");
        put_number(out, x->rounds.mad);
        g_string_append(out, ", \"ratio_at_largest\": ");
        put_number(out, x->ratio);
        g_string_append_c(out, '}');
}

static void put_recommendation(GString *out, Bench *b, enum bench_move move, bool has_io)
{
        struct recommendation r = summary_recommend(b, move, has_io);
        if (!r.way)
                return;
        g_string_append_printf(out,
                ",\n\"recommended_%s%s\": {\"way\": \"%s\", \"size\": %zu, \"mib_per_s\": ",
                bench_move_names[move], has_io ? "" : "_others", r.way->name, r.size);
        put_number(out, r.rate);
        g_string_append(out, ", \"cpu_s_per_gib\": ");
        put_number(out, r.cpu_gib);
        if (has_io) {
                g_string_append_printf(out, ", \"io\": \"%s\", ", r.way->io);
                put_string(out, "address", r.way->address);
        }
        g_string_append_c(out, '}');
}

char *bench_json(Bench *b, const char *title)
{
        GString *out = g_string_new("{\n");
        put_string(out, "title", title);
        g_string_append_printf(out, ",\n\"rounds\": %u,\n\"ways\": [", bench_rounds(b));
        for (unsigned i = 0; i < bench_ways(b)->len; i++) {
                const BenchWay *w = bench_ways(b)->pdata[i];
                g_string_append_printf(out, "%s\n  {\"name\": \"%s\", \"family\": \"%s\", \"kind\": \"%s\"}",
                        i ? "," : "", w->name, w->family, bench_kind_names[w->kind]);
        }
        g_string_append(out, "\n],\n\"cells\": [\n");
        for (unsigned i = 0; i < bench_cells(b)->len; i++) {
                g_string_append(out, i ? ",\n" : "");
                put_cell(out, b, &g_array_index(bench_cells(b), struct bench_cell, i));
        }
        g_string_append(out, "\n],\n\"crossovers\": [\n");
        g_autoptr(GArray) crossovers = summary_crossovers(b);
        for (unsigned i = 0; i < crossovers->len; i++) {
                g_string_append(out, i ? ",\n" : "");
                put_crossover(out, &g_array_index(crossovers, struct crossover, i));
        }
        g_string_append(out, "\n]");
        for (enum bench_move move = 0; move < BENCH_MOVES; move++)
                for (int has_io = 1; has_io >= 0; has_io--)
                        put_recommendation(out, b, move, has_io);
        g_string_append(out, "\n}\n");
        return g_string_free(out, FALSE);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The engine of reelfs bench over a tape in memory that insists on what is on it, and over the virtual drive;
 * statistics. */
#include <errno.h>
#include <math.h>
#include <string.h>

#include <reelfs/bench.h>

#include "engine.h"
#include "statistics.h"
#include "summary.h"
#include "virtual-fixture.h"

/* ---- Statistics */

static void test_median(void)
{
        const double odd[] = { 9, 1, 4 }, even[] = { 1, 2, 10, 4 };
        g_assert_cmpfloat(statistics_median(odd, 3), ==, 4);
        g_assert_cmpfloat(statistics_median(even, 4), ==, 3);
        g_assert_true(isnan(statistics_median(odd, 0)));
        /* Distances 5, 3, 0: an outlier does not matter. */
        g_assert_cmpfloat(statistics_mad(odd, 3), ==, 3);
        g_assert_cmpfloat(odd[0], ==, 9);
}

static double cross(const double *a, const double *b, size_t n)
{
        static const double sizes[] = { 512, 1024, 2048, 4096 };
        struct statistics_curve x = { n, sizes, a }, y = { n, sizes, b };
        return statistics_crossover(&x, &y);
}

static void test_crossover(void)
{
        const double flat[] = { 10, 10, 10, 10 };
        /* Ratios 1.5, 1.25, 0.75, 0.5: half way between 1024 and 2048, in powers of two. */
        g_assert_cmpfloat_with_epsilon(cross(flat, (double[]){ 15, 12.5, 7.5, 5 }, 4), 1024 * sqrt(2), 1e-6);
        /* Of two places that fit as well, the larger one. */
        g_assert_cmpfloat_with_epsilon(cross(flat, (double[]){ 15, 5, 15, 5 }, 4), 2048 * sqrt(2), 1e-6);
        g_assert_cmpfloat(cross(flat, (double[]){ 9, 8, 7, 6 }, 4), ==, 512);
        /* One that was disturbed. */
        g_assert_cmpfloat(cross(flat, (double[]){ 9, 8, 70, 6 }, 4), ==, 512);
        g_assert_cmpfloat_with_epsilon(
                cross(flat, (double[]){ 15, 7.5, 5, 70 }, 4), 512 * exp2(2 / 3.), 1e-6);
        g_assert_true(isnan(cross(flat, (double[]){ 15, 14, 12, 10 }, 4)));
}

/* ---- A tape in memory: the length of each block, 0 for a filemark */

struct memory {
        BenchWay way; /* first */
        GArray *tape; /* of uint32_t */
        unsigned *position;
        uint32_t block;
        bool open, fails;
        GString *order; /* of the cells that were prepared */
        size_t longest;
};

static int memory_open(BenchWay *w)
{
        struct memory *m = (struct memory *)w;
        g_assert_false(m->open);
        m->open = true;
        return 0;
}

static void memory_close(BenchWay *w)
{
        ((struct memory *)w)->open = false;
}

static void memory_limits(BenchWay *w, struct bench_limits *limits)
{
        *limits = (struct bench_limits){ .max_transfer = 8192, .min_block = 1, .max_block = 4096 };
}

static int memory_tell(BenchWay *w, uint64_t *object)
{
        *object = *((struct memory *)w)->position;
        return 0;
}

static int memory_locate(BenchWay *w, uint64_t object)
{
        struct memory *m = (struct memory *)w;
        g_assert_true(m->open);
        g_assert_cmpuint(object, <=, m->tape->len);
        *m->position = (unsigned)object;
        return 0;
}

static int memory_prepare(BenchWay *w, const struct bench_cell *cell)
{
        struct memory *m = (struct memory *)w;
        m->block = cell->block;
        g_string_append_printf(m->order, "%c%zu,", cell->move == BENCH_WRITE ? 'w' : 'r', cell->size);
        return 0;
}

static int memory_write(BenchWay *w, void *buf, size_t size)
{
        struct memory *m = (struct memory *)w;
        uint32_t length = m->block ? m->block : (uint32_t)size;
        if (m->fails)
                return -EIO;
        g_array_set_size(m->tape, *m->position);
        for (size_t done = 0; done < size; done += length)
                g_array_append_val(m->tape, length);
        *m->position = m->tape->len;
        m->longest = MAX(m->longest, m->tape->len);
        memset(buf, 1, size);
        return 0;
}

/* Only what is there, in blocks of the right length. */
static int memory_read(BenchWay *w, void *buf, size_t size)
{
        struct memory *m = (struct memory *)w;
        uint32_t length = m->block ? m->block : (uint32_t)size;
        for (size_t done = 0; done < size; done += length, ++*m->position) {
                g_assert_cmpuint(*m->position, <, m->tape->len);
                g_assert_cmpuint(g_array_index(m->tape, uint32_t, *m->position), ==, length);
        }
        memset(buf, 1, size);
        return 0;
}

static int memory_empty(BenchWay *w)
{
        return -EOPNOTSUPP;
}

static int memory_filemark(BenchWay *w)
{
        struct memory *m = (struct memory *)w;
        uint32_t mark = 0;
        g_array_set_size(m->tape, *m->position);
        g_array_append_val(m->tape, mark);
        *m->position = m->tape->len;
        return 0;
}

static void memory_free(BenchWay *w)
{
        g_string_free(((struct memory *)w)->order, TRUE);
        g_free(w);
}

static const struct bench_way_ops memory_ops = {
        .open = memory_open,
        .close = memory_close,
        .limits = memory_limits,
        .tell = memory_tell,
        .locate = memory_locate,
        .prepare = memory_prepare,
        .write = memory_write,
        .read = memory_read,
        .empty = memory_empty,
        .filemark = memory_filemark,
        .free = memory_free,
};

struct memories {
        GArray *tape;
        unsigned position;
        GPtrArray *ways;
        struct bench_options options;
};

static void memories_init(struct memories *s)
{
        static const char *const names[] = { "one", "two", "three" };
        *s = (struct memories){ .tape = g_array_new(FALSE, FALSE, sizeof(uint32_t)),
                .ways = bench_ways_new() };
        for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
                struct memory *m = g_new0(struct memory, 1);
                m->way = (BenchWay){
                        .ops = &memory_ops, .name = names[i], .family = "memory", .kind = BENCH_OTHER
                };
                m->tape = s->tape;
                m->position = &s->position;
                m->order = g_string_new(NULL);
                g_ptr_array_add(s->ways, m);
        }
        bench_default_options(&s->options);
        s->options.write = true;
        s->options.rounds = 3;
        s->options.seconds = 1;
        s->options.space = 1 << 20;
        s->options.buffer_size = 4096;
        s->options.fixed_block = 512;
}

static void memories_clear(struct memories *s)
{
        g_ptr_array_unref(s->ways);
        g_array_unref(s->tape);
}

static void test_rounds(void)
{
        struct memories s;
        Bench *b;
        memories_init(&s);
        g_assert_cmpint(bench_new(&s.options, s.ways, NULL, &b), ==, 0);
        g_assert_cmpint(bench_run(b), ==, 0);
        g_assert_cmpuint(bench_rounds(b), ==, 3);
        unsigned seen[BENCH_TABLES] = { 0 };
        for (unsigned i = 0; i < bench_cells(b)->len; i++) {
                const struct bench_cell *c = &g_array_index(bench_cells(b), struct bench_cell, i);
                seen[c->table]++;
                if (c->table == BENCH_EMPTY) /* which this way does not have */
                        g_assert_cmpuint(c->samples->len, ==, 0);
                else
                        g_assert_cmpuint(c->samples->len, ==, 3);
                for (unsigned j = 0; j < c->samples->len; j++) {
                        const struct bench_sample *sample =
                                &g_array_index(c->samples, struct bench_sample, j);
                        g_assert_cmpuint(sample->round, ==, j);
                        g_assert_cmpuint(sample->commands, >, 0);
                        g_assert_cmpint(sample->wall_ns, >, 0);
                }
        }
        for (unsigned i = 0; i < BENCH_TABLES; i++)
                g_assert_cmpuint(seen[i], >, 0);
        bench_free(b);
        memories_clear(&s);
}

/* What way did in each round, as prepare saw it, is all of it and not in the same order. */
static void test_order(void)
{
        struct memories s;
        Bench *b;
        memories_init(&s);
        s.options.tables = 1u << BENCH_SIZES;
        s.options.rounds = 2;
        g_assert_cmpint(bench_new(&s.options, s.ways, NULL, &b), ==, 0);
        g_assert_cmpint(bench_run(b), ==, 0);
        struct memory *m = s.ways->pdata[0];
        size_t half = m->order->len / 2;
        g_autofree char *first = g_strndup(m->order->str, half), *second = g_strdup(m->order->str + half);
        g_assert_cmpstr(first, !=, second);
        for (const char *cell = "w512,\0r512,\0w4096,\0r4096,\0"; *cell; cell += strlen(cell) + 1) {
                g_assert_nonnull(strstr(first, cell));
                g_assert_nonnull(strstr(second, cell));
        }
        bench_free(b);
        memories_clear(&s);
}

/* No more of the tape than was allowed, but for the two commands that each strip has at least, and its
 * filemark. */
static void test_space(void)
{
        struct memories s;
        Bench *b;
        memories_init(&s);
        s.options.space = 1;
        g_assert_cmpint(bench_new(&s.options, s.ways, NULL, &b), ==, 0);
        g_assert_cmpint(bench_run(b), ==, 0);
        uint64_t blocks = 0;
        for (unsigned i = 0; i < bench_cells(b)->len; i++) {
                const struct bench_cell *c = &g_array_index(bench_cells(b), struct bench_cell, i);
                if (c->move == BENCH_WRITE && c->table != BENCH_EMPTY)
                        blocks += 2 * (c->block ? c->size / c->block : 1) + 1;
        }
        g_assert_cmpuint(s.tape->len, ==, blocks);
        bench_free(b);
        memories_clear(&s);
}

static void test_found(void)
{
        struct memories s;
        Bench *b;
        const uint32_t lengths[] = { 80, 0, 1000, 1000, 1000, 1000, 1000, 0 };
        const struct bench_strip found = { .object = 2, .blocks = 5, .length = 1000 };
        memories_init(&s);
        s.options.write = false;
        g_array_append_vals(s.tape, lengths, G_N_ELEMENTS(lengths));
        g_assert_cmpint(bench_new(&s.options, s.ways, &found, &b), ==, 0);
        g_assert_cmpint(bench_run(b), ==, 0);
        g_assert_cmpuint(s.tape->len, ==, G_N_ELEMENTS(lengths));
        bool has_four = false;
        for (unsigned i = 0; i < bench_cells(b)->len; i++) {
                const struct bench_cell *c = &g_array_index(bench_cells(b), struct bench_cell, i);
                g_assert_cmpint(c->move, ==, BENCH_READ);
                has_four |= c->size == 4000 && c->samples->len > 0;
        }
        g_assert_true(has_four);
        bench_free(b);
        memories_clear(&s);
}

static void test_failure(void)
{
        struct memories s;
        Bench *b;
        memories_init(&s);
        ((struct memory *)s.ways->pdata[1])->fails = true;
        g_assert_cmpint(bench_new(&s.options, s.ways, NULL, &b), ==, 0);
        g_assert_cmpint(bench_run(b), ==, -EIO);
        g_assert_cmpuint(bench_rounds(b), ==, 0);
        for (unsigned i = 0; i < s.ways->len; i++)
                g_assert_false(((struct memory *)s.ways->pdata[i])->open);
        bench_free(b);
        memories_clear(&s);
}

static void test_cancel(void)
{
        struct memories s;
        Bench *b;
        memories_init(&s);
        g_assert_cmpint(bench_new(&s.options, s.ways, NULL, &b), ==, 0);
        bench_cancel(b);
        g_assert_cmpint(bench_run(b), ==, -EINTR);
        g_assert_cmpuint(s.tape->len, ==, 0);
        bench_free(b);
        memories_clear(&s);
}

/* ---- What samples say */

static void give_sample(
        Bench *b, const char *way, enum bench_move move, size_t size, unsigned round, int64_t ns)
{
        struct bench_sample sample = {
                .round = round, .commands = 10, .wall_ns = 10 * ns, .cpu_ns = 5 * ns, .process_ns = -1
        };
        for (unsigned i = 0; i < bench_cells(b)->len; i++) {
                struct bench_cell *c = &g_array_index(bench_cells(b), struct bench_cell, i);
                const BenchWay *w = bench_ways(b)->pdata[c->way];
                if (strcmp(w->name, way) == 0 && c->move == move && c->size == size &&
                        c->table == BENCH_SIZES)
                        g_array_append_val(c->samples, sample);
        }
}

static Bench *make_results(struct memories *s)
{
        Bench *b;
        memories_init(s);
        ((struct memory *)s->ways->pdata[0])->way.kind = BENCH_DIRECT;
        ((struct memory *)s->ways->pdata[1])->way.kind = BENCH_COPIED;
        s->options.tables = 1u << BENCH_SIZES;
        s->options.rounds = 3;
        g_assert_cmpint(bench_new(&s->options, s->ways, NULL, &b), ==, 0);
        g_assert_cmpint(bench_run(b), ==, 0);
        for (unsigned i = 0; i < bench_cells(b)->len; i++)
                g_array_set_size(g_array_index(bench_cells(b), struct bench_cell, i).samples, 0);
        /* us: direct 30, copied 10 + size / 1024 * 10, with a disturbed round. */
        for (unsigned round = 0; round < 3; round++)
                for (size_t size = 512; size <= 4096; size *= 2) {
                        give_sample(b, "one", BENCH_WRITE, size, round, round == 1 ? 33000 : 30000);
                        give_sample(b, "two", BENCH_WRITE, size, round, 10000 + (int64_t)size * 10000 / 1024);
                }
        return b;
}

static void test_summary(void)
{
        struct memories s;
        Bench *b = make_results(&s);
        g_autoptr(GArray) crossovers = summary_crossovers(b);
        /* WRITE, by CPU and by time. */
        g_assert_cmpuint(crossovers->len, ==, 2);
        const struct crossover *x = &g_array_index(crossovers, struct crossover, 1);
        g_assert_cmpint(x->metric, ==, METRIC_WALL);
        g_assert_cmpstr(x->direct->name, ==, "one");
        /* At 2 KiB they are equal, and from there direct is less. */
        g_assert_cmpfloat_with_epsilon(x->median, 2048, 0.1);
        g_assert_cmpuint(x->rounds.n, ==, 3);
        g_assert_cmpfloat(x->rounds.mad, ==, 0);
        g_assert_cmpfloat_with_epsilon(x->ratio, 0.6, 1e-9);

        struct recommendation r = summary_recommend(b, BENCH_WRITE, false);
        g_assert_cmpstr(r.way->name, ==, "one");
        g_assert_cmpuint(r.size, ==, 4096);
        g_assert_cmpfloat_with_epsilon(r.rate, 4096 / 30e-6 / 0x1p20, 1e-6);
        g_assert_cmpfloat_with_epsilon(r.cpu_gib, 15e-6 / 4096 * 0x1p30, 1e-6);
        g_assert_null(summary_recommend(b, BENCH_READ, false).way);
        g_assert_null(summary_recommend(b, BENCH_WRITE, true).way);
        bench_free(b);
        memories_clear(&s);
}

/* Direct I/O that is dearer at the largest size does not pay, whatever the curves do before. */
static void test_dearer(void)
{
        struct memories s;
        Bench *b = make_results(&s);
        for (unsigned i = 0; i < bench_cells(b)->len; i++) {
                struct bench_cell *c = &g_array_index(bench_cells(b), struct bench_cell, i);
                for (unsigned j = 0; c->way == 0 && c->size == 4096 && j < c->samples->len; j++)
                        g_array_index(c->samples, struct bench_sample, j).wall_ns *= 10;
        }
        g_autoptr(GArray) crossovers = summary_crossovers(b);
        const struct crossover *x = &g_array_index(crossovers, struct crossover, 1);
        g_assert_cmpfloat(x->ratio, >, 1);
        g_assert_true(isnan(x->median));
        g_assert_cmpuint(x->rounds.n, ==, 0);
        bench_free(b);
        memories_clear(&s);
}

/* Where noise may make the difference, the direct way it is, and the others are named. */
static void test_noise(void)
{
        struct memories s;
        Bench *b = make_results(&s);
        static const int64_t ns[] = { 44000, 46000, 48000 };
        for (unsigned i = 0; i < bench_cells(b)->len; i++)
                g_array_set_size(g_array_index(bench_cells(b), struct bench_cell, i).samples, 0);
        for (unsigned round = 0; round < 3; round++) {
                give_sample(b, "one", BENCH_WRITE, 4096, round, ns[round]);
                give_sample(b, "two", BENCH_WRITE, 4096, round, ns[round] - 1000);
                give_sample(b, "three", BENCH_WRITE, 4096, round, ns[round] * 103 / 100 + 10000);
        }
        struct recommendation r = summary_recommend(b, BENCH_WRITE, false);
        g_assert_cmpstr(r.way->name, ==, "one");
        g_assert_cmpuint(r.similar, ==, 1u << 1);
        g_autofree char *text = bench_text(b, "");
        g_assert_nonnull(strstr(text, "no worse within the ±: two"));
        bench_free(b);
        memories_clear(&s);
}

/* What cannot be measured is said before anything is written. */
static void test_refused(void)
{
        struct memories s;
        Bench *b;
        memories_init(&s);
        s.options.smallest = s.options.largest = 64 << 20;
        g_assert_cmpint(bench_new(&s.options, s.ways, NULL, &b), ==, -EINVAL);
        s.options.smallest = s.options.largest = 0;
        s.options.capacity = 16 << 10;
        g_assert_cmpint(bench_new(&s.options, s.ways, NULL, &b), ==, -ENOSPC);
        g_assert_cmpuint(s.tape->len, ==, 0);
        memories_clear(&s);
}

/* No more than the tape holds, however much is allowed. */
static void test_capacity(void)
{
        struct memories s;
        Bench *b;
        memories_init(&s);
        s.options.space = UINT64_C(1) << 40;
        s.options.capacity = 2 << 20;
        g_assert_cmpint(bench_new(&s.options, s.ways, NULL, &b), ==, 0);
        g_assert_cmpint(bench_run(b), ==, 0);
        uint64_t bytes = 0;
        for (unsigned i = 0; i < s.tape->len; i++)
                bytes += g_array_index(s.tape, uint32_t, i);
        g_assert_cmpuint(bytes, <=, s.options.capacity);
        bench_free(b);
        memories_clear(&s);
}

/* Buffers that no case uses are not allocated. */
static void test_arena(void)
{
        struct memories s;
        Bench *b;
        memories_init(&s);
        s.options.buffer_size = INT32_MAX;
        g_assert_cmpint(bench_new(&s.options, s.ways, NULL, &b), ==, 0);
        g_assert_cmpuint(b->arena.size, <, 1 << 20);
        bench_free(b);
        memories_clear(&s);
}

/* Other threads' share is not told by an instant. */
static void test_beside(void)
{
        const struct bench_cell cell = { .table = BENCH_BESIDE, .size = 512, .beside = true };
        struct bench_sample sample = { .commands = 1, .wall_ns = 1000, .left = NAN };
        g_assert_true(isnan(summary_sample(&cell, &sample, METRIC_LEFT)));
        struct memories s;
        Bench *b;
        memories_init(&s);
        s.options.tables = 1u << BENCH_BESIDE;
        s.options.space = 1;
        g_assert_cmpint(bench_new(&s.options, s.ways, NULL, &b), ==, 0);
        g_assert_cmpint(bench_run(b), ==, 0);
        g_autofree char *text = bench_text(b, ""), *json = bench_json(b, "");
        g_assert_null(strstr(text, "left to a computing thread"));
        g_assert_nonnull(strstr(text, "over too soon to tell"));
        g_assert_null(strstr(json, "left_percent"));
        bench_free(b);
        memories_clear(&s);
}

static void test_reports(void)
{
        struct memories s;
        Bench *b = make_results(&s);
        g_autofree char *text = bench_text(b, "a \"title\""), *json = bench_json(b, "a \"title\"");
        g_autofree char *svg = bench_svg(b, "a < b");
        g_assert_nonnull(strstr(text, "WRITE, by size of the command: µs a command"));
        g_assert_nonnull(strstr(text, "30.0 ±0.0"));
        g_assert_nonnull(strstr(text, "one costs less than two from 2.0 KiB on"));
        g_assert_nonnull(strstr(text, "other programs, WRITE: one with 4.0 KiB"));
        g_assert_null(strstr(text, "nan"));
        g_assert_nonnull(strstr(json, "\"title\": \"a \\\"title\\\"\""));
        g_assert_nonnull(
                strstr(json, "\"wall_us\": {\"median\": 30, \"mad\": 0, \"samples\": [30, 33, 30]}"));
        g_assert_nonnull(strstr(json, "\"recommended_write_others\": {\"way\": \"one\", \"size\": 4096"));
        g_assert_nonnull(strstr(svg, "a &lt; b"));
        g_assert_nonnull(strstr(svg, "<polyline"));
        g_assert_null(strstr(svg, "nan"));
        g_assert_nonnull(strstr(svg, ">512<"));
        g_assert_nonnull(strstr(svg, "Dashed"));
        bench_free(b);
        memories_clear(&s);
}

/* ---- The virtual drive */

static void test_virtual(void)
{
        struct fixture f;
        struct bench_limits limits = { 0 };
        struct bench_strip strip;
        Transport *t;
        Tape *tape;
        Bench *b;
        atomic_bool cancelled = false;
        fixture_init(&f);
        const struct virtual_cartridge cartridge = { .max_transfer = 64 << 10 };
        g_assert_cmpint(virtual_create(f.path, &cartridge), ==, 0);
        struct bench_options options;
        bench_default_options(&options);
        options.write = true;
        options.rounds = 2;
        options.seconds = 1;
        options.space = 64 << 20;
        options.buffer_size = 16 << 10;
        g_autoptr(GPtrArray) ways = bench_ways_of(f.path, &limits);
        g_assert_cmpuint(ways->len, ==, 1);
        g_assert_cmpint(bench_new(&options, ways, NULL, &b), ==, 0);
        g_assert_cmpint(bench_run(b), ==, 0);
        for (unsigned i = 0; i < bench_cells(b)->len; i++)
                g_assert_cmpuint(g_array_index(bench_cells(b), struct bench_cell, i).samples->len, ==, 2);
        bench_free(b);

        /* What it left is found. */
        g_assert_cmpint(transport_open(f.path, true, &t), ==, 0);
        g_assert_cmpint(tape_open(t, f.path, &tape), ==, 0);
        g_assert_cmpint(bench_find_strip(tape, &cancelled, &strip), ==, 0);
        cancelled = true;
        g_assert_cmpint(bench_find_strip(tape, &cancelled, &strip), ==, -EINTR);
        cancelled = false;
        g_assert_cmpint(bench_find_strip(tape, &cancelled, &strip), ==, 0);
        g_assert_cmpuint(strip.blocks, >=, 2);
        tape_close(tape);
        fixture_clear(&f);
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/bench/median", test_median);
        g_test_add_func("/bench/crossover", test_crossover);
        g_test_add_func("/bench/rounds", test_rounds);
        g_test_add_func("/bench/order", test_order);
        g_test_add_func("/bench/space", test_space);
        g_test_add_func("/bench/found", test_found);
        g_test_add_func("/bench/failure", test_failure);
        g_test_add_func("/bench/cancel", test_cancel);
        g_test_add_func("/bench/summary", test_summary);
        g_test_add_func("/bench/dearer", test_dearer);
        g_test_add_func("/bench/noise", test_noise);
        g_test_add_func("/bench/refused", test_refused);
        g_test_add_func("/bench/capacity", test_capacity);
        g_test_add_func("/bench/arena", test_arena);
        g_test_add_func("/bench/beside", test_beside);
        g_test_add_func("/bench/reports", test_reports);
        g_test_add_func("/bench/virtual", test_virtual);
        return g_test_run();
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a modelled drive's tape does, to the nanosecond: the clock is the test's. */
#include "../../src/transport/mechanics.h"
#include "virtual-fixture.h"

#define S INT64_C(1000000000)
#define MS INT64_C(1000000)
#define MIB (UINT64_C(1) << 20)

/* 1000 bytes a metre: 10 wraps of 100 m. */
static const struct serpentine_drive toy = {
        .capacity = 1000000,
        .length = 100,
        .wraps = 10,
        .bands = 2,
        .rates = { 1000, 2000 },
        .buffer = 4000,
        .bus = 100000,
        .command = 0.001,
        .stop = 1,
        .start = 2,
        .locate_speed = 10,
        .rewind_speed = 5,
        .load = 7,
        .unload = 9,
};

static void test_places(void)
{
        struct serpentine_place p = serpentine_place(&toy, 25000);
        g_assert_cmpuint(p.wrap, ==, 0);
        g_assert_cmpfloat(p.metres, ==, 25);
        p = serpentine_place(&toy, 125000);
        g_assert_cmpuint(p.wrap, ==, 1);
        g_assert_cmpfloat(p.metres, ==, 75);
        /* What lies at the same place on another wrap is no way at all. */
        g_assert_cmpfloat(serpentine_metres(&toy, 90000, 110000), ==, 0);
        p = serpentine_place(&toy, 5000000);
        g_assert_cmpuint(p.wrap, ==, 9);
        g_assert_cmpfloat(p.metres, ==, 0);
}

static void test_locate(void)
{
        g_assert_cmpfloat(serpentine_locate(&toy, 5, 5), ==, 0);
        g_assert_cmpfloat_with_epsilon(serpentine_locate(&toy, 10000, 40000), 4.29 + 3, 1e-9);
        g_assert_cmpfloat_with_epsilon(serpentine_locate(&toy, 40000, 10000), 4.29 + 11.32 + 3, 1e-9);
        g_assert_cmpfloat_with_epsilon(serpentine_locate(&toy, 10000, 160000), 4.29 + 6.69 + 5.22 + 3, 1e-9);
        g_assert_cmpfloat_with_epsilon(serpentine_locate(&toy, 10000, 610000), 4.29 + 6.69 + 3.2, 1e-9);
        /* From one end to the other, on the same wrap. */
        g_assert_cmpfloat_with_epsilon(serpentine_locate(&toy, 0, 99000), 4.29 + 9.9, 1e-9);
}

/* The averages of the data sheets: from the beginning to anywhere, and back. */
static void test_presets(void)
{
        static const struct {
                const char *name;
                double locate, rewind, hours;
        } sheets[] = { { "lto5", 60, 53, 3 }, { "lto8", 59, 59, 9.3 }, { "lto9", 45, 55, 12.5 } };
        for (size_t i = 0; i < G_N_ELEMENTS(sheets); i++) {
                const struct serpentine_drive *d = serpentine_find(sheets[i].name);
                double locate = 0, rewind = 0;
                for (unsigned n = 1; n <= 1000; n++) {
                        locate += serpentine_locate(d, 0, d->capacity / 1001 * n) / 1000;
                        rewind += serpentine_metres(d, d->capacity / 1001 * n, 0) / d->rewind_speed / 1000;
                }
                g_assert_cmpfloat_with_epsilon(locate, sheets[i].locate, 1.5);
                g_assert_cmpfloat_with_epsilon(rewind, sheets[i].rewind, 1.5);
                g_assert_cmpfloat_with_epsilon(
                        (double)d->capacity / serpentine_fastest(d) / 3600, sheets[i].hours, 0.1);
        }
        g_assert_null(serpentine_find("lto1"));
}

static int compare_spans(const void *a, const void *b)
{
        const struct serpentine_span *x = a, *y = b;
        return (x->from > y->from) - (x->from < y->from);
}

/* 200 files anywhere on a tape: the order that is recommended is quicker than that of the tape, which is
 * quicker than none. Each is there once. */
static void test_order(void)
{
        enum { SPANS = 200 };
        const struct serpentine_drive *d = serpentine_find("lto9");
        struct serpentine_span spans[SPANS];
        GRand *rand = g_rand_new_with_seed(1);
        for (size_t i = 0; i < SPANS; i++) {
                uint64_t from = (uint64_t)(g_rand_double(rand) * (double)d->capacity);
                spans[i] = (struct serpentine_span){ from, from + (64 << 20), i };
        }
        g_rand_free(rand);
        double unsorted = serpentine_way(d, 0, spans, SPANS);
        qsort(spans, SPANS, sizeof(*spans), compare_spans);
        double ascending = serpentine_way(d, 0, spans, SPANS);
        serpentine_order(d, 0, spans, SPANS);
        double recommended = serpentine_way(d, 0, spans, SPANS);
        g_test_message(
                "%.0f s unsorted, %.0f s ascending, %.0f s recommended", unsorted, ascending, recommended);
        g_assert_cmpfloat(ascending, <, unsorted);
        g_assert_cmpfloat(recommended, <, 0.7 * ascending);
        bool seen[SPANS] = { false };
        for (size_t i = 0; i < SPANS; i++) {
                g_assert_false(seen[spans[i].id]);
                seen[spans[i].id] = true;
        }
        serpentine_order(d, 0, spans, 0);
}

/* Into the buffer at the speed of the bus; the tape starts when it is half full, slows down as it gets empty,
 * and stops once. */
static void test_write_pause(void)
{
        struct mechanics m;
        mechanics_init(&m, &toy);
        g_assert_cmpint(mechanics_write(&m, 0, 0, 1000, 1000), ==, 11 * MS);
        g_assert_false(m.moving);
        g_assert_cmpint(mechanics_write(&m, 11 * MS, 1000, 2000, 1000), ==, 22 * MS);
        g_assert_true(m.moving);
        /* At speed after 2 s; 1000 bytes at 2000 a second, 1000 at 1000. */
        mechanics_advance(&m, 3500 * MS);
        g_assert_cmpuint(m.motion.stops, ==, 0);
        mechanics_advance(&m, 4 * S);
        g_assert_cmpuint(m.motion.stops, ==, 1);
        g_assert_cmpuint(m.head, ==, 2000);
        g_assert_cmpint(m.motion.writing_ns, ==, 1500 * MS);
        mechanics_advance(&m, 100 * S);
        g_assert_cmpuint(m.motion.stops, ==, 1);
        g_assert_cmpint(m.motion.hitching_ns, ==, 3 * S);
        g_assert_cmpint(m.motion.standing_ns, ==, 100 * S - 4500 * MS);
        /* 2 m written, and the way of the back-hitch: 1 m/s, in the mean the half of it, for 3 s. */
        g_assert_cmpfloat_with_epsilon(m.motion.metres, 3.5, 1e-6);
}

/* A host that is faster than the tape waits for room: 2000 bytes a second then. */
static void test_write_full(void)
{
        struct mechanics m;
        mechanics_init(&m, &toy);
        int64_t now = 0;
        for (uint64_t at = 0; at < 100000; at += 1000)
                now = mechanics_write(&m, now, at, at + 1000, 1000);
        g_assert_cmpuint(m.motion.stops, ==, 0);
        g_assert_cmpint(now, ==, 22 * MS + 2 * S + 48 * S);
        int64_t end = mechanics_flush(&m, now);
        g_assert_cmpint(end - now, ==, 2 * S);
        g_assert_cmpuint(m.motion.stops, ==, 1);
}

/* A host between the speeds makes no stops, one below the slowest does. */
static void test_write_speeds(void)
{
        static const struct {
                int64_t each;
                bool stops;
        } hosts[] = { { 600 * MS, false }, { 990 * MS, false }, { 1400 * MS, true } };
        for (size_t i = 0; i < G_N_ELEMENTS(hosts); i++) {
                struct mechanics m;
                mechanics_init(&m, &toy);
                for (uint64_t n = 0; n < 90; n++)
                        mechanics_write(&m, (int64_t)n * hosts[i].each, n * 1000, n * 1000 + 1000, 1000);
                g_assert_cmpint(m.motion.stops > 0, ==, hosts[i].stops);
        }
}

static void test_synchronize(void)
{
        struct mechanics m;
        mechanics_init(&m, &toy);
        int64_t now = mechanics_write(&m, 0, 0, 1000, 1000);
        /* Gets up to speed, writes at the highest, stops; the next one has to wait for the back-hitch. */
        g_assert_cmpint(mechanics_flush(&m, now), ==, 11 * MS + 2500 * MS);
        now = mechanics_write(&m, m.now, 1000, 2000, 1000);
        g_assert_cmpint(mechanics_flush(&m, now) - now, ==, 989 * MS + 2500 * MS);
        g_assert_cmpuint(m.motion.stops, ==, 2);
        g_assert_cmpint(mechanics_flush(&m, m.now), ==, m.now);
        g_assert_cmpuint(m.motion.stops, ==, 2);
}

/* Reading on costs the bus only; a pause longer than the buffer one stop; a place in the buffer nothing. */
static void test_read(void)
{
        struct mechanics m;
        mechanics_init(&m, &toy);
        int64_t now = mechanics_read(&m, 0, 0, 1000, 1000, 90000);
        g_assert_cmpint(now, ==, 2500 * MS);
        g_assert_cmpint(mechanics_read(&m, now, 1000, 2000, 1000, 90000), ==, now + 500 * MS);
        mechanics_advance(&m, 60 * S);
        g_assert_cmpuint(m.motion.stops, ==, 1);
        g_assert_cmpuint(m.head, ==, 6000);
        g_assert_cmpint(mechanics_locate(&m, 60 * S, 5000), ==, 60 * S);
        g_assert_cmpint(mechanics_read(&m, 60 * S, 5000, 6000, 1000, 90000), ==, 60 * S + 11 * MS);
        g_assert_cmpuint(m.motion.locates, ==, 0);
        /* Not far ahead: quicker than to stop and go. */
        now = m.now;
        g_assert_cmpint(mechanics_locate(&m, now, 10000), <, now + 4500 * MS);
        g_assert_cmpuint(m.motion.locates, ==, 0);
        now = m.now;
        g_assert_cmpint(mechanics_locate(&m, now, 0), >, now + 10 * S);
        g_assert_cmpuint(m.motion.locates, ==, 1);
}

static void test_end_of_data(void)
{
        struct mechanics m;
        mechanics_init(&m, &toy);
        int64_t now = mechanics_read(&m, 0, 0, 1000, 1000, 1500);
        mechanics_advance(&m, now + 10 * S);
        g_assert_cmpuint(m.head, ==, 1500);
        g_assert_cmpuint(m.motion.stops, ==, 0);
        /* Writing begins there, the tape being there. */
        now = mechanics_read(&m, m.now, 1000, 1500, 500, 1500);
        g_assert_cmpint(mechanics_write(&m, now, 1500, 2500, 1000), ==, now + 11 * MS);
        g_assert_cmpuint(m.motion.locates, ==, 0);
}

static void test_rewind(void)
{
        struct mechanics m;
        mechanics_init(&m, &toy);
        int64_t now = mechanics_locate(&m, 0, 99000);
        g_assert_cmpint(mechanics_rewind(&m, now) - now, ==, 19800 * MS);
        g_assert_cmpint(mechanics_rewind(&m, m.now), ==, m.now);
        now = m.now;
        g_assert_cmpint(mechanics_load(&m, now, false) - now, ==, 9 * S);
        g_assert_cmpint(mechanics_load(&m, m.now, true) - now, ==, 16 * S);
        g_assert_cmpint(m.motion.loading_ns, ==, 16 * S);
}

/* Through the drive's commands, on a virtual clock. */
static void test_drive(void)
{
        struct fixture f;
        struct virtual_motion v;
        fixture_init(&f);
        g_autofree char *keys = g_strconcat(f.path, ".cartridge", NULL);
        g_assert_true(g_file_set_contents(f.path, "", 0, NULL));
        g_assert_true(g_file_set_contents(keys, "[model]\ndrive=lto99\n", -1, NULL));
        g_assert_cmpint(virtual_open(f.path, false, &f.t), ==, -EINVAL);
        g_assert_true(g_file_set_contents(keys, "[model]\ndrive=lto9\nclock=virtual\n", -1, NULL));
        g_assert_cmpint(virtual_open(f.path, false, &f.t), ==, 0);
        none(&f, CDB(0, 0, 0, 0, 0, 0)); /* unit attention */
        g_autofree uint8_t *data = g_malloc0(MIB);
        for (unsigned i = 0; i < 4; i++)
                g_assert_cmphex(out(&f, data, MIB, CDB(0x0a, 0, 0x10, 0, 0, 0)), ==, GOOD);
        virtual_motion(f.t, &v);
        g_assert_cmpint(v.clock_ns, <, 10 * MS);
        g_assert_cmphex(none(&f, CDB(0x10, 0, 0, 0, 1, 0)), ==, GOOD);
        virtual_motion(f.t, &v);
        g_assert_cmpint(v.clock_ns, >, 1500 * MS);
        g_assert_cmpint(v.clock_ns, <, 1520 * MS);
        g_assert_cmpuint(v.stops, ==, 1);
        virtual_advance(f.t, 60 * S);
        g_assert_cmphex(none(&f, CDB(0x01, 0, 0, 0, 0, 0)), ==, GOOD);
        virtual_motion(f.t, &v);
        g_assert_cmpint(v.clock_ns, ==, v.writing_ns + v.standing_ns + v.hitching_ns + v.rewinding_ns);
        g_assert_cmpint(v.standing_ns, >, 50 * S);
        fixture_clear(&f);
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/mechanics/places", test_places);
        g_test_add_func("/mechanics/locate", test_locate);
        g_test_add_func("/mechanics/presets", test_presets);
        g_test_add_func("/mechanics/order", test_order);
        g_test_add_func("/mechanics/write-pause", test_write_pause);
        g_test_add_func("/mechanics/write-full", test_write_full);
        g_test_add_func("/mechanics/write-speeds", test_write_speeds);
        g_test_add_func("/mechanics/synchronize", test_synchronize);
        g_test_add_func("/mechanics/read", test_read);
        g_test_add_func("/mechanics/end-of-data", test_end_of_data);
        g_test_add_func("/mechanics/rewind", test_rewind);
        g_test_add_func("/mechanics/drive", test_drive);
        return g_test_run();
}

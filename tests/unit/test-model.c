/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How long a modelled drive takes: by a clock that the test sets. */
#include "../../src/transport/model.h"
#include "virtual-fixture.h"

#define MS INT64_C(1000000)

static void test_no_time(void)
{
        const struct model none = { 0 };
        int64_t medium = 0;
        g_assert_cmpint(model_end(&none, 5 * MS, 1 << 20, &medium), ==, 5 * MS);
}

/* 1000 bytes a second of the medium, 10 000 of the interface, 1 ms for a command. */
static const struct model slow = {
        .bytes_per_second = 1000, .bus_bytes_per_second = 10000, .command_us = 1000, .buffer = 0
};

static void test_unbuffered(void)
{
        int64_t medium = 0;
        /* The medium is what takes long. */
        g_assert_cmpint(model_end(&slow, 5000 * MS, 100, &medium), ==, 5100 * MS);
        g_assert_cmpint(model_end(&slow, 5100 * MS, 100, &medium), ==, 5200 * MS);
        /* What the host was late by is lost. */
        g_assert_cmpint(model_end(&slow, 6000 * MS, 100, &medium), ==, 6100 * MS);
}

static void test_buffered(void)
{
        struct model m = slow;
        int64_t medium = 0;
        m.buffer = 250;
        /* Two go into the buffer as fast as the interface is: 10 ms and 1 ms for the command. */
        g_assert_cmpint(model_end(&m, 5000 * MS, 100, &medium), ==, 5011 * MS);
        g_assert_cmpint(model_end(&m, 5011 * MS, 100, &medium), ==, 5022 * MS);
        /* The third finds room for the half of it, when the medium has taken 50 bytes. */
        g_assert_cmpint(model_end(&m, 5022 * MS, 100, &medium), ==, 5050 * MS);
        g_assert_cmpint(model_end(&m, 5050 * MS, 100, &medium), ==, 5150 * MS);
        /* A pause of no more than the buffer holds costs nothing. */
        g_assert_cmpint(model_end(&m, 5300 * MS, 100, &medium), ==, 5311 * MS);
        g_assert_cmpint(medium, ==, 5250 * MS);
}

static void test_settings(void)
{
        struct fixture f;
        fixture_init(&f);
        g_autofree char *keys = g_strconcat(f.path, ".cartridge", NULL);
        g_assert_true(g_file_set_contents(f.path, "", 0, NULL));
        g_assert_true(g_file_set_contents(keys, "[model]\nbytes-per-second=many\n", -1, NULL));
        g_assert_cmpint(virtual_open(f.path, false, &f.t), ==, -EINVAL);
        g_assert_nonnull(strstr(f.message, "bytes-per-second"));
        /* A rate so slow that a command of no time would be found out. */
        g_assert_true(g_file_set_contents(keys, "[model]\nbytes-per-second=1M\nbuffer=0\n", -1, NULL));
        g_assert_cmpint(virtual_open(f.path, false, &f.t), ==, 0);
        uint8_t data[20480] = { 0 };
        int64_t start = g_get_monotonic_time();
        g_assert_cmpint(
                execute(&f, TRANSPORT_NONE, NULL, 0, CDB(0, 0, 0, 0, 0, 0)), ==, 0); /* unit attention */
        g_assert_cmphex(out(&f, data, sizeof(data), CDB(0x0a, 0, 0, 0x50, 0, 0)), ==, GOOD);
        /* A drive may be slower than its model, where the machine is busy, but never faster. */
        g_assert_cmpint(g_get_monotonic_time() - start, >=, 19500);
        fixture_clear(&f);
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/model/no-time", test_no_time);
        g_test_add_func("/model/unbuffered", test_unbuffered);
        g_test_add_func("/model/buffered", test_buffered);
        g_test_add_func("/model/settings", test_settings);
        return g_test_run();
}

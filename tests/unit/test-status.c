/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What reelfs status computes and draws: rates out of counters, texts, lines that fit. */
#include <string.h>

#include "rate.h"
#include "status.h"

#define S INT64_C(1000000000)
#define MB UINT64_C(1000000)

static void test_rate(void)
{
        struct rate r = { 0 };
        g_assert_cmpuint(rate_now(&r), ==, 0);
        rate_sample(&r, 100 * S, 0, false);
        g_assert_cmpuint(rate_now(&r), ==, 0);
        g_assert_cmpuint(rate_mean(&r), ==, 0);
        /* Idle time is no part of the mean. */
        rate_sample(&r, 4000 * S, 0, true);
        g_assert_cmpuint(rate_mean(&r), ==, 0);
        for (unsigned i = 1; i <= 10; i++)
                rate_sample(&r, (4000 + i) * S, i * 300 * MB, true);
        g_assert_cmpuint(rate_now(&r), ==, 300 * MB);
        g_assert_cmpuint(rate_mean(&r), ==, 300 * MB);
        /* A pause in which there was something to do is. */
        rate_sample(&r, 4020 * S, 3000 * MB, true);
        g_assert_cmpuint(rate_mean(&r), ==, 150 * MB);
        for (unsigned i = 1; i <= RATE_SAMPLES; i++)
                rate_sample(&r, (4020 + i) * S, 3000 * MB, false);
        g_assert_cmpuint(rate_now(&r), ==, 0);
        g_assert_cmpuint(rate_mean(&r), ==, 150 * MB);
}

static void test_texts(void)
{
        static const struct {
                char *(*format)(uint64_t n);
                uint64_t n;
                const char *text;
        } cases[] = {
                { status_duration, 0, "0 s" },
                { status_duration, 99, "99 s" },
                { status_duration, 100, "1 min" },
                { status_duration, 7500, "2 h 05 min" },
                { status_duration, 3 * 86400 + 3600, "3 d 1 h" },
                { status_rate, 0, "0 MB/s" },
                { status_rate, 1250000, "1.2 MB/s" },
                { status_rate, 399600000, "400 MB/s" },
        };
        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                g_autofree char *text = cases[i].format(cases[i].n);
                g_assert_cmpstr(text, ==, cases[i].text);
        }
}

static void test_fit(void)
{
        static const struct {
                const char *text;
                unsigned width;
                const char *fits;
        } cases[] = {
                { "tape", 4, "tape" },
                { "tapes", 4, "tap…" },
                { "größe", 5, "größe" },
                { "größen", 5, "größ…" },
                { "文書", 4, "文書" },
                { "文書箱", 4, "文…" },
                { "e\xcc\x81t", 2, "e\xcc\x81t" },
                { "tape", 1, "…" },
                { "tape", 0, "" },
                { "", 0, "" },
        };
        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                g_autofree char *text = status_fit(cases[i].text, cases[i].width);
                g_assert_cmpstr(text, ==, cases[i].fits);
        }
}

static GHashTable *figures_of(const char *const *pairs)
{
        GHashTable *h = g_hash_table_new(g_str_hash, g_str_equal);
        for (; *pairs; pairs += 2)
                g_hash_table_insert(h, (char *)pairs[0], (char *)pairs[1]);
        return h;
}

static char *draw(const char *const *pairs, const char *mountpoint, unsigned width)
{
        g_autoptr(GHashTable) figures = figures_of(pairs);
        g_autoptr(GPtrArray) lines = status_screen(figures, mountpoint, width);
        for (guint i = 0; i < lines->len; i++)
                g_assert_cmpint(g_utf8_strlen(g_ptr_array_index(lines, i), -1), <=, width);
        g_ptr_array_add(lines, NULL);
        return g_strjoinv("\n", (char **)lines->pdata);
}

static void assert_has(const char *text, const char *part)
{
        if (!strstr(text, part))
                g_error("\"%s\" is not in:\n%s", part, text);
}

static void test_screen(void)
{
        static const char *const job[] = { "name", "ARCHIVE01", "state", "writing", "pool", "268435456",
                "pool_used", "134217728", "pool_pinned", "1", "dirty", "134217728", "written", "1073741824",
                "write_rate", "312000000", "write_rate_mean", "298000000", "files_since_commit", "1234",
                "bytes_since_commit", "1073741824", "seconds_since_commit", "130", "stops", "3",
                "queued_reads", "2", "capacity", "12000000000000", "remaining", "9000000000000",
                "seconds_until_full", "30201", NULL };
        g_autofree char *text = draw(job, "/mnt/tape", 80);
        static const char *const parts[] = { "ARCHIVE01 on /mnt/tape\n", "drive       writing\n",
                "312 MB/s, mean 298 MB/s", "[##########          ]  50% of 256 MiB\n", "128 MiB in memory",
                "2 min ago; 1,234 files with 1.0 GiB since", "3 for want of data", "2 waiting",
                "[#####               ]  25% full", "8 h 23 min at the mean rate" };
        for (size_t i = 0; i < G_N_ELEMENTS(parts); i++)
                assert_has(text, parts[i]);
        for (unsigned width = 0; width < 100; width++) {
                g_autofree char *drawn = draw(job, "/mnt/tape", width);
                g_assert_false(width < 64 && strchr(drawn, '['));
        }
}

/* A drive that says little, an error, and names that would move the cursor. */
static void test_hostile(void)
{
        static const char *const bad[] = { "name", "\033[2Jname\377", "state", "failed", "error", "5",
                "read_only", "1", "read_only_reason", "torn\033[H", "pool", "0", "capacity", "0", "remaining",
                "99999999999999999999999", "dirty", "-1", NULL };
        g_autofree char *text = draw(bad, "/mnt/new\nline\t", 80);
        assert_has(text, "\\033[2Jname\\377 on /mnt/new\\012line\\011\n");
        assert_has(text, "Input/output error\n");
        assert_has(text, "read-only   torn\\033[H\n");
        assert_has(text, "does not say");
        g_assert_null(strchr(text, '\033'));
        static const char *const none[] = { NULL };
        g_autofree char *empty = draw(none, "/", 80);
        assert_has(empty, "0 B in memory");
}

int main(int argc, char **argv)
{
        g_setenv("LC_ALL", "C.UTF-8", TRUE);
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/status/rate", test_rate);
        g_test_add_func("/status/texts", test_texts);
        g_test_add_func("/status/fit", test_fit);
        g_test_add_func("/status/screen", test_screen);
        g_test_add_func("/status/hostile", test_hostile);
        return g_test_run();
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Times, sizes, paths and messages as text. */
#include <errno.h>
#include <string.h>
#include <time.h>

#include <reelfs/log.h>
#include <reelfs/util.h>

static void assert_time(const char *text, int64_t expected)
{
        int64_t ns = 0;
        g_assert_cmpint(parse_time_ns(text, strlen(text), &ns), ==, 0);
        g_assert_cmpint(ns, ==, expected);
}

static void test_time_round_trip(void)
{
        static const int64_t times[] = { 0, 1, -1, 999999999, -999999999, -1000000000, 1795389358000000000,
                INT64_MAX, INT64_MAX - 1, INT64_MIN, INT64_MIN + 1 };
        char text[TIME_TEXT_LENGTH + 1];
        for (unsigned i = 0; i < G_N_ELEMENTS(times); i++) {
                format_time_ns(times[i], text);
                g_assert_cmpuint(strlen(text), ==, TIME_TEXT_LENGTH);
                assert_time(text, times[i]);
        }
}

/* Every day that there is, against the C library. */
static void test_time_calendar(void)
{
        for (int64_t day = -106751; day <= 106751; day++) {
                char text[TIME_TEXT_LENGTH + 1], date[80];
                time_t seconds = day * 86400 + (day & 0xffff);
                struct tm tm;
                gmtime_r(&seconds, &tm);
                strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%S.000000000Z", &tm);
                format_time_ns((int64_t)seconds * 1000000000, text);
                g_assert_cmpstr(text, ==, date);
                assert_time(text, (int64_t)seconds * 1000000000);
        }
}

static void test_time_forms(void)
{
        assert_time("1970-01-01T00:00:00Z", 0);
        assert_time("1970-01-01T00:00:01.5Z", 1500000000);
        assert_time("1969-12-31T23:59:59.25Z", -750000000);
        assert_time("1970-01-01T00:00:00.0000000019Z", 1);
        assert_time("0000-01-01T00:00:00Z", INT64_MIN);
        assert_time("1677-09-21T00:12:43.145224191Z", INT64_MIN);
        assert_time("2262-04-11T23:47:16.854775808Z", INT64_MAX);
        assert_time("9999-12-31T23:59:60Z", INT64_MAX);
}

static void test_time_invalid(void)
{
        static const char *const texts[] = { "", "1970", "1970-01-01T00:00:00", "1970-01-01 00:00:00Z",
                "1970-13-01T00:00:00Z", "1970-01-00T00:00:00Z", "1970-01-01T24:00:00Z",
                "1970-01-01T00:00:00Zx", "1970-01-01T00:00:00.-1Z", "-970-01-01T00:00:00Z" };
        int64_t ns;
        for (unsigned i = 0; i < G_N_ELEMENTS(texts); i++)
                g_assert_cmpint(parse_time_ns(texts[i], strlen(texts[i]), &ns), ==, -EINVAL);
}

static void test_size(void)
{
        static const struct {
                const char *text;
                int error;
                uint64_t bytes;
        } sizes[] = {
                { "0", 0, 0 },
                { "64K", 0, 64 << 10 },
                { "512KiB", 0, 512 << 10 },
                { "2g", 0, UINT64_C(2) << 30 },
                { "9223372036854775808", 0, UINT64_C(1) << 63 },
                { "9223372036854775809", -ERANGE, 0 },
                { "99999999999999999999", -ERANGE, 0 },
                { "", -EINVAL, 0 },
                { "-1", -EINVAL, 0 },
                { "1X", -EINVAL, 0 },
                { "1 M", -EINVAL, 0 },
        };
        for (unsigned i = 0; i < G_N_ELEMENTS(sizes); i++) {
                uint64_t bytes = 0;
                g_assert_cmpint(parse_size(sizes[i].text, &bytes), ==, sizes[i].error);
                g_assert_cmpuint(bytes, ==, sizes[i].bytes);
        }
}

static void keep_message(void *ctx, int priority, const char *text)
{
        g_string_assign(ctx, text);
}

/* A file's name begins no line and sends nothing to the terminal. */
static void test_message(void)
{
        GString *text = g_string_new(NULL);
        log_set_sink(keep_message, text);
        log_message(LOG_ERR, -ENOENT, "%s", "a\nreelfs: b\t\033[31m\177\302\2330m \303\244\377\\");
        g_assert_cmpstr(text->str, ==,
                "a\\012reelfs: b\\011\\033[31m\\177\\302\\2330m \303\244\377\\: No such file or directory");
        log_message(LOG_ERR, 0, "%s", "\302");
        g_assert_cmpstr(text->str, ==, "\302");
        log_set_sink(NULL, NULL);
        g_string_free(text, TRUE);
}

static void test_path(void)
{
        static const char *const paths[][2] = {
                { "", "" },
                { "/", "" },
                { "///", "" },
                { ".", "" },
                { "..", "" },
                { "a", "/a" },
                { "//a//b/", "/a/b" },
                { "./a", "/a" },
                { "a/./b/.", "/a/b" },
                { "a/../b", "/b" },
                { "/a/b/..", "/a" },
                { "a/..", "" },
                { "../a", "/a" },
                { "..a/.b/...", "/..a/.b/..." },
        };
        for (unsigned i = 0; i < G_N_ELEMENTS(paths); i++) {
                g_autofree char *path = path_from_root(paths[i][0]);
                g_assert_cmpstr(path, ==, paths[i][1]);
        }
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/base/time/round-trip", test_time_round_trip);
        g_test_add_func("/base/time/calendar", test_time_calendar);
        g_test_add_func("/base/time/forms", test_time_forms);
        g_test_add_func("/base/time/invalid", test_time_invalid);
        g_test_add_func("/base/size", test_size);
        g_test_add_func("/base/path", test_path);
        g_test_add_func("/base/message", test_message);
        return g_test_run();
}

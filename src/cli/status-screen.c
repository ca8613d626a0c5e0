/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <inttypes.h>
#include <string.h>

#include <reelfs/util.h>

#include "cli.h"
#include "status.h"

#define BAR 20
#define BAR_WIDTH_MIN 64 /* narrower screens have no room for bars */

struct screen {
        GHashTable *figures;
        GPtrArray *lines;
        unsigned width;
};

static unsigned columns(gunichar c)
{
        return g_unichar_iszerowidth(c) ? 0 : g_unichar_iswide(c) ? 2 : 1;
}

char *status_fit(const char *text, unsigned width)
{
        const char *cut = text; /* where one column is left for the mark */
        unsigned used = 0;
        for (const char *p = text; *p; p = g_utf8_next_char(p)) {
                used += columns(g_utf8_get_char(p));
                if (used > width)
                        return width == 0 ? g_strdup("") : g_strdup_printf("%.*s…", (int)(cut - text), text);
                if (used < width)
                        cut = g_utf8_next_char(p);
        }
        return g_strdup(text);
}

char *status_duration(uint64_t seconds)
{
        const uint64_t minute = 60, hour = 60 * minute, day = 24 * hour;
        if (seconds < 100)
                return g_strdup_printf("%" PRIu64 " s", seconds);
        if (seconds < 100 * minute)
                return g_strdup_printf("%" PRIu64 " min", seconds / minute);
        if (seconds < 2 * day)
                return g_strdup_printf(
                        "%" PRIu64 " h %02" PRIu64 " min", seconds / hour, seconds % hour / minute);
        return g_strdup_printf("%" PRIu64 " d %" PRIu64 " h", seconds / day, seconds % day / hour);
}

char *status_rate(uint64_t bytes)
{
        double rate = (double)bytes / 1e6;
        return g_strdup_printf("%.*f MB/s", rate > 0 && rate < 9.95 ? 1 : 0, rate);
}

static const char *text_of(const struct screen *s, const char *key)
{
        return g_hash_table_lookup(s->figures, key) ?: "";
}

static uint64_t number(const struct screen *s, const char *key)
{
        return g_ascii_strtoull(text_of(s, key), NULL, 10);
}

static char *size_of(const struct screen *s, const char *key)
{
        return format_size(number(s, key));
}

static char *count_of(const struct screen *s, const char *key)
{
        return format_count(number(s, key));
}

/* Takes text. */
static void add(struct screen *s, const char *label, char *text)
{
        g_autofree char *line = g_strdup_printf("  %-11s %s", label, text);
        g_ptr_array_add(s->lines, status_fit(line, s->width));
        g_free(text);
}

/* "[####      ]  40% " */
static char *bar(const struct screen *s, uint64_t part, uint64_t whole)
{
        double share = whole > 0 ? MIN(1.0, (double)part / (double)whole) : 0;
        char marks[BAR + 1];
        memset(marks, ' ', sizeof(marks));
        memset(marks, '#', (size_t)(share * BAR + 0.5));
        unsigned percent = (unsigned)(share * 100);
        return s->width < BAR_WIDTH_MIN ? g_strdup_printf("%u%%", percent)
                                        : g_strdup_printf("[%.*s] %3u%%", BAR, marks, percent);
}

static void add_state(struct screen *s)
{
        static const struct {
                const char *state, *text;
        } states[] = {
                { "gathering", "gathering data, so that the tape need not stop soon after" },
                { "committing", "committing: what is in memory, then an index" },
                { "failed", "failed; nothing more is taken" },
        };
        const char *state = text_of(s, "state"), *text = state;
        for (size_t i = 0; i < G_N_ELEMENTS(states); i++)
                if (strcmp(states[i].state, state) == 0)
                        text = states[i].text;
        add(s, "drive", format_name(text));
        if (number(s, "error") > 0)
                add(s, "error", g_strdup(strerror((int)number(s, "error"))));
        if (*text_of(s, "read_only_reason"))
                add(s, "read-only", format_name(text_of(s, "read_only_reason")));
        else if (number(s, "read_only") > 0)
                add(s, "read-only", g_strdup("yes"));
}

static void add_rate(
        struct screen *s, const char *label, const char *total, const char *rate, const char *mean)
{
        g_autofree char *now = status_rate(number(s, rate)), *middle = status_rate(number(s, mean)),
                        *all = size_of(s, total);
        add(s, label, g_strdup_printf("%s, mean %s, %s in all", now, middle, all));
}

static void add_memory(struct screen *s)
{
        g_autofree char *fill = bar(s, number(s, "pool_used"), number(s, "pool")), *pool = size_of(s, "pool"),
                        *dirty = size_of(s, "dirty");
        add(s, "pool",
                g_strdup_printf("%s of %s%s", fill, pool, number(s, "pool_pinned") ? "" : ", not pinned"));
        add(s, "unwritten", g_strdup_printf("%s in memory only", dirty));
}

/* What decides how fast it can be. */
static void add_effect(struct screen *s)
{
        g_autofree char *most = size_of(s, "max_write");
        uint64_t placed = number(s, "received_in_place"), all = placed + number(s, "received_copied");
        g_autofree char *share =
                all > 0 ? g_strdup_printf(", %u%% received in place", (unsigned)(100 * placed / all)) : NULL;
        add(s, "in effect",
                g_strdup_printf("%s%s pages, writes up to %s, %s workers%s", text_of(s, "pool_pages"),
                        strcmp(text_of(s, "pool_pages"), "small") == 0 ? "" : " huge", most,
                        text_of(s, "workers"), share ?: ""));
}

static void add_counts(struct screen *s)
{
        g_autofree char *ago = status_duration(number(s, "seconds_since_commit")),
                        *files = count_of(s, "files_since_commit"), *bytes = size_of(s, "bytes_since_commit"),
                        *stops = count_of(s, "stops"), *reads = count_of(s, "queued_reads"),
                        *open = count_of(s, "open_files");
        add(s, "last commit",
                number(s, "files_since_commit") > 0
                        ? g_strdup_printf("%s ago; %s file%s with %s since", ago, files,
                                  number(s, "files_since_commit") == 1 ? "" : "s", bytes)
                        : g_strdup_printf("%s ago; no new data since", ago));
        add(s, "tape stops", g_strdup_printf("%s for want of data", stops));
        add(s, "reads",
                g_strdup_printf("%s waiting; %s file%s in use", reads, open,
                        number(s, "open_files") == 1 ? "" : "s"));
}

static void add_capacity(struct screen *s)
{
        uint64_t total = number(s, "capacity"), left = number(s, "remaining");
        if (total == 0) {
                add(s, "tape", g_strdup("does not say how much it holds"));
                return;
        }
        g_autofree char *fill = bar(s, total - MIN(left, total), total), *whole = size_of(s, "capacity"),
                        *rest = size_of(s, "remaining");
        add(s, "tape", g_strdup_printf("%s full, %s of %s left", fill, rest, whole));
        if (*text_of(s, "seconds_until_full")) {
                g_autofree char *in = status_duration(number(s, "seconds_until_full"));
                add(s, "full in", g_strdup_printf("%s at the mean rate", in));
        }
}

GPtrArray *status_screen(GHashTable *figures, const char *mountpoint, unsigned width)
{
        struct screen s = { figures, g_ptr_array_new_with_free_func(g_free), width };
        g_autofree char *name = format_name(text_of(&s, "name")), *point = format_name(mountpoint);
        g_autofree char *title = *name ? g_strdup_printf("%s on %s", name, point) : g_strdup(point);
        g_ptr_array_add(s.lines, status_fit(title, width));
        add_state(&s);
        add_rate(&s, "writing", "written", "write_rate", "write_rate_mean");
        add_rate(&s, "reading", "read", "read_rate", "read_rate_mean");
        add_memory(&s);
        add_effect(&s);
        add_counts(&s);
        add_capacity(&s);
        return s.lines;
}

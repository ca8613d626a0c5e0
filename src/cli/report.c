/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdio.h>
#include <string.h>

#include <reelfs/util.h>

#include "cli.h"
#include "report.h"

void report_begin(struct report *r)
{
        if (r->as_json)
                json_begin(&r->json, NULL, '{');
}

void report_end(struct report *r)
{
        if (r->as_json)
                json_end(&r->json, '}');
}

void report_section(struct report *r, const char *key)
{
        if (r->as_json)
                json_begin(&r->json, key, '{');
        else
                printf("%s\n", key);
}

void report_section_end(struct report *r)
{
        if (r->as_json)
                json_end(&r->json, '}');
}

static void print_row(const char *key, const char *value)
{
        g_autofree char *label = g_strdelimit(g_strdup(key), "_", ' ');
        printf("  %-20s %s\n", label, value);
}

void report_text(struct report *r, const char *key, const char *value)
{
        if (r->as_json) {
                json_string(&r->json, key, value);
                return;
        }
        g_autofree char *safe = format_name(value);
        print_row(key, safe);
}

void report_count(struct report *r, const char *key, uint64_t n)
{
        if (r->as_json) {
                json_uint(&r->json, key, n);
                return;
        }
        g_autofree char *text = format_count(n);
        print_row(key, text);
}

void report_size(struct report *r, const char *key, uint64_t bytes)
{
        if (r->as_json) {
                json_uint(&r->json, key, bytes);
                return;
        }
        g_autofree char *text = format_size(bytes);
        print_row(key, text);
}

void report_bool(struct report *r, const char *key, bool b)
{
        if (r->as_json)
                json_bool(&r->json, key, b);
        else
                print_row(key, b ? "yes" : "no");
}

void report_time(struct report *r, const char *key, int64_t ns)
{
        if (r->as_json) {
                char text[TIME_TEXT_LENGTH + 1];
                format_time_ns(ns, text);
                json_string(&r->json, key, text);
                return;
        }
        const int64_t second = 1000000000;
        g_autoptr(GDateTime) time = g_date_time_new_from_unix_local(ns / second - (ns % second < 0));
        g_autofree char *text = time ? g_date_time_format(time, "%Y-%m-%d %H:%M:%S %Z") : NULL;
        print_row(key, text ?: "?");
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <glib.h>
#include <inttypes.h>
#include <string.h>
#include <time.h>

#include "cli.h"

char *format_count(uint64_t n)
{
        g_autofree char *digits = g_strdup_printf("%" PRIu64, n);
        size_t length = strlen(digits);
        GString *text = g_string_sized_new(length + length / 3);
        for (size_t i = 0; i < length; i++) {
                if (i > 0 && (length - i) % 3 == 0)
                        g_string_append_c(text, ',');
                g_string_append_c(text, digits[i]);
        }
        return g_string_free(text, FALSE);
}

char *format_local_time(int64_t ns)
{
        const int64_t second = 1000000000;
        time_t time = ns / second - (ns % second < 0);
        struct tm tm;
        char text[64];
        if (!localtime_r(&time, &tm) || strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S", &tm) == 0)
                return g_strdup("?");
        return g_strdup(text);
}

char *format_name(const char *name)
{
        GString *text = g_string_new(NULL);
        while (*name) {
                gunichar c = g_utf8_get_char_validated(name, -1);
                bool valid = c != (gunichar)-1 && c != (gunichar)-2;
                size_t length = valid ? (size_t)(g_utf8_next_char(name) - name) : 1;
                if (valid && c != '\\' && g_unichar_isprint(c)) {
                        g_string_append_len(text, name, (gssize)length);
                } else {
                        for (size_t i = 0; i < length; i++)
                                g_string_append_printf(text, "\\%03o", (unsigned char)name[i]);
                }
                name += length;
        }
        return g_string_free(text, FALSE);
}

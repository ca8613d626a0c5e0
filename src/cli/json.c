/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <glib.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "json.h"

static void write_character(unsigned char c)
{
        if (c == '"' || c == '\\')
                printf("\\%c", c);
        else if (c < 0x20 || c == 0x7f)
                printf("\\u%04x", c);
        else
                putchar(c);
}

static void write_string(const char *text)
{
        putchar('"');
        while (*text) {
                const char *end;
                g_utf8_validate(text, -1, &end);
                for (; text < end; text++)
                        write_character((unsigned char)*text);
                if (*text)
                        printf("\\udc%02x", (unsigned char)*text++);
        }
        putchar('"');
}

/* What comes before a value: elements of the outermost array or object stand on lines of their own. */
static void prefix(struct json *j, const char *key)
{
        if (j->comma)
                putchar(',');
        if (j->depth == 1)
                putchar('\n');
        if (key) {
                write_string(key);
                fputs(": ", stdout);
        }
        j->comma = true;
}

void json_begin(struct json *j, const char *key, char kind)
{
        prefix(j, key);
        putchar(kind);
        j->depth++;
        j->comma = false;
}

void json_end(struct json *j, char kind)
{
        j->depth--;
        if (j->depth == 0)
                putchar('\n');
        putchar(kind);
        if (j->depth == 0)
                putchar('\n');
        j->comma = true;
}

void json_string(struct json *j, const char *key, const char *text)
{
        prefix(j, key);
        write_string(text);
}

void json_uint(struct json *j, const char *key, uint64_t n)
{
        prefix(j, key);
        printf("%" PRIu64, n);
}

void json_bool(struct json *j, const char *key, bool b)
{
        prefix(j, key);
        fputs(b ? "true" : "false", stdout);
}

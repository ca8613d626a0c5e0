/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Text that goes into an index and comes back: keys of xattrs, names, values, numbers, lines. Each input is
 * taken for all of them. */
#include <errno.h>
#include <expat.h>
#include <string.h>
#include <sys/stat.h>

#include <reelfs/util.h>

#include "../../src/volume/index.h"
#include "../../src/volume/keys.h"

#include "fuzz.h"

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
        return 0;
}

/* ---- Output into memory, and through an XML parser back */

static int append(void *ctx, const char *data, size_t length)
{
        g_string_append_len(ctx, data, (gssize)length);
        return 0;
}

static GString *collect(
        void (*put)(struct output *o, const char *data, size_t length), const char *data, size_t length)
{
        GString *text = g_string_new(NULL);
        char buf[7];
        struct output o = { .buf = buf, .size = sizeof(buf), .flush = append, .ctx = text };
        put(&o, data, length);
        g_string_append_len(text, buf, (gssize)o.used);
        g_assert_cmpuint(o.total, ==, text->len);
        return text;
}

static void put_base64(struct output *o, const char *data, size_t length)
{
        output_base64(o, data, length);
}

static void XMLCALL on_text(void *ctx, const char *text, int length)
{
        g_string_append_len(ctx, text, length);
}

/* The content of an element with this text. */
static GString *through_xml(const GString *text)
{
        g_autofree char *document = g_strconcat("<a>", text->str, "</a>", NULL);
        GString *content = g_string_new(NULL);
        XML_Parser parser = XML_ParserCreate("UTF-8");
        XML_SetUserData(parser, content);
        XML_SetCharacterDataHandler(parser, on_text);
        if (XML_Parse(parser, document, (int)strlen(document), XML_TRUE) != XML_STATUS_OK)
                g_error("%s: %s", XML_ErrorString(XML_GetErrorCode(parser)), document);
        XML_ParserFree(parser);
        return content;
}

/* ---- Names of xattrs */

static void name_and_key(const char *name)
{
        if (!*name)
                return;
        g_autofree char *key = key_from_xattr(name);
        g_assert_false(key_is_internal(key));
        g_autofree char *back = key_to_xattr(key);
        g_assert_cmpstr(back, ==, name);
}

/* A key that somebody else wrote is an attribute whose key means the same. */
static void key_and_name(const char *key)
{
        g_autofree char *name = key_to_xattr(key);
        g_assert_true((name == NULL) == key_is_internal(key));
        if (name)
                name_and_key(name);
}

/* ---- Names and values */

static void plain(const char *data, size_t length)
{
        if (!text_is_plain_value(data, length) && !text_is_plain_name(data, length))
                return;
        g_autoptr(GString) text = collect(output_escaped, data, length);
        g_autoptr(GString) back = through_xml(text);
        g_assert_cmpmem(back->str, back->len, data, length);
}

static void percent(const char *name)
{
        g_autoptr(GString) text = collect(output_percent, name, strlen(name));
        g_autoptr(GString) back = through_xml(text);
        g_assert_cmpint(text_percent_decode(back->str, &back->len), ==, 0);
        g_assert_cmpmem(back->str, back->len, name, strlen(name));
}

static void percent_decode(const char *data, size_t length)
{
        g_autofree char *text = g_strndup(data, length);
        size_t n = strlen(text);
        if (text_percent_decode(text, &n) < 0)
                return;
        g_assert_cmpuint(n, ==, strlen(text));
        percent(text);
}

static void base64(const char *data, size_t length)
{
        g_autoptr(GString) text = collect(put_base64, data, length);
        g_assert_cmpint(text_base64_decode(text->str, &text->len), ==, 0);
        g_assert_cmpmem(text->str, text->len, data, length);
}

static void base64_decode(const char *data, size_t length)
{
        g_autofree char *text = g_memdup2(data, length);
        size_t n = length;
        if (text_base64_decode(text, &n) < 0)
                return;
        g_assert_cmpuint(n, <=, length / 4 * 3);
        base64(text, n);
}

/* ---- Numbers, times, lines */

static void numbers(const char *data, size_t length)
{
        uint64_t n, again;
        uint8_t bytes[8], bytes_again[8];
        char hex[17];
        bool flag;
        text_to_bool(data, length, &flag);
        if (text_to_number(data, length, &n) == 0) {
                g_autofree char *text = g_strdup_printf("%" G_GUINT64_FORMAT, n);
                g_assert_cmpint(text_to_number(text, strlen(text), &again), ==, 0);
                g_assert_cmpuint(again, ==, n);
        }
        if (text_from_hex(data, length, bytes, sizeof(bytes)) == 0) {
                text_to_hex(bytes, sizeof(bytes), hex);
                g_assert_cmpint(g_ascii_strncasecmp(hex, data, length), ==, 0);
                g_assert_cmpint(text_from_hex(hex, strlen(hex), bytes_again, sizeof(bytes)), ==, 0);
                g_assert_cmpmem(bytes, sizeof(bytes), bytes_again, sizeof(bytes));
        }
}

static void times(const char *data, size_t length)
{
        char text[TIME_TEXT_LENGTH + 1];
        int64_t ns = 0, again;
        memcpy(&ns, data, MIN(length, sizeof(ns)));
        format_time_ns(ns, text);
        g_assert_cmpint(parse_time_ns(text, strlen(text), &again), ==, 0);
        g_assert_cmpint(again, ==, ns);
        if (parse_time_ns(data, length, &ns) < 0)
                return;
        format_time_ns(ns, text);
        g_assert_cmpint(parse_time_ns(text, strlen(text), &again), ==, 0);
        g_assert_cmpint(again, ==, ns);
}

static void sizes(const char *text)
{
        uint64_t n;
        if (parse_size(text, &n) == 0) {
                g_assert_cmpuint(n, <=, UINT64_C(1) << 63);
                g_free(format_size(n));
        }
        parse_seconds(text, &n);
}

static void posix(const char *data, size_t length)
{
        struct posix_defaults defaults = { 0644, 0755, 0, 0 }, defaults_again = { 0 };
        struct posix_attr attr, again;
        char text[POSIX_TEXT_MAX];
        if (posix_defaults_from_text(data, length, &defaults) == 0) {
                posix_defaults_to_text(&defaults, text);
                g_assert_cmpint(posix_defaults_from_text(text, strlen(text), &defaults_again), ==, 0);
                g_assert_cmpmem(&defaults, sizeof(defaults), &defaults_again, sizeof(defaults));
        }
        posix_default_attr(&defaults, S_IFREG, &attr);
        if (posix_from_text(data, length, &attr) < 0)
                return;
        posix_to_text(&defaults, &attr, text);
        posix_default_attr(&defaults, attr.mode, &again);
        g_assert_cmpint(posix_from_text(text, strlen(text), &again), ==, 0);
        g_assert_cmpuint(again.mode, ==, attr.mode);
        g_assert_cmpuint(again.uid, ==, attr.uid);
        g_assert_cmpuint(again.gid, ==, attr.gid);
        g_assert_cmpuint(again.link, ==, attr.link);
        if (S_ISCHR(attr.mode) || S_ISBLK(attr.mode))
                g_assert_cmpuint(again.rdev, ==, attr.rdev);
}

static void segment_lines(const char *data, size_t length)
{
        struct segment_table table = { 0 }, again = { 0 };
        char line[SEGMENT_LINE_MAX];
        const char *end = data + length;
        for (const char *p = data, *next; p < end; p = next + 1) {
                next = memchr(p, '\n', (size_t)(end - p));
                next = next ? next : end;
                if (segments_add_line(&table, p, (size_t)(next - p)) < 0)
                        continue;
                segment_to_line(&table.all[table.n - 1], line);
                g_assert_cmpint(segments_add_line(&again, line, strlen(line) - 1), ==, 0);
                g_assert_cmpmem(&table.all[table.n - 1], sizeof(struct segment), &again.all[again.n - 1],
                        sizeof(struct segment));
        }
        if (segments_seal(&table, 4096) == 0)
                for (size_t i = 0; i < table.n; i++)
                        if (table.all[i].length > 0)
                                g_assert_true(
                                        segments_at(&table, table.all[i].first_block, 4096) == &table.all[i]);
        segments_clear(&table);
        segments_clear(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
        const char *data = (const char *)bytes;
        g_autofree char *text = g_strndup(data, size);
        name_and_key(text);
        key_and_name(text);
        plain(data, size);
        percent(text);
        percent_decode(data, size);
        base64(data, size);
        base64_decode(data, size);
        numbers(data, size);
        times(data, size);
        sizes(text);
        posix(data, size);
        segment_lines(data, size);
        text_make_printable(text);
        for (const char *p = text; *p; p++)
                g_assert_false(g_ascii_iscntrl(*p));
        return 0;
}

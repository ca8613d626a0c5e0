/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <glib.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "text.h"

void output_across(struct output *o, const char *p, size_t length)
{
        o->total += length;
        while (length > 0 && !o->error) {
                size_t n = MIN(length, o->size - o->used);
                memcpy(o->buf + o->used, p, n);
                o->used += n;
                p += n;
                length -= n;
                if (o->used == o->size) {
                        o->used = 0;
                        o->error = o->flush(o->ctx, o->buf, o->size);
                }
        }
}

void output_text(struct output *o, const char *text)
{
        output_bytes(o, text, strlen(text));
}

void output_format(struct output *o, const char *format, ...)
{
        va_list ap;
        va_start(ap, format);
        g_autofree char *text = g_strdup_vprintf(format, ap);
        va_end(ap);
        output_text(o, text);
}

char *put_number(char *p, uint64_t number)
{
        char digits[NUMBER_TEXT_MAX], *first = digits + sizeof(digits);
        do {
                *--first = (char)('0' + number % 10);
                number /= 10;
        } while (number > 0);
        return mempcpy(p, first, (size_t)(digits + sizeof(digits) - first));
}

void output_number(struct output *o, uint64_t number)
{
        char digits[NUMBER_TEXT_MAX];
        output_bytes(o, digits, (size_t)(put_number(digits, number) - digits));
}

static const char *entity(char c)
{
        switch (c) {
        case '&':
                return "&amp;";
        case '<':
                return "&lt;";
        case '>':
                return "&gt;";
        case '"':
                return "&quot;";
        default:
                return NULL;
        }
}

void output_escaped(struct output *o, const char *data, size_t length)
{
        size_t from = 0;
        for (size_t i = 0; i < length; i++) {
                const char *e = entity(data[i]);
                if (!e)
                        continue;
                output_bytes(o, data + from, i - from);
                output_text(o, e);
                from = i + 1;
        }
        output_bytes(o, data + from, length - from);
}

void output_percent(struct output *o, const char *data, size_t length)
{
        static const char digits[] = "0123456789ABCDEF";
        for (size_t i = 0; i < length; i++) {
                unsigned char c = (unsigned char)data[i];
                if (c > ' ' && c < 0x7f && c != ':' && c != '%')
                        output_escaped(o, data + i, 1);
                else
                        output_bytes(o, (char[]){ '%', digits[c >> 4], digits[c & 15] }, 3);
        }
}

void output_base64(struct output *o, const void *data, size_t length)
{
        const guchar *p = data;
        char text[4096];
        int state = 0, save = 0;
        while (length > 0) {
                size_t n = MIN(length, (size_t)2048);
                output_bytes(o, text, g_base64_encode_step(p, n, FALSE, text, &state, &save));
                p += n;
                length -= n;
        }
        output_bytes(o, text, g_base64_encode_close(FALSE, text, &state, &save));
}

/* XML 1.0, production Char; and no noncharacters at all, which some parsers refuse. */
static bool is_xml_char(gunichar c)
{
        if (c < 0x20)
                return c == '\t' || c == '\n' || c == '\r';
        return (c & 0xfffe) != 0xfffe && !(c >= 0xfdd0 && c <= 0xfdef);
}

static bool is_control(gunichar c)
{
        return c < 0x20 || (c >= 0x7f && c < 0xa0);
}

static bool is_space(char c)
{
        return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static bool has_outer_space(const char *text, size_t length)
{
        return length > 0 && (is_space(text[0]) || is_space(text[length - 1]));
}

bool text_is_xml(const char *text, size_t length)
{
        if (!g_utf8_validate_len(text, length, NULL))
                return false;
        for (const char *p = text; p < text + length; p = g_utf8_next_char(p)) {
                if (!is_xml_char(g_utf8_get_char(p)))
                        return false;
        }
        return true;
}

bool text_is_simple_name(const char *text, size_t length)
{
        static const bool simple[256] = {
                [' ' ... '!'] = true,
                ['#' ... '%'] = true,
                ['\'' ... '9'] = true,
                [';'] = true,
                ['='] = true,
                ['?' ... '~'] = true,
        };
        bool all = !has_outer_space(text, length);
        for (size_t i = 0; i < length; i++)
                all &= simple[(unsigned char)text[i]];
        return all;
}

bool text_is_plain_name(const char *text, size_t length)
{
        if (!g_utf8_validate_len(text, length, NULL) || has_outer_space(text, length))
                return false;
        for (const char *p = text; p < text + length; p = g_utf8_next_char(p)) {
                gunichar c = g_utf8_get_char(p);
                if (c == ':' || is_control(c) || !is_xml_char(c))
                        return false;
        }
        return true;
}

bool text_is_plain_value(const void *value, size_t length)
{
        /* XML turns CR into LF. */
        return !has_outer_space(value, length) && !memchr(value, '\r', length) && text_is_xml(value, length);
}

int text_percent_decode(char *text, size_t *length)
{
        size_t out = 0;
        for (size_t i = 0; i < *length; i++) {
                char c = text[i];
                if (c == '%') {
                        if (*length - i < 3)
                                return -EINVAL;
                        int high = g_ascii_xdigit_value(text[i + 1]), low = g_ascii_xdigit_value(text[i + 2]);
                        if (high < 0 || low < 0 || high + low == 0)
                                return -EINVAL;
                        c = (char)(high << 4 | low);
                        i += 2;
                }
                text[out++] = c;
        }
        text[out] = '\0';
        *length = out;
        return 0;
}

int text_base64_decode(char *text, size_t *length)
{
        size_t digits = 0, padding = 0;
        for (size_t i = 0; i < *length; i++) {
                char c = text[i];
                if (is_space(c))
                        continue;
                if (c == '=')
                        padding++;
                else if (padding > 0 || !(g_ascii_isalnum(c) || c == '+' || c == '/'))
                        return -EINVAL;
                else
                        digits++;
        }
        if (padding > 2 || (digits + padding) % 4 != 0)
                return -EINVAL;
        gint state = 0;
        guint save = 0;
        *length = g_base64_decode_step(text, *length, (guchar *)text, &state, &save);
        return 0;
}

const char *text_trim(const char *text, size_t *length)
{
        while (*length > 0 && is_space(text[*length - 1]))
                (*length)--;
        while (*length > 0 && is_space(*text)) {
                text++;
                (*length)--;
        }
        return text;
}

int text_to_number(const char *text, size_t length, uint64_t *number)
{
        text = text_trim(text, &length);
        if (length == 0)
                return -EINVAL;
        uint64_t n = 0;
        for (size_t i = 0; i < length; i++) {
                if (!g_ascii_isdigit(text[i]))
                        return -EINVAL;
                if (__builtin_mul_overflow(n, 10, &n) || __builtin_add_overflow(n, text[i] - '0', &n))
                        return -ERANGE;
        }
        *number = n;
        return 0;
}

int text_to_bool(const char *text, size_t length, bool *value)
{
        static const struct {
                const char *text;
                bool value;
        } words[] = { { "true", true }, { "false", false }, { "1", true }, { "0", false } };
        text = text_trim(text, &length);
        for (unsigned i = 0; i < G_N_ELEMENTS(words); i++) {
                if (strlen(words[i].text) == length && memcmp(words[i].text, text, length) == 0) {
                        *value = words[i].value;
                        return 0;
                }
        }
        return -EINVAL;
}

void text_make_printable(char *text)
{
        for (; *text; text++) {
                if (g_ascii_iscntrl(*text))
                        *text = '?';
        }
}

void text_to_hex(const uint8_t *bytes, size_t n, char *hex)
{
        for (size_t i = 0; i < n; i++)
                sprintf(hex + 2 * i, "%02x", bytes[i]);
}

int text_from_hex(const char *hex, size_t length, uint8_t *bytes, size_t n)
{
        if (length != 2 * n)
                return -EINVAL;
        for (size_t i = 0; i < n; i++) {
                int high = g_ascii_xdigit_value(hex[2 * i]), low = g_ascii_xdigit_value(hex[2 * i + 1]);
                if (high < 0 || low < 0)
                        return -EINVAL;
                bytes[i] = (uint8_t)(high << 4 | low);
        }
        return 0;
}

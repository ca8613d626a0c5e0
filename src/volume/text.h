/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* Text of labels and indexes: XML escaping, LTFS's percent encoding, base64, numbers. Pure; any thread. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Text on its way out through a buffer that the caller owns. Each time it is full it goes to flush, all of
 * it, so a buffer of whole blocks makes whole blocks; what is left at the end is the caller's to write. The
 * first error is kept and ends all further output. */
struct output {
        char *buf;
        size_t size, used;
        int (*flush)(void *ctx, const char *data, size_t length);
        void *ctx;
        uint64_t total; /* bytes put, flushed or not */
        int error;
};

/* What output_bytes does when data does not fit. */
void output_across(struct output *o, const char *data, size_t length);
static inline void output_bytes(struct output *o, const void *data, size_t length)
{
        if (length < o->size - o->used && !o->error) {
                memcpy(o->buf + o->used, data, length);
                o->used += length;
                o->total += length;
        } else {
                output_across(o, data, length);
        }
}
void output_text(struct output *o, const char *text);
void output_format(struct output *o, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Decimal digits; returns the end. */
#define NUMBER_TEXT_MAX 20
char *put_number(char *p, uint64_t number);
void output_number(struct output *o, uint64_t number);
/* &, <, > and " as entities. data is valid XML text. */
void output_escaped(struct output *o, const char *data, size_t length);
/* LTFS's percentencoded="true": bytes outside printable ASCII, and space, ':' and '%', as %XX; entities as
 * above. */
void output_percent(struct output *o, const char *data, size_t length);
void output_base64(struct output *o, const void *data, size_t length);

/* A plain name of printable ASCII without what output_escaped replaces; most are. */
bool text_is_simple_name(const char *text, size_t length);
/* Names, keys and symlink targets that need no percent encoding and come back from any XML parser as they
 * are: valid UTF-8 without ':', control characters, noncharacters, or white space at the ends. */
bool text_is_plain_name(const char *text, size_t length);
/* Xattr values that can be written as XML text and come back unchanged. */
bool text_is_plain_value(const void *value, size_t length);
/* Valid UTF-8 of which every character may be in an XML document. */
bool text_is_xml(const char *text, size_t length);

/* %XX to bytes, in place; adds a NUL behind. -EINVAL: not two hex digits after a '%', or NUL. */
int text_percent_decode(char *text, size_t *length);
/* In place; white space is skipped. -EINVAL: not base64. */
int text_base64_decode(char *text, size_t *length);
/* White space around is allowed. -EINVAL: not a decimal number; -ERANGE: over 64 bits. */
int text_to_number(const char *text, size_t length, uint64_t *number);
/* true, false, 1, 0. -EINVAL. */
int text_to_bool(const char *text, size_t length, bool *value);
/* Without white space at the ends. */
const char *text_trim(const char *text, size_t *length);

/* Makes a message that repeats what a tape says fit for a terminal: control characters become '?', in place.
 */
void text_make_printable(char *text);

/* n bytes as 2n hex digits and a NUL, and back. -EINVAL: not exactly n bytes in hex. */
void text_to_hex(const uint8_t *bytes, size_t n, char *hex);
int text_from_hex(const char *hex, size_t length, uint8_t *bytes, size_t n);

/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <glib.h>
#include <scsi/sg_unaligned.h>
#include <string.h>

#include <reelfs/attribute.h>

int attribute_decode(const uint8_t *data, size_t length, size_t *at, struct tape_attribute *a)
{
        size_t left = length - MIN(*at, length);
        if (left == 0)
                return -ENODATA;
        const uint8_t *p = data + *at;
        if (left < ATTRIBUTE_HEADER)
                return -EPROTO;
        *a = (struct tape_attribute){ .id = sg_get_unaligned_be16(p),
                .format = p[2] & 0x03,
                .read_only = p[2] & 0x80,
                .length = sg_get_unaligned_be16(p + 3) };
        if (a->length > left - ATTRIBUTE_HEADER || a->length > sizeof(a->value))
                return -EPROTO;
        memcpy(a->value, p + ATTRIBUTE_HEADER, a->length);
        *at += ATTRIBUTE_HEADER + a->length;
        return 0;
}

int attribute_encode(const struct tape_attribute *a, uint8_t *data, size_t size, size_t *at)
{
        uint8_t *p = data + *at;
        if (*at > size || size - *at < ATTRIBUTE_HEADER + (size_t)a->length)
                return -ENOSPC;
        sg_put_unaligned_be16(a->id, p);
        p[2] = (uint8_t)a->format;
        sg_put_unaligned_be16(a->length, p + 3);
        memcpy(p + ATTRIBUTE_HEADER, a->value, a->length);
        *at += ATTRIBUTE_HEADER + (size_t)a->length;
        return 0;
}

/* Bytes of text that fit size without cutting a character. */
static size_t fitting(const char *text, size_t size)
{
        size_t n = strlen(text);
        if (n <= size)
                return n;
        n = size;
        while (n > 0 && ((uint8_t)text[n] & 0xc0) == 0x80)
                n--;
        return n;
}

void attribute_set_text(struct tape_attribute *a, enum attribute_id id, enum attribute_format format,
        const char *text, size_t size)
{
        g_assert(size <= sizeof(a->value));
        size_t n = fitting(text, size);
        *a = (struct tape_attribute){ .id = (uint16_t)id, .format = format, .length = (uint16_t)size };
        memset(a->value, format == ATTRIBUTE_ASCII ? ' ' : '\0', size);
        memcpy(a->value, text, n);
        for (size_t i = 0; format == ATTRIBUTE_ASCII && i < n; i++)
                if (!g_ascii_isprint((char)a->value[i]))
                        a->value[i] = '?';
}

void attribute_get_text(const struct tape_attribute *a, char *text, size_t size)
{
        size_t n = MIN((size_t)a->length, size - 1);
        while (n > 0 && (a->value[n - 1] == ' ' || a->value[n - 1] == '\0'))
                n--;
        for (size_t i = 0; i < n; i++)
                text[i] = g_ascii_iscntrl((char)a->value[i]) ? '?' : (char)a->value[i];
        text[n] = '\0';
}

bool attribute_get_number(const struct tape_attribute *a, uint64_t *n)
{
        if (a->format != ATTRIBUTE_BINARY || a->length == 0 || a->length > 8)
                return false;
        *n = sg_get_unaligned_be(a->length, a->value);
        return true;
}

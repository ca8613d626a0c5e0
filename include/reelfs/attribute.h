/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* Attributes of the medium auxiliary memory, the chip in a cartridge (SPC-5, 7.4): the form in which READ
 * ATTRIBUTE returns them and WRITE ATTRIBUTE takes them. No I/O, no state; any thread. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum attribute_format { ATTRIBUTE_BINARY, ATTRIBUTE_ASCII, ATTRIBUTE_TEXT, ATTRIBUTE_RESERVED };

/* Those that are used here. In brackets: bytes of the value. */
enum attribute_id {
        ATTRIBUTE_REMAINING_CAPACITY = 0x0000, /* [8], MiB */
        ATTRIBUTE_MAXIMUM_CAPACITY = 0x0001,   /* [8], MiB */
        ATTRIBUTE_CHANGE_REFERENCE = 0x0009,   /* [4] */
        ATTRIBUTE_MEDIUM_SERIAL = 0x0401,      /* [32] */
        ATTRIBUTE_VENDOR = 0x0800,             /* [8], of the application, as the next two */
        ATTRIBUTE_NAME = 0x0801,               /* [32] */
        ATTRIBUTE_VERSION = 0x0802,            /* [8] */
        ATTRIBUTE_USER_LABEL = 0x0803,         /* [160], text */
        ATTRIBUTE_LOCALIZATION = 0x0805,       /* [1], of text; 81h: UTF-8 */
        ATTRIBUTE_BARCODE = 0x0806,            /* [32] */
        ATTRIBUTE_FORMAT_VERSION = 0x080b,     /* [16] */
        ATTRIBUTE_COHERENCY = 0x080c,          /* volume coherency information */
};

#define ATTRIBUTE_VALUE_MAX 1024
#define ATTRIBUTE_HEADER 5 /* bytes before the value */

struct tape_attribute {
        uint16_t id;
        enum attribute_format format;
        bool read_only;
        uint16_t length; /* of the value; written with 0, the attribute ceases to exist */
        uint8_t value[ATTRIBUTE_VALUE_MAX];
};

/* The attribute at *at of data, which has length bytes and begins with the first attribute; *at: that of the
 * next. -ENODATA: there are no more. -EPROTO: cut off, or longer than ATTRIBUTE_VALUE_MAX. */
int attribute_decode(const uint8_t *data, size_t length, size_t *at, struct tape_attribute *a);
/* Puts a at data + *at, if size allows, and moves *at on. -ENOSPC. */
int attribute_encode(const struct tape_attribute *a, uint8_t *data, size_t size, size_t *at);

/* A value of text, padded to size bytes as its format has it (ASCII: spaces, what is not printable becomes
 * '?'; text: NULs), cut at the end of a UTF-8 character where it is too long. size: at most
 * ATTRIBUTE_VALUE_MAX. */
void attribute_set_text(struct tape_attribute *a, enum attribute_id id, enum attribute_format format,
        const char *text, size_t size);
/* The value as text without its padding, cut at size; control characters become '?'. */
void attribute_get_text(const struct tape_attribute *a, char *text, size_t size);
/* A binary value of 1 to 8 bytes as a number. False: it is none. */
bool attribute_get_number(const struct tape_attribute *a, uint64_t *n);

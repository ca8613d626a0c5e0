/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <scsi/sg_unaligned.h>
#include <string.h>

#include "drive-sense.h"

#define FIXED_LENGTH 18
#define DESCRIPTOR_HEADER 8

static uint8_t key_of(const struct sense *s)
{
        return (uint8_t)(s->code >> 16);
}

static uint8_t stream_flags(const struct sense *s)
{
        return (uint8_t)(s->filemark << 7 | s->eom << 6 | s->ili << 5);
}

/* Sense-key specific: field pointer, SKSV and BPV set. */
static void put_field_pointer(const struct sense *s, uint8_t *p)
{
        p[0] = (uint8_t)(0x80 | s->field_in_cdb << 6 | 0x08 | s->field_bit);
        sg_put_unaligned_be16(s->field_byte, p + 1);
}

static size_t encode_fixed(const struct sense *s, uint8_t *data)
{
        memset(data, 0, FIXED_LENGTH);
        bool fits = s->information >= INT32_MIN && s->information <= UINT32_MAX;
        data[0] = s->deferred ? 0x71 : 0x70;
        data[2] = stream_flags(s) | key_of(s);
        if (s->valid && fits) {
                data[0] |= 0x80;
                sg_put_unaligned_be32((uint32_t)s->information, data + 3);
        }
        data[7] = FIXED_LENGTH - 8;
        data[12] = (uint8_t)(s->code >> 8);
        data[13] = (uint8_t)s->code;
        if (s->has_field)
                put_field_pointer(s, data + 15);
        return FIXED_LENGTH;
}

static size_t encode_descriptor(const struct sense *s, uint8_t *data)
{
        size_t n = DESCRIPTOR_HEADER;
        memset(data, 0, DESCRIPTOR_HEADER + 12 + 8 + 4);
        data[0] = s->deferred ? 0x73 : 0x72;
        data[1] = key_of(s);
        data[2] = (uint8_t)(s->code >> 8);
        data[3] = (uint8_t)s->code;
        if (s->valid) {
                data[n + 1] = 10; /* type 0, information */
                data[n + 2] = 0x80;
                sg_put_unaligned_be64((uint64_t)s->information, data + n + 4);
                n += 12;
        }
        if (s->has_field) {
                data[n] = 2; /* sense-key specific */
                data[n + 1] = 6;
                put_field_pointer(s, data + n + 4);
                n += 8;
        }
        if (stream_flags(s)) {
                data[n] = 4; /* stream commands */
                data[n + 1] = 2;
                data[n + 3] = stream_flags(s);
                n += 4;
        }
        data[7] = (uint8_t)(n - DESCRIPTOR_HEADER);
        return n;
}

size_t sense_encode(const struct sense *s, bool descriptor, uint8_t *data)
{
        return descriptor ? encode_descriptor(s, data) : encode_fixed(s, data);
}

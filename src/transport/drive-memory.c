/* SPDX-License-Identifier: GPL-2.0-or-later */
/* READ ATTRIBUTE and WRITE ATTRIBUTE (SPC-5): the memory chip in the cartridge. One logical volume, one
 * partition.
 */
#include <glib.h>
#include <scsi/sg_unaligned.h>
#include <stdio.h>
#include <string.h>

#include "drive.h"

#define HEADER 5          /* of an attribute: identifier, format, length */
#define MEMORY_SIZE 16384 /* bytes, as in an LTO cartridge from generation 6 on */
#define READ_ONLY 0x80
#define CHANGE_REFERENCE 0x0009

/* ---- Attributes that the drive has a hand in */

static size_t put_number(uint64_t n, size_t size, uint8_t *value)
{
        for (size_t i = 0; i < size; i++)
                value[i] = (uint8_t)(n >> 8 * (size - 1 - i));
        return size;
}

static size_t put_text(const char *text, size_t size, uint8_t *value)
{
        memset(value, ' ', size);
        memcpy(value, text, MIN(strlen(text), size));
        return size;
}

static size_t remaining_capacity(const struct drive *d, uint8_t *value)
{
        uint64_t remaining, maximum;
        drive_capacity(d, &remaining, &maximum);
        return put_number(remaining >> 20, 8, value);
}

static size_t maximum_capacity(const struct drive *d, uint8_t *value)
{
        uint64_t remaining, maximum;
        drive_capacity(d, &remaining, &maximum);
        return put_number(maximum >> 20, 8, value);
}

static size_t tape_alerts(const struct drive *d, uint8_t *value)
{
        uint64_t flags = 0; /* flag 1 is the first bit */
        for (unsigned i = 0; i < 64; i++)
                flags |= (d->tape_alerts >> i & 1) << (63 - i);
        return put_number(flags, 8, value);
}

/* All the attributes there can be take less. */
static size_t space_remaining(const struct drive *d, uint8_t *value)
{
        uint64_t used = 0;
        for (int i = 0; i < MEMORY_ATTRIBUTES; i++)
                if (d->state.attributes[i])
                        used += HEADER + g_bytes_get_size(d->state.attributes[i]);
        return put_number(MEMORY_SIZE - used, 8, value);
}

static size_t change_reference(const struct drive *d, uint8_t *value)
{
        return put_number(d->state.change_reference, 4, value);
}

static size_t written_mib(const struct drive *d, uint8_t *value)
{
        return put_number(d->bytes_written >> 20, 8, value);
}

static size_t read_mib(const struct drive *d, uint8_t *value)
{
        return put_number(d->bytes_read >> 20, 8, value);
}

static size_t manufacturer(const struct drive *d, uint8_t *value)
{
        return put_text(DRIVE_VENDOR, 8, value);
}

static size_t medium_serial(const struct drive *d, uint8_t *value)
{
        char serial[32];
        const char *barcode = d->settings.cartridge.barcode;
        snprintf(serial, sizeof(serial), "RC%08X", g_str_hash(*barcode ? barcode : d->path));
        return put_text(serial, 32, value);
}

static size_t memory_size(const struct drive *d, uint8_t *value)
{
        return put_number(MEMORY_SIZE, 8, value);
}

static size_t medium_type(const struct drive *d, uint8_t *value)
{
        return put_number(d->settings.cartridge.worm ? 0x80 : 0, 1, value); /* write once, data medium */
}

static const struct {
        uint16_t id;
        uint8_t format;
        size_t (*put)(const struct drive *d, uint8_t *value);
} own[] = {
        { 0x0000, MEMORY_BINARY, remaining_capacity },
        { 0x0001, MEMORY_BINARY, maximum_capacity },
        { 0x0002, MEMORY_BINARY, tape_alerts },
        { 0x0004, MEMORY_BINARY, space_remaining },
        { CHANGE_REFERENCE, MEMORY_BINARY, change_reference },
        { 0x0222, MEMORY_BINARY, written_mib },
        { 0x0223, MEMORY_BINARY, read_mib },
        { 0x0400, MEMORY_ASCII, manufacturer },
        { 0x0401, MEMORY_ASCII, medium_serial },
        { 0x0407, MEMORY_BINARY, memory_size },
        { 0x0408, MEMORY_BINARY, medium_type },
};

/* ---- READ ATTRIBUTE */

struct reading {
        const struct drive *d;
        GByteArray *data;
        unsigned first; /* identifier */
        bool found;     /* that very one */
};

static void put_attribute(struct reading *x, uint16_t id, uint8_t format, const void *value, size_t length)
{
        uint8_t header[HEADER];
        if (id < x->first)
                return;
        x->found |= id == x->first;
        sg_put_unaligned_be16(id, header);
        header[2] = format;
        sg_put_unaligned_be16((uint16_t)length, header + 3);
        g_byte_array_append(x->data, header, HEADER);
        g_byte_array_append(x->data, value, (guint)length);
}

/* What the library puts there with a barcode setting counts as written by the host. */
static void put_host_attribute(struct reading *x, unsigned i)
{
        const struct memory_attribute *a = &memory_attributes[i];
        gsize length;
        if (x->d->state.attributes[i]) {
                const void *value = g_bytes_get_data(x->d->state.attributes[i], &length);
                put_attribute(x, a->id, (uint8_t)a->format, value, length);
        } else if (a->id == MEMORY_BARCODE && x->d->settings.cartridge.barcode[0]) {
                uint8_t value[32];
                length = put_text(x->d->settings.cartridge.barcode, sizeof(value), value);
                put_attribute(x, a->id, (uint8_t)a->format, value, length);
        }
}

static void read_values(struct reading *x)
{
        for (size_t i = 0; i < G_N_ELEMENTS(own); i++) {
                uint8_t value[32];
                size_t length = own[i].put(x->d, value);
                put_attribute(x, own[i].id, own[i].format | READ_ONLY, value, length);
        }
        for (unsigned i = 0; i < MEMORY_ATTRIBUTES; i++)
                put_host_attribute(x, i);
}

static void put_id(struct reading *x, uint16_t id)
{
        uint8_t bytes[2];
        if (id < x->first)
                return;
        sg_put_unaligned_be16(id, bytes);
        g_byte_array_append(x->data, bytes, sizeof(bytes));
}

/* supported: those too that could be there. */
static void read_list(struct reading *x, bool supported)
{
        for (size_t i = 0; i < G_N_ELEMENTS(own); i++)
                put_id(x, own[i].id);
        for (unsigned i = 0; i < MEMORY_ATTRIBUTES; i++)
                if (supported || x->d->state.attributes[i] ||
                        (memory_attributes[i].id == MEMORY_BARCODE && x->d->settings.cartridge.barcode[0]))
                        put_id(x, memory_attributes[i].id);
}

static void reply_with_length(struct request *r, GByteArray *data, size_t allocation)
{
        sg_put_unaligned_be32(data->len - 4, data->data);
        request_reply(r, data->data, data->len, allocation);
}

/* SPC-5, READ ATTRIBUTE: the first attribute asked for has to be there. */
static void reply_values(struct drive *d, struct request *r, struct reading *x, size_t allocation)
{
        read_values(x);
        if (!x->found)
                return request_invalid_field(r, 8, 7);
        if (x->first <= CHANGE_REFERENCE)
                d->change_noted = false;
        reply_with_length(r, x->data, allocation);
}

void drive_read_attribute(struct drive *d, struct request *r)
{
        enum { VALUES, LIST, VOLUMES, PARTITIONS, SUPPORTED = 5 };
        static const uint8_t volumes[] = { 0, 2, 0, 1 }, header[4] = { 0 };
        g_autoptr(GByteArray) data = g_byte_array_new();
        struct reading x = { .d = d, .data = data, .first = sg_get_unaligned_be16(r->cdb + 8) };
        size_t allocation = (size_t)sg_get_unaligned_be(4, r->cdb + 10);
        unsigned action = r->cdb[1] & SERVICE_ACTION;
        if (r->cdb[5]) /* logical volume, partition */
                return request_invalid_field(r, 5, 7);
        if (r->cdb[7])
                return request_invalid_field(r, 7, 7);
        g_byte_array_append(data, header, sizeof(header));
        switch (action) {
        case VALUES:
                return reply_values(d, r, &x, allocation);
        case VOLUMES:
        case PARTITIONS:
                return request_reply(r, volumes, sizeof(volumes), allocation);
        default:
                read_list(&x, action == SUPPORTED);
                return reply_with_length(r, data, allocation);
        }
}

/* ---- WRITE ATTRIBUTE */

/* What the list makes of the memory; taken over when all of it is valid. */
struct writing {
        const uint8_t *list;
        size_t length;
        bool touched[MEMORY_ATTRIBUTES];
        GBytes *values[MEMORY_ATTRIBUTES];
};

/* ASCII: SPC-5, 4.3.1: printable, padded with spaces. Text: padded with NULs. */
static bool is_valid_value(const struct memory_attribute *a, const uint8_t *value, size_t length)
{
        if (a->variable ? length > a->length : length != a->length)
                return false;
        for (size_t i = 0; a->format == MEMORY_ASCII && i < length; i++)
                if (value[i] < 0x20 || value[i] > 0x7e)
                        return false;
        return true;
}

/* The attribute at at. Returns where the next one is; 0: invalid, with its sense set. */
static size_t take_attribute(struct request *r, struct writing *w, size_t at, int *last)
{
        const uint8_t *p = w->list + at;
        size_t length;
        if (w->length - at < HEADER || w->length - at - HEADER < (length = sg_get_unaligned_be16(p + 3))) {
                request_fail(r, SENSE_LIST_LENGTH);
                return 0;
        }
        int i = memory_find(sg_get_unaligned_be16(p));
        if (i < 0 || i <= *last) /* SPC-5: in ascending order */
                request_invalid_parameter(r, (unsigned)at, 7);
        else if (p[2] != memory_attributes[i].format)
                request_invalid_parameter(r, (unsigned)at + 2, 7);
        else if (length > 0 && !is_valid_value(&memory_attributes[i], p + HEADER, length))
                request_invalid_parameter(r, (unsigned)at + 3, 7);
        if (r->check)
                return 0;
        w->touched[i] = true;
        if (length > 0) /* 0: the attribute ceases to exist */
                w->values[i] = g_bytes_new(p + HEADER, length);
        *last = i;
        return at + HEADER + length;
}

static void exchange(struct drive *d, struct writing *w)
{
        for (unsigned i = 0; i < MEMORY_ATTRIBUTES; i++)
                if (w->touched[i]) {
                        GBytes *former = d->state.attributes[i];
                        d->state.attributes[i] = w->values[i];
                        w->values[i] = former;
                }
}

static void take_over(struct drive *d, struct request *r, struct writing *w)
{
        drive_state_remember(&d->state, &d->previous_memory);
        exchange(d, w);
        if (drive_state_save(d->path, &d->state) == 0)
                return;
        request_fail(r, SENSE_MEMORY_WRITE_ERROR);
        exchange(d, w);
}

void drive_write_attribute(struct drive *d, struct request *r)
{
        size_t size = (size_t)sg_get_unaligned_be(4, r->cdb + 10), at = 4;
        int last = -1;
        if (r->cdb[5])
                return request_invalid_field(r, 5, 7);
        if (r->cdb[7])
                return request_invalid_field(r, 7, 7);
        if (size == 0 || !request_expect(r, TRANSPORT_OUT, size))
                return;
        if (d->write_protected)
                return request_fail(r, SENSE_WRITE_PROTECTED);
        g_autofree uint8_t *list = g_try_malloc(size);
        struct writing w = { .list = list, .length = size };
        if (!list)
                return request_fail(r, SENSE_INTERNAL_FAILURE);
        request_fetch(r, list, size);
        if (size < 4 || sg_get_unaligned_be(4, list) != size - 4)
                return request_fail(r, SENSE_LIST_LENGTH);
        while (at > 0 && at < size)
                at = take_attribute(r, &w, at, &last);
        if (!r->check)
                take_over(d, r, &w);
        for (unsigned i = 0; i < MEMORY_ATTRIBUTES; i++)
                if (w.values[i])
                        g_bytes_unref(w.values[i]);
}

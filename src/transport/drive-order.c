/* SPDX-License-Identifier: GPL-2.0-or-later */
/* GENERATE and RECEIVE RECOMMENDED ACCESS ORDER (SSC-5): the order in which segments of a tape are reached
 * with the least way, by the model's locate times. User data segments of type 0 only; no binding points. The
 * field for the estimated time stays empty. */
#include <glib.h>
#include <scsi/sg_unaligned.h>
#include <string.h>

#include "drive.h"

#define SEGMENTS_MAX 2730 /* as LTO-9 drives have it */
#define SEGMENT_LENGTH 32
#define HEADER_LENGTH 8

enum { PROCESS_ESTIMATE = 1, PROCESS_REORDER = 2 };

/* A descriptor at byte at of the list; false: what is wrong with it is set. */
static bool take_segment(
        struct drive *d, struct request *r, const uint8_t *list, size_t at, struct serpentine_span *span)
{
        const uint8_t *p = list + at;
        uint64_t first = sg_get_unaligned_be(8, p + 16), last = sg_get_unaligned_be(8, p + 24);
        uint64_t count = cartridge_count(d->cartridge);
        if (sg_get_unaligned_be16(p) != SEGMENT_LENGTH - 2)
                request_invalid_parameter(r, (unsigned)at, 7);
        else if (p[15] != 0) /* partition */
                request_invalid_parameter(r, (unsigned)at + 15, 7);
        else if (last < first || first >= count || last > count)
                request_invalid_parameter(r, (unsigned)at + 24, 7);
        if (r->check)
                return false;
        *span = (struct serpentine_span){ cartridge_place(d->cartridge, first),
                cartridge_place(d->cartridge, MIN(last + 1, count)), at };
        return true;
}

/* The list of the answer: the descriptors of the other, in the order of spans. */
static void keep_list(
        struct drive *d, uint8_t process, const uint8_t *list, const struct serpentine_span *spans, size_t n)
{
        g_byte_array_set_size(d->order, (guint)(HEADER_LENGTH + n * SEGMENT_LENGTH));
        memset(d->order->data, 0, HEADER_LENGTH);
        d->order->data[0] = process;
        sg_put_unaligned_be32((uint32_t)(n * SEGMENT_LENGTH), d->order->data + 4);
        for (size_t i = 0; i < n; i++)
                memcpy(d->order->data + HEADER_LENGTH + i * SEGMENT_LENGTH, list + spans[i].id,
                        SEGMENT_LENGTH);
}

/* Drives without a model think that they are an LTO-9. */
static void make_order(struct drive *d, struct request *r, uint8_t process, const uint8_t *list, size_t n)
{
        g_autofree struct serpentine_span *spans = g_new(struct serpentine_span, n);
        for (size_t i = 0; i < n; i++)
                if (!take_segment(d, r, list, HEADER_LENGTH + i * SEGMENT_LENGTH, &spans[i]))
                        return;
        if (process == PROCESS_REORDER)
                serpentine_order(d->settings.drive ?: serpentine_find("lto9"),
                        cartridge_place(d->cartridge, d->position), spans, n);
        keep_list(d, process, list, spans, n);
}

void drive_generate_order(struct drive *d, struct request *r)
{
        size_t length = (size_t)sg_get_unaligned_be(4, r->cdb + 6), most = SEGMENTS_MAX * SEGMENT_LENGTH;
        uint8_t process = r->cdb[2];
        if (process != PROCESS_ESTIMATE && process != PROCESS_REORDER)
                return request_invalid_field(r, 2, 2);
        if (r->cdb[3])
                return request_invalid_field(r, 3, 2);
        if (length > HEADER_LENGTH + most || (length > 0 && length < HEADER_LENGTH))
                return request_fail(r, SENSE_LIST_LENGTH);
        if (!request_expect(r, TRANSPORT_OUT, length))
                return;
        if (length == 0)
                return keep_list(d, 0, NULL, NULL, 0);
        g_autofree uint8_t *list = g_malloc(length);
        request_fetch(r, list, length);
        size_t n = (length - HEADER_LENGTH) / SEGMENT_LENGTH;
        if (sg_get_unaligned_be(4, list + 4) != n * SEGMENT_LENGTH ||
                length != HEADER_LENGTH + n * SEGMENT_LENGTH)
                return request_invalid_parameter(r, 4, 7);
        make_order(d, r, process, list, n);
}

void drive_receive_order(struct drive *d, struct request *r)
{
        size_t offset = (size_t)sg_get_unaligned_be(4, r->cdb + 2);
        size_t allocation = (size_t)sg_get_unaligned_be(4, r->cdb + 6);
        uint8_t limits[4];
        if (r->cdb[10])
                return request_invalid_field(r, 10, 2);
        if (r->cdb[1] & 0x80) {
                sg_put_unaligned_be16(SEGMENTS_MAX, limits);
                sg_put_unaligned_be16(SEGMENT_LENGTH, limits + 2);
                return request_reply(r, limits, sizeof(limits), allocation);
        }
        if (d->order->len == 0)
                keep_list(d, 0, NULL, NULL, 0);
        if (offset > d->order->len || offset % 4)
                return request_invalid_field(r, 2, 7);
        request_reply(r, d->order->data + offset, d->order->len - offset, allocation);
}

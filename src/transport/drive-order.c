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
#define IMPROVE_MAX 1000 /* segments; for more of them it would take too long */
#define IMPROVE_PASSES 4

enum { PROCESS_ESTIMATE = 1, PROCESS_REORDER = 2 };

struct segment {
        uint8_t descriptor[SEGMENT_LENGTH];
        uint64_t from, to; /* places */
};

/* Drives without a model think that they are an LTO-9. */
static const struct serpentine_drive *tape_of(const struct drive *d)
{
        return d->settings.drive ?: serpentine_find("lto9");
}

static double cost(const struct serpentine_drive *s, const struct segment *a, const struct segment *b)
{
        return b ? serpentine_reach(s, a->to, b->from) : 0;
}

/* Always to the one that is reached first. all[0] is where the tape is. */
static void nearest_first(const struct serpentine_drive *s, struct segment *all, size_t n)
{
        for (size_t i = 1; i + 1 < n; i++) {
                size_t best = i;
                double least = cost(s, &all[i - 1], &all[i]);
                for (size_t k = i + 1; k < n; k++) {
                        double c = cost(s, &all[i - 1], &all[k]);
                        if (c < least) {
                                least = c;
                                best = k;
                        }
                }
                struct segment next = all[best];
                all[best] = all[i];
                all[i] = next;
        }
}

static void move(struct segment *all, size_t from, size_t to)
{
        struct segment moved = all[from];
        if (from < to)
                memmove(&all[from], &all[from + 1], (to - from) * sizeof(*all));
        else
                memmove(&all[to + 1], &all[to], (from - to) * sizeof(*all));
        all[to] = moved;
}

/* What taking segment i out of its place saves, putting it between k and the one behind it. */
static double gain(const struct serpentine_drive *s, const struct segment *all, size_t n, size_t i, size_t k)
{
        const struct segment *after = i + 1 < n ? &all[i + 1] : NULL,
                             *behind = k + 1 < n ? &all[k + 1] : NULL;
        double now = cost(s, &all[i - 1], &all[i]) + cost(s, &all[i], after) + cost(s, &all[k], behind);
        double then = cost(s, &all[k], &all[i]) + cost(s, &all[i], behind) + cost(s, &all[i - 1], after);
        return now - then;
}

/* Moves single segments to where they make the way shorter. */
static bool improve(const struct serpentine_drive *s, struct segment *all, size_t n)
{
        bool better = false;
        for (size_t i = 1; i < n; i++)
                for (size_t k = 0; k < n; k++) {
                        if (k == i || k + 1 == i || gain(s, all, n, i, k) < 0.001)
                                continue;
                        move(all, i, k < i ? k + 1 : k);
                        better = true;
                        break;
                }
        return better;
}

static void reorder(const struct drive *d, struct segment *all, size_t n)
{
        const struct serpentine_drive *s = tape_of(d);
        nearest_first(s, all, n);
        for (unsigned pass = 0; n <= IMPROVE_MAX && pass < IMPROVE_PASSES && improve(s, all, n); pass++)
                continue;
}

/* Byte 0 to 31 of a descriptor; sets what is wrong. */
static bool take_segment(
        struct drive *d, struct request *r, size_t at, const uint8_t *p, struct segment *segment)
{
        uint64_t first = sg_get_unaligned_be(8, p + 16), last = sg_get_unaligned_be(8, p + 24);
        uint64_t count = cartridge_count(d->cartridge);
        if (sg_get_unaligned_be16(p) != SEGMENT_LENGTH - 2)
                request_invalid_parameter(r, (unsigned)at, 7);
        else if (p[15] != 0)
                request_invalid_parameter(r, (unsigned)at + 15, 7);
        else if (last < first || first >= count || last > count)
                request_invalid_parameter(r, (unsigned)at + 24, 7);
        if (r->check)
                return false;
        memcpy(segment->descriptor, p, SEGMENT_LENGTH);
        segment->from = cartridge_place(d->cartridge, first);
        segment->to = cartridge_place(d->cartridge, MIN(last + 1, count));
        return true;
}

static void keep_list(struct drive *d, const struct segment *all, size_t n, uint8_t process)
{
        g_byte_array_set_size(d->order, (guint)(HEADER_LENGTH + n * SEGMENT_LENGTH));
        memset(d->order->data, 0, HEADER_LENGTH);
        d->order->data[0] = process;
        sg_put_unaligned_be32((uint32_t)(n * SEGMENT_LENGTH), d->order->data + 4);
        for (size_t i = 0; i < n; i++)
                memcpy(d->order->data + HEADER_LENGTH + i * SEGMENT_LENGTH, all[i].descriptor,
                        SEGMENT_LENGTH);
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
                return keep_list(d, NULL, 0, 0);
        g_autofree uint8_t *data = g_malloc(length);
        request_fetch(r, data, length);
        size_t n = (length - HEADER_LENGTH) / SEGMENT_LENGTH;
        if (sg_get_unaligned_be(4, data + 4) != n * SEGMENT_LENGTH ||
                length != HEADER_LENGTH + n * SEGMENT_LENGTH)
                return request_invalid_parameter(r, 4, 7);
        g_autofree struct segment *all = g_new0(struct segment, n + 1);
        all[0].to = cartridge_place(d->cartridge, d->position);
        for (size_t i = 0, at = HEADER_LENGTH; i < n; i++, at += SEGMENT_LENGTH)
                if (!take_segment(d, r, at, data + at, &all[i + 1]))
                        return;
        if (process == PROCESS_REORDER)
                reorder(d, all, n + 1);
        keep_list(d, all + 1, n, process);
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
                keep_list(d, NULL, 0, 0);
        if (offset > d->order->len || offset % 4)
                return request_invalid_field(r, 2, 7);
        request_reply(r, d->order->data + offset, d->order->len - offset, allocation);
}

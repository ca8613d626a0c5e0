/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <glib.h>
#include <string.h>

#include <reelfs/hash.h>

#define PARTS_FIRST 4

static uint64_t end_of(const struct hash_part *part)
{
        return part->offset + part->length;
}

/* Index of the first part that ends behind offset. */
static unsigned seek(const struct hash_parts *p, uint64_t offset)
{
        unsigned low = 0, high = p->n;
        while (low < high) {
                unsigned mid = low + (high - low) / 2;
                if (end_of(&p->part[mid]) <= offset)
                        low = mid + 1;
                else
                        high = mid;
        }
        return low;
}

void hash_parts_clear(struct hash_parts *p)
{
        g_free(p->part);
        *p = (struct hash_parts){ 0 };
}

bool hash_parts_have(const struct hash_parts *p, uint64_t offset, uint64_t length)
{
        unsigned i = seek(p, offset);
        return i < p->n && p->part[i].offset <= offset && length <= end_of(&p->part[i]) - offset;
}

bool hash_parts_unknown(const struct hash_parts *p, uint64_t *offset, uint64_t end, uint64_t *length)
{
        unsigned i = seek(p, *offset);
        for (; i < p->n && p->part[i].offset <= *offset; i++)
                *offset = end_of(&p->part[i]);
        if (*offset >= end)
                return false;
        *length = (i < p->n ? MIN(p->part[i].offset, end) : end) - *offset;
        return true;
}

static void drop(struct hash_parts *p, unsigned first, unsigned n)
{
        memmove(p->part + first, p->part + first + n, (p->n - first - n) * sizeof(*p->part));
        p->n -= n;
}

void hash_parts_forget(struct hash_parts *p, uint64_t offset, uint64_t length)
{
        unsigned first = seek(p, offset), last = first;
        while (last < p->n && (p->part[last].offset < offset || p->part[last].offset - offset < length))
                last++;
        if (last > first)
                drop(p, first, last - first);
}

static bool grow(struct hash_parts *p)
{
        if (p->n < p->max)
                return true;
        unsigned max = MAX(2 * p->max, PARTS_FIRST);
        struct hash_part *part = max > HASH_PARTS_MAX ? NULL : g_try_renew(struct hash_part, p->part, max);
        if (!part)
                return false;
        p->part = part;
        p->max = max;
        return true;
}

/* Part i and the one behind it become one, if they are neighbours. */
static void join(struct hash_parts *p, unsigned i)
{
        struct hash_part *a = &p->part[i], *b = a + 1;
        if (i + 1 >= p->n || end_of(a) != b->offset)
                return;
        a->crc = hash_crc_join(a->crc, b->crc, b->length);
        a->length += b->length;
        drop(p, i + 1, 1);
}

void hash_parts_put(struct hash_parts *p, uint64_t offset, uint64_t length, uint32_t crc)
{
        unsigned i = seek(p, offset);
        struct hash_part *before = i > 0 ? &p->part[i - 1] : NULL;
        if (length == 0)
                return;
        if (before && end_of(before) == offset) {
                before->crc = hash_crc_join(before->crc, crc, length);
                before->length += length;
                join(p, i - 1);
                return;
        }
        struct hash_part *behind = i < p->n ? &p->part[i] : NULL;
        if (behind && behind->offset == offset + length) {
                behind->crc = hash_crc_join(crc, behind->crc, behind->length);
                behind->offset = offset;
                behind->length += length;
                return;
        }
        if (!grow(p))
                return;
        memmove(p->part + i + 1, p->part + i, (p->n - i) * sizeof(*p->part));
        p->part[i] = (struct hash_part){ offset, length, crc };
        p->n++;
}

void hash_parts_put_data(struct hash_parts *p, uint64_t offset, const void *data, size_t size)
{
        unsigned i = seek(p, offset);
        struct hash_part *before = i > 0 ? &p->part[i - 1] : NULL;
        if (!before || end_of(before) != offset) {
                hash_parts_put(p, offset, size, hash_crc(0, data, size));
                return;
        }
        before->crc = hash_crc(before->crc, data, size);
        before->length += size;
        join(p, i - 1);
}

/* The CRC is linear: what a difference does to it depends only on how far from the end it is. */
void hash_parts_change(struct hash_parts *p, uint64_t offset, uint64_t length, uint32_t old, uint32_t new)
{
        struct hash_part *part = &p->part[seek(p, offset)];
        part->crc ^= hash_crc_join(old ^ new, 0, end_of(part) - (offset + length));
}

bool hash_parts_sum(const struct hash_parts *p, uint64_t size,
        bool (*hole)(void *ctx, uint64_t offset, uint64_t length), void *ctx, uint32_t *crc)
{
        uint64_t at = 0;
        uint32_t sum = 0;
        for (unsigned i = 0; i <= p->n; i++) {
                struct hash_part next = i < p->n ? p->part[i] : (struct hash_part){ size, 0, 0 };
                if (next.offset < at || end_of(&next) > size)
                        return false;
                uint64_t gap = next.offset - at;
                if (gap > 0 && !hole(ctx, at, gap))
                        return false;
                if (gap > 0)
                        sum = hash_crc_join(sum, hash_crc_zeros(gap), gap);
                sum = hash_crc_join(sum, next.crc, next.length);
                at = end_of(&next);
        }
        *crc = sum;
        return true;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <glib.h>

#include "frame.h"
#include "object-index.h"

/* An entry is the object's offset and these. */
#define ENTRY_FILEMARK (UINT64_C(1) << 63)
#define ENTRY_BAD (UINT64_C(1) << 62)
#define ENTRY_ODD (UINT64_C(1) << 61)       /* one byte of padding follows the data */
#define ENTRY_AFTER_GAP (UINT64_C(1) << 60) /* an erase gap lies before the object */
#define ENTRY_OFFSET (ENTRY_AFTER_GAP - 1)

int object_index_init(struct object_index *ix)
{
        *ix = (struct object_index){ 0 };
        int r = object_index_reserve(ix, 1);
        if (r == 0)
                ix->entries[0] = 0;
        return r;
}

void object_index_free(struct object_index *ix)
{
        g_free(ix->entries);
        *ix = (struct object_index){ 0 };
}

int object_index_reserve(struct object_index *ix, size_t n)
{
        size_t need = ix->count + 1 + n;
        if (need <= ix->room)
                return 0;
        size_t room = MAX(MAX(need, 2 * ix->room), 64);
        uint64_t *entries = g_try_renew(uint64_t, ix->entries, room);
        if (!entries)
                return -ENOMEM;
        ix->entries = entries;
        ix->room = room;
        return 0;
}

void object_index_push(struct object_index *ix, enum object_kind kind, uint32_t length, uint64_t end)
{
        uint64_t flags = kind == OBJECT_FILEMARK ? ENTRY_FILEMARK : kind == OBJECT_BAD_RECORD ? ENTRY_BAD : 0;
        ix->entries[ix->count] |= flags | (length & 1 ? ENTRY_ODD : 0);
        ix->entries[++ix->count] = end;
}

void object_index_skip_gap(struct object_index *ix, uint64_t end)
{
        ix->entries[ix->count] = end | ENTRY_AFTER_GAP;
}

void object_index_truncate(struct object_index *ix, size_t count)
{
        ix->count = count;
        ix->entries[count] &= ENTRY_OFFSET | ENTRY_AFTER_GAP;
}

enum object_kind object_index_kind(const struct object_index *ix, size_t object)
{
        uint64_t entry = ix->entries[object];
        return entry & ENTRY_FILEMARK ? OBJECT_FILEMARK
                : entry & ENTRY_BAD   ? OBJECT_BAD_RECORD
                                      : OBJECT_RECORD;
}

uint64_t object_index_offset(const struct object_index *ix, size_t object)
{
        return ix->entries[object] & ENTRY_OFFSET;
}

bool object_index_gap_after(const struct object_index *ix, size_t object)
{
        return ix->entries[object + 1] & ENTRY_AFTER_GAP;
}

uint32_t object_index_length(const struct object_index *ix, size_t object)
{
        uint64_t entry = ix->entries[object];
        if (entry & ENTRY_FILEMARK)
                return 0;
        uint64_t stride = object_index_offset(ix, object + 1) - (entry & ENTRY_OFFSET);
        return (uint32_t)(stride - FRAME_OVERHEAD - (entry & ENTRY_ODD ? 1 : 0));
}

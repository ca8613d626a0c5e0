/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <reelfs/hash.h>

#include "tree-private.h"

/* Of an inode: sorted by file offset, not overlapping, and none continues the one before it. All ends are at
 * most INT64_MAX, which loff_t holds. */

#define MANY_MIN 4

static uint64_t end_of(const struct tree_extent *e)
{
        return e->file_offset + e->length;
}

static bool continues(const struct tree_extent *a, const struct tree_extent *b)
{
        return a->segment == b->segment && end_of(a) == b->file_offset && a->offset + a->length == b->offset;
}

/* Where there may be room for one more at the end of list: joins or appends. */
static void append(struct tree_extent *list, size_t *n, const struct tree_extent *e)
{
        if (*n > 0 && continues(&list[*n - 1], e))
                list[*n - 1].length += e->length;
        else
                list[(*n)++] = *e;
}

/* The part of e in [start, end), which it meets. */
static struct tree_extent cut(const struct tree_extent *e, uint64_t start, uint64_t end)
{
        uint64_t from = MAX(e->file_offset, start), to = MIN(end_of(e), end);
        return (struct tree_extent){ from, to - from, e->segment, e->offset + (from - e->file_offset) };
}

/* Index of the first extent that ends behind offset. */
static size_t seek_extent(struct inode *inode, uint64_t offset)
{
        const struct tree_extent *e = inode_extents(inode);
        size_t low = 0, high = inode->n_extents;
        while (low < high) {
                size_t mid = low + (high - low) / 2;
                if (end_of(&e[mid]) <= offset)
                        low = mid + 1;
                else
                        high = mid;
        }
        return low;
}

static int resize(Tree *t, struct inode *inode, size_t max)
{
        size_t old_size = inode->max_extents * sizeof(struct tree_extent);
        struct tree_extent *many = max > UINT32_MAX
                ? NULL
                : tree_realloc(t, inode->max_extents > 0 ? inode->many : NULL, old_size, max * sizeof(*many));
        if (!many)
                return -ENOMEM;
        if (inode->max_extents == 0)
                many[0] = inode->one;
        inode->many = many;
        inode->max_extents = (uint32_t)max;
        return 0;
}

static int reserve(Tree *t, struct inode *inode, size_t n)
{
        if (n <= MAX(inode->max_extents, 1))
                return 0;
        return resize(t, inode, MAX(MAX(n, MANY_MIN), inode->max_extents + (size_t)inode->max_extents / 2));
}

static void give_back(Tree *t, struct inode *inode)
{
        size_t n = inode->n_extents, max = inode->max_extents;
        if (max > 0 && n <= 1) {
                struct tree_extent one = n > 0 ? inode->many[0] : (struct tree_extent){ 0 };
                extents_free(t, inode);
                inode->one = one;
                inode->n_extents = (uint32_t)n;
                t->counts.extents += n;
        } else if (n + MANY_MIN < max / 4) {
                resize(t, inode, n + MANY_MIN);
        }
}

void extents_free(Tree *t, struct inode *inode)
{
        if (inode->max_extents > 0)
                tree_release(t, inode->many, inode->max_extents * sizeof(struct tree_extent));
        t->counts.extents -= inode->n_extents;
        inode->n_extents = inode->max_extents = 0;
        inode->one = (struct tree_extent){ 0 };
}

static void set_number(Tree *t, struct inode *inode, size_t n)
{
        t->counts.extents += n - inode->n_extents;
        inode->n_extents = (uint32_t)n;
        give_back(t, inode);
}

static uint64_t sum(const struct tree_extent *e, size_t n)
{
        uint64_t bytes = 0;
        for (size_t i = 0; i < n; i++)
                bytes += e[i].length;
        return bytes;
}

/* pieces takes the place of removed extents from first on. */
static int splice(Tree *t, struct inode *inode, size_t first, size_t removed,
        const struct tree_extent *pieces, size_t n)
{
        size_t behind = inode->n_extents - first - removed;
        int r = reserve(t, inode, first + n + behind);
        if (r < 0)
                return r;
        struct tree_extent *at = inode_extents(inode) + first;
        inode->mapped += sum(pieces, n) - sum(at, removed);
        memmove(at + n, at + removed, behind * sizeof(*at));
        memcpy(at, pieces, n * sizeof(*at));
        set_number(t, inode, first + n + behind);
        return 0;
}

/* [start, end) becomes e, or a hole if that is NULL. */
static int replace(Tree *t, struct inode *inode, uint64_t start, uint64_t end, const struct tree_extent *e)
{
        const struct tree_extent *all = inode_extents(inode);
        size_t first = seek_extent(inode, start), last = first, n = 0;
        struct tree_extent pieces[3]; /* what stays before, e, what stays behind */

        if (first < inode->n_extents && all[first].file_offset < start)
                pieces[n++] = cut(&all[first], 0, start);
        else if (first > 0 && e && continues(&all[first - 1], e))
                pieces[n++] = all[--first];
        while (last < inode->n_extents && all[last].file_offset < end)
                last++;
        if (e)
                append(pieces, &n, e);
        if (last > 0 && end_of(&all[last - 1]) > end) {
                struct tree_extent rest = cut(&all[last - 1], end, UINT64_MAX);
                append(pieces, &n, &rest);
        } else if (e && last < inode->n_extents && continues(e, &all[last])) {
                append(pieces, &n, &all[last++]);
        }
        return splice(t, inode, first, last - first, pieces, n);
}

int tree_put_extent(Tree *tree, uint64_t ino, const struct tree_extent *e, int64_t now)
{
        uint64_t end, segment_end;
        if (__builtin_add_overflow(e->file_offset, e->length, &end) || end > INT64_MAX ||
                __builtin_add_overflow(e->offset, e->length, &segment_end))
                return -EFBIG;
        if (e->length == 0 || e->segment == 0)
                return -EINVAL;
        autounlock Tree *t = tree_lock(tree);
        struct inode *inode;
        int r = inode_get_file(t, ino, &inode);
        if (r == 0)
                r = replace(t, inode, e->file_offset, end, e);
        if (r < 0)
                return r;
        if (end > inode->size)
                inode_set_size(t, inode, end);
        inode_changed(t, inode, true, now);
        return 0;
}

int tree_truncate(Tree *tree, uint64_t ino, uint64_t size, int64_t now)
{
        if (size > INT64_MAX)
                return -EFBIG;
        autounlock Tree *t = tree_lock(tree);
        struct inode *inode;
        int r = inode_get_file(t, ino, &inode);
        if (r == 0)
                r = replace(t, inode, size, INT64_MAX, NULL);
        if (r < 0)
                return r;
        uint64_t old = inode->size;
        bool has_crc = inode->has_crc32 && size >= old;
        inode_set_size(t, inode, size);
        inode_changed(t, inode, true, now);
        if (has_crc) {
                inode->crc32 = hash_crc_join(inode->crc32, hash_crc_zeros(size - old), size - old);
                inode->has_crc32 = true;
        }
        return 0;
}

int tree_punch(Tree *tree, uint64_t ino, uint64_t offset, uint64_t length, int64_t now)
{
        autounlock Tree *t = tree_lock(tree);
        struct inode *inode;
        int r = inode_get_file(t, ino, &inode);
        if (r < 0)
                return r;
        uint64_t end;
        if (__builtin_add_overflow(offset, length, &end))
                end = UINT64_MAX;
        r = replace(t, inode, offset, end, NULL);
        if (r < 0)
                return r;
        inode_changed(t, inode, true, now);
        return 0;
}

int tree_map(Tree *tree, uint64_t ino, uint64_t offset, uint64_t length, struct tree_extent *map, size_t max,
        size_t *n, uint64_t *size)
{
        autounlock Tree *t = tree_lock(tree);
        struct inode *inode;
        int r = inode_get_file(t, ino, &inode);
        if (r < 0)
                return r;
        uint64_t end;
        if (__builtin_add_overflow(offset, length, &end))
                end = UINT64_MAX;
        const struct tree_extent *e = inode_extents(inode);
        *n = 0;
        for (size_t i = seek_extent(inode, offset); i < inode->n_extents && *n < max; i++) {
                if (e[i].file_offset >= end)
                        break;
                map[(*n)++] = cut(&e[i], offset, end);
        }
        if (size)
                *size = inode->size;
        return 0;
}

int tree_extents(Tree *tree, uint64_t ino, struct tree_extent **extents, size_t *n)
{
        autounlock Tree *t = tree_lock(tree);
        struct inode *inode;
        int r = inode_get_file(t, ino, &inode);
        if (r < 0)
                return r;
        struct tree_extent *copy = g_try_new(struct tree_extent, MAX(inode->n_extents, 1));
        if (!copy)
                return -ENOMEM;
        memcpy(copy, inode_extents(inode), inode->n_extents * sizeof(*copy));
        *extents = copy;
        *n = inode->n_extents;
        return 0;
}

int tree_relocate(
        Tree *tree, uint64_t ino, uint64_t segment, void (*move)(void *ctx, struct tree_extent *e), void *ctx)
{
        autounlock Tree *t = tree_lock(tree);
        struct inode *inode;
        int r = inode_get_file(t, ino, &inode);
        if (r < 0)
                return r;
        struct tree_extent *e = inode_extents(inode);
        bool moved = false;
        size_t n = 0;
        for (size_t i = 0; i < inode->n_extents; i++) {
                struct tree_extent place = e[i];
                if (place.segment == segment) {
                        move(ctx, &place);
                        place.file_offset = e[i].file_offset;
                        place.length = e[i].length;
                        moved = true;
                }
                append(e, &n, &place);
        }
        set_number(t, inode, n);
        /* The same bytes: who has been told of them in an index knows where they are. */
        if (moved && inode->nlink > 0)
                t->changes++;
        return 0;
}

int tree_seek(Tree *tree, uint64_t ino, uint64_t offset, int whence, uint64_t *found)
{
        if (whence != SEEK_DATA && whence != SEEK_HOLE)
                return -EINVAL;
        autounlock Tree *t = tree_lock(tree);
        struct inode *inode;
        int r = inode_get_file(t, ino, &inode);
        if (r < 0)
                return r;
        if (offset >= inode->size)
                return -ENXIO;
        const struct tree_extent *e = inode_extents(inode);
        size_t i = seek_extent(inode, offset);
        if (whence == SEEK_DATA) {
                if (i == inode->n_extents)
                        return -ENXIO;
                *found = MAX(offset, e[i].file_offset);
                return 0;
        }
        for (; i < inode->n_extents && e[i].file_offset <= offset; i++)
                offset = end_of(&e[i]);
        *found = offset;
        return 0;
}

static int compare(const void *a, const void *b)
{
        const struct tree_extent *x = a, *y = b;
        return x->file_offset < y->file_offset ? -1 : x->file_offset > y->file_offset;
}

static bool is_sorted(const struct tree_extent *e, size_t n)
{
        for (size_t i = 1; i < n; i++)
                if (e[i].file_offset < e[i - 1].file_offset)
                        return false;
        return true;
}

/* Of sorted extents. */
static int check(const struct tree_extent *e, size_t n, uint64_t size)
{
        uint64_t previous_end = 0, end, segment_end;
        for (size_t i = 0; i < n; i++) {
                if (e[i].length == 0 || e[i].segment == 0 || e[i].file_offset < previous_end)
                        return -EINVAL;
                if (__builtin_add_overflow(e[i].file_offset, e[i].length, &end) || end > size)
                        return -EINVAL;
                if (__builtin_add_overflow(e[i].offset, e[i].length, &segment_end))
                        return -EINVAL;
                previous_end = end;
        }
        return 0;
}

int extents_load(Tree *t, struct inode *inode, const struct tree_extent *extents, size_t n)
{
        if (n == 0)
                return 0;
        int r = reserve(t, inode, n);
        if (r < 0)
                return r;
        struct tree_extent *e = inode_extents(inode);
        memcpy(e, extents, n * sizeof(*e));
        if (!is_sorted(e, n))
                qsort(e, n, sizeof(*e), compare);
        r = check(e, n, inode->size);
        if (r < 0)
                return r;
        size_t joined = 0;
        for (size_t i = 0; i < n; i++) {
                struct tree_extent next = e[i];
                append(e, &joined, &next);
        }
        inode->mapped = sum(e, joined);
        set_number(t, inode, joined);
        return 0;
}

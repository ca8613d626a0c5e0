/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* Segments for a volume on a virtual drive, and what comes back of them. */
#include <reelfs/pack.h>

#include "../../src/volume/segments.h"
#include "tape-file.h"

/* ---- Segments */

static const struct tree_attr attr = { .size = 1000,
        .mode = S_IFREG | 04751,
        .uid = 1234,
        .gid = 4000000000,
        .times = { .btime = 5, .mtime = 5, .atime = -1500000000, .ctime = 7 } };

static inline void pack_begin(struct rig *r, GByteArray *b, uint64_t *id)
{
        *id = volume_segment_new(r->v, SEGMENT_PACK);
        volume_pack_head(r->v, *id, b);
}

static inline void pack_add(GByteArray *b, const char *path, const char *link, uint64_t size, uint32_t seed)
{
        struct tree_attr a = attr;
        a.size = size;
        const struct pack_member m = { path, link, &a, NULL, 0 };
        pack_put_member(b, &m);
        if (link)
                return;
        g_autofree uint8_t *data = pattern(size, seed);
        memset(data + size, 0, 1);
        g_byte_array_append(b, data, (guint)size);
        for (size_t i = pack_filling(size); i > 0; i--)
                g_byte_array_append(b, (const uint8_t *)"", 1);
}

static inline void write_segment(struct rig *r, uint64_t id, const GByteArray *b, bool last)
{
        struct iovec iov = { b->data, b->len };
        g_assert_cmpint(volume_append(r->v, id, &iov, 1, last), ==, 0);
}

/* A pack of one file. */
static inline uint64_t write_pack(struct rig *r, const char *path, uint64_t size, uint32_t seed)
{
        uint64_t id;
        g_autoptr(GByteArray) b = g_byte_array_new();
        pack_begin(r, b, &id);
        pack_add(b, path, NULL, size, seed);
        pack_put_end(b);
        write_segment(r, id, b, true);
        return id;
}

static inline void write_bytes(struct rig *r, const void *data, size_t length, bool last)
{
        g_autoptr(GByteArray) b = g_byte_array_new();
        g_byte_array_append(b, data, (guint)length);
        write_segment(r, volume_segment_new(r->v, SEGMENT_FILE), b, last);
}

/* The bytes of a segment that is on the tape. */
static inline GByteArray *read_segment(struct rig *r, uint64_t id)
{
        GByteArray *b = g_byte_array_new();
        struct segment s;
        size_t n;
        g_assert_cmpint(volume_segment_get(r->v, id, &s), ==, 0);
        g_byte_array_set_size(b, (guint)(segment_blocks(s.length, r->block) * r->block));
        for (size_t at = 0; at < s.length; at += n)
                g_assert_cmpint(volume_read(r->v, id, at, b->data + at, r->block, &n), ==, 0);
        b->len = (guint)s.length;
        return b;
}

/* ---- What comes back */

static inline void get(struct rig *r, const char *path, struct tree_attr *a)
{
        if (tree_resolve(r->tree, path, a) < 0)
                g_error("there is no %s", path);
        tree_unref(r->tree, a->ino, 1);
}

/* The file has size bytes that seed determines, wherever they are. */
static inline void verify(struct rig *r, const char *path, size_t size, uint32_t seed)
{
        struct tree_attr a;
        struct tree_extent e;
        size_t n;
        get(r, path, &a);
        g_assert_cmpuint(a.size, ==, size);
        if (size == 0)
                return;
        g_assert_cmpint(tree_map(r->tree, a.ino, 0, size, &e, 1, &n, NULL), ==, 0);
        g_assert_cmpuint(n, ==, 1);
        g_assert_cmpuint(e.length, ==, size);
        g_autoptr(GByteArray) b = read_segment(r, e.segment);
        g_autofree uint8_t *data = pattern(size, seed);
        g_assert_cmpuint(e.offset + size, <=, b->len);
        g_assert_true(memcmp(b->data + e.offset, data, size) == 0);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* Indexes into memory and back, for tests of the codec. */
#include <errno.h>

#include "../../src/volume/index.h"
#include "volume-helpers.h"

#define BLOCK 4096

/* ---- Encoding into memory */

static const struct label test_label = {
        .volume_id = "ABC123",
        .major = LABEL_VERSION_MAJOR,
        .minor = LABEL_VERSION_MINOR,
        .creator = "reelfs test",
        .format_time = 1700000000123456789,
        .uuid = "01234567-89ab-4def-8123-456789abcdef",
        .profile = "reel",
        .name = "Archive <1> & \"more\"",
        .block_length = BLOCK,
        .compression = true,
        .partition = "a",
        .key = { 1, 2, 3, 0xfe },
};

/* Segments 1 (an index), 2 (file, 10 blocks and a bit), 3 (queued), 5 (pack), and 6, the index being written.
 */
static inline void make_table(struct segment_table *table)
{
        struct segment *s;
        *table = (struct segment_table){ 0 };
        segments_add(table, 1, SEGMENT_INDEX, &s);
        segments_place(table, s, 4, 2);
        s->length = 1000;
        segments_add(table, 2, SEGMENT_FILE, &s);
        segments_place(table, s, 6, 3);
        s->length = 10 * BLOCK + 17;
        segments_add(table, 3, SEGMENT_FILE, NULL);
        segments_add(table, 5, SEGMENT_PACK, &s);
        segments_place(table, s, 18, 4);
        s->length = 100 * BLOCK;
        segments_add(table, 6, SEGMENT_INDEX, &s);
        segments_place(table, s, 119, 5);
        for (size_t i = 0; i < table->n; i++)
                table->all[i].state = table->all[i].first_block ? SEGMENT_SYNCED : SEGMENT_QUEUED;
}

static inline bool next_segment(void *ctx, uint64_t after, struct segment *s)
{
        const struct segment *next = segments_next(ctx, after);
        if (next)
                *s = *next;
        return next != NULL;
}

static inline void place(void *ctx, const struct tree_extent *e, struct index_place *p)
{
        const struct segment *s = segments_find(ctx, e->segment);
        *p = (struct index_place){ .lost = s && s->state == SEGMENT_LOST };
        if (!s || s->first_block == 0 || e->offset >= s->length)
                return;
        p->usable = MIN(e->length, s->length - e->offset);
        p->block = s->first_block + e->offset / BLOCK;
        p->byte_offset = e->offset % BLOCK;
}

static inline int append(void *ctx, const char *data, size_t length)
{
        g_string_append_len(ctx, data, (gssize)length);
        return 0;
}

/* Segments for a table, but for those that another one has already. */
struct encode_segments {
        const struct segment_table *all, *known;
};

static inline bool next_unknown_segment(void *ctx, uint64_t after, struct segment *s)
{
        const struct encode_segments *e = ctx;
        do {
                if (!next_segment((void *)e->all, after, s))
                        return false;
                after = s->id;
        } while (e->known && segments_find(e->known, s->id));
        return true;
}

static inline void place_all(void *ctx, const struct tree_extent *e, struct index_place *p)
{
        const struct encode_segments *segments = ctx;
        place((void *)segments->all, e, p);
}

/* scope: what of the tree; known: the segments that need not be told, or NULL. */
static inline GString *encode_scope(Tree *tree, enum tree_scope scope, const struct segment_table *table,
        const struct segment_table *known, bool compact, struct index_result *result)
{
        char buf[100]; /* small, so that every element crosses its end somewhere */
        GString *text = g_string_new(NULL);
        struct encode_segments segments = { table, known };
        struct index_head head = { .segment = 6,
                .creator = "me & you",
                .generation = 7,
                .update_time = 1234567890123456789,
                .block = 119,
                .previous_block = 4,
                .incremental = scope != TREE_ALL,
                .previous_incremental = scope == TREE_SINCE_LAST ? 18 : 0,
                .highest_fileuid = tree_highest_fileuid(tree) };
        memcpy(head.uuid, test_label.uuid, sizeof(head.uuid));
        memset(head.token, 'a', TOKEN_HEX_LENGTH);
        struct output out = { .buf = buf, .size = sizeof(buf), .flush = append, .ctx = text };
        const struct index_source source = { .head = &head,
                .label = &test_label,
                .tree = tree,
                .scope = scope,
                .compact = compact,
                .segment = next_unknown_segment,
                .place = place_all,
                .ctx = &segments };
        g_assert_cmpint(index_write(&source, &out, result), ==, 0);
        g_string_append_len(text, buf, (gssize)out.used);
        g_assert_cmpuint(text->len, ==, out.total);
        return text;
}

static inline GString *encode_with(
        Tree *tree, struct segment_table *table, bool compact, struct index_result *result)
{
        return encode_scope(tree, TREE_ALL, table, NULL, compact, result);
}

static inline GString *encode(Tree *tree, bool compact)
{
        struct segment_table table;
        struct index_result result;
        make_table(&table);
        GString *text = encode_with(tree, &table, compact, &result);
        g_assert_cmpuint(result.cut, ==, 0);
        segments_clear(&table);
        return text;
}

/* ---- Decoding */

/* Pieces of this size; 0: of random sizes. why (may be NULL): of a failure. An incremental index is applied
 * to tree and table; both are as they may be after an error. */
static inline int decode_into(struct segment_table *table, Tree *tree, const char *text, size_t length,
        size_t piece, struct index_head *head, char **why)
{
        IndexReader *r;
        struct index_head unwanted;
        g_assert_cmpint(index_reader_new(BLOCK, table, tree, &r), ==, 0);
        int error = 0;
        while (length > 0 && error == 0) {
                size_t wanted = piece ? piece : (size_t)g_random_int_range(1, 300), n = MIN(length, wanted);
                error = index_reader_feed(r, text, n);
                text += n;
                length -= n;
        }
        if (error == 0)
                error = index_reader_finish(r, head ? head : &unwanted);
        if (why)
                *why = g_strdup(index_reader_why(r));
        index_reader_free(r);
        return error;
}

static inline int decode(
        const char *text, size_t length, size_t piece, Tree **tree, struct index_head *head, char **why)
{
        struct segment_table table = { 0 };
        *tree = tree_new();
        int error = decode_into(&table, *tree, text, length, piece, head, why);
        segments_clear(&table);
        return error;
}

/* ---- A tree that incremental indexes change */

/* Segments as make_table has them. */
static inline Tree *make_base(struct segment_table *table)
{
        struct tree_attr a;
        Tree *t = tree_new();
        make_table(table);
        uint64_t d = make_dir(t, TREE_ROOT, "d"), e = make_dir(t, d, "e"), f = make_file(t, e, "f");
        make_file(t, d, "empty");
        make(t, TREE_ROOT, "l", S_IFLNK | 0777, "target", 0);
        put_extent(t, f, 0, 100, 2, 0);
        put_extent(t, f, 200, 50, 5, 5000);
        g_assert_cmpint(tree_link(t, f, d, "g", 1, &a), ==, 0);
        tree_unref(t, f, 1);
        g_assert_cmpint(tree_xattr_set(t, f, "user.b", "\x00\x01", 2, 0, 1), ==, 0);
        const struct tree_attr root = { .times = { 1, 2, 3, 4 } };
        g_assert_cmpint(
                tree_setattr(t, TREE_ROOT, TREE_SET_BTIME | TREE_SET_MTIME | TREE_SET_CTIME | TREE_SET_ATIME,
                        &root, NULL),
                ==, 0);
        g_string_free(encode(t, true), TRUE); /* its log begins here */
        return t;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* What the tests of checks and repairs share. */
#include "segment-rig.h"

struct found {
        GString *problems;
        GString *asked;
        bool agrees;
        GArray *saved;                 /* object numbers */
        unsigned reports, reports_max; /* 0: no end */
};

static inline void note_problem(void *ctx, const char *text)
{
        g_string_append_printf(((struct found *)ctx)->problems, "%s\n", text);
}

static inline bool agree(void *ctx, const char *text)
{
        struct found *f = ctx;
        g_string_append_printf(f->asked, "%s\n", text);
        return f->agrees;
}

static inline int save(void *ctx, uint64_t object, const void *data, size_t length)
{
        g_array_append_val(((struct found *)ctx)->saved, object);
        return 0;
}

static inline bool report(void *ctx, uint64_t done, uint64_t total)
{
        struct found *f = ctx;
        f->reports++;
        return f->reports_max == 0 || f->reports < f->reports_max;
}

static inline void found_init(struct found *f)
{
        *f = (struct found){ g_string_new(NULL), g_string_new(NULL), true,
                g_array_new(FALSE, FALSE, sizeof(uint64_t)) };
}

static inline void found_clear(struct found *f)
{
        g_string_free(f->problems, TRUE);
        g_string_free(f->asked, TRUE);
        g_array_unref(f->saved);
}

static inline int check(
        struct rig *r, struct found *f, struct volume_check_options o, struct volume_check_result *result)
{
        volume_close(g_steal_pointer(&r->v));
        tree_free(g_steal_pointer(&r->tree));
        g_string_truncate(f->problems, 0);
        o.problem = note_problem;
        o.agree = agree;
        o.report = report;
        o.ctx = f;
        return volume_check_with(r->tape, &o, result);
}

static inline void finds(
        struct rig *r, struct volume_check_options o, uint64_t problems, uint64_t left, const char *text)
{
        struct found f;
        struct volume_check_result result;
        found_init(&f);
        g_assert_cmpint(check(r, &f, o, &result), ==, 0);
        if (result.problems != problems || result.left != left || !strstr(f.problems->str, text))
                g_error("%" PRIu64 " problems, %" PRIu64 " left, not %" PRIu64 ", %" PRIu64 " and \"%s\": %s",
                        result.problems, result.left, problems, left, text, f.problems->str);
        found_clear(&f);
}

static const struct volume_check_options deep = { .deep = true }, repair = { .repair = true },
                                         deep_repair = { .deep = true, .repair = true };

/* A file that lies in a pack, as the index has it. */
static inline void name_member(struct rig *r, const char *name, uint64_t pack, uint64_t size, uint64_t offset)
{
        put_extent(r->tree, make_file(r->tree, TREE_ROOT, name), 0, size, pack, offset);
}

static inline uint64_t object_of(struct rig *r, const char *path)
{
        struct tree_attr a;
        struct tree_extent e;
        struct segment s;
        size_t n;
        get(r, path, &a);
        g_assert_cmpint(tree_map(r->tree, a.ino, 0, UINT64_MAX, &e, 1, &n, NULL), ==, 0);
        g_assert_cmpuint(n, ==, 1);
        g_assert_cmpint(volume_segment_get(r->v, e.segment, &s), ==, 0);
        return s.first_block + e.offset / r->block;
}

/* Where the data of the first member of a pack of one file is. */
static inline uint64_t first_offset(struct rig *r, uint64_t pack, const char *path, uint64_t size)
{
        g_autoptr(GByteArray) b = read_segment(r, pack), end = g_byte_array_new();
        pack_put_end(end);
        return b->len - end->len - size - pack_filling(size);
}

/* Two file segments, a pack of three files of which one is not in the index, and an index. */
static inline void start_on(struct rig *r, const struct virtual_cartridge *cartridge, uint64_t wrong_by)
{
        rig_init(r, cartridge);
        rig_format(r);
        rig_mount(r);
        rig_write(r, "one", 3 * RIG_BLOCK + 1, 1);
        uint64_t pack = write_pack(r, "packed", 100000, 2);
        name_member(
                r, "packed", pack, 100000 - wrong_by, first_offset(r, pack, "packed", 100000) + wrong_by / 2);
        write_pack(r, "deleted since", 5000, 3);
        rig_write(r, "two", 5 * RIG_BLOCK, 4);
        g_assert_cmpint(rig_commit(r), ==, 0);
}

static inline void start_with(struct rig *r, uint64_t wrong_by)
{
        start_on(r, NULL, wrong_by);
}

static inline void start(struct rig *r)
{
        start_with(r, 0);
}

static inline void cut(struct rig *r, uint64_t objects, const void *tail, size_t tail_length)
{
        size_t length;
        rig_unload(r);
        g_autofree uint8_t *data = load_tape(r, &length);
        size_t end = tape_offset(data, length, objects);
        g_autofree uint8_t *both = g_malloc(end + tail_length);
        memcpy(both, data, end);
        memcpy(both + end, tail, tail_length);
        save_tape(r, both, end + tail_length);
        rig_load(r);
        catch_messages();
}

/* There is no end of data behind so many objects, but the beginning of one more block. */
static inline void tear(struct rig *r, uint64_t objects)
{
        static const uint8_t torn[] = { 0, 0, 1, 0, 'x', 'x' };
        cut(r, objects, torn, sizeof(torn));
}

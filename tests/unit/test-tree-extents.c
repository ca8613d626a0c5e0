/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Extents of files: rules by example, and against a model that knows each byte's place. */
#include <errno.h>
#include <glib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <reelfs/tree.h>

static uint64_t add_file(Tree *t, const char *name)
{
        struct tree_attr attr;
        struct tree_new_inode n = { .mode = S_IFREG | 0644 };
        g_assert_cmpint(tree_create(t, TREE_ROOT, name, &n, 1, &attr), ==, 0);
        return attr.ino;
}

static void put(Tree *t, uint64_t ino, uint64_t at, uint64_t length, uint64_t segment, uint64_t offset)
{
        struct tree_extent e = { at, length, segment, offset };
        g_assert_cmpint(tree_put_extent(t, ino, &e, 2), ==, 0);
}

static void assert_extents(Tree *t, uint64_t ino, const struct tree_extent *expected, size_t n_expected)
{
        g_autofree struct tree_extent *e = NULL;
        size_t n;
        g_assert_cmpint(tree_extents(t, ino, &e, &n), ==, 0);
        g_assert_cmpmem(e, n * sizeof(*e), expected, n_expected * sizeof(*e));
}

#define ASSERT_EXTENTS(t, ino, ...)                                   \
        assert_extents(t, ino, (struct tree_extent[]){ __VA_ARGS__ }, \
                sizeof((struct tree_extent[]){ __VA_ARGS__ }) / sizeof(struct tree_extent))

static void assert_size(Tree *t, uint64_t ino, uint64_t size, uint64_t bytes)
{
        struct tree_attr attr;
        g_assert_cmpint(tree_getattr(t, ino, &attr), ==, 0);
        g_assert_cmpuint(attr.size, ==, size);
        g_assert_cmpuint(attr.bytes, ==, bytes);
}

static void test_join(void)
{
        Tree *t = tree_new();
        uint64_t ino = add_file(t, "f");
        assert_extents(t, ino, NULL, 0);
        put(t, ino, 0, 10, 1, 100);
        put(t, ino, 20, 10, 1, 120);
        put(t, ino, 10, 10, 1, 110); /* joins both */
        ASSERT_EXTENTS(t, ino, { 0, 30, 1, 100 });
        put(t, ino, 30, 5, 2, 130); /* another segment */
        put(t, ino, 35, 5, 2, 140); /* another place in it */
        ASSERT_EXTENTS(t, ino, { 0, 30, 1, 100 }, { 30, 5, 2, 130 }, { 35, 5, 2, 140 });
        put(t, ino, 10, 5, 1, 110); /* what is there already */
        put(t, ino, 12, 2, 1, 112);
        ASSERT_EXTENTS(t, ino, { 0, 30, 1, 100 }, { 30, 5, 2, 130 }, { 35, 5, 2, 140 });
        assert_size(t, ino, 40, 40);
        tree_free(t);
}

static void test_replace(void)
{
        Tree *t = tree_new();
        uint64_t ino = add_file(t, "f");
        put(t, ino, 0, 100, 1, 0);
        put(t, ino, 40, 20, 2, 0); /* splits */
        ASSERT_EXTENTS(t, ino, { 0, 40, 1, 0 }, { 40, 20, 2, 0 }, { 60, 40, 1, 60 });
        put(t, ino, 30, 50, 3, 0); /* covers one, cuts two */
        ASSERT_EXTENTS(t, ino, { 0, 30, 1, 0 }, { 30, 50, 3, 0 }, { 80, 20, 1, 80 });
        put(t, ino, 0, 200, 4, 0);
        ASSERT_EXTENTS(t, ino, { 0, 200, 4, 0 });
        assert_size(t, ino, 200, 200);
        put(t, ino, 50, 10, 5, 0);
        put(t, ino, 50, 10, 4, 50); /* heals the split */
        ASSERT_EXTENTS(t, ino, { 0, 200, 4, 0 });
        tree_free(t);
}

static void test_truncate(void)
{
        Tree *t = tree_new();
        uint64_t ino = add_file(t, "f");
        put(t, ino, 0, 100, 1, 0);
        put(t, ino, 200, 100, 2, 0);
        g_assert_cmpint(tree_truncate(t, ino, 250, 3), ==, 0);
        ASSERT_EXTENTS(t, ino, { 0, 100, 1, 0 }, { 200, 50, 2, 0 });
        assert_size(t, ino, 250, 150);
        g_assert_cmpint(tree_truncate(t, ino, 1000, 3), ==, 0);
        assert_size(t, ino, 1000, 150);
        g_assert_cmpint(tree_truncate(t, ino, 50, 7), ==, 0);
        ASSERT_EXTENTS(t, ino, { 0, 50, 1, 0 });
        g_assert_cmpint(tree_truncate(t, ino, INT64_MAX, 7), ==, 0);
        assert_size(t, ino, INT64_MAX, 50);
        g_assert_cmpint(tree_truncate(t, ino, 0, 7), ==, 0);
        assert_extents(t, ino, NULL, 0);
        assert_size(t, ino, 0, 0);
        struct tree_attr attr;
        tree_getattr(t, ino, &attr);
        g_assert_cmpint(attr.times.mtime, ==, 7);
        g_assert_cmpint(attr.times.ctime, ==, 7);
        put(t, ino, 0, 1, 1, 0);
        g_assert_cmpint(tree_truncate(t, ino, 0, 0), ==, 0); /* 0: times stay */
        tree_getattr(t, ino, &attr);
        g_assert_cmpint(attr.times.mtime, ==, 2);
        tree_free(t);
}

static void test_punch(void)
{
        Tree *t = tree_new();
        uint64_t ino = add_file(t, "f");
        put(t, ino, 0, 100, 1, 0);
        g_assert_cmpint(tree_punch(t, ino, 40, 0, 3), ==, 0);
        ASSERT_EXTENTS(t, ino, { 0, 100, 1, 0 });
        g_assert_cmpint(tree_punch(t, ino, 40, 20, 3), ==, 0);
        ASSERT_EXTENTS(t, ino, { 0, 40, 1, 0 }, { 60, 40, 1, 60 });
        g_assert_cmpint(tree_punch(t, ino, 90, UINT64_MAX, 3), ==, 0);
        ASSERT_EXTENTS(t, ino, { 0, 40, 1, 0 }, { 60, 30, 1, 60 });
        assert_size(t, ino, 100, 70);
        tree_free(t);
}

static void test_map(void)
{
        Tree *t = tree_new();
        uint64_t ino = add_file(t, "f"), size;
        struct tree_extent map[4];
        size_t n;
        put(t, ino, 0, 10, 1, 0);
        put(t, ino, 20, 10, 2, 0);
        put(t, ino, 40, 10, 3, 0);
        g_assert_cmpint(tree_map(t, ino, 5, 20, map, 4, &n, &size), ==, 0);
        g_assert_cmpuint(size, ==, 50);
        struct tree_extent expected[] = { { 5, 5, 1, 5 }, { 20, 5, 2, 0 } };
        g_assert_cmpmem(map, n * sizeof(*map), expected, sizeof(expected));
        g_assert_cmpint(tree_map(t, ino, 0, UINT64_MAX, map, 2, &n, NULL), ==, 0);
        g_assert_cmpuint(n, ==, 2);
        g_assert_cmpint(tree_map(t, ino, 45, UINT64_MAX, map, 4, &n, NULL), ==, 0);
        g_assert_cmpuint(n, ==, 1);
        g_assert_cmpuint(map[0].length, ==, 5);
        g_assert_cmpint(tree_map(t, ino, 10, 10, map, 4, &n, NULL), ==, 0);
        g_assert_cmpuint(n, ==, 0);
        tree_free(t);
}

static void test_seek(void)
{
        Tree *t = tree_new();
        uint64_t ino = add_file(t, "f"), at;
        g_assert_cmpint(tree_seek(t, ino, 0, SEEK_DATA, &at), ==, -ENXIO);
        g_assert_cmpint(tree_seek(t, ino, 0, SEEK_HOLE, &at), ==, -ENXIO);
        put(t, ino, 10, 10, 1, 0);
        put(t, ino, 20, 10, 2, 0); /* touches the first: no hole between them */
        g_assert_cmpint(tree_truncate(t, ino, 50, 1), ==, 0);
        static const struct {
                uint64_t offset;
                int whence, r;
                uint64_t found;
        } cases[] = {
                { 0, SEEK_DATA, 0, 10 },
                { 15, SEEK_DATA, 0, 15 },
                { 29, SEEK_DATA, 0, 29 },
                { 30, SEEK_DATA, -ENXIO, 0 },
                { 50, SEEK_DATA, -ENXIO, 0 },
                { 0, SEEK_HOLE, 0, 0 },
                { 10, SEEK_HOLE, 0, 30 },
                { 35, SEEK_HOLE, 0, 35 },
                { 50, SEEK_HOLE, -ENXIO, 0 },
                { 0, SEEK_SET, -EINVAL, 0 },
        };
        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                at = 0;
                g_assert_cmpint(tree_seek(t, ino, cases[i].offset, cases[i].whence, &at), ==, cases[i].r);
                g_assert_cmpuint(at, ==, cases[i].found);
        }
        g_assert_cmpint(tree_truncate(t, ino, 25, 1), ==, 0);
        g_assert_cmpint(tree_seek(t, ino, 10, SEEK_HOLE, &at), ==, 0);
        g_assert_cmpuint(at, ==, 25); /* the end counts as a hole */
        tree_free(t);
}

struct shift {
        uint64_t segment, file_offset;
        unsigned calls;
};

/* Into segment 9 at the file offset. */
static void to_nine(void *ctx, struct tree_extent *e)
{
        struct shift *s = ctx;
        g_assert_cmpuint(e->segment, ==, s->segment);
        g_assert_true(s->calls == 0 || e->file_offset > s->file_offset);
        s->file_offset = e->file_offset;
        s->calls++;
        e->segment = 9;
        e->offset = e->file_offset;
        e->file_offset = e->length = 0; /* not the callback's to set */
}

static void test_relocate(void)
{
        Tree *t = tree_new();
        uint64_t ino = add_file(t, "f");
        put(t, ino, 0, 10, 1, 500);
        put(t, ino, 10, 10, 1, 300);
        put(t, ino, 20, 10, 2, 0);
        put(t, ino, 30, 10, 1, 400);
        uint64_t changes = tree_changes(t);
        struct shift s = { .segment = 7 };
        g_assert_cmpint(tree_relocate(t, ino, 7, to_nine, &s), ==, 0);
        g_assert_cmpuint(tree_changes(t), ==, changes);
        s.segment = 1;
        g_assert_cmpint(tree_relocate(t, ino, 1, to_nine, &s), ==, 0);
        g_assert_cmpuint(s.calls, ==, 3);
        g_assert_cmpuint(tree_changes(t), >, changes);
        ASSERT_EXTENTS(t, ino, { 0, 20, 9, 0 }, { 20, 10, 2, 0 }, { 30, 10, 9, 30 });
        s = (struct shift){ .segment = 2 };
        g_assert_cmpint(tree_relocate(t, ino, 2, to_nine, &s), ==, 0);
        ASSERT_EXTENTS(t, ino, { 0, 40, 9, 0 });
        assert_size(t, ino, 40, 40);
        g_assert_cmpint(tree_relocate(t, 99, 2, to_nine, &s), ==, -ESTALE);
        tree_free(t);
}

static void test_errors(void)
{
        Tree *t = tree_new();
        uint64_t ino = add_file(t, "f"), at;
        size_t n;
        struct tree_extent e = { INT64_MAX, 1, 1, 0 }, *all;
        g_assert_cmpint(tree_put_extent(t, ino, &e, 1), ==, -EFBIG);
        e = (struct tree_extent){ UINT64_MAX, 2, 1, 0 };
        g_assert_cmpint(tree_put_extent(t, ino, &e, 1), ==, -EFBIG);
        e = (struct tree_extent){ 0, 2, 1, UINT64_MAX };
        g_assert_cmpint(tree_put_extent(t, ino, &e, 1), ==, -EFBIG);
        e = (struct tree_extent){ 0, 0, 1, 0 };
        g_assert_cmpint(tree_put_extent(t, ino, &e, 1), ==, -EINVAL);
        e = (struct tree_extent){ 0, 1, 0, 0 };
        g_assert_cmpint(tree_put_extent(t, ino, &e, 1), ==, -EINVAL);
        e = (struct tree_extent){ INT64_MAX - 1, 1, 1, 0 };
        g_assert_cmpint(tree_put_extent(t, TREE_ROOT, &e, 1), ==, -EISDIR);
        g_assert_cmpint(tree_put_extent(t, 99, &e, 1), ==, -ESTALE);
        g_assert_cmpint(tree_put_extent(t, ino, &e, 1), ==, 0);
        assert_size(t, ino, INT64_MAX, 1);
        g_assert_cmpint(tree_truncate(t, ino, (uint64_t)INT64_MAX + 1, 1), ==, -EFBIG);
        g_assert_cmpint(tree_truncate(t, TREE_ROOT, 0, 1), ==, -EISDIR);
        g_assert_cmpint(tree_punch(t, TREE_ROOT, 0, 1, 1), ==, -EISDIR);
        g_assert_cmpint(tree_map(t, TREE_ROOT, 0, 1, &e, 1, &n, &at), ==, -EISDIR);
        g_assert_cmpint(tree_extents(t, TREE_ROOT, &all, &n), ==, -EISDIR);
        g_assert_cmpint(tree_seek(t, TREE_ROOT, 0, SEEK_DATA, &at), ==, -EISDIR);
        struct tree_attr attr;
        struct tree_new_inode link = { .mode = S_IFLNK | 0777, .target = "x" };
        g_assert_cmpint(tree_create(t, TREE_ROOT, "l", &link, 1, &attr), ==, 0);
        g_assert_cmpint(tree_truncate(t, attr.ino, 0, 1), ==, -EINVAL);
        tree_free(t);
}

/* ---- The model: for each byte of a file its segment (0: hole) and offset there. */
#define MODEL 256
struct model {
        struct {
                uint64_t segment, offset;
        } byte[MODEL];
        uint64_t size;
};

static void model_set(struct model *m, uint64_t at, uint64_t length, uint64_t segment, uint64_t offset)
{
        for (uint64_t i = 0; i < length; i++) {
                m->byte[at + i].segment = segment;
                m->byte[at + i].offset = segment ? offset + i : 0;
        }
}

static void assert_model(Tree *t, uint64_t ino, const struct model *m)
{
        g_autofree struct tree_extent *e = NULL;
        size_t n;
        g_assert_cmpint(tree_extents(t, ino, &e, &n), ==, 0);
        struct model seen = { .size = m->size };
        uint64_t bytes = 0;
        for (size_t i = 0; i < n; i++) {
                g_assert_cmpuint(e[i].length, >, 0);
                g_assert_cmpuint(e[i].file_offset + e[i].length, <=, m->size);
                if (i > 0) {
                        uint64_t end = e[i - 1].file_offset + e[i - 1].length;
                        g_assert_cmpuint(e[i].file_offset, >=, end);
                        g_assert_false(e[i].file_offset == end && e[i].segment == e[i - 1].segment &&
                                e[i].offset == e[i - 1].offset + e[i - 1].length);
                }
                model_set(&seen, e[i].file_offset, e[i].length, e[i].segment, e[i].offset);
                bytes += e[i].length;
        }
        g_assert_cmpmem(seen.byte, sizeof(seen.byte), m->byte, sizeof(m->byte));
        assert_size(t, ino, m->size, bytes);
}

static void assert_map(Tree *t, uint64_t ino, const struct model *m, uint64_t at, uint64_t length)
{
        struct tree_extent map[MODEL];
        size_t n;
        g_assert_cmpint(tree_map(t, ino, at, length, map, MODEL, &n, NULL), ==, 0);
        struct model seen = { 0 }, expected = { 0 };
        for (size_t i = 0; i < n; i++)
                model_set(&seen, map[i].file_offset, map[i].length, map[i].segment, map[i].offset);
        memcpy(&expected.byte[at], &m->byte[at], length * sizeof(m->byte[0]));
        g_assert_cmpmem(&seen, sizeof(seen), &expected, sizeof(expected));
}

static void assert_seek(Tree *t, uint64_t ino, const struct model *m, uint64_t at)
{
        uint64_t data = at, hole = at, found;
        while (data < m->size && m->byte[data].segment == 0)
                data++;
        while (hole < m->size && m->byte[hole].segment != 0)
                hole++;
        g_assert_cmpint(tree_seek(t, ino, at, SEEK_DATA, &found), ==, data < m->size ? 0 : -ENXIO);
        if (data < m->size)
                g_assert_cmpuint(found, ==, data);
        g_assert_cmpint(tree_seek(t, ino, at, SEEK_HOLE, &found), ==, at < m->size ? 0 : -ENXIO);
        if (at < m->size)
                g_assert_cmpuint(found, ==, hole);
}

static void model_step(GRand *rand, Tree *t, uint64_t ino, struct model *m)
{
        uint64_t at = (uint64_t)g_rand_int_range(rand, 0, MODEL);
        uint64_t length = (uint64_t)g_rand_int_range(rand, 1, (int)MIN(MODEL - at, 64) + 1);
        switch (g_rand_int_range(rand, 0, 10)) {
        case 0:
                g_assert_cmpint(tree_truncate(t, ino, at, 1), ==, 0);
                model_set(m, at, MODEL - at, 0, 0);
                m->size = at;
                break;
        case 1:
        case 2:
                g_assert_cmpint(tree_punch(t, ino, at, length, 1), ==, 0);
                model_set(m, at, length, 0, 0);
                break;
        default: {
                /* often where it continues what may be beside it */
                uint64_t segment = (uint64_t)g_rand_int_range(rand, 1, 4);
                uint64_t offset = at + (g_rand_boolean(rand) ? 0 : (uint64_t)g_rand_int_range(rand, 0, 3));
                put(t, ino, at, length, segment, offset);
                model_set(m, at, length, segment, offset);
                m->size = MAX(m->size, at + length);
        }
        }
        assert_model(t, ino, m);
        assert_map(t, ino, m, at, length);
        assert_seek(t, ino, m, at);
}

static void test_model(void)
{
        g_autoptr(GRand) rand = g_rand_new_with_seed(20240607);
        for (int round = 0; round < 100; round++) {
                Tree *t = tree_new();
                uint64_t ino = add_file(t, "f");
                struct model m = { 0 };
                for (int step = 0; step < 200; step++)
                        model_step(rand, t, ino, &m);
                struct tree_counts counts;
                tree_get_counts(t, &counts);
                g_assert_cmpuint(counts.bytes, ==, m.size);
                tree_free(t);
        }
}

static void test_many(void)
{
        Tree *t = tree_new();
        uint64_t ino = add_file(t, "f");
        struct tree_counts before, after;
        tree_get_counts(t, &before);
        for (uint64_t i = 0; i < 20000; i++)
                put(t, ino, i * 10, 5, 1, i * 10);
        assert_size(t, ino, 199995, 100000);
        for (uint64_t i = 0; i < 20000; i++)
                put(t, ino, i * 10 + 5, 5, 1, i * 10 + 5);
        ASSERT_EXTENTS(t, ino, { 0, 200000, 1, 0 });
        tree_get_counts(t, &after);
        g_assert_cmpuint(after.memory, ==, before.memory);
        tree_free(t);
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/tree/extents/join", test_join);
        g_test_add_func("/tree/extents/replace", test_replace);
        g_test_add_func("/tree/extents/truncate", test_truncate);
        g_test_add_func("/tree/extents/punch", test_punch);
        g_test_add_func("/tree/extents/map", test_map);
        g_test_add_func("/tree/extents/seek", test_seek);
        g_test_add_func("/tree/extents/relocate", test_relocate);
        g_test_add_func("/tree/extents/errors", test_errors);
        g_test_add_func("/tree/extents/model", test_model);
        g_test_add_func("/tree/extents/many", test_many);
        return g_test_run();
}

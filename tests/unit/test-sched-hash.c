/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the tree says of a file's hash is that of its bytes, however they were written; and what is read is
 * compared with it. */
#include <reelfs/hash.h>

#include "sched-fixture.h"

static bool crc_of(struct fixture *fx, uint64_t ino, uint32_t *crc)
{
        struct tree_attr attr;
        g_assert_cmpint(tree_getattr(fx->tree, ino, &attr), ==, 0);
        *crc = attr.crc32;
        return attr.has_crc32;
}

static void assert_crc(struct fixture *fx, uint64_t ino, const uint8_t *content, size_t size)
{
        uint32_t crc;
        struct tree_attr attr;
        g_assert_cmpint(tree_getattr(fx->tree, ino, &attr), ==, 0);
        g_assert_cmpuint(attr.size, ==, size);
        g_assert_true(crc_of(fx, ino, &crc));
        g_assert_cmphex(crc, ==, hash_crc(0, content, size));
}

static void assert_no_crc(struct fixture *fx, uint64_t ino)
{
        uint32_t crc;
        g_assert_false(crc_of(fx, ino, &crc));
}

static void remount(struct fixture *fx)
{
        g_assert_cmpint(unmount_volume(fx), ==, 0);
        mount_volume(fx);
}

#define MANY (6 << 20)

/* In the sizes that take different ways: a pack, a stage of its own, the stream. */
static void test_sizes(struct fixture *fx, const void *data)
{
        static const size_t sizes[] = { 1, 3000, BLOCK, 1 << 20, (1 << 20) + 1, MANY };
        g_autofree uint8_t *content = g_malloc(MANY);
        uint64_t inos[G_N_ELEMENTS(sizes)];
        pattern(content, MANY, 1);
        for (unsigned i = 0; i < G_N_ELEMENTS(sizes); i++) {
                g_autofree char *name = g_strdup_printf("f%u", i);
                inos[i] = new_file(fx, name);
                SchedFile *f = open_name(fx, name);
                for (size_t at = 0; at < sizes[i]; at += 130000)
                        g_assert_cmpint(write_at(f, at, content + at, MIN(130000, sizes[i] - at)), ==, 0);
                sched_release(f);
        }
        g_assert_cmpint(sync_all(fx->sched, NULL), ==, 0);
        for (unsigned i = 0; i < G_N_ELEMENTS(sizes); i++)
                assert_crc(fx, inos[i], content, sizes[i]);
        remount(fx);
        for (unsigned i = 0; i < G_N_ELEMENTS(sizes); i++)
                assert_crc(fx, inos[i], content, sizes[i]);
}

/* What the index says is what was there before the first change; that of the first part is in none. */
static void test_half_written(struct fixture *fx, const void *data)
{
        g_autofree uint8_t *content = g_malloc(MANY);
        uint64_t ino = new_file(fx, "f");
        SchedFile *f = open_name(fx, "f");
        pattern(content, MANY, 2);
        g_assert_cmpint(write_at(f, 0, content, MANY / 2), ==, 0);
        assert_no_crc(fx, ino);
        g_assert_cmpint(sync_all(fx->sched, f), ==, 0);
        assert_crc(fx, ino, content, MANY / 2);
        uint64_t changes = tree_changes(fx->tree);
        g_assert_cmpint(sync_all(fx->sched, f), ==, 0);
        g_assert_cmpuint(tree_changes(fx->tree), ==, changes);
        g_assert_cmpint(write_at(f, MANY / 2, content + MANY / 2, MANY / 2), ==, 0);
        assert_no_crc(fx, ino);
        sched_release(f);
        assert_crc(fx, ino, content, MANY);
        remount(fx);
        assert_crc(fx, ino, content, MANY);
}

/* Goes on with what an earlier mount has written. */
static void test_append(struct fixture *fx, const void *data)
{
        static const size_t ends[] = { 1000, 2500, BLOCK + 7, 3 << 20, (3 << 20) + 900, MANY };
        g_autofree uint8_t *content = g_malloc(MANY);
        uint64_t ino = new_file(fx, "f");
        pattern(content, MANY, 3);
        for (size_t i = 0, at = 0; i < G_N_ELEMENTS(ends); at = ends[i++]) {
                SchedFile *f = open_name(fx, "f");
                g_assert_cmpint(write_at(f, at, content + at, ends[i] - at), ==, 0);
                sched_release(f);
                remount(fx);
                assert_crc(fx, ino, content, ends[i]);
        }
}

static void test_holes(struct fixture *fx, const void *data)
{
        g_autofree uint8_t *content = g_malloc0(MANY);
        uint64_t ino = new_file(fx, "f");
        SchedFile *f = open_name(fx, "f");
        pattern(content + 100000, 50000, 4);
        pattern(content + MANY / 2, 2 << 20, 5);
        g_assert_cmpint(sched_truncate(fx->sched, ino, MANY - 5, now_ns()), ==, 0);
        g_assert_cmpint(write_at(f, MANY / 2, content + MANY / 2, 2 << 20), ==, 0);
        g_assert_cmpint(write_at(f, 100000, content + 100000, 50000), ==, 0);
        sched_release(f);
        g_assert_cmpint(sync_all(fx->sched, NULL), ==, 0);
        assert_crc(fx, ino, content, MANY - 5);
        /* It grows while nobody has it open, and is cut where nothing is known. */
        g_assert_cmpint(sched_truncate(fx->sched, ino, MANY, now_ns()), ==, 0);
        assert_crc(fx, ino, content, MANY);
        remount(fx);
        assert_crc(fx, ino, content, MANY);
        g_assert_cmpint(sched_truncate(fx->sched, ino, 120000, now_ns()), ==, 0);
        assert_no_crc(fx, ino);
        g_assert_cmpint(sched_truncate(fx->sched, ino, 0, now_ns()), ==, 0);
        f = open_name(fx, "f");
        g_assert_cmpint(write_at(f, 0, content + 100000, 9000), ==, 0);
        sched_release(f);
        g_assert_cmpint(sync_all(fx->sched, NULL), ==, 0);
        assert_crc(fx, ino, content + 100000, 9000);
}

/* Pieces in any order; then a header that is written again, while what was there is in memory, and while it
 * is on the tape only. */
static void test_order(struct fixture *fx, const void *data)
{
        enum { PIECE = 1 << 17 };
        g_autofree uint8_t *content = g_malloc(MANY);
        uint64_t ino = new_file(fx, "f");
        SchedFile *f = open_name(fx, "f");
        pattern(content, MANY, 6);
        for (size_t i = 0; i < MANY / PIECE; i++) {
                size_t at = i * 7 % (MANY / PIECE) * PIECE;
                g_assert_cmpint(write_at(f, at, content + at, PIECE), ==, 0);
        }
        sched_release(f);
        remount(fx);
        assert_crc(fx, ino, content, MANY);
        uint8_t buf[40];
        size_t got;
        f = open_name(fx, "f");
        g_assert_cmpint(read_at(f, 0, buf, sizeof(buf), &got), ==, 0);
        pattern(content, 40, 7);
        g_assert_cmpint(write_at(f, 0, content, 40), ==, 0);
        pattern(content + 20, 20, 8);
        g_assert_cmpint(write_at(f, 20, content + 20, 20), ==, 0);
        sched_release(f);
        remount(fx);
        assert_crc(fx, ino, content, MANY);
        f = open_name(fx, "f");
        g_assert_cmpint(write_at(f, 0, content, 40), ==, 0);
        sched_release(f);
        g_assert_cmpint(sync_all(fx->sched, NULL), ==, 0);
        assert_no_crc(fx, ino);
}

static void test_none(struct fixture *fx, const void *data)
{
        uint8_t content[5000];
        uint64_t ino = new_file(fx, "f");
        SchedFile *f = open_name(fx, "f");
        pattern(content, sizeof(content), 9);
        g_assert_cmpint(write_at(f, 0, content, sizeof(content)), ==, 0);
        sched_release(f);
        remount(fx);
        assert_crc(fx, ino, content, sizeof(content));
        fx->options.hash = SCHED_HASH_NONE;
        remount(fx);
        f = open_name(fx, "f");
        g_assert_cmpint(write_at(f, 0, content, 10), ==, 0);
        sched_release(f);
        g_assert_cmpint(sync_all(fx->sched, NULL), ==, 0);
        assert_no_crc(fx, ino);
}

static char *sha_of(struct fixture *fx, uint64_t ino)
{
        void *value = NULL;
        size_t size;
        int r = tree_xattr_get(fx->tree, ino, HASH_XATTR_SHA256, &value, &size);
        return r == 0 ? value : NULL;
}

static void assert_sha(struct fixture *fx, uint64_t ino, const uint8_t *content, size_t size)
{
        g_autofree char *expected = g_compute_checksum_for_data(G_CHECKSUM_SHA256, content, size);
        g_autofree char *sha = sha_of(fx, ino);
        g_assert_cmpstr(sha, ==, expected);
        assert_crc(fx, ino, content, size);
}

static void test_sha256(struct fixture *fx, const void *data)
{
        static const size_t sizes[] = { 700, 300000, MANY };
        g_autofree uint8_t *content = g_malloc(MANY);
        uint64_t inos[G_N_ELEMENTS(sizes)];
        pattern(content, MANY, 10);
        fx->options.hash = SCHED_HASH_SHA256;
        remount(fx);
        for (unsigned i = 0; i < G_N_ELEMENTS(sizes); i++) {
                g_autofree char *name = g_strdup_printf("f%u", i);
                inos[i] = new_file(fx, name);
                SchedFile *f = open_name(fx, name);
                for (size_t at = 0; at < sizes[i]; at += 100000)
                        g_assert_cmpint(write_at(f, at, content + at, MIN(100000, sizes[i] - at)), ==, 0);
                sched_release(f);
        }
        remount(fx);
        for (unsigned i = 0; i < G_N_ELEMENTS(sizes); i++)
                assert_sha(fx, inos[i], content, sizes[i]);
        /* What is written on to, or not in order, has its CRC only. */
        SchedFile *f = open_name(fx, "f2");
        g_assert_cmpint(write_at(f, MANY, content, 5000), ==, 0);
        sched_release(f);
        f = open_name(fx, "f1");
        g_assert_cmpint(sched_truncate(fx->sched, inos[1], 0, now_ns()), ==, 0);
        g_assert_cmpint(write_at(f, 0, content, 4 << 20), ==, 0);
        g_assert_cmpint(write_at(f, 5 << 20, content + (5 << 20), 1 << 20), ==, 0);
        g_assert_cmpint(write_at(f, 4 << 20, content + (4 << 20), 1 << 20), ==, 0);
        sched_release(f);
        g_assert_cmpint(sync_all(fx->sched, NULL), ==, 0);
        g_assert_null(sha_of(fx, inos[2]));
        g_assert_null(sha_of(fx, inos[1]));
        assert_crc(fx, inos[1], content, MANY);
}

#define MODEL_SIZE (3 << 20)

struct model {
        uint8_t *bytes;
        size_t size;
};

static void random_operation(struct fixture *fx, GRand *rand, SchedFile *f, uint64_t ino, struct model *m)
{
        g_autofree uint8_t *buf = g_malloc(MODEL_SIZE);
        size_t offset = (size_t)g_rand_int_range(rand, 0, MODEL_SIZE - 1), length = MODEL_SIZE - offset;
        int most = g_rand_boolean(rand) ? 5000 : 600000;
        size_t size = (size_t)g_rand_int_range(rand, 1, MIN(most, (int)length) + 1);
        switch (g_rand_int_range(rand, 0, 40)) {
        case 0:
                offset = g_rand_boolean(rand) ? offset : 0;
                g_assert_cmpint(sched_truncate(fx->sched, ino, offset, now_ns()), ==, 0);
                if (offset < m->size)
                        memset(m->bytes + offset, 0, m->size - offset);
                m->size = offset;
                break;
        case 1:
                g_assert_cmpint(sched_punch(fx->sched, ino, offset, size, now_ns()), ==, 0);
                if (offset < m->size)
                        memset(m->bytes + offset, 0, MIN(size, m->size - offset));
                break;
        case 2:
                g_assert_cmpint(sync_all(fx->sched, f), ==, 0);
                break;
        default:
                /* Half of them go on at the end. */
                if (g_rand_boolean(rand) && m->size + size <= MODEL_SIZE)
                        offset = m->size;
                pattern(buf, size, g_rand_int(rand));
                g_assert_cmpint(write_at(f, offset, buf, size), ==, 0);
                memcpy(m->bytes + offset, buf, size);
                m->size = MAX(m->size, offset + size);
        }
}

static void test_random(struct fixture *fx, const void *data)
{
        enum { ROUNDS = 40, OPERATIONS = 40 };
        g_autoptr(GRand) rand = g_rand_new_with_seed(20261125);
        struct model m = { g_malloc0(MODEL_SIZE), 0 };
        uint64_t ino = new_file(fx, "f");
        unsigned known = 0;
        for (unsigned round = 0; round < ROUNDS; round++) {
                SchedFile *f = open_name(fx, "f");
                uint32_t crc;
                if (round % 4 == 0) {
                        g_assert_cmpint(sched_truncate(fx->sched, ino, 0, now_ns()), ==, 0);
                        memset(m.bytes, 0, MODEL_SIZE);
                        m.size = 0;
                }
                for (unsigned i = 0; i < OPERATIONS; i++) {
                        random_operation(fx, rand, f, ino, &m);
                        if (crc_of(fx, ino, &crc))
                                g_assert_cmphex(crc, ==, hash_crc(0, m.bytes, m.size));
                }
                sched_release(f);
                g_assert_cmpint(sync_all(fx->sched, NULL), ==, 0);
                if (crc_of(fx, ino, &crc)) {
                        g_assert_cmphex(crc, ==, hash_crc(0, m.bytes, m.size));
                        known++;
                }
                if (round % 3 == 0)
                        remount(fx);
        }
        g_test_message("the hash was known after %u of %u rounds", known, ROUNDS);
        g_assert_cmpuint(known, >=, 5);
        g_free(m.bytes);
}

/* ---- Checks */

struct piece {
        SchedFile *f;
        uint8_t *content;
        size_t from, step;
};

static void *write_pieces(void *arg)
{
        const struct piece *p = arg;
        for (size_t at = p->from; at < MANY; at += p->step)
                g_assert_cmpint(write_at(p->f, at, p->content + at, MIN(p->step / 4, MANY - at)), ==, 0);
        return NULL;
}

/* Four threads write a file, each every fourth piece; four read it likewise. */
static void *read_pieces(void *arg)
{
        const struct piece *p = arg;
        g_autofree uint8_t *buf = g_malloc(p->step);
        for (size_t at = p->from; at < MANY; at += p->step) {
                size_t got, size = MIN(p->step / 4, MANY - at);
                g_assert_cmpint(read_at(p->f, at, buf, size, &got), ==, 0);
                g_assert_cmpmem(buf, got, p->content + at, size);
        }
        return NULL;
}

static void in_threads(void *(*run)(void *), SchedFile *f, uint8_t *content)
{
        pthread_t threads[4];
        struct piece pieces[4];
        for (unsigned i = 0; i < 4; i++) {
                pieces[i] = (struct piece){ f, content, i * 100000, 400000 };
                pthread_create(&threads[i], NULL, run, &pieces[i]);
        }
        for (unsigned i = 0; i < 4; i++)
                pthread_join(threads[i], NULL);
}

static void test_threads(struct fixture *fx, const void *data)
{
        g_autofree uint8_t *content = g_malloc(MANY);
        uint64_t ino = new_file(fx, "f");
        SchedFile *f = open_name(fx, "f");
        pattern(content, MANY, 11);
        in_threads(write_pieces, f, content);
        sched_release(f);
        g_assert_cmpint(sync_all(fx->sched, NULL), ==, 0);
        assert_crc(fx, ino, content, MANY);
        remount(fx);
        f = open_name(fx, "f");
        for (unsigned i = 0; i < 3; i++)
                in_threads(read_pieces, f, content);
        sched_release(f);
}

/* Reads all of f in steps, in the order that forwards says; the first error, and how many bytes came. */
static int read_through(SchedFile *f, size_t size, size_t step, bool forwards, size_t *read)
{
        g_autofree uint8_t *buf = g_malloc(step);
        int r = 0;
        *read = 0;
        for (size_t i = 0; r == 0 && i < (size + step - 1) / step; i++) {
                size_t got, at = forwards ? i * step : (size - 1) / step * step - i * step;
                r = read_at(f, at, buf, step, &got);
                *read += r == 0 ? got : 0;
        }
        return r;
}

static void damage(struct fixture *fx, const uint8_t *content, size_t at)
{
        g_autofree char *tape = NULL;
        gsize length;
        g_assert_true(g_file_get_contents(fx->path, &tape, &length, NULL));
        char *found = memmem(tape, length, content + at, 100);
        g_assert_nonnull(found);
        *found ^= 1;
        g_assert_true(g_file_set_contents(fx->path, tape, (gssize)length, NULL));
}

static void test_damaged(struct fixture *fx, const void *data)
{
        static const size_t sizes[] = { 5000, 300000, MANY };
        g_autofree uint8_t *content = g_malloc(MANY);
        for (unsigned i = 0; i < 2 * G_N_ELEMENTS(sizes); i++) {
                g_autofree char *name = g_strdup_printf("f%u", i);
                new_file(fx, name);
                SchedFile *f = open_name(fx, name);
                pattern(content, sizes[i / 2], 100 + i);
                g_assert_cmpint(write_at(f, 0, content, sizes[i / 2]), ==, 0);
                sched_release(f);
        }
        g_assert_cmpint(unmount_volume(fx), ==, 0);
        /* Those with even numbers. */
        for (unsigned i = 0; i < 2 * G_N_ELEMENTS(sizes); i += 2) {
                pattern(content, 5000, 100 + i);
                damage(fx, content, 3000);
        }
        mount_volume(fx);
        for (unsigned i = 0; i < 2 * G_N_ELEMENTS(sizes); i++) {
                g_autofree char *name = g_strdup_printf("f%u", i);
                SchedFile *f = open_name(fx, name);
                size_t size = sizes[i / 2], read, step = i == 0 ? 1 << 20 : 70000;
                int expected = i % 2 == 0 ? -EIO : 0;
                g_assert_cmpint(read_through(f, size, step, i < 4, &read), ==, expected);
                g_assert_cmpuint(read, ==, i % 2 ? size : i < 4 ? size - (size - 1) % step - 1 : size - step);
                /* From then on no part of it is given, also to who opens it again. */
                sched_release(f);
                f = open_name(fx, name);
                g_assert_cmpint(read_through(f, 100, 100, true, &read), ==, expected);
                sched_release(f);
        }
        /* Until it is written anew, or to who wants it all the same. */
        SchedFile *f = open_name(fx, "f0");
        g_assert_cmpint(write_at(f, 0, content, 5000), ==, 0);
        assert_content(f, content, 5000);
        sched_release(f);
        fx->options.no_verify = true;
        remount(fx);
        for (unsigned i = 0; i < 2 * G_N_ELEMENTS(sizes); i++) {
                g_autofree char *name = g_strdup_printf("f%u", i);
                size_t read;
                f = open_name(fx, name);
                g_assert_cmpint(read_through(f, sizes[i / 2], 70000, true, &read), ==, 0);
                sched_release(f);
        }
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
#define ADD(name, test) g_test_add("/sched/hash/" name, struct fixture, NULL, set_up, test, tear_down)
        ADD("sizes", test_sizes);
        ADD("half-written", test_half_written);
        ADD("append", test_append);
        ADD("holes", test_holes);
        ADD("order", test_order);
        ADD("none", test_none);
        ADD("sha256", test_sha256);
        ADD("random", test_random);
        ADD("threads", test_threads);
        ADD("damaged", test_damaged);
        return g_test_run();
}

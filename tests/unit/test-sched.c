/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The scheduler over a real volume on the virtual drive: what is written must be read back, at once and after
 * a remount, however it was written. */
#include "sched-fixture.h"

/* ---- Tests */

static void test_sizes(struct fixture *fx, const void *data)
{
        static const size_t sizes[] = { 0, 1, 511, BLOCK - 1, BLOCK, BLOCK + 1, 1 << 20, (1 << 20) + 1,
                3 * BLOCK, 5000000, 20000000 };
        uint8_t *content = g_malloc(20000000);
        for (unsigned pass = 0; pass < 2; pass++) {
                for (unsigned i = 0; i < G_N_ELEMENTS(sizes); i++) {
                        g_autofree char *name = g_strdup_printf("f%zu", sizes[i]);
                        pattern(content, sizes[i], i);
                        if (pass == 0)
                                new_file(fx, name);
                        SchedFile *f = open_name(fx, name);
                        for (size_t at = 0; pass == 0 && at < sizes[i]; at += 130000)
                                g_assert_cmpint(
                                        write_at(f, at, content + at, MIN(130000, sizes[i] - at)), ==, 0);
                        assert_content(f, content, sizes[i]);
                        g_assert_cmpint(sched_flush(f), ==, 0);
                        sched_release(f);
                }
                if (pass == 0) {
                        g_assert_cmpint(unmount_volume(fx), ==, 0);
                        mount_volume(fx);
                }
        }
        g_free(content);
}

/* A file is one extent, however it was written; a large one's segment holds nothing else. */
static void test_one_extent(struct fixture *fx, const void *data)
{
        g_autofree uint8_t *content = g_malloc(6 << 20);
        pattern(content, 6 << 20, 7);
        static const size_t sizes[] = { 3000, 200000, 6 << 20 };
        for (unsigned i = 0; i < G_N_ELEMENTS(sizes); i++) {
                g_autofree char *name = g_strdup_printf("f%u", i);
                uint64_t ino = new_file(fx, name);
                SchedFile *f = open_name(fx, name);
                /* Small ones backwards: the stage is put into file order. */
                bool backwards = sizes[i] < (1 << 20);
                for (size_t at = 0; at < sizes[i]; at += 1000) {
                        size_t n = MIN(1000, sizes[i] - at), to = backwards ? sizes[i] - at - n : at;
                        g_assert_cmpint(write_at(f, to, content + to, n), ==, 0);
                }
                sched_release(f);
                g_assert_cmpint(sync_all(fx->sched, NULL), ==, 0);
                g_autofree struct tree_extent *extents = NULL;
                size_t n;
                struct segment seg;
                g_assert_cmpint(tree_extents(fx->tree, ino, &extents, &n), ==, 0);
                g_assert_cmpuint(n, ==, 1);
                g_assert_cmpuint(extents[0].length, ==, sizes[i]);
                g_assert_cmpint(volume_segment_get(fx->volume, extents[0].segment, &seg), ==, 0);
                g_assert_cmpint(seg.kind, ==, backwards ? SEGMENT_PACK : SEGMENT_FILE);
                if (!backwards)
                        g_assert_cmpuint(extents[0].offset, ==, 0);
                g_assert_cmpuint(seg.state, ==, SEGMENT_SYNCED);
                f = open_name(fx, name);
                assert_content(f, content, sizes[i]);
                sched_release(f);
        }
}

#define MODEL_SIZE (3 << 20)

struct model {
        uint8_t *bytes;
        size_t size;
};

static void random_operation(struct fixture *fx, GRand *rand, SchedFile *f, uint64_t ino, struct model *m)
{
        uint8_t *buf = g_malloc(MODEL_SIZE);
        size_t offset = (size_t)g_rand_int_range(rand, 0, MODEL_SIZE - 1);
        int most = g_rand_boolean(rand) ? 5000 : 600000;
        size_t size = (size_t)g_rand_int_range(rand, 1, MIN(most, (int)(MODEL_SIZE - offset)) + 1);
        switch (g_rand_int_range(rand, 0, 20)) {
        case 0:
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
        case 3:
        case 4:
        case 5: {
                size_t got;
                g_assert_cmpint(read_at(f, offset, buf, size, &got), ==, 0);
                g_assert_cmpuint(got, ==, offset >= m->size ? 0 : MIN(size, m->size - offset));
                g_assert_cmpint(memcmp(buf, m->bytes + offset, got), ==, 0);
                break;
        }
        default:
                pattern(buf, size, g_rand_int(rand));
                g_assert_cmpint(write_at(f, offset, buf, size), ==, 0);
                memcpy(m->bytes + offset, buf, size);
                m->size = MAX(m->size, offset + size);
        }
        g_free(buf);
}

static void test_random(struct fixture *fx, const void *data)
{
        enum { FILES = 4, ROUNDS = 3, OPERATIONS = 300 };
        g_autoptr(GRand) rand = g_rand_new_with_seed(20261122);
        struct model models[FILES];
        uint64_t inos[FILES];
        for (unsigned i = 0; i < FILES; i++) {
                g_autofree char *name = g_strdup_printf("r%u", i);
                models[i] = (struct model){ g_malloc0(MODEL_SIZE), 0 };
                inos[i] = new_file(fx, name);
        }
        for (unsigned round = 0; round < ROUNDS; round++) {
                SchedFile *files[FILES] = { 0 };
                for (unsigned n = 0; n < OPERATIONS; n++) {
                        int i = g_rand_int_range(rand, 0, FILES);
                        if (!files[i])
                                g_assert_cmpint(sched_open(fx->sched, inos[i], &files[i]), ==, 0);
                        random_operation(fx, rand, files[i], inos[i], &models[i]);
                        if (g_rand_int_range(rand, 0, 10) == 0) {
                                sched_release(files[i]);
                                files[i] = NULL;
                        }
                }
                for (unsigned i = 0; i < FILES; i++)
                        if (files[i])
                                sched_release(files[i]);
                g_assert_cmpint(unmount_volume(fx), ==, 0);
                mount_volume(fx);
                for (unsigned i = 0; i < FILES; i++) {
                        g_autofree char *name = g_strdup_printf("r%u", i);
                        SchedFile *f = open_name(fx, name);
                        assert_content(f, models[i].bytes, models[i].size);
                        sched_release(f);
                }
        }
        for (unsigned i = 0; i < FILES; i++)
                g_free(models[i].bytes);
}

/* More files open for writing than the pool has chunks. */
static void test_many_open(struct fixture *fx, const void *data)
{
        enum { FILES = 700, PIECE = 3000, PIECES = 4 };
        static SchedFile *files[FILES];
        uint8_t content[PIECE * PIECES];
        for (unsigned i = 0; i < FILES; i++) {
                g_autofree char *name = g_strdup_printf("m%u", i);
                new_file(fx, name);
                files[i] = open_name(fx, name);
        }
        for (unsigned p = 0; p < PIECES; p++)
                for (unsigned i = 0; i < FILES; i++) {
                        pattern(content, sizeof(content), i);
                        g_assert_cmpint(write_at(files[i], p * PIECE, content + p * PIECE, PIECE), ==, 0);
                }
        for (unsigned i = 0; i < FILES; i++) {
                pattern(content, sizeof(content), i);
                assert_content(files[i], content, sizeof(content));
                sched_release(files[i]);
        }
}

struct writer {
        struct fixture *fx;
        unsigned number;
        size_t size;
};

static void *write_thread(void *arg)
{
        struct writer *w = arg;
        g_autofree uint8_t *content = g_malloc(w->size);
        pattern(content, w->size, w->number);
        g_autofree char *name = g_strdup_printf("w%u", w->number);
        new_file(w->fx, name);
        SchedFile *f = open_name(w->fx, name);
        for (size_t at = 0; at < w->size; at += 200000) {
                size_t n = MIN(200000, w->size - at);
                int r;
                while ((r = write_at(f, at, content + at, n)) == -EAGAIN)
                        g_usleep(1000);
                g_assert_cmpint(r, ==, 0);
                if (at % 3000000 == 0)
                        g_assert_cmpint(sync_all(w->fx->sched, f), ==, 0);
        }
        assert_content(f, content, w->size);
        g_assert_cmpint(sched_flush(f), ==, 0);
        sched_release(f);
        return NULL;
}

static void test_writers_at_once(struct fixture *fx, const void *data)
{
        enum { WRITERS = 3 };
        pthread_t threads[WRITERS];
        struct writer writers[WRITERS];
        for (unsigned i = 0; i < WRITERS; i++) {
                writers[i] = (struct writer){ fx, i, 9000000 + i };
                g_assert_cmpint(pthread_create(&threads[i], NULL, write_thread, &writers[i]), ==, 0);
        }
        for (unsigned i = 0; i < WRITERS; i++)
                pthread_join(threads[i], NULL);
        g_assert_cmpint(unmount_volume(fx), ==, 0);
        mount_volume(fx);
        for (unsigned i = 0; i < WRITERS; i++) {
                g_autofree uint8_t *content = g_malloc(writers[i].size);
                g_autofree char *name = g_strdup_printf("w%u", i);
                pattern(content, writers[i].size, i);
                SchedFile *f = open_name(fx, name);
                assert_content(f, content, writers[i].size);
                sched_release(f);
        }
}

/* Bytes in memory that may be lent, as the kernel leaves them there. */
struct pieces {
        struct iovec *next;
        size_t at;
        bool lent;
        size_t copied; /* of those that did not lie where they belong */
};

static const void *piece_lies(void *ctx)
{
        struct pieces *p = ctx;
        while (p->at == p->next->iov_len) {
                p->next++;
                p->at = 0;
        }
        return p->lent ? (uint8_t *)p->next->iov_base + p->at : NULL;
}

static int fill_pieces(void *ctx, void *dst, size_t size)
{
        struct pieces *p = ctx;
        for (uint8_t *to = dst; size > 0;) {
                piece_lies(p);
                uint8_t *from = (uint8_t *)p->next->iov_base + p->at;
                size_t n = MIN(size, p->next->iov_len - p->at);
                memmove(to, from, n);
                p->copied += to == from ? 0 : n;
                to += n;
                p->at += n;
                size -= n;
        }
        return 0;
}

#define LENT_MAX 600000

/* Receives into what is lent, or into memory of its own. */
static void receive(
        struct pieces *p, struct iovec *iov, int n, uint8_t *own, const uint8_t *data, size_t size)
{
        if (n == 0)
                iov[0] = (struct iovec){ own, size };
        *p = (struct pieces){ .next = iov, .lent = n > 0 };
        for (size_t at = 0; at < size; iov++) {
                size_t part = MIN(size - at, iov->iov_len);
                memcpy(iov->iov_base, data + at, part);
                at += part;
        }
}

/* What comes between the lending and the receipt. */
static void meanwhile(struct fixture *fx, GRand *rand, SchedFile **files, uint8_t **models, size_t size)
{
        int i = g_rand_int_range(rand, 0, 2);
        size_t at = (size_t)g_rand_int_range(rand, 0, (gint32)size - 100000),
               n = (size_t)g_rand_int_range(rand, 1, 100000);
        switch (g_rand_int_range(rand, 0, 8)) {
        case 0:
                g_assert_cmpint(sync_all(fx->sched, files[i]), ==, 0);
                break;
        case 1:
        case 2:
                pattern(models[i] + at, n, g_rand_int(rand));
                g_assert_cmpint(write_at(files[i], at, models[i] + at, n), ==, 0);
                break;
        }
}

/* Writes that are received where the stream goes on, while others write, read and commit. */
static void test_lent(struct fixture *fx, const void *data)
{
        enum { SIZE = 24000000 };
        g_autoptr(GRand) rand = g_rand_new_with_seed(20261124);
        g_autofree uint8_t *own = g_malloc(LENT_MAX), *content = g_malloc(LENT_MAX);
        uint8_t *models[2] = { g_malloc0(SIZE), g_malloc0(SIZE) };
        SchedFile *files[2];
        size_t ends[2] = { 0 }, copied = 0, total = 0;
        unsigned returned = 0;
        uint64_t inos[2] = { new_file(fx, "a"), new_file(fx, "b") };
        files[0] = open_name(fx, "a");
        files[1] = open_name(fx, "b");
        for (unsigned round = 0; ends[0] < SIZE; round++) {
                struct iovec iov[SCHED_LOAN_IOV];
                struct pieces p;
                int n, i = g_rand_int_range(rand, 0, 10) == 0 && ends[1] < SIZE;
                sched_lend(fx->sched, LENT_MAX, iov, &n);
                meanwhile(fx, rand, files, models, SIZE);
                size_t size = MIN((size_t)g_rand_int_range(rand, 1, LENT_MAX), SIZE - ends[i]), done;
                pattern(content, size, round);
                receive(&p, iov, n, own, content, size);
                struct sched_source source = { .fill = fill_pieces, .lies = piece_lies, .ctx = &p };
                int r = sched_write(files[i], ends[i], size, &source, &done);
                g_assert_true(r == 0 || (r == -EAGAIN && n > 0));
                g_assert_cmpuint(done, <=, size);
                g_assert_true(done == size || r < 0);
                if (n > 0)
                        sched_lend_end(fx->sched);
                returned += r < 0;
                if (r < 0)
                        g_assert_cmpint(
                                write_at(files[i], ends[i] + done, content + done, size - done), ==, 0);
                memcpy(models[i] + ends[i], content, size);
                ends[i] += size;
                copied += p.copied;
                total += size;
        }
        /* Who waits for the stream gives lent memory back first. */
        g_assert_cmpuint(returned, >, 0);
        /* Most of it lay there. */
        g_assert_cmpuint(copied, <, total / 2);
        for (int i = 0; i < 2; i++) {
                g_assert_cmpint(sched_truncate(fx->sched, inos[i], SIZE, now_ns()), ==, 0);
                assert_content(files[i], models[i], SIZE);
                sched_release(files[i]);
        }
        g_assert_cmpint(unmount_volume(fx), ==, 0);
        mount_volume(fx);
        for (int i = 0; i < 2; i++) {
                SchedFile *f = open_name(fx, i == 0 ? "a" : "b");
                assert_content(f, models[i], SIZE);
                sched_release(f);
                g_free(models[i]);
        }
}

/* What is unlinked before it is due never reaches the tape. */
static void test_unlinked(struct fixture *fx, const void *data)
{
        struct sched_status before, after;
        sched_get_status(fx->sched, &before);
        new_file(fx, "gone");
        SchedFile *f = open_name(fx, "gone");
        uint8_t byte = 42, buf[2];
        size_t got;
        g_assert_cmpint(write_at(f, 0, &byte, 1), ==, 0);
        g_assert_cmpint(tree_unlink(fx->tree, TREE_ROOT, "gone", now_ns()), ==, 0);
        g_assert_cmpint(read_at(f, 0, buf, sizeof(buf), &got), ==, 0);
        g_assert_cmpuint(got, ==, 1);
        g_assert_cmpuint(buf[0], ==, byte);
        sched_release(f);
        g_assert_cmpint(sync_all(fx->sched, NULL), ==, 0);
        sched_get_status(fx->sched, &after);
        g_assert_cmpuint(after.written, ==, before.written);
        g_assert_cmpuint(after.dirty, ==, 0);
        g_assert_cmpuint(after.open_files, ==, 0);
}

/* A full tape: ENOSPC to the writer, and all that was accepted is there. */
static void test_full(struct fixture *fx, const void *data)
{
        g_autofree uint8_t *piece = g_malloc(500000);
        pattern(piece, 500000, 5);
        unsigned whole = 0;
        int r = 0;
        for (; r == 0; whole += r == 0) {
                g_assert_cmpuint(whole, <, 200);
                g_autofree char *name = g_strdup_printf("x%u", whole);
                new_file(fx, name);
                SchedFile *f = open_name(fx, name);
                r = write_at(f, 0, piece, 500000);
                g_assert_cmpint(sched_flush(f), ==, 0);
                sched_release(f);
        }
        g_assert_cmpint(r, ==, -ENOSPC);
        g_assert_cmpuint(whole, >, 16);
        g_assert_cmpint(unmount_volume(fx), ==, 0);
        mount_volume(fx);
        g_assert_false(volume_is_read_only(fx->volume));
        for (unsigned i = 0; i < whole; i++) {
                g_autofree char *name = g_strdup_printf("x%u", i);
                SchedFile *f = open_name(fx, name);
                assert_content(f, piece, 500000);
                sched_release(f);
        }
}

/* What a file in very many pieces takes is the index. */
static void test_full_of_pieces(struct fixture *fx, const void *data)
{
        enum { PIECE = 20, STRIDE = 1000, MANY = 1000000 };
        uint8_t piece[PIECE], buf[PIECE];
        size_t got;
        unsigned n = 0;
        int r = 0;
        new_file(fx, "pieces");
        SchedFile *f = open_name(fx, "pieces");
        for (; r == 0; n += r == 0) {
                g_assert_cmpuint(n, <, MANY);
                pattern(piece, PIECE, n);
                r = write_at(f, (uint64_t)n * STRIDE, piece, PIECE);
        }
        g_assert_cmpint(r, ==, -ENOSPC);
        g_assert_cmpuint(n, >, 10000);
        sched_release(f);
        g_assert_cmpint(unmount_volume(fx), ==, 0);
        mount_volume(fx);
        g_assert_false(volume_is_read_only(fx->volume));
        f = open_name(fx, "pieces");
        for (unsigned i = 0; i < n; i += n / 100) {
                pattern(piece, PIECE, i);
                g_assert_cmpint(read_at(f, (uint64_t)i * STRIDE, buf, PIECE, &got), ==, 0);
                g_assert_cmpmem(buf, got, piece, PIECE);
        }
        sched_release(f);
}

/* What goes into a pack with a file is more than its bytes. */
static void test_full_of_attributes(struct fixture *fx, const void *data)
{
        enum { MANY = 2000, VALUE = 60000 };
        g_autofree uint8_t *value = g_malloc(VALUE);
        unsigned n = 0;
        pattern(value, VALUE, 1);
        for (; n < MANY && sched_has_room(fx->sched); n++) {
                g_autofree char *name = g_strdup_printf("x%u", n);
                uint64_t ino = new_file(fx, name);
                SchedFile *f = open_name(fx, name);
                int r = write_at(f, 0, value, 100);
                if (r == 0 && sched_has_room(fx->sched))
                        r = tree_xattr_set(fx->tree, ino, "user.a", value, VALUE, 0, now_ns());
                sched_release(f);
                if (r < 0)
                        break;
        }
        g_assert_cmpuint(n, >, 50);
        g_assert_cmpuint(n, <, MANY);
        g_assert_cmpint(unmount_volume(fx), ==, 0);
        mount_volume(fx);
        g_assert_false(volume_is_read_only(fx->volume));
        for (unsigned i = 0; i < n; i++) {
                g_autofree char *name = g_strdup_printf("x%u", i);
                SchedFile *f = open_name(fx, name);
                assert_content(f, value, 100);
                sched_release(f);
        }
}

/* Small files take the room of their bytes, not of a block each. */
static void test_small_files_fit(struct fixture *fx, const void *data)
{
        uint8_t content[1000];
        struct sched_status before, after;
        pattern(content, sizeof(content), 1);
        sched_get_status(fx->sched, &before);
        for (unsigned i = 0; i < 1000; i++) {
                g_autofree char *name = g_strdup_printf("s%u", i);
                new_file(fx, name);
                SchedFile *f = open_name(fx, name);
                g_assert_true(sched_has_room(fx->sched));
                g_assert_cmpint(write_at(f, 0, content, sizeof(content)), ==, 0);
                sched_release(f);
        }
        sched_get_status(fx->sched, &after);
        g_assert_cmpuint(before.remaining - after.remaining, <, 10 << 20);
        g_assert_cmpint(sync_all(fx->sched, NULL), ==, 0);
}

/* What a sync has promised is there after the power was cut. */
static void test_sync_and_cut(struct fixture *fx, const void *data)
{
        g_autofree uint8_t *content = g_malloc(5000000);
        pattern(content, 5000000, 3);
        new_file(fx, "kept");
        SchedFile *f = open_name(fx, "kept");
        g_assert_cmpint(write_at(f, 0, content, 5000000), ==, 0);
        g_assert_cmpint(sync_all(fx->sched, f), ==, 0);
        sched_release(f);
        /* The daemon dies: the cartridge is taken as it is, without another word. */
        g_autofree char *copy = NULL;
        gsize size;
        g_assert_true(g_file_get_contents(fx->path, &copy, &size, NULL));
        g_assert_cmpint(unmount_volume(fx), ==, 0);
        g_assert_true(g_file_set_contents(fx->path, copy, (gssize)size, NULL));
        mount_volume(fx);
        f = open_name(fx, "kept");
        assert_content(f, content, 5000000);
        sched_release(f);
}

static void tell_slowly(void *ctx, int error)
{
        tell(ctx, error);
        g_usleep(100000);
}

/* What changes when a sync has been answered, just before the unmount, is not forgotten. */
static void test_sync_and_stop(struct fixture *fx, const void *data)
{
        struct answer a = ANSWER;
        struct tree_attr attr;
        new_file(fx, "before");
        sched_sync(fx->sched, NULL, tell_slowly, &a);
        g_assert_cmpint(wait_answer(&a), ==, 0);
        new_file(fx, "after");
        g_assert_cmpint(unmount_volume(fx), ==, 0);
        mount_volume(fx);
        g_assert_cmpint(tree_resolve(fx->tree, "before", &attr), ==, 0);
        g_assert_cmpint(tree_resolve(fx->tree, "after", &attr), ==, 0);
}

static void test_bad_calls(struct fixture *fx, const void *data)
{
        SchedFile *f;
        g_assert_cmpint(sched_open(fx->sched, TREE_ROOT, &f), ==, -EISDIR);
        g_assert_cmpint(sched_open(fx->sched, 987654, &f), ==, -ESTALE);
        new_file(fx, "a");
        f = open_name(fx, "a");
        uint8_t byte = 1;
        g_assert_cmpint(write_at(f, INT64_MAX, &byte, 1), ==, -EFBIG);
        sched_release(f);
        Sched *s;
        struct sched_options small = { .buffer = BLOCK };
        g_assert_cmpint(sched_new(fx->volume, fx->tree, &small, &s), ==, -EINVAL);
}

int main(int argc, char **argv)
{
        static const struct virtual_cartridge old = { .lacks = VIRTUAL_NO_LOCATE16 | VIRTUAL_NO_LOCATE10 |
                        VIRTUAL_NO_READ_POSITION | VIRTUAL_NO_SPACE16 | VIRTUAL_NO_MODE10 |
                        VIRTUAL_NO_CAPACITY | VIRTUAL_NO_ATTRIBUTES,
                .max_transfer = 2 * BLOCK };
        static const struct virtual_cartridge fixed = { .lacks = VIRTUAL_NO_VARIABLE, .fixed_block = 4096 };
        static const struct virtual_cartridge small_fixed = { .capacity = 24 << 20,
                .early_warning = 4 << 20,
                .lacks = VIRTUAL_NO_VARIABLE,
                .fixed_block = 32768 };
        static const struct virtual_cartridge small = { .capacity = 24 << 20, .early_warning = 4 << 20 };
        g_test_init(&argc, &argv, NULL);
#define ADD(name, data, test) g_test_add("/sched/" name, struct fixture, data, set_up, test, tear_down)
        ADD("sizes", NULL, test_sizes);
        ADD("sizes/old-drive", &old, test_sizes);
        ADD("sizes/fixed-blocks", &fixed, test_sizes);
        ADD("one-extent", NULL, test_one_extent);
        ADD("sync-and-stop", NULL, test_sync_and_stop);
        ADD("random", NULL, test_random);
        ADD("random/old-drive", &old, test_random);
        ADD("random/fixed-blocks", &fixed, test_random);
        ADD("many-open", NULL, test_many_open);
        ADD("writers-at-once", NULL, test_writers_at_once);
        ADD("lent", NULL, test_lent);
        ADD("unlinked", NULL, test_unlinked);
        ADD("full", &small, test_full);
        ADD("full/fixed-blocks", &small_fixed, test_full);
        ADD("full/pieces", &small, test_full_of_pieces);
        ADD("full/attributes", &small, test_full_of_attributes);
        ADD("small-files-fit", &small, test_small_files_fit);
        ADD("sync-and-cut", NULL, test_sync_and_cut);
        ADD("bad-calls", NULL, test_bad_calls);
        return g_test_run();
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the scheduler does with the tape: how often it has to go elsewhere for reads, or stop for writes. */
#include <stdatomic.h>

#include "sched-fixture.h"

#define FILE_SIZE ((size_t)6 << 20)
#define FILES 4
/* Going elsewhere costs so much that a turn is worth it, as with any real tape. */
#define SLOW_LOCATE "opcode=92 count=all delay=30"

static uint64_t locates(struct fixture *fx)
{
        struct virtual_statistics s;
        virtual_statistics(fx->drive, &s);
        return s.locates;
}

static void write_file(struct fixture *fx, const char *name, size_t size, uint32_t seed)
{
        g_autofree uint8_t *content = g_malloc(size);
        pattern(content, size, seed);
        new_file(fx, name);
        SchedFile *f = open_name(fx, name);
        for (size_t at = 0; at < size; at += 200000)
                g_assert_cmpint(write_at(f, at, content + at, MIN(200000, size - at)), ==, 0);
        sched_release(f);
}

static void check_file(struct fixture *fx, const char *name, size_t size, uint32_t seed)
{
        g_autofree uint8_t *content = g_malloc(size);
        pattern(content, size, seed);
        SchedFile *f = open_name(fx, name);
        assert_content(f, content, size);
        sched_release(f);
}

static void remount(struct fixture *fx)
{
        g_assert_cmpint(unmount_volume(fx), ==, 0);
        mount_volume(fx);
}

/* ---- Reading */

struct caller {
        struct fixture *fx;
        unsigned number;
};

static void *read_one(void *arg)
{
        struct caller *c = arg;
        g_autofree char *name = g_strdup_printf("f%u", c->number);
        check_file(c->fx, name, FILE_SIZE, c->number);
        return NULL;
}

static void run_callers(struct fixture *fx, unsigned n, void *(*what)(void *))
{
        pthread_t threads[8];
        struct caller callers[8];
        for (unsigned i = 0; i < n; i++) {
                callers[i] = (struct caller){ fx, i };
                g_assert_cmpint(pthread_create(&threads[i], NULL, what, &callers[i]), ==, 0);
        }
        for (unsigned i = 0; i < n; i++)
                pthread_join(threads[i], NULL);
}

static void write_files(struct fixture *fx)
{
        for (unsigned i = 0; i < FILES; i++) {
                g_autofree char *name = g_strdup_printf("f%u", i);
                write_file(fx, name, FILE_SIZE, i);
        }
}

/* Four readers take turns: the tape does not go back and forth for each of the 96 slabs that they read. */
static void test_four_readers(struct fixture *fx, const void *data)
{
        write_files(fx);
        fx->faults = SLOW_LOCATE;
        remount(fx);
        uint64_t before = locates(fx);
        run_callers(fx, FILES, read_one);
        g_assert_cmpuint(locates(fx) - before, <=, 24);
}

struct waiting {
        unsigned *order, *n;
        unsigned number;
        struct answer answer;
};

static void note_done(void *ctx, int error, const struct iovec *iov, int iovcnt)
{
        struct waiting *w = ctx;
        w->order[(*w->n)++] = w->number;
        tell(&w->answer, error);
}

/* Asks for something in the midst of each file, and gives back in which order the answers came. The first one
 * keeps the drive busy until all are there. */
static void read_waiting(
        struct fixture *fx, const unsigned asked[FILES], bool contrary, unsigned order[FILES])
{
        struct waiting w[FILES];
        SchedFile *files[FILES];
        unsigned n = 0;
        write_files(fx);
        fx->faults = SLOW_LOCATE;
        remount(fx);
        fx->compass.contrary = contrary;
        for (unsigned i = 0; i < FILES; i++) {
                g_autofree char *name = g_strdup_printf("f%u", asked[i]);
                files[i] = open_name(fx, name);
                w[i] = (struct waiting){ order, &n, asked[i], ANSWER };
        }
        for (unsigned i = 0; i < FILES; i++)
                sched_read(files[i], FILE_SIZE / 2, 1000, note_done, &w[i]);
        for (unsigned i = 0; i < FILES; i++) {
                g_assert_cmpint(wait_answer(&w[i].answer), ==, 0);
                sched_release(files[i]);
        }
}

/* Requests that wait together are served ascending from where the tape is, in whatever order they came. */
static void test_ascending(struct fixture *fx, const void *data)
{
        unsigned order[FILES];
        read_waiting(fx, (unsigned[FILES]){ 0, 3, 1, 2 }, false, order);
        g_assert_cmpmem(order, sizeof(order), ((unsigned[]){ 0, 1, 2, 3 }), sizeof(order));
        g_assert_cmpuint(fx->compass.orders, ==, 0);
}

/* A drive that knows its ways better has them served in its order, and is asked once. */
static void test_advised(struct fixture *fx, const void *data)
{
        unsigned order[FILES], waited[FILES], n = 0;
        read_waiting(fx, (unsigned[FILES]){ 0, 3, 1, 2 }, true, order);
        for (unsigned i = 0; i < FILES; i++)
                if (order[i] != 0) /* which may have gone ahead */
                        waited[n++] = order[i];
        g_assert_cmpmem(waited, n * sizeof(*waited), ((unsigned[]){ 3, 2, 1 }), 3 * sizeof(*waited));
        g_assert_cmpuint(fx->compass.orders, ==, 1);
}

/* Two places are too few to ask about. */
static void test_not_advised(struct fixture *fx, const void *data)
{
        unsigned order[FILES];
        read_waiting(fx, (unsigned[FILES]){ 0, 3, 0, 3 }, true, order);
        g_assert_cmpuint(order[FILES - 1], ==, 3);
        g_assert_cmpuint(fx->compass.orders, ==, 0);
}

/* Small files in the order of the tape, an index between them: one run, without going back. */
static void test_small_in_order(struct fixture *fx, const void *data)
{
        enum { SMALL = 200, SIZE = 5000 };
        for (unsigned i = 0; i < SMALL; i++) {
                g_autofree char *name = g_strdup_printf("s%u", i);
                write_file(fx, name, SIZE, i);
                if (i == SMALL / 2)
                        g_assert_cmpint(sync_all(fx->sched, NULL), ==, 0);
        }
        fx->faults = SLOW_LOCATE;
        remount(fx);
        uint64_t before = locates(fx);
        for (unsigned i = 0; i < SMALL; i++) {
                g_autofree char *name = g_strdup_printf("s%u", i);
                check_file(fx, name, SIZE, i);
        }
        g_assert_cmpuint(locates(fx) - before, <=, 3);
}

static void note_parts(void *ctx, int error, const struct iovec *iov, int iovcnt)
{
        struct answer *a = ctx;
        a->size = (size_t)iovcnt;
        for (int i = 0; i < iovcnt && error == 0; i++) {
                memcpy(a->buf, iov[i].iov_base, iov[i].iov_len);
                a->buf += iov[i].iov_len;
        }
        tell(a, error);
}

/* What lies in several slabs is given out from there, also when it has to be read for that first. */
static void test_parts(struct fixture *fx, const void *data)
{
        enum { SLAB = POOL / 32, SIZE = 4 * SLAB };
        static uint8_t content[SIZE], got[SIZE];
        pattern(content, SIZE, 7);
        write_file(fx, "parts", SIZE, 7);
        remount(fx);
        SchedFile *f = open_name(fx, "parts");
        for (unsigned i = 0; i < 2; i++) {
                struct answer a = ANSWER;
                memset(got, 0, SIZE);
                a.buf = got;
                sched_read(f, 1000, SIZE - 2000, note_parts, &a);
                g_assert_cmpint(wait_answer(&a), ==, 0);
                g_assert_cmpuint(a.size, ==, 4);
                g_assert_cmpmem(got, SIZE - 2000, content + 1000, SIZE - 2000);
        }
        sched_release(f);
}

/* The kernel asks for several pieces at once, and the second may come first. Whoever calls may be kept from
 * calling in time; not always. */
static void test_any_order(struct fixture *fx, const void *data)
{
        write_files(fx);
        fx->faults = SLOW_LOCATE;
        bool ascending = false;
        for (unsigned tries = 0; tries < 5 && !ascending; tries++) {
                remount(fx);
                SchedFile *f = open_name(fx, "f2");
                unsigned order[2], n = 0;
                struct waiting second = { order, &n, 1, ANSWER }, first = { order, &n, 0, ANSWER };
                sched_read(f, FILE_SIZE / 2, 1000, note_done, &second);
                g_usleep(2000);
                sched_read(f, 0, 1000, note_done, &first);
                g_assert_cmpint(wait_answer(&first.answer), ==, 0);
                g_assert_cmpint(wait_answer(&second.answer), ==, 0);
                sched_release(f);
                ascending = order[0] == 0;
        }
        g_assert_true(ascending);
}

/* ---- Slabs that others hold */

struct gate {
        pthread_mutex_t lock;
        pthread_cond_t changed;
        unsigned waiting;
        bool open;
};

struct holder {
        SchedFile *file;
        struct gate *gate;
        uint64_t offset;
};

static void hold(void *ctx, int error, const struct iovec *iov, int iovcnt)
{
        struct gate *g = ctx;
        pthread_mutex_lock(&g->lock);
        g->waiting++;
        pthread_cond_broadcast(&g->changed);
        while (!g->open)
                pthread_cond_wait(&g->changed, &g->lock);
        pthread_mutex_unlock(&g->lock);
}

static void await_held(struct gate *g, unsigned n)
{
        pthread_mutex_lock(&g->lock);
        while (g->waiting < n)
                pthread_cond_wait(&g->changed, &g->lock);
        pthread_mutex_unlock(&g->lock);
}

static void open_gate(struct gate *g)
{
        pthread_mutex_lock(&g->lock);
        g->open = true;
        pthread_cond_broadcast(&g->changed);
        pthread_mutex_unlock(&g->lock);
}

static bool is_answered(struct answer *a)
{
        pthread_mutex_lock(&a->lock);
        bool done = a->done;
        pthread_mutex_unlock(&a->lock);
        return done;
}

static void *read_and_hold(void *arg)
{
        struct holder *h = arg;
        sched_read(h->file, h->offset, 1000, hold, h->gate);
        return NULL;
}

/* Of an answer that lies in more slabs than are free, what was read stays until the others are. */
static void test_kept(struct fixture *fx, const void *data)
{
        enum { SLAB = POOL / 32, HELD = 5, SIZE = 4 * SLAB };
        static uint8_t content[SIZE], got[SIZE];
        struct gate gate = { PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0, false };
        struct holder holders[HELD];
        pthread_t threads[HELD];
        pattern(content, SIZE, 7);
        write_file(fx, "parts", SIZE, 7);
        write_file(fx, "held", HELD * SLAB, 8);
        fx->faults = SLOW_LOCATE;
        remount(fx);
        check_file(fx, "held", HELD * SLAB, 8);
        SchedFile *held = open_name(fx, "held"), *f = open_name(fx, "parts");
        for (unsigned i = 0; i < HELD; i++) {
                holders[i] = (struct holder){ held, &gate, i * SLAB };
                g_assert_cmpint(pthread_create(&threads[i], NULL, read_and_hold, &holders[i]), ==, 0);
        }
        await_held(&gate, HELD);
        uint64_t before = locates(fx);
        struct answer a = ANSWER;
        a.buf = got;
        sched_read(f, 1000, SIZE - 2000, note_parts, &a);
        g_usleep(200000);
        open_gate(&gate);
        g_assert_cmpint(wait_answer(&a), ==, 0);
        g_assert_cmpmem(got, SIZE - 2000, content + 1000, SIZE - 2000);
        g_assert_cmpuint(locates(fx) - before, <=, 1);
        for (unsigned i = 0; i < HELD; i++)
                pthread_join(threads[i], NULL);
        sched_release(held);
        sched_release(f);
}

/* Whoever takes a large answer slowly does not keep the tape from others. */
static void test_held(struct fixture *fx, const void *data)
{
        enum { LARGE = POOL / 16, SMALL = 100000 };
        static uint8_t content[SMALL], got[SMALL];
        static struct gate gate = { PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0, false };
        write_file(fx, "large", LARGE, 7);
        write_file(fx, "small", SMALL, 8);
        pattern(content, SMALL, 8);
        fx->options.buffer = 4 * POOL; /* the answer lies in one slab of eight */
        remount(fx);
        SchedFile *large = open_name(fx, "large"), *small = open_name(fx, "small");
        sched_read(large, 0, LARGE, hold, &gate);
        await_held(&gate, 1);
        struct answer a = ANSWER;
        a.buf = got;
        sched_read(small, 0, SMALL, read_done, &a);
        for (unsigned i = 0; i < 1000 && !is_answered(&a); i++)
                g_usleep(10000);
        g_assert_true(is_answered(&a));
        g_assert_cmpint(wait_answer(&a), ==, 0);
        g_assert_cmpmem(got, a.size, content, SMALL);
        open_gate(&gate);
        sched_release(small);
        sched_release(large);
}

/* ---- Reading beside writing */

static void *write_one(void *arg)
{
        struct caller *c = arg;
        static uint8_t piece[100000];
        SchedFile *f = open_name(c->fx, "written");
        for (unsigned i = 0; i < 300; i++) {
                g_assert_cmpint(write_at(f, (uint64_t)i * sizeof(piece), piece, sizeof(piece)), ==, 0);
                g_usleep(5000);
        }
        sched_release(f);
        return NULL;
}

/* Four readers, and a writer who fills the pool several times: the tape does not turn for each request. */
static void test_beside(struct fixture *fx, const void *data)
{
        pthread_t writer;
        struct caller caller = { fx, 0 };
        write_files(fx);
        fx->faults = SLOW_LOCATE;
        remount(fx);
        new_file(fx, "written");
        fx->compass.turns = 0;
        int64_t start = monotonic_ns();
        g_assert_cmpint(pthread_create(&writer, NULL, write_one, &caller), ==, 0);
        while (monotonic_ns() - start < INT64_C(1500000000))
                run_callers(fx, FILES, read_one);
        pthread_join(writer, NULL);
        /* Some 170 if whoever asks has the tape at once. */
        g_test_message("%u turns", fx->compass.turns);
        g_assert_cmpuint(fx->compass.turns, <=, 40);
}

struct leaping {
        struct fixture *fx;
        unsigned number;
        atomic_bool *end;
};

/* Reads here and there, what no slab has. */
static void *leap(void *arg)
{
        const struct leaping *l = arg;
        uint8_t buf[1000];
        size_t got;
        g_autofree char *name = g_strdup_printf("f%u", l->number);
        SchedFile *f = open_name(l->fx, name);
        for (uint32_t i = l->number; !atomic_load(l->end); i = i * 1664525 + 1013904223)
                g_assert_cmpint(read_at(f, i % (FILE_SIZE - sizeof(buf)), buf, sizeof(buf), &got), ==, 0);
        sched_release(f);
        return NULL;
}

/* A writer without a thread that waits for it: how often he has to come again. */
static unsigned write_again(SchedFile *f, uint64_t offset, size_t size)
{
        static uint8_t piece[100000];
        unsigned refused = 0;
        for (size_t left = size; left > 0 && refused < 20000;) {
                struct bytes b = { piece };
                struct sched_source source = { .fill = fill, .ctx = &b, .wait = SCHED_NO_WAIT };
                size_t done;
                int r = sched_write(f, offset, MIN(left, sizeof(piece)), &source, &done);
                g_assert_true(r == 0 || r == -EAGAIN);
                offset += done;
                left -= done;
                refused = done ? 0 : refused + 1;
                if (!done)
                        g_usleep(1000);
        }
        return refused;
}

/* He gets on beside readers who never pause. */
static void test_parked(struct fixture *fx, const void *data)
{
        pthread_t threads[FILES];
        struct leaping l[FILES];
        atomic_bool end = false;
        write_files(fx);
        fx->faults = SLOW_LOCATE;
        remount(fx);
        new_file(fx, "parked");
        for (unsigned i = 0; i < FILES; i++) {
                l[i] = (struct leaping){ fx, i, &end };
                g_assert_cmpint(pthread_create(&threads[i], NULL, leap, &l[i]), ==, 0);
        }
        SchedFile *f = open_name(fx, "parked");
        g_assert_cmpuint(write_again(f, 0, 3 * POOL), ==, 0);
        atomic_store(&end, true);
        for (unsigned i = 0; i < FILES; i++)
                pthread_join(threads[i], NULL);
        sched_release(f);
}

/* ---- Writing */

/* A slow source makes the tape stop once for a pool-full, not once for each batch. */
static void test_gather(struct fixture *fx, const void *data)
{
        enum { BATCH = POOL / 32, PIECES = 60 };
        static uint8_t piece[BATCH];
        struct sched_status status;
        new_file(fx, "slow");
        SchedFile *f = open_name(fx, "slow");
        for (unsigned i = 0; i < PIECES; i++) {
                g_assert_cmpint(write_at(f, (uint64_t)i * BATCH, piece, BATCH), ==, 0);
                g_usleep(10000);
        }
        sched_get_status(fx->sched, &status);
        g_assert_cmpuint(status.stops, >=, 1);
        g_assert_cmpuint(status.stops, <=, PIECES / 12 + 1);
        /* What is asked for is not held. */
        g_assert_cmpint(sync_all(fx->sched, f), ==, 0);
        sched_get_status(fx->sched, &status);
        g_assert_cmpuint(status.dirty, ==, 0);
        sched_release(f);
}

static void set_up_slow_source(struct fixture *fx, const void *data)
{
        fx->options.min_rate = UINT64_C(1) << 50;
        set_up(fx, NULL);
}

int main(int argc, char **argv)
{
        static const struct virtual_cartridge lacking = { .lacks = VIRTUAL_NO_ORDER };
        g_test_init(&argc, &argv, NULL);
#define ADD(name, up, test) g_test_add("/sched-order/" name, struct fixture, NULL, up, test, tear_down)
        ADD("four-readers", set_up, test_four_readers);
        g_test_add("/sched-order/ascending", struct fixture, &lacking, set_up, test_ascending, tear_down);
        ADD("advised", set_up, test_advised);
        ADD("not-advised", set_up, test_not_advised);
        ADD("parts", set_up, test_parts);
        ADD("any-order", set_up, test_any_order);
        ADD("kept", set_up, test_kept);
        ADD("held", set_up, test_held);
        ADD("beside", set_up, test_beside);
        ADD("parked", set_up, test_parked);
        ADD("small-in-order", set_up, test_small_in_order);
        ADD("gather", set_up_slow_source, test_gather);
        return g_test_run();
}

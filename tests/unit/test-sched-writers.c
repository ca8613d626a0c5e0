/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Large files that are written at once: each has the stream for a quantum, in turns, and what waits for it is
 * not cut to pieces meanwhile. */
#include "sched-fixture.h"

enum { WRITERS = 8, WRITE = 100000, QUANTUM = 4 << 20, SIZE = 18 << 20 };

struct writer {
        struct fixture *fx;
        unsigned number;
        size_t size;
        uint64_t ino;
        pthread_barrier_t *start;
        pthread_t thread;
};

static void *write_thread(void *arg)
{
        struct writer *w = arg;
        g_autofree uint8_t *content = g_malloc(w->size);
        pattern(content, w->size, w->number);
        g_autofree char *name = g_strdup_printf("w%u", w->number);
        SchedFile *f = open_name(w->fx, name);
        pthread_barrier_wait(w->start);
        for (size_t at = 0; at < w->size; at += WRITE)
                g_assert_cmpint(write_at(f, at, content + at, MIN(WRITE, w->size - at)), ==, 0);
        g_assert_cmpint(sched_flush(f), ==, 0);
        sched_release(f);
        return NULL;
}

static void begin_at_once(struct fixture *fx, struct writer *writers, unsigned n, size_t size)
{
        static pthread_barrier_t start;
        g_assert_cmpint(pthread_barrier_init(&start, NULL, n), ==, 0);
        for (unsigned i = 0; i < n; i++) {
                g_autofree char *name = g_strdup_printf("w%u", i);
                writers[i] = (struct writer){ fx, i, size, new_file(fx, name), &start, 0 };
                g_assert_cmpint(pthread_create(&writers[i].thread, NULL, write_thread, &writers[i]), ==, 0);
        }
}

/* Until everything is on the tape. */
static void await_all(struct fixture *fx, struct writer *writers, unsigned n)
{
        for (unsigned i = 0; i < n; i++)
                pthread_join(writers[i].thread, NULL);
        pthread_barrier_destroy(writers[0].start);
        g_assert_cmpint(sync_all(fx->sched, NULL), ==, 0);
}

static void write_at_once(struct fixture *fx, struct writer *writers, unsigned n, size_t size)
{
        begin_at_once(fx, writers, n, size);
        await_all(fx, writers, n);
}

static void check_contents(struct fixture *fx, const struct writer *writers, unsigned n)
{
        for (unsigned i = 0; i < n; i++) {
                g_autofree uint8_t *content = g_malloc(writers[i].size);
                g_autofree char *name = g_strdup_printf("w%u", i);
                pattern(content, writers[i].size, i);
                SchedFile *f = open_name(fx, name);
                assert_content(f, content, writers[i].size);
                sched_release(f);
        }
}

static size_t count_extents(struct fixture *fx, const struct writer *w, struct tree_extent **extents)
{
        size_t n;
        g_assert_cmpint(tree_extents(fx->tree, w->ino, extents, &n), ==, 0);
        return n;
}

static uint64_t place_of(struct fixture *fx, const struct tree_extent *e)
{
        struct segment seg;
        g_assert_cmpint(volume_segment_get(fx->volume, e->segment, &seg), ==, 0);
        return seg.first_block;
}

/* How much of the file lies before a block. */
static uint64_t bytes_before(struct fixture *fx, const struct writer *w, uint64_t block)
{
        g_autofree struct tree_extent *extents = NULL;
        size_t n = count_extents(fx, w, &extents);
        uint64_t bytes = 0;
        for (size_t i = 0; i < n; i++)
                if (place_of(fx, &extents[i]) < block)
                        bytes += extents[i].length;
        return bytes;
}

static void test_turns(struct fixture *fx, const void *data)
{
        struct writer writers[WRITERS];
        write_at_once(fx, writers, WRITERS, SIZE);
        uint64_t first_end = UINT64_MAX;
        for (unsigned i = 0; i < WRITERS; i++) {
                g_autofree struct tree_extent *extents = NULL;
                size_t n = count_extents(fx, &writers[i], &extents);
                g_assert_cmpuint(n, <=, (SIZE + QUANTUM - 1) / QUANTUM + 1);
                first_end = MIN(first_end, place_of(fx, &extents[n - 1]));
        }
        /* Nobody is served before his time: when the first one has had all of his turns but the last, the
         * others have had at least half of theirs. */
        for (unsigned i = 0; i < WRITERS; i++)
                g_assert_cmpuint(bytes_before(fx, &writers[i], first_end), >=, SIZE / 2);
        check_contents(fx, writers, WRITERS);
}

/* More large files than there are chunks for: still none is cut where it waits. */
static void test_many(struct fixture *fx, const void *data)
{
        enum { MANY = 12, LENGTH = 3 << 20 };
        struct writer writers[MANY];
        write_at_once(fx, writers, MANY, LENGTH);
        for (unsigned i = 0; i < MANY; i++) {
                g_autofree struct tree_extent *extents = NULL;
                g_assert_cmpuint(count_extents(fx, &writers[i], &extents), <=, 2);
        }
        check_contents(fx, writers, MANY);
}

static void write_small(struct fixture *fx, unsigned number, const void *content, size_t size)
{
        g_autofree char *name = g_strdup_printf("s%u", number);
        new_file(fx, name);
        SchedFile *f = open_name(fx, name);
        g_assert_cmpint(write_at(f, 0, content, size), ==, 0);
        sched_release(f);
}

static void await_written(struct fixture *fx)
{
        struct sched_status status;
        do {
                g_usleep(1000);
                sched_get_status(fx->sched, &status);
        } while (status.written == 0);
}

/* Small files get by while large ones wait. */
static void test_small_beside(struct fixture *fx, const void *data)
{
        enum { SMALL = 200 };
        struct writer writers[WRITERS];
        static uint8_t content[30000];
        pattern(content, sizeof(content), 99);
        begin_at_once(fx, writers, WRITERS, SIZE / 2);
        for (unsigned i = 0; i < SMALL; i++)
                write_small(fx, i, content, sizeof(content));
        await_all(fx, writers, WRITERS);
        for (unsigned i = 0; i < SMALL; i++) {
                g_autofree char *name = g_strdup_printf("s%u", i);
                SchedFile *f = open_name(fx, name);
                assert_content(f, content, sizeof(content));
                sched_release(f);
        }
        check_contents(fx, writers, WRITERS);
}

/* A large file is cut to let small ones by, and for nothing else, however long the drive takes to get there:
 * there is a pack between its segments. */
static void test_cut_for_packs(struct fixture *fx, const void *data)
{
        enum { SMALL = 60 };
        struct writer writer;
        static uint8_t content[3000];
        begin_at_once(fx, &writer, 1, 2 * SIZE);
        await_written(fx);
        for (unsigned i = 0; i < SMALL; i++) {
                write_small(fx, i, content, sizeof(content));
                g_usleep(10000);
        }
        await_all(fx, &writer, 1);
        g_autofree struct tree_extent *extents = NULL;
        size_t n = count_extents(fx, &writer, &extents);
        for (size_t i = 1; i < n; i++) {
                struct segment s, before;
                g_assert_cmpint(volume_segment_get(fx->volume, extents[i - 1].segment, &before), ==, 0);
                g_assert_cmpint(volume_segment_get(fx->volume, extents[i].segment, &s), ==, 0);
                g_assert_cmpuint(s.filemark, >, before.filemark + 1);
        }
        check_contents(fx, &writer, 1);
}

/* A writer who waits for a drive that stops does not idle. (Twice one may, where the machine is busy.) */
static void test_slow_drive(struct fixture *fx, const void *data)
{
        enum { TWO = 2, LENGTH = 6 << 20 };
        struct writer writers[TWO];
        write_at_once(fx, writers, TWO, LENGTH);
        for (unsigned i = 0; i < TWO; i++) {
                g_autofree struct tree_extent *extents = NULL;
                g_assert_cmpuint(count_extents(fx, &writers[i], &extents), <=, 3);
        }
        check_contents(fx, writers, TWO);
}

/* Who writes nothing loses the stream to who does, long before his quantum is over. */
static void test_idle(struct fixture *fx, const void *data)
{
        enum { LENGTH = 1 << 20 };
        g_autofree uint8_t *content = g_malloc(LENGTH);
        pattern(content, LENGTH, 3);
        new_file(fx, "idle");
        new_file(fx, "busy");
        SchedFile *idle = open_name(fx, "idle"), *busy = open_name(fx, "busy");
        g_assert_cmpint(write_at(idle, 0, content, LENGTH), ==, 0);
        for (unsigned i = 0; i < 5; i++)
                g_assert_cmpint(write_at(busy, i * LENGTH, content, LENGTH), ==, 0);
        g_assert_cmpint(write_at(idle, LENGTH, content, LENGTH), ==, 0);
        sched_release(idle);
        sched_release(busy);
}

static void set_up_turns(struct fixture *fx, const void *data)
{
        /* The machine may be so busy that a thread does not run for a second. */
        fx->options =
                (struct sched_options){ .quantum = QUANTUM, .idle_ms = 60000, .max_waiters = 2 * WRITERS };
        /* A turn shall take longer than it takes a thread to begin. */
        fx->faults = "opcode=0a delay=4 count=all";
        set_up(fx, NULL);
}

static void set_up_slow_drive(struct fixture *fx, const void *data)
{
        fx->options = (struct sched_options){ .idle_ms = 60 };
        fx->faults = "opcode=0a delay=70 count=all";
        set_up(fx, NULL);
}

static void set_up_short_linger(struct fixture *fx, const void *data)
{
        fx->options = (struct sched_options){ .linger_ms = 20 };
        fx->faults = "opcode=0a delay=20 count=all";
        set_up(fx, NULL);
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
#define ADD(name, up, test) g_test_add("/sched-writers/" name, struct fixture, NULL, up, test, tear_down)
        ADD("turns", set_up_turns, test_turns);
        ADD("many", set_up_turns, test_many);
        ADD("small-beside", set_up_turns, test_small_beside);
        ADD("slow-drive", set_up_slow_drive, test_slow_drive);
        ADD("cut-for-packs", set_up_short_linger, test_cut_for_packs);
        ADD("idle", set_up, test_idle);
        return g_test_run();
}

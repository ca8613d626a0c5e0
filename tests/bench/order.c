/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the scheduler makes a modelled drive do, in real time: how often a source that pauses makes the tape
 * stop, how fast several readers are served against one, and what becomes of several writers. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "../unit/sched-fixture.h"

#define MB 1000000
#define PIECE ((size_t)1 << 20)

static void make_volume(struct fixture *fx, const char *drive, uint64_t capacity)
{
        struct virtual_cartridge cartridge = { .capacity = capacity };
        fx->dir = g_dir_make_tmp("reelfs-order-XXXXXX", NULL);
        fx->path = g_build_filename(fx->dir, "tape.tap", NULL);
        g_assert_cmpint(virtual_create(fx->path, &cartridge), ==, 0);
        Transport *t;
        g_assert_cmpint(virtual_open(fx->path, false, &t), ==, 0);
        g_assert_cmpint(tape_open(t, fx->path, &fx->tape), ==, 0);
        struct volume_format f = { .name = "ORDER", .block_length = 512 << 10 };
        g_assert_cmpint(volume_format(fx->tape, &f), ==, 0);
        tape_close(fx->tape);
        g_autofree char *name = g_strconcat(fx->path, ".cartridge", NULL);
        g_autoptr(GKeyFile) key = g_key_file_new();
        g_key_file_load_from_file(key, name, G_KEY_FILE_NONE, NULL);
        if (!g_str_equal(drive, "none"))
                g_key_file_set_string(key, "model", "drive", drive);
        g_key_file_set_boolean(key, "test", "discard", true);
        g_assert_true(g_key_file_save_to_file(key, name, NULL));
        mount_volume(fx);
}

static double seconds(void)
{
        return (double)monotonic_ns() / 1e9;
}

static void sleep_until(double when)
{
        double left = when - seconds();
        if (left > 0)
                g_usleep((gulong)(left * 1e6));
}

/* A source of so many MB/s that pauses after each burst. */
static void stops(struct fixture *fx, double rate, double burst, double pause, double total)
{
        g_autofree uint8_t *piece = g_malloc0(PIECE);
        struct sched_status status;
        struct virtual_motion motion;
        new_file(fx, "f");
        SchedFile *f = open_name(fx, "f");
        double start = seconds(), next = start, in_burst = 0;
        uint64_t at = 0;
        for (; at < (uint64_t)(total * MB); at += PIECE) {
                g_assert_cmpint(write_at(f, at, piece, PIECE), ==, 0);
                next = MAX(next, seconds() - 0.05) + (double)PIECE / (rate * MB);
                in_burst += (double)PIECE / MB;
                if (in_burst >= burst) {
                        next += pause;
                        in_burst = 0;
                }
                sleep_until(next);
        }
        double took = seconds() - start;
        sched_get_status(fx->sched, &status);
        virtual_motion(fx->drive, &motion);
        printf("%6.0f MB in %5.1f s: %3" G_GUINT64_FORMAT " stops of the tape, %3" G_GUINT64_FORMAT
               " expected; a pool-full of %.0f MB each: %.1f\n",
                total, took, motion.stops, status.stops, (double)status.pool / MB,
                total * MB / (double)status.pool);
        sched_release(f);
}

struct caller {
        struct fixture *fx;
        unsigned number;
        uint64_t size;
        double done;
};

static void *write_one(void *arg)
{
        struct caller *c = arg;
        g_autofree uint8_t *piece = g_malloc0(PIECE);
        g_autofree char *name = g_strdup_printf("f%u", c->number);
        new_file(c->fx, name);
        SchedFile *f = open_name(c->fx, name);
        for (uint64_t at = 0; at < c->size; at += PIECE)
                g_assert_cmpint(write_at(f, at, piece, PIECE), ==, 0);
        sched_release(f);
        return NULL;
}

static void ignore(void *ctx, int error, const struct iovec *iov, int iovcnt)
{
        g_assert_cmpint(error, ==, 0);
        tell(ctx, error);
}

/* As the kernel does: one request ahead of the program. */
static void *read_one(void *arg)
{
        struct caller *c = arg;
        g_autofree char *name = g_strdup_printf("f%u", c->number);
        SchedFile *f = open_name(c->fx, name);
        struct answer a[2] = { ANSWER, ANSWER };
        sched_read(f, 0, PIECE, ignore, &a[0]);
        for (uint64_t n = 0; n < c->size / PIECE; n++) {
                struct answer *ahead = &a[(n + 1) % 2], fresh = ANSWER;
                *ahead = fresh;
                sched_read(f, (n + 1) * PIECE, PIECE, ignore, ahead);
                wait_answer(&a[n % 2]);
        }
        wait_answer(&a[(c->size / PIECE) % 2]);
        sched_release(f);
        return NULL;
}

static double run_callers(struct fixture *fx, unsigned from, unsigned n, uint64_t size, void *(*what)(void *))
{
        pthread_t threads[16];
        struct caller callers[16];
        double start = seconds();
        for (unsigned i = 0; i < n; i++) {
                callers[i] = (struct caller){ fx, from + i, size, 0 };
                pthread_create(&threads[i], NULL, what, &callers[i]);
        }
        for (unsigned i = 0; i < n; i++)
                pthread_join(threads[i], NULL);
        return seconds() - start;
}

static void remount(struct fixture *fx)
{
        g_assert_cmpint(unmount_volume(fx), ==, 0);
        mount_volume(fx);
}

static void readers(struct fixture *fx, unsigned n, uint64_t size)
{
        struct virtual_statistics before, after;
        for (unsigned i = 0; i < n; i++)
                run_callers(fx, i, 1, size, write_one);
        remount(fx);
        double alone = 0;
        for (unsigned i = 0; i < n; i++)
                alone += run_callers(fx, i, 1, size, read_one);
        remount(fx);
        virtual_statistics(fx->drive, &before);
        double together = run_callers(fx, 0, n, size, read_one);
        virtual_statistics(fx->drive, &after);
        double total = (double)(n * size) / MB;
        printf("%u readers of %.0f MB: %4.0f MB/s, one after the other %4.0f MB/s, ratio %.2f; "
               "%" G_GUINT64_FORMAT " LOCATEs\n",
                n, (double)size / MB, total / together, total / alone, alone / together,
                after.locates - before.locates);
}

static void writers(struct fixture *fx, unsigned n, uint64_t size)
{
        double alone = run_callers(fx, 100, 1, n * size, write_one);
        double together = run_callers(fx, 0, n, size, write_one);
        g_assert_cmpint(sync_all(fx->sched, NULL), ==, 0);
        size_t most = 0;
        for (unsigned i = 0; i < n; i++) {
                g_autofree char *name = g_strdup_printf("f%u", i);
                g_autofree struct tree_extent *extents = NULL;
                struct tree_attr attr;
                size_t count;
                g_assert_cmpint(tree_resolve(fx->tree, name, &attr), ==, 0);
                g_assert_cmpint(tree_extents(fx->tree, attr.ino, &extents, &count), ==, 0);
                tree_unref(fx->tree, attr.ino, 1);
                most = MAX(most, count);
        }
        printf("%u writers of %.0f MB: %4.2f of one's throughput; at most %zu extents a file\n", n,
                (double)size / MB, alone / together, most);
}

static double number(char **argv, int i, double otherwise)
{
        return argv[i] ? strtod(argv[i], NULL) : otherwise;
}

int main(int argc, char **argv)
{
        if (argc < 4) {
                fprintf(stderr,
                        "usage: bench-order lto5|lto8|lto9|none stops RATE BURST PAUSE TOTAL [MIN-RATE]\n"
                        "       bench-order DRIVE readers|writers N SIZE      (all in MB, MB/s, s)\n");
                return 2;
        }
        struct fixture fx = { .options = { .buffer = SCHED_BUFFER_DEFAULT, .max_waiters = 16 } };
        log_set_sink(quiet, NULL);
        bool pausing = g_str_equal(argv[2], "stops");
        if (pausing && argc > 7)
                fx.options.min_rate = (uint64_t)(number(argv, 7, 0) * MB) ?: SCHED_NEVER_GATHER;
        make_volume(&fx, argv[1], 0);
        if (pausing)
                stops(&fx, number(argv, 3, 300), number(argv, 4, 100), number(argv, 5, 1),
                        number(argv, 6, 3000));
        else
                (g_str_equal(argv[2], "readers") ? readers : writers)(&fx, (unsigned)number(argv, 3, 4),
                        (uint64_t)(number(argv, 4, 1000) * MB) / PIECE * PIECE);
        g_assert_cmpint(unmount_volume(&fx), ==, 0);
        remove_all(&fx);
        return 0;
}

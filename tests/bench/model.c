/* SPDX-License-Identifier: GPL-2.0-or-later */
/* bench-model DRIVE RATE SCALE archive|both: seconds on a modelled drive (reelfs-model(7)) for archive and
 * restore. reelfs is the real scheduler and volume over the virtual drive, on the clock of sim-clock.h; tar,
 * and one record for each file with an index every five minutes, are the commands that these make. RATE is
 * MB/s of what gives and takes the data, one request after the other. SCALE divides the numbers of files, and
 * the size of a last one. One line for each figure: archive|restore, set, order, who, seconds, stops,
 * locates, metres. Orders: of the tape, in which the files were written, random; random/8: eight readers at
 * once. Set wanted: parts of files, in the order of the tape and in the one that the drive recommends;
 * beside: one reader of four files, and four. */
#include <glib.h>
#include <glib/gstdio.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <reelfs/log.h>
#include <reelfs/sched.h>
#include <reelfs/util.h>
#include <reelfs/virtual.h>

#include "../../src/transport/mechanics.h"
#include "sim-clock.h"

#define BLOCK ((uint64_t)VOLUME_BLOCK_LENGTH_DEFAULT)
#define REQUEST (1u << 20)
#define GIB (UINT64_C(1) << 30)
#define FRAMING 8           /* bytes that a block takes beside its data, as in the virtual drive's file */
#define FILES_A_SECOND 5000 /* that a program opens, writes and closes */
#define READERS 8
#define INDEX_S 300
#define INDEX_BYTES 600 /* for a file, in LTFS's index */
#define TAR_SAMPLES 10
#define SCATTERED 200 /* files */
#define SCATTERED_SIZE (64u << 20)

/* Readers at once who each want a part out of the midst of files that lie on several wraps. */
#define WANTED_FILES 64
#define WANTED_SIZE (4 * GIB)
#define WANTED_BLOCK (8u << 20)
#define WANTED_READERS 16
/* Files that are read one after the other, and all at once. */
#define BESIDE 4
#define BESIDE_SIZE (2 * GIB)

static const struct kind {
        unsigned files;
        uint64_t size;
} small[] = { { 20000, 4096 }, { 0 } }, large[] = { { 50, UINT64_C(2) << 30 }, { 0 } },
  mix[] = { { 5000, 100 << 10 }, { 400, 16 << 20 }, { 10, UINT64_C(2) << 30 }, { 0 } };
static const struct {
        const char *name;
        const struct kind *kinds;
} sets[] = { { "small", small }, { "large", large }, { "mix", mix } };

struct job {
        const char *set;
        const struct serpentine_drive *drive;
        double rate; /* of the source, bytes a second */
        uint64_t *sizes;
        size_t *shuffled; /* the same files in another order */
        size_t n;
        uint64_t part;     /* bytes of each file that are read, from its middle on; 0: all */
        uint32_t block;    /* bytes; 0: as always */
        const char *lacks; /* what the drive does; NULL: nothing */
};

static void print(const struct job *j, const char *what, const char *order, const char *who, double seconds,
        const struct virtual_motion *m)
{
        printf("%s %s %s %s %.3f %" G_GUINT64_FORMAT " %" G_GUINT64_FORMAT " %.0f\n", what, j->set, order,
                who, seconds, m->stops, m->locates, m->metres);
        fflush(stdout);
}

static int64_t host_ns(const struct job *j, uint64_t bytes)
{
        return (int64_t)((double)bytes * 1e9 / j->rate);
}

/* The sizes take turns, so that the kinds are spread over the tape. */
static void make_job(struct job *j, const struct kind *kinds, unsigned scale)
{
        GRand *rand = g_rand_new_with_seed(1);
        g_autoptr(GArray) sizes = g_array_new(FALSE, FALSE, sizeof(uint64_t));
        for (const struct kind *k = kinds; k->files; k++) {
                uint64_t size = k->files >= scale ? k->size : k->size * k->files / scale;
                for (unsigned i = 0; i < MAX(k->files / scale, 1); i++)
                        g_array_append_val(sizes, size);
        }
        j->n = sizes->len;
        j->sizes = (uint64_t *)g_array_steal(sizes, NULL);
        j->shuffled = g_new(size_t, j->n);
        for (size_t i = 0; i < j->n; i++)
                j->shuffled[i] = i;
        for (size_t i = j->n; i-- > 1;) {
                size_t a = (size_t)g_rand_int_range(rand, 0, (int)i + 1), b = j->shuffled[i];
                uint64_t size = j->sizes[i];
                j->shuffled[i] = j->shuffled[a];
                j->shuffled[a] = b;
                a = (size_t)g_rand_int_range(rand, 0, (int)i + 1);
                j->sizes[i] = j->sizes[a];
                j->sizes[a] = size;
        }
        g_rand_free(rand);
}

static void clear_job(struct job *j)
{
        g_free(j->sizes);
        g_free(j->shuffled);
}

static uint64_t total(const struct job *j)
{
        uint64_t bytes = 0;
        for (size_t i = 0; i < j->n; i++)
                bytes += j->sizes[i];
        return bytes;
}

/* ---- reelfs */

struct reelfs {
        const struct job *job;
        char *path;
        Transport *transport;
        Tape *tape;
        Volume *volume;
        Tree *tree;
        Sched *sched;
        uint64_t *inodes;
        int64_t started;
        struct virtual_motion before;
};

static void must(int r, const char *what)
{
        if (r < 0) {
                fprintf(stderr, "bench-model: %s: %s\n", what, g_strerror(-r));
                exit(1);
        }
}

static void open_drive(struct reelfs *r)
{
        g_autofree char *name = g_strconcat(r->path, ".cartridge", NULL);
        g_autofree char *keys =
                g_strdup_printf("[cartridge]\ncapacity=%" G_GUINT64_FORMAT
                                "\n[drive]\nlacks=%s\n[test]\ndiscard=true\n[model]\ndrive=%s\n",
                        r->job->drive->capacity, r->job->lacks ?: "", r->job->drive->name);
        g_assert_true(g_file_set_contents(r->path, "", 0, NULL) && g_file_set_contents(name, keys, -1, NULL));
        must(virtual_open(r->path, false, &r->transport), r->path);
        must(tape_open(r->transport, r->path, &r->tape), "tape");
        struct volume_format format = { .name = "MODEL", .block_length = r->job->block };
        must(volume_format(r->tape, &format), "format");
        must(volume_open(r->tape, false, &r->volume, &r->tree), "volume");
}

static void start_sched(struct reelfs *r)
{
        struct sched_options o = { .commit_s = INDEX_S };
        must(sched_new(r->volume, r->tree, &o, &r->sched), "scheduler");
        virtual_motion(r->transport, &r->before);
        r->started = sim_now();
}

/* Prints what has happened since the start. */
static void tell(struct reelfs *r, const char *what, const char *order)
{
        struct virtual_motion m;
        virtual_motion(r->transport, &m);
        m.stops -= r->before.stops;
        m.locates -= r->before.locates;
        m.metres -= r->before.metres;
        print(r->job, what, order, "reelfs", (double)(sim_now() - r->started) / 1e9, &m);
}

/* The data is never looked at. */
static int fill_nothing(void *ctx, void *dst, size_t size)
{
        return 0;
}

static void write_file(struct reelfs *r, size_t i)
{
        struct tree_new_inode new = { .mode = S_IFREG | 0644 };
        struct tree_attr attr;
        SchedFile *f;
        char name[32];
        g_snprintf(name, sizeof(name), "file%07zu", i);
        sim_until(sim_now() + 1000000000 / FILES_A_SECOND);
        must(tree_create(r->tree, TREE_ROOT, name, &new, now_ns(), &attr), "create");
        r->inodes[i] = attr.ino;
        must(sched_open(r->sched, attr.ino, &f), "open");
        tree_unref(r->tree, attr.ino, 1);
        for (uint64_t at = 0; at < r->job->sizes[i];) {
                struct sched_source source = { .fill = fill_nothing };
                size_t size = MIN(REQUEST, r->job->sizes[i] - at), done;
                sim_until(sim_now() + host_ns(r->job, size));
                must(sched_write(f, at, size, &source, &done), "write");
                at += done;
        }
        must(sched_flush(f), "flush");
        sched_release(f);
}

static void end_sched(struct reelfs *r)
{
        must(sched_stop(r->sched, NULL), "stop");
        sched_free(r->sched);
}

struct answer {
        pthread_mutex_t lock;
        pthread_cond_t told;
        bool done;
        int error;
};

static void read_done(void *ctx, int error, const struct iovec *iov, int iovcnt)
{
        struct answer *a = ctx;
        pthread_mutex_lock(&a->lock);
        a->done = true;
        a->error = error;
        pthread_cond_signal(&a->told);
        pthread_mutex_unlock(&a->lock);
}

static void read_file(struct reelfs *r, size_t i)
{
        SchedFile *f;
        uint64_t size = r->job->sizes[i], part = r->job->part, start = part ? size / 2 : 0,
                 end = part ? start + part : size;
        sim_until(sim_now() + 1000000000 / FILES_A_SECOND);
        must(sched_open(r->sched, r->inodes[i], &f), "open");
        for (uint64_t at = start; at < end; at += REQUEST) {
                struct answer a = { PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, false, 0 };
                sched_read(f, at, REQUEST, read_done, &a);
                pthread_mutex_lock(&a.lock);
                while (!a.done)
                        pthread_cond_wait(&a.told, &a.lock);
                pthread_mutex_unlock(&a.lock);
                must(a.error, "read");
                sim_until(sim_now() + host_ns(r->job, MIN(REQUEST, end - at)));
        }
        sched_release(f);
}

/* Readers take the files in turn, each the next one that nobody has taken. */
struct readers {
        struct reelfs *reelfs;
        const size_t *files; /* NULL: as written */
        size_t next;
        pthread_mutex_t lock;
};

static void *reader_main(void *arg)
{
        struct readers *all = arg;
        for (;;) {
                pthread_mutex_lock(&all->lock);
                size_t i = all->next++;
                pthread_mutex_unlock(&all->lock);
                if (i >= all->reelfs->job->n)
                        return NULL;
                read_file(all->reelfs, all->files ? all->files[i] : i);
        }
}

/* From a rewound tape, and nothing in memory. */
static void restore_reelfs(struct reelfs *r, const char *order, const size_t *files, unsigned readers)
{
        struct readers all = { r, files, 0, PTHREAD_MUTEX_INITIALIZER };
        pthread_t threads[MAX(READERS, WANTED_READERS)];
        must(tape_rewind(r->tape), "rewind");
        start_sched(r);
        for (unsigned i = 0; i < readers; i++)
                must(-pthread_create(&threads[i], NULL, reader_main, &all), "thread");
        for (unsigned i = 0; i < readers; i++)
                pthread_join(threads[i], NULL);
        tell(r, "restore", order);
        end_sched(r);
}

struct start {
        uint64_t block, offset; /* of the first extent */
        size_t file;
};

static int compare_starts(const void *a, const void *b)
{
        const struct start *x = a, *y = b;
        return x->block != y->block ? (x->block < y->block ? -1 : 1)
                                    : (x->offset > y->offset) - (x->offset < y->offset);
}

/* As reelfs restore does it. The caller frees. */
static size_t *tape_order(struct reelfs *r)
{
        g_autofree struct start *starts = g_new0(struct start, r->job->n);
        size_t *files = g_new(size_t, r->job->n);
        for (size_t i = 0; i < r->job->n; i++) {
                struct tree_extent e = { 0 };
                struct segment segment;
                size_t n;
                must(tree_map(r->tree, r->inodes[i], 0, 1, &e, 1, &n, NULL), "map");
                must(volume_segment_get(r->volume, e.segment, &segment), "segment");
                starts[i] = (struct start){ segment.first_block, e.offset, i };
        }
        qsort(starts, r->job->n, sizeof(*starts), compare_starts);
        for (size_t i = 0; i < r->job->n; i++)
                files[i] = starts[i].file;
        return files;
}

static void begin_reelfs(struct reelfs *r, const struct job *j, const char *directory)
{
        *r = (struct reelfs){ .job = j, .path = g_build_filename(directory, "model.tap", NULL) };
        r->inodes = g_new(uint64_t, j->n);
        open_drive(r);
        start_sched(r);
        for (size_t i = 0; i < j->n; i++)
                write_file(r, i);
        end_sched(r);
        must(tape_rewind(r->tape), "rewind");
}

static void end_reelfs(struct reelfs *r)
{
        volume_close(r->volume);
        tree_free(r->tree);
        tape_close(r->tape);
        g_autofree char *name = g_strconcat(r->path, ".cartridge", NULL);
        g_unlink(name);
        g_unlink(r->path);
        g_free(r->inodes);
        g_free(r->path);
}

static void run_reelfs(const struct job *j, const char *directory, bool restore)
{
        struct reelfs r;
        begin_reelfs(&r, j, directory);
        tell(&r, "archive", "tape");
        if (restore) {
                g_autofree size_t *files = tape_order(&r);
                restore_reelfs(&r, "tape", files, 1);
                restore_reelfs(&r, "written", NULL, 1);
                restore_reelfs(&r, "random", j->shuffled, 1);
                restore_reelfs(&r, "random/8", j->shuffled, READERS);
        }
        end_reelfs(&r);
}

/* Parts of files, for many readers at once: by a drive that is not asked for its order, and by one that is.
 */
static void run_wanted(const struct serpentine_drive *drive, double rate, const char *directory)
{
        const struct kind kinds[] = { { WANTED_FILES, WANTED_SIZE }, { 0 } };
        static const char *const orders[] = { "tape", "recommended" };
        for (unsigned asked = 0; asked < G_N_ELEMENTS(orders); asked++) {
                struct job j = { .set = "wanted",
                        .drive = drive,
                        .rate = rate,
                        .part = SCATTERED_SIZE,
                        .block = WANTED_BLOCK,
                        .lacks = asked ? NULL : "order" };
                struct reelfs r;
                make_job(&j, kinds, 1);
                begin_reelfs(&r, &j, directory);
                restore_reelfs(&r, orders[asked], j.shuffled, WANTED_READERS);
                end_reelfs(&r);
                clear_job(&j);
        }
}

/* Each file by a reader of its own, beside one reader of all. */
static void run_beside(const struct serpentine_drive *drive, double rate, const char *directory)
{
        const struct kind kinds[] = { { BESIDE, BESIDE_SIZE }, { 0 } };
        struct job j = { .set = "beside", .drive = drive, .rate = rate };
        struct reelfs r;
        make_job(&j, kinds, 1);
        begin_reelfs(&r, &j, directory);
        restore_reelfs(&r, "one", NULL, 1);
        restore_reelfs(&r, "four", NULL, BESIDE);
        end_reelfs(&r);
        clear_job(&j);
}

/* ---- Others, command by command */

struct other {
        const struct job *job;
        struct mechanics m;
        int64_t now;
        uint64_t at; /* place on the tape */
};

static struct other other_new(const struct job *j)
{
        struct other o = { .job = j };
        mechanics_init(&o.m, j->drive);
        return o;
}

static void put_block(struct other *o, uint64_t bytes)
{
        o->now = mechanics_write(&o->m, o->now, o->at, o->at + bytes + FRAMING, bytes);
        o->at += bytes + FRAMING;
}

static void put_filemark(struct other *o, bool flush)
{
        o->now = mechanics_write(&o->m, o->now, o->at, o->at + FRAMING / 2, 0);
        o->at += FRAMING / 2;
        if (flush)
                o->now = mechanics_flush(&o->m, o->now);
}

static void get_block(struct other *o, uint64_t bytes, uint64_t end)
{
        o->now = mechanics_read(&o->m, o->now, o->at, o->at + bytes + FRAMING, bytes, end);
        o->at += bytes + FRAMING;
}

static void go_to(struct other *o, uint64_t place)
{
        o->now = mechanics_locate(&o->m, o->now, place);
        o->at = place;
}

static void print_other(struct other *o, const char *what, const char *order, const char *who, double factor)
{
        mechanics_advance(&o->m, o->now);
        struct virtual_motion m = o->m.motion;
        m.stops = (uint64_t)((double)m.stops * factor);
        m.locates = (uint64_t)((double)m.locates * factor);
        m.metres *= factor;
        print(o->job, what, order, who, (double)o->now * factor / 1e9, &m);
}

/* tar: one stream of full blocks. starts: at which place each file's first block lies. Returns the end. */
static uint64_t archive_tar(const struct job *j, uint64_t *starts)
{
        struct other o = other_new(j);
        uint64_t pending = 0;
        for (size_t i = 0; i < j->n; i++) {
                uint64_t left = 512 + (j->sizes[i] + 511) / 512 * 512;
                o.now += 1000000000 / FILES_A_SECOND;
                starts[i] = o.at;
                while (left > 0) {
                        uint64_t n = MIN(left, BLOCK - pending);
                        o.now += host_ns(j, n);
                        pending += n;
                        left -= n;
                        if (pending == BLOCK) {
                                put_block(&o, BLOCK);
                                pending = 0;
                        }
                }
        }
        put_block(&o, BLOCK);
        put_filemark(&o, true);
        o.now = mechanics_rewind(&o.m, o.now);
        print_other(&o, "archive", "tape", "tar", 1);
        return o.at;
}

static void read_through(struct other *o, uint64_t place, uint64_t end)
{
        while (o->at < place) {
                get_block(o, BLOCK, end);
                o->now += host_ns(o->job, BLOCK);
        }
}

/* In the order of the tape: all of it, once. In another: from the beginning to the end of each file, of which
 * some are tried; or, if each is an archive of its own, mt fsf. */
static void restore_tar(const struct job *j, const uint64_t *starts, uint64_t end)
{
        struct other o = other_new(j);
        end -= end % (BLOCK + FRAMING);
        read_through(&o, end, end);
        o.now += (int64_t)j->n * 1000000000 / FILES_A_SECOND;
        print_other(&o, "restore", "tape", "tar", 1);
        o = other_new(j);
        if (total(j) / j->n > GIB) {
                for (size_t i = 0; i < j->n; i++) {
                        go_to(&o, starts[j->shuffled[i]]);
                        read_through(&o, o.at + j->sizes[j->shuffled[i]], end);
                }
                return print_other(&o, "restore", "random", "tar", 1);
        }
        unsigned samples = (unsigned)MIN(TAR_SAMPLES, j->n);
        for (unsigned i = 0; i < samples; i++) {
                size_t file = j->shuffled[i * j->n / samples];
                o.now = mechanics_rewind(&o.m, o.now);
                o.at = 0;
                read_through(&o, starts[file] + j->sizes[file] + BLOCK, end);
        }
        print_other(&o, "restore", "random", "tar", (double)j->n / samples);
}

static void put_index(struct other *o, size_t files)
{
        put_filemark(o, false);
        for (uint64_t left = 4096 + files * INDEX_BYTES; left > 0;) {
                uint64_t n = MIN(left, BLOCK);
                put_block(o, n);
                left -= n;
        }
        put_filemark(o, true);
}

/* One record or more for each file, no filemarks between; an index behind the data every five minutes, and at
 * the end one there and one at the beginning of the tape. */
static uint64_t archive_records(const struct job *j, uint64_t *starts)
{
        struct other o = other_new(j);
        int64_t indexed = 0;
        for (size_t i = 0; i < j->n; i++) {
                o.now += 1000000000 / FILES_A_SECOND;
                starts[i] = o.at;
                for (uint64_t left = j->sizes[i], n; left > 0; left -= n) {
                        n = MIN(left, BLOCK);
                        o.now += host_ns(j, n);
                        put_block(&o, n);
                        if (o.now - indexed > INDEX_S * INT64_C(1000000000)) {
                                put_index(&o, i);
                                indexed = o.now;
                        }
                }
        }
        put_index(&o, j->n);
        uint64_t end = o.at;
        go_to(&o, 0);
        put_index(&o, j->n);
        o.now = mechanics_rewind(&o.m, o.now);
        print_other(&o, "archive", "tape", "records", 1);
        return end;
}

static void restore_records(const struct job *j, const uint64_t *starts, uint64_t end, const size_t *shuffled)
{
        struct other o = other_new(j);
        for (size_t i = 0; i < j->n; i++) {
                size_t file = shuffled ? shuffled[i] : i;
                o.now += 1000000000 / FILES_A_SECOND;
                go_to(&o, starts[file]);
                for (uint64_t left = j->sizes[file], n; left > 0; left -= n) {
                        n = MIN(left, BLOCK);
                        get_block(&o, n, end);
                        o.now += host_ns(j, n);
                }
        }
        print_other(&o, "restore", shuffled ? "random" : "tape", "records", 1);
}

static void run_others(const struct job *j)
{
        g_autofree uint64_t *starts = g_new(uint64_t, j->n);
        struct virtual_motion none = { 0 };
        double limit = (double)total(j) / serpentine_fastest(j->drive), host = (double)total(j) / j->rate;
        print(j, "archive", "tape", "limit", limit, &none);
        print(j, "archive", "tape", "source", host + (double)j->n / FILES_A_SECOND, &none);
        restore_tar(j, starts, archive_tar(j, starts));
        uint64_t end = archive_records(j, starts);
        restore_records(j, starts, end, NULL);
        restore_records(j, starts, end, j->shuffled);
}

static int compare_spans(const void *a, const void *b)
{
        const struct serpentine_span *x = a, *y = b;
        return (x->from > y->from) - (x->from < y->from);
}

static void print_way(const struct job *j, const char *order, const struct serpentine_span *spans)
{
        struct virtual_motion m = { .locates = SCATTERED };
        double reading = (double)SCATTERED * SCATTERED_SIZE / serpentine_fastest(j->drive);
        print(j, "restore", order, "drive", reading + serpentine_way(j->drive, 0, spans, SCATTERED), &m);
}

/* What an order is worth: a few files anywhere on a full tape, of which nothing else is read. */
static void run_scattered(const struct serpentine_drive *drive)
{
        struct job j = { .set = "scattered", .drive = drive };
        struct serpentine_span spans[SCATTERED];
        GRand *rand = g_rand_new_with_seed(1);
        for (size_t i = 0; i < SCATTERED; i++) {
                uint64_t from = (uint64_t)(g_rand_double(rand) * (double)drive->capacity);
                spans[i] = (struct serpentine_span){ from, from + SCATTERED_SIZE, i };
        }
        g_rand_free(rand);
        print_way(&j, "random", spans);
        qsort(spans, SCATTERED, sizeof(*spans), compare_spans);
        print_way(&j, "tape", spans);
        serpentine_order(drive, 0, spans, SCATTERED);
        print_way(&j, "recommended", spans);
}

static void quiet(void *ctx, int priority, const char *text)
{
        if (priority <= LOG_ERR)
                fprintf(stderr, "%s\n", text);
}

int main(int argc, char **argv)
{
        if (argc != 5 || !serpentine_find(argv[1]) || atof(argv[2]) <= 0 || atoi(argv[3]) < 1) {
                fprintf(stderr, "usage: bench-model lto5|lto8|lto9 RATE SCALE archive|both\n");
                return 2;
        }
        log_set_sink(quiet, NULL);
        g_autofree char *directory = g_dir_make_tmp("reelfs-model-XXXXXX", NULL);
        g_assert_nonnull(directory);
        for (size_t i = 0; i < G_N_ELEMENTS(sets); i++) {
                struct job j = { sets[i].name, serpentine_find(argv[1]), atof(argv[2]) * 1e6 };
                make_job(&j, sets[i].kinds, (unsigned)atoi(argv[3]));
                run_others(&j);
                run_reelfs(&j, directory, strcmp(argv[4], "both") == 0);
                clear_job(&j);
        }
        run_scattered(serpentine_find(argv[1]));
        if (strcmp(argv[4], "both") == 0) {
                run_wanted(serpentine_find(argv[1]), atof(argv[2]) * 1e6, directory);
                run_beside(serpentine_find(argv[1]), atof(argv[2]) * 1e6, directory);
        }
        return g_rmdir(directory) < 0;
}

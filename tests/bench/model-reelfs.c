/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What reelfs does: its scheduler and volume over the virtual drive, on the clock of sim-clock.h. */
#include <glib.h>
#include <glib/gstdio.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <reelfs/sched.h>
#include <reelfs/util.h>

#include "model.h"
#include "sim-clock.h"

#define REQUEST (1u << 20)
#define READERS 8

/* Readers at once who each want a part out of the midst of files that lie on several wraps. */
#define WANTED_FILES 64
#define WANTED_SIZE (4 * GIB)
#define WANTED_BLOCK (8u << 20)
#define WANTED_READERS 16
/* Files that are read one after the other, and all at once. */
#define BESIDE 4
#define BESIDE_SIZE (2 * GIB)

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
        /* The processor's time is not counted. */
        struct sched_options o = { .commit_s = INDEX_S, .hash = SCHED_HASH_NONE };
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
        job_print(r->job, what, order, "reelfs", (double)(sim_now() - r->started) / 1e9, &m);
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
                sim_until(sim_now() + job_host_ns(r->job, size));
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
                sim_until(sim_now() + job_host_ns(r->job, MIN(REQUEST, end - at)));
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

void model_reelfs(const struct job *j, const char *directory, bool restore)
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
void model_wanted(const struct serpentine_drive *drive, double rate, const char *directory)
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
                job_make(&j, kinds, 1);
                begin_reelfs(&r, &j, directory);
                restore_reelfs(&r, orders[asked], j.shuffled, WANTED_READERS);
                end_reelfs(&r);
                job_clear(&j);
        }
}

/* Each file by a reader of its own, beside one reader of all. */
void model_beside(const struct serpentine_drive *drive, double rate, const char *directory)
{
        const struct kind kinds[] = { { BESIDE, BESIDE_SIZE }, { 0 } };
        struct job j = { .set = "beside", .drive = drive, .rate = rate };
        struct reelfs r;
        job_make(&j, kinds, 1);
        begin_reelfs(&r, &j, directory);
        restore_reelfs(&r, "one", NULL, 1);
        restore_reelfs(&r, "four", NULL, BESIDE);
        end_reelfs(&r);
        job_clear(&j);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Packs: what lies in them while files change, lose their names and go on, and when the drive fails. */
#include <errno.h>
#include <glib.h>
#include <glib/gstdio.h>
#include <pthread.h>
#include <string.h>
#include <sys/stat.h>

#include <reelfs/fault.h>
#include <reelfs/log.h>
#include <reelfs/pack.h>
#include <reelfs/sched.h>
#include <reelfs/util.h>
#include <reelfs/virtual.h>

#define BLOCK (64 << 10)

struct fixture {
        char *dir, *path;
        Tape *tape;
        Volume *volume;
        Tree *tree;
        Sched *sched;
};

static void quiet(void *ctx, int priority, const char *text)
{
        g_test_message("%s", text);
}

/* faults: NULL, or what the drive is to do wrong. */
static void mount_volume(struct fixture *fx, const char *faults)
{
        Transport *t;
        g_assert_cmpint(virtual_open(fx->path, false, &t), ==, 0);
        if (faults)
                g_assert_cmpint(fault_wrap(t, faults, "rules", &t), ==, 0);
        g_assert_cmpint(tape_open(t, fx->path, &fx->tape), ==, 0);
        g_assert_cmpint(volume_open(fx->tape, false, &fx->volume, &fx->tree), ==, 0);
        struct sched_options o = { .buffer = 8 << 20 };
        g_assert_cmpint(sched_new(fx->volume, fx->tree, &o, &fx->sched), ==, 0);
}

static int unmount_volume(struct fixture *fx)
{
        int r = sched_stop(fx->sched, NULL);
        sched_free(fx->sched);
        volume_close(fx->volume);
        tree_free(fx->tree);
        tape_close(fx->tape);
        return r;
}

static void remount(struct fixture *fx)
{
        g_assert_cmpint(unmount_volume(fx), ==, 0);
        mount_volume(fx, NULL);
}

static void set_up(struct fixture *fx, const void *data)
{
        const struct virtual_cartridge plain = { 0 };
        const struct volume_format f = { .name = "TEST", .block_length = BLOCK };
        Transport *t;
        log_set_sink(quiet, NULL);
        fx->dir = g_dir_make_tmp("reelfs-packs-XXXXXX", NULL);
        fx->path = g_build_filename(fx->dir, "tape.tap", NULL);
        g_assert_cmpint(virtual_create(fx->path, &plain), ==, 0);
        g_assert_cmpint(virtual_open(fx->path, false, &t), ==, 0);
        g_assert_cmpint(tape_open(t, fx->path, &fx->tape), ==, 0);
        g_assert_cmpint(volume_format(fx->tape, &f), ==, 0);
        tape_close(fx->tape);
        mount_volume(fx, NULL);
}

static void tear_down(struct fixture *fx, const void *data)
{
        unmount_volume(fx);
        g_autofree char *key = g_strconcat(fx->path, ".cartridge", NULL);
        g_unlink(key);
        g_unlink(fx->path);
        g_rmdir(fx->dir);
        g_free(fx->dir);
        g_free(fx->path);
}

/* ---- Callers */

static int fill(void *ctx, void *dst, size_t size)
{
        const uint8_t **next = ctx;
        memcpy(dst, *next, size);
        *next += size;
        return 0;
}

static void write_at(SchedFile *f, uint64_t offset, const void *data, size_t size)
{
        const uint8_t *next = data;
        struct sched_source source = { .fill = fill, .ctx = &next };
        size_t done;
        g_assert_cmpint(sched_write(f, offset, size, &source, &done), ==, 0);
}

struct answer {
        pthread_mutex_t lock;
        pthread_cond_t cond;
        bool done;
        int error;
        uint8_t *buf;
        size_t size;
};

static void tell(void *ctx, int error)
{
        struct answer *a = ctx;
        pthread_mutex_lock(&a->lock);
        a->done = true;
        a->error = error;
        pthread_cond_signal(&a->cond);
        pthread_mutex_unlock(&a->lock);
}

static int wait_for(struct answer *a)
{
        pthread_mutex_lock(&a->lock);
        while (!a->done)
                pthread_cond_wait(&a->cond, &a->lock);
        pthread_mutex_unlock(&a->lock);
        return a->error;
}

static void read_done(void *ctx, int error, const struct iovec *iov, int iovcnt)
{
        struct answer *a = ctx;
        for (int i = 0; i < iovcnt; i++) {
                memcpy(a->buf + a->size, iov[i].iov_base, iov[i].iov_len);
                a->size += iov[i].iov_len;
        }
        tell(a, error);
}

static int sync_all(struct fixture *fx)
{
        struct answer a = { .lock = PTHREAD_MUTEX_INITIALIZER, .cond = PTHREAD_COND_INITIALIZER };
        sched_sync(fx->sched, NULL, tell, &a);
        return wait_for(&a);
}

static uint64_t find(struct fixture *fx, const char *name)
{
        struct tree_attr attr;
        g_assert_cmpint(tree_resolve(fx->tree, name, &attr), ==, 0);
        tree_unref(fx->tree, attr.ino, 1);
        return attr.ino;
}

static SchedFile *open_name(struct fixture *fx, const char *name)
{
        SchedFile *f;
        g_assert_cmpint(sched_open(fx->sched, find(fx, name), &f), ==, 0);
        return f;
}

static uint64_t make(struct fixture *fx, const char *name, const char *text)
{
        struct tree_new_inode n = { .mode = S_IFREG | 0644 };
        struct tree_attr attr;
        g_assert_cmpint(tree_create(fx->tree, TREE_ROOT, name, &n, now_ns(), &attr), ==, 0);
        tree_unref(fx->tree, attr.ino, 1);
        SchedFile *f = open_name(fx, name);
        write_at(f, 0, text, strlen(text));
        sched_release(f);
        return attr.ino;
}

static void expect(struct fixture *fx, const char *name, const char *text)
{
        char buf[64 + 1] = { 0 };
        struct answer a = {
                .lock = PTHREAD_MUTEX_INITIALIZER, .cond = PTHREAD_COND_INITIALIZER, .buf = (uint8_t *)buf
        };
        SchedFile *f = open_name(fx, name);
        sched_read(f, 0, sizeof(buf) - 1, read_done, &a);
        g_assert_cmpint(wait_for(&a), ==, 0);
        sched_release(f);
        g_assert_cmpstr(buf, ==, text);
}

/* The segment that all of the file is in. */
static struct segment segment_of(struct fixture *fx, const char *name)
{
        struct segment s;
        g_autofree struct tree_extent *e = NULL;
        size_t n;
        g_assert_cmpint(tree_extents(fx->tree, find(fx, name), &e, &n), ==, 0);
        g_assert_cmpuint(n, ==, 1);
        g_assert_cmpint(volume_segment_get(fx->volume, e[0].segment, &s), ==, 0);
        return s;
}

/* Whether text is in the cartridge file. */
static bool on_tape(struct fixture *fx, const char *text)
{
        g_autofree char *all = NULL;
        gsize size;
        g_assert_true(g_file_get_contents(fx->path, &all, &size, NULL));
        return memmem(all, size, text, strlen(text)) != NULL;
}

/* ---- Tests */

static void test_one_pack(struct fixture *fx, const void *data)
{
        for (unsigned i = 0; i < 500; i++) {
                g_autofree char *name = g_strdup_printf("f%u", i);
                make(fx, name, name);
        }
        g_assert_cmpint(sync_all(fx), ==, 0);
        struct segment first = segment_of(fx, "f0"), last = segment_of(fx, "f499");
        g_assert_cmpint(first.kind, ==, SEGMENT_PACK);
        g_assert_cmpint(first.state, ==, SEGMENT_SYNCED);
        /* One, or a few more where making the files takes so long that the first ones were due. */
        g_assert_cmpuint(last.id - first.id, <, 50);
        remount(fx);
        for (unsigned i = 0; i < 500; i++) {
                g_autofree char *name = g_strdup_printf("f%u", i);
                expect(fx, name, name);
        }
}

/* Names and attributes are those of the moment when the pack goes to the tape. */
static void test_late_names(struct fixture *fx, const void *data)
{
        const struct tree_attr values = { .uid = 4000000 };
        uint64_t ino = make(fx, ".name.XyZzYx", "renamed");
        g_assert_cmpint(tree_setattr(fx->tree, ino, TREE_SET_UID, &values, NULL), ==, 0);
        g_assert_cmpint(
                tree_rename(fx->tree, TREE_ROOT, ".name.XyZzYx", TREE_ROOT, "name", 0, now_ns()), ==, 0);
        make(fx, "gone", "bytes that nobody wants");
        g_assert_cmpint(tree_unlink(fx->tree, TREE_ROOT, "gone", now_ns()), ==, 0);
        g_assert_cmpint(sync_all(fx), ==, 0);
        g_assert_true(on_tape(fx, "uid=4000000\n"));
        g_assert_false(on_tape(fx, "XyZzYx"));
        g_assert_false(on_tape(fx, "bytes that nobody wants"));
        expect(fx, "name", "renamed");
}

/* A file that goes on before its pack is due is one member still. */
static void test_appended(struct fixture *fx, const void *data)
{
        make(fx, "log", "first, ");
        SchedFile *f = open_name(fx, "log");
        write_at(f, 7, "second", 6);
        sched_release(f);
        uint64_t ino = make(fx, "cut", "0123456789");
        g_assert_cmpint(sched_truncate(fx->sched, ino, 4, now_ns()), ==, 0);
        expect(fx, "log", "first, second");
        g_assert_cmpint(sync_all(fx), ==, 0);
        g_assert_cmpint(segment_of(fx, "log").kind, ==, SEGMENT_PACK);
        g_assert_cmpint(segment_of(fx, "cut").kind, ==, SEGMENT_PACK);
        g_assert_true(on_tape(fx, "first, second"));
        g_assert_false(on_tape(fx, "0123456789"));
        remount(fx);
        expect(fx, "log", "first, second");
        expect(fx, "cut", "0123");
}

/* What is in a pack on the tape is overwritten elsewhere. */
static void test_overwritten(struct fixture *fx, const void *data)
{
        make(fx, "file", "0123456789");
        g_assert_cmpint(sync_all(fx), ==, 0);
        SchedFile *f = open_name(fx, "file");
        write_at(f, 3, "xyz", 3);
        sched_release(f);
        expect(fx, "file", "012xyz6789");
        remount(fx);
        expect(fx, "file", "012xyz6789");
}

static void test_hard_links(struct fixture *fx, const void *data)
{
        struct tree_attr attr;
        uint64_t ino = make(fx, "one", "linked");
        g_assert_cmpint(tree_link(fx->tree, ino, TREE_ROOT, "two-more-names", now_ns(), &attr), ==, 0);
        tree_unref(fx->tree, ino, 1);
        g_assert_cmpint(sync_all(fx), ==, 0);
        remount(fx);
        expect(fx, "one", "linked");
        expect(fx, "two-more-names", "linked");
        g_assert_cmpuint(find(fx, "one"), ==, find(fx, "two-more-names"));
}

/* A hole is none of the bytes that a member has. */
static void test_sparse(struct fixture *fx, const void *data)
{
        uint64_t ino = make(fx, "sparse", "bytes");
        g_assert_cmpint(sched_truncate(fx->sched, ino, 1000000, now_ns()), ==, 0);
        g_assert_cmpint(sync_all(fx), ==, 0);
        g_assert_cmpint(segment_of(fx, "sparse").kind, ==, SEGMENT_FILE);
}

/* The drive fails at some command: what a sync has promised is there, what was lost is told, and no file has
 * wrong bytes. */
static void test_faults(struct fixture *fx, const void *data)
{
        static const char *const faults[] = { "opcode=0a sense=3/0c/00", "opcode=10 sense=3/0c/00",
                "opcode=0a sense=3/0c/00 deferred", "opcode=0a error=nodev count=all",
                "opcode=0a sense=4/44/00 count=all", "opcode=0a,10 sense=d/00/02 eom information=rest" };
        g_autofree char *condition = g_build_filename(fx->dir, "now", NULL);
        for (unsigned i = 0; i < G_N_ELEMENTS(faults); i++) {
                g_autofree char *rules = g_strdup_printf("if=%s %s", condition, faults[i]);
                g_autofree char *kept = g_strdup_printf("kept%u", i), *bad = g_strdup_printf("bad%u", i);
                g_test_message("%s", rules);
                g_assert_cmpint(unmount_volume(fx), ==, 0);
                mount_volume(fx, rules);
                make(fx, kept, kept);
                g_assert_cmpint(sync_all(fx), ==, 0);
                g_assert_true(g_file_set_contents(condition, "", 0, NULL));
                make(fx, bad, bad);
                int r = sync_all(fx);
                g_unlink(condition);
                expect(fx, kept, kept);
                g_assert_cmpint(unmount_volume(fx), ==, r);
                mount_volume(fx, NULL);
                expect(fx, kept, kept);
                struct tree_attr attr;
                if (tree_resolve(fx->tree, bad, &attr) == 0) {
                        tree_unref(fx->tree, attr.ino, 1);
                        if (attr.size > 0)
                                expect(fx, bad, bad);
                        else
                                g_assert_cmpint(r, <, 0);
                } else {
                        g_assert_cmpint(r, <, 0);
                }
        }
}

static uint64_t make_in(struct fixture *fx, uint64_t parent, const char *name, mode_t mode)
{
        struct tree_new_inode n = { .mode = mode };
        struct tree_attr attr;
        g_assert_cmpint(tree_create(fx->tree, parent, name, &n, now_ns(), &attr), ==, 0);
        tree_unref(fx->tree, attr.ino, 1);
        return attr.ino;
}

/* A path that no reader of packs takes, by directories in directories, does not spoil the pack of others. */
static void test_long_path(struct fixture *fx, const void *data)
{
        const struct volume_check_options deep = { .deep = true };
        struct volume_check_result result;
        g_autofree char *name = g_strnfill(TREE_NAME_MAX, 'x');
        uint64_t parent = TREE_ROOT;
        Transport *t;
        SchedFile *f;
        for (size_t length = 0; length <= PACK_PATH_MAX; length += TREE_NAME_MAX + 1)
                parent = make_in(fx, parent, name, S_IFDIR | 0755);
        make(fx, "before", "before");
        g_assert_cmpint(sched_open(fx->sched, make_in(fx, parent, "deep", S_IFREG | 0644), &f), ==, 0);
        write_at(f, 0, "deep", 4);
        sched_release(f);
        make(fx, "after", "after");
        g_assert_cmpint(unmount_volume(fx), ==, 0);
        g_assert_cmpint(virtual_open(fx->path, false, &t), ==, 0);
        g_assert_cmpint(tape_open(t, fx->path, &fx->tape), ==, 0);
        g_assert_cmpint(volume_check_with(fx->tape, &deep, &result), ==, 0);
        g_assert_cmpuint(result.problems, ==, 0);
        tape_close(fx->tape);
        mount_volume(fx, NULL);
        expect(fx, "before", "before");
        expect(fx, "after", "after");
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
#define ADD(name, test) g_test_add("/sched/packs/" name, struct fixture, NULL, set_up, test, tear_down)
        ADD("one-pack", test_one_pack);
        ADD("late-names", test_late_names);
        ADD("appended", test_appended);
        ADD("overwritten", test_overwritten);
        ADD("hard-links", test_hard_links);
        ADD("sparse", test_sparse);
        ADD("long-path", test_long_path);
        ADD("faults", test_faults);
        return g_test_run();
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What goes on while a commit is under way: what its index says of a file is no less than the one before it
 * said. */
#include "sched-fixture.h"

enum { SIZE = 100000, HOLE = 50000, OTHER = 2 << 20 };

/* Writes slowly, so that there is a while between the beginning of a commit and its index. */
static void set_up_slow(struct fixture *fx, const void *data)
{
        fx->faults = "opcode=0a delay=50 count=all";
        set_up(fx, NULL);
}

static void await_commit(struct fixture *fx)
{
        struct sched_status status;
        do {
                g_usleep(1000);
                sched_get_status(fx->sched, &status);
        } while (status.activity != ACTIVITY_COMMITTING);
}

/* What a crash would leave now is mounted; tear_down_crashed. */
static void crash(const struct fixture *fx, struct fixture *crashed)
{
        g_autofree char *data = NULL;
        gsize length;
        *crashed = (struct fixture){ .dir = g_dir_make_tmp("reelfs-sched-XXXXXX", NULL) };
        crashed->path = g_build_filename(crashed->dir, "tape.tap", NULL);
        g_assert_true(g_file_get_contents(fx->path, &data, &length, NULL));
        g_assert_true(g_file_set_contents(crashed->path, data, (gssize)length, NULL));
        mount_volume(crashed);
}

/* Begins a commit of some data that is in its way. */
static void begin_commit(struct fixture *fx, struct answer *sync)
{
        g_autofree uint8_t *content = g_malloc(OTHER);
        pattern(content, OTHER, 3);
        new_file(fx, "other");
        SchedFile *f = open_name(fx, "other");
        g_assert_cmpint(write_at(f, 0, content, OTHER), ==, 0);
        sched_sync(fx->sched, NULL, sync_done, sync);
        await_commit(fx);
        sched_release(f);
}

/* A hole is filled meanwhile: what is behind it stays known. */
static void test_hole(struct fixture *fx, const void *data)
{
        g_autofree uint8_t *model = g_malloc0(SIZE);
        struct answer sync = ANSWER;
        struct fixture crashed;
        new_file(fx, "sparse");
        SchedFile *f = open_name(fx, "sparse");
        pattern(model + HOLE, SIZE - HOLE, 1);
        g_assert_cmpint(write_at(f, HOLE, model + HOLE, SIZE - HOLE), ==, 0);
        g_assert_cmpint(sync_all(fx->sched, f), ==, 0);
        begin_commit(fx, &sync);
        g_assert_cmpint(write_at(f, 0, "x", 1), ==, 0);
        g_assert_cmpint(wait_answer(&sync), ==, 0);
        crash(fx, &crashed);
        SchedFile *left = open_name(&crashed, "sparse");
        assert_content(left, model, SIZE);
        sched_release(left);
        tear_down(&crashed, NULL);
        model[0] = 'x';
        assert_content(f, model, SIZE);
        sched_release(f);
}

static void assert_begins(struct fixture *fx, const char *name, const char *text)
{
        char buf[64];
        size_t got;
        SchedFile *f = open_name(fx, name);
        g_assert_cmpint(read_at(f, 0, buf, sizeof(buf), &got), ==, 0);
        g_assert_cmpmem(buf, got, text, strlen(text));
        sched_release(f);
}

static void write_text(struct fixture *fx, const char *name, const char *text)
{
        new_file(fx, name);
        SchedFile *f = open_name(fx, name);
        g_assert_cmpint(write_at(f, 0, text, strlen(text)), ==, 0);
        sched_release(f);
}

/* A file is replaced by a new one meanwhile: one of them is there after a crash. */
static void test_replace(struct fixture *fx, const void *data)
{
        const struct sched_source source = { 0 };
        struct answer sync = ANSWER;
        struct fixture crashed;
        struct tree_attr attr;
        write_text(fx, "name", "old");
        g_assert_cmpint(sync_all(fx->sched, NULL), ==, 0);
        begin_commit(fx, &sync);
        write_text(fx, "new", "new");
        g_assert_cmpint(tree_resolve(fx->tree, "new", &attr), ==, 0);
        tree_unref(fx->tree, attr.ino, 1);
        g_assert_cmpint(sched_before_replacing(fx->sched, attr.ino, &source), ==, 0);
        g_assert_cmpint(tree_rename(fx->tree, TREE_ROOT, "new", TREE_ROOT, "name", 0, now_ns()), ==, 0);
        g_assert_cmpint(wait_answer(&sync), ==, 0);
        crash(fx, &crashed);
        assert_begins(&crashed, "name", "old");
        tear_down(&crashed, NULL);
        assert_begins(fx, "name", "new");
}

/* Nobody waits for longer than the file's data does, nor without a commit. */
static bool always(void *ctx)
{
        return true;
}

static void test_replace_at_once(struct fixture *fx, const void *data)
{
        const struct sched_source source = { .interrupted = always };
        struct answer sync = ANSWER;
        write_text(fx, "written", "a");
        uint64_t empty = new_file(fx, "empty"), staged;
        g_assert_cmpint(sync_all(fx->sched, NULL), ==, 0);
        struct tree_attr attr;
        g_assert_cmpint(tree_resolve(fx->tree, "written", &attr), ==, 0);
        tree_unref(fx->tree, attr.ino, 1);
        begin_commit(fx, &sync);
        write_text(fx, "staged", "b");
        g_assert_cmpint(sched_before_replacing(fx->sched, attr.ino, &source), ==, 0);
        g_assert_cmpint(sched_before_replacing(fx->sched, empty, &source), ==, 0);
        g_assert_cmpint(tree_resolve(fx->tree, "staged", &attr), ==, 0);
        tree_unref(fx->tree, attr.ino, 1);
        staged = attr.ino;
        g_assert_cmpint(sched_before_replacing(fx->sched, staged, &source), ==, -EINTR);
        g_assert_cmpint(wait_answer(&sync), ==, 0);
        g_assert_cmpint(sched_before_replacing(fx->sched, staged, &source), ==, 0);
}

enum { NAMES = 15000, FILL = 100000, ROOM = 3 << 20, QUEUED = 1 << 20, MORE = 1 << 20 };

/* So many names that a full index takes a good part of the tape; all of them are to be in the next one. */
static void touch_names(struct fixture *fx, bool make)
{
        g_autofree char *end = g_strnfill(200, 'x');
        struct tree_attr attr;
        for (unsigned i = 0; i < NAMES; i++) {
                g_autofree char *name = g_strdup_printf("%u-%s", i, end);
                if (make)
                        new_file(fx, name);
                g_assert_cmpint(tree_resolve(fx->tree, name, &attr), ==, 0);
                attr.times.mtime++;
                g_assert_cmpint(tree_setattr(fx->tree, attr.ino, TREE_SET_MTIME, &attr, NULL), ==, 0);
                tree_unref(fx->tree, attr.ino, 1);
        }
}

static uint64_t remaining(struct fixture *fx)
{
        struct sched_status status;
        sched_get_status(fx->sched, &status);
        return status.remaining;
}

/* What is taken while an index is under way finds its place behind that index, and leaves room for one more.
 */
static void test_full(struct fixture *fx, const void *data)
{
        g_autofree uint8_t *content = g_malloc0(MORE);
        struct answer sync = ANSWER;
        touch_names(fx, true);
        g_assert_cmpint(sync_all(fx->sched, NULL), ==, 0);
        touch_names(fx, false);
        new_file(fx, "first");
        new_file(fx, "second");
        SchedFile *f = open_name(fx, "first"), *g = open_name(fx, "second");
        for (uint64_t at = 0; remaining(fx) > ROOM; at += FILL)
                g_assert_cmpint(write_at(f, at, content, FILL), ==, 0);
        g_assert_cmpint(write_at(g, 0, content, QUEUED), ==, 0);
        sched_sync(fx->sched, NULL, sync_done, &sync);
        await_commit(fx);
        int r = write_at(g, QUEUED, content, MORE);
        g_assert_true(r == 0 || r == -ENOSPC);
        g_assert_cmpint(wait_answer(&sync), ==, 0);
        g_assert_cmpint(sync_all(fx->sched, NULL), ==, 0);
        sched_release(f);
        sched_release(g);
}

static void set_up_small(struct fixture *fx, const void *data)
{
        static const struct virtual_cartridge small = { .capacity = 48 << 20, .early_warning = 1 << 20 };
        fx->faults = "opcode=0a delay=20 count=all";
        set_up(fx, &small);
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_add("/sched-commit/hole", struct fixture, NULL, set_up_slow, test_hole, tear_down);
        g_test_add("/sched-commit/replace", struct fixture, NULL, set_up_slow, test_replace, tear_down);
        g_test_add("/sched-commit/replace-at-once", struct fixture, NULL, set_up_slow, test_replace_at_once,
                tear_down);
        g_test_add("/sched-commit/full", struct fixture, NULL, set_up_small, test_full, tear_down);
        return g_test_run();
}

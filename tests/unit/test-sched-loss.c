/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a write that failed leaves behind, and going on after it. */
#include "sched-fixture.h"

enum { BIG = 4 << 20, TOO_MUCH = 20 << 20 };

static char *condition(const struct fixture *fx)
{
        return g_build_filename(fx->dir, "now", NULL);
}

/* The drive fails from here on, as the rule of the test says, if it is to. */
static void fail(const struct fixture *fx, bool fails)
{
        g_autofree char *now = condition(fx);
        if (fails)
                g_assert_true(g_file_set_contents(now, "", 0, NULL));
        else
                g_unlink(now);
}

static void remount_with(struct fixture *fx, const char *rule)
{
        g_autofree char *now = condition(fx), *rules = g_strdup_printf("if=%s %s", now, rule);
        g_assert_cmpint(unmount_volume(fx), ==, 0);
        fx->faults = rules;
        mount_volume(fx);
        fx->faults = NULL;
}

static int resume(struct fixture *fx)
{
        char why[VOLUME_WHY_MAX];
        struct answer a = ANSWER;
        sched_resume(fx->sched, why, sync_done, &a);
        return wait_answer(&a);
}

static void await_written(struct fixture *fx, bool all)
{
        struct sched_status status;
        do {
                g_usleep(1000);
                sched_get_status(fx->sched, &status);
        } while (status.written == 0 || (all && status.dirty > 0));
}

/* A drive tells of a loss when it is asked for room, in the midst of a file. Once that is mended, small files
 * go to the tape by themselves as before. */
static void test_asked_for_room(struct fixture *fx, const void *data)
{
        g_autofree uint8_t *content = g_malloc0(TOO_MUCH);
        fx->options.linger_ms = 10;
        remount_with(fx, "opcode=10 sense=3/0c/00");
        new_file(fx, "big");
        SchedFile *f = open_name(fx, "big");
        g_assert_cmpint(write_at(f, 0, content, BIG), ==, 0);
        await_written(fx, false);
        fail(fx, true);
        g_assert_cmpint(write_at(f, BIG, content, TOO_MUCH), <, 0);
        fail(fx, false);
        sched_release(f);
        g_assert_cmpint(tree_unlink(fx->tree, TREE_ROOT, "big", now_ns()), ==, 0);
        g_assert_cmpint(resume(fx), ==, 0);
        new_file(fx, "small");
        f = open_name(fx, "small");
        g_assert_cmpint(write_at(f, 0, "x", 1), ==, 0);
        sched_release(f);
        await_written(fx, true);
}

static void assert_lost(SchedFile *f, uint64_t offset, size_t size, bool lost)
{
        uint8_t buf[BLOCK];
        size_t got;
        g_assert_cmpint(read_at(f, offset, buf, size, &got), ==, lost ? -EIO : 0);
}

static void assert_bytes(SchedFile *f, const uint8_t *expected, size_t offset, size_t size)
{
        g_autofree uint8_t *buf = g_malloc(size);
        size_t got;
        g_assert_cmpint(read_at(f, offset, buf, size, &got), ==, 0);
        g_assert_cmpmem(buf, got, expected + offset, size);
}

static bool has_attribute(struct fixture *fx, const char *path, const char *name)
{
        g_autofree void *value = NULL;
        size_t size;
        struct tree_attr attr;
        g_assert_cmpint(tree_resolve(fx->tree, path, &attr), ==, 0);
        int r = tree_xattr_get(fx->tree, attr.ino, name, &value, &size);
        tree_unref(fx->tree, attr.ino, 1);
        return r == 0;
}

static void remount(struct fixture *fx, int result)
{
        g_assert_cmpint(unmount_volume(fx), ==, result);
        mount_volume(fx);
}

/* Commits: the index that says what was lost, and, where others build on it, one more. */
static void commit_more(struct fixture *fx, const char *name)
{
        new_file(fx, name);
        g_assert_cmpint(sync_all(fx->sched, NULL), ==, 0);
}

enum { SIZE = 300000, PART = 1000 };

/* A file that is on the tape is overwritten in three places, and that is lost: all else of it stays. */
static void test_overwritten(struct fixture *fx, const void *data)
{
        static const uint64_t places[] = { 0, 150000, SIZE - PART };
        g_autofree uint8_t *content = g_malloc(SIZE), *news = g_malloc(PART);
        pattern(content, SIZE, 1);
        pattern(news, PART, 2);
        remount_with(fx, "opcode=0a count=1 sense=3/0c/00");
        new_file(fx, "f");
        SchedFile *f = open_name(fx, "f");
        g_assert_cmpint(write_at(f, 0, content, SIZE), ==, 0);
        g_assert_cmpint(sync_all(fx->sched, f), ==, 0);
        fail(fx, true);
        for (unsigned i = 0; i < G_N_ELEMENTS(places); i++)
                g_assert_cmpint(write_at(f, places[i], news, PART), ==, 0);
        g_assert_cmpint(sync_all(fx->sched, f), <, 0);
        sched_release(f);
        remount(fx, -EIO);
        for (unsigned round = 0; round < 3; round++) {
                struct tree_attr attr;
                f = open_name(fx, "f");
                /* The place at its end is cut off. */
                g_assert_cmpint(tree_resolve(fx->tree, "f", &attr), ==, 0);
                tree_unref(fx->tree, attr.ino, 1);
                g_assert_cmpuint(attr.size, ==, SIZE - PART);
                g_assert_false(attr.has_crc32);
                g_assert_true(has_attribute(fx, "f", VOLUME_LOST_XATTR));
                assert_lost(f, 0, PART, true);
                assert_lost(f, PART - 1, 2, true);
                assert_lost(f, 150000, PART, true);
                assert_bytes(f, content, PART, 150000 - PART);
                assert_bytes(f, content, 150000 + PART, SIZE - 150000 - 2 * PART);
                g_assert_cmpint(sync_all(fx->sched, f), ==, 0);
                commit_more(fx, round == 0 ? "a" : round == 1 ? "b" : "c");
                /* An index of the file as it was loaded. */
                if (round == 1)
                        g_assert_cmpint(sched_truncate(fx->sched, attr.ino, SIZE - PART, now_ns()), ==, 0);
                sched_release(f);
                if (round < 2)
                        remount(fx, 0);
        }
        f = open_name(fx, "f");
        for (unsigned i = 0; i < 2; i++) {
                g_assert_cmpint(write_at(f, places[i], news, PART), ==, 0);
                memcpy(content + places[i], news, PART);
        }
        sched_release(f);
        remount(fx, 0);
        f = open_name(fx, "f");
        assert_content(f, content, SIZE - PART);
        sched_release(f);
}

/* What could not be read while the drive failed is tried again as soon as it works. */
static void test_read_again(struct fixture *fx, const void *data)
{
        g_autofree uint8_t *content = g_malloc(SIZE);
        pattern(content, SIZE, 1);
        new_file(fx, "f");
        SchedFile *f = open_name(fx, "f");
        g_assert_cmpint(write_at(f, 0, content, SIZE), ==, 0);
        sched_release(f);
        remount_with(fx, "opcode=08,0a count=all sense=4/44/00");
        f = open_name(fx, "f");
        fail(fx, true);
        assert_lost(f, 0, PART, true);
        new_file(fx, "g");
        SchedFile *g = open_name(fx, "g");
        g_assert_cmpint(write_at(g, 0, content, PART), ==, 0);
        g_assert_cmpint(sync_all(fx->sched, g), <, 0);
        sched_release(g);
        fail(fx, false);
        g_assert_cmpint(tree_unlink(fx->tree, TREE_ROOT, "g", now_ns()), ==, 0);
        g_assert_cmpint(resume(fx), ==, 0);
        assert_content(f, content, SIZE);
        sched_release(f);
}

int main(int argc, char **argv)
{
        static const struct virtual_cartridge small = { .capacity = 24 << 20, .early_warning = 4 << 20 };
        g_test_init(&argc, &argv, NULL);
#define ADD(name, data, test) g_test_add("/sched-loss/" name, struct fixture, data, set_up, test, tear_down)
        ADD("asked-for-room", &small, test_asked_for_room);
        ADD("overwritten", NULL, test_overwritten);
        ADD("read-again", NULL, test_read_again);
        return g_test_run();
}

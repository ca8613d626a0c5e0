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

int main(int argc, char **argv)
{
        static const struct virtual_cartridge small = { .capacity = 24 << 20, .early_warning = 4 << 20 };
        g_test_init(&argc, &argv, NULL);
#define ADD(name, data, test) g_test_add("/sched-loss/" name, struct fixture, data, set_up, test, tear_down)
        ADD("asked-for-room", &small, test_asked_for_room);
        return g_test_run();
}

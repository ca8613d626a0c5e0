/* SPDX-License-Identifier: GPL-2.0-or-later */
/* When there is an index: the mount options fsync= and commit=. */
#include "sched-fixture.h"

#define MS 1000

static void remount(struct fixture *fx, enum sched_fsync fsync, bool on_close)
{
        g_assert_cmpint(unmount_volume(fx), ==, 0);
        fx->options.fsync = fsync;
        fx->options.commit_on_close = on_close;
        mount_volume(fx);
}

static uint64_t commits(struct fixture *fx)
{
        struct sched_status status;
        sched_get_status(fx->sched, &status);
        return status.commits;
}

static bool is_done(struct answer *a)
{
        pthread_mutex_lock(&a->lock);
        bool done = a->done;
        pthread_mutex_unlock(&a->lock);
        return done;
}

static SchedFile *written_file(struct fixture *fx, const char *name)
{
        new_file(fx, name);
        SchedFile *f = open_name(fx, name);
        g_assert_cmpint(write_at(f, 0, name, strlen(name)), ==, 0);
        return f;
}

static void test_commit(struct fixture *fx, const void *data)
{
        struct answer a = ANSWER;
        remount(fx, SCHED_FSYNC_COMMIT, false);
        SchedFile *f = written_file(fx, "a");
        sched_fsync(fx->sched, f, sync_done, &a);
        g_assert_cmpint(wait_answer(&a), ==, 0);
        g_assert_cmpuint(commits(fx), ==, 1);
        g_assert_false(volume_is_dirty(fx->volume, fx->tree));
        sched_release(f);
        g_assert_cmpuint(commits(fx), ==, 1);
}

static void test_lazy(struct fixture *fx, const void *data)
{
        struct answer a = ANSWER;
        remount(fx, SCHED_FSYNC_LAZY, false);
        SchedFile *f = written_file(fx, "a");
        sched_fsync(fx->sched, f, sync_done, &a);
        g_assert_true(is_done(&a));
        g_assert_cmpint(a.error, ==, 0);
        g_assert_cmpuint(commits(fx), ==, 0);
        /* reelfs sync is not put off. */
        g_assert_cmpint(sync_all(fx->sched, NULL), ==, 0);
        g_assert_false(volume_is_dirty(fx->volume, fx->tree));
        sched_release(f);
}

/* The first one of a while is served at once; those after it share one. */
static void test_group(struct fixture *fx, const void *data)
{
        struct answer first = ANSWER, second = ANSWER, third = ANSWER, taken_back = ANSWER;
        remount(fx, SCHED_FSYNC_GROUP, false);
        SchedFile *f = written_file(fx, "a"), *g = written_file(fx, "b");
        sched_fsync(fx->sched, f, sync_done, &first);
        g_assert_cmpint(wait_answer(&first), ==, 0);
        g_assert_cmpint(write_at(f, 1, "x", 1), ==, 0);
        sched_fsync(fx->sched, f, sync_done, &second);
        sched_fsync(fx->sched, g, sync_done, &third);
        sched_fsync(fx->sched, g, sync_done, &taken_back);
        g_usleep(100 * MS);
        g_assert_false(is_done(&second));
        sched_cancel(fx->sched, &taken_back);
        g_assert_cmpint(wait_answer(&taken_back), ==, -EINTR);
        g_assert_cmpuint(commits(fx), ==, 1);
        g_assert_cmpint(sync_all(fx->sched, NULL), ==, 0);
        g_assert_cmpint(wait_answer(&second), ==, 0);
        g_assert_cmpint(wait_answer(&third), ==, 0);
        g_assert_cmpuint(commits(fx), ==, 2);
        sched_release(f);
        sched_release(g);
}

static void test_close(struct fixture *fx, const void *data)
{
        remount(fx, SCHED_FSYNC_COMMIT, true);
        SchedFile *f = written_file(fx, "a");
        g_usleep(50 * MS);
        g_assert_cmpuint(commits(fx), ==, 0);
        sched_release(f);
        while (commits(fx) == 0)
                g_usleep(MS);
        g_assert_false(volume_is_dirty(fx->volume, fx->tree));
        /* Nothing new is in it. */
        sched_release(open_name(fx, "a"));
        g_usleep(50 * MS);
        g_assert_cmpuint(commits(fx), ==, 1);
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
#define ADD(name, test) g_test_add("/sched-sync/" name, struct fixture, NULL, set_up, test, tear_down)
        ADD("commit", test_commit);
        ADD("lazy", test_lazy);
        ADD("group", test_group);
        ADD("close", test_close);
        return g_test_run();
}

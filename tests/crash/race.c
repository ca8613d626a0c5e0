/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>

#include <reelfs/util.h>

#include "operations.h"
#include "race.h"

#define SYNCS_MAX 6 /* under way at once */
/* One waits for the other at most so long: it may itself wait. */
#define LINGER_NS INT64_C(1000000)
#define LOOK_US 20
#define READER_NS INT64_C(25000000)

struct race {
        struct work *work;
        GRand *random; /* of the thread that drives the tape */
        atomic_uint syncs;
        atomic_int error; /* that one of them was told */
};

struct sync {
        struct race *race;
        unsigned step;
};

/* ---- Syncs */

/* Drive thread: whatever had been done when it was asked is on the medium by the command before. */
static void sync_told(void *ctx, int error)
{
        struct sync *s = ctx;
        if (error == 0)
                recording_acknowledge(&s->race->work->recording, s->step);
        else
                atomic_store(&s->race->error, error);
        atomic_fetch_sub(&s->race->syncs, 1);
        g_free(s);
}

int race_sync(struct work *w, const char *path)
{
        SchedFile *f = NULL;
        int r = 0;
        g_string_append_printf(w->doing, "begin to sync %s", path ?: "all");
        if (atomic_load(&w->race->syncs) >= SYNCS_MAX)
                return 0;
        if (path)
                r = sched_open(w->sched, model_get(w->model, path)->ino, &f);
        if (r < 0)
                return r;
        struct sync *s = g_new(struct sync, 1);
        *s = (struct sync){ w->race, model_step(w->model) };
        atomic_fetch_add(&w->race->syncs, 1);
        if (work_random(w, 2) > 0)
                sched_fsync(w->sched, f, sync_told, s);
        else
                sched_sync(w->sched, f, sync_told, s);
        if (f)
                sched_release(f);
        return 0;
}

/* ---- Who waits for whom */

/* Drive thread, before a command: often until another operation or two have begun. */
static void linger(void *ctx)
{
        struct race *race = ctx;
        atomic_uint *step = &race->work->recording.step;
        if (g_rand_int_range(race->random, 0, 3) == 0)
                return;
        unsigned until = atomic_load(step) + (unsigned)g_rand_int_range(race->random, 1, 4);
        int64_t end = monotonic_ns() + LINGER_NS;
        while (atomic_load(step) < until && monotonic_ns() < end)
                g_usleep(LOOK_US);
}

static void await_commands(struct work *w, unsigned more, int64_t ns)
{
        size_t until = recording_commands(&w->recording) + more;
        int64_t end = monotonic_ns() + ns;
        while (recording_commands(&w->recording) < until && monotonic_ns() < end)
                g_usleep(LOOK_US);
}

void race_await_drive(struct work *w)
{
        await_commands(w, 1, READER_NS);
}

int race_pace(struct work *w)
{
        await_commands(w, work_random(w, 3), LINGER_NS / 2);
        return atomic_load(&w->race->error);
}

/* ---- */

void race_begin(struct work *w)
{
        struct race *race = g_new0(struct race, 1);
        race->work = w;
        race->random = g_rand_new_with_seed(work_random(w, 1u << 30));
        w->race = race;
        w->recording.before_ctx = race;
        w->recording.before = linger;
}

void race_end(struct work *w)
{
        w->recording.before = NULL;
        g_rand_free(w->race->random);
        g_clear_pointer(&w->race, g_free);
}

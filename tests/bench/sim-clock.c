/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <glib.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <time.h>

#include "sim-clock.h"

#define SECOND INT64_C(1000000000)

/* Of this clock's, all under its lock. */
struct waiter {
        const void *what; /* condition, mutex, thread; NULL: just the time */
        int64_t deadline;
        bool woken, late;
        pthread_cond_t wake;
        GList link;
};

static struct {
        pthread_mutex_t lock;
        int64_t now;
        unsigned running; /* threads that do not wait */
        GQueue waiters;   /* first come first */
} sim = { .lock = PTHREAD_MUTEX_INITIALIZER, .running = 1, .waiters = G_QUEUE_INIT };

struct thread {
        void *(*main)(void *arg);
        void *arg;
        pthread_t id;
        bool ended;
};
static GQueue threads = G_QUEUE_INIT;

#define REAL(type, name, ...) type __real_##name(__VA_ARGS__)
#define WRAP(type, name, ...)            \
        type __wrap_##name(__VA_ARGS__); \
        type __real_##name(__VA_ARGS__); \
        type __wrap_##name(__VA_ARGS__)
REAL(int, pthread_mutex_lock, pthread_mutex_t *m);
REAL(int, pthread_mutex_unlock, pthread_mutex_t *m);
REAL(int, pthread_cond_signal, pthread_cond_t *c);
REAL(int, pthread_cond_wait, pthread_cond_t *c, pthread_mutex_t *m);

static void enter(void)
{
        __real_pthread_mutex_lock(&sim.lock);
}

static void leave(void)
{
        __real_pthread_mutex_unlock(&sim.lock);
}

static void wake(struct waiter *w, bool late)
{
        g_queue_unlink(&sim.waiters, &w->link);
        w->woken = true;
        w->late = late;
        sim.running++;
        __real_pthread_cond_signal(&w->wake);
}

/* Everybody waits: on to the next moment. */
static void pass_time(void)
{
        struct waiter *next = NULL;
        for (GList *l = sim.waiters.head; l; l = l->next) {
                struct waiter *w = l->data;
                if (!next || w->deadline < next->deadline)
                        next = w;
        }
        if (!next || next->deadline == INT64_MAX)
                g_error("all threads wait for each other");
        sim.now = MAX(sim.now, next->deadline);
        wake(next, true);
}

/* Under the lock. False: the deadline has come first. */
static bool wait_for(const void *what, int64_t deadline)
{
        struct waiter w = { .what = what, .deadline = deadline, .wake = PTHREAD_COND_INITIALIZER };
        w.link.data = &w;
        g_queue_push_tail_link(&sim.waiters, &w.link);
        if (--sim.running == 0)
                pass_time();
        while (!w.woken)
                __real_pthread_cond_wait(&w.wake, &sim.lock);
        return !w.late;
}

static void wake_for(const void *what, bool all)
{
        for (GList *l = sim.waiters.head, *next; l; l = next) {
                struct waiter *w = l->data;
                next = l->next;
                if (w->what != what)
                        continue;
                wake(w, false);
                if (!all)
                        return;
        }
}

int64_t sim_now(void)
{
        enter();
        int64_t now = sim.now;
        leave();
        return now;
}

void sim_until(int64_t ns)
{
        enter();
        if (ns > sim.now)
                wait_for(NULL, ns);
        leave();
}

WRAP(int, clock_gettime, clockid_t clock, struct timespec *ts)
{
        if (clock != CLOCK_MONOTONIC)
                return __real_clock_gettime(clock, ts);
        int64_t now = sim_now();
        *ts = (struct timespec){ now / SECOND, now % SECOND };
        return 0;
}

static int64_t ns_of(const struct timespec *ts)
{
        return ts->tv_sec * SECOND + ts->tv_nsec;
}

WRAP(int, clock_nanosleep, clockid_t clock, int flags, const struct timespec *ts, struct timespec *left)
{
        if (clock != CLOCK_MONOTONIC)
                return __real_clock_nanosleep(clock, flags, ts, left);
        sim_until(ns_of(ts) + (flags & TIMER_ABSTIME ? 0 : sim_now()));
        return 0;
}

WRAP(int, nanosleep, const struct timespec *ts, struct timespec *left)
{
        sim_until(sim_now() + ns_of(ts));
        return 0;
}

WRAP(void, g_usleep, gulong us)
{
        sim_until(sim_now() + (int64_t)us * 1000);
}

WRAP(gint64, g_get_monotonic_time, void)
{
        return sim_now() / 1000;
}

WRAP(int, pthread_mutex_lock, pthread_mutex_t *m)
{
        enter();
        while (pthread_mutex_trylock(m) == EBUSY)
                wait_for(m, INT64_MAX);
        leave();
        return 0;
}

WRAP(int, pthread_mutex_unlock, pthread_mutex_t *m)
{
        enter();
        int r = __real_pthread_mutex_unlock(m);
        wake_for(m, true);
        leave();
        return r;
}

static bool wait_condition(pthread_cond_t *c, pthread_mutex_t *m, int64_t deadline)
{
        enter();
        __real_pthread_mutex_unlock(m);
        wake_for(m, true);
        bool in_time = deadline > sim.now && wait_for(c, deadline);
        while (pthread_mutex_trylock(m) == EBUSY)
                wait_for(m, INT64_MAX);
        leave();
        return in_time;
}

WRAP(int, pthread_cond_wait, pthread_cond_t *c, pthread_mutex_t *m)
{
        wait_condition(c, m, INT64_MAX);
        return 0;
}

WRAP(int, pthread_cond_timedwait, pthread_cond_t *c, pthread_mutex_t *m, const struct timespec *ts)
{
        return wait_condition(c, m, ns_of(ts)) ? 0 : ETIMEDOUT;
}

WRAP(int, pthread_cond_signal, pthread_cond_t *c)
{
        enter();
        wake_for(c, false);
        leave();
        return 0;
}

WRAP(int, pthread_cond_broadcast, pthread_cond_t *c)
{
        enter();
        wake_for(c, true);
        leave();
        return 0;
}

static void *thread_main(void *arg)
{
        struct thread *t = arg;
        void *result = t->main(t->arg);
        enter();
        t->ended = true;
        wake_for(t, true);
        if (--sim.running == 0)
                pass_time();
        leave();
        return result;
}

WRAP(int, pthread_create, pthread_t *id, const pthread_attr_t *attr, void *(*main)(void *), void *arg)
{
        struct thread *t = g_new0(struct thread, 1);
        *t = (struct thread){ .main = main, .arg = arg };
        enter();
        sim.running++;
        int r = __real_pthread_create(&t->id, attr, thread_main, t);
        *id = t->id;
        if (r == 0)
                g_queue_push_tail(&threads, t);
        else
                sim.running--;
        leave();
        return r;
}

WRAP(int, pthread_join, pthread_t id, void **result)
{
        enter();
        GList *l = threads.head;
        while (l && !pthread_equal(((struct thread *)l->data)->id, id))
                l = l->next;
        struct thread *t = l ? l->data : NULL;
        if (t && !t->ended)
                wait_for(t, INT64_MAX);
        if (t)
                g_queue_delete_link(&threads, l);
        leave();
        int r = __real_pthread_join(id, result);
        g_free(t);
        return r;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

#include <reelfs/log.h>

#include "engine.h"

struct Spinner {
        pthread_t thread;
        cpu_set_t former; /* of the caller */
        _Atomic uint64_t work;
        atomic_bool stopped;
};

/* Enough to be worth counting: about a microsecond. */
#define STRETCH 1000

static void *spin(void *data)
{
        Spinner *s = data;
        volatile uint32_t x = 1;
        while (!atomic_load_explicit(&s->stopped, memory_order_relaxed)) {
                for (unsigned i = 0; i < STRETCH; i++)
                        x = x * 1664525 + 1013904223;
                atomic_fetch_add_explicit(&s->work, 1, memory_order_relaxed);
        }
        return NULL;
}

Spinner *spinner_start(void)
{
        Spinner *s = g_new0(Spinner, 1);
        cpu_set_t one;
        int cpu = sched_getcpu();
        sched_getaffinity(0, sizeof(s->former), &s->former);
        CPU_ZERO(&one);
        CPU_SET(cpu < 0 ? 0 : (unsigned)cpu, &one);
        /* The new thread inherits it. */
        sched_setaffinity(0, sizeof(one), &one);
        int r = pthread_create(&s->thread, NULL, spin, s);
        if (r == 0)
                return s;
        log_message(LOG_ERR, -r, "no thread can be made to compute beside");
        sched_setaffinity(0, sizeof(s->former), &s->former);
        g_free(s);
        return NULL;
}

uint64_t spinner_work(Spinner *s)
{
        return atomic_load_explicit(&s->work, memory_order_relaxed);
}

void spinner_stop(Spinner *s)
{
        if (!s)
                return;
        atomic_store_explicit(&s->stopped, true, memory_order_relaxed);
        pthread_join(s->thread, NULL);
        sched_setaffinity(0, sizeof(s->former), &s->former);
        g_free(s);
}

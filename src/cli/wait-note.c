/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <pthread.h>
#include <stdbool.h>
#include <time.h>
#include <unistd.h>

#include <reelfs/log.h>
#include <reelfs/util.h>

#include "wait-note.h"

#define PATIENCE_NS INT64_C(1500000000)

struct wait_note {
        char *text;
        pthread_t thread;
        pthread_mutex_t lock;
        pthread_cond_t changed;
        bool over;
};

static void *wait_main(void *arg)
{
        struct wait_note *n = arg;
        int64_t due = monotonic_ns() + PATIENCE_NS;
        struct timespec ts = { due / 1000000000, due % 1000000000 };
        int r = 0;
        pthread_mutex_lock(&n->lock);
        while (!n->over && r == 0)
                r = pthread_cond_timedwait(&n->changed, &n->lock, &ts);
        if (!n->over)
                log_notice("%s", n->text);
        pthread_mutex_unlock(&n->lock);
        return NULL;
}

static void release(struct wait_note *n)
{
        pthread_cond_destroy(&n->changed);
        pthread_mutex_destroy(&n->lock);
        g_free(n->text);
        g_free(n);
}

struct wait_note *wait_note_begin(const char *format, ...)
{
        if (!isatty(STDERR_FILENO))
                return NULL;
        struct wait_note *n = g_new0(struct wait_note, 1);
        va_list ap;
        va_start(ap, format);
        n->text = g_strdup_vprintf(format, ap);
        va_end(ap);
        pthread_condattr_t attr;
        pthread_condattr_init(&attr);
        pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
        pthread_cond_init(&n->changed, &attr);
        pthread_condattr_destroy(&attr);
        pthread_mutex_init(&n->lock, NULL);
        if (pthread_create(&n->thread, NULL, wait_main, n) == 0)
                return n;
        release(n);
        return NULL;
}

void wait_note_end(struct wait_note *n)
{
        if (!n)
                return;
        pthread_mutex_lock(&n->lock);
        n->over = true;
        pthread_cond_signal(&n->changed);
        pthread_mutex_unlock(&n->lock);
        pthread_join(n->thread, NULL);
        release(n);
}

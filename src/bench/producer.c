/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <pthread.h>

#include <reelfs/log.h>

#include "engine.h"

struct Producer {
        const struct arena *arena;
        unsigned count;
        size_t offset, size;
        pthread_t thread;
        pthread_mutex_t lock; /* guards what follows */
        pthread_cond_t changed;
        uint64_t filled, given; /* filled - given of them are full */
        bool stopped;
};

static void *produce(void *data)
{
        Producer *p = data;
        pthread_mutex_lock(&p->lock);
        for (;;) {
                while (!p->stopped && p->filled - p->given == p->count)
                        pthread_cond_wait(&p->changed, &p->lock);
                if (p->stopped)
                        break;
                void *buffer = arena_buffer(p->arena, (unsigned)(p->filled % p->count), p->offset);
                pthread_mutex_unlock(&p->lock);
                arena_fill(p->arena, buffer, p->size);
                pthread_mutex_lock(&p->lock);
                p->filled++;
                pthread_cond_broadcast(&p->changed);
        }
        pthread_mutex_unlock(&p->lock);
        return NULL;
}

static void producer_free(Producer *p)
{
        pthread_cond_destroy(&p->changed);
        pthread_mutex_destroy(&p->lock);
        g_free(p);
}

Producer *producer_start(const struct arena *arena, unsigned count, size_t offset, size_t size)
{
        Producer *p = g_new0(Producer, 1);
        p->arena = arena;
        p->count = count;
        p->offset = offset;
        p->size = size;
        pthread_mutex_init(&p->lock, NULL);
        pthread_cond_init(&p->changed, NULL);
        int r = pthread_create(&p->thread, NULL, produce, p);
        if (r == 0)
                return p;
        log_message(LOG_ERR, -r, "no thread can be made to fill the buffers");
        producer_free(p);
        return NULL;
}

void *producer_take(Producer *p)
{
        pthread_mutex_lock(&p->lock);
        while (p->filled == p->given)
                pthread_cond_wait(&p->changed, &p->lock);
        unsigned i = (unsigned)(p->given % p->count);
        pthread_mutex_unlock(&p->lock);
        return arena_buffer(p->arena, i, p->offset);
}

void producer_give(Producer *p)
{
        pthread_mutex_lock(&p->lock);
        p->given++;
        pthread_cond_broadcast(&p->changed);
        pthread_mutex_unlock(&p->lock);
}

void producer_stop(Producer *p)
{
        if (!p)
                return;
        pthread_mutex_lock(&p->lock);
        p->stopped = true;
        pthread_cond_broadcast(&p->changed);
        pthread_mutex_unlock(&p->lock);
        pthread_join(p->thread, NULL);
        producer_free(p);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <pthread.h>

#include "handle.h"
#include "index-feed.h"

#define FEED_BYTES ((size_t)8 << 20)
#define FEED_SLOTS_MIN ((size_t)4)

struct IndexFeed {
        pthread_t thread;
        IndexReader *reader;
        char *buf;
        size_t block_length, slots;

        pthread_mutex_t lock; /* guards what follows */
        pthread_cond_t changed;
        uint64_t put, taken; /* blocks */
        bool ended;
        int error;       /* sticky */
        size_t length[]; /* of the blocks in the slots */
};

static void *parse_main(void *ctx)
{
        IndexFeed *f = ctx;
        pthread_mutex_lock(&f->lock);
        while (f->error == 0) {
                if (f->taken == f->put) {
                        if (f->ended)
                                break;
                        pthread_cond_wait(&f->changed, &f->lock);
                        continue;
                }
                size_t slot = f->taken % f->slots, length = f->length[slot];
                pthread_mutex_unlock(&f->lock);
                int r = index_reader_feed(f->reader, f->buf + slot * f->block_length, length);
                pthread_mutex_lock(&f->lock);
                f->error = r;
                f->taken++;
                pthread_cond_signal(&f->changed);
        }
        pthread_mutex_unlock(&f->lock);
        return NULL;
}

static void feed_free(IndexFeed *f)
{
        pthread_cond_destroy(&f->changed);
        pthread_mutex_destroy(&f->lock);
        g_free(f->buf);
        g_free(f);
}

int index_feed_begin(IndexReader *reader, size_t block_length, IndexFeed **ret)
{
        size_t slots = MAX(FEED_BYTES / block_length, FEED_SLOTS_MIN);
        IndexFeed *f = g_malloc0(sizeof(*f) + slots * sizeof(f->length[0]));
        f->reader = reader;
        f->buf = volume_buffer(slots * block_length);
        f->block_length = block_length;
        f->slots = slots;
        pthread_mutex_init(&f->lock, NULL);
        pthread_cond_init(&f->changed, NULL);
        if (!f->buf || pthread_create(&f->thread, NULL, parse_main, f) != 0) {
                feed_free(f);
                return -ENOMEM;
        }
        *ret = f;
        return 0;
}

/* Only the caller changes put, and the slot behind it is free. */
char *index_feed_room(IndexFeed *f)
{
        return f->buf + f->put % f->slots * f->block_length;
}

int index_feed_put(IndexFeed *f, size_t length)
{
        pthread_mutex_lock(&f->lock);
        f->length[f->put % f->slots] = length;
        f->put++;
        pthread_cond_signal(&f->changed);
        while (f->error == 0 && f->put - f->taken == f->slots)
                pthread_cond_wait(&f->changed, &f->lock);
        int r = f->error;
        pthread_mutex_unlock(&f->lock);
        return r;
}

int index_feed_end(IndexFeed *f)
{
        pthread_mutex_lock(&f->lock);
        f->ended = true;
        pthread_cond_signal(&f->changed);
        pthread_mutex_unlock(&f->lock);
        pthread_join(f->thread, NULL);
        int r = f->error;
        feed_free(f);
        return r;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Parked writes: when enough workers wait for room already, a write waits here without one, so that a worker
 * is always left for everything else. The kernel bounds their number: one for each writing thread, and its
 * background requests. */
#include <errno.h>
#include <string.h>

#include <reelfs/log.h>
#include <reelfs/util.h>

#include "receiver.h"

/* Between two looks at the parked writes while the scheduler has no room. */
#define PAUSE_NS INT64_C(2000000)

struct parked {
        fuse_req_t req;
        SchedFile *file;
        uint64_t offset;
        size_t done, size; /* of the whole write */
        size_t taken;      /* of data */
        GList link;
        uint8_t data[];
};

struct park {
        struct frontend *fe;
        pthread_t thread;
        pthread_mutex_t lock; /* for the rest */
        pthread_cond_t changed;
        GQueue parked;
        bool stop;
};

static int fill(void *ctx, void *dst, size_t size)
{
        struct parked *w = ctx;
        memcpy(dst, w->data + w->taken, size);
        w->taken += size;
        return 0;
}

static bool is_interrupted(void *ctx)
{
        return fuse_req_interrupted(((struct parked *)ctx)->req);
}

/* Goes on with one write; true: it is answered and gone. */
static bool try_one(struct parked *w, bool *progress)
{
        struct sched_source source = {
                .fill = fill, .interrupted = is_interrupted, .ctx = w, .wait = SCHED_NO_WAIT
        };
        size_t n;
        int r = sched_write(w->file, w->offset + w->done, w->size - w->done, &source, &n);
        w->done += n;
        *progress = *progress || n > 0;
        if (r == -EAGAIN)
                return false;
        if (r < 0 && w->done == 0)
                fuse_reply_err(w->req, -r);
        else
                fuse_reply_write(w->req, w->done);
        g_free(w);
        return true;
}

/* One look at each; lock held, given up while the scheduler works. */
static bool try_all(struct park *p)
{
        bool progress = false;
        for (unsigned n = p->parked.length; n > 0; n--) {
                struct parked *w = g_queue_pop_head_link(&p->parked)->data;
                pthread_mutex_unlock(&p->lock);
                bool gone = try_one(w, &progress);
                pthread_mutex_lock(&p->lock);
                if (!gone)
                        g_queue_push_tail_link(&p->parked, &w->link);
        }
        return progress;
}

static void pause_a_little(struct park *p)
{
        int64_t until = monotonic_ns() + PAUSE_NS;
        struct timespec ts = { until / 1000000000, until % 1000000000 };
        pthread_cond_timedwait(&p->changed, &p->lock, &ts);
}

static void *park_main(void *arg)
{
        struct park *p = arg;
        pthread_mutex_lock(&p->lock);
        while (!p->stop) {
                if (p->parked.length == 0)
                        pthread_cond_wait(&p->changed, &p->lock);
                else if (!try_all(p))
                        pause_a_little(p);
        }
        pthread_mutex_unlock(&p->lock);
        return NULL;
}

struct park *park_new(struct frontend *fe)
{
        struct park *p = g_new0(struct park, 1);
        p->fe = fe;
        pthread_condattr_t attr;
        pthread_condattr_init(&attr);
        pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
        pthread_cond_init(&p->changed, &attr);
        pthread_condattr_destroy(&attr);
        pthread_mutex_init(&p->lock, NULL);
        int r = -pthread_create(&p->thread, NULL, park_main, p);
        if (r < 0) {
                log_message(LOG_ERR, r, "cannot start a thread");
                g_free(p);
                return NULL;
        }
        return p;
}

void park_write(struct park *p, fuse_req_t req, SchedFile *f, uint64_t offset, size_t done, size_t size,
        struct payload *rest)
{
        struct parked *w = g_try_malloc(sizeof(*w) + (size - done));
        if (!w) {
                fuse_reply_err(req, ENOMEM);
                return;
        }
        *w = (struct parked){ .req = req, .file = f, .offset = offset, .done = done, .size = size };
        w->link.data = w;
        if (payload_take(rest, w->data, size - done) < 0) {
                g_free(w);
                fuse_reply_err(req, EIO);
                return;
        }
        pthread_mutex_lock(&p->lock);
        g_queue_push_tail_link(&p->parked, &w->link);
        pthread_cond_signal(&p->changed);
        pthread_mutex_unlock(&p->lock);
}

void park_free(struct park *p)
{
        pthread_mutex_lock(&p->lock);
        p->stop = true;
        pthread_cond_signal(&p->changed);
        pthread_mutex_unlock(&p->lock);
        pthread_join(p->thread, NULL);
        GList *l;
        while ((l = g_queue_pop_head_link(&p->parked))) {
                struct parked *w = l->data;
                fuse_reply_err(w->req, EIO);
                g_free(w);
        }
        pthread_cond_destroy(&p->changed);
        pthread_mutex_destroy(&p->lock);
        g_free(p);
}

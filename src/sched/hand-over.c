/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Large answers to reads that had to wait for the tape: checked and given by a thread of their own, so that
 * the drive thread reads on meanwhile. */
#include <signal.h>

#include "sched-private.h"

/* Less is given sooner than another thread wakes up. */
#define ANSWER_MIN ((size_t)256 << 10)
/* Of all slabs, the part that may be pinned for it. What else is pinned is not read into, and where few are
 * left, that costs what was read ahead, and the tape has to go back for it. */
#define PINNED_PART 8

struct handed {
        struct read_request *q;
        struct parts parts;
        GList link;
};

static void *answer_main(void *sched)
{
        Sched *s = sched;
        sigset_t all;
        pthread_setname_np(pthread_self(), "reelfs-answer");
        /* Signals are for the first thread. */
        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, NULL);
        pthread_mutex_lock(&s->lock);
        for (;;) {
                GList *l = g_queue_pop_head_link(&s->answers.queue);
                if (l) {
                        struct handed *h = l->data;
                        pthread_mutex_unlock(&s->lock);
                        parts_give(h->q, &h->parts);
                        pthread_mutex_lock(&s->lock);
                        s->answers.pinned -= (unsigned)h->parts.n;
                        file_unuse(h->q->file);
                        g_free(h->q);
                        g_free(h);
                } else if (s->answers.end) {
                        break;
                } else {
                        pthread_cond_wait(&s->answers.some, &s->lock);
                }
        }
        pthread_mutex_unlock(&s->lock);
        return NULL;
}

int answers_start(Sched *s)
{
        return -pthread_create(&s->answers.thread, NULL, answer_main, s);
}

void answers_stop(Sched *s)
{
        pthread_mutex_lock(&s->lock);
        s->answers.end = true;
        pthread_cond_signal(&s->answers.some);
        pthread_mutex_unlock(&s->lock);
        pthread_join(s->answers.thread, NULL);
}

bool answers_take(Sched *s, struct read_request *q, const struct parts *p)
{
        if (q->size < ANSWER_MIN)
                return false;
        pthread_mutex_lock(&s->lock);
        unsigned pinned = s->answers.pinned + (unsigned)p->n;
        bool taken = pinned <= s->reader.n_slabs / PINNED_PART;
        if (taken) {
                s->answers.pinned = pinned;
                struct handed *h = g_new(struct handed, 1);
                *h = (struct handed){ .q = q, .parts = *p, .link.data = h };
                g_queue_push_tail_link(&s->answers.queue, &h->link);
                pthread_cond_signal(&s->answers.some);
        }
        pthread_mutex_unlock(&s->lock);
        return taken;
}

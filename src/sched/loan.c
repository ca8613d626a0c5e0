/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A loan: who is going to receive a write that most likely continues the stream receives it where it would
 * have to be copied to. That is behind the last byte of the batch that fills, and in the batches for the jobs
 * after it. Whoever else wants to append meanwhile moves the batch that fills to other memory; the loan keeps
 * the old one. */
#include <string.h>

#include "sched-private.h"

/* Of all batches, this part at most may be lent, so that the others always come round. */
#define SHARE 4

/* The free end of the batch that fills. */
static struct iovec tail_of(const Sched *s, const struct job *j, size_t most)
{
        size_t room = j ? s->pool.batches.piece - j->length : 0;
        return (struct iovec){ j ? j->data + j->length : NULL, MIN(room, most) };
}

void sched_lend(Sched *s, size_t size, struct iovec *iov, int *n)
{
        size_t piece = s->pool.batches.piece;
        struct loan *loan = &s->loan;
        *n = 0;
        pthread_mutex_lock(&s->lock);
        struct job *j = s->stream.job;
        struct iovec tail = tail_of(s, j, size);
        size_t rest = size - tail.iov_len, n_next = (rest + piece - 1) / piece;
        /* Who waits for room comes first. */
        bool lends = !loan->active && s->stream.owner && !s->broken && n_next <= G_N_ELEMENTS(loan->next) &&
                SHARE * (1 + n_next) <= s->pool.batches.total && n_next <= s->pool.batches.n_free &&
                (n_next == 0 || s->room_waiters == 0);
        if (lends) {
                *loan = (struct loan){ .active = true, .job = tail.iov_len ? j : NULL };
                if (tail.iov_len)
                        iov[(*n)++] = tail;
                for (; rest > 0; rest -= MIN(rest, piece)) {
                        uint8_t *batch = pool_take(&s->pool.batches);
                        loan->next[loan->n_next++] = batch;
                        iov[(*n)++] = (struct iovec){ batch, MIN(rest, piece) };
                }
        }
        pthread_mutex_unlock(&s->lock);
}

void sched_lend_end(Sched *s)
{
        struct loan *loan = &s->loan;
        pthread_mutex_lock(&s->lock);
        bool freed = loan->kept || loan->n_next > 0;
        if (loan->kept)
                pool_give(&s->pool.batches, loan->kept);
        while (loan->n_next > 0)
                pool_give(&s->pool.batches, loan->next[--loan->n_next]);
        *loan = (struct loan){ 0 };
        if (freed)
                pthread_cond_broadcast(&s->room);
        pthread_mutex_unlock(&s->lock);
}

bool sched_is_streaming(Sched *s)
{
        pthread_mutex_lock(&s->lock);
        bool streaming = s->stream.owner != NULL;
        pthread_mutex_unlock(&s->lock);
        return streaming;
}

bool loan_is_in(const Sched *s, const struct job *j)
{
        return s->loan.job == j;
}

uint8_t *loan_take(Sched *s, const void *lies)
{
        struct loan *loan = &s->loan;
        if (!lies || loan->n_next == 0 || lies != loan->next[0])
                return NULL;
        uint8_t *batch = loan->next[0];
        loan->n_next--;
        memmove(loan->next, loan->next + 1, loan->n_next * sizeof(loan->next[0]));
        return batch;
}

void loan_follow(Sched *s, struct job *j)
{
        s->loan.job = j;
}

bool loan_keep(Sched *s, struct job *j)
{
        if (s->loan.job != j)
                return false;
        /* What was received there is taken: it goes from batch to batch. */
        if (s->loan.kept)
                pool_give(&s->pool.batches, s->loan.kept);
        s->loan.kept = j->data;
        s->loan.job = NULL;
        return true;
}

bool loan_evade(Sched *s, struct job *j)
{
        uint8_t *old = j->data, *batch = j->pins > 0 ? NULL : pool_take(&s->pool.batches);
        if (!batch) {
                s->pace.starved = true;
                return false;
        }
        /* So the job stays; and nobody else reads or fills it, as that takes the file's lock. */
        j->filling++;
        pthread_mutex_unlock(&s->lock);
        memcpy(batch, old, j->length);
        pthread_mutex_lock(&s->lock);
        if (!loan_keep(s, j))
                pool_give(&s->pool.batches, old);
        j->data = batch;
        if (--j->filling == 0 && j->sealed)
                pthread_cond_signal(&s->work);
        return true;
}

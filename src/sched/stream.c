/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The stream: at most one file at a time sends its bytes straight into batches. */
#include <reelfs/util.h>

#include "sched-private.h"

static struct job *job_new(Sched *s, SchedFile *f, uint8_t *data)
{
        struct job *j = g_new0(struct job, 1);
        j->segment = s->stream.segment;
        j->offset = s->stream.offset;
        j->file = f;
        j->data = data;
        j->sequence = ++s->sequence;
        j->link.data = j;
        file_use(f);
        g_queue_push_tail_link(&s->jobs, &j->link);
        return j;
}

struct job *stream_job(Sched *s, SchedFile *f, const void *lies)
{
        uint8_t *lent = loan_take(s, lies), *data = lent ?: pool_take(&s->pool.batches);
        if (!data) {
                s->pace.starved = true;
                return NULL;
        }
        s->stream.job = job_new(s, f, data);
        if (lent)
                loan_follow(s, s->stream.job);
        return s->stream.job;
}

void job_free(Sched *s, struct job *j)
{
        g_queue_unlink(&s->jobs, &j->link);
        s->dirty -= j->length;
        if (j->data && !loan_keep(s, j))
                pool_give(&s->pool.batches, j->data);
        file_unuse(j->file);
        g_free(j);
        room_made(s);
}

void room_made(Sched *s)
{
        if (s->stream.starved)
                s->stream.last_write = monotonic_ns();
        pthread_cond_broadcast(&s->room);
}

void stream_seal(Sched *s)
{
        SchedFile *owner = s->stream.owner;
        if (!owner)
                return;
        struct job *j = s->stream.job;
        if (!j && s->stream.offset > 0)
                j = job_new(s, owner, NULL);
        if (j)
                j->sealed = j->last = true;
        s->stream.owner = NULL;
        s->stream.starved = false;
        s->stream.job = NULL;
        file_unuse(owner);
        pthread_cond_broadcast(&s->room);
        pthread_cond_signal(&s->work);
}

struct job *stream_find(Sched *s, uint64_t segment, uint64_t offset)
{
        for (GList *l = s->jobs.head; l; l = l->next) {
                struct job *j = l->data;
                if (j->segment == segment && offset >= j->offset && offset - j->offset < j->length)
                        return j;
        }
        return NULL;
}

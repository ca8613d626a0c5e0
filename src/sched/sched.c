/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <string.h>

#include <reelfs/log.h>
#include <reelfs/util.h>

#include "sched-private.h"

#define STAGE_DEFAULT ((size_t)1 << 20)
#define QUANTUM_DEFAULT (UINT64_C(256) << 20)
#define IDLE_MS_DEFAULT 100
#define WAITERS_DEFAULT 4
/* More in one command gains nothing, and makes the pool's pieces coarse. */
#define BATCH_MAX ((size_t)4 << 20)

/* Bytes of a batch: whole blocks, as many as go to the drive as one command, and small enough for a pool of
 * this size. */
static size_t batch_size(Sched *s, const struct tape_info *info)
{
        size_t most = MIN(MIN(info->max_transfer, BATCH_MAX), s->options.buffer / 32);
        return MAX(most / s->block_length, 1) * s->block_length;
}

static void init_locks(Sched *s)
{
        pthread_condattr_t attr;
        pthread_condattr_init(&attr);
        pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
        pthread_cond_init(&s->work, &attr);
        pthread_cond_init(&s->room, &attr);
        pthread_cond_init(&s->answers.some, &attr);
        pthread_condattr_destroy(&attr);
        pthread_mutex_init(&s->lock, NULL);
}

static void release(Sched *s)
{
        reader_clear(s);
        bad_clear(s);
        pack_clear(s);
        pool_clear(&s->pool);
        g_hash_table_destroy(s->files);
        g_hash_table_destroy(s->stages);
        g_hash_table_destroy(s->differing);
        pthread_cond_destroy(&s->work);
        pthread_cond_destroy(&s->room);
        pthread_cond_destroy(&s->answers.some);
        pthread_mutex_destroy(&s->lock);
        g_free(s);
}

int sched_new(Volume *volume, Tree *tree, const struct sched_options *options, Sched **ret)
{
        Sched *s = g_new0(Sched, 1);
        s->volume = volume;
        s->tree = tree;
        s->options = *options;
        s->options.buffer = options->buffer ?: SCHED_BUFFER_DEFAULT;
        s->options.stage = options->stage ?: STAGE_DEFAULT;
        s->options.quantum = options->quantum ?: QUANTUM_DEFAULT;
        s->options.idle_ms = options->idle_ms ?: IDLE_MS_DEFAULT;
        s->options.linger_ms = options->linger_ms ?: LINGER_MS_DEFAULT;
        s->options.max_waiters = options->max_waiters ?: WAITERS_DEFAULT;
        s->read_only = volume_is_read_only(volume);
        s->block_length = volume_block_length(volume);
        init_locks(s);
        s->files = g_hash_table_new(g_int64_hash, g_int64_equal);
        s->stages = g_hash_table_new(g_int64_hash, g_int64_equal);
        s->differing = g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, NULL);
        struct tape_info info;
        tape_get_info(volume_tape(volume), &info);
        s->padded = info.fixed_only;
        int r = pool_init(&s->pool, s->options.buffer, batch_size(s, &info));
        if (r < 0) {
                release(s);
                return r;
        }
        size_t chunks = s->pool.crumbs.total * POOL_CRUMB + s->pool.chunks.total * POOL_CHUNK,
               batches = s->pool.batches.total * s->pool.batches.piece;
        s->stage_max = MIN(chunks / 8, batches / 2);
        s->options.stage = MIN(s->options.stage, s->stage_max);
        volume_capacity(volume, tree, &s->left, &s->total);
        s->committed_at = monotonic_ns();
        s->drawn = 1;
        reader_init(s);
        bad_init(s);
        pace_init(s, info.density);
        pack_init(s);
        r = answers_start(s);
        if (r == 0) {
                r = -pthread_create(&s->thread, NULL, drive_main, s);
                if (r < 0)
                        answers_stop(s);
        }
        if (r < 0) {
                release(s);
                return log_error_errno(r, "cannot start the drive thread");
        }
        *ret = s;
        return 0;
}

static void answer_left_reads(Sched *s)
{
        GList *l;
        while ((l = g_queue_pop_head_link(&s->reads))) {
                struct read_request *q = l->data;
                q->done(q->ctx, -EIO, NULL, 0);
                file_unuse(q->file);
                g_free(q);
        }
}

/* The kernel does not always send a RELEASE for the last files of a mount that goes. */
static void close_left_files(Sched *s)
{
        g_autoptr(GList) left = g_hash_table_get_values(s->files);
        for (GList *l = left; l; l = l->next) {
                SchedFile *f = l->data;
                file_use(f);
                f->opens = 0;
                file_unuse(f);
        }
}

int sched_stop(Sched *s, const struct volume_progress *progress)
{
        pthread_mutex_lock(&s->lock);
        s->progress = progress;
        s->stop = true;
        pthread_cond_signal(&s->work);
        pthread_mutex_unlock(&s->lock);
        pthread_join(s->thread, NULL);
        answers_stop(s);
        uint64_t lost = loss_count(s);
        pthread_mutex_lock(&s->lock);
        s->lost = lost;
        int r = s->error ?: lost > 0 ? -EIO : 0;
        answer_left_reads(s);
        pthread_mutex_unlock(&s->lock);
        return r;
}

void sched_free(Sched *s)
{
        pthread_mutex_lock(&s->lock);
        close_left_files(s);
        pthread_mutex_unlock(&s->lock);
        release(s);
}

static void ask(Sched *s, const struct sync_request *what, bool now)
{
        struct sync_request *q = g_memdup2(what, sizeof(*what));
        q->link.data = q;
        pthread_mutex_lock(&s->lock);
        bool late = s->finished;
        if (!late) {
                if (q->file)
                        file_use(q->file);
                g_queue_push_tail_link(&s->syncs, &q->link);
                s->sync_now |= now;
                pthread_cond_signal(&s->work);
        }
        pthread_mutex_unlock(&s->lock);
        if (late) {
                g_free(q);
                what->done(what->ctx, -EIO);
        }
}

void sched_sync(Sched *s, SchedFile *f, sched_sync_done done, void *ctx)
{
        ask(s, &(struct sync_request){ .file = f, .all = !f, .done = done, .ctx = ctx }, true);
}

/* What is known of it already. */
static int told_by_sync(Sched *s, SchedFile *f)
{
        pthread_mutex_lock(&s->lock);
        int r = f ? loss_of(s, f) : 0;
        pthread_mutex_unlock(&s->lock);
        return r;
}

void sched_fsync(Sched *s, SchedFile *f, sched_sync_done done, void *ctx)
{
        if (s->options.fsync == SCHED_FSYNC_LAZY)
                done(ctx, told_by_sync(s, f));
        else
                ask(s, &(struct sync_request){ .file = f, .done = done, .ctx = ctx },
                        s->options.fsync == SCHED_FSYNC_COMMIT);
}

void sched_resume(Sched *s, char why[static VOLUME_WHY_MAX], sched_sync_done done, void *ctx)
{
        why[0] = '\0';
        ask(s, &(struct sync_request){ .all = true, .why = why, .done = done, .ctx = ctx }, true);
}

void sched_cancel(Sched *s, void *ctx)
{
        struct read_request *read = NULL;
        struct sync_request *sync = NULL;
        pthread_mutex_lock(&s->lock);
        for (GList *l = s->reads.head; l && !read; l = l->next)
                if (((struct read_request *)l->data)->ctx == ctx)
                        read = l->data;
        for (GList *l = s->syncs.head; l && !sync; l = l->next)
                if (((struct sync_request *)l->data)->ctx == ctx)
                        sync = l->data;
        SchedFile *f = read ? read->file : sync ? sync->file : NULL;
        if (read)
                g_queue_unlink(&s->reads, &read->link);
        if (sync)
                g_queue_unlink(&s->syncs, &sync->link);
        if (f)
                file_unuse(f);
        pthread_mutex_unlock(&s->lock);
        if (read)
                read->done(ctx, -EINTR, NULL, 0);
        if (sync)
                sync->done(ctx, -EINTR);
        g_free(read);
        g_free(sync);
}

static enum sched_activity activity(const Sched *s)
{
        if (s->committing)
                return ACTIVITY_COMMITTING;
        if (s->serving || s->reads.length > 0)
                return ACTIVITY_READING;
        if (s->dirty == 0)
                return ACTIVITY_IDLE;
        return s->pace.state == PACE_GATHER || (!s->flushing && s->jobs.length == 0) ? ACTIVITY_GATHERING
                                                                                     : ACTIVITY_WRITING;
}

void sched_get_status(Sched *s, struct sched_status *status)
{
        pthread_mutex_lock(&s->lock);
        const struct pool *p = &s->pool;
        *status = (struct sched_status){
                .activity = activity(s),
                .pool = p->size,
                .pool_used = (p->batches.total - p->batches.n_free) * p->batches.piece +
                        (p->crumbs.total - p->crumbs.n_free) * p->crumbs.piece +
                        (p->chunks.total - p->chunks.n_free) * p->chunks.piece,
                .dirty = s->dirty,
                .written = s->written,
                .read = s->read,
                .stops = s->pace.stops,
                .commits = s->commits,
                .seconds_since_commit = (uint64_t)(monotonic_ns() - s->committed_at) / 1000000000,
                .files_since_commit = s->fresh.files + s->leaving.files,
                .bytes_since_commit = s->fresh.bytes + s->leaving.bytes,
                .open_files = g_hash_table_size(s->files),
                .queued_reads = s->reads.length,
                .read_only = s->broken || volume_is_read_only(s->volume),
                .error = s->error,
                .lost = s->lost,
                .total = s->total,
                .remaining = s->left - MIN(s->left, s->dirty),
                .pages = p->pages,
                .pinned = p->pinned,
        };
        pthread_mutex_unlock(&s->lock);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The drive thread: takes what is ready, one command at a time, and decides what goes to tape when. */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <time.h>

#include <reelfs/log.h>
#include <reelfs/util.h>

#include "sched-private.h"

#define MS INT64_C(1000000)
/* What was sealed so long ago goes along with what is due. */
#define SETTLE_NS (1000 * MS)

void cond_wait_until(pthread_cond_t *cond, pthread_mutex_t *lock, int64_t deadline)
{
        if (deadline == INT64_MAX) {
                pthread_cond_wait(cond, lock);
                return;
        }
        struct timespec ts = { deadline / (1000 * MS), deadline % (1000 * MS) };
        pthread_cond_timedwait(cond, lock, &ts);
}

/* ---- Writing; Sched.lock is held on entry and exit, and given up while the drive works */

static void drive_broken(Sched *s, int error)
{
        s->error = s->error ?: error;
        s->salvage |= !s->broken;
        s->broken = s->losses = true;
        s->tape_segment = 0; /* it has ended where the write failed */
        pthread_cond_broadcast(&s->room);
}

void drive_lost(Sched *s, uint64_t segment, int error)
{
        volume_segment_lost(s->volume, segment);
        drive_broken(s, error);
}

static void update_left(Sched *s)
{
        volume_capacity(s->volume, s->tree, &s->left, &s->total);
}

static void write_job(Sched *s, struct job *j)
{
        int r = -EIO;
        if (!s->broken) {
                struct iovec iov = { j->data, j->length };
                pthread_mutex_unlock(&s->lock);
                r = volume_append(s->volume, j->segment, &iov, j->data ? 1 : 0, j->last);
                pthread_mutex_lock(&s->lock);
                s->tape_segment = j->last || r < 0 ? 0 : j->segment;
                update_left(s);
        }
        while (j->pins > 0)
                pthread_cond_wait(&s->work, &s->lock);
        if (r < 0) {
                drive_lost(s, j->segment, r);
                file_failed(j->file, r);
        } else {
                s->written += j->length;
        }
        job_free(s, j);
}

/* Writes sealed stages, up to the mark and while there is a reason to. */
static void write_stages(Sched *s, uint64_t mark, bool (*wanted)(Sched *s, const struct stage *st))
{
        struct stage *st;
        while ((st = g_queue_peek_head(&s->sealed)) && st->sequence <= mark && (!wanted || wanted(s, st)))
                pack_write_stage(s, st);
        pack_end(s);
}

static bool ready(const struct job *j)
{
        return j && j->sealed && j->filling == 0;
}

static struct job *first_job(Sched *s)
{
        return g_queue_peek_head(&s->jobs);
}

/* The oldest one that is open, and, unless all are meant, does not wait for the stream. */
static struct stage *oldest_stage(Sched *s, bool all)
{
        GList *l = s->open.head;
        while (l && !all && stage_is_queued(l->data))
                l = l->next;
        return l ? l->data : NULL;
}

/* Seals the open stages of all files, or of the oldest until a quarter of the chunks is on its way. Gives up
 * Sched.lock. */
static void seal_stages(Sched *s, bool all)
{
        size_t goal = (s->pool.crumbs.total * POOL_CRUMB + s->pool.chunks.total * POOL_CHUNK) / 4;
        /* Stages opened from now on are not meant: busy writers would keep us here. */
        struct stage *newest = g_queue_peek_tail(&s->open);
        uint64_t limit = newest ? newest->sequence : 0;
        for (;;) {
                struct stage *st = oldest_stage(s, all);
                if (!st || st->sequence > limit || (!all && s->sealed_bytes >= goal))
                        return;
                SchedFile *f = st->file;
                file_use(f);
                pthread_mutex_unlock(&s->lock);
                pthread_mutex_lock(&f->lock);
                pthread_mutex_lock(&s->lock);
                if (f->stage)
                        stage_seal(f->stage, true);
                pthread_mutex_unlock(&f->lock);
                file_unuse(f);
        }
}

/* ---- Commit */

/* Writes everything that was sealed up to the two marks. */
static void drain(Sched *s, uint64_t jobs, uint64_t stages)
{
        for (;;) {
                struct job *j = first_job(s);
                struct stage *st = g_queue_peek_head(&s->sealed);
                if (j && j->sequence <= jobs) {
                        if (ready(j))
                                write_job(s, j);
                        else
                                pthread_cond_wait(&s->work, &s->lock);
                } else if (st && st->sequence <= stages) {
                        write_stages(s, stages, NULL);
                } else {
                        return;
                }
        }
}

/* Of one file it is told whether that is safe, of all whether all is well; of names that they are in the
 * index.
 */
static int sync_result(Sched *s, const struct sync_request *q)
{
        return q->all ? s->error : q->file ? loss_of(s, q->file) : 0;
}

static void answer(Sched *s, GQueue *asked, int error)
{
        GList *l;
        while ((l = g_queue_pop_head_link(asked))) {
                struct sync_request *q = l->data;
                int r = error ?: q->refused ?: sync_result(s, q);
                if (q->file)
                        file_unuse(q->file);
                pthread_mutex_unlock(&s->lock);
                q->done(q->ctx, r);
                pthread_mutex_lock(&s->lock);
                g_free(q);
        }
}

/* Whether writing goes on from now on, as somebody has asked for. No locks held. */
static bool try_resume(Sched *s, const GQueue *asked)
{
        bool resumed = false;
        for (GList *l = asked->head; l; l = l->next) {
                struct sync_request *q = l->data;
                if (q->why && !resumed)
                        q->refused = volume_resume(s->volume, q->why);
                resumed |= q->why && q->refused == 0;
        }
        return resumed;
}

/* Gives up Sched.lock. */
static int write_index(Sched *s, const GQueue *asked, bool *resumed)
{
        pthread_mutex_unlock(&s->lock);
        *resumed = (s->broken || volume_may_change(s->volume) < 0) && try_resume(s, asked);
        int r = s->read_only ? 0 : volume_commit(s->volume, s->tree, *resumed, s->progress);
        pthread_mutex_lock(&s->lock);
        return r;
}

/* Takes note of what came of an index. */
static void indexed(Sched *s, int error, bool resumed)
{
        if (error < 0)
                drive_broken(s, error);
        if (s->salvage)
                loss_tell_open_files(s);
        s->salvage = false;
        if (error == 0 && resumed)
                loss_forgive(s);
        if (!s->error)
                s->leaving.files = s->leaving.bytes = 0;
}

/* The index is to have the hashes of files that are open, too. Gives up Sched.lock. */
static void settle_files(Sched *s)
{
        g_autoptr(GPtrArray) files = g_ptr_array_new();
        GHashTableIter all;
        gpointer f;
        g_hash_table_iter_init(&all, s->files);
        while (g_hash_table_iter_next(&all, NULL, &f)) {
                file_use(f);
                g_ptr_array_add(files, f);
        }
        pthread_mutex_unlock(&s->lock);
        for (guint i = 0; i < files->len; i++) {
                SchedFile *file = g_ptr_array_index(files, i);
                pthread_mutex_lock(&file->lock);
                content_settle(file);
                pthread_mutex_unlock(&file->lock);
        }
        pthread_mutex_lock(&s->lock);
        for (guint i = 0; i < files->len; i++)
                file_unuse(g_ptr_array_index(files, i));
}

static void commit(Sched *s)
{
        bool resumed = false;
        GQueue asked = s->syncs;
        g_queue_init(&s->syncs);
        s->sync_now = false;
        s->committing = s->drawing = true;
        s->kept = volume_reserve(s->volume, s->tree);
        stream_seal(s);
        uint64_t jobs = s->sequence;
        seal_stages(s, true);
        uint64_t stages = s->sequence;
        s->drawing = false;
        s->leaving.files += s->fresh.files;
        s->leaving.bytes += s->fresh.bytes;
        s->fresh.files = s->fresh.bytes = 0;
        s->drawn++;
        drain(s, jobs, stages);
        settle_files(s);
        int r = write_index(s, &asked, &resumed);
        indexed(s, r, resumed);
        s->committing = false;
        s->kept = 0;
        pace_ends(s);
        s->committed_at = monotonic_ns();
        s->commits++;
        update_left(s);
        room_made(s);
        answer(s, &asked, r);
}

/* Whether those who wait for a commit to share have waited long enough. */
static bool group_due(Sched *s, int64_t now, int64_t *deadline)
{
        if (s->syncs.length == 0)
                return false;
        int64_t due = s->commits > 0 ? s->committed_at + SCHED_GROUP_S * 1000 * MS : now;
        *deadline = MIN(*deadline, due);
        return now >= due;
}

static bool commit_due(Sched *s, int64_t now, int64_t *deadline)
{
        if (s->sync_now || s->salvage || s->stop || group_due(s, now, deadline))
                return true;
        if (s->options.commit_s == 0 || s->broken || s->read_only)
                return false;
        int64_t due = s->committed_at + (int64_t)s->options.commit_s * 1000 * MS;
        if (now < due) {
                *deadline = MIN(*deadline, due);
                return false;
        }
        if (s->dirty > 0 || volume_is_dirty(s->volume, s->tree))
                return true;
        s->committed_at = now;
        return false;
}

/* ---- What next? */

static bool measure_if_asked(Sched *s)
{
        if (!s->measure || s->broken)
                return s->measure = false;
        pthread_mutex_unlock(&s->lock);
        int r = volume_remeasure(s->volume);
        pthread_mutex_lock(&s->lock);
        if (r < 0)
                drive_broken(s, r);
        update_left(s);
        s->measure = false;
        s->measured = s->written;
        room_made(s);
        return true;
}

static bool is_streaming(Sched *s)
{
        return s->stream.owner || s->jobs.length > 0;
}

/* Whether stages have to wait for nothing but pieces. */
static bool is_out_of_pieces(Sched *s)
{
        return s->pool.crumbs.n_free == 0 || s->pool.chunks.n_free == 0;
}

int64_t linger_ns(const Sched *s, bool streaming)
{
        return (streaming ? 2 : 1) * (int64_t)s->options.linger_ms * MS;
}

static bool stages_due(Sched *s, int64_t now, int64_t *deadline)
{
        struct stage *st = g_queue_peek_head(&s->sealed);
        if (!st)
                return s->flushing = false;
        bool streaming = is_streaming(s);
        int64_t due = st->sealed_at + linger_ns(s, streaming);
        if (s->flushing || st->urgent || s->broken || is_out_of_pieces(s) ||
                stages_fill(s, streaming ? 3 : 2, 4) || now >= due)
                return s->flushing = true;
        *deadline = MIN(*deadline, due);
        return false;
}

/* Once stages are being written, those go along that have settled, and as many as it takes to have room again
 * for a while. The youngest linger on. */
static bool goes_along(Sched *s, const struct stage *st)
{
        return st->urgent || s->broken || monotonic_ns() - st->sealed_at >= SETTLE_NS ||
                stages_fill(s, 1, 4) || is_out_of_pieces(s);
}

/* Stages have to wait for the end of the segment that is being written, or is next. What streams by now may
 * be another one, behind it. */
static void end_segment_before(Sched *s)
{
        uint64_t segment = s->tape_segment ?: first_job(s)->segment;
        if (s->stream.owner && s->stream.segment == segment)
                stream_seal(s);
}

/* Writes one thing if one is to be written now. */
static bool write_next(Sched *s, int64_t now, int64_t *deadline)
{
        if (is_out_of_pieces(s) && s->sealed.length == 0)
                seal_stages(s, false);
        if (stages_due(s, now, deadline)) {
                if (s->tape_segment == 0 && (!first_job(s) || first_job(s)->offset == 0)) {
                        pace_feeds(s, now);
                        write_stages(s, s->sequence, goes_along);
                        s->flushing = false;
                        return true;
                }
                end_segment_before(s);
        }
        if (!ready(first_job(s))) {
                pace_runs_dry(s, now, deadline);
                return false;
        }
        if (pace_holds(s, now, deadline))
                return false;
        pace_feeds(s, now);
        write_job(s, first_job(s));
        return true;
}

static bool commit_if_due(Sched *s, bool due)
{
        /* What changes while callers of the last commit are told is in the next one. */
        bool stop = s->stop;
        if (!due)
                return false;
        commit(s);
        if (stop && s->jobs.length + s->sealed.length + s->open.length + s->syncs.length == 0)
                s->finished = true;
        return true;
}

/* Does one thing; false: there is nothing to do before *deadline. */
static bool step(Sched *s, int64_t *deadline)
{
        int64_t now = monotonic_ns();
        bool commit = commit_due(s, now, deadline);
        if (order_may_write(s, commit, now, deadline) &&
                (measure_if_asked(s) || commit_if_due(s, commit) || write_next(s, now, deadline))) {
                order_set_phase(s, false, now);
                return true;
        }
        struct read_request *q = order_next(s, now, deadline);
        if (!q && !reader_wants_ahead(s))
                return false;
        order_set_phase(s, true, now);
        s->serving = true;
        pthread_mutex_unlock(&s->lock);
        pace_ends(s);
        if (q)
                reader_serve(s, q);
        else
                reader_ahead(s);
        pthread_mutex_lock(&s->lock);
        s->serving = false;
        s->read_at = monotonic_ns();
        return true;
}

void *drive_main(void *sched)
{
        Sched *s = sched;
        pthread_setname_np(pthread_self(), "reelfs-drive");
        /* SG_IO returns on a signal while the command runs on. */
        sigset_t all;
        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, NULL);
        pthread_mutex_lock(&s->lock);
        while (!s->finished) {
                int64_t deadline = INT64_MAX;
                if (!step(s, &deadline)) {
                        s->sleeps_until = deadline;
                        cond_wait_until(&s->work, &s->lock, deadline);
                        s->sleeps_until = 0;
                }
        }
        pthread_mutex_unlock(&s->lock);
        return NULL;
}

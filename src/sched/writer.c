/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How written bytes find their place: in the file's stage while that is small, in the stream's batches from
 * then on. A segment's bytes lie in the order in which they were written; bytes that are written again while
 * their place is still open are replaced there. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include <reelfs/pack.h>
#include <reelfs/util.h>

#include "sched-private.h"

/* A stage of this size goes for the stream if open ones have most of the chunks already. */
#define STREAM_MIN (4 * POOL_CHUNK)

/* Of a write that is shorter what it takes in the index counts at once; of others only when data has gone to
 * the tape. */
#define COUNTS_MIN 65536

/* Where the next bytes of a write go. */
struct place {
        size_t size;
        const void *lies; /* the bytes, in memory that is lent; or NULL */
        uint64_t segment, offset;
        struct stage *stage; /* one of them */
        struct job *job;     /* counted in job->filling */
};

enum verdict { PLACED, AGAIN /* look again */, WAIT_ROOM, WAIT_STREAM, REFUSED };

/* ---- Places that are there already */

static bool in_stage(SchedFile *f, const struct tree_extent *e)
{
        return f->stage && f->stage->segment == e->segment;
}

/* The job that is still open for e's bytes, with one more thread that fills it; NULL: none. */
static struct job *claim_job(SchedFile *f, const struct tree_extent *e)
{
        Sched *s = f->sched;
        pthread_mutex_lock(&s->lock);
        struct job *j = s->stream.owner == f ? s->stream.job : NULL;
        if (j && (j->segment != e->segment || e->offset < j->offset || e->offset >= j->offset + j->length))
                j = NULL;
        if (j)
                j->filling++;
        pthread_mutex_unlock(&s->lock);
        return j;
}

static bool claim(SchedFile *f, const struct tree_extent *e, struct place *p)
{
        *p = (struct place){ .size = e->length, .segment = e->segment, .offset = e->offset };
        if (in_stage(f, e)) {
                p->stage = f->stage;
                return true;
        }
        p->job = claim_job(f, e);
        if (p->job)
                p->size = MIN(p->size, p->job->offset + p->job->length - e->offset);
        return p->job != NULL;
}

static void unclaim(SchedFile *f, struct place *p)
{
        if (!p->job)
                return;
        pthread_mutex_lock(&f->sched->lock);
        if (--p->job->filling == 0 && p->job->sealed)
                pthread_cond_signal(&f->sched->work);
        pthread_mutex_unlock(&f->sched->lock);
}

/* Finds whether the bytes at offset have an open place: *p then says which (true). Otherwise p->size tells
 * how many from offset on have none, and *replaces whether they replace others, or a hole with others behind:
 * an index has a file up to the first byte only that is not on the tape. */
static int find_open(SchedFile *f, uint64_t offset, size_t size, struct place *p, bool *open, bool *replaces)
{
        struct tree_extent map[16];
        size_t n;
        uint64_t length, behind;
        Tree *t = f->sched->tree;
        int r = tree_map(t, f->ino, offset, size, map, G_N_ELEMENTS(map), &n, &length);
        if (r < 0)
                return r;
        *open = false;
        *replaces = n > 0 || (offset < length && tree_seek(t, f->ino, offset, SEEK_DATA, &behind) == 0);
        *p = (struct place){ .size = size };
        if (n == G_N_ELEMENTS(map))
                p->size = map[n - 1].file_offset + map[n - 1].length - offset;
        for (size_t i = 0; i < n; i++) {
                struct place found;
                if (!claim(f, &map[i], &found))
                        continue;
                if (map[i].file_offset == offset) {
                        *p = found;
                        *open = true;
                } else {
                        unclaim(f, &found);
                        p->size = map[i].file_offset - offset;
                }
                break;
        }
        return 0;
}

/* ---- New places; both locks held */

static bool is_claimed(Sched *s)
{
        return s->stream.claimant && monotonic_ns() - s->stream.claimed_at < CLAIM_NS;
}

static enum verdict place_in_stream(SchedFile *f, struct place *p)
{
        Sched *s = f->sched;
        if (s->stream.turn >= s->options.quantum && is_claimed(s)) {
                stream_seal(s);
                return AGAIN;
        }
        if (!p->lies && s->stream.job && loan_is_in(s, s->stream.job))
                return loan_evade(s, s->stream.job) ? AGAIN : WAIT_ROOM;
        struct job *j = s->stream.job ?: stream_job(s, f, p->lies);
        if (!j)
                return WAIT_ROOM;
        p->size = MIN(p->size, s->pool.batches.piece - j->length);
        p->segment = s->stream.segment;
        p->offset = s->stream.offset;
        p->job = j;
        j->filling++;
        j->length += p->size;
        s->stream.offset += p->size;
        s->stream.turn += p->size;
        s->stream.last_write = monotonic_ns();
        s->stream.starved = false;
        s->dirty += p->size;
        if (j->length == s->pool.batches.piece) {
                j->sealed = true;
                s->stream.job = NULL;
        }
        return PLACED;
}

static enum verdict place_in_stage(SchedFile *f, size_t most, struct place *p)
{
        Sched *s = f->sched;
        struct stage *st = f->stage;
        /* Little by little where many want some. */
        size_t step = stages_crowd(s, 1, 4) ? STREAM_MIN : most;
        size_t wanted = MIN(MIN(p->size, most - st->length), step), room = stage_grow(st, wanted);
        if (room == 0) {
                pthread_cond_signal(&s->work);
                return WAIT_ROOM;
        }
        p->size = MIN(wanted, room);
        p->segment = st->segment;
        p->offset = st->length;
        p->stage = st;
        st->queued_at = 0;
        st->length += p->size;
        s->dirty += p->size;
        return PLACED;
}

static bool stream_can_be_taken(Sched *s, SchedFile *f)
{
        if (s->drawing || (is_claimed(s) && s->stream.claimant != f))
                return false;
        if (!s->stream.owner)
                return true;
        int64_t idle_ns = monotonic_ns() - s->stream.last_write;
        return s->stream.turn >= s->options.quantum || idle_ns > s->options.idle_ms * INT64_C(1000000);
}

/* Jobs for all of the stage, still to be filled. */
static void add_jobs(SchedFile *f, struct stage *st, struct job **jobs)
{
        Sched *s = f->sched;
        size_t piece = s->pool.batches.piece;
        for (size_t at = 0; at < st->length; at += piece) {
                struct job *j = *jobs++ = stream_job(s, f, NULL);
                j->length = MIN(piece, st->length - at);
                j->filling = 1;
                j->sealed = j->length == piece;
                s->stream.offset += j->length;
                /* Counted twice until stage_free. */
                s->dirty += j->length;
        }
        if (s->stream.offset % piece == 0)
                s->stream.job = NULL;
}

static void into_segment(void *ctx, struct tree_extent *e)
{
        e->segment = *(const uint64_t *)ctx;
}

/* Makes f the stream's owner, its stage the beginning of the segment that streams. Gives up Sched.lock while
 * it copies. */
static enum verdict stream_take(SchedFile *f, int *error)
{
        Sched *s = f->sched;
        struct stage *st = f->stage;
        size_t n = (st->length + s->pool.batches.piece - 1) / s->pool.batches.piece;
        if (s->pool.batches.n_free < n) {
                s->pace.starved = true;
                return WAIT_STREAM;
        }
        uint64_t segment = volume_segment_new(s->volume, SEGMENT_FILE);
        if (segment == 0) {
                *error = -ENOMEM;
                return REFUSED;
        }
        g_autofree struct job **jobs = g_new(struct job *, n);
        stream_seal(s);
        s->stream.owner = f;
        s->stream.claimant = NULL;
        file_use(f);
        s->stream.segment = segment;
        s->stream.offset = s->stream.turn = 0;
        s->stream.last_write = monotonic_ns();
        add_jobs(f, st, jobs);
        pthread_mutex_unlock(&s->lock);
        stage_hash(st);
        for (size_t i = 0; i < n; i++)
                stage_copy_out(st, jobs[i]->offset, jobs[i]->data,
                        MIN(s->pool.batches.piece, st->length - jobs[i]->offset));
        tree_relocate(s->tree, f->ino, st->segment, into_segment, &segment);
        pthread_mutex_lock(&s->lock);
        for (size_t i = 0; i < n; i++)
                jobs[i]->filling--;
        stage_free(st);
        pthread_cond_signal(&s->work);
        return AGAIN;
}

/* Bytes that data in the making takes besides its own: headers of packs, and the padding of last blocks,
 * where the drive has only full ones. */
static uint64_t padding(Sched *s)
{
        uint64_t stages = s->open.length + s->sealed.length, blocks = s->padded ? stages + 2 : 0;
        return stages * PACK_MEMBER_ROOM + blocks * s->block_length;
}

/* The count of what is left is a guess where the drive compresses. False: the drive was asked after the last
 * write. */
static bool ask_for_room(Sched *s)
{
        if (s->measured == s->written)
                return false;
        s->measure = true;
        pthread_cond_signal(&s->work);
        return true;
}

static enum verdict find_place(SchedFile *f, bool replaces, struct place *p, int *error)
{
        Sched *s = f->sched;
        if (s->broken) {
                *error = loss_of_writer(s, f);
                return REFUSED;
        }
        if (s->left < s->dirty + padding(s) + p->size + s->kept) {
                *error = -ENOSPC;
                /* What the index under way takes is known behind it, and one more has to fit. */
                if (s->kept > 0)
                        return WAIT_ROOM;
                return ask_for_room(s) ? WAIT_ROOM : REFUSED;
        }
        if (replaces && s->committing)
                return WAIT_ROOM;
        if (s->stream.owner == f)
                return place_in_stream(f, p);
        struct stage *st = f->stage ?: stage_open(f);
        bool fits = st->length + p->size <= s->options.stage || st->length == 0;
        if (fits && (st->length < STREAM_MIN || !stages_crowd(s, 1, 2)))
                return place_in_stage(f, s->options.stage, p);
        if (stream_can_be_taken(s, f))
                return stream_take(f, error);
        /* It may wait in vain for long, so it leaves room for small files. */
        if (st->length < s->stage_max && !stages_crowd(s, 1, 4))
                return place_in_stage(f, s->stage_max, p);
        return WAIT_STREAM;
}

/* With the index as it would be now. No lock held but perhaps SchedFile.lock; the drive thread may have
 * counted what it has written meanwhile. */
static void look_for_room(Sched *s)
{
        uint64_t left, total;
        volume_capacity(s->volume, s->tree, &left, &total);
        pthread_mutex_lock(&s->lock);
        s->left = MIN(s->left, left);
        pthread_mutex_unlock(&s->lock);
}

bool sched_has_room(Sched *s)
{
        look_for_room(s);
        pthread_mutex_lock(&s->lock);
        bool room = s->left > s->dirty + padding(s) || ask_for_room(s);
        pthread_mutex_unlock(&s->lock);
        return room;
}

/* ---- Waiting */

/* Who has waited longest is next. */
static void claim_stream(SchedFile *f)
{
        Sched *s = f->sched;
        struct stage *st = f->stage;
        st->queued_at = monotonic_ns();
        if (is_claimed(s) && s->stream.claimant != f && s->stream.claim < st->sequence)
                return;
        s->stream.claimant = f;
        s->stream.claimed_at = st->queued_at;
        s->stream.claim = st->sequence;
}

/* Both locks held, and held again after. lent: the bytes are in memory that is lent for the stream. Who has
 * it needs that, so others do not wait with it. */
static int wait_for(SchedFile *f, enum verdict what, const struct sched_source *source, bool lent)
{
        Sched *s = f->sched;
        if (source->interrupted && source->interrupted(source->ctx))
                return -EINTR;
        if (what == WAIT_STREAM)
                claim_stream(f);
        if (s->stream.owner == f)
                s->stream.starved = true;
        bool returns = source->wait == SCHED_NO_WAIT || s->waiters >= s->options.max_waiters;
        if (returns || (what == WAIT_STREAM && lent)) {
                s->refused_at = monotonic_ns();
                return -EAGAIN;
        }
        if (source->waits)
                source->waits(source->ctx);
        s->waiters++;
        s->room_waiters += what == WAIT_ROOM;
        pthread_cond_signal(&s->work);
        pthread_mutex_unlock(&f->lock);
        cond_wait_until(&s->room, &s->lock, monotonic_ns() + WAIT_NS);
        s->waiters--;
        s->room_waiters -= what == WAIT_ROOM;
        pthread_mutex_unlock(&s->lock);
        pthread_mutex_lock(&f->lock);
        pthread_mutex_lock(&s->lock);
        return 0;
}

void sched_wake(Sched *s)
{
        pthread_mutex_lock(&s->lock);
        pthread_cond_broadcast(&s->room);
        pthread_mutex_unlock(&s->lock);
}

/* ---- The write */

static int fill_place(const struct place *p, const struct sched_source *source)
{
        if (p->job)
                return source->fill(source->ctx, p->job->data + (p->offset - p->job->offset), p->size);
        uint64_t offset = p->offset;
        for (size_t left = p->size; left > 0;) {
                size_t n;
                uint8_t *dst = stage_at(p->stage, offset, &n);
                n = MIN(left, n);
                int r = source->fill(source->ctx, dst, n);
                if (r < 0)
                        return r;
                offset += n;
                left -= n;
        }
        return 0;
}

/* known: of what was there before, and old is that. The bytes were just touched. */
static void take_hash(SchedFile *f, uint64_t offset, const struct place *p, bool known, uint32_t old)
{
        if (p->stage && known)
                content_change_staged(f, p->stage, offset, p->offset, p->size, old);
        if (!p->job)
                return;
        const uint8_t *data = p->job->data + (p->offset - p->job->offset);
        if (known)
                content_change(f, offset, data, p->size, old);
        else
                content_put(f, offset, data, p->size);
}

/* SchedFile.lock held, and given up while it waits. *size: in, what is asked; out, what was done. */
static int write_some(SchedFile *f, uint64_t offset, size_t *size, const struct sched_source *source)
{
        struct place p;
        bool open, replaces;
        size_t asked = *size;
        int r = find_open(f, offset, asked, &p, &open, &replaces);
        *size = 0;
        if (r < 0)
                return r;
        if (!open) {
                if (asked < COUNTS_MIN)
                        look_for_room(f->sched);
                p.lies = source->lies ? source->lies(source->ctx) : NULL;
                pthread_mutex_lock(&f->sched->lock);
                enum verdict v = find_place(f, replaces, &p, &r);
                if (v == WAIT_ROOM || v == WAIT_STREAM)
                        r = wait_for(f, v, source, p.lies);
                else if (v == PLACED)
                        file_grows(f, p.size);
                pthread_mutex_unlock(&f->sched->lock);
                if (v != PLACED)
                        return r;
        }
        uint32_t old = 0;
        bool known = content_replaces(f, offset, p.size, &old);
        r = fill_place(&p, source);
        if (r == 0) {
                struct tree_extent e = { offset, p.size, p.segment, p.offset };
                r = tree_put_extent(f->sched->tree, f->ino, &e, now_ns());
        }
        if (r == 0)
                take_hash(f, offset, &p, known, old);
        else
                content_cut(f, offset, p.size);
        unclaim(f, &p);
        if (r == 0)
                *size = p.size;
        return r;
}

int sched_write(SchedFile *f, uint64_t offset, size_t size, const struct sched_source *source, size_t *done)
{
        *done = 0;
        if (f->sched->read_only)
                return -EROFS;
        if (offset > INT64_MAX - size)
                return -EFBIG;
        int r = 0;
        pthread_mutex_lock(&f->lock);
        content_begin(f);
        while (*done < size && r == 0) {
                size_t n = size - *done;
                r = write_some(f, offset + *done, &n, source);
                *done += n;
        }
        pthread_mutex_unlock(&f->lock);
        return r;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reads: from memory what is not yet on the tape, from slabs what was read before or ahead, and the rest by
 * the drive thread. What lies in slabs is given out from there; anything else is put together in a buffer. */
#include <errno.h>
#include <string.h>

#include <reelfs/hash.h>
#include <reelfs/util.h>

#include "sched-private.h"

/* ---- By copying; SchedFile.lock held */

/* Copies size bytes at offset of a segment from memory or a slab; *n: how many there were in one piece, 0 if
 * only the tape has them. */
static int copy_from(SchedFile *f, uint64_t segment, uint64_t offset, void *dst, size_t size, size_t *n)
{
        Sched *s = f->sched;
        *n = 0;
        pthread_mutex_lock(&s->lock);
        struct stage *st = g_hash_table_lookup(s->stages, &segment);
        struct job *j = st ? NULL : stream_find(s, segment, offset);
        struct slab *slab = NULL;
        size_t in_pack = 0;
        const uint8_t *packed = st || j ? NULL : pack_find(s, segment, offset, &in_pack);
        const struct span *span = st || j || packed ? NULL : slab_pin(s, segment, offset, &slab);
        if (j)
                j->pins++;
        s->pack.pins += packed != NULL;
        size_t there = j ? j->offset + j->length - offset
                : packed ? in_pack
                : span   ? span->offset + span->length - offset
                         : size;
        pthread_mutex_unlock(&s->lock);
        if (st) {
                *n = size;
                return stage_copy_out(st, offset, dst, size);
        }
        size = MIN(size, there);
        if (j) {
                memcpy(dst, j->data + (offset - j->offset), size);
                pthread_mutex_lock(&s->lock);
                if (--j->pins == 0)
                        pthread_cond_signal(&s->work);
                pthread_mutex_unlock(&s->lock);
        } else if (packed) {
                memcpy(dst, packed, size);
                pthread_mutex_lock(&s->lock);
                if (--s->pack.pins == 0)
                        pthread_cond_signal(&s->work);
                pthread_mutex_unlock(&s->lock);
        } else if (span) {
                memcpy(dst, slab->data + span->at + (offset - span->offset), size);
                pthread_mutex_lock(&s->lock);
                slab_unpin(s, slab, size);
                pthread_mutex_unlock(&s->lock);
        } else {
                return 0;
        }
        *n = size;
        return 0;
}

/* Goes on with an answer of which *at bytes are there. 0: complete; -EAGAIN: *missing is next, and on the
 * tape. */
static int gather(
        SchedFile *f, uint64_t offset, size_t size, uint8_t *buf, size_t *at, struct tree_extent *missing)
{
        while (*at < size) {
                struct tree_extent e;
                size_t n;
                int r = tree_map(f->sched->tree, f->ino, offset + *at, size - *at, &e, 1, &n, NULL);
                if (r < 0)
                        return r;
                size_t hole = n ? e.file_offset - (offset + *at) : size - *at;
                memset(buf + *at, 0, hole);
                *at += hole;
                for (size_t got; n && e.length > 0;) {
                        r = copy_from(f, e.segment, e.offset, buf + *at, e.length, &got);
                        if (r < 0)
                                return r;
                        if (got == 0) {
                                *missing = e;
                                return -EAGAIN;
                        }
                        *at += got;
                        e.offset += got;
                        e.length -= got;
                }
        }
        return 0;
}

int reader_crc(SchedFile *f, uint64_t offset, size_t size, uint32_t *crc)
{
        g_autofree uint8_t *buf = g_try_malloc(size);
        struct tree_extent missing;
        size_t at = 0;
        int r = buf ? gather(f, offset, size, buf, &at, &missing) : -ENOMEM;
        if (r == 0)
                *crc = hash_crc(0, buf, size);
        return r;
}

enum place { IN_SLABS, ON_TAPE, ELSEWHERE /* in memory or nowhere: some of it has to be copied or made */ };

static void parts_unpin(Sched *s, const struct parts *p, bool taken)
{
        pthread_mutex_lock(&s->lock);
        for (int i = 0; i < p->n; i++)
                slab_unpin(s, p->slabs[i], taken ? p->iov[i].iov_len : 0);
        pthread_mutex_unlock(&s->lock);
}

void parts_give(struct read_request *q, const struct parts *p)
{
        Sched *s = q->file->sched;
        int r = check_answer(q, p->iov);
        q->done(q->ctx, r, p->iov, r == 0 ? p->n : 0);
        parts_unpin(s, p, true);
}

/* Some of it is not on the tape yet. Sched.lock held. */
static bool is_in_memory(Sched *s, const struct tree_extent *e)
{
        size_t n;
        return g_hash_table_contains(s->stages, &e->segment) || stream_find(s, e->segment, e->offset) ||
                pack_find(s, e->segment, e->offset, &n);
}

/* Adds what lies in slabs of an extent, which is cut to what does not. Sched.lock held. */
static enum place add_parts(Sched *s, struct parts *p, struct tree_extent *e)
{
        while (e->length > 0) {
                if (p->n == PARTS_MAX)
                        return ELSEWHERE;
                struct slab **slab = &p->slabs[p->n];
                const struct span *span = slab_pin(s, e->segment, e->offset, slab);
                if (!span)
                        return is_in_memory(s, e) ? ELSEWHERE : ON_TAPE;
                size_t size = MIN(e->length, span->offset + span->length - e->offset);
                p->iov[p->n++] =
                        (struct iovec){ (*slab)->data + span->at + (e->offset - span->offset), size };
                e->offset += size;
                e->length -= size;
        }
        return IN_SLABS;
}

/* Where the answer is: parts, as far as it is in slabs, which the caller unpins; *missing: the first that is
 * on the tape only. SchedFile.lock held. */
static enum place find_parts(
        SchedFile *f, uint64_t offset, size_t size, struct parts *p, struct tree_extent *missing)
{
        Sched *s = f->sched;
        enum place place = IN_SLABS;
        p->n = 0;
        for (size_t at = 0, n; place == IN_SLABS && at < size;) {
                struct tree_extent e;
                if (tree_map(s->tree, f->ino, offset + at, size - at, &e, 1, &n, NULL) < 0 || n == 0 ||
                        e.file_offset != offset + at) {
                        place = ELSEWHERE;
                        break;
                }
                at += e.length;
                pthread_mutex_lock(&s->lock);
                place = add_parts(s, p, &e);
                pthread_mutex_unlock(&s->lock);
                *missing = e;
        }
        return place;
}

/* Gets from the tape what an answer lacks, the parts of which are unpinned. Meanwhile they stay where they
 * are, if that leaves two slabs: they would be read again, by going back. Drive thread. */
static int load_missing(struct read_request *q, const struct parts *p, const struct tree_extent *missing)
{
        Sched *s = q->file->sched;
        bool kept = p->n > 0 && (unsigned)p->n + 2 <= s->reader.n_slabs;
        if (!kept)
                parts_unpin(s, p, false);
        int r = reader_load(s, q, missing->segment, missing->offset);
        if (kept)
                parts_unpin(s, p, false);
        return r;
}

/* ---- Requests */

/* Cuts size to what the file has from offset on, and looks how the file is being read. SchedFile.lock held.
 */
static int cut_to_file(struct read_request *q, bool first)
{
        SchedFile *f = q->file;
        struct tree_attr attr;
        size_t slab = f->sched->pool.slabs.piece;
        int r = tree_getattr(f->sched->tree, f->ino, &attr);
        if (r < 0)
                return r;
        uint64_t left = q->offset >= attr.size ? 0 : attr.size - q->offset;
        q->size = MIN(q->size, left);
        if (!first)
                return 0;
        r = check_admit(q, &attr);
        /* The kernel asks for several pieces at once, in any order. */
        q->sequential = left > slab && q->offset + slab >= f->read_end && q->offset <= f->read_end + slab;
        f->read_end = q->offset + q->size;
        return r;
}

/* Answers from slabs, if all of it is there, or on the drive thread can be got there in a few steps; gives up
 * SchedFile.lock if so. 0: done; 1: another thread answers, and frees q; -EAGAIN: q->segment and q->at are on
 * the tape only; -EXDEV: it has to be put together. */
static int answer_parts(struct read_request *q, bool drive)
{
        SchedFile *f = q->file;
        Sched *s = f->sched;
        struct parts p;
        for (unsigned loads = 0; loads <= PARTS_MAX; loads++) {
                struct tree_extent missing = { 0 };
                enum place place = find_parts(f, q->offset, q->size, &p, &missing);
                if (place == IN_SLABS) {
                        pthread_mutex_unlock(&f->lock);
                        if (drive && answers_take(s, q, &p))
                                return 1;
                        parts_give(q, &p);
                        return 0;
                }
                if (place == ON_TAPE) {
                        q->segment = missing.segment;
                        q->at = missing.offset;
                }
                if (place == ELSEWHERE || !drive) {
                        parts_unpin(s, &p, false);
                        return place == ELSEWHERE ? -EXDEV : -EAGAIN;
                }
                pthread_mutex_unlock(&f->lock);
                int r = load_missing(q, &p, &missing);
                pthread_mutex_lock(&f->lock);
                if (r < 0)
                        return r;
        }
        return -EXDEV;
}

/* The same by copying. -EAGAIN: as above. SchedFile.lock held. */
static int answer_copy(struct read_request *q, bool drive, uint8_t *buf)
{
        SchedFile *f = q->file;
        size_t at = 0;
        for (;;) {
                struct tree_extent missing = { 0 };
                int r = gather(f, q->offset, q->size, buf, &at, &missing);
                q->segment = missing.segment;
                q->at = missing.offset;
                if (r != -EAGAIN || !drive)
                        return r;
                pthread_mutex_unlock(&f->lock);
                r = reader_load(f->sched, q, missing.segment, missing.offset);
                pthread_mutex_lock(&f->lock);
                if (r < 0)
                        return r;
        }
}

/* Answers if it can be done without the tape (or, on the drive thread, with it): 0, or 1, as answer_parts;
 * -EAGAIN otherwise. */
static int try_answer(struct read_request *q, bool drive)
{
        SchedFile *f = q->file;
        g_autofree uint8_t *buf = NULL;
        pthread_mutex_lock(&f->lock);
        int r = cut_to_file(q, !drive);
        if (r == 0 && q->size > 0) {
                r = answer_parts(q, drive);
                if (r >= 0)
                        return r;
                if (r == -EXDEV) {
                        buf = g_try_malloc(q->size);
                        r = buf ? answer_copy(q, drive, buf) : -ENOMEM;
                }
        }
        pthread_mutex_unlock(&f->lock);
        if (r == -EAGAIN)
                return r;
        struct iovec iov = { buf, q->size };
        if (r == 0 && q->size > 0)
                r = check_answer(q, &iov);
        q->done(q->ctx, r, &iov, r == 0 && q->size > 0 ? 1 : 0);
        return 0;
}

void sched_read(SchedFile *f, uint64_t offset, size_t size, sched_read_done done, void *ctx)
{
        Sched *s = f->sched;
        struct read_request now = { .file = f, .offset = offset, .size = size, .done = done, .ctx = ctx };
        if (try_answer(&now, false) == 0)
                return;
        struct read_request *q = g_new0(struct read_request, 1);
        *q = now;
        q->link.data = q;
        q->since = monotonic_ns();
        pthread_mutex_lock(&s->lock);
        file_use(f);
        g_queue_push_tail_link(&s->reads, &q->link);
        pthread_cond_signal(&s->work);
        pthread_mutex_unlock(&s->lock);
}

void reader_serve(Sched *s, struct read_request *q)
{
        if (try_answer(q, true) > 0)
                return;
        pthread_mutex_lock(&s->lock);
        file_unuse(q->file);
        pthread_mutex_unlock(&s->lock);
        g_free(q);
}

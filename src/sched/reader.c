/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reads: from memory what is not yet on the tape, from slabs what was read before or ahead, the rest by the
 * drive thread. What is on a tape never changes, so slabs never go stale. */
#include <errno.h>
#include <string.h>

#include <reelfs/log.h>
#include <reelfs/util.h>

#include "sched-private.h"

void reader_init(Sched *s)
{
        struct reader *r = &s->reader;
        r->n_slabs = s->pool.slabs.total;
        r->slabs = g_new0(struct slab, r->n_slabs);
        for (unsigned i = 0; i < r->n_slabs; i++)
                r->slabs[i].data = pool_take(&s->pool.slabs);
}

void reader_clear(Sched *s)
{
        g_free(s->reader.slabs);
        s->reader.slabs = NULL;
}

/* ---- Slabs; Sched.lock held */

/* The span that holds byte offset of segment. NULL: none does. */
static const struct span *slab_find(Sched *s, uint64_t segment, uint64_t offset, struct slab **ret)
{
        struct reader *r = &s->reader;
        for (unsigned i = 0; i < r->n_slabs; i++) {
                struct slab *slab = &r->slabs[i];
                for (unsigned k = 0; k < slab->n_spans; k++) {
                        const struct span *span = &slab->spans[k];
                        if (span->segment != segment || offset < span->offset ||
                                offset - span->offset >= span->length)
                                continue;
                        *ret = slab;
                        return span;
                }
        }
        return NULL;
}

bool reader_holds(Sched *s, uint64_t segment, uint64_t offset)
{
        struct slab *slab;
        return slab_find(s, segment, offset, &slab) != NULL;
}

/* The same, and its slab is pinned. */
static const struct span *slab_pin(Sched *s, uint64_t segment, uint64_t offset, struct slab **ret)
{
        struct reader *r = &s->reader;
        const struct span *span = slab_find(s, segment, offset, ret);
        if (!span)
                return NULL;
        struct slab *slab = *ret;
        slab->pins++;
        slab->used = ++r->clock;
        if (slab->run == r->run)
                r->used_at = monotonic_ns();
        if (!slab->touched) {
                slab->touched = true;
                pthread_cond_signal(&s->work);
        }
        return span;
}

static void slab_unpin(Sched *s, struct slab *slab)
{
        pthread_mutex_lock(&s->lock);
        if (--slab->pins == 0)
                pthread_cond_signal(&s->work);
        pthread_mutex_unlock(&s->lock);
}

/* The slab used longest ago that nobody reads from, emptied and pinned. */
static struct slab *slab_empty(Sched *s)
{
        struct reader *r = &s->reader;
        for (;;) {
                struct slab *oldest = NULL;
                for (unsigned i = 0; i < r->n_slabs; i++)
                        if (r->slabs[i].pins == 0 && (!oldest || r->slabs[i].used < oldest->used))
                                oldest = &r->slabs[i];
                if (oldest) {
                        oldest->n_spans = 0;
                        oldest->pins = 1;
                        oldest->touched = false;
                        oldest->used = ++r->clock;
                        oldest->run = r->run;
                        return oldest;
                }
                pthread_cond_wait(&s->work, &s->lock);
        }
}

bool reader_wants_ahead(Sched *s)
{
        struct reader *r = &s->reader;
        if (r->segment == 0 || (r->streak == 0 && (!r->promising || r->at_end)))
                return false;
        unsigned untouched = 0, pinned = 0;
        for (unsigned i = 0; i < r->n_slabs; i++) {
                const struct slab *slab = &r->slabs[i];
                untouched += slab->n_spans > 0 && !slab->touched && slab->run == r->run;
                pinned += slab->pins > 0;
        }
        return untouched < r->n_slabs / 2 && untouched + pinned < r->n_slabs;
}

/* ---- From the tape; drive thread, no locks held */

/* Where the slab's last span ends its segment: reads on into the segments behind, as far as there is room. */
static void slab_extend(Sched *s, struct slab *slab)
{
        size_t size = s->pool.slabs.piece;
        while (slab->n_spans < SLAB_SPANS) {
                const struct span *last = &slab->spans[slab->n_spans - 1];
                struct segment seg, next;
                size_t at = (last->at + last->length + 4095) & ~(size_t)4095, n;
                size_t room = at < size ? (size - at) / s->block_length * s->block_length : 0;
                if (room == 0 || volume_segment_get(s->volume, last->segment, &seg) < 0 ||
                        last->offset + last->length < seg.length)
                        return;
                if (volume_read_next(s->volume, last->segment, &next) < 0 || next.kind == SEGMENT_INDEX ||
                        volume_read(s->volume, next.id, 0, slab->data + at, room, &n) < 0 || n == 0)
                        return;
                pthread_mutex_lock(&s->lock);
                slab->spans[slab->n_spans++] = (struct span){ next.id, 0, n, at };
                pthread_mutex_unlock(&s->lock);
        }
}

/* Takes note of what a slab was filled with, and lets others have it. Sched.lock held. */
static void slab_filled(Sched *s, struct slab *slab, bool ahead, bool failed)
{
        struct reader *r = &s->reader;
        struct segment seg;
        slab->pins--;
        slab->touched = !ahead;
        r->segment = 0;
        if (slab->n_spans > 0) {
                const struct span *last = &slab->spans[slab->n_spans - 1];
                r->segment = failed ? 0 : last->segment;
                r->offset = last->offset + last->length;
                r->at_end = volume_segment_get(s->volume, last->segment, &seg) < 0 || r->offset >= seg.length;
                r->used_at = ahead ? r->used_at : monotonic_ns();
                s->read += last->at + last->length;
        }
        pthread_cond_signal(&s->work);
}

/* The logical object behind the filemark that ends a segment. */
static uint64_t object_behind(Sched *s, const struct segment *seg)
{
        return seg->first_block + (seg->length + s->block_length - 1) / s->block_length + 1;
}

/* Where the tape is at the filemark before segment: over it by a READ, which disturbs no drive, instead of a
 * LOCATE. */
static void pass_filemark(Sched *s, uint64_t segment)
{
        struct reader *r = &s->reader;
        struct segment before, next;
        uint64_t at;
        pthread_mutex_lock(&s->lock);
        uint64_t last = r->at_end ? r->segment : 0;
        bool there = last && volume_segment_get(s->volume, last, &before) == 0 &&
                reader_object(s, segment, 0, &at) && at == object_behind(s, &before);
        pthread_mutex_unlock(&s->lock);
        /* Should it fail, volume_read finds out why. */
        if (there)
                (void)volume_read_next(s->volume, last, &next);
}

/* How many bytes of a slab can be read from offset of segment on: up to a block that is known to be bad. That
 * block itself is tried when somebody wants it. */
static size_t bad_before(Sched *s, uint64_t segment, uint64_t offset, bool ahead)
{
        size_t size = s->pool.slabs.piece;
        uint64_t object;
        pthread_mutex_lock(&s->lock);
        if (reader_object(s, segment, offset, &object)) {
                uint64_t from = ahead ? object : object + 1;
                size = (bad_first(s, from, object + size / s->block_length) - object) * s->block_length;
        }
        pthread_mutex_unlock(&s->lock);
        return size;
}

/* What came of reading up to offset. Sched.lock held. */
static void bad_take(Sched *s, uint64_t segment, uint64_t offset, int error)
{
        uint64_t object;
        if (error == -EIO && reader_object(s, segment, offset, &object))
                bad_note(s, object);
        else if (error == 0 && offset > 0 && reader_object(s, segment, offset - 1, &object))
                bad_forget(s, object);
}

/* Fills a slab from offset of segment on, a multiple of the block length, with what comes before the first
 * unreadable block. 0: all could be read. */
static int load(Sched *s, uint64_t segment, uint64_t offset, bool further, bool ahead)
{
        pthread_mutex_lock(&s->lock);
        struct slab *slab = slab_empty(s);
        pthread_mutex_unlock(&s->lock);
        if (offset == 0)
                pass_filemark(s, segment);
        size_t n = 0, size = bad_before(s, segment, offset, ahead);
        int error = size == 0 ? -EIO : volume_read(s->volume, segment, offset, slab->data, size, &n);
        unsigned n_spans = 0;
        if (n > 0 && (error == 0 || error == -EIO)) {
                /* Others look at n_spans under the lock; spans of a pinned slab with none are ours. */
                slab->spans[0] = (struct span){ segment, offset, n, 0 };
                n_spans = 1;
        }
        pthread_mutex_lock(&s->lock);
        slab->n_spans = n_spans;
        pthread_mutex_unlock(&s->lock);
        if (error == 0 && n_spans && further)
                slab_extend(s, slab);
        pthread_mutex_lock(&s->lock);
        if (size > 0)
                bad_take(s, segment, offset + n, error);
        slab_filled(s, slab, ahead, error < 0);
        pthread_mutex_unlock(&s->lock);
        return error ?: n > 0 ? 0 : -EIO;
}

bool reader_object(Sched *s, uint64_t segment, uint64_t offset, uint64_t *object)
{
        struct segment seg;
        if (volume_segment_get(s->volume, segment, &seg) < 0 || seg.first_block == 0)
                return false;
        *object = seg.first_block + offset / s->block_length;
        return true;
}

bool reader_follows(Sched *s, uint64_t *segment, uint64_t *offset)
{
        struct reader *r = &s->reader;
        struct segment next;
        if (r->segment == 0 || volume_segment_get(s->volume, r->segment, &next) < 0)
                return false;
        *segment = r->segment;
        *offset = r->offset;
        if (!r->at_end)
                return true;
        /* Indexes are for nobody to read. */
        do {
                if (volume_segment_at(s->volume, object_behind(s, &next), &next) < 0)
                        return false;
        } while (next.kind == SEGMENT_INDEX);
        *segment = next.id;
        *offset = 0;
        return true;
}

uint64_t reader_near(Sched *s)
{
        return s->reader.n_slabs / 2 * (s->pool.slabs.piece / s->block_length);
}

/* What is wanted lies so little ahead of where the tape is that reading on costs less than a LOCATE. */
static bool is_near(Sched *s, uint64_t wanted, uint64_t *segment, uint64_t *offset)
{
        struct reader *r = &s->reader;
        uint64_t object, slab = s->pool.slabs.piece / s->block_length;
        pthread_mutex_lock(&s->lock);
        bool near = reader_follows(s, segment, offset) && reader_object(s, *segment, *offset, &object) &&
                wanted >= object && bad_first(s, object, wanted) == wanted &&
                (wanted == object ||
                        wanted - object < (r->locate_ns > LOCATE_DEAR_NS ? reader_near(s) : slab));
        pthread_mutex_unlock(&s->lock);
        return near;
}

/* Reads on until a slab has the bytes. False: they are elsewhere, or behind what cannot be read. */
static bool read_on(Sched *s, uint64_t segment, uint64_t offset, uint64_t object)
{
        uint64_t next, at;
        bool there = false;
        while (!there && is_near(s, object, &next, &at)) {
                int r = load(s, next, at, true, false);
                pthread_mutex_lock(&s->lock);
                there = reader_holds(s, segment, offset);
                s->reader.streak += there;
                pthread_mutex_unlock(&s->lock);
                if (r < 0)
                        break;
        }
        return there;
}

/* Goes elsewhere, and begins a run there. */
static int begin_run(Sched *s, const struct read_request *q, uint64_t segment, uint64_t offset)
{
        struct reader *r = &s->reader;
        int64_t start = monotonic_ns();
        pthread_mutex_lock(&s->lock);
        r->streak = 0;
        r->promising = q->sequential;
        r->run++;
        r->ino = q->file->ino;
        r->run_since = start;
        bool further = r->locate_ns > LOCATE_DEAR_NS;
        pthread_mutex_unlock(&s->lock);
        int error = load(s, segment, offset, further, false);
        pthread_mutex_lock(&s->lock);
        int64_t took = monotonic_ns() - start;
        r->run_since += took;
        r->locate_ns = r->locate_ns ? (3 * r->locate_ns + took) / 4 : took;
        pthread_mutex_unlock(&s->lock);
        return error;
}

static int refuse(Sched *s, const struct read_request *q, uint64_t segment, uint64_t offset, int error)
{
        pthread_mutex_lock(&s->lock);
        bad_tell(s, q->file, segment, offset);
        pthread_mutex_unlock(&s->lock);
        return error;
}

/* Gets the bytes into a slab: all of the slab in which they lie, as requests come in any order, or if there
 * is something unreadable before them, from just there. */
static int load_for(Sched *s, const struct read_request *q, uint64_t segment, uint64_t offset)
{
        uint64_t object, from = offset / s->pool.slabs.piece * s->pool.slabs.piece,
                         block = offset / s->block_length * s->block_length;
        pthread_mutex_lock(&s->lock);
        bool there, on_tape = reader_object(s, segment, offset, &object),
                    refused = on_tape && bad_is_refused(s, object);
        if (on_tape && bad_first(s, object - (block - from) / s->block_length, object) < object)
                from = block;
        pthread_mutex_unlock(&s->lock);
        if (!on_tape)
                return -EIO;
        if (refused)
                return refuse(s, q, segment, offset, -EIO);
        if (read_on(s, segment, offset, object))
                return 0;
        for (;; from = block) {
                int r = begin_run(s, q, segment, from);
                pthread_mutex_lock(&s->lock);
                there = reader_holds(s, segment, offset);
                pthread_mutex_unlock(&s->lock);
                if (there)
                        return 0;
                if (from == block)
                        return refuse(s, q, segment, offset, r < 0 ? r : -EIO);
        }
}

void reader_ahead(Sched *s)
{
        uint64_t segment, offset;
        pthread_mutex_lock(&s->lock);
        bool more = reader_follows(s, &segment, &offset);
        pthread_mutex_unlock(&s->lock);
        if (more && load(s, segment, offset, true, true) == 0)
                return;
        pthread_mutex_lock(&s->lock);
        s->reader.segment = 0;
        pthread_mutex_unlock(&s->lock);
}

/* ---- Putting an answer together; SchedFile.lock held */

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
                slab_unpin(s, slab);
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

/* Without a copy: the answer lies in one piece in a slab, which is pinned then. */
static bool whole_in_slab(SchedFile *f, uint64_t offset, size_t size, struct slab **slab, struct iovec *iov)
{
        Sched *s = f->sched;
        struct tree_extent e;
        size_t n;
        if (tree_map(s->tree, f->ino, offset, size, &e, 1, &n, NULL) < 0 || n == 0 ||
                e.file_offset != offset || e.length != size)
                return false;
        pthread_mutex_lock(&s->lock);
        const struct span *span = slab_pin(s, e.segment, e.offset, slab);
        if (span && span->offset + span->length - e.offset < size) {
                (*slab)->pins--;
                span = NULL;
        }
        if (span)
                *iov = (struct iovec){ (*slab)->data + span->at + (e.offset - span->offset), size };
        pthread_mutex_unlock(&s->lock);
        return span != NULL;
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
        /* The kernel asks for several pieces at once, in any order. */
        q->sequential = left > slab && q->offset + slab >= f->read_end && q->offset <= f->read_end + slab;
        f->read_end = q->offset + q->size;
        return 0;
}

/* Answers if it can be done without the tape (or, on the drive thread, with it); -EAGAIN otherwise. */
static int try_answer(struct read_request *q, bool drive)
{
        SchedFile *f = q->file;
        Sched *s = f->sched;
        struct slab *slab;
        struct iovec iov = { 0 };
        g_autofree uint8_t *buf = NULL;
        size_t at = 0;
        pthread_mutex_lock(&f->lock);
        int r = cut_to_file(q, !drive);
        for (;;) {
                if (r == 0 && q->size > 0 && at == 0 && whole_in_slab(f, q->offset, q->size, &slab, &iov)) {
                        pthread_mutex_unlock(&f->lock);
                        q->done(q->ctx, 0, &iov, 1);
                        slab_unpin(s, slab);
                        return 0;
                }
                struct tree_extent missing = { 0 };
                if (r == 0 && q->size > 0) {
                        buf = buf ?: g_try_malloc(q->size);
                        r = buf ? gather(f, q->offset, q->size, buf, &at, &missing) : -ENOMEM;
                }
                q->segment = missing.segment;
                q->at = missing.offset;
                if (r != -EAGAIN || !drive)
                        break;
                pthread_mutex_unlock(&f->lock);
                r = load_for(s, q, missing.segment, missing.offset);
                pthread_mutex_lock(&f->lock);
                if (r < 0)
                        break;
        }
        pthread_mutex_unlock(&f->lock);
        if (r == -EAGAIN)
                return r;
        iov = (struct iovec){ buf, q->size };
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
        pthread_mutex_lock(&s->lock);
        file_use(f);
        g_queue_push_tail_link(&s->reads, &q->link);
        pthread_cond_signal(&s->work);
        pthread_mutex_unlock(&s->lock);
}

void reader_serve(Sched *s, struct read_request *q)
{
        try_answer(q, true);
        pthread_mutex_lock(&s->lock);
        file_unuse(q->file);
        pthread_mutex_unlock(&s->lock);
        g_free(q);
}

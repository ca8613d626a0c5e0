/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is read from the tape, into slabs, when somebody wants it and ahead. What is on a tape never changes,
 * so slabs never go stale. */
#include <errno.h>
#include <string.h>

#include <reelfs/log.h>
#include <reelfs/util.h>

#include "sched-private.h"

/* Slabs that are filled faster than any tape moves come out of some memory. Then depth gains nothing, and
 * what was read long before it is asked for is in no cache of the processor's any more. */
#define MEMORY_RATE UINT64_C(1200000000)
#define MEMORY_FILL ((size_t)1 << 20)
#define MEMORY_AHEAD 2

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

const struct span *slab_pin(Sched *s, uint64_t segment, uint64_t offset, struct slab **ret)
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

void slab_unpin(Sched *s, struct slab *slab, size_t taken)
{
        slab->taken += taken;
        if (--slab->pins == 0)
                pthread_cond_signal(&s->work);
}

/* Whether a is the better one to be emptied. What has been read to its end is wanted least, and where reading
 * it again costs little, the last of those, which is in the processor's cache still; else it is the one used
 * longest ago. */
static bool is_emptier(const struct reader *r, const struct slab *a, const struct slab *b)
{
        bool a_drained = a->taken >= a->filled, b_drained = b->taken >= b->filled;
        if (a_drained != b_drained)
                return a_drained;
        return a_drained && r->locate_ns <= LOCATE_DEAR_NS ? a->used > b->used : a->used < b->used;
}

/* The best slab that nobody reads from, emptied and pinned. */
static struct slab *slab_empty(Sched *s)
{
        struct reader *r = &s->reader;
        for (;;) {
                struct slab *best = NULL;
                for (unsigned i = 0; i < r->n_slabs; i++)
                        if (r->slabs[i].pins == 0 && (!best || is_emptier(r, &r->slabs[i], best)))
                                best = &r->slabs[i];
                if (best) {
                        best->n_spans = 0;
                        best->filled = best->taken = 0;
                        best->pins = 1;
                        best->touched = false;
                        best->used = ++r->clock;
                        best->run = r->run;
                        return best;
                }
                pthread_cond_wait(&s->work, &s->lock);
        }
}

static bool is_memory(const struct reader *r)
{
        return r->rate > MEMORY_RATE;
}

/* How many slabs are read ahead. */
static unsigned depth(const struct reader *r)
{
        unsigned most = r->n_slabs / 2;
        return is_memory(r) ? MIN(MEMORY_AHEAD, most) : most;
}

/* Bytes that a slab is filled with; whole blocks. Only the drive thread changes the rate. */
static size_t fill_size(Sched *s)
{
        size_t most = s->pool.slabs.piece, size = MAX(MEMORY_FILL / s->block_length, 1) * s->block_length;
        return is_memory(&s->reader) ? MIN(size, most) : most;
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
        return untouched < depth(r) && untouched + pinned < r->n_slabs;
}

/* ---- From the tape; drive thread, no locks held */

/* Where the slab's last span ends its segment: reads on into the segments behind, as far as there is room. */
static void slab_extend(Sched *s, struct slab *slab)
{
        size_t size = fill_size(s);
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
                slab->filled = last->at + last->length;
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
        size_t size = fill_size(s);
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

/* The best of the last ones: others had the processor meanwhile. Sched.lock held. */
static void note_rate(struct reader *r, size_t size, int64_t took)
{
        uint64_t rate = (uint64_t)((double)size * 1e9 / (double)MAX(took, 1));
        r->rate = MAX(rate, r->rate - r->rate / 16);
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
        int64_t start = monotonic_ns();
        int error = size == 0 ? -EIO : volume_read(s->volume, segment, offset, slab->data, size, &n);
        int64_t took = monotonic_ns() - start;
        unsigned n_spans = 0;
        if (n > 0 && (error == 0 || error == -EIO)) {
                /* Others look at n_spans under the lock; spans of a pinned slab with none are ours. */
                slab->spans[0] = (struct span){ segment, offset, n, 0 };
                n_spans = 1;
        }
        pthread_mutex_lock(&s->lock);
        slab->n_spans = n_spans;
        if (n == size)
                note_rate(&s->reader, n, took);
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

/* All of the slab in which they lie, as requests come in any order, or if there is something unreadable
 * before them, from just there. */
int reader_load(Sched *s, const struct read_request *q, uint64_t segment, uint64_t offset)
{
        uint64_t object, from = offset / fill_size(s) * fill_size(s),
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

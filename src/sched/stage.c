/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <string.h>

#include <reelfs/util.h>

#include "sched-private.h"

static struct stage *stage_new(SchedFile *f)
{
        Sched *s = f->sched;
        struct stage *st = g_new0(struct stage, 1);
        st->segment = VOLUME_STAGED + s->next_stage++;
        st->file = f;
        st->pieces = st->crumbs;
        st->link.data = st;
        file_use(f);
        g_hash_table_insert(s->stages, &st->segment, st);
        return st;
}

static unsigned count_chunks(const struct stage *st)
{
        return st->n_pieces > STAGE_CRUMBS ? st->n_pieces - STAGE_CRUMBS : 0;
}

/* A file that is opened again and goes on soon after it was closed shall not become two pieces. */
static struct stage *stage_reopen(SchedFile *f)
{
        Sched *s = f->sched;
        struct stage *st = f->rests;
        if (!st || st->urgent || st->taken || s->committing)
                return NULL;
        g_queue_unlink(&s->sealed, &st->link);
        s->sealed_bytes -= st->length;
        s->open_chunks += count_chunks(st);
        st->sealed = false;
        f->rests = NULL;
        return st;
}

struct stage *stage_open(SchedFile *f)
{
        Sched *s = f->sched;
        struct stage *st = stage_reopen(f) ?: stage_new(f);
        st->sequence = ++s->sequence;
        g_queue_push_tail_link(&s->open, &st->link);
        f->stage = st;
        return st;
}

/* ---- Pieces */

static struct pool_part *part_of(Sched *s, unsigned piece)
{
        return piece < STAGE_CRUMBS ? &s->pool.crumbs : &s->pool.chunks;
}

static unsigned count_pieces(size_t length)
{
        return length <= POOL_CHUNK ? (unsigned)((length + POOL_CRUMB - 1) / POOL_CRUMB)
                                    : STAGE_CRUMBS - 1 + (unsigned)((length + POOL_CHUNK - 1) / POOL_CHUNK);
}

static size_t size_of_pieces(unsigned n)
{
        return n <= STAGE_CRUMBS ? n * POOL_CRUMB : (n - STAGE_CRUMBS + 1) * POOL_CHUNK;
}

uint8_t *stage_at(const struct stage *st, size_t offset, size_t *n)
{
        bool crumb = offset < POOL_CHUNK;
        size_t piece = crumb ? POOL_CRUMB : POOL_CHUNK, in = offset % piece;
        *n = piece - in;
        return st->pieces[crumb ? offset / POOL_CRUMB : STAGE_CRUMBS - 1 + offset / POOL_CHUNK] + in;
}

/* One more place for a piece, in twice the memory where it is full. */
static void widen(struct stage *st)
{
        unsigned n = st->n_pieces;
        if (n < STAGE_CRUMBS || (n & (n - 1)) != 0)
                return;
        st->pieces = g_renew(uint8_t *, n > STAGE_CRUMBS ? st->pieces : NULL, 2 * n);
        if (n == STAGE_CRUMBS)
                memcpy(st->pieces, st->crumbs, sizeof(st->crumbs));
}

size_t stage_grow(struct stage *st, size_t size)
{
        Sched *s = st->file->sched;
        size_t room = size_of_pieces(st->n_pieces) - st->length;
        while (room < size) {
                uint8_t *piece = pool_take(part_of(s, st->n_pieces));
                if (!piece)
                        break;
                widen(st);
                s->open_chunks += st->n_pieces >= STAGE_CRUMBS;
                st->pieces[st->n_pieces++] = piece;
                room = size_of_pieces(st->n_pieces) - st->length;
        }
        return room;
}

static void give_pieces(struct stage *st, unsigned keep)
{
        Sched *s = st->file->sched;
        while (st->n_pieces > keep) {
                st->n_pieces--;
                pool_give(part_of(s, st->n_pieces), st->pieces[st->n_pieces]);
        }
        pthread_cond_broadcast(&s->room);
}

bool stages_fill(Sched *s, unsigned num, unsigned den)
{
        const struct pool_part *crumbs = &s->pool.crumbs, *chunks = &s->pool.chunks;
        unsigned most = chunks->total - s->open_chunks;
        return (uint64_t)(crumbs->total - crumbs->n_free) * den >= (uint64_t)crumbs->total * num ||
                (uint64_t)(most - chunks->n_free) * den >= (uint64_t)most * num;
}

bool stages_crowd(const Sched *s, unsigned num, unsigned den)
{
        return (uint64_t)s->open_chunks * den >= (uint64_t)s->pool.chunks.total * num;
}

/* ---- */

bool stage_is_queued(const struct stage *st)
{
        return st->queued_at && monotonic_ns() - st->queued_at < CLAIM_NS;
}

void stage_free(struct stage *st)
{
        SchedFile *f = st->file;
        Sched *s = f->sched;
        g_queue_unlink(st->sealed ? &s->sealed : &s->open, &st->link);
        g_hash_table_remove(s->stages, &st->segment);
        s->dirty -= st->length;
        if (st->sealed)
                s->sealed_bytes -= st->length;
        else
                s->open_chunks -= count_chunks(st);
        if (f->stage == st)
                f->stage = NULL;
        if (f->rests == st)
                f->rests = NULL;
        give_pieces(st, 0);
        if (st->pieces != st->crumbs)
                g_free(st->pieces);
        g_free(st);
        file_unuse(f);
}

void stage_seal(struct stage *st, bool urgent)
{
        Sched *s = st->file->sched;
        if (st->length == 0) {
                stage_free(st);
                return;
        }
        g_queue_unlink(&s->open, &st->link);
        g_queue_push_tail_link(&s->sealed, &st->link);
        st->file->stage = NULL;
        st->file->rests = st;
        st->sealed = true;
        st->urgent = urgent;
        st->sealed_at = monotonic_ns();
        st->sequence = ++s->sequence;
        s->sealed_bytes += st->length;
        s->open_chunks -= count_chunks(st);
        /* It is not woken for each. */
        if (urgent || s->sleeps_until > st->sealed_at + linger_ns(s, true) || stages_fill(s, 1, 2))
                pthread_cond_signal(&s->work);
}

int stage_copy_out(struct stage *st, uint64_t offset, void *dst, size_t size)
{
        if (offset > st->length || size > st->length - offset)
                return -ERANGE;
        while (size > 0) {
                size_t n;
                const uint8_t *src = stage_at(st, offset, &n);
                n = MIN(n, size);
                memcpy(dst, src, n);
                dst = (uint8_t *)dst + n;
                offset += n;
                size -= n;
        }
        return 0;
}

static void stage_copy_in(struct stage *st, const uint8_t *src, size_t size)
{
        for (size_t offset = 0; offset < size;) {
                size_t n;
                uint8_t *dst = stage_at(st, offset, &n);
                n = MIN(n, size - offset);
                memcpy(dst, src + offset, n);
                offset += n;
        }
}

static void place_after(void *ctx, struct tree_extent *e)
{
        uint64_t *offset = ctx;
        e->offset = *offset;
        *offset += e->length;
}

/* What of the file lies in the stage. */
struct share {
        struct tree_extent *extents; /* in file order */
        size_t n, length;
        bool ordered; /* they are all of the stage, from its start on without a gap */
        bool whole;   /* they are all of the file, likewise */
};

static int find_share(struct stage *st, struct share *share)
{
        size_t n;
        int r = tree_extents(st->file->sched->tree, st->file->ino, &share->extents, &n);
        if (r < 0)
                return r;
        struct tree_extent *e = share->extents;
        share->ordered = share->whole = true;
        for (size_t i = 0; i < n; i++) {
                if (e[i].segment != st->segment) {
                        share->whole = false;
                        continue;
                }
                share->ordered = share->ordered && e[i].offset == share->length;
                share->whole = share->whole && e[i].file_offset == share->length;
                share->length += e[i].length;
                e[share->n++] = e[i];
        }
        share->ordered = share->ordered && share->length == st->length;
        return 0;
}

/* Without memory for it the stage goes to the tape as it is, which is as right, only less neat. */
static bool put_in_order(struct stage *st, const struct share *share)
{
        Sched *s = st->file->sched;
        g_autofree uint8_t *sorted = g_try_malloc(MAX(share->length, 1));
        if (!sorted || share->length > st->length)
                return false;
        size_t at = 0;
        for (size_t i = 0; i < share->n; at += share->extents[i++].length)
                if (stage_copy_out(st, share->extents[i].offset, sorted + at, share->extents[i].length) < 0)
                        return false;
        stage_copy_in(st, sorted, share->length);
        uint64_t offset = 0;
        tree_relocate(s->tree, st->file->ino, st->segment, place_after, &offset);
        pthread_mutex_lock(&s->lock);
        s->dirty -= st->length - share->length;
        s->sealed_bytes -= st->length - share->length;
        st->length = share->length;
        give_pieces(st, count_pieces(share->length));
        pthread_mutex_unlock(&s->lock);
        return true;
}

static void hash_share(struct stage *st, const struct share *share)
{
        for (size_t i = 0; i < share->n; i++)
                content_put_staged(st->file, st, &share->extents[i]);
}

void stage_hash(struct stage *st)
{
        struct share share = { 0 };
        if (find_share(st, &share) == 0)
                hash_share(st, &share);
        g_free(share.extents);
}

bool stage_tidy(struct stage *st, struct tree_attr *attr)
{
        struct share share = { 0 };
        Sched *s = st->file->sched;
        bool whole = find_share(st, &share) == 0;
        hash_share(st, &share);
        content_settle(st->file);
        whole = whole && (share.ordered || put_in_order(st, &share)) && share.whole &&
                tree_getattr(s->tree, st->file->ino, attr) == 0 && attr->size == share.length;
        g_free(share.extents);
        return whole;
}

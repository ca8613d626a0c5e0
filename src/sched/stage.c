/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <string.h>

#include <reelfs/util.h>

#include "sched-private.h"

struct stage *stage_new(SchedFile *f)
{
        Sched *s = f->sched;
        uint64_t segment = volume_segment_new(s->volume, SEGMENT_FILE);
        if (segment == 0)
                return NULL;
        struct stage *st = g_new0(struct stage, 1);
        st->segment = segment;
        st->file = f;
        st->link.data = st;
        file_use(f);
        g_hash_table_insert(s->stages, &st->segment, st);
        g_queue_push_tail_link(&s->open, &st->link);
        f->stage = st;
        return st;
}

static void give_chunks(struct stage *st, unsigned keep)
{
        Sched *s = st->file->sched;
        while (st->n_chunks > keep)
                pool_give(&s->pool.chunks, st->chunks[--st->n_chunks]);
        pthread_cond_broadcast(&s->room);
}

void stage_free(struct stage *st)
{
        Sched *s = st->file->sched;
        g_queue_unlink(st->sealed ? &s->sealed : &s->open, &st->link);
        g_hash_table_remove(s->stages, &st->segment);
        s->dirty -= st->length;
        if (st->sealed)
                s->sealed_bytes -= st->length;
        if (st->file->stage == st)
                st->file->stage = NULL;
        give_chunks(st, 0);
        file_unuse(st->file);
        g_free(st->chunks);
        g_free(st);
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
        st->sealed = true;
        st->urgent = urgent;
        st->sealed_at = monotonic_ns();
        st->sequence = ++s->sequence;
        s->sealed_bytes += st->length;
        pthread_cond_signal(&s->work);
}

int stage_copy_out(struct stage *st, uint64_t offset, void *dst, size_t size)
{
        if (offset > st->length || size > st->length - offset)
                return -ERANGE;
        while (size > 0) {
                size_t in = offset % POOL_CHUNK, n = MIN(size, POOL_CHUNK - in);
                memcpy(dst, st->chunks[offset / POOL_CHUNK] + in, n);
                dst = (uint8_t *)dst + n;
                offset += n;
                size -= n;
        }
        return 0;
}

static void stage_copy_in(struct stage *st, const uint8_t *src, size_t size)
{
        for (unsigned i = 0; size > 0; i++) {
                size_t n = MIN(size, POOL_CHUNK);
                memcpy(st->chunks[i], src, n);
                src += n;
                size -= n;
        }
}

static void place_after(void *ctx, struct tree_extent *e)
{
        uint64_t *offset = ctx;
        e->offset = *offset;
        *offset += e->length;
}

/* The extents of the file that lie in the stage, in file order; *ordered if they are all of the stage, from
 * its start on without a gap. */
static int stage_extents(
        struct stage *st, struct tree_extent **ret, size_t *ret_n, size_t *length, bool *ordered)
{
        g_autofree struct tree_extent *all = NULL;
        size_t n, kept = 0;
        int r = tree_extents(st->file->sched->tree, st->file->ino, &all, &n);
        if (r < 0)
                return r;
        *length = 0;
        *ordered = true;
        for (size_t i = 0; i < n; i++) {
                if (all[i].segment != st->segment)
                        continue;
                *ordered = *ordered && all[i].offset == *length;
                *length += all[i].length;
                all[kept++] = all[i];
        }
        *ordered = *ordered && *length == st->length;
        *ret = g_steal_pointer(&all);
        *ret_n = kept;
        return 0;
}

void stage_tidy(struct stage *st)
{
        Sched *s = st->file->sched;
        g_autofree struct tree_extent *extents = NULL;
        size_t n, length;
        bool ordered;
        if (stage_extents(st, &extents, &n, &length, &ordered) < 0 || ordered)
                return;
        /* Without memory for it the stage goes to the tape as it is, which is as right, only less neat. */
        g_autofree uint8_t *sorted = g_try_malloc(MAX(length, 1));
        if (!sorted || length > st->length)
                return;
        size_t at = 0;
        for (size_t i = 0; i < n; at += extents[i++].length)
                if (stage_copy_out(st, extents[i].offset, sorted + at, extents[i].length) < 0)
                        return;
        stage_copy_in(st, sorted, length);
        uint64_t offset = 0;
        tree_relocate(s->tree, st->file->ino, st->segment, place_after, &offset);
        pthread_mutex_lock(&s->lock);
        s->dirty -= st->length - length;
        s->sealed_bytes -= st->length - length;
        st->length = length;
        give_chunks(st, (unsigned)((length + POOL_CHUNK - 1) / POOL_CHUNK));
        pthread_mutex_unlock(&s->lock);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <sys/stat.h>

#include <reelfs/util.h>

#include "sched-private.h"

int sched_open(Sched *s, uint64_t ino, SchedFile **ret)
{
        struct tree_attr attr;
        int r = tree_getattr(s->tree, ino, &attr);
        if (r < 0)
                return r;
        if (!S_ISREG(attr.mode))
                return S_ISDIR(attr.mode) ? -EISDIR : -EINVAL;
        pthread_mutex_lock(&s->lock);
        SchedFile *f = g_hash_table_lookup(s->files, &ino);
        if (!f) {
                f = g_new0(SchedFile, 1);
                f->sched = s;
                f->ino = ino;
                pthread_mutex_init(&f->lock, NULL);
                tree_ref(s->tree, ino);
                g_hash_table_insert(s->files, &f->ino, f);
                check_open(f);
        }
        f->opens++;
        pthread_mutex_unlock(&s->lock);
        *ret = f;
        return 0;
}

void file_use(SchedFile *f)
{
        f->uses++;
}

void file_unuse(SchedFile *f)
{
        g_assert(f->uses > 0);
        if (--f->uses > 0 || f->opens > 0)
                return;
        Sched *s = f->sched;
        g_hash_table_remove(s->files, &f->ino);
        tree_unref(s->tree, f->ino, 1);
        content_clear(f);
        hash_parts_clear(&f->check.seen);
        pthread_mutex_destroy(&f->lock);
        g_free(f);
}

void file_grows(SchedFile *f, size_t size)
{
        Sched *s = f->sched;
        s->fresh.bytes += size;
        s->fresh.files += f->counted != s->drawn;
        f->counted = s->drawn;
}

static void file_done(SchedFile *f)
{
        Sched *s = f->sched;
        pthread_mutex_lock(&s->lock);
        file_unuse(f);
        pthread_mutex_unlock(&s->lock);
}

void sched_release(SchedFile *f)
{
        Sched *s = f->sched;
        pthread_mutex_lock(&f->lock);
        pthread_mutex_lock(&s->lock);
        file_use(f);
        bool last = --f->opens == 0;
        if (last && s->options.commit_on_close && f->counted == s->drawn) {
                s->sync_now = true;
                pthread_cond_signal(&s->work);
        }
        if (last && f->stage)
                stage_seal(f->stage, false);
        if (last && s->stream.owner == f)
                stream_seal(s);
        bool rests = f->rests;
        pthread_mutex_unlock(&s->lock);
        if (last && !rests)
                content_settle(f);
        pthread_mutex_unlock(&f->lock);
        file_done(f);
}

void file_failed(SchedFile *f, int error)
{
        f->flush_error = error;
        f->failed = true;
}

int sched_flush(SchedFile *f)
{
        pthread_mutex_lock(&f->sched->lock);
        int r = f->flush_error;
        f->flush_error = 0;
        pthread_mutex_unlock(&f->sched->lock);
        return r;
}

/* ---- Changes of names and sizes */

static bool is_on_tape(Sched *s, uint64_t ino)
{
        g_autofree struct tree_extent *extents = NULL;
        struct segment seg;
        size_t n;
        if (tree_extents(s->tree, ino, &extents, &n) < 0)
                return true;
        for (size_t i = 0; i < n; i++)
                if (extents[i].segment >= VOLUME_STAGED ||
                        (volume_segment_get(s->volume, extents[i].segment, &seg) == 0 &&
                                seg.state == SEGMENT_QUEUED))
                        return false;
        return true;
}

static bool is_committing(Sched *s)
{
        pthread_mutex_lock(&s->lock);
        bool committing = s->committing;
        pthread_mutex_unlock(&s->lock);
        return committing;
}

int sched_before_replacing(Sched *s, uint64_t ino, const struct sched_source *source)
{
        while (is_committing(s) && !is_on_tape(s, ino)) {
                if (source->interrupted && source->interrupted(source->ctx))
                        return -EINTR;
                if (source->waits)
                        source->waits(source->ctx);
                pthread_mutex_lock(&s->lock);
                if (s->committing)
                        cond_wait_until(&s->room, &s->lock, monotonic_ns() + WAIT_NS);
                pthread_mutex_unlock(&s->lock);
        }
        return 0;
}

int sched_truncate(Sched *s, uint64_t ino, uint64_t size, int64_t now)
{
        SchedFile *f;
        int r = sched_open(s, ino, &f);
        if (r < 0)
                return r;
        pthread_mutex_lock(&f->lock);
        content_cut(f, size, UINT64_MAX);
        r = tree_truncate(s->tree, ino, size, now);
        /* What is emptied has lost nothing any more. */
        if (r == 0 && size == 0)
                (void)tree_xattr_remove(s->tree, ino, VOLUME_LOST_XATTR, now);
        pthread_mutex_unlock(&f->lock);
        sched_release(f);
        return r;
}

int sched_punch(Sched *s, uint64_t ino, uint64_t offset, uint64_t length, int64_t now)
{
        SchedFile *f;
        int r = sched_open(s, ino, &f);
        if (r < 0)
                return r;
        pthread_mutex_lock(&f->lock);
        content_zero(f, offset, length);
        r = tree_punch(s->tree, ino, offset, length, now);
        pthread_mutex_unlock(&f->lock);
        sched_release(f);
        return r;
}

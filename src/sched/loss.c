/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a write that failed has cost: which files have lost bytes, and going on once its cause is gone. Drive
 * thread only, but for sched_resume and loss_of_writer. */
#include <errno.h>
#include <string.h>

#include "sched-private.h"

/* Bytes that no stage holds any more, and that were never given a segment, are lost as well. SchedFile.lock
 * held. */
static bool is_lost(Sched *s, const struct tree_extent *e)
{
        if (e->segment < VOLUME_STAGED)
                return volume_has_lost(s->volume, e->segment, e->offset, e->length);
        pthread_mutex_lock(&s->lock);
        bool staged = g_hash_table_contains(s->stages, &e->segment);
        pthread_mutex_unlock(&s->lock);
        return !staged;
}

static bool has_lost(Sched *s, SchedFile *f)
{
        g_autofree struct tree_extent *extents = NULL;
        size_t n = 0;
        bool lost = false;
        pthread_mutex_lock(&f->lock);
        if (tree_extents(s->tree, f->ino, &extents, &n) < 0)
                lost = true; /* nobody can tell that all is well */
        for (size_t i = 0; i < n && !lost; i++)
                lost = is_lost(s, &extents[i]);
        pthread_mutex_unlock(&f->lock);
        return lost;
}

int loss_of(Sched *s, SchedFile *f)
{
        if (!s->losses)
                return 0;
        int error = s->error ?: -EIO;
        pthread_mutex_unlock(&s->lock);
        bool lost = has_lost(s, f);
        pthread_mutex_lock(&s->lock);
        return lost ? error : 0;
}

int loss_of_writer(Sched *s, SchedFile *f)
{
        if (s->error == -ENOSPC)
                return -ENOSPC;
        return f->failed ? -EIO : -EROFS;
}

void loss_tell_open_files(Sched *s)
{
        g_autoptr(GList) files = g_hash_table_get_values(s->files);
        for (GList *l = files; l; l = l->next)
                file_use(l->data);
        for (GList *l = files; l; l = l->next) {
                SchedFile *f = l->data;
                int r = f->failed ? 0 : loss_of(s, f);
                if (r < 0)
                        file_failed(f, r);
                file_unuse(f);
        }
}

void loss_forgive(Sched *s)
{
        g_autoptr(GList) files = g_hash_table_get_values(s->files);
        for (GList *l = files; l; l = l->next)
                ((SchedFile *)l->data)->failed = false;
        s->error = 0;
        s->broken = false;
        bad_forget_all(s);
}

struct count {
        Volume *volume;
        uint64_t files;
};

/* After everything is drained, nothing is staged that will come. */
static int count_lost(void *ctx, const struct tree_entry *entry)
{
        struct count *c = ctx;
        bool lost = false;
        for (size_t i = 0; i < entry->n_extents && !lost; i++) {
                const struct tree_extent *e = &entry->extents[i];
                lost = e->segment >= VOLUME_STAGED ||
                        volume_has_lost(c->volume, e->segment, e->offset, e->length);
        }
        c->files += lost;
        return 0;
}

uint64_t loss_count(Sched *s)
{
        static const struct tree_visitor visitor = { .enter = count_lost };
        struct count c = { .volume = s->volume };
        if (s->losses)
                tree_walk(s->tree, &visitor, &c);
        return c.files;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Blocks that could not be read. A drive tries for minutes before it gives one up, and the kernel asks for
 * each of its pages again: so a block that somebody was refused is not tried again for a while, nobody reads
 * through it who wants what lies behind, and it is told once which file it is of. Drive thread; Sched.lock
 * held unless said otherwise. */
#include <inttypes.h>
#include <string.h>

#include <reelfs/log.h>
#include <reelfs/util.h>

#include "sched-private.h"

/* How long a block is not tried again. */
#define REFUSED_NS INT64_C(30000000000)
/* Lines in the log about them. */
#define TOLD_MAX 10000

void bad_init(Sched *s)
{
        s->bad.told = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
}

void bad_clear(Sched *s)
{
        if (s->bad.told)
                g_hash_table_destroy(s->bad.told);
}

static struct bad_block *find(Sched *s, uint64_t object)
{
        for (unsigned i = 0; i < BAD_BLOCKS; i++)
                if (s->bad.blocks[i].object == object)
                        return &s->bad.blocks[i];
        return NULL;
}

void bad_note(Sched *s, uint64_t object)
{
        struct bad_block *b = find(s, object);
        if (!b) {
                b = &s->bad.blocks[s->bad.next++ % BAD_BLOCKS];
                *b = (struct bad_block){ .object = object };
        }
        b->tried_at = monotonic_ns();
}

void bad_forget(Sched *s, uint64_t object)
{
        struct bad_block *b = find(s, object);
        if (b)
                b->object = 0;
}

void bad_forget_all(Sched *s)
{
        memset(s->bad.blocks, 0, sizeof(s->bad.blocks));
        g_hash_table_remove_all(s->bad.told);
}

bool bad_is_refused(Sched *s, uint64_t object)
{
        const struct bad_block *b = find(s, object);
        return b && b->refused && monotonic_ns() - b->tried_at < REFUSED_NS;
}

uint64_t bad_first(Sched *s, uint64_t from, uint64_t end)
{
        for (unsigned i = 0; i < BAD_BLOCKS; i++)
                if (s->bad.blocks[i].object >= from && s->bad.blocks[i].object < end)
                        end = s->bad.blocks[i].object;
        return end;
}

/* Which bytes of the file are in the block at offset of segment. False: none. No locks held. */
static bool find_bytes(
        Sched *s, SchedFile *f, uint64_t segment, uint64_t offset, uint64_t *first, uint64_t *last)
{
        g_autofree struct tree_extent *extents = NULL;
        size_t n = 0;
        uint64_t end = offset + s->block_length;
        if (tree_extents(s->tree, f->ino, &extents, &n) < 0)
                return false;
        for (size_t i = 0; i < n; i++) {
                const struct tree_extent *e = &extents[i];
                if (e->segment != segment || e->offset >= end || e->offset + e->length <= offset)
                        continue;
                uint64_t from = MAX(e->offset, offset), to = MIN(e->offset + e->length, end);
                *first = e->file_offset + (from - e->offset);
                *last = *first + (to - from) - 1;
                return true;
        }
        return false;
}

/* True: this is the first time for this file. */
static bool note_told(Sched *s, uint64_t ino, uint64_t object)
{
        char *key = g_strdup_printf("%" PRIu64 " %" PRIu64, ino, object);
        if (g_hash_table_size(s->bad.told) < TOLD_MAX)
                return g_hash_table_add(s->bad.told, key);
        g_free(key);
        return false;
}

void bad_tell(Sched *s, SchedFile *f, uint64_t segment, uint64_t offset)
{
        uint64_t object, first, last;
        size_t n;
        if (!reader_object(s, segment, offset, &object))
                return;
        struct bad_block *b = find(s, object);
        if (!b || !note_told(s, f->ino, object))
                return;
        b->refused = true;
        pthread_mutex_unlock(&s->lock);
        offset -= offset % s->block_length;
        g_autofree char *path = tree_paths(s->tree, f->ino, 1, &n);
        if (find_bytes(s, f, segment, offset, &first, &last))
                log_message(LOG_ERR, 0,
                        "%s: bytes %" PRIu64 " to %" PRIu64 ", at object %" PRIu64
                        " of the tape, cannot be read: the tape is bad there, or the drive's heads are dirty",
                        path ?: "a file that is deleted", first, last, object);
        pthread_mutex_lock(&s->lock);
}

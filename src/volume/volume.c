/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <reelfs/pack.h>

#include "handle.h"

#define BUFFER_SIZE (1024 * 1024) /* at least; index documents go to the drive in pieces of this size */
#define BUFFER_ALIGNMENT 4096

/* The room an index takes, where it is not known yet. */
#define RESERVE_NAME 600   /* bytes of one name with five times, owner and one extent */
#define RESERVE_EXTENT 160 /* each further one */
#define RESERVE_SEGMENT 48
#define RESERVE_EXTRA (1024 * 1024)

char *volume_buffer(size_t size)
{
        return aligned_alloc(
                BUFFER_ALIGNMENT, (size + BUFFER_ALIGNMENT - 1) / BUFFER_ALIGNMENT * BUFFER_ALIGNMENT);
}

int volume_new(Tape *tape, const struct label *label, uint64_t content, Volume **ret)
{
        struct tape_info info;
        tape_get_info(tape, &info);
        Volume *v = g_new0(Volume, 1);
        pthread_mutex_init(&v->lock, NULL);
        v->tape = tape;
        v->profile = &profile_reel;
        v->label = *label;
        v->fixed_only = info.fixed_only;
        v->min_block = info.min_block;
        v->content = v->end = content;
        v->filemarks = 2; /* one behind each label */
        v->next_id = 1;
        v->remaining = UINT64_MAX;
        v->buf_size = segment_blocks(BUFFER_SIZE, label->block_length) * label->block_length;
        v->buf = volume_buffer(v->buf_size);
        if (!v->buf) {
                volume_close(v);
                return log_error(-ENOMEM, "%s: no memory for a buffer", tape_address(tape));
        }
        struct volume_info *i = &v->info;
        memcpy(i->name, label->name, sizeof(i->name));
        memcpy(i->uuid, label->uuid, sizeof(i->uuid));
        memcpy(i->creator, label->creator, sizeof(i->creator));
        memcpy(i->volume_id, label->volume_id, sizeof(i->volume_id));
        snprintf(i->format_version, sizeof(i->format_version), "%u.%u", label->major, label->minor);
        i->block_length = label->block_length;
        i->compression = label->compression;
        i->format_time = label->format_time;
        *ret = v;
        return 0;
}

void volume_close(Volume *v)
{
        if (!v)
                return;
        segments_clear(&v->segments);
        g_clear_pointer(&v->unread, g_array_unref);
        g_clear_pointer(&v->failed, g_array_unref);
        g_free(v->buf);
        pthread_mutex_destroy(&v->lock);
        g_free(v);
}

/* ---- What it is */

void volume_get_info(Volume *v, struct volume_info *info)
{
        autounlock Volume *locked = volume_lock(v);
        *info = v->info;
        info->segments = v->segments.n_on_tape;
        info->full_index_block = v->chain.full_block;
        info->incremental_indexes = v->chain.n;
}

uint32_t volume_block_length(Volume *v)
{
        return v->label.block_length;
}

bool volume_is_read_only(Volume *v)
{
        autounlock Volume *locked = volume_lock(v);
        return v->info.read_only;
}

int volume_may_change(Volume *v)
{
        autounlock Volume *locked = volume_lock(v);
        return !v->info.read_only ? 0 : v->full ? -ENOSPC : -EROFS;
}

void volume_set_read_only(Volume *v, const char *reason)
{
        autounlock Volume *locked = volume_lock(v);
        if (v->info.read_only && v->info.read_only_reason[0])
                return;
        v->info.read_only = true;
        g_strlcpy(v->info.read_only_reason, reason, sizeof(v->info.read_only_reason));
}

Tape *volume_tape(Volume *v)
{
        return v->tape;
}

/* ---- Room */

void volume_measure(Volume *v)
{
        struct tape_capacity capacity;
        int r = tape_get_capacity(v->tape, &capacity);
        autounlock Volume *locked = volume_lock(v);
        if (r == 0 && capacity.maximum > 0) {
                v->total = capacity.maximum;
                v->remaining = capacity.remaining;
        } else if (v->total == 0) {
                v->remaining = v->early_warning ? 0 : UINT64_MAX;
        }
}

/* Files in many pieces take much more than their names. */
static int64_t more_extents(const Volume *v, const struct tree_counts *counts)
{
        int64_t names = (int64_t)counts->names - (int64_t)v->last.names,
                extents = (int64_t)counts->extents - (int64_t)v->last.extents;
        return MAX(extents - MAX(names, 0), 0);
}

/* What the last index took, and what was added since: names, with their memory for long names and xattrs (a
 * third more as base64), extents beyond one for each name, and segments; a quarter more, since all this is an
 * estimate. */
uint64_t volume_reserve(Volume *v, Tree *tree)
{
        struct tree_counts counts;
        tree_get_counts(tree, &counts);
        autounlock Volume *locked = volume_lock(v);
        int64_t length = (int64_t)v->last.length;
        length += ((int64_t)counts.names - (int64_t)v->last.names) * RESERVE_NAME;
        length += ((int64_t)counts.memory - (int64_t)v->last.memory) / 3 * 4;
        length += more_extents(v, &counts) * RESERVE_EXTENT;
        length += ((int64_t)v->segments.n - (int64_t)v->last.segments) * RESERVE_SEGMENT;
        /* What was deleted need not be what was large. */
        uint64_t least = v->last.length / 4 + counts.names * (RESERVE_NAME / 4);
        uint64_t index = MAX(length > 0 ? (uint64_t)length : 0, least);
        return index + index / 4 + v->label.block_length;
}

/* Twice that, so that it need not be said again with each name. */
void volume_warn_early(Volume *v, Tree *tree)
{
        struct tape_info info;
        tape_get_info(v->tape, &info);
        if (v->never_written || !info.programmable_warning)
                return;
        uint64_t reserve = volume_reserve(v, tree);
        if (reserve <= v->warned)
                return;
        int r = tape_set_early_warning(v->tape, 2 * reserve);
        if (r < 0)
                log_debug("%s: early warning stays where the drive has it", tape_address(v->tape));
        v->warned = r < 0 ? UINT64_MAX : 2 * reserve;
}

/* What is told to be full before it is: the reserve grows with names that come while data is on its way, and
 * that data shall still find its place. With it go the paths and extended attributes of small files, in
 * packs; which of them have gone is not known here. */
static uint64_t slack(const Volume *v, const struct tree_counts *counts)
{
        uint64_t grown = counts->memory - MIN(v->last.memory, counts->memory);
        return MIN(v->total / 16, RESERVE_EXTRA) + grown;
}

void volume_capacity(Volume *v, Tree *tree, uint64_t *remaining, uint64_t *total)
{
        struct tree_counts counts;
        uint64_t reserve = volume_reserve(v, tree);
        tree_get_counts(tree, &counts);
        autounlock Volume *locked = volume_lock(v);
        uint64_t kept = reserve + slack(v, &counts);
        *total = v->total;
        if (v->total == 0)
                *remaining = v->remaining;
        else
                *remaining = v->remaining > kept ? v->remaining - kept : 0;
}

void volume_note_full(Volume *v, Tree *tree)
{
        uint64_t reserve = volume_reserve(v, tree);
        {
                autounlock Volume *locked = volume_lock(v);
                bool room = v->total > 0 ? v->remaining >= reserve : !v->early_warning;
                if (room || v->info.read_only)
                        return;
                v->full = true;
        }
        volume_set_read_only(v, "the tape is full: there is no room for another index");
        log_warning("%s: the tape is full: nothing can be changed any more", tape_address(v->tape));
}

/* ---- Segments */

uint64_t volume_segment_new(Volume *v, enum segment_kind kind)
{
        autounlock Volume *locked = volume_lock(v);
        if (segments_add(&v->segments, v->next_id, kind, NULL) < 0)
                return 0;
        return v->next_id++;
}

void volume_pack_head(Volume *v, uint64_t id, GByteArray *head)
{
        char token[TOKEN_HEX_LENGTH + 1];
        uint64_t generation;
        {
                autounlock Volume *locked = volume_lock(v);
                generation = v->info.generation + 1;
        }
        token_make(v->label.key, SEGMENT_PACK, v->label.uuid, id, generation, token);
        pack_put_head(head, v->label.uuid, id, generation, token);
}

void volume_segment_lost(Volume *v, uint64_t id)
{
        autounlock Volume *locked = volume_lock(v);
        struct segment *s = segments_find(&v->segments, id);
        if (s && s->state == SEGMENT_QUEUED)
                s->state = SEGMENT_LOST;
}

bool volume_has_lost(Volume *v, uint64_t id, uint64_t offset, uint64_t length)
{
        autounlock Volume *locked = volume_lock(v);
        const struct segment *s = segments_find(&v->segments, id);
        return s && s->state == SEGMENT_LOST && (offset > s->length || length > s->length - offset);
}

static int copy_segment(const struct segment *from, struct segment *to)
{
        if (!from)
                return -ENOENT;
        *to = *from;
        return 0;
}

int volume_segment_get(Volume *v, uint64_t id, struct segment *s)
{
        autounlock Volume *locked = volume_lock(v);
        return copy_segment(segments_find(&v->segments, id), s);
}

int volume_segment_at(Volume *v, uint64_t block, struct segment *s)
{
        autounlock Volume *locked = volume_lock(v);
        return copy_segment(segments_at(&v->segments, block, v->label.block_length), s);
}

int volume_segment_next(Volume *v, uint64_t after, struct segment *s)
{
        autounlock Volume *locked = volume_lock(v);
        return copy_segment(segments_next(&v->segments, after), s);
}

bool volume_is_dirty(Volume *v, Tree *tree)
{
        uint64_t changes = tree_changes(tree);
        autounlock Volume *locked = volume_lock(v);
        return changes != v->tree_changes || v->end != v->end_at_index || v->incomplete;
}

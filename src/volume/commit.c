/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Writing an index. Drive thread only. */
#include <errno.h>
#include <string.h>

#include "handle.h"

static bool next_segment(void *ctx, uint64_t after, struct segment *s)
{
        return volume_segment_next(ctx, after, s) == 0;
}

/* What of an extent is on the tape: of a segment that is whole, all; of one that a failed write cut, what it
 * says. */
static void place_extent(void *ctx, const struct tree_extent *e, struct index_place *place)
{
        Volume *v = ctx;
        struct segment s;
        *place = (struct index_place){ 0 };
        if (e->segment >= VOLUME_STAGED) {
                v->left_out = true;
                return;
        }
        if (volume_segment_get(v, e->segment, &s) < 0)
                return;
        if (s.state == SEGMENT_QUEUED) {
                v->left_out = true;
                return;
        }
        place->lost = s.state == SEGMENT_LOST;
        place->told = s.told;
        if (s.first_block == 0 || e->offset >= s.length)
                return;
        place->usable = MIN(e->length, s.length - e->offset);
        place->block = s.first_block + e->offset / v->label.block_length;
        place->byte_offset = (uint32_t)(e->offset % v->label.block_length);
}

static int flush_output(void *ctx, const char *data, size_t length)
{
        size_t blocks;
        return volume_write_buffer(ctx, length, ' ', &blocks);
}

static void fill_head(Volume *v, uint64_t segment, Tree *tree, struct index_head *head)
{
        *head = (struct index_head){
                .segment = segment,
                .creator = "reelfs " REELFS_VERSION " - Linux - mount",
                .generation = v->info.generation + 1,
                .update_time = now_ns(),
                .block = v->end,
                .previous_block = v->info.index_block,
                .highest_fileuid = tree_highest_fileuid(tree),
        };
        memcpy(head->uuid, v->label.uuid, sizeof(head->uuid));
        g_strlcpy(head->partition, v->profile->partition, sizeof(head->partition));
        token_make(v->label.key, SEGMENT_INDEX, head->uuid, segment, head->generation, head->token);
}

static int write_document(Volume *v, const struct index_head *head, Tree *tree,
        const struct volume_progress *progress, struct index_result *result, uint64_t *length)
{
        struct output out = { .buf = v->buf, .size = v->buf_size, .flush = flush_output, .ctx = v };
        const struct index_source source = {
                .head = head,
                .label = &v->label,
                .tree = tree,
                .compact = v->profile->compact_index,
                .segment = next_segment,
                .place = place_extent,
                .ctx = v,
                .progress = progress,
        };
        size_t blocks;
        v->left_out = false;
        int r = index_write(&source, &out, result);
        if (r == 0 && out.used > 0)
                r = volume_write_buffer(v, out.used, ' ', &blocks);
        *length = out.total;
        if (r == 0 && result->cut > 0)
                log_info("%s: %" G_GUINT64_FORMAT
                         " files are not on the tape as a whole, which the index says",
                        tape_address(v->tape), result->cut);
        return r;
}

/* The index's own segment, where the tape is. */
static int place_index(Volume *v, uint64_t *id)
{
        int r = volume_end_tail(v);
        if (r == 0)
                r = volume_seek_end(v);
        if (r < 0)
                return r;
        *id = volume_segment_new(v, SEGMENT_INDEX);
        if (*id == 0)
                return log_error(-ENOMEM, "%s: no memory for the index", tape_address(v->tape));
        autounlock Volume *locked = volume_lock(v);
        segments_place(&v->segments, segments_find(&v->segments, *id), v->end, v->filemarks);
        return 0;
}

static void unplace_index(Volume *v)
{
        autounlock Volume *locked = volume_lock(v);
        segments_last(&v->segments)->state = SEGMENT_LOST;
        segments_unplace_last(&v->segments);
}

static void take_committed(Volume *v, const struct index_head *head, const struct index_result *result,
        uint64_t length, uint64_t changes, const struct tree_counts *counts)
{
        autounlock Volume *locked = volume_lock(v);
        struct segment *own = segments_find(&v->segments, head->segment);
        own->length = length;
        for (size_t i = v->segments.n_on_tape; i-- > 0;) {
                struct segment *s = &v->segments.all[v->segments.on_tape[i]];
                if (s->state == SEGMENT_SYNCED)
                        break;
                if (s->state == SEGMENT_WRITTEN || s == own)
                        s->state = SEGMENT_SYNCED;
        }
        for (size_t i = 0; result->lost > v->info.lost && i < v->segments.n; i++)
                v->segments.all[i].told = v->segments.all[i].state == SEGMENT_LOST;
        v->info.generation = head->generation;
        v->info.update_time = head->update_time;
        v->info.index_block = head->block;
        v->info.index_length = length;
        v->info.lost = result->lost;
        v->info.previous_index_block = head->previous_block;
        memcpy(v->info.index_creator, head->creator, sizeof(v->info.index_creator));
        v->last = (struct index_size){ length, counts->names, counts->memory, v->segments.n };
        v->tree_changes = changes;
        v->end_at_index = v->end;
        v->incomplete = v->left_out;
}

/* A drive, or a way to it, that has said GOOD to what it did not write is found out before the index counts.
 */
static int verify_count(Volume *v)
{
        struct tape_position p;
        return tape_get_position(v->tape, &p);
}

static int write_index(Volume *v, Tree *tree, const struct volume_progress *progress)
{
        struct index_head head;
        struct index_result result;
        struct tree_counts counts;
        uint64_t id, length, changes = tree_changes(tree);
        bool early_warning = false;
        tree_get_counts(tree, &counts);
        int r = place_index(v, &id);
        if (r < 0)
                return r;
        fill_head(v, id, tree, &head);
        r = write_document(v, &head, tree, progress, &result, &length);
        if (r == 0)
                r = tape_write_filemarks(v->tape, 1, false, &early_warning);
        if (r < 0) {
                unplace_index(v);
                return r;
        }
        r = verify_count(v);
        if (r < 0) {
                unplace_index(v);
                volume_distrust(v);
                return r;
        }
        volume_advance(v, 1, FILEMARK_BYTES, early_warning);
        v->filemarks++;
        take_committed(v, &head, &result, length, changes, &counts);
        volume_note_index(v);
        volume_measure(v);
        return 0;
}

static int check_commit(Volume *v)
{
        if (v->never_written)
                return -EROFS;
        if (v->commit_error)
                return v->commit_error;
        if (v->writing)
                return log_error(-EBUSY, "%s: a segment is half written, so there can be no index",
                        tape_address(v->tape));
        return 0;
}

int volume_commit(Volume *v, Tree *tree, bool force, const struct volume_progress *progress)
{
        int r = check_commit(v);
        if (r < 0)
                return r;
        if (!force && !volume_is_dirty(v, tree))
                return tape_write_filemarks(v->tape, 0, false, NULL);
        r = write_index(v, tree, progress);
        if (r == 0)
                return 0;
        v->commit_error = r == -ENOSPC ? r : -EIO;
        volume_set_read_only(v, "the index could not be written; the one before it is the last");
        volume_fail(v, -EIO);
        return log_error(r,
                "%s: the index could not be written; the tape keeps the one before it, and takes nothing "
                "more",
                tape_address(v->tape));
}

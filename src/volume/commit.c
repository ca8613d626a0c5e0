/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Writing an index. Drive thread only. */
#include <errno.h>
#include <string.h>

#include "handle.h"

#define CHAIN_FULL 16     /* incremental indexes, after which one has all changes since the full one */
#define INDEX_SMALL 65536 /* bytes: a full index that takes no more costs nothing */

/* The index being written. */
struct writing {
        Volume *v;
        enum tree_scope scope;
        uint64_t
                known; /* the first block of the index it builds on, which has all segments before; 0: none */
        struct index_head head;
        struct index_result result;
        uint64_t length; /* bytes */
};

/* The next one that is not in the table of an index that this one builds on. */
static bool next_segment(void *ctx, uint64_t after, struct segment *s)
{
        struct writing *w = ctx;
        do {
                if (volume_segment_next(w->v, after, s) < 0)
                        return false;
                after = s->id;
        } while (s->first_block <= w->known);
        return true;
}

/* What of an extent is on the tape: of a segment that is whole, all; of one that a failed write cut, what it
 * says. */
static void place_extent(void *ctx, const struct tree_extent *e, struct index_place *place)
{
        struct writing *w = ctx;
        Volume *v = w->v;
        struct segment s;
        *place = (struct index_place){ 0 };
        if (e->segment >= VOLUME_STAGED) {
                v->left_out = true;
                return;
        }
        place->gone = e->segment == VOLUME_GONE;
        if (place->gone || volume_segment_get(v, e->segment, &s) < 0)
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

static void fill_head(struct writing *w, uint64_t segment, Tree *tree)
{
        Volume *v = w->v;
        struct index_head *head = &w->head;
        bool last = w->scope == TREE_SINCE_LAST;
        *head = (struct index_head){
                .segment = segment,
                .creator = "reelfs " REELFS_VERSION " - Linux - mount",
                .generation = v->info.generation + 1,
                .update_time = now_ns(),
                .block = v->end,
                .previous_block = v->chain.full_block,
                .incremental = w->scope != TREE_ALL,
                .previous_incremental = last && v->chain.n > 0 ? v->info.index_block : 0,
                .highest_fileuid = tree_highest_fileuid(tree),
        };
        memcpy(head->uuid, v->label.uuid, sizeof(head->uuid));
        g_strlcpy(head->partition, v->profile->partition, sizeof(head->partition));
        token_make(v->label.key, SEGMENT_INDEX, head->uuid, segment, head->generation, head->token);
        w->known = last ? v->info.index_block : head->incremental ? v->chain.full_block : 0;
}

/* ---- The document */

static int encode(struct writing *w, Tree *tree, const struct volume_progress *progress, struct output *out)
{
        const struct index_source source = {
                .head = &w->head,
                .label = &w->v->label,
                .tree = tree,
                .scope = w->scope,
                .compact = w->v->profile->compact_index,
                .segment = next_segment,
                .place = place_extent,
                .ctx = w,
                .progress = progress,
        };
        w->v->left_out = false;
        int r = index_write(&source, out, &w->result);
        w->length = out->total;
        return r;
}

static int flush_output(void *ctx, const char *data, size_t length)
{
        size_t blocks;
        return volume_write_buffer(ctx, length, ' ', &blocks);
}

/* The tree is locked while the drive writes. */
static int write_full(struct writing *w, Tree *tree, const struct volume_progress *progress)
{
        Volume *v = w->v;
        struct output out = { .buf = v->buf, .size = v->buf_size, .flush = flush_output, .ctx = v };
        size_t blocks;
        int64_t begin = now_ns();
        int r = encode(w, tree, progress, &out);
        if (r == 0)
                log_debug("%s: a full index of %" G_GUINT64_FORMAT
                          " names; nobody could change any for %" G_GINT64_FORMAT " ms",
                        tape_address(v->tape), w->result.names, (now_ns() - begin) / 1000000);
        return r < 0 || out.used == 0 ? r : volume_write_buffer(v, out.used, ' ', &blocks);
}

struct memory {
        char *data;
        size_t length, size;
};

static int keep_output(void *ctx, const char *data, size_t length)
{
        struct memory *m = ctx;
        if (m->size - m->length < length) {
                size_t size = MAX(m->size * 2, m->length + length);
                char *bigger = g_try_realloc(m->data, size);
                if (!bigger)
                        return -ENOMEM;
                m->data = bigger;
                m->size = size;
        }
        memcpy(m->data + m->length, data, length);
        m->length += length;
        return 0;
}

static int write_memory(Volume *v, const char *data, size_t length)
{
        size_t blocks;
        int r = 0;
        while (r == 0 && length > 0) {
                size_t n = MIN(length, v->buf_size);
                memcpy(v->buf, data, n);
                r = volume_write_buffer(v, n, ' ', &blocks);
                data += n;
                length -= n;
        }
        return r;
}

/* The tree is locked only while the document is made. */
static int encode_memory(struct writing *w, Tree *tree, struct memory *m)
{
        char buf[16384];
        struct output out = { .buf = buf, .size = sizeof(buf), .flush = keep_output, .ctx = m };
        int r = encode(w, tree, NULL, &out);
        return r < 0 ? r : keep_output(m, buf, out.used);
}

static int write_document(
        struct writing *w, uint64_t segment, Tree *tree, const struct volume_progress *progress)
{
        struct memory m = { 0 };
        int r = -EOVERFLOW;
        fill_head(w, segment, tree);
        if (w->scope != TREE_ALL)
                r = encode_memory(w, tree, &m);
        if (r == 0) {
                r = write_memory(w->v, m.data, m.length);
        } else if (r == -EOVERFLOW || r == -ENOMEM) { /* there can be a full one only */
                w->scope = TREE_ALL;
                fill_head(w, segment, tree);
                r = write_full(w, tree, progress);
        }
        g_free(m.data);
        if (r == 0 && w->result.cut > 0)
                log_info("%s: %" G_GUINT64_FORMAT
                         " files are not on the tape as a whole, which the index says",
                        tape_address(w->v->tape), w->result.cut);
        return r;
}

/* An incremental index is worth it while all that has changed since the full one, as one of them would have
 * it, is a small part of that. */
static enum tree_scope choose_scope(Volume *v, Tree *tree)
{
        struct tree_log_size log;
        struct tree_counts counts;
        tree_get_log_size(tree, &log);
        tree_get_counts(tree, &counts);
        if (!v->profile->incremental || v->chain.full_block == 0 || log.overflowed)
                return TREE_ALL;
        uint64_t name = v->last.length / MAX(v->last.names, 1), full = name * counts.names;
        uint64_t segments = v->segments.n - MIN(v->last.segments, v->segments.n);
        uint64_t changes = log.since_full * name + segments * SEGMENT_LINE_MAX / 2;
        if (full <= INDEX_SMALL || changes > full / 4)
                return TREE_ALL;
        return v->chain.n < CHAIN_FULL ? TREE_SINCE_LAST : TREE_SINCE_FULL;
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

static void unplace_index(const struct writing *w)
{
        Volume *v = w->v;
        if (!v->failed)
                v->failed = g_array_new(FALSE, FALSE, sizeof(int64_t));
        g_array_append_val(v->failed, w->head.update_time);
        autounlock Volume *locked = volume_lock(v);
        segments_last(&v->segments)->state = SEGMENT_LOST;
        segments_unplace_last(&v->segments);
}

static void note_synced(Volume *v, struct segment *own)
{
        for (size_t i = v->segments.n_on_tape; i-- > 0;) {
                struct segment *s = &v->segments.all[v->segments.on_tape[i]];
                if (s->state == SEGMENT_SYNCED)
                        break;
                if (s->state == SEGMENT_WRITTEN || s == own)
                        s->state = SEGMENT_SYNCED;
        }
}

static void take_committed(const struct writing *w, uint64_t changes, const struct tree_counts *counts)
{
        Volume *v = w->v;
        const struct index_head *head = &w->head;
        autounlock Volume *locked = volume_lock(v);
        struct segment *own = segments_find(&v->segments, head->segment);
        own->length = w->length;
        note_synced(v, own);
        for (size_t i = 0; w->result.lost > v->info.lost && i < v->segments.n; i++)
                v->segments.all[i].told = v->segments.all[i].state == SEGMENT_LOST;
        v->info.generation = head->generation;
        v->info.update_time = head->update_time;
        v->info.index_block = head->block;
        v->info.index_length = w->length;
        v->info.lost = w->result.lost;
        v->info.previous_index_block = head->previous_block;
        memcpy(v->info.index_creator, head->creator, sizeof(v->info.index_creator));
        if (w->scope == TREE_ALL) {
                v->last = (struct index_size){ w->length, counts->names, counts->extents, counts->memory,
                        v->segments.n };
                v->chain = (struct index_chain){ .full_block = head->block };
        } else {
                v->chain.n = head->previous_incremental ? v->chain.n + 1 : 1;
        }
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

static int write_index(Volume *v, Tree *tree, bool full, const struct volume_progress *progress)
{
        struct writing w = { .v = v, .scope = full ? TREE_ALL : choose_scope(v, tree) };
        struct tree_counts counts;
        uint64_t id, changes = tree_changes(tree);
        bool early_warning = false;
        tree_get_counts(tree, &counts);
        int r = place_index(v, &id);
        if (r < 0)
                return r;
        r = write_document(&w, id, tree, progress);
        if (r == 0)
                r = tape_write_filemarks(v->tape, 1, false, &early_warning);
        if (r < 0) {
                unplace_index(&w);
                return r;
        }
        r = verify_count(v);
        if (r < 0) {
                unplace_index(&w);
                volume_distrust(v);
                return r;
        }
        volume_advance(v, 1, FILEMARK_BYTES, early_warning);
        v->filemarks++;
        take_committed(&w, changes, &counts);
        volume_note_index(v);
        volume_measure(v);
        volume_note_full(v, tree);
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
        r = write_index(v, tree, force, progress);
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

/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "file-type.h"
#include "scan.h"

struct scan {
        Volume *v;
        const struct scan_visitor *visitor;
        const struct scan_range *range;
        const struct volume_progress *progress;
        struct scan_result *result;
        uint32_t block_length;
        uint64_t object;   /* the next one */
        bool ended;        /* by the end of data, or what cannot be read */
        struct found held; /* the last one, until it is seen whether an empty one follows */
        bool holds;
        uint64_t generation; /* of the last index; packs that follow are of later ones */

        /* The segment at hand */
        struct found f;
        size_t head;      /* bytes in v->buf, until it is known what it is */
        bool known;       /* what it is */
        bool short_block; /* which has to be the last */
        PackReader *pack; /* NULL: it is none, or cannot be understood any more */
};

static bool is_unreadable(int error)
{
        return error == -EIO || error == -ENODATA;
}

/* ---- What it is */

/* Whether the segment is one of the volume's that comes after all that are known. */
static bool is_ours(
        struct scan *s, enum segment_kind kind, uint64_t id, uint64_t generation, const char *token)
{
        char own[TOKEN_HEX_LENGTH + 1];
        if (id <= s->result->highest || generation <= s->range->generation || id > INT64_MAX)
                return false;
        token_make(s->v->label.key, kind, s->v->label.uuid, id, generation, own);
        if (!s->v->keyless && strcmp(token, own) != 0)
                return false;
        s->f.kind = kind;
        s->f.id = s->result->highest = id;
        s->f.generation = generation;
        return true;
}

static int ignore_head(void *ctx, const struct pack_head *head)
{
        return 0;
}

static int on_member(void *ctx, const struct pack_member *m, uint64_t offset)
{
        struct scan *s = ctx;
        return s->visitor->member ? s->visitor->member(s->visitor->ctx, &s->f, m, offset) : 0;
}

static int feed_pack(struct scan *s, const char *data, size_t length)
{
        if (!s->pack)
                return 0;
        int r = pack_reader_feed(s->pack, data, length);
        if (r != -EUCLEAN)
                return r;
        log_debug("%s: the pack at object %" PRIu64 " is damaged: %s", tape_address(s->v->tape),
                s->f.first_block, pack_reader_why(s->pack));
        s->f.damaged = true;
        pack_reader_free(g_steal_pointer(&s->pack));
        return 0;
}

/* The segment before, now that this one is known not to be empty. */
static int tell_held(struct scan *s)
{
        if (!s->holds)
                return 0;
        s->holds = false;
        return s->visitor->segment ? s->visitor->segment(s->visitor->ctx, &s->held) : 0;
}

/* A copy of an index lies elsewhere than it says. */
static bool is_index_here(struct scan *s, const struct index_head *probed)
{
        struct index_head head = *probed;
        char why[INDEX_WHY_MAX];
        return index_read_head(s->v->buf, s->head, &head, why) < 0 || head.block == s->f.first_block;
}

/* By its beginning, which is in v->buf. */
static int identify(struct scan *s)
{
        const struct pack_visitor visitor = { ignore_head, on_member, s };
        struct index_head index;
        struct pack_head pack;
        const char *data = s->v->buf;
        int r = tell_held(s);
        s->known = true;
        if (r < 0)
                return r;
        if (index_probe(data, s->head, &index) && is_index_here(s, &index) &&
                is_ours(s, SEGMENT_INDEX, index.segment, index.generation, index.token)) {
                s->generation = index.generation;
                return 0;
        }
        if (!pack_probe(data, s->head, &pack) || strcmp(pack.uuid, s->v->label.uuid) != 0 ||
                pack.generation <= s->generation ||
                !is_ours(s, SEGMENT_PACK, pack.segment, pack.generation, pack.token)) {
                s->f.type = file_type_guess(data, s->head);
                return 0;
        }
        r = pack_reader_new(&visitor, &s->pack);
        return r < 0 ? r : feed_pack(s, data, s->head);
}

/* ---- Its blocks */

static int tell_block(struct scan *s, bool readable)
{
        if (!s->visitor->block)
                return 0;
        return s->visitor->block(s->visitor->ctx, &s->f, s->object, readable);
}

/* A block that was read to where read_block wants it. */
static int take_block(struct scan *s, const char *data, size_t length)
{
        s->object++;
        s->f.length += length;
        s->short_block = length < s->block_length;
        if (s->known)
                return feed_pack(s, data, length);
        s->head += length;
        if (s->head < PACK_PROBE && !s->short_block)
                return 0;
        return identify(s);
}

static void stop(struct scan *s)
{
        s->ended = s->result->stopped = true;
        s->f.damaged = true;
        if (s->result->doubtful == 0)
                s->result->doubtful = s->object;
}

/* From before object from, which is of this segment, to behind its filemark. *end: the object behind its last
 * block. */
static int search_filemark(struct scan *s, uint64_t from, uint64_t *end)
{
        struct tape_position p;
        enum tape_outcome outcome = TAPE_GOOD;
        int r = tape_locate(s->v->tape, from);
        if (r == 0)
                r = tape_space_filemarks(s->v->tape, 1, NULL, &outcome);
        if (r == 0)
                r = tape_get_position(s->v->tape, &p);
        if (r < 0)
                return r;
        s->f.ended = outcome == TAPE_GOOD;
        s->object = p.object;
        *end = p.object - s->f.ended;
        return 0;
}

/* The last block of those up to end, of which the length is not known yet. */
static int measure_last(struct scan *s, uint64_t end)
{
        enum tape_outcome outcome = TAPE_GOOD;
        size_t length = s->block_length;
        s->f.length = (end - 1 - s->f.first_block) * s->block_length;
        int r = tape_locate(s->v->tape, end - 1);
        if (r == 0)
                r = tape_read_block(s->v->tape, s->v->buf, s->block_length, &length, &outcome);
        if (is_unreadable(r)) {
                s->f.damaged = true;
                length = s->block_length;
                r = 0;
        } else if (outcome != TAPE_GOOD) {
                s->f.foreign = true;
        }
        s->f.length += length;
        return r < 0 ? r : tape_locate(s->v->tape, s->object);
}

/* Over what is left of the segment, from object s->object on. odd: that has another length than a block of
 * the volume's can have there. */
static int pass_over(struct scan *s, bool odd)
{
        uint64_t from = s->object, end;
        int r = search_filemark(s, from, &end);
        if (r == 0 && end > from && !odd)
                r = measure_last(s, end);
        s->ended = r == 0 && !s->f.ended;
        if (!is_unreadable(r))
                return r;
        stop(s);
        return 0;
}

/* To the block behind the one that cannot be read, if there is one. */
static int pass_block(struct scan *s, bool *done)
{
        int r = tape_locate(s->v->tape, s->object + 1);
        if (is_unreadable(r)) {
                stop(s);
                return 0;
        }
        if (r < 0)
                return r;
        *done = false;
        memset(s->v->buf, 0, s->block_length);
        return take_block(s, s->v->buf, s->block_length);
}

/* Only the first block says what it is: what cannot be read there may be an index that another drive, or this
 * one when it has been cleaned, can read. */
static int pass_unreadable(struct scan *s, bool *done)
{
        int r = s->known || s->head == 0 ? tell_held(s) : identify(s);
        s->f.damaged = true;
        if ((!s->known || s->f.kind == SEGMENT_INDEX) && s->result->doubtful == 0)
                s->result->doubtful = s->object;
        s->known = true;
        if (r == 0)
                r = tell_block(s, false);
        if (r < 0)
                return r;
        return s->range->patient ? pass_block(s, done) : pass_over(s, false);
}

/* The next object. *done: it was the end of the segment. */
static int read_object(struct scan *s, bool *done)
{
        enum tape_outcome outcome;
        size_t length;
        char *data = s->v->buf + (s->known ? 0 : s->head);
        int r = tape_read_block(s->v->tape, data, s->block_length, &length, &outcome);
        *done = true;
        if (is_unreadable(r))
                return pass_unreadable(s, done);
        if (r < 0)
                return r;
        if (outcome == TAPE_FILEMARK) {
                s->object++;
                s->f.ended = true;
                return 0;
        }
        if (outcome == TAPE_LONG_BLOCK || (outcome == TAPE_GOOD && s->short_block)) {
                s->f.foreign = s->f.kind == SEGMENT_FILE;
                s->f.damaged = !s->f.foreign;
                return pass_over(s, true);
        }
        if (outcome != TAPE_GOOD) {
                s->ended = true;
                return 0;
        }
        *done = false;
        r = tell_block(s, true);
        return r < 0 ? r : take_block(s, data, length);
}

/* ---- Segments */

static void report(struct scan *s)
{
        if (s->progress && s->range->end > s->range->first)
                s->progress->report(
                        s->progress->ctx, s->object - s->range->first, s->range->end - s->range->first);
}

static int read_segment(struct scan *s)
{
        bool done = false;
        int r = read_object(s, &done);
        while (r == 0 && !done) {
                report(s);
                if (s->known && s->f.kind == SEGMENT_FILE && s->f.length >= s->range->read_max)
                        return pass_over(s, false);
                r = read_object(s, &done);
        }
        return r == 0 && !s->known && s->head > 0 ? identify(s) : r;
}

/* An empty one says that the one before is cut off: who recovered the volume before has ended it so. */
static int finish_segment(struct scan *s)
{
        bool empty = s->object == s->f.first_block + (s->f.ended ? 1 : 0) && !s->f.foreign;
        s->result->filemarks += s->f.ended;
        s->result->open_tail = !s->f.ended && !empty;
        if (empty) {
                s->held.ended &= !s->f.ended;
                return 0;
        }
        int r = tell_held(s);
        s->held = s->f;
        s->holds = true;
        return r;
}

static int scan_segment(struct scan *s)
{
        s->f = (struct found){ .first_block = s->object, .filemark = s->result->filemarks, .type = "data" };
        s->head = 0;
        s->known = s->short_block = false;
        int r = read_segment(s);
        s->f.understood = s->pack && pack_reader_is_complete(s->pack);
        pack_reader_free(g_steal_pointer(&s->pack));
        return r < 0 ? r : finish_segment(s);
}

int scan_segments(Volume *v, const struct scan_range *range, const struct scan_visitor *visitor,
        const struct volume_progress *progress, struct scan_result *result)
{
        struct scan s = { .v = v,
                .visitor = visitor,
                .range = range,
                .progress = progress,
                .result = result,
                .block_length = v->label.block_length,
                .object = range->first,
                .generation = range->generation };
        *result = (struct scan_result){ .filemarks = range->filemark, .highest = range->id };
        v->at_end = false;
        int r = tape_locate(v->tape, range->first);
        if (is_unreadable(r)) {
                stop(&s);
                r = 0;
        }
        while (r == 0 && !s.ended)
                r = scan_segment(&s);
        if (r == 0)
                r = tell_held(&s);
        if (r == 0)
                report(&s);
        result->end = s.object;
        return r;
}

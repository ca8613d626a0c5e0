/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Writing segments at the end of data. Drive thread only. */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "handle.h"

/* A drive that finds bad spots has less room than our count says. */
static void measure_less(Volume *v)
{
        struct tape_capacity capacity;
        if (tape_get_capacity(v->tape, &capacity) < 0)
                return;
        autounlock Volume *locked = volume_lock(v);
        v->remaining = MIN(v->remaining, capacity.remaining);
}

void volume_advance(Volume *v, uint64_t objects, uint64_t bytes, bool early_warning)
{
        bool first_warning = early_warning && !v->early_warning;
        {
                autounlock Volume *locked = volume_lock(v);
                v->end += objects;
                v->early_warning |= early_warning;
                if (v->total > 0)
                        v->remaining -= MIN(v->remaining, bytes);
                else if (early_warning)
                        v->remaining = 0;
        }
        if (first_warning && v->total > 0)
                measure_less(v);
}

int volume_seek_end(Volume *v)
{
        struct tape_position p;
        int r = tape_locate(v->tape, v->end);
        if (r < 0 || v->at_end)
                return r;
        /* What is written goes over what is there, so be sure. */
        r = tape_get_position(v->tape, &p);
        if (r < 0)
                return r;
        if (p.object != v->end)
                return log_error(-EIO,
                        "%s: the tape is at object %" PRIu64 " and not at the end of data, %" PRIu64,
                        tape_address(v->tape), p.object, v->end);
        v->at_end = true;
        return 0;
}

int volume_end_tail(Volume *v)
{
        bool early_warning = false;
        if (!v->open_tail)
                return 0;
        int r = volume_seek_end(v);
        if (r == 0)
                r = tape_write_filemarks(v->tape, 1, true, &early_warning);
        if (r < 0)
                return r;
        volume_advance(v, 1, FILEMARK_BYTES, early_warning);
        v->filemarks++;
        v->open_tail = false;
        return 0;
}

/* ---- When a write fails */

int volume_fail(Volume *v, int error)
{
        v->at_end = false;
        v->writing = 0;
        if (v->append_error == 0 || error != -ENOSPC)
                v->append_error = error == -ENOSPC ? -ENOSPC : -EIO;
        if (error == -ENOSPC || volume_is_read_only(v))
                return error;
        volume_set_read_only(v, "a write to the tape failed; nothing more is written");
        log_message(LOG_ERR, 0,
                "%s: a write has failed: the mount is read-only from now on; when the cause is mended, reelfs "
                "resume goes on, or mount it again",
                tape_address(v->tape));
        return error;
}

/* Cuts s to what is before the end of data. Returns how many of its bytes are lost. */
static uint64_t cut_segment(Volume *v, struct segment *s, uint64_t end)
{
        uint64_t length = s->length, kept = 0;
        if (end > s->first_block)
                kept = MIN(length, (end - s->first_block) * v->label.block_length);
        if (kept == length && s->state == SEGMENT_WRITTEN)
                return 0;
        s->length = kept;
        s->state = SEGMENT_LOST;
        if (kept == 0)
                segments_unplace_last(&v->segments);
        return length - kept;
}

/* All that was written since the last index is looked at again: what a drive has said GOOD to can still be
 * lost. */
static uint64_t cut_table(Volume *v, uint64_t end)
{
        uint64_t lost = 0;
        struct segment *s;
        while ((s = segments_last(&v->segments)) && s->state != SEGMENT_SYNCED) {
                lost += cut_segment(v, s, end);
                if (s->first_block != 0)
                        break;
        }
        uint64_t data_end = s ? segment_end(s, v->label.block_length) : v->content;
        v->filemarks = s ? s->filemark + (end > data_end) : 2;
        v->open_tail = s && end == data_end;
        v->end = end;
        return lost;
}

static void tell_lost(Volume *v, uint64_t bytes)
{
        if (bytes == 0)
                return;
        g_autofree char *size = format_size(bytes);
        log_message(LOG_ERR, 0, "%s: %s that were to be written since the last index are lost",
                tape_address(v->tape), size);
}

/* The last object number that the end of data can have: more than was written would be somebody else's. */
static uint64_t last_end(const Volume *v, const struct segment *s, uint64_t attempted)
{
        if (!s || s->first_block == 0)
                return v->end;
        return s->first_block + segment_blocks(attempted, v->label.block_length) + 1;
}

void volume_settle(Volume *v, uint64_t attempted, bool last)
{
        struct tape_position p = { 0 };
        uint64_t lost;
        v->at_end = false;
        int r = tape_space_eod(v->tape);
        if (r == 0)
                r = tape_get_position(v->tape, &p);
        {
                autounlock Volume *locked = volume_lock(v);
                struct segment *s = segments_find(&v->segments, v->writing);
                bool known = r == 0 && p.object >= v->end_at_index && p.object <= last_end(v, s, attempted);
                if (!known)
                        v->commit_error = -EIO;
                if (s) {
                        s->length = attempted;
                        s->state = last ? SEGMENT_WRITTEN : SEGMENT_QUEUED;
                }
                lost = cut_table(v, known ? p.object : v->end_at_index);
        }
        tell_lost(v, lost);
}

void volume_cut(Volume *v, uint64_t end)
{
        uint64_t lost;
        v->at_end = false;
        {
                autounlock Volume *locked = volume_lock(v);
                lost = cut_table(v, end);
        }
        tell_lost(v, lost);
}

void volume_distrust(Volume *v)
{
        v->commit_error = -EIO;
        volume_cut(v, v->end_at_index);
}

/* ---- Data */

static int check_append(Volume *v, uint64_t id, uint64_t bytes, bool last, struct segment *s)
{
        if (v->never_written)
                return -EROFS;
        if (v->append_error)
                return v->append_error;
        int r = volume_segment_get(v, id, s);
        if (r < 0)
                return r;
        if (v->writing ? id != v->writing : s->state != SEGMENT_QUEUED)
                return -EINVAL;
        return last || bytes % v->label.block_length == 0 ? 0 : -EINVAL;
}

static void set_state(Volume *v, uint64_t id, enum segment_state state)
{
        autounlock Volume *locked = volume_lock(v);
        segments_find(&v->segments, id)->state = state;
}

static bool has_room(Volume *v, uint64_t bytes)
{
        uint64_t reserve = v->total > 0 && v->tree ? volume_reserve(v, v->tree) : 0;
        autounlock Volume *locked = volume_lock(v);
        return v->remaining >= bytes && v->remaining - bytes >= reserve;
}

static int remeasure(Volume *v)
{
        if (v->total == 0)
                return 0;
        int r = volume_seek_end(v);
        if (r == 0)
                r = tape_write_filemarks(v->tape, 0, false, NULL);
        if (r == 0)
                volume_measure(v);
        return r;
}

/* The flush is where a drive tells of what it has accepted and not written. */
int volume_remeasure(Volume *v)
{
        struct segment s = { 0 };
        int r = remeasure(v);
        if (r == 0)
                return 0;
        if (v->writing)
                volume_segment_get(v, v->writing, &s);
        volume_settle(v, s.length, false);
        return volume_fail(v, r);
}

/* The count of what remains knows nothing of compression, so the drive is asked once more; its answer counts
 * when its buffer is empty. */
static int make_room(Volume *v, uint64_t bytes)
{
        if (v->tree)
                volume_warn_early(v, v->tree);
        if (has_room(v, bytes))
                return 0;
        int r = remeasure(v);
        if (r < 0)
                return r;
        if (has_room(v, bytes))
                return 0;
        log_warning("%s: the tape is full: what is left is kept for the index", tape_address(v->tape));
        return -ENOSPC;
}

static void begin_segment(Volume *v, uint64_t id)
{
        autounlock Volume *locked = volume_lock(v);
        segments_place(&v->segments, segments_find(&v->segments, id), v->end, v->filemarks);
        v->writing = id;
}

static void grow_segment(Volume *v, uint64_t blocks, uint64_t bytes, bool early_warning)
{
        {
                autounlock Volume *locked = volume_lock(v);
                segments_find(&v->segments, v->writing)->length += bytes;
        }
        volume_advance(v, blocks, bytes, early_warning);
}

static int write_full_blocks(Volume *v, const struct iovec *iov, int iovcnt)
{
        size_t bytes = iov_length(iov, iovcnt), written;
        bool early_warning;
        if (bytes == 0)
                return 0;
        int r = tape_write(v->tape, iov, iovcnt, &written, &early_warning);
        grow_segment(v, written, written * v->label.block_length, early_warning);
        return r;
}

int volume_write_buffer(Volume *v, size_t length, char fill, size_t *blocks)
{
        uint32_t block_length = v->label.block_length;
        size_t size = segment_blocks(length, block_length) * block_length, full = length / block_length;
        bool early_warning = false, warned = false;
        int r = 0;
        if (v->fixed_only) {
                memset(v->buf + length, fill, size - length);
                full = size / block_length;
        }
        *blocks = 0;
        if (full > 0) {
                struct iovec iov = { v->buf, full * block_length };
                r = tape_write(v->tape, &iov, 1, blocks, &early_warning);
        }
        if (r == 0 && full * block_length < length) {
                size_t rest = length - full * block_length, least = MAX(rest, v->min_block);
                memset(v->buf + length, fill, least - rest);
                struct iovec iov = { v->buf + full * block_length, least };
                r = tape_write_block(v->tape, &iov, 1, &warned);
                *blocks += r == 0;
        }
        uint64_t bytes = MIN((uint64_t)*blocks * block_length, v->fixed_only ? size : length);
        volume_advance(v, *blocks, bytes, early_warning || warned);
        return r;
}

/* The last block of a segment, which is not full. */
static int write_short_block(Volume *v, const struct iovec *iov, int iovcnt)
{
        size_t length = 0, blocks;
        for (int i = 0; i < iovcnt; i++) {
                memcpy(v->buf + length, iov[i].iov_base, iov[i].iov_len);
                length += iov[i].iov_len;
        }
        int r = volume_write_buffer(v, length, 0, &blocks);
        if (r == 0) {
                autounlock Volume *locked = volume_lock(v);
                segments_find(&v->segments, v->writing)->length += length;
        }
        return r;
}

static int write_data(Volume *v, const struct iovec *iov, int iovcnt, size_t bytes)
{
        size_t rest = bytes % v->label.block_length;
        if (rest == 0)
                return write_full_blocks(v, iov, iovcnt);
        g_autofree struct iovec *part = g_try_new(struct iovec, iovcnt);
        if (!part)
                return log_error(-ENOMEM, "%s: no memory to write", tape_address(v->tape));
        int r = write_full_blocks(v, part, iov_slice(iov, iovcnt, 0, bytes - rest, part));
        return r < 0 ? r : write_short_block(v, part, iov_slice(iov, iovcnt, bytes - rest, rest, part));
}

static int end_segment(Volume *v)
{
        int r = v->profile->end_segment(v);
        if (r < 0)
                return r;
        set_state(v, v->writing, SEGMENT_WRITTEN);
        v->writing = 0;
        return 0;
}

/* Nothing was done to the tape yet; what was written of the segment before is still good. */
static int refuse_append(Volume *v, const struct segment *s, int error)
{
        set_state(v, s->id, SEGMENT_LOST);
        v->open_tail |= s->first_block != 0;
        return volume_fail(v, error);
}

int volume_append(Volume *v, uint64_t id, const struct iovec *iov, int iovcnt, bool last)
{
        struct segment s;
        uint64_t bytes = iov_length(iov, iovcnt);
        int r = check_append(v, id, bytes, last, &s);
        if (r < 0)
                return r;
        if (bytes == 0 && s.first_block == 0) {
                if (last)
                        set_state(v, id, SEGMENT_WRITTEN); /* an empty one takes no place on the tape */
                return 0;
        }
        r = make_room(v,
                v->fixed_only ? segment_blocks(bytes, v->label.block_length) * v->label.block_length : bytes);
        if (r == -ENOSPC)
                return refuse_append(v, &s, r);
        if (r == 0)
                r = volume_seek_end(v);
        if (r == 0 && s.first_block == 0)
                begin_segment(v, id);
        if (r == 0)
                r = write_data(v, iov, iovcnt, bytes);
        if (r == 0 && last)
                r = end_segment(v);
        if (r < 0) {
                if (v->writing == 0)
                        set_state(v, id, SEGMENT_LOST);
                volume_settle(v, s.length + bytes, last);
                return volume_fail(v, r);
        }
        return 0;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reading segments. Drive thread only. */
#include <errno.h>
#include <inttypes.h>

#include "handle.h"

#define PADDED_MAX \
        16 /* no drive is known whose shortest block is longer and that takes blocks of any length */

/* What is on the tape is not what the index says. */
static int mismatch(Volume *v, uint64_t id, uint64_t block)
{
        return log_error(-EUCLEAN,
                "%s: object %" PRIu64 " is not the block of segment %" PRIu64 " that it should be",
                tape_address(v->tape), block, id);
}

static int read_full_blocks(
        Volume *v, const struct segment *s, uint64_t block, void *buf, size_t blocks, size_t *nread)
{
        enum tape_outcome outcome = TAPE_GOOD;
        if (blocks == 0)
                return 0;
        int r = tape_read(v->tape, buf, blocks * v->label.block_length, nread, &outcome);
        if (r == 0 && (outcome != TAPE_GOOD || *nread != blocks * v->label.block_length))
                r = mismatch(v, s->id, block + *nread / v->label.block_length);
        return r;
}

static int read_short_block(Volume *v, const struct segment *s, uint64_t block, void *buf, size_t length)
{
        enum tape_outcome outcome;
        struct tape_info info;
        size_t n;
        tape_get_info(v->tape, &info);
        /* Asked for just as it is, since there are drives that cut a block shorter than what was asked for.
         * One that was too short for the drive it was written by is padded. */
        size_t asked = MIN(MAX(length, info.min_block), v->label.block_length);
        int r = tape_read_block(v->tape, buf, asked, &n, &outcome);
        bool padded = r == 0 && length < PADDED_MAX && n >= length && outcome == TAPE_LONG_BLOCK;
        if (r == 0 && !padded && (outcome != TAPE_GOOD || n < length || (n > length && n != info.min_block)))
                r = mismatch(v, s->id, block);
        return r;
}

static int read_blocks(Volume *v, const struct segment *s, uint64_t block, void *buf, size_t bytes,
        size_t full, size_t *nread)
{
        int r = tape_locate(v->tape, block);
        if (r == 0)
                r = read_full_blocks(v, s, block, buf, full, nread);
        *nread = MIN(*nread, bytes);
        if (r < 0 || *nread == bytes)
                return r;
        r = read_short_block(v, s, block + full, (char *)buf + *nread, bytes - *nread);
        if (r == 0)
                *nread = bytes;
        return r;
}

int volume_read(Volume *v, uint64_t id, uint64_t offset, void *buf, size_t size, size_t *nread)
{
        uint32_t block_length = v->label.block_length;
        struct segment s;
        *nread = 0;
        int r = volume_segment_get(v, id, &s);
        if (r < 0)
                return r;
        if (offset % block_length != 0 || size < block_length)
                return -EINVAL;
        if (s.first_block == 0 || offset >= s.length)
                return 0;
        uint64_t left = s.length - offset, block = s.first_block + offset / block_length;
        size_t bytes = MIN(left, size / block_length * block_length);
        size_t full = v->fixed_only ? segment_blocks(bytes, block_length) : bytes / block_length;
        v->at_end = false;
        tape_be_quiet(v->tape, true);
        r = read_blocks(v, &s, block, buf, bytes, full, nread);
        tape_be_quiet(v->tape, false);
        return r;
}

int volume_read_next(Volume *v, uint64_t id, struct segment *next)
{
        struct segment s;
        enum tape_outcome outcome;
        size_t n;
        int r = volume_segment_get(v, id, &s);
        if (r < 0)
                return r;
        uint64_t filemark = segment_end(&s, v->label.block_length);
        if (s.first_block == 0 || volume_segment_at(v, filemark + 1, next) < 0 ||
                next->first_block != filemark + 1)
                return -ENOENT;
        v->at_end = false;
        r = tape_locate(v->tape, filemark);
        if (r == 0)
                r = tape_read(v->tape, v->buf, v->label.block_length, &n, &outcome);
        if (r == 0 && outcome != TAPE_FILEMARK)
                r = mismatch(v, id, filemark);
        return r;
}

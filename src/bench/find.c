/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>

#include <reelfs/bench.h>
#include <reelfs/log.h>
#include <reelfs/tape.h>

/* As much of a tape as is looked at. */
#define LOOK_OBJECTS 2000
#define LOOK_BYTES (UINT64_C(256) << 20)
/* Less than that is a label or an index, and over before a clock can tell. */
#define ENOUGH_BYTES (UINT64_C(1) << 20)
#define ENOUGH_BLOCKS 2

static uint64_t strip_bytes(const struct bench_strip *s)
{
        return s->blocks * s->length;
}

/* The tape is at its beginning. */
static int look(Tape *tape, void *buf, size_t size, const atomic_bool *cancelled, struct bench_strip *best)
{
        struct bench_strip s = { 0 };
        uint64_t bytes = 0;
        for (uint64_t object = 0; object < LOOK_OBJECTS && bytes < LOOK_BYTES; object++) {
                enum tape_outcome outcome;
                size_t length;
                if (*cancelled)
                        return -EINTR;
                int r = tape_read_block(tape, buf, size, &length, &outcome);
                if (r < 0 || outcome == TAPE_EOD || outcome == TAPE_END_OF_MEDIUM)
                        return r;
                if (outcome != TAPE_GOOD || length == 0) {
                        s = (struct bench_strip){ 0 };
                        continue;
                }
                if (length != s.length)
                        s = (struct bench_strip){ .object = object, .length = (uint32_t)length };
                s.blocks++;
                bytes += length;
                if (strip_bytes(&s) > strip_bytes(best))
                        *best = s;
        }
        return 0;
}

int bench_find_strip(Tape *tape, const atomic_bool *cancelled, struct bench_strip *strip)
{
        struct tape_info info;
        tape_get_info(tape, &info);
        size_t size = MIN(info.max_transfer, info.max_block ? info.max_block : SIZE_MAX);
        g_autofree void *buf = g_try_malloc(size);
        *strip = (struct bench_strip){ 0 };
        if (!buf)
                return log_error_errno(-ENOMEM, "%s: cannot allocate a buffer", tape_address(tape));
        int r = tape_rewind(tape);
        if (r == 0)
                r = look(tape, buf, size, cancelled, strip);
        if (r == 0 && strip->blocks == 0)
                return log_error(-ENODATA,
                        "%s: there is nothing on the tape that could be read; --write overwrites it",
                        tape_address(tape));
        if (r == 0 && (strip->blocks < ENOUGH_BLOCKS || strip_bytes(strip) < ENOUGH_BYTES))
                return log_error(-ENODATA,
                        "%s: there is too little on the tape to read: blocks of one length in a row, 1 MiB "
                        "of "
                        "them at least, are needed near its beginning; --write overwrites it",
                        tape_address(tape));
        return r;
}

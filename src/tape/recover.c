/* SPDX-License-Identifier: GPL-2.0-or-later */
/* After a reset: modes, medium lock and position as they were, or an error. */
#include <errno.h>
#include <glib.h>
#include <inttypes.h>
#include <string.h>

#include <reelfs/log.h>

#include "private.h"

#define ATTEMPTS 5 /* a drive that is reset again meanwhile */

void recover_note_reset(Tape *t)
{
        t->modes_stale = true;
        if (t->unsynced)
                t->end = END_UNKNOWN;
        if (t->state != POSITION_UNKNOWN)
                t->state = POSITION_DOUBTFUL;
        else if (t->unsynced && !t->settling)
                t->write_lost = true; /* recover() cannot look for the end where it should be */
}

bool recover_needed(const Tape *t)
{
        return t->modes_stale || t->state == POSITION_DOUBTFUL;
}

static int lost_data(Tape *t)
{
        position_lost(t);
        t->write_lost = true;
        return log_error(-EIO,
                "%s: the drive was reset or has lost its place: what was written shortly before is not on "
                "the "
                "tape as it was written",
                t->address);
}

/* Nothing follows what we wrote: SSC-5, 4.2.4, a write makes its end the end of data. What does follow is
 * older. */
static int expect_eod(Tape *t)
{
        enum tape_outcome outcome;
        int r = count_object(t, &outcome);
        if (r < 0)
                return r;
        if (outcome != TAPE_EOD)
                return lost_data(t);
        t->end = t->object;
        return 0;
}

static int restore_position(Tape *t, uint64_t object, bool unsynced)
{
        struct tape_position p;
        if (t->position_proved && position_read(t, &p) == 0 && p.object == object) {
                position_known(t, object);
                return 0;
        }
        log_debug("%s: going back to object %" PRIu64, t->address, object);
        position_lost(t);
        int r = position_go(t, object);
        if (r == 0 && unsynced)
                r = expect_eod(t);
        return r == -ENODATA ? lost_data(t) : r;
}

int recover(Tape *t)
{
        bool move = t->state == POSITION_DOUBTFUL, unsynced = t->unsynced;
        uint64_t object = t->object;
        int r = 0;
        t->settling = true;
        for (int i = 0; i < ATTEMPTS; i++) {
                bool stale = t->modes_stale;
                t->modes_stale = false;
                r = stale ? mode_restore(t) : 0;
                if (r == 0 && move)
                        r = restore_position(t, object, unsynced);
                if (!t->modes_stale)
                        break;
        }
        t->settling = false;
        if (r == 0 && t->modes_stale)
                r = log_error(-EIO, "%s: the drive is reset again and again", t->address);
        if (r < 0) {
                t->modes_stale = true;
                t->write_lost |= unsynced; /* nobody has looked */
                t->unsynced = false;
                position_lost(t);
        }
        return r;
}

/* Data ended at start, and a write makes its end the end of data (SSC-5, 4.2.4): so the end tells what of the
 * command is on the tape. Nothing is written twice, and no gap is left. */
int recover_write(Tape *t, uint64_t start, uint64_t count, bool appending, uint64_t *done)
{
        *done = 0;
        position_lost(t);
        t->end = END_UNKNOWN;
        if (!appending)
                return log_error(-EIO,
                        "%s: the connection to the drive was lost while it wrote at object %" PRIu64
                        "; what is on the tape from there on is not known",
                        t->address, start);
        log_notice("%s: the connection to the drive was lost while it wrote at object %" PRIu64, t->address,
                start);
        int r = recover(t);
        if (r == 0)
                r = tape_space_eod(t);
        if (r == -ENODATA)
                r = log_error(-EIO,
                        "%s: the end of the data is not marked on the tape: a write was interrupted",
                        t->address);
        if (r < 0)
                return r;
        if (t->object < start)
                return lost_data(t);
        if (t->object > start + count) {
                position_lost(t);
                return log_error(-EIO, "%s: the tape has more on it than was written", t->address);
        }
        *done = t->object - start;
        log_notice("%s: the drive is there again; writing goes on at object %" PRIu64, t->address, t->object);
        return -EAGAIN;
}

static bool is_same(const struct iovec *iov, int iovcnt, size_t skip, const uint8_t *data, size_t size)
{
        for (int i = 0; i < iovcnt && size > 0; i++) {
                if (skip >= iov[i].iov_len) {
                        skip -= iov[i].iov_len;
                        continue;
                }
                size_t n = MIN(iov[i].iov_len - skip, size);
                if (memcmp((const uint8_t *)iov[i].iov_base + skip, data, n) != 0)
                        return false;
                data += n;
                size -= n;
                skip = 0;
        }
        return size == 0;
}

/* Of a target that was ended in the midst of a block, that block may be there in part: it is read back, and
 * written again in its place if it is not what was to be written. */
int recover_confirm(Tape *t, const struct tape_command *cmd, size_t block_bytes, uint64_t *done)
{
        size_t length = 0;
        size_t wire = block_bytes ? block_bytes : t->info.block_length + t->protection;
        size_t block = wire - t->protection;
        g_autofree uint8_t *buf = g_try_malloc0(block);
        uint64_t last = t->object - 1;
        enum tape_outcome outcome = TAPE_UNKNOWN;
        if (!buf)
                return log_error_errno(-ENOMEM, "%s: cannot read back", t->address);
        int r = position_go(t, last);
        if (r == 0)
                r = tape_read_block(t, buf, block, &length, &outcome);
        if (r == 0 && outcome == TAPE_GOOD && length == block &&
                is_same(cmd->c.iov, cmd->c.iovcnt, (*done - 1) * wire, buf, block))
                return -EAGAIN;
        if (r < 0 && r != -EIO)
                return r;
        log_notice("%s: the block at object %" PRIu64 " is not whole; it is written again", t->address, last);
        --*done;
        r = position_go(t, last);
        return r < 0 ? r : -EAGAIN;
}

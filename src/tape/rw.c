/* SPDX-License-Identifier: GPL-2.0-or-later */
/* READ, WRITE, WRITE FILEMARKS, ERASE (SSC-5), and how far they came when they stop early. */
#include <errno.h>
#include <glib.h>
#include <inttypes.h>
#include <scsi/sg_unaligned.h>
#include <string.h>

#include <reelfs/log.h>
#include <reelfs/util.h>

#include "private.h"

#define COUNT_MAX 0xffffff /* the transfer length of READ(6), WRITE(6) and WRITE FILEMARKS(6) */
#define ABORTS_MAX 3
#define STACK_IOVECS 64

enum { FIXED = 0x01, IMMED = 0x01, LONG = 0x01 };

/* Which outcomes leave a count behind, and how many objects beyond that count a READ has passed. */
static const struct {
        bool moved;          /* the command may have reached the medium */
        bool counts;         /* the information field says what was not done */
        bool stop;           /* of a READ: not a failure */
        unsigned read_extra; /* SSC-5, READ(6): the filemark, the block of another length or the unreadable
                                block */
} ends[TAPE_OUTCOMES] = {
        [TAPE_GOOD] = { .moved = true },
        [TAPE_EARLY_WARNING] = { .moved = true, .counts = true, .stop = true },
        [TAPE_FILEMARK] = { .moved = true, .counts = true, .stop = true, .read_extra = 1 },
        [TAPE_SHORT_BLOCK] = { .moved = true, .counts = true, .stop = true, .read_extra = 1 },
        [TAPE_LONG_BLOCK] = { .moved = true, .counts = true, .stop = true, .read_extra = 1 },
        [TAPE_EOD] = { .moved = true, .counts = true, .stop = true },
        [TAPE_END_OF_MEDIUM] = { .moved = true, .counts = true, .stop = true },
        [TAPE_MEDIUM_ERROR] = { .moved = true, .counts = true, .read_extra = 1 },
        [TAPE_BOP] = { .moved = true },
        [TAPE_NO_EOD] = { .moved = true, .counts = true },
        [TAPE_HARDWARE_ERROR] = { .moved = true },
        [TAPE_ABORTED] = { .moved = true },
        [TAPE_UNKNOWN] = { .moved = true },
};

struct transfer {
        uint64_t count;     /* blocks or filemarks asked for */
        size_t block_bytes; /* with FIXED=0: of the one block, whose bytes the information field counts */
        unsigned extra;     /* objects passed beyond those that are done */
        bool buffered;      /* more can be missing than this command brought (SSC-5, WRITE(6)) */
};

/* What was not done, in the units of count. False: not said. */
static bool take_information(const struct tape_sense *s, const struct transfer *x, uint64_t *left)
{
        if (!ends[s->outcome].counts || !s->has_information || s->information < 0)
                return false;
        *left = (uint64_t)s->information;
        if (x->block_bytes && *left <= x->block_bytes)
                *left = *left > 0;
        else if (x->block_bytes)
                return false;
        return *left <= x->count || x->buffered;
}

/* A drive that is elsewhere was reset, or has lost what was in its buffer, without a word. */
static bool can_be_there(const Tape *t, const struct transfer *x, uint64_t left, uint64_t object)
{
        uint64_t missing = left > x->count ? left - x->count : 0;
        return object + missing >= t->object && object <= t->object + x->count + x->extra;
}

/* After a command that did not do all: *done, and the position. The information field goes before all else,
 * but for where the tape is after a failure, which the drive knows best. Of buffered writes blocks of earlier
 * commands may be missing too; the position is then before where this one began. */
static void take_progress(Tape *t, const struct tape_command *cmd, const struct transfer *x, uint64_t *done)
{
        const struct tape_sense *s = &cmd->sense;
        struct tape_position p;
        uint64_t start = t->object, left = x->count;
        bool told = take_information(s, x, &left);
        if (!told)
                left = x->count;
        *done = left < x->count ? x->count - left : 0;
        /* Of a READ that stopped: where the tape is does not say what was passed and not given. */
        bool silent = ends[s->outcome].stop && !told && !x->buffered;
        if (ends[s->outcome].stop && left <= x->count && (told || (x->count == 1 && !x->buffered))) {
                t->object = start + *done + x->extra;
        } else if (!silent && t->position_proved && position_read(t, &p) == 0) {
                /* What was passed by a READ that failed need not have been transferred. */
                if (!told && x->buffered && p.object > start)
                        *done = MIN(p.object - start, x->count);
                if (can_be_there(t, x, left, p.object))
                        position_known(t, p.object);
                else
                        position_lost(t);
        } else if (told && ends[s->outcome].stop && left <= start + x->count) {
                t->object = start + x->count - left + x->extra;
        } else {
                position_lost(t);
        }
}

static void init_data(struct tape_command *cmd, enum operation operation, const struct iovec *iov, int iovcnt,
        bool fixed, uint64_t count)
{
        command_init(cmd, operation);
        cmd->c.cdb[1] = fixed ? FIXED : 0;
        sg_put_unaligned_be24((uint32_t)count, cmd->c.cdb + 2);
        cmd->c.direction = operation == OP_READ ? TRANSPORT_IN : TRANSPORT_OUT;
        cmd->c.iov = iov;
        cmd->c.iovcnt = iovcnt;
}

/* Blocks that one command moves. */
static uint64_t blocks_per_command(const Tape *t)
{
        uint64_t fit = t->info.max_transfer / (t->info.block_length + t->protection);
        return MIN(fit, t->protection ? PROTECTED_BLOCKS : COUNT_MAX);
}

/* The longest block of FIXED=0 that one command moves. */
static size_t longest_block(const Tape *t)
{
        return MIN(t->info.max_transfer - t->protection,
                t->info.max_block ? t->info.max_block : COUNT_MAX - t->protection);
}

/* Past early warning success comes as NO SENSE with EOM. */
static bool did_all(const struct tape_command *cmd)
{
        const struct tape_sense *s = &cmd->sense;
        if (cmd->c.residual > 0)
                return false;
        return s->outcome == TAPE_GOOD ||
                (s->outcome == TAPE_EARLY_WARNING && (!s->has_information || s->information == 0));
}

/* A command was not sent, since it would have moved too much: 0 if smaller ones can do the same. */
static int split(const Tape *t, uint64_t count, size_t block)
{
        if (count > 1 && t->info.max_transfer >= block)
                return 0;
        return log_error(-EMSGSIZE, "%s: a block of %zu bytes is more than one command can move (%zu)",
                t->address, block, t->info.max_transfer);
}

/* ---- Writing */

static int give_up(Tape *t)
{
        return log_error(-EIO, "%s: the connection to the drive is lost again and again", t->address);
}

/* The drive refuses WRITE FILEMARKS for its bit IMMED, which is not sent any more. */
static bool lacks_immed(Tape *t, const struct tape_command *cmd)
{
        const struct transport_command *c = &cmd->c;
        if (t->no_immed || cmd->sense.outcome != TAPE_ILLEGAL_REQUEST || cmd->sense.asc != 0x24 ||
                c->direction != TRANSPORT_NONE || c->cdb[1] != IMMED)
                return false;
        log_notice("%s: the drive writes filemarks only with a flush; the tape stops behind each segment",
                t->address);
        return t->no_immed = true;
}

/* -EAGAIN, not logged: the drive gave up after *done, and the rest may be tried from there. */
static int run_write(
        Tape *t, struct tape_command *cmd, const struct transfer *x, uint64_t *done, unsigned *aborts)
{
        uint64_t start = t->object;
        bool appending = t->end == start && t->state != POSITION_UNKNOWN;
        *done = 0;
        if (t->write_lost)
                return log_error(-EIO,
                        "%s: data written earlier did not get onto the tape; nothing is written "
                        "behind it",
                        t->address);
        int r = command_run(t, cmd);
        /* A flush with nothing to be flushed leaves nothing in doubt, wherever the tape is. */
        if (r == -ECONNRESET && x->count == 0 && !t->unsynced)
                return (*aborts)++ >= ABORTS_MAX ? give_up(t) : -EAGAIN;
        if (r == -ECONNRESET) {
                r = recover_write(t, start, x->count, appending, done);
                if (r == -EAGAIN && *done > 0 && cmd->c.direction == TRANSPORT_OUT)
                        r = recover_confirm(t, cmd, x->block_bytes, done);
                return r == -EAGAIN && (*aborts)++ >= ABORTS_MAX ? give_up(t) : r;
        }
        if (r < 0)
                return r;
        enum tape_outcome outcome = cmd->sense.outcome;
        uint64_t end = t->end;
        if (ends[outcome].moved)
                t->end = END_UNKNOWN;
        t->unsynced |= ends[outcome].moved;
        warning_note(t, &cmd->sense);
        if (did_all(cmd)) {
                *done = x->count;
                t->object += x->count;
                t->end = x->count > 0 ? t->object : end; /* a flush ends nothing */
                return 0;
        }
        if (lacks_immed(t, cmd))
                return -EAGAIN;
        if (!ends[outcome].moved)
                return command_fail(t, cmd);
        take_progress(t, cmd, x, done);
        if (outcome == TAPE_EARLY_WARNING && *done > 0) {
                t->end = t->object;
                return 0;
        }
        if (t->state == POSITION_KNOWN && (outcome == TAPE_ABORTED || outcome == TAPE_GOOD) &&
                (*aborts)++ < ABORTS_MAX) {
                if (appending)
                        t->end = t->object;
                return *done > 0 && cmd->c.direction == TRANSPORT_OUT
                        ? recover_confirm(t, cmd, x->block_bytes, done)
                        : -EAGAIN;
        }
        return command_fail(t, cmd);
}

static int write_blocks(Tape *t, const struct iovec *iov, int iovcnt, struct iovec *slice, size_t *written,
        bool *early_warning)
{
        size_t block = t->info.block_length, total = iov_length(iov, iovcnt) / block;
        unsigned aborts = 0;
        while (*written < total) {
                struct transfer x = { .count = MIN(total - *written, blocks_per_command(t)),
                        .buffered = true };
                if (x.count == 0)
                        return split(t, 1, block);
                int n = t->protection
                        ? protection_wire(t, iov, iovcnt, *written * block, block, true, &x.count)
                        : iov_slice(iov, iovcnt, *written * block, x.count * block, slice);
                struct tape_command cmd;
                uint64_t done;
                if (x.count == 0)
                        return log_error(-EMSGSIZE, "%s: a block in too many pieces", t->address);
                init_data(&cmd, OP_WRITE, t->protection ? t->wired : slice, n, true, x.count);
                int r = run_write(t, &cmd, &x, &done, &aborts);
                *written += done;
                *early_warning |= t->early_warning;
                if (r == -EMSGSIZE)
                        r = split(t, x.count, block) ?: -EAGAIN;
                if (r < 0 && r != -EAGAIN)
                        return r;
        }
        return 0;
}

int tape_write(Tape *t, const struct iovec *iov, int iovcnt, size_t *written, bool *early_warning)
{
        g_assert(t->info.block_length > 0 && iov_length(iov, iovcnt) % t->info.block_length == 0);
        bool unwanted;
        if (!early_warning)
                early_warning = &unwanted;
        *early_warning = false;
        *written = 0;
        warning_renew(t);
        int r = position_require(t);
        if (r < 0)
                return r;
        struct iovec on_stack[STACK_IOVECS];
        g_autofree struct iovec *on_heap = NULL;
        if (iovcnt > STACK_IOVECS) {
                on_heap = g_try_new(struct iovec, iovcnt);
                if (!on_heap)
                        return log_error_errno(-ENOMEM, "%s: cannot write", t->address);
        }
        r = write_blocks(t, iov, iovcnt, on_heap ? on_heap : on_stack, written, early_warning);
        position_prove(t);
        alerts_after_failure(t);
        return r;
}

/* One more time while the drive gives up without having done it. */
static int write_block(Tape *t, const struct iovec *iov, int iovcnt, size_t size)
{
        struct transfer x = { .count = 1, .block_bytes = size + t->protection, .buffered = true };
        unsigned aborts = 0;
        uint64_t done = 1;
        int r;
        if (t->protection) {
                iovcnt = protection_wire(t, iov, iovcnt, 0, size, true, &done);
                iov = t->wired;
        }
        if (done == 0)
                return log_error(-EMSGSIZE, "%s: a block in too many pieces", t->address);
        do {
                struct tape_command cmd;
                init_data(&cmd, OP_WRITE, iov, iovcnt, false, x.block_bytes);
                r = run_write(t, &cmd, &x, &done, &aborts);
        } while (r == -EAGAIN && !done);
        if (r == -EMSGSIZE)
                r = split(t, 1, size);
        return r == -EAGAIN ? 0 : r;
}

int tape_write_block(Tape *t, const struct iovec *iov, int iovcnt, bool *early_warning)
{
        size_t size = iov_length(iov, iovcnt);
        if (early_warning)
                *early_warning = false;
        if (t->info.fixed_only)
                return log_error(-EOPNOTSUPP, "%s: the drive writes blocks of %u bytes only", t->address,
                        t->info.max_block);
        size_t max = longest_block(t);
        if (size < t->info.min_block || size > max)
                return log_error(-EMSGSIZE, "%s: a block of %zu bytes: the drive takes %u to %zu", t->address,
                        size, t->info.min_block, max);
        warning_renew(t);
        int r = position_require(t);
        if (r == 0)
                r = write_block(t, iov, iovcnt, size);
        if (early_warning)
                *early_warning = t->early_warning;
        position_prove(t);
        alerts_after_failure(t);
        return r;
}

static int write_filemarks(Tape *t, uint32_t count, bool immediate)
{
        struct transfer x = { .count = count, .buffered = true };
        unsigned aborts = 0;
        bool flushes;
        int r;
        do {
                struct tape_command cmd;
                uint64_t done;
                command_init(&cmd, OP_WRITE_FILEMARKS);
                cmd.c.cdb[1] = immediate && !t->no_immed ? IMMED : 0;
                sg_put_unaligned_be24((uint32_t)x.count, cmd.c.cdb + 2);
                r = run_write(t, &cmd, &x, &done, &aborts);
                x.count -= done;
                flushes = !immediate || t->no_immed;
                if (r == -EAGAIN && x.count == 0 && immediate) {
                        r = 0; /* but a flush is asked for again */
                        flushes = false;
                }
        } while (r == -EAGAIN || (r == 0 && x.count > 0));
        if (r == 0 && flushes)
                t->unsynced = false;
        return r;
}

int tape_write_filemarks(Tape *t, uint32_t count, bool immediate, bool *early_warning)
{
        g_assert(count <= COUNT_MAX);
        if (early_warning)
                *early_warning = false;
        int r = position_require(t);
        if (r < 0 || (count == 0 && immediate))
                return r;
        r = write_filemarks(t, count, immediate);
        if (early_warning)
                *early_warning = t->early_warning;
        position_prove(t);
        alerts_after_failure(t);
        return r;
}

/* SSC-5, ERASE(6): where it leaves the tape is not said. */
int tape_erase(Tape *t, bool whole)
{
        struct tape_command cmd;
        int r = position_require(t);
        if (r < 0)
                return r;
        command_init(&cmd, whole ? OP_ERASE_LONG : OP_ERASE);
        cmd.c.cdb[1] = whole ? LONG : 0;
        t->end = END_UNKNOWN;
        r = command_do(t, &cmd);
        if (r == -ECONNRESET) {
                position_lost(t);
                return log_error(
                        -EIO, "%s: the connection to the drive was lost while it erased", t->address);
        }
        if (r == 0)
                t->state = POSITION_DOUBTFUL;
        else if (ends[cmd.sense.outcome].moved)
                position_lost(t);
        return r;
}

/* ---- Reading */

/* A failed READ. What has no mark at its end is a bad tape here, not an end of the data. */
static int fail_read(Tape *t, const struct tape_command *cmd)
{
        int r = command_fail(t, cmd);
        return r == -ENODATA ? -EIO : r;
}

/* count blocks in one command. -ENOMSG, not logged: it stopped early and the drive does not say after how
 * many. -EBADMSG: see protection_go_back. */
static int read_blocks(Tape *t, uint8_t *buf, uint64_t count, uint64_t *done, enum tape_outcome *outcome)
{
        struct iovec iov = { buf, count * t->info.block_length };
        struct tape_command cmd;
        uint64_t start = t->object;
        *done = 0;
        int n = t->protection ? protection_wire(t, &iov, 1, 0, t->info.block_length, false, &count) : 1;
        init_data(&cmd, OP_READ, t->protection ? t->wired : &iov, n, true, count);
        int r = command_run(t, &cmd);
        if (r < 0)
                return r;
        *outcome = cmd.sense.outcome;
        struct transfer x = { .count = count, .extra = ends[*outcome].read_extra };
        if (did_all(&cmd)) {
                *done = count;
                t->object += count;
                *outcome = TAPE_GOOD;
        } else if (ends[*outcome].moved) {
                take_progress(t, &cmd, &x, done);
        }
        uint64_t good = t->protection ? protection_verify(t, buf, t->info.block_length, *done) : *done;
        if (good < *done) {
                *done = good;
                return protection_go_back(t, start + good);
        }
        if (did_all(&cmd))
                return 0;
        if (!ends[*outcome].stop)
                return fail_read(t, &cmd);
        if (t->state == POSITION_UNKNOWN)
                return -ENOMSG;
        if (*outcome == TAPE_EARLY_WARNING)
                *outcome = *done > 0 ? TAPE_GOOD : TAPE_END_OF_MEDIUM;
        return 0;
}

int tape_read(Tape *t, void *buf, size_t size, size_t *nread, enum tape_outcome *outcome)
{
        g_assert(t->info.block_length > 0);
        uint64_t left = size / t->info.block_length, step = blocks_per_command(t);
        unsigned damages = 0;
        *nread = 0;
        *outcome = TAPE_GOOD;
        int r = position_require(t);
        if (r == 0 && step == 0)
                r = split(t, 1, t->info.block_length);
        while (r == 0 && left > 0 && *outcome == TAPE_GOOD) {
                uint64_t start = t->object, done;
                r = read_blocks(t, (uint8_t *)buf + *nread, MIN(left, step), &done, outcome);
                if (r == -ENOMSG) {
                        r = position_go(t, start);
                        *outcome = TAPE_GOOD;
                        step = 1; /* one at a time nothing needs to be said */
                        continue;
                }
                if (r == -EMSGSIZE) {
                        r = split(t, MIN(left, step), t->info.block_length);
                        step = MIN(step, blocks_per_command(t));
                        continue;
                }
                *nread += done * t->info.block_length;
                left -= done;
                if (r == -EBADMSG) {
                        r = damages++ < ABORTS_MAX ? 0 : protection_give_up(t);
                        *outcome = TAPE_GOOD;
                }
        }
        position_prove(t);
        alerts_after_failure(t);
        return r;
}

/* Of a block read with FIXED=0: the information field, a residual only where there is none. */
static size_t block_read(const struct tape_command *cmd, size_t size)
{
        const struct tape_sense *s = &cmd->sense;
        if (s->has_information && s->information >= 0 && (uint64_t)s->information <= size)
                return size - (size_t)s->information;
        return size - MIN(cmd->c.residual, size);
}

/* The drive has told the block's length, and sent less of it. (Some take the one for the other when they
 * leave out the rest.) */
static bool is_cut(const struct tape_command *cmd)
{
        const struct tape_sense *s = &cmd->sense;
        return s->outcome == TAPE_SHORT_BLOCK && s->has_information && s->information > 0 &&
                cmd->c.residual > (uint64_t)s->information;
}

static int read_again(Tape *t, void *buf, size_t *length, enum tape_outcome *outcome);
static int read_damaged(
        Tape *t, void *buf, size_t size, size_t *length, enum tape_outcome *outcome, bool again);

/* Of a command that has read a block. */
static int take_block(Tape *t, const struct tape_command *cmd, void *buf, size_t size, size_t *length,
        enum tape_outcome *outcome, bool again)
{
        size_t wire = block_read(cmd, size + t->protection);
        *length = wire - MIN(wire, t->protection);
        *outcome = TAPE_GOOD;
        t->object++;
        if (again && is_cut(cmd))
                return read_again(t, buf, length, outcome);
        if (t->protection && (wire < t->protection || !protection_fits(t, buf, size, *length)))
                return read_damaged(t, buf, size, length, outcome, again);
        return 0;
}

static int read_variable(
        Tape *t, void *buf, size_t size, size_t *length, enum tape_outcome *outcome, bool again)
{
        struct iovec iov[] = { { buf, size }, { NULL, t->protection } };
        if (t->protection)
                iov[1].iov_base = protection_spare(t);
        struct tape_command cmd;
        init_data(&cmd, OP_READ, iov, t->protection ? 2 : 1, false, size + t->protection);
        int r = command_run(t, &cmd);
        if (r < 0)
                return r == -EMSGSIZE ? split(t, 1, size) : r;
        *outcome = cmd.sense.outcome;
        struct transfer x = { .count = 1, .extra = ends[*outcome].read_extra };
        switch (*outcome) {
        case TAPE_GOOD:
        case TAPE_SHORT_BLOCK:
        case TAPE_EARLY_WARNING:
                return take_block(t, &cmd, buf, size, length, outcome, again);
        case TAPE_LONG_BLOCK:
                *length = size;
                t->object++;
                return 0;
        case TAPE_FILEMARK:
                t->object++;
                return 0;
        case TAPE_EOD:
        case TAPE_END_OF_MEDIUM:
                return 0;
        default:
                break;
        }
        if (ends[*outcome].moved) {
                /* The information field counts bytes here; of the one block none is given. */
                uint64_t done;
                cmd.sense.information = 1;
                take_progress(t, &cmd, &x, &done);
        }
        return fail_read(t, &cmd);
}

/* Once more, with just the length that the block has. */
static int read_again(Tape *t, void *buf, size_t *length, enum tape_outcome *outcome)
{
        size_t exact = *length;
        int r = position_go(t, t->object - 1);
        if (r == 0)
                r = read_variable(t, buf, exact, length, outcome, false);
        return r;
}

/* Once more, just as it was. */
static int read_damaged(
        Tape *t, void *buf, size_t size, size_t *length, enum tape_outcome *outcome, bool again)
{
        int r = protection_go_back(t, t->object - 1);
        if (r == -EBADMSG)
                r = again ? read_variable(t, buf, size, length, outcome, false) : protection_give_up(t);
        return r;
}

int tape_read_block(Tape *t, void *buf, size_t size, size_t *length, enum tape_outcome *outcome)
{
        *length = 0;
        *outcome = TAPE_GOOD;
        if (t->info.fixed_only) {
                if (size < t->info.block_length)
                        return log_error(-EMSGSIZE, "%s: the drive reads blocks of %u bytes only", t->address,
                                t->info.block_length);
                return tape_read(t, buf, t->info.block_length, length, outcome);
        }
        size = MIN(size, longest_block(t));
        int r = position_require(t);
        if (r == 0)
                r = read_variable(t, buf, size, length, outcome, true);
        position_prove(t);
        alerts_after_failure(t);
        return r;
}

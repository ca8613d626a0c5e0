/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One command to the drive and what becomes of it: timeouts, waiting, repeating, failing. */
#include <errno.h>
#include <glib.h>
#include <string.h>
#include <time.h>

#include <reelfs/log.h>
#include <reelfs/util.h>

#include "private.h"

#define MINUTE 60u
#define PING_S 30u
#define HOUR (60 * MINUTE)

enum {
        ON_MEDIUM = 1 << 0, /* reaches the medium: not once it was changed; position is lost with an unknown
                               outcome */
        FROM_HERE = 1 << 1, /* depends on position, block length, compression */
        WRITES = 1 << 2,    /* is not repeated when the drive has aborted it */
        FLUSHES = 1 << 3,   /* SSC-5, 4.2.10: leaves nothing in the drive's buffer */
};

/* Timeouts are what full-height LTO drives ask for (REPORT SUPPORTED OPERATION CODES with RCTD), rounded up.
 */
static const struct {
        uint8_t opcode, length;
        unsigned flags, timeout_s;
        const char *name;
} operations[OPERATIONS] = {
        [OP_TEST_UNIT_READY] = { 0x00, 6, 0, MINUTE, "test unit ready" },
        [OP_REWIND] = { 0x01, 6, ON_MEDIUM | FLUSHES, 3 * HOUR, "rewind" },
        [OP_READ_BLOCK_LIMITS] = { 0x05, 6, 0, MINUTE, "read block limits" },
        [OP_READ] = { 0x08, 6, ON_MEDIUM | FROM_HERE, 30 * MINUTE, "read" },
        [OP_WRITE] = { 0x0a, 6, ON_MEDIUM | FROM_HERE | WRITES, 30 * MINUTE, "write" },
        [OP_WRITE_FILEMARKS] = { 0x10, 6, ON_MEDIUM | FROM_HERE | WRITES, HOUR, "write filemarks" },
        [OP_SPACE6] = { 0x11, 6, ON_MEDIUM | FROM_HERE | FLUSHES, 3 * HOUR, "space" },
        [OP_SPACE16] = { 0x91, 16, ON_MEDIUM | FROM_HERE | FLUSHES, 3 * HOUR, "space(16)" },
        [OP_INQUIRY] = { 0x12, 6, 0, MINUTE, "inquiry" },
        [OP_MODE_SENSE6] = { 0x1a, 6, 0, 5 * MINUTE, "mode sense(6)" },
        [OP_MODE_SENSE10] = { 0x5a, 10, 0, 5 * MINUTE, "mode sense(10)" },
        [OP_MODE_SELECT6] = { 0x15, 6, 0, 30 * MINUTE, "mode select(6)" },
        [OP_MODE_SELECT10] = { 0x55, 10, 0, 30 * MINUTE, "mode select(10)" },
        [OP_ERASE] = { 0x19, 6, ON_MEDIUM | FROM_HERE | WRITES, HOUR, "erase" },
        [OP_ERASE_LONG] = { 0x19, 6, ON_MEDIUM | FROM_HERE | WRITES, 20 * HOUR, "erase" },
        [OP_LOAD] = { 0x1b, 6, ON_MEDIUM | FLUSHES, 3 * HOUR, "load unload" },
        [OP_PREVENT] = { 0x1e, 6, 0, 5 * MINUTE, "prevent medium removal" },
        [OP_LOCATE10] = { 0x2b, 10, ON_MEDIUM | FLUSHES, 3 * HOUR, "locate(10)" },
        [OP_LOCATE16] = { 0x92, 16, ON_MEDIUM | FLUSHES, 3 * HOUR, "locate(16)" },
        [OP_READ_POSITION] = { 0x34, 10, ON_MEDIUM, 30 * MINUTE, "read position" },
        [OP_LOG_SENSE] = { 0x4d, 10, 0, 5 * MINUTE, "log sense" },
        [OP_REPORT_OPCODES] = { 0xa3, 12, 0, 5 * MINUTE, "report supported operation codes" },
        [OP_RECEIVE_ORDER] = { 0xa3, 12, 0, 5 * MINUTE, "receive recommended access order" },
        [OP_GENERATE_ORDER] = { 0xa4, 12, ON_MEDIUM, 30 * MINUTE, "generate recommended access order" },
        [OP_READ_ATTRIBUTE] = { 0x8c, 16, 0, 10 * MINUTE, "read attribute" },
        [OP_WRITE_ATTRIBUTE] = { 0x8d, 16, 0, 10 * MINUTE, "write attribute" },
        [OP_ALLOW_OVERWRITE] = { 0x82, 16, ON_MEDIUM | FROM_HERE, 5 * MINUTE, "allow overwrite" },
        [OP_RESERVE6] = { 0x16, 6, 0, 5 * MINUTE, "reserve(6)" },
        [OP_RELEASE6] = { 0x17, 6, 0, 5 * MINUTE, "release(6)" },
        [OP_PERSISTENT_IN] = { 0x5e, 10, 0, 5 * MINUTE, "persistent reserve in" },
        [OP_PERSISTENT_OUT] = { 0x5f, 10, 0, 5 * MINUTE, "persistent reserve out" },
};

/* What a person is told, and what the caller gets. */
static const struct {
        int error;
        const char *text;
} failures[TAPE_OUTCOMES] = {
        [TAPE_GOOD] = { -EIO, "the drive did less than it was told to" },
        [TAPE_FILEMARK] = { -EIO, "unexpected filemark" },
        [TAPE_SHORT_BLOCK] = { -EIO, "unexpected short block" },
        [TAPE_LONG_BLOCK] = { -EIO, "unexpected long block" },
        [TAPE_EOD] = { -ENODATA, "the data on the tape ends before" },
        [TAPE_BOP] = { -EIO, "unexpected beginning of the tape" },
        [TAPE_EARLY_WARNING] = { -ENOSPC, "the tape is full" },
        [TAPE_END_OF_MEDIUM] = { -ENOSPC, "the tape is full" },
        [TAPE_NOT_READY] = { -EBUSY, "the drive does not become ready; look at its display, then try again" },
        [TAPE_NO_MEDIUM] = { -ENOMEDIUM, "no tape in the drive; load one and try again" },
        [TAPE_MEDIUM_CHANGED] = { -EMEDIUMTYPE, "the tape was changed; nothing more is written or read" },
        [TAPE_RESET] = { -EIO, "the drive was reset and does not come back" },
        [TAPE_ATTENTION] = { -EIO, "the drive keeps asking for attention" },
        [TAPE_WRITE_PROTECTED] = { -EROFS, "the tape is write protected" },
        [TAPE_NO_OVERWRITE] = { -EROFS,
                "what is on the tape here cannot be overwritten: it is a WORM tape, or the drive only "
                "appends" },
        [TAPE_ILLEGAL_REQUEST] = { -EOPNOTSUPP, "the drive refuses the command" },
        [TAPE_MEDIUM_ERROR] = { -EIO, "the tape is bad here, or the drive's heads are dirty" },
        [TAPE_NO_EOD] = { -ENODATA,
                "the end of the data is not marked on the tape: a write was interrupted" },
        [TAPE_HARDWARE_ERROR] = { -EIO, "the drive has failed" },
        [TAPE_ABORTED] = { -EIO, "the drive gave the command up" },
        [TAPE_BUSY] = { -EBUSY, "the drive is busy; try again later" },
        [TAPE_RESERVED] = { -EBUSY, "the drive is reserved by another program or host" },
        [TAPE_UNKNOWN] = { -EIO, "the drive answers in a way that cannot be understood" },
};

/* The command was not executed, or may be again (TAPE_ABORTED, from a place that is then verified). */
static const struct {
        unsigned times, seconds;
} repeats[TAPE_OUTCOMES] = {
        [TAPE_ATTENTION] = { .times = 10 },
        [TAPE_RESET] = { .times = 5 },
        [TAPE_ABORTED] = { .times = 3 },
        [TAPE_NOT_READY] = { .seconds = 10 * MINUTE },
        [TAPE_BUSY] = { .seconds = 2 * MINUTE },
};

struct patience {
        unsigned times;
        int64_t since_ns; /* 0: has not waited yet */
        int64_t pause_ns;
        bool told;
};

void command_init(struct tape_command *cmd, enum operation operation)
{
        *cmd = (struct tape_command){ .operation = operation };
        cmd->c.cdb[0] = operations[operation].opcode;
        cmd->c.cdb_length = operations[operation].length;
        cmd->c.timeout_s = operations[operation].timeout_s;
}

unsigned command_timeout(enum operation operation)
{
        return operations[operation].timeout_s;
}

uint8_t command_opcode(enum operation operation)
{
        return operations[operation].opcode;
}

size_t command_reply_max(const Tape *t)
{
        return MIN(TAPE_SCRATCH, t->info.max_transfer);
}

void command_data(Tape *t, struct tape_command *cmd, enum transport_direction direction, size_t size)
{
        g_assert(size <= TAPE_SCRATCH);
        if (direction == TRANSPORT_IN)
                memset(t->scratch, 0, size);
        cmd->iov = (struct iovec){ t->scratch, size };
        cmd->c.direction = direction;
        cmd->c.iov = &cmd->iov;
        cmd->c.iovcnt = 1;
}

static bool has_flag(const struct tape_command *cmd, unsigned flag)
{
        return operations[cmd->operation].flags & flag;
}

/* That there is no mark at the end of the data, up to the end of the tape, is found out by going there; what
 * it means then is the caller's to say. */
static bool is_search(enum operation operation)
{
        return operation == OP_SPACE6 || operation == OP_SPACE16 || operation == OP_LOCATE10 ||
                operation == OP_LOCATE16;
}

int command_fail(Tape *t, const struct tape_command *cmd)
{
        enum tape_outcome outcome = cmd->sense.outcome;
        if ((outcome == TAPE_NO_EOD || outcome == TAPE_END_OF_MEDIUM) && is_search(cmd->operation)) {
                log_debug("%s: %s", t->address, failures[TAPE_NO_EOD].text);
                return failures[TAPE_NO_EOD].error;
        }
        if (outcome == TAPE_RESERVED && t->info.reserved) {
                char who[96];
                tape_key_text(t->info.reserved_key, who, sizeof(who));
                return log_error(failures[outcome].error, "%s: the drive is reserved by %s", t->address, who);
        }
        bool quiet = t->quiet && outcome == TAPE_MEDIUM_ERROR && cmd->operation == OP_READ;
        t->alerts_due |= outcome == TAPE_MEDIUM_ERROR || outcome == TAPE_HARDWARE_ERROR;
        if (!log_is_verbose())
                return quiet
                        ? failures[outcome].error
                        : log_error(failures[outcome].error, "%s: %s", t->address, failures[outcome].text);
        char sense[192];
        tape_sense_text(&cmd->sense, sense, sizeof(sense));
        return log_error(failures[outcome].error, "%s: %s (%s, status %02x, sense %x/%02x/%02x, %s)",
                t->address, failures[outcome].text, operations[cmd->operation].name, cmd->c.status,
                cmd->sense.key, cmd->sense.asc, cmd->sense.ascq, sense);
}

/* The kernel or the adapter took less than it seemed to. */
static int take_less(Tape *t)
{
        struct transport_limits limits;
        transport_limits(t->transport, &limits);
        t->info.max_transfer = limits.max_transfer;
        return -EMSGSIZE;
}

static int fail_undelivered(Tape *t, const struct tape_command *cmd, int error)
{
        if (error == -ECONNRESET) {
                recover_note_reset(t);
                return error;
        }
        if (has_flag(cmd, ON_MEDIUM))
                position_lost(t);
        t->end = END_UNKNOWN;
        t->unsynced |= has_flag(cmd, WRITES);
        const char *name = operations[cmd->operation].name;
        t->gone |= t->silent;
        t->silent = error == -ETIMEDOUT;
        if (t->silent)
                return log_error(error, "%s: the drive did not answer within %u s (%s)", t->address,
                        cmd->c.timeout_s, name);
        t->gone = error == -ENODEV;
        if (t->gone)
                return log_error(error, "%s: the drive, or the way to it, is gone (%s)", t->address, name);
        return log_error_errno(error, "%s: a command did not reach the drive (%s)", t->address, name);
}

/* SPC-5, 4.4.1: the command that a deferred error comes with was not executed; what failed was written
 * earlier. */
static int fail_deferred(Tape *t, const struct tape_command *cmd)
{
        char sense[192];
        tape_sense_text(&cmd->sense, sense, sizeof(sense));
        position_lost(t);
        t->write_lost |= t->unsynced;
        t->alerts_due = true;
        return log_error(-EIO, "%s: data written earlier did not get onto the tape: %s", t->address, sense);
}

/* The way to the drive was lost. What does not write is done once more, from where it began, as after a
 * reset; whoever writes has to look at the tape first. */
static bool is_severed(Tape *t, struct tape_command *cmd, int error)
{
        if (error != -ECONNRESET || has_flag(cmd, WRITES))
                return false;
        log_notice(
                "%s: the connection to the drive was lost (%s)", t->address, operations[cmd->operation].name);
        cmd->sense = (struct tape_sense){
                .outcome = TAPE_RESET, .key = 0x6, .asc = 0x29, .ascq = 0x07 /* I_T nexus loss occurred */
        };
        return true;
}

static int execute(Tape *t, struct tape_command *cmd)
{
        struct transport_command *c = &cmd->c;
        c->sense_length = c->residual = 0;
        if (!t->silent) /* see ping */
                c->timeout_s = MAX(c->timeout_s, t->timeouts[cmd->operation]);
        int r = transport_execute(t->transport, c);
        if (is_severed(t, cmd, r))
                return 0;
        if (r == -EMSGSIZE)
                return take_less(t);
        if (r < 0)
                return fail_undelivered(t, cmd, r);
        t->silent = t->gone = false;
        tape_sense_decode(c->status, c->sense, MIN(c->sense_length, sizeof(c->sense)), &cmd->sense);
        if (cmd->sense.outcome == TAPE_MEDIUM_CHANGED && t->opening)
                cmd->sense.outcome = TAPE_ATTENTION;
        if (cmd->sense.outcome <= TAPE_EARLY_WARNING && !cmd->sense.deferred && has_flag(cmd, FLUSHES))
                t->unsynced = false;
        return 0;
}

static bool is_attention(enum tape_outcome outcome)
{
        return outcome == TAPE_RESET || outcome == TAPE_ATTENTION;
}

/* Whether the tape may be elsewhere now. SAM-5, 5.3.1 and 5.14: a command that ends with BUSY or a unit
 * attention was not executed. What is done twice cannot be undone, though, so a drive that can tell where it
 * is will be asked. */
static bool is_place_doubtful(const Tape *t, const struct tape_command *cmd)
{
        enum tape_outcome outcome = cmd->sense.outcome;
        if (!has_flag(cmd, FROM_HERE) || t->state == POSITION_UNKNOWN)
                return false;
        if (outcome == TAPE_ABORTED)
                return true;
        bool repeated = repeats[outcome].times > 0 || repeats[outcome].seconds > 0;
        return repeated && t->state == POSITION_KNOWN && t->position_proved && !t->settling;
}

/* What the outcome tells about the tape's state, for this command and those to come. */
static int take_note(Tape *t, struct tape_command *cmd)
{
        enum tape_outcome outcome = cmd->sense.outcome;
        if (cmd->sense.deferred && !is_attention(outcome) && outcome != TAPE_MEDIUM_CHANGED) {
                if (outcome != TAPE_GOOD && outcome != TAPE_EARLY_WARNING)
                        return fail_deferred(t, cmd);
                cmd->sense.outcome = TAPE_ATTENTION;
        }
        if (outcome == TAPE_RESET)
                recover_note_reset(t);
        if (outcome == TAPE_NO_MEDIUM && t->info.loaded) {
                t->changed = !t->opening;
                t->info.loaded = false;
                position_lost(t);
        }
        if (outcome == TAPE_MEDIUM_CHANGED) {
                t->changed = true;
                t->end = END_UNKNOWN;
                position_lost(t);
                return command_fail(t, cmd);
        }
        if (outcome == TAPE_RESERVED && has_flag(cmd, ON_MEDIUM))
                position_lost(t); /* who holds the reservation may have moved the tape */
        if (is_place_doubtful(t, cmd))
                t->state = POSITION_DOUBTFUL;
        return 0;
}

static bool wait_a_little(Tape *t, struct patience *p, unsigned seconds)
{
        static const int64_t ms = 1000 * 1000;
        int64_t now = monotonic_ns();
        if (!p->since_ns) {
                p->since_ns = now;
                p->pause_ns = 10 * ms;
        }
        int64_t waited_s = (now - p->since_ns) / (1000 * ms);
        if (waited_s >= seconds)
                return false;
        if (waited_s >= 3 && !p->told) {
                log_notice("%s: waiting for the drive to become ready", t->address);
                p->told = true;
        }
        struct timespec pause = { p->pause_ns / (1000 * ms), p->pause_ns % (1000 * ms) };
        nanosleep(&pause, NULL);
        p->pause_ns = MIN(2 * p->pause_ns, 1000 * ms);
        return true;
}

static bool try_again(Tape *t, const struct tape_command *cmd, struct patience *p)
{
        enum tape_outcome outcome = cmd->sense.outcome;
        if (repeats[outcome].seconds)
                return wait_a_little(t, p, repeats[outcome].seconds);
        if (outcome == TAPE_ABORTED && has_flag(cmd, WRITES))
                return false;
        /* In the midst of recovery a relative move cannot go on: recover() starts over. */
        if (t->settling && has_flag(cmd, FROM_HERE) && outcome != TAPE_ATTENTION)
                return false;
        return p->times++ < repeats[outcome].times;
}

/* Where a command depends on what a reset has taken. Even one that does not must not hide that a reset has
 * cost data still in the drive's buffer. */
static bool must_recover(const Tape *t, const struct tape_command *cmd)
{
        if (t->settling || !recover_needed(t))
                return false;
        return has_flag(cmd, FROM_HERE) || (has_flag(cmd, FLUSHES) && t->unsynced && t->modes_stale);
}

/* After a command that timed out, before others wait as long as they may: a drive that works on something
 * answers this one at once. */
static int ping(Tape *t)
{
        struct tape_command cmd;
        command_init(&cmd, OP_TEST_UNIT_READY);
        cmd.c.timeout_s = PING_S;
        int r = execute(t, &cmd);
        return r < 0 ? r : take_note(t, &cmd);
}

static int get_ready(Tape *t, const struct tape_command *cmd)
{
        int r = t->silent ? ping(t) : 0;
        if (r == 0 && must_recover(t, cmd))
                r = recover(t);
        return r;
}

int command_run(Tape *t, struct tape_command *cmd)
{
        struct patience patience = { 0 };
        for (;;) {
                if (has_flag(cmd, ON_MEDIUM) && t->changed)
                        return -EMEDIUMTYPE; /* was logged when it was found */
                int r = get_ready(t, cmd);
                if (r < 0)
                        return r;
                r = execute(t, cmd);
                if (r == 0)
                        r = take_note(t, cmd);
                if (r < 0)
                        return r;
                if (!try_again(t, cmd, &patience))
                        return 0;
                log_debug("%s: %s: %s; trying again", t->address, operations[cmd->operation].name,
                        tape_outcome_name(cmd->sense.outcome));
        }
}

int command_do(Tape *t, struct tape_command *cmd)
{
        int r = command_run(t, cmd);
        if (r < 0)
                return r;
        return cmd->sense.outcome == TAPE_GOOD ? 0 : command_fail(t, cmd);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPACE (SSC-5), and counting with it where the drive has nothing better.
 *
 * SPACE over blocks stops behind each filemark (in front of it, when going backwards), and the information
 * field then says how many of the blocks asked for were not passed. So a run of SPACE commands over blocks
 * counts every object on its way: blocks passed, and one filemark for each stop. */
#include <errno.h>
#include <glib.h>
#include <scsi/sg_unaligned.h>

#include <reelfs/log.h>

#include "private.h"

enum { SPACE_BLOCKS = 0, SPACE_FILEMARKS = 1, SPACE_EOD = 3 };

#define SPACE6_MAX 0x7fffff
#define SPACE16_MAX INT32_MAX /* what the information field of fixed-format sense can count back from */

/* Takes the count, or as much of it as one command can; *count is what it was. */
static void space_init(const Tape *t, struct tape_command *cmd, uint8_t code, int64_t *count)
{
        int64_t max = t->info.space16 ? SPACE16_MAX : SPACE6_MAX;
        *count = CLAMP(*count, -max, max);
        if (ABS(*count) > SPACE6_MAX) {
                command_init(cmd, OP_SPACE16);
                cmd->c.cdb[1] = code;
                sg_put_unaligned_be64((uint64_t)*count, cmd->c.cdb + 4);
        } else {
                command_init(cmd, OP_SPACE6);
                cmd->c.cdb[1] = code;
                sg_put_unaligned_be24((uint32_t)*count & 0xffffff, cmd->c.cdb + 2);
        }
}

/* Of count, how many were passed before the command stopped early. */
static int passed_of(const struct tape_sense *sense, int64_t count, uint64_t *passed)
{
        int64_t whole = ABS(count);
        if (sense->has_information && sense->information >= 0 && sense->information <= whole)
                *passed = (uint64_t)(whole - sense->information);
        else if (whole == 1)
                *passed = 0;
        else
                return -ENOMSG;
        return 0;
}

/* SSC-5, 8.5.3, REW: whether early warning has stopped it short. */
static bool is_warned(const struct tape_sense *sense, int64_t count)
{
        return sense->outcome == TAPE_EARLY_WARNING && sense->has_information && sense->information > 0 &&
                sense->information <= ABS(count);
}

/* What stops SPACE without being a failure. */
static bool is_stop(enum tape_outcome outcome, int64_t count)
{
        return outcome == TAPE_FILEMARK || outcome == TAPE_EOD || (outcome == TAPE_BOP && count < 0);
}

static int fail_lost(Tape *t, const struct tape_command *cmd)
{
        int r = command_fail(t, cmd);
        if (position_resync(t) < 0)
                position_lost(t);
        return r;
}

/* *count: what it has passed; the caller goes on. */
static int end_well(Tape *t, struct tape_command *cmd, int64_t *count)
{
        if (!is_warned(&cmd->sense, *count))
                return 0;
        *count -= *count < 0 ? -cmd->sense.information : cmd->sense.information;
        if (*count != 0)
                return 0;
        cmd->sense.outcome = TAPE_GOOD; /* to say that it did less than it was told to */
        return fail_lost(t, cmd);
}

/* The count moves on by objects, backwards if count is negative. */
static int count_on(Tape *t, int64_t count, uint64_t objects)
{
        if (count < 0 && objects > t->object) {
                position_lost(t);
                return log_error(
                        -EIO, "%s: the drive went back further than the tape's beginning", t->address);
        }
        t->object = count < 0 ? t->object - objects : t->object + objects;
        return 0;
}

/* At the end of data, and the drive does not say how many objects it has passed: of one, it may have been one
 * or none. */
static int end_of_run(Tape *t)
{
        t->spacing = SPACE_RUNS;
        if (t->info.read_position || t->end == END_UNKNOWN)
                return position_resync(t);
        position_known(t, t->end);
        return 0;
}

int space_blocks(Tape *t, int64_t count, enum tape_outcome *outcome)
{
        struct tape_command cmd;
        uint64_t passed;
        space_init(t, &cmd, SPACE_BLOCKS, &count);
        int r = command_run(t, &cmd);
        if (r < 0)
                return r;
        *outcome = cmd.sense.outcome == TAPE_EARLY_WARNING ? TAPE_GOOD : cmd.sense.outcome;
        if (*outcome == TAPE_GOOD)
                return end_well(t, &cmd, &count) ?: count_on(t, count, (uint64_t)ABS(count));
        if (!is_stop(*outcome, count))
                return fail_lost(t, &cmd);
        if (*outcome == TAPE_BOP) {
                position_known(t, 0);
                return 0;
        }
        if (*outcome == TAPE_FILEMARK)
                t->spacing = SPACE_STOPS;
        if (*outcome == TAPE_EOD && !cmd.sense.has_information && t->spacing != SPACE_STOPS)
                return end_of_run(t);
        if (passed_of(&cmd.sense, count, &passed) < 0)
                return position_resync(t);
        return count_on(t, count, passed + (*outcome == TAPE_FILEMARK));
}

static int walk(Tape *t, uint64_t object, int64_t step, enum tape_outcome *outcome)
{
        *outcome = TAPE_GOOD;
        while (t->object < object) {
                int64_t count = (int64_t)MIN((uint64_t)step, object - t->object);
                int r = space_blocks(t, count, outcome);
                if (r == 0 && *outcome == TAPE_EOD)
                        t->end = t->object;
                if (r < 0 || (*outcome == TAPE_EOD && t->object < object))
                        return r;
        }
        *outcome = TAPE_GOOD;
        return 0;
}

int space_forward(Tape *t, uint64_t object, enum tape_outcome *outcome)
{
        return walk(t, object, SPACE16_MAX, outcome);
}

int space_to(Tape *t, uint64_t object, enum tape_outcome *outcome)
{
        int r = 0;
        if (t->state != POSITION_KNOWN || t->object > object)
                r = position_rewind(t);
        if (r == 0)
                r = walk(t, object, SPACE16_MAX, outcome);
        if (r == -ENOMSG && t->spacing == SPACE_RUNS)
                r = count_to(t, object, outcome);
        if (r != -ENOMSG)
                return r;
        /* One object at a time nothing needs to be said. */
        r = position_rewind(t);
        return r < 0 ? r : walk(t, object, 1, outcome);
}

/* By the drive's own count; where it leaves the tape is not known yet. */
static int space_filemarks(Tape *t, int64_t count, uint64_t *moved, enum tape_outcome *outcome)
{
        while (count != 0) {
                struct tape_command cmd;
                int64_t part = count;
                uint64_t passed;
                space_init(t, &cmd, SPACE_FILEMARKS, &part);
                int r = command_run(t, &cmd);
                if (r < 0)
                        return r;
                *outcome = cmd.sense.outcome == TAPE_EARLY_WARNING ? TAPE_GOOD : cmd.sense.outcome;
                if (*outcome == TAPE_GOOD) {
                        r = end_well(t, &cmd, &part);
                        if (r < 0)
                                return r;
                        *moved += (uint64_t)ABS(part);
                        count -= part;
                        continue;
                }
                if (*outcome != TAPE_EOD && *outcome != TAPE_BOP)
                        return fail_lost(t, &cmd);
                r = passed_of(&cmd.sense, part, &passed);
                if (r == 0)
                        *moved += passed;
                return r;
        }
        return 0;
}

/* By spacing over blocks, which stops at each of them. */
static int space_each_filemark(
        Tape *t, int64_t count, int64_t step, uint64_t *moved, enum tape_outcome *outcome)
{
        uint64_t wanted = (uint64_t)ABS(count);
        for (*moved = 0; *moved < wanted;) {
                int r = space_blocks(t, count < 0 ? -step : step, outcome);
                if (r < 0 || *outcome == TAPE_EOD || *outcome == TAPE_BOP)
                        return r;
                *moved += *outcome == TAPE_FILEMARK;
        }
        *outcome = TAPE_GOOD;
        return 0;
}

int tape_space_filemarks(Tape *t, int64_t count, uint64_t *moved, enum tape_outcome *outcome)
{
        uint64_t unwanted;
        if (!moved)
                moved = &unwanted;
        *moved = 0;
        *outcome = TAPE_GOOD;
        int r = position_require(t);
        if (r < 0 || count == 0)
                return r;
        position_prove(t);
        uint64_t start = t->object;
        if (t->info.read_position) {
                r = space_filemarks(t, count, moved, outcome);
                if (r == 0)
                        r = position_resync(t);
                if (r != -ENOMSG)
                        return r;
                r = position_go(t, start);
                if (r < 0)
                        return r;
        }
        if (t->spacing == SPACE_RUNS)
                return count_filemarks(t, count, moved, outcome);
        r = space_each_filemark(t, count, SPACE16_MAX, moved, outcome);
        if (r == 0 && t->spacing == SPACE_RUNS)
                r = -ENOMSG; /* what it passed may have been filemarks */
        if (r != -ENOMSG)
                return r;
        r = position_go(t, start);
        if (r < 0)
                return r;
        return t->spacing == SPACE_RUNS ? count_filemarks(t, count, moved, outcome)
                                        : space_each_filemark(t, count, 1, moved, outcome);
}

/* The drive's own way: fast, but it does not count. */
static int space_eod(Tape *t)
{
        struct tape_command cmd;
        int64_t none = 0;
        space_init(t, &cmd, SPACE_EOD, &none);
        int r = command_run(t, &cmd);
        if (r < 0)
                return r;
        enum tape_outcome outcome = cmd.sense.outcome;
        if (outcome != TAPE_GOOD && outcome != TAPE_EOD && outcome != TAPE_EARLY_WARNING)
                return fail_lost(t, &cmd);
        return position_resync(t);
}

int tape_space_eod(Tape *t)
{
        enum tape_outcome outcome;
        position_prove(t);
        int r = t->info.read_position ? space_eod(t) : -ENOMSG;
        if (r == -ENOMSG)
                r = space_to(t, UINT64_MAX, &outcome);
        if (r == 0) {
                t->end = t->object;
                t->write_lost = false;
        }
        if (r == -ENODATA)
                position_lost(t);
        return r;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* To a logical object: LOCATE(16), LOCATE(10), or SPACE. */
#include <errno.h>
#include <inttypes.h>
#include <scsi/sg_unaligned.h>

#include <reelfs/log.h>

#include "private.h"

static int end_before(Tape *t, uint64_t object)
{
        return log_error(
                -ENODATA, "%s: the data on the tape ends before object %" PRIu64, t->address, object);
}

static void locate_init(const Tape *t, struct tape_command *cmd, uint64_t object)
{
        if (t->info.locate16) {
                command_init(cmd, OP_LOCATE16);
                sg_put_unaligned_be64(object, cmd->c.cdb + 4);
        } else {
                command_init(cmd, OP_LOCATE10);
                sg_put_unaligned_be32((uint32_t)object, cmd->c.cdb + 3);
        }
}

/* -ENOSYS, not logged: the drive lacks the command, and info says so now. Any other error is final: a drive
 * that refuses the object would refuse it again. */
static int locate(Tape *t, uint64_t object)
{
        struct tape_command cmd;
        locate_init(t, &cmd, object);
        int r = command_run(t, &cmd);
        if (r < 0)
                return r;
        enum tape_outcome outcome = cmd.sense.outcome;
        if (outcome == TAPE_GOOD || outcome == TAPE_EARLY_WARNING) {
                position_known(t, object);
                return 0;
        }
        if (outcome == TAPE_ILLEGAL_REQUEST && cmd.sense.asc == 0x20) {
                if (cmd.operation == OP_LOCATE16)
                        t->info.locate16 = false;
                else
                        t->info.locate10 = false;
                return -ENOSYS;
        }
        r = outcome == TAPE_EOD ? end_before(t, object) : command_fail(t, &cmd);
        if (position_resync(t) < 0)
                position_lost(t);
        return outcome == TAPE_ILLEGAL_REQUEST ? -EIO : r; /* it is about the object, not the command */
}

int position_go(Tape *t, uint64_t object)
{
        if (object == 0)
                return position_rewind(t);
        while (t->info.locate16 || (t->info.locate10 && object <= UINT32_MAX)) {
                int r = locate(t, object);
                if (r != -ENOSYS)
                        return r;
        }
        enum tape_outcome outcome;
        int r = space_to(t, object, &outcome);
        if (r == 0 && outcome == TAPE_EOD)
                r = end_before(t, object);
        return r;
}

int tape_locate(Tape *t, uint64_t object)
{
        if (t->changed)
                return -EMEDIUMTYPE; /* was logged when it was found */
        if (t->state == POSITION_KNOWN && t->object == object && !t->modes_stale)
                return 0;
        return position_go(t, object);
}

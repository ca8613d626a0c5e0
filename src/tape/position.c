/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Where the tape is: our count of logical objects, and READ POSITION where it can be believed. */
#include <errno.h>
#include <inttypes.h>
#include <scsi/sg_unaligned.h>

#include <reelfs/log.h>

#include "private.h"

#define CHANGE_PARTITION 0x02 /* CP */
#define RESETS_MAX 5          /* while the position is asked for */

void position_lost(Tape *t)
{
        t->state = POSITION_UNKNOWN;
}

void position_known(Tape *t, uint64_t object)
{
        t->object = object;
        t->state = POSITION_KNOWN;
}

int position_require(Tape *t)
{
        if (t->changed)
                return -EMEDIUMTYPE; /* was logged when it was found */
        if (t->state != POSITION_UNKNOWN)
                return 0;
        return log_error(
                -EIO, "%s: the position of the tape is not known after an earlier failure", t->address);
}

/* SSC-5, READ POSITION, short form (service action 00h): object numbers of 32 bits. */
static bool parse_short(const uint8_t *data, struct tape_position *p)
{
        *p = (struct tape_position){ .bop = data[0] & 0x80,
                .eom = data[0] & 0x40,
                .partition = data[1],
                .object = (uint32_t)sg_get_unaligned_be(4, data + 4) };
        return !(data[0] & 0x06); /* LOLU, PERR */
}

/* SSC-5, READ POSITION, long form (06h) */
static bool parse_long(const uint8_t *data, struct tape_position *p)
{
        *p = (struct tape_position){ .bop = data[0] & 0x80,
                .eom = data[0] & 0x40,
                .partition = (uint32_t)sg_get_unaligned_be(4, data + 4),
                .object = sg_get_unaligned_be(8, data + 8) };
        return !(data[0] & 0x0c); /* MPU, LONU */
}

static const struct {
        uint8_t service_action;
        size_t size;
        bool (*parse)(const uint8_t *data, struct tape_position *p);
} forms[] = { { 0x00, 20, parse_short }, { 0x06, 32, parse_long } };

int position_read(Tape *t, struct tape_position *p)
{
        bool stale = t->modes_stale || t->opening;
        if (!t->info.read_position)
                return -EOPNOTSUPP;
        for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
                struct tape_command cmd;
                command_init(&cmd, OP_READ_POSITION);
                cmd.c.cdb[1] = forms[i].service_action;
                command_data(t, &cmd, TRANSPORT_IN, forms[i].size);
                int r = command_run(t, &cmd);
                if (r < 0)
                        return r;
                if (t->modes_stale && !stale)
                        return -EAGAIN;
                if (cmd.sense.outcome == TAPE_ILLEGAL_REQUEST)
                        continue;
                if (cmd.sense.outcome != TAPE_GOOD)
                        return command_fail(t, &cmd);
                if (cmd.c.residual > 0 || !forms[i].parse(t->scratch, p))
                        continue;
                if (!t->position_asked)
                        t->first_answer = p->object;
                t->position_asked = true;
                return 0;
        }
        return -EOPNOTSUPP;
}

static void disbelieve(Tape *t)
{
        log_info("%s: the drive does not tell its position; counting instead", t->address);
        t->info.read_position = false;
        if (t->state == POSITION_ASSUMED)
                position_lost(t);
}

void position_prove(Tape *t)
{
        struct tape_position p;
        if (t->position_proved || !t->info.read_position || t->state < POSITION_ASSUMED || recover_needed(t))
                return;
        if (!t->position_asked || t->object == t->first_answer)
                return; /* a constant would agree as well */
        int r = position_read(t, &p);
        if (r == -EOPNOTSUPP || (r == 0 && p.object != t->object)) {
                disbelieve(t);
        } else if (r == 0) {
                t->position_proved = true;
                t->state = POSITION_KNOWN;
        }
}

int position_resync(Tape *t)
{
        struct tape_position p;
        bool asked = t->position_asked;
        position_lost(t);
        int r = position_read(t, &p);
        if (r == -EAGAIN)
                return log_error(
                        -EIO, "%s: the drive was reset, and where the tape was is not known", t->address);
        if (r < 0)
                return r == -EOPNOTSUPP ? -ENOMSG : r;
        if (!t->position_proved && (!asked || p.object == t->first_answer))
                return -ENOMSG;
        t->position_proved = true;
        t->partition = p.partition;
        position_known(t, p.object);
        return 0;
}

/* Nothing to compare with: what the drive says, if it says anything. */
static int adopt(Tape *t, struct tape_position *position)
{
        int r = position_read(t, position);
        if (r == -EOPNOTSUPP)
                return position_require(t);
        if (r < 0)
                return r;
        t->object = position->object;
        t->partition = position->partition;
        t->state = t->position_proved ? POSITION_KNOWN : POSITION_ASSUMED;
        return 0;
}

static int verify(Tape *t, struct tape_position *position)
{
        struct tape_position p;
        int r = position_read(t, &p);
        if (r == -EOPNOTSUPP)
                return 0;
        if (r < 0)
                return r;
        if (p.object != t->object) {
                uint64_t counted = t->object;
                t->object = p.object;
                return log_error(-EIO,
                        "%s: the tape is at object %" PRIu64 " and not at %" PRIu64 ", where it should be",
                        t->address, p.object, counted);
        }
        *position = p;
        return 0;
}

static int get_position(Tape *t, struct tape_position *position)
{
        int r = recover_needed(t) ? recover(t) : 0;
        if (r < 0)
                return r;
        position_prove(t);
        if (recover_needed(t))
                return -EAGAIN;
        if (t->state == POSITION_UNKNOWN)
                return adopt(t, position);
        *position = (struct tape_position){
                .partition = t->partition, .object = t->object, .bop = t->object == 0, .eom = t->early_warning
        };
        return verify(t, position);
}

int tape_get_position(Tape *t, struct tape_position *position)
{
        int r = -EAGAIN;
        *position = (struct tape_position){ 0 };
        if (t->changed)
                return -EMEDIUMTYPE; /* was logged when it was found */
        for (int i = 0; i < RESETS_MAX && r == -EAGAIN; i++)
                r = get_position(t, position);
        return r == -EAGAIN ? log_error(-EIO, "%s: the drive is reset again and again", t->address) : r;
}

/* REWIND stays in the partition where whoever had the tape before has left it, LTFS for one; a tape that is
 * loaded, or a drive that was reset, is in the first one. So that is where everything is, which takes a
 * LOCATE with CP. */
static void init_rewind(const Tape *t, struct tape_command *cmd)
{
        if (t->partition == 0) {
                command_init(cmd, OP_REWIND);
        } else {
                command_init(cmd, t->info.locate16 ? OP_LOCATE16 : OP_LOCATE10);
                cmd->c.cdb[1] = CHANGE_PARTITION;
        }
}

int position_rewind(Tape *t)
{
        struct tape_command cmd;
        init_rewind(t, &cmd);
        int r = command_do(t, &cmd);
        if (r == 0)
                t->partition = 0;
        if (r == 0)
                position_known(t, 0);
        else
                position_lost(t);
        return r;
}

int tape_rewind(Tape *t)
{
        return position_rewind(t);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the drive can do: found out by trying, never by who made it. */
#include <errno.h>
#include <glib.h>
#include <scsi/sg_unaligned.h>
#include <string.h>

#include <reelfs/log.h>

#include "private.h"

#define PERIPHERAL_TAPE 0x01

/* An ASCII field of INQUIRY data, without the spaces around it; what is not printable becomes '?'. */
static void take_text(char *text, size_t size, const uint8_t *field, size_t length)
{
        size_t n = MIN(length, size - 1);
        for (size_t i = 0; i < n; i++)
                text[i] = field[i] == '\0' ? ' ' : g_ascii_isprint(field[i]) ? (char)field[i] : '?';
        text[n] = '\0';
        g_strstrip(text);
}

static int inquire(Tape *t, int page, size_t size, struct tape_command *cmd)
{
        command_init(cmd, OP_INQUIRY);
        if (page >= 0) {
                cmd->c.cdb[1] = 0x01; /* EVPD */
                cmd->c.cdb[2] = (uint8_t)page;
        }
        sg_put_unaligned_be16((uint16_t)size, cmd->c.cdb + 3);
        command_data(t, cmd, TRANSPORT_IN, size);
        return command_run(t, cmd);
}

/* VPD page 80h, which not every drive has. */
static int probe_serial(Tape *t)
{
        struct tape_command cmd;
        int r = inquire(t, 0x80, 252, &cmd);
        if (r == 0 && cmd.sense.outcome == TAPE_GOOD && t->scratch[1] == 0x80)
                take_text(t->info.serial, sizeof(t->info.serial), t->scratch + 4, MIN(t->scratch[3], 248));
        return r;
}

static int probe_inquiry(Tape *t)
{
        struct tape_command cmd;
        int r = inquire(t, -1, 36, &cmd);
        if (r < 0)
                return r;
        if (cmd.sense.outcome != TAPE_GOOD)
                return command_fail(t, &cmd);
        if (t->scratch[0] != PERIPHERAL_TAPE)
                return log_error(-ENODEV, "%s: not a tape drive", t->address);
        take_text(t->info.vendor, sizeof(t->info.vendor), t->scratch + 8, 8);
        take_text(t->info.product, sizeof(t->info.product), t->scratch + 16, 16);
        take_text(t->info.revision, sizeof(t->info.revision), t->scratch + 32, 4);
        return probe_serial(t);
}

/* SSC-5, READ BLOCK LIMITS. A drive that does not say is taken to have none. */
static int probe_block_limits(Tape *t)
{
        struct tape_command cmd;
        command_init(&cmd, OP_READ_BLOCK_LIMITS);
        command_data(t, &cmd, TRANSPORT_IN, 6);
        int r = command_run(t, &cmd);
        if (r < 0)
                return r;
        t->info.min_block = 1;
        if (cmd.sense.outcome != TAPE_GOOD)
                return 0;
        t->info.max_block = sg_get_unaligned_be24(t->scratch + 1);
        t->info.min_block = MAX(1, sg_get_unaligned_be16(t->scratch + 4));
        t->info.fixed_only = t->info.max_block && t->info.min_block == t->info.max_block;
        return 0;
}

int probe_ready(Tape *t)
{
        struct tape_command cmd;
        command_init(&cmd, OP_TEST_UNIT_READY);
        int r = command_run(t, &cmd);
        if (r < 0)
                return r;
        t->info.loaded = cmd.sense.outcome == TAPE_GOOD;
        if (t->info.loaded || cmd.sense.outcome == TAPE_NO_MEDIUM)
                return 0;
        return command_fail(t, &cmd);
}

/* *has: whether the drive knows the command, which does nothing where it stands. */
static int try_command(Tape *t, struct tape_command *cmd, bool *has)
{
        int r = command_run(t, cmd);
        if (r == 0)
                *has = cmd->sense.outcome != TAPE_ILLEGAL_REQUEST;
        return r;
}

/* SSC-5, SPACE: a count of zero does not move. */
static int probe_space16(Tape *t)
{
        struct tape_command cmd;
        command_init(&cmd, OP_SPACE16);
        return try_command(t, &cmd, &t->info.space16);
}

/* To where the tape is. */
static int probe_locate(Tape *t)
{
        struct tape_command cmd;
        command_init(&cmd, OP_LOCATE16);
        sg_put_unaligned_be64(t->object, cmd.c.cdb + 4);
        int r = try_command(t, &cmd, &t->info.locate16);
        if (r < 0 || t->object > UINT32_MAX)
                return r;
        command_init(&cmd, OP_LOCATE10);
        sg_put_unaligned_be32((uint32_t)t->object, cmd.c.cdb + 3);
        return try_command(t, &cmd, &t->info.locate10);
}

/* A drive that cannot tell its position is put where it is known. */
static int probe_position(Tape *t)
{
        struct tape_position p;
        t->position_asked = t->position_proved = false;
        t->info.read_position = true;
        int r = position_read(t, &p);
        if (r == -EOPNOTSUPP) {
                t->info.read_position = false;
                return position_rewind(t);
        }
        if (r < 0)
                return r;
        t->object = p.object;
        t->partition = p.partition;
        t->state = POSITION_ASSUMED;
        return 0;
}

static int probe_capacity(Tape *t)
{
        struct tape_capacity capacity;
        int r = tape_get_capacity(t, &capacity);
        t->info.capacity = r == 0;
        return r == -EOPNOTSUPP ? 0 : r;
}

int probe_drive(Tape *t)
{
        static int (*const probes[])(Tape * t) = { probe_inquiry, probe_ready, reservation_probe,
                timeouts_probe, probe_block_limits };
        int r = 0;
        for (size_t i = 0; r == 0 && i < G_N_ELEMENTS(probes); i++)
                r = probes[i](t);
        return r;
}

int probe_medium(Tape *t)
{
        int r = mode_probe(t);
        if (r < 0 && r != -EOPNOTSUPP)
                return r;
        static int (*const probes[])(Tape * t) = { probe_capacity, probe_space16, probe_position,
                probe_locate, protect_probe, protection_probe };
        for (size_t i = 0; i < G_N_ELEMENTS(probes); i++) {
                r = probes[i](t);
                if (r < 0)
                        return r;
        }
        return 0;
}

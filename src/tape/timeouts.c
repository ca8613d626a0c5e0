/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How long a command may take, as the drive says it: REPORT SUPPORTED OPERATION CODES (SPC-5) with RCTD. */
#include <errno.h>
#include <glib.h>
#include <scsi/sg_unaligned.h>

#include <reelfs/log.h>

#include "private.h"

#define SERVICE_ACTION 0x0c
#define RCTD 0x80
#define PATIENCE 4 /* so many times our own timeout at most: every command ends one day */

/* Of one operation code, with all its service actions the longest. */
static void take_timeout(Tape *t, uint8_t opcode, uint32_t recommended)
{
        for (unsigned i = 0; i < OPERATIONS; i++) {
                unsigned ours = command_timeout(i);
                if (command_opcode(i) != opcode || recommended <= ours)
                        continue;
                unsigned wanted = MIN(recommended, PATIENCE * ours);
                t->timeouts[i] = MAX(t->timeouts[i], wanted);
                log_debug("%s: operation code %02xh may take %u s", t->address, opcode, t->timeouts[i]);
        }
}

/* SPC-5: descriptors of 8 bytes, each with a timeouts descriptor of 12 behind it if CTDP says so. */
void timeouts_decode(Tape *t, const uint8_t *data, size_t length)
{
        if (length < 4)
                return;
        length = (size_t)MIN(4 + sg_get_unaligned_be(4, data), length);
        for (size_t at = 4; at + 8 <= length;) {
                const uint8_t *p = data + at;
                at += 8;
                if (!(p[5] & 0x02))
                        continue;
                if (at + 12 > length)
                        return;
                take_timeout(t, p[0], (uint32_t)sg_get_unaligned_be(4, p + 16));
                at += 2 + (size_t)sg_get_unaligned_be16(p + 8);
        }
}

int timeouts_probe(Tape *t)
{
        struct tape_command cmd;
        size_t size = command_reply_max(t);
        command_init(&cmd, OP_REPORT_OPCODES);
        cmd.c.cdb[1] = SERVICE_ACTION;
        cmd.c.cdb[2] = RCTD;
        sg_put_unaligned_be32((uint32_t)size, cmd.c.cdb + 6);
        command_data(t, &cmd, TRANSPORT_IN, size);
        int r = command_run(t, &cmd);
        if (r == 0 && cmd.sense.outcome == TAPE_GOOD)
                timeouts_decode(t, t->scratch, size - MIN(cmd.c.residual, size));
        return r;
}

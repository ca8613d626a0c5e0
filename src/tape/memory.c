/* SPDX-License-Identifier: GPL-2.0-or-later */
/* READ ATTRIBUTE and WRITE ATTRIBUTE (SPC-5). */
#include <errno.h>
#include <glib.h>
#include <scsi/sg_unaligned.h>

#include "private.h"

#define WRITE_THROUGH 0x01 /* WTC */

/* 0, or why the drive has not done it: -EOPNOTSUPP: it does not know the command. */
static int judge(Tape *t, const struct tape_command *cmd)
{
        if (cmd->sense.outcome == TAPE_GOOD)
                return 0;
        if (cmd->sense.outcome != TAPE_ILLEGAL_REQUEST)
                return command_fail(t, cmd);
        t->no_attributes |= cmd->sense.asc == 0x20; /* invalid command operation code */
        return t->no_attributes ? -EOPNOTSUPP : -ENODATA;
}

int tape_read_attribute(Tape *t, uint16_t id, struct tape_attribute *a)
{
        struct tape_command cmd;
        size_t size = command_reply_max(t);
        if (t->changed)
                return -EMEDIUMTYPE; /* was logged when it was found */
        if (t->no_attributes)
                return -EOPNOTSUPP;
        command_init(&cmd, OP_READ_ATTRIBUTE);
        cmd.c.cdb[7] = (uint8_t)t->partition;
        sg_put_unaligned_be16(id, cmd.c.cdb + 8);
        sg_put_unaligned_be32((uint32_t)size, cmd.c.cdb + 10);
        command_data(t, &cmd, TRANSPORT_IN, size);
        int r = command_run(t, &cmd);
        if (r == 0)
                r = judge(t, &cmd);
        if (r < 0)
                return r;
        uint64_t length = sg_get_unaligned_be(4, t->scratch);
        size_t at = 0;
        r = attribute_decode(t->scratch + 4, (size_t)MIN(length, size - 4), &at, a);
        return r < 0 || a->id != id ? -ENODATA : 0;
}

int tape_write_attributes(Tape *t, const struct tape_attribute *attributes, size_t n)
{
        struct tape_command cmd;
        size_t size = 4;
        if (t->changed)
                return -EMEDIUMTYPE; /* was logged when it was found */
        if (t->no_attributes)
                return -EOPNOTSUPP;
        for (size_t i = 0; i < n; i++) {
                int r = attribute_encode(&attributes[i], t->scratch, TAPE_SCRATCH, &size);
                g_return_val_if_fail(r == 0, r);
        }
        command_init(&cmd, OP_WRITE_ATTRIBUTE);
        cmd.c.cdb[1] = WRITE_THROUGH;
        cmd.c.cdb[7] = (uint8_t)t->partition;
        sg_put_unaligned_be32((uint32_t)size, cmd.c.cdb + 10);
        command_data(t, &cmd, TRANSPORT_OUT, size);
        sg_put_unaligned_be32((uint32_t)(size - 4), t->scratch);
        int r = command_run(t, &cmd);
        return r < 0 ? r : judge(t, &cmd);
}

int tape_get_change_reference(Tape *t, uint64_t *reference)
{
        struct tape_attribute a;
        int r = tape_read_attribute(t, ATTRIBUTE_CHANGE_REFERENCE, &a);
        if (r < 0)
                return r;
        /* SSC-5: 0: nothing was ever written; all ones: not known */
        uint64_t unknown = a.length < 8 ? (UINT64_C(1) << 8 * a.length) - 1 : UINT64_MAX;
        if (!attribute_get_number(&a, reference) || *reference == 0 || *reference == unknown)
                return -ENODATA;
        return 0;
}

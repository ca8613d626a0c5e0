/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The order in which the drive reaches places soonest: GENERATE and RECEIVE RECOMMENDED ACCESS ORDER, SSC-5.
 * LTO-9 drives of full height have it. */
#include <errno.h>
#include <glib.h>
#include <scsi/sg_unaligned.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <reelfs/log.h>

#include "private.h"

#define ACTION 0x1d
#define REPORT_ACTION 0x0c
#define UDS_LIMITS 0x80
#define PROCESS_REORDER 2
#define HEADER 8      /* of both lists; how many bytes follow is in its second half */
#define DESCRIPTOR 32 /* a user data segment of type 0 */
#define NAME_OFFSET 5
#define NAME_LENGTH 10

/* By REPORT SUPPORTED OPERATION CODES, for the one command. */
static bool has_command(Tape *t)
{
        struct tape_command cmd;
        command_init(&cmd, OP_REPORT_OPCODES);
        cmd.c.cdb[1] = REPORT_ACTION;
        cmd.c.cdb[2] = 2; /* operation code and service action */
        cmd.c.cdb[3] = command_opcode(OP_GENERATE_ORDER);
        cmd.c.cdb[5] = ACTION;
        cmd.c.cdb[9] = 32;
        command_data(t, &cmd, TRANSPORT_IN, 32);
        return command_run(t, &cmd) == 0 && cmd.sense.outcome == TAPE_GOOD && (t->scratch[1] & 0x07) == 3;
}

static void ask_limit(Tape *t)
{
        struct tape_command cmd;
        t->order_asked = true;
        if (!has_command(t))
                return;
        command_init(&cmd, OP_RECEIVE_ORDER);
        cmd.c.cdb[1] = UDS_LIMITS | ACTION;
        cmd.c.cdb[9] = 4;
        command_data(t, &cmd, TRANSPORT_IN, 4);
        if (command_run(t, &cmd) < 0 || cmd.sense.outcome != TAPE_GOOD || cmd.c.residual > 0)
                return;
        size_t fits = (t->info.max_transfer - HEADER) / DESCRIPTOR;
        t->order_limit = MIN(sg_get_unaligned_be16(t->scratch), fits);
}

int tape_recommended_limit(Tape *t, size_t *limit)
{
        if (!t->order_asked)
                ask_limit(t);
        *limit = t->order_limit;
        return t->order_limit > 0 ? 0 : -EOPNOTSUPP;
}

/* A refusal is no failure: who asks has an order of his own. */
static int run(
        Tape *t, enum operation operation, enum transport_direction direction, uint8_t *list, size_t size)
{
        struct tape_command cmd;
        command_init(&cmd, operation);
        cmd.c.cdb[1] = ACTION;
        if (operation == OP_GENERATE_ORDER)
                cmd.c.cdb[2] = PROCESS_REORDER;
        sg_put_unaligned_be32((uint32_t)size, cmd.c.cdb + 6);
        command_data(t, &cmd, direction, 0);
        cmd.iov = (struct iovec){ list, size };
        int r = command_run(t, &cmd);
        if (r == 0 && (cmd.sense.outcome != TAPE_GOOD || cmd.c.residual > 0)) {
                log_debug("%s: no recommended access order: %s", t->address,
                        tape_outcome_name(cmd.sense.outcome));
                r = -EOPNOTSUPP;
        }
        return r;
}

/* The first segment of one object would bind where the order starts, so each has two at least. */
static void put_ranges(uint8_t *list, const struct tape_range *ranges, size_t n)
{
        memset(list, 0, HEADER + n * DESCRIPTOR);
        sg_put_unaligned_be32((uint32_t)(n * DESCRIPTOR), list + 4);
        for (size_t i = 0; i < n; i++) {
                uint8_t *p = list + HEADER + i * DESCRIPTOR;
                char name[NAME_LENGTH + 1];
                snprintf(name, sizeof(name), "%010u", (unsigned)i);
                sg_put_unaligned_be16(DESCRIPTOR - 2, p);
                memcpy(p + NAME_OFFSET, name, NAME_LENGTH);
                sg_put_unaligned_be64(ranges[i].first, p + 16);
                sg_put_unaligned_be64(MAX(ranges[i].last, ranges[i].first + 1), p + 24);
        }
}

/* Each of them once, or it is no order. */
static int take_order(const uint8_t *list, size_t n, unsigned *order)
{
        g_autofree bool *seen = g_new0(bool, n);
        if ((list[0] & 0x07) != PROCESS_REORDER || sg_get_unaligned_be(4, list + 4) != n * DESCRIPTOR)
                return -EOPNOTSUPP;
        for (size_t i = 0; i < n; i++) {
                char name[NAME_LENGTH + 1] = "";
                memcpy(name, list + HEADER + i * DESCRIPTOR + NAME_OFFSET, NAME_LENGTH);
                unsigned long index = strtoul(name, NULL, 10);
                if (index >= n || seen[index])
                        return -EOPNOTSUPP;
                seen[index] = true;
                order[i] = (unsigned)index;
        }
        return 0;
}

int tape_recommended_order(Tape *t, const struct tape_range *ranges, size_t n, unsigned *order)
{
        size_t limit, size = HEADER + n * DESCRIPTOR;
        struct transport_limits limits;
        int r = tape_recommended_limit(t, &limit);
        if (r < 0 || n == 0)
                return r;
        if (n > limit)
                return -E2BIG;
        transport_limits(t->transport, &limits);
        void *list = NULL;
        if (posix_memalign(&list, MAX(limits.alignment, sizeof(void *)), size) != 0)
                return -ENOMEM;
        put_ranges(list, ranges, n);
        r = run(t, OP_GENERATE_ORDER, TRANSPORT_OUT, list, size);
        if (r == 0)
                r = run(t, OP_RECEIVE_ORDER, TRANSPORT_IN, list, size);
        if (r == 0)
                r = take_order(list, n, order);
        free(list);
        return r;
}

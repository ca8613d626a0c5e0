/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Open and close, load and unload, capacity. */
#include <errno.h>
#include <glib.h>
#include <scsi/sg_unaligned.h>
#include <stdlib.h>
#include <string.h>

#include <reelfs/log.h>

#include "private.h"

const char *tape_address(Tape *t)
{
        return t->address;
}

void tape_get_info(Tape *t, struct tape_info *info)
{
        *info = t->info;
}

static void tape_free(Tape *t)
{
        transport_close(t->transport);
        free(t->scratch);
        g_free(t->address);
        g_free(t);
}

static int probe(Tape *t)
{
        int r = probe_drive(t);
        if (r < 0 || !t->info.loaded)
                return r;
        r = probe_medium(t);
        t->former = t->mode;
        return r;
}

int tape_open(Transport *transport, const char *address, Tape **ret)
{
        struct transport_limits limits;
        transport_limits(transport, &limits);
        Tape *t = g_new0(Tape, 1);
        t->transport = transport;
        t->address = g_strdup(address);
        t->compression = -1;
        t->end = END_UNKNOWN;
        t->info.max_transfer = limits.max_transfer;
        t->info.locate16 = t->info.locate10 = t->info.read_position = t->info.space16 = t->info.capacity =
                true;
        void *scratch = NULL;
        int r = -posix_memalign(&scratch, MAX(limits.alignment, sizeof(void *)), TAPE_SCRATCH);
        t->scratch = scratch;
        t->opening = true;
        if (r == 0)
                r = probe(t);
        else
                r = log_error_errno(r, "%s: cannot open", address);
        t->opening = false;
        if (r < 0)
                tape_free(t);
        else
                *ret = t;
        return r;
}

/* Blocks as they were, so that tar and dd find what they left. */
static void restore_descriptor(Tape *t)
{
        struct tape_mode mode = t->mode;
        mode.block_length = t->former.block_length;
        mode.device_specific = t->former.device_specific;
        if (t->mode_changed && t->info.loaded && mode_select(t, &mode) < 0)
                log_warning("%s: the drive's former block length could not be restored", t->address);
}

void tape_close(Tape *t)
{
        if (!t)
                return;
        if (!t->gone) {
                t->opening = true;
                restore_descriptor(t);
                if (t->locked)
                        medium_lock(t, false);
        }
        tape_free(t);
}

/* SSC-5, LOAD UNLOAD */
static int load_unload(Tape *t, bool load)
{
        struct tape_command cmd;
        command_init(&cmd, OP_LOAD);
        cmd.c.cdb[4] = load;
        int r = command_do(t, &cmd);
        position_lost(t);
        return r;
}

static int load(Tape *t)
{
        int r = load_unload(t, true);
        if (r == 0)
                r = probe_ready(t);
        if (r == 0 && !t->info.loaded)
                r = log_error(-ENOMEDIUM, "%s: no tape in the drive; load one and try again", t->address);
        struct tape_mode ours = t->mode;
        if (r == 0)
                r = probe_medium(t);
        if (r < 0)
                return r;
        if (t->mode_changed) {
                /* Another tape may have come with modes of its own. */
                t->mode.block_length = t->info.block_length = ours.block_length;
                t->mode.device_specific = ours.device_specific;
                t->modes_stale = true;
        } else {
                t->former = t->mode;
        }
        position_known(t, 0);
        return 0;
}

int tape_load(Tape *t)
{
        t->opening = true;
        t->changed = false;
        t->end = END_UNKNOWN;
        int r = load(t);
        t->opening = false;
        return r;
}

int tape_unload(Tape *t)
{
        int r = t->locked ? tape_lock_medium(t, false) : 0;
        if (r == 0)
                r = load_unload(t, false);
        if (r == 0)
                t->info.loaded = false;
        return r;
}

/* Log page 31h, tape capacity, as LTO drives have it: parameters of 32 bits, in MiB. */
#define PAGE_CAPACITY 0x31
#define LOG_REPLY 256

static bool take_parameter(const uint8_t *page, size_t length, uint16_t wanted, uint64_t *bytes)
{
        for (size_t at = 4; at + 4 <= length; at += 4 + (size_t)page[at + 3]) {
                size_t size = page[at + 3];
                if (sg_get_unaligned_be16(page + at) != wanted || size == 0 || size > 8 ||
                        at + 4 + size > length)
                        continue;
                *bytes = sg_get_unaligned_be((int)size, page + at + 4) << 20;
                return true;
        }
        return false;
}

int tape_get_capacity(Tape *t, struct tape_capacity *capacity)
{
        *capacity = (struct tape_capacity){ 0 };
        if (!t->info.capacity)
                return -EOPNOTSUPP;
        struct tape_command cmd;
        command_init(&cmd, OP_LOG_SENSE);
        cmd.c.cdb[2] = 0x40 | PAGE_CAPACITY; /* PC 01b: cumulative values */
        sg_put_unaligned_be16(LOG_REPLY, cmd.c.cdb + 7);
        command_data(t, &cmd, TRANSPORT_IN, LOG_REPLY);
        int r = command_run(t, &cmd);
        if (r < 0)
                return r;
        if (cmd.sense.outcome == TAPE_ILLEGAL_REQUEST)
                return -EOPNOTSUPP;
        if (cmd.sense.outcome != TAPE_GOOD)
                return command_fail(t, &cmd);
        const uint8_t *page = t->scratch;
        size_t length = MIN(4 + (size_t)sg_get_unaligned_be16(page + 2), LOG_REPLY);
        /* Partition 0 has parameters 1 and 3, partition 1 has 2 and 4. */
        uint16_t remaining = t->partition ? 2 : 1, maximum = t->partition ? 4 : 3;
        if ((page[0] & 0x3f) != PAGE_CAPACITY ||
                !take_parameter(page, length, remaining, &capacity->remaining) ||
                !take_parameter(page, length, maximum, &capacity->maximum))
                return -EOPNOTSUPP;
        return 0;
}

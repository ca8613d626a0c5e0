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

char *tape_describe(Tape *t)
{
        return transport_describe(t->transport);
}

void tape_get_info(Tape *t, struct tape_info *info)
{
        *info = t->info;
}

static void tape_free(Tape *t)
{
        transport_close(t->transport);
        free(t->scratch);
        protection_free(t);
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
        if (r == 0)
                former_recall(t);
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
        t->end = t->warned_at = END_UNKNOWN;
        t->info.max_transfer = limits.max_transfer;
        t->outlives = limits.outlives;
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
        if (!t->mode_changed || !t->info.loaded)
                return;
        if (mode_select(t, &mode) < 0)
                log_warning("%s: the drive's former block length could not be restored", t->address);
        else
                former_forget(t);
}

void tape_close(Tape *t)
{
        if (!t)
                return;
        if (!t->gone) {
                t->opening = true;
                tape_set_protection(t, false);
                restore_descriptor(t);
                warning_put_back(t);
                if (t->locked)
                        medium_lock(t, false);
                reservation_release(t);
        }
        tape_free(t);
}

void tape_be_quiet(Tape *t, bool quiet)
{
        t->quiet = quiet;
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
        uint32_t block_length = t->info.block_length;
        if (r == 0)
                r = probe_medium(t);
        if (r < 0)
                return r;
        if (t->mode_changed) {
                /* Another tape may have come with modes of its own. */
                t->mode.block_length = ours.block_length;
                t->info.block_length = block_length;
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
        t->end = t->warned_at = END_UNKNOWN;
        int r = load(t);
        t->opening = false;
        return r;
}

int tape_unload(Tape *t)
{
        int r = tape_lock_medium(t, false); /* who was killed has left it locked */
        if (r == 0)
                r = load_unload(t, false);
        if (r == 0)
                t->info.loaded = false;
        return r;
}

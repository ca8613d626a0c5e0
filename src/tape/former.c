/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A process that is killed cannot restore the block length that it found. So that is kept in a file as long
 * as another one is set, by the drive's serial number, below /run/reelfs: for who comes next, until the
 * machine is started anew. */
#include <errno.h>
#include <glib.h>
#include <glib/gstdio.h>
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include <reelfs/log.h>

#include "private.h"

/* NULL: the drive's modes end with this process, or it cannot be told from others. The caller frees. */
static char *state_path(const Tape *t)
{
        const struct tape_info *i = &t->info;
        if (!t->outlives || !i->serial[0])
                return NULL;
        g_autofree char *name = g_strdup_printf("drive-%s-%s-%s", i->vendor, i->product, i->serial);
        g_strdelimit(name, "/ ", '_');
        if (geteuid() == 0)
                return g_build_filename("/run/reelfs", name, NULL);
        return g_build_filename(g_get_user_runtime_dir(), "reelfs", name, NULL);
}

void former_keep(const Tape *t, const struct tape_mode *mode)
{
        g_autofree char *path = state_path(t);
        if (!path)
                return;
        g_autofree char *directory = g_path_get_dirname(path);
        g_autofree char *text = g_strdup_printf("%" PRIu32 " %u, was %" PRIu32 " %u\n", mode->block_length,
                mode->device_specific, t->former.block_length, t->former.device_specific);
        if (g_mkdir_with_parents(directory, 0700) < 0 || !g_file_set_contents(path, text, -1, NULL))
                log_debug("%s: cannot be written; should this process be killed, the drive keeps its block "
                          "length",
                        path);
}

void former_recall(Tape *t)
{
        g_autofree char *path = state_path(t), *text = NULL;
        uint32_t length, former;
        unsigned specific, former_specific;
        if (!path || !g_file_get_contents(path, &text, NULL, NULL))
                return;
        if (sscanf(text, "%" SCNu32 " %u, was %" SCNu32 " %u", &length, &specific, &former,
                    &former_specific) == 4 &&
                length == t->mode.block_length) {
                log_debug("%s: a process that was killed had set blocks of %" PRIu32
                          " bytes; they were %" PRIu32,
                        t->address, length, former);
                t->former.block_length = former;
                t->former.device_specific = (uint8_t)former_specific;
                t->mode_changed = true;
        } else {
                g_unlink(path); /* somebody has set another one since */
        }
}

void former_forget(const Tape *t)
{
        g_autofree char *path = state_path(t);
        if (path)
                g_unlink(path);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What may be overwritten (WORM media, append-only mode), and where the end begins (programmable early
 * warning). */
#include <errno.h>
#include <glib.h>
#include <scsi/sg_unaligned.h>

#include <reelfs/log.h>

#include "private.h"

#define PAGE_MEDIUM 0x1d        /* SSC-5, medium configuration */
#define PAGE_CONFIGURATION 0x10 /* and its subpage, device configuration extension */
#define SUBPAGE_EXTENSION 0x01
#define EXTENSION_LENGTH 8 /* that much of it is used */
#define ATTRIBUTE_MEDIUM_TYPE 0x0408
#define MEDIUM_TYPE_WORM 0x80
#define MEGABYTE 1000000u
#define CURRENT_POSITION 0x01

/* By the mode page, or else the memory in the cartridge. */
static int probe_worm(Tape *t)
{
        struct tape_attribute a;
        struct tape_mode mode;
        uint64_t type;
        t->info.worm = false;
        int r = mode_sense(t, PAGE_MEDIUM, 0, &mode);
        if (r == 0 && mode.page_length > 2) {
                t->info.worm = mode.page[2] & 0x01; /* WORMM */
                return 0;
        }
        if (r == 0 || r == -EOPNOTSUPP)
                r = tape_read_attribute(t, ATTRIBUTE_MEDIUM_TYPE, &a);
        if (r == 0)
                t->info.worm = attribute_get_number(&a, &type) && type == MEDIUM_TYPE_WORM;
        return r == -EOPNOTSUPP || r == -ENODATA ? 0 : r;
}

/* -EOPNOTSUPP, not logged: the drive has no such page, or less of it than counts. */
static int read_extension(Tape *t, struct tape_mode *mode)
{
        int r = mode_sense(t, PAGE_CONFIGURATION, SUBPAGE_EXTENSION, mode);
        return r == 0 && mode->page_length < EXTENSION_LENGTH ? -EOPNOTSUPP : r;
}

int protect_probe(Tape *t)
{
        struct tape_mode mode;
        int r = probe_worm(t);
        if (r < 0)
                return r;
        r = read_extension(t, &mode);
        t->info.programmable_warning = r == 0;
        t->info.append_only = r == 0 && mode.page[5] >> 4 == 1; /* WRITE MODE */
        return r == -EOPNOTSUPP ? 0 : r;
}

int tape_allow_overwrite(Tape *t)
{
        struct tape_command cmd;
        if (t->info.worm)
                return log_error(-EROFS, "%s: what is on a WORM tape cannot be overwritten; use another tape",
                        t->address);
        if (!t->info.append_only)
                return 0;
        int r = position_require(t);
        if (r < 0)
                return r;
        command_init(&cmd, OP_ALLOW_OVERWRITE);
        cmd.c.cdb[2] = CURRENT_POSITION;
        cmd.c.cdb[3] = (uint8_t)t->partition;
        sg_put_unaligned_be64(t->object, cmd.c.cdb + 4);
        return command_do(t, &cmd);
}

/* ---- Programmable early warning */

static int set_warning(Tape *t, uint16_t megabytes, uint16_t *former)
{
        struct tape_mode mode;
        int r = read_extension(t, &mode);
        if (r < 0)
                return r;
        *former = sg_get_unaligned_be16(mode.page + 6);
        if (*former == megabytes)
                return 0;
        sg_put_unaligned_be16(megabytes, mode.page + 6);
        return mode_select(t, &mode);
}

int tape_set_early_warning(Tape *t, uint64_t bytes)
{
        uint64_t megabytes = bytes / MEGABYTE + (bytes % MEGABYTE > 0);
        uint16_t want = (uint16_t)MIN(megabytes, UINT16_MAX), former;
        int r = t->info.programmable_warning ? set_warning(t, want, &former) : -EOPNOTSUPP;
        if (r < 0)
                return r;
        if (!t->warning_set)
                t->former_warning = former;
        t->warning_set = true;
        t->warning = want;
        return 0;
}

void warning_renew(Tape *t)
{
        uint16_t former;
        if (!t->warning_lost)
                return;
        t->warning_lost = false;
        if (set_warning(t, t->warning, &former) < 0)
                log_debug("%s: early warning is where the drive has it", t->address);
}

void warning_put_back(Tape *t)
{
        uint16_t former;
        if (t->warning_set && t->info.loaded && set_warning(t, t->former_warning, &former) < 0)
                log_warning("%s: the drive's former early warning could not be restored", t->address);
}

/* The drive says the programmed one once, and its own with every write. */
void warning_note(Tape *t, const struct tape_sense *s)
{
        bool programmed = s->key == 0 && s->asc == 0x00 && s->ascq == 0x07;
        if (programmed)
                t->warned_at = t->object;
        else if (t->object < t->warned_at)
                t->warned_at = END_UNKNOWN;
        t->early_warning = s->eom || t->object >= t->warned_at;
}

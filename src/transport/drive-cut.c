/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What becomes of data that the drive has accepted and that is not on the medium yet: power cuts, losses that
 * are found out later; and of what was there before. */
#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <scsi/sg_unaligned.h>
#include <unistd.h>

#include <reelfs/log.h>
#include <reelfs/util.h>

#include "drive.h"

uint64_t drive_buffered(const struct drive *d)
{
        return cartridge_count(d->cartridge) - d->synced;
}

/* ---- Remains */

static char *remains_path(const char *path)
{
        return g_strconcat(path, ".remains", NULL);
}

static int copy_to(const Cartridge *c, const char *path)
{
        autofd fd = -1;
        int r = create_anew(path, &fd);
        return r ?: cartridge_copy(c, fd);
}

int drive_keep_remains(struct drive *d)
{
        if (!d->settings.cartridge.remains || d->position >= cartridge_count(d->cartridge))
                return 0;
        g_autofree char *path = remains_path(d->path);
        int r = copy_to(d->cartridge, path);
        if (r < 0)
                log_debug("%s: what is overwritten cannot be kept", path);
        return r;
}

/* *old: NULL if there are none. */
static int open_remains(const struct drive *d, Cartridge **old)
{
        g_autofree char *path = remains_path(d->path);
        *old = NULL;
        return access(path, F_OK) < 0 ? 0 : cartridge_open(path, true, old);
}

/* ---- Power cuts */

/* Objects that are on the medium when the power goes. */
static uint64_t kept(const struct drive *d, uint64_t lost)
{
        uint64_t count = cartridge_count(d->cartridge);
        uint64_t on = count - MIN(lost, drive_buffered(d));
        return d->losing ? MIN(on, d->lost_from) : on;
}

/* fd: of a copy, or -1: of the cartridge itself. */
static int write_tail(const struct drive *d, int fd, uint64_t object, enum virtual_tail tail)
{
        static const enum cartridge_tail tails[] = {
                [VIRTUAL_TAIL_NONE] = CARTRIDGE_TAIL_NONE,
                [VIRTUAL_TAIL_BLOCK] = CARTRIDGE_TAIL_BLOCK,
                [VIRTUAL_TAIL_OLD] = CARTRIDGE_TAIL_OLD,
        };
        Cartridge *old = NULL;
        int r = 0;
        if (tail == VIRTUAL_TAIL_OLD)
                r = open_remains(d, &old);
        if (r == 0)
                r = cartridge_write_tail(d->cartridge, fd, object, tails[tail], old);
        cartridge_close(old);
        return r;
}

static const struct drive_state *memory_after(const struct drive *d, enum virtual_memory memory)
{
        const struct drive_state *const memories[] = {
                [VIRTUAL_MEMORY_KEPT] = &d->state,
                [VIRTUAL_MEMORY_PREVIOUS] = &d->previous_memory,
                [VIRTUAL_MEMORY_LOADED] = &d->loaded_memory,
        };
        return memories[memory];
}

static enum virtual_tail tail_of(const struct drive *d, const struct virtual_cut *cut)
{
        return d->open_end ? cut->tail : VIRTUAL_TAIL_END;
}

static int cut_by_objects(struct drive *d, const struct virtual_cut *cut)
{
        enum virtual_tail tail = tail_of(d, cut);
        uint64_t object = kept(d, cut->lost);
        if (cut->memory != VIRTUAL_MEMORY_KEPT) {
                drive_state_recall(&d->state, memory_after(d, cut->memory));
                drive_keep(d);
        }
        if (tail == VIRTUAL_TAIL_END)
                return cartridge_cut(d->cartridge, object, 0);
        return write_tail(d, -1, object, tail);
}

int drive_cut_power(struct drive *d, const struct virtual_cut *cut, double keep)
{
        if (!d->cartridge)
                return 0;
        int r = cut ? cut_by_objects(d, cut) : cartridge_cut(d->cartridge, d->synced, keep);
        drive_reserve_power_off(d);
        cartridge_close(g_steal_pointer(&d->cartridge));
        return r < 0 ? log_error_errno(r, "%s: cannot cut the cartridge", d->path) : 0;
}

static int snapshot_remains(const struct drive *d, const char *path)
{
        g_autofree char *name = remains_path(path);
        Cartridge *old;
        int r = open_remains(d, &old);
        if (r == 0 && old)
                r = copy_to(old, name);
        else if (r == 0)
                unlink(name);
        cartridge_close(old);
        return r;
}

/* The copy at path. */
static int snapshot_medium(struct drive *d, const char *path, const struct virtual_cut *cut)
{
        autofd fd = -1;
        int r = create_anew(path, &fd) ?: cartridge_copy(d->cartridge, fd);
        if (r < 0 || !cut)
                return r;
        uint64_t object = kept(d, cut->lost);
        if (tail_of(d, cut) != VIRTUAL_TAIL_END)
                return write_tail(d, fd, object, cut->tail);
        if (object == cartridge_count(d->cartridge))
                return 0;
        return ftruncate(fd, (off_t)cartridge_place(d->cartridge, object)) < 0 ? -errno : 0;
}

/* The chip and the reservations as they would be. */
static int snapshot_state(struct drive *d, const char *path, const struct virtual_cut *cut)
{
        struct drive_state state = { 0 };
        if (!cut)
                return drive_state_copy(d->path, path, &d->state);
        drive_state_remember(memory_after(d, cut->memory), &state);
        int r = drive_state_copy(d->path, path, &state);
        drive_state_clear(&state);
        return r;
}

int drive_snapshot(struct drive *d, const char *path, const struct virtual_cut *cut)
{
        if (!d->cartridge)
                return -ENODEV;
        int r = snapshot_medium(d, path, cut);
        if (r == 0)
                r = snapshot_state(d, path, cut);
        if (r == 0)
                r = snapshot_remains(d, path);
        return r < 0 ? log_error_errno(r, "%s: cannot copy the cartridge", path) : 0;
}

/* ---- Losses */

void drive_lose(struct drive *d, const struct virtual_loss *loss)
{
        if (!d->loaded) /* its buffer was written */
                return;
        uint64_t count = cartridge_count(d->cartridge);
        d->losing = true;
        d->loss = *loss;
        d->lost_from = count - MIN(loss->objects, drive_buffered(d));
}

static bool writes_filemarks(const struct request *r)
{
        return r->cdb[0] == 0x10 || r->cdb[0] == 0x80;
}

static bool is_synchronizing(const struct drive_command *c, const struct request *r)
{
        bool immediate = r->cdb[1] & 0x01;
        return c->flags & COMMAND_SYNCHRONIZES || (writes_filemarks(r) && !immediate);
}

/* SSC-5, WRITE FILEMARKS: all that is not written, earlier blocks included, is the information. further:
 * filemarks of this command that are not in the buffer. */
static void report(struct drive *d, struct request *r, uint64_t further)
{
        bool current = d->loss.current && writes_filemarks(r) && !(r->cdb[1] & 0x01);
        uint64_t missing = cartridge_count(d->cartridge) - d->lost_from + further;
        if (current)
                request_fail_information(r, SENSE_WRITE_ERROR, (int64_t)missing);
        else
                request_fail(r, SENSE_WRITE_ERROR);
        r->sense.deferred = !current;
}

/* The data ends where the loss begins. */
static int lose(struct drive *d)
{
        uint64_t object = MIN(d->lost_from, cartridge_count(d->cartridge));
        int r = d->loss.tail == VIRTUAL_TAIL_END ? cartridge_truncate(d->cartridge, object)
                                                 : cartridge_tear(d->cartridge, object);
        if (r < 0)
                log_debug("%s: the cartridge cannot be cut", d->path);
        d->synced = object;
        d->flushed = MIN(d->flushed, object);
        d->position = object;
        d->open_end = false;
        d->losing = false;
        d->fenced = d->loss.fence;
        return r;
}

bool drive_report_loss(struct drive *d, const struct drive_command *c, struct request *r)
{
        if (d->fenced && c->flags & COMMAND_WRITES)
                request_fail(r, SENSE_WRITE_ERROR);
        if (d->fenced || !d->losing || c->flags & COMMAND_IGNORES_ATTENTION)
                return r->check;
        if (!is_synchronizing(c, r) && d->loss.commands > 0) {
                d->loss.commands--;
                return false;
        }
        report(d, r, writes_filemarks(r) ? sg_get_unaligned_be24(r->cdb + (r->cdb[0] == 0x10 ? 2 : 12)) : 0);
        lose(d);
        return true;
}

void drive_lose_unflushed(struct drive *d, struct request *r)
{
        d->loss = (struct virtual_loss){ .tail = VIRTUAL_TAIL_END, .current = true };
        d->lost_from = d->flushed;
        report(d, r, 0);
        r->transferred = 0;
        if (lose(d) < 0)
                d->fenced = true; /* what is behind must not be taken for data that is on the tape */
}

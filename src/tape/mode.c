/* SPDX-License-Identifier: GPL-2.0-or-later */
/* MODE SENSE and MODE SELECT (SPC-5; SSC-5, 8.5): block length, buffered mode, compression; and the medium
 * lock. */
#include <errno.h>
#include <glib.h>
#include <inttypes.h>
#include <scsi/sg_unaligned.h>
#include <string.h>

#include <reelfs/log.h>

#include "private.h"

#define DESCRIPTOR_LENGTH 8
#define SUBPAGES 0x40 /* SPF */
#define PAGE_ALL 0x3f
#define PAGE_COMPRESSION 0x0f
#define PAGE_DEVICE_CONFIGURATION 0x10

/* SSC-5, 8.5.3: the device-specific parameter */
#define WRITE_PROTECT 0x80
#define BUFFERED_MODE 0x70
#define BUFFERED_MODE_1 0x10

/* The mode parameter headers of (6) and (10): which bytes hold what. */
static const struct header {
        size_t size, device_specific, descriptor_length, max_reply;
        enum operation sense, select;
} header6 = { 4, 2, 3, 252, OP_MODE_SENSE6, OP_MODE_SELECT6 },
  header10 = { 8, 3, 7, 1024, OP_MODE_SENSE10, OP_MODE_SELECT10 };

static const struct header *header_of(const Tape *t)
{
        return t->mode6 ? &header6 : &header10;
}

/* The reply names its own length, less the length field. */
static size_t reply_length(const Tape *t, const struct tape_command *cmd)
{
        size_t stated = t->mode6 ? 1 + (size_t)t->scratch[0] : 2 + (size_t)sg_get_unaligned_be16(t->scratch);
        return MIN(stated, cmd->iov.iov_len);
}

static int parse_reply(
        const Tape *t, const struct tape_command *cmd, uint8_t page, uint8_t subpage, struct tape_mode *mode)
{
        const struct header *h = header_of(t);
        const uint8_t *p = t->scratch;
        size_t length = reply_length(t, cmd);
        *mode = (struct tape_mode){ 0 };
        if (length < h->size)
                return -EPROTO;
        mode->device_specific = p[h->device_specific];
        size_t descriptors = p[h->descriptor_length];
        if (descriptors >= DESCRIPTOR_LENGTH && length >= h->size + DESCRIPTOR_LENGTH) {
                mode->has_descriptor = true;
                mode->density = p[h->size];
                mode->block_length = sg_get_unaligned_be24(p + h->size + 5);
        }
        size_t at = h->size + descriptors;
        if (length >= at + 4 && subpage && (p[at] & 0x7f) == (SUBPAGES | page) && p[at + 1] == subpage)
                mode->page_length = 4 + (size_t)sg_get_unaligned_be16(p + at + 2);
        else if (length >= at + 2 && !subpage && (p[at] & 0x7f) == page)
                mode->page_length = 2 + (size_t)p[at + 1];
        mode->page_length = MIN(MIN(mode->page_length, length - MIN(at, length)), sizeof(mode->page));
        memcpy(mode->page, p + at, mode->page_length);
        return 0;
}

static void init_sense(Tape *t, uint8_t page, uint8_t subpage, struct tape_command *cmd)
{
        const struct header *h = header_of(t);
        command_init(cmd, h->sense);
        cmd->c.cdb[2] = page;
        cmd->c.cdb[3] = subpage;
        command_data(t, cmd, TRANSPORT_IN, h->max_reply);
        if (t->mode6)
                cmd->c.cdb[4] = (uint8_t)h->max_reply;
        else
                sg_put_unaligned_be16((uint16_t)h->max_reply, cmd->c.cdb + 7);
}

/* True if the (10) form was refused as such, and (6) is to be tried. */
static bool fall_back_to_6(Tape *t, const struct tape_command *cmd)
{
        if (t->mode6 || cmd->sense.outcome != TAPE_ILLEGAL_REQUEST || cmd->sense.asc != 0x20)
                return false;
        t->mode6 = true;
        return true;
}

int mode_sense(Tape *t, uint8_t page, uint8_t subpage, struct tape_mode *mode)
{
        struct tape_command cmd;
        do {
                init_sense(t, page, subpage, &cmd);
                int r = command_run(t, &cmd);
                if (r < 0)
                        return r;
        } while (fall_back_to_6(t, &cmd));
        if (cmd.sense.outcome == TAPE_ILLEGAL_REQUEST)
                return -EOPNOTSUPP;
        if (cmd.sense.outcome != TAPE_GOOD)
                return command_fail(t, &cmd);
        int r = parse_reply(t, &cmd, page, subpage, mode);
        return r < 0 ? log_error_errno(r, "%s: the drive's modes cannot be read", t->address) : 0;
}

/* SPC-5, MODE SELECT: the mode data length, WP and the page's PS bit are reserved here. */
static void init_select(Tape *t, const struct tape_mode *mode, struct tape_command *cmd)
{
        const struct header *h = header_of(t);
        size_t size = h->size + DESCRIPTOR_LENGTH + mode->page_length;
        command_init(cmd, h->select);
        cmd->c.cdb[1] = 0x10; /* PF */
        if (t->mode6)
                cmd->c.cdb[4] = (uint8_t)size;
        else
                sg_put_unaligned_be16((uint16_t)size, cmd->c.cdb + 7);
        command_data(t, cmd, TRANSPORT_OUT, size);
        uint8_t *p = t->scratch;
        memset(p, 0, size);
        p[h->device_specific] = mode->device_specific & ~WRITE_PROTECT;
        p[h->descriptor_length] = DESCRIPTOR_LENGTH;
        p[h->size] = mode->density;
        sg_put_unaligned_be24(mode->block_length, p + h->size + 5);
        if (mode->page_length) {
                memcpy(p + h->size + DESCRIPTOR_LENGTH, mode->page, mode->page_length);
                p[h->size + DESCRIPTOR_LENGTH] &= 0x7f;
        }
}

static int run_select(Tape *t, const struct tape_mode *mode, struct tape_command *cmd)
{
        do {
                init_select(t, mode, cmd);
                int r = command_run(t, cmd);
                if (r < 0)
                        return r;
        } while (fall_back_to_6(t, cmd));
        return 0;
}

int mode_select(Tape *t, const struct tape_mode *mode)
{
        struct tape_command cmd;
        int r = run_select(t, mode, &cmd);
        if (r < 0)
                return r;
        return cmd.sense.outcome == TAPE_GOOD ? 0 : command_fail(t, &cmd);
}

int mode_offer(Tape *t, const struct tape_mode *mode)
{
        struct tape_command cmd;
        bool other_length = mode->block_length != t->mode.block_length;
        if (other_length)
                former_keep(t, mode);
        int r = run_select(t, mode, &cmd);
        if (r == 0 && cmd.sense.outcome != TAPE_GOOD)
                r = cmd.sense.outcome == TAPE_ILLEGAL_REQUEST ? -EOPNOTSUPP : command_fail(t, &cmd);
        if (r == 0 && other_length) {
                t->mode.block_length = mode->block_length;
                t->mode_changed = true;
        } else if (other_length && t->mode_changed) {
                former_keep(t, &t->mode);
        } else if (other_length) {
                former_forget(t);
        }
        return r;
}

/* As drives count it, with what follows each block on the way. */
static uint32_t wire_length(const Tape *t, uint32_t length)
{
        return length ? length + t->protection : 0;
}

int mode_probe(Tape *t)
{
        /* Any page brings the header and the block descriptor along; not every drive has each. */
        static const uint8_t pages[] = { PAGE_DEVICE_CONFIGURATION, PAGE_ALL, 0 };
        int r = -EOPNOTSUPP;
        for (size_t i = 0; i < G_N_ELEMENTS(pages) && r == -EOPNOTSUPP; i++)
                r = mode_sense(t, pages[i], 0, &t->mode);
        if (r < 0)
                return r;
        t->mode.page_length = 0;
        t->info.write_protected = t->mode.device_specific & WRITE_PROTECT;
        t->info.block_length = t->mode.block_length - MIN(t->mode.block_length, t->protection);
        t->info.density = t->mode.density;
        return 0;
}

static int check_block_length(Tape *t, uint32_t length)
{
        const struct tape_info *i = &t->info;
        uint32_t max = i->max_block ? i->max_block : 0xffffff;
        if (length == 0 && !i->fixed_only)
                return 0;
        if (length < i->min_block || length > max)
                return log_error(-EMSGSIZE,
                        "%s: blocks of %" PRIu32 " bytes: the drive takes %" PRIu32 " to %" PRIu32,
                        t->address, length, i->min_block, max);
        if (length + t->protection > i->max_transfer)
                return log_error(-EMSGSIZE, "%s: blocks of %" PRIu32 " bytes: one command moves at most %zu",
                        t->address, length, i->max_transfer);
        return 0;
}

/* What is wanted is kept first: a process may be killed at any point. */
static int select_kept(Tape *t, const struct tape_mode *want)
{
        former_keep(t, want);
        int r = mode_select(t, want);
        if (r == 0)
                t->mode_changed = true;
        else if (t->mode_changed)
                former_keep(t, &t->mode);
        else
                former_forget(t);
        return r;
}

int tape_set_block_length(Tape *t, uint32_t length)
{
        int r = check_block_length(t, length);
        if (r < 0)
                return r;
        struct tape_mode want = t->mode;
        want.block_length = wire_length(t, length);
        if (!(want.device_specific & BUFFERED_MODE))
                want.device_specific |= BUFFERED_MODE_1;
        if (t->mode.has_descriptor && want.block_length == t->mode.block_length &&
                want.device_specific == t->mode.device_specific) {
                t->mode_wanted = true;
                return 0;
        }
        r = select_kept(t, &want);
        if (r < 0)
                return r;
        r = mode_probe(t);
        if (t->mode.block_length != want.block_length)
                former_keep(t, &t->mode);
        if (r == 0 && t->mode.has_descriptor && t->mode.block_length != want.block_length)
                return log_error(-EMSGSIZE,
                        "%s: blocks of %" PRIu32 " bytes: the drive set %" PRIu32 " instead", t->address,
                        length, t->info.block_length);
        t->mode.block_length = want.block_length;
        t->info.block_length = length;
        return r == -EOPNOTSUPP ? 0 : r;
}

/* SSC-5, 8.5.2: DCC says that the drive can compress, DCE turns it on. */
int tape_set_compression(Tape *t, bool on)
{
        struct tape_mode mode;
        int r = mode_sense(t, PAGE_COMPRESSION, 0, &mode);
        if (r == -EOPNOTSUPP)
                return 0;
        if (r < 0)
                return r;
        if (mode.page_length < 3 || !(mode.page[2] & 0x40))
                return 0;
        t->compression = on;
        if (on == !!(mode.page[2] & 0x80))
                return 0;
        mode.page[2] = on ? mode.page[2] | 0x80 : mode.page[2] & 0x7f;
        return mode_select(t, &mode);
}

/* SPC-5, PREVENT ALLOW MEDIUM REMOVAL */
int medium_lock(Tape *t, bool lock)
{
        struct tape_command cmd;
        command_init(&cmd, OP_PREVENT);
        cmd.c.cdb[4] = lock;
        int r = command_run(t, &cmd);
        if (r < 0 || cmd.sense.outcome == TAPE_GOOD || cmd.sense.outcome == TAPE_ILLEGAL_REQUEST)
                return r;
        return command_fail(t, &cmd);
}

int tape_lock_medium(Tape *t, bool lock)
{
        int r = medium_lock(t, lock);
        if (r == 0)
                t->locked = lock;
        return r;
}

int mode_restore(Tape *t)
{
        /* It can wait; what takes long here is interrupted by the next reset. */
        t->warning_lost = t->warning_set;
        int r = reservation_restore(t);
        if (r == 0 && (t->mode_changed || t->mode_wanted))
                r = mode_select(t, &t->mode);
        if (r == 0 && t->compression >= 0)
                r = tape_set_compression(t, t->compression);
        if (r == 0)
                r = protection_restore(t);
        if (r == 0 && t->locked)
                r = medium_lock(t, true);
        return r;
}

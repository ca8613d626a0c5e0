/* SPDX-License-Identifier: GPL-2.0-or-later */
/* READ, WRITE, WRITE FILEMARKS and ERASE. */
#include <errno.h>
#include <glib.h>
#include <scsi/sg_unaligned.h>

#include <reelfs/util.h>

#include "drive.h"

/* TRANSFER LENGTH of a READ(6) or WRITE(6). */
struct transfer {
        bool fixed;
        uint32_t count;  /* blocks if fixed, else bytes */
        uint32_t length; /* bytes of a block, as it is transferred */
        uint32_t data;   /* those that are on the tape */
        size_t blocks;
};

/* Whether there is anything to do; if not for an error, its sense is set. */
static bool get_transfer(
        const struct drive *d, struct request *r, enum transport_direction direction, struct transfer *t)
{
        bool fixed = r->cdb[1] & 0x01;
        uint32_t count = sg_get_unaligned_be24(r->cdb + 2), extra = drive_mode_protection(d, direction);
        uint32_t length = fixed ? d->mode.block_length : count;
        *t = (struct transfer){ fixed, count, length, length - MIN(length, extra), fixed ? count : 1 };
        if (fixed ? t->length == 0 : drive_lacks(d, VIRTUAL_NO_VARIABLE))
                request_invalid_field(r, 1, 0);
        else if (t->length > SETTINGS_MAX_BLOCK + extra || (t->length > 0 && t->data == 0))
                request_invalid_field(r, 2, 7);
        if (r->check || count == 0)
                return false;
        return request_expect(r, direction, (uint64_t)t->length * t->blocks);
}

static bool is_unreadable(const struct drive *d, uint64_t object)
{
        const struct settings *s = &d->settings;
        for (unsigned i = 0; i < s->n_unreadable; i++)
                if (object >= s->unreadable[i].first && object <= s->unreadable[i].last)
                        return true;
        return false;
}

/* As many records of the right length as follow each other, at most the transfer's. */
static void read_fixed(struct drive *d, struct request *r, const struct transfer *t)
{
        size_t run = 0, nread;
        uint32_t length = t->data;
        while (run < t->blocks && cartridge_kind(d->cartridge, d->position + run) == CARTRIDGE_RECORD &&
                !is_unreadable(d, d->position + run) &&
                cartridge_length(d->cartridge, d->position + run, &length) == 0 && length == t->data)
                run++;
        const struct transport_command *c = r->command;
        int error = drive_fetch(d, run, t->data, c->iov, c->iovcnt, &nread);
        int64_t missing = (int64_t)(t->blocks - nread);
        r->transferred = nread * t->length;
        d->position += nread;
        if (missing == 0)
                return;
        if (error == 0 && length != t->data) {
                request_fail_information(r, SENSE_NONE, missing);
                r->sense.ili = true;
                d->position++;
                return;
        }
        drive_stop(d, r, missing);
}

/* SSC-5, READ(6): SILI suppresses underlength, and overlength only while the block descriptor says variable.
 */
static void read_variable(struct drive *d, struct request *r, const struct transfer *t, bool sili)
{
        const struct transport_command *c = r->command;
        uint32_t length;
        size_t nread;
        if (cartridge_kind(d->cartridge, d->position) != CARTRIDGE_RECORD || is_unreadable(d, d->position) ||
                cartridge_length(d->cartridge, d->position, &length) < 0)
                return drive_stop(d, r, t->length);
        uint32_t data = length;
        length += drive_mode_protection(d, TRANSPORT_IN);
        size_t bytes = MIN(length, t->length);
        g_autofree struct iovec *iov = g_try_new(struct iovec, c->iovcnt);
        if (!iov)
                return request_fail(r, SENSE_INTERNAL_FAILURE);
        int iovcnt = iov_slice(c->iov, c->iovcnt, 0, bytes, iov);
        if (drive_fetch(d, 1, data, iov, iovcnt, &nread) < 0)
                return drive_stop(d, r, t->length);
        r->transferred = bytes;
        d->position++;
        bool suppressed = sili && (length < t->length || d->mode.block_length == 0);
        if (length != t->length && !suppressed) {
                request_fail_information(r, SENSE_NONE, (int64_t)t->length - length);
                r->sense.ili = true;
        }
}

void drive_read(struct drive *d, struct request *r)
{
        struct transfer t;
        bool sili = r->cdb[1] & 0x02;
        if (sili && (r->cdb[1] & 0x01))
                return request_invalid_field(r, 1, 1);
        if (!get_transfer(d, r, TRANSPORT_IN, &t))
                return;
        d->statistics.reads++;
        drive_synchronize(d);
        uint64_t from = d->position;
        if (t.fixed)
                read_fixed(d, r, &t);
        else
                read_variable(d, r, &t, sili);
        drive_time_read(d, from, r->transferred);
        d->bytes_read += r->transferred;
}

/* Blocks of this transfer that fit before the end of the medium. */
static size_t blocks_that_fit(const struct drive *d, const struct transfer *t)
{
        uint64_t capacity = d->settings.cartridge.capacity;
        if (capacity == 0)
                return t->blocks;
        uint64_t used = drive_used_before(d, d->position);
        return used < capacity ? MIN(t->blocks, (capacity - used) / t->data) : 0;
}

static uint32_t filemarks_that_fit(const struct drive *d, uint32_t count)
{
        const struct virtual_cartridge *c = &d->settings.cartridge;
        if (c->capacity == 0 || c->filemark_size == 0 || count == 0)
                return count;
        uint64_t used = drive_used_before(d, d->position);
        return used < c->capacity ? (uint32_t)MIN(count, (c->capacity - used) / c->filemark_size) : 0;
}

/* SSC-5, programmable early warning: said once on the way into its zone, before early warning is said. */
static bool enters_programmed_warning(struct drive *d)
{
        const struct virtual_cartridge *c = &d->settings.cartridge;
        uint64_t zone = drive_mode_early_warning(d), begin = c->capacity - c->early_warning;
        bool inside = c->capacity > 0 && zone > 0 && drive_used_before(d, d->position) + zone >= begin;
        bool enters = inside && !d->warned;
        d->warned = inside;
        return enters;
}

/* What was after the position is gone, as on any tape. */
static int cut_here(struct drive *d)
{
        int r = drive_keep_remains(d);
        if (r == 0)
                r = cartridge_truncate(d->cartridge, d->position);
        d->synced = MIN(d->synced, d->position);
        d->flushed = MIN(d->flushed, d->position);
        d->open_end = true;
        return r;
}

/* Ends a command that wrote; missing: blocks, bytes or filemarks that it did not write, for error. */
static void finish_write(struct drive *d, struct request *r, int error, int64_t missing)
{
        if (error == -ENOSPC || error == -EDQUOT || error == -EFBIG)
                request_fail_information(r, SENSE_VOLUME_OVERFLOW, missing);
        else if (error == -EILSEQ)
                request_fail_information(r, SENSE_GUARD_CHECK, missing);
        else if (error < 0)
                request_fail_information(r, SENSE_WRITE_ERROR, missing);
        else if (enters_programmed_warning(d))
                request_fail_information(r, SENSE_PROGRAMMED_WARNING, 0);
        else if (drive_past_early_warning(d, d->position))
                request_fail_information(r, SENSE_END_OF_PARTITION, 0);
        enum sense_code code = r->sense.code;
        r->sense.eom = code == SENSE_VOLUME_OVERFLOW || code == SENSE_END_OF_PARTITION ||
                code == SENSE_PROGRAMMED_WARNING;
}

void drive_write(struct drive *d, struct request *r)
{
        const struct transport_command *c = r->command;
        struct transfer t;
        size_t written = 0;
        if (!get_transfer(d, r, TRANSPORT_OUT, &t))
                return;
        if (!drive_may_write(d, r))
                return;
        d->statistics.writes++;
        uint64_t from = d->position;
        size_t fit = blocks_that_fit(d, &t);
        int error = drive_note_change(d);
        if (error == 0)
                error = fit > 0 ? cut_here(d) : -ENOSPC;
        if (error == 0 && d->settings.discard && t.fixed)
                error = cartridge_append_hollow(d->cartridge, fit, t.data, &written);
        else if (error == 0)
                error = drive_append(d, fit, t.data, c->iov, c->iovcnt, &written);
        if (error == 0 && fit < t.blocks)
                error = -ENOSPC;
        d->position += written;
        r->transferred = written * t.length;
        drive_time_write(d, from, r->transferred);
        d->bytes_written += r->transferred;
        if (error == 0 && !d->mode.buffered)
                drive_flush(d, r);
        if (!r->check)
                finish_write(d, r, error, t.fixed ? (int64_t)(t.blocks - written) : t.length);
}

static void write_filemarks(struct drive *d, struct request *r, uint32_t count)
{
        bool immediate = r->cdb[1] & 0x01;
        uint64_t from = d->position;
        int error = 0;
        if (count > 0 && !drive_may_write(d, r))
                return;
        uint32_t fit = filemarks_that_fit(d, count);
        if (count > 0) {
                error = drive_note_change(d);
                if (error == 0)
                        error = cut_here(d);
                if (error == 0)
                        error = cartridge_append_filemarks(d->cartridge, fit);
        }
        if (error == 0) {
                d->position += fit;
                d->statistics.filemarks += fit;
                if (fit > 0)
                        drive_time_write(d, from, 0);
                if (!immediate)
                        drive_flush(d, r);
                if (fit < count)
                        error = -ENOSPC;
        }
        if (!r->check)
                finish_write(d, r, error, error == -ENOSPC ? count - fit : count);
}

void drive_write_filemarks6(struct drive *d, struct request *r)
{
        write_filemarks(d, r, sg_get_unaligned_be24(r->cdb + 2));
}

/* SSC-5, WRITE FILEMARKS(16), without FCS and LCS: at the current position, which an identifier, if given,
 * has to be. */
void drive_write_filemarks16(struct drive *d, struct request *r)
{
        uint64_t object = sg_get_unaligned_be(8, r->cdb + 4);
        if (r->cdb[3])
                return request_invalid_field(r, 3, 7);
        if (object && object != d->position)
                return request_invalid_field(r, 4, 7);
        write_filemarks(d, r, sg_get_unaligned_be24(r->cdb + 12));
}

/* Short or long, nothing is left after the position. */
void drive_erase(struct drive *d, struct request *r)
{
        if (!drive_may_write(d, r))
                return;
        if (drive_note_change(d) < 0 || cut_here(d) < 0)
                return request_fail(r, SENSE_WRITE_ERROR);
        drive_flush(d, r);
        drive_synchronize(d);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Write protection: of the cartridge, of what is on WORM media, and in append-only mode (SSC-5). */
#include <glib.h>
#include <scsi/sg_unaligned.h>

#include "drive.h"

static bool is_filemark(const struct drive *d, uint64_t object)
{
        return cartridge_kind(d->cartridge, object) == CARTRIDGE_FILEMARK;
}

static bool only_filemarks_from(const struct drive *d, uint64_t object)
{
        uint64_t count = cartridge_count(d->cartridge);
        while (object < count && is_filemark(d, object))
                object++;
        return object == count;
}

/* As LTO drives have it (medium configuration mode page: label restrictions 01h, filemark restrictions 02h):
 * at the end of the data; over the filemarks before it, of which one stays. */
static bool appends(const struct drive *d)
{
        uint64_t at = d->position;
        if (at >= cartridge_count(d->cartridge))
                return true;
        return only_filemarks_from(d, at) && (at == 0 || is_filemark(d, at - 1));
}

/* One or two blocks and nothing but filemarks behind them may be written anew. */
static bool rewrites_label(const struct drive *d)
{
        uint64_t blocks = 0;
        while (blocks < 3 && cartridge_kind(d->cartridge, blocks) == CARTRIDGE_RECORD)
                blocks++;
        return d->position == 0 && blocks > 0 && blocks < 3 && only_filemarks_from(d, blocks);
}

static bool may_overwrite(const struct drive *d)
{
        if (d->settings.cartridge.worm)
                return appends(d) || rewrites_label(d);
        if (drive_mode_append_only(d))
                return appends(d) || (d->overwrites && d->overwrites_at == d->position);
        return true;
}

bool drive_may_write(struct drive *d, struct request *r)
{
        if (d->write_protected)
                request_fail(r, SENSE_WRITE_PROTECTED);
        else if (!may_overwrite(d))
                request_fail(r, SENSE_OVERWRITE_ATTEMPTED);
        else
                d->overwrites = false; /* what follows is at the end of the data */
        return !r->check;
}

void drive_allow_overwrite(struct drive *d, struct request *r)
{
        enum { DISABLED, CURRENT_POSITION };
        unsigned what = r->cdb[2] & 0x0f;
        d->overwrites = false;
        if (!drive_mode_append_only(d))
                return request_fail(r, SENSE_NOT_APPEND_ONLY);
        if (what > CURRENT_POSITION) /* there is no FORMAT MEDIUM */
                return request_invalid_field(r, 2, 3);
        if (what == DISABLED)
                return;
        uint64_t object = sg_get_unaligned_be(8, r->cdb + 4);
        if (r->cdb[3] != 0 || object != d->position)
                return request_fail(r, SENSE_POSITIONING);
        d->overwrites = true;
        d->overwrites_at = object;
}

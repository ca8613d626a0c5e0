/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Logical block protection (SSC-5): on the way each block has its CRC32C behind it, low byte first. No block
 * is copied for that: a command's data is a list of blocks and CRCs in turn. */
#include <errno.h>
#include <glib.h>
#include <inttypes.h>
#include <scsi/sg_unaligned.h>
#include <stdlib.h>

#include <reelfs/crc32c.h>
#include <reelfs/log.h>
#include <reelfs/util.h>

#include "private.h"

#define PAGE_CONTROL 0x0a
#define SUBPAGE_PROTECTION 0xf0
#define METHOD_CRC32C 0x02
#define BOTH_WAYS 0xc0 /* LBP_W, LBP_R */
#define CRC_LENGTH 4u
#define PAGE_USED 7 /* bytes of the page */

static int read_page(Tape *t, struct tape_mode *mode)
{
        int r = mode_sense(t, PAGE_CONTROL, SUBPAGE_PROTECTION, mode);
        return r == 0 && mode->page_length < PAGE_USED ? -EOPNOTSUPP : r;
}

static void set_page(struct tape_mode *mode, bool on)
{
        mode->page[4] = on ? METHOD_CRC32C : 0;
        mode->page[5] = (uint8_t)((mode->page[5] & 0xc0) | (on ? CRC_LENGTH : 0));
        mode->page[6] = (uint8_t)((mode->page[6] & ~BOTH_WAYS) | (on ? BOTH_WAYS : 0));
}

static int select_page(Tape *t, struct tape_mode *mode, bool on)
{
        uint32_t length = t->info.block_length;
        set_page(mode, on);
        mode->block_length = length && on ? length + CRC_LENGTH : length;
        return mode_offer(t, mode);
}

/* Nobody else uses the drive now, so if it is on, then of a process that was killed. The block length stays
 * as it was found. */
int protection_probe(Tape *t)
{
        struct tape_mode mode;
        int r = t->info.fixed_only ? -EOPNOTSUPP : read_page(t, &mode);
        t->info.has_protection = r == 0;
        if (r < 0)
                return r == -EOPNOTSUPP ? 0 : r;
        if (mode.page[4] == 0 || t->protection)
                return 0;
        log_notice("%s: the drive was left with logical block protection on; it is switched off", t->address);
        set_page(&mode, false);
        return mode_offer(t, &mode);
}

static int allocate(Tape *t)
{
        struct transport_limits limits;
        void *crcs = NULL;
        if (t->crcs)
                return 0;
        transport_limits(t->transport, &limits);
        t->crc_stride = MAX(limits.alignment, CRC_LENGTH);
        int r = -posix_memalign(
                &crcs, MAX(limits.alignment, sizeof(void *)), (PROTECTED_BLOCKS + 1) * t->crc_stride);
        t->crcs = crcs;
        t->wired = r == 0 ? g_try_new(struct iovec, PROTECTED_IOVECS) : NULL;
        if (t->wired)
                return 0;
        protection_free(t);
        return log_error_errno(-ENOMEM, "%s: no logical block protection", t->address);
}

int tape_set_protection(Tape *t, bool on)
{
        struct tape_mode mode;
        if (on == (t->protection > 0))
                return 0;
        if (!t->info.has_protection)
                return -EOPNOTSUPP;
        int r = on ? allocate(t) : 0;
        if (r == 0)
                r = read_page(t, &mode);
        if (r == 0)
                r = select_page(t, &mode, on);
        if (r < 0)
                return r;
        t->protection = on ? CRC_LENGTH : 0;
        t->info.protected = on;
        return 0;
}

int protection_restore(Tape *t)
{
        struct tape_mode mode;
        int r = t->protection ? read_page(t, &mode) : 0;
        if (r == 0 && t->protection)
                r = select_page(t, &mode, true);
        return r == -EOPNOTSUPP
                ? log_error(-EIO, "%s: the drive does not protect blocks any more", t->address)
                : r;
}

void protection_free(Tape *t)
{
        free(t->crcs);
        g_free(t->wired);
        t->crcs = NULL;
        t->wired = NULL;
}

static uint8_t *crc_of(const Tape *t, uint64_t block)
{
        return t->crcs + block * t->crc_stride;
}

uint8_t *protection_spare(const Tape *t)
{
        return crc_of(t, PROTECTED_BLOCKS);
}

/* Appends the block at *i and *skip of iov; returns the elements in use then, or used if there is not room.
 */
static int wire_block(
        Tape *t, const struct iovec *iov, int iovcnt, int *i, size_t *skip, size_t block, int used)
{
        int n = used;
        while (block > 0 && *i < iovcnt && n < PROTECTED_IOVECS - 1) {
                size_t part = MIN(iov[*i].iov_len - *skip, block);
                if (part > 0)
                        t->wired[n++] = (struct iovec){ (uint8_t *)iov[*i].iov_base + *skip, part };
                block -= part;
                *skip += part;
                if (*skip == iov[*i].iov_len) {
                        *skip = 0;
                        ++*i;
                }
        }
        return block == 0 ? n : used;
}

int protection_wire(
        Tape *t, const struct iovec *iov, int iovcnt, size_t skip, size_t block, bool out, uint64_t *count)
{
        uint64_t most = MIN(*count, PROTECTED_BLOCKS);
        int used = 0, i = 0;
        while (i < iovcnt && skip >= iov[i].iov_len)
                skip -= iov[i++].iov_len;
        for (*count = 0; *count < most; ++*count) {
                int n = wire_block(t, iov, iovcnt, &i, &skip, block, used);
                if (n == used)
                        break;
                uint8_t *crc = crc_of(t, *count);
                if (out)
                        sg_put_unaligned_le32(crc32c_iov(t->wired + used, n - used, 0, block), crc);
                t->wired[n++] = (struct iovec){ crc, CRC_LENGTH };
                used = n;
        }
        return used;
}

uint64_t protection_verify(Tape *t, const uint8_t *buf, size_t block, uint64_t count)
{
        uint64_t i = 0;
        while (i < count && crc32c(buf + i * block, block) == (uint32_t)sg_get_unaligned_le(4, crc_of(t, i)))
                i++;
        return i;
}

bool protection_fits(Tape *t, const uint8_t *buf, size_t size, size_t length)
{
        uint8_t crc[CRC_LENGTH];
        for (size_t i = 0; i < CRC_LENGTH; i++)
                crc[i] = length + i < size ? buf[length + i] : protection_spare(t)[length + i - size];
        return crc32c(buf, length) == (uint32_t)sg_get_unaligned_le(4, crc);
}

/* Blocks came whose CRC does not fit, from object on: that is where the tape is then. -EBADMSG, not logged.
 */
int protection_go_back(Tape *t, uint64_t object)
{
        log_notice("%s: the block at object %" PRIu64 " was damaged on the way from the drive", t->address,
                object);
        return position_go(t, object) ?: -EBADMSG;
}

int protection_give_up(Tape *t)
{
        return log_error(-EIO,
                "%s: the block at object %" PRIu64
                " does not come from the drive as it was read; look at the cable and the adapter",
                t->address, t->object);
}

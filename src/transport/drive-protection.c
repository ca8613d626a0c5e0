/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Logical block protection, SSC-5: between host and drive each block has its CRC32C behind it, low byte
 * first. The tape has its own way to protect blocks, which here is the container's. */
#include <errno.h>
#include <glib.h>
#include <scsi/sg_unaligned.h>
#include <string.h>

#include <reelfs/crc32c.h>
#include <reelfs/util.h>

#include "drive.h"

static uint32_t get_crc(const struct iovec *iov, int iovcnt)
{
        uint32_t crc = 0;
        unsigned shift = 0;
        for (int i = 0; i < iovcnt; i++)
                for (size_t k = 0; k < iov[i].iov_len; k++, shift += 8)
                        crc |= (uint32_t)((const uint8_t *)iov[i].iov_base)[k] << shift;
        return crc;
}

/* As much of it as there is room for. */
static void put_crc(uint32_t crc, const struct iovec *iov, int iovcnt)
{
        for (int i = 0; i < iovcnt; i++)
                for (size_t k = 0; k < iov[i].iov_len; k++, crc >>= 8)
                        ((uint8_t *)iov[i].iov_base)[k] = (uint8_t)crc;
}

int drive_append(
        struct drive *d, size_t n, uint32_t length, const struct iovec *iov, int iovcnt, size_t *written)
{
        uint32_t extra = drive_mode_protection(d, TRANSPORT_OUT);
        if (extra == 0)
                return cartridge_append(d->cartridge, n, length, iov, iovcnt, written);
        g_autofree struct iovec *part = g_try_new(struct iovec, iovcnt);
        int r = part ? 0 : -ENOMEM;
        *written = 0;
        while (r == 0 && *written < n) {
                size_t at = *written * (length + extra), one = 0;
                int parts = iov_slice(iov, iovcnt, at + length, extra, part);
                if (get_crc(part, parts) != crc32c_iov(iov, iovcnt, at, length))
                        return -EILSEQ;
                parts = iov_slice(iov, iovcnt, at, length, part);
                r = cartridge_append(d->cartridge, 1, length, part, parts, &one);
                *written += one;
        }
        return r;
}

int drive_fetch(
        struct drive *d, size_t n, uint32_t length, const struct iovec *iov, int iovcnt, size_t *nread)
{
        uint32_t extra = drive_mode_protection(d, TRANSPORT_IN);
        size_t room = iov_length(iov, iovcnt);
        if (extra == 0)
                return cartridge_read(d->cartridge, d->position, n, length, iov, iovcnt, nread);
        g_autofree struct iovec *part = g_try_new(struct iovec, iovcnt);
        int r = part ? 0 : -ENOMEM;
        *nread = 0;
        while (r == 0 && *nread < n) {
                size_t at = *nread * (length + extra), one = 0;
                int parts = iov_slice(iov, iovcnt, at, MIN(length, room - at), part);
                r = cartridge_read(d->cartridge, d->position + *nread, 1, length, part, parts, &one);
                *nread += one;
                if (r < 0 || room - at <= length)
                        continue;
                parts = iov_slice(iov, iovcnt, at + length, MIN(extra, room - at - length), part);
                put_crc(crc32c_iov(iov, iovcnt, at, length), part, parts);
        }
        return r;
}

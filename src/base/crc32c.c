/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <glib.h>
#include <isa-l/crc.h>
#include <limits.h>

#include <reelfs/crc32c.h>

/* The library counts in int, and leaves the complements to its caller. */
static uint32_t update(uint32_t crc, const uint8_t *data, size_t length)
{
        while (length > 0) {
                size_t n = MIN(length, INT_MAX);
                crc = crc32_iscsi((unsigned char *)data, (int)n, crc);
                data += n;
                length -= n;
        }
        return crc;
}

uint32_t crc32c_iov(const struct iovec *iov, int iovcnt, size_t skip, size_t length)
{
        uint32_t crc = UINT32_MAX;
        for (int i = 0; i < iovcnt && length > 0; i++) {
                if (skip >= iov[i].iov_len) {
                        skip -= iov[i].iov_len;
                        continue;
                }
                size_t n = MIN(iov[i].iov_len - skip, length);
                crc = update(crc, (const uint8_t *)iov[i].iov_base + skip, n);
                length -= n;
                skip = 0;
        }
        return ~crc;
}

uint32_t crc32c(const void *data, size_t length)
{
        const struct iovec iov = { (void *)data, length };
        return crc32c_iov(&iov, 1, 0, length);
}

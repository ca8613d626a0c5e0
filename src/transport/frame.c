/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <glib.h>
#include <scsi/sg_unaligned.h>

#include <reelfs/util.h>

#include "frame.h"

/* Offsets in a junction. */
enum { PAD = 0, TRAILER = 1, HEADER = 5, JUNCTION_END = 9 };

uint64_t frame_stride(uint32_t length)
{
        return FRAME_OVERHEAD + (uint64_t)length + (length & 1);
}

void frame_build(struct frame *f, uint32_t length, size_t n, const struct iovec *iov, int iovcnt, size_t skip)
{
        size_t padding = length & 1;
        uint8_t *junction = f->junctions[0];
        f->iovcnt = 0;
        for (f->records = 0; f->records < n; f->records++) {
                int slices = iov_slice(iov, iovcnt, skip, length, &f->iov[f->iovcnt + 1]);
                if (f->records > 0 && f->iovcnt + 1 + slices + 1 > IOV_MAX)
                        break;
                size_t from = f->records == 0 ? HEADER : TRAILER - padding;
                f->iov[f->iovcnt] = (struct iovec){ junction + from, JUNCTION_END - from };
                f->iovcnt += 1 + slices;
                skip += length;
                junction[PAD] = 0;
                sg_put_unaligned_le32(length, junction + TRAILER);
                sg_put_unaligned_le32(length, junction + HEADER);
                junction = f->junctions[f->records + 1];
        }
        junction[PAD] = 0;
        sg_put_unaligned_le32(length, junction + TRAILER);
        f->iov[f->iovcnt++] = (struct iovec){ junction + TRAILER - padding, HEADER - TRAILER + padding };
}

uint8_t *frame_first_header(struct frame *f)
{
        return f->junctions[0] + HEADER;
}

size_t frame_verify(const struct frame *f, uint32_t length)
{
        size_t good = 0;
        while (good < f->records && (uint32_t)sg_get_unaligned_le(4, f->junctions[good] + HEADER) == length &&
                (uint32_t)sg_get_unaligned_le(4, f->junctions[good + 1] + TRAILER) == length)
                good++;
        return good;
}

int frame_transfer(bool writing, int fd, struct iovec *iov, int iovcnt, uint64_t offset, size_t *done)
{
        *done = 0;
        while (iovcnt > 0) {
                off_t at = (off_t)(offset + *done);
                ssize_t n = writing ? pwritev(fd, iov, iovcnt, at) : preadv(fd, iov, iovcnt, at);
                if (n < 0 && errno == EINTR)
                        continue;
                if (n <= 0)
                        return n < 0 ? -errno : writing ? -EIO : -ENODATA;
                *done += (size_t)n;
                size_t left = (size_t)n;
                for (; iovcnt > 0 && left >= iov->iov_len; iov++, iovcnt--)
                        left -= iov->iov_len;
                if (iovcnt > 0) {
                        iov->iov_base = (char *)iov->iov_base + left;
                        iov->iov_len -= left;
                }
        }
        return 0;
}

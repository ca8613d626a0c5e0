/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* Records of the .tap container for one vectored transfer: each record's data with its length before and
 * after it, padded to even. */
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

#define FRAME_OVERHEAD 8 /* the two lengths */
/* Elements of iovec that a caller's data may have. */
#define FRAME_IOV_MAX (IOV_MAX - 2)

struct frame {
        struct iovec iov[2 * IOV_MAX]; /* the second half: room to try whether one more record fits */
        int iovcnt;                    /* at most IOV_MAX */
        size_t records;
        /* What lies between the data of two records: padding, length of the one, length of the next. */
        uint8_t junctions[IOV_MAX / 2 + 1][1 + 4 + 4];
};

/* Bytes in the file of a record with length bytes of data. */
uint64_t frame_stride(uint32_t length);
/* Frames as many of n records as one transfer takes. Their data, length bytes each, begins skip bytes into
 * iov. */
void frame_build(
        struct frame *f, uint32_t length, size_t n, const struct iovec *iov, int iovcnt, size_t skip);
/* Length in front of the first record, as 4 bytes. */
uint8_t *frame_first_header(struct frame *f);
/* After reading: how many records, from the first, have the right lengths around them. */
size_t frame_verify(const struct frame *f, uint32_t length);

/* One way or the other, across EINTR and short transfers; uses iov up. *done: bytes, also on failure.
 * -ENODATA: the file ends before. */
int frame_transfer(bool writing, int fd, struct iovec *iov, int iovcnt, uint64_t offset, size_t *done);

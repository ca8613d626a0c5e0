/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* CRC32C (Castagnoli; RFC 3720, SSC-5, logical block protection). Any thread. */
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

/* Of length bytes of iov, which begin skip bytes in. */
uint32_t crc32c_iov(const struct iovec *iov, int iovcnt, size_t skip, size_t length);
uint32_t crc32c(const void *data, size_t length);

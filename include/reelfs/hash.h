/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* Hashes of what files hold. CRC-32 is that of zlib and gzip: it costs less than a copy, and is made of the
 * CRCs of parts, in whatever order they came. SHA-256 is for who wants it; it takes bytes in their order. No
 * state but the caller's; any thread. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <nettle/sha2.h>

/* Names of extended attributes, of LTFS, with "user." before them. */
#define HASH_XATTR "user.ltfs.hash."
#define HASH_XATTR_CRC32 HASH_XATTR "crc32sum"
#define HASH_XATTR_SHA256 HASH_XATTR "sha256sum"

/* Of the bytes that crc is of, and data behind them; of nothing: 0. */
uint32_t hash_crc(uint32_t crc, const void *data, size_t size);
/* Of what a is of, and length bytes behind it that b is of. */
uint32_t hash_crc_join(uint32_t a, uint32_t b, uint64_t length);
uint32_t hash_crc_zeros(uint64_t length);

#define HASH_CRC_TEXT_LENGTH 8
void hash_crc_to_text(uint32_t crc, char text[HASH_CRC_TEXT_LENGTH + 1]);
/* False: not eight hexadecimal digits. */
bool hash_crc_from_text(const void *text, size_t length, uint32_t *crc);

#define HASH_SHA256_TEXT_LENGTH (2 * SHA256_DIGEST_SIZE)
/* Of a file, while its bytes come in their order. */
struct hash_sha256 {
        struct sha256_ctx ctx;
        uint64_t at; /* bytes so far */
};
struct hash_sha256 *hash_sha256_new(void);
/* *sha becomes NULL if these bytes are not the next. NULL: nothing is done. */
void hash_sha256_put(struct hash_sha256 **sha, uint64_t offset, const void *data, size_t size);
/* Of what was put into it so far; it can go on. */
void hash_sha256_to_text(const struct hash_sha256 *sha, char text[HASH_SHA256_TEXT_LENGTH + 1]);

/* ---- A file of which parts are known: sorted, not overlapping, and neighbours are joined. All zero: nothing
 * is known. */
#define HASH_PARTS_MAX 256 /* what would be one more stays unknown */

struct hash_part {
        uint64_t offset, length;
        uint32_t crc;
};

struct hash_parts {
        struct hash_part *part;
        unsigned n, max;
};

void hash_parts_clear(struct hash_parts *p);
/* Whether all of the bytes are in one part. */
bool hash_parts_have(const struct hash_parts *p, uint64_t offset, uint64_t length);
/* The first bytes from *offset on, and below end, that are in no part: true, and where. */
bool hash_parts_unknown(const struct hash_parts *p, uint64_t *offset, uint64_t end, uint64_t *length);
/* Parts with any of these bytes are not known any more. */
void hash_parts_forget(struct hash_parts *p, uint64_t offset, uint64_t length);
/* These bytes, of which none was known. */
void hash_parts_put(struct hash_parts *p, uint64_t offset, uint64_t length, uint32_t crc);
/* The same, from the bytes themselves: who goes on where a part ends needs not join anything. */
void hash_parts_put_data(struct hash_parts *p, uint64_t offset, const void *data, size_t size);
/* Bytes of one part (hash_parts_have) that were old became new. */
void hash_parts_change(struct hash_parts *p, uint64_t offset, uint64_t length, uint32_t old, uint32_t new);
/* Of a file of size bytes, where what is between parts is zeros if hole says so. False: it is not known. */
bool hash_parts_sum(const struct hash_parts *p, uint64_t size,
        bool (*hole)(void *ctx, uint64_t offset, uint64_t length), void *ctx, uint32_t *crc);

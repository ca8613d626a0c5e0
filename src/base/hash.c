/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <glib.h>
#include <isa-l/crc.h>
#include <stdio.h>
#include <string.h>
#include <zlib.h>

#include <reelfs/hash.h>

uint32_t hash_crc(uint32_t crc, const void *data, size_t size)
{
        return size > 0 ? crc32_gzip_refl(crc, data, size) : crc;
}

uint32_t hash_crc_join(uint32_t a, uint32_t b, uint64_t length)
{
        return length > 0 ? (uint32_t)crc32_combine(a, b, (z_off_t)length) : a;
}

/* What zeros do to the register, which begins with ones and is inverted at the end. */
uint32_t hash_crc_zeros(uint64_t length)
{
        return ~hash_crc_join(UINT32_MAX, 0, length);
}

void hash_crc_to_text(uint32_t crc, char text[HASH_CRC_TEXT_LENGTH + 1])
{
        snprintf(text, HASH_CRC_TEXT_LENGTH + 1, "%08x", crc);
}

bool hash_crc_from_text(const void *text, size_t length, uint32_t *crc)
{
        const char *digits = text;
        if (length != HASH_CRC_TEXT_LENGTH)
                return false;
        uint32_t value = 0;
        for (size_t i = 0; i < length; i++) {
                if (!g_ascii_isxdigit(digits[i]))
                        return false;
                value = value << 4 | (uint32_t)g_ascii_xdigit_value(digits[i]);
        }
        *crc = value;
        return true;
}

struct hash_sha256 *hash_sha256_new(void)
{
        struct hash_sha256 *sha = g_new0(struct hash_sha256, 1);
        sha256_init(&sha->ctx);
        return sha;
}

void hash_sha256_put(struct hash_sha256 **sha, uint64_t offset, const void *data, size_t size)
{
        if (!*sha)
                return;
        if ((*sha)->at != offset) {
                g_clear_pointer(sha, g_free);
                return;
        }
        sha256_update(&(*sha)->ctx, size, data);
        (*sha)->at += size;
}

void hash_sha256_to_text(const struct hash_sha256 *sha, char text[HASH_SHA256_TEXT_LENGTH + 1])
{
        struct sha256_ctx copy = sha->ctx;
        uint8_t digest[SHA256_DIGEST_SIZE];
        sha256_digest(&copy, sizeof(digest), digest);
        for (size_t i = 0; i < sizeof(digest); i++)
                snprintf(text + 2 * i, 3, "%02x", digest[i]);
}

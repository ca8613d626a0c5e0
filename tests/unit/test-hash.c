/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Parts of a file, in any order, against the CRC of the whole. */
#include <glib.h>
#include <string.h>

#include <reelfs/hash.h>

/* The definition, bit by bit. */
static uint32_t slow_crc(const uint8_t *data, size_t size)
{
        uint32_t crc = UINT32_MAX;
        for (size_t i = 0; i < size; i++) {
                crc ^= data[i];
                for (int bit = 0; bit < 8; bit++)
                        crc = crc >> 1 ^ (crc & 1 ? 0xedb88320 : 0);
        }
        return ~crc;
}

static void test_crc(void)
{
        uint8_t bytes[1000] = { 0 };
        g_assert_cmphex(hash_crc(0, "123456789", 9), ==, 0xcbf43926); /* the catalogue's check value */
        g_assert_cmphex(hash_crc(0, NULL, 0), ==, 0);
        g_assert_cmphex(hash_crc_zeros(0), ==, 0);
        g_assert_cmphex(hash_crc_zeros(sizeof(bytes)), ==, slow_crc(bytes, sizeof(bytes)));
        for (size_t i = 0; i < sizeof(bytes); i++)
                bytes[i] = (uint8_t)(i * 7 + i / 256);
        for (size_t at = 0; at <= sizeof(bytes); at += 37) {
                uint32_t a = hash_crc(0, bytes, at), b = hash_crc(0, bytes + at, sizeof(bytes) - at);
                g_assert_cmphex(a, ==, slow_crc(bytes, at));
                g_assert_cmphex(hash_crc_join(a, b, sizeof(bytes) - at), ==, slow_crc(bytes, sizeof(bytes)));
        }
}

static void test_text(void)
{
        char text[HASH_CRC_TEXT_LENGTH + 1], sha_text[HASH_SHA256_TEXT_LENGTH + 1];
        uint32_t crc;
        hash_crc_to_text(0xbf43926, text);
        g_assert_cmpstr(text, ==, "0bf43926");
        g_assert_true(hash_crc_from_text("0BF43926", 8, &crc));
        g_assert_cmphex(crc, ==, 0xbf43926);
        g_assert_false(hash_crc_from_text("0bf4392", 7, &crc));
        g_assert_false(hash_crc_from_text("0x0bf439", 8, &crc));
        struct hash_sha256 *sha = hash_sha256_new();
        hash_sha256_put(&sha, 0, "ab", 2);
        hash_sha256_put(&sha, 2, "c", 1);
        for (int i = 0; i < 2; i++) {
                hash_sha256_to_text(sha, sha_text); /* FIPS 180-4's example */
                g_assert_cmpstr(
                        sha_text, ==, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        }
        hash_sha256_put(&sha, 4, "d", 1);
        g_assert_null(sha);
}

#define SIZE 3000

struct model {
        uint8_t bytes[SIZE];
        bool known[SIZE];
};

static bool is_hole(void *ctx, uint64_t offset, uint64_t length)
{
        const struct model *m = ctx;
        for (uint64_t i = offset; i < offset + length; i++)
                if (m->bytes[i] != 0)
                        return false;
        return true;
}

static bool all_known(const struct model *m, size_t from, size_t length)
{
        for (size_t i = from; i < from + length; i++)
                if (!m->known[i])
                        return false;
        return true;
}

/* What is forgotten is more than what was named: all parts that it meets. */
static void see_forgotten(struct model *m, const struct hash_parts *p)
{
        for (size_t i = 0; i < SIZE; i++)
                m->known[i] = m->known[i] && hash_parts_have(p, i, 1);
}

static void change(GRand *rand, struct hash_parts *p, struct model *m)
{
        size_t offset = (size_t)g_rand_int_range(rand, 0, SIZE),
               length = (size_t)g_rand_int_range(rand, 1, MIN(400, (int)(SIZE - offset) + 1));
        bool had = hash_parts_have(p, offset, length);
        g_assert_cmpint(had, ==, all_known(m, offset, length));
        uint32_t old = hash_crc(0, m->bytes + offset, length);
        if (!had) {
                hash_parts_forget(p, offset, length);
                see_forgotten(m, p);
                g_assert_false(all_known(m, offset, 1));
        }
        for (size_t i = offset; i < offset + length; i++)
                m->bytes[i] = (uint8_t)g_rand_int(rand);
        uint32_t new = hash_crc(0, m->bytes + offset, length);
        if (had)
                hash_parts_change(p, offset, length, old, new);
        else if (g_rand_boolean(rand))
                hash_parts_put(p, offset, length, new);
        else
                hash_parts_put_data(p, offset, m->bytes + offset, length);
        memset(m->known + offset, true, length);
}

static void test_parts(void)
{
        g_autoptr(GRand) rand = g_rand_new_with_seed(4711);
        unsigned known = 0, unknown = 0;
        for (unsigned round = 0; round < 200; round++) {
                struct hash_parts p = { 0 };
                g_autofree struct model *m = g_new0(struct model, 1);
                for (unsigned i = 0; i < 40; i++) {
                        uint32_t crc;
                        change(rand, &p, m);
                        bool there = hash_parts_sum(&p, SIZE, is_hole, m, &crc);
                        (*(there ? &known : &unknown))++;
                        if (there)
                                g_assert_cmphex(crc, ==, slow_crc(m->bytes, SIZE));
                }
                hash_parts_clear(&p);
        }
        g_assert_cmpuint(known, >, 500);
        g_assert_cmpuint(unknown, >, 500);
}

static void test_unknown(void)
{
        struct hash_parts p = { 0 };
        uint64_t at = 0, length;
        g_assert_true(hash_parts_unknown(&p, &at, 50, &length));
        g_assert_cmpuint(length, ==, 50);
        hash_parts_put(&p, 10, 10, 0);
        hash_parts_put(&p, 30, 10, 0);
        g_assert_true(hash_parts_unknown(&p, &at, 50, &length));
        g_assert_cmpuint(at, ==, 0);
        g_assert_cmpuint(length, ==, 10);
        at = 12;
        g_assert_true(hash_parts_unknown(&p, &at, 25, &length));
        g_assert_cmpuint(at, ==, 20);
        g_assert_cmpuint(length, ==, 5);
        at = 33;
        g_assert_false(hash_parts_unknown(&p, &at, 40, &length));
        hash_parts_clear(&p);
}

/* A file that is written in scattered pieces takes no more memory than so many, and is not known then. */
static void test_bounded(void)
{
        struct hash_parts p = { 0 };
        static struct model m;
        uint32_t crc;
        for (uint64_t i = 0; i < 10 * HASH_PARTS_MAX; i++)
                hash_parts_put(&p, 2 * i, 1, 1);
        g_assert_cmpuint(p.n, ==, HASH_PARTS_MAX);
        memset(m.bytes, 1, sizeof(m.bytes));
        g_assert_false(hash_parts_sum(&p, SIZE, is_hole, &m, &crc));
        hash_parts_forget(&p, 0, UINT64_MAX);
        g_assert_cmpuint(p.n, ==, 0);
        hash_parts_clear(&p);
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/hash/crc", test_crc);
        g_test_add_func("/hash/text", test_text);
        g_test_add_func("/hash/parts", test_parts);
        g_test_add_func("/hash/unknown", test_unknown);
        g_test_add_func("/hash/bounded", test_bounded);
        return g_test_run();
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Logical block protection of the virtual drive: blocks with their CRC32C behind them. */
#include <reelfs/crc32c.h>

#include "virtual-fixture.h"

#define LENGTH 1000u
#define WIRE (LENGTH + 4)
#define N 3u

enum { W = 0x80, R = 0x40 };

static uint32_t set_protection(struct fixture *f, uint8_t method, uint8_t length, uint8_t ways)
{
        uint8_t list[8 + 32] = {
                [3] = 0x10, [8] = 0x4a, [9] = 0xf0, [11] = 0x1c, [12] = method, [13] = length
        };
        list[14] = ways;
        return out(f, list, sizeof(list), CDB(0x55, 0x10, 0, 0, 0, 0, 0, 0, sizeof(list), 0));
}

/* The check value of the algorithm (RFC 3720, B.4 has more), in one piece and in several. */
static void test_crc32c(void)
{
        static const char digits[] = "123456789";
        const struct iovec iov[] = { { (void *)"xx12", 4 }, { NULL, 0 }, { (void *)"345", 3 },
                { (void *)"6789yy", 6 } };
        uint8_t zeros[32] = { 0 };
        g_assert_cmphex(crc32c(digits, 9), ==, 0xe3069283);
        g_assert_cmphex(crc32c_iov(iov, G_N_ELEMENTS(iov), 2, 9), ==, 0xe3069283);
        g_assert_cmphex(crc32c(zeros, 32), ==, 0x8a9136aa);
        g_assert_cmphex(crc32c(NULL, 0), ==, 0);
}

static void make_blocks(uint8_t data[N * WIRE])
{
        for (unsigned i = 0; i < N; i++) {
                fill(data + i * WIRE, LENGTH, i);
                sg_put_unaligned_le32(crc32c(data + i * WIRE, LENGTH), data + i * WIRE + LENGTH);
        }
}

static uint32_t write_fixed(struct fixture *f, const uint8_t *data)
{
        return out(f, data, N * WIRE, CDB(0x0a, 1, 0, 0, N, 0));
}

static void test_told(void)
{
        struct fixture f;
        uint8_t data[64];
        fixture_create(&f, &(struct virtual_cartridge){ .capacity = 0 });
        g_assert_cmphex(in(&f, data, 36, CDB(0x12, 0, 0, 0, 36, 0)), ==, GOOD);
        g_assert_cmphex(data[5], ==, 0x01);
        g_assert_cmphex(in(&f, data, 64, CDB(0x12, 1, 0x86, 0, 64, 0)), ==, GOOD);
        g_assert_cmphex(data[4] >> 3 & 7, ==, 1);
        g_assert_cmphex(set_protection(&f, 1, 4, W | R), ==, 0x052600); /* Reed-Solomon */
        g_assert_cmphex(set_protection(&f, 2, 8, W | R), ==, 0x052600);
        g_assert_cmphex(set_protection(&f, 0, 4, 0), ==, 0x052600);
        g_assert_cmphex(set_protection(&f, 2, 4, W | R), ==, GOOD);
        g_assert_cmphex(in(&f, data, 40, CDB(0x5a, 8, 0x0a, 0xf0, 0, 0, 0, 0, 40, 0)), ==, GOOD);
        g_assert_cmpmem(data + 8, 7, ((uint8_t[]){ 0x4a, 0xf0, 0, 0x1c, 2, 4, 0xc0 }), 7);
        virtual_reset(f.t);
        g_assert_cmphex(none(&f, CDB(0, 0, 0, 0, 0, 0)), ==, 0x062900);
        g_assert_cmphex(in(&f, data, 40, CDB(0x5a, 8, 0x0a, 0xf0, 0, 0, 0, 0, 40, 0)), ==, GOOD);
        g_assert_cmphex(data[12], ==, 0);
        fixture_clear(&f);
        fixture_create(&f, &(struct virtual_cartridge){ .lacks = VIRTUAL_NO_PROTECTION });
        g_assert_cmphex(in(&f, data, 36, CDB(0x12, 0, 0, 0, 36, 0)), ==, GOOD);
        g_assert_cmphex(data[5], ==, 0);
        g_assert_cmphex(set_protection(&f, 2, 4, W | R), ==, 0x052600);
        fixture_clear(&f);
}

/* Written with it, the tape is as any other, and the other way round. */
static void test_fixed(void)
{
        struct fixture f;
        uint8_t data[N * WIRE], found[N * WIRE];
        fixture_create(&f, &(struct virtual_cartridge){ .capacity = 0 });
        make_blocks(data);
        g_assert_cmphex(set_protection(&f, 2, 4, W | R), ==, GOOD);
        g_assert_cmphex(set_block_length(&f, WIRE), ==, GOOD);
        g_assert_cmphex(write_fixed(&f, data), ==, GOOD);
        g_assert_cmpuint(f.c.residual, ==, 0);
        g_assert_cmpuint(file_size(&f), ==, N * (LENGTH + 8));
        g_assert_cmphex(rewind_tape(&f), ==, GOOD);
        g_assert_cmphex(in(&f, found, N * WIRE, CDB(0x08, 1, 0, 0, N, 0)), ==, GOOD);
        g_assert_cmpmem(found, sizeof(found), data, sizeof(data));
        g_assert_cmphex(set_protection(&f, 0, 0, 0), ==, GOOD);
        g_assert_cmphex(set_block_length(&f, 0), ==, GOOD);
        g_assert_cmphex(rewind_tape(&f), ==, GOOD);
        for (unsigned i = 0; i < N; i++)
                assert_block(&f, LENGTH, i);
        fixture_clear(&f);
}

/* What does not fit is not written, nor what comes after it. */
static void test_mismatch(void)
{
        for (unsigned wrong = 0; wrong < N; wrong++)
                for (unsigned byte = 0; byte < WIRE; byte += WIRE - 1) {
                        struct fixture f;
                        uint8_t data[N * WIRE];
                        fixture_create(&f, &(struct virtual_cartridge){ .capacity = 0 });
                        make_blocks(data);
                        data[wrong * WIRE + byte] ^= 0x10;
                        g_assert_cmphex(set_protection(&f, 2, 4, W), ==, GOOD);
                        g_assert_cmphex(set_block_length(&f, WIRE), ==, GOOD);
                        g_assert_cmphex(write_fixed(&f, data), ==, 0x041001);
                        g_assert_cmpint(information(&f), ==, (int32_t)(N - wrong));
                        g_assert_cmpuint(f.c.residual, ==, (N - wrong) * WIRE);
                        g_assert_cmpuint(position(&f), ==, wrong);
                        fixture_clear(&f);
                }
}

static void test_variable(void)
{
        struct fixture f;
        uint8_t data[N * WIRE], found[2 * WIRE];
        fixture_create(&f, &(struct virtual_cartridge){ .capacity = 0 });
        make_blocks(data);
        g_assert_cmphex(set_protection(&f, 2, 4, W | R), ==, GOOD);
        g_assert_cmphex(out(&f, data, 4, CDB(0x0a, 0, 0, 0, 4, 0)), ==, 0x052400);
        g_assert_cmphex(out(&f, data, WIRE, CDB(0x0a, 0, 0, WIRE >> 8, WIRE & 0xff, 0)), ==, GOOD);
        g_assert_cmphex(
                out(&f, data, WIRE - 1, CDB(0x0a, 0, 0, WIRE >> 8, (WIRE & 0xff) - 1, 0)), ==, 0x041001);
        /* Just as long, shorter by less and by more than the information, longer. */
        static const uint32_t sizes[] = { WIRE, WIRE - 1, LENGTH, LENGTH - 1, 2 * WIRE };
        for (size_t i = 0; i < G_N_ELEMENTS(sizes); i++) {
                uint32_t n = MIN(sizes[i], WIRE);
                g_assert_cmphex(rewind_tape(&f), ==, GOOD);
                g_assert_cmphex(in(&f, found, sizes[i],
                                        CDB(0x08, 0, 0, (uint8_t)(sizes[i] >> 8), (uint8_t)sizes[i], 0)),
                        ==, i == 0 ? GOOD : 0);
                if (i > 0)
                        g_assert_cmpint(information(&f), ==, (int32_t)sizes[i] - (int32_t)WIRE);
                g_assert_cmpmem(found, n, data, n);
                g_assert_cmpuint(f.c.residual, ==, sizes[i] - n);
        }
        /* One way only. */
        g_assert_cmphex(set_protection(&f, 2, 4, W), ==, GOOD);
        g_assert_cmphex(rewind_tape(&f), ==, GOOD);
        assert_block(&f, LENGTH, 0);
        fixture_clear(&f);
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/virtual-protection/crc32c", test_crc32c);
        g_test_add_func("/virtual-protection/told", test_told);
        g_test_add_func("/virtual-protection/fixed", test_fixed);
        g_test_add_func("/virtual-protection/mismatch", test_mismatch);
        g_test_add_func("/virtual-protection/variable", test_variable);
        return g_test_run();
}

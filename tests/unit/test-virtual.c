/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The virtual drive's commands. */
#include "virtual-fixture.h"

static const struct virtual_cartridge plain = { .barcode = "TST001L8" };

static void test_inquiry(void)
{
        struct fixture f;
        uint8_t data[96], serial[32];
        fixture_init(&f);
        g_assert_cmpint(virtual_create(f.path, &plain), ==, 0);
        g_assert_cmpint(virtual_open(f.path, false, &f.t), ==, 0);
        /* The unit attention waits. */
        g_assert_cmphex(in(&f, data, sizeof(data), CDB(0x12, 0, 0, 0, sizeof(data), 0)), ==, GOOD);
        g_assert_cmpuint(f.c.residual, ==, sizeof(data) - 36);
        g_assert_cmpuint(data[0], ==, 1);
        g_assert_cmpuint(data[1], ==, 0x80);
        g_assert_cmpuint(data[4], ==, 31);
        g_assert_cmpmem(data + 8, 24, "REELFS  VIRTUAL TAPE    ", 24);
        g_assert_cmpuint(data[36], ==, 0xee);
        g_assert_cmphex(in(&f, data, 5, CDB(0x12, 0, 0, 0, 5, 0)), ==, GOOD);
        g_assert_cmpuint(f.c.residual, ==, 0);

        g_assert_cmphex(in(&f, data, sizeof(data), CDB(0x12, 1, 0, 0, sizeof(data), 0)), ==, GOOD);
        g_assert_cmpmem(data, 8, ((uint8_t[]){ 1, 0, 0, 5, 0, 0x80, 0x83, 0x86, 0xb0 }), 8);
        g_assert_cmphex(in(&f, serial, sizeof(serial), CDB(0x12, 1, 0x80, 0, sizeof(serial), 0)), ==, GOOD);
        g_assert_cmpuint(serial[3], ==, 10);
        g_assert_cmphex(in(&f, data, sizeof(data), CDB(0x12, 1, 0x83, 0, sizeof(data), 0)), ==, GOOD);
        g_assert_cmpmem(data + 32, 10, serial + 4, 10);
        g_assert_cmpmem(data + 42, 4, ((uint8_t[]){ 1, 3, 0, 8 }), 4);
        g_assert_cmphex(data[46] >> 4, ==, 3);
        g_assert_cmphex(in(&f, data, sizeof(data), CDB(0x12, 1, 0xb0, 0, sizeof(data), 0)), ==, GOOD);
        g_assert_cmpmem(data, 6, ((uint8_t[]){ 1, 0xb0, 0, 2, 1, 0 }), 6);
        g_assert_cmphex(in(&f, data, sizeof(data), CDB(0x12, 1, 0x84, 0, sizeof(data), 0)), ==, 0x052400);
        g_assert_cmphex(in(&f, data, sizeof(data), CDB(0x12, 0, 0x80, 0, sizeof(data), 0)), ==, 0x052400);

        g_assert_cmphex(in(&f, data, 16, CDB(0xa0, 0, 0, 0, 0, 0, 0, 0, 0, 16, 0, 0)), ==, GOOD);
        g_assert_cmpuint(sg_get_unaligned_be32(data), ==, 8);
        g_assert_cmphex(in(&f, data, 8, CDB(0xa0, 0, 0, 0, 0, 0, 0, 0, 0, 8, 0, 0)), ==, 0x052400);
        g_assert_cmphex(none(&f, CDB(0, 0, 0, 0, 0, 0)), ==, 0x062800);
        g_assert_cmphex(none(&f, CDB(0, 0, 0, 0, 0, 0)), ==, GOOD);
        fixture_clear(&f);
}

static void test_request_sense(void)
{
        struct fixture f;
        uint8_t data[32];
        fixture_init(&f);
        g_assert_cmpint(virtual_create(f.path, &plain), ==, 0);
        g_assert_cmpint(virtual_open(f.path, false, &f.t), ==, 0);
        g_assert_cmphex(in(&f, data, sizeof(data), CDB(0x03, 0, 0, 0, sizeof(data), 0)), ==, GOOD);
        g_assert_cmpuint(f.c.residual, ==, sizeof(data) - 18);
        g_assert_cmphex(data[0], ==, 0x70);
        g_assert_cmphex(data[2], ==, 0x06);
        g_assert_cmphex(data[12], ==, 0x28);
        /* It took the unit attention away. */
        g_assert_cmphex(none(&f, CDB(0, 0, 0, 0, 0, 0)), ==, GOOD);
        g_assert_cmphex(in(&f, data, sizeof(data), CDB(0x03, 1, 0, 0, sizeof(data), 0)), ==, GOOD);
        g_assert_cmpmem(data, 8, ((uint8_t[8]){ 0x72 }), 8);
        g_assert_cmphex(none(&f, CDB(0x1b, 0, 0, 0, 0, 0)), ==, GOOD);
        g_assert_cmphex(in(&f, data, sizeof(data), CDB(0x03, 1, 0, 0, sizeof(data), 0)), ==, GOOD);
        g_assert_cmpmem(data, 4, ((uint8_t[]){ 0x72, 0x02, 0x3a, 0x00 }), 4);
        fixture_clear(&f);
}

static void test_rejects(void)
{
        static const struct {
                uint8_t cdb[16], length;
                uint32_t sense;
                uint16_t byte; /* field pointer */
                uint8_t bit;
        } rejected[] = {
                { { 0x02 }, 6, 0x052000 },
                { { 0xa5, 0x0c }, 12, 0x052000 },
                { { 0xa4, 0x0c }, 12, 0x052400, 1, 4 },
                { { 0x00, 0x01 }, 6, 0x052400, 1, 0 },
                { { 0x00, 0, 0, 0, 0, 0x04 }, 6, 0x052400, 5, 2 },
                { { 0x01, 0x02 }, 6, 0x052400, 1, 1 },
                { { 0x05, 0x01 }, 6, 0x052400, 1, 0 },
                { { 0x08, 0x03, 0, 0, 1 }, 6, 0x052400, 1, 1 }, /* SILI and FIXED */
                { { 0x08, 0x01, 0, 0, 1 }, 6, 0x052400, 1, 0 }, /* FIXED, block length 0 */
                { { 0x0a, 0x01, 0, 0, 1 }, 6, 0x052400, 1, 0 },
                { { 0x0a, 0x00, 0xff, 0xff, 0xff }, 6, 0x052400, 2, 7 }, /* more than the block limits say */
                { { 0x08, 0x00, 0x80, 0x00, 0x01 }, 6, 0x052400, 2, 7 },
                { { 0x10, 0x02, 0, 0, 1 }, 6, 0x052400, 1, 1 }, /* setmarks */
                { { 0x11, 0x04, 0, 0, 1 }, 6, 0x052400, 1, 3 },
                { { 0x1a, 0, 0xc0, 0, 0 }, 6, 0x053900 },
                { { 0x1a, 0, 0x1c, 0, 0 }, 6, 0x052400, 2, 5 },
                { { 0x1a, 0, 0x0a, 1, 0 }, 6, 0x052400, 3, 7 },
                { { 0x1b, 0, 0, 0, 0x04 }, 6, 0x052400, 4, 2 },
                { { 0x1e, 0, 0, 0, 0x02 }, 6, 0x052400, 4, 1 },
                { { 0x2b, 0x08 }, 10, 0x052400, 1, 3 },
                { { 0x2b, 0x02, 0, 0, 0, 0, 0, 0, 1 }, 10, 0x052400, 8, 7 },
                { { 0x34, 0x07 }, 10, 0x052400, 1, 4 },
                { { 0x34, 0x06, 0, 0, 0, 0, 0, 0, 20 }, 10, 0x052400, 8, 4 },
                { { 0x4d, 0, 0x31 }, 10, 0x052400, 2, 7 },
                { { 0x4d, 0, 0x6f }, 10, 0x052400, 2, 5 },
                { { 0x4d, 0, 0x71, 0, 0, 0, 5 }, 10, 0x052400, 5, 7 },
                { { 0x80, 0x08 }, 16, 0x052400, 1, 3 },
                { { 0x80, 0, 0, 1 }, 16, 0x052400, 3, 7 },
                { { 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9 }, 16, 0x052400, 4, 7 },
                { { 0x91, 0, [13] = 8 }, 16, 0x052400, 13, 3 },
                { { 0x92, 0x08 }, 16, 0x052400, 1, 3 },
                { { 0x92, 0x02, 0, 1 }, 16, 0x052400, 3, 7 },
        };
        struct fixture f;
        fixture_create(&f, &plain);
        for (size_t i = 0; i < G_N_ELEMENTS(rejected); i++) {
                uint32_t s = none(&f, rejected[i].cdb, rejected[i].length);
                g_assert_cmphex(s, ==, rejected[i].sense);
                if (s != 0x052400)
                        continue;
                g_assert_cmphex(f.c.sense[15], ==, 0xc8 | rejected[i].bit);
                g_assert_cmpuint(sg_get_unaligned_be16(f.c.sense + 16), ==, rejected[i].byte);
        }
        fixture_clear(&f);
}

/* Commands that no transport could have delivered like this. */
static void test_undeliverable(void)
{
        struct fixture f;
        uint8_t data[4096];
        struct virtual_cartridge small = { .max_transfer = 2048 };
        struct transport_limits limits;
        fixture_create(&f, &small);
        transport_limits(f.t, &limits);
        g_assert_cmpuint(limits.max_transfer, ==, 2048);
        g_assert_cmpuint(limits.alignment, ==, 1);
        g_assert_cmpint(execute(&f, TRANSPORT_OUT, data, 4096, CDB(0x0a, 0, 0, 0x10, 0, 0)), ==, -EINVAL);
        g_assert_cmpint(execute(&f, TRANSPORT_OUT, data, 512, CDB(0x0a, 0, 0, 4, 0, 0)), ==, -EINVAL);
        g_assert_cmpint(execute(&f, TRANSPORT_IN, data, 1024, CDB(0x0a, 0, 0, 4, 0, 0)), ==, -EINVAL);
        g_assert_cmpint(execute(&f, TRANSPORT_IN, data, 512, CDB(0x08, 0, 0, 4, 0, 0)), ==, -EINVAL);
        g_assert_cmpint(execute(&f, TRANSPORT_IN, data, 8, CDB(0x12, 0, 0, 0, 36, 0)), ==, -EINVAL);
        g_assert_cmpint(
                execute(&f, TRANSPORT_NONE, NULL, 0, CDB(0x01, 0, 0, 0, 0, 0, 0, 0, 0, 0)), ==, -EINVAL);
        g_assert_cmpint(position(&f), ==, 0);
        g_autofree char *description = transport_describe(f.t);
        g_assert_nonnull(strstr(description, f.path));
        fixture_clear(&f);
}

static void test_mode_sense(void)
{
        struct fixture f;
        uint8_t data[128];
        fixture_create(&f, &plain);
        g_assert_cmphex(in(&f, data, 128, CDB(0x1a, 0, 0, 0, 128, 0)), ==, GOOD);
        g_assert_cmpuint(f.c.residual, ==, 128 - 12);
        g_assert_cmpmem(data, 12, ((uint8_t[]){ 11, 0, 0x10, 8, 0, 0, 0, 0, 0, 0, 0, 0 }), 12);
        g_assert_cmphex(in(&f, data, 128, CDB(0x1a, 0x08, 0x3f, 0, 128, 0)), ==, GOOD);
        g_assert_cmpuint(f.c.residual, ==, 128 - (4 + 12 + 16 + 16 + 32));
        g_assert_cmpuint(data[0], ==, 4 + 12 + 16 + 16 + 32 - 1);
        g_assert_cmpuint(data[3], ==, 0);
        g_assert_cmphex(in(&f, data, 128, CDB(0x5a, 0, 0x0f, 0, 0, 0, 0, 0, 128, 0)), ==, GOOD);
        g_assert_cmpmem(data, 8, ((uint8_t[]){ 0, 30, 0, 0x10, 0, 0, 0, 8 }), 8);
        g_assert_cmpmem(data + 16, 4, ((uint8_t[]){ 0x0f, 0x0e, 0xc0, 0x80 }), 4);
        /* Changeable: only that compression is on, and only descriptor sense. */
        g_assert_cmphex(in(&f, data, 128, CDB(0x1a, 0x08, 0x4f, 0, 128, 0)), ==, GOOD);
        g_assert_cmpmem(data + 4, 4, ((uint8_t[]){ 0x0f, 0x0e, 0x80, 0 }), 4);
        g_assert_cmphex(in(&f, data, 128, CDB(0x1a, 0, 0x4a, 0, 128, 0)), ==, GOOD);
        g_assert_cmpmem(data + 4, 8, ((uint8_t[]){ 0, 0, 0, 0, 0, 0xff, 0xff, 0xff }), 8);
        g_assert_cmpmem(data + 12, 4, ((uint8_t[]){ 0x0a, 0x0a, 0x04, 0 }), 4);
        fixture_clear(&f);
}

static void test_mode_select(void)
{
        static const struct {
                uint8_t list[48], length, pf;
                uint32_t sense;
        } lists[] = {
                { { 0 }, 0, 0x10, GOOD },
                { { 0 }, 3, 0x10, 0x051a00 },
                { { 0, 0, 0x10, 8 }, 8, 0x10, 0x051a00 },
                { { 11, 0, 0x10, 8 }, 12, 0x10, 0x052600 }, /* mode data length */
                { { 0, 1, 0x10, 8 }, 12, 0x10, 0x052600 },  /* medium type */
                { { 0, 0, 0x20, 8 }, 12, 0x10, 0x052600 },  /* buffered mode 2 */
                { { 0, 0, 0x11, 8 }, 12, 0x10, 0x052600 },  /* speed */
                { { 0, 0, 0x10, 7 }, 12, 0x10, 0x052600 },
                { { 0, 0, 0x10, 8, 0x58 }, 12, 0x10, 0x052600 }, /* density */
                { { 0, 0, 0x90, 8, 0x7f }, 12, 0x00, GOOD },
                { { 0, 0, 0x10, 8, 0, 0, 0, 1 }, 12, 0x10, 0x052600 },
                { { 0, 0, 0x10, 8, 0, 0, 0, 0, 0, 0x80, 0, 1 }, 12, 0x10, 0x052600 },
                { { 0, 0, 0x10, 0, 0x0f, 0x0e, 0x40, 0x80 }, 20, 0x10, GOOD },
                { { 0, 0, 0x10, 0, 0x0f, 0x0e, 0x40, 0x80 }, 20, 0x00, 0x052400 },
                { { 0, 0, 0x10, 0, 0x0f, 0x0e, 0x40, 0x80 }, 19, 0x10, 0x051a00 },
                { { 0, 0, 0x10, 0, 0x0f, 0x0e, 0x00, 0x80 }, 20, 0x10, 0x052600 },
                { { 0, 0, 0x10, 0, 0x0f, 0x0d, 0x40, 0x80 }, 20, 0x10, 0x052600 },
                { { 0, 0, 0x10, 0, 0x8f, 0x0e, 0x40, 0x80 }, 20, 0x10, 0x052600 }, /* PS */
                { { 0, 0, 0x10, 0, 0x1c, 0x0a }, 16, 0x10, 0x052600 },
                { { 0, 0, 0x10, 0, 0x0a }, 5, 0x10, 0x051a00 },
        };
        struct fixture f;
        uint8_t data[64];
        fixture_create(&f, &plain);
        g_assert_cmphex(set_block_length(&f, 4096), ==, GOOD);
        for (size_t i = 0; i < G_N_ELEMENTS(lists); i++) {
                uint8_t length = lists[i].length;
                uint8_t cdb6[6] = { 0x15, lists[i].pf, 0, 0, length };
                g_assert_cmphex(out(&f, lists[i].list, length, cdb6, 6), ==, lists[i].sense);
        }
        g_assert_cmphex(in(&f, data, 64, CDB(0x1a, 0, 0x0f, 0, 64, 0)), ==, GOOD);
        g_assert_cmpuint(sg_get_unaligned_be24(data + 9), ==, 0); /* by the one with density 7Fh */
        g_assert_cmphex(data[14], ==, 0x40);
        /* MODE SELECT(10), and all of a list or nothing. */
        uint8_t list[16 + 12] = { [3] = 0x10, [7] = 8, [14] = 2, [16] = 0x0a, [17] = 0x0a, [18] = 0x04 };
        const uint8_t cdb10[10] = { 0x55, 0x10, [8] = sizeof(list) };
        list[19] = 1;
        g_assert_cmphex(out(&f, list, sizeof(list), cdb10, 10), ==, 0x052600);
        g_assert_cmpuint(sg_get_unaligned_be16(f.c.sense + 16), ==, 19);
        g_assert_cmphex(in(&f, data, 12, CDB(0x1a, 0, 0, 0, 12, 0)), ==, GOOD);
        g_assert_cmpuint(sg_get_unaligned_be24(data + 9), ==, 0);
        list[19] = 0;
        g_assert_cmphex(out(&f, list, sizeof(list), cdb10, 10), ==, GOOD);
        g_assert_cmphex(in(&f, data, 12, CDB(0x1a, 0, 0, 0, 12, 0)), ==, GOOD);
        g_assert_cmpuint(sg_get_unaligned_be24(data + 9), ==, 512);
        g_assert_cmphex(none(&f, CDB(0x02, 0, 0, 0, 0, 0)), ==, 0x052000);
        g_assert_cmphex(f.c.sense[0], ==, 0x72);
        fixture_clear(&f);
}

static void test_descriptor_sense(void)
{
        struct fixture f;
        uint8_t data[100];
        const uint8_t list[] = { 0, 0, 0x10, 0, 0x0a, 0x0a, 0x04, 0, 0, 0, 0, 0, 0, 0, 0, 0 };
        fixture_create(&f, &plain);
        g_assert_cmphex(write_block(&f, 200, 1), ==, GOOD);
        g_assert_cmphex(write_filemarks(&f, 1, true), ==, GOOD);
        g_assert_cmphex(out(&f, list, sizeof(list), CDB(0x15, 0x10, 0, 0, sizeof(list), 0)), ==, GOOD);
        g_assert_cmphex(rewind_tape(&f), ==, GOOD);
        g_assert_cmphex(in(&f, data, 100, CDB(0x08, 0, 0, 0, 100, 0)), ==, 0);
        const uint8_t overlength[] = { 0x72, 0, 0, 0, 0, 0, 0, 16, 0, 10, 0x80, 0, 0xff, 0xff, 0xff, 0xff,
                0xff, 0xff, 0xff, 0x9c, 4, 2, 0, SENSE_ILI };
        g_assert_cmpmem(f.c.sense, f.c.sense_length, overlength, sizeof(overlength));
        g_assert_cmphex(in(&f, data, 100, CDB(0x08, 0, 0, 0, 100, 0)), ==, 1);
        g_assert_cmphex(f.c.sense[23], ==, SENSE_FM);
        g_assert_cmphex(none(&f, CDB(0x00, 0, 0x10, 0, 0, 0)), ==, 0x052400);
        const uint8_t field[] = { 0x72, 5, 0x24, 0, 0, 0, 0, 8, 2, 6, 0, 0, 0xcc, 0, 2, 0 };
        g_assert_cmpmem(f.c.sense, f.c.sense_length, field, sizeof(field));
        fixture_clear(&f);
}

static void test_variable_blocks(void)
{
        struct fixture f;
        uint8_t data[512];
        fixture_create(&f, &plain);
        for (unsigned i = 0; i < 4; i++)
                g_assert_cmphex(write_block(&f, 99 + i, i), ==, GOOD);
        g_assert_cmphex(write_filemarks(&f, 2, false), ==, GOOD);
        g_assert_cmpuint(file_size(&f), ==, (100 + 100 + 102 + 102) + 4 * 8 + 2 * 4);
        g_assert_cmphex(rewind_tape(&f), ==, GOOD);
        for (unsigned i = 0; i < 4; i++)
                assert_block(&f, 99 + i, i);
        g_assert_cmphex(in(&f, data, 512, CDB(0x08, 0, 0, 2, 0, 0)), ==, 1);
        g_assert_cmphex(sense_flags(&f), ==, SENSE_FM);
        g_assert_cmpint(information(&f), ==, 512);
        g_assert_cmpuint(f.c.residual, ==, 512);
        g_assert_cmpuint(position(&f), ==, 5);
        g_assert_cmphex(read_any(&f), ==, 1);
        g_assert_cmphex(read_any(&f), ==, 0x080005);
        g_assert_cmphex(sense_flags(&f), ==, 0);
        g_assert_cmpint(information(&f), ==, 512);
        g_assert_cmpuint(position(&f), ==, 6);
        /* Nothing asked, nothing done. */
        g_assert_cmphex(none(&f, CDB(0x08, 0, 0, 0, 0, 0)), ==, GOOD);
        g_assert_cmphex(locate(&f, 1), ==, GOOD);
        g_assert_cmphex(none(&f, CDB(0x0a, 0, 0, 0, 0, 0)), ==, GOOD);
        assert_block(&f, 100, 1);
        fixture_clear(&f);
}

static void test_incorrect_length(void)
{
        struct fixture f;
        uint8_t data[512], expected[512];
        fixture_create(&f, &plain);
        fill(expected, 301, 9);
        g_assert_cmphex(write_block(&f, 301, 9), ==, GOOD);
        g_assert_cmphex(rewind_tape(&f), ==, GOOD);
        /* Shorter than asked. */
        g_assert_cmphex(in(&f, data, 512, CDB(0x08, 0, 0, 2, 0, 0)), ==, 0);
        g_assert_cmphex(sense_flags(&f), ==, SENSE_ILI);
        g_assert_cmpint(information(&f), ==, 512 - 301);
        g_assert_cmpuint(f.c.residual, ==, 512 - 301);
        g_assert_cmpmem(data, 301, expected, 301);
        g_assert_cmphex(data[301], ==, 0xee);
        g_assert_cmphex(rewind_tape(&f), ==, GOOD);
        g_assert_cmphex(in(&f, data, 512, CDB(0x08, 2, 0, 2, 0, 0)), ==, GOOD);
        g_assert_cmpuint(f.c.residual, ==, 512 - 301);
        /* Longer: SILI hides that only while blocks are variable. */
        g_assert_cmphex(rewind_tape(&f), ==, GOOD);
        g_assert_cmphex(in(&f, data, 101, CDB(0x08, 0, 0, 0, 101, 0)), ==, 0);
        g_assert_cmphex(sense_flags(&f), ==, SENSE_ILI);
        g_assert_cmpint(information(&f), ==, -200);
        g_assert_cmpuint(f.c.residual, ==, 0);
        g_assert_cmpmem(data, 101, expected, 101);
        g_assert_cmpuint(position(&f), ==, 1);
        g_assert_cmphex(rewind_tape(&f), ==, GOOD);
        g_assert_cmphex(in(&f, data, 101, CDB(0x08, 2, 0, 0, 101, 0)), ==, GOOD);
        g_assert_cmphex(set_block_length(&f, 512), ==, GOOD);
        g_assert_cmphex(rewind_tape(&f), ==, GOOD);
        g_assert_cmphex(in(&f, data, 101, CDB(0x08, 2, 0, 0, 101, 0)), ==, 0);
        g_assert_cmpint(information(&f), ==, -200);
        g_assert_cmphex(rewind_tape(&f), ==, GOOD);
        g_assert_cmphex(in(&f, data, 512, CDB(0x08, 2, 0, 2, 0, 0)), ==, GOOD);
        fixture_clear(&f);
}

static void test_fixed_blocks(void)
{
        struct fixture f;
        const uint32_t length = 1001;
        g_autofree uint8_t *data = g_malloc(10 * length), *back = g_malloc(10 * length);
        fixture_create(&f, &plain);
        fill(data, 10 * length, 3);
        g_assert_cmphex(set_block_length(&f, length), ==, GOOD);
        g_assert_cmphex(out(&f, data, 6 * length, CDB(0x0a, 1, 0, 0, 6, 0)), ==, GOOD);
        g_assert_cmpuint(position(&f), ==, 6);
        g_assert_cmphex(write_block(&f, 50, 1), ==, GOOD);
        g_assert_cmphex(out(&f, data + 6 * length, 4 * length, CDB(0x0a, 1, 0, 0, 4, 0)), ==, GOOD);
        g_assert_cmphex(write_filemarks(&f, 1, true), ==, GOOD);
        fixture_reopen(&f);
        g_assert_cmphex(set_block_length(&f, length), ==, GOOD);
        g_assert_cmphex(in(&f, back, 4 * length, CDB(0x08, 1, 0, 0, 4, 0)), ==, GOOD);
        g_assert_cmpmem(back, 4 * length, data, 4 * length);
        /* A short block ends it: its data is not given, it is passed. */
        g_assert_cmphex(in(&f, back, 10 * length, CDB(0x08, 1, 0, 0, 10, 0)), ==, 0);
        g_assert_cmphex(sense_flags(&f), ==, SENSE_ILI);
        g_assert_cmpint(information(&f), ==, 8);
        g_assert_cmpuint(f.c.residual, ==, 8 * length);
        g_assert_cmpmem(back, 2 * length, data + 4 * length, 2 * length);
        g_assert_cmphex(back[2 * length], ==, 0xee);
        g_assert_cmpuint(position(&f), ==, 7);
        g_assert_cmphex(in(&f, back, 10 * length, CDB(0x08, 1, 0, 0, 10, 0)), ==, 1);
        g_assert_cmphex(sense_flags(&f), ==, SENSE_FM);
        g_assert_cmpint(information(&f), ==, 6);
        g_assert_cmpuint(f.c.residual, ==, 6 * length);
        g_assert_cmpmem(back, 4 * length, data + 6 * length, 4 * length);
        g_assert_cmpuint(position(&f), ==, 12);
        g_assert_cmphex(in(&f, back, 10 * length, CDB(0x08, 1, 0, 0, 10, 0)), ==, 0x080005);
        g_assert_cmpint(information(&f), ==, 10);
        fixture_clear(&f);
}

/* More records, and more pieces of memory, than one system call takes. */
static void test_many_vectors(void)
{
        struct fixture f;
        const size_t n = 5000, length = 64, pieces = 1000;
        g_autofree uint8_t *data = g_malloc(n * length), *back = g_malloc0(n * length);
        g_autofree struct iovec *iov = g_new(struct iovec, pieces + 40);
        fixture_create(&f, &plain);
        fill(data, n * length, 5);
        g_assert_cmphex(set_block_length(&f, (uint32_t)length), ==, GOOD);
        for (size_t i = 0; i < pieces; i++)
                iov[i] = (struct iovec){ data + i * 320, 320 };
        struct transport_command c = { .cdb = { 0x0a, 1, 0, n >> 8, n & 0xff },
                .cdb_length = 6,
                .direction = TRANSPORT_OUT,
                .iov = iov,
                .iovcnt = (int)pieces };
        g_assert_cmpint(transport_execute(f.t, &c), ==, 0);
        g_assert_cmpuint(c.status, ==, 0);
        g_assert_cmphex(rewind_tape(&f), ==, GOOD);
        for (size_t i = 0; i < pieces; i++)
                iov[i] = (struct iovec){ back + i * 320, 320 };
        c.cdb[0] = 0x08;
        c.direction = TRANSPORT_IN;
        g_assert_cmpint(transport_execute(f.t, &c), ==, 0);
        g_assert_cmpuint(c.status, ==, 0);
        g_assert_cmpmem(back, n * length, data, n * length);
        for (size_t i = 0; i < pieces + 40; i++)
                iov[i] = (struct iovec){ back + i * 300, 300 };
        c.iovcnt = (int)pieces + 40;
        g_assert_cmpint(transport_execute(f.t, &c), ==, -EINVAL);
        fixture_clear(&f);
}

static void test_overwrite(void)
{
        struct fixture f;
        fixture_create(&f, &plain);
        for (unsigned i = 0; i < 10; i++)
                g_assert_cmphex(write_block(&f, 1000, i), ==, GOOD);
        g_assert_cmphex(locate(&f, 4), ==, GOOD);
        g_assert_cmphex(write_block(&f, 77, 44), ==, GOOD);
        g_assert_cmphex(read_any(&f), ==, 0x080005);
        g_assert_cmpuint(file_size(&f), ==, 4 * 1008 + 78 + 8);
        g_assert_cmphex(locate(&f, 2), ==, GOOD);
        g_assert_cmphex(write_filemarks(&f, 1, true), ==, GOOD);
        g_assert_cmpuint(file_size(&f), ==, 2 * 1008 + 4);
        g_assert_cmphex(locate(&f, 1), ==, GOOD);
        g_assert_cmphex(none(&f, CDB(0x19, 1, 0, 0, 0, 0)), ==, GOOD);
        g_assert_cmpuint(position(&f), ==, 1);
        g_assert_cmpuint(file_size(&f), ==, 1008);
        /* No filemarks: nothing written, nothing lost. */
        g_assert_cmphex(rewind_tape(&f), ==, GOOD);
        g_assert_cmphex(write_filemarks(&f, 0, false), ==, GOOD);
        g_assert_cmpuint(file_size(&f), ==, 1008);
        fixture_clear(&f);
}

/* Objects: 0 1 2 blocks, 3 filemark, 4 block, 5 6 filemarks, 7 block. */
static void write_pattern(struct fixture *f)
{
        for (unsigned i = 0; i < 8; i++)
                if (i == 3 || i == 5 || i == 6)
                        g_assert_cmphex(write_filemarks(f, 1, true), ==, GOOD);
                else
                        g_assert_cmphex(write_block(f, 10 + i, i), ==, GOOD);
}

static void test_space(void)
{
        static const struct {
                unsigned from;
                uint8_t code;
                int count;
                uint32_t sense;
                unsigned flags, to;
                int rest;
        } moves[] = {
                { 0, BLOCKS, 3, GOOD, 0, 3 },
                { 0, BLOCKS, 0, GOOD, 0, 0 },
                { 1, BLOCKS, 5, 0x000001, SENSE_FM, 4, 3 },
                { 7, BLOCKS, 3, 0x080005, 0, 8, 2 },
                { 3, BLOCKS, -3, GOOD, 0, 0 },
                { 2, BLOCKS, -5, 0x000004, SENSE_EOM, 0, 3 },
                { 5, BLOCKS, -4, 0x000001, SENSE_FM, 3, 3 },
                { 0, FILEMARKS, 1, GOOD, 0, 4 },
                { 0, FILEMARKS, 3, GOOD, 0, 7 },
                { 4, FILEMARKS, 4, 0x080005, 0, 8, 2 },
                { 8, FILEMARKS, -1, GOOD, 0, 6 },
                { 8, FILEMARKS, -3, GOOD, 0, 3 },
                { 6, FILEMARKS, -5, 0x000004, SENSE_EOM, 0, 3 },
                { 2, END_OF_DATA, 0, GOOD, 0, 8 },
                { 2, END_OF_DATA, -1, GOOD, 0, 8 },
        };
        struct fixture f;
        fixture_create(&f, &plain);
        write_pattern(&f);
        for (size_t i = 0; i < G_N_ELEMENTS(moves); i++) {
                uint8_t cdb16[16] = { 0x91, moves[i].code };
                sg_put_unaligned_be64((uint64_t)moves[i].count, cdb16 + 4);
                for (unsigned form = 0; form < 2; form++) {
                        g_assert_cmphex(locate(&f, moves[i].from), ==, GOOD);
                        uint32_t s = form ? none(&f, cdb16, 16) : space(&f, moves[i].code, moves[i].count);
                        g_assert_cmphex(s, ==, moves[i].sense);
                        if (s != GOOD) {
                                g_assert_cmphex(sense_flags(&f), ==, moves[i].flags);
                                g_assert_cmpint(information(&f), ==, moves[i].rest);
                        }
                        g_assert_cmpuint(position(&f), ==, moves[i].to);
                }
        }
        uint8_t far[16] = { 0x91, BLOCKS, 0, 0, 0x80 };
        g_assert_cmphex(none(&f, far, 16), ==, 0x000001); /* backwards by 2^63 */
        g_assert_cmphex(f.c.sense[0], ==, 0x70);          /* the rest does not fit */
        fixture_clear(&f);
}

static void test_locate(void)
{
        struct fixture f;
        uint8_t data[32];
        fixture_create(&f, &plain);
        write_pattern(&f);
        g_assert_cmphex(none(&f, CDB(0x2b, 0, 0, 0, 0, 0, 4, 0, 0, 0)), ==, GOOD);
        g_assert_cmpuint(position(&f), ==, 4);
        assert_block(&f, 14, 4);
        g_assert_cmphex(none(&f, CDB(0x2b, 1, 0, 0, 0, 0, 7, 0, 0, 0)), ==, GOOD);
        assert_block(&f, 17, 7);
        g_assert_cmphex(none(&f, CDB(0x92, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 8, 0, 0, 0, 0)), ==, GOOD);
        g_assert_cmphex(locate(&f, 9), ==, 0x080005);
        g_assert_cmpuint(position(&f), ==, 8);
        /* READ POSITION: the beginning, in both forms; filemarks before. */
        g_assert_cmphex(in(&f, data, 32, CDB(0x34, 6, 0, 0, 0, 0, 0, 0, 0, 0)), ==, GOOD);
        g_assert_cmpuint(sg_get_unaligned_be64(data + 16), ==, 3);
        g_assert_cmphex(data[0], ==, 0);
        g_assert_cmphex(in(&f, data, 20, CDB(0x34, 0, 0, 0, 0, 0, 0, 0, 0, 0)), ==, GOOD);
        g_assert_cmpuint(sg_get_unaligned_be32(data + 4), ==, 8);
        g_assert_cmpuint(sg_get_unaligned_be32(data + 8), ==, 8);
        g_assert_cmphex(rewind_tape(&f), ==, GOOD);
        g_assert_cmphex(in(&f, data, 20, CDB(0x34, 0, 0, 0, 0, 0, 0, 0, 0, 0)), ==, GOOD);
        g_assert_cmphex(data[0], ==, 0x80);
        fixture_clear(&f);
}

/* What is not synchronized is in the buffer. */
static void test_buffer(void)
{
        struct fixture f;
        uint8_t data[20];
        struct virtual_statistics s;
        fixture_create(&f, &plain);
        g_assert_cmphex(write_block(&f, 100, 1), ==, GOOD);
        g_assert_cmphex(write_filemarks(&f, 1, false), ==, GOOD);
        g_assert_cmphex(write_block(&f, 100, 2), ==, GOOD);
        g_assert_cmphex(write_filemarks(&f, 1, true), ==, GOOD);
        g_assert_cmphex(in(&f, data, 20, CDB(0x34, 0, 0, 0, 0, 0, 0, 0, 0, 0)), ==, GOOD);
        g_assert_cmpuint(sg_get_unaligned_be32(data + 4), ==, 4);
        g_assert_cmpuint(sg_get_unaligned_be32(data + 8), ==, 2);
        g_assert_cmpuint(sg_get_unaligned_be24(data + 13), ==, 2);
        g_assert_cmpuint(sg_get_unaligned_be32(data + 16), ==, 100);
        g_assert_cmphex(write_filemarks(&f, 0, false), ==, GOOD);
        g_assert_cmphex(in(&f, data, 20, CDB(0x34, 0, 0, 0, 0, 0, 0, 0, 0, 0)), ==, GOOD);
        g_assert_cmpuint(sg_get_unaligned_be24(data + 13), ==, 0);
        virtual_statistics(f.t, &s);
        g_assert_cmpuint(s.writes, ==, 2);
        g_assert_cmpuint(s.filemarks, ==, 2);
        g_assert_cmpuint(s.synchronizations, ==, 2);
        g_assert_cmpuint(s.commands, ==, 8); /* with TEST UNIT READY */
        /* Unbuffered, nothing waits. */
        const uint8_t list[] = { 0, 0, 0, 0 };
        g_assert_cmphex(out(&f, list, 4, CDB(0x15, 0x10, 0, 0, 4, 0)), ==, GOOD);
        g_assert_cmphex(write_block(&f, 100, 1), ==, GOOD);
        g_assert_cmphex(in(&f, data, 20, CDB(0x34, 0, 0, 0, 0, 0, 0, 0, 0, 0)), ==, GOOD);
        g_assert_cmpuint(sg_get_unaligned_be24(data + 13), ==, 0);
        fixture_clear(&f);
}

static void test_load_unload(void)
{
        struct fixture f;
        uint8_t data[64];
        fixture_create(&f, &plain);
        g_assert_cmphex(write_block(&f, 100, 1), ==, GOOD);
        g_assert_cmphex(none(&f, CDB(0x1e, 0, 0, 0, 1, 0)), ==, GOOD);
        g_assert_cmphex(none(&f, CDB(0x1b, 0, 0, 0, 0, 0)), ==, 0x055302);
        g_assert_cmpuint(position(&f), ==, 1);
        g_assert_cmphex(none(&f, CDB(0x1b, 0, 0, 0, 1, 0)), ==, GOOD); /* LOAD rewinds */
        g_assert_cmpuint(position(&f), ==, 0);
        g_assert_cmphex(none(&f, CDB(0x1e, 0, 0, 0, 0, 0)), ==, GOOD);
        g_assert_cmphex(none(&f, CDB(0x1b, 0, 0, 0, 0, 0)), ==, GOOD);
        static const uint8_t need_medium[][16] = { { 0x00 }, { 0x01 }, { 0x08, 0, 0, 2 }, { 0x0a, 0, 0, 2 },
                { 0x10 }, { 0x11 }, { 0x19 }, { 0x1b }, { 0x2b }, { 0x34 }, { 0x80 }, { 0x91 }, { 0x92 } };
        for (size_t i = 0; i < G_N_ELEMENTS(need_medium); i++) {
                static const size_t lengths[] = { 6, 10, 10, 0, 16 };
                g_assert_cmphex(none(&f, need_medium[i], lengths[need_medium[i][0] >> 5]), ==, 0x023a00);
        }
        g_assert_cmphex(in(&f, data, 36, CDB(0x12, 0, 0, 0, 36, 0)), ==, GOOD);
        g_assert_cmphex(in(&f, data, 64, CDB(0x1a, 0, 0x3f, 0, 64, 0)), ==, GOOD);
        g_assert_cmphex(in(&f, data, 36, CDB(0x4d, 0, 0x71, 0, 0, 0, 0, 0, 36, 0)), ==, GOOD);
        g_assert_cmphex(none(&f, CDB(0x1b, 1, 0, 0, 1, 0)), ==, GOOD);
        g_assert_cmphex(rewind_tape(&f), ==, 0x062800);
        assert_block(&f, 100, 1);
        fixture_clear(&f);
}

static void test_reset(void)
{
        struct fixture f;
        fixture_create(&f, &plain);
        g_assert_cmphex(set_block_length(&f, 512), ==, GOOD);
        g_assert_cmphex(none(&f, CDB(0x1e, 0, 0, 0, 1, 0)), ==, GOOD);
        g_assert_cmphex(write_block(&f, 100, 1), ==, GOOD);
        virtual_reset(f.t);
        g_assert_cmphex(write_block(&f, 100, 2), ==, 0x062900);
        g_assert_cmpuint(position(&f), ==, 0);
        g_assert_cmphex(none(&f, CDB(0x08, 1, 0, 0, 1, 0)), ==, 0x052400); /* variable again */
        assert_block(&f, 100, 1);
        g_assert_cmphex(none(&f, CDB(0x1b, 0, 0, 0, 0, 0)), ==, GOOD);
        /* A reset and a load are two unit attentions, one after the other. */
        g_assert_cmphex(none(&f, CDB(0x1b, 0, 0, 0, 1, 0)), ==, GOOD);
        virtual_reset(f.t);
        g_assert_cmphex(none(&f, CDB(0x00, 0, 0, 0, 0, 0)), ==, 0x062900);
        g_assert_cmphex(none(&f, CDB(0x02, 0, 0, 0, 0, 0)), ==, 0x062800);
        g_assert_cmphex(none(&f, CDB(0x00, 0, 0, 0, 0, 0)), ==, GOOD);
        fixture_clear(&f);
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/virtual/inquiry", test_inquiry);
        g_test_add_func("/virtual/request-sense", test_request_sense);
        g_test_add_func("/virtual/rejects", test_rejects);
        g_test_add_func("/virtual/undeliverable", test_undeliverable);
        g_test_add_func("/virtual/mode-sense", test_mode_sense);
        g_test_add_func("/virtual/mode-select", test_mode_select);
        g_test_add_func("/virtual/descriptor-sense", test_descriptor_sense);
        g_test_add_func("/virtual/variable-blocks", test_variable_blocks);
        g_test_add_func("/virtual/incorrect-length", test_incorrect_length);
        g_test_add_func("/virtual/fixed-blocks", test_fixed_blocks);
        g_test_add_func("/virtual/many-vectors", test_many_vectors);
        g_test_add_func("/virtual/overwrite", test_overwrite);
        g_test_add_func("/virtual/space", test_space);
        g_test_add_func("/virtual/locate", test_locate);
        g_test_add_func("/virtual/buffer", test_buffer);
        g_test_add_func("/virtual/load-unload", test_load_unload);
        g_test_add_func("/virtual/reset", test_reset);
        return g_test_run();
}

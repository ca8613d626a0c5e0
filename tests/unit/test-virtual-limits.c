/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The virtual drive where it refuses or lacks something: capacity, write protection, abilities. */
#include "virtual-fixture.h"

static const struct virtual_cartridge plain = { .barcode = "TST001L8" };

static void test_block_limits(void)
{
        struct fixture f;
        uint8_t data[6];
        fixture_create(&f, &plain);
        g_assert_cmphex(in(&f, data, 6, CDB(0x05, 0, 0, 0, 0, 0)), ==, GOOD);
        g_assert_cmpmem(data, 6, ((uint8_t[]){ 0, 0x80, 0, 0, 0, 1 }), 6);
        fixture_clear(&f);
}

static void test_capacity(void)
{
        struct fixture f;
        const struct virtual_cartridge small = { .capacity = 10 << 20, .early_warning = 3 << 20 };
        const uint32_t mib = 1 << 20;
        g_autofree uint8_t *data = g_malloc0(4 * mib);
        uint8_t page[64];
        fixture_create(&f, &small);
        g_assert_cmphex(set_block_length(&f, mib), ==, GOOD);
        g_assert_cmphex(out(&f, data, 4 * mib, CDB(0x0a, 1, 0, 0, 4, 0)), ==, GOOD);
        g_assert_cmphex(in(&f, page, 64, CDB(0x4d, 0, 0x71, 0, 0, 0, 0, 0, 64, 0)), ==, GOOD);
        g_assert_cmpmem(page, 12, ((uint8_t[]){ 0x31, 0, 0, 32, 0, 1, 3, 4, 0, 0, 0, 6 }), 12);
        g_assert_cmpmem(page + 20, 8, ((uint8_t[]){ 0, 3, 3, 4, 0, 0, 0, 10 }), 8);
        g_assert_cmphex(in(&f, page, 64, CDB(0x4d, 0, 0x71, 0, 0, 0, 3, 0, 64, 0)), ==, GOOD);
        g_assert_cmpmem(page, 8, ((uint8_t[]){ 0x31, 0, 0, 16, 0, 3, 3, 4 }), 8);
        g_assert_cmphex(in(&f, page, 64, CDB(0x4d, 0, 0x40, 0, 0, 0, 0, 0, 64, 0)), ==, GOOD);
        g_assert_cmpmem(page, 9, ((uint8_t[]){ 0, 0, 0, 5, 0, 0x0c, 0x17, 0x2e, 0x31 }), 9);
        g_assert_cmphex(write_filemarks(&f, 1, true), ==, GOOD);
        /* Early warning: a success. */
        g_assert_cmphex(out(&f, data, 4 * mib, CDB(0x0a, 1, 0, 0, 4, 0)), ==, 0x000002);
        g_assert_cmphex(sense_flags(&f), ==, SENSE_EOM);
        g_assert_cmpint(information(&f), ==, 0);
        g_assert_cmpuint(f.c.residual, ==, 0);
        g_assert_cmpuint(position(&f), ==, 9);
        g_assert_cmphex(write_filemarks(&f, 2, false), ==, 0x000002);
        g_assert_cmpint(information(&f), ==, 0);
        g_assert_cmphex(in(&f, page, 20, CDB(0x34, 0, 0, 0, 0, 0, 0, 0, 0, 0)), ==, GOOD);
        g_assert_cmphex(page[0], ==, 0x40);
        /* The end: what fits is written. */
        g_assert_cmphex(out(&f, data, 4 * mib, CDB(0x0a, 1, 0, 0, 4, 0)), ==, 0x0d0002);
        g_assert_cmphex(sense_flags(&f), ==, SENSE_EOM);
        g_assert_cmpint(information(&f), ==, 2);
        g_assert_cmpuint(f.c.residual, ==, 2 * mib);
        g_assert_cmpuint(position(&f), ==, 13);
        g_assert_cmphex(write_block(&f, 100, 1), ==, 0x0d0002);
        g_assert_cmpint(information(&f), ==, 100);
        g_assert_cmpuint(position(&f), ==, 13);
        g_assert_cmphex(write_filemarks(&f, 1, false), ==, 0x000002);
        g_assert_cmphex(read_any(&f), ==, 0x080005);
        g_assert_cmphex(sense_flags(&f), ==, SENSE_EOM);
        /* Before early warning there is no more of it; overwriting makes room. */
        g_assert_cmphex(locate(&f, 3), ==, GOOD);
        g_assert_cmphex(in(&f, page, 20, CDB(0x34, 0, 0, 0, 0, 0, 0, 0, 0, 0)), ==, GOOD);
        g_assert_cmphex(page[0], ==, 0);
        g_assert_cmphex(write_block(&f, 100, 1), ==, GOOD);
        g_assert_cmphex(in(&f, page, 64, CDB(0x4d, 0, 0x71, 0, 0, 0, 0, 0, 64, 0)), ==, GOOD);
        g_assert_cmpuint(sg_get_unaligned_be32(page + 8), ==, 6);
        fixture_clear(&f);
}

/* A write that does not fit at all leaves what is there. */
static void test_overflow_keeps(void)
{
        struct fixture f;
        fixture_create(&f, &(struct virtual_cartridge){ .capacity = 1000 });
        g_assert_cmphex(write_block(&f, 400, 1), ==, GOOD);
        g_assert_cmphex(write_block(&f, 400, 2), ==, 0x000002);
        g_assert_cmphex(locate(&f, 1), ==, GOOD);
        g_assert_cmphex(write_block(&f, 601, 3), ==, 0x0d0002);
        assert_block(&f, 400, 2);
        fixture_clear(&f);
}

static void test_unlimited_capacity(void)
{
        struct fixture f;
        uint8_t page[64];
        fixture_create(&f, &plain);
        g_assert_cmphex(in(&f, page, 64, CDB(0x4d, 0, 0x71, 0, 0, 0, 0, 0, 64, 0)), ==, GOOD);
        g_assert_cmpuint(sg_get_unaligned_be32(page + 8), >, 0);
        g_assert_cmpuint(sg_get_unaligned_be32(page + 24), >=, sg_get_unaligned_be32(page + 8));
        fixture_clear(&f);
}

static void test_write_protected(void)
{
        struct fixture f;
        uint8_t data[12];
        fixture_create(&f, &plain);
        g_assert_cmphex(write_block(&f, 100, 1), ==, GOOD);
        transport_close(g_steal_pointer(&f.t));
        fixture_open(&f, true);
        g_assert_cmphex(write_block(&f, 100, 2), ==, 0x072700);
        g_assert_cmphex(write_filemarks(&f, 1, false), ==, 0x072700);
        g_assert_cmphex(write_filemarks(&f, 0, false), ==, GOOD);
        g_assert_cmphex(none(&f, CDB(0x19, 0, 0, 0, 0, 0)), ==, 0x072700);
        g_assert_cmphex(in(&f, data, 12, CDB(0x1a, 0, 0, 0, 12, 0)), ==, GOOD);
        g_assert_cmphex(data[2], ==, 0x90);
        assert_block(&f, 100, 1);
        fixture_clear(&f);

        fixture_create(&f, &(struct virtual_cartridge){ .write_protected = true });
        g_assert_cmphex(write_block(&f, 100, 2), ==, 0x072700);
        fixture_clear(&f);
}

static void test_lacks(void)
{
        static const struct {
                unsigned lacks;
                uint8_t cdb[16], length;
        } cases[] = {
                { VIRTUAL_NO_LOCATE16, { 0x92 }, 16 },
                { VIRTUAL_NO_LOCATE10, { 0x2b }, 10 },
                { VIRTUAL_NO_READ_POSITION, { 0x34 }, 10 },
                { VIRTUAL_NO_SPACE16, { 0x91 }, 16 },
                { VIRTUAL_NO_MODE10, { 0x5a, 0, 0x3f }, 10 },
                { VIRTUAL_NO_MODE10, { 0x55 }, 10 },
                { VIRTUAL_NO_CAPACITY, { 0x4d, 0, 0x71 }, 10 },
                { VIRTUAL_NO_RESERVE, { 0x17 }, 6 },
                { VIRTUAL_NO_RESERVE, { 0x57 }, 10 },
                { VIRTUAL_NO_PERSISTENT, { 0x5e }, 10 },
                { VIRTUAL_NO_DENSITY, { 0x44 }, 10 },
                { VIRTUAL_NO_OPCODES, { 0xa3, 0x0c }, 12 },
                { VIRTUAL_NO_ORDER, { 0xa3, 0x1d }, 12 },
                { VIRTUAL_NO_ORDER, { 0xa4, 0x1d, 2 }, 12 },
                { VIRTUAL_NO_ATTRIBUTES, { 0x8c }, 16 },
                { VIRTUAL_NO_ATTRIBUTES, { 0x8d }, 16 },
        };
        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                struct fixture f;
                fixture_create(&f, &(struct virtual_cartridge){ .lacks = cases[i].lacks });
                g_assert_cmphex(none(&f, cases[i].cdb, cases[i].length), ==, 0x052000);
                for (size_t j = 0; j < G_N_ELEMENTS(cases); j++)
                        if (cases[j].lacks != cases[i].lacks && cases[j].cdb[0] != 0x34)
                                g_assert_cmphex(none(&f, cases[j].cdb, cases[j].length), ==, GOOD);
                fixture_clear(&f);
        }
}

/* These are forms of commands that there are: an invalid field. */
static void test_lacks_forms(void)
{
        static const struct {
                unsigned lacks;
                uint8_t cdb[16], length, byte;
        } cases[] = {
                { VIRTUAL_NO_VPD, { 0x12, 1 }, 6, 1 },
                { VIRTUAL_NO_CAPACITY_PAGE, { 0x4d, 0, 0x71 }, 10, 2 },
                { VIRTUAL_NO_VOLUME_PAGE, { 0x4d, 0, 0x57 }, 10, 2 },
                { VIRTUAL_NO_ALERT_PAGE, { 0x4d, 0, 0x6e }, 10, 2 },
                { VIRTUAL_NO_SEQUENTIAL_PAGE, { 0x4d, 0, 0x4c }, 10, 2 },
                { VIRTUAL_NO_LONG_POSITION, { 0x34, 8 }, 10, 1 },
                { VIRTUAL_NO_SEQUENTIAL_FILEMARKS, { 0x11, 2 }, 6, 1 },
        };
        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                struct fixture f;
                fixture_create(&f, &(struct virtual_cartridge){ .lacks = cases[i].lacks });
                g_assert_cmphex(none(&f, cases[i].cdb, cases[i].length), ==, 0x052400);
                g_assert_cmpuint(sg_get_unaligned_be16(f.c.sense + 16), ==, cases[i].byte);
                for (size_t j = 0; j < G_N_ELEMENTS(cases); j++)
                        if (j != i)
                                g_assert_cmphex(none(&f, cases[j].cdb, cases[j].length), ==, GOOD);
                fixture_clear(&f);
        }
}

static void test_lacks_eom_position(void)
{
        struct fixture f;
        uint8_t data[20];
        fixture_create(&f, &(struct virtual_cartridge){ .lacks = VIRTUAL_NO_EOM_POSITION, .capacity = 1000 });
        g_assert_cmphex(write_block(&f, 900, 1), ==, 0x000002);
        g_assert_cmphex(in(&f, data, 20, CDB(0x34, 0, 0, 0, 0, 0, 0, 0, 0, 0)), ==, GOOD);
        g_assert_cmphex(data[0], ==, 0);
        fixture_clear(&f);
}

static void test_fixed_only(void)
{
        struct fixture f;
        uint8_t data[3 * 1024];
        fixture_create(&f, &(struct virtual_cartridge){ .lacks = VIRTUAL_NO_VARIABLE, .fixed_block = 1024 });
        g_assert_cmphex(in(&f, data, 6, CDB(0x05, 0, 0, 0, 0, 0)), ==, GOOD);
        g_assert_cmpmem(data, 6, ((uint8_t[]){ 0, 0, 4, 0, 4, 0 }), 6);
        g_assert_cmphex(in(&f, data, 12, CDB(0x1a, 0, 0, 0, 12, 0)), ==, GOOD);
        g_assert_cmpuint(sg_get_unaligned_be24(data + 9), ==, 1024);
        g_assert_cmphex(write_block(&f, 1024, 1), ==, 0x052400);
        g_assert_cmphex(set_block_length(&f, 0), ==, 0x052600);
        g_assert_cmphex(set_block_length(&f, 2048), ==, 0x052600);
        g_assert_cmphex(set_block_length(&f, 1024), ==, GOOD);
        fill(data, sizeof(data), 1);
        g_assert_cmphex(out(&f, data, sizeof(data), CDB(0x0a, 1, 0, 0, 3, 0)), ==, GOOD);
        g_assert_cmphex(rewind_tape(&f), ==, GOOD);
        g_assert_cmphex(in(&f, data, 1024, CDB(0x08, 0, 0, 4, 0, 0)), ==, 0x052400);
        g_assert_cmphex(in(&f, data, sizeof(data), CDB(0x08, 1, 0, 0, 3, 0)), ==, GOOD);
        fixture_clear(&f);
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/virtual-limits/block-limits", test_block_limits);
        g_test_add_func("/virtual-limits/capacity", test_capacity);
        g_test_add_func("/virtual-limits/overflow-keeps", test_overflow_keeps);
        g_test_add_func("/virtual-limits/unlimited-capacity", test_unlimited_capacity);
        g_test_add_func("/virtual-limits/write-protected", test_write_protected);
        g_test_add_func("/virtual-limits/lacks", test_lacks);
        g_test_add_func("/virtual-limits/lacks-forms", test_lacks_forms);
        g_test_add_func("/virtual-limits/lacks-eom-position", test_lacks_eom_position);
        g_test_add_func("/virtual-limits/fixed-only", test_fixed_only);
        return g_test_run();
}

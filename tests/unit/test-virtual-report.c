/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the virtual drive says of itself and the medium: operation codes, densities, log pages, positions. */
#include "virtual-fixture.h"

static const struct virtual_cartridge plain = { .barcode = "TST001L8" };
static const struct virtual_cartridge small = {
        .barcode = "TST002L8", .capacity = 40000000, .early_warning = 8000000
};

/* ---- REPORT SUPPORTED OPERATION CODES */

static uint32_t one_command(struct fixture *f, uint8_t *data, uint8_t options, uint8_t opcode,
        uint16_t action, uint8_t allocation)
{
        return in(f, data, allocation,
                CDB(0xa3, 0x0c, options, opcode, (uint8_t)(action >> 8), (uint8_t)action, 0, 0, 0, allocation,
                        0, 0));
}

static void test_one_command(void)
{
        struct fixture f;
        uint8_t data[64];
        fixture_create(&f, &plain);
        g_assert_cmphex(one_command(&f, data, 0x01, 0x0a, 0, 64), ==, GOOD);
        g_assert_cmpmem(data, 10, ((uint8_t[]){ 0, 3, 0, 6, 0x0a, 0x01, 0xff, 0xff, 0xff, 0 }), 10);
        g_assert_cmpuint(f.c.residual, ==, 54);
        /* With the timeouts descriptor. */
        g_assert_cmphex(one_command(&f, data, 0x81, 0x01, 0, 64), ==, GOOD);
        g_assert_cmpmem(data, 12, ((uint8_t[]){ 0, 0x83, 0, 6, 1, 1, 0, 0, 0, 0, 0, 10 }), 12);
        g_assert_cmpuint(sg_get_unaligned_be32(data + 18), ==, 600);
        g_assert_cmpuint(f.c.residual, ==, 42);
        /* With a service action. */
        g_assert_cmphex(one_command(&f, data, 0x02, 0x5e, 3, 64), ==, GOOD);
        g_assert_cmpmem(data, 14, ((uint8_t[]){ 0, 3, 0, 10, 0x5e, 0x03, 0, 0, 0, 0, 0, 0xff, 0xff, 0 }), 14);
        g_assert_cmphex(one_command(&f, data, 0x03, 0x34, 6, 64), ==, GOOD);
        g_assert_cmpuint(data[1], ==, 3);
        /* Not supported. */
        g_assert_cmphex(one_command(&f, data, 0x01, 0x0b, 0, 64), ==, GOOD);
        g_assert_cmpmem(data, 4, ((uint8_t[]){ 0, 1, 0, 0 }), 4);
        g_assert_cmphex(one_command(&f, data, 0x02, 0x5e, 4, 64), ==, GOOD);
        g_assert_cmpuint(data[1], ==, 1);
        g_assert_cmphex(one_command(&f, data, 0x03, 0x0a, 1, 64), ==, GOOD);
        g_assert_cmpuint(data[1], ==, 1);
        /* A service action of a command without, and the other way round. */
        g_assert_cmphex(one_command(&f, data, 0x02, 0x0a, 0, 64), ==, 0x052400);
        g_assert_cmphex(one_command(&f, data, 0x01, 0x5e, 0, 64), ==, 0x052400);
        g_assert_cmphex(one_command(&f, data, 0x04, 0x0a, 0, 64), ==, 0x052400);
        g_assert_cmphex(none(&f, CDB(0xa3, 0x0d, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)), ==, 0x052400);
        fixture_clear(&f);
}

/* Each command in the list is one that the drive says it has, when asked for it alone. */
static void test_all_commands(void)
{
        struct fixture f;
        uint8_t all[2048], one[64];
        unsigned n = 0, position_forms = 0;
        fixture_create(&f, &(struct virtual_cartridge){ .lacks = VIRTUAL_NO_LOCATE16 });
        g_assert_cmphex(
                in(&f, all, sizeof(all), CDB(0xa3, 0x0c, 0x80, 0, 0, 0, 0, 0, 0x08, 0, 0, 0)), ==, GOOD);
        size_t length = 4 + sg_get_unaligned_be32(all);
        g_assert_cmpuint(length, ==, sizeof(all) - f.c.residual);
        for (size_t at = 4; at < length; at += 20, n++) {
                uint8_t *p = all + at;
                bool has_action = p[5] & 1;
                uint16_t action = sg_get_unaligned_be16(p + 2);
                g_assert_cmpuint(p[5] & 2, ==, 2);
                g_assert_cmpuint(sg_get_unaligned_be16(p + 8), ==, 10);
                g_assert_cmpuint(sg_get_unaligned_be32(p + 16), >=, 60);
                g_assert_cmphex(p[0], !=, 0x92);
                position_forms += p[0] == 0x34;
                g_assert_cmphex(one_command(&f, one, has_action ? 2 : 1, p[0], action, 64), ==, GOOD);
                g_assert_cmpuint(one[1], ==, 3);
                g_assert_cmpmem(one + 2, 2, p + 6, 2);
        }
        g_assert_cmpuint(n, >, 40);
        g_assert_cmpuint(position_forms, ==, 4);
        g_assert_cmphex(in(&f, all, 24, CDB(0xa3, 0x0c, 0, 0, 0, 0, 0, 0, 0, 24, 0, 0)), ==, GOOD);
        g_assert_cmpmem(all + 4, 16, ((uint8_t[]){ 0, 0, 0, 0, 0, 0, 0, 6, 1, 0, 0, 0, 0, 0, 0, 6 }), 16);
        fixture_clear(&f);
}

/* ---- REPORT DENSITY SUPPORT */

static void test_density(void)
{
        struct fixture f;
        uint8_t data[128];
        fixture_create(&f, &small);
        g_assert_cmphex(in(&f, data, 128, CDB(0x44, 1, 0, 0, 0, 0, 0, 0, 128, 0)), ==, GOOD);
        g_assert_cmpuint(128 - f.c.residual, ==, 56);
        g_assert_cmpuint(sg_get_unaligned_be16(data), ==, 54);
        g_assert_cmphex(data[6], ==, 0xa0);
        g_assert_cmpuint(sg_get_unaligned_be32(data + 16), ==, 40); /* MB */
        g_assert_cmpmem(data + 20, 8, "REELFS  ", 8);
        g_assert_cmphex(in(&f, data, 128, CDB(0x44, 2, 0, 0, 0, 0, 0, 0, 128, 0)), ==, GOOD);
        g_assert_cmpuint(128 - f.c.residual, ==, 60);
        g_assert_cmpuint(sg_get_unaligned_be16(data + 6), ==, 52);
        g_assert_cmphex(none(&f, CDB(0x1b, 0, 0, 0, 0, 0)), ==, GOOD);
        g_assert_cmphex(none(&f, CDB(0x44, 0, 0, 0, 0, 0, 0, 0, 0, 0)), ==, GOOD);
        g_assert_cmphex(none(&f, CDB(0x44, 1, 0, 0, 0, 0, 0, 0, 0, 0)), ==, 0x023a00);
        fixture_clear(&f);
}

/* ---- LOG SENSE */

static void log_page(struct fixture *f, uint8_t page, uint16_t first, uint8_t *data, size_t size)
{
        g_assert_cmphex(in(f, data, size,
                                CDB(0x4d, 0, 0x40 | page, 0, 0, (uint8_t)(first >> 8), (uint8_t)first,
                                        (uint8_t)(size >> 8), (uint8_t)size, 0)),
                ==, GOOD);
        g_assert_cmphex(data[0], ==, page);
        g_assert_cmpuint(sg_get_unaligned_be16(data + 2) + 4u, ==, size - f->c.residual);
}

/* A number; fails if there is no such parameter. */
static uint64_t parameter(struct fixture *f, uint8_t page, uint16_t wanted)
{
        uint8_t data[1024];
        log_page(f, page, 0, data, sizeof(data));
        for (size_t at = 4; at < sizeof(data) - f->c.residual; at += 4 + (size_t)data[at + 3])
                if (sg_get_unaligned_be16(data + at) == wanted)
                        return sg_get_unaligned_be(data[at + 3], data + at + 4);
        g_assert_not_reached();
}

static void test_statistics(void)
{
        struct fixture f;
        const uint32_t size = 5000000;
        uint8_t data[1024];
        fixture_create(&f, &small);
        g_assert_cmphex(write_block(&f, size, 1), ==, GOOD);
        g_assert_cmphex(write_block(&f, size, 2), ==, GOOD);
        g_assert_cmphex(rewind_tape(&f), ==, GOOD);
        assert_block(&f, size, 1);
        g_assert_cmpuint(parameter(&f, 0x0c, 0), ==, 2 * size);
        g_assert_cmpuint(parameter(&f, 0x0c, 1), ==, 2 * size);
        g_assert_cmpuint(parameter(&f, 0x0c, 2), ==, size);
        g_assert_cmpuint(parameter(&f, 0x0c, 3), ==, size);
        g_assert_cmpuint(parameter(&f, 0x0c, 4), ==, 10);
        g_assert_cmpuint(parameter(&f, 0x0c, 5), ==, 32);
        g_assert_cmpuint(parameter(&f, 0x0c, 7), ==, 5);
        g_assert_cmpuint(parameter(&f, 0x0c, 0x100), ==, 0);
        g_assert_cmpuint(parameter(&f, 0x17, 0), ==, 1);
        g_assert_cmpuint(parameter(&f, 0x17, 0x0e), ==, 10);
        g_assert_cmpuint(parameter(&f, 0x17, 0x0f), ==, 5);
        g_assert_cmpuint(parameter(&f, 0x17, 0x16), ==, 40);
        g_assert_cmpuint(parameter(&f, 0x17, 0x17), ==, 10);
        g_assert_cmphex(parameter(&f, 0x17, 0x204), ==, UINT64_C(0x0700000000000016)); /* to early warning */
        log_page(&f, 0x17, 0x42, data, sizeof(data));
        g_assert_cmpmem(data + 4, 14,
                ((uint8_t[]){ 0, 0x42, 1, 32, 'T', 'S', 'T', '0', '0', '2', 'L', '8', ' ', ' ' }), 14);
        log_page(&f, 0x17, 0x204, data, sizeof(data));
        g_assert_cmpuint(f.c.residual, ==, sizeof(data) - 16);
        g_assert_cmphex(none(&f, CDB(0x4d, 0, 0x57, 0, 0, 2, 5, 0, 0, 0)), ==, 0x052400);
        /* Another load: what is counted begins anew. */
        fixture_reopen(&f);
        g_assert_cmpuint(parameter(&f, 0x0c, 0), ==, 0);
        g_assert_cmpuint(parameter(&f, 0x17, 0x17), ==, 10);
        fixture_clear(&f);
}

static void test_tape_alert(void)
{
        struct fixture f;
        uint8_t data[512];
        g_autofree char *name = NULL;
        fixture_create(&f, &plain);
        log_page(&f, 0x2e, 0, data, sizeof(data));
        g_assert_cmpuint(sg_get_unaligned_be16(data + 2), ==, 64 * 5);
        for (unsigned i = 1; i <= 64; i++)
                g_assert_cmpuint(parameter(&f, 0x2e, (uint16_t)i), ==, 0);
        g_assert_cmphex(none(&f, CDB(0x1e, 0, 0, 0, 1, 0)), ==, GOOD);
        g_assert_cmphex(none(&f, CDB(0x1b, 0, 0, 0, 0, 0)), ==, 0x055302);
        g_assert_cmpuint(parameter(&f, 0x2e, 10), ==, 1);
        g_assert_cmpuint(parameter(&f, 0x2e, 10), ==, 0); /* it has been told */
        transport_close(g_steal_pointer(&f.t));
        name = g_strconcat(f.path, ".cartridge", NULL);
        g_assert_true(g_file_set_contents(name, "[test]\ntape-alerts=20;3\n", -1, NULL));
        fixture_open(&f, true);
        log_page(&f, 0x2e, 0, data, sizeof(data));
        for (unsigned i = 1; i <= 64; i++)
                g_assert_cmpuint(data[4 + 5 * (i - 1) + 4], ==, i == 3 || i == 20);
        g_assert_cmphex(write_block(&f, 10, 1), ==, 0x072700);
        g_assert_cmpuint(parameter(&f, 0x2e, 9), ==, 1);
        fixture_clear(&f);
}

/* ---- READ POSITION and SPACE */

static void test_extended_position(void)
{
        struct fixture f;
        uint8_t data[32];
        fixture_create(&f, &plain);
        g_assert_cmphex(write_block(&f, 100, 1), ==, GOOD);
        g_assert_cmphex(write_filemarks(&f, 1, false), ==, GOOD);
        g_assert_cmphex(write_block(&f, 50, 1), ==, GOOD);
        g_assert_cmphex(write_block(&f, 60, 1), ==, GOOD);
        g_assert_cmphex(in(&f, data, 32, CDB(0x34, 8, 0, 0, 0, 0, 0, 0, 32, 0)), ==, GOOD);
        g_assert_cmpmem(data, 8, ((uint8_t[]){ 0, 0, 0, 28, 0, 0, 0, 2 }), 8);
        g_assert_cmpuint(sg_get_unaligned_be64(data + 8), ==, 4);
        g_assert_cmpuint(sg_get_unaligned_be64(data + 16), ==, 2);
        g_assert_cmpuint(sg_get_unaligned_be64(data + 24), ==, 110);
        g_assert_cmphex(in(&f, data, 4, CDB(0x34, 8, 0, 0, 0, 0, 0, 0, 4, 0)), ==, GOOD);
        g_assert_cmphex(none(&f, CDB(0x34, 6, 0, 0, 0, 0, 0, 0, 32, 0)), ==, 0x052400);
        fixture_clear(&f);
}

enum { SEQUENTIAL_FILEMARKS = 2 };

static void test_sequential_filemarks(void)
{
        struct fixture f;
        fixture_create(&f, &plain);
        /* 0 block, 1 FM, 2 block, 3-5 FM, 6 block, 7-8 FM, 9 block */
        static const uint8_t runs[] = { 1, 3, 2 };
        for (unsigned i = 0; i < 3; i++) {
                g_assert_cmphex(write_block(&f, 10, i), ==, GOOD);
                g_assert_cmphex(write_filemarks(&f, runs[i], true), ==, GOOD);
        }
        g_assert_cmphex(write_block(&f, 10, 3), ==, GOOD);
        static const struct {
                uint32_t from;
                int count;
                uint32_t sense;
                uint64_t to;
        } cases[] = {
                { 0, 0, GOOD, 0 },
                { 0, 1, GOOD, 2 },
                { 0, 2, GOOD, 5 },
                { 0, 3, GOOD, 6 },
                { 6, 2, GOOD, 9 },
                { 4, 2, GOOD, 6 },
                { 5, 2, GOOD, 9 },
                { 0, 4, 0x080005, 10 },
                { 10, -1, GOOD, 8 },
                { 10, -2, GOOD, 7 },
                { 10, -3, GOOD, 3 },
                { 10, -4, 0x000004, 0 },
        };
        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                g_assert_cmphex(locate(&f, cases[i].from), ==, GOOD);
                g_assert_cmphex(space(&f, SEQUENTIAL_FILEMARKS, cases[i].count), ==, cases[i].sense);
                g_assert_cmpuint(position(&f), ==, cases[i].to);
        }
        fixture_clear(&f);
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/virtual-report/one-command", test_one_command);
        g_test_add_func("/virtual-report/all-commands", test_all_commands);
        g_test_add_func("/virtual-report/density", test_density);
        g_test_add_func("/virtual-report/statistics", test_statistics);
        g_test_add_func("/virtual-report/tape-alert", test_tape_alert);
        g_test_add_func("/virtual-report/extended-position", test_extended_position);
        g_test_add_func("/virtual-report/sequential-filemarks", test_sequential_filemarks);
        return g_test_run();
}

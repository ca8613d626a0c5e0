/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The virtual drive with WORM media, in append-only mode, and near the end: programmable early warning, the
 * end itself. */
#include "virtual-fixture.h"

#define LENGTH 100u
#define REFUSED 0x07300cu
#define MEGABYTE 1000000u

static const struct virtual_cartridge worm = { .worm = true }, appending = { .append_only = true };

/* Mode page 10h/01h: write mode and size of the programmable early warning. */
static uint32_t set_extension(struct fixture *f, uint8_t write_mode, uint16_t megabytes)
{
        uint8_t list[8 + 32] = { [3] = 0x10, [8] = 0x50, [9] = 0x01, [11] = 0x1c, [13] = write_mode };
        sg_put_unaligned_be16(megabytes, list + 14);
        return out(f, list, sizeof(list), CDB(0x55, 0x10, 0, 0, 0, 0, 0, 0, sizeof(list), 0));
}

static void read_page(struct fixture *f, uint8_t page, uint8_t subpage, uint8_t data[32])
{
        uint8_t reply[8 + 32];
        g_assert_cmphex(in(f, reply, 40, CDB(0x5a, 0x08, page, subpage, 0, 0, 0, 0, 40, 0)), ==, GOOD);
        g_assert_cmpuint(sg_get_unaligned_be16(reply), ==, 38);
        memcpy(data, reply + 8, 32);
}

static uint32_t allow_overwrite(struct fixture *f, uint8_t what, uint32_t object)
{
        uint8_t cdb[16] = { 0x82, 0, what };
        sg_put_unaligned_be64(object, cdb + 4);
        return none(f, cdb, sizeof(cdb));
}

static uint32_t erase(struct fixture *f)
{
        return none(f, CDB(0x19, 0, 0, 0, 0, 0));
}

/* What it says of itself, as SSC-5 has it: mode page, MAM, and what the drive takes. */
static void test_worm_told(void)
{
        for (int w = 0; w < 2; w++) {
                struct fixture f;
                uint8_t page[32], data[64];
                fixture_create(&f, w ? &worm : &(struct virtual_cartridge){ .capacity = 0 });
                read_page(&f, 0x1d, 0, page);
                g_assert_cmpmem(page, 6, ((uint8_t[]){ 0x1d, 0x1e, (uint8_t)w, 0, 1, 2 }), 6);
                g_assert_cmphex(
                        in(&f, data, 64, CDB(0x8c, 0, 0, 0, 0, 0, 0, 0, 0x04, 0x08, 0, 0, 0, 64, 0, 0)), ==,
                        GOOD);
                g_assert_cmpmem(data + 4, 6, ((uint8_t[]){ 0x04, 0x08, 0x80, 0, 1, w ? 0x80 : 0 }), 6);
                g_assert_cmphex(in(&f, data, 64, CDB(0x12, 1, 0xb0, 0, 64, 0)), ==, GOOD);
                g_assert_cmphex(data[4] & 1, ==, 1);
                fixture_clear(&f);
        }
}

/* A block, a filemark, two blocks, three filemarks: where can be written? */
static void write_tape(struct fixture *f)
{
        g_assert_cmphex(write_block(f, LENGTH, 0), ==, GOOD);
        g_assert_cmphex(write_filemarks(f, 1, true), ==, GOOD);
        g_assert_cmphex(write_block(f, LENGTH, 2), ==, GOOD);
        g_assert_cmphex(write_block(f, LENGTH, 3), ==, GOOD);
        g_assert_cmphex(write_filemarks(f, 3, true), ==, GOOD);
}

static void test_where(const struct virtual_cartridge *cartridge)
{
        for (uint32_t at = 0; at <= 7; at++)
                for (unsigned way = 0; way < 3; way++) {
                        struct fixture f;
                        uint32_t expected = at >= 5 ? GOOD : REFUSED;
                        fixture_create(&f, cartridge);
                        write_tape(&f);
                        g_assert_cmphex(locate(&f, at), ==, GOOD);
                        g_assert_cmphex(write_filemarks(&f, 0, false), ==, GOOD);
                        uint32_t found = way == 0 ? write_block(&f, LENGTH, 9)
                                : way == 1        ? write_filemarks(&f, 1, false)
                                                  : erase(&f);
                        g_assert_cmphex(found, ==, expected);
                        if (way < 2)
                                g_assert_cmpuint(position(&f), ==, at + (at >= 5));
                        g_assert_cmphex(locate(&f, 3), ==, GOOD);
                        assert_block(&f, LENGTH, 3);
                        if (expected != GOOD)
                                g_assert_cmphex(locate(&f, 7), ==, GOOD);
                        fixture_clear(&f);
                }
}

static void test_worm_where(void)
{
        test_where(&worm);
}

static void test_append_only_where(void)
{
        test_where(&appending);
}

/* One or two blocks at the beginning, with filemarks or none, are a label that may be written anew, once more
 * and again; three are data. */
static void test_worm_label(void)
{
        for (unsigned blocks = 0; blocks <= 3; blocks++)
                for (uint8_t filemarks = 0; filemarks <= 2; filemarks++) {
                        struct fixture f;
                        fixture_create(&f, &worm);
                        for (unsigned i = 0; i < blocks; i++)
                                g_assert_cmphex(write_block(&f, LENGTH, i), ==, GOOD);
                        g_assert_cmphex(write_filemarks(&f, filemarks, false), ==, GOOD);
                        g_assert_cmphex(rewind_tape(&f), ==, GOOD);
                        g_assert_cmphex(write_block(&f, LENGTH, 7), ==, blocks <= 2 ? GOOD : REFUSED);
                        fixture_clear(&f);
                }
}

static void test_allow_overwrite(void)
{
        struct fixture f;
        fixture_create(&f, &appending);
        write_tape(&f);
        g_assert_cmphex(locate(&f, 2), ==, GOOD);
        g_assert_cmphex(allow_overwrite(&f, 1, 3), ==, 0x053b00);
        g_assert_cmphex(write_block(&f, LENGTH, 8), ==, REFUSED);
        g_assert_cmphex(allow_overwrite(&f, 2, 2), ==, 0x052400);
        g_assert_cmphex(allow_overwrite(&f, 1, 2), ==, GOOD);
        g_assert_cmphex(allow_overwrite(&f, 0, 2), ==, GOOD);
        g_assert_cmphex(write_block(&f, LENGTH, 8), ==, REFUSED);
        /* For that place, and once. */
        g_assert_cmphex(allow_overwrite(&f, 1, 2), ==, GOOD);
        g_assert_cmphex(locate(&f, 1), ==, GOOD);
        g_assert_cmphex(write_block(&f, LENGTH, 8), ==, REFUSED);
        g_assert_cmphex(locate(&f, 2), ==, GOOD);
        g_assert_cmphex(allow_overwrite(&f, 1, 2), ==, GOOD);
        g_assert_cmphex(write_block(&f, LENGTH, 8), ==, GOOD);
        g_assert_cmphex(write_block(&f, LENGTH, 9), ==, GOOD);
        g_assert_cmphex(locate(&f, 2), ==, GOOD);
        g_assert_cmphex(write_block(&f, LENGTH, 8), ==, REFUSED);
        assert_block(&f, LENGTH, 8);
        /* A reset takes it back. */
        g_assert_cmphex(locate(&f, 0), ==, GOOD);
        g_assert_cmphex(allow_overwrite(&f, 1, 0), ==, GOOD);
        virtual_reset(f.t);
        g_assert_cmphex(rewind_tape(&f), ==, 0x062900);
        g_assert_cmphex(write_block(&f, LENGTH, 8), ==, REFUSED);
        fixture_clear(&f);
}

/* The mode can be set and left; outside of it, and on drives that lack it, there is no such command. */
static void test_append_only_mode(void)
{
        struct fixture f;
        uint8_t page[32];
        fixture_create(&f, &(struct virtual_cartridge){ .capacity = 0 });
        write_tape(&f);
        g_assert_cmphex(rewind_tape(&f), ==, GOOD);
        g_assert_cmphex(allow_overwrite(&f, 1, 0), ==, 0x05200c);
        g_assert_cmphex(set_extension(&f, 0x20, 0), ==, 0x052600);
        g_assert_cmphex(set_extension(&f, 0x10, 0), ==, GOOD);
        read_page(&f, 0x10, 0x01, page);
        g_assert_cmpmem(page, 8, ((uint8_t[]){ 0x50, 0x01, 0, 0x1c, 0, 0x10, 0, 0 }), 8);
        read_page(&f, 0x50, 0x01, page); /* changeable */
        g_assert_cmpmem(page, 8, ((uint8_t[]){ 0x50, 0x01, 0, 0x1c, 0, 0xf0, 0xff, 0xff }), 8);
        g_assert_cmphex(write_block(&f, LENGTH, 8), ==, REFUSED);
        g_assert_cmphex(set_extension(&f, 0, 0), ==, GOOD);
        g_assert_cmphex(write_block(&f, LENGTH, 8), ==, GOOD);
        fixture_clear(&f);
        fixture_create(
                &f, &(struct virtual_cartridge){ .lacks = VIRTUAL_NO_EXTENSION | VIRTUAL_NO_MEDIUM_PAGE });
        uint8_t data[64];
        g_assert_cmphex(allow_overwrite(&f, 1, 0), ==, 0x052000);
        g_assert_cmphex(set_extension(&f, 0x10, 0), ==, 0x052600);
        g_assert_cmphex(in(&f, data, 64, CDB(0x5a, 8, 0x10, 1, 0, 0, 0, 0, 64, 0)), ==, 0x052400);
        g_assert_cmphex(in(&f, data, 64, CDB(0x5a, 8, 0x1d, 0, 0, 0, 0, 0, 64, 0)), ==, 0x052400);
        fixture_clear(&f);
}

static void test_worm_write_protected(void)
{
        struct fixture f;
        fixture_create(&f, &(struct virtual_cartridge){ .worm = true, .write_protected = true });
        g_assert_cmphex(write_block(&f, LENGTH, 0), ==, 0x072700);
        fixture_clear(&f);
}

/* ---- The end */

/* Its zone begins two megabytes before early warning, which begins three before the end. */
static void test_programmed_warning(void)
{
        const struct virtual_cartridge small = { .capacity = 10 * MEGABYTE, .early_warning = 3 * MEGABYTE };
        struct fixture f;
        fixture_create(&f, &small);
        g_assert_cmphex(set_extension(&f, 0, 2), ==, GOOD);
        for (unsigned i = 0; i < 4; i++)
                g_assert_cmphex(write_block(&f, MEGABYTE, i), ==, GOOD);
        g_assert_cmphex(write_block(&f, MEGABYTE, 4), ==, 0x000007);
        g_assert_cmphex(sense_flags(&f), ==, SENSE_EOM);
        g_assert_cmpint(information(&f), ==, 0);
        g_assert_cmpuint(f.c.residual, ==, 0);
        g_assert_cmphex(write_block(&f, MEGABYTE, 5), ==, GOOD); /* said once */
        g_assert_cmphex(write_block(&f, MEGABYTE, 6), ==, 0x000002);
        g_assert_cmphex(write_block(&f, MEGABYTE, 7), ==, 0x000002); /* each time */
        g_assert_cmphex(write_filemarks(&f, 1, false), ==, 0x000002);
        /* Out of it and into it again, now by a filemark. */
        g_assert_cmphex(locate(&f, 3), ==, GOOD);
        g_assert_cmphex(write_block(&f, MEGABYTE, 3), ==, GOOD);
        g_assert_cmphex(write_block(&f, 999999, 4), ==, GOOD);
        g_assert_cmphex(write_block(&f, 1, 5), ==, 0x000007);
        /* Right into early warning: this one first. */
        g_assert_cmphex(locate(&f, 2), ==, GOOD);
        g_assert_cmphex(write_block(&f, MEGABYTE, 2), ==, GOOD);
        g_assert_cmphex(write_block(&f, 5 * MEGABYTE, 3), ==, 0x000007);
        g_assert_cmphex(write_filemarks(&f, 1, true), ==, 0x000002);
        fixture_clear(&f);
}

/* Filemarks take room too, if wanted; what fits is written. */
static void test_full_of_filemarks(void)
{
        struct fixture f;
        const struct virtual_cartridge tiny = {
                .capacity = 1000, .early_warning = 300, .filemark_size = 100
        };
        fixture_create(&f, &tiny);
        g_assert_cmphex(write_block(&f, 500, 0), ==, GOOD);
        g_assert_cmphex(write_filemarks(&f, 1, true), ==, GOOD);
        g_assert_cmphex(write_filemarks(&f, 1, true), ==, 0x000002);
        g_assert_cmphex(write_filemarks(&f, 5, true), ==, 0x0d0002);
        g_assert_cmphex(sense_flags(&f), ==, SENSE_EOM);
        g_assert_cmpint(information(&f), ==, 2);
        g_assert_cmpuint(position(&f), ==, 6);
        g_assert_cmphex(write_filemarks(&f, 1, false), ==, 0x0d0002);
        g_assert_cmpint(information(&f), ==, 1);
        g_assert_cmphex(write_block(&f, 1, 1), ==, 0x0d0002);
        g_assert_cmphex(write_filemarks(&f, 0, false), ==, 0x000002);
        fixture_clear(&f);
}

static void test_key_file(void)
{
        struct fixture f;
        fixture_bytes(&f, NULL, 0);
        g_autofree char *name = g_strconcat(f.path, ".cartridge", NULL);
        g_assert_true(g_file_set_contents(
                name, "[cartridge]\nworm=true\nfilemark-size=10\ncapacity=30\n", -1, NULL));
        fixture_open(&f, false);
        g_assert_cmphex(write_filemarks(&f, 4, true), ==, 0x0d0002);
        g_assert_cmphex(rewind_tape(&f), ==, GOOD);
        g_assert_cmphex(space(&f, END_OF_DATA, 0), ==, GOOD);
        g_assert_cmpuint(position(&f), ==, 3);
        transport_close(g_steal_pointer(&f.t));
        g_assert_true(g_file_set_contents(name, "[drive]\nappend-only=true\n", -1, NULL));
        fixture_open(&f, false);
        g_assert_cmphex(allow_overwrite(&f, 1, 0), ==, GOOD);
        fixture_clear(&f);
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/virtual-protect/worm-told", test_worm_told);
        g_test_add_func("/virtual-protect/worm-where", test_worm_where);
        g_test_add_func("/virtual-protect/worm-label", test_worm_label);
        g_test_add_func("/virtual-protect/worm-write-protected", test_worm_write_protected);
        g_test_add_func("/virtual-protect/append-only-where", test_append_only_where);
        g_test_add_func("/virtual-protect/append-only-mode", test_append_only_mode);
        g_test_add_func("/virtual-protect/allow-overwrite", test_allow_overwrite);
        g_test_add_func("/virtual-protect/programmed-warning", test_programmed_warning);
        g_test_add_func("/virtual-protect/full-of-filemarks", test_full_of_filemarks);
        g_test_add_func("/virtual-protect/key-file", test_key_file);
        return g_test_run();
}

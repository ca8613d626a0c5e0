/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The memory of the virtual cartridge: READ ATTRIBUTE and WRITE ATTRIBUTE. */
#include "virtual-fixture.h"

static const struct virtual_cartridge plain = { .barcode = "TST001L8", .capacity = 64 << 20 };

static uint32_t read_attributes(struct fixture *f, uint8_t action, uint16_t first, uint8_t *data, size_t size)
{
        return in(f, data, size,
                CDB(0x8c, action, 0, 0, 0, 0, 0, 0, (uint8_t)(first >> 8), (uint8_t)first, 0, 0,
                        (uint8_t)(size >> 8), (uint8_t)size, 0, 0));
}

/* Its format byte and value; the length, or -1: there is none. */
static int attribute(struct fixture *f, uint16_t id, uint8_t *format, uint8_t *value)
{
        uint8_t data[4096];
        if (read_attributes(f, 0, id, data, sizeof(data)) != GOOD) {
                g_assert_cmphex(sense(f), ==, 0x052400);
                g_assert_cmpuint(sg_get_unaligned_be16(f->c.sense + 16), ==, 8);
                return -1;
        }
        g_assert_cmpuint(sg_get_unaligned_be32(data) + 4, ==, sizeof(data) - f->c.residual);
        g_assert_cmphex(sg_get_unaligned_be16(data + 4), ==, id);
        int length = sg_get_unaligned_be16(data + 7);
        *format = data[6];
        memcpy(value, data + 9, (size_t)length);
        return length;
}

static uint64_t number(struct fixture *f, uint16_t id)
{
        uint8_t format, value[1024];
        int length = attribute(f, id, &format, value);
        g_assert_cmphex(format, ==, 0x80);
        return sg_get_unaligned_be(length, value);
}

/* One attribute in a list; or two of them, one after the other. */
static size_t put(uint8_t *list, size_t at, uint16_t id, uint8_t format, const void *value, size_t length)
{
        sg_put_unaligned_be16(id, list + at);
        list[at + 2] = format;
        sg_put_unaligned_be16((uint16_t)length, list + at + 3);
        memcpy(list + at + 5, value, length);
        sg_put_unaligned_be32((uint32_t)(at + 5 + length - 4), list);
        return at + 5 + length;
}

static uint32_t write_list(struct fixture *f, const uint8_t *list, size_t size)
{
        return out(f, list, size,
                CDB(0x8d, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, (uint8_t)(size >> 8), (uint8_t)size, 0, 0));
}

static uint32_t write_attribute(
        struct fixture *f, uint16_t id, uint8_t format, const void *value, size_t length)
{
        uint8_t list[2048];
        return write_list(f, list, put(list, 4, id, format, value, length));
}

static void test_own(void)
{
        struct fixture f;
        uint8_t format, value[1024];
        g_autofree uint8_t *block = g_malloc0(4 << 20);
        fixture_create(&f, &plain);
        g_assert_cmpuint(number(&f, 0x0001), ==, 64);
        g_assert_cmpuint(number(&f, 0x0000), ==, 64);
        g_assert_cmphex(out(&f, block, 4 << 20, CDB(0x0a, 0, 0x40, 0, 0, 0)), ==, GOOD);
        g_assert_cmpuint(number(&f, 0x0000), ==, 60);
        g_assert_cmpuint(number(&f, 0x0222), ==, 4);
        g_assert_cmpuint(number(&f, 0x0408), ==, 0);
        g_assert_cmpint(attribute(&f, 0x0401, &format, value), ==, 32);
        g_assert_cmphex(format, ==, 0x81);
        g_assert_cmpmem(value, 2, "RC", 2);
        g_assert_cmpint(attribute(&f, 0x0806, &format, value), ==, 32);
        g_assert_cmphex(format, ==, 0x01);
        g_assert_cmpmem(value, 10, "TST001L8  ", 10);
        g_assert_cmpint(attribute(&f, 0x0800, &format, value), ==, -1);
        g_assert_cmpint(attribute(&f, 0x0003, &format, value), ==, -1);
        fixture_clear(&f);
}

static void test_lists(void)
{
        struct fixture f;
        uint8_t list[256], supported[256];
        fixture_create(&f, &plain);
        g_assert_cmphex(read_attributes(&f, 5, 0, supported, sizeof(supported)), ==, GOOD);
        g_assert_cmphex(read_attributes(&f, 1, 0, list, sizeof(list)), ==, GOOD);
        g_assert_cmpuint(sg_get_unaligned_be32(list), <, sg_get_unaligned_be32(supported));
        uint32_t before = sg_get_unaligned_be32(list);
        g_assert_cmphex(write_attribute(&f, 0x0800, 1, "REELFS  ", 8), ==, GOOD);
        g_assert_cmphex(read_attributes(&f, 1, 0, list, sizeof(list)), ==, GOOD);
        g_assert_cmpuint(sg_get_unaligned_be32(list), ==, before + 2);
        g_assert_cmphex(read_attributes(&f, 1, 0x0500, list, sizeof(list)), ==, GOOD);
        g_assert_cmpmem(list, 8, ((uint8_t[]){ 0, 0, 0, 4, 8, 0, 8, 6 }), 8);
        g_assert_cmphex(read_attributes(&f, 2, 0, list, sizeof(list)), ==, GOOD);
        g_assert_cmpmem(list, 4, ((uint8_t[]){ 0, 2, 0, 1 }), 4);
        g_assert_cmphex(read_attributes(&f, 3, 0, list, sizeof(list)), ==, GOOD);
        g_assert_cmpmem(list, 4, ((uint8_t[]){ 0, 2, 0, 1 }), 4);
        g_assert_cmphex(read_attributes(&f, 4, 0, list, sizeof(list)), ==, 0x052400);
        fixture_clear(&f);
}

/* What is written outlives the drive, and goes when it is written with length 0. */
static void test_host(void)
{
        struct fixture f;
        uint8_t format, value[1024], list[2048], coherency[70] = { 8, 0, 0, 0, 0, 0, 0, 0, 3 };
        fixture_create(&f, &plain);
        size_t size = put(list, 4, 0x0800, 1, "REELFS  ", 8);
        size = put(list, size, 0x080c, 0, coherency, sizeof(coherency));
        g_assert_cmphex(write_list(&f, list, size), ==, GOOD);
        g_assert_cmphex(write_block(&f, 10, 1), ==, GOOD);
        fixture_reopen(&f);
        g_assert_cmpint(attribute(&f, 0x0800, &format, value), ==, 8);
        g_assert_cmphex(format, ==, 1);
        g_assert_cmpmem(value, 8, "REELFS  ", 8);
        g_assert_cmpint(attribute(&f, 0x080c, &format, value), ==, 70);
        g_assert_cmpmem(value, 70, coherency, 70);
        g_assert_cmphex(write_attribute(&f, 0x0800, 1, "", 0), ==, GOOD);
        g_assert_cmpint(attribute(&f, 0x0800, &format, value), ==, -1);
        fixture_reopen(&f);
        g_assert_cmpint(attribute(&f, 0x0800, &format, value), ==, -1);
        g_assert_cmpint(attribute(&f, 0x080c, &format, value), ==, 70);
        /* The rest of the key file is as it was. */
        g_assert_cmpuint(number(&f, 0x0001), ==, 64);
        fixture_clear(&f);
}

static void test_refused(void)
{
        static const struct {
                uint16_t id;
                uint8_t format, length;
                const char *value;
                uint16_t byte;
        } cases[] = {
                { 0x0009, 0, 4, "abcd", 4 },
                { 0x0401, 1, 8, "abcdefgh", 4 },
                { 0x0810, 0, 4, "abcd", 4 },
                { 0x0800, 0, 8, "abcdefgh", 6 },
                { 0x0800, 1, 7, "abcdefg", 7 },
                { 0x0800, 1, 9, "abcdefghi", 7 },
                { 0x0800, 1, 8, "abc\tefgh", 7 },
        };
        struct fixture f;
        uint8_t list[2048], format, value[1024], large[1025] = { 0 };
        fixture_create(&f, &plain);
        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                g_assert_cmphex(
                        write_attribute(&f, cases[i].id, cases[i].format, cases[i].value, cases[i].length),
                        ==, 0x052600);
                g_assert_cmphex(f.c.sense[15] & 0xc8, ==, 0x88);
                g_assert_cmpuint(sg_get_unaligned_be16(f.c.sense + 16), ==, cases[i].byte);
        }
        g_assert_cmphex(write_attribute(&f, 0x080c, 0, large, 1024), ==, 0x052600);
        g_assert_cmphex(write_attribute(&f, 0x080c, 0, large, 1023), ==, GOOD);
        /* The first of two is good: neither is taken. Nor are they in the wrong order. */
        size_t size = put(list, 4, 0x0800, 1, "REELFS  ", 8);
        g_assert_cmphex(write_list(&f, list, put(list, size, 0x0805, 0, "ab", 2)), ==, 0x052600);
        g_assert_cmpuint(sg_get_unaligned_be16(f.c.sense + 16), ==, size + 3);
        g_assert_cmphex(write_list(&f, list, put(list, size, 0x0800, 1, "REELFS  ", 8)), ==, 0x052600);
        g_assert_cmpint(attribute(&f, 0x0800, &format, value), ==, -1);
        /* Cut off. */
        size = put(list, 4, 0x0800, 1, "REELFS  ", 8);
        g_assert_cmphex(write_list(&f, list, size - 1), ==, 0x051a00);
        sg_put_unaligned_be32((uint32_t)size - 5, list);
        g_assert_cmphex(write_list(&f, list, size - 1), ==, 0x051a00);
        g_assert_cmphex(write_list(&f, list, 3), ==, 0x051a00);
        g_assert_cmphex(write_list(&f, list, 0), ==, GOOD);
        /* One partition, one logical volume. */
        g_assert_cmphex(none(&f, CDB(0x8c, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0)), ==, 0x052400);
        g_assert_cmphex(none(&f, CDB(0x8d, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)), ==, 0x052400);
        transport_close(g_steal_pointer(&f.t));
        fixture_open(&f, true);
        g_assert_cmphex(write_attribute(&f, 0x0800, 1, "REELFS  ", 8), ==, 0x072700);
        fixture_clear(&f);
}

/* SPC-5: it changes with the first write after a load or after it was read, and with each that overwrites. */
static void test_change_reference(void)
{
        struct fixture f;
        fixture_create(&f, &plain);
        g_assert_cmpuint(number(&f, 0x0009), ==, 0);
        g_assert_cmphex(write_block(&f, 10, 1), ==, GOOD);
        g_assert_cmphex(write_block(&f, 10, 2), ==, GOOD);
        g_assert_cmpuint(number(&f, 0x0009), ==, 1);
        g_assert_cmpuint(number(&f, 0x0009), ==, 1);
        g_assert_cmphex(write_filemarks(&f, 0, false), ==, GOOD);
        g_assert_cmpuint(number(&f, 0x0009), ==, 1);
        g_assert_cmphex(write_filemarks(&f, 1, false), ==, GOOD);
        g_assert_cmphex(write_filemarks(&f, 1, false), ==, GOOD);
        g_assert_cmpuint(number(&f, 0x0009), ==, 2);
        fixture_reopen(&f);
        assert_block(&f, 10, 1);
        g_assert_cmpuint(number(&f, 0x0009), ==, 2);
        g_assert_cmphex(write_block(&f, 10, 1), ==, GOOD); /* overwrites */
        g_assert_cmpuint(number(&f, 0x0009), ==, 3);
        fixture_reopen(&f);
        g_assert_cmphex(locate(&f, 2), ==, GOOD);
        g_assert_cmphex(write_block(&f, 10, 1), ==, GOOD);
        g_assert_cmphex(rewind_tape(&f), ==, GOOD);
        g_assert_cmphex(none(&f, CDB(0x19, 0, 0, 0, 0, 0)), ==, GOOD);
        g_assert_cmpuint(number(&f, 0x0009), ==, 5);
        fixture_clear(&f);
}

static void test_unloaded(void)
{
        struct fixture f;
        fixture_create(&f, &plain);
        g_assert_cmphex(none(&f, CDB(0x1b, 0, 0, 0, 0, 0)), ==, GOOD);
        g_assert_cmphex(none(&f, CDB(0x8c, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)), ==, 0x023a00);
        fixture_clear(&f);
}

static void write_key_file(struct fixture *f, const char *text)
{
        g_autofree char *name = g_strconcat(f->path, ".cartridge", NULL);
        g_assert_true(g_file_set_contents(name, text, -1, NULL));
}

static void test_key_file(void)
{
        static const char *const wrong[] = { "[memory]\nattribute-0800=123\n",
                "[memory]\nattribute-0800=xy\n", "[memory]\nattribute-0805=0102\n",
                "[memory]\nattribute-0803=\n", "[reservation]\nkeys=1\n", "[reservation]\nkeys=9:1\n",
                "[test]\ninitiator=9\n", "[test]\ntape-alerts=65\n" };
        struct fixture f;
        fixture_bytes(&f, NULL, 0);
        for (size_t i = 0; i < G_N_ELEMENTS(wrong); i++) {
                write_key_file(&f, wrong[i]);
                f.messages = 0;
                g_assert_cmpint(virtual_open(f.path, false, &f.t), ==, -EINVAL);
                g_assert_cmpuint(f.messages, ==, 1);
        }
        /* What people have put there stays. */
        write_key_file(&f, "# ours\n[cartridge]\nbarcode=X\n[memory]\nchange-reference=41\n");
        fixture_open(&f, false);
        g_assert_cmphex(write_block(&f, 10, 1), ==, GOOD);
        g_autofree char *name = g_strconcat(f.path, ".cartridge", NULL), *text = NULL;
        g_assert_true(g_file_get_contents(name, &text, NULL, NULL));
        g_assert_nonnull(strstr(text, "# ours\n"));
        g_assert_nonnull(strstr(text, "barcode=X\n"));
        g_assert_nonnull(strstr(text, "change-reference=42\n"));
        fixture_clear(&f);
}

/* The chip cannot be written: the tape can. */
static void test_memory_failure(void)
{
        struct fixture f;
        uint8_t format, value[64], data[512];
        fixture_create(&f, &plain);
        g_autofree char *blocker = g_strconcat(f.path, ".cartridge.new", NULL);
        g_assert_cmpint(g_mkdir(blocker, 0700), ==, 0);
        g_assert_cmphex(write_attribute(&f, 0x0800, 1, "REELFS  ", 8), ==, 0x030c0b);
        g_assert_cmpint(attribute(&f, 0x0800, &format, value), ==, -1);
        g_assert_cmphex(write_block(&f, 10, 1), ==, GOOD);
        g_assert_cmphex(in(&f, data, 512, CDB(0x4d, 0, 0x6e, 0, 0, 0, 15, 2, 0, 0)), ==, GOOD);
        g_assert_cmpmem(data + 4, 5, ((uint8_t[]){ 0, 15, 3, 1, 1 }), 5);
        g_assert_cmpint(g_rmdir(blocker), ==, 0);
        fixture_clear(&f);
}

/* A chip that names an index and does not notice that something else is written would hide that from the next
 * host: so nothing is written. */
static void test_memory_names_index(void)
{
        static const uint8_t coherency[8] = { 4, 0, 0, 0, 1 };
        struct fixture f;
        fixture_create(&f, &plain);
        g_assert_cmphex(write_block(&f, 10, 0), ==, GOOD);
        g_assert_cmphex(write_filemarks(&f, 1, false), ==, GOOD);
        g_assert_cmphex(write_attribute(&f, 0x080c, 0, coherency, sizeof(coherency)), ==, GOOD);
        g_assert_cmpuint(number(&f, 0x0009), ==, 1);
        g_autofree char *blocker = g_strconcat(f.path, ".cartridge.new", NULL);
        g_assert_cmpint(g_mkdir(blocker, 0700), ==, 0);
        g_assert_cmphex(write_block(&f, 10, 2), ==, 0x030c00);
        g_assert_cmpuint(f.c.residual, ==, 10);
        g_assert_cmphex(write_filemarks(&f, 1, false), ==, 0x030c00);
        g_assert_cmphex(rewind_tape(&f), ==, GOOD);
        g_assert_cmphex(write_block(&f, 10, 2), ==, 0x030c00);
        g_assert_cmphex(none(&f, CDB(0x19, 0, 0, 0, 0, 0)), ==, 0x030c00);
        g_assert_cmpuint(number(&f, 0x0009), ==, 1);
        assert_block(&f, 10, 0);
        g_assert_cmphex(read_any(&f), ==, 0x000001);
        g_assert_cmphex(read_any(&f), ==, 0x080005);
        g_assert_cmpint(g_rmdir(blocker), ==, 0);
        g_assert_cmphex(write_block(&f, 10, 2), ==, GOOD);
        g_assert_cmpuint(number(&f, 0x0009), ==, 2);
        fixture_clear(&f);
}

/* A cartridge from elsewhere comes with links in the places of what a drive makes beside it. */
static void test_links(void)
{
        static const char *const names[] = { ".cartridge.new", ".remains" };
        struct fixture f;
        fixture_create(&f, &(struct virtual_cartridge){ .remains = true });
        g_autofree char *victim = g_build_filename(f.directory, "victim", NULL);
        g_autofree char *key_file = g_strconcat(f.path, ".cartridge", NULL), *text = NULL;
        g_assert_true(g_file_set_contents(victim, "precious", -1, NULL));
        g_assert_cmpint(g_chmod(key_file, 0640), ==, 0);
        for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
                g_autofree char *name = g_strconcat(f.path, names[i], NULL);
                g_assert_cmpint(symlink("victim", name), ==, 0);
        }
        g_assert_cmphex(write_block(&f, 10, 1), ==, GOOD);
        g_assert_cmphex(rewind_tape(&f), ==, GOOD);
        g_assert_cmphex(write_block(&f, 10, 2), ==, GOOD);
        g_assert_true(g_file_get_contents(victim, &text, NULL, NULL));
        g_assert_cmpstr(text, ==, "precious");
        g_assert_false(g_file_test(key_file, G_FILE_TEST_IS_SYMLINK));
        /* Nor does it become readable to more than it was. */
        GStatBuf st;
        g_assert_cmpint(g_stat(key_file, &st), ==, 0);
        g_assert_cmphex(st.st_mode & 0777, ==, 0640);
        g_assert_cmpint(g_unlink(victim), ==, 0);
        fixture_clear(&f);
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/virtual-mam/own", test_own);
        g_test_add_func("/virtual-mam/lists", test_lists);
        g_test_add_func("/virtual-mam/host", test_host);
        g_test_add_func("/virtual-mam/refused", test_refused);
        g_test_add_func("/virtual-mam/change-reference", test_change_reference);
        g_test_add_func("/virtual-mam/unloaded", test_unloaded);
        g_test_add_func("/virtual-mam/key-file", test_key_file);
        g_test_add_func("/virtual-mam/memory-failure", test_memory_failure);
        g_test_add_func("/virtual-mam/memory-names-index", test_memory_names_index);
        g_test_add_func("/virtual-mam/links", test_links);
        return g_test_run();
}

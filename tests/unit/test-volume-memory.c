/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The cartridge's memory: it shortens the way to the last index, and whatever is in it does no harm. */
#include <scsi/sg_unaligned.h>

#include "volume-rig.h"

/* As src/volume/coherency.h has it. */
enum { LENGTH = 70, AT_REFERENCE = 1, AT_GENERATION = 9, AT_BLOCK = 17, AT_IDENTIFIER = 27, AT_UUID = 32 };

static struct tape_attribute coherency(struct rig *r)
{
        struct tape_attribute a;
        g_assert_cmpint(tape_read_attribute(r->tape, ATTRIBUTE_COHERENCY, &a), ==, 0);
        g_assert_cmpuint(a.length, ==, LENGTH);
        return a;
}

static uint64_t generation(struct rig *r)
{
        struct volume_info info;
        volume_get_info(r->v, &info);
        return info.generation;
}

/* How many SPACE commands it takes to mount. */
static uint64_t spaces_to_mount(struct rig *r, bool read_only)
{
        struct virtual_statistics before, after;
        rig_unload(r);
        rig_load(r);
        virtual_statistics(r->transport, &before);
        g_assert_cmpint(volume_open(r->tape, read_only, &r->v, &r->tree), ==, 0);
        r->block = volume_block_length(r->v);
        virtual_statistics(r->transport, &after);
        return after.spaces - before.spaces;
}

/* What a library or another program sees. */
static void test_signature(void)
{
        static const struct {
                uint16_t id;
                const char *text;
        } expected[] = {
                { ATTRIBUTE_VENDOR, "REELFS" },
                { ATTRIBUTE_NAME, "reelfs" },
                { ATTRIBUTE_VERSION, REELFS_VERSION },
                { ATTRIBUTE_USER_LABEL, "TEST" },
                { ATTRIBUTE_LOCALIZATION, "\x81" },
                { ATTRIBUTE_FORMAT_VERSION, "1.0" },
        };
        struct rig r;
        struct tape_attribute a;
        char text[200];
        rig_init(&r, NULL);
        rig_format(&r);
        for (size_t i = 0; i < G_N_ELEMENTS(expected); i++) {
                g_assert_cmpint(tape_read_attribute(r.tape, expected[i].id, &a), ==, 0);
                attribute_get_text(&a, text, sizeof(text));
                g_assert_cmpstr(text, ==, expected[i].text);
        }
        rig_clear(&r);
}

static void test_coherency(void)
{
        struct rig r;
        struct volume_info info;
        uint64_t reference;
        rig_start(&r, NULL);
        for (int i = 0; i < 2; i++) {
                g_assert_cmpint(rig_commit(&r), ==, 0);
                volume_get_info(r.v, &info);
                struct tape_attribute a = coherency(&r);
                g_assert_cmpint(tape_get_change_reference(r.tape, &reference), ==, 0);
                g_assert_cmpuint(a.value[0], ==, 8);
                g_assert_cmpuint(sg_get_unaligned_be64(a.value + AT_REFERENCE), ==, reference);
                g_assert_cmpuint(sg_get_unaligned_be64(a.value + AT_GENERATION), ==, info.generation);
                g_assert_cmpuint(sg_get_unaligned_be64(a.value + AT_BLOCK), ==, info.index_block);
                g_assert_cmpmem(a.value + AT_IDENTIFIER, 5, "REEL", 5);
                g_assert_cmpmem(a.value + AT_UUID, 36, info.uuid, 36);
                rig_write(&r, i == 0 ? "more" : "most", 1000, 3);
        }
        rig_clear(&r);
}

static void test_shorter(void)
{
        static const struct virtual_cartridge without = { .lacks = VIRTUAL_NO_ATTRIBUTES };
        struct rig r;
        rig_start(&r, NULL);
        g_assert_cmpint(rig_commit(&r), ==, 0);
        uint64_t last = generation(&r);
        g_assert_cmpuint(spaces_to_mount(&r, true), ==, 0);
        g_assert_cmpuint(generation(&r), ==, last);
        rig_verify(&r, "new", 5 * RIG_BLOCK + 1, 2);
        g_assert_cmpuint(spaces_to_mount(&r, false), ==, 1); /* to the end of data */
        g_assert_cmpuint(generation(&r), ==, last);
        g_assert_false(volume_is_read_only(r.v));
        rig_write(&r, "more", 1000, 3);
        g_assert_cmpint(rig_commit(&r), ==, 0);
        g_assert_cmpuint(spaces_to_mount(&r, false), ==, 1);
        g_assert_cmpuint(generation(&r), ==, last + 1);
        rig_verify(&r, "more", 1000, 3);
        rig_unload(&r);
        rig_load(&r);
        g_assert_cmpuint(rig_problems(&r), ==, 0);
        rig_clear(&r);

        rig_start(&r, &without);
        g_assert_cmpint(rig_commit(&r), ==, 0);
        g_assert_cmpuint(spaces_to_mount(&r, false), >, 1);
        rig_verify(&r, "new", 5 * RIG_BLOCK + 1, 2);
        rig_clear(&r);
}

/* Data was written behind the index: the memory does not hide that. */
static void test_not_closed(void)
{
        struct rig r;
        rig_start(&r, NULL);
        g_assert_cmpint(rig_commit(&r), ==, 0);
        rig_write(&r, "unnamed", 5 * RIG_BLOCK, 3);
        for (int read_only = 1; read_only >= 0; read_only--) {
                catch_messages();
                g_assert_cmpuint(spaces_to_mount(&r, read_only), >, 1);
                g_assert_true(volume_is_read_only(r.v) == read_only);
                assert_one_message("was not closed");
        }
        /* Which has been recovered by the second one. */
        g_assert_cmpuint(spaces_to_mount(&r, false), ==, 1);
        g_assert_cmpstr(messages->str, ==, "");
        rig_clear(&r);
}

/* The power goes before the drive has written all of it. */
static void test_power_cut(void)
{
        for (int keep = 0; keep <= 4; keep++) {
                struct rig r;
                rig_start(&r, NULL);
                g_assert_cmpint(rig_commit(&r), ==, 0);
                rig_write(&r, "unnamed", 5 * RIG_BLOCK, 3);
                g_assert_cmpint(virtual_power_cut(r.transport, keep / 4.0), ==, 0);
                rig_remount(&r);
                rig_verify(&r, "new", 5 * RIG_BLOCK + 1, 2);
                g_assert_true(volume_is_read_only(r.v) == (keep > 0 && keep < 4)); /* cut through */
                rig_clear(&r);
        }
}

/* The memory as it was after an earlier index, the change reference and all: nothing in it looks wrong. */
static void test_stale(void)
{
        struct rig r;
        g_autofree char *former = NULL;
        gsize length;
        rig_start(&r, NULL);
        g_autofree char *key_file = g_strconcat(r.path, ".cartridge", NULL);
        g_assert_true(g_file_get_contents(key_file, &former, &length, NULL));
        g_assert_cmpint(rig_commit(&r), ==, 0);
        uint64_t last = generation(&r);
        rig_unload(&r);
        g_assert_true(g_file_set_contents(key_file, former, (gssize)length, NULL));
        rig_load(&r);
        /* rig_start has written behind that index already. */
        rig_mount(&r);
        g_assert_cmpuint(generation(&r), ==, last);
        g_assert_false(volume_is_read_only(r.v));
        rig_verify(&r, "new", 5 * RIG_BLOCK + 1, 2);
        rig_clear(&r);
}

static void test_stale_reference(void)
{
        struct rig r;
        uint64_t reference;
        rig_init(&r, NULL);
        rig_format(&r);
        rig_mount(&r);
        rig_write(&r, "old", 1000, 1);
        g_assert_cmpint(rig_commit(&r), ==, 0);
        struct tape_attribute former = coherency(&r);
        rig_write(&r, "new", 1000, 2);
        g_assert_cmpint(rig_commit(&r), ==, 0);
        uint64_t last = generation(&r);
        g_assert_cmpint(tape_get_change_reference(r.tape, &reference), ==, 0);
        sg_put_unaligned_be64(reference, former.value + AT_REFERENCE);
        g_assert_cmpint(tape_write_attributes(r.tape, &former, 1), ==, 0);
        rig_remount(&r);
        g_assert_cmpuint(generation(&r), ==, last);
        g_assert_false(volume_is_read_only(r.v));
        rig_verify(&r, "new", 1000, 2);
        rig_clear(&r);
}

/* Each byte of it wrong in turn, and places that are none. */
static void test_garbage(void)
{
        static const uint64_t blocks[] = { 0, 1, 2, 3, 5, 1000, UINT32_MAX, UINT64_MAX };
        struct rig r;
        rig_start(&r, NULL);
        g_assert_cmpint(rig_commit(&r), ==, 0);
        uint64_t last = generation(&r);
        const struct tape_attribute good = coherency(&r);
        for (size_t i = 0; i < LENGTH + G_N_ELEMENTS(blocks); i++) {
                struct tape_attribute bad = good;
                if (i < LENGTH)
                        bad.value[i] ^= 0x11;
                else
                        sg_put_unaligned_be64(blocks[i - LENGTH], bad.value + AT_BLOCK);
                g_assert_cmpint(tape_write_attributes(r.tape, &bad, 1), ==, 0);
                rig_remount(&r);
                g_assert_cmpuint(generation(&r), ==, last);
                g_assert_false(volume_is_read_only(r.v));
        }
        for (uint16_t length = 0; length < LENGTH; length++) {
                struct tape_attribute bad = good;
                bad.length = length;
                g_assert_cmpint(tape_write_attributes(r.tape, &bad, 1), ==, 0);
                rig_remount(&r);
                g_assert_cmpuint(generation(&r), ==, last);
        }
        rig_verify(&r, "new", 5 * RIG_BLOCK + 1, 2);
        rig_clear(&r);
}

/* A chip that has failed: the volume lives on. */
static void test_broken_chip(void)
{
        struct rig r;
        rig_start(&r, NULL);
        g_autofree char *blocker = g_strconcat(r.path, ".cartridge.new", NULL);
        g_assert_cmpint(g_mkdir(blocker, 0700), ==, 0);
        catch_messages();
        g_assert_cmpint(rig_commit(&r), ==, 0);
        rig_remount(&r);
        g_assert_false(volume_is_read_only(r.v));
        rig_verify(&r, "new", 5 * RIG_BLOCK + 1, 2);
        g_assert_cmpint(g_rmdir(blocker), ==, 0);
        rig_clear(&r);
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/volume-memory/signature", test_signature);
        g_test_add_func("/volume-memory/coherency", test_coherency);
        g_test_add_func("/volume-memory/shorter", test_shorter);
        g_test_add_func("/volume-memory/not-closed", test_not_closed);
        g_test_add_func("/volume-memory/power-cut", test_power_cut);
        g_test_add_func("/volume-memory/stale", test_stale);
        g_test_add_func("/volume-memory/stale-reference", test_stale_reference);
        g_test_add_func("/volume-memory/garbage", test_garbage);
        g_test_add_func("/volume-memory/broken-chip", test_broken_chip);
        return g_test_run();
}

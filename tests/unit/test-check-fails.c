/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Checks, repairs and what can be had, in a drive that fails for a moment, or for good. */
#include "check-rig.h"

/* A drive that cannot go to the end of data, or not over filemarks: what can be read is there all the same.
 */
static void test_no_way(void)
{
        for (unsigned after = 0; after < 8; after++) {
                for (unsigned all = 0; all < 2; all++) {
                        struct rig r;
                        start(&r);
                        rig_write(&r, "late", 2 * RIG_BLOCK, 5);
                        g_autofree char *rules = g_strdup_printf(
                                "opcode=11 after=%u count=%s sense=3/11/00", after, all ? "all" : "1");
                        load_ruled(&r, rules);
                        g_assert_cmpint(volume_open_damaged(r.tape, NULL, &r.v, &r.tree), ==, 0);
                        verify(&r, "packed", 100000, 2);
                        rig_clear(&r);
                }
        }
        struct rig r;
        start(&r);
        load_ruled(&r, "opcode=11 count=all error=nodev");
        g_assert_cmpint(volume_open_damaged(r.tape, NULL, &r.v, &r.tree), <, 0);
        g_assert_null(r.v);
        rig_clear(&r);
}

/* The drive stops once on its way over a tape without an end of data, and so comes upon an older index first:
 * the end is not made over those behind. */
static void test_no_end_stops(void)
{
        for (unsigned after = 0; after < 12; after++) {
                struct rig r;
                struct found f;
                struct volume_check_result result;
                start(&r);
                rig_write(&r, "late", 2 * RIG_BLOCK, 5);
                g_assert_cmpint(rig_commit(&r), ==, 0);
                rig_write(&r, "torn", 3 * RIG_BLOCK, 5);
                tear(&r, tape_end(&r) - 2);
                g_autofree char *rules = g_strdup_printf("opcode=11 after=%u sense=3/11/00", after);
                load_ruled(&r, rules);
                found_init(&f);
                check(&r, &f, repair, &result);
                found_clear(&f);
                rig_unload(&r);
                rig_load(&r);
                rig_mount(&r);
                verify(&r, "late", 2 * RIG_BLOCK, 5);
                rig_clear(&r);
        }
}

/* What can be read now, and not a moment later, is not written over: nobody has agreed to that, and it is
 * kept nowhere. bad: a block before the end cannot be read at all. */
static void repair_unsteadily(bool bad)
{
        for (unsigned after = 0; after < 60; after++) {
                struct rig r;
                struct found f;
                struct volume_check_result result;
                struct volume_check_options saving = repair;
                size_t length, now;
                start(&r);
                uint64_t begin = tape_end(&r), end = begin + 8;
                rig_write(&r, "torn", 9 * RIG_BLOCK, 5);
                tear(&r, end);
                if (bad)
                        damage(&r, begin + 5);
                if (bad)
                        tear(&r, end);
                g_autofree uint8_t *before = load_tape(&r, &length);
                g_autofree char *rules = g_strdup_printf("opcode=08 after=%u sense=3/11/00", after);
                load_ruled(&r, rules);
                found_init(&f);
                saving.save = save;
                check(&r, &f, saving, &result);
                rig_unload(&r);
                g_autofree uint8_t *data = load_tape(&r, &now);
                for (uint64_t object = 0; object < end; object++) {
                        size_t from = tape_offset(before, length, object),
                               to = tape_offset(before, length, object + 1);
                        bool saved = bad && object == begin + 5; /* nobody can read that one */
                        for (guint i = 0; i < f.saved->len; i++)
                                saved |= g_array_index(f.saved, uint64_t, i) == object;
                        g_assert_true(
                                saved || (now >= to && memcmp(before + from, data + from, to - from) == 0));
                }
                found_clear(&f);
                rig_load(&r);
                rig_clear(&r);
        }
}

static void test_no_end_unsteady(void)
{
        repair_unsteadily(false);
        repair_unsteadily(true);
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/check-fails/no-way", test_no_way);
        g_test_add_func("/check-fails/no-end-stops", test_no_end_stops);
        g_test_add_func("/check-fails/no-end-unsteady", test_no_end_unsteady);
        return g_test_run();
}

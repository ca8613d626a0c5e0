/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Checks, shallow and deep, what they repair, what can be had of a volume that is damaged, and generations.
 */
#include "check-rig.h"

/* ---- */

static void test_clean(void)
{
        struct rig r;
        start(&r);
        struct found f;
        struct volume_check_result result;
        found_init(&f);
        finds(&r, (struct volume_check_options){ 0 }, 0, 0, "");
        g_assert_cmpint(check(&r, &f, deep, &result), ==, 0);
        g_assert_cmpstr(f.problems->str, ==, "");
        g_assert_cmpuint(result.segments, ==, 6);
        g_assert_cmpuint(result.packs, ==, 2);
        g_assert_cmpuint(result.members, ==, 2);
        g_assert_cmpuint(result.bytes, >, 8 * RIG_BLOCK);
        /* A repair has nothing to do, and writes nothing. */
        uint64_t end = tape_end(&r);
        finds(&r, deep_repair, 0, 0, "");
        g_assert_cmpuint(tape_end(&r), ==, end);
        g_assert_cmpuint(f.asked->len, ==, 0);
        found_clear(&f);
        rig_clear(&r);
}

/* What the index says of a pack is compared with what its members are. */
static void test_wrong_extent(void)
{
        static const uint64_t wrong_by[] = { 0, 2, 99998 };
        for (unsigned i = 0; i < G_N_ELEMENTS(wrong_by); i++) {
                struct rig r;
                start_with(&r, wrong_by[i]); /* within it: a part of a file that was written over */
                finds(&r, deep, 0, 0, "");
                rig_clear(&r);
        }
        struct rig r;
        start(&r);
        uint64_t pack = write_pack(&r, "another", 5000, 3);
        uint64_t offset = first_offset(&r, pack, "another", 5000);
        name_member(&r, "before", pack, 100, offset - 50);
        name_member(&r, "in a header", pack, 100, 512);
        name_member(&r, "right", pack, 5000, offset);
        name_member(&r, "too long", pack, 5001, offset);
        g_assert_cmpint(rig_commit(&r), ==, 0);
        finds(&r, (struct volume_check_options){ 0 }, 0, 0, "");
        finds(&r, deep, 3, 3, "too long: 5001 bytes are said to be at byte");
        rig_clear(&r);
}

/* A block that cannot be read is named, with the files that lose by it; the rest is compared. */
static void test_unreadable(void)
{
        struct rig r;
        start(&r);
        uint64_t one = object_of(&r, "one"), packed = object_of(&r, "packed");
        damage(&r, one + 1);
        finds(&r, (struct volume_check_options){ 0 }, 0, 0, "");
        finds(&r, deep, 1, 1, "object 7 cannot be read; it has data of /one");
        damage(&r, packed);
        finds(&r, deep, 2, 2, "cannot be read; it has data of /packed");
        rig_clear(&r);
}

/* Ended in the middle, and gone on with. */
static void test_from(void)
{
        struct rig r;
        struct found f;
        struct volume_check_result result, rest;
        start(&r);
        damage(&r, 7);
        found_init(&f);
        f.reports_max = 7;
        g_assert_cmpint(check(&r, &f, deep, &result), ==, -ECANCELED);
        g_assert_cmpuint(result.next, >, 2);
        f.reports_max = 0;
        g_assert_cmpint(
                check(&r, &f, (struct volume_check_options){ .deep = true, .from = result.next }, &rest), ==,
                0);
        g_assert_cmpuint(rest.problems, ==, 0);
        g_assert_cmpuint(result.segments + rest.segments, ==, 6);
        g_assert_cmpuint(result.packs + rest.packs, ==, 2);
        g_assert_cmpint(check(&r, &f, (struct volume_check_options){ .deep = true, .from = 99 }, &rest), ==,
                -ENODATA);
        found_clear(&f);
        rig_clear(&r);
}

/* ---- Repairs */

static void test_not_closed(void)
{
        struct rig r;
        start(&r);
        uint64_t pack = write_pack(&r, "late", 7000, 9);
        g_assert_cmpuint(pack, >, 0);
        crash(&r, 0);
        finds(&r, (struct volume_check_options){ 0 }, 1, 1, "not closed");
        finds(&r, repair, 1, 0, "not closed");
        finds(&r, deep, 0, 0, "");
        rig_mount(&r);
        verify(&r, "late", 7000, 9);
        verify(&r, "packed", 100000, 2);
        rig_clear(&r);
}

/* An index may be in what cannot be read: a mount leaves that alone, a repair does not. */
static void test_unreadable_index(void)
{
        struct rig r;
        start(&r);
        uint64_t end = tape_end(&r);
        damage(&r, end - 2);
        finds(&r, (struct volume_check_options){ 0 }, 1, 1, "");
        finds(&r, repair, 1, 0, "");
        rig_mount(&r);
        g_assert_false(volume_is_read_only(r.v));
        verify(&r, "packed", 100000, 2);
        verify(&r, "deleted since", 5000, 3);
        rig_clear(&r);
}

/* A tape that can be written once only stays as it is. */
static void test_no_end_worm(void)
{
        struct rig r;
        start_on(&r, &(struct virtual_cartridge){ .worm = true }, 0);
        rig_write(&r, "torn", 3 * RIG_BLOCK, 5);
        uint64_t end = tape_end(&r);
        tear(&r, end - 2);
        finds(&r, repair, 1, 1, "without an end-of-data mark");
        assert_message("can be written once only");
        rig_clear(&r);
}

static void test_no_end(void)
{
        struct rig r;
        struct found f;
        struct volume_check_result result;
        start(&r);
        rig_write(&r, "torn", 3 * RIG_BLOCK, 5);
        uint64_t end = tape_end(&r);
        tear(&r, end - 2);
        found_init(&f);
        finds(&r, (struct volume_check_options){ 0 }, 1, 1, "without an end-of-data mark");
        f.agrees = false;
        g_assert_cmpint(check(&r, &f, repair, &result), ==, 0);
        g_assert_cmpuint(result.left, ==, 1);
        g_assert_false(result.repaired);
        g_autofree char *place = g_strdup_printf("is made at object %" PRIu64 ",", end - 2);
        g_assert_nonnull(strstr(f.asked->str, place));
        f.agrees = true;
        g_assert_cmpint(check(&r, &f, repair, &result), ==, 0);
        g_assert_true(result.repaired);
        g_assert_cmpuint(result.left, ==, 0);
        rig_mount(&r);
        g_assert_false(volume_is_read_only(r.v));
        rig_verify(&r, "two", 5 * RIG_BLOCK, 4);
        struct tree_attr a;
        get(&r, "lost+found/segment-8-damaged.data", &a);
        g_assert_cmpuint(a.size, ==, 2 * RIG_BLOCK);
        found_clear(&f);
        rig_clear(&r);
}

/* What can be read behind the place where the end is made is kept elsewhere first, or nothing is written. */
static void save_on(const struct virtual_cartridge *cartridge)
{
        struct rig r;
        struct found f;
        struct volume_check_result result;
        struct volume_check_options saving = repair;
        start_on(&r, cartridge, 0);
        uint64_t begin = tape_end(&r);
        rig_write(&r, "torn", 6 * RIG_BLOCK, 5);
        tear(&r, begin + 5);
        damage(&r, begin + 2);
        tear(&r, begin + 5);
        found_init(&f);
        g_assert_cmpint(check(&r, &f, repair, &result), ==, 0);
        g_assert_false(result.repaired);
        g_assert_cmpstr(f.asked->str, ==, "");
        assert_message("name a directory for them with --save");
        saving.save = save;
        g_assert_cmpint(check(&r, &f, saving, &result), ==, 0);
        g_assert_true(result.repaired);
        g_assert_cmpuint(result.left, ==, 0);
        g_assert_cmpuint(f.saved->len, ==, 2);
        g_assert_cmpuint(g_array_index(f.saved, uint64_t, 0), ==, begin + 3);
        g_assert_cmpuint(g_array_index(f.saved, uint64_t, 1), ==, begin + 4);
        rig_mount(&r);
        struct tree_attr a;
        get(&r, "lost+found/segment-8-damaged.data", &a);
        g_assert_cmpuint(a.size, ==, 2 * RIG_BLOCK);
        found_clear(&f);
        rig_clear(&r);
}

static void test_save(void)
{
        save_on(NULL);
}

/* The drive has to be told that it is meant. */
static void test_save_append_only(void)
{
        save_on(&(struct virtual_cartridge){ .append_only = true });
}

/* All indexes lost: names come from the packs, also of what was deleted; the rest gets numbers. */
static void test_all_indexes_lost(void)
{
        struct rig r;
        start(&r);
        uint64_t end = tape_end(&r);
        damage(&r, end - 2);
        damage(&r, 4);
        finds(&r, (struct volume_check_options){ 0 }, 1, 1, "no valid index");
        finds(&r, repair, 1, 1, "no valid index");
        finds(&r, deep, 1, 1, "no valid index");
        struct found f;
        struct volume_check_result result;
        found_init(&f);
        f.reports_max = 3;
        g_assert_cmpint(check(&r, &f, deep_repair, &result), ==, -ECANCELED);
        found_clear(&f);
        finds(&r, deep_repair, 1, 0, "no valid index");
        rig_mount(&r);
        g_assert_false(volume_is_read_only(r.v));
        verify(&r, "packed", 100000, 2);
        verify(&r, "deleted since", 5000, 3);
        verify(&r, "lost+found/segment-3.data", 3 * RIG_BLOCK + 1, 1);
        verify(&r, "lost+found/segment-6.data", 5 * RIG_BLOCK, 4);
        struct volume_info info;
        volume_get_info(r.v, &info);
        g_assert_cmpuint(info.generation, >, 2);
        rig_clear(&r);
}

/* ---- What can be had */

static void open_damaged(struct rig *r)
{
        catch_messages();
        g_assert_cmpint(volume_open_damaged(r->tape, NULL, &r->v, &r->tree), ==, 0);
        g_assert_true(volume_is_read_only(r->v));
        r->block = volume_block_length(r->v);
}

/* Without this label, that one, or any, and without indexes. */
static void test_open_damaged(void)
{
        for (unsigned i = 0; i < 16; i++) {
                struct rig r;
                start(&r);
                uint64_t end = tape_end(&r);
                write_pack(&r, "late", 7000, 9);
                crash(&r, 0);
                if (i & 1)
                        damage(&r, 0);
                if (i & 2)
                        damage(&r, 2);
                if (i & 4)
                        damage(&r, 4);
                if (i & 8)
                        damage(&r, end - 2);
                if ((i & 14) == 14) {
                        g_assert_cmpint(volume_open_damaged(r.tape, NULL, &r.v, &r.tree), ==, -EMEDIUMTYPE);
                        rig_clear(&r);
                        continue;
                }
                uint64_t before = tape_end(&r);
                open_damaged(&r);
                g_assert_cmpuint(tape_end(&r), ==, before);
                verify(&r, "late", 7000, 9);
                verify(&r, "packed", 100000, 2);
                if (i & 8)
                        verify(&r, "lost+found/segment-6.data", 5 * RIG_BLOCK, 4);
                else
                        rig_verify(&r, "two", 5 * RIG_BLOCK, 4);
                rig_clear(&r);
        }
}

/* A block in the data of a member: those behind it keep their names. */
static void test_hole_in_pack(void)
{
        struct rig r;
        uint64_t id;
        start(&r);
        g_autoptr(GByteArray) b = g_byte_array_new();
        pack_begin(&r, b, &id);
        pack_add(b, "first", NULL, 1000, 21);
        pack_add(b, "hit", NULL, 3 * RIG_BLOCK, 22);
        pack_add(b, "behind", NULL, 4000, 23);
        pack_put_end(b);
        write_segment(&r, id, b, true);
        uint64_t end = tape_end(&r);
        struct segment s;
        g_assert_cmpint(volume_segment_get(r.v, id, &s), ==, 0);
        g_assert_cmpuint(s.first_block, <, end - 3);
        damage(&r, s.first_block + 1);
        open_damaged(&r);
        struct tree_attr a;
        get(&r, "first", &a);
        g_assert_cmpuint(a.size, ==, 1000);
        get(&r, "hit", &a);
        g_assert_cmpuint(a.size, ==, 3 * RIG_BLOCK);
        get(&r, "behind", &a);
        g_assert_cmpuint(a.size, ==, 4000);
        g_assert_cmpint(tree_resolve(r.tree, "lost+found", &a), ==, -ENOENT);
        rig_clear(&r);
}

/* What a user has archived of this or another volume is data, whether there is an index, a label, or not. */
static void test_lookalikes(void)
{
        for (unsigned i = 0; i < 4; i++) {
                struct rig r;
                start(&r);
                uint64_t end = tape_end(&r);
                struct segment s;
                g_assert_cmpint(volume_segment_at(r.v, end - 2, &s), ==, 0);
                g_autoptr(GByteArray) index = read_segment(&r, s.id);
                struct tree_attr a;
                struct tree_extent e;
                size_t n;
                get(&r, "packed", &a);
                g_assert_cmpint(tree_map(r.tree, a.ino, 0, UINT64_MAX, &e, 1, &n, NULL), ==, 0);
                g_autoptr(GByteArray) pack = read_segment(&r, e.segment);
                write_bytes(&r, index->data, index->len, true);
                write_bytes(&r, pack->data, pack->len, true);
                crash(&r, 0);
                if (i & 1)
                        damage(&r, end - 2);
                if (i & 2)
                        damage(&r, 2);
                open_damaged(&r);
                uint64_t filemark = 8;
                g_autofree char *first = g_strdup_printf("lost+found/segment-%" PRIu64 ".xml", filemark);
                g_autofree char *second = g_strdup_printf("lost+found/segment-%" PRIu64 ".tar", filemark + 1);
                get(&r, first, &a);
                g_assert_cmpuint(a.size, ==, index->len);
                get(&r, second, &a);
                g_assert_cmpuint(a.size, ==, pack->len);
                verify(&r, "packed", 100000, 2);
                rig_clear(&r);
        }
}

/* ---- Generations */

static int note_generation(void *ctx, const struct volume_generation *g)
{
        g_string_append_printf(ctx, "%s%" PRIu64 " ", g->damaged ? "damaged " : "", g->number);
        return 0;
}

static char *generations(struct rig *r)
{
        GString *text = g_string_new(NULL);
        g_assert_cmpint(volume_generations(r->v, note_generation, text), ==, 0);
        return g_string_free(text, FALSE);
}

static void test_generations(void)
{
        struct rig r;
        char name[20];
        uint64_t blocks[12] = { 0 };
        struct volume_info info;
        rig_init(&r, NULL);
        rig_format(&r);
        rig_mount(&r);
        for (unsigned i = 2; i < 12; i++) {
                snprintf(name, sizeof(name), "file %u", i);
                rig_write(&r, name, i, i);
                g_assert_cmpint(rig_commit(&r), ==, 0);
                volume_get_info(r.v, &info);
                g_assert_cmpuint(info.generation, ==, i);
                blocks[i] = info.index_block;
        }
        g_autofree char *all = generations(&r);
        g_assert_cmpstr(all, ==, "1 2 3 4 5 6 7 8 9 10 11 ");
        damage(&r, blocks[4]);
        for (uint64_t g = 1; g < 13; g++) {
                struct tree_attr a;
                catch_messages();
                int error = volume_open_generation(r.tape, g, &r.v, &r.tree);
                g_assert_cmpint(error, ==, g == 4 || g == 12 ? -ENOENT : 0);
                if (error < 0)
                        continue;
                volume_get_info(r.v, &info);
                g_assert_cmpuint(info.generation, ==, g);
                g_assert_true(info.read_only);
                for (uint64_t i = 2; i < 12; i++) {
                        snprintf(name, sizeof(name), "file %" PRIu64, i);
                        int found = tree_resolve(r.tree, name, &a);
                        g_assert_cmpint(found, ==, i <= g ? 0 : -ENOENT);
                        if (found == 0)
                                tree_unref(r.tree, a.ino, 1);
                }
                g_assert_cmpint(volume_commit(r.v, r.tree, true, NULL), ==, -EROFS);
                volume_close(g_steal_pointer(&r.v));
                tree_free(g_steal_pointer(&r.tree));
        }
        rig_mount(&r);
        g_autofree char *some = generations(&r);
        g_assert_cmpstr(some, ==, "1 2 3 damaged 0 5 6 7 8 9 10 11 ");
        rig_clear(&r);
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/check/clean", test_clean);
        g_test_add_func("/check/wrong-extent", test_wrong_extent);
        g_test_add_func("/check/unreadable", test_unreadable);
        g_test_add_func("/check/from", test_from);
        g_test_add_func("/check/not-closed", test_not_closed);
        g_test_add_func("/check/unreadable-index", test_unreadable_index);
        g_test_add_func("/check/no-end", test_no_end);
        g_test_add_func("/check/no-end-worm", test_no_end_worm);
        g_test_add_func("/check/save", test_save);
        g_test_add_func("/check/save-append-only", test_save_append_only);
        g_test_add_func("/check/all-indexes-lost", test_all_indexes_lost);
        g_test_add_func("/check/open-damaged", test_open_damaged);
        g_test_add_func("/check/hole-in-pack", test_hole_in_pack);
        g_test_add_func("/check/lookalikes", test_lookalikes);
        g_test_add_func("/check/generations", test_generations);
        return g_test_run();
}

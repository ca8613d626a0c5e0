/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Recovery of volumes whose last segment was not finished, also when it is cut off itself. */
#include "recover-rig.h"

static void test_torn_pack(void)
{
        struct rig r;
        struct tree_attr a;
        uint64_t id;
        start(&r, NULL);
        rig_write(&r, "second", 777, 6); /* which the index has */
        g_assert_cmpint(rig_commit(&r), ==, 0);
        g_autoptr(GByteArray) b = two_files(&r, &id);
        write_segment(&r, id, b, true);
        uint64_t end = tape_end(&r); /* three blocks and a filemark */
        crash(&r, end - 3);
        recover(&r, "1 pack with 1 file, 1 file cut off");
        verify(&r, "first", 60000, 2);
        get(&r, "lost+found/second-incomplete", &a);
        g_assert_cmpuint(a.size, >, 0);
        g_assert_cmpuint(a.size, <, 60000);
        g_assert_cmpint(a.times.mtime, ==, attr.times.mtime);
        verify(&r, "lost+found/second-incomplete", a.size, 3);
        verify(&r, "second", 777, 6);
        g_autofree char *lost = xattr_text(&r, "lost+found/second-incomplete", "user.reelfs-lost");
        g_assert_nonnull(strstr(lost, "of 60000 bytes the first"));
        g_assert_cmpint(tree_resolve(r.tree, "third", &a), ==, -ENOENT);
        rig_clear(&r);
}

/* What was committed is not given up for a file that is there in part. */
static void test_torn_replacement(void)
{
        struct rig r;
        struct tree_attr a, old;
        uint64_t id;
        start(&r, NULL);
        get(&r, "old", &old);
        g_autoptr(GByteArray) b = g_byte_array_new();
        pack_begin(&r, b, &id);
        pack_add(b, "old", NULL, 100, 2);
        pack_add(b, "old", NULL, 200000, 3);
        pack_put_end(b);
        write_segment(&r, id, b, true);
        crash(&r, tape_end(&r) - 2);
        recover(&r, "1 pack with 1 file, 1 older file at such a path (in lost+found), 1 file cut off");
        verify(&r, "old", 100, 2);
        get(&r, "lost+found/old-incomplete", &a);
        g_assert_cmpuint(a.size, >, 0);
        g_assert_cmpuint(a.size, <, 200000);
        verify(&r, "lost+found/old-incomplete", a.size, 3);
        g_autofree char *lost = xattr_text(&r, "lost+found/old-incomplete", "user.reelfs-lost");
        g_assert_nonnull(strstr(lost, "of 200000 bytes the first"));
        g_autofree char *all = names(&r);
        g_assert_null(strstr(all, "reelfs-replaced"));
        rig_clear(&r);
}

/* Not even the first header is there as a whole; blocks are so small that a header takes several. */
static void test_torn_head(void)
{
        struct rig r;
        start(&r,
                &(struct virtual_cartridge){
                        .lacks = VIRTUAL_NO_VARIABLE | VIRTUAL_NO_ATTRIBUTES, .fixed_block = 512 });
        write_pack(&r, "f", 700, 2);
        uint64_t end = tape_end(&r); /* 2 of head, 3 of header, 2 of data, 2 of the end, a filemark */
        for (uint64_t n = end; n > end - 10; n--) {
                struct tree_attr a;
                crash(&r, n);
                rig_mount(&r);
                assert_one_message(n < end - 8 ? "1 segment without a name" : "1 pack with ");
                if (n < end - 5) {
                        g_assert_cmpint(tree_resolve(r.tree, "f", &a), ==, -ENOENT);
                } else {
                        get(&r, n < end - 3 ? "lost+found/f-incomplete" : "f", &a);
                        g_assert_cmpuint(a.size, ==, MIN((n - (end - 5)) * 512, 700));
                }
                g_assert_cmpuint(rig_problems(&r), ==, 0);
        }
        rig_clear(&r);
}

static void test_open_tail(void)
{
        struct rig r;
        g_autofree uint8_t *data = pattern(3 * RIG_BLOCK, 5);
        start(&r, NULL);
        memcpy(data,
                "\0\0\0\x14"
                "ftypqt  ",
                12);
        write_bytes(&r, data, 3 * RIG_BLOCK, false);
        crash(&r, 0);
        recover(&r, "1 segment without a name (192 KiB, in lost+found), 1 file cut off");
        g_autofree char *text =
                xattr_text(&r, "lost+found/segment-5-incomplete.mov", "user.reelfs-recovered");
        g_assert_nonnull(strstr(text, "196608 bytes behind filemark 5"));
        g_assert_nonnull(strstr(text, "may be missing"));
        rig_clear(&r);
}

/* An index of several blocks, cut off after each of them, with data before it. */
static void test_torn_index(void)
{
        struct rig r;
        struct tree_attr a;
        start(&r, &without_memory);
        write_pack(&r, "f", 3000, 2);
        uint64_t begin = tape_end(&r);
        for (int i = 0; i < 1500; i++) {
                g_autofree char *name = g_strdup_printf("file with a name of some length %d", i);
                make_file(r.tree, TREE_ROOT, name);
        }
        g_assert_cmpint(rig_commit(&r), ==, 0);
        uint64_t end = tape_end(&r);
        g_assert_cmpuint(end - begin, >, 4);
        for (uint64_t n = end - 1; n > begin; n--) {
                crash(&r, n);
                recover(&r, "1 pack with 1 file, 1 index that was not finished");
                verify(&r, "f", 3000, 2);
                g_assert_cmpint(tree_resolve(r.tree, "file with a name of some length 1", &a), ==, -ENOENT);
                if (n == end - 1)
                        break;
        }
        rig_clear(&r);
}

/* Whatever is cut off of what a recovery has written, the next one finds the same; but for the place between
 * the two filemarks behind an open tail, which a drive gets in one command. */
static void test_second_crash(void)
{
        struct rig r;
        uint64_t id;
        g_autofree uint8_t *data = pattern(3 * RIG_BLOCK, 5);
        start(&r, &without_memory);
        g_autoptr(GByteArray) b = two_files(&r, &id);
        write_segment(&r, id, b, true);
        g_assert_cmpint(rig_append(&r, 3 * RIG_BLOCK + 9, 7, &id), ==, 0);
        write_bytes(&r, data, 3 * RIG_BLOCK, false);
        uint64_t tail = tape_end(&r);
        crash(&r, 0);
        rig_mount(&r);
        uint64_t end = tape_end(&r);
        g_autofree char *expected = names(&r);
        g_assert_nonnull(strstr(expected, "segment-7-incomplete.data"));
        for (int i = 0; i < 1500; i++) { /* so that the next index has several blocks */
                g_autofree char *name = g_strdup_printf("file with a name of some length %d", i);
                make_file(r.tree, TREE_ROOT, name);
        }
        g_assert_cmpint(rig_commit(&r), ==, 0);
        size_t length;
        uint64_t last = tape_end(&r);
        g_autofree uint8_t *tape = load_tape(&r, &length);
        for (uint64_t n = tail; n < end; n++) {
                if (n == tail + 1)
                        continue;
                rig_unload(&r);
                save_tape(&r, tape, length);
                rig_load(&r);
                crash(&r, n);
                rig_mount(&r);
                assert_one_message("1 pack with 3 files, 2 segments without names");
                g_autofree char *found = names(&r);
                g_assert_cmpstr(found, ==, expected);
                verify(&r, "lost+found/segment-6.data", 3 * RIG_BLOCK + 9, 7);
                assert_appended(&r, tape, tape_offset(tape, length, n));
                g_assert_cmpuint(rig_problems(&r), ==, 0);
        }
        for (uint64_t n = end; n < last; n++) {
                rig_unload(&r);
                save_tape(&r, tape, length);
                rig_load(&r);
                crash(&r, n);
                rig_mount(&r);
                g_autofree char *found = names(&r);
                g_assert_cmpstr(found, ==, expected);
                assert_appended(&r, tape, tape_offset(tape, length, n));
        }
        rig_clear(&r);
}

/* ---- Odd things */

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/volume-torn/torn-pack", test_torn_pack);
        g_test_add_func("/volume-torn/torn-replacement", test_torn_replacement);
        g_test_add_func("/volume-torn/torn-head", test_torn_head);
        g_test_add_func("/volume-torn/open-tail", test_open_tail);
        g_test_add_func("/volume-torn/torn-index", test_torn_index);
        g_test_add_func("/volume-torn/second-crash", test_second_crash);
        return g_test_run();
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The index codec: what goes in comes back. */
#include <sys/sysmacros.h>

#include "../../src/volume/keys.h"
#include "index-helpers.h"

static void assert_round_trip(Tree *tree)
{
        for (int compact = 0; compact < 2; compact++) {
                g_autoptr(GString) text = encode(tree, compact);
                const size_t pieces[] = { 1, 0, text->len };
                for (unsigned i = 0; i < G_N_ELEMENTS(pieces); i++) {
                        if (pieces[i] == 1 && text->len > 100000)
                                continue;
                        Tree *back;
                        struct index_head head = { 0 };
                        g_autofree char *why = NULL;
                        int r = decode(text->str, text->len, pieces[i], &back, &head, &why);
                        g_assert_cmpstr(why, ==, "");
                        g_assert_cmpint(r, ==, 0);
                        assert_same_tree(tree, back);
                        g_assert_cmpuint(tree_highest_fileuid(tree), ==, tree_highest_fileuid(back));
                        g_assert_cmpuint(head.generation, ==, 7);
                        g_assert_cmpuint(head.block, ==, 119);
                        g_assert_cmpuint(head.previous_block, ==, 4);
                        g_assert_cmpstr(head.creator, ==, "me & you");
                        g_assert_cmpstr(head.uuid, ==, test_label.uuid);
                        g_assert_cmpint(head.update_time, ==, 1234567890123456789);
                        tree_free(back);
                }
        }
}

static void test_empty(void)
{
        Tree *t = tree_new();
        assert_round_trip(t);
        tree_free(t);
}

static void test_probe(void)
{
        Tree *t = tree_new();
        g_autoptr(GString) text = encode(t, true);
        struct index_head head = { 0 };
        g_assert_true(index_probe(text->str, text->len, &head));
        g_assert_cmpuint(head.segment, ==, 6);
        g_assert_cmpuint(head.generation, ==, 7);
        g_assert_cmpuint(strlen(head.token), ==, TOKEN_HEX_LENGTH);
        for (size_t n = 0; n < 120; n++)
                g_assert_false(index_probe(text->str, n, &head));
        g_assert_false(index_probe("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<ltfsindex>", 50, &head));
        tree_free(t);
}

static void test_attributes(void)
{
        Tree *t = tree_new();
        struct tree_attr a = { .mode = 01777, .uid = 7, .gid = 8, .times = { 1, -2, 3, 4 } };
        tree_setattr(t, TREE_ROOT, 0x7f, &a, NULL);
        uint64_t d = make_dir(t, TREE_ROOT, "dir");
        make(t, d, "fifo", S_IFIFO | 0600, NULL, 0);
        make(t, d, "socket", S_IFSOCK | 0755, NULL, 0);
        make(t, d, "char", S_IFCHR | 0666, NULL, makedev(1, 3));
        make(t, d, "block", S_IFBLK | 0660, NULL, makedev(4095, 1048575));
        make(t, d, "link", S_IFLNK | 0777, "../some where/else:x", 0);
        make(t, d, "link2", S_IFLNK | 0777, "\xff\xfe%41\r\n", 0);
        uint64_t f = make(t, d, "setuid", S_IFREG | 06755, NULL, 0);
        a = (struct tree_attr){ .uid = UINT32_MAX, .gid = UINT32_MAX - 1, .times = { 5, 5, 5, 5 } };
        tree_setattr(t, f, TREE_SET_UID | TREE_SET_GID | TREE_SET_MTIME | TREE_SET_ATIME, &a, NULL);
        make(t, d, "usual", S_IFREG | 0644, NULL, 0);
        make_dir(t, d, "empty");
        assert_round_trip(t);
        tree_free(t);
}

static const char *const nasty[] = { " leading", "trailing ", "\ttab", "new\nline", "cr\rlf\r\n", "a:b",
        "100%", "%41", "&lt;", "<tag>", "\"quoted\"", "'", "]]>", "--", "\xff", "\xc3\x28", "\xed\xa0\x80",
        "\xf4\x90\x80\x80", "\x01\x02\x1f", "\x7f", "\xc2\x85", "\xef\xbf\xbe", "\xef\xbf\xbf",
        "\xf0\x9f\x8e\x9e tape", "e\xcc\x81", "\xc3\xa9", "reelfs.posix", " ", "\\", "..." };

static void test_nasty_names(void)
{
        Tree *t = tree_new();
        for (unsigned i = 0; i < G_N_ELEMENTS(nasty); i++) {
                uint64_t d = make_dir(t, TREE_ROOT, nasty[i]);
                make_file(t, d, nasty[i]);
                make(t, d, "link", S_IFLNK | 0777, nasty[i], 0);
        }
        char every[2] = "";
        uint64_t d = make_dir(t, TREE_ROOT, "every byte");
        for (int c = 1; c < 256; c++) {
                every[0] = (char)c;
                if (c != '/' && c != '.')
                        make_file(t, d, every);
        }
        g_autofree char *longest = g_strnfill(TREE_NAME_MAX, '\xfe');
        make_file(t, d, longest);
        assert_round_trip(t);
        tree_free(t);
}

/* As LTFS wants it, and so that no other parser changes it. */
static void test_encoding(void)
{
        static const struct {
                const char *name, *element;
        } names[] = {
                { "plain \xc3\xa9%&<", "<name>plain \xc3\xa9%&amp;&lt;</name>" },
                { "a:b c", "<name percentencoded=\"true\">a%3Ab%20c</name>" },
                { " x", "<name percentencoded=\"true\">%20x</name>" },
                { "x ", "<name percentencoded=\"true\">x%20</name>" },
                { "\xff%", "<name percentencoded=\"true\">%FF%25</name>" },
                { "\r", "<name percentencoded=\"true\">%0D</name>" },
                { "\xc2\x85", "<name percentencoded=\"true\">%C2%85</name>" },
        };
        for (unsigned i = 0; i < G_N_ELEMENTS(names); i++) {
                Tree *t = tree_new();
                make_file(t, TREE_ROOT, names[i].name);
                g_autoptr(GString) text = encode(t, true);
                g_assert_nonnull(strstr(text->str, names[i].element));
                /* What equals its default is left out, in the compact form only. */
                g_autoptr(GString) full = encode(t, false);
                g_assert_null(strstr(text->str, "<readonly>"));
                g_assert_nonnull(strstr(full->str, "<readonly>false</readonly>"));
                tree_free(t);
        }
}

static void test_xattrs(void)
{
        static const char *const names[] = { "user.comment", "user.reelfs.posix", "user.user.x",
                "user.linux.security.y", "user.linux.", "user.", "security.selinux",
                "system.posix_acl_access", "trusted.overlay", "other", "other.x", "linux.x", "reelfs.posix",
                "user.a:b", "user.\xff", "user. x " };
        Tree *t = tree_new();
        uint64_t f = make_file(t, TREE_ROOT, "f"), d = make_dir(t, TREE_ROOT, "d");
        for (unsigned i = 0; i < G_N_ELEMENTS(names); i++) {
                g_assert_cmpint(tree_xattr_set(t, f, names[i], "value", 5, 0, 1), ==, 0);
                g_assert_cmpint(tree_xattr_set(t, d, names[i], "", 0, 0, 1), ==, 0);
                g_assert_cmpint(
                        tree_xattr_set(t, TREE_ROOT, names[i], names[i], strlen(names[i]), 0, 1), ==, 0);
        }
        uint64_t values = make_file(t, TREE_ROOT, "values");
        for (unsigned i = 0; i < G_N_ELEMENTS(nasty); i++) {
                g_autofree char *name = g_strdup_printf("user.%u", i);
                tree_xattr_set(t, values, name, nasty[i], strlen(nasty[i]) + i % 2, 0, 1);
        }
        g_autofree char *large = g_malloc(65536);
        for (int i = 0; i < 65536; i++)
                large[i] = (char)g_random_int();
        g_assert_cmpint(tree_xattr_set(t, values, "user.large", large, 65536, 0, 1), ==, 0);
        g_assert_cmpint(tree_xattr_set(t, values, "user.odd", large, 65533, 0, 1), ==, 0);
        memset(large, '&', 65536);
        g_assert_cmpint(tree_xattr_set(t, values, "user.entities", large, 65536, 0, 1), ==, 0);
        assert_round_trip(t);
        tree_free(t);
}

static void test_keys(void)
{
        static const char *const pairs[][2] = { { "user.a", "a" }, { "user.reelfs.x", "user.reelfs.x" },
                { "user.linux.x", "user.linux.x" }, { "user.user.x", "user.user.x" }, { "user.", "user." },
                { "security.x", "linux.security.x" }, { "system.x", "linux.system.x" },
                { "reelfs.x", "linux.reelfs.x" } };
        for (unsigned i = 0; i < G_N_ELEMENTS(pairs); i++) {
                g_autofree char *key = key_from_xattr(pairs[i][0]), *name = key_to_xattr(pairs[i][1]);
                g_assert_cmpstr(key, ==, pairs[i][1]);
                g_assert_cmpstr(name, ==, pairs[i][0]);
        }
        g_assert_null(key_to_xattr("reelfs.anything"));
        static const char *const odd[] = { "linux.", "linux.user.x", "linux.user.", "", "linux",
                "ltfs.hash.md5sum" };
        for (unsigned i = 0; i < G_N_ELEMENTS(odd); i++) {
                g_autofree char *name = key_to_xattr(odd[i]);
                g_assert_true(g_str_has_prefix(name, "user."));
        }
}

static void test_hard_links(void)
{
        Tree *t = tree_new();
        uint64_t d = make_dir(t, TREE_ROOT, "d"), f = make_file(t, d, "first");
        struct tree_attr a;
        put_extent(t, f, 0, 100, 2, 0);
        g_assert_cmpint(tree_xattr_set(t, f, "user.x", "y", 1, 0, 1), ==, 0);
        g_assert_cmpint(tree_link(t, f, TREE_ROOT, "second", 5, &a), ==, 0);
        g_assert_cmpint(tree_link(t, f, d, "third", 5, &a), ==, 0);
        tree_unref(t, f, 2);
        assert_round_trip(t);
        /* The first name goes; its id stays that of the group, also when one name is left. */
        g_assert_cmpint(tree_unlink(t, d, "first", 6), ==, 0);
        assert_round_trip(t);
        g_assert_cmpint(tree_unlink(t, d, "third", 6), ==, 0);
        assert_round_trip(t);
        uint64_t fifo = make(t, d, "fifo", S_IFIFO | 0644, NULL, 0),
                 link = make(t, d, "link", S_IFLNK | 0777, "x", 0);
        g_assert_cmpint(tree_link(t, fifo, d, "fifo2", 5, &a), ==, 0);
        g_assert_cmpint(tree_link(t, link, d, "link2", 5, &a), ==, 0);
        tree_unref(t, fifo, 1);
        tree_unref(t, link, 1);
        assert_round_trip(t);
        tree_free(t);
}

static void test_extents(void)
{
        Tree *t = tree_new();
        uint64_t f = make_file(t, TREE_ROOT, "sparse");
        put_extent(t, f, 1000000, 10 * BLOCK + 17, 2, 0);
        put_extent(t, f, 5, 3, 5, 77 * BLOCK + 4095);
        tree_truncate(t, f, UINT64_C(1) << 50, 1);
        make_file(t, TREE_ROOT, "empty");
        tree_truncate(t, make_file(t, TREE_ROOT, "hole"), 12345, 1);
        assert_round_trip(t);
        tree_free(t);
}

/* What is not on the tape must not become zeros: the file ends before it. */
static void test_unwritten_extents(void)
{
        static const struct {
                uint64_t queued_at, length, extents;
        } files[] = { { 0, 0, 0 }, { 8192, 8192, 1 }, { 100000, 100000, 1 } };
        struct segment_table table;
        struct index_result result;
        make_table(&table);
        Tree *t = tree_new(), *back;
        for (unsigned i = 0; i < G_N_ELEMENTS(files); i++) {
                g_autofree char *name = g_strdup_printf("%u", i);
                uint64_t f = make_file(t, TREE_ROOT, name);
                put_extent(t, f, 0, 8192, 2, 0);
                put_extent(t, f, 200000, 8192, 2, 8192);
                put_extent(t, f, files[i].queued_at, 4096, 3, 0);
        }
        /* Of segment 2 a failed write has left 10 blocks and 17 bytes. */
        put_extent(t, make_file(t, TREE_ROOT, "cut"), 0, 20 * BLOCK, 2, BLOCK);
        g_autoptr(GString) text = encode_with(t, &table, true, &result);
        g_assert_cmpuint(result.cut, ==, G_N_ELEMENTS(files) + 1);
        g_assert_cmpint(decode(text->str, text->len, 0, &back, NULL, NULL), ==, 0);
        for (unsigned i = 0; i < G_N_ELEMENTS(files); i++) {
                g_autofree char *name = g_strdup_printf("%u", i);
                g_autofree struct tree_extent *extents = NULL;
                struct tree_attr a;
                size_t n;
                g_assert_cmpint(tree_resolve(back, name, &a), ==, 0);
                g_assert_cmpuint(a.size, ==, files[i].length);
                g_assert_cmpint(tree_extents(back, a.ino, &extents, &n), ==, 0);
                g_assert_cmpuint(n, ==, files[i].extents);
        }
        struct tree_attr a;
        g_assert_cmpint(tree_resolve(back, "cut", &a), ==, 0);
        g_assert_cmpuint(a.size, ==, 9 * BLOCK + 17);
        g_assert_cmpuint(a.bytes, ==, 9 * BLOCK + 17);
        tree_free(back);
        tree_free(t);
        segments_clear(&table);
}

/* As many as there may be; the last ones are short. */
static void fill_xattrs(Tree *t, uint64_t ino)
{
        g_autofree char *value = g_strnfill(65536, 'x');
        unsigned n = 0;
        for (size_t size = 65536; size > 0;) {
                g_autofree char *name = g_strdup_printf("user.%u", n);
                if (tree_xattr_set(t, ino, name, value, size, 0, 1) == 0)
                        n++;
                else
                        size /= 2;
        }
}

/* Where a file has as many attributes as it may, what it has lost is one more, and still the index is read.
 */
static void test_lost_beside_xattrs(void)
{
        struct segment_table table;
        struct index_result result;
        make_table(&table);
        segments_find(&table, 3)->state = SEGMENT_LOST;
        Tree *t = tree_new(), *back;
        uint64_t f = make_file(t, TREE_ROOT, "f");
        put_extent(t, f, 0, 4096, 3, 0);
        fill_xattrs(t, f);
        g_assert_cmpint(tree_xattr_set(t, f, "user.one-more", "", 0, 0, 1), ==, -ENOSPC);
        catch_messages();
        g_autoptr(GString) text = encode_with(t, &table, true, &result);
        assert_one_message("of 4096 bytes the first 0 are on the tape");
        g_assert_cmpuint(result.lost, ==, 1);
        g_autofree char *why = NULL;
        g_autofree void *lost = NULL;
        size_t size;
        int r = decode(text->str, text->len, 4096, &back, NULL, &why);
        g_assert_cmpstr(why, ==, "");
        g_assert_cmpint(r, ==, 0);
        g_assert_cmpint(tree_xattr_get(back, f, "user." KEY_LOST, &lost, &size), ==, 0);
        g_assert_cmpint(tree_xattr_set(back, f, "user.one-more", "", 0, 0, 1), ==, -ENOSPC);
        segments_clear(&table);
        tree_free(back);
        tree_free(t);
}

static void test_deep(void)
{
        Tree *t = tree_new(), *back;
        uint64_t parent = TREE_ROOT;
        for (int i = 0; i < 100000; i++)
                parent = make_dir(t, parent, i % 2 ? "d" : "\n");
        make_file(t, parent, "bottom");
        g_autoptr(GString) text = encode(t, true);
        g_assert_cmpint(decode(text->str, text->len, 65536, &back, NULL, NULL), ==, 0);
        assert_same_tree(t, back);
        tree_free(back);
        tree_free(t);
}

static void test_many(void)
{
        Tree *t = tree_new();
        uint64_t d = make_dir(t, TREE_ROOT, "d");
        for (int i = 0; i < 100000; i++) {
                char name[32];
                g_snprintf(name, sizeof(name), "file %d.tar.gz", i);
                put_extent(t, make_file(t, d, name), 0, 100, 5, (uint64_t)i * 3);
        }
        assert_round_trip(t);
        tree_free(t);
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/index/empty", test_empty);
        g_test_add_func("/index/probe", test_probe);
        g_test_add_func("/index/attributes", test_attributes);
        g_test_add_func("/index/nasty-names", test_nasty_names);
        g_test_add_func("/index/encoding", test_encoding);
        g_test_add_func("/index/xattrs", test_xattrs);
        g_test_add_func("/index/keys", test_keys);
        g_test_add_func("/index/hard-links", test_hard_links);
        g_test_add_func("/index/extents", test_extents);
        g_test_add_func("/index/unwritten-extents", test_unwritten_extents);
        g_test_add_func("/index/lost-beside-xattrs", test_lost_beside_xattrs);
        g_test_add_func("/index/deep", test_deep);
        g_test_add_func("/index/many", test_many);
        return g_test_run();
}

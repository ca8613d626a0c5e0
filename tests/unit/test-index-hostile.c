/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The index reader and documents that others wrote, with good intentions or bad ones. */
#include "index-helpers.h"

/* ---- Input that must fail */

static Tree *small_tree(void)
{
        Tree *t = tree_new();
        uint64_t d = make_dir(t, TREE_ROOT, "d\x01"), f = make_file(t, d, "f");
        struct tree_attr a;
        put_extent(t, f, 0, 100, 2, 0);
        tree_link(t, f, TREE_ROOT, "g", 1, &a);
        tree_unref(t, f, 1);
        make(t, d, "l", S_IFLNK | 0777, "target", 0);
        tree_xattr_set(t, f, "user.b", "\x00\x01", 2, 0, 1);
        tree_xattr_set(t, d, "user.c", "text", 4, 0, 1);
        return t;
}

static void test_truncated(void)
{
        Tree *t = small_tree(), *back;
        for (int compact = 0; compact < 2; compact++) {
                g_autoptr(GString) text = encode(t, compact);
                /* Behind the root element only a line end follows. */
                for (size_t n = 0; n < text->len - 1; n++) {
                        g_autofree char *why = NULL;
                        g_assert_cmpint(decode(text->str, n, 4096, &back, NULL, &why), ==, -EUCLEAN);
                        g_assert_cmpstr(why, !=, "");
                        tree_free(back);
                }
        }
        tree_free(t);
}

/* Any byte changed to anything: an error or a tree, never a crash. */
static void test_mutated(void)
{
        Tree *t = small_tree(), *back;
        g_autoptr(GString) text = encode(t, true);
        for (size_t i = 0; i < text->len; i++) {
                char was = text->str[i];
                text->str[i] = "<>&;\"0 9/\xff"[g_random_int_range(0, 10)];
                int r = decode(text->str, text->len, 4096, &back, NULL, NULL);
                g_assert_true(r == 0 || r == -EUCLEAN);
                text->str[i] = was;
                tree_free(back);
        }
        tree_free(t);
}

#define HEAD                                                                                              \
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?><ltfsindex version=\"2.4.0\"><creator>x</creator>"     \
        "<volumeuuid>01234567-89ab-4def-8123-456789abcdef</volumeuuid><generationnumber>1</"              \
        "generationnumber>"                                                                               \
        "<updatetime>2026-01-01T00:00:00Z</updatetime><location><partition>a</partition><startblock>40</" \
        "startblock></location>"                                                                          \
        "<highestfileuid>9</highestfileuid>"
#define TIME "<modifytime>2026-01-01T00:00:00.5Z</modifytime>"
#define ROOT_TO(table)                                                                                \
        HEAD "<directory><name>v</name>" TIME                                                         \
             "<fileuid>1</fileuid><extendedattributes><xattr><key>reelfs.segments</key><value>" table \
             "</value></xattr></extendedattributes>"
#define TABLE "1 index 2 4 0\n2 file 3 6 40977\n7 pack 9 30 8192"
#define ROOT ROOT_TO(TABLE)
#define END "</directory></ltfsindex>"
#define FILE_WITH(name, uid, length, more)                                                              \
        "<file><name>" name "</name><length>" length "</length>" TIME "<fileuid>" uid "</fileuid>" more \
        "</file>"
#define EXTENT(offset, block, byte, count)                                                               \
        "<extent><fileoffset>" offset "</fileoffset><startblock>" block "</startblock><byteoffset>" byte \
        "</byteoffset><bytecount>" count "</bytecount></extent>"
#define WITH_EXTENTS(length, extents) \
        ROOT "<contents>" FILE_WITH(  \
                "victim", "2", length, "<extentinfo>" extents "</extentinfo>") "</contents>" END
#define WITH_XATTR(key, value)                                        \
        ROOT "<contents>" FILE_WITH("victim", "2", "0",               \
                "<extendedattributes><xattr><key>" key "</key>" value \
                "</xattr></extendedattributes>") "</contents>" END
#define WITH_CONTENTS(contents) ROOT "<contents>" contents "</contents>" END

static const struct {
        const char *text, *why;
} hostile[] = {
        { "", "XML" },
        { "<ltfsindex/>", "not have all" },
        { "<ltfslabel/>", "not an index" },
        { "<!DOCTYPE x [<!ENTITY a \"b\">]><ltfsindex/>", "document type" },
        { "<!DOCTYPE ltfsindex SYSTEM \"file:///etc/passwd\"><ltfsindex/>", "document type" },
        { "<ltfsindex>&lol;</ltfsindex>", "XML" },
        { HEAD "</ltfsindex>", "not have all" },
        { HEAD "<directory><name>v</name>" TIME "<fileuid>1</fileuid><contents/></directory></ltfsindex>",
                "reelfs.segments" },
        { HEAD "<directory><name>v</name>" TIME "<contents/></directory></ltfsindex>", "not complete" },
        { HEAD "<directory><name>v</name>" TIME
               "<fileuid>2</fileuid><extendedattributes><xattr><key>reelfs.segments</key><value/>"
               "</xattr></extendedattributes><contents/></directory></ltfsindex>",
                "root is not 1" },
        { ROOT "<contents/><contents/>" END, "twice" },
        { ROOT "<contents/><readonly>true</readonly>" END, "behind the contents" },
        { ROOT "<contents/><fileuid>5</fileuid>" END, "twice" },
        { ROOT "<contents/>" END "<ltfsindex/>", "XML" },
        { ROOT_TO("1 index 2 4 0\n1 file 3 6 1"), "segment table" },
        { ROOT_TO("2 index 2 4 0\n1 file 3 6 1"), "segment table" },
        { ROOT_TO("0 index 2 4 0"), "segment table" },
        { ROOT_TO("1 cake 2 4 0"), "segment table" },
        { ROOT_TO("1 index 2 4"), "segment table" },
        { ROOT_TO("1 index 2 4 0 5"), "segment table" },
        { ROOT_TO("1 index 2 0 0"), "segment table" },
        { ROOT_TO("1 index 2 4 18446744073709551616"), "segment table" },
        { ROOT_TO("1 index 2 18446744073709551615 1"), "segment table" },
        { ROOT_TO("1 index 2 -4 1"), "segment table" },
        { ROOT_TO("111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111"
                  "11111111111111111"),
                "too long" },
        { ROOT_TO("1 index 2 4 8192\n2 file 3 6 1") "<contents/>" END, "overlap" },
        { ROOT_TO("1 index 2 4 0\n2 file 3 4 1") "<contents/>" END, "overlap" },
        { ROOT_TO("1 index 3 4 0\n2 file 2 6 1") "<contents/>" END, "overlap" },
        { WITH_EXTENTS("100", EXTENT("0", "5", "0", "100")), "victim" },
        { WITH_EXTENTS("100", EXTENT("0", "4", "0", "100")), "victim" },
        { WITH_EXTENTS("100", EXTENT("0", "17", "0", "100")), "victim" },
        { WITH_EXTENTS("100", EXTENT("0", "18446744073709551615", "0", "100")), "victim" },
        { WITH_EXTENTS("100", EXTENT("0", "6", "4096", "100")), "victim" },
        { WITH_EXTENTS("100", EXTENT("0", "6", "18446744073709551615", "100")), "victim" },
        { WITH_EXTENTS("100", EXTENT("0", "6", "0", "0")), "victim" },
        { WITH_EXTENTS("99", EXTENT("0", "6", "0", "100")), "victim" },
        { WITH_EXTENTS("100", EXTENT("1", "6", "0", "100")), "victim" },
        { WITH_EXTENTS("100", EXTENT("18446744073709551615", "6", "0", "100")), "victim" },
        { WITH_EXTENTS("50000", EXTENT("0", "6", "0", "40978")), "victim" },
        { WITH_EXTENTS("50000", EXTENT("0", "16", "17", "1")), "victim" },
        { WITH_EXTENTS("50000", EXTENT("0", "6", "0", "18446744073709551615")), "victim" },
        { WITH_EXTENTS("200", EXTENT("0", "6", "0", "100") EXTENT("99", "8", "0", "100")), "overlap" },
        { WITH_EXTENTS("200", EXTENT("100", "6", "0", "100") EXTENT("0", "8", "0", "101")), "overlap" },
        { WITH_EXTENTS("18446744073709551615", EXTENT("0", "6", "0", "1")), "victim" },
        { WITH_EXTENTS("99999999999999999999999999", EXTENT("0", "6", "0", "1")), "length" },
        { WITH_EXTENTS("1", "<extent><startblock>6</startblock></extent>"), "bytecount" },
        { WITH_EXTENTS("1", "<extent><startblock>6</startblock><startblock>6</startblock></extent>"),
                "twice" },
        { WITH_XATTR("reelfs.lost", "<value>cake</value>"), "reelfs.lost" },
        { WITH_XATTR("reelfs.lost", "<value>5</value>"), "reelfs.lost" },
        { WITH_XATTR("reelfs.lost", "<value>0 0</value>"), "reelfs.lost" },
        { WITH_XATTR("reelfs.lost", "<value>0 1</value>"), "shorter than its extents" },
        { WITH_XATTR("reelfs.lost", "<value>18446744073709551615 2</value>"), "shorter than its extents" },
        { WITH_XATTR("reelfs.lost", "<value>18446744073709551616 2</value>"), "reelfs.lost" },
        { WITH_XATTR("reelfs.posix", "<value>mode=cake</value>"), "reelfs.posix" },
        { WITH_XATTR("reelfs.posix", "<value>mode=40755</value>"), "mode" },
        { WITH_XATTR("reelfs.posix", "<value>mode=120777</value>"), "mode" },
        { WITH_XATTR("reelfs.posix", "<value>mode=7777777</value>"), "reelfs.posix" },
        { WITH_XATTR("reelfs.posix", "<value>uid=4294967296</value>"), "reelfs.posix" },
        { WITH_XATTR("reelfs.posix", "<value>link=0</value>"), "reelfs.posix" },
        { WITH_XATTR("reelfs.posix", "<value>link=1</value>"), "twice" },
        { WITH_XATTR("x", "<value type=\"base64\">A===</value>"), "value" },
        { WITH_XATTR("x", "<value type=\"base64\">AA!=</value>"), "value" },
        { WITH_XATTR("x", "<value type=\"base64\">AAA</value>"), "value" },
        { WITH_XATTR("x", "<value/><value/>"), "twice" },
        { WITH_XATTR("x</key><key>y", ""), "twice" },
        { WITH_CONTENTS(FILE_WITH("a", "2", "0", "") FILE_WITH("a", "3", "0", "")), "twice" },
        { WITH_CONTENTS(FILE_WITH("a", "2", "0", "") FILE_WITH("b", "2", "0", "")), "twice" },
        { WITH_CONTENTS(FILE_WITH("a", "1", "0", "")), "twice" },
        { WITH_CONTENTS(FILE_WITH("a", "0", "0", "")), "file id" },
        { WITH_CONTENTS(FILE_WITH("a/b", "2", "0", "")), "a/b" },
        { WITH_CONTENTS(FILE_WITH("..", "2", "0", "")), ".." },
        { WITH_CONTENTS(FILE_WITH("", "2", "0", "")), "no name" },
        { WITH_CONTENTS("<file><name percentencoded=\"true\">a%00</name></file>"), "name" },
        { WITH_CONTENTS("<file><name percentencoded=\"true\">a%4</name></file>"), "name" },
        { WITH_CONTENTS("<file><name percentencoded=\"true\">%xy</name></file>"), "name" },
        { WITH_CONTENTS("<file><name>a</name></file>"), "not complete" },
        { WITH_CONTENTS("<file><name>a</name><name>b</name></file>"), "twice" },
        { WITH_CONTENTS(FILE_WITH("a", "2", "0", "<readonly>maybe</readonly>")), "readonly" },
        { WITH_CONTENTS(FILE_WITH("a", "2", "0", "<accesstime>yesterday</accesstime>")), "accesstime" },
        { WITH_CONTENTS(FILE_WITH("a", "2", "0", "<symlink/>")), "symbolic link" },
        { WITH_CONTENTS(FILE_WITH("a", "2", "1",
                  "<extentinfo>" EXTENT("0", "6", "0", "1") "</extentinfo><symlink>x</symlink>")),
                "symbolic link" },
};

static void test_hostile(void)
{
        for (unsigned i = 0; i < G_N_ELEMENTS(hostile); i++) {
                Tree *t;
                g_autofree char *why = NULL;
                int r = decode(hostile[i].text, strlen(hostile[i].text), 0, &t, NULL, &why);
                if (r != -EUCLEAN || !strstr(why, hostile[i].why))
                        g_error("%s: %d, %s", hostile[i].text, r, why);
                tree_free(t);
        }
}

static void test_limits(void)
{
        Tree *t;
        g_autofree char *why = NULL, *why_tag = NULL, *why_depth = NULL, *why_xattrs = NULL;
        g_autoptr(GString) text = g_string_new(ROOT "<contents><file><name>");
        for (int i = 0; i < 2000000; i++)
                g_string_append_c(text, 'n');
        g_assert_cmpint(decode(text->str, text->len, 65536, &t, NULL, &why), ==, -EUCLEAN);
        g_assert_nonnull(strstr(why, "too long"));
        tree_free(t);
        g_string_assign(text, ROOT "<contents><file x=\"");
        for (int i = 0; i < 20000000; i++)
                g_string_append_c(text, 'n');
        g_assert_cmpint(decode(text->str, text->len, 65536, &t, NULL, &why_tag), ==, -EUCLEAN);
        g_assert_nonnull(strstr(why_tag, "too long"));
        tree_free(t);
        /* Elements that are not known, to any depth. */
        g_string_assign(text, ROOT);
        for (int i = 0; i < 1000000; i++)
                g_string_append(text, "<x>");
        g_assert_cmpint(decode(text->str, text->len, 65536, &t, NULL, &why_depth), ==, -EUCLEAN);
        tree_free(t);
        /* Attributes that are nothing but many. */
        g_string_assign(text, ROOT "<contents><file><name>f</name><extendedattributes>");
        for (int i = 0; i < 100000; i++)
                g_string_append(text, "<xattr><key/></xattr>");
        g_assert_cmpint(decode(text->str, text->len, 65536, &t, NULL, &why_xattrs), ==, -EUCLEAN);
        g_assert_nonnull(strstr(why_xattrs, "more extended attributes"));
        tree_free(t);
}

/* The form that others write: all elements, unknown ones among them, white space, extents in any order. */
static void test_other_forms(void)
{
        static const char text[] = ROOT
                "\n <contents>\n  <unknown><name>x</name><deeper/></unknown>\n"
                "<file>\n<name> b&amp;c </name><openforwrite>false</openforwrite><length> 300 </length>" TIME
                "<creationtime>2020-01-01T00:00:00.000000001Z</creationtime><fileuid>4</"
                "fileuid><extentinfo>" EXTENT("200", "6", "5", "100") EXTENT("0", "8", "0",
                        "100") "</extentinfo></file>\n"
                               "<directory><name percentencoded=\"true\">%41%20b</name>" TIME
                               "<fileuid>5</fileuid></directory>"
                               "<directory><name>100%</name>" TIME "<fileuid>6</fileuid><contents>" FILE_WITH(
                                       "in", "12", "0", "") "</contents></directory>"
                                                            "<file><name>link</name><length>0</length>" TIME
                                                            "<fileuid>7</fileuid><symlink "
                                                            "percentencoded=\"true\">/a%3Ab</symlink></file>"
                                                            "</contents>" END;
        Tree *t;
        struct tree_attr a;
        g_autofree char *target = NULL, *why = NULL;
        g_autofree struct tree_extent *extents = NULL;
        size_t n;
        int r = decode(text, strlen(text), 0, &t, NULL, &why);
        g_assert_cmpstr(why, ==, "");
        g_assert_cmpint(r, ==, 0);
        g_assert_cmpint(tree_resolve(t, "/ b&c ", &a), ==, 0);
        g_assert_cmpuint(a.size, ==, 300);
        g_assert_cmpint(a.times.btime, ==, 1577836800000000001);
        g_assert_cmpint(a.times.atime, ==, a.times.mtime);
        g_assert_cmpint(tree_extents(t, a.ino, &extents, &n), ==, 0);
        g_assert_cmpuint(n, ==, 2);
        g_assert_cmpuint(extents[1].segment, ==, 2);
        g_assert_cmpuint(extents[1].offset, ==, 5);
        g_assert_cmpint(tree_resolve(t, "A b", &a), ==, 0);
        g_assert_cmpint(tree_resolve(t, "100%/in", &a), ==, 0);
        g_assert_cmpuint(tree_highest_fileuid(t), ==, 12);
        g_assert_cmpint(tree_resolve(t, "link", &a), ==, 0);
        g_assert_cmpint(tree_readlink(t, a.ino, &target), ==, 0);
        g_assert_cmpstr(target, ==, "/a:b");
        tree_free(t);
}

#define LINKED(name, uid, block)                                                                    \
        FILE_WITH(name, uid, "10",                                                                  \
                "<extendedattributes><xattr><key>reelfs.posix</key><value>link=4</value></xattr></" \
                "extendedattributes>"                                                               \
                "<extentinfo>" EXTENT("0", block, "0", "10") "</extentinfo>")

/* Names of a group that are not the same file any more, in any order. */
static void test_broken_links(void)
{
        static const char *const orders[] = {
                WITH_CONTENTS(LINKED("a", "4", "6") LINKED("b", "5", "7") LINKED("c", "6", "6")),
                WITH_CONTENTS(LINKED("b", "5", "7") LINKED("a", "4", "6") LINKED("c", "6", "7")),
        };
        for (unsigned i = 0; i < G_N_ELEMENTS(orders); i++) {
                Tree *t;
                struct tree_attr a, b, c;
                g_autofree char *why = NULL;
                int r = decode(orders[i], strlen(orders[i]), 0, &t, NULL, &why);
                g_assert_cmpstr(why, ==, "");
                g_assert_cmpint(r, ==, 0);
                g_assert_cmpint(tree_resolve(t, "a", &a), ==, 0);
                g_assert_cmpint(tree_resolve(t, "b", &b), ==, 0);
                g_assert_cmpint(tree_resolve(t, "c", &c), ==, 0);
                g_assert_cmpuint(a.ino, !=, b.ino);
                g_assert_cmpuint(c.ino, ==, i == 0 ? a.ino : b.ino);
                tree_free(t);
        }
}

#define LOST(name, uid, ranges)                                                            \
        FILE_WITH(name, uid, "30",                                                         \
                "<extendedattributes><xattr><key>reelfs.posix</key><value>link=4</value>"  \
                "</xattr><xattr><key>reelfs.lost</key><value>" ranges "</value></xattr></" \
                "extendedattributes>"                                                      \
                "<extentinfo>" EXTENT("20", "6", "0", "10") "</extentinfo>")

/* What a file has lost is no hole, and its names are those of one file all the same. */
static void test_lost(void)
{
        static const char text[] = WITH_CONTENTS(
                LOST("a", "4", "5 5\n10 3\n") LOST("b", "5", "10 3\n5 5") LOST("c", "6", "5 8"));
        Tree *t;
        struct tree_attr a, other;
        g_autofree struct tree_extent *extents = NULL;
        g_autofree char *why = NULL;
        size_t n;
        int r = decode(text, strlen(text), 0, &t, NULL, &why);
        g_assert_cmpstr(why, ==, "");
        g_assert_cmpint(r, ==, 0);
        g_assert_cmpint(tree_resolve(t, "a", &a), ==, 0);
        for (const char *name = "b"; name; name = *name == 'b' ? "c" : NULL) {
                g_assert_cmpint(tree_resolve(t, name, &other), ==, 0);
                g_assert_cmpuint(other.ino, ==, a.ino);
        }
        g_assert_cmpint(tree_extents(t, a.ino, &extents, &n), ==, 0);
        g_assert_cmpuint(n, ==, 2);
        g_assert_cmpuint(extents[0].segment, ==, VOLUME_GONE);
        g_assert_cmpuint(extents[0].file_offset, ==, 5);
        g_assert_cmpuint(extents[0].length, ==, 8);
        tree_free(t);
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/index-hostile/truncated", test_truncated);
        g_test_add_func("/index-hostile/mutated", test_mutated);
        g_test_add_func("/index-hostile/hostile", test_hostile);
        g_test_add_func("/index-hostile/limits", test_limits);
        g_test_add_func("/index-hostile/other-forms", test_other_forms);
        g_test_add_func("/index-hostile/broken-links", test_broken_links);
        g_test_add_func("/index-hostile/lost", test_lost);
        return g_test_run();
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Incremental indexes: what is written and read again, and documents of others. */
#include <linux/fs.h>

#include "index-helpers.h"

static uint64_t lookup(Tree *t, const char *path)
{
        struct tree_attr a;
        g_assert_cmpint(tree_resolve(t, path, &a), ==, 0);
        tree_unref(t, a.ino, 1);
        return a.ino;
}

/* Some of everything that can happen. */
static void change(Tree *t, struct segment_table *table)
{
        struct segment *s;
        struct tree_attr a;
        const struct tree_attr owner = { .uid = 5, .gid = 6 };
        segments_add(table, 9, SEGMENT_PACK, &s);
        segments_place(table, s, 121, 6);
        s->length = 3 * BLOCK;
        s->state = SEGMENT_SYNCED;
        uint64_t d = lookup(t, "d"), n = make_file(t, d, "new: \xff & <co>");
        put_extent(t, n, 10, 77, 9, BLOCK + 1);
        g_assert_cmpint(tree_rename(t, d, "e", TREE_ROOT, "moved", 0, 2), ==, 0);
        g_assert_cmpint(tree_unlink(t, d, "empty", 3), ==, 0);
        g_assert_cmpint(tree_unlink(t, TREE_ROOT, "l", 3), ==, 0);
        make_dir(t, TREE_ROOT, "l");
        g_assert_cmpint(tree_link(t, n, lookup(t, "l"), "more", 4, &a), ==, 0);
        tree_unref(t, n, 1);
        g_assert_cmpint(
                tree_setattr(t, lookup(t, "moved/f"), TREE_SET_UID | TREE_SET_GID, &owner, NULL), ==, 0);
}

static void assert_same(Tree *a, Tree *b)
{
        g_autofree char *x = dump_sorted(a), *y = dump_sorted(b);
        g_assert_cmpstr(x, ==, y);
}

/* The document of these changes, in one of two forms; tree: as it is then. */
static GString *encode_change(Tree **tree, bool compact)
{
        struct segment_table base, table;
        struct index_result result;
        tree_free(make_base(&base));
        *tree = make_base(&table);
        change(*tree, &table);
        GString *text = encode_scope(*tree, TREE_SINCE_LAST, &table, &base, compact, &result);
        g_assert_cmpuint(result.cut, ==, 0);
        segments_clear(&base);
        segments_clear(&table);
        return text;
}

static int apply(
        const char *text, size_t length, size_t piece, Tree **tree, struct index_head *head, char **why)
{
        struct segment_table table;
        *tree = make_base(&table);
        int r = decode_into(&table, *tree, text, length, piece, head, why);
        if (r == 0)
                g_assert_cmpuint(table.n_on_tape, ==, 5);
        segments_clear(&table);
        return r;
}

static void test_applied(void)
{
        for (int compact = 0; compact < 2; compact++) {
                Tree *tree, *back;
                struct index_head head;
                g_autoptr(GString) text = encode_change(&tree, compact);
                g_assert_cmpint(apply(text->str, text->len, 0, &back, &head, NULL), ==, 0);
                assert_same(tree, back);
                g_assert_true(head.incremental);
                g_assert_cmpuint(head.previous_block, ==, 4);
                g_assert_cmpuint(head.previous_incremental, ==, 18);
                tree_free(tree);
                tree_free(back);
        }
}

/* What it says of itself, from its beginning. */
static void test_head(void)
{
        Tree *tree;
        struct index_head probed = { 0 }, head = { 0 };
        char why[INDEX_WHY_MAX];
        g_autoptr(GString) text = encode_change(&tree, true);
        tree_free(tree);
        g_assert_true(index_probe(text->str, text->len, &probed));
        g_assert_true(probed.incremental);
        const char *entries = strstr(text->str, "<directory>");
        size_t least = (size_t)(entries - text->str) + strlen("<directory>");
        for (size_t n = 0; n < text->len; n += 7) {
                int r = index_read_head(text->str, n, &head, why);
                g_assert_cmpint(r, ==, n < least ? -EAGAIN : 0);
        }
        g_assert_true(head.incremental);
        g_assert_cmpuint(head.block, ==, 119);
        g_assert_cmpuint(head.previous_block, ==, 4);
        g_assert_cmpuint(head.previous_incremental, ==, 18);
        g_assert_cmpint(index_read_head("<x/>", 4, &head, why), ==, -EUCLEAN);
        g_assert_cmpstr(why, !=, "");
        static const char short_head[] =
                "<ltfsincrementalindex version=\"2.5.0\"><creator>x</creator><directory><name/></directory>";
        g_assert_cmpint(index_read_head(short_head, strlen(short_head), &head, why), ==, -EUCLEAN);
}

static void test_truncated(void)
{
        Tree *tree, *back;
        g_autoptr(GString) text = encode_change(&tree, true);
        tree_free(tree);
        for (size_t n = 0; n < text->len - 1; n++) {
                g_autofree char *why = NULL;
                g_assert_cmpint(apply(text->str, n, 4096, &back, NULL, &why), ==, -EUCLEAN);
                g_assert_cmpstr(why, !=, "");
                tree_free(back);
        }
}

/* Any byte changed to anything: an error or a tree, never a crash. */
static void test_mutated(void)
{
        Tree *tree, *back;
        g_autoptr(GString) text = encode_change(&tree, true);
        tree_free(tree);
        for (size_t i = 0; i < text->len; i++) {
                char was = text->str[i];
                struct segment_table table;
                text->str[i] = "<>&;\"0 9/\xff"[g_random_int_range(0, 10)];
                back = make_base(&table);
                int r = decode_into(&table, back, text->str, text->len, 4096, NULL, NULL);
                g_assert_true(r == 0 || r == -EUCLEAN);
                text->str[i] = was;
                segments_clear(&table);
                tree_free(back);
        }
}

#define TIME "<modifytime>2026-01-01T00:00:00.5Z</modifytime>"
#define HEAD                                                                                  \
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?><ltfsincrementalindex version=\"2.5.0\">"  \
        "<volumeuuid>01234567-89ab-4def-8123-456789abcdef</volumeuuid>"                       \
        "<generationnumber>8</generationnumber><updatetime>2026-01-01T00:00:00Z</updatetime>" \
        "<location><partition>a</partition><startblock>200</startblock></location>"           \
        "<previousgenerationlocation><partition>a</partition><startblock>119</startblock>"    \
        "</previousgenerationlocation><highestfileuid>90</highestfileuid>"
#define ROOT_WITH(table)                                                                        \
        HEAD "<directory><name>v</name>" TIME "<fileuid>1</fileuid><extendedattributes><xattr>" \
             "<key>reelfs.segments</key><value>" table "</value></xattr></extendedattributes>"
#define CONTENTS(text) \
        ROOT_WITH("20 index 8 200 0") "<contents>" text "</contents></directory></ltfsincrementalindex>"
#define DIRECTORY(name, uid, contents)                                                          \
        "<directory><name>" name "</name>" TIME "<fileuid>" uid "</fileuid><contents>" contents \
        "</contents></directory>"
#define PASSED(name, contents) "<directory><name>" name "</name><contents>" contents "</contents></directory>"
#define NEW_FILE(name, uid) \
        "<file><name>" name "</name><length>0</length>" TIME "<fileuid>" uid "</fileuid></file>"
#define DELETED(name) "<file><name>" name "</name><deleted/></file>"

/* In the base, d is 2, d/e 3, d/e/f 4, d/empty 5, l 6, d/g 7. */
static void test_hostile(void)
{
        static const struct {
                const char *text, *why;
        } inputs[] = {
                { CONTENTS(DIRECTORY("e", "3", DIRECTORY("d", "2", DIRECTORY("e", "3", "")))), "taken into" },
                { CONTENTS(PASSED("d", DIRECTORY("e", "3", DIRECTORY("x", "2", "")))), "taken into" },
                { CONTENTS(NEW_FILE("a", "50") NEW_FILE("b", "50") PASSED("b", "")), "no directory" },
                { CONTENTS(NEW_FILE("d", "2")), "taken into" },
                { CONTENTS(DIRECTORY("l", "6", "")), "taken into" },
                { CONTENTS(PASSED("nowhere", NEW_FILE("a", "50"))), "no directory that is there" },
                { CONTENTS(PASSED("l", NEW_FILE("a", "50"))), "no directory that is there" },
                { CONTENTS(PASSED("..", NEW_FILE("a", "50"))), "no directory that is there" },
                { CONTENTS(PASSED("d/e", NEW_FILE("a", "50"))), "no directory that is there" },
                { CONTENTS(NEW_FILE("x", "0")), "no file id" },
                { CONTENTS(DELETED("..")), "cannot be deleted" },
                { CONTENTS("<file><deleted/></file>"), "no name" },
                { CONTENTS("<directory><name>d</name><deleted/><contents/></directory>"), "has contents" },
                { CONTENTS("<directory><name>d</name><contents/><deleted/></directory>"),
                        "behind the contents" },
                { ROOT_WITH("2 file 8 200 0") "<contents/></directory></ltfsincrementalindex>", "overlap" },
                { ROOT_WITH("20 file 8 100 0") "<contents/></directory></ltfsincrementalindex>", "overlap" },
                { HEAD "<directory><name>v</name><contents/></directory></ltfsincrementalindex>",
                        "not complete" },
        };
        for (unsigned i = 0; i < G_N_ELEMENTS(inputs); i++) {
                struct segment_table table;
                g_autofree char *why = NULL;
                Tree *t = make_base(&table);
                int r = decode_into(&table, t, inputs[i].text, strlen(inputs[i].text), 0, NULL, &why);
                if (r != -EUCLEAN || !strstr(why, inputs[i].why))
                        g_error("input %u: %d, \"%s\" and not \"%s\"", i, r, why, inputs[i].why);
                tree_free(t);
                segments_clear(&table);
        }
}

/* Deleting what is not there is nothing; with a directory goes what is in it, but for what is named
 * elsewhere, before or after. */
static void test_deleted(void)
{
        static const char *const inputs[] = {
                CONTENTS(DELETED("d") DELETED("nothing") DIRECTORY("kept", "3", "")),
                CONTENTS(DIRECTORY("kept", "3", "") "<directory><name>d</name><deleted/></directory>"),
        };
        for (unsigned i = 0; i < G_N_ELEMENTS(inputs); i++) {
                struct segment_table table;
                struct tree_attr a;
                Tree *t = make_base(&table);
                g_autofree char *why = NULL;
                int r = decode_into(&table, t, inputs[i], strlen(inputs[i]), 0, NULL, &why);
                g_assert_cmpstr(why, ==, "");
                g_assert_cmpint(r, ==, 0);
                g_assert_cmpint(tree_resolve(t, "d", &a), ==, -ENOENT);
                g_assert_cmpint(tree_getattr(t, lookup(t, "kept/f"), &a), ==, 0);
                g_assert_cmpuint(a.nlink, ==, 1); /* d/g was the other one */
                tree_free(t);
                segments_clear(&table);
        }
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/index-incremental/applied", test_applied);
        g_test_add_func("/index-incremental/head", test_head);
        g_test_add_func("/index-incremental/truncated", test_truncated);
        g_test_add_func("/index-incremental/mutated", test_mutated);
        g_test_add_func("/index-incremental/hostile", test_hostile);
        g_test_add_func("/index-incremental/deleted", test_deleted);
        return g_test_run();
}

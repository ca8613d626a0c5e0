/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the log of changes notes, and what a walk over it tells: no less, and no more. */
#include <errno.h>
#include <glib.h>
#include <linux/fs.h>

#include <reelfs/tree.h>

#include "change-helpers.h"

static struct tree_log_size log_of(Tree *t)
{
        struct tree_log_size size;
        tree_get_log_size(t, &size);
        return size;
}

static void assert_walk(Tree *t, enum tree_scope scope, const char *expected)
{
        g_autoptr(GPtrArray) document = take_document(t, scope, NULL);
        g_autofree char *shown = show_document(document);
        g_assert_cmpstr(shown, ==, expected);
}

/* "/a/x", "/b/y", "/f", all in an index. */
static Tree *make_tree(void)
{
        Tree *t = tree_new();
        uint64_t a = add_dir(t, TREE_ROOT, "a"), b = add_dir(t, TREE_ROOT, "b");
        add_file(t, a, "x");
        add_file(t, b, "y");
        add_file(t, TREE_ROOT, "f");
        assert_walk(t, TREE_ALL, "+( +a( +x ) +b( +y ) +f ) ");
        g_assert_cmpuint(log_of(t).since_full, ==, 0);
        return t;
}

static void test_inodes(void)
{
        Tree *t = make_tree();
        uint64_t x = at(t, "/a/x"), f = at(t, "/f");
        const struct tree_extent extent = { 0, 10, 1, 0 };
        struct tree_attr attr = { .mode = 0600 };
        assert_walk(t, TREE_SINCE_LAST, "( ) ");
        g_assert_cmpint(tree_put_extent(t, x, &extent, 20), ==, 0);
        g_assert_cmpint(tree_put_extent(t, x, &extent, 20), ==, 0);
        g_assert_cmpuint(log_of(t).since_last, ==, 1);
        assert_walk(t, TREE_SINCE_LAST, "( a( +x ) ) ");
        assert_walk(t, TREE_SINCE_LAST, "( ) ");
        /* each kind of change by itself */
        g_assert_cmpint(tree_setattr(t, f, TREE_SET_MODE, &attr, NULL), ==, 0);
        assert_walk(t, TREE_SINCE_LAST, "( +f ) ");
        g_assert_cmpint(tree_setattr(t, f, 0, &attr, NULL), ==, 0);
        g_assert_cmpint(tree_xattr_remove(t, f, "user.none", 5), ==, -ENODATA);
        assert_walk(t, TREE_SINCE_LAST, "( ) ");
        g_assert_cmpint(tree_xattr_set(t, f, "user.x", "y", 1, 0, 0), ==, 0);
        assert_walk(t, TREE_SINCE_LAST, "( +f ) ");
        g_assert_cmpint(tree_xattr_remove(t, f, "user.x", 5), ==, 0);
        assert_walk(t, TREE_SINCE_LAST, "( +f ) ");
        g_assert_cmpint(tree_truncate(t, x, 100, 5), ==, 0);
        assert_walk(t, TREE_SINCE_LAST, "( a( +x ) ) ");
        g_assert_cmpint(tree_punch(t, x, 2, 3, 5), ==, 0);
        assert_walk(t, TREE_SINCE_LAST, "( a( +x ) ) ");
        g_assert_cmpint(tree_setattr(t, TREE_ROOT, TREE_SET_UID, &attr, NULL), ==, 0);
        assert_walk(t, TREE_SINCE_LAST, "+( ) ");
        /* all of them again, since the full one */
        assert_walk(t, TREE_SINCE_FULL, "+( a( +x ) +f ) ");
        assert_walk(t, TREE_SINCE_FULL, "+( a( +x ) +f ) ");
        assert_walk(t, TREE_ALL, "+( +a( +x ) +b( +y ) +f ) ");
        assert_walk(t, TREE_SINCE_FULL, "( ) ");
        tree_free(t);
}

static void relocate(void *ctx, struct tree_extent *e)
{
        e->segment = 2;
}

/* Where staged bytes get to is no change by itself, but something to write an index for. */
static void test_relocate(void)
{
        Tree *t = make_tree();
        uint64_t f = at(t, "/f");
        const struct tree_extent extent = { 0, 10, 1, 0 };
        g_assert_cmpint(tree_put_extent(t, f, &extent, 20), ==, 0);
        assert_walk(t, TREE_SINCE_LAST, "( +f ) ");
        uint64_t changes = tree_changes(t);
        g_assert_cmpint(tree_relocate(t, f, 1, relocate, NULL), ==, 0);
        g_assert_cmpuint(tree_changes(t), >, changes);
        assert_walk(t, TREE_SINCE_LAST, "( ) ");
        tree_free(t);
}

static void test_names(void)
{
        Tree *t = make_tree();
        uint64_t a = at(t, "/a"), b = at(t, "/b");
        add_file(t, b, "new");
        assert_walk(t, TREE_SINCE_LAST, "( +b( +new ) ) ");
        g_assert_cmpint(tree_unlink(t, b, "new", 5), ==, 0);
        assert_walk(t, TREE_SINCE_LAST, "( +b( -new ) ) ");
        /* one that no index has is not told of */
        add_file(t, b, "short");
        g_assert_cmpint(tree_rename(t, b, "short", b, "lived", 0, 5), ==, 0);
        g_assert_cmpint(tree_unlink(t, b, "lived", 5), ==, 0);
        assert_walk(t, TREE_SINCE_LAST, "( +b( ) ) ");
        /* nor is what the last one has, but no full one */
        assert_walk(t, TREE_SINCE_FULL, "( +b( ) ) ");
        g_assert_cmpint(tree_rename(t, a, "x", b, "z", 0, 5), ==, 0);
        assert_walk(t, TREE_SINCE_LAST, "( +a( -x ) +b( +z ) ) ");
        /* back again, by way of a third name */
        g_assert_cmpint(tree_rename(t, b, "z", b, "w", 0, 5), ==, 0);
        g_assert_cmpint(tree_rename(t, b, "w", b, "z", 0, 5), ==, 0);
        assert_walk(t, TREE_SINCE_LAST, "( +b( -w +z ) ) ");
        /* another file under the same name */
        g_assert_cmpint(tree_unlink(t, TREE_ROOT, "f", 5), ==, 0);
        add_file(t, TREE_ROOT, "f");
        assert_walk(t, TREE_SINCE_LAST, "+( +f ) ");
        add_file(t, TREE_ROOT, "g");
        g_assert_cmpint(tree_rename(t, TREE_ROOT, "g", TREE_ROOT, "f", 0, 5), ==, 0);
        assert_walk(t, TREE_SINCE_LAST, "+( +f ) ");
        tree_free(t);
}

/* A young file gets the name of an old one, and goes: the old one's name is in the index all the same. */
static void test_exchange(void)
{
        Tree *t = make_tree();
        add_file(t, TREE_ROOT, "g");
        g_assert_cmpint(tree_rename(t, TREE_ROOT, "f", TREE_ROOT, "g", RENAME_EXCHANGE, 5), ==, 0);
        g_assert_cmpint(tree_unlink(t, TREE_ROOT, "f", 5), ==, 0);
        assert_walk(t, TREE_SINCE_LAST, "+( -f +g ) ");
        tree_free(t);
}

static void test_directories(void)
{
        Tree *t = make_tree();
        uint64_t a = at(t, "/a"), b = at(t, "/b");
        /* moved with what is in it */
        g_assert_cmpint(tree_rename(t, TREE_ROOT, "a", b, "c", 0, 5), ==, 0);
        assert_walk(t, TREE_SINCE_LAST, "+( -a +b( +c( ) ) ) ");
        /* moved, and changed inside */
        g_assert_cmpint(tree_rename(t, b, "c", TREE_ROOT, "d", 0, 5), ==, 0);
        g_assert_cmpint(tree_truncate(t, at(t, "/d/x"), 1, 5), ==, 0);
        assert_walk(t, TREE_SINCE_LAST, "+( +b( -c ) +d( +x ) ) ");
        /* removed: nothing of what was in it */
        g_assert_cmpint(tree_unlink(t, a, "x", 5), ==, 0);
        g_assert_cmpint(tree_rmdir(t, TREE_ROOT, "d", 5), ==, 0);
        assert_walk(t, TREE_SINCE_LAST, "+( -d ) ");
        /* and made again */
        g_assert_cmpint(tree_unlink(t, b, "y", 5), ==, 0);
        g_assert_cmpint(tree_rmdir(t, TREE_ROOT, "b", 5), ==, 0);
        add_file(t, add_dir(t, TREE_ROOT, "b"), "y");
        assert_walk(t, TREE_SINCE_LAST, "+( +b( +y ) ) ");
        /* no full index has d, which is an old directory by a new name, but that is known of new ones only */
        assert_walk(t, TREE_SINCE_FULL, "+( -a -d +b( +y ) ) ");
        tree_free(t);
}

static void test_links(void)
{
        Tree *t = make_tree();
        struct tree_attr attr;
        uint64_t a = at(t, "/a"), b = at(t, "/b"), x = at(t, "/a/x");
        g_assert_cmpint(tree_link(t, x, b, "l", 5, &attr), ==, 0);
        tree_unref(t, x, 1);
        assert_walk(t, TREE_SINCE_LAST, "( a( +x ) +b( +l ) ) ");
        g_assert_cmpint(tree_truncate(t, x, 7, 5), ==, 0);
        assert_walk(t, TREE_SINCE_LAST, "( a( +x ) b( +l ) ) ");
        g_assert_cmpint(tree_rename(t, b, "l", b, "m", 0, 5), ==, 0);
        assert_walk(t, TREE_SINCE_LAST, "( a( +x ) +b( -l +m ) ) ");
        g_assert_cmpint(tree_unlink(t, a, "x", 5), ==, 0);
        assert_walk(t, TREE_SINCE_LAST, "( +a( -x ) b( +m ) ) ");
        tree_free(t);
}

static int enter_again(void *ctx, const struct tree_entry *e, bool changed)
{
        ++*(unsigned *)ctx;
        return S_ISREG(e->attr.mode) && changed ? TREE_NOTE_AGAIN : 0;
}

static void test_again(void)
{
        static const struct tree_change_visitor again = { .enter = enter_again };
        static const enum tree_scope scopes[] = { TREE_SINCE_LAST, TREE_SINCE_FULL, TREE_ALL };
        for (size_t i = 0; i < G_N_ELEMENTS(scopes); i++) {
                Tree *t = make_tree();
                unsigned calls = 0;
                g_assert_cmpint(tree_truncate(t, at(t, "/f"), 7, 5), ==, 0);
                g_assert_cmpint(tree_commit_walk(t, scopes[i], &again, &calls), ==, 0);
                g_assert_cmpuint(calls, ==, scopes[i] == TREE_ALL ? 6 : 2);
                const char *known = scopes[i] == TREE_ALL ? "( a( +x ) b( +y ) +f ) " : "( +f ) ";
                assert_walk(t, TREE_SINCE_LAST, known);
                assert_walk(t, TREE_SINCE_LAST, "( ) ");
                assert_walk(t, TREE_SINCE_FULL, known);
                tree_free(t);
        }
}

static int enter_fails(void *ctx, const struct tree_entry *e, bool changed)
{
        return e->name[0] == 'f' ? -EIO : TREE_NOTE_AGAIN;
}

/* An index that was not written is none. */
static void test_error(void)
{
        static const struct tree_change_visitor fails = { .enter = enter_fails };
        Tree *t = make_tree();
        g_assert_cmpint(tree_unlink(t, at(t, "/b"), "y", 5), ==, 0);
        g_assert_cmpint(tree_truncate(t, at(t, "/f"), 7, 5), ==, 0);
        g_assert_cmpint(tree_commit_walk(t, TREE_SINCE_LAST, &fails, NULL), ==, -EIO);
        g_assert_cmpint(tree_commit_walk(t, TREE_SINCE_FULL, &fails, NULL), ==, -EIO);
        g_assert_cmpint(tree_commit_walk(t, TREE_ALL, &fails, NULL), ==, -EIO);
        assert_walk(t, TREE_SINCE_LAST, "( +b( -y ) +f ) ");
        tree_free(t);
}

static void test_overflow(void)
{
        Tree *t = make_tree();
        size_t before = counts_of(t).memory;
        for (unsigned i = 0; i < 16384 - 1; i++) {
                g_autofree char *name = g_strdup_printf("%u", i);
                add_file(t, TREE_ROOT, name);
        }
        g_assert_cmpuint(log_of(t).since_last, ==, 16384); /* with the root */
        g_assert_false(log_of(t).overflowed);
        add_file(t, TREE_ROOT, "more");
        g_assert_true(log_of(t).overflowed);
        g_assert_cmpuint(log_of(t).since_full, ==, 0);
        g_assert_cmpint(tree_commit_walk(t, TREE_SINCE_LAST, &recording, NULL), ==, -EOVERFLOW);
        g_assert_cmpint(tree_commit_walk(t, TREE_SINCE_FULL, &recording, NULL), ==, -EOVERFLOW);
        g_assert_cmpint(tree_unlink(t, TREE_ROOT, "f", 5), ==, 0);
        g_autoptr(GPtrArray) all = take_document(t, TREE_ALL, NULL);
        g_assert_cmpuint(all->len, ==, 16384 + 5 + 3);
        g_assert_false(log_of(t).overflowed);
        add_file(t, at(t, "/a"), "z");
        assert_walk(t, TREE_SINCE_FULL, "( +a( +z ) ) ");
        g_assert_cmpuint(counts_of(t).memory, >, before);
        tree_free(t);
}

/* What comes and goes, and goes to and fro, does not fill the log. */
static void test_churn(void)
{
        Tree *t = make_tree();
        for (unsigned i = 0; i < 60000; i++) {
                add_file(t, TREE_ROOT, "temporary");
                g_assert_cmpint(tree_unlink(t, TREE_ROOT, "temporary", 5), ==, 0);
                bool back = i % 2;
                g_assert_cmpint(
                        tree_rename(t, TREE_ROOT, back ? "e" : "f", TREE_ROOT, back ? "f" : "e", 0, 5), ==,
                        0);
        }
        g_assert_false(log_of(t).overflowed);
        assert_walk(t, TREE_SINCE_LAST, "+( -e +f ) ");
        tree_free(t);
}

/* The log's memory is counted, and given back. */
static void test_memory(void)
{
        Tree *t = make_tree();
        size_t before = counts_of(t).memory;
        g_assert_cmpint(tree_truncate(t, at(t, "/f"), 7, 5), ==, 0);
        g_assert_cmpuint(counts_of(t).memory, >, before);
        assert_walk(t, TREE_ALL, "+( +a( +x ) +b( +y ) +f ) ");
        g_assert_cmpuint(counts_of(t).memory, ==, before);
        tree_free(t);
}

static int count_enter(void *ctx, const struct tree_entry *e, bool changed)
{
        ++*(unsigned *)ctx;
        return 0;
}

/* No recursion, and no time in the square of the depth. */
static void test_deep(void)
{
        static const struct tree_change_visitor counter = { .enter = count_enter };
        Tree *t = tree_new();
        uint64_t dir = TREE_ROOT;
        unsigned n = 0;
        for (unsigned i = 0; i < 15000; i++)
                dir = add_dir(t, dir, "d");
        g_assert_cmpint(tree_commit_walk(t, TREE_SINCE_LAST, &counter, &n), ==, 0);
        g_assert_cmpuint(n, ==, 15001);
        add_file(t, dir, "f");
        n = 0;
        g_assert_cmpint(tree_commit_walk(t, TREE_SINCE_LAST, &counter, &n), ==, 0);
        g_assert_cmpuint(n, ==, 15002);
        tree_free(t);
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/tree/changes/inodes", test_inodes);
        g_test_add_func("/tree/changes/relocate", test_relocate);
        g_test_add_func("/tree/changes/names", test_names);
        g_test_add_func("/tree/changes/exchange", test_exchange);
        g_test_add_func("/tree/changes/directories", test_directories);
        g_test_add_func("/tree/changes/links", test_links);
        g_test_add_func("/tree/changes/again", test_again);
        g_test_add_func("/tree/changes/error", test_error);
        g_test_add_func("/tree/changes/overflow", test_overflow);
        g_test_add_func("/tree/changes/churn", test_churn);
        g_test_add_func("/tree/changes/memory", test_memory);
        g_test_add_func("/tree/changes/deep", test_deep);
        return g_test_run();
}

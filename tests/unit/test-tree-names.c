/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Renaming, and reading directories. */
#include <errno.h>
#include <glib.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/stat.h>

#include <reelfs/tree.h>

#include "tree-helpers.h"

static int count_fileuid(void *ctx, const struct tree_entry *e)
{
        uint64_t *pair = ctx; /* ino, out: sum of its names' fileuids */
        if (e->ino == pair[0])
                pair[1] += e->fileuid;
        return 0;
}

static uint64_t fileuids_of(Tree *t, uint64_t ino)
{
        uint64_t pair[2] = { ino, 0 };
        struct tree_visitor v = { .enter = count_fileuid };
        g_assert_cmpint(tree_walk(t, &v, pair), ==, 0);
        return pair[1];
}

static int rename_by(Tree *t, const char *from, const char *to, unsigned flags)
{
        g_autofree char *from_dir = g_path_get_dirname(from), *to_dir = g_path_get_dirname(to);
        g_autofree char *name = g_path_get_basename(from), *new_name = g_path_get_basename(to);
        return tree_rename(t, at(t, from_dir), name, at(t, to_dir), new_name, flags, 50);
}

static void test_rename_file(void)
{
        Tree *t = tree_new();
        uint64_t a = add_dir(t, TREE_ROOT, "a"), b = add_dir(t, TREE_ROOT, "b"), f = add_file(t, a, "f");
        g_assert_cmpint(rename_by(t, "/a/f", "/b/g", 0), ==, 0);
        g_assert_cmpuint(at(t, "/b/g"), ==, f);
        g_assert_cmpuint(at(t, "/a/f"), ==, 0);
        g_assert_cmpuint(fileuids_of(t, f), ==, f);
        g_assert_cmpint(attr_of(t, a).times.mtime, ==, 50);
        g_assert_cmpint(attr_of(t, a).times.ctime, ==, 50);
        g_assert_cmpint(attr_of(t, b).times.mtime, ==, 50);
        g_assert_cmpint(attr_of(t, f).times.ctime, ==, 50);
        g_assert_cmpint(attr_of(t, f).times.mtime, ==, 10);

        /* over another file, which lives on while it is open */
        uint64_t old = add_file(t, a, "old");
        tree_ref(t, old);
        g_assert_cmpint(rename_by(t, "/b/g", "/a/old", RENAME_NOREPLACE), ==, -EEXIST);
        g_assert_cmpint(rename_by(t, "/b/g", "/a/old", 0), ==, 0);
        g_assert_cmpuint(at(t, "/a/old"), ==, f);
        g_assert_cmpuint(attr_of(t, old).nlink, ==, 0);
        g_assert_cmpint(attr_of(t, old).times.ctime, ==, 50);
        tree_unref(t, old, 1);
        struct tree_attr attr;
        g_assert_cmpint(tree_getattr(t, old, &attr), ==, -ESTALE);

        /* two names of one file: both stay */
        g_assert_cmpint(tree_link(t, f, b, "h", 1, &attr), ==, 0);
        uint64_t changes = tree_changes(t);
        g_assert_cmpint(rename_by(t, "/a/old", "/b/h", 0), ==, 0);
        g_assert_cmpint(rename_by(t, "/a/old", "/a/old", 0), ==, 0);
        g_assert_cmpint(rename_by(t, "/a/old", "/b/h", RENAME_EXCHANGE), ==, 0);
        g_assert_cmpuint(tree_changes(t), ==, changes);
        g_assert_cmpuint(attr_of(t, f).nlink, ==, 2);

        /* one of several names over another file: the further name's fileuid is free again */
        uint64_t last = add_file(t, TREE_ROOT, "last");
        g_assert_cmpint(rename_by(t, "/last", "/b/h", 0), ==, 0);
        g_assert_cmpuint(at(t, "/b/h"), ==, last);
        g_assert_cmpuint(attr_of(t, f).nlink, ==, 1);
        g_assert_cmpuint(fileuids_of(t, f), ==, f);
        g_assert_cmpint(rename_by(t, "/none", "/x", 0), ==, -ENOENT);
        g_assert_cmpint(rename_by(t, "/a", "/x", RENAME_NOREPLACE | RENAME_EXCHANGE), ==, -EINVAL);
        g_assert_cmpint(rename_by(t, "/a", "/x", RENAME_WHITEOUT), ==, -EINVAL);
        g_assert_cmpint(rename_by(t, "/a", "/x", RENAME_NOREPLACE), ==, 0);
        g_assert_cmpuint(at(t, "/x/old"), ==, f);
        tree_free(t);
}

static void test_rename_directory(void)
{
        Tree *t = tree_new();
        uint64_t a = add_dir(t, TREE_ROOT, "a"), b = add_dir(t, TREE_ROOT, "b"), sub = add_dir(t, a, "sub"),
                 parent;
        add_file(t, sub, "f");
        add_file(t, TREE_ROOT, "file");
        g_assert_cmpint(rename_by(t, "/a", "/a/x", 0), ==, -EINVAL);
        g_assert_cmpint(rename_by(t, "/a", "/a/sub/x", 0), ==, -EINVAL);
        g_assert_cmpint(rename_by(t, "/a", "/file", 0), ==, -ENOTDIR);
        g_assert_cmpint(rename_by(t, "/file", "/a", 0), ==, -EISDIR);
        g_assert_cmpint(rename_by(t, "/b", "/a", 0), ==, -ENOTEMPTY);
        g_assert_cmpint(rename_by(t, "/a/sub", "/a", 0), ==, -ENOTEMPTY);
        g_assert_cmpint(rename_by(t, "/a/sub/f", "/a", 0), ==, -EISDIR);
        g_assert_cmpuint(attr_of(t, TREE_ROOT).nlink, ==, 4);
        g_assert_cmpuint(attr_of(t, a).nlink, ==, 3);

        g_assert_cmpint(rename_by(t, "/a/sub", "/b/moved", 0), ==, 0);
        g_assert_cmpuint(attr_of(t, a).nlink, ==, 2);
        g_assert_cmpuint(attr_of(t, b).nlink, ==, 3);
        g_assert_cmpuint(attr_of(t, sub).nlink, ==, 2);
        g_assert_cmpint(tree_parent(t, sub, &parent), ==, 0);
        g_assert_cmpuint(parent, ==, b);
        g_assert_cmpuint(at(t, "/b/moved/f"), !=, 0);

        g_assert_cmpint(rename_by(t, "/b", "/a", 0), ==, 0); /* over an empty one */
        g_assert_cmpuint(at(t, "/a"), ==, b);
        g_assert_cmpuint(attr_of(t, TREE_ROOT).nlink, ==, 3);
        g_assert_cmpuint(attr_of(t, b).nlink, ==, 3);
        struct tree_attr attr;
        g_assert_cmpint(tree_getattr(t, a, &attr), ==, -ESTALE);
        tree_free(t);
}

static void test_exchange(void)
{
        Tree *t = tree_new();
        uint64_t a = add_dir(t, TREE_ROOT, "a"), b = add_dir(t, TREE_ROOT, "b"), f = add_file(t, a, "f");
        uint64_t d = add_dir(t, b, "d"), e = add_dir(t, d, "e");
        g_assert_cmpint(rename_by(t, "/a/f", "/b/none", RENAME_EXCHANGE), ==, -ENOENT);
        g_assert_cmpint(rename_by(t, "/b", "/b/d/e", RENAME_EXCHANGE), ==, -EINVAL);
        g_assert_cmpint(rename_by(t, "/b/d/e", "/b", RENAME_EXCHANGE), ==, -EINVAL);

        g_assert_cmpint(rename_by(t, "/a/f", "/b/d", RENAME_EXCHANGE), ==, 0);
        g_assert_cmpuint(at(t, "/a/f"), ==, d);
        g_assert_cmpuint(at(t, "/b/d"), ==, f);
        g_assert_cmpuint(at(t, "/a/f/e"), ==, e);
        g_assert_cmpuint(attr_of(t, a).nlink, ==, 3);
        g_assert_cmpuint(attr_of(t, b).nlink, ==, 2);
        g_assert_cmpuint(fileuids_of(t, f), ==, f);
        g_assert_cmpuint(fileuids_of(t, d), ==, d);
        g_assert_cmpint(attr_of(t, f).times.ctime, ==, 50);
        g_assert_cmpint(attr_of(t, d).times.ctime, ==, 50);
        g_autofree char *path = tree_path(t, e);
        g_assert_cmpstr(path, ==, "/a/f/e");

        g_assert_cmpint(rename_by(t, "/a", "/b", RENAME_EXCHANGE), ==, 0);
        g_assert_cmpuint(at(t, "/b"), ==, a);
        g_assert_cmpuint(attr_of(t, TREE_ROOT).nlink, ==, 4);

        /* with further names: each name takes its fileuid along */
        struct tree_attr attr;
        uint64_t x = add_file(t, TREE_ROOT, "x");
        g_assert_cmpint(tree_link(t, x, TREE_ROOT, "x2", 1, &attr), ==, 0);
        uint64_t y = add_file(t, TREE_ROOT, "y");
        g_assert_cmpint(rename_by(t, "/x2", "/y", RENAME_EXCHANGE), ==, 0);
        g_assert_cmpuint(at(t, "/x2"), ==, y);
        g_assert_cmpuint(at(t, "/y"), ==, x);
        g_assert_cmpuint(fileuids_of(t, x), ==, x + x + 1);
        g_assert_cmpuint(fileuids_of(t, y), ==, y);
        g_assert_cmpint(tree_unlink(t, TREE_ROOT, "y", 1), ==, 0);
        g_assert_cmpuint(attr_of(t, x).nlink, ==, 1);
        tree_free(t);
}

/* ---- Reading directories */
struct listing {
        Tree *tree;
        GString *names;
        unsigned room;
        uint64_t next;
};

static bool list_entry(void *ctx, const char *name, const struct tree_attr *attr, uint64_t next)
{
        struct listing *l = ctx;
        g_assert_cmpuint(next, !=, 0);
        if (l->room-- == 0)
                return false;
        g_string_append_printf(l->names, "%s ", name);
        l->next = next;
        return true;
}

static void assert_list(Tree *t, uint64_t dir, uint64_t *cookie, unsigned room, const char *expected)
{
        struct listing l = { t, g_string_new(NULL), room, *cookie };
        g_assert_cmpint(tree_readdir(t, dir, *cookie, true, list_entry, &l), ==, 0);
        g_assert_cmpstr(l.names->str, ==, expected);
        *cookie = l.next;
        g_string_free(l.names, TRUE);
}

static void test_readdir(void)
{
        Tree *t = tree_new();
        uint64_t d = add_dir(t, TREE_ROOT, "d"), a = add_file(t, d, "a"), cookie = 0, start = 0;
        uint64_t b = add_file(t, d, "b");
        add_file(t, d, "c");
        add_file(t, d, "e");
        assert_list(t, d, &cookie, 2, "a b ");
        g_assert_cmpint(tree_unlink(t, d, "a", 1), ==, 0); /* before the cookie */
        g_assert_cmpint(tree_unlink(t, d, "b", 1), ==, 0);
        g_assert_cmpint(tree_unlink(t, d, "c", 1), ==, 0); /* behind it; and compaction */
        add_file(t, d, "f");
        assert_list(t, d, &cookie, 100, "e f ");
        assert_list(t, d, &cookie, 100, "");
        assert_list(t, d, &start, 0, "");
        g_assert_cmpuint(start, ==, 0);
        assert_list(t, d, &start, 100, "e f ");
        /* What comes later is behind the end of what is there. */
        g_assert_cmpuint(tree_readdir_end(t, d), ==, start);
        uint64_t g = add_file(t, d, "g");
        assert_list(t, d, &start, 100, "g ");
        g_assert_cmpuint(tree_readdir_end(t, d), ==, start);
        g_assert_cmpuint(tree_readdir_end(t, a), ==, 0);
        g_assert_cmpint(tree_unlink(t, d, "g", 1), ==, 0);
        tree_unref(t, g, 1);
        /* taken entries had a reference, the one refused had not */
        g_assert_cmpuint(attr_of(t, a).nlink, ==, 0);
        tree_unref(t, a, 1);
        tree_unref(t, b, 1);
        g_assert_cmpuint(counts_of(t).inodes, ==, 4);
        tree_free(t);
}

struct page {
        GHashTable *seen;
        unsigned room;
        uint64_t next;
};

static bool take_page(void *ctx, const char *name, const struct tree_attr *attr, uint64_t next)
{
        struct page *p = ctx;
        if (p->room-- == 0)
                return false;
        g_assert_true(g_hash_table_add(p->seen, g_strdup(name))); /* never twice */
        p->next = next;
        return true;
}

/* Whatever comes and goes between two calls, what is there all the time is listed once. */
static void test_readdir_changing(void)
{
        Tree *t = tree_new();
        g_autoptr(GRand) rand = g_rand_new_with_seed(7);
        for (unsigned i = 0; i < 2000; i++) {
                g_autofree char *name = g_strdup_printf("%s%u", i % 4 == 0 ? "stays" : "goes", i);
                add_file(t, TREE_ROOT, name);
        }
        g_autoptr(GHashTable) seen = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
        struct page p = { .seen = seen };
        unsigned fresh = 0;
        do {
                p.room = 10;
                g_assert_cmpint(tree_readdir(t, TREE_ROOT, p.next, false, take_page, &p), ==, 0);
                for (int i = 0; i < 40; i++) {
                        g_autofree char *name = g_strdup_printf("goes%d", g_rand_int_range(rand, 0, 2000));
                        tree_unlink(t, TREE_ROOT, name, 1);
                }
                if (fresh < 50) {
                        g_autofree char *name = g_strdup_printf("fresh%u", fresh++);
                        add_file(t, TREE_ROOT, name);
                }
        } while (p.room == UINT_MAX);
        for (unsigned i = 0; i < 2000; i += 4) {
                g_autofree char *name = g_strdup_printf("stays%u", i);
                g_assert_true(g_hash_table_contains(seen, name));
        }
        tree_free(t);
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/tree/rename/file", test_rename_file);
        g_test_add_func("/tree/rename/directory", test_rename_directory);
        g_test_add_func("/tree/rename/exchange", test_exchange);
        g_test_add_func("/tree/readdir/resume", test_readdir);
        g_test_add_func("/tree/readdir/changing", test_readdir_changing);
        return g_test_run();
}

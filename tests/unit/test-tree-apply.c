/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Incremental indexes on a tree: those that a walk makes, in the cases that are hard, and those that nobody
 * sane makes. */
#include <errno.h>
#include <glib.h>
#include <linux/fs.h>

#include <reelfs/tree.h>

#include "change-helpers.h"

/* Two trees, b being what the indexes of a say. */
struct pair {
        Tree *a, *b;
};

static void sync_pair(struct pair *p)
{
        g_autoptr(GPtrArray) document = take_document(p->a, TREE_SINCE_LAST, NULL);
        apply_document(p->b, document, false);
        g_autofree char *a = describe_tree(p->a), *b = describe_tree(p->b);
        g_assert_cmpstr(b, ==, a);
}

/* "/a/b/x", "/c/y", "/f", "/g". */
static struct pair pair_new(void)
{
        struct pair p = { tree_new(), tree_new() };
        uint64_t a = add_dir(p.a, TREE_ROOT, "a"), b = add_dir(p.a, a, "b"), c = add_dir(p.a, TREE_ROOT, "c");
        add_file(p.a, b, "x");
        add_file(p.a, c, "y");
        add_file(p.a, TREE_ROOT, "f");
        add_file(p.a, TREE_ROOT, "g");
        g_autoptr(GPtrArray) document = take_document(p.a, TREE_ALL, NULL);
        apply_document(p.b, document, true);
        return p;
}

static void pair_free(struct pair *p)
{
        tree_free(p->a);
        tree_free(p->b);
}

static void move(Tree *t, const char *from, const char *name, const char *to, const char *new_name)
{
        g_assert_cmpint(tree_rename(t, at(t, from), name, at(t, to), new_name, 0, 20), ==, 0);
}

static void test_swap(void)
{
        struct pair p = pair_new();
        uint64_t f = at(p.a, "/f"), g = at(p.a, "/g"), a = at(p.a, "/a");
        move(p.a, "/", "f", "/", "t");
        move(p.a, "/", "g", "/", "f");
        move(p.a, "/", "t", "/", "g");
        sync_pair(&p);
        g_assert_cmpuint(at(p.b, "/f"), ==, g);
        g_assert_cmpuint(at(p.b, "/g"), ==, f);
        g_assert_cmpint(tree_rename(p.a, TREE_ROOT, "a", TREE_ROOT, "f", RENAME_EXCHANGE, 20), ==, 0);
        sync_pair(&p);
        g_assert_cmpuint(at(p.b, "/f"), ==, a);
        g_assert_cmpuint(at(p.b, "/a"), ==, g);
        pair_free(&p);
}

/* What was above comes below. */
static void test_inside_out(void)
{
        struct pair p = pair_new();
        uint64_t a = at(p.a, "/a"), x = at(p.a, "/a/b/x");
        move(p.a, "/a", "b", "/", "b");
        move(p.a, "/", "a", "/b", "a");
        sync_pair(&p);
        g_assert_cmpuint(at(p.b, "/b/a"), ==, a);
        g_assert_cmpuint(at(p.b, "/b/x"), ==, x);
        /* and with the names exchanged on the way */
        move(p.a, "/b", "a", "/", "t");
        move(p.a, "/", "b", "/t", "a");
        move(p.a, "/", "t", "/", "b");
        sync_pair(&p);
        g_assert_cmpuint(at(p.b, "/b"), ==, a);
        g_assert_cmpuint(at(p.b, "/b/a/x"), ==, x);
        pair_free(&p);
}

/* A directory in the place of another, of which something is kept. */
static void test_replaced(void)
{
        struct pair p = pair_new();
        uint64_t x = at(p.a, "/a/b/x"), inodes = counts_of(p.a).inodes;
        move(p.a, "/a/b", "x", "/", "saved");
        g_assert_cmpint(tree_rmdir(p.a, at(p.a, "/a"), "b", 20), ==, 0);
        move(p.a, "/", "c", "/", "d");
        move(p.a, "/", "d", "/", "a");
        sync_pair(&p);
        g_assert_cmpuint(at(p.b, "/saved"), ==, x);
        g_assert_cmpuint(counts_of(p.b).inodes, ==, inodes - 2);
        pair_free(&p);
}

static void test_links(void)
{
        struct pair p = pair_new();
        struct tree_attr attr;
        uint64_t f = at(p.a, "/f");
        g_assert_cmpint(tree_link(p.a, f, at(p.a, "/c"), "l", 20, &attr), ==, 0);
        g_assert_cmpint(tree_xattr_set(p.a, f, "user.x", "y", 1, 0, 20), ==, 0);
        sync_pair(&p);
        g_assert_cmpuint(attr_of(p.b, f).nlink, ==, 2);
        /* one of the names goes, and the other takes its place */
        g_assert_cmpint(tree_unlink(p.a, TREE_ROOT, "f", 20), ==, 0);
        move(p.a, "/c", "l", "/", "f");
        sync_pair(&p);
        g_assert_cmpuint(at(p.b, "/f"), ==, f);
        /* the last name of those that the index before had goes; the inode stays by a new one */
        g_assert_cmpint(tree_link(p.a, f, at(p.a, "/a/b"), "m", 20, &attr), ==, 0);
        g_assert_cmpint(tree_unlink(p.a, TREE_ROOT, "f", 20), ==, 0);
        tree_unref(p.a, f, 2);
        sync_pair(&p);
        g_assert_cmpuint(attr_of(p.b, f).nlink, ==, 1);
        g_assert_cmpint(tree_unlink(p.a, at(p.a, "/a/b"), "m", 20), ==, 0);
        sync_pair(&p);
        struct tree_attr gone;
        g_assert_cmpint(tree_getattr(p.b, f, &gone), ==, -ESTALE);
        pair_free(&p);
}

/* What tree_apply does is since the full index, and not since the last one. */
static void test_log(void)
{
        struct pair p = pair_new();
        struct tree_log_size size;
        g_assert_cmpint(tree_truncate(p.a, at(p.a, "/f"), 9, 20), ==, 0);
        g_assert_cmpint(tree_unlink(p.a, TREE_ROOT, "g", 0), ==, 0);
        add_file(p.a, at(p.a, "/c"), "new");
        sync_pair(&p);
        tree_get_log_size(p.b, &size);
        g_assert_cmpuint(size.since_last, ==, 0);
        g_assert_cmpuint(size.since_full, ==, 5); /* f, c, new, the root, and that g is gone */
        g_autoptr(GPtrArray) last = take_document(p.b, TREE_SINCE_LAST, NULL);
        g_autoptr(GPtrArray) full = take_document(p.b, TREE_SINCE_FULL, NULL);
        g_autofree char *shown = show_document(last), *shown_full = show_document(full);
        g_assert_cmpstr(shown, ==, "( ) ");
        g_assert_cmpstr(shown_full, ==, "+( -g +c( +new ) +f ) ");
        /* a name that the index on it brought, and that goes: no full index has it */
        g_assert_cmpint(tree_unlink(p.b, at(p.b, "/c"), "new", 30), ==, 0);
        g_autoptr(GPtrArray) gone = take_document(p.b, TREE_SINCE_LAST, NULL);
        g_autoptr(GPtrArray) gone_full = take_document(p.b, TREE_SINCE_FULL, NULL);
        g_autofree char *shown_gone = show_document(gone), *shown_gone_full = show_document(gone_full);
        g_assert_cmpstr(shown_gone, ==, "( +c( -new ) ) ");
        g_assert_cmpstr(shown_gone_full, ==, "+( -g +c( ) +f ) ");
        pair_free(&p);
}

static uint64_t by_segment(void *ctx, const struct tree_extent *first)
{
        return first->segment;
}

static int note_name(void *ctx, const struct tree_entry *entry)
{
        g_string_append_printf(ctx, "%s ", entry->name);
        return 0;
}

/* The order of the tape comes after, also where names went. */
static void test_order(void)
{
        static const struct tree_visitor names = { .enter = note_name };
        struct pair p = pair_new();
        g_autoptr(GString) order = g_string_new(NULL);
        static const struct tree_extent late = { 0, 5, 9, 0 }, early = { 0, 5, 2, 0 };
        g_assert_cmpint(tree_put_extent(p.a, at(p.a, "/f"), &late, 20), ==, 0);
        g_assert_cmpint(tree_put_extent(p.a, at(p.a, "/g"), &early, 20), ==, 0);
        g_assert_cmpint(tree_unlink(p.a, at(p.a, "/c"), "y", 20), ==, 0);
        g_assert_cmpint(tree_rmdir(p.a, TREE_ROOT, "c", 20), ==, 0);
        sync_pair(&p);
        tree_sort(p.b, by_segment, NULL);
        g_assert_cmpint(tree_walk(p.b, &names, order), ==, 0);
        g_assert_cmpstr(order->str, ==, " a b x g f ");
        pair_free(&p);
}

/* ---- From a tape that somebody else wrote */

static int put(Tree *t, uint64_t parent, const char *name, uint64_t fileuid, uint64_t id, uint32_t mode)
{
        struct tree_entry e = {
                .fileuid = fileuid, .name = name, .ino = id, .attr.mode = mode, .target = "target"
        };
        uint64_t ino;
        return tree_apply(t, parent, &e, NULL, 0, &ino);
}

static void test_hostile(void)
{
        struct pair p = pair_new();
        Tree *t = p.b;
        uint64_t a = at(t, "/a"), b = at(t, "/a/b"), x = at(t, "/a/b/x"), f = at(t, "/f"), c = at(t, "/c");
        g_autofree char *before = describe_tree(t);
        /* below itself */
        g_assert_cmpint(put(t, b, "a", a, a, S_IFDIR), ==, -EINVAL);
        g_assert_cmpint(put(t, a, "a", a, a, S_IFDIR), ==, -EINVAL);
        g_assert_cmpint(put(t, b, "x", a, a, S_IFDIR), ==, -EINVAL);
        g_assert_cmpint(put(t, b, "root", 1, 1, S_IFDIR), ==, -EEXIST);
        /* a directory by two names */
        g_assert_cmpint(put(t, c, "a", 900, a, S_IFDIR), ==, -EINVAL);
        g_assert_cmpint(put(t, c, "root", 900, 1, S_IFDIR), ==, -EEXIST);
        /* another type */
        g_assert_cmpint(put(t, TREE_ROOT, "f", f, f, S_IFDIR), ==, -EINVAL);
        g_assert_cmpint(put(t, TREE_ROOT, "a", a, a, S_IFREG), ==, -EINVAL);
        g_assert_cmpint(put(t, c, "n", 900, f, S_IFLNK), ==, -EINVAL);
        g_assert_cmpint(put(t, c, "n", 900, 900, 0644), ==, -EINVAL);
        /* the fileuid of another inode */
        g_assert_cmpint(put(t, c, "n", x, f, S_IFREG), ==, -EEXIST);
        g_assert_cmpint(put(t, c, "n", x, 900, S_IFREG), ==, -EEXIST);
        g_assert_cmpint(put(t, TREE_ROOT, "f", x, 900, S_IFREG), ==, -EEXIST);
        /* names and numbers that are none, places that are no directory */
        g_assert_cmpint(put(t, c, "..", 900, 900, S_IFREG), ==, -EINVAL);
        g_assert_cmpint(put(t, c, "", 900, 900, S_IFREG), ==, -EINVAL);
        g_assert_cmpint(put(t, c, "n", 0, 900, S_IFREG), ==, -EINVAL);
        g_assert_cmpint(put(t, c, "n", 900, 0, S_IFREG), ==, -EINVAL);
        g_assert_cmpint(put(t, f, "n", 900, 900, S_IFREG), ==, -ENOTDIR);
        g_assert_cmpint(put(t, 900, "n", 900, 900, S_IFREG), ==, -ESTALE);
        g_assert_cmpint(tree_apply_gone(t, f, "n"), ==, -ENOTDIR);
        g_assert_cmpint(tree_apply_gone(t, 900, "n"), ==, -ESTALE);
        g_assert_cmpint(tree_apply_gone(t, c, "a/b"), ==, -EINVAL);
        g_assert_cmpint(tree_apply_gone(t, c, "none"), ==, 0);
        g_autofree char *after = describe_tree(t);
        g_assert_cmpstr(after, ==, before);
        /* a fileuid of a further name */
        g_assert_cmpint(put(t, c, "l", 950, f, S_IFREG), ==, 0);
        g_assert_cmpint(put(t, c, "n", 950, x, S_IFREG), ==, -EEXIST);
        g_assert_cmpint(put(t, c, "n", 950, 950, S_IFREG), ==, -EEXIST);
        g_assert_cmpint(put(t, c, "n", 951, 950, S_IFREG), ==, -EEXIST);
        /* twice: where it was told last */
        g_assert_cmpint(put(t, c, "l2", 950, f, S_IFREG), ==, 0);
        g_assert_cmpuint(at(t, "/c/l"), ==, 0);
        g_assert_cmpuint(at(t, "/c/l2"), ==, f);
        pair_free(&p);
}

static void test_extents(void)
{
        struct pair p = pair_new();
        Tree *t = p.b;
        static const struct tree_extent good[] = { { 20, 10, 1, 20 }, { 0, 5, 2, 0 } },
                                        overlap[] = { { 0, 10, 1, 0 }, { 9, 5, 1, 50 } };
        struct tree_entry e = { .fileuid = at(t, "/f"),
                .ino = at(t, "/f"),
                .name = "f",
                .attr = { .mode = S_IFREG, .size = 30 },
                .extents = good,
                .n_extents = 2 };
        static const struct tree_xattr x[] = { { "user.a", "1", 1 }, { "user.b", "2", 1 } },
                                       bad = { "", "", 0 };
        uint64_t ino, bytes = counts_of(t).bytes;
        g_assert_cmpint(tree_apply(t, TREE_ROOT, &e, x, 2, &ino), ==, 0);
        g_assert_cmpuint(attr_of(t, ino).bytes, ==, 15);
        g_assert_cmpuint(counts_of(t).bytes, ==, bytes + 30);
        g_autofree char *before = describe_tree(t);
        e.extents = overlap;
        e.attr.uid = 77;
        g_assert_cmpint(tree_apply(t, TREE_ROOT, &e, x, 2, &ino), ==, -EINVAL);
        e.n_extents = 0;
        g_assert_cmpint(tree_apply(t, TREE_ROOT, &e, &bad, 1, &ino), ==, -ERANGE);
        g_autofree char *after = describe_tree(t);
        g_assert_cmpstr(after, ==, before);
        /* wholly: nothing is left of what was */
        e.attr.size = 3;
        g_assert_cmpint(tree_apply(t, TREE_ROOT, &e, x + 1, 1, &ino), ==, 0);
        g_autofree char *names = NULL;
        size_t size;
        g_assert_cmpint(tree_xattr_list(t, ino, &names, &size), ==, 0);
        g_assert_cmpstr(names, ==, "user.b");
        g_assert_cmpuint(size, ==, sizeof("user.b"));
        g_assert_cmpuint(attr_of(t, ino).bytes, ==, 0);
        g_assert_cmpuint(counts_of(t).bytes, ==, bytes + 3);
        pair_free(&p);
}

/* Into, out of and around what has been taken away; a cycle there would never be found. */
static void test_limbo(void)
{
        struct pair p = pair_new();
        Tree *t = p.b;
        size_t memory = counts_of(t).memory;
        uint64_t a = at(t, "/a"), b = at(t, "/a/b"), c = at(t, "/c");
        g_assert_cmpint(tree_apply_gone(t, TREE_ROOT, "a"), ==, 0);
        g_assert_cmpint(put(t, b, "a", a, a, S_IFDIR), ==, -EINVAL);
        g_assert_cmpint(put(t, a, "n", 900, 900, S_IFREG), ==, -ENOENT);
        g_assert_cmpint(put(t, b, "n", 900, 900, S_IFREG), ==, 0); /* its name is still there */
        g_assert_cmpint(put(t, b, "c", c, c, S_IFDIR), ==, 0);
        g_assert_cmpint(put(t, c, "b", b, b, S_IFDIR), ==, -EINVAL);
        /* taken away twice, and both ways out */
        g_assert_cmpint(tree_apply_gone(t, b, "c"), ==, 0);
        g_assert_cmpint(put(t, TREE_ROOT, "a", a, a, S_IFDIR), ==, 0);
        g_assert_cmpint(put(t, c, "a", a, a, S_IFDIR), ==, -ENOENT);
        g_assert_cmpint(tree_apply_gone(t, TREE_ROOT, "a"), ==, 0);
        tree_apply_end(t);
        g_assert_cmpuint(counts_of(t).inodes, ==, 3); /* the root, f, g */
        g_assert_cmpuint(counts_of(t).names, ==, 2);
        g_assert_cmpuint(counts_of(t).directories, ==, 1);
        g_assert_cmpuint(counts_of(t).memory, <, memory + 2048);
        tree_apply_end(t);
        /* a tree that is given up halfway */
        g_assert_cmpint(tree_apply_gone(t, TREE_ROOT, "f"), ==, 0);
        pair_free(&p);
}

/* Depth costs no stack. */
static void test_deep(void)
{
        Tree *t = tree_new();
        uint64_t parent = TREE_ROOT;
        for (uint64_t i = 2; i < 300000; i++) {
                g_assert_cmpint(put(t, parent, "d", i, i, S_IFDIR), ==, 0);
                parent = i;
        }
        g_assert_cmpint(put(t, parent, "x", 2, 2, S_IFDIR), ==, -EINVAL);
        g_assert_cmpint(tree_apply_gone(t, TREE_ROOT, "d"), ==, 0);
        tree_apply_end(t);
        g_assert_cmpuint(counts_of(t).inodes, ==, 1);
        tree_free(t);
}

/* Time in proportion to the entries: many names of one inode, all of which are told when one comes. */
static void test_many(void)
{
        enum { N = 100000 };
        Tree *t = tree_new();
        for (int round = 0; round < 3; round++)
                for (uint64_t i = 0; i < N; i++) {
                        char name[16];
                        g_snprintf(name, sizeof(name), "%s%u", round == 2 ? "moved" : "", (unsigned)i);
                        g_assert_cmpint(put(t, TREE_ROOT, name, 2 + i, 2, S_IFREG), ==, 0);
                }
        g_assert_cmpuint(counts_of(t).names, ==, N);
        tree_apply_end(t);
        g_assert_cmpuint(attr_of(t, 2).nlink, ==, N);
        tree_free(t);
}

/* A hash comes along, and goes with what it was of. */
static void test_hash(void)
{
        struct pair p = pair_new();
        uint64_t f = at(p.a, "/f");
        struct tree_extent e = { 0, 100, 7, 0 };
        g_autofree char *sha = g_strnfill(64, 'a');
        g_assert_cmpint(tree_put_extent(p.a, f, &e, 30), ==, 0);
        sync_pair(&p);
        g_assert_cmpint(tree_set_hash(p.a, f, 0x1234, sha), ==, 0);
        sync_pair(&p);
        g_assert_true(attr_of(p.b, f).has_crc32);
        g_assert_cmphex(attr_of(p.b, f).crc32, ==, 0x1234);
        g_assert_cmpint(tree_set_hash(p.a, f, 0x5678, NULL), ==, 0);
        sync_pair(&p);
        g_assert_cmphex(attr_of(p.b, f).crc32, ==, 0x5678);
        g_assert_cmpint(tree_truncate(p.a, f, 50, 31), ==, 0);
        sync_pair(&p);
        g_assert_false(attr_of(p.b, f).has_crc32);
        g_assert_false(attr_of(p.b, f).has_xattrs);
        pair_free(&p);
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/tree/apply/swap", test_swap);
        g_test_add_func("/tree/apply/inside-out", test_inside_out);
        g_test_add_func("/tree/apply/replaced", test_replaced);
        g_test_add_func("/tree/apply/hash", test_hash);
        g_test_add_func("/tree/apply/links", test_links);
        g_test_add_func("/tree/apply/log", test_log);
        g_test_add_func("/tree/apply/order", test_order);
        g_test_add_func("/tree/apply/hostile", test_hostile);
        g_test_add_func("/tree/apply/extents", test_extents);
        g_test_add_func("/tree/apply/limbo", test_limbo);
        g_test_add_func("/tree/apply/deep", test_deep);
        g_test_add_func("/tree/apply/many", test_many);
        return g_test_run();
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Memory that runs out at any allocation: an error, and the tree as it was. */
#include <errno.h>
#include <glib.h>
#include <stdlib.h>
#include <string.h>

#include <reelfs/tree.h>

#include "tree-helpers.h"

/* Allocations until the one that fails; 0: none does. */
static unsigned fail_in;

static bool fails(void)
{
        return fail_in > 0 && --fail_in == 0;
}

/* These take the place of GLib's in this program. */
gpointer g_try_malloc(gsize size)
{
        return fails() ? NULL : malloc(size);
}

gpointer g_try_malloc0(gsize size)
{
        return fails() ? NULL : calloc(1, size);
}

gpointer g_try_malloc_n(gsize n, gsize size)
{
        return fails() ? NULL : calloc(n, size);
}

gpointer g_try_realloc(gpointer mem, gsize size)
{
        return fails() ? NULL : realloc(mem, size);
}

struct fixture {
        Tree *tree;
        uint64_t dir, file, symlink;
};

static struct fixture fixture_new(void)
{
        struct fixture f = { .tree = tree_new() };
        f.dir = add_dir(f.tree, TREE_ROOT, "dir");
        f.file = add_file(f.tree, TREE_ROOT, "file");
        f.symlink = add(f.tree, TREE_ROOT, "symlink", S_IFLNK | 0777);
        add_file(f.tree, TREE_ROOT, "other"); /* the root's list is full */
        struct tree_extent e = { 0, 1000, 1, 0 };
        g_assert_cmpint(tree_put_extent(f.tree, f.file, &e, 1), ==, 0);
        g_assert_cmpint(tree_xattr_set(f.tree, f.file, "user.x", "old", 3, 0, 1), ==, 0);
        /* and there is room in the logs, which is no reason for any call to fail */
        struct tree_entry root = { .name = "", .fileuid = TREE_ROOT, .attr = { .mode = S_IFDIR | 0755 } };
        uint64_t ino;
        g_assert_cmpint(tree_apply(f.tree, 0, &root, NULL, 0, &ino), ==, 0);
        return f;
}

static int do_create(struct fixture *f)
{
        struct tree_attr attr;
        struct tree_new_inode n = { .mode = S_IFDIR | 0755,
                .acl_access = "a",
                .acl_access_size = 1,
                .acl_default = "d",
                .acl_default_size = 1 };
        return tree_create(f->tree, f->dir, "new", &n, 5, &attr);
}

static int do_symlink(struct fixture *f)
{
        struct tree_attr attr;
        struct tree_new_inode n = { .mode = S_IFLNK | 0777, .target = "to" };
        return tree_create(f->tree, TREE_ROOT, "new", &n, 5, &attr);
}

static int do_link(struct fixture *f)
{
        struct tree_attr attr;
        return tree_link(f->tree, f->file, f->dir, "new", 5, &attr);
}

static int do_rename(struct fixture *f)
{
        return tree_rename(f->tree, TREE_ROOT, "file", f->dir, "new", 0, 5);
}

static int do_replace(struct fixture *f)
{
        return tree_rename(f->tree, TREE_ROOT, "file", TREE_ROOT, "other", 0, 5);
}

static int do_load(struct fixture *f)
{
        static const struct tree_extent extents[] = { { 0, 1, 1, 0 }, { 5, 1, 1, 0 }, { 7, 1, 1, 0 } };
        struct tree_entry e = { .fileuid = 91,
                .name = "new",
                .ino = 90,
                .attr = { .mode = S_IFREG, .size = 10 },
                .extents = extents,
                .n_extents = 3 };
        uint64_t ino;
        return tree_load(f->tree, TREE_ROOT, &e, &ino);
}

static const struct tree_extent two_extents[] = { { 0, 1, 1, 0 }, { 5, 1, 1, 0 } };
static const struct tree_xattr an_xattr = { "user.x", "new", 3 };

/* In the place of another. */
static int apply_file(struct fixture *f, uint64_t fileuid, uint64_t id)
{
        struct tree_entry e = { .fileuid = fileuid,
                .name = "other",
                .ino = id,
                .attr = { .mode = S_IFREG, .size = 10 },
                .extents = two_extents,
                .n_extents = 2 };
        uint64_t ino;
        return tree_apply(f->tree, TREE_ROOT, &e, &an_xattr, 1, &ino);
}

static int do_apply_new(struct fixture *f)
{
        return apply_file(f, 91, 90);
}

static int do_apply_moved(struct fixture *f)
{
        return apply_file(f, f->file, f->file);
}

static int do_apply_symlink(struct fixture *f)
{
        struct tree_entry e = { .fileuid = 90,
                .name = "linked",
                .ino = f->symlink,
                .attr.mode = S_IFLNK | 0777,
                .target = "else/where" };
        uint64_t ino;
        return tree_apply(f->tree, f->dir, &e, &an_xattr, 1, &ino);
}

static int do_apply_gone(struct fixture *f)
{
        return tree_apply_gone(f->tree, TREE_ROOT, "other");
}

static int do_put(struct fixture *f)
{
        struct tree_extent e = { 100, 10, 2, 0 };
        return tree_put_extent(f->tree, f->file, &e, 5);
}

static int do_punch(struct fixture *f)
{
        return tree_punch(f->tree, f->file, 100, 10, 5);
}

static int do_xattr_set(struct fixture *f)
{
        return tree_xattr_set(f->tree, f->file, "user.x", "new", 3, 0, 5);
}

static int do_copies(struct fixture *f)
{
        g_autofree struct tree_extent *extents = NULL;
        g_autofree void *value = NULL;
        g_autofree char *names = NULL, *target = NULL, *path = NULL;
        size_t n;
        int r = tree_extents(f->tree, f->file, &extents, &n);
        if (r == 0)
                r = tree_xattr_get(f->tree, f->file, "user.x", &value, &n);
        if (r == 0)
                r = tree_xattr_list(f->tree, f->file, &names, &n);
        if (r == 0)
                r = tree_readlink(f->tree, f->symlink, &target);
        if (r == 0 && !(path = tree_path(f->tree, f->file)))
                r = -ENOMEM;
        return r;
}

static int describe_xattr(void *ctx, const char *name, const void *value, size_t size)
{
        g_string_append_printf(ctx, " %s=%.*s", name, (int)size, (const char *)value);
        return 0;
}

struct description {
        Tree *tree;
        GString *text;
};

static int describe_entry(void *ctx, const struct tree_entry *e)
{
        struct description *d = ctx;
        g_string_append_printf(d->text,
                "%s %" G_GUINT64_FORMAT " %" G_GUINT64_FORMAT " %" G_GINT64_FORMAT " %u", e->name, e->fileuid,
                e->ino, e->attr.times.ctime, e->attr.nlink);
        for (size_t i = 0; i < e->n_extents; i++)
                g_string_append_printf(d->text, " %" G_GUINT64_FORMAT "+%" G_GUINT64_FORMAT,
                        e->extents[i].file_offset, e->extents[i].length);
        int r = tree_visit_xattrs(d->tree, e, describe_xattr, d->text);
        g_string_append_c(d->text, '\n');
        return r;
}

/* All that a failed call must not change. */
static char *describe(Tree *t)
{
        struct description d = { t, g_string_new(NULL) };
        struct tree_visitor v = { .enter = describe_entry };
        g_assert_cmpint(tree_walk(t, &v, &d), ==, 0);
        struct tree_counts counts = counts_of(t);
        g_string_append_printf(d.text,
                "%" G_GUINT64_FORMAT " %" G_GUINT64_FORMAT " %" G_GUINT64_FORMAT " %" G_GUINT64_FORMAT
                " %" G_GUINT64_FORMAT " %" G_GUINT64_FORMAT,
                counts.inodes, counts.names, counts.directories, counts.bytes, tree_changes(t),
                tree_highest_fileuid(t));
        return g_string_free(d.text, FALSE);
}

static const struct {
        const char *name;
        int (*run)(struct fixture *f);
        unsigned allocations; /* that can fail */
} operations[] = {
        { "create", do_create, 6 },
        { "symlink", do_symlink, 4 },
        { "link", do_link, 3 },
        { "rename", do_rename, 2 },
        { "replace", do_replace, 2 },
        { "load", do_load, 5 },
        { "apply-new", do_apply_new, 7 },
        { "apply-moved", do_apply_moved, 5 },
        { "apply-symlink", do_apply_symlink, 5 },
        { "apply-gone", do_apply_gone, 1 },
        { "put", do_put, 1 },
        { "punch", do_punch, 1 },
        { "xattr-set", do_xattr_set, 1 },
        { "copies", do_copies, 5 },
};

static void test_operation(gconstpointer data)
{
        size_t i = GPOINTER_TO_SIZE(data);
        for (unsigned n = 1; n <= operations[i].allocations; n++) {
                struct fixture f = fixture_new();
                g_autofree char *before = describe(f.tree);
                fail_in = n;
                g_assert_cmpint(operations[i].run(&f), ==, -ENOMEM);
                fail_in = 0;
                g_autofree char *after = describe(f.tree);
                g_assert_cmpstr(before, ==, after);
                g_assert_cmpint(operations[i].run(&f), ==, 0);
                tree_free(f.tree);
        }
        struct fixture f = fixture_new();
        fail_in = operations[i].allocations + 1;
        g_assert_cmpint(operations[i].run(&f), ==, 0);
        g_assert_cmpuint(fail_in, ==, 1);
        fail_in = 0;
        tree_free(f.tree);
}

/* A table that cannot grow holds all the same. */
static void test_tables(void)
{
        Tree *t = tree_new();
        for (unsigned i = 0; i < 1000; i++) {
                g_autofree char *name = g_strdup_printf("%u", i);
                struct tree_attr attr;
                struct tree_new_inode n = { .mode = S_IFREG };
                fail_in = 2; /* inode, its table if that is full */
                if (tree_create(t, TREE_ROOT, name, &n, 1, &attr) < 0) {
                        fail_in = 0;
                        add_file(t, TREE_ROOT, name);
                }
        }
        fail_in = 0;
        g_assert_cmpuint(counts_of(t).names, ==, 1000);
        for (unsigned i = 0; i < 1000; i++) {
                g_autofree char *name = g_strdup_printf("%u", i);
                g_assert_cmpuint(at(t, name), !=, 0);
        }
        tree_free(t);
}

static int count_enter(void *ctx, const struct tree_entry *e, bool changed)
{
        ++*(unsigned *)ctx;
        return TREE_NOTE_AGAIN;
}

static const struct tree_change_visitor counter = { .enter = count_enter };

/* What cannot be noted makes the next index a full one, and nothing else. */
static void test_log(void)
{
        struct tree_log_size size;
        unsigned faults = 0;
        for (unsigned n = 1; faults == n - 1; n++) {
                struct fixture f = fixture_new();
                g_assert_cmpint(
                        tree_commit_walk(f.tree, TREE_ALL, &(struct tree_change_visitor){ 0 }, NULL), ==, 0);
                fail_in = n;
                g_assert_cmpint(tree_unlink(f.tree, TREE_ROOT, "other", 5), ==, 0);
                tree_get_log_size(f.tree, &size);
                g_assert_true(size.overflowed == (fail_in == 0));
                faults += fail_in == 0;
                fail_in = 0;
                unsigned calls = 0;
                int r = tree_commit_walk(f.tree, TREE_SINCE_LAST, &counter, &calls);
                g_assert_cmpint(r, ==, size.overflowed ? -EOVERFLOW : 0);
                g_assert_cmpuint(calls, ==, size.overflowed ? 0 : 1);
                g_assert_cmpint(tree_commit_walk(f.tree, TREE_ALL, &counter, &calls), ==, 0);
                tree_get_log_size(f.tree, &size);
                g_assert_false(size.overflowed);
                tree_free(f.tree);
        }
        g_assert_cmpuint(faults, ==, 3); /* the name, the list of names, the list of inodes */
}

/* A walk that cannot begin is none; one that began ends. */
static void test_walk(void)
{
        struct fixture f = fixture_new();
        struct tree_log_size before, after;
        unsigned calls = 0;
        tree_get_log_size(f.tree, &before);
        fail_in = 1;
        g_assert_cmpint(tree_commit_walk(f.tree, TREE_SINCE_FULL, &counter, &calls), ==, -ENOMEM);
        g_assert_cmpuint(calls, ==, 0);
        tree_get_log_size(f.tree, &after);
        g_assert_cmpuint(after.since_last, ==, before.since_last);
        g_assert_cmpuint(after.since_full, ==, before.since_full);
        g_assert_false(after.overflowed);
        fail_in = 2; /* what is to be noted again */
        g_assert_cmpint(tree_commit_walk(f.tree, TREE_SINCE_FULL, &counter, &calls), ==, 0);
        g_assert_cmpuint(fail_in, ==, 0);
        g_assert_cmpuint(calls, ==, 5);
        tree_get_log_size(f.tree, &after);
        g_assert_true(after.overflowed);
        tree_free(f.tree);
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        for (size_t i = 0; i < G_N_ELEMENTS(operations); i++) {
                g_autofree char *path = g_strdup_printf("/tree/no-memory/%s", operations[i].name);
                g_test_add_data_func(path, GSIZE_TO_POINTER(i), test_operation);
        }
        g_test_add_func("/tree/no-memory/tables", test_tables);
        g_test_add_func("/tree/no-memory/log", test_log);
        g_test_add_func("/tree/no-memory/walk", test_walk);
        return g_test_run();
}

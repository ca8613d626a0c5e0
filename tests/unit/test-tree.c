/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Names, references, attributes and extended attributes. */
#include <errno.h>
#include <glib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include <reelfs/acl.h>
#include <reelfs/tree.h>

#include "tree-helpers.h"

static int lookup_error(Tree *t, uint64_t parent, const char *name)
{
        struct tree_attr attr;
        int r = tree_lookup(t, parent, name, &attr);
        if (r == 0)
                tree_unref(t, attr.ino, 1);
        return r;
}

static void test_create(void)
{
        Tree *t = tree_new();
        struct tree_attr attr = attr_of(t, TREE_ROOT);
        g_assert_cmpuint(attr.mode, ==, S_IFDIR | 0755);
        g_assert_cmpuint(attr.nlink, ==, 2);
        static const uint32_t types[] = { S_IFREG, S_IFDIR, S_IFLNK, S_IFIFO, S_IFSOCK, S_IFCHR, S_IFBLK };
        for (size_t i = 0; i < G_N_ELEMENTS(types); i++) {
                char name[] = { (char)('a' + i), '\0' };
                uint64_t ino = add(t, TREE_ROOT, name, types[i] | 04751);
                g_assert_cmpuint(ino, ==, 2 + i);
                attr = attr_of(t, ino);
                g_assert_cmpuint(attr.mode, ==, types[i] | 04751);
                g_assert_cmpuint(attr.uid, ==, 1);
                g_assert_cmpuint(attr.gid, ==, 2);
                g_assert_cmpuint(attr.nlink, ==, types[i] == S_IFDIR ? 2 : 1);
                g_assert_cmpuint(attr.rdev, ==, types[i] == S_IFCHR || types[i] == S_IFBLK ? 0x801 : 0);
                g_assert_cmpuint(attr.size, ==, types[i] == S_IFLNK ? strlen("some/where") : 0);
                g_assert_cmpint(attr.times.btime, ==, 10);
                g_assert_cmpint(attr.times.atime, ==, 10);
        }
        attr = attr_of(t, TREE_ROOT);
        g_assert_cmpuint(attr.nlink, ==, 3);
        g_assert_cmpint(attr.times.mtime, ==, 10);
        g_assert_cmpint(attr.times.ctime, ==, 10);
        g_autofree char *target = NULL;
        g_assert_cmpint(tree_readlink(t, at(t, "/c"), &target), ==, 0);
        g_assert_cmpstr(target, ==, "some/where");
        g_assert_cmpint(tree_readlink(t, at(t, "/a"), &target), ==, -EINVAL);
        struct tree_counts counts = counts_of(t);
        g_assert_cmpuint(counts.inodes, ==, 8);
        g_assert_cmpuint(counts.names, ==, 7);
        g_assert_cmpuint(counts.directories, ==, 2);
        tree_free(t);
        tree_free(NULL);
}

static void test_name_errors(void)
{
        Tree *t = tree_new();
        uint64_t file = add_file(t, TREE_ROOT, "file"), dir = add_dir(t, TREE_ROOT, "dir"), ino;
        struct tree_attr attr;
        g_autofree char *longest = g_strnfill(TREE_NAME_MAX, 'x'),
                        *too_long = g_strnfill(TREE_NAME_MAX + 1, 'x');
        uint64_t changes = tree_changes(t);
        struct tree_counts before = counts_of(t);
        const struct {
                uint64_t parent;
                const char *name;
                int r;
        } cases[] = {
                { dir, "", -EINVAL },
                { dir, ".", -EINVAL },
                { dir, "..", -EINVAL },
                { dir, "a/b", -EINVAL },
                { dir, too_long, -ENAMETOOLONG },
                { file, "a", -ENOTDIR },
                { 99, "a", -ESTALE },
                { TREE_ROOT, "file", -EEXIST },
        };
        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                g_assert_cmpint(make(t, cases[i].parent, cases[i].name, S_IFREG, &ino), ==, cases[i].r);
                g_assert_cmpint(tree_link(t, file, cases[i].parent, cases[i].name, 1, &attr), ==, cases[i].r);
                if (cases[i].r == -EEXIST)
                        continue;
                g_assert_cmpint(tree_unlink(t, cases[i].parent, cases[i].name, 1), ==, cases[i].r);
                g_assert_cmpint(tree_rmdir(t, cases[i].parent, cases[i].name, 1), ==, cases[i].r);
                g_assert_cmpint(tree_rename(t, TREE_ROOT, "file", cases[i].parent, cases[i].name, 0, 1), ==,
                        cases[i].r);
                g_assert_cmpint(
                        tree_rename(t, cases[i].parent, cases[i].name, TREE_ROOT, "x", 0, 1), ==, cases[i].r);
        }
        g_assert_cmpint(make(t, TREE_ROOT, "typeless", 0644, &ino), ==, -EINVAL);
        g_assert_cmpint(lookup_error(t, TREE_ROOT, "none"), ==, -ENOENT);
        g_assert_cmpint(lookup_error(t, TREE_ROOT, too_long), ==, -ENAMETOOLONG);
        g_assert_cmpint(lookup_error(t, file, ".."), ==, -ENOTDIR);
        g_assert_cmpint(tree_link(t, dir, TREE_ROOT, "x", 1, &attr), ==, -EPERM);
        g_assert_cmpint(tree_link(t, 99, TREE_ROOT, "x", 1, &attr), ==, -ESTALE);
        g_assert_cmpint(tree_unlink(t, TREE_ROOT, "dir", 1), ==, -EISDIR);
        g_assert_cmpint(tree_rmdir(t, TREE_ROOT, "file", 1), ==, -ENOTDIR);
        g_assert_cmpint(tree_unlink(t, TREE_ROOT, "none", 1), ==, -ENOENT);
        g_assert_cmpuint(tree_changes(t), ==, changes);
        struct tree_counts after = counts_of(t);
        g_assert_cmpmem(&before, sizeof(before), &after, sizeof(after));
        add_file(t, dir, longest);
        g_assert_cmpint(lookup_error(t, dir, longest), ==, 0);
        g_assert_cmpint(tree_rmdir(t, TREE_ROOT, "dir", 1), ==, -ENOTEMPTY);
        tree_free(t);
}

static void test_paths(void)
{
        Tree *t = tree_new();
        uint64_t a = add_dir(t, TREE_ROOT, "a"), b = add_dir(t, a, "bb"), f = add_file(t, b, "file"), parent;
        g_assert_cmpuint(at(t, "/"), ==, TREE_ROOT);
        g_assert_cmpuint(at(t, ""), ==, TREE_ROOT);
        g_assert_cmpuint(at(t, "//a///bb/"), ==, b);
        g_assert_cmpuint(at(t, "a/bb/../bb/./file"), ==, f);
        g_assert_cmpuint(at(t, "/../a"), ==, a);
        struct tree_attr attr;
        g_assert_cmpint(tree_resolve(t, "/a/none", &attr), ==, -ENOENT);
        g_assert_cmpint(tree_resolve(t, "/a/bb/file/x", &attr), ==, -ENOTDIR);
        g_autofree char *too_long = g_strnfill(TREE_NAME_MAX + 1, 'x');
        g_assert_cmpint(tree_resolve(t, too_long, &attr), ==, -ENAMETOOLONG);
        g_autofree char *path = tree_path(t, f), *root = tree_path(t, TREE_ROOT);
        g_assert_cmpstr(path, ==, "/a/bb/file");
        g_assert_cmpstr(root, ==, "/");
        g_assert_null(tree_path(t, 99));
        g_assert_cmpint(tree_lookup(t, b, "..", &attr), ==, 0);
        g_assert_cmpuint(attr.ino, ==, a);
        g_assert_cmpint(tree_lookup(t, TREE_ROOT, "..", &attr), ==, 0);
        g_assert_cmpuint(attr.ino, ==, TREE_ROOT);
        g_assert_cmpint(tree_parent(t, b, &parent), ==, 0);
        g_assert_cmpuint(parent, ==, a);
        g_assert_cmpint(tree_parent(t, TREE_ROOT, &parent), ==, 0);
        g_assert_cmpuint(parent, ==, TREE_ROOT);
        g_assert_cmpint(tree_parent(t, f, &parent), ==, -ENOTDIR);
        tree_free(t);
}

/* An inode lives while it has a name or a reference. */
static void test_references(void)
{
        Tree *t = tree_new();
        struct tree_attr attr;
        struct tree_new_inode n = { .mode = S_IFREG | 0644 };
        g_assert_cmpint(tree_create(t, TREE_ROOT, "f", &n, 1, &attr), ==, 0);
        uint64_t f = attr.ino;
        g_assert_cmpint(tree_lookup(t, TREE_ROOT, "f", &attr), ==, 0);
        tree_ref(t, f);
        g_assert_cmpint(tree_truncate(t, f, 1000, 1), ==, 0);
        g_assert_cmpint(tree_unlink(t, TREE_ROOT, "f", 77), ==, 0);
        attr = attr_of(t, f);
        g_assert_cmpuint(attr.nlink, ==, 0);
        g_assert_cmpint(attr.times.ctime, ==, 77);
        g_assert_null(tree_path(t, f));
        g_assert_cmpint(tree_link(t, f, TREE_ROOT, "back", 1, &attr), ==, -ENOENT);
        uint64_t changes = tree_changes(t);
        g_assert_cmpint(tree_truncate(t, f, 2000, 1), ==, 0);
        g_assert_cmpuint(tree_changes(t), ==, changes); /* no index will have it */
        g_assert_cmpuint(counts_of(t).bytes, ==, 2000);
        tree_unref(t, f, 2);
        g_assert_cmpuint(attr_of(t, f).size, ==, 2000);
        tree_unref(t, f, 1);
        g_assert_cmpint(tree_getattr(t, f, &attr), ==, -ESTALE);
        g_assert_cmpuint(counts_of(t).bytes, ==, 0);
        g_assert_cmpuint(counts_of(t).inodes, ==, 1);
        tree_unref(t, f, 1);
        tree_ref(t, f);
        tree_unref(t, TREE_ROOT, 100);
        g_assert_cmpuint(attr_of(t, TREE_ROOT).ino, ==, TREE_ROOT);
        uint64_t next = add_file(t, TREE_ROOT, "f");
        g_assert_cmpuint(next, !=, f);
        tree_free(t);
}

static bool count_entries(void *ctx, const char *name, const struct tree_attr *attr, uint64_t next)
{
        ++*(unsigned *)ctx;
        return true;
}

static void test_removed_directory(void)
{
        Tree *t = tree_new();
        uint64_t d = add_dir(t, TREE_ROOT, "d"), e = add_dir(t, d, "e"), f = add_file(t, TREE_ROOT, "f"), ino;
        struct tree_attr attr;
        unsigned n = 0;
        tree_ref(t, e);
        g_assert_cmpint(tree_rmdir(t, d, "e", 5), ==, 0);
        g_assert_cmpuint(attr_of(t, e).nlink, ==, 0);
        g_assert_cmpuint(attr_of(t, d).nlink, ==, 2);
        g_assert_cmpint(attr_of(t, d).times.mtime, ==, 5);
        g_assert_cmpint(lookup_error(t, e, "x"), ==, -ENOENT);
        g_assert_cmpint(lookup_error(t, e, ".."), ==, -ENOENT);
        g_assert_cmpint(make(t, e, "x", S_IFREG, &ino), ==, -ENOENT);
        g_assert_cmpint(tree_link(t, f, e, "x", 1, &attr), ==, -ENOENT);
        g_assert_cmpint(tree_rename(t, TREE_ROOT, "f", e, "x", 0, 1), ==, -ENOENT);
        g_assert_cmpint(tree_parent(t, e, &ino), ==, -ENOENT);
        g_assert_cmpint(tree_readdir(t, e, 0, false, count_entries, &n), ==, 0);
        g_assert_cmpuint(n, ==, 0);
        g_assert_cmpint(tree_readdir(t, f, 0, false, count_entries, &n), ==, -ENOTDIR);
        g_assert_cmpint(tree_readdir(t, 99, 0, false, count_entries, &n), ==, -ESTALE);
        tree_unref(t, e, 1);
        g_assert_cmpint(tree_getattr(t, e, &attr), ==, -ESTALE);
        tree_free(t);
}

static void test_links(void)
{
        Tree *t = tree_new();
        uint64_t d = add_dir(t, TREE_ROOT, "d"), f = add_file(t, TREE_ROOT, "f");
        struct tree_attr attr;
        g_assert_cmpint(tree_link(t, f, d, "g", 20, &attr), ==, 0);
        g_assert_cmpuint(attr.ino, ==, f);
        g_assert_cmpuint(attr.nlink, ==, 2);
        g_assert_cmpint(attr.times.ctime, ==, 20);
        g_assert_cmpint(attr.times.mtime, ==, 10);
        g_assert_cmpint(attr_of(t, d).times.mtime, ==, 20);
        tree_unref(t, f, 1);
        g_assert_cmpuint(tree_highest_fileuid(t), ==, f + 1); /* the name has its own */
        g_assert_cmpint(tree_unlink(t, TREE_ROOT, "f", 30), ==, 0);
        attr = attr_of(t, f);
        g_assert_cmpuint(attr.nlink, ==, 1);
        g_assert_cmpint(attr.times.ctime, ==, 30);
        g_autofree char *path = tree_path(t, f);
        g_assert_cmpstr(path, ==, "/d/g");
        g_assert_cmpint(tree_unlink(t, d, "g", 30), ==, 0);
        g_assert_cmpint(tree_getattr(t, f, &attr), ==, -ESTALE);

        /* names of one file come and go in any order */
        f = add_file(t, d, "0");
        for (unsigned i = 1; i < 500; i++) {
                g_autofree char *name = g_strdup_printf("%u", i);
                g_assert_cmpint(tree_link(t, f, d, name, 1, &attr), ==, 0);
                tree_unref(t, f, 1);
        }
        for (unsigned i = 0; i < 500; i++) {
                g_assert_cmpuint(attr_of(t, f).nlink, ==, 500 - i);
                g_autofree char *name = g_strdup_printf("%u", i * 7 % 500);
                g_assert_cmpint(tree_unlink(t, d, name, 1), ==, 0);
        }
        g_assert_cmpint(tree_getattr(t, f, &attr), ==, -ESTALE);
        tree_free(t);
}

/* Memory of names comes back, and all of it in the end. */
static void test_memory_returns(void)
{
        Tree *t = tree_new();
        uint64_t d = add_dir(t, TREE_ROOT, "d");
        add_file(t, d, "first");
        size_t tables = 0;
        for (int round = 0; round < 3; round++) {
                for (unsigned i = 0; i < 10000; i++) {
                        g_autofree char *name = g_strdup_printf("%u", i);
                        uint64_t ino = add_file(t, d, name);
                        g_assert_cmpint(tree_xattr_set(t, ino, "user.x", "value", 5, 0, 1), ==, 0);
                }
                for (unsigned i = 0; i < 10000; i++) {
                        g_autofree char *name = g_strdup_printf("%u", i * 7 % 10000);
                        g_assert_cmpint(tree_unlink(t, d, name, 1), ==, 0);
                }
                size_t memory = counts_of(t).memory;
                if (round > 0)
                        g_assert_cmpuint(memory, ==, tables);
                tables = memory;
        }
        g_assert_cmpuint(tables, <, 10000 * 80);
        tree_free(t);
}

/* ---- Attributes */
static void test_setattr(void)
{
        Tree *t = tree_new();
        uint64_t f = add_file(t, TREE_ROOT, "f");
        struct tree_attr values = { .mode = S_IFDIR | 07777,
                .uid = 100,
                .gid = 200,
                .size = 5,
                .rdev = 5,
                .times = { .btime = 1, .mtime = -2, .ctime = 3, .atime = 4 } },
                         attr;
        uint64_t changes = tree_changes(t);
        g_assert_cmpint(tree_setattr(t, f, 0, &values, &attr), ==, 0);
        g_assert_cmpuint(tree_changes(t), ==, changes);
        g_assert_cmpuint(attr.uid, ==, 1);
        g_assert_cmpint(tree_setattr(t, f, TREE_SET_ATIME, &values, &attr), ==, 0);
        g_assert_cmpuint(tree_changes(t), >, changes);
        g_assert_cmpint(attr.times.atime, ==, 4);
        g_assert_cmpint(attr.times.mtime, ==, 10);
        unsigned rest = TREE_SET_MODE | TREE_SET_UID | TREE_SET_GID | TREE_SET_MTIME | TREE_SET_CTIME |
                TREE_SET_BTIME;
        g_assert_cmpint(tree_setattr(t, f, rest, &values, NULL), ==, 0);
        attr = attr_of(t, f);
        g_assert_cmpuint(attr.mode, ==, S_IFREG | 07777);
        g_assert_cmpuint(attr.uid, ==, 100);
        g_assert_cmpuint(attr.gid, ==, 200);
        g_assert_cmpuint(attr.size, ==, 0);
        g_assert_cmpuint(attr.rdev, ==, 0);
        g_assert_cmpint(attr.times.btime, ==, 1);
        g_assert_cmpint(attr.times.mtime, ==, -2);
        g_assert_cmpint(attr.times.ctime, ==, 3);
        g_assert_cmpint(tree_setattr(t, 99, rest, &values, NULL), ==, -ESTALE);
        tree_free(t);
}

static void assert_xattr(Tree *t, uint64_t ino, const char *name, const char *expected)
{
        g_autofree char *value = NULL;
        size_t size;
        g_assert_cmpint(tree_xattr_get(t, ino, name, (void **)&value, &size), ==, 0);
        g_assert_cmpmem(value, size, expected, strlen(expected));
}

static void test_xattrs(void)
{
        Tree *t = tree_new();
        uint64_t f = add_file(t, TREE_ROOT, "f");
        void *value;
        size_t size;
        g_assert_cmpint(tree_xattr_get(t, f, "user.a", &value, &size), ==, -ENODATA);
        g_assert_cmpint(tree_xattr_remove(t, f, "user.a", 1), ==, -ENODATA);
        g_assert_cmpint(tree_xattr_set(t, f, "user.a", "1", 1, XATTR_REPLACE, 1), ==, -ENODATA);
        g_assert_false(attr_of(t, f).has_xattrs);
        uint64_t changes = tree_changes(t);
        g_assert_cmpint(tree_xattr_set(t, f, "user.a", "1", 1, XATTR_CREATE, 60), ==, 0);
        g_assert_cmpuint(tree_changes(t), >, changes);
        g_assert_cmpint(attr_of(t, f).times.ctime, ==, 60);
        g_assert_true(attr_of(t, f).has_xattrs);
        g_assert_cmpint(tree_xattr_set(t, f, "user.a", "2", 1, XATTR_CREATE, 1), ==, -EEXIST);
        g_assert_cmpint(tree_xattr_set(t, f, "user.b", NULL, 0, 0, 0), ==, 0);
        g_assert_cmpint(attr_of(t, f).times.ctime, ==, 60); /* now 0: times stay */
        g_assert_cmpint(tree_xattr_set(t, f, "user.a", "three", 5, XATTR_REPLACE, 61), ==, 0);
        assert_xattr(t, f, "user.a", "three");
        assert_xattr(t, f, "user.b", "");
        g_autofree char *names = NULL;
        g_assert_cmpint(tree_xattr_list(t, f, &names, &size), ==, 0);
        g_assert_cmpmem(names, size, "user.a\0user.b", 14);
        g_assert_cmpint(tree_xattr_remove(t, f, "user.a", 62), ==, 0);
        assert_xattr(t, f, "user.b", "");
        g_assert_cmpint(tree_xattr_remove(t, f, "user.b", 62), ==, 0);
        g_assert_false(attr_of(t, f).has_xattrs);
        g_autofree char *none = NULL;
        g_assert_cmpint(tree_xattr_list(t, f, &none, &size), ==, 0);
        g_assert_cmpuint(size, ==, 0);
        g_assert_cmpint(tree_xattr_set(t, 99, "user.a", "1", 1, 0, 1), ==, -ESTALE);
        g_assert_cmpint(tree_xattr_get(t, 99, "user.a", &value, &size), ==, -ESTALE);
        g_assert_cmpint(tree_xattr_list(t, 99, &none, &size), ==, -ESTALE);
        g_assert_cmpint(tree_xattr_remove(t, 99, "user.a", 1), ==, -ESTALE);
        tree_free(t);
}

static void test_xattr_limits(void)
{
        Tree *t = tree_new();
        uint64_t f = add_file(t, TREE_ROOT, "f");
        g_autofree char *value = g_strnfill(64 * 1024 + 1, 'x');
        g_autofree char *longest = g_strnfill(255, 'n'), *too_long = g_strnfill(256, 'n');
        g_assert_cmpint(tree_xattr_set(t, f, "user.a", value, 64 * 1024 + 1, 0, 1), ==, -ENOSPC);
        g_assert_cmpint(tree_xattr_set(t, f, "", "x", 1, 0, 1), ==, -ERANGE);
        g_assert_cmpint(tree_xattr_set(t, f, too_long, "x", 1, 0, 1), ==, -ERANGE);
        g_assert_cmpint(tree_xattr_set(t, f, longest, "x", 1, 0, 1), ==, 0);
        unsigned n = 0;
        for (int r = 0; r == 0; n++) {
                g_autofree char *name = g_strdup_printf("user.%u", n);
                r = tree_xattr_set(t, f, name, value, 64 * 1024, 0, 1);
                g_assert_true(r == 0 || r == -ENOSPC);
        }
        g_assert_cmpuint(n, ==, 16); /* the 16th no longer fits */
        g_assert_cmpint(tree_xattr_set(t, f, "user.3", value, 64 * 1024, 0, 1), ==, 0); /* replaces */
        g_assert_cmpint(tree_xattr_remove(t, f, "user.0", 1), ==, 0);
        g_assert_cmpint(tree_xattr_set(t, f, "user.new", value, 64 * 1024, 0, 1), ==, 0);
        tree_free(t);
}

static void test_create_with_acls(void)
{
        Tree *t = tree_new();
        struct tree_attr attr;
        struct tree_new_inode n = { .mode = S_IFDIR | 0755,
                .acl_access = "access",
                .acl_access_size = 6,
                .acl_default = "default",
                .acl_default_size = 7 };
        g_assert_cmpint(tree_create(t, TREE_ROOT, "d", &n, 1, &attr), ==, 0);
        g_assert_true(attr.has_xattrs);
        assert_xattr(t, attr.ino, ACL_XATTR_ACCESS, "access");
        assert_xattr(t, attr.ino, ACL_XATTR_DEFAULT, "default");
        tree_free(t);
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/tree/create", test_create);
        g_test_add_func("/tree/create-with-acls", test_create_with_acls);
        g_test_add_func("/tree/name-errors", test_name_errors);
        g_test_add_func("/tree/paths", test_paths);
        g_test_add_func("/tree/references", test_references);
        g_test_add_func("/tree/removed-directory", test_removed_directory);
        g_test_add_func("/tree/links", test_links);
        g_test_add_func("/tree/memory-returns", test_memory_returns);
        g_test_add_func("/tree/setattr", test_setattr);
        g_test_add_func("/tree/xattrs/set", test_xattrs);
        g_test_add_func("/tree/xattrs/limits", test_xattr_limits);
        return g_test_run();
}

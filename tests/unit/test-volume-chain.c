/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Incremental indexes on a volume: which kind is written when, and that a mount finds the same tree. */
#include <linux/fs.h>

#include "volume-rig.h"

#define FILES 600 /* a full index of these takes more than any that is always written in full */
#define NAME_MAX_LENGTH 32

static void start(struct rig *r)
{
        char name[NAME_MAX_LENGTH];
        rig_init(r, NULL);
        rig_format(r);
        rig_mount(r);
        rig_write(r, "data", 3 * RIG_BLOCK, 1);
        for (int d = 0; d < 4; d++) {
                snprintf(name, sizeof(name), "d%d", d);
                uint64_t dir = make_dir(r->tree, TREE_ROOT, name);
                for (int i = 0; i < FILES / 4; i++) {
                        snprintf(name, sizeof(name), "a file of some name %d", i);
                        make_file(r->tree, dir, name);
                }
        }
        g_assert_cmpint(rig_commit(r), ==, 0);
}

static uint64_t index_length(struct rig *r)
{
        struct volume_info info;
        volume_get_info(r->v, &info);
        return info.index_length;
}

/* What a mount reads is what was there. */
static void assert_remounts(struct rig *r)
{
        /* Names are in the order of their data after a mount. */
        g_autofree char *before = dump_sorted(r->tree);
        rig_remount(r);
        g_autofree char *after = dump_sorted(r->tree);
        g_assert_cmpstr(before, ==, after);
        g_assert_cmpstr(messages->str, ==, "");
        g_assert_cmpuint(rig_problems(r), ==, 0);
        rig_remount(r);
}

static uint64_t lookup(struct rig *r, const char *path)
{
        struct tree_attr a;
        g_assert_cmpint(tree_resolve(r->tree, path, &a), ==, 0);
        tree_unref(r->tree, a.ino, 1);
        return a.ino;
}

/* One file more costs little, on a volume that is not small. */
static void test_small(void)
{
        struct rig r;
        start(&r);
        uint64_t full = index_length(&r);
        g_assert_cmpuint(full, >, 65536);
        rig_write(&r, "new", 2 * RIG_BLOCK + 5, 2);
        g_assert_cmpint(rig_commit(&r), ==, 0);
        g_assert_cmpuint(index_length(&r), <, full / 16);
        assert_remounts(&r);
        rig_verify(&r, "new", 2 * RIG_BLOCK + 5, 2);
        rig_verify(&r, "data", 3 * RIG_BLOCK, 1);
        /* Nothing to do. */
        struct volume_info before, after;
        volume_get_info(r.v, &before);
        g_assert_cmpint(rig_commit(&r), ==, 0);
        volume_get_info(r.v, &after);
        g_assert_cmpuint(before.generation, ==, after.generation);
        rig_clear(&r);
}

/* A small volume always has full ones. */
static void test_always_full(void)
{
        struct rig r;
        rig_start(&r, NULL);
        g_assert_cmpint(rig_commit(&r), ==, 0);
        make_file(r.tree, TREE_ROOT, "x");
        g_assert_cmpint(rig_commit(&r), ==, 0);
        g_autofree char *data = NULL;
        size_t length;
        g_assert_true(g_file_get_contents(r.path, &data, &length, NULL));
        g_assert_null(memmem(data, length, "<ltfsincremental", 16));
        rig_clear(&r);
}

/* Where the search would look at a name or at an inode only. */
static void test_kinds_of_change(void)
{
        struct rig r;
        char name[NAME_MAX_LENGTH];
        start(&r);
        Tree *t = r.tree;
        uint64_t d0 = lookup(&r, "d0"), d1 = lookup(&r, "d1"), d2 = lookup(&r, "d2");
        struct tree_attr a;
        const struct tree_attr mode = { .mode = 0600 };
        g_assert_cmpint(tree_rename(t, TREE_ROOT, "d3", d2, "moved", 0, 5), ==, 0);
        g_assert_cmpint(tree_unlink(t, d0, "a file of some name 7", 6), ==, 0);
        g_assert_cmpint(
                tree_rename(t, d0, "a file of some name 1", d0, "a file of some name 2", 0, 7), ==, 0);
        g_assert_cmpint(
                tree_rename(t, d1, "a file of some name 3", d0, "a file of some name 3", RENAME_EXCHANGE, 8),
                ==, 0);
        g_assert_cmpint(tree_link(t, lookup(&r, "d1/a file of some name 4"), d2, "linked", 9, &a), ==, 0);
        tree_unref(t, a.ino, 1);
        g_assert_cmpint(
                tree_setattr(t, lookup(&r, "d1/a file of some name 5"), TREE_SET_MODE, &mode, NULL), ==, 0);
        g_assert_cmpint(tree_xattr_set(t, d1, "user.x", "1", 1, 0, 10), ==, 0);
        make(t, d1, "symlink", S_IFLNK | 0777, "a target", 0);
        for (int i = 0; i < 3; i++) {
                snprintf(name, sizeof(name), "gone %d", i);
                make_dir(t, d2, name);
                g_assert_cmpint(rig_commit(&r), ==, 0);
                g_assert_cmpint(tree_rmdir(t, d2, name, 11), ==, 0);
        }
        g_assert_cmpint(rig_commit(&r), ==, 0);
        assert_remounts(&r);
        g_assert_cmpint(tree_resolve(r.tree, "d2/moved/a file of some name 9", &a), ==, 0);
        tree_unref(r.tree, a.ino, 1);
        g_assert_cmpint(tree_resolve(r.tree, "d3", &a), ==, -ENOENT);
        g_assert_cmpint(tree_resolve(r.tree, "d2/gone 0", &a), ==, -ENOENT);
        rig_clear(&r);
}

/* Many, with mounts in between: each 16th has all changes, so none of them is far from a full one. */
static void test_long_chain(void)
{
        struct rig r;
        char name[NAME_MAX_LENGTH];
        unsigned cumulative = 0, full = 0;
        start(&r);
        for (unsigned i = 0; i < 60; i++) {
                snprintf(name, sizeof(name), "new %u", i);
                uint64_t before = index_length(&r);
                rig_write(&r, name, i % 3 * RIG_BLOCK + i, i);
                if (i > 3) {
                        snprintf(name, sizeof(name), "new %u", i - 3);
                        g_assert_cmpint(tree_unlink(r.tree, TREE_ROOT, name, i), ==, 0);
                }
                g_assert_cmpint(rig_commit(&r), ==, 0);
                full += index_length(&r) > 65536;
                cumulative += index_length(&r) > before + before / 2 && index_length(&r) <= 65536;
                if (i % 7 == 0)
                        assert_remounts(&r);
        }
        g_assert_cmpuint(cumulative + full, >=, 2);
        assert_remounts(&r);
        rig_verify(&r, "new 59", 59 % 3 * RIG_BLOCK + 59, 59);
        rig_clear(&r);
}

/* Too much has changed. */
static void test_full_again(void)
{
        struct rig r;
        start(&r);
        uint64_t full = index_length(&r), d0 = lookup(&r, "d0");
        const struct tree_attr owner = { .uid = 77 };
        char name[NAME_MAX_LENGTH];
        for (int i = 0; i < FILES / 2; i++) {
                snprintf(name, sizeof(name), "d%d/a file of some name %d", i % 2, i / 2);
                g_assert_cmpint(tree_setattr(r.tree, lookup(&r, name), TREE_SET_UID, &owner, NULL), ==, 0);
        }
        g_assert_cmpint(tree_xattr_set(r.tree, d0, "user.x", "1", 1, 0, 10), ==, 0);
        g_assert_cmpint(rig_commit(&r), ==, 0);
        g_assert_cmpuint(index_length(&r), >, full / 2);
        assert_remounts(&r);
        rig_clear(&r);
}

/* A segment that was queued at a commit is named by the next one, though nothing else has changed. */
static void test_left_out(void)
{
        struct rig r;
        g_autofree uint8_t *data = pattern(RIG_BLOCK, 5);
        struct iovec iov = { data, RIG_BLOCK };
        struct tree_attr a;
        start(&r);
        uint64_t id = volume_segment_new(r.v, SEGMENT_FILE), ino = make_file(r.tree, TREE_ROOT, "late");
        put_extent(r.tree, ino, 0, RIG_BLOCK, id, 0);
        g_assert_cmpint(rig_commit(&r), ==, 0);
        g_assert_cmpint(volume_append(r.v, id, &iov, 1, true), ==, 0);
        g_assert_true(volume_is_dirty(r.v, r.tree));
        g_assert_cmpint(rig_commit(&r), ==, 0);
        g_assert_false(volume_is_dirty(r.v, r.tree));
        rig_remount(&r);
        g_assert_cmpint(tree_resolve(r.tree, "late", &a), ==, 0);
        tree_unref(r.tree, a.ino, 1);
        g_assert_cmpuint(a.size, ==, RIG_BLOCK);
        rig_verify(&r, "late", RIG_BLOCK, 5);
        rig_clear(&r);
}

/* Overwrites what the last place of from in the cartridge's file begins with. */
static void spoil(struct rig *r, const char *from)
{
        g_autofree char *data = NULL;
        size_t length, n = strlen(from);
        char *found = NULL;
        rig_unload(r);
        g_assert_true(g_file_get_contents(r->path, &data, &length, NULL));
        for (char *p = data; (p = memmem(p, length - (size_t)(p - data), from, n)); p++)
                found = p;
        g_assert_nonnull(found);
        FILE *f = fopen(r->path, "r+b");
        g_assert_cmpint(fseek(f, found - data, SEEK_SET), ==, 0);
        g_assert_cmpint(fputc('?', f), ==, '?');
        g_assert_cmpint(fclose(f), ==, 0);
        rig_load(r);
        catch_messages();
}

/* One that the last one builds on is not valid: the one before that counts, and nothing is written. */
static void test_damaged(void)
{
        struct rig r;
        struct tree_attr a;
        struct volume_info info;
        start(&r);
        for (char i = 'a'; i <= 'd'; i++) {
                make_file(r.tree, TREE_ROOT, (char[]){ 'n', i, 0 });
                g_assert_cmpint(rig_commit(&r), ==, 0);
        }
        spoil(&r, "<name>nc</name>");
        rig_mount(&r);
        assert_message("damaged");
        volume_get_info(r.v, &info);
        g_assert_true(info.read_only);
        g_assert_cmpuint(info.generation, ==, 4); /* format, start, na, nb */
        g_assert_cmpint(tree_resolve(r.tree, "nb", &a), ==, 0);
        tree_unref(r.tree, a.ino, 1);
        g_assert_cmpint(tree_resolve(r.tree, "nc", &a), ==, -ENOENT);
        rig_clear(&r);
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/chain/small", test_small);
        g_test_add_func("/chain/always-full", test_always_full);
        g_test_add_func("/chain/kinds-of-change", test_kinds_of_change);
        g_test_add_func("/chain/long", test_long_chain);
        g_test_add_func("/chain/full-again", test_full_again);
        g_test_add_func("/chain/left-out", test_left_out);
        g_test_add_func("/chain/damaged", test_damaged);
        return g_test_run();
}

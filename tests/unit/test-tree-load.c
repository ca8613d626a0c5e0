/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Loading a tree from entries, walking it back out, and what a million files take. */
#include <errno.h>
#include <glib.h>
#include <malloc.h>
#include <string.h>
#include <sys/stat.h>

#include <reelfs/tree.h>

static int load(Tree *t, uint64_t parent, const char *name, uint64_t fileuid, uint64_t id, uint32_t mode)
{
        struct tree_entry e = {
                .fileuid = fileuid, .name = name, .ino = id, .attr.mode = mode, .target = "target"
        };
        uint64_t ino;
        return tree_load(t, parent, &e, &ino);
}

static int load_extents(Tree *t, const char *name, uint64_t fileuid, uint64_t size,
        const struct tree_extent *extents, size_t n)
{
        struct tree_entry e = { .fileuid = fileuid,
                .name = name,
                .ino = fileuid,
                .attr.mode = S_IFREG | 0600,
                .attr.size = size,
                .extents = extents,
                .n_extents = n };
        uint64_t ino;
        return tree_load(t, TREE_ROOT, &e, &ino);
}

static void test_names(void)
{
        Tree *t = tree_new();
        g_autofree char *longest = g_strnfill(TREE_NAME_MAX, 'x'),
                        *too_long = g_strnfill(TREE_NAME_MAX + 1, 'x');
        g_assert_cmpint(load(t, TREE_ROOT, "d", 10, 10, S_IFDIR | 0755), ==, 0);
        g_assert_cmpint(load(t, 10, "f", 11, 11, S_IFREG | 0644), ==, 0);
        g_assert_cmpint(load(t, 10, longest, 12, 12, S_IFREG | 0644), ==, 0);
        static const char *const bad[] = { "", ".", "..", "/", "a/b" };
        for (size_t i = 0; i < G_N_ELEMENTS(bad); i++)
                g_assert_cmpint(load(t, 10, bad[i], 13, 13, S_IFREG), ==, -EINVAL);
        g_assert_cmpint(load(t, 10, too_long, 13, 13, S_IFREG), ==, -EINVAL);
        g_assert_cmpint(load(t, 10, "f", 13, 13, S_IFREG), ==, -EEXIST);
        g_assert_cmpint(load(t, 10, "g", 0, 13, S_IFREG), ==, -EINVAL);
        g_assert_cmpint(load(t, 10, "g", 13, 0, S_IFREG), ==, -EINVAL);
        g_assert_cmpint(load(t, 10, "g", 13, 13, 0644), ==, -EINVAL); /* no type */
        g_assert_cmpint(load(t, 11, "g", 13, 13, S_IFREG), ==, -ENOTDIR);
        g_assert_cmpint(load(t, 99, "g", 13, 13, S_IFREG), ==, -ESTALE);
        struct tree_entry symlink = { .fileuid = 13, .name = "s", .ino = 13, .attr.mode = S_IFLNK | 0777 };
        uint64_t ino;
        g_assert_cmpint(tree_load(t, 10, &symlink, &ino), ==, -EINVAL);
        struct tree_counts counts;
        tree_get_counts(t, &counts);
        g_assert_cmpuint(counts.names, ==, 3);
        g_assert_cmpuint(counts.inodes, ==, 4);
        g_assert_cmpuint(tree_highest_fileuid(t), ==, 12);
        tree_free(t);
}

static void test_links(void)
{
        Tree *t = tree_new();
        struct tree_attr attr;
        g_assert_cmpint(load(t, TREE_ROOT, "d", 2, 2, S_IFDIR), ==, 0);
        /* the group's first name comes second, in the order of the directory */
        g_assert_cmpint(load(t, TREE_ROOT, "b", 8, 5, S_IFREG), ==, 0);
        g_assert_cmpint(load(t, TREE_ROOT, "a", 5, 5, S_IFREG), ==, 0);
        g_assert_cmpint(tree_getattr(t, 5, &attr), ==, 0);
        g_assert_cmpuint(attr.nlink, ==, 2);
        /* fileuids in use, by first and further names */
        g_assert_cmpint(load(t, TREE_ROOT, "c", 5, 5, S_IFREG), ==, -EEXIST);
        g_assert_cmpint(load(t, TREE_ROOT, "c", 8, 5, S_IFREG), ==, -EEXIST);
        g_assert_cmpint(load(t, TREE_ROOT, "c", 8, 8, S_IFREG), ==, -EEXIST);
        g_assert_cmpint(load(t, TREE_ROOT, "c", 8, 9, S_IFREG), ==, -EEXIST);
        g_assert_cmpint(load(t, TREE_ROOT, "c", 9, 8, S_IFREG), ==, -EEXIST);
        g_assert_cmpint(load(t, TREE_ROOT, "c", 2, 5, S_IFREG), ==, -EEXIST);
        g_assert_cmpint(load(t, TREE_ROOT, "c", 1, 1, S_IFDIR), ==, -EEXIST);
        /* a directory has one name; a link group one type */
        g_assert_cmpint(load(t, TREE_ROOT, "c", 9, 2, S_IFDIR), ==, -EINVAL);
        g_assert_cmpint(load(t, TREE_ROOT, "c", 9, 2, S_IFREG), ==, -EINVAL);
        g_assert_cmpint(load(t, TREE_ROOT, "c", 9, 5, S_IFDIR), ==, -EINVAL);
        g_assert_cmpint(load(t, TREE_ROOT, "c", 9, 5, S_IFLNK), ==, -EINVAL);
        g_assert_cmpint(load(t, TREE_ROOT, "c", 9, TREE_ROOT, S_IFDIR), ==, -EINVAL);
        /* a name that went leaves its fileuid to whoever brings it again */
        g_assert_cmpint(tree_unlink(t, TREE_ROOT, "b", 1), ==, 0);
        g_assert_cmpint(load(t, TREE_ROOT, "b2", 8, 5, S_IFREG), ==, 0);
        g_assert_cmpint(tree_unlink(t, TREE_ROOT, "a", 1), ==, 0);
        g_assert_cmpint(load(t, TREE_ROOT, "a2", 5, 5, S_IFREG), ==, 0);
        tree_free(t);
}

static void test_extents(void)
{
        Tree *t = tree_new();
        static const struct tree_extent good[] = { { 20, 10, 1, 20 }, { 50, 5, 2, 0 }, { 0, 20, 1, 0 } };
        g_assert_cmpint(load_extents(t, "good", 2, 100, good, 3), ==, 0);
        g_autofree struct tree_extent *e = NULL;
        size_t n;
        g_assert_cmpint(tree_extents(t, 2, &e, &n), ==, 0);
        static const struct tree_extent expected[] = { { 0, 30, 1, 0 }, { 50, 5, 2, 0 } };
        g_assert_cmpmem(e, n * sizeof(*e), expected, sizeof(expected));
        struct tree_attr attr;
        tree_getattr(t, 2, &attr);
        g_assert_cmpuint(attr.bytes, ==, 35);

        static const struct tree_extent bad[][2] = {
                { { 0, 10, 1, 0 }, { 9, 5, 1, 50 } },          /* overlap */
                { { 50, 10, 1, 0 }, { 45, 6, 1, 50 } },        /* in the other order */
                { { 0, 10, 1, 0 }, { 95, 6, 1, 0 } },          /* beyond the size */
                { { 0, 10, 1, 0 }, { 10, 0, 1, 0 } },          /* void */
                { { 0, 10, 1, 0 }, { 10, 1, 0, 0 } },          /* no segment */
                { { 0, 10, 1, 0 }, { UINT64_MAX, 2, 1, 0 } },  /* overflow in the file */
                { { 0, 10, 1, 0 }, { 10, 2, 1, UINT64_MAX } }, /* and in the segment */
        };
        for (size_t i = 0; i < G_N_ELEMENTS(bad); i++)
                g_assert_cmpint(load_extents(t, "bad", 3, 100, bad[i], 2), ==, -EINVAL);
        g_assert_cmpint(load_extents(t, "big", 3, (uint64_t)INT64_MAX + 1, NULL, 0), ==, -EINVAL);
        struct tree_entry dir = {
                .fileuid = 3, .name = "d", .ino = 3, .attr.mode = S_IFDIR, .extents = good, .n_extents = 3
        };
        uint64_t ino;
        g_assert_cmpint(tree_load(t, TREE_ROOT, &dir, &ino), ==, -EINVAL);
        struct tree_counts counts;
        tree_get_counts(t, &counts);
        g_assert_cmpuint(counts.bytes, ==, 100);
        g_assert_cmpuint(counts.inodes, ==, 2);
        tree_free(t);
}

static void test_fileuids_run_out(void)
{
        Tree *t = tree_new();
        struct tree_attr attr, file;
        struct tree_new_inode n = { .mode = S_IFREG };
        tree_set_highest_fileuid(t, 1000);
        tree_set_highest_fileuid(t, 10); /* never down */
        g_assert_cmpint(tree_create(t, TREE_ROOT, "a", &n, 1, &file), ==, 0);
        g_assert_cmpuint(file.ino, ==, 1001);
        g_assert_cmpint(load(t, TREE_ROOT, "b", INT64_MAX - 1, INT64_MAX - 1, S_IFREG), ==, 0);
        g_assert_cmpint(tree_link(t, file.ino, TREE_ROOT, "last", 1, &attr), ==, 0);
        g_assert_cmpuint(tree_highest_fileuid(t), ==, INT64_MAX);
        g_assert_cmpint(tree_create(t, TREE_ROOT, "c", &n, 1, &attr), ==, -ENOSPC);
        g_assert_cmpint(tree_link(t, file.ino, TREE_ROOT, "c", 1, &attr), ==, -ENOSPC);
        tree_free(t);
}

/* ---- Walk */
struct log {
        Tree *tree;
        GString *text;
        const char *stop_at;
};

static int log_xattr(void *ctx, const char *name, const void *value, size_t size)
{
        struct log *log = ctx;
        g_string_append_printf(log->text, "[%s=%.*s]", name, (int)size, (const char *)value);
        return 0;
}

static int log_enter(void *ctx, const struct tree_entry *e)
{
        struct log *log = ctx;
        g_string_append_printf(
                log->text, "%s%s:%" G_GUINT64_FORMAT, S_ISDIR(e->attr.mode) ? "(" : " ", e->name, e->fileuid);
        if (e->ino != e->fileuid)
                g_string_append_printf(log->text, "=%" G_GUINT64_FORMAT, e->ino);
        if (e->target)
                g_string_append_printf(log->text, ">%s", e->target);
        if (e->n_extents > 0)
                g_string_append_printf(log->text, "@%" G_GUINT64_FORMAT, e->extents[0].segment);
        if (log->stop_at && strcmp(e->name, log->stop_at) == 0)
                return -ECANCELED;
        return tree_visit_xattrs(log->tree, e, log_xattr, ctx);
}

static int log_leave(void *ctx, const struct tree_entry *e)
{
        struct log *log = ctx;
        g_string_append_printf(log->text, "%s)", e->name);
        return 0;
}

static const struct tree_visitor logger = { log_enter, log_leave };

static void assert_walk(Tree *t, const char *stop_at, int r, const char *expected)
{
        struct log log = { t, g_string_new(NULL), stop_at };
        g_assert_cmpint(tree_walk(t, &logger, &log), ==, r);
        g_assert_cmpstr(log.text->str, ==, expected);
        g_string_free(log.text, TRUE);
}

static void test_walk(void)
{
        Tree *t = tree_new();
        assert_walk(t, NULL, 0, "(:1)");
        static const struct tree_extent e = { 0, 10, 7, 0 };
        g_assert_cmpint(load(t, TREE_ROOT, "d", 2, 2, S_IFDIR), ==, 0);
        g_assert_cmpint(load_extents(t, "f", 3, 10, &e, 1), ==, 0);
        g_assert_cmpint(load(t, 2, "s", 4, 4, S_IFLNK), ==, 0);
        g_assert_cmpint(load(t, 2, "e", 5, 5, S_IFDIR), ==, 0);
        g_assert_cmpint(load(t, 2, "gone", 6, 6, S_IFREG), ==, 0);
        g_assert_cmpint(load(t, 2, "h", 7, 3, S_IFREG), ==, 0);
        g_assert_cmpint(tree_unlink(t, 2, "gone", 1), ==, 0);
        g_assert_cmpint(tree_xattr_set(t, 3, "user.a", "1", 1, 0, 0), ==, 0);
        g_assert_cmpint(tree_xattr_set(t, 3, "user.b", "", 0, 0, 0), ==, 0);
        assert_walk(t, NULL, 0,
                "(:1(d:2 s:4>target(e:5e) h:7=3@7[user.a=1][user.b=]d) f:3@7[user.a=1][user.b=])");
        assert_walk(t, "e", -ECANCELED, "(:1(d:2 s:4>target(e:5");
        tree_free(t);
}

struct copy {
        Tree *from, *to;
        uint64_t parent, last;
        GArray *parents;
};

static int copy_xattr(void *ctx, const char *name, const void *value, size_t size)
{
        struct copy *c = ctx;
        return tree_xattr_set(c->to, c->last, name, value, size, 0, 0);
}

static int copy_enter(void *ctx, const struct tree_entry *e)
{
        struct copy *c = ctx;
        uint64_t parent = c->parents->len > 0 ? g_array_index(c->parents, uint64_t, c->parents->len - 1) : 0;
        int r = tree_load(c->to, parent, e, &c->last);
        if (r == 0 && S_ISDIR(e->attr.mode))
                g_array_append_val(c->parents, c->last);
        return r < 0 ? r : tree_visit_xattrs(c->from, e, copy_xattr, c);
}

static int copy_leave(void *ctx, const struct tree_entry *e)
{
        struct copy *c = ctx;
        g_array_set_size(c->parents, c->parents->len - 1);
        return 0;
}

/* What is loaded from a walk is the same again, all attributes included. */
static void test_copy(void)
{
        Tree *a = tree_new(), *b = tree_new();
        static const struct tree_extent extents[] = { { 0, 10, 7, 0 }, { 20, 10, 8, 5 } };
        struct tree_entry root = { .fileuid = TREE_ROOT,
                .name = "",
                .attr = { .mode = S_IFDIR | 01770, .uid = 4, .gid = 5, .times = { 1, 2, 3, 4 } },
                .backup_time = 5,
                .readonly = true };
        struct tree_entry file = { .fileuid = 9,
                .name = "f",
                .ino = 8,
                .attr = { .mode = S_IFREG | 04711,
                        .size = 40,
                        .uid = 6,
                        .gid = 7,
                        .times = { 11, -12, 13, 14 } },
                .backup_time = 15,
                .readonly = true,
                .extents = extents,
                .n_extents = 2 };
        struct tree_entry node = {
                .fileuid = 10, .name = "c", .ino = 10, .attr = { .mode = S_IFCHR, .rdev = 0x105 }
        };
        uint64_t ino;
        g_assert_cmpint(tree_load(a, 0, &root, &ino), ==, 0);
        g_assert_cmpuint(ino, ==, TREE_ROOT);
        g_assert_cmpint(tree_load(a, TREE_ROOT, &file, &ino), ==, 0);
        g_assert_cmpuint(ino, ==, 8);
        g_assert_cmpint(tree_load(a, TREE_ROOT, &node, &ino), ==, 0);
        g_assert_cmpint(tree_xattr_set(a, 8, "user.x", "y", 1, 0, 0), ==, 0);
        root.attr.mode = S_IFREG;
        g_assert_cmpint(tree_load(a, 0, &root, &ino), ==, -EINVAL);

        struct copy c = { .from = a, .to = b, .parents = g_array_new(FALSE, FALSE, sizeof(uint64_t)) };
        static const struct tree_visitor copier = { copy_enter, copy_leave };
        g_assert_cmpint(tree_walk(a, &copier, &c), ==, 0);
        g_array_free(c.parents, TRUE);
        static const uint64_t inos[] = { TREE_ROOT, 8, 10 };
        for (size_t i = 0; i < G_N_ELEMENTS(inos); i++) {
                struct tree_attr x, y;
                memset(&x, 0, sizeof(x));
                memset(&y, 0, sizeof(y));
                g_assert_cmpint(tree_getattr(a, inos[i], &x), ==, 0);
                g_assert_cmpint(tree_getattr(b, inos[i], &y), ==, 0);
                g_assert_cmpuint(x.mode, ==, y.mode);
                g_assert_cmpuint(x.uid, ==, y.uid);
                g_assert_cmpuint(x.gid, ==, y.gid);
                g_assert_cmpuint(x.rdev, ==, y.rdev);
                g_assert_cmpuint(x.size, ==, y.size);
                g_assert_cmpuint(x.bytes, ==, y.bytes);
                g_assert_cmpmem(&x.times, sizeof(x.times), &y.times, sizeof(y.times));
                g_assert_true(x.has_xattrs == y.has_xattrs);
        }
        tree_free(a);
        tree_free(b);
}

static int count_enter(void *ctx, const struct tree_entry *e)
{
        ++*(uint64_t *)ctx;
        return 0;
}

/* No recursion: the stack is 8 MiB, the tree 300000 deep. */
static void test_deep(void)
{
        Tree *t = tree_new();
        uint64_t parent = TREE_ROOT, n = 0;
        for (uint64_t i = 2; i < 300000; i++) {
                g_assert_cmpint(load(t, parent, "d", i, i, S_IFDIR), ==, 0);
                parent = i;
        }
        struct tree_visitor counter = { .enter = count_enter };
        g_assert_cmpint(tree_walk(t, &counter, &n), ==, 0);
        g_assert_cmpuint(n, ==, 299999);
        g_autofree char *path = tree_path(t, parent);
        g_assert_cmpuint(strlen(path), ==, 2 * (299999 - 1));
        g_assert_cmpint(tree_rename(t, TREE_ROOT, "d", parent, "x", 0, 1), ==, -EINVAL);
        tree_free(t);
}

/* Just over a power of two, when the tables are emptiest: the worst case. */
#define MILLION ((UINT64_C(1) << 20) + 1000)

static void test_million(void)
{
        size_t before = mallinfo2().uordblks + mallinfo2().hblkhd;
        Tree *t = tree_new();
        g_test_timer_start();
        for (uint64_t i = 2; i < MILLION; i++) {
                char name[32];
                g_snprintf(name, sizeof(name), "holiday-%08u.jpeg", (unsigned)i);
                struct tree_extent e = { 0, 1000, 1, i * 1000 };
                g_assert_cmpint(load_extents(t, name, i, 1000, &e, 1), ==, 0);
        }
        double seconds = g_test_timer_elapsed();
        size_t used = mallinfo2().uordblks + mallinfo2().hblkhd - before;
        struct tree_counts counts;
        tree_get_counts(t, &counts);
        g_test_message("%" G_GUINT64_FORMAT " files: %.1f bytes each, counted as %.1f; loaded in %.2f s",
                counts.inodes, (double)used / MILLION, (double)counts.memory / MILLION, seconds);
        g_assert_cmpuint(counts.memory / MILLION, <=, 300);
        tree_free(t);
        if (before == 0) {
                g_test_skip("another malloc: mallinfo2 does not know it");
                return;
        }
        g_assert_cmpuint(used / MILLION, <=, 300);
        g_assert_cmpuint(counts.memory, >, used / 10 * 9);
        g_assert_cmpuint(counts.memory, <, used / 10 * 11);
}

/* ---- The order of the tape */

static uint64_t by_segment(void *ctx, const struct tree_extent *first)
{
        return first->segment * 1000 + first->offset;
}

static void load_at(Tree *t, uint64_t parent, const char *name, uint64_t fileuid, uint64_t segment)
{
        const struct tree_extent extent = { 0, 10, segment, 5 };
        const struct tree_entry e = { .fileuid = fileuid,
                .name = name,
                .ino = fileuid,
                .attr = { .mode = segment ? S_IFREG : S_IFDIR, .size = segment ? 10 : 0 },
                .extents = &extent,
                .n_extents = segment ? 1 : 0 };
        uint64_t ino;
        g_assert_cmpint(tree_load(t, parent, &e, &ino), ==, 0);
}

static int note_name(void *ctx, const struct tree_entry *entry)
{
        g_string_append_printf(ctx, "%s ", entry->name);
        return 0;
}

static bool note_listed(void *ctx, const char *name, const struct tree_attr *attr, uint64_t next)
{
        g_string_append_printf(ctx, "%s:%u ", name, (unsigned)next);
        return true;
}

static void test_order(void)
{
        static const struct tree_visitor visitor = { .enter = note_name };
        Tree *t = tree_new();
        g_autoptr(GString) walked = g_string_new(NULL), listed = g_string_new(NULL);
        uint64_t ino;
        load_at(t, TREE_ROOT, "last", 2, 9);
        load_at(t, TREE_ROOT, "outer", 3, 0);
        load_at(t, 3, "o8", 4, 8);
        load_at(t, 3, "empty", 5, 0); /* stays behind o8 */
        load_at(t, 3, "inner", 6, 0);
        load_at(t, 6, "i7", 7, 7);
        load_at(t, 6, "i3", 8, 3);
        load_at(t, TREE_ROOT, "four", 9, 4);
        load_at(t, TREE_ROOT, "one", 10, 1);
        struct tree_entry symlink = {
                .fileuid = 11, .name = "link", .ino = 11, .attr.mode = S_IFLNK, .target = "one"
        };
        g_assert_cmpint(tree_load(t, TREE_ROOT, &symlink, &ino), ==, 0);
        uint64_t changes = tree_changes(t);
        tree_sort(t, by_segment, NULL);
        g_assert_cmpint(tree_walk(t, &visitor, walked), ==, 0);
        g_assert_cmpstr(walked->str, ==, " one link outer inner i3 i7 o8 empty four last ");
        g_assert_cmpint(tree_readdir(t, TREE_ROOT, 0, false, note_listed, listed), ==, 0);
        g_assert_cmpstr(listed->str, ==, "one:2 link:3 outer:4 four:5 last:6 ");
        g_assert_cmpuint(tree_changes(t), ==, changes);
        /* new names come last, those that are there are found */
        struct tree_attr attr;
        const struct tree_new_inode new_file = { .mode = S_IFREG | 0600 };
        g_assert_cmpint(tree_create(t, TREE_ROOT, "new", &new_file, 5, &attr), ==, 0);
        g_assert_cmpint(tree_unlink(t, TREE_ROOT, "link", 6), ==, 0);
        g_string_truncate(listed, 0);
        g_assert_cmpint(tree_readdir(t, TREE_ROOT, 3, false, note_listed, listed), ==, 0);
        g_assert_cmpstr(listed->str, ==, "outer:4 four:5 last:6 new:7 ");
        tree_free(t);
}

/* About as many as an inode takes, and one of them twice. */
static void test_many_xattrs(void)
{
        enum { N = 14000 };
        Tree *t = tree_new();
        g_autofree struct tree_xattr *x = g_new0(struct tree_xattr, N + 1);
        g_autofree char *names = NULL;
        g_autofree void *value = NULL;
        size_t size;
        for (unsigned i = 0; i < N; i++)
                x[i] = (struct tree_xattr){ g_strdup_printf("user.%u", i), "v", 1 };
        x[N] = (struct tree_xattr){ x[7].name, "later", 5 };
        g_assert_cmpint(load(t, TREE_ROOT, "f", 2, 2, S_IFREG), ==, 0);
        g_assert_cmpint(tree_load_xattrs(t, 2, x, N + 1), ==, 0);
        g_assert_cmpint(tree_xattr_get(t, 2, "user.7", &value, &size), ==, 0);
        g_assert_cmpmem(value, size, "later", 5);
        g_assert_cmpint(tree_xattr_list(t, 2, &names, &size), ==, 0);
        g_assert_cmpstr(names, ==, "user.0");
        unsigned n = 0;
        for (size_t i = 0; i < size; i += strlen(names + i) + 1)
                n++;
        g_assert_cmpuint(n, ==, N);
        /* the limit holds */
        g_assert_cmpint(load(t, TREE_ROOT, "g", 3, 3, S_IFREG), ==, 0);
        g_autofree char *large = g_strnfill(64 * 1024, 'x');
        for (unsigned i = 0; i < 20; i++)
                x[i].value = large, x[i].size = 64 * 1024;
        g_assert_cmpint(tree_load_xattrs(t, 3, x, 20), ==, -ENOSPC);
        for (unsigned i = 0; i < N; i++)
                g_free((char *)x[i].name);
        tree_free(t);
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/tree/load/names", test_names);
        g_test_add_func("/tree/load/links", test_links);
        g_test_add_func("/tree/load/extents", test_extents);
        g_test_add_func("/tree/load/fileuids-run-out", test_fileuids_run_out);
        g_test_add_func("/tree/walk/order", test_walk);
        g_test_add_func("/tree/walk/copy", test_copy);
        g_test_add_func("/tree/walk/deep", test_deep);
        g_test_add_func("/tree/load/million", test_million);
        g_test_add_func("/tree/load/order", test_order);
        g_test_add_func("/tree/load/many-xattrs", test_many_xattrs);
        return g_test_run();
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A tree with anything that a mount may put into one, changed at random: what comes back from the documents
 * of its indexes, a full one, a cumulative one and those behind it, has to be that tree in every field.
 * INDEX_SEED repeats a run. */
#include <linux/fs.h>
#include <stdlib.h>
#include <sys/sysmacros.h>

#include <reelfs/acl.h>
#include <reelfs/hash.h>

#include "index-helpers.h"
#include "tree-names.h"

#define ROUNDS 60
#define NAMES_MAX 120

struct world {
        GRand *rand;
        Tree *tree;
        struct segment_table table;
        GArray *names; /* of struct tree_name */
        GString *full, *cumulative;
        GPtrArray *small; /* GString, since then */
        unsigned remounts;
};

static unsigned pick(struct world *w, unsigned n)
{
        return (unsigned)g_rand_int_range(w->rand, 0, (gint32)n);
}

static uint64_t any_number(struct world *w)
{
        return ((uint64_t)g_rand_int(w->rand) << 32 | g_rand_int(w->rand)) >> pick(w, 64);
}

static uint32_t any_id(struct world *w)
{
        static const uint32_t ids[] = { 0, 1000, 1000, INT32_MAX, (uint32_t)INT32_MAX + 1, UINT32_MAX - 1 };
        return ids[pick(w, G_N_ELEMENTS(ids))];
}

static int64_t any_time(struct world *w)
{
        static const int64_t times[] = { 0, -1, 1, INT64_MIN, INT64_MAX, -1000000000, 4294967296000000001 };
        return pick(w, 2) ? times[pick(w, G_N_ELEMENTS(times))] : (int64_t)any_number(w);
}

/* Not empty; from few or from all bytes. The caller frees. */
static char *any_text(struct world *w, size_t max, const char *never)
{
        static const char *const some[] = { " ", "\n", "\r", "\t", "%41", "&amp;", "<", "]]>", "\xc3\xa4",
                "\xff", "\xed\xa0\x80", "\xef\xbf\xbf", "\xf0\x9d\x84\x9e", "\x7f", ":", "\"", "'", "a", "b",
                "\\" };
        GString *s = g_string_new(NULL);
        for (unsigned n = pick(w, 6) ? pick(w, 4) + 1 : (unsigned)max; n > 0; n--) {
                if (pick(w, 8))
                        g_string_append(s, some[pick(w, G_N_ELEMENTS(some))]);
                else
                        g_string_append_c(s, (char)(1 + pick(w, 255)));
        }
        g_string_truncate(s, MIN(s->len, max));
        return g_strdelimit(g_string_free(s, FALSE), never, '_');
}

/* Few enough that names meet. */
static char *any_name(struct world *w)
{
        if (pick(w, 3) == 0)
                return any_text(w, TREE_NAME_MAX, "/");
        return g_strdup_printf("%c", 'a' + (int)pick(w, 12));
}

/* ---- What is in it */

static void look_around(struct world *w)
{
        tree_names_list(w->tree, w->names);
}

static const struct tree_name *any_place(struct world *w)
{
        return &g_array_index(w->names, struct tree_name, pick(w, w->names->len));
}

static uint64_t any_dir(struct world *w)
{
        for (unsigned tries = 0; tries < 8 && w->names->len > 0; tries++) {
                const struct tree_name *n = any_place(w);
                if (S_ISDIR(n->mode))
                        return n->ino;
        }
        return TREE_ROOT;
}

/* ---- What happens to it */

static void create(struct world *w)
{
        static const uint32_t types[] = { S_IFREG, S_IFREG, S_IFREG, S_IFDIR, S_IFDIR, S_IFLNK, S_IFCHR,
                S_IFBLK, S_IFIFO, S_IFSOCK };
        static const uint8_t acl[] = { 2, 0, 0, 0, 1, 0, 7, 0, 255, 255, 255, 255, 4, 0, 5, 0, 255, 255, 255,
                255, 32, 0, 0, 0, 255, 255, 255, 255 };
        g_autofree char *name = any_name(w), *target = any_text(w, 4095, "");
        struct tree_new_inode n = { .mode = types[pick(w, G_N_ELEMENTS(types))] | pick(w, 010000),
                .uid = any_id(w),
                .gid = any_id(w),
                .rdev = makedev(pick(w, 4096), pick(w, 1 << 20)),
                .target = target };
        if (pick(w, 4) == 0) {
                n.acl_access = acl;
                n.acl_access_size = sizeof(acl);
        }
        if (S_ISDIR(n.mode) && pick(w, 4) == 0) {
                n.acl_default = acl;
                n.acl_default_size = sizeof(acl);
        }
        struct tree_attr attr;
        if (tree_create(w->tree, any_dir(w), name, &n, any_time(w), &attr) == 0)
                tree_unref(w->tree, attr.ino, 1);
}

static void change_data(struct world *w, uint64_t ino)
{
        Tree *t = w->tree;
        static const uint64_t sizes[] = { 0, 1, 100, 4096, 9 * BLOCK + 17, INT64_MAX };
        uint64_t size = sizes[pick(w, G_N_ELEMENTS(sizes))];
        struct tree_extent e = { size == INT64_MAX ? 0 : size, 1 + pick(w, BLOCK), pick(w, 2) ? 2 : 5,
                pick(w, 9 * BLOCK) };
        g_autofree char *sha = g_strnfill(HASH_SHA256_TEXT_LENGTH, 'a');
        switch (pick(w, 5)) {
        case 0:
                tree_truncate(t, ino, size, any_time(w));
                break;
        case 1:
                tree_punch(t, ino, size, 1 + pick(w, BLOCK), any_time(w));
                break;
        case 2:
                tree_set_hash(t, ino, g_rand_int(w->rand), pick(w, 2) ? sha : NULL);
                break;
        default:
                tree_put_extent(t, ino, &e, any_time(w));
        }
}

static void change_xattrs(struct world *w, uint64_t ino)
{
        static const char *const names[] = { "user.a", "user.", "user.reelfs.posix", "user.linux.x",
                "user.user.x", "linux.x", "reelfs.posix", "security.capability", ACL_XATTR_DEFAULT,
                "user.ltfs.hash.md5sum" };
        g_autofree char *odd = any_text(w, 255, ""), *value = NULL;
        const char *name = pick(w, 4) ? names[pick(w, G_N_ELEMENTS(names))] : odd;
        static const size_t sizes[] = { 0, 1, 1, 5, 300, 65536 };
        size_t size = sizes[pick(w, G_N_ELEMENTS(sizes))];
        value = g_malloc(size + 1);
        bool text = pick(w, 2);
        for (size_t i = 0; i < size; i++)
                value[i] = text ? " a\n\r\t<&"[pick(w, 7)] : (char)pick(w, 256);
        if (pick(w, 3))
                tree_xattr_set(w->tree, ino, name, value, size, 0, any_time(w));
        else
                tree_xattr_remove(w->tree, ino, name, any_time(w));
}

static void set_attributes(struct world *w, uint64_t ino)
{
        const struct tree_attr a = { .mode = pick(w, 010000),
                .uid = any_id(w),
                .gid = any_id(w),
                .times = { any_time(w), any_time(w), any_time(w), any_time(w) } };
        g_assert_cmpint(tree_setattr(w->tree, ino, pick(w, 128), &a, NULL), ==, 0);
}

static void change_names(struct world *w)
{
        static const unsigned flags[] = { 0, 0, RENAME_NOREPLACE, RENAME_EXCHANGE };
        const struct tree_name *n = any_place(w), *m = any_place(w);
        g_autofree char *name = any_name(w);
        struct tree_attr attr;
        unsigned how = flags[pick(w, G_N_ELEMENTS(flags))];
        switch (pick(w, 5)) {
        case 0:
                (S_ISDIR(n->mode) ? tree_rmdir : tree_unlink)(w->tree, n->parent, n->name, any_time(w));
                break;
        case 1:
                if (tree_link(w->tree, n->ino, any_dir(w), name, any_time(w), &attr) == 0)
                        tree_unref(w->tree, attr.ino, 1);
                break;
        case 2:
                tree_rename(w->tree, n->parent, n->name, any_dir(w), name, how, any_time(w));
                break;
        default:
                tree_rename(w->tree, n->parent, n->name, m->parent, m->name, how, any_time(w));
        }
}

static void step(struct world *w)
{
        look_around(w);
        if (w->names->len < 3 || (w->names->len < NAMES_MAX && pick(w, 3) == 0)) {
                create(w);
                return;
        }
        uint64_t ino = pick(w, 20) ? any_place(w)->ino : TREE_ROOT;
        switch (pick(w, 5)) {
        case 0:
                set_attributes(w, ino);
                break;
        case 1:
                change_xattrs(w, ino);
                break;
        case 2:
                change_data(w, ino);
                break;
        default:
                change_names(w);
        }
}

/* ---- What is written of it, and read */

static void free_text(void *text)
{
        g_string_free(text, TRUE);
}

static void write_index(struct world *w, enum tree_scope scope)
{
        struct index_result result;
        GString *text = encode_scope(
                w->tree, scope, &w->table, scope == TREE_ALL ? NULL : &w->table, pick(w, 4) > 0, &result);
        g_assert_cmpuint(result.cut, ==, 0);
        if (scope == TREE_SINCE_LAST) {
                g_ptr_array_add(w->small, text);
                return;
        }
        g_ptr_array_set_size(w->small, 0);
        g_clear_pointer(&w->cumulative, free_text);
        if (scope == TREE_ALL)
                g_clear_pointer(&w->full, free_text);
        *(scope == TREE_ALL ? &w->full : &w->cumulative) = text;
}

static void take(struct segment_table *table, Tree *tree, const GString *text)
{
        g_autofree char *why = NULL;
        int r = decode_into(table, tree, text->str, text->len, 8192, NULL, &why);
        g_assert_cmpstr(why, ==, "");
        g_assert_cmpint(r, ==, 0);
}

static void check(struct world *w)
{
        struct segment_table table = { 0 };
        Tree *t = tree_new();
        take(&table, t, w->full);
        if (w->cumulative)
                take(&table, t, w->cumulative);
        for (unsigned i = 0; i < w->small->len; i++)
                take(&table, t, w->small->pdata[i]);
        segments_clear(&table);
        g_autofree char *expected = dump_sorted(w->tree), *found = dump_sorted(t);
        g_assert_cmpstr(found, ==, expected);
        if (pick(w, 3) != 0) {
                tree_free(t);
                return;
        }
        tree_free(w->tree);
        w->tree = t;
        w->remounts++;
}

static void run(uint32_t seed)
{
        struct world w = { .rand = g_rand_new_with_seed(seed),
                .tree = tree_new(),
                .names = tree_names_new(),
                .small = g_ptr_array_new_with_free_func(free_text) };
        make_table(&w.table);
        write_index(&w, TREE_ALL);
        for (unsigned i = 0; i < ROUNDS; i++) {
                for (unsigned steps = pick(&w, pick(&w, 4) ? 12 : 100); steps > 0; steps--)
                        step(&w);
                unsigned kind = pick(&w, 20);
                write_index(&w, kind == 0 ? TREE_ALL : kind < 5 ? TREE_SINCE_FULL : TREE_SINCE_LAST);
                check(&w);
        }
        g_test_message("seed %u: %u remounts, %u names at the end", seed, w.remounts, w.names->len);
        tree_free(w.tree);
        segments_clear(&w.table);
        g_array_free(w.names, TRUE);
        g_ptr_array_unref(w.small);
        g_clear_pointer(&w.cumulative, free_text);
        free_text(w.full);
        g_rand_free(w.rand);
}

static void test_property(void)
{
        const char *seed = g_getenv("INDEX_SEED");
        uint32_t first = seed ? (uint32_t)strtoul(seed, NULL, 10) : g_random_int();
        for (uint32_t i = 0; i < (seed ? 1 : 4); i++) {
                g_test_message("INDEX_SEED=%u", first + i);
                run(first + i);
        }
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/index/property", test_property);
        return g_test_run();
}

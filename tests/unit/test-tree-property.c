/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A tree that lives through thousands of random changes and now and then writes an index of a random kind:
 * what is loaded from the last full one, the last cumulative one and those behind it must be that tree, and
 * must be able to go on in its place. TREE_SEED repeats a run. */
#include <glib.h>
#include <linux/fs.h>
#include <stdlib.h>

#include <reelfs/tree.h>

#include "change-helpers.h"
#include "tree-names.h"

#define NAMES 14

struct world {
        GRand *rand;
        Tree *tree;
        int64_t now;
        GArray *names; /* of struct tree_name, all of the tree */
        GArray *dirs;
        uint64_t held; /* an inode with a reference, or 0 */
        GPtrArray *full, *cumulative;
        GPtrArray *small; /* documents since then */
        unsigned walks, remounts;
};

static int pick(struct world *w, int n)
{
        return g_rand_int_range(w->rand, 0, n);
}

static void look_around(struct world *w)
{
        tree_names_list(w->tree, w->names);
        g_array_set_size(w->dirs, 0);
        g_array_append_val(w->dirs, (uint64_t){ TREE_ROOT });
        for (unsigned i = 0; i < w->names->len; i++) {
                const struct tree_name *n = &g_array_index(w->names, struct tree_name, i);
                if (S_ISDIR(n->mode))
                        g_array_append_val(w->dirs, n->ino);
        }
}

static uint64_t any_dir(struct world *w)
{
        return g_array_index(w->dirs, uint64_t, pick(w, (int)w->dirs->len));
}

static void change_inode(struct world *w, uint64_t ino)
{
        Tree *t = w->tree;
        uint64_t at = (uint64_t)pick(w, 50) * 10, length = 10 * (1 + (uint64_t)pick(w, 20));
        struct tree_extent e = { at, length, 1 + (uint64_t)pick(w, 3), at };
        struct tree_attr a = {
                .mode = (uint32_t)pick(w, 01000), .uid = (uint32_t)pick(w, 9), .times = { 1, 2, 3, w->now }
        };
        g_autofree char *name = g_strdup_printf("user.%d", pick(w, 4)),
                        *value = g_strdup_printf("%d", pick(w, 99));
        switch (pick(w, 7)) {
        case 0:
                tree_setattr(t, ino, (unsigned)pick(w, 128), &a, NULL);
                break;
        case 1:
                tree_xattr_set(t, ino, name, value, strlen(value), 0, w->now);
                break;
        case 2:
                tree_xattr_remove(t, ino, name, w->now);
                break;
        case 3:
                tree_truncate(t, ino, at, w->now);
                break;
        case 4:
                tree_punch(t, ino, at, length, w->now);
                break;
        default:
                tree_put_extent(t, ino, &e, w->now);
        }
}

static void remove_all(struct world *w, uint64_t dir)
{
        look_around(w);
        for (unsigned i = w->names->len; i-- > 0;) { /* what is below comes before */
                const struct tree_name *n = &g_array_index(w->names, struct tree_name, i), *up = n;
                for (unsigned j = i; up && up->ino != dir && up->parent != dir;) {
                        uint64_t parent = up->parent;
                        for (up = NULL; j-- > 0 && !up;)
                                if (g_array_index(w->names, struct tree_name, j).ino == parent)
                                        up = &g_array_index(w->names, struct tree_name, j);
                        j++;
                }
                if (up)
                        (S_ISDIR(n->mode) ? tree_rmdir : tree_unlink)(w->tree, n->parent, n->name, w->now);
        }
}

static void create_any(struct world *w, uint64_t dir, const char *name)
{
        static const uint32_t types[] = { S_IFREG, S_IFREG, S_IFDIR, S_IFDIR, S_IFLNK, S_IFCHR };
        uint64_t ino;
        make(w->tree, dir, name, types[pick(w, G_N_ELEMENTS(types))] | 0700, &ino);
}

static void hold(struct world *w, uint64_t ino)
{
        if (w->held)
                tree_unref(w->tree, w->held, 1);
        w->held = ino;
        if (ino)
                tree_ref(w->tree, ino);
}

static void step(struct world *w)
{
        static const unsigned flags[] = { 0, 0, 0, RENAME_NOREPLACE, RENAME_EXCHANGE, RENAME_EXCHANGE };
        Tree *t = w->tree;
        w->now++;
        look_around(w);
        uint64_t dir = any_dir(w);
        char to[2] = { (char)('a' + pick(w, NAMES)), '\0' };
        if (w->names->len < 3 || (w->names->len < 300 && pick(w, 4) == 0)) {
                create_any(w, dir, to);
                return;
        }
        const struct tree_name *n = &g_array_index(w->names, struct tree_name, pick(w, (int)w->names->len));
        const struct tree_name *m = &g_array_index(w->names, struct tree_name, pick(w, (int)w->names->len));
        struct tree_attr attr;
        switch (pick(w, 12)) {
        case 0:
        case 1:
                (S_ISDIR(n->mode) ? tree_rmdir : tree_unlink)(t, n->parent, n->name, w->now);
                break;
        case 2:
        case 3:
                tree_rename(t, n->parent, n->name, dir, to, flags[pick(w, G_N_ELEMENTS(flags))], w->now);
                break;
        case 4:
        case 5:
                tree_rename(t, n->parent, n->name, m->parent, m->name, flags[pick(w, G_N_ELEMENTS(flags))],
                        w->now);
                break;
        case 6:
                if (tree_link(t, n->ino, dir, to, w->now, &attr) == 0)
                        tree_unref(t, attr.ino, 1);
                break;
        case 7:
                if (S_ISDIR(n->mode) && pick(w, 4) == 0)
                        remove_all(w, n->ino);
                break;
        case 8:
                hold(w, pick(w, 2) ? n->ino : 0);
                break;
        default:
                change_inode(w, w->held && pick(w, 4) == 0 ? w->held : n->ino);
        }
}

static Tree *reload(const struct world *w)
{
        Tree *t = tree_new();
        apply_document(t, w->full, true);
        if (w->cumulative)
                apply_document(t, w->cumulative, false);
        for (unsigned i = 0; i < w->small->len; i++)
                apply_document(t, w->small->pdata[i], false);
        tree_set_highest_fileuid(t, tree_highest_fileuid(w->tree));
        return t;
}

static void unref_document(void *document)
{
        g_ptr_array_unref(document);
}

static void walk(struct world *w, enum tree_scope scope, bool in_part)
{
        GPtrArray *document = take_document(w->tree, scope, in_part ? w->rand : NULL);
        w->walks++;
        if (scope == TREE_SINCE_LAST) {
                g_ptr_array_add(w->small, document);
                return;
        }
        g_ptr_array_set_size(w->small, 0);
        g_clear_pointer(&w->cumulative, g_ptr_array_unref);
        if (scope == TREE_SINCE_FULL) {
                w->cumulative = document;
        } else {
                g_clear_pointer(&w->full, g_ptr_array_unref);
                w->full = document;
        }
}

static void check(struct world *w)
{
        Tree *t = reload(w);
        hold(w, 0);
        g_autofree char *expected = describe_tree(w->tree), *found = describe_tree(t);
        g_assert_cmpstr(found, ==, expected);
        if (pick(w, 3) != 0) {
                tree_free(t);
                return;
        }
        struct tree_log_size size;
        tree_get_log_size(t, &size);
        g_assert_cmpuint(size.since_last, ==, 0);
        tree_free(w->tree);
        w->tree = t;
        w->remounts++;
}

static void run(uint32_t seed, unsigned rounds)
{
        struct world w = { .rand = g_rand_new_with_seed(seed),
                .tree = tree_new(),
                .now = 1000,
                .names = tree_names_new(),
                .dirs = g_array_new(FALSE, FALSE, sizeof(uint64_t)),
                .small = g_ptr_array_new_with_free_func(unref_document) };
        walk(&w, TREE_ALL, false);
        for (unsigned i = 0; i < rounds; i++) {
                for (int steps = pick(&w, pick(&w, 4) ? 12 : 300); steps > 0; steps--)
                        step(&w);
                int kind = pick(&w, 20);
                bool in_part = pick(&w, 4) == 0;
                walk(&w, kind == 0 ? TREE_ALL : kind < 5 ? TREE_SINCE_FULL : TREE_SINCE_LAST, in_part);
                if (in_part)
                        walk(&w, pick(&w, 4) ? TREE_SINCE_LAST : TREE_SINCE_FULL, false);
                check(&w);
        }
        g_test_message("seed %u: %u walks, %u remounts, %u names at the end", seed, w.walks, w.remounts,
                (unsigned)counts_of(w.tree).names);
        tree_free(w.tree);
        g_array_free(w.names, TRUE);
        g_array_free(w.dirs, TRUE);
        g_ptr_array_unref(w.small);
        g_clear_pointer(&w.cumulative, g_ptr_array_unref);
        g_ptr_array_unref(w.full);
        g_rand_free(w.rand);
}

static void test_property(void)
{
        const char *seed = g_getenv("TREE_SEED");
        uint32_t first = seed ? (uint32_t)strtoul(seed, NULL, 10) : g_random_int();
        for (uint32_t i = 0; i < (seed ? 1 : 10); i++) {
                g_test_message("TREE_SEED=%u", first + i);
                run(first + i, 120);
        }
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/tree/changes/property", test_property);
        return g_test_run();
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Several threads in the same two directories and the same file: for ThreadSanitizer, and for what must hold
 * after. */
#include <errno.h>
#include <glib.h>
#include <linux/fs.h>
#include <pthread.h>
#include <sys/stat.h>

#include <reelfs/tree.h>

#define THREADS 4
#define ROUNDS 3000
#define NAMES 20

struct shared {
        Tree *tree;
        uint64_t dirs[2], file;
};

struct worker {
        struct shared *shared;
        uint32_t seed;
        pthread_t thread;
};

static bool look(void *ctx, const char *name, const struct tree_attr *attr, uint64_t next)
{
        return ++*(unsigned *)ctx < 5;
}

static void step_names(struct shared *s, GRand *rand, const char *name, const char *other)
{
        Tree *t = s->tree;
        uint64_t dir = s->dirs[g_rand_int_range(rand, 0, 2)], to = s->dirs[g_rand_int_range(rand, 0, 2)];
        struct tree_attr attr;
        struct tree_new_inode n = { .mode = (g_rand_int_range(rand, 0, 4) ? S_IFREG : S_IFDIR) | 0700 };
        static const unsigned flags[] = { 0, 0, RENAME_NOREPLACE, RENAME_EXCHANGE };
        switch (g_rand_int_range(rand, 0, 6)) {
        case 0:
                if (tree_create(t, dir, name, &n, 1, &attr) == 0)
                        tree_unref(t, attr.ino, 1);
                break;
        case 1:
                if (tree_lookup(t, dir, name, &attr) == 0) {
                        struct tree_attr link;
                        if (tree_link(t, attr.ino, to, other, 1, &link) == 0)
                                tree_unref(t, link.ino, 1);
                        tree_unref(t, attr.ino, 1);
                }
                break;
        case 2:
                tree_unlink(t, dir, name, 1);
                break;
        case 3:
                tree_rmdir(t, dir, name, 1);
                break;
        default:
                tree_rename(t, dir, name, to, other, flags[g_rand_int_range(rand, 0, 4)], 1);
        }
}

static void step_data(struct shared *s, GRand *rand)
{
        Tree *t = s->tree;
        uint64_t at = (uint64_t)g_rand_int_range(rand, 0, 1000);
        struct tree_extent e = { at, 10, 1 + at % 2, at }, map[4];
        struct tree_attr attr;
        size_t n;
        unsigned seen = 0;
        g_assert_cmpint(tree_put_extent(t, s->file, &e, 1), ==, 0);
        g_assert_cmpint(tree_map(t, s->file, at, 100, map, 4, &n, NULL), ==, 0);
        g_assert_cmpint(tree_punch(t, s->file, at + 300, 50, 1), ==, 0);
        g_assert_cmpint(tree_xattr_set(t, s->file, "user.x", &at, sizeof(at), 0, 1), ==, 0);
        g_assert_cmpint(tree_getattr(t, s->file, &attr), ==, 0);
        g_assert_cmpint(tree_readdir(t, s->dirs[0], at, false, look, &seen), ==, 0);
        (void)tree_changes(t);
}

static void *work(void *arg)
{
        struct worker *w = arg;
        g_autoptr(GRand) rand = g_rand_new_with_seed(w->seed);
        for (int i = 0; i < ROUNDS; i++) {
                g_autofree char *name = g_strdup_printf("n%d", g_rand_int_range(rand, 0, NAMES));
                g_autofree char *other = g_strdup_printf("n%d", g_rand_int_range(rand, 0, NAMES));
                step_names(w->shared, rand, name, other);
                if (i % 4 == 0)
                        step_data(w->shared, rand);
        }
        return NULL;
}

static int commit_enter(void *ctx, const struct tree_entry *e, bool changed)
{
        ++*(unsigned *)ctx;
        return 0;
}

/* Indexes meanwhile. */
static void *commit(void *arg)
{
        static const struct tree_change_visitor visitor = { .enter = commit_enter };
        struct shared *s = arg;
        unsigned told = 0;
        for (int i = 0; i < ROUNDS / 10; i++) {
                struct tree_log_size size;
                enum tree_scope scope = i % 10 == 0 ? TREE_ALL
                        : i % 10 == 5               ? TREE_SINCE_FULL
                                                    : TREE_SINCE_LAST;
                g_assert_cmpint(tree_commit_walk(s->tree, scope, &visitor, &told), ==, 0);
                tree_get_log_size(s->tree, &size);
                g_assert_false(size.overflowed);
        }
        g_assert_cmpuint(told, >=, ROUNDS / 10);
        return NULL;
}

struct tally {
        uint64_t names;
        GHashTable *inodes;
};

static int tally_enter(void *ctx, const struct tree_entry *e)
{
        struct tally *c = ctx;
        if (e->name[0])
                c->names++;
        g_hash_table_add(c->inodes, GSIZE_TO_POINTER((gsize)e->ino));
        return 0;
}

static void test_threads(void)
{
        struct shared s = { .tree = tree_new() };
        struct tree_attr attr;
        struct tree_new_inode dir = { .mode = S_IFDIR | 0755 }, file = { .mode = S_IFREG | 0644 };
        for (int i = 0; i < 2; i++) {
                g_assert_cmpint(tree_create(s.tree, TREE_ROOT, i ? "a" : "b", &dir, 1, &attr), ==, 0);
                s.dirs[i] = attr.ino;
        }
        g_assert_cmpint(tree_create(s.tree, TREE_ROOT, "f", &file, 1, &attr), ==, 0);
        s.file = attr.ino;
        struct worker workers[THREADS];
        for (uint32_t i = 0; i < THREADS; i++) {
                workers[i] = (struct worker){ .shared = &s, .seed = i };
                g_assert_cmpint(pthread_create(&workers[i].thread, NULL, work, &workers[i]), ==, 0);
        }
        pthread_t committer;
        g_assert_cmpint(pthread_create(&committer, NULL, commit, &s), ==, 0);
        for (int i = 0; i < THREADS; i++)
                pthread_join(workers[i].thread, NULL);
        pthread_join(committer, NULL);

        /* every reference was given back: what the walk finds is all there is */
        struct tally tally = { 0, g_hash_table_new(NULL, NULL) };
        struct tree_visitor v = { .enter = tally_enter };
        g_assert_cmpint(tree_walk(s.tree, &v, &tally), ==, 0);
        struct tree_counts counts;
        tree_get_counts(s.tree, &counts);
        g_assert_cmpuint(counts.names, ==, tally.names);
        g_assert_cmpuint(counts.inodes, ==, g_hash_table_size(tally.inodes));
        g_hash_table_unref(tally.inodes);
        tree_free(s.tree);
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/tree/threads", test_threads);
        return g_test_run();
}

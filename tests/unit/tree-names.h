/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* All names of a tree, for tests that pick some at random. */
#include <glib.h>
#include <sys/stat.h>

#include <reelfs/tree.h>

struct tree_name {
        uint64_t parent, ino;
        uint32_t mode;
        char *name;
};

static inline void tree_name_clear(void *mem)
{
        g_free(((struct tree_name *)mem)->name);
}

/* Of struct tree_name. */
static inline GArray *tree_names_new(void)
{
        GArray *names = g_array_new(FALSE, FALSE, sizeof(struct tree_name));
        g_array_set_clear_func(names, tree_name_clear);
        return names;
}

struct tree_names_walk {
        GArray *names;
        GArray *stack; /* of the directories that were entered */
};

static inline int tree_names_enter(void *ctx, const struct tree_entry *e)
{
        struct tree_names_walk *w = ctx;
        if (e->name[0]) {
                struct tree_name n = { g_array_index(w->stack, uint64_t, w->stack->len - 1), e->ino,
                        e->attr.mode, g_strdup(e->name) };
                g_array_append_val(w->names, n);
        }
        if (S_ISDIR(e->attr.mode))
                g_array_append_val(w->stack, e->ino);
        return 0;
}

static inline int tree_names_leave(void *ctx, const struct tree_entry *e)
{
        struct tree_names_walk *w = ctx;
        g_array_set_size(w->stack, w->stack->len - 1);
        return 0;
}

/* Directories before what is in them. */
static inline void tree_names_list(Tree *t, GArray *names)
{
        static const struct tree_visitor v = { tree_names_enter, tree_names_leave };
        g_autoptr(GArray) stack = g_array_new(FALSE, FALSE, sizeof(uint64_t));
        struct tree_names_walk w = { names, stack };
        g_array_set_size(names, 0);
        g_assert_cmpint(tree_walk(t, &v, &w), ==, 0);
}

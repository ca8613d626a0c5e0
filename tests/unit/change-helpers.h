/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* For the tests of incremental indexes: a walk over changes kept as a document, a document put upon a tree,
 * and a tree as text. */
#include <glib.h>
#include <inttypes.h>
#include <string.h>

#include "tree-helpers.h"

enum op { OP_ENTER, OP_PATH, OP_LEAVE, OP_GONE };

struct change_op {
        enum op op;
        struct tree_entry entry; /* all that it points to is its own */
        GArray *xattrs;          /* of struct tree_xattr */
};

static inline void change_op_free(void *mem)
{
        struct change_op *o = mem;
        for (unsigned i = 0; o->xattrs && i < o->xattrs->len; i++) {
                g_free((char *)g_array_index(o->xattrs, struct tree_xattr, i).name);
                g_free((void *)g_array_index(o->xattrs, struct tree_xattr, i).value);
        }
        if (o->xattrs)
                g_array_free(o->xattrs, TRUE);
        g_free((char *)o->entry.name);
        g_free((char *)o->entry.target);
        g_free((void *)o->entry.extents);
        g_free(o);
}

struct recorder {
        Tree *tree;
        GPtrArray *document;     /* of struct change_op */
        GArray *xattrs;          /* of the entry at hand */
        GRand *note_again_among; /* files of which only a part is told; or NULL */
};

static inline int record_xattr(void *ctx, const char *name, const void *value, size_t size)
{
        struct recorder *r = ctx;
        struct tree_xattr x = { g_strdup(name), g_memdup2(value, size), size };
        g_array_append_val(r->xattrs, x);
        return 0;
}

static inline struct change_op *record(struct recorder *r, enum op op, const char *name)
{
        struct change_op *o = g_new0(struct change_op, 1);
        o->op = op;
        o->entry.name = g_strdup(name);
        g_ptr_array_add(r->document, o);
        return o;
}

static inline int record_enter(void *ctx, const struct tree_entry *e, bool changed)
{
        struct recorder *r = ctx;
        struct change_op *o = record(r, changed ? OP_ENTER : OP_PATH, e->name);
        bool again = changed && S_ISREG(e->attr.mode) && r->note_again_among &&
                g_rand_int_range(r->note_again_among, 0, 3) == 0;
        const char *name = o->entry.name;
        o->entry = *e;
        o->entry.name = name;
        o->entry.target = g_strdup(e->target);
        o->entry.n_extents = again ? 0 : e->n_extents;
        o->entry.extents = g_memdup2(e->extents, o->entry.n_extents * sizeof(*e->extents));
        o->xattrs = r->xattrs = g_array_new(FALSE, FALSE, sizeof(struct tree_xattr));
        g_assert_cmpint(tree_visit_xattrs(r->tree, e, record_xattr, r), ==, 0);
        return again ? TREE_NOTE_AGAIN : 0;
}

static inline int record_leave(void *ctx, const struct tree_entry *e)
{
        record(ctx, OP_LEAVE, e->name);
        return 0;
}

static inline int record_gone(void *ctx, const char *name)
{
        record(ctx, OP_GONE, name);
        return 0;
}

static const struct tree_change_visitor recording = { record_enter, record_leave, record_gone };

/* What tree_commit_walk tells. */
static inline GPtrArray *take_document(Tree *t, enum tree_scope scope, GRand *note_again_among)
{
        struct recorder r = { t, g_ptr_array_new_with_free_func(change_op_free), NULL, note_again_among };
        g_assert_cmpint(tree_commit_walk(t, scope, &recording, &r), ==, 0);
        return r.document;
}

/* As text: "+name(" a changed one, "name(" one on the path, "-name" one that is gone. */
static inline char *show_document(const GPtrArray *document)
{
        GString *s = g_string_new(NULL);
        for (unsigned i = 0; i < document->len; i++) {
                const struct change_op *o = document->pdata[i];
                bool dir = S_ISDIR(o->entry.attr.mode);
                static const char *const before[] = { "+", "", "", "-" };
                if (o->op == OP_LEAVE)
                        g_string_append(s, ") ");
                else
                        g_string_append_printf(s, "%s%s%s", before[o->op], o->entry.name, dir ? "( " : " ");
        }
        return g_string_free(s, FALSE);
}

static inline uint64_t path_ino(Tree *t, uint64_t parent, const struct tree_entry *e)
{
        struct tree_attr attr;
        if (e->name[0] == '\0')
                return TREE_ROOT;
        g_assert_cmpint(tree_lookup(t, parent, e->name, &attr), ==, 0);
        tree_unref(t, attr.ino, 1);
        g_assert_cmpuint(attr.ino, ==, e->ino);
        return attr.ino;
}

/* full: as tree_load has it, else by tree_apply, to the end. */
static inline void apply_document(Tree *t, const GPtrArray *document, bool full)
{
        g_autoptr(GArray) parents = g_array_new(FALSE, FALSE, sizeof(uint64_t));
        for (unsigned i = 0; i < document->len; i++) {
                const struct change_op *o = document->pdata[i];
                const struct tree_xattr *x = o->xattrs ? (void *)o->xattrs->data : NULL;
                uint64_t parent = parents->len ? g_array_index(parents, uint64_t, parents->len - 1) : 0, ino;
                if (o->op == OP_LEAVE) {
                        g_array_set_size(parents, parents->len - 1);
                        continue;
                }
                if (o->op == OP_GONE) {
                        g_assert_cmpint(tree_apply_gone(t, parent, o->entry.name), ==, 0);
                        continue;
                }
                if (o->op == OP_PATH) {
                        ino = path_ino(t, parent, &o->entry);
                } else if (!full) {
                        g_assert_cmpint(tree_apply(t, parent, &o->entry, x, o->xattrs->len, &ino), ==, 0);
                        g_assert_cmpuint(ino, ==, o->entry.ino);
                } else {
                        g_assert_cmpint(tree_load(t, parent, &o->entry, &ino), ==, 0);
                        if (attr_of(t, ino).nlink == 1 || S_ISDIR(o->entry.attr.mode))
                                g_assert_cmpint(tree_load_xattrs(t, ino, x, o->xattrs->len), ==, 0);
                }
                if (S_ISDIR(o->entry.attr.mode))
                        g_array_append_val(parents, ino);
        }
        g_assert_cmpuint(parents->len, ==, 0);
        if (!full)
                tree_apply_end(t);
}

struct description {
        Tree *tree;
        GString *path;
        GPtrArray *lines;
};

static inline int describe_xattr(void *ctx, const char *name, const void *value, size_t size)
{
        g_string_append_printf(ctx, " %s=%.*s", name, (int)size, (const char *)value);
        return 0;
}

static inline int describe_enter(void *ctx, const struct tree_entry *e)
{
        struct description *d = ctx;
        const struct tree_attr *a = &e->attr;
        GString *s = g_string_new(NULL);
        g_string_append_printf(s, "%s/%s uid %" PRIu64 " ino %" PRIu64 " %o %u:%u rdev %" PRIu64,
                d->path->str, e->name, e->fileuid, e->ino, a->mode, a->uid, a->gid, a->rdev);
        g_string_append_printf(
                s, " size %" PRIu64 " bytes %" PRIu64 " nlink %u", a->size, a->bytes, a->nlink);
        g_string_append_printf(s,
                " times %" PRId64 " %" PRId64 " %" PRId64 " %" PRId64 " %" PRId64 " ro %d %s", a->times.btime,
                a->times.mtime, a->times.ctime, a->times.atime, e->backup_time, e->readonly,
                e->target ? e->target : "-");
        for (size_t i = 0; i < e->n_extents; i++)
                g_string_append_printf(s, " %" PRIu64 "+%" PRIu64 "=%" PRIu64 ":%" PRIu64,
                        e->extents[i].file_offset, e->extents[i].length, e->extents[i].segment,
                        e->extents[i].offset);
        int r = tree_visit_xattrs(d->tree, e, describe_xattr, s);
        g_ptr_array_add(d->lines, g_string_free(s, FALSE));
        if (S_ISDIR(a->mode))
                g_string_append_printf(d->path, "/%s", e->name);
        return r;
}

static inline int describe_leave(void *ctx, const struct tree_entry *e)
{
        struct description *d = ctx;
        g_string_truncate(d->path, d->path->len - strlen(e->name) - 1);
        return 0;
}

static inline int compare_lines(const void *a, const void *b)
{
        return strcmp(*(char *const *)a, *(char *const *)b);
}

/* All there is in it, whatever the order of its directories. */
static inline char *describe_tree(Tree *t)
{
        struct description d = { t, g_string_new(NULL), g_ptr_array_new_with_free_func(g_free) };
        static const struct tree_visitor v = { describe_enter, describe_leave };
        g_assert_cmpint(tree_walk(t, &v, &d), ==, 0);
        g_ptr_array_sort(d.lines, compare_lines);
        struct tree_counts c = counts_of(t);
        g_ptr_array_add(d.lines,
                g_strdup_printf("%" PRIu64 " inodes %" PRIu64 " names %" PRIu64 " directories %" PRIu64
                                " bytes, highest %" PRIu64,
                        c.inodes, c.names, c.directories, c.bytes, tree_highest_fileuid(t)));
        g_ptr_array_add(d.lines, NULL);
        char *text = g_strjoinv("\n", (char **)d.lines->pdata);
        g_ptr_array_free(d.lines, TRUE);
        g_string_free(d.path, TRUE);
        return text;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is to be restored, and in which order it lies on the tape. No I/O. */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include <reelfs/log.h>
#include <reelfs/util.h>

#include "private.h"

struct making {
        struct plan *p;
        GHashTable *asked; /* paths, "/a/b"; NULL: everything */
        GHashTable *above; /* directories that lead to them */
        GHashTable *links; /* ino -> index + 1, of inodes with several names */
        GString *path;
        GArray *stack; /* struct level */
};

struct level {
        uint32_t node; /* NODE_NONE: not to be restored */
        size_t path_length;
        bool inside;
};

static uint32_t add(struct making *m, const struct tree_entry *e, uint32_t parent, bool attributes)
{
        struct node n = { .ino = e->ino,
                .size = e->attr.size,
                .name = g_string_chunk_insert(m->p->names, e->name),
                .parent = parent,
                .link_to = NODE_NONE,
                .mode = e->attr.mode,
                .has_crc32 = e->attr.has_crc32,
                .has_xattrs = e->attr.has_xattrs,
                .crc32 = e->attr.crc32,
                .attributes = attributes };
        uint32_t index = m->p->nodes->len;
        if (!S_ISDIR(n.mode) && e->attr.nlink > 1) {
                uint32_t first = GPOINTER_TO_UINT(g_hash_table_lookup(m->links, &n.ino));
                n.link_to = first ? first - 1 : NODE_NONE;
                if (!first)
                        g_hash_table_insert(
                                m->links, g_memdup2(&n.ino, sizeof(n.ino)), GUINT_TO_POINTER(index + 1));
        }
        g_array_append_val(m->p->nodes, n);
        return index;
}

static int enter(void *ctx, const struct tree_entry *e)
{
        struct making *m = ctx;
        struct level up = { NODE_NONE, 0, false };
        if (m->stack->len > 0)
                up = g_array_index(m->stack, struct level, m->stack->len - 1);
        g_string_truncate(m->path, up.path_length);
        if (e->name[0] != '\0')
                g_string_append_printf(m->path, "/%s", e->name);
        bool inside = up.inside || !m->asked || g_hash_table_contains(m->asked, m->path->str);
        bool wanted = inside || g_hash_table_contains(m->above, m->path->str);
        uint32_t node = wanted ? add(m, e, up.node, inside) : NODE_NONE;
        if (S_ISDIR(e->attr.mode)) {
                struct level l = { node, m->path->len, inside };
                g_array_append_val(m->stack, l);
        }
        return 0;
}

static int leave(void *ctx, const struct tree_entry *e)
{
        struct making *m = ctx;
        g_array_set_size(m->stack, m->stack->len - 1);
        return 0;
}

static int ask(struct making *m, const char *path)
{
        struct tree_attr attr;
        int r = tree_resolve(m->p->tree, path, &attr);
        if (r < 0)
                return log_error_errno(r, "%s: is not on the tape", path);
        tree_unref(m->p->tree, attr.ino, 1);
        g_autofree char *text = path_from_root(path);
        for (const char *slash = text; (slash = strchr(slash, '/')); slash++)
                g_hash_table_add(m->above, g_strndup(text, (gsize)(slash - text)));
        g_hash_table_add(m->asked, g_steal_pointer(&text));
        return 0;
}

int plan_make(struct plan *p, Volume *volume, Tree *tree, char **paths)
{
        static const struct tree_visitor visitor = { enter, leave };
        *p = (struct plan){ volume, tree, g_array_new(FALSE, TRUE, sizeof(struct node)),
                g_array_new(FALSE, TRUE, sizeof(struct piece)), g_string_chunk_new(65536) };
        g_autoptr(GHashTable) asked = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
        g_autoptr(GHashTable) above = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
        g_autoptr(GHashTable) links = g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, NULL);
        g_autoptr(GString) path = g_string_new(NULL);
        g_autoptr(GArray) stack = g_array_new(FALSE, FALSE, sizeof(struct level));
        bool some = paths && paths[0];
        struct making m = { p, some ? asked : NULL, above, links, path, stack };
        int r = 0;
        for (char **one = paths; r == 0 && some && *one; one++)
                r = ask(&m, *one);
        return r < 0 ? r : tree_walk(tree, &visitor, &m);
}

static int compare(const void *a, const void *b)
{
        const struct piece *x = a, *y = b;
        if (x->block != y->block)
                return x->block < y->block ? -1 : 1;
        return x->offset < y->offset ? -1 : x->offset > y->offset;
}

int plan_pieces(struct plan *p, uint64_t *bytes)
{
        uint32_t block_length = volume_block_length(p->volume);
        *bytes = 0;
        for (uint32_t i = 0; i < p->nodes->len; i++) {
                struct node *node = plan_node(p, i);
                g_autofree struct tree_extent *extents = NULL;
                size_t n = 0;
                if (!S_ISREG(node->mode) || node->link_to != NODE_NONE || node->complete || node->failed)
                        continue;
                int r = tree_extents(p->tree, node->ino, &extents, &n);
                if (r < 0)
                        return log_error_errno(r, "cannot list what is on the tape");
                for (size_t k = 0; k < n; k++) {
                        const struct tree_extent *e = &extents[k];
                        struct segment s = { 0 };
                        volume_segment_get(p->volume, e->segment, &s);
                        struct piece piece = { s.first_block + e->offset / block_length, e->segment,
                                e->offset, e->length, e->file_offset, i };
                        g_array_append_val(p->pieces, piece);
                        *bytes += e->length;
                }
                node->left = (uint32_t)n;
        }
        if (p->pieces->len > 1)
                qsort(p->pieces->data, p->pieces->len, sizeof(struct piece), compare);
        return 0;
}

char *plan_path(const struct plan *p, uint32_t i)
{
        GString *path = g_string_new(plan_node(p, i)->name);
        for (i = plan_node(p, i)->parent; i != NODE_NONE && plan_node(p, i)->parent != NODE_NONE;
                i = plan_node(p, i)->parent) {
                g_string_prepend_c(path, '/');
                g_string_prepend(path, plan_node(p, i)->name);
        }
        return g_string_free(path, FALSE);
}

void plan_clear(struct plan *p)
{
        for (uint32_t i = 0; i < p->nodes->len; i++) {
                hash_parts_clear(&plan_node(p, i)->parts);
                g_free(plan_node(p, i)->sha);
        }
        g_array_unref(p->nodes);
        g_array_unref(p->pieces);
        g_string_chunk_free(p->names);
}

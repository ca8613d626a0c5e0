/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>

#include "model.h"

struct state {
        unsigned step;
        struct node *node; /* NULL: gone */
};

/* Of an inode. */
struct history {
        uint64_t id;
        GArray *states; /* of struct state */
        unsigned names;
        unsigned nameless; /* the step in which its last name went, if names is 0 */
};

struct model {
        unsigned step;
        uint64_t last_id;
        GHashTable *histories; /* path: GArray of struct state */
        GHashTable *inodes;    /* id: struct history */
        GPtrArray *names;      /* of those that are there now; paths, which belong to histories */
};

/* ---- Nodes */

static void clear_part(void *part)
{
        struct part *p = part;
        g_bytes_unref(p->base);
        g_bytes_unref(p->piece);
}

static void clear_node(void *node)
{
        struct node *n = node;
        if (n->part)
                g_rc_box_release_full(n->part, clear_part);
        g_free(n->target);
        g_free(n->attribute);
        g_clear_pointer(&n->content, g_bytes_unref);
}

void node_unref(struct node *n)
{
        if (n)
                g_rc_box_release_full(n, clear_node);
}

struct node *node_new(uint64_t id, uint32_t mode)
{
        struct node *n = g_rc_box_new0(struct node);
        n->id = id;
        n->mode = mode;
        return n;
}

struct node *node_copy(const struct node *n)
{
        struct node *copy = node_new(n->id, n->mode);
        copy->ino = n->ino;
        copy->part = n->part ? g_rc_box_acquire(n->part) : NULL;
        copy->uid = n->uid;
        copy->gid = n->gid;
        copy->mtime = n->mtime;
        copy->target = g_strdup(n->target);
        copy->attribute = g_strdup(n->attribute);
        copy->content = n->content ? g_bytes_ref(n->content) : NULL;
        return copy;
}

void node_set_content(struct node *n, GBytes *content)
{
        if (n->content)
                g_bytes_unref(n->content);
        n->content = content;
}

void node_set_part(struct node *n, const struct part *part)
{
        struct part *copy = part ? (struct part *)g_rc_box_dup(sizeof(*part), part) : NULL;
        if (copy) {
                g_bytes_ref(copy->base);
                g_bytes_ref(copy->piece);
        }
        if (n->part)
                g_rc_box_release_full(n->part, clear_part);
        n->part = copy;
}

/* ---- Histories */

static void clear_state(void *state)
{
        node_unref(((struct state *)state)->node);
}

static void free_history(void *history)
{
        g_array_unref(history);
}

static void free_inode(void *history)
{
        struct history *h = history;
        g_array_unref(h->states);
        g_free(h);
}

static GArray *states_new(void)
{
        GArray *states = g_array_new(FALSE, FALSE, sizeof(struct state));
        g_array_set_clear_func(states, clear_state);
        return states;
}

struct model *model_new(void)
{
        struct model *m = g_new0(struct model, 1);
        m->histories = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, free_history);
        m->inodes = g_hash_table_new_full(g_int64_hash, g_int64_equal, NULL, free_inode);
        m->names = g_ptr_array_new();
        return m;
}

void model_free(struct model *m)
{
        if (!m)
                return;
        g_ptr_array_unref(m->names);
        g_hash_table_unref(m->histories);
        g_hash_table_unref(m->inodes);
        g_free(m);
}

void model_begin_step(struct model *m)
{
        m->step++;
}

unsigned model_step(const struct model *m)
{
        return m->step;
}

uint64_t model_new_id(struct model *m)
{
        return ++m->last_id;
}

static struct node *last_of(GArray *history)
{
        return history->len > 0 ? g_array_index(history, struct state, history->len - 1).node : NULL;
}

const struct node *model_get(const struct model *m, const char *path)
{
        GArray *history = g_hash_table_lookup(m->histories, path);
        return history ? last_of(history) : NULL;
}

/* *key: the path that stays. */
static GArray *history_of(struct model *m, const char *path, char **key)
{
        GArray *history;
        if (g_hash_table_lookup_extended(m->histories, path, (void **)key, (void **)&history))
                return history;
        history = states_new();
        *key = g_strdup(path);
        g_hash_table_insert(m->histories, *key, history);
        return history;
}

static struct history *inode_of(struct model *m, uint64_t id)
{
        struct history *h = g_hash_table_lookup(m->inodes, &id);
        if (h)
                return h;
        h = g_new0(struct history, 1);
        h->id = id;
        h->states = states_new();
        g_hash_table_insert(m->inodes, &h->id, h);
        return h;
}

static void note_state(struct model *m, struct node *n)
{
        struct history *h = inode_of(m, n->id);
        if (last_of(h->states) == n)
                return;
        const struct state s = { m->step, g_rc_box_acquire(n) };
        g_array_append_val(h->states, s);
}

/* A name is of n from now on, and was of old; either may be NULL. */
static void note_name(struct model *m, const struct node *old, const struct node *n)
{
        if (n)
                inode_of(m, n->id)->names++;
        if (!old)
                return;
        struct history *h = inode_of(m, old->id);
        if (--h->names == 0)
                h->nameless = m->step;
}

void model_put(struct model *m, const char *path, struct node *n)
{
        char *key;
        GArray *history = history_of(m, path, &key);
        const struct state s = { m->step, n };
        const struct node *was = last_of(history);
        if (n)
                note_state(m, n);
        note_name(m, was, n);
        g_array_append_val(history, s);
        if (n && !was)
                g_ptr_array_add(m->names, key);
        else if (!n && was)
                g_ptr_array_remove_fast(m->names, key);
}

void model_put_inode(struct model *m, struct node *n)
{
        note_state(m, n);
        for (unsigned i = 0; i < m->names->len; i++)
                if (model_get(m, model_name(m, i))->id == n->id)
                        model_put(m, model_name(m, i), g_rc_box_acquire(n));
        node_unref(n);
}

static bool is_below(const char *path, const char *directory)
{
        size_t n = strlen(directory);
        return strncmp(path, directory, n) == 0 && path[n] == '/';
}

static void move_name(struct model *m, const char *from, const char *to)
{
        struct node *n = last_of(g_hash_table_lookup(m->histories, from));
        model_put(m, to, g_rc_box_acquire(n));
        model_put(m, from, NULL);
}

void model_move(struct model *m, const char *from, const char *to)
{
        g_autoptr(GPtrArray) below = g_ptr_array_new();
        for (unsigned i = 0; i < m->names->len; i++)
                if (is_below(model_name(m, i), from))
                        g_ptr_array_add(below, m->names->pdata[i]);
        move_name(m, from, to);
        for (unsigned i = 0; i < below->len; i++) {
                const char *path = below->pdata[i];
                g_autofree char *new_path = g_strconcat(to, path + strlen(from), NULL);
                move_name(m, path, new_path);
        }
}

bool model_is_empty(const struct model *m, const char *directory)
{
        for (unsigned i = 0; i < m->names->len; i++)
                if (is_below(model_name(m, i), directory))
                        return false;
        return true;
}

unsigned model_count(const struct model *m)
{
        return m->names->len;
}

const char *model_name(const struct model *m, unsigned i)
{
        return m->names->pdata[i];
}

static unsigned states_of(
        GArray *history, unsigned first, unsigned last, const struct node *states[static MODEL_STATES])
{
        unsigned n = 1;
        states[0] = NULL;
        for (unsigned i = 0; history && i < history->len; i++) {
                const struct state *s = &g_array_index(history, struct state, i);
                if (s->step <= first) {
                        states[0] = s->node;
                } else if (s->step <= last) {
                        g_assert(n < MODEL_STATES);
                        states[n++] = s->node;
                }
        }
        return n;
}

unsigned model_states(const struct model *m, const char *path, unsigned first, unsigned last,
        const struct node *states[static MODEL_STATES])
{
        return states_of(g_hash_table_lookup(m->histories, path), first, last, states);
}

unsigned model_inode_states(const struct model *m, uint64_t id, unsigned first, unsigned last,
        const struct node *states[static MODEL_STATES])
{
        const struct history *h = g_hash_table_lookup(m->inodes, &id);
        return states_of(h ? h->states : NULL, first, last, states);
}

const struct node *model_inode(const struct model *m, uint64_t id)
{
        const struct history *h = g_hash_table_lookup(m->inodes, &id);
        return h ? last_of(h->states) : NULL;
}

bool model_is_born(const struct model *m, uint64_t id, unsigned step)
{
        const struct history *h = g_hash_table_lookup(m->inodes, &id);
        return h && g_array_index(h->states, struct state, 0).step <= step;
}

bool model_lives(const struct model *m, uint64_t id, unsigned first, unsigned last)
{
        const struct history *h = g_hash_table_lookup(m->inodes, &id);
        return model_is_born(m, id, first) && (h->names > 0 || h->nameless > last);
}

void model_foreach_inode(const struct model *m, void (*inode)(void *ctx, uint64_t id), void *ctx)
{
        GHashTableIter iter;
        uint64_t *id;
        g_hash_table_iter_init(&iter, m->inodes);
        while (g_hash_table_iter_next(&iter, (void **)&id, NULL))
                inode(ctx, *id);
}

void model_foreach(const struct model *m, void (*name)(void *ctx, const char *path), void *ctx)
{
        GHashTableIter iter;
        char *path;
        g_hash_table_iter_init(&iter, m->histories);
        while (g_hash_table_iter_next(&iter, (void **)&path, NULL))
                name(ctx, path);
}

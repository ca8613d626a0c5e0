/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "check-private.h"

/* Says how much of a file is there. */
#define CUT_OFF_XATTR "user.reelfs-lost"

void check_complain(struct check *c, unsigned *count, const char *path, const char *text)
{
        ++*count;
        g_string_append_printf(c->verdict->text, "  %s: %s\n", path, text);
}

static void free_found(void *found)
{
        struct found *f = found;
        g_free(f->path);
        g_free(f->target);
        g_free(f->attribute);
        g_free(f);
}

/* ---- What is there */

static int take_xattr(void *ctx, const char *name, const void *value, size_t size)
{
        struct found *f = ctx;
        if (strcmp(name, MODEL_XATTR) == 0)
                f->attribute = g_strndup(value, size);
        f->marked |= strcmp(name, CUT_OFF_XATTR) == 0;
        return 0;
}

static int enter(void *ctx, const struct tree_entry *entry)
{
        struct check *c = ctx;
        if (*entry->name) {
                g_string_append_printf(c->at, "/%s", entry->name);
                struct found *f = g_new0(struct found, 1);
                f->path = g_strdup(c->at->str);
                f->attr = entry->attr;
                f->attr.ino = entry->ino;
                f->target = g_strdup(entry->target);
                tree_visit_xattrs(c->tree, entry, take_xattr, f);
                g_ptr_array_add(c->all, f);
                if (!g_hash_table_insert(c->by_path, f->path, f))
                        check_complain(c, &c->verdict->invented, f->path, "is there twice");
        }
        if (!S_ISDIR(entry->attr.mode))
                g_string_truncate(c->at, c->at->len - strlen(entry->name) - 1);
        return 0;
}

static int leave(void *ctx, const struct tree_entry *entry)
{
        struct check *c = ctx;
        if (*entry->name)
                g_string_truncate(c->at, c->at->len - strlen(entry->name) - 1);
        return 0;
}

/* ---- Reading */

/* Whole segments, since most of each is wanted sooner or later. */
static GBytes *read_segment(Volume *v, uint64_t id)
{
        struct segment s;
        size_t n, block = volume_block_length(v);
        if (volume_segment_get(v, id, &s) < 0 || s.first_block == 0)
                return NULL;
        size_t size = (s.length + block - 1) / block * block;
        g_autofree uint8_t *data = g_malloc(size + 1);
        for (size_t at = 0; at < s.length; at += n)
                if (volume_read(v, id, at, data + at, size - at, &n) < 0 || n == 0)
                        return NULL;
        return g_bytes_new_take(g_steal_pointer(&data), s.length);
}

static GBytes *cached_segment(GHashTable *segments, Volume *v, uint64_t id)
{
        GBytes *bytes = g_hash_table_lookup(segments, &id);
        if (bytes)
                return bytes;
        bytes = read_segment(v, id);
        if (bytes)
                g_hash_table_insert(segments, g_memdup2(&id, sizeof(id)), bytes);
        return bytes;
}

static GHashTable *segments_new(void)
{
        return g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, (GDestroyNotify)g_bytes_unref);
}

static GBytes *read_file(GHashTable *segments, Volume *v, Tree *tree, uint64_t ino)
{
        struct tree_attr attr;
        g_autofree struct tree_extent *extents = NULL;
        size_t n = 0;
        if (tree_getattr(tree, ino, &attr) < 0 || tree_extents(tree, ino, &extents, &n) < 0)
                return NULL;
        g_autofree uint8_t *data = g_malloc0(attr.size + 1);
        for (size_t i = 0; i < n; i++) {
                const struct tree_extent *e = &extents[i];
                GBytes *segment = cached_segment(segments, v, e->segment);
                if (!segment || e->offset + e->length > g_bytes_get_size(segment) ||
                        e->file_offset + e->length > attr.size)
                        return NULL;
                const uint8_t *from = g_bytes_get_data(segment, NULL);
                memcpy(data + e->file_offset, from + e->offset, e->length);
        }
        return g_bytes_new_take(g_steal_pointer(&data), attr.size);
}

void check_own_content(uint8_t data[static CHECK_OWN_SIZE], unsigned number)
{
        uint32_t state = number;
        for (size_t i = 0; i < CHECK_OWN_SIZE; i++) {
                state = state * 1664525 + 1013904223;
                data[i] = (uint8_t)(state >> 24);
        }
}

GBytes *check_content(struct check *c, const struct found *f)
{
        return read_file(c->segments, c->volume, c->tree, f->attr.ino);
}

GBytes *check_read(Volume *v, Tree *tree, uint64_t ino)
{
        g_autoptr(GHashTable) segments = segments_new();
        return read_file(segments, v, tree, ino);
}

/* ---- Comparing */

const char *check_difference(const struct found *f, GBytes *content, const struct node *n)
{
        if (!n)
                return "it was not there";
        if ((f->attr.mode & S_IFMT) != (n->mode & S_IFMT))
                return "it is of another type";
        if (S_ISREG(n->mode) && f->attr.size != g_bytes_get_size(n->content))
                return "it has another size";
        if (S_ISREG(n->mode) && !g_bytes_equal(content, n->content))
                return "it has other bytes";
        if (S_ISLNK(n->mode) && g_strcmp0(f->target, n->target) != 0)
                return "it has another target";
        if (f->attr.mode != n->mode || f->attr.uid != n->uid || f->attr.gid != n->gid)
                return "it has another mode or owner";
        if (S_ISREG(n->mode) && f->attr.times.mtime != n->mtime)
                return "it has another time";
        return g_strcmp0(f->attribute, n->attribute) != 0 ? "it has another attribute" : NULL;
}

/* Each byte was at its place in some state, or has not been written. */
static bool is_mixture(GBytes *content, const struct node *const *states, unsigned n)
{
        gsize size;
        const uint8_t *data = g_bytes_get_data(content, &size);
        for (gsize i = 0; i < size; i++) {
                bool was = data[i] == 0;
                for (unsigned k = 0; k < n && !was; k++) {
                        gsize length = 0;
                        const uint8_t *state = NULL;
                        if (states[k] && states[k]->content)
                                state = g_bytes_get_data(states[k]->content, &length);
                        was = i < length && state[i] == data[i];
                }
                if (!was)
                        return false;
        }
        return true;
}

/* A new file whose data was cut off by the crash, and that says so. What had been committed is never replaced
 * by such a one. */
static bool is_beginning(const struct found *f, GBytes *content, const struct node *const *states, unsigned n)
{
        gsize size, whole;
        if (!f->marked || !content || states[0])
                return false;
        const void *data = g_bytes_get_data(content, &size);
        for (unsigned i = 1; i < n; i++) {
                const void *state =
                        states[i] && states[i]->content ? g_bytes_get_data(states[i]->content, &whole) : NULL;
                if (state && size < whole && (size == 0 || memcmp(data, state, size) == 0))
                        return true;
        }
        return false;
}

bool check_is_makeshift(const struct found *f, const struct node *const *states, unsigned n)
{
        if (!S_ISDIR(f->attr.mode) || states[0])
                return false;
        for (unsigned i = 1; i < n; i++)
                if (states[i] && S_ISDIR(states[i]->mode))
                        return true;
        return false;
}

void check_links(struct check *c, const struct found *f, const struct node *n)
{
        uint64_t *ino = g_hash_table_lookup(c->inodes, &n->id),
                 *id = g_hash_table_lookup(c->model_ids, &f->attr.ino);
        if ((ino && *ino != f->attr.ino) || (id && *id != n->id))
                check_complain(c, &c->verdict->lost, f->path, "its hard links are others");
        g_hash_table_insert(c->inodes, g_memdup2(&n->id, 8), g_memdup2(&f->attr.ino, 8));
        g_hash_table_insert(c->model_ids, g_memdup2(&f->attr.ino, 8), g_memdup2(&n->id, 8));
}

static void compare_found(struct check *c, const struct found *f)
{
        const struct node *states[MODEL_STATES];
        unsigned n = model_states(c->window->model, f->path, c->window->acked, c->window->last, states);
        g_autoptr(GBytes) content = NULL;
        const char *last = NULL;
        if (S_ISREG(f->attr.mode))
                content = check_content(c, f);
        /* What a drive that fails has lost is told by the volume, and cannot be read. */
        if (S_ISREG(f->attr.mode) && !content) {
                if (!c->window->faulty || n == 1)
                        check_complain(c, &c->verdict->lost, f->path, "it cannot be read");
                return;
        }
        for (unsigned i = n; i-- > 0;) {
                const char *text = check_difference(f, content, states[i]);
                if (!text) {
                        if (n == 1 && S_ISREG(f->attr.mode))
                                check_links(c, f, states[i]);
                        return;
                }
                last = last && strcmp(text, "it was not there") == 0 ? last : text;
        }
        if (check_is_makeshift(f, states, n) || is_beginning(f, content, states, n) ||
                (c->window->faulty && n > 1 && content &&
                        (c->window->lied || is_mixture(content, states, n))))
                return;
        check_complain(c, states[0] ? &c->verdict->lost : &c->verdict->invented, f->path, last);
}

static void compare_missing(void *ctx, const char *path)
{
        struct check *c = ctx;
        const struct node *states[MODEL_STATES];
        if (g_hash_table_contains(c->by_path, path))
                return;
        unsigned n = model_states(c->window->model, path, c->window->acked, c->window->last, states);
        for (unsigned i = 0; i < n; i++)
                if (!states[i])
                        return;
        check_complain(c, &c->verdict->lost, path, "it is gone");
}

static void check_lost_found(struct check *c, const struct found *f)
{
        g_autoptr(GBytes) content = check_content(c, f);
        const char *text = "it cannot be read";
        c->verdict->rescued++;
        if (content && c->race)
                return race_check_rescued(c, f, content);
        if (content)
                text = check_rescued(c->window, content);
        if (text)
                check_complain(c, &c->verdict->invented, f->path, text);
}

static void check_found(struct check *c, const struct found *f)
{
        if (g_str_has_prefix(f->path, CHECK_OWN))
                return;
        if (strcmp(f->path, LOST_FOUND) == 0) {
                if (!S_ISDIR(f->attr.mode) || (f->attr.mode & 077) || f->attr.uid != 0)
                        check_complain(
                                c, &c->verdict->invented, f->path, "others than root can look into it");
        } else if (!g_str_has_prefix(f->path, LOST_FOUND "/")) {
                if (c->race)
                        race_check_found(c, f);
                else
                        compare_found(c, f);
        } else if (S_ISREG(f->attr.mode)) {
                check_lost_found(c, f);
        }
}

int check_volume(Volume *v, Tree *tree, const struct window *w, struct verdict *verdict)
{
        static const struct tree_visitor visitor = { enter, leave };
        struct check c = { .volume = v, .tree = tree, .window = w, .verdict = verdict };
        c.all = g_ptr_array_new_with_free_func(free_found);
        c.by_path = g_hash_table_new(g_str_hash, g_str_equal);
        c.segments = segments_new();
        c.inodes = g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, g_free);
        c.model_ids = g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, g_free);
        c.at = g_string_new(NULL);
        if (w->racing)
                race_check_begin(&c);
        int r = tree_walk(tree, &visitor, &c);
        for (unsigned i = 0; r == 0 && i < c.all->len; i++)
                check_found(&c, c.all->pdata[i]);
        if (r == 0)
                model_foreach(w->model, compare_missing, &c);
        if (c.race)
                race_check_end(&c);
        g_hash_table_unref(c.by_path);
        g_hash_table_unref(c.segments);
        g_hash_table_unref(c.inodes);
        g_hash_table_unref(c.model_ids);
        g_ptr_array_unref(c.all);
        g_string_free(c.at, TRUE);
        return r;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a crash may leave of a run whose operations went on while the drive worked.
 *
 * A is the step in which the last sync was begun that had returned before the crash, B the last step that had
 * begun by then; a step is one operation. What is mounted is made of an index and of packs behind it.
 *
 * The index is a picture of all names and attributes at one moment T, since it is made with the tree locked.
 * T is not before A, since a sync is answered by an index that is begun after it was asked for, and not after
 * B. Of the data the index has what was on the tape at T: all that was in the pool when its commit began,
 * which is after A as well. Bytes that came between that and T are left out, and the file ends before the
 * first of them. They never lie before others that the file had then: who replaces bytes, or fills a hole
 * before some, waits until the commit is over.
 *
 * The packs were described after T, so what they say is of moments from A to B, too. A member is all of a
 * small file: content, mode, owner and time of one moment, names and extended attributes of a moment a little
 * later. It is a new inode, under each of these names. What the index has under such a name, and under no
 * other, goes to lost+found if it has data, and is gone if it has none; directories on the way to the name
 * are made anew where they are not. Of a pack that is cut off the last member is in lost+found, as far as it
 * goes. All other segments behind the index are bytes without a name, and come to lost+found.
 *
 * So, for a name: it may be missing if it was at some moment from A to B. What it names is an inode of which
 * it was a name at such a moment; one that A knew has its number still, or is in a pack.
 *
 * For an inode: if it had a name at each moment from A to B, it has one, or is in lost+found. An empty one
 * may be gone.
 *
 * For what is found of a file, one of these has to hold:
 * (1) Content, mode, owner and time are those of one moment from A to B, attributes those of any. This is a
 * member of a pack, which has the file's hash. (2) All is of one moment at which it had that name, but the
 * content may be cut off. This is the index. The cut is not before the end of the data that the file had at
 * some moment from A to then. If it took the place of another file by a rename, the tape had all of its data
 * by then, or the commit began later (sched_before_replacing): only moments since the rename count, so that
 * the name has the old file or the new one, but no cut one. A write is not one moment: it is done in pieces,
 * from its beginning, each with a time of its own. If there is a hash, it is that of the bytes which are
 * there.
 *
 * Bytes in lost+found are a file that A knew, in a state as above; or they were written after A, or by a
 * write that was under way then, in pieces in any order. Of less than eight bytes nobody can say where they
 * are from.
 *
 * A crash of the first mount, and mounting again, change nothing in all this. */
#include <string.h>
#include <sys/stat.h>

#include <reelfs/hash.h>

#include "check-private.h"

struct race_check {
        GHashTable *found;  /* ids of inodes that are there */
        GHashTable *old;    /* ino: id; of inodes that were there at A */
        GPtrArray *written; /* pieces of writes; they belong to the model */
};

/* ---- Before */

static void note_written(struct race_check *race, const struct node *n)
{
        GBytes *piece = n && n->part ? n->part->piece : NULL;
        if (piece && !g_ptr_array_find(race->written, piece, NULL))
                g_ptr_array_add(race->written, piece);
}

static void note_inode(void *ctx, uint64_t id)
{
        struct check *c = ctx;
        const struct window *w = c->window;
        const struct node *states[MODEL_STATES];
        unsigned n = model_inode_states(w->model, id, w->acked, w->last, states);
        for (unsigned i = 0; i < n; i++)
                note_written(c->race, states[i]);
        if (states[0])
                g_hash_table_insert(c->race->old, g_memdup2(&states[0]->ino, 8), g_memdup2(&id, 8));
}

static GHashTable *numbers_new(void)
{
        return g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, g_free);
}

void race_check_begin(struct check *c)
{
        c->race = g_new0(struct race_check, 1);
        c->race->found = numbers_new();
        c->race->old = numbers_new();
        c->race->written = g_ptr_array_new();
        model_foreach_inode(c->window->model, note_inode, c);
}

/* ---- Contents */

static size_t common(const uint8_t *a, const uint8_t *b, size_t size)
{
        size_t n = 0;
        while (n < size && a[n] == b[n])
                n++;
        return n;
}

/* Zeros behind the end. */
static bool is_from(const uint8_t *data, size_t from, size_t to, GBytes *of)
{
        gsize size;
        const uint8_t *bytes = g_bytes_get_data(of, &size);
        for (; from < to; from++)
                if (data[from] != (from < size ? bytes[from] : 0))
                        return false;
        return true;
}

/* How many bytes the state has if it begins with all of content; 0: it does not, or is empty. */
static bool begins_with(const struct node *n, GBytes *content, size_t *whole)
{
        gsize size, piece_size;
        const uint8_t *data = g_bytes_get_data(content, &size);
        const struct part *p = n->part;
        *whole = g_bytes_get_size(p ? p->base : n->content);
        if (!p)
                return size <= *whole && is_from(data, 0, size, n->content);
        const uint8_t *piece = g_bytes_get_data(p->piece, &piece_size);
        size_t at = MIN(p->at, size), done = common(data + at, piece, MIN(size - at, piece_size));
        *whole = MAX(*whole, p->at + MAX(done, p->least));
        return size <= *whole && (done >= p->least || at + done == size) && is_from(data, 0, at, p->base) &&
                is_from(data, at + done, size, p->base);
}

/* Not behind the end of the state's data: there may be a hole, or zeros. */
static size_t data_end(const struct node *n)
{
        gsize size;
        const uint8_t *data = g_bytes_get_data(n->part ? n->part->base : n->content, &size);
        while (size > 0 && data[size - 1] == 0)
                size--;
        return size;
}

static size_t least_data(const struct node *const *states, unsigned n)
{
        size_t least = SIZE_MAX;
        for (unsigned i = 0; i < n; i++)
                if (states[i])
                        least = MIN(least, data_end(states[i]));
        return least;
}

/* ---- Files */

static bool has_attributes(const struct found *f, const struct node *n)
{
        bool has_time = f->attr.times.mtime == n->mtime || (n->part && f->attr.times.mtime > n->part->since);
        return f->attr.mode == n->mode && f->attr.uid == n->uid && f->attr.gid == n->gid && has_time;
}

static bool has_attribute_of(const struct found *f, const struct node *const *states, unsigned n)
{
        for (unsigned i = 0; i < n; i++)
                if (states[i] && g_strcmp0(f->attribute, states[i]->attribute) == 0)
                        return true;
        return false;
}

/* All of some state. */
static bool is_whole(const struct found *f, GBytes *content, const struct node *const *states, unsigned n)
{
        size_t whole;
        for (unsigned i = 0; i < n; i++)
                if (states[i] && S_ISREG(states[i]->mode) && has_attributes(f, states[i]) &&
                        begins_with(states[i], content, &whole) && g_bytes_get_size(content) == whole)
                        return has_attribute_of(f, states, n);
        return false;
}

static bool is_cut(const struct found *f, GBytes *content, const struct node *state, size_t least)
{
        size_t whole;
        return has_attributes(f, state) && g_strcmp0(f->attribute, state->attribute) == 0 &&
                begins_with(state, content, &whole) && g_bytes_get_size(content) >= least;
}

/* The name's state i: where its data ended at least, from when on that counts. */
static size_t least_of(struct check *c, const struct node *const *names, unsigned i,
        const struct node *const *all, unsigned n)
{
        unsigned first = i, end = 0;
        while (first > 0 && names[first - 1] && names[first - 1]->id == names[i]->id)
                first--;
        if (first > 0 && names[first - 1])
                return least_data(names + first, i - first + 1);
        while (end < n && all[end] != names[i])
                end++;
        return least_data(all, MIN(end + 1, n));
}

/* Whether the file is what the inode was; names: of the name. */
static bool is_inode(struct check *c, const struct found *f, GBytes *content, uint64_t id,
        const struct node *const *names, unsigned n_names)
{
        const struct node *all[MODEL_STATES];
        const struct window *w = c->window;
        unsigned n = model_inode_states(w->model, id, w->acked, w->last, all);
        if (f->attr.has_crc32 && is_whole(f, content, all, n))
                return true;
        for (unsigned i = 0; i < n_names; i++)
                if (names[i] && names[i]->id == id &&
                        is_cut(f, content, names[i], least_of(c, names, i, all, n)))
                        return true;
        return false;
}

/* NULL: what has this number may be any inode. */
static const uint64_t *old_id(struct check *c, const struct found *f)
{
        return g_hash_table_lookup(c->race->old, &f->attr.ino);
}

static void note_found(struct check *c, uint64_t id)
{
        g_hash_table_insert(c->race->found, g_memdup2(&id, 8), NULL);
}

static bool find_file(
        struct check *c, const struct found *f, GBytes *content, const struct node *const *names, unsigned n)
{
        const uint64_t *old = old_id(c, f);
        bool found = false;
        for (unsigned i = 0; i < n; i++) {
                if (!names[i] || !S_ISREG(names[i]->mode) ||
                        (i > 0 && names[i - 1] && names[i - 1]->id == names[i]->id) ||
                        (old && *old != names[i]->id))
                        continue;
                if (!is_inode(c, f, content, names[i]->id, names, n))
                        continue;
                note_found(c, names[i]->id);
                found = true;
        }
        return found;
}

/* Directories and symbolic links. */
static bool find_other(struct check *c, const struct found *f, const struct node *const *names, unsigned n)
{
        const uint64_t *old = old_id(c, f);
        bool found = false;
        for (unsigned i = 0; i < n; i++) {
                if ((old && names[i] && *old != names[i]->id) || check_difference(f, NULL, names[i]))
                        continue;
                note_found(c, names[i]->id);
                found = true;
        }
        return found || check_is_makeshift(f, names, n);
}

static bool has_right_hash(const struct found *f, GBytes *content)
{
        gsize size;
        const void *data = g_bytes_get_data(content, &size);
        return !f->attr.has_crc32 || f->attr.crc32 == hash_crc(0, data, size);
}

void race_check_found(struct check *c, const struct found *f)
{
        const struct node *names[MODEL_STATES];
        unsigned n = model_states(c->window->model, f->path, c->window->acked, c->window->last, names);
        g_autoptr(GBytes) content = S_ISREG(f->attr.mode) ? check_content(c, f) : NULL;
        unsigned *count = names[0] ? &c->verdict->lost : &c->verdict->invented;
        if (S_ISREG(f->attr.mode) && !content)
                return check_complain(c, &c->verdict->lost, f->path, "it cannot be read");
        if (f->marked)
                return check_complain(c, count, f->path, "it says that it is cut off");
        if (content ? !find_file(c, f, content, names, n) : !find_other(c, f, names, n))
                check_complain(c, count, f->path, "it is in no state that it may be in");
        if (content && !has_right_hash(f, content))
                check_complain(c, &c->verdict->invented, f->path, "its hash is not of what it holds");
        if (content && n == 1 && names[0])
                check_links(c, f, names[0]);
}

/* ---- lost+found */

/* How many bytes at the beginning of data were written at once. */
static size_t known_bytes(struct check *c, const uint8_t *data, size_t size)
{
        size_t best = 0;
        for (unsigned i = 0; i < c->race->written->len; i++) {
                gsize length;
                const uint8_t *piece = g_bytes_get_data(c->race->written->pdata[i], &length);
                const uint8_t *at = memmem(piece, length, data, MIN(PIECE, size));
                if (at)
                        best = MAX(best, common(at, data, MIN(size, (size_t)(piece + length - at))));
        }
        return best;
}

static bool are_own_bytes(GBytes *content)
{
        g_autofree uint8_t *own = g_malloc(CHECK_OWN_SIZE);
        gsize size;
        const void *data = g_bytes_get_data(content, &size);
        for (unsigned i = 1; i <= CHECK_OWN_MAX && size <= CHECK_OWN_SIZE; i++) {
                check_own_content(own, i);
                if (memcmp(own, data, size) == 0)
                        return true;
        }
        return false;
}

static size_t count_zeros(const uint8_t *data, size_t size)
{
        size_t n = 0;
        while (n < size && data[n] == 0)
                n++;
        return n;
}

/* A file may have holes, a segment has none. */
static bool are_written_bytes(struct check *c, const struct found *f, GBytes *content)
{
        gsize size;
        const uint8_t *data = g_bytes_get_data(content, &size);
        bool holes = !g_str_has_prefix(f->path, LOST_FOUND "/segment-");
        size_t unknown = 0;
        if (check_is_ours(data, size) || are_own_bytes(content))
                return true;
        for (size_t at = 0; at < size && unknown < PIECE;) {
                size_t n = MAX(
                        known_bytes(c, data + at, size - at), holes ? count_zeros(data + at, size - at) : 0);
                unknown = n > 0 ? 0 : unknown + 1;
                at += MAX(n, 1);
        }
        return unknown < PIECE;
}

static bool is_old_inode(struct check *c, const struct found *f, GBytes *content, uint64_t id)
{
        const struct node *all[MODEL_STATES];
        const struct window *w = c->window;
        unsigned n = model_inode_states(w->model, id, w->acked, w->last, all);
        if (is_whole(f, content, all, n))
                return true;
        for (unsigned i = 0; i < n; i++)
                if (is_cut(f, content, all[i], least_data(all, i + 1)))
                        return true;
        return false;
}

void race_check_rescued(struct check *c, const struct found *f, GBytes *content)
{
        const uint64_t *old = old_id(c, f);
        if (old)
                note_found(c, *old);
        if (old ? !is_old_inode(c, f, content, *old) : !are_written_bytes(c, f, content))
                check_complain(c, old ? &c->verdict->lost : &c->verdict->invented, f->path,
                        "it has bytes that nobody wrote, or not there");
        if (!has_right_hash(f, content))
                check_complain(c, &c->verdict->invented, f->path, "its hash is not of what it holds");
}

/* ---- Behind all */

static bool was_empty(const struct node *const *states, unsigned n)
{
        for (unsigned i = 0; i < n; i++)
                if (S_ISREG(states[i]->mode) && g_bytes_get_size(states[i]->content) == 0)
                        return true;
        return false;
}

static void look_for_inode(void *ctx, uint64_t id)
{
        struct check *c = ctx;
        const struct window *w = c->window;
        const struct node *states[MODEL_STATES];
        if (!model_lives(w->model, id, w->acked, w->last) || g_hash_table_contains(c->race->found, &id))
                return;
        unsigned n = model_inode_states(w->model, id, w->acked, w->last, states);
        g_autofree char *text = g_strdup_printf("inode %" G_GUINT64_FORMAT, states[0]->ino);
        if (!was_empty(states, n))
                check_complain(c, &c->verdict->lost, text, "it is nowhere, and had a name all the time");
}

void race_check_end(struct check *c)
{
        model_foreach_inode(c->window->model, look_for_inode, c);
        g_hash_table_unref(c->race->found);
        g_hash_table_unref(c->race->old);
        g_ptr_array_unref(c->race->written);
        g_clear_pointer(&c->race, g_free);
}

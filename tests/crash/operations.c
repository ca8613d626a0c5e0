/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Operations on what files contain. */
#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/stat.h>

#include <reelfs/util.h>

#include "operations.h"
#include "race.h"

#define SMALL_MAX 12000
#define PIECE_MAX (48 << 10)
#define LARGE_MAX (300 << 10)

const char *pick_name(struct work *w, uint32_t type)
{
        unsigned n = model_count(w->model), start = work_random(w, n);
        for (unsigned i = 0; i < n; i++) {
                const char *path = model_name(w->model, (start + i) % n);
                if (type == 0 || (model_get(w->model, path)->mode & S_IFMT) == type)
                        return path;
        }
        return NULL;
}

/* A path that a file had once, if that can be had again. */
static char *old_path(struct work *w)
{
        if (w->left->len == 0)
                return NULL;
        const char *path = w->left->pdata[work_random(w, w->left->len)];
        g_autofree char *directory = g_path_get_dirname(path);
        const struct node *parent = strcmp(directory, "/") == 0 ? NULL : model_get(w->model, directory);
        bool has_parent = strcmp(directory, "/") == 0 || (parent && S_ISDIR(parent->mode));
        return has_parent && !model_get(w->model, path) ? g_strdup(path) : NULL;
}

char *new_file_path(struct work *w, const char *what)
{
        char *path = w->racing && work_random(w, 3) == 0 ? old_path(w) : NULL;
        return path ?: new_path(w, what);
}

char *new_path(struct work *w, const char *what)
{
        const char *directory = work_random(w, 4) > 0 ? pick_name(w, S_IFDIR) : NULL;
        return g_strdup_printf("%s/%s-%u", directory ?: "", what, ++w->names);
}

int find_inode(struct work *w, const char *path, uint64_t *ino)
{
        struct tree_attr attr;
        int r = tree_resolve(w->tree, path, &attr);
        if (r < 0)
                return r;
        tree_unref(w->tree, attr.ino, 1);
        *ino = attr.ino;
        return 0;
}

int find_parent(struct work *w, const char *path, uint64_t *parent, const char **name)
{
        g_autofree char *directory = g_path_get_dirname(path);
        *name = strrchr(path, '/') + 1;
        return find_inode(w, directory, parent);
}

void tell_inode(struct work *w, struct node *n)
{
        struct tree_attr attr;
        if (tree_getattr(w->tree, n->ino, &attr) == 0)
                n->mtime = attr.times.mtime;
        model_put_inode(w->model, n);
}

GBytes *new_content(struct work *w, size_t size)
{
        uint8_t *data = g_malloc(size + 4);
        for (size_t i = 0; i < size; i += 4) {
                uint32_t value = g_rand_int(w->random);
                memcpy(data + i, &value, 4);
        }
        return g_bytes_new_take(data, size);
}

/* ---- Writing */

static bool is_parked(const struct work *w, uint64_t id)
{
        return w->parked.file && w->parked.id == id;
}

static int fill(void *ctx, void *dst, size_t size)
{
        const uint8_t **next = ctx;
        memcpy(dst, *next, size);
        *next += size;
        return 0;
}

/* From the byte at *done on, which becomes how many are written. */
static int write_piece(SchedFile *f, uint64_t offset, GBytes *piece, enum sched_wait wait, size_t *done)
{
        gsize size;
        const uint8_t *next = (const uint8_t *)g_bytes_get_data(piece, &size) + *done;
        const struct sched_source source = { .fill = fill, .ctx = &next, .wait = wait };
        size_t more;
        int r = sched_write(f, offset + *done, size - *done, &source, &more);
        *done += more;
        return r < 0 ? r : *done == size ? 0 : -EIO;
}

/* The content with piece at offset; what is between is a hole. */
static GBytes *content_with(GBytes *content, uint64_t offset, GBytes *piece)
{
        gsize old_size, size;
        const uint8_t *old = g_bytes_get_data(content, &old_size), *data = g_bytes_get_data(piece, &size);
        size_t new_size = MAX(old_size, offset + size);
        uint8_t *result = g_malloc0(new_size + 1);
        if (old_size > 0)
                memcpy(result, old, old_size);
        if (size > 0)
                memcpy(result + offset, data, size);
        return g_bytes_new_take(result, new_size);
}

/* The file has least bytes of what is being written, or more; part NULL: all of it. */
static void tell_write(struct work *w, uint64_t id, const struct part *part)
{
        struct node *n = node_copy(model_inode(w->model, id));
        node_set_part(n, part);
        if (part)
                model_put_inode(w->model, n);
        else
                tell_inode(w, n);
}

/* Somebody else waits for room, and goes on with it later. */
static int park(struct work *w, SchedFile *f, uint64_t id, const struct part *part)
{
        struct parked *p = &w->parked;
        *p = (struct parked){ .id = id, .part = *part };
        g_bytes_ref(part->base);
        g_bytes_ref(part->piece);
        return sched_open(w->sched, model_inode(w->model, id)->ino, &p->file);
}

int write_parked(struct work *w, bool wait)
{
        struct parked *p = &w->parked;
        if (!p->file)
                return 0;
        g_string_append_printf(w->doing, "(write on from %" G_GUINT64_FORMAT ") ", p->part.least);
        int r = write_piece(
                p->file, p->part.at, p->part.piece, wait ? SCHED_WAIT : SCHED_NO_WAIT, &p->part.least);
        if (r == -EAGAIN) {
                tell_write(w, p->id, &p->part);
                return 0;
        }
        tell_write(w, p->id, NULL);
        sched_release(g_steal_pointer(&p->file));
        g_bytes_unref(p->part.base);
        g_bytes_unref(p->part.piece);
        return r;
}

/* Writes to an open file, and tells the model. The state is put first, since a part of it may come true. */
static int write_told(struct work *w, SchedFile *f, uint64_t id, uint64_t offset, size_t size)
{
        g_autoptr(GBytes) piece = new_content(w, size);
        struct node *n = node_copy(model_inode(w->model, id));
        g_autoptr(GBytes) base = g_bytes_ref(n->content);
        struct part part = { base, piece, offset, 0, now_ns() };
        bool may_park = w->racing && !w->parked.file && work_random(w, 4) > 0;
        node_set_content(n, content_with(n->content, offset, piece));
        node_set_part(n, &part);
        model_put_inode(w->model, n);
        int r = write_piece(f, offset, piece, may_park ? SCHED_NO_WAIT : SCHED_WAIT, &part.least);
        tell_write(w, id, r == -EAGAIN ? &part : NULL);
        if (r != -EAGAIN)
                return r;
        g_string_append(w->doing, " (parked)");
        return park(w, f, id, &part);
}

static int open_path(struct work *w, const char *path, SchedFile **f)
{
        uint64_t ino;
        int r = find_inode(w, path, &ino);
        return r < 0 ? r : sched_open(w->sched, ino, f);
}

static int write_range(struct work *w, const char *path, uint64_t offset, size_t size)
{
        SchedFile *f;
        int r = open_path(w, path, &f);
        if (r < 0)
                return r;
        g_string_append_printf(w->doing, " %s at %" G_GUINT64_FORMAT " + %zu", path, offset, size);
        r = write_told(w, f, model_get(w->model, path)->id, offset, size);
        sched_release(f);
        return r;
}

int make_file(struct work *w, const char *path, size_t size)
{
        const struct tree_new_inode new_inode = { .mode = S_IFREG | 0644, .uid = 1000, .gid = 100 };
        struct tree_attr attr;
        uint64_t parent;
        const char *name;
        int r = find_parent(w, path, &parent, &name);
        if (r < 0)
                return r;
        if (!sched_has_room(w->sched))
                return -ENOSPC;
        r = tree_create(w->tree, parent, name, &new_inode, work_now(w), &attr);
        if (r < 0)
                return r;
        struct node *n = node_new(model_new_id(w->model), new_inode.mode);
        n->uid = new_inode.uid;
        n->gid = new_inode.gid;
        n->ino = attr.ino;
        n->mtime = attr.times.mtime;
        node_set_content(n, g_bytes_new(NULL, 0));
        model_put(w->model, path, n);
        tree_unref(w->tree, attr.ino, 1);
        return size > 0 ? write_range(w, path, 0, size) : 0;
}

int operation_create(struct work *w)
{
        g_autofree char *path = new_file_path(w, "file");
        g_string_append_printf(w->doing, "create %s, write", path);
        return make_file(w, path, work_random(w, 8) > 0 ? work_random(w, SMALL_MAX) : 0);
}

/* ---- A large file, written a piece at a time */

void stop_streaming(struct work *w)
{
        if (w->streaming)
                sched_release(g_steal_pointer(&w->streaming));
        g_clear_pointer(&w->streaming_path, g_free);
}

static int stream_piece(struct work *w)
{
        uint64_t at = g_bytes_get_size(model_inode(w->model, w->streaming_id)->content);
        size_t size = 1 + work_random(w, PIECE_MAX);
        g_string_append_printf(
                w->doing, "stream %s at %" G_GUINT64_FORMAT " + %zu", w->streaming_path, at, size);
        return write_told(w, w->streaming, w->streaming_id, at, size);
}

int operation_stream(struct work *w)
{
        g_autofree char *path = new_path(w, "large");
        stop_streaming(w);
        int r = make_file(w, path, 0);
        if (r == 0)
                r = open_path(w, path, &w->streaming);
        if (r < 0)
                return r;
        w->streaming_id = model_get(w->model, path)->id;
        w->streaming_path = g_steal_pointer(&path);
        for (unsigned i = 0; r == 0 && i < 3 && !is_parked(w, w->streaming_id); i++)
                r = stream_piece(w);
        return r;
}

int operation_stream_on(struct work *w)
{
        /* It may have been renamed or removed meanwhile; then it is written by no name. */
        const struct node *n = w->streaming ? model_inode(w->model, w->streaming_id) : NULL;
        if (!n || g_bytes_get_size(n->content) > LARGE_MAX) {
                stop_streaming(w);
                return 0;
        }
        return is_parked(w, n->id) ? 0 : stream_piece(w);
}

/* ---- Changing what is there */

static const char *pick_file(struct work *w, size_t *size)
{
        const char *path = pick_name(w, S_IFREG);
        if (!path || is_parked(w, model_get(w->model, path)->id))
                return NULL;
        *size = g_bytes_get_size(model_get(w->model, path)->content);
        return path;
}

int operation_overwrite(struct work *w)
{
        size_t size;
        const char *path = pick_file(w, &size);
        if (!path || size == 0)
                return 0;
        uint64_t offset = work_random(w, (unsigned)size);
        g_string_append(w->doing, "overwrite");
        return write_range(w, path, offset, 1 + work_random(w, SMALL_MAX / 2));
}

/* As a program does that opens a file to be written anew. */
int operation_rewrite(struct work *w)
{
        size_t size;
        const char *path = pick_file(w, &size);
        SchedFile *f;
        uint64_t ino;
        if (!path)
                return 0;
        size = 1 + work_random(w, SMALL_MAX);
        g_string_append_printf(w->doing, "rewrite %s, %zu", path, size);
        int r = find_inode(w, path, &ino);
        if (r == 0)
                r = sched_open(w->sched, ino, &f);
        if (r < 0)
                return r;
        r = sched_truncate(w->sched, ino, 0, work_now(w));
        if (r == 0) {
                struct node *n = node_copy(model_get(w->model, path));
                node_set_content(n, g_bytes_new(NULL, 0));
                uint64_t id = n->id;
                tell_inode(w, n);
                r = write_told(w, f, id, 0, size);
        }
        sched_release(f);
        return r;
}

int operation_append(struct work *w)
{
        size_t size;
        const char *path = pick_file(w, &size);
        if (!path || size > LARGE_MAX)
                return 0;
        g_string_append(w->doing, "append to");
        return write_range(w, path, size, 1 + work_random(w, SMALL_MAX));
}

int operation_sparse(struct work *w)
{
        size_t size;
        const char *path = pick_file(w, &size);
        if (!path || size > LARGE_MAX)
                return 0;
        g_string_append(w->doing, "write behind the end of");
        return write_range(w, path, size + work_random(w, 3 * WORK_BLOCK), 1 + work_random(w, 2000));
}

static GBytes *content_cut(GBytes *content, size_t size)
{
        gsize old_size;
        const uint8_t *old = g_bytes_get_data(content, &old_size);
        uint8_t *result = g_malloc0(size + 1);
        if (MIN(size, old_size) > 0)
                memcpy(result, old, MIN(size, old_size));
        return g_bytes_new_take(result, size);
}

int operation_truncate(struct work *w)
{
        size_t size;
        const char *path = pick_file(w, &size);
        uint64_t ino;
        if (!path)
                return 0;
        size_t new_size =
                work_random(w, 3) > 0 ? work_random(w, (unsigned)size + 1) : size + work_random(w, 9000);
        g_string_append_printf(w->doing, "truncate %s to %zu", path, new_size);
        int r = find_inode(w, path, &ino);
        if (r == 0)
                r = sched_truncate(w->sched, ino, new_size, work_now(w));
        if (r < 0)
                return r;
        struct node *n = node_copy(model_get(w->model, path));
        node_set_content(n, content_cut(n->content, new_size));
        tell_inode(w, n);
        return 0;
}

int operation_punch(struct work *w)
{
        size_t size;
        const char *path = pick_file(w, &size);
        uint64_t ino;
        if (!path || size == 0)
                return 0;
        size_t offset = work_random(w, (unsigned)size),
               length = 1 + work_random(w, (unsigned)(size - offset));
        g_string_append_printf(w->doing, "punch %s at %zu + %zu", path, offset, length);
        int r = find_inode(w, path, &ino);
        if (r == 0)
                r = sched_punch(w->sched, ino, offset, length, work_now(w));
        if (r < 0)
                return r;
        struct node *n = node_copy(model_get(w->model, path));
        uint8_t *zeros = g_malloc0(length);
        g_autoptr(GBytes) hole = g_bytes_new_take(zeros, length);
        node_set_content(n, content_with(n->content, offset, hole));
        tell_inode(w, n);
        return 0;
}

/* ---- Waiting for the drive */

struct answer {
        struct work *work;
        pthread_mutex_t lock;
        pthread_cond_t cond;
        bool is_sync, done;
        int error;
        GByteArray *data;
};

static void tell(struct answer *a, int error)
{
        pthread_mutex_lock(&a->lock);
        a->done = true;
        a->error = error;
        pthread_cond_signal(&a->cond);
        pthread_mutex_unlock(&a->lock);
}

static int wait_answer(struct answer *a)
{
        pthread_mutex_lock(&a->lock);
        while (!a->done)
                pthread_cond_wait(&a->cond, &a->lock);
        pthread_mutex_unlock(&a->lock);
        return a->error;
}

static void sync_done(void *ctx, int error)
{
        struct answer *a = ctx;
        struct sched_status status;
        sched_get_status(a->work->sched, &status);
        /* After a loss a file that has none is told to be safe, which says nothing of the others. */
        if (error == 0 && status.error == 0)
                recording_acknowledge(&a->work->recording, atomic_load(&a->work->recording.step));
        tell(a, error);
}

int sync_file(struct work *w, const char *path)
{
        struct answer a = { w, PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER };
        SchedFile *f = NULL;
        int r = path ? open_path(w, path, &f) : 0;
        if (r < 0)
                return r;
        sched_sync(w->sched, f, sync_done, &a);
        r = wait_answer(&a);
        if (f)
                sched_release(f);
        return r;
}

int operation_fsync(struct work *w)
{
        const char *path = w->streaming && work_random(w, 3) == 0 ? w->streaming_path : pick_name(w, S_IFREG);
        if (w->racing)
                return race_sync(w, pick_name(w, S_IFREG));
        if (!path || !model_get(w->model, path))
                return 0;
        g_string_append_printf(w->doing, "fsync %s", path);
        return sync_file(w, path);
}

int operation_commit(struct work *w)
{
        g_string_append(w->doing, "commit");
        return w->racing ? race_sync(w, NULL) : sync_file(w, NULL);
}

static void read_done(void *ctx, int error, const struct iovec *iov, int iovcnt)
{
        struct answer *a = ctx;
        for (int i = 0; error == 0 && i < iovcnt; i++)
                g_byte_array_append(a->data, iov[i].iov_base, (guint)iov[i].iov_len);
        tell(a, error);
}

int operation_read(struct work *w)
{
        size_t size;
        const char *path = pick_file(w, &size);
        SchedFile *f;
        if (!path || size == 0)
                return 0;
        g_string_append_printf(w->doing, "read %s", path);
        int r = open_path(w, path, &f);
        if (r < 0)
                return r;
        struct answer a = { w, PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER };
        a.data = g_byte_array_new();
        sched_read(f, 0, size, read_done, &a);
        r = wait_answer(&a);
        if (w->racing)
                race_await_drive(w);
        else
                work_pause();
        sched_release(f);
        g_autoptr(GBytes) found = g_byte_array_free_to_bytes(a.data);
        if (r == 0 && !g_bytes_equal(found, model_get(w->model, path)->content))
                return -EILSEQ; /* nobody else says so */
        return r;
}

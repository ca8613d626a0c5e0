/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How stages reach the tape: small files that are whole go into packs, with the names and attributes that
 * they have then; what is left is a segment of its own. A pack is made in a batch of its own, which goes to
 * the drive whenever it is full. Drive thread only. */
#include <errno.h>
#include <string.h>

#include <reelfs/pack.h>

#include "sched-private.h"

/* Of one pack. tar reads all of a pack to find one file, and a filemark costs a drive nothing that counts
 * against this. */
#define PACK_MAX (UINT64_C(64) << 20)
/* Names of one file that a pack has. */
#define NAMES_MAX 100

void pack_init(Sched *s)
{
        s->pack.data = pool_take(&s->pool.batches);
        s->pack.header = g_byte_array_new();
        s->pack.others = g_byte_array_new();
        s->pack.files = g_ptr_array_new();
}

void pack_clear(Sched *s)
{
        if (s->pack.header)
                g_byte_array_unref(s->pack.header);
        if (s->pack.others)
                g_byte_array_unref(s->pack.others);
        if (s->pack.files)
                g_ptr_array_unref(s->pack.files);
}

const uint8_t *pack_find(Sched *s, uint64_t segment, uint64_t offset, size_t *n)
{
        if (segment != s->pack.segment || offset < s->pack.offset ||
                offset - s->pack.offset >= s->pack.visible)
                return NULL;
        *n = s->pack.visible - (size_t)(offset - s->pack.offset);
        return s->pack.data + (offset - s->pack.offset);
}

/* ---- The batch; no locks held */

static void tell_files(Sched *s)
{
        for (guint i = 0; i < s->pack.files->len; i++) {
                SchedFile *f = g_ptr_array_index(s->pack.files, i);
                if (s->pack.error < 0)
                        file_failed(f, s->pack.error);
                file_unuse(f);
        }
        g_ptr_array_set_size(s->pack.files, 0);
}

static void flush_batch(Sched *s, bool last)
{
        bool failed = s->pack.error < 0;
        if (!failed) {
                struct iovec iov = { s->pack.data, s->pack.length };
                s->pack.error = volume_append(s->volume, s->pack.segment, &iov, 1, last);
        }
        pthread_mutex_lock(&s->lock);
        while (s->pack.pins > 0)
                pthread_cond_wait(&s->work, &s->lock);
        if (s->pack.error == 0)
                s->written += s->pack.length;
        else if (!failed)
                drive_lost(s, s->pack.segment, s->pack.error);
        tell_files(s);
        s->pack.offset += s->pack.length;
        s->pack.length = s->pack.visible = 0;
        s->dirty -= s->pack.dirty;
        s->pack.dirty = 0;
        volume_capacity(s->volume, s->tree, &s->left, &s->total);
        pthread_cond_broadcast(&s->room);
        pthread_mutex_unlock(&s->lock);
}

/* Room in the batch, of which *n bytes are then used. */
static uint8_t *next_room(Sched *s, size_t *n)
{
        if (s->pack.length == s->pool.batches.piece)
                flush_batch(s, false);
        uint8_t *room = s->pack.data + s->pack.length;
        *n = MIN(*n, s->pool.batches.piece - s->pack.length);
        s->pack.length += *n;
        return room;
}

static void put(Sched *s, const uint8_t *bytes, size_t size)
{
        for (size_t n; size > 0; size -= n) {
                n = size;
                uint8_t *room = next_room(s, &n);
                memcpy(room, bytes, n);
                bytes += n;
        }
}

static void put_array(Sched *s, GByteArray *bytes)
{
        put(s, bytes->data, bytes->len);
        g_byte_array_set_size(bytes, 0);
}

/* Nobody changes the bytes of a stage that is taken. */
static void put_data(Sched *s, struct stage *st)
{
        static const uint8_t zeros[PACK_UNIT];
        for (size_t at = 0, n; at < st->length; at += n) {
                const uint8_t *bytes = stage_at(st, at, &n);
                n = MIN(n, st->length - at);
                put(s, bytes, n);
        }
        put(s, zeros, pack_filling(st->length));
}

/* ---- Members; no locks held */

static int begin(Sched *s)
{
        uint64_t id = volume_segment_new(s->volume, SEGMENT_PACK);
        if (id == 0)
                return -ENOMEM;
        g_autoptr(GByteArray) head = g_byte_array_new();
        volume_pack_head(s->volume, id, head);
        pthread_mutex_lock(&s->lock);
        s->pack.segment = id;
        s->pack.offset = 0;
        s->pack.error = 0;
        pthread_mutex_unlock(&s->lock);
        put_array(s, head);
        return 0;
}

static void clear_xattr(void *data)
{
        struct pack_xattr *x = data;
        g_free((void *)x->name);
        g_free((void *)x->value);
}

static GArray *collect_xattrs(Sched *s, const struct tree_attr *attr)
{
        GArray *all = g_array_new(FALSE, FALSE, sizeof(struct pack_xattr));
        g_autofree char *names = NULL;
        size_t size;
        g_array_set_clear_func(all, clear_xattr);
        if (!attr->has_xattrs || tree_xattr_list(s->tree, attr->ino, &names, &size) < 0)
                return all;
        for (const char *name = names; name < names + size; name += strlen(name) + 1) {
                struct pack_xattr x;
                void *value;
                if (tree_xattr_get(s->tree, attr->ino, name, &value, &x.size) < 0)
                        continue;
                x.name = g_strdup(name);
                x.value = value;
                g_array_append_val(all, x);
        }
        return all;
}

/* The header of the file's first name, and the other names, which come behind its data. False: it has no name
 * any more, or one that no pack takes. */
static bool describe(Sched *s, const struct tree_attr *attr)
{
        size_t n;
        g_autofree char *paths = tree_paths(s->tree, attr->ino, NAMES_MAX, &n);
        if (!paths || strlen(paths) > PACK_PATH_MAX)
                return false;
        g_autoptr(GArray) xattrs = collect_xattrs(s, attr);
        struct pack_member m = { .path = paths,
                .attr = attr,
                .xattrs = (const struct pack_xattr *)xattrs->data,
                .n_xattrs = xattrs->len };
        pack_put_member(s->pack.header, &m);
        m.link = paths;
        m.n_xattrs = 0;
        for (const char *path = paths; n-- > 1;) {
                path += strlen(path) + 1;
                m.path = path;
                if (strlen(path) <= PACK_PATH_MAX)
                        pack_put_member(s->pack.others, &m);
        }
        return true;
}

struct move {
        uint64_t segment, base;
};

static void move_extent(void *ctx, struct tree_extent *e)
{
        const struct move *move = ctx;
        e->segment = move->segment;
        e->offset += move->base;
}

/* The file's extents in the stage are where move says from now on; Sched.lock is held then, too. */
static void finish_stage(Sched *s, struct stage *st, struct move move)
{
        SchedFile *f = st->file;
        pthread_mutex_lock(&f->lock);
        tree_relocate(s->tree, f->ino, st->segment, move_extent, &move);
        pthread_mutex_lock(&s->lock);
        file_use(f);
        stage_free(st);
        pthread_mutex_unlock(&f->lock);
}

static void add_member(Sched *s, struct stage *st)
{
        SchedFile *f = st->file;
        size_t size = s->pack.header->len + st->length + pack_filling(st->length) + s->pack.others->len;
        put_array(s, s->pack.header);
        struct move move = { s->pack.segment, s->pack.offset + s->pack.length };
        put_data(s, st);
        put_array(s, s->pack.others);
        finish_stage(s, st, move);
        s->pack.visible = s->pack.length;
        s->pack.dirty += size;
        s->dirty += size;
        g_ptr_array_add(s->pack.files, f);
        pthread_mutex_unlock(&s->lock);
}

/* ---- Stages that are no members */

static int append_stage(Sched *s, uint64_t id, struct stage *st)
{
        size_t piece = s->pool.batches.piece;
        g_autofree struct iovec *iov = g_new(struct iovec, piece / POOL_CRUMB + 2);
        for (size_t at = 0, end; at < st->length;) {
                int n = 0;
                for (end = MIN(at + piece, st->length); at < end; at += iov[n++].iov_len) {
                        iov[n].iov_base = stage_at(st, at, &iov[n].iov_len);
                        iov[n].iov_len = MIN(iov[n].iov_len, end - at);
                }
                int r = volume_append(s->volume, id, iov, n, at == st->length);
                if (r < 0)
                        return r;
        }
        return 0;
}

static void write_alone(Sched *s, struct stage *st, int error)
{
        SchedFile *f = st->file;
        size_t length = st->length;
        uint64_t id = volume_segment_new(s->volume, SEGMENT_FILE);
        int r = error ?: id == 0 ? -ENOMEM : append_stage(s, id, st);
        finish_stage(s, st, (struct move){ id ?: st->segment, 0 });
        if (r < 0) {
                drive_lost(s, id, r);
                file_failed(f, r);
        } else {
                s->written += length;
        }
        volume_capacity(s->volume, s->tree, &s->left, &s->total);
        file_unuse(f);
        pthread_mutex_unlock(&s->lock);
}

/* ---- */

static void end_pack(Sched *s)
{
        if (s->pack.segment == 0)
                return;
        pack_put_end(s->pack.header);
        put_array(s, s->pack.header);
        flush_batch(s, true);
        pthread_mutex_lock(&s->lock);
        s->pack.segment = 0;
        pthread_mutex_unlock(&s->lock);
}

void pack_end(Sched *s)
{
        pthread_mutex_unlock(&s->lock);
        end_pack(s);
        pthread_mutex_lock(&s->lock);
}

static void discard(Sched *s, struct stage *st)
{
        pthread_mutex_lock(&st->file->lock);
        pthread_mutex_lock(&s->lock);
        SchedFile *f = st->file;
        file_use(f);
        stage_free(st);
        pthread_mutex_unlock(&f->lock);
        file_unuse(f);
        pthread_mutex_unlock(&s->lock);
}

/* No locks held; broken: it can only be told to be lost. */
static void write_stage(Sched *s, struct stage *st, bool broken)
{
        struct tree_attr attr;
        pthread_mutex_lock(&st->file->lock);
        bool whole = stage_tidy(st, &attr);
        pthread_mutex_unlock(&st->file->lock);
        if (st->length == 0) {
                discard(s, st);
                return;
        }
        whole = whole && !broken && st->length <= s->options.stage && describe(s, &attr);
        if (whole && (s->pack.segment != 0 || begin(s) == 0)) {
                add_member(s, st);
                if (s->pack.offset >= PACK_MAX)
                        end_pack(s);
                return;
        }
        end_pack(s);
        write_alone(s, st, broken ? -EIO : 0);
}

/* True if nobody can reach the file any more, so that its bytes need not go to the tape. */
static bool abandoned(Sched *s, SchedFile *f)
{
        struct tree_attr attr;
        return f->opens == 0 && tree_getattr(s->tree, f->ino, &attr) == 0 && attr.nlink == 0;
}

void pack_write_stage(Sched *s, struct stage *st)
{
        if (abandoned(s, st->file)) {
                stage_free(st);
                return;
        }
        st->taken = true;
        bool broken = s->broken;
        pthread_mutex_unlock(&s->lock);
        write_stage(s, st, broken);
        pthread_mutex_lock(&s->lock);
}

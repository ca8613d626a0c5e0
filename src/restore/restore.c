/* SPDX-License-Identifier: GPL-2.0-or-later */
/* From the tape into buffers, and from buffers into files, at the same time. */
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <reelfs/log.h>
#include <reelfs/util.h>

#include "private.h"

#define SLAB_SIZE ((size_t)4 << 20)
#define SLABS 32

/* A part of a piece that is in a slab; data NULL: it could not be read. */
struct part {
        struct piece piece; /* file_offset: of this part */
        const uint8_t *data;
        size_t size;
        bool last; /* of the piece */
};

struct slab {
        uint8_t *data;
        GArray *parts; /* struct part */
};

struct restore {
        struct plan plan;
        struct target target; /* the writing thread's, while it runs */
        bool verifies;        /* nothing is written */
        const struct restore_options *options;
        struct restore_progress progress; /* the calling thread's */
        uint8_t *arena;
        struct slab slabs[SLABS];
        size_t slab_size;
        uint32_t block_length;

        /* The calling thread's: what is in the slab being filled, and where the tape is. */
        struct slab *slab;
        uint64_t segment, offset; /* the next byte of it on the tape; segment 0: not known */
        uint64_t slab_offset, slab_end;

        pthread_mutex_t lock; /* for the rest */
        pthread_cond_t changed;
        unsigned filled, emptied; /* slabs, ever */
        bool end;
        int error; /* of the writing thread */
        uint64_t files;
        struct {
                uint64_t verified, differing, unknown;
        } checked; /* the writing thread's */
};

/* ---- The writing thread */

static int write_part(struct restore *r, const struct part *p)
{
        if (!p->data) {
                struct node *n = plan_node(&r->plan, p->piece.node);
                *(r->options->salvage ? &n->holes : &n->failed) = true;
                return 0;
        }
        check_put(&r->plan, &p->piece, p->data, p->size);
        return r->verifies ? 0 : target_write(&r->target, &p->piece, p->data, p->size);
}

/* After its last piece a file is compared, and finished. */
static int piece_done(struct restore *r, uint32_t i)
{
        struct node *n = plan_node(&r->plan, i);
        bool last = n->left == 1;
        if (last && !n->failed && !n->holes) {
                enum check check = check_finish(&r->plan, i, r->options);
                r->checked.verified += check == CHECK_SAME;
                r->checked.unknown += check == CHECK_UNKNOWN;
                r->checked.differing += check == CHECK_DIFFERS;
                n->differs = check == CHECK_DIFFERS;
                *(r->options->salvage ? &n->holes : &n->failed) = n->differs;
        }
        if (!r->verifies)
                return target_piece_done(&r->target, i);
        n->left--;
        r->target.files += last && !n->failed;
        return 0;
}

static int write_slab(struct restore *r, struct slab *slab)
{
        int error = 0;
        for (guint i = 0; error == 0 && i < slab->parts->len; i++) {
                const struct part *p = &g_array_index(slab->parts, struct part, i);
                error = write_part(r, p);
                if (error == 0 && p->last)
                        error = piece_done(r, p->piece.node);
        }
        return error;
}

static void *write_main(void *arg)
{
        struct restore *r = arg;
        pthread_mutex_lock(&r->lock);
        for (;;) {
                while (r->emptied == r->filled && !r->end)
                        pthread_cond_wait(&r->changed, &r->lock);
                if (r->emptied == r->filled)
                        break;
                struct slab *slab = &r->slabs[r->emptied % SLABS];
                int error = r->error;
                pthread_mutex_unlock(&r->lock);
                if (error == 0)
                        error = write_slab(r, slab);
                g_array_set_size(slab->parts, 0);
                pthread_mutex_lock(&r->lock);
                r->error = error;
                r->files = r->target.files;
                r->emptied++;
                pthread_cond_signal(&r->changed);
        }
        pthread_mutex_unlock(&r->lock);
        return NULL;
}

/* ---- The calling thread */

/* Hands the slab over and takes another one. A full queue is first let half empty, so that the tape, once it
 * has stopped, runs for a while. */
static int next_slab(struct restore *r)
{
        pthread_mutex_lock(&r->lock);
        if (r->slab) {
                r->filled++;
                pthread_cond_signal(&r->changed);
        }
        if (r->filled - r->emptied == SLABS)
                while (r->filled - r->emptied > SLABS / 2 && r->error == 0)
                        pthread_cond_wait(&r->changed, &r->lock);
        int error = r->error;
        r->progress.files = r->files;
        r->slab = &r->slabs[r->filled % SLABS];
        pthread_mutex_unlock(&r->lock);
        if (error == 0 && r->options->report && !r->options->report(r->options->ctx, &r->progress))
                error = -ECANCELED;
        return error;
}

/* Reads on to byte start of segment s, if that is near. What fails here is met again by who reads there. */
static void approach(struct restore *r, const struct segment *s, uint64_t start)
{
        struct segment at;
        size_t n;
        if (r->segment == 0 || volume_segment_get(r->plan.volume, r->segment, &at) < 0)
                return;
        uint64_t here = at.first_block + r->offset / r->block_length,
                 there = s->first_block + start / r->block_length, offset = r->offset;
        if (there < here || (there - here) * r->block_length > GAP_MAX)
                return;
        for (;;) {
                uint64_t end = at.id == s->id ? start : at.length;
                while (offset < end) {
                        size_t size = at.id == s->id ? MIN(r->slab_size, end - offset) : r->slab_size;
                        if (volume_read(r->plan.volume, at.id, offset, r->slab->data, size, &n) < 0 || n == 0)
                                return;
                        offset += n;
                }
                if (at.id == s->id || volume_read_next(r->plan.volume, at.id, &at) < 0)
                        return;
                offset = 0;
        }
}

/* How far pieces from i on go without a gap worth mention. */
static uint64_t wanted_end(const struct restore *r, guint i)
{
        const struct piece *p = &g_array_index(r->plan.pieces, struct piece, i);
        uint64_t segment = p->segment, begin = p->offset, end = begin + p->length,
                 most = begin + r->slab_size;
        for (i++; i < r->plan.pieces->len && end < most; i++) {
                p = &g_array_index(r->plan.pieces, struct piece, i);
                if (p->segment != segment || p->offset < begin || p->offset > end + GAP_MAX)
                        break;
                end = MAX(end, p->offset + p->length);
        }
        return end;
}

/* What a failure means: 0: these blocks only. */
static int is_local(int error)
{
        return error == -EIO || error == -EUCLEAN ? 0 : error;
}

/* Fills a slab with what begins at offset of the piece's segment. *bad: bytes that could not be read instead.
 */
static int load(struct restore *r, guint i, uint64_t offset, uint64_t *bad)
{
        const struct piece *p = &g_array_index(r->plan.pieces, struct piece, i);
        struct segment s = { 0 };
        size_t n = 0;
        *bad = 0;
        int error = next_slab(r);
        if (error < 0)
                return error;
        uint64_t start = offset - offset % r->block_length, end = MAX(wanted_end(r, i), offset + 1);
        size_t size = (size_t)MIN(
                r->slab_size, (end - start + r->block_length - 1) / r->block_length * r->block_length);
        if (volume_segment_get(r->plan.volume, p->segment, &s) == 0 && s.first_block > 0 &&
                start < s.length) {
                approach(r, &s, start);
                error = volume_read(r->plan.volume, p->segment, start, r->slab->data, size, &n);
        }
        r->segment = error < 0 ? 0 : p->segment;
        r->offset = start + n;
        r->slab_offset = start;
        r->slab_end = start + n;
        if (r->slab_end > offset)
                return error < 0 ? is_local(error) : 0;
        *bad = error < 0 ? start + r->block_length - offset : UINT64_MAX;
        r->slab_offset = r->slab_end = 0;
        return error < 0 ? is_local(error) : 0;
}

static void tell_bad(struct restore *r, const struct piece *p, uint64_t done, uint64_t size)
{
        struct segment s = { 0 };
        bool gone = p->segment == VOLUME_GONE,
             there = volume_segment_get(r->plan.volume, p->segment, &s) == 0;
        g_autofree char *path = plan_path(&r->plan, p->node);
        struct restore_bad bad = { path, false, p->file_offset + done, size, s.filemark,
                there ? s.first_block + (p->offset + done) / r->block_length : 0 };
        r->progress.missing += size;
        if (gone && !r->options->salvage)
                log_message(LOG_ERR, 0,
                        "%s: bytes %" PRIu64 " to %" PRIu64
                        " were lost when they were to be written: they are not on the tape",
                        path, bad.offset, bad.offset + size - 1);
        else if (!r->options->salvage)
                log_message(LOG_ERR, 0,
                        "%s: bytes %" PRIu64 " to %" PRIu64 ", at object %" PRIu64
                        " of the tape, cannot be read: the tape is bad there, or the drive's heads are dirty",
                        path, bad.offset, bad.offset + size - 1, bad.object);
        if (r->options->bad)
                r->options->bad(r->options->ctx, &bad);
}

static int read_piece(struct restore *r, guint i, uint64_t *loaded_segment)
{
        const struct piece *p = &g_array_index(r->plan.pieces, struct piece, i);
        for (uint64_t done = 0; done < p->length;) {
                uint64_t offset = p->offset + done, bad = 0;
                if (*loaded_segment != p->segment || offset < r->slab_offset || offset >= r->slab_end) {
                        int error = load(r, i, offset, &bad);
                        if (error < 0)
                                return error;
                        *loaded_segment = p->segment;
                }
                struct part part = { .piece = *p };
                part.piece.file_offset += done;
                if (bad > 0) {
                        part.size = (size_t)MIN(bad, p->length - done);
                        tell_bad(r, p, done, part.size);
                } else {
                        part.size = (size_t)MIN(r->slab_end - offset, p->length - done);
                        part.data = r->slab->data + (offset - r->slab_offset);
                        r->progress.bytes += part.size;
                }
                done += part.size;
                part.last = done == p->length;
                g_array_append_val(r->slab->parts, part);
        }
        return 0;
}

static int copy(struct restore *r)
{
        pthread_t writer;
        uint64_t loaded = 0;
        int error = -pthread_create(&writer, NULL, write_main, r);
        if (error < 0)
                return log_error_errno(error, "cannot start a thread");
        for (guint i = 0; error == 0 && i < r->plan.pieces->len; i++)
                error = read_piece(r, i, &loaded);
        pthread_mutex_lock(&r->lock);
        if (r->slab)
                r->filled++;
        r->end = true;
        pthread_cond_signal(&r->changed);
        pthread_mutex_unlock(&r->lock);
        pthread_join(writer, NULL);
        return r->error < 0 ? r->error : error;
}

static int make_slabs(struct restore *r)
{
        r->block_length = volume_block_length(r->plan.volume);
        r->slab_size = MAX(SLAB_SIZE / r->block_length, 1) * r->block_length;
        size_t size = SLABS * r->slab_size;
        void *arena = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (arena == MAP_FAILED)
                return log_error_errno(-errno, "no memory for buffers");
        r->arena = arena;
        madvise(arena, size, MADV_HUGEPAGE);
        if (mlock(arena, size) < 0)
                log_debug("the buffers are not locked in memory");
        for (unsigned i = 0; i < SLABS; i++) {
                r->slabs[i].data = r->arena + i * r->slab_size;
                r->slabs[i].parts = g_array_new(FALSE, FALSE, sizeof(struct part));
        }
        return 0;
}

/* Of files: those that have data to be compared; of a restore, all names but directories'. */
static uint64_t count_files(const struct restore *r)
{
        uint64_t files = 0;
        for (uint32_t i = 0; i < r->plan.nodes->len; i++) {
                const struct node *n = plan_node(&r->plan, i);
                files += r->verifies ? n->left > 0 : !S_ISDIR(n->mode) && !n->complete;
        }
        return files;
}

static int run(struct restore *r)
{
        int error = r->verifies ? 0 : target_prepare(&r->target);
        if (error == 0)
                error = plan_pieces(&r->plan, &r->progress.total_bytes);
        if (error == 0 && r->options->paths && r->options->paths[0])
                plan_ask_order(&r->plan);
        if (error == 0)
                error = make_slabs(r);
        r->progress.total_files = count_files(r);
        if (error == 0 && r->plan.pieces->len > 0)
                error = copy(r);
        return error < 0 || r->verifies ? error : target_finish(&r->target);
}

static void sum_up(const struct restore *r, struct restore_progress *result)
{
        *result = r->progress;
        result->files = r->target.files;
        result->failed = r->target.failed;
        result->attributes = r->target.attributes;
        result->skipped = r->target.skipped;
        result->verified = r->checked.verified;
        result->unknown = r->checked.unknown;
        result->differing = r->checked.differing;
        for (uint32_t i = 0; i < r->plan.nodes->len; i++) {
                const struct node *n = plan_node(&r->plan, i);
                result->damaged += n->holes;
                result->failed += r->verifies && n->failed && !n->differs;
        }
}

static int run_with(struct restore *r, Volume *volume, Tree *tree, struct restore_progress *result)
{
        pthread_mutex_init(&r->lock, NULL);
        pthread_cond_init(&r->changed, NULL);
        int error = plan_make(&r->plan, volume, tree, r->options->paths);
        if (error == 0)
                error = run(r);
        sum_up(r, result);
        target_clear(&r->target);
        plan_clear(&r->plan);
        for (unsigned i = 0; i < SLABS && r->slabs[i].parts; i++)
                g_array_unref(r->slabs[i].parts);
        if (r->arena)
                munmap(r->arena, SLABS * r->slab_size);
        pthread_cond_destroy(&r->changed);
        pthread_mutex_destroy(&r->lock);
        return error;
}

int restore_run(Volume *volume, Tree *tree, int target, const struct restore_options *options,
        struct restore_progress *result)
{
        g_autofree struct restore *r = g_new0(struct restore, 1);
        r->options = options;
        r->target = (struct target){ .plan = &r->plan,
                .existing = options->existing,
                .root = target,
                .directory = -1,
                .file = -1,
                .is_root = geteuid() == 0 };
        return run_with(r, volume, tree, result);
}

int restore_verify(
        Volume *volume, Tree *tree, const struct restore_options *options, struct restore_progress *result)
{
        g_autofree struct restore *r = g_new0(struct restore, 1);
        r->options = options;
        r->verifies = true;
        r->target = (struct target){ .plan = &r->plan, .root = -1, .directory = -1, .file = -1 };
        return run_with(r, volume, tree, result);
}

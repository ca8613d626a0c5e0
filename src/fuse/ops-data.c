/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Contents of files. */
#include <errno.h>
#include <linux/falloc.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <reelfs/log.h>
#include <reelfs/util.h>

#include "receiver.h"
#include "session-loop.h"

bool frontend_keep_cache(struct frontend *fe, uint64_t ino)
{
        pthread_mutex_lock(&fe->cached_lock);
        bool kept = !g_hash_table_add(fe->cached, GSIZE_TO_POINTER(ino));
        pthread_mutex_unlock(&fe->cached_lock);
        return kept;
}

void frontend_drop_cache(struct frontend *fe, uint64_t ino)
{
        pthread_mutex_lock(&fe->cached_lock);
        g_hash_table_remove(fe->cached, GSIZE_TO_POINTER(ino));
        pthread_mutex_unlock(&fe->cached_lock);
}

static void op_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
        struct frontend *fe = frontend_of(req);
        SchedFile *f;
        int r = sched_open(fe->sched, ino, &f);
        if (r < 0) {
                fuse_reply_err(req, -r);
                return;
        }
        direct_open(fe, fi, f, ino, NULL);
        if (fuse_reply_open(req, fi) == -ENOENT)
                sched_release(f);
}

static void op_release(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
        sched_release(direct_file(fi));
        fuse_reply_err(req, 0);
}

/* ---- Reading */

static void interrupted(fuse_req_t req, void *ctx)
{
        sched_cancel(frontend_of(req)->sched, ctx);
}

/* From here on an interrupt may no longer touch the request. -EINTR comes from within the interrupt itself.
 */
static void settle(fuse_req_t req, int error)
{
        if (error != -EINTR)
                fuse_req_interrupt_func(req, NULL, NULL);
}

static void read_done(void *ctx, int error, const struct iovec *iov, int iovcnt)
{
        fuse_req_t req = ctx;
        settle(req, error);
        if (error < 0)
                fuse_reply_err(req, -error);
        else
                fuse_reply_iov(req, iov, iovcnt);
}

static void op_read(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset, struct fuse_file_info *fi)
{
        fuse_req_interrupt_func(req, interrupted, req);
        sched_read(direct_file(fi), (uint64_t)offset, size, read_done, req);
}

/* ---- Writing */

struct write {
        fuse_req_t req;
        struct payload data;
};

static int fill(void *ctx, void *dst, size_t size)
{
        return payload_take(&((struct write *)ctx)->data, dst, size);
}

static const void *lies(void *ctx)
{
        return payload_lies(&((struct write *)ctx)->data);
}

static void waits(void *ctx)
{
        session_loop_promote(frontend_of(((struct write *)ctx)->req)->loop);
}

static bool is_interrupted(void *ctx)
{
        return fuse_req_interrupted(((struct write *)ctx)->req);
}

static void count(struct received *r, size_t size, size_t in_place, bool direct)
{
        atomic_fetch_add_explicit(&r->in_place, in_place, memory_order_relaxed);
        atomic_fetch_add_explicit(&r->copied, size - in_place, memory_order_relaxed);
        atomic_fetch_add_explicit(&r->through_pages, direct ? 0 : size, memory_order_relaxed);
}

static void op_write_buf(
        fuse_req_t req, fuse_ino_t ino, struct fuse_bufvec *data, off_t offset, struct fuse_file_info *fi)
{
        struct frontend *fe = frontend_of(req);
        struct write w = { .req = req };
        struct sched_source source = { fill, is_interrupted, waits, lies, &w, SCHED_WAIT };
        size_t size = fuse_buf_size(data), done;
        receiver_payload(data->buf[0].mem, size, &w.data);
        bool direct = direct_is(fi) && !fi->writepage;
        int r = direct ? privileges_drop(fe, ino, w.data.drops_bits) : 0;
        if (r < 0) {
                fuse_reply_err(req, -r);
                return;
        }
        r = sched_write(direct_file(fi), (uint64_t)offset, size, &source, &done);
        count(&fe->received, size, w.data.in_place, direct);
        if (direct)
                frontend_drop_cache(fe, ino);
        if (r == -EAGAIN)
                park_write(fe->park, req, direct_file(fi), (uint64_t)offset, done, size, &w.data);
        else if (r < 0 && done == 0)
                fuse_reply_err(req, -r);
        else
                fuse_reply_write(req, done);
}

/* A loss is told once: not to readers, who may come first and take no heed. */
static void op_flush(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
        fuse_reply_err(req, direct_writes(fi) ? -sched_flush(direct_file(fi)) : 0);
}

static void sync_done(void *ctx, int error)
{
        fuse_req_t req = ctx;
        settle(req, error);
        fuse_reply_err(req, -error);
}

static void sync_file(fuse_req_t req, SchedFile *f)
{
        fuse_req_interrupt_func(req, interrupted, req);
        sched_fsync(frontend_of(req)->sched, f, sync_done, req);
}

static void op_fsync(fuse_req_t req, fuse_ino_t ino, int datasync, struct fuse_file_info *fi)
{
        sync_file(req, direct_file(fi));
}

static void op_fsyncdir(fuse_req_t req, fuse_ino_t ino, int datasync, struct fuse_file_info *fi)
{
        sync_file(req, NULL);
}

/* ---- Size and holes */

static int grow(struct frontend *fe, uint64_t ino, uint64_t size)
{
        struct tree_attr attr;
        struct sched_status status;
        int r = tree_getattr(fe->tree, ino, &attr);
        if (r < 0 || attr.size >= size)
                return r;
        sched_get_status(fe->sched, &status);
        if (size - attr.size > status.remaining)
                return -ENOSPC;
        return sched_truncate(fe->sched, ino, size, now_ns());
}

static int allocate(struct frontend *fe, uint64_t ino, int mode, uint64_t offset, uint64_t length)
{
        const int known = FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE;
        if (mode & ~known)
                return -EOPNOTSUPP;
        if (offset > INT64_MAX - length)
                return -EFBIG;
        int r = volume_may_change(fe->volume);
        if (r < 0)
                return r;
        if (mode & (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE)) {
                r = sched_punch(fe->sched, ino, offset, length, now_ns());
                frontend_drop_cache(fe, ino);
        }
        return r < 0 || (mode & FALLOC_FL_KEEP_SIZE) ? r : grow(fe, ino, offset + length);
}

static void op_fallocate(
        fuse_req_t req, fuse_ino_t ino, int mode, off_t offset, off_t length, struct fuse_file_info *fi)
{
        fuse_reply_err(req, -allocate(frontend_of(req), ino, mode, (uint64_t)offset, (uint64_t)length));
}

static void op_lseek(fuse_req_t req, fuse_ino_t ino, off_t offset, int whence, struct fuse_file_info *fi)
{
        uint64_t found;
        int r = tree_seek(frontend_of(req)->tree, ino, (uint64_t)offset, whence, &found);
        if (r < 0)
                fuse_reply_err(req, -r);
        else
                fuse_reply_lseek(req, (off_t)found);
}

void ops_data(struct fuse_lowlevel_ops *ops)
{
        ops->open = op_open;
        ops->release = op_release;
        ops->read = op_read;
        ops->write_buf = op_write_buf;
        ops->flush = op_flush;
        ops->fsync = op_fsync;
        ops->fsyncdir = op_fsyncdir;
        ops->fallocate = op_fallocate;
        ops->lseek = op_lseek;
}

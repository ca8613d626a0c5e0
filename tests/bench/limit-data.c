/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Contents of files: kept in memory, or taken from and copied into a pool that turns round. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "limit-fs.h"

#define PIECE REQUEST_MAX
#define FIRST_ROOM 4096

void limit_touch(struct timespec *ts)
{
        clock_gettime(CLOCK_REALTIME, ts);
}

void limit_open_flags(const struct limit_fs *fs, struct fuse_file_info *fi)
{
        fi->direct_io = fs->direct == DIRECT_ALWAYS ||
                (fs->direct == DIRECT_WRITE_ONLY && (fi->flags & O_ACCMODE) == O_WRONLY);
        fi->keep_cache = 0;
}

/* ---- Data that is kept */

static int make_room(struct node *n, size_t room)
{
        uint8_t *old = n->pieces->pdata[0];
        size_t size = MAX(n->room, FIRST_ROOM);
        while (size < room)
                size *= 2;
        uint8_t *piece = realloc(old, size);
        if (!piece)
                return -ENOMEM;
        memset(piece + n->room, 0, size - n->room);
        n->pieces->pdata[0] = piece;
        n->room = size;
        return 0;
}

int limit_resize(struct node *n, uint64_t size)
{
        if (n->pieces) {
                size_t pieces = (size_t)((size + PIECE - 1) / PIECE);
                for (size_t i = pieces; i < n->pieces->len; i++)
                        free(g_steal_pointer(&n->pieces->pdata[i]));
                if (pieces < n->pieces->len)
                        g_ptr_array_set_size(n->pieces, (int)pieces);
                if (pieces == 0)
                        n->room = 0;
                size_t cut = (size_t)(size % PIECE);
                uint8_t *last = pieces > 0 && pieces <= n->pieces->len ? n->pieces->pdata[pieces - 1] : NULL;
                size_t room = pieces == 1 ? n->room : PIECE;
                if (last && cut > 0 && cut < room)
                        memset(last + cut, 0, room - cut);
        }
        n->st.st_size = (off_t)size;
        n->st.st_blocks = (blkcnt_t)((size + 511) / 512);
        return 0;
}

/* The place of the file's byte at offset, with room for *size of it, which is cut at the end of a piece. */
static int place(struct node *n, uint64_t offset, size_t *size, uint8_t **ret)
{
        size_t piece = (size_t)(offset / PIECE), start = (size_t)(offset % PIECE);
        *size = MIN(*size, PIECE - start);
        if (!n->pieces)
                n->pieces = g_ptr_array_new();
        if (piece >= n->pieces->len)
                g_ptr_array_set_size(n->pieces, (int)piece + 1);
        if (piece == 0) {
                if (start + *size > n->room && make_room(n, start + *size) < 0)
                        return -ENOMEM;
        } else if (!n->pieces->pdata[piece]) {
                n->pieces->pdata[piece] = calloc(1, PIECE);
                if (!n->pieces->pdata[piece])
                        return -ENOMEM;
        }
        *ret = (uint8_t *)n->pieces->pdata[piece] + start;
        return 0;
}

static int keep(struct node *n, uint64_t offset, size_t size, struct fuse_bufvec *data)
{
        for (size_t done = 0, part; done < size; done += part) {
                struct fuse_bufvec to = FUSE_BUFVEC_INIT(part = size - done);
                uint8_t *at;
                int r = place(n, offset + done, &part, &at);
                if (r < 0)
                        return r;
                to.buf[0].mem = at;
                to.buf[0].size = part;
                ssize_t copied = fuse_buf_copy(&to, data, 0);
                if (copied != (ssize_t)part)
                        return copied < 0 ? (int)copied : -EIO;
        }
        return 0;
}

/* Data of this thread's answer. Copied, since an answer lets its reader go on: the lock must be free by then.
 */
static uint8_t *take_kept(const struct node *n, uint64_t offset, size_t size)
{
        static _Thread_local uint8_t answer[REQUEST_MAX];
        for (size_t done = 0, part; done < size; done += part) {
                size_t piece = (size_t)((offset + done) / PIECE), start = (size_t)((offset + done) % PIECE);
                const uint8_t *data = n->pieces && piece < n->pieces->len ? n->pieces->pdata[piece] : NULL;
                size_t room = piece == 0 ? n->room : PIECE;
                part = MIN(size - done, PIECE - start);
                if (data && start < room)
                        part = MIN(part, room - start);
                if (data && start < room)
                        memcpy(answer + done, data + start, part);
                else
                        memset(answer + done, 0, part);
        }
        return answer;
}

/* ---- Data that is thrown away */

static uint8_t *next_place(struct limit_fs *fs)
{
        return fs->pool + atomic_fetch_add(&fs->turn, 1) % (fs->pool_size / REQUEST_MAX) * REQUEST_MAX;
}

static int discard(struct limit_fs *fs, size_t size, struct fuse_bufvec *data)
{
        struct fuse_bufvec to = FUSE_BUFVEC_INIT(size);
        if (!fs->copies && !(data->buf[0].flags & FUSE_BUF_IS_FD))
                return 0;
        to.buf[0].mem = next_place(fs);
        ssize_t copied = fuse_buf_copy(&to, data, 0);
        return copied < 0 ? (int)copied : copied == (ssize_t)size ? 0 : -EIO;
}

/* ---- Operations */

static void op_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
        struct limit_fs *fs = fs_of(req);
        if (fi->flags & O_TRUNC) {
                pthread_mutex_lock(&fs->lock);
                limit_resize(node_of(req, ino), 0);
                pthread_mutex_unlock(&fs->lock);
        }
        limit_open_flags(fs, fi);
        fuse_reply_open(req, fi);
}

static void op_release(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
        fuse_reply_err(req, 0);
}

static void op_flush(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
        fuse_reply_err(req, 0);
}

static void op_fsync(fuse_req_t req, fuse_ino_t ino, int datasync, struct fuse_file_info *fi)
{
        fuse_reply_err(req, 0);
}

static void op_read(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset, struct fuse_file_info *fi)
{
        struct limit_fs *fs = fs_of(req);
        struct node *n = node_of(req, ino);
        pthread_mutex_lock(&fs->lock);
        size_t left = offset < n->st.st_size ? (size_t)(n->st.st_size - offset) : 0;
        size = MIN(size, MIN(left, REQUEST_MAX));
        uint8_t *data = fs->keeps_data ? take_kept(n, (uint64_t)offset, size) : next_place(fs);
        pthread_mutex_unlock(&fs->lock);
        fuse_reply_buf(req, (char *)data, size);
}

static void op_write_buf(
        fuse_req_t req, fuse_ino_t ino, struct fuse_bufvec *data, off_t offset, struct fuse_file_info *fi)
{
        struct limit_fs *fs = fs_of(req);
        struct node *n = node_of(req, ino);
        size_t size = fuse_buf_size(data);
        int r = fs->keeps_data ? 0 : discard(fs, size, data);
        pthread_mutex_lock(&fs->lock);
        if (fs->keeps_data)
                r = keep(n, (uint64_t)offset, size, data);
        if (r == 0) {
                n->st.st_size = MAX(n->st.st_size, offset + (off_t)size);
                n->st.st_blocks = (n->st.st_size + 511) / 512;
                limit_touch(&n->st.st_mtim);
                n->st.st_ctim = n->st.st_mtim;
        }
        pthread_mutex_unlock(&fs->lock);
        if (r < 0)
                fuse_reply_err(req, -r);
        else
                fuse_reply_write(req, size);
}

void limit_data_ops(struct fuse_lowlevel_ops *ops)
{
        ops->open = op_open;
        ops->release = op_release;
        ops->flush = op_flush;
        ops->fsync = op_fsync;
        ops->read = op_read;
        ops->write_buf = op_write_buf;
}

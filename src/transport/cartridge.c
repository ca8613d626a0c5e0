/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <scsi/sg_unaligned.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <reelfs/log.h>
#include <reelfs/util.h>

#include "cartridge-scan.h"
#include "cartridge.h"
#include "frame.h"

struct Cartridge {
        int fd;
        bool writable;
        bool torn;
        uint64_t file_size; /* more than the end of data: a torn tail, an end-of-medium marker */
        uint64_t data;
        struct object_index index;
        struct frame frame;
};

static int copy_range(int from, uint64_t offset, int to, uint64_t to_offset, uint64_t size)
{
        uint8_t buf[64 * 1024];
        int r = 0;
        for (size_t n; r == 0 && size > 0; size -= n, offset += n, to_offset += n) {
                n = (size_t)MIN(size, sizeof(buf));
                r = pread_all(from, buf, n, offset);
                if (r == 0)
                        r = pwrite_all(to, buf, n, to_offset);
        }
        return r;
}

static int open_file(Cartridge *c, const char *path, bool read_only)
{
        const int flags = O_CLOEXEC | O_NOCTTY | O_NONBLOCK;
        c->writable = !read_only;
        c->fd = open(path, flags | (read_only ? O_RDONLY : O_RDWR));
        if (c->fd < 0 && !read_only && (errno == EACCES || errno == EPERM || errno == EROFS)) {
                c->writable = false;
                c->fd = open(path, flags | O_RDONLY);
        }
        struct stat st;
        int r = c->fd < 0 ? -errno : 0;
        if (r == 0 && flock(c->fd, (c->writable ? LOCK_EX : LOCK_SH) | LOCK_NB) < 0)
                r = -errno;
        /* Only under the lock is the size one that nobody changes. */
        if (r == 0 && fstat(c->fd, &st) < 0)
                r = -errno;
        if (r == -EWOULDBLOCK)
                return log_error(-EBUSY, "%s: another process has this cartridge in use", path);
        if (r < 0)
                return log_error_errno(r, "%s: cannot open the cartridge", path);
        if (!S_ISREG(st.st_mode))
                return log_error(-EINVAL, "%s is not a regular file, so it cannot be a cartridge", path);
        c->file_size = (uint64_t)st.st_size;
        return 0;
}

static int scan_file(Cartridge *c, const char *path)
{
        int r = object_index_init(&c->index);
        if (r == 0)
                r = cartridge_scan(c->fd, c->file_size, &c->index, &c->torn);
        if (r == -EMEDIUMTYPE)
                return log_error(r, "%s is not a tape cartridge (a SIMH .tap file)", path);
        if (r < 0)
                return log_error_errno(r, "%s: cannot read the cartridge", path);
        for (size_t i = 0; i < c->index.count; i++) {
                uint32_t length;
                if (cartridge_length(c, i, &length) == 0)
                        c->data += length;
        }
        return 0;
}

int cartridge_open(const char *path, bool read_only, Cartridge **ret)
{
        Cartridge *c = g_new0(Cartridge, 1);
        int r = open_file(c, path, read_only);
        if (r == 0)
                r = scan_file(c, path);
        if (r < 0) {
                cartridge_close(c);
                return r;
        }
        *ret = c;
        return 0;
}

void cartridge_close(Cartridge *c)
{
        if (!c)
                return;
        close_fd(&c->fd);
        object_index_free(&c->index);
        g_free(c);
}

bool cartridge_is_writable(const Cartridge *c)
{
        return c->writable;
}

uint64_t cartridge_count(const Cartridge *c)
{
        return c->index.count;
}

uint64_t cartridge_data(const Cartridge *c)
{
        return c->data;
}

static uint64_t end_of_data(const Cartridge *c)
{
        return object_index_offset(&c->index, c->index.count);
}

uint64_t cartridge_place(const Cartridge *c, uint64_t object)
{
        return object_index_offset(&c->index, object);
}

enum cartridge_kind cartridge_kind(const Cartridge *c, uint64_t object)
{
        static const enum cartridge_kind kinds[] = {
                [OBJECT_RECORD] = CARTRIDGE_RECORD,
                [OBJECT_BAD_RECORD] = CARTRIDGE_BAD_RECORD,
                [OBJECT_FILEMARK] = CARTRIDGE_FILEMARK,
        };
        if (object >= c->index.count)
                return c->torn ? CARTRIDGE_TORN : CARTRIDGE_END;
        return kinds[object_index_kind(&c->index, object)];
}

int cartridge_length(const Cartridge *c, uint64_t object, uint32_t *length)
{
        if (!object_index_gap_after(&c->index, object)) {
                *length = object_index_length(&c->index, object);
                return 0;
        }
        uint8_t header[4];
        int r = pread_all(c->fd, header, sizeof(header), object_index_offset(&c->index, object));
        if (r == 0)
                *length = (uint32_t)sg_get_unaligned_le(4, header) & TAP_LENGTH;
        return r;
}

uint64_t cartridge_data_before(const Cartridge *c, uint64_t object)
{
        uint64_t data = c->data;
        for (uint64_t i = object; i < c->index.count; i++) {
                uint32_t length;
                if (cartridge_length(c, i, &length) == 0)
                        data -= length;
        }
        return data;
}

uint64_t cartridge_filemarks_before(const Cartridge *c, uint64_t object)
{
        uint64_t n = 0;
        for (uint64_t i = 0; i < object; i++)
                n += object_index_kind(&c->index, i) == OBJECT_FILEMARK;
        return n;
}

int cartridge_read(Cartridge *c, uint64_t object, size_t n, uint32_t length, const struct iovec *iov,
        int iovcnt, size_t *nread)
{
        bool part = iov_length(iov, iovcnt) < length;
        *nread = 0;
        while (*nread < n) {
                size_t run = 1;
                while (*nread + run < n && !object_index_gap_after(&c->index, object + run - 1))
                        run++;
                frame_build(&c->frame, length, run, iov, iovcnt, *nread * length);
                /* The length behind a record read in part lies elsewhere; the one that was written there is
                 * left. */
                c->frame.iovcnt -= part;
                size_t done;
                int r = frame_transfer(false, c->fd, c->frame.iov, c->frame.iovcnt,
                        object_index_offset(&c->index, object), &done);
                if (r < 0)
                        return r == -ENODATA ? -EIO : r;
                size_t good = frame_verify(&c->frame, length);
                *nread += good;
                object += good;
                if (good < c->frame.records)
                        return -EIO;
        }
        return 0;
}

/* The first length is written last: until then an end-of-medium marker stands in its place. */
static int append_run(Cartridge *c, size_t n, uint32_t length, const struct iovec *iov, int iovcnt,
        size_t skip, size_t *written)
{
        uint64_t start = end_of_data(c), stride = frame_stride(length);
        uint8_t header[4];
        frame_build(&c->frame, length, n, iov, iovcnt, skip);
        sg_put_unaligned_le32(length, header);
        sg_put_unaligned_le32(TAP_END_OF_MEDIUM, frame_first_header(&c->frame));
        size_t done;
        int r = frame_transfer(true, c->fd, c->frame.iov, c->frame.iovcnt, start, &done);
        size_t whole = r < 0 ? done / stride : c->frame.records;
        c->file_size = start + done;
        if (r < 0) {
                if (ftruncate(c->fd, (off_t)(start + whole * stride)) < 0)
                        return r;
                c->file_size = start + whole * stride;
        }
        int committed = whole > 0 ? pwrite_all(c->fd, header, sizeof(header), start) : 0;
        if (committed < 0)
                return committed;
        for (size_t i = 1; i <= whole; i++)
                object_index_push(&c->index, OBJECT_RECORD, length, start + i * stride);
        c->data += whole * length;
        *written += whole;
        return r;
}

int cartridge_append(
        Cartridge *c, size_t n, uint32_t length, const struct iovec *iov, int iovcnt, size_t *written)
{
        *written = 0;
        int r = object_index_reserve(&c->index, n);
        if (r == 0)
                r = cartridge_truncate(c, c->index.count);
        while (r == 0 && *written < n)
                r = append_run(c, n - *written, length, iov, iovcnt, *written * length, written);
        return r;
}

/* Lengths only; the first one last, as in append_run. */
static int append_lengths(Cartridge *c, size_t n, uint32_t length, uint64_t start)
{
        uint64_t stride = frame_stride(length);
        uint8_t between[8], marker[4];
        sg_put_unaligned_le32(length, between);
        sg_put_unaligned_le32(length, between + 4);
        sg_put_unaligned_le32(TAP_END_OF_MEDIUM, marker);
        int r = pwrite_all(c->fd, marker, sizeof(marker), start);
        for (size_t i = 1; r == 0 && i <= n; i++)
                r = pwrite_all(c->fd, between, i < n ? 8 : 4, start + i * stride - 4);
        return r ?: pwrite_all(c->fd, between, 4, start);
}

int cartridge_append_hollow(Cartridge *c, size_t n, uint32_t length, size_t *written)
{
        uint64_t start = end_of_data(c), stride = frame_stride(length);
        *written = 0;
        int r = object_index_reserve(&c->index, n);
        if (r == 0)
                r = cartridge_truncate(c, c->index.count);
        if (r < 0)
                return r;
        r = append_lengths(c, n, length, start);
        c->file_size = start + n * stride;
        if (r < 0) {
                cartridge_truncate(c, c->index.count);
                return r;
        }
        for (size_t i = 1; i <= n; i++)
                object_index_push(&c->index, OBJECT_RECORD, length, start + i * stride);
        c->data += n * length;
        *written = n;
        return 0;
}

int cartridge_append_filemarks(Cartridge *c, size_t n)
{
        int r = object_index_reserve(&c->index, n);
        if (r == 0)
                r = cartridge_truncate(c, c->index.count);
        if (r < 0)
                return r;
        /* A filemark is four zeros, which is what a file grows by. */
        uint64_t start = end_of_data(c);
        if (ftruncate(c->fd, (off_t)(start + 4 * n)) < 0)
                return -errno;
        c->file_size = start + 4 * n;
        for (size_t i = 1; i <= n; i++)
                object_index_push(&c->index, OBJECT_FILEMARK, 0, start + 4 * i);
        return 0;
}

int cartridge_truncate(Cartridge *c, uint64_t object)
{
        uint64_t offset = object_index_offset(&c->index, object);
        if (offset != c->file_size && ftruncate(c->fd, (off_t)offset) < 0)
                return -errno;
        c->data = cartridge_data_before(c, object);
        object_index_truncate(&c->index, object);
        c->file_size = offset;
        c->torn = false;
        return 0;
}

int cartridge_flush(Cartridge *c)
{
        return fdatasync(c->fd) < 0 ? -errno : 0;
}

int cartridge_cut(Cartridge *c, uint64_t object, double keep)
{
        uint64_t start = object_index_offset(&c->index, object), end = end_of_data(c);
        if (start == end)
                return 0;
        uint64_t kept = (uint64_t)((double)(end - start) * CLAMP(keep, 0.0, 1.0));
        return ftruncate(c->fd, (off_t)(start + MIN(kept, end - start))) < 0 ? -errno : 0;
}

int cartridge_copy(const Cartridge *c, int fd)
{
        return copy_range(c->fd, 0, fd, 0, c->file_size);
}

/* Less than a length: neither an object nor an end. */
static int put_torn_mark(int fd, uint64_t offset)
{
        static const uint8_t mark[] = { 0xfe, 0xfe };
        return pwrite_all(fd, mark, sizeof(mark), offset);
}

/* *end: behind it. The file ends before; in place of data there is a hole. */
static int put_bad_record(int fd, uint32_t length, uint64_t offset, uint64_t *end)
{
        uint8_t header[4];
        sg_put_unaligned_le32(TAP_CLASS_BAD | length, header);
        *end = offset + frame_stride(length);
        int r = pwrite_all(fd, header, sizeof(header), offset);
        return r ?: pwrite_all(fd, header, sizeof(header), *end - sizeof(header));
}

/* What of the old data lies behind the new; the object that is overwritten in part is there and bad. */
static int put_old(const Cartridge *old, int fd, uint64_t offset)
{
        uint64_t first = 0;
        int r = 0;
        while (first < old->index.count && object_index_offset(&old->index, first) < offset)
                first++;
        uint64_t from = object_index_offset(&old->index, first);
        if (from < offset)
                return put_torn_mark(fd, offset);
        if (from > offset)
                r = put_bad_record(fd, 1, offset, &offset);
        return r ?: copy_range(old->fd, from, fd, offset, old->file_size - from);
}

int cartridge_write_tail(
        const Cartridge *c, int fd, uint64_t object, enum cartridge_tail tail, const Cartridge *old)
{
        uint64_t offset = object_index_offset(&c->index, object);
        uint32_t length = 0;
        int r = 0;
        if (fd < 0)
                fd = c->fd;
        if (tail == CARTRIDGE_TAIL_BLOCK && cartridge_kind(c, object) == CARTRIDGE_RECORD)
                r = cartridge_length(c, object, &length);
        if (r == 0 && ftruncate(fd, (off_t)offset) < 0)
                r = -errno;
        if (r == 0 && length > 0)
                r = put_bad_record(fd, (length + 1) / 2, offset, &offset);
        if (r < 0)
                return r;
        return tail == CARTRIDGE_TAIL_OLD && old ? put_old(old, fd, offset) : put_torn_mark(fd, offset);
}

int cartridge_tear(Cartridge *c, uint64_t object)
{
        int r = cartridge_truncate(c, object);
        if (r == 0)
                r = put_torn_mark(c->fd, c->file_size);
        if (r < 0)
                return r;
        c->file_size += 2;
        c->torn = true;
        return 0;
}

uint64_t cartridge_host_space(const Cartridge *c)
{
        struct statvfs st;
        return fstatvfs(c->fd, &st) < 0 ? 0 : (uint64_t)st.f_bavail * st.f_frsize;
}

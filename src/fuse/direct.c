/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is written goes around the kernel's pages wherever that breaks nothing: it costs half the CPU time.
 * What is read does not, since the kernel reads ahead and keeps pages. In between are files opened for both:
 *
 * - One that exists is most likely a database or an image of a disk, read again and again: through the pages.
 * - One that is just being created is going to be written: around them, if the kernel can map it all the same
 *   (Linux 6.6 and later), for linkers (gold, mold) and SQLite write through shared mappings.
 * - On an older kernel only what rsync creates goes around: it never maps what it writes. */
#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include <reelfs/log.h>

#include "frontend.h"

/* linux/fuse.h of Linux 6.6; in flags2. */
#define DIRECT_IO_ALLOW_MMAP (1U << (36 - 32))
/* In fuse_file_info.fh, beside the address of a SchedFile. */
#define GOES_AROUND ((uint64_t)1)
#define WRITES ((uint64_t)2)
/* rsync: .NAME.XXXXXX */
#define RSYNC_SUFFIX 6

void direct_saw_init(struct frontend *fe, const struct fuse_in_header *request)
{
        const struct fuse_init_in *in = (const struct fuse_init_in *)(request + 1);
        if (request->len < sizeof(*request) + sizeof(*in) || !(in->flags & FUSE_INIT_EXT) ||
                !(in->flags2 & DIRECT_IO_ALLOW_MMAP))
                return;
        fe->init_unique = request->unique;
        atomic_store(&fe->maps_direct, true);
}

static void ask(struct iovec *reply, int count)
{
        if (count != 2 || reply[1].iov_len < sizeof(struct fuse_init_out))
                return;
        struct fuse_init_out *out = reply[1].iov_base;
        out->flags |= FUSE_INIT_EXT;
        out->flags2 |= DIRECT_IO_ALLOW_MMAP;
}

static ssize_t send_reply(int fd, struct iovec *iov, int count, void *userdata)
{
        const struct frontend *fe = userdata;
        const struct fuse_out_header *out = iov[0].iov_base;
        if (out->unique != 0 && out->unique == fe->init_unique)
                ask(iov, count);
        return writev(fd, iov, count);
}

/* Not used: the receivers read. libfuse insists on having it. */
static ssize_t receive(int fd, void *buf, size_t size, void *userdata)
{
        return read(fd, buf, size);
}

int direct_prepare(struct frontend *fe)
{
        static const struct fuse_custom_io io = { .writev = send_reply, .read = receive };
        int r = fuse_session_custom_io(fe->session, &io, fuse_session_fd(fe->session));
        return r < 0 ? log_error_errno(r, "%s: cannot set up the session", fe->options->mountpoint) : 0;
}

static bool is_of_rsync(const char *name, int flags)
{
        const char *dot = strrchr(name, '.');
        return (flags & O_EXCL) && name[0] == '.' && dot > name + 1 && strlen(dot + 1) == RSYNC_SUFFIX;
}

static bool goes_around(struct frontend *fe, int flags, const char *created)
{
        switch (flags & O_ACCMODE) {
        case O_WRONLY:
                return true;
        case O_RDWR:
                return created && (atomic_load(&fe->maps_direct) || is_of_rsync(created, flags));
        default:
                return false;
        }
}

void direct_open(
        struct frontend *fe, struct fuse_file_info *fi, SchedFile *f, uint64_t ino, const char *created)
{
        fi->direct_io = goes_around(fe, fi->flags, created);
        fi->keep_cache = !fi->direct_io && frontend_keep_cache(fe, ino);
        fi->fh = (uintptr_t)f | (fi->direct_io ? GOES_AROUND : 0) |
                ((fi->flags & O_ACCMODE) != O_RDONLY ? WRITES : 0);
}

SchedFile *direct_file(const struct fuse_file_info *fi)
{
        return (SchedFile *)(uintptr_t)(fi->fh & ~(GOES_AROUND | WRITES));
}

bool direct_is(const struct fuse_file_info *fi)
{
        return fi->fh & GOES_AROUND;
}

bool direct_writes(const struct fuse_file_info *fi)
{
        return fi->fh & WRITES;
}

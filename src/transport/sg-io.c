/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The sg node is used by write(2) and read(2), not by ioctl(SG_IO): that ioctl waits interruptibly, and a
 * kernel that stops or freezes the process (SIGSTOP, a debugger, a cgroup's freezer) restarts it afterwards,
 * which sends the command a second time. A read that is interrupted is only a read. The other two nodes wait
 * uninterruptibly. */
#include <errno.h>
#include <glib.h>
#include <limits.h>
#include <linux/bsg.h>
#include <scsi/sg.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <reelfs/util.h>

#include "sg-io.h"

#define FLAG_MMAP_IO 4 /* <linux sg.h>: SG_FLAG_MMAP_IO, which glibc's header lacks */
#define SMALL 4096     /* less is not worth mapping, see reelfs-zero-copy(7) */
/* The kernel's timer ends a command, and its error handler then resets what it can. If even that does not
 * end: */
#define GRACE_S 300

static int call_ioctl(int fd, unsigned long request, void *argument)
{
        return ioctl(fd, request, argument);
}

const struct sg_calls sg_system_calls = { call_ioctl, read, write, poll, monotonic_ns };

/* ---- What the adapter and its driver say */

/* include/scsi/scsi_status.h of Linux. 0: the drive's own status tells. */
static const struct {
        const char *name;
        int error;
} host_statuses[] = {
        [0x00] = { "DID_OK", 0 },
        [0x01] = { "DID_NO_CONNECT", -ENODEV },
        [0x02] = { "DID_BUS_BUSY", -ECONNRESET },
        [0x03] = { "DID_TIME_OUT", -ETIMEDOUT },
        [0x04] = { "DID_BAD_TARGET", -ENODEV },
        [0x05] = { "DID_ABORT", -ECONNRESET },
        [0x06] = { "DID_PARITY", -ECONNRESET },
        [0x07] = { "DID_ERROR", -ECONNRESET },
        [0x08] = { "DID_RESET", -ECONNRESET },
        [0x09] = { "DID_BAD_INTR", -ECONNRESET },
        [0x0a] = { "DID_PASSTHROUGH", 0 },
        [0x0b] = { "DID_SOFT_ERROR", -ECONNRESET },
        [0x0c] = { "DID_IMM_RETRY", -ECONNRESET },
        [0x0d] = { "DID_REQUEUE", -ECONNRESET },
        [0x0e] = { "DID_TRANSPORT_DISRUPTED", -ECONNRESET },
        [0x0f] = { "DID_TRANSPORT_FAILFAST", -ECONNRESET },
        /* Set by the kernel on top of a status of the drive's. */
        [0x10] = { "DID_TARGET_FAILURE", 0 },
        [0x11] = { "DID_NEXUS_FAILURE", 0 },
        [0x12] = { "DID_ALLOC_FAILURE", 0 },
        [0x13] = { "DID_MEDIUM_ERROR", 0 },
        [0x14] = { "DID_TRANSPORT_MARGINAL", -ECONNRESET },
};

/* The lower four bits; the others were suggestions once. Linux since 5.14 only ever says 8. */
static const int driver_statuses[16] = {
        [0x01] = -ECONNRESET, /* DRIVER_BUSY */
        [0x02] = -ECONNRESET, /* DRIVER_SOFT */
        [0x03] = -EIO,        /* DRIVER_MEDIA */
        [0x04] = -ECONNRESET, /* DRIVER_ERROR */
        [0x05] = -EIO,        /* DRIVER_INVALID */
        [0x06] = -ETIMEDOUT,  /* DRIVER_TIMEOUT */
        [0x07] = -EIO,        /* DRIVER_HARD */
        [0x08] = 0,           /* DRIVER_SENSE */
};

int sg_delivery_error(unsigned host, unsigned driver)
{
        if (host >= G_N_ELEMENTS(host_statuses))
                return -EIO;
        return host_statuses[host].error ?: driver_statuses[driver & 0x0f];
}

const char *sg_host_status_name(unsigned host)
{
        return host < G_N_ELEMENTS(host_statuses) ? host_statuses[host].name : "an unknown host status";
}

/* Of a system call that did not send the command. */
static int call_error(int error, enum device_node node, size_t length)
{
        static const struct {
                int error, meaning;
        } meanings[] = { { EINVAL, -EMSGSIZE }, { ENOMEM, -EMSGSIZE }, { E2BIG, -EMSGSIZE },
                { EFBIG, -EMSGSIZE }, { ENXIO, -ENODEV }, { ENODEV, -ENODEV }, { EPERM, -EPERM },
                { EACCES, -EPERM } };
        /* The block layer's answer to more than the adapter takes. */
        if (error == EIO && node == DEVICE_ST && length > SMALL)
                return -EMSGSIZE;
        for (size_t i = 0; i < G_N_ELEMENTS(meanings); i++)
                if (meanings[i].error == error)
                        return meanings[i].meaning == -EMSGSIZE && length == 0 ? -EIO : meanings[i].meaning;
        return -EIO;
}

static size_t bounded(int residual, size_t length)
{
        return residual > 0 ? MIN((size_t)residual, length) : 0;
}

static unsigned milliseconds(unsigned seconds)
{
        return MIN(seconds, INT_MAX / 1000u) * 1000u;
}

/* ---- struct sg_io_hdr */

static const int directions[] = { [TRANSPORT_NONE] = SG_DXFER_NONE,
        [TRANSPORT_IN] = SG_DXFER_FROM_DEV,
        [TRANSPORT_OUT] = SG_DXFER_TO_DEV };

static void fill_v3(struct sg_io_hdr *h, struct transport_command *c, size_t length)
{
        *h = (struct sg_io_hdr){
                .interface_id = 'S',
                .dxfer_direction = length ? directions[c->direction] : SG_DXFER_NONE,
                .cmd_len = (unsigned char)c->cdb_length,
                .mx_sb_len = TRANSPORT_SENSE_MAX,
                .dxfer_len = (unsigned)length,
                .dxferp = length ? c->iov[0].iov_base : NULL,
                .cmdp = c->cdb,
                .sbp = c->sense,
                .timeout = milliseconds(c->timeout_s),
        };
}

static void take_v3(
        const struct sg_io_hdr *h, struct transport_command *c, size_t length, struct sg_answer *a)
{
        c->status = h->status;
        c->sense_length = h->sb_len_wr;
        c->residual = bounded(h->resid, length);
        a->host = h->host_status;
        a->driver = h->driver_status;
        a->direct = (h->info & SG_INFO_DIRECT_IO_MASK) == SG_INFO_DIRECT_IO;
}

static bool await(const struct sg_calls *calls, int fd, unsigned seconds)
{
        int64_t until = calls->now() + ((int64_t)seconds + GRACE_S) * 1000000000;
        for (;;) {
                int64_t left = (until - calls->now()) / 1000000;
                struct pollfd p = { .fd = fd, .events = POLLIN };
                int n = calls->poll(&p, 1, (int)CLAMP(left, 0, INT_MAX));
                if (n > 0 || (n < 0 && errno != EINTR))
                        return true;
                if (n == 0 && left <= 0)
                        return false;
        }
}

static int send_sg(const struct sg_calls *calls, int fd, enum sg_way way, struct transport_command *c,
        size_t length, struct sg_answer *a)
{
        static const unsigned flags[] = { [SG_DIRECT] = SG_FLAG_DIRECT_IO, [SG_MMAP] = FLAG_MMAP_IO };
        struct sg_io_hdr h;
        fill_v3(&h, c, length);
        if (length >= SMALL)
                h.flags = flags[way];
        if (calls->write(fd, &h, sizeof(h)) < 0)
                return call_error(errno, DEVICE_SG, length);
        if (!await(calls, fd, c->timeout_s)) {
                a->stuck = true;
                return -ETIMEDOUT;
        }
        ssize_t n;
        while ((n = calls->read(fd, &h, sizeof(h))) < 0 && errno == EINTR)
                ;
        if (n < 0)
                return errno == ENODEV || errno == ENXIO ? -ENODEV : -EIO;
        take_v3(&h, c, length, a);
        /* What the drive did not send is left there from commands before. */
        if (c->direction == TRANSPORT_IN && length < SMALL && c->residual > 0)
                memset((uint8_t *)c->iov[0].iov_base + length - c->residual, 0, c->residual);
        return 0;
}

/* The block layer maps the pages of an iovec, where base and lengths are aligned. */
static int send_st(const struct sg_calls *calls, int fd, enum sg_way way, struct transport_command *c,
        size_t length, struct sg_answer *a)
{
        struct sg_io_hdr h;
        fill_v3(&h, c, length);
        if (length && c->iovcnt > 1) {
                if (c->iovcnt > IOV_MAX)
                        return -EMSGSIZE;
                h.dxferp = (void *)c->iov;
                h.iovec_count = (unsigned short)c->iovcnt;
        }
        if (calls->ioctl(fd, SG_IO, &h) < 0)
                return call_error(errno, DEVICE_ST, length);
        take_v3(&h, c, length, a);
        a->direct = true;
        return 0;
}

/* ---- struct sg_io_v4 */

static int send_bsg(const struct sg_calls *calls, int fd, enum sg_way way, struct transport_command *c,
        size_t length, struct sg_answer *a)
{
        uint64_t data = length ? (uintptr_t)c->iov[0].iov_base : 0;
        bool in = c->direction == TRANSPORT_IN;
        struct sg_io_v4 h = {
                .guard = 'Q',
                .protocol = BSG_PROTOCOL_SCSI,
                .subprotocol = BSG_SUB_PROTOCOL_SCSI_CMD,
                .request_len = (uint32_t)c->cdb_length,
                .request = (uintptr_t)c->cdb,
                .max_response_len = TRANSPORT_SENSE_MAX,
                .response = (uintptr_t)c->sense,
                .timeout = milliseconds(c->timeout_s),
        };
        if (in) {
                h.din_xfer_len = (uint32_t)length;
                h.din_xferp = data;
        } else {
                h.dout_xfer_len = (uint32_t)length;
                h.dout_xferp = data;
        }
        if (calls->ioctl(fd, SG_IO, &h) < 0)
                return call_error(errno, DEVICE_BSG, length);
        c->status = (uint8_t)h.device_status;
        c->sense_length = MIN(h.response_len, TRANSPORT_SENSE_MAX);
        c->residual = bounded(in ? h.din_resid : h.dout_resid, length);
        a->host = h.transport_status;
        a->driver = h.driver_status;
        a->direct = true;
        return 0;
}

int sg_send(const struct sg_calls *calls, enum device_node node, int fd, enum sg_way way,
        struct transport_command *c, struct sg_answer *answer)
{
        static int (*const senders[DEVICE_NODES])(const struct sg_calls *, int, enum sg_way,
                struct transport_command *, size_t, struct sg_answer *) = {
                [DEVICE_SG] = send_sg,
                [DEVICE_ST] = send_st,
                [DEVICE_BSG] = send_bsg,
        };
        size_t length = c->direction == TRANSPORT_NONE ? 0 : iov_length(c->iov, c->iovcnt);
        g_assert(node == DEVICE_ST || length == 0 || c->iovcnt == 1);
        *answer = (struct sg_answer){ 0 };
        if (length > INT_MAX)
                return -EMSGSIZE;
        int r = senders[node](calls, fd, way, c, length, answer);
        return r < 0 ? r : sg_delivery_error(answer->host, answer->driver);
}

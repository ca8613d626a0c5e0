/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* The kernel's side of the nodes of a tape drive: what its system calls take and answer. The nodes are files.
 */
#include <errno.h>
#include <glib.h>
#include <glib/gstdio.h>
#include <linux/bsg.h>
#include <scsi/sg.h>
#include <string.h>
#include <sys/mtio.h>
#include <unistd.h>

#include <reelfs/log.h>
#include <reelfs/util.h>

#include "../../src/transport/sg.h"

#define FLAG_MMAP 4
#define FAKE_RESERVED (256 << 10)

struct fake_kernel {
        /* What it is like. */
        size_t max;                 /* bytes in one command; 0: any */
        int refusal[DEVICE_NODES];  /* errno of every command by this node */
        bool filters[DEVICE_NODES]; /* INQUIRY only */
        int size_errno;             /* of one that is too large; 0: EINVAL */
        bool copies;                /* it ignores that direct I/O is asked for */
        bool no_reserve;
        unsigned interruptions; /* of the next reads */
        bool never;             /* commands do not end */
        uint8_t status, sense_length;
        const uint8_t *sense; /* NULL: bytes of 70h */
        unsigned host, driver;
        int residual;

        /* What came. */
        enum device_node node; /* of the last command */
        unsigned commands, rewinds;
        unsigned flags, iovecs;
        int direction;
        size_t length;
        GByteArray *data; /* of the last that went out */
        struct sg_io_hdr pending;
        int64_t clock;
};
static struct fake_kernel kernel;

static inline void fake_move(int direction, void *data, size_t length, unsigned iovecs)
{
        struct iovec one = { data, length };
        const struct iovec *iov = iovecs ? data : &one;
        size_t left = length - (size_t)CLAMP(kernel.residual, 0, (int)MIN(length, INT_MAX));
        g_byte_array_set_size(kernel.data, 0);
        for (unsigned i = 0; i < MAX(iovecs, 1) && length > 0; i++) {
                size_t n = MIN(iov[i].iov_len, left);
                if (direction == SG_DXFER_TO_DEV)
                        g_byte_array_append(kernel.data, iov[i].iov_base, (guint)iov[i].iov_len);
                else if (direction == SG_DXFER_FROM_DEV)
                        memset(iov[i].iov_base, 0xd0 + (int)i, n);
                left -= n;
        }
}

/* 0, or the errno of a command that is not sent. */
static inline int fake_accept(enum device_node node, uint8_t opcode, size_t length)
{
        if (kernel.refusal[node])
                return kernel.refusal[node];
        if (kernel.filters[node] && opcode != 0x12)
                return EPERM;
        if (kernel.max && length > kernel.max)
                return kernel.size_errno ? kernel.size_errno : EINVAL;
        kernel.node = node;
        kernel.commands++;
        kernel.length = length;
        return 0;
}

static inline void fake_answer_v3(struct sg_io_hdr *h, bool direct)
{
        h->status = kernel.status;
        h->sb_len_wr = kernel.sense_length;
        memset(h->sbp, 0x70, kernel.sense_length);
        if (kernel.sense)
                memcpy(h->sbp, kernel.sense, kernel.sense_length);
        h->host_status = (unsigned short)kernel.host;
        h->driver_status = (unsigned short)kernel.driver;
        h->resid = kernel.residual;
        h->info = direct ? SG_INFO_DIRECT_IO : 0;
}

static inline int fake_v3(struct sg_io_hdr *h)
{
        g_assert_cmpint(h->interface_id, ==, 'S');
        kernel.iovecs = h->iovec_count;
        kernel.direction = h->dxfer_direction;
        fake_move(h->dxfer_direction, h->dxferp, h->dxfer_len, h->iovec_count);
        fake_answer_v3(h, false);
        return 0;
}

static inline int fake_v4(struct sg_io_v4 *h)
{
        bool in = h->din_xfer_len > 0;
        fake_move(in ? SG_DXFER_FROM_DEV : SG_DXFER_TO_DEV,
                (void *)(uintptr_t)(in ? h->din_xferp : h->dout_xferp),
                in ? h->din_xfer_len : h->dout_xfer_len, 0);
        h->device_status = kernel.status;
        h->transport_status = kernel.host;
        h->driver_status = kernel.driver;
        h->response_len = kernel.sense_length;
        memset((void *)(uintptr_t)h->response, 0x72, kernel.sense_length);
        *(in ? &h->din_resid : &h->dout_resid) = kernel.residual;
        return 0;
}

static inline int fake_sg_io(void *argument)
{
        bool v4 = *(int *)argument == 'Q';
        const struct sg_io_v4 *four = argument;
        const struct sg_io_hdr *three = argument;
        const uint8_t *cdb = v4 ? (const uint8_t *)(uintptr_t)four->request : three->cmdp;
        errno = fake_accept(v4 ? DEVICE_BSG : DEVICE_ST, cdb[0],
                v4 ? four->din_xfer_len + four->dout_xfer_len : three->dxfer_len);
        if (errno)
                return -1;
        return v4 ? fake_v4(argument) : fake_v3(argument);
}

static inline int fake_ioctl(int fd, unsigned long request, void *argument)
{
        switch (request) {
        case SG_IO:
                return fake_sg_io(argument);
        case SG_GET_SG_TABLESIZE:
                *(int *)argument = 128;
                return 0;
        case SG_SET_RESERVED_SIZE:
                return 0;
        case SG_GET_RESERVED_SIZE:
                *(int *)argument = kernel.no_reserve ? 0 : FAKE_RESERVED;
                return 0;
        case MTIOCTOP:
                if (((struct mtop *)argument)->mt_op == MTREW)
                        kernel.rewinds++;
                else
                        g_assert_cmpint(((struct mtop *)argument)->mt_op, ==, MTBSF);
                return ((struct mtop *)argument)->mt_op == MTREW ? 0 : -1;
        default:
                g_error("unexpected ioctl %lx", request);
        }
}

static inline ssize_t fake_write(int fd, const void *buf, size_t size)
{
        g_assert_cmpuint(size, ==, sizeof(kernel.pending));
        memcpy(&kernel.pending, buf, size);
        errno = fake_accept(DEVICE_SG, kernel.pending.cmdp[0], kernel.pending.dxfer_len);
        kernel.flags = kernel.pending.flags;
        return errno ? -1 : (ssize_t)size;
}

static inline ssize_t fake_read(int fd, void *buf, size_t size)
{
        if (kernel.interruptions > 0) {
                kernel.interruptions--;
                errno = EINTR;
                return -1;
        }
        g_assert_cmpuint(kernel.pending.iovec_count, ==, 0);
        fake_v3(&kernel.pending);
        fake_answer_v3(&kernel.pending, kernel.flags & SG_FLAG_DIRECT_IO && !kernel.copies);
        memcpy(buf, &kernel.pending, size);
        return (ssize_t)size;
}

static inline int fake_poll(struct pollfd *fds, nfds_t n, int milliseconds)
{
        if (!kernel.never)
                return 1;
        kernel.clock += (int64_t)milliseconds * 1000000;
        return 0;
}

static inline int64_t fake_now(void)
{
        return kernel.clock += 1000000;
}

static const struct sg_calls fake_calls = { fake_ioctl, fake_read, fake_write, fake_poll, fake_now };

/* ---- A drive behind it */

struct fixture {
        char *directory;
        struct sg *t;
        GString *said;
};

static inline void fixture_sink(void *ctx, int priority, const char *text)
{
        if (priority <= LOG_INFO)
                g_string_append_printf(((struct fixture *)ctx)->said, "%s\n", text);
}

static inline char *fixture_path(const struct fixture *f, const char *name)
{
        return g_build_filename(f->directory, name, NULL);
}

static inline void fixture_put(const struct fixture *f, const char *name, const char *text, gssize length)
{
        g_autofree char *path = fixture_path(f, name), *directory = g_path_get_dirname(path);
        g_assert_cmpint(g_mkdir_with_parents(directory, 0755), ==, 0);
        g_assert_true(g_file_set_contents(path, text, length, NULL));
}

/* Nodes that are there, of "sg", "st" and "bsg" in this order. */
static inline void fixture_init(struct fixture *f, enum device_node asked, const bool *nodes)
{
        static const char *const names[DEVICE_NODES] = { "sg", "st", "bsg" };
        g_autofree char *room = g_malloc0(FAKE_RESERVED);
        kernel = (struct fake_kernel){ .data = g_byte_array_new() };
        *f = (struct fixture){ .said = g_string_new(NULL),
                .directory = g_dir_make_tmp("reelfs-sg-XXXXXX", NULL) };
        Device *d = g_new0(Device, 1);
        d->id = g_strdup("2:0:0:0");
        d->directory = g_strdup(f->directory);
        for (unsigned i = 0; i < DEVICE_NODES; i++) {
                if (nodes && !nodes[i])
                        continue;
                fixture_put(f, names[i], room, FAKE_RESERVED);
                d->nodes[i] = fixture_path(f, names[i]);
        }
        fixture_put(f, "state", "running\n", -1);
        fixture_put(f, "sys/module/sg/parameters/allow_dio", "1\n", -1);
        log_set_sink(fixture_sink, f);
        f->t = sg_new(&fake_calls, f->directory, d, asked);
        g_assert_cmpint(sg_open_nodes(f->t), ==, 0);
}

static inline void fixture_clear(struct fixture *f)
{
        const char *argv[] = { "rm", "-rf", f->directory, NULL };
        transport_close(&f->t->transport);
        log_set_sink(NULL, NULL);
        g_assert_true(g_spawn_sync(
                NULL, (char **)argv, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL, NULL, NULL, NULL, NULL));
        g_free(f->directory);
        g_string_free(f->said, TRUE);
        g_byte_array_unref(kernel.data);
}

static inline bool describes(struct fixture *f, const char *text)
{
        g_autofree char *described = transport_describe(&f->t->transport);
        if (!strstr(described, text))
                g_test_message("%s", described);
        return strstr(described, text);
}

static inline struct transport_command command_of(
        uint8_t opcode, enum transport_direction direction, const struct iovec *iov, int iovcnt)
{
        return (struct transport_command){ .cdb = { opcode },
                .cdb_length = 6,
                .direction = direction,
                .iov = iov,
                .iovcnt = iovcnt,
                .timeout_s = 60 };
}

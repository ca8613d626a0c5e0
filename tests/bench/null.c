/* SPDX-License-Identifier: GPL-2.0-or-later */
/* bench-null SG-NODE BSG-NODE ST-NODE DIRECTORY SECONDS ROUNDS [NAME]: the engine of reelfs bench on a device
 * that costs nothing, the kernel's scsi_debug as a tape (ptype=1 fake_rw=1 delay=0), which answers READ and
 * WRITE of any length at once and knows little else. What is measured is what the kernel does to move the
 * data. Writes null.txt, null.json and null.svg to DIRECTORY. With NAME: only what the st driver copies from
 * aligned buffers, since it was loaded with try_direct_io=0; the files are called NAME. For
 * tests/bench/zero-copy. */
#include <errno.h>
#include <fcntl.h>
#include <linux/bsg.h>
#include <scsi/sg.h>
#include <scsi/sg_unaligned.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/uio.h>

#include <reelfs/bench.h>
#include <reelfs/log.h>
#include <reelfs/util.h>

#define LARGEST (4u << 20)
#define TIMEOUT_MS 60000
#define FLAG_MMAP_IO 4 /* glibc's header lacks it */
/* Blocks of one writev(2) on the st node: the kernel's loop over them, not the system call, is what is
 * measured. */
#define BATCH 64
/* More than the caches of a processor hold. */
#define COLD ((size_t)192 << 20)

struct null_way {
        BenchWay way; /* first */
        const char *node;
        unsigned flags; /* of struct sg_io_hdr */
        int fd;
        void *mapped;
        int reserved;  /* bytes of the driver's buffer */
        uint8_t *cold; /* COLD bytes; NULL: the data is in the processor's cache */
        size_t next;   /* place in cold */
};

static int null_open(BenchWay *w)
{
        struct null_way *n = (struct null_way *)w;
        n->reserved = LARGEST;
        n->fd = open(n->node, O_RDWR | O_CLOEXEC);
        if (n->fd < 0) {
                int r = -errno;
                return log_error_errno(r, "%s: cannot open", n->node);
        }
        /* So that indirect I/O has its buffer as well, without allocating it for each command. */
        if (n->way.kind != BENCH_DIRECT && w->batch == 0)
                if (ioctl(n->fd, SG_SET_RESERVED_SIZE, &n->reserved) < 0 ||
                        ioctl(n->fd, SG_GET_RESERVED_SIZE, &n->reserved) < 0)
                        return log_error_errno(-EIO, "%s: no reserved buffer", n->node);
        if (n->way.kind != BENCH_MAPPED)
                return 0;
        n->mapped = mmap(NULL, (size_t)n->reserved, PROT_READ | PROT_WRITE, MAP_SHARED, n->fd, 0);
        return n->mapped == MAP_FAILED
                ? log_error_errno(-ENOMEM, "%s: cannot map the reserved buffer", n->node)
                : 0;
}

static void null_close(BenchWay *w)
{
        struct null_way *n = (struct null_way *)w;
        if (n->mapped)
                munmap(n->mapped, (size_t)n->reserved);
        n->mapped = NULL;
        close_fd(&n->fd);
}

static void null_limits(BenchWay *w, struct bench_limits *limits)
{
        struct null_way *n = (struct null_way *)w;
        *limits = (struct bench_limits){ .max_transfer = w->batch ? 1 << 20 : (size_t)n->reserved,
                .min_block = 1 };
}

static int null_prepare(BenchWay *w, const struct bench_cell *cell)
{
        return 0;
}

static int null_lend(BenchWay *w, size_t size, void **buf)
{
        *buf = ((struct null_way *)w)->mapped;
        return 0;
}

static void null_free(BenchWay *w)
{
        g_free(w);
}

/* WRITE(6), READ(6) of one variable block. */
static void make_cdb(uint8_t cdb[static 6], uint8_t opcode, size_t size)
{
        cdb[0] = opcode;
        sg_put_unaligned_be24((uint32_t)size, cdb + 2);
}

static int sg_command(struct null_way *n, uint8_t opcode, int direction, void *buf, size_t size)
{
        uint8_t cdb[6] = { 0 }, sense[32];
        struct sg_io_hdr h = { .interface_id = 'S',
                .dxfer_direction = direction,
                .cmd_len = sizeof(cdb),
                .cmdp = cdb,
                .sbp = sense,
                .mx_sb_len = sizeof(sense),
                .dxfer_len = (unsigned)size,
                .dxferp = n->flags & FLAG_MMAP_IO ? NULL : buf,
                .flags = size ? n->flags : 0,
                .timeout = TIMEOUT_MS };
        make_cdb(cdb, opcode, size);
        if (ioctl(n->fd, SG_IO, &h) < 0) {
                int r = -errno;
                return log_error_errno(r, "%s: %zu bytes", n->node, size);
        }
        if (h.status || h.host_status)
                return log_error(-EIO, "%s: command %02x of %zu bytes failed", n->node, opcode, size);
        /* At an odd address the driver may copy. */
        bool copied = (n->flags & SG_FLAG_DIRECT_IO) && size &&
                (h.info & SG_INFO_DIRECT_IO_MASK) != SG_INFO_DIRECT_IO;
        if (copied && (uintptr_t)buf % 512 == 0)
                return log_error(-EIO, "%s: direct I/O did not take effect", n->node);
        return 0;
}

static int sg_write(BenchWay *w, void *buf, size_t size)
{
        return sg_command((struct null_way *)w, 0x0a, SG_DXFER_TO_DEV, buf, size);
}

static int sg_read(BenchWay *w, void *buf, size_t size)
{
        return sg_command((struct null_way *)w, 0x08, SG_DXFER_FROM_DEV, buf, size);
}

/* TEST UNIT READY. */
static int sg_empty(BenchWay *w)
{
        return sg_command((struct null_way *)w, 0x00, SG_DXFER_NONE, NULL, 0);
}

static int bsg_command(struct null_way *n, uint8_t opcode, bool out, void *buf, size_t size)
{
        uint8_t cdb[6] = { 0 }, sense[32];
        struct sg_io_v4 h = { .guard = 'Q',
                .request_len = sizeof(cdb),
                .request = (uintptr_t)cdb,
                .response = (uintptr_t)sense,
                .max_response_len = sizeof(sense),
                .timeout = TIMEOUT_MS };
        make_cdb(cdb, opcode, size);
        if (out) {
                h.dout_xferp = (uintptr_t)buf;
                h.dout_xfer_len = (uint32_t)size;
        } else {
                h.din_xferp = (uintptr_t)buf;
                h.din_xfer_len = (uint32_t)size;
        }
        if (ioctl(n->fd, SG_IO, &h) < 0) {
                int r = -errno;
                return log_error_errno(r, "%s: %zu bytes", n->node, size);
        }
        return h.device_status ? log_error(-EIO, "%s: command %02x failed", n->node, opcode) : 0;
}

static int bsg_write(BenchWay *w, void *buf, size_t size)
{
        return bsg_command((struct null_way *)w, 0x0a, true, buf, size);
}

static int bsg_read(BenchWay *w, void *buf, size_t size)
{
        return bsg_command((struct null_way *)w, 0x08, false, buf, size);
}

static int bsg_empty(BenchWay *w)
{
        return bsg_command((struct null_way *)w, 0x00, true, NULL, 0);
}

/* The next stretch of memory that has not been used for a while, as far into its page as buf. */
static void *cold_buffer(struct null_way *n, const void *buf, size_t size)
{
        size_t offset = (uintptr_t)buf % 4096, stride = (offset + size + 4095) / 4096 * 4096;
        if (n->next + stride > COLD)
                n->next = 0;
        n->next += stride;
        return n->cold + n->next - stride + offset;
}

static int st_move(
        BenchWay *w, void *buf, size_t size, ssize_t (*move)(int fd, const struct iovec *iov, int iovcnt))
{
        struct null_way *n = (struct null_way *)w;
        struct iovec iov[BATCH];
        for (unsigned i = 0; i < BATCH; i++)
                iov[i] = (struct iovec){ n->cold ? cold_buffer(n, buf, size) : buf, size };
        ssize_t moved = move(n->fd, iov, BATCH);
        if (moved == (ssize_t)(BATCH * size))
                return 0;
        int r = moved < 0 ? -errno : -EIO;
        return log_error_errno(r, "%s: blocks of %zu bytes", n->node, size);
}

static int st_write(BenchWay *w, void *buf, size_t size)
{
        return st_move(w, buf, size, writev);
}

static int st_read(BenchWay *w, void *buf, size_t size)
{
        return st_move(w, buf, size, readv);
}

static int st_empty(BenchWay *w)
{
        return -EOPNOTSUPP;
}

#define COMMON_OPS                                                                              \
        .open = null_open, .close = null_close, .limits = null_limits, .prepare = null_prepare, \
        .free = null_free

static const struct bench_way_ops sg_ops = { COMMON_OPS, .write = sg_write, .read = sg_read,
        .empty = sg_empty };
static const struct bench_way_ops mapped_ops = { COMMON_OPS, .write = sg_write, .read = sg_read,
        .empty = sg_empty, .lend = null_lend };
static const struct bench_way_ops bsg_ops = { COMMON_OPS, .write = bsg_write, .read = bsg_read,
        .empty = bsg_empty };
static const struct bench_way_ops st_ops = { COMMON_OPS, .write = st_write, .read = st_read,
        .empty = st_empty };

static const struct {
        BenchWay way;
        unsigned node; /* argument */
        unsigned flags;
        bool cold;
        bool forbidden; /* for a driver that may not do direct I/O */
} null_ways[] = {
        { { &sg_ops, "sg-copied", "sg", BENCH_COPIED, 0, 0 }, 1, 0 },
        { { &sg_ops, "sg-direct", "sg", BENCH_DIRECT, 0, 0 }, 1, SG_FLAG_DIRECT_IO },
        { { &mapped_ops, "sg-mmap", "sg", BENCH_MAPPED, 0, 0 }, 1, FLAG_MMAP_IO },
        { { &bsg_ops, "bsg-direct", "bsg", BENCH_DIRECT, 0, 0 }, 2, 0 },
        { { &st_ops, "st-copied", "st", BENCH_COPIED, 1, BATCH }, 3, 0 },
        { { &st_ops, "st-direct", "st", BENCH_DIRECT, 0, BATCH }, 3, 0 },
        { { &st_ops, "st-copied-cold", "st-cold", BENCH_COPIED, 1, BATCH }, 3, 0, true },
        { { &st_ops, "st-direct-cold", "st-cold", BENCH_DIRECT, 0, BATCH }, 3, 0, true },
        { { &st_ops, "st-forbidden", "st", BENCH_COPIED, 0, BATCH }, 3, 0, false, true },
};

static GPtrArray *make_ways(char **argv, bool forbidden, uint8_t *cold)
{
        GPtrArray *ways = bench_ways_new();
        for (size_t i = 0; i < G_N_ELEMENTS(null_ways); i++) {
                if (null_ways[i].forbidden != forbidden)
                        continue;
                struct null_way *n = g_new0(struct null_way, 1);
                n->way = null_ways[i].way;
                n->node = argv[null_ways[i].node];
                n->flags = null_ways[i].flags;
                n->fd = -1;
                if (null_ways[i].cold)
                        n->cold = cold;
                g_ptr_array_add(ways, n);
        }
        return ways;
}

static int save(const char *directory, const char *name, const char *suffix, const char *text)
{
        g_autofree char *path = g_strconcat(directory, "/", name, suffix, NULL);
        g_autoptr(GError) error = NULL;
        return g_file_set_contents(path, text, -1, &error) ? 0 : log_error(-EIO, "%s", error->message);
}

static int save_all(Bench *b, const char *directory, const char *name)
{
        static const char title[] = "WRITE and READ of a device that costs nothing (scsi_debug)";
        g_autofree char *text = bench_text(b, title), *json = bench_json(b, title),
                        *svg = bench_svg(b, title);
        int r = save(directory, name, ".txt", text);
        r = r < 0 ? r : save(directory, name, ".json", json);
        return r < 0 ? r : save(directory, name, ".svg", svg);
}

int main(int argc, char **argv)
{
        struct bench_options options;
        Bench *b;
        log_open("bench-null", false);
        if (argc != 7 && argc != 8)
                return EXIT_FAILURE;
        bench_default_options(&options);
        options.write = true;
        options.tables = 1u << BENCH_EMPTY | 1u << BENCH_SIZES | 1u << BENCH_ALIGNMENT;
        options.space = UINT64_C(1) << 60;
        options.seconds = (uint64_t)atoi(argv[5]);
        options.rounds = (unsigned)atoi(argv[6]);
        uint8_t *cold = mmap(NULL, COLD, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (cold == MAP_FAILED)
                return EXIT_FAILURE;
        memset(cold, 1, COLD);
        g_autoptr(GPtrArray) ways = make_ways(argv, argc == 8, cold);
        int r = bench_new(&options, ways, NULL, &b);
        if (r < 0)
                return EXIT_FAILURE;
        r = bench_run(b);
        if (r == 0)
                r = save_all(b, argv[4], argc == 8 ? argv[7] : "null");
        bench_free(b);
        return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

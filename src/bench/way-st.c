/* SPDX-License-Identifier: GPL-2.0-or-later */
/* By read(2) and write(2) on the st driver's node, as tar and dd do it. */
#include <errno.h>
#include <fcntl.h>
#include <linux/mtio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <reelfs/bench.h>
#include <reelfs/log.h>
#include <reelfs/util.h>

/* All that this changes of the driver's options. */
#define OPTIONS (MT_ST_BUFFER_WRITES | MT_ST_ASYNC_WRITES | MT_ST_READ_AHEAD | MT_ST_SCSI2LOGICAL)
#define OPTIONS_KNOWN 0xfffff /* MT_ST_OPTIONS takes the rest of the word */

struct way_st {
        BenchWay way; /* first */
        char *node;
        struct bench_limits limits;
        int options;
        bool puts_off; /* writes may still be under way when write(2) returns */
        int fd;
        int former_block;
        uint32_t block;
        long former_options; /* -1: not known */
};

static int operate(struct way_st *t, short op, int count)
{
        struct mtop m = { .mt_op = op, .mt_count = count };
        return ioctl(t->fd, MTIOCTOP, &m) < 0 ? -errno : 0;
}

/* As sysfs has them, in the bits of MTSETDRVBUFFER. */
static long read_options(const char *node)
{
        g_autofree char *name = g_path_get_basename(node);
        g_autofree char *path = g_strdup_printf("/sys/class/scsi_tape/%s/options", name);
        g_autofree char *text = NULL;
        return g_file_get_contents(path, &text, NULL, NULL) ? strtol(text, NULL, 16) : -1;
}

static int set_options(struct way_st *t)
{
        int r = operate(t, MTSETDRVBUFFER, MT_ST_CLEARBOOLEANS | (OPTIONS & ~t->options));
        if (r == 0)
                r = operate(t, MTSETDRVBUFFER, MT_ST_SETBOOLEANS | t->options);
        return r < 0 ? log_error_errno(r, "%s: cannot set the options of the st driver", t->node) : 0;
}

static int way_open(BenchWay *w)
{
        struct way_st *t = (struct way_st *)w;
        struct mtget status;
        int r;
        t->fd = open(t->node, O_RDWR | O_CLOEXEC);
        if (t->fd < 0 || ioctl(t->fd, MTIOCGET, &status) < 0) {
                r = -errno;
                close_fd(&t->fd);
                return log_error_errno(r, "%s: cannot open the drive", t->node);
        }
        t->former_block = (int)((status.mt_dsreg & MT_ST_BLKSIZE_MASK) >> MT_ST_BLKSIZE_SHIFT);
        t->former_options = read_options(t->node);
        r = set_options(t);
        if (r < 0)
                close_fd(&t->fd);
        return r;
}

static void way_close(BenchWay *w)
{
        struct way_st *t = (struct way_st *)w;
        operate(t, MTSETBLK, t->former_block);
        if (t->former_options >= 0)
                operate(t, MTSETDRVBUFFER, MT_ST_BOOLEANS | (int)(t->former_options & OPTIONS_KNOWN));
        close_fd(&t->fd);
}

static void way_limits(BenchWay *w, struct bench_limits *limits)
{
        *limits = ((struct way_st *)w)->limits;
}

static int way_tell(BenchWay *w, uint64_t *object)
{
        struct way_st *t = (struct way_st *)w;
        struct mtpos p;
        if (ioctl(t->fd, MTIOCPOS, &p) < 0) {
                int r = -errno;
                return log_error_errno(r, "%s: the drive does not say where the tape is", t->node);
        }
        *object = (uint64_t)p.mt_blkno;
        return 0;
}

static int way_locate(BenchWay *w, uint64_t object)
{
        struct way_st *t = (struct way_st *)w;
        int r = object == 0 ? operate(t, MTREW, 1) : operate(t, MTSEEK, (int)object);
        return r < 0 ? log_error_errno(r, "%s: cannot go to block %" G_GUINT64_FORMAT, t->node, object) : 0;
}

static int way_prepare(BenchWay *w, const struct bench_cell *cell)
{
        struct way_st *t = (struct way_st *)w;
        int r = operate(t, MTSETBLK, (int)cell->block);
        return r < 0 ? log_error_errno(r, "%s: cannot set blocks of %u bytes", t->node, cell->block) : 0;
}

/* Sizes that the driver has no buffer for are left out. */
static int explain(struct way_st *t, const char *what)
{
        int r = -errno;
        if (r == -ENOSPC)
                return r;
        if (r == -EINVAL || r == -EOVERFLOW || r == -ENOMEM)
                return -EOPNOTSUPP;
        return log_error_errno(r, "%s: cannot %s", t->node, what);
}

static int way_write(BenchWay *w, void *buf, size_t size)
{
        struct way_st *t = (struct way_st *)w;
        ssize_t n = write(t->fd, buf, size);
        if (n == (ssize_t)size)
                return 0;
        return n < 0 ? explain(t, "write") : -ENOSPC;
}

static int way_read(BenchWay *w, void *buf, size_t size)
{
        struct way_st *t = (struct way_st *)w;
        ssize_t n = read(t->fd, buf, size);
        if (n == (ssize_t)size)
                return 0;
        if (n < 0)
                return explain(t, "read");
        return log_error(
                -ENODATA, "%s: the tape does not hold the blocks any more that are to be read", t->node);
}

/* READ POSITION. */
static int way_empty(BenchWay *w)
{
        struct way_st *t = (struct way_st *)w;
        struct mtpos p;
        return ioctl(t->fd, MTIOCPOS, &p) < 0 ? -EOPNOTSUPP : 0;
}

/* MTNOP flushes the driver's buffer as a side effect (st(4)). */
static int way_settle(BenchWay *w)
{
        struct way_st *t = (struct way_st *)w;
        int r = t->puts_off ? operate(t, MTNOP, 1) : 0;
        return r < 0 && r != -ENOSPC ? log_error_errno(r, "%s: cannot write", t->node) : r;
}

static int way_filemark(BenchWay *w)
{
        struct way_st *t = (struct way_st *)w;
        int r = operate(t, MTWEOFI, 1);
        return r < 0 ? log_error_errno(r, "%s: cannot write a filemark", t->node) : 0;
}

static void way_free(BenchWay *w)
{
        struct way_st *t = (struct way_st *)w;
        g_free(t->node);
        g_free(t);
}

static const struct bench_way_ops way_st_ops = {
        .open = way_open,
        .close = way_close,
        .limits = way_limits,
        .tell = way_tell,
        .locate = way_locate,
        .prepare = way_prepare,
        .write = way_write,
        .read = way_read,
        .empty = way_empty,
        .settle = way_settle,
        .filemark = way_filemark,
        .free = way_free,
};

/* What the driver does with a buffer that it cannot map, or may not: copy; and then it may put writes off. */
static const struct {
        const char *name;
        enum bench_kind kind;
        int options;
} modes[] = {
        [BENCH_ST_DIRECT] = { "st-direct", BENCH_DIRECT, 0 },
        [BENCH_ST_COPIED] = { "st-copied", BENCH_COPIED, 0 },
        [BENCH_ST_BUFFERED] = { "st-buffered", BENCH_OTHER, MT_ST_BUFFER_WRITES | MT_ST_READ_AHEAD },
        [BENCH_ST_ASYNC] = { "st-async", BENCH_OTHER,
                MT_ST_BUFFER_WRITES | MT_ST_ASYNC_WRITES | MT_ST_READ_AHEAD },
};

BenchWay *bench_way_st(
        const char *node, enum bench_st_mode mode, bool tries_direct, const struct bench_limits *limits)
{
        struct way_st *t = g_new0(struct way_st, 1);
        t->way = (BenchWay){ .ops = &way_st_ops,
                .name = modes[mode].name,
                .family = "st",
                .kind = modes[mode].kind,
                /* At an odd address the driver copies. */
                .offset = mode != BENCH_ST_DIRECT && tries_direct ? 1 : 0 };
        t->node = g_strdup(node);
        t->limits = *limits;
        t->options = modes[mode].options | MT_ST_SCSI2LOGICAL;
        t->puts_off = modes[mode].options & (MT_ST_BUFFER_WRITES | MT_ST_ASYNC_WRITES);
        t->fd = -1;
        return &t->way;
}

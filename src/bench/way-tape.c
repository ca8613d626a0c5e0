/* SPDX-License-Identifier: GPL-2.0-or-later */
/* By the tape layer, as a mount does it. */
#include <errno.h>

#include <reelfs/bench.h>
#include <reelfs/log.h>
#include <reelfs/tape.h>

struct way_tape {
        BenchWay way; /* first */
        char *address;
        enum transport_io io;
        Transport *transport; /* the tape's */
        Tape *tape;           /* NULL: closed */
        uint32_t block;
};

static int way_open(BenchWay *w)
{
        struct way_tape *t = (struct way_tape *)w;
        const struct transport_options options = { .io = t->io };
        int r = transport_open_with(t->address, &options, &t->transport);
        if (r == 0)
                r = tape_open(t->transport, t->address, &t->tape);
        return r;
}

static void way_close(BenchWay *w)
{
        struct way_tape *t = (struct way_tape *)w;
        tape_close(g_steal_pointer(&t->tape));
}

void bench_tape_limits(Tape *tape, struct bench_limits *limits)
{
        struct tape_info info;
        tape_get_info(tape, &info);
        *limits = (struct bench_limits){ .max_transfer = info.max_transfer,
                .min_block = info.fixed_only ? info.block_length : info.min_block,
                .max_block = info.max_block,
                .fixed_only = info.fixed_only };
}

static void way_limits(BenchWay *w, struct bench_limits *limits)
{
        bench_tape_limits(((struct way_tape *)w)->tape, limits);
}

static int way_tell(BenchWay *w, uint64_t *object)
{
        struct way_tape *t = (struct way_tape *)w;
        struct tape_position p;
        int r = tape_get_position(t->tape, &p);
        *object = p.object;
        return r;
}

static int way_locate(BenchWay *w, uint64_t object)
{
        struct way_tape *t = (struct way_tape *)w;
        return object == 0 ? tape_rewind(t->tape) : tape_locate(t->tape, object);
}

static int way_prepare(BenchWay *w, const struct bench_cell *cell)
{
        struct way_tape *t = (struct way_tape *)w;
        t->block = cell->block;
        return cell->block ? tape_set_block_length(t->tape, cell->block) : 0;
}

static int way_write(BenchWay *w, void *buf, size_t size)
{
        struct way_tape *t = (struct way_tape *)w;
        struct iovec iov = { buf, size };
        size_t written;
        if (t->block)
                return tape_write(t->tape, &iov, 1, &written, NULL);
        return tape_write_block(t->tape, &iov, 1, NULL);
}

static int way_read(BenchWay *w, void *buf, size_t size)
{
        struct way_tape *t = (struct way_tape *)w;
        enum tape_outcome outcome;
        size_t got;
        int r = t->block ? tape_read(t->tape, buf, size, &got, &outcome)
                         : tape_read_block(t->tape, buf, size, &got, &outcome);
        if (r == 0 && got != size)
                return log_error(-ENODATA,
                        "%s: the tape does not hold the blocks any more that are to be read (%s)", t->address,
                        tape_outcome_name(outcome));
        return r;
}

/* READ POSITION: twenty bytes come back. */
static int way_empty(BenchWay *w)
{
        struct way_tape *t = (struct way_tape *)w;
        struct tape_info info;
        struct tape_position p;
        tape_get_info(t->tape, &info);
        return info.read_position ? tape_get_position(t->tape, &p) : -EOPNOTSUPP;
}

static int way_filemark(BenchWay *w)
{
        struct way_tape *t = (struct way_tape *)w;
        return tape_write_filemarks(t->tape, 1, true, NULL);
}

static int way_lend(BenchWay *w, size_t size, void **buf)
{
        return transport_lend(((struct way_tape *)w)->transport, size, buf);
}

static void way_free(BenchWay *w)
{
        struct way_tape *t = (struct way_tape *)w;
        g_free(t->address);
        g_free(t);
}

#define COMMON_OPS                                                                                          \
        .open = way_open, .close = way_close, .limits = way_limits, .tell = way_tell, .locate = way_locate, \
        .prepare = way_prepare, .write = way_write, .read = way_read, .empty = way_empty,                   \
        .filemark = way_filemark, .free = way_free

static const struct bench_way_ops way_tape_ops = { COMMON_OPS };
static const struct bench_way_ops way_mapped_ops = { COMMON_OPS, .lend = way_lend };

BenchWay *bench_way_tape(
        const char *address, enum transport_io io, const char *name, const char *family, enum bench_kind kind)
{
        static const char *const ios[] = { [TRANSPORT_IO_AUTO] = "auto",
                [TRANSPORT_IO_DIRECT] = "direct",
                [TRANSPORT_IO_MMAP] = "mmap",
                [TRANSPORT_IO_INDIRECT] = "indirect" };
        struct way_tape *t = g_new0(struct way_tape, 1);
        t->way = (BenchWay){ .ops = io == TRANSPORT_IO_MMAP ? &way_mapped_ops : &way_tape_ops,
                .name = name,
                .family = family,
                .kind = kind,
                .io = ios[io] };
        t->address = g_strdup(address);
        t->way.address = t->address;
        t->io = io;
        return &t->way;
}

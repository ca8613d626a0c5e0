/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A drive from another age, as user-space targets have it, over the virtual drive: no LOCATE, READ POSITION
 * answers a constant, SPACE over blocks runs across filemarks and does not say how far it came, SPACE over
 * filemarks goes back too far, a block shorter than asked for is cut, and filemarks are written with a flush
 * only. And one whose connection is lost,
 * in whatever command and with whatever of it done. */
#include <errno.h>
#include <scsi/sg_unaligned.h>

#include "volume-rig.h"

enum odd_loss { LOSE_BEFORE, LOSE_AFTER, LOSE_HALF, LOSE_TORN /* the last block is not whole */ };

struct odd {
        Transport transport;
        Transport *drive;
        uint64_t position; /* of the drive below */
        bool tame;         /* only loses its connection */
        /* The connection is lost at this command; 0: never. */
        unsigned lose_at, commands;
        uint8_t lose_opcode;
        enum odd_loss loss;
        bool rewinds; /* and so does the drive */
        bool attention;
        unsigned lost;
};

static void put_sense(struct transport_command *c, uint8_t key, uint8_t asc, uint8_t ascq)
{
        memset(c->sense, 0, 18);
        c->status = TRANSPORT_STATUS_CHECK_CONDITION;
        c->sense_length = 18;
        c->sense[0] = 0x70;
        c->sense[2] = key;
        c->sense[7] = 10;
        c->sense[12] = asc;
        c->sense[13] = ascq;
}

static int plain(struct odd *o, struct transport_command *c)
{
        return transport_execute(o->drive, c);
}

static uint8_t space_one(struct odd *o, uint8_t code, int count)
{
        struct transport_command c = { .cdb = { 0x11, code }, .cdb_length = 6, .timeout_s = 60 };
        sg_put_unaligned_be24((uint32_t)count & 0xffffff, c.cdb + 2);
        g_assert_cmpint(plain(o, &c), ==, 0);
        if (c.status == TRANSPORT_STATUS_GOOD || c.sense[2] & 0x80)
                return 0;
        return (c.sense[2] & 0x0f) == 8 || c.sense[13] == 5 ? 5 : 4;
}

/* One step too few is reported as well as none: which, it does not say. */
static void odd_space(struct odd *o, struct transport_command *c)
{
        int count = (int)((uint32_t)sg_get_unaligned_be24(c->cdb + 2) << 8) >> 8, step = count < 0 ? -1 : 1;
        uint8_t code = c->cdb[1] & 7, stop = 0;
        if (code == 3) {
                plain(o, c);
                return;
        }
        for (; count != 0 && stop == 0; count -= step)
                stop = space_one(o, code, step);
        if (stop == 0 && step < 0 && code == 1)
                space_one(o, 0, -1);
        if (stop == 0 && step > 0 && code == 0 && space_one(o, 0, 1) == 5)
                stop = 5; /* just reached counts as run into */
        else if (stop == 0 && step > 0 && code == 0)
                space_one(o, 0, -1);
        if (stop)
                put_sense(c, 0, 0, stop);
}

static void odd_read(struct odd *o, struct transport_command *c)
{
        plain(o, c);
        if (c->status != TRANSPORT_STATUS_CHECK_CONDITION)
                return;
        if (c->sense[13] == 5)
                put_sense(c, 0x48, 0, 0);
        if (!(c->sense[2] & 0x20) || (int32_t)sg_get_unaligned_be32(c->sense + 3) <= 0)
                return;
        size_t asked = c->iov[0].iov_len, block = asked - (size_t)sg_get_unaligned_be32(c->sense + 3);
        c->residual = block;
        if (asked - block < block)
                memset((uint8_t *)c->iov[0].iov_base + (asked - block), 0xee, 2 * block - asked);
}

static int odd_command(struct odd *o, struct transport_command *c)
{
        static const uint8_t lacks[] = { 0x2b, 0x92, 0x91, 0x4d, 0x55 };
        for (size_t i = 0; !o->tame && i < G_N_ELEMENTS(lacks); i++)
                if (c->cdb[0] == lacks[i]) {
                        put_sense(c, 5, 0x20, 0);
                        return 0;
                }
        if (!o->tame && c->cdb[0] == 0x10 && c->cdb[1] != 0) {
                put_sense(c, 5, 0x24, 0);
                return 0;
        }
        if (o->tame || (c->cdb[0] != 0x34 && c->cdb[0] != 0x11 && c->cdb[0] != 0x08))
                return plain(o, c);
        if (c->cdb[0] == 0x34)
                memset(c->iov[0].iov_base, 0, c->iov[0].iov_len);
        else if (c->cdb[0] == 0x11)
                odd_space(o, c);
        else
                odd_read(o, c);
        return 0;
}

static int lose(struct odd *o, struct transport_command *c)
{
        struct transport_command done = *c;
        o->lost++;
        o->lose_at = 0;
        o->attention = true;
        if (o->loss == LOSE_TORN && c->cdb[0] == 0x0a) {
                size_t bytes = iov_length(c->iov, c->iovcnt);
                g_autofree uint8_t *torn = g_malloc(bytes);
                size_t at = 0;
                for (int i = 0; i < c->iovcnt; at += c->iov[i++].iov_len)
                        memcpy(torn + at, c->iov[i].iov_base, c->iov[i].iov_len);
                torn[bytes - 1] ^= 0xff;
                done.iov = &(struct iovec){ torn, bytes };
                done.iovcnt = 1;
                g_assert_cmpint(plain(o, &done), ==, 0);
        } else if (o->loss == LOSE_HALF && c->cdb[0] == 0x0a && c->cdb[1] & 1) {
                uint32_t blocks = sg_get_unaligned_be24(c->cdb + 2), half = blocks / 2;
                size_t bytes = iov_length(c->iov, c->iovcnt) / blocks * half;
                struct iovec iov[16];
                g_assert_cmpint(c->iovcnt, <=, 16);
                done.iovcnt = iov_slice(c->iov, c->iovcnt, 0, bytes, iov);
                done.iov = iov;
                sg_put_unaligned_be24(half, done.cdb + 2);
                if (half > 0)
                        g_assert_cmpint(plain(o, &done), ==, 0);
        } else if (o->loss == LOSE_AFTER) {
                g_assert_cmpint(odd_command(o, &done), ==, 0);
        }
        if (o->rewinds) {
                struct transport_command rewind = { .cdb = { 0x01 }, .cdb_length = 6, .timeout_s = 60 };
                g_assert_cmpint(plain(o, &rewind), ==, 0);
        }
        return -ECONNRESET;
}

static int odd_execute(Transport *t, struct transport_command *c)
{
        struct odd *o = (struct odd *)t;
        if (o->attention) {
                o->attention = false;
                put_sense(c, 6, 0x29, 7);
                return 0;
        }
        if (o->lose_at > 0 && (!o->lose_opcode || o->lose_opcode == c->cdb[0]) && ++o->commands == o->lose_at)
                return lose(o, c);
        return odd_command(o, c);
}

static void odd_limits(Transport *t, struct transport_limits *limits)
{
        transport_limits(((struct odd *)t)->drive, limits);
}

static void odd_close(Transport *t)
{
        transport_close(((struct odd *)t)->drive);
        g_free(t);
}

static const struct transport_ops odd_ops = {
        .execute = odd_execute, .limits = odd_limits, .close = odd_close
};

static struct odd *odd_load(struct rig *r, bool tame)
{
        struct odd *o = g_new0(struct odd, 1);
        o->transport.ops = &odd_ops;
        o->tame = tame;
        g_assert_cmpint(virtual_open(r->path, false, &o->drive), ==, 0);
        r->transport = o->drive;
        g_assert_cmpint(tape_open(&o->transport, "test", &r->tape), ==, 0);
        return o;
}

static struct odd *odd_start(struct rig *r, bool tame)
{
        rig_init(r, NULL);
        rig_unload(r);
        struct odd *o = odd_load(r, tame);
        rig_format(r);
        rig_mount(r);
        return o;
}

static struct odd *odd_remount(struct rig *r, bool tame)
{
        rig_unload(r);
        struct odd *o = odd_load(r, tame);
        rig_mount(r);
        return o;
}

static void verify_all(struct rig *r, unsigned files)
{
        for (unsigned i = 0; i < files; i++) {
                g_autofree char *name = g_strdup_printf("f%u", i);
                rig_verify(r, name, i * 40000 + 1, i);
        }
}

static void write_all(struct rig *r, unsigned files)
{
        for (unsigned i = 0; i < files; i++) {
                g_autofree char *name = g_strdup_printf("f%u", i);
                rig_write(r, name, i * 40000 + 1, i);
        }
}

/* Written, found again, and readable by a drive that knows better. */
static void test_odd_volume(void)
{
        struct rig r;
        odd_start(&r, false);
        write_all(&r, 12);
        g_assert_cmpint(rig_commit(&r), ==, 0);
        verify_all(&r, 12);
        odd_remount(&r, false);
        verify_all(&r, 12);
        rig_write(&r, "more", 3 * RIG_BLOCK + 5, 77);
        verify_all(&r, 3);
        rig_write(&r, "again", 5, 78); /* after reading: back to just the end */
        g_assert_cmpint(rig_commit(&r), ==, 0);
        g_assert_cmpuint(rig_problems(&r), ==, 0);
        rig_remount(&r);
        verify_all(&r, 12);
        rig_verify(&r, "more", 3 * RIG_BLOCK + 5, 77);
        rig_verify(&r, "again", 5, 78);
        g_assert_cmpuint(rig_problems(&r), ==, 0);
        rig_clear(&r);
}

/* What follows the last index is seen and recovered. */
static void test_odd_not_closed(void)
{
        struct rig r;
        struct volume_info info;
        odd_start(&r, false);
        write_all(&r, 4);
        g_assert_cmpint(rig_commit(&r), ==, 0);
        rig_write(&r, "tail", 2 * RIG_BLOCK + 1, 5);
        odd_remount(&r, false);
        volume_get_info(r.v, &info);
        g_assert_false(info.read_only);
        assert_message("not closed");
        verify_all(&r, 4);
        g_assert_cmpuint(rig_problems(&r), ==, 0);
        rig_remount(&r);
        rig_verify(&r, "lost+found/segment-8.data", 2 * RIG_BLOCK + 1, 5);
        rig_clear(&r);
}

static void test_odd_filemarks(void)
{
        struct rig r;
        struct tape_position p;
        enum tape_outcome outcome;
        uint64_t moved;
        odd_start(&r, false);
        write_all(&r, 12); /* 4 objects of label, 2 of index, 12 segments */
        tape_space_eod(r.tape);
        g_assert_cmpint(tape_get_position(r.tape, &p), ==, 0);
        uint64_t end = p.object;
        g_assert_cmpint(tape_space_filemarks(r.tape, -1, &moved, &outcome), ==, 0);
        g_assert_cmpint(tape_get_position(r.tape, &p), ==, 0);
        g_assert_cmpuint(p.object, ==, end - 1);
        g_assert_cmpint(tape_space_filemarks(r.tape, -2, &moved, &outcome), ==, 0);
        g_assert_cmpint(tape_space_filemarks(r.tape, 3, &moved, &outcome), ==, 0);
        g_assert_cmpint(tape_get_position(r.tape, &p), ==, 0);
        g_assert_cmpuint(p.object, ==, end);
        g_assert_cmpint(tape_space_filemarks(r.tape, 1, &moved, &outcome), ==, 0);
        g_assert_cmpint(outcome, ==, TAPE_EOD);
        g_assert_cmpint(tape_space_filemarks(r.tape, -100, &moved, &outcome), ==, 0);
        g_assert_cmpint(outcome, ==, TAPE_BOP);
        g_assert_cmpuint(moved, ==, 15);
        for (uint64_t object = 0; object <= end; object++) {
                g_assert_cmpint(tape_locate(r.tape, object), ==, 0);
                g_assert_cmpint(tape_get_position(r.tape, &p), ==, 0);
                g_assert_cmpuint(p.object, ==, object);
        }
        g_assert_cmpint(tape_locate(r.tape, end + 1), ==, -ENODATA);
        rig_clear(&r);
}

/* The connection is lost in each command of a mount, a write, a commit and a read; the drive has done it, or
 * half of it, or not; and is rewound or not. Nothing is written twice, there is no gap, nobody is told of a
 * failure. */
static void lose_everywhere(bool tame, enum odd_loss loss, bool rewinds)
{
        for (unsigned at = 1;; at++) {
                struct rig r;
                struct odd *o = odd_start(&r, tame);
                write_all(&r, 2);
                g_assert_cmpint(rig_commit(&r), ==, 0);
                o->loss = loss;
                o->rewinds = rewinds;
                o->lose_at = at;
                rig_write(&r, "large", 9 * RIG_BLOCK + 1, 9);
                rig_write(&r, "small", 10, 10);
                g_assert_cmpint(rig_commit(&r), ==, 0);
                rig_verify(&r, "large", 9 * RIG_BLOCK + 1, 9);
                bool lost = o->lost > 0;
                rig_remount(&r);
                struct volume_info info;
                volume_get_info(r.v, &info);
                g_assert_false(info.read_only);
                verify_all(&r, 2);
                rig_verify(&r, "large", 9 * RIG_BLOCK + 1, 9);
                rig_verify(&r, "small", 10, 10);
                g_assert_cmpuint(rig_problems(&r), ==, 0);
                rig_clear(&r);
                if (!lost)
                        return;
        }
}

static void test_lost(const void *data)
{
        unsigned which = GPOINTER_TO_UINT(data);
        lose_everywhere(which & 1, (enum odd_loss)(which >> 2), which & 2);
}

/* A flush after reading, in the midst of the tape, where no end of data can tell what has become of it. */
static void test_lost_flush(const void *tame)
{
        struct rig r;
        odd_start(&r, tame);
        write_all(&r, 4);
        g_assert_cmpint(rig_commit(&r), ==, 0);
        struct odd *o = odd_remount(&r, tame);
        verify_all(&r, 3);
        o->lose_opcode = 0x10;
        o->lose_at = 1;
        g_assert_cmpint(tape_write_filemarks(r.tape, 0, false, NULL), ==, 0);
        g_assert_cmpuint(o->lost, ==, 1);
        verify_all(&r, 4);
        g_assert_cmpuint(rig_problems(&r), ==, 0);
        rig_clear(&r);
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/odd/volume", test_odd_volume);
        g_test_add_func("/odd/not-closed", test_odd_not_closed);
        g_test_add_func("/odd/filemarks", test_odd_filemarks);
        g_test_add_data_func("/odd/lost/flush/odd", NULL, test_lost_flush);
        g_test_add_data_func("/odd/lost/flush/tame", "", test_lost_flush);
        for (unsigned which = 0; which < 16; which++) {
                g_autofree char *name = g_strdup_printf("/odd/lost/%s/%s/%s", which & 1 ? "tame" : "odd",
                        which & 2 ? "rewound" : "in-place",
                        which >> 2 == LOSE_AFTER          ? "done"
                                : which >> 2 == LOSE_HALF ? "half"
                                : which >> 2 == LOSE_TORN ? "torn"
                                                          : "not-done");
                g_test_add_data_func(name, GUINT_TO_POINTER(which), test_lost);
        }
        return g_test_run();
}

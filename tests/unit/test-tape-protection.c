/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Logical block protection in the tape layer, over the virtual drive and a cable that damages data. */
#include <errno.h>
#include <glib.h>
#include <scsi/sg_unaligned.h>
#include <string.h>

#include <reelfs/log.h>
#include <reelfs/tape.h>
#include <reelfs/util.h>
#include <reelfs/virtual.h>

#include "cartridge-place.h"

#define BLOCK 1000u
#define BLOCKS 40u

/* The cable: commands of one kind get a bit turned over. */
struct cable {
        Transport transport; /* first */
        Transport *under;
        uint8_t opcode;
        unsigned after, count; /* so many go by, then so many are damaged */
        size_t byte;           /* of the command's data */
        unsigned commands;     /* of that kind */
};

struct rig {
        char *directory, *path;
        struct cable cable;
        Tape *tape;
        unsigned errors;
        char message[256];
        uint8_t data[BLOCKS * BLOCK], found[BLOCKS * BLOCK];
};

static void flip(const struct transport_command *c, size_t byte)
{
        for (int i = 0; i < c->iovcnt; byte -= c->iov[i++].iov_len)
                if (byte < c->iov[i].iov_len) {
                        ((uint8_t *)c->iov[i].iov_base)[byte] ^= 0x40;
                        return;
                }
}

static int cable_execute(Transport *t, struct transport_command *c)
{
        struct cable *cable = (struct cable *)t;
        bool chosen = c->cdb[0] == cable->opcode, out = c->direction == TRANSPORT_OUT;
        unsigned n = chosen ? cable->commands++ : 0;
        bool damage = chosen && n >= cable->after && n - cable->after < cable->count;
        if (damage && out)
                flip(c, cable->byte);
        int r = transport_execute(cable->under, c);
        if (damage)
                flip(c, cable->byte); /* what was sent is the caller's again */
        return r;
}

static void cable_limits(Transport *t, struct transport_limits *limits)
{
        transport_limits(((struct cable *)t)->under, limits);
}

static void cable_close(Transport *t)
{
        transport_close(((struct cable *)t)->under);
}

static const struct transport_ops cable_ops = {
        .execute = cable_execute, .limits = cable_limits, .close = cable_close
};

static void count_errors(void *ctx, int priority, const char *text)
{
        struct rig *r = ctx;
        if (priority > LOG_ERR)
                return;
        r->errors++;
        g_strlcpy(r->message, text, sizeof(r->message));
}

static void rig_mount(struct rig *r)
{
        r->cable = (struct cable){ .transport.ops = &cable_ops };
        g_assert_cmpint(virtual_open(r->path, false, &r->cable.under), ==, 0);
        g_assert_cmpint(tape_open(&r->cable.transport, r->path, &r->tape), ==, 0);
}

static struct rig *rig_new(const struct virtual_cartridge *cartridge)
{
        struct rig *r = g_new0(struct rig, 1);
        place_make(&r->directory, &r->path);
        for (size_t i = 0; i < sizeof(r->data); i++)
                r->data[i] = (uint8_t)(i * 7 + i / BLOCK);
        log_set_sink(count_errors, r);
        g_assert_cmpint(virtual_create(r->path, cartridge), ==, 0);
        rig_mount(r);
        return r;
}

static struct rig *rig_protected(void)
{
        struct rig *r = rig_new(&(struct virtual_cartridge){ .max_transfer = 16 * 1024 });
        g_assert_cmpint(tape_set_protection(r->tape, true), ==, 0);
        g_assert_cmpint(tape_set_block_length(r->tape, BLOCK), ==, 0);
        return r;
}

static void rig_free(struct rig *r)
{
        tape_close(r->tape);
        log_set_sink(NULL, NULL);
        place_clear(r->directory, r->path);
        g_free(r);
}

static void damage(struct rig *r, uint8_t opcode, unsigned after, unsigned count, size_t byte)
{
        r->cable.opcode = opcode;
        r->cable.after = after;
        r->cable.count = count;
        r->cable.byte = byte;
        r->cable.commands = 0;
}

/* All blocks, from pieces of all lengths. */
static int put(struct rig *r, size_t *written)
{
        static const size_t lengths[] = { 1, 999, 1000, 2500, 3, 497 };
        struct iovec iov[100];
        int n = 0;
        for (size_t at = 0; at < sizeof(r->data); at += iov[n++].iov_len)
                iov[n] = (struct iovec){ r->data + at,
                        MIN(lengths[(size_t)n % G_N_ELEMENTS(lengths)], sizeof(r->data) - at) };
        return tape_write(r->tape, iov, n, written, NULL);
}

static void put_all(struct rig *r)
{
        size_t written;
        g_assert_cmpint(put(r, &written), ==, 0);
        g_assert_cmpuint(written, ==, BLOCKS);
}

static void expect_all(struct rig *r)
{
        size_t nread;
        enum tape_outcome outcome;
        memset(r->found, 0, sizeof(r->found));
        g_assert_cmpint(tape_rewind(r->tape), ==, 0);
        g_assert_cmpint(tape_read(r->tape, r->found, sizeof(r->found), &nread, &outcome), ==, 0);
        g_assert_cmpmem(r->found, nread, r->data, sizeof(r->data));
        g_assert_cmpint(outcome, ==, TAPE_GOOD);
}

static void test_offered(void)
{
        static const struct {
                unsigned lacks;
                bool has;
        } cases[] = { { 0, true }, { VIRTUAL_NO_MODE10, true }, { VIRTUAL_NO_PROTECTION, false },
                { VIRTUAL_NO_VARIABLE, false } };
        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                struct rig *r = rig_new(&(struct virtual_cartridge){ .lacks = cases[i].lacks });
                struct tape_info info;
                tape_get_info(r->tape, &info);
                g_assert_cmpint(info.has_protection, ==, cases[i].has);
                g_assert_false(info.protected);
                g_assert_cmpint(tape_set_protection(r->tape, true), ==, cases[i].has ? 0 : -EOPNOTSUPP);
                tape_get_info(r->tape, &info);
                g_assert_cmpint(info.protected, ==, cases[i].has);
                g_assert_cmpuint(r->errors, ==, 0);
                rig_free(r);
        }
}

/* The same tape with it and without it; on and off again with a block length that is set. */
static void test_same_tape(void)
{
        struct rig *r = rig_protected();
        struct tape_info info;
        put_all(r);
        expect_all(r);
        g_assert_cmpint(tape_set_protection(r->tape, false), ==, 0);
        tape_get_info(r->tape, &info);
        g_assert_cmpuint(info.block_length, ==, BLOCK);
        expect_all(r);
        g_assert_cmpint(tape_rewind(r->tape), ==, 0);
        put_all(r);
        g_assert_cmpint(tape_set_protection(r->tape, true), ==, 0);
        tape_get_info(r->tape, &info);
        g_assert_cmpuint(info.block_length, ==, BLOCK);
        expect_all(r);
        /* Whoever comes next finds a drive without. */
        tape_close(g_steal_pointer(&r->tape));
        rig_mount(r);
        tape_get_info(r->tape, &info);
        g_assert_false(info.protected);
        g_assert_cmpint(tape_set_block_length(r->tape, BLOCK), ==, 0);
        expect_all(r);
        g_assert_cmpuint(r->errors, ==, 0);
        rig_free(r);
}

/* Blocks of other lengths, into room of all lengths; filemarks, the end. */
static void test_single_blocks(void)
{
        struct rig *r = rig_protected();
        static const size_t lengths[] = { 1, 3, 4, 5, 999, 1000, 5000 },
                            rooms[] = { 1, 4, 6, 1000, 1003, 1004, 9000 };
        size_t length;
        enum tape_outcome outcome;
        for (size_t i = 0; i < G_N_ELEMENTS(lengths); i++)
                g_assert_cmpint(
                        tape_write_block(r->tape, &(struct iovec){ r->data, lengths[i] }, 1, NULL), ==, 0);
        g_assert_cmpint(tape_write_filemarks(r->tape, 1, false, NULL), ==, 0);
        for (size_t k = 0; k < G_N_ELEMENTS(rooms); k++) {
                g_assert_cmpint(tape_rewind(r->tape), ==, 0);
                for (size_t i = 0; i < G_N_ELEMENTS(lengths); i++) {
                        g_assert_cmpint(
                                tape_read_block(r->tape, r->found, rooms[k], &length, &outcome), ==, 0);
                        g_assert_cmpuint(length, ==, MIN(lengths[i], rooms[k]));
                        g_assert_cmpint(outcome, ==, lengths[i] > rooms[k] ? TAPE_LONG_BLOCK : TAPE_GOOD);
                        g_assert_cmpmem(r->found, length, r->data, length);
                }
                g_assert_cmpint(tape_read_block(r->tape, r->found, rooms[k], &length, &outcome), ==, 0);
                g_assert_cmpint(outcome, ==, TAPE_FILEMARK);
                g_assert_cmpint(tape_read_block(r->tape, r->found, rooms[k], &length, &outcome), ==, 0);
                g_assert_cmpint(outcome, ==, TAPE_EOD);
        }
        g_assert_cmpuint(r->errors, ==, 0);
        rig_free(r);
}

/* A bit turned over in any block or CRC, of any command: found, and read or written once more. */
static void test_damaged_once(void)
{
        static const size_t bytes[] = { 0, 999, 1003, 5 * 1004 + 17, 14 * 1004 };
        for (size_t i = 0; i < G_N_ELEMENTS(bytes); i++)
                for (unsigned after = 0; after < 3; after++) {
                        struct rig *r = rig_protected();
                        /* 16 KiB move 16 blocks; READ POSITION has to be proved before a write can be taken
                         * up again. */
                        g_assert_cmpint(tape_write_filemarks(r->tape, 1, true, NULL), ==, 0);
                        g_assert_cmpint(tape_rewind(r->tape), ==, 0);
                        damage(r, 0x0a, after, 1, bytes[i] % (8 * 1004));
                        put_all(r);
                        g_assert_cmpuint(r->cable.commands, >=, 4);
                        damage(r, 0x08, after, 1, bytes[i] % (8 * 1004));
                        expect_all(r);
                        g_assert_cmpuint(r->cable.commands, >=, 4);
                        g_assert_cmpuint(r->errors, ==, 0);
                        rig_free(r);
                }
}

static void test_damaged_single_block(void)
{
        struct rig *r = rig_protected();
        size_t length;
        enum tape_outcome outcome;
        g_assert_cmpint(tape_write_filemarks(r->tape, 1, true, NULL), ==, 0);
        g_assert_cmpint(tape_rewind(r->tape), ==, 0);
        damage(r, 0x0a, 0, 1, 70);
        g_assert_cmpint(tape_write_block(r->tape, &(struct iovec){ r->data, 100 }, 1, NULL), ==, 0);
        for (size_t byte = 0; byte < 104; byte += 103) {
                g_assert_cmpint(tape_rewind(r->tape), ==, 0);
                damage(r, 0x08, 0, 1, byte);
                g_assert_cmpint(tape_read_block(r->tape, r->found, 500, &length, &outcome), ==, 0);
                g_assert_cmpmem(r->found, length, r->data, 100);
                g_assert_cmpuint(r->cable.commands, ==, 2);
        }
        g_assert_cmpuint(r->errors, ==, 0);
        rig_free(r);
}

/* Again and again: an error, never wrong data. */
static void test_damaged_always(void)
{
        struct rig *r = rig_protected();
        size_t n;
        enum tape_outcome outcome;
        put_all(r);
        g_assert_cmpint(tape_rewind(r->tape), ==, 0);
        damage(r, 0x08, 0, 1000, 3 * 1004 + 5);
        g_assert_cmpint(tape_read(r->tape, r->found, sizeof(r->found), &n, &outcome), ==, -EIO);
        g_assert_cmpuint(n % BLOCK, ==, 0);
        g_assert_cmpuint(n, >=, 3 * BLOCK);
        g_assert_cmpmem(r->found, n, r->data, n);
        g_assert_cmpuint(r->errors, ==, 1);
        g_assert_nonnull(strstr(r->message, "cable"));
        g_assert_cmpint(tape_rewind(r->tape), ==, 0);
        damage(r, 0x08, 0, 1000, 5);
        g_assert_cmpint(tape_read_block(r->tape, r->found, BLOCK, &n, &outcome), ==, -EIO);
        /* And nothing wrong gets onto the tape. */
        g_assert_cmpint(tape_space_eod(r->tape), ==, 0);
        damage(r, 0x0a, 0, 1000, 3 * 1004 + 5);
        g_assert_cmpint(put(r, &n), ==, -EIO);
        g_assert_cmpuint(n, <, BLOCKS);
        damage(r, 0, 0, 0, 0);
        expect_all(r);
        rig_free(r);
}

/* After a reset it is on again before the next block. */
static void test_reset(void)
{
        struct rig *r = rig_protected();
        put_all(r);
        g_assert_cmpint(tape_write_filemarks(r->tape, 0, false, NULL), ==, 0);
        virtual_reset(r->cable.under);
        damage(r, 0x0a, 0, 1, 1003);
        size_t written;
        g_assert_cmpint(put(r, &written), ==, 0);
        g_assert_cmpuint(written, ==, BLOCKS);
        expect_all(r);
        g_assert_cmpuint(r->errors, ==, 0);
        rig_free(r);
}

/* A process that was killed has left it on. */
static void test_left_on(void)
{
        struct rig *r = rig_new(&(struct virtual_cartridge){ .capacity = 0 });
        uint8_t list[8 + 8 + 32] = { [3] = 0x10, [7] = 8, [14] = BLOCK >> 8, [15] = BLOCK & 0xff };
        static const uint8_t page[] = { 0x4a, 0xf0, 0, 0x1c, 2, 4, 0xc0 };
        struct iovec iov = { list, sizeof(list) };
        struct transport_command c = { .cdb = { 0x55, 0x10, 0, 0, 0, 0, 0, 0, sizeof(list) },
                .cdb_length = 10,
                .direction = TRANSPORT_OUT,
                .iov = &iov,
                .iovcnt = 1,
                .timeout_s = 60 };
        struct tape_info info;
        memcpy(list + 16, page, sizeof(page));
        g_assert_cmpint(tape_set_block_length(r->tape, BLOCK), ==, 0);
        put_all(r);
        tape_close(g_steal_pointer(&r->tape));
        r->cable = (struct cable){ .transport.ops = &cable_ops };
        g_assert_cmpint(virtual_open(r->path, false, &r->cable.under), ==, 0);
        for (unsigned i = 0; i < 2; i++) /* a unit attention comes first */
                g_assert_cmpint(transport_execute(&r->cable.transport, &c), ==, 0);
        g_assert_cmphex(c.status, ==, TRANSPORT_STATUS_GOOD);
        g_assert_cmpint(tape_open(&r->cable.transport, r->path, &r->tape), ==, 0);
        tape_get_info(r->tape, &info);
        g_assert_false(info.protected);
        g_assert_cmpuint(info.block_length, ==, BLOCK);
        expect_all(r);
        g_assert_cmpuint(r->errors, ==, 0);
        rig_free(r);
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/tape/protection/offered", test_offered);
        g_test_add_func("/tape/protection/same-tape", test_same_tape);
        g_test_add_func("/tape/protection/single-blocks", test_single_blocks);
        g_test_add_func("/tape/protection/damaged-once", test_damaged_once);
        g_test_add_func("/tape/protection/damaged-single-block", test_damaged_single_block);
        g_test_add_func("/tape/protection/damaged-always", test_damaged_always);
        g_test_add_func("/tape/protection/reset", test_reset);
        g_test_add_func("/tape/protection/left-on", test_left_on);
        return g_test_run();
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A transport that takes less in one command than it has said. */
#include "tape-rig.h"

static void test_write(void)
{
        struct rig *r = rig_open(lacks_position);
        size_t written;
        r->fake.max_transfer = 2 * FAKE_BLOCK;
        PLAY(r, { .cdb = "0a0100000500", .error = -EMSGSIZE }, { .cdb = "0a0100000200" },
                { .cdb = "0a0100000200" }, { .cdb = "0a0100000100" });
        g_assert_cmpint(write_blocks(r, 5, &written, NULL), ==, 0);
        g_assert_cmpuint(written, ==, 5);
        g_assert_cmpuint(counted(r), ==, 5);
        g_assert_cmpuint(r->log.errors, ==, 0);
        rig_free(r);
}

static void test_read(void)
{
        struct rig *r = rig_open(lacks_position);
        enum tape_outcome outcome;
        size_t nread;
        r->fake.max_transfer = 2 * FAKE_BLOCK;
        PLAY(r, { .cdb = "080100000300", .error = -EMSGSIZE }, { .cdb = "080100000200" },
                { .cdb = "080100000100" });
        g_assert_cmpint(tape_read(r->tape, r->data, 3 * FAKE_BLOCK, &nread, &outcome), ==, 0);
        g_assert_cmpuint(nread, ==, 3 * FAKE_BLOCK);
        g_assert_cmpint(outcome, ==, TAPE_GOOD);
        g_assert_cmpuint(counted(r), ==, 3);
        rig_free(r);
}

/* A block that does not go into a command at all. The position is known all the same. */
static void test_block(void)
{
        struct rig *r = rig_open(lacks_position);
        struct iovec iov = { r->data, 700 };
        size_t written, length;
        enum tape_outcome outcome;
        r->fake.max_transfer = FAKE_BLOCK / 2;
        PLAY(r, { .cdb = "0a0100000200", .error = -EMSGSIZE });
        g_assert_cmpint(write_blocks(r, 2, &written, NULL), ==, -EMSGSIZE);
        g_assert_cmpuint(written, ==, 0);
        g_assert_nonnull(
                strstr(r->log.text, "a block of 1024 bytes is more than one command can move (512)"));
        /* Nor is one sent that would move nothing, again and again. */
        g_assert_cmpint(write_blocks(r, 2, &written, NULL), ==, -EMSGSIZE);
        g_assert_cmpint(tape_read(r->tape, r->data, 2 * FAKE_BLOCK, &length, &outcome), ==, -EMSGSIZE);
        g_assert_cmpint(tape_write_block(r->tape, &iov, 1, NULL), ==, -EMSGSIZE);
        PLAY(r, { .cdb = "080000020000", .error = -EMSGSIZE });
        g_assert_cmpint(tape_read_block(r->tape, r->data, 4096, &length, &outcome), ==, -EMSGSIZE);
        g_assert_cmpuint(counted(r), ==, 0);
        rig_free(r);
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/tape/split/write", test_write);
        g_test_add_func("/tape/split/read", test_read);
        g_test_add_func("/tape/split/block", test_block);
        return g_test_run();
}

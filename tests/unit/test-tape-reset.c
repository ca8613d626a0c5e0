/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The tape layer against a scripted drive: coming back after a reset, and tapes that are changed. */
#include "tape-rig.h"

static int read_blocks(struct rig *r, size_t blocks, size_t *nread, enum tape_outcome *outcome)
{
        return tape_read(r->tape, r->data, blocks * FAKE_BLOCK, nread, outcome);
}

#define RESET(command)                                      \
        {                                                   \
                .cdb = command, .flags_key = 6, .asc = 0x29 \
        }
#define SELECT                               \
        {                                    \
                .cdb = "551000000000000010", \
                .data = "0000001000000008"   \
                        "5a00000000000400"   \
        }
#define BACK_TO_1                         \
        {                                 \
                .cdb = "92000000"         \
                       "0000000000000001" \
        }

static void write_one(struct rig *r, int error)
{
        size_t written;
        g_assert_cmpint(write_blocks(r, 1, &written, NULL), ==, error);
        g_assert_cmpuint(written, ==, error ? 0 : 1);
}

/* Block length, position, and only then the write again; the position also after what should have changed
 * nothing. */
static void test_reset_in_place(void)
{
        struct rig *r = rig_proved(lacks_nothing);
        PLAY(r, RESET("0a"), SELECT, AT("00000001"), { .cdb = "0a" });
        write_one(r, 0);
        PLAY(r, { .cdb = "0a", .flags_key = 6, .asc = 0x3f }, AT("00000002"), { .cdb = "0a" });
        write_one(r, 0);
        PLAY(r, { .cdb = "0a", .status = TRANSPORT_STATUS_BUSY }, AT("00000003"), { .cdb = "0a" });
        write_one(r, 0);
        g_assert_cmpuint(r->log.errors, ==, 0);
        rig_free(r);
}

/* Rewound by the reset: nothing may follow what we wrote, or it is not what we wrote. */
static void test_reset_rewound(void)
{
        struct rig *r = rig_proved(lacks_nothing);
        PLAY(r, RESET("0a"), SELECT, AT("00000000"), BACK_TO_1,
                { .cdb = "080000000100", .flags_key = 8, .ascq = 5 }, { .cdb = "0a" });
        write_one(r, 0);
        PLAY(r, RESET("0a"), SELECT, AT("00000000"),
                { .cdb = "92000000"
                         "0000000000000002" },
                { .cdb = "080000000100" });
        write_one(r, -EIO);
        g_assert_nonnull(strstr(r->log.text, "is not on the tape"));
        write_one(r, -EIO);
        rig_free(r);
}

static void test_reset_lost_data(void)
{
        struct rig *r = rig_proved(lacks_nothing);
        PLAY(r, RESET("0a"), SELECT, AT("00000000"), { .cdb = "92", .flags_key = 8, .ascq = 5 },
                AT("00000000"));
        write_one(r, -EIO);
        g_assert_nonnull(strstr(r->log.text, "is not on the tape"));
        rig_free(r);
}

/* Going elsewhere does not hide what a reset has cost. */
static void test_reset_before_locate(void)
{
        struct rig *r = rig_proved(lacks_nothing);
        PLAY(r, RESET("92"), SELECT, AT("00000000"), BACK_TO_1,
                { .cdb = "080000000100", .flags_key = 8, .ascq = 5 },
                { .cdb = "92000000"
                         "0000000000000007" });
        g_assert_cmpint(tape_locate(r->tape, 7), ==, 0);
        PLAY(r, BACK_TO_1, { .cdb = "0a" }, RESET("01"), SELECT, AT("00000000"),
                { .cdb = "92", .flags_key = 8, .ascq = 5 }, AT("00000000"));
        g_assert_cmpint(tape_locate(r->tape, 1), ==, 0);
        write_one(r, 0);
        g_assert_cmpint(tape_rewind(r->tape), ==, -EIO);
        g_assert_nonnull(strstr(r->log.text, "is not on the tape"));
        PLAY(r, { .cdb = "01" }, SELECT, AT("00000000"));
        g_assert_cmpint(tape_rewind(r->tape), ==, 0);
        g_assert_cmpuint(counted(r), ==, 0);
        rig_free(r);
}

/* What was synchronized may be followed by anything. */
static void test_reset_synced(void)
{
        struct rig *r = rig_proved(lacks_nothing);
        PLAY(r, { .cdb = "1000000001" });
        g_assert_cmpint(tape_write_filemarks(r->tape, 1, false, NULL), ==, 0);
        PLAY(r, RESET("0a"), SELECT, AT("00000000"),
                { .cdb = "92000000"
                         "0000000000000002" },
                { .cdb = "0a" });
        write_one(r, 0);
        rig_free(r);
}

/* Without READ POSITION the place is found by counting. */
static void test_reset_counting(void)
{
        struct rig *r = rig_open(lacks_position);
        size_t written;
        PLAY(r, { .cdb = "0a" }, RESET("0a"), SELECT, { .cdb = "01" }, { .cdb = "110000000300" },
                { .cdb = "080000000100", .flags_key = 8, .ascq = 5 }, { .cdb = "0a" });
        g_assert_cmpint(write_blocks(r, 3, &written, NULL), ==, 0);
        write_one(r, 0);
        g_assert_cmpuint(counted(r), ==, 4);
        rig_free(r);
}

/* Reset again while recovering: from the start, not from where the tape happens to be. */
static void test_reset_twice(void)
{
        struct rig *r = rig_open(lacks_position);
        size_t written, nread;
        enum tape_outcome outcome;
        PLAY(r, { .cdb = "0a" }, { .cdb = "1000" }, { .cdb = "01" }, { .cdb = "1100000003" });
        g_assert_cmpint(write_blocks(r, 5, &written, NULL), ==, 0);
        g_assert_cmpint(tape_write_filemarks(r->tape, 0, false, NULL), ==, 0);
        g_assert_cmpint(tape_locate(r->tape, 3), ==, 0);
        PLAY(r, RESET("08"), SELECT, { .cdb = "01" }, RESET("1100000003"), SELECT, { .cdb = "01" },
                { .cdb = "1100000003" }, { .cdb = "0801000001" });
        g_assert_cmpint(read_blocks(r, 1, &nread, &outcome), ==, 0);
        g_assert_cmpuint(counted(r), ==, 4);
        rig_free(r);
}

/* The reset is heard of in a command that needs nothing: the next one that does comes after the recovery. */
static void test_reset_aside(void)
{
        struct rig *r = rig_proved(lacks_nothing);
        PLAY(r, { .cdb = "1e00000001" }, RESET("1e00000001"), { .cdb = "1e00000001" }, SELECT,
                { .cdb = "1e00000001" }, AT("00000001"), { .cdb = "0a" });
        g_assert_cmpint(tape_lock_medium(r->tape, true), ==, 0);
        g_assert_cmpint(tape_lock_medium(r->tape, true), ==, 0);
        write_one(r, 0);
        rig_free(r);
}

static void test_modes_not_restored(void)
{
        struct rig *r = rig_proved(lacks_nothing);
        enum tape_outcome outcome;
        size_t nread;
        PLAY(r, RESET("0a"), { .cdb = "55", .flags_key = 4, .asc = 0x44 },
                { .cdb = "92000000"
                         "0000000000000005" },
                { .cdb = "55", .flags_key = 4, .asc = 0x44 });
        write_one(r, -EIO);
        g_assert_cmpint(tape_locate(r->tape, 5), ==, 0);
        g_assert_cmpint(read_blocks(r, 1, &nread, &outcome), ==, -EIO); /* never with another block length */
        write_one(r, -EIO);
        rig_free(r);
}

/* The drive had our block length already when it was opened; a reset takes it all the same. */
static void test_modes_as_found(void)
{
        struct rig *r = rig_new(lacks_position);
        r->fake.block_length = FAKE_BLOCK;
        g_assert_cmpint(tape_open(&r->fake.transport, "fake", &r->tape), ==, 0);
        g_assert_cmpint(tape_set_block_length(r->tape, FAKE_BLOCK), ==, 0);
        g_assert_cmpuint(r->fake.selects, ==, 0);
        r->fake.scripted = true;
        PLAY(r, RESET("0a"), SELECT, { .cdb = "01" }, { .cdb = "0a" });
        write_one(r, 0);
        rig_free(r);
}

/* A deferred error was recovered from: the LOCATE was not executed, and has flushed nothing. */
static void test_reset_after_deferred(void)
{
        struct rig *r = rig_proved(lacks_nothing);
        PLAY(r, { .cdb = "92", .flags_key = 1, .asc = 0x17, .deferred = true }, RESET("92"), SELECT,
                AT("00000000"), BACK_TO_1, { .cdb = "080000000100" });
        g_assert_cmpint(tape_locate(r->tape, 7), ==, -EIO);
        g_assert_nonnull(strstr(r->log.text, "is not on the tape"));
        rig_free(r);
}

/* Modes could not be restored at first: that hides not that data may be lost. */
static void test_reset_hidden_by_modes(void)
{
        struct rig *r = rig_proved(lacks_nothing);
        PLAY(r, RESET("92"), { .cdb = "55", .flags_key = 4, .asc = 0x44 });
        g_assert_cmpint(tape_locate(r->tape, 0x10), ==, -EIO);
        PLAY(r, BACK_TO_1);
        g_assert_cmpint(tape_locate(r->tape, 1), ==, 0);
        write_one(r, -EIO);
        g_assert_nonnull(strstr(r->log.text, "did not get onto the tape"));
        PLAY(r, SELECT, { .cdb = "1103" }, AT("00000001"), { .cdb = "0a" });
        g_assert_cmpint(tape_space_eod(r->tape), ==, 0);
        write_one(r, 0);
        rig_free(r);
}

/* Nor does that the end of the data could not be read. */
static void test_reset_hidden_by_read(void)
{
        struct rig *r = rig_proved(lacks_nothing);
        PLAY(r, RESET("92"), SELECT, AT("00000000"), BACK_TO_1,
                { .cdb = "080000000100", .flags_key = 3, .asc = 0x11 }, AT("00000001"));
        g_assert_cmpint(tape_locate(r->tape, 0x10), ==, -EIO);
        PLAY(r, BACK_TO_1);
        g_assert_cmpint(tape_locate(r->tape, 1), ==, 0);
        write_one(r, -EIO);
        rig_free(r);
}

/* Nor that a command failed and the place was lost. */
static void test_reset_hidden_by_failure(void)
{
        struct rig *r = rig_proved(lacks_nothing);
        PLAY(r, { .cdb = "92", .error = -ETIMEDOUT });
        g_assert_cmpint(tape_locate(r->tape, 0x10), ==, -ETIMEDOUT);
        PLAY(r, RESET("00"), SELECT, BACK_TO_1);
        g_assert_cmpint(tape_locate(r->tape, 1), ==, 0);
        write_one(r, -EIO);
        PLAY(r, { .cdb = "1103" }, AT("00000001"), { .cdb = "0a" });
        g_assert_cmpint(tape_space_eod(r->tape), ==, 0);
        write_one(r, 0);
        rig_free(r);
}

static void test_medium_changed(void)
{
        struct rig *r = rig_proved(lacks_nothing);
        struct tape_position p;
        enum tape_outcome outcome;
        size_t n;
        PLAY(r, { .cdb = "0a", .flags_key = 6, .asc = 0x28 });
        write_one(r, -EMEDIUMTYPE);
        write_one(r, -EMEDIUMTYPE);
        g_assert_cmpint(tape_write_filemarks(r->tape, 1, true, NULL), ==, -EMEDIUMTYPE);
        g_assert_cmpint(tape_rewind(r->tape), ==, -EMEDIUMTYPE);
        g_assert_cmpint(tape_locate(r->tape, 1), ==, -EMEDIUMTYPE);
        g_assert_cmpint(tape_space_eod(r->tape), ==, -EMEDIUMTYPE);
        g_assert_cmpint(tape_erase(r->tape, true), ==, -EMEDIUMTYPE);
        g_assert_cmpint(read_blocks(r, 1, &n, &outcome), ==, -EMEDIUMTYPE);
        g_assert_cmpint(tape_get_position(r->tape, &p), ==, -EMEDIUMTYPE);
        g_assert_cmpuint(r->log.errors, ==, 1);
        rig_free(r);
}

static void test_medium_gone(void)
{
        struct rig *r = rig_proved(lacks_nothing);
        PLAY(r, { .cdb = "0a", .flags_key = 2, .asc = 0x3a });
        write_one(r, -ENOMEDIUM);
        g_assert_cmpstr(r->log.text, ==, "fake: no tape in the drive; load one and try again");
        write_one(r, -EMEDIUMTYPE);
        rig_free(r);
}

/* A read that the drive gives up is repeated from where it began. */
static void test_read_aborted(void)
{
        struct rig *r = rig_proved(lacks_nothing);
        enum tape_outcome outcome;
        size_t nread;
        PLAY(r,
                { .cdb = "92000000"
                         "0000000000000005" },
                { .cdb = "08", .flags_key = 0xb, .asc = 0x47 }, AT("00000007"),
                { .cdb = "92000000"
                         "0000000000000005" },
                { .cdb = "08" });
        g_assert_cmpint(tape_locate(r->tape, 5), ==, 0);
        g_assert_cmpint(read_blocks(r, 2, &nread, &outcome), ==, 0);
        rig_free(r);
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/tape/read/aborted", test_read_aborted);
        g_test_add_func("/tape/reset/in-place", test_reset_in_place);
        g_test_add_func("/tape/reset/rewound", test_reset_rewound);
        g_test_add_func("/tape/reset/lost-data", test_reset_lost_data);
        g_test_add_func("/tape/reset/before-locate", test_reset_before_locate);
        g_test_add_func("/tape/reset/synced", test_reset_synced);
        g_test_add_func("/tape/reset/counting", test_reset_counting);
        g_test_add_func("/tape/reset/twice", test_reset_twice);
        g_test_add_func("/tape/reset/aside", test_reset_aside);
        g_test_add_func("/tape/reset/modes-not-restored", test_modes_not_restored);
        g_test_add_func("/tape/reset/modes-as-found", test_modes_as_found);
        g_test_add_func("/tape/reset/after-deferred", test_reset_after_deferred);
        g_test_add_func("/tape/reset/hidden-by-modes", test_reset_hidden_by_modes);
        g_test_add_func("/tape/reset/hidden-by-read", test_reset_hidden_by_read);
        g_test_add_func("/tape/reset/hidden-by-failure", test_reset_hidden_by_failure);
        g_test_add_func("/tape/medium/changed", test_medium_changed);
        g_test_add_func("/tape/medium/gone", test_medium_gone);
        return g_test_run();
}

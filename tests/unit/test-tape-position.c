/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The tape layer against a scripted drive: reading, counting and moving. */
#include "tape-rig.h"

static int read_blocks(struct rig *r, size_t blocks, size_t *nread, enum tape_outcome *outcome)
{
        return tape_read(r->tape, r->data, blocks * FAKE_BLOCK, nread, outcome);
}

/* ---- Reading */

static void test_read_stops(void)
{
        static const struct {
                struct step step;
                enum tape_outcome outcome;
                size_t blocks;
                uint64_t object;
        } rows[] = {
                { { .flags_key = FM, .ascq = 1, .valid = true, .information = 1, .residual = 0 },
                        TAPE_FILEMARK, 3, 4 },
                { { .flags_key = FM, .ascq = 1, .valid = true, .information = 4 }, TAPE_FILEMARK, 0, 1 },
                { { .flags_key = ILI, .valid = true, .information = 2 }, TAPE_SHORT_BLOCK, 2, 3 },
                { { .flags_key = 8, .ascq = 5, .valid = true, .information = 3 }, TAPE_EOD, 1, 1 },
                { { .flags_key = 8 | EOM, .valid = true, .information = 3 }, TAPE_EOD, 1, 1 },
                { { .flags_key = 3 | EOM, .ascq = 2, .valid = true, .information = 4 }, TAPE_END_OF_MEDIUM, 0,
                        0 },
                { { .flags_key = EOM, .ascq = 2, .valid = true, .information = 0 }, TAPE_GOOD, 4, 4 },
        };
        for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
                struct rig *r = rig_open(lacks_position);
                struct step step = rows[i].step;
                enum tape_outcome outcome;
                size_t nread;
                step.cdb = "080100000400";
                play(r, &step, 1);
                g_assert_cmpint(read_blocks(r, 4, &nread, &outcome), ==, 0);
                g_assert_cmpint(outcome, ==, rows[i].outcome);
                g_assert_cmpuint(nread, ==, rows[i].blocks * FAKE_BLOCK);
                g_assert_cmpuint(counted(r), ==, rows[i].object);
                g_assert_cmpuint(r->log.errors, ==, 0);
                rig_free(r);
        }
}

static void test_read_errors(void)
{
        static const struct {
                struct step step;
                int error;
                size_t blocks;
                int64_t object; /* -1: not known */
        } rows[] = {
                /* SSC-5, READ(6): behind the block that cannot be read. Not relied upon. */
                { { .flags_key = 3, .asc = 0x11, .valid = true, .information = 2 }, -EIO, 2, -1 },
                { { .flags_key = 3, .asc = 0x11 }, -EIO, 0, -1 },
                { { .flags_key = 3, .asc = 0x14, .ascq = 3, .valid = true, .information = 1 }, -EIO, 3, -1 },
                { { .flags_key = 4, .asc = 0x44, .valid = true, .information = 1 }, -EIO, 0, -1 },
                { { .residual = 2 * FAKE_BLOCK }, -EIO, 0, -1 },
                { { .error = -ENODEV }, -ENODEV, 0, -1 },
        };
        for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
                struct rig *r = rig_open(lacks_position);
                struct step step = rows[i].step;
                struct tape_position p;
                enum tape_outcome outcome;
                size_t nread;
                step.cdb = "080100000400";
                play(r, &step, 1);
                g_assert_cmpint(read_blocks(r, 4, &nread, &outcome), ==, rows[i].error);
                g_assert_cmpuint(nread, ==, rows[i].blocks * FAKE_BLOCK);
                g_assert_cmpuint(r->log.errors, ==, 1);
                g_assert_cmpint(tape_get_position(r->tape, &p), ==, rows[i].object < 0 ? -EIO : 0);
                if (rows[i].object >= 0)
                        g_assert_cmpint((int64_t)p.object, ==, rows[i].object);
                rig_free(r);
        }
}

/* A drive that does not say how many blocks came before the filemark: one by one, from where the command
 * began. */
static void test_read_without_information(void)
{
        struct rig *r = rig_open(lacks_position);
        enum tape_outcome outcome;
        size_t nread;
        PLAY(r, { .cdb = "0801000004", .flags_key = FM, .ascq = 1 }, { .cdb = "01" }, { .cdb = "0801000001" },
                { .cdb = "0801000001", .flags_key = FM, .ascq = 1 });
        g_assert_cmpint(read_blocks(r, 4, &nread, &outcome), ==, 0);
        g_assert_cmpint(outcome, ==, TAPE_FILEMARK);
        g_assert_cmpuint(nread, ==, FAKE_BLOCK);
        g_assert_cmpuint(counted(r), ==, 2);
        rig_free(r);
}

/* Nor does a drive that tells where it is say by that what it has sent. */
static void test_read_position_without_information(void)
{
        struct rig *r = rig_proved(lacks_nothing);
        enum tape_outcome outcome;
        size_t nread;
        PLAY(r, { .cdb = "0801000004", .flags_key = FM, .ascq = 1 },
                { .cdb = "92000000"
                         "0000000000000001" },
                { .cdb = "0801000001" }, { .cdb = "0801000001", .flags_key = FM, .ascq = 1 });
        g_assert_cmpint(read_blocks(r, 4, &nread, &outcome), ==, 0);
        g_assert_cmpint(outcome, ==, TAPE_FILEMARK);
        g_assert_cmpuint(nread, ==, FAKE_BLOCK);
        rig_free(r);
}

static void test_read_block(void)
{
        struct rig *r = rig_open(lacks_position);
        static const struct {
                struct step step;
                enum tape_outcome outcome;
                size_t length;
                uint64_t object;
        } rows[] = {
                { { .flags_key = 0 }, TAPE_GOOD, 2000, 1 },
                { { .flags_key = ILI, .valid = true, .information = 1500, .residual = 7 }, TAPE_GOOD, 500,
                        2 },
                { { .flags_key = ILI, .residual = 1999 }, TAPE_GOOD, 1, 3 },
                { { .flags_key = ILI, .valid = true, .information = -100 }, TAPE_LONG_BLOCK, 2000, 4 },
                { { .flags_key = FM, .ascq = 1, .valid = true, .information = 2000 }, TAPE_FILEMARK, 0, 5 },
                { { .flags_key = 8, .ascq = 5 }, TAPE_EOD, 0, 5 },
        };
        for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
                struct step step = rows[i].step;
                enum tape_outcome outcome;
                size_t length;
                step.cdb = "08000007d000";
                play(r, &step, 1);
                g_assert_cmpint(tape_read_block(r->tape, r->data, 2000, &length, &outcome), ==, 0);
                g_assert_cmpint(outcome, ==, rows[i].outcome);
                g_assert_cmpuint(length, ==, rows[i].length);
                g_assert_cmpuint(counted(r), ==, rows[i].object);
        }
        size_t length;
        enum tape_outcome outcome;
        PLAY(r, { .cdb = "0800000001", .flags_key = 3, .asc = 0x11, .valid = true, .information = 1 });
        g_assert_cmpint(tape_read_block(r->tape, r->data, 1, &length, &outcome), ==, -EIO);
        struct tape_position p;
        g_assert_cmpint(tape_get_position(r->tape, &p), ==, -EIO);
        /* No larger than what one command moves. */
        PLAY(r, { .cdb = "01" }, { .cdb = "0800004000" });
        g_assert_cmpint(tape_rewind(r->tape), ==, 0);
        g_assert_cmpint(tape_read_block(r->tape, r->data, sizeof(r->data), &length, &outcome), ==, 0);
        rig_free(r);
}

/* ---- Position */

static void test_position_proved(void)
{
        struct rig *r = rig_proved(lacks_nothing);
        struct tape_position p;
        PLAY(r, { .cdb = "3400", .data = "40010000000000010000000000000000" });
        g_assert_cmpint(tape_get_position(r->tape, &p), ==, 0);
        g_assert_true(p.eom && !p.bop);
        /* Somebody else has moved the tape. */
        PLAY(r, AT("00000009"), AT("00000009"));
        g_assert_cmpint(tape_get_position(r->tape, &p), ==, -EIO);
        g_assert_nonnull(strstr(r->log.text, "object 9"));
        g_assert_cmpuint(counted(r), ==, 9);
        rig_free(r);
}

/* A drive that answers 0 wherever it is: counting takes over, at once and without an error. */
static void test_position_constant(void)
{
        struct rig *r = rig_open(lacks_locate);
        struct tape_info i;
        size_t written;
        PLAY(r, { .cdb = "0a01000002" }, AT("00000000"));
        g_assert_cmpint(write_blocks(r, 2, &written, NULL), ==, 0);
        g_assert_cmpuint(counted(r), ==, 2);
        tape_get_info(r->tape, &i);
        g_assert_false(i.read_position);
        g_assert_cmpuint(r->log.errors, ==, 0);
        rig_free(r);
}

/* Object numbers that the short form cannot hold. */
static void test_position_long_form(void)
{
        struct rig *r = rig_proved(lacks_nothing);
        struct tape_position p;
        PLAY(r,
                { .cdb = "92000000"
                         "0000" },
                { .cdb = "3400", .data = "0400" },
                { .cdb = "3406",
                        .data = "0000000000000000"
                                "0000000500000000"
                                "00" });
        g_assert_cmpint(tape_locate(r->tape, UINT64_C(0x500000000)), ==, 0);
        g_assert_cmpint(tape_get_position(r->tape, &p), ==, 0);
        g_assert_cmpuint(p.object, ==, UINT64_C(0x500000000));
        rig_free(r);
}

static void test_locate(void)
{
        struct rig *r = rig_proved(lacks_nothing);
        PLAY(r,
                { .cdb = "92000000"
                         "0000000000000012" },
                { .cdb = "9200", .flags_key = 8, .ascq = 5 }, AT("00000020"), { .cdb = "01" });
        g_assert_cmpint(tape_locate(r->tape, 1), ==, 0);
        g_assert_cmpint(tape_locate(r->tape, 0x12), ==, 0);
        g_assert_cmpint(tape_locate(r->tape, 0x12), ==, 0);
        g_assert_cmpint(tape_locate(r->tape, 0x30), ==, -ENODATA);
        g_assert_cmpstr(r->log.text, ==, "fake: the data on the tape ends before object 48");
        g_assert_cmpint(tape_locate(r->tape, 0), ==, 0);
        rig_free(r);
}

/* A tape that was left in another partition: everything is in the first one. */
static void test_other_partition(void)
{
        const uint8_t *const lacks[] = { lacks_nothing, (const uint8_t[]){ 0x92, 0xff } };
        static const char *const locate[] = { "92020000"
                                              "000000000000000000000000",
                "2b020000000000000000" };
        for (size_t i = 0; i < G_N_ELEMENTS(lacks); i++) {
                struct rig *r = rig_new(lacks[i]);
                r->fake.partition = 1;
                r->fake.position = 7;
                g_assert_cmpint(tape_open(&r->fake.transport, "fake", &r->tape), ==, 0);
                r->fake.scripted = true;
                PLAY(r, { .cdb = locate[i] }, { .cdb = "01" }, AT("00000000"), AT("00000000"));
                g_assert_cmpint(tape_rewind(r->tape), ==, 0);
                g_assert_cmpint(tape_rewind(r->tape), ==, 0);
                g_assert_cmpuint(counted(r), ==, 0);
                rig_free(r);
        }
}

/* A LOCATE that turns out to be missing. */
static void test_locate_falls_back(void)
{
        struct rig *r = rig_open(lacks_nothing);
        struct tape_info i;
        PLAY(r, { .cdb = "92", .flags_key = 5, .asc = 0x20 }, { .cdb = "2b000000000012000000" });
        g_assert_cmpint(tape_locate(r->tape, 0x12), ==, 0);
        tape_get_info(r->tape, &i);
        g_assert_false(i.locate16);
        PLAY(r, { .cdb = "2b", .flags_key = 5, .asc = 0x20 }, { .cdb = "110000000300" });
        g_assert_cmpint(tape_locate(r->tape, 0x15), ==, 0);
        rig_free(r);
}

/* A LOCATE that is there, and refuses the object. */
static void test_locate_refused(void)
{
        struct rig *r = rig_proved(lacks_nothing);
        PLAY(r, { .cdb = "92", .flags_key = 5, .asc = 0x21 }, AT("00000001"));
        g_assert_cmpint(tape_locate(r->tape, UINT64_MAX), ==, -EIO);
        g_assert_cmpuint(r->log.errors, ==, 1);
        PLAY(r, AT("00000001"));
        g_assert_cmpuint(counted(r), ==, 1);
        rig_free(r);
}

/* SSC-5, 8.5.3, REW: early warning stops SPACE short of what was asked. */
static void test_space_early_warning(void)
{
        struct rig *r = rig_open(lacks_position);
        PLAY(r, { .cdb = "110000000a00", .flags_key = EOM, .ascq = 2, .valid = true, .information = 7 },
                { .cdb = "110000000700", .flags_key = EOM, .ascq = 2, .valid = true });
        g_assert_cmpint(tape_locate(r->tape, 10), ==, 0);
        g_assert_cmpuint(counted(r), ==, 10);
        /* One that always does. */
        PLAY(r, { .cdb = "110000000200", .flags_key = EOM, .ascq = 2, .valid = true, .information = 2 });
        g_assert_cmpint(tape_locate(r->tape, 12), ==, -EIO);
        rig_free(r);
}

/* The beginning, going forwards: whatever that means, it does not bring the tape nearer. */
static void test_space_backwards(void)
{
        struct rig *r = rig_open(lacks_position);
        PLAY(r, { .cdb = "110000000a00", .flags_key = EOM, .ascq = 4, .valid = true, .information = 10 });
        g_assert_cmpint(tape_locate(r->tape, 10), ==, -EIO);
        rig_free(r);
}

/* SPACE over blocks stops behind each filemark. */
static void test_locate_by_space(void)
{
        struct rig *r = rig_open(lacks_position);
        PLAY(r, { .cdb = "110000000a00", .flags_key = FM, .ascq = 1, .valid = true, .information = 7 },
                { .cdb = "110000000600", .flags_key = FM, .ascq = 1, .valid = true, .information = 6 },
                { .cdb = "110000000500" });
        g_assert_cmpint(tape_locate(r->tape, 10), ==, 0);
        PLAY(r, { .cdb = "110000000200" });
        g_assert_cmpint(tape_locate(r->tape, 12), ==, 0);
        PLAY(r, { .cdb = "01" }, { .cdb = "110000000200" });
        g_assert_cmpint(tape_locate(r->tape, 2), ==, 0);
        PLAY(r, { .cdb = "110000000a00", .flags_key = 8, .ascq = 5, .valid = true, .information = 9 });
        g_assert_cmpint(tape_locate(r->tape, 12), ==, -ENODATA);
        g_assert_cmpuint(counted(r), ==, 3);
        /* Further than one SPACE(6) goes. */
        PLAY(r, { .cdb = "11007fffff00" }, { .cdb = "110000000400" });
        g_assert_cmpint(tape_locate(r->tape, 3 + 0x7fffff + 4), ==, 0);
        rig_free(r);
}

/* Without the information field each object costs a command. */
static void test_locate_without_information(void)
{
        struct rig *r = rig_open(lacks_position);
        PLAY(r, { .cdb = "110000000300", .flags_key = FM, .ascq = 1 }, { .cdb = "01" },
                { .cdb = "110000000100" }, { .cdb = "110000000100", .flags_key = FM, .ascq = 1 },
                { .cdb = "110000000100" });
        g_assert_cmpint(tape_locate(r->tape, 3), ==, 0);
        rig_free(r);
}

static void test_space_filemarks(void)
{
        struct rig *r = rig_proved(lacks_nothing);
        enum tape_outcome outcome;
        uint64_t moved;
        PLAY(r, { .cdb = "110100000200" }, AT("00000010"));
        g_assert_cmpint(tape_space_filemarks(r->tape, 2, &moved, &outcome), ==, 0);
        g_assert_cmpuint(moved, ==, 2);
        g_assert_cmpint(outcome, ==, TAPE_GOOD);
        PLAY(r, { .cdb = "1101fffffd00", .flags_key = EOM, .ascq = 4, .valid = true, .information = 1 },
                AT("00000000"), AT("00000000"));
        g_assert_cmpint(tape_space_filemarks(r->tape, -3, &moved, &outcome), ==, 0);
        g_assert_cmpuint(moved, ==, 2);
        g_assert_cmpint(outcome, ==, TAPE_BOP);
        g_assert_cmpuint(counted(r), ==, 0);
        PLAY(r, { .cdb = "110100000500", .flags_key = 8, .ascq = 5, .valid = true, .information = 2 },
                AT("00000020"), AT("00000020"));
        g_assert_cmpint(tape_space_filemarks(r->tape, 5, NULL, &outcome), ==, 0);
        g_assert_cmpint(outcome, ==, TAPE_EOD);
        g_assert_cmpuint(counted(r), ==, 32);
        /* More than 24 bits. */
        PLAY(r,
                { .cdb = "91010000"
                         "0000000000800000"
                         "0000" },
                AT("00900000"));
        g_assert_cmpint(tape_space_filemarks(r->tape, 0x800000, &moved, &outcome), ==, 0);
        g_assert_cmpuint(moved, ==, 0x800000);
        PLAY(r, { .cdb = "1101", .flags_key = 3, .asc = 0x11 }, AT("00000005"), AT("00000005"));
        g_assert_cmpint(tape_space_filemarks(r->tape, 1, &moved, &outcome), ==, -EIO);
        g_assert_cmpuint(counted(r), ==, 5);
        rig_free(r);
}

/* Nothing but SPACE: filemarks are counted one by one, along with the blocks between them. */
static void test_count_filemarks(void)
{
        struct rig *r = rig_open(lacks_position);
        enum tape_outcome outcome;
        uint64_t moved;
        PLAY(r,
                { .cdb = "11007fffff00",
                        .flags_key = FM,
                        .ascq = 1,
                        .valid = true,
                        .information = 0x7fffff - 4 },
                { .cdb = "11007fffff00" },
                { .cdb = "11007fffff00",
                        .flags_key = FM,
                        .ascq = 1,
                        .valid = true,
                        .information = 0x7fffff });
        g_assert_cmpint(tape_space_filemarks(r->tape, 2, &moved, &outcome), ==, 0);
        g_assert_cmpuint(moved, ==, 2);
        g_assert_cmpint(outcome, ==, TAPE_GOOD);
        g_assert_cmpuint(counted(r), ==, 5 + 0x7fffff + 1);
        PLAY(r, { .cdb = "110080000100", .flags_key = FM, .ascq = 1, .valid = true, .information = 0x7fffff },
                { .cdb = "110080000100" },
                { .cdb = "110080000100",
                        .flags_key = FM,
                        .ascq = 1,
                        .valid = true,
                        .information = 0x7fffff });
        g_assert_cmpint(tape_space_filemarks(r->tape, -2, &moved, &outcome), ==, 0);
        g_assert_cmpuint(counted(r), ==, 4);
        PLAY(r,
                { .cdb = "1100800001",
                        .flags_key = EOM,
                        .ascq = 4,
                        .valid = true,
                        .information = 0x7fffff - 4 });
        g_assert_cmpint(tape_space_filemarks(r->tape, -1, &moved, &outcome), ==, 0);
        g_assert_cmpint(outcome, ==, TAPE_BOP);
        g_assert_cmpuint(moved, ==, 0);
        g_assert_cmpuint(counted(r), ==, 0);
        rig_free(r);
}

static void test_space_eod(void)
{
        struct rig *r = rig_proved(lacks_nothing);
        PLAY(r, { .cdb = "110300000000" }, AT("00001000"), AT("00001000"));
        g_assert_cmpint(tape_space_eod(r->tape), ==, 0);
        g_assert_cmpuint(counted(r), ==, 0x1000);
        struct tape_position p;
        PLAY(r, { .cdb = "1103", .flags_key = 3, .asc = 0x14, .ascq = 3 }, AT("00000800"), AT("00000800"));
        g_assert_cmpint(tape_space_eod(r->tape), ==, -ENODATA);
        g_assert_cmpint(tape_get_position(r->tape, &p), ==, 0);
        rig_free(r);
}

/* SSC-5, SPACE: the tape was read to its very end, and there is no mark. It is not full. */
static void test_space_eod_missing(void)
{
        struct rig *r = rig_proved(lacks_nothing);
        PLAY(r, { .cdb = "1103", .flags_key = 3 | EOM, .ascq = 2 }, AT("00000050"));
        g_assert_cmpint(tape_space_eod(r->tape), ==, -ENODATA);
        g_assert_cmpuint(r->log.errors, ==, 0);
        rig_free(r);
}

/* READ POSITION says 0 at BOP and 0 at the end: an empty tape, or a constant? Counting tells. */
static void test_space_eod_constant(void)
{
        struct rig *r = rig_open(lacks_locate);
        PLAY(r, { .cdb = "1103" }, AT("00000000"), { .cdb = "01" },
                { .cdb = "11007fffff00", .flags_key = FM, .ascq = 1, .valid = true, .information = 0x7ffffe },
                { .cdb = "11007fffff00", .flags_key = 8, .ascq = 5, .valid = true, .information = 0x7ffffc },
                AT("00000000"));
        g_assert_cmpint(tape_space_eod(r->tape), ==, 0);
        g_assert_cmpuint(counted(r), ==, 5);
        g_assert_cmpuint(r->log.errors, ==, 0);
        rig_free(r);
}

static void test_count_eod(void)
{
        struct rig *r = rig_open(lacks_position);
        PLAY(r, { .cdb = "11007fffff00", .flags_key = 0, .ascq = 5, .check = true }, { .cdb = "01" },
                { .cdb = "110000000100" }, { .cdb = "110000000200", .flags_key = FM, .ascq = 1 },
                /* It does stop at filemarks. */
                { .cdb = "01" }, { .cdb = "110000000100" },
                { .cdb = "110000000100", .flags_key = FM, .ascq = 1 }, { .cdb = "110000000100" },
                { .cdb = "110000000100", .ascq = 5, .check = true });
        g_assert_cmpint(tape_space_eod(r->tape), ==, 0);
        g_assert_cmpuint(counted(r), ==, 3);
        struct tape_position p;
        PLAY(r, { .cdb = "11007fffff00", .flags_key = 3, .asc = 0x14, .ascq = 3 });
        g_assert_cmpint(tape_space_eod(r->tape), ==, -ENODATA);
        g_assert_cmpint(tape_get_position(r->tape, &p), ==, -EIO);
        rig_free(r);
}

/* Where the tape is after ERASE is not said, so it is put back. */
static void test_erase(void)
{
        struct rig *r = rig_open(lacks_position);
        PLAY(r, { .cdb = "190000000000" }, { .cdb = "01" }, { .cdb = "190100000000" }, { .cdb = "01" },
                { .cdb = "190000000000", .flags_key = 7, .asc = 0x27 });
        g_assert_cmpint(tape_erase(r->tape, false), ==, 0);
        g_assert_cmpint(tape_erase(r->tape, true), ==, 0);
        g_assert_cmpint(tape_erase(r->tape, false), ==, -EROFS);
        g_assert_cmpstr(r->log.text, ==, "fake: the tape is write protected");
        rig_free(r);
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/tape/read/stops", test_read_stops);
        g_test_add_func("/tape/read/errors", test_read_errors);
        g_test_add_func("/tape/read/without-information", test_read_without_information);
        g_test_add_func("/tape/read/position-without-information", test_read_position_without_information);
        g_test_add_func("/tape/read/block", test_read_block);
        g_test_add_func("/tape/position/proved", test_position_proved);
        g_test_add_func("/tape/position/constant", test_position_constant);
        g_test_add_func("/tape/position/long-form", test_position_long_form);
        g_test_add_func("/tape/locate/locate", test_locate);
        g_test_add_func("/tape/locate/falls-back", test_locate_falls_back);
        g_test_add_func("/tape/locate/by-space", test_locate_by_space);
        g_test_add_func("/tape/locate/other-partition", test_other_partition);
        g_test_add_func("/tape/locate/refused", test_locate_refused);
        g_test_add_func("/tape/space/backwards", test_space_backwards);
        g_test_add_func("/tape/space/early-warning", test_space_early_warning);
        g_test_add_func("/tape/locate/without-information", test_locate_without_information);
        g_test_add_func("/tape/space/filemarks", test_space_filemarks);
        g_test_add_func("/tape/space/count-filemarks", test_count_filemarks);
        g_test_add_func("/tape/space/eod", test_space_eod);
        g_test_add_func("/tape/space/eod-missing", test_space_eod_missing);
        g_test_add_func("/tape/space/eod-constant", test_space_eod_constant);
        g_test_add_func("/tape/space/count-eod", test_count_eod);
        g_test_add_func("/tape/erase", test_erase);
        return g_test_run();
}

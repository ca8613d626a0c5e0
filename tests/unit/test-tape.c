/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The tape layer against a scripted drive: sense, opening, modes, writing. */
#include "tape-rig.h"

/* ---- Sense */

static void check_sense(const char *hex, enum tape_outcome outcome)
{
        uint8_t bytes[256];
        size_t length = fake_bytes(hex, bytes);
        struct tape_sense s;
        tape_sense_decode(TRANSPORT_STATUS_CHECK_CONDITION, bytes, length, &s);
        g_assert_cmpstr(tape_outcome_name(s.outcome), ==, tape_outcome_name(outcome));
}

static void test_sense_outcomes(void)
{
        static const struct {
                const char *hex;
                enum tape_outcome outcome;
        } rows[] = {
                { "7000800000000a0a00000000"
                  "00010000",
                        TAPE_FILEMARK },
                { "f000800000000a0a00000000"
                  "00000000",
                        TAPE_FILEMARK },
                { "7000400000000a0a00000000"
                  "00020000",
                        TAPE_EARLY_WARNING },
                { "7000400000000a0a00000000"
                  "00000000",
                        TAPE_EARLY_WARNING },
                { "7000410000000a0a00000000"
                  "00000000",
                        TAPE_EARLY_WARNING },
                { "7000c00000000a0a00000000"
                  "00010000",
                        TAPE_FILEMARK },
                { "7000400000000a0a00000000"
                  "00040000",
                        TAPE_BOP },
                { "7000000000000a0a00000000"
                  "00050000",
                        TAPE_EOD },
                { "7000080000000a0a00000000"
                  "00050000",
                        TAPE_EOD },
                { "7000480000000a0a00000000"
                  "00000000",
                        TAPE_EOD },
                { "f000200000000a0a00000000"
                  "00000000",
                        TAPE_SHORT_BLOCK },
                { "f00020fffffff60a00000000"
                  "00000000",
                        TAPE_LONG_BLOCK },
                /* SSC-5, READ(6): zero where a drive has no negative numbers */
                { "f00020000000000a00000000"
                  "00000000",
                        TAPE_LONG_BLOCK },
                /* SPC-5, 4.4.2.2: four bytes in a field of eight */
                { "7200000000000010"
                  "000a800000000000fffffff6"
                  "04020020",
                        TAPE_LONG_BLOCK },
                { "7000010000000a0a00000000"
                  "17010000",
                        TAPE_GOOD },
                { "7000020000000a0a00000000"
                  "04010000",
                        TAPE_NOT_READY },
                { "7000020000000a0a00000000"
                  "3a000000",
                        TAPE_NO_MEDIUM },
                { "7000030000000a0a00000000"
                  "0c000000",
                        TAPE_MEDIUM_ERROR },
                { "7000030000000a0a00000000"
                  "14030000",
                        TAPE_NO_EOD },
                { "7000430000000a0a00000000"
                  "00020000",
                        TAPE_END_OF_MEDIUM },
                { "7000040000000a0a00000000"
                  "44000000",
                        TAPE_HARDWARE_ERROR },
                { "7000050000000a0a00000000"
                  "20000000",
                        TAPE_ILLEGAL_REQUEST },
                { "7000060000000a0a00000000"
                  "28000000",
                        TAPE_MEDIUM_CHANGED },
                { "7000060000000a0a00000000"
                  "29010000",
                        TAPE_RESET },
                { "7000060000000a0a00000000"
                  "2a010000",
                        TAPE_RESET },
                { "7000060000000a0a00000000"
                  "3f0e0000",
                        TAPE_ATTENTION },
                { "7000070000000a0a00000000"
                  "27000000",
                        TAPE_WRITE_PROTECTED },
                { "70000b0000000a0a00000000"
                  "47000000",
                        TAPE_ABORTED },
                { "70000d0000000a0a00000000"
                  "00020000",
                        TAPE_END_OF_MEDIUM },
                { "70000a0000000a0a00000000"
                  "00000000",
                        TAPE_UNKNOWN },
                { "7f00030000000a0a00000000"
                  "0c000000",
                        TAPE_UNKNOWN },
                { "7203140300000000", TAPE_NO_EOD },
                { "72", TAPE_UNKNOWN },
                { "7000", TAPE_UNKNOWN },
                { "700003", TAPE_MEDIUM_ERROR },
        };
        for (size_t i = 0; i < G_N_ELEMENTS(rows); i++)
                check_sense(rows[i].hex, rows[i].outcome);
}

static void test_sense_fields(void)
{
        uint8_t bytes[64];
        struct tape_sense s;
        /* An unknown descriptor, the information descriptor, the stream commands descriptor. */
        size_t length = fake_bytes("730000000000001a"
                                   "02060000000000aa"
                                   "000a8000ffffffffffffff38"
                                   "040200"
                                   "20"
                                   "00",
                bytes);
        tape_sense_decode(TRANSPORT_STATUS_CHECK_CONDITION, bytes, length, &s);
        g_assert_true(s.deferred && s.ili && !s.filemark && !s.eom && s.has_information);
        g_assert_cmpint(s.information, ==, -200);
        g_assert_cmpint(s.outcome, ==, TAPE_LONG_BLOCK);
        /* VALID is not set: no information. The additional length does not reach the ASC. */
        length = fake_bytes("7000830000000504"
                            "00000000"
                            "0c000000",
                bytes);
        tape_sense_decode(TRANSPORT_STATUS_CHECK_CONDITION, bytes, length, &s);
        g_assert_false(s.has_information);
        g_assert_cmpuint(s.asc, ==, 0);
        length = fake_bytes("f00083ffffffff0a"
                            "00000000"
                            "0c010000",
                bytes);
        tape_sense_decode(TRANSPORT_STATUS_CHECK_CONDITION, bytes, length, &s);
        g_assert_cmpint(s.information, ==, -1);
        g_assert_cmpuint(s.ascq, ==, 1);
}

static void test_sense_status(void)
{
        struct tape_sense s;
        static const struct {
                uint8_t status;
                enum tape_outcome outcome;
        } rows[] = { { 0x00, TAPE_GOOD }, { 0x08, TAPE_BUSY }, { 0x18, TAPE_RESERVED }, { 0x28, TAPE_BUSY },
                { 0x40, TAPE_ABORTED }, { 0x02, TAPE_UNKNOWN }, { 0xff, TAPE_UNKNOWN } };
        for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
                tape_sense_decode(rows[i].status, NULL, 0, &s);
                g_assert_cmpint(s.outcome, ==, rows[i].outcome);
        }
}

/* Whatever the bytes, of whatever length: no crash, and a name for what came out. */
static void test_sense_any_bytes(void)
{
        static const uint8_t formats[] = { 0x70, 0xf1, 0x72, 0x73, 0x00, 0x7f };
        GRand *rand = g_rand_new_with_seed(1);
        for (int i = 0; i < 200000; i++) {
                g_autofree uint8_t *bytes = g_malloc(TRANSPORT_SENSE_MAX);
                size_t length = (size_t)g_rand_int_range(rand, 0, i % 2 ? 40 : TRANSPORT_SENSE_MAX);
                for (size_t k = 0; k < length; k++)
                        bytes[k] = (uint8_t)g_rand_int(rand);
                if (length > 0)
                        bytes[0] = formats[i % G_N_ELEMENTS(formats)];
                uint8_t *exact = g_memdup2(bytes, length);
                struct tape_sense s;
                char text[160];
                tape_sense_decode(0x02, exact, length, &s);
                tape_sense_text(&s, text, sizeof(text));
                g_assert_cmpuint(s.outcome, <, TAPE_OUTCOMES);
                g_assert_cmpuint(strlen(text), >, 0);
                g_free(exact);
        }
        g_rand_free(rand);
        for (int i = 0; i < TAPE_OUTCOMES; i++)
                g_assert_nonnull(tape_outcome_name((enum tape_outcome)i));
}

static void test_sense_text(void)
{
        char text[128], small[8];
        struct tape_sense s = { .key = 3, .asc = 0x0c, .ascq = 0 };
        tape_sense_text(&s, text, sizeof(text));
        g_assert_cmpstr(text, ==, "medium error: write error (3/0c/00)");
        tape_sense_text(&s, small, sizeof(small));
        g_assert_cmpstr(small, ==, "medium ");
}

/* ---- Open and close */

static void test_open_info(void)
{
        struct rig *r = rig_new(lacks_nothing);
        struct tape_info i;
        r->fake.device_specific = 0x90;
        g_assert_cmpint(tape_open(&r->fake.transport, "fake", &r->tape), ==, 0);
        tape_get_info(r->tape, &i);
        g_assert_cmpstr(i.vendor, ==, "ACME");
        g_assert_cmpstr(i.product, ==, "OLD TAPE");
        g_assert_cmpstr(i.revision, ==, "1.0");
        g_assert_cmpstr(i.serial, ==, "S123");
        g_assert_cmpuint(i.max_transfer, ==, 16 * FAKE_BLOCK);
        g_assert_cmpuint(i.max_block, ==, 0x10000);
        g_assert_cmpuint(i.density, ==, 0x5a);
        g_assert_true(
                i.loaded && i.write_protected && i.locate16 && i.locate10 && i.read_position && i.space16);
        g_assert_false(i.fixed_only || i.capacity);
        g_assert_cmpstr(tape_address(r->tape), ==, "fake");
        rig_free(r);
}

static void test_open_lacking(void)
{
        static const uint8_t lacks[] = { 0x92, 0x91, 0x34, 0x4d, 0x55, 0x5a, 0xff };
        struct rig *r = rig_open(lacks);
        struct tape_info i;
        tape_get_info(r->tape, &i);
        g_assert_true(i.locate10);
        g_assert_false(i.locate16 || i.space16 || i.read_position || i.capacity);
        g_assert_cmpuint(i.block_length, ==, FAKE_BLOCK);
        rig_free(r);
}

static void test_open_not_a_tape(void)
{
        struct rig *r = rig_new(lacks_nothing);
        PLAY(r, { .cdb = "12", .data = "0500" });
        r->fake.scripted = true;
        g_assert_cmpint(tape_open(&r->fake.transport, "fake", &r->tape), ==, -ENODEV);
        g_assert_cmpstr(r->log.text, ==, "fake: not a tape drive");
        g_assert_true(r->fake.closed);
        log_set_sink(NULL, NULL);
        g_free(r);
}

static void test_open_empty(void)
{
        struct rig *r = rig_new(lacks_nothing);
        struct tape_info i;
        size_t written;
        r->fake.empty = true;
        g_assert_cmpint(tape_open(&r->fake.transport, "fake", &r->tape), ==, 0);
        tape_get_info(r->tape, &i);
        g_assert_false(i.loaded);
        g_assert_cmpint(tape_write_filemarks(r->tape, 1, true, NULL), ==, -EIO);
        r->fake.empty = false;
        g_assert_cmpint(tape_load(r->tape), ==, 0);
        g_assert_cmpint(tape_set_block_length(r->tape, FAKE_BLOCK), ==, 0);
        r->fake.scripted = true;
        PLAY(r, { .cdb = "0a01000001" }, AT("00000001"));
        g_assert_cmpint(write_blocks(r, 1, &written, NULL), ==, 0);
        rig_free(r);
}

/* Unit attentions of the past, and a drive that takes its time. */
static void test_open_waits(void)
{
        struct rig *r = rig_new(lacks_nothing);
        r->fake.scripted = true;
        PLAY(r, { .cdb = "12", .data = "0180" }, { .cdb = "1201", .flags_key = 5, .asc = 0x24 },
                { .cdb = "00", .flags_key = 6, .asc = 0x28 }, { .cdb = "00", .flags_key = 6, .asc = 0x29 },
                { .cdb = "00", .flags_key = 2, .asc = 0x04, .ascq = 0x01 },
                { .cdb = "00", .status = TRANSPORT_STATUS_BUSY },
                { .cdb = "00", .flags_key = 2, .asc = 0x3a }, { .cdb = "5e01", .flags_key = 5, .asc = 0x20 },
                { .cdb = "a30c80", .flags_key = 5, .asc = 0x20 }, { .cdb = "05", .data = "000100000001" });
        g_assert_cmpint(tape_open(&r->fake.transport, "fake", &r->tape), ==, 0);
        g_assert_cmpuint(r->log.errors, ==, 0);
        rig_free(r);
}

static void test_close_restores(void)
{
        struct rig *r = rig_new(lacks_nothing);
        r->fake.block_length = 512;
        g_assert_cmpint(tape_open(&r->fake.transport, "fake", &r->tape), ==, 0);
        g_assert_cmpint(tape_set_block_length(r->tape, 512), ==, 0);
        g_assert_cmpuint(r->fake.selects, ==, 0);
        g_assert_cmpint(tape_set_block_length(r->tape, FAKE_BLOCK), ==, 0);
        g_assert_cmpuint(r->fake.block_length, ==, FAKE_BLOCK);
        tape_close(r->tape);
        g_assert_cmpuint(r->fake.selects, ==, 2);
        g_assert_cmpuint(r->fake.block_length, ==, 512);
        g_free(r);
        r = rig_new(lacks_nothing);
        g_assert_cmpint(tape_open(&r->fake.transport, "fake", &r->tape), ==, 0);
        tape_close(r->tape);
        tape_close(NULL);
        g_assert_cmpuint(r->fake.selects, ==, 0);
        g_free(r);
        log_set_sink(NULL, NULL);
}

static void test_block_length_refused(void)
{
        struct rig *r = rig_open(lacks_nothing);
        g_assert_cmpint(tape_set_block_length(r->tape, 0x10001), ==, -EMSGSIZE);
        g_assert_nonnull(strstr(r->log.text, "65537"));
        g_assert_nonnull(strstr(r->log.text, "65536"));
        g_assert_cmpint(tape_set_block_length(r->tape, 17 * FAKE_BLOCK), ==, -EMSGSIZE);
        g_assert_nonnull(strstr(r->log.text, "17408"));
        g_assert_nonnull(strstr(r->log.text, "16384"));
        /* The drive takes it, and sets something else. */
        PLAY(r, { .cdb = "55100000000000001000" },
                { .cdb = "5a0010",
                        .data = "0016001000000008"
                                "5a00000000000200" });
        g_assert_cmpint(tape_set_block_length(r->tape, 2048), ==, -EMSGSIZE);
        rig_free(r);
}

static void test_lock_and_compression(void)
{
        struct rig *r = rig_open(lacks_nothing);
        PLAY(r, { .cdb = "1e0000000100" },
                { .cdb = "5a000f",
                        .data = "001e001000000008"
                                "5a00000000000400"
                                "0f0ec0" },
                { .cdb = "5a000f",
                        .data = "001e001000000008"
                                "5a00000000000400"
                                "8f0ec0" },
                { .cdb = "5510000000000000"
                         "20",
                        .data = "0000001000000008"
                                "5a00000000000400"
                                "0f0e40" },
                { .cdb = "5a000f", .flags_key = 5, .asc = 0x24 },
                { .cdb = "1e000000", .flags_key = 5, .asc = 0x20 });
        g_assert_cmpint(tape_lock_medium(r->tape, true), ==, 0);
        g_assert_cmpint(tape_set_compression(r->tape, true), ==, 0);
        g_assert_cmpint(tape_set_compression(r->tape, false), ==, 0);
        g_assert_cmpint(tape_set_compression(r->tape, true), ==, 0);
        g_assert_cmpint(tape_lock_medium(r->tape, false), ==, 0);
        rig_free(r);
}

/* ---- Writing */

static void test_write_splits(void)
{
        struct rig *r = rig_proved(lacks_nothing);
        size_t written;
        bool early_warning = true;
        struct iovec iov[] = { { r->data, 1500 }, { r->data + 1500, 20 * FAKE_BLOCK - 1500 } };
        PLAY(r, { .cdb = "0a0100001000" }, { .cdb = "0a0100000400" });
        g_assert_cmpint(tape_write(r->tape, iov, 2, &written, &early_warning), ==, 0);
        g_assert_cmpuint(written, ==, 20);
        g_assert_false(early_warning);
        struct iovec one = { r->data, 100 };
        PLAY(r, { .cdb = "0a0000006400" }, { .cdb = "100100000200" }, { .cdb = "100000000000" },
                AT("00000018"));
        g_assert_cmpint(tape_write_block(r->tape, &one, 1, NULL), ==, 0);
        g_assert_cmpint(tape_write_filemarks(r->tape, 2, true, NULL), ==, 0);
        g_assert_cmpint(tape_write_filemarks(r->tape, 0, true, NULL), ==, 0);
        g_assert_cmpint(tape_write_filemarks(r->tape, 0, false, NULL), ==, 0);
        g_assert_cmpuint(counted(r), ==, 24);
        rig_free(r);
}

static void test_write_early_warning(void)
{
        struct rig *r = rig_open(lacks_position);
        size_t written;
        bool early_warning;
        PLAY(r, { .cdb = "0a01000004", .flags_key = EOM, .ascq = 2, .check = true },
                { .cdb = "0a01000004", .flags_key = EOM, .ascq = 2, .valid = true },
                { .cdb = "0a01000004", .flags_key = EOM, .check = true, .valid = true, .information = 1 },
                { .cdb = "0a01000001", .flags_key = EOM, .check = true },
                { .cdb = "1000000001", .flags_key = EOM, .ascq = 2 });
        for (int i = 0; i < 3; i++) {
                g_assert_cmpint(write_blocks(r, 4, &written, &early_warning), ==, 0);
                g_assert_cmpuint(written, ==, 4);
                g_assert_true(early_warning);
        }
        g_assert_cmpint(tape_write_filemarks(r->tape, 1, false, &early_warning), ==, 0);
        g_assert_true(early_warning);
        g_assert_cmpuint(counted(r), ==, 13);
        g_assert_cmpuint(r->log.errors, ==, 0);
        rig_free(r);
}

static void test_write_overflow(void)
{
        struct rig *r = rig_open(lacks_position);
        size_t written;
        PLAY(r, { .cdb = "0a01000010" },
                { .cdb = "0a01000004", .flags_key = EOM | 0xd, .ascq = 2, .valid = true, .information = 3 });
        g_assert_cmpint(write_blocks(r, 20, &written, NULL), ==, -ENOSPC);
        g_assert_cmpuint(written, ==, 17);
        g_assert_cmpuint(counted(r), ==, 17);
        g_assert_cmpstr(r->log.text, ==, "fake: the tape is full");
        /* Buffered blocks of earlier commands did not fit either. */
        PLAY(r, { .cdb = "0a01000004", .flags_key = EOM | 0xd, .ascq = 2, .valid = true, .information = 6 });
        g_assert_cmpint(write_blocks(r, 4, &written, NULL), ==, -ENOSPC);
        g_assert_cmpuint(written, ==, 0);
        g_assert_cmpuint(counted(r), ==, 15);
        /* Nothing said, nobody to ask: no more writing here. */
        PLAY(r, { .cdb = "0a01000004", .flags_key = EOM | 0xd, .ascq = 2 });
        g_assert_cmpint(write_blocks(r, 4, &written, NULL), ==, -ENOSPC);
        g_assert_cmpint(write_blocks(r, 4, &written, NULL), ==, -EIO);
        rig_free(r);
}

static void test_write_errors(void)
{
        static const struct {
                struct step step;
                int error;
                size_t written;
                bool position_known;
        } rows[] = {
                { { .flags_key = 3, .asc = 0x0c, .valid = true, .information = 1 }, -EIO, 3, false },
                { { .flags_key = 3, .asc = 0x0c }, -EIO, 0, false },
                { { .flags_key = 4, .asc = 0x44 }, -EIO, 0, false },
                { { .flags_key = 7, .asc = 0x27 }, -EROFS, 0, true },
                { { .flags_key = 5, .asc = 0x24 }, -EOPNOTSUPP, 0, true },
                { { .flags_key = 0xb, .asc = 0x47 }, -EIO, 0, false },
                { { .status = TRANSPORT_STATUS_RESERVATION_CONFLICT }, -EBUSY, 0, false },
                { { .status = 0x7e }, -EIO, 0, false },
                { { .residual = FAKE_BLOCK }, -EIO, 0, false },
                { { .error = -ETIMEDOUT }, -ETIMEDOUT, 0, false },
                { { .flags_key = 3, .asc = 0x0c, .deferred = true, .valid = true }, -EIO, 0, false },
        };
        for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
                struct rig *r = rig_open(lacks_position);
                struct step step = rows[i].step;
                struct tape_position p;
                size_t written;
                step.cdb = "0a0100000400";
                play(r, &step, 1);
                g_assert_cmpint(write_blocks(r, 4, &written, NULL), ==, rows[i].error);
                g_assert_cmpuint(written, ==, rows[i].written);
                g_assert_cmpuint(r->log.errors, ==, 1);
                g_assert_cmpint(tape_get_position(r->tape, &p), ==, rows[i].position_known ? 0 : -EIO);
                if (rows[i].position_known)
                        g_assert_cmpuint(p.object, ==, rows[i].written);
                rig_free(r);
        }
}

/* A deferred error that was recovered from has cost this command only. */
static void test_write_deferred_recovered(void)
{
        struct rig *r = rig_open(lacks_position);
        size_t written;
        PLAY(r, { .cdb = "0a01000004", .flags_key = 1, .asc = 0x17, .deferred = true },
                { .cdb = "0a01000004" });
        g_assert_cmpint(write_blocks(r, 4, &written, NULL), ==, 0);
        g_assert_cmpuint(counted(r), ==, 4);
        rig_free(r);
}

/* READ POSITION tells how far an aborted write came. */
static void test_write_aborted(void)
{
        struct rig *r = rig_proved(lacks_nothing);
        size_t written;
        PLAY(r, { .cdb = "0a01000004", .flags_key = 0xb, .asc = 0x47 }, AT("00000003"),
                /* the last one of these is read back */
                { .cdb = "92000000"
                         "0000000000000002" },
                { .cdb = "0800000400" }, { .cdb = "0a01000002" });
        g_assert_cmpint(write_blocks(r, 4, &written, NULL), ==, 0);
        g_assert_cmpuint(written, ==, 4);
        PLAY(r, { .cdb = "100000000000", .flags_key = 0xb, .asc = 0x47 }, AT("00000005"),
                { .cdb = "100000000000" });
        g_assert_cmpint(tape_write_filemarks(r->tape, 0, false, NULL), ==, 0);
        PLAY(r, { .cdb = "0a000003e8", .flags_key = 0xb, .asc = 0x47 }, AT("00000006"),
                { .cdb = "92000000"
                         "0000000000000005" },
                { .cdb = "08000003e8" }, AT("00000006"));
        struct iovec iov = { r->data, 1000 };
        g_assert_cmpint(tape_write_block(r->tape, &iov, 1, NULL), ==, 0);
        g_assert_cmpuint(counted(r), ==, 6);
        rig_free(r);
}

/* Never again blindly: the drive is asked first. */
static void test_write_unknown_outcome(void)
{
        struct rig *r = rig_proved(lacks_nothing);
        size_t written;
        PLAY(r, { .cdb = "0a01000004", .error = -ETIMEDOUT });
        g_assert_cmpint(write_blocks(r, 4, &written, NULL), ==, -ETIMEDOUT);
        g_assert_cmpuint(written, ==, 0);
        g_assert_cmpint(write_blocks(r, 4, &written, NULL), ==, -EIO);
        /* Is anybody there? */
        PLAY(r, { .cdb = "000000000000" }, AT("00000003"), { .cdb = "0a01000004" }, AT("00000007"));
        g_assert_cmpuint(counted(r), ==, 3);
        g_assert_cmpint(write_blocks(r, 4, &written, NULL), ==, 0);
        g_assert_cmpuint(counted(r), ==, 7);
        rig_free(r);
}

static void test_write_block_limits(void)
{
        struct rig *r = rig_open(lacks_position);
        struct iovec iov = { r->data, 20 * FAKE_BLOCK };
        g_assert_cmpint(tape_write_block(r->tape, &iov, 1, NULL), ==, -EMSGSIZE);
        iov.iov_len = 0;
        g_assert_cmpint(tape_write_block(r->tape, &iov, 1, NULL), ==, -EMSGSIZE);
        rig_free(r);
        r = rig_new(lacks_position);
        r->fake.min_block = r->fake.max_block = r->fake.block_length = FAKE_BLOCK;
        g_assert_cmpint(tape_open(&r->fake.transport, "fake", &r->tape), ==, 0);
        iov.iov_len = FAKE_BLOCK;
        g_assert_cmpint(tape_write_block(r->tape, &iov, 1, NULL), ==, -EOPNOTSUPP);
        g_assert_cmpint(tape_set_block_length(r->tape, 512), ==, -EMSGSIZE);
        g_assert_cmpint(tape_set_block_length(r->tape, 0), ==, -EMSGSIZE);
        /* Its single blocks are read as runs of one. */
        size_t length;
        enum tape_outcome outcome;
        r->fake.scripted = true;
        PLAY(r, { .cdb = "080100000100" });
        g_assert_cmpint(tape_read_block(r->tape, r->data, sizeof(r->data), &length, &outcome), ==, 0);
        g_assert_cmpuint(length, ==, FAKE_BLOCK);
        rig_free(r);
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/tape/sense/outcomes", test_sense_outcomes);
        g_test_add_func("/tape/sense/fields", test_sense_fields);
        g_test_add_func("/tape/sense/status", test_sense_status);
        g_test_add_func("/tape/sense/any-bytes", test_sense_any_bytes);
        g_test_add_func("/tape/sense/text", test_sense_text);
        g_test_add_func("/tape/open/info", test_open_info);
        g_test_add_func("/tape/open/lacking", test_open_lacking);
        g_test_add_func("/tape/open/not-a-tape", test_open_not_a_tape);
        g_test_add_func("/tape/open/empty", test_open_empty);
        g_test_add_func("/tape/open/waits", test_open_waits);
        g_test_add_func("/tape/close/restores", test_close_restores);
        g_test_add_func("/tape/block-length/refused", test_block_length_refused);
        g_test_add_func("/tape/modes", test_lock_and_compression);
        g_test_add_func("/tape/write/splits", test_write_splits);
        g_test_add_func("/tape/write/early-warning", test_write_early_warning);
        g_test_add_func("/tape/write/overflow", test_write_overflow);
        g_test_add_func("/tape/write/errors", test_write_errors);
        g_test_add_func("/tape/write/deferred-recovered", test_write_deferred_recovered);
        g_test_add_func("/tape/write/aborted", test_write_aborted);
        g_test_add_func("/tape/write/unknown-outcome", test_write_unknown_outcome);
        g_test_add_func("/tape/write/block-limits", test_write_block_limits);
        return g_test_run();
}

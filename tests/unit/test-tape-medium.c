/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the tape layer makes of a cartridge's memory, of logs and of timeouts. */
#include <reelfs/tape.h>

#include "tape-rig.h"
#include "virtual-fixture.h"
#include "watch-transport.h"

/* ---- A tape over a virtual drive */

struct medium {
        struct fixture f;
        Tape *tape;
};

static void medium_load(struct medium *m)
{
        g_assert_cmpint(virtual_open(m->f.path, false, &m->f.t), ==, 0);
        g_assert_cmpint(tape_open(m->f.t, "drive", &m->tape), ==, 0);
}

static void medium_unload(struct medium *m)
{
        tape_close(g_steal_pointer(&m->tape));
        m->f.t = NULL;
}

static void medium_new(struct medium *m, const struct virtual_cartridge *cartridge)
{
        *m = (struct medium){ 0 };
        fixture_init(&m->f);
        g_assert_cmpint(virtual_create(m->f.path, cartridge), ==, 0);
        medium_load(m);
}

static void medium_free(struct medium *m)
{
        medium_unload(m);
        fixture_clear(&m->f);
}

/* ---- Attributes */

static void test_codec(void)
{
        struct tape_attribute a, b;
        uint8_t list[200];
        uint64_t n;
        char text[64];
        size_t at = 0, end;
        attribute_set_text(&a, ATTRIBUTE_NAME, ATTRIBUTE_ASCII, "reelfs\tx", 32);
        g_assert_cmpint(attribute_encode(&a, list, sizeof(list), &at), ==, 0);
        g_assert_cmpuint(at, ==, 37);
        g_assert_cmpmem(list, 15, "\x08\x01\x01\0\x20reelfs?x  ", 15);
        a = (struct tape_attribute){ .id = ATTRIBUTE_CHANGE_REFERENCE, .length = 4, .value = { 0, 0, 1, 2 } };
        g_assert_cmpint(attribute_encode(&a, list, sizeof(list), &at), ==, 0);
        g_assert_cmpint(attribute_encode(&a, list, at + 8, &at), ==, -ENOSPC);
        end = at;
        at = 0;
        g_assert_cmpint(attribute_decode(list, end, &at, &b), ==, 0);
        g_assert_cmphex(b.id, ==, ATTRIBUTE_NAME);
        g_assert_cmpint(b.format, ==, ATTRIBUTE_ASCII);
        attribute_get_text(&b, text, sizeof(text));
        g_assert_cmpstr(text, ==, "reelfs?x");
        attribute_get_text(&b, text, 5);
        g_assert_cmpstr(text, ==, "reel");
        g_assert_false(attribute_get_number(&b, &n));
        g_assert_cmpint(attribute_decode(list, end, &at, &b), ==, 0);
        g_assert_true(attribute_get_number(&b, &n));
        g_assert_cmpuint(n, ==, 258);
        g_assert_cmpint(attribute_decode(list, end, &at, &b), ==, -ENODATA);
        for (size_t cut = 38; cut < end; cut++) {
                at = 37;
                g_assert_cmpint(attribute_decode(list, cut, &at, &b), ==, -EPROTO);
        }
        /* Longer than there is, longer than can be. */
        at = 0;
        g_assert_cmpint(attribute_decode((const uint8_t *)"\0\0\0\xff\xff", 5, &at, &b), ==, -EPROTO);
        g_autofree uint8_t *large = g_malloc0(5 + 1025);
        large[3] = 4;
        large[4] = 1;
        g_assert_cmpint(attribute_decode(large, 5 + 1025, &at, &b), ==, -EPROTO);
}

static void test_codec_text(void)
{
        struct tape_attribute a;
        attribute_set_text(&a, ATTRIBUTE_USER_LABEL, ATTRIBUTE_TEXT, "größe", 160);
        g_assert_cmpuint(a.length, ==, 160);
        g_assert_cmpmem(a.value, 9, "größe\0\0", 9);
        attribute_set_text(
                &a, ATTRIBUTE_USER_LABEL, ATTRIBUTE_TEXT, "größe", 3); /* in the midst of a character */
        g_assert_cmpmem(a.value, 3, "gr\0", 3);
        attribute_set_text(&a, ATTRIBUTE_USER_LABEL, ATTRIBUTE_TEXT, "größe", 4);
        g_assert_cmpmem(a.value, 4, "grö", 4);
        attribute_set_text(&a, ATTRIBUTE_VENDOR, ATTRIBUTE_ASCII, "größe", 8);
        g_assert_cmpmem(a.value, 8, "gr????e ", 8);
}

static void test_attributes(void)
{
        struct medium m;
        struct tape_attribute a, both[2];
        uint64_t reference;
        medium_new(&m, &(struct virtual_cartridge){ .barcode = "X" });
        g_assert_cmpint(
                tape_get_change_reference(m.tape, &reference), ==, -ENODATA); /* nothing was written */
        g_assert_cmpint(tape_read_attribute(m.tape, ATTRIBUTE_VENDOR, &a), ==, -ENODATA);
        attribute_set_text(&both[0], ATTRIBUTE_VENDOR, ATTRIBUTE_ASCII, "REELFS", 8);
        both[1] = (struct tape_attribute){ .id = ATTRIBUTE_COHERENCY, .length = 3, .value = "abc" };
        g_assert_cmpint(tape_write_attributes(m.tape, both, 2), ==, 0);
        g_assert_cmpint(tape_write_filemarks(m.tape, 1, false, NULL), ==, 0);
        medium_unload(&m);
        medium_load(&m);
        g_assert_cmpint(tape_read_attribute(m.tape, ATTRIBUTE_VENDOR, &a), ==, 0);
        g_assert_cmpmem(a.value, a.length, "REELFS  ", 8);
        g_assert_cmpint(tape_read_attribute(m.tape, ATTRIBUTE_COHERENCY, &a), ==, 0);
        g_assert_cmpmem(a.value, a.length, "abc", 3);
        g_assert_cmpint(tape_get_change_reference(m.tape, &reference), ==, 0);
        g_assert_cmpuint(reference, ==, 1);
        /* What the drive does not take. */
        both[0].length = 7;
        g_assert_cmpint(tape_write_attributes(m.tape, both, 1), ==, -ENODATA);
        both[1].length = 0;
        g_assert_cmpint(tape_write_attributes(m.tape, both + 1, 1), ==, 0);
        g_assert_cmpint(tape_read_attribute(m.tape, ATTRIBUTE_COHERENCY, &a), ==, -ENODATA);
        g_assert_cmpuint(m.f.messages, ==, 0);
        medium_free(&m);
}

static void test_no_attributes(void)
{
        struct medium m;
        struct tape_attribute a = { .id = ATTRIBUTE_COHERENCY };
        uint64_t reference;
        medium_new(&m, &(struct virtual_cartridge){ .lacks = VIRTUAL_NO_ATTRIBUTES });
        g_assert_cmpint(tape_read_attribute(m.tape, ATTRIBUTE_VENDOR, &a), ==, -EOPNOTSUPP);
        g_assert_cmpint(tape_write_attributes(m.tape, &a, 1), ==, -EOPNOTSUPP);
        g_assert_cmpint(tape_get_change_reference(m.tape, &reference), ==, -EOPNOTSUPP);
        g_assert_cmpuint(m.f.messages, ==, 0);
        medium_free(&m);
}

/* ---- Capacity: the sources agree, as far as their units go */

static void test_capacity(void)
{
        static const unsigned lacks[] = { 0, VIRTUAL_NO_CAPACITY_PAGE,
                VIRTUAL_NO_CAPACITY_PAGE | VIRTUAL_NO_VOLUME_PAGE, VIRTUAL_NO_CAPACITY };
        for (size_t i = 0; i < G_N_ELEMENTS(lacks); i++) {
                struct medium m;
                struct tape_capacity c;
                struct tape_info info;
                uint64_t capacity = 100 << 20, warning = 10 << 20;
                medium_new(&m,
                        &(struct virtual_cartridge){
                                .capacity = capacity, .early_warning = warning, .lacks = lacks[i] });
                g_assert_cmphex(write_block(&m.f, 8 << 20 >> 1, 1), ==, GOOD);
                g_assert_cmpint(tape_get_capacity(m.tape, &c), ==, 0);
                uint64_t left = capacity - (4 << 20) - (i == 1 ? warning : 0);
                g_assert_cmpuint(c.maximum, <=, capacity);
                g_assert_cmpuint(c.maximum, >, capacity - (1 << 20));
                g_assert_cmpuint(c.remaining, <=, left);
                g_assert_cmpuint(c.remaining, >, left - (1 << 20));
                tape_get_info(m.tape, &info);
                g_assert_true(info.capacity);
                medium_free(&m);
        }
}

/* Page 17h of a drive that has it without partition records, with those, with what makes no sense. */
static void test_volume_page(void)
{
        static const struct {
                const char *page;
                int error;
                uint64_t maximum, remaining; /* MB */
        } cases[] = {
                { "97000010"
                  "0016030400000064"
                  "0017030400000040",
                        0, 100, 36 },
                { "97000010"
                  "0016030400000064"
                  "0017030400000070",
                        0, 100, 0 },
                { "17000018"
                  "0202030807000000000000c8"
                  "0204030807000000000000b0",
                        0, 200, 176 },
                { "17000018"
                  "0202030807000000000000c8"
                  "0203030807000000000000b0",
                        0, 200, 24 },
                { "17000028"
                  "0202031007000001000000c80700000000000064"
                  "0204031007000001000000b00700000000000032",
                        0, 100, 50 },
                { "17000028"
                  "0016030400000064"
                  "0017030400000040"
                  "02020308070000000000000a"
                  "0204030807000000fffffffe",
                        0, 100, 36 },
                { "1700000f"
                  "0016030400000064"
                  "00170304000000",
                        -EOPNOTSUPP, 0, 0 },
                { "1700000c"
                  "02020308080000000000000a",
                        -EOPNOTSUPP, 0, 0 },
                { "97000010"
                  "00160304ffffffff"
                  "0017030400000040",
                        -EOPNOTSUPP, 0, 0 },
                { "97000018"
                  "00160308fffffffffffffff0"
                  "001703080000000000000040",
                        -EOPNOTSUPP, 0, 0 },
                { "17000008"
                  "0016030000170300",
                        -EOPNOTSUPP, 0, 0 },
                { "31000010"
                  "0016030400000064"
                  "0017030400000040",
                        -EOPNOTSUPP, 0, 0 },
        };
        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                static const uint8_t lacks[] = { 0x8c, 0xff };
                struct rig *r = rig_new(lacks);
                struct tape_capacity c;
                const struct step steps[] = { { .cdb = "12", .data = "0180" }, { .cdb = "1201" },
                        { .cdb = "00" }, { .cdb = "5e01" }, { .cdb = "a3" }, { .cdb = "05" },
                        { .cdb = "5a", .data = "0006001000000000" },
                        { .cdb = "4d0071", .flags_key = 5, .asc = 0x24 },
                        { .cdb = "4d0057", .data = cases[i].page },
                        { .cdb = "8c", .flags_key = 5, .asc = 0x20 } };
                play(r, steps, G_N_ELEMENTS(steps));
                r->fake.scripted = true;
                r->fake.count = cases[i].error ? 10 : 9;
                r->fake.fallback = true;
                g_assert_cmpint(tape_open(&r->fake.transport, "fake", &r->tape), ==, 0);
                const struct step again = { .cdb = "4d0057", .data = cases[i].page };
                play(r, &again, cases[i].error ? 0 : 1);
                g_assert_cmpint(tape_get_capacity(r->tape, &c), ==, cases[i].error);
                g_assert_cmpuint(c.maximum, ==, cases[i].maximum * 1000000);
                g_assert_cmpuint(c.remaining, ==, cases[i].remaining * 1000000);
                rig_free(r);
        }
}

/* ---- TapeAlert */

static void set_alerts(struct medium *m, const char *alerts)
{
        g_autofree char *name = g_strconcat(m->f.path, ".cartridge", NULL);
        g_autofree char *text = g_strdup_printf("[test]\ntape-alerts=%s\n", alerts);
        medium_unload(m);
        g_assert_true(g_file_set_contents(name, text, -1, NULL));
        medium_load(m);
        m->f.messages = 0;
}

static void test_alerts(void)
{
        struct medium m;
        uint64_t flags;
        medium_new(&m, &(struct virtual_cartridge){ .barcode = "X" });
        g_assert_cmpint(tape_get_alerts(m.tape, &flags), ==, 0);
        g_assert_cmphex(flags, ==, 0);
        set_alerts(&m, "20;21;64");
        g_assert_cmpint(tape_get_alerts(m.tape, &flags), ==, 0);
        g_assert_cmphex(flags, ==, UINT64_C(0x8000000000180000));
        /* One line: 21 is no matter of data. */
        set_alerts(&m, "20;21;64");
        tape_report_alerts(m.tape);
        g_assert_cmpuint(m.f.messages, ==, 1);
        g_assert_cmpstr(
                m.f.message, ==, "drive: the drive says: the drive needs cleaning now (TapeAlert 20)");
        tape_report_alerts(m.tape);
        g_assert_cmpuint(m.f.messages, ==, 1);
        medium_free(&m);

        medium_new(&m, &(struct virtual_cartridge){ .lacks = VIRTUAL_NO_ALERT_PAGE });
        g_assert_cmpint(tape_get_alerts(m.tape, &flags), ==, -EOPNOTSUPP);
        tape_report_alerts(m.tape);
        g_assert_cmpuint(m.f.messages, ==, 0);
        medium_free(&m);
}

static void test_alert_text(void)
{
        for (unsigned flag = 0; flag <= 66; flag++) {
                bool serious = true;
                g_assert_nonnull(tape_alert_text(flag, &serious));
                if (flag == 0 || flag > 60)
                        g_assert_false(serious);
        }
}

/* After a failure, and only if somebody has asked for it. */
static void test_alerts_after_failure(void)
{
        struct rig *r = rig_open(lacks_nothing);
        enum tape_outcome outcome;
        size_t nread;
        const struct step alert = { .cdb = "4d006e", .data = "2e000005000403010100" };
        PLAY(r, { .cdb = "08", .flags_key = 3, .asc = 0x11, .valid = true, .information = 1 });
        g_assert_cmpint(tape_read(r->tape, r->data, FAKE_BLOCK, &nread, &outcome), ==, -EIO);
        play(r, &alert, 1);
        tape_report_alerts(r->tape);
        g_assert_nonnull(strstr(r->log.text, "TapeAlert 4)"));
        PLAY(r, { .cdb = "01" },
                { .cdb = "08", .flags_key = 3, .asc = 0x11, .valid = true, .information = 1 },
                { .cdb = "4d006e", .data = "2e00000a000403010100050301010006030100" });
        g_assert_cmpint(tape_rewind(r->tape), ==, 0);
        g_assert_cmpint(tape_read(r->tape, r->data, FAKE_BLOCK, &nread, &outcome), ==, -EIO);
        g_assert_nonnull(strstr(r->log.text, "TapeAlert 5)"));
        PLAY(r, { .cdb = "01" }, { .cdb = "08" }, AT("00000001"));
        g_assert_cmpint(tape_rewind(r->tape), ==, 0);
        g_assert_cmpint(tape_read(r->tape, r->data, FAKE_BLOCK, &nread, &outcome), ==, 0);
        rig_free(r);
}

/* ---- Timeouts */

/* The drive's own where they are longer, within reason. Nothing the drive says makes ours shorter. */
static void test_timeouts(void)
{
        struct fixture f;
        unsigned ours[256];
        for (int pass = 0; pass < 2; pass++) {
                struct watch w = { .transport.ops = &watch_ops };
                Tape *tape;
                fixture_init(&f);
                g_assert_cmpint(
                        virtual_create(f.path,
                                &(struct virtual_cartridge){ .lacks = pass ? 0 : VIRTUAL_NO_OPCODES }),
                        ==, 0);
                g_assert_cmpint(virtual_open(f.path, false, &w.under), ==, 0);
                g_assert_cmpint(tape_open(&w.transport, "drive", &tape), ==, 0);
                g_assert_cmpint(tape_rewind(tape), ==, 0);
                g_assert_cmpint(tape_erase(tape, false), ==, 0);
                if (pass == 0)
                        memcpy(ours, w.timeout_s, sizeof(ours));
                g_assert_cmpuint(w.timeout_s[0x01], ==, ours[0x01]);
                /* 16 hours for any ERASE: four times what a short one may take is enough. */
                g_assert_cmpuint(w.timeout_s[0x19], ==, pass ? 4 * ours[0x19] : ours[0x19]);
                tape_close(tape);
                fixture_clear(&f);
        }
}

/* ---- Sense that was passed over in silence */

static void test_no_end_of_data(void)
{
        struct rig *r = rig_open(lacks_nothing);
        enum tape_outcome outcome;
        size_t nread;
        PLAY(r, { .cdb = "08", .flags_key = 3, .asc = 0x14, .ascq = 3 });
        g_assert_cmpint(tape_read(r->tape, r->data, FAKE_BLOCK, &nread, &outcome), ==, -EIO);
        g_assert_cmpuint(r->log.errors, ==, 1);
        g_assert_nonnull(strstr(r->log.text, "end of the data is not marked"));
        PLAY(r, { .cdb = "01" }, { .cdb = "01", .flags_key = 3, .asc = 0x14, .ascq = 3 });
        g_assert_cmpint(tape_rewind(r->tape), ==, 0);
        g_assert_cmpint(tape_rewind(r->tape), ==, -ENODATA);
        g_assert_cmpuint(r->log.errors, ==, 2);
        rig_free(r);
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/tape-medium/codec", test_codec);
        g_test_add_func("/tape-medium/codec-text", test_codec_text);
        g_test_add_func("/tape-medium/attributes", test_attributes);
        g_test_add_func("/tape-medium/no-attributes", test_no_attributes);
        g_test_add_func("/tape-medium/capacity", test_capacity);
        g_test_add_func("/tape-medium/volume-page", test_volume_page);
        g_test_add_func("/tape-medium/alerts", test_alerts);
        g_test_add_func("/tape-medium/alert-text", test_alert_text);
        g_test_add_func("/tape-medium/alerts-after-failure", test_alerts_after_failure);
        g_test_add_func("/tape-medium/timeouts", test_timeouts);
        g_test_add_func("/tape-medium/no-end-of-data", test_no_end_of_data);
        return g_test_run();
}

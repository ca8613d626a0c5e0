/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The fault injector: its rules, and each effect on a virtual drive. */
#include <reelfs/fault.h>

#include "virtual-fixture.h"

#define BLOCK 512u

/* ---- Rules */

static void test_bad_rules(void)
{
        static const struct {
                const char *rules, *message;
        } cases[] = {
                { "opcode=zz error=io", "rule 1: opcode has to be bytes in hexadecimal" },
                { "opcode=100 error=io", "rule 1: opcode has to be bytes" },
                { "opcode= error=io", "rule 1: opcode has to be bytes" },
                { "opcode=0a,, error=io", "rule 1: opcode has to be bytes" },
                { "error=io; opcode error=io", "rule 2: opcode has to be bytes" },
                { "error=io\n\n;; after=-1 error=io", "rule 2: after has to be a number" },
                { "every=0 error=io", "rule 1: every has to be a number from 1" },
                { "count=0 error=io", "rule 1: count has to be a number from 1, or all" },
                { "chance=0 error=io", "rule 1: chance has to be" },
                { "chance=1.5 error=io", "rule 1: chance has to be" },
                { "chance=nan error=io", "rule 1: chance has to be" },
                { "seed=1 error=io", "rule 1: seed goes with chance" },
                { "if=relative error=io", "rule 1: if has to be the absolute path" },
                { "sense=3/0c", "rule 1: sense has to be key/asc/ascq" },
                { "sense=13/0c/00", "rule 1: sense has to be" },
                { "sense=3/0c/00/00", "rule 1: sense has to be" },
                { "attention=29", "rule 1: attention has to be asc/ascq" },
                { "status=02", "rule 1: status has to be" },
                { "status=bored", "rule 1: status has to be" },
                { "error=none", "rule 1: error has to be timeout, nodev, io or reset" },
                { "error=io status=busy", "rule 1: only one of" },
                { "error=io error=io", "rule 1: error is there twice" },
                { "error=io done=maybe", "rule 1: done has to be yes or no" },
                { "error=io done=yes partial=1", "rule 1: either done=yes or partial" },
                { "error=io eom", "rule 1: deferred" },
                { "status=busy information=1", "rule 1: deferred" },
                { "residual=1 done=yes", "rule 1: done and partial go with" },
                { "sense=3/0c/00 eom=1", "rule 1: eom takes no value" },
                { "sense=3/0c/00 information=4294967296", "rule 1: information has to be" },
                { "delay=3600001", "rule 1: delay has to be" },
                { "opcode=0a", "rule 1: does nothing" },
                { "frobnicate", "rule 1: there is no \"frobnicate\"" },
                { "\377=1", "rule 1: there is no" },
        };
        struct fixture f;
        fixture_create(&f, &(struct virtual_cartridge){ 0 });
        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                Transport *t = NULL;
                f.messages = 0;
                g_assert_cmpint(fault_wrap(f.t, cases[i].rules, "here", &t), ==, -EINVAL);
                g_assert_null(t);
                g_assert_cmpuint(f.messages, ==, 1);
                g_assert_true(g_str_has_prefix(f.message, "here: "));
                if (!g_str_has_prefix(f.message + strlen("here: "), cases[i].message))
                        g_error("%s: %s", cases[i].rules, f.message);
        }
        fixture_clear(&f);
}

/* Rules are put in front of the fixture's drive; counting begins here. */
static void inject(struct fixture *f, const char *rules)
{
        g_assert_cmpint(fault_wrap(f->t, rules, "here", &f->t), ==, 0);
}

static void start(struct fixture *f, const char *rules)
{
        fixture_create(f, &(struct virtual_cartridge){ 0 });
        g_assert_cmphex(set_block_length(f, BLOCK), ==, GOOD);
        inject(f, rules);
}

static void test_no_rules(void)
{
        struct fixture f;
        fixture_create(&f, &(struct virtual_cartridge){ 0 });
        Transport *under = f.t;
        inject(&f, " ;\n; ");
        g_assert_true(f.t == under);
        fixture_clear(&f);
}

static uint64_t fired(struct fixture *f, size_t rule)
{
        struct fault_statistics s;
        g_assert_cmpint(fault_statistics(f->t, rule, &s), ==, 0);
        return s.fired;
}

/* ---- Selection */

/* Of 20 times TEST UNIT READY, which were struck? */
static uint32_t struck(struct fixture *f)
{
        uint32_t bits = 0;
        for (unsigned i = 0; i < 20; i++) {
                uint32_t s = none(f, CDB(0, 0, 0, 0, 0, 0));
                g_assert_true(s == GOOD || s == 0x06003f);
                bits |= (s != GOOD) << i;
        }
        return bits;
}

static void test_selection(void)
{
        static const struct {
                const char *rules;
                uint32_t struck;
        } cases[] = {
                { "attention=00/3f", 0x00001 },
                { "attention=00/3f after=3", 0x00008 },
                { "attention=00/3f after=3 count=2", 0x00018 },
                { "attention=00/3f count=all", 0xfffff },
                { "attention=00/3f every=3 count=all", 0x49249 },
                { "attention=00/3f after=2 every=10 count=all", 0x01004 },
                { "opcode=0a,08 attention=00/3f", 0 },
                { "opcode=0a,0 attention=00/3f", 0x00001 },
                { "attention=00/3f; attention=00/3f after=2 count=2", 0x0000d },
                /* both are due: the first one is taken, and the other one waits */
                { "attention=00/3f count=2; attention=00/3f", 0x00007 },
                { "attention=00/3f if=/nonexistent", 0 },
                { "attention=00/3f if=/dev/null", 0x00001 },
        };
        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                struct fixture f;
                start(&f, cases[i].rules);
                g_assert_cmphex(struck(&f), ==, cases[i].struck);
                fixture_clear(&f);
        }
}

/* The same seed, the same faults; and one that is not given is said. */
static void test_chance(void)
{
        struct fixture f;
        uint32_t first, second;
        char rules[128];
        start(&f, "attention=00/3f chance=0.5 count=all");
        const char *seed = strstr(f.message, "seed=");
        g_assert_nonnull(seed);
        g_snprintf(rules, sizeof(rules), "attention=00/3f chance=0.5 count=all %s", seed);
        first = struck(&f);
        fixture_clear(&f);
        start(&f, rules);
        second = struck(&f);
        fixture_clear(&f);
        g_assert_cmphex(first, ==, second);
        start(&f, "attention=00/3f chance=0.5 count=all seed=1");
        first = struck(&f);
        g_assert_cmphex(first, !=, 0);
        g_assert_cmphex(first, !=, 0xfffff);
        fixture_clear(&f);
}

/* While a file is there; what comes before does not count. */
static void test_condition(void)
{
        struct fixture f;
        fixture_create(&f, &(struct virtual_cartridge){ 0 });
        g_autofree char *condition = g_build_filename(f.directory, "now", NULL);
        g_autofree char *rules = g_strdup_printf("attention=00/3f after=1 count=all if=%s", condition);
        inject(&f, rules);
        g_assert_cmphex(struck(&f), ==, 0);
        g_assert_true(g_file_set_contents(condition, "", 0, NULL));
        g_assert_cmphex(struck(&f), ==, 0xffffe);
        g_unlink(condition);
        g_assert_cmphex(struck(&f), ==, 0);
        fixture_clear(&f);
}

/* ---- Effects */

static uint32_t write_fixed(struct fixture *f, unsigned count, unsigned seed)
{
        g_autofree uint8_t *data = g_malloc(count * BLOCK);
        for (unsigned i = 0; i < count; i++)
                fill(data + i * BLOCK, BLOCK, seed + i);
        return out(f, data, count * BLOCK, CDB(0x0a, 1, 0, 0, (uint8_t)count, 0));
}

static void test_sense(void)
{
        struct fixture f;
        start(&f,
                "opcode=0a sense=3/0c/01 eom ili filemark information=-5;"
                "opcode=0a sense=b/47/00 deferred;"
                "opcode=0a sense=3/0c/00 descriptor eom information=-5;"
                "opcode=0a sense=4/44/00 deferred descriptor");
        g_assert_cmphex(write_fixed(&f, 2, 1), ==, 0x030c01);
        g_assert_cmphex(sense_flags(&f), ==, 0xe0);
        g_assert_cmpint(information(&f), ==, -5);
        g_assert_cmpuint(f.c.residual, ==, 2 * BLOCK);
        struct iovec iov = { f.directory, 1 };
        f.c = (struct transport_command){ .cdb = { 0x0a, 0, 0, 0, 1 },
                .cdb_length = 6,
                .direction = TRANSPORT_OUT,
                .iov = &iov,
                .iovcnt = 1 };
        g_assert_cmpint(transport_execute(f.t, &f.c), ==, 0);
        g_assert_cmphex(f.c.sense[0], ==, 0x71);
        g_assert_cmphex(f.c.sense[2], ==, 0x0b);
        g_assert_cmphex(write_fixed(&f, 1, 1), ==, 0x030c00);
        g_assert_cmpuint(f.c.sense_length, ==, 24);
        g_assert_cmphex(f.c.sense[8], ==, 0x00);
        g_assert_cmpint((int64_t)sg_get_unaligned_be64(f.c.sense + 12), ==, -5);
        g_assert_cmphex(f.c.sense[20], ==, 0x04);
        g_assert_cmphex(f.c.sense[23], ==, 0x40);
        g_assert_cmpint(transport_execute(f.t, &(struct transport_command){ .cdb = { 0x0a } }), ==, 0);
        g_assert_cmpuint(position(&f), ==, 0); /* none was executed */
        fixture_clear(&f);
}

static void test_status(void)
{
        static const struct {
                const char *rules;
                uint8_t status;
        } cases[] = { { "status=busy", 0x08 }, { "status=conflict", 0x18 }, { "status=full", 0x28 },
                { "status=aborted", 0x40 }, { "status=30", 0x30 } };
        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                struct fixture f;
                start(&f, cases[i].rules);
                g_assert_cmpint(execute(&f, TRANSPORT_NONE, NULL, 0, CDB(0, 0, 0, 0, 0, 0)), ==, 0);
                g_assert_cmphex(f.c.status, ==, cases[i].status);
                g_assert_cmpuint(f.c.sense_length, ==, 0);
                g_assert_cmphex(none(&f, CDB(0, 0, 0, 0, 0, 0)), ==, GOOD);
                fixture_clear(&f);
        }
}

/* GOOD, though nothing was done. */
static void test_swallowed(void)
{
        struct fixture f;
        start(&f, "opcode=0a status=good");
        g_assert_cmphex(write_fixed(&f, 3, 1), ==, GOOD);
        g_assert_cmpuint(f.c.residual, ==, 0);
        g_assert_cmpuint(position(&f), ==, 0);
        fixture_clear(&f);
}

static void test_errors(void)
{
        static const struct {
                const char *rules;
                int error;
                uint64_t position;
        } cases[] = {
                { "opcode=0a error=timeout", -ETIMEDOUT, 0 },
                { "opcode=0a error=nodev", -ENODEV, 0 },
                { "opcode=0a error=io done=no", -EIO, 0 },
                { "opcode=0a error=reset done=yes", -ECONNRESET, 3 },
                { "opcode=0a error=reset partial=2", -ECONNRESET, 2 },
        };
        uint8_t data[3 * BLOCK] = { 0 };
        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                struct fixture f;
                start(&f, cases[i].rules);
                int r = execute(&f, TRANSPORT_OUT, data, sizeof(data), CDB(0x0a, 1, 0, 0, 3, 0));
                g_assert_cmpint(r, ==, cases[i].error);
                g_assert_cmpuint(position(&f), ==, cases[i].position);
                fixture_clear(&f);
        }
}

/* The first blocks get onto the tape, as they are; or come from it. */
static void test_partial(void)
{
        struct fixture f;
        uint8_t data[5 * BLOCK], expected[BLOCK];
        start(&f, "opcode=0a partial=2 sense=3/0c/00 information=rest; opcode=08 partial=1 sense=b/47/00");
        g_assert_cmphex(write_fixed(&f, 5, 1), ==, 0x030c00);
        g_assert_cmpint(information(&f), ==, 3);
        g_assert_cmpuint(f.c.residual, ==, 3 * BLOCK);
        g_assert_cmpuint(position(&f), ==, 2);
        g_assert_cmphex(rewind_tape(&f), ==, GOOD);
        g_assert_cmphex(in(&f, data, sizeof(data), CDB(0x08, 1, 0, 0, 5, 0)), ==, 0x0b4700);
        g_assert_cmpuint(f.c.residual, ==, 4 * BLOCK);
        fill(expected, BLOCK, 1);
        g_assert_cmpmem(data, BLOCK, expected, BLOCK);
        assert_block(&f, BLOCK, 2);
        g_assert_cmphex(read_any(&f), ==, 0x080005);
        fixture_clear(&f);
}

/* Filemarks, and a block of FIXED=0, of which there is no part. */
static void test_partial_others(void)
{
        struct fixture f;
        start(&f,
                "opcode=10 partial=1 sense=3/0c/00 information=rest; opcode=0a partial=0 sense=3/0c/00;"
                "opcode=0a partial=1 sense=3/0c/00 information=rest");
        g_assert_cmphex(write_filemarks(&f, 3, true), ==, 0x030c00);
        g_assert_cmpint(information(&f), ==, 2);
        g_assert_cmpuint(position(&f), ==, 1);
        g_assert_cmphex(write_block(&f, 99, 7), ==, 0x030c00);
        g_assert_cmpuint(position(&f), ==, 1);
        g_assert_cmphex(write_block(&f, 99, 7), ==, 0x030c00);
        g_assert_cmpint(information(&f), ==, 0);
        g_assert_cmpuint(position(&f), ==, 2);
        fixture_clear(&f);
}

static void test_done(void)
{
        struct fixture f;
        start(&f, "opcode=0a done=yes status=busy; opcode=0a done=yes sense=0/00/02 eom");
        uint8_t data[2 * BLOCK] = { 0 };
        g_assert_cmpint(execute(&f, TRANSPORT_OUT, data, sizeof(data), CDB(0x0a, 1, 0, 0, 2, 0)), ==, 0);
        g_assert_cmphex(f.c.status, ==, TRANSPORT_STATUS_BUSY);
        g_assert_cmpuint(position(&f), ==, 2);
        g_assert_cmphex(write_fixed(&f, 1, 1), ==, 0x000002);
        g_assert_cmphex(sense_flags(&f), ==, SENSE_EOM);
        g_assert_cmpuint(f.c.residual, ==, 0);
        g_assert_cmpuint(position(&f), ==, 3);
        fixture_clear(&f);
}

static void test_residual(void)
{
        struct fixture f;
        start(&f, "opcode=0a residual=7; opcode=0a residual=100000");
        g_assert_cmphex(write_fixed(&f, 2, 1), ==, GOOD);
        g_assert_cmpuint(f.c.residual, ==, 7);
        g_assert_cmphex(write_fixed(&f, 2, 1), ==, GOOD);
        g_assert_cmpuint(f.c.residual, ==, 2 * BLOCK);
        g_assert_cmpuint(position(&f), ==, 4);
        fixture_clear(&f);
}

static void test_rewind(void)
{
        struct fixture f;
        start(&f, "opcode=0a after=1 attention=29/00 rewind");
        g_assert_cmphex(write_fixed(&f, 2, 1), ==, GOOD);
        g_assert_cmphex(write_fixed(&f, 2, 1), ==, 0x062900);
        g_assert_cmpuint(position(&f), ==, 0);
        fixture_clear(&f);
}

/* Later, and otherwise as ever. */
static void test_delay(void)
{
        struct fixture f;
        start(&f, "opcode=0a delay=50");
        int64_t before = g_get_monotonic_time();
        g_assert_cmphex(write_fixed(&f, 2, 1), ==, GOOD);
        g_assert_cmpint(g_get_monotonic_time() - before, >=, 50000);
        g_assert_cmpuint(fired(&f, 1), ==, 1);
        g_assert_cmpuint(position(&f), ==, 2);
        struct fault_statistics s;
        g_assert_cmpint(fault_statistics(f.t, 2, &s), ==, -ENOENT);
        fixture_clear(&f);
}

/* What the drive itself finds wrong comes before a fault that was to come after a part. */
static void test_true_error(void)
{
        struct fixture f;
        start(&f, "opcode=08 partial=1 sense=b/47/00");
        uint8_t data[2 * BLOCK];
        g_assert_cmphex(in(&f, data, sizeof(data), CDB(0x08, 1, 0, 0, 2, 0)), ==, 0x080005);
        fixture_clear(&f);
}

/* ---- By address */

static void open_address(struct fixture *f, int error)
{
        Transport *t = NULL;
        transport_close(g_steal_pointer(&f->t));
        g_assert_cmpint(transport_open(f->path, false, &t), ==, error);
        f->t = t;
}

static void test_environment(void)
{
        struct fixture f;
        fixture_create(&f, &(struct virtual_cartridge){ 0 });
        g_assert_true(g_setenv(FAULT_ENVIRONMENT, "opcode=12 error=nodev", TRUE));
        open_address(&f, 0);
        uint8_t data[36];
        g_assert_cmpint(
                execute(&f, TRANSPORT_IN, data, sizeof(data), CDB(0x12, 0, 0, 0, 36, 0)), ==, -ENODEV);
        g_autofree char *text = transport_describe(f.t);
        g_assert_nonnull(strstr(text, "faults"));
        g_assert_true(g_setenv(FAULT_ENVIRONMENT, "bad", TRUE));
        f.messages = 0;
        open_address(&f, -EINVAL);
        g_assert_cmpuint(f.messages, ==, 1);
        g_unsetenv(FAULT_ENVIRONMENT);
        open_address(&f, 0); /* it was closed */
        fixture_clear(&f);
}

static void test_key_file(void)
{
        struct fixture f;
        fixture_create(&f, &(struct virtual_cartridge){ 0 });
        g_autofree char *name = g_strconcat(f.path, ".cartridge", NULL);
        static const char good[] = "[fault]\nrules=opcode=12 error=nodev; opcode=00 status=busy\n";
        static const char bad[] = "[fault]\nrules=opcode=12\n";
        g_assert_true(g_file_set_contents(name, good, -1, NULL));
        open_address(&f, 0);
        g_assert_cmpint(execute(&f, TRANSPORT_NONE, NULL, 0, CDB(0x12, 0, 0, 0, 0, 0)), ==, -ENODEV);
        g_assert_cmpint(execute(&f, TRANSPORT_NONE, NULL, 0, CDB(0, 0, 0, 0, 0, 0)), ==, 0);
        g_assert_cmphex(f.c.status, ==, TRANSPORT_STATUS_BUSY);
        g_assert_true(g_file_set_contents(name, bad, -1, NULL));
        open_address(&f, -EINVAL);
        g_assert_nonnull(strstr(f.message, "rule 1: does nothing"));
        fixture_clear(&f);
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/fault/rules/bad", test_bad_rules);
        g_test_add_func("/fault/rules/none", test_no_rules);
        g_test_add_func("/fault/selection", test_selection);
        g_test_add_func("/fault/chance", test_chance);
        g_test_add_func("/fault/condition", test_condition);
        g_test_add_func("/fault/sense", test_sense);
        g_test_add_func("/fault/status", test_status);
        g_test_add_func("/fault/swallowed", test_swallowed);
        g_test_add_func("/fault/errors", test_errors);
        g_test_add_func("/fault/partial", test_partial);
        g_test_add_func("/fault/partial-others", test_partial_others);
        g_test_add_func("/fault/done", test_done);
        g_test_add_func("/fault/residual", test_residual);
        g_test_add_func("/fault/rewind", test_rewind);
        g_test_add_func("/fault/delay", test_delay);
        g_test_add_func("/fault/true-error", test_true_error);
        g_test_add_func("/fault/environment", test_environment);
        g_test_add_func("/fault/key-file", test_key_file);
        return g_test_run();
}

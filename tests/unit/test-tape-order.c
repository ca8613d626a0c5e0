/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Recommended access order: what the virtual drive takes and gives, and what the tape layer makes of it. */
#include <reelfs/tape.h>

#include "virtual-fixture.h"

#define BLOCK 1024
#define BLOCKS 400

/* BLOCKS blocks, and a filemark at the end. */
static void fixture_written(struct fixture *f, unsigned lacks, const char *model)
{
        fixture_init(f);
        g_assert_cmpint(virtual_create(f->path, &(struct virtual_cartridge){ .lacks = lacks }), ==, 0);
        g_autofree char *name = g_strconcat(f->path, ".cartridge", NULL);
        g_autofree char *text = NULL;
        g_assert_true(g_file_get_contents(name, &text, NULL, NULL));
        g_autofree char *with = g_strdup_printf("%s\n%s", text, model);
        g_assert_true(g_file_set_contents(name, with, -1, NULL));
        g_assert_cmpint(virtual_open(f->path, false, &f->t), ==, 0);
        none(f, CDB(0, 0, 0, 0, 0, 0)); /* unit attention */
        uint8_t block[BLOCK] = { 0 };
        for (unsigned i = 0; i < BLOCKS; i++)
                g_assert_cmphex(out(f, block, BLOCK, CDB(0x0a, 0, 0, BLOCK >> 8, 0, 0)), ==, GOOD);
        g_assert_cmphex(none(f, CDB(0x10, 0, 0, 0, 1, 0)), ==, GOOD);
}

static uint8_t *put_segment(uint8_t *p, uint64_t first, uint64_t last)
{
        memset(p, 0, 32);
        p[1] = 30;
        p[14] = (uint8_t)first;
        sg_put_unaligned_be64(first, p + 16);
        sg_put_unaligned_be64(last, p + 24);
        return p + 32;
}

static uint32_t generate(struct fixture *f, uint8_t *list, uint8_t size)
{
        return out(f, list, size, CDB(0xa4, 0x1d, 2, 0, 0, 0, 0, 0, 0, size, 0, 0));
}

static void test_commands(void)
{
        struct fixture f;
        uint8_t list[8 + 3 * 32] = { [7] = 96 }, got[8 + 3 * 32];
        fixture_written(&f, 0, "");
        g_assert_cmphex(in(&f, got, 4, CDB(0xa3, 0x9d, 0, 0, 0, 0, 0, 0, 0, 4, 0, 0)), ==, GOOD);
        g_assert_cmpuint(sg_get_unaligned_be16(got), ==, 2730);
        g_assert_cmpuint(sg_get_unaligned_be16(got + 2), ==, 32);
        /* None has been made. */
        g_assert_cmphex(in(&f, got, 104, CDB(0xa3, 0x1d, 0, 0, 0, 0, 0, 0, 0, 104, 0, 0)), ==, GOOD);
        g_assert_cmpuint(f.c.residual, ==, 96);
        /* At the middle: what is behind it comes first, then from the front. */
        put_segment(put_segment(put_segment(list + 8, 10, 11), 250, 255), 100, 105);
        g_assert_cmphex(none(&f, CDB(0x92, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 200, 0, 0, 0, 0)), ==, GOOD);
        g_assert_cmphex(generate(&f, list, sizeof(list)), ==, GOOD);
        g_assert_cmphex(in(&f, got, 104, CDB(0xa3, 0x1d, 0, 0, 0, 0, 0, 0, 0, 104, 0, 0)), ==, GOOD);
        g_assert_cmpmem(got, 8, ((uint8_t[]){ 2, 0, 0, 0, 0, 0, 0, 96 }), 8);
        g_assert_cmpmem(got + 8, 32, list + 8 + 32, 32);
        g_assert_cmpmem(got + 40, 32, list + 8, 32);
        g_assert_cmpmem(got + 72, 32, list + 8 + 64, 32);
        /* A part of it; and not reordered. */
        g_assert_cmphex(in(&f, got, 32, CDB(0xa3, 0x1d, 0, 0, 0, 72, 0, 0, 0, 32, 0, 0)), ==, GOOD);
        g_assert_cmpmem(got, 32, list + 8 + 64, 32);
        g_assert_cmphex(out(&f, list, 104, CDB(0xa4, 0x1d, 1, 0, 0, 0, 0, 0, 0, 104, 0, 0)), ==, GOOD);
        g_assert_cmphex(in(&f, got, 104, CDB(0xa3, 0x1d, 0, 0, 0, 0, 0, 0, 0, 104, 0, 0)), ==, GOOD);
        g_assert_cmpmem(got + 8, 96, list + 8, 96);
        fixture_clear(&f);
}

static void test_refusals(void)
{
        struct fixture f;
        uint8_t list[40] = { [7] = 32 };
        fixture_written(&f, 0, "");
        put_segment(list + 8, 10, 9);
        g_assert_cmphex(generate(&f, list, 40), ==, 0x052600);
        put_segment(list + 8, 10, BLOCKS + 2);
        g_assert_cmphex(generate(&f, list, 40), ==, 0x052600);
        put_segment(list + 8, 10, 20);
        list[8 + 15] = 1; /* partition */
        g_assert_cmphex(generate(&f, list, 40), ==, 0x052600);
        put_segment(list + 8, 10, 20);
        g_assert_cmphex(generate(&f, list, 39), ==, 0x052600);
        g_assert_cmphex(generate(&f, list, 7), ==, 0x051a00);
        g_assert_cmphex(out(&f, list, 40, CDB(0xa4, 0x1d, 0, 0, 0, 0, 0, 0, 0, 40, 0, 0)), ==, 0x052400);
        g_assert_cmphex(none(&f, CDB(0xa3, 0x1d, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0)), ==, 0x052400);
        g_assert_cmphex(none(&f, CDB(0xa4, 0x1e, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0)), ==, 0x052400);
        g_assert_cmphex(generate(&f, list, 40), ==, GOOD);
        fixture_clear(&f);
}

static void test_tape(void)
{
        struct fixture f;
        static const struct tape_range ranges[] = { { 10, 10 }, { 300, 310 }, { 20, 30 }, { 200, 210 },
                { BLOCKS, BLOCKS } };
        unsigned order[5];
        size_t limit;
        Tape *t;
        fixture_written(&f, 0, "");
        g_assert_cmpint(tape_open(g_steal_pointer(&f.t), f.path, &t), ==, 0);
        g_assert_cmpint(tape_recommended_limit(t, &limit), ==, 0);
        g_assert_cmpuint(limit, ==, 2730);
        g_assert_cmpint(tape_rewind(t), ==, 0);
        g_assert_cmpint(tape_recommended_order(t, ranges, 5, order), ==, 0);
        g_assert_cmpmem(order, sizeof(order), ((unsigned[]){ 0, 2, 3, 1, 4 }), sizeof(order));
        g_assert_cmpint(tape_locate(t, 150), ==, 0);
        g_assert_cmpint(tape_recommended_order(t, ranges, 4, order), ==, 0);
        g_assert_cmpmem(order, 4 * sizeof(*order), ((unsigned[]){ 3, 1, 0, 2 }), 4 * sizeof(*order));
        g_assert_cmpint(tape_recommended_order(t, ranges, 0, order), ==, 0);
        g_assert_cmpint(tape_recommended_order(t, ranges, limit + 1, order), ==, -E2BIG);
        tape_close(t);
        fixture_clear(&f);
}

/* A drive that lacks it, and one that is too old for it: no word about that in the log. */
static void test_lacking(void)
{
        static const struct {
                unsigned lacks;
                const char *model;
        } drives[] = { { VIRTUAL_NO_ORDER, "" }, { VIRTUAL_NO_OPCODES, "" },
                { 0, "[model]\ndrive=lto8\nclock=virtual\n" } };
        for (size_t i = 0; i < G_N_ELEMENTS(drives); i++) {
                struct fixture f;
                unsigned order[1];
                Tape *t;
                fixture_written(&f, drives[i].lacks, drives[i].model);
                g_assert_cmpint(tape_open(g_steal_pointer(&f.t), f.path, &t), ==, 0);
                g_assert_cmpint(
                        tape_recommended_order(t, &(struct tape_range){ 1, 2 }, 1, order), ==, -EOPNOTSUPP);
                g_assert_cmpuint(f.messages, ==, 0);
                tape_close(t);
                fixture_clear(&f);
        }
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/tape-order/commands", test_commands);
        g_test_add_func("/tape-order/refusals", test_refusals);
        g_test_add_func("/tape-order/tape", test_tape);
        g_test_add_func("/tape-order/lacking", test_lacking);
        return g_test_run();
}

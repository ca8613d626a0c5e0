/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The tape layer over the virtual drive: whatever the drive lacks, the same tape. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include <reelfs/log.h>
#include <reelfs/tape.h>
#include <reelfs/virtual.h>

#include "cartridge-place.h"

#define BLOCK 2048u
#define OBJECTS_MAX 400u

/* A tape as it should be: of each object its length, 0 for a filemark. */
struct model {
        uint32_t length[OBJECTS_MAX];
        uint64_t count, position;
};

struct rig {
        char *directory, *path;
        Transport *transport;
        Tape *tape;
        struct model model;
        unsigned errors;
        char message[256];
        uint8_t data[16 * BLOCK];
};

static void count_errors(void *ctx, int priority, const char *text)
{
        struct rig *r = ctx;
        if (priority > LOG_WARNING)
                return;
        r->errors++;
        g_strlcpy(r->message, text, sizeof(r->message));
}

static bool protect; /* with logical block protection, where the drive has it */

static void rig_mount(struct rig *r)
{
        g_assert_cmpint(virtual_open(r->path, false, &r->transport), ==, 0);
        g_assert_cmpint(tape_open(r->transport, r->path, &r->tape), ==, 0);
        int error = protect ? tape_set_protection(r->tape, true) : 0;
        g_assert_true(error == 0 || error == -EOPNOTSUPP);
}

static struct rig *rig_new(const struct virtual_cartridge *cartridge)
{
        struct rig *r = g_new0(struct rig, 1);
        place_make(&r->directory, &r->path);
        log_set_sink(count_errors, r);
        g_assert_cmpint(virtual_create(r->path, cartridge), ==, 0);
        rig_mount(r);
        return r;
}

static void rig_free(struct rig *r)
{
        tape_close(r->tape);
        log_set_sink(NULL, NULL);
        place_clear(r->directory, r->path);
        g_free(r);
}

static const unsigned lacks[] = { 0, VIRTUAL_NO_LOCATE16, VIRTUAL_NO_LOCATE16 | VIRTUAL_NO_LOCATE10,
        VIRTUAL_NO_READ_POSITION, VIRTUAL_NO_SPACE16, VIRTUAL_NO_MODE10, VIRTUAL_NO_CAPACITY,
        VIRTUAL_NO_VARIABLE,
        VIRTUAL_NO_LOCATE16 | VIRTUAL_NO_LOCATE10 | VIRTUAL_NO_READ_POSITION | VIRTUAL_NO_SPACE16 |
                VIRTUAL_NO_MODE10 | VIRTUAL_NO_CAPACITY,
        VIRTUAL_NO_LOCATE16 | VIRTUAL_NO_LOCATE10 | VIRTUAL_NO_READ_POSITION | VIRTUAL_NO_VARIABLE };

/* The content of an object says which it is. */
static void fill(uint8_t *data, uint64_t object, size_t length)
{
        for (size_t i = 0; i < length; i++)
                data[i] = (uint8_t)(object * 31 + i % 251);
}

static void check_content(struct rig *r, uint64_t object, const uint8_t *data, size_t length)
{
        uint8_t expected[BLOCK];
        fill(expected, object, length);
        g_assert_cmpmem(data, length, expected, length);
}

/* ---- The operations of the model, each checked against the tape */

static void model_append(struct model *m, uint32_t length)
{
        m->length[m->position++] = length;
        m->count = m->position;
}

static void do_write(struct rig *r, GRand *rand)
{
        struct model *m = &r->model;
        size_t n = (size_t)g_rand_int_range(rand, 1, 9), written;
        if (m->position + n > OBJECTS_MAX)
                return;
        for (size_t i = 0; i < n; i++)
                fill(r->data + i * BLOCK, m->position + i, BLOCK);
        struct iovec iov[] = { { r->data, 700 }, { r->data + 700, n * BLOCK - 700 } };
        g_assert_cmpint(tape_write(r->tape, iov, 2, &written, NULL), ==, 0);
        g_assert_cmpuint(written, ==, n);
        for (size_t i = 0; i < n; i++)
                model_append(m, BLOCK);
}

static void do_write_short(struct rig *r, GRand *rand)
{
        struct model *m = &r->model;
        uint32_t length = (uint32_t)g_rand_int_range(rand, 1, BLOCK);
        struct tape_info info;
        if (m->position == OBJECTS_MAX)
                return;
        fill(r->data, m->position, length);
        struct iovec iov = { r->data, length };
        tape_get_info(r->tape, &info);
        if (info.fixed_only)
                return;
        g_assert_cmpint(tape_write_block(r->tape, &iov, 1, NULL), ==, 0);
        model_append(m, length);
}

static void do_filemarks(struct rig *r, GRand *rand)
{
        struct model *m = &r->model;
        uint32_t n = (uint32_t)g_rand_int_range(rand, 1, 3);
        if (m->position + n > OBJECTS_MAX)
                return;
        g_assert_cmpint(tape_write_filemarks(r->tape, n, g_rand_boolean(rand), NULL), ==, 0);
        while (n--)
                model_append(m, 0);
}

static void do_read(struct rig *r, GRand *rand)
{
        struct model *m = &r->model;
        size_t n = (size_t)g_rand_int_range(rand, 1, 10), nread, full = 0;
        enum tape_outcome outcome, expected = TAPE_GOOD;
        uint64_t at = m->position;
        while (full < n && at + full < m->count && m->length[at + full] == BLOCK)
                full++;
        m->position += full;
        if (full < n && m->position == m->count)
                expected = TAPE_EOD;
        else if (full < n)
                expected = m->length[m->position++] ? TAPE_SHORT_BLOCK : TAPE_FILEMARK;
        g_assert_cmpint(tape_read(r->tape, r->data, n * BLOCK, &nread, &outcome), ==, 0);
        g_assert_cmpstr(tape_outcome_name(outcome), ==, tape_outcome_name(expected));
        g_assert_cmpuint(nread, ==, full * BLOCK);
        for (size_t i = 0; i < full; i++)
                check_content(r, at + i, r->data + i * BLOCK, BLOCK);
}

static void do_read_block(struct rig *r, GRand *rand)
{
        struct model *m = &r->model;
        size_t length;
        enum tape_outcome outcome, expected = TAPE_GOOD;
        uint64_t at = m->position;
        size_t size = g_rand_boolean(rand) ? BLOCK : sizeof(r->data);
        if (at == m->count)
                expected = TAPE_EOD;
        else if (m->length[m->position++] == 0)
                expected = TAPE_FILEMARK;
        g_assert_cmpint(tape_read_block(r->tape, r->data, size, &length, &outcome), ==, 0);
        g_assert_cmpstr(tape_outcome_name(outcome), ==, tape_outcome_name(expected));
        g_assert_cmpuint(length, ==, expected == TAPE_GOOD ? m->length[at] : 0);
        check_content(r, at, r->data, length);
}

static void do_locate(struct rig *r, GRand *rand)
{
        struct model *m = &r->model;
        m->position = (uint64_t)g_rand_int_range(rand, 0, (gint32)m->count + 1);
        g_assert_cmpint(tape_locate(r->tape, m->position), ==, 0);
}

static void do_space(struct rig *r, GRand *rand)
{
        struct model *m = &r->model;
        int count = g_rand_int_range(rand, -4, 5);
        uint64_t moved, passed = 0;
        enum tape_outcome outcome, expected = TAPE_GOOD;
        for (; count > 0 && passed < (uint64_t)count && m->position < m->count; m->position++)
                passed += m->length[m->position] == 0;
        for (; count < 0 && passed < (uint64_t)-count && m->position > 0; m->position--)
                passed += m->length[m->position - 1] == 0;
        if (passed < (uint64_t)ABS(count))
                expected = count > 0 ? TAPE_EOD : TAPE_BOP;
        g_assert_cmpint(tape_space_filemarks(r->tape, count, &moved, &outcome), ==, 0);
        g_assert_cmpstr(tape_outcome_name(outcome), ==, tape_outcome_name(expected));
        g_assert_cmpuint(moved, ==, passed);
}

static void do_space_eod(struct rig *r, GRand *rand)
{
        g_assert_cmpint(tape_space_eod(r->tape), ==, 0);
        r->model.position = r->model.count;
}

static void do_rewind(struct rig *r, GRand *rand)
{
        g_assert_cmpint(tape_rewind(r->tape), ==, 0);
        r->model.position = 0;
}

static void do_erase(struct rig *r, GRand *rand)
{
        if (g_rand_int_range(rand, 0, 8))
                return;
        g_assert_cmpint(tape_erase(r->tape, g_rand_boolean(rand)), ==, 0);
        r->model.count = r->model.position;
}

/* What was synchronized is there after a reset, and the tape where it was. */
static void do_reset(struct rig *r, GRand *rand)
{
        if (g_rand_int_range(rand, 0, 2))
                virtual_reset(r->transport);
}

static void do_reopen(struct rig *r, GRand *rand)
{
        tape_close(r->tape);
        rig_mount(r);
        g_assert_cmpint(tape_set_block_length(r->tape, BLOCK), ==, 0);
        g_assert_cmpint(tape_locate(r->tape, r->model.position), ==, 0);
}

static void check_position(struct rig *r)
{
        struct tape_position p;
        g_assert_cmpint(tape_get_position(r->tape, &p), ==, 0);
        g_assert_cmpuint(p.object, ==, r->model.position);
        g_assert_cmpuint(p.partition, ==, 0);
        g_assert_cmpint(p.bop, ==, r->model.position == 0);
}

static void test_any_order(gconstpointer data)
{
        static void (*const operations[])(struct rig * r, GRand * rand) = { do_write, do_write,
                do_write_short, do_filemarks, do_read, do_read, do_read_block, do_locate, do_space, do_space,
                do_space_eod, do_space_eod, do_rewind, do_erase, do_reset, do_reopen };
        struct virtual_cartridge cartridge = {
                .lacks = *(const unsigned *)data, .fixed_block = BLOCK, .max_transfer = 5 * BLOCK + 100
        };
        GRand *rand = g_rand_new_with_seed(cartridge.lacks + 7);
        struct rig *r = rig_new(&cartridge);
        g_assert_cmpint(tape_set_block_length(r->tape, BLOCK), ==, 0);
        check_position(r);
        for (int i = 0; i < 4000; i++) {
                operations[g_rand_int_range(rand, 0, G_N_ELEMENTS(operations))](r, rand);
                if (g_rand_boolean(rand))
                        check_position(r);
        }
        g_assert_cmpuint(r->errors, ==, 0);
        g_rand_free(rand);
        rig_free(r);
}

static void test_info(gconstpointer data)
{
        struct virtual_cartridge cartridge = { .lacks = *(const unsigned *)data,
                .fixed_block = BLOCK,
                .capacity = 64 << 20,
                .max_transfer = 1 << 20 };
        struct rig *r = rig_new(&cartridge);
        struct tape_info i;
        struct tape_capacity c;
        tape_get_info(r->tape, &i);
        g_assert_cmpstr(i.vendor, ==, "REELFS");
        g_assert_cmpuint(i.max_transfer, ==, 1 << 20);
        g_assert_cmpint(i.locate16, ==, !(cartridge.lacks & VIRTUAL_NO_LOCATE16));
        g_assert_cmpint(i.locate10, ==, !(cartridge.lacks & VIRTUAL_NO_LOCATE10));
        g_assert_cmpint(i.space16, ==, !(cartridge.lacks & VIRTUAL_NO_SPACE16));
        g_assert_cmpint(i.read_position, ==, !(cartridge.lacks & VIRTUAL_NO_READ_POSITION));
        g_assert_true(i.capacity); /* where there is no log, the cartridge's memory says it */
        g_assert_cmpint(i.fixed_only, ==, !!(cartridge.lacks & VIRTUAL_NO_VARIABLE));
        g_assert_true(i.loaded && !i.write_protected);
        int result = tape_get_capacity(r->tape, &c);
        g_assert_cmpint(result, ==, i.capacity ? 0 : -EOPNOTSUPP);
        if (i.capacity) {
                g_assert_cmpuint(c.maximum, ==, 64 << 20);
                g_assert_cmpuint(c.remaining, ==, 64 << 20);
        }
        g_assert_cmpuint(r->errors, ==, 0);
        rig_free(r);
}

/* To the end of the medium, early warning on the way; everything that was said to be written is there. */
static void test_end_of_medium(gconstpointer data)
{
        struct virtual_cartridge cartridge = { .lacks = *(const unsigned *)data,
                .fixed_block = BLOCK,
                .capacity = 100 * BLOCK,
                .early_warning = 20 * BLOCK };
        struct rig *r = rig_new(&cartridge);
        struct iovec iov = { r->data, 7 * BLOCK };
        size_t written, total = 0, warned_at = 0, nread;
        bool early_warning;
        int result;
        g_assert_cmpint(tape_set_block_length(r->tape, BLOCK), ==, 0);
        do {
                result = tape_write(r->tape, &iov, 1, &written, &early_warning);
                total += written;
                if (early_warning && !warned_at)
                        warned_at = total;
        } while (result == 0);
        g_assert_cmpint(result, ==, -ENOSPC);
        g_assert_cmpuint(total, ==, 100);
        g_assert_cmpuint(warned_at, ==, 84);
        r->model.position = total;
        check_position(r);
        enum tape_outcome outcome;
        g_assert_cmpint(tape_rewind(r->tape), ==, 0);
        for (total = 0; total < 100; total += nread / BLOCK) {
                g_assert_cmpint(tape_read(r->tape, r->data, sizeof(r->data), &nread, &outcome), ==, 0);
                g_assert_cmpuint(nread, >, 0);
        }
        rig_free(r);
}

static void test_write_protected(void)
{
        struct virtual_cartridge cartridge = { .write_protected = true };
        struct rig *r = rig_new(&cartridge);
        struct tape_info i;
        tape_get_info(r->tape, &i);
        g_assert_true(i.write_protected);
        g_assert_cmpint(tape_write_filemarks(r->tape, 1, false, NULL), ==, -EROFS);
        g_assert_nonnull(strstr(r->message, "the tape is write protected"));
        g_assert_cmpuint(r->errors, ==, 1);
        rig_free(r);
}

static void test_load_unload(gconstpointer data)
{
        struct virtual_cartridge cartridge = { .lacks = *(const unsigned *)data, .fixed_block = BLOCK };
        struct rig *r = rig_new(&cartridge);
        struct iovec iov = { r->data, BLOCK };
        struct tape_info i;
        size_t written;
        g_assert_cmpint(tape_set_block_length(r->tape, BLOCK), ==, 0);
        g_assert_cmpint(tape_write(r->tape, &iov, 1, &written, NULL), ==, 0);
        g_assert_cmpint(tape_lock_medium(r->tape, true), ==, 0);
        g_assert_cmpint(tape_unload(r->tape), ==, 0);
        tape_get_info(r->tape, &i);
        g_assert_false(i.loaded);
        g_assert_cmpint(tape_write(r->tape, &iov, 1, &written, NULL), ==, -EIO);
        g_assert_cmpint(tape_rewind(r->tape), ==, -ENOMEDIUM);
        g_assert_cmpint(tape_load(r->tape), ==, 0);
        check_position(r);
        g_assert_cmpint(tape_space_eod(r->tape), ==, 0);
        g_assert_cmpint(tape_write(r->tape, &iov, 1, &written, NULL), ==, 0);
        r->model.position = 2;
        check_position(r);
        rig_free(r);
}

/* A tape that another drive's power failure has left without an end. */
static void test_power_cut(gconstpointer data)
{
        struct virtual_cartridge cartridge = { .lacks = *(const unsigned *)data, .fixed_block = BLOCK };
        struct rig *r = rig_new(&cartridge);
        struct iovec iov = { r->data, 10 * BLOCK };
        enum tape_outcome outcome;
        size_t written, nread;
        g_assert_cmpint(tape_set_block_length(r->tape, BLOCK), ==, 0);
        g_assert_cmpint(tape_write(r->tape, &iov, 1, &written, NULL), ==, 0);
        g_assert_cmpint(virtual_power_cut(r->transport, 0.33), ==, 0);
        g_assert_cmpint(tape_write(r->tape, &iov, 1, &written, NULL), ==, -ENODEV);
        g_assert_cmpuint(written, ==, 0);
        g_assert_cmpuint(r->errors, ==, 1);
        tape_close(r->tape);
        g_assert_cmpuint(r->errors, ==, 1);
        rig_mount(r);
        g_assert_cmpint(tape_set_block_length(r->tape, BLOCK), ==, 0);
        g_assert_cmpint(tape_space_eod(r->tape), ==, -ENODATA);
        g_assert_cmpint(tape_rewind(r->tape), ==, 0);
        g_assert_cmpint(tape_read(r->tape, r->data, sizeof(r->data), &nread, &outcome), ==, -EIO);
        g_assert_cmpuint(nread, ==, 3 * BLOCK);
        g_assert_cmpint(tape_locate(r->tape, 3), ==, 0);
        g_assert_cmpint(tape_write_filemarks(r->tape, 1, false, NULL), ==, 0);
        g_assert_cmpint(tape_space_eod(r->tape), ==, 0);
        r->model.position = 4;
        check_position(r);
        rig_free(r);
}

static void with_protection(void (*test)(gconstpointer data), gconstpointer data)
{
        protect = true;
        test(data);
        protect = false;
}

static void test_any_order_protected(gconstpointer data)
{
        with_protection(test_any_order, data);
}

static void test_end_of_medium_protected(gconstpointer data)
{
        with_protection(test_end_of_medium, data);
}

static void test_load_unload_protected(gconstpointer data)
{
        with_protection(test_load_unload, data);
}

static void test_power_cut_protected(gconstpointer data)
{
        with_protection(test_power_cut, data);
}

static void add_for_all_lacks(const char *name, void (*test)(gconstpointer data))
{
        for (size_t i = 0; i < G_N_ELEMENTS(lacks); i++) {
                g_autofree char *path = g_strdup_printf("/tape/virtual/%s/%02x", name, lacks[i]);
                g_test_add_data_func(path, &lacks[i], test);
        }
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        add_for_all_lacks("info", test_info);
        add_for_all_lacks("any-order", test_any_order);
        add_for_all_lacks("end-of-medium", test_end_of_medium);
        add_for_all_lacks("load-unload", test_load_unload);
        add_for_all_lacks("power-cut", test_power_cut);
        add_for_all_lacks("any-order-protected", test_any_order_protected);
        add_for_all_lacks("end-of-medium-protected", test_end_of_medium_protected);
        add_for_all_lacks("load-unload-protected", test_load_unload_protected);
        add_for_all_lacks("power-cut-protected", test_power_cut_protected);
        g_test_add_func("/tape/virtual/write-protected", test_write_protected);
        return g_test_run();
}

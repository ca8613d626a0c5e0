/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The tape layer with WORM media, in append-only mode, and with a programmable early warning. */
#include <errno.h>
#include <glib.h>
#include <scsi/sg_unaligned.h>
#include <string.h>

#include <reelfs/log.h>
#include <reelfs/tape.h>
#include <reelfs/virtual.h>

#include "cartridge-place.h"

#define BLOCK 1000000u

struct rig {
        char *directory, *path;
        Transport *transport;
        Tape *tape;
        unsigned messages;
        char message[256];
        int megabytes; /* of the last MODE SELECT with mode page 10h/01h; -1: none */
        unsigned allowed;
        uint8_t data[BLOCK];
};

static void count_messages(void *ctx, int priority, const char *text)
{
        struct rig *r = ctx;
        if (priority > LOG_WARNING)
                return;
        r->messages++;
        g_strlcpy(r->message, text, sizeof(r->message));
}

static void watch(void *ctx, Transport *t, uint64_t number, const struct transport_command *c)
{
        struct rig *r = ctx;
        r->allowed += c->cdb[0] == 0x82;
        if (c->cdb[0] != 0x55)
                return;
        const uint8_t *list = c->iov[0].iov_base;
        if (c->iov[0].iov_len >= 16 + 8 && list[16] == 0x50 && list[17] == 0x01)
                r->megabytes = sg_get_unaligned_be16(list + 16 + 6);
}

static void rig_mount(struct rig *r)
{
        g_assert_cmpint(virtual_open(r->path, false, &r->transport), ==, 0);
        virtual_set_hook(r->transport, watch, r);
        g_assert_cmpint(tape_open(r->transport, r->path, &r->tape), ==, 0);
        g_assert_cmpint(tape_set_block_length(r->tape, BLOCK), ==, 0);
}

static struct rig *rig_new(const struct virtual_cartridge *cartridge)
{
        struct rig *r = g_new0(struct rig, 1);
        place_make(&r->directory, &r->path);
        r->megabytes = -1;
        log_set_sink(count_messages, r);
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

static int put(struct rig *r, bool *early_warning)
{
        size_t written;
        return tape_write(r->tape, &(struct iovec){ r->data, BLOCK }, 1, &written, early_warning);
}

/* Two blocks, a filemark, a block. */
static void put_some(struct rig *r)
{
        g_assert_cmpint(put(r, NULL), ==, 0);
        g_assert_cmpint(put(r, NULL), ==, 0);
        g_assert_cmpint(tape_write_filemarks(r->tape, 1, true, NULL), ==, 0);
        g_assert_cmpint(put(r, NULL), ==, 0);
}

static void test_found(void)
{
        static const struct {
                struct virtual_cartridge cartridge;
                bool worm, append_only, programmable;
        } cases[] = {
                { { .capacity = 0 }, false, false, true },
                { { .worm = true }, true, false, true },
                { { .append_only = true }, false, true, true },
                /* By the memory in the cartridge alone; not at all. */
                { { .worm = true, .lacks = VIRTUAL_NO_MEDIUM_PAGE }, true, false, true },
                { { .worm = true, .lacks = VIRTUAL_NO_MODE10 }, true, false, true },
                { { .worm = true, .lacks = VIRTUAL_NO_MEDIUM_PAGE | VIRTUAL_NO_ATTRIBUTES }, false, false,
                        true },
                { { .lacks = VIRTUAL_NO_MEDIUM_PAGE }, false, false, true },
                { { .lacks = VIRTUAL_NO_EXTENSION }, false, false, false },
        };
        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                struct rig *r = rig_new(&cases[i].cartridge);
                struct tape_info info;
                tape_get_info(r->tape, &info);
                g_assert_cmpint(info.worm, ==, cases[i].worm);
                g_assert_cmpint(info.append_only, ==, cases[i].append_only);
                g_assert_cmpint(info.programmable_warning, ==, cases[i].programmable);
                g_assert_cmpuint(r->messages, ==, 0);
                rig_free(r);
        }
}

/* One line, and the position is what it was. */
static void test_refused(void)
{
        static const struct virtual_cartridge cartridges[] = { { .worm = true }, { .append_only = true } };
        for (size_t i = 0; i < G_N_ELEMENTS(cartridges); i++) {
                struct rig *r = rig_new(&cartridges[i]);
                struct tape_position p;
                put_some(r);
                g_assert_cmpint(tape_locate(r->tape, 1), ==, 0);
                g_assert_cmpint(put(r, NULL), ==, -EROFS);
                g_assert_cmpuint(r->messages, ==, 1);
                g_assert_nonnull(strstr(r->message, "cannot be overwritten"));
                g_assert_cmpint(tape_write_filemarks(r->tape, 1, false, NULL), ==, -EROFS);
                g_assert_cmpint(tape_get_position(r->tape, &p), ==, 0);
                g_assert_cmpuint(p.object, ==, 1);
                g_assert_cmpint(tape_space_eod(r->tape), ==, 0);
                g_assert_cmpint(put(r, NULL), ==, 0);
                g_assert_cmpint(tape_get_position(r->tape, &p), ==, 0);
                g_assert_cmpuint(p.object, ==, 5);
                g_assert_cmpuint(r->allowed, ==, 0);
                rig_free(r);
        }
}

static void test_allowed(void)
{
        struct rig *r = rig_new(&(struct virtual_cartridge){ .append_only = true });
        struct tape_position p;
        put_some(r);
        g_assert_cmpint(tape_locate(r->tape, 2), ==, 0);
        g_assert_cmpint(tape_allow_overwrite(r->tape), ==, 0);
        g_assert_cmpuint(r->allowed, ==, 1);
        g_assert_cmpint(put(r, NULL), ==, 0);
        g_assert_cmpint(put(r, NULL), ==, 0);
        g_assert_cmpint(tape_space_eod(r->tape), ==, 0);
        g_assert_cmpint(tape_get_position(r->tape, &p), ==, 0);
        g_assert_cmpuint(p.object, ==, 4);
        g_assert_cmpint(tape_rewind(r->tape), ==, 0);
        g_assert_cmpint(put(r, NULL), ==, -EROFS);
        rig_free(r);
}

static void test_allowed_elsewhere(void)
{
        struct rig *r = rig_new(&(struct virtual_cartridge){ .capacity = 0 });
        put_some(r);
        g_assert_cmpint(tape_rewind(r->tape), ==, 0);
        g_assert_cmpint(tape_allow_overwrite(r->tape), ==, 0);
        g_assert_cmpuint(r->allowed, ==, 0); /* nothing to be asked for */
        rig_free(r);
        r = rig_new(&(struct virtual_cartridge){ .worm = true });
        g_assert_cmpint(tape_allow_overwrite(r->tape), ==, -EROFS);
        g_assert_nonnull(strstr(r->message, "WORM"));
        g_assert_cmpuint(r->allowed, ==, 0);
        rig_free(r);
}

/* Early warning would begin at 8 of 10 MB. */
static const struct virtual_cartridge small = { .capacity = 10 * BLOCK, .early_warning = 2 * BLOCK };

static void test_warning(void)
{
        struct rig *r = rig_new(&small);
        bool warned;
        g_assert_cmpint(tape_set_early_warning(r->tape, 3 * BLOCK - 1), ==, 0);
        g_assert_cmpint(r->megabytes, ==, 3);
        for (unsigned i = 1; i <= 10; i++) {
                g_assert_cmpint(put(r, &warned), ==, 0);
                g_assert_cmpint(warned, ==, i >= 5);
                if (i == 7) {
                        g_assert_cmpint(tape_write_filemarks(r->tape, 1, false, &warned), ==, 0);
                        g_assert_true(warned);
                }
        }
        /* Before that place it is forgotten. */
        g_assert_cmpint(tape_locate(r->tape, 2), ==, 0);
        for (unsigned i = 3; i <= 6; i++) {
                g_assert_cmpint(put(r, &warned), ==, 0);
                g_assert_cmpint(warned, ==, i >= 5);
        }
        g_assert_cmpint(tape_set_early_warning(r->tape, UINT64_MAX), ==, 0);
        g_assert_cmpint(r->megabytes, ==, UINT16_MAX);
        tape_close(g_steal_pointer(&r->tape));
        g_assert_cmpint(r->megabytes, ==, 0);
        g_assert_cmpuint(r->messages, ==, 0);
        rig_free(r);
}

static void test_warning_after_reset(void)
{
        struct rig *r = rig_new(&small);
        bool warned;
        g_assert_cmpint(tape_set_early_warning(r->tape, 3 * BLOCK), ==, 0);
        for (unsigned i = 1; i <= 4; i++)
                g_assert_cmpint(put(r, &warned), ==, 0);
        g_assert_cmpint(tape_write_filemarks(r->tape, 0, false, NULL), ==, 0);
        r->megabytes = -1;
        virtual_reset(r->transport);
        /* It is set anew before the write after that. */
        g_assert_cmpint(put(r, &warned), ==, 0);
        g_assert_cmpint(put(r, &warned), ==, 0);
        g_assert_true(warned);
        g_assert_cmpint(r->megabytes, ==, 3);
        rig_free(r);
}

static void test_no_warning(void)
{
        struct rig *r = rig_new(&(struct virtual_cartridge){ .lacks = VIRTUAL_NO_EXTENSION });
        g_assert_cmpint(tape_set_early_warning(r->tape, BLOCK), ==, -EOPNOTSUPP);
        g_assert_cmpint(r->megabytes, ==, -1);
        g_assert_cmpuint(r->messages, ==, 0);
        rig_free(r);
}

/* Deferred, current, of either format: data that was accepted is gone, and nothing is written behind the gap.
 */
static void test_loss(void)
{
        for (int descriptor = 0; descriptor < 2; descriptor++)
                for (int current = 0; current < 2; current++) {
                        struct rig *r =
                                rig_new(&(struct virtual_cartridge){ .descriptor_sense = descriptor });
                        struct tape_position p;
                        put_some(r);
                        g_assert_cmpint(tape_write_filemarks(r->tape, 0, false, NULL), ==, 0);
                        g_assert_cmpint(put(r, NULL), ==, 0);
                        g_assert_cmpint(put(r, NULL), ==, 0);
                        virtual_lose(
                                r->transport, &(struct virtual_loss){ .objects = 1, .current = current });
                        g_assert_cmpint(tape_write_filemarks(r->tape, 1, false, NULL), ==, -EIO);
                        g_assert_cmpint(tape_space_eod(r->tape), ==, 0);
                        g_assert_cmpint(tape_get_position(r->tape, &p), ==, 0);
                        g_assert_cmpuint(p.object, ==, 5);
                        rig_free(r);
                }
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/tape/protect/found", test_found);
        g_test_add_func("/tape/protect/refused", test_refused);
        g_test_add_func("/tape/protect/allowed", test_allowed);
        g_test_add_func("/tape/protect/allowed-elsewhere", test_allowed_elsewhere);
        g_test_add_func("/tape/protect/warning", test_warning);
        g_test_add_func("/tape/protect/warning-after-reset", test_warning_after_reset);
        g_test_add_func("/tape/protect/no-warning", test_no_warning);
        g_test_add_func("/tape/protect/loss", test_loss);
        return g_test_run();
}

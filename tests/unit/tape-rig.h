/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* A Tape over a scripted drive: every CDB is checked, and drives can be as odd as they are. */
#include <errno.h>

#include <reelfs/tape.h>

#include "fake-drive.h"

struct rig {
        struct fake fake;
        struct fake_log log;
        Tape *tape;
        uint8_t data[32 * FAKE_BLOCK];
};

#define NO_LOCATE 0x2b, 0x92
static const uint8_t lacks_nothing[] G_GNUC_UNUSED = { 0xff };
static const uint8_t lacks_position[] G_GNUC_UNUSED = { NO_LOCATE, 0x34, 0x91, 0xff };
static const uint8_t lacks_locate[] G_GNUC_UNUSED = { NO_LOCATE, 0x91, 0xff };

static inline struct rig *rig_new(const uint8_t *lacks)
{
        struct rig *r = g_new0(struct rig, 1);
        r->fake = (struct fake){ .transport.ops = &fake_ops,
                .lacks = lacks,
                .max_block = 0x10000,
                .min_block = 1,
                .device_specific = 0x10 };
        log_set_sink(fake_log_sink, &r->log);
        return r;
}

/* Opened, at BOP, with blocks of FAKE_BLOCK bytes; what follows is scripted. */
static inline struct rig *rig_open(const uint8_t *lacks)
{
        struct rig *r = rig_new(lacks);
        g_assert_cmpint(tape_open(&r->fake.transport, "fake", &r->tape), ==, 0);
        g_assert_cmpint(tape_set_block_length(r->tape, FAKE_BLOCK), ==, 0);
        g_assert_cmpint(tape_rewind(r->tape), ==, 0);
        r->fake.scripted = true;
        return r;
}

static inline void play(struct rig *r, const struct step *steps, size_t count)
{
        g_assert_cmpuint(r->fake.next, ==, r->fake.count);
        r->fake.steps = steps;
        r->fake.count = count;
        r->fake.next = 0;
}
#define PLAY(r, ...)                                                     \
        const struct step G_PASTE(steps_, __LINE__)[] = { __VA_ARGS__ }; \
        play(r, G_PASTE(steps_, __LINE__), G_N_ELEMENTS(G_PASTE(steps_, __LINE__)))

static inline void rig_free(struct rig *r)
{
        g_assert_cmpuint(r->fake.next, ==, r->fake.count);
        r->fake.scripted = false;
        tape_close(r->tape);
        g_assert_true(r->fake.closed);
        log_set_sink(NULL, NULL);
        g_free(r);
}

static inline int write_blocks(struct rig *r, size_t blocks, size_t *written, bool *early_warning)
{
        struct iovec iov = { r->data, blocks * FAKE_BLOCK };
        return tape_write(r->tape, &iov, 1, written, early_warning);
}

/* READ POSITION's answer in short form. */
#define AT(object)                                   \
        {                                            \
                .cdb = "3400",                       \
                .data = "00000000" object "00000000" \
                        "0000000000000000"           \
        }

/* With READ POSITION proved, the tape behind the first object. */
static inline struct rig *rig_proved(const uint8_t *lacks)
{
        struct rig *r = rig_open(lacks);
        size_t written;
        PLAY(r, { .cdb = "0a0100000100" }, AT("00000001"));
        g_assert_cmpint(write_blocks(r, 1, &written, NULL), ==, 0);
        return r;
}

/* The count, as tape_get_position has it on a drive that cannot say. */
static inline uint64_t counted(struct rig *r)
{
        struct tape_position p;
        g_assert_cmpint(tape_get_position(r->tape, &p), ==, 0);
        return p.object;
}

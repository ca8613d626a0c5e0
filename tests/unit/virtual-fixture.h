/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* A virtual drive over a cartridge in a directory of its own, and commands by their bytes. */
#include <errno.h>
#include <glib.h>
#include <glib/gstdio.h>
#include <scsi/sg_unaligned.h>
#include <string.h>
#include <unistd.h>

#include <reelfs/log.h>
#include <reelfs/virtual.h>

#include "cartridge-place.h"

struct fixture {
        char *directory, *path;
        Transport *t;
        struct transport_command c; /* the last one */
        char message[512];          /* the last one logged */
        unsigned messages;
};

static inline void fixture_log(void *ctx, int priority, const char *text)
{
        struct fixture *f = ctx;
        if (priority == LOG_DEBUG)
                return;
        g_strlcpy(f->message, text, sizeof(f->message));
        f->messages++;
}

/* Makes no cartridge yet. */
static inline void fixture_init(struct fixture *f)
{
        *f = (struct fixture){ 0 };
        place_make(&f->directory, &f->path);
        log_set_sink(fixture_log, f);
}

static inline void fixture_clear(struct fixture *f)
{
        transport_close(f->t);
        log_set_sink(NULL, NULL);
        place_clear(f->directory, f->path);
}

#define CDB(...) (const uint8_t[]){ __VA_ARGS__ }, sizeof((const uint8_t[]){ __VA_ARGS__ })

/* Returns what execute returned. size 0: no data. */
static inline int execute(struct fixture *f, enum transport_direction direction, void *data, size_t size,
        const uint8_t *cdb, size_t cdb_length)
{
        struct iovec iov = { data, size };
        f->c = (struct transport_command){ .cdb_length = cdb_length,
                .direction = size ? direction : TRANSPORT_NONE,
                .iov = &iov,
                .iovcnt = size ? 1 : 0,
                .timeout_s = 60 };
        memcpy(f->c.cdb, cdb, cdb_length);
        int r = transport_execute(f->t, &f->c);
        f->c.iov = NULL;
        return r;
}

#define GOOD 0xffffffu
#define CONFLICT 0xfffffeu
#define DEFERRED 0x1000000u
/* 0xKKAAQQ of fixed or descriptor sense, with DEFERRED; GOOD; CONFLICT with RESERVATION CONFLICT. */
static inline uint32_t sense(const struct fixture *f)
{
        const uint8_t *s = f->c.sense;
        if (f->c.status == TRANSPORT_STATUS_GOOD) {
                g_assert_cmpuint(f->c.sense_length, ==, 0);
                return GOOD;
        }
        if (f->c.status == TRANSPORT_STATUS_RESERVATION_CONFLICT) {
                g_assert_cmpuint(f->c.sense_length, ==, 0);
                return CONFLICT;
        }
        g_assert_cmpuint(f->c.status, ==, TRANSPORT_STATUS_CHECK_CONDITION);
        uint32_t deferred = s[0] & 0x01 ? DEFERRED : 0;
        if ((s[0] & 0xfe) == 0x72)
                return deferred | (uint32_t)(s[1] << 16 | s[2] << 8 | s[3]);
        g_assert_cmpuint(s[0] & 0x7e, ==, 0x70);
        return deferred | (uint32_t)((s[2] & 0x0f) << 16 | s[12] << 8 | s[13]);
}

enum { SENSE_FM = 0x80, SENSE_EOM = 0x40, SENSE_ILI = 0x20 };

static inline unsigned sense_flags(const struct fixture *f)
{
        return f->c.sense[2] & 0xe0;
}

/* Of fixed sense, which must be valid. */
static inline int32_t information(const struct fixture *f)
{
        g_assert_cmpuint(f->c.sense[0], ==, 0xf0);
        return (int32_t)sg_get_unaligned_be32(f->c.sense + 3);
}

static inline uint32_t none(struct fixture *f, const uint8_t *cdb, size_t cdb_length)
{
        g_assert_cmpint(execute(f, TRANSPORT_NONE, NULL, 0, cdb, cdb_length), ==, 0);
        return sense(f);
}

static inline uint32_t in(struct fixture *f, void *data, size_t size, const uint8_t *cdb, size_t cdb_length)
{
        memset(data, 0xee, size);
        g_assert_cmpint(execute(f, TRANSPORT_IN, data, size, cdb, cdb_length), ==, 0);
        return sense(f);
}

static inline uint32_t out(
        struct fixture *f, const void *data, size_t size, const uint8_t *cdb, size_t cdb_length)
{
        g_assert_cmpint(execute(f, TRANSPORT_OUT, (void *)data, size, cdb, cdb_length), ==, 0);
        return sense(f);
}

static inline void fixture_open(struct fixture *f, bool read_only)
{
        g_assert_cmpint(virtual_open(f->path, read_only, &f->t), ==, 0);
        g_assert_cmphex(none(f, CDB(0, 0, 0, 0, 0, 0)), ==, 0x062800);
}

static inline void fixture_reopen(struct fixture *f)
{
        transport_close(g_steal_pointer(&f->t));
        fixture_open(f, false);
}

static inline void fixture_create(struct fixture *f, const struct virtual_cartridge *cartridge)
{
        fixture_init(f);
        g_assert_cmpint(virtual_create(f->path, cartridge), ==, 0);
        fixture_open(f, false);
}

/* A cartridge of exactly these bytes, without a key file. */
static inline void fixture_bytes(struct fixture *f, const void *bytes, size_t size)
{
        fixture_init(f);
        g_assert_true(g_file_set_contents(f->path, bytes, (gssize)size, NULL));
}

/* What a block at this place holds. */
static inline void fill(uint8_t *data, size_t size, unsigned seed)
{
        for (size_t i = 0; i < size; i++)
                data[i] = (uint8_t)(seed * 7 + i + (i >> 8));
}

static inline uint32_t write_block(struct fixture *f, uint32_t size, unsigned seed)
{
        g_autofree uint8_t *data = g_malloc(size);
        fill(data, size, seed);
        return out(
                f, data, size, CDB(0x0a, 0, (uint8_t)(size >> 16), (uint8_t)(size >> 8), (uint8_t)size, 0));
}

/* Reads a block with a buffer of just its size and compares. */
static inline void assert_block(struct fixture *f, uint32_t size, unsigned seed)
{
        g_autofree uint8_t *data = g_malloc(size), *expected = g_malloc(size);
        fill(expected, size, seed);
        g_assert_cmphex(in(f, data, size,
                                CDB(0x08, 0, (uint8_t)(size >> 16), (uint8_t)(size >> 8), (uint8_t)size, 0)),
                ==, GOOD);
        g_assert_cmpuint(f->c.residual, ==, 0);
        g_assert_cmpmem(data, size, expected, size);
}

static inline uint32_t read_any(struct fixture *f)
{
        uint8_t data[512];
        return in(f, data, sizeof(data), CDB(0x08, 0x02, 0, 2, 0, 0));
}

static inline uint32_t write_filemarks(struct fixture *f, uint8_t count, bool immediate)
{
        return none(f, CDB(0x10, immediate, 0, 0, count, 0));
}

static inline uint32_t rewind_tape(struct fixture *f)
{
        return none(f, CDB(0x01, 0, 0, 0, 0, 0));
}

static inline uint32_t locate(struct fixture *f, uint32_t object)
{
        uint8_t cdb[16] = { 0x92 };
        sg_put_unaligned_be64(object, cdb + 4);
        return none(f, cdb, sizeof(cdb));
}

enum { BLOCKS = 0, FILEMARKS = 1, END_OF_DATA = 3 };

static inline uint32_t space(struct fixture *f, uint8_t code, int count)
{
        return none(f, CDB(0x11, code, (uint8_t)(count >> 16), (uint8_t)(count >> 8), (uint8_t)count, 0));
}

/* By READ POSITION, long form. */
static inline uint64_t position(struct fixture *f)
{
        uint8_t data[32];
        g_assert_cmphex(in(f, data, sizeof(data), CDB(0x34, 0x06, 0, 0, 0, 0, 0, 0, 0, 0)), ==, GOOD);
        return sg_get_unaligned_be64(data + 8);
}

/* Block length by MODE SELECT(6). */
static inline uint32_t set_block_length(struct fixture *f, uint32_t length)
{
        uint8_t list[12] = { 0, 0, 0x10, 8 };
        sg_put_unaligned_be24(length, list + 9);
        return out(f, list, sizeof(list), CDB(0x15, 0x10, 0, 0, sizeof(list), 0));
}

static inline uint64_t file_size(struct fixture *f)
{
        GStatBuf st;
        g_assert_cmpint(g_stat(f->path, &st), ==, 0);
        return (uint64_t)st.st_size;
}

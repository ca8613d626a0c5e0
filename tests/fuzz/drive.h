/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* What is on a cartridge, for comparison, through commands of the drive. */
#include "../unit/virtual-fixture.h"

#include "fuzz.h"

#define READ_MAX 512

/* Takes the unit attention that comes after a load. */
static inline int drive_open(struct fixture *f)
{
        int r = virtual_open(f->path, false, &f->t);
        if (r == 0)
                g_assert_cmphex(none(f, CDB(0, 0, 0, 0, 0, 0)), ==, 0x062800);
        return r;
}

/* One more object, from the position on: its sense code, its bytes as far as READ_MAX. False: no more. */
static inline bool read_object(struct fixture *f, GByteArray *content)
{
        uint8_t data[READ_MAX];
        uint32_t code = in(f, data, sizeof(data), CDB(0x08, 0x02, 0, READ_MAX >> 8, READ_MAX & 0xff, 0));
        bool more = code != 0x080005 && code != 0x031403;
        if (code == GOOD)
                g_byte_array_append(content, data, (guint)(sizeof(data) - f->c.residual));
        else if (more)
                g_assert_true(code == 0x000001 || code == 0x031100);
        g_byte_array_append(content, (const uint8_t *)&code, sizeof(code));
        return more;
}

/* The number of objects before the end; content: what they are. In variable mode. */
static inline uint64_t walk(struct fixture *f, GByteArray *content)
{
        uint64_t count = 0;
        g_assert_cmphex(rewind_tape(f), ==, GOOD);
        while (read_object(f, content))
                g_assert_cmpuint(position(f), ==, ++count);
        g_assert_cmpuint(position(f), ==, count);
        return count;
}

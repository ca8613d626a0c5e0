/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* The file of a cartridge: tapes that end somewhere else, or cannot be read. */
#include <scsi/sg_unaligned.h>

#include "volume-rig.h"

/* ---- The cartridge's file */

static inline uint8_t *load_tape(struct rig *r, size_t *length)
{
        char *data;
        g_assert_true(g_file_get_contents(r->path, &data, length, NULL));
        return (uint8_t *)data;
}

static inline void save_tape(struct rig *r, const uint8_t *data, size_t length)
{
        FILE *f = fopen(r->path, "wb");
        g_assert_cmpuint(fwrite(data, 1, length, f), ==, length);
        fclose(f);
}

/* Where in the file an object is. */
static inline size_t tape_offset(const uint8_t *data, size_t length, uint64_t object)
{
        size_t at = 0;
        for (; object > 0; object--) {
                g_assert_cmpuint(at + 4, <=, length);
                uint32_t n = sg_get_unaligned_le32(data + at) & 0x0fffffff;
                at += n == 0 ? 4 : 8 + n + (n & 1);
        }
        return at;
}

/* The process was killed, or the power cut, right behind so many objects; 0: behind all. Then another process
 * comes. */
static inline void crash(struct rig *r, uint64_t objects)
{
        size_t length;
        rig_unload(r);
        if (objects > 0) {
                g_autofree uint8_t *data = load_tape(r, &length);
                save_tape(r, data, tape_offset(data, length, objects));
        }
        rig_load(r);
        catch_messages();
}

/* The object cannot be read any more. */
static inline void damage(struct rig *r, uint64_t object)
{
        size_t length;
        rig_unload(r);
        g_autofree uint8_t *data = load_tape(r, &length);
        uint8_t *p = data + tape_offset(data, length, object);
        uint32_t n = sg_get_unaligned_le32(p);
        g_assert_cmpuint(n, !=, 0);
        sg_put_unaligned_le32(n | 0x80000000, p);
        sg_put_unaligned_le32(n | 0x80000000, p + 4 + n + (n & 1));
        save_tape(r, data, length);
        rig_load(r);
        catch_messages();
}

static inline uint64_t tape_end(struct rig *r)
{
        struct tape_position p;
        g_assert_cmpint(tape_space_eod(r->tape), ==, 0);
        g_assert_cmpint(tape_get_position(r->tape, &p), ==, 0);
        return p.object;
}

/* All that was on the tape is there still. */
static inline void assert_appended(struct rig *r, const uint8_t *before, size_t length)
{
        size_t now;
        g_autofree uint8_t *data = load_tape(r, &now);
        g_assert_cmpuint(now, >=, length);
        g_assert_true(memcmp(before, data, length) == 0);
}

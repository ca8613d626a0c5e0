/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* A volume on a virtual drive, for tests of the volume layer. */
#include <errno.h>
#include <glib/gstdio.h>
#include <stdio.h>

#include <reelfs/fault.h>
#include <reelfs/util.h>
#include <reelfs/virtual.h>
#include <reelfs/volume.h>

#include "cartridge-place.h"
#include "volume-helpers.h"

#define RIG_BLOCK 65536

struct rig {
        char *directory, *path;
        Transport *transport; /* of the tape */
        Tape *tape;
        Volume *v;
        Tree *tree;
        uint32_t block; /* of the volume */
};

static inline void rig_load(struct rig *r)
{
        g_assert_cmpint(virtual_open(r->path, false, &r->transport), ==, 0);
        g_assert_cmpint(tape_open(r->transport, "test", &r->tape), ==, 0);
}

static inline void rig_unload(struct rig *r)
{
        volume_close(g_steal_pointer(&r->v));
        tree_free(g_steal_pointer(&r->tree));
        tape_close(g_steal_pointer(&r->tape));
}

/* A blank tape in the drive. cartridge may be NULL. */
static inline void rig_init(struct rig *r, const struct virtual_cartridge *cartridge)
{
        static const struct virtual_cartridge usual = { .capacity = 0 };
        *r = (struct rig){ 0 };
        place_make(&r->directory, &r->path);
        catch_messages();
        g_assert_cmpint(virtual_create(r->path, cartridge ? cartridge : &usual), ==, 0);
        rig_load(r);
}

static inline void rig_clear(struct rig *r)
{
        rig_unload(r);
        place_clear(r->directory, r->path);
        log_set_sink(NULL, NULL);
}

static inline void rig_mount(struct rig *r)
{
        g_assert_cmpint(volume_open(r->tape, false, &r->v, &r->tree), ==, 0);
        r->block = volume_block_length(r->v);
}

static inline void rig_format(struct rig *r)
{
        struct tape_info info;
        tape_get_info(r->tape, &info);
        const struct volume_format format = { .name = "TEST",
                .volume_id = "TST001",
                .uid = 1,
                .gid = 2,
                .mode = 0750,
                .block_length = info.fixed_only ? 0 : RIG_BLOCK };
        g_assert_cmpint(volume_format(r->tape, &format), ==, 0);
}

/* The tape again, in a drive that fails by these rules. */
static inline void load_ruled(struct rig *r, const char *rules)
{
        Transport *t;
        rig_unload(r);
        g_assert_cmpint(virtual_open(r->path, false, &t), ==, 0);
        g_assert_cmpint(fault_wrap(t, rules, "rules", &t), ==, 0);
        g_assert_cmpint(tape_open(t, "test", &r->tape), ==, 0);
        catch_messages();
}

static inline void mount_ruled(struct rig *r, const char *rules)
{
        load_ruled(r, rules);
        rig_mount(r);
}

static inline void rig_remount(struct rig *r)
{
        rig_unload(r);
        rig_load(r);
        rig_mount(r);
}

/* length bytes that seed determines. The caller frees. */
static inline uint8_t *pattern(size_t length, uint32_t seed)
{
        uint8_t *data = g_malloc(length + 1);
        for (size_t i = 0; i < length; i++) {
                seed = seed * 1664525 + 1013904223;
                data[i] = (uint8_t)(seed >> 24);
        }
        return data;
}

/* A segment of length bytes in one append. Returns what volume_append does. */
static inline int rig_append(struct rig *r, size_t length, uint32_t seed, uint64_t *id)
{
        g_autofree uint8_t *data = pattern(length, seed);
        struct iovec iov[2] = { { data, length / 3 }, { data + length / 3, length - length / 3 } };
        *id = volume_segment_new(r->v, SEGMENT_FILE);
        g_assert_cmpuint(*id, !=, 0);
        return volume_append(r->v, *id, iov, 2, true);
}

/* A file of one segment. */
static inline uint64_t rig_write(struct rig *r, const char *name, size_t length, uint32_t seed)
{
        uint64_t id, ino = make_file(r->tree, TREE_ROOT, name);
        g_assert_cmpint(rig_append(r, length, seed, &id), ==, 0);
        if (length > 0)
                put_extent(r->tree, ino, 0, length, id, 0);
        return ino;
}

/* The file has what rig_write wrote, read from the tape. */
static inline void rig_verify(struct rig *r, const char *name, size_t length, uint32_t seed)
{
        g_autofree uint8_t *data = pattern(length, seed), *buf = g_malloc(4 * r->block);
        struct tree_attr a;
        struct tree_extent e;
        size_t n, nread;
        g_assert_cmpint(tree_resolve(r->tree, name, &a), ==, 0);
        tree_unref(r->tree, a.ino, 1);
        g_assert_cmpuint(a.size, ==, length);
        if (length == 0)
                return;
        g_assert_cmpint(tree_map(r->tree, a.ino, 0, length, &e, 1, &n, NULL), ==, 0);
        g_assert_cmpuint(n, ==, 1);
        g_assert_cmpuint(e.length, ==, length);
        for (size_t at = 0; at < length; at += nread) {
                g_assert_cmpint(volume_read(r->v, e.segment, at, buf, 4 * r->block, &nread), ==, 0);
                g_assert_cmpuint(nread, ==, MIN(length - at, 4 * (size_t)r->block));
                g_assert_true(memcmp(data + at, buf, nread) == 0);
        }
}

static inline int rig_commit(struct rig *r)
{
        return volume_commit(r->v, r->tree, false, NULL);
}

/* What a check finds. */
static inline uint64_t rig_problems(struct rig *r)
{
        uint64_t problems;
        g_assert_cmpint(volume_check(r->tape, NULL, &problems), ==, 0);
        return problems;
}

/* A volume with two files, of which the last index names one. */
static inline void rig_start(struct rig *r, const struct virtual_cartridge *cartridge)
{
        rig_init(r, cartridge);
        rig_format(r);
        rig_mount(r);
        rig_write(r, "old", 3 * RIG_BLOCK + 1, 1);
        g_assert_cmpint(rig_commit(r), ==, 0);
        rig_write(r, "new", 5 * RIG_BLOCK + 1, 2);
}

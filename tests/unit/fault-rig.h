/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* A Tape on a virtual drive with the fault injector in between, and a cartridge that is read back object by
 * object by another drive, without faults. */
#include <errno.h>
#include <glib.h>
#include <glib/gstdio.h>
#include <scsi/sg_unaligned.h>
#include <string.h>

#include <reelfs/fault.h>
#include <reelfs/log.h>
#include <reelfs/tape.h>
#include <reelfs/util.h>
#include <reelfs/virtual.h>

#define BLOCK 512u
#define PER_COMMAND 2u /* blocks in one command */
#define FILEMARK (-1)

struct rig {
        char *directory, *path;
        char *condition;  /* faults happen while this file is there */
        Transport *drive; /* without the injector */
        Transport *faults;
        Tape *tape;
        GArray *objects;   /* of int: what is on the tape; a block is its number */
        GString *messages; /* those logged as errors */
};

static inline void rig_log(void *ctx, int priority, const char *text)
{
        struct rig *r = ctx;
        if (priority <= LOG_ERR)
                g_string_append_printf(r->messages, "%s\n", text);
}

/* A block says at its beginning which one it is. */
static inline void fill_block(uint8_t *data, size_t size, int number)
{
        memset(data, number & 0xff, size);
        sg_put_unaligned_be32((uint32_t)number, data);
}

static inline int rig_write(struct rig *r, int first, unsigned count, size_t *written)
{
        g_autofree uint8_t *data = g_malloc(count * BLOCK);
        for (unsigned i = 0; i < count; i++)
                fill_block(data + i * BLOCK, BLOCK, first + (int)i);
        struct iovec iov = { data, count * BLOCK };
        return tape_write(r->tape, &iov, 1, written, NULL);
}

static inline void rig_expect(struct rig *r, int first, unsigned count)
{
        for (unsigned i = 0; i < count; i++) {
                int object = first == FILEMARK ? FILEMARK : first + (int)i;
                g_array_append_val(r->objects, object);
        }
}

static inline void rig_put(struct rig *r, int first, unsigned count)
{
        size_t written;
        g_assert_cmpint(rig_write(r, first, count, &written), ==, 0);
        rig_expect(r, first, count);
}

static inline void rig_mark(struct rig *r, bool immediate)
{
        g_assert_cmpint(tape_write_filemarks(r->tape, 1, immediate, NULL), ==, 0);
        rig_expect(r, FILEMARK, 1);
}

/* rules: each is struck only from rig_arm on. */
static inline struct rig *rig_new(unsigned lacks, const char *rules)
{
        struct rig *r = g_new0(struct rig, 1);
        struct virtual_cartridge cartridge = { .max_transfer = PER_COMMAND * BLOCK, .lacks = lacks };
        r->directory = g_dir_make_tmp("reelfs-fault-XXXXXX", NULL);
        r->path = g_build_filename(r->directory, "tape", NULL);
        r->condition = g_build_filename(r->directory, "now", NULL);
        r->objects = g_array_new(FALSE, FALSE, sizeof(int));
        r->messages = g_string_new(NULL);
        log_set_sink(rig_log, r);
        g_autofree char *condition = g_strdup_printf("if=%s ", r->condition);
        g_auto(GStrv) split = g_strsplit(rules, ";", -1);
        g_autoptr(GString) all = g_string_new(NULL);
        for (char **rule = split; *rule && **rule; rule++)
                g_string_append_printf(all, "%s%s;", condition, *rule);
        g_assert_cmpint(virtual_create(r->path, &cartridge), ==, 0);
        g_assert_cmpint(virtual_open(r->path, false, &r->drive), ==, 0);
        g_assert_cmpint(fault_wrap(r->drive, all->str, "rules", &r->faults), ==, 0);
        g_assert_cmpint(tape_open(r->faults, "tape", &r->tape), ==, 0);
        g_assert_cmpint(tape_set_block_length(r->tape, BLOCK), ==, 0);
        return r;
}

static inline void rig_arm(struct rig *r)
{
        g_assert_true(g_file_set_contents(r->condition, "", 0, NULL));
}

/* The drive is well again. */
static inline void rig_disarm(struct rig *r)
{
        g_unlink(r->condition);
}

static inline uint64_t rig_fired(struct rig *r, size_t rule)
{
        struct fault_statistics s;
        g_assert_cmpint(fault_statistics(r->faults, rule, &s), ==, 0);
        return s.fired;
}

static inline uint32_t raw_execute(
        Transport *t, const uint8_t *cdb, size_t cdb_length, void *data, size_t size, size_t *residual)
{
        struct iovec iov = { data, size };
        struct transport_command c = { .cdb_length = cdb_length,
                .direction = size ? TRANSPORT_IN : TRANSPORT_NONE,
                .iov = &iov,
                .iovcnt = size ? 1 : 0,
                .timeout_s = 60 };
        memcpy(c.cdb, cdb, cdb_length);
        g_assert_cmpint(transport_execute(t, &c), ==, 0);
        *residual = c.residual;
        if (c.status == TRANSPORT_STATUS_GOOD)
                return UINT32_MAX;
        return (uint32_t)((c.sense[2] & 0x0f) << 16 | c.sense[12] << 8 | c.sense[13]);
}

/* Where the drive itself says it is. */
static inline uint64_t raw_position(struct rig *r)
{
        static const uint8_t cdb[10] = { 0x34, 0x06 };
        uint8_t data[32] = { 0 };
        size_t residual;
        g_assert_cmphex(raw_execute(r->drive, cdb, 10, data, sizeof(data), &residual), ==, UINT32_MAX);
        return sg_get_unaligned_be64(data + 8);
}

/* What is on the tape, from its beginning. The tape is closed. */
static inline GArray *raw_objects(struct rig *r)
{
        static const uint8_t ready[6] = { 0x00 }, read[6] = { 0x08, 0x02, 0, BLOCK >> 8, BLOCK & 0xff };
        GArray *found = g_array_new(FALSE, FALSE, sizeof(int));
        uint8_t data[BLOCK];
        size_t residual;
        Transport *t;
        tape_close(g_steal_pointer(&r->tape));
        g_assert_cmpint(virtual_open(r->path, true, &t), ==, 0);
        g_assert_cmphex(raw_execute(t, ready, 6, NULL, 0, &residual), ==, 0x062800);
        for (;;) {
                uint32_t sense = raw_execute(t, read, 6, data, sizeof(data), &residual);
                if (sense == 0x080005)
                        break;
                g_assert_true(sense == UINT32_MAX || sense == 0x000001);
                int object = sense == UINT32_MAX ? (int)sg_get_unaligned_be32(data) : FILEMARK;
                for (size_t i = 4; object != FILEMARK && i < BLOCK - residual; i++)
                        g_assert_cmphex(data[i], ==, object & 0xff);
                g_array_append_val(found, object);
        }
        transport_close(t);
        return found;
}

static inline char *objects_text(const GArray *objects)
{
        GString *s = g_string_new(NULL);
        for (unsigned i = 0; i < objects->len; i++) {
                int object = g_array_index(objects, int, i);
                if (object == FILEMARK)
                        g_string_append(s, " FM");
                else
                        g_string_append_printf(s, " %d", object);
        }
        return g_string_free(s, FALSE);
}

/* Just what is expected: nothing twice, no gap, nothing else. Closes the tape. */
static inline void rig_verify(struct rig *r)
{
        g_autoptr(GArray) found = raw_objects(r);
        g_autofree char *a = objects_text(found), *b = objects_text(r->objects);
        g_assert_cmpstr(a, ==, b);
}

static inline void rig_free(struct rig *r)
{
        tape_close(r->tape);
        log_set_sink(NULL, NULL);
        g_autofree char *key_file = g_strconcat(r->path, ".cartridge", NULL);
        g_unlink(key_file);
        g_unlink(r->path);
        g_unlink(r->condition);
        g_assert_cmpint(g_rmdir(r->directory), ==, 0);
        g_free(r->directory);
        g_free(r->path);
        g_free(r->condition);
        g_array_unref(r->objects);
        g_string_free(r->messages, TRUE);
        g_free(r);
}

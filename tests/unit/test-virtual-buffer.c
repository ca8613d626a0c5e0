/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The virtual drive's buffer: what a power cut leaves of it, losses that are reported later, copies of the
 * cartridge as it would be. */
#include "virtual-fixture.h"

#define LENGTH 1000u
enum { SYNCED = 2, BUFFERED = 3 };
#define FM 0x000001u
#define END 0x080005u
#define LOST (DEFERRED | 0x030c00u)

/* On the medium: a block and a filemark; in the buffer: two blocks and a filemark. No end of data since. */
static void write_some(struct fixture *f)
{
        g_assert_cmphex(write_block(f, LENGTH, 0), ==, GOOD);
        g_assert_cmphex(write_filemarks(f, 1, false), ==, GOOD);
        g_assert_cmphex(write_block(f, LENGTH, 2), ==, GOOD);
        g_assert_cmphex(write_block(f, LENGTH, 3), ==, GOOD);
        g_assert_cmphex(write_filemarks(f, 1, true), ==, GOOD);
        g_assert_cmpuint(virtual_buffered(f->t), ==, BUFFERED);
}

/* The first of the objects above, from the beginning; the position is behind them. */
static void assert_objects(struct fixture *f, uint64_t objects)
{
        g_assert_cmphex(rewind_tape(f), ==, GOOD);
        for (unsigned i = 0; i < objects; i++)
                if (i == 1 || i == 4)
                        g_assert_cmphex(read_any(f), ==, FM);
                else
                        assert_block(f, LENGTH, i);
}

static void cut_and_look(const struct virtual_cartridge *cartridge, uint64_t lost, enum virtual_tail tail)
{
        struct fixture f;
        uint64_t objects = SYNCED + BUFFERED - MIN(lost, BUFFERED);
        uint32_t no_end = cartridge->blank_check ? 0x081403 : 0x031403;
        uint32_t end = tail == VIRTUAL_TAIL_END ? END : no_end;
        fixture_create(&f, cartridge);
        write_some(&f);
        g_assert_cmpint(virtual_cut(f.t, &(struct virtual_cut){ .lost = lost, .tail = tail }), ==, 0);
        g_assert_cmpint(execute(&f, TRANSPORT_NONE, NULL, 0, CDB(0, 0, 0, 0, 0, 0)), ==, -ENODEV);
        g_assert_cmpuint(virtual_buffered(f.t), ==, 0);
        fixture_reopen(&f);
        assert_objects(&f, objects);
        /* Only a block can be there in part. */
        if (tail == VIRTUAL_TAIL_BLOCK && (objects == 2 || objects == 3))
                g_assert_cmphex(read_any(&f), ==, 0x031100);
        uint64_t last = position(&f);
        g_assert_cmphex(read_any(&f), ==, end);
        g_assert_cmpuint(position(&f), ==, last);
        g_assert_cmphex(space(&f, FILEMARKS, 1), ==, end);
        g_assert_cmphex(locate(&f, (uint32_t)last + 1), ==, end);
        g_assert_cmphex(rewind_tape(&f), ==, GOOD);
        g_assert_cmphex(space(&f, END_OF_DATA, 0), ==, tail == VIRTUAL_TAIL_END ? GOOD : no_end);
        /* A new end can be written behind what is good. */
        g_assert_cmphex(locate(&f, (uint32_t)objects), ==, GOOD);
        g_assert_cmphex(write_filemarks(&f, 1, false), ==, GOOD);
        g_assert_cmphex(read_any(&f), ==, END);
        fixture_clear(&f);
}

static void test_cut(void)
{
        static const uint64_t lost[] = { 0, 1, 2, 3, 4, UINT64_MAX };
        for (size_t i = 0; i < G_N_ELEMENTS(lost); i++)
                for (int tail = VIRTUAL_TAIL_END; tail <= VIRTUAL_TAIL_OLD; tail++)
                        for (int blank = 0; blank < 2; blank++)
                                cut_and_look(&(struct virtual_cartridge){ .blank_check = blank }, lost[i],
                                        (enum virtual_tail)tail);
}

/* Where the drive has written the end of data already, it is there; a flush alone does not write it. */
static void test_cut_after_end(void)
{
        static const struct {
                uint8_t cdb[16], length;
                uint32_t end;
        } cases[] = {
                { { 0x01 }, 6, END },
                { { 0x11, FILEMARKS, 0xff, 0xff, 0xff }, 6, END },
                { { 0x1b, 0, 0, 0, 0 }, 6, END },
                { { 0x92 }, 16, END },
                { { 0x19 }, 6, END },
                { { 0x10 }, 6, 0x031403 },
        };
        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                struct fixture f;
                fixture_create(&f, &(struct virtual_cartridge){ .capacity = 0 });
                write_some(&f);
                g_assert_cmphex(none(&f, cases[i].cdb, cases[i].length), ==, GOOD);
                g_assert_cmpuint(virtual_buffered(f.t), ==, 0);
                g_assert_cmpint(
                        virtual_cut(f.t, &(struct virtual_cut){ UINT64_MAX, VIRTUAL_TAIL_NONE, 0 }), ==, 0);
                fixture_reopen(&f);
                assert_objects(&f, SYNCED + BUFFERED);
                g_assert_cmphex(read_any(&f), ==, cases[i].end);
                fixture_clear(&f);
        }
}

/* A READ after writes finds the end of data, and so has written all that was before it. */
static void test_read_synchronizes(void)
{
        struct fixture f;
        fixture_create(&f, &(struct virtual_cartridge){ .capacity = 0 });
        write_some(&f);
        g_assert_cmphex(read_any(&f), ==, END);
        g_assert_cmpuint(virtual_buffered(f.t), ==, 0);
        fixture_clear(&f);
}

/* Eight blocks of old data; over their beginning longer ones are written. */
static void overwrite(struct fixture *f, bool remains)
{
        fixture_create(f, &(struct virtual_cartridge){ .remains = remains });
        for (unsigned i = 0; i < 8; i++)
                g_assert_cmphex(write_block(f, LENGTH, 10 + i), ==, GOOD);
        g_assert_cmphex(rewind_tape(f), ==, GOOD);
        g_assert_cmphex(write_block(f, 2 * LENGTH, 0), ==, GOOD);
        g_assert_cmphex(write_block(f, 1600, 1), ==, GOOD);
}

static void test_remains(void)
{
        /* New blocks that are there; the first old one that can be read. */
        static const struct {
                unsigned lost, new, bad, old;
        } cases[] = { { 2, 0, 0, 0 }, { 1, 1, 1, 2 }, { 0, 2, 1, 4 } };
        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                struct fixture f;
                overwrite(&f, true);
                g_assert_cmpint(
                        virtual_cut(f.t,
                                &(struct virtual_cut){ .lost = cases[i].lost, .tail = VIRTUAL_TAIL_OLD }),
                        ==, 0);
                fixture_reopen(&f);
                if (cases[i].new > 0)
                        assert_block(&f, 2 * LENGTH, 0);
                if (cases[i].new > 1)
                        assert_block(&f, 1600, 1);
                if (cases[i].bad)
                        g_assert_cmphex(read_any(&f), ==, 0x031100);
                for (unsigned k = cases[i].old; k < 8; k++)
                        assert_block(&f, LENGTH, 10 + k);
                g_assert_cmphex(read_any(&f), ==, END);
                g_assert_cmphex(space(&f, END_OF_DATA, 0), ==, GOOD);
                fixture_clear(&f);
        }
}

/* With an end of data nobody sees what is behind it. */
static void test_remains_hidden(void)
{
        struct fixture f;
        overwrite(&f, true);
        g_assert_cmphex(write_filemarks(&f, 1, false), ==, GOOD);
        g_assert_cmphex(space(&f, END_OF_DATA, 0), ==, GOOD);
        g_assert_cmpuint(position(&f), ==, 3);
        g_assert_cmpint(virtual_cut(f.t, &(struct virtual_cut){ .tail = VIRTUAL_TAIL_OLD }), ==, 0);
        fixture_reopen(&f);
        g_assert_cmphex(space(&f, END_OF_DATA, 0), ==, GOOD);
        g_assert_cmpuint(position(&f), ==, 3);
        fixture_clear(&f);
}

static void test_no_remains(void)
{
        struct fixture f;
        overwrite(&f, false);
        g_assert_cmpint(virtual_cut(f.t, &(struct virtual_cut){ .tail = VIRTUAL_TAIL_OLD }), ==, 0);
        fixture_reopen(&f);
        assert_block(&f, 2 * LENGTH, 0);
        assert_block(&f, 1600, 1);
        g_assert_cmphex(read_any(&f), ==, 0x031403);
        fixture_clear(&f);
}

/* The date last written, 12 characters. */
static void write_date(struct fixture *f, const char *date)
{
        uint8_t list[4 + 5 + 12] = { 0, 0, 0, 17, 0x08, 0x04, 0x01, 0, 12 };
        memcpy(list + 9, date, 12);
        g_assert_cmphex(
                out(f, list, sizeof(list), CDB(0x8d, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, sizeof(list), 0, 0)),
                ==, GOOD);
}

/* What an attribute has, at most 12 bytes of it. */
static void read_attribute(struct fixture *f, uint16_t id, uint8_t value[12])
{
        uint8_t data[64];
        g_assert_cmphex(
                in(f, data, 64,
                        CDB(0x8c, 0, 0, 0, 0, 0, 0, 0, (uint8_t)(id >> 8), (uint8_t)id, 0, 0, 0, 64, 0, 0)),
                ==, GOOD);
        g_assert_cmpuint(sg_get_unaligned_be16(data + 4), ==, id);
        memcpy(value, data + 9, 12);
}

static void test_memory(void)
{
        static const char *const expected[] = {
                [VIRTUAL_MEMORY_KEPT] = "202611250003",
                [VIRTUAL_MEMORY_PREVIOUS] = "202611250002",
                [VIRTUAL_MEMORY_LOADED] = "202611250001",
        };
        for (int memory = VIRTUAL_MEMORY_KEPT; memory <= VIRTUAL_MEMORY_LOADED; memory++) {
                struct fixture f;
                uint8_t value[12], before[12];
                fixture_create(&f, &(struct virtual_cartridge){ .capacity = 0 });
                write_date(&f, expected[VIRTUAL_MEMORY_LOADED]);
                read_attribute(&f, 0x0009, before);
                fixture_reopen(&f);
                write_some(&f);
                write_date(&f, expected[VIRTUAL_MEMORY_PREVIOUS]);
                write_date(&f, expected[VIRTUAL_MEMORY_KEPT]);
                const struct virtual_cut cut = { .memory = (enum virtual_memory)memory };
                g_assert_cmpint(virtual_cut(f.t, &cut), ==, 0);
                fixture_reopen(&f);
                read_attribute(&f, 0x0804, value);
                g_assert_cmpmem(value, 12, expected[memory], 12);
                read_attribute(&f, 0x0009, value);
                g_assert_cmpint(memcmp(value, before, 4) == 0, ==, memory == VIRTUAL_MEMORY_LOADED);
                assert_objects(&f, SYNCED + BUFFERED);
                fixture_clear(&f);
        }
}

/* ---- Losses */

static void test_loss(void)
{
        for (unsigned objects = 0; objects <= BUFFERED + 1; objects++)
                for (int descriptor = 0; descriptor < 2; descriptor++) {
                        struct fixture f;
                        uint64_t left = SYNCED + BUFFERED - MIN(objects, BUFFERED);
                        fixture_create(&f, &(struct virtual_cartridge){ .descriptor_sense = descriptor });
                        write_some(&f);
                        virtual_lose(f.t, &(struct virtual_loss){ .objects = objects, .commands = 2 });
                        /* What is written after the loss is lost too. */
                        g_assert_cmphex(write_block(&f, LENGTH, 5), ==, GOOD);
                        g_assert_cmphex(write_filemarks(&f, 1, true), ==, GOOD);
                        g_assert_cmphex(write_block(&f, LENGTH, 7), ==, LOST);
                        g_assert_cmphex(f.c.sense[0], ==, descriptor ? 0x73 : 0x71);
                        g_assert_cmpuint(f.c.residual, ==, LENGTH);
                        g_assert_cmpuint(position(&f), ==, left);
                        g_assert_cmpuint(virtual_buffered(f.t), ==, 0);
                        /* Once; then it goes on from there. */
                        g_assert_cmphex(read_any(&f), ==, END);
                        g_assert_cmphex(write_filemarks(&f, 0, false), ==, GOOD);
                        assert_objects(&f, left);
                        g_assert_cmphex(read_any(&f), ==, END);
                        g_assert_cmphex(write_block(&f, LENGTH, 9), ==, GOOD);
                        fixture_clear(&f);
                }
}

/* A command that synchronizes finds out at once, deferred or not. */
static void test_loss_at_once(void)
{
        for (int current = 0; current < 2; current++) {
                struct fixture f;
                const struct virtual_loss loss = { .objects = 2, .commands = 100, .current = current };
                fixture_create(&f, &(struct virtual_cartridge){ .capacity = 0 });
                write_some(&f);
                virtual_lose(f.t, &loss);
                g_assert_cmphex(none(&f, CDB(0, 0, 0, 0, 0, 0)), ==, GOOD);
                g_assert_cmphex(write_filemarks(&f, 3, false), ==, current ? 0x030c00 : LOST);
                if (current)
                        g_assert_cmpint(information(&f), ==, 2 + 3);
                g_assert_cmpuint(position(&f), ==, 3);
                fixture_clear(&f);
                /* Where there is no such command: deferred in any case. */
                fixture_create(&f, &(struct virtual_cartridge){ .capacity = 0 });
                write_some(&f);
                virtual_lose(f.t, &loss);
                g_assert_cmphex(rewind_tape(&f), ==, LOST);
                g_assert_cmpuint(position(&f), ==, 3);
                fixture_clear(&f);
        }
}

static void test_loss_tail_and_fence(void)
{
        struct fixture f;
        fixture_create(&f, &(struct virtual_cartridge){ .capacity = 0 });
        write_some(&f);
        virtual_lose(f.t, &(struct virtual_loss){ .objects = 1, .tail = VIRTUAL_TAIL_NONE, .fence = true });
        g_assert_cmphex(write_block(&f, LENGTH, 9), ==, LOST);
        g_assert_cmphex(write_block(&f, LENGTH, 9), ==, 0x030c00);
        g_assert_cmphex(write_filemarks(&f, 0, false), ==, 0x030c00);
        g_assert_cmphex(none(&f, CDB(0x19, 0, 0, 0, 0, 0)), ==, 0x030c00);
        assert_objects(&f, 4);
        g_assert_cmphex(read_any(&f), ==, 0x031403);
        g_assert_cmphex(none(&f, CDB(0x1b, 0, 0, 0, 0, 0)), ==, GOOD);
        g_assert_cmphex(none(&f, CDB(0x1b, 0, 0, 0, 1, 0)), ==, GOOD);
        g_assert_cmphex(locate(&f, 4), ==, 0x062800);
        g_assert_cmphex(locate(&f, 4), ==, GOOD);
        g_assert_cmphex(write_filemarks(&f, 1, false), ==, GOOD);
        assert_objects(&f, 5);
        fixture_clear(&f);
}

/* What is to be lost is not there after a power cut either. */
static void test_loss_then_cut(void)
{
        struct fixture f;
        fixture_create(&f, &(struct virtual_cartridge){ .capacity = 0 });
        write_some(&f);
        virtual_lose(f.t, &(struct virtual_loss){ .objects = 2, .commands = 10 });
        g_assert_cmphex(write_block(&f, LENGTH, 5), ==, GOOD);
        g_assert_cmpint(virtual_cut(f.t, &(struct virtual_cut){ .lost = 1 }), ==, 0);
        fixture_reopen(&f);
        assert_objects(&f, 3);
        g_assert_cmphex(read_any(&f), ==, END);
        fixture_clear(&f);
}

/* ---- The host's disk */

static unsigned disk_calls, disk_failures; /* failures: still to come */

/* In the place of the C library's. Like the kernel, it tells a failure once. */
int fdatasync(int fd)
{
        disk_calls++;
        if (disk_failures == 0)
                return fsync(fd);
        disk_failures--;
        errno = EIO;
        return -1;
}

static void test_disk_fails(void)
{
        struct fixture f;
        fixture_create(&f, &(struct virtual_cartridge){ .capacity = 0 });
        write_some(&f);
        disk_failures = 1;
        g_assert_cmphex(write_filemarks(&f, 2, false), ==, 0x030c00);
        g_assert_cmpint(information(&f), ==, BUFFERED + 2);
        g_assert_cmpuint(position(&f), ==, SYNCED);
        g_assert_cmphex(read_any(&f), ==, END);
        g_assert_cmphex(write_filemarks(&f, 0, false), ==, GOOD);
        assert_objects(&f, SYNCED);
        g_assert_cmphex(read_any(&f), ==, END);
        g_assert_cmphex(write_block(&f, LENGTH, 2), ==, GOOD);
        g_assert_cmphex(write_filemarks(&f, 0, false), ==, GOOD);
        fixture_reopen(&f);
        assert_objects(&f, SYNCED + 1);
        g_assert_cmphex(read_any(&f), ==, END);
        fixture_clear(&f);
}

/* To find the end of data the drive writes all that was before; only a flush waits for the host's disk. */
static void test_disk_after_read(void)
{
        struct fixture f;
        fixture_create(&f, &(struct virtual_cartridge){ .capacity = 0 });
        write_some(&f);
        g_assert_cmphex(read_any(&f), ==, END);
        unsigned calls = disk_calls;
        g_assert_cmphex(write_filemarks(&f, 0, false), ==, GOOD);
        g_assert_cmpuint(disk_calls, ==, calls + 1);
        g_assert_cmphex(write_filemarks(&f, 0, false), ==, GOOD);
        g_assert_cmpuint(disk_calls, ==, calls + 1);
        g_assert_cmphex(write_block(&f, LENGTH, 5), ==, GOOD);
        g_assert_cmphex(read_any(&f), ==, END);
        disk_failures = 1;
        g_assert_cmphex(none(&f, CDB(0x1b, 0, 0, 0, 0, 0)), ==, LOST);
        g_assert_cmphex(none(&f, CDB(0x1b, 0, 0, 0, 1, 0)), ==, GOOD);
        g_assert_cmphex(rewind_tape(&f), ==, 0x062800);
        assert_objects(&f, SYNCED + BUFFERED);
        g_assert_cmphex(read_any(&f), ==, END);
        fixture_clear(&f);
}

/* ---- Hook and copies */

struct copies {
        struct fixture *f;
        GPtrArray *paths;
        GArray *objects; /* of uint64_t: that each has to have */
        uint64_t numbers;
};

static void copy_before(void *ctx, Transport *t, uint64_t number, const struct transport_command *command)
{
        struct copies *c = ctx;
        uint64_t buffered = virtual_buffered(t);
        c->numbers++;
        g_assert_cmpuint(number, ==, c->numbers + 1); /* TEST UNIT READY was the first */
        for (uint64_t lost = 0; lost <= buffered; lost++) {
                char *path = g_strdup_printf("%s/%u.tap", c->f->directory, c->paths->len);
                uint64_t objects = (command->cdb[0] == 0x01 ? 5 : number - 2) - lost;
                g_ptr_array_add(c->paths, path);
                g_array_append_val(c->objects, objects);
                g_assert_cmpint(virtual_snapshot(t, path,
                                        &(struct virtual_cut){ .lost = lost, .tail = VIRTUAL_TAIL_NONE }),
                        ==, 0);
        }
}

static void look_at_copy(const char *path, uint64_t objects, uint32_t end)
{
        struct fixture f = { .path = (char *)path };
        fixture_open(&f, false);
        assert_objects(&f, objects);
        g_assert_cmphex(read_any(&f), ==, end);
        transport_close(f.t);
        g_autofree char *key_file = g_strconcat(path, ".cartridge", NULL);
        g_unlink(path);
        g_assert_cmpint(g_unlink(key_file), ==, 0);
}

/* Before each command, with each number of objects lost: what can be read is just what had to be there. */
static void test_snapshots(void)
{
        struct fixture f;
        fixture_create(&f, &(struct virtual_cartridge){ .barcode = "ABC123L8" });
        struct copies c = { .f = &f, .paths = g_ptr_array_new_with_free_func(g_free) };
        c.objects = g_array_new(FALSE, FALSE, sizeof(uint64_t));
        virtual_set_hook(f.t, copy_before, &c);
        write_some(&f);
        g_assert_cmphex(rewind_tape(&f), ==, GOOD);
        virtual_set_hook(f.t, NULL, NULL);
        assert_objects(&f, SYNCED + BUFFERED);
        g_assert_cmpuint(c.numbers, ==, 6);
        g_assert_cmpuint(c.paths->len, ==, 1 + 2 + 1 + 2 + 3 + 4);
        for (unsigned i = 0; i < c.paths->len; i++)
                look_at_copy(g_ptr_array_index(c.paths, i), g_array_index(c.objects, uint64_t, i),
                        i == 0 ? END : 0x031403); /* nothing was written yet */
        g_ptr_array_unref(c.paths);
        g_array_unref(c.objects);
        fixture_clear(&f);
}

/* As it is, with chip and remains; the drive goes on. */
static void test_snapshot_whole(void)
{
        struct fixture f, g = { 0 };
        uint8_t value[12];
        overwrite(&f, true);
        write_date(&f, "202611250001");
        g.directory = f.directory;
        g.path = g_build_filename(f.directory, "copy.tap", NULL);
        g_assert_cmpint(virtual_snapshot(f.t, g.path, NULL), ==, 0);
        g_assert_cmphex(write_block(&f, LENGTH, 2), ==, GOOD);
        fixture_open(&g, false);
        read_attribute(&g, 0x0804, value);
        g_assert_cmpmem(value, 12, "202611250001", 12);
        g_assert_cmphex(space(&g, END_OF_DATA, 0), ==, GOOD);
        g_assert_cmpuint(position(&g), ==, 2);
        g_assert_cmphex(write_block(&g, LENGTH, 2), ==, GOOD);
        g_assert_cmpint(virtual_cut(g.t, &(struct virtual_cut){ 1, VIRTUAL_TAIL_OLD, 0 }), ==, 0);
        transport_close(g_steal_pointer(&g.t));
        fixture_open(&g, false);
        g_assert_cmphex(locate(&g, 3), ==, GOOD);
        assert_block(&g, LENGTH, 14);
        transport_close(g.t);
        static const char *const suffixes[] = { "", ".cartridge", ".remains" };
        for (size_t i = 0; i < G_N_ELEMENTS(suffixes); i++) {
                g_autofree char *name = g_strconcat(g.path, suffixes[i], NULL);
                g_assert_cmpint(g_unlink(name), ==, 0);
        }
        g_free(g.path);
        fixture_clear(&f);
}

static void cut_in_hook(void *ctx, Transport *t, uint64_t number, const struct transport_command *command)
{
        if (command->cdb[0] == 0x10 && !(command->cdb[1] & 1) && number > 3)
                g_assert_cmpint(virtual_cut(t, &(struct virtual_cut){ .lost = 1 }), ==, 0);
}

static void test_cut_in_hook(void)
{
        struct fixture f;
        fixture_create(&f, &(struct virtual_cartridge){ .capacity = 0 });
        virtual_set_hook(f.t, cut_in_hook, NULL);
        write_some(&f);
        g_assert_cmpint(execute(&f, TRANSPORT_NONE, NULL, 0, CDB(0x10, 0, 0, 0, 1, 0)), ==, -ENODEV);
        g_assert_cmpint(virtual_snapshot(f.t, f.path, NULL), ==, -ENODEV);
        fixture_reopen(&f);
        assert_objects(&f, 4);
        g_assert_cmphex(read_any(&f), ==, END);
        fixture_clear(&f);
}

/* ---- The key file */

static void set_key_file(struct fixture *f, const char *text)
{
        g_autofree char *name = g_strconcat(f->path, ".cartridge", NULL);
        g_assert_true(g_file_set_contents(name, text, -1, NULL));
}

static void test_key_file_cut(void)
{
        struct fixture f;
        fixture_bytes(&f, NULL, 0);
        set_key_file(&f,
                "[drive]\nmissing-eod=blank-check\n"
                "[test]\npower-cut-after=7\npower-cut-lost=2\npower-cut-tail=none\n");
        fixture_open(&f, false);
        write_some(&f);
        g_assert_cmpint(execute(&f, TRANSPORT_NONE, NULL, 0, CDB(0x10, 0, 0, 0, 1, 0)), ==, -ENODEV);
        set_key_file(&f, "[drive]\nmissing-eod=blank-check\n");
        fixture_reopen(&f);
        assert_objects(&f, 3);
        g_assert_cmphex(read_any(&f), ==, 0x081403);
        fixture_clear(&f);
}

static void test_key_file_loss(void)
{
        struct fixture f;
        fixture_bytes(&f, NULL, 0);
        set_key_file(&f,
                "[drive]\ndescriptor-sense=true\n"
                "[test]\nlose-after=7\nlose-objects=1\nlose-commands=1\nlose-tail=none\nlose-fence=true\n");
        fixture_open(&f, false);
        write_some(&f);
        g_assert_cmphex(write_block(&f, LENGTH, 5), ==, GOOD);
        g_assert_cmphex(write_block(&f, LENGTH, 6), ==, LOST);
        g_assert_cmphex(f.c.sense[0], ==, 0x73);
        g_assert_cmphex(write_block(&f, LENGTH, 6), ==, 0x030c00);
        assert_objects(&f, 4);
        g_assert_cmphex(read_any(&f), ==, 0x031403);
        fixture_clear(&f);
}

static void test_key_file_wrong(void)
{
        static const char *const wrong[] = {
                "[test]\npower-cut-tail=open\n",
                "[test]\npower-cut-memory=lost\n",
                "[test]\nlose-tail=old\n",
                "[test]\nlose-fence=maybe\n",
                "[drive]\nmissing-eod=hardware-error\n",
        };
        struct fixture f;
        fixture_bytes(&f, NULL, 0);
        for (size_t i = 0; i < G_N_ELEMENTS(wrong); i++) {
                set_key_file(&f, wrong[i]);
                f.messages = 0;
                g_assert_cmpint(virtual_open(f.path, false, &f.t), ==, -EINVAL);
                g_assert_cmpuint(f.messages, ==, 1);
        }
        fixture_clear(&f);
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/virtual-buffer/cut", test_cut);
        g_test_add_func("/virtual-buffer/cut-after-end", test_cut_after_end);
        g_test_add_func("/virtual-buffer/read-synchronizes", test_read_synchronizes);
        g_test_add_func("/virtual-buffer/remains", test_remains);
        g_test_add_func("/virtual-buffer/remains-hidden", test_remains_hidden);
        g_test_add_func("/virtual-buffer/no-remains", test_no_remains);
        g_test_add_func("/virtual-buffer/memory", test_memory);
        g_test_add_func("/virtual-buffer/loss", test_loss);
        g_test_add_func("/virtual-buffer/loss-at-once", test_loss_at_once);
        g_test_add_func("/virtual-buffer/loss-tail-and-fence", test_loss_tail_and_fence);
        g_test_add_func("/virtual-buffer/loss-then-cut", test_loss_then_cut);
        g_test_add_func("/virtual-buffer/snapshots", test_snapshots);
        g_test_add_func("/virtual-buffer/snapshot-whole", test_snapshot_whole);
        g_test_add_func("/virtual-buffer/cut-in-hook", test_cut_in_hook);
        g_test_add_func("/virtual-buffer/key-file-cut", test_key_file_cut);
        g_test_add_func("/virtual-buffer/key-file-loss", test_key_file_loss);
        g_test_add_func("/virtual-buffer/disk-fails", test_disk_fails);
        g_test_add_func("/virtual-buffer/disk-after-read", test_disk_after_read);
        g_test_add_func("/virtual-buffer/key-file-wrong", test_key_file_wrong);
        return g_test_run();
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The .tap container: the input is the cartridge's file. Read, walked over, written to, opened again. */
#include <sys/mman.h>

#include "drive.h"

#define BLOCK_SIZE 5

static struct fixture fixture;
static int memory_file;

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
        discard_messages();
        memory_file = memfd_create("fuzz.tap", MFD_CLOEXEC);
        g_assert_cmpint(memory_file, >=, 0);
        fixture.path = g_strdup_printf("/proc/self/fd/%d", memory_file);
        return 0;
}

static void walk_back(struct fixture *f, uint64_t count)
{
        while (count > 0) {
                uint32_t code = space(f, BLOCKS, -1);
                g_assert_true(code == GOOD || code == 0x000001);
                g_assert_cmpuint(position(f), ==, --count);
        }
        g_assert_cmphex(space(f, BLOCKS, -1), ==, 0x000004);
}

static void move_about(struct fixture *f, uint64_t count, bool torn)
{
        uint32_t end = torn ? 0x031403 : 0x080005;
        g_assert_cmphex(space(f, END_OF_DATA, 0), ==, torn ? 0x031403 : GOOD);
        g_assert_cmpuint(position(f), ==, count);
        walk_back(f, count);
        for (uint64_t i = 0; i <= count; i += 1 + count / 8) {
                g_assert_cmphex(locate(f, (uint32_t)i), ==, GOOD);
                g_assert_cmpuint(position(f), ==, i);
        }
        g_assert_cmphex(locate(f, (uint32_t)count + 1), ==, end);
        g_assert_cmphex(rewind_tape(f), ==, GOOD);
        g_assert_cmphex(space(f, FILEMARKS, 0x7fffff), ==, end);
        g_assert_cmpuint(position(f), ==, count);
        g_assert_cmphex(space(f, FILEMARKS, -0x800000), ==, 0x000004);
        g_assert_cmpuint(position(f), ==, 0);
}

/* Content of the first objects. */
static GByteArray *read_first(struct fixture *f, uint64_t objects)
{
        GByteArray *content = g_byte_array_new();
        g_assert_cmphex(rewind_tape(f), ==, GOOD);
        while (objects-- > 0)
                g_assert_true(read_object(f, content));
        return content;
}

/* The first objects are as they were, behind them is what write_behind wrote, and no more. */
static void assert_written(struct fixture *f, uint64_t objects, const GByteArray *before)
{
        g_autoptr(GByteArray) after = read_first(f, objects);
        g_assert_cmpmem(after->data, after->len, before->data, before->len);
        assert_block(f, BLOCK_SIZE, 1);
        g_assert_cmphex(read_any(f), ==, 0x000001);
        g_assert_cmphex(read_any(f), ==, 0x080005);
}

/* A block and a filemark behind the first objects. */
static void write_behind(struct fixture *f, uint64_t objects)
{
        g_autoptr(GByteArray) before = read_first(f, objects);
        g_assert_cmphex(write_block(f, BLOCK_SIZE, 1), ==, GOOD);
        g_assert_cmphex(write_filemarks(f, 1, false), ==, GOOD);
        assert_written(f, objects, before);
        transport_close(f->t);
        g_assert_cmpint(drive_open(f), ==, 0);
        assert_written(f, objects, before);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        struct fixture *f = &fixture;
        g_assert_cmpint(ftruncate(memory_file, 0), ==, 0);
        g_assert_cmpint(pwrite(memory_file, data, size, 0), ==, (ssize_t)size);
        int r = drive_open(f);
        if (r < 0) {
                g_assert_cmpint(r, ==, -EMEDIUMTYPE);
                return 0;
        }
        g_autoptr(GByteArray) content = g_byte_array_new();
        uint64_t count = walk(f, content);
        move_about(f, count, read_any(f) == 0x031403);
        write_behind(f, size > 0 ? data[size - 1] % (count + 1) : 0);
        transport_close(f->t);
        return 0;
}

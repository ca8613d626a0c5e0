/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The virtual drive's cartridges: .tap files from elsewhere, torn ones, power cuts, key files, locks. */
#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "virtual-fixture.h"

#define LE32(n) (n) & 0xff, (n) >> 8 & 0xff, (n) >> 16 & 0xff, (uint8_t)((n) >> 24)
#define GAP LE32(0xfffffffeu)
#define END LE32(0xffffffffu)
#define FM LE32(0)

/* Two blocks (one padded), a filemark, a gap, a bad record, a block, a filemark, the end-of-medium marker, a
 * filemark that is none. */
static const uint8_t foreign[] = { LE32(3), 'a', 'b', 'c', 0, LE32(3), GAP, LE32(4), 'd', 'e', 'f', 'g',
        LE32(4), FM, GAP, GAP, LE32(0x80000002), 'x', 'y', LE32(0x80000002), LE32(2), 'h', 'i', LE32(2), GAP,
        FM, GAP, END, FM };

static void test_foreign(void)
{
        struct fixture f;
        uint8_t data[512];
        fixture_bytes(&f, foreign, sizeof(foreign));
        g_assert_cmpint(transport_open(f.path, false, &f.t), ==, 0);
        g_assert_cmphex(rewind_tape(&f), ==, 0x062800);
        static const char *const blocks[] = { "abc", "defg", NULL, NULL, "hi", NULL };
        static const uint32_t senses[] = { GOOD, GOOD, 0x000001, 0x031100, GOOD, 0x000001, 0x080005 };
        for (unsigned i = 0; i < G_N_ELEMENTS(senses); i++) {
                g_assert_cmpuint(position(&f), ==, i);
                g_assert_cmphex(in(&f, data, 512, CDB(0x08, 2, 0, 2, 0, 0)), ==, senses[i]);
                if (senses[i] == GOOD)
                        g_assert_cmpmem(data, 512 - f.c.residual, blocks[i], strlen(blocks[i]));
        }
        /* Spacing passes what cannot be read. */
        g_assert_cmphex(locate(&f, 3), ==, GOOD);
        g_assert_cmphex(space(&f, BLOCKS, 2), ==, GOOD);
        g_assert_cmphex(space(&f, BLOCKS, -2), ==, GOOD);
        /* Fixed reads: up to the gap and over it; up to the bad one. */
        g_assert_cmphex(set_block_length(&f, 3), ==, GOOD);
        g_assert_cmphex(locate(&f, 0), ==, GOOD);
        g_assert_cmphex(in(&f, data, 6, CDB(0x08, 1, 0, 0, 2, 0)), ==, 0);
        g_assert_cmphex(sense_flags(&f), ==, SENSE_ILI);
        g_assert_cmpuint(f.c.residual, ==, 3);
        g_assert_cmphex(locate(&f, 3), ==, GOOD);
        g_assert_cmphex(in(&f, data, 6, CDB(0x08, 1, 0, 0, 2, 0)), ==, 0x031100);
        g_assert_cmpint(information(&f), ==, 2);
        /* Nothing was written so far; appending begins where the end-of-medium marker is. */
        g_assert_cmpuint(file_size(&f), ==, sizeof(foreign));
        g_assert_cmphex(locate(&f, 6), ==, GOOD);
        g_assert_cmphex(write_block(&f, 10, 1), ==, GOOD);
        g_assert_cmpuint(file_size(&f), ==, sizeof(foreign) - 8 + 18);
        g_assert_cmphex(locate(&f, 6), ==, GOOD);
        assert_block(&f, 10, 1);
        fixture_clear(&f);
}

static void test_blank(void)
{
        static const uint8_t blanks[][12] = { { 0 }, { GAP, GAP, END }, { END } };
        static const size_t sizes[] = { 0, 12, 4 };
        for (size_t i = 0; i < G_N_ELEMENTS(blanks); i++) {
                struct fixture f;
                fixture_bytes(&f, blanks[i], sizes[i]);
                fixture_open(&f, false);
                g_assert_cmphex(read_any(&f), ==, 0x080005);
                g_assert_cmphex(write_block(&f, 100, 1), ==, GOOD);
                fixture_reopen(&f);
                assert_block(&f, 100, 1);
                fixture_clear(&f);
        }
}

static void test_not_a_tape(void)
{
        static const struct {
                const char *bytes;
                size_t size;
        } files[] = {
                { "Dear diary,\n", 12 },
                { "\x7f"
                  "ELF\x02\x01\x01\0",
                        8 },
                { "\x04\0\0\0abcd\x05\0\0\0", 12 }, /* trailer disagrees */
                { "\xff\xff\xff\x01"
                  "abcd",
                        8 }, /* 32 MiB, cut off */
                { "\0\0\0\x80", 4 },
        };
        for (size_t i = 0; i < G_N_ELEMENTS(files); i++) {
                struct fixture f;
                fixture_bytes(&f, files[i].bytes, files[i].size);
                g_assert_cmpint(transport_open(f.path, false, &f.t), ==, -EMEDIUMTYPE);
                g_assert_nonnull(strstr(f.message, "is not a tape cartridge"));
                g_assert_cmpuint(f.messages, ==, 1);
                g_assert_cmpuint(file_size(&f), ==, files[i].size);
                fixture_clear(&f);
        }
}

/* Where the objects of the tape below end. */
static const uint64_t ends[] = { 0, 18, 36, 40, 59 - 1, 62 };

static void make_tape(struct fixture *f)
{
        g_assert_cmphex(write_block(f, 10, 0), ==, GOOD);
        g_assert_cmphex(write_block(f, 9, 1), ==, GOOD);
        g_assert_cmphex(write_filemarks(f, 1, true), ==, GOOD);
        g_assert_cmphex(write_block(f, 10, 3), ==, GOOD);
        g_assert_cmphex(write_filemarks(f, 1, true), ==, GOOD);
        g_assert_cmpuint(file_size(f), ==, ends[5]);
}

static void check_cut_tape(struct fixture *f, uint64_t size)
{
        unsigned good = 0;
        while (good + 1 < G_N_ELEMENTS(ends) && ends[good + 1] <= size)
                good++;
        bool torn = ends[good] != size;
        uint32_t end = torn ? 0x031403 : 0x080005;
        fixture_open(f, false);
        for (unsigned i = 0; i < good; i++)
                g_assert_cmphex(read_any(f), ==, i == 2 || i == 4 ? 0x000001 : GOOD);
        g_assert_cmphex(read_any(f), ==, end);
        g_assert_cmpint(information(f), ==, 512);
        g_assert_cmpuint(position(f), ==, good);
        g_assert_cmphex(rewind_tape(f), ==, GOOD);
        g_assert_cmphex(space(f, END_OF_DATA, 0), ==, torn ? 0x031403 : GOOD);
        g_assert_cmphex(space(f, BLOCKS, 1), ==, end);
        g_assert_cmphex(space(f, FILEMARKS, 1), ==, end);
        g_assert_cmphex(locate(f, good + 1), ==, end);
        g_assert_cmphex(locate(f, good), ==, GOOD);
        /* Only looked at so far. */
        g_assert_cmphex(write_filemarks(f, 0, false), ==, GOOD);
        g_assert_cmpuint(file_size(f), ==, size);
        /* Whoever writes there, or before it, makes a new end. */
        g_assert_cmphex(write_block(f, 20, 7), ==, GOOD);
        g_assert_cmpuint(file_size(f), ==, ends[good] + 28);
        g_assert_cmphex(space(f, END_OF_DATA, 0), ==, GOOD);
        fixture_reopen(f);
        g_assert_cmphex(locate(f, good), ==, GOOD);
        assert_block(f, 20, 7);
        g_assert_cmphex(read_any(f), ==, 0x080005);
}

static void test_torn(void)
{
        for (uint64_t size = 0; size <= ends[5]; size++) {
                struct fixture f;
                fixture_create(&f, &(struct virtual_cartridge){ .capacity = 0 });
                make_tape(&f);
                transport_close(g_steal_pointer(&f.t));
                g_assert_cmpint(truncate(f.path, (off_t)size), ==, 0);
                check_cut_tape(&f, size);
                fixture_clear(&f);
        }
}

/* Not cut off, but nonsense after good objects. */
static void test_nonsense_tail(void)
{
        static const uint8_t tails[][12] = { { LE32(4), 1, 2, 3, 4, LE32(5) }, { "Dear diary,\n" },
                { LE32(0x10000002) } };
        for (size_t i = 0; i < G_N_ELEMENTS(tails); i++) {
                struct fixture f;
                uint8_t tape[10 + 12] = { LE32(2), 'o', 'k', LE32(2) };
                memcpy(tape + 10, tails[i], 12);
                fixture_bytes(&f, tape, sizeof(tape));
                fixture_open(&f, false);
                g_assert_cmphex(read_any(&f), ==, GOOD);
                g_assert_cmphex(read_any(&f), ==, 0x031403);
                g_assert_cmphex(rewind_tape(&f), ==, GOOD);
                g_assert_cmphex(none(&f, CDB(0x19, 0, 0, 0, 0, 0)), ==, GOOD); /* ERASE */
                g_assert_cmphex(read_any(&f), ==, 0x080005);
                g_assert_cmpuint(file_size(&f), ==, 0);
                fixture_clear(&f);
        }
}

/* The file changes after it was opened: no wrong data. */
static void test_changed_behind(void)
{
        struct fixture f;
        uint8_t data[64];
        fixture_create(&f, &(struct virtual_cartridge){ .capacity = 0 });
        for (unsigned i = 0; i < 4; i++)
                g_assert_cmphex(write_block(&f, 16, i), ==, GOOD);
        g_autoptr(GError) error = NULL;
        g_autofree char *bytes = NULL;
        gsize size;
        g_assert_true(g_file_get_contents(f.path, &bytes, &size, &error));
        bytes[2 * 24] = 15;
        FILE *file = fopen(f.path, "r+b");
        g_assert_cmpuint(fwrite(bytes, 1, size - 8, file), ==, size - 8);
        fclose(file);
        g_assert_cmpint(truncate(f.path, (off_t)size - 8), ==, 0);
        g_assert_cmphex(set_block_length(&f, 16), ==, GOOD);
        g_assert_cmphex(rewind_tape(&f), ==, GOOD);
        g_assert_cmphex(in(&f, data, 64, CDB(0x08, 1, 0, 0, 4, 0)), ==, 0x031100);
        g_assert_cmphex(locate(&f, 0), ==, GOOD);
        g_assert_cmphex(in(&f, data, 48, CDB(0x08, 1, 0, 0, 3, 0)), ==, 0x031100);
        g_assert_cmpint(information(&f), ==, 1);
        g_assert_cmpuint(f.c.residual, ==, 16);
        g_assert_cmpuint(position(&f), ==, 3);
        g_assert_cmphex(read_any(&f), ==, 0x031100);
        fixture_clear(&f);
}

static void test_open_many(void)
{
        struct fixture f;
        const unsigned commands = 100, blocks = 1000, length = 600;
        g_autofree uint8_t *data = g_malloc0(blocks * length);
        fixture_create(&f, &(struct virtual_cartridge){ .capacity = 0 });
        g_assert_cmphex(set_block_length(&f, length), ==, GOOD);
        for (unsigned i = 0; i < commands; i++)
                g_assert_cmphex(
                        out(&f, data, blocks * length, CDB(0x0a, 1, 0, blocks >> 8, blocks & 0xff, 0)), ==,
                        GOOD);
        transport_close(g_steal_pointer(&f.t));
        g_test_timer_start();
        fixture_open(&f, false);
        double seconds = g_test_timer_elapsed();
        g_test_message("%u blocks opened in %.3f s", commands * blocks, seconds);
        g_assert_cmpfloat(seconds, <, 5.0);
        g_assert_cmphex(space(&f, END_OF_DATA, 0), ==, GOOD);
        g_assert_cmpuint(position(&f), ==, commands * blocks);
        fixture_clear(&f);
}

/* Synchronized: a block of 1000 and a filemark; not: two blocks of 1000. */
static void test_power_cut(void)
{
        static const struct {
                double keep;
                unsigned objects; /* that remain */
                uint32_t end;
        } cuts[] = {
                { 0.0, 2, GOOD },
                { 0.25, 2, 0x031403 },
                { 0.5, 3, GOOD },
                { 0.75, 3, 0x031403 },
                { 1.0, 4, GOOD },
        };
        for (size_t i = 0; i < G_N_ELEMENTS(cuts); i++) {
                struct fixture f;
                struct virtual_statistics s;
                fixture_create(&f, &(struct virtual_cartridge){ .capacity = 0 });
                g_assert_cmphex(write_block(&f, 1000, 0), ==, GOOD);
                g_assert_cmphex(write_filemarks(&f, 1, false), ==, GOOD);
                g_assert_cmphex(write_block(&f, 1000, 1), ==, GOOD);
                g_assert_cmphex(write_block(&f, 1000, 2), ==, GOOD);
                g_assert_cmpint(virtual_power_cut(f.t, cuts[i].keep), ==, 0);
                g_assert_cmpint(execute(&f, TRANSPORT_NONE, NULL, 0, CDB(0, 0, 0, 0, 0, 0)), ==, -ENODEV);
                g_assert_cmpint(virtual_power_cut(f.t, 0.0), ==, 0);
                virtual_reset(f.t);
                virtual_statistics(f.t, &s);
                g_assert_cmpuint(s.writes, ==, 3);
                g_assert_cmpint(execute(&f, TRANSPORT_NONE, NULL, 0, CDB(0, 0, 0, 0, 0, 0)), ==, -ENODEV);
                /* The cartridge is free already. */
                Transport *dead = g_steal_pointer(&f.t);
                fixture_open(&f, false);
                transport_close(dead);
                g_assert_cmphex(space(&f, END_OF_DATA, 0), ==, cuts[i].end);
                g_assert_cmpuint(position(&f), ==, cuts[i].objects);
                fixture_clear(&f);
        }
}

/* What else synchronizes, and what does not. */
static void test_power_cut_synchronized(void)
{
        static const struct {
                uint8_t cdb[16], length;
                bool synchronizes;
        } cases[] = {
                { { 0x01 }, 6, true },
                { { 0x10 }, 6, true },
                { { 0x11, BLOCKS, 0xff, 0xff, 0xff }, 6, true },
                { { 0x1b, 0, 0, 0, 0 }, 6, true },
                { { 0x1b, 0, 0, 0, 1 }, 6, true },
                { { 0x2b }, 10, true },
                { { 0x92 }, 16, true },
                { { 0x80 }, 16, true },
                { { 0x00 }, 6, false },
                { { 0x10, 0x01 }, 6, false },
                { { 0x1e }, 6, false },
        };
        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                struct fixture f;
                fixture_create(&f, &(struct virtual_cartridge){ .capacity = 0 });
                g_assert_cmphex(write_block(&f, 1000, 0), ==, GOOD);
                g_assert_cmphex(none(&f, cases[i].cdb, cases[i].length), ==, GOOD);
                g_assert_cmpint(virtual_power_cut(f.t, 0.0), ==, 0);
                g_assert_cmpuint(file_size(&f), ==, cases[i].synchronizes ? 1008 : 0);
                fixture_clear(&f);
        }
}

static void test_power_cut_overwrite(void)
{
        struct fixture f;
        fixture_create(&f, &(struct virtual_cartridge){ .capacity = 0 });
        for (unsigned i = 0; i < 5; i++)
                g_assert_cmphex(write_block(&f, 1000, i), ==, GOOD);
        g_assert_cmphex(write_filemarks(&f, 1, false), ==, GOOD);
        g_assert_cmphex(locate(&f, 2), ==, GOOD);
        g_assert_cmphex(write_block(&f, 1000, 9), ==, GOOD);
        g_assert_cmpint(virtual_power_cut(f.t, 0.0), ==, 0);
        g_assert_cmpuint(file_size(&f), ==, 2 * 1008);
        fixture_clear(&f);
}

static void *cut_soon(void *ctx)
{
        struct fixture *f = ctx;
        g_usleep(3000);
        g_assert_cmpint(virtual_power_cut(f->t, 0.5), ==, 0);
        return NULL;
}

/* From another thread, as tests of higher layers do, while commands run. */
static void test_power_cut_thread(void)
{
        struct fixture f;
        struct virtual_statistics s;
        pthread_t thread;
        uint8_t data[64 * 1024] = { 0 };
        int r;
        fixture_create(&f, &(struct virtual_cartridge){ .capacity = 0 });
        g_assert_cmpint(pthread_create(&thread, NULL, cut_soon, &f), ==, 0);
        do {
                r = execute(&f, TRANSPORT_OUT, data, sizeof(data), CDB(0x0a, 0, 1, 0, 0, 0));
                virtual_statistics(f.t, &s);
        } while (r == 0 && f.c.status == TRANSPORT_STATUS_GOOD);
        pthread_join(thread, NULL);
        g_assert_cmpint(r, ==, -ENODEV);
        fixture_clear(&f);
}

static void write_key_file(struct fixture *f, const char *text)
{
        g_autofree char *name = g_strconcat(f->path, ".cartridge", NULL);
        g_assert_true(g_file_set_contents(name, text, -1, NULL));
}

static void test_power_cut_after(void)
{
        struct fixture f;
        fixture_bytes(&f, NULL, 0);
        write_key_file(&f, "[test]\npower-cut-after=4\npower-cut-keep=0.5\n");
        fixture_open(&f, false);
        g_assert_cmphex(write_block(&f, 1000, 0), ==, GOOD);
        g_assert_cmphex(write_block(&f, 1000, 0), ==, GOOD);
        for (unsigned i = 0; i < 3; i++)
                g_assert_cmpint(execute(&f, TRANSPORT_NONE, NULL, 0, CDB(0x10, 0, 0, 0, 1, 0)), ==, -ENODEV);
        g_assert_cmpuint(file_size(&f), ==, 1008);
        fixture_clear(&f);
}

/* Runs of blocks have their places on the tape, and no data; what is written by itself is kept. */
static void test_discard(void)
{
        struct fixture f;
        uint8_t data[4 * 4096], zeros[4 * 4096] = { 0 };
        fixture_bytes(&f, NULL, 0);
        write_key_file(&f, "[cartridge]\ncapacity=20000\n[test]\ndiscard=true\n");
        fixture_open(&f, false);
        fill(data, sizeof(data), 1);
        g_assert_cmphex(write_block(&f, 80, 3), ==, GOOD);
        g_assert_cmphex(set_block_length(&f, 4095), ==, GOOD);
        uint32_t first = out(&f, data, 4 * 4095, CDB(0x0a, 1, 0, 0, 4, 0));
        g_assert_cmphex(first, ==, 0x000002);
        g_assert_cmphex(write_filemarks(&f, 1, false), ==, 0x000002);
        g_assert_cmphex(out(&f, data, 4095, CDB(0x0a, 1, 0, 0, 1, 0)), ==, 0x0d0002);
        g_assert_cmphex(write_block(&f, 100, 5), ==, 0x000002);
        g_assert_cmpuint(file_size(&f), ==, 88 + 4 * 4104 + 4 + 108);
        fixture_reopen(&f);
        assert_block(&f, 80, 3);
        g_assert_cmphex(set_block_length(&f, 4095), ==, GOOD);
        g_assert_cmphex(in(&f, data, 4 * 4095, CDB(0x08, 1, 0, 0, 4, 0)), ==, GOOD);
        g_assert_cmpmem(data, 4 * 4095, zeros, 4 * 4095);
        g_assert_cmphex(read_any(&f) & 0xff00ff, ==, 0x000001);
        assert_block(&f, 100, 5);
        fixture_clear(&f);
}

/* The host's file system is full in the middle of a block of the second of two commands. */
static void test_host_full(void)
{
        struct fixture f;
        struct rlimit old, limit;
        uint8_t data[4 * 1000];
        fixture_create(&f, &(struct virtual_cartridge){ .capacity = 0 });
        fill(data, sizeof(data), 1);
        g_assert_cmphex(set_block_length(&f, 1000), ==, GOOD);
        g_assert_cmphex(out(&f, data, 4000, CDB(0x0a, 1, 0, 0, 4, 0)), ==, GOOD);
        getrlimit(RLIMIT_FSIZE, &old);
        limit = (struct rlimit){ 6 * 1008 + 500, old.rlim_max };
        g_assert_cmpint(setrlimit(RLIMIT_FSIZE, &limit), ==, 0);
        uint32_t first = out(&f, data, 4000, CDB(0x0a, 1, 0, 0, 4, 0));
        uint64_t size = file_size(&f), residual = f.c.residual;
        int32_t missing = information(&f);
        uint32_t filemarks = none(&f, CDB(0x10, 0, 0, 2, 0, 0));
        setrlimit(RLIMIT_FSIZE, &old);
        g_assert_cmphex(first, ==, 0x0d0002);
        g_assert_cmpint(missing, ==, 2);
        g_assert_cmpuint(residual, ==, 2000);
        g_assert_cmpuint(size, ==, 6 * 1008);
        g_assert_cmphex(filemarks, ==, 0x0d0002);
        g_assert_cmpuint(position(&f), ==, 6);
        g_assert_cmphex(write_block(&f, 100, 5), ==, GOOD);
        fixture_reopen(&f);
        g_assert_cmphex(locate(&f, 6), ==, GOOD);
        assert_block(&f, 100, 5);
        fixture_clear(&f);
}

/* Never returns. */
static void write_for_ever(struct fixture *f, uint8_t *data, size_t size)
{
        for (;;)
                if (out(f, data, size, CDB(0x0a, 1, 0, 0, 16, 0)) != GOOD || rewind_tape(f) != GOOD)
                        _exit(1);
}

/* A process killed within a WRITE leaves a tape with a proper end. */
static void test_kill(void)
{
        struct fixture f;
        const size_t size = 16 * 0x60000;
        g_autofree uint8_t *data = g_malloc0(size);
        fixture_create(&f, &(struct virtual_cartridge){ .capacity = 0 });
        for (unsigned i = 0; i < 12; i++) {
                transport_close(g_steal_pointer(&f.t));
                pid_t pid = fork();
                if (pid == 0) {
                        fixture_open(&f, false);
                        set_block_length(&f, 0x60000);
                        write_for_ever(&f, data, size);
                }
                g_usleep(20000 + 1370 * i);
                g_assert_cmpint(kill(pid, SIGKILL), ==, 0);
                int status;
                g_assert_cmpint(waitpid(pid, &status, 0), ==, pid);
                g_assert_true(WIFSIGNALED(status));
                fixture_open(&f, false);
                g_assert_cmphex(space(&f, END_OF_DATA, 0), ==, GOOD);
                g_assert_cmpuint(position(&f) % 16, ==, 0);
        }
        fixture_clear(&f);
}

static void test_locked(void)
{
        struct fixture f;
        Transport *other = NULL, *third = NULL;
        fixture_create(&f, &(struct virtual_cartridge){ .capacity = 0 });
        g_assert_cmpint(virtual_open(f.path, false, &other), ==, -EBUSY);
        g_assert_cmpuint(f.messages, ==, 1);
        g_assert_nonnull(strstr(f.message, "another process"));
        g_assert_cmpint(virtual_open(f.path, true, &other), ==, -EBUSY);
        transport_close(g_steal_pointer(&f.t));
        g_assert_cmpint(virtual_open(f.path, true, &other), ==, 0);
        g_assert_cmpint(virtual_open(f.path, true, &third), ==, 0);
        g_assert_cmpint(virtual_open(f.path, false, &f.t), ==, -EBUSY);
        transport_close(other);
        transport_close(third);
        fixture_clear(&f);
}

static void test_addresses(void)
{
        struct fixture f;
        fixture_init(&f);
        g_assert_cmpint(transport_open(f.path, false, &f.t), ==, -ENOENT);
        g_assert_cmpint(transport_open(f.directory, false, &f.t), ==, -EINVAL);
        g_assert_cmpint(transport_open("/dev/null", false, &f.t), ==, -EINVAL);
        g_assert_nonnull(strstr(f.message, "neither a tape drive"));
        g_assert_cmpint(transport_open("tape://host/target/0", false, &f.t), ==, -EINVAL);
        g_assert_nonnull(strstr(f.message, "no such kind of address"));
        g_assert_cmpuint(f.messages, ==, 4);
        transport_close(NULL);
        fixture_clear(&f);
}

static void test_create(void)
{
        struct fixture f;
        const struct virtual_cartridge full = { .barcode = "ABC123L8",
                .capacity = 5 << 20,
                .early_warning = 1 << 20,
                .lacks = VIRTUAL_NO_LOCATE16 | VIRTUAL_NO_VARIABLE,
                .fixed_block = 512,
                .max_transfer = 65536 };
        uint8_t data[6];
        fixture_create(&f, &full);
        g_assert_cmpint(virtual_create(f.path, &full), ==, -EEXIST);
        g_assert_cmpuint(f.messages, ==, 1);
        struct transport_limits limits;
        transport_limits(f.t, &limits);
        g_assert_cmpuint(limits.max_transfer, ==, 65536);
        g_autofree char *description = transport_describe(f.t);
        g_assert_nonnull(strstr(description, "ABC123L8"));
        g_assert_cmphex(locate(&f, 0), ==, 0x052000);
        g_assert_cmphex(in(&f, data, 6, CDB(0x05, 0, 0, 0, 0, 0)), ==, GOOD);
        g_assert_cmpmem(data, 6, ((uint8_t[]){ 0, 0, 2, 0, 2, 0 }), 6);
        fixture_clear(&f);

        fixture_init(&f);
        g_assert_cmpint(
                virtual_create(f.path, &(struct virtual_cartridge){ .fixed_block = 65536 }), ==, -EINVAL);
        g_assert_false(g_file_test(f.path, G_FILE_TEST_EXISTS));
        fixture_clear(&f);
}

static void test_key_file(void)
{
        static const char *const wrong[] = {
                "[cartridge]\ncapacity=lots\n",
                "[cartridge]\ncapacity=1000\nearly-warning=2000\n",
                "[cartridge]\nwrite-protected=perhaps\n",
                "[cartridge]\nbarcode=0123456789012345678901234567890123\n",
                "[drive]\nlacks=locate16;wheels\n",
                "[drive]\nfixed-block=65536\n",
                "[drive]\nmax-transfer=-1\n",
                "[test]\npower-cut-keep=1.5\n",
                "[test]\npower-cut-keep=nan\n",
                "[test]\ndiscard=all\n",
                "no key file at all",
        };
        struct fixture f;
        fixture_bytes(&f, NULL, 0);
        for (size_t i = 0; i < G_N_ELEMENTS(wrong); i++) {
                write_key_file(&f, wrong[i]);
                f.messages = 0;
                g_assert_cmpint(virtual_open(f.path, false, &f.t), ==, -EINVAL);
                g_assert_cmpuint(f.messages, ==, 1);
                g_assert_nonnull(strstr(f.message, ".cartridge"));
        }
        write_key_file(&f, "[cartridge]\ncapacity=1M\n[drive]\nlacks=space16; capacity\n[else]\nx=y\n");
        fixture_open(&f, false);
        g_assert_cmphex(none(&f, CDB(0x4d, 0, 0x71, 0, 0, 0, 0, 0, 0, 0)), ==, 0x052000);
        /* Early warning of a small cartridge: the second half of it. */
        g_assert_cmphex(write_block(&f, (1 << 19) - 1, 1), ==, GOOD);
        g_assert_cmphex(write_block(&f, 1, 1), ==, 0x000002);
        fixture_clear(&f);
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        signal(SIGXFSZ, SIG_IGN);
        g_test_add_func("/virtual-cartridge/foreign", test_foreign);
        g_test_add_func("/virtual-cartridge/blank", test_blank);
        g_test_add_func("/virtual-cartridge/not-a-tape", test_not_a_tape);
        g_test_add_func("/virtual-cartridge/torn", test_torn);
        g_test_add_func("/virtual-cartridge/nonsense-tail", test_nonsense_tail);
        g_test_add_func("/virtual-cartridge/changed-behind", test_changed_behind);
        g_test_add_func("/virtual-cartridge/open-many", test_open_many);
        g_test_add_func("/virtual-cartridge/power-cut", test_power_cut);
        g_test_add_func("/virtual-cartridge/power-cut-synchronized", test_power_cut_synchronized);
        g_test_add_func("/virtual-cartridge/power-cut-overwrite", test_power_cut_overwrite);
        g_test_add_func("/virtual-cartridge/power-cut-thread", test_power_cut_thread);
        g_test_add_func("/virtual-cartridge/power-cut-after", test_power_cut_after);
        g_test_add_func("/virtual-cartridge/discard", test_discard);
        g_test_add_func("/virtual-cartridge/host-full", test_host_full);
        g_test_add_func("/virtual-cartridge/kill", test_kill);
        g_test_add_func("/virtual-cartridge/locked", test_locked);
        g_test_add_func("/virtual-cartridge/addresses", test_addresses);
        g_test_add_func("/virtual-cartridge/create", test_create);
        g_test_add_func("/virtual-cartridge/key-file", test_key_file);
        return g_test_run();
}

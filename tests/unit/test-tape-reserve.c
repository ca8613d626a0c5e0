/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The drive reserved by the tape layer, with another initiator beside it and what dead processes leave. */
#include <reelfs/tape.h>
#include <sys/wait.h>

#include "tape-rig.h"
#include "virtual-fixture.h"

enum { REGISTER, RESERVE, RELEASE, CLEAR, PREEMPT };
#define EXCLUSIVE_ACCESS 3
#define FOREIGN_KEY UINT64_C(0x1122334455667788)
#define PROCESS_MASK UINT64_C(0xffffff)

struct drive {
        struct fixture f;
        Tape *tape;
};

static void drive_load(struct drive *d)
{
        g_assert_cmpint(virtual_open(d->f.path, false, &d->f.t), ==, 0);
        g_assert_cmpint(tape_open(d->f.t, "drive", &d->tape), ==, 0);
}

static void drive_unload(struct drive *d)
{
        tape_close(g_steal_pointer(&d->tape));
        d->f.t = NULL;
}

/* The process is killed: nothing is restored nor released. */
static void drive_kill(struct drive *d)
{
        virtual_power_cut(d->f.t, 1);
        drive_unload(d);
}

static void drive_new(struct drive *d, unsigned lacks)
{
        *d = (struct drive){ 0 };
        fixture_init(&d->f);
        g_assert_cmpint(virtual_create(d->f.path, &(struct virtual_cartridge){ .lacks = lacks }), ==, 0);
        drive_load(d);
}

static void drive_free(struct drive *d)
{
        drive_unload(d);
        fixture_clear(&d->f);
}

/* What the other initiator does: unit attentions first. */
static void other(struct drive *d, unsigned initiator)
{
        virtual_set_initiator(d->f.t, initiator);
        while (none(&d->f, CDB(0, 0, 0, 0, 0, 0)) >> 16 == 0x06)
                ;
}

static void back(struct drive *d)
{
        virtual_set_initiator(d->f.t, 1);
}

static uint32_t order(struct drive *d, uint8_t action, uint64_t key, uint64_t action_key, uint8_t flags)
{
        uint8_t list[24] = { [20] = flags };
        sg_put_unaligned_be64(key, list);
        sg_put_unaligned_be64(action_key, list + 8);
        return out(&d->f, list, sizeof(list), CDB(0x5f, action, EXCLUSIVE_ACCESS, 0, 0, 0, 0, 0, 24, 0));
}

/* Who holds it, and how many are registered. */
static uint64_t holder(struct drive *d, size_t *registered)
{
        uint8_t data[256];
        g_assert_cmphex(in(&d->f, data, 255, CDB(0x5e, 0, 0, 0, 0, 0, 0, 0, 255, 0)), ==, GOOD);
        *registered = sg_get_unaligned_be32(data + 4) / 8;
        g_assert_cmphex(in(&d->f, data, 255, CDB(0x5e, 1, 0, 0, 0, 0, 0, 0, 255, 0)), ==, GOOD);
        return sg_get_unaligned_be32(data + 4) ? sg_get_unaligned_be64(data + 8) : 0;
}

static bool others_may(struct drive *d)
{
        other(d, 2);
        uint32_t s = none(&d->f, CDB(0x01, 0, 0, 0, 0, 0));
        back(d);
        g_assert_true(s == GOOD || s == CONFLICT);
        return s == GOOD;
}

static int filemark(struct drive *d)
{
        return tape_write_filemarks(d->tape, 1, false, NULL);
}

/* Of this machine and a process that is gone. */
static uint64_t dead_key(struct drive *d)
{
        size_t n;
        g_assert_cmpint(tape_reserve(d->tape, true), ==, 0);
        uint64_t key = holder(d, &n);
        g_assert_cmpint(tape_reserve(d->tape, false), ==, 0);
        pid_t pid = fork();
        if (pid == 0)
                _exit(0);
        g_assert_cmpint(waitpid(pid, NULL, 0), ==, pid);
        return (key & ~PROCESS_MASK) | (uint64_t)pid;
}

static void test_reserve(void)
{
        struct drive d;
        size_t n;
        drive_new(&d, 0);
        g_assert_true(others_may(&d));
        g_assert_cmpint(tape_reserve(d.tape, true), ==, 0);
        g_assert_cmpint(tape_reserve(d.tape, true), ==, 0);
        g_assert_false(others_may(&d));
        uint64_t key = holder(&d, &n);
        g_assert_cmpuint(n, ==, 1);
        g_assert_cmphex(key >> 48, ==, 0x7266);
        g_assert_cmpuint(key & PROCESS_MASK, ==, (uint64_t)getpid());
        g_assert_cmpint(filemark(&d), ==, 0);
        g_assert_cmpint(tape_reserve(d.tape, false), ==, 0);
        g_assert_true(others_may(&d));
        g_assert_cmpuint(holder(&d, &n), ==, 0);
        g_assert_cmpuint(n, ==, 0);
        /* Closing releases. */
        g_assert_cmpint(tape_reserve(d.tape, true), ==, 0);
        drive_unload(&d);
        drive_load(&d);
        g_assert_cmpuint(holder(&d, &n), ==, 0);
        g_assert_cmpuint(n, ==, 0);
        g_assert_cmpuint(d.f.messages, ==, 0);
        drive_free(&d);
}

static void test_legacy(void)
{
        struct drive d;
        drive_new(&d, VIRTUAL_NO_PERSISTENT);
        g_assert_cmpint(tape_reserve(d.tape, true), ==, 0);
        g_assert_false(others_may(&d));
        /* A reset takes it, and it is taken again. */
        g_assert_cmpint(filemark(&d), ==, 0);
        virtual_reset(d.f.t);
        g_assert_cmpint(filemark(&d), ==, 0);
        g_assert_false(others_may(&d));
        g_assert_cmpint(tape_reserve(d.tape, false), ==, 0);
        g_assert_true(others_may(&d));
        other(&d, 2);
        g_assert_cmphex(none(&d.f, CDB(0x16, 0, 0, 0, 0, 0)), ==, GOOD);
        back(&d);
        g_assert_cmpint(tape_reserve(d.tape, true), ==, -EBUSY);
        g_assert_nonnull(strstr(
                d.f.message, "reserved by another program or host, by a command that does not say who"));
        drive_free(&d);

        drive_new(&d, VIRTUAL_NO_PERSISTENT | VIRTUAL_NO_RESERVE);
        g_assert_cmpint(tape_reserve(d.tape, true), ==, -EOPNOTSUPP);
        g_assert_nonnull(strstr(d.f.message, "noreserve"));
        g_assert_cmpuint(d.f.messages, ==, 1);
        drive_free(&d);
}

static void test_foreign(void)
{
        struct drive d;
        struct tape_info info;
        size_t n;
        drive_new(&d, 0);
        other(&d, 2);
        g_assert_cmphex(order(&d, REGISTER, 0, FOREIGN_KEY, 0), ==, GOOD);
        g_assert_cmphex(order(&d, RESERVE, FOREIGN_KEY, 0, 0), ==, GOOD);
        back(&d);
        g_assert_cmpint(tape_reserve(d.tape, true), ==, -EBUSY);
        g_assert_cmpstr(d.f.message, ==,
                "drive: the drive is reserved by another program or host (key 0x1122334455667788)");
        g_assert_cmpuint(d.f.messages, ==, 1);
        g_assert_cmphex(holder(&d, &n), ==, FOREIGN_KEY);
        g_assert_cmpuint(n, ==, 1); /* no registration of ours is left */
        g_assert_cmpint(tape_rewind(d.tape), ==, -EBUSY);
        /* It cannot be opened either: that is no wonder, and no command of ours changes it. */
        drive_unload(&d);
        Tape *tape;
        g_assert_cmpint(virtual_open(d.f.path, false, &d.f.t), ==, 0);
        g_assert_cmpint(tape_open(d.f.t, "drive", &tape), ==, -EBUSY);
        d.f.t = NULL;
        fixture_clear(&d.f);
        /* Where the other one only reads along. */
        drive_new(&d, 0);
        other(&d, 2);
        g_assert_cmphex(order(&d, REGISTER, 0, FOREIGN_KEY, 0), ==, GOOD);
        back(&d);
        g_assert_cmpint(tape_reserve(d.tape, true), ==, 0);
        tape_get_info(d.tape, &info);
        g_assert_false(info.reserved);
        drive_free(&d);
}

/* Another program of this machine: registered, and with a reservation. Both stay its own. */
static void test_same_initiator(void)
{
        for (unsigned reserved = 0; reserved < 2; reserved++) {
                struct drive d;
                size_t n;
                drive_new(&d, 0);
                g_assert_cmphex(order(&d, REGISTER, 0, FOREIGN_KEY, 0), ==, GOOD);
                if (reserved)
                        g_assert_cmphex(order(&d, RESERVE, FOREIGN_KEY, 0, 0), ==, GOOD);
                g_assert_cmpint(tape_reserve(d.tape, true), ==, -EBUSY);
                g_assert_cmpstr(d.f.message, ==,
                        "drive: the drive is reserved by another program or host (key 0x1122334455667788)");
                g_assert_cmpuint(d.f.messages, ==, 1);
                g_assert_cmphex(holder(&d, &n), ==, reserved ? FOREIGN_KEY : 0);
                g_assert_cmpuint(n, ==, 1);
                drive_unload(&d);
                drive_load(&d);
                g_assert_cmphex(holder(&d, &n), ==, reserved ? FOREIGN_KEY : 0);
                drive_free(&d);
        }
}

/* A process was killed. Its reservation is that of the same initiator, or of another path to the drive. */
static void test_stale(void)
{
        for (unsigned initiator = 1; initiator <= 2; initiator++) {
                for (unsigned reserve = 0; reserve < 2; reserve++) {
                        struct drive d;
                        struct tape_info info;
                        size_t n;
                        drive_new(&d, 0);
                        uint64_t key = dead_key(&d);
                        if (initiator == 2)
                                other(&d, 2);
                        g_assert_cmphex(
                                order(&d, REGISTER, 0, key, 1), ==, GOOD); /* survives the power cut */
                        g_assert_cmphex(order(&d, RESERVE, key, 0, 0), ==, GOOD);
                        back(&d);
                        if (reserve) {
                                g_assert_cmpint(tape_reserve(d.tape, true), ==, 0);
                        } else {
                                drive_kill(&d);
                                d.f.messages = 0;
                                drive_load(&d);
                                tape_get_info(d.tape, &info);
                                g_assert_false(info.reserved);
                        }
                        uint64_t now = holder(&d, &n);
                        g_assert_cmphex(now, ==, reserve ? (key & ~PROCESS_MASK) | (uint64_t)getpid() : 0);
                        g_assert_cmpuint(n, ==, reserve);
                        g_assert_true(others_may(&d) == !reserve);
                        /* One line, if there was something to be seen. */
                        g_assert_cmpuint(d.f.messages, ==, reserve && initiator == 1 ? 0 : 1);
                        if (d.f.messages)
                                g_assert_nonnull(strstr(d.f.message, "that is gone"));
                        drive_free(&d);
                }
        }
}

/* A living process of this machine: its parent, as the test is run by something else than itself. */
static void test_alive(void)
{
        struct drive d;
        struct tape_info info;
        int pipes[2];
        g_assert_cmpint(pipe(pipes), ==, 0);
        pid_t pid = fork();
        if (pid == 0) { /* the same program, which lives until the pipe is closed */
                char byte;
                close(pipes[1]);
                _exit(read(pipes[0], &byte, 1) < 0);
        }
        close(pipes[0]);
        drive_new(&d, 0);
        uint64_t key = (dead_key(&d) & ~PROCESS_MASK) | (uint64_t)pid;
        g_assert_cmphex(order(&d, REGISTER, 0, key, 1), ==, GOOD);
        g_assert_cmphex(order(&d, RESERVE, key, 0, 0), ==, GOOD);
        g_assert_cmpint(tape_reserve(d.tape, true), ==, -EBUSY);
        g_assert_nonnull(strstr(d.f.message, "another reelfs of this machine (process"));
        drive_kill(&d);
        drive_load(&d);
        tape_get_info(d.tape, &info);
        g_assert_true(info.reserved);
        g_assert_cmphex(info.reserved_key, ==, key);
        close(pipes[1]);
        g_assert_cmpint(waitpid(pid, NULL, 0), ==, pid);
        g_assert_cmpint(tape_reserve(d.tape, true), ==, 0);
        drive_free(&d);
}

/* Registrations survive a reset of the drive, not that it is switched off and on, nor being preempted. */
static void test_taken_again(void)
{
        struct drive d;
        size_t n;
        drive_new(&d, 0);
        g_assert_cmpint(tape_reserve(d.tape, true), ==, 0);
        uint64_t key = holder(&d, &n);
        g_assert_cmpint(filemark(&d), ==, 0);
        virtual_reset(d.f.t);
        g_assert_cmpint(filemark(&d), ==, 0);
        g_assert_cmphex(holder(&d, &n), ==, key);
        /* Somebody clears the drive. */
        other(&d, 2);
        g_assert_cmphex(order(&d, REGISTER, 0, FOREIGN_KEY, 0), ==, GOOD);
        g_assert_cmphex(order(&d, CLEAR, FOREIGN_KEY, 0, 0), ==, GOOD);
        back(&d);
        g_assert_cmpint(filemark(&d), ==, 0);
        g_assert_cmphex(holder(&d, &n), ==, key);
        g_assert_cmpuint(n, ==, 1);
        g_assert_cmpuint(d.f.messages, ==, 0);
        /* Somebody takes it for himself: nothing is written on. */
        other(&d, 2);
        g_assert_cmphex(order(&d, REGISTER, 0, FOREIGN_KEY, 0), ==, GOOD);
        g_assert_cmphex(order(&d, PREEMPT, FOREIGN_KEY, key, 0), ==, GOOD);
        back(&d);
        g_assert_cmpint(filemark(&d), ==, -EBUSY);
        g_assert_nonnull(strstr(d.f.message, "key 0x1122334455667788"));
        g_assert_cmphex(holder(&d, &n), ==, FOREIGN_KEY);
        g_assert_cmpuint(n, ==, 1);
        drive_free(&d);
}

/* What a drive answers that knows some of it only. */
static void test_odd_drives(void)
{
        struct rig *r = rig_open(lacks_nothing);
        /* PERSISTENT RESERVE IN, but no OUT: the old way. */
        PLAY(r, { .cdb = "5e00" }, { .cdb = "5f00", .flags_key = 5, .asc = 0x24 }, { .cdb = "160000000000" });
        g_assert_cmpint(tape_reserve(r->tape, true), ==, 0);
        PLAY(r, { .cdb = "170000000000" });
        g_assert_cmpint(tape_reserve(r->tape, false), ==, 0);
        /* Nor the type; the registration is taken back. */
        PLAY(r, { .cdb = "5e00" }, { .cdb = "5f00" }, { .cdb = "5f0103", .flags_key = 5, .asc = 0x24 },
                { .cdb = "5f00" }, { .cdb = "16", .flags_key = 5, .asc = 0x20 });
        g_assert_cmpint(tape_reserve(r->tape, true), ==, -EOPNOTSUPP);
        /* A list of keys that is longer than what came. */
        PLAY(r, { .cdb = "5e00", .data = "00000001ffffffff0102030405060708" }, { .cdb = "5f00" },
                { .cdb = "5f01" });
        g_assert_cmpint(tape_reserve(r->tape, true), ==, 0);
        rig_free(r);
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/tape-reserve/reserve", test_reserve);
        g_test_add_func("/tape-reserve/legacy", test_legacy);
        g_test_add_func("/tape-reserve/foreign", test_foreign);
        g_test_add_func("/tape-reserve/same-initiator", test_same_initiator);
        g_test_add_func("/tape-reserve/stale", test_stale);
        g_test_add_func("/tape-reserve/alive", test_alive);
        g_test_add_func("/tape-reserve/taken-again", test_taken_again);
        g_test_add_func("/tape-reserve/odd-drives", test_odd_drives);
        return g_test_run();
}

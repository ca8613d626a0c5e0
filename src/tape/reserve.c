/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reservations: PERSISTENT RESERVE IN and OUT (SPC-5, 5.13), or RESERVE and RELEASE (SPC-2), where a drive
 * has only those. */
#include <errno.h>
#include <glib.h>
#include <scsi/sg_unaligned.h>
#include <string.h>

#include <reelfs/log.h>

#include "private.h"

enum { READ_KEYS, READ_RESERVATION };
enum { REGISTER = 0, RESERVE = 1, RELEASE = 2, PREEMPT = 4 };
#define EXCLUSIVE_ACCESS 3 /* type: nobody but the initiator that holds it; scope: the logical unit */
#define KEY_TEXT_MAX 80

/* The parameter data, in t->scratch; *length: what follows its header of 8 bytes. -EOPNOTSUPP, not logged. */
static int persistent_in(Tape *t, uint8_t action, size_t *length)
{
        struct tape_command cmd;
        size_t size = command_reply_max(t);
        command_init(&cmd, OP_PERSISTENT_IN);
        cmd.c.cdb[1] = action;
        sg_put_unaligned_be16((uint16_t)size, cmd.c.cdb + 7);
        command_data(t, &cmd, TRANSPORT_IN, size);
        int r = command_run(t, &cmd);
        if (r < 0)
                return r;
        /* RESERVE of another host keeps even this from us. */
        if (cmd.sense.outcome == TAPE_ILLEGAL_REQUEST || cmd.sense.outcome == TAPE_RESERVED)
                return -EOPNOTSUPP;
        if (cmd.sense.outcome != TAPE_GOOD)
                return command_fail(t, &cmd);
        *length = (size_t)MIN(sg_get_unaligned_be(4, t->scratch + 4), size - 8);
        return 0;
}

/* *outcome: TAPE_GOOD, TAPE_RESERVED (a conflict) or TAPE_ILLEGAL_REQUEST; others are failures. */
static int persistent_out(
        Tape *t, uint8_t action, uint64_t key, uint64_t action_key, enum tape_outcome *outcome)
{
        struct tape_command cmd;
        bool typed = action != REGISTER;
        command_init(&cmd, OP_PERSISTENT_OUT);
        cmd.c.cdb[1] = action;
        cmd.c.cdb[2] = typed ? EXCLUSIVE_ACCESS : 0;
        sg_put_unaligned_be32(24, cmd.c.cdb + 5);
        command_data(t, &cmd, TRANSPORT_OUT, 24);
        memset(t->scratch, 0, 24);
        sg_put_unaligned_be64(key, t->scratch);
        sg_put_unaligned_be64(action_key, t->scratch + 8);
        int r = command_run(t, &cmd);
        *outcome = cmd.sense.outcome;
        if (r < 0 || *outcome == TAPE_GOOD || *outcome == TAPE_RESERVED || *outcome == TAPE_ILLEGAL_REQUEST)
                return r;
        return command_fail(t, &cmd);
}

/* *key: of who holds the reservation; 0: nobody does. */
static int read_holder(Tape *t, uint64_t *key)
{
        size_t length;
        *key = 0;
        int r = persistent_in(t, READ_RESERVATION, &length);
        if (r == 0 && length >= 16)
                *key = sg_get_unaligned_be64(t->scratch + 8);
        return r;
}

/* This initiator is registered already. Only the drive can tell which key is ours: of those that dead
 * processes left each is tried; another program's stays. */
static int replace_stale(Tape *t, uint64_t key, enum tape_outcome *outcome)
{
        size_t length;
        int r = persistent_in(t, READ_KEYS, &length);
        if (r < 0)
                return r;
        g_autofree uint8_t *keys = g_memdup2(t->scratch + 8, length);
        for (size_t at = 0; r == 0 && *outcome == TAPE_RESERVED && at + 8 <= length; at += 8) {
                uint64_t old = sg_get_unaligned_be64(keys + at);
                if (key_owner(old) == KEY_DEAD)
                        r = persistent_out(t, REGISTER, old, key, outcome);
        }
        return r;
}

/* Not REGISTER AND IGNORE EXISTING KEY: that takes the reservation of another program of this machine. */
static int register_key(Tape *t, uint64_t key, enum tape_outcome *outcome)
{
        int r = persistent_out(t, REGISTER, 0, key, outcome);
        if (r == 0 && *outcome == TAPE_RESERVED)
                r = replace_stale(t, key, outcome);
        if (r == 0 && *outcome == TAPE_GOOD)
                t->key = key;
        return r;
}

static int unregister(Tape *t)
{
        enum tape_outcome outcome;
        int r = t->key ? persistent_out(t, REGISTER, t->key, 0, &outcome) : 0;
        t->key = 0;
        return r;
}

static void tell_cleared(Tape *t, uint64_t key)
{
        char who[KEY_TEXT_MAX];
        tape_key_text(key, who, sizeof(who));
        log_notice("%s: the reservation of %s is cleared", t->address, who);
}

/* A reservation whose process is gone. It may be that of this very initiator, whose key registering replaces,
 * or of another path to the drive, and then is preempted; to unregister releases it in either case. */
static int clear_stale(Tape *t, uint64_t stale)
{
        enum tape_outcome outcome = TAPE_GOOD;
        uint64_t holder;
        int r = register_key(t, key_own(), &outcome);
        if (r == 0 && outcome == TAPE_GOOD)
                r = read_holder(t, &holder);
        if (r == 0 && outcome == TAPE_GOOD && holder == stale && stale != t->key)
                r = persistent_out(t, PREEMPT, t->key, stale, &outcome);
        int undone = unregister(t);
        if (r == 0)
                r = undone;
        if (r < 0)
                return r;
        t->info.reserved = outcome != TAPE_GOOD;
        if (outcome == TAPE_GOOD)
                tell_cleared(t, stale);
        return 0;
}

int reservation_probe(Tape *t)
{
        uint64_t key;
        int r = read_holder(t, &key);
        t->info.reserved = false;
        if (r == -EOPNOTSUPP || (r == 0 && key == 0))
                return 0;
        t->info.reserved_key = key;
        if (r == 0 && key_owner(key) == KEY_DEAD)
                return clear_stale(t, key);
        t->info.reserved = r == 0;
        return r;
}

/* ---- tape_reserve */

static int fail_busy(Tape *t, uint64_t key)
{
        char who[KEY_TEXT_MAX] = "another program or host, by a command that does not say who";
        if (key)
                tape_key_text(key, who, sizeof(who));
        return log_error(-EBUSY, "%s: the drive is reserved by %s", t->address, who);
}

/* RESERVE(6) or RELEASE(6). */
static int legacy(Tape *t, enum operation operation)
{
        struct tape_command cmd;
        command_init(&cmd, operation);
        int r = command_run(t, &cmd);
        if (r < 0 || cmd.sense.outcome == TAPE_GOOD)
                return r;
        if (cmd.sense.outcome == TAPE_RESERVED)
                return fail_busy(t, 0);
        if (cmd.sense.outcome == TAPE_ILLEGAL_REQUEST)
                return -EOPNOTSUPP;
        return command_fail(t, &cmd);
}

/* A living process of this machine that is registered will reserve the drive, if it has not. *other: one that
 * is not reelfs's, or of another machine, which may be registered for reasons of its own; 0: there is none.
 */
static int check_keys(Tape *t, uint64_t *other)
{
        size_t length;
        int r = persistent_in(t, READ_KEYS, &length);
        *other = 0;
        for (size_t at = 0; r == 0 && at + 8 <= length; at += 8) {
                uint64_t key = sg_get_unaligned_be64(t->scratch + 8 + at);
                if (key != t->key && key_owner(key) == KEY_ALIVE)
                        return fail_busy(t, key);
                if (!*other && key_owner(key) == KEY_FOREIGN)
                        *other = key;
        }
        return r;
}

/* -EOPNOTSUPP, not logged: the drive has none of this. */
static int reserve_persistently(Tape *t)
{
        enum tape_outcome outcome = TAPE_ILLEGAL_REQUEST;
        uint64_t holder = 0, other;
        int r = check_keys(t, &other);
        if (r == 0)
                r = register_key(t, key_own(), &outcome);
        bool registered = r == 0 && outcome == TAPE_GOOD;
        if (registered)
                r = persistent_out(t, RESERVE, t->key, 0, &outcome);
        if (r < 0 || outcome == TAPE_GOOD)
                return r;
        if (outcome == TAPE_RESERVED)
                r = read_holder(t, &holder);
        if (r == 0 && registered && holder && holder != t->key && key_owner(holder) == KEY_DEAD) {
                r = persistent_out(t, PREEMPT, t->key, holder, &outcome);
                if (r == 0 && outcome == TAPE_GOOD) {
                        tell_cleared(t, holder);
                        return 0;
                }
        }
        int undone = unregister(t);
        if (r < 0 || undone < 0)
                return r < 0 ? r : undone;
        return outcome == TAPE_RESERVED ? fail_busy(t, registered ? holder : other) : -EOPNOTSUPP;
}

static int reserve(Tape *t)
{
        int r = reserve_persistently(t);
        if (r == 0)
                t->reservation = RESERVATION_PERSISTENT;
        if (r != -EOPNOTSUPP)
                return r;
        r = legacy(t, OP_RESERVE6);
        if (r == 0)
                t->reservation = RESERVATION_LEGACY;
        return r;
}

static int release(Tape *t)
{
        enum reservation was = t->reservation;
        enum tape_outcome outcome;
        t->reservation = RESERVATION_NONE;
        if (was == RESERVATION_LEGACY)
                return legacy(t, OP_RELEASE6);
        int r = was == RESERVATION_PERSISTENT ? persistent_out(t, RELEASE, t->key, 0, &outcome) : 0;
        return r < 0 ? r : unregister(t);
}

int tape_reserve(Tape *t, bool on)
{
        if (on == (t->reservation != RESERVATION_NONE))
                return 0;
        int r = on ? reserve(t) : release(t);
        if (r == -EOPNOTSUPP)
                return log_error(r,
                        "%s: the drive cannot be reserved: it knows neither PERSISTENT RESERVE nor "
                        "RESERVE; mount with noreserve",
                        t->address);
        return r;
}

void reservation_release(Tape *t)
{
        if (t->reservation != RESERVATION_NONE && release(t) < 0)
                log_warning("%s: the reservation of the drive may still be there", t->address);
}

/* SPC-5, 5.13: a persistent reservation survives a reset, but neither a loss of power nor being preempted. */
int reservation_restore(Tape *t)
{
        enum reservation was = t->reservation;
        if (was == RESERVATION_NONE)
                return 0;
        int r = was == RESERVATION_LEGACY ? legacy(t, OP_RESERVE6) : reserve_persistently(t);
        if (r == -EOPNOTSUPP)
                return log_error(-EBUSY, "%s: the drive cannot be reserved any more", t->address);
        return r;
}

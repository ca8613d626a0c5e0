/* SPDX-License-Identifier: GPL-2.0-or-later */
/* When commands end: by the mechanics of a drive, or by a rate. */
#include <errno.h>
#include <glib.h>
#include <time.h>

#include <reelfs/util.h>

#include "drive.h"

/* A virtual clock stands where the last command, or virtual_advance, has left it. */
int64_t drive_now(const struct drive *d)
{
        int64_t now = d->mechanics.now;
        if (!d->settings.virtual_clock)
                now = MAX(now, (monotonic_ns() - d->opened_ns) * d->settings.speed);
        return now;
}

static void set_due(struct drive *d, int64_t due)
{
        mechanics_advance(&d->mechanics, due);
        d->due_ns = due;
}

static int64_t now(const struct drive *d)
{
        return MAX(drive_now(d), d->due_ns);
}

static uint64_t place(const struct drive *d)
{
        return cartridge_place(d->cartridge, d->position);
}

void drive_time_write(struct drive *d, uint64_t from, uint64_t bytes)
{
        if (d->settings.drive)
                set_due(d,
                        mechanics_write(
                                &d->mechanics, now(d), cartridge_place(d->cartridge, from), place(d), bytes));
        else if (bytes > 0)
                model_wait(&d->settings.model, bytes, &d->medium_ns);
}

void drive_time_read(struct drive *d, uint64_t from, uint64_t bytes)
{
        uint64_t end = cartridge_place(d->cartridge, cartridge_count(d->cartridge));
        if (d->settings.drive)
                set_due(d,
                        mechanics_read(&d->mechanics, now(d), cartridge_place(d->cartridge, from), place(d),
                                bytes, end));
        else
                model_wait(&d->settings.model, bytes, &d->medium_ns);
}

void drive_time_flush(struct drive *d)
{
        if (d->settings.drive)
                set_due(d, mechanics_flush(&d->mechanics, now(d)));
}

void drive_time_locate(struct drive *d)
{
        if (d->settings.drive)
                set_due(d, mechanics_locate(&d->mechanics, now(d), place(d)));
}

void drive_time_rewind(struct drive *d)
{
        if (d->settings.drive)
                set_due(d, mechanics_rewind(&d->mechanics, now(d)));
}

void drive_time_load(struct drive *d, bool load)
{
        if (d->settings.drive)
                set_due(d, mechanics_load(&d->mechanics, now(d), load));
}

void drive_time_wait(const struct drive *d, int64_t due_ns)
{
        if (due_ns == 0 || d->settings.virtual_clock)
                return;
        int64_t end = d->opened_ns + due_ns / d->settings.speed;
        struct timespec until = { end / 1000000000, end % 1000000000 };
        while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL) == EINTR)
                continue;
}

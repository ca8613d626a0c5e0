/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <glib.h>
#include <string.h>

#include "serpentine.h"

#define GB 1000000000
#define MB 1000000.0

/* Where each figure comes from, and which are estimates, is in reelfs-model(7). The speeds of locate and
 * rewind are such that the averages of the makers' tables come out. */
static const struct serpentine_drive drives[] = {
        { .name = "lto5",
                .capacity = UINT64_C(1500) * GB,
                .length = 846,
                .wraps = 80,
                .bands = 4,
                .rates = { 40 * MB, 50 * MB, 60 * MB, 70 * MB, 80 * MB, 90 * MB, 100 * MB, 110 * MB, 120 * MB,
                        130 * MB, 140 * MB },
                .buffer = 256 << 20,
                .bus = 600 * MB,
                .command = 100e-6,
                .stop = 1.5,
                .start = 1.5,
                .locate_speed = 9.0,
                .rewind_speed = 8.0,
                .load = 12,
                .unload = 17 },
        { .name = "lto8",
                .capacity = UINT64_C(12000) * GB,
                .length = 960,
                .wraps = 208,
                .bands = 4,
                .rates = { 112 * MB, 135 * MB, 157.5 * MB, 180 * MB, 203 * MB, 226 * MB, 249.5 * MB, 273 * MB,
                        306.4 * MB, 318 * MB, 341 * MB, 360 * MB },
                .buffer = 1 << 30,
                .bus = 1200 * MB,
                .command = 100e-6,
                .stop = 1.5,
                .start = 1.5,
                .locate_speed = 10.4,
                .rewind_speed = 8.1,
                .load = 15,
                .unload = 24 },
        { .name = "lto9",
                .capacity = UINT64_C(18000) * GB,
                .length = 1035,
                .wraps = 280,
                .bands = 4,
                .rates = { 177 * MB, 203 * MB, 223 * MB, 244 * MB, 263 * MB, 284 * MB, 305 * MB, 325 * MB,
                        347 * MB, 366 * MB, 385 * MB, 400 * MB },
                .buffer = 1 << 30,
                .bus = 1200 * MB,
                .command = 100e-6,
                .stop = 1.5,
                .start = 1.5,
                .locate_speed = 16.2,
                .rewind_speed = 9.4,
                .load = 17,
                .unload = 30,
                .orders = true },
};

const struct serpentine_drive *serpentine_find(const char *name)
{
        for (size_t i = 0; i < G_N_ELEMENTS(drives); i++)
                if (strcmp(drives[i].name, name) == 0)
                        return &drives[i];
        return NULL;
}

struct serpentine_place serpentine_place(const struct serpentine_drive *d, uint64_t offset)
{
        uint64_t wrap_bytes = d->capacity / d->wraps, wrap = offset / wrap_bytes;
        double along = d->length * (double)(offset % wrap_bytes) / (double)wrap_bytes;
        if (wrap >= d->wraps) /* a cartridge in a file may be longer than the tape */
                return (struct serpentine_place){ d->wraps - 1, d->wraps % 2 ? d->length : 0 };
        return (struct serpentine_place){ (unsigned)wrap, wrap % 2 ? d->length - along : along };
}

double serpentine_metres(const struct serpentine_drive *d, uint64_t from, uint64_t to)
{
        return ABS(serpentine_place(d, from).metres - serpentine_place(d, to).metres);
}

/* The terms that CERN's tape archive (CTA, "CTACostHeuristic") has fitted to LTO-7 and LTO-8 drives, in
 * seconds: for any locate; another wrap, band, half of the tape, direction; backwards on the same wrap; and
 * the way. The other half of the tape saves time, as the tape then has been at full speed for long: never
 * below the first term. */
double serpentine_locate(const struct serpentine_drive *d, uint64_t from, uint64_t to)
{
        const double any = 4.29, wrap = 6.69, band = 3.2, half = -6.04, direction = 5.22, back = 11.32;
        struct serpentine_place a = serpentine_place(d, from), b = serpentine_place(d, to);
        unsigned per_band = d->wraps / d->bands;
        double way = ABS(a.metres - b.metres) / d->locate_speed, terms = 0;
        if (from == to)
                return 0;
        if (a.wrap != b.wrap)
                terms += wrap;
        else if (to < from)
                terms += back;
        if (a.wrap / per_band != b.wrap / per_band)
                terms += band;
        if ((a.metres < d->length / 2) != (b.metres < d->length / 2))
                terms += half;
        if (a.wrap % 2 != b.wrap % 2)
                terms += direction;
        return any + MAX(terms, 0) + way;
}

double serpentine_reach(const struct serpentine_drive *d, uint64_t from, uint64_t to)
{
        double locate = serpentine_locate(d, from, to);
        if (to < from)
                return locate;
        double way = (double)(to - from) / serpentine_fastest(d);
        return MIN(locate, way);
}

double serpentine_fastest(const struct serpentine_drive *d)
{
        unsigned i = SERPENTINE_RATES - 1;
        while (i > 0 && d->rates[i] == 0)
                i--;
        return d->rates[i];
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* A serpentine LTO tape and the figures of a drive that moves it: no state, no clock. A byte's place follows
 * from how many lie before it: each wrap takes the same number, the even ones run from the beginning of the
 * tape to its end, the odd ones back. See reelfs-model(7) for where the figures come from. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SERPENTINE_RATES 12

struct serpentine_drive {
        const char *name;
        /* The cartridge */
        uint64_t capacity; /* bytes, native */
        double length;     /* metres */
        unsigned wraps, bands;
        /* Data */
        double rates[SERPENTINE_RATES]; /* bytes a second at which the tape can run, ascending; 0: no more */
        uint64_t buffer;                /* bytes */
        double bus;                     /* bytes a second between host and buffer */
        double command;                 /* seconds that each READ or WRITE takes beside its data */
        /* Moving it; seconds, and metres a second */
        double stop,
                start; /* a back-hitch: until the tape stands before the place; until it is at speed there */
        double locate_speed, rewind_speed;
        double load, unload; /* from and to the ejected state, rewound */
        bool orders;         /* has GENERATE RECOMMENDED ACCESS ORDER */
};

/* By name: "lto5", "lto8", "lto9"; NULL: no such drive. */
const struct serpentine_drive *serpentine_find(const char *name);

struct serpentine_place {
        unsigned wrap;
        double metres; /* from the beginning of the tape */
};
/* Where the byte lies that has offset bytes before it. */
struct serpentine_place serpentine_place(const struct serpentine_drive *d, uint64_t offset);
double serpentine_metres(const struct serpentine_drive *d, uint64_t from, uint64_t to);
/* Seconds that LOCATE takes for the way between two bytes, from a standing tape until it can read there. */
double serpentine_locate(const struct serpentine_drive *d, uint64_t from, uint64_t to);
/* The same, where reading on is quicker for what is near. */
double serpentine_reach(const struct serpentine_drive *d, uint64_t from, uint64_t to);
/* Bytes a second at its fastest speed. */
double serpentine_fastest(const struct serpentine_drive *d);

/* What is to be read in one go, two places. */
struct serpentine_span {
        uint64_t from, to;
        size_t id; /* the caller's */
};
/* Puts them into an order in which a drive that stands at a place loses little time between them. */
void serpentine_order(const struct serpentine_drive *d, uint64_t at, struct serpentine_span *spans, size_t n);
/* Seconds that it loses. */
double serpentine_way(
        const struct serpentine_drive *d, uint64_t at, const struct serpentine_span *spans, size_t n);

/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* What the samples say. Any thread, while bench_run does not run. */
#include <reelfs/bench.h>

enum metric {
        METRIC_CPU,          /* us a command */
        METRIC_WALL,         /* us a command */
        METRIC_CPU_GIB,      /* s/GiB */
        METRIC_RATE,         /* MiB/s */
        METRIC_LEFT,         /* % of the CPU left to a thread beside */
        METRIC_INSTRUCTIONS, /* thousands a command */
        METRICS
};
struct metric_info {
        const char *key;   /* in JSON */
        const char *title; /* for people */
        int digits;        /* after the point */
};
extern const struct metric_info metrics[METRICS];

struct figure {
        double median, mad; /* NAN: there is none */
        unsigned n;         /* samples */
};
/* NAN: this sample has no such figure. */
double summary_sample(const struct bench_cell *cell, const struct bench_sample *s, enum metric metric);
struct figure summary_figure(const struct bench_cell *cell, enum metric metric);

/* From which size on the direct way of a family costs less than the copying one. */
struct crossover {
        const BenchWay *direct, *copied;
        enum bench_move move;
        enum metric metric;
        double smallest;      /* size measured */
        double median;        /* of the curves of medians; NAN: it does not, up to the largest size */
        struct figure rounds; /* of each round by itself, of those in which it does */
        double ratio;         /* direct / copied at the largest size */
};
/* Of struct crossover: all for which there are figures. */
GArray *summary_crossovers(Bench *b);

/* What a user should set. */
struct recommendation {
        const BenchWay *way;  /* NULL: nothing can be said */
        size_t size;          /* of a command, which is the block length where blocks are variable */
        double rate, cpu_gib; /* cpu_gib NAN: not known */
        double best_rate;
        uint64_t similar; /* bits 1 << way: others, of which noise alone may make the difference */
};
/* Among the cells of BENCH_SIZES, of ways that a mount can take (has_io) or of those that it cannot. */
struct recommendation summary_recommend(Bench *b, enum bench_move move, bool has_io);

/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* Runs of the bench, and the table at the end. */
#include "cases.h"
#include "work.h"

#define FAULT_KINDS_MAX 64

struct bench {
        unsigned cuts, faults, races, seed, steps;
        enum medium medium;
        unsigned every;                                 /* of the cuts of a run, one of so many */
        int only_cut, only_second, only_fault, only_at; /* -1: all */
        bool forever, verbose, self_test;
        const char *keep;
        char *directory; /* for cartridges */

        struct totals totals;
        unsigned runs, races_done, operations;
        unsigned injected[FAULT_KINDS_MAX]; /* faults that were met, by kind */
        unsigned told;                      /* runs in which somebody was told */
};

/* A negative error: the bench cannot go on, which was printed. */
int bench_run(struct bench *b);
void bench_print(const struct bench *b);
bool bench_is_good(const struct bench *b);

/* In the bench's directory. The caller frees. */
char *bench_path(const struct bench *b, const char *name);
void bench_remove(const struct bench *b, const char *name);
/* A case went wrong: its cartridge is kept if that was asked for. */
void bench_keep(const struct bench *b, const char *name);
/* The options for the medium, with a space behind; "" if it is a usual one. */
const char *bench_medium(const struct bench *b);
/* Works from the seed, up to the last unmount, without faults. race: while the drive works. */
int bench_record(struct bench *b, uint32_t seed, bool race, struct work *w);

/* Whether the bench notices what is wrong. */
int selftest_run(struct bench *b);

/* Faults in running workloads. */
/* Works up to the first error; *told: there was one. -EILSEQ: a reader got wrong bytes. */
int faults_work(struct bench *b, struct work *w, uint32_t seed, const char *path, bool *told);
int faults_run(struct bench *b, uint32_t seed);
const char *fault_name(unsigned kind); /* NULL: there are no more */

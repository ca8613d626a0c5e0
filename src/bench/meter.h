/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* What a stretch of the program costs. */
#include <reelfs/bench.h>

struct meter {
        int instructions_fd; /* -1: cannot be counted */
        bool coarse;         /* CPU time goes by ticks of the kernel's */
        int64_t wall_ns, cpu_ns, process_ns;
        uint64_t instructions;
};

/* Counts for the calling thread, which is the one that calls the others. */
void meter_init(struct meter *m);
void meter_clear(struct meter *m);
void meter_start(struct meter *m);
/* Fills in what passed since meter_start, but for commands and round. */
void meter_stop(struct meter *m, struct bench_sample *sample);

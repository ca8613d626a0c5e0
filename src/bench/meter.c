/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <linux/perf_event.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <reelfs/util.h>

#include "meter.h"

static int open_instructions(void)
{
        struct perf_event_attr attr = { .type = PERF_TYPE_HARDWARE,
                .size = sizeof(attr),
                .config = PERF_COUNT_HW_INSTRUCTIONS,
                .exclude_hv = 1 };
        return (int)syscall(SYS_perf_event_open, &attr, 0, -1, -1, PERF_FLAG_FD_CLOEXEC);
}

static uint64_t read_instructions(const struct meter *m)
{
        uint64_t count;
        if (m->instructions_fd < 0 || read(m->instructions_fd, &count, sizeof(count)) != sizeof(count))
                return 0;
        return count;
}

/* Exact where getrusage(2) is as of the last tick. */
static int64_t used(clockid_t clock)
{
        struct timespec t;
        clock_gettime(clock, &t);
        return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* CPU time that is counted by ticks moves in steps of milliseconds. */
#define FINE_NS 500000
#define TRIAL_NS 40000000

static bool is_coarse(void)
{
        int64_t start = monotonic_ns(), cpu = used(CLOCK_THREAD_CPUTIME_ID), now = cpu;
        while (now == cpu && monotonic_ns() - start < TRIAL_NS)
                now = used(CLOCK_THREAD_CPUTIME_ID);
        return now == cpu || now - cpu > FINE_NS;
}

void meter_init(struct meter *m)
{
        *m = (struct meter){ .instructions_fd = open_instructions(), .coarse = is_coarse() };
}

void meter_clear(struct meter *m)
{
        close_fd(&m->instructions_fd);
}

void meter_start(struct meter *m)
{
        m->process_ns = used(CLOCK_PROCESS_CPUTIME_ID);
        m->cpu_ns = used(CLOCK_THREAD_CPUTIME_ID);
        m->instructions = read_instructions(m);
        m->wall_ns = monotonic_ns();
}

void meter_stop(struct meter *m, struct bench_sample *sample)
{
        sample->wall_ns = monotonic_ns() - m->wall_ns;
        sample->instructions = read_instructions(m) - m->instructions;
        sample->cpu_ns = m->coarse ? -1 : used(CLOCK_THREAD_CPUTIME_ID) - m->cpu_ns;
        sample->process_ns = m->coarse ? -1 : used(CLOCK_PROCESS_CPUTIME_ID) - m->process_ns;
}

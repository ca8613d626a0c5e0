/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* How fast something goes, from looking at its counter now and then. No I/O, no locks. */
#include <stdbool.h>
#include <stdint.h>

#define RATE_SAMPLES 6

/* All zeros: nothing seen yet. */
struct rate {
        struct {
                int64_t at; /* ns */
                uint64_t bytes;
        } samples[RATE_SAMPLES]; /* a ring; the last one is number n - 1 */
        uint64_t n;
        bool busy;       /* at the last sample */
        int64_t busy_ns; /* in which there was something to do */
        uint64_t moved;  /* in that time */
};

/* bytes: the counter, which never goes back. busy: there is something to do, even if nothing moves. */
void rate_sample(struct rate *r, int64_t now, uint64_t bytes, bool busy);
/* Bytes/s over the last samples. */
uint64_t rate_now(const struct rate *r);
/* Bytes/s over the time in which there was something to do; 0: there was none. */
uint64_t rate_mean(const struct rate *r);

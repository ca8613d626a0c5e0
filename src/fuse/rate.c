/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <glib.h>

#include "rate.h"

static uint64_t per_second(uint64_t bytes, int64_t ns)
{
        return ns > 0 ? (uint64_t)((double)bytes * 1e9 / (double)ns) : 0;
}

void rate_sample(struct rate *r, int64_t now, uint64_t bytes, bool busy)
{
        if (r->n > 0) {
                int64_t at = r->samples[(r->n - 1) % RATE_SAMPLES].at;
                uint64_t moved = bytes - r->samples[(r->n - 1) % RATE_SAMPLES].bytes;
                if (moved > 0 || (busy && r->busy)) {
                        r->busy_ns += now - at;
                        r->moved += moved;
                }
        }
        r->busy = busy;
        r->samples[r->n % RATE_SAMPLES].at = now;
        r->samples[r->n % RATE_SAMPLES].bytes = bytes;
        r->n++;
}

uint64_t rate_now(const struct rate *r)
{
        if (r->n < 2)
                return 0;
        unsigned first = (unsigned)((r->n - MIN(r->n, RATE_SAMPLES)) % RATE_SAMPLES),
                 last = (unsigned)((r->n - 1) % RATE_SAMPLES);
        return per_second(
                r->samples[last].bytes - r->samples[first].bytes, r->samples[last].at - r->samples[first].at);
}

uint64_t rate_mean(const struct rate *r)
{
        return per_second(r->moved, r->busy_ns);
}

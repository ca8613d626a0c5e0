/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <glib.h>
#include <time.h>

#include <reelfs/util.h>

#include "model.h"

static int64_t time_for(uint64_t bytes, uint64_t bytes_per_second)
{
        return bytes_per_second ? (int64_t)((double)bytes * 1e9 / (double)bytes_per_second) : 0;
}

int64_t model_end(const struct model *m, int64_t now_ns, uint64_t bytes, int64_t *medium_ns)
{
        int64_t interface = now_ns + (int64_t)m->command_us * 1000 + time_for(bytes, m->bus_bytes_per_second);
        if (m->bytes_per_second == 0)
                return interface;
        /* No further ahead than the buffer holds. */
        int64_t from = MAX(*medium_ns, now_ns - time_for(m->buffer, m->bytes_per_second));
        *medium_ns = from + time_for(bytes, m->bytes_per_second);
        return MAX(interface, *medium_ns);
}

void model_wait(const struct model *m, uint64_t bytes, int64_t *medium_ns)
{
        int64_t now = monotonic_ns(), end = model_end(m, now, bytes, medium_ns);
        if (end <= now)
                return;
        struct timespec until = { end / 1000000000, end % 1000000000 };
        while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL) == EINTR)
                continue;
}

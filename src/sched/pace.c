/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Keeping the tape streaming. A drive goes down to a minimum rate with what it is given; below that, or in a
 * pause, it has to stop, to go back a little and to start again, which takes seconds and wears the tape. So
 * when a source that is slower, or that pauses, has let the queue run dry, writing goes on only when the pool
 * is well filled: one stop for each pool-full of data, at most. */
#include <reelfs/util.h>

#include "sched-private.h"

#define MS INT64_C(1000000)
/* A pause that the drive's own buffer bridges. */
#define BUBBLE_NS (200 * MS)
/* What a rate is measured over, at least and at most. */
#define RATE_NS (100 * MS)
#define RATE_MAX_NS (2000 * MS)
/* How long a closed file, and anything else, waits for more to come. */
#define LINGER_CLOSED_NS (1000 * MS)
#define LINGER_OPEN_NS (30000 * MS)

#define MB 1000000
/* The lowest host rates of full-height drives, without compression, rounded up: by the density codes of LTO-3
 * to LTO-9 (data sheets and technical reference manuals of HPE and IBM). */
static const struct {
        uint8_t density;
        uint64_t rate;
} media[] = {
        { 0x44, 40 * MB },
        { 0x46, 40 * MB },
        { 0x58, 47 * MB },
        { 0x5a, 54 * MB },
        { 0x5c, 102 * MB },
        { 0x5d, 102 * MB }, /* LTO-7 cartridges in LTO-8 drives, M8 */
        { 0x5e, 113 * MB },
        { 0x60, 180 * MB },
};
#define RATE_DEFAULT (100 * (uint64_t)MB)

void pace_init(Sched *s, uint8_t density)
{
        struct pace *p = &s->pace;
        p->mark = s->pool.batches.total * 3 / 4;
        p->min_rate = s->options.min_rate;
        for (unsigned i = 0; i < G_N_ELEMENTS(media) && !p->min_rate; i++)
                if (media[i].density == density)
                        p->min_rate = media[i].rate;
        p->min_rate = p->min_rate ?: RATE_DEFAULT;
}

/* Bytes that ever came. */
static uint64_t accepted(const Sched *s)
{
        return s->written + s->dirty;
}

static void enter(Sched *s, int state, int64_t now)
{
        struct pace *p = &s->pace;
        p->state = state;
        p->since = now;
        p->since_bytes = accepted(s);
        p->starved = false;
}

static bool is_slow(const Sched *s, int64_t now)
{
        const struct pace *p = &s->pace;
        uint64_t bytes = accepted(s) - MIN(accepted(s), p->since_bytes);
        return now - p->since >= RATE_NS &&
                (double)bytes * 1e9 < (double)p->min_rate * (double)(now - p->since);
}

bool pace_holds(Sched *s, int64_t now, int64_t *deadline)
{
        struct pace *p = &s->pace;
        unsigned gathered = s->pool.batches.total - s->pool.batches.n_free;
        if (p->state != PACE_GATHER || p->starved || s->broken || gathered >= p->mark)
                return false;
        int64_t due = p->since + LINGER_OPEN_NS;
        if (!s->stream.owner)
                due = MIN(due, s->stream.last_write + LINGER_CLOSED_NS);
        if (now >= due)
                return false;
        *deadline = MIN(*deadline, due);
        return true;
}

void pace_feeds(Sched *s, int64_t now)
{
        struct pace *p = &s->pace;
        p->stops += p->state == PACE_GATHER;
        if (p->state != PACE_FEED || now - p->since > RATE_MAX_NS)
                enter(s, PACE_FEED, now);
        p->written_at = now;
}

void pace_runs_dry(Sched *s, int64_t now, int64_t *deadline)
{
        struct pace *p = &s->pace;
        if (p->state != PACE_FEED || p->min_rate == SCHED_NEVER_GATHER)
                return;
        int64_t bubble = p->written_at + BUBBLE_NS;
        if (now >= bubble || is_slow(s, now))
                enter(s, PACE_GATHER, now);
        else
                *deadline = MIN(*deadline, bubble);
}

void pace_ends(Sched *s)
{
        s->pace.state = PACE_IDLE;
}

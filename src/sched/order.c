/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Who has the tape next. Going elsewhere costs a real drive seconds to minutes, so whoever has the tape keeps
 * it for a turn that is long against that, as long as he makes use of it; then comes who waits next on the
 * tape, ascending, and from the start again, or in the order that the drive recommends (advice.c). */
#include <reelfs/util.h>

#include "sched-private.h"

#define MS INT64_C(1000000)
/* A turn, in times of what a change costs, and its bounds: among readers, and between them and writers. */
#define TURN_LOCATES 8
#define TURN_MIN_NS (200 * MS)
#define TURN_WRITE_MIN_NS (2000 * MS)
#define TURN_MAX_NS (120000 * MS)
/* Who asks for a commit waits no longer for readers. */
#define TURN_SYNC_NS (2000 * MS)
/* A reader is expected back for as long as a change costs, but no longer than this; */
#define PAUSE_MAX_NS (2000 * MS)
/* in the midst of a file, and before writers get the tape, at least so long; */
#define PAUSE_FILE_NS (5 * MS)
#define PAUSE_WRITE_NS (20 * MS)
/* and so long if nothing says yet that he reads from front to back, where a change costs more. */
#define PAUSE_NEW_NS (20 * MS)
/* The kernel asks for several pieces of a file at once, and they come in any order: before the tape goes
 * elsewhere for one of them, those before it may come, for a part of what a change costs. */
#define SETTLE_PART 16
#define SETTLE_MAX_NS (20 * MS)

static int64_t turn_length(const struct reader *r, int64_t least)
{
        return CLAMP(r->locate_ns * TURN_LOCATES, least, TURN_MAX_NS);
}

/* Until when the reader who has the tape is expected back. Another request of a program that leaps about in
 * one file is no reason to wait for that program. */
static int64_t expected_until(const struct reader *r, const struct read_request *other)
{
        if (r->segment == 0)
                return 0;
        if (r->streak > 0 || (r->promising && !r->at_end))
                return r->used_at + CLAMP(r->locate_ns, r->at_end ? 0 : PAUSE_FILE_NS, PAUSE_MAX_NS);
        bool same = other && other->file->ino == r->ino;
        return same || r->locate_ns < PAUSE_NEW_NS ? 0 : r->used_at + PAUSE_NEW_NS;
}

/* Until when requests before q may come. */
static int64_t settled_at(const struct reader *r, const struct read_request *q)
{
        if (r->locate_ns == 0)
                return q->since + SETTLE_MAX_NS;
        return q->since +
                (r->locate_ns > LOCATE_DEAR_NS ? MIN(r->locate_ns / SETTLE_PART, SETTLE_MAX_NS) : 0);
}

/* ---- Among readers */

struct candidates {
        struct read_request *memory;      /* needs no tape */
        struct read_request *run;         /* goes on where the tape is */
        struct read_request *advised;     /* the first of those that the drive has put in order */
        struct read_request *above, *low; /* the next on the tape; the first */
        uint64_t run_at, advised_at, above_at, low_at;
};

static void prefer(struct read_request **best, uint64_t *best_at, struct read_request *q, uint64_t at)
{
        if (*best && *best_at <= at)
                return;
        *best = q;
        *best_at = at;
}

static void look(Sched *s, struct candidates *c)
{
        uint64_t segment, offset, here = 0;
        bool known = reader_follows(s, &segment, &offset) && reader_object(s, segment, offset, &here);
        uint64_t near = here + reader_near(s);
        *c = (struct candidates){ 0 };
        for (GList *l = s->reads.head; l && !c->memory; l = l->next) {
                struct read_request *q = l->data;
                uint64_t at;
                if (!reader_object(s, q->segment, q->at, &at) || reader_holds(s, q->segment, q->at))
                        c->memory = q;
                else if (known && at >= here && at < near)
                        prefer(&c->run, &c->run_at, q, at);
                else if (q->rank > 0)
                        prefer(&c->advised, &c->advised_at, q, q->rank);
                else if (at >= here)
                        prefer(&c->above, &c->above_at, q, at);
                else
                        prefer(&c->low, &c->low_at, q, at);
        }
}

/* *leaves: the tape has to go elsewhere for it. */
static struct read_request *choose(Sched *s, int64_t now, int64_t *deadline, bool *leaves)
{
        struct reader *r = &s->reader;
        struct candidates c;
        look(s, &c);
        struct read_request *other = c.advised ?: c.above ?: c.low;
        *leaves = false;
        if (c.memory || !other)
                return c.memory ?: c.run;
        int64_t end = r->run_since + turn_length(r, TURN_MIN_NS), expected = expected_until(r, other);
        int64_t settled = settled_at(r, other), leave = MAX(c.run ? end : MIN(end, expected), settled);
        *leaves = now >= leave;
        if (*leaves || c.run)
                return *leaves ? other : c.run;
        *deadline = MIN(*deadline, leave);
        return NULL;
}

struct read_request *order_next(Sched *s, int64_t now, int64_t *deadline)
{
        bool leaves = false;
        struct read_request *q = s->reads.length > 0 ? choose(s, now, deadline, &leaves) : NULL;
        if (leaves && advice_is_due(s)) {
                advice_ask(s);
                q = choose(s, now, deadline, &leaves);
        }
        if (q)
                g_queue_unlink(&s->reads, &q->link);
        return q;
}

/* ---- Between readers and writers */

bool order_may_write(Sched *s, bool commit, int64_t now, int64_t *deadline)
{
        struct reader *r = &s->reader;
        int64_t turn = turn_length(r, TURN_WRITE_MIN_NS),
                end = s->phase_since + (commit ? MIN(turn, TURN_SYNC_NS) : turn);
        if (!s->reading)
                return s->reads.length == 0 || now < end;
        int64_t until =
                s->reads.length > 0 ? INT64_MAX : MAX(s->read_at + PAUSE_WRITE_NS, expected_until(r, NULL));
        if (commit || s->waiters > 0 || now - s->refused_at < WAIT_NS)
                until = MIN(until, end);
        if (now > until)
                return true;
        if (until < INT64_MAX)
                *deadline = MIN(*deadline, until + 1);
        return false;
}

void order_set_phase(Sched *s, bool reading, int64_t now)
{
        if (s->reading != reading)
                s->phase_since = now;
        s->reading = reading;
}

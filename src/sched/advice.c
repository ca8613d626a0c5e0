/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A tape goes to and fro in its wraps, so what lies next by number may be far away, and only the drive knows
 * the ways. When the tape is to go elsewhere, it is asked for the order of all reads that wait; not for each
 * of them anew, since asking takes its time, and not for ever, since nobody is to be put off for ever. */
#include <stdlib.h>

#include <reelfs/util.h>

#include "sched-private.h"

#define PLACES_MOST 128
/* For fewer there is little to choose from. */
#define PLACES_LEAST 3
/* It is asked anew when so large a part of them is new, but not if one was in so many orders already. */
#define FRESH_ONE_IN 8
#define RANKED_MOST 16
/* An order saves something like this part of a LOCATE for each place. */
#define SAVES_ONE_IN 5

/* Where reads wait, ascending. What is read in one go is one range for the drive. */
struct places {
        uint64_t objects[PLACES_MOST];
        unsigned range_of[PLACES_MOST]; /* for each object */
        struct tape_range ranges[PLACES_MOST];
        unsigned n, n_ranges;
};

static int compare(const void *a, const void *b)
{
        const uint64_t *x = a, *y = b;
        return (*x > *y) - (*x < *y);
}

static void find_places(Sched *s, struct places *p)
{
        p->n = p->n_ranges = 0;
        for (GList *l = s->reads.head; l && p->n < PLACES_MOST; l = l->next) {
                const struct read_request *q = l->data;
                p->n += reader_object(s, q->segment, q->at, &p->objects[p->n]);
        }
        qsort(p->objects, p->n, sizeof(p->objects[0]), compare);
        for (unsigned i = 0; i < p->n; i++) {
                uint64_t object = p->objects[i];
                if (i == 0 || object - p->objects[i - 1] >= reader_near(s))
                        p->ranges[p->n_ranges++] = (struct tape_range){ object, object };
                p->ranges[p->n_ranges - 1].last = object;
                p->range_of[i] = p->n_ranges - 1;
        }
}

/* Enough of them are new since it was asked, and nobody has been put off too often. */
static bool is_outdated(Sched *s)
{
        unsigned fresh = 0;
        for (GList *l = s->reads.head; l; l = l->next) {
                const struct read_request *q = l->data;
                fresh += q->rank == 0;
                if (q->ranked >= RANKED_MOST)
                        return false;
        }
        return fresh * FRESH_ONE_IN >= s->reads.length;
}

bool advice_is_due(Sched *s)
{
        const struct reader *r = &s->reader;
        if (r->unadvised || s->reads.length < PLACES_LEAST ||
                (r->locate_ns > 0 && r->locate_ns <= LOCATE_DEAR_NS) || !is_outdated(s))
                return false;
        struct places p;
        find_places(s, &p);
        return p.n_ranges >= PLACES_LEAST && r->advice_ns * SAVES_ONE_IN <= r->locate_ns * p.n_ranges;
}

/* Reads of one range come in the order of the tape. */
static void rank(Sched *s, const struct places *p, const unsigned *order)
{
        unsigned next = 1, ranks[PLACES_MOST];
        uint64_t object;
        for (unsigned k = 0; k < p->n_ranges; k++)
                for (unsigned i = 0; i < p->n; i++)
                        if (p->range_of[i] == order[k])
                                ranks[i] = next++;
        for (GList *l = s->reads.head; l; l = l->next) {
                struct read_request *q = l->data;
                const uint64_t *at = reader_object(s, q->segment, q->at, &object)
                        ? bsearch(&object, p->objects, p->n, sizeof(object), compare)
                        : NULL;
                q->rank = at ? ranks[at - p->objects] : 0;
                q->ranked += at != NULL;
        }
}

void advice_ask(Sched *s)
{
        Tape *t = volume_tape(s->volume);
        struct places p;
        unsigned order[PLACES_MOST];
        size_t limit;
        int64_t start = monotonic_ns();
        find_places(s, &p);
        pthread_mutex_unlock(&s->lock);
        int r = tape_recommended_limit(t, &limit);
        bool fits = r == 0 && p.n_ranges <= limit;
        if (fits)
                r = tape_recommended_order(t, p.ranges, p.n_ranges, order);
        pthread_mutex_lock(&s->lock);
        s->reader.advice_ns = monotonic_ns() - start;
        s->reader.unadvised = r < 0;
        if (r == 0 && fits)
                rank(s, &p, order);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* In which order places of a tape are reached soonest: the nearest first, then improved. The way there and
 * back is not the same, so nothing is turned round. */
#include <glib.h>
#include <string.h>

#include "serpentine.h"

#define IMPROVE_MAX 1000 /* spans; for more of them it would take too long */
#define IMPROVE_PASSES 4

/* From behind a to b; b NULL: nowhere. */
static double cost(
        const struct serpentine_drive *d, const struct serpentine_span *a, const struct serpentine_span *b)
{
        return b ? serpentine_reach(d, a->to, b->from) : 0;
}

/* Always to the one that is reached first. all[0] is where the tape is. */
static void nearest_first(const struct serpentine_drive *d, struct serpentine_span *all, size_t n)
{
        for (size_t i = 1; i + 1 < n; i++) {
                size_t best = i;
                double least = cost(d, &all[i - 1], &all[i]);
                for (size_t k = i + 1; k < n; k++) {
                        double c = cost(d, &all[i - 1], &all[k]);
                        if (c < least) {
                                least = c;
                                best = k;
                        }
                }
                struct serpentine_span next = all[best];
                all[best] = all[i];
                all[i] = next;
        }
}

static void move(struct serpentine_span *all, size_t from, size_t to)
{
        struct serpentine_span moved = all[from];
        if (from < to)
                memmove(&all[from], &all[from + 1], (to - from) * sizeof(*all));
        else
                memmove(&all[to + 1], &all[to], (from - to) * sizeof(*all));
        all[to] = moved;
}

/* What is saved by taking span i out of its place, and putting it between k and the one behind it. */
static double gain(
        const struct serpentine_drive *d, const struct serpentine_span *all, size_t n, size_t i, size_t k)
{
        const struct serpentine_span *after = i + 1 < n ? &all[i + 1] : NULL,
                                     *behind = k + 1 < n ? &all[k + 1] : NULL;
        double now = cost(d, &all[i - 1], &all[i]) + cost(d, &all[i], after) + cost(d, &all[k], behind);
        double then = cost(d, &all[k], &all[i]) + cost(d, &all[i], behind) + cost(d, &all[i - 1], after);
        return now - then;
}

/* Moves single spans to where they make the way shorter. */
static bool improve(const struct serpentine_drive *d, struct serpentine_span *all, size_t n)
{
        bool better = false;
        for (size_t i = 1; i < n; i++)
                for (size_t k = 0; k < n; k++) {
                        if (k == i || k + 1 == i || gain(d, all, n, i, k) < 0.001)
                                continue;
                        move(all, i, k < i ? k + 1 : k);
                        better = true;
                        break;
                }
        return better;
}

void serpentine_order(const struct serpentine_drive *d, uint64_t at, struct serpentine_span *spans, size_t n)
{
        g_autofree struct serpentine_span *all = g_new(struct serpentine_span, n + 1);
        all[0] = (struct serpentine_span){ at, at, 0 };
        memcpy(all + 1, spans, n * sizeof(*spans));
        nearest_first(d, all, n + 1);
        for (unsigned pass = 0; n <= IMPROVE_MAX && pass < IMPROVE_PASSES && improve(d, all, n + 1); pass++)
                continue;
        memcpy(spans, all + 1, n * sizeof(*spans));
}

double serpentine_way(
        const struct serpentine_drive *d, uint64_t at, const struct serpentine_span *spans, size_t n)
{
        double seconds = 0;
        for (size_t i = 0; i < n; i++)
                seconds += serpentine_reach(d, i ? spans[i - 1].to : at, spans[i].from);
        return seconds;
}

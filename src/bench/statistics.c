/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "statistics.h"

static int compare(const void *a, const void *b)
{
        const double *x = a, *y = b;
        return (*x > *y) - (*x < *y);
}

/* Sorts. */
static double middle(double *values, size_t n)
{
        if (n == 0)
                return NAN;
        qsort(values, n, sizeof(*values), compare);
        return n % 2 ? values[n / 2] : (values[n / 2 - 1] + values[n / 2]) / 2;
}

double statistics_median(const double *values, size_t n)
{
        g_autofree double *sorted = g_memdup2(values, n * sizeof(*values));
        return middle(sorted, n);
}

double statistics_mad(const double *values, size_t n)
{
        g_autofree double *distances = g_memdup2(values, n * sizeof(*values));
        double median = statistics_median(values, n);
        for (size_t i = 0; i < n; i++)
                distances[i] = fabs(values[i] - median);
        return middle(distances, n);
}

/* The size from which on b costs less and before which it does not, with as few exceptions as possible; the
 * larger one, if there are two. There b does cost less, and at the size before it does not. */
static size_t place_step(const struct statistics_curve *a, const struct statistics_curve *b)
{
        size_t best = a->n, exceptions = 0, fewest;
        for (size_t i = 0; i < a->n; i++)
                exceptions += b->costs[i] < a->costs[i];
        fewest = exceptions;
        for (size_t i = a->n; i > 0; i--) {
                if (b->costs[i - 1] < a->costs[i - 1])
                        exceptions--;
                else
                        exceptions++;
                if (exceptions < fewest) {
                        fewest = exceptions;
                        best = i - 1;
                }
        }
        return best;
}

double statistics_crossover(const struct statistics_curve *a, const struct statistics_curve *b)
{
        size_t i = place_step(a, b);
        if (i == a->n)
                return NAN;
        if (i == 0)
                return a->sizes[0];
        double before = b->costs[i - 1] / a->costs[i - 1], after = b->costs[i] / a->costs[i];
        double x = log2(a->sizes[i - 1]), step = log2(a->sizes[i]) - x;
        return exp2(x + step * (before - 1) / (before - after));
}

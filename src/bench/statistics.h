/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* Figures over samples. No state; any thread. Arrays are of double. NAN: there is no such figure. */
#include <glib.h>
#include <stdbool.h>
#include <stddef.h>

double statistics_median(const double *values, size_t n);
/* Median of the distances from the median: half of the samples lie within. */
double statistics_mad(const double *values, size_t n);

/* A cost by size, sizes ascending. */
struct statistics_curve {
        size_t n;
        const double *sizes, *costs;
};

/* The size from which on b costs less than a: such that as few sizes as possible, disturbed ones, say
 * otherwise. It is interpolated between that size and the one before, the ratio of the costs taken as a line
 * over log2 of the size. Both curves are over the same sizes. The smallest size, if b costs less from there
 * on; NAN, if it never does. */
double statistics_crossover(const struct statistics_curve *a, const struct statistics_curve *b);

/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* What a mount's daemon says of itself: asking, and showing it. */
#include <glib.h>
#include <signal.h>

#include <reelfs/control.h>

struct report;

/* Asks once; take gets each figure. A connection may be asked again. -ECONNRESET: the daemon is gone;
 * -ESHUTDOWN: it closes the volume; -EINTR: a signal came that set *ends (may be NULL: none does). */
int cli_status_ask(Control *c, void (*take)(void *ctx, const char *key, const char *value), void *ctx,
        const volatile sig_atomic_t *ends);
/* Into r, as what it is: a size, a number, a time, or text. */
void cli_report_figure(struct report *r, const char *key, const char *value);

/* Lines for a terminal of this width (columns), which none is wider than: what matters of figures (key ->
 * value), of the mount at mountpoint. No I/O. The caller frees (elements, too). */
GPtrArray *status_screen(GHashTable *figures, const char *mountpoint, unsigned width);
/* "2 h 05 min". The caller frees. */
char *status_duration(uint64_t seconds);
/* "312 MB/s". The caller frees. */
char *status_rate(uint64_t bytes);
/* Text of at most this many columns; what is cut off is marked. The caller frees. */
char *status_fit(const char *text, unsigned width);

/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* A clock for a whole process: time passes when every thread waits, and then at once to the next moment that
 * one waits for. The program is linked so that what its objects call to wait, to lock and to ask for
 * CLOCK_MONOTONIC comes here (see sim_wraps in meson.build). Computing takes no time. A process that waits
 * for nothing at all is aborted. */
#include <stdint.h>

/* ns since the start. */
int64_t sim_now(void);
/* The thread waits until then. */
void sim_until(int64_t ns);

/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* Serves the requests of a session with several threads. */
#include "frontend.h"

/* most: threads at once. */
struct session_loop *session_loop_new(struct frontend *fe, unsigned most);
/* Returns after the unmount, or a signal that ended the session. Negative: the connection to the kernel
 * broke. */
int session_loop_run(struct session_loop *l);
/* Whoever serves a request is going to wait: somebody else is to look for the next one. Does not block. */
void session_loop_promote(struct session_loop *l);
void session_loop_free(struct session_loop *l);

/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* Serves the requests of a session with several threads. */
#include "frontend.h"

/* most: threads at once. From now until session_loop_free HUP, INT and TERM end the session and not the
 * process, unless they are ignored anyway. One at a time in a process. */
struct session_loop *session_loop_new(struct frontend *fe, unsigned most);
/* Returns after the unmount, or a signal that ended the session. Negative: the connection to the kernel
 * broke. */
int session_loop_run(struct session_loop *l);
/* Whoever serves a request is going to wait: somebody else is to look for the next one. Does not block. */
void session_loop_promote(struct session_loop *l);
/* When all is closed. NULL: does nothing. */
void session_loop_free(struct session_loop *l);

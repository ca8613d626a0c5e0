/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* Going into the background: the caller of reelfs waits until its child says that it is usable. One thread.
 */

/* Runs serve in a child process that keeps no file of the caller's, and returns the exit status for the
 * caller: when serve has called background_ready, or has ended before that. In the child, returns serve's
 * exit status. */
int background_run(int (*serve)(void *ctx, int notify_fd), void *ctx);
/* From here on there is no terminal and no working directory, and messages go to syslog. Closes notify_fd. */
void background_ready(int notify_fd);

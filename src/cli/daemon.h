/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* The process that serves a mount. */
#include "mount-options.h"

/* Opens drive and volume and serves them until they are unmounted; returns the exit status. In the foreground
 * this process does it and its messages go on to stderr; otherwise a child does, and this one returns when
 * the mount is usable or has failed. */
int daemon_serve(const struct mount_config *c, bool foreground);

/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* For tests with thousands of cartridges: in memory where possible, since the virtual drive waits for the
 * disk. */
#include <glib.h>
#include <unistd.h>

/* First thing in main. */
static inline void use_memory(void)
{
        if (!g_getenv("TMPDIR") && access("/dev/shm", W_OK) == 0)
                g_setenv("TMPDIR", "/dev/shm", TRUE);
}

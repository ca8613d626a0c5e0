/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <reelfs/control.h>
#include <reelfs/log.h>
#include <reelfs/util.h>

#include "frontend.h"

static int write_setting(const char *path, const char *value)
{
        autofd fd = open(path, O_WRONLY | O_CLOEXEC);
        if (fd < 0)
                return -errno;
        ssize_t n = write(fd, value, strlen(value));
        return n == (ssize_t)strlen(value) ? 0 : n < 0 ? -errno : -EIO;
}

void read_ahead_widen(const char *mountpoint)
{
        struct mount_entry e;
        int r = mount_entry_find(mountpoint, &e);
        if (r == 0) {
                g_autofree char *path = g_strdup_printf(
                        "/sys/class/bdi/%u:%u/read_ahead_kb", major(e.device), minor(e.device));
                g_autofree char *value = g_strdup_printf("%u", REQUEST_MAX >> 10);
                mount_entry_clear(&e);
                r = write_setting(path, value);
        }
        if (r < 0)
                log_debug("%s: the kernel keeps its short read-ahead: %s", mountpoint, strerror(-r));
}

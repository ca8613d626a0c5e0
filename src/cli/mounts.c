/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What unmount, sync, resume and mount do with a reelfs mount that is there. */
#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <inttypes.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <reelfs/log.h>
#include <reelfs/util.h>

#include "cli.h"
#include "progress.h"

int cli_mount_find(const char *path, struct mount_entry *e)
{
        int r = mount_entry_find(path, e);
        if (r < 0) {
                if (r == -ENOENT && access(path, F_OK) == 0)
                        return log_error(r, "%s: nothing is mounted there", path);
                return log_error_errno(r, "%s", path);
        }
        if (strcmp(e->type, "fuse.reelfs") != 0)
                return log_error(-EINVAL, "%s: is a mount of type %s, not one of reelfs", path, e->type);
        return 0;
}

bool cli_mount_is_dead(const struct mount_entry *e)
{
        /* The kernel may have the attributes in its cache, and outlives the daemon with them. A daemon that
         * dies while it is asked has its connection aborted. */
        struct statx st;
        return statx(AT_FDCWD, e->mountpoint, AT_STATX_FORCE_SYNC, STATX_TYPE, &st) < 0 &&
                (errno == ENOTCONN || errno == ECONNABORTED);
}

int cli_unmount(const struct mount_entry *e, int flags)
{
        if (geteuid() != 0)
                return cli_fusermount(e->mountpoint, flags & MNT_DETACH);
        if (umount2(e->mountpoint, flags | UMOUNT_NOFOLLOW) == 0) {
                cli_utab_remove(e->mountpoint);
                return 0;
        }
        int r = -errno;
        if (r == -EBUSY)
                return log_error(r, "%s: is in use; nothing was unmounted", e->mountpoint);
        return log_error_errno(r, "%s: cannot be unmounted", e->mountpoint);
}

static volatile sig_atomic_t interrupted;

static void on_signal(int number)
{
        interrupted = 1;
}

void cli_control_catch_signals(void)
{
        /* No SA_RESTART: the read under way has to return. */
        struct sigaction action = { .sa_handler = on_signal };
        sigaction(SIGINT, &action, NULL);
        sigaction(SIGTERM, &action, NULL);
}

/* "progress DONE TOTAL TEXT" */
static void show_progress(const char *line)
{
        uint64_t done, total;
        int text = 0;
        if (sscanf(line, "progress %" SCNu64 " %" SCNu64 " %n", &done, &total, &text) >= 2 && text > 0)
                progress_show(done, total, line + text);
}

/* "error ERRNO TEXT" */
static int take_error(const char *line, char **reason)
{
        int number = 0, text = 0;
        if (sscanf(line, "error %d %n", &number, &text) < 1 || number <= 0)
                number = EIO;
        if (reason)
                *reason = g_strdup(text > 0 && line[text] ? line + text : strerror(number));
        return -number;
}

int cli_control_wait(Control *c, char **reason)
{
        for (;;) {
                const char *line;
                int r = interrupted ? -EINTR : control_receive(c, &line);
                if (r == -EINTR && !interrupted)
                        continue; /* a stop and a continue */
                if (r == 0 && g_str_has_prefix(line, "progress ")) {
                        show_progress(line);
                        continue;
                }
                if (r == 0 && g_str_has_prefix(line, "error "))
                        r = take_error(line, reason);
                else if (r == 0 && strcmp(line, "ok") != 0)
                        continue; /* something that a newer daemon says */
                progress_clear();
                return r;
        }
}

int cli_enter_namespace(const char *name)
{
        g_autofree char *path = name[0] && strspn(name, "0123456789") == strlen(name)
                ? g_strdup_printf("/proc/%s/ns/mnt", name)
                : g_strdup(name);
        autofd fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd < 0 || setns(fd, CLONE_NEWNS) < 0)
                return log_error_errno(-errno, "%s: cannot enter the mount namespace", path);
        return 0;
}

int cli_connect(const char *path, struct mount_entry *e, Control **ret)
{
        int r = cli_mount_find(path, e);
        if (r < 0)
                return r;
        r = control_connect(e, ret);
        return r < 0 ? log_error_errno(r, "%s: the daemon cannot be reached", e->mountpoint) : 0;
}

int cli_request(const char *path, const char *request)
{
        AUTO_MOUNT_ENTRY e = { 0 };
        Control *c;
        int r = cli_connect(path, &e, &c);
        if (r < 0)
                return r;
        g_autofree char *reason = NULL;
        r = control_send(c, request);
        if (r == 0)
                r = cli_control_wait(c, &reason);
        control_close(c);
        if (reason)
                return log_error(r, "%s: %s", e.mountpoint, reason);
        if (r < 0)
                return log_error(
                        r, "%s: the daemon died; what was not on the tape yet is lost", e.mountpoint);
        return 0;
}

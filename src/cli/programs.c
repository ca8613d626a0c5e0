/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Other programs that mounting and unmounting need. */
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <reelfs/log.h>

#include "cli.h"

/* 0: it ran and was content. */
static int run_program(char *const arguments[], bool quiet)
{
        posix_spawn_file_actions_t actions;
        posix_spawn_file_actions_init(&actions);
        for (int fd = STDOUT_FILENO; quiet && fd <= STDERR_FILENO; fd++)
                posix_spawn_file_actions_addopen(&actions, fd, "/dev/null", O_WRONLY, 0);
        pid_t pid;
        int r = posix_spawnp(&pid, arguments[0], &actions, NULL, arguments, environ);
        posix_spawn_file_actions_destroy(&actions);
        if (r)
                return -r;
        int status;
        while (waitpid(pid, &status, 0) < 0)
                if (errno != EINTR)
                        return -errno;
        return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -ECHILD;
}

int cli_fusermount(const char *mountpoint, bool detach)
{
        char *arguments[] = { "fusermount3", "-u", detach ? "-z" : "--", (char *)mountpoint, NULL };
        int r = run_program(arguments, false);
        if (r < 0 && r != -ECHILD)
                return log_error_errno(r, "cannot run fusermount3");
        return r < 0 ? -EIO : 0;
}

/* libmount, lookup_umount_fs_by_statfs(): for root, umount(8) asks statfs(2) for the type, which is "fuse"
 * and not "fuse.reelfs", unless the mount has options of user space in /run/mount/utab. mount(8) writes them
 * there without touching the mount, as libfuse has it do for mtab. */
void cli_utab_add(const char *source, const char *mountpoint)
{
        char *arguments[] = { "mount", "--fake", "--internal-only", "--no-canonicalize", "-t", "fuse.reelfs",
                "-o", "helper=fuse.reelfs", "--", (char *)source, (char *)mountpoint, NULL };
        if (geteuid() == 0 && run_program(arguments, true) < 0)
                log_debug("%s: umount(8) will not wait until the volume is closed", mountpoint);
}

void cli_utab_remove(const char *mountpoint)
{
        char *arguments[] = { "umount", "--fake", "--internal-only", "--no-canonicalize", "--",
                (char *)mountpoint, NULL };
        if (geteuid() == 0 && run_program(arguments, true) < 0)
                log_debug("%s: is still known to umount(8)", mountpoint);
}

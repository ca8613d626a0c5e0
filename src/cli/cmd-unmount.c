/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <glib.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>

#include <reelfs/log.h>

#include "cli.h"
#include "progress.h"

static int detach_dead(const struct mount_entry *e)
{
        int r = cli_unmount(e, MNT_DETACH);
        if (r < 0)
                return r;
        return log_error(-ENOTCONN,
                "%s: the daemon of %s had died and not closed the volume; mount it to see what it holds",
                e->mountpoint, e->source);
}

/* The daemon says "waiting" once it will tell what becomes of the volume. */
static int announce(Control *c, const struct mount_entry *e)
{
        const char *line = "";
        int r = control_send(c, "wait");
        if (r == 0)
                r = control_receive(c, &line);
        if (r == 0 && strcmp(line, "waiting") != 0)
                r = -EPROTO;
        if (r < 0)
                return log_error_errno(
                        r, "%s: the daemon does not answer; nothing was unmounted", e->mountpoint);
        return 0;
}

static int wait_closed(Control *c, const struct mount_entry *e)
{
        g_autofree char *reason = NULL;
        progress_show(0, 0, "closing the volume");
        int r = cli_control_wait(c, &reason);
        progress_clear();
        if (reason)
                return log_error(r, "%s: %s", e->source, reason);
        if (r == -EINTR)
                return log_error(r,
                        "%s: is still being closed in the background; leave the drive switched on",
                        e->source);
        if (r < 0)
                return log_error(r,
                        "%s: the daemon died and has not closed the volume; mount it to see what it holds",
                        e->source);
        log_debug("%s: is closed", e->source);
        return 0;
}

static int unmount(const char *path, int flags)
{
        AUTO_MOUNT_ENTRY e = { 0 };
        int r = cli_mount_find(path, &e);
        if (r < 0)
                return r;
        Control *c;
        r = control_connect(&e, &c);
        if (r < 0) {
                if (cli_mount_is_dead(&e))
                        return detach_dead(&e);
                return log_error_errno(
                        r, "%s: the daemon cannot be reached; nothing was unmounted", e.mountpoint);
        }
        r = announce(c, &e);
        if (r == 0) {
                cli_control_catch_signals();
                r = cli_unmount(&e, flags);
        }
        /* A detached mount lives on until its last user goes. */
        if (r == 0 && !(flags & MNT_DETACH))
                r = wait_closed(c, &e);
        control_close(c);
        return r;
}

static int run(const struct command *command, int argc, char **argv)
{
        int status;
        if (!command_parse(command, argc, argv, 1, 1, NULL, &status))
                return status;
        return unmount(argv[optind], 0) < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

/* umount(8), EXTERNAL HELPERS: umount.suffix {directory|device} [-flnrv] [-N namespace] [-t type.subtype] */
static int run_helper(const struct command *command, int argc, char **argv)
{
        static const struct option options[] = { LONG_OPTIONS_COMMON, { NULL, 0, NULL, 0 } };
        const char *ns = NULL;
        int option, status, flags = 0;
        while ((option = getopt_long(argc, argv, OPTIONS_COMMON "flnrN:t:", options, NULL)) >= 0) {
                switch (option) {
                case 'f':
                        flags |= MNT_FORCE;
                        break;
                case 'l':
                        flags |= MNT_DETACH;
                        break;
                case 'N':
                        ns = optarg;
                        break;
                case 'n':
                case 'r': /* remounting read-only would not free the drive */
                case 't':
                        break;
                default:
                        if (!command_option(command, option, &status))
                                return status;
                }
        }
        if (!command_arguments(command, argc, 1, 1, &status))
                return status;
        if (ns && cli_enter_namespace(ns) < 0)
                return EXIT_FAILURE;
        return unmount(argv[optind], flags) < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

const struct command command_unmount = {
        .name = "unmount",
        .arguments = "DIRECTORY",
        .summary = "write everything out, close the volume, wait for it",
        .options = "",
        .run = run,
};

const struct command command_umount_helper = {
        .name = "umount",
        .arguments = "DIRECTORY",
        .summary = "helper of umount(8): closes the volume and waits for it",
        .options = "  -f                     break off requests under way (umount -f)\n"
                   "  -l                     detach now and do not wait (umount -l)\n"
                   "  -N NAMESPACE           mount namespace\n"
                   "  -n, -r, -t TYPE        taken and ignored\n",
        .run = run_helper,
};

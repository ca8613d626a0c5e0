/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <glib.h>
#include <stdlib.h>

#include <reelfs/log.h>

#include "cli.h"

static int sync_mount(const char *path)
{
        AUTO_MOUNT_ENTRY e = { 0 };
        int r = cli_mount_find(path, &e);
        if (r < 0)
                return r;
        Control *c;
        r = control_connect(&e, &c);
        if (r < 0)
                return log_error_errno(r, "%s: the daemon cannot be reached", e.mountpoint);
        g_autofree char *reason = NULL;
        r = control_send(c, "sync");
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

static int run(const struct command *command, int argc, char **argv)
{
        int status;
        if (!command_parse(command, argc, argv, 1, 1, NULL, &status))
                return status;
        return sync_mount(argv[optind]) < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

const struct command command_sync = {
        .name = "sync",
        .arguments = "DIRECTORY",
        .summary = "put everything written so far, and an index of it, on the tape",
        .options = "",
        .run = run,
};

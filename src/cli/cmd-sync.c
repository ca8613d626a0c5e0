/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdlib.h>

#include "cli.h"

static int run(const struct command *command, int argc, char **argv)
{
        int status;
        if (!command_parse(command, argc, argv, 1, 1, NULL, &status))
                return status;
        return cli_request(argv[optind], "sync") < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

const struct command command_sync = {
        .name = "sync",
        .arguments = "DIRECTORY",
        .summary = "put everything written so far, and an index of it, on the tape",
        .options = "",
        .run = run,
};

/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdlib.h>

#include "cli.h"

static int run(const struct command *command, int argc, char **argv)
{
        int status;
        if (!command_parse(command, argc, argv, 1, 1, NULL, &status))
                return status;
        return cli_request(argv[optind], "resume") < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

const struct command command_resume = {
        .name = "resume",
        .arguments = "DIRECTORY",
        .summary = "go on writing after a write has failed and its cause is mended",
        .options = "",
        .run = run,
};

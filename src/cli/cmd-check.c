/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <glib.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <reelfs/log.h>

#include "cli.h"

/* fsck(8), EXIT STATUS */
enum { FSCK_GOOD = 0, FSCK_ERRORS_LEFT = 4, FSCK_OPERATIONAL_ERROR = 8, FSCK_USAGE_ERROR = 16 };

static void print_problem(void *ctx, const char *text)
{
        printf("%s: %s\n", (const char *)ctx, text);
}

static int check(const char *address)
{
        Tape *tape;
        if (cli_tape_open(address, true, &tape) < 0)
                return FSCK_OPERATIONAL_ERROR;
        struct volume_problem_sink sink = { .problem = print_problem, .ctx = (void *)address };
        uint64_t problems = 0;
        int r = volume_check(tape, &sink, &problems);
        tape_close(tape);
        if (r < 0)
                return FSCK_OPERATIONAL_ERROR;
        if (problems == 0) {
                printf("%s: no problems found\n", address);
                return FSCK_GOOD;
        }
        printf("%s: %" PRIu64 " problem%s found\n", address, problems, problems == 1 ? "" : "s");
        return FSCK_ERRORS_LEFT;
}

static int run(const struct command *command, int argc, char **argv)
{
        int status;
        if (!command_parse(command, argc, argv, 1, 1, NULL, &status))
                return status;
        return check(argv[optind]);
}

/* fsck(8): "fsck.type supports -a, -n, -p, -y, -C"; nothing is repaired, so that all of them mean the same.
 */
static int run_fsck(const struct command *command, int argc, char **argv)
{
        static const struct option options[] = { LONG_OPTIONS_COMMON, { NULL, 0, NULL, 0 } };
        int option, status;
        while ((option = getopt_long(argc, argv, OPTIONS_COMMON "aAC::fMnNpPrRsTVy", options, NULL)) >= 0)
                if (!strchr("aACfMnNpPrRsTVy", option) && !command_option(command, option, &status))
                        return status;
        if (!command_arguments(command, argc, 1, 1, &status))
                return status;
        return check(argv[optind]);
}

const struct command command_check = {
        .name = "check",
        .arguments = "ADDRESS",
        .summary = "verify labels, index and segments; changes nothing",
        .options = "",
        .run = run,
        .usage_status = FSCK_USAGE_ERROR,
};

const struct command command_fsck = {
        .name = "fsck",
        .arguments = "ADDRESS",
        .summary = "helper of fsck(8): verifies labels, index and segments; changes nothing",
        .options = "  -a, -f, -n, -p, -y, …  what fsck(8) passes; taken and ignored\n",
        .run = run_fsck,
        .usage_status = FSCK_USAGE_ERROR,
};

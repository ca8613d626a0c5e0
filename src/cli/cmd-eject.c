/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdlib.h>

#include <reelfs/log.h>

#include "cli.h"

static int eject(const char *address)
{
        AUTO_MOUNT_ENTRY mount = { 0 };
        if (mount_entry_find(address, &mount) == 0)
                return log_error(-EBUSY, "%s: is mounted; reelfs unmount it first", address);
        Tape *tape;
        int r = cli_tape_open(address, true, &tape);
        if (r < 0)
                return r;
        r = tape_lock_medium(tape, false);
        if (r == 0)
                r = tape_unload(tape);
        tape_close(tape);
        return r;
}

static int run(const struct command *command, int argc, char **argv)
{
        int status;
        if (!command_parse(command, argc, argv, 1, 1, NULL, &status))
                return status;
        return eject(argv[optind]) < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

const struct command command_eject = {
        .name = "eject",
        .arguments = "ADDRESS",
        .summary = "unlock, rewind and unload the tape",
        .options = "",
        .run = run,
};

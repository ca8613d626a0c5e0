/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <glib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <reelfs/devices.h>
#include <reelfs/log.h>
#include <reelfs/util.h>
#include <reelfs/virtual.h>

#include "cli.h"

struct arguments {
        const char *address;
        struct volume_format format;
        uint64_t capacity;
        bool has_capacity;
};

/* A cartridge file that is not there yet is made, as if a new tape were taken off the shelf. */
static int make_cartridge(const struct arguments *a)
{
        /* A device that is missing is not to become a file; but below /dev/shm there are files. */
        bool device = g_str_has_prefix(a->address, "/dev/") && !g_str_has_prefix(a->address, "/dev/shm/");
        g_autoptr(Device) d = NULL;
        if (device || strstr(a->address, "://") || g_str_has_prefix(a->address, DEVICE_SERIAL) ||
                device_of_address("", a->address, &d) == 0)
                return 0;
        if (access(a->address, F_OK) == 0 || errno != ENOENT) {
                if (a->has_capacity)
                        return log_error(
                                -EEXIST, "%s: is there already, and its capacity is fixed", a->address);
                return 0;
        }
        if (device_is_serial(a->address) && !strchr(a->address, '.'))
                log_notice("%s: no drive has this serial number, so it becomes a cartridge file in this "
                           "directory (" DEVICE_SERIAL "%s would be a drive only)",
                        a->address, a->address);
        struct virtual_cartridge cartridge = { .capacity = a->capacity };
        if (a->format.volume_id)
                g_strlcpy(cartridge.barcode, a->format.volume_id, sizeof(cartridge.barcode));
        return virtual_create(a->address, &cartridge);
}

static int format(const struct arguments *a)
{
        int r = make_cartridge(a);
        if (r < 0)
                return r;
        Tape *tape;
        r = cli_tape_open(a->address, false, &tape);
        if (r < 0)
                return r;
        r = volume_format(tape, &a->format);
        struct volume_identity identity;
        if (r == 0)
                r = volume_identify(tape, &identity);
        if (r == 0) {
                g_autofree char *block = format_size(identity.block_length);
                printf("%s: %s, block length %s\n", a->address, identity.description, block);
        }
        int rewound = tape_rewind(tape);
        tape_close(tape);
        return r < 0 ? r : rewound;
}

/* VOL1 has room for six characters (ISO 1001, a-characters less the special ones). */
static bool is_volume_id(const char *text)
{
        return strlen(text) == 6 && strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789") == 6;
}

static int take_block_length(const struct command *command, const char *text, uint32_t *length)
{
        uint64_t bytes;
        if (parse_size(text, &bytes) < 0 || bytes < 512 || bytes > UINT32_MAX)
                return command_usage(command, "--block-length: %s is not a block length", text);
        *length = (uint32_t)bytes;
        return 0;
}

enum { NAME = 256, VOLUME_ID, BLOCK_LENGTH, NO_COMPRESSION, FORCE, CAPACITY };

/* 0, or the exit status of a usage error. */
static int take_option(const struct command *command, int option, struct arguments *a)
{
        int status;
        switch (option) {
        case NAME:
                a->format.name = optarg;
                return 0;
        case VOLUME_ID:
                if (!is_volume_id(optarg))
                        return command_usage(command, "--volume-id: %s is not six of A-Z and 0-9", optarg);
                a->format.volume_id = optarg;
                return 0;
        case BLOCK_LENGTH:
                return take_block_length(command, optarg, &a->format.block_length);
        case NO_COMPRESSION:
                a->format.compression = false;
                return 0;
        case FORCE:
                a->format.force = true;
                return 0;
        case CAPACITY:
                a->has_capacity = true;
                if (parse_size(optarg, &a->capacity) < 0)
                        return command_usage(command, "--capacity: %s is not a size", optarg);
                return 0;
        default:
                return command_option(command, option, &status) ? 0 : status;
        }
}

static int run(const struct command *command, int argc, char **argv)
{
        static const struct option options[] = { LONG_OPTIONS_COMMON,
                { "name", required_argument, NULL, NAME },
                { "volume-id", required_argument, NULL, VOLUME_ID },
                { "barcode", required_argument, NULL, VOLUME_ID },
                { "block-length", required_argument, NULL, BLOCK_LENGTH },
                { "no-compression", no_argument, NULL, NO_COMPRESSION },
                { "force", no_argument, NULL, FORCE }, { "capacity", required_argument, NULL, CAPACITY },
                { NULL, 0, NULL, 0 } };
        struct arguments a = { .format = { .compression = true, .uid = geteuid(), .gid = getegid() } };
        int option, status;
        while ((option = getopt_long(argc, argv, OPTIONS_COMMON, options, NULL)) >= 0) {
                status = take_option(command, option, &a);
                if (status != 0)
                        return status;
                if (option == 'h')
                        return EXIT_SUCCESS;
        }
        if (!command_arguments(command, argc, 1, 1, &status))
                return status;
        a.address = argv[optind];
        return format(&a) < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

const struct command command_format = {
        .name = "format",
        .arguments = "ADDRESS",
        .summary = "make an empty volume on a tape",
        .options = "      --name NAME        name of the volume\n"
                   "      --volume-id ID     barcode: six of A-Z and 0-9 (also --barcode)\n"
                   "      --block-length N   bytes of a logical block, 512K unless said otherwise\n"
                   "      --no-compression   switch the drive's compression off\n"
                   "      --force            overwrite what is on the tape\n"
                   "      --capacity SIZE    of a cartridge file that is made; without it, unlimited\n",
        .run = run,
};

/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <reelfs/log.h>

#include "cli.h"

static const struct command *const commands[] = { &command_format, &command_mount, &command_unmount,
        &command_sync, &command_resume, &command_status, &command_info, &command_list, &command_restore,
        &command_salvage, &command_verify, &command_devices, &command_segments, &command_check,
        &command_eject, &command_drive, &command_bench };

/* What this program is when it is called by another name. */
static const struct {
        const char *program;
        const struct command *command;
} helpers[] = {
        { "mkfs.reelfs", &command_format },
        { "fsck.reelfs", &command_fsck },
        { "mount.reelfs", &command_mount_helper },
        { "mount.fuse.reelfs", &command_mount_helper },
        { "umount.fuse.reelfs", &command_umount_helper },
};

static const char *program = "reelfs";
static bool is_helper;

const char *command_program(void)
{
        return program;
}

static void print_help(void)
{
        printf("Usage: reelfs [-v] COMMAND [OPTION…] ARGUMENT…\n\n"
               "reelfs mounts a SCSI tape as a directory.\n\nCommands:\n");
        for (size_t i = 0; i < G_N_ELEMENTS(commands); i++)
                printf("  %-9s %-18s %s\n", commands[i]->name, commands[i]->arguments, commands[i]->summary);
        printf("\nOptions:\n"
               "  -v, --verbose  say more\n"
               "      --version  print the version\n"
               "  -h, --help     print this; reelfs COMMAND --help says more about a command\n\n"
               "An ADDRESS names a drive: its node (/dev/sgN, /dev/nstN, /dev/bsg/H:C:T:L) or serial "
               "number,\n"
               "iscsi://HOST/TARGET/LUN, or the path of a cartridge file.\n");
}

static void print_command_help(const struct command *command)
{
        printf("Usage: %s%s%s [OPTION…] %s\n\n%s.\n\nOptions:\n%s"
               "  -v, --verbose          say more\n"
               "  -h, --help             print this\n",
                program, is_helper ? "" : " ", is_helper ? "" : command->name, command->arguments,
                command->summary, command->options);
}

bool command_option(const struct command *command, int option, int *status)
{
        switch (option) {
        case 'v':
                log_open(program, true);
                return true;
        case 'h':
                print_command_help(command);
                *status = EXIT_SUCCESS;
                return false;
        default: /* getopt has said what is wrong */
                *status = command->usage_status ? command->usage_status : EXIT_USAGE;
                return false;
        }
}

int command_usage(const struct command *command, const char *format, ...)
{
        va_list ap;
        va_start(ap, format);
        g_autofree char *text = g_strdup_vprintf(format, ap);
        va_end(ap);
        log_message(LOG_ERR, 0, "%s (%s%s%s --help says more)", text, program, is_helper ? "" : " ",
                is_helper ? "" : command->name);
        return command->usage_status ? command->usage_status : EXIT_USAGE;
}

bool command_arguments(const struct command *command, int argc, int min, int max, int *status)
{
        int n = argc - optind;
        if (n >= min && n <= max)
                return true;
        *status = n < min  ? command_usage(command, "an argument is missing: %s", command->arguments)
                : max == 0 ? command_usage(command, "%s: takes no arguments", command->name)
                           : command_usage(command, "too many arguments; it takes %s", command->arguments);
        return false;
}

bool command_generation(const struct command *command, const char *text, uint64_t *generation, int *status)
{
        if (g_ascii_string_to_unsigned(text, 10, 1, INT64_MAX, generation, NULL))
                return true;
        *status = command_usage(command, "--generation %s: not the number of a generation", text);
        return false;
}

bool command_parse(
        const struct command *command, int argc, char **argv, int min, int max, bool *as_json, int *status)
{
        enum { JSON = 256 };
        static const struct option with_json[] = { { "json", no_argument, NULL, JSON }, LONG_OPTIONS_COMMON,
                { NULL, 0, NULL, 0 } };
        const struct option *options = as_json ? with_json : with_json + 1;
        int option;
        while ((option = getopt_long(argc, argv, OPTIONS_COMMON, options, NULL)) >= 0) {
                if (option == JSON)
                        *as_json = true;
                else if (!command_option(command, option, status))
                        return false;
        }
        return command_arguments(command, argc, min, max, status);
}

static const struct command *find_command(const char *name)
{
        for (size_t i = 0; i < G_N_ELEMENTS(commands); i++)
                if (strcmp(commands[i]->name, name) == 0)
                        return commands[i];
        return NULL;
}

static int run_subcommand(int argc, char **argv)
{
        enum { VERSION = 256 };
        static const struct option options[] = { { "help", no_argument, NULL, 'h' },
                { "verbose", no_argument, NULL, 'v' }, { "version", no_argument, NULL, VERSION },
                { NULL, 0, NULL, 0 } };
        int option;
        while ((option = getopt_long(argc, argv, "+hv", options, NULL)) >= 0) {
                switch (option) {
                case 'h':
                        print_help();
                        return EXIT_SUCCESS;
                case VERSION:
                        printf("reelfs %s\n", REELFS_VERSION);
                        return EXIT_SUCCESS;
                case 'v':
                        log_open(program, true);
                        break;
                default:
                        return EXIT_USAGE;
                }
        }
        if (optind == argc) {
                log_message(LOG_ERR, 0, "a command is missing (reelfs --help lists them)");
                return EXIT_USAGE;
        }
        const struct command *command = find_command(argv[optind]);
        if (!command) {
                log_message(LOG_ERR, 0, "%s: no such command (reelfs --help lists them)", argv[optind]);
                return EXIT_USAGE;
        }
        argc -= optind;
        argv += optind;
        /* getopt names argv[0] in its messages, and begins anew at optind 0. */
        argv[0] = (char *)program;
        optind = 0;
        return command->run(command, argc, argv);
}

static int run(int argc, char **argv)
{
        g_autofree char *name = g_path_get_basename(argc > 0 ? argv[0] : program);
        for (size_t i = 0; i < G_N_ELEMENTS(helpers); i++) {
                if (strcmp(helpers[i].program, name) != 0)
                        continue;
                program = helpers[i].program;
                is_helper = true;
                log_open(program, false);
                argv[0] = (char *)program;
                return helpers[i].command->run(helpers[i].command, argc, argv);
        }
        log_open(program, false);
        return run_subcommand(argc, argv);
}

/* What is opened next, a drive or a cartridge, must not become a standard stream that the caller has closed:
 * messages would go there, and a daemon closes these three. Their use still fails. */
static void occupy_standard_streams(void)
{
        static const int modes[] = { O_WRONLY, O_RDONLY, O_RDONLY };
        for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
                if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", modes[fd]) < 0)
                        exit(EXIT_FAILURE);
}

int main(int argc, char **argv)
{
        occupy_standard_streams();
        /* A reader that has seen enough must not leave the drive as it is in the middle of a command. */
        signal(SIGPIPE, SIG_IGN);
        /* A cartridge that must not grow any more is full. */
        signal(SIGXFSZ, SIG_IGN);
        int status = run(argc, argv);
        if ((fflush(stdout) != 0 || ferror(stdout)) && status == EXIT_SUCCESS) {
                if (errno != EPIPE)
                        log_message(LOG_ERR, -errno, "the output could not be written");
                status = EXIT_FAILURE;
        }
        return status;
}

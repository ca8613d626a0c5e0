/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <glib.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include <reelfs/fault.h>
#include <reelfs/log.h>
#include <reelfs/tcmu.h>
#include <reelfs/util.h>
#include <reelfs/virtual.h>

#include "background.h"
#include "cli.h"

#define MAX_BUFFER_MIB 2048

struct arguments {
        const char *cartridge;
        bool read_only;
        bool background;
        char *name;
        struct tcmu_options options;
};

/* The name of the cartridge's file, as far as it may be one of the device. The caller frees. */
static char *default_name(const char *cartridge)
{
        char *name = g_path_get_basename(cartridge);
        g_strcanon(name, G_CSET_A_2_Z G_CSET_a_2_z G_CSET_DIGITS "._-", '-');
        if (name[0] == '.')
                name[0] = '-';
        name[MIN(strlen(name), TCMU_NAME_MAX - 1)] = '\0';
        return name;
}

/* "/dev/sg0 /dev/nst0" */
static void announce(const Tcmu *drive)
{
        struct tcmu_nodes nodes;
        tcmu_get_nodes(drive, &nodes);
        if (!nodes.generic[0])
                log_warning("the kernel has no sg driver: there is no /dev/sgN of the drive");
        if (!nodes.tape[0])
                log_warning("the kernel has no st driver: there is no /dev/nstN of the drive");
        if (nodes.generic[0] || nodes.tape[0])
                printf("%s%s%s\n", nodes.generic, nodes.generic[0] && nodes.tape[0] ? " " : "", nodes.tape);
        fflush(stdout);
}

/* Puts the rules in front of *t, if there are any. */
static int inject(Transport **t, const char *rules, const char *source)
{
        return rules ? fault_wrap(*t, rules, source, t) : 0;
}

/* The virtual drive, and what the kernel gets: with the fault injector in front, if that is wished. */
static int open_drive(const struct arguments *a, Transport **virtual, Transport **ret)
{
        g_autofree char *rules = NULL;
        int r = virtual_open(a->cartridge, a->read_only, virtual);
        if (r < 0)
                return r;
        *ret = *virtual;
        r = virtual_faults(a->cartridge, &rules);
        if (r == 0)
                r = inject(ret, rules, a->cartridge);
        if (r == 0)
                r = inject(ret, getenv(FAULT_ENVIRONMENT), FAULT_ENVIRONMENT);
        if (r < 0)
                transport_close(*ret);
        return r;
}

static int serve_until(const sigset_t *signals, const struct arguments *a, int notify_fd)
{
        Transport *t, *virtual;
        Tcmu *drive = NULL;
        int r = tcmu_prepare();
        if (r == 0)
                r = open_drive(a, &virtual, &t);
        if (r < 0)
                return r;
        struct tcmu_options options = a->options;
        options.reset_target = virtual;
        r = tcmu_start(t, &options, &drive);
        if (r == 0) {
                int number;
                announce(drive);
                if (notify_fd >= 0)
                        background_ready(notify_fd);
                sigwait(signals, &number);
                tcmu_stop(drive);
        }
        transport_close(t);
        return r;
}

/* The memory that the kernel waits for is not to be swapped out, nor is this program. */
static void protect(void)
{
        if (mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT) < 0)
                log_debug("the drive's memory may be swapped out");
}

static int serve(void *ctx, int notify_fd)
{
        const struct arguments *a = ctx;
        sigset_t signals;
        sigemptyset(&signals);
        sigaddset(&signals, SIGINT);
        sigaddset(&signals, SIGTERM);
        sigaddset(&signals, SIGHUP);
        sigprocmask(SIG_BLOCK, &signals, NULL);
        protect();
        return serve_until(&signals, a, notify_fd) < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

enum { NAME = 256, MAX_TRANSFER, BUFFER, READ_ONLY, DAEMON };

static int take_sizes(const struct command *command, int option, struct arguments *a)
{
        uint64_t bytes;
        bool buffer = option == BUFFER;
        uint64_t unit = buffer ? 1 << 20 : 512, most = buffer ? (uint64_t)MAX_BUFFER_MIB << 20 : 8 << 20;
        if (parse_size(optarg, &bytes) < 0 || bytes < unit || bytes > most)
                return command_usage(command, "%s: %s is not a size from %s",
                        buffer ? "--buffer" : "--max-transfer", optarg, buffer ? "1M to 2G" : "512 to 8M");
        if (buffer)
                a->options.buffer_mib = (unsigned)(bytes >> 20);
        else
                a->options.max_transfer = bytes;
        return 0;
}

/* 0, or the exit status of a usage error. */
static int take_option(const struct command *command, int option, struct arguments *a)
{
        int status;
        switch (option) {
        case NAME:
                if (!tcmu_name_is_valid(optarg))
                        return command_usage(command,
                                "--name: %s is not a name of letters, digits, '.', '_' and '-'", optarg);
                g_free(a->name);
                a->name = g_strdup(optarg);
                return 0;
        case MAX_TRANSFER:
        case BUFFER:
                return take_sizes(command, option, a);
        case READ_ONLY:
                a->read_only = true;
                return 0;
        case DAEMON:
                a->background = true;
                return 0;
        default:
                return command_option(command, option, &status) ? 0 : status;
        }
}

static int start(struct arguments *a)
{
        g_autofree char *cartridge = cli_address(a->cartridge);
        g_autofree char *name = a->name ? g_steal_pointer(&a->name) : default_name(cartridge);
        if (access(cartridge, F_OK) < 0 && errno == ENOENT) {
                log_message(LOG_ERR, 0, "%s: no such cartridge; reelfs format makes one", cartridge);
                return EXIT_FAILURE;
        }
        a->cartridge = cartridge;
        a->options.name = name;
        a->options.reset = virtual_reset;
        return a->background ? background_run(serve, a) : serve(a, -1);
}

static int run(const struct command *command, int argc, char **argv)
{
        static const struct option options[] = { LONG_OPTIONS_COMMON,
                { "name", required_argument, NULL, NAME },
                { "max-transfer", required_argument, NULL, MAX_TRANSFER },
                { "buffer", required_argument, NULL, BUFFER }, { "read-only", no_argument, NULL, READ_ONLY },
                { "daemon", no_argument, NULL, DAEMON }, { NULL, 0, NULL, 0 } };
        struct arguments a = { 0 };
        int option, status;
        while ((option = getopt_long(argc, argv, OPTIONS_COMMON, options, NULL)) >= 0) {
                status = take_option(command, option, &a);
                if (status != 0 || option == 'h') {
                        g_free(a.name);
                        return status;
                }
        }
        if (!command_arguments(command, argc, 1, 1, &status)) {
                g_free(a.name);
                return status;
        }
        a.cartridge = argv[optind];
        return start(&a);
}

const struct command command_drive = {
        .name = "drive",
        .arguments = "CARTRIDGE",
        .summary = "make a cartridge a tape drive of this kernel",
        .options = "      --name NAME        of the drive in configfs; without it, the file's name\n"
                   "      --max-transfer SIZE\n"
                   "                         of the largest command, 512 to 8M\n"
                   "      --buffer SIZE      memory shared with the kernel, 1M to 2G; without it, four "
                   "commands' data\n"
                   "      --read-only        the cartridge is write protected\n"
                   "      --daemon           go into the background when the drive is there\n",
        .run = run,
};

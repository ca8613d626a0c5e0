/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <glib.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include <reelfs/log.h>

#include "cli.h"
#include "daemon.h"

/* A daemon that died leaves its mount behind: nobody else can want it. */
static int detach_dead(const struct mount_entry *e)
{
        log_notice("%s: the daemon of %s had died; its mount is taken away", e->mountpoint, e->source);
        return cli_unmount(e, MNT_DETACH);
}

/* The directory to mount at, absolute, free of a mount of ours. The caller frees. */
static int prepare_mountpoint(const char *directory, char **mountpoint)
{
        AUTO_MOUNT_ENTRY e = { 0 };
        while (mount_entry_find(directory, &e) == 0 && g_str_equal(e.type, "fuse.reelfs")) {
                if (!cli_mount_is_dead(&e))
                        return log_error(-EBUSY, "%s: %s is already mounted there", directory, e.source);
                int r = detach_dead(&e);
                if (r < 0)
                        return r;
                mount_entry_clear(&e);
        }
        struct stat st;
        if (stat(directory, &st) < 0)
                return log_error_errno(-errno, "%s: cannot mount there", directory);
        if (!S_ISDIR(st.st_mode))
                return log_error(-ENOTDIR, "%s: cannot mount there: it is not a directory", directory);
        *mountpoint = cli_address(directory);
        return 0;
}

static int mount_volume(struct mount_config *c, const char *address, const char *directory, bool foreground)
{
        g_autofree char *mountpoint = NULL;
        if (prepare_mountpoint(directory, &mountpoint) < 0)
                return EXIT_FAILURE;
        g_autofree char *absolute = cli_address(address);
        c->mount.address = absolute;
        c->mount.mountpoint = mountpoint;
        mount_config_finish(c);
        return daemon_serve(c, foreground);
}

static int add_options(const struct command *command, struct mount_config *c, const char *list)
{
        g_autofree char *problem = NULL;
        if (mount_config_options(c, list, &problem) == 0)
                return 0;
        return command_usage(command, "-o %s", problem);
}

/* Options of `reelfs mount` and, if helper is set, those that mount(8) gives its helpers. */
struct parsed {
        bool helper, foreground, fake;
        const char *namespace;
        struct mount_config config;
};

/* True: go on; false: leave with *status. */
static bool take_option(const struct command *command, int option, struct parsed *p, int *status)
{
        switch (option) {
        case 'o':
                *status = add_options(command, &p->config, optarg);
                return *status == 0;
        case 'f':
                p->foreground = !p->helper;
                p->fake = p->helper;
                return true;
        case 'N':
                p->namespace = optarg;
                return true;
        case 's': /* which mount(8) passes before -o */
                p->config.sloppy = true;
                return true;
        case 'n': /* mtab is a link to /proc */
        case 't':
                return true;
        default:
                return command_option(command, option, status);
        }
}

static int parse_and_mount(const struct command *command, int argc, char **argv, struct parsed *p)
{
        static const struct option options[] = { LONG_OPTIONS_COMMON,
                { "options", required_argument, NULL, 'o' }, { "foreground", no_argument, NULL, 'f' },
                { NULL, 0, NULL, 0 } };
        const char *letters = p->helper ? OPTIONS_COMMON "o:fnst:N:" : OPTIONS_COMMON "o:f";
        int option, status;
        while ((option = getopt_long(argc, argv, letters, options, NULL)) >= 0)
                if (!take_option(command, option, p, &status))
                        return status;
        if (!command_arguments(command, argc, 2, 2, &status))
                return status;
        if (p->fake)
                return EXIT_SUCCESS;
        if (p->namespace && cli_enter_namespace(p->namespace) < 0)
                return EXIT_FAILURE;
        return mount_volume(&p->config, argv[optind], argv[optind + 1], p->foreground);
}

static int run(const struct command *command, int argc, char **argv)
{
        struct parsed p = { .helper = command == &command_mount_helper };
        mount_config_init(&p.config);
        int status = parse_and_mount(command, argc, argv, &p);
        mount_config_clear(&p.config);
        return status;
}

#define MOUNT_OPTIONS                                                                                      \
        "                         ro             read only\n"                                              \
        "                         rollback=N     as it was at generation N, read only\n"                   \
        "                         buffer=SIZE    memory between programs and drive (256M)\n"               \
        "                         pack=SIZE      longer files go to tape before they are closed (1M)\n"    \
        "                         min-rate=SIZE  a second: what the drive streams at (as of its medium)\n" \
        "                         commit=TIME    index at least so often (5m); or close, or unmount\n"     \
        "                         fsync=HOW      commit (an index for each), group (every 10 s), lazy\n"   \
        "                         hash=KIND      of each file: crc32, sha256 as well, or none\n"           \
        "                         noverify       what is read is not compared with its hash\n"             \
        "                         io=WAY         how data moves: auto, direct, mmap or indirect\n"         \
        "                         chap-file=PATH CHAP secret of an iSCSI drive\n"                          \
        "                         runas=USER     who the daemon is, once all is open\n"                    \
        "                         reserve        keep other hosts off the drive (noreserve: do not)\n"     \
        "                         lbp            the drive checks each block by its CRC32C\n"              \
        "                         noallow_other  only for who mounts (allow_other: for all)\n"             \
        "                         nodev, noexec, noatime… as in mount(8)\n"

const struct command command_mount = {
        .name = "mount",
        .arguments = "ADDRESS DIRECTORY",
        .summary = "mount a volume as a directory",
        .options = "  -o, --options LIST     separated by commas:\n" MOUNT_OPTIONS
                   "  -f, --foreground       stay, and write messages to stderr\n",
        .run = run,
};

/* mount(8), EXTERNAL HELPERS: mount.suffix spec dir [-sfnv] [-N namespace] [-o options] [-t type.subtype] */
const struct command command_mount_helper = {
        .name = "mount",
        .arguments = "ADDRESS DIRECTORY",
        .summary = "helper of mount(8): mounts a volume as a directory",
        .options = "  -o LIST                separated by commas:\n" MOUNT_OPTIONS
                   "  -f                     do nothing (mount -f)\n"
                   "  -N NAMESPACE           mount namespace\n"
                   "  -s                     unknown options are ignored\n"
                   "  -n, -t TYPE            taken and ignored\n",
        .run = run,
};

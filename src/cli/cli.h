/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* What the subcommands of reelfs(1) share. Results go to stdout, everything else through the log to stderr.
 * One thread. */
#include <getopt.h>
#include <stdbool.h>
#include <stdint.h>

#include <reelfs/control.h>
#include <reelfs/volume.h>

#define EXIT_USAGE 2 /* beside EXIT_SUCCESS and EXIT_FAILURE */

struct command {
        const char *name;      /* as people call it: "format" */
        const char *arguments; /* "ADDRESS [PATH]" */
        const char *summary;   /* one line */
        const char *options;   /* for --help: one option a line, "  --name TEXT   what it does\n" */
        int (*run)(const struct command *command, int argc, char **argv); /* the exit status */
        int usage_status; /* exit status of a usage error; 0: EXIT_USAGE */
};

extern const struct command command_format, command_mount, command_unmount, command_sync, command_status,
        command_info, command_list, command_restore, command_salvage, command_verify, command_devices,
        command_segments, command_check, command_eject, command_drive, command_bench;
/* Invoked under another name: mount.reelfs, umount.fuse.reelfs and fsck.reelfs have calling conventions of
 * their own. */
extern const struct command command_mount_helper, command_umount_helper, command_fsck;

/* ---- Command line */
#define OPTIONS_COMMON "hv"
#define LONG_OPTIONS_COMMON                       \
        { "help", no_argument, NULL, 'h' },       \
        {                                         \
                "verbose", no_argument, NULL, 'v' \
        }
/* Deals with an option that all commands have, or that none has. True: go on; false: leave with *status. */
bool command_option(const struct command *command, int option, int *status);
/* Says what is wrong with the command line; returns the exit status. */
int command_usage(const struct command *command, const char *format, ...)
        __attribute__((format(printf, 2, 3)));
/* From min to max arguments must follow the options. False: said so, leave with *status. */
bool command_arguments(const struct command *command, int argc, int min, int max, int *status);
/* The number of a generation, from 1. False: said that it is none, leave with *status. */
bool command_generation(const struct command *command, const char *text, uint64_t *generation, int *status);
/* The whole command line of a command without options of its own, but for --json where as_json is not NULL.
 * False: leave with *status; true: the arguments are from argv[optind] on. */
bool command_parse(
        const struct command *command, int argc, char **argv, int min, int max, bool *as_json, int *status);
/* The name of this program in messages and for usage errors: "reelfs", or that of the helper. */
const char *command_program(void);

/* ---- Drives and volumes */
/* Absolute, so that it means the same after chdir and in mountinfo; a serial number stays one. The caller
 * frees. */
char *cli_address(const char *address);
/* The reelfs mount of this drive or cartridge, by whatever address it was mounted. absolute: of cli_address.
 * -ENOENT, not logged: there is none. */
int cli_mount_find_drive(const char *absolute, struct mount_entry *e);
/* Opens the drive that has a tape, unless a reelfs mount uses it. Logs the failure. */
int cli_tape_open(const char *address, bool read_only, Tape **ret);
int cli_tape_open_with(const char *address, const struct transport_options *options, Tape **ret);

struct cli_volume {
        Tape *tape;
        Volume *volume;
        Tree *tree;
};
/* volume_open_with, with a word to who waits. */
int cli_volume_open_on(Tape *tape, const char *address, bool read_only,
        const struct volume_progress *progress, struct cli_volume *v);
/* volume_open_generation, likewise. */
int cli_volume_open_earlier(Tape *tape, const char *address, uint64_t generation, struct cli_volume *v);
/* A volume to look at. On failure *v is empty. */
int cli_volume_open(const char *address, struct cli_volume *v);
/* As it was then; 0: as it is. */
int cli_volume_open_generation(const char *address, uint64_t generation, struct cli_volume *v);
void cli_volume_close(struct cli_volume *v);
#define AUTO_VOLUME __attribute__((cleanup(cli_volume_close))) struct cli_volume

/* Calls entry for each name of the tree with its path, "/" for the root. A negative return ends the walk and
 * is returned. May call tree_visit_xattrs. */
int cli_tree_walk(
        Tree *tree, int (*entry)(void *ctx, const char *path, const struct tree_entry *e), void *ctx);

/* ---- Mounts */
static inline void mount_entry_cleanup(struct mount_entry *e)
{
        mount_entry_clear(e);
}
#define AUTO_MOUNT_ENTRY __attribute__((cleanup(mount_entry_cleanup))) struct mount_entry
/* The reelfs mount at path; says so if there is none. */
int cli_mount_find(const char *path, struct mount_entry *e);
/* Its daemon is gone: nothing but detaching it is possible. */
bool cli_mount_is_dead(const struct mount_entry *e);
/* flags: of umount2(2). Logs the failure. */
int cli_unmount(const struct mount_entry *e, int flags);
/* For those who may not call umount2(2): the setuid helper of FUSE, which says itself what it cannot do. */
int cli_fusermount(const char *mountpoint, bool detach);
/* Makes umount(8) find its helper for this mount, and forget it. */
void cli_utab_add(const char *source, const char *mountpoint);
void cli_utab_remove(const char *mountpoint);
/* Reads answers until the last one, showing progress. *reason (may be NULL): the daemon's text of an error,
 * the caller frees. -ECONNRESET: the daemon ended without one; -EINTR: Ctrl-C or SIGTERM. */
int cli_control_wait(Control *c, char **reason);
/* From now on Ctrl-C and SIGTERM end cli_control_wait instead of the process. */
void cli_control_catch_signals(void);
/* Enters the mount namespace that -N of mount(8) names: a process id or a file. */
int cli_enter_namespace(const char *name);

/* ---- Text */
/* "12,345". The caller frees. */
char *format_count(uint64_t n);
/* Local time, to the second. The caller frees. */
char *format_local_time(int64_t ns);
/* For a terminal: control characters, backslashes and what is not UTF-8 as \ooo. The caller frees. */
char *format_name(const char *name);

/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <glib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <reelfs/log.h>

#include "cli.h"
#include "report.h"
#include "status.h"

/* What the drive wants people to know: being asked, it forgets that. */
static void report_alerts(struct report *r, Tape *tape)
{
        uint64_t flags;
        if (tape_get_alerts(tape, &flags) < 0)
                return;
        GString *text = g_string_new(NULL);
        for (unsigned i = 1; i <= 64; i++)
                if (flags & UINT64_C(1) << (i - 1))
                        g_string_append_printf(
                                text, "%s%u: %s", text->len > 0 ? "; " : "", i, tape_alert_text(i, NULL));
        report_text(r, "alerts", text->len > 0 ? text->str : "none");
        g_string_free(text, TRUE);
}

static void report_drive(
        struct report *r, const char *address, const char *how, Tape *tape, const struct tape_info *info)
{
        report_section(r, "drive");
        report_text(r, "address", address);
        report_text(r, "reached", how);
        report_text(r, "vendor", info->vendor);
        report_text(r, "product", info->product);
        report_text(r, "revision", info->revision);
        if (info->serial[0])
                report_text(r, "serial", info->serial);
        report_size(r, "smallest_block", info->min_block);
        if (info->max_block > 0)
                report_size(r, "largest_block", info->max_block);
        report_size(r, "largest_transfer", info->max_transfer);
        report_bool(r, "fixed_blocks_only", info->fixed_only);
        report_bool(r, "lbp", info->has_protection);
        if (info->reserved) {
                char who[80];
                tape_key_text(info->reserved_key, who, sizeof(who));
                report_text(r, "reserved_by", who);
        }
        report_alerts(r, tape);
        report_section_end(r);
}

/* From the cartridge's memory. */
static void report_memory(struct report *r, Tape *tape)
{
        static const struct {
                const char *key;
                uint16_t id;
        } texts[] = {
                { "serial", ATTRIBUTE_MEDIUM_SERIAL },
                { "barcode", ATTRIBUTE_BARCODE },
        };
        struct tape_attribute a;
        uint64_t reference;
        char text[ATTRIBUTE_VALUE_MAX + 1];
        for (size_t i = 0; i < G_N_ELEMENTS(texts); i++) {
                if (tape_read_attribute(tape, texts[i].id, &a) < 0)
                        continue;
                attribute_get_text(&a, text, sizeof(text));
                report_text(r, texts[i].key, text);
        }
        if (tape_get_change_reference(tape, &reference) == 0)
                report_count(r, "change_reference", reference);
}

static void report_medium(struct report *r, Tape *tape, const struct tape_info *info)
{
        report_section(r, "medium");
        report_bool(r, "loaded", info->loaded);
        if (info->loaded) {
                report_bool(r, "write_protected", info->write_protected);
                report_bool(r, "worm", info->worm);
                report_bool(r, "append_only", info->append_only);
                struct tape_capacity capacity;
                if (tape_get_capacity(tape, &capacity) == 0) {
                        report_size(r, "capacity", capacity.maximum);
                        report_size(r, "remaining", capacity.remaining);
                }
                report_memory(r, tape);
        }
        report_section_end(r);
}

static void report_volume(struct report *r, Volume *volume, Tree *tree)
{
        struct volume_info info;
        volume_get_info(volume, &info);
        struct tree_counts counts;
        tree_get_counts(tree, &counts);
        report_section(r, "volume");
        report_text(r, "name", info.name);
        report_text(r, "uuid", info.uuid);
        if (info.volume_id[0])
                report_text(r, "volume_id", info.volume_id);
        report_text(r, "format", info.format_version);
        report_text(r, "creator", info.creator);
        report_time(r, "formatted", info.format_time);
        report_size(r, "block_length", info.block_length);
        report_bool(r, "compression", info.compression);
        report_count(r, "generation", info.generation);
        report_time(r, "last_index", info.update_time);
        report_count(r, "index_block", info.index_block);
        report_size(r, "index_length", info.index_length);
        report_count(r, "full_index_block", info.full_index_block);
        report_count(r, "incremental_indexes", info.incremental_indexes);
        report_count(r, "segments", info.segments);
        report_count(r, "files", counts.inodes - counts.directories);
        report_count(r, "directories", counts.directories);
        report_size(r, "bytes_in_files", counts.bytes);
        report_section_end(r);
}

/* What is on a tape that is no reelfs volume is an answer, not a failure. */
static int report_content(struct report *r, Tape *tape)
{
        struct volume_identity identity;
        int error = volume_identify(tape, &identity);
        if (error < 0)
                return error;
        if (identity.content != VOLUME_REELFS) {
                report_section(r, "content");
                report_text(r, "found", identity.description);
                report_section_end(r);
                return 0;
        }
        Volume *volume;
        Tree *tree;
        error = volume_open(tape, true, &volume, &tree);
        if (error < 0)
                return error;
        report_volume(r, volume, tree);
        volume_close(volume);
        tree_free(tree);
        return 0;
}

static int info_drive(const char *address, enum transport_io io, struct report *r)
{
        g_autofree char *absolute = cli_address(address);
        AUTO_MOUNT_ENTRY mount = { 0 };
        if (cli_mount_find_drive(absolute, &mount) == 0 && !cli_mount_is_dead(&mount))
                return log_error(
                        -EBUSY, "%s: is mounted; reelfs info %s says more", address, mount.mountpoint);
        Transport *transport;
        /* Not read-only: the drive would then say that the tape is write protected. */
        int error = transport_open_with(absolute, &(struct transport_options){ .io = io }, &transport);
        if (error < 0)
                return error;
        g_autofree char *how = transport_describe(transport);
        Tape *tape;
        error = tape_open(transport, address, &tape);
        if (error < 0)
                return error;
        struct tape_info info;
        tape_get_info(tape, &info);
        report_begin(r);
        report_drive(r, absolute, how ? how : "", tape, &info);
        report_medium(r, tape, &info);
        if (info.loaded)
                error = report_content(r, tape);
        report_end(r);
        tape_close(tape);
        return error;
}

static void take_figure(void *ctx, const char *key, const char *value)
{
        cli_report_figure(ctx, key, value);
}

static int info_mount(const char *path, struct report *r)
{
        AUTO_MOUNT_ENTRY e = { 0 };
        int error = cli_mount_find(path, &e);
        if (error < 0)
                return error;
        Control *c;
        error = control_connect(&e, &c);
        if (error < 0)
                return log_error_errno(error, "%s: the daemon cannot be reached", e.mountpoint);
        report_begin(r);
        report_section(r, "mount");
        report_text(r, "directory", e.mountpoint);
        error = cli_status_ask(c, take_figure, r, NULL);
        report_section_end(r);
        report_end(r);
        control_close(c);
        if (error < 0)
                return log_error_errno(error, "%s: the daemon does not answer", e.mountpoint);
        return 0;
}

/* A directory is a mount; a dead one cannot be asked what it is. */
static bool is_directory(const char *path)
{
        struct stat st;
        return stat(path, &st) == 0 ? S_ISDIR(st.st_mode) : errno == ENOTCONN;
}

static int run(const struct command *command, int argc, char **argv)
{
        enum { JSON = 256, IO };
        static const struct option options[] = { { "json", no_argument, NULL, JSON },
                { "io", required_argument, NULL, IO }, LONG_OPTIONS_COMMON, { NULL, 0, NULL, 0 } };
        struct report report = { 0 };
        enum transport_io io = TRANSPORT_IO_AUTO;
        int option, status;
        while ((option = getopt_long(argc, argv, OPTIONS_COMMON, options, NULL)) >= 0) {
                if (option == JSON)
                        report.as_json = true;
                else if (option == IO && transport_io_parse(optarg, &io) < 0)
                        return command_usage(
                                command, "--io: %s: auto, direct, mmap and indirect are known", optarg);
                else if (option != IO && !command_option(command, option, &status))
                        return status;
        }
        if (!command_arguments(command, argc, 1, 1, &status))
                return status;
        const char *what = argv[optind];
        int r = is_directory(what) ? info_mount(what, &report) : info_drive(what, io, &report);
        return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

const struct command command_info = {
        .name = "info",
        .arguments = "ADDRESS|DIRECTORY",
        .summary = "say what drive, tape and volume are",
        .options = "      --io WAY           how data is to move: auto, direct, mmap or indirect\n"
                   "      --json             machine-readable\n",
        .run = run,
};

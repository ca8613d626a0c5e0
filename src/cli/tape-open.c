/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <glib.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <reelfs/devices.h>
#include <reelfs/log.h>

#include "cli.h"
#include "wait-note.h"

char *cli_address(const char *address)
{
        if (strstr(address, "://") || device_is_serial(address))
                return g_strdup(address);
        char resolved[PATH_MAX];
        if (realpath(address, resolved))
                return g_strdup(resolved);
        return g_canonicalize_filename(address, NULL);
}

static bool match_drive(const struct mount_entry *e, const char *id)
{
        g_autoptr(Device) d = NULL;
        return device_of_address("", e->source, &d) == 0 && strcmp(d->id, id) == 0;
}

int cli_mount_find_drive(const char *absolute, struct mount_entry *e)
{
        g_autoptr(Device) d = NULL;
        int r = mount_entry_find_source(absolute, e);
        if (r == -ENOENT && device_of_address("", absolute, &d) == 0)
                r = mount_entry_find_by(match_drive, d->id, e);
        return r;
}

int cli_tape_open(const char *address, bool read_only, Tape **ret)
{
        return cli_tape_open_with(address, &(struct transport_options){ .read_only = read_only }, ret);
}

int cli_tape_open_with(const char *address, const struct transport_options *options, Tape **ret)
{
        g_autofree char *absolute = cli_address(address);
        AUTO_MOUNT_ENTRY mount = { 0 };
        if (cli_mount_find_drive(absolute, &mount) == 0 && !cli_mount_is_dead(&mount))
                return log_error(-EBUSY, "%s: is mounted at %s", address, mount.mountpoint);
        Transport *transport;
        int r = transport_open_with(absolute, options, &transport);
        if (r < 0)
                return r;
        Tape *tape;
        r = tape_open(transport, address, &tape);
        if (r < 0)
                return r;
        struct tape_info info;
        tape_get_info(tape, &info);
        if (!info.loaded) {
                tape_close(tape);
                return log_error(-ENOMEDIUM, "%s: no tape in the drive; load one and try again", address);
        }
        *ret = tape;
        return 0;
}

static struct wait_note *note_winding(const char *address)
{
        return wait_note_begin(
                "%s: winding to the end of the data, where the index is; that may take minutes", address);
}

int cli_volume_open_earlier(Tape *tape, const char *address, uint64_t generation, struct cli_volume *v)
{
        struct wait_note *note = note_winding(address);
        int r = volume_open_generation(tape, generation, &v->volume, &v->tree);
        wait_note_end(note);
        return r;
}

int cli_volume_open_on(Tape *tape, const char *address, bool read_only,
        const struct volume_progress *progress, struct cli_volume *v)
{
        struct wait_note *note = note_winding(address);
        int r = volume_open_with(tape, read_only, progress, &v->volume, &v->tree);
        wait_note_end(note);
        return r;
}

int cli_volume_open(const char *address, struct cli_volume *v)
{
        return cli_volume_open_generation(address, 0, v);
}

int cli_volume_open_generation(const char *address, uint64_t generation, struct cli_volume *v)
{
        *v = (struct cli_volume){ 0 };
        int r = cli_tape_open(address, true, &v->tape);
        if (r == 0)
                r = generation > 0 ? cli_volume_open_earlier(v->tape, address, generation, v)
                                   : cli_volume_open_on(v->tape, address, true, NULL, v);
        if (r < 0)
                cli_volume_close(v);
        return r;
}

void cli_volume_close(struct cli_volume *v)
{
        if (v->volume) {
                volume_close(v->volume);
                tree_free(v->tree);
        }
        tape_close(v->tape);
        *v = (struct cli_volume){ 0 };
}

struct walk {
        GString *path; /* of the entry; "" for the root */
        int (*entry)(void *ctx, const char *path, const struct tree_entry *e);
        void *ctx;
};

static void walk_up(struct walk *w)
{
        const char *slash = strrchr(w->path->str, '/');
        g_string_truncate(w->path, slash ? (gsize)(slash - w->path->str) : 0);
}

static int walk_enter(void *ctx, const struct tree_entry *e)
{
        struct walk *w = ctx;
        if (e->name[0] != '\0') {
                g_string_append_c(w->path, '/');
                g_string_append(w->path, e->name);
        }
        int r = w->entry(w->ctx, w->path->len > 0 ? w->path->str : "/", e);
        if ((e->attr.mode & S_IFMT) != S_IFDIR)
                walk_up(w);
        return r;
}

static int walk_leave(void *ctx, const struct tree_entry *e)
{
        walk_up(ctx);
        return 0;
}

int cli_tree_walk(
        Tree *tree, int (*entry)(void *ctx, const char *path, const struct tree_entry *e), void *ctx)
{
        static const struct tree_visitor visitor = { .enter = walk_enter, .leave = walk_leave };
        struct walk w = { .path = g_string_new(NULL), .entry = entry, .ctx = ctx };
        int r = tree_walk(tree, &visitor, &w);
        g_string_free(w.path, TRUE);
        return r;
}

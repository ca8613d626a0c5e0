/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <reelfs/log.h>
#include <reelfs/util.h>

#include "background.h"
#include "cli.h"
#include "daemon.h"
#include "progress.h"

#define REDRAW_NS INT64_C(200000000)
#define TELL_NS INT64_C(30000000000) /* where nobody looks */

struct daemon {
        const struct mount_config *config;
        struct cli_volume v;
        int notify_fd; /* a byte written here: the mount is usable; -1: in the foreground */
        int64_t drawn, told;
};

/* "ARCHIVE01 (generation 7, 12,345 files) is mounted at /mnt/tape" */
static void announce(const struct daemon *d)
{
        struct volume_info info;
        volume_get_info(d->v.volume, &info);
        struct tree_counts counts;
        tree_get_counts(d->v.tree, &counts);
        uint64_t n = counts.inodes - counts.directories;
        g_autofree char *files = format_count(n);
        g_autofree char *name = info.name[0] ? format_name(info.name) : g_strdup(d->config->mount.address);
        printf("%s (generation %" PRIu64 ", %s file%s) is mounted %sat %s\n", name, info.generation, files,
                n == 1 ? "" : "s", info.read_only ? "read-only " : "", d->config->mount.mountpoint);
        fflush(stdout);
}

static void on_ready(void *ctx)
{
        struct daemon *d = ctx;
        cli_utab_add(d->config->mount.address, d->config->mount.mountpoint);
        announce(d);
        if (d->notify_fd >= 0)
                background_ready(d->notify_fd);
}

/* Unless something else is mounted there already, while this volume was being closed. */
static void forget_mount(const char *mountpoint)
{
        AUTO_MOUNT_ENTRY e = { 0 };
        if (mount_entry_find(mountpoint, &e) == -ENOENT)
                cli_utab_remove(mountpoint);
}

/* The drive writes its own directory of the tape when it rewinds. The tree is freed later: somebody waits for
 * the drive, and a large one takes a while. */
static int on_close(void *ctx)
{
        struct daemon *d = ctx;
        int r = tape_rewind(d->v.tape);
        volume_close(g_steal_pointer(&d->v.volume));
        tape_close(g_steal_pointer(&d->v.tape));
        forget_mount(d->config->mount.mountpoint);
        return r;
}

/* What is in the pool is not yet on the tape: the kernel shall neither kill us for memory nor make us wait
 * for memory that only we could free. Both need privileges, and are only for the better. */
static void protect(void)
{
        autofd fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
        if (fd < 0 || write(fd, "-900", 4) < 0)
                log_debug("the kernel may kill this process when memory is short");
        if (prctl(PR_SET_IO_FLUSHER, 1, 0, 0, 0) < 0)
                log_debug("the kernel does not know this process as one that writes out data");
}

/* A volume that was not closed is read on, and gets an index. */
static void report_recovery(void *ctx, uint64_t done, uint64_t total)
{
        struct daemon *d = ctx;
        int64_t now = monotonic_ns();
        if (done >= total) {
                progress_clear();
        } else if (now - d->drawn >= REDRAW_NS) {
                progress_show(
                        done, total, "the volume was not closed: recovering what follows its last index");
                d->drawn = now;
        }
        if (now - d->told < TELL_NS)
                return;
        if (!isatty(STDERR_FILENO))
                log_notice("%s: recovering what follows the last index: %u%% is done",
                        d->config->mount.address,
                        (unsigned)(total ? 100.0 * (double)done / (double)total : 0));
        d->told = now;
}

static int open_volume(struct daemon *d)
{
        const struct volume_progress progress = { report_recovery, d };
        d->told = monotonic_ns();
        const struct mount_options *o = &d->config->mount;
        int r = o->lbp ? tape_set_protection(d->v.tape, true) : 0;
        if (r == -EOPNOTSUPP)
                log_message(LOG_ERR, 0,
                        "%s: the drive has no logical block protection with CRC32C; mount it without the "
                        "option lbp",
                        o->address);
        if (r == 0 && o->generation > 0)
                r = cli_volume_open_earlier(d->v.tape, o->address, o->generation, &d->v);
        else if (r == 0)
                r = cli_volume_open_on(d->v.tape, o->address, o->read_only, &progress, &d->v);
        progress_clear();
        return r;
}

static int serve(struct daemon *d)
{
        static const struct mount_hooks hooks = { on_ready, on_close };
        const struct mount_options *options = &d->config->mount;
        protect();
        const struct transport_options how = {
                .read_only = options->read_only, .io = options->io, .tell_copy = true
        };
        int r = cli_tape_open_with(options->address, &how, &d->v.tape);
        if (r == 0 && options->reserve)
                r = tape_reserve(d->v.tape, true);
        if (r < 0) {
                cli_volume_close(&d->v);
                return r;
        }
        tape_report_alerts(d->v.tape);
        r = tape_lock_medium(d->v.tape, true);
        if (r == 0)
                r = open_volume(d);
        if (r == 0)
                r = mount_serve(d->v.volume, d->v.tree, options, &hooks, d);
        else
                on_close(d);
        tree_free(d->v.tree);
        return r;
}

static int serve_in_background(void *ctx, int notify_fd)
{
        struct daemon *d = ctx;
        d->notify_fd = notify_fd;
        return serve(d) < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

int daemon_serve(const struct mount_config *c, bool foreground)
{
        struct daemon d = { .config = c, .notify_fd = -1 };
        if (!foreground)
                return background_run(serve_in_background, &d);
        return serve(&d) < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

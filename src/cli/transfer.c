/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <inttypes.h>

#include <reelfs/log.h>
#include <reelfs/util.h>

#include "cli.h"
#include "progress.h"
#include "transfer.h"

#define REDRAW_NS INT64_C(200000000)

double transfer_seconds(const struct transfer *t)
{
        return (double)(monotonic_ns() - t->began) / 1e9;
}

static void draw(const struct transfer *t, const struct restore_progress *p)
{
        double seconds = transfer_seconds(t);
        double rate = seconds > 0 ? (double)p->bytes / seconds : 0;
        uint64_t left = rate > 0 ? (uint64_t)((double)(p->total_bytes - p->bytes) / rate) : 0;
        g_autofree char *bytes = format_size(p->bytes), *total = format_size(p->total_bytes),
                        *files = format_count(p->files);
        g_autofree char *text = g_strdup_printf(
                "%s of %s, %.0f MB/s, %" PRIu64 ":%02" PRIu64 ":%02" PRIu64 " left, %s file%s", bytes, total,
                rate / 1e6, left / 3600, left / 60 % 60, left % 60, files, p->files == 1 ? "" : "s");
        progress_show(p->bytes, p->total_bytes, text);
}

void transfer_begin(struct transfer *t, bool quiet)
{
        *t = (struct transfer){ .quiet = quiet, .began = monotonic_ns() };
        sigemptyset(&t->signals);
        sigaddset(&t->signals, SIGINT);
        sigaddset(&t->signals, SIGTERM);
        sigaddset(&t->signals, SIGHUP);
        sigprocmask(SIG_BLOCK, &t->signals, NULL);
}

bool transfer_report(struct transfer *t, const struct restore_progress *p)
{
        int64_t now = monotonic_ns();
        if (!t->quiet && now - t->drawn >= REDRAW_NS) {
                draw(t, p);
                t->drawn = now;
        }
        return sigtimedwait(&t->signals, NULL, &(struct timespec){ 0 }) < 0;
}

int transfer_open_target(const char *path)
{
        if (g_mkdir_with_parents(path, 0755) < 0)
                return log_error_errno(-errno, "%s: cannot be made", path);
        int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        return fd < 0 ? log_error_errno(-errno, "%s", path) : fd;
}

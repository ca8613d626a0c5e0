/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <glib.h>
#include <stdlib.h>
#include <string.h>

#include "report.h"
#include "status.h"

static void report_flag(struct report *r, const char *key, uint64_t value)
{
        report_bool(r, key, value != 0);
}

static void report_errno(struct report *r, const char *key, uint64_t value)
{
        report_text(r, key, value ? strerror((int)value) : "none");
}

static void report_ns(struct report *r, const char *key, uint64_t value)
{
        report_time(r, key, (int64_t)value);
}

static void report_rate(struct report *r, const char *key, uint64_t value)
{
        g_autofree char *text = status_rate(value);
        if (r->as_json)
                report_count(r, key, value);
        else
                report_text(r, key, text);
}

/* How the daemon's figures are meant; what is not here is text. */
static const struct {
        const char *key;
        void (*report)(struct report *r, const char *key, uint64_t value);
} figures[] = {
        { "pool", report_size },
        { "pool_used", report_size },
        { "pool_pinned", report_flag },
        { "received_in_place", report_size },
        { "received_copied", report_size },
        { "received_through_pages", report_size },
        { "maps_direct", report_flag },
        { "max_write", report_size },
        { "workers", report_count },
        { "dirty", report_size },
        { "written", report_size },
        { "write_rate", report_rate },
        { "write_rate_mean", report_rate },
        { "read", report_size },
        { "read_rate", report_rate },
        { "read_rate_mean", report_rate },
        { "stops", report_count },
        { "commits", report_count },
        { "seconds_since_commit", report_count },
        { "files_since_commit", report_count },
        { "bytes_since_commit", report_size },
        { "seconds_until_full", report_count },
        { "capacity", report_size },
        { "remaining", report_size },
        { "open_files", report_count },
        { "queued_reads", report_count },
        { "read_only", report_flag },
        { "reserved", report_flag },
        { "error", report_errno },
        { "formatted", report_ns },
        { "generation", report_count },
        { "last_index", report_ns },
        { "index_block", report_count },
        { "index_length", report_size },
        { "segments", report_count },
        { "block_length", report_size },
        { "files", report_count },
        { "directories", report_count },
        { "names", report_count },
        { "bytes_in_files", report_size },
        { "tree_memory", report_size },
};

void cli_report_figure(struct report *r, const char *key, const char *value)
{
        for (size_t i = 0; i < G_N_ELEMENTS(figures); i++) {
                if (strcmp(figures[i].key, key) == 0) {
                        figures[i].report(r, key, g_ascii_strtoull(value, NULL, 10));
                        return;
                }
        }
        report_text(r, key, value);
}

int cli_status_ask(Control *c, void (*take)(void *ctx, const char *key, const char *value), void *ctx,
        const volatile sig_atomic_t *ends)
{
        int error = control_send(c, "status");
        while (error == 0) {
                const char *line;
                error = control_receive(c, &line);
                if (error == -EINTR && !(ends && *ends)) {
                        error = 0;
                        continue;
                }
                if (error < 0 || strcmp(line, "ok") == 0)
                        break;
                if (g_str_has_prefix(line, "error "))
                        return -atoi(line + strlen("error "));
                const char *equals = strchr(line, '=');
                if (!equals)
                        continue;
                g_autofree char *key = g_strndup(line, (gsize)(equals - line));
                take(ctx, key, equals + 1);
        }
        return error;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <glib.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include <reelfs/log.h>

/* Set once at start, before there are threads, and again when the daemon detaches. */
static struct {
        const char *program;
        atomic_bool verbose, to_syslog;
        void (*sink)(void *ctx, int priority, const char *text);
        void *sink_ctx;
} state = { .program = "reelfs" };

void log_open(const char *program, bool verbose)
{
        state.program = program;
        atomic_store(&state.verbose, verbose);
}

void log_to_syslog(void)
{
        openlog(state.program, LOG_PID, LOG_DAEMON);
        atomic_store(&state.to_syslog, true);
}

bool log_is_verbose(void)
{
        return atomic_load(&state.verbose);
}

void log_set_sink(void (*sink)(void *ctx, int priority, const char *text), void *ctx)
{
        state.sink_ctx = ctx;
        state.sink = sink;
}

void log_message(int priority, int error, const char *format, ...)
{
        if (priority == LOG_DEBUG && !log_is_verbose())
                return;
        va_list ap;
        va_start(ap, format);
        g_autofree char *message = g_strdup_vprintf(format, ap);
        va_end(ap);
        g_autofree char *text =
                error ? g_strdup_printf("%s: %s", message, strerror(-error)) : g_steal_pointer(&message);
        if (state.sink)
                state.sink(state.sink_ctx, priority, text);
        else if (atomic_load(&state.to_syslog))
                syslog(priority, "%s", text);
        else
                fprintf(stderr, "%s: %s\n", state.program, text);
}

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

/* Names of files are in it, and may be anything: none of them begins a line of its own, or speaks to the
 * terminal. C1 control characters are two bytes in UTF-8. */
static char *printable(const char *text)
{
        GString *s = g_string_new(NULL);
        for (const unsigned char *p = (const unsigned char *)text; *p; p++) {
                bool c1 = p[0] == 0xc2 && p[1] >= 0x80 && p[1] < 0xa0;
                if (!c1 && *p >= ' ' && *p != 0x7f) {
                        g_string_append_c(s, (char)*p);
                        continue;
                }
                g_string_append_printf(s, "\\%03o", *p);
                if (c1)
                        g_string_append_printf(s, "\\%03o", *++p);
        }
        return g_string_free(s, FALSE);
}

void log_message(int priority, int error, const char *format, ...)
{
        if (priority == LOG_DEBUG && !log_is_verbose())
                return;
        va_list ap;
        va_start(ap, format);
        g_autofree char *message = g_strdup_vprintf(format, ap);
        va_end(ap);
        g_autofree char *whole =
                error ? g_strdup_printf("%s: %s", message, strerror(-error)) : g_steal_pointer(&message);
        g_autofree char *text = printable(whole);
        if (state.sink)
                state.sink(state.sink_ctx, priority, text);
        else if (atomic_load(&state.to_syslog))
                syslog(priority, "%s", text);
        else
                fprintf(stderr, "%s: %s\n", state.program, text);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* Messages for people: to stderr until the daemon has detached, to syslog then. All functions: any thread.
 *
 * A message says what happened, to which tape or file, and what to do now; it has no newline and no program
 * name (both are added here). Log once, where the cause is known; callers pass the error on. Functions that
 * return int return the error they were given, so that `return log_error(-EIO, ...)` works. */
#include <stdbool.h>
#include <stddef.h>
#include <syslog.h>

/* program must outlive the process's use of the log (a literal). verbose: debug messages too (-v). */
void log_open(const char *program, bool verbose);
/* From now on to syslog(3), facility daemon; stderr is used no more. */
void log_to_syslog(void);
bool log_is_verbose(void);

/* priority: LOG_ERR, LOG_WARNING, LOG_NOTICE, LOG_INFO, LOG_DEBUG of syslog.h. error: 0, or a negative errno
 * whose text is appended after a colon. Control characters become \ooo. */
void log_message(int priority, int error, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* Message as it stands; returns error. */
#define log_error(error, ...) (log_message(LOG_ERR, 0, __VA_ARGS__), (error))
/* Message, a colon and strerror(-error); returns error. */
#define log_error_errno(error, ...) (log_message(LOG_ERR, (error), __VA_ARGS__), (error))
#define log_warning(...) log_message(LOG_WARNING, 0, __VA_ARGS__)
#define log_notice(...) log_message(LOG_NOTICE, 0, __VA_ARGS__)
#define log_info(...) log_message(LOG_INFO, 0, __VA_ARGS__)
#define log_debug(...) log_message(LOG_DEBUG, 0, __VA_ARGS__)

/* Tests: every message goes to sink (ctx, priority, text) instead; NULL restores. */
void log_set_sink(void (*sink)(void *ctx, int priority, const char *text), void *ctx);

/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include <reelfs/log.h>
#include <reelfs/util.h>

#include "cli.h"
#include "report.h"
#include "status.h"

#define WATCH_DEFAULT 1

struct arguments {
        bool as_json, watch;
        uint64_t interval; /* seconds */
};

static volatile sig_atomic_t ends, suspends, resized;

static void on_signal(int signal)
{
        if (signal == SIGTSTP)
                suspends = 1;
        else if (signal == SIGWINCH)
                resized = 1;
        else
                ends = 1;
}

/* ---- The terminal */

struct terminal {
        bool is_screen, has_keys; /* stdout, stdin are one */
        struct termios keys;
};

static void terminal_enter(const struct terminal *t)
{
        if (t->has_keys) {
                struct termios raw = t->keys;
                raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
                tcsetattr(STDIN_FILENO, TCSANOW, &raw);
        }
        if (t->is_screen) /* the other screen, without a cursor */
                fputs("\033[?1049h\033[?25l", stdout);
}

static void terminal_leave(const struct terminal *t)
{
        if (t->is_screen)
                fputs("\033[?25h\033[?1049l", stdout);
        fflush(stdout);
        if (t->has_keys)
                tcsetattr(STDIN_FILENO, TCSANOW, &t->keys);
}

static void terminal_open(struct terminal *t, bool as_json)
{
        t->is_screen = !as_json && isatty(STDOUT_FILENO);
        t->has_keys = t->is_screen && tcgetpgrp(STDIN_FILENO) == getpgrp() &&
                tcgetattr(STDIN_FILENO, &t->keys) == 0;
        struct sigaction action = { .sa_handler = on_signal };
        static const int signals[] = { SIGINT, SIGTERM, SIGHUP, SIGWINCH, SIGTSTP };
        for (size_t i = 0; i < G_N_ELEMENTS(signals); i++)
                if (t->is_screen || signals[i] == SIGINT || signals[i] == SIGTERM)
                        sigaction(signals[i], &action, NULL);
        terminal_enter(t);
}

static void suspend(const struct terminal *t)
{
        suspends = 0;
        terminal_leave(t);
        raise(SIGSTOP);
        terminal_enter(t);
        resized = 1;
}

static void terminal_size(unsigned *width, unsigned *height)
{
        struct winsize size;
        *width = *height = UINT_MAX;
        if (!isatty(STDOUT_FILENO))
                return;
        bool known = ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 && size.ws_row > 0;
        *width = known ? size.ws_col : 80;
        *height = known ? size.ws_row : 24;
}

/* Waits for a key; signals end that, also if they came just before. -1: there was none. */
static int wait_key(const struct terminal *t, int64_t ns)
{
        struct pollfd fd = { t->has_keys ? STDIN_FILENO : -1, POLLIN, 0 };
        struct timespec ts = { ns / 1000000000, ns % 1000000000 };
        sigset_t all, before;
        sigfillset(&all);
        sigprocmask(SIG_BLOCK, &all, &before);
        int n = ends || suspends ? -1 : ppoll(&fd, 1, &ts, &before);
        sigprocmask(SIG_SETMASK, &before, NULL);
        unsigned char key;
        if (n <= 0)
                return -1;
        return read(STDIN_FILENO, &key, 1) == 1 ? key : 'q';
}

/* False: q was pressed, or a signal ends it all. */
static bool terminal_wait(const struct terminal *t, int64_t until)
{
        resized = 0;
        while (!ends && !resized) {
                int64_t left = until - monotonic_ns();
                if (left <= 0)
                        return true;
                int key = wait_key(t, left);
                if (suspends)
                        suspend(t);
                if (key == 'q' || key == 'Q')
                        return false;
        }
        return !ends;
}

/* ---- Showing */

static void take(void *figures, const char *key, const char *value)
{
        g_hash_table_replace(figures, g_strdup(key), g_strdup(value));
}

static void show_json(GHashTable *figures, const char *mountpoint)
{
        struct report r = { .as_json = true };
        report_begin(&r);
        report_text(&r, "directory", mountpoint);
        g_autoptr(GList) keys = g_list_sort(g_hash_table_get_keys(figures), (GCompareFunc)strcmp);
        for (GList *l = keys; l; l = l->next)
                cli_report_figure(&r, l->data, g_hash_table_lookup(figures, l->data));
        report_end(&r);
}

static void show_lines(GPtrArray *lines)
{
        for (guint i = 0; i < lines->len; i++)
                puts(g_ptr_array_index(lines, i));
}

/* Redrawn in place; the last line says what can be done, where there is room for it. */
static void show_screen(GPtrArray *lines, const struct terminal *t, unsigned width, unsigned height)
{
        fputs("\033[H", stdout);
        for (guint i = 0; i < MIN(lines->len, height); i++)
                printf("%s%s\033[K", i ? "\n" : "", (char *)g_ptr_array_index(lines, i));
        fputs("\033[J", stdout);
        if (height > lines->len + 1) {
                g_autofree char *hint = status_fit(t->has_keys ? "q: quit" : "Ctrl-C: quit", width);
                printf("\033[%u;1H%s", height, hint);
        }
}

static void show(
        GHashTable *figures, const char *mountpoint, const struct arguments *a, const struct terminal *t)
{
        if (a->as_json) {
                show_json(figures, mountpoint);
        } else {
                unsigned width, height;
                terminal_size(&width, &height);
                g_autoptr(GPtrArray) lines = status_screen(figures, mountpoint, width);
                if (t)
                        show_screen(lines, t, width, height);
                else
                        show_lines(lines);
        }
        fflush(stdout);
}

static GHashTable *figures_new(void)
{
        return g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
}

static int show_once(Control *c, const char *mountpoint, const struct arguments *a)
{
        g_autoptr(GHashTable) figures = figures_new();
        int r = cli_status_ask(c, take, figures, NULL);
        if (r == 0)
                show(figures, mountpoint, a, NULL);
        return r;
}

/* Until the user has seen enough (0), or the daemon does not answer. */
static int watch(Control *c, const char *mountpoint, const struct arguments *a)
{
        struct terminal t = { 0 };
        terminal_open(&t, a->as_json);
        g_autoptr(GHashTable) last = NULL;
        int r = 0;
        for (bool again = true; again && r == 0 && !ferror(stdout);) {
                int64_t until = monotonic_ns() + (int64_t)a->interval * 1000000000;
                g_autoptr(GHashTable) figures = figures_new();
                r = cli_status_ask(c, take, figures, &ends);
                if (r < 0)
                        break;
                if (last && !t.is_screen && !a->as_json)
                        putchar('\n');
                show(figures, mountpoint, a, t.is_screen ? &t : NULL);
                g_clear_pointer(&last, g_hash_table_unref);
                last = g_steal_pointer(&figures);
                again = terminal_wait(&t, until);
        }
        terminal_leave(&t);
        if (t.is_screen && last) /* what was seen last stays */
                show(last, mountpoint, a, NULL);
        return r == -EINTR ? 0 : r;
}

/* The daemon is gone, or is about to: because of an unmount? */
static bool is_closed(const struct mount_entry *e, int error)
{
        AUTO_MOUNT_ENTRY now = { 0 };
        return error == -ESHUTDOWN ||
                (error == -ECONNRESET &&
                        (mount_entry_find(e->mountpoint, &now) < 0 || now.device != e->device));
}

static int status_of(const char *path, const struct arguments *a)
{
        AUTO_MOUNT_ENTRY e = { 0 };
        Control *c;
        int r = cli_connect(path, &e, &c);
        if (r < 0)
                return r;
        r = a->watch ? watch(c, e.mountpoint, a) : show_once(c, e.mountpoint, a);
        control_close(c);
        if (r < 0 && is_closed(&e, r)) {
                g_autofree char *name = format_name(e.mountpoint);
                log_message(LOG_NOTICE, 0, "%s: has been unmounted", name);
                return a->watch ? 0 : r;
        }
        if (r < 0)
                return log_error_errno(r, "%s: the daemon does not answer", e.mountpoint);
        return 0;
}

static int run(const struct command *command, int argc, char **argv)
{
        enum { JSON = 256, WATCH };
        static const struct option options[] = { { "json", no_argument, NULL, JSON },
                { "watch", optional_argument, NULL, WATCH }, LONG_OPTIONS_COMMON, { NULL, 0, NULL, 0 } };
        struct arguments a = { .interval = WATCH_DEFAULT };
        int option, status;
        while ((option = getopt_long(argc, argv, OPTIONS_COMMON, options, NULL)) >= 0) {
                if (option == JSON) {
                        a.as_json = true;
                } else if (option == WATCH) {
                        a.watch = true;
                        if (optarg && (parse_seconds(optarg, &a.interval) < 0 || a.interval == 0))
                                return command_usage(
                                        command, "--watch=%s: seconds, at least 1, are wanted", optarg);
                } else if (!command_option(command, option, &status)) {
                        return status;
                }
        }
        if (!command_arguments(command, argc, 1, 1, &status))
                return status;
        return status_of(argv[optind], &a) < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

const struct command command_status = {
        .name = "status",
        .arguments = "DIRECTORY",
        .summary = "say what a mount is doing: rates, memory, what is not on the tape yet, room",
        .options = "      --watch[=SECONDS]  again and again, until q or Ctrl-C\n"
                   "      --json             machine-readable\n",
        .run = run,
};

/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <glib.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "cli.h"
#include "progress.h"

#define BAR_MAX 40
#define PERCENT_WIDTH 8 /* "[] 100% " */

static bool shown;

static unsigned terminal_width(void)
{
        struct winsize size;
        if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) < 0 || size.ws_col == 0)
                return 80;
        return size.ws_col;
}

void progress_show(uint64_t done, uint64_t total, const char *text)
{
        if (!isatty(STDERR_FILENO))
                return;
        double part = total > 0 ? MIN(1.0, (double)done / (double)total) : 0;
        unsigned width = terminal_width();
        unsigned bar = width > 2 * PERCENT_WIDTH ? MIN(BAR_MAX, (width - PERCENT_WIDTH) / 2) : 0;
        unsigned full = (unsigned)(part * bar);
        char marks[BAR_MAX + 1];
        memset(marks, ' ', sizeof(marks));
        memset(marks, '#', full);
        g_autofree char *name = format_name(text);
        g_autofree char *line =
                g_strdup_printf("[%.*s] %3u%% %s", (int)bar, marks, (unsigned)(part * 100), name);
        g_autofree char *cut = g_utf8_substring(line, 0, MIN(g_utf8_strlen(line, -1), (glong)width - 1));
        fprintf(stderr, "\r%s\033[K", cut);
        fflush(stderr);
        shown = true;
}

void progress_clear(void)
{
        if (shown)
                fputs("\r\033[K", stderr);
        shown = false;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <reelfs/log.h>
#include <reelfs/util.h>

#include "background.h"

void background_ready(int notify_fd)
{
        setsid();
        if (chdir("/") < 0)
                log_debug("the working directory stays in use");
        log_to_syslog();
        autofd null = open("/dev/null", O_RDWR | O_CLOEXEC);
        for (int fd = STDIN_FILENO; null >= 0 && fd <= STDERR_FILENO; fd++)
                dup2(null, fd);
        if (write(notify_fd, "", 1) < 0)
                log_debug("the process that started this one is gone");
        close(notify_fd);
}

/* Nothing that the caller had open, a pipe to a terminal or a lock, is held by what goes on in the
 * background. */
static void close_inherited(int *keep)
{
        enum { KEPT = 3 };
        if (*keep != KEPT) {
                dup3(*keep, KEPT, O_CLOEXEC);
                *keep = KEPT;
        }
        close_range(KEPT + 1, ~0U, 0);
}

/* The child's exit status; it ended before it was usable. */
static int child_status(pid_t child)
{
        int status;
        while (waitpid(child, &status, 0) < 0)
                if (errno != EINTR)
                        return EXIT_FAILURE;
        if (WIFEXITED(status))
                return WEXITSTATUS(status) ? WEXITSTATUS(status) : EXIT_FAILURE;
        log_message(LOG_ERR, 0, "the daemon died by signal %d (%s) before it was usable", WTERMSIG(status),
                strsignal(WTERMSIG(status)));
        return EXIT_FAILURE;
}

int background_run(int (*serve)(void *ctx, int notify_fd), void *ctx)
{
        int pipe_fds[2];
        if (pipe2(pipe_fds, O_CLOEXEC) < 0) {
                log_message(LOG_ERR, -errno, "cannot make a pipe");
                return EXIT_FAILURE;
        }
        autofd ready = pipe_fds[0];
        autofd notify = pipe_fds[1];
        fflush(NULL);
        pid_t child = fork();
        if (child < 0) {
                log_message(LOG_ERR, -errno, "cannot start the daemon");
                return EXIT_FAILURE;
        }
        if (child == 0) {
                close_fd(&ready);
                int notify_fd = notify;
                notify = -1;
                close_inherited(&notify_fd);
                return serve(ctx, notify_fd);
        }
        close_fd(&notify);
        char byte;
        ssize_t n;
        while ((n = read(ready, &byte, 1)) < 0 && errno == EINTR)
                ;
        return n == 1 ? EXIT_SUCCESS : child_status(child);
}

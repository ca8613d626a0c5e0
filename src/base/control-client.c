/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <reelfs/control.h>
#include <reelfs/util.h>

#include "control-socket.h"

struct Control {
        int fd;
        size_t begin, end; /* what is in buffer and not yet given out */
        char buffer[CONTROL_LINE_MAX];
};

static int connect_path(const char *path, uid_t owner, Control *c)
{
        struct sockaddr_un address;
        int r = control_socket_address(path, &address);
        if (r < 0)
                return r;
        autofd fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
                return -errno;
        uid_t uid;
        r = control_peer(fd, &uid);
        if (r < 0)
                return r;
        /* Anyone can put a socket below /tmp. */
        if (uid != owner && uid != 0)
                return -EPERM;
        c->fd = fd;
        fd = -1;
        return 0;
}

int control_connect(const struct mount_entry *e, Control **ret)
{
        g_auto(GStrv) paths = control_socket_candidates(e->device, e->owner);
        g_autofree Control *c = g_new0(Control, 1);
        int error = -ENOENT;
        for (char **path = paths; *path; path++) {
                int r = connect_path(*path, e->owner, c);
                if (r == 0) {
                        *ret = g_steal_pointer(&c);
                        return 0;
                }
                if (r != -ENOENT)
                        error = r;
        }
        return error;
}

int control_send(Control *c, const char *line)
{
        g_autofree char *text = g_strconcat(line, "\n", NULL);
        int r = control_send_all(c->fd, text, strlen(text), 0);
        return r == -EPIPE ? -ECONNRESET : r;
}

/* Reads more; -ECONNRESET at the end of the connection. */
static int fill(Control *c)
{
        if (c->begin > 0) {
                memmove(c->buffer, c->buffer + c->begin, c->end - c->begin);
                c->end -= c->begin;
                c->begin = 0;
        }
        if (c->end == sizeof(c->buffer))
                return -EPROTO;
        ssize_t n = recv(c->fd, c->buffer + c->end, sizeof(c->buffer) - c->end, 0);
        if (n < 0)
                return -errno;
        if (n == 0)
                return -ECONNRESET;
        c->end += (size_t)n;
        return 0;
}

int control_receive(Control *c, const char **line)
{
        for (;;) {
                char *start = c->buffer + c->begin;
                char *newline = memchr(start, '\n', c->end - c->begin);
                if (newline) {
                        *newline = '\0';
                        c->begin = (size_t)(newline + 1 - c->buffer);
                        *line = start;
                        return 0;
                }
                int r = fill(c);
                if (r < 0)
                        return r;
        }
}

void control_close(Control *c)
{
        if (!c)
                return;
        close_fd(&c->fd);
        g_free(c);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <glib.h>
#include <linux/sockios.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>

#include <reelfs/control.h>
#include <reelfs/log.h>
#include <reelfs/util.h>

#include "control-socket.h"

#define CLIENTS_MAX 64
#define REPLY_TIMEOUT_S 10 /* a client that does not read for so long is dropped */

struct ControlClient {
        ControlServer *server;
        pthread_t thread;
        int fd;         /* closed by whoever joined the thread */
        bool listening; /* gets broadcasts; server->lock */
        bool finished;  /* the thread may be joined; server->lock */
};

struct ControlServer {
        bool (*request)(void *ctx, ControlClient *client, const char *line);
        void *ctx;
        int fd;
        char *path;
        struct stat socket; /* of path when it was made: another daemon may have replaced it since */
        pthread_t thread;

        pthread_mutex_t lock; /* guards what follows; innermost */
        GPtrArray *clients;   /* ControlClient */
        char *last; /* the last broadcast, for a client whose "wait" comes at the very end; or NULL */
};

/* A line of its own: what people's texts contain must not end it. The caller frees. */
static char *format_line(const char *format, va_list ap)
{
        char *line = g_strdup_vprintf(format, ap);
        size_t length = strlen(line);
        if (length > CONTROL_LINE_MAX - 1)
                line[CONTROL_LINE_MAX - 1] = '\0';
        g_strdelimit(line, "\n", ' ');
        char *text = g_strconcat(line, "\n", NULL);
        g_free(line);
        return text;
}

/* Takes one line from the client. 0 at the end of the connection. */
static size_t read_line(int fd, char *line, size_t size)
{
        size_t used = 0;
        while (used < size - 1) {
                ssize_t n = recv(fd, line + used, 1, 0);
                if (n < 0 && errno == EINTR)
                        continue;
                if (n <= 0)
                        return 0;
                if (line[used] == '\n') {
                        line[used] = '\0';
                        return used + 1;
                }
                used++;
        }
        return 0;
}

/* Progress may be lost on a client that does not read; what comes last always finds room, since progress
 * takes no more than half of it. server->lock is held. */
static void broadcast_to(ControlClient *client, const char *line)
{
        int queued = 0, room = 0;
        socklen_t length = sizeof(room);
        if (g_str_has_prefix(line, "progress ") && ioctl(client->fd, SIOCOUTQ, &queued) == 0 &&
                getsockopt(client->fd, SOL_SOCKET, SO_SNDBUF, &room, &length) == 0 && queued > room / 2)
                return;
        if (control_send_all(client->fd, line, strlen(line), MSG_DONTWAIT) < 0)
                shutdown(client->fd, SHUT_RDWR);
}

static void *client_main(void *arg)
{
        ControlClient *client = arg;
        ControlServer *s = client->server;
        char line[CONTROL_LINE_MAX];
        while (read_line(client->fd, line, sizeof(line)) > 0) {
                if (!s->request(s->ctx, client, line))
                        continue;
                pthread_mutex_lock(&s->lock);
                client->listening = true;
                if (s->last)
                        broadcast_to(client, s->last);
                pthread_mutex_unlock(&s->lock);
        }
        pthread_mutex_lock(&s->lock);
        client->listening = false;
        client->finished = true;
        shutdown(client->fd, SHUT_RDWR);
        pthread_mutex_unlock(&s->lock);
        return NULL;
}

static void client_free(ControlClient *client)
{
        pthread_join(client->thread, NULL);
        close_fd(&client->fd);
        g_free(client);
}

static void reap(ControlServer *s)
{
        g_autoptr(GPtrArray) finished = g_ptr_array_new();
        pthread_mutex_lock(&s->lock);
        for (guint i = s->clients->len; i > 0; i--) {
                ControlClient *client = s->clients->pdata[i - 1];
                if (client->finished)
                        g_ptr_array_add(finished, g_ptr_array_remove_index_fast(s->clients, i - 1));
        }
        pthread_mutex_unlock(&s->lock);
        for (guint i = 0; i < finished->len; i++)
                client_free(finished->pdata[i]);
}

static void refuse(int fd, int error)
{
        g_autofree char *line = g_strdup_printf("error %d %s\n", error, strerror(error));
        control_send_all(fd, line, strlen(line), MSG_DONTWAIT);
}

static void serve(ControlServer *s, int *fd)
{
        uid_t uid;
        if (control_peer(*fd, &uid) < 0 || (uid != 0 && uid != geteuid())) {
                refuse(*fd, EPERM);
                return;
        }
        struct timeval timeout = { .tv_sec = REPLY_TIMEOUT_S };
        setsockopt(*fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout));
        ControlClient *client = g_new0(ControlClient, 1);
        client->server = s;
        client->fd = *fd;
        pthread_mutex_lock(&s->lock);
        bool room = s->clients->len < CLIENTS_MAX;
        int r = room ? pthread_create(&client->thread, NULL, client_main, client) : EAGAIN;
        if (r == 0)
                g_ptr_array_add(s->clients, client);
        pthread_mutex_unlock(&s->lock);
        if (r) {
                refuse(*fd, r);
                g_free(client);
                return;
        }
        *fd = -1;
}

static void *accept_main(void *arg)
{
        ControlServer *s = arg;
        for (;;) {
                autofd fd = accept4(s->fd, NULL, NULL, SOCK_CLOEXEC);
                if (fd >= 0) {
                        reap(s);
                        serve(s, &fd);
                } else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
                        g_usleep(G_USEC_PER_SEC / 10); /* the connection stays pending meanwhile */
                } else if (errno != EINTR && errno != ECONNABORTED) {
                        return NULL; /* shut down by control_server_free */
                }
        }
}

/* The socket's directory, which nobody else can write to. */
static int make_directory(const char *socket_path)
{
        g_autofree char *directory = g_path_get_dirname(socket_path);
        struct stat st;
        if (mkdir(directory, 0700) < 0 && errno != EEXIST)
                return log_error_errno(-errno, "%s: cannot create", directory);
        if (lstat(directory, &st) < 0)
                return log_error_errno(-errno, "%s", directory);
        if (!S_ISDIR(st.st_mode) || st.st_uid != geteuid() || (st.st_mode & (S_IWGRP | S_IWOTH)))
                return log_error(
                        -EPERM, "%s: belongs to somebody else, no control socket is put there", directory);
        return 0;
}

/* Under a name of its own first: whatever was at path, a dead daemon's or one that is just ending, is
 * replaced at once and never missing. */
static int listen_at(const char *path, int *fd, struct stat *made)
{
        g_autofree char *temporary = g_strdup_printf("%s.%d", path, (int)getpid());
        struct sockaddr_un address;
        int r = control_socket_address(temporary, &address);
        if (r < 0)
                return r;
        autofd s = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (s < 0)
                return -errno;
        unlink(temporary);
        if (bind(s, (struct sockaddr *)&address, sizeof(address)) < 0)
                return -errno;
        if (chmod(temporary, 0600) < 0 || listen(s, 16) < 0 || lstat(temporary, made) < 0 ||
                rename(temporary, path) < 0) {
                r = -errno;
                unlink(temporary);
                return r;
        }
        *fd = s;
        s = -1;
        return 0;
}

/* Signals are for the daemon's other threads. */
static int start_thread(ControlServer *s)
{
        sigset_t all, before;
        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, &before);
        int r = pthread_create(&s->thread, NULL, accept_main, s);
        pthread_sigmask(SIG_SETMASK, &before, NULL);
        return -r;
}

static void remove_socket(ControlServer *s)
{
        struct stat st;
        if (lstat(s->path, &st) == 0 && st.st_dev == s->socket.st_dev && st.st_ino == s->socket.st_ino)
                unlink(s->path);
}

static void server_release(ControlServer *s)
{
        remove_socket(s);
        close_fd(&s->fd);
        pthread_mutex_destroy(&s->lock);
        g_ptr_array_free(s->clients, TRUE);
        g_free(s->last);
        g_free(s->path);
        g_free(s);
}

int control_server_new(const char *socket_path,
        bool (*request)(void *ctx, ControlClient *client, const char *line), void *ctx, ControlServer **ret)
{
        struct stat made;
        int fd = -1, r = make_directory(socket_path);
        if (r < 0)
                return r;
        r = listen_at(socket_path, &fd, &made);
        if (r < 0)
                return log_error_errno(r, "%s: cannot make the control socket", socket_path);
        ControlServer *s = g_new0(ControlServer, 1);
        *s = (ControlServer){ .request = request,
                .ctx = ctx,
                .fd = fd,
                .path = g_strdup(socket_path),
                .socket = made,
                .clients = g_ptr_array_new() };
        pthread_mutex_init(&s->lock, NULL);
        r = start_thread(s);
        if (r < 0) {
                server_release(s);
                return log_error_errno(r, "%s: cannot start a thread", socket_path);
        }
        *ret = s;
        return 0;
}

void control_server_reply(ControlClient *client, const char *format, ...)
{
        va_list ap;
        va_start(ap, format);
        g_autofree char *line = format_line(format, ap);
        va_end(ap);
        if (control_send_all(client->fd, line, strlen(line), 0) < 0)
                shutdown(client->fd, SHUT_RDWR);
}

void control_server_broadcast(ControlServer *s, const char *format, ...)
{
        va_list ap;
        va_start(ap, format);
        g_autofree char *line = format_line(format, ap);
        va_end(ap);
        pthread_mutex_lock(&s->lock);
        for (guint i = 0; i < s->clients->len; i++) {
                ControlClient *client = s->clients->pdata[i];
                if (client->listening)
                        broadcast_to(client, line);
        }
        g_free(s->last);
        s->last = g_steal_pointer(&line);
        pthread_mutex_unlock(&s->lock);
}

/* Clients are not cut off: reading ends, a request under way is answered, and what was sent stays readable.
 */
void control_server_free(ControlServer *s)
{
        if (!s)
                return;
        shutdown(s->fd, SHUT_RDWR);
        pthread_join(s->thread, NULL);
        for (guint i = 0; i < s->clients->len; i++) {
                ControlClient *client = s->clients->pdata[i];
                shutdown(client->fd, SHUT_RD);
                client_free(client);
        }
        server_release(s);
}

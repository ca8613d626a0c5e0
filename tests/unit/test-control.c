/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <glib/gstdio.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <reelfs/control.h>
#include <reelfs/log.h>
#include <reelfs/util.h>

#define NOBODY 65534

/* A server at the place where clients look for the mount e; a device number that no mount has. */
struct fixture {
        struct mount_entry e;
        char *path;
        ControlServer *server;
        atomic_int requests;
        atomic_bool hold; /* "sync" is answered when this is cleared */
};

static bool serve(void *ctx, ControlClient *client, const char *line)
{
        struct fixture *f = ctx;
        atomic_fetch_add(&f->requests, 1);
        if (strcmp(line, "wait") == 0) {
                control_server_reply(client, "waiting");
                return true;
        }
        if (strcmp(line, "sync") == 0) {
                while (atomic_load(&f->hold))
                        g_usleep(1000);
                control_server_reply(client, "progress 1 2 two\nlines");
                control_server_reply(client, "ok");
        } else if (strcmp(line, "status") == 0) {
                for (int i = 0; i < 1000; i++)
                        control_server_reply(client, "key%d=%d", i, i * i);
                control_server_reply(client, "ok");
        } else {
                control_server_reply(client, "error %d %s", EINVAL, "no such request");
        }
        return false;
}

static void set_up(struct fixture *f, gconstpointer data)
{
        memset(f, 0, sizeof(*f));
        f->e.device = makedev(0, 900000 + (unsigned)getpid() % 100000);
        f->e.owner = geteuid();
        f->path = control_socket_path(f->e.device, f->e.owner);
        g_assert_cmpint(control_server_new(f->path, serve, f, &f->server), ==, 0);
}

static void tear_down(struct fixture *f, gconstpointer data)
{
        control_server_free(f->server);
        g_assert_false(g_file_test(f->path, G_FILE_TEST_EXISTS));
        g_free(f->path);
}

static Control *connect_to(struct fixture *f)
{
        Control *c = NULL;
        g_assert_cmpint(control_connect(&f->e, &c), ==, 0);
        return c;
}

static void assert_line(Control *c, const char *expected)
{
        const char *line = NULL;
        g_assert_cmpint(control_receive(c, &line), ==, 0);
        g_assert_cmpstr(line, ==, expected);
}

static void test_round_trip(struct fixture *f, gconstpointer data)
{
        Control *c = connect_to(f);
        g_assert_cmpint(control_send(c, "sync"), ==, 0);
        assert_line(c, "progress 1 2 two lines");
        assert_line(c, "ok");
        g_assert_cmpint(control_send(c, "nonsense"), ==, 0);
        assert_line(c, "error 22 no such request");
        g_assert_cmpint(control_send(c, "status"), ==, 0);
        for (int i = 0; i < 1000; i++) {
                g_autofree char *expected = g_strdup_printf("key%d=%d", i, i * i);
                assert_line(c, expected);
        }
        assert_line(c, "ok");
        control_close(c);
}

static void test_mode(struct fixture *f, gconstpointer data)
{
        struct stat st;
        g_assert_cmpint(lstat(f->path, &st), ==, 0);
        g_assert_true(S_ISSOCK(st.st_mode));
        g_assert_cmpuint(st.st_mode & 07777, ==, 0600);
}

static void test_broadcast(struct fixture *f, gconstpointer data)
{
        Control *waiting[3], *other = connect_to(f);
        for (int i = 0; i < 3; i++) {
                waiting[i] = connect_to(f);
                control_send(waiting[i], "wait");
                assert_line(waiting[i], "waiting");
        }
        control_server_broadcast(f->server, "progress %d %d %s", 1, 10, "writing the index");
        control_server_broadcast(f->server, "ok");
        control_send(other, "sync");
        assert_line(other, "progress 1 2 two lines"); /* and nothing of what was broadcast */
        for (int i = 0; i < 3; i++) {
                const char *line;
                do
                        g_assert_cmpint(control_receive(waiting[i], &line), ==, 0);
                while (g_str_has_prefix(line, "progress"));
                g_assert_cmpstr(line, ==, "ok");
                control_close(waiting[i]);
        }
        control_close(other);
}

/* The daemon's last word also reaches a client whose "wait" comes after it. */
static void test_late_wait(struct fixture *f, gconstpointer data)
{
        control_server_broadcast(f->server, "error %d %s", EIO, "the tape is full of holes");
        Control *c = connect_to(f);
        control_send(c, "wait");
        assert_line(c, "waiting");
        assert_line(c, "error 5 the tape is full of holes");
        control_close(c);
}

/* A client that reads nothing loses progress, but not the end, and holds up nobody. */
static void test_slow_client(struct fixture *f, gconstpointer data)
{
        Control *slow = connect_to(f), *quick = connect_to(f);
        control_send(slow, "wait");
        control_send(quick, "wait");
        assert_line(slow, "waiting");
        assert_line(quick, "waiting");
        int64_t start = monotonic_ns();
        for (int i = 0; i < 20000; i++)
                control_server_broadcast(f->server, "progress %d 20000 %s", i, "writing the index");
        control_server_broadcast(f->server, "ok");
        g_assert_cmpint(monotonic_ns() - start, <, INT64_C(10) * 1000000000);
        Control *both[] = { slow, quick };
        for (int i = 0; i < 2; i++) {
                const char *line;
                int received = 0;
                do {
                        g_assert_cmpint(control_receive(both[i], &line), ==, 0);
                        received++;
                } while (strcmp(line, "ok") != 0);
                g_assert_cmpint(received, >, 1);
                g_assert_cmpint(received, <, 20000);
                control_close(both[i]);
        }
}

static void test_client_leaves(struct fixture *f, gconstpointer data)
{
        atomic_store(&f->hold, true);
        for (int i = 0; i < 10; i++) {
                Control *c = connect_to(f);
                control_send(c, i % 2 ? "sync" : "wait");
                control_close(c);
        }
        while (atomic_load(&f->requests) < 10)
                g_usleep(1000);
        control_server_broadcast(f->server, "ok");
        atomic_store(&f->hold, false);
        Control *c = connect_to(f);
        control_send(c, "status");
        assert_line(c, "key0=0");
        control_close(c);
}

static void test_long_line(struct fixture *f, gconstpointer data)
{
        Control *c = connect_to(f);
        g_autofree char *line = g_strnfill(100000, 'x');
        control_send(c, line);
        const char *answer;
        g_assert_cmpint(control_receive(c, &answer), ==, -ECONNRESET);
        g_assert_cmpint(atomic_load(&f->requests), ==, 0);
        control_close(c);
}

static void *release_later(void *arg)
{
        struct fixture *f = arg;
        g_usleep(50000);
        atomic_store(&f->hold, false);
        return NULL;
}

/* A request under way is answered although the daemon ends. */
static void test_end_during_request(struct fixture *f, gconstpointer data)
{
        atomic_store(&f->hold, true);
        Control *c = connect_to(f);
        control_send(c, "sync");
        while (atomic_load(&f->requests) == 0)
                g_usleep(1000);
        pthread_t thread;
        pthread_create(&thread, NULL, release_later, f);
        control_server_free(f->server);
        pthread_join(thread, NULL);
        assert_line(c, "progress 1 2 two lines");
        assert_line(c, "ok");
        const char *line;
        g_assert_cmpint(control_receive(c, &line), ==, -ECONNRESET);
        g_assert_cmpint(control_send(c, "sync"), ==, -ECONNRESET);
        control_close(c);
        g_assert_cmpint(control_server_new(f->path, serve, f, &f->server), ==, 0);
}

/* A later daemon takes the place of one that is just ending, and keeps it. */
static void test_replaced(struct fixture *f, gconstpointer data)
{
        Control *first = connect_to(f);
        control_send(first, "wait");
        assert_line(first, "waiting");
        ControlServer *second;
        g_assert_cmpint(control_server_new(f->path, serve, f, &second), ==, 0);
        control_server_broadcast(f->server, "ok");
        assert_line(first, "ok");
        control_server_free(f->server);
        f->server = second;
        Control *c = connect_to(f);
        control_send(c, "wait");
        assert_line(c, "waiting");
        control_close(c);
        control_close(first);
}

static void test_stale_socket(void)
{
        struct fixture f = { .e.device = makedev(0, 899999), .e.owner = geteuid() };
        f.path = control_socket_path(f.e.device, f.e.owner);
        Control *c = NULL;
        unlink(f.path);
        g_assert_cmpint(control_connect(&f.e, &c), ==, -ENOENT);
        g_assert_cmpint(control_server_new(f.path, serve, &f, &f.server), ==, 0);
        control_server_free(f.server);
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        g_strlcpy(address.sun_path, f.path, sizeof(address.sun_path));
        int fd = socket(AF_UNIX, SOCK_STREAM, 0);
        g_assert_cmpint(bind(fd, (struct sockaddr *)&address, sizeof(address)), ==, 0);
        close(fd);
        g_assert_cmpint(control_connect(&f.e, &c), ==, -ECONNREFUSED);
        g_assert_cmpint(control_server_new(f.path, serve, &f, &f.server), ==, 0);
        g_assert_cmpint(control_connect(&f.e, &c), ==, 0);
        control_close(c);
        control_server_free(f.server);
        g_free(f.path);
}

/* Exit status of body, run by a process of user nobody. */
static int run_as_nobody(int (*body)(struct fixture *f), struct fixture *f)
{
        pid_t pid = fork();
        g_assert_cmpint(pid, >=, 0);
        if (pid == 0)
                _exit(setresuid(NOBODY, NOBODY, NOBODY) < 0 ? 99 : body(f));
        int status;
        g_assert_cmpint(waitpid(pid, &status, 0), ==, pid);
        g_assert_true(WIFEXITED(status));
        return WEXITSTATUS(status);
}

static int stranger_is_refused(struct fixture *f)
{
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        g_strlcpy(address.sun_path, f->path, sizeof(address.sun_path));
        int fd = socket(AF_UNIX, SOCK_STREAM, 0);
        if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
                return 1;
        char answer[64] = "";
        send(fd, "sync\n", 5, MSG_NOSIGNAL);
        if (recv(fd, answer, sizeof(answer) - 1, 0) <= 0 || !g_str_has_prefix(answer, "error 1 "))
                return 2;
        return 0;
}

/* With file modes out of the way, the server itself looks who it is. */
static void test_stranger(struct fixture *f, gconstpointer data)
{
        if (geteuid() != 0) {
                g_test_skip("needs root to become somebody else");
                return;
        }
        g_autofree char *directory = g_path_get_dirname(f->path);
        g_assert_cmpint(chmod(directory, 0755), ==, 0);
        g_assert_cmpint(chmod(f->path, 0666), ==, 0);
        int status = run_as_nobody(stranger_is_refused, f);
        g_assert_cmpint(chmod(directory, 0700), ==, 0);
        g_assert_cmpint(status, ==, 0);
        g_assert_cmpint(atomic_load(&f->requests), ==, 0);
}

static int directory_of_others_is_refused(struct fixture *f)
{
        ControlServer *server;
        g_autofree char *path = control_socket_path(makedev(0, 1), NOBODY);
        g_autofree char *directory = g_path_get_dirname(path);
        return control_server_new(path, serve, f, &server) == -EPERM && g_str_has_prefix(directory, "/tmp/")
                ? 0
                : 1;
}

static void test_squatted_directory(struct fixture *f, gconstpointer data)
{
        if (geteuid() != 0) {
                g_test_skip("needs root to become somebody else");
                return;
        }
        g_autofree char *directory = g_strdup_printf("/tmp/reelfs-%d", NOBODY);
        if (mkdir(directory, 0777) < 0) {
                g_test_skip("the directory is in use");
                return;
        }
        int status = run_as_nobody(directory_of_others_is_refused, f);
        rmdir(directory);
        g_assert_cmpint(status, ==, 0);
}

static void test_mount_entry(void)
{
        struct mount_entry e;
        g_assert_cmpint(mount_entry_find("/proc", &e), ==, 0);
        g_assert_cmpstr(e.mountpoint, ==, "/proc");
        g_assert_cmpstr(e.type, ==, "proc");
        struct stat st;
        g_assert_cmpint(stat("/proc", &st), ==, 0);
        g_assert_cmpuint(e.device, ==, st.st_dev);
        mount_entry_clear(&e);
        g_assert_cmpint(mount_entry_find("/proc/../proc/./", &e), ==, 0);
        mount_entry_clear(&e);
        g_assert_cmpint(mount_entry_find("/proc/self", &e), ==, -ENOENT);
        g_assert_cmpint(mount_entry_find("/no/such/place", &e), ==, -ENOENT);
        g_assert_cmpint(mount_entry_find_source("/no/such/cartridge", &e), ==, -ENOENT);
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
#define ADD(name, function) g_test_add(name, struct fixture, NULL, set_up, function, tear_down)
        ADD("/control/round-trip", test_round_trip);
        ADD("/control/mode", test_mode);
        ADD("/control/broadcast", test_broadcast);
        ADD("/control/late-wait", test_late_wait);
        ADD("/control/slow-client", test_slow_client);
        ADD("/control/client-leaves", test_client_leaves);
        ADD("/control/long-line", test_long_line);
        ADD("/control/end-during-request", test_end_during_request);
        ADD("/control/replaced", test_replaced);
        ADD("/control/stranger", test_stranger);
        ADD("/control/squatted-directory", test_squatted_directory);
        g_test_add_func("/control/stale-socket", test_stale_socket);
        g_test_add_func("/mounts/find", test_mount_entry);
        return g_test_run();
}

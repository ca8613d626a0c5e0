/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <reelfs/log.h>
#include <reelfs/util.h>

#include "cli.h"
#include "runas.h"

enum word { MOUNTED = 'm', UNMOUNT = 'u', FORGET = 'f' };

struct runas {
        char *user;
        uid_t uid;
        gid_t gid;
        int steward; /* a socket; a word is answered with itself */
        pid_t pid;
        bool dropped;
};

/* ---- The steward */

struct estate {
        const char *mountpoint;
        dev_t device;
        char *socket_path;
        struct stat socket;
};

/* The mount is there now: what is to be taken away later is this one. */
static void take_note(struct estate *e)
{
        AUTO_MOUNT_ENTRY m = { 0 };
        if (mount_entry_find(e->mountpoint, &m) < 0)
                return;
        e->device = m.device;
        e->socket_path = control_socket_path(m.device, 0);
        if (lstat(e->socket_path, &e->socket) < 0)
                g_clear_pointer(&e->socket_path, g_free);
}

static void unmount(const struct estate *e)
{
        AUTO_MOUNT_ENTRY m = { 0 };
        if (mount_entry_find(e->mountpoint, &m) == 0 && m.device == e->device)
                umount2(e->mountpoint, MNT_DETACH | UMOUNT_NOFOLLOW);
}

static void forget(const struct estate *e)
{
        AUTO_MOUNT_ENTRY m = { 0 };
        if (mount_entry_find(e->mountpoint, &m) == -ENOENT)
                cli_utab_remove(e->mountpoint);
}

/* Unless another daemon has one there already. */
static void remove_socket(struct estate *e)
{
        struct stat st;
        if (e->socket_path && lstat(e->socket_path, &st) == 0 && st.st_ino == e->socket.st_ino &&
                st.st_dev == e->socket.st_dev)
                unlink(e->socket_path);
}

static void obey(struct estate *e, char word)
{
        switch (word) {
        case MOUNTED:
                take_note(e);
                break;
        case UNMOUNT:
                unmount(e);
                break;
        case FORGET:
                forget(e);
                break;
        }
}

/* Until the daemon has gone. It holds nothing that is the daemon's or its caller's, and no signal that is
 * meant for the daemon ends it. */
static void steward(int fd, const char *mountpoint)
{
        enum { KEPT = 3 };
        struct estate e = { .mountpoint = mountpoint };
        static const int deaf[] = { SIGINT, SIGTERM, SIGHUP, SIGPIPE };
        for (size_t i = 0; i < G_N_ELEMENTS(deaf); i++)
                signal(deaf[i], SIG_IGN);
        setsid();
        log_to_syslog();
        if (chdir("/") < 0 || (fd != KEPT && dup2(fd, KEPT) < 0))
                _exit(EXIT_FAILURE);
        close_range(KEPT + 1, ~0U, 0);
        fcntl(KEPT, F_SETFD, FD_CLOEXEC);
        int null = open("/dev/null", O_RDWR | O_CLOEXEC);
        for (int i = STDIN_FILENO; null >= 0 && i <= STDERR_FILENO; i++)
                dup2(null, i);
        char word;
        while (recv(KEPT, &word, 1, 0) == 1) {
                obey(&e, word);
                if (send(KEPT, &word, 1, MSG_NOSIGNAL) != 1)
                        break;
        }
        remove_socket(&e);
        _exit(EXIT_SUCCESS);
}

static int start_steward(struct runas *r, const char *mountpoint)
{
        int fds[2];
        if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) < 0)
                return log_error_errno(-errno, "cannot start a process");
        fflush(NULL);
        r->pid = fork();
        if (r->pid == 0)
                steward(fds[1], mountpoint);
        close(fds[1]);
        r->steward = fds[0];
        return r->pid < 0 ? log_error_errno(-errno, "cannot start a process") : 0;
}

static int ask_steward(struct runas *r, char word)
{
        if (send(r->steward, &word, 1, MSG_NOSIGNAL) != 1 || recv(r->steward, &word, 1, 0) != 1)
                return log_error(-EPIPE, "the process that keeps root's rights for the unmount has died");
        return 0;
}

/* ---- The daemon */

static int become(const struct runas *r)
{
        if (initgroups(r->user, r->gid) < 0 || setresgid(r->gid, r->gid, r->gid) < 0 ||
                setresuid(r->uid, r->uid, r->uid) < 0)
                return log_error_errno(-errno, "runas=%s: cannot become this user", r->user);
        return 0;
}

/* As this user, in a process that ends then. */
static int try_cartridge(const struct runas *r, const char *path)
{
        g_autofree char *directory = g_path_get_dirname(path);
        g_autofree char *key_file = g_strconcat(path, ".cartridge", NULL);
        pid_t child = fork();
        if (child == 0) {
                bool able = become(r) == 0 && access(path, R_OK | W_OK) == 0 &&
                        access(directory, W_OK | X_OK) == 0 &&
                        (access(key_file, R_OK) == 0 || errno == ENOENT);
                _exit(able ? EXIT_SUCCESS : EXIT_FAILURE);
        }
        int status = 0;
        if (child < 0 || waitpid(child, &status, 0) < 0)
                return log_error_errno(-errno, "cannot start a process");
        if (status == 0)
                return 0;
        return log_error(-EACCES,
                "%s: user %s has to be able to write it, and the directory in which it is, for what the "
                "cartridge's memory keeps; chown both",
                path, r->user);
}

/* sg_check_file_access() of the kernel: who has become another user may not use what was opened before. */
static int check_drive(const struct runas *r, const char *address)
{
        struct stat st;
        if (g_str_has_prefix(address, "iscsi://"))
                return 0;
        if (stat(address, &st) == 0 && S_ISREG(st.st_mode))
                return try_cartridge(r, address);
        return log_error(-EPERM,
                "%s: the kernel lets nobody use a drive's node that was opened as another user; let %s call "
                "reelfs mount, as a member of the group that the node belongs to",
                address, r->user);
}

static int look_up(const char *user, struct runas *r)
{
        errno = 0;
        const struct passwd *p = getpwnam(user);
        if (!p)
                return log_error(-EINVAL, "runas=%s: no such user", user);
        if (geteuid() != 0)
                return log_error(-EPERM, "runas=%s: only root can run it as somebody else", user);
        if (p->pw_uid == 0)
                return log_error(-EINVAL, "runas=%s: this user is root", user);
        r->user = g_strdup(user);
        r->uid = p->pw_uid;
        r->gid = p->pw_gid;
        return 0;
}

int runas_prepare(const char *user, const char *address, const char *mountpoint, struct runas **ret)
{
        struct runas *r = g_new0(struct runas, 1);
        r->steward = -1;
        int error = look_up(user, r);
        if (error == 0)
                error = check_drive(r, address);
        if (error == 0)
                error = start_steward(r, mountpoint);
        if (error < 0) {
                runas_free(r);
                return error;
        }
        *ret = r;
        return 0;
}

int runas_drop(struct runas *r)
{
        int error = ask_steward(r, MOUNTED);
        if (error == 0)
                error = become(r);
        r->dropped = error == 0;
        return error;
}

void runas_unmount(struct runas *r)
{
        if (r && r->dropped)
                (void)ask_steward(r, UNMOUNT);
}

void runas_forget(struct runas *r)
{
        if (r && r->dropped)
                (void)ask_steward(r, FORGET);
}

void runas_free(struct runas *r)
{
        if (!r)
                return;
        if (r->steward >= 0) {
                close(r->steward);
                waitpid(r->pid, NULL, 0);
        }
        g_free(r->user);
        g_free(r);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* The control socket of a mount's daemon: how `reelfs sync`, `resume`, `unmount`, `status` and
 * umount.fuse.reelfs reach it, also while the mount itself is already gone.
 *
 * A Unix stream socket, mode 0600. The client sends one line and reads lines until "ok" or "error":
 *   "sync"    commits; when it is done: "ok"
 *   "resume"  lets writing go on after a write has failed; when an index is on the tape again: "ok"
 *   "wait"    at once: "waiting"; later, when the volume is closed: "ok". The client unmounts in between.
 *   "status"  "KEY=VALUE" lines, then "ok"
 * Answers in between: "progress DONE TOTAL TEXT" (TEXT: what is being done); the last line: "ok" or "error
 * ERRNO TEXT", ERRNO positive. A connection that ends without that line means that the daemon died. */
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* The caller frees. For root below /run/reelfs, for others below $XDG_RUNTIME_DIR or, without it, /tmp.
 * device: st_dev of the mount; owner: the user whose daemon it is. */
char *control_socket_path(dev_t device, uid_t owner);

/* A mount as /proc/self/mountinfo has it; found without asking the mounted filesystem, which may be dead. */
struct mount_entry {
        char *mountpoint, *type, *source; /* type "fuse.reelfs" */
        dev_t device;
        uid_t owner; /* user_id= of a FUSE mount */
};
void mount_entry_clear(struct mount_entry *e);
/* The topmost mount at path (made absolute and freed of symlinks in its parent directories). -ENOENT: nothing
 * is mounted there. */
int mount_entry_find(const char *path, struct mount_entry *e);
/* The first reelfs mount that match takes. -ENOENT. */
int mount_entry_find_by(
        bool (*match)(const struct mount_entry *e, const char *key), const char *key, struct mount_entry *e);
/* The first reelfs mount of this source. -ENOENT. */
int mount_entry_find_source(const char *source, struct mount_entry *e);

typedef struct Control Control;
/* Client. -ECONNREFUSED, -ENOENT: no daemon there. */
int control_connect(const struct mount_entry *e, Control **ret);
/* Sends line (without newline). */
int control_send(Control *c, const char *line);
/* Next line without its newline, valid until the next call. -ECONNRESET: the daemon is gone; -EINTR: a signal
 * came. */
int control_receive(Control *c, const char **line);
void control_close(Control *c);

/* Server, in the daemon: a thread that accepts connections. request is called on a thread of that client's,
 * for each line; it answers by control_server_reply, and returns when the client has its last line, or, for
 * "wait", at once with true: the client then gets everything that control_server_broadcast says. */
typedef struct ControlServer ControlServer;
typedef struct ControlClient ControlClient;
int control_server_new(const char *socket_path,
        bool (*request)(void *ctx, ControlClient *client, const char *line), void *ctx, ControlServer **ret);
void control_server_reply(ControlClient *client, const char *format, ...)
        __attribute__((format(printf, 2, 3)));
void control_server_broadcast(ControlServer *s, const char *format, ...)
        __attribute__((format(printf, 2, 3)));
/* Removes the socket, ends all connections. */
void control_server_free(ControlServer *s);

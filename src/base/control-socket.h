/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* What both ends of the control socket share. */
#include <stddef.h>
#include <sys/types.h>
#include <sys/un.h>

#define CONTROL_LINE_MAX 4096 /* bytes, newline included */

/* Every place where the socket may lie, NULL-terminated, best first; the caller frees with g_strfreev. The
 * daemon uses the first; a client whose environment differs from the daemon's finds it at one of the others.
 */
char **control_socket_candidates(dev_t device, uid_t owner);
/* -ENAMETOOLONG */
int control_socket_address(const char *path, struct sockaddr_un *address);
/* The user at the other end. */
int control_peer(int fd, uid_t *uid);
/* All of it, never raising SIGPIPE. flags: MSG_DONTWAIT or 0. -EAGAIN: no room; nothing, or not all, was
 * sent. */
int control_send_all(int fd, const char *data, size_t size, int flags);

/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <glib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <reelfs/control.h>

#include "control-socket.h"

/* $XDG_RUNTIME_DIR if it is this process's own: after su it may be somebody else's. */
static const char *runtime_directory(void)
{
        const char *directory = g_getenv("XDG_RUNTIME_DIR");
        struct stat st;
        if (!directory || directory[0] != '/' || stat(directory, &st) < 0 || st.st_uid != geteuid())
                return NULL;
        return directory;
}

char **control_socket_candidates(dev_t device, uid_t owner)
{
        g_autofree char *name = g_strdup_printf("%u:%u.socket", major(device), minor(device));
        GPtrArray *paths = g_ptr_array_new();
        if (owner == 0) {
                g_ptr_array_add(paths, g_strdup_printf("/run/reelfs/%s", name));
        } else {
                const char *runtime = owner == geteuid() ? runtime_directory() : NULL;
                if (runtime)
                        g_ptr_array_add(paths, g_strdup_printf("%s/reelfs/%s", runtime, name));
                g_ptr_array_add(paths, g_strdup_printf("/tmp/reelfs-%u/%s", owner, name));
                g_ptr_array_add(paths, g_strdup_printf("/run/user/%u/reelfs/%s", owner, name));
        }
        g_ptr_array_add(paths, NULL);
        return (char **)g_ptr_array_free(paths, FALSE);
}

char *control_socket_path(dev_t device, uid_t owner)
{
        g_auto(GStrv) paths = control_socket_candidates(device, owner);
        return g_strdup(paths[0]);
}

int control_socket_address(const char *path, struct sockaddr_un *address)
{
        *address = (struct sockaddr_un){ .sun_family = AF_UNIX };
        if (g_strlcpy(address->sun_path, path, sizeof(address->sun_path)) >= sizeof(address->sun_path))
                return -ENAMETOOLONG;
        return 0;
}

int control_peer(int fd, uid_t *uid)
{
        struct ucred peer;
        socklen_t length = sizeof(peer);
        if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &length) < 0)
                return -errno;
        *uid = peer.uid;
        return 0;
}

int control_send_all(int fd, const char *data, size_t size, int flags)
{
        while (size > 0) {
                ssize_t n = send(fd, data, size, flags | MSG_NOSIGNAL);
                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return -errno;
                data += n;
                size -= (size_t)n;
        }
        return 0;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <spawn.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include <reelfs/log.h>
#include <reelfs/util.h>

#include "configfs.h"

#define CONFIGFS_MAGIC 0x62656570 /* linux/magic.h of newer kernels */

int configfs_write(const char *directory, const char *name, const char *text)
{
        g_autofree char *path = g_build_filename(directory, name, NULL);
        autofd fd = open(path, O_WRONLY | O_CLOEXEC);
        if (fd < 0 || write(fd, text, strlen(text)) < 0)
                return -errno;
        return 0;
}

char *configfs_read(const char *directory, const char *name)
{
        g_autofree char *path = g_build_filename(directory, name, NULL);
        char *text = NULL;
        if (!g_file_get_contents(path, &text, NULL, NULL))
                return NULL;
        return g_strchomp(text);
}

char *configfs_find(const char *directory, const char *prefix)
{
        g_autoptr(GDir) dir = g_dir_open(directory, 0, NULL);
        const char *name;
        while (dir && (name = g_dir_read_name(dir)))
                if (g_str_has_prefix(name, prefix))
                        return g_strdup(name);
        return NULL;
}

int configfs_make_directory(const char *path)
{
        return mkdir(path, 0755) < 0 && errno != EEXIST ? -errno : 0;
}

int configfs_mount(void)
{
        struct statfs st;
        if (statfs(CONFIGFS, &st) == 0 && st.f_type == CONFIGFS_MAGIC)
                return 0;
        return mount("configfs", CONFIGFS, "configfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) < 0 ? -errno
                                                                                                   : 0;
}

void configfs_load_module(const char *name)
{
        char *arguments[] = { "modprobe", "--quiet", "--use-blacklist", (char *)name, NULL };
        pid_t pid;
        if (posix_spawnp(&pid, arguments[0], NULL, NULL, arguments, environ) != 0)
                return log_debug("modprobe cannot be run");
        while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
                ;
}

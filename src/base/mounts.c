/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <glib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>

#include <reelfs/control.h>

void mount_entry_clear(struct mount_entry *e)
{
        g_free(e->mountpoint);
        g_free(e->type);
        g_free(e->source);
        *e = (struct mount_entry){ 0 };
}

static uid_t option_user_id(const char *options)
{
        g_auto(GStrv) list = g_strsplit(options, ",", -1);
        for (char **o = list; *o; o++)
                if (g_str_has_prefix(*o, "user_id="))
                        return (uid_t)strtoul(*o + strlen("user_id="), NULL, 10);
        return 0;
}

/* proc(5): "36 35 98:0 /root /mountpoint options optional... - type source superoptions", with \ooo for white
 * space and backslashes. */
static int parse_line(const char *line, struct mount_entry *e)
{
        enum { DEVICE = 2, MOUNTPOINT = 4, OPTIONAL = 6 };
        g_auto(GStrv) fields = g_strsplit(line, " ", -1);
        guint n = g_strv_length(fields), dash = OPTIONAL;
        while (dash < n && strcmp(fields[dash], "-") != 0)
                dash++;
        unsigned device_major, device_minor;
        if (dash + 3 >= n || sscanf(fields[DEVICE], "%u:%u", &device_major, &device_minor) != 2)
                return -EINVAL;
        *e = (struct mount_entry){
                .mountpoint = g_strcompress(fields[MOUNTPOINT]),
                .type = g_strcompress(fields[dash + 1]),
                .source = g_strcompress(fields[dash + 2]),
                .device = makedev(device_major, device_minor),
                .owner = option_user_id(fields[dash + 3]),
        };
        return 0;
}

/* The last mount that matches, or the first. */
static int search(const char *type, bool (*match)(const struct mount_entry *e, const char *key),
        const char *key, bool last, struct mount_entry *found)
{
        *found = (struct mount_entry){ 0 };
        FILE *file = fopen("/proc/self/mountinfo", "re");
        if (!file)
                return -errno;
        char *line = NULL;
        size_t size = 0;
        ssize_t length;
        while ((length = getline(&line, &size, file)) > 0) {
                if (line[length - 1] == '\n')
                        line[length - 1] = '\0';
                struct mount_entry e;
                if (parse_line(line, &e) < 0)
                        continue;
                if ((type && strcmp(e.type, type) != 0) || !match(&e, key)) {
                        mount_entry_clear(&e);
                        continue;
                }
                mount_entry_clear(found);
                *found = e;
                if (!last)
                        break;
        }
        free(line);
        fclose(file);
        return found->mountpoint ? 0 : -ENOENT;
}

static bool match_mountpoint(const struct mount_entry *e, const char *path)
{
        return strcmp(e->mountpoint, path) == 0;
}

static bool match_source(const struct mount_entry *e, const char *source)
{
        return strcmp(e->source, source) == 0;
}

/* realpath(3) reads links and asks no filesystem about its own root, so that it takes a dead mount as well.
 */
static char *canonical_path(const char *path)
{
        g_autofree char *parent = NULL, *base = NULL;
        char *resolved = realpath(path, NULL);
        if (!resolved) {
                parent = g_path_get_dirname(path);
                base = g_path_get_basename(path);
                g_autofree char *resolved_parent = realpath(parent, NULL);
                if (!resolved_parent)
                        return NULL;
                return g_build_filename(resolved_parent, base, NULL);
        }
        char *copy = g_strdup(resolved);
        free(resolved);
        return copy;
}

int mount_entry_find(const char *path, struct mount_entry *e)
{
        *e = (struct mount_entry){ 0 };
        g_autofree char *canonical = canonical_path(path);
        if (!canonical)
                return -errno;
        return search(NULL, match_mountpoint, canonical, true, e);
}

int mount_entry_find_by(
        bool (*match)(const struct mount_entry *e, const char *key), const char *key, struct mount_entry *e)
{
        return search("fuse.reelfs", match, key, false, e);
}

int mount_entry_find_source(const char *source, struct mount_entry *e)
{
        return mount_entry_find_by(match_source, source, e);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <reelfs/util.h>

#include "mount-options.h"

#define COMMIT_DEFAULT_S 300

/* 0, or -EINVAL and *problem if it is more than "not a valid value". */
typedef int (*take_option)(struct mount_config *c, const char *value, char **problem);

static int take_read_only(struct mount_config *c, const char *value, char **problem)
{
        c->mount.read_only = true;
        return 0;
}

static int take_read_write(struct mount_config *c, const char *value, char **problem)
{
        c->mount.read_only = false;
        return 0;
}

static int take_rollback(struct mount_config *c, const char *value, char **problem)
{
        c->mount.read_only = true;
        return g_ascii_string_to_unsigned(value, 10, 1, INT64_MAX, &c->mount.generation, NULL) ? 0 : -EINVAL;
}

static int take_allow_other(struct mount_config *c, const char *value, char **problem)
{
        c->mount.allow_other = true;
        return 0;
}

static int take_no_allow_other(struct mount_config *c, const char *value, char **problem)
{
        c->mount.allow_other = false;
        return 0;
}

static int take_reserve(struct mount_config *c, const char *value, char **problem)
{
        c->mount.reserve = true;
        return 0;
}

static int take_no_reserve(struct mount_config *c, const char *value, char **problem)
{
        c->mount.reserve = false;
        return 0;
}

static int take_lbp(struct mount_config *c, const char *value, char **problem)
{
        c->mount.lbp = true;
        return 0;
}

static int take_debug(struct mount_config *c, const char *value, char **problem)
{
        c->mount.debug_fuse = true;
        return 0;
}

static int take_buffer(struct mount_config *c, const char *value, char **problem)
{
        uint64_t bytes;
        if (parse_size(value, &bytes) < 0 || bytes > SIZE_MAX)
                return -EINVAL;
        if (bytes < SCHED_BUFFER_MIN) {
                g_autofree char *least = format_size(SCHED_BUFFER_MIN);
                *problem = g_strdup_printf("buffer=%s: at least %s are needed", value, least);
                return -EINVAL;
        }
        c->mount.sched.buffer = (size_t)bytes;
        return 0;
}

static int take_pack(struct mount_config *c, const char *value, char **problem)
{
        uint64_t bytes;
        if (parse_size(value, &bytes) < 0 || bytes == 0 || bytes > SIZE_MAX)
                return -EINVAL;
        c->mount.sched.stage = (size_t)bytes;
        return 0;
}

static int take_min_rate(struct mount_config *c, const char *value, char **problem)
{
        int r = parse_size(value, &c->mount.sched.min_rate);
        if (r == 0 && c->mount.sched.min_rate == 0)
                c->mount.sched.min_rate = SCHED_NEVER_GATHER;
        return r;
}

static int take_commit(struct mount_config *c, const char *value, char **problem)
{
        c->mount.sched.commit_on_close = strcmp(value, "close") == 0;
        if (c->mount.sched.commit_on_close)
                return 0;
        if (strcmp(value, "unmount") == 0) {
                c->mount.sched.commit_s = 0;
                return 0;
        }
        return parse_seconds(value, &c->mount.sched.commit_s);
}

static int take_fsync(struct mount_config *c, const char *value, char **problem)
{
        static const char *const names[] = {
                [SCHED_FSYNC_COMMIT] = "commit",
                [SCHED_FSYNC_GROUP] = "group",
                [SCHED_FSYNC_LAZY] = "lazy",
        };
        for (unsigned i = 0; i < G_N_ELEMENTS(names); i++) {
                if (strcmp(names[i], value) == 0) {
                        c->mount.sched.fsync = i;
                        return 0;
                }
        }
        *problem = g_strdup_printf("fsync=%s: commit, group and lazy are known", value);
        return -EINVAL;
}

static int take_io(struct mount_config *c, const char *value, char **problem)
{
        if (transport_io_parse(value, &c->mount.io) == 0)
                return 0;
        *problem = g_strdup_printf("io=%s: auto, direct, mmap and indirect are known", value);
        return -EINVAL;
}

static int take_hash(struct mount_config *c, const char *value, char **problem)
{
        static const char *const names[] = {
                [SCHED_HASH_CRC32] = "crc32", [SCHED_HASH_SHA256] = "sha256", [SCHED_HASH_NONE] = "none"
        };
        for (unsigned i = 0; i < G_N_ELEMENTS(names); i++) {
                if (strcmp(names[i], value) != 0)
                        continue;
                c->mount.sched.hash = (enum sched_hash)i;
                return 0;
        }
        *problem = g_strdup_printf("hash=%s: crc32, sha256 and none are known", value);
        return -EINVAL;
}

static int take_verify(struct mount_config *c, const char *value, char **problem)
{
        c->mount.sched.no_verify = false;
        return 0;
}

static int take_no_verify(struct mount_config *c, const char *value, char **problem)
{
        c->mount.sched.no_verify = true;
        return 0;
}

/* The transport looks for the file's name in the environment, as every command does. */
static int take_chap_file(struct mount_config *c, const char *value, char **problem)
{
        g_autofree char *path = g_canonicalize_filename(value, NULL);
        return value[0] && setenv("REELFS_CHAP_FILE", path, 1) == 0 ? 0 : -EINVAL;
}

static int ignore(struct mount_config *c, const char *value, char **problem)
{
        return 0;
}

/* NULL: goes to FUSE as it is. */
static const struct {
        const char *name;
        bool has_value;
        take_option take;
} known[] = {
        { "ro", false, take_read_only },
        { "rw", false, take_read_write },
        { "rollback", true, take_rollback },
        { "buffer", true, take_buffer },
        { "pack", true, take_pack },
        { "min-rate", true, take_min_rate },
        { "commit", true, take_commit },
        { "hash", true, take_hash },
        { "verify", false, take_verify },
        { "noverify", false, take_no_verify },
        { "fsync", true, take_fsync },
        { "io", true, take_io },
        { "chap-file", true, take_chap_file },
        { "allow_other", false, take_allow_other },
        { "noallow_other", false, take_no_allow_other },
        { "reserve", false, take_reserve },
        { "noreserve", false, take_no_reserve },
        { "lbp", false, take_lbp },
        { "debug", false, take_debug },
        /* What libfuse's sessions and its mounts take (fuse_lowlevel.c, mount.c). */
        { "suid", false, NULL },
        { "nosuid", false, NULL },
        { "dev", false, NULL },
        { "nodev", false, NULL },
        { "exec", false, NULL },
        { "noexec", false, NULL },
        { "async", false, NULL },
        { "sync", false, NULL },
        { "dirsync", false, NULL },
        { "noatime", false, NULL },
        { "allow_root", false, NULL },
        { "auto_unmount", false, NULL },
        { "default_permissions", false, NULL },
        { "max_read", true, NULL },
        { "context", true, NULL },
        { "fscontext", true, NULL },
        { "defcontext", true, NULL },
        { "rootcontext", true, NULL },
        /* mount(8), FILESYSTEM-INDEPENDENT MOUNT OPTIONS: for mount itself, or without a meaning for a FUSE
           mount. */
        { "defaults", false, ignore },
        { "auto", false, ignore },
        { "noauto", false, ignore },
        { "user", false, ignore },
        { "user", true, ignore },
        { "nouser", false, ignore },
        { "users", false, ignore },
        { "owner", false, ignore },
        { "group", false, ignore },
        { "nofail", false, ignore },
        { "_netdev", false, ignore },
        { "comment", true, ignore },
        { "atime", false, ignore },
        { "diratime", false, ignore },
        { "nodiratime", false, ignore },
        { "norelatime", false, ignore },
        { "nostrictatime", false, ignore },
        { "relatime", false, ignore },
        { "strictatime", false, ignore },
        { "lazytime", false, ignore },
        { "nolazytime", false, ignore },
        { "iversion", false, ignore },
        { "noiversion", false, ignore },
        { "silent", false, ignore },
        { "loud", false, ignore },
};

void mount_config_init(struct mount_config *c)
{
        *c = (struct mount_config){
                .mount.allow_other = geteuid() == 0,
                .mount.sched.commit_s = COMMIT_DEFAULT_S,
                .fuse = g_string_new(NULL),
        };
}

void mount_config_clear(struct mount_config *c)
{
        g_string_free(c->fuse, TRUE);
}

void mount_config_finish(struct mount_config *c)
{
        c->mount.read_only |= c->mount.generation > 0;
        c->mount.fuse = c->fuse->len > 0 ? c->fuse->str : NULL;
}

/* With a value or without. */
static bool is_known(const char *name, size_t length)
{
        for (size_t i = 0; i < G_N_ELEMENTS(known); i++)
                if (strlen(known[i].name) == length && memcmp(known[i].name, name, length) == 0)
                        return true;
        return false;
}

static void pass_on(struct mount_config *c, const char *option)
{
        if (c->fuse->len > 0)
                g_string_append_c(c->fuse, ',');
        g_string_append(c->fuse, option);
}

static int take(struct mount_config *c, const char *option, char **problem)
{
        if (option[0] == '\0' || g_str_has_prefix(option, "x-") || g_str_has_prefix(option, "X-"))
                return 0;
        const char *equals = strchr(option, '=');
        size_t length = equals ? (size_t)(equals - option) : strlen(option);
        for (size_t i = 0; i < G_N_ELEMENTS(known); i++) {
                if (strlen(known[i].name) != length || memcmp(known[i].name, option, length) != 0 ||
                        known[i].has_value != (equals != NULL))
                        continue;
                if (!known[i].take) {
                        pass_on(c, option);
                        return 0;
                }
                int r = known[i].take(c, equals ? equals + 1 : NULL, problem);
                if (r < 0 && !*problem)
                        *problem = g_strdup_printf("%s: not a valid value", option);
                return r;
        }
        if (c->sloppy)
                return 0;
        if (!is_known(option, length))
                *problem = g_strdup_printf("%.*s: no such mount option", (int)length, option);
        else
                *problem = g_strdup_printf("%.*s takes %s value", (int)length, option, equals ? "no" : "a");
        return -EINVAL;
}

int mount_config_options(struct mount_config *c, const char *list, char **problem)
{
        g_auto(GStrv) options = g_strsplit(list, ",", -1);
        *problem = NULL;
        for (char **option = options; *option; option++) {
                int r = take(c, *option, problem);
                if (r < 0)
                        return r;
        }
        return 0;
}

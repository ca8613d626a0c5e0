/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <glib.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <reelfs/hash.h>
#include <reelfs/log.h>
#include <reelfs/util.h>

#include "cli.h"
#include "json.h"

struct listing {
        const char *below; /* only this path and what is under it; "" for all */
        bool as_json;
        struct json json;
        struct cli_volume *v;
};

static const struct {
        mode_t type;
        char letter;
        const char *name;
} types[] = {
        { S_IFREG, '-', "file" },
        { S_IFDIR, 'd', "directory" },
        { S_IFLNK, 'l', "symlink" },
        { S_IFIFO, 'p', "fifo" },
        { S_IFSOCK, 's', "socket" },
        { S_IFCHR, 'c', "character device" },
        { S_IFBLK, 'b', "block device" },
};

static size_t find_type(mode_t mode)
{
        size_t i = 0;
        while (i + 1 < G_N_ELEMENTS(types) && types[i].type != (mode & S_IFMT))
                i++;
        return i;
}

static bool is_device(mode_t mode)
{
        return S_ISCHR(mode) || S_ISBLK(mode);
}

/* As ls -l shows it. */
static void mode_string(mode_t mode, char text[static 11])
{
        text[0] = types[find_type(mode)].letter;
        for (unsigned i = 0; i < 9; i++)
                text[1 + i] = mode & (0400 >> i) ? "rwx"[i % 3] : '-';
        static const struct {
                mode_t bit;
                unsigned place;
                char with_x, without_x;
        } special[] = { { S_ISUID, 3, 's', 'S' }, { S_ISGID, 6, 's', 'S' }, { S_ISVTX, 9, 't', 'T' } };
        for (size_t i = 0; i < G_N_ELEMENTS(special); i++)
                if (mode & special[i].bit)
                        text[special[i].place] =
                                text[special[i].place] == 'x' ? special[i].with_x : special[i].without_x;
        text[10] = '\0';
}

static void print_line(const char *path, const struct tree_entry *e)
{
        const struct tree_attr *attr = &e->attr;
        char mode[11];
        mode_string(attr->mode, mode);
        g_autofree char *owner = g_strdup_printf("%u/%u", attr->uid, attr->gid);
        g_autofree char *size = is_device(attr->mode)
                ? g_strdup_printf("%u,%u", major(attr->rdev), minor(attr->rdev))
                : g_strdup_printf("%" PRIu64, attr->size);
        g_autofree char *time = format_local_time(attr->times.mtime);
        g_autofree char *name = format_name(path);
        printf("%s %3u %-11s %14s %s %s", mode, attr->nlink, owner, size, time, name);
        if (e->target) {
                g_autofree char *target = format_name(e->target);
                printf(" -> %s", target);
        }
        putchar('\n');
}

/* What a file's hashes are is said by itself. */
static int json_xattr(void *ctx, const char *name, const void *value, size_t size)
{
        if (strcmp(name, HASH_XATTR_CRC32) != 0 && strcmp(name, HASH_XATTR_SHA256) != 0)
                json_string(ctx, NULL, name);
        return 0;
}

static int json_hash(void *ctx, const char *name, const void *value, size_t size)
{
        g_autofree char *text = g_strndup(value, size);
        if (strcmp(name, HASH_XATTR_CRC32) == 0)
                json_string(ctx, "crc32", text);
        else if (strcmp(name, HASH_XATTR_SHA256) == 0)
                json_string(ctx, "sha256", text);
        return 0;
}

/* Where the bytes lie: mt fsf FILEMARK, then skip blocks and bytes. */
static void json_extent(struct json *j, Volume *volume, const struct tree_extent *e)
{
        struct segment s = { 0 };
        volume_segment_get(volume, e->segment, &s);
        uint32_t block_length = volume_block_length(volume);
        json_begin(j, NULL, '{');
        json_uint(j, "offset", e->file_offset);
        json_uint(j, "length", e->length);
        if (e->segment == VOLUME_GONE) {
                json_bool(j, "lost", true);
                json_end(j, '}');
                return;
        }
        json_uint(j, "segment", e->segment);
        json_uint(j, "segment_offset", e->offset);
        json_uint(j, "filemark", s.filemark);
        json_uint(j, "block", s.first_block + e->offset / block_length);
        json_uint(j, "byte_in_block", e->offset % block_length);
        json_end(j, '}');
}

static void json_time(struct json *j, const char *key, int64_t ns)
{
        char text[TIME_TEXT_LENGTH + 1];
        format_time_ns(ns, text);
        json_string(j, key, text);
}

static void print_json(struct listing *l, const char *path, const struct tree_entry *e)
{
        struct json *j = &l->json;
        const struct tree_attr *attr = &e->attr;
        g_autofree char *mode = g_strdup_printf("%04o", attr->mode & 07777);
        json_begin(j, NULL, '{');
        json_string(j, "path", path);
        json_string(j, "type", types[find_type(attr->mode)].name);
        json_string(j, "mode", mode);
        json_uint(j, "links", attr->nlink);
        json_uint(j, "uid", attr->uid);
        json_uint(j, "gid", attr->gid);
        json_uint(j, "size", attr->size);
        json_uint(j, "inode", e->ino);
        json_time(j, "mtime", attr->times.mtime);
        json_time(j, "ctime", attr->times.ctime);
        json_time(j, "atime", attr->times.atime);
        json_time(j, "btime", attr->times.btime);
        if (is_device(attr->mode)) {
                json_uint(j, "major", major(attr->rdev));
                json_uint(j, "minor", minor(attr->rdev));
        }
        if (e->target)
                json_string(j, "target", e->target);
        json_begin(j, "xattrs", '[');
        tree_visit_xattrs(l->v->tree, e, json_xattr, j);
        json_end(j, ']');
        if (S_ISREG(attr->mode)) {
                tree_visit_xattrs(l->v->tree, e, json_hash, j);
                json_begin(j, "extents", '[');
                for (size_t i = 0; i < e->n_extents; i++)
                        json_extent(j, l->v->volume, &e->extents[i]);
                json_end(j, ']');
        }
        json_end(j, '}');
}

static int list_entry(void *ctx, const char *path, const struct tree_entry *e)
{
        struct listing *l = ctx;
        size_t length = strlen(l->below);
        if (strncmp(path, l->below, length) != 0 ||
                (length > 0 && path[length] != '\0' && path[length] != '/'))
                return 0;
        if (l->as_json)
                print_json(l, path, e);
        else
                print_line(path, e);
        return ferror(stdout) ? -EIO : 0;
}

static int list(const char *address, uint64_t generation, const char *path, bool as_json)
{
        AUTO_VOLUME v = { 0 };
        int r = cli_volume_open_generation(address, generation, &v);
        if (r < 0)
                return r;
        g_autofree char *below = path_from_root(path);
        struct tree_attr attr;
        r = tree_resolve(v.tree, path, &attr);
        if (r < 0)
                return log_error_errno(r, "%s: %s", address, path);
        tree_unref(v.tree, attr.ino, 1);
        struct listing l = { .below = below, .as_json = as_json, .v = &v };
        if (as_json)
                json_begin(&l.json, NULL, '[');
        r = cli_tree_walk(v.tree, list_entry, &l);
        if (as_json)
                json_end(&l.json, ']');
        return r;
}

static int run(const struct command *command, int argc, char **argv)
{
        enum { JSON = 256, GENERATION };
        static const struct option options[] = { { "json", no_argument, NULL, JSON },
                { "generation", required_argument, NULL, GENERATION }, LONG_OPTIONS_COMMON,
                { NULL, 0, NULL, 0 } };
        bool as_json = false;
        uint64_t generation = 0;
        int option, status;
        while ((option = getopt_long(argc, argv, OPTIONS_COMMON, options, NULL)) >= 0) {
                if (option == JSON)
                        as_json = true;
                else if (option == GENERATION) {
                        if (!command_generation(command, optarg, &generation, &status))
                                return status;
                } else if (!command_option(command, option, &status))
                        return status;
        }
        if (!command_arguments(command, argc, 1, 2, &status))
                return status;
        const char *path = optind + 1 < argc ? argv[optind + 1] : "/";
        return list(argv[optind], generation, path, as_json) < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

const struct command command_list = {
        .name = "list",
        .arguments = "ADDRESS [PATH]",
        .summary = "list the files of a volume that is not mounted",
        .options = "      --generation N     as the volume was then; reelfs check --list-generations\n"
                   "      --json             machine-readable, with extents and names of attributes\n",
        .run = run,
};

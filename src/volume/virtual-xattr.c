/* SPDX-License-Identifier: GPL-2.0-or-later */
/* LTFS's virtual extended attributes, which tools for LTFS volumes read: of the root about the volume, of
 * every inode about itself. And ours: where a file is, for mt. */
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>

#include "handle.h"

struct subject {
        Volume *v;
        Tree *tree;
        struct volume_info info;
        struct tree_attr attr;
};

static char *time_text(int64_t ns)
{
        char *text = g_malloc(TIME_TEXT_LENGTH + 1);
        format_time_ns(ns, text);
        return text;
}

static char *number_text(uint64_t number)
{
        return g_strdup_printf("%" PRIu64, number);
}

/* ---- Of the volume */

static char *get_block_length(const struct subject *s)
{
        return number_text(s->info.block_length);
}

static char *get_compression(const struct subject *s)
{
        return g_strdup(s->info.compression ? "true" : "false");
}

static char *get_format_time(const struct subject *s)
{
        return time_text(s->info.format_time);
}

static char *get_lock_state(const struct subject *s)
{
        return g_strdup("unlocked");
}

static char *get_name(const struct subject *s)
{
        return g_strdup(s->info.name);
}

static char *get_serial(const struct subject *s)
{
        return g_strdup(s->info.volume_id);
}

static char *get_uuid(const struct subject *s)
{
        return g_strdup(s->info.uuid);
}

static char *get_index_creator(const struct subject *s)
{
        return g_strdup(s->info.index_creator);
}

static char *get_generation(const struct subject *s)
{
        return number_text(s->info.generation);
}

static char *location(const struct subject *s, uint64_t block)
{
        return g_strdup_printf("%s:%" PRIu64, s->v->profile->partition, block);
}

static char *get_index_location(const struct subject *s)
{
        return location(s, s->info.index_block);
}

static char *get_index_previous(const struct subject *s)
{
        return s->info.previous_index_block ? location(s, s->info.previous_index_block) : NULL;
}

static char *get_index_time(const struct subject *s)
{
        return time_text(s->info.update_time);
}

static char *get_index_version(const struct subject *s)
{
        return g_strdup(INDEX_VERSION);
}

static char *get_label_creator(const struct subject *s)
{
        return g_strdup(s->info.creator);
}

static char *get_label_version(const struct subject *s)
{
        return g_strdup(s->info.format_version);
}

static char *get_partition_map(const struct subject *s)
{
        return g_strdup_printf("I:%s,D:%s", s->v->profile->partition, s->v->profile->partition);
}

static char *get_false(const struct subject *s)
{
        return g_strdup("false");
}

static char *get_software_product(const struct subject *s)
{
        return g_strdup("reelfs");
}

static char *get_software_version(const struct subject *s)
{
        return g_strdup(REELFS_VERSION);
}

/* ---- Of an inode */

static char *get_access_time(const struct subject *s)
{
        return time_text(s->attr.times.atime);
}

static char *get_change_time(const struct subject *s)
{
        return time_text(s->attr.times.ctime);
}

static char *get_create_time(const struct subject *s)
{
        return time_text(s->attr.times.btime);
}

static char *get_modify_time(const struct subject *s)
{
        return time_text(s->attr.times.mtime);
}

static char *get_file_uid(const struct subject *s)
{
        return number_text(s->attr.ino);
}

/* Where the file's first extent is on the tape. False: nowhere yet. */
static bool start_block(const struct subject *s, uint64_t *block)
{
        struct tree_extent first;
        struct segment segment;
        size_t n;
        if (!S_ISREG(s->attr.mode) ||
                tree_map(s->tree, s->attr.ino, 0, UINT64_MAX, &first, 1, &n, NULL) < 0 || n == 0)
                return false;
        if (volume_segment_get(s->v, first.segment, &segment) < 0 || segment.first_block == 0 ||
                first.offset >= segment.length)
                return false;
        *block = segment.first_block + first.offset / s->info.block_length;
        return true;
}

static char *get_partition(const struct subject *s)
{
        uint64_t block;
        return start_block(s, &block) ? g_strdup(s->v->profile->partition) : NULL;
}

static char *get_start_block(const struct subject *s)
{
        uint64_t block;
        return start_block(s, &block) ? number_text(block) : NULL;
}

/* Numbers for mt fsf, in the order of the file, each once in a row. */
static char *get_segment(const struct subject *s)
{
        g_autofree struct tree_extent *extents = NULL;
        g_autoptr(GString) text = g_string_new(NULL);
        size_t n = 0;
        if (!S_ISREG(s->attr.mode) || tree_extents(s->tree, s->attr.ino, &extents, &n) < 0)
                return NULL;
        for (size_t i = 0; i < n; i++) {
                struct segment segment;
                if ((i > 0 && extents[i].segment == extents[i - 1].segment) ||
                        volume_segment_get(s->v, extents[i].segment, &segment) < 0 ||
                        segment.first_block == 0)
                        continue;
                g_string_append_printf(text, "%s%" PRIu64, text->len ? " " : "", segment.filemark);
        }
        return text->len ? g_strdup(text->str) : NULL;
}

/* get: NULL if this one has none; the caller frees. */
struct attribute {
        const char *name;
        bool of_volume; /* only the root has it */
        char *(*get)(const struct subject *s);
};

static const struct attribute attributes[] = {
        { "ltfs.volumeBlocksize", true, get_block_length },
        { "ltfs.volumeCompression", true, get_compression },
        { "ltfs.volumeFormatTime", true, get_format_time },
        { "ltfs.volumeLockState", true, get_lock_state },
        { "ltfs.volumeName", true, get_name },
        { "ltfs.volumeSerial", true, get_serial },
        { "ltfs.volumeUUID", true, get_uuid },
        { "ltfs.indexCreator", true, get_index_creator },
        { "ltfs.indexGeneration", true, get_generation },
        { "ltfs.indexLocation", true, get_index_location },
        { "ltfs.indexPrevious", true, get_index_previous },
        { "ltfs.indexTime", true, get_index_time },
        { "ltfs.indexVersion", true, get_index_version },
        { "ltfs.labelCreator", true, get_label_creator },
        { "ltfs.labelVersion", true, get_label_version },
        { "ltfs.partitionMap", true, get_partition_map },
        { "ltfs.policyAllowUpdate", true, get_false },
        { "ltfs.policyExists", true, get_false },
        { "ltfs.softwareProduct", true, get_software_product },
        { "ltfs.softwareVersion", true, get_software_version },
        { "ltfs.accessTime", false, get_access_time },
        { "ltfs.changeTime", false, get_change_time },
        { "ltfs.createTime", false, get_create_time },
        { "ltfs.modifyTime", false, get_modify_time },
        { "ltfs.fileUID", false, get_file_uid },
        { "ltfs.partition", false, get_partition },
        { "ltfs.startblock", false, get_start_block },
        { "reelfs.segment", false, get_segment },
};

static int get_subject(Volume *v, Tree *tree, uint64_t ino, struct subject *s)
{
        s->v = v;
        s->tree = tree;
        volume_get_info(v, &s->info);
        return tree_getattr(tree, ino, &s->attr);
}

static char *get(const struct attribute *a, const struct subject *s)
{
        return a->of_volume && s->attr.ino != TREE_ROOT ? NULL : a->get(s);
}

int volume_virtual_xattr(Volume *v, Tree *tree, uint64_t ino, const char *name, char **value)
{
        for (unsigned i = 0; i < G_N_ELEMENTS(attributes); i++) {
                if (strcmp(attributes[i].name, name) != 0)
                        continue;
                struct subject s;
                int r = get_subject(v, tree, ino, &s);
                if (r < 0)
                        return r;
                *value = get(&attributes[i], &s);
                return *value ? 0 : -ENODATA;
        }
        return -ENODATA;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <string.h>

#include "index-read.h"
#include "keys.h"

bool reader_attribute_is(const char **attributes, const char *name, const char *value)
{
        for (; attributes[0]; attributes += 2) {
                if (strcmp(attributes[0], name) == 0)
                        return strcmp(attributes[1], value) == 0;
        }
        return false;
}

/* ---- Leaves */

static int fail_text(IndexReader *r, const char *text)
{
        return entry_fail(&r->entry, -EUCLEAN, "the element \"%s\" is not valid: \"%.100s\"",
                r->open[r->depth - 1]->name, text);
}

static int take_number(IndexReader *r, char *text, size_t length, void *field)
{
        return text_to_number(text, length, field) < 0 ? fail_text(r, text) : 0;
}

/* Known before the entries, it tells which numbers none of them has. */
static int take_highest(IndexReader *r, char *text, size_t length, void *field)
{
        int error = take_number(r, text, length, field);
        if (error == 0 && r->head.highest_fileuid > INT64_MAX)
                error = fail_text(r, text);
        if (error == 0 && !r->head_only)
                tree_set_highest_fileuid(r->entry.tree, r->head.highest_fileuid);
        return error;
}

static int take_time(IndexReader *r, char *text, size_t length, void *field)
{
        const char *trimmed = text_trim(text, &length);
        return parse_time_ns(trimmed, length, field) < 0 ? fail_text(r, text) : 0;
}

static int take_bool(IndexReader *r, char *text, size_t length, void *field)
{
        return text_to_bool(text, length, field) < 0 ? fail_text(r, text) : 0;
}

static int take_creator(IndexReader *r, char *text, size_t length, void *field)
{
        g_strlcpy(field, text, sizeof(r->head.creator));
        return 0;
}

static int take_uuid(IndexReader *r, char *text, size_t length, void *field)
{
        if (!g_uuid_string_is_valid(text))
                return fail_text(r, text);
        g_strlcpy(field, text, sizeof(r->head.uuid));
        return 0;
}

static int take_partition(IndexReader *r, char *text, size_t length, void *field)
{
        if (length != 1 || !g_ascii_islower(text[0]))
                return fail_text(r, text);
        memcpy(field, text, 2);
        return 0;
}

/* name, key, symlink. */
static int take_name(IndexReader *r, char *text, size_t length, void *field)
{
        char **name = field;
        if (r->percent && text_percent_decode(text, &length) < 0)
                return fail_text(r, text);
        g_free(*name);
        *name = g_strndup(text, length);
        return 0;
}

static void load_soon(IndexReader *r, bool again)
{
        if (r->n_directories > 0 && r->entry.name)
                tree_load_soon(r->entry.tree, r->directories[r->n_directories - 1], r->entry.name, again);
}

static int take_entry_name(IndexReader *r, char *text, size_t length, void *field)
{
        int error = take_name(r, text, length, field);
        if (error == 0)
                load_soon(r, false);
        return error;
}

static int take_fileuid(IndexReader *r, char *text, size_t length, void *field)
{
        load_soon(r, true);
        return take_number(r, text, length, field);
}

/* ---- Extended attributes */

static int begin_xattr(IndexReader *r, const char **attributes)
{
        r->given &= ~(uint32_t)(GIVEN_KEY | GIVEN_VALUE);
        return 0;
}

static int begin_value(IndexReader *r, const char **attributes)
{
        r->base64 = reader_attribute_is(attributes, "type", "base64");
        if (!r->entry.is_root || !(r->given & GIVEN_KEY) || strcmp(r->key, KEY_SEGMENTS) != 0)
                return 0;
        if (r->given & GIVEN_SEGMENTS || r->base64)
                return entry_fail(&r->entry, -EUCLEAN, "the segment table is there twice, or not text");
        r->given |= GIVEN_SEGMENTS;
        r->in_segments = true;
        r->line_length = 0;
        return 0;
}

static int take_line(IndexReader *r)
{
        int error = segments_add_line(&r->added, r->line, r->line_length);
        r->line[r->line_length] = '\0';
        r->line_length = 0;
        return error < 0 ? entry_fail(&r->entry, error == -ENOMEM ? error : -EUCLEAN,
                                   "the segment table cannot be taken, at the line \"%s\"", r->line)
                         : 0;
}

/* The table may be large, so it is taken line by line and not kept as text. */
int reader_take_segments(IndexReader *r, const char *text, size_t length)
{
        for (size_t i = 0; i < length; i++) {
                int error = 0;
                if (text[i] == '\n')
                        error = r->line_length > 0 ? take_line(r) : 0;
                else if (r->line_length + 1 < sizeof(r->line))
                        r->line[r->line_length++] = text[i];
                else
                        error = entry_fail(&r->entry, -EUCLEAN, "a line of the segment table is too long");
                if (error < 0)
                        return error;
        }
        return 0;
}

static int take_value(IndexReader *r, char *text, size_t length, void *field)
{
        if (r->in_segments) {
                r->in_segments = false;
                return r->line_length > 0 ? take_line(r) : 0;
        }
        if (r->base64 && text_base64_decode(text, &length) < 0)
                return fail_text(r, text);
        char **value = field;
        g_free(*value);
        *value = g_memdup2(text, length + 1);
        r->value_size = length;
        return 0;
}

static int end_xattr(IndexReader *r, char *text, size_t length, void *field)
{
        if (!(r->given & GIVEN_KEY))
                return entry_fail(&r->entry, -EUCLEAN, "an extended attribute has no key");
        if (!r->value)
                return entry_add_xattr(&r->entry, r->key, g_strdup(""), 0);
        return entry_add_xattr(&r->entry, r->key, g_steal_pointer(&r->value), r->value_size);
}

/* ---- Extents */

static int begin_extent(IndexReader *r, const char **attributes)
{
        r->given &= ~(uint32_t)GIVEN_EXTENT;
        r->extent = (struct entry_extent){ 0 };
        return 0;
}

static int end_extent(IndexReader *r, char *text, size_t length, void *field)
{
        if (!(r->given & GIVEN_START_BLOCK) || !(r->given & GIVEN_BYTE_COUNT))
                return entry_fail(&r->entry, -EUCLEAN, "an extent has no startblock or no bytecount");
        return entry_add_extent(&r->entry, &r->extent);
}

/* ---- Entries */

static int begin_directory(IndexReader *r, const char **attributes)
{
        if (r->head_only)
                return -ECANCELED;
        r->given &= ~(uint32_t)GIVEN_ENTRY;
        entry_begin(&r->entry, true, r->n_directories == 0);
        return 0;
}

static int begin_file(IndexReader *r, const char **attributes)
{
        r->given &= ~(uint32_t)GIVEN_ENTRY;
        entry_begin(&r->entry, false, false);
        return 0;
}

/* Times that are not there are the modification time, and that of the backup is the creation time. */
static void complete_times(IndexReader *r)
{
        struct entry_loader *e = &r->entry;
        if (!(r->given & GIVEN_BTIME))
                e->times.btime = e->times.mtime;
        if (!(r->given & GIVEN_CTIME))
                e->times.ctime = e->times.mtime;
        if (!(r->given & GIVEN_ATIME))
                e->times.atime = e->times.mtime;
        if (!(r->given & GIVEN_BACKUP_TIME))
                e->backup_time = e->times.btime;
}

/* Extents need the table, and only the root's contents have any. */
static int seal_segments(IndexReader *r)
{
        if (!(r->given & GIVEN_SEGMENTS))
                return entry_fail(&r->entry, -EUCLEAN,
                        "the root has no attribute " KEY_SEGMENTS " before its contents");
        int error = segments_merge(r->entry.segments, &r->added);
        if (error == -ENOMEM)
                return entry_fail(&r->entry, error, "out of memory");
        if (error < 0 || segments_seal(r->entry.segments, r->entry.block_length) < 0)
                return entry_fail(&r->entry, -EUCLEAN, "segments of the segment table overlap");
        return 0;
}

/* Whether it is not the entry of something, and has to have a name only: of an incremental index. */
static bool is_bare(const IndexReader *r)
{
        return r->given & GIVEN_DELETED ||
                (r->head.incremental && r->entry.is_directory && !r->entry.is_root &&
                        !(r->given & GIVEN_FILEUID));
}

static int store_bare(IndexReader *r, uint64_t parent, uint64_t *ino)
{
        if (!(r->given & GIVEN_NAME))
                return entry_fail(&r->entry, -EUCLEAN, "an entry has no name");
        r->entry.active = false;
        return r->given & GIVEN_DELETED ? entry_delete(&r->entry, parent)
                                        : entry_pass(&r->entry, parent, ino);
}

static int store_entry(IndexReader *r, uint64_t *ino)
{
        uint64_t parent = r->n_directories > 0 ? r->directories[r->n_directories - 1] : 0;
        if (is_bare(r))
                return store_bare(r, parent, ino);
        uint32_t needed = GIVEN_NAME | GIVEN_MTIME | GIVEN_FILEUID;
        if (!r->entry.is_directory && !(r->given & GIVEN_TARGET))
                needed |= GIVEN_LENGTH;
        if ((r->given & needed) != needed)
                return entry_fail(&r->entry, -EUCLEAN, "the %s \"%.255s\" is not complete",
                        r->entry.is_directory ? "directory" : "file", r->entry.name ? r->entry.name : "");
        int error = r->entry.is_root ? seal_segments(r) : 0;
        if (error < 0)
                return error;
        complete_times(r);
        return entry_end(&r->entry, parent, ino);
}

static int begin_contents(IndexReader *r, const char **attributes)
{
        if (!r->entry.active)
                return entry_fail(&r->entry, -EUCLEAN, "a directory has contents twice");
        if (r->given & GIVEN_DELETED)
                return entry_fail(&r->entry, -EUCLEAN, "a directory that is deleted has contents");
        if (r->n_directories == r->max_directories) {
                size_t more = MAX(r->max_directories * 2, (size_t)64);
                uint64_t *directories = g_try_realloc_n(r->directories, more, sizeof(*directories));
                if (!directories)
                        return entry_fail(&r->entry, -ENOMEM, "out of memory");
                r->directories = directories;
                r->max_directories = more;
        }
        uint64_t ino;
        int error = store_entry(r, &ino);
        if (error == 0)
                r->directories[r->n_directories++] = ino;
        return error;
}

static int end_directory(IndexReader *r, char *text, size_t length, void *field)
{
        uint64_t ino;
        if (r->entry.active) /* it has no contents */
                return store_entry(r, &ino);
        r->n_directories--;
        return 0;
}

static int end_file(IndexReader *r, char *text, size_t length, void *field)
{
        uint64_t ino;
        return store_entry(r, &ino);
}

static int begin_incremental(IndexReader *r, const char **attributes)
{
        r->head.incremental = r->entry.apply = true;
        return 0;
}

/* ---- The elements and where they may be. Others are skipped. */

#define IN(member) .field = offsetof(IndexReader, member)

static const struct element in_location[] = {
        { "partition", .end = take_partition, IN(head.partition) },
        { "startblock", .end = take_number, IN(head.block) },
        { NULL },
};

static const struct element in_previous[] = {
        { "partition" },
        { "startblock", .end = take_number, IN(head.previous_block) },
        { NULL },
};

static const struct element in_xattr[] = {
        { "key", NULL, GIVEN_KEY, NULL, take_name, IN(key) },
        { "value", NULL, GIVEN_VALUE, begin_value, take_value, IN(value) },
        { NULL },
};

static const struct element in_xattrs[] = {
        { "xattr", in_xattr, 0, begin_xattr, end_xattr, 0 },
        { NULL },
};

static const struct element in_extent[] = {
        { "fileoffset", NULL, GIVEN_FILE_OFFSET, NULL, take_number, IN(extent.file_offset) },
        { "partition" },
        { "startblock", NULL, GIVEN_START_BLOCK, NULL, take_number, IN(extent.block) },
        { "byteoffset", NULL, GIVEN_BYTE_OFFSET, NULL, take_number, IN(extent.byte_offset) },
        { "bytecount", NULL, GIVEN_BYTE_COUNT, NULL, take_number, IN(extent.bytes) },
        { NULL },
};

static const struct element in_extents[] = {
        { "extent", in_extent, 0, begin_extent, end_extent, 0 },
        { NULL },
};

/* clang-format off */
#define COMMON_ELEMENTS \
        { "name", NULL, GIVEN_NAME, NULL, take_entry_name, IN(entry.name) }, \
        { "readonly", NULL, GIVEN_READONLY, NULL, take_bool, IN(entry.readonly) }, \
        { "creationtime", NULL, GIVEN_BTIME, NULL, take_time, IN(entry.times.btime) }, \
        { "changetime", NULL, GIVEN_CTIME, NULL, take_time, IN(entry.times.ctime) }, \
        { "modifytime", NULL, GIVEN_MTIME, NULL, take_time, IN(entry.times.mtime) }, \
        { "accesstime", NULL, GIVEN_ATIME, NULL, take_time, IN(entry.times.atime) }, \
        { "backuptime", NULL, GIVEN_BACKUP_TIME, NULL, take_time, IN(entry.backup_time) }, \
        { "fileuid", NULL, GIVEN_FILEUID, NULL, take_fileuid, IN(entry.fileuid) }, \
        { "extendedattributes", in_xattrs, GIVEN_XATTRS, NULL, NULL, 0 }

/* What a full index has. */

#define FILE_ELEMENTS \
        COMMON_ELEMENTS, \
        { "length", NULL, GIVEN_LENGTH, NULL, take_number, IN(entry.length) }, \
        { "openforwrite" }, \
        { "extentinfo", in_extents, GIVEN_EXTENTS, NULL, NULL, 0 }, \
        { "symlink", NULL, GIVEN_TARGET, NULL, take_name, IN(entry.target) }

#define HEAD_ELEMENTS \
        { "creator", NULL, GIVEN_CREATOR, NULL, take_creator, IN(head.creator) }, \
        { "comment" }, \
        { "volumeuuid", NULL, GIVEN_UUID, NULL, take_uuid, IN(head.uuid) }, \
        { "generationnumber", NULL, GIVEN_GENERATION, NULL, take_number, IN(head.generation) }, \
        { "updatetime", NULL, GIVEN_UPDATE_TIME, NULL, take_time, IN(head.update_time) }, \
        { "location", in_location, GIVEN_LOCATION, NULL, NULL, 0 }, \
        { "previousgenerationlocation", in_previous, GIVEN_PREVIOUS, NULL, NULL, 0 }, \
        { "highestfileuid", NULL, GIVEN_HIGHEST, NULL, take_highest, IN(head.highest_fileuid) }
/* clang-format on */

static const struct element in_file[] = {
        FILE_ELEMENTS,
        { NULL },
};

static const struct element in_contents[3];

static const struct element in_directory[] = {
        COMMON_ELEMENTS,
        { "contents", in_contents, 0, begin_contents, NULL, 0 },
        { NULL },
};

static const struct element in_contents[] = {
        { "file", in_file, 0, begin_file, end_file, 0 },
        { "directory", in_directory, 0, begin_directory, end_directory, 0 },
        { NULL },
};

static const struct element in_index[] = {
        HEAD_ELEMENTS,
        { "allowpolicyupdate" },
        { "directory", in_directory, GIVEN_ROOT, begin_directory, end_directory, 0 },
        { NULL },
};

/* What an incremental one has. */

static const struct element in_previous_incremental[] = {
        { "partition" },
        { "startblock", .end = take_number, IN(head.previous_incremental) },
        { NULL },
};

static const struct element in_changed_file[] = {
        FILE_ELEMENTS,
        { "deleted", .given = GIVEN_DELETED },
        { NULL },
};

static const struct element in_changed_contents[3];

static const struct element in_changed_directory[] = {
        COMMON_ELEMENTS,
        { "deleted", .given = GIVEN_DELETED },
        { "contents", in_changed_contents, 0, begin_contents, NULL, 0 },
        { NULL },
};

static const struct element in_changed_contents[] = {
        { "file", in_changed_file, 0, begin_file, end_file, 0 },
        { "directory", in_changed_directory, 0, begin_directory, end_directory, 0 },
        { NULL },
};

static const struct element in_incremental_index[] = {
        HEAD_ELEMENTS,
        { "previousincrementallocation", in_previous_incremental, GIVEN_PREVIOUS_INCREMENTAL, NULL, NULL, 0 },
        { "volumelockstate" },
        { "directory", in_changed_directory, GIVEN_ROOT, begin_directory, end_directory, 0 },
        { NULL },
};

const struct element reader_document[] = {
        { "ltfsindex", in_index, 0, NULL, NULL, 0 },
        { "ltfsincrementalindex", in_incremental_index, 0, begin_incremental, NULL, 0 },
        { NULL },
};

/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* What tests of the volume layer share: trees as text, and messages caught. */
#include <glib.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>

#include <reelfs/log.h>
#include <reelfs/tree.h>

/* ---- A tree as text, one line for each name, so that two can be compared */

struct dump {
        Tree *tree;
        GString *text;
        bool fileuids;
};

static int dump_xattr(void *ctx, const char *name, const void *value, size_t size)
{
        struct dump *d = ctx;
        g_autofree char *base64 = size > 0 ? g_base64_encode(value, size) : g_strdup("");
        g_autofree char *escaped = g_strescape(name, NULL);
        g_string_append_printf(d->text, " [%s=%s]", escaped, base64);
        return 0;
}

static int dump_enter(void *ctx, const struct tree_entry *e)
{
        struct dump *d = ctx;
        const struct tree_attr *a = &e->attr;
        g_autofree char *name = g_strescape(e->name, NULL),
                        *target = g_strescape(e->target ? e->target : "", NULL);
        g_string_append_printf(d->text,
                "(%s %o %u:%u %" PRIu64 " rdev %" PRIx64 " nlink %u %" PRId64 " %" PRId64 " %" PRId64
                " %" PRId64 " backup %" PRId64 " ro %d %s",
                name, a->mode, a->uid, a->gid, a->size, a->rdev, a->nlink, a->times.btime, a->times.mtime,
                a->times.ctime, a->times.atime, e->backup_time, e->readonly, target);
        if (d->fileuids)
                g_string_append_printf(d->text, " uid %" PRIu64 " ino %" PRIu64, e->fileuid, e->ino);
        for (size_t i = 0; i < e->n_extents; i++)
                g_string_append_printf(d->text, " {%" PRIu64 "+%" PRIu64 " at %" PRIu64 ":%" PRIu64 "}",
                        e->extents[i].file_offset, e->extents[i].length, e->extents[i].segment,
                        e->extents[i].offset);
        int r = tree_visit_xattrs(d->tree, e, dump_xattr, d);
        g_string_append_c(d->text, '\n');
        return r;
}

static int dump_leave(void *ctx, const struct tree_entry *e)
{
        struct dump *d = ctx;
        g_string_append(d->text, ")\n");
        return 0;
}

static inline char *dump_tree(Tree *tree)
{
        static const struct tree_visitor visitor = { dump_enter, dump_leave };
        struct dump d = { tree, g_string_new(NULL), true };
        g_assert_cmpint(tree_walk(tree, &visitor, &d), ==, 0);
        return g_string_free(d.text, FALSE);
}

static inline int compare_lines(const void *a, const void *b)
{
        return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Whatever the order of names in directories. */
static inline char *dump_sorted(Tree *tree)
{
        g_autofree char *text = dump_tree(tree);
        g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
        qsort(lines, g_strv_length(lines), sizeof(*lines), compare_lines);
        return g_strjoinv("\n", lines);
}

static inline void assert_same_tree(Tree *a, Tree *b)
{
        g_autofree char *x = dump_tree(a), *y = dump_tree(b);
        g_assert_cmpstr(x, ==, y);
}

/* ---- Messages: kept in one text, errors and warnings only */

static GString *messages;

static void keep_message(void *ctx, int priority, const char *text)
{
        if (priority <= LOG_WARNING)
                g_string_append_printf(messages, "%s\n", text);
}

static inline void catch_messages(void)
{
        if (!messages)
                messages = g_string_new(NULL);
        g_string_truncate(messages, 0);
        log_set_sink(keep_message, NULL);
}

/* Exactly one line has come since catch_messages, or the last of this, and it has text in it. */
static inline void assert_one_message(const char *text)
{
        g_assert_cmpstr(messages->str, !=, "");
        if (!strstr(messages->str, text) || strchr(messages->str, '\n') != messages->str + messages->len - 1)
                g_error("not one message with \"%s\": %s", text, messages->str);
        g_string_truncate(messages, 0);
}

static inline void assert_message(const char *text)
{
        if (!strstr(messages->str, text))
                g_error("no message with \"%s\": %s", text, messages->str);
        g_string_truncate(messages, 0);
}

/* ---- Making trees */

static inline uint64_t make(
        Tree *t, uint64_t parent, const char *name, uint32_t mode, const char *target, uint64_t rdev)
{
        struct tree_new_inode n = { .mode = mode, .uid = 1000, .gid = 100, .target = target, .rdev = rdev };
        struct tree_attr attr;
        g_assert_cmpint(tree_create(t, parent, name, &n, 1234567890123456789, &attr), ==, 0);
        tree_unref(t, attr.ino, 1);
        return attr.ino;
}

static inline uint64_t make_file(Tree *t, uint64_t parent, const char *name)
{
        return make(t, parent, name, S_IFREG | 0644, NULL, 0);
}

static inline uint64_t make_dir(Tree *t, uint64_t parent, const char *name)
{
        return make(t, parent, name, S_IFDIR | 0755, NULL, 0);
}

static inline void put_extent(
        Tree *t, uint64_t ino, uint64_t file_offset, uint64_t length, uint64_t segment, uint64_t offset)
{
        struct tree_extent e = { file_offset, length, segment, offset };
        g_assert_cmpint(tree_put_extent(t, ino, &e, 1600000000000000000), ==, 0);
}

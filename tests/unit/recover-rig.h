/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* What the tests of recovery share. */
#include "segment-rig.h"

static inline char *xattr_text(struct rig *r, const char *path, const char *name)
{
        struct tree_attr a;
        g_autofree void *value = NULL;
        size_t size;
        get(r, path, &a);
        if (tree_xattr_get(r->tree, a.ino, name, &value, &size) < 0)
                return g_strdup("none");
        return g_strndup(value, size);
}

static inline int add_name(void *ctx, const struct tree_entry *e)
{
        struct dump *d = ctx;
        g_string_append_printf(d->text, "(%s %o %u:%u %" PRIu64, e->name, e->attr.mode, e->attr.uid,
                e->attr.gid, e->attr.size);
        tree_visit_xattrs(d->tree, e, dump_xattr, d);
        return 0;
}

/* All but times and where data is. */
static inline char *names(struct rig *r)
{
        static const struct tree_visitor visitor = { add_name, dump_leave };
        struct dump d = { r->tree, g_string_new(NULL), false };
        g_assert_cmpint(tree_walk(r->tree, &visitor, &d), ==, 0);
        return g_string_free(d.text, FALSE);
}

/* It is recovered with one line of text; mounted once more it is closed, and the same. */
static inline void recover(struct rig *r, const char *text)
{
        rig_mount(r);
        assert_one_message(text);
        g_assert_false(volume_is_read_only(r->v));
        g_autofree char *before = names(r);
        crash(r, 0);
        g_assert_cmpuint(rig_problems(r), ==, 0);
        rig_mount(r);
        g_assert_cmpstr(messages->str, ==, "");
        g_autofree char *after = names(r);
        g_assert_cmpstr(before, ==, after);
        rig_write(r, "afterwards", 100, 9);
        g_assert_cmpint(rig_commit(r), ==, 0);
        g_assert_cmpuint(rig_problems(r), ==, 0);
}

/* A tape is cut off, and its memory does not tell of what is gone. */
static const struct virtual_cartridge without_memory = { .lacks = VIRTUAL_NO_ATTRIBUTES };

/* A volume whose last index names the file old. */
static inline void start(struct rig *r, const struct virtual_cartridge *cartridge)
{
        rig_init(r, cartridge);
        rig_format(r);
        rig_mount(r);
        rig_write(r, "old", 1000, 1);
        uint64_t d = make_dir(r->tree, TREE_ROOT, "directory");
        make_file(r->tree, make_dir(r->tree, d, "sub"), "below");
        g_assert_cmpint(rig_commit(r), ==, 0);
}

/* A pack whose second file crosses from one block to the next. */
static inline GByteArray *two_files(struct rig *r, uint64_t *id)
{
        GByteArray *b = g_byte_array_new();
        pack_begin(r, b, id);
        pack_add(b, "first", NULL, 60000, 2);
        pack_add(b, "second", NULL, 60000, 3);
        pack_add(b, "third", NULL, 60000, 4);
        pack_add(b, "fourth", "third", 0, 0);
        pack_put_end(b);
        return b;
}

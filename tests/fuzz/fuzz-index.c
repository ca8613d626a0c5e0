/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The index reader. A document that it takes is written again, in both forms; what is read from that is
 * written as the same bytes. */
#include "../unit/index-helpers.h"

#include "fuzz.h"

struct reading {
        Tree *tree;
        struct segment_table table;
        int error;
};

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
        discard_messages();
        return 0;
}

/* In pieces of varying length: expat must not care. */
static void read_index(struct reading *r, const char *text, size_t length)
{
        IndexReader *reader;
        struct index_head head;
        *r = (struct reading){ .tree = tree_new() };
        g_assert_cmpint(index_reader_new(BLOCK, &r->table, r->tree, &reader), ==, 0);
        for (size_t at = 0, n; at < length && r->error == 0; at += n) {
                n = MIN(length - at, 1 + at % 997);
                r->error = index_reader_feed(reader, text + at, n);
        }
        if (r->error == 0)
                r->error = index_reader_finish(reader, &head);
        if (r->error < 0)
                g_assert_cmpstr(index_reader_why(reader), !=, "");
        index_reader_free(reader);
}

static void reading_clear(struct reading *r)
{
        tree_free(r->tree);
        segments_clear(&r->table);
}

static GString *write_index(struct reading *r, bool compact)
{
        struct index_result result;
        GString *text = encode_with(r->tree, &r->table, compact, &result);
        g_assert_cmpuint(result.cut, ==, 0);
        return text;
}

static void write_and_read(struct reading *r, bool compact)
{
        g_autoptr(GString) text = write_index(r, compact);
        struct reading again;
        read_index(&again, text->str, text->len);
        if (again.error < 0)
                g_error("what was written cannot be read:\n%s", text->str);
        g_autoptr(GString) second = write_index(&again, compact);
        g_assert_cmpstr(second->str, ==, text->str);
        reading_clear(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        struct index_head head;
        struct reading r;
        index_probe((const char *)data, size, &head);
        read_index(&r, (const char *)data, size);
        g_assert_true(r.error == 0 || r.error == -EUCLEAN);
        if (r.error == 0) {
                write_and_read(&r, true);
                write_and_read(&r, false);
        }
        reading_clear(&r);
        return 0;
}

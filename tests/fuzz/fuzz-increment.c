/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The index reader and incremental indexes. What a document that it takes has made of a tree is written as a
 * full index, and as an incremental one of all changes: the one alone, and the other on the tree that was
 * there before, give the same tree. */
#include "../unit/index-helpers.h"

#include "fuzz.h"

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
        discard_messages();
        return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        struct segment_table table, base_table;
        struct index_result result;
        Tree *base = make_base(&base_table), *tree = make_base(&table);
        int r = decode_into(&table, tree, (const char *)data, size, 997, NULL, NULL);
        g_assert_true(r == 0 || r == -EUCLEAN);
        segments_clear(&base_table);
        tree_free(base);
        if (r == 0) {
                g_autofree char *now = dump_sorted(tree);
                base = make_base(&base_table);
                g_autoptr(GString) changes =
                        encode_scope(tree, TREE_SINCE_FULL, &table, &base_table, true, &result);
                r = decode_into(&base_table, base, changes->str, changes->len, 4096, NULL, NULL);
                if (r < 0)
                        g_error("what was written cannot be read:\n%s", changes->str);
                g_autofree char *applied = dump_sorted(base);
                g_assert_cmpstr(now, ==, applied);
                tree_free(base);
                segments_clear(&base_table);

                g_autoptr(GString) full = encode_with(tree, &table, false, &result);
                g_assert_cmpint(decode(full->str, full->len, 4096, &base, NULL, NULL), ==, 0);
                g_autofree char *read = dump_sorted(base);
                g_assert_cmpstr(now, ==, read);
                tree_free(base);
        }
        tree_free(tree);
        segments_clear(&table);
        return 0;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Codecs and tables that need no tape: labels, segment table, tokens. */
#include "index-helpers.h"

/* ---- Labels */

static void test_label_round_trip(void)
{
        struct label label = test_label, back;
        char why[LABEL_WHY_MAX];
        memset(label.volume_id, 0, sizeof(label.volume_id));
        g_autofree char *xml = label_to_xml(&label);
        g_assert_cmpint(label_from_xml(xml, strlen(xml), &back, why), ==, 0);
        g_assert_cmpmem(&label, sizeof(label), &back, sizeof(back));
        for (size_t n = 0; n < strlen(xml) - 1; n++)
                g_assert_cmpint(label_from_xml(xml, n, &back, why), ==, -EUCLEAN);
        /* In fifty years somebody reads this with a pager. */
        g_assert_nonnull(strstr(xml, "mt -f /dev/nst0 fsf"));
}

static void test_label_versions(void)
{
        static const struct {
                const char *from, *to;
                int error;
                const char *why;
        } changes[] = {
                { "label version=\"1.0\"", "label version=\"1.7\"", 0, NULL },
                { "label version=\"1.0\"", "label version=\"2.0\"", -EPROTONOSUPPORT, "2.0" },
                { "label version=\"1.0\"", "label", -EUCLEAN, "version" },
                { "<incompatible/>", "<incompatible><feature>holograms</feature></incompatible>",
                        -EPROTONOSUPPORT, "holograms" },
                { "<readonlycompatible/>",
                        "<readonlycompatible><feature>runes</feature></readonlycompatible>", 0, NULL },
                { "<profile>reel", "<profile>cylinder", -EPROTONOSUPPORT, "cylinder" },
                { "<blocksize>4096", "<blocksize>0", -EUCLEAN, "blocksize" },
                { "<volumeuuid>0", "<volumeuuid>x", -EUCLEAN, "volumeuuid" },
                { "<key>", "<key>0", -EUCLEAN, "key" },
                { "<creator>", "<novelty>1</novelty><creator>", 0, NULL },
                { "<reelfslabel", "<!DOCTYPE reelfslabel><reelfslabel", -EUCLEAN, "document type" },
        };
        for (unsigned i = 0; i < G_N_ELEMENTS(changes); i++) {
                g_autofree char *xml = label_to_xml(&test_label);
                char *at = strstr(xml, changes[i].from), why[LABEL_WHY_MAX] = "";
                struct label label;
                g_assert_nonnull(at);
                g_autofree char *changed = g_strdup_printf(
                        "%.*s%s%s", (int)(at - xml), xml, changes[i].to, at + strlen(changes[i].from));
                g_assert_cmpint(label_from_xml(changed, strlen(changed), &label, why), ==, changes[i].error);
                if (changes[i].why)
                        g_assert_nonnull(strstr(why, changes[i].why));
                if (strstr(changes[i].to, "runes"))
                        g_assert_cmpstr(label.read_only_feature, ==, "runes");
        }
}

static void test_vol1(void)
{
        char block[VOL1_LENGTH], application[14], id[7];
        vol1_encode("AB12", block);
        g_assert_cmpint(vol1_decode(block, sizeof(block), application, id), ==, VOL1_REELFS);
        g_assert_cmpstr(id, ==, "AB12");
        g_assert_cmpint(vol1_decode(block, 79, application, id), ==, VOL1_NONE);
        memcpy(block + 24, "LTFS  ", 6);
        g_assert_cmpint(vol1_decode(block, sizeof(block), application, id), ==, VOL1_LTFS);
        memcpy(block + 24, "BACKUP", 6);
        g_assert_cmpint(vol1_decode(block, sizeof(block), application, id), ==, VOL1_OTHER);
        block[3] = '2';
        g_assert_cmpint(vol1_decode(block, sizeof(block), application, id), ==, VOL1_NONE);
}

/* ---- The table */

static void test_segments(void)
{
        struct segment_table table = { 0 };
        struct segment *s;
        const uint64_t n = 1000000;
        for (uint64_t i = 1; i <= n; i++) {
                g_assert_cmpint(segments_add(&table, i * 2, SEGMENT_FILE, &s), ==, 0);
                if (i % 3 == 0)
                        continue;
                segments_place(&table, s, 10 + i * 4, i);
                s->length = 2 * BLOCK + 1;
        }
        for (uint64_t i = 1; i <= n; i += 997) {
                s = segments_find(&table, i * 2);
                g_assert_cmpuint(s->id, ==, i * 2);
                g_assert_null(segments_find(&table, i * 2 + 1));
                uint64_t first = 10 + i * 4;
                struct segment *expected = i % 3 ? s : NULL;
                g_assert_true(segments_at(&table, first, BLOCK) == expected);
                g_assert_true(segments_at(&table, first + 2, BLOCK) == expected);
                g_assert_null(segments_at(&table, first + 3, BLOCK));
        }
        g_assert_null(segments_find(&table, 0));
        g_assert_null(segments_at(&table, 0, BLOCK));
        g_assert_null(segments_at(&table, UINT64_MAX, BLOCK));
        g_assert_cmpuint(segments_next(&table, 0)->id, ==, 2);
        g_assert_cmpuint(segments_next(&table, 4)->id, ==, 8); /* 6 is not on the tape */
        g_assert_null(segments_next(&table, n * 2));
        g_assert_null(segments_next(&table, UINT64_MAX));
        segments_clear(&table);
}

static void test_token(void)
{
        char a[TOKEN_HEX_LENGTH + 1], b[TOKEN_HEX_LENGTH + 1];
        uint8_t key[TOKEN_KEY_SIZE] = { 0 };
        token_make(key, SEGMENT_INDEX, test_label.uuid, 1, 11, a);
        token_make(key, SEGMENT_INDEX, test_label.uuid, 1, 11, b);
        g_assert_cmpstr(a, ==, b);
        token_make(key, SEGMENT_INDEX, test_label.uuid, 11, 1, b);
        g_assert_cmpstr(a, !=, b);
        token_make(key, SEGMENT_PACK, test_label.uuid, 1, 11, b);
        g_assert_cmpstr(a, !=, b);
        key[31] = 1;
        token_make(key, SEGMENT_INDEX, test_label.uuid, 1, 11, b);
        g_assert_cmpstr(a, !=, b);
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/label/label", test_label_round_trip);
        g_test_add_func("/label/label-versions", test_label_versions);
        g_test_add_func("/label/vol1", test_vol1);
        g_test_add_func("/label/segments", test_segments);
        g_test_add_func("/label/token", test_token);
        return g_test_run();
}

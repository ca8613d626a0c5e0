/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The label parsers. What is read, written and read again is the same. */
#include <errno.h>
#include <string.h>

#include "../../src/volume/label.h"

#include "fuzz.h"

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
        return 0;
}

static void read_vol1(const void *data, size_t size)
{
        char application[14], volume_id[7], block[VOL1_LENGTH];
        enum vol1_kind kind = vol1_decode(data, size, application, volume_id);
        g_assert_cmpuint(strlen(application), <, sizeof(application));
        g_assert_cmpuint(strlen(volume_id), <, sizeof(volume_id));
        if (kind == VOL1_NONE || !vol1_is_volume_id(volume_id))
                return;
        char again[7];
        vol1_encode(volume_id, block);
        g_assert_cmpint(vol1_decode(block, sizeof(block), application, again), ==, VOL1_REELFS);
        g_assert_cmpstr(again, ==, volume_id);
}

static void write_and_read(const struct label *label)
{
        struct label back;
        char why[LABEL_WHY_MAX] = "";
        g_autofree char *xml = label_to_xml(label);
        if (label_from_xml(xml, strlen(xml), &back, why) < 0)
                g_error("%s:\n%s", why, xml);
        g_assert_cmpint(back.format_time, ==, label->format_time);
        g_assert_cmpstr(back.uuid, ==, label->uuid);
        g_assert_cmpstr(back.profile, ==, label->profile);
        g_assert_cmpstr(back.name, ==, label->name);
        g_assert_cmpuint(back.block_length, ==, label->block_length);
        g_assert_true(back.compression == label->compression);
        g_assert_cmpstr(back.partition, ==, label->partition);
        g_assert_cmpmem(back.key, TOKEN_KEY_SIZE, label->key, TOKEN_KEY_SIZE);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        struct label label;
        char why[LABEL_WHY_MAX] = "", uuid[37];
        uint32_t block_length;
        read_vol1(data, size);
        int r = label_from_xml((const char *)data, size, &label, why);
        g_assert_true(r == 0 || r == -EUCLEAN || r == -EPROTONOSUPPORT);
        if (r == 0)
                write_and_read(&label);
        else
                g_assert_cmpstr(why, !=, "");
        r = label_from_ltfs((const char *)data, size, uuid, &block_length);
        g_assert_true(r == 0 || r == -EUCLEAN);
        if (r == 0)
                g_assert_true(g_uuid_string_is_valid(uuid));
        return 0;
}

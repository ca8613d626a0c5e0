/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Attributes of a cartridge's memory as READ ATTRIBUTE returns them, and the volume coherency information
 * among them: a list of attributes. */
#include <errno.h>
#include <string.h>

#include <reelfs/attribute.h>

#include "../../src/volume/coherency.h"
#include "fuzz.h"

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
        return 0;
}

/* What is understood of it is what it says: put together again it is understood as the same. */
static void check_coherency(const uint8_t *data, size_t length)
{
        struct coherency c, again;
        uint8_t encoded[COHERENCY_LENGTH], twice[COHERENCY_LENGTH];
        g_autofree uint8_t *copy = g_memdup2(data, length);
        if (!coherency_decode(copy, length, &c))
                return;
        coherency_encode(&c, encoded);
        g_assert_true(coherency_decode(encoded, sizeof(encoded), &again));
        coherency_encode(&again, twice);
        g_assert_cmpmem(encoded, sizeof(encoded), twice, sizeof(twice));
}

static void check_text(const struct tape_attribute *a)
{
        struct tape_attribute again;
        char text[64];
        attribute_get_text(a, text, sizeof(text));
        g_assert_cmpuint(strnlen(text, sizeof(text)), <, sizeof(text));
        attribute_set_text(&again, ATTRIBUTE_NAME, ATTRIBUTE_ASCII, text, 32);
        g_assert_cmpuint(again.length, ==, 32);
        attribute_set_text(&again, ATTRIBUTE_USER_LABEL, ATTRIBUTE_TEXT, text, 16);
        g_assert_cmpuint(again.length, ==, 16);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        struct tape_attribute a;
        size_t at = 0, put = 0, before = 0;
        uint64_t n;
        int r;
        g_autofree uint8_t *copy = g_memdup2(data, size), *list = g_malloc(size + 1);
        while ((r = attribute_decode(copy, size, &at, &a)) == 0) {
                g_assert_cmpuint(at, ==, before + ATTRIBUTE_HEADER + a.length);
                before = at;
                g_assert_cmpint(attribute_encode(&a, list, size, &put), ==, 0);
                g_assert_cmpuint(put, ==, at);
                check_coherency(a.value, a.length);
                check_text(&a);
                attribute_get_number(&a, &n);
        }
        g_assert_true(r == -ENODATA || r == -EPROTO);
        g_assert_true((r == -ENODATA) == (before == size));
        return 0;
}

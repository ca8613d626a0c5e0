/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Sense data: a byte of status, a byte for the size of the text buffer, the sense bytes. */
#include <string.h>

#include <reelfs/tape.h>

#include "fuzz.h"

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
        return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        struct input in = { data, size };
        struct tape_sense sense, prefix;
        uint8_t status = take_byte(&in);
        size_t text_size = take_byte(&in);
        tape_sense_decode(status, in.data, in.left, &sense);
        g_assert_cmpuint(sense.outcome, <, TAPE_OUTCOMES);
        g_assert_nonnull(tape_outcome_name(sense.outcome));
        if (status != TRANSPORT_STATUS_CHECK_CONDITION)
                g_assert_cmpuint(sense.key | sense.asc | sense.ascq, ==, 0);

        g_autofree char *text = g_malloc(MAX(text_size, 1));
        memset(text, 'x', MAX(text_size, 1));
        tape_sense_text(&sense, text, text_size);
        if (text_size > 0)
                g_assert_cmpuint(strnlen(text, text_size), <, text_size);

        /* A drive may cut its sense anywhere; the bytes in memory behind what came are not looked at. */
        for (size_t n = 0; n < in.left; n++) {
                g_autofree uint8_t *copy = g_memdup2(in.data, n);
                tape_sense_decode(status, copy, n, &prefix);
                g_assert_cmpuint(prefix.outcome, <, TAPE_OUTCOMES);
        }
        return 0;
}

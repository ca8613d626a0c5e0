/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* What all fuzz targets share. A property that does not hold ends the run by g_assert. */
#include <glib.h>
#include <stdint.h>

#include <reelfs/log.h>

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void discard_message(void *ctx, int priority, const char *text)
{
}

/* Messages are made, for their formatting is tested as well, and thrown away. */
static inline void discard_messages(void)
{
        log_open("fuzz", true);
        log_set_sink(discard_message, NULL);
}

/* The input as it is used up. Where there is no more, zeros come. */
struct input {
        const uint8_t *data;
        size_t left;
};

static inline uint8_t take_byte(struct input *in)
{
        if (in->left == 0)
                return 0;
        in->left--;
        return *in->data++;
}

static inline unsigned take_16(struct input *in)
{
        unsigned low = take_byte(in);
        return low | (unsigned)take_byte(in) << 8;
}

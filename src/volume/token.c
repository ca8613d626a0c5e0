/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>

#include <glib.h>

#include "segments.h"
#include "token.h"

void token_make(const uint8_t key[TOKEN_KEY_SIZE], enum segment_kind kind, const char *uuid, uint64_t id,
        uint64_t generation, char hex[static TOKEN_HEX_LENGTH + 1])
{
        g_autofree char *text = g_strdup_printf("%s %s %" G_GUINT64_FORMAT " %" G_GUINT64_FORMAT,
                segment_kind_name(kind), uuid, id, generation);
        g_autofree char *digest =
                g_compute_hmac_for_string(G_CHECKSUM_SHA256, key, TOKEN_KEY_SIZE, text, (gssize)strlen(text));
        memcpy(hex, digest, TOKEN_HEX_LENGTH + 1);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* A segment's token: HMAC-SHA256 under the volume's key (in the XML label, shown nowhere else) over what the
 * segment is. Nobody can write through the mount what would pass for one of the volume's own segments. */
#include <reelfs/volume.h>

#define TOKEN_KEY_SIZE 32
#define TOKEN_HEX_LENGTH 64

/* Covers the text "KIND UUID ID GENERATION", KIND as segment_kind_name says, numbers in decimal. */
void token_make(const uint8_t key[TOKEN_KEY_SIZE], enum segment_kind kind, const char *uuid, uint64_t id,
        uint64_t generation, char hex[static TOKEN_HEX_LENGTH + 1]);

/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* The two labels at the beginning of the tape as structs. Codecs: no I/O, no messages; why says in words for
 * people what is wrong. */
#include <reelfs/volume.h>

#include "token.h"

#define VOL1_LENGTH 80
#define LABEL_WHY_MAX 200

#define LABEL_VERSION_MAJOR 1
#define LABEL_VERSION_MINOR 0

struct label {
        char volume_id[7]; /* of VOL1, without trailing spaces */
        unsigned major, minor;
        char creator[256];
        int64_t format_time;
        char uuid[37];
        char profile[32];
        char name[256 * 4]; /* of the volume */
        uint32_t block_length;
        bool compression;
        char partition[2];
        uint8_t key[TOKEN_KEY_SIZE];
        char read_only_feature[64]; /* a read-only-compatible feature that is not known here; empty: none */
};

/* What the first block of a tape is. */
enum vol1_kind { VOL1_REELFS, VOL1_LTFS, VOL1_OTHER, VOL1_NONE };
/* application: of a VOL1 label, who wrote it. volume_id: its 6 characters. Both without trailing spaces. */
enum vol1_kind vol1_decode(
        const void *block, size_t length, char application[static 14], char volume_id[static 7]);
void vol1_encode(const char *volume_id, char block[static VOL1_LENGTH]);
/* 6 characters A-Z 0-9. */
bool vol1_is_volume_id(const char *text);

/* A volume name as VOLUME_FORMAT wants it: UTF-8, at most 255 code points, no '/', nothing that XML cannot
 * have. */
bool label_is_volume_name(const char *name);

/* The XML label. The caller frees. */
char *label_to_xml(const struct label *label);
/* Fills all but volume_id. -EUCLEAN: damaged; -EPROTONOSUPPORT: a newer version, an unknown incompatible
 * feature or profile. */
int label_from_xml(const char *xml, size_t length, struct label *label, char why[static LABEL_WHY_MAX]);

/* Of an LTFS label, what can be told about a volume that is not ours. 0 or -EUCLEAN. */
int label_from_ltfs(const char *xml, size_t length, char uuid[static 37], uint32_t *block_length);

/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <scsi/sg_unaligned.h>
#include <string.h>

#include "coherency.h"

#define REFERENCE_LENGTH 8
#define IDENTIFIER "REEL" /* and a NUL; LTFS has its name here */
#define UUID_LENGTH 36
#define SPECIFIC_LENGTH (sizeof(IDENTIFIER) + UUID_LENGTH + 2)
#define VERSION 1

/* SPC-5, volume coherency information; the offsets of its fields */
enum {
        AT_REFERENCE = 1,
        AT_GENERATION = 9,
        AT_BLOCK = 17,
        AT_SPECIFIC = 25,
        AT_IDENTIFIER = 27,
        AT_UUID = 32
};
_Static_assert(AT_IDENTIFIER + SPECIFIC_LENGTH == COHERENCY_LENGTH, "70 bytes, as LTFS has it");

void coherency_encode(const struct coherency *c, uint8_t data[static COHERENCY_LENGTH])
{
        memset(data, 0, COHERENCY_LENGTH);
        data[0] = REFERENCE_LENGTH;
        sg_put_unaligned_be64(c->change_reference, data + AT_REFERENCE);
        sg_put_unaligned_be64(c->generation, data + AT_GENERATION);
        sg_put_unaligned_be64(c->block, data + AT_BLOCK);
        sg_put_unaligned_be16(SPECIFIC_LENGTH, data + AT_SPECIFIC);
        memcpy(data + AT_IDENTIFIER, IDENTIFIER, sizeof(IDENTIFIER));
        memcpy(data + AT_UUID, c->uuid, UUID_LENGTH);
        data[COHERENCY_LENGTH - 1] = VERSION;
}

/* A later version may have more behind. */
bool coherency_decode(const uint8_t *data, size_t length, struct coherency *c)
{
        if (length < COHERENCY_LENGTH || data[0] != REFERENCE_LENGTH ||
                sg_get_unaligned_be16(data + AT_SPECIFIC) < SPECIFIC_LENGTH ||
                memcmp(data + AT_IDENTIFIER, IDENTIFIER, sizeof(IDENTIFIER)) != 0)
                return false;
        *c = (struct coherency){ .change_reference = sg_get_unaligned_be(8, data + AT_REFERENCE),
                .generation = sg_get_unaligned_be(8, data + AT_GENERATION),
                .block = sg_get_unaligned_be(8, data + AT_BLOCK) };
        memcpy(c->uuid, data + AT_UUID, UUID_LENGTH);
        return true;
}

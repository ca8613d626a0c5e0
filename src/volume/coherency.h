/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* Volume coherency information: what the cartridge's memory says of the last index. Laid out as LTFS lays it
 * out, under an application client identifier of our own. A codec: no I/O. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define COHERENCY_LENGTH 70

struct coherency {
        uint64_t change_reference;  /* when the index had been written; with another one something has changed
                                     */
        uint64_t generation, block; /* of the index: block is its first logical object */
        char uuid[37];              /* of the volume */
};

void coherency_encode(const struct coherency *c, uint8_t data[static COHERENCY_LENGTH]);
/* False: not ours. Any bytes will do. */
bool coherency_decode(const uint8_t *data, size_t length, struct coherency *c);

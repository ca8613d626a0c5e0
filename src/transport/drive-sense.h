/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* Sense data, SPC-5 4.4. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Sense key, additional sense code and its qualifier: 0xKKAAQQ. */
enum sense_code {
        SENSE_NONE = 0x000000,
        SENSE_FILEMARK = 0x000001,
        SENSE_END_OF_PARTITION = 0x000002,
        SENSE_BEGINNING_OF_PARTITION = 0x000004,
        SENSE_PROGRAMMED_WARNING = 0x000007,
        SENSE_NOT_LOADED = 0x023a00,
        SENSE_WRITE_ERROR = 0x030c00,
        SENSE_MEMORY_WRITE_ERROR = 0x030c0b,
        SENSE_READ_ERROR = 0x031100,
        SENSE_NO_END_OF_DATA = 0x031403,
        SENSE_GUARD_CHECK = 0x041001,
        SENSE_INTERNAL_FAILURE = 0x044400,
        SENSE_LIST_LENGTH = 0x051a00,
        SENSE_INVALID_OPCODE = 0x052000,
        SENSE_NOT_APPEND_ONLY = 0x05200c,
        SENSE_INVALID_FIELD_IN_CDB = 0x052400,
        SENSE_INVALID_FIELD_IN_LIST = 0x052600,
        SENSE_INVALID_RELEASE = 0x052604,
        SENSE_NO_SAVED_PARAMETERS = 0x053900,
        SENSE_POSITIONING = 0x053b00,
        SENSE_REMOVAL_PREVENTED = 0x055302,
        SENSE_MEDIUM_CHANGED = 0x062800,
        SENSE_RESET = 0x062900,
        SENSE_RESERVATIONS_PREEMPTED = 0x062a03,
        SENSE_RESERVATIONS_RELEASED = 0x062a04,
        SENSE_REGISTRATIONS_PREEMPTED = 0x062a05,
        SENSE_WRITE_PROTECTED = 0x072700,
        SENSE_OVERWRITE_ATTEMPTED = 0x07300c,
        SENSE_END_OF_DATA = 0x080005,
        SENSE_BLANK_NO_END_OF_DATA = 0x081403,
        SENSE_VOLUME_OVERFLOW = 0x0d0002,
};

struct sense {
        enum sense_code code;
        bool deferred; /* about an earlier command */
        bool filemark, eom, ili;
        bool valid; /* information is */
        int64_t information;
        bool has_field; /* the rest says which field is wrong */
        bool field_in_cdb;
        uint16_t field_byte;
        uint8_t field_bit;
};

/* Returns the number of bytes put into data, at most TRANSPORT_SENSE_MAX. */
size_t sense_encode(const struct sense *s, bool descriptor, uint8_t *data);

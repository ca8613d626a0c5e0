/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* Finds the objects of a .tap file. */
#include <stdbool.h>
#include <stdint.h>

#include "object-index.h"

#define TAP_FILEMARK 0x00000000u
#define TAP_LENGTH 0x0fffffffu /* of a record's header; the class is above */
#define TAP_CLASS 0xf0000000u
#define TAP_CLASS_GOOD 0x00000000u
#define TAP_CLASS_BAD 0x80000000u
#define TAP_GAP 0xfffffffeu           /* erase gap: 4 bytes to skip */
#define TAP_END_OF_MEDIUM 0xffffffffu /* nothing after it counts */

/* index: empty, is filled. *torn: what follows the last object is neither an object nor an end.
 * -EMEDIUMTYPE: it is not even a .tap that was cut off. */
int cartridge_scan(int fd, uint64_t size, struct object_index *index, bool *torn);

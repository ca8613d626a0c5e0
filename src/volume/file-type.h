/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* A guess at what data is, by its first bytes, for the name of a file that has none. A table, and not
 * libmagic: that knows no ending for half of what archives hold (.mov, .dpx, .mkv), and is much code to run
 * with all privileges over bytes of unknown origin. Pure; any bytes will do. */
#include <stddef.h>

#define FILE_TYPE_PROBE 600 /* bytes that are looked at */

/* An ending without its dot, "mov". Never NULL: "data" or "txt", if there is no better guess. */
const char *file_type_guess(const void *data, size_t length);

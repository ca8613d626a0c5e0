/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* Writes JSON to stdout as it comes. key is NULL inside an array and at the top. A byte NN that is not part
 * of valid UTF-8 becomes \udcNN, a lone surrogate: what Python calls surrogateescape, so that os.fsencode()
 * gives the bytes back. */
#include <stdbool.h>
#include <stdint.h>

struct json {
        unsigned depth;
        bool comma; /* a value came before in this object or array */
};

/* kind: '{' or '[' to begin, '}' or ']' to end. */
void json_begin(struct json *j, const char *key, char kind);
void json_end(struct json *j, char kind);
void json_string(struct json *j, const char *key, const char *text);
void json_uint(struct json *j, const char *key, uint64_t n);
void json_bool(struct json *j, const char *key, bool b);

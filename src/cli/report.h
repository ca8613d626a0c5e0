/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* Facts in sections, as text for people or as one JSON object of objects. Keys are those of JSON; people read
 * them with spaces for underscores. */
#include "json.h"

struct report {
        bool as_json;
        struct json json;
};

void report_begin(struct report *r);
void report_end(struct report *r);
void report_section(struct report *r, const char *key);
void report_section_end(struct report *r);
void report_text(struct report *r, const char *key, const char *value);
void report_count(struct report *r, const char *key, uint64_t n);
/* Bytes. */
void report_size(struct report *r, const char *key, uint64_t bytes);
void report_bool(struct report *r, const char *key, bool b);
/* ns since 1970. */
void report_time(struct report *r, const char *key, int64_t ns);

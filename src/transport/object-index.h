/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* Where each logical object of a cartridge lies in its file: 8 bytes an object, no I/O.
 * Objects are numbered from 0; the number count stands for the end of data. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum object_kind { OBJECT_RECORD, OBJECT_BAD_RECORD, OBJECT_FILEMARK };

struct object_index {
        uint64_t *entries; /* count + 1 of them: the last is the end of data */
        size_t count, room;
};

/* -ENOMEM. */
int object_index_init(struct object_index *ix);
void object_index_free(struct object_index *ix);

/* Room for n more objects, so that the next n pushes cannot fail. -ENOMEM. */
int object_index_reserve(struct object_index *ix, size_t n);
/* An object at the end of data, whose data (of a record) is length bytes; end: the new end of data. */
void object_index_push(struct object_index *ix, enum object_kind kind, uint32_t length, uint64_t end);
/* An erase gap lies before the end of data, which is now at end. */
void object_index_skip_gap(struct object_index *ix, uint64_t end);
void object_index_truncate(struct object_index *ix, size_t count);

enum object_kind object_index_kind(const struct object_index *ix, size_t object);
/* Offset in the file of an object's first byte; of the end of data for object == count. */
uint64_t object_index_offset(const struct object_index *ix, size_t object);
/* An erase gap separates object from the one after it. */
bool object_index_gap_after(const struct object_index *ix, size_t object);
/* Bytes of a record's data; 0 for a filemark. Not for a record with a gap after it. */
uint32_t object_index_length(const struct object_index *ix, size_t object);

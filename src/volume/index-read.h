/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* What the XML half of the index reader is made of: index-read.c drives expat by the table of elements that
 * index-elements.c has. */
#include <expat.h>

#include "index-entry.h"

/* Elements that may be there once: in the document, in an entry, in an extent, in an xattr. */
enum given {
        GIVEN_CREATOR = 1 << 0,
        GIVEN_UUID = 1 << 1,
        GIVEN_GENERATION = 1 << 2,
        GIVEN_UPDATE_TIME = 1 << 3,
        GIVEN_LOCATION = 1 << 4,
        GIVEN_PREVIOUS = 1 << 5,
        GIVEN_HIGHEST = 1 << 6,
        GIVEN_ROOT = 1 << 7,
        GIVEN_SEGMENTS = 1 << 8,
        GIVEN_HEAD_NEEDED = GIVEN_UUID | GIVEN_GENERATION | GIVEN_UPDATE_TIME | GIVEN_LOCATION |
                GIVEN_HIGHEST | GIVEN_ROOT,

        GIVEN_PREVIOUS_INCREMENTAL = 1 << 27,

        GIVEN_NAME = 1 << 9,
        GIVEN_LENGTH = 1 << 10,
        GIVEN_READONLY = 1 << 11,
        GIVEN_BTIME = 1 << 12,
        GIVEN_CTIME = 1 << 13,
        GIVEN_MTIME = 1 << 14,
        GIVEN_ATIME = 1 << 15,
        GIVEN_BACKUP_TIME = 1 << 16,
        GIVEN_FILEUID = 1 << 17,
        GIVEN_TARGET = 1 << 18,
        GIVEN_XATTRS = 1 << 19,
        GIVEN_EXTENTS = 1 << 20,
        GIVEN_DELETED = 1 << 28,
        GIVEN_ENTRY = GIVEN_NAME | GIVEN_LENGTH | GIVEN_READONLY | GIVEN_BTIME | GIVEN_CTIME | GIVEN_MTIME |
                GIVEN_ATIME | GIVEN_BACKUP_TIME | GIVEN_FILEUID | GIVEN_TARGET | GIVEN_XATTRS |
                GIVEN_EXTENTS | GIVEN_DELETED,

        GIVEN_FILE_OFFSET = 1 << 21,
        GIVEN_START_BLOCK = 1 << 22,
        GIVEN_BYTE_OFFSET = 1 << 23,
        GIVEN_BYTE_COUNT = 1 << 24,
        GIVEN_EXTENT = GIVEN_FILE_OFFSET | GIVEN_START_BLOCK | GIVEN_BYTE_OFFSET | GIVEN_BYTE_COUNT,

        GIVEN_KEY = 1 << 25,
        GIVEN_VALUE = 1 << 26,
};

struct element {
        const char *name;
        const struct element *children; /* up to one without name; NULL: a leaf, whose text goes to end */
        uint32_t given;
        /* Either may be NULL. */
        int (*begin)(IndexReader *r, const char **attributes);
        int (*end)(IndexReader *r, char *text, size_t length, void *field);
        size_t field; /* its offset in IndexReader */
};

struct IndexReader {
        XML_Parser parser;
        int error;
        uint64_t fed;
        bool torn;      /* what was fed is the beginning of a document */
        bool head_only; /* stops, with -ECANCELED, before the first entry */

        const struct element **open; /* elements, outermost first */
        size_t depth, max_depth;
        uint64_t skipped; /* depth in an element that is not known */
        uint32_t given;
        GString *text; /* of the open leaf */
        bool percent;  /* its attribute percentencoded */

        uint64_t *directories; /* inode numbers of those open, the root first */
        size_t n_directories, max_directories;

        struct index_head head;
        struct entry_loader entry;
        struct entry_extent extent;
        char *key, *value;
        size_t value_size;
        bool base64;
        bool in_segments;           /* text is the segment table */
        struct segment_table added; /* by it; until it is complete */
        char line[SEGMENT_LINE_MAX];
        size_t line_length;
};

/* What a document may begin with. */
extern const struct element reader_document[];
bool reader_attribute_is(const char **attributes, const char *name, const char *value);
/* Of the segment table, in pieces of any length. */
int reader_take_segments(IndexReader *r, const char *text, size_t length);

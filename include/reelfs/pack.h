/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* The pack codec: many small files as one POSIX pax archive, which tar reads. Bytes into memory, no I/O, no
 * state; any thread. An archive is its head, members, and its end; each member is its header, and for one
 * with data the data, filled up with zeros to a multiple of PACK_UNIT. */
#include <glib.h>

#include <reelfs/tree.h>

#define PACK_UNIT 512
/* What a member usually takes besides its data, the rest of the last unit included. */
#define PACK_MEMBER_ROOM 2048

/* Appends the pax global header, which says what pack of which volume this is. */
void pack_put_head(
        GByteArray *out, const char *uuid, uint64_t segment, uint64_t generation, const char *token);

/* What the comment of a member with data begins with, if the CRC of its data is known; then it has eight
 * hexadecimal digits. No tar says anything about comments. */
#define PACK_COMMENT_CRC32 "crc32 "

/* One extended attribute. pack_put_member takes them as an array. */
struct pack_xattr {
        const char *name; /* as Linux has it */
        const void *value;
        size_t size;
};

struct pack_member {
        const char *path; /* as tree_path gives it; the leading slash does not become part of the name */
        const char *link; /* the path of a member before it, of which it is one more name; NULL: none */
        const struct tree_attr *attr; /* of a regular file */
        const struct pack_xattr *xattrs;
        size_t n_xattrs;
};

/* Appends the member's header. Data of attr->size bytes has to follow, unless link is set. */
void pack_put_member(GByteArray *out, const struct pack_member *member);

/* Appends the end of the archive. */
void pack_put_end(GByteArray *out);

/* Zeros that fill up the data of a member. */
static inline size_t pack_filling(uint64_t size)
{
        return (size_t)(-size % PACK_UNIT);
}

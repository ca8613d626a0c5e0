/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* The pack codec: many small files as one POSIX pax archive, which tar reads. Bytes into memory, and back, no
 * I/O; any thread. An archive is its head, members, and its end; each member is its header, and for one
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

/* ---- Reading. Takes what is written above, and no more of what an archive can have: a pack is ours, or it
 * is damaged. Memory is bounded by the limits below, whatever the bytes say. */

#define PACK_RECORDS_MAX (4u << 20) /* bytes of one header's records */
#define PACK_PATH_MAX (1u << 20)    /* bytes of a path; its names have at most TREE_NAME_MAX */
#define PACK_XATTRS_MAX 16384u      /* of one member */
#define PACK_XATTR_SIZE_MAX (1u << 16)

struct pack_head {
        uint64_t segment, generation;
        char uuid[37], token[65];
};
/* Whether data, the beginning of a segment, begins as a pack does. What head says proves nothing until the
 * token is compared. PACK_PROBE bytes are enough. */
bool pack_probe(const void *data, size_t length, struct pack_head *head);
#define PACK_PROBE 4096

/* Both may return an error, which ends the reading and is what pack_reader_feed returns. Pointers are good
 * until they return. */
struct pack_visitor {
        int (*head)(void *ctx, const struct pack_head *head);
        /* Of attr, size, mode (a regular file's), uid, gid and times are set, btime being mtime. Paths have
         * no leading slash, no empty name, no "." or "..". offset: of the data in the archive; it need not
         * have been fed yet. */
        int (*member)(void *ctx, const struct pack_member *member, uint64_t offset);
        void *ctx;
};

typedef struct PackReader PackReader;

/* -ENOMEM. */
int pack_reader_new(const struct pack_visitor *visitor, PackReader **ret);
void pack_reader_free(PackReader *r);
/* The next piece of the archive, of any length; data of members is passed over. -EUCLEAN: damaged,
 * pack_reader_why says how; -ENOMEM. */
int pack_reader_feed(PackReader *r, const void *data, size_t length);
/* The end of the archive was seen. */
bool pack_reader_is_complete(const PackReader *r);
const char *pack_reader_why(const PackReader *r);

/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* What the writer and the reader of packs share. */
#include <reelfs/pack.h>

#define NS INT64_C(1000000000)

/* IEEE Std 1003.1, ustar Header Block */
struct header {
        char name[100], mode[8], uid[8], gid[8], size[12], mtime[12], chksum[8], typeflag, linkname[100],
                magic[6], version[2], uname[32], gname[32], devmajor[8], devminor[8], prefix[155], pad[12];
};
G_STATIC_ASSERT(sizeof(struct header) == PACK_UNIT);

/* The sum of all bytes, where those of chksum count as spaces. */
static inline unsigned header_sum(const struct header *h)
{
        const uint8_t *bytes = (const uint8_t *)h;
        unsigned sum = sizeof(h->chksum) * ' ';
        for (size_t i = 0; i < sizeof(*h); i++)
                sum += bytes[i];
        for (size_t i = 0; i < sizeof(h->chksum); i++)
                sum -= (uint8_t)h->chksum[i];
        return sum;
}

/* Entries of an ACL: as the kernel counts them (acl.h), and in the text form of acl(5). */
static const struct {
        uint16_t tag;
        const char *name;
        bool named;
} acl_tags[] = { { 0x01, "user:", false }, { 0x02, "user:", true }, { 0x04, "group:", false },
        { 0x08, "group:", true }, { 0x10, "mask:", false }, { 0x20, "other:", false } };

/* ---- pack-records.c: the records of one header, "LENGTH KEYWORD=VALUE\n" each */

/* What they say. Text points into the records. */
struct pack_records {
        const char *path, *link; /* NULL: not said */
        bool has_uid, has_gid, has_size, has_mtime, has_atime, has_ctime;
        uint64_t uid, gid, size;
        int64_t mtime, atime, ctime;
        struct pack_xattr *xattrs;
        size_t n_xattrs, max_xattrs;
        void *acl; /* value of one of them, owned */
        /* Of a global header */
        const char *uuid, *token;
        uint64_t segment, generation;
};

/* Ends texts in place. -EUCLEAN: why is set; -ENOMEM. */
int pack_records_parse(struct pack_records *p, char *text, size_t length, const char **why);
/* Forgets all of it. */
void pack_records_clear(struct pack_records *p);

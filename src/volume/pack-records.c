/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Records of pax headers (POSIX.1-2017, pax Header Block), as pack.c writes them. */
#include <errno.h>
#include <string.h>
#include <sys/xattr.h>

#include <reelfs/acl.h>
#include <reelfs/hash.h>

#include "pack-format.h"
#include "text.h"

#define XATTR_KEY "SCHILY.xattr."
#define XATTR_NAME_BYTES 255 /* linux/limits.h: XATTR_NAME_MAX */
#define ACL_ENTRIES_MAX 8000 /* what an xattr can hold */

/* One record: key and value both end in NUL. */
struct record {
        char *key, *value;
        size_t size;
};

/* ---- Values */

/* Digits and nothing else. */
static int take_number(const struct record *r, uint64_t *number)
{
        if (r->size == 0 || strspn(r->value, "0123456789") != r->size)
                return -EUCLEAN;
        return text_to_number(r->value, r->size, number) < 0 ? -EUCLEAN : 0;
}

static int take_text(const struct record *r, const char **text)
{
        if (r->size == 0 || strlen(r->value) != r->size)
                return -EUCLEAN;
        *text = r->value;
        return 0;
}

/* "[-]SECONDS[.FRACTION]" */
static int take_time(const struct record *r, int64_t *ns)
{
        const char *p = r->value;
        bool negative = *p == '-';
        p += negative;
        size_t digits = strspn(p, "0123456789"), decimals = 0;
        uint64_t seconds, fraction = 0, size;
        if (digits == 0 || text_to_number(p, digits, &seconds) < 0)
                return -EUCLEAN;
        p += digits;
        if (*p == '.')
                for (p++; g_ascii_isdigit(*p); p++, decimals++)
                        fraction = decimals < 9 ? fraction * 10 + (uint64_t)(*p - '0') : fraction;
        for (; decimals < 9; decimals++)
                fraction *= 10;
        if (p != r->value + r->size || __builtin_mul_overflow(seconds, (uint64_t)NS, &size) ||
                __builtin_add_overflow(size, fraction, &size) || size > (uint64_t)INT64_MAX + negative)
                return -EUCLEAN;
        *ns = (int64_t)(negative ? -size : size);
        return 0;
}

/* ---- ACLs */

static void put16(uint8_t *p, unsigned value)
{
        p[0] = (uint8_t)value;
        p[1] = (uint8_t)(value >> 8);
}

/* "user:1000:rwx" or "mask::r--" up to end, as an entry of the xattr. */
static int acl_entry(const char *p, const char *end, uint8_t entry[static 8])
{
        uint64_t id = UINT32_MAX;
        const char *permissions = end - 3;
        for (size_t i = 0; i < G_N_ELEMENTS(acl_tags); i++) {
                size_t n = strlen(acl_tags[i].name);
                if ((size_t)(end - p) < n + 4 || memcmp(p, acl_tags[i].name, n) != 0 ||
                        permissions[-1] != ':' || (p[n] != ':') != acl_tags[i].named)
                        continue;
                const char *digits = p + n;
                size_t length = (size_t)(permissions - 1 - digits);
                if (acl_tags[i].named ? strspn(digits, "0123456789") != length ||
                                        text_to_number(digits, length, &id) < 0 || id >= UINT32_MAX
                                      : length != 0)
                        return -EUCLEAN;
                unsigned bits = 0;
                for (unsigned b = 0; b < 3; b++) {
                        if (permissions[b] != "rwx"[b] && permissions[b] != '-')
                                return -EUCLEAN;
                        bits |= permissions[b] == '-' ? 0 : 4u >> b;
                }
                put16(entry, acl_tags[i].tag);
                put16(entry + 2, bits);
                put16(entry + 4, (unsigned)(id & 0xffff));
                put16(entry + 6, (unsigned)(id >> 16));
                return 0;
        }
        return -EUCLEAN;
}

/* *value, size bytes, is what the kernel wants; the caller frees. */
static int acl_from_text(const char *text, void **value, size_t *size)
{
        size_t n = 1, at = 4;
        for (const char *p = text; *p; p++)
                n += *p == ',';
        if (n > ACL_ENTRIES_MAX)
                return -EUCLEAN;
        *size = 4 + n * 8;
        g_autofree uint8_t *acl = g_try_malloc0(*size);
        if (!acl)
                return -ENOMEM;
        acl[0] = 2; /* POSIX_ACL_XATTR_VERSION */
        for (const char *p = text;; at += 8) {
                const char *end = strchrnul(p, ',');
                int r = acl_entry(p, end, acl + at);
                if (r < 0)
                        return r;
                if (!*end)
                        break;
                p = end + 1;
        }
        if (acl_check(acl, *size) < 0)
                return -EUCLEAN;
        *value = g_steal_pointer(&acl);
        return 0;
}

/* ---- Extended attributes */

static int add_xattr(struct pack_records *p, const char *name, const void *value, size_t size)
{
        size_t length = strlen(name);
        if (length == 0 || length > XATTR_NAME_BYTES || size > PACK_XATTR_SIZE_MAX ||
                p->n_xattrs == PACK_XATTRS_MAX)
                return -EUCLEAN;
        if (p->n_xattrs == p->max_xattrs) {
                size_t more = MAX(2 * p->max_xattrs, (size_t)16);
                struct pack_xattr *xattrs = g_try_realloc_n(p->xattrs, more, sizeof(*xattrs));
                if (!xattrs)
                        return -ENOMEM;
                p->xattrs = xattrs;
                p->max_xattrs = more;
        }
        p->xattrs[p->n_xattrs++] = (struct pack_xattr){ name, value, size };
        return 0;
}

/* As xattr_keyword of pack.c made it, in place. Any other '%' is one. */
static const char *xattr_name(char *keyword)
{
        char *to = keyword;
        for (const char *from = keyword; *from;) {
                bool percent = g_str_has_prefix(from, "%25"), equals = g_str_has_prefix(from, "%3D");
                *to++ = equals ? '=' : *from;
                from += percent || equals ? 3 : 1;
        }
        *to = '\0';
        return keyword;
}

static int take_acl(struct pack_records *p, const struct record *r)
{
        const char *text;
        size_t size;
        if (p->acl || take_text(r, &text) < 0)
                return -EUCLEAN;
        int error = acl_from_text(text, &p->acl, &size);
        return error < 0 ? error : add_xattr(p, ACL_XATTR_ACCESS, p->acl, size);
}

/* Ours, or anybody's. */
static int take_comment(struct pack_records *p, const struct record *r)
{
        const size_t prefix = strlen(PACK_COMMENT_CRC32);
        uint32_t crc;
        if (r->size <= prefix || memcmp(r->value, PACK_COMMENT_CRC32, prefix) != 0 ||
                !hash_crc_from_text(r->value + prefix, r->size - prefix, &crc))
                return 0;
        return add_xattr(p, HASH_XATTR_CRC32, r->value + prefix, r->size - prefix);
}

/* ---- Records */

struct field {
        const char *key;
        enum { NUMBER, TEXT, TIME } type;
        size_t offset, has; /* in struct pack_records; has 0: nothing to be set there */
};

#define FIELD(member) offsetof(struct pack_records, member)

static const struct field fields[] = {
        { "mtime", TIME, FIELD(mtime), FIELD(has_mtime) },
        { "atime", TIME, FIELD(atime), FIELD(has_atime) },
        { "ctime", TIME, FIELD(ctime), FIELD(has_ctime) },
        { "path", TEXT, FIELD(path), 0 },
        { "linkpath", TEXT, FIELD(link), 0 },
        { "size", NUMBER, FIELD(size), FIELD(has_size) },
        { "uid", NUMBER, FIELD(uid), FIELD(has_uid) },
        { "gid", NUMBER, FIELD(gid), FIELD(has_gid) },
        { "REELFS.volumeuuid", TEXT, FIELD(uuid), 0 },
        { "REELFS.segment", NUMBER, FIELD(segment), 0 },
        { "REELFS.generation", NUMBER, FIELD(generation), 0 },
        { "REELFS.token", TEXT, FIELD(token), 0 },
};

static int take_field(struct pack_records *p, const struct field *f, const struct record *r)
{
        char *base = (char *)p;
        if (f->has)
                *(bool *)(base + f->has) = true;
        switch (f->type) {
        case NUMBER:
                return take_number(r, (uint64_t *)(base + f->offset));
        case TIME:
                return take_time(r, (int64_t *)(base + f->offset));
        default:
                return take_text(r, (const char **)(base + f->offset));
        }
}

static int take_record(struct pack_records *p, const struct record *r)
{
        if (g_str_has_prefix(r->key, XATTR_KEY))
                return add_xattr(p, xattr_name(r->key + strlen(XATTR_KEY)), r->value, r->size);
        if (strcmp(r->key, "SCHILY.acl.access") == 0)
                return take_acl(p, r);
        if (strcmp(r->key, "comment") == 0)
                return take_comment(p, r);
        for (size_t i = 0; i < G_N_ELEMENTS(fields); i++)
                if (strcmp(r->key, fields[i].key) == 0)
                        return take_field(p, &fields[i], r);
        return 0; /* hdrcharset, and what a later version may add */
}

/* The record at *at, which ends at or before end. False: there is none. */
static bool next_record(char **at, const char *end, struct record *r)
{
        size_t digits = 0, length = 0;
        char *p = *at;
        for (; p + digits < end && g_ascii_isdigit(p[digits]) && digits < 8; digits++)
                length = length * 10 + (size_t)(p[digits] - '0');
        if (digits == 0 || length < digits + 4 || length > (size_t)(end - p) || p[0] == '0' ||
                p[digits] != ' ' || p[length - 1] != '\n')
                return false;
        char *equals = memchr(p + digits + 1, '=', length - digits - 2);
        if (!equals)
                return false;
        *equals = '\0';
        p[length - 1] = '\0';
        *r = (struct record){ p + digits + 1, equals + 1, (size_t)(p + length - 1 - (equals + 1)) };
        *at = p + length;
        return strlen(r->key) == (size_t)(equals - r->key);
}

int pack_records_parse(struct pack_records *p, char *text, size_t length, const char **why)
{
        for (char *at = text, *end = text + length; at < end;) {
                struct record r;
                *why = "a record is not well-formed";
                if (!next_record(&at, end, &r))
                        return -EUCLEAN;
                *why = "the value of a record makes no sense";
                int error = take_record(p, &r);
                if (error < 0)
                        return error;
        }
        return 0;
}

void pack_records_clear(struct pack_records *p)
{
        g_free(p->xattrs);
        g_free(p->acl);
        *p = (struct pack_records){ 0 };
}

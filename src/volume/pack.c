/* SPDX-License-Identifier: GPL-2.0-or-later */
/* POSIX.1-2017, pax, "pax Interchange Format". Written here and not by libarchive, which has no global header
 * with records of ours, and repeats device, inode and each extended attribute in records of its own. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include <reelfs/acl.h>
#include <reelfs/hash.h>

#include "pack-format.h"

/* ---- Headers */

#define OCTAL_MAX(digits) ((UINT64_C(1) << 3 * (digits)) - 1)

/* As many digits as there are bytes, but for the NUL at the end. What does not fit is in a record. */
static void put_octal(char *field, size_t size, uint64_t value)
{
        value = MIN(value, OCTAL_MAX(size - 1));
        field[size - 1] = '\0';
        for (size_t i = size - 1; i-- > 0; value >>= 3)
                field[i] = (char)('0' + (value & 7));
}

static void finish_header(struct header *h)
{
        memcpy(h->magic, "ustar", sizeof(h->magic));
        memcpy(h->version, "00", sizeof(h->version));
        h->chksum[sizeof(h->chksum) - 1] = ' ';
        put_octal(h->chksum, sizeof(h->chksum) - 1, header_sum(h));
}

static void fill_up(GByteArray *out, size_t size)
{
        static const uint8_t zeros[PACK_UNIT];
        g_byte_array_append(out, zeros, (guint)pack_filling(size));
}

/* ---- Records: "LENGTH KEYWORD=VALUE\n", where LENGTH counts itself */

static size_t count_digits(size_t number)
{
        size_t n = 1;
        for (; number >= 10; number /= 10)
                n++;
        return n;
}

static void put_record(GByteArray *out, const char *prefix, const char *key, const void *value, size_t size)
{
        size_t prefix_length = strlen(prefix), key_length = strlen(key);
        size_t rest = 1 + prefix_length + key_length + 1 + size + 1, digits = count_digits(rest);
        if (count_digits(rest + digits) > digits)
                digits++;
        guint at = out->len;
        g_byte_array_set_size(out, at + (guint)(digits + rest));
        char *p = (char *)out->data + at + digits;
        size_t length = digits + rest;
        for (char *digit = p; digits-- > 0; length /= 10)
                *--digit = (char)('0' + length % 10);
        *p++ = ' ';
        p = mempcpy(p, prefix, prefix_length);
        p = mempcpy(p, key, key_length);
        *p++ = '=';
        p = mempcpy(p, value, size);
        *p = '\n';
}

static void put_text(GByteArray *out, const char *key, const char *text)
{
        put_record(out, "", key, text, strlen(text));
}

static void put_number(GByteArray *out, const char *key, uint64_t number)
{
        char text[24];
        snprintf(text, sizeof(text), "%" PRIu64, number);
        put_text(out, key, text);
}

static void put_time(GByteArray *out, const char *key, int64_t ns)
{
        char text[32];
        uint64_t size = ns < 0 ? -(uint64_t)ns : (uint64_t)ns;
        snprintf(text, sizeof(text), "%s%" PRIu64 ".%09" PRIu64, ns < 0 ? "-" : "", size / NS, size % NS);
        put_text(out, key, text);
}

/* ---- Extended attributes */

static uint16_t get16(const uint8_t *p)
{
        return (uint16_t)(p[0] | p[1] << 8);
}

/* The text form of acl(5), by numbers, which GNU tar and libarchive take. acl is valid, since the tree has
 * it from the kernel; what is not known here is left out. */
static void put_acl(GByteArray *out, const char *key, const uint8_t *acl, size_t size)
{
        g_autoptr(GString) text = g_string_new(NULL);
        for (size_t at = 4; at + 8 <= size; at += 8) {
                unsigned permissions = get16(acl + at + 2);
                for (size_t i = 0; i < G_N_ELEMENTS(acl_tags); i++) {
                        if (acl_tags[i].tag != get16(acl + at))
                                continue;
                        g_string_append_printf(text, "%s%s", text->len ? "," : "", acl_tags[i].name);
                        if (acl_tags[i].named)
                                g_string_append_printf(text, "%" PRIu32,
                                        get16(acl + at + 4) | (uint32_t)get16(acl + at + 6) << 16);
                        g_string_append_printf(text, ":%c%c%c", permissions & 4 ? 'r' : '-',
                                permissions & 2 ? 'w' : '-', permissions & 1 ? 'x' : '-');
                }
        }
        put_record(out, "", key, text->str, text->len);
}

/* A '=' would end the keyword: GNU tar writes and reads these two so. */
static char *xattr_keyword(const char *name)
{
        GString *s = g_string_new(name);
        g_string_replace(s, "%", "%25", 0);
        g_string_replace(s, "=", "%3D", 0);
        return g_string_free(s, FALSE);
}

static void put_xattr(GByteArray *out, const struct pack_xattr *x)
{
        g_autofree char *keyword = strpbrk(x->name, "=%") ? xattr_keyword(x->name) : NULL;
        if (strcmp(x->name, ACL_XATTR_ACCESS) == 0)
                put_acl(out, "SCHILY.acl.access", x->value, x->size);
        else
                put_record(out, "SCHILY.xattr.", keyword ?: x->name, x->value, x->size);
}

/* ---- The archive */

/* Room for the header of records, which come next. Returns where. */
static guint begin_records(GByteArray *out)
{
        guint start = out->len;
        g_byte_array_set_size(out, start + sizeof(struct header));
        return start;
}

static void end_records(GByteArray *out, guint start, char type, const char *name, uint64_t mtime)
{
        struct header h = { .typeflag = type };
        size_t size = out->len - start - sizeof(h);
        fill_up(out, size);
        memcpy(h.name, name, strlen(name));
        put_octal(h.mode, sizeof(h.mode), 0644);
        put_octal(h.uid, sizeof(h.uid), 0);
        put_octal(h.gid, sizeof(h.gid), 0);
        put_octal(h.size, sizeof(h.size), size);
        put_octal(h.mtime, sizeof(h.mtime), mtime);
        finish_header(&h);
        memcpy(out->data + start, &h, sizeof(h));
}

void pack_put_head(
        GByteArray *out, const char *uuid, uint64_t segment, uint64_t generation, const char *token)
{
        guint start = begin_records(out);
        put_text(out, "REELFS.volumeuuid", uuid);
        put_number(out, "REELFS.segment", segment);
        put_number(out, "REELFS.generation", generation);
        put_text(out, "REELFS.token", token);
        end_records(out, start, 'g', "reelfs-pack", 0);
}

/* Whether the header's field says it all. */
static bool is_plain(const char *name, size_t length)
{
        for (size_t i = 0; i < length; i++)
                if ((unsigned char)name[i] >= 0x80)
                        return false;
        return length <= sizeof(((struct header *)NULL)->name);
}

static void put_records(GByteArray *out, const struct pack_member *m, const char *path, const char *link)
{
        const struct tree_attr *a = m->attr;
        size_t path_length = strlen(path), link_length = link ? strlen(link) : 0;
        if (!g_utf8_validate(path, -1, NULL) || (link && !g_utf8_validate(link, -1, NULL)))
                put_text(out, "hdrcharset", "BINARY");
        if (!is_plain(path, path_length))
                put_record(out, "", "path", path, path_length);
        if (link && !is_plain(link, link_length))
                put_record(out, "", "linkpath", link, link_length);
        if (a->uid > OCTAL_MAX(7))
                put_number(out, "uid", a->uid);
        if (a->gid > OCTAL_MAX(7))
                put_number(out, "gid", a->gid);
        if (!link && a->size > OCTAL_MAX(11))
                put_number(out, "size", a->size);
        put_time(out, "mtime", a->times.mtime);
        put_time(out, "atime", a->times.atime);
        put_time(out, "ctime", a->times.ctime);
        if (!link && a->has_crc32) {
                char text[sizeof(PACK_COMMENT_CRC32) + HASH_CRC_TEXT_LENGTH] = PACK_COMMENT_CRC32;
                hash_crc_to_text(a->crc32, text + strlen(text));
                put_text(out, "comment", text);
        }
        for (size_t i = 0; i < m->n_xattrs; i++)
                put_xattr(out, &m->xattrs[i]);
}

static uint64_t whole_seconds(int64_t ns)
{
        return ns > 0 ? (uint64_t)(ns / NS) : 0;
}

void pack_put_member(GByteArray *out, const struct pack_member *m)
{
        const struct tree_attr *a = m->attr;
        const char *path = m->path + (m->path[0] == '/'),
                   *link = m->link ? m->link + (m->link[0] == '/') : NULL;
        guint start = begin_records(out);
        put_records(out, m, path, link);
        end_records(out, start, 'x', "././@PaxHeader", whole_seconds(a->times.mtime));

        struct header h = { .typeflag = link ? '1' : '0' };
        memcpy(h.name, path, MIN(strlen(path), sizeof(h.name)));
        if (link)
                memcpy(h.linkname, link, MIN(strlen(link), sizeof(h.linkname)));
        put_octal(h.mode, sizeof(h.mode), a->mode & 07777);
        put_octal(h.uid, sizeof(h.uid), a->uid);
        put_octal(h.gid, sizeof(h.gid), a->gid);
        put_octal(h.size, sizeof(h.size), link ? 0 : a->size);
        put_octal(h.mtime, sizeof(h.mtime), whole_seconds(a->times.mtime));
        finish_header(&h);
        g_byte_array_append(out, (const uint8_t *)&h, sizeof(h));
}

void pack_put_end(GByteArray *out)
{
        for (int i = 0; i < 2; i++) {
                guint at = out->len;
                g_byte_array_set_size(out, at + PACK_UNIT);
                memset(out->data + at, 0, PACK_UNIT);
        }
}

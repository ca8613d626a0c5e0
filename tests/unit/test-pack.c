/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The pack codec, field by field; that tar reads it all is what tests/integration/35-packs.sh shows. */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <reelfs/acl.h>
#include <reelfs/pack.h>

static const struct tree_attr plain = { .size = 700,
        .mode = S_IFREG | 04751,
        .uid = 1000,
        .gid = 4000000000,
        .times = { .mtime = 1500000000123456789, .atime = -1500000000, .ctime = 7 } };

/* The size that the header at at says, after its checksum was found right. */
static size_t check_header(const GByteArray *b, size_t at, char type)
{
        g_assert_cmpuint(at + PACK_UNIT, <=, b->len);
        const uint8_t *h = b->data + at;
        unsigned long sum = 8 * ' ';
        for (size_t i = 0; i < PACK_UNIT; i++)
                sum += i >= 148 && i < 156 ? 0 : h[i];
        g_assert_cmpuint(strtoul((const char *)h + 148, NULL, 8), ==, sum);
        g_assert_cmpint(h[156], ==, type);
        g_assert_cmpmem(h + 257, 8, "ustar\00000", 8);
        return strtoul((const char *)h + 124, NULL, 8);
}

/* The value of a record, or NULL; all of them are well-formed. */
static char *find_record(const GByteArray *b, size_t at, size_t size, const char *key, size_t *length)
{
        char *found = NULL;
        const char *p = (const char *)b->data + at, *end = p + size;
        while (p < end) {
                char *space;
                size_t n = strtoul(p, &space, 10);
                g_assert_cmpint(*space, ==, ' ');
                g_assert_cmpuint(n, <=, (size_t)(end - p));
                g_assert_cmpint(p[n - 1], ==, '\n');
                const char *equals = strchr(space, '=');
                if (strlen(key) == (size_t)(equals - space - 1) && memcmp(space + 1, key, strlen(key)) == 0) {
                        *length = (size_t)(p + n - 1 - (equals + 1));
                        found = g_strndup(equals + 1, *length);
                        memcpy(found, equals + 1, *length);
                }
                p += n;
        }
        g_assert_true(p == end);
        return found;
}

static void expect_record(const GByteArray *b, size_t size, const char *key, const char *value)
{
        size_t length;
        g_autofree char *found = find_record(b, PACK_UNIT, size, key, &length);
        g_assert_cmpstr(found, ==, value);
}

static GByteArray *member(const struct pack_member *m, size_t *records, size_t *header)
{
        GByteArray *b = g_byte_array_new();
        pack_put_member(b, m);
        *records = check_header(b, 0, 'x');
        *header = PACK_UNIT + *records + pack_filling(*records);
        g_assert_cmpuint(b->len, ==, *header + PACK_UNIT);
        return b;
}

static void test_head(void)
{
        g_autoptr(GByteArray) b = g_byte_array_new();
        pack_put_head(b, "6b8e623e-02a4-4dbb-b9e5-445d09750077", 17, 3, "abcdef");
        size_t size = check_header(b, 0, 'g');
        g_assert_cmpuint(b->len, ==, PACK_UNIT + size + pack_filling(size));
        expect_record(b, size, "REELFS.volumeuuid", "6b8e623e-02a4-4dbb-b9e5-445d09750077");
        expect_record(b, size, "REELFS.segment", "17");
        expect_record(b, size, "REELFS.generation", "3");
        expect_record(b, size, "REELFS.token", "abcdef");
        guint before = b->len;
        pack_put_end(b);
        g_assert_cmpuint(b->len, ==, before + 2 * PACK_UNIT);
        for (guint i = before; i < b->len; i++)
                g_assert_cmpint(b->data[i], ==, 0);
}

static void test_member(void)
{
        size_t records, header;
        const struct pack_member m = { .path = "/directory/file", .attr = &plain };
        g_autoptr(GByteArray) b = member(&m, &records, &header);
        g_assert_cmpuint(check_header(b, header, '0'), ==, 700);
        const char *h = (const char *)b->data + header;
        g_assert_cmpstr(h, ==, "directory/file");
        g_assert_cmpuint(strtoul(h + 100, NULL, 8), ==, 04751);
        g_assert_cmpuint(strtoul(h + 108, NULL, 8), ==, 1000);
        g_assert_cmpuint(strtoul(h + 136, NULL, 8), ==, 1500000000);
        expect_record(b, records, "mtime", "1500000000.123456789");
        expect_record(b, records, "atime", "-1.500000000");
        expect_record(b, records, "ctime", "0.000000007");
        expect_record(b, records, "gid", "4000000000");
        expect_record(b, records, "uid", NULL);
        expect_record(b, records, "path", NULL);
        expect_record(b, records, "size", NULL);
}

static void test_names(void)
{
        size_t records, header;
        g_autofree char *hundred = g_strnfill(100, 'n'), *more = g_strnfill(101, 'n');
        const struct {
                const char *path, *record, *charset;
        } names[] = {
                { hundred, NULL, NULL },
                { more, more, NULL },
                { "größe", "größe", NULL },
                { "\377", "\377", "BINARY" },
                { "new\nline=", NULL, NULL },
        };
        for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
                const struct pack_member m = { .path = names[i].path, .link = names[i].path, .attr = &plain };
                g_autoptr(GByteArray) b = member(&m, &records, &header);
                g_assert_cmpuint(check_header(b, header, '1'), ==, 0);
                expect_record(b, records, "path", names[i].record);
                expect_record(b, records, "linkpath", names[i].record);
                expect_record(b, records, "hdrcharset", names[i].charset);
        }
}

static void test_xattrs(void)
{
        static const uint8_t acl[] = { 2, 0, 0, 0, 1, 0, 6, 0, 255, 255, 255, 255, 2, 0, 7, 0, 0x39, 0x30, 0,
                0, 4, 0, 4, 0, 255, 255, 255, 255, 16, 0, 7, 0, 255, 255, 255, 255, 32, 0, 1, 0, 255, 255,
                255, 255 };
        const struct pack_xattr xattrs[] = { { "user.text", "some=\n", 6 }, { "user.empty", "", 0 },
                { ACL_XATTR_ACCESS, acl, sizeof(acl) }, { "user.a=%3D%=", "v", 1 } };
        const struct pack_member m = { .path = "f", .attr = &plain, .xattrs = xattrs, .n_xattrs = 4 };
        size_t records, header;
        g_autoptr(GByteArray) b = member(&m, &records, &header);
        expect_record(b, records, "SCHILY.xattr.user.text", "some=\n");
        expect_record(b, records, "SCHILY.xattr.user.empty", "");
        expect_record(b, records, "SCHILY.xattr.user.a%3D%253D%25%3D", "v");
        expect_record(
                b, records, "SCHILY.acl.access", "user::rw-,user:12345:rwx,group::r--,mask::rwx,other::--x");
}

/* A record's length counts its own digits. */
static void test_lengths(void)
{
        for (size_t n = 1; n < 1200; n++) {
                g_autofree char *value = g_strnfill(n, 'v');
                const struct pack_xattr x = { "user.x", value, n };
                const struct pack_member m = { .path = "f", .attr = &plain, .xattrs = &x, .n_xattrs = 1 };
                size_t records, header;
                g_autoptr(GByteArray) b = member(&m, &records, &header);
                expect_record(b, records, "SCHILY.xattr.user.x", value);
        }
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/pack/head", test_head);
        g_test_add_func("/pack/member", test_member);
        g_test_add_func("/pack/names", test_names);
        g_test_add_func("/pack/xattrs", test_xattrs);
        g_test_add_func("/pack/lengths", test_lengths);
        return g_test_run();
}

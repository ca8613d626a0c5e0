/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is written as a pack is read back the same, in pieces of any size; and what is not one is told from
 * it. */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include <reelfs/acl.h>
#include <reelfs/pack.h>

#define UUID "6b8e623e-02a4-4dbb-b9e5-445d09750077"
#define TOKEN "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

/* ---- Members as text, with their data's place, so that two archives can be compared */

static void describe(GString *text, const struct pack_member *m, uint64_t offset)
{
        const struct tree_attr *a = m->attr;
        g_autofree char *path = g_strescape(m->path + (m->path[0] == '/'), NULL),
                        *link = g_strescape(m->link ? m->link + (m->link[0] == '/') : "-", NULL);
        g_string_append_printf(text, "%s > %s %o %u:%u %" G_GUINT64_FORMAT " at %" G_GUINT64_FORMAT, path,
                link, a->mode, a->uid, a->gid, m->link ? 0 : a->size, offset);
        g_string_append_printf(text, " %" G_GINT64_FORMAT " %" G_GINT64_FORMAT " %" G_GINT64_FORMAT,
                a->times.mtime, a->times.atime, a->times.ctime);
        for (size_t i = 0; i < m->n_xattrs; i++) {
                g_autofree char *name = g_strescape(m->xattrs[i].name, NULL);
                g_autofree char *value = g_base64_encode(m->xattrs[i].value, m->xattrs[i].size);
                g_string_append_printf(text, " [%s=%s]", name, value);
        }
        g_string_append_c(text, '\n');
}

static int on_head(void *ctx, const struct pack_head *head)
{
        g_assert_cmpstr(head->uuid, ==, UUID);
        g_assert_cmpstr(head->token, ==, TOKEN);
        g_string_append_printf(
                ctx, "%" G_GUINT64_FORMAT " %" G_GUINT64_FORMAT "\n", head->segment, head->generation);
        return 0;
}

static int on_member(void *ctx, const struct pack_member *m, uint64_t offset)
{
        g_assert_cmpint(m->path[0], !=, '/');
        describe(ctx, m, offset);
        return 0;
}

/* Feeds all of it, piece bytes at a time. Returns what the last call returned. */
static int feed(PackReader *r, const GByteArray *b, size_t piece)
{
        int error = 0;
        for (size_t at = 0; at < b->len && error == 0; at += piece)
                error = pack_reader_feed(r, b->data + at, MIN(piece, b->len - at));
        return error;
}

static int read_pack(const GByteArray *b, size_t piece, GString *text, bool *complete)
{
        const struct pack_visitor visitor = { on_head, on_member, text };
        PackReader *r;
        g_assert_cmpint(pack_reader_new(&visitor, &r), ==, 0);
        int error = feed(r, b, piece);
        if (error < 0)
                g_assert_cmpstr(pack_reader_why(r), !=, "");
        *complete = pack_reader_is_complete(r);
        pack_reader_free(r);
        return error;
}

/* ---- Random packs */

static const uint8_t acl[] = { 2, 0, 0, 0, 1, 0, 6, 0, 255, 255, 255, 255, 2, 0, 7, 0, 0x39, 0x30, 0, 0, 4, 0,
        4, 0, 255, 255, 255, 255, 8, 0, 5, 0, 0xfe, 0xff, 0xff, 0xff, 16, 0, 7, 0, 255, 255, 255, 255, 32, 0,
        1, 0, 255, 255, 255, 255 };

/* Any bytes but those in not, and no NUL. */
static char *random_text(GRand *rand, int min, int max, const char * not )
{
        int n = g_rand_int_range(rand, min, max + 1);
        bool plain = g_rand_boolean(rand);
        char *text = g_malloc0((size_t)n + 1);
        for (int i = 0; i < n;) {
                char c =
                        (char)(plain ? g_rand_int_range(rand, 'a', 'z' + 1) : g_rand_int_range(rand, 1, 256));
                if (!strchr(not, c))
                        text[i++] = c;
        }
        return text;
}

static char *random_path(GRand *rand)
{
        GString *path = g_string_new(NULL);
        for (int i = g_rand_int_range(rand, 1, g_rand_int_range(rand, 2, 30)); i > 0; i--) {
                g_autofree char *name = random_text(rand, 3, g_rand_boolean(rand) ? 10 : TREE_NAME_MAX, "/");
                g_string_append_printf(path, "/%s", name);
        }
        return g_string_free(path, FALSE);
}

static int64_t random_time(GRand *rand)
{
        static const int64_t odd[] = { 0, 1, -1, 999999999, -1000000000, INT64_MAX, INT64_MIN,
                1500000000123456789, -1500000000 };
        if (g_rand_boolean(rand))
                return odd[g_rand_int_range(rand, 0, G_N_ELEMENTS(odd))];
        return (int64_t)((uint64_t)g_rand_int(rand) << 32 | g_rand_int(rand));
}

static void free_xattr(void *data)
{
        g_free((void *)((struct pack_xattr *)data)->name);
        g_free((void *)((struct pack_xattr *)data)->value);
}

static GArray *random_xattrs(GRand *rand)
{
        GArray *all = g_array_new(FALSE, FALSE, sizeof(struct pack_xattr));
        g_array_set_clear_func(all, free_xattr);
        for (int i = g_rand_int_range(rand, -3, 4); i > 0; i--) {
                g_autofree char *name = random_text(rand, 1, 200, "");
                size_t size = (size_t)g_rand_int_range(rand, 0, g_rand_boolean(rand) ? 40 : 65537);
                uint8_t *value = g_malloc(size + 1);
                for (size_t j = 0; j < size; j++)
                        value[j] = (uint8_t)g_rand_int(rand);
                struct pack_xattr x = { g_strconcat("user.", name, NULL), value, size };
                g_array_append_val(all, x);
        }
        if (g_rand_int_range(rand, 0, 4) == 0) {
                struct pack_xattr x = { g_strdup(ACL_XATTR_ACCESS), g_memdup2(acl, sizeof(acl)),
                        sizeof(acl) };
                g_array_append_val(all, x);
        }
        return all;
}

static void random_attr(GRand *rand, struct tree_attr *a)
{
        *a = (struct tree_attr){
                .size = (uint64_t)g_rand_int_range(rand, 0, g_rand_boolean(rand) ? 3 : 3000),
                .mode = S_IFREG | (uint32_t)g_rand_int_range(rand, 0, 010000),
                .uid = g_rand_int(rand) >> g_rand_int_range(rand, 0, 32),
                .gid = g_rand_int(rand) >> g_rand_int_range(rand, 0, 32),
                .times = { .mtime = random_time(rand),
                        .atime = random_time(rand),
                        .ctime = random_time(rand) },
        };
}

/* One file, and perhaps another name of it. */
static void random_member(GRand *rand, GByteArray *out, GString *expected)
{
        struct tree_attr a;
        random_attr(rand, &a);
        g_autofree char *path = random_path(rand), *other = random_path(rand);
        g_autoptr(GArray) xattrs = random_xattrs(rand);
        struct pack_member m = { path, NULL, &a, (struct pack_xattr *)xattrs->data, xattrs->len };
        pack_put_member(out, &m);
        describe(expected, &m, out->len);
        for (uint64_t i = a.size + pack_filling(a.size); i > 0; i--) {
                uint8_t byte = (uint8_t)g_rand_int(rand);
                g_byte_array_append(out, &byte, 1);
        }
        if (g_rand_boolean(rand))
                return;
        m = (struct pack_member){ other, path, &a, NULL, 0 };
        pack_put_member(out, &m);
        describe(expected, &m, out->len);
}

static GByteArray *random_pack(GRand *rand, GString *expected)
{
        GByteArray *out = g_byte_array_new();
        uint64_t segment = g_rand_int(rand) | 1u, generation = g_rand_int(rand);
        pack_put_head(out, UUID, segment, generation, TOKEN);
        g_string_append_printf(
                expected, "%" G_GUINT64_FORMAT " %" G_GUINT64_FORMAT "\n", segment, generation);
        for (int i = g_rand_int_range(rand, 0, 12); i > 0; i--)
                random_member(rand, out, expected);
        pack_put_end(out);
        static const uint8_t zeros[2000]; /* with which a drive may have it filled up */
        g_byte_array_append(out, zeros, (guint)g_rand_int_range(rand, 0, sizeof(zeros)));
        return out;
}

static void test_round_trip(void)
{
        g_autoptr(GRand) rand = g_rand_new_with_seed((guint32)g_test_rand_int());
        for (int i = 0; i < 300; i++) {
                g_autoptr(GString) expected = g_string_new(NULL), found = g_string_new(NULL);
                g_autoptr(GByteArray) b = random_pack(rand, expected);
                size_t piece = (size_t)g_rand_int_range(rand, 1, g_rand_boolean(rand) ? 600 : 100000);
                struct pack_head head;
                bool complete;
                g_assert_cmpint(read_pack(b, piece, found, &complete), ==, 0);
                g_assert_cmpstr(found->str, ==, expected->str);
                g_assert_true(complete);
                g_assert_true(pack_probe(b->data, MIN(b->len, PACK_PROBE), &head));
                g_assert_cmpstr(head.token, ==, TOKEN);
        }
}

/* ---- Cut off, and changed */

static void test_torn(void)
{
        g_autoptr(GRand) rand = g_rand_new_with_seed((guint32)g_test_rand_int());
        g_autoptr(GString) expected = g_string_new(NULL);
        g_autoptr(GByteArray) b = random_pack(rand, expected);
        guint whole = b->len;
        for (guint n = 0; n < whole; n += 1 + n / 64) {
                g_autoptr(GString) found = g_string_new(NULL);
                bool complete;
                b->len = n;
                g_assert_cmpint(read_pack(b, 512, found, &complete), ==, 0);
                g_assert_true(g_str_has_prefix(expected->str, found->str));
                if (complete)
                        g_assert_cmpstr(expected->str, ==, found->str);
        }
        b->len = whole;
}

/* Of one small member; header: where its own header is. */
static GByteArray *small_pack(const char *path, const struct pack_xattr *x, size_t n, guint *header)
{
        static const struct tree_attr attr = { .size = 3, .mode = S_IFREG | 0644, .uid = 1, .gid = 2 };
        const struct pack_member m = { path, NULL, &attr, x, n };
        GByteArray *b = g_byte_array_new();
        pack_put_head(b, UUID, 1, 2, TOKEN);
        pack_put_member(b, &m);
        *header = b->len - PACK_UNIT;
        g_byte_array_set_size(b, b->len + PACK_UNIT);
        memset(b->data + b->len - PACK_UNIT, 'd', PACK_UNIT);
        pack_put_end(b);
        return b;
}

/* Makes the checksum of the header at at right. */
static void fix_sum(GByteArray *b, guint at)
{
        unsigned sum = 0;
        memset(b->data + at + 148, ' ', 8);
        for (guint i = 0; i < PACK_UNIT; i++)
                sum += b->data[at + i];
        g_snprintf((char *)b->data + at + 148, 7, "%06o", sum);
}

static void expect_damage(const GByteArray *b, const char *why)
{
        g_autoptr(GString) found = g_string_new(NULL);
        const struct pack_visitor visitor = { on_head, on_member, found };
        PackReader *r;
        g_assert_cmpint(pack_reader_new(&visitor, &r), ==, 0);
        g_assert_cmpint(feed(r, b, b->len), ==, -EUCLEAN);
        if (!strstr(pack_reader_why(r), why))
                g_error("not \"%s\": %s", why, pack_reader_why(r));
        g_assert_false(pack_reader_is_complete(r));
        g_assert_cmpint(feed(r, b, b->len), ==, -EUCLEAN);
        pack_reader_free(r);
}

static void test_paths(void)
{
        static const char *const bad[] = { "..", ".", "a/../b", "a//b", "a/", "//a", "./a", "" };
        guint header;
        for (size_t i = 0; i < G_N_ELEMENTS(bad); i++) {
                g_autoptr(GByteArray) b = small_pack(bad[i], NULL, 0, &header);
                expect_damage(b, "path");
        }
        g_autofree char *name = g_strnfill(TREE_NAME_MAX + 1, 'n');
        g_autoptr(GByteArray) b = small_pack(name, NULL, 0, &header);
        expect_damage(b, "path");
}

static void test_damaged(void)
{
        static const struct {
                guint at; /* in the member's header */
                const char *bytes;
                guint n;
                const char *why;
        } changes[] = {
                { 156, "5", 1, "no file" },
                { 156, "2", 1, "no file" },
                { 156, "1", 1, "makes no sense" }, /* a link with data */
                { 156, "x", 1, "order" },
                { 156, "g", 1, "order" },
                { 124, "77777777777", 11, "" }, /* data that is not there */
                { 124, "8", 1, "makes no sense" },
                { 124, "\200", 1, "makes no sense" },
                { 100, "0100644", 7, "makes no sense" },
                { 257, "ustar ", 6, "no header" },
                { 345, "p", 1, "path" },
        };
        for (size_t i = 0; i < G_N_ELEMENTS(changes); i++) {
                guint header;
                bool complete = true;
                g_autoptr(GByteArray) b = small_pack("f", NULL, 0, &header);
                g_autoptr(GString) found = g_string_new(NULL);
                memcpy(b->data + header + changes[i].at, changes[i].bytes, changes[i].n);
                expect_damage(b, "no header"); /* the sum is wrong */
                fix_sum(b, header);
                if (changes[i].why[0])
                        expect_damage(b, changes[i].why);
                else
                        g_assert_cmpint(read_pack(b, 1000, found, &complete), ==, 0);
                g_assert_true(changes[i].why[0] || !complete);
        }
}

static void replace(GByteArray *b, const char *from, const char *to)
{
        uint8_t *p = memmem(b->data, b->len, from, strlen(from));
        g_assert_nonnull(p);
        g_assert_cmpuint(strlen(from), ==, strlen(to));
        memcpy(p, to, strlen(to));
}

static void test_records(void)
{
        static const struct {
                const char *from, *to, *why;
        } changes[] = {
                { "mtime=0.0", "mtime=0x0", "no sense" },
                { "mtime=0.000000000\n", "mtime=999999999999", "not well-formed" },
                { "21 mtime=", "22 mtime=", "not well-formed" },
                { "21 mtime=", "99 mtime=", "not well-formed" },
                { " mtime=", "-mtime=", "not well-formed" },
                { "mtime=0.000000000", "mtime=99999999999", "no sense" },
                { "mtime=0", "mtime=-", "no sense" },
                { ":rwx,", ":rwX,", "no sense" },
                { "user:12345", "user:12x45", "no sense" },
                { "mask:", "mosk:", "no sense" },
                { ",other::", ",group::", "no sense" },
        };
        static const struct pack_xattr x[] = { { ACL_XATTR_ACCESS, acl, sizeof(acl) } };
        for (size_t i = 0; i < G_N_ELEMENTS(changes); i++) {
                guint header;
                g_autoptr(GByteArray) b = small_pack("f", x, 1, &header);
                replace(b, changes[i].from, changes[i].to);
                expect_damage(b, changes[i].why);
        }
}

/* Lengths that are only claimed take no memory, and what nobody may have is refused. */
static void test_limits(void)
{
        guint header;
        g_autoptr(GByteArray) b = small_pack("f", NULL, 0, &header);
        guint records = 2 * PACK_UNIT;
        memcpy(b->data + records + 124, "77777777777", 11);
        fix_sum(b, records);
        expect_damage(b, "length");

        g_autofree uint8_t *value = g_malloc0(PACK_XATTR_SIZE_MAX + 1);
        const struct pack_xattr large = { "user.x", value, PACK_XATTR_SIZE_MAX + 1 };
        g_autoptr(GByteArray) b2 = small_pack("f", &large, 1, &header);
        expect_damage(b2, "no sense");

        struct pack_xattr *many = g_new(struct pack_xattr, PACK_XATTRS_MAX + 1);
        for (size_t i = 0; i <= PACK_XATTRS_MAX; i++)
                many[i] = (struct pack_xattr){ "user.x", "", 0 };
        g_autoptr(GByteArray) b3 = small_pack("f", many, PACK_XATTRS_MAX + 1, &header);
        expect_damage(b3, "no sense");
        g_free(many);
}

static void test_foreign(void)
{
        guint header;
        bool complete;
        struct pack_head head;
        g_autoptr(GString) found = g_string_new(NULL);
        g_autoptr(GByteArray) b = small_pack("f", NULL, 0, &header);
        g_assert_false(
                pack_probe(b->data + 2 * PACK_UNIT, PACK_PROBE, &head)); /* a tar file without the head */
        replace(b, "REELFS.token", "REELFS.broke");
        g_assert_false(pack_probe(b->data, b->len, &head));
        expect_damage(b, "global header");
        g_byte_array_set_size(b, 0);
        for (guint i = 0; i < 4 * PACK_UNIT; i++)
                g_byte_array_append(b, (const uint8_t *)"", 1);
        expect_damage(b, "no header");
        g_autoptr(GByteArray) behind = small_pack("f", NULL, 0, &header);
        g_byte_array_append(behind, (const uint8_t *)"x", 1);
        expect_damage(behind, "behind the end");
        g_autoptr(GByteArray) one = small_pack("f", NULL, 0, &header);
        one->len -= PACK_UNIT;
        g_assert_cmpint(read_pack(one, 100, found, &complete), ==, 0);
        g_assert_false(complete);
}

static int refuse(void *ctx, const struct pack_member *m, uint64_t offset)
{
        return -ENOMEM;
}

/* What a visitor returns ends it. */
static void test_visitor(void)
{
        guint header;
        g_autoptr(GString) found = g_string_new(NULL);
        g_autoptr(GByteArray) b = small_pack("f", NULL, 0, &header);
        const struct pack_visitor visitor = { on_head, refuse, found };
        PackReader *r;
        g_assert_cmpint(pack_reader_new(&visitor, &r), ==, 0);
        g_assert_cmpint(feed(r, b, 10), ==, -ENOMEM);
        g_assert_cmpint(feed(r, b, 10), ==, -ENOMEM);
        pack_reader_free(r);
        pack_reader_free(NULL);
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/pack-read/round-trip", test_round_trip);
        g_test_add_func("/pack-read/torn", test_torn);
        g_test_add_func("/pack-read/paths", test_paths);
        g_test_add_func("/pack-read/damaged", test_damaged);
        g_test_add_func("/pack-read/records", test_records);
        g_test_add_func("/pack-read/limits", test_limits);
        g_test_add_func("/pack-read/foreign", test_foreign);
        g_test_add_func("/pack-read/visitor", test_visitor);
        return g_test_run();
}

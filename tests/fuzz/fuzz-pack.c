/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The reader of packs. Checksums of headers are made right first, since no fuzzer finds them. What is read is
 * written again; what is read from that is the same. */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include <reelfs/pack.h>

#include "fuzz.h"

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
        return 0;
}

static void fix_sums(uint8_t *data, size_t size)
{
        for (; size >= PACK_UNIT; data += PACK_UNIT, size -= PACK_UNIT) {
                unsigned sum = 0;
                if (memcmp(data + 257, "ustar", 6) != 0)
                        continue;
                memset(data + 148, ' ', 8);
                for (size_t i = 0; i < PACK_UNIT; i++)
                        sum += data[i];
                g_snprintf((char *)data + 148, 7, "%06o", sum);
        }
}

struct reading {
        GByteArray *again; /* written anew, data as zeros */
        GString *text;     /* what was told, but for where data is */
        uint64_t last;     /* offset */
        bool skip;         /* more data than makes sense to write */
};

static int on_head(void *ctx, const struct pack_head *head)
{
        struct reading *r = ctx;
        pack_put_head(r->again, head->uuid, head->segment, head->generation, head->token);
        g_string_append_printf(r->text, "%s %s %" G_GUINT64_FORMAT " %" G_GUINT64_FORMAT "\n", head->uuid,
                head->token, head->segment, head->generation);
        return 0;
}

static int on_member(void *ctx, const struct pack_member *m, uint64_t offset)
{
        struct reading *r = ctx;
        const struct tree_attr *a = m->attr;
        g_assert_cmpuint(offset, >, r->last);
        g_assert_true(S_ISREG(a->mode));
        g_assert_cmpint(m->path[0], !=, '/');
        g_assert_cmpint(m->path[0], !=, 0);
        g_assert_null(strstr(m->path, "//"));
        r->last = offset;
        r->skip |= a->size > 65536;
        pack_put_member(r->again, m);
        if (!r->skip)
                for (uint64_t i = m->link ? 0 : a->size + pack_filling(a->size); i > 0; i--)
                        g_byte_array_append(r->again, (const uint8_t *)"", 1);
        g_string_append_printf(r->text, "%s > %s %o %u:%u %" G_GUINT64_FORMAT, m->path, m->link ?: "",
                a->mode, a->uid, a->gid, a->size);
        g_string_append_printf(r->text, " %" G_GINT64_FORMAT " %" G_GINT64_FORMAT " %" G_GINT64_FORMAT,
                a->times.mtime, a->times.atime, a->times.ctime);
        for (size_t i = 0; i < m->n_xattrs; i++) {
                const struct pack_xattr *x = &m->xattrs[i];
                g_autofree char *value = g_base64_encode(x->value, x->size);
                g_string_append_printf(r->text, " %s=%s", x->name, value);
        }
        g_string_append_c(r->text, '\n');
        return 0;
}

static int read_pack(struct reading *r, const uint8_t *data, size_t size, size_t piece)
{
        const struct pack_visitor visitor = { on_head, on_member, r };
        PackReader *reader;
        int error = 0;
        *r = (struct reading){ g_byte_array_new(), g_string_new(NULL), 0, false };
        g_assert_cmpint(pack_reader_new(&visitor, &reader), ==, 0);
        for (size_t at = 0; at < size && error == 0; at += piece)
                error = pack_reader_feed(reader, data + at, MIN(piece, size - at));
        g_assert_true(error == 0 || error == -EUCLEAN);
        if (error < 0)
                g_assert_cmpstr(pack_reader_why(reader), !=, "");
        pack_reader_free(reader);
        return error;
}

static void reading_clear(struct reading *r)
{
        g_byte_array_unref(r->again);
        g_string_free(r->text, TRUE);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        g_autofree uint8_t *copy = g_memdup2(data, size);
        struct pack_head head;
        struct reading r, pieces, again;
        fix_sums(copy, size);
        pack_probe(copy, size, &head);
        int error = read_pack(&r, copy, size, size + 1);
        g_assert_cmpint(read_pack(&pieces, copy, size, 1 + size % 7), ==, error);
        g_assert_cmpstr(pieces.text->str, ==, r.text->str);
        if (!r.skip && r.text->len > 0) {
                pack_put_end(r.again);
                g_assert_cmpint(read_pack(&again, r.again->data, r.again->len, 511), ==, 0);
                g_assert_cmpstr(again.text->str, ==, r.text->str);
                reading_clear(&again);
        }
        reading_clear(&r);
        reading_clear(&pieces);
        return 0;
}

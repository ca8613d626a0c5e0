/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Hashes of what is written. Of a stage the hash is taken when its bytes are put
 * into file order; of the stream when they have just been copied, or received. Parts of a file are joined as
 * they come. What overwrites a known part keeps it known if the old bytes are in memory still. */
#include <string.h>

#include "sched-private.h"

/* Of bytes that are overwritten, how many are looked for at once. */
#define OLD_MAX ((size_t)4 << 20)

/* ---- What is known */

static void begin_sha(SchedFile *f)
{
        struct content *c = &f->content;
        g_clear_pointer(&c->sha, g_free);
        if (f->sched->options.hash == SCHED_HASH_SHA256)
                c->sha = hash_sha256_new();
}

void content_begin(SchedFile *f)
{
        struct content *c = &f->content;
        struct tree_attr attr;
        if (c->begun || f->sched->options.hash == SCHED_HASH_NONE ||
                tree_getattr(f->sched->tree, f->ino, &attr) < 0)
                return;
        c->begun = true;
        if (attr.size == 0)
                begin_sha(f);
        else if (attr.has_crc32)
                hash_parts_put(&c->parts, 0, attr.size, attr.crc32);
}

void content_clear(SchedFile *f)
{
        hash_parts_clear(&f->content.parts);
        g_clear_pointer(&f->content.sha, g_free);
}

/* The file's bytes are about to change, or have changed, from offset on. */
static void changes(SchedFile *f, uint64_t offset)
{
        struct content *c = &f->content;
        if (c->sha && offset < c->sha->at)
                g_clear_pointer(&c->sha, g_free);
        check_forget(f);
}

bool content_replaces(SchedFile *f, uint64_t offset, size_t size, uint32_t *old)
{
        struct content *c = &f->content;
        changes(f, offset);
        if (c->parts.n == 0)
                return false;
        if (size <= OLD_MAX && hash_parts_have(&c->parts, offset, size) &&
                reader_crc(f, offset, size, old) == 0)
                return true;
        hash_parts_forget(&c->parts, offset, size);
        return false;
}

void content_cut(SchedFile *f, uint64_t offset, uint64_t length)
{
        content_begin(f);
        changes(f, offset);
        hash_parts_forget(&f->content.parts, offset, length);
        if (offset == 0 && length == UINT64_MAX && f->content.begun)
                begin_sha(f);
}

void content_put(SchedFile *f, uint64_t offset, const void *data, size_t size)
{
        struct content *c = &f->content;
        if (!c->begun)
                return;
        hash_sha256_put(&c->sha, offset, data, size);
        hash_parts_put_data(&c->parts, offset, data, size);
}

/* The CRC of bytes of a stage; of_file: where they are in the file, if the SHA-256 is to go on with them. */
static uint32_t staged_crc(
        const struct stage *st, uint64_t at, uint64_t length, struct content *sha_of, uint64_t of_file)
{
        uint32_t crc = 0;
        for (uint64_t end = at + length; at < end;) {
                size_t n;
                const uint8_t *bytes = stage_at(st, at, &n);
                n = MIN(n, end - at);
                crc = hash_crc(crc, bytes, n);
                if (sha_of)
                        hash_sha256_put(&sha_of->sha, of_file, bytes, n);
                at += n;
                of_file += n;
        }
        return crc;
}

void content_put_staged(SchedFile *f, const struct stage *st, const struct tree_extent *e)
{
        struct content *c = &f->content;
        uint64_t from = e->file_offset, end = from + e->length, length;
        if (!c->begun || e->offset > st->length || e->length > st->length - e->offset)
                return;
        /* What has overwritten known bytes is known already. */
        for (; hash_parts_unknown(&c->parts, &from, end, &length); from += length) {
                uint64_t at = e->offset + (from - e->file_offset);
                hash_parts_put(&c->parts, from, length, staged_crc(st, at, length, c, from));
        }
}

void content_change_staged(
        SchedFile *f, const struct stage *st, uint64_t offset, uint64_t at, size_t size, uint32_t old)
{
        hash_parts_change(&f->content.parts, offset, size, old, staged_crc(st, at, size, NULL, 0));
}

void content_change(SchedFile *f, uint64_t offset, const void *data, size_t size, uint32_t old)
{
        hash_parts_change(&f->content.parts, offset, size, old, hash_crc(0, data, size));
}

void content_zero(SchedFile *f, uint64_t offset, uint64_t length)
{
        uint32_t old;
        content_begin(f);
        if (length > OLD_MAX)
                content_cut(f, offset, length);
        else if (content_replaces(f, offset, (size_t)length, &old))
                hash_parts_change(&f->content.parts, offset, length, old, hash_crc_zeros(length));
}

static bool is_hole(void *ctx, uint64_t offset, uint64_t length)
{
        const SchedFile *f = ctx;
        struct tree_extent e;
        size_t n;
        return tree_map(f->sched->tree, f->ino, offset, length, &e, 1, &n, NULL) == 0 && n == 0;
}

void content_settle(SchedFile *f)
{
        struct content *c = &f->content;
        struct tree_attr attr;
        uint32_t crc;
        char sha[HASH_SHA256_TEXT_LENGTH + 1];
        if (!c->begun || tree_getattr(f->sched->tree, f->ino, &attr) < 0 ||
                !hash_parts_sum(&c->parts, attr.size, is_hole, f, &crc))
                return;
        bool ordered = c->sha && c->sha->at == attr.size;
        if (ordered)
                hash_sha256_to_text(c->sha, sha);
        /* Without memory the file goes without. */
        (void)tree_set_hash(f->sched->tree, f->ino, crc, ordered ? sha : NULL);
}

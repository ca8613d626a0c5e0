/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Compares what was read of a file with the hashes in the index. */
#include <inttypes.h>
#include <string.h>

#include <reelfs/log.h>

#include "private.h"

/* The attribute of that name; the caller frees. NULL: none. */
static char *stored_sha(const struct plan *p, const struct node *n)
{
        void *text = NULL;
        size_t size;
        if (!n->has_xattrs || tree_xattr_get(p->tree, n->ino, HASH_XATTR_SHA256, &text, &size) < 0)
                return NULL;
        return text;
}

void check_put(const struct plan *p, const struct piece *piece, const void *data, size_t size)
{
        struct node *n = plan_node(p, piece->node);
        if (n->has_xattrs && piece->file_offset == 0 && !n->sha) {
                g_autofree char *stored = stored_sha(p, n);
                n->sha = stored ? hash_sha256_new() : NULL;
        }
        hash_sha256_put(&n->sha, piece->file_offset, data, size);
        if (n->has_crc32)
                hash_parts_put_data(&n->parts, piece->file_offset, data, size);
}

static bool is_hole(void *ctx, uint64_t offset, uint64_t length)
{
        return true; /* what is not, was read */
}

static void tell(const struct plan *p, uint32_t i, const char *hash, const char *is, const char *should_be,
        const struct restore_options *options)
{
        struct tree_extent e = { 0 };
        struct segment s = { 0 };
        size_t n;
        if (tree_map(p->tree, plan_node(p, i)->ino, 0, UINT64_MAX, &e, 1, &n, NULL) == 0 && n > 0)
                volume_segment_get(p->volume, e.segment, &s);
        g_autofree char *path = plan_path(p, i);
        struct restore_bad bad = { path, true, 0, plan_node(p, i)->size, s.filemark,
                s.first_block + e.offset / volume_block_length(p->volume) };
        log_message(LOG_ERR, 0,
                "%s: is not what was written: its %s is %s instead of %s; it begins in segment %" PRIu64
                ", at object %" PRIu64 " of the tape",
                path, hash, is, should_be, bad.segment, bad.object);
        if (options->bad)
                options->bad(options->ctx, &bad);
}

static enum check check_crc(const struct plan *p, uint32_t i, const struct restore_options *options)
{
        const struct node *n = plan_node(p, i);
        char is[HASH_CRC_TEXT_LENGTH + 1], should_be[HASH_CRC_TEXT_LENGTH + 1];
        uint32_t crc;
        if (!n->has_crc32 || !hash_parts_sum(&n->parts, n->size, is_hole, NULL, &crc))
                return CHECK_UNKNOWN;
        if (crc == n->crc32)
                return CHECK_SAME;
        hash_crc_to_text(crc, is);
        hash_crc_to_text(n->crc32, should_be);
        tell(p, i, "CRC-32", is, should_be, options);
        return CHECK_DIFFERS;
}

static enum check check_sha(const struct plan *p, uint32_t i, const struct restore_options *options)
{
        const struct node *n = plan_node(p, i);
        char is[HASH_SHA256_TEXT_LENGTH + 1];
        g_autofree char *stored = n->sha && n->sha->at == n->size ? stored_sha(p, n) : NULL;
        if (!stored)
                return CHECK_UNKNOWN;
        hash_sha256_to_text(n->sha, is);
        if (g_ascii_strcasecmp(is, stored) == 0)
                return CHECK_SAME;
        tell(p, i, "SHA-256", is, stored, options);
        return CHECK_DIFFERS;
}

enum check check_finish(const struct plan *p, uint32_t i, const struct restore_options *options)
{
        struct node *n = plan_node(p, i);
        enum check crc = check_crc(p, i, options),
                   sha = crc == CHECK_DIFFERS ? CHECK_UNKNOWN : check_sha(p, i, options);
        hash_parts_clear(&n->parts);
        g_clear_pointer(&n->sha, g_free);
        return sha == CHECK_UNKNOWN ? crc : sha;
}

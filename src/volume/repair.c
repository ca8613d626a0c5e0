/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A new index for a volume that was not closed, or has lost its own. Nothing is overwritten, but for one
 * case: where the end of data is missing, what is behind the last thing that can be read. Drive thread only.
 */
#include <errno.h>
#include <inttypes.h>

#include "check.h"

#define BEHIND_MAX 16 /* objects one after the other that cannot be read: the rest is not looked at */

/* ---- What would be overwritten */

struct behind {
        struct check *c;
        uint64_t readable, bytes;
};

/* -ENODATA: it cannot be read. */
static int read_behind(struct behind *b, uint64_t object, bool keep)
{
        const struct volume_check_options *o = b->c->options;
        Volume *v = b->c->v;
        enum tape_outcome outcome;
        size_t length;
        int r = tape_locate(v->tape, object);
        if (r == 0)
                r = tape_read_block(v->tape, v->buf, v->buf_size, &length, &outcome);
        if (r == 0 && outcome == TAPE_FILEMARK)
                return 0;
        if (r == 0 && outcome != TAPE_GOOD && outcome != TAPE_LONG_BLOCK)
                return -ENODATA;
        if (r < 0)
                return volume_is_damage(r) ? -ENODATA : r;
        b->readable++;
        b->bytes += length;
        return keep ? o->save(o->ctx, object, v->buf, length) : 0;
}

/* From object on, which cannot be read. */
static int look_behind(struct behind *b, uint64_t object, bool keep)
{
        *b = (struct behind){ .c = b->c };
        for (unsigned bad = 0; bad < BEHIND_MAX; object++) {
                int r = read_behind(b, object, keep);
                if (r < 0 && r != -ENODATA)
                        return r;
                bad = r < 0 ? bad + 1 : 0;
        }
        return 0;
}

/* ---- Consent */

static int on_block(void *ctx, const struct found *f, uint64_t object, bool readable)
{
        const struct check *c = ctx;
        return volume_check_goes_on(c->options, object, 0) ? 0 : -ECANCELED;
}

/* Where the tape cannot be read on. */
static int find_last(struct check *c, uint64_t *object)
{
        const struct scan_visitor nobody = { .block = on_block, .ctx = c };
        const struct scan_range range = { .first = c->v->end,
                .filemark = c->v->filemarks,
                .id = c->v->next_id - 1,
                .generation = c->v->info.generation,
                .read_max = SCAN_READ_MAX };
        struct scan_result result;
        int r = scan_segments(c->v, &range, &nobody, NULL, &result);
        *object = result.end;
        return r;
}

/* *may false: it is to stay as it is, which is said. */
static int may_overwrite(struct check *c, bool *may)
{
        const struct volume_check_options *o = c->options;
        const char *address = tape_address(c->tape);
        struct behind b = { .c = c };
        uint64_t object;
        *may = false;
        int r = find_last(c, &object);
        if (r == 0)
                r = look_behind(&b, object, false);
        if (r < 0)
                return r;
        g_autofree char *size = format_size(b.bytes);
        if (b.readable > 0 && !o->save)
                return log_error(0,
                        "%s: %" PRIu64 " blocks (%s) behind object %" PRIu64
                        " can be read still, and would be lost; name a directory for them with --save",
                        address, b.readable, size, object);
        g_autofree char *text = g_strdup_printf("the tape has no end of data; it is made at object %" PRIu64
                                                ", and what lies behind that, %" PRIu64
                                                " blocks that can be read, is gone for good",
                object, b.readable);
        if (!o->agree || !o->agree(o->ctx, text))
                return log_error(0, "%s: nothing was written", address);
        uint64_t readable = b.readable;
        if (o->save)
                r = look_behind(&b, object, true);
        if (r == 0 && b.readable < readable)
                return log_error(0,
                        "%s: blocks behind object %" PRIu64
                        " could be read, and not once more; nothing was written: clean the drive",
                        address, object);
        c->v->agreed = object;
        *may = r == 0;
        return r;
}

/* ---- */

static void report(void *ctx, uint64_t done, uint64_t total)
{
        volume_check_goes_on(ctx, done, total); /* too late to end it */
}

/* What keeps an index from being written, whatever else is wrong. */
static int is_writable(struct check *c)
{
        struct tape_info info;
        tape_get_info(c->tape, &info);
        if (info.write_protected)
                return log_error(-EROFS, "%s: the tape is write protected; nothing is repaired",
                        tape_address(c->tape));
        if (info.worm && c->v->data_end == 0)
                return log_error(-EROFS,
                        "%s: the tape has no end of data, and can be written once only; reelfs salvage "
                        "copies "
                        "off what can be read",
                        tape_address(c->tape));
        if (c->v->label.read_only_feature[0])
                return log_error(-EROFS,
                        "%s: the volume has the feature \"%s\", which this version of reelfs can only read",
                        tape_address(c->tape), c->v->label.read_only_feature);
        return 0;
}

int inspect_repair(struct check *c)
{
        const struct volume_progress progress = { report, (void *)c->options };
        unsigned how = RECOVER_DOUBTFUL;
        bool may = true;
        int r = is_writable(c);
        if (r == -EROFS || (c->has_index && c->v->data_end == c->v->end))
                return 0;
        if (!c->has_index && !c->options->deep) {
                log_notice("%s: with --deep an index is made from what names the packs have",
                        tape_address(c->tape));
                return 0;
        }
        if (c->v->data_end == 0) {
                how |= RECOVER_TRUNCATE;
                r = may_overwrite(c, &may);
        }
        if (r < 0 || !may)
                return r;
        r = volume_recover(c->v, c->tree, how, &progress);
        c->result->repaired = r == 0 && !volume_is_read_only(c->v);
        if (r == 0 && !c->result->repaired)
                log_warning("%s: %s", tape_address(c->tape), c->v->info.read_only_reason);
        return r;
}

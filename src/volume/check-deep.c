/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reading all segments, and comparing them with what the index says. Memory: for each extent of the index. */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "check.h"

#define NAMED_MAX 5 /* files of one block that cannot be read */

/* An extent of a file, where it lies. */
struct claim {
        uint64_t block; /* first one of its segment */
        uint64_t offset, length, ino;
};

struct deep {
        struct check *c;
        struct claim *claims; /* in the order of the tape */
        size_t n, allocated;
        size_t next;   /* of them, in the pack at hand: the first one that no member was found for yet */
        uint64_t pack; /* its first block; 0: none at hand */
        size_t next_segment; /* of the table, in the order of the tape */
        uint64_t end;        /* of data */
        uint64_t first;      /* object where it began */
};

/* ---- What the index says */

static int add_claims(void *ctx, const struct tree_entry *e)
{
        struct deep *d = ctx;
        for (size_t i = 0; i < e->n_extents; i++) {
                const struct segment *s = segments_find(&d->c->v->segments, e->extents[i].segment);
                if (d->n == d->allocated) {
                        size_t more = MAX(2 * d->allocated, (size_t)1024);
                        struct claim *claims = g_try_realloc_n(d->claims, more, sizeof(*claims));
                        if (!claims)
                                return -ENOMEM;
                        d->claims = claims;
                        d->allocated = more;
                }
                d->claims[d->n++] = (struct claim){ s ? s->first_block : 0, e->extents[i].offset,
                        e->extents[i].length, e->ino };
        }
        return 0;
}

static int leave(void *ctx, const struct tree_entry *e)
{
        return 0;
}

static int compare(const void *a, const void *b)
{
        const struct claim *x = a, *y = b;
        if (x->block != y->block)
                return x->block < y->block ? -1 : 1;
        return (x->offset > y->offset) - (x->offset < y->offset);
}

/* The first claim on the segment at block, or of the next one. */
static size_t first_claim(const struct deep *d, uint64_t block)
{
        size_t low = 0, high = d->n;
        while (low < high) {
                size_t middle = low + (high - low) / 2;
                if (d->claims[middle].block < block)
                        low = middle + 1;
                else
                        high = middle;
        }
        return low;
}

static char *path_of(const struct deep *d, uint64_t ino)
{
        char *path = tree_path(d->c->tree, ino) ?: g_strdup("a file without a name");
        text_make_printable(path);
        return path;
}

/* ---- What is on the tape */

/* Claims on the pack at hand up to one that ends behind byte end: nothing is there. */
static void deny(struct deep *d, uint64_t end)
{
        for (; d->next < d->n && d->claims[d->next].block == d->pack; d->next++) {
                const struct claim *claim = &d->claims[d->next];
                if (claim->offset + claim->length > end)
                        break;
                g_autofree char *path = path_of(d, claim->ino);
                inspect_problem(d->c,
                        "%s: %" PRIu64 " bytes are said to be at byte %" PRIu64
                        " of the pack at object %" PRIu64 ", which has no such member",
                        path, claim->length, claim->offset, d->pack);
        }
}

/* What the index does not know was deleted, or is named otherwise now. */
static int on_member(void *ctx, const struct found *f, const struct pack_member *m, uint64_t offset)
{
        struct deep *d = ctx;
        uint64_t end = offset + m->attr->size;
        d->c->result->members++;
        if (d->pack != f->first_block) {
                d->pack = f->first_block;
                d->next = first_claim(d, d->pack);
        }
        while (d->next < d->n && d->claims[d->next].block == d->pack && d->claims[d->next].offset < end) {
                const struct claim *claim = &d->claims[d->next];
                if (claim->offset >= offset && claim->offset + claim->length <= end)
                        d->next++;
                else
                        deny(d, claim->offset + claim->length);
        }
        return 0;
}

/* The files with data in a block that begins at byte begin of the segment at object first, for people; empty:
 * none. The caller frees. */
static char *name_claims(const struct deep *d, uint64_t first, uint64_t begin)
{
        uint64_t end = begin + d->c->v->label.block_length, n = 0, last = 0;
        GString *names = g_string_new(NULL);
        for (size_t i = first_claim(d, first); i < d->n && d->claims[i].block == first; i++) {
                const struct claim *claim = &d->claims[i];
                if (claim->offset + claim->length <= begin || claim->offset >= end || claim->ino == last)
                        continue;
                last = claim->ino;
                if (n++ >= NAMED_MAX)
                        continue;
                g_autofree char *path = path_of(d, claim->ino);
                g_string_append_printf(names, "%s%s", n > 1 ? ", " : "", path);
        }
        if (n > NAMED_MAX)
                g_string_append_printf(names, " and %" PRIu64 " more", n - NAMED_MAX);
        return g_string_free(names, FALSE);
}

static int on_block(void *ctx, const struct found *f, uint64_t object, bool readable)
{
        struct deep *d = ctx;
        d->c->result->next = f->filemark;
        if (!volume_check_goes_on(
                    d->c->options, object - d->first, d->end > d->first ? d->end - d->first : 0))
                return -ECANCELED;
        if (readable)
                return 0;
        g_autofree char *names =
                name_claims(d, f->first_block, (object - f->first_block) * d->c->v->label.block_length);
        inspect_problem(d->c, "object %" PRIu64 " cannot be read; %s%s", object,
                names[0] ? "it has data of " : "no file has data in it", names);
        return 0;
}

/* Segments of the table that lie before object, and were not met. */
static void miss(struct deep *d, uint64_t object)
{
        const struct segment_table *table = &d->c->v->segments;
        for (; d->next_segment < table->n_on_tape; d->next_segment++) {
                const struct segment *s = &table->all[table->on_tape[d->next_segment]];
                if (s->first_block >= object)
                        break;
                if (s->length > 0)
                        inspect_problem(d->c,
                                "segment %" PRIu64 " does not begin at object %" PRIu64
                                ", where the index has it",
                                s->id, s->first_block);
        }
}

static void compare_segment(struct deep *d, const struct found *f, const struct segment *s)
{
        uint32_t block_length = d->c->v->label.block_length;
        bool same_blocks = segment_blocks(f->length, block_length) == segment_blocks(s->length, block_length);
        if (f->kind != s->kind && !(f->damaged && f->kind == SEGMENT_FILE))
                inspect_problem(d->c,
                        "segment %" PRIu64 ", at object %" PRIu64
                        ", is of kind %s on the tape, and %s in the "
                        "index",
                        s->id, s->first_block, segment_kind_name(f->kind), segment_kind_name(s->kind));
        else if (f->id != 0 && f->id != s->id)
                inspect_problem(d->c,
                        "the segment at object %" PRIu64 " is number %" PRIu64 " on the tape, and %" PRIu64
                        " in the index",
                        s->first_block, f->id, s->id);
        if (f->foreign || !same_blocks || (f->length < s->length && !f->damaged))
                inspect_problem(d->c,
                        "segment %" PRIu64 ", at object %" PRIu64 ", has %" PRIu64
                        " bytes on the tape, and %" PRIu64 " in the index",
                        s->id, s->first_block, f->length, s->length);
}

static int on_segment(void *ctx, const struct found *f)
{
        struct deep *d = ctx;
        const struct segment_table *table = &d->c->v->segments;
        miss(d, f->first_block);
        if (f->kind == SEGMENT_PACK && f->understood) {
                if (d->pack != f->first_block)
                        d->next = first_claim(d, f->first_block);
                d->pack = f->first_block;
                deny(d, UINT64_MAX);
        } else if (f->kind == SEGMENT_PACK) {
                inspect_problem(d->c, "the pack at object %" PRIu64 " cannot be understood to its end",
                        f->first_block);
        }
        d->pack = 0;
        d->c->result->segments++;
        d->c->result->packs += f->kind == SEGMENT_PACK;
        d->c->result->bytes += f->length;
        const struct segment *s =
                d->next_segment < table->n_on_tape ? &table->all[table->on_tape[d->next_segment]] : NULL;
        if (s && s->first_block == f->first_block) {
                d->next_segment++;
                compare_segment(d, f, s);
        }
        return 0;
}

/* ---- */

/* Where it begins: behind the labels, or so many filemarks. */
static int find_start(struct deep *d, struct scan_range *range)
{
        const struct segment_table *table = &d->c->v->segments;
        enum tape_outcome outcome = TAPE_GOOD;
        struct tape_position p;
        range->first = d->c->v->content;
        range->filemark = 2;
        if (d->c->options->from <= 2)
                return 0;
        int r = tape_rewind(d->c->tape);
        if (r == 0)
                r = tape_space_filemarks(d->c->tape, (int64_t)d->c->options->from, NULL, &outcome);
        if (r == 0)
                r = tape_get_position(d->c->tape, &p);
        if (r < 0)
                return r;
        if (outcome != TAPE_GOOD)
                return log_error(-ENODATA, "%s: the tape has no %" PRIu64 " filemarks",
                        tape_address(d->c->tape), d->c->options->from);
        range->first = p.object;
        range->filemark = d->c->options->from;
        for (; d->next_segment < table->n_on_tape; d->next_segment++) {
                const struct segment *s = &table->all[table->on_tape[d->next_segment]];
                if (s->first_block >= range->first)
                        break;
                if (s->kind != SEGMENT_FILE)
                        range->id = MAX(range->id, s->id);
        }
        return 0;
}

static int read_all(struct deep *d)
{
        const struct tree_visitor visitor = { add_claims, leave };
        const struct scan_visitor reading = { on_member, on_segment, on_block, d };
        struct scan_range range = { .read_max = UINT64_MAX, .patient = true };
        struct scan_result result;
        int r = tree_walk(d->c->tree, &visitor, d);
        if (r == -ENOMEM)
                return log_error(r, "%s: no memory to compare all files", tape_address(d->c->tape));
        if (d->n > 1)
                qsort(d->claims, d->n, sizeof(*d->claims), compare);
        if (r == 0)
                r = find_start(d, &range);
        if (r < 0)
                return r;
        d->first = range.first;
        d->end = range.end = d->c->v->data_end;
        r = scan_segments(d->c->v, &range, &reading, NULL, &result);
        if (r < 0)
                return r;
        miss(d, UINT64_MAX);
        d->c->result->next = result.filemarks;
        if (result.stopped && d->c->v->data_end != 0)
                inspect_problem(d->c, "the tape cannot be read from object %" PRIu64 " on", result.end);
        return 0;
}

int inspect_deep(struct check *c)
{
        struct deep d = { .c = c };
        int r = read_all(&d);
        g_free(d.claims);
        return r;
}

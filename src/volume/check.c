/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "handle.h"

struct check {
        Volume *v;
        const struct volume_problem_sink *sink;
        uint64_t problems;
};

static void problem(struct check *c, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void problem(struct check *c, const char *format, ...)
{
        va_list ap;
        va_start(ap, format);
        g_autofree char *text = g_strdup_vprintf(format, ap);
        va_end(ap);
        c->problems++;
        if (c->sink)
                c->sink->problem(c->sink->ctx, text);
}

/* From filemark number *at to filemark number to, and where that is. -ENODATA: the tape ends before. */
static int go_to_filemark(struct check *c, uint64_t *at, uint64_t to, uint64_t *object)
{
        struct tape_position p;
        enum tape_outcome outcome = TAPE_GOOD;
        int r = 0;
        if (to > *at)
                r = tape_space_filemarks(c->v->tape, (int64_t)(to - *at), NULL, &outcome);
        if (r < 0)
                return r;
        if (outcome != TAPE_GOOD)
                return -ENODATA;
        *at = to;
        r = tape_get_position(c->v->tape, &p);
        *object = p.object;
        return r;
}

/* A segment has its first block right behind a filemark and its last one right before the next. */
static int check_segment(struct check *c, const struct segment *s, uint64_t *at)
{
        uint64_t begin, end = 0, expected = segment_end(s, c->v->label.block_length) + 1;
        int r = go_to_filemark(c, at, s->filemark, &begin);
        if (r == 0)
                r = go_to_filemark(c, at, s->filemark + 1, &end);
        if (r == -ENODATA)
                problem(c, "the tape ends before segment %" PRIu64 " does (%s, behind filemark %" PRIu64 ")",
                        s->id, segment_kind_name(s->kind), s->filemark);
        else if (r == 0 && begin != s->first_block)
                problem(c,
                        "segment %" PRIu64 " begins at object %" PRIu64 " and not at %" PRIu64
                        ", where the index has it",
                        s->id, begin, s->first_block);
        else if (r == 0 && end != expected)
                problem(c,
                        "segment %" PRIu64 " has %" PRIu64 " blocks and not %" PRIu64 ", as the index says",
                        s->id, end - begin - 1, expected - s->first_block - 1);
        return r;
}

/* Segments in the order of the tape, so that it goes forward only. */
static int check_filemarks(struct check *c)
{
        uint64_t at = 0;
        int r = tape_rewind(c->v->tape);
        for (size_t i = 0; r == 0 && i < c->v->segments.n_on_tape; i++)
                r = check_segment(c, &c->v->segments.all[c->v->segments.on_tape[i]], &at);
        if (r == -EIO) {
                problem(c, "the tape cannot be read from filemark %" PRIu64 " on", at);
                return 0;
        }
        return r == -ENODATA ? 0 : r;
}

int volume_check(Tape *tape, const struct volume_problem_sink *sink, uint64_t *problems)
{
        struct check c = { .sink = sink };
        char why[VOLUME_WHY_MAX];
        g_autoptr(Volume) v = NULL;
        g_autoptr(Tree) tree = NULL;
        *problems = 0;
        int r = volume_load(tape, true, HINT_NONE, &v, &tree, why);
        if (r < 0 && r != -EUCLEAN)
                return why[0] ? log_error(r, "%s: %s", tape_address(tape), why) : r;
        if (r < 0) {
                problem(&c, "%s", why);
        } else {
                c.v = v;
                if (v->info.read_only_reason[0])
                        problem(&c, "%s", v->info.read_only_reason);
                r = check_filemarks(&c);
                if (r < 0)
                        return r;
        }
        *problems = c.problems;
        return 0;
}

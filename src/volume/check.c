/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "check.h"

void inspect_problem(struct check *c, const char *format, ...)
{
        va_list ap;
        va_start(ap, format);
        g_autofree char *text = g_strdup_vprintf(format, ap);
        va_end(ap);
        c->result->problems++;
        if (c->options->problem)
                c->options->problem(c->options->ctx, text);
}

/* From filemark number *at to filemark number to, and where that is. -ENODATA: the tape ends before. */
static int go_to_filemark(struct check *c, uint64_t *at, uint64_t to, uint64_t *object)
{
        struct tape_position p;
        enum tape_outcome outcome = TAPE_GOOD;
        int r = 0;
        if (to > *at)
                r = tape_space_filemarks(c->tape, (int64_t)(to - *at), NULL, &outcome);
        if (r < 0)
                return r;
        if (outcome != TAPE_GOOD)
                return -ENODATA;
        *at = to;
        r = tape_get_position(c->tape, &p);
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
                inspect_problem(c,
                        "the tape ends before segment %" PRIu64 " does (%s, behind filemark %" PRIu64 ")",
                        s->id, segment_kind_name(s->kind), s->filemark);
        else if (r == 0 && begin != s->first_block)
                inspect_problem(c,
                        "segment %" PRIu64 " begins at object %" PRIu64 " and not at %" PRIu64
                        ", where the index has it",
                        s->id, begin, s->first_block);
        else if (r == 0 && end != expected)
                inspect_problem(c,
                        "segment %" PRIu64 " has %" PRIu64 " blocks and not %" PRIu64 ", as the index says",
                        s->id, end - begin - 1, expected - s->first_block - 1);
        return r;
}

bool volume_check_goes_on(const struct volume_check_options *o, uint64_t done, uint64_t total)
{
        return !o || !o->report || o->report(o->ctx, done, total);
}

/* In the order of the tape, so that it goes forward only. */
int inspect_filemarks(struct check *c)
{
        const struct segment_table *table = &c->v->segments;
        uint64_t at = 0;
        int r = tape_rewind(c->tape);
        for (size_t i = 0; r == 0 && i < table->n_on_tape; i++) {
                const struct segment *s = &table->all[table->on_tape[i]];
                r = volume_check_goes_on(c->options, s->first_block, c->v->end) ? check_segment(c, s, &at)
                                                                                : -ECANCELED;
        }
        if (r == -EIO) {
                inspect_problem(c, "the tape cannot be read from filemark %" PRIu64 " on", at);
                return 0;
        }
        return r == -ENODATA ? 0 : r;
}

int inspect_open(struct check *c)
{
        char why[VOLUME_WHY_MAX];
        int r = volume_load_any(c->tape, true, HINT_NONE, &c->v, &c->tree, why);
        c->has_index = r == 0;
        if (c->v)
                c->v->check = c->options;
        if (r == -EUCLEAN) {
                inspect_problem(c, "%s", why);
                return 0;
        }
        if (r < 0)
                return why[0] ? log_error(r, "%s: %s", tape_address(c->tape), why) : r;
        if (c->v->info.read_only_reason[0])
                inspect_problem(c, "%s", c->v->info.read_only_reason);
        return 0;
}

void inspect_close(struct check *c)
{
        volume_close(g_steal_pointer(&c->v));
        tree_free(g_steal_pointer(&c->tree));
}

/* What an index can mend is looked at again; what is wrong with segments stays. */
static int look_again(struct check *c, uint64_t others)
{
        struct volume_check_options options = { .report = c->options->report, .ctx = c->options->ctx };
        struct volume_check_result result = { 0 };
        struct check again = { .tape = c->tape, .options = &options, .result = &result };
        int r = inspect_open(&again);
        if (r == 0 && again.has_index)
                r = inspect_filemarks(&again);
        inspect_close(&again);
        c->result->left = result.problems + others;
        return r;
}

static int check(struct check *c)
{
        bool repair = c->options->repair;
        int r = inspect_open(c);
        if (r < 0 || !c->v)
                return r;
        uint64_t mendable = c->result->problems, others = 0;
        if (c->has_index) {
                r = c->options->deep ? inspect_deep(c) : inspect_filemarks(c);
                others = c->result->problems - mendable;
        } else if (c->options->deep && !repair) {
                r = volume_recover(c->v, c->tree, RECOVER_LOOK | RECOVER_PATIENT, NULL);
        }
        if (r == 0 && repair && mendable > 0)
                r = inspect_repair(c);
        c->result->left = c->result->problems;
        if (r < 0 || !c->result->repaired)
                return r;
        inspect_close(c);
        return look_again(c, c->options->deep ? others : 0);
}

int volume_check_with(
        Tape *tape, const struct volume_check_options *options, struct volume_check_result *result)
{
        struct check c = { .tape = tape, .options = options, .result = result };
        *result = (struct volume_check_result){ 0 };
        int r = check(&c);
        inspect_close(&c);
        return r;
}

int volume_check(Tape *tape, const struct volume_problem_sink *sink, uint64_t *problems)
{
        struct volume_check_options options = { .problem = sink ? sink->problem : NULL,
                .ctx = sink ? sink->ctx : NULL };
        struct volume_check_result result;
        int r = volume_check_with(tape, &options, &result);
        *problems = result.problems;
        return r;
}

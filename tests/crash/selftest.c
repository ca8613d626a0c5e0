/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What no crash can do is done to a cartridge: the bench has to notice. */
#include <stdio.h>
#include <string.h>

#include "bench.h"

static const struct ack *ack_at(const struct work *w, unsigned i)
{
        return &g_array_index(w->recording.acks, struct ack, i);
}

static const struct record *record_at(const struct work *w, size_t i)
{
        return &g_array_index(w->recording.records, struct record, i);
}

static int tell(const char *what, unsigned count)
{
        printf("%s: %s\n", what, count > 0 ? "noticed" : "NOT NOTICED");
        return count > 0 ? 0 : -1;
}

/* The cut as it was, but for what of the totals has to be other than 0. */
static int expect(struct bench *b, const struct work *w, const struct cut *cut, const char *what,
        unsigned (*count)(const struct totals *t))
{
        g_autofree char *path = bench_path(b, "self.tap");
        const struct window window = { w->model, cut->acked, cut->last, .racing = w->race_wanted };
        struct totals totals = { .silent = true };
        case_run(&w->recording, cut, path, &window, NULL, what, &totals);
        bench_remove(b, "self.tap");
        return tell(what, count(&totals));
}

static unsigned lost(const struct totals *t)
{
        return t->lost;
}

static unsigned invented(const struct totals *t)
{
        return t->invented;
}

static unsigned otherwise_wrong(const struct totals *t)
{
        return t->other;
}

static unsigned not_mounted(const struct totals *t)
{
        return t->failed_mounts;
}

static struct cut cut_at_ack(const struct work *w, unsigned i)
{
        const struct ack *a = ack_at(w, i);
        const struct record *r = record_at(w, a->commands);
        return (struct cut){ CRASH_KILLED, a->commands, r->size, TAIL_END, r->memory, a->step, a->step };
}

/* The last acknowledgement but one. */
static unsigned some_ack(const struct work *w)
{
        return w->recording.acks->len - 2;
}

/* The drive said that it had flushed, and had not. */
static int lose_commit(struct bench *b, const struct work *w)
{
        unsigned i = some_ack(w);
        struct cut cut = cut_at_ack(w, i);
        for (unsigned k = i; k > 0 && cut.size == record_at(w, ack_at(w, i)->commands)->size; k--)
                cut.size = record_at(w, ack_at(w, k - 1)->commands)->size;
        return expect(b, w, &cut, "a commit that is not on the tape", lost);
}

/* All since the first one of them. */
static int lose_commits(struct bench *b, const struct work *w)
{
        struct cut cut = cut_at_ack(w, some_ack(w));
        cut.size = record_at(w, ack_at(w, 0)->commands)->size;
        return expect(b, w, &cut, "commits of a run that races that are not on the tape", lost);
}

static int lose_all(struct bench *b, const struct work *w)
{
        struct cut cut = cut_at_ack(w, some_ack(w));
        cut.size = 100;
        return expect(b, w, &cut, "a tape that is cut in its label", not_mounted);
}

/* What is there is more than what has been done. */
static int invent(struct bench *b, const struct work *w, const char *what)
{
        struct cut cut = cut_at_ack(w, some_ack(w));
        cut.acked = 0;
        cut.last = cut.last / 2;
        return expect(b, w, &cut, what, invented);
}

/* Where the drive's buffer is lost, and a program hears that all is on the tape. */
static int keep_quiet(struct bench *b, size_t commands)
{
        static const struct loss loss = { 100, { .tail = VIRTUAL_TAIL_END } };
        g_autofree char *path = bench_path(b, "self.tap");
        struct work w = { .loss = &loss, .fault_at = commands / 2 };
        struct totals totals = { .silent = true };
        bool told;
        faults_work(b, &w, b->seed, path, &told);
        const struct window window = { w.model, model_step(w.model), model_step(w.model), true, false };
        case_verify(path, &window, END_WRITTEN, NULL, "", &totals);
        work_clear(&w);
        bench_remove(b, "self.tap");
        return tell("a loss of which nobody was told", totals.lost);
}

static uint64_t size_at_ack(const struct work *w, unsigned i)
{
        return record_at(w, ack_at(w, i)->commands)->size;
}

/* The acknowledgement that most data follows before the next one. */
static unsigned ack_before_data(const struct work *w)
{
        unsigned best = 0;
        for (unsigned i = 1; i + 1 < w->recording.acks->len; i++)
                if (size_at_ack(w, i + 1) - size_at_ack(w, i) >
                        size_at_ack(w, best + 1) - size_at_ack(w, best))
                        best = i;
        return best;
}

/* How many objects begin before this place. */
static unsigned objects_before(const struct work *w, uint64_t place)
{
        unsigned n = 0;
        while (n < w->recording.objects->len && g_array_index(w->recording.objects, uint64_t, n) < place)
                n++;
        return n;
}

static uint64_t object_size(const struct work *w, unsigned object)
{
        const uint64_t *at = &g_array_index(w->recording.objects, uint64_t, object);
        return at[1] - at[0];
}

/* Makes it one that cannot be read, in the container's terms, or undoes that. */
static void toggle_bad(struct work *w, unsigned object)
{
        gsize size;
        const uint64_t *at = &g_array_index(w->recording.objects, uint64_t, object);
        uint8_t *data = g_bytes_unref_to_data(g_steal_pointer(&w->recording.image), &size);
        data[at[0] + 3] ^= 0x80;
        data[at[1] - 1] ^= 0x80;
        w->recording.image = g_bytes_new_take(data, size);
}

/* The first of three blocks in a row, from this object on. */
static unsigned find_blocks(const struct work *w, unsigned object)
{
        unsigned row = 0;
        while (row < 3) {
                g_assert(object + 1 < w->recording.objects->len);
                row = object_size(w, object++) > WORK_BLOCK ? row + 1 : 0;
        }
        return object - 3;
}

/* There is no end of data, and the last block but one cannot be read: what is made the end is before it, and
 * the last one is overwritten. */
static int hide(struct bench *b, struct work *w)
{
        unsigned i = ack_before_data(w), block = find_blocks(w, objects_before(w, size_at_ack(w, i)));
        struct cut cut = cut_at_ack(w, i);
        cut.kind = CRASH_NO_END;
        cut.tail = TAIL_NONE;
        cut.size = g_array_index(w->recording.objects, uint64_t, block + 3);
        cut.last = ack_at(w, i + 1)->step;
        toggle_bad(w, block + 1);
        int r = expect(b, w, &cut, "a repair that overwrites what can be read", otherwise_wrong);
        toggle_bad(w, block + 1);
        return r;
}

/* One bit in each block in turn, until one that a file has. */
static int spoil(struct bench *b, struct work *w, const char *what)
{
        struct cut cut = cut_at_ack(w, w->recording.acks->len - 1);
        gsize size;
        uint8_t *data = g_bytes_unref_to_data(g_steal_pointer(&w->recording.image), &size);
        for (unsigned i = 8; i < w->recording.objects->len; i += 3) {
                uint64_t at = g_array_index(w->recording.objects, uint64_t, i - 1),
                         next = g_array_index(w->recording.objects, uint64_t, i);
                if (next - at > WORK_BLOCK)
                        data[(at + next) / 2] ^= 0x01;
        }
        w->recording.image = g_bytes_new_take(data, size);
        return expect(b, w, &cut, what, lost);
}

static int race(struct bench *b)
{
        struct work w;
        int r = bench_record(b, b->seed, true, &w);
        if (r == 0)
                r = lose_commits(b, &w) + invent(b, &w, "files that nobody has made, in one that races") +
                        spoil(b, &w, "bits that have changed, in one that races");
        work_clear(&w);
        bench_remove(b, "work.tap");
        return r;
}

int selftest_run(struct bench *b)
{
        struct work w;
        int r = bench_record(b, b->seed, false, &w);
        if (r == 0)
                r = lose_commit(b, &w) + lose_all(b, &w) + invent(b, &w, "files that nobody has made") +
                        hide(b, &w) + spoil(b, &w, "bits that have changed");
        if (r == 0)
                r = keep_quiet(b, recording_commands(&w.recording));
        work_clear(&w);
        bench_remove(b, "work.tap");
        if (r == 0)
                r = race(b);
        b->totals.other += r < 0;
        return 0;
}

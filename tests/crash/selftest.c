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

/* The cut as it was, but for what of the totals has to be other than 0. */
static int expect(struct bench *b, const struct work *w, const struct cut *cut, const char *what,
        unsigned (*count)(const struct totals *t))
{
        g_autofree char *path = bench_path(b, "self.tap");
        const struct window window = { w->model, cut->acked, cut->last, false };
        struct totals totals = { .silent = true };
        case_run(&w->recording, cut, path, &window, NULL, what, &totals);
        bench_remove(b, "self.tap");
        bool noticed = count(&totals) > 0;
        printf("%s: %s\n", what, noticed ? "noticed" : "NOT NOTICED");
        return noticed ? 0 : -1;
}

static unsigned lost(const struct totals *t)
{
        return t->lost;
}

static unsigned invented(const struct totals *t)
{
        return t->invented;
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

static int lose_all(struct bench *b, const struct work *w)
{
        struct cut cut = cut_at_ack(w, some_ack(w));
        cut.size = 100;
        return expect(b, w, &cut, "a tape that is cut in its label", not_mounted);
}

/* What is there is more than what has been done. */
static int invent(struct bench *b, const struct work *w)
{
        struct cut cut = cut_at_ack(w, some_ack(w));
        cut.acked = 0;
        cut.last = cut.last / 2;
        return expect(b, w, &cut, "files that nobody has made", invented);
}

/* One bit in each block in turn, until one that a file has. */
static int spoil(struct bench *b, struct work *w)
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
        return expect(b, w, &cut, "bits that have changed", lost);
}

int selftest_run(struct bench *b)
{
        struct work w;
        int r = bench_record(b, b->seed, &w);
        if (r == 0)
                r = lose_commit(b, &w) + lose_all(b, &w) + invent(b, &w) + spoil(b, &w);
        work_clear(&w);
        bench_remove(b, "work.tap");
        b->totals.other += r < 0;
        return 0;
}

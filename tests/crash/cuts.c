/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Where a recording can be cut. */
#include "cases.h"

const char *const crash_names[CRASH_KINDS] = {
        [CRASH_KILLED] = "daemon killed",
        [CRASH_ALL_LOST] = "power cut, all of the drive's buffer lost",
        [CRASH_PART_LOST] = "power cut, a part of the buffer lost",
        [CRASH_PART_DONE] = "cut in the midst of a command",
        [CRASH_OLD_MEMORY] = "power cut, older cartridge memory",
        [CRASH_NO_END] = "power cut, no end of data",
        [CRASH_TORN] = "power cut, torn block, no end of data",
};

struct cutter {
        const struct recording *r;
        GRand *random;
        GArray *cuts;
        GHashTable *seen;           /* what a cut leaves, as text */
        const struct window *fixed; /* the same for all */
        size_t next_ack;
        unsigned acked;
};

static const struct record *record_at(const struct recording *r, size_t i)
{
        return &g_array_index(r->records, struct record, i);
}

static void add(
        struct cutter *c, size_t command, enum crash kind, uint64_t size, enum tail tail, unsigned memory)
{
        const struct record *now = record_at(c->r, command);
        struct cut cut = { kind, command, size, tail, memory, c->acked, now->step };
        if (kind == CRASH_PART_DONE)
                cut.last = record_at(c->r, command + 1)->step;
        if (c->fixed) {
                cut.acked = c->fixed->acked;
                cut.last = c->fixed->last;
        }
        char *key = g_strdup_printf("%" G_GUINT64_FORMAT " %d %u %u", size, tail, memory, cut.acked);
        if (g_hash_table_add(c->seen, key))
                g_array_append_val(c->cuts, cut);
}

/* The end of some object after from, and not after to; from itself if there is none between. */
static uint64_t some_place(struct cutter *c, uint64_t from, uint64_t to)
{
        const uint64_t *at = (const uint64_t *)(void *)c->r->objects->data;
        size_t n = c->r->objects->len, first = 0, last;
        while (first < n && at[first] <= from)
                first++;
        for (last = first; last < n && at[last] < to; last++)
                ;
        return last > first ? at[first + (size_t)g_rand_int_range(c->random, 0, (gint32)(last - first))]
                            : from;
}

static void cut_power(struct cutter *c, size_t command, const struct record *now)
{
        if (now->synced < now->size) {
                add(c, command, CRASH_ALL_LOST, now->synced, TAIL_END, now->memory);
                for (unsigned i = 0; i < 2; i++) {
                        uint64_t size = some_place(c, now->synced, now->size);
                        add(c, command, CRASH_PART_LOST, size, TAIL_END, now->memory);
                }
        }
        if (now->memory > 0)
                add(c, command, CRASH_OLD_MEMORY, some_place(c, now->synced, now->size), TAIL_END,
                        now->memory - 1);
        if (now->end_is_written)
                return;
        add(c, command, CRASH_NO_END, some_place(c, now->synced, now->size), TAIL_NONE, now->memory);
        if (now->synced < now->size)
                add(c, command, CRASH_TORN, some_place(c, now->synced, now->size), TAIL_TORN, now->memory);
}

static void cut_at(struct cutter *c, size_t command)
{
        const struct record *now = record_at(c->r, command);
        const struct record *next = command + 1 < c->r->records->len ? record_at(c->r, command + 1) : now;
        while (c->next_ack < c->r->acks->len) {
                const struct ack *a = &g_array_index(c->r->acks, struct ack, c->next_ack);
                if (a->commands > command)
                        break;
                c->acked = a->step;
                c->next_ack++;
        }
        if (!c->fixed && c->next_ack == 0)
                return; /* it is being formatted still */
        if (now->untouched)
                return; /* the crash that the recording begins with */
        add(c, command, CRASH_KILLED, now->size, TAIL_END, now->memory);
        uint64_t within = some_place(c, now->size, next->size);
        if (within > now->size)
                add(c, command, CRASH_PART_DONE, within, TAIL_END, now->memory);
        cut_power(c, command, now);
}

static GArray *find_cuts(const struct recording *r, uint32_t seed, const struct window *fixed)
{
        struct cutter c = { .r = r, .random = g_rand_new_with_seed(seed), .fixed = fixed };
        c.cuts = g_array_new(FALSE, FALSE, sizeof(struct cut));
        c.seen = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
        for (size_t i = 0; i < r->records->len; i++)
                cut_at(&c, i);
        g_rand_free(c.random);
        g_hash_table_unref(c.seen);
        return c.cuts;
}

GArray *cuts_of(const struct recording *r, uint32_t seed)
{
        return find_cuts(r, seed, NULL);
}

GArray *cuts_of_recovery(const struct recording *r, uint32_t seed, const struct window *w)
{
        return find_cuts(r, seed, w);
}

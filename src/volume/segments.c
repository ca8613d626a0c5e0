/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <assert.h>
#include <errno.h>
#include <glib.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "segments.h"
#include "text.h"

static const char *const kind_names[] = {
        [SEGMENT_FILE] = "file",
        [SEGMENT_PACK] = "pack",
        [SEGMENT_INDEX] = "index",
};

const char *segment_kind_name(enum segment_kind kind)
{
        return kind_names[kind];
}

uint64_t segment_blocks(uint64_t length, uint32_t block_length)
{
        return length / block_length + (length % block_length != 0);
}

uint64_t segment_end(const struct segment *s, uint32_t block_length)
{
        return s->first_block + segment_blocks(s->length, block_length);
}

void segments_clear(struct segment_table *table)
{
        g_free(table->all);
        g_free(table->on_tape);
        *table = (struct segment_table){ 0 };
}

static int segments_grow(struct segment_table *table)
{
        size_t more = MAX(table->allocated * 2, (size_t)64);
        if (more > UINT32_MAX)
                return -ENOMEM;
        struct segment *all = g_try_realloc_n(table->all, more, sizeof(*all));
        if (!all)
                return -ENOMEM;
        table->all = all;
        uint32_t *on_tape = g_try_realloc_n(table->on_tape, more, sizeof(*on_tape));
        if (!on_tape)
                return -ENOMEM;
        table->on_tape = on_tape;
        table->allocated = more;
        return 0;
}

int segments_add(struct segment_table *table, uint64_t id, enum segment_kind kind, struct segment **ret)
{
        assert(table->n == 0 || table->all[table->n - 1].id < id);
        if (table->n == table->allocated) {
                int r = segments_grow(table);
                if (r < 0)
                        return r;
        }
        struct segment *s = &table->all[table->n++];
        *s = (struct segment){ .id = id, .kind = kind, .state = SEGMENT_QUEUED };
        if (ret)
                *ret = s;
        return 0;
}

/* Index of the first segment with this id or a higher one. */
static size_t lower_bound(const struct segment_table *table, uint64_t id)
{
        /* Ids ascend from 1, so none is behind its own number; mostly it is exactly there. */
        size_t low = 0, high = (size_t)MIN((uint64_t)table->n, id);
        if (high > 0 && table->all[high - 1].id < id)
                return high;
        while (low < high) {
                size_t middle = low + (high - low) / 2;
                if (table->all[middle].id < id)
                        low = middle + 1;
                else
                        high = middle;
        }
        return low;
}

struct segment *segments_find(const struct segment_table *table, uint64_t id)
{
        if (id == 0)
                return NULL;
        if (id <= table->n && table->all[id - 1].id == id)
                return &table->all[id - 1];
        size_t i = lower_bound(table, id);
        return i < table->n && table->all[i].id == id ? &table->all[i] : NULL;
}

struct segment *segments_next(const struct segment_table *table, uint64_t after)
{
        if (after == UINT64_MAX)
                return NULL;
        for (size_t i = lower_bound(table, after + 1); i < table->n; i++) {
                if (table->all[i].first_block != 0)
                        return &table->all[i];
        }
        return NULL;
}

struct segment *segments_at(const struct segment_table *table, uint64_t block, uint32_t block_length)
{
        size_t low = 0, high = table->n_on_tape;
        while (low < high) {
                size_t middle = low + (high - low) / 2;
                if (table->all[table->on_tape[middle]].first_block <= block)
                        low = middle + 1;
                else
                        high = middle;
        }
        if (low == 0)
                return NULL;
        struct segment *s = &table->all[table->on_tape[low - 1]];
        return block < segment_end(s, block_length) ? s : NULL;
}

struct segment *segments_last(const struct segment_table *table)
{
        return table->n_on_tape > 0 ? &table->all[table->on_tape[table->n_on_tape - 1]] : NULL;
}

void segments_place(struct segment_table *table, struct segment *s, uint64_t first_block, uint64_t filemark)
{
        assert(s->first_block == 0 && first_block > 0);
        assert(table->n_on_tape == 0 || segments_last(table)->first_block < first_block);
        s->first_block = first_block;
        s->filemark = filemark;
        table->on_tape[table->n_on_tape++] = (uint32_t)(s - table->all);
}

void segments_unplace_last(struct segment_table *table)
{
        struct segment *s = segments_last(table);
        s->first_block = 0;
        s->filemark = 0;
        s->length = 0;
        table->n_on_tape--;
}

void segment_to_line(const struct segment *s, char line[static SEGMENT_LINE_MAX])
{
        snprintf(line, SEGMENT_LINE_MAX, "%" PRIu64 " %s %" PRIu64 " %" PRIu64 " %" PRIu64 "\n", s->id,
                segment_kind_name(s->kind), s->filemark, s->first_block, s->length);
}

/* The next word of a line; empty at its end. */
static const char *next_word(const char **p, const char *end, size_t *length)
{
        while (*p < end && **p == ' ')
                (*p)++;
        const char *word = *p;
        while (*p < end && **p != ' ')
                (*p)++;
        *length = (size_t)(*p - word);
        return word;
}

static int parse_kind(const char *word, size_t length, enum segment_kind *kind)
{
        for (unsigned i = 0; i < G_N_ELEMENTS(kind_names); i++) {
                if (strlen(kind_names[i]) == length && memcmp(kind_names[i], word, length) == 0) {
                        *kind = i;
                        return 0;
                }
        }
        return -EINVAL;
}

int segments_add_line(struct segment_table *table, const char *line, size_t length)
{
        struct segment s = { 0 };
        uint64_t *const numbers[] = { &s.id, NULL, &s.filemark, &s.first_block, &s.length };
        const char *p = line, *end = line + length;
        for (unsigned i = 0; i < G_N_ELEMENTS(numbers); i++) {
                size_t n;
                const char *word = next_word(&p, end, &n);
                int r = numbers[i] ? text_to_number(word, n, numbers[i]) : parse_kind(word, n, &s.kind);
                if (r < 0)
                        return -EINVAL;
        }
        if (p != end || s.first_block == 0 || s.first_block > SEGMENT_BLOCK_MAX ||
                s.length > SEGMENT_LENGTH_MAX || s.id == 0 || s.id > INT64_MAX ||
                (table->n > 0 && table->all[table->n - 1].id >= s.id))
                return -EINVAL;
        struct segment *added;
        int r = segments_add(table, s.id, s.kind, &added);
        if (r < 0)
                return r;
        s.state = SEGMENT_SYNCED;
        *added = s;
        table->on_tape[table->n_on_tape++] = (uint32_t)(table->n - 1);
        return 0;
}

/* Copies the segments of both in the order of their ids. False: one is in both. */
static bool merge_ids(const struct segment_table *a, const struct segment_table *b, struct segment *to)
{
        size_t i = 0, j = 0;
        while (i < a->n || j < b->n) {
                if (i < a->n && j < b->n && a->all[i].id == b->all[j].id)
                        return false;
                if (j == b->n || (i < a->n && a->all[i].id < b->all[j].id))
                        *to++ = a->all[i++];
                else
                        *to++ = b->all[j++];
        }
        return true;
}

int segments_merge(struct segment_table *table, struct segment_table *added)
{
        struct segment_table both = { .n = table->n + added->n };
        while (both.allocated < both.n) {
                int r = segments_grow(&both);
                if (r < 0) {
                        segments_clear(&both);
                        return r;
                }
        }
        if (!merge_ids(table, added, both.all)) {
                segments_clear(&both);
                return -EUCLEAN;
        }
        for (size_t i = 0; i < both.n; i++)
                if (both.all[i].first_block != 0)
                        both.on_tape[both.n_on_tape++] = (uint32_t)i;
        segments_clear(table);
        segments_clear(added);
        *table = both;
        return 0;
}

static int compare_place(const void *a, const void *b, void *all)
{
        const struct segment *x = (struct segment *)all + *(const uint32_t *)a;
        const struct segment *y = (struct segment *)all + *(const uint32_t *)b;
        return (x->first_block > y->first_block) - (x->first_block < y->first_block);
}

int segments_seal(struct segment_table *table, uint32_t block_length)
{
        if (table->n_on_tape > 0)
                qsort_r(table->on_tape, table->n_on_tape, sizeof(*table->on_tape), compare_place, table->all);
        for (size_t i = 1; i < table->n_on_tape; i++) {
                const struct segment *s = &table->all[table->on_tape[i - 1]];
                const struct segment *next = &table->all[table->on_tape[i]];
                /* A filemark ends each. */
                if (segment_end(s, block_length) >= next->first_block || s->filemark >= next->filemark)
                        return -EUCLEAN;
        }
        return 0;
}

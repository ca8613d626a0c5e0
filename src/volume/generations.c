/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Indexes before the last one, which are on the tape still: the segment table says where. Drive thread only.
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "handle.h"

/* The index segments, oldest first; struct segment. */
static GArray *index_segments(Volume *v)
{
        GArray *found = g_array_new(FALSE, FALSE, sizeof(struct segment));
        autounlock Volume *locked = volume_lock(v);
        for (size_t i = 0; i < v->segments.n_on_tape; i++) {
                const struct segment *s = &v->segments.all[v->segments.on_tape[i]];
                if (s->kind == SEGMENT_INDEX)
                        g_array_append_val(found, *s);
        }
        return found;
}

int volume_generations(Volume *v, volume_generation_visitor each, void *ctx)
{
        g_autoptr(GArray) segments = index_segments(v);
        int r = 0;
        for (guint i = 0; i < segments->len && r == 0; i++) {
                const struct segment *s = &g_array_index(segments, struct segment, i);
                struct index_head head;
                r = volume_read_head(v, s->first_block, &head);
                if (r < 0 && !volume_is_damage(r))
                        return r;
                const struct volume_generation g = { .number = head.generation,
                        .block = s->first_block,
                        .filemark = s->filemark,
                        .length = s->length,
                        .update_time = head.update_time,
                        .incremental = head.incremental,
                        .damaged = r < 0 };
                r = each(ctx, &g);
        }
        return r;
}

/* Which of the segments it is. The numbers mostly ascend by one, so that few of them have to be looked at. */
static int find(Volume *v, const GArray *segments, uint64_t number, uint64_t *block)
{
        guint low = 0, high = segments->len;
        uint64_t behind = v->info.generation + 1; /* generation of the first one from high on */
        while (low < high) {
                uint64_t back = behind > number ? behind - number : 1;
                guint at = back > high - low ? low : high - (guint)back;
                struct index_head head = { 0 };
                int r = -EUCLEAN;
                /* One that is damaged says nothing: its neighbours do. */
                guint i = at;
                for (; i < high && r < 0; i++) {
                        *block = g_array_index(segments, struct segment, i).first_block;
                        r = volume_read_head(v, *block, &head);
                        if (r < 0 && !volume_is_damage(r))
                                return r;
                }
                if (r == 0 && head.generation == number)
                        return 0;
                if (r == 0 && head.generation < number) {
                        low = i;
                } else {
                        high = at;
                        behind = r == 0 ? head.generation : behind;
                }
        }
        return -ENOENT;
}

static int load(Volume *v, uint64_t number, Tree **tree)
{
        g_autoptr(GArray) segments = index_segments(v);
        char why[INDEX_WHY_MAX];
        uint64_t block = 0, own;
        int r = find(v, segments, number, &block);
        if (r == -ENOENT)
                return log_error(r,
                        "%s: there is no index of generation %" PRIu64
                        "; reelfs check --list-generations shows them",
                        tape_address(v->tape), number);
        if (r == 0)
                r = tape_locate(v->tape, block);
        if (r == 0)
                r = volume_load_index(v, block, tree, &own, why);
        if (r < 0 && volume_is_damage(r))
                return log_error(r, "%s: the index of generation %" PRIu64 " is damaged%s%s",
                        tape_address(v->tape), number, why[0] ? ": " : "", why);
        return r;
}

int volume_open_generation(Tape *tape, uint64_t number, Volume **ret, Tree **tree)
{
        char why[VOLUME_WHY_MAX];
        g_autoptr(Volume) v = NULL;
        g_autoptr(Tree) newest = NULL;
        int r = volume_load(tape, true, HINT_TRUSTED, &v, &newest, why);
        if (r < 0)
                return why[0] ? log_error(r, "%s: %s", tape_address(tape), why) : r;
        if (v->info.generation != number) {
                g_clear_pointer(&newest, tree_free); /* one at a time: they may be large */
                v->tree = NULL;
                r = load(v, number, &newest);
                if (r < 0)
                        return r;
                volume_finish_load(v, newest, true);
        }
        {
                autounlock Volume *locked = volume_lock(v);
                v->info.read_only_reason[0] = '\0'; /* what follows is of no concern */
        }
        *ret = g_steal_pointer(&v);
        *tree = g_steal_pointer(&newest);
        return 0;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* In which order scattered parts of the tape are read. A tape goes there and back in wraps, so that what is
 * far away by its number can lie beside what was just read: only the drive knows. */
#include <string.h>

#include <reelfs/log.h>

#include "private.h"

static const struct piece *piece_at(const struct plan *p, guint i)
{
        return &g_array_index(p->pieces, struct piece, i);
}

static uint64_t last_block(const struct plan *p, const struct piece *piece)
{
        uint32_t block_length = volume_block_length(p->volume);
        return piece->block + (piece->offset % block_length + MAX(piece->length, 1) - 1) / block_length;
}

GArray *plan_runs(const struct plan *p)
{
        GArray *runs = g_array_new(FALSE, FALSE, sizeof(struct run));
        uint64_t gap = GAP_MAX / volume_block_length(p->volume);
        for (guint i = 0; i < p->pieces->len; i++) {
                const struct piece *piece = piece_at(p, i);
                struct run *run = runs->len > 0 ? &g_array_index(runs, struct run, runs->len - 1) : NULL;
                uint64_t last = last_block(p, piece);
                if (run && piece->block <= run->range.last + gap) {
                        run->range.last = MAX(run->range.last, last);
                        run->n++;
                } else {
                        struct run next = { { piece->block, last }, i, 1 };
                        g_array_append_val(runs, next);
                }
        }
        return runs;
}

static void reorder(struct plan *p, const GArray *runs, const unsigned *order)
{
        GArray *pieces = g_array_sized_new(FALSE, TRUE, sizeof(struct piece), p->pieces->len);
        for (guint i = 0; i < runs->len; i++) {
                const struct run *run = &g_array_index(runs, struct run, order[i]);
                g_array_append_vals(pieces, piece_at(p, run->first), run->n);
        }
        g_array_unref(p->pieces);
        p->pieces = pieces;
}

void plan_ask_order(struct plan *p)
{
        Tape *tape = volume_tape(p->volume);
        size_t limit;
        g_autoptr(GArray) runs = plan_runs(p);
        if (runs->len < 2 || tape_recommended_limit(tape, &limit) < 0)
                return;
        if (runs->len > limit) {
                log_debug("%u parts of the tape are more than the %zu that the drive puts in order",
                        runs->len, limit);
                return;
        }
        g_autofree struct tape_range *ranges = g_new(struct tape_range, runs->len);
        g_autofree unsigned *order = g_new(unsigned, runs->len);
        for (guint i = 0; i < runs->len; i++)
                ranges[i] = g_array_index(runs, struct run, i).range;
        if (tape_recommended_order(tape, ranges, runs->len, order) < 0)
                return;
        log_debug("%u parts of the tape are read in the order of the drive", runs->len);
        reorder(p, runs, order);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Counting objects on a drive whose SPACE over blocks cannot count: it runs across filemarks as if they were
 * blocks, and does not say how far it came when it meets the end of data. Such a drive still does two things
 * as SSC-5 says: a SPACE that ends well has passed just as many objects as it was told to, and READ tells a
 * block from a filemark from the end of data, and passes one of them. */
#include <errno.h>
#include <glib.h>

#include <reelfs/log.h>

#include "private.h"

#define STRIDE_MAX (1u << 22) /* within the count of SPACE(6) */
#define WINDOW_MIN 64u        /* objects read at a time on the way back */
#define WINDOW_MAX (1u << 16)

int count_object(Tape *t, enum tape_outcome *outcome)
{
        g_autofree uint8_t *block = NULL;
        uint8_t *buf = t->scratch;
        size_t length, size = MAX(t->info.min_block, 1);
        if (t->info.fixed_only || size > TAPE_SCRATCH) {
                size = MAX(size, t->info.block_length);
                buf = block = g_try_malloc(size);
                if (!block)
                        return log_error_errno(-ENOMEM, "%s: cannot read", t->address);
        }
        int r = tape_read_block(t, buf, size, &length, outcome);
        if (r == 0 && *outcome == TAPE_END_OF_MEDIUM)
                *outcome = TAPE_EOD;
        else if (r == 0 && *outcome != TAPE_FILEMARK && *outcome != TAPE_EOD)
                *outcome = TAPE_GOOD;
        return r;
}

/* One object after the other. *filemarks (may be NULL) gets the object numbers of those passed. Stops behind
 * the wanted-th of them. */
static int read_to(Tape *t, uint64_t object, uint64_t wanted, GArray *filemarks, enum tape_outcome *outcome)
{
        uint64_t found = 0;
        *outcome = TAPE_GOOD;
        while (t->object < object && found < wanted) {
                uint64_t at = t->object;
                int r = count_object(t, outcome);
                if (r < 0)
                        return r;
                if (*outcome == TAPE_EOD) {
                        t->end = t->object;
                        return 0;
                }
                found += *outcome == TAPE_FILEMARK;
                if (*outcome == TAPE_FILEMARK && filemarks)
                        g_array_append_val(filemarks, at);
        }
        *outcome = TAPE_GOOD;
        return 0;
}

/* In strides that double while they end well, and are halved from the first one on that does not. */
static int stride_to(Tape *t, uint64_t object, enum tape_outcome *outcome)
{
        bool growing = true;
        int r = position_rewind(t);
        for (uint64_t step = 1; r == 0 && step > 0 && t->object < object;) {
                uint64_t from = t->object;
                r = space_blocks(t, (int64_t)MIN(step, object - from), outcome);
                if (r == 0 && *outcome == TAPE_EOD)
                        break;
                if (r == -ENOMSG && t->spacing != SPACE_STOPS) {
                        growing = false;
                        r = position_rewind(t);
                        if (r == 0)
                                r = space_forward(t, from, outcome);
                }
                step = growing ? MIN(2 * step, STRIDE_MAX) : step / 2;
        }
        return r;
}

int count_to(Tape *t, uint64_t object, enum tape_outcome *outcome)
{
        log_debug("%s: finding the place by counting", t->address);
        int r = stride_to(t, object, outcome);
        if (r == 0 && t->object < object)
                r = read_to(t, object, UINT64_MAX, NULL, outcome);
        else if (r == 0)
                *outcome = TAPE_GOOD;
        return r;
}

static int count_forward(Tape *t, uint64_t wanted, uint64_t *moved, enum tape_outcome *outcome)
{
        g_autoptr(GArray) filemarks = g_array_new(FALSE, FALSE, sizeof(uint64_t));
        int r = read_to(t, UINT64_MAX, wanted, filemarks, outcome);
        *moved = filemarks->len;
        return r;
}

/* Windows before the start, each read forwards, until the filemark has been seen. */
static int count_backward(Tape *t, uint64_t wanted, uint64_t *moved, enum tape_outcome *outcome)
{
        uint64_t before = t->object, window = WINDOW_MIN;
        for (*moved = 0; before > 0;) {
                g_autoptr(GArray) filemarks = g_array_new(FALSE, FALSE, sizeof(uint64_t));
                uint64_t from = before > window ? before - window : 0, left = wanted - *moved;
                int r = position_go(t, from);
                if (r == 0)
                        r = read_to(t, before, UINT64_MAX, filemarks, outcome);
                if (r < 0)
                        return r;
                if (filemarks->len >= left) {
                        *moved = wanted;
                        *outcome = TAPE_GOOD;
                        return position_go(t, g_array_index(filemarks, uint64_t, filemarks->len - left));
                }
                *moved += filemarks->len;
                before = from;
                window = MIN(4 * window, WINDOW_MAX);
        }
        *outcome = TAPE_BOP;
        return position_rewind(t);
}

int count_filemarks(Tape *t, int64_t count, uint64_t *moved, enum tape_outcome *outcome)
{
        uint64_t wanted = (uint64_t)ABS(count);
        return count < 0 ? count_backward(t, wanted, moved, outcome)
                         : count_forward(t, wanted, moved, outcome);
}

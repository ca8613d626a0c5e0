/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <inttypes.h>
#include <stdio.h>

#include <reelfs/volume.h>

#include "repair.h"

static bool agree(void *ctx, const char *text)
{
        return true;
}

static int save(void *ctx, uint64_t object, const void *data, size_t length)
{
        ((struct repair *)ctx)->saved++;
        return 0;
}

static int repair_tape(Tape *tape, struct repair *result)
{
        const struct volume_check_options options = {
                .repair = true, .agree = agree, .save = save, .ctx = result
        };
        struct volume_check_result found;
        int r = tape_lock_medium(tape, true);
        if (r == 0)
                r = volume_check_with(tape, &options, &found);
        if (r < 0)
                return r;
        result->repaired = found.repaired;
        result->left = found.left;
        snprintf(result->text, sizeof(result->text),
                "  %" PRIu64 " problems, %" PRIu64 " of them left, %" PRIu64 " blocks saved\n",
                found.problems, found.left, result->saved);
        return found.repaired ? tape_rewind(tape) : 0;
}

int repair_volume(const char *path, struct recording *recording, struct repair *result)
{
        Transport *t;
        Tape *tape;
        *result = (struct repair){ 0 };
        int r = recording ? recording_open(recording, NULL, &t) : virtual_open(path, false, &t);
        if (r == 0)
                r = tape_open(t, "the tape", &tape);
        if (r < 0)
                return r;
        r = repair_tape(tape, result);
        tape_close(tape);
        return r;
}

GBytes *file_bytes(const char *path)
{
        char *data;
        gsize size;
        return g_file_get_contents(path, &data, &size, NULL) ? g_bytes_new_take(data, size) : NULL;
}

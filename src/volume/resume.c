/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Going on after a write that failed, once its cause is gone. Drive thread only. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "handle.h"

/* Where the tape ends, which may be behind what an index that failed has left. */
struct tail {
        uint64_t end, filemarks;
        bool open, eom; /* no filemark is right before the end; past early warning */
};

/* The same tape as before, with the last index where it was. */
static int verify_volume(Volume *v, char why[static VOLUME_WHY_MAX])
{
        struct label label;
        struct index_head head;
        enum tape_outcome outcome;
        uint64_t content;
        size_t length;
        int r = labels_read(v->tape, &label, &content, why);
        if (r < 0)
                return r;
        if (strcmp(label.uuid, v->label.uuid) != 0) {
                snprintf(why, VOLUME_WHY_MAX, "another tape is in the drive, %.36s; put the right one back",
                        label.uuid);
                return -EMEDIUMTYPE;
        }
        r = tape_locate(v->tape, v->info.index_block);
        if (r == 0)
                r = tape_read_block(v->tape, v->buf, v->label.block_length, &length, &outcome);
        if (r < 0)
                return r;
        if (outcome != TAPE_GOOD || !index_probe(v->buf, length, &head) ||
                head.generation != v->info.generation) {
                g_strlcpy(why, "the last index is not where it was written; unmount, and mount again",
                        VOLUME_WHY_MAX);
                return -EUCLEAN;
        }
        return 0;
}

/* Filemarks between where the tape is and its end; *open: the last one is not right before it. */
static int count_filemarks(Volume *v, uint64_t from, struct tail *t)
{
        struct tape_position p = { .object = from };
        enum tape_outcome outcome = TAPE_GOOD;
        while (p.object < t->end) {
                int r = tape_space_filemarks(v->tape, 1, NULL, &outcome);
                if (r == 0 && outcome != TAPE_GOOD)
                        break;
                if (r == 0)
                        r = tape_get_position(v->tape, &p);
                if (r < 0)
                        return r;
                t->filemarks++;
        }
        t->open = outcome != TAPE_GOOD;
        return 0;
}

static bool is_own(const Volume *v, const struct index_head *head)
{
        for (guint i = 0; v->failed && i < v->failed->len; i++)
                if (g_array_index(v->failed, int64_t, i) == head->update_time)
                        return true;
        return false;
}

/* The tape may have been in another drive: an index made here now would not have what that mount has written.
 * end: of data. */
static int look_for_others(Volume *v, uint64_t end, char why[static VOLUME_WHY_MAX])
{
        struct tape_position p = { .object = v->end_at_index };
        enum tape_outcome outcome = TAPE_GOOD;
        while (p.object < end && outcome == TAPE_GOOD) {
                struct index_head head;
                int r = volume_read_head(v, p.object, &head);
                if (r == 0 && !is_own(v, &head)) {
                        g_strlcpy(why,
                                "another mount has written to the tape since; unmount, and mount again: what "
                                "has changed here since the last index is not on it",
                                VOLUME_WHY_MAX);
                        return -EUCLEAN;
                }
                if (r == 0 || volume_is_damage(r))
                        r = tape_locate(v->tape, p.object);
                if (r == 0)
                        r = tape_space_filemarks(v->tape, 1, NULL, &outcome);
                if (r == 0)
                        r = tape_get_position(v->tape, &p);
                if (r < 0)
                        return r;
        }
        return 0;
}

static int find_tail(Volume *v, struct tail *t, char why[static VOLUME_WHY_MAX])
{
        struct tape_position p;
        int r = tape_space_eod(v->tape);
        if (r == 0)
                r = tape_get_position(v->tape, &p);
        if (r == -ENODATA)
                g_strlcpy(why, "the end of the data is not marked on the tape; unmount, and mount again",
                        VOLUME_WHY_MAX);
        if (r < 0)
                return r;
        if (p.object < v->end_at_index) {
                g_strlcpy(
                        why, "the tape ends before its last index; unmount, and mount again", VOLUME_WHY_MAX);
                return -EUCLEAN;
        }
        r = look_for_others(v, p.object, why);
        if (r < 0)
                return r;
        volume_cut(v, MIN(p.object, v->end));
        const struct segment *last = segments_last(&v->segments);
        uint64_t from = last ? segment_end(last, v->label.block_length) : v->content;
        *t = (struct tail){ .end = p.object, .filemarks = last ? last->filemark : 2, .eom = p.eom };
        r = tape_locate(v->tape, from);
        if (r == 0)
                r = count_filemarks(v, from, t);
        t->open |= last && from == t->end;
        return r;
}

static void lift(Volume *v, const struct tail *t)
{
        v->at_end = false;
        v->writing = 0;
        v->append_error = v->commit_error = 0;
        v->filemarks = t->filemarks;
        v->open_tail = t->open;
        autounlock Volume *locked = volume_lock(v);
        v->end = t->end;
        v->early_warning |= t->eom;
        v->info.read_only = false;
        v->info.read_only_reason[0] = '\0';
}

static int prepare(Volume *v, struct tail *t, char why[static VOLUME_WHY_MAX])
{
        why[0] = '\0';
        if (v->never_written) {
                g_strlcpy(why, v->info.read_only_reason[0] ? v->info.read_only_reason : "mounted read-only",
                        VOLUME_WHY_MAX);
                return -EROFS;
        }
        if (v->full || (v->append_error == -ENOSPC && v->commit_error == 0)) {
                g_strlcpy(why, "the tape is full; what is left is kept for the index", VOLUME_WHY_MAX);
                return -ENOSPC;
        }
        /* The tape may have been out, or the drive off. */
        int r = tape_load(v->tape);
        if (r == 0)
                r = tape_lock_medium(v->tape, true);
        if (r == 0)
                r = tape_set_block_length(v->tape, v->label.block_length);
        if (r == 0)
                r = verify_volume(v, why);
        return r < 0 ? r : find_tail(v, t, why);
}

int volume_resume(Volume *v, char why[static VOLUME_WHY_MAX])
{
        struct tail t = { 0 };
        int r = prepare(v, &t, why);
        if (r < 0) {
                if (!why[0])
                        snprintf(why, VOLUME_WHY_MAX, "the drive fails still: %s", strerror(-r));
                return log_error(r, "%s: writing cannot go on: %s", tape_address(v->tape), why);
        }
        lift(v, &t);
        volume_measure(v);
        return 0;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Finding the last index of a reel volume: from the end of data back over filemarks, a segment at a time. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "coherency.h"
#include "handle.h"

struct search {
        Volume *v;
        Tree *tree;   /* of the index that was found */
        bool blocked; /* the drive cannot go to the end of data, or back from there */
        bool end_known;
        uint64_t end;               /* of data */
        uint64_t start;             /* of the segment that was tried last */
        uint64_t index_end;         /* first object behind the index that was found, and its filemark */
        char damage[INDEX_WHY_MAX]; /* what is wrong with the newest index that is not valid; empty: none such
                                     */
        uint64_t damaged;           /* its generation */
};

/* The segment that begins where the tape is. -EUCLEAN, -EIO, -ENODATA: it is not a valid index. */
static int try_segment(struct search *s)
{
        char why[INDEX_WHY_MAX];
        uint64_t generation;
        int r = volume_load_index(s->v, s->start, &s->tree, &generation, why);
        if (r == 0)
                s->index_end = s->v->end;
        if (volume_is_damage(r) && why[0] && generation > s->damaged) {
                g_strlcpy(s->damage, why, sizeof(s->damage));
                s->damaged = generation;
        }
        return r;
}

/* To the beginning of the segment that the filemark at object ends, from before that filemark. */
static int step_back(struct search *s)
{
        struct tape_position p;
        enum tape_outcome outcome;
        int r = tape_space_filemarks(s->v->tape, -1, NULL, &outcome);
        if (r == 0 && outcome == TAPE_GOOD)
                r = tape_space_filemarks(s->v->tape, 1, NULL, &outcome);
        if (r == 0)
                r = tape_get_position(s->v->tape, &p);
        if (r < 0)
                return r;
        s->start = p.object;
        return outcome == TAPE_GOOD && p.object >= s->v->content ? 0 : -ENOENT;
}

/* From the segment at which the tape is, backwards. -ENOENT: there is no valid index. */
static int search_back(struct search *s)
{
        s->v->searched = s->start;
        for (;;) {
                int r = try_segment(s);
                if (r == 0 || !volume_is_damage(r))
                        return r;
                log_debug("%s: the segment at object %" PRIu64 " is no valid index", tape_address(s->v->tape),
                        s->start);
                if (s->start <= s->v->content)
                        return -ENOENT;
                r = tape_locate(s->v->tape, s->start - 1);
                if (r == 0)
                        r = step_back(s);
                if (r < 0)
                        return r;
        }
}

static int search_from_end(struct search *s)
{
        struct tape_position p;
        enum tape_outcome outcome;
        int r = tape_get_position(s->v->tape, &p);
        if (r < 0)
                return r;
        s->end_known = true;
        s->end = p.object;
        s->v->early_warning = p.eom;
        if (p.object <= s->v->content)
                return -ENOENT;
        /* Before the filemark that ends the last segment; what lies behind it has none and is no index. */
        r = tape_space_filemarks(s->v->tape, -1, NULL, &outcome);
        if (r == 0)
                r = outcome == TAPE_GOOD ? step_back(s) : -ENOENT;
        return r < 0 ? r : search_back(s);
}

/* There is no end of data, or no way back from it. How far the tape can be read is found by going there. */
static int search_torn(struct search *s)
{
        uint64_t filemarks = 0;
        enum tape_outcome outcome = TAPE_GOOD;
        struct tape_position p;
        int r = tape_rewind(s->v->tape);
        if (r < 0)
                return r;
        while (tape_space_filemarks(s->v->tape, 1, NULL, &outcome) == 0 && outcome == TAPE_GOOD)
                filemarks++;
        if (filemarks < 3) /* one behind each label, one behind the first index */
                return -ENOENT;
        r = tape_rewind(s->v->tape);
        if (r == 0)
                r = tape_space_filemarks(s->v->tape, (int64_t)filemarks - 1, NULL, &outcome);
        if (r == 0)
                r = tape_get_position(s->v->tape, &p);
        if (r < 0)
                return r;
        s->start = p.object;
        return search_back(s);
}

static void date_text(int64_t ns, char text[static TIME_TEXT_LENGTH + 1])
{
        format_time_ns(ns, text);
        text[10] = ' ';
        strcpy(text + 19, " UTC");
}

/* Data behind the index, or no end of it: nothing of that is overwritten. */
static void explain(struct search *s)
{
        Volume *v = s->v;
        char text[VOLUME_WHY_MAX], date[TIME_TEXT_LENGTH + 1];
        if (s->end_known && s->end == s->index_end)
                return;
        date_text(v->info.update_time, date);
        if (s->blocked) {
                snprintf(text, sizeof(text),
                        "the drive cannot go over the tape to the end of its data and back; the volume is "
                        "read-only as of the last index that was found, of %s: clean the drive and mount "
                        "again, or copy off what you need",
                        date);
        } else if (s->damage[0]) {
                snprintf(text, sizeof(text),
                        "the last index is damaged (%.80s); the volume is read-only as of the one before it, "
                        "of %s: clean the drive and mount again, or copy off what you need",
                        s->damage, date);
        } else if (!s->end_known) {
                snprintf(text, sizeof(text),
                        "the volume was not closed: its data ends without an end-of-data mark; it is "
                        "read-only as of "
                        "the last index, of %s: copy off what you need",
                        date);
        } else {
                g_autofree char *size = format_size((s->end - s->index_end) * v->label.block_length);
                snprintf(text, sizeof(text),
                        "the volume was not closed: up to %s follow the last index, of %s; it is read-only "
                        "as of that index: mounted for writing, what follows is recovered",
                        size, date);
        }
        volume_set_read_only(v, text);
}

/* Where data ends. */
static int find_end(struct search *s)
{
        struct tape_position p;
        int r = tape_space_eod(s->v->tape);
        if (r == 0)
                r = tape_get_position(s->v->tape, &p);
        if (r < 0)
                return r;
        s->v->early_warning = p.eom;
        s->end_known = true;
        s->end = p.object;
        return 0;
}

/* The index that the cartridge's memory names, if it is there and nothing follows it. Negative: it has to be
 * searched for; whether there is something wrong with the tape is found out by that. */
static int take_hint(struct search *s)
{
        struct coherency c;
        int r = s->v->hint == HINT_NONE ? -ENODATA : volume_recall_index(s->v, &c);
        if (r == 0 && s->v->hint == HINT_VERIFIED)
                r = find_end(s);
        if (r == 0)
                r = tape_locate(s->v->tape, c.block);
        if (r < 0)
                return r;
        s->start = c.block;
        r = try_segment(s);
        if (r == 0 && s->v->info.generation != c.generation)
                r = -EUCLEAN;
        if (r == 0 && s->end_known && s->end != s->index_end)
                r = -ENODATA;
        if (r == 0) {
                s->end_known = true;
                s->end = s->index_end;
                return 0;
        }
        s->end_known = false;
        log_debug("%s: the cartridge's memory does not agree with the tape; the index is searched for",
                tape_address(s->v->tape));
        tree_free(g_steal_pointer(&s->tree));
        g_clear_pointer(&s->v->unread, g_array_unref);
        s->damage[0] = '\0';
        s->damaged = 0;
        return r;
}

static int search(struct search *s)
{
        if (take_hint(s) == 0)
                return 0;
        int r = tape_space_eod(s->v->tape);
        bool missing = r == -ENODATA;
        if (r == 0)
                r = search_from_end(s);
        if (!volume_is_damage(r))
                return r;
        s->blocked = !missing;
        int torn = search_torn(s);
        return torn < 0 && s->blocked ? r : torn;
}

int reel_find_index(Volume *v, Tree **tree, char why[static VOLUME_WHY_MAX])
{
        struct search s = { .v = v };
        int r = search(&s);
        v->data_end = s.end_known ? s.end : 0;
        if (r == -ENOENT) {
                snprintf(why, VOLUME_WHY_MAX,
                        "the volume has no valid index%s%s; copy its segments off with mt and dd",
                        s.damage[0] ? ", the last one is damaged: " : "", s.damage);
                return -EUCLEAN;
        }
        if (r == -ENOMEM)
                return log_error(r, "%s: no memory for the index", tape_address(v->tape));
        if (r < 0)
                return r;
        if (s.damaged <= v->info.generation) /* it is in a file: a copy of one of those before */
                s.damage[0] = '\0';
        v->newer_damaged = s.damage[0] || (s.blocked && s.end != s.index_end);
        explain(&s);
        *tree = s.tree;
        return 0;
}

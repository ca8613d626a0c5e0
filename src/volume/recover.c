/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A volume that was not closed: what follows its last index gets its names back, or new ones in lost+found,
 * and a new index ends the volume. Nothing is overwritten. Drive thread only. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "recover.h"

/* ---- What is found */

static int keep(struct recovery *r, const struct found *f)
{
        if (r->n == r->allocated) {
                size_t more = MAX(2 * r->allocated, (size_t)64);
                struct found *found = g_try_realloc_n(r->found, more, sizeof(*found));
                if (!found)
                        return -ENOMEM;
                r->found = found;
                r->allocated = more;
        }
        r->found[r->n++] = *f;
        return 0;
}

static int on_member(void *ctx, const struct found *f, const struct pack_member *m, uint64_t offset)
{
        return recover_member(ctx, f, m, offset);
}

static bool was_unread(const Volume *v, uint64_t object)
{
        for (guint i = 0; v->unread && i < v->unread->len; i++)
                if (g_array_index(v->unread, uint64_t, i) == object)
                        return true;
        return false;
}

/* The search should have come upon it, or could not read it. */
static bool is_missed(const Volume *v, const struct found *f)
{
        return f->kind == SEGMENT_INDEX && !f->damaged &&
                (was_unread(v, f->first_block) || (f->ended && f->first_block > v->searched));
}

static int on_segment(void *ctx, const struct found *f)
{
        struct recovery *r = ctx;
        struct found own = *f;
        int error = f->kind == SEGMENT_PACK ? recover_pack_end(r, f) : 0;
        own.damaged |= error == -EUCLEAN;
        own.understood &= error == 0;
        if (error < 0 && error != -EUCLEAN)
                return error;
        if (is_missed(r->v, f))
                r->missed = f->first_block;
        r->generation = MAX(r->generation, f->generation);
        r->counts.packs += f->kind == SEGMENT_PACK;
        r->counts.indexes += f->kind == SEGMENT_INDEX;
        r->counts.foreign += f->foreign;
        r->counts.damaged += own.damaged && f->kind != SEGMENT_INDEX;
        return f->foreign || f->length == 0 ? 0 : keep(r, &own);
}

/* -ECANCELED: a check is to end. */
static int on_block(void *ctx, const struct found *f, uint64_t object, bool readable)
{
        const Volume *v = ((struct recovery *)ctx)->v;
        return volume_check_goes_on(v->check, object, v->data_end) ? 0 : -ECANCELED;
}

/* ---- Into the segment table */

/* Ids of what has one come first: they are lower. */
static int add_segments(struct recovery *r, const struct scan_result *result)
{
        Volume *v = r->v;
        autounlock Volume *locked = volume_lock(v);
        v->next_id = result->highest + 1;
        for (int named = 1; named >= 0; named--) {
                for (size_t i = 0; i < r->n; i++) {
                        struct found *f = &r->found[i];
                        if ((f->kind != SEGMENT_FILE) != named)
                                continue;
                        f->id = named ? f->id : v->next_id++;
                        int error = segments_add(&v->segments, f->id, f->kind, NULL);
                        if (error < 0)
                                return error;
                }
        }
        for (size_t i = 0; i < r->n; i++) {
                const struct found *f = &r->found[i];
                struct segment *s = segments_find(&v->segments, f->id);
                segments_place(&v->segments, s, f->first_block, f->filemark);
                s->length = f->length;
                s->state = SEGMENT_SYNCED;
        }
        return 0;
}

/* Files for what has no names, or not all of them. */
static int add_nameless(struct recovery *r)
{
        int error = 0;
        for (size_t i = 0; i < r->n && error == 0; i++) {
                const struct found *f = &r->found[i];
                if (f->kind == SEGMENT_FILE || (f->kind == SEGMENT_PACK && f->damaged && !f->understood)) {
                        r->counts.nameless++;
                        r->counts.bytes += f->length;
                        r->counts.incomplete += !f->ended && f->kind == SEGMENT_FILE;
                        error = recover_nameless(r, f, f->id);
                }
        }
        return error;
}

/* ---- Words */

/* "1 pack", "17 packs"; n 0: nothing */
static void add_count(GString *text, uint64_t n, const char *one, const char *many)
{
        if (n > 0)
                g_string_append_printf(
                        text, "%s%" PRIu64 " %s", text->len > 0 ? ", " : "", n, n == 1 ? one : many);
}

/* "2 packs with 340 files, 1 segment without a name (3.2 GiB, in lost+found)" */
static char *describe(const struct recovery *r)
{
        GString *text = g_string_new(NULL);
        g_autofree char *size = format_size(r->counts.bytes);
        add_count(text, r->counts.packs, "pack with ", "packs with ");
        if (r->counts.packs > 0)
                g_string_append_printf(
                        text, "%" PRIu64 " file%s", r->counts.files, r->counts.files == 1 ? "" : "s");
        add_count(text, r->counts.nameless, "segment without a name", "segments without names");
        if (r->counts.nameless > 0)
                g_string_append_printf(text, " (%s, in lost+found)", size);
        add_count(text, r->counts.older, "older file at such a path (in lost+found)",
                "older files at such paths (in lost+found)");
        add_count(text, r->counts.incomplete, "file cut off", "files cut off");
        add_count(text, r->counts.damaged, "segment that cannot be read as a whole",
                "segments that cannot be read as a whole");
        add_count(text, r->counts.indexes, "index that was not finished", "indexes that were not finished");
        if (text->len == 0)
                g_string_append(text, "nothing but filemarks");
        return g_string_free(text, FALSE);
}

static void tell(const struct recovery *r)
{
        g_autofree char *text = describe(r);
        const char *address = tape_address(r->v->tape);
        if (r->v->info.generation == 0)
                log_warning("%s: the volume has no valid index; found without one: %s", address, text);
        else
                log_warning("%s: the volume was not closed: behind its last index were found, and recovered: "
                            "%s",
                        address, text);
        if (r->counts.foreign > 0)
                log_warning("%s: %" PRIu64
                            " segment%s behind the last index %s not written by reelfs; nothing of that is "
                            "overwritten, but only mt and dd can read it",
                        address, r->counts.foreign, r->counts.foreign == 1 ? "" : "s",
                        r->counts.foreign == 1 ? "was" : "were");
}

/* ---- */

/* Behind a segment that is cut off comes an empty one, so that it is still known as such if the index does
 * not get finished. */
static int end_tail(Volume *v)
{
        bool early_warning = false;
        if (!v->open_tail)
                return 0;
        int r = volume_seek_end(v);
        if (r == 0)
                r = tape_write_filemarks(v->tape, 2, true, &early_warning);
        if (r < 0) {
                volume_settle(v, 0, false);
                return volume_fail(v, r);
        }
        volume_advance(v, 2, 2 * FILEMARK_BYTES, early_warning);
        v->filemarks += 2;
        v->open_tail = false;
        return 0;
}

/* The volume can be written: what was found is on the tape, and no index names it. */
static void reopen(struct recovery *r, const struct scan_result *result)
{
        Volume *v = r->v;
        v->filemarks = result->filemarks;
        v->open_tail = result->open_tail;
        v->at_end = false;
        v->never_written = false;
        autounlock Volume *locked = volume_lock(v);
        v->end = v->end_at_index = result->end;
        v->incomplete = true;
        v->info.generation = MAX(v->info.generation, r->generation);
        v->info.read_only = false;
        v->info.read_only_reason[0] = '\0';
}

/* An index may be where the tape cannot be read, and what another one appended says would take its place. */
static int stay_read_only(struct recovery *r, const struct scan_result *result)
{
        {
                autounlock Volume *locked = volume_lock(r->v);
                r->v->info.read_only_reason[0] = '\0';
        }
        const char *format = r->missed ? "the index at object %" PRIu64
                                         " could not be read at first, and now can; nothing was written, "
                                         "and what it names is not there: mount again, and if that is said "
                                         "once more, clean the drive"
                                       : "the volume was not closed, and object %" PRIu64
                                         " behind its last index cannot be read; it is read-only, with what "
                                         "could be recovered: clean "
                                         "the drive and mount again, or copy off what you need";
        g_autofree char *text = g_strdup_printf(format, r->missed ?: result->doubtful ?: result->end);
        volume_set_read_only(r->v, text);
        return 0;
}

static bool may_append(const struct recovery *r, const struct scan_result *result)
{
        if (r->missed > 0)
                return false;
        if (r->v->data_end == 0)
                return r->how & RECOVER_TRUNCATE && result->end >= r->v->agreed;
        return result->end == r->v->data_end && !result->stopped &&
                (result->doubtful == 0 || r->how & RECOVER_DOUBTFUL);
}

/* What follows cannot be read, and there is no end of data behind it: from now on there is one here. */
static int make_end(struct recovery *r)
{
        if (r->v->data_end != 0)
                return 0;
        log_warning("%s: the tape is written from object %" PRIu64 " on, where it could not be read",
                tape_address(r->v->tape), r->v->end);
        int error = volume_seek_end(r->v);
        if (error == 0)
                error = tape_allow_overwrite(r->v->tape);
        if (error < 0)
                volume_fail(r->v, error);
        return error;
}

/* What the index that was loaded builds on has been read since. */
static void note_missed(struct recovery *r)
{
        const GArray *unread = r->v->unread;
        for (guint i = 0; unread && i < unread->len; i++)
                if (g_array_index(unread, uint64_t, i) < r->v->end)
                        r->missed = g_array_index(unread, uint64_t, i);
}

static int roll_forward(struct recovery *r, const struct volume_progress *progress)
{
        Volume *v = r->v;
        const struct scan_visitor visitor = { on_member, on_segment, on_block, r };
        const struct scan_range range = { .first = v->end,
                .filemark = v->filemarks,
                .end = v->data_end,
                .id = v->next_id - 1,
                .generation = v->info.generation,
                .read_max = SCAN_READ_MAX,
                .patient = r->how & RECOVER_PATIENT };
        struct scan_result result;
        note_missed(r);
        int error = scan_segments(v, &range, &visitor, v->check ? NULL : progress, &result);
        if (error == 0)
                error = add_segments(r, &result);
        if (error == 0)
                error = add_nameless(r);
        if (error == -ENOMEM)
                return log_error(error, "%s: no memory to recover the volume", tape_address(v->tape));
        if (error < 0)
                return error;
        volume_sort_tree(v, r->tree);
        tell(r);
        if (r->how & RECOVER_LOOK && r->missed)
                log_warning("%s: the index at object %" PRIu64
                            " could not be read at first, and now can: another try has what it names",
                        tape_address(v->tape), r->missed);
        if (r->how & RECOVER_LOOK)
                return 0;
        if (!may_append(r, &result))
                return stay_read_only(r, &result);
        reopen(r, &result);
        /* When that fails the volume is read-only, and says why; what was recovered can be read. */
        if (make_end(r) == 0 && end_tail(v) == 0)
                volume_commit(v, r->tree, true, progress);
        return 0;
}

/* Names that only a damaged index has are not given up on the quiet. */
bool volume_is_recoverable(Volume *v)
{
        struct tape_info info;
        tape_get_info(v->tape, &info);
        return v->data_end != 0 && v->data_end != v->end && !v->newer_damaged && !info.write_protected &&
                !v->label.read_only_feature[0];
}

int volume_recover(Volume *v, Tree *tree, unsigned how, const struct volume_progress *progress)
{
        struct recovery r = {
                .v = v, .tree = tree, .now = now_ns(), .how = how, .known = tree_highest_fileuid(tree)
        };
        int error = roll_forward(&r, progress);
        recover_forget_pending(&r);
        g_free(r.found);
        return error;
}

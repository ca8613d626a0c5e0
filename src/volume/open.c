/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <string.h>

#include "handle.h"

/* Why nothing can be written, apart from what the index search found. */
static void check_writable(Volume *v, bool read_only)
{
        struct tape_info info;
        tape_get_info(v->tape, &info);
        if (v->label.read_only_feature[0]) {
                g_autofree char *text = g_strdup_printf("the volume has the feature \"%s\", which this "
                                                        "version of reelfs can only read; mounted read-only",
                        v->label.read_only_feature);
                volume_set_read_only(v, text);
        }
        if (info.write_protected && !read_only)
                volume_set_read_only(v, "the tape is write protected; mounted read-only");
        if (read_only && !v->info.read_only)
                volume_set_read_only(v, "");
        v->never_written = v->info.read_only;
}

/* In bytes from the beginning of the tape. */
static uint64_t position_of(void *ctx, const struct tree_extent *first)
{
        const Volume *v = ctx;
        const struct segment *s = segments_find(&v->segments, first->segment);
        uint64_t bytes = 0;
        if (s && __builtin_mul_overflow(s->first_block, v->label.block_length, &bytes))
                return UINT64_MAX - 1;
        return __builtin_add_overflow(bytes, first->offset, &bytes) ? UINT64_MAX - 1
                                                                    : MIN(bytes, UINT64_MAX - 1);
}

void volume_sort_tree(Volume *v, Tree *tree)
{
        tree_sort(tree, position_of, v);
}

/* The state that the next index is compared with. */
static void note_loaded(Volume *v, Tree *tree)
{
        volume_sort_tree(v, tree);
        v->tree = tree;
        v->tree_changes = tree_changes(tree);
        v->end_at_index = v->end;
}

void volume_finish_load(Volume *v, Tree *tree, bool read_only)
{
        check_writable(v, read_only);
        volume_measure(v);
        note_loaded(v, tree);
}

int volume_begin(Tape *tape, const struct label *label, uint64_t content, Volume **ret)
{
        int r = tape_set_block_length(tape, label->block_length);
        if (r == 0)
                r = tape_set_compression(tape, label->compression);
        return r < 0 ? r : volume_new(tape, label, content, ret);
}

/* As if nothing had been read behind the labels, but that the end of data is known. */
static int begin_again(Volume **v)
{
        Volume *old = *v;
        *v = NULL;
        int r = volume_new(old->tape, &old->label, old->content, v);
        if (r == 0) {
                (*v)->data_end = old->data_end;
                (*v)->early_warning = old->early_warning;
                (*v)->keyless = old->keyless;
                (*v)->searched = old->searched;
                (*v)->unread = g_steal_pointer(&old->unread);
        }
        volume_close(old);
        return r;
}

int volume_find_index(Volume **v, bool read_only, Tree **tree, char why[static VOLUME_WHY_MAX])
{
        int r = (*v)->profile->find_index(*v, tree, why);
        if (volume_is_damage(r) && begin_again(v) == 0)
                *tree = tree_new();
        if (r == 0 || *tree)
                volume_finish_load(*v, *tree, read_only);
        else
                volume_close(g_steal_pointer(v));
        return r;
}

int volume_load_any(Tape *tape, bool read_only, enum volume_hint hint, Volume **ret, Tree **tree,
        char why[static VOLUME_WHY_MAX])
{
        struct label label;
        uint64_t content;
        why[0] = '\0';
        *ret = NULL;
        *tree = NULL;
        int r = labels_read(tape, &label, &content, why);
        if (r == 0)
                r = volume_begin(tape, &label, content, ret);
        if (r < 0)
                return r;
        (*ret)->hint = hint;
        return volume_find_index(ret, read_only, tree, why);
}

int volume_load(Tape *tape, bool read_only, enum volume_hint hint, Volume **ret, Tree **tree,
        char why[static VOLUME_WHY_MAX])
{
        int r = volume_load_any(tape, read_only, hint, ret, tree, why);
        if (r < 0) {
                volume_close(g_steal_pointer(ret));
                tree_free(g_steal_pointer(tree));
        }
        return r;
}

int volume_open_with(
        Tape *tape, bool read_only, const struct volume_progress *progress, Volume **ret, Tree **tree)
{
        char why[VOLUME_WHY_MAX];
        g_autoptr(Volume) v = NULL;
        g_autoptr(Tree) t = NULL;
        int r = volume_load(tape, read_only, read_only ? HINT_TRUSTED : HINT_VERIFIED, &v, &t, why);
        if (r < 0)
                return why[0] ? log_error(r, "%s: %s", tape_address(tape), why) : r;
        if (!read_only && volume_is_recoverable(v)) {
                r = volume_recover(v, t, 0, progress);
                if (r < 0)
                        return r;
        }
        if (v->info.read_only_reason[0])
                log_warning("%s: %s", tape_address(tape), v->info.read_only_reason);
        *ret = g_steal_pointer(&v);
        *tree = g_steal_pointer(&t);
        return 0;
}

int volume_open(Tape *tape, bool read_only, Volume **ret, Tree **tree)
{
        return volume_open_with(tape, read_only, NULL, ret, tree);
}

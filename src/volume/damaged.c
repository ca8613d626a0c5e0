/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Opening what is left of a volume, also without its labels. Drive thread only. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "handle.h"
#include "keys.h"

#define READ_MAX ((size_t)16 << 20)
#define LOOKED_AT 64 /* segments, for the length of their blocks */

struct guess {
        Tape *tape;
        char *buf;
        size_t size, length; /* what is in buf */
        struct label label;
        uint64_t content;
        bool keyless;
};

/* ---- What an index says of the label */

/* The value of KEY in lines KEY=VALUE, as it stands; the caller frees. */
static char *line_value(const char *lines, const char *key)
{
        g_auto(GStrv) all = g_strsplit(lines, "\n", -1);
        size_t length = strlen(key);
        for (char **line = all; *line; line++)
                if (strncmp(*line, key, length) == 0 && (*line)[length] == '=')
                        return g_strdup(*line + length + 1);
        return NULL;
}

/* No text of a document has a '<' in it but for its tags, so that nobody's attribute looks like this. */
static bool find_lines(const char *data, size_t length, char **lines)
{
        static const char tag[] = "<key>" KEY_LABEL "</key><value>";
        g_autofree char *text = g_strndup(data, length);
        const char *found = strstr(text, tag), *end = found ? strchr(found + sizeof(tag) - 1, '<') : NULL;
        if (!end)
                return false;
        *lines = g_strndup(found + sizeof(tag) - 1, (size_t)(end - found) - (sizeof(tag) - 1));
        return true;
}

/* False: it says nothing of the label. */
static bool take_index(struct guess *g)
{
        g_autofree char *lines = NULL;
        struct index_head head = { 0 };
        if (!index_probe(g->buf, g->length, &head) || !find_lines(g->buf, g->length, &lines))
                return false;
        g_autofree char *uuid = line_value(lines, "volumeuuid"), *name = line_value(lines, "volumename"),
                        *block_length = line_value(lines, "blocksize"),
                        *compression = line_value(lines, "compression");
        guint64 n;
        if (!uuid || strlen(uuid) != sizeof(g->label.uuid) - 1 || !block_length ||
                !g_ascii_string_to_unsigned(block_length, 10, 512, READ_MAX, &n, NULL))
                return false;
        g_strlcpy(g->label.uuid, uuid, sizeof(g->label.uuid));
        g_strlcpy(g->label.name, name ?: "", sizeof(g->label.name));
        g->label.block_length = (uint32_t)n;
        g->label.compression = g_strcmp0(compression, "true") == 0;
        g->label.major = LABEL_VERSION_MAJOR;
        g_strlcpy(g->label.partition, "a", sizeof(g->label.partition));
        g_strlcpy(g->label.profile, "reel", sizeof(g->label.profile));
        return true;
}

/* ---- Places to look at */

static int read_block(struct guess *g)
{
        enum tape_outcome outcome;
        int r = tape_read_block(g->tape, g->buf, g->size, &g->length, &outcome);
        return r == 0 && outcome != TAPE_GOOD ? -EUCLEAN : r;
}

/* The XML label alone: it has all but the volume identifier. */
static int read_label(struct guess *g)
{
        char why[LABEL_WHY_MAX];
        g_autofree char *xml = NULL;
        size_t length;
        int r = tape_locate(g->tape, 1);
        if (r == 0)
                r = labels_read_xml(g->tape, &xml, &length, &g->content, why);
        return r < 0 ? r : label_from_xml(xml, length, &g->label, why);
}

/* The first index, which nobody but format has written. */
static int read_first_index(struct guess *g)
{
        struct tape_position p;
        enum tape_outcome outcome = TAPE_GOOD;
        int r = tape_rewind(g->tape);
        if (r == 0)
                r = tape_space_filemarks(g->tape, 2, NULL, &outcome);
        if (r == 0)
                r = tape_get_position(g->tape, &p);
        if (r == 0 && outcome != TAPE_GOOD)
                r = -EUCLEAN;
        if (r < 0)
                return r;
        g->content = p.object;
        r = read_block(g);
        return r == 0 && !take_index(g) ? -EUCLEAN : r;
}

/* One of the last segments that is a full index. */
static int read_last_index(struct guess *g)
{
        enum tape_outcome outcome = TAPE_GOOD;
        int r = tape_space_eod(g->tape);
        for (unsigned i = 0; r == 0 && i < LOOKED_AT; i++) {
                r = tape_space_filemarks(g->tape, i == 0 ? -2 : -3, NULL, &outcome);
                if (r == 0 && outcome == TAPE_GOOD)
                        r = tape_space_filemarks(g->tape, 1, NULL, &outcome);
                if (r < 0 || outcome != TAPE_GOOD)
                        return r < 0 ? r : -EUCLEAN;
                r = read_block(g);
                if (r == 0 && take_index(g))
                        return 0;
                if (r == 0 || volume_is_damage(r))
                        r = tape_space_filemarks(g->tape, 1, NULL, &outcome);
        }
        return r < 0 ? r : -EUCLEAN;
}

/* What the volume's label has to have said. */
static int guess_label(struct guess *g)
{
        int r = read_label(g);
        if (r == 0) {
                log_warning("%s: the first label cannot be read; the second one says the same",
                        tape_address(g->tape));
                return 0;
        }
        g->keyless = true;
        r = r < 0 && !volume_is_damage(r) ? r : read_first_index(g);
        if (r < 0 && volume_is_damage(r) && g->content > 0)
                r = read_last_index(g);
        if (r < 0)
                return r;
        g_autofree char *name = g_strdup(g->label.name);
        text_make_printable(name);
        log_warning("%s: the label cannot be read; by an index this is volume %s (%s). Without the label's "
                    "key an index cannot be proved to be of the volume",
                tape_address(g->tape), name, g->label.uuid);
        return 0;
}

static int open_without_label(Tape *tape, Volume **v, Tree **tree, char why[static VOLUME_WHY_MAX])
{
        struct tape_info info;
        tape_get_info(tape, &info);
        g_autofree struct guess *g = g_new0(struct guess, 1);
        g->tape = tape;
        g->size = MIN(info.max_transfer, READ_MAX);
        g->buf = volume_buffer(g->size);
        if (!g->buf)
                return log_error(-ENOMEM, "%s: no memory for a buffer", tape_address(tape));
        int r = guess_label(g);
        free(g->buf);
        if (r < 0)
                return r;
        r = volume_begin(tape, &g->label, g->content, v);
        if (r < 0)
                return r;
        (*v)->keyless = g->keyless;
        return volume_find_index(v, true, tree, why);
}

/* ---- */

static bool is_about_labels(int error)
{
        return volume_is_damage(error) || error == -EMEDIUMTYPE;
}

int volume_open_damaged(Tape *tape, const struct volume_progress *progress, Volume **ret, Tree **tree)
{
        char why[VOLUME_WHY_MAX];
        int r = volume_load_any(tape, true, HINT_NONE, ret, tree, why);
        if (!*ret && is_about_labels(r)) {
                g_autofree char *labels = g_strdup(why[0] ? why : "the label cannot be read");
                r = open_without_label(tape, ret, tree, why);
                if (r < 0 && !*ret && is_about_labels(r))
                        return log_error(-EMEDIUMTYPE,
                                "%s: %s, and no index of a reelfs volume is where one should be; mt and dd "
                                "may still read it",
                                tape_address(tape), labels);
        }
        if (!*ret)
                return why[0] ? log_error(r, "%s: %s", tape_address(tape), why) : r;
        if (why[0])
                log_warning("%s: %s", tape_address(tape), why);
        else if (r < 0)
                log_warning("%s: the last index cannot be searched for; all of the tape is read",
                        tape_address(tape));
        if ((*ret)->data_end != (*ret)->end)
                r = volume_recover(*ret, *tree, RECOVER_LOOK | RECOVER_PATIENT, progress);
        else
                r = 0;
        if (r == 0)
                return 0;
        volume_close(g_steal_pointer(ret));
        tree_free(g_steal_pointer(tree));
        return r;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include <reelfs/hash.h>
#include <reelfs/log.h>
#include <reelfs/util.h>

#include "index.h"
#include "keys.h"

#define PROGRESS_NAMES 1024 /* between two reports */
#define LOSSES_TOLD 100
#define SAMPLE_NAMES 10000 /* that choose the defaults */
#define GONE_MAX 524288    /* bytes of a value that lists what is lost */

struct writer {
        const struct index_source *source;
        struct output *out;
        struct index_result *result;
        struct posix_defaults defaults;
        bool in_xattrs;                   /* <extendedattributes> is open */
        uint64_t names;                   /* in all, when the walk began */
        unsigned told;                    /* losses */
        const struct tree_extent *placed; /* of which place is */
        struct index_place place;
        /* Of the entry being written: */
        bool partial;   /* the tape has a part of it only */
        bool waits;     /* the rest may still come */
        char loss[160]; /* what it has lost in this mount, for people; empty: nothing */
        GString *gone;  /* the ranges that are lost, with others behind them */
};

/* ---- Elements. The full form has each on a line of its own. */

static bool is_incremental(const struct writer *w)
{
        return w->source->scope != TREE_ALL;
}

static void end_line(struct writer *w)
{
        if (!w->source->compact)
                output_bytes(w->out, "\n", 1);
}

/* Both tags of an element, one after the other. */
struct tag {
        const char *text;
        size_t length; /* of its name */
};
#define TAG(name) ((struct tag){ "<" name "></" name ">", sizeof(name) - 1 })
#define TAG_TEXT_MAX 80 /* of both, of any element here */

static char *put_open(char *p, struct tag tag)
{
        return mempcpy(p, tag.text, tag.length + 2);
}

static char *put_close(char *p, struct tag tag)
{
        return mempcpy(p, tag.text + tag.length + 2, tag.length + 3);
}

static void open_tag(struct writer *w, struct tag tag)
{
        output_bytes(w->out, tag.text, tag.length + 2);
}

static void close_tag(struct writer *w, struct tag tag)
{
        output_bytes(w->out, tag.text + tag.length + 2, tag.length + 3);
        end_line(w);
}

static void open_group(struct writer *w, struct tag tag)
{
        open_tag(w, tag);
        end_line(w);
}

static void element_text(struct writer *w, struct tag tag, const char *text)
{
        open_tag(w, tag);
        output_escaped(w->out, text, strlen(text));
        close_tag(w, tag);
}

/* These two are most of an index. */
static void element_number(struct writer *w, struct tag tag, uint64_t number)
{
        char text[TAG_TEXT_MAX + NUMBER_TEXT_MAX];
        char *end = put_close(put_number(put_open(text, tag), number), tag);
        output_bytes(w->out, text, (size_t)(end - text));
        end_line(w);
}

static void element_time(struct writer *w, struct tag tag, int64_t ns)
{
        char text[TAG_TEXT_MAX + TIME_TEXT_LENGTH + 1], *time = put_open(text, tag);
        format_time_ns(ns, time);
        char *end = put_close(time + TIME_TEXT_LENGTH, tag);
        output_bytes(w->out, text, (size_t)(end - text));
        end_line(w);
}

static void element_bool(struct writer *w, struct tag tag, bool value)
{
        element_text(w, tag, value ? "true" : "false");
}

/* name, key, symlink: any bytes but NUL. */
static void element_name(struct writer *w, struct tag tag, const char *name)
{
        size_t length = strlen(name);
        if (text_is_simple_name(name, length)) {
                open_tag(w, tag);
                output_bytes(w->out, name, length);
        } else if (text_is_plain_name(name, length)) {
                open_tag(w, tag);
                output_escaped(w->out, name, length);
        } else {
                output_bytes(w->out, tag.text, tag.length + 1);
                output_text(w->out, " percentencoded=\"true\">");
                output_percent(w->out, name, length);
        }
        close_tag(w, tag);
}

static void element_location(struct writer *w, struct tag tag, uint64_t block)
{
        open_tag(w, tag);
        element_text(w, TAG("partition"), w->source->label->partition);
        element_number(w, TAG("startblock"), block);
        close_tag(w, tag);
}

/* ---- Extended attributes */

static void open_xattr(struct writer *w, const char *key)
{
        if (!w->in_xattrs)
                open_group(w, TAG("extendedattributes"));
        w->in_xattrs = true;
        open_tag(w, TAG("xattr"));
        element_name(w, TAG("key"), key);
}

static void write_xattr(struct writer *w, const char *key, const void *value, size_t size)
{
        open_xattr(w, key);
        if (size == 0) {
                output_text(w->out, "<value/>");
        } else if (text_is_plain_value(value, size)) {
                output_text(w->out, "<value>");
                output_escaped(w->out, value, size);
                output_text(w->out, "</value>");
        } else {
                output_text(w->out, "<value type=\"base64\">");
                output_base64(w->out, value, size);
                output_text(w->out, "</value>");
        }
        end_line(w);
        close_tag(w, TAG("xattr"));
}

static int on_xattr(void *ctx, const char *name, const void *value, size_t size)
{
        struct writer *w = ctx;
        g_autofree char *key = key_from_xattr(name);
        if (w->loss[0] && strcmp(key, KEY_LOST) == 0)
                return 0; /* there is news */
        if (w->partial && g_str_has_prefix(name, HASH_XATTR))
                return 0; /* of what the file holds in whole */
        write_xattr(w, key, value, size);
        return w->out->error;
}

static void write_posix(struct writer *w, const struct tree_entry *entry)
{
        const struct tree_attr *a = &entry->attr;
        bool grouped = !S_ISDIR(a->mode) && (a->nlink > 1 || entry->ino != entry->fileuid);
        struct posix_attr attr = { .mode = a->mode,
                .uid = a->uid,
                .gid = a->gid,
                .rdev = a->rdev,
                .link = grouped ? entry->ino : 0 };
        char text[POSIX_TEXT_MAX];
        posix_to_text(&w->defaults, &attr, text);
        if (text[0])
                write_xattr(w, KEY_POSIX, text, strlen(text));
}

/* The facts of the XML label but the key, which is what tokens rest on. */
static void write_label(struct writer *w)
{
        const struct label *label = w->source->label;
        char time[TIME_TEXT_LENGTH + 1];
        format_time_ns(label->format_time, time);
        g_autofree char *text = g_strdup_printf(
                "version=%u.%u\ncreator=%s\nformattime=%s\nvolumeuuid=%s\nprofile=%s\n"
                "volumename=%s\nvolumeid=%s\nblocksize=%" G_GUINT32_FORMAT "\ncompression=%s",
                label->major, label->minor, label->creator, time, label->uuid, label->profile, label->name,
                label->volume_id, label->block_length, label->compression ? "true" : "false");
        write_xattr(w, KEY_LABEL, text, strlen(text));
}

static void write_segments(struct writer *w)
{
        struct segment s = { 0 };
        char line[SEGMENT_LINE_MAX];
        open_xattr(w, KEY_SEGMENTS);
        open_tag(w, TAG("value"));
        while (w->source->segment(w->source->ctx, s.id, &s)) {
                segment_to_line(&s, line);
                output_text(w->out, line);
        }
        close_tag(w, TAG("value"));
        close_tag(w, TAG("xattr"));
}

static void write_root_xattrs(struct writer *w)
{
        char text[POSIX_TEXT_MAX];
        if (!is_incremental(w))
                write_label(w);
        posix_defaults_to_text(&w->defaults, text);
        write_xattr(w, KEY_DEFAULTS, text, strlen(text));
        write_segments(w);
}

/* What of the file is lost; as several values where one would be too long for who reads it. */
static void write_gone(struct writer *w)
{
        for (const char *text = w->gone->str, *end = text + w->gone->len; text < end;) {
                const char *line = end - text > GONE_MAX ? memrchr(text, '\n', GONE_MAX) + 1 : end;
                write_xattr(w, KEY_GONE, text, (size_t)(line - text));
                text = line;
        }
}

static int write_xattrs(struct writer *w, const struct tree_entry *entry, bool root)
{
        if (root)
                write_root_xattrs(w);
        write_posix(w, entry);
        if (w->loss[0])
                write_xattr(w, KEY_LOST, w->loss, strlen(w->loss));
        write_gone(w);
        int r = tree_visit_xattrs(w->source->tree, entry, on_xattr, w);
        if (w->in_xattrs)
                close_tag(w, TAG("extendedattributes"));
        w->in_xattrs = false;
        return r;
}

/* ---- Extents */

/* Most files have one extent, which is asked for twice. */
static const struct index_place *find_place(struct writer *w, const struct tree_extent *e)
{
        if (w->placed != e)
                w->source->place(w->source->ctx, e, &w->place);
        w->placed = e;
        return &w->place;
}

/* What a file has lost. */
struct loss {
        uint64_t bytes, first; /* all; where they begin */
        bool news, told;       /* in this mount; and that was said before */
};

/* A write failed. Where the file is cut, or what it lacks amid the rest, is gone when the volume is mounted
 * again, but that it was there stays known. */
static void tell_loss(
        struct writer *w, const struct tree_entry *entry, uint64_t kept, const struct loss *loss)
{
        char time[TIME_TEXT_LENGTH + 1];
        bool cut = w->gone->len == 0;
        format_time_ns(w->source->head->update_time, time);
        if (cut)
                g_snprintf(w->loss, sizeof(w->loss),
                        "of %" G_GUINT64_FORMAT " bytes the first %" G_GUINT64_FORMAT " are on the tape",
                        entry->attr.size, kept);
        else
                g_snprintf(w->loss, sizeof(w->loss),
                        "of %" G_GUINT64_FORMAT " bytes %" G_GUINT64_FORMAT
                        " are lost, the first one at %" G_GUINT64_FORMAT,
                        entry->attr.size, loss->bytes, loss->first);
        w->result->lost++;
        if (!loss->told && w->told++ < LOSSES_TOLD)
                log_warning("%s: %s%s", entry->name, w->loss, cut ? ", the others are lost" : "");
        g_strlcat(w->loss, "; a write failed before ", sizeof(w->loss));
        g_strlcat(w->loss, time, sizeof(w->loss));
}

static void add_loss(
        struct writer *w, struct loss *loss, const struct index_place *place, uint64_t from, uint64_t length)
{
        loss->first = loss->bytes > 0 ? loss->first : from;
        loss->bytes += length;
        loss->news |= place->lost;
        loss->told &= place->told || place->gone;
        g_string_append_printf(w->gone, "%" G_GUINT64_FORMAT " %" G_GUINT64_FORMAT "\n", from, length);
}

/* The file's length, as far as the tape has it: up to the first extent that may still come, and without what
 * is lost at its end. What is lost before is listed in gone. *n: extents below it. */
static uint64_t known_length(struct writer *w, const struct tree_entry *entry, size_t *n)
{
        struct loss loss = { .told = true };
        uint64_t length = entry->attr.size, cut = UINT64_MAX;
        gsize listed = 0; /* of gone, what has something behind it */
        *n = 0;
        for (size_t i = 0; i < entry->n_extents && !w->waits; i++) {
                const struct tree_extent *e = &entry->extents[i];
                const struct index_place *place = find_place(w, e);
                uint64_t good = MIN(place->usable, e->length);
                if (good > 0 || place->gone) {
                        listed = w->gone->len;
                        cut = UINT64_MAX;
                }
                if (good > 0)
                        *n = i + 1;
                if (good == e->length)
                        continue;
                w->waits = !place->lost && !place->gone;
                if (w->waits)
                        length = e->file_offset + good;
                else
                        add_loss(w, &loss, place, e->file_offset + good, e->length - good);
                if (place->gone)
                        listed = w->gone->len;
                else
                        cut = MIN(cut, e->file_offset + good);
        }
        length = MIN(length, cut);
        g_string_truncate(w->gone, listed);
        w->partial = length != entry->attr.size || listed > 0;
        w->result->cut += length != entry->attr.size || loss.news;
        if (loss.news)
                tell_loss(w, entry, length, &loss);
        return length;
}

static void write_extents(struct writer *w, const struct tree_entry *entry, size_t n)
{
        if (n == 0)
                return;
        open_group(w, TAG("extentinfo"));
        for (size_t i = 0; i < n; i++) {
                const struct tree_extent *e = &entry->extents[i];
                const struct index_place *place = find_place(w, e);
                if (place->usable == 0)
                        continue;
                open_tag(w, TAG("extent"));
                if (e->file_offset > 0 || !w->source->compact)
                        element_number(w, TAG("fileoffset"), e->file_offset);
                if (!w->source->compact)
                        element_text(w, TAG("partition"), w->source->label->partition);
                element_number(w, TAG("startblock"), place->block);
                if (place->byte_offset > 0 || !w->source->compact)
                        element_number(w, TAG("byteoffset"), place->byte_offset);
                element_number(w, TAG("bytecount"), MIN(place->usable, e->length));
                close_tag(w, TAG("extent"));
        }
        close_tag(w, TAG("extentinfo"));
}

/* ---- Entries */

static void write_times(struct writer *w, const struct tree_entry *entry)
{
        const struct tree_times *t = &entry->attr.times;
        const struct {
                struct tag tag;
                int64_t ns, usual;
                bool mandatory;
        } times[] = {
                { TAG("creationtime"), t->btime, t->mtime, false },
                { TAG("changetime"), t->ctime, t->mtime, false },
                { TAG("modifytime"), t->mtime, t->mtime, true },
                { TAG("accesstime"), t->atime, t->mtime, false },
                { TAG("backuptime"), entry->backup_time, t->btime, false },
        };
        for (unsigned i = 0; i < G_N_ELEMENTS(times); i++) {
                if (times[i].mandatory || !w->source->compact || times[i].ns != times[i].usual)
                        element_time(w, times[i].tag, times[i].ns);
        }
}

static void write_readonly(struct writer *w, const struct tree_entry *entry)
{
        if (entry->readonly || !w->source->compact)
                element_bool(w, TAG("readonly"), entry->readonly);
}

static void begin_entry(struct writer *w)
{
        w->partial = w->waits = false;
        w->loss[0] = '\0';
        g_string_truncate(w->gone, 0);
        w->placed = NULL; /* an array of another file may have been there */
}

static int enter_directory(struct writer *w, const struct tree_entry *entry, bool changed)
{
        bool root = entry->name[0] == '\0';
        int r = 0;
        open_group(w, TAG("directory"));
        element_name(w, TAG("name"), root ? w->source->label->name : entry->name);
        if (changed || root) {
                write_readonly(w, entry);
                write_times(w, entry);
                element_number(w, TAG("fileuid"), entry->fileuid);
                begin_entry(w);
                r = write_xattrs(w, entry, root);
        }
        open_group(w, TAG("contents"));
        return r;
}

/* TREE_NOTE_AGAIN: data of it may still come. */
static int write_file(struct writer *w, const struct tree_entry *entry)
{
        size_t n = 0;
        begin_entry(w);
        uint64_t length = S_ISREG(entry->attr.mode) ? known_length(w, entry, &n) : 0;
        open_group(w, TAG("file"));
        element_name(w, TAG("name"), entry->name);
        element_number(w, TAG("length"), length);
        write_readonly(w, entry);
        if (!w->source->compact)
                element_bool(w, TAG("openforwrite"), false);
        write_times(w, entry);
        element_number(w, TAG("fileuid"), entry->fileuid);
        int r = write_xattrs(w, entry, false);
        if (entry->target)
                element_name(w, TAG("symlink"), entry->target);
        write_extents(w, entry, n);
        close_tag(w, TAG("file"));
        return r < 0 ? r : w->waits ? TREE_NOTE_AGAIN : 0;
}

static int on_enter(void *ctx, const struct tree_entry *entry, bool changed)
{
        struct writer *w = ctx;
        const struct volume_progress *progress = w->source->progress;
        if (progress && w->result->names % PROGRESS_NAMES == 0)
                progress->report(progress->ctx, w->result->names, w->names);
        w->result->names++;
        int r = S_ISDIR(entry->attr.mode) ? enter_directory(w, entry, changed) : write_file(w, entry);
        return r < 0 || w->out->error == 0 ? r : w->out->error;
}

static int on_leave(void *ctx, const struct tree_entry *entry)
{
        struct writer *w = ctx;
        close_tag(w, TAG("contents"));
        close_tag(w, TAG("directory"));
        return w->out->error;
}

static int on_gone(void *ctx, const char *name)
{
        struct writer *w = ctx;
        open_group(w, TAG("file"));
        element_name(w, TAG("name"), name);
        output_text(w->out, "<deleted/>");
        end_line(w);
        close_tag(w, TAG("file"));
        return w->out->error;
}

static void write_head(struct writer *w)
{
        const struct index_head *h = w->source->head;
        output_text(w->out, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
        output_format(w->out,
                "<?reelfs segment=\"%" G_GUINT64_FORMAT "\" generation=\"%" G_GUINT64_FORMAT
                "\" token=\"%s\"?>\n",
                h->segment, h->generation, h->token);
        output_text(w->out,
                is_incremental(w) ? "<ltfsincrementalindex version=\"" INDEX_VERSION_INCREMENTAL "\">"
                                  : "<ltfsindex version=\"" INDEX_VERSION "\">");
        end_line(w);
        element_text(w, TAG("creator"), h->creator);
        element_text(w, TAG("volumeuuid"), h->uuid);
        element_number(w, TAG("generationnumber"), h->generation);
        element_time(w, TAG("updatetime"), h->update_time);
        element_location(w, TAG("location"), h->block);
        if (h->previous_block)
                element_location(w, TAG("previousgenerationlocation"), h->previous_block);
        if (h->previous_incremental)
                element_location(w, TAG("previousincrementallocation"), h->previous_incremental);
        if (!is_incremental(w))
                element_bool(w, TAG("allowpolicyupdate"), false);
        element_number(w, TAG("highestfileuid"), h->highest_fileuid);
}

/* What most entries have need not be said with each of them. A vote among the first ones (Boyer and Moore's)
 * finds what more than half of them have. */
struct vote {
        uint64_t value;
        unsigned lead;
};

struct sample {
        struct vote owner, file_mode, dir_mode;
        unsigned n;
};

static void cast(struct vote *v, uint64_t value)
{
        if (v->lead == 0)
                v->value = value;
        if (v->value == value)
                v->lead++;
        else
                v->lead--;
}

static int take_sample(void *ctx, const struct tree_entry *entry)
{
        struct sample *s = ctx;
        const struct tree_attr *a = &entry->attr;
        cast(&s->owner, (uint64_t)a->uid << 32 | a->gid);
        if (S_ISREG(a->mode))
                cast(&s->file_mode, a->mode & 07777);
        else if (S_ISDIR(a->mode))
                cast(&s->dir_mode, a->mode & 07777);
        return ++s->n < SAMPLE_NAMES ? 0 : -ECANCELED;
}

static void choose_defaults(struct writer *w)
{
        static const struct tree_visitor visitor = { .enter = take_sample };
        struct sample s = { .file_mode.value = 0644 };
        tree_walk(w->source->tree, &visitor, &s);
        w->defaults = (struct posix_defaults){ .file_mode = (uint32_t)s.file_mode.value,
                .dir_mode = (uint32_t)s.dir_mode.value,
                .uid = (uint32_t)(s.owner.value >> 32),
                .gid = (uint32_t)s.owner.value };
}

int index_write(const struct index_source *source, struct output *out, struct index_result *result)
{
        static const struct tree_change_visitor visitor = {
                .enter = on_enter, .leave = on_leave, .gone = on_gone
        };
        g_autoptr(GString) gone = g_string_new(NULL);
        struct writer w = { .source = source, .out = out, .result = result, .gone = gone };
        struct tree_counts counts;
        *result = (struct index_result){ 0 };
        tree_get_counts(source->tree, &counts);
        w.names = counts.names;
        choose_defaults(&w);
        write_head(&w);
        int r = tree_commit_walk(source->tree, source->scope, &visitor, &w);
        output_text(out, is_incremental(&w) ? "</ltfsincrementalindex>\n" : "</ltfsindex>\n");
        if (r == 0 && source->progress)
                source->progress->report(source->progress->ctx, result->names, MAX(result->names, w.names));
        return r < 0 ? r : out->error;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "index-entry.h"
#include "keys.h"

/* What xattrs of one entry may take together, with what each costs besides; the tree takes 1 MiB. */
#define XATTR_BYTES_MAX (4 * 1024 * 1024)
#define XATTR_BYTES_EACH 64

int entry_fail(struct entry_loader *l, int error, const char *format, ...)
{
        va_list ap;
        va_start(ap, format);
        vsnprintf(l->why, sizeof(l->why), format, ap);
        va_end(ap);
        text_make_printable(l->why);
        return error;
}

static int out_of_memory(struct entry_loader *l)
{
        return entry_fail(l, -ENOMEM, "out of memory");
}

static const char *entry_name(const struct entry_loader *l)
{
        return l->is_root ? "the root" : l->name ? l->name : "an entry without a name";
}

static void clear_xattrs(struct entry_loader *l)
{
        for (size_t i = 0; i < l->n_xattrs; i++) {
                g_free(l->xattrs[i].name);
                g_free(l->xattrs[i].value);
        }
        l->n_xattrs = l->xattr_bytes = 0;
}

void entry_begin(struct entry_loader *l, bool is_directory, bool is_root)
{
        clear_xattrs(l);
        g_clear_pointer(&l->name, g_free);
        g_clear_pointer(&l->target, g_free);
        g_clear_pointer(&l->posix, g_free);
        l->active = true;
        l->is_directory = is_directory;
        l->is_root = is_root;
        l->fileuid = l->length = 0;
        l->readonly = false;
        l->n_extents = 0;
}

void entry_loader_clear(struct entry_loader *l)
{
        entry_begin(l, false, false);
        g_clear_pointer(&l->xattrs, g_free);
        g_clear_pointer(&l->extents, g_free);
}

/* One more element at the end of an array. NULL: out of memory. */
static void *grow(void *array, size_t n, size_t *max, size_t size)
{
        if (n < *max)
                return array;
        size_t more = MAX(*max * 2, (size_t)16);
        void *bigger = g_try_realloc_n(array, more, size);
        if (bigger)
                *max = more;
        return bigger;
}

static int add_extent(struct entry_loader *l, const struct tree_extent *e)
{
        struct tree_extent *extents = grow(l->extents, l->n_extents, &l->max_extents, sizeof(*extents));
        if (!extents)
                return out_of_memory(l);
        l->extents = extents;
        extents[l->n_extents++] = *e;
        return 0;
}

/* ---- Extended attributes */

/* Lines "OFFSET LENGTH". */
static int take_gone(struct entry_loader *l, const char *text, size_t size)
{
        for (const char *end = text + size; text < end;) {
                const char *line = memchr(text, '\n', (size_t)(end - text)) ?: end,
                           *space = memchr(text, ' ', (size_t)(line - text)) ?: line;
                struct tree_extent e = { .segment = VOLUME_GONE };
                if (text_to_number(text, (size_t)(space - text), &e.file_offset) < 0 ||
                        text_to_number(space, (size_t)(line - space), &e.length) < 0 || e.length == 0)
                        return entry_fail(
                                l, -EUCLEAN, "the attribute " KEY_GONE " of %s is not valid", entry_name(l));
                e.offset = e.file_offset;
                int r = add_extent(l, &e);
                if (r < 0)
                        return r;
                text = line + 1;
        }
        return 0;
}

static int take_internal(struct entry_loader *l, const char *key, const char *value, size_t size)
{
        if (strcmp(key, KEY_POSIX) == 0) {
                g_free(l->posix);
                l->posix = g_strndup(value, size);
        } else if (strcmp(key, KEY_DEFAULTS) == 0 && l->is_root) {
                if (posix_defaults_from_text(value, size, &l->defaults) < 0)
                        return entry_fail(l, -EUCLEAN, "the attribute " KEY_DEFAULTS " is not valid");
        } else if (strcmp(key, KEY_GONE) == 0 && !l->is_directory) {
                return take_gone(l, value, size);
        }
        return 0;
}

int entry_add_xattr(struct entry_loader *l, const char *key, char *value, size_t size)
{
        g_autofree char *own = value;
        if (key_is_internal(key))
                return take_internal(l, key, value, size);
        l->xattr_bytes += XATTR_BYTES_EACH + strlen(key) + size;
        if (l->xattr_bytes > XATTR_BYTES_MAX)
                return entry_fail(l, -EUCLEAN, "%s has more extended attributes than %d bytes", entry_name(l),
                        XATTR_BYTES_MAX);
        struct entry_xattr *xattrs = grow(l->xattrs, l->n_xattrs, &l->max_xattrs, sizeof(*xattrs));
        if (!xattrs)
                return out_of_memory(l);
        l->xattrs = xattrs;
        xattrs[l->n_xattrs++] = (struct entry_xattr){ key_to_xattr(key), g_steal_pointer(&own), size };
        return 0;
}

/* Of the entry at hand, as the tree takes them; the array is the caller's. */
static int list_xattrs(struct entry_loader *l, struct tree_xattr **ret)
{
        struct tree_xattr *xattrs = l->n_xattrs > 0 ? g_try_new(struct tree_xattr, l->n_xattrs) : NULL;
        if (l->n_xattrs > 0 && !xattrs)
                return out_of_memory(l);
        for (size_t i = 0; i < l->n_xattrs; i++)
                xattrs[i] = (struct tree_xattr){ l->xattrs[i].name, l->xattrs[i].value, l->xattrs[i].size };
        *ret = xattrs;
        return 0;
}

static int set_xattrs(struct entry_loader *l, uint64_t ino)
{
        g_autofree struct tree_xattr *xattrs = NULL;
        if (l->n_xattrs == 0)
                return 0;
        int r = list_xattrs(l, &xattrs);
        if (r < 0)
                return r;
        r = tree_load_xattrs(l->tree, ino, xattrs, l->n_xattrs);
        if (r == -ENOMEM)
                return out_of_memory(l);
        return r < 0 ? entry_fail(l, -EUCLEAN, "the extended attributes of %s cannot be taken: %s",
                               entry_name(l), strerror(-r))
                     : 0;
}

/* ---- Extents */

int entry_add_extent(struct entry_loader *l, const struct entry_extent *e)
{
        const struct segment *s = segments_at(l->segments, e->block, l->block_length);
        if (!s || s->kind == SEGMENT_INDEX)
                return entry_fail(l, -EUCLEAN,
                        "an extent of %s is at block %" G_GUINT64_FORMAT ", where no data is", entry_name(l),
                        e->block);
        uint64_t offset = (e->block - s->first_block) * l->block_length + e->byte_offset;
        if (e->byte_offset >= l->block_length || e->bytes == 0 || offset >= s->length ||
                e->bytes > s->length - offset)
                return entry_fail(l, -EUCLEAN,
                        "an extent of %s at block %" G_GUINT64_FORMAT " does not lie within its segment",
                        entry_name(l), e->block);
        return add_extent(l, &(struct tree_extent){ e->file_offset, e->bytes, s->id, offset });
}

static int compare_extents(const void *a, const void *b)
{
        const struct tree_extent *x = a, *y = b;
        return (x->file_offset > y->file_offset) - (x->file_offset < y->file_offset);
}

static int check_extents(struct entry_loader *l)
{
        if (l->length > INT64_MAX)
                return entry_fail(l, -EUCLEAN, "%s is too long", entry_name(l));
        if (l->n_extents > 1)
                qsort(l->extents, l->n_extents, sizeof(*l->extents), compare_extents);
        uint64_t end = 0;
        size_t n = 0;
        for (size_t i = 0; i < l->n_extents; i++) {
                const struct tree_extent *e = &l->extents[i], *before = n > 0 ? &l->extents[n - 1] : NULL;
                if (e->file_offset < end)
                        return entry_fail(l, -EUCLEAN, "extents of %s overlap", entry_name(l));
                if (e->file_offset > l->length || e->length > l->length - e->file_offset)
                        return entry_fail(l, -EUCLEAN, "%s is shorter than its extents", entry_name(l));
                /* Joined as the tree does it, or same_extents would not know a file again. */
                bool joins = before && e->file_offset == end && e->segment == before->segment &&
                        e->offset == before->offset + before->length;
                end = e->file_offset + e->length;
                if (joins)
                        l->extents[n - 1].length += e->length;
                else
                        l->extents[n++] = *e;
        }
        l->n_extents = n;
        return 0;
}

/* ---- Names of one file */

static bool same_extents(struct entry_loader *l, uint64_t ino)
{
        g_autofree struct tree_extent *there = NULL;
        size_t n;
        if (tree_extents(l->tree, ino, &there, &n) < 0 || n != l->n_extents)
                return false;
        for (size_t i = 0; i < n; i++) {
                const struct tree_extent *a = &there[i], *b = &l->extents[i];
                if (a->file_offset != b->file_offset || a->length != b->length || a->segment != b->segment ||
                        a->offset != b->offset)
                        return false;
        }
        return true;
}

/* Whether the entry is one more name of the inode that is there already. */
static bool same_file(struct entry_loader *l, const struct tree_entry *entry, const struct tree_attr *there)
{
        if (S_ISDIR(there->mode) || (there->mode & S_IFMT) != (entry->attr.mode & S_IFMT))
                return false;
        if (S_ISREG(there->mode))
                return there->size == entry->attr.size && same_extents(l, there->ino);
        if (S_ISLNK(there->mode)) {
                g_autofree char *target = NULL;
                return tree_readlink(l->tree, there->ino, &target) == 0 && strcmp(target, entry->target) == 0;
        }
        return there->rdev == entry->attr.rdev;
}

/* Which inode the entry names. Names of a link group that are not the same file any more (something else than
 * reelfs wrote through one of them) become files of their own. *more: the inode is there already. */
static int choose_inode(struct entry_loader *l, struct tree_entry *entry, uint64_t link, bool *more)
{
        struct tree_attr there;
        *more = false;
        entry->ino = link ? link : entry->fileuid;
        if (l->is_root || tree_getattr(l->tree, entry->ino, &there) < 0)
                return 0;
        if (link && same_file(l, entry, &there)) {
                *more = true;
                return 0;
        }
        if (!link || S_ISDIR(there.mode))
                return entry_fail(l, -EUCLEAN, "the file id of %s, %" G_GUINT64_FORMAT ", is used twice",
                        entry_name(l), entry->fileuid);
        entry->ino = entry->fileuid;
        if (tree_getattr(l->tree, entry->ino, &there) == 0)
                entry->ino = entry->fileuid = tree_highest_fileuid(l->tree) + 1;
        return 0;
}

/* ---- The entry as a whole */

static int take_posix(struct entry_loader *l, struct tree_entry *entry, uint64_t *link)
{
        uint32_t type = l->is_directory ? S_IFDIR : l->target ? S_IFLNK : S_IFREG;
        struct posix_attr attr;
        posix_default_attr(&l->defaults, type, &attr);
        if (l->posix && posix_from_text(l->posix, strlen(l->posix), &attr) < 0)
                return entry_fail(l, -EUCLEAN, "the attribute " KEY_POSIX " of %s is not valid: \"%.100s\"",
                        entry_name(l), l->posix);
        bool special = S_ISFIFO(attr.mode) || S_ISSOCK(attr.mode) || S_ISCHR(attr.mode) || S_ISBLK(attr.mode);
        if ((attr.mode & S_IFMT) != type &&
                !(type == S_IFREG && special && l->length == 0 && l->n_extents == 0))
                return entry_fail(
                        l, -EUCLEAN, "the mode of %s, %o, is not that of its kind", entry_name(l), attr.mode);
        entry->attr.mode = attr.mode;
        entry->attr.uid = attr.uid;
        entry->attr.gid = attr.gid;
        entry->attr.rdev = S_ISCHR(attr.mode) || S_ISBLK(attr.mode) ? attr.rdev : 0;
        *link = l->is_directory ? 0 : attr.link;
        return 0;
}

static int check_entry(struct entry_loader *l)
{
        if (l->is_root && l->fileuid != TREE_ROOT)
                return entry_fail(l, -EUCLEAN, "the file id of the root is not 1");
        if (l->target && (l->n_extents > 0 || l->target[0] == '\0'))
                return entry_fail(l, -EUCLEAN, "the symbolic link %s is not valid", entry_name(l));
        if (l->fileuid == 0 || l->fileuid > INT64_MAX || (!l->is_root && l->name[0] == '\0'))
                return entry_fail(l, -EUCLEAN, "%s has no name or no file id", entry_name(l));
        return check_extents(l);
}

static int load_entry(
        struct entry_loader *l, uint64_t parent, struct tree_entry *entry, uint64_t link, uint64_t *ino)
{
        bool more;
        int r = choose_inode(l, entry, link, &more);
        if (r == 0)
                r = tree_load(l->tree, parent, entry, ino);
        return r < 0 || more ? r : set_xattrs(l, *ino);
}

static int apply_entry(
        struct entry_loader *l, uint64_t parent, struct tree_entry *entry, uint64_t link, uint64_t *ino)
{
        g_autofree struct tree_xattr *xattrs = NULL;
        entry->ino = link ? link : entry->fileuid;
        int r = list_xattrs(l, &xattrs);
        return r < 0 ? r : tree_apply(l->tree, parent, entry, xattrs, l->n_xattrs, ino);
}

int entry_end(struct entry_loader *l, uint64_t parent, uint64_t *ino)
{
        struct tree_entry entry = {
                .fileuid = l->fileuid,
                .name = l->is_root ? "" : l->name,
                .attr = { .size = l->target ? strlen(l->target) : l->length, .times = l->times },
                .backup_time = l->backup_time,
                .readonly = l->readonly,
                .target = l->target,
        };
        uint64_t link = 0;
        int r = check_entry(l);
        entry.extents = l->extents;
        entry.n_extents = l->n_extents;
        if (r == 0)
                r = take_posix(l, &entry, &link);
        if (r < 0)
                return r;
        r = (l->apply ? apply_entry : load_entry)(l, parent, &entry, link, ino);
        if (r == -ENOMEM)
                return out_of_memory(l);
        if (r < 0 && r != -EUCLEAN)
                return entry_fail(l, -EUCLEAN, "%s cannot be taken into the tree: %s", entry_name(l),
                        r == -EEXIST ? "its name or file id is there twice" : strerror(-r));
        l->active = false;
        return r;
}

int entry_pass(struct entry_loader *l, uint64_t parent, uint64_t *ino)
{
        struct tree_attr attr;
        bool is_name = strcmp(l->name, ".") != 0 && strcmp(l->name, "..") != 0;
        int r = is_name ? tree_lookup(l->tree, parent, l->name, &attr) : -ENOENT;
        if (r == 0)
                tree_unref(l->tree, attr.ino, 1);
        if (r < 0 || !S_ISDIR(attr.mode))
                return entry_fail(l, -EUCLEAN,
                        "it changes what is in %s, which is no directory that is there", entry_name(l));
        *ino = attr.ino;
        return 0;
}

int entry_delete(struct entry_loader *l, uint64_t parent)
{
        int r = tree_apply_gone(l->tree, parent, l->name);
        return r < 0 ? entry_fail(l, r == -ENOMEM ? r : -EUCLEAN, "%s cannot be deleted: %s", entry_name(l),
                               strerror(-r))
                     : 0;
}

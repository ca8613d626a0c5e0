/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>

#include "keys.h"
#include "recover.h"

#define LOST_AND_FOUND "lost+found"
#define XATTR_LOST "user." KEY_LOST
#define XATTR_RECOVERED "user.reelfs-recovered"

static int tree_error(int error)
{
        return error == 0 || error == -ENOMEM ? error : -EUCLEAN;
}

static int make(Tree *t, uint64_t parent, const char *name, uint32_t mode, uint32_t uid, uint32_t gid,
        int64_t now, uint64_t *ino)
{
        const struct tree_new_inode new_inode = { .mode = mode, .uid = uid, .gid = gid };
        struct tree_attr attr;
        int r = tree_create(t, parent, name, &new_inode, now, &attr);
        if (r < 0)
                return r;
        *ino = attr.ino;
        tree_unref(t, attr.ino, 1);
        return 0;
}

static int look(Tree *t, uint64_t parent, const char *name, struct tree_attr *attr)
{
        int r = tree_lookup(t, parent, name, attr);
        if (r == 0)
                tree_unref(t, attr->ino, 1);
        return r;
}

/* ---- lost+found */

/* A name that is not there yet: "base.type", else "base-2.type" and so on. type may be NULL. */
static char *free_name(Tree *t, uint64_t directory, const char *base, const char *type)
{
        struct tree_attr attr;
        const char *dot = type ? "." : "";
        char *name = g_strconcat(base, dot, type, NULL);
        for (unsigned n = 2; look(t, directory, name, &attr) == 0; n++) {
                g_free(name);
                name = g_strdup_printf("%.*s-%u%s%s", TREE_NAME_MAX - 30, base, n, dot, type ?: "");
        }
        return name;
}

/* The first directory of that name in the root, or a new one. */
static int lost_and_found(struct recovery *r, uint64_t *ino)
{
        struct tree_attr attr;
        if (look(r->tree, TREE_ROOT, LOST_AND_FOUND, &attr) == 0 && S_ISDIR(attr.mode)) {
                *ino = attr.ino;
                return 0;
        }
        g_autofree char *name = free_name(r->tree, TREE_ROOT, LOST_AND_FOUND, NULL);
        return make(r->tree, TREE_ROOT, name, S_IFDIR | 0700, 0, 0, r->now, ino);
}

static int displace(struct recovery *r, uint64_t parent, const char *name)
{
        uint64_t directory;
        int error = lost_and_found(r, &directory);
        if (error < 0)
                return error;
        g_autofree char *new_name = free_name(r->tree, directory, name, NULL);
        return tree_rename(r->tree, parent, name, directory, new_name, 0, r->now);
}

static int set_text(struct recovery *r, uint64_t ino, const char *name, const char *text)
{
        return tree_error(tree_xattr_set(r->tree, ino, name, text, strlen(text), 0, 0));
}

int recover_nameless(struct recovery *r, const struct found *f, uint64_t id)
{
        const char *state = f->damaged ? "-damaged" : f->ended ? "" : "-incomplete";
        const struct tree_extent e = { 0, f->length, id, 0 };
        uint64_t directory, ino;
        int error = lost_and_found(r, &directory);
        if (error < 0)
                return tree_error(error);
        g_autofree char *base = g_strdup_printf("segment-%" PRIu64 "%s", f->filemark, state);
        g_autofree char *name =
                free_name(r->tree, directory, base, f->kind == SEGMENT_PACK ? "tar" : f->type);
        g_autofree char *text =
                g_strdup_printf("%" PRIu64 " bytes behind filemark %" PRIu64 " that no index names%s%s",
                        f->length, f->filemark, f->ended ? "" : "; their end may be missing",
                        f->damaged ? "; they cannot be read to their end" : "");
        error = make(r->tree, directory, name, S_IFREG | 0600, 0, 0, r->now, &ino);
        if (error == 0)
                error = tree_put_extent(r->tree, ino, &e, r->now);
        if (error == 0)
                error = set_text(r, ino, XATTR_RECOVERED, text);
        return tree_error(error);
}

/* ---- Members of packs */

/* Nobody knows what permissions it had: only its owner gets in. */
static int make_directory(
        struct recovery *r, uint64_t parent, const char *name, const struct tree_attr *a, uint64_t *ino)
{
        return make(r->tree, parent, name, S_IFDIR | 0700, a->uid, a->gid, a->times.ctime, ino);
}

static int enter(
        struct recovery *r, uint64_t parent, const char *name, const struct tree_attr *a, uint64_t *ino)
{
        struct tree_attr attr;
        int error = look(r->tree, parent, name, &attr);
        if (error == 0 && S_ISDIR(attr.mode)) {
                *ino = attr.ino;
                return 0;
        }
        if (error == 0)
                error = displace(r, parent, name);
        if (error == 0 || error == -ENOENT)
                error = make_directory(r, parent, name, a, ino);
        return error;
}

/* The directories of path, and in name its last part. */
static int find_parent(struct recovery *r, const char *path, const struct tree_attr *a, uint64_t *parent,
        char name[static TREE_NAME_MAX + 1])
{
        int error = 0;
        *parent = TREE_ROOT;
        for (const char *slash; error == 0 && (slash = strchr(path, '/')); path = slash + 1) {
                if (slash - path > TREE_NAME_MAX)
                        return -ENAMETOOLONG;
                memcpy(name, path, (size_t)(slash - path));
                name[slash - path] = '\0';
                error = enter(r, *parent, name, a, parent);
        }
        g_strlcpy(name, path, TREE_NAME_MAX + 1);
        return error;
}

/* The name is free afterwards, unless it is one of inode keep. */
static int make_way(struct recovery *r, uint64_t parent, const char *name, uint64_t keep, int64_t now)
{
        struct tree_attr attr;
        int error = look(r->tree, parent, name, &attr);
        if (error == -ENOENT || (error == 0 && attr.ino == keep))
                return 0;
        if (error == 0 && S_ISDIR(attr.mode))
                return displace(r, parent, name);
        return error < 0 ? error : tree_unlink(r->tree, parent, name, now);
}

static int set_xattrs(struct recovery *r, uint64_t ino, const struct pack_member *m)
{
        int error = 0;
        for (size_t i = 0; i < m->n_xattrs && error == 0; i++)
                error = tree_xattr_set(
                        r->tree, ino, m->xattrs[i].name, m->xattrs[i].value, m->xattrs[i].size, 0, 0);
        return error;
}

static int add_file(struct recovery *r, const struct found *f, const struct pack_member *m, uint64_t offset,
        uint64_t parent, const char *name)
{
        const struct tree_attr *a = m->attr;
        const struct tree_extent e = { 0, a->size, f->id, offset };
        uint64_t ino;
        int error = make(r->tree, parent, name, a->mode, a->uid, a->gid, a->times.ctime, &ino);
        if (error == 0)
                error = set_xattrs(r, ino, m);
        if (error == 0 && a->size > 0)
                error = tree_put_extent(r->tree, ino, &e, 0);
        if (error < 0)
                return error;
        r->counts.files++;
        r->last.ino = ino;
        r->last.offset = offset;
        r->last.size = a->size;
        return tree_setattr(r->tree, ino,
                TREE_SET_MODE | TREE_SET_MTIME | TREE_SET_ATIME | TREE_SET_CTIME | TREE_SET_BTIME, a, NULL);
}

static int add_link(struct recovery *r, const struct pack_member *m, uint64_t parent, const char *name)
{
        struct tree_attr target, attr;
        int error = tree_resolve(r->tree, m->link, &target);
        if (error < 0)
                return error;
        error = S_ISREG(target.mode) ? make_way(r, parent, name, target.ino, m->attr->times.ctime) : -EINVAL;
        if (error == 0 && look(r->tree, parent, name, &attr) < 0) {
                error = tree_link(r->tree, target.ino, parent, name, m->attr->times.ctime, &attr);
                if (error == 0)
                        tree_unref(r->tree, target.ino, 1);
        }
        if (error == 0)
                error = tree_setattr(r->tree, target.ino, TREE_SET_CTIME, m->attr, NULL);
        tree_unref(r->tree, target.ino, 1);
        return error;
}

int recover_member(struct recovery *r, const struct found *f, const struct pack_member *m, uint64_t offset)
{
        char name[TREE_NAME_MAX + 1];
        uint64_t parent;
        int error = find_parent(r, m->path, m->attr, &parent, name);
        if (error < 0)
                return tree_error(error);
        if (m->link)
                return tree_error(add_link(r, m, parent, name));
        error = make_way(r, parent, name, 0, m->attr->times.ctime);
        return tree_error(error < 0 ? error : add_file(r, f, m, offset, parent, name));
}

int recover_pack_end(struct recovery *r, const struct found *f)
{
        uint64_t ino = r->last.ino, kept = f->length > r->last.offset ? f->length - r->last.offset : 0;
        struct tree_attr attr;
        r->last.ino = 0;
        if (ino == 0 || kept >= r->last.size || tree_getattr(r->tree, ino, &attr) < 0)
                return 0;
        g_autofree char *text = g_strdup_printf("of %" PRIu64 " bytes the first %" PRIu64
                                                " are on the tape; the volume was not closed",
                r->last.size, kept);
        int error = tree_truncate(r->tree, ino, kept, attr.times.mtime);
        if (error == 0)
                error = set_text(r, ino, XATTR_LOST, text);
        if (error == 0)
                error = tree_setattr(r->tree, ino, TREE_SET_MTIME | TREE_SET_CTIME, &attr, NULL);
        r->counts.incomplete++;
        return tree_error(error);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>

#include "keys.h"
#include <reelfs/hash.h>

#include "recover.h"

#define LOST_AND_FOUND "lost+found"
#define NUMBERS_TRIED 10
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

/* Behind n; where many names are alike, those that others have taken are not all looked at again. */
static unsigned next_number(const struct recovery *r, unsigned n)
{
        return n < NUMBERS_TRIED ? n + 1 : MAX(n + 1, r->number);
}

/* A name that is not there yet: "base.type", else "base-2.type" and so on. type may be NULL. */
static char *free_name(struct recovery *r, uint64_t directory, const char *base, const char *type)
{
        struct tree_attr attr;
        const char *dot = type ? "." : "";
        char *name = g_strconcat(base, dot, type, NULL);
        for (unsigned n = 1; look(r->tree, directory, name, &attr) == 0;) {
                n = next_number(r, n);
                r->number = MAX(r->number, n);
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
        g_autofree char *name = free_name(r, TREE_ROOT, LOST_AND_FOUND, NULL);
        return make(r->tree, TREE_ROOT, name, S_IFDIR | 0700, 0, 0, r->now, ino);
}

static int displace(struct recovery *r, uint64_t parent, const char *name)
{
        struct tree_attr attr;
        uint64_t directory;
        int error = lost_and_found(r, &directory);
        if (error == 0)
                error = look(r->tree, parent, name, &attr);
        if (error < 0)
                return error;
        if (attr.ino == directory) /* it does not go into itself */
                directory = parent;
        g_autofree char *new_name = free_name(r, directory, name, NULL);
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
        g_autofree char *name = free_name(r, directory, base, f->kind == SEGMENT_PACK ? "tar" : f->type);
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

/* Whether it would be gone without the name, and was committed with it. */
static bool is_worth_keeping(const struct recovery *r, const struct tree_attr *attr)
{
        return attr->ino <= r->known && attr->nlink == 1 && (attr->size > 0 || !S_ISREG(attr->mode));
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
        if (error == 0 && is_worth_keeping(r, &attr)) {
                r->counts.older++;
                return displace(r, parent, name);
        }
        return error < 0 ? error : tree_unlink(r->tree, parent, name, now);
}

/* The hash is that of the whole file. */
static int set_xattrs(struct recovery *r, uint64_t ino, const struct pending *p, bool whole)
{
        int error = 0;
        for (size_t i = 0; i < p->n_xattrs && error == 0; i++)
                if (whole || !g_str_has_prefix(p->xattrs[i].name, HASH_XATTR))
                        error = tree_xattr_set(
                                r->tree, ino, p->xattrs[i].name, p->xattrs[i].value, p->xattrs[i].size, 0, 0);
        return error;
}

/* The first size bytes of the pending file. */
static int add_file(struct recovery *r, uint64_t parent, const char *name, uint64_t size, uint64_t *ino)
{
        const struct pending *p = &r->pending;
        const struct tree_attr *a = &p->attr;
        const struct tree_extent e = { 0, size, p->segment, p->offset };
        int error = make(r->tree, parent, name, a->mode, a->uid, a->gid, a->times.ctime, ino);
        if (error == 0 && size > 0)
                error = tree_put_extent(r->tree, *ino, &e, 0);
        /* Afterwards, as one of them is the hash of its data. */
        if (error == 0)
                error = set_xattrs(r, *ino, p, size == p->attr.size);
        if (error < 0)
                return error;
        return tree_setattr(r->tree, *ino,
                TREE_SET_MODE | TREE_SET_MTIME | TREE_SET_ATIME | TREE_SET_CTIME | TREE_SET_BTIME, a, NULL);
}

static int add_whole(struct recovery *r)
{
        const struct pending *p = &r->pending;
        char name[TREE_NAME_MAX + 1];
        uint64_t parent, ino;
        int error = find_parent(r, p->path, &p->attr, &parent, name);
        if (error == 0)
                error = make_way(r, parent, name, 0, p->attr.times.ctime);
        if (error == 0)
                error = add_file(r, parent, name, p->attr.size, &ino);
        r->counts.files += error == 0;
        return error;
}

static int add_torn(struct recovery *r, uint64_t size)
{
        const struct pending *p = &r->pending;
        const char *slash = strrchr(p->path, '/');
        uint64_t directory, ino;
        int error = lost_and_found(r, &directory);
        if (error < 0)
                return error;
        g_autofree char *base =
                g_strdup_printf("%.*s-incomplete", TREE_NAME_MAX - 40, slash ? slash + 1 : p->path);
        g_autofree char *name = free_name(r, directory, base, NULL);
        g_autofree char *text = g_strdup_printf("of %" PRIu64 " bytes the first %" PRIu64
                                                " are on the tape; the volume was not closed; it was /%s",
                p->attr.size, size, p->path);
        error = add_file(r, directory, name, size, &ino);
        if (error == 0)
                error = set_text(r, ino, XATTR_LOST, text);
        r->counts.incomplete += error == 0;
        return error;
}

void recover_forget_pending(struct recovery *r)
{
        g_free(r->pending.path);
        g_free(r->pending.xattrs);
        r->pending = (struct pending){ 0 };
}

/* One piece of memory has all of them. */
static int copy_xattrs(struct pending *p, const struct pack_member *m)
{
        size_t size = m->n_xattrs * sizeof(struct pack_xattr);
        for (size_t i = 0; i < m->n_xattrs; i++)
                size += strlen(m->xattrs[i].name) + 1 + m->xattrs[i].size;
        if (size == 0)
                return 0;
        p->xattrs = g_try_malloc(size);
        if (!p->xattrs)
                return -ENOMEM;
        char *data = (char *)(p->xattrs + m->n_xattrs);
        for (; p->n_xattrs < m->n_xattrs; p->n_xattrs++) {
                const struct pack_xattr *x = &m->xattrs[p->n_xattrs];
                char *value = stpcpy(data, x->name) + 1;
                p->xattrs[p->n_xattrs] = (struct pack_xattr){ data, value, x->size };
                data = mempcpy(value, x->value, x->size);
        }
        return 0;
}

static int keep_pending(
        struct recovery *r, const struct found *f, const struct pack_member *m, uint64_t offset)
{
        struct pending *p = &r->pending;
        size_t length = strlen(m->path);
        p->attr = *m->attr;
        p->segment = f->id;
        p->offset = offset;
        p->path = g_try_malloc(length + 1);
        if (!p->path)
                return -ENOMEM;
        memcpy(p->path, m->path, length + 1);
        return copy_xattrs(p, m);
}

static int add_link(struct recovery *r, const struct pack_member *m)
{
        char name[TREE_NAME_MAX + 1];
        struct tree_attr target, attr;
        uint64_t parent;
        int error = find_parent(r, m->path, m->attr, &parent, name);
        if (error == 0)
                error = tree_resolve(r->tree, m->link, &target);
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

/* One that another one follows, or the end of the archive, is whole. */
static int settle_pending(struct recovery *r)
{
        int error = r->pending.path ? add_whole(r) : 0;
        recover_forget_pending(r);
        return error;
}

int recover_member(struct recovery *r, const struct found *f, const struct pack_member *m, uint64_t offset)
{
        int error = settle_pending(r);
        if (error == 0)
                error = m->link ? add_link(r, m) : keep_pending(r, f, m, offset);
        return tree_error(error);
}

int recover_pack_end(struct recovery *r, const struct found *f)
{
        const struct pending *p = &r->pending;
        uint64_t there = f->length > p->offset ? f->length - p->offset : 0;
        int error = 0;
        if (f->damaged && !f->understood) /* and goes to lost+found as it is */
                recover_forget_pending(r);
        else if (p->path && there < p->attr.size)
                error = add_torn(r, there);
        else
                error = settle_pending(r);
        recover_forget_pending(r);
        return tree_error(error);
}

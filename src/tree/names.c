/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <string.h>

#include <reelfs/acl.h>

#include "tree-private.h"

static struct alias *alias_find(Tree *t, uint64_t fileuid)
{
        if (fileuid > t->highest_used)
                return NULL;
        struct hash_link *link = hashtab_chain(&t->aliases, hash_number(&t->key, fileuid));
        while (link && from_link(link, struct alias)->fileuid != fileuid)
                link = link->next;
        return link ? from_link(link, struct alias) : NULL;
}

bool fileuid_is_alias(Tree *t, uint64_t fileuid)
{
        return alias_find(t, fileuid) != NULL;
}

static int alias_add(Tree *t, uint64_t fileuid)
{
        struct alias *alias = tree_alloc(t, sizeof(*alias));
        if (!alias)
                return -ENOMEM;
        alias->fileuid = fileuid;
        hashtab_insert(t, &t->aliases, &alias->link);
        t->highest_used = MAX(t->highest_used, fileuid);
        return 0;
}

static void alias_remove(Tree *t, uint64_t fileuid)
{
        struct alias *alias = alias_find(t, fileuid);
        hashtab_remove(t, &t->aliases, &alias->link);
        tree_release(t, alias, sizeof(*alias));
}

int name_add(
        Tree *t, struct inode *dir, const char *name, size_t length, struct inode *inode, uint64_t fileuid)
{
        if (inode->nlink >= TREE_LINK_MAX || (is_dir(inode) && dir->nlink >= TREE_LINK_MAX))
                return -EMLINK;
        struct dentry *d;
        int r = dentry_new(t, dir, name, length, fileuid, &d);
        if (r < 0)
                return r;
        if (fileuid != inode->ino)
                r = alias_add(t, fileuid);
        if (r < 0) {
                dentry_free(t, d);
                return r;
        }
        dentry_insert(t, dir, d, inode);
        return 0;
}

void name_detach(Tree *t, struct dentry *d)
{
        if (d->fileuid != d->inode->ino)
                alias_remove(t, d->fileuid);
        dentry_remove(t, d);
}

void name_drop(Tree *t, struct dentry *d, int64_t now)
{
        struct inode *inode = d->inode;
        log_gone(t, &t->since_last, d);
        name_detach(t, d);
        inode_changed(t, inode, false, now);
        inode_put(t, inode);
}

/* name may be "." and "..". */
static int lookup(Tree *t, uint64_t parent, const char *name, size_t length, struct inode **ret)
{
        struct inode *dir;
        int r = inode_get_dir(t, parent, &dir);
        if (r < 0)
                return r;
        if (length == 1 && name[0] == '.') {
                *ret = dir;
                return 0;
        }
        if (length == 2 && name[0] == '.' && name[1] == '.') {
                *ret = dir_dentry(dir) ? dir_dentry(dir)->parent : dir;
                return 0;
        }
        struct dentry *d = dentry_find(t, dir, name, length);
        if (!d)
                return -ENOENT;
        *ret = d->inode;
        return 0;
}

int tree_lookup(Tree *tree, uint64_t parent, const char *name, struct tree_attr *attr)
{
        autounlock Tree *t = tree_lock(tree);
        size_t length;
        int r = name_check(name, &length);
        if (r < 0 && strcmp(name, ".") != 0 && strcmp(name, "..") != 0)
                return r;
        struct inode *inode;
        r = lookup(t, parent, name, length, &inode);
        if (r < 0)
                return r;
        inode_attr_ref(inode, attr);
        return 0;
}

int tree_resolve(Tree *tree, const char *path, struct tree_attr *attr)
{
        autounlock Tree *t = tree_lock(tree);
        struct inode *inode = t->root;
        for (path += strspn(path, "/"); *path; path += strspn(path, "/")) {
                size_t length = strcspn(path, "/");
                if (length > TREE_NAME_MAX)
                        return -ENAMETOOLONG;
                int r = lookup(t, inode->ino, path, length, &inode);
                if (r < 0)
                        return r;
                path += length;
        }
        inode_attr_ref(inode, attr);
        return 0;
}

/* For a name about to be added: the directory is there, the name is not. */
static int get_free_name(Tree *t, uint64_t parent, const char *name, struct inode **dir, size_t *length)
{
        int r = inode_get_dir(t, parent, dir);
        if (r < 0)
                return r;
        r = name_check(name, length);
        if (r < 0)
                return r;
        if (dentry_find(t, *dir, name, *length))
                return -EEXIST;
        return t->highest_fileuid < TREE_FILEUID_MAX ? 0 : -ENOSPC;
}

static int put_acls(Tree *t, struct inode *inode, const struct tree_new_inode *n)
{
        int r = 0;
        if (n->acl_access)
                r = xattr_put(t, inode, ACL_XATTR_ACCESS, n->acl_access, n->acl_access_size, 0);
        if (r == 0 && n->acl_default)
                r = xattr_put(t, inode, ACL_XATTR_DEFAULT, n->acl_default, n->acl_default_size, 0);
        return r;
}

int tree_create(Tree *tree, uint64_t parent, const char *name, const struct tree_new_inode *n, int64_t now,
        struct tree_attr *attr)
{
        autounlock Tree *t = tree_lock(tree);
        struct inode *dir, *inode;
        size_t length;
        int r = get_free_name(t, parent, name, &dir, &length);
        if (r < 0)
                return r;
        uint64_t fileuid = t->highest_fileuid + 1;
        r = inode_new(t, fileuid, n->mode, n->rdev, n->target, &inode);
        if (r < 0)
                return r;
        inode->uid = n->uid;
        inode->gid = n->gid;
        inode->times = (struct tree_times){ now, now, now, now };
        inode->backup_time = now;
        r = put_acls(t, inode, n);
        if (r == 0)
                r = name_add(t, dir, name, length, inode, fileuid);
        if (r < 0) {
                inode_put(t, inode);
                return r;
        }
        t->highest_fileuid = fileuid;
        log_inode(t, &t->since_last, inode);
        inode_changed(t, dir, true, now);
        inode_attr_ref(inode, attr);
        return 0;
}

int tree_link(
        Tree *tree, uint64_t ino, uint64_t parent, const char *name, int64_t now, struct tree_attr *attr)
{
        autounlock Tree *t = tree_lock(tree);
        struct inode *dir, *inode;
        size_t length;
        int r = inode_get(t, ino, &inode);
        if (r < 0)
                return r;
        if (is_dir(inode))
                return -EPERM;
        if (inode->nlink == 0)
                return -ENOENT;
        r = get_free_name(t, parent, name, &dir, &length);
        if (r < 0)
                return r;
        r = name_add(t, dir, name, length, inode, t->highest_fileuid + 1);
        if (r < 0)
                return r;
        t->highest_fileuid++;
        inode_changed(t, inode, false, now);
        inode_changed(t, dir, true, now);
        inode_attr_ref(inode, attr);
        return 0;
}

static int remove_name(Tree *t, uint64_t parent, const char *name, bool want_dir, int64_t now)
{
        struct inode *dir;
        int r = inode_get_dir(t, parent, &dir);
        if (r < 0)
                return r;
        size_t length;
        r = name_check(name, &length);
        if (r < 0)
                return r;
        struct dentry *d = dentry_find(t, dir, name, length);
        if (!d)
                return -ENOENT;
        if (is_dir(d->inode) != want_dir)
                return want_dir ? -ENOTDIR : -EISDIR;
        if (want_dir && d->inode->dir->live > 0)
                return -ENOTEMPTY;
        name_drop(t, d, now);
        inode_changed(t, dir, true, now);
        return 0;
}

int tree_unlink(Tree *tree, uint64_t parent, const char *name, int64_t now)
{
        autounlock Tree *t = tree_lock(tree);
        return remove_name(t, parent, name, false, now);
}

int tree_rmdir(Tree *tree, uint64_t parent, const char *name, int64_t now)
{
        autounlock Tree *t = tree_lock(tree);
        return remove_name(t, parent, name, true, now);
}

int tree_readlink(Tree *tree, uint64_t ino, char **target)
{
        autounlock Tree *t = tree_lock(tree);
        struct inode *inode;
        int r = inode_get(t, ino, &inode);
        if (r < 0)
                return r;
        if (!S_ISLNK(inode->mode))
                return -EINVAL;
        *target = g_try_malloc(inode->size + 1);
        if (!*target)
                return -ENOMEM;
        memcpy(*target, inode->target, inode->size + 1);
        return 0;
}

int tree_readdir(Tree *tree, uint64_t ino, uint64_t cookie, bool with_ref,
        bool (*entry)(void *ctx, const char *name, const struct tree_attr *attr, uint64_t next), void *ctx)
{
        autounlock Tree *t = tree_lock(tree);
        struct inode *dir;
        int r = inode_get_dir(t, ino, &dir);
        if (r == -ENOENT)
                return 0; /* removed while open: empty */
        if (r < 0)
                return r;
        size_t i = dir_seek(dir->dir, cookie);
        struct dentry *d;
        while ((d = dir_next(dir->dir, &i))) {
                struct tree_attr attr;
                inode_attr(d->inode, &attr);
                if (!entry(ctx, d->name, &attr, d->cookie + 1))
                        break;
                if (with_ref)
                        inode_ref(d->inode);
        }
        return 0;
}

uint64_t tree_readdir_end(Tree *tree, uint64_t ino)
{
        autounlock Tree *t = tree_lock(tree);
        struct inode *dir;
        return inode_get_dir(t, ino, &dir) < 0 ? 0 : dir->dir->last_cookie + 1;
}

int tree_parent(Tree *tree, uint64_t ino, uint64_t *parent)
{
        autounlock Tree *t = tree_lock(tree);
        struct inode *dir;
        int r = inode_get_dir(t, ino, &dir);
        if (r < 0)
                return r;
        *parent = dir_dentry(dir) ? dir_dentry(dir)->parent->ino : TREE_ROOT;
        return 0;
}

/* With its NUL. */
static size_t path_size(const struct dentry *name)
{
        size_t size = name ? 1 : 2;
        for (const struct dentry *d = name; d; d = dir_dentry(d->parent))
                size += 1 + (size_t)d->length;
        return size;
}

static void put_path(const struct dentry *name, char *path, size_t size)
{
        path[0] = '/';
        path[size - 1] = '\0';
        char *at = path + size - 1;
        for (const struct dentry *d = name; d; d = dir_dentry(d->parent)) {
                at -= d->length;
                memcpy(at, d->name, d->length);
                *--at = '/';
        }
}

char *tree_paths(Tree *tree, uint64_t ino, size_t max, size_t *n)
{
        autounlock Tree *t = tree_lock(tree);
        struct inode *inode = inode_find(t, ino);
        if (!inode || inode->nlink == 0)
                return NULL;
        const struct dentry *first = inode->names ? inode->names->next : NULL, *d = first;
        size_t size = 0;
        *n = 0;
        do {
                size += path_size(d);
                d = d ? d->next : NULL;
        } while (++*n < max && d != first);
        char *paths = g_try_malloc(size), *at = paths;
        d = first;
        for (size_t i = 0; paths && i < *n; i++) {
                size_t each = path_size(d);
                put_path(d, at, each);
                at += each;
                d = d ? d->next : NULL;
        }
        return paths;
}

char *tree_path(Tree *tree, uint64_t ino)
{
        size_t n;
        return tree_paths(tree, ino, 1, &n);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Operations on names and attributes. */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include <reelfs/util.h>

#include "operations.h"

static bool is_below(const char *path, const char *directory)
{
        return g_str_has_prefix(path, directory) && path[strlen(directory)] == '/';
}

/* A large file that is being written is left where it is, so that it stays one for a while. */
static bool is_streaming(const struct work *w, const char *path)
{
        return w->streaming_path && !w->racing &&
                (strcmp(path, w->streaming_path) == 0 || is_below(w->streaming_path, path));
}

/* ---- Creation */

static int make_inode(struct work *w, const char *path, const struct tree_new_inode *new_inode)
{
        struct tree_attr attr;
        uint64_t parent;
        const char *name;
        int r = find_parent(w, path, &parent, &name);
        if (r == 0)
                r = tree_create(w->tree, parent, name, new_inode, work_now(w), &attr);
        if (r < 0)
                return r;
        struct node *n = node_new(model_new_id(w->model), new_inode->mode);
        n->uid = new_inode->uid;
        n->gid = new_inode->gid;
        n->ino = attr.ino;
        n->mtime = attr.times.mtime;
        n->target = g_strdup(new_inode->target);
        model_put(w->model, path, n);
        tree_unref(w->tree, attr.ino, 1);
        return 0;
}

int make_directory(struct work *w, const char *path)
{
        return make_inode(
                w, path, &(struct tree_new_inode){ .mode = S_IFDIR | 0755, .uid = 1000, .gid = 100 });
}

int operation_mkdir(struct work *w)
{
        g_autofree char *path = new_path(w, "directory");
        g_string_append_printf(w->doing, "mkdir %s", path);
        return make_directory(w, path);
}

int operation_symlink(struct work *w)
{
        g_autofree char *path = new_file_path(w, "symlink"), *target = new_path(w, "target");
        g_string_append_printf(w->doing, "symlink %s", path);
        return make_inode(
                w, path, &(struct tree_new_inode){ .mode = S_IFLNK | 0777, .uid = 1000, .target = target });
}

int operation_link(struct work *w)
{
        const char *path = pick_name(w, S_IFREG), *name;
        g_autofree char *to = new_file_path(w, "link");
        struct tree_attr attr;
        uint64_t ino, parent;
        if (!path)
                return 0;
        g_string_append_printf(w->doing, "link %s to %s", path, to);
        int r = find_inode(w, path, &ino);
        if (r == 0)
                r = find_parent(w, to, &parent, &name);
        if (r == 0)
                r = tree_link(w->tree, ino, parent, name, work_now(w), &attr);
        if (r < 0)
                return r;
        model_put(w->model, to, node_copy(model_get(w->model, path)));
        tree_unref(w->tree, attr.ino, 1);
        return 0;
}

/* ---- Removal and renaming */

static void leave_path(struct work *w, const char *path)
{
        g_ptr_array_add(w->left, g_strdup(path));
}

int operation_unlink(struct work *w)
{
        const char *path = pick_name(w, work_random(w, 5) > 0 ? S_IFREG : S_IFLNK), *name;
        uint64_t parent;
        if (!path || is_streaming(w, path))
                return 0;
        g_string_append_printf(w->doing, "unlink %s", path);
        int r = find_parent(w, path, &parent, &name);
        if (r == 0)
                r = tree_unlink(w->tree, parent, name, work_now(w));
        if (r == 0)
                leave_path(w, path);
        if (r == 0)
                model_put(w->model, path, NULL);
        return r;
}

int operation_rmdir(struct work *w)
{
        const char *path = pick_name(w, S_IFDIR), *name;
        uint64_t parent;
        if (!path || !model_is_empty(w->model, path))
                return 0;
        g_string_append_printf(w->doing, "rmdir %s", path);
        int r = find_parent(w, path, &parent, &name);
        if (r == 0)
                r = tree_rmdir(w->tree, parent, name, work_now(w));
        if (r == 0)
                model_put(w->model, path, NULL);
        return r;
}

static bool is_interrupted(void *ctx)
{
        return *(const bool *)ctx;
}

/* As op_rename of the frontend. -EINTR: a file is to take the place of another one, a commit is under way,
 * and nobody waits for its end. */
static int before_rename(struct work *w, const struct node *old, const struct node *there)
{
        bool interrupted = w->racing && work_random(w, 2) > 0;
        const struct sched_source source = { .interrupted = is_interrupted, .ctx = &interrupted };
        if (!there || !S_ISREG(old->mode) || !S_ISREG(there->mode))
                return 0;
        return sched_before_replacing(w->sched, old->ino, &source);
}

static int rename_told(struct work *w, const char *from, const char *to)
{
        const struct node *old = model_get(w->model, from), *there = model_get(w->model, to);
        uint64_t parent, new_parent;
        const char *name, *new_name;
        g_string_append_printf(w->doing, "rename %s to %s", from, to);
        int r = find_parent(w, from, &parent, &name);
        if (r == 0)
                r = find_parent(w, to, &new_parent, &new_name);
        if (r == 0)
                r = before_rename(w, old, there);
        if (r == -EINTR) {
                g_string_append(w->doing, " (interrupted)");
                return 0;
        }
        if (r == 0)
                r = tree_rename(w->tree, parent, name, new_parent, new_name, 0, work_now(w));
        if (r < 0 || (there && there->id == old->id)) /* rename(2): two names of one inode both stay */
                return r;
        if (S_ISREG(old->mode))
                leave_path(w, from);
        model_move(w->model, from, to);
        return 0;
}

int operation_rename(struct work *w)
{
        const char *path = pick_name(w, S_IFREG);
        if (!path || is_streaming(w, path))
                return 0;
        g_autofree char *from = g_strdup(path);
        const char *over = work_random(w, 3) == 0 ? pick_name(w, S_IFREG) : NULL;
        g_autofree char *to = over ? g_strdup(over) : new_file_path(w, "renamed");
        return is_streaming(w, to) || strcmp(from, to) == 0 ? 0 : rename_told(w, from, to);
}

int operation_replace(struct work *w)
{
        const char *over = pick_name(w, S_IFREG);
        if (!over || is_streaming(w, over))
                return 0;
        g_autofree char *to = g_strdup(over), *from = g_strconcat(to, ".new", NULL);
        if (model_get(w->model, from))
                return 0;
        g_string_append(w->doing, "replace: write");
        int r = make_file(w, from, 1 + work_random(w, 6000));
        g_string_append(w->doing, ", ");
        return r < 0 ? r : rename_told(w, from, to);
}

int operation_rename_directory(struct work *w)
{
        const char *path = pick_name(w, S_IFDIR);
        if (!path || is_streaming(w, path))
                return 0;
        g_autofree char *from = g_strdup(path), *to = new_path(w, "moved");
        return is_below(to, from) ? 0 : rename_told(w, from, to);
}

/* ---- Attributes */

int operation_setattr(struct work *w)
{
        const char *path = pick_name(w, 0);
        uint64_t ino;
        struct tree_attr v = {
                .mode = work_random(w, 01000), .uid = work_random(w, 9), .gid = work_random(w, 9)
        };
        v.times.mtime = v.times.ctime = work_now(w);
        unsigned set = (1 + work_random(w, TREE_SET_ATIME - 1)) | TREE_SET_CTIME;
        if (!path || S_ISLNK(model_get(w->model, path)->mode))
                return 0;
        g_string_append_printf(w->doing, "setattr %s", path);
        int r = find_inode(w, path, &ino);
        if (r == 0)
                r = tree_setattr(w->tree, ino, set, &v, NULL);
        if (r < 0)
                return r;
        struct node *n = node_copy(model_get(w->model, path));
        if (set & TREE_SET_MODE)
                n->mode = (n->mode & S_IFMT) | v.mode;
        n->uid = set & TREE_SET_UID ? v.uid : n->uid;
        n->gid = set & TREE_SET_GID ? v.gid : n->gid;
        tell_inode(w, n);
        return 0;
}

int operation_xattr(struct work *w)
{
        const char *path = pick_name(w, S_IFREG);
        uint64_t ino;
        if (!path)
                return 0;
        struct node *n = node_copy(model_get(w->model, path));
        int r = find_inode(w, path, &ino);
        g_string_append_printf(w->doing, "xattr of %s", path);
        if (r == 0 && n->attribute) {
                g_clear_pointer(&n->attribute, g_free);
                r = tree_xattr_remove(w->tree, ino, MODEL_XATTR, work_now(w));
        } else if (r == 0) {
                n->attribute = g_strdup_printf("value %u", work_random(w, 1000000));
                r = tree_xattr_set(
                        w->tree, ino, MODEL_XATTR, n->attribute, strlen(n->attribute), 0, work_now(w));
        }
        if (r < 0)
                node_unref(n);
        else
                tell_inode(w, n);
        return r;
}

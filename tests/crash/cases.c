/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include <reelfs/log.h>
#include <reelfs/util.h>
#include <reelfs/virtual.h>

#include "cases.h"
#include "repair.h"

struct mounted {
        Tape *tape;
        Volume *volume;
        Tree *tree;
        struct volume_info info;
};

struct run {
        const char *path, *what;
        const struct window *window;
        struct totals *totals;
        struct recording *second;
        bool good;
};

static void wrong(struct run *r, unsigned *count, unsigned by, const char *text, const char *more)
{
        *count += by;
        r->good = false;
        if (!r->totals->silent)
                printf("%s: %s%s%s\n", r->what, text, *more ? ":\n" : "", more);
}

/* ---- Mounting */

static void unmount(struct mounted *m)
{
        volume_close(g_steal_pointer(&m->volume));
        tree_free(g_steal_pointer(&m->tree));
        tape_close(g_steal_pointer(&m->tape));
}

static int mount(const char *path, struct recording *recording, struct mounted *m)
{
        Transport *t;
        *m = (struct mounted){ 0 };
        int r = recording ? recording_open(recording, NULL, &t) : virtual_open(path, false, &t);
        if (r == 0)
                r = tape_open(t, "the tape", &m->tape);
        if (r == 0)
                r = volume_open(m->tape, false, &m->volume, &m->tree);
        if (r < 0)
                unmount(m);
        else
                volume_get_info(m->volume, &m->info);
        return r;
}

/* ---- Looking */

static void look(struct run *r, struct mounted *m, bool first)
{
        struct verdict v = { .text = g_string_new(NULL) };
        int error = check_volume(m->volume, m->tree, r->window, &v);
        if (error < 0)
                wrong(r, &r->totals->other, 1, "the volume cannot be looked at", g_strerror(-error));
        if (v.lost > 0)
                wrong(r, &r->totals->lost, v.lost, "what had been committed is lost", v.text->str);
        if (v.invented > 0)
                wrong(r, &r->totals->invented, v.invented, "there is what never was", v.text->str);
        if (first)
                r->totals->rescued += v.rescued;
        g_string_free(v.text, TRUE);
}

/* ---- Writing */

/* A file with a number of its own, committed. */
static int write_own(struct mounted *m, unsigned number)
{
        const struct tree_new_inode new_inode = { .mode = S_IFREG | 0600 };
        g_autofree uint8_t *data = g_malloc(CHECK_OWN_SIZE);
        g_autofree char *path = g_strdup_printf("%s%u", CHECK_OWN, number);
        struct iovec iov = { data, CHECK_OWN_SIZE };
        struct tree_attr attr;
        check_own_content(data, number);
        uint64_t id = volume_segment_new(m->volume, SEGMENT_FILE);
        int r = tree_create(m->tree, TREE_ROOT, path + 1, &new_inode, now_ns(), &attr);
        if (r < 0)
                return r;
        const struct tree_extent e = { 0, CHECK_OWN_SIZE, id, 0 };
        r = tree_put_extent(m->tree, attr.ino, &e, now_ns());
        tree_unref(m->tree, attr.ino, 1);
        if (r == 0)
                r = volume_append(m->volume, id, &iov, 1, true);
        return r ?: volume_commit(m->volume, m->tree, false, NULL);
}

static bool has_own(struct mounted *m, unsigned number)
{
        g_autofree uint8_t *data = g_malloc(CHECK_OWN_SIZE);
        g_autofree char *path = g_strdup_printf("%s%u", CHECK_OWN, number);
        struct tree_attr attr;
        if (tree_resolve(m->tree, path, &attr) < 0)
                return false;
        g_autoptr(GBytes) content = check_read(m->volume, m->tree, attr.ino);
        tree_unref(m->tree, attr.ino, 1);
        check_own_content(data, number);
        return content && g_bytes_get_size(content) == CHECK_OWN_SIZE &&
                memcmp(g_bytes_get_data(content, NULL), data, CHECK_OWN_SIZE) == 0;
}

/* One that is not there yet: of an earlier crash some may be. */
static unsigned new_number(struct mounted *m)
{
        struct tree_attr attr;
        for (unsigned number = 1;; number++) {
                g_autofree char *path = g_strdup_printf("%s%u", CHECK_OWN, number);
                if (tree_resolve(m->tree, path, &attr) < 0)
                        return number;
                tree_unref(m->tree, attr.ino, 1);
        }
}

/* What has been recovered stays, and so does what is written after it. Mounts anew. */
static void go_on(struct run *r, struct mounted *m)
{
        unsigned number = new_number(m);
        int error = write_own(m, number);
        if (error < 0)
                wrong(r, &r->totals->not_writable, 1, "it cannot be written to", g_strerror(-error));
        unmount(m);
        if (error < 0)
                return;
        error = mount(r->path, NULL, m);
        if (error < 0)
                return wrong(
                        r, &r->totals->failed_mounts, 1, "it cannot be mounted again", g_strerror(-error));
        if (m->info.read_only)
                wrong(r, &r->totals->not_writable, 1, "it is read-only the second time",
                        m->info.read_only_reason);
        if (!has_own(m, number))
                wrong(r, &r->totals->lost, 1, "what was written after the crash is not there", "");
        look(r, m, false);
        unmount(m);
}

/* ---- Repairing */

/* A tape that is written once stays as it is. */
static void refuse(struct run *r)
{
        g_autoptr(GBytes) before = file_bytes(r->path), after = NULL;
        struct repair result;
        int error = repair_volume(r->path, r->second, &result);
        after = file_bytes(r->path);
        if (error < 0)
                wrong(r, &r->totals->other, 1, "a repair that is to refuse fails", g_strerror(-error));
        else if (result.repaired || !g_bytes_equal(before, after))
                wrong(r, &r->totals->other, 1, "a repair has changed a tape that is written once", "");
        r->totals->refused++;
}

/* Mounts it for writing, as after a recovery. False: there is nothing to go on with. */
static bool repair(struct run *r, struct mounted *m)
{
        struct repair result;
        unmount(m);
        int error = repair_volume(r->path, r->second, &result);
        r->totals->repairs++;
        if (error < 0) {
                wrong(r, &r->totals->not_writable, 1, "it cannot be repaired", g_strerror(-error));
                return false;
        }
        if (!result.repaired || result.left > 0)
                wrong(r, &r->totals->not_writable, 1, "a repair leaves something", result.text);
        if (result.saved > 0)
                wrong(r, &r->totals->other, 1, "a repair overwrites what can be read", result.text);
        error = mount(r->path, NULL, m);
        if (error < 0) {
                wrong(r, &r->totals->failed_mounts, 1, "it cannot be mounted once repaired",
                        g_strerror(-error));
                return false;
        }
        if (m->info.read_only)
                wrong(r, &r->totals->not_writable, 1, "it is read-only once repaired",
                        m->info.read_only_reason);
        look(r, m, false);
        return true;
}

/* ---- The whole */

static bool is_worm(struct mounted *m)
{
        struct tape_info info;
        tape_get_info(m->tape, &info);
        return info.worm;
}

static void go_on_somehow(struct run *r, struct mounted *m, enum end end)
{
        bool mend = m->info.read_only && end != END_WRITTEN, worm = is_worm(m);
        if (mend && !worm && !repair(r, m))
                return;
        if (!m->info.read_only)
                return go_on(r, m);
        unmount(m);
        if (mend && worm)
                refuse(r);
}

bool case_verify(const char *path, const struct window *w, enum end end, struct recording *second,
        const char *what, struct totals *totals)
{
        struct run r = { path, what, w, totals, second, true };
        struct mounted m;
        int error = mount(path, second, &m);
        totals->mounts++;
        if (error < 0) {
                wrong(&r, &totals->failed_mounts, 1, "it cannot be mounted", g_strerror(-error));
                return false;
        }
        look(&r, &m, true);
        if (end == END_MISSING && !m.info.read_only)
                wrong(&r, &totals->other, 1, "it is writable without an end of data", "");
        if (end == END_WRITTEN && m.info.read_only && !w->lied)
                wrong(&r, &totals->not_writable, 1, "it is read-only", m.info.read_only_reason);
        go_on_somehow(&r, &m, end);
        return r.good;
}

bool case_run(const struct recording *r, const struct cut *cut, const char *path, const struct window *w,
        struct recording *second, const char *what, struct totals *totals)
{
        int error = recording_make(r, path, cut->size, cut->tail, cut->memory);
        if (error < 0) {
                printf("%s: %s: %s\n", what, path, g_strerror(-error));
                totals->other++;
                return false;
        }
        if (second)
                recording_begin(second, path, cut->tail == TAIL_END ? 0 : cut->size);
        return case_verify(path, w, cut->tail != TAIL_END ? END_MISSING : END_WRITTEN, second, what, totals);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* What the tests of the scheduler share: a volume on the virtual drive with a scheduler over it, and callers.
 */
#include <errno.h>
#include <glib.h>
#include <glib/gstdio.h>
#include <pthread.h>
#include <string.h>
#include <sys/stat.h>

#include <reelfs/fault.h>
#include <reelfs/log.h>
#include <reelfs/sched.h>
#include <reelfs/util.h>
#include <reelfs/virtual.h>

#include "compass.h"

#define BLOCK (64 << 10)
#define POOL (8 << 20)

struct fixture {
        char *dir, *path;
        struct sched_options options; /* buffer 0: POOL */
        const char *faults;           /* from the next mount on */
        struct compass compass;       /* in front of the drive */
        Transport *drive;             /* for virtual_statistics */
        Tape *tape;
        Volume *volume;
        Tree *tree;
        Sched *sched;
};

static inline void quiet(void *ctx, int priority, const char *text)
{
        g_test_message("%s", text);
}

static inline void mount_volume(struct fixture *fx)
{
        Transport *t;
        g_assert_cmpint(virtual_open(fx->path, false, &fx->drive), ==, 0);
        g_assert_cmpint(fault_wrap(fx->drive, fx->faults ?: "", "test", &t), ==, 0);
        fx->compass = (struct compass){ .transport.ops = &compass_ops, .under = t };
        g_assert_cmpint(tape_open(&fx->compass.transport, fx->path, &fx->tape), ==, 0);
        g_assert_cmpint(volume_open(fx->tape, false, &fx->volume, &fx->tree), ==, 0);
        struct sched_options o = fx->options;
        o.buffer = o.buffer ?: POOL;
        g_assert_cmpint(sched_new(fx->volume, fx->tree, &o, &fx->sched), ==, 0);
}

static inline int unmount_volume(struct fixture *fx)
{
        int r = sched_stop(fx->sched, NULL);
        sched_free(fx->sched);
        volume_close(fx->volume);
        tree_free(fx->tree);
        tape_close(fx->tape);
        return r;
}

static inline void set_up_with(struct fixture *fx, const struct virtual_cartridge *cartridge)
{
        log_set_sink(quiet, NULL);
        fx->dir = g_dir_make_tmp("reelfs-sched-XXXXXX", NULL);
        fx->path = g_build_filename(fx->dir, "tape.tap", NULL);
        g_assert_cmpint(virtual_create(fx->path, cartridge), ==, 0);
        Transport *t;
        g_assert_cmpint(virtual_open(fx->path, false, &t), ==, 0);
        g_assert_cmpint(tape_open(t, fx->path, &fx->tape), ==, 0);
        struct volume_format f = { .name = "TEST",
                .block_length = cartridge->lacks & VIRTUAL_NO_VARIABLE ? 0 : BLOCK };
        g_assert_cmpint(volume_format(fx->tape, &f), ==, 0);
        tape_close(fx->tape);
        mount_volume(fx);
}

static inline void set_up(struct fixture *fx, const void *data)
{
        struct virtual_cartridge plain = { 0 };
        set_up_with(fx, data ?: &plain);
}

static inline void remove_all(struct fixture *fx)
{
        g_autofree char *key = g_strconcat(fx->path, ".cartridge", NULL);
        g_unlink(key);
        g_unlink(fx->path);
        g_rmdir(fx->dir);
        g_free(fx->dir);
        g_free(fx->path);
}

static inline void tear_down(struct fixture *fx, const void *data)
{
        g_assert_cmpint(unmount_volume(fx), ==, 0);
        remove_all(fx);
}

/* ---- Callers */

struct bytes {
        const uint8_t *next;
};

static inline int fill(void *ctx, void *dst, size_t size)
{
        struct bytes *b = ctx;
        memcpy(dst, b->next, size);
        b->next += size;
        return 0;
}

static inline int write_at(SchedFile *f, uint64_t offset, const void *data, size_t size)
{
        struct bytes b = { data };
        struct sched_source source = { .fill = fill, .ctx = &b };
        size_t done;
        int r = sched_write(f, offset, size, &source, &done);
        if (r == 0)
                g_assert_cmpuint(done, ==, size);
        return r;
}

struct answer {
        pthread_mutex_t lock;
        pthread_cond_t cond;
        bool done;
        int error;
        uint8_t *buf;
        size_t size;
};
#define ANSWER                                                                         \
        {                                                                              \
                PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, false, 0, NULL, 0 \
        }

static inline void tell(struct answer *a, int error)
{
        pthread_mutex_lock(&a->lock);
        a->done = true;
        a->error = error;
        pthread_cond_signal(&a->cond);
        pthread_mutex_unlock(&a->lock);
}

static inline int wait_answer(struct answer *a)
{
        pthread_mutex_lock(&a->lock);
        while (!a->done)
                pthread_cond_wait(&a->cond, &a->lock);
        pthread_mutex_unlock(&a->lock);
        return a->error;
}

static inline void read_done(void *ctx, int error, const struct iovec *iov, int iovcnt)
{
        struct answer *a = ctx;
        for (int i = 0; i < iovcnt; i++) {
                memcpy(a->buf + a->size, iov[i].iov_base, iov[i].iov_len);
                a->size += iov[i].iov_len;
        }
        tell(a, error);
}

static inline int read_at(SchedFile *f, uint64_t offset, void *buf, size_t size, size_t *got)
{
        struct answer a = ANSWER;
        a.buf = buf;
        sched_read(f, offset, size, read_done, &a);
        int r = wait_answer(&a);
        *got = a.size;
        return r;
}

static inline void sync_done(void *ctx, int error)
{
        tell(ctx, error);
}

static inline int sync_all(Sched *s, SchedFile *f)
{
        struct answer a = ANSWER;
        sched_sync(s, f, sync_done, &a);
        return wait_answer(&a);
}

static inline uint64_t new_file(struct fixture *fx, const char *name)
{
        struct tree_new_inode n = { .mode = S_IFREG | 0644 };
        struct tree_attr attr;
        g_assert_cmpint(tree_create(fx->tree, TREE_ROOT, name, &n, now_ns(), &attr), ==, 0);
        tree_unref(fx->tree, attr.ino, 1);
        return attr.ino;
}

static inline SchedFile *open_name(struct fixture *fx, const char *name)
{
        struct tree_attr attr;
        SchedFile *f;
        g_assert_cmpint(tree_resolve(fx->tree, name, &attr), ==, 0);
        g_assert_cmpint(sched_open(fx->sched, attr.ino, &f), ==, 0);
        tree_unref(fx->tree, attr.ino, 1);
        return f;
}

static inline void pattern(uint8_t *buf, size_t size, uint32_t seed)
{
        for (size_t i = 0; i < size; i++) {
                seed = seed * 1664525 + 1013904223;
                buf[i] = (uint8_t)(seed >> 24);
        }
}

static inline void assert_content(SchedFile *f, const uint8_t *expected, size_t size)
{
        enum { STEP = 300001 };
        g_autofree uint8_t *buf = g_malloc(STEP);
        size_t got;
        for (size_t at = 0; at < size; at += got) {
                g_assert_cmpint(read_at(f, at, buf, STEP, &got), ==, 0);
                g_assert_cmpuint(got, ==, MIN(STEP, size - at));
                g_assert_cmpint(memcmp(buf, expected + at, got), ==, 0);
        }
        g_assert_cmpint(read_at(f, size, buf, STEP, &got), ==, 0);
        g_assert_cmpuint(got, ==, 0);
}

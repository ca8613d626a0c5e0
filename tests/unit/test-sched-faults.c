/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Several writers at once, and a write that fails amid them. What a sync has promised, and nobody has
 * overwritten since, is there to the byte: at once, after going on, and after the next mount. Each other byte
 * is what it was then, or what somebody has written there since, or cannot be read. */
#include <stdatomic.h>

#include "sched-fixture.h"

enum { THREADS = 4, FILES = 3, MAX = 600000, OPS = 120, STEP = 512 };

/* A file, as it should be. All bytes of a write are its number. */
struct model {
        char name[16];
        SchedFile *f;
        uint8_t data[MAX];
        size_t size;
        uint8_t safe[MAX]; /* as of the last sync */
        size_t safe_size;
        bool touched[MAX]; /* since then */
        unsigned writes;
        struct {
                size_t offset, size;
        } write[UINT8_MAX + 1];
};

struct worker {
        struct fixture *fx;
        uint32_t seed;
        struct model models[FILES];
        unsigned before[FILES]; /* writes */
        atomic_bool *failed;
        pthread_t thread;
};

static uint32_t draw(struct worker *w, uint32_t n)
{
        w->seed = w->seed * 1664525 + 1013904223;
        return (w->seed >> 8) % n;
}

static void write_one(struct worker *w, struct model *m)
{
        g_autofree uint8_t *data = g_malloc(MAX);
        size_t offset = draw(w, 3) ? draw(w, (uint32_t)m->size + 1) : m->size, done,
               size = 1 + draw(w, draw(w, 3) ? 3000 : 200000);
        if (m->writes == UINT8_MAX)
                return;
        offset = offset == MAX ? 0 : offset;
        size = MIN(size, MAX - offset);
        memset(data, (int)++m->writes, size);
        struct bytes b = { data };
        struct sched_source source = { .fill = fill, .ctx = &b };
        int r = sched_write(m->f, offset, size, &source, &done);
        m->write[m->writes].offset = offset;
        m->write[m->writes].size = done;
        memcpy(m->data + offset, data, done);
        memset(m->touched + offset, 1, done);
        m->size = done > 0 ? MAX(m->size, offset + done) : m->size;
        if (r < 0)
                atomic_store(w->failed, true);
}

static void take_sync(struct model *m)
{
        memcpy(m->safe, m->data, MAX);
        m->safe_size = m->size;
        memset(m->touched, 0, sizeof(m->touched));
}

static void *work(void *arg)
{
        struct worker *w = arg;
        for (unsigned i = 0; i < OPS && !atomic_load(w->failed); i++) {
                struct model *m = &w->models[draw(w, FILES)];
                unsigned op = draw(w, 20);
                m->f = m->f ?: open_name(w->fx, m->name);
                if (op < 13)
                        write_one(w, m);
                else if (op < 16)
                        sched_release(g_steal_pointer(&m->f));
                else if (op > 16)
                        g_usleep(draw(w, 3000));
                else if (sync_all(w->fx->sched, m->f) == 0)
                        take_sync(m);
        }
        for (unsigned k = 0; k < FILES; k++)
                if (w->models[k].f)
                        sched_release(g_steal_pointer(&w->models[k].f));
        return NULL;
}

static bool may_be(const struct model *m, size_t at, uint8_t byte)
{
        uint8_t safe = at < m->safe_size ? m->safe[at] : 0;
        if (byte == safe)
                return true;
        return m->touched[at] && byte > safe && byte <= m->writes && at >= m->write[byte].offset &&
                at - m->write[byte].offset < m->write[byte].size;
}

static void check_model(struct fixture *fx, const struct model *m)
{
        uint8_t buf[STEP];
        SchedFile *f = open_name(fx, m->name);
        for (size_t at = 0; at < m->size; at += STEP) {
                size_t got, end = MIN(at + STEP, m->size);
                int r = read_at(f, at, buf, end - at, &got);
                g_assert_true(r == 0 || r == -EIO);
                bool any = false;
                for (size_t i = at; i < end; i++) {
                        any |= m->touched[i];
                        if (r == 0 && i - at < got)
                                g_assert_true(may_be(m, i, buf[i - at]));
                        else if (r == 0)
                                g_assert_true(m->touched[i] || i >= m->safe_size);
                }
                g_assert_true(r == 0 || any);
        }
        sched_release(f);
}

static void check_all(struct worker *w)
{
        for (unsigned i = 0; i < THREADS; i++)
                for (unsigned k = 0; k < FILES; k++)
                        check_model(w[i].fx, &w[i].models[k]);
}

static void start(struct worker *w)
{
        atomic_store(w->failed, false);
        for (unsigned i = 0; i < THREADS; i++)
                g_assert_cmpint(pthread_create(&w[i].thread, NULL, work, &w[i]), ==, 0);
}

static void join(struct worker *w)
{
        for (unsigned i = 0; i < THREADS; i++)
                pthread_join(w[i].thread, NULL);
}

/* What was written since the failure is safe now; what was lost then is so still. */
static void take_news(struct worker *w)
{
        for (unsigned i = 0; i < THREADS; i++)
                for (unsigned k = 0; k < FILES; k++) {
                        struct model *m = &w[i].models[k];
                        for (size_t at = 0; at < m->size; at++) {
                                if (m->data[at] <= w[i].before[k])
                                        continue;
                                m->safe[at] = m->data[at];
                                m->touched[at] = false;
                                m->safe_size = MAX(m->safe_size, at + 1);
                        }
                }
}

static void go_on(struct fixture *fx, struct worker *w)
{
        char why[VOLUME_WHY_MAX];
        struct answer a = ANSWER;
        for (unsigned i = 0; i < THREADS; i++)
                for (unsigned k = 0; k < FILES; k++)
                        w[i].before[k] = w[i].models[k].writes;
        sched_resume(fx->sched, why, sync_done, &a);
        g_assert_cmpint(wait_answer(&a), ==, 0);
        check_all(w);
        start(w);
        join(w);
        g_assert_false(atomic_load(w->failed));
        g_assert_cmpint(sync_all(fx->sched, NULL), ==, 0);
        take_news(w);
        check_all(w);
}

static void remount(struct fixture *fx, const char *faults)
{
        unmount_volume(fx);
        fx->faults = faults;
        mount_volume(fx);
        fx->faults = NULL;
}

static struct worker *workers_new(struct fixture *fx, uint32_t seed, atomic_bool *failed)
{
        struct worker *w = g_new0(struct worker, THREADS);
        for (unsigned i = 0; i < THREADS; i++) {
                w[i].fx = fx;
                w[i].seed = seed * THREADS + i;
                w[i].failed = failed;
                for (unsigned k = 0; k < FILES; k++) {
                        g_snprintf(w[i].models[k].name, sizeof(w[i].models[k].name), "f%u-%u", i, k);
                        new_file(fx, w[i].models[k].name);
                }
        }
        g_assert_cmpint(sync_all(fx->sched, NULL), ==, 0);
        return w;
}

static void test_faults(struct fixture *fx, const void *data)
{
        const char *fault = data;
        g_autofree char *now = g_build_filename(fx->dir, "now", NULL),
                        *rules = g_strdup_printf("if=%s %s;opcode=0a delay=1 count=all", now, fault);
        atomic_bool failed = false;
        static uint32_t seed;
        fx->options.linger_ms = 20;
        fx->options.quantum = 200000;
        remount(fx, rules);
        g_autofree struct worker *w = workers_new(fx, ++seed, &failed);
        start(w);
        g_usleep(50000 + 25000 * seed);
        g_assert_true(g_file_set_contents(now, "", 0, NULL));
        join(w);
        /* There is something for an index to say, should no write have met the fault. */
        new_file(fx, "last");
        g_assert_cmpint(sync_all(fx->sched, NULL), <, 0);
        g_unlink(now);
        check_all(w);
        if (seed % 2)
                go_on(fx, w);
        remount(fx, NULL);
        check_all(w);
}

static void set_up_plain(struct fixture *fx, const void *data)
{
        set_up(fx, NULL);
}

int main(int argc, char **argv)
{
        static const char *const faults[] = { "opcode=0a sense=3/0c/00", "opcode=0a sense=3/0c/00 deferred",
                "opcode=10 sense=3/0c/00", "opcode=0a,10 count=2 sense=3/0c/00",
                "opcode=0a partial=1 sense=3/0c/00" };
        g_test_init(&argc, &argv, NULL);
        for (unsigned i = 0; i < 2 * G_N_ELEMENTS(faults); i++) {
                g_autofree char *name = g_strdup_printf("/sched-faults/%u", i + 1);
                g_test_add(name, struct fixture, faults[i % G_N_ELEMENTS(faults)], set_up_plain, test_faults,
                        tear_down);
        }
        return g_test_run();
}

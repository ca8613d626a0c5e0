/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a mount answers on its control socket. */
#include <errno.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#include <reelfs/control.h>
#include <reelfs/log.h>
#include <reelfs/util.h>

#include "frontend.h"

#define REPORT_NS INT64_C(200000000)

struct control {
        struct frontend *fe;
        ControlServer *server;
        pthread_t reporter;
        bool reporting;
        pthread_rwlock_t requests; /* read: a request is being handled; write: closing is set */
        bool closing;
        pthread_mutex_t lock; /* for the rest */
        pthread_cond_t changed;
        bool stop;
        atomic_uint_fast64_t names_done, names_total; /* of the index being written; without the lock */
};

static void reply_result(ControlClient *client, int r)
{
        if (r < 0)
                control_server_reply(client, "error %d %s", -r, strerror(-r));
        else
                control_server_reply(client, "ok");
}

/* ---- sync */

struct sync_wait {
        pthread_mutex_t lock;
        pthread_cond_t changed;
        bool done;
        int error;
};

static void sync_done(void *ctx, int error)
{
        struct sync_wait *w = ctx;
        pthread_mutex_lock(&w->lock);
        w->done = true;
        w->error = error;
        pthread_cond_signal(&w->changed);
        pthread_mutex_unlock(&w->lock);
}

/* Waits for what sched_sync or sched_resume tells. */
static int await(struct sync_wait *w)
{
        pthread_mutex_lock(&w->lock);
        while (!w->done)
                pthread_cond_wait(&w->changed, &w->lock);
        pthread_mutex_unlock(&w->lock);
        return w->error;
}

static bool request_sync(struct control *c, ControlClient *client)
{
        struct sync_wait w = { PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, false, 0 };
        sched_sync(c->fe->sched, NULL, sync_done, &w);
        reply_result(client, await(&w));
        return false;
}

static bool request_resume(struct control *c, ControlClient *client)
{
        struct sync_wait w = { PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, false, 0 };
        char why[VOLUME_WHY_MAX];
        struct volume_info info;
        sched_resume(c->fe->sched, why, sync_done, &w);
        int r = await(&w);
        volume_get_info(c->fe->volume, &info);
        const char *text = why[0] ? why : info.read_only_reason;
        if (r < 0 && text[0])
                control_server_reply(client, "error %d writing cannot go on: %s", -r, text);
        else
                reply_result(client, r);
        return false;
}

/* ---- status */

static bool request_status(struct control *c, ControlClient *client)
{
        g_autofree char *text = status_text(c->fe);
        for (const char *line = text, *end; (end = strchr(line, '\n')); line = end + 1)
                control_server_reply(client, "%.*s", (int)(end - line), line);
        control_server_reply(client, "ok");
        return false;
}

static bool request_wait(struct control *c, ControlClient *client)
{
        control_server_reply(client, "waiting");
        return true;
}

static bool request(void *ctx, ControlClient *client, const char *line)
{
        static const struct {
                const char *line;
                bool (*handle)(struct control *c, ControlClient *client);
        } requests[] = { { "sync", request_sync }, { "resume", request_resume }, { "status", request_status },
                { "wait", request_wait } };
        struct control *c = ctx;
        unsigned i = 0;
        while (i < G_N_ELEMENTS(requests) && strcmp(line, requests[i].line) != 0)
                i++;
        if (i == G_N_ELEMENTS(requests)) {
                control_server_reply(client, "error %d unknown request", EINVAL);
                return false;
        }
        pthread_rwlock_rdlock(&c->requests);
        bool wait = false;
        if (c->closing && requests[i].handle != request_wait)
                control_server_reply(client, "error %d the volume is being closed", ESHUTDOWN);
        else
                wait = requests[i].handle(c, client);
        pthread_rwlock_unlock(&c->requests);
        return wait;
}

/* ---- Closing */

/* The tree is locked: no lock may be taken here. */
void control_progress(void *ctx, uint64_t done, uint64_t total)
{
        struct control *c = ctx;
        atomic_store(&c->names_done, done);
        atomic_store(&c->names_total, total);
}

static void report_once(struct control *c, uint64_t *most)
{
        struct sched_status st;
        sched_get_status(c->fe->sched, &st);
        uint64_t names = atomic_load(&c->names_total);
        *most = MAX(*most, st.dirty);
        if (st.dirty > 0)
                control_server_broadcast(c->server,
                        "progress %" G_GUINT64_FORMAT " %" G_GUINT64_FORMAT " writing data", *most - st.dirty,
                        *most);
        else
                control_server_broadcast(c->server,
                        "progress %" G_GUINT64_FORMAT " %" G_GUINT64_FORMAT " writing the index",
                        (uint64_t)atomic_load(&c->names_done), MAX(names, 1));
}

static void *report(void *arg)
{
        struct control *c = arg;
        uint64_t most = 1;
        pthread_mutex_lock(&c->lock);
        while (!c->stop) {
                pthread_mutex_unlock(&c->lock);
                report_once(c, &most);
                pthread_mutex_lock(&c->lock);
                int64_t until = monotonic_ns() + REPORT_NS;
                struct timespec ts = { until / 1000000000, until % 1000000000 };
                if (!c->stop)
                        pthread_cond_timedwait(&c->changed, &c->lock, &ts);
        }
        pthread_mutex_unlock(&c->lock);
        return NULL;
}

void control_closing(struct control *c)
{
        pthread_rwlock_wrlock(&c->requests);
        c->closing = true;
        pthread_rwlock_unlock(&c->requests);
        c->reporting = pthread_create(&c->reporter, NULL, report, c) == 0;
}

void control_closed(struct control *c)
{
        pthread_mutex_lock(&c->lock);
        c->stop = true;
        pthread_cond_signal(&c->changed);
        pthread_mutex_unlock(&c->lock);
        if (c->reporting)
                pthread_join(c->reporter, NULL);
        control_server_broadcast(c->server, "progress 1 1 rewinding");
}

void control_finish(struct control *c, int result, const char *loss)
{
        if (result < 0)
                control_server_broadcast(c->server, "error %d %s", -result, loss ?: strerror(-result));
        else
                control_server_broadcast(c->server, "ok");
        control_server_free(c->server);
        pthread_cond_destroy(&c->changed);
        pthread_mutex_destroy(&c->lock);
        pthread_rwlock_destroy(&c->requests);
        g_free(c);
}

int control_start(struct frontend *fe, struct control **ret)
{
        struct mount_entry e;
        int r = mount_entry_find(fe->options->mountpoint, &e);
        if (r < 0)
                return log_error_errno(r, "%s: cannot find the mount", fe->options->mountpoint);
        g_autofree char *path = control_socket_path(e.device, geteuid());
        mount_entry_clear(&e);
        struct control *c = g_new0(struct control, 1);
        c->fe = fe;
        pthread_mutex_init(&c->lock, NULL);
        pthread_rwlock_init(&c->requests, NULL);
        pthread_condattr_t attr;
        pthread_condattr_init(&attr);
        pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
        pthread_cond_init(&c->changed, &attr);
        pthread_condattr_destroy(&attr);
        r = control_server_new(path, request, c, &c->server);
        if (r < 0) {
                g_free(c);
                return r;
        }
        *ret = c;
        return 0;
}

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

static bool request_sync(struct control *c, ControlClient *client)
{
        struct sync_wait w = { PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, false, 0 };
        sched_sync(c->fe->sched, NULL, sync_done, &w);
        pthread_mutex_lock(&w.lock);
        while (!w.done)
                pthread_cond_wait(&w.changed, &w.lock);
        pthread_mutex_unlock(&w.lock);
        reply_result(client, w.error);
        return false;
}

/* ---- status */

static bool request_status(struct control *c, ControlClient *client)
{
        struct sched_status st;
        struct volume_info v;
        struct tree_counts counts;
        sched_get_status(c->fe->sched, &st);
        volume_get_info(c->fe->volume, &v);
        tree_get_counts(c->fe->tree, &counts);
        const struct {
                const char *key;
                uint64_t value;
        } figures[] = {
                { "pool", st.pool },
                { "pool_used", st.pool_used },
                { "pool_pinned", st.pinned },
                { "dirty", st.dirty },
                { "received_in_place", atomic_load(&c->fe->received.in_place) },
                { "received_copied", atomic_load(&c->fe->received.copied) },
                { "received_through_pages", atomic_load(&c->fe->received.through_pages) },
                { "maps_direct", atomic_load(&c->fe->maps_direct) },
                { "max_write", REQUEST_MAX },
                { "written", st.written },
                { "read", st.read },
                { "commits", st.commits },
                { "seconds_since_commit", st.seconds_since_commit },
                { "capacity", st.total },
                { "remaining", st.remaining },
                { "open_files", st.open_files },
                { "queued_reads", st.queued_reads },
                { "read_only", st.read_only },
                { "reserved", c->fe->options->reserve },
                { "error", (uint64_t)-st.error },
                { "formatted", (uint64_t)v.format_time },
                { "generation", v.generation },
                { "last_index", (uint64_t)v.update_time },
                { "index_block", v.index_block },
                { "index_length", v.index_length },
                { "segments", v.segments },
                { "block_length", v.block_length },
                { "files", counts.inodes - counts.directories },
                { "directories", counts.directories },
                { "names", counts.names },
                { "bytes_in_files", counts.bytes },
                { "tree_memory", counts.memory },
        };
        control_server_reply(client, "name=%s", v.name);
        control_server_reply(client, "uuid=%s", v.uuid);
        control_server_reply(client, "creator=%s", v.creator);
        control_server_reply(client, "format=%s", v.format_version);
        control_server_reply(client, "address=%s", c->fe->options->address);
        g_autofree char *how = tape_describe(volume_tape(c->fe->volume));
        control_server_reply(client, "reached=%s", how);
        if (v.read_only_reason[0])
                control_server_reply(client, "read_only_reason=%s", v.read_only_reason);
        for (unsigned i = 0; i < G_N_ELEMENTS(figures); i++)
                control_server_reply(client, "%s=%" G_GUINT64_FORMAT, figures[i].key, figures[i].value);
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
        } requests[] = { { "sync", request_sync }, { "status", request_status }, { "wait", request_wait } };
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

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a mount says of itself, on the control socket and as attributes of its root. */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include <reelfs/log.h>
#include <reelfs/util.h>

#include "frontend.h"
#include "rate.h"

#define NS INT64_C(1000000000)

struct monitor {
        struct frontend *fe;
        pthread_t thread;
        pthread_mutex_t lock; /* for the rest */
        pthread_cond_t changed;
        bool stop;
        struct rate written, read;
};

/* ---- Rates */

static void look(struct monitor *m)
{
        struct sched_status st;
        sched_get_status(m->fe->sched, &st);
        int64_t now = monotonic_ns();
        rate_sample(&m->written, now, st.written, st.dirty > 0);
        rate_sample(&m->read, now, st.read, st.activity == ACTIVITY_READING);
}

static void *monitor_main(void *arg)
{
        struct monitor *m = arg;
        pthread_mutex_lock(&m->lock);
        while (!m->stop) {
                look(m);
                int64_t until = monotonic_ns() + NS;
                struct timespec ts = { until / NS, until % NS };
                while (!m->stop && pthread_cond_timedwait(&m->changed, &m->lock, &ts) != ETIMEDOUT)
                        ;
        }
        pthread_mutex_unlock(&m->lock);
        return NULL;
}

static void release(struct monitor *m)
{
        pthread_cond_destroy(&m->changed);
        pthread_mutex_destroy(&m->lock);
        g_free(m);
}

struct monitor *monitor_new(struct frontend *fe)
{
        struct monitor *m = g_new0(struct monitor, 1);
        m->fe = fe;
        pthread_condattr_t attr;
        pthread_condattr_init(&attr);
        pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
        pthread_cond_init(&m->changed, &attr);
        pthread_condattr_destroy(&attr);
        pthread_mutex_init(&m->lock, NULL);
        int r = -pthread_create(&m->thread, NULL, monitor_main, m);
        if (r < 0) {
                log_message(LOG_ERR, r, "cannot start a thread");
                release(m);
                return NULL;
        }
        return m;
}

void monitor_free(struct monitor *m)
{
        pthread_mutex_lock(&m->lock);
        m->stop = true;
        pthread_cond_signal(&m->changed);
        pthread_mutex_unlock(&m->lock);
        pthread_join(m->thread, NULL);
        release(m);
}

/* ---- Figures */

static void put_text(GString *to, const char *key, const char *value)
{
        g_autofree char *line = g_strdup(value);
        for (char *p = line; *p; p++)
                if (g_ascii_iscntrl(*p))
                        *p = '?';
        g_string_append_printf(to, "%s=%s\n", key, line);
}

struct figure {
        const char *key;
        uint64_t value;
};

static void put_figures(GString *to, const struct figure *figures, size_t n)
{
        for (size_t i = 0; i < n; i++)
                g_string_append_printf(to, "%s=%" PRIu64 "\n", figures[i].key, figures[i].value);
}

static const char *activity_text(const struct sched_status *st)
{
        static const char *const texts[] = { [ACTIVITY_IDLE] = "idle",
                [ACTIVITY_GATHERING] = "gathering",
                [ACTIVITY_WRITING] = "writing",
                [ACTIVITY_READING] = "reading",
                [ACTIVITY_COMMITTING] = "committing" };
        return st->error ? "failed" : texts[st->activity];
}

static void put_job(GString *to, struct monitor *m, const struct sched_status *st)
{
        pthread_mutex_lock(&m->lock);
        uint64_t write_now = rate_now(&m->written), write_mean = rate_mean(&m->written),
                 read_now = rate_now(&m->read), read_mean = rate_mean(&m->read);
        pthread_mutex_unlock(&m->lock);
        static const char *const pages[] = { [POOL_PAGES_SMALL] = "small",
                [POOL_PAGES_TRANSPARENT] = "transparent",
                [POOL_PAGES_RESERVED] = "reserved" };
        put_text(to, "state", activity_text(st));
        put_text(to, "pool_pages", pages[st->pages]);
        const struct figure figures[] = {
                { "pool", st->pool },
                { "pool_used", st->pool_used },
                { "pool_pinned", st->pinned },
                { "received_in_place", atomic_load(&m->fe->received.in_place) },
                { "received_copied", atomic_load(&m->fe->received.copied) },
                { "received_through_pages", atomic_load(&m->fe->received.through_pages) },
                { "maps_direct", atomic_load(&m->fe->maps_direct) },
                { "max_write", REQUEST_MAX },
                { "workers", MOUNT_WORKERS },
                { "dirty", st->dirty },
                { "written", st->written },
                { "write_rate", write_now },
                { "write_rate_mean", write_mean },
                { "read", st->read },
                { "read_rate", read_now },
                { "read_rate_mean", read_mean },
                { "stops", st->stops },
                { "commits", st->commits },
                { "seconds_since_commit", st->seconds_since_commit },
                { "files_since_commit", st->files_since_commit },
                { "bytes_since_commit", st->bytes_since_commit },
                { "capacity", st->total },
                { "remaining", st->remaining },
                { "open_files", st->open_files },
                { "queued_reads", st->queued_reads },
                { "read_only", st->read_only },
                { "error", (uint64_t)-st->error },
        };
        put_figures(to, figures, G_N_ELEMENTS(figures));
        if (st->total > 0 && write_mean > 0)
                put_figures(to, &(struct figure){ "seconds_until_full", st->remaining / write_mean }, 1);
}

static void put_volume(GString *to, struct frontend *fe, const struct volume_info *v)
{
        struct tree_counts counts;
        tree_get_counts(fe->tree, &counts);
        const struct figure figures[] = {
                { "reserved", fe->options->reserve },
                { "formatted", (uint64_t)v->format_time },
                { "generation", v->generation },
                { "last_index", (uint64_t)v->update_time },
                { "index_block", v->index_block },
                { "index_length", v->index_length },
                { "segments", v->segments },
                { "block_length", v->block_length },
                { "files", counts.inodes - counts.directories },
                { "directories", counts.directories },
                { "names", counts.names },
                { "bytes_in_files", counts.bytes },
                { "tree_memory", counts.memory },
        };
        put_figures(to, figures, G_N_ELEMENTS(figures));
}

char *status_text(struct frontend *fe)
{
        struct sched_status st;
        struct volume_info v;
        sched_get_status(fe->sched, &st);
        volume_get_info(fe->volume, &v);
        GString *to = g_string_new(NULL);
        put_text(to, "name", v.name);
        put_text(to, "uuid", v.uuid);
        put_text(to, "creator", v.creator);
        put_text(to, "format", v.format_version);
        put_text(to, "address", fe->options->address);
        g_autofree char *how = tape_describe(volume_tape(fe->volume));
        put_text(to, "reached", how);
        if (v.read_only_reason[0])
                put_text(to, "read_only_reason", v.read_only_reason);
        put_job(to, fe->monitor, &st);
        put_volume(to, fe, &v);
        return g_string_free(to, FALSE);
}

char *status_value(struct frontend *fe, const char *key)
{
        g_autofree char *text = status_text(fe);
        size_t length = strlen(key);
        for (const char *line = text, *end; (end = strchr(line, '\n')); line = end + 1)
                if (strncmp(line, key, length) == 0 && line[length] == '=')
                        return g_strndup(line + length + 1, (gsize)(end - line) - length - 1);
        return NULL;
}

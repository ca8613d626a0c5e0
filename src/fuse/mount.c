/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A mount's life: session, loop, closing. */
#include <errno.h>
#include <string.h>

#include <reelfs/log.h>
#include <reelfs/util.h>

#include "session-loop.h"

static void op_init(void *userdata, struct fuse_conn_info *conn)
{
        conn->want |= conn->capable &
                (FUSE_CAP_POSIX_ACL | FUSE_CAP_DONT_MASK | FUSE_CAP_EXPORT_SUPPORT | FUSE_CAP_CACHE_SYMLINKS);
        /* The kernel knows who may keep set-user-ID bits; but of an OPEN that truncates it does not say. */
        conn->want &= ~(FUSE_CAP_ATOMIC_O_TRUNC | FUSE_CAP_HANDLE_KILLPRIV);
        /* Written data may not be reordered by the kernel; and payloads are to come as memory (receiver.c).
         */
        conn->want &= ~(FUSE_CAP_WRITEBACK_CACHE | FUSE_CAP_SPLICE_READ);
        conn->max_write = REQUEST_MAX;
        conn->max_readahead = REQUEST_MAX;
        conn->max_background = 2 * MOUNT_WORKERS;
        conn->congestion_threshold = 2 * MOUNT_WORKERS;
        conn->time_gran = 1;
}

/* Commas and backslashes in an option's value, as libfuse wants them. */
static char *escape_option(const char *text)
{
        GString *s = g_string_new(NULL);
        for (; *text; text++) {
                if (*text == ',' || *text == '\\')
                        g_string_append_c(s, '\\');
                g_string_append_c(s, *text);
        }
        return g_string_free(s, FALSE);
}

static int session_arguments(const struct mount_options *o, struct fuse_args *args)
{
        g_autofree char *source = escape_option(o->address);
        g_autoptr(GString) options = g_string_new(NULL);
        g_string_printf(options, "fsname=%s,subtype=reelfs,default_permissions", source);
        if (o->allow_other)
                g_string_append(options, ",allow_other");
        if (o->read_only)
                g_string_append(options, ",ro");
        if (o->fuse && *o->fuse)
                g_string_append_printf(options, ",%s", o->fuse);
        if (fuse_opt_add_arg(args, "reelfs") < 0 || fuse_opt_add_arg(args, "-o") < 0 ||
                fuse_opt_add_arg(args, options->str) < 0 ||
                (o->debug_fuse && fuse_opt_add_arg(args, "-d") < 0))
                return -ENOMEM;
        return 0;
}

static int session_new(struct frontend *fe)
{
        struct fuse_lowlevel_ops ops = { .init = op_init };
        ops_names(&ops);
        ops_attributes(&ops);
        ops_data(&ops);
        struct fuse_args args = FUSE_ARGS_INIT(0, NULL);
        int r = session_arguments(fe->options, &args);
        if (r == 0) {
                fe->session = fuse_session_new(&args, &ops, sizeof(ops), fe);
                r = fe->session ? 0 : -EINVAL;
        }
        fuse_opt_free_args(&args);
        if (r < 0)
                return log_error(r, "%s: FUSE does not take these mount options: %s", fe->options->mountpoint,
                        fe->options->fuse ?: "");
        return 0;
}

static void serve(struct frontend *fe)
{
        int r = session_loop_run(fe->loop);
        if (r < 0)
                log_message(LOG_ERR, r, "%s: the connection to the kernel broke", fe->options->mountpoint);
}

/* Everything between mounting and the last answer of the kernel. 0: it was mounted. */
static int mount_and_serve(
        struct frontend *fe, const struct mount_hooks *hooks, void *ctx, struct control **control)
{
        fe->loop = session_loop_new(fe, MOUNT_WORKERS);
        if (fuse_session_mount(fe->session, fe->options->mountpoint) < 0)
                return log_error(-EIO, "%s: cannot mount there; see the line above", fe->options->mountpoint);
        read_ahead_widen(fe->options->mountpoint);
        int r = direct_prepare(fe) ?: control_start(fe, control);
        if (r == 0)
                r = hooks->ready(ctx);
        if (r == 0)
                serve(fe);
        hooks->unmount(ctx);
        fuse_session_unmount(fe->session);
        return r;
}

/* For people: what of all that was accepted is not on the tape. */
static char *describe_loss(struct frontend *fe, int error)
{
        struct volume_info info;
        struct sched_status st;
        volume_get_info(fe->volume, &info);
        sched_get_status(fe->sched, &st);
        if (volume_is_dirty(fe->volume, fe->tree)) {
                g_autoptr(GDateTime) date = g_date_time_new_from_unix_local(info.update_time / 1000000000);
                g_autofree char *text = date ? g_date_time_format(date, "%F %T") : NULL;
                return g_strdup_printf(
                        "%s; what was written since %s is lost", strerror(-error), text ?: "the last index");
        }
        if (st.lost > 0)
                return g_strdup_printf("%s; %" G_GUINT64_FORMAT " file%s lost data, see the log",
                        strerror(-error), st.lost, st.lost == 1 ? " has" : "s have");
        return g_strdup_printf("%s; all that was accepted is on the tape", strerror(-error));
}

static int stop_scheduler(struct frontend *fe, struct control *control, char **loss)
{
        struct volume_progress progress = { control_progress, control };
        if (control)
                control_closing(control);
        if (fe->monitor)
                monitor_free(fe->monitor);
        int r = sched_stop(fe->sched, control ? &progress : NULL);
        if (control)
                control_closed(control);
        if (r < 0) {
                *loss = describe_loss(fe, r);
                log_message(LOG_ERR, 0, "%s: %s", fe->options->address, *loss);
        }
        sched_free(fe->sched);
        return r;
}

static int run(struct frontend *fe, const struct mount_hooks *hooks, void *ctx, struct control **control,
        char **loss)
{
        int r = sched_new(fe->volume, fe->tree, &fe->options->sched, &fe->sched);
        if (r < 0)
                return r;
        fe->park = park_new(fe);
        fe->monitor = monitor_new(fe);
        r = fe->park && fe->monitor ? session_new(fe) : -EAGAIN;
        if (r == 0)
                r = mount_and_serve(fe, hooks, ctx, control);
        if (fe->park)
                park_free(fe->park);
        int lost = stop_scheduler(fe, *control, loss);
        if (fe->session)
                fuse_session_destroy(fe->session);
        return r ?: lost;
}

int mount_serve(Volume *volume, Tree *tree, const struct mount_options *options,
        const struct mount_hooks *hooks, void *ctx)
{
        struct mount_options own = *options;
        struct control *control = NULL;
        if (own.sched.max_waiters == 0)
                own.sched.max_waiters = MOUNT_WORKERS / 2;
        own.read_only = own.read_only || volume_is_read_only(volume);
        struct frontend fe = {
                .volume = volume,
                .tree = tree,
                .options = &own,
                .cached = g_hash_table_new(NULL, NULL),
                .directories = g_hash_table_new_full(NULL, NULL, g_free, NULL),
        };
        pthread_mutex_init(&fe.cached_lock, NULL);
        g_autofree char *loss = NULL;
        int r = run(&fe, hooks, ctx, &control, &loss);
        int closed = hooks->close(ctx);
        r = r ?: closed;
        if (control)
                control_finish(control, r, loss);
        session_loop_free(fe.loop);
        g_hash_table_destroy(fe.cached);
        g_hash_table_destroy(fe.directories);
        pthread_mutex_destroy(&fe.cached_lock);
        return r;
}

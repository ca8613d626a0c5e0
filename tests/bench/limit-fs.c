/* SPDX-License-Identifier: GPL-2.0-or-later */
/* limit-fs null|memory DIR [OPTION…]: the limit that FUSE itself sets (limit-fs.h). In the foreground until
 * it is unmounted; then it prints what CPU time it took, in seconds. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/sysmacros.h>

#include "limit-fs.h"

static void op_init(void *userdata, struct fuse_conn_info *conn)
{
        struct limit_fs *fs = userdata;
        conn->want |= conn->capable &
                (FUSE_CAP_POSIX_ACL | FUSE_CAP_DONT_MASK | FUSE_CAP_EXPORT_SUPPORT | FUSE_CAP_ATOMIC_O_TRUNC |
                        FUSE_CAP_CACHE_SYMLINKS);
        conn->want &= ~(FUSE_CAP_WRITEBACK_CACHE | FUSE_CAP_SPLICE_READ);
        if (fs->splices)
                conn->want |= conn->capable & FUSE_CAP_SPLICE_READ;
        conn->max_write = (unsigned)fs->request_max;
        conn->max_readahead = (unsigned)fs->request_max;
        conn->max_background = fs->background;
        conn->congestion_threshold = fs->background;
        conn->time_gran = 1;
}

static bool make_pool(struct limit_fs *fs)
{
        fs->pool = mmap(NULL, fs->pool_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (fs->pool == MAP_FAILED) {
                perror("limit-fs: cannot allocate the pool");
                return false;
        }
        madvise(fs->pool, fs->pool_size, MADV_HUGEPAGE);
        if (mlock(fs->pool, fs->pool_size) < 0)
                perror("limit-fs: the pool cannot be locked in memory");
        memset(fs->pool, 0x5a, fs->pool_size);
        return true;
}

/* As reelfs does: the kernel reads ahead by whole requests. */
static void widen_read_ahead(const char *directory, size_t request)
{
        struct stat st;
        if (stat(directory, &st) < 0)
                return;
        g_autofree char *path =
                g_strdup_printf("/sys/class/bdi/%u:%u/read_ahead_kb", major(st.st_dev), minor(st.st_dev));
        FILE *file = fopen(path, "we");
        if (file) {
                fprintf(file, "%zu", request >> 10);
                fclose(file);
        }
}

struct widening {
        const char *directory;
        size_t request;
};

static void *widen_main(void *arg)
{
        struct widening *w = arg;
        widen_read_ahead(w->directory, w->request);
        return NULL;
}

static int serve(struct limit_fs *fs, const char *directory)
{
        struct fuse_lowlevel_ops ops = { .init = op_init };
        char *arguments[] = { "limit-fs", "-o", "fsname=limit,subtype=limit,default_permissions" };
        struct fuse_args args = FUSE_ARGS_INIT(3, arguments);
        limit_names_ops(&ops);
        limit_data_ops(&ops);
        struct fuse_session *session = fuse_session_new(&args, &ops, sizeof(ops), fs);
        fuse_opt_free_args(&args);
        if (!session || fuse_set_signal_handlers(session) < 0 || fuse_session_mount(session, directory) < 0)
                return 1;
        struct fuse_loop_config *config = fuse_loop_cfg_create();
        fuse_loop_cfg_set_max_threads(config, fs->workers);
        fuse_loop_cfg_set_idle_threads(config, fs->workers);
        struct widening widening = { directory, fs->request_max };
        pthread_t thread;
        pthread_create(&thread, NULL, widen_main, &widening);
        int r = fuse_session_loop_mt(session, config);
        pthread_join(thread, NULL);
        fuse_loop_cfg_destroy(config);
        fuse_session_unmount(session);
        fuse_remove_signal_handlers(session);
        fuse_session_destroy(session);
        return r != 0; /* above 0: a signal */
}

static double seconds(struct timeval t)
{
        return (double)t.tv_sec + (double)t.tv_usec / 1e6;
}

struct choice {
        const char *mode, *directory;
        int mounts;
};

static bool parse(struct limit_fs *fs, struct choice *choice, int argc, char **argv)
{
        int pool = 256, request = REQUEST_MAX >> 10, workers = 32, background = 64;
        gboolean no_copy = FALSE, splice = FALSE;
        g_autofree char *direct = NULL;
        const GOptionEntry entries[] = {
                { "pool", 0, 0, G_OPTION_ARG_INT, &pool, "pool that data goes round in (256)", "MIB" },
                { "max-write", 0, 0, G_OPTION_ARG_INT, &request, "largest request (1024)", "KIB" },
                { "workers", 0, 0, G_OPTION_ARG_INT, &workers, "threads (32)", "N" },
                { "background", 0, 0, G_OPTION_ARG_INT, &background, "requests under way (64)", "N" },
                { "no-copy", 0, 0, G_OPTION_ARG_NONE, &no_copy, "leave data where libfuse has put it", NULL },
                { "mounts", 0, 0, G_OPTION_ARG_INT, &choice->mounts, "mount so many times (1)", "N" },
                { "splice", 0, 0, G_OPTION_ARG_NONE, &splice, "receive requests through a pipe", NULL },
                { "direct", 0, 0, G_OPTION_ARG_STRING, &direct,
                        "direct_io: write-only files (default), always, never", "WHEN" },
                { NULL, 0, 0, 0, NULL, NULL, NULL },
        };
        g_autoptr(GOptionContext) context = g_option_context_new("null|memory DIR");
        g_autoptr(GError) error = NULL;
        g_option_context_add_main_entries(context, entries, NULL);
        if (!g_option_context_parse(context, &argc, &argv, &error)) {
                fprintf(stderr, "limit-fs: %s\n", error->message);
                return false;
        }
        if (argc != 3 || pool < 1 || request < 4 || request > 1024 || workers < 1 || background < 1) {
                fprintf(stderr, "usage: limit-fs null|memory DIR [--help]\n");
                return false;
        }
        fs->pool_size = (size_t)pool << 20;
        fs->request_max = (size_t)request << 10;
        fs->workers = (unsigned)workers;
        fs->background = (unsigned)background;
        fs->copies = !no_copy;
        fs->splices = splice;
        fs->direct = g_strcmp0(direct, "always") == 0 ? DIRECT_ALWAYS
                : g_strcmp0(direct, "never") == 0     ? DIRECT_NEVER
                                                      : DIRECT_WRITE_ONLY;
        choice->mode = argv[1];
        choice->directory = argv[2];
        return true;
}

static int serve_and_tell(struct limit_fs *fs, const char *directory)
{
        struct rusage before, after;
        getrusage(RUSAGE_SELF, &before);
        int status = serve(fs, directory);
        getrusage(RUSAGE_SELF, &after);
        printf("user %.3f system %.3f\n", seconds(after.ru_utime) - seconds(before.ru_utime),
                seconds(after.ru_stime) - seconds(before.ru_stime));
        return status;
}

int main(int argc, char **argv)
{
        static struct limit_fs fs; /* its nodes live as long as the process */
        struct choice choice = { .mounts = 1 };
        if (!parse(&fs, &choice, argc, argv))
                return 2;
        fs.keeps_data = strcmp(choice.mode, "memory") == 0;
        if (!fs.keeps_data && strcmp(choice.mode, "null") != 0) {
                fprintf(stderr, "limit-fs: %s: neither null nor memory\n", choice.mode);
                return 2;
        }
        pthread_mutex_init(&fs.lock, NULL);
        limit_names_init(&fs);
        if (!fs.keeps_data && !make_pool(&fs))
                return 1;
        int status = 0;
        for (int i = 0; i < choice.mounts && status == 0; i++)
                status = serve_and_tell(&fs, choice.directory);
        return status;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <glib.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <reelfs/log.h>
#include <reelfs/restore.h>
#include <reelfs/util.h>

#include "cli.h"
#include "json.h"
#include "progress.h"
#include "transfer.h"

#define REDRAW_NS INT64_C(200000000)

/* What is wrong with a file: bytes that are missing, or all of it is not what was written. */
struct flaw {
        char *path;
        bool differs;
        uint64_t offset, bytes, segment, object;
};

struct job {
        const char *address, *target;
        struct restore_options options;
        bool quiet, as_json;
        struct transfer transfer;
        GMutex lock;
        GArray *flaws; /* struct flaw */
};

static void clear_flaw(void *data)
{
        g_free(((struct flaw *)data)->path);
}

/* Blocks that follow each other in a file make one. */
static void note_bad(void *ctx, const struct restore_bad *bad)
{
        struct job *job = ctx;
        g_mutex_lock(&job->lock);
        struct flaw *last =
                job->flaws->len > 0 ? &g_array_index(job->flaws, struct flaw, job->flaws->len - 1) : NULL;
        if (last && !last->differs && !bad->differs && last->offset + last->bytes == bad->offset &&
                last->segment == bad->segment && g_str_equal(last->path, bad->path)) {
                last->bytes += bad->bytes;
        } else {
                const struct flaw flaw = { g_strdup(bad->path), bad->differs, bad->offset, bad->bytes,
                        bad->segment, bad->object };
                g_array_append_val(job->flaws, flaw);
        }
        g_mutex_unlock(&job->lock);
}

static bool report(void *ctx, const struct restore_progress *p)
{
        return transfer_report(&((struct job *)ctx)->transfer, p);
}

static void report_search(void *ctx, uint64_t done, uint64_t total)
{
        struct job *job = ctx;
        int64_t now = monotonic_ns();
        if (!job->quiet && now - job->transfer.drawn >= REDRAW_NS) {
                progress_show(done, total, "reading what no index names");
                job->transfer.drawn = now;
        }
}

/* ---- What is told in the end */

static void print_flaw(const struct flaw *f)
{
        g_autofree char *path = format_name(f->path);
        if (f->differs)
                printf("%s: is not what was written\n", path);
        else if (f->object == 0)
                printf("%s: bytes %" PRIu64 " to %" PRIu64 " are missing (%" PRIu64
                       " bytes, lost when they were to be written)\n",
                        path, f->offset, f->offset + f->bytes - 1, f->bytes);
        else
                printf("%s: bytes %" PRIu64 " to %" PRIu64 " are missing (%" PRIu64
                       " bytes, at object %" PRIu64 " of the tape)\n",
                        path, f->offset, f->offset + f->bytes - 1, f->bytes, f->object);
}

static void print_json(const struct job *job, const struct restore_progress *p)
{
        struct json j = { 0 };
        json_begin(&j, NULL, '{');
        json_uint(&j, "files", p->files);
        json_uint(&j, "bytes", p->bytes);
        json_uint(&j, "complete_already", p->skipped);
        json_uint(&j, "damaged_files", p->damaged);
        json_uint(&j, "missing_bytes", p->missing);
        json_uint(&j, "failed_files", p->failed);
        json_uint(&j, "failed_attributes", p->attributes);
        json_begin(&j, "flaws", '[');
        for (guint i = 0; i < job->flaws->len; i++) {
                const struct flaw *f = &g_array_index(job->flaws, struct flaw, i);
                json_begin(&j, NULL, '{');
                json_string(&j, "path", f->path);
                json_string(&j, "kind", f->differs ? "differs" : "missing");
                json_uint(&j, "offset", f->offset);
                json_uint(&j, "length", f->bytes);
                json_uint(&j, "filemark", f->segment);
                json_uint(&j, "object", f->object);
                json_end(&j, '}');
        }
        json_end(&j, ']');
        json_end(&j, '}');
}

static void summarize(const struct job *job, const struct restore_progress *p)
{
        progress_clear();
        if (job->as_json) {
                print_json(job, p);
                return;
        }
        for (guint i = 0; i < job->flaws->len; i++)
                print_flaw(&g_array_index(job->flaws, struct flaw, i));
        if (job->quiet)
                return;
        g_autofree char *files = format_count(p->files), *bytes = format_size(p->bytes),
                        *damaged = format_count(p->damaged), *missing = format_count(p->missing);
        printf("%s files, %s copied to %s in %.1f s", files, bytes, job->target,
                transfer_seconds(&job->transfer));
        if (p->damaged > 0)
                printf("; %s of them are not whole, %s bytes are missing", damaged, missing);
        putchar('\n');
}

/* ---- */

static int open_volume(struct job *job, struct cli_volume *v)
{
        const struct volume_progress progress = { report_search, job };
        int r = cli_tape_open(job->address, true, &v->tape);
        if (r == 0)
                r = volume_open_damaged(v->tape, &progress, &v->volume, &v->tree);
        progress_clear();
        return r;
}

static int salvage(struct job *job)
{
        AUTO_VOLUME v = { 0 };
        struct restore_progress p = { 0 };
        int r = open_volume(job, &v);
        if (r < 0)
                return r;
        transfer_begin(&job->transfer, job->quiet);
        autofd target = transfer_open_target(job->target);
        if (target < 0)
                return target;
        if (geteuid() != 0 && !job->quiet)
                log_notice("only root can restore owners: all files will be yours");
        job->options.salvage = true;
        job->options.report = report;
        job->options.bad = note_bad;
        job->options.ctx = job;
        r = restore_run(v.volume, v.tree, target, &job->options, &p);
        summarize(job, &p);
        if (r == -ECANCELED)
                log_message(LOG_ERR, 0, "interrupted; the same command with --resume goes on");
        if (r < 0)
                return r;
        if (p.failed > 0)
                log_message(LOG_ERR, 0, "%" PRIu64 " files could not be written", p.failed);
        if (p.attributes > 0)
                log_warning("%" PRIu64 " attributes could not be restored", p.attributes);
        return p.failed > 0 || p.attributes > 0 || p.damaged > 0 ? -EIO : 0;
}

static int run(const struct command *command, int argc, char **argv)
{
        enum { OVERWRITE = 256, RESUME, JSON };
        static const struct option options[] = { { "overwrite", no_argument, NULL, OVERWRITE },
                { "resume", no_argument, NULL, RESUME }, { "json", no_argument, NULL, JSON },
                { "quiet", no_argument, NULL, 'q' }, LONG_OPTIONS_COMMON, { NULL, 0, NULL, 0 } };
        struct job job = { .options.existing = RESTORE_REFUSE };
        int option, status;
        while ((option = getopt_long(argc, argv, OPTIONS_COMMON "q", options, NULL)) >= 0) {
                if (option == OVERWRITE)
                        job.options.existing = RESTORE_OVERWRITE;
                else if (option == RESUME)
                        job.options.existing = RESTORE_RESUME;
                else if (option == JSON)
                        job.as_json = true;
                else if (option == 'q')
                        job.quiet = true;
                else if (!command_option(command, option, &status))
                        return status;
        }
        if (!command_arguments(command, argc, 2, INT_MAX, &status))
                return status;
        job.address = argv[optind];
        job.target = argv[optind + 1];
        job.options.paths = argv + optind + 2;
        job.flaws = g_array_new(FALSE, FALSE, sizeof(struct flaw));
        g_array_set_clear_func(job.flaws, clear_flaw);
        g_mutex_init(&job.lock);
        status = salvage(&job) < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
        g_mutex_clear(&job.lock);
        g_array_unref(job.flaws);
        return status;
}

const struct command command_salvage = {
        .name = "salvage",
        .arguments = "ADDRESS DIR [PATH…]",
        .summary = "copy everything readable off a damaged tape, and tell what is missing",
        .options = "      --overwrite        replace files that are there already\n"
                   "      --resume           leave files that have the right size and time, replace others\n"
                   "      --json             what is missing, for programs\n"
                   "  -q, --quiet            no progress and no summary\n",
        .run = run,
};

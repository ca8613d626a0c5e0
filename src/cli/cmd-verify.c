/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <glib.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include <reelfs/log.h>
#include <reelfs/util.h>

#include "cli.h"
#include "json.h"
#include "progress.h"
#include "transfer.h"

struct job {
        const char *address;
        struct restore_options options;
        bool quiet, as_json;
        struct transfer transfer;
        pthread_mutex_t lock; /* of json */
        struct json json;
};

static bool report(void *ctx, const struct restore_progress *p)
{
        return transfer_report(&((struct job *)ctx)->transfer, p);
}

static void bad(void *ctx, const struct restore_bad *b)
{
        struct job *job = ctx;
        pthread_mutex_lock(&job->lock);
        json_begin(&job->json, NULL, '{');
        json_string(&job->json, "path", b->path);
        json_string(&job->json, "problem", b->differs ? "differs" : "unreadable");
        json_uint(&job->json, "offset", b->offset);
        json_uint(&job->json, "bytes", b->bytes);
        json_uint(&job->json, "filemark", b->segment);
        json_uint(&job->json, "object", b->object);
        json_end(&job->json, '}');
        pthread_mutex_unlock(&job->lock);
}

static void end_json(struct job *job, int r, const struct restore_progress *p)
{
        struct json *j = &job->json;
        json_end(j, ']');
        json_bool(j, "complete", r == 0);
        json_uint(j, "bytes", p->bytes);
        json_uint(j, "verified", p->verified);
        json_uint(j, "without_hash", p->unknown);
        json_uint(j, "differing", p->differing);
        json_uint(j, "unreadable", p->failed);
        json_end(j, '}');
}

/* Behind "file". */
static const char *are(uint64_t n)
{
        return n == 1 ? " is" : "s are";
}

static void summarize(const struct job *job, const struct restore_progress *p)
{
        g_autofree char *verified = format_count(p->verified), *bytes = format_size(p->bytes),
                        *unknown = format_count(p->unknown), *differing = format_count(p->differing),
                        *failed = format_count(p->failed);
        if (!job->quiet && !job->as_json)
                printf("%s file%s what was written; %s read in %.1f s\n", verified, are(p->verified), bytes,
                        transfer_seconds(&job->transfer));
        if (!job->quiet && !job->as_json && p->unknown > 0)
                printf("%s file%s without a hash to be compared with\n", unknown,
                        p->unknown == 1 ? " was read, but is" : "s were read, but are");
        if (p->differing > 0)
                log_message(LOG_ERR, 0, "%s file%s not what was written", differing, are(p->differing));
        if (p->failed > 0)
                log_message(LOG_ERR, 0, "%s file%s could not be read, or not in whole", failed,
                        p->failed == 1 ? "" : "s");
}

static int verify(struct job *job)
{
        AUTO_VOLUME v = { 0 };
        struct restore_progress p = { 0 };
        int r = cli_volume_open(job->address, &v);
        if (r < 0)
                return r;
        transfer_begin(&job->transfer, job->quiet || job->as_json);
        job->options.report = report;
        job->options.ctx = job;
        if (job->as_json) {
                job->options.bad = bad;
                json_begin(&job->json, NULL, '{');
                json_begin(&job->json, "bad", '[');
        }
        r = restore_verify(v.volume, v.tree, &job->options, &p);
        progress_clear();
        if (job->as_json)
                end_json(job, r, &p);
        if (r == -ECANCELED)
                return log_error(r, "interrupted; what was read until then is told above");
        if (r < 0)
                return r;
        summarize(job, &p);
        return p.failed > 0 || p.differing > 0 ? -EIO : 0;
}

static int run(const struct command *command, int argc, char **argv)
{
        enum { JSON = 256 };
        static const struct option options[] = { { "json", no_argument, NULL, JSON },
                { "quiet", no_argument, NULL, 'q' }, LONG_OPTIONS_COMMON, { NULL, 0, NULL, 0 } };
        struct job job = { .lock = PTHREAD_MUTEX_INITIALIZER };
        int option, status;
        while ((option = getopt_long(argc, argv, OPTIONS_COMMON "q", options, NULL)) >= 0) {
                if (option == JSON)
                        job.as_json = true;
                else if (option == 'q')
                        job.quiet = true;
                else if (!command_option(command, option, &status))
                        return status;
        }
        if (!command_arguments(command, argc, 1, INT_MAX, &status))
                return status;
        job.address = argv[optind];
        job.options.paths = argv + optind + 1;
        return verify(&job) < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

const struct command command_verify = {
        .name = "verify",
        .arguments = "ADDRESS [PATH…]",
        .summary = "read a volume that is not mounted, and compare its files with their hashes",
        .options = "      --json             machine-readable\n"
                   "  -q, --quiet            no progress and no summary\n",
        .run = run,
};

/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <stdio.h>
#include <stdlib.h>

#include <reelfs/log.h>
#include <reelfs/restore.h>
#include <reelfs/util.h>

#include "cli.h"
#include "progress.h"
#include "transfer.h"

struct job {
        const char *address, *target;
        uint64_t generation; /* 0: the last */
        struct restore_options options;
        bool quiet;
        struct transfer transfer;
};

static const char *plural(uint64_t n)
{
        return n == 1 ? "" : "s";
}

static bool report(void *ctx, const struct restore_progress *p)
{
        return transfer_report(&((struct job *)ctx)->transfer, p);
}

static void summarize(const struct job *job, const struct restore_progress *p)
{
        double seconds = transfer_seconds(&job->transfer);
        g_autofree char *files = format_count(p->files), *bytes = format_size(p->bytes),
                        *failed = format_count(p->failed), *attributes = format_count(p->attributes),
                        *skipped = format_count(p->skipped), *verified = format_count(p->verified),
                        *differing = format_count(p->differing);
        progress_clear();
        if (!job->quiet)
                printf("%s file%s, %s restored to %s in %.1f s\n", files, plural(p->files), bytes,
                        job->target, seconds);
        if (!job->quiet && p->skipped > 0)
                printf("%s file%s complete already\n", skipped, p->skipped == 1 ? " was" : "s were");
        if (!job->quiet && p->verified > 0)
                printf("%s of them compared with %s\n", verified,
                        p->verified == 1 ? "its hash" : "their hashes");
        if (p->differing > 0)
                log_message(LOG_ERR, 0, "%s file%s not what was written", differing,
                        p->differing == 1 ? " is" : "s are");
        if (p->failed > 0)
                log_message(LOG_ERR, 0,
                        "%s file%s could not be restored, or not in whole; --resume tries again", failed,
                        plural(p->failed));
        if (p->attributes > 0)
                log_warning("%s attribute%s could not be restored", attributes, plural(p->attributes));
}

/* Nothing is made for a path that was misspelt. */
static int check_paths(Tree *tree, char **paths)
{
        struct tree_attr attr;
        for (; *paths; paths++) {
                int r = tree_resolve(tree, *paths, &attr);
                if (r < 0)
                        return log_error_errno(r, "%s: is not on the tape", *paths);
                tree_unref(tree, attr.ino, 1);
        }
        return 0;
}

static int restore(struct job *job)
{
        AUTO_VOLUME v = { 0 };
        struct restore_progress p = { 0 };
        int r = cli_volume_open_generation(job->address, job->generation, &v);
        if (r < 0)
                return r;
        r = check_paths(v.tree, job->options.paths);
        if (r < 0)
                return r;
        autofd target = transfer_open_target(job->target);
        if (target < 0)
                return target;
        if (geteuid() != 0 && !job->quiet)
                log_notice("only root can restore owners: all files will be yours");
        transfer_begin(&job->transfer, job->quiet);
        job->options.report = report;
        job->options.ctx = job;
        r = restore_run(v.volume, v.tree, target, &job->options, &p);
        progress_clear();
        if (r == -ECANCELED)
                return log_error(r, "interrupted; the same command with --resume goes on");
        if (r < 0)
                return r;
        summarize(job, &p);
        return p.failed > 0 || p.attributes > 0 ? -EIO : 0;
}

static int run(const struct command *command, int argc, char **argv)
{
        enum { OVERWRITE = 256, RESUME, GENERATION };
        static const struct option options[] = { { "overwrite", no_argument, NULL, OVERWRITE },
                { "resume", no_argument, NULL, RESUME }, { "quiet", no_argument, NULL, 'q' },
                { "generation", required_argument, NULL, GENERATION }, LONG_OPTIONS_COMMON,
                { NULL, 0, NULL, 0 } };
        struct job job = { .options.existing = RESTORE_REFUSE };
        int option, status;
        while ((option = getopt_long(argc, argv, OPTIONS_COMMON "q", options, NULL)) >= 0) {
                if (option == OVERWRITE || option == RESUME) {
                        enum restore_existing existing =
                                option == RESUME ? RESTORE_RESUME : RESTORE_OVERWRITE;
                        if (job.options.existing != RESTORE_REFUSE && job.options.existing != existing)
                                return command_usage(command, "--overwrite and --resume exclude each other");
                        job.options.existing = existing;
                } else if (option == 'q')
                        job.quiet = true;
                else if (option == GENERATION) {
                        if (!command_generation(command, optarg, &job.generation, &status))
                                return status;
                } else if (!command_option(command, option, &status))
                        return status;
        }
        if (!command_arguments(command, argc, 2, INT_MAX, &status))
                return status;
        job.address = argv[optind];
        job.target = argv[optind + 1];
        job.options.paths = argv + optind + 2;
        return restore(&job) < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

const struct command command_restore = {
        .name = "restore",
        .arguments = "ADDRESS DIR [PATH…]",
        .summary = "copy the files of a volume that is not mounted, in the order of the tape",
        .options = "      --overwrite        replace files that are there already\n"
                   "      --resume           leave files that have the right size and time, replace others\n"
                   "      --generation N     as the volume was then; reelfs check --list-generations\n"
                   "  -q, --quiet            no progress and no summary\n",
        .run = run,
};

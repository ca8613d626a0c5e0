/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <reelfs/log.h>
#include <reelfs/util.h>

#include "cli.h"
#include "json.h"
#include "progress.h"

#define REDRAW_NS INT64_C(200000000)

/* fsck(8), EXIT STATUS */
enum {
        FSCK_GOOD = 0,
        FSCK_CORRECTED = 1,
        FSCK_ERRORS_LEFT = 4,
        FSCK_OPERATIONAL_ERROR = 8,
        FSCK_USAGE_ERROR = 16,
        FSCK_CANCELED = 32
};

struct job {
        const char *address;
        struct volume_check_options options;
        bool yes;
        const char *save; /* directory; NULL: none */
        int directory, file;
        uint64_t next;    /* object that continues what is in file */
        sigset_t signals; /* that end it */
        int64_t drawn;
};

static void print_problem(void *ctx, const char *text)
{
        const struct job *job = ctx;
        progress_clear();
        printf("%s: %s\n", job->address, text);
        fflush(stdout);
}

static bool report(void *ctx, uint64_t done, uint64_t total)
{
        struct job *job = ctx;
        int64_t now = monotonic_ns();
        if (total > 0 && now - job->drawn >= REDRAW_NS) {
                progress_show(done, total, job->options.deep ? "reading the tape" : "checking");
                job->drawn = now;
        }
        return sigtimedwait(&job->signals, NULL, &(struct timespec){ 0 }) < 0;
}

/* ---- What would be overwritten */

static bool agree(void *ctx, const char *text)
{
        const struct job *job = ctx;
        char answer[8] = "";
        progress_clear();
        if (job->yes) {
                log_notice("%s: %s", job->address, text);
                return true;
        }
        if (!isatty(STDIN_FILENO)) {
                log_notice("%s: %s; --yes agrees to that", job->address, text);
                return false;
        }
        fprintf(stderr, "%s: %s. Do that (yes or no)? ", job->address, text);
        return fgets(answer, sizeof(answer), stdin) && strcmp(answer, "yes\n") == 0;
}

/* Blocks that follow each other go into one file. */
static int save(void *ctx, uint64_t object, const void *data, size_t length)
{
        struct job *job = ctx;
        g_autofree char *name = g_strdup_printf("object-%" PRIu64, object);
        if (job->file < 0 || object != job->next) {
                close_fd(&job->file);
                job->file = openat(job->directory, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
                if (job->file < 0)
                        return log_error_errno(-errno, "%s/%s", job->save, name);
        }
        job->next = object + 1;
        off_t end = lseek(job->file, 0, SEEK_END);
        int r = end < 0 ? -errno : pwrite_all(job->file, data, length, (uint64_t)end);
        if (r == 0 && fsync(job->file) < 0)
                r = -errno;
        return r < 0 ? log_error_errno(r, "%s/%s", job->save, name) : 0;
}

static int open_save(struct job *job)
{
        if (!job->save)
                return 0;
        if (g_mkdir_with_parents(job->save, 0700) < 0)
                return log_error_errno(-errno, "%s: cannot be made", job->save);
        job->directory = open(job->save, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        job->options.save = save;
        return job->directory < 0 ? log_error_errno(-errno, "%s", job->save) : 0;
}

/* ---- */

static int summarize(const struct job *job, const struct volume_check_result *result)
{
        if (job->options.deep && result->segments > 0) {
                g_autofree char *bytes = format_size(result->bytes);
                printf("%s: %" PRIu64 " segments with %s were read, %" PRIu64 " of them packs with %" PRIu64
                       " files\n",
                        job->address, result->segments, bytes, result->packs, result->members);
        }
        if (result->problems == 0) {
                printf("%s: no problems found\n", job->address);
                return FSCK_GOOD;
        }
        printf("%s: %" PRIu64 " problem%s found", job->address, result->problems,
                result->problems == 1 ? "" : "s");
        if (result->repaired)
                printf(", and an index written; %" PRIu64 " %s left", result->left,
                        result->left == 1 ? "is" : "are");
        putchar('\n');
        return result->left > 0 ? FSCK_ERRORS_LEFT : FSCK_CORRECTED;
}

static int check_tape(struct job *job)
{
        Tape *tape;
        struct volume_check_result result;
        if (open_save(job) < 0 || cli_tape_open(job->address, !job->options.repair, &tape) < 0)
                return FSCK_OPERATIONAL_ERROR;
        int r = job->options.repair ? tape_lock_medium(tape, true) : 0;
        if (r == 0)
                r = volume_check_with(tape, &job->options, &result);
        if (r == 0 && result.repaired)
                r = tape_rewind(tape);
        tape_close(tape);
        progress_clear();
        if (r == -ECANCELED && job->options.deep)
                log_message(LOG_ERR, 0, "interrupted; --deep --from %" PRIu64 " goes on there", result.next);
        else if (r == -ECANCELED)
                log_message(LOG_ERR, 0, "interrupted");
        if (r < 0)
                return r == -ECANCELED ? FSCK_CANCELED : FSCK_OPERATIONAL_ERROR;
        return summarize(job, &result);
}

static int check(struct job *job)
{
        job->directory = job->file = -1;
        job->options.problem = print_problem;
        job->options.agree = agree;
        job->options.report = report;
        job->options.ctx = job;
        sigemptyset(&job->signals);
        sigaddset(&job->signals, SIGINT);
        sigaddset(&job->signals, SIGTERM);
        sigaddset(&job->signals, SIGHUP);
        /* A signal must not end a command of the drive half way. */
        sigprocmask(SIG_BLOCK, &job->signals, NULL);
        int status = check_tape(job);
        close_fd(&job->file);
        close_fd(&job->directory);
        return status;
}

/* ---- Generations */

struct listing {
        bool as_json;
        struct json json;
};

static int list_json(void *ctx, const struct volume_generation *g)
{
        struct json *j = &((struct listing *)ctx)->json;
        char time[TIME_TEXT_LENGTH + 1];
        format_time_ns(g->update_time, time);
        json_begin(j, NULL, '{');
        if (!g->damaged) {
                json_uint(j, "generation", g->number);
                json_string(j, "time", time);
                json_string(j, "kind", g->incremental ? "incremental" : "full");
        }
        json_bool(j, "damaged", g->damaged);
        json_uint(j, "filemark", g->filemark);
        json_uint(j, "first_block", g->block);
        json_uint(j, "bytes", g->length);
        json_end(j, '}');
        return 0;
}

static int list_text(void *ctx, const struct volume_generation *g)
{
        g_autofree char *time = g->damaged ? g_strdup("cannot be read") : format_local_time(g->update_time);
        g_autofree char *number = g->damaged ? g_strdup("?") : g_strdup_printf("%" PRIu64, g->number);
        g_autofree char *length = format_count(g->length);
        printf("%10s  %-19s  %-11s %8" PRIu64 " %12" PRIu64 " %15s\n", number, time,
                g->damaged               ? "?"
                        : g->incremental ? "incremental"
                                         : "full",
                g->filemark, g->block, length);
        return 0;
}

static int list_generations(const char *address, bool as_json)
{
        AUTO_VOLUME v = { 0 };
        struct listing l = { .as_json = as_json };
        if (cli_volume_open(address, &v) < 0)
                return FSCK_OPERATIONAL_ERROR;
        if (as_json)
                json_begin(&l.json, NULL, '[');
        else
                printf("generation  written              kind          mt fsf  first block           "
                       "bytes\n");
        int r = volume_generations(v.volume, as_json ? list_json : list_text, &l);
        if (as_json)
                json_end(&l.json, ']');
        return r < 0 ? FSCK_OPERATIONAL_ERROR : FSCK_GOOD;
}

/* ---- Command lines */

/* What the options say together; NULL: they make sense. */
static const char *misuse(const struct job *job, bool list, bool as_json)
{
        const struct volume_check_options *o = &job->options;
        if (list && (o->deep || o->repair || job->save))
                return "--list-generations checks nothing, and goes with --json alone";
        if (as_json && !list)
                return "--json goes with --list-generations";
        if (o->from > 0 && !o->deep)
                return "--from goes with --deep";
        if ((job->yes || job->save) && !o->repair)
                return "--yes and --save go with --repair";
        return NULL;
}

static int run(const struct command *command, int argc, char **argv)
{
        enum { DEEP = 256, FROM, REPAIR, SAVE, LIST, JSON };
        static const struct option options[] = { { "deep", no_argument, NULL, DEEP },
                { "from", required_argument, NULL, FROM }, { "repair", no_argument, NULL, REPAIR },
                { "yes", no_argument, NULL, 'y' }, { "save", required_argument, NULL, SAVE },
                { "list-generations", no_argument, NULL, LIST }, { "json", no_argument, NULL, JSON },
                LONG_OPTIONS_COMMON, { NULL, 0, NULL, 0 } };
        struct job job = { 0 };
        bool list = false, as_json = false;
        int option, status;
        while ((option = getopt_long(argc, argv, OPTIONS_COMMON "y", options, NULL)) >= 0) {
                job.options.deep |= option == DEEP;
                job.options.repair |= option == REPAIR;
                job.yes |= option == 'y';
                list |= option == LIST;
                as_json |= option == JSON;
                if (option == SAVE)
                        job.save = optarg;
                else if (option == FROM &&
                        !g_ascii_string_to_unsigned(optarg, 10, 0, INT64_MAX, &job.options.from, NULL))
                        return command_usage(command, "--from %s: not a number of filemarks", optarg);
                else if (option < DEEP && option != 'y' && !command_option(command, option, &status))
                        return status;
        }
        if (!command_arguments(command, argc, 1, 1, &status))
                return status;
        const char *wrong = misuse(&job, list, as_json);
        if (wrong)
                return command_usage(command, "%s", wrong);
        job.address = argv[optind];
        return list ? list_generations(job.address, as_json) : check(&job);
}

/* fsck(8): "fsck.type supports -a, -n, -p, -y, -C". -a and -p repair what can be without loss, -y whatever
 * can be. */
static int run_fsck(const struct command *command, int argc, char **argv)
{
        static const struct option options[] = { LONG_OPTIONS_COMMON, { NULL, 0, NULL, 0 } };
        struct job job = { 0 };
        bool nothing = false;
        int option, status;
        while ((option = getopt_long(argc, argv, OPTIONS_COMMON "aAC::fMnNpPrRsTVy", options, NULL)) >= 0) {
                job.options.repair |= option == 'a' || option == 'p' || option == 'y';
                job.yes |= option == 'y';
                nothing |= option == 'n' || option == 'N';
                if (!strchr("aACfMnNpPrRsTVy", option) && !command_option(command, option, &status))
                        return status;
        }
        if (!command_arguments(command, argc, 1, 1, &status))
                return status;
        job.options.repair &= !nothing;
        job.address = argv[optind];
        return check(&job);
}

const struct command command_check = {
        .name = "check",
        .arguments = "ADDRESS",
        .summary = "verify labels, index and segments, and mend what an index can mend",
        .options =
                "      --deep             read all segments, and compare packs with the index\n"
                "      --from FILEMARK    with --deep: go on there\n"
                "      --repair           append an index if the last one is not the last thing on the tape\n"
                "  -y, --yes              agree to what --repair would have to overwrite\n"
                "      --save DIR         keep there what would be overwritten\n"
                "      --list-generations show the indexes on the tape; --json for programs\n",
        .run = run,
        .usage_status = FSCK_USAGE_ERROR,
};

const struct command command_fsck = {
        .name = "fsck",
        .arguments = "ADDRESS",
        .summary = "helper of fsck(8): verifies labels, index and segments",
        .options = "  -a, -p                 append an index if one is needed; overwrite nothing\n"
                   "  -y                     the same, and make an end of data where there is none\n"
                   "  -n                     change nothing, which is the default\n"
                   "  -f, -C FD, …           what else fsck(8) passes; taken and ignored\n",
        .run = run_fsck,
        .usage_status = FSCK_USAGE_ERROR,
};

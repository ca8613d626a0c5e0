/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The crash test bench: see usage. */
#include <errno.h>
#include <getopt.h>
#include <glib/gstdio.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <reelfs/log.h>

#include "bench.h"

static const char usage[] =
        "usage: crash [OPTION]...\n"
        "Runs random operations on a volume, cuts the power at every command of the drive in turn, mounts "
        "what\n"
        "is left, and compares it with what has to be there. Each --seed is one run of operations.\n"
        "  --cuts N      stop after the run in which N cut points are reached (default 2000)\n"
        "  --faults N    faults injected into running workloads (default 480)\n"
        "  --races N     runs in which syncs are not waited for, and operations go on while the drive "
        "works;\n"
        "                each is another one every time, even of the same seed (default 25; with --forever,\n"
        "                of each seed)\n"
        "  --seed S      the first seed (default 1); the next ones follow\n"
        "  --steps N     operations in a run (default 90)\n"
        "  --medium M    usual (default), worm, or append-only: a drive in that mode\n"
        "  --every N     of the cuts of a run, one of N (default 1; of one that races so many that 40 are "
        "left)\n"
        "  --cut N       only this cut of the first seed\n"
        "  --second M    only this cut of the recovery after it\n"
        "  --fault F     only this fault, by its number in the table\n"
        "  --at N        and only at command N of the first seed\n"
        "  --self-test   spoil cartridges as no crash can, and see whether that is noticed\n"
        "  --forever     go on until something is wrong, or interrupted\n"
        "  --keep DIR    leave the cartridge of a case that went wrong there\n"
        "  --verbose     print the operations, and what the code says\n"
        "Exit status: 0: nothing is wrong; 1: something is; 2: the bench itself could not go on.\n";

enum {
        CUTS = 1000,
        FAULTS,
        RACES,
        SEED,
        STEPS,
        MEDIUM,
        EVERY,
        CUT,
        SECOND,
        FAULT,
        AT,
        SELF_TEST,
        FOREVER,
        KEEP,
        VERBOSE,
        HELP
};

static const struct option options[] = {
        { "cuts", required_argument, NULL, CUTS },
        { "faults", required_argument, NULL, FAULTS },
        { "races", required_argument, NULL, RACES },
        { "seed", required_argument, NULL, SEED },
        { "steps", required_argument, NULL, STEPS },
        { "medium", required_argument, NULL, MEDIUM },
        { "every", required_argument, NULL, EVERY },
        { "cut", required_argument, NULL, CUT },
        { "second", required_argument, NULL, SECOND },
        { "fault", required_argument, NULL, FAULT },
        { "at", required_argument, NULL, AT },
        { "self-test", no_argument, NULL, SELF_TEST },
        { "forever", no_argument, NULL, FOREVER },
        { "keep", required_argument, NULL, KEEP },
        { "verbose", no_argument, NULL, VERBOSE },
        { "help", no_argument, NULL, HELP },
        { 0 },
};

static void set_number(struct bench *b, int option, unsigned n)
{
        switch (option) {
        case CUTS:
                b->cuts = n;
                break;
        case FAULTS:
                b->faults = n;
                break;
        case RACES:
                b->races = n;
                break;
        case SEED:
                b->seed = n;
                break;
        case STEPS:
                b->steps = n;
                break;
        case EVERY:
                b->every = MAX(n, 1);
                break;
        case CUT:
                b->only_cut = (int)n;
                break;
        case SECOND:
                b->only_second = (int)n;
                break;
        case FAULT:
                b->only_fault = (int)n;
                break;
        case AT:
                b->only_at = (int)n;
                break;
        }
}

static bool set_medium(struct bench *b, const char *name)
{
        static const char *const names[MEDIUM_COUNT] = {
                [MEDIUM_USUAL] = "usual",
                [MEDIUM_WORM] = "worm",
                [MEDIUM_APPEND_ONLY] = "append-only",
        };
        for (b->medium = 0; b->medium < MEDIUM_COUNT; b->medium++)
                if (strcmp(names[b->medium], name) == 0)
                        return true;
        return false;
}

static bool parse(int argc, char **argv, struct bench *b)
{
        int option;
        while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
                char *end = NULL;
                if (option == HELP || option == '?' || (option == MEDIUM && !set_medium(b, optarg)))
                        return false;
                if (option == FOREVER)
                        b->forever = true;
                else if (option == SELF_TEST)
                        b->self_test = true;
                else if (option == VERBOSE)
                        b->verbose = true;
                else if (option == MEDIUM)
                        continue;
                else if (option == KEEP)
                        b->keep = optarg;
                else
                        set_number(b, option, (unsigned)strtoul(optarg, &end, 10));
                if (end && (*end || end == optarg))
                        return false;
        }
        return optind == argc;
}

static void take_message(void *ctx, int priority, const char *text)
{
        if (ctx)
                printf("      %s\n", text);
}

int main(int argc, char **argv)
{
        struct bench b = { .cuts = 2000, .faults = 480, .races = 25, .seed = 1, .steps = 90, .every = 1 };
        b.only_cut = b.only_second = b.only_fault = b.only_at = -1;
        if (!parse(argc, argv, &b)) {
                fputs(usage, stderr);
                return 2;
        }
        setvbuf(stdout, NULL, _IOLBF, 0);
        log_open("crash", b.verbose);
        log_set_sink(take_message, b.verbose ? &b : NULL);
        /* Thousands of cartridges: in memory where possible. */
        const char *memory = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : g_get_tmp_dir();
        b.directory = g_build_filename(memory, "reelfs-crash-XXXXXX", NULL);
        if (!g_mkdtemp(b.directory)) {
                fprintf(stderr, "crash: %s: %s\n", b.directory, strerror(errno));
                return 2;
        }
        int r = b.self_test ? selftest_run(&b) : bench_run(&b);
        if (!b.self_test)
                bench_print(&b);
        g_rmdir(b.directory);
        g_free(b.directory);
        return r < 0 ? 2 : bench_is_good(&b) ? 0 : 1;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <glib.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <reelfs/bench.h>
#include <reelfs/log.h>
#include <reelfs/util.h>

#include "cli.h"
#include "progress.h"

struct arguments {
        const char *address;
        struct bench_options options;
        char **ways; /* names; NULL: all */
        const char *plot;
        bool yes, as_json;
        bool is_usage; /* what failed is the command line */
};

/* What is known before anything is measured. */
struct subject {
        char *title;
        struct bench_limits limits;
        struct bench_strip found;
        struct bench_place former;
        bool moved;        /* perhaps */
        bool overwritten;  /* perhaps */
        char *content;     /* "the tape holds ..." */
        uint64_t capacity; /* 0: not known */
};

/* ---- Ctrl-C */

static atomic_bool interrupted;
static Bench *volatile running;

static void on_signal(int number)
{
        interrupted = true;
        if (running)
                bench_cancel(running);
}

/* From before the tape is moved until it is back. The second one ends the program. restart: commands to the
 * drive are not to be cut short. */
static void catch_signals(bool restart)
{
        struct sigaction action = { .sa_handler = on_signal,
                .sa_flags = (int)SA_RESETHAND | (restart ? (int)SA_RESTART : 0) };
        sigaction(SIGINT, &action, NULL);
        sigaction(SIGTERM, &action, NULL);
}

static void forget_signals(void)
{
        signal(SIGINT, SIG_DFL);
        signal(SIGTERM, SIG_DFL);
}

/* ---- What is on the tape */

/* ", 1,234 files"; "" if the volume cannot be read. The caller frees. */
static char *count_files(Tape *tape)
{
        Volume *volume;
        Tree *tree;
        struct tree_counts counts;
        if (volume_open(tape, true, &volume, &tree) < 0)
                return g_strdup("");
        tree_get_counts(tree, &counts);
        volume_close(volume);
        tree_free(tree);
        g_autofree char *files = format_count(counts.inodes - counts.directories);
        return g_strdup_printf(", %s file%s", files, strcmp(files, "1") == 0 ? "" : "s");
}

/* -ECANCELED, logged: better not. */
static int confirm(const struct arguments *a, const char *content)
{
        char answer[16];
        if (!a->yes && !isatty(STDIN_FILENO))
                return log_error(-ECANCELED, "%s: %s; nothing was overwritten, --yes does it without asking",
                        a->address, content);
        fprintf(stderr, "%s: %s\n", a->address, content);
        if (a->yes)
                return 0;
        fprintf(stderr, "All of it will be lost. Type yes to go on: ");
        catch_signals(false);
        bool is_answered = !interrupted && fgets(answer, sizeof(answer), stdin);
        catch_signals(true);
        if (is_answered && strcmp(answer, "yes\n") == 0)
                return 0;
        if (!is_answered)
                fputc('\n', stderr);
        return log_error(-ECANCELED, "%s: not confirmed; nothing was overwritten", a->address);
}

/* What is on the tape, and how much goes there. */
static int look(const struct arguments *a, Tape *tape, struct subject *s)
{
        struct tape_info info;
        struct volume_identity identity;
        struct tape_capacity capacity;
        tape_get_info(tape, &info);
        if (info.write_protected)
                return log_error(-EROFS, "%s: the tape is write protected", a->address);
        if (info.worm || info.append_only)
                return log_error(-EROFS, "%s: %s; measure with another one", a->address,
                        info.worm ? "the tape can be written only once"
                                  : "the drive is in append-only mode, where nothing is overwritten");
        s->capacity = tape_get_capacity(tape, &capacity) == 0 ? capacity.maximum : 0;
        int r = volume_identify(tape, &identity);
        if (r < 0)
                return r;
        g_autofree char *files = identity.content == VOLUME_REELFS ? count_files(tape) : g_strdup("");
        s->content = identity.content == VOLUME_BLANK
                ? g_strdup("the tape is blank")
                : g_strdup_printf("the tape holds %s%s", identity.description, files);
        return 0;
}

static char *make_title(const char *address, Tape *tape)
{
        struct tape_info info;
        tape_get_info(tape, &info);
        return g_strdup_printf("reelfs bench %s: %s %s", address, info.vendor, info.product);
}

static int examine(const struct arguments *a, struct subject *s)
{
        Tape *tape;
        bench_st_place(a->address, &s->former);
        int r = cli_tape_open(a->address, false, &tape);
        if (r < 0)
                return r;
        struct tape_position position;
        s->moved = true;
        s->title = make_title(a->address, tape);
        bench_tape_limits(tape, &s->limits);
        if (tape_get_position(tape, &position) == 0)
                s->former.object = position.object;
        r = a->options.write ? look(a, tape, s) : bench_find_strip(tape, &interrupted, &s->found);
        tape_close(tape);
        return r == 0 && interrupted ? -EINTR : r;
}

static int make_blank(const char *address)
{
        Tape *tape;
        int r = cli_tape_open(address, false, &tape);
        if (r < 0)
                return r;
        r = tape_rewind(tape);
        if (r == 0 && tape_erase(tape, false) < 0)
                r = tape_write_filemarks(tape, 1, false, NULL);
        if (r == 0)
                r = tape_rewind(tape);
        tape_close(tape);
        return r;
}

/* The tape is left where it was found, or blank if anything was written. */
static int leave(const struct arguments *a, const struct subject *s)
{
        if (!s->moved)
                return 0;
        return s->overwritten ? make_blank(a->address) : bench_wind(a->address, &s->former);
}

/* ---- The bench */

static void show_progress(void *ctx, unsigned round, unsigned done, unsigned cells)
{
        const struct arguments *a = ctx;
        g_autofree char *text = g_strdup_printf("round %u of %u", round + 1, a->options.rounds);
        progress_show(round * cells + done, (uint64_t)a->options.rounds * cells, text);
}

static int report(const struct arguments *a, Bench *b, const char *title)
{
        g_autofree char *text = a->as_json ? bench_json(b, title) : bench_text(b, title);
        fputs(text, stdout);
        if (!a->plot)
                return 0;
        g_autofree char *svg = bench_svg(b, title);
        g_autoptr(GError) error = NULL;
        if (!g_file_set_contents(a->plot, svg, -1, &error))
                return log_error(-EIO, "%s: cannot write the plot: %s", a->plot, error->message);
        return 0;
}

/* The caller frees. */
static char *list_ways(GPtrArray *ways)
{
        GString *list = g_string_new(NULL);
        for (unsigned i = 0; i < ways->len; i++)
                g_string_append_printf(list, "%s%s", i ? ", " : "", ((const BenchWay *)ways->pdata[i])->name);
        return g_string_free(list, FALSE);
}

static bool has_way(GPtrArray *ways, const char *name)
{
        for (unsigned i = 0; i < ways->len; i++)
                if (strcmp(((const BenchWay *)ways->pdata[i])->name, name) == 0)
                        return true;
        return false;
}

/* Keeps those ways that were asked for. */
static int select_ways(struct arguments *a, GPtrArray *ways)
{
        for (char **name = a->ways; name && *name; name++) {
                if (has_way(ways, *name))
                        continue;
                g_autofree char *list = list_ways(ways);
                a->is_usage = true;
                return log_error(-EINVAL, "--ways: there is no such way to %s: %s; there are: %s", a->address,
                        *name, list);
        }
        for (unsigned i = ways->len; a->ways && i > 0; i--) {
                const BenchWay *w = ways->pdata[i - 1];
                if (!g_strv_contains((const char *const *)a->ways, w->name))
                        g_ptr_array_remove_index(ways, i - 1);
        }
        return ways->len > 0 ? 0 : log_error(-EINVAL, "%s: there is no way to this drive", a->address);
}

static void show_measured(const struct arguments *a, unsigned rounds)
{
        if (rounds == 1)
                log_notice("%s: interrupted; 1 round was measured", a->address);
        else
                log_notice("%s: interrupted; %u rounds were measured", a->address, rounds);
}

static int run_bench(const struct arguments *a, struct subject *s, Bench *b)
{
        s->overwritten = a->options.write;
        running = b;
        if (interrupted)
                bench_cancel(b);
        int r = bench_run(b);
        running = NULL;
        progress_clear();
        if (r == -EINTR)
                show_measured(a, bench_rounds(b));
        if (r == -ENOSPC)
                log_message(LOG_ERR, 0,
                        "%s: the tape was full before a round was complete; give a smaller --space",
                        a->address);
        int reported = bench_rounds(b) > 0 ? report(a, b, s->title) : 0;
        return r < 0 ? r : reported;
}

/* Nothing is written before everything that can be known to fail is known not to. */
static int measure(struct arguments *a, struct subject *s, GPtrArray *ways)
{
        Bench *b;
        a->options.capacity = s->capacity;
        int r = select_ways(a, ways);
        if (r == 0)
                r = bench_new(&a->options, ways, &s->found, &b);
        if (r < 0)
                return r;
        if (a->options.write)
                r = confirm(a, s->content);
        if (r == 0)
                r = run_bench(a, s, b);
        bench_free(b);
        return r;
}

/* The plot is made at the end: that is late to find that it cannot be written. */
static int check_plot(const struct arguments *a)
{
        if (!a->plot)
                return 0;
        g_autofree char *directory = g_path_get_dirname(a->plot);
        int r = access(directory, W_OK | X_OK) < 0 ? -errno : 0;
        if (r == 0 && g_file_test(a->plot, G_FILE_TEST_IS_DIR))
                r = -EISDIR;
        return r < 0 ? log_error_errno(r, "%s: cannot write the plot", a->plot) : 0;
}

static int bench(struct arguments *a)
{
        struct subject s = { 0 };
        a->options.progress = show_progress;
        a->options.ctx = a;
        int r = check_plot(a);
        if (r < 0)
                return r;
        catch_signals(true);
        r = examine(a, &s);
        if (r == -EINTR)
                log_notice("%s: interrupted; nothing was measured", a->address);
        if (r == 0) {
                g_autoptr(GPtrArray) ways = bench_ways_of(a->address, &s.limits);
                r = measure(a, &s, ways);
        }
        int left = leave(a, &s);
        forget_signals();
        g_free(s.title);
        g_free(s.content);
        return r < 0 ? r : left;
}

/* ---- Command line */

enum { WRITE = 256, YES, JSON, PLOT, SIZES, TIME, ROUNDS, SPACE, TABLES, WAYS, BLOCK, BUFFER, PASSES };

static int take_size(const struct command *command, const char *option, const char *text, uint64_t min,
        uint64_t max, uint64_t *bytes)
{
        if (parse_size(text, bytes) < 0 || *bytes < min || *bytes > max)
                return command_usage(command, "--%s: %s is not such a size", option, text);
        return 0;
}

/* "4K" or "512-1M". */
static int take_sizes(const struct command *command, const char *text, struct bench_options *o)
{
        g_auto(GStrv) ends = g_strsplit(text, "-", 2);
        uint64_t smallest = 0, largest;
        int r = take_size(command, "sizes", ends[0] ?: "", 1, INT32_MAX, &smallest);
        largest = smallest;
        if (r == 0 && ends[0] && ends[1])
                r = take_size(command, "sizes", ends[1], 1, INT32_MAX, &largest);
        if (r == 0 && largest < smallest)
                return command_usage(command, "--sizes: %s ends before it begins: it is MIN-MAX", text);
        o->smallest = smallest;
        o->largest = largest;
        return r;
}

static int take_tables(const struct command *command, const char *text, unsigned *tables)
{
        g_auto(GStrv) names = g_strsplit(text, ",", -1);
        *tables = 0;
        for (char **name = names; *name; name++) {
                unsigned i = 0;
                while (i < BENCH_TABLES && strcmp(bench_table_names[i], *name) != 0)
                        i++;
                if (i == BENCH_TABLES)
                        return command_usage(command, "--tables: there is no table %s", *name);
                *tables |= 1u << i;
        }
        return 0;
}

static int take_number(const struct command *command, const char *option, const char *text, unsigned *number)
{
        char *end;
        unsigned long n = strtoul(text, &end, 10);
        if (*end || n < 1 || n > 1000)
                return command_usage(command, "--%s: %s is not a number from 1 to 1000", option, text);
        *number = (unsigned)n;
        return 0;
}

static int take_time(const struct command *command, const char *text, uint64_t *seconds)
{
        if (parse_seconds(text, seconds) < 0 || *seconds < 1 || *seconds > 86400)
                return command_usage(command, "--time: %s is not a time", text);
        return 0;
}

/* 0, or the exit status of a usage error. */
static int take_measure(const struct command *command, int option, struct bench_options *o)
{
        uint64_t bytes = 0;
        int status;
        switch (option) {
        case SIZES:
                return take_sizes(command, optarg, o);
        case TIME:
                return take_time(command, optarg, &o->seconds);
        case ROUNDS:
                return take_number(command, "rounds", optarg, &o->rounds);
        case PASSES:
                return take_number(command, "passes", optarg, &o->passes);
        case SPACE:
                return take_size(command, "space", optarg, 1, INT64_MAX, &o->space);
        case TABLES:
                return take_tables(command, optarg, &o->tables);
        case BLOCK:
                status = take_size(command, "block", optarg, 1, INT32_MAX, &bytes);
                o->fixed_block = (uint32_t)bytes;
                return status;
        case BUFFER:
                status = take_size(command, "buffer", optarg, 1, INT32_MAX, &bytes);
                o->buffer_size = bytes;
                return status;
        default:
                return command_option(command, option, &status) ? 0 : status;
        }
}

static int take_option(const struct command *command, int option, struct arguments *a)
{
        switch (option) {
        case WRITE:
                a->options.write = true;
                return 0;
        case YES:
                a->yes = true;
                return 0;
        case JSON:
                a->as_json = true;
                return 0;
        case PLOT:
                a->plot = optarg;
                return 0;
        case WAYS:
                g_strfreev(a->ways);
                a->ways = g_strsplit(optarg, ",", -1);
                return 0;
        default:
                return take_measure(command, option, &a->options);
        }
}

static int run(const struct command *command, int argc, char **argv)
{
        static const struct option options[] = { LONG_OPTIONS_COMMON, { "write", no_argument, NULL, WRITE },
                { "yes", no_argument, NULL, YES }, { "json", no_argument, NULL, JSON },
                { "plot", required_argument, NULL, PLOT }, { "sizes", required_argument, NULL, SIZES },
                { "time", required_argument, NULL, TIME }, { "rounds", required_argument, NULL, ROUNDS },
                { "space", required_argument, NULL, SPACE }, { "tables", required_argument, NULL, TABLES },
                { "ways", required_argument, NULL, WAYS }, { "block", required_argument, NULL, BLOCK },
                { "buffer", required_argument, NULL, BUFFER }, { "passes", required_argument, NULL, PASSES },
                { NULL, 0, NULL, 0 } };
        struct arguments a = { 0 };
        int option, status;
        bench_default_options(&a.options);
        while ((option = getopt_long(argc, argv, OPTIONS_COMMON, options, NULL)) >= 0) {
                status = take_option(command, option, &a);
                if (status != 0)
                        return status;
                if (option == 'h')
                        return EXIT_SUCCESS;
        }
        if (!command_arguments(command, argc, 1, 1, &status))
                return status;
        a.address = argv[optind];
        int r = bench(&a);
        status = a.is_usage ? EXIT_USAGE : r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
        g_strfreev(a.ways);
        return status;
}

const struct command command_bench = {
        .name = "bench",
        .arguments = "ADDRESS",
        .summary = "measure what moving data to and from a drive costs",
        .options = "      --write            write too: OVERWRITES THE TAPE, after it was asked for\n"
                   "      --yes              do not ask\n"
                   "      --json             machine-readable\n"
                   "      --plot FILE        draw the time of a command by its size, as SVG\n"
                   "      --sizes MIN-MAX    bytes in a command (512 to the largest)\n"
                   "      --time TIME        in all, about, without winding (60s)\n"
                   "      --rounds N         how often everything is measured (5)\n"
                   "      --space SIZE       of the tape, that is used in a round (2G)\n"
                   "      --tables LIST      of empty, sizes, fixed, alignment, buffers, beside (all)\n"
                   "      --ways LIST        as they are called in the tables (all)\n"
                   "      --block SIZE       fixed blocks of the table fixed (4K)\n"
                   "      --buffer SIZE      bytes in a command for the tables buffers and beside (512K)\n"
                   "      --passes N         over a buffer, by a program that fills it: its own work (1)\n",
        .run = run,
};

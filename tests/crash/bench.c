/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <glib/gstdio.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"

/* A recovery's own commands are cut after every so-manyth crash. */
#define SECOND_EVERY 29
#define SECOND_MAX 24 /* cuts of one recovery */
#define RACE_CUTS 40  /* of a run that races, about */

/* ---- Files */

char *bench_path(const struct bench *b, const char *name)
{
        return g_build_filename(b->directory, name, NULL);
}

void bench_remove(const struct bench *b, const char *name)
{
        g_autofree char *path = bench_path(b, name), *key_file = g_strconcat(path, ".cartridge", NULL);
        g_unlink(path);
        g_unlink(key_file);
}

static void copy_file(const char *from, const char *to)
{
        g_autofree char *data = NULL;
        gsize size;
        if (g_file_get_contents(from, &data, &size, NULL) &&
                !g_file_set_contents(to, data, (gssize)size, NULL))
                printf("%s cannot be written\n", to);
}

void bench_keep(const struct bench *b, const char *name)
{
        if (!b->keep)
                return;
        g_autofree char *path = bench_path(b, name), *key_file = g_strconcat(path, ".cartridge", NULL),
                        *to = g_build_filename(b->keep, name, NULL),
                        *key_to = g_strconcat(to, ".cartridge", NULL);
        copy_file(path, to);
        copy_file(key_file, key_to);
        printf("  the cartridge as it is now: %s\n", to);
}

/* ---- One run */

const char *bench_medium(const struct bench *b)
{
        static const char *const options[MEDIUM_COUNT] = {
                [MEDIUM_USUAL] = "",
                [MEDIUM_WORM] = "--medium worm ",
                [MEDIUM_APPEND_ONLY] = "--medium append-only ",
        };
        return options[b->medium];
}

int bench_record(struct bench *b, uint32_t seed, bool race, struct work *w)
{
        g_autofree char *path = bench_path(b, "work.tap");
        *w = (struct work){
                .medium = b->medium, .verbose = b->verbose, .race_wanted = race, .few = race && seed % 4 == 0
        };
        int r = work_begin(w, seed, path);
        for (unsigned i = 0; r == 0 && i < b->steps; i++)
                r = work_step(w);
        if (r == 0)
                r = work_end(w);
        if (r < 0) {
                printf("seed %" G_GUINT32_FORMAT ": %s: %s\n", seed, w->doing->str, g_strerror(-r));
                return r;
        }
        recording_end(&w->recording);
        if (w->recording.overwritten) {
                printf("seed %" G_GUINT32_FORMAT ": something on the tape was overwritten\n", seed);
                return -EILSEQ;
        }
        return 0;
}

/* Cuts of what the first mount, or the repair, after a crash did; of: that crash. */
static int run_second(
        struct bench *b, struct recording *first, const struct window *w, uint32_t seed, const char *of)
{
        recording_end(first);
        g_autoptr(GArray) cuts = cuts_of_recovery(first, seed, w);
        g_autofree char *path = bench_path(b, "second.tap");
        if (first->overwritten) {
                printf("%s: the recovery has overwritten something\n", of);
                b->totals.other++;
                return 0;
        }
        unsigned step = b->only_second >= 0 ? 1 : cuts->len / SECOND_MAX + 1;
        for (unsigned i = 0; i < cuts->len; i += step) {
                if (b->only_second >= 0 && i != (unsigned)b->only_second)
                        continue;
                const struct cut *cut = &g_array_index(cuts, struct cut, i);
                g_autofree char *what = g_strdup_printf("%s --second %u (a crash, then %s at command %zu)",
                        of, i, crash_names[cut->kind], cut->command);
                (*(first->torn_at > 0 ? &b->totals.repair_cuts : &b->totals.second_cuts))++;
                if (!case_run(first, cut, path, w, NULL, what, &b->totals))
                        bench_keep(b, "second.tap");
        }
        bench_remove(b, "second.tap");
        return 0;
}

/* As options, which a run that races cannot be made again by. */
static char *name_cut(const struct bench *b, const struct work *w, uint32_t seed, unsigned number)
{
        return g_strdup_printf(w->race_wanted ? "%srace of seed %u, cut %u" : "%s--seed %u --cut %u",
                bench_medium(b), seed, number);
}

/* So what it did stands beside what is wrong. */
static void print_log(const struct work *w, const struct cut *cut)
{
        for (unsigned i = 0; w->race_wanted && i < w->log->len; i++) {
                const char *line = w->log->pdata[i];
                unsigned long step = strtoul(line, NULL, 10);
                if (step > cut->acked && step <= cut->last)
                        printf("  %s\n", line);
        }
}

static int run_cut(
        struct bench *b, const struct work *w, const struct cut *cut, uint32_t seed, unsigned number)
{
        const struct window window = { w->model, cut->acked, cut->last, .racing = w->race_wanted };
        g_autofree char *path = bench_path(b, "cut.tap"), *of = name_cut(b, w, seed, number),
                        *what = g_strdup_printf("%s (%s at command %zu; steps %u to %u)", of,
                                crash_names[cut->kind], cut->command, cut->acked, cut->last);
        bool twice = b->only_cut >= 0 || number % SECOND_EVERY == 0;
        struct recording second;
        int r = 0;
        if (b->only_cut >= 0)
                printf("%s\n", what);
        b->totals.cuts[cut->kind]++;
        if (!case_run(&w->recording, cut, path, &window, twice ? &second : NULL, what, &b->totals)) {
                bench_keep(b, "cut.tap");
                print_log(w, cut);
        }
        if (twice) {
                r = run_second(b, &second, &window, seed, of);
                recording_clear(&second);
        }
        bench_remove(b, "cut.tap");
        return r;
}

static unsigned cuts_done(const struct bench *b)
{
        unsigned n = b->totals.second_cuts + b->totals.repair_cuts;
        for (unsigned i = 0; i < CRASH_KINDS; i++)
                n += b->totals.cuts[i];
        return n;
}

static int run_seed(struct bench *b, uint32_t seed, bool race)
{
        struct work w;
        int r = bench_record(b, seed, race, &w);
        if (r == 0) {
                g_autoptr(GArray) cuts = cuts_of(&w.recording, seed);
                unsigned every = race ? MAX(cuts->len / RACE_CUTS + 1, b->every) : b->every;
                printf("%s %u: %u operations, %u commands, %u cut points (recording %08x)\n",
                        race ? "race, seed" : "seed", seed, model_step(w.model), w.recording.records->len - 1,
                        cuts->len, recording_digest(&w.recording));
                b->runs += !race;
                b->races_done += race;
                b->operations += model_step(w.model);
                for (unsigned i = 0; r == 0 && i < cuts->len; i++)
                        if (b->only_cut < 0 ? (i + seed) % every == 0 : i == (unsigned)b->only_cut)
                                r = run_cut(b, &w, &g_array_index(cuts, struct cut, i), seed, i);
        }
        work_clear(&w);
        bench_remove(b, "work.tap");
        return r;
}

static int run_races(struct bench *b, uint32_t seed)
{
        int r = 0;
        for (unsigned i = 0; r == 0 && i < b->races; i++)
                r = run_seed(b, seed + i, true);
        return r;
}

int bench_run(struct bench *b)
{
        uint32_t seed = b->seed;
        int r = 0;
        if (b->only_cut >= 0)
                return run_seed(b, seed, false);
        if (b->only_fault >= 0)
                return faults_run(b, seed);
        for (; r == 0 && b->forever && bench_is_good(b); seed++) {
                r = run_seed(b, seed, false);
                if (r == 0)
                        r = run_races(b, seed * b->races);
                if (r == 0)
                        r = faults_run(b, seed);
        }
        while (r == 0 && !b->forever && cuts_done(b) < b->cuts)
                r = run_seed(b, seed++, false);
        if (r == 0 && !b->forever)
                r = run_races(b, b->seed);
        return r < 0 || b->forever || b->faults == 0 ? r : faults_run(b, b->seed);
}

/* ---- The table */

static void line(const char *what, unsigned n)
{
        printf("  %-52s %8u\n", what, n);
}

static void print_faults(const struct bench *b)
{
        unsigned all = 0;
        for (unsigned i = 0; fault_name(i); i++)
                all += b->injected[i];
        line("faults injected", all);
        for (unsigned i = 0; fault_name(i); i++) {
                g_autofree char *text = g_strdup_printf("  %s", fault_name(i));
                line(text, b->injected[i]);
        }
        line("runs with faults in which a program was told", b->told);
}

void bench_print(const struct bench *b)
{
        const struct totals *t = &b->totals;
        printf("\n");
        line("runs of operations", b->runs);
        line("runs that race", b->races_done);
        line("operations", b->operations);
        line("cut points", cuts_done(b));
        for (unsigned i = 0; i < CRASH_KINDS; i++) {
                g_autofree char *text = g_strdup_printf("  %s", crash_names[i]);
                line(text, t->cuts[i]);
        }
        line("  a second crash, during recovery", t->second_cuts);
        line("  a second crash, during a repair", t->repair_cuts);
        print_faults(b);
        line("mounts after all this", t->mounts);
        line("repairs of tapes without an end of data", t->repairs);
        line("  refused, since they are written once", t->refused);
        line("files in lost+found", t->rescued);
        line("mounts that failed (must be 0)", t->failed_mounts);
        line("not writable afterwards (must be 0)", t->not_writable);
        line("committed files lost (must be 0)", t->lost);
        line("things invented (must be 0)", t->invented);
        line("otherwise wrong (must be 0)", t->other);
}

bool bench_is_good(const struct bench *b)
{
        const struct totals *t = &b->totals;
        return t->lost + t->invented + t->failed_mounts + t->not_writable + t->other == 0;
}

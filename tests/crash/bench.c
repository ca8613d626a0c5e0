/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <glib/gstdio.h>
#include <stdio.h>
#include <string.h>

#include "bench.h"

/* A recovery's own commands are cut after every so-manyth crash. */
#define SECOND_EVERY 29
#define SECOND_MAX 24 /* cuts of one recovery */
#define RECORD_TRIES 20

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

int bench_record(struct bench *b, uint32_t seed, struct work *w)
{
        g_autofree char *path = bench_path(b, "work.tap");
        *w = (struct work){ .medium = b->medium, .verbose = b->verbose };
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

/* Cuts of what the first mount after a crash did. */
static int run_second(
        struct bench *b, struct recording *first, const struct window *w, uint32_t seed, int number)
{
        recording_end(first);
        g_autoptr(GArray) cuts = cuts_of_recovery(first, seed, w);
        g_autofree char *path = bench_path(b, "second.tap");
        if (first->overwritten) {
                printf("%s--seed %u --cut %d: the recovery has overwritten something\n", bench_medium(b),
                        seed, number);
                b->totals.other++;
                return 0;
        }
        unsigned step = b->only_second >= 0 ? 1 : cuts->len / SECOND_MAX + 1;
        for (unsigned i = 0; i < cuts->len; i += step) {
                if (b->only_second >= 0 && i != (unsigned)b->only_second)
                        continue;
                const struct cut *cut = &g_array_index(cuts, struct cut, i);
                g_autofree char *what = g_strdup_printf(
                        "%s--seed %u --cut %d --second %u (%s, then %s at command %zu)", bench_medium(b),
                        seed, number, i, "a crash", crash_names[cut->kind], cut->command);
                b->totals.second_cuts++;
                if (!case_run(first, cut, path, w, NULL, what, &b->totals))
                        bench_keep(b, "second.tap");
        }
        bench_remove(b, "second.tap");
        return 0;
}

static int run_cut(
        struct bench *b, const struct work *w, const struct cut *cut, uint32_t seed, unsigned number)
{
        const struct window window = { w->model, cut->acked, cut->last, false };
        g_autofree char *path = bench_path(b, "cut.tap"),
                        *what = g_strdup_printf("%s--seed %u --cut %u (%s at command %zu; steps %u to %u)",
                                bench_medium(b), seed, number, crash_names[cut->kind], cut->command,
                                cut->acked, cut->last);
        bool twice = cut->tail == TAIL_END && (b->only_cut >= 0 || number % SECOND_EVERY == 0);
        struct recording second;
        int r = 0;
        if (b->only_cut >= 0)
                printf("%s\n", what);
        b->totals.cuts[cut->kind]++;
        if (!case_run(&w->recording, cut, path, &window, twice ? &second : NULL, what, &b->totals))
                bench_keep(b, "cut.tap");
        if (twice) {
                r = run_second(b, &second, &window, seed, (int)number);
                recording_clear(&second);
        }
        bench_remove(b, "cut.tap");
        return r;
}

static unsigned cuts_done(const struct bench *b)
{
        unsigned n = b->totals.second_cuts;
        for (unsigned i = 0; i < CRASH_KINDS; i++)
                n += b->totals.cuts[i];
        return n;
}

static int run_seed(struct bench *b, uint32_t seed)
{
        struct work w;
        int r = bench_record(b, seed, &w);
        if (r == 0) {
                g_autoptr(GArray) cuts = cuts_of(&w.recording, seed);
                printf("seed %u: %u operations, %u commands, %u cut points (recording %08x)\n", seed,
                        model_step(w.model), w.recording.records->len - 1, cuts->len,
                        recording_digest(&w.recording));
                b->runs++;
                b->operations += model_step(w.model);
                for (unsigned i = 0; r == 0 && i < cuts->len; i++)
                        if (b->only_cut < 0 ? i % b->every == 0 : i == (unsigned)b->only_cut)
                                r = run_cut(b, &w, &g_array_index(cuts, struct cut, i), seed, i);
        }
        work_clear(&w);
        bench_remove(b, "work.tap");
        return r;
}

int bench_run(struct bench *b)
{
        uint32_t seed = b->seed;
        int r = 0;
        if (b->only_cut >= 0)
                return run_seed(b, seed);
        if (b->only_fault >= 0)
                return faults_run(b, seed);
        for (; r == 0 && b->forever && bench_is_good(b); seed++) {
                r = run_seed(b, seed);
                if (r == 0)
                        r = faults_run(b, seed);
        }
        while (r == 0 && !b->forever && cuts_done(b) < b->cuts)
                r = run_seed(b, seed++);
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
        line("operations", b->operations);
        line("cut points", cuts_done(b));
        for (unsigned i = 0; i < CRASH_KINDS; i++) {
                g_autofree char *text = g_strdup_printf("  %s", crash_names[i]);
                line(text, t->cuts[i]);
        }
        line("  a second crash, during recovery", t->second_cuts);
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

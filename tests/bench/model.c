/* SPDX-License-Identifier: GPL-2.0-or-later */
/* bench-model DRIVE RATE SCALE archive|both: seconds on a modelled drive (reelfs-model(7)) for archive and
 * restore. reelfs is the real scheduler and volume over the virtual drive, on the clock of sim-clock.h; tar,
 * and one record for each file with an index every five minutes, are the commands that these make. RATE is
 * MB/s of what gives and takes the data, one request after the other. SCALE divides the numbers of files, and
 * the size of a last one. One line for each figure: archive|restore, set, order, who, seconds, stops,
 * locates, metres. Orders: of the tape, in which the files were written, random; random/8: eight readers at
 * once. Set wanted: parts of files, in the order of the tape and in the one that the drive recommends;
 * beside: one reader of four files, and four. */
#include <glib.h>
#include <glib/gstdio.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <reelfs/log.h>

#include "model.h"

static const struct kind small[] = { { 20000, 4096 }, { 0 } }, large[] = { { 50, UINT64_C(2) << 30 }, { 0 } },
                         mix[] = { { 5000, 100 << 10 }, { 400, 16 << 20 }, { 10, UINT64_C(2) << 30 }, { 0 } };
static const struct {
        const char *name;
        const struct kind *kinds;
} sets[] = { { "small", small }, { "large", large }, { "mix", mix } };

void job_print(const struct job *j, const char *what, const char *order, const char *who, double seconds,
        const struct virtual_motion *m)
{
        printf("%s %s %s %s %.3f %" G_GUINT64_FORMAT " %" G_GUINT64_FORMAT " %.0f\n", what, j->set, order,
                who, seconds, m->stops, m->locates, m->metres);
        fflush(stdout);
}

int64_t job_host_ns(const struct job *j, uint64_t bytes)
{
        return (int64_t)((double)bytes * 1e9 / j->rate);
}

/* The sizes take turns, so that the kinds are spread over the tape. */
void job_make(struct job *j, const struct kind *kinds, unsigned scale)
{
        GRand *rand = g_rand_new_with_seed(1);
        g_autoptr(GArray) sizes = g_array_new(FALSE, FALSE, sizeof(uint64_t));
        for (const struct kind *k = kinds; k->files; k++) {
                uint64_t size = k->files >= scale ? k->size : k->size * k->files / scale;
                for (unsigned i = 0; i < MAX(k->files / scale, 1); i++)
                        g_array_append_val(sizes, size);
        }
        j->n = sizes->len;
        j->sizes = (uint64_t *)g_array_steal(sizes, NULL);
        j->shuffled = g_new(size_t, j->n);
        for (size_t i = 0; i < j->n; i++)
                j->shuffled[i] = i;
        for (size_t i = j->n; i-- > 1;) {
                size_t a = (size_t)g_rand_int_range(rand, 0, (int)i + 1), b = j->shuffled[i];
                uint64_t size = j->sizes[i];
                j->shuffled[i] = j->shuffled[a];
                j->shuffled[a] = b;
                a = (size_t)g_rand_int_range(rand, 0, (int)i + 1);
                j->sizes[i] = j->sizes[a];
                j->sizes[a] = size;
        }
        g_rand_free(rand);
}

void job_clear(struct job *j)
{
        g_free(j->sizes);
        g_free(j->shuffled);
}

uint64_t job_bytes(const struct job *j)
{
        uint64_t bytes = 0;
        for (size_t i = 0; i < j->n; i++)
                bytes += j->sizes[i];
        return bytes;
}

static void quiet(void *ctx, int priority, const char *text)
{
        if (priority <= LOG_ERR)
                fprintf(stderr, "%s\n", text);
}

int main(int argc, char **argv)
{
        if (argc != 5 || !serpentine_find(argv[1]) || atof(argv[2]) <= 0 || atoi(argv[3]) < 1) {
                fprintf(stderr, "usage: bench-model lto5|lto8|lto9 RATE SCALE archive|both\n");
                return 2;
        }
        log_set_sink(quiet, NULL);
        g_autofree char *directory = g_dir_make_tmp("reelfs-model-XXXXXX", NULL);
        g_assert_nonnull(directory);
        for (size_t i = 0; i < G_N_ELEMENTS(sets); i++) {
                struct job j = { sets[i].name, serpentine_find(argv[1]), atof(argv[2]) * 1e6 };
                job_make(&j, sets[i].kinds, (unsigned)atoi(argv[3]));
                model_others(&j);
                model_reelfs(&j, directory, strcmp(argv[4], "both") == 0);
                job_clear(&j);
        }
        model_scattered(serpentine_find(argv[1]));
        if (strcmp(argv[4], "both") == 0) {
                model_wanted(serpentine_find(argv[1]), atof(argv[2]) * 1e6, directory);
                model_beside(serpentine_find(argv[1]), atof(argv[2]) * 1e6, directory);
        }
        return g_rmdir(directory) < 0;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Mounting, and which operation is next. */
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <reelfs/util.h>
#include <reelfs/virtual.h>

#include "operations.h"
#include "race.h"

#define FIRST_DIRECTORIES 8
#define FIRST_FILES 26 /* in each: the tree is so large that indexes are incremental */
#define FEW_FILES 4    /* so few that each index is a full one */
#define SYNC_IN 6      /* operations of a run that races, one more sync is begun */
#define SECOND INT64_C(1000000000)
/* A reader that has been served is expected to come back within 20 ms; only then goes writing on. */
#define PAUSE_US 30000

unsigned work_random(struct work *w, unsigned below)
{
        return (unsigned)g_rand_int_range(w->random, 0, (gint32)below);
}

int64_t work_now(struct work *w)
{
        w->clock += SECOND;
        return w->clock;
}

/* ---- Step by step */

/* Whether a thread of this process waits for something, of which the kernel says that it sleeps. */
static bool sleeps(const char *thread)
{
        g_autofree char *path = g_strdup_printf("/proc/self/task/%s/stat", thread), *text = NULL;
        if (!g_file_get_contents(path, &text, NULL, NULL))
                return true; /* it has ended */
        const char *state = strrchr(text, ')');
        return state && state[1] == ' ' && state[2] == 'S';
}

static bool others_sleep(void)
{
        g_autoptr(GDir) threads = g_dir_open("/proc/self/task", 0, NULL);
        g_autofree char *own = g_strdup_printf("%d", gettid());
        const char *thread;
        bool all = true;
        while (all && (thread = g_dir_read_name(threads)))
                all = strcmp(thread, own) == 0 || sleeps(thread);
        return all;
}

/* Until the drive thread has done what it can do, so that each run of a seed gives the drive the same
 * commands.
 */
static void let_drive_work(void)
{
        for (unsigned quiet = 0; quiet < 2;) {
                quiet = others_sleep() ? quiet + 1 : 0;
                sched_yield();
        }
}

void work_pause(void)
{
        g_usleep(PAUSE_US);
}

/* ---- Mounting */

/* The rule, if its command is still to come; one without an end holds in each mount from then on. */
static char *rules_now(struct work *w)
{
        size_t done = recording_commands(&w->recording);
        bool lasts = w->fault && strstr(w->fault, "count=all");
        if (!w->fault || (done > w->fault_at && !lasts))
                return NULL;
        return g_strdup_printf("after=%zu %s", w->fault_at - MIN(done, w->fault_at), w->fault);
}

static int open_tape(struct work *w)
{
        g_autofree char *rules = rules_now(w);
        Transport *t;
        int r = recording_open(&w->recording, rules, &t);
        return r < 0 ? r : tape_open(t, "the tape", &w->tape);
}

static void close_all(struct work *w)
{
        volume_close(g_steal_pointer(&w->volume));
        tree_free(g_steal_pointer(&w->tree));
        tape_close(g_steal_pointer(&w->tape));
}

static int mount(struct work *w)
{
        struct sched_options options = {
                .buffer = SCHED_BUFFER_MIN, .stage = WORK_STAGE, .min_rate = SCHED_NEVER_GATHER
        };
        if (w->racing) { /* what was closed goes to the tape soon, and who streams loses his turn */
                options.linger_ms = 1 + work_random(w, 10);
                options.idle_ms = 1 + work_random(w, 5);
                race_begin(w);
        }
        w->unmounted = false;
        int r = open_tape(w);
        if (r == 0)
                r = volume_open(w->tape, false, &w->volume, &w->tree);
        if (r == 0)
                r = sched_new(w->volume, w->tree, &options, &w->sched);
        if (r < 0)
                close_all(w);
        return r;
}

static void begin_step(struct work *w)
{
        model_begin_step(w->model);
        atomic_store(&w->recording.step, model_step(w->model));
}

/* In a step of its own: a sync that was begun in the one before does not promise it. */
static int end_parked(struct work *w)
{
        if (!w->parked.file)
                return 0;
        begin_step(w);
        return write_parked(w, true);
}

/* As the frontend and the program around it do. */
static int unmount(struct work *w)
{
        int parked = end_parked(w);
        stop_streaming(w);
        int r = sched_stop(w->sched, NULL) ?: parked;
        sched_free(g_steal_pointer(&w->sched));
        if (w->race)
                race_end(w);
        if (r == 0)
                recording_acknowledge(&w->recording, model_step(w->model));
        int rewound = tape_rewind(w->tape);
        close_all(w);
        w->unmounted = r == 0;
        return r ?: rewound;
}

int work_remount(struct work *w)
{
        g_string_append(w->doing, "unmount, mount");
        int r = unmount(w);
        return r < 0 ? r : mount(w);
}

/* ---- Beginning and end */

static int format(struct work *w)
{
        const struct volume_format f = { .name = "CRASH", .block_length = WORK_BLOCK };
        int r = open_tape(w);
        if (r == 0)
                r = volume_format(w->tape, &f);
        close_all(w);
        return r;
}

static int fill(struct work *w)
{
        int r = 0;
        for (unsigned d = 0; r == 0 && d < FIRST_DIRECTORIES; d++) {
                char directory[16];
                snprintf(directory, sizeof(directory), "/first-%u", d);
                r = make_directory(w, directory);
                for (unsigned i = 0; r == 0 && i < (w->few ? FEW_FILES : FIRST_FILES); i++) {
                        g_autofree char *path =
                                g_strdup_printf("%s/a-file-of-the-beginning-%u", directory, i);
                        r = make_file(w, path, 1 + work_random(w, 400));
                        let_drive_work();
                }
        }
        return r;
}

int work_begin(struct work *w, uint32_t seed, const char *path)
{
        const struct virtual_cartridge cartridge = { .max_transfer = 4 * WORK_BLOCK,
                .worm = w->medium == MEDIUM_WORM,
                .append_only = w->medium == MEDIUM_APPEND_ONLY };
        const char *fault = w->fault;
        w->random = g_rand_new_with_seed(seed);
        w->model = model_new();
        w->doing = g_string_new("format");
        w->log = g_ptr_array_new_with_free_func(g_free);
        w->left = g_ptr_array_new_with_free_func(g_free);
        w->clock = INT64_C(1600000000) * SECOND + 987654321;
        int r = virtual_create(path, &cartridge);
        if (r < 0)
                return r;
        recording_begin(&w->recording, path, 0);
        /* Who formats a tape is there and sees what fails. */
        w->fault = NULL;
        r = format(w);
        if (r == 0)
                r = mount(w);
        if (r == 0)
                r = fill(w);
        if (r == 0)
                r = sync_file(w, NULL);
        let_drive_work();
        w->fault = fault;
        w->recording.loss = w->loss;
        w->recording.loss_at = w->fault_at;
        w->racing = w->race_wanted;
        return r ?: work_remount(w);
}

int work_end(struct work *w)
{
        g_string_assign(w->doing, "the last unmount");
        return w->sched ? unmount(w) : w->unmounted ? 0 : -EIO;
}

void work_clear(struct work *w)
{
        if (w->sched)
                unmount(w);
        recording_clear(&w->recording);
        model_free(w->model);
        g_rand_free(w->random);
        g_string_free(w->doing, TRUE);
        g_free(w->streaming_path);
        g_ptr_array_unref(w->log);
        g_ptr_array_unref(w->left);
        *w = (struct work){ 0 };
}

/* ---- Operations */

static const struct {
        unsigned weight;
        int (*run)(struct work *w);
} operations[] = {
        { 22, operation_create },
        { 8, operation_stream },
        { 10, operation_stream_on },
        { 8, operation_overwrite },
        { 8, operation_rewrite },
        { 5, operation_append },
        { 3, operation_sparse },
        { 5, operation_truncate },
        { 4, operation_punch },
        { 8, operation_rename },
        { 8, operation_replace },
        { 4, operation_rename_directory },
        { 8, operation_unlink },
        { 3, operation_mkdir },
        { 2, operation_rmdir },
        { 4, operation_link },
        { 3, operation_symlink },
        { 4, operation_setattr },
        { 4, operation_xattr },
        { 4, operation_read },
        { 14, operation_fsync },
        { 4, operation_commit },
        { 1, work_remount },
};

static void note_step(struct work *w, int error)
{
        char *line =
                g_strdup_printf("%4u %5zu %s%s%s", model_step(w->model), recording_commands(&w->recording),
                        w->doing->str, error < 0 ? ": " : "", error < 0 ? g_strerror(-error) : "");
        g_ptr_array_add(w->log, line);
        if (w->verbose)
                puts(line);
}

int work_step(struct work *w)
{
        unsigned total = 0, i = 0;
        for (i = 0; i < G_N_ELEMENTS(operations); i++)
                total += operations[i].weight;
        unsigned pick = work_random(w, total);
        for (i = 0; pick >= operations[i].weight; i++)
                pick -= operations[i].weight;
        begin_step(w);
        g_string_truncate(w->doing, 0);
        int r = write_parked(w, false);
        if (r == 0)
                r = w->racing && work_random(w, SYNC_IN) == 0 ? operation_fsync(w) : operations[i].run(w);
        note_step(w, r);
        if (r == 0 && w->racing)
                r = race_pace(w);
        else
                let_drive_work();
        return r;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Faults at commands of a running workload. A program that is told of an error stops; then, and if nobody was
 * told, the volume is mounted by a drive that is well. */
#include <errno.h>
#include <stdio.h>

#include "bench.h"

/* Commands until a loss is told: some, and so many that one which flushes comes first. */
enum { LATER = 3, LATE = 1000 };

/* Rules: see reelfs-fault(7). */
static const struct {
        const char *name, *rule;
        bool lies;        /* see lied in struct window */
        struct loss loss; /* if there is no rule */
} faults[] = {
        { "write error", "opcode=0a,10 sense=3/0c/00" },
        { "write error in the midst of a command", "opcode=0a,10 sense=3/0c/00 partial=1 information=rest" },
        { "write error found out later", "sense=3/0c/00 deferred" },
        { "write error from then on", "opcode=0a,10 sense=3/0c/00 count=all" },
        { "medium error", "sense=3/11/00" },
        { "no end of data, it says", "sense=3/14/03" },
        { "hardware error", "sense=4/44/00" },
        { "hardware error from then on", "sense=4/44/00 count=all" },
        { "unit attention: reset", "attention=29/00 rewind" },
        { "unit attention: reset, command done", "attention=29/00 done=yes" },
        { "unit attention: medium may have changed", "attention=28/00" },
        { "unit attention: something else", "attention=3f/01 done=yes" },
        { "aborted command", "sense=b/47/00" },
        { "aborted command, though done", "sense=b/47/00 done=yes" },
        { "aborted commands from then on", "sense=b/47/00 count=all" },
        { "busy", "status=busy" },
        { "busy, though done", "status=busy done=yes" },
        { "reservation conflict", "status=conflict" },
        { "tape taken out", "sense=2/3a/00 count=all" },
        { "write protected", "opcode=0a,10 sense=7/27/00 count=all" },
        { "early warning", "opcode=0a,10 sense=0/00/02 eom done=yes" },
        { "early warning from then on", "opcode=0a,10 sense=0/00/02 eom done=yes count=all" },
        { "end of the tape without warning", "opcode=0a,10 sense=d/00/02 eom information=rest count=all" },
        { "no answer", "error=timeout" },
        { "no answer, though done", "error=timeout done=yes" },
        { "no answer from then on", "error=timeout count=all" },
        { "connection lost", "error=reset" },
        { "connection lost, command done", "error=reset done=yes" },
        { "connection lost in the midst of a command", "error=reset partial=1 rewind" },
        { "unplugged in the midst of a command", "error=nodev partial=1 count=all" },
        { "host adapter fails", "error=io" },
        { "said to be written, though it is not", "opcode=0a,10 status=good", true },
        { .name = "the last object lost, told at once", .loss = { .how.tail = VIRTUAL_TAIL_END } },
        { .name = "the last object lost, told by the flush itself",
                .loss = { .how = { .commands = LATE, .tail = VIRTUAL_TAIL_END, .current = true } } },
        { .name = "half of the buffer lost, told later",
                .loss = { 50, { .commands = LATER, .tail = VIRTUAL_TAIL_END } } },
        { .name = "half of the buffer lost, and the end of data",
                .loss = { 50, { .commands = LATER, .tail = VIRTUAL_TAIL_NONE } } },
        { .name = "buffer lost, told at once, then it takes nothing",
                .loss = { 100, { .tail = VIRTUAL_TAIL_END, .fence = true } } },
        { .name = "the buffer and the end of data lost, told at once",
                .loss = { 100, { .tail = VIRTUAL_TAIL_NONE } } },
        { .name = "the same, told by the flush, then it takes nothing",
                .loss = { 100, { .commands = LATE, .tail = VIRTUAL_TAIL_NONE, .fence = true } } },
};
_Static_assert(G_N_ELEMENTS(faults) <= FAULT_KINDS_MAX, "the table of struct bench is too short");

const char *fault_name(unsigned kind)
{
        return kind < G_N_ELEMENTS(faults) ? faults[kind].name : NULL;
}

int faults_work(struct bench *b, struct work *w, uint32_t seed, const char *path, bool *told)
{
        int r = work_begin(w, seed, path);
        for (unsigned i = 0; r == 0 && i < b->steps; i++)
                r = work_step(w);
        int ended = work_end(w);
        *told = r < 0 || ended < 0;
        return r == -EILSEQ ? r : 0;
}

/* A loss may leave none; what is written after it makes one again. */
static enum end end_after(const struct loss *loss)
{
        return loss && loss->how.tail == VIRTUAL_TAIL_NONE ? END_UNKNOWN : END_WRITTEN;
}

static void run_fault(struct bench *b, uint32_t seed, unsigned kind, size_t at)
{
        g_autofree char *path = bench_path(b, "fault.tap"),
                        *what = g_strdup_printf("%s--seed %u --fault %u --at %zu (%s)", bench_medium(b), seed,
                                kind, at, faults[kind].name);
        const struct loss *loss = faults[kind].rule ? NULL : &faults[kind].loss;
        struct work w = { .medium = b->medium,
                .verbose = b->verbose,
                .fault = faults[kind].rule,
                .loss = loss,
                .fault_at = at };
        bool told, good;
        int r = faults_work(b, &w, seed, path, &told);
        struct recording *rec = &w.recording;
        const struct ack *a = &g_array_index(rec->acks, struct ack, rec->acks->len - 1);
        struct window window = { w.model, a->step, model_step(w.model), told, told && faults[kind].lies };
        b->injected[kind] += rec->struck;
        b->told += told;
        if (r < 0) {
                printf("%s: %s: a reader got wrong bytes\n", what, w.doing->str);
                b->totals.other++;
        }
        good = case_verify(path, &window, end_after(loss), NULL, what, &b->totals);
        if (!good)
                bench_keep(b, "fault.tap");
        work_clear(&w);
        bench_remove(b, "fault.tap");
}

/* The commands of the run from first to last, as many of them as there are to be tried. */
static void run_kind(struct bench *b, uint32_t seed, unsigned kind, size_t first, size_t last)
{
        unsigned n = MAX(b->faults / (unsigned)G_N_ELEMENTS(faults), 1);
        size_t stride = MAX((last - first) / n, 1);
        for (size_t at = first + kind * 5 % stride; at < last; at += stride)
                run_fault(b, seed, kind, at);
}

int faults_run(struct bench *b, uint32_t seed)
{
        struct work w;
        if (b->only_fault >= 0 && (unsigned)b->only_fault < G_N_ELEMENTS(faults) && b->only_at >= 0) {
                run_fault(b, seed, (unsigned)b->only_fault, (size_t)b->only_at);
                return 0;
        }
        int r = bench_record(b, seed, false, &w);
        size_t last = r == 0 ? recording_commands(&w.recording) : 0;
        size_t first = r == 0 ? g_array_index(w.recording.acks, struct ack, 0).commands : 0;
        work_clear(&w);
        bench_remove(b, "work.tap");
        for (unsigned kind = 0; r == 0 && kind < G_N_ELEMENTS(faults); kind++)
                if (b->only_fault < 0 || kind == (unsigned)b->only_fault)
                        run_kind(b, seed, kind, first, last);
        return r;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What others do, command by command: tar, and one record for each file with an index every five minutes. */
#include <glib.h>
#include <stdlib.h>

#include <reelfs/volume.h>

#include "model.h"

#define BLOCK ((uint64_t)VOLUME_BLOCK_LENGTH_DEFAULT)
#define FRAMING 8       /* bytes that a block takes beside its data, as in the virtual drive's file */
#define INDEX_BYTES 600 /* for a file, in LTFS's index */
#define TAR_SAMPLES 10
#define SCATTERED 200 /* files */

struct other {
        const struct job *job;
        struct mechanics m;
        int64_t now;
        uint64_t at; /* place on the tape */
};

static struct other other_new(const struct job *j)
{
        struct other o = { .job = j };
        mechanics_init(&o.m, j->drive);
        return o;
}

static void put_block(struct other *o, uint64_t bytes)
{
        o->now = mechanics_write(&o->m, o->now, o->at, o->at + bytes + FRAMING, bytes);
        o->at += bytes + FRAMING;
}

static void put_filemark(struct other *o, bool flush)
{
        o->now = mechanics_write(&o->m, o->now, o->at, o->at + FRAMING / 2, 0);
        o->at += FRAMING / 2;
        if (flush)
                o->now = mechanics_flush(&o->m, o->now);
}

static void get_block(struct other *o, uint64_t bytes, uint64_t end)
{
        o->now = mechanics_read(&o->m, o->now, o->at, o->at + bytes + FRAMING, bytes, end);
        o->at += bytes + FRAMING;
}

static void go_to(struct other *o, uint64_t place)
{
        o->now = mechanics_locate(&o->m, o->now, place);
        o->at = place;
}

static void print_other(struct other *o, const char *what, const char *order, const char *who, double factor)
{
        mechanics_advance(&o->m, o->now);
        struct virtual_motion m = o->m.motion;
        m.stops = (uint64_t)((double)m.stops * factor);
        m.locates = (uint64_t)((double)m.locates * factor);
        m.metres *= factor;
        job_print(o->job, what, order, who, (double)o->now * factor / 1e9, &m);
}

/* tar: one stream of full blocks. starts: at which place each file's first block lies. Returns the end. */
static uint64_t archive_tar(const struct job *j, uint64_t *starts)
{
        struct other o = other_new(j);
        uint64_t pending = 0;
        for (size_t i = 0; i < j->n; i++) {
                uint64_t left = 512 + (j->sizes[i] + 511) / 512 * 512;
                o.now += 1000000000 / FILES_A_SECOND;
                starts[i] = o.at;
                while (left > 0) {
                        uint64_t n = MIN(left, BLOCK - pending);
                        o.now += job_host_ns(j, n);
                        pending += n;
                        left -= n;
                        if (pending == BLOCK) {
                                put_block(&o, BLOCK);
                                pending = 0;
                        }
                }
        }
        put_block(&o, BLOCK);
        put_filemark(&o, true);
        o.now = mechanics_rewind(&o.m, o.now);
        print_other(&o, "archive", "tape", "tar", 1);
        return o.at;
}

static void read_through(struct other *o, uint64_t place, uint64_t end)
{
        while (o->at < place) {
                get_block(o, BLOCK, end);
                o->now += job_host_ns(o->job, BLOCK);
        }
}

/* In the order of the tape: all of it, once. In another: from the beginning to the end of each file, of which
 * some are tried; or, if each is an archive of its own, mt fsf. */
static void restore_tar(const struct job *j, const uint64_t *starts, uint64_t end)
{
        struct other o = other_new(j);
        end -= end % (BLOCK + FRAMING);
        read_through(&o, end, end);
        o.now += (int64_t)j->n * 1000000000 / FILES_A_SECOND;
        print_other(&o, "restore", "tape", "tar", 1);
        o = other_new(j);
        if (job_bytes(j) / j->n > GIB) {
                for (size_t i = 0; i < j->n; i++) {
                        go_to(&o, starts[j->shuffled[i]]);
                        read_through(&o, o.at + j->sizes[j->shuffled[i]], end);
                }
                return print_other(&o, "restore", "random", "tar", 1);
        }
        unsigned samples = (unsigned)MIN(TAR_SAMPLES, j->n);
        for (unsigned i = 0; i < samples; i++) {
                size_t file = j->shuffled[i * j->n / samples];
                o.now = mechanics_rewind(&o.m, o.now);
                o.at = 0;
                read_through(&o, starts[file] + j->sizes[file] + BLOCK, end);
        }
        print_other(&o, "restore", "random", "tar", (double)j->n / samples);
}

static void put_index(struct other *o, size_t files)
{
        put_filemark(o, false);
        for (uint64_t left = 4096 + files * INDEX_BYTES; left > 0;) {
                uint64_t n = MIN(left, BLOCK);
                put_block(o, n);
                left -= n;
        }
        put_filemark(o, true);
}

/* One record or more for each file, no filemarks between; an index behind the data every five minutes, and at
 * the end one there and one at the beginning of the tape. */
static uint64_t archive_records(const struct job *j, uint64_t *starts)
{
        struct other o = other_new(j);
        int64_t indexed = 0;
        for (size_t i = 0; i < j->n; i++) {
                o.now += 1000000000 / FILES_A_SECOND;
                starts[i] = o.at;
                for (uint64_t left = j->sizes[i], n; left > 0; left -= n) {
                        n = MIN(left, BLOCK);
                        o.now += job_host_ns(j, n);
                        put_block(&o, n);
                        if (o.now - indexed > INDEX_S * INT64_C(1000000000)) {
                                put_index(&o, i);
                                indexed = o.now;
                        }
                }
        }
        put_index(&o, j->n);
        uint64_t end = o.at;
        go_to(&o, 0);
        put_index(&o, j->n);
        o.now = mechanics_rewind(&o.m, o.now);
        print_other(&o, "archive", "tape", "records", 1);
        return end;
}

static void restore_records(const struct job *j, const uint64_t *starts, uint64_t end, const size_t *shuffled)
{
        struct other o = other_new(j);
        for (size_t i = 0; i < j->n; i++) {
                size_t file = shuffled ? shuffled[i] : i;
                o.now += 1000000000 / FILES_A_SECOND;
                go_to(&o, starts[file]);
                for (uint64_t left = j->sizes[file], n; left > 0; left -= n) {
                        n = MIN(left, BLOCK);
                        get_block(&o, n, end);
                        o.now += job_host_ns(j, n);
                }
        }
        print_other(&o, "restore", shuffled ? "random" : "tape", "records", 1);
}

void model_others(const struct job *j)
{
        g_autofree uint64_t *starts = g_new(uint64_t, j->n);
        struct virtual_motion none = { 0 };
        double limit = (double)job_bytes(j) / serpentine_fastest(j->drive),
               host = (double)job_bytes(j) / j->rate;
        job_print(j, "archive", "tape", "limit", limit, &none);
        job_print(j, "archive", "tape", "source", host + (double)j->n / FILES_A_SECOND, &none);
        restore_tar(j, starts, archive_tar(j, starts));
        uint64_t end = archive_records(j, starts);
        restore_records(j, starts, end, NULL);
        restore_records(j, starts, end, j->shuffled);
}

static int compare_spans(const void *a, const void *b)
{
        const struct serpentine_span *x = a, *y = b;
        return (x->from > y->from) - (x->from < y->from);
}

static void print_way(const struct job *j, const char *order, const struct serpentine_span *spans)
{
        struct virtual_motion m = { .locates = SCATTERED };
        double reading = (double)SCATTERED * SCATTERED_SIZE / serpentine_fastest(j->drive);
        job_print(j, "restore", order, "drive", reading + serpentine_way(j->drive, 0, spans, SCATTERED), &m);
}

/* What an order is worth: a few files anywhere on a full tape, of which nothing else is read. */
void model_scattered(const struct serpentine_drive *drive)
{
        struct job j = { .set = "scattered", .drive = drive };
        struct serpentine_span spans[SCATTERED];
        GRand *rand = g_rand_new_with_seed(1);
        for (size_t i = 0; i < SCATTERED; i++) {
                uint64_t from = (uint64_t)(g_rand_double(rand) * (double)drive->capacity);
                spans[i] = (struct serpentine_span){ from, from + SCATTERED_SIZE, i };
        }
        g_rand_free(rand);
        print_way(&j, "random", spans);
        qsort(spans, SCATTERED, sizeof(*spans), compare_spans);
        print_way(&j, "tape", spans);
        serpentine_order(drive, 0, spans, SCATTERED);
        print_way(&j, "recommended", spans);
}

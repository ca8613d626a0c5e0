/* SPDX-License-Identifier: GPL-2.0-or-later */
/* stream-model CARTRIDGE RATE SECONDS SPEED: a source of RATE MB/s that delivers for three seconds and pauses
 * for one writes a file through the scheduler, below FUSE, to an empty volume on a modelled drive whose clock
 * runs SPEED times as fast as ours (so does the source). Prints what the tape did until everything was
 * flushed. */
#include <errno.h>
#include <glib.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <reelfs/sched.h>
#include <reelfs/virtual.h>

#define PIECE (1 << 20)
#define DELIVERS 3.0
#define PAUSES 1.0

struct source {
        double rate, seconds, speed; /* bytes a second; by the model's clock */
        uint8_t *piece;
};

static int fill(void *ctx, void *dst, size_t size)
{
        memcpy(dst, ctx, size);
        return 0;
}

/* When the source has delivered so many bytes, by the model's clock. */
static double due(const struct source *s, uint64_t bytes)
{
        double delivering = (double)bytes / s->rate;
        return delivering + PAUSES * (double)(uint64_t)(delivering / DELIVERS);
}

static int deliver(const struct source *s, SchedFile *f, uint64_t *bytes)
{
        int64_t start = g_get_monotonic_time();
        struct sched_source source = { .fill = fill, .ctx = s->piece };
        size_t done;
        int r = 0;
        for (*bytes = 0; r == 0 && due(s, *bytes) < s->seconds; *bytes += done) {
                int64_t wait = start + (int64_t)(due(s, *bytes) / s->speed * 1e6) - g_get_monotonic_time();
                if (wait > 0)
                        g_usleep((gulong)wait);
                r = sched_write(f, *bytes, PIECE, &source, &done);
        }
        return r;
}

static int write_file(const struct source *s, Sched *sched, Tree *tree, uint64_t *bytes)
{
        struct tree_new_inode n = { .mode = S_IFREG | 0644 };
        struct tree_attr attr;
        SchedFile *f;
        int r = tree_create(tree, TREE_ROOT, "stream", &n, 0, &attr);
        if (r == 0)
                r = sched_open(sched, attr.ino, &f);
        if (r < 0)
                return r;
        tree_unref(tree, attr.ino, 1);
        r = deliver(s, f, bytes);
        sched_release(f);
        return r;
}

static int run(const struct source *s, Transport *transport, Tape *tape)
{
        const struct sched_options options = { 0 };
        struct virtual_motion before, after;
        Volume *volume;
        Tree *tree;
        Sched *sched;
        uint64_t bytes = 0;
        int r = volume_open(tape, false, &volume, &tree);
        if (r < 0)
                return r;
        r = sched_new(volume, tree, &options, &sched);
        if (r == 0) {
                virtual_motion(transport, &before);
                r = write_file(s, sched, tree, &bytes);
                int stopped = sched_stop(sched, NULL);
                virtual_motion(transport, &after);
                sched_free(sched);
                r = r ?: stopped;
        }
        if (r == 0)
                printf("{\"bytes\": %" PRIu64 ", \"pool\": %zu, \"stops\": %" PRIu64
                       ", \"seconds\": %.3f, \"hitching\": %.3f, \"writing\": %.3f}\n",
                        bytes, SCHED_BUFFER_DEFAULT, after.stops - before.stops,
                        (double)(after.clock_ns - before.clock_ns) / 1e9,
                        (double)(after.hitching_ns - before.hitching_ns) / 1e9,
                        (double)(after.writing_ns - before.writing_ns) / 1e9);
        volume_close(volume);
        tree_free(tree);
        return r;
}

int main(int argc, char **argv)
{
        if (argc != 5 || atof(argv[2]) <= 0 || atof(argv[4]) <= 0) {
                fprintf(stderr, "usage: stream-model CARTRIDGE RATE SECONDS SPEED\n");
                return 2;
        }
        struct source s = { atof(argv[2]) * 1e6, atof(argv[3]), atof(argv[4]), calloc(1, PIECE) };
        Transport *transport;
        Tape *tape;
        if (!s.piece || virtual_open(argv[1], false, &transport) < 0 ||
                tape_open(transport, argv[1], &tape) < 0)
                return 1;
        int r = run(&s, transport, tape);
        if (r < 0)
                fprintf(stderr, "stream-model: %s: %s\n", argv[1], strerror(-r));
        tape_close(tape);
        free(s.piece);
        return r < 0;
}

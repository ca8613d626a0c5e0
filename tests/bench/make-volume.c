/* SPDX-License-Identifier: GPL-2.0-or-later */
/* make-volume CARTRIDGE FILES: fills an empty volume with so many small files, 1,000 in a directory, as if
 * rsync had written them: below FUSE, since a million files are to be there in seconds. The cartridge belongs
 * to a virtual drive. */
#include <errno.h>
#include <glib.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <reelfs/virtual.h>
#include <reelfs/volume.h>

#define PER_DIRECTORY 1000
#define PER_SEGMENT 65536
#define FILE_SIZE 500
#define STRIDE 512
#define NS INT64_C(1000000000)
#define SOME_DAY (INT64_C(1700000000) * NS)

struct making {
        Volume *volume;
        Tree *tree;
        uint64_t directory, segment;
        char *data; /* of a segment */
};

/* Written on some day, changed an hour before that, and renamed a little later. */
static void set_times(struct making *m, uint64_t ino, uint64_t number)
{
        int64_t written = SOME_DAY + (int64_t)number * 31415927;
        struct tree_attr a = { .times = { written, written - 3600 * NS, written + 271828, written + 1618 } };
        tree_setattr(
                m->tree, ino, TREE_SET_BTIME | TREE_SET_MTIME | TREE_SET_CTIME | TREE_SET_ATIME, &a, NULL);
}

static int make(struct making *m, uint64_t parent, const char *name, uint32_t mode, uint64_t *ino)
{
        struct tree_new_inode n = { .mode = mode };
        struct tree_attr attr;
        int r = tree_create(m->tree, parent, name, &n, SOME_DAY, &attr);
        if (r < 0)
                return r;
        *ino = attr.ino;
        tree_unref(m->tree, attr.ino, 1);
        return 0;
}

static int begin_segment(struct making *m, uint64_t files)
{
        struct iovec iov = { m->data, (size_t)MIN(files, PER_SEGMENT) * STRIDE };
        m->segment = volume_segment_new(m->volume, SEGMENT_FILE);
        return m->segment ? volume_append(m->volume, m->segment, &iov, 1, true) : -ENOMEM;
}

static int make_file(struct making *m, uint64_t number)
{
        char name[64];
        uint64_t ino;
        snprintf(name, sizeof(name), "file-%09" PRIu64 ".dat", number);
        int r = make(m, m->directory, name, S_IFREG | 0644, &ino);
        if (r < 0)
                return r;
        struct tree_extent e = { 0, FILE_SIZE, m->segment, number % PER_SEGMENT * STRIDE };
        r = tree_put_extent(m->tree, ino, &e, 0);
        set_times(m, ino, number);
        return r;
}

static int make_all(struct making *m, uint64_t files)
{
        int r = 0;
        for (uint64_t i = 0; i < files && r == 0; i++) {
                char name[64];
                snprintf(name, sizeof(name), "directory-%06" PRIu64, i / PER_DIRECTORY);
                if (i % PER_DIRECTORY == 0)
                        r = make(m, TREE_ROOT, name, S_IFDIR | 0755, &m->directory);
                if (r == 0 && i % PER_SEGMENT == 0)
                        r = begin_segment(m, files - i);
                if (r == 0)
                        r = make_file(m, i);
        }
        return r < 0 ? r : volume_commit(m->volume, m->tree, true, NULL);
}

int main(int argc, char **argv)
{
        if (argc != 3 || atoll(argv[2]) < 1) {
                fprintf(stderr, "usage: make-volume CARTRIDGE FILES\n");
                return 2;
        }
        Transport *transport;
        Tape *tape;
        struct making m = { .data = calloc(PER_SEGMENT, STRIDE) };
        if (!m.data || virtual_open(argv[1], false, &transport) < 0 ||
                tape_open(transport, argv[1], &tape) < 0)
                return 1;
        int r = volume_open(tape, false, &m.volume, &m.tree);
        if (r == 0) {
                r = make_all(&m, (uint64_t)atoll(argv[2]));
                volume_close(m.volume);
                tree_free(m.tree);
        }
        if (r < 0)
                fprintf(stderr, "make-volume: %s: %s\n", argv[1], strerror(-r));
        tape_close(tape);
        free(m.data);
        return r < 0;
}

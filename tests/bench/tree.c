/* SPDX-License-Identifier: GPL-2.0-or-later */
/* bench-tree [NAMES [FILE]]: what a tree of so many files takes in memory, what its index takes, and how fast
 * that is written and read, each on one core. The index is kept in FILE, or in memory. */
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include <reelfs/util.h>

#include "../../src/volume/index.h"

#define BLOCK (512 * 1024)
#define PER_DIRECTORY 1000
#define FILE_BYTES 5000
#define SEGMENT_BYTES (UINT64_C(64) << 20)

struct bench {
        uint64_t names, per_segment;
        struct segment_table table;
        int fd;
};

static double cpu_seconds(void)
{
        struct rusage u;
        getrusage(RUSAGE_SELF, &u);
        return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
                (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

/* Of memory that is not a file's. */
static double resident(void)
{
        char line[200];
        double kib = 0;
        FILE *f = fopen("/proc/self/status", "r");
        while (f && fgets(line, sizeof(line), f))
                if (sscanf(line, "RssAnon: %lf", &kib) == 1)
                        break;
        if (f)
                fclose(f);
        return kib * 1024;
}

static void die(const char *what, int error)
{
        fprintf(stderr, "bench-tree: %s: %s\n", what, strerror(-error));
        exit(1);
}

static uint64_t add(Tree *t, uint64_t parent, const char *name, uint32_t mode, int64_t now)
{
        struct tree_attr attr;
        const struct tree_new_inode n = { .mode = mode, .uid = 1000, .gid = 1000 };
        int r = tree_create(t, parent, name, &n, now, &attr);
        if (r < 0)
                die("create", r);
        tree_unref(t, attr.ino, 1);
        return attr.ino;
}

/* As cp -a of packed files leaves it: all times differ, an owner that is not the root's. */
static void add_file(struct bench *b, Tree *t, uint64_t parent, uint64_t i)
{
        char name[40];
        int64_t now = 1700000000123456789 + (int64_t)i * 12345678;
        snprintf(name, sizeof(name), "document-%07u.data", (unsigned)i);
        uint64_t ino = add(t, parent, name, S_IFREG | 0644, now);
        const struct tree_extent e = { 0, FILE_BYTES, 2 + i / b->per_segment,
                i % b->per_segment * FILE_BYTES };
        const struct tree_attr set = { .times = {
                                               0, now - 86400000000007, now + 5000, now - 3600000000003 } };
        int r = tree_put_extent(t, ino, &e, now);
        if (r == 0)
                r = tree_setattr(t, ino, TREE_SET_MTIME | TREE_SET_ATIME | TREE_SET_CTIME, &set, NULL);
        if (r < 0)
                die("extent", r);
}

static Tree *make_tree(struct bench *b)
{
        Tree *t = tree_new();
        uint64_t dir = TREE_ROOT;
        char name[40];
        for (uint64_t i = 0; i < b->names; i++) {
                if (i % PER_DIRECTORY == 0) {
                        snprintf(name, sizeof(name), "directory-%06u", (unsigned)(i / PER_DIRECTORY));
                        dir = add(t, TREE_ROOT, name, S_IFDIR | 0755, 1700000000123456789 + (int64_t)i);
                }
                add_file(b, t, dir, i);
        }
        return t;
}

static void make_segments(struct bench *b)
{
        uint64_t n = b->names / b->per_segment + 2, block = 4;
        struct segment *s;
        for (uint64_t id = 1; id <= n + 1; id++) {
                if (segments_add(&b->table, id, id == 1 || id > n ? SEGMENT_INDEX : SEGMENT_PACK, &s) < 0)
                        die("segments", -ENOMEM);
                segments_place(&b->table, s, block, id + 1);
                s->length = b->per_segment * FILE_BYTES;
                s->state = SEGMENT_SYNCED;
                block = segment_end(s, BLOCK) + 1;
        }
}

static bool next_segment(void *ctx, uint64_t after, struct segment *s)
{
        const struct segment *next = segments_next(&((struct bench *)ctx)->table, after);
        if (next)
                *s = *next;
        return next != NULL;
}

static void place(void *ctx, const struct tree_extent *e, struct index_place *p)
{
        const struct segment *s = segments_find(&((struct bench *)ctx)->table, e->segment);
        *p = (struct index_place){ .usable = MIN(e->length, s->length - e->offset),
                .block = s->first_block + e->offset / BLOCK,
                .byte_offset = e->offset % BLOCK };
}

static int discard(void *ctx, const char *data, size_t length)
{
        return 0;
}

static int keep(void *ctx, const char *data, size_t length)
{
        return write(((struct bench *)ctx)->fd, data, length) == (ssize_t)length ? 0 : -EIO;
}

static uint64_t write_index(
        struct bench *b, Tree *t, int (*flush)(void *ctx, const char *data, size_t length))
{
        static const struct label label = { .major = 1,
                .creator = "bench",
                .uuid = "01234567-89ab-4def-8123-456789abcdef",
                .profile = "reel",
                .name = "bench",
                .block_length = BLOCK,
                .partition = "a" };
        struct index_head head = { .segment = b->table.n,
                .creator = "bench",
                .generation = 7,
                .block = 1000,
                .highest_fileuid = tree_highest_fileuid(t) };
        memcpy(head.uuid, label.uuid, sizeof(head.uuid));
        memset(head.token, 'a', TOKEN_HEX_LENGTH);
        struct output out = { .buf = g_malloc(BLOCK), .size = BLOCK, .flush = flush, .ctx = b };
        const struct index_source source = { .head = &head,
                .label = &label,
                .tree = t,
                .scope = TREE_ALL,
                .compact = true,
                .segment = next_segment,
                .place = place,
                .ctx = b };
        struct index_result result;
        int r = index_write(&source, &out, &result);
        if (r == 0)
                r = flush(b, out.buf, out.used);
        if (r < 0)
                die("writing the index", r);
        g_free(out.buf);
        return out.total;
}

static Tree *read_index(struct bench *b)
{
        char *buf = g_malloc(BLOCK);
        Tree *t = tree_new();
        struct segment_table table = { 0 };
        struct index_head head;
        IndexReader *reader;
        ssize_t n;
        int r = index_reader_new(BLOCK, &table, t, &reader);
        lseek(b->fd, 0, SEEK_SET);
        while (r == 0 && (n = read(b->fd, buf, BLOCK)) > 0)
                r = index_reader_feed(reader, buf, (size_t)n);
        if (r == 0)
                r = index_reader_finish(reader, &head);
        if (r < 0)
                die(index_reader_why(reader), r);
        index_reader_free(reader);
        segments_clear(&table);
        g_free(buf);
        return t;
}

static void tell_memory(const char *what, Tree *t, double before, uint64_t names)
{
        struct tree_counts counts;
        tree_get_counts(t, &counts);
        printf("%-12s %6.1f bytes a file resident, %6.1f by its own count\n", what,
                (resident() - before) / (double)names, (double)counts.memory / (double)names);
}

static void tell_speed(const char *what, double seconds, double bytes, uint64_t names)
{
        printf("%-12s %6.2f CPU s, %6.1f MB/s, %.0f ns a file\n", what, seconds, bytes / 1e6 / seconds,
                seconds * 1e9 / (double)names);
}

int main(int argc, char **argv)
{
        struct bench b = { .names = argc > 1 ? strtoull(argv[1], NULL, 10) : 1000000,
                .per_segment = SEGMENT_BYTES / FILE_BYTES };
        b.fd = argc > 2 ? open(argv[2], O_RDWR | O_CREAT | O_TRUNC, 0600) : memfd_create("index", 0);
        if (b.fd < 0 || b.names == 0)
                die("no file for the index, or no names", -errno);
        make_segments(&b);
        double before = resident(), start = cpu_seconds();
        Tree *t = make_tree(&b);
        tell_speed("create", cpu_seconds() - start, 0, b.names);
        tell_memory("created", t, before, b.names);

        start = cpu_seconds();
        uint64_t bytes = write_index(&b, t, discard);
        tell_speed("write index", cpu_seconds() - start, (double)bytes, b.names);
        printf("%-12s %6.1f bytes a file\n", "index", (double)bytes / (double)b.names);
        write_index(&b, t, keep);
        tree_free(t);
        malloc_trim(0);

        before = resident();
        start = cpu_seconds();
        t = read_index(&b);
        tell_speed("read index", cpu_seconds() - start, (double)bytes, b.names);
        tell_memory("loaded", t, before, b.names);
        start = cpu_seconds();
        tree_free(t);
        tell_speed("free", cpu_seconds() - start, 0, b.names);
        return 0;
}

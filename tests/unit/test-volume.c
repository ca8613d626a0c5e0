/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Volumes on a virtual drive: format, append, commit, open again. */
#include <pthread.h>
#include <stdatomic.h>

#include "volume-rig.h"

/* ---- Identify and format */

static void write_raw(struct rig *r, const void *data, size_t length)
{
        struct iovec iov = { (void *)data, length };
        g_assert_cmpint(tape_rewind(r->tape), ==, 0);
        g_assert_cmpint(tape_write_block(r->tape, &iov, 1, NULL), ==, 0);
        g_assert_cmpint(tape_write_filemarks(r->tape, 1, false, NULL), ==, 0);
}

static void test_format(void)
{
        struct rig r;
        struct volume_identity identity;
        struct volume_info info;
        struct tree_attr a;
        struct segment s;
        rig_init(&r, NULL);
        g_assert_cmpint(volume_identify(r.tape, &identity), ==, 0);
        g_assert_cmpint(identity.content, ==, VOLUME_BLANK);
        rig_format(&r);
        g_assert_cmpint(volume_identify(r.tape, &identity), ==, 0);
        g_assert_cmpint(identity.content, ==, VOLUME_REELFS);
        g_assert_cmpstr(identity.name, ==, "TEST");
        g_assert_cmpuint(identity.block_length, ==, RIG_BLOCK);
        g_assert_nonnull(strstr(identity.description, identity.uuid));

        rig_mount(&r);
        volume_get_info(r.v, &info);
        g_assert_cmpstr(info.name, ==, "TEST");
        g_assert_cmpstr(info.volume_id, ==, "TST001");
        g_assert_cmpstr(info.uuid, ==, identity.uuid);
        g_assert_cmpstr(info.format_version, ==, "1.0");
        g_assert_cmpuint(info.generation, ==, 1);
        g_assert_cmpuint(info.index_block, ==, 4);
        g_assert_cmpuint(info.previous_index_block, ==, 0);
        g_assert_cmpuint(info.segments, ==, 1);
        g_assert_false(info.read_only);
        g_assert_cmpint(volume_segment_get(r.v, 1, &s), ==, 0);
        g_assert_cmpuint(s.filemark, ==, 2);
        g_assert_cmpuint(s.first_block, ==, 4);
        g_assert_cmpuint(s.length, ==, info.index_length);
        g_assert_cmpint(tree_getattr(r.tree, TREE_ROOT, &a), ==, 0);
        g_assert_cmpuint(a.mode, ==, S_IFDIR | 0750);
        g_assert_cmpuint(a.uid, ==, 1);
        g_assert_cmpuint(a.gid, ==, 2);
        g_assert_false(volume_is_dirty(r.v, r.tree));
        rig_clear(&r);
}

static void test_format_refused(void)
{
        struct rig r;
        struct virtual_statistics before, after;
        rig_init(&r, NULL);
        rig_format(&r);
        struct volume_format format = { .name = "OTHER" };
        virtual_statistics(r.transport, &before);
        catch_messages();
        g_assert_cmpint(volume_format(r.tape, &format), ==, -EEXIST);
        assert_one_message("TEST");
        static const struct volume_format bad[] = {
                { .name = "a/b", .force = true },
                { .name = "a\nb", .force = true },
                { .name = "\xff", .force = true },
                { .volume_id = "abc123", .force = true },
                { .volume_id = "ABC", .force = true },
                { .volume_id = "ABC1234", .force = true },
                { .block_length = 512, .force = true },
        };
        for (unsigned i = 0; i < G_N_ELEMENTS(bad); i++) {
                g_assert_cmpint(volume_format(r.tape, &bad[i]), ==, -EINVAL);
                assert_one_message(bad[i].block_length ? "512" : "cannot be used");
        }
        g_autofree char *longest = g_strnfill(256, 'x');
        format.name = longest;
        g_assert_cmpint(volume_format(r.tape, &format), ==, -EINVAL);
        assert_one_message("255");
        virtual_statistics(r.transport, &after);
        g_assert_cmpuint(before.writes, ==, after.writes);
        rig_mount(&r);
        rig_clear(&r);
}

static void test_format_block_length(void)
{
        struct rig r;
        struct volume_format format = { .name = "" };
        rig_init(&r, &(struct virtual_cartridge){ .max_transfer = 100000 });
        g_assert_cmpint(volume_format(r.tape, &format), ==, 0);
        rig_mount(&r);
        g_assert_cmpuint(r.block, ==, 65536);
        rig_write(&r, "f", 200000, 1);
        g_assert_cmpint(rig_commit(&r), ==, 0);
        rig_remount(&r);
        rig_verify(&r, "f", 200000, 1);
        rig_clear(&r);
}

static void test_foreign(void)
{
        char tar[512] = "file", ltfs[80];
        memcpy(tar + 257, "ustar", 6);
        unsigned sum = 8 * ' ';
        for (unsigned i = 0; i < sizeof(tar); i++)
                sum += (unsigned char)tar[i];
        sprintf(tar + 148, "%06o", sum);
        memset(ltfs, ' ', sizeof(ltfs));
        memcpy(ltfs, "VOL1ABCDEFL", 11);
        memcpy(ltfs + 24, "LTFS", 4);
        char other[80];
        memcpy(other, ltfs, 80);
        memcpy(other + 24, "BACKUP", 6);
        const struct {
                const void *data;
                size_t length;
                enum volume_content content;
                const char *message;
        } tapes[] = {
                { NULL, 0, VOLUME_BLANK, "blank; use reelfs format" },
                { tar, sizeof(tar), VOLUME_TAR, "a tar archive" },
                { ltfs, sizeof(ltfs), VOLUME_LTFS, "an LTFS volume, which this version cannot mount" },
                { other, sizeof(other), VOLUME_FOREIGN, "BACKUP" },
                { "hello, world", 12, VOLUME_FOREIGN, "12 bytes" },
        };
        for (unsigned i = 0; i < G_N_ELEMENTS(tapes); i++) {
                struct rig r;
                struct volume_identity identity;
                uint64_t problems;
                rig_init(&r, NULL);
                if (tapes[i].data)
                        write_raw(&r, tapes[i].data, tapes[i].length);
                g_assert_cmpint(volume_identify(r.tape, &identity), ==, 0);
                g_assert_cmpint(identity.content, ==, tapes[i].content);
                catch_messages();
                g_assert_cmpint(volume_open(r.tape, false, &r.v, &r.tree), ==, -EMEDIUMTYPE);
                assert_one_message(tapes[i].message);
                g_assert_cmpint(volume_check(r.tape, NULL, &problems), ==, -EMEDIUMTYPE);
                const struct volume_format format = { .name = "X" };
                g_assert_cmpint(volume_format(r.tape, &format), ==, i == 0 ? 0 : -EEXIST);
                rig_clear(&r);
        }
}

/* ---- Writing and reading */

static void check_clean(struct rig *r)
{
        uint64_t problems;
        catch_messages();
        g_assert_cmpint(volume_check(r->tape, NULL, &problems), ==, 0);
        g_assert_cmpuint(problems, ==, 0);
        g_assert_cmpstr(messages->str, ==, "");
}

static const size_t sizes[] = { 1, RIG_BLOCK - 1, RIG_BLOCK, RIG_BLOCK + 1, 10 * RIG_BLOCK,
        40 * RIG_BLOCK + 12345, 0 };

static void write_files(struct rig *r)
{
        for (unsigned i = 0; i < G_N_ELEMENTS(sizes); i++) {
                g_autofree char *name = g_strdup_printf("file%u", i);
                rig_write(r, name, sizes[i], i);
        }
}

static void verify_files(struct rig *r)
{
        for (unsigned i = 0; i < G_N_ELEMENTS(sizes); i++) {
                g_autofree char *name = g_strdup_printf("file%u", i);
                rig_verify(r, name, sizes[i], i);
        }
}

static void round_trip(const struct virtual_cartridge *cartridge)
{
        struct rig r;
        struct volume_info info;
        rig_init(&r, cartridge);
        rig_format(&r);
        rig_mount(&r);
        write_files(&r);
        g_assert_true(volume_is_dirty(r.v, r.tree));
        verify_files(&r);
        g_assert_cmpint(rig_commit(&r), ==, 0);
        g_assert_false(volume_is_dirty(r.v, r.tree));
        verify_files(&r);
        rig_write(&r, "later", 100, 99);
        g_assert_cmpint(rig_commit(&r), ==, 0);
        rig_remount(&r);
        verify_files(&r);
        rig_verify(&r, "later", 100, 99);
        rig_write(&r, "last", 3 * RIG_BLOCK, 100);
        g_assert_cmpint(rig_commit(&r), ==, 0);
        rig_remount(&r);
        verify_files(&r);
        rig_verify(&r, "last", 3 * RIG_BLOCK, 100);
        volume_get_info(r.v, &info);
        g_assert_cmpuint(info.generation, ==, 4);
        g_assert_false(info.read_only);
        g_assert_cmpstr(messages->str, ==, "");
        check_clean(&r);
        rig_clear(&r);
}

static void test_round_trip(void)
{
        round_trip(NULL);
}

static void test_old_drives(void)
{
        static const unsigned lacks[] = { VIRTUAL_NO_LOCATE16, VIRTUAL_NO_LOCATE10,
                VIRTUAL_NO_LOCATE16 | VIRTUAL_NO_LOCATE10, VIRTUAL_NO_READ_POSITION, VIRTUAL_NO_SPACE16,
                VIRTUAL_NO_MODE10, VIRTUAL_NO_CAPACITY, VIRTUAL_NO_VARIABLE, 0x7f, VIRTUAL_NO_ANYTHING };
        for (unsigned i = 0; i < G_N_ELEMENTS(lacks); i++) {
                g_test_message("lacks %x", lacks[i]);
                round_trip(&(struct virtual_cartridge){ .lacks = lacks[i] });
        }
        round_trip(&(struct virtual_cartridge){ .lacks = VIRTUAL_NO_VARIABLE, .fixed_block = 1024 });
        round_trip(&(struct virtual_cartridge){
                .lacks = VIRTUAL_NO_VARIABLE | VIRTUAL_NO_LOCATE16, .fixed_block = 32768 });
}

/* A segment that grows append by append, with reads of it and of others between. */
static void test_long_segment(void)
{
        struct rig r;
        struct segment s;
        size_t nread;
        g_autofree uint8_t *data = pattern(20 * RIG_BLOCK + 5, 7), *buf = g_malloc(4 * RIG_BLOCK);
        rig_init(&r, NULL);
        rig_format(&r);
        rig_mount(&r);
        rig_write(&r, "other", 1000, 3);
        uint64_t id = volume_segment_new(r.v, SEGMENT_FILE), second = volume_segment_new(r.v, SEGMENT_FILE);
        for (int i = 0; i < 10; i++) {
                struct iovec iov = { data + i * 2 * RIG_BLOCK, 2 * RIG_BLOCK };
                g_assert_cmpint(volume_append(r.v, id, &iov, 1, false), ==, 0);
                /* Only whole blocks, only this segment, no index meanwhile. */
                iov.iov_len = 100;
                g_assert_cmpint(volume_append(r.v, id, &iov, 1, false), ==, -EINVAL);
                g_assert_cmpint(volume_append(r.v, second, &iov, 1, true), ==, -EINVAL);
                g_assert_cmpint(rig_commit(&r), ==, -EBUSY);
                g_assert_cmpint(volume_segment_get(r.v, id, &s), ==, 0);
                g_assert_cmpuint(s.length, ==, (i + 1) * 2 * RIG_BLOCK);
                g_assert_cmpint(s.state, ==, SEGMENT_QUEUED);
                g_assert_cmpint(volume_read(r.v, id, i * 2 * RIG_BLOCK, buf, 4 * RIG_BLOCK, &nread), ==, 0);
                g_assert_cmpuint(nread, ==, 2 * RIG_BLOCK);
                g_assert_cmpmem(buf, nread, data + i * 2 * RIG_BLOCK, nread);
                if (i % 3 == 0)
                        rig_verify(&r, "other", 1000, 3);
        }
        struct iovec iov = { data + 20 * RIG_BLOCK, 5 };
        g_assert_cmpint(volume_append(r.v, id, &iov, 1, true), ==, 0);
        g_assert_cmpint(volume_segment_get(r.v, id, &s), ==, 0);
        g_assert_cmpint(s.state, ==, SEGMENT_WRITTEN);
        g_assert_cmpint(volume_append(r.v, id, &iov, 1, true), ==, -EINVAL);
        g_assert_cmpint(volume_append(r.v, 12345, &iov, 1, true), ==, -ENOENT);
        put_extent(r.tree, make_file(r.tree, TREE_ROOT, "long"), 0, 20 * RIG_BLOCK + 5, id, 0);
        g_assert_cmpint(rig_commit(&r), ==, 0);
        g_assert_cmpint(volume_segment_get(r.v, id, &s), ==, 0);
        g_assert_cmpint(s.state, ==, SEGMENT_SYNCED);
        check_clean(&r);
        rig_remount(&r);
        rig_verify(&r, "long", 20 * RIG_BLOCK + 5, 7);
        rig_clear(&r);
}

/* A last append without data ends a segment; a segment without any data is none. */
static void test_empty_appends(void)
{
        struct rig r;
        struct segment s;
        struct volume_info before, after;
        g_autofree uint8_t *data = pattern(RIG_BLOCK, 1);
        struct iovec iov = { data, RIG_BLOCK };
        rig_init(&r, NULL);
        rig_format(&r);
        rig_mount(&r);
        uint64_t empty = volume_segment_new(r.v, SEGMENT_FILE), full = volume_segment_new(r.v, SEGMENT_FILE);
        volume_get_info(r.v, &before);
        g_assert_cmpint(volume_append(r.v, empty, NULL, 0, true), ==, 0);
        volume_get_info(r.v, &after);
        g_assert_cmpuint(before.segments, ==, after.segments);
        g_assert_false(volume_is_dirty(r.v, r.tree));
        g_assert_cmpint(volume_append(r.v, full, &iov, 1, false), ==, 0);
        g_assert_cmpint(volume_append(r.v, full, NULL, 0, true), ==, 0);
        g_assert_cmpint(volume_segment_get(r.v, full, &s), ==, 0);
        g_assert_cmpint(s.state, ==, SEGMENT_WRITTEN);
        g_assert_cmpuint(s.length, ==, RIG_BLOCK);
        g_assert_true(volume_is_dirty(r.v, r.tree));
        g_assert_cmpint(rig_commit(&r), ==, 0);
        check_clean(&r);
        rig_clear(&r);
}

static void test_segments(void)
{
        struct rig r;
        struct segment s, next;
        rig_init(&r, NULL);
        rig_format(&r);
        rig_mount(&r);
        uint64_t late = volume_segment_new(r.v, SEGMENT_FILE), a, b;
        g_assert_cmpint(rig_append(&r, 3 * RIG_BLOCK, 1, &a), ==, 0);
        g_assert_cmpint(rig_append(&r, 100, 2, &b), ==, 0);
        struct iovec iov = { "x", 1 };
        g_assert_cmpint(volume_append(r.v, late, &iov, 1, true), ==, 0);
        /* By place; a filemark is in no segment. */
        g_assert_cmpint(volume_segment_get(r.v, a, &s), ==, 0);
        g_assert_cmpint(volume_segment_at(r.v, s.first_block + 2, &next), ==, 0);
        g_assert_cmpuint(next.id, ==, a);
        g_assert_cmpint(volume_segment_at(r.v, s.first_block + 3, &next), ==, -ENOENT);
        g_assert_cmpint(volume_segment_at(r.v, 0, &next), ==, -ENOENT);
        g_assert_cmpint(volume_segment_at(r.v, 1000, &next), ==, -ENOENT);
        /* By id. */
        g_assert_cmpint(volume_segment_next(r.v, 0, &next), ==, 0);
        g_assert_cmpuint(next.id, ==, 1);
        g_assert_cmpint(volume_segment_next(r.v, 1, &next), ==, 0);
        g_assert_cmpuint(next.id, ==, late);
        g_assert_cmpuint(next.filemark, ==, s.filemark + 2);
        g_assert_cmpint(volume_segment_next(r.v, b, &next), ==, -ENOENT);
        /* On the tape a is followed by b and late, whatever their ids. */
        struct virtual_statistics before, after;
        g_autofree uint8_t *buf = g_malloc(3 * RIG_BLOCK);
        size_t nread;
        g_assert_cmpint(volume_read(r.v, a, 0, buf, 3 * RIG_BLOCK, &nread), ==, 0);
        virtual_statistics(r.transport, &before);
        g_assert_cmpint(volume_read_next(r.v, a, &next), ==, 0);
        g_assert_cmpuint(next.id, ==, b);
        g_assert_cmpint(volume_read(r.v, b, 0, buf, RIG_BLOCK, &nread), ==, 0);
        g_assert_cmpuint(nread, ==, 100);
        g_assert_cmpint(volume_read_next(r.v, b, &next), ==, 0);
        g_assert_cmpuint(next.id, ==, late);
        g_assert_cmpint(volume_read_next(r.v, late, &next), ==, -ENOENT);
        virtual_statistics(r.transport, &after);
        g_assert_cmpuint(before.locates, ==, after.locates);
        g_assert_cmpuint(before.spaces, ==, after.spaces);
        g_assert_cmpint(volume_read(r.v, a, RIG_BLOCK / 2, buf, RIG_BLOCK, &nread), ==, -EINVAL);
        g_assert_cmpint(volume_read(r.v, a, 3 * RIG_BLOCK, buf, RIG_BLOCK, &nread), ==, 0);
        g_assert_cmpuint(nread, ==, 0);
        g_assert_cmpint(volume_read(r.v, 999, 0, buf, RIG_BLOCK, &nread), ==, -ENOENT);
        rig_clear(&r);
}

/* ---- Commit */

static void test_commit_when_needed(void)
{
        struct rig r;
        struct volume_info info;
        rig_init(&r, NULL);
        rig_format(&r);
        rig_mount(&r);
        g_assert_cmpint(rig_commit(&r), ==, 0);
        volume_get_info(r.v, &info);
        g_assert_cmpuint(info.generation, ==, 1);
        g_assert_cmpint(volume_commit(r.v, r.tree, true, NULL), ==, 0);
        volume_get_info(r.v, &info);
        g_assert_cmpuint(info.generation, ==, 2);
        g_assert_cmpuint(info.previous_index_block, ==, 4);
        make_dir(r.tree, TREE_ROOT, "d");
        g_assert_true(volume_is_dirty(r.v, r.tree));
        g_assert_cmpint(rig_commit(&r), ==, 0);
        g_assert_false(volume_is_dirty(r.v, r.tree));
        rig_remount(&r);
        volume_get_info(r.v, &info);
        g_assert_cmpuint(info.generation, ==, 3);
        rig_clear(&r);
}

static void count_names(void *ctx, uint64_t done, uint64_t total)
{
        uint64_t *last = ctx;
        g_assert_cmpuint(done, >=, *last);
        g_assert_cmpuint(done, <=, total);
        *last = done;
}

static void test_large_index(void)
{
        struct rig r;
        struct volume_info info;
        uint64_t names = 0;
        const struct volume_progress progress = { count_names, &names };
        rig_init(&r, NULL);
        rig_format(&r);
        rig_mount(&r);
        uint64_t d = make_dir(r.tree, TREE_ROOT, "d");
        for (int i = 0; i < 34000; i++) {
                char name[32];
                g_snprintf(name, sizeof(name), "file %d", i);
                make_file(r.tree, d, name);
        }
        g_assert_cmpint(volume_commit(r.v, r.tree, false, &progress), ==, 0);
        g_assert_cmpuint(names, ==, 34002);
        volume_get_info(r.v, &info);
        g_assert_cmpuint(info.index_length, >, 4 * 1024 * 1024);
        g_autofree char *before = dump_tree(r.tree);
        rig_remount(&r);
        g_autofree char *after = dump_tree(r.tree);
        g_assert_cmpstr(before, ==, after);
        check_clean(&r);
        rig_clear(&r);
}

/* Data still in the queue is not named; the next commit names it. */
static void test_commit_queued(void)
{
        struct rig r;
        struct tree_attr a;
        rig_init(&r, NULL);
        rig_format(&r);
        rig_mount(&r);
        uint64_t id = volume_segment_new(r.v, SEGMENT_FILE), ino = make_file(r.tree, TREE_ROOT, "f");
        put_extent(r.tree, ino, 0, 100, id, 0);
        g_assert_cmpint(rig_commit(&r), ==, 0);
        g_assert_true(volume_is_dirty(r.v, r.tree));
        g_assert_cmpint(tree_getattr(r.tree, ino, &a), ==, 0);
        g_assert_cmpuint(a.size, ==, 100);
        rig_remount(&r);
        g_assert_cmpint(tree_resolve(r.tree, "f", &a), ==, 0);
        g_assert_cmpuint(a.size, ==, 0);
        rig_clear(&r);
}

static void test_read_only(void)
{
        struct rig r;
        uint64_t id;
        rig_init(&r, NULL);
        rig_format(&r);
        g_assert_cmpint(volume_open(r.tape, true, &r.v, &r.tree), ==, 0);
        g_assert_true(volume_is_read_only(r.v));
        g_assert_cmpint(rig_append(&r, 10, 1, &id), ==, -EROFS);
        make_dir(r.tree, TREE_ROOT, "d");
        g_assert_cmpint(rig_commit(&r), ==, -EROFS);
        rig_clear(&r);
}

/* ---- Threads */

struct crowd {
        struct rig *r;
        atomic_bool stop;
};

/* What the scheduler and FUSE ask while the drive thread writes. */
static void *ask(void *ctx)
{
        enum { NAMES_MAX = 5000 }; /* each of the commits meanwhile names them all */
        struct crowd *c = ctx;
        uint64_t id = 0;
        for (unsigned i = 0; !atomic_load(&c->stop); i++) {
                uint64_t remaining, total;
                struct segment s;
                struct volume_info info;
                if (i < NAMES_MAX) {
                        char name[32];
                        g_snprintf(name, sizeof(name), "%u", i);
                        id = volume_segment_new(c->r->v, SEGMENT_FILE);
                        put_extent(c->r->tree, make_file(c->r->tree, TREE_ROOT, name), 0, 100, id, 0);
                }
                volume_capacity(c->r->v, c->r->tree, &remaining, &total);
                volume_get_info(c->r->v, &info);
                volume_is_dirty(c->r->v, c->r->tree);
                volume_is_read_only(c->r->v);
                g_assert_cmpint(volume_segment_get(c->r->v, id, &s), ==, 0);
                volume_segment_at(c->r->v, i, &s);
                volume_segment_next(c->r->v, i, &s);
        }
        return NULL;
}

static void test_threads(void)
{
        struct rig r;
        rig_init(&r, &(struct virtual_cartridge){ .capacity = 1 << 30 });
        rig_format(&r);
        rig_mount(&r);
        struct crowd crowd = { .r = &r };
        pthread_t thread;
        g_assert_cmpint(pthread_create(&thread, NULL, ask, &crowd), ==, 0);
        for (unsigned i = 0; i < 100; i++) {
                g_autofree char *name = g_strdup_printf("written%u", i);
                rig_write(&r, name, 2 * RIG_BLOCK + i, i);
                if (i % 10 == 0)
                        g_assert_cmpint(rig_commit(&r), ==, 0);
        }
        atomic_store(&crowd.stop, true);
        pthread_join(thread, NULL);
        g_assert_cmpint(rig_commit(&r), ==, 0);
        rig_remount(&r);
        for (unsigned i = 0; i < 100; i++) {
                g_autofree char *name = g_strdup_printf("written%u", i);
                rig_verify(&r, name, 2 * RIG_BLOCK + i, i);
        }
        rig_clear(&r);
}

/* ---- Virtual attributes */

static void test_virtual_xattrs(void)
{
        struct rig r;
        struct volume_info info;
        rig_init(&r, NULL);
        rig_format(&r);
        rig_mount(&r);
        volume_get_info(r.v, &info);
        uint64_t f = rig_write(&r, "f", 1000, 1), empty = rig_write(&r, "empty", 0, 1);
        static const struct {
                bool root;
                const char *name, *value;
        } expected[] = { { true, "ltfs.volumeName", "TEST" }, { true, "ltfs.volumeBlocksize", "65536" },
                { true, "ltfs.indexGeneration", "1" }, { true, "ltfs.indexLocation", "a:4" },
                { true, "ltfs.volumeSerial", "TST001" }, { true, "ltfs.indexPrevious", NULL },
                { true, "ltfs.startblock", NULL }, { true, "ltfs.fileUID", "1" },
                { false, "ltfs.startblock", "6" }, { false, "ltfs.partition", "a" },
                { false, "ltfs.createTime", "2009-02-13T23:31:30.123456789Z" },
                { false, "reelfs.segment", "3" }, { true, "reelfs.segment", NULL },
                { false, "ltfs.volumeName", NULL }, { false, "ltfs.nonsense", NULL } };
        for (unsigned i = 0; i < G_N_ELEMENTS(expected); i++) {
                g_autofree char *value = NULL;
                int error = volume_virtual_xattr(
                        r.v, r.tree, expected[i].root ? TREE_ROOT : f, expected[i].name, &value);
                g_assert_cmpint(error, ==, expected[i].value ? 0 : -ENODATA);
                g_assert_cmpstr(value, ==, expected[i].value);
        }
        g_autofree char *value = NULL;
        g_assert_cmpint(volume_virtual_xattr(r.v, r.tree, empty, "ltfs.startblock", &value), ==, -ENODATA);
        g_assert_cmpint(volume_virtual_xattr(r.v, r.tree, 999, "ltfs.fileUID", &value), <, 0);
        rig_clear(&r);
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/volume/format", test_format);
        g_test_add_func("/volume/format-refused", test_format_refused);
        g_test_add_func("/volume/format-block-length", test_format_block_length);
        g_test_add_func("/volume/foreign", test_foreign);
        g_test_add_func("/volume/round-trip", test_round_trip);
        g_test_add_func("/volume/old-drives", test_old_drives);
        g_test_add_func("/volume/long-segment", test_long_segment);
        g_test_add_func("/volume/empty-appends", test_empty_appends);
        g_test_add_func("/volume/segments", test_segments);
        g_test_add_func("/volume/commit-when-needed", test_commit_when_needed);
        g_test_add_func("/volume/large-index", test_large_index);
        g_test_add_func("/volume/commit-queued", test_commit_queued);
        g_test_add_func("/volume/read-only", test_read_only);
        g_test_add_func("/volume/threads", test_threads);
        g_test_add_func("/volume/virtual-xattrs", test_virtual_xattrs);
        return g_test_run();
}

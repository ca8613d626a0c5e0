/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Volumes that were not closed, mounted again: what is behind the last index comes back, with its names or in
 * lost+found, and nothing of it is overwritten. */
#include <reelfs/acl.h>
#include <reelfs/fault.h>

#include "../../src/volume/scan.h"
#include "recover-rig.h"

static void test_packs(void)
{
        static const uint8_t acl[] = { 2, 0, 0, 0, 1, 0, 7, 0, 255, 255, 255, 255, 2, 0, 7, 0, 0x39, 0x30, 0,
                0, 4, 0, 4, 0, 255, 255, 255, 255, 16, 0, 5, 0, 255, 255, 255, 255, 32, 0, 1, 0, 255, 255,
                255, 255 };
        const struct pack_xattr xattrs[] = { { "user.a", "b\0c", 3 },
                { ACL_XATTR_ACCESS, acl, sizeof(acl) } };
        struct tree_attr hashed = attr;
        const struct pack_member m = { "new/er/with", NULL, &hashed, xattrs, 2 };
        hashed.has_crc32 = true;
        hashed.crc32 = 0x01abcdef;
        struct rig r;
        struct tree_attr a, b;
        uint64_t id;
        start(&r, NULL);
        g_autoptr(GByteArray) pack = g_byte_array_new();
        pack_begin(&r, pack, &id);
        pack_add(pack, "old", NULL, 5, 2);
        pack_add(pack, "directory/one", NULL, 100000, 3);
        pack_add(pack, "other/name", "directory/one", 0, 0);
        pack_add(pack, "directory/sub", NULL, 0, 0); /* which was a directory */
        pack_put_member(pack, &m);
        g_byte_array_set_size(pack, pack->len + 1024);
        pack_put_end(pack);
        write_segment(&r, id, pack, true);
        write_pack(&r, "directory/one/below", 7, 4); /* which was a file */
        write_pack(&r, "new/er/file", 70000, 5);
        write_pack(&r, "new/er/file", 60000, 6);
        crash(&r, 0);
        recover(&r, "4 packs with 7 files, 1 older file at such a path (in lost+found)");
        verify(&r, "old", 5, 2);
        verify(&r, "lost+found/old", 1000, 1); /* it may have been renamed */
        verify(&r, "other/name", 100000, 3);
        verify(&r, "lost+found/one", 100000, 3);
        verify(&r, "directory/one/below", 7, 4);
        verify(&r, "directory/sub", 0, 0);
        get(&r, "lost+found/sub/below", &a);
        verify(&r, "new/er/file", 60000, 6);
        get(&r, "lost+found", &a);
        g_assert_cmpuint(a.mode, ==, S_IFDIR | 0700);
        g_assert_cmpuint(a.uid, ==, 0);
        get(&r, "lost+found/one", &a);
        get(&r, "other/name", &b);
        g_assert_cmpuint(a.ino, ==, b.ino);
        g_assert_cmpuint(a.nlink, ==, 2);
        get(&r, "new", &a);
        g_assert_cmpuint(a.mode, ==, S_IFDIR | 0700);
        g_assert_cmpuint(a.uid, ==, 1234);
        get(&r, "new/er/with", &a);
        g_assert_cmpuint(a.mode, ==, attr.mode);
        g_assert_cmpuint(a.uid, ==, attr.uid);
        g_assert_cmpuint(a.gid, ==, attr.gid);
        g_assert_cmpuint(a.size, ==, 1000);
        g_assert_cmpint(a.times.mtime, ==, attr.times.mtime);
        g_assert_cmpint(a.times.atime, ==, attr.times.atime);
        g_assert_cmpint(a.times.ctime, ==, attr.times.ctime);
        g_assert_true(a.has_crc32);
        g_assert_cmphex(a.crc32, ==, 0x01abcdef);
        get(&r, "new/er/file", &b);
        g_assert_false(b.has_crc32);
        void *value;
        size_t size;
        g_assert_cmpint(tree_xattr_get(r.tree, a.ino, "user.a", &value, &size), ==, 0);
        g_assert_cmpmem(value, size, "b\0c", 3);
        free(value);
        g_assert_cmpint(tree_xattr_get(r.tree, a.ino, ACL_XATTR_ACCESS, &value, &size), ==, 0);
        g_assert_cmpmem(value, size, acl, sizeof(acl));
        free(value);
        rig_clear(&r);
}

/* Files of users that look like ours, or are copies of ours. */
static void test_lookalikes(void)
{
        struct rig r;
        struct volume_info info;
        struct segment s;
        struct tree_attr a;
        start(&r, NULL);
        uint64_t id = write_pack(&r, "packed", 500, 2);
        put_extent(r.tree, make_file(r.tree, TREE_ROOT, "packed"), 0, 500, id, 5 * PACK_UNIT);
        g_assert_cmpint(rig_commit(&r), ==, 0);
        volume_get_info(r.v, &info);
        g_assert_cmpint(volume_segment_at(r.v, info.index_block, &s), ==, 0);
        g_autoptr(GByteArray) pack = read_segment(&r, id), index = read_segment(&r, s.id);
        write_bytes(&r, pack->data, pack->len, true);
        write_bytes(&r, index->data, index->len, true);
        /* One that could be ours, but for the token; which one that is is only known to who has the key. */
        g_autoptr(GByteArray) forged = g_byte_array_new();
        char token[65];
        memset(token, 'a', 64);
        token[64] = '\0';
        pack_put_head(forged, info.uuid, id + 100, info.generation + 1, token);
        pack_add(forged, "evil", NULL, 10, 1);
        pack_put_end(forged);
        write_bytes(&r, forged->data, forged->len, true);
        GString *text = g_string_new_len((char *)index->data, (gssize)index->len);
        g_string_replace(text, "generation=\"3\"", "generation=\"9\"", 1);
        write_bytes(&r, text->str, text->len, true);
        g_string_free(text, TRUE);
        /* A real one, and once more what it was. */
        id = write_pack(&r, "real", 50, 3);
        g_autoptr(GByteArray) real = read_segment(&r, id);
        write_bytes(&r, real->data, real->len, true);
        crash(&r, 0);
        recover(&r, "1 pack with 1 file, 5 segments without names (");
        verify(&r, "real", 50, 3);
        verify(&r, "packed", 500, 2);
        g_assert_cmpint(tree_resolve(r.tree, "evil", &a), ==, -ENOENT);
        static const char *const expected[] = { "segment-7.tar", "segment-8.xml", "segment-9.tar",
                "segment-10.xml", "segment-12.tar" };
        for (size_t i = 0; i < G_N_ELEMENTS(expected); i++) {
                g_autofree char *path = g_strconcat("lost+found/", expected[i], NULL);
                g_autofree char *xattr = xattr_text(&r, path, "user.reelfs-recovered");
                get(&r, path, &a);
                g_assert_cmpuint(a.mode, ==, S_IFREG | 0600);
                g_assert_cmpuint(a.uid, ==, 0);
                g_assert_nonnull(strstr(xattr, "that no index names"));
                g_assert_null(strstr(xattr, "may be missing"));
        }
        rig_clear(&r);
}

/* Files of their own, of all lengths. */
static void test_nameless(void)
{
        static const size_t sizes[] = { 1, RIG_BLOCK - 1, RIG_BLOCK, RIG_BLOCK + 1, 3 * RIG_BLOCK,
                20 * RIG_BLOCK + 77 };
        static const unsigned lacks[] = { 0, VIRTUAL_NO_READ_POSITION, VIRTUAL_NO_VARIABLE };
        for (size_t l = 0; l < G_N_ELEMENTS(lacks); l++) {
                struct rig r;
                uint64_t id;
                start(&r, &(struct virtual_cartridge){ .lacks = lacks[l] });
                for (size_t i = 0; i < G_N_ELEMENTS(sizes); i++)
                        g_assert_cmpint(rig_append(&r, sizes[i], (uint32_t)(1000 + i), &id), ==, 0);
                crash(&r, 0);
                recover(&r, "6 segments without names (");
                for (size_t i = 0; i < G_N_ELEMENTS(sizes); i++) {
                        size_t n = sizes[i];
                        if (lacks[l] == VIRTUAL_NO_VARIABLE)
                                n = segment_blocks(n, r.block) *
                                        r.block; /* nobody knows how much is padding */
                        g_autofree char *path = g_strdup_printf("lost+found/segment-%zu.data", 5 + i);
                        struct tree_attr a;
                        get(&r, path, &a);
                        g_assert_cmpuint(a.size, ==, n);
                        if (n == sizes[i])
                                verify(&r, path, n, (uint32_t)(1000 + i));
                }
                rig_clear(&r);
        }
}

/* Thousands of files of one name were written anew: finding other names for what they replace takes no hours.
 */
static void test_same_names(void)
{
        enum { FILES = 20000 };
        struct rig r;
        struct tree_attr a;
        uint64_t id;
        start(&r, NULL);
        g_assert_cmpint(rig_append(&r, 1000, 1, &id), ==, 0);
        g_autoptr(GByteArray) b = g_byte_array_new();
        for (unsigned i = 0; i < FILES; i++) {
                g_autofree char *name = g_strdup_printf("%u", i);
                put_extent(r.tree, make_file(r.tree, make_dir(r.tree, TREE_ROOT, name), "index.html"), 0, 10,
                        id, 0);
        }
        g_assert_cmpint(rig_commit(&r), ==, 0);
        pack_begin(&r, b, &id);
        for (unsigned i = 0; i < FILES; i++) {
                g_autofree char *path = g_strdup_printf("%u/index.html", i);
                pack_add(b, path, NULL, 20, 2);
        }
        pack_put_end(b);
        write_segment(&r, id, b, true);
        crash(&r, 0);
        rig_mount(&r);
        assert_one_message("20000 older files at such paths (in lost+found)");
        verify(&r, "lost+found/index.html", 10, 1);
        for (unsigned i = 2; i <= FILES; i++) {
                g_autofree char *path = g_strdup_printf("lost+found/index.html-%u", i);
                get(&r, path, &a);
                g_assert_cmpuint(a.size, ==, 10);
        }
        verify(&r, "19999/index.html", 20, 2);
        rig_clear(&r);
}

/* The user has moved lost+found away, and put a file in its place: it gets its name, and so do the others. */
static void test_file_lost_and_found(void)
{
        struct rig r;
        uint64_t id;
        start(&r, NULL);
        make_file(r.tree, make_dir(r.tree, TREE_ROOT, "lost+found"), "below");
        g_assert_cmpint(rig_commit(&r), ==, 0);
        g_autoptr(GByteArray) b = g_byte_array_new();
        pack_begin(&r, b, &id);
        pack_add(b, "first", NULL, 500, 2);
        pack_add(b, "lost+found", NULL, 600, 3);
        pack_add(b, "old", NULL, 700, 4);
        pack_put_end(b);
        write_segment(&r, id, b, true);
        crash(&r, 0);
        recover(&r, "1 pack with 3 files");
        verify(&r, "first", 500, 2);
        verify(&r, "lost+found", 600, 3);
        verify(&r, "old", 700, 4);
        verify(&r, "lost+found-2/below", 0, 0);
        verify(&r, "lost+found-3/old", 1000, 1);
        rig_clear(&r);
}

/* ---- Torn */

/* Filemarks without anything between them. */
static void test_empty(void)
{
        struct rig r;
        start(&r, NULL);
        g_assert_cmpint(volume_seek_end(r.v), ==, 0);
        g_assert_cmpint(tape_write_filemarks(r.tape, 3, false, NULL), ==, 0);
        crash(&r, 0);
        recover(&r, "nothing but filemarks");
        crash(&r, 0);
        rig_mount(&r);
        verify(&r, "old", 1000, 1);
        verify(&r, "afterwards", 100, 9);
        rig_clear(&r);
}

/* Another program has written there, in blocks of its own: that is left alone. */
static void test_foreign(void)
{
        static const size_t lengths[][3] = { { 100, 200, 300 }, { 2 * RIG_BLOCK, 5, 5 },
                { RIG_BLOCK, 5, 5 } };
        for (size_t i = 0; i < G_N_ELEMENTS(lengths); i++) {
                struct rig r;
                struct segment s;
                g_autofree uint8_t *data = pattern(2 * RIG_BLOCK, 1);
                start(&r, NULL);
                write_pack(&r, "before", 300, 2);
                rig_append(&r, 5, 1, &(uint64_t){ 0 });
                /* In the place of the last one. */
                g_assert_cmpint(tape_locate(r.tape, tape_end(&r) - 2), ==, 0);
                for (size_t j = 0; j < 3; j++) {
                        struct iovec iov = { data, lengths[i][j] };
                        g_assert_cmpint(tape_write_block(r.tape, &iov, 1, NULL), ==, 0);
                }
                g_assert_cmpint(tape_write_filemarks(r.tape, 1, false, NULL), ==, 0);
                size_t length;
                g_autofree uint8_t *tape = load_tape(&r, &length);
                crash(&r, 0);
                rig_mount(&r);
                assert_message("not written by reelfs");
                g_assert_false(volume_is_read_only(r.v));
                assert_appended(&r, tape, length);
                verify(&r, "before", 300, 2);
                rig_write(&r, "behind", 70000, 3);
                g_assert_cmpint(rig_commit(&r), ==, 0);
                crash(&r, 0);
                g_assert_cmpuint(rig_problems(&r), ==, 0);
                rig_mount(&r);
                verify(&r, "behind", 70000, 3);
                g_assert_cmpint(volume_segment_at(r.v, 12, &s), ==, -ENOENT);
                rig_clear(&r);
        }
}

/* The filemark is searched for, and not read up to: the same is found. */
static int note_segment(void *ctx, const struct found *f)
{
        g_string_append_printf(ctx, "%d %" PRIu64 " %" PRIu64 " %" PRIu64 " %d%d%d %s\n", f->kind,
                f->first_block, f->filemark, f->length, f->ended, f->damaged, f->foreign, f->type);
        return 0;
}

static void test_long(void)
{
        struct rig r;
        uint64_t id;
        g_autofree uint8_t *data = pattern(3 * RIG_BLOCK, 5);
        start(&r, NULL);
        for (size_t i = 1; i < 4; i++)
                for (size_t n = i * RIG_BLOCK - 1; n <= i * RIG_BLOCK + 1; n++)
                        g_assert_cmpint(rig_append(&r, n, (uint32_t)n, &id), ==, 0);
        write_pack(&r, "f", 5 * RIG_BLOCK, 1);
        write_bytes(&r, data, 3 * RIG_BLOCK, false);
        crash(&r, 0);
        g_assert_cmpint(volume_open(r.tape, true, &r.v, &r.tree), ==, 0);
        g_autoptr(GString) expected = g_string_new(NULL);
        for (uint64_t max = 0; max <= 8 * RIG_BLOCK; max += RIG_BLOCK / 2) {
                g_autoptr(GString) found = g_string_new(NULL);
                const struct scan_visitor visitor = { .segment = note_segment, .ctx = found };
                const struct scan_range range = { r.v->end, r.v->filemarks, 0, r.v->next_id - 1,
                        r.v->info.generation, max };
                struct scan_result result;
                g_assert_cmpint(scan_segments(r.v, &range, &visitor, NULL, &result), ==, 0);
                g_assert_true(result.open_tail);
                g_assert_false(result.stopped);
                g_assert_cmpuint(result.end, ==, r.v->data_end);
                if (max == 0)
                        g_string_assign(expected, found->str);
                g_assert_cmpstr(found->str, ==, expected->str);
        }
        rig_clear(&r);
}

/* Read-only by request, or since the tape is protected: nothing is written. */
static void test_read_only(void)
{
        struct rig r;
        struct volume_info info;
        struct tree_attr a;
        size_t length;
        start(&r, NULL);
        write_pack(&r, "f", 300, 2);
        crash(&r, 0);
        g_autofree uint8_t *tape = load_tape(&r, &length);
        g_assert_cmpint(volume_open(r.tape, true, &r.v, &r.tree), ==, 0);
        assert_one_message("not closed: up to 128 KiB follow");
        volume_get_info(r.v, &info);
        g_assert_true(info.read_only);
        g_assert_nonnull(strstr(info.read_only_reason, "mounted for writing, what follows is recovered"));
        g_assert_cmpint(tree_resolve(r.tree, "f", &a), ==, -ENOENT);
        verify(&r, "old", 1000, 1);
        size_t now;
        g_autofree uint8_t *after = load_tape(&r, &now);
        g_assert_cmpmem(tape, length, after, now);
        rig_clear(&r);
}

/* ---- Medium errors */

static void test_unreadable(void)
{
        static const struct {
                uint64_t object; /* from the beginning of the tail */
                bool read_only;
                const char *text;
        } places[] = {
                { 0, true, "cannot be read; it is read-only" },           /* may have been an index */
                { 1, false, "1 segment that cannot be read as a whole" }, /* in the midst of a pack */
                { 2, false, "1 segment that cannot be read as a whole" }, /* its last block */
                { 4, true, "cannot be read; it is read-only" },
                { 6, false, "1 segment that cannot be read as a whole" },
        };
        for (size_t i = 0; i < G_N_ELEMENTS(places); i++) {
                struct rig r;
                struct tree_attr a;
                uint64_t id;
                size_t length;
                start(&r, NULL);
                uint64_t begin = tape_end(&r);
                g_autoptr(GByteArray) b = two_files(&r, &id);
                write_segment(&r, id, b, true); /* three blocks and a filemark */
                g_assert_cmpint(rig_append(&r, 5 * RIG_BLOCK, 7, &id), ==, 0);
                write_pack(&r, "behind", 300, 5);
                damage(&r, begin + places[i].object);
                g_autofree uint8_t *tape = load_tape(&r, &length);
                rig_mount(&r);
                assert_message(places[i].text);
                g_assert_true(volume_is_read_only(r.v) == places[i].read_only);
                assert_appended(&r, tape, length);
                verify(&r, "behind", 300, 5);
                verify(&r, "old", 1000, 1);
                if (places[i].object > 0)
                        get(&r, "first", &a);
                if (places[i].object == 1 || places[i].object == 2)
                        get(&r, "lost+found/segment-5-damaged.tar", &a);
                if (places[i].object == 6)
                        get(&r, "lost+found/segment-6-damaged.data", &a);
                if (!places[i].read_only)
                        g_assert_cmpuint(rig_problems(&r), ==, 0);
                rig_clear(&r);
        }
}

/* The index itself is the unreadable one: the tape may be good, and the drive dirty. Nothing is decided. */
static void test_unreadable_index(void)
{
        for (unsigned block = 0; block < 2; block++) {
                struct rig r;
                size_t length, now;
                start(&r, NULL);
                for (int i = 0; i < 1500; i++) {
                        g_autofree char *name = g_strdup_printf("file with a name of some length %d", i);
                        make_file(r.tree, TREE_ROOT, name);
                }
                uint64_t begin = tape_end(&r);
                g_assert_cmpint(rig_commit(&r), ==, 0);
                damage(&r, begin + block);
                g_autofree uint8_t *tape = load_tape(&r, &length);
                rig_mount(&r);
                assert_message("clean the drive and mount again");
                g_assert_true(volume_is_read_only(r.v));
                g_autofree uint8_t *after = load_tape(&r, &now);
                g_assert_cmpmem(tape, length, after, now);
                rig_clear(&r);
        }
}

/* A mount, or a repair, of a tape that is sound in a drive that fails by these rules. */
static void try_with(struct rig *r, const char *rules, bool repair)
{
        Transport *t;
        const struct volume_check_options options = { .repair = true, .deep = true };
        struct volume_check_result result;
        rig_unload(r);
        g_assert_cmpint(virtual_open(r->path, false, &t), ==, 0);
        g_assert_cmpint(fault_wrap(t, rules, "rules", &t), ==, 0);
        g_assert_cmpint(tape_open(t, "test", &r->tape), ==, 0);
        if (repair)
                volume_check_with(r->tape, &options, &result);
        else
                volume_open(r->tape, false, &r->v, &r->tree);
        rig_unload(r);
        rig_load(r);
        catch_messages();
}

/* A full index of them is large enough for incremental ones to follow. */
static void make_many_files(struct rig *r)
{
        for (int i = 0; i < 1500; i++) {
                g_autofree char *name = g_strdup_printf("file with a name of some length %d", i);
                make_file(r->tree, TREE_ROOT, name);
        }
}

/* One read fails, or a few in a row: no index that is there gives way to an older one. */
static void test_fails_once(void)
{
        for (unsigned i = 0; i < 2 * 3 * 24; i++) {
                unsigned times = 1 + i / 2 % 3;
                struct rig r;
                struct tree_attr a;
                g_autofree char *rules =
                        g_strdup_printf("opcode=08 after=%u count=%u sense=3/11/00", i / 6, times);
                start(&r, &without_memory);
                make_many_files(&r);
                g_assert_cmpint(rig_commit(&r), ==, 0);
                rig_write(&r, "large", 3 * RIG_BLOCK, 5);
                g_assert_cmpint(rig_commit(&r), ==, 0);
                g_assert_cmpint(tree_rename(r.tree, TREE_ROOT, "old", TREE_ROOT, "moved", 0, 1), ==, 0);
                g_assert_cmpint(rig_commit(&r), ==, 0);
                try_with(&r, rules, i % 2);
                rig_mount(&r);
                verify(&r, "moved", 1000, 1);
                verify(&r, "large", 3 * RIG_BLOCK, 5);
                g_assert_cmpint(tree_resolve(r.tree, "old", &a), ==, -ENOENT);
                g_assert_false(volume_is_read_only(r.v));
                rig_clear(&r);
        }
}

/* No room for the index: what was found can be read. */
static void test_no_index(void)
{
        struct rig r;
        start(&r, NULL);
        write_pack(&r, "f", 300, 2);
        rig_unload(&r);
        g_autofree char *key_file = g_strconcat(r.path, ".cartridge", NULL);
        g_autoptr(GKeyFile) keys = g_key_file_new();
        g_assert_true(g_key_file_load_from_file(keys, key_file, G_KEY_FILE_NONE, NULL));
        GStatBuf st;
        g_assert_cmpint(g_stat(r.path, &st), ==, 0);
        g_key_file_set_uint64(keys, "cartridge", "capacity", (uint64_t)st.st_size);
        g_assert_true(g_key_file_save_to_file(keys, key_file, NULL));
        rig_load(&r);
        catch_messages();
        rig_mount(&r);
        g_assert_nonnull(strstr(messages->str, "1 pack with 1 file"));
        assert_message("the index could not be written");
        g_assert_true(volume_is_read_only(r.v));
        verify(&r, "f", 300, 2);
        rig_clear(&r);
}

struct told {
        uint64_t calls, last, total;
};

static void note_progress(void *ctx, uint64_t done, uint64_t total)
{
        struct told *t = ctx;
        g_assert_cmpuint(done, <=, total);
        t->calls++;
        t->last = done;
        t->total = total;
}

static void test_progress(void)
{
        struct rig r;
        uint64_t id;
        struct told told = { 0 };
        const struct volume_progress progress = { note_progress, &told };
        start(&r, NULL);
        for (int i = 0; i < 20; i++)
                g_assert_cmpint(rig_append(&r, 2 * RIG_BLOCK, 1, &id), ==, 0);
        crash(&r, 0);
        g_assert_cmpint(volume_open_with(r.tape, false, &progress, &r.v, &r.tree), ==, 0);
        g_assert_cmpuint(told.calls, >=, 20);
        rig_clear(&r);
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/volume-recover/packs", test_packs);
        g_test_add_func("/volume-recover/same-names", test_same_names);
        g_test_add_func("/volume-recover/file-lost-and-found", test_file_lost_and_found);
        g_test_add_func("/volume-recover/lookalikes", test_lookalikes);
        g_test_add_func("/volume-recover/nameless", test_nameless);
        g_test_add_func("/volume-recover/empty", test_empty);
        g_test_add_func("/volume-recover/foreign", test_foreign);
        g_test_add_func("/volume-recover/long", test_long);
        g_test_add_func("/volume-recover/read-only", test_read_only);
        g_test_add_func("/volume-recover/unreadable", test_unreadable);
        g_test_add_func("/volume-recover/unreadable-index", test_unreadable_index);
        g_test_add_func("/volume-recover/fails-once", test_fails_once);
        g_test_add_func("/volume-recover/no-index", test_no_index);
        g_test_add_func("/volume-recover/progress", test_progress);
        return g_test_run();
}

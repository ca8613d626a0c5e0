/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Volumes that were not closed, damaged or full. */
#include "volume-rig.h"

/* ---- The cartridge's bytes */

/* What replaces from is as long. last: its last place in the file, otherwise the first. */
static void tamper(struct rig *r, const char *from, const char *to, bool last)
{
        g_autofree char *data = NULL;
        size_t length, n = strlen(from);
        char *found = NULL;
        rig_unload(r);
        g_assert_cmpuint(n, ==, strlen(to));
        g_assert_true(g_file_get_contents(r->path, &data, &length, NULL));
        for (char *p = data; (p = memmem(p, length - (size_t)(p - data), from, n)); p++) {
                found = p;
                if (!last)
                        break;
        }
        g_assert_nonnull(found);
        memcpy(found, to, n);
        FILE *f = fopen(r->path, "r+b");
        g_assert_cmpuint(fwrite(data, 1, length, f), ==, length);
        fclose(f);
        rig_load(r);
        catch_messages();
}

/* In the place of the label's comment. */
static void add_to_label(struct rig *r, const char *xml)
{
        g_autofree char *data = NULL;
        size_t length;
        g_assert_true(g_file_get_contents(r->path, &data, &length, NULL));
        const char *comment = memmem(data, length, "<!--", 4), *end = memmem(data, length, "-->", 3) + 3;
        g_autofree char *from = g_strndup(comment, (size_t)(end - comment));
        g_autofree char *to = g_strdup_printf("%-*s", (int)(end - comment), xml);
        tamper(r, from, to, false);
}

static uint64_t cartridge_size(struct rig *r)
{
        GStatBuf st;
        g_assert_cmpint(g_stat(r->path, &st), ==, 0);
        return (uint64_t)st.st_size;
}

/* Gets it read-only, with one line that says why; nothing can be written. by_request: that is how it is
 * opened; else it is for another reason. */
static void mount_so(struct rig *r, const char *why, bool by_request)
{
        struct volume_info info;
        uint64_t id, size = cartridge_size(r);
        g_assert_cmpint(volume_open(r->tape, by_request, &r->v, &r->tree), ==, 0);
        r->block = volume_block_length(r->v);
        assert_message(why);
        volume_get_info(r->v, &info);
        g_assert_true(info.read_only);
        g_assert_nonnull(strstr(info.read_only_reason, why));
        g_assert_cmpint(rig_append(r, 10, 1, &id), ==, -EROFS);
        g_assert_cmpint(volume_commit(r->v, r->tree, true, NULL), ==, -EROFS);
        g_assert_cmpuint(cartridge_size(r), ==, size);
}

static void mount_read_only(struct rig *r, const char *why)
{
        mount_so(r, why, false);
}

/* As of the last index: what is behind it would be recovered otherwise (test-volume-recover.c). */
static void look(struct rig *r, const char *why)
{
        mount_so(r, why, true);
}

static void mount_fails(struct rig *r, int error, const char *why)
{
        uint64_t size = cartridge_size(r);
        catch_messages();
        g_assert_cmpint(volume_open(r->tape, false, &r->v, &r->tree), ==, error);
        assert_one_message(why);
        g_assert_cmpuint(cartridge_size(r), ==, size);
}

/* ---- Not closed */

static void test_not_closed(void)
{
        static const unsigned lacks[] = { 0, VIRTUAL_NO_READ_POSITION, 0x7f & ~VIRTUAL_NO_VARIABLE };
        for (unsigned i = 0; i < G_N_ELEMENTS(lacks); i++) {
                struct rig r;
                struct tree_attr a;
                rig_start(&r, &(struct virtual_cartridge){ .lacks = lacks[i] });
                rig_unload(&r);
                rig_load(&r);
                g_assert_cmpuint(rig_problems(&r), ==, 1);
                catch_messages();
                /* Six blocks and a filemark. */
                look(&r, "not closed: up to 448 KiB follow the last index");
                rig_verify(&r, "old", 3 * RIG_BLOCK + 1, 1);
                g_assert_cmpint(tree_resolve(r.tree, "new", &a), ==, -ENOENT);
                rig_clear(&r);
        }
}

/* The last segment has no filemark: the process was killed in the middle of it. */
static void test_killed_in_segment(void)
{
        struct rig r;
        g_autofree uint8_t *data = pattern(4 * RIG_BLOCK, 1);
        struct iovec iov = { data, 4 * RIG_BLOCK };
        rig_start(&r, NULL);
        g_assert_cmpint(rig_commit(&r), ==, 0);
        g_assert_cmpint(volume_append(r.v, volume_segment_new(r.v, SEGMENT_FILE), &iov, 1, false), ==, 0);
        rig_unload(&r);
        rig_load(&r);
        look(&r, "not closed: up to 256 KiB follow");
        rig_verify(&r, "new", 5 * RIG_BLOCK + 1, 2);
        rig_clear(&r);
}

/* Whatever a power failure leaves, what was committed is there. */
static void test_power_cut(void)
{
        for (int i = 0; i <= 20; i++) {
                struct rig r;
                rig_start(&r, NULL);
                make_dir(r.tree, TREE_ROOT, "d");
                g_assert_cmpint(virtual_power_cut(r.transport, i / 20.0), ==, 0);
                rig_unload(&r);
                rig_load(&r);
                catch_messages();
                rig_mount(&r);
                rig_verify(&r, "old", 3 * RIG_BLOCK + 1, 1);
                if (i > 0)
                        assert_message("not closed");
                g_assert_true(i > 0 || !volume_is_read_only(r.v));
                rig_clear(&r);
        }
}

/* ---- Damaged */

static void test_damaged_index(void)
{
        static const struct {
                const char *from, *to, *why;
        } changes[] = {
                { "</directory></ltfsindex>", "</directory> </ltfsinde>", "damaged" },
                { "<generationnumber>3", "<generationnumber>2", "damaged (its generation" },
                { "token=\"", "token= ", "not closed" },
                { "<name>new", "<name>old", "damaged (old cannot be taken" },
                { "<volumeuuid>", "<volumeuuix>", "damaged" },
        };
        for (unsigned i = 0; i < G_N_ELEMENTS(changes); i++) {
                struct rig r;
                rig_start(&r, NULL);
                g_assert_cmpint(rig_commit(&r), ==, 0);
                tamper(&r, changes[i].from, changes[i].to, true);
                look(&r, changes[i].why);
                rig_verify(&r, "old", 3 * RIG_BLOCK + 1, 1);
                g_assert_cmpuint(rig_problems(&r), >, 0);
                rig_clear(&r);
        }
}

/* A copy of an index, and something that only looks like one, behind the last index. */
static void test_copied_index(void)
{
        struct rig r;
        struct volume_info info;
        struct segment s;
        size_t nread;
        rig_start(&r, NULL);
        g_assert_cmpint(rig_commit(&r), ==, 0);
        volume_get_info(r.v, &info);
        g_autofree char *copy = g_malloc(RIG_BLOCK);
        g_assert_cmpint(volume_segment_at(r.v, info.index_block, &s), ==, 0);
        g_assert_cmpint(s.kind, ==, SEGMENT_INDEX);
        g_assert_cmpint(volume_read(r.v, s.id, 0, copy, RIG_BLOCK, &nread), ==, 0);
        g_assert_cmpuint(nread, ==, info.index_length);
        struct iovec iov = { copy, nread };
        g_assert_cmpint(volume_seek_end(r.v), ==, 0);
        g_assert_cmpint(tape_write_block(r.tape, &iov, 1, NULL), ==, 0);
        g_assert_cmpint(tape_write_filemarks(r.tape, 1, false, NULL), ==, 0);
        rig_unload(&r);
        rig_load(&r);
        look(&r, "not closed: up to 128 KiB follow the last index");
        rig_verify(&r, "new", 5 * RIG_BLOCK + 1, 2);
        rig_clear(&r);
}

/* All of it is right but the token, which only who has the volume's key can make. */
static void test_forged_index(void)
{
        struct rig r;
        g_autofree char *data = NULL;
        size_t length;
        rig_start(&r, NULL);
        g_assert_cmpint(rig_commit(&r), ==, 0);
        g_assert_true(g_file_get_contents(r.path, &data, &length, NULL));
        const char *last = NULL;
        for (const char *p = data; (p = memmem(p, length - (size_t)(p - data), "token=\"", 7)); p++)
                last = p;
        g_autofree char *from = g_strndup(last, 7 + 64), *to = g_strdup(from);
        to[7 + 63] = to[7 + 63] == '0' ? '1' : '0';
        tamper(&r, from, to, true);
        look(&r, "not closed");
        rig_verify(&r, "old", 3 * RIG_BLOCK + 1, 1);
        rig_clear(&r);
}

static void test_no_index(void)
{
        struct rig r;
        rig_start(&r, NULL);
        tamper(&r, "<volumeuuid>", "<volumeuuiX>", false);
        mount_fails(&r, -EUCLEAN, "label");
        rig_clear(&r);

        rig_init(&r, NULL);
        rig_format(&r);
        tamper(&r, "token=\"", "token= ", true);
        mount_fails(&r, -EUCLEAN, "no valid index");
        g_assert_cmpuint(rig_problems(&r), ==, 1);
        rig_clear(&r);
}

/* Labels without anything behind them. */
static void test_labels_only(void)
{
        struct rig r;
        rig_init(&r, NULL);
        rig_format(&r);
        g_assert_cmpint(tape_locate(r.tape, 4), ==, 0);
        /* What is written ends the tape there. */
        g_assert_cmpint(tape_write_filemarks(r.tape, 1, false, NULL), ==, 0);
        mount_fails(&r, -EUCLEAN, "no valid index");
        g_assert_cmpint(tape_locate(r.tape, 2), ==, 0);
        g_assert_cmpint(tape_write_filemarks(r.tape, 1, false, NULL), ==, 0);
        mount_fails(&r, -EUCLEAN, "label");
        rig_clear(&r);
}

static void test_labels(void)
{
        struct rig r;
        struct volume_identity identity;
        rig_start(&r, NULL);
        tamper(&r, "reelfslabel version=\"1.0\"", "reelfslabel version=\"2.0\"", false);
        mount_fails(&r, -EPROTONOSUPPORT, "2.0");
        g_assert_cmpint(volume_identify(r.tape, &identity), ==, 0);
        g_assert_cmpint(identity.content, ==, VOLUME_REELFS);
        tamper(&r, "reelfslabel version=\"2.0\"", "reelfslabel version=\"1.9\"", false);
        add_to_label(&r, "<features><incompatible><feature>holograms</feature></incompatible></features>");
        mount_fails(&r, -EPROTONOSUPPORT, "holograms");
        rig_clear(&r);

        rig_start(&r, NULL);
        g_assert_cmpint(rig_commit(&r), ==, 0);
        add_to_label(
                &r, "<features><readonlycompatible><feature>runes</feature></readonlycompatible></features>");
        mount_read_only(&r, "runes");
        rig_verify(&r, "new", 5 * RIG_BLOCK + 1, 2);
        rig_clear(&r);
}

static void test_write_protected(void)
{
        struct rig r;
        rig_start(&r, NULL);
        g_assert_cmpint(rig_commit(&r), ==, 0);
        rig_unload(&r);
        g_autofree char *key_file = g_strconcat(r.path, ".cartridge", NULL);
        g_autoptr(GKeyFile) keys = g_key_file_new();
        g_assert_true(g_key_file_load_from_file(keys, key_file, G_KEY_FILE_NONE, NULL));
        g_key_file_set_boolean(keys, "cartridge", "write-protected", TRUE);
        g_assert_true(g_key_file_save_to_file(keys, key_file, NULL));
        rig_load(&r);
        catch_messages();
        mount_read_only(&r, "write protected");
        rig_verify(&r, "new", 5 * RIG_BLOCK + 1, 2);
        const struct volume_format format = { .force = true };
        g_assert_cmpint(volume_format(r.tape, &format), ==, -EROFS);
        rig_clear(&r);
}

/* The table says something else than the tape. */
static void test_check(void)
{
        struct rig r;
        uint64_t id;
        rig_init(&r, NULL);
        rig_format(&r);
        rig_mount(&r);
        g_assert_cmpint(rig_append(&r, 3 * RIG_BLOCK, 1, &id), ==, 0);
        rig_write(&r, "f", 1000, 1);
        g_assert_cmpint(rig_commit(&r), ==, 0);
        tamper(&r, "\n2 file 3 6 196608\n", "\n2 file 3 6 131072\n", true);
        g_assert_cmpuint(rig_problems(&r), ==, 1);
        tamper(&r, "\n2 file 3 6 131072\n", "\n2 file 3 6 196608\n", true);
        g_assert_cmpuint(rig_problems(&r), ==, 0);
        tamper(&r, "\n2 file 3 6 196608\n3 file 4 10 1000\n", "\n2 file 3 7 131072\n3 file 4 10 1000\n",
                true);
        g_assert_cmpuint(rig_problems(&r), ==, 1);
        rig_clear(&r);
}

/* ---- Full */

static void fill(struct rig *r, size_t length, unsigned *n)
{
        uint64_t id;
        int error;
        for (*n = 0; (error = rig_append(r, length, *n, &id)) == 0; (*n)++) {
                g_autofree char *name = g_strdup_printf("file%u", *n);
                put_extent(r->tree, make_file(r->tree, TREE_ROOT, name), 0, length, id, 0);
        }
        g_assert_cmpint(error, ==, -ENOSPC);
        struct segment s;
        g_assert_cmpint(volume_segment_get(r->v, id, &s), ==, 0);
        g_assert_cmpint(s.state, ==, SEGMENT_LOST);
        g_assert_cmpint(rig_append(r, 1, 1, &id), ==, -ENOSPC);
}

static void test_full(void)
{
        static const struct virtual_cartridge cartridges[] = {
                { .capacity = 16 << 20 },
                { .capacity = 16 << 20, .lacks = VIRTUAL_NO_CAPACITY | VIRTUAL_NO_ATTRIBUTES },
                { .capacity = 64 << 20 },
                { .capacity = 16 << 20, .lacks = VIRTUAL_NO_VARIABLE },
        };
        for (unsigned i = 0; i < G_N_ELEMENTS(cartridges); i++) {
                struct rig r;
                struct volume_info info;
                uint64_t remaining, total;
                unsigned n;
                rig_init(&r, &cartridges[i]);
                rig_format(&r);
                rig_mount(&r);
                volume_capacity(r.v, r.tree, &remaining, &total);
                if (cartridges[i].lacks & VIRTUAL_NO_CAPACITY) {
                        g_assert_cmpuint(total, ==, 0);
                        g_assert_cmpuint(remaining, ==, UINT64_MAX);
                } else {
                        g_assert_cmpuint(total, ==, cartridges[i].capacity);
                        g_assert_cmpuint(remaining, >, total / 4 * 3);
                        g_assert_cmpuint(remaining, <, total);
                }
                fill(&r, 200000, &n);
                g_assert_cmpuint(n * 200000, >, cartridges[i].capacity / 2);
                volume_capacity(r.v, r.tree, &remaining, &total);
                g_assert_cmpuint(remaining, <, 512 * 1024);
                g_assert_false(volume_is_read_only(r.v));
                g_assert_cmpint(rig_commit(&r), ==, 0);
                rig_remount(&r);
                volume_get_info(r.v, &info);
                g_assert_false(info.read_only);
                for (unsigned j = 0; j < n; j++) {
                        g_autofree char *name = g_strdup_printf("file%u", j);
                        rig_verify(&r, name, 200000, j);
                }
                g_assert_cmpuint(rig_problems(&r), ==, 0);
                rig_clear(&r);
        }
}

/* The room that is kept is enough for the index of a tree with many names, though the last one was small. */
static void test_full_of_names(void)
{
        struct rig r;
        unsigned n;
        rig_init(&r, &(struct virtual_cartridge){ .capacity = 64 << 20 });
        rig_format(&r);
        rig_mount(&r);
        uint64_t d = make_dir(r.tree, TREE_ROOT, "d");
        for (int i = 0; i < 30000; i++) {
                char name[64];
                g_snprintf(name, sizeof(name), "a file with a name of some length %d", i);
                tree_xattr_set(r.tree, make_file(r.tree, d, name), "user.comment", name, strlen(name), 0, 1);
        }
        fill(&r, 200000, &n);
        g_assert_cmpint(rig_commit(&r), ==, 0);
        rig_remount(&r);
        g_assert_false(volume_is_read_only(r.v));
        rig_clear(&r);
}

/* In the middle of a segment: its filemark and the index have room still. */
/* The drive does not say what room there is, but warns as early as it is asked to: before it would by itself
 * there would be none for the index. */
static void test_warned_early(void)
{
        struct rig r;
        struct tape_info info;
        unsigned n;
        rig_init(&r,
                &(struct virtual_cartridge){
                        .capacity = 128 << 20, .lacks = VIRTUAL_NO_CAPACITY | VIRTUAL_NO_ATTRIBUTES });
        tape_get_info(r.tape, &info);
        g_assert_true(info.programmable_warning);
        rig_format(&r);
        rig_mount(&r);
        for (int i = 0; i < 30000; i++) {
                char name[64];
                g_snprintf(name, sizeof(name), "a file with a name of some length %d", i);
                tree_xattr_set(
                        r.tree, make_file(r.tree, TREE_ROOT, name), "user.comment", name, strlen(name), 0, 1);
        }
        fill(&r, 200000, &n);
        g_assert_cmpint(volume_commit(r.v, r.tree, true, NULL), ==, 0);
        struct volume_info volume;
        volume_get_info(r.v, &volume);
        g_assert_cmpuint(volume.index_length, >, 4 << 20); /* the drive's own warning: 2 MiB before the end */
        rig_remount(&r);
        g_assert_false(volume_is_read_only(r.v));
        rig_clear(&r);
}

static void test_full_in_segment(void)
{
        struct rig r;
        struct segment s;
        struct tree_attr a;
        g_autofree uint8_t *data = pattern(4 * RIG_BLOCK, 1);
        struct iovec iov = { data, 4 * RIG_BLOCK };
        int error;
        rig_init(&r, &(struct virtual_cartridge){ .capacity = 16 << 20 });
        rig_format(&r);
        rig_mount(&r);
        uint64_t id = volume_segment_new(r.v, SEGMENT_FILE), ino = make_file(r.tree, TREE_ROOT, "f"),
                 sent = 0;
        while ((error = volume_append(r.v, id, &iov, 1, false)) == 0)
                sent += iov.iov_len;
        g_assert_cmpint(error, ==, -ENOSPC);
        g_assert_cmpint(volume_segment_get(r.v, id, &s), ==, 0);
        g_assert_cmpint(s.state, ==, SEGMENT_LOST);
        g_assert_cmpuint(s.length, ==, sent);
        put_extent(r.tree, ino, 0, sent + iov.iov_len, id, 0);
        g_assert_cmpint(rig_commit(&r), ==, 0);
        rig_remount(&r);
        g_assert_false(volume_is_read_only(r.v));
        g_assert_cmpint(tree_resolve(r.tree, "f", &a), ==, 0);
        g_assert_cmpuint(a.size, ==, sent);
        g_assert_cmpuint(rig_problems(&r), ==, 0);
        rig_clear(&r);
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/volume-damage/not-closed", test_not_closed);
        g_test_add_func("/volume-damage/killed-in-segment", test_killed_in_segment);
        g_test_add_func("/volume-damage/power-cut", test_power_cut);
        g_test_add_func("/volume-damage/damaged-index", test_damaged_index);
        g_test_add_func("/volume-damage/copied-index", test_copied_index);
        g_test_add_func("/volume-damage/forged-index", test_forged_index);
        g_test_add_func("/volume-damage/no-index", test_no_index);
        g_test_add_func("/volume-damage/labels-only", test_labels_only);
        g_test_add_func("/volume-damage/labels", test_labels);
        g_test_add_func("/volume-damage/write-protected", test_write_protected);
        g_test_add_func("/volume-damage/check", test_check);
        g_test_add_func("/volume-damage/full", test_full);
        g_test_add_func("/volume-damage/full-of-names", test_full_of_names);
        g_test_add_func("/volume-damage/warned-early", test_warned_early);
        g_test_add_func("/volume-damage/full-in-segment", test_full_in_segment);
        return g_test_run();
}

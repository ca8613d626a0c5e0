/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The order in which a restore reads the tape, and what it makes of a target. */
#include <fcntl.h>
#include <glib/gstdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <reelfs/restore.h>

#include "../../src/restore/private.h"
#include "compass.h"
#include "tape-file.h"

#define FILLER ((size_t)40 << 20)

struct fixture {
        struct rig rig;
        struct compass compass;
        char *target;
        struct restore_progress progress;
};

static void fixture_init(struct fixture *f, const struct virtual_cartridge *cartridge)
{
        rig_init(&f->rig, cartridge);
        rig_format(&f->rig);
        rig_mount(&f->rig);
        f->target = g_dir_make_tmp("reelfs-restore-XXXXXX", NULL);
        g_assert_nonnull(f->target);
}

/* As `reelfs restore` finds it: the volume was closed, and is opened anew. */
static void reopen(struct fixture *f)
{
        g_assert_cmpint(rig_commit(&f->rig), ==, 0);
        rig_unload(&f->rig);
        f->compass = (struct compass){ .transport.ops = &compass_ops,
                .follows = true,
                .places = g_array_new(FALSE, FALSE, sizeof(uint64_t)) };
        g_assert_cmpint(virtual_open(f->rig.path, false, &f->compass.under), ==, 0);
        g_assert_cmpint(tape_open(&f->compass.transport, "test", &f->rig.tape), ==, 0);
        rig_mount(&f->rig);
}

static void at_the_beginning(struct fixture *f)
{
        g_assert_cmpint(tape_rewind(f->rig.tape), ==, 0);
        f->compass.forward = f->compass.backward = f->compass.orders = 0;
        g_array_set_size(f->compass.places, 0);
}

static int run(struct fixture *f, char **paths, enum restore_existing existing)
{
        const struct restore_options options = { .paths = paths, .existing = existing };
        autofd fd = open(f->target, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        g_assert_cmpint(fd, >=, 0);
        return restore_run(f->rig.v, f->rig.tree, fd, &options, &f->progress);
}

static void fixture_clear(struct fixture *f)
{
        g_autofree char *command = g_strdup_printf("rm -rf %s", f->target);
        g_assert_cmpint(system(command), ==, 0);
        g_free(f->target);
        rig_clear(&f->rig);
        if (f->compass.places)
                g_array_unref(f->compass.places);
}

static void check(struct fixture *f, const char *name, const uint8_t *data, size_t size)
{
        g_autofree char *path = g_build_filename(f->target, name, NULL), *got = NULL;
        gsize length;
        g_assert_true(g_file_get_contents(path, &got, &length, NULL));
        g_assert_cmpmem(got, length, data, size);
}

/* A part of a file, in a segment of its own. */
static void put(struct fixture *f, uint64_t ino, uint8_t *content, size_t at, size_t length, uint32_t seed)
{
        uint64_t id;
        g_autofree uint8_t *data = pattern(length, seed);
        g_assert_cmpint(rig_append(&f->rig, length, seed, &id), ==, 0);
        put_extent(f->rig.tree, ino, at, length, id, 0);
        memcpy(content + at, data, length);
}

/* ---- The whole volume */

/* Files that were written in turns, written over, and packed, and have gaps of both kinds and indexes between
 * them: the tape only goes forward, and is sent on where a gap is large only. */
static void test_forward(void)
{
        enum { PARTS = 6, PART = 3 * RIG_BLOCK + 77, SMALL = 1000, SMALLS = 20 };
        struct fixture f = { 0 };
        g_autofree uint8_t *a = g_malloc0(PARTS * PART), *b = g_malloc0(PARTS * PART),
                           *pack = pattern(SMALLS * SMALL, 99);
        uint64_t id;
        fixture_init(&f, NULL);
        uint64_t b_ino = make_file(f.rig.tree, TREE_ROOT, "b"), a_ino = make_file(f.rig.tree, TREE_ROOT, "a");
        for (unsigned i = 0; i < PARTS; i++) {
                put(&f, b_ino, b, i * PART, PART, 10 + i);
                put(&f, a_ino, a, (PARTS - 1 - i) * PART, PART, 20 + i);
                if (i == PARTS / 2)
                        g_assert_cmpint(rig_commit(&f.rig), ==, 0);
        }
        g_assert_cmpint(rig_append(&f.rig, SMALLS * SMALL, 99, &id), ==, 0);
        for (unsigned i = 0; i < SMALLS; i++) {
                g_autofree char *name = g_strdup_printf("small%u", i);
                put_extent(f.rig.tree, make_file(f.rig.tree, TREE_ROOT, name), 0, SMALL, id,
                        (SMALLS - 1 - i) * SMALL);
        }
        g_assert_cmpint(rig_append(&f.rig, FILLER, 1, &id), ==, 0); /* no file's any more */
        put(&f, b_ino, b, PART / 2, PART, 30);
        put(&f, a_ino, a, 0, PART / 3, 31);
        reopen(&f);
        at_the_beginning(&f);
        g_assert_cmpint(run(&f, NULL, RESTORE_REFUSE), ==, 0);
        g_assert_cmpuint(f.compass.backward, ==, 0);
        g_assert_cmpuint(f.compass.forward, ==, 2); /* to the first, and over the gap */
        g_assert_cmpuint(f.compass.orders, ==, 0);
        g_assert_cmpuint(f.progress.files, ==, SMALLS + 2);
        check(&f, "a", a, PARTS * PART);
        check(&f, "b", b, PARTS * PART);
        for (unsigned i = 0; i < SMALLS; i++) {
                g_autofree char *name = g_strdup_printf("small%u", i);
                check(&f, name, pack + (SMALLS - 1 - i) * SMALL, SMALL);
        }
        fixture_clear(&f);
}

/* ---- A selection */

/* Four files with large gaps between them, the tape at the second one. */
static void scatter(struct fixture *f, const struct virtual_cartridge *cartridge)
{
        uint64_t id;
        struct tree_attr attr;
        uint8_t block[RIG_BLOCK];
        size_t n;
        struct tree_extent e;
        fixture_init(f, cartridge);
        for (unsigned i = 0; i < 4; i++) {
                g_autofree char *name = g_strdup_printf("f%u", i);
                rig_write(&f->rig, name, 2 * RIG_BLOCK, i);
                g_assert_cmpint(rig_append(&f->rig, FILLER, 1, &id), ==, 0);
        }
        reopen(f);
        at_the_beginning(f);
        g_assert_cmpint(tree_resolve(f->rig.tree, "f1", &attr), ==, 0);
        tree_unref(f->rig.tree, attr.ino, 1);
        g_assert_cmpint(tree_map(f->rig.tree, attr.ino, 0, 1, &e, 1, &n, NULL), ==, 0);
        g_assert_cmpint(volume_read(f->rig.v, e.segment, 0, block, RIG_BLOCK, &n), ==, 0);
        g_array_set_size(f->compass.places, 0);
}

static const char *const all[] = { "f3", "f0", "f2", NULL };

static void check_all(struct fixture *f)
{
        for (unsigned i = 0; all[i]; i++) {
                g_autofree uint8_t *data = pattern(2 * RIG_BLOCK, (uint32_t)(all[i][1] - '0'));
                check(f, all[i], data, 2 * RIG_BLOCK);
        }
}

static uint64_t sent_to(const struct fixture *f, guint i)
{
        return g_array_index(f->compass.places, uint64_t, i);
}

/* The drive would read f2 and f3, which are ahead, before f0. */
static void test_recommended(void)
{
        struct fixture f = { 0 };
        scatter(&f, NULL);
        g_assert_cmpint(run(&f, (char **)all, RESTORE_REFUSE), ==, 0);
        g_assert_cmpuint(f.compass.orders, ==, 1);
        g_assert_cmpuint(f.compass.places->len, ==, 3);
        g_assert_cmpuint(sent_to(&f, 0), <, sent_to(&f, 1));
        g_assert_cmpuint(sent_to(&f, 2), <, sent_to(&f, 0));
        check_all(&f);
        fixture_clear(&f);
}

static void test_not_recommended(void)
{
        struct fixture f = { 0 };
        scatter(&f, &(struct virtual_cartridge){ .lacks = VIRTUAL_NO_ORDER });
        g_assert_cmpint(run(&f, (char **)all, RESTORE_REFUSE), ==, 0);
        g_assert_cmpuint(f.compass.orders, ==, 0);
        g_assert_cmpuint(f.compass.places->len, ==, 3);
        g_assert_cmpuint(sent_to(&f, 0), <, sent_to(&f, 1));
        g_assert_cmpuint(sent_to(&f, 1), <, sent_to(&f, 2));
        check_all(&f);
        fixture_clear(&f);
}

/* ---- The plan */

static void test_plan(void)
{
        struct fixture f = { 0 };
        struct plan p;
        uint64_t id, small, bytes;
        fixture_init(&f, NULL);
        uint64_t dir = make_dir(f.rig.tree, TREE_ROOT, "d");
        rig_write(&f.rig, "first", 5, 1);
        g_assert_cmpint(rig_append(&f.rig, 3 * RIG_BLOCK, 3, &small), ==, 0);
        g_assert_cmpint(rig_append(&f.rig, FILLER, 1, &id), ==, 0);
        rig_write(&f.rig, "last", 2 * RIG_BLOCK, 4);
        /* The second object of a segment, from its midst on; and what begins before it in the same block. */
        uint64_t x = make_file(f.rig.tree, dir, "x"), y = make_file(f.rig.tree, dir, "y");
        put_extent(f.rig.tree, x, 0, RIG_BLOCK, small, RIG_BLOCK + 100);
        put_extent(f.rig.tree, y, 0, 50, small, RIG_BLOCK + 10);
        g_assert_cmpint(rig_commit(&f.rig), ==, 0);

        g_assert_cmpint(plan_make(&p, f.rig.v, f.rig.tree, NULL), ==, 0);
        g_assert_cmpint(plan_pieces(&p, &bytes), ==, 0);
        g_assert_cmpuint(bytes, ==, 5 + RIG_BLOCK + 50 + 2 * RIG_BLOCK);
        static const char *const expected[] = { "first", "d/y", "d/x", "last" };
        g_assert_cmpuint(p.pieces->len, ==, G_N_ELEMENTS(expected));
        for (guint i = 0; i < p.pieces->len; i++) {
                g_autofree char *path = plan_path(&p, g_array_index(p.pieces, struct piece, i).node);
                g_assert_cmpstr(path, ==, expected[i]);
        }
        g_autoptr(GArray) runs = plan_runs(&p);
        const struct run *run = (const struct run *)(void *)runs->data;
        const struct piece *piece = (const struct piece *)(void *)p.pieces->data;
        g_assert_cmpuint(runs->len, ==, 2);
        g_assert_cmpuint(run[0].first, ==, 0);
        g_assert_cmpuint(run[0].n, ==, 3);
        g_assert_cmpuint(run[0].range.first, ==, piece[0].block);
        g_assert_cmpuint(run[0].range.last, ==, piece[2].block + 1);
        g_assert_cmpuint(run[1].first, ==, 3);
        g_assert_cmpuint(run[1].range.last, ==, piece[3].block + 1);
        plan_clear(&p);

        char *paths[] = { "//d//x/", "d/y", NULL }, *none[] = { "d/z", NULL };
        char *dots[] = { "./d/../d/./x", "d/x/../../last", NULL }, *up[] = { "d/.", NULL };
        g_assert_cmpint(plan_make(&p, f.rig.v, f.rig.tree, paths), ==, 0);
        g_assert_cmpint(plan_pieces(&p, &bytes), ==, 0);
        g_assert_cmpuint(bytes, ==, RIG_BLOCK + 50);
        g_assert_cmpuint(p.nodes->len, ==, 4); /* the root, d, x, y */
        g_assert_false(plan_node(&p, 0)->attributes);
        plan_clear(&p);
        g_assert_cmpint(plan_make(&p, f.rig.v, f.rig.tree, up), ==, 0);
        g_assert_cmpuint(p.nodes->len, ==, 4);
        g_assert_true(plan_node(&p, 1)->attributes);
        plan_clear(&p);
        g_assert_cmpint(plan_make(&p, f.rig.v, f.rig.tree, dots), ==, -ENOTDIR);
        assert_one_message("last: is not on the tape");
        plan_clear(&p);
        dots[1] = "d/../last";
        g_assert_cmpint(plan_make(&p, f.rig.v, f.rig.tree, dots), ==, 0);
        g_assert_cmpuint(p.nodes->len, ==, 4); /* the root, d, x, last */
        plan_clear(&p);
        g_assert_cmpint(plan_make(&p, f.rig.v, f.rig.tree, none), ==, -ENOENT);
        assert_one_message("d/z: is not on the tape");
        plan_clear(&p);
        fixture_clear(&f);
}

/* ---- Directories above */

static uint32_t mode_of(const struct fixture *f, const char *name)
{
        struct stat st;
        g_autofree char *path = g_build_filename(f->target, name, NULL);
        g_assert_cmpint(lstat(path, &st), ==, 0);
        return st.st_mode & 07777;
}

/* Directories above a path are as on the tape if they were made, now or by an interrupted restore; what was
 * there is the user's. Complete files get the mode that they have lost. */
static void test_above(void)
{
        struct fixture f = { 0 };
        uint64_t id;
        fixture_init(&f, NULL);
        uint64_t d = make_dir(f.rig.tree, TREE_ROOT, "d"), e = make_dir(f.rig.tree, d, "e"),
                 x = make_file(f.rig.tree, e, "x");
        g_assert_cmpint(rig_append(&f.rig, 1000, 1, &id), ==, 0);
        put_extent(f.rig.tree, x, 0, 1000, id, 0);
        reopen(&f);
        char *paths[] = { "d/e/x", NULL };
        g_autofree char *dir = g_build_filename(f.target, "d", NULL),
                        *below = g_build_filename(dir, "e", NULL), *file = g_build_filename(below, "x", NULL);
        g_assert_cmpint(g_mkdir(dir, 0711), ==, 0);
        g_assert_cmpint(chmod(dir, 0711), ==, 0);
        g_assert_cmpint(run(&f, paths, RESTORE_REFUSE), ==, 0);
        g_assert_cmphex(mode_of(&f, "d"), ==, 0711);
        g_assert_cmphex(mode_of(&f, "d/e"), ==, 0755);
        g_assert_cmphex(mode_of(&f, "d/e/x"), ==, 0644);

        g_assert_cmpint(chown(below, geteuid(), getegid()), ==, 0);
        g_assert_cmpint(chmod(below, 0700), ==, 0);
        g_assert_cmpint(chmod(file, 0600), ==, 0);
        g_assert_cmpint(run(&f, paths, RESTORE_RESUME), ==, 0);
        g_assert_cmpuint(f.progress.skipped, ==, 1);
        g_assert_cmphex(mode_of(&f, "d"), ==, 0711);
        g_assert_cmphex(mode_of(&f, "d/e"), ==, 0755);
        g_assert_cmphex(mode_of(&f, "d/e/x"), ==, 0644);
        fixture_clear(&f);
}

/* ---- What cannot be read */

static void note_bad(void *ctx, const struct restore_bad *bad)
{
        g_string_append_printf(ctx, "%s %" PRIu64 "+%" PRIu64 "\n", bad->path, bad->offset, bad->bytes);
}

/* A salvage makes holes of just those blocks, and gives no file up; what is in whole is as ever. */
static void test_salvage(void)
{
        enum { SIZE = 20 * RIG_BLOCK + 17 };
        struct fixture f = { 0 };
        g_autoptr(GString) bad = g_string_new(NULL);
        struct restore_options options = { .salvage = true, .bad = note_bad, .ctx = bad };
        fixture_init(&f, NULL);
        g_autofree uint8_t *holed = g_malloc0(SIZE), *whole = g_malloc0(SIZE), *lost = g_malloc0(RIG_BLOCK);
        put(&f, make_file(f.rig.tree, TREE_ROOT, "holed"), holed, 0, SIZE, 1);
        put(&f, make_file(f.rig.tree, TREE_ROOT, "lost"), lost, 0, RIG_BLOCK, 2);
        put(&f, make_file(f.rig.tree, TREE_ROOT, "whole"), whole, 0, SIZE, 3);
        g_assert_cmpint(rig_commit(&f.rig), ==, 0);
        static const unsigned blocks[] = { 3, 4, 9, 20,
                22 }; /* of the first two segments and their filemark */
        for (unsigned i = 0; i < G_N_ELEMENTS(blocks); i++)
                damage(&f.rig, 6 + blocks[i]);
        rig_mount(&f.rig);
        memset(holed + 3 * RIG_BLOCK, 0, 2 * RIG_BLOCK);
        memset(holed + 9 * RIG_BLOCK, 0, RIG_BLOCK);
        memset(holed + 20 * RIG_BLOCK, 0, 17);
        memset(lost, 0, RIG_BLOCK);
        {
                autofd fd = open(f.target, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
                g_assert_cmpint(restore_run(f.rig.v, f.rig.tree, fd, &options, &f.progress), ==, 0);
        }
        check(&f, "holed", holed, SIZE);
        check(&f, "lost", lost, RIG_BLOCK);
        check(&f, "whole", whole, SIZE);
        g_assert_cmpuint(f.progress.files, ==, 3);
        g_assert_cmpuint(f.progress.failed, ==, 0);
        g_assert_cmpuint(f.progress.damaged, ==, 2);
        g_assert_cmpuint(f.progress.missing, ==, 4 * RIG_BLOCK + 17);
        g_assert_cmpstr(bad->str, ==,
                "holed 196608+65536\nholed 262144+65536\nholed 589824+65536\nholed 1310720+17\n"
                "lost 0+65536\n");
        /* What is not whole has not its time, and is tried again. */
        options.existing = RESTORE_RESUME;
        {
                autofd fd = open(f.target, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
                g_assert_cmpint(restore_run(f.rig.v, f.rig.tree, fd, &options, &f.progress), ==, 0);
        }
        g_assert_cmpuint(f.progress.skipped, ==, 1);
        g_assert_cmpuint(f.progress.damaged, ==, 2);
        g_assert_cmpint(run(&f, NULL, RESTORE_OVERWRITE), ==, 0);
        g_assert_cmpuint(f.progress.failed, ==, 2);
        g_assert_cmpuint(f.progress.damaged, ==, 0);
        fixture_clear(&f);
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/restore/plan", test_plan);
        g_test_add_func("/restore/forward", test_forward);
        g_test_add_func("/restore/recommended", test_recommended);
        g_test_add_func("/restore/not-recommended", test_not_recommended);
        g_test_add_func("/restore/above", test_above);
        g_test_add_func("/restore/salvage", test_salvage);
        return g_test_run();
}

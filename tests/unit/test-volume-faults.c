/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Volumes on a drive that fails to write. */
#include "volume-rig.h"

/* A transport in front of the virtual drive. */

struct faulty {
        Transport base;
        Transport *under;
        unsigned swallow_after; /* writes and filemarks that are done; further ones are lost, though the drive
                                   says GOOD */
        unsigned fail_after;    /* and from this one on it says so */
        unsigned fails;         /* so many times */
        bool deferred;
        bool flushes; /* count as well */
        unsigned seen;
};

static int faulty_execute(Transport *t, struct transport_command *c)
{
        struct faulty *f = (struct faulty *)t;
        bool filemarks = c->cdb[0] == 0x10 && (c->cdb[4] > 0 || f->flushes);
        if (c->cdb[0] != 0x0a && !filemarks)
                return transport_execute(f->under, c);
        unsigned n = f->seen++;
        if (n < f->swallow_after || n >= f->fail_after + f->fails)
                return transport_execute(f->under, c);
        c->residual = 0;
        c->sense_length = 0;
        c->status = TRANSPORT_STATUS_GOOD;
        if (n < f->fail_after)
                return 0;
        c->status = TRANSPORT_STATUS_CHECK_CONDITION;
        memset(c->sense, 0, sizeof(c->sense));
        c->sense[0] = f->deferred ? 0x71 : 0x70;
        c->sense[2] = 3; /* medium error */
        c->sense[7] = 10;
        c->sense[12] = 0x0c; /* write error */
        c->sense_length = 18;
        c->residual = iov_length(c->iov, c->iovcnt);
        return 0;
}

static void faulty_limits(Transport *t, struct transport_limits *limits)
{
        transport_limits(((struct faulty *)t)->under, limits);
}

static void faulty_close(Transport *t)
{
        transport_close(((struct faulty *)t)->under);
        g_free(t);
}

static const struct transport_ops faulty_ops = {
        .execute = faulty_execute, .limits = faulty_limits, .close = faulty_close
};

/* The tape again, in a drive that fails so; counted from here. */
static void load_faulty(struct rig *r, const struct faulty *how)
{
        rig_unload(r);
        struct faulty *f = g_memdup2(how, sizeof(*how));
        f->base.ops = &faulty_ops;
        g_assert_cmpint(virtual_open(r->path, false, &f->under), ==, 0);
        g_assert_cmpint(tape_open(&f->base, "test", &r->tape), ==, 0);
        catch_messages();
        rig_mount(r);
}

/* That a file was longer is known ever after. kept: UINT64_MAX: it is whole. */
static void check_loss(struct rig *r, uint64_t ino, uint64_t kept)
{
        g_autofree char *expected = g_strdup_printf(
                "of %u bytes the first %" G_GUINT64_FORMAT " are on the tape;", 3 * RIG_BLOCK + 1, kept);
        for (unsigned i = 0; i < 2; i++) {
                g_autofree void *value = NULL;
                size_t size;
                int error = tree_xattr_get(r->tree, ino, "user.reelfs-lost", &value, &size);
                g_assert_cmpint(error, ==, kept == UINT64_MAX ? -ENODATA : 0);
                if (error == 0)
                        g_assert_true(
                                size > strlen(expected) && memcmp(value, expected, strlen(expected)) == 0);
                make_file(r->tree, TREE_ROOT, i ? "second" : "first");
                g_assert_cmpint(rig_commit(r), ==, 0);
                rig_remount(r);
                struct tree_attr a;
                g_assert_cmpint(tree_resolve(r->tree, "victim", &a), ==, 0);
                ino = a.ino;
        }
}

/* A write error in the n-th write: whatever was written before is in the index that still can be written. */
static void test_write_error(void)
{
        for (unsigned fail = 0; fail < 12; fail++) {
                struct rig r;
                uint64_t id;
                int error = 0;
                unsigned n;
                rig_start(&r, NULL);
                g_assert_cmpint(rig_commit(&r), ==, 0);
                load_faulty(&r, &(struct faulty){ .swallow_after = fail, .fail_after = fail, .fails = 1 });
                for (n = 0; error == 0; n++) {
                        error = rig_append(&r, 3 * RIG_BLOCK + 1, n, &id);
                        if (error < 0)
                                break;
                        g_autofree char *name = g_strdup_printf("f%u", n);
                        put_extent(r.tree, make_file(r.tree, TREE_ROOT, name), 0, 3 * RIG_BLOCK + 1, id, 0);
                }
                g_assert_cmpint(error, ==, -EIO);
                g_assert_true(volume_is_read_only(r.v));
                put_extent(r.tree, make_file(r.tree, TREE_ROOT, "victim"), 0, 3 * RIG_BLOCK + 1, id, 0);
                g_assert_cmpint(rig_append(&r, 1, 1, &id), ==, -EIO);
                g_assert_cmpint(rig_commit(&r), ==, 0);
                /* Which files were cut is said once. */
                catch_messages();
                make_file(r.tree, TREE_ROOT, "later");
                g_assert_cmpint(rig_commit(&r), ==, 0);
                g_assert_null(strstr(messages->str, "the others are lost"));
                rig_remount(&r);
                g_assert_false(volume_is_read_only(r.v));
                rig_verify(&r, "old", 3 * RIG_BLOCK + 1, 1);
                rig_verify(&r, "new", 5 * RIG_BLOCK + 1, 2);
                for (unsigned i = 0; i < n; i++) {
                        g_autofree char *name = g_strdup_printf("f%u", i);
                        rig_verify(&r, name, 3 * RIG_BLOCK + 1, i);
                }
                /* Nothing of it but what is on the tape: the full blocks, or all when only the filemark
                 * failed. */
                struct tree_attr a;
                static const uint64_t left[] = { 0, 3 * RIG_BLOCK, 3 * RIG_BLOCK + 1 };
                g_assert_cmpint(tree_resolve(r.tree, "victim", &a), ==, 0);
                g_assert_cmpuint(a.size, ==, left[fail % 3]);
                check_loss(&r, a.ino, fail % 3 < 2 ? left[fail % 3] : UINT64_MAX);
                g_assert_cmpuint(rig_problems(&r), ==, 0);
                rig_clear(&r);
        }
}

/* A drive that tells of it when it is asked for the room that is left, in the midst of a segment. */
static void test_remeasure(void)
{
        struct rig r;
        rig_start(&r, NULL);
        g_assert_cmpint(rig_commit(&r), ==, 0);
        load_faulty(&r, &(struct faulty){ .swallow_after = 1, .fail_after = 1, .fails = 1, .flushes = true });
        g_autofree uint8_t *data = pattern(2 * RIG_BLOCK, 1);
        struct iovec iov = { data, 2 * RIG_BLOCK };
        uint64_t id = volume_segment_new(r.v, SEGMENT_FILE);
        g_assert_cmpint(volume_append(r.v, id, &iov, 1, false), ==, 0);
        put_extent(r.tree, make_file(r.tree, TREE_ROOT, "half"), 0, 2 * RIG_BLOCK, id, 0);
        g_assert_cmpint(volume_remeasure(r.v), ==, -EIO);
        g_assert_true(volume_is_read_only(r.v));
        g_assert_cmpint(rig_commit(&r), ==, 0);
        rig_remount(&r);
        rig_verify(&r, "half", 2 * RIG_BLOCK, 1);
        g_assert_cmpuint(rig_problems(&r), ==, 0);
        rig_clear(&r);
}

/* The drive said GOOD and lost it: segments that were thought written are cut to what is there. */
static void test_lost_writes(void)
{
        struct rig r;
        struct segment s;
        struct tree_attr a;
        uint64_t ids[4];
        rig_start(&r, NULL);
        g_assert_cmpint(rig_commit(&r), ==, 0);
        /* Each file is a write of full blocks, a short one and a filemark. The second one's filemark is gone,
         * and all of the third; the fourth meets the error. */
        load_faulty(
                &r, &(struct faulty){ .swallow_after = 4, .fail_after = 9, .fails = 1, .deferred = true });
        for (unsigned i = 0; i < 4; i++) {
                int error = rig_append(&r, 3 * RIG_BLOCK + 1, i, &ids[i]);
                g_assert_cmpint(error, ==, i < 3 ? 0 : -EIO);
                g_autofree char *name = g_strdup_printf("f%u", i);
                put_extent(r.tree, make_file(r.tree, TREE_ROOT, name), 0, 3 * RIG_BLOCK + 1, ids[i], 0);
        }
        g_assert_nonnull(strstr(messages->str, "lost"));
        static const struct {
                enum segment_state state;
                uint64_t length;
        } expected[] = { { SEGMENT_WRITTEN, 3 * RIG_BLOCK + 1 }, { SEGMENT_LOST, 3 * RIG_BLOCK },
                { SEGMENT_LOST, 0 }, { SEGMENT_LOST, 0 } };
        for (unsigned i = 0; i < 4; i++) {
                g_assert_cmpint(volume_segment_get(r.v, ids[i], &s), ==, 0);
                g_assert_cmpint(s.state, ==, expected[i].state);
                g_assert_cmpuint(s.length, ==, expected[i].length);
        }
        g_assert_cmpint(rig_commit(&r), ==, 0);
        rig_remount(&r);
        rig_verify(&r, "f0", 3 * RIG_BLOCK + 1, 0);
        for (unsigned i = 1; i < 4; i++) {
                g_autofree char *name = g_strdup_printf("f%u", i);
                g_assert_cmpint(tree_resolve(r.tree, name, &a), ==, 0);
                g_assert_cmpuint(a.size, ==, expected[i].length);
        }
        g_assert_cmpuint(rig_problems(&r), ==, 0);
        rig_clear(&r);
}

/* The index itself fails: the one before it stays good. */
static void test_commit_error(void)
{
        for (unsigned fail = 0; fail < 2; fail++) {
                struct rig r;
                uint64_t id;
                rig_start(&r, NULL);
                g_assert_cmpint(rig_commit(&r), ==, 0);
                load_faulty(&r, &(struct faulty){ .swallow_after = fail, .fail_after = fail, .fails = 1 });
                make_dir(r.tree, TREE_ROOT, "d");
                g_assert_cmpint(rig_commit(&r), ==, -EIO);
                assert_message("index could not be written");
                g_assert_true(volume_is_read_only(r.v));
                g_assert_cmpint(rig_commit(&r), ==, -EIO);
                g_assert_cmpint(rig_append(&r, 1, 1, &id), ==, -EIO);
                rig_verify(&r, "new", 5 * RIG_BLOCK + 1, 2);
                rig_unload(&r);
                rig_load(&r);
                catch_messages();
                rig_mount(&r);
                rig_verify(&r, "new", 5 * RIG_BLOCK + 1, 2);
                g_assert_false(volume_is_read_only(r.v));
                g_assert_cmpint(messages->len > 0, ==, fail == 1); /* an index that was not finished */
                g_assert_cmpuint(rig_problems(&r), ==, 0);
                rig_clear(&r);
        }
}

/* The drive said GOOD to a write that it did not do: no index counts that names what is not there. */
static void test_swallowed(void)
{
        struct rig r;
        uint64_t id;
        rig_start(&r, NULL);
        g_assert_cmpint(rig_commit(&r), ==, 0);
        mount_ruled(&r, "opcode=0a status=good");
        g_assert_cmpint(rig_append(&r, 3 * RIG_BLOCK + 1, 7, &id), ==, 0);
        put_extent(r.tree, make_file(r.tree, TREE_ROOT, "victim"), 0, 3 * RIG_BLOCK + 1, id, 0);
        g_assert_cmpint(rig_commit(&r), ==, -EIO);
        g_assert_true(volume_is_read_only(r.v));
        /* Nor is anything read from where it should be. */
        struct segment s;
        g_assert_cmpint(volume_segment_get(r.v, id, &s), ==, 0);
        g_assert_cmpint(s.state, ==, SEGMENT_LOST);
        g_assert_cmpuint(s.length, ==, 0);
        rig_remount(&r);
        struct tree_attr a;
        g_assert_cmpint(tree_resolve(r.tree, "victim", &a), ==, -ENOENT);
        rig_verify(&r, "old", 3 * RIG_BLOCK + 1, 1);
        rig_verify(&r, "new", 5 * RIG_BLOCK + 1, 2);
        rig_clear(&r);
}

/* A reader hears that earlier writes went wrong: the next write stops, and what is on the tape is named. */
static void test_heard_by_reader(void)
{
        struct rig r;
        uint64_t id, next;
        size_t n;
        g_autofree char *buf = g_malloc(RIG_BLOCK);
        rig_start(&r, NULL);
        g_assert_cmpint(rig_commit(&r), ==, 0);
        g_autofree char *now = g_build_filename(r.directory, "now", NULL);
        g_autofree char *rules = g_strdup_printf("if=%s opcode=92 sense=3/0c/00 deferred", now);
        mount_ruled(&r, rules);
        g_assert_cmpint(rig_append(&r, 3 * RIG_BLOCK + 1, 7, &id), ==, 0);
        put_extent(r.tree, make_file(r.tree, TREE_ROOT, "before"), 0, 3 * RIG_BLOCK + 1, id, 0);
        struct segment first;
        g_assert_cmpint(volume_segment_next(r.v, 1, &first), ==, 0);
        g_assert_true(g_file_set_contents(now, "", 0, NULL));
        g_assert_cmpint(volume_read(r.v, first.id, 0, buf, RIG_BLOCK, &n), ==, -EIO);
        g_unlink(now);
        g_assert_nonnull(strstr(messages->str, "written earlier"));
        g_assert_cmpint(rig_append(&r, RIG_BLOCK, 8, &next), ==, -EIO);
        g_assert_true(volume_is_read_only(r.v));
        put_extent(r.tree, make_file(r.tree, TREE_ROOT, "after"), 0, RIG_BLOCK, next, 0);
        g_assert_cmpint(rig_commit(&r), ==, 0);
        rig_remount(&r);
        g_assert_false(volume_is_read_only(r.v));
        rig_verify(&r, "before", 3 * RIG_BLOCK + 1, 7);
        struct tree_attr a;
        g_assert_cmpint(tree_resolve(r.tree, "after", &a), ==, 0);
        g_assert_cmpuint(a.size, ==, 0);
        g_assert_cmpuint(rig_problems(&r), ==, 0);
        rig_clear(&r);
}

static int resume(struct rig *r)
{
        char why[VOLUME_WHY_MAX];
        int error = volume_resume(r->v, why);
        g_assert_cmpint(error < 0, ==, why[0] != '\0');
        return error ?: volume_commit(r->v, r->tree, true, NULL);
}

/* Resumes as often as it takes. */
static void write_until_good(struct rig *r, const char *name, unsigned seed)
{
        int error = -EIO;
        for (unsigned i = 0; i < 10 && error < 0; i++) {
                uint64_t id;
                error = volume_may_change(r->v) < 0 ? resume(r) : 0;
                if (error == 0)
                        error = rig_append(r, 2 * RIG_BLOCK + 5, seed, &id);
                if (error == 0)
                        error = rig_commit(r);
                if (error == 0)
                        put_extent(r->tree, make_file(r->tree, TREE_ROOT, name), 0, 2 * RIG_BLOCK + 5, id, 0);
        }
        g_assert_cmpint(error, ==, 0);
        g_assert_cmpint(rig_commit(r), ==, 0);
}

/* A write fails, and so do the indexes that follow, each in another place: after each resumption what is
 * written goes behind all that, and every index is found. */
static void test_resume(void)
{
        for (unsigned after = 0; after < 8; after++) {
                for (unsigned times = 1; times < 4; times++) {
                        struct rig r;
                        uint64_t id;
                        rig_start(&r, NULL);
                        g_assert_cmpint(rig_commit(&r), ==, 0);
                        g_autofree char *rules = g_strdup_printf(
                                "opcode=0a,10 after=%u count=%u partial=1 sense=3/0c/00", after, times);
                        mount_ruled(&r, rules);
                        bool failed = rig_append(&r, 3 * RIG_BLOCK + 1, 7, &id) < 0;
                        put_extent(
                                r.tree, make_file(r.tree, TREE_ROOT, "victim"), 0, 3 * RIG_BLOCK + 1, id, 0);
                        failed |= rig_commit(&r) < 0;
                        write_until_good(&r, "later", 9);
                        rig_remount(&r);
                        g_assert_false(volume_is_read_only(r.v));
                        rig_verify(&r, "old", 3 * RIG_BLOCK + 1, 1);
                        rig_verify(&r, "new", 5 * RIG_BLOCK + 1, 2);
                        rig_verify(&r, "later", 2 * RIG_BLOCK + 5, 9);
                        if (!failed)
                                rig_verify(&r, "victim", 3 * RIG_BLOCK + 1, 7);
                        g_assert_cmpuint(rig_problems(&r), ==, 0);
                        rig_clear(&r);
                }
        }
}

/* Not on another tape, and not where nothing may be written. */
static void test_resume_refused(void)
{
        struct rig r;
        rig_start(&r, NULL);
        g_assert_cmpint(rig_commit(&r), ==, 0);
        mount_ruled(&r, "opcode=0a count=2 sense=3/0c/00");
        make_dir(r.tree, TREE_ROOT, "d");
        g_assert_cmpint(rig_commit(&r), ==, -EIO);
        g_autofree char *data = NULL;
        gsize length;
        g_assert_true(g_file_get_contents(r.path, &data, &length, NULL));
        struct volume_info info;
        volume_get_info(r.v, &info);
        const char *digit = memmem(data, length, info.uuid, strlen(info.uuid));
        g_assert_nonnull(digit);
        FILE *tape = fopen(r.path, "r+");
        g_assert_nonnull(tape);
        fseek(tape, digit - data, SEEK_SET);
        fputc(*digit == '0' ? '1' : '0', tape);
        fflush(tape);
        g_assert_cmpint(resume(&r), ==, -EMEDIUMTYPE);
        assert_message("another tape is in the drive");
        g_assert_cmpint(volume_may_change(r.v), ==, -EROFS);
        fseek(tape, digit - data, SEEK_SET);
        fputc(*digit, tape);
        fclose(tape);
        g_assert_cmpint(resume(&r), ==, -EIO);
        catch_messages();
        g_assert_cmpint(resume(&r), ==, 0);
        g_assert_cmpint(volume_may_change(r.v), ==, 0);
        rig_clear(&r);
}

/* The tape was in another drive, mounted and written to: going on here would make an index without that. */
static void test_resume_elsewhere(void)
{
        /* In data, and in data and the index after it; in the index. */
        static const char *const faults[] = { "after=0", "after=1", "after=2", "after=0 count=2",
                "after=1 count=2", "after=2 count=2", "after=3" };
        for (unsigned i = 0; i < G_N_ELEMENTS(faults); i++) {
                struct rig r, other;
                uint64_t id;
                rig_start(&r, NULL);
                g_assert_cmpint(rig_commit(&r), ==, 0);
                g_autofree char *rules =
                        g_strdup_printf("opcode=0a,10 %s partial=1 sense=3/0c/00", faults[i]);
                mount_ruled(&r, rules);
                rig_append(&r, 3 * RIG_BLOCK + 1, 7, &id);
                make_file(r.tree, TREE_ROOT, "here");
                rig_commit(&r);
                g_assert_cmpint(volume_may_change(r.v), ==, -EROFS);
                other = r;
                rig_mount(&other);
                rig_write(&other, "elsewhere", 2 * RIG_BLOCK, 8);
                g_assert_cmpint(rig_commit(&other), ==, 0);
                volume_close(other.v);
                tree_free(other.tree);
                catch_messages();
                g_assert_cmpint(resume(&r), ==, -EUCLEAN);
                assert_message("another mount has written to the tape");
                rig_remount(&r);
                rig_verify(&r, "elsewhere", 2 * RIG_BLOCK, 8);
                rig_clear(&r);
        }
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/volume-faults/write-error", test_write_error);
        g_test_add_func("/volume-faults/remeasure", test_remeasure);
        g_test_add_func("/volume-faults/lost-writes", test_lost_writes);
        g_test_add_func("/volume-faults/commit-error", test_commit_error);
        g_test_add_func("/volume-faults/swallowed", test_swallowed);
        g_test_add_func("/volume-faults/heard-by-reader", test_heard_by_reader);
        g_test_add_func("/volume-faults/resume", test_resume);
        g_test_add_func("/volume-faults/resume-refused", test_resume_refused);
        g_test_add_func("/volume-faults/resume-elsewhere", test_resume_elsewhere);
        return g_test_run();
}

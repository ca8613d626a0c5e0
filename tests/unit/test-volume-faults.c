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
        unsigned seen;
};

static int faulty_execute(Transport *t, struct transport_command *c)
{
        struct faulty *f = (struct faulty *)t;
        bool filemarks = c->cdb[0] == 0x10 && c->cdb[4] > 0;
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
                g_assert_cmpuint(rig_problems(&r), ==, 0);
                rig_clear(&r);
        }
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
                g_assert_cmpint(volume_is_read_only(r.v), ==, fail == 1);
                rig_clear(&r);
        }
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/volume-faults/write-error", test_write_error);
        g_test_add_func("/volume-faults/lost-writes", test_lost_writes);
        g_test_add_func("/volume-faults/commit-error", test_commit_error);
        return g_test_run();
}

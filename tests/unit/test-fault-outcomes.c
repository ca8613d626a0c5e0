/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the tape layer makes of faults: the errors, what a person is told, and what comes afterwards. */
#include "fault-rig.h"
#include "memory-directory.h"
#include "watch-transport.h"

#define NEW 100

/* ---- One fault in the second of three WRITEs of two blocks each, or in a READ of four */

struct outcome {
        const char *fault;
        int error;
        size_t done;      /* blocks */
        const char *said; /* NULL: nothing */
};

static void test_write(void)
{
        static const struct outcome outcomes[] = {
                { "attention=28/00", -EMEDIUMTYPE, 2, "the tape was changed" },
                { "attention=29/00", 0, 6, NULL },
                { "attention=29/00 rewind", 0, 6, NULL },
                { "attention=2a/01", 0, 6, NULL },
                { "attention=3f/01", 0, 6, NULL },
                { "status=busy", 0, 6, NULL },
                { "status=busy done=yes", -EIO, 2, "lost its place" },
                { "status=conflict", -EBUSY, 2, "reserved by another program or host" },
                { "status=aborted", 0, 6, NULL },
                { "sense=b/47/00 partial=1", 0, 6, NULL },
                { "sense=b/47/00 done=yes", 0, 6, NULL },
                { "sense=b/47/00 rewind", -EIO, 2, "gave the command up" },
                { "sense=b/47/00 count=all", -EIO, 2, "gave the command up" },
                { "sense=2/3a/00", -ENOMEDIUM, 2, "no tape in the drive" },
                { "sense=3/0c/00", -EIO, 2, "the tape is bad" },
                { "sense=3/0c/00 partial=1 information=rest", -EIO, 3, "the tape is bad" },
                { "sense=3/0c/00 partial=1", -EIO, 3, "the tape is bad" },
                { "sense=4/44/00", -EIO, 2, "the drive has failed" },
                { "sense=3/0c/00 deferred", -EIO, 2, "written earlier" },
                { "sense=1/18/00 deferred", 0, 6, NULL },
                { "sense=7/27/00", -EROFS, 2, "write protected" },
                { "sense=d/00/02 eom partial=1 information=rest", -ENOSPC, 3, "full" },
                { "sense=0/00/02 eom partial=1 information=rest", 0, 6, NULL },
                { "sense=0/00/02 eom done=yes", 0, 6, NULL },
                { "status=good residual=512 partial=1", 0, 6, NULL },
                { "status=good residual=512 done=yes", 0, 6, NULL },
                { "error=reset", 0, 6, NULL },
                { "error=reset done=yes", 0, 6, NULL },
                { "error=reset partial=1", 0, 6, NULL },
                { "error=timeout", -ETIMEDOUT, 2, "did not answer within" },
                { "error=nodev", -ENODEV, 2, "is gone" },
                { "error=io", -EIO, 2, "did not reach the drive" },
        };
        for (size_t i = 0; i < G_N_ELEMENTS(outcomes); i++) {
                const struct outcome *o = &outcomes[i];
                g_autofree char *rule = g_strdup_printf("opcode=0a after=1 %s", o->fault);
                struct rig *r = rig_new(0, rule);
                size_t written;
                rig_put(r, 10, 3);
                rig_arm(r);
                g_test_message("%s", o->fault);
                g_assert_cmpint(rig_write(r, NEW, 6, &written), ==, o->error);
                g_assert_cmpuint(written, ==, o->done);
                if (o->said)
                        g_assert_nonnull(strstr(r->messages->str, o->said));
                else
                        g_assert_cmpstr(r->messages->str, ==, "");
                if (o->error == 0) {
                        rig_expect(r, NEW, 6);
                        rig_verify(r);
                }
                rig_free(r);
        }
}

static void test_read(void)
{
        static const struct outcome outcomes[] = {
                { "attention=28/00", -EMEDIUMTYPE, 2, "the tape was changed" },
                { "attention=29/00 rewind", 0, 4, NULL },
                { "status=busy done=yes", 0, 4, NULL },
                { "status=conflict", -EBUSY, 2, "reserved by another program or host" },
                { "sense=b/47/00 done=yes", 0, 4, NULL },
                { "sense=3/11/00 information=2", -EIO, 2, "the tape is bad" },
                { "sense=3/14/03", -EIO, 2, "not marked" },
                { "sense=4/44/00", -EIO, 2, "the drive has failed" },
                { "sense=4/44/00 done=yes", -EIO, 2, "the drive has failed" },
                { "status=good residual=1024", -EIO, 2, "did less than it was told" },
                { "status=good residual=512 done=yes", -EIO, 2, "did less than it was told" },
                { "sense=3/0c/00 deferred", -EIO, 2, "written earlier" },
                { "error=reset done=yes", 0, 4, NULL },
                { "error=timeout", -ETIMEDOUT, 2, "did not answer within" },
                { "error=nodev", -ENODEV, 2, "is gone" },
        };
        for (size_t i = 0; i < G_N_ELEMENTS(outcomes); i++) {
                const struct outcome *o = &outcomes[i];
                g_autofree char *rule = g_strdup_printf("opcode=08 after=1 %s", o->fault);
                struct rig *r = rig_new(0, rule);
                uint8_t data[4 * BLOCK];
                size_t bytes;
                enum tape_outcome outcome;
                rig_put(r, 10, 5);
                g_assert_cmpint(tape_locate(r->tape, 1), ==, 0);
                rig_arm(r);
                g_test_message("%s", o->fault);
                g_assert_cmpint(tape_read(r->tape, data, sizeof(data), &bytes, &outcome), ==, o->error);
                g_assert_cmpuint(bytes, ==, o->done * BLOCK);
                for (size_t k = 0; k < o->done; k++)
                        g_assert_cmpuint(sg_get_unaligned_be32(data + k * BLOCK), ==, 11 + k);
                if (o->said)
                        g_assert_nonnull(strstr(r->messages->str, o->said));
                else
                        g_assert_cmpstr(r->messages->str, ==, "");
                rig_free(r);
        }
}

/* ---- Losses that somebody else hears of */

/* A deferred error comes with a command that reads, or moves: nothing is written before the end of the data
 * has been found. */
static void test_told_to_another(void)
{
        static const char *const rules[] = {
                "opcode=92 sense=3/0c/00 deferred",
                "opcode=92 sense=4/44/00 deferred",
        };
        for (size_t i = 0; i < G_N_ELEMENTS(rules); i++) {
                struct rig *r = rig_new(0, rules[i]);
                size_t written;
                rig_put(r, 10, 3);
                rig_arm(r);
                g_assert_cmpint(tape_locate(r->tape, 1), ==, -EIO);
                g_assert_nonnull(strstr(r->messages->str, "written earlier"));
                g_assert_cmpint(tape_locate(r->tape, 3), ==, 0);
                g_assert_cmpint(rig_write(r, NEW, 1, &written), ==, -EIO);
                g_assert_cmpint(tape_write_filemarks(r->tape, 1, false, NULL), ==, -EIO);
                g_assert_cmpint(tape_space_eod(r->tape), ==, 0);
                rig_put(r, NEW, 1);
                rig_verify(r);
                rig_free(r);
        }
}

/* Likewise what a reset has cost: the drive said GOOD to the last two blocks, which are not there. */
static void test_lost_by_reset(void)
{
        struct rig *r = rig_new(0, "opcode=0a status=good; opcode=92 attention=29/00 rewind");
        size_t written;
        rig_put(r, 10, 3);
        rig_arm(r);
        g_assert_cmpint(rig_write(r, NEW, 2, &written), ==, 0);
        g_assert_cmpint(tape_locate(r->tape, 1), ==, -EIO);
        g_assert_nonnull(strstr(r->messages->str, "is not on the tape"));
        g_assert_cmpint(tape_locate(r->tape, 3), ==, 0);
        g_assert_cmpint(rig_write(r, NEW, 1, &written), ==, -EIO);
        g_assert_cmpint(tape_space_eod(r->tape), ==, 0);
        rig_put(r, NEW, 1);
        rig_verify(r);
        rig_free(r);
}

/* The drive has said GOOD to what it has not done: READ POSITION disagrees. */
static void test_swallowed(void)
{
        struct rig *r = rig_new(0, "opcode=0a status=good");
        struct tape_position p;
        size_t written;
        rig_put(r, 10, 3);
        rig_arm(r);
        g_assert_cmpint(rig_write(r, NEW, 4, &written), ==, 0);
        g_assert_cmpint(tape_get_position(r->tape, &p), ==, -EIO);
        g_assert_nonnull(strstr(r->messages->str, "where it should be"));
        rig_free(r);
}

/* ---- A drive that does not answer */

/* The first command may take as long as it may take; after that it is asked whether anybody is there. */
static void test_silence(void)
{
        struct rig *r = rig_new(0, "");
        struct watch w = { .transport.ops = &watch_ops, .under = r->faults };
        struct tape_position p;
        struct tape_capacity capacity;
        size_t written;
        Tape *watched;
        Transport *another;
        tape_close(g_steal_pointer(&r->tape));
        g_autofree char *rule = g_strdup_printf("if=%s error=timeout count=all", r->condition);
        g_assert_cmpint(virtual_open(r->path, false, &another), ==, 0);
        g_assert_cmpint(fault_wrap(another, rule, "rules", &w.under), ==, 0);
        g_assert_cmpint(tape_open(&w.transport, "tape", &watched), ==, 0);
        r->tape = watched;
        r->drive = another;
        g_assert_cmpint(tape_set_block_length(r->tape, BLOCK), ==, 0);
        rig_put(r, 10, 3);
        rig_arm(r);
        g_assert_cmpint(rig_write(r, NEW, 1, &written), ==, -ETIMEDOUT);
        w.longest_s = 0;
        g_assert_cmpint(tape_space_eod(r->tape), ==, -ETIMEDOUT);
        g_assert_cmpint(tape_rewind(r->tape), ==, -ETIMEDOUT);
        g_assert_cmpint(tape_get_position(r->tape, &p), ==, -ETIMEDOUT);
        g_assert_cmpint(tape_get_capacity(r->tape, &capacity), ==, -ETIMEDOUT);
        g_assert_cmpuint(w.longest_s, ==, 30);
        /* There it is again. */
        rig_disarm(r);
        g_assert_cmpint(tape_space_eod(r->tape), ==, 0);
        rig_put(r, NEW, 1);
        rig_arm(r);
        g_assert_cmpint(tape_rewind(r->tape), ==, -ETIMEDOUT);
        g_assert_cmpint(tape_rewind(r->tape), ==, -ETIMEDOUT);
        w.longest_s = 0;
        rig_verify(r); /* closes it */
        g_assert_cmpuint(w.longest_s, ==, 0);
        rig_free(r);
}

int main(int argc, char **argv)
{
        use_memory();
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/fault/outcomes/write", test_write);
        g_test_add_func("/fault/outcomes/read", test_read);
        g_test_add_func("/fault/told-to-another", test_told_to_another);
        g_test_add_func("/fault/lost-by-reset", test_lost_by_reset);
        g_test_add_func("/fault/swallowed", test_swallowed);
        g_test_add_func("/fault/silence", test_silence);
        return g_test_run();
}

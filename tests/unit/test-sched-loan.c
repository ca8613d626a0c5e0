/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Memory that is lent stays what was received there until all of it is taken, whatever becomes of the job
 * that begins in it. */
#include "sched-fixture.h"

enum { BATCH = 256 << 10, PIECES = 40, STRIDE = 1000, PIECE = 100, SIZE = 100000, OTHER = 1 << 20 };

/* A write that was received into one batch. */
struct received {
        struct fixture *fx;
        SchedFile *other; /* what is written in the midst of it */
        uint8_t *batch;
        size_t taken;
        struct answer sync;
};

static int take(void *ctx, void *dst, size_t size)
{
        struct received *r = ctx;
        memmove(dst, r->batch + r->taken, size);
        r->taken += size;
        return 0;
}

/* All is written, and the memory used again. */
static void write_and_reuse(struct received *r)
{
        g_autofree uint8_t *content = g_malloc(OTHER);
        struct sched_status status;
        sched_sync(r->fx->sched, NULL, sync_done, &r->sync);
        do {
                g_usleep(1000);
                sched_get_status(r->fx->sched, &status);
        } while (status.dirty > 0);
        memset(content, 0xee, OTHER);
        g_assert_cmpint(write_at(r->other, 0, content, OTHER), ==, 0);
}

static const void *lies(void *ctx)
{
        struct received *r = ctx;
        if (r->taken > 0 && !r->sync.buf) {
                r->sync.buf = r->batch; /* once */
                write_and_reuse(r);
        }
        return r->batch + r->taken;
}

/* A file that streams, whose beginning is in many pieces, and whose next byte begins a batch. */
static SchedFile *streaming(struct fixture *fx, uint8_t *model)
{
        new_file(fx, "a");
        SchedFile *f = open_name(fx, "a");
        pattern(model, 2 * BATCH, 1);
        memset(model, 0, PIECES * STRIDE);
        for (unsigned i = PIECES; i-- > 0;) {
                memset(model + i * STRIDE, 1, PIECE);
                g_assert_cmpint(write_at(f, i * STRIDE, model + i * STRIDE, PIECE), ==, 0);
        }
        size_t rest = 2 * BATCH - PIECES * PIECE;
        g_assert_cmpint(write_at(f, PIECES * STRIDE, model + PIECES * STRIDE, rest), ==, 0);
        return f;
}

static void test_in_pieces(struct fixture *fx, const void *data)
{
        enum { LENGTH = 2 * BATCH - PIECES * PIECE + PIECES * STRIDE };
        g_autofree uint8_t *model = g_malloc0(LENGTH);
        struct received r = { .fx = fx, .sync = ANSWER };
        struct iovec iov[SCHED_LOAN_IOV];
        struct sched_source source = { .fill = take, .lies = lies, .ctx = &r };
        size_t done;
        int n;
        SchedFile *f = streaming(fx, model);
        new_file(fx, "other");
        r.other = open_name(fx, "other");
        sched_lend(fx->sched, BATCH, iov, &n);
        g_assert_cmpint(n, ==, 1);
        r.batch = iov[0].iov_base;
        pattern(model, SIZE, 2);
        memcpy(r.batch, model, SIZE);
        g_assert_cmpint(sched_write(f, 0, SIZE, &source, &done), ==, 0);
        g_assert_cmpuint(done, ==, SIZE);
        sched_lend_end(fx->sched);
        g_assert_nonnull(r.sync.buf);
        g_assert_cmpint(wait_answer(&r.sync), ==, 0);
        assert_content(f, model, LENGTH);
        sched_release(f);
        sched_release(r.other);
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_add("/sched-loan/in-pieces", struct fixture, NULL, set_up, test_in_pieces, tear_down);
        return g_test_run();
}

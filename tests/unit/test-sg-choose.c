/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which node and which way of moving data take effect, and what is said about it. */
#include "fake-kernel.h"

static void expect(struct fixture *f, enum device_node node, enum sg_way way)
{
        g_assert_cmpint(f->t->node, ==, node);
        g_assert_cmpint(f->t->way, ==, way);
}

static void choose(struct fixture *f, enum transport_io io)
{
        g_assert_cmpint(sg_choose(f->t, io), ==, 0);
}

static void turn_off(struct fixture *f)
{
        fixture_put(f, "sys/module/sg/parameters/allow_dio", "0\n", -1);
}

static void test_direct(void)
{
        static const enum device_node nodes[] = { DEVICE_SG, DEVICE_ST, DEVICE_BSG };
        for (size_t i = 0; i < G_N_ELEMENTS(nodes); i++) {
                struct fixture f;
                struct transport_limits limits;
                fixture_init(&f, nodes[i], NULL);
                choose(&f, TRANSPORT_IO_AUTO);
                expect(&f, nodes[i], SG_DIRECT);
                transport_limits(&f.t->transport, &limits);
                g_assert_cmpuint(limits.max_transfer, ==, 128 * SG_PAGE);
                g_assert_true(limits.outlives);
                g_assert_true(describes(&f, "direct I/O, no copy of the data"));
                g_assert_true(nodes[i] == DEVICE_ST || describes(&f, "st is held"));
                g_assert_cmpstr(f.said->str, ==, "");
                fixture_clear(&f);
        }
}

/* The st node maps memory without the switch. Nothing is to be warned of: direct I/O is in effect. */
static void test_dio_off(void)
{
        struct fixture f;
        fixture_init(&f, DEVICE_SG, NULL);
        turn_off(&f);
        choose(&f, TRANSPORT_IO_DIRECT);
        expect(&f, DEVICE_ST, SG_DIRECT);
        g_assert_true(describes(&f, "st, direct I/O, no copy of the data"));
        g_assert_false(describes(&f, "allow_dio"));
        g_assert_cmpstr(f.said->str, ==, "");
        fixture_clear(&f);
}

/* The sg driver falls back silently. */
static void test_copies(void)
{
        struct fixture f;
        fixture_init(&f, DEVICE_SG, (bool[]){ true, false, false });
        kernel.copies = true;
        choose(&f, TRANSPORT_IO_AUTO);
        expect(&f, DEVICE_SG, SG_MMAP);
        g_assert_cmpstr(f.said->str, ==, "");
        f.t->tell_copy = true;
        choose(&f, TRANSPORT_IO_AUTO);
        g_assert_true(describes(&f, "the kernel copies nevertheless"));
        g_assert_true(describes(&f, "other programs can get at the drive"));
        g_assert_nonnull(strstr(f.said->str, "data is copied"));
        fixture_clear(&f);
}

/* Who is not root may have the bsg node, but sends little by it. */
static void test_filtered(void)
{
        struct fixture f;
        fixture_init(&f, DEVICE_SG, NULL);
        turn_off(&f);
        kernel.refusal[DEVICE_ST] = EPERM;
        kernel.filters[DEVICE_BSG] = true;
        f.t->tell_copy = true;
        choose(&f, TRANSPORT_IO_AUTO);
        expect(&f, DEVICE_SG, SG_MMAP);
        g_assert_true(describes(&f, "bsg: only for root (CAP_SYS_RAWIO)"));
        g_assert_nonnull(strstr(f.said->str, "echo 1 to /sys/module/sg/parameters/allow_dio"));
        g_assert_true(strchr(f.said->str, '\n') == strrchr(f.said->str, '\n')); /* one line */
        fixture_clear(&f);
}

static void test_asked_in_vain(void)
{
        struct fixture f;
        fixture_init(&f, DEVICE_SG, NULL);
        turn_off(&f);
        kernel.refusal[DEVICE_ST] = kernel.refusal[DEVICE_BSG] = EPERM;
        kernel.no_reserve = true;
        choose(&f, TRANSPORT_IO_DIRECT);
        expect(&f, DEVICE_SG, SG_COPY);
        g_assert_nonnull(strstr(f.said->str, "io=direct does not take effect; indirect I/O by "));
        g_assert_nonnull(strstr(f.said->str, "only for root"));
        g_assert_true(strchr(f.said->str, '\n') == strrchr(f.said->str, '\n')); /* one line */
        g_assert_true(describes(&f, "the kernel copies all data"));
        fixture_clear(&f);
}

/* What needs the sg node gets it, whatever node was named. */
static void test_other_ways(void)
{
        static const enum device_node nodes[] = { DEVICE_SG, DEVICE_ST, DEVICE_BSG };
        for (size_t i = 0; i < G_N_ELEMENTS(nodes); i++) {
                struct fixture f;
                struct transport_limits limits;
                void *buf, *again;
                fixture_init(&f, nodes[i], NULL);
                choose(&f, TRANSPORT_IO_INDIRECT);
                expect(&f, DEVICE_SG, SG_COPY);
                g_assert_cmpint(transport_lend(&f.t->transport, 1, &buf), ==, -EOPNOTSUPP);
                choose(&f, TRANSPORT_IO_MMAP);
                expect(&f, DEVICE_SG, SG_MMAP);
                transport_limits(&f.t->transport, &limits);
                g_assert_cmpuint(limits.max_transfer, ==, FAKE_RESERVED);
                g_assert_cmpint(transport_lend(&f.t->transport, FAKE_RESERVED, &buf), ==, 0);
                g_assert_cmpint(transport_lend(&f.t->transport, 1, &again), ==, 0);
                g_assert_true(buf == again);
                g_assert_cmpint(transport_lend(&f.t->transport, FAKE_RESERVED + 1, &again), ==, -ENOMEM);
                g_assert_cmpstr(f.said->str, ==, "");
                fixture_clear(&f);
        }
}

static void test_no_sg_node(void)
{
        struct fixture f;
        fixture_init(&f, DEVICE_ST, (bool[]){ false, true, true });
        choose(&f, TRANSPORT_IO_MMAP);
        expect(&f, DEVICE_ST, SG_DIRECT);
        g_assert_nonnull(strstr(f.said->str, "io=mmap does not take effect; direct I/O by "));
        g_assert_nonnull(strstr(f.said->str, "there is no sg node"));
        fixture_clear(&f);
}

static void test_size(void)
{
        static const struct {
                enum device_node node;
                int error;
        } cases[] = { { DEVICE_SG, EINVAL }, { DEVICE_SG, ENOMEM }, { DEVICE_ST, EIO },
                { DEVICE_BSG, EINVAL } };
        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                struct fixture f;
                fixture_init(&f, cases[i].node, NULL);
                kernel.max = 300 << 10;
                kernel.size_errno = cases[i].error;
                choose(&f, TRANSPORT_IO_AUTO);
                expect(&f, cases[i].node, SG_DIRECT);
                g_assert_cmpuint(f.t->max_transfer, ==, 256 << 10);
                fixture_clear(&f);
        }
}

static void test_unreachable(void)
{
        struct fixture f;
        fixture_init(&f, DEVICE_SG, NULL);
        for (unsigned i = 0; i < DEVICE_NODES; i++)
                kernel.refusal[i] = ENXIO;
        g_assert_cmpint(sg_choose(f.t, TRANSPORT_IO_AUTO), ==, -ENODEV);
        g_assert_nonnull(strstr(f.said->str, "the drive cannot be reached"));
        fixture_clear(&f);
}

/* Who is in gets no company: neither by the st node's rule nor by the lock on the other. */
static void test_busy(void)
{
        struct fixture f;
        fixture_init(&f, DEVICE_SG, (bool[]){ true, false, false });
        Device *d = g_new0(Device, 1);
        d->nodes[DEVICE_SG] = g_strdup(f.t->device->nodes[DEVICE_SG]);
        struct sg *other = sg_new(&fake_calls, f.directory, d, DEVICE_SG);
        g_assert_cmpint(sg_open_nodes(other), ==, -EBUSY);
        g_assert_nonnull(strstr(f.said->str, "another program uses the drive"));
        transport_close(&other->transport);
        fixture_clear(&f);
}

/* By whichever node, and though the st node, which is not there, does not keep anybody out. */
static void test_busy_by_another_node(void)
{
        static const enum device_node nodes[] = { DEVICE_SG, DEVICE_BSG };
        for (unsigned first = 0; first < 2; first++) {
                struct fixture f;
                fixture_init(&f, nodes[first], (bool[]){ true, false, true });
                Device *d = g_new0(Device, 1);
                d->nodes[DEVICE_SG] = g_strdup(f.t->device->nodes[DEVICE_SG]);
                d->nodes[DEVICE_BSG] = g_strdup(f.t->device->nodes[DEVICE_BSG]);
                struct sg *other = sg_new(&fake_calls, f.directory, d, nodes[1 - first]);
                g_assert_cmpint(sg_open_nodes(other), ==, -EBUSY);
                transport_close(&other->transport);
                fixture_clear(&f);
        }
}

static void test_cannot_be_held(void)
{
        struct fixture f;
        fixture_init(&f, DEVICE_SG, (bool[]){ true, true, false });
        close_fd(&f.t->fds[DEVICE_ST]);
        f.t->guard_error = -EACCES;
        choose(&f, TRANSPORT_IO_INDIRECT);
        g_assert_true(describes(&f, "st cannot be held: "));
        fixture_clear(&f);
}

static void test_parse(void)
{
        enum transport_io io;
        g_assert_cmpint(transport_io_parse("direct", &io), ==, 0);
        g_assert_cmpint(io, ==, TRANSPORT_IO_DIRECT);
        g_assert_cmpint(transport_io_parse("auto", &io), ==, 0);
        g_assert_cmpint(io, ==, TRANSPORT_IO_AUTO);
        g_assert_cmpint(transport_io_parse("", &io), ==, -EINVAL);
        g_assert_cmpint(transport_io_parse("Direct", &io), ==, -EINVAL);
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/sg/choose/direct", test_direct);
        g_test_add_func("/sg/choose/dio-off", test_dio_off);
        g_test_add_func("/sg/choose/copies", test_copies);
        g_test_add_func("/sg/choose/asked-in-vain", test_asked_in_vain);
        g_test_add_func("/sg/choose/other-ways", test_other_ways);
        g_test_add_func("/sg/choose/no-sg-node", test_no_sg_node);
        g_test_add_func("/sg/choose/size", test_size);
        g_test_add_func("/sg/choose/unreachable", test_unreachable);
        g_test_add_func("/sg/choose/busy", test_busy);
        g_test_add_func("/sg/choose/busy-by-another-node", test_busy_by_another_node);
        g_test_add_func("/sg/choose/cannot-be-held", test_cannot_be_held);
        g_test_add_func("/sg/choose/filtered", test_filtered);
        g_test_add_func("/sg/choose/parse", test_parse);
        return g_test_run();
}

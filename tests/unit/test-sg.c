/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Commands through the kernel's nodes: data, status, what the adapter says, what is too much. */
#include "fake-kernel.h"

#define LENGTH (64u << 10)

static uint8_t *memory; /* LENGTH bytes in a page's alignment, and a page more */

static void open_by(struct fixture *f, enum device_node node, enum transport_io io)
{
        fixture_init(f, node, NULL);
        g_assert_cmpint(sg_choose(f->t, io), ==, 0);
        kernel.commands = 0;
}

static int run(struct fixture *f, uint8_t opcode, enum transport_direction direction, const struct iovec *iov,
        int iovcnt, struct transport_command *c)
{
        struct transport_command unwanted;
        c = c ? c : &unwanted;
        *c = command_of(opcode, direction, iov, iovcnt);
        return transport_execute(&f->t->transport, c);
}

static void test_delivery(void)
{
        static const struct {
                unsigned host, driver;
                int error;
        } cases[] = { { 0, 0, 0 }, { 0, 0x08, 0 }, { 0, 0x06, -ETIMEDOUT }, { 0, 0x26, -ETIMEDOUT },
                { 0, 0x07, -EIO }, { 0x01, 0, -ENODEV }, { 0x03, 0, -ETIMEDOUT }, { 0x03, 0x06, -ETIMEDOUT },
                { 0x04, 0, -ENODEV }, { 0x02, 0, -ECONNRESET }, { 0x07, 0, -ECONNRESET },
                { 0x08, 0, -ECONNRESET }, { 0x0e, 0, -ECONNRESET }, { 0x0f, 0, -ECONNRESET },
                { 0x10, 0x08, 0 }, { 0x11, 0, 0 }, { 0x13, 0, 0 }, { 0x15, 0, -EIO }, { 0xffff, 0, -EIO } };
        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++)
                g_assert_cmpint(sg_delivery_error(cases[i].host, cases[i].driver), ==, cases[i].error);
        g_assert_cmpstr(sg_host_status_name(0x08), ==, "DID_RESET");
        g_assert_nonnull(sg_host_status_name(0x100));
}

/* Status and sense are the drive's, on each node. */
static void test_status(void)
{
        static const enum device_node nodes[] = { DEVICE_SG, DEVICE_ST, DEVICE_BSG };
        for (size_t i = 0; i < G_N_ELEMENTS(nodes); i++) {
                struct fixture f;
                struct transport_command c;
                struct iovec iov = { memory, LENGTH };
                open_by(&f, nodes[i], TRANSPORT_IO_AUTO);
                kernel.status = TRANSPORT_STATUS_CHECK_CONDITION;
                kernel.sense_length = 18;
                kernel.residual = 512;
                g_assert_cmpint(run(&f, 0x08, TRANSPORT_IN, &iov, 1, &c), ==, 0);
                g_assert_cmpint(kernel.node, ==, nodes[i]);
                g_assert_cmpuint(c.status, ==, TRANSPORT_STATUS_CHECK_CONDITION);
                g_assert_cmpuint(c.sense_length, ==, 18);
                g_assert_cmpuint(c.sense[17], ==, nodes[i] == DEVICE_BSG ? 0x72 : 0x70);
                g_assert_cmpuint(c.residual, ==, 512);
                g_assert_cmpuint(memory[0], ==, 0xd0);
                kernel.residual = -512; /* more than was asked for */
                g_assert_cmpint(run(&f, 0x08, TRANSPORT_IN, &iov, 1, &c), ==, 0);
                g_assert_cmpuint(c.residual, ==, 0);
                g_assert_cmpint(run(&f, 0x01, TRANSPORT_NONE, NULL, 0, &c), ==, 0);
                g_assert_cmpuint(c.residual, ==, 0);
                g_assert_cmpuint(kernel.commands, ==, 3);
                fixture_clear(&f);
                g_assert_cmpuint(kernel.rewinds, ==, 1); /* or the st driver would be wrong about the place */
        }
}

/* READ and WRITE with data in pieces. */
static void test_pieces(void)
{
        static const struct {
                enum device_node node;
                enum transport_io io;
                unsigned iovecs;
        } cases[] = { { DEVICE_SG, TRANSPORT_IO_DIRECT, 0 }, { DEVICE_SG, TRANSPORT_IO_MMAP, 0 },
                { DEVICE_SG, TRANSPORT_IO_INDIRECT, 0 }, { DEVICE_BSG, TRANSPORT_IO_DIRECT, 0 },
                { DEVICE_ST, TRANSPORT_IO_DIRECT, 3 } };
        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                struct fixture f;
                struct iovec iov[] = { { memory + 40000, 8192 }, { memory, 4 }, { memory + 20000, 4096 } };
                open_by(&f, cases[i].node, cases[i].io);
                for (unsigned k = 0; k < LENGTH; k++)
                        memory[k] = (uint8_t)(k % 251);
                g_assert_cmpint(run(&f, 0x0a, TRANSPORT_OUT, iov, 3, NULL), ==, 0);
                if (cases[i].io != TRANSPORT_IO_MMAP) { /* there it is in the mapping */
                        g_assert_cmpmem(kernel.data->data, 8192, iov[0].iov_base, 8192);
                        g_assert_cmpmem(kernel.data->data + 8192, 4, iov[1].iov_base, 4);
                        g_assert_cmpmem(kernel.data->data + 8196, 4096, iov[2].iov_base, 4096);
                }
                g_assert_cmpuint(kernel.length, ==, 8192 + 4 + 4096);
                g_assert_cmpuint(kernel.iovecs, ==, cases[i].iovecs);
                g_assert_cmpint(run(&f, 0x08, TRANSPORT_IN, iov, 3, NULL), ==, 0);
                g_assert_cmpuint(memory[40000] & 0xf0, ==, 0xd0);
                g_assert_cmpuint(memory[20000 + 4095] & 0xf0, ==, 0xd0);
                g_assert_cmpuint(memory[4], ==, 4);
                g_assert_true(cases[i].iovecs || cases[i].io != TRANSPORT_IO_DIRECT ||
                        describes(&f, "2 of 2 transfers copied (the last one: its data was gathered"));
                fixture_clear(&f);
        }
}

/* The st driver has to see the end of a reset too. */
static void test_rewinds(void)
{
        static const struct {
                uint8_t sense[4];
                unsigned rewinds;
        } cases[] = { { { 0x70, 0, 0x06 }, 2 }, { { 0x72, 0x06, 0x29 }, 2 }, { { 0x70, 0x06, 0x05 }, 1 },
                { { 0x72, 0x05, 0x06 }, 1 } };
        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                struct fixture f;
                open_by(&f, DEVICE_SG, TRANSPORT_IO_DIRECT);
                kernel.status = TRANSPORT_STATUS_CHECK_CONDITION;
                kernel.sense_length = sizeof(cases[i].sense);
                kernel.sense = cases[i].sense;
                g_assert_cmpint(run(&f, 0x01, TRANSPORT_NONE, NULL, 0, NULL), ==, 0);
                fixture_clear(&f);
                g_assert_cmpuint(kernel.rewinds, ==, cases[i].rewinds);
        }
}

/* A drive that did not answer would not answer st either, which waits for hours. */
static void test_no_answer(void)
{
        struct fixture f;
        open_by(&f, DEVICE_SG, TRANSPORT_IO_DIRECT);
        kernel.host = 0x03;
        g_assert_cmpint(run(&f, 0x01, TRANSPORT_NONE, NULL, 0, NULL), ==, -ETIMEDOUT);
        fixture_clear(&f);
        g_assert_cmpuint(kernel.rewinds, ==, 0);
}

/* The buffer that is lent needs no copy. */
static void test_lent(void)
{
        struct fixture f;
        struct iovec iov = { NULL, LENGTH };
        open_by(&f, DEVICE_SG, TRANSPORT_IO_MMAP);
        g_assert_cmpint(transport_lend(&f.t->transport, LENGTH, &iov.iov_base), ==, 0);
        g_assert_cmpint(run(&f, 0x0a, TRANSPORT_OUT, &iov, 1, NULL), ==, 0);
        g_assert_cmpuint(kernel.flags, ==, FLAG_MMAP);
        g_assert_true(kernel.pending.dxferp == iov.iov_base);
        fixture_clear(&f);
}

/* Parameter data: not mapped, and what the drive does not send is not left from before. */
static void test_small(void)
{
        struct fixture f;
        struct iovec iov = { memory, 252 };
        open_by(&f, DEVICE_SG, TRANSPORT_IO_DIRECT);
        memset(memory, 0x55, 300);
        kernel.residual = 216;
        g_assert_cmpint(run(&f, 0x12, TRANSPORT_IN, &iov, 1, NULL), ==, 0);
        g_assert_cmpuint(kernel.flags, ==, 0);
        g_assert_cmpuint(memory[35], ==, 0xd0);
        g_assert_cmpuint(memory[36], ==, 0);
        g_assert_cmpuint(memory[251], ==, 0);
        g_assert_cmpuint(memory[252], ==, 0x55);
        g_assert_false(describes(&f, "copied"));
        fixture_clear(&f);
        g_assert_cmpuint(kernel.rewinds, ==, 0);
}

/* A stop and a continue: the command is sent once. */
static void test_interrupted(void)
{
        struct fixture f;
        struct iovec iov = { memory, LENGTH };
        open_by(&f, DEVICE_SG, TRANSPORT_IO_DIRECT);
        kernel.interruptions = 3;
        g_assert_cmpint(run(&f, 0x0a, TRANSPORT_OUT, &iov, 1, NULL), ==, 0);
        g_assert_cmpuint(kernel.commands, ==, 1);
        fixture_clear(&f);
}

/* Not even the kernel's error handler ends it: nobody waits for ever, nor touches the node again. */
static void test_stuck(void)
{
        struct fixture f;
        struct iovec iov = { memory, LENGTH };
        open_by(&f, DEVICE_SG, TRANSPORT_IO_DIRECT);
        kernel.never = true;
        int64_t start = kernel.clock;
        g_assert_cmpint(run(&f, 0x0a, TRANSPORT_OUT, &iov, 1, NULL), ==, -ETIMEDOUT);
        g_assert_cmpint(kernel.clock - start, >, INT64_C(60000000000));
        g_assert_nonnull(strstr(f.said->str, "does not give a command back"));
        g_assert_cmpint(run(&f, 0x00, TRANSPORT_NONE, NULL, 0, NULL), ==, -ENODEV);
        g_assert_cmpuint(kernel.commands, ==, 1);
        fixture_clear(&f);
        g_assert_cmpuint(kernel.rewinds, ==, 0);
}

static void test_too_much(void)
{
        struct fixture f;
        struct iovec iov = { memory, LENGTH };
        struct transport_limits limits;
        open_by(&f, DEVICE_SG, TRANSPORT_IO_DIRECT);
        kernel.max = LENGTH / 2;
        g_assert_cmpint(run(&f, 0x0a, TRANSPORT_OUT, &iov, 1, NULL), ==, -EMSGSIZE);
        g_assert_cmpuint(kernel.commands, ==, 0);
        transport_limits(&f.t->transport, &limits);
        g_assert_cmpuint(limits.max_transfer, ==, LENGTH / 2);
        iov.iov_len = LENGTH / 2;
        g_assert_cmpint(run(&f, 0x0a, TRANSPORT_OUT, &iov, 1, NULL), ==, 0);
        fixture_clear(&f);
}

/* Memory that begins within a page has one segment more. */
static void test_unaligned(void)
{
        struct fixture f;
        struct iovec iov = { memory + 2, LENGTH };
        open_by(&f, DEVICE_SG, TRANSPORT_IO_DIRECT);
        g_assert_cmpint(run(&f, 0x0a, TRANSPORT_OUT, &iov, 1, NULL), ==, 0);
        g_assert_true(describes(
                &f, "1 of 1 transfers copied (the last one: its address or length was not a multiple of 4"));
        g_assert_cmpstr(f.said->str, ==, "");
        fixture_clear(&f);
}

/* allow_dio is set to 0 while the drive is in use. */
static void test_dio_lost(void)
{
        struct fixture f;
        struct iovec iov = { memory, LENGTH };
        open_by(&f, DEVICE_SG, TRANSPORT_IO_DIRECT);
        g_assert_cmpint(run(&f, 0x0a, TRANSPORT_OUT, &iov, 1, NULL), ==, 0);
        kernel.copies = true;
        g_assert_cmpint(run(&f, 0x0a, TRANSPORT_OUT, &iov, 1, NULL), ==, 0);
        g_assert_cmpint(run(&f, 0x0a, TRANSPORT_OUT, &iov, 1, NULL), ==, 0);
        g_assert_nonnull(strstr(f.said->str, "direct I/O is not in effect any more"));
        g_assert_true(strchr(f.said->str, '\n') == strrchr(f.said->str, '\n')); /* said once */
        g_assert_true(describes(&f, "2 of 3 transfers copied"));
        fixture_clear(&f);
}

static int after_disruption(struct fixture *f, const char *state)
{
        if (state)
                fixture_put(f, "state", state, -1);
        kernel.host = 0x0e;
        g_assert_cmpint(run(f, 0x00, TRANSPORT_NONE, NULL, 0, NULL), ==, -ECONNRESET);
        kernel.host = 0;
        return run(f, 0x00, TRANSPORT_NONE, NULL, 0, NULL);
}

static void test_disruption(void)
{
        struct fixture f;
        open_by(&f, DEVICE_SG, TRANSPORT_IO_DIRECT);
        g_assert_cmpint(after_disruption(&f, "running\n"), ==, 0);
        g_assert_cmpint(after_disruption(&f, "offline\n"), ==, -ENODEV);
        fixture_put(&f, "state", "running\n", -1);
        g_assert_cmpint(run(&f, 0x00, TRANSPORT_NONE, NULL, 0, NULL), ==, 0);
        g_autofree char *path = fixture_path(&f, "state");
        g_assert_cmpint(unlink(path), ==, 0);
        g_assert_cmpint(after_disruption(&f, NULL), ==, -ENODEV);
        fixture_clear(&f);
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        memory = g_aligned_alloc(1, LENGTH + SG_PAGE, SG_PAGE);
        memset(memory, 0, LENGTH + SG_PAGE);
        g_test_add_func("/sg/delivery", test_delivery);
        g_test_add_func("/sg/status", test_status);
        g_test_add_func("/sg/pieces", test_pieces);
        g_test_add_func("/sg/rewinds", test_rewinds);
        g_test_add_func("/sg/no-answer", test_no_answer);
        g_test_add_func("/sg/lent", test_lent);
        g_test_add_func("/sg/small", test_small);
        g_test_add_func("/sg/interrupted", test_interrupted);
        g_test_add_func("/sg/stuck", test_stuck);
        g_test_add_func("/sg/too-much", test_too_much);
        g_test_add_func("/sg/unaligned", test_unaligned);
        g_test_add_func("/sg/dio-lost", test_dio_lost);
        g_test_add_func("/sg/disruption", test_disruption);
        int status = g_test_run();
        g_aligned_free(memory);
        return status;
}

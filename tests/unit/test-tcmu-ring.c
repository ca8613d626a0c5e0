/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The command ring of target_core_user, with this test as the kernel. */
#include <errno.h>
#include <glib.h>
#include <string.h>

#include "../../src/tcmu/ring.h"

/* linux/uio.h defines the struct iovec of sys/uio.h once more. */
#define __LINUX_UIO_H
#include <linux/target_core_user.h>

#define RING_OFFSET 128
#define RING_SIZE 2048
#define DATA_OFFSET 4096
#define MEMORY_SIZE (DATA_OFFSET + 16384)

struct rig {
        struct ring ring;
        uint8_t *memory;
        uint32_t head;    /* where the kernel puts the next entry */
        uint32_t cleaned; /* up to where it has seen answers */
};

static struct tcmu_mailbox *mailbox(struct rig *r)
{
        return (struct tcmu_mailbox *)r->memory;
}

static void setup(struct rig *r, gconstpointer data)
{
        r->memory = g_aligned_alloc0(1, MEMORY_SIZE, 4096);
        *mailbox(r) = (struct tcmu_mailbox){ .version = TCMU_MAILBOX_VERSION,
                .flags = TCMU_MAILBOX_FLAG_CAP_OOOC | TCMU_MAILBOX_FLAG_CAP_READ_LEN,
                .cmdr_off = RING_OFFSET,
                .cmdr_size = RING_SIZE };
        g_assert_cmpint(ring_init(&r->ring, r->memory, MEMORY_SIZE), ==, 0);
}

static void teardown(struct rig *r, gconstpointer data)
{
        g_aligned_free(r->memory);
}

static uint8_t *put_entry(struct rig *r, enum tcmu_opcode op, uint32_t length, uint16_t id)
{
        struct tcmu_cmd_entry_hdr *header = (void *)(r->memory + RING_OFFSET + r->head);
        memset(header, 0, length);
        header->len_op = length | op;
        header->cmd_id = id;
        r->head = (r->head + length) % RING_SIZE;
        return (uint8_t *)header;
}

/* A command with pieces of data; the CDB follows the entry, as with the kernel. The ring wraps by an entry
 * that says nothing. */
static void put_command(struct rig *r, uint16_t id, uint8_t opcode, const struct iovec *iov, uint32_t count)
{
        uint32_t size = (uint32_t)(sizeof(struct tcmu_cmd_entry) + count * sizeof(struct iovec));
        uint32_t length = (size + 16 + 7) & ~7u;
        if (r->head + length > RING_SIZE)
                put_entry(r, TCMU_OP_PAD, RING_SIZE - r->head, 0);
        struct tcmu_cmd_entry *entry = (void *)put_entry(r, TCMU_OP_CMD, length, id);
        entry->req.iov_cnt = count;
        entry->req.cdb_off = (uint64_t)((uint8_t *)entry + size - r->memory);
        if (count > 0)
                memcpy((uint8_t *)entry + offsetof(struct tcmu_cmd_entry, req.iov), iov,
                        count * sizeof(*iov));
        r->memory[entry->req.cdb_off] = opcode;
        mailbox(r)->cmd_head = r->head;
}

/* The id of the next answered command, as the kernel goes through them. -1: none. */
static int take_answer(struct rig *r, const struct tcmu_cmd_entry **ret)
{
        while (r->cleaned != mailbox(r)->cmd_tail) {
                const struct tcmu_cmd_entry *entry = (void *)(r->memory + RING_OFFSET + r->cleaned);
                r->cleaned = (r->cleaned + tcmu_hdr_get_len(entry->hdr.len_op)) % RING_SIZE;
                if (tcmu_hdr_get_op(entry->hdr.len_op) != TCMU_OP_CMD)
                        continue;
                if (ret)
                        *ret = entry;
                return entry->hdr.cmd_id;
        }
        return -1;
}

static const struct ring_reply good = { 0 };

static void test_command(struct rig *r, gconstpointer data)
{
        /* Two pieces that touch, and one that does not. */
        static const struct iovec iov[] = { { (void *)DATA_OFFSET, 512 },
                { (void *)(DATA_OFFSET + 512), 512 }, { (void *)(DATA_OFFSET + 8192), 100 } };
        struct ring_event e;
        g_assert_false(ring_next(&r->ring, &e));
        put_command(r, 7, 0x08, iov, G_N_ELEMENTS(iov));
        g_assert_true(ring_next(&r->ring, &e));
        g_assert_cmpint(e.kind, ==, RING_COMMAND);
        g_assert_cmpuint(e.id, ==, 7);
        g_assert_cmphex(e.cdb[0], ==, 0x08);
        g_assert_cmpint(e.iovcnt, ==, 2);
        g_assert_true(e.iov[0].iov_base == r->memory + DATA_OFFSET);
        g_assert_cmpuint(e.iov[0].iov_len, ==, 1024);
        g_assert_true(e.iov[1].iov_base == r->memory + DATA_OFFSET + 8192);
        g_assert_cmpuint(e.iov[1].iov_len, ==, 100);
        g_assert_false(ring_next(&r->ring, &e));
        g_assert_cmpint(take_answer(r, NULL), ==, -1);
        ring_complete(&r->ring, 7, &good);
        g_assert_cmpint(take_answer(r, NULL), ==, 7);
}

static void test_answer(struct rig *r, gconstpointer data)
{
        static const uint8_t sense[TCMU_SENSE_BUFFERSIZE + 50] = { 0x70, 0, 0x80 };
        const struct ring_reply reply = {
                .status = 2, .sense = sense, .sense_length = sizeof(sense), .nread = 12
        };
        const struct tcmu_cmd_entry *entry = NULL;
        struct ring_event e;
        put_command(r, 1, 0x08, NULL, 0);
        put_command(r, 2, 0x08, NULL, 0);
        g_assert_true(ring_next(&r->ring, &e));
        ring_complete(&r->ring, e.id, &reply);
        g_assert_cmpint(take_answer(r, &entry), ==, 1);
        g_assert_cmphex(entry->rsp.scsi_status, ==, 2);
        g_assert_cmphex(entry->hdr.uflags, ==, TCMU_UFLAG_READ_LEN);
        g_assert_cmpuint(entry->rsp.read_len, ==, 12);
        g_assert_cmpint(memcmp(entry->rsp.sense_buffer, sense, TCMU_SENSE_BUFFERSIZE), ==, 0);
        /* The next entry is whole, though there was more sense data than room. */
        g_assert_true(ring_next(&r->ring, &e));
        g_assert_cmpuint(e.id, ==, 2);
        ring_complete(&r->ring, e.id, &good);
        g_assert_cmpint(take_answer(r, &entry), ==, 2);
        g_assert_cmphex(entry->hdr.uflags, ==, 0);
}

static void test_wraps(struct rig *r, gconstpointer data)
{
        for (uint16_t id = 0; id < 1000; id++) {
                static const struct iovec iov[] = { { (void *)DATA_OFFSET, 512 } };
                struct ring_event e;
                put_command(r, id, 0x0a, iov, id % 2);
                g_assert_true(ring_next(&r->ring, &e));
                g_assert_cmpuint(e.id, ==, id);
                g_assert_cmpint(e.iovcnt, ==, id % 2);
                ring_complete(&r->ring, e.id, &good);
                g_assert_cmpint(take_answer(r, NULL), ==, id);
        }
}

static void test_any_order(struct rig *r, gconstpointer data)
{
        struct ring_event e;
        for (uint16_t id = 1; id <= 3; id++) {
                put_command(r, id, 0x00, NULL, 0);
                g_assert_true(ring_next(&r->ring, &e));
        }
        static const uint16_t order[] = { 2, 3, 1 };
        for (size_t i = 0; i < G_N_ELEMENTS(order); i++) {
                ring_complete(&r->ring, order[i], &good);
                g_assert_cmpint(take_answer(r, NULL), ==, order[i]);
        }
}

static void put_management(struct rig *r, uint8_t type, uint16_t id)
{
        struct tcmu_tmr_entry *entry = (void *)put_entry(r, TCMU_OP_TMR, 64, 0);
        entry->tmr_type = type;
        entry->cmd_cnt = 1;
        memcpy((uint8_t *)entry + offsetof(struct tcmu_tmr_entry, cmd_ids), &id, sizeof(id));
        mailbox(r)->cmd_head = r->head;
}

static void test_management(struct rig *r, gconstpointer data)
{
        struct ring_event e;
        put_command(r, 9, 0x00, NULL, 0);
        g_assert_true(ring_next(&r->ring, &e));
        put_management(r, TCMU_TMR_ABORT_TASK, 9);
        g_assert_true(ring_next(&r->ring, &e));
        g_assert_cmpint(e.kind, ==, RING_ABORT);
        g_assert_cmpuint(e.count, ==, 1);
        g_assert_cmpuint(e.ids[0], ==, 9);
        ring_complete(&r->ring, 9, &good);
        g_assert_cmpint(take_answer(r, NULL), ==, 9);
        put_management(r, TCMU_TMR_LUN_RESET, 0);
        g_assert_true(ring_next(&r->ring, &e));
        g_assert_cmpint(e.kind, ==, RING_RESET);
        /* What needs no answer does not stay in the ring. */
        g_assert_false(ring_next(&r->ring, &e));
        g_assert_cmpint(take_answer(r, NULL), ==, -1);
        g_assert_cmpuint(mailbox(r)->cmd_tail, ==, mailbox(r)->cmd_head);
}

static void test_bad_pieces(struct rig *r, gconstpointer data)
{
        static const struct iovec outside[] = { { (void *)(MEMORY_SIZE - 100), 101 } };
        static const struct iovec huge[] = { { (void *)16, SIZE_MAX } };
        struct ring_event e;
        put_command(r, 1, 0x08, outside, 1);
        g_assert_true(ring_next(&r->ring, &e));
        g_assert_cmpint(e.iovcnt, ==, -1);
        put_command(r, 2, 0x08, huge, 1);
        g_assert_true(ring_next(&r->ring, &e));
        g_assert_cmpint(e.iovcnt, ==, -1);
        ring_complete(&r->ring, 1, &good);
        ring_complete(&r->ring, 2, &good);
}

static void test_not_a_ring(struct rig *r, gconstpointer data)
{
        struct ring ring;
        mailbox(r)->version = 1;
        g_assert_cmpint(ring_init(&ring, r->memory, MEMORY_SIZE), ==, -EPROTO);
        mailbox(r)->version = TCMU_MAILBOX_VERSION;
        mailbox(r)->cmdr_size = MEMORY_SIZE;
        g_assert_cmpint(ring_init(&ring, r->memory, MEMORY_SIZE), ==, -EPROTO);
}

int main(int argc, char **argv)
{
        static const struct {
                const char *name;
                void (*run)(struct rig *r, gconstpointer data);
        } tests[] = {
                { "/tcmu-ring/command", test_command },
                { "/tcmu-ring/answer", test_answer },
                { "/tcmu-ring/wraps", test_wraps },
                { "/tcmu-ring/any-order", test_any_order },
                { "/tcmu-ring/management", test_management },
                { "/tcmu-ring/bad-pieces", test_bad_pieces },
                { "/tcmu-ring/not-a-ring", test_not_a_ring },
        };
        g_test_init(&argc, &argv, NULL);
        for (size_t i = 0; i < G_N_ELEMENTS(tests); i++)
                g_test_add(tests[i].name, struct rig, NULL, setup, tests[i].run, teardown);
        return g_test_run();
}

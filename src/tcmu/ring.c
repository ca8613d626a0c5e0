/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <glib.h>
#include <string.h>

#include "ring.h"

/* linux/uio.h defines the struct iovec of sys/uio.h once more. */
#define __LINUX_UIO_H
#include <linux/target_core_user.h>

static struct tcmu_mailbox *mailbox(const struct ring *r)
{
        return (struct tcmu_mailbox *)r->map;
}

static struct tcmu_cmd_entry_hdr *header_at(const struct ring *r, uint32_t offset)
{
        return (struct tcmu_cmd_entry_hdr *)(r->map + mailbox(r)->cmdr_off + offset);
}

static uint32_t after(const struct ring *r, uint32_t offset)
{
        return (offset + tcmu_hdr_get_len(header_at(r, offset)->len_op)) % mailbox(r)->cmdr_size;
}

int ring_init(struct ring *r, void *map, size_t size)
{
        const struct tcmu_mailbox *m = map;
        *r = (struct ring){ .map = map, .size = size };
        if (size < sizeof(*m) || m->version != TCMU_MAILBOX_VERSION || m->cmdr_size == 0 ||
                (uint64_t)m->cmdr_off + m->cmdr_size > size)
                return -EPROTO;
        r->next = m->cmd_tail;
        return 0;
}

/* Whether length bytes at offset are in the shared memory. */
static bool is_inside(const struct ring *r, uint64_t offset, uint64_t length)
{
        return offset <= r->size && length <= r->size - offset;
}

/* Offsets become addresses, and pieces that touch become one. -1: there are too many. */
static int take_iov(struct ring *r, const uint8_t *from, uint32_t count)
{
        int n = 0;
        for (uint32_t i = 0; i < count; i++) {
                struct iovec piece;
                memcpy(&piece, from + i * sizeof(piece), sizeof(piece));
                uint8_t *base = r->map + (uintptr_t)piece.iov_base;
                struct iovec *last = n > 0 ? &r->iov[n - 1] : NULL;
                if (!is_inside(r, (uintptr_t)piece.iov_base, piece.iov_len))
                        return -1;
                if (last && (uint8_t *)last->iov_base + last->iov_len == base)
                        last->iov_len += piece.iov_len;
                else if (n == RING_IOV_MAX)
                        return -1;
                else
                        r->iov[n++] = (struct iovec){ base, piece.iov_len };
        }
        return n;
}

static void take_command(struct ring *r, const struct tcmu_cmd_entry *entry, struct ring_event *e)
{
        *e = (struct ring_event){ .kind = RING_COMMAND, .id = entry->hdr.cmd_id, .iov = r->iov };
        if (is_inside(r, entry->req.cdb_off, RING_CDB_MAX))
                memcpy(e->cdb, r->map + entry->req.cdb_off, RING_CDB_MAX);
        e->iovcnt = take_iov(
                r, (const uint8_t *)entry + offsetof(struct tcmu_cmd_entry, req.iov), entry->req.iov_cnt);
}

static void take_management(const struct tcmu_tmr_entry *entry, struct ring_event *e)
{
        bool reset = entry->tmr_type >= TCMU_TMR_LUN_RESET && entry->tmr_type <= TCMU_TMR_TARGET_COLD_RESET;
        *e = (struct ring_event){ .kind = reset ? RING_RESET : RING_ABORT,
                .ids = (const uint16_t *)((const uint8_t *)entry + offsetof(struct tcmu_tmr_entry, cmd_ids)),
                .count = entry->cmd_cnt };
}

/* Entries that need no answer are done when they were seen. */
static void skip_others(struct ring *r)
{
        uint32_t tail = mailbox(r)->cmd_tail;
        while (tail != r->next && tcmu_hdr_get_op(header_at(r, tail)->len_op) != TCMU_OP_CMD)
                tail = after(r, tail);
        __atomic_store_n(&mailbox(r)->cmd_tail, tail, __ATOMIC_RELEASE);
}

bool ring_next(struct ring *r, struct ring_event *e)
{
        while (r->next != __atomic_load_n(&mailbox(r)->cmd_head, __ATOMIC_ACQUIRE)) {
                struct tcmu_cmd_entry_hdr *header = header_at(r, r->next);
                enum tcmu_opcode op = tcmu_hdr_get_op(header->len_op);
                r->next = after(r, r->next);
                if (op == TCMU_OP_CMD)
                        take_command(r, (const struct tcmu_cmd_entry *)header, e);
                else if (op == TCMU_OP_TMR)
                        take_management((const struct tcmu_tmr_entry *)header, e);
                else
                        continue;
                return true;
        }
        skip_others(r);
        return false;
}

void ring_complete(struct ring *r, uint16_t id, const struct ring_reply *reply)
{
        skip_others(r);
        uint32_t tail = mailbox(r)->cmd_tail;
        g_assert(tail != r->next);
        struct tcmu_cmd_entry *entry = (struct tcmu_cmd_entry *)header_at(r, tail);
        bool short_read = reply->nread > 0 && mailbox(r)->flags & TCMU_MAILBOX_FLAG_CAP_READ_LEN;
        entry->hdr.cmd_id = id;
        entry->hdr.uflags = short_read ? TCMU_UFLAG_READ_LEN : 0;
        memset(&entry->rsp, 0, sizeof(entry->rsp));
        entry->rsp.scsi_status = reply->status;
        entry->rsp.read_len = (uint32_t)reply->nread;
        if (reply->sense_length > 0)
                memcpy(entry->rsp.sense_buffer, reply->sense,
                        MIN(reply->sense_length, TCMU_SENSE_BUFFERSIZE));
        __atomic_store_n(&mailbox(r)->cmd_tail, after(r, tail), __ATOMIC_RELEASE);
}

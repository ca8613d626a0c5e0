/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Requests are received so that the payload of a WRITE lies where the scheduler wants it: the header goes to
 * memory of the worker's own, what follows to memory that the scheduler lends. */
#include <errno.h>
#include <linux/fuse.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>

#include <reelfs/util.h>

#include "receiver.h"

/* In front of a WRITE's payload. */
#define WRITE_HEADER (sizeof(struct fuse_in_header) + sizeof(struct fuse_write_in))
/* The longest request: the kernel insists on it being there. */
#define REQUEST_LENGTH (REQUEST_MAX + 4096)

struct receiver {
        struct frontend *fe;
        bool borrows;
        struct iovec payload[SCHED_LOAN_IOV]; /* of a WRITE */
        size_t length;
        struct fuse_in_header request; /* and what comes behind it */
};

#define RECEIVER_SIZE (sizeof(struct receiver) + REQUEST_LENGTH)

struct receiver *receiver_new(struct frontend *fe)
{
        struct receiver *r =
                mmap(NULL, RECEIVER_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (r == MAP_FAILED)
                return NULL;
        r->fe = fe;
        return r;
}

void receiver_free(struct receiver *r)
{
        munmap(r, RECEIVER_SIZE);
}

static uint8_t *behind_header(struct receiver *r)
{
        return (uint8_t *)&r->request + WRITE_HEADER;
}

/* What is no WRITE is wanted in one piece. */
static void join(struct receiver *r, int n)
{
        uint8_t *to = behind_header(r);
        size_t left = r->length > WRITE_HEADER ? r->length - WRITE_HEADER : 0;
        for (int i = 0; i < n && left > 0; i++) {
                size_t size = MIN(left, r->payload[i].iov_len);
                memcpy(to, r->payload[i].iov_base, size);
                to += size;
                left -= size;
        }
}

int receiver_receive(struct receiver *r, bool borrow)
{
        struct iovec iov[SCHED_LOAN_IOV + 1] = { { &r->request, WRITE_HEADER } };
        int n = 0;
        if (borrow)
                sched_lend(r->fe->sched, REQUEST_MAX, iov + 1, &n);
        r->borrows = n > 0;
        if (!r->borrows)
                iov[++n] = (struct iovec){ behind_header(r), REQUEST_LENGTH - WRITE_HEADER };
        ssize_t length = readv(fuse_session_fd(r->fe->session), iov, n + 1);
        r->length = length > 0 ? (size_t)length : 0;
        if (length < (ssize_t)sizeof(r->request)) {
                receiver_done(r);
                return length < 0 ? -errno : -EIO;
        }
        memcpy(r->payload, iov + 1, (size_t)n * sizeof(*iov));
        if (r->request.opcode != FUSE_WRITE && r->borrows)
                join(r, n);
        if (r->request.opcode == FUSE_INIT)
                direct_saw_init(r->fe, &r->request);
        return 0;
}

bool receiver_is_quick(const struct receiver *r)
{
        return r->borrows && r->request.opcode == FUSE_WRITE;
}

void receiver_process(struct receiver *r)
{
        struct fuse_buf buf = { .size = r->length, .mem = &r->request };
        if (r->request.opcode != FUSE_WRITE)
                receiver_done(r);
        fuse_session_process_buf(r->fe->session, &buf);
        receiver_done(r);
}

void receiver_done(struct receiver *r)
{
        if (r->borrows)
                sched_lend_end(r->fe->sched);
        r->borrows = false;
}

/* libfuse gives the place behind the header, whatever lies there. */
void receiver_payload(const void *behind, size_t size, struct payload *p)
{
        const struct receiver *r = (const struct receiver *)((const uint8_t *)behind - WRITE_HEADER -
                offsetof(struct receiver, request));
        const struct fuse_write_in *in = (const struct fuse_write_in *)(&r->request + 1);
        *p = (struct payload){ .next = r->payload,
                .left = size,
                .lent = r->borrows,
                .drops_bits = in->write_flags & FUSE_WRITE_KILL_SUIDGID };
}

/* ---- Payloads */

static void skip_empty(struct payload *p)
{
        while (p->left > 0 && p->at == p->next->iov_len) {
                p->next++;
                p->at = 0;
        }
}

const void *payload_lies(struct payload *p)
{
        skip_empty(p);
        return p->lent && p->left > 0 ? (const uint8_t *)p->next->iov_base + p->at : NULL;
}

int payload_take(struct payload *p, void *dst, size_t size)
{
        if (size > p->left)
                return -EIO;
        for (uint8_t *to = dst; size > 0;) {
                skip_empty(p);
                const uint8_t *from = (const uint8_t *)p->next->iov_base + p->at;
                size_t n = MIN(size, p->next->iov_len - p->at);
                if (to != from)
                        memmove(to, from, n);
                else
                        p->in_place += n;
                to += n;
                p->at += n;
                p->left -= n;
                size -= n;
        }
        return 0;
}

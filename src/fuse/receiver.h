/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* A worker's memory for the request that it serves. One thread. */
#include <sys/uio.h>

#include "frontend.h"

struct receiver;

/* NULL: memory is out. */
struct receiver *receiver_new(struct frontend *fe);
void receiver_free(struct receiver *r);
/* Waits for a request. borrow: into memory of the scheduler's, if that lends. -ENODEV: unmounted; -EINTR,
 * -EAGAIN, -ENOENT: once more. */
int receiver_receive(struct receiver *r, bool borrow);
/* The request that was received will hardly wait for anything. */
bool receiver_is_quick(const struct receiver *r);
void receiver_process(struct receiver *r);
/* Gives back what was borrowed. */
void receiver_done(struct receiver *r);

/* The bytes of a WRITE, in pieces. */
struct payload {
        const struct iovec *next;
        size_t at, left; /* in next; of all */
        size_t in_place; /* bytes that lay where they were wanted */
        bool lent;
        bool drops_bits; /* the writer may not keep the file's set-user-ID and set-group-ID */
};

/* Of the WRITE whose data begins, as libfuse says, at behind. Valid as long as the request is processed. */
void receiver_payload(const void *behind, size_t size, struct payload *p);
/* See sched_source. */
const void *payload_lies(struct payload *p);
int payload_take(struct payload *p, void *dst, size_t size);

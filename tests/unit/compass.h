/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* A transport in front of the drive that notes where the tape is sent, and what it does there. The drive
 * thread counts, the test looks. */
#include <glib.h>
#include <scsi/sg_unaligned.h>

#include <reelfs/transport.h>

struct compass {
        Transport transport; /* first; .ops = &compass_ops */
        Transport *under;
        bool follows;                       /* asks the drive where it is whenever that changes */
        _Atomic unsigned forward, backward; /* LOCATE, SPACE, REWIND, if it follows */
        _Atomic unsigned orders;            /* GENERATE RECOMMENDED ACCESS ORDER */
        _Atomic unsigned turns;             /* of the tape from reading to writing or back */
        _Atomic bool contrary;              /* recommended orders come the other way round */
        uint8_t last;                       /* READ or WRITE */
        GArray *places;                     /* uint64_t: where it was sent; or NULL */
};

static inline uint64_t compass_place(Transport *t)
{
        uint8_t answer[20] = { 0 };
        struct iovec iov = { answer, sizeof(answer) };
        struct transport_command c = { .cdb = { 0x34 },
                .cdb_length = 10,
                .direction = TRANSPORT_IN,
                .iov = &iov,
                .iovcnt = 1,
                .timeout_s = 60 };
        g_assert_cmpint(transport_execute(t, &c), ==, 0);
        g_assert_cmpuint(c.status, ==, 0);
        return sg_get_unaligned_be32(answer + 4);
}

/* The descriptors of the list, the last one first. */
static inline void compass_reverse(uint8_t *list)
{
        size_t n = sg_get_unaligned_be32(list + 4) / 32;
        for (size_t i = 0; i < n / 2; i++) {
                uint8_t *a = list + 8 + i * 32, *b = list + 8 + (n - 1 - i) * 32, kept[32];
                memcpy(kept, a, 32);
                memcpy(a, b, 32);
                memcpy(b, kept, 32);
        }
}

static inline int compass_execute(Transport *t, struct transport_command *c)
{
        struct compass *w = (struct compass *)t;
        bool moves = w->follows &&
                (c->cdb[0] == 0x92 || c->cdb[0] == 0x11 || c->cdb[0] == 0x01); /* LOCATE, SPACE, REWIND */
        uint64_t from = moves ? compass_place(w->under) : 0;
        int r = transport_execute(w->under, c);
        w->orders += c->cdb[0] == 0xa4;
        if (c->cdb[0] == 0x08 || c->cdb[0] == 0x0a) {
                w->turns += w->last && w->last != c->cdb[0];
                w->last = c->cdb[0];
        }
        if (w->contrary && c->cdb[0] == 0xa3 && c->cdb[1] == 0x1d)
                compass_reverse(c->iov->iov_base);
        if (moves) {
                uint64_t to = compass_place(w->under);
                *(to < from ? &w->backward : &w->forward) += 1;
                if (w->places)
                        g_array_append_val(w->places, to);
        }
        return r;
}

static inline void compass_limits(Transport *t, struct transport_limits *limits)
{
        transport_limits(((struct compass *)t)->under, limits);
}

static inline void compass_close(Transport *t)
{
        transport_close(((struct compass *)t)->under);
}

static const struct transport_ops compass_ops = {
        .execute = compass_execute,
        .limits = compass_limits,
        .close = compass_close,
};

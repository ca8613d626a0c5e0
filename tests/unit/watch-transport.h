/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* A transport in front of another one that notes how long commands are given. */
#include <glib.h>

#include <reelfs/transport.h>

struct watch {
        Transport transport; /* first; .ops = &watch_ops */
        Transport *under;
        unsigned longest_s;
        unsigned timeout_s[256]; /* by operation code, of the last command */
};

static int watch_execute(Transport *t, struct transport_command *c)
{
        struct watch *w = (struct watch *)t;
        w->longest_s = MAX(w->longest_s, c->timeout_s);
        w->timeout_s[c->cdb[0]] = c->timeout_s;
        return transport_execute(w->under, c);
}

static void watch_limits(Transport *t, struct transport_limits *limits)
{
        transport_limits(((struct watch *)t)->under, limits);
}

static void watch_close(Transport *t)
{
        transport_close(((struct watch *)t)->under);
}

static const struct transport_ops watch_ops = {
        .execute = watch_execute,
        .limits = watch_limits,
        .close = watch_close,
};

/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <glib.h>
#include <inttypes.h>
#include <scsi/sg_unaligned.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <reelfs/fault.h>
#include <reelfs/log.h>
#include <reelfs/util.h>

#include "fault-rules.h"

enum { FIXED = 0x01 };

/* A rule at work. */
struct armed {
        const struct fault_rule *rule;
        struct fault_statistics statistics;
        GRand *chance; /* NULL: always */
};

struct fault {
        Transport transport;
        Transport *under;
        GArray *rules;
        struct armed *armed; /* as many */
};

/* ---- Which rule? */

static bool is_due(struct armed *a, const struct transport_command *c)
{
        const struct fault_rule *r = a->rule;
        if (!fault_rule_has_opcode(r, c->cdb[0]) || (r->condition && access(r->condition, F_OK) < 0))
                return false;
        uint64_t n = a->statistics.seen++;
        if (n < r->after || (n - r->after) % r->every != 0 || a->statistics.fired >= r->count)
                return false;
        return !a->chance || g_rand_double(a->chance) < r->chance;
}

/* The first one that is due. All of them count. */
static const struct fault_rule *choose(struct fault *f, const struct transport_command *c)
{
        struct armed *chosen = NULL;
        for (unsigned i = 0; i < f->rules->len; i++)
                if (is_due(&f->armed[i], c) && !chosen)
                        chosen = &f->armed[i];
        if (!chosen)
                return NULL;
        chosen->statistics.fired++;
        char bytes[3 * 16 + 1] = "";
        for (size_t i = 0; i < c->cdb_length; i++)
                snprintf(bytes + 3 * i, 4, " %02x", c->cdb[i]);
        log_debug("fault injector: rule %zu strikes command%s", (size_t)(chosen - f->armed) + 1, bytes);
        return chosen->rule;
}

/* ---- A part of a command */

/* Commands that move objects, and where in the CDB their count of 24 bits is. */
static const struct {
        uint8_t opcode, count_at;
        bool has_fixed; /* FIXED=0: one block, whose bytes are counted */
} counted[] = {
        { 0x08, 2, true },
        { 0x0a, 2, true },
        { 0x10, 2, false },
        { 0x80, 12, false },
        { 0x88, 12, true },
        { 0x8a, 12, true },
};

/* What is to be done of a command, in its own unit: objects, or else all or nothing. */
struct share {
        uint64_t whole, part;
        unsigned count_at; /* 0: all or nothing */
};

static struct share share_of(const struct fault_rule *r, const struct transport_command *c)
{
        struct share s = { .whole = 1 };
        for (size_t i = 0; i < G_N_ELEMENTS(counted); i++)
                if (counted[i].opcode == c->cdb[0] && (!counted[i].has_fixed || c->cdb[1] & FIXED)) {
                        s.count_at = counted[i].count_at;
                        s.whole = sg_get_unaligned_be24(c->cdb + s.count_at);
                }
        if (r->end == FAULT_UNCHANGED || r->done)
                s.part = s.whole;
        else if (r->has_partial)
                s.part = MIN(r->partial, s.whole);
        return s;
}

/* What comes back is in c, but for a residual that says nothing of what was not even tried. */
static int execute_part(struct fault *f, struct transport_command *c, const struct share *s)
{
        size_t bytes = iov_length(c->iov, c->iovcnt), part_bytes = bytes / s->whole * s->part;
        g_autofree struct iovec *iov = g_new(struct iovec, MAX(c->iovcnt, 1));
        struct transport_command part = *c;
        sg_put_unaligned_be24((uint32_t)s->part, part.cdb + s->count_at);
        if (bytes > 0) {
                part.iov = iov;
                part.iovcnt = iov_slice(c->iov, c->iovcnt, 0, part_bytes, iov);
        }
        int r = transport_execute(f->under, &part);
        c->status = part.status;
        memcpy(c->sense, part.sense, sizeof(c->sense));
        c->sense_length = part.sense_length;
        c->residual = bytes - part_bytes + part.residual;
        return r;
}

static int execute_share(struct fault *f, struct transport_command *c, const struct share *s)
{
        if (s->part == s->whole)
                return transport_execute(f->under, c);
        if (s->part > 0)
                return execute_part(f, c, s);
        c->status = TRANSPORT_STATUS_GOOD;
        c->sense_length = 0;
        c->residual = iov_length(c->iov, c->iovcnt);
        return 0;
}

/* ---- How it ends */

/* SPC-5, 4.4.3 */
static void put_fixed(const struct fault_sense *s, int64_t information, struct transport_command *c)
{
        memset(c->sense, 0, 18);
        c->sense[0] = (uint8_t)((s->deferred ? 0x71 : 0x70) | (s->has_information ? 0x80 : 0));
        c->sense[2] = s->flags | s->key;
        sg_put_unaligned_be32((uint32_t)information, c->sense + 3);
        c->sense[7] = 10;
        c->sense[12] = s->asc;
        c->sense[13] = s->ascq;
        c->sense_length = 18;
}

/* SPC-5, 4.4.2, with the descriptors 00h, information, and 04h, stream commands */
static void put_descriptors(const struct fault_sense *s, int64_t information, struct transport_command *c)
{
        memset(c->sense, 0, 24);
        c->sense[0] = s->deferred ? 0x73 : 0x72;
        c->sense[1] = s->key;
        c->sense[2] = s->asc;
        c->sense[3] = s->ascq;
        uint8_t *p = c->sense + 8;
        if (s->has_information) {
                p[1] = 10;
                p[2] = 0x80;
                sg_put_unaligned_be64((uint64_t)information, p + 4);
                p += 12;
        }
        p[0] = 0x04;
        p[1] = 2;
        p[3] = s->flags;
        p += 4;
        c->sense_length = (size_t)(p - c->sense);
        c->sense[7] = (uint8_t)(c->sense_length - 8);
}

static void put_sense(const struct fault_sense *s, const struct share *share, struct transport_command *c)
{
        int64_t information = s->information;
        if (s->rest)
                information = (int64_t)(share->whole - share->part);
        if (s->descriptor)
                put_descriptors(s, information, c);
        else
                put_fixed(s, information, c);
}

static void pause_ms(unsigned ms)
{
        struct timespec pause = { ms / 1000, ms % 1000 * 1000000 };
        nanosleep(&pause, NULL);
}

/* The drive's answer is of no interest: whoever has sent the command hears that it went wrong. */
static void rewind_tape(struct fault *f, unsigned timeout_s)
{
        struct transport_command c = { .cdb = { 0x01 }, .cdb_length = 6, .timeout_s = timeout_s };
        transport_execute(f->under, &c);
}

static int strike(struct fault *f, const struct fault_rule *rule, struct transport_command *c)
{
        struct share share = share_of(rule, c);
        pause_ms(rule->delay_ms);
        int r = execute_share(f, c, &share);
        if (rule->rewind)
                rewind_tape(f, c->timeout_s);
        if (r < 0)
                return r;
        if (rule->end == FAULT_ERROR)
                return rule->error;
        if (rule->has_residual)
                c->residual = MIN(rule->residual, iov_length(c->iov, c->iovcnt));
        if (rule->end == FAULT_UNCHANGED || (c->status != TRANSPORT_STATUS_GOOD && !rule->done))
                return 0; /* what the drive says of a part is true */
        c->status = rule->status;
        c->sense_length = 0;
        if (rule->status == TRANSPORT_STATUS_GOOD && !rule->has_residual)
                c->residual = 0; /* the drive lies */
        if (rule->status == TRANSPORT_STATUS_CHECK_CONDITION)
                put_sense(&rule->sense, &share, c);
        return 0;
}

/* ---- The transport */

static int execute(Transport *t, struct transport_command *c)
{
        struct fault *f = (struct fault *)t;
        const struct fault_rule *rule = choose(f, c);
        return rule ? strike(f, rule, c) : transport_execute(f->under, c);
}

static void limits(Transport *t, struct transport_limits *limits)
{
        transport_limits(((struct fault *)t)->under, limits);
}

static int lend(Transport *t, size_t size, void **buf)
{
        return transport_lend(((struct fault *)t)->under, size, buf);
}

static char *describe(Transport *t)
{
        g_autofree char *under = transport_describe(((struct fault *)t)->under);
        return g_strdup_printf("%s, with injected faults", under);
}

static void close_transport(Transport *t)
{
        struct fault *f = (struct fault *)t;
        transport_close(f->under);
        for (unsigned i = 0; i < f->rules->len; i++)
                if (f->armed[i].chance)
                        g_rand_free(f->armed[i].chance);
        g_array_unref(f->rules);
        g_free(f->armed);
        g_free(f);
}

static const struct transport_ops ops = {
        .execute = execute,
        .limits = limits,
        .lend = lend,
        .describe = describe,
        .close = close_transport,
};

static void arm(struct armed *a, const struct fault_rule *rule, const char *source, unsigned number)
{
        a->rule = rule;
        if (rule->chance >= 1.0)
                return;
        uint32_t seed = rule->seeded ? rule->seed : g_random_int();
        a->chance = g_rand_new_with_seed(seed);
        log_notice("%s: rule %u: seed=%" PRIu32, source, number, seed);
}

int fault_wrap(Transport *under, const char *rules, const char *source, Transport **ret)
{
        GArray *parsed;
        char why[FAULT_WHY_MAX];
        int r = fault_rules_parse(rules, &parsed, why);
        if (r < 0)
                return log_error(r, "%s: %s (reelfs-fault(7) says what a rule is made of)", source, why);
        if (parsed->len == 0) {
                g_array_unref(parsed);
                *ret = under;
                return 0;
        }
        struct fault *f = g_new0(struct fault, 1);
        f->transport.ops = &ops;
        f->under = under;
        f->rules = parsed;
        f->armed = g_new0(struct armed, parsed->len);
        for (unsigned i = 0; i < parsed->len; i++)
                arm(&f->armed[i], &g_array_index(parsed, struct fault_rule, i), source, i + 1);
        *ret = &f->transport;
        return 0;
}

int fault_statistics(Transport *t, size_t rule, struct fault_statistics *statistics)
{
        const struct fault *f = (const struct fault *)t;
        g_assert(t->ops == &ops);
        if (rule < 1 || rule > f->rules->len)
                return -ENOENT;
        *statistics = f->armed[rule - 1].statistics;
        return 0;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reservations: RESERVE and RELEASE as SPC-2 has them, PERSISTENT RESERVE IN and OUT (SPC-5, 5.13). Scope is
 * the logical unit; of the types those that do not make all registrants holders. */
#include <glib.h>
#include <scsi/sg_unaligned.h>
#include <string.h>

#include "drive.h"

enum { WRITE_EXCLUSIVE = 1, EXCLUSIVE_ACCESS = 3, WRITE_EXCLUSIVE_RO = 5, EXCLUSIVE_ACCESS_RO = 6 };
#define PARAMETER_LENGTH 24
#define APTPL 0x01

static bool is_type(uint8_t type)
{
        return type == WRITE_EXCLUSIVE || type == EXCLUSIVE_ACCESS || type == WRITE_EXCLUSIVE_RO ||
                type == EXCLUSIVE_ACCESS_RO;
}

static bool registrants_only(uint8_t type)
{
        return type == WRITE_EXCLUSIVE_RO || type == EXCLUSIVE_ACCESS_RO;
}

static bool anybody_registered(const struct drive_state *s)
{
        for (unsigned i = 1; i <= VIRTUAL_INITIATORS; i++)
                if (s->keys[i])
                        return true;
        return false;
}

/* On a tape reading moves it: the tables of SSC-5 and SPC-5 let others do as little under Write Exclusive as
 * under Exclusive Access. */
bool drive_reservation_conflict(const struct drive *d, unsigned flags, const uint8_t *cdb)
{
        const struct drive_state *s = &d->state;
        bool allows_removal = cdb[0] == 0x1e && !(cdb[4] & 0x01);
        if (flags & COMMAND_IGNORES_RESERVATION || allows_removal)
                return false;
        if (s->reserved_by && s->reserved_by != d->initiator)
                return true;
        if (!s->holder || s->holder == d->initiator || flags & COMMAND_IGNORES_PERSISTENT)
                return false;
        return !(registrants_only(s->type) && s->keys[d->initiator]);
}

void drive_reserve_reset(struct drive *d)
{
        if (!d->state.reserved_by)
                return;
        d->state.reserved_by = 0;
        drive_keep(d);
}

void drive_reserve_power_off(struct drive *d)
{
        struct drive_state *s = &d->state;
        if (!s->reserved_by && (s->aptpl || !anybody_registered(s)))
                return;
        s->reserved_by = 0;
        if (!s->aptpl) {
                memset(s->keys, 0, sizeof(s->keys));
                s->holder = 0;
                s->generation = 0;
        }
        drive_keep(d);
}

/* SPC-2, 5.5.1: neither mixes with registrations. */
void drive_reserve(struct drive *d, struct request *r)
{
        struct drive_state *s = &d->state;
        r->conflict = anybody_registered(s) || (s->reserved_by && s->reserved_by != d->initiator);
        if (r->conflict || s->reserved_by)
                return;
        s->reserved_by = d->initiator;
        drive_keep(d);
}

/* Of what somebody else has reserved: nothing, and no error. */
void drive_release(struct drive *d, struct request *r)
{
        struct drive_state *s = &d->state;
        r->conflict = anybody_registered(s);
        if (r->conflict || s->reserved_by != d->initiator)
                return;
        s->reserved_by = 0;
        drive_keep(d);
}

/* ---- PERSISTENT RESERVE IN */

/* All of these fill in what follows the generation, and return how much. */
static size_t read_keys(const struct drive *d, uint8_t *data)
{
        size_t n = 0;
        for (unsigned i = 1; i <= VIRTUAL_INITIATORS; i++)
                if (d->state.keys[i]) {
                        sg_put_unaligned_be64(d->state.keys[i], data + n);
                        n += 8;
                }
        return n;
}

static size_t read_reservation(const struct drive *d, uint8_t *data)
{
        if (!d->state.holder)
                return 0;
        sg_put_unaligned_be64(d->state.keys[d->state.holder], data);
        data[13] = d->state.type;
        return 16;
}

/* With a SAS TransportID for each initiator. */
static size_t read_full_status(const struct drive *d, uint8_t *data)
{
        size_t n = 0;
        for (unsigned i = 1; i <= VIRTUAL_INITIATORS; i++) {
                if (!d->state.keys[i])
                        continue;
                uint8_t *p = data + n;
                sg_put_unaligned_be64(d->state.keys[i], p);
                p[12] = d->state.holder == i;
                p[13] = d->state.holder == i ? d->state.type : 0;
                sg_put_unaligned_be16(1, p + 18); /* relative target port */
                sg_put_unaligned_be32(24, p + 20);
                p[24] = 0x06;
                sg_put_unaligned_be64(0x5000000000000000 | i, p + 28);
                n += 48;
        }
        return n;
}

static void report_capabilities(struct drive *d, struct request *r, size_t allocation)
{
        /* PTPL_C; TMV; PTPL_A; the types */
        uint8_t data[8] = { 0, 8, 0x01, (uint8_t)(0x80 | d->state.aptpl),
                1 << WRITE_EXCLUSIVE | 1 << EXCLUSIVE_ACCESS | 1 << WRITE_EXCLUSIVE_RO |
                        1 << EXCLUSIVE_ACCESS_RO };
        request_reply(r, data, sizeof(data), allocation);
}

void drive_persistent_reserve_in(struct drive *d, struct request *r)
{
        enum { REPORT_CAPABILITIES = 2 };
        static size_t (*const actions[])(const struct drive *d, uint8_t *data) = { read_keys,
                read_reservation, NULL, read_full_status };
        uint8_t data[8 + VIRTUAL_INITIATORS * 48] = { 0 };
        size_t allocation = sg_get_unaligned_be16(r->cdb + 7);
        unsigned action = r->cdb[1] & SERVICE_ACTION;
        if (action == REPORT_CAPABILITIES)
                return report_capabilities(d, r, allocation);
        size_t length = actions[action](d, data + 8);
        sg_put_unaligned_be32(d->state.generation, data);
        sg_put_unaligned_be32((uint32_t)length, data + 4);
        request_reply(r, data, 8 + length, allocation);
}

/* ---- PERSISTENT RESERVE OUT */

struct order {
        uint64_t key, action_key;
        uint8_t type;
        bool aptpl;
};

static void attention_for_registered(struct drive *d, unsigned attention)
{
        for (unsigned i = 1; i <= VIRTUAL_INITIATORS; i++)
                if (i != d->initiator && d->state.keys[i])
                        drive_attention(d, i, attention);
}

/* SPC-5, 5.13.11.2: those who had access by the reservation are told that it is gone. */
static void release(struct drive *d)
{
        if (registrants_only(d->state.type))
                attention_for_registered(d, ATTENTION_RESERVATIONS_RELEASED);
        d->state.holder = 0;
}

static void set_key(struct drive *d, struct request *r, const struct order *o)
{
        struct drive_state *s = &d->state;
        s->aptpl = o->aptpl;
        s->generation++;
        if (o->action_key == 0 && s->holder == d->initiator)
                release(d);
        s->keys[d->initiator] = o->action_key;
}

/* An initiator without a registration has the key 0. */
static void register_key(struct drive *d, struct request *r, const struct order *o)
{
        r->conflict = o->key != d->state.keys[d->initiator];
        if (!r->conflict && (o->key || o->action_key))
                set_key(d, r, o);
}

static void register_and_ignore(struct drive *d, struct request *r, const struct order *o)
{
        if (o->action_key || d->state.keys[d->initiator])
                set_key(d, r, o);
}

static void reserve(struct drive *d, struct request *r, const struct order *o)
{
        struct drive_state *s = &d->state;
        if (s->holder) {
                r->conflict = s->holder != d->initiator || s->type != o->type;
                return;
        }
        s->holder = d->initiator;
        s->type = o->type;
}

static void release_own(struct drive *d, struct request *r, const struct order *o)
{
        if (d->state.holder != d->initiator)
                return;
        if (d->state.type != o->type)
                return request_fail(r, SENSE_INVALID_RELEASE);
        release(d);
}

static void clear(struct drive *d, struct request *r, const struct order *o)
{
        attention_for_registered(d, ATTENTION_RESERVATIONS_PREEMPTED);
        memset(d->state.keys, 0, sizeof(d->state.keys));
        d->state.holder = 0;
        d->state.generation++;
}

/* How many others had the key. */
static unsigned remove_others(struct drive *d, uint64_t key)
{
        unsigned n = 0;
        for (unsigned i = 1; i <= VIRTUAL_INITIATORS; i++)
                if (i != d->initiator && d->state.keys[i] == key) {
                        d->state.keys[i] = 0;
                        drive_attention(d, i, ATTENTION_REGISTRATIONS_PREEMPTED);
                        n++;
                }
        return n;
}

/* SPC-5, 5.13.11.4. There are no other commands to abort. */
static void preempt(struct drive *d, struct request *r, const struct order *o)
{
        struct drive_state *s = &d->state;
        bool of_holder = s->holder && s->keys[s->holder] == o->action_key;
        if (o->action_key == 0)
                return request_invalid_parameter(r, 8, 7);
        if (remove_others(d, o->action_key) == 0 && !of_holder) {
                r->conflict = true;
                return;
        }
        s->generation++;
        if (!of_holder)
                return;
        if (s->type != o->type)
                attention_for_registered(d, ATTENTION_RESERVATIONS_RELEASED);
        s->holder = d->initiator;
        s->type = o->type;
}

static const struct {
        void (*run)(struct drive *d, struct request *r, const struct order *o);
        bool registration; /* looks at the key itself */
        bool typed;        /* scope and type matter */
} orders[] = {
        { register_key, true, false },
        { reserve, false, true },
        { release_own, false, true },
        { clear, false, false },
        { preempt, false, true },
        { preempt, false, true }, /* and abort */
        { register_and_ignore, true, false },
};

static bool fetch_order(struct request *r, bool registration, struct order *o)
{
        uint8_t list[PARAMETER_LENGTH];
        if (sg_get_unaligned_be(4, r->cdb + 5) != PARAMETER_LENGTH) {
                request_fail(r, SENSE_LIST_LENGTH);
                return false;
        }
        if (!request_expect(r, TRANSPORT_OUT, PARAMETER_LENGTH))
                return false;
        request_fetch(r, list, sizeof(list));
        *o = (struct order){ .key = sg_get_unaligned_be(8, list),
                .action_key = sg_get_unaligned_be(8, list + 8),
                .type = r->cdb[2] & 0x0f,
                .aptpl = list[20] & APTPL };
        unsigned wrong =
                list[20] & ~(registration ? APTPL : 0u); /* SPEC_I_PT, ALL_TG_PT: there is one port */
        if (wrong)
                request_invalid_parameter(r, 20, (unsigned)g_bit_nth_msf(wrong, -1));
        return !wrong;
}

void drive_persistent_reserve_out(struct drive *d, struct request *r)
{
        unsigned action = r->cdb[1] & SERVICE_ACTION;
        struct order o;
        r->conflict = d->state.reserved_by != 0; /* SPC-2, 5.5.1 */
        if (r->conflict || !fetch_order(r, orders[action].registration, &o))
                return;
        if (orders[action].typed && r->cdb[2] >> 4)
                return request_invalid_field(r, 2, 7);
        if (orders[action].typed && !is_type(o.type))
                return request_invalid_field(r, 2, 3);
        uint64_t own = d->state.keys[d->initiator];
        if (!orders[action].registration && (own == 0 || own != o.key)) {
                r->conflict = true;
                return;
        }
        orders[action].run(d, r, &o);
        if (!r->conflict && !r->check)
                drive_keep(d);
}

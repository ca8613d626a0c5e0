/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <glib.h>
#include <string.h>

#include <reelfs/log.h>
#include <reelfs/util.h>

#include "drive.h"
#include "frame.h"

/* In the order in which they are reported. */
static const struct {
        unsigned bit;
        enum sense_code code;
} attentions[] = {
        { ATTENTION_RESET, SENSE_RESET },
        { ATTENTION_MEDIUM, SENSE_MEDIUM_CHANGED },
        { ATTENTION_RESERVATIONS_PREEMPTED, SENSE_RESERVATIONS_PREEMPTED },
        { ATTENTION_RESERVATIONS_RELEASED, SENSE_RESERVATIONS_RELEASED },
        { ATTENTION_REGISTRATIONS_PREEMPTED, SENSE_REGISTRATIONS_PREEMPTED },
};

static enum sense_code take_attention(struct drive *d)
{
        unsigned *pending = &d->attentions[d->initiator];
        for (size_t i = 0; i < G_N_ELEMENTS(attentions); i++)
                if (*pending & attentions[i].bit) {
                        *pending &= ~attentions[i].bit;
                        return attentions[i].code;
                }
        return SENSE_NONE;
}

void drive_attention(struct drive *d, unsigned initiator, unsigned attention)
{
        d->attentions[initiator] |= attention;
}

static void attention_for_all(struct drive *d, unsigned attention)
{
        for (unsigned i = 1; i <= VIRTUAL_INITIATORS; i++)
                drive_attention(d, i, attention);
}

/* SPC-5, REQUEST SENSE: what is pending comes as data, with GOOD. */
void drive_request_sense(struct drive *d, struct request *r)
{
        struct sense sense = { .code = take_attention(d) };
        if (sense.code == SENSE_NONE && !d->loaded)
                sense.code = SENSE_NOT_LOADED;
        uint8_t data[TRANSPORT_SENSE_MAX];
        size_t length = sense_encode(&sense, r->cdb[1] & 0x01, data);
        request_reply(r, data, length, r->cdb[4]);
}

void drive_load(struct drive *d)
{
        d->loaded = true;
        d->position = 0;
        d->change_noted = false;
        d->bytes_read = d->bytes_written = 0;
        d->fenced = d->warned = d->overwrites = false;
        drive_state_remember(&d->state, &d->loaded_memory);
        drive_state_remember(&d->state, &d->previous_memory);
        d->tape_alerts |= d->settings.tape_alerts;
        attention_for_all(d, ATTENTION_MEDIUM);
}

void drive_reset(struct drive *d)
{
        drive_synchronize(d);
        drive_mode_reset(d);
        d->prevented = d->overwrites = false;
        d->position = 0;
        drive_reserve_reset(d);
        attention_for_all(d, ATTENTION_RESET);
}

int drive_keep(struct drive *d)
{
        int r = drive_state_save(d->path, &d->state);
        if (r == 0)
                return 0;
        log_debug("%s: the cartridge's key file cannot be written", d->path);
        d->tape_alerts |= ALERT_MEMORY_CHIP;
        return r;
}

/* SPC-5, volume change reference: a new number before something else is on the medium than a host may know
 * of.
 */
int drive_note_change(struct drive *d)
{
        bool overwrites = d->position < cartridge_count(d->cartridge);
        if (drive_lacks(d, VIRTUAL_NO_ATTRIBUTES) || (d->change_noted && !overwrites))
                return 0;
        uint32_t former = d->state.change_reference;
        d->state.change_reference++;
        if (d->state.change_reference >= UINT32_MAX)
                d->state.change_reference = 1; /* all ones: not known; 0: nothing was ever written */
        int r = drive_keep(d);
        if (r < 0 && drive_state_names_index(&d->state)) {
                d->state.change_reference = former;
                return r;
        }
        d->change_noted = true;
        return 0;
}

bool drive_lacks(const struct drive *d, enum virtual_lacks ability)
{
        return d->settings.cartridge.lacks & ability;
}

uint64_t drive_used_before(const struct drive *d, uint64_t object)
{
        uint64_t filemark = d->settings.cartridge.filemark_size;
        uint64_t filemarks = filemark > 0 ? cartridge_filemarks_before(d->cartridge, object) : 0;
        return cartridge_data_before(d->cartridge, object) + filemarks * filemark;
}

bool drive_past_early_warning(const struct drive *d, uint64_t object)
{
        const struct virtual_cartridge *c = &d->settings.cartridge;
        uint64_t warning = c->capacity - c->early_warning;
        if (c->capacity == 0 || (c->filemark_size == 0 && cartridge_data(d->cartridge) < warning))
                return false;
        return drive_used_before(d, object) >= warning;
}

static void empty_buffer(struct drive *d)
{
        uint64_t count = cartridge_count(d->cartridge);
        if (d->synced < count)
                d->statistics.synchronizations++;
        d->synced = count;
}

void drive_synchronize(struct drive *d)
{
        empty_buffer(d);
        d->open_end = false;
}

void drive_flush(struct drive *d, struct request *r)
{
        uint64_t count = cartridge_count(d->cartridge);
        if (d->flushed == count)
                return;
        if (cartridge_flush(d->cartridge) < 0)
                return drive_lose_unflushed(d, r);
        d->flushed = count;
        if (d->synced == count)
                return;
        empty_buffer(d);
        drive_time_flush(d);
}

enum sense_code drive_no_end(const struct drive *d)
{
        return d->settings.cartridge.blank_check ? SENSE_BLANK_NO_END_OF_DATA : SENSE_NO_END_OF_DATA;
}

void drive_stop(struct drive *d, struct request *r, int64_t information)
{
        static const enum sense_code codes[] = {
                [CARTRIDGE_RECORD] = SENSE_READ_ERROR, /* its data is not what its length said */
                [CARTRIDGE_BAD_RECORD] = SENSE_READ_ERROR,
                [CARTRIDGE_FILEMARK] = SENSE_FILEMARK,
                [CARTRIDGE_END] = SENSE_END_OF_DATA,
                [CARTRIDGE_TORN] = SENSE_NONE, /* see below */
        };
        enum cartridge_kind kind = cartridge_kind(d->cartridge, d->position);
        request_fail_information(r, codes[kind], information);
        if (kind == CARTRIDGE_TORN)
                r->sense.code = drive_no_end(d);
        if (kind == CARTRIDGE_FILEMARK)
                r->sense.filemark = true;
        if (kind == CARTRIDGE_END)
                r->sense.eom = drive_past_early_warning(d, d->position);
        else if (kind != CARTRIDGE_TORN)
                d->position++;
}

void request_fail(struct request *r, enum sense_code code)
{
        r->check = true;
        r->sense = (struct sense){ .code = code };
}

void request_fail_information(struct request *r, enum sense_code code, int64_t information)
{
        r->check = true;
        r->sense = (struct sense){ .code = code, .valid = true, .information = information };
}

static void fail_field(struct request *r, enum sense_code code, bool in_cdb, unsigned byte, unsigned bit)
{
        r->check = true;
        r->sense = (struct sense){ .code = code,
                .has_field = true,
                .field_in_cdb = in_cdb,
                .field_byte = (uint16_t)byte,
                .field_bit = (uint8_t)bit };
}

void request_invalid_field(struct request *r, unsigned byte, unsigned bit)
{
        fail_field(r, SENSE_INVALID_FIELD_IN_CDB, true, byte, bit);
}

void request_invalid_parameter(struct request *r, unsigned byte, unsigned bit)
{
        fail_field(r, SENSE_INVALID_FIELD_IN_LIST, false, byte, bit);
}

bool request_expect(struct request *r, enum transport_direction direction, uint64_t bytes)
{
        size_t given = iov_length(r->command->iov, r->command->iovcnt);
        bool enough = direction == TRANSPORT_IN ? given >= bytes : given == bytes;
        if (bytes == 0 || (enough && r->command->direction == direction))
                return true;
        r->error = -EINVAL;
        return false;
}

void request_reply(struct request *r, const void *data, size_t length, size_t allocation)
{
        const uint8_t *p = data;
        if (!request_expect(r, TRANSPORT_IN, allocation))
                return;
        size_t left = MIN(length, allocation);
        r->transferred = left;
        for (int i = 0; left > 0; i++) {
                size_t n = MIN(left, r->command->iov[i].iov_len);
                memcpy(r->command->iov[i].iov_base, p, n);
                p += n;
                left -= n;
        }
}

void request_fetch(struct request *r, void *data, size_t length)
{
        uint8_t *p = data;
        r->transferred = length;
        for (int i = 0; length > 0; i++) {
                size_t n = MIN(length, r->command->iov[i].iov_len);
                memcpy(p, r->command->iov[i].iov_base, n);
                p += n;
                length -= n;
        }
}

/* A bit is set that this command does not have. */
static bool reject_reserved(const struct drive_command *c, struct request *r)
{
        for (unsigned i = 1; i < c->length; i++) {
                unsigned wrong = r->cdb[i] & (unsigned)~c->usage[i];
                if (wrong) {
                        request_invalid_field(r, i, (unsigned)g_bit_nth_msf(wrong, -1));
                        return true;
                }
        }
        if (c->actions && !(c->actions & 1u << (r->cdb[1] & SERVICE_ACTION))) {
                request_invalid_field(r, 1, 4);
                return true;
        }
        return false;
}

static void run_command(struct drive *d, const struct drive_command *c, struct request *r)
{
        enum sense_code attention = SENSE_NONE;
        if (!c || !(c->flags & COMMAND_IGNORES_ATTENTION))
                attention = take_attention(d);
        if (attention != SENSE_NONE)
                request_fail(r, attention);
        else if (!c)
                request_fail(r, SENSE_INVALID_OPCODE);
        else if (c->length != r->command->cdb_length)
                r->error = -EINVAL;
        else if (drive_reservation_conflict(d, c->flags, r->cdb))
                r->conflict = true;
        else if (reject_reserved(c, r) || drive_report_loss(d, c, r))
                return;
        else if ((c->flags & COMMAND_NEEDS_MEDIUM) && !d->loaded)
                request_fail(r, SENSE_NOT_LOADED);
        else
                c->run(d, r);
}

/* SPC-5, TapeAlert flags 5, 6, 9 and 10: what a failed command says of the tape. */
static void raise_alerts(struct drive *d, enum sense_code code)
{
        static const struct {
                enum sense_code code;
                uint64_t alerts;
        } reasons[] = {
                { SENSE_READ_ERROR, ALERT_READ_FAILURE },
                { SENSE_WRITE_ERROR, ALERT_WRITE_FAILURE },
                { SENSE_WRITE_PROTECTED, ALERT_WRITE_PROTECT },
                { SENSE_REMOVAL_PREVENTED, ALERT_NO_REMOVAL },
        };
        for (size_t i = 0; i < G_N_ELEMENTS(reasons); i++)
                if (reasons[i].code == code)
                        d->tape_alerts |= reasons[i].alerts;
}

int drive_execute(struct drive *d, struct transport_command *command)
{
        struct request r = { .command = command, .cdb = command->cdb };
        size_t length = iov_length(command->iov, command->iovcnt);
        if (length > d->settings.cartridge.max_transfer || command->iovcnt > FRAME_IOV_MAX)
                return -EINVAL;
        const struct drive_command *c =
                drive_command_find(d, command->cdb[0], command->cdb[1] & SERVICE_ACTION);
        run_command(d, c, &r);
        if (r.error < 0)
                return r.error;
        command->residual = length - r.transferred;
        if (r.conflict)
                command->status = TRANSPORT_STATUS_RESERVATION_CONFLICT;
        if (!r.check)
                return 0;
        raise_alerts(d, r.sense.code);
        command->status = TRANSPORT_STATUS_CHECK_CONDITION;
        command->sense_length = sense_encode(&r.sense, drive_mode_descriptor_sense(d), command->sense);
        /* A filemark or a short block is what every reader meets. */
        unsigned code = (unsigned)r.sense.code;
        if (code >> 16 != 0)
                log_debug("%s: %s (%02xh): sense %x/%02x/%02x", d->path, c ? c->name : "unknown command",
                        command->cdb[0], code >> 16, code >> 8 & 0xff, code & 0xff);
        return 0;
}

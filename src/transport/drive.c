/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <glib.h>
#include <string.h>

#include <reelfs/log.h>
#include <reelfs/util.h>

#include "drive.h"
#include "frame.h"

enum {
        NEEDS_MEDIUM = 1 << 0,
        IGNORES_ATTENTION = 1 << 1, /* SAM-5 5.14: runs in spite of a pending unit attention */
};

/* In the order in which they are reported. */
static const struct {
        unsigned bit;
        enum sense_code code;
} attentions[] = {
        { ATTENTION_RESET, SENSE_RESET },
        { ATTENTION_MEDIUM, SENSE_MEDIUM_CHANGED },
};

static enum sense_code take_attention(struct drive *d)
{
        for (size_t i = 0; i < G_N_ELEMENTS(attentions); i++)
                if (d->attentions & attentions[i].bit) {
                        d->attentions &= ~attentions[i].bit;
                        return attentions[i].code;
                }
        return SENSE_NONE;
}

/* SPC-5, REQUEST SENSE: what is pending comes as data, with GOOD. */
static void request_sense(struct drive *d, struct request *r)
{
        struct sense sense = { .code = take_attention(d) };
        if (sense.code == SENSE_NONE && !d->loaded)
                sense.code = SENSE_NOT_LOADED;
        uint8_t data[TRANSPORT_SENSE_MAX];
        size_t length = sense_encode(&sense, r->cdb[1] & 0x01, data);
        request_reply(r, data, length, r->cdb[4]);
}

/* What the drive can do. usage: the bits of the CDB that may be set, as REPORT SUPPORTED OPERATION CODES
 * would say. */
struct drive_command {
        const char *name;
        uint8_t length; /* of the CDB */
        uint8_t flags;
        unsigned lacks; /* ability without which there is no such command */
        void (*run)(struct drive *d, struct request *r);
        uint8_t usage[16];
};

static void test_unit_ready(struct drive *d, struct request *r)
{
}

static const struct drive_command commands[] = {
        { "TEST UNIT READY", 6, NEEDS_MEDIUM, 0, test_unit_ready, { 0x00 } },
        { "REWIND", 6, NEEDS_MEDIUM, 0, drive_rewind, { 0x01, 0x01 } },
        { "REQUEST SENSE", 6, IGNORES_ATTENTION, 0, request_sense, { 0x03, 0x01, 0, 0, 0xff } },
        { "READ BLOCK LIMITS", 6, 0, 0, drive_read_block_limits, { 0x05 } },
        { "READ(6)", 6, NEEDS_MEDIUM, 0, drive_read, { 0x08, 0x03, 0xff, 0xff, 0xff } },
        { "WRITE(6)", 6, NEEDS_MEDIUM, 0, drive_write, { 0x0a, 0x01, 0xff, 0xff, 0xff } },
        { "WRITE FILEMARKS(6)", 6, NEEDS_MEDIUM, 0, drive_write_filemarks6,
                { 0x10, 0x01, 0xff, 0xff, 0xff } },
        { "SPACE(6)", 6, NEEDS_MEDIUM, 0, drive_space6, { 0x11, 0x0f, 0xff, 0xff, 0xff } },
        { "INQUIRY", 6, IGNORES_ATTENTION, 0, drive_inquiry, { 0x12, 0x01, 0xff, 0xff, 0xff } },
        { "MODE SELECT(6)", 6, 0, 0, drive_mode_select6, { 0x15, 0x10, 0, 0, 0xff } },
        { "ERASE(6)", 6, NEEDS_MEDIUM, 0, drive_erase, { 0x19, 0x03 } },
        { "MODE SENSE(6)", 6, 0, 0, drive_mode_sense6, { 0x1a, 0x08, 0xff, 0xff, 0xff } },
        { "LOAD UNLOAD", 6, 0, 0, drive_load_unload, { 0x1b, 0x01, 0, 0, 0x03 } },
        { "PREVENT ALLOW MEDIUM REMOVAL", 6, 0, 0, drive_prevent_removal, { 0x1e, 0, 0, 0, 0x01 } },
        { "LOCATE(10)", 10, NEEDS_MEDIUM, VIRTUAL_NO_LOCATE10, drive_locate10,
                { 0x2b, 0x03, 0, 0xff, 0xff, 0xff, 0xff, 0, 0xff } },
        { "READ POSITION", 10, NEEDS_MEDIUM, VIRTUAL_NO_READ_POSITION, drive_read_position, { 0x34, 0x1f } },
        { "LOG SENSE", 10, 0, VIRTUAL_NO_CAPACITY, drive_log_sense,
                { 0x4d, 0, 0xff, 0xff, 0, 0xff, 0xff, 0xff, 0xff } },
        { "MODE SELECT(10)", 10, 0, VIRTUAL_NO_MODE10, drive_mode_select10,
                { 0x55, 0x10, 0, 0, 0, 0, 0, 0xff, 0xff } },
        { "MODE SENSE(10)", 10, 0, VIRTUAL_NO_MODE10, drive_mode_sense10,
                { 0x5a, 0x08, 0xff, 0xff, 0, 0, 0, 0xff, 0xff } },
        { "WRITE FILEMARKS(16)", 16, NEEDS_MEDIUM, 0, drive_write_filemarks16,
                { 0x80, 0x01, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff } },
        { "SPACE(16)", 16, NEEDS_MEDIUM, VIRTUAL_NO_SPACE16, drive_space16,
                { 0x91, 0x0f, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff } },
        { "LOCATE(16)", 16, NEEDS_MEDIUM, VIRTUAL_NO_LOCATE16, drive_locate16,
                { 0x92, 0x03, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff } },
        { "REPORT LUNS", 12, IGNORES_ATTENTION, 0, drive_report_luns,
                { 0xa0, 0, 0xff, 0, 0, 0, 0xff, 0xff, 0xff, 0xff } },
};

void drive_load(struct drive *d)
{
        d->loaded = true;
        d->position = 0;
        d->attentions |= ATTENTION_MEDIUM;
}

void drive_reset(struct drive *d)
{
        drive_synchronize(d);
        drive_mode_reset(d);
        d->prevented = false;
        d->position = 0;
        d->attentions |= ATTENTION_RESET;
}

bool drive_lacks(const struct drive *d, enum virtual_lacks ability)
{
        return d->settings.cartridge.lacks & ability;
}

bool drive_past_early_warning(const struct drive *d, uint64_t object)
{
        const struct virtual_cartridge *c = &d->settings.cartridge;
        uint64_t warning = c->capacity - c->early_warning;
        if (c->capacity == 0 || cartridge_data(d->cartridge) < warning)
                return false;
        return cartridge_data_before(d->cartridge, object) >= warning;
}

void drive_synchronize(struct drive *d)
{
        uint64_t count = cartridge_count(d->cartridge);
        if (d->synced < count)
                d->statistics.synchronizations++;
        d->synced = count;
}

void drive_flush(struct drive *d, struct request *r)
{
        if (d->synced == cartridge_count(d->cartridge))
                return;
        if (cartridge_flush(d->cartridge) < 0)
                return request_fail(r, SENSE_WRITE_ERROR);
        drive_synchronize(d);
}

void drive_stop(struct drive *d, struct request *r, int64_t information)
{
        static const enum sense_code codes[] = {
                [CARTRIDGE_RECORD] = SENSE_READ_ERROR, /* its data is not what its length said */
                [CARTRIDGE_BAD_RECORD] = SENSE_READ_ERROR,
                [CARTRIDGE_FILEMARK] = SENSE_FILEMARK,
                [CARTRIDGE_END] = SENSE_END_OF_DATA,
                [CARTRIDGE_TORN] = SENSE_NO_END_OF_DATA,
        };
        enum cartridge_kind kind = cartridge_kind(d->cartridge, d->position);
        request_fail_information(r, codes[kind], information);
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

static const struct drive_command *find_command(const struct drive *d, uint8_t opcode)
{
        for (size_t i = 0; i < G_N_ELEMENTS(commands); i++)
                if (commands[i].usage[0] == opcode)
                        return d->settings.cartridge.lacks & commands[i].lacks ? NULL : &commands[i];
        return NULL;
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
        return false;
}

static void run_command(struct drive *d, const struct drive_command *c, struct request *r)
{
        enum sense_code attention = SENSE_NONE;
        if (!c || !(c->flags & IGNORES_ATTENTION))
                attention = take_attention(d);
        if (attention != SENSE_NONE)
                request_fail(r, attention);
        else if (!c)
                request_fail(r, SENSE_INVALID_OPCODE);
        else if (c->length != r->command->cdb_length)
                r->error = -EINVAL;
        else if (reject_reserved(c, r))
                return;
        else if ((c->flags & NEEDS_MEDIUM) && !d->loaded)
                request_fail(r, SENSE_NOT_LOADED);
        else
                c->run(d, r);
}

int drive_execute(struct drive *d, struct transport_command *command)
{
        struct request r = { .command = command, .cdb = command->cdb };
        size_t length = iov_length(command->iov, command->iovcnt);
        if (length > d->settings.cartridge.max_transfer || command->iovcnt > FRAME_IOV_MAX)
                return -EINVAL;
        const struct drive_command *c = find_command(d, command->cdb[0]);
        run_command(d, c, &r);
        if (r.error < 0)
                return r.error;
        command->residual = length - r.transferred;
        if (!r.check)
                return 0;
        command->status = TRANSPORT_STATUS_CHECK_CONDITION;
        command->sense_length = sense_encode(&r.sense, drive_mode_descriptor_sense(d), command->sense);
        log_debug("%s: %s (%02xh): sense %06x", d->path, c ? c->name : "unknown command", command->cdb[0],
                (unsigned)r.sense.code);
        return 0;
}

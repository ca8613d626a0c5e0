/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The commands that the drive has, and what REPORT SUPPORTED OPERATION CODES makes of them. */
#include <glib.h>
#include <scsi/sg_unaligned.h>
#include <string.h>

#include "drive.h"

#define MINUTE 60
#define HOUR 3600

/* Service actions: a bit for each. */
#define ACTIONS_OPCODES (1u << 0x0c)
#define ACTIONS_ORDER (1u << 0x1d)
#define ACTIONS_POSITION (1u << 0x00 | 1u << 0x01 | 1u << 0x06 | 1u << 0x08)
#define ACTIONS_PERSISTENT_IN 0x0fu
#define ACTIONS_PERSISTENT_OUT 0x7fu
#define ACTIONS_ATTRIBUTE (0x0fu | 1u << 0x05)

static void test_unit_ready(struct drive *d, struct request *r)
{
}

enum {
        MEDIUM = COMMAND_NEEDS_MEDIUM,
        CALM = COMMAND_IGNORES_ATTENTION,
        FREE = COMMAND_IGNORES_RESERVATION,
        PERSISTENT_FREE = COMMAND_IGNORES_PERSISTENT,
        SYNC = COMMAND_SYNCHRONIZES,
        WRITES = COMMAND_WRITES,
};

static const struct drive_command commands[] = {
        { "TEST UNIT READY", 6, MEDIUM | PERSISTENT_FREE, 0, 0, MINUTE, test_unit_ready, { 0x00 } },
        { "REWIND", 6, MEDIUM | SYNC, 0, 0, 10 * MINUTE, drive_rewind, { 0x01, 0x01 } },
        { "REQUEST SENSE", 6, CALM | FREE, 0, 0, MINUTE, drive_request_sense, { 0x03, 0x01, 0, 0, 0xff } },
        { "READ BLOCK LIMITS", 6, PERSISTENT_FREE, 0, 0, MINUTE, drive_read_block_limits, { 0x05 } },
        { "READ(6)", 6, MEDIUM | SYNC, 0, 0, 25 * MINUTE, drive_read, { 0x08, 0x03, 0xff, 0xff, 0xff } },
        { "WRITE(6)", 6, MEDIUM | WRITES, 0, 0, 25 * MINUTE, drive_write, { 0x0a, 0x01, 0xff, 0xff, 0xff } },
        { "WRITE FILEMARKS(6)", 6, MEDIUM | WRITES, 0, 0, 28 * MINUTE, drive_write_filemarks6,
                { 0x10, 0x01, 0xff, 0xff, 0xff } },
        { "SPACE(6)", 6, MEDIUM | SYNC, 0, 0, 48 * MINUTE, drive_space6, { 0x11, 0x0f, 0xff, 0xff, 0xff } },
        { "INQUIRY", 6, CALM | FREE, 0, 0, MINUTE, drive_inquiry, { 0x12, 0x01, 0xff, 0xff, 0xff } },
        { "MODE SELECT(6)", 6, 0, 0, 0, MINUTE, drive_mode_select6, { 0x15, 0x10, 0, 0, 0xff } },
        { "RESERVE(6)", 6, FREE, VIRTUAL_NO_RESERVE, 0, MINUTE, drive_reserve, { 0x16 } },
        { "RELEASE(6)", 6, FREE, VIRTUAL_NO_RESERVE, 0, MINUTE, drive_release, { 0x17 } },
        { "ERASE(6)", 6, MEDIUM | SYNC | WRITES, 0, 0, 16 * HOUR, drive_erase, { 0x19, 0x03 } },
        { "MODE SENSE(6)", 6, 0, 0, 0, MINUTE, drive_mode_sense6, { 0x1a, 0x08, 0xff, 0xff, 0xff } },
        { "LOAD UNLOAD", 6, SYNC, 0, 0, 13 * MINUTE, drive_load_unload, { 0x1b, 0x01, 0, 0, 0x03 } },
        { "PREVENT ALLOW MEDIUM REMOVAL", 6, 0, 0, 0, MINUTE, drive_prevent_removal,
                { 0x1e, 0, 0, 0, 0x01 } },
        { "LOCATE(10)", 10, MEDIUM | SYNC, VIRTUAL_NO_LOCATE10, 0, 48 * MINUTE, drive_locate10,
                { 0x2b, 0x07, 0, 0xff, 0xff, 0xff, 0xff, 0, 0xff } },
        { "READ POSITION", 10, MEDIUM, VIRTUAL_NO_READ_POSITION, ACTIONS_POSITION, MINUTE,
                drive_read_position, { 0x34, 0x1f, 0, 0, 0, 0, 0, 0xff, 0xff } },
        { "REPORT DENSITY SUPPORT", 10, PERSISTENT_FREE, VIRTUAL_NO_DENSITY, 0, MINUTE, drive_report_density,
                { 0x44, 0x03, 0, 0, 0, 0, 0, 0xff, 0xff } },
        { "LOG SENSE", 10, FREE, VIRTUAL_NO_CAPACITY, 0, MINUTE, drive_log_sense,
                { 0x4d, 0, 0xff, 0xff, 0, 0xff, 0xff, 0xff, 0xff } },
        { "MODE SELECT(10)", 10, 0, VIRTUAL_NO_MODE10, 0, MINUTE, drive_mode_select10,
                { 0x55, 0x10, 0, 0, 0, 0, 0, 0xff, 0xff } },
        { "RESERVE(10)", 10, FREE, VIRTUAL_NO_RESERVE, 0, MINUTE, drive_reserve, { 0x56 } },
        { "RELEASE(10)", 10, FREE, VIRTUAL_NO_RESERVE, 0, MINUTE, drive_release, { 0x57 } },
        { "MODE SENSE(10)", 10, 0, VIRTUAL_NO_MODE10, 0, MINUTE, drive_mode_sense10,
                { 0x5a, 0x08, 0xff, 0xff, 0, 0, 0, 0xff, 0xff } },
        { "PERSISTENT RESERVE IN", 10, PERSISTENT_FREE, VIRTUAL_NO_PERSISTENT, ACTIONS_PERSISTENT_IN, MINUTE,
                drive_persistent_reserve_in, { 0x5e, 0x1f, 0, 0, 0, 0, 0, 0xff, 0xff } },
        { "PERSISTENT RESERVE OUT", 10, PERSISTENT_FREE, VIRTUAL_NO_PERSISTENT, ACTIONS_PERSISTENT_OUT,
                MINUTE, drive_persistent_reserve_out, { 0x5f, 0x1f, 0xff, 0, 0, 0xff, 0xff, 0xff, 0xff } },
        { "WRITE FILEMARKS(16)", 16, MEDIUM | WRITES, 0, 0, 28 * MINUTE, drive_write_filemarks16,
                { 0x80, 0x01, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff } },
        { "ALLOW OVERWRITE", 16, MEDIUM, VIRTUAL_NO_EXTENSION, 0, MINUTE, drive_allow_overwrite,
                { 0x82, 0, 0x0f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff } },
        { "READ ATTRIBUTE", 16, MEDIUM, VIRTUAL_NO_ATTRIBUTES, ACTIONS_ATTRIBUTE, 7 * MINUTE,
                drive_read_attribute,
                { 0x8c, 0x1f, 0, 0, 0, 0xff, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01 } },
        { "WRITE ATTRIBUTE", 16, MEDIUM, VIRTUAL_NO_ATTRIBUTES, 0, 7 * MINUTE, drive_write_attribute,
                { 0x8d, 0x01, 0, 0, 0, 0xff, 0, 0xff, 0, 0, 0xff, 0xff, 0xff, 0xff } },
        { "SPACE(16)", 16, MEDIUM | SYNC, VIRTUAL_NO_SPACE16, 0, 48 * MINUTE, drive_space16,
                { 0x91, 0x0f, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff } },
        { "LOCATE(16)", 16, MEDIUM | SYNC, VIRTUAL_NO_LOCATE16, 0, 48 * MINUTE, drive_locate16,
                { 0x92, 0x03, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff } },
        { "REPORT LUNS", 12, CALM | FREE, 0, 0, MINUTE, drive_report_luns,
                { 0xa0, 0, 0xff, 0, 0, 0, 0xff, 0xff, 0xff, 0xff } },
        { "REPORT SUPPORTED OPERATION CODES", 12, PERSISTENT_FREE, VIRTUAL_NO_OPCODES, ACTIONS_OPCODES,
                MINUTE, drive_report_opcodes,
                { 0xa3, 0x1f, 0x87, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff } },
        { "RECEIVE RECOMMENDED ACCESS ORDER", 12, MEDIUM, VIRTUAL_NO_ORDER, ACTIONS_ORDER, MINUTE,
                drive_receive_order, { 0xa3, 0x9f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x07 } },
        { "GENERATE RECOMMENDED ACCESS ORDER", 12, MEDIUM, VIRTUAL_NO_ORDER, ACTIONS_ORDER, 10 * MINUTE,
                drive_generate_order, { 0xa4, 0x1f, 0x07, 0x07, 0, 0, 0xff, 0xff, 0xff, 0xff } },
};

const struct drive_command *drive_command_find(const struct drive *d, uint8_t opcode, unsigned action)
{
        const struct drive_command *found = NULL;
        for (size_t i = 0; i < G_N_ELEMENTS(commands); i++) {
                const struct drive_command *c = &commands[i];
                bool lacked = d->settings.cartridge.lacks & c->lacks;
                if (c->usage[0] != opcode)
                        continue;
                if (action <= SERVICE_ACTION && (c->actions & 1u << action))
                        return lacked ? NULL : c;
                found = found ?: lacked ? NULL : c;
        }
        return found;
}

/* ---- REPORT SUPPORTED OPERATION CODES, SPC-5 */

#define TIMEOUTS_LENGTH 12
#define REPORT_MAX 2048 /* more than all commands take */

static size_t put_timeouts(const struct drive_command *c, uint8_t *data)
{
        memset(data, 0, TIMEOUTS_LENGTH);
        sg_put_unaligned_be16(TIMEOUTS_LENGTH - 2, data);
        sg_put_unaligned_be32(1, data + 4); /* nominal */
        sg_put_unaligned_be32(c->timeout_s, data + 8);
        return TIMEOUTS_LENGTH;
}

/* action: -1: the command has none. */
static size_t put_descriptor(const struct drive_command *c, int action, bool timeouts, uint8_t *data)
{
        memset(data, 0, 8);
        data[0] = c->usage[0];
        if (action >= 0)
                sg_put_unaligned_be16((uint16_t)action, data + 2);
        data[5] = (uint8_t)(timeouts << 1 | (action >= 0));
        sg_put_unaligned_be16(c->length, data + 6);
        return 8 + (timeouts ? put_timeouts(c, data + 8) : 0);
}

static size_t put_all(const struct drive *d, bool timeouts, uint8_t *data)
{
        size_t n = 4;
        for (size_t i = 0; i < G_N_ELEMENTS(commands); i++) {
                const struct drive_command *c = &commands[i];
                if (d->settings.cartridge.lacks & c->lacks)
                        continue;
                if (!c->actions)
                        n += put_descriptor(c, -1, timeouts, data + n);
                for (int action = 0; action <= SERVICE_ACTION; action++)
                        if (c->actions & 1u << action)
                                n += put_descriptor(c, action, timeouts, data + n);
        }
        sg_put_unaligned_be32((uint32_t)(n - 4), data);
        return n;
}

/* c: NULL: not supported. */
static size_t put_one(const struct drive_command *c, unsigned action, bool timeouts, uint8_t *data)
{
        memset(data, 0, 4);
        if (!c) {
                data[1] = 0x01;
                return 4;
        }
        data[1] = (uint8_t)(timeouts << 7 | 0x03);
        sg_put_unaligned_be16(c->length, data + 2);
        memcpy(data + 4, c->usage, c->length);
        if (c->actions)
                data[5] = (uint8_t)((data[5] & ~SERVICE_ACTION) | action);
        size_t n = 4 + (size_t)c->length;
        return n + (timeouts ? put_timeouts(c, data + n) : 0);
}

void drive_report_opcodes(struct drive *d, struct request *r)
{
        enum { ALL, WITHOUT_ACTION, WITH_ACTION, EITHER };
        uint8_t data[REPORT_MAX];
        unsigned options = r->cdb[2] & 0x07, action = sg_get_unaligned_be16(r->cdb + 4);
        bool timeouts = r->cdb[2] & 0x80;
        size_t allocation = (size_t)sg_get_unaligned_be(4, r->cdb + 6);
        const struct drive_command *c = drive_command_find(d, r->cdb[3], action);
        if (options > EITHER)
                return request_invalid_field(r, 2, 2);
        if (options == ALL)
                return request_reply(r, data, put_all(d, timeouts, data), allocation);
        if (c && ((options == WITHOUT_ACTION && c->actions) || (options == WITH_ACTION && !c->actions)))
                return request_invalid_field(r, 2, 2);
        bool has_action = action <= SERVICE_ACTION && c && c->actions & 1u << action;
        if (c && (c->actions ? !has_action : options == EITHER && action != 0))
                c = NULL;
        request_reply(r, data, put_one(c, action, timeouts, data), allocation);
}

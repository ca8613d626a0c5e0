/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Moving the tape, and saying where it is. Each movement first brings what is in the buffer onto the medium.
 */
#include <glib.h>
#include <scsi/sg_unaligned.h>

#include "drive.h"

void drive_rewind(struct drive *d, struct request *r)
{
        drive_synchronize(d);
        d->position = 0;
        drive_time_rewind(d);
}

void drive_load_unload(struct drive *d, struct request *r)
{
        bool load = r->cdb[4] & 0x01;
        if (load && !d->loaded) {
                drive_load(d);
                return drive_time_load(d, true);
        }
        if (!d->loaded)
                return request_fail(r, SENSE_NOT_LOADED);
        if (!load && d->prevented)
                return request_fail(r, SENSE_REMOVAL_PREVENTED);
        drive_flush(d, r);
        drive_synchronize(d);
        d->position = 0;
        drive_time_rewind(d);
        if (!load)
                drive_time_load(d, false);
        d->loaded = load;
        d->fenced = d->fenced && load;
}

void drive_prevent_removal(struct drive *d, struct request *r)
{
        d->prevented = r->cdb[4] & 0x01;
}

/* SSC-5, SPACE. rest: blocks or filemarks still to go, without sign. */
static void stop_at_beginning(struct request *r, uint64_t rest)
{
        request_fail_information(r, SENSE_BEGINNING_OF_PARTITION, (int64_t)MIN(rest, INT64_MAX));
        r->sense.eom = true;
}

static bool is_block(const struct drive *d, uint64_t object)
{
        enum cartridge_kind kind = cartridge_kind(d->cartridge, object);
        return kind == CARTRIDGE_RECORD || kind == CARTRIDGE_BAD_RECORD;
}

static void blocks_forward(struct drive *d, struct request *r, uint64_t rest)
{
        for (; rest > 0 && is_block(d, d->position); rest--)
                d->position++;
        if (rest > 0)
                drive_stop(d, r, (int64_t)MIN(rest, INT64_MAX));
}

static void blocks_backward(struct drive *d, struct request *r, uint64_t rest)
{
        for (; rest > 0 && d->position > 0 && is_block(d, d->position - 1); rest--)
                d->position--;
        if (rest == 0)
                return;
        if (d->position == 0)
                return stop_at_beginning(r, rest);
        d->position--;
        request_fail_information(r, SENSE_FILEMARK, (int64_t)MIN(rest, INT64_MAX));
        r->sense.filemark = true;
}

static void filemarks_forward(struct drive *d, struct request *r, uint64_t rest)
{
        for (; rest > 0 && d->position < cartridge_count(d->cartridge); d->position++)
                rest -= !is_block(d, d->position);
        if (rest > 0)
                drive_stop(d, r, (int64_t)MIN(rest, INT64_MAX));
}

static void filemarks_backward(struct drive *d, struct request *r, uint64_t rest)
{
        for (; rest > 0 && d->position > 0; d->position--)
                rest -= !is_block(d, d->position - 1);
        if (rest > 0)
                stop_at_beginning(r, rest);
}

/* SSC-5, SPACE: behind the first of so many filemarks in a row, or more; none asked for: nowhere. */
static void sequential_forward(struct drive *d, struct request *r, uint64_t count)
{
        uint64_t run = 0;
        for (; run < count && d->position < cartridge_count(d->cartridge); d->position++)
                run = is_block(d, d->position) ? 0 : run + 1;
        if (run < count)
                drive_stop(d, r, (int64_t)MIN(count, INT64_MAX));
}

static void sequential_backward(struct drive *d, struct request *r, uint64_t count)
{
        uint64_t run = 0;
        for (; run < count && d->position > 0; d->position--)
                run = is_block(d, d->position - 1) ? 0 : run + 1;
        if (run < count)
                stop_at_beginning(r, count);
}

static void to_end_of_data(struct drive *d, struct request *r, uint64_t rest)
{
        d->position = cartridge_count(d->cartridge);
        if (cartridge_kind(d->cartridge, d->position) == CARTRIDGE_TORN)
                request_fail(r, drive_no_end(d));
}

/* By CODE; count is two's complement. */
static void space(struct drive *d, struct request *r, int64_t count)
{
        static const struct {
                void (*forward)(struct drive *d, struct request *r, uint64_t rest);
                void (*backward)(struct drive *d, struct request *r, uint64_t rest);
        } codes[] = {
                [0] = { blocks_forward, blocks_backward },
                [1] = { filemarks_forward, filemarks_backward },
                [2] = { sequential_forward, sequential_backward },
                [3] = { to_end_of_data, to_end_of_data },
        };
        unsigned code = r->cdb[1] & 0x0f;
        if (code >= G_N_ELEMENTS(codes) || (code == 2 && drive_lacks(d, VIRTUAL_NO_SEQUENTIAL_FILEMARKS)))
                return request_invalid_field(r, 1, 3);
        d->statistics.spaces++;
        drive_synchronize(d);
        if (count < 0)
                codes[code].backward(d, r, 0 - (uint64_t)count);
        else
                codes[code].forward(d, r, (uint64_t)count);
        drive_time_locate(d);
}

void drive_space6(struct drive *d, struct request *r)
{
        uint32_t count = sg_get_unaligned_be24(r->cdb + 2);
        space(d, r, count & 0x800000 ? (int64_t)count - 0x1000000 : count);
}

void drive_space16(struct drive *d, struct request *r)
{
        space(d, r, (int64_t)sg_get_unaligned_be(8, r->cdb + 4));
}

/* partition_byte: where PARTITION is in the CDB; it counts if CP is set. */
static void locate(struct drive *d, struct request *r, uint64_t object, unsigned partition_byte)
{
        bool change_partition = r->cdb[1] & 0x02;
        if (change_partition && r->cdb[partition_byte])
                return request_invalid_field(r, partition_byte, 7);
        d->statistics.locates++;
        drive_synchronize(d);
        uint64_t count = cartridge_count(d->cartridge);
        d->position = MIN(object, count);
        drive_time_locate(d);
        if (object <= count)
                return;
        bool torn = cartridge_kind(d->cartridge, count) == CARTRIDGE_TORN;
        request_fail(r, torn ? drive_no_end(d) : SENSE_END_OF_DATA);
}

/* BT, an address that is vendor specific, makes no difference. */
void drive_locate10(struct drive *d, struct request *r)
{
        locate(d, r, (uint32_t)sg_get_unaligned_be(4, r->cdb + 3), 8);
}

void drive_locate16(struct drive *d, struct request *r)
{
        locate(d, r, sg_get_unaligned_be(8, r->cdb + 4), 3);
}

enum {
        POSITION_BOP = 0x80,
        POSITION_EOP = 0x40,
        POSITION_LOCU = 0x20, /* number of objects in the buffer does not fit its field */
        POSITION_BYCU = 0x10, /* number of bytes in the buffer likewise */
        POSITION_PERR = 0x02, /* the position does not fit its field */
};

static uint8_t position_flags(const struct drive *d)
{
        uint8_t flags = d->position == 0 ? POSITION_BOP : 0;
        if (!drive_lacks(d, VIRTUAL_NO_EOM_POSITION) && drive_past_early_warning(d, d->position))
                flags |= POSITION_EOP;
        return flags;
}

/* What was not synchronized counts as being in the buffer. */
struct buffered {
        uint64_t on_medium, objects, bytes; /* the first object not on the medium; in the buffer */
};

static struct buffered in_buffer(const struct drive *d)
{
        uint64_t on_medium = MIN(d->synced, d->position);
        if (on_medium == d->position) /* the sums go over all that follows */
                return (struct buffered){ .on_medium = on_medium };
        return (struct buffered){ on_medium, d->position - on_medium,
                cartridge_data_before(d->cartridge, d->position) -
                        cartridge_data_before(d->cartridge, on_medium) };
}

/* SSC-5, READ POSITION, short form. */
static void position_short(struct drive *d, struct request *r)
{
        uint8_t data[20] = { 0 };
        struct buffered b = in_buffer(d);
        data[0] = position_flags(d);
        if (d->position > UINT32_MAX)
                data[0] |= POSITION_PERR;
        sg_put_unaligned_be32((uint32_t)d->position, data + 4);
        sg_put_unaligned_be32((uint32_t)b.on_medium, data + 8);
        if (b.objects > 0xffffff)
                data[0] |= POSITION_LOCU;
        else
                sg_put_unaligned_be24((uint32_t)b.objects, data + 13);
        if (b.bytes > UINT32_MAX)
                data[0] |= POSITION_BYCU;
        else
                sg_put_unaligned_be32((uint32_t)b.bytes, data + 16);
        request_reply(r, data, sizeof(data), sizeof(data));
}

static void position_long(struct drive *d, struct request *r)
{
        uint8_t data[32] = { 0 };
        data[0] = position_flags(d);
        sg_put_unaligned_be64(d->position, data + 8);
        sg_put_unaligned_be64(cartridge_filemarks_before(d->cartridge, d->position), data + 16);
        request_reply(r, data, sizeof(data), sizeof(data));
}

static void position_extended(struct drive *d, struct request *r)
{
        uint8_t data[32] = { 0 };
        struct buffered b = in_buffer(d);
        data[0] = position_flags(d);
        sg_put_unaligned_be16(sizeof(data) - 4, data + 2);
        if (b.objects > 0xffffff)
                data[0] |= POSITION_LOCU;
        else
                sg_put_unaligned_be24((uint32_t)b.objects, data + 5);
        sg_put_unaligned_be64(d->position, data + 8);
        sg_put_unaligned_be64(b.on_medium, data + 16);
        sg_put_unaligned_be64(b.bytes, data + 24);
        request_reply(r, data, sizeof(data), sg_get_unaligned_be16(r->cdb + 7));
}

/* Only the extended form has an allocation length. */
void drive_read_position(struct drive *d, struct request *r)
{
        /* Vendor specific addresses, which are the same here, are asked for by st. */
        enum { SHORT = 0x00, SHORT_VENDOR = 0x01, LONG = 0x06, EXTENDED = 0x08 };
        unsigned action = r->cdb[1] & SERVICE_ACTION;
        if (action > SHORT_VENDOR && drive_lacks(d, VIRTUAL_NO_LONG_POSITION))
                return request_invalid_field(r, 1, 4);
        if (action == EXTENDED)
                return position_extended(d, r);
        for (unsigned byte = 7; byte <= 8; byte++)
                if (r->cdb[byte])
                        return request_invalid_field(r, byte, (unsigned)g_bit_nth_msf(r->cdb[byte], -1));
        if (action == LONG)
                position_long(d, r);
        else
                position_short(d, r);
}

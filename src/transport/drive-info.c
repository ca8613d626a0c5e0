/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the drive says about itself and the medium. */
#include <glib.h>
#include <scsi/sg_unaligned.h>
#include <string.h>

#include "drive.h"

#define SERIAL_LENGTH 10

/* The drive is the cartridge's path: the same serial number each time. */
static void serial_number(const struct drive *d, char serial[static SERIAL_LENGTH + 1])
{
        g_snprintf(serial, SERIAL_LENGTH + 1, "RV%08X", g_str_hash(d->path));
}

/* SPC-5, standard INQUIRY data: a sequential-access device with a removable medium. */
static size_t standard_data(const struct drive *d, uint8_t *data)
{
        data[0] = 0x01;
        data[1] = 0x80;
        data[2] = 0x06; /* SPC-4 */
        data[3] = 0x02;
        data[4] = 36 - 5;
        memcpy(data + 8, DRIVE_VENDOR, 8);
        memcpy(data + 16, DRIVE_PRODUCT, 16);
        memcpy(data + 32, REELFS_VERSION "    ", 4);
        return 36;
}

static size_t vpd_supported_pages(const struct drive *d, uint8_t *data)
{
        static const uint8_t pages[] = { 0x00, 0x80, 0x83 };
        memcpy(data + 4, pages, sizeof(pages));
        return 4 + sizeof(pages);
}

static size_t vpd_serial_number(const struct drive *d, uint8_t *data)
{
        char serial[SERIAL_LENGTH + 1];
        serial_number(d, serial);
        memcpy(data + 4, serial, SERIAL_LENGTH);
        return 4 + SERIAL_LENGTH;
}

/* One designator: T10 vendor identification, ASCII, of the logical unit. */
static size_t vpd_identification(const struct drive *d, uint8_t *data)
{
        char serial[SERIAL_LENGTH + 1];
        serial_number(d, serial);
        data[4] = 0x02;
        data[5] = 0x01;
        data[7] = 8 + 16 + SERIAL_LENGTH;
        memcpy(data + 8, DRIVE_VENDOR DRIVE_PRODUCT, 8 + 16);
        memcpy(data + 32, serial, SERIAL_LENGTH);
        return 32 + SERIAL_LENGTH;
}

void drive_inquiry(struct drive *d, struct request *r)
{
        static const struct {
                uint8_t page;
                size_t (*fill)(const struct drive *d, uint8_t *data);
        } pages[] = { { 0x00, vpd_supported_pages }, { 0x80, vpd_serial_number },
                { 0x83, vpd_identification } };
        uint8_t data[64] = { 0 }, page = r->cdb[2];
        size_t length = 0, allocation = sg_get_unaligned_be16(r->cdb + 3);
        if (!(r->cdb[1] & 0x01)) {
                if (page)
                        return request_invalid_field(r, 2, 7);
                length = standard_data(d, data);
                return request_reply(r, data, length, allocation);
        }
        for (size_t i = 0; i < G_N_ELEMENTS(pages) && length == 0; i++)
                if (pages[i].page == page)
                        length = pages[i].fill(d, data);
        if (length == 0)
                return request_invalid_field(r, 2, 7);
        data[0] = 0x01;
        data[1] = page;
        sg_put_unaligned_be16((uint16_t)(length - 4), data + 2);
        request_reply(r, data, length, allocation);
}

void drive_report_luns(struct drive *d, struct request *r)
{
        /* Select report: 0 logical units, 1 well-known ones, 2 both. */
        uint8_t data[16] = { 0 }, select = r->cdb[2];
        uint32_t allocation = (uint32_t)sg_get_unaligned_be(4, r->cdb + 6);
        if (select > 2)
                return request_invalid_field(r, 2, 7);
        if (allocation < sizeof(data))
                return request_invalid_field(r, 6, 7);
        if (select != 1)
                data[3] = 8;
        request_reply(r, data, 8 + data[3], allocation);
}

/* SSC-5, READ BLOCK LIMITS: both limits the same for a drive of fixed blocks. */
void drive_read_block_limits(struct drive *d, struct request *r)
{
        uint8_t data[6] = { 0 };
        bool fixed = drive_lacks(d, VIRTUAL_NO_VARIABLE);
        uint32_t length = d->settings.cartridge.fixed_block;
        sg_put_unaligned_be24(fixed ? length : SETTINGS_MAX_BLOCK, data + 1);
        sg_put_unaligned_be16(fixed ? (uint16_t)length : 1, data + 4);
        request_reply(r, data, sizeof(data), sizeof(data));
}

/* MiB of the partition, SSC-5, tape capacity log page. A cartridge without a capacity ends where the host's
 * disk does. */
static void capacity_mib(const struct drive *d, uint32_t *remaining, uint32_t *maximum)
{
        uint64_t whole = d->settings.cartridge.capacity, used = cartridge_data(d->cartridge);
        if (whole == 0)
                whole = used + cartridge_host_space(d->cartridge);
        uint64_t left = whole > used ? whole - used : 0;
        *remaining = d->loaded ? (uint32_t)MIN(left >> 20, UINT32_MAX) : 0;
        *maximum = d->loaded ? (uint32_t)MIN(whole >> 20, UINT32_MAX) : 0;
}

static size_t log_supported_pages(const struct drive *d, unsigned first, uint8_t *data)
{
        static const uint8_t pages[] = { 0x00, 0x31 };
        memcpy(data, pages, sizeof(pages));
        return sizeof(pages);
}

/* Parameters 1 to 4: remaining and maximum capacity, of the main partition and of another that there is not.
 */
static size_t log_tape_capacity(const struct drive *d, unsigned first, uint8_t *data)
{
        uint32_t values[4] = { 0 };
        size_t length = 0;
        capacity_mib(d, &values[0], &values[2]);
        for (unsigned i = MAX(first, 1); i <= G_N_ELEMENTS(values); i++) {
                sg_put_unaligned_be16((uint16_t)i, data + length);
                data[length + 2] = 0x03; /* a number in a list */
                data[length + 3] = 4;
                sg_put_unaligned_be32(values[i - 1], data + length + 4);
                length += 8;
        }
        return length;
}

void drive_log_sense(struct drive *d, struct request *r)
{
        static const struct {
                uint8_t page;
                unsigned last; /* parameter */
                size_t (*fill)(const struct drive *d, unsigned first, uint8_t *data);
        } pages[] = { { 0x00, 0, log_supported_pages }, { 0x31, 4, log_tape_capacity } };
        uint8_t data[64] = { 0 }, page = r->cdb[2] & 0x3f;
        unsigned control = r->cdb[2] >> 6, first = sg_get_unaligned_be16(r->cdb + 5), i = 0;
        while (i < G_N_ELEMENTS(pages) && pages[i].page != page)
                i++;
        if (control != 1) /* cumulative values only */
                return request_invalid_field(r, 2, 7);
        if (i == G_N_ELEMENTS(pages))
                return request_invalid_field(r, 2, 5);
        if (r->cdb[3])
                return request_invalid_field(r, 3, 7);
        if (first > pages[i].last)
                return request_invalid_field(r, 5, 7);
        size_t length = pages[i].fill(d, first, data + 4);
        data[0] = page;
        sg_put_unaligned_be16((uint16_t)length, data + 2);
        request_reply(r, data, 4 + length, sg_get_unaligned_be16(r->cdb + 7));
}

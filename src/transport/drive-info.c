/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the drive says about itself and the medium. */
#include <glib.h>
#include <scsi/sg_unaligned.h>
#include <string.h>

#include "drive.h"

/* The drive is the cartridge's path. */
void drive_serial_number(const struct drive *d, char serial[static SERIAL_LENGTH + 1])
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
        data[5] = drive_has_protection(d); /* PROTECT */
        memcpy(data + 8, DRIVE_VENDOR, 8);
        memcpy(data + 16, DRIVE_PRODUCT, 16);
        memcpy(data + 32, REELFS_VERSION "    ", 4);
        return 36;
}

static size_t vpd_supported_pages(const struct drive *d, uint8_t *data);

/* SPC-5, Extended INQUIRY Data: SPT, logical block protection of SSC-5. */
static size_t vpd_extended(const struct drive *d, uint8_t *data)
{
        data[4] = drive_has_protection(d) ? 0x08 : 0;
        return 64;
}

static size_t vpd_serial_number(const struct drive *d, uint8_t *data)
{
        char serial[SERIAL_LENGTH + 1];
        drive_serial_number(d, serial);
        memcpy(data + 4, serial, SERIAL_LENGTH);
        return 4 + SERIAL_LENGTH;
}

/* Designators of the logical unit: T10 vendor identification, ASCII; NAA, locally assigned. */
static size_t vpd_identification(const struct drive *d, uint8_t *data)
{
        char serial[SERIAL_LENGTH + 1];
        uint8_t *naa = data + 8 + 8 + 16 + SERIAL_LENGTH;
        drive_serial_number(d, serial);
        data[4] = 0x02;
        data[5] = 0x01;
        data[7] = 8 + 16 + SERIAL_LENGTH;
        memcpy(data + 8, DRIVE_VENDOR DRIVE_PRODUCT, 8 + 16);
        memcpy(data + 32, serial, SERIAL_LENGTH);
        naa[0] = 0x01;
        naa[1] = 0x03;
        naa[3] = 8;
        sg_put_unaligned_be64(UINT64_C(3) << 60 | g_str_hash(d->path), naa + 4);
        return 32 + SERIAL_LENGTH + 4 + 8;
}

/* SSC-5, Sequential-Access Device Capabilities: takes WORM media. */
static size_t vpd_capabilities(const struct drive *d, uint8_t *data)
{
        data[4] = 0x01;
        return 4 + 2;
}

static const struct {
        uint8_t page;
        size_t (*fill)(const struct drive *d, uint8_t *data);
} vpd_pages[] = {
        { 0x00, vpd_supported_pages },
        { 0x80, vpd_serial_number },
        { 0x83, vpd_identification },
        { 0x86, vpd_extended },
        { 0xb0, vpd_capabilities },
};

static size_t vpd_supported_pages(const struct drive *d, uint8_t *data)
{
        for (size_t i = 0; i < G_N_ELEMENTS(vpd_pages); i++)
                data[4 + i] = vpd_pages[i].page;
        return 4 + G_N_ELEMENTS(vpd_pages);
}

void drive_inquiry(struct drive *d, struct request *r)
{
        uint8_t data[64] = { 0 }, page = r->cdb[2];
        size_t length = 0, allocation = sg_get_unaligned_be16(r->cdb + 3);
        bool vital = r->cdb[1] & 0x01;
        if (!vital && page)
                return request_invalid_field(r, 2, 7);
        if (!vital)
                return request_reply(r, data, standard_data(d, data), allocation);
        if (drive_lacks(d, VIRTUAL_NO_VPD))
                return request_invalid_field(r, 1, 0);
        for (size_t i = 0; i < G_N_ELEMENTS(vpd_pages) && length == 0; i++)
                if (vpd_pages[i].page == page)
                        length = vpd_pages[i].fill(d, data);
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

/* ---- REPORT DENSITY SUPPORT, SSC-5 */

#define DENSITY_LENGTH 52
#define MEDIUM_LENGTH 56

static void put_padded(uint8_t *field, size_t size, const char *text)
{
        memset(field, ' ', size);
        memcpy(field, text, MIN(strlen(text), size));
}

/* The one density, of code 00h, the default, as MODE SENSE says it. */
static size_t put_density(const struct drive *d, uint8_t *p)
{
        uint64_t remaining, maximum;
        drive_capacity(d, &remaining, &maximum);
        p[2] = 0xa0;                       /* WRTOK, DEFLT */
        sg_put_unaligned_be16(127, p + 8); /* tenths of a millimetre */
        sg_put_unaligned_be16(1, p + 10);
        sg_put_unaligned_be32((uint32_t)MIN(maximum / 1000000, UINT32_MAX), p + 12);
        put_padded(p + 16, 8, DRIVE_VENDOR);
        put_padded(p + 24, 8, "TAP");
        put_padded(p + 32, 20, "SIMH tape in a file");
        return DENSITY_LENGTH;
}

static size_t put_medium(const struct drive *d, uint8_t *p)
{
        sg_put_unaligned_be16(MEDIUM_LENGTH - 4, p + 2);
        p[4] = 1; /* density codes: the first of which is 00h */
        sg_put_unaligned_be16(127, p + 14);
        put_padded(p + 20, 8, DRIVE_VENDOR);
        put_padded(p + 28, 8, "FILE");
        put_padded(p + 36, 20, "cartridge in a file");
        return MEDIUM_LENGTH;
}

void drive_report_density(struct drive *d, struct request *r)
{
        uint8_t data[4 + MEDIUM_LENGTH] = { 0 };
        bool of_medium = r->cdb[1] & 0x01, types = r->cdb[1] & 0x02;
        if (of_medium && !d->loaded)
                return request_fail(r, SENSE_NOT_LOADED);
        size_t length = 4 + (types ? put_medium : put_density)(d, data + 4);
        sg_put_unaligned_be16((uint16_t)(length - 2), data);
        request_reply(r, data, length, sg_get_unaligned_be16(r->cdb + 7));
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* MODE SENSE and MODE SELECT, SPC-5 and SSC-5, "Mode parameters". */
#include <glib.h>
#include <scsi/sg_unaligned.h>
#include <string.h>

#include "drive.h"

#define DESCRIPTOR_LENGTH 8
#define ALL_PAGES 0x3f
#define NO_PAGE 0x00 /* header and block descriptor alone */
#define LIST_MAX 255 /* more than any list that fits the pages */
#define DENSITY_DEFAULT 0x00
#define DENSITY_NO_CHANGE 0x7f
#define D_SENSE 0x04 /* control mode page, byte 2 */

#define SUBPAGES 0x40 /* SPF, of a page's first byte: the second is the subpage, then come two of length */
#define ALL_SUBPAGES 0xff
#define WRITE_MODE 0xf0 /* device configuration extension, byte 5 */
#define APPEND_ONLY 0x10
#define WORM_MODE 0x01     /* medium configuration, byte 2 */
#define METHOD_CRC32C 0x02 /* control data protection, byte 4 */
#define LBP_W 0x80         /* byte 6 */
#define LBP_R 0x40
#define MEGABYTE 1000000

static const struct {
        unsigned lacks; /* ability without which there is no such page */
        uint8_t defaults[MODE_PAGE_MAX];
        uint8_t changeable[MODE_PAGE_MAX];
} pages[MODE_PAGES] = {
        [MODE_CONTROL] = { 0, { 0x0a, 0x0a }, { 0, 0, D_SENSE } },
        /* Method, length of the information; LBP_W, LBP_R */
        [MODE_PROTECTION] = { VIRTUAL_NO_PROTECTION | VIRTUAL_NO_VARIABLE, { SUBPAGES | 0x0a, 0xf0, 0, 0x1c },
                { [4] = 0xff, [5] = 0x3f, [6] = 0xc0 } },
        /* DCE and DDE on, DCC; the algorithm is nobody's business: capacity is native. */
        [MODE_COMPRESSION] = { 0, { 0x0f, 0x0e, 0xc0, 0x80 }, { 0, 0, 0x80 } },
        /* LOIS: blocks have object identifiers; EEG: an EOD is written. */
        [MODE_CONFIGURATION] = { 0, { 0x10, 0x0e, [8] = 0x40, [10] = 0x10 }, { 0 } },
        /* Write mode; PEWS */
        [MODE_EXTENSION] = { VIRTUAL_NO_EXTENSION, { SUBPAGES | 0x10, 0x01, 0, 0x1c },
                { [5] = WRITE_MODE, [6] = 0xff, [7] = 0xff } },
        /* Restrictions of WORM media: see drive-protect.c */
        [MODE_MEDIUM] = { VIRTUAL_NO_MEDIUM_PAGE, { 0x1d, 0x1e, [4] = 0x01, [5] = 0x02 }, { 0 } },
};

/* The two forms of the mode parameter header. */
struct header_form {
        uint8_t length;
        uint8_t data_length;                        /* bytes of the field MODE DATA LENGTH, at offset 0 */
        uint8_t device_specific, descriptor_length; /* offsets of the last byte of each */
};
static const struct header_form header6 = { 4, 1, 2, 3 }, header10 = { 8, 2, 3, 7 };

/* Of the page that begins there. */
static size_t header_length(const uint8_t *page)
{
        return page[0] & SUBPAGES ? 4 : 2;
}

static size_t stated_length(const uint8_t *page)
{
        return header_length(page) + (page[0] & SUBPAGES ? sg_get_unaligned_be16(page + 2) : page[1]);
}

static size_t page_length(unsigned page)
{
        return stated_length(pages[page].defaults);
}

static uint8_t subpage_of(unsigned page)
{
        return pages[page].defaults[0] & SUBPAGES ? pages[page].defaults[1] : 0;
}

/* As it is after a reset, with this drive and this cartridge. */
static void default_page(const struct drive *d, unsigned page, uint8_t *data)
{
        const struct virtual_cartridge *c = &d->settings.cartridge;
        memcpy(data, pages[page].defaults, MODE_PAGE_MAX);
        if (page == MODE_CONTROL && c->descriptor_sense)
                data[2] |= D_SENSE;
        else if (page == MODE_EXTENSION && c->append_only)
                data[5] |= APPEND_ONLY;
        else if (page == MODE_MEDIUM && c->worm)
                data[2] |= WORM_MODE;
}

static uint32_t default_block_length(const struct drive *d)
{
        return drive_lacks(d, VIRTUAL_NO_VARIABLE) ? d->settings.cartridge.fixed_block : 0;
}

void drive_mode_reset(struct drive *d)
{
        d->mode = (struct drive_mode){ .block_length = default_block_length(d), .buffered = 1 };
        for (unsigned i = 0; i < MODE_PAGES; i++)
                default_page(d, i, d->mode.pages[i]);
}

bool drive_mode_append_only(const struct drive *d)
{
        return (d->mode.pages[MODE_EXTENSION][5] & WRITE_MODE) == APPEND_ONLY;
}

bool drive_has_protection(const struct drive *d)
{
        return !(d->settings.cartridge.lacks & pages[MODE_PROTECTION].lacks);
}

uint32_t drive_mode_protection(const struct drive *d, enum transport_direction direction)
{
        const uint8_t *p = d->mode.pages[MODE_PROTECTION];
        bool on = p[4] && p[6] & (direction == TRANSPORT_OUT ? LBP_W : LBP_R);
        return on ? DRIVE_PROTECTION_LENGTH : 0;
}

uint64_t drive_mode_early_warning(const struct drive *d)
{
        return (uint64_t)MEGABYTE * sg_get_unaligned_be16(d->mode.pages[MODE_EXTENSION] + 6);
}

bool drive_mode_descriptor_sense(const struct drive *d)
{
        return d->mode.pages[MODE_CONTROL][2] & D_SENSE;
}

enum page_control { CURRENT, CHANGEABLE, DEFAULT, SAVED };

static size_t put_descriptor(const struct drive *d, enum page_control control, uint8_t *data)
{
        uint32_t length = d->mode.block_length;
        memset(data, 0, DESCRIPTOR_LENGTH);
        data[0] = DENSITY_DEFAULT;
        if (control == CHANGEABLE)
                length = drive_lacks(d, VIRTUAL_NO_VARIABLE) ? 0 : 0xffffff;
        else if (control == DEFAULT)
                length = default_block_length(d);
        sg_put_unaligned_be24(length, data + 5);
        return DESCRIPTOR_LENGTH;
}

static bool is_selected(const struct drive *d, unsigned page, uint8_t code, uint8_t subpage)
{
        if (d->settings.cartridge.lacks & pages[page].lacks)
                return false;
        if (code != ALL_PAGES && code != (pages[page].defaults[0] & 0x3f))
                return false;
        return subpage == ALL_SUBPAGES || subpage == subpage_of(page);
}

/* The pages that code and subpage select, one after the other. 0: there is none. */
static size_t put_pages(
        const struct drive *d, enum page_control control, uint8_t code, uint8_t subpage, uint8_t *data)
{
        size_t n = 0;
        for (unsigned i = 0; i < MODE_PAGES; i++) {
                uint8_t defaults[MODE_PAGE_MAX];
                if (!is_selected(d, i, code, subpage))
                        continue;
                default_page(d, i, defaults);
                const uint8_t *const from[] = {
                        [CURRENT] = d->mode.pages[i], [CHANGEABLE] = pages[i].changeable, [DEFAULT] = defaults
                };
                memcpy(data + n, from[control], page_length(i));
                memcpy(data + n, defaults, header_length(defaults));
                n += page_length(i);
        }
        return n;
}

static void mode_sense(struct drive *d, struct request *r, const struct header_form *form, size_t allocation)
{
        uint8_t data[8 + DESCRIPTOR_LENGTH + MODE_PAGES * MODE_PAGE_MAX] = { 0 };
        uint8_t code = r->cdb[2] & 0x3f, subpage = r->cdb[3];
        enum page_control control = r->cdb[2] >> 6;
        size_t length = form->length;
        if (control == SAVED)
                return request_fail(r, SENSE_NO_SAVED_PARAMETERS);
        if (!(r->cdb[1] & 0x08)) { /* DBD */
                data[form->descriptor_length] = DESCRIPTOR_LENGTH;
                length += put_descriptor(d, control, data + length);
        }
        size_t n = put_pages(d, control, code, subpage, data + length);
        if (n == 0 && (code != NO_PAGE || subpage != 0))
                return subpage ? request_invalid_field(r, 3, 7) : request_invalid_field(r, 2, 5);
        length += n;
        data[form->device_specific] = (uint8_t)(d->write_protected << 7 | d->mode.buffered << 4);
        data[form->data_length - 1] = (uint8_t)(length - form->data_length);
        request_reply(r, data, length, allocation);
}

void drive_mode_sense6(struct drive *d, struct request *r)
{
        mode_sense(d, r, &header6, r->cdb[4]);
}

void drive_mode_sense10(struct drive *d, struct request *r)
{
        mode_sense(d, r, &header10, sg_get_unaligned_be16(r->cdb + 7));
}

static bool block_length_allowed(const struct drive *d, uint32_t length)
{
        if (drive_lacks(d, VIRTUAL_NO_VARIABLE))
                return length == d->settings.cartridge.fixed_block;
        return length <= SETTINGS_MAX_BLOCK + drive_mode_protection(d, TRANSPORT_OUT);
}

/* These return whether the list is valid so far, having set the sense otherwise; they change mode only. */
static bool select_header(
        struct request *r, const struct header_form *form, const uint8_t *list, struct drive_mode *mode)
{
        for (unsigned i = 0; i < form->length; i++) {
                uint8_t allowed = 0;
                if (i == form->device_specific)
                        allowed = 0x90; /* WP, which has no meaning here; buffered mode 0 or 1 */
                else if (i == form->descriptor_length)
                        allowed = DESCRIPTOR_LENGTH;
                if (list[i] & ~allowed) {
                        request_invalid_parameter(r, i, (unsigned)g_bit_nth_msf(list[i] & ~allowed, -1));
                        return false;
                }
        }
        mode->buffered = list[form->device_specific] >> 4 & 1;
        return true;
}

static bool select_descriptor(
        const struct drive *d, struct request *r, const uint8_t *list, size_t at, struct drive_mode *mode)
{
        const uint8_t *p = list + at;
        uint32_t length = sg_get_unaligned_be24(p + 5);
        if (p[0] != DENSITY_DEFAULT && p[0] != DENSITY_NO_CHANGE)
                request_invalid_parameter(r, (unsigned)at, 7);
        else if (sg_get_unaligned_be24(p + 1)) /* number of blocks: all the rest is all there is */
                request_invalid_parameter(r, (unsigned)at + 1, 7);
        else if (p[4])
                request_invalid_parameter(r, (unsigned)at + 4, 7);
        else if (!block_length_allowed(d, length))
                request_invalid_parameter(r, (unsigned)at + 5, 7);
        else
                mode->block_length = length;
        return !r->check;
}

/* What the bits that can be changed may not be. Returns the byte; 0: all is well. */
static unsigned wrong_value(unsigned page, const uint8_t *p)
{
        if (page == MODE_EXTENSION)
                return (p[5] & WRITE_MODE) > APPEND_ONLY ? 5 : 0;
        if (page == MODE_PROTECTION && p[4] != 0 && p[4] != METHOD_CRC32C)
                return 4;
        if (page == MODE_PROTECTION && (p[5] & 0x3f) != (p[4] ? DRIVE_PROTECTION_LENGTH : 0))
                return 5;
        return 0;
}

/* The page at list + at, of which left bytes are there. */
static bool select_page(const struct drive *d, struct request *r, const uint8_t *list, size_t at, size_t left,
        struct drive_mode *mode)
{
        const uint8_t *p = list + at;
        unsigned page = 0;
        while (page < MODE_PAGES &&
                (pages[page].defaults[0] != p[0] || (p[0] & SUBPAGES && subpage_of(page) != p[1])))
                page++;
        if (page == MODE_PAGES || d->settings.cartridge.lacks & pages[page].lacks) {
                request_invalid_parameter(r, (unsigned)at, 7);
                return false;
        }
        if (left < page_length(page)) {
                request_fail(r, SENSE_LIST_LENGTH);
                return false;
        }
        for (unsigned i = 1; i < page_length(page); i++) {
                unsigned wrong = (p[i] ^ mode->pages[page][i]) & (unsigned)~pages[page].changeable[i];
                if (wrong) {
                        request_invalid_parameter(r, (unsigned)at + i, (unsigned)g_bit_nth_msf(wrong, -1));
                        return false;
                }
        }
        unsigned byte = wrong_value(page, p);
        if (byte > 0)
                request_invalid_parameter(r, (unsigned)at + byte, 7);
        else
                memcpy(mode->pages[page], p, page_length(page));
        return byte == 0;
}

static void mode_select(struct drive *d, struct request *r, const struct header_form *form, size_t length)
{
        uint8_t list[LIST_MAX];
        struct drive_mode mode = d->mode;
        if (length == 0 || !request_expect(r, TRANSPORT_OUT, length))
                return;
        if (length > sizeof(list) || length < form->length)
                return request_fail(r, SENSE_LIST_LENGTH);
        request_fetch(r, list, length);
        if (!select_header(r, form, list, &mode))
                return;
        size_t at = form->length, descriptor = list[form->descriptor_length];
        if (length < at + descriptor)
                return request_fail(r, SENSE_LIST_LENGTH);
        if (descriptor && !select_descriptor(d, r, list, at, &mode))
                return;
        at += descriptor;
        if (at < length && !(r->cdb[1] & 0x10)) /* PF: pages as in the standard */
                return request_invalid_field(r, 1, 4);
        while (at < length) {
                if (length - at < 2)
                        return request_fail(r, SENSE_LIST_LENGTH);
                if (!select_page(d, r, list, at, length - at, &mode))
                        return;
                at += stated_length(list + at);
        }
        d->mode = mode;
}

void drive_mode_select6(struct drive *d, struct request *r)
{
        mode_select(d, r, &header6, r->cdb[4]);
}

void drive_mode_select10(struct drive *d, struct request *r)
{
        mode_select(d, r, &header10, sg_get_unaligned_be16(r->cdb + 7));
}

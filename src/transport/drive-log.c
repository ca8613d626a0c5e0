/* SPDX-License-Identifier: GPL-2.0-or-later */
/* LOG SENSE: pages and their parameters (SPC-5, SSC-5). Capacities of page 31h are in MiB, as LTO drives have
 * it, those of other pages in megabytes of 10^6 bytes. */
#include <glib.h>
#include <scsi/sg_unaligned.h>
#include <stdio.h>
#include <string.h>

#include "drive.h"

#define PAGE_MAX 1024 /* bytes: more than any page here takes */
#define MEGA 1000000

/* A cartridge without a capacity ends where the host's disk does. */
void drive_capacity(const struct drive *d, uint64_t *remaining, uint64_t *maximum)
{
        uint64_t whole = d->settings.cartridge.capacity,
                 used = drive_used_before(d, cartridge_count(d->cartridge));
        if (whole == 0)
                whole = used + cartridge_host_space(d->cartridge);
        *remaining = d->loaded && whole > used ? whole - used : 0;
        *maximum = d->loaded ? whole : 0;
}

/* Parameters, in ascending order. */
struct log_page {
        uint8_t data[PAGE_MAX];
        size_t length;
};

enum { LIST_ASCII = 0x01, LIST_BINARY = 0x03 }; /* SPC-5, parameter control byte: format and linking */

static uint8_t *add_parameter(struct log_page *page, unsigned parameter, uint8_t control, size_t size)
{
        uint8_t *p = page->data + page->length;
        sg_put_unaligned_be16((uint16_t)parameter, p);
        p[2] = control;
        p[3] = (uint8_t)size;
        page->length += 4 + size;
        return p + 4;
}

static void add_number(struct log_page *page, unsigned parameter, size_t size, uint64_t n)
{
        uint64_t largest = size < 8 ? (UINT64_C(1) << 8 * size) - 1 : UINT64_MAX;
        uint8_t *p = add_parameter(page, parameter, LIST_BINARY, size);
        n = MIN(n, largest);
        for (size_t i = 0; i < size; i++)
                p[i] = (uint8_t)(n >> 8 * (size - 1 - i));
}

static void add_text(struct log_page *page, unsigned parameter, size_t size, const char *text)
{
        uint8_t *p = add_parameter(page, parameter, LIST_ASCII, size);
        memset(p, ' ', size);
        memcpy(p, text, MIN(strlen(text), size));
}

/* SSC-5, volume statistics: a record for the one partition there is. */
static void add_partition(struct log_page *page, unsigned parameter, uint64_t n)
{
        uint8_t *p = add_parameter(page, parameter, LIST_BINARY, 8);
        p[0] = 7;
        sg_put_unaligned_be32((uint32_t)MIN(n, UINT32_MAX - 1), p + 4);
}

static void sequential_access(struct drive *d, struct log_page *page)
{
        uint64_t remaining, maximum;
        drive_capacity(d, &remaining, &maximum);
        uint64_t warning = d->settings.cartridge.capacity ? d->settings.cartridge.early_warning : 0;
        add_number(page, 0x0000, 8, d->bytes_written);
        add_number(page, 0x0001, 8, d->bytes_written);
        add_number(page, 0x0002, 8, d->bytes_read);
        add_number(page, 0x0003, 8, d->bytes_read);
        add_number(page, 0x0004, 8, cartridge_data(d->cartridge) / MEGA);
        add_number(page, 0x0005, 8, (maximum - MIN(warning, maximum)) / MEGA);
        add_number(page, 0x0006, 8, warning / MEGA);
        add_number(page, 0x0007, 8, cartridge_data_before(d->cartridge, d->position) / MEGA);
        add_number(page, 0x0100, 8, 0); /* no cleaning required */
}

static void volume_statistics(struct drive *d, struct log_page *page)
{
        uint64_t remaining, maximum;
        drive_capacity(d, &remaining, &maximum);
        uint64_t warning = d->settings.cartridge.capacity ? d->settings.cartridge.early_warning : 0;
        uint64_t used = maximum - remaining;
        add_number(page, 0x0000, 1, d->loaded);
        add_number(page, 0x0001, 4, d->loaded);
        add_number(page, 0x000e, 4, d->bytes_written / MEGA);
        add_number(page, 0x000f, 4, d->bytes_read / MEGA);
        add_number(page, 0x0016, 4, maximum / MEGA);
        add_number(page, 0x0017, 4, used / MEGA);
        add_text(page, 0x0042, 32, d->settings.cartridge.barcode);
        add_number(page, 0x0080, 1, d->write_protected);
        add_number(page, 0x0081, 1, 0); /* WORM */
        add_partition(page, 0x0202, maximum / MEGA);
        add_partition(page, 0x0203, used / MEGA);
        add_partition(page, 0x0204, (remaining - MIN(warning, remaining)) / MEGA);
}

/* SSC-5, TapeAlert: flags are deactivated by being read. */
static void tape_alert(struct drive *d, struct log_page *page)
{
        for (unsigned i = 1; i <= 64; i++)
                add_number(page, i, 1, !!(d->tape_alerts & ALERT(i)));
        d->tape_alerts = 0;
}

/* Parameters 1 to 4: remaining and maximum capacity, of the main partition and of another that there is not.
 */
static void tape_capacity(struct drive *d, struct log_page *page)
{
        uint64_t remaining, maximum;
        drive_capacity(d, &remaining, &maximum);
        add_number(page, 1, 4, remaining >> 20);
        add_number(page, 2, 4, 0);
        add_number(page, 3, 4, maximum >> 20);
        add_number(page, 4, 4, 0);
}

static const struct {
        uint8_t page;
        unsigned last; /* parameter */
        unsigned lacks;
        void (*fill)(struct drive *d, struct log_page *page);
} pages[] = {
        { 0x00, 0, 0, NULL },
        { 0x0c, 0x0100, VIRTUAL_NO_SEQUENTIAL_PAGE, sequential_access },
        { 0x17, 0x0204, VIRTUAL_NO_VOLUME_PAGE, volume_statistics },
        { 0x2e, 0x0040, VIRTUAL_NO_ALERT_PAGE, tape_alert },
        { 0x31, 0x0004, VIRTUAL_NO_CAPACITY_PAGE, tape_capacity },
};

static void supported_pages(struct drive *d, struct log_page *page)
{
        for (size_t i = 0; i < G_N_ELEMENTS(pages); i++)
                if (!drive_lacks(d, pages[i].lacks))
                        page->data[page->length++] = pages[i].page;
}

/* Drops the parameters before first. */
static const uint8_t *from_parameter(struct log_page *page, unsigned first)
{
        const uint8_t *p = page->data;
        while (first > 0 && sg_get_unaligned_be16(p) < first) {
                size_t size = 4 + (size_t)p[3];
                p += size;
                page->length -= size;
        }
        return p;
}

static void reply_page(struct drive *d, struct request *r, size_t i, unsigned first)
{
        struct log_page page = { .length = 0 };
        uint8_t data[4 + PAGE_MAX] = { pages[i].page };
        (pages[i].fill ? pages[i].fill : supported_pages)(d, &page);
        const uint8_t *from = from_parameter(&page, first);
        sg_put_unaligned_be16((uint16_t)page.length, data + 2);
        memcpy(data + 4, from, page.length);
        request_reply(r, data, 4 + page.length, sg_get_unaligned_be16(r->cdb + 7));
}

void drive_log_sense(struct drive *d, struct request *r)
{
        unsigned control = r->cdb[2] >> 6, first = sg_get_unaligned_be16(r->cdb + 5);
        size_t i = 0;
        while (i < G_N_ELEMENTS(pages) &&
                (pages[i].page != (r->cdb[2] & 0x3f) || drive_lacks(d, pages[i].lacks)))
                i++;
        if (control != 1) /* cumulative values only */
                return request_invalid_field(r, 2, 7);
        if (i == G_N_ELEMENTS(pages))
                return request_invalid_field(r, 2, 5);
        if (r->cdb[3])
                return request_invalid_field(r, 3, 7);
        if (first > pages[i].last)
                return request_invalid_field(r, 5, 7);
        reply_page(d, r, i, first);
}

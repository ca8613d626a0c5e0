/* SPDX-License-Identifier: GPL-2.0-or-later */
/* LOG SENSE (SPC-5, SSC-5): what room there is, and TapeAlert. */
#include <errno.h>
#include <glib.h>
#include <inttypes.h>
#include <scsi/sg_unaligned.h>
#include <string.h>

#include <reelfs/log.h>

#include "private.h"

#define PAGE_VOLUME 0x17
#define PAGE_ALERT 0x2e
#define PAGE_CAPACITY 0x31
#define MEGA 1000000
#define MEBI (UINT64_C(1) << 20)

/* A page, in t->scratch; *length: of it. -EOPNOTSUPP, not logged: the drive has no such page. */
static int log_sense(Tape *t, uint8_t page, size_t *length)
{
        struct tape_command cmd;
        size_t size = command_reply_max(t);
        if (t->no_log)
                return -EOPNOTSUPP;
        command_init(&cmd, OP_LOG_SENSE);
        cmd.c.cdb[2] = 0x40 | page; /* PC 01b: cumulative values */
        sg_put_unaligned_be16((uint16_t)size, cmd.c.cdb + 7);
        command_data(t, &cmd, TRANSPORT_IN, size);
        int r = command_run(t, &cmd);
        if (r < 0)
                return r;
        if (cmd.sense.outcome == TAPE_ILLEGAL_REQUEST) {
                t->no_log = cmd.sense.asc == 0x20; /* invalid command operation code */
                return -EOPNOTSUPP;
        }
        if (cmd.sense.outcome != TAPE_GOOD)
                return command_fail(t, &cmd);
        *length = MIN(4 + (size_t)sg_get_unaligned_be16(t->scratch + 2), size);
        return (t->scratch[0] & 0x3f) == page ? 0 : -EOPNOTSUPP;
}

/* The value of a parameter; NULL: it is not there. */
static const uint8_t *find_parameter(const uint8_t *page, size_t length, uint16_t wanted, size_t *size)
{
        for (size_t at = 4; at + 4 <= length; at += 4 + *size) {
                *size = page[at + 3];
                if (sg_get_unaligned_be16(page + at) == wanted && at + 4 + *size <= length)
                        return page + at + 4;
        }
        return NULL;
}

static bool take_number(const uint8_t *page, size_t length, uint16_t wanted, uint64_t *n)
{
        size_t size;
        const uint8_t *p = find_parameter(page, length, wanted, &size);
        if (!p || size == 0 || size > 8)
                return false;
        *n = sg_get_unaligned_be((int)size, p);
        return true;
}

/* A capacity, not all ones: not known. */
static bool take_capacity(const uint8_t *page, size_t length, uint16_t wanted, uint64_t *n)
{
        size_t size;
        if (!find_parameter(page, length, wanted, &size) || !take_number(page, length, wanted, n))
                return false;
        return *n != UINT64_MAX >> (64 - 8 * size);
}

/* What a drive says in that unit, in bytes. A tape of no size is one of which it does not know. */
static int take_unit(struct tape_capacity *c, uint64_t unit)
{
        if (c->maximum == 0 || c->maximum > UINT64_MAX / unit || c->remaining > UINT64_MAX / unit)
                return -EOPNOTSUPP;
        c->remaining *= unit;
        c->maximum *= unit;
        return 0;
}

/* SSC-5, volume statistics: records of length, partition and value. All ones: not known. */
static bool take_partition(
        const uint8_t *page, size_t length, uint16_t wanted, uint32_t partition, uint64_t *n)
{
        size_t size;
        const uint8_t *p = find_parameter(page, length, wanted, &size);
        for (size_t at = 0; p && at + 8 <= size && p[at] >= 7; at += 1 + (size_t)p[at]) {
                *n = sg_get_unaligned_be(4, p + at + 4);
                if (sg_get_unaligned_be16(p + at + 2) == partition)
                        return *n < UINT32_MAX - 1;
        }
        return false;
}

/* Page 31h, tape capacity, as LTO drives have it: parameters of 32 bits, in MiB. */
static int capacity_page(Tape *t, struct tape_capacity *c)
{
        /* Partition 0 has parameters 1 and 3, partition 1 has 2 and 4. */
        uint16_t remaining = t->partition ? 2 : 1, maximum = t->partition ? 4 : 3;
        size_t length;
        int r = log_sense(t, PAGE_CAPACITY, &length);
        if (r < 0)
                return r;
        if (!take_capacity(t->scratch, length, remaining, &c->remaining) ||
                !take_capacity(t->scratch, length, maximum, &c->maximum))
                return -EOPNOTSUPP;
        return take_unit(c, MEBI);
}

/* Page 17h, volume statistics: megabytes. By partition, or, with only one, of the volume. */
static int volume_page(Tape *t, struct tape_capacity *c)
{
        size_t length;
        uint64_t used;
        int r = log_sense(t, PAGE_VOLUME, &length);
        if (r < 0)
                return r;
        const uint8_t *page = t->scratch;
        bool known = take_partition(page, length, 0x0202, t->partition, &c->maximum);
        bool told = known && take_partition(page, length, 0x0204, t->partition, &c->remaining);
        if (!told) {
                known = (known && take_partition(page, length, 0x0203, t->partition, &used)) ||
                        (t->partition == 0 && take_capacity(page, length, 0x0016, &c->maximum) &&
                                take_capacity(page, length, 0x0017, &used));
                c->remaining = known && c->maximum > used ? c->maximum - used : 0;
        }
        if (!known)
                return -EOPNOTSUPP;
        return take_unit(c, MEGA);
}

/* The cartridge's memory: MiB. */
static int memory_capacity(Tape *t, struct tape_capacity *c)
{
        struct tape_attribute remaining, maximum;
        int r = tape_read_attribute(t, ATTRIBUTE_REMAINING_CAPACITY, &remaining);
        if (r == 0)
                r = tape_read_attribute(t, ATTRIBUTE_MAXIMUM_CAPACITY, &maximum);
        if (r == -ENODATA)
                return -EOPNOTSUPP;
        if (r < 0)
                return r;
        if (!attribute_get_number(&remaining, &c->remaining) || !attribute_get_number(&maximum, &c->maximum))
                return -EOPNOTSUPP;
        return take_unit(c, MEBI);
}

int tape_get_capacity(Tape *t, struct tape_capacity *capacity)
{
        static int (*const sources[])(
                Tape * t, struct tape_capacity * c) = { capacity_page, volume_page, memory_capacity };
        *capacity = (struct tape_capacity){ 0 };
        if (!t->info.capacity)
                return -EOPNOTSUPP;
        for (; t->capacity_source < G_N_ELEMENTS(sources); t->capacity_source++) {
                int r = sources[t->capacity_source](t, capacity);
                if (r != -EOPNOTSUPP)
                        return r;
        }
        *capacity = (struct tape_capacity){ 0 };
        return -EOPNOTSUPP;
}

/* ---- TapeAlert */

int tape_get_alerts(Tape *t, uint64_t *flags)
{
        size_t length;
        *flags = 0;
        int r = t->no_alerts ? -EOPNOTSUPP : log_sense(t, PAGE_ALERT, &length);
        t->no_alerts |= r == -EOPNOTSUPP;
        if (r < 0)
                return r;
        for (unsigned i = 1; i <= 64; i++) {
                uint64_t flag;
                if (take_number(t->scratch, length, (uint16_t)i, &flag) && flag & 1)
                        *flags |= UINT64_C(1) << (i - 1);
        }
        t->alerts_seen |= *flags;
        return 0;
}

void tape_report_alerts(Tape *t)
{
        uint64_t seen = t->alerts_seen, flags;
        t->watch_alerts = true;
        t->alerts_due = false;
        if (tape_get_alerts(t, &flags) < 0)
                return;
        for (unsigned i = 1; i <= 64; i++) {
                bool serious;
                const char *text = tape_alert_text(i, &serious);
                if (flags & ~seen & UINT64_C(1) << (i - 1) && serious)
                        log_warning("%s: the drive says: %s (TapeAlert %u)", t->address, text, i);
        }
}

void alerts_after_failure(Tape *t)
{
        if (t->watch_alerts && t->alerts_due && !t->gone)
                tape_report_alerts(t);
}

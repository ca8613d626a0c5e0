/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Sense data to outcome (SPC-5, 4.4; SSC-5, annex on sense keys). No I/O, no state.
 * Fields whose top bit can be set are read by sg_get_unaligned_be: be32 and be64 shift it into an int's sign.
 */
#include <glib.h>
#include <scsi/sg_lib.h>
#include <scsi/sg_unaligned.h>
#include <string.h>

#include <reelfs/tape.h>

#define ANY 0xff

/* The first row that fits decides. Keys 0 and 1 (the command succeeded) look at filemark, ILI and EOM as
 * well, see classify(). */
static const struct {
        uint8_t key, asc, ascq;
        enum tape_outcome outcome;
} senses[] = {
        { ANY, 0x14, 0x03, TAPE_NO_EOD },
        { SPC_SK_NO_SENSE, 0x00, 0x01, TAPE_FILEMARK },
        { SPC_SK_NO_SENSE, 0x00, 0x02, TAPE_EARLY_WARNING },
        { SPC_SK_NO_SENSE, 0x00, 0x07, TAPE_EARLY_WARNING }, /* the programmed one */
        { SPC_SK_NO_SENSE, 0x00, 0x04, TAPE_BOP },
        { SPC_SK_NO_SENSE, 0x00, 0x05, TAPE_EOD },
        { SPC_SK_NO_SENSE, ANY, ANY, TAPE_GOOD },
        { SPC_SK_RECOVERED_ERROR, ANY, ANY, TAPE_GOOD },
        { SPC_SK_NOT_READY, 0x3a, ANY, TAPE_NO_MEDIUM },
        { SPC_SK_NOT_READY, 0x04, 0x02, TAPE_NO_MEDIUM },      /* in the drive, but not loaded */
        { SPC_SK_NOT_READY, 0x04, 0x03, TAPE_HARDWARE_ERROR }, /* manual intervention required */
        { SPC_SK_NOT_READY, 0x04, 0x12, TAPE_HARDWARE_ERROR }, /* offline */
        { SPC_SK_NOT_READY, 0x30, ANY, TAPE_MEDIUM_ERROR },    /* incompatible or cleaning medium */
        { SPC_SK_NOT_READY, 0x53, ANY, TAPE_HARDWARE_ERROR },  /* load or eject failed */
        { SPC_SK_NOT_READY, ANY, ANY, TAPE_NOT_READY },
        { SPC_SK_MEDIUM_ERROR, 0x00, 0x02, TAPE_END_OF_MEDIUM },
        { SPC_SK_MEDIUM_ERROR, ANY, ANY, TAPE_MEDIUM_ERROR },
        { SPC_SK_HARDWARE_ERROR, 0x10, 0x01,
                TAPE_ABORTED }, /* a block came damaged over the bus: once more */
        { SPC_SK_HARDWARE_ERROR, ANY, ANY, TAPE_HARDWARE_ERROR },
        { SPC_SK_ILLEGAL_REQUEST, ANY, ANY, TAPE_ILLEGAL_REQUEST },
        { SPC_SK_UNIT_ATTENTION, 0x28, ANY, TAPE_MEDIUM_CHANGED },
        { SPC_SK_UNIT_ATTENTION, 0x29, ANY, TAPE_RESET },
        { SPC_SK_UNIT_ATTENTION, 0x2a, ANY, TAPE_RESET },
        { SPC_SK_UNIT_ATTENTION, ANY, ANY, TAPE_ATTENTION },
        { SPC_SK_DATA_PROTECT, 0x30, 0x0c, TAPE_NO_OVERWRITE }, /* WORM medium, overwrite attempted */
        { SPC_SK_DATA_PROTECT, 0x50, 0x01, TAPE_NO_OVERWRITE }, /* write append position error */
        { SPC_SK_DATA_PROTECT, ANY, ANY, TAPE_WRITE_PROTECTED },
        { SPC_SK_BLANK_CHECK, ANY, ANY, TAPE_EOD },
        { SPC_SK_ABORTED_COMMAND, ANY, ANY, TAPE_ABORTED },
        { SPC_SK_VOLUME_OVERFLOW, ANY, ANY, TAPE_END_OF_MEDIUM },
};

/* SAM-5, 5.3.1 */
static const struct {
        uint8_t status;
        enum tape_outcome outcome;
} statuses[] = {
        { TRANSPORT_STATUS_GOOD, TAPE_GOOD },
        { 0x04 /* CONDITION MET */, TAPE_GOOD },
        { TRANSPORT_STATUS_BUSY, TAPE_BUSY },
        { TRANSPORT_STATUS_RESERVATION_CONFLICT, TAPE_RESERVED },
        { 0x28 /* TASK SET FULL */, TAPE_BUSY },
        { 0x30 /* ACA ACTIVE */, TAPE_BUSY },
        { 0x40 /* TASK ABORTED */, TAPE_ABORTED },
};

static const char *const outcome_names[TAPE_OUTCOMES] = {
        [TAPE_GOOD] = "good",
        [TAPE_FILEMARK] = "filemark",
        [TAPE_SHORT_BLOCK] = "short block",
        [TAPE_LONG_BLOCK] = "long block",
        [TAPE_EOD] = "end of data",
        [TAPE_BOP] = "beginning of partition",
        [TAPE_EARLY_WARNING] = "early warning",
        [TAPE_END_OF_MEDIUM] = "end of medium",
        [TAPE_NOT_READY] = "not ready",
        [TAPE_NO_MEDIUM] = "no medium",
        [TAPE_MEDIUM_CHANGED] = "medium changed",
        [TAPE_RESET] = "reset",
        [TAPE_ATTENTION] = "unit attention",
        [TAPE_WRITE_PROTECTED] = "write protected",
        [TAPE_NO_OVERWRITE] = "no overwriting",
        [TAPE_ILLEGAL_REQUEST] = "illegal request",
        [TAPE_MEDIUM_ERROR] = "medium error",
        [TAPE_NO_EOD] = "no end-of-data mark",
        [TAPE_HARDWARE_ERROR] = "hardware error",
        [TAPE_ABORTED] = "aborted",
        [TAPE_BUSY] = "busy",
        [TAPE_RESERVED] = "reserved",
        [TAPE_UNKNOWN] = "unknown",
};

static const char *const key_names[16] = { "no sense", "recovered error", "not ready", "medium error",
        "hardware error", "illegal request", "unit attention", "data protect", "blank check",
        "vendor specific", "copy aborted", "aborted command", "sense key Ch", "volume overflow", "miscompare",
        "completed" };

const char *tape_outcome_name(enum tape_outcome outcome)
{
        return (unsigned)outcome < TAPE_OUTCOMES ? outcome_names[outcome] : outcome_names[TAPE_UNKNOWN];
}

static enum tape_outcome look_up(const struct tape_sense *s)
{
        for (size_t i = 0; i < G_N_ELEMENTS(senses); i++)
                if ((senses[i].key == ANY || senses[i].key == s->key) &&
                        (senses[i].asc == ANY || senses[i].asc == s->asc) &&
                        (senses[i].ascq == ANY || senses[i].ascq == s->ascq))
                        return senses[i].outcome;
        return TAPE_UNKNOWN;
}

/* ILI: a drive that has no negative numbers says zero of a long block (SSC-5, READ(6)).
 * Past early warning the EOM bit comes along with everything, so that the more special flags go first. */
static enum tape_outcome classify(const struct tape_sense *s)
{
        enum tape_outcome outcome = look_up(s);
        if (s->key > SPC_SK_RECOVERED_ERROR)
                return outcome;
        if (s->filemark)
                return TAPE_FILEMARK;
        if (s->ili)
                return s->has_information && s->information <= 0 ? TAPE_LONG_BLOCK : TAPE_SHORT_BLOCK;
        if (outcome == TAPE_GOOD && s->eom)
                return TAPE_EARLY_WARNING;
        return outcome;
}

static void take_flags(uint8_t byte, struct tape_sense *d)
{
        d->filemark = byte & 0x80;
        d->eom = byte & 0x40;
        d->ili = byte & 0x20;
}

/* SPC-5, 4.4.3 */
static bool decode_fixed(const uint8_t *sense, size_t length, struct tape_sense *d)
{
        if (length < 3)
                return false;
        if (length >= 8)
                length = MIN(length, 8 + (size_t)sense[7]);
        d->key = sense[2] & 0x0f;
        take_flags(sense[2], d);
        if (length >= 7 && sense[0] & 0x80) {
                d->has_information = true;
                d->information = (int32_t)sg_get_unaligned_be(4, sense + 3);
        }
        if (length >= 13)
                d->asc = sense[12];
        if (length >= 14)
                d->ascq = sense[13];
        return true;
}

/* SPC-5, 4.4.2.2: what has four bytes in fixed format comes with zeros in front, negative or not. No count
 * of ours is as large. */
static int64_t take_signed(uint64_t information)
{
        return information <= UINT32_MAX ? (int32_t)information : (int64_t)information;
}

/* SPC-5, 4.4.2: descriptors of type 00h (information) and 04h (stream commands); others are skipped. */
static bool decode_descriptors(const uint8_t *sense, size_t length, struct tape_sense *d)
{
        if (length < 4)
                return false;
        d->key = sense[1] & 0x0f;
        d->asc = sense[2];
        d->ascq = sense[3];
        if (length < 8)
                return true;
        length = MIN(length, 8 + (size_t)sense[7]);
        for (size_t at = 8; at + 2 <= length; at += 2 + (size_t)sense[at + 1]) {
                const uint8_t *p = sense + at;
                size_t size = MIN(2 + (size_t)p[1], length - at);
                if (p[0] == 0x00 && size >= 12 && p[2] & 0x80) {
                        d->has_information = true;
                        d->information = take_signed(sg_get_unaligned_be(8, p + 4));
                } else if (p[0] == 0x04 && size >= 4) {
                        take_flags(p[3], d);
                }
        }
        return true;
}

void tape_sense_decode(uint8_t status, const uint8_t *sense, size_t length, struct tape_sense *d)
{
        *d = (struct tape_sense){ .outcome = TAPE_UNKNOWN };
        for (size_t i = 0; i < G_N_ELEMENTS(statuses); i++)
                if (statuses[i].status == status)
                        d->outcome = statuses[i].outcome;
        if (status != TRANSPORT_STATUS_CHECK_CONDITION || length == 0)
                return;
        uint8_t format = sense[0] & 0x7f;
        bool decoded = false;
        if (format == 0x70 || format == 0x71)
                decoded = decode_fixed(sense, length, d);
        else if (format == 0x72 || format == 0x73)
                decoded = decode_descriptors(sense, length, d);
        if (!decoded)
                return;
        d->deferred = format & 1;
        d->outcome = classify(d);
}

void tape_sense_text(const struct tape_sense *sense, char *text, size_t size)
{
        static const char prefix[] = "Additional sense: ";
        char additional[128];
        sg_get_asc_ascq_str(sense->asc, sense->ascq, sizeof(additional), additional);
        const char *detail = additional;
        if (g_str_has_prefix(detail, prefix)) {
                detail += strlen(prefix);
                additional[strlen(prefix)] = g_ascii_tolower(*detail);
        }
        if (sense->asc || sense->ascq)
                g_snprintf(text, size, "%s%s: %s (%x/%02x/%02x)", sense->deferred ? "deferred " : "",
                        key_names[sense->key & 0x0f], detail, sense->key, sense->asc, sense->ascq);
        else if (sense->key)
                g_snprintf(text, size, "%s%s (%x/00/00)", sense->deferred ? "deferred " : "",
                        key_names[sense->key & 0x0f], sense->key);
        else
                g_snprintf(text, size, "%s", tape_outcome_name(sense->outcome));
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "handle.h"

#define READ_MAX (1024 * 1024) /* a first block, and all of an XML label */

/* A buffer that one command of this drive can fill. */
static int read_buffer(Tape *tape, char **buf, size_t *size)
{
        struct tape_info info;
        tape_get_info(tape, &info);
        *size = MIN(info.max_transfer, (size_t)READ_MAX);
        *buf = volume_buffer(*size);
        return *buf ? 0 : log_error(-ENOMEM, "%s: no memory for a buffer", tape_address(tape));
}

/* POSIX.1, ustar interchange format: a header of 512 bytes with a sum over it, its own 8 bytes counted as
 * spaces. */
static bool is_tar(const char *block, size_t length)
{
        if (length < 512)
                return false;
        uint64_t sum = 0;
        for (unsigned i = 0; i < 512; i++)
                sum += i >= 148 && i < 156 ? ' ' : (unsigned char)block[i];
        char field[9] = "";
        memcpy(field, block + 148, 8);
        return sum > 8 * ' ' && g_ascii_strtoull(field, NULL, 8) == sum;
}

int labels_identify(
        Tape *tape, enum volume_content *content, char volume_id[static 7], char why[static LABEL_WHY_MAX])
{
        static const enum volume_content contents[] = {
                [VOL1_REELFS] = VOLUME_REELFS,
                [VOL1_LTFS] = VOLUME_LTFS,
                [VOL1_OTHER] = VOLUME_FOREIGN,
                [VOL1_NONE] = VOLUME_FOREIGN,
        };
        g_autofree char *block = NULL;
        size_t size, length;
        enum tape_outcome outcome;
        char application[14];
        why[0] = volume_id[0] = '\0';
        int r = read_buffer(tape, &block, &size);
        if (r == 0)
                r = tape_rewind(tape);
        if (r == 0)
                r = tape_read_block(tape, block, size, &length, &outcome);
        if (r < 0)
                return r;
        if (outcome == TAPE_EOD || outcome == TAPE_END_OF_MEDIUM) {
                *content = VOLUME_BLANK;
                return 0;
        }
        if (outcome == TAPE_FILEMARK) {
                *content = VOLUME_FOREIGN;
                g_strlcpy(why, "data of another program, beginning with a filemark", LABEL_WHY_MAX);
                return 0;
        }
        enum vol1_kind kind = vol1_decode(block, length, application, volume_id);
        *content = contents[kind];
        if (kind == VOL1_OTHER) {
                snprintf(why, LABEL_WHY_MAX, "a volume of another program, labelled \"%s\" by \"%s\"",
                        volume_id, application);
        } else if (kind == VOL1_NONE && is_tar(block, length)) {
                *content = VOLUME_TAR;
                g_strlcpy(why, "a tar archive", LABEL_WHY_MAX);
        } else if (kind == VOL1_NONE) {
                snprintf(why, LABEL_WHY_MAX, "data of another program, beginning with a block of %zu bytes%s",
                        length, outcome == TAPE_LONG_BLOCK ? " or more" : "");
        }
        return 0;
}

static int not_there(char *why, const char *text)
{
        g_strlcpy(why, text, LABEL_WHY_MAX);
        return -EUCLEAN;
}

int labels_read_xml(Tape *tape, char **xml, size_t *length, uint64_t *end, char why[static LABEL_WHY_MAX])
{
        g_autofree char *buf = NULL;
        size_t size, n;
        enum tape_outcome outcome;
        why[0] = '\0';
        int r = read_buffer(tape, &buf, &size);
        if (r == 0)
                r = tape_read_block(tape, buf, size, &n, &outcome);
        if (r < 0)
                return r;
        if (outcome != TAPE_FILEMARK)
                return not_there(why, "no filemark follows the first label");
        *length = 0;
        *end = 2;
        /* One block; several where the drive's only block length is a small one. */
        for (;;) {
                if (*length == size)
                        return not_there(why, "the second label is too long");
                r = tape_read_block(tape, buf + *length, size - *length, &n, &outcome);
                if (r < 0)
                        return r;
                (*end)++;
                if (outcome == TAPE_FILEMARK)
                        break;
                if (outcome != TAPE_GOOD)
                        return not_there(why, "the second label is not there, or not ended by a filemark");
                *length += n;
        }
        *xml = g_steal_pointer(&buf);
        return 0;
}

/* What a tape without a volume of ours is told to be. */
static int refuse(enum volume_content content, char *why)
{
        char found[LABEL_WHY_MAX];
        g_strlcpy(found, why, sizeof(found));
        switch (content) {
        case VOLUME_BLANK:
                g_strlcpy(why, "no reelfs volume: the tape is blank; use reelfs format", LABEL_WHY_MAX);
                break;
        case VOLUME_LTFS:
                g_strlcpy(why, "an LTFS volume, which this version cannot mount", LABEL_WHY_MAX);
                break;
        default:
                snprintf(why, LABEL_WHY_MAX, "no reelfs volume: the tape has %.120s; load another tape",
                        found);
        }
        return -EMEDIUMTYPE;
}

int labels_read(Tape *tape, struct label *label, uint64_t *content, char why[static LABEL_WHY_MAX])
{
        enum volume_content found;
        char volume_id[7];
        g_autofree char *xml = NULL;
        size_t length;
        int r = labels_identify(tape, &found, volume_id, why);
        if (r < 0)
                return r;
        if (found != VOLUME_REELFS)
                return refuse(found, why);
        r = labels_read_xml(tape, &xml, &length, content, why);
        if (r == 0)
                r = label_from_xml(xml, length, label, why);
        if (r == 0)
                memcpy(label->volume_id, volume_id, sizeof(volume_id));
        return r;
}

/* As one block; where the drive has only fixed ones, as many as it takes, the rest spaces. */
static int write_label(Tape *tape, const char *data, size_t length, uint32_t block_length, uint64_t *end)
{
        struct tape_info info;
        tape_get_info(tape, &info);
        if (!info.fixed_only) {
                struct iovec iov = { (void *)data, length };
                *end += 1;
                return tape_write_block(tape, &iov, 1, NULL);
        }
        size_t blocks = segment_blocks(length, block_length), size = blocks * block_length, written;
        g_autofree char *padded = volume_buffer(size);
        if (!padded)
                return log_error(-ENOMEM, "%s: no memory for a buffer", tape_address(tape));
        memset(padded, ' ', size);
        memcpy(padded, data, length);
        *end += blocks;
        return tape_write(tape, &(struct iovec){ padded, size }, 1, &written, NULL);
}

int labels_write(Tape *tape, const struct label *label, bool overwrite, uint64_t *content)
{
        char vol1[VOL1_LENGTH];
        g_autofree char *xml = label_to_xml(label);
        vol1_encode(label->volume_id, vol1);
        *content = 2;
        int r = tape_rewind(tape);
        if (r == 0 && overwrite)
                r = tape_allow_overwrite(tape);
        if (r == 0)
                r = write_label(tape, vol1, sizeof(vol1), label->block_length, content);
        if (r == 0)
                r = tape_write_filemarks(tape, 1, true, NULL);
        if (r == 0)
                r = write_label(tape, xml, strlen(xml), label->block_length, content);
        return r < 0 ? r : tape_write_filemarks(tape, 1, true, NULL);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The container: "SIMH Magtape Representation and Handling". Its descriptions and private records and markers
 * (classes 1-7 and 9-E) say nothing that a tape drive could hand out; none of them is taken for data. */
#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <scsi/sg_unaligned.h>

#include <reelfs/util.h>

#include "cartridge-scan.h"
#include "frame.h"

/* The longest record that a file may begin with in order to be taken for a .tap that was cut off there: what
 * a length of 24 bits could say, as in every READ and WRITE. */
#define FIRST_RECORD_MAX 0x00ffffffu

struct scanner {
        int fd;
        uint64_t size;
        uint64_t start;       /* of the window in the file */
        size_t length;        /* of what is in it */
        uint8_t window[1024]; /* a few filemarks and small records; a large record's end and the next one's
                                 begin */
};

/* The little-endian word at offset. -ENODATA: the file ends before its last byte. */
static int scanner_word(struct scanner *s, uint64_t offset, uint32_t *word)
{
        if (offset + sizeof(*word) > s->size)
                return -ENODATA;
        if (offset < s->start || offset + sizeof(*word) > s->start + s->length) {
                s->start = offset;
                s->length = (size_t)MIN(sizeof(s->window), s->size - offset);
                int r = pread_all(s->fd, s->window, s->length, offset);
                if (r < 0) {
                        s->length = 0;
                        return r;
                }
        }
        *word = (uint32_t)sg_get_unaligned_le(4, s->window + (offset - s->start));
        return 0;
}

/* The record with this header. -EBADMSG: it is none. */
static int scan_record(struct scanner *s, uint64_t offset, uint32_t header, struct object_index *index)
{
        uint32_t class = header & TAP_CLASS, length = header & TAP_LENGTH, trailer;
        if ((class != TAP_CLASS_GOOD && class != TAP_CLASS_BAD) || length == 0)
                return -EBADMSG;
        uint64_t end = offset + frame_stride(length);
        int r = scanner_word(s, end - sizeof(trailer), &trailer);
        if (r < 0)
                return r == -ENODATA ? -EBADMSG : r;
        if (trailer != header)
                return -EBADMSG;
        object_index_push(index, class == TAP_CLASS_BAD ? OBJECT_BAD_RECORD : OBJECT_RECORD, length, end);
        return 0;
}

/* What comes at the end of the index. *more: it was not the last. -EBADMSG: it is nothing known. */
static int scan_next(struct scanner *s, struct object_index *index, bool *more)
{
        uint64_t offset = object_index_offset(index, index->count);
        uint32_t word;
        *more = false;
        if (offset == s->size)
                return 0;
        int r = scanner_word(s, offset, &word);
        if (r < 0)
                return r == -ENODATA ? -EBADMSG : r;
        if (word == TAP_END_OF_MEDIUM)
                return 0;
        *more = true;
        if (word == TAP_GAP) {
                object_index_skip_gap(index, offset + sizeof(word));
                return 0;
        }
        r = object_index_reserve(index, 1);
        if (r < 0)
                return r;
        if (word != TAP_FILEMARK)
                return scan_record(s, offset, word, index);
        object_index_push(index, OBJECT_FILEMARK, 0, offset + sizeof(word));
        return 0;
}

/* Whether a file without a single object could be a tape whose first record was cut off. */
static bool could_be_cut_off(struct scanner *s, uint64_t offset)
{
        uint32_t header;
        if (scanner_word(s, offset, &header) < 0)
                return true;
        return header <= FIRST_RECORD_MAX && offset + frame_stride(header) > s->size;
}

int cartridge_scan(int fd, uint64_t size, struct object_index *index, bool *torn)
{
        struct scanner s = { .fd = fd, .size = size };
        bool more = true;
        int r = 0;
        posix_fadvise(fd, 0, 0, POSIX_FADV_RANDOM);
        while (more && r == 0)
                r = scan_next(&s, index, &more);
        posix_fadvise(fd, 0, 0, POSIX_FADV_NORMAL);
        *torn = r == -EBADMSG;
        if (!*torn)
                return r;
        if (index->count == 0 && !could_be_cut_off(&s, object_index_offset(index, 0)))
                return -EMEDIUMTYPE;
        return 0;
}

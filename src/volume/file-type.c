/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <glib.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "file-type.h"

#define MAGIC(bytes) (bytes), sizeof(bytes) - 1

/* The first row that fits counts. A '?' fits any byte. */
static const struct {
        size_t at;
        const char *bytes;
        size_t length;
        const char *type;
} types[] = {
        /* Film, sound */
        { 0, MAGIC("\x06\x0e\x2b\x34\x02\x05\x01\x01\x0d\x01\x02"), "mxf" }, /* SMPTE ST 377-1 */
        { 4, MAGIC("ftypqt  "), "mov" },
        { 4, MAGIC("ftypM4A "), "m4a" },
        { 4, MAGIC("ftypheic"), "heic" },
        { 4, MAGIC("ftypavif"), "avif" },
        { 4, MAGIC("ftypcrx "), "cr3" },
        { 4, MAGIC("ftyp"), "mp4" },
        { 4, MAGIC("moov"), "mov" },
        { 4, MAGIC("mdat"), "mov" },
        { 4, MAGIC("wide"), "mov" },
        { 0, MAGIC("SDPX"), "dpx" }, /* SMPTE ST 268 */
        { 0, MAGIC("XPDS"), "dpx" },
        { 0, MAGIC("\x80\x2a\x5f\xd7"), "cin" },
        { 0, MAGIC("ARRI"), "ari" },
        { 4, MAGIC("RED1"), "r3d" },
        { 4, MAGIC("RED2"), "r3d" },
        { 0, MAGIC("v/1\x01"), "exr" },
        { 0, MAGIC("RIFF????AVI "), "avi" },
        { 0, MAGIC("RIFF????WAVE"), "wav" },
        { 0, MAGIC("RF64????WAVE"), "wav" },
        { 0, MAGIC("BW64????WAVE"), "wav" },
        { 0, MAGIC("RIFF????WEBP"), "webp" },
        { 0, MAGIC("FORM????AIFF"), "aiff" },
        { 0, MAGIC("FORM????AIFC"), "aiff" },
        { 0, MAGIC("\x1a\x45\xdf\xa3"), "mkv" },
        { 0, MAGIC("fLaC"), "flac" },
        { 0, MAGIC("OggS"), "ogg" },
        { 0, MAGIC("ID3"), "mp3" },
        { 0, MAGIC("\0\0\x01\xba"), "mpg" },
        { 0, MAGIC("\0\0\x01\xb3"), "mpg" },
        { 0, MAGIC("\x30\x26\xb2\x75\x8e\x66\xcf\x11"), "wmv" },
        { 0, MAGIC("FLV\x01"), "flv" },
        /* Pictures, documents */
        { 0, MAGIC("\xff\xd8\xff"), "jpg" },
        { 0, MAGIC("\x89PNG\r\n\x1a\n"), "png" },
        { 0, MAGIC("GIF8"), "gif" },
        { 0, MAGIC("II*\0????CR\x02"), "cr2" },
        { 0, MAGIC("II*\0"), "tif" },
        { 0, MAGIC("MM\0*"), "tif" },
        { 0, MAGIC("II+\0"), "tif" },
        { 0, MAGIC("MM\0+"), "tif" },
        { 0, MAGIC("\0\0\0\x0cjP  \r\n\x87\n"), "jp2" },
        { 0, MAGIC("\xff\x4f\xff\x51"), "j2c" },
        { 0, MAGIC("8BPS"), "psd" },
        { 0, MAGIC("BM????\0\0\0\0"), "bmp" },
        { 0, MAGIC("%PDF-"), "pdf" },
        { 0, MAGIC("%!PS"), "ps" },
        { 0, MAGIC("{\\rtf"), "rtf" },
        { 0, MAGIC("\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"), "doc" },
        { 128, MAGIC("DICM"), "dcm" },
        /* Science */
        { 0, MAGIC("\x89HDF\r\n\x1a\n"), "h5" },
        { 0, MAGIC("\x0e\x03\x13\x01"), "hdf" },
        { 0, MAGIC("CDF\x01"), "nc" },
        { 0, MAGIC("CDF\x02"), "nc" },
        { 0, MAGIC("CDF\x05"), "nc" },
        { 0, MAGIC("SIMPLE  ="), "fits" },
        { 0, MAGIC("root\0"), "root" },
        { 0, MAGIC("GRIB"), "grib" },
        { 0, MAGIC("\x93NUMPY"), "npy" },
        { 0, MAGIC("BAM\x01"), "bam" },
        { 0, MAGIC("CRAM"), "cram" },
        { 0, MAGIC("PAR1"), "parquet" },
        /* Archives, images, programs */
        { 257, MAGIC("ustar"), "tar" },
        { 0, MAGIC("\x1f\x8b\x08"), "gz" },
        { 0, MAGIC("BZh"), "bz2" },
        { 0,
                MAGIC("\xfd"
                      "7zXZ\0"),
                "xz" },
        { 0, MAGIC("\x28\xb5\x2f\xfd"), "zst" },
        { 0, MAGIC("\x04\x22\x4d\x18"), "lz4" },
        { 0, MAGIC("LZIP"), "lz" },
        { 0, MAGIC("7z\xbc\xaf\x27\x1c"), "7z" },
        { 0, MAGIC("PK\x03\x04"), "zip" },
        { 0, MAGIC("PK\x05\x06"), "zip" },
        { 0, MAGIC("Rar!\x1a\x07"), "rar" },
        { 0, MAGIC("070701"), "cpio" },
        { 0, MAGIC("070702"), "cpio" },
        { 0, MAGIC("!<arch>\n"), "a" },
        { 0, MAGIC("hsqs"), "squashfs" },
        { 0, MAGIC("QFI\xfb"), "qcow2" },
        { 0, MAGIC("KDMV"), "vmdk" },
        { 0, MAGIC("SQLite format 3\0"), "sqlite" },
        { 0, MAGIC("PGDMP"), "dump" },
        { 0,
                MAGIC("\x7f"
                      "ELF"),
                "elf" },
        { 0, MAGIC("#!"), "sh" },
        { 0, MAGIC("<?xml"), "xml" },
        { 0, MAGIC("\xef\xbb\xbf<?xml"), "xml" },
        { 0, MAGIC("<!DOCTYPE html"), "html" },
        { 0, MAGIC("<html"), "html" },
};

static bool fits(const uint8_t *data, const char *magic, size_t length)
{
        for (size_t i = 0; i < length; i++)
                if (magic[i] != '?' && data[i] != (uint8_t)magic[i])
                        return false;
        return true;
}

/* UTF-8, of which the last character may be cut off, without control characters but white space. */
static bool is_text(const char *data, size_t length)
{
        const char *end;
        if (length == 0)
                return false;
        if (!g_utf8_validate(data, (gssize)length, &end) &&
                g_utf8_get_char_validated(end, data + length - end) != (gunichar)-2)
                return false;
        for (const char *p = data; p < end; p++)
                if (((uint8_t)*p < ' ' && !strchr("\t\n\r\f", *p)) || *p == 0x7f)
                        return false;
        return end > data;
}

const char *file_type_guess(const void *data, size_t length)
{
        const uint8_t *bytes = data;
        length = MIN(length, (size_t)FILE_TYPE_PROBE);
        for (size_t i = 0; i < G_N_ELEMENTS(types); i++)
                if (types[i].at + types[i].length <= length &&
                        fits(bytes + types[i].at, types[i].bytes, types[i].length))
                        return types[i].type;
        return is_text(data, length) ? "txt" : "data";
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <expat.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <reelfs/util.h>

#include "label.h"
#include "text.h"

/* ECMA-13 volume label, as LTFS lays it out: label identifier, volume identifier, accessibility,
 * implementation identifier, owner, label standard version. */
#define VOL1_VOLUME_ID 4
#define VOL1_ACCESSIBILITY 10
#define VOL1_IMPLEMENTATION 24
#define VOL1_VERSION 79

static const char implementation[] = "REELFS";

/* A field of a VOL1 label without trailing spaces; what is not printable becomes '?'. */
static void copy_field(const char *field, size_t length, char *text)
{
        while (length > 0 && (field[length - 1] == ' ' || field[length - 1] == '\0'))
                length--;
        for (size_t i = 0; i < length; i++)
                text[i] = (char)(g_ascii_isprint(field[i]) ? field[i] : '?');
        text[length] = '\0';
}

enum vol1_kind vol1_decode(
        const void *block, size_t length, char application[static 14], char volume_id[static 7])
{
        const char *p = block;
        application[0] = volume_id[0] = '\0';
        if (length < VOL1_LENGTH || memcmp(p, "VOL1", 4) != 0)
                return VOL1_NONE;
        copy_field(p + VOL1_VOLUME_ID, 6, volume_id);
        copy_field(p + VOL1_IMPLEMENTATION, 13, application);
        if (strcmp(application, implementation) == 0)
                return VOL1_REELFS;
        return strcmp(application, "LTFS") == 0 ? VOL1_LTFS : VOL1_OTHER;
}

void vol1_encode(const char *volume_id, char block[static VOL1_LENGTH])
{
        memset(block, ' ', VOL1_LENGTH);
        memcpy(block, "VOL1", 4);
        memcpy(block + VOL1_VOLUME_ID, volume_id, strnlen(volume_id, 6));
        block[VOL1_ACCESSIBILITY] = 'L';
        memcpy(block + VOL1_IMPLEMENTATION, implementation, strlen(implementation));
        block[VOL1_VERSION] = '4';
}

bool vol1_is_volume_id(const char *text)
{
        for (size_t i = 0; i < 6; i++) {
                if (!g_ascii_isupper(text[i]) && !g_ascii_isdigit(text[i]))
                        return false;
        }
        return text[6] == '\0';
}

bool label_is_volume_name(const char *name)
{
        size_t length = strlen(name);
        return length < sizeof(((struct label *)0)->name) && text_is_xml(name, length) &&
                !strpbrk(name, "/\r\n\t") && g_utf8_strlen(name, -1) <= 255;
}

/* ---- Writing */

static void add_element(GString *xml, const char *tag, const char *text)
{
        g_autofree char *escaped = g_markup_escape_text(text, -1);
        g_string_append_printf(xml, "<%s>%s</%s>\n", tag, escaped, tag);
}

/* For whoever has the tape and nothing else. An XML comment cannot have two hyphens in a row. */
static void add_instructions(GString *xml, const struct label *label)
{
        g_string_append_printf(xml,
                "<!-- This tape is a volume of reelfs, which shows a tape as a tree of files. It can be read "
                "without "
                "reelfs.\n"
                "On the tape: a label of 80 bytes, a filemark, this label, a filemark; then segments, each "
                "ended by a "
                "filemark.\n"
                "The last segment is an XML document: the index of all files, in the schema of LTFS 2.4. To "
                "get it "
                "(/dev/nst0 is\n"
                "the tape drive; all blocks are of %" PRIu32
                " bytes, but the last one of a segment may be shorter):\n"
                "  mt -f /dev/nst0 setblk 0; mt -f /dev/nst0 eom; mt -f /dev/nst0 bsfm 2\n"
                "  dd if=/dev/nst0 of=index.xml bs=%" PRIu32 "\n"
                "If it is an ltfsincrementalindex, it has only what has changed since the one at startblock "
                "of "
                "previousincrementallocation,\n"
                "or if it has none, of previousgenerationlocation: mt -f /dev/nst0 seek STARTBLOCK, and dd "
                "as "
                "above, for each until there is an ltfsindex.\n"
                "The attribute reelfs.segments of its root directory lists the segments, one line each: id, "
                "kind, "
                "number of\n"
                "filemarks before it, first block, length in bytes. Blocks and filemarks are counted "
                "together from 0 "
                "at the\n"
                "beginning of the tape. A segment of kind file is the bytes of one extent of one file and "
                "nothing "
                "else:\n"
                "  mt -f /dev/nst0 rewind; mt -f /dev/nst0 fsf FILEMARKS; dd if=/dev/nst0 of=FILE bs=%" PRIu32
                "\n"
                "A segment of kind pack is a tar archive:\n"
                "  mt -f /dev/nst0 rewind; mt -f /dev/nst0 fsf FILEMARKS; tar -b %" PRIu32 " -xf /dev/nst0\n"
                "Which segments a file has, its extents say: each is bytecount bytes from byte byteoffset "
                "(absent: 0) "
                "of block\n"
                "startblock on, and belongs at fileoffset (absent: 0) of the file; what no extent covers is "
                "zeros. The "
                "length\n"
                "of the file is in the index; a drive that has only fixed blocks has padded the last block "
                "of a "
                "segment. -->\n",
                label->block_length, label->block_length, label->block_length, label->block_length / 512);
}

char *label_to_xml(const struct label *label)
{
        char time[TIME_TEXT_LENGTH + 1], key[2 * TOKEN_KEY_SIZE + 1], number[16];
        format_time_ns(label->format_time, time);
        text_to_hex(label->key, TOKEN_KEY_SIZE, key);
        snprintf(number, sizeof(number), "%" PRIu32, label->block_length);

        GString *xml = g_string_new("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
        g_string_append_printf(xml, "<reelfslabel version=\"%u.%u\">\n", label->major, label->minor);
        add_instructions(xml, label);
        add_element(xml, "creator", label->creator);
        add_element(xml, "formattime", time);
        add_element(xml, "volumeuuid", label->uuid);
        add_element(xml, "profile", label->profile);
        add_element(xml, "volumename", label->name);
        add_element(xml, "blocksize", number);
        add_element(xml, "compression", label->compression ? "true" : "false");
        g_string_append_printf(xml, "<location><partition>%s</partition></location>\n", label->partition);
        g_string_append(xml, "<features><incompatible/><readonlycompatible/></features>\n");
        add_element(xml, "key", key);
        g_string_append(xml, "</reelfslabel>\n");
        return g_string_free(xml, FALSE);
}

/* ---- Reading */

#define DEPTH_MAX 16
#define TEXT_MAX 4096

struct reader {
        XML_Parser parser;
        struct label *label;
        char *why;
        int error;
        const char *root; /* element that the document must be */
        const struct field *table;
        size_t n_table;
        GString *path;             /* of the open element, below the root: "/location/partition" */
        size_t lengths[DEPTH_MAX]; /* of path, at each depth */
        unsigned depth;
        GString *text; /* of the open element */
        unsigned seen; /* bits of table */
};

static void fail(struct reader *r, int error, const char *format, ...) __attribute__((format(printf, 3, 4)));

static void fail(struct reader *r, int error, const char *format, ...)
{
        if (r->error)
                return;
        va_list ap;
        va_start(ap, format);
        vsnprintf(r->why, LABEL_WHY_MAX, format, ap);
        va_end(ap);
        text_make_printable(r->why);
        r->error = error;
        XML_StopParser(r->parser, XML_FALSE);
}

static int copy_text(const char *text, char *field, size_t size)
{
        return g_strlcpy(field, text, size) < size ? 0 : -EINVAL;
}

static int take_creator(struct reader *r, const char *text)
{
        return copy_text(text, r->label->creator, sizeof(r->label->creator));
}

static int take_time(struct reader *r, const char *text)
{
        return parse_time_ns(text, strlen(text), &r->label->format_time);
}

static int take_uuid(struct reader *r, const char *text)
{
        return g_uuid_string_is_valid(text) ? copy_text(text, r->label->uuid, sizeof(r->label->uuid))
                                            : -EINVAL;
}

static int take_profile(struct reader *r, const char *text)
{
        if (strcmp(text, "reel") != 0)
                fail(r, -EPROTONOSUPPORT,
                        "the volume's profile is \"%.64s\", which this version of reelfs does not know",
                        text);
        return copy_text(text, r->label->profile, sizeof(r->label->profile));
}

static int take_name(struct reader *r, const char *text)
{
        return label_is_volume_name(text) ? copy_text(text, r->label->name, sizeof(r->label->name)) : -EINVAL;
}

static int take_block_length(struct reader *r, const char *text)
{
        uint64_t n;
        if (text_to_number(text, strlen(text), &n) < 0 || n < 512 || n > 0xffffff)
                return -EINVAL;
        r->label->block_length = (uint32_t)n;
        return 0;
}

static int take_compression(struct reader *r, const char *text)
{
        return text_to_bool(text, strlen(text), &r->label->compression);
}

static int take_partition(struct reader *r, const char *text)
{
        return g_ascii_islower(text[0]) ? copy_text(text, r->label->partition, sizeof(r->label->partition))
                                        : -EINVAL;
}

static int take_key(struct reader *r, const char *text)
{
        return text_from_hex(text, strlen(text), r->label->key, TOKEN_KEY_SIZE);
}

/* No feature of either list is known to this version. */
static int take_incompatible(struct reader *r, const char *text)
{
        fail(r, -EPROTONOSUPPORT,
                "the volume needs the feature \"%.64s\", which this version of reelfs does not know", text);
        return 0;
}

static int take_read_only_feature(struct reader *r, const char *text)
{
        g_strlcpy(r->label->read_only_feature, text, sizeof(r->label->read_only_feature));
        return 0;
}

static const struct field {
        const char *path;
        bool mandatory;
        int (*take)(struct reader *r, const char *text);
} fields[] = {
        { "/creator", false, take_creator },
        { "/formattime", true, take_time },
        { "/volumeuuid", true, take_uuid },
        { "/profile", true, take_profile },
        { "/volumename", true, take_name },
        { "/blocksize", true, take_block_length },
        { "/compression", false, take_compression },
        { "/location/partition", true, take_partition },
        { "/features/incompatible/feature", false, take_incompatible },
        { "/features/readonlycompatible/feature", false, take_read_only_feature },
        { "/key", true, take_key },
};

/* LTFS's label has those that matter under the same names. */
static const struct field ltfs_fields[] = {
        { "/volumeuuid", true, take_uuid },
        { "/blocksize", true, take_block_length },
};

static void check_root(struct reader *r, const char *name, const char **attributes)
{
        if (strcmp(name, r->root) != 0) {
                fail(r, -EUCLEAN, "the second label of the tape is not a %s but a \"%.64s\"", r->root, name);
                return;
        }
        const char *version = NULL;
        for (; attributes[0]; attributes += 2) {
                if (strcmp(attributes[0], "version") == 0)
                        version = attributes[1];
        }
        if (!version || sscanf(version, "%u.%u", &r->label->major, &r->label->minor) != 2)
                fail(r, -EUCLEAN, "the label has no version");
        else if (r->table == fields && r->label->major > LABEL_VERSION_MAJOR)
                fail(r, -EPROTONOSUPPORT,
                        "the volume's format is %u.%u, newer than this version of reelfs knows (%u.%u)",
                        r->label->major, r->label->minor, LABEL_VERSION_MAJOR, LABEL_VERSION_MINOR);
}

static void XMLCALL on_start(void *ctx, const char *name, const char **attributes)
{
        struct reader *r = ctx;
        g_string_truncate(r->text, 0);
        if (r->depth == DEPTH_MAX) {
                fail(r, -EUCLEAN, "the label is nested too deep");
                return;
        }
        r->lengths[r->depth++] = r->path->len;
        if (r->depth == 1) {
                check_root(r, name, attributes);
                return;
        }
        g_string_append_c(r->path, '/');
        g_string_append(r->path, name);
        if (r->path->len > TEXT_MAX)
                fail(r, -EUCLEAN, "a name in the label is too long");
}

static void take_field(struct reader *r)
{
        for (size_t i = 0; i < r->n_table; i++) {
                if (strcmp(r->table[i].path, r->path->str) != 0)
                        continue;
                r->seen |= 1u << i;
                if (r->table[i].take(r, r->text->str) < 0)
                        fail(r, -EUCLEAN, "%s in the label is not valid: \"%.64s\"", r->table[i].path + 1,
                                r->text->str);
                return;
        }
}

static void XMLCALL on_end(void *ctx, const char *name)
{
        struct reader *r = ctx;
        if (!r->error && r->depth > 1)
                take_field(r);
        g_string_truncate(r->text, 0);
        g_string_truncate(r->path, r->lengths[--r->depth]);
}

static void XMLCALL on_text(void *ctx, const char *text, int length)
{
        struct reader *r = ctx;
        if (r->text->len + (size_t)length > TEXT_MAX)
                fail(r, -EUCLEAN, "a text in the label is too long");
        else
                g_string_append_len(r->text, text, length);
}

static void XMLCALL on_doctype(
        void *ctx, const char *name, const char *system, const char *public, int internal)
{
        fail(ctx, -EUCLEAN, "the label has a document type declaration, which is not allowed");
}

static void check_complete(struct reader *r)
{
        for (size_t i = 0; i < r->n_table; i++) {
                if (r->table[i].mandatory && !(r->seen & 1u << i))
                        fail(r, -EUCLEAN, "the label has no %s", r->table[i].path + 1);
        }
}

static int parse(struct reader *r, const char *xml, size_t length)
{
        r->parser = XML_ParserCreate("UTF-8");
        if (!r->parser || length > INT32_MAX) {
                XML_ParserFree(r->parser);
                g_strlcpy(r->why, "out of memory", LABEL_WHY_MAX);
                return -ENOMEM;
        }
        g_autoptr(GString) path = g_string_new(NULL), text = g_string_new(NULL);
        r->path = path;
        r->text = text;
        *r->label = (struct label){ .major = 0 };
        XML_SetUserData(r->parser, r);
        XML_SetElementHandler(r->parser, on_start, on_end);
        XML_SetCharacterDataHandler(r->parser, on_text);
        XML_SetStartDoctypeDeclHandler(r->parser, on_doctype);
        if (XML_Parse(r->parser, xml, (int)length, XML_TRUE) == XML_STATUS_OK)
                check_complete(r);
        else
                fail(r, -EUCLEAN, "the label is not valid XML: %s in line %lu",
                        XML_ErrorString(XML_GetErrorCode(r->parser)), XML_GetCurrentLineNumber(r->parser));
        XML_ParserFree(r->parser);
        return r->error;
}

int label_from_xml(const char *xml, size_t length, struct label *label, char why[static LABEL_WHY_MAX])
{
        struct reader r = { .label = label,
                .why = why,
                .root = "reelfslabel",
                .table = fields,
                .n_table = G_N_ELEMENTS(fields) };
        return parse(&r, xml, length);
}

int label_from_ltfs(const char *xml, size_t length, char uuid[static 37], uint32_t *block_length)
{
        struct label label;
        char why[LABEL_WHY_MAX];
        struct reader r = { .label = &label,
                .why = why,
                .root = "ltfslabel",
                .table = ltfs_fields,
                .n_table = G_N_ELEMENTS(ltfs_fields) };
        int error = parse(&r, xml, length);
        if (error < 0)
                return error;
        memcpy(uuid, label.uuid, sizeof(label.uuid));
        *block_length = label.block_length;
        return 0;
}

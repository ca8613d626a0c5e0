/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <reelfs/log.h>

#include "index-read.h"

#define TEXT_MAX (1024 * 1024)      /* of one element */
#define TOKEN_MAX (4 * 1024 * 1024) /* what expat has to keep of one tag, comment or the like */
#define DEPTH_MAX (1 << 24)         /* of elements known here; only memory limits how deep directories go */

static void stop(IndexReader *r, int error)
{
        if (error >= 0 || r->error)
                return;
        r->error = error;
        XML_StopParser(r->parser, XML_FALSE);
}

static const struct element *find_element(const IndexReader *r, const char *name)
{
        const struct element *e = r->depth > 0 ? r->open[r->depth - 1]->children : reader_document;
        while (e && e->name && (e->name[0] != name[0] || strcmp(e->name, name) != 0))
                e++;
        return e && e->name ? e : NULL;
}

static int push_element(IndexReader *r, const struct element *e)
{
        if (r->depth == r->max_depth) {
                size_t more = MAX(r->max_depth * 2, (size_t)64);
                const struct element **open =
                        more > DEPTH_MAX ? NULL : g_try_realloc_n(r->open, more, sizeof(*open));
                if (!open)
                        return entry_fail(&r->entry, -ENOMEM, "out of memory");
                r->open = open;
                r->max_depth = more;
        }
        r->open[r->depth++] = e;
        return 0;
}

static int begin_element(IndexReader *r, const struct element *e, const char **attributes)
{
        if (r->given & e->given)
                return entry_fail(&r->entry, -EUCLEAN, "the element \"%s\" is there twice", e->name);
        if (e->given & GIVEN_ENTRY && !r->entry.active)
                return entry_fail(&r->entry, -EUCLEAN,
                        "the element \"%s\" is behind the contents of its directory", e->name);
        int error = push_element(r, e);
        if (error < 0)
                return error;
        r->given |= e->given;
        r->percent = reader_attribute_is(attributes, "percentencoded", "true");
        g_string_truncate(r->text, 0);
        return e->begin ? e->begin(r, attributes) : 0;
}

static void XMLCALL on_start(void *ctx, const char *name, const char **attributes)
{
        IndexReader *r = ctx;
        if (r->error)
                return;
        if (r->skipped > 0) {
                r->skipped++;
                return;
        }
        const struct element *e = find_element(r, name);
        if (e) {
                stop(r, begin_element(r, e, attributes));
        } else if (r->depth == 0) {
                stop(r, entry_fail(&r->entry, -EUCLEAN, "it is not an index but a \"%.64s\"", name));
        } else {
                log_debug("the index has an element that is not known, \"%.64s\"; it is skipped", name);
                r->skipped = 1;
        }
}

static void XMLCALL on_end(void *ctx, const char *name)
{
        IndexReader *r = ctx;
        if (r->error)
                return;
        if (r->skipped > 0) {
                r->skipped--;
                return;
        }
        const struct element *e = r->open[r->depth - 1];
        if (e->end)
                stop(r, e->end(r, r->text->str, r->text->len, (char *)r + e->field));
        r->depth--;
}

static void XMLCALL on_text(void *ctx, const char *text, int length)
{
        IndexReader *r = ctx;
        if (r->error || r->skipped > 0 || r->depth == 0)
                return;
        const struct element *e = r->open[r->depth - 1];
        if (e->children || !e->end)
                return;
        if (r->in_segments)
                stop(r, reader_take_segments(r, text, (size_t)length));
        else if (r->text->len + (size_t)length > TEXT_MAX)
                stop(r,
                        entry_fail(
                                &r->entry, -EUCLEAN, "the text of an element \"%s\" is too long", e->name));
        else
                g_string_append_len(r->text, text, length);
}

static void XMLCALL on_doctype(
        void *ctx, const char *name, const char *system, const char *public, int internal)
{
        IndexReader *r = ctx;
        stop(r, entry_fail(&r->entry, -EUCLEAN, "it has a document type declaration, which is not allowed"));
}

/* ---- */

int index_reader_new(uint32_t block_length, struct segment_table *segments, Tree *tree, IndexReader **ret)
{
        IndexReader *r = g_new0(IndexReader, 1);
        r->parser = XML_ParserCreate("UTF-8");
        if (!r->parser) {
                g_free(r);
                return -ENOMEM;
        }
        r->text = g_string_new(NULL);
        r->entry.tree = tree;
        r->entry.segments = segments;
        r->entry.block_length = block_length;
        r->entry.defaults = (struct posix_defaults){ .file_mode = 0644, .dir_mode = 0755 };
        XML_SetUserData(r->parser, r);
        XML_SetElementHandler(r->parser, on_start, on_end);
        XML_SetCharacterDataHandler(r->parser, on_text);
        XML_SetStartDoctypeDeclHandler(r->parser, on_doctype);
        *ret = r;
        return 0;
}

void index_reader_free(IndexReader *r)
{
        if (!r)
                return;
        XML_ParserFree(r->parser);
        entry_loader_clear(&r->entry);
        segments_clear(&r->added);
        g_string_free(r->text, TRUE);
        g_free(r->open);
        g_free(r->directories);
        g_free(r->key);
        g_free(r->value);
        g_free(r);
}

static int parse(IndexReader *r, const char *data, size_t length, bool final)
{
        if (r->error)
                return r->error;
        if (XML_Parse(r->parser, data, (int)length, final) == XML_STATUS_OK || r->error)
                return r->error;
        enum XML_Error error = XML_GetErrorCode(r->parser);
        r->error = entry_fail(&r->entry, error == XML_ERROR_NO_MEMORY ? -ENOMEM : -EUCLEAN,
                "it is not valid XML: %s in line %lu", XML_ErrorString(error),
                XML_GetCurrentLineNumber(r->parser));
        return r->error;
}

int index_reader_feed(IndexReader *r, const char *data, size_t length)
{
        while (length > 0) {
                size_t n = MIN(length, (size_t)TOKEN_MAX);
                int error = parse(r, data, n, false);
                if (error < 0)
                        return error;
                r->fed += n;
                XML_Index done = XML_GetCurrentByteIndex(r->parser);
                if (done >= 0 && r->fed - (uint64_t)done > 2 * TOKEN_MAX) {
                        r->error = entry_fail(&r->entry, -EUCLEAN, "a tag or comment in it is too long");
                        return r->error;
                }
                data += n;
                length -= n;
        }
        return 0;
}

int index_reader_finish(IndexReader *r, struct index_head *head)
{
        r->torn = r->error == 0;
        int error = parse(r, "", 0, true);
        if (error < 0)
                return error;
        r->torn = false;
        uint32_t needed = GIVEN_HEAD_NEEDED | (r->head.incremental ? GIVEN_PREVIOUS : 0);
        if ((r->given & needed) != needed)
                return entry_fail(&r->entry, -EUCLEAN, "it does not have all the elements that an index has");
        if (r->head.incremental)
                tree_apply_end(r->entry.tree);
        uint64_t segment = head->segment;
        char token[sizeof(head->token)];
        memcpy(token, head->token, sizeof(token));
        *head = r->head;
        head->segment = segment;
        memcpy(head->token, token, sizeof(token));
        return 0;
}

bool index_reader_is_torn(const IndexReader *r)
{
        return r->torn;
}

const char *index_reader_why(const IndexReader *r)
{
        return r->entry.why;
}

int index_read_head(const char *data, size_t length, struct index_head *head, char why[static INDEX_WHY_MAX])
{
        struct segment_table none = { 0 };
        IndexReader *r;
        why[0] = '\0';
        int error = index_reader_new(VOLUME_BLOCK_LENGTH_MIN, &none, NULL, &r);
        if (error < 0)
                return error;
        r->head_only = true;
        error = index_reader_feed(r, data, length);
        uint32_t needed = (GIVEN_HEAD_NEEDED & ~GIVEN_ROOT) | (r->head.incremental ? GIVEN_PREVIOUS : 0);
        if (error == 0)
                error = -EAGAIN;
        else if (error == -ECANCELED)
                error = (r->given & needed) == needed
                        ? 0
                        : entry_fail(&r->entry, -EUCLEAN, "it does not say all of itself before its entries");
        g_strlcpy(why, index_reader_why(r), INDEX_WHY_MAX);
        uint64_t segment = head->segment;
        r->head.segment = segment;
        memcpy(r->head.token, head->token, sizeof(head->token));
        *head = r->head;
        index_reader_free(r);
        return error;
}

bool index_probe(const char *data, size_t length, struct index_head *head)
{
        static const char incremental[] = "<ltfsincrementalindex";
        char text[256] = "";
        memcpy(text, data, MIN(length, sizeof(text) - 1));
        int end = 0;
        if (sscanf(text,
                    "<?xml version=\"1.0\" encoding=\"UTF-8\"?> <?reelfs segment=\"%20" G_GUINT64_FORMAT
                    "\" generation=\"%20" G_GUINT64_FORMAT "\" token=\"%64[0-9a-f]\"?> %n",
                    &head->segment, &head->generation, head->token, &end) != 3)
                return false;
        head->incremental = strncmp(text + end, incremental, sizeof(incremental) - 1) == 0;
        return end > 0 && strlen(head->token) == TOKEN_HEX_LENGTH;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Loading an index, with those it builds on. Drive thread only. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "handle.h"
#include "index-feed.h"

#define LINK_KEPT ((size_t)1 << 20) /* bytes of a document that need not be read again */
#define CHAIN_MAX 256               /* more of them are damage: a sixteenth of that is written */

/* An incremental index, to be applied when what it builds on is there. */
struct link {
        struct index_head head;
        uint64_t start;
        GByteArray *data; /* NULL: too long to be kept */
};

struct load {
        Volume *v;
        Tree *tree;
        char *why;        /* INDEX_WHY_MAX; empty if the newest one is no index, or torn */
        uint64_t newest;  /* where the one begins that is asked for */
        uint64_t reading; /* and the one that the tape is in */
        GArray *chain;
};

static int damaged(struct load *l, const char *text)
{
        if (text != l->why)
                g_strlcpy(l->why, text, INDEX_WHY_MAX);
        return -EUCLEAN;
}

/* Behind a beginning that is right. Returns error: what the drive could not read is told apart from what is
 * wrong. */
static int cut_short(struct load *l, int error)
{
        if (volume_is_damage(error))
                damaged(l, "it cannot be read to its end");
        return error;
}

static int note_unread(struct load *l, int error)
{
        Volume *v = l->v;
        if (!v->unread)
                v->unread = g_array_new(FALSE, FALSE, sizeof(uint64_t));
        g_array_append_val(v->unread, l->reading);
        return error;
}

/* One block of the segment into buf. *length 0: its filemark, which is passed. -EUCLEAN: neither. */
static int read_block(struct load *l, char *buf, size_t *length)
{
        enum tape_outcome outcome;
        int r = tape_read_block(l->v->tape, buf, l->v->label.block_length, length, &outcome);
        if (r < 0)
                return r;
        if (outcome == TAPE_FILEMARK)
                *length = 0;
        return outcome == TAPE_GOOD || outcome == TAPE_FILEMARK ? 0 : -EUCLEAN;
}

/* The first block of an index that this volume wrote, into v->buf. -EUCLEAN: it is none. */
static int read_first_block(struct load *l, size_t *length, struct index_head *head)
{
        Volume *v = l->v;
        char token[TOKEN_HEX_LENGTH + 1];
        int r = read_block(l, v->buf, length);
        if (r < 0)
                return r;
        if (*length == 0 || !index_probe(v->buf, *length, head))
                return -EUCLEAN;
        if (v->keyless) /* what it says of itself has to do */
                return 0;
        token_make(v->label.key, SEGMENT_INDEX, v->label.uuid, head->segment, head->generation, token);
        return strcmp(token, head->token) == 0 ? 0 : -EUCLEAN;
}

/* ---- One document into the tree */

/* The first block is in v->buf; the rest follows on the tape. Errors: of the tape, and of the reader. */
static int feed_blocks(struct load *l, IndexFeed *feed, size_t length, uint64_t *bytes)
{
        for (*bytes = 0; length > 0;) {
                bool short_block = length < l->v->label.block_length;
                int r = index_feed_put(feed, length);
                if (r < 0)
                        return r;
                *bytes += length;
                r = read_block(l, index_feed_room(feed), &length);
                if (r == 0 && length > 0 && short_block)
                        r = -EUCLEAN;
                if (r < 0)
                        return r;
        }
        return 0;
}

static int parse_blocks(struct load *l, IndexReader *reader, size_t length, uint64_t *bytes)
{
        IndexFeed *feed;
        int r = index_feed_begin(reader, l->v->label.block_length, &feed);
        if (r < 0)
                return r;
        memcpy(index_feed_room(feed), l->v->buf, length);
        int error = feed_blocks(l, feed, length, bytes);
        r = index_feed_end(feed);
        return r == 0 && error < 0 ? cut_short(l, error) : r;
}

/* What the document says of itself against where and how it was found. */
static int check_document(struct load *l, const struct index_head *head, uint64_t start, uint64_t generation)
{
        const struct segment_table *table = &l->v->segments;
        const struct segment *own = segments_find(table, head->segment);
        if (head->block != start)
                return damaged(l, "it says that it is elsewhere on the tape");
        if (strcmp(head->uuid, l->v->label.uuid) != 0)
                return damaged(l, "it is of another volume");
        if (head->generation != generation)
                return damaged(l, "its generation is not that of its token");
        if (!own || own->kind != SEGMENT_INDEX || own->first_block != start || own != segments_last(table))
                return damaged(l, "its segment table does not end with itself");
        return 0;
}

static void take_document(struct load *l, const struct index_head *head, uint64_t bytes)
{
        Volume *v = l->v;
        struct segment *own = segments_find(&v->segments, head->segment);
        own->length = bytes;
        v->filemarks = own->filemark + 1;
        v->next_id = v->segments.all[v->segments.n - 1].id + 1;
        v->end = segment_end(own, v->label.block_length) + 1;
        v->info.generation = head->generation;
        v->info.update_time = head->update_time;
        v->info.index_block = head->block;
        v->info.previous_index_block = head->previous_block;
        v->info.index_length = bytes;
        memcpy(v->info.index_creator, head->creator, sizeof(v->info.index_creator));
}

/* data: the whole document; NULL: its first block, length bytes, is in v->buf, and the tape behind it. */
static int load_document(
        struct load *l, uint64_t start, struct index_head *head, const GByteArray *data, size_t length)
{
        IndexReader *reader;
        uint64_t bytes = data ? data->len : 0, generation = head->generation;
        int r = index_reader_new(l->v->label.block_length, &l->v->segments, l->tree, &reader);
        if (r < 0)
                return r;
        r = data ? index_reader_feed(reader, (const char *)data->data, data->len)
                 : parse_blocks(l, reader, length, &bytes);
        if (r == 0)
                r = index_reader_finish(reader, head);
        bool torn = start == l->newest && index_reader_is_torn(reader);
        if (r == -EUCLEAN && !l->why[0] && !torn)
                damaged(l, index_reader_why(reader));
        index_reader_free(reader);
        if (r == 0)
                r = check_document(l, head, start, generation);
        if (r == 0)
                take_document(l, head, bytes);
        return r;
}

static int load_full(struct load *l, uint64_t start, struct index_head *head, size_t length)
{
        struct tree_counts counts;
        Volume *v = l->v;
        int r = load_document(l, start, head, NULL, length);
        if (r < 0)
                return r;
        tree_get_counts(l->tree, &counts);
        v->last = (struct index_size){ v->info.index_length, counts.names, counts.extents, counts.memory,
                v->segments.n };
        v->chain = (struct index_chain){ .full_block = start };
        return 0;
}

/* ---- What an incremental one builds on */

static void clear_link(void *data)
{
        struct link *k = data;
        if (k->data)
                g_byte_array_unref(k->data);
}

/* The first block is in v->buf. Reads on to the filemark, or until it is too much. */
static int read_link(struct load *l, struct link *k, size_t length)
{
        Volume *v = l->v;
        int r;
        k->data = g_byte_array_new();
        do {
                bool short_block = length < v->label.block_length;
                g_byte_array_append(k->data, (const uint8_t *)v->buf, (guint)length);
                r = read_block(l, v->buf, &length);
                if (r == 0 && length > 0 && short_block)
                        r = -EUCLEAN;
        } while (r == 0 && length > 0 && k->data->len + length <= LINK_KEPT);
        if (r < 0)
                return cut_short(l, r);
        uint64_t generation = k->head.generation;
        r = index_read_head((const char *)k->data->data, k->data->len, &k->head, l->why);
        if (r == -EAGAIN && k->start == l->newest) {
                l->why[0] = '\0';
                return -EUCLEAN;
        }
        if (r == -EAGAIN)
                return damaged(l, "it says nothing of itself");
        if (r == 0 && (k->head.generation != generation || k->head.block != k->start))
                return damaged(l, "it is not where and what it says");
        if (length > 0)
                g_clear_pointer(&k->data, g_byte_array_unref);
        return r;
}

/* Where the index lies that k builds on. */
static int go_to_base(struct load *l, const struct link *k, uint64_t *start)
{
        uint64_t base = k->head.previous_incremental ? k->head.previous_incremental : k->head.previous_block;
        if (base < l->v->content || base >= k->start || l->chain->len == CHAIN_MAX)
                return damaged(l, "what it builds on is not before it");
        *start = l->reading = base;
        return tape_locate(l->v->tape, base);
}

/* From the newest back to the full one, which is loaded. The first block of the newest is in v->buf. */
static int collect_chain(struct load *l, uint64_t start, struct index_head *head, size_t length)
{
        while (head->incremental) {
                struct link k = { .head = *head, .start = start };
                int r = read_link(l, &k, length);
                g_array_append_val(l->chain, k);
                if (r == 0)
                        r = go_to_base(l, &k, &start);
                if (r == 0)
                        r = read_first_block(l, &length, head);
                if (r == -EUCLEAN && !l->why[0])
                        return damaged(l, "the index that it builds on is not there");
                if (r < 0)
                        return r;
                if (head->generation >= k.head.generation ||
                        head->incremental != (k.head.previous_incremental != 0))
                        return damaged(l, "the index that it builds on is another one");
        }
        return load_full(l, start, head, length);
}

static int apply_link(struct load *l, struct link *k)
{
        size_t length = 0;
        struct index_head head;
        l->reading = k->start;
        if (k->data)
                return load_document(l, k->start, &k->head, k->data, 0);
        int r = tape_locate(l->v->tape, k->start);
        if (r == 0)
                r = read_first_block(l, &length, &head);
        return r < 0 ? r : load_document(l, k->start, &head, NULL, length);
}

static int load_chain(struct load *l, uint64_t start, uint64_t *generation)
{
        struct index_head head = { 0 };
        size_t length;
        int r = read_first_block(l, &length, &head);
        *generation = r == 0 ? head.generation : 0;
        if (r == 0)
                r = collect_chain(l, start, &head, length);
        for (guint i = l->chain->len; r == 0 && i-- > 0;)
                r = apply_link(l, &g_array_index(l->chain, struct link, i));
        if (r == 0)
                l->v->chain.n = l->chain->len;
        if (r == -EUCLEAN || !volume_is_damage(r))
                return r;
        if (*generation > 0 && !l->why[0])
                damaged(l, "the index that it builds on cannot be read");
        return note_unread(l, r);
}

int volume_read_head(Volume *v, uint64_t start, struct index_head *head)
{
        char why[INDEX_WHY_MAX] = "";
        struct load l = { .v = v, .why = why };
        size_t length;
        *head = (struct index_head){ 0 };
        v->at_end = false;
        int r = tape_locate(v->tape, start);
        if (r == 0)
                r = read_first_block(&l, &length, head);
        if (r < 0)
                return r;
        uint64_t generation = head->generation;
        r = index_read_head(v->buf, length, head, why);
        if (r == 0 &&
                (head->generation != generation || head->block != start ||
                        strcmp(head->uuid, v->label.uuid) != 0))
                r = -EUCLEAN;
        return r == -EAGAIN ? -EUCLEAN : r;
}

bool volume_is_damage(int error)
{
        return error == -EUCLEAN || error == -EIO || error == -ENODATA;
}

int volume_load_index(
        Volume *v, uint64_t start, Tree **tree, uint64_t *generation, char why[static INDEX_WHY_MAX])
{
        struct load l = { .v = v, .tree = tree_new(), .why = why, .newest = start, .reading = start };
        l.chain = g_array_new(FALSE, FALSE, sizeof(struct link));
        g_array_set_clear_func(l.chain, clear_link);
        why[0] = '\0';
        segments_clear(&v->segments);
        int r = load_chain(&l, start, generation);
        g_array_unref(l.chain);
        if (r == 0)
                *tree = l.tree;
        else
                tree_free(l.tree);
        return r;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* The index codec: a tree as an XML document of LTFS's schema (2.4), or what has changed in it since another
 * index (ltfsincrementalindex, 2.5), and back. Streaming both ways, no I/O, no recursion: its memory does not
 * grow with the document, but for one entry and what is open above it.
 *
 * A document of ours begins with an XML declaration and one processing instruction,
 *
 *   <?xml version="1.0" encoding="UTF-8"?>
 *   <?reelfs segment="N" generation="N" token="HEX"?>
 *
 * by which it is known as ours. In the compact form what equals its default is left out: times that are
 * modifytime, readonly false, openforwrite, zero offsets, partition, line ends. The reader takes both forms.
 *
 * What LTFS has no element for is in extended attributes: reelfs.posix of each entry (posix.h), and of the
 * root reelfs.label, reelfs.defaults (posix.h) and reelfs.segments (segments.h). The root's come before its
 * contents.
 *
 * An incremental index builds on the last full one and, if it names a previous incremental one, on that and
 * all that it builds on; else it has all changes since the full one. Its segment table has the segments since
 * then. Each entry of it with a fileuid is complete, and an inode that is there already takes all of it; a
 * directory without one is only on the way to what has changed; contents are what has changed in there. */
#include "label.h"
#include "posix.h"
#include "segments.h"
#include "text.h"

#define INDEX_VERSION "2.4.0"
#define INDEX_VERSION_INCREMENTAL "2.5.0"
#define INDEX_WHY_MAX 400

struct index_head {
        uint64_t segment; /* the index's own */
        char token[TOKEN_HEX_LENGTH + 1];
        char creator[256], uuid[37];
        uint64_t generation;
        int64_t update_time;
        char partition[2];
        uint64_t block;          /* its first logical object */
        uint64_t previous_block; /* of the last full index before; 0: there is none */
        bool incremental;
        uint64_t previous_incremental; /* 0: none; it builds on the full one alone */
        uint64_t highest_fileuid;
};

/* ---- Writing */

/* Where the data of an extent is. *usable: how many of its bytes, from the first on, are on the tape. */
struct index_place {
        uint64_t block, usable;
        uint32_t byte_offset;
        bool lost; /* what is not there will not come any more: a write failed */
        bool gone; /* the same, of an earlier mount */
        bool told; /* and that was logged before */
};

struct index_source {
        const struct index_head *head;
        const struct label *label;
        Tree *tree;
        enum tree_scope scope; /* TREE_ALL, unless head is that of an incremental one */
        bool compact;
        /* The segments for the table, as segments_next. False: no more. */
        bool (*segment)(void *ctx, uint64_t after, struct segment *s);
        void (*place)(void *ctx, const struct tree_extent *e, struct index_place *place);
        void *ctx;
        const struct volume_progress *progress; /* or NULL; called with the tree locked */
};

struct index_result {
        uint64_t names;
        uint64_t cut;  /* files of which something was left out, because it is not on the tape */
        uint64_t lost; /* those of them that a failed write has cut; the first ones not told before are logged
                          by name */
};

/* The tree is locked meanwhile, and its log of changes begins anew. Returns out->error, or -ENOMEM. */
int index_write(const struct index_source *source, struct output *out, struct index_result *result);

/* ---- Reading */

/* Whether data, the beginning of a segment, is the beginning of an index of ours: sets segment, generation,
 * token and incremental of head. They prove nothing until the token is compared. */
bool index_probe(const char *data, size_t length, struct index_head *head);

typedef struct IndexReader IndexReader;

/* segments: an empty table, which is filled; tree: a new one. For an incremental index both as those that it
 * builds on have left them. Both stay the caller's. -ENOMEM. */
int index_reader_new(uint32_t block_length, struct segment_table *segments, Tree *tree, IndexReader **ret);
void index_reader_free(IndexReader *r);
/* The next piece of the document, of any length. -EUCLEAN: damaged, index_reader_why says how; -ENOMEM. */
int index_reader_feed(IndexReader *r, const char *data, size_t length);
/* The document must be complete now; head: all but segment and token. */
int index_reader_finish(IndexReader *r, struct index_head *head);
/* What a document says of itself before its entries begin, from its first part: head, all but segment and
 * token. -EAGAIN: that part is too short; -EUCLEAN, -ENOMEM, and why. */
int index_read_head(const char *data, size_t length, struct index_head *head, char why[static INDEX_WHY_MAX]);
const char *index_reader_why(const IndexReader *r);
/* After index_reader_finish: there is nothing wrong with the document but that its end is not there. */
bool index_reader_is_torn(const IndexReader *r);

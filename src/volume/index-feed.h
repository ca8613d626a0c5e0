/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* Feeds an index reader in a thread of its own, while the caller reads the next blocks off the tape: a drive
 * that waits for the parser stops, and has to go back before it goes on. */
#include "index.h"

typedef struct IndexFeed IndexFeed;

/* The reader is the thread's until the end. -ENOMEM. */
int index_feed_begin(IndexReader *reader, size_t block_length, IndexFeed **ret);
/* Where the next block goes. */
char *index_feed_room(IndexFeed *f);
/* The block that is there, length bytes; waits for room for another. The reader's errors, of this or an
 * earlier block. */
int index_feed_put(IndexFeed *f, size_t length);
/* No more blocks: waits until all are parsed, and frees the feed. The reader's errors. */
int index_feed_end(IndexFeed *f);

/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* The segment table, in memory and as text. No lock inside: a volume's is under the volume's lock. */
#include <reelfs/volume.h>

/* Logical object numbers and lengths above these are damage: sums of them must not overflow. */
#define SEGMENT_BLOCK_MAX (UINT64_C(1) << 56)
#define SEGMENT_LENGTH_MAX (UINT64_C(1) << 62)

struct segment_table {
        struct segment *all; /* ascending by id */
        size_t n, allocated;
        uint32_t *on_tape; /* indexes of all; ascending by first block */
        size_t n_on_tape;
};

const char *segment_kind_name(enum segment_kind kind);

void segments_clear(struct segment_table *table);
/* A queued segment; id is above those that are there. -ENOMEM. */
int segments_add(struct segment_table *table, uint64_t id, enum segment_kind kind, struct segment **ret);
/* NULL: no such id. The pointer is good until the next segments_add. */
struct segment *segments_find(const struct segment_table *table, uint64_t id);
/* The next one with a place on the tape, id above after; NULL: no more. */
struct segment *segments_next(const struct segment_table *table, uint64_t after);
/* The one that holds the logical object; NULL: none. */
struct segment *segments_at(const struct segment_table *table, uint64_t block, uint32_t block_length);
/* The one that begins last on the tape; NULL: none. */
struct segment *segments_last(const struct segment_table *table);
/* Gives s its place, which is behind those of all others. */
void segments_place(struct segment_table *table, struct segment *s, uint64_t first_block, uint64_t filemark);
/* Takes the place of the last one on the tape away: nothing of it was written. */
void segments_unplace_last(struct segment_table *table);

/* Logical blocks that length bytes take. */
uint64_t segment_blocks(uint64_t length, uint32_t block_length);
/* The first object behind s: its filemark. */
uint64_t segment_end(const struct segment *s, uint32_t block_length);

/* ---- As text, one line each: "ID KIND FILEMARK BLOCK LENGTH\n" */
#define SEGMENT_LINE_MAX 100
void segment_to_line(const struct segment *s, char line[static SEGMENT_LINE_MAX]);
/* Adds what the line (without LF) says, as synced. -EINVAL: not such a line, or ids do not ascend; -ENOMEM.
 */
int segments_add_line(struct segment_table *table, const char *line, size_t length);
/* Adds those of added, which is empty then, wherever their ids belong. -EUCLEAN: an id is there already;
 * -ENOMEM. */
int segments_merge(struct segment_table *table, struct segment_table *added);
/* After the last line: puts them in tape order. -EUCLEAN: they overlap, or filemarks do not ascend with
 * blocks. */
int segments_seal(struct segment_table *table, uint32_t block_length);

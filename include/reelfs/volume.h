/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* A volume: labels, segment table, index, commit and mount; turns a tree into index segments and back. Knows
 * nothing of files being open. Functions marked (drive) move the tape and are for the drive thread only; all
 * others may be called from any thread. Failures are logged once, where their cause is known; errors are
 * those of tape.h, and: -ENOTUNIQ never; -EUCLEAN the volume's data is damaged; -EMEDIUMTYPE not a reelfs
 * volume; -EPROTONOSUPPORT a newer format. */
#include <glib.h>

#include <reelfs/tape.h>
#include <reelfs/tree.h>

typedef struct Volume Volume;

#define VOLUME_BLOCK_LENGTH_DEFAULT (512 * 1024)
#define VOLUME_BLOCK_LENGTH_MIN 4096 /* LTFS's minimum; a fixed_only drive sets its own, down to 512 */

/* ---- Segments */

/* Ids from here on are not of segments: extents with these name data that has no segment yet. An index leaves
 * them out, as with segments that are not written. */
#define VOLUME_STAGED (UINT64_C(1) << 62)
/* No segment either: extents with this id name bytes that an earlier mount has lost, so that they do not read
 * as zeros. What else the file has is good. */
#define VOLUME_GONE (VOLUME_STAGED - 1)

enum segment_kind { SEGMENT_FILE, SEGMENT_PACK, SEGMENT_INDEX };
enum segment_state {
        SEGMENT_QUEUED,
        SEGMENT_WRITTEN,
        SEGMENT_SYNCED,
        SEGMENT_LOST /* a write of it failed */
};

struct segment {
        uint64_t id;          /* from 1; never reused on a volume */
        uint64_t first_block; /* logical object number; 0 while none of it is written */
        uint64_t filemark;    /* what mt fsf takes: filemarks before it; 0 while none of it is written */
        uint64_t length;      /* bytes on their way to the medium so far */
        enum segment_kind kind;
        enum segment_state state;
        bool told; /* lost, and the files that it has cut were named */
};

/* ---- What is on a tape */
enum volume_content { VOLUME_BLANK, VOLUME_REELFS, VOLUME_LTFS, VOLUME_TAR, VOLUME_FOREIGN };

struct volume_identity {
        enum volume_content content;
        char description[160]; /* for people: "reelfs volume ARCHIVE01 (2f1c…), 2026-11-22", "a tar archive" …
                                */
        char name[256 * 4]; /* of a reelfs or LTFS volume */
        char uuid[37];
        uint32_t block_length;
};
/* (drive) Reads the beginning of the tape, writes nothing; leaves the position anywhere. */
int volume_identify(Tape *tape, struct volume_identity *identity);

struct volume_format {
        const char *name;      /* volume name, UTF-8, at most 255 code points, no '/'; NULL: "" */
        const char *volume_id; /* 6 characters A-Z 0-9 for VOL1, or NULL */
        uint32_t block_length; /* 0: the default, or what the drive has if it is fixed_only */
        bool compression;
        uint32_t uid, gid, mode; /* of the root directory; mode 0: 0755 */
        bool force;              /* overwrite whatever is there */
};
/* (drive) Writes labels and the first index, flushed. -EEXIST: the tape is not blank (and force is not set);
 * the message says what was found. */
int volume_format(Tape *tape, const struct volume_format *format);

/* ---- Mount */
struct volume_info {
        char name[256 * 4], uuid[37], creator[256], format_version[16], volume_id[7];
        uint32_t block_length;
        bool compression;
        bool read_only;                   /* mounted so, or the medium, or why below */
        char read_only_reason[256];       /* for people; empty if not read-only or by request */
        int64_t format_time, update_time; /* ns; of the label, of the last index */
        uint64_t generation;              /* of the last index on the tape */
        uint64_t index_block;             /* its first logical object */
        uint64_t index_length;            /* bytes */
        uint64_t lost;                    /* files that it has in part only, since a write failed */
        uint64_t previous_index_block;    /* the last full one before it; 0: none */
        uint64_t full_index_block;        /* the last full one */
        unsigned incremental_indexes;     /* that are read behind it */
        char index_creator[256];
        uint64_t segments;
};

/* report may be called with the tree locked: it may not use the tree, nor wait for who does. */
struct volume_progress {
        void (*report)(void *ctx, uint64_t done, uint64_t total);
        void *ctx;
};

/* (drive) Reads labels and the last index into a new tree. read_only: by request. A medium that is write
 * protected, a missing EOD, an unreadable place behind the last index or an unknown read-only-compatible
 * feature also make it read-only, with one clear line. Otherwise what follows the last index is recovered,
 * logged, and named by a new index before this returns: nothing that is on the tape is overwritten. The tape
 * is borrowed until volume_close. The tree becomes the caller's, to be freed after the last volume_append. */
int volume_open(Tape *tape, bool read_only, Volume **ret, Tree **tree);
/* The same, and progress is told of a recovery: objects of the tape read so far and in all, then names in the
 * new index. */
int volume_open_with(
        Tape *tape, bool read_only, const struct volume_progress *progress, Volume **ret, Tree **tree);
/* (drive) The volume as it was at an earlier index, read-only. -ENOENT: there is none of that generation. */
int volume_open_generation(Tape *tape, uint64_t generation, Volume **ret, Tree **tree);
/* (drive) All that can be had of a volume that is damaged, into a tree: from the last valid index, and from
 * what follows it, or, if there is none, from the segments alone; also if the label cannot be read. What is
 * wrong is logged. Nothing is written, and the volume read-only. -EMEDIUMTYPE: there is nothing of a volume
 * of ours. */
int volume_open_damaged(Tape *tape, const struct volume_progress *progress, Volume **ret, Tree **tree);

/* An index that is on the tape. */
struct volume_generation {
        uint64_t number; /* 0: not even that can be read */
        uint64_t block, filemark, length;
        int64_t update_time;
        bool incremental;
        bool damaged; /* its beginning cannot be read, or is no index; the rest is not looked at */
};
typedef int (*volume_generation_visitor)(void *ctx, const struct volume_generation *g);
/* (drive) All up to the one that was read, oldest first; their beginnings are read. A negative return of each
 * ends it and is returned. */
int volume_generations(Volume *v, volume_generation_visitor each, void *ctx);
/* Frees; writes nothing. NULL is allowed. */
void volume_close(Volume *v);
void volume_get_info(Volume *v, struct volume_info *info);
uint32_t volume_block_length(Volume *v);
bool volume_is_read_only(Volume *v);
/* Whether the tree may change. 0; -EROFS; -ENOSPC: there is no room for another index. */
int volume_may_change(Volume *v);
Tape *volume_tape(Volume *v);

/* Bytes that can still be written before the index reserve, and the tape's whole; native. total 0: the drive
 * does not say; then remaining is UINT64_MAX until early warning and 0 after it. Counted from the capacity at
 * mount, so it is cheap. */
void volume_capacity(Volume *v, Tree *tree, uint64_t *remaining, uint64_t *total);

/* Bytes that are kept back besides, for the next index, a full one. */
uint64_t volume_reserve(Volume *v, Tree *tree);

/* (drive) Flushes, and asks the drive anew what room there is: the count knows nothing of compression.
 * Nothing where the drive does not say. A failure is one of all that was written since the last index, as of
 * volume_append. */
int volume_remeasure(Volume *v);

/* ---- Segments of data */
/* A new segment, queued. 0: out of memory. */
uint64_t volume_segment_new(Volume *v, enum segment_kind kind);
/* The bytes of a segment that is queued still will not come: a write before it has failed. */
void volume_segment_lost(Volume *v, uint64_t id);
/* Appends to head what pack id begins with. */
void volume_pack_head(Volume *v, uint64_t id, GByteArray *head);
/* -ENOENT: no such id. */
int volume_segment_get(Volume *v, uint64_t id, struct segment *s);
/* The segment that holds logical object block. -ENOENT: none (a filemark, a label, beyond the end). */
int volume_segment_at(Volume *v, uint64_t block, struct segment *s);
/* The first one on the tape with id above after (0: from the start); -ENOENT: no more. Ascending by id; ids
 * need not be in tape order. */
int volume_segment_next(Volume *v, uint64_t after, struct segment *s);

/* (drive) Goes to the end of data, where the next segment begins. First after reads. */
int volume_seek_end(Volume *v);
/* (drive) Appends to segment id, which must be the one being written or, if none is, a queued one. Until the
 * last append iov_length(iov) is a multiple of the block length; last: the rest may be short, and a filemark
 * (IMMED=1) ends the segment. On failure: what is surely written is in the segment's length; its state is
 * SEGMENT_LOST if that is not all of it. -ENOSPC: early warning passed and only the reserve is left. */
int volume_append(Volume *v, uint64_t id, const struct iovec *iov, int iovcnt, bool last);
/* (drive) Reads from segment id at offset (a multiple of the block length) up to size bytes (likewise, and at
 * least one block), not beyond the segment's end; *nread. The position is behind what was read. What the
 * medium does not give is for the caller to tell: -EIO, and *nread ends before it. */
int volume_read(Volume *v, uint64_t id, uint64_t offset, void *buf, size_t size, size_t *nread);
/* (drive) Reads on past the filemark that ends segment id, if the next object begins another segment; *next
 * is that. -ENOENT: none. For read-ahead without LOCATE: volume_read(next, 0, …) then continues where the
 * tape is. */
int volume_read_next(Volume *v, uint64_t id, struct segment *next);

/* ---- Commit */
/* (drive) Writes an index of tree as a segment of its own and flushes; all written segments are synced then.
 * It is incremental, unless too much has changed since the last full one; force: a full one in any case.
 * Extents in segments not yet written are left out, and a file's length ends before the first of them; of a
 * lost segment, what its length covers stays, and what is behind in the file. The tree is locked while a full
 * one is written, and while an incremental one is made. No segment may be half written. progress (may be
 * NULL) is told names written so far and in all. Without changes since the last index it does nothing but
 * flush, unless force. */
int volume_commit(Volume *v, Tree *tree, bool force, const struct volume_progress *progress);
/* True if the tree or the tape has changed since the last index: a commit is needed. */
bool volume_is_dirty(Volume *v, Tree *tree);

/* (drive) After a write that failed: looks whether this is the tape still, with its last index, finds the end
 * of its data, and lets writing go on from there; a commit has to follow, which proves that the tape takes
 * something. Otherwise all stays as it is, and why says, for people, what is wrong. -EROFS: mounted
 * read-only. -ENOSPC: the tape is full. */
#define VOLUME_WHY_MAX 600
int volume_resume(Volume *v, char why[static VOLUME_WHY_MAX]);
/* The attribute of a file that has lost bytes: how many, or how much of it is on the tape. */
#define VOLUME_LOST_XATTR "user.reelfs-lost"
/* Whether some of these bytes of a segment were lost when a write failed. */
bool volume_has_lost(Volume *v, uint64_t id, uint64_t offset, uint64_t length);

/* ---- Check */
struct volume_problem_sink {
        void (*problem)(void *ctx, const char *text); /* one line for people */
        void *ctx;
};
/* (drive) Verifies labels, the last index, all extents against the segment table, filemarks where they are
 * said to be, EOD. *problems: how many were found. 0 even then; negative: it could not be done. Writes
 * nothing. */
int volume_check(Tape *tape, const struct volume_problem_sink *sink, uint64_t *problems);

struct volume_check_options {
        /* Reads all segments, and compares packs with what the index says of them. */
        bool deep;
        uint64_t from; /* from behind so many filemarks on only; not if there is no index */
        /* Appends an index where the last one is damaged, or something follows it. deep: also if there is
         * none, from what names packs have. If the end of data is missing, it is made, by overwriting what is
         * behind the last thing that can be read. */
        bool repair;
        void (*problem)(void *ctx, const char *text); /* one line for people; may be NULL */
        /* Whether that may be overwritten; text says what is there. NULL: no. */
        bool (*agree)(void *ctx, const char *text);
        /* Keeps a block that would be overwritten. NULL: it cannot be kept, and so is not overwritten. */
        int (*save)(void *ctx, uint64_t object, const void *data, size_t length);
        /* Objects so far and in all; 0: not known. False: end with -ECANCELED. May be NULL. */
        bool (*report)(void *ctx, uint64_t done, uint64_t total);
        void *ctx;
};
struct volume_check_result {
        uint64_t problems; /* found */
        uint64_t left;     /* that are there still */
        bool repaired;     /* an index was written */
        /* Of a deep check. next: filemarks before the segment where it ended, for from. */
        uint64_t segments, packs, members, bytes, next;
};
/* (drive) As volume_check, with options. -ECANCELED: report said so. */
int volume_check_with(
        Tape *tape, const struct volume_check_options *options, struct volume_check_result *result);

/* LTFS's names, and reelfs.segment, for virtual extended attributes of the volume's root and of files
 * ("ltfs.volumeUUID" …, without "user."). *value: text that the caller frees. -ENODATA: no such. ino's
 * extents come from tree. */
int volume_virtual_xattr(Volume *v, Tree *tree, uint64_t ino, const char *name, char **value);

/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* What the files of this folder share of a volume. */
#include <pthread.h>
#include <reelfs/log.h>
#include <reelfs/util.h>

#include "index.h"
#include "profile.h"

/* What the cartridge's memory may do for the search of the last index. */
enum volume_hint {
        HINT_NONE,     /* nothing */
        HINT_VERIFIED, /* say where it is; that nothing follows it is looked at on the tape */
        HINT_TRUSTED,  /* that as well; not when anything is to be written */
};

struct Volume {
        Tape *tape; /* borrowed */
        const struct profile *profile;
        struct label label;
        bool keyless;       /* the label is lost, and with it the key: no token can be proved */
        bool fixed_only;    /* the drive has no variable blocks: the last one of a segment is padded */
        uint32_t min_block; /* bytes: a shorter last block is padded */

        /* Drive thread only. */
        char *buf; /* of whole blocks, page-aligned */
        size_t buf_size;
        enum volume_hint hint;
        Tree *tree;         /* borrowed, for the reserve; the one that volume_open gave */
        uint64_t content;   /* first object behind the labels */
        uint64_t filemarks; /* before the end of data */
        bool newer_damaged; /* an index behind the one that was loaded is not valid, though it was finished */
        uint64_t searched;  /* where the search for the last index began to go back */
        GArray *unread;     /* objects: indexes, or what may be some, that it could not read; or NULL */
        uint64_t data_end; /* what find_index found: past this there is nothing; 0: there is no end of data */
        uint64_t agreed;   /* with RECOVER_TRUNCATE: the end of data may be made here or behind, not before */
        bool at_end;       /* the tape is there, for sure */
        bool open_tail;    /* no filemark is right before it, though one has to be */
        const struct volume_check_options
                *check;     /* whose report says whether a recovery is to go on; or NULL */
        uint64_t writing;   /* id of the segment that is half written; 0: none */
        bool never_written; /* mounted read-only, for whatever reason */
        uint64_t warned;    /* bytes that the drive's early warning was put forward by */
        int append_error;   /* sticky: no more data. 0, -ENOSPC or -EIO */
        int commit_error;   /* sticky: no more indexes either */
        GArray *failed;     /* update times of indexes that failed, and may be on the tape; or NULL */
        bool left_out;      /* by the index being written: data that may still come */
        struct index_chain {
                uint64_t full_block; /* of the last full index; 0: there is none */
                unsigned n;          /* incremental ones that are read behind it */
        } chain;

        /* Guards what follows, which only the drive thread changes, but for segments, to which others add.
         * Taken with the tree's lock held, never the other way round. */
        pthread_mutex_t lock;
        uint64_t end; /* of data: the object number of what is written next */
        struct segment_table segments;
        uint64_t next_id;
        struct volume_info info; /* but segments */
        struct index_size {
                uint64_t length, names, extents, memory,
                        segments; /* of the last full index, to tell what the next takes */
        } last;
        uint64_t tree_changes;     /* when the last index was written */
        uint64_t end_at_index;     /* the end of data then */
        bool incomplete;           /* it left out data that may still come */
        uint64_t remaining, total; /* bytes; total 0: the drive does not say */
        bool early_warning;
        bool full; /* read-only, since no further index would fit */
};

static inline Volume *volume_lock(Volume *v)
{
        pthread_mutex_lock(&v->lock);
        return v;
}

static inline void volume_unlock(Volume **v)
{
        pthread_mutex_unlock(&(*v)->lock);
}

/* autounlock Volume *locked = volume_lock(v); until the end of the block */
#define autounlock __attribute__((cleanup(volume_unlock), unused))

/* ---- volume.c */

/* Memory that any transport takes, for g_free. NULL: out of memory. */
char *volume_buffer(size_t size);

/* A volume with buffers for its block length, which the drive has been set to; no segments. -ENOMEM. content:
 * first object behind its labels. */
int volume_new(Tape *tape, const struct label *label, uint64_t content, Volume **ret);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Volume, volume_close)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Tree, tree_free)
/* From now on nothing more is written; reason is for people. */
void volume_set_read_only(Volume *v, const char *reason);
/* (drive) Asks the drive what room there is, if it says. */
void volume_measure(Volume *v);
/* Behind an index: if no other one would fit, nothing may change any more, so that the volume stays closed.
 */
void volume_note_full(Volume *v, Tree *tree);
/* (drive) Has the drive, if it can, say early warning while there is room for the next full index. */
void volume_warn_early(Volume *v, Tree *tree);

/* ---- labels.c: what is before the first segment. (drive)
 * why: for people, what is wrong with what is on the tape; empty after errors of the drive, which were
 * logged. */

/* Reads the first block; the tape is behind it. volume_id: of a VOL1 label. why: what other data it is. */
int labels_identify(
        Tape *tape, enum volume_content *content, char volume_id[static 7], char why[static LABEL_WHY_MAX]);
/* From behind the VOL1 label on: the XML document between two filemarks. *end: the first object behind. The
 * caller frees. -EUCLEAN: it is not there. */
int labels_read_xml(Tape *tape, char **xml, size_t *length, uint64_t *end, char why[static LABEL_WHY_MAX]);
/* Both labels of a volume that can be mounted. *content: first object behind them. */
int labels_read(Tape *tape, struct label *label, uint64_t *content, char why[static LABEL_WHY_MAX]);
int labels_write(Tape *tape, const struct label *label, bool overwrite, uint64_t *content);

/* ---- load.c. (drive) */

/* Loads the index that begins at object start, where the tape is, and those it builds on, into v and *tree;
 * the end of data then is behind it. -EUCLEAN, -EIO, -ENODATA: there is no valid one; why says what is wrong
 * with one of this volume's, and is empty if it is none, or the beginning of one, as a crash leaves it.
 * *generation: what its token is for; 0: none. A file may be a copy of an index: of one before it. */
int volume_load_index(
        Volume *v, uint64_t start, Tree **tree, uint64_t *generation, char why[static INDEX_WHY_MAX]);
/* What the index that begins at object start, if it is one of this volume's, says of itself; of its entries
 * nothing is read. -EUCLEAN, -EIO, -ENODATA: it is none. */
int volume_read_head(Volume *v, uint64_t start, struct index_head *head);
/* Errors that say something about a piece of tape, not about the drive or memory. */
bool volume_is_damage(int error);

/* ---- find.c, of the reel profile. (drive) */
int reel_find_index(Volume *v, Tree **tree, char why[static VOLUME_WHY_MAX]);

/* ---- open.c. (drive) */

/* volume_open, but the memory's hint is used as hint says, and what is wrong with the data on the tape is not
 * logged: it goes into why, when the volume cannot be mounted, or becomes read_only_reason. why is empty
 * after errors that were logged. */
int volume_load(Tape *tape, bool read_only, enum volume_hint hint, Volume **ret, Tree **tree,
        char why[static VOLUME_WHY_MAX]);

/* The same, but of a volume without a valid index, or where none can be searched for, what is known is
 * returned as well, beside -EUCLEAN, -EIO or -ENODATA, with an empty tree: what follows the labels can be
 * recovered. *ret and *tree are NULL if there is nothing. */
int volume_load_any(Tape *tape, bool read_only, enum volume_hint hint, Volume **ret, Tree **tree,
        char why[static VOLUME_WHY_MAX]);
/* Its parts: a volume of which the labels are known, and its last index. volume_find_index may replace *v;
 * both are NULL if there is nothing. */
int volume_begin(Tape *tape, const struct label *label, uint64_t content, Volume **ret);
int volume_find_index(Volume **v, bool read_only, Tree **tree, char why[static VOLUME_WHY_MAX]);
/* What is left to do for a volume with an index in v and tree: names in the order of their data, room, and
 * why it cannot be written to. */
void volume_finish_load(Volume *v, Tree *tree, bool read_only);
/* Names in the order of their data; only before anybody lists. */
void volume_sort_tree(Volume *v, Tree *tree);

/* ---- recover.c. (drive) */

/* Whether something follows the index that was loaded, and the volume may be written to. */
bool volume_is_recoverable(Volume *v);
/* What mount does not do by itself. */
enum recover_how {
        RECOVER_DOUBTFUL = 1 << 0, /* also where a later index may be in what cannot be read */
        RECOVER_TRUNCATE = 1 << 1, /* where the end of data is missing, it is made behind what can be read */
        RECOVER_LOOK = 1 << 2,     /* writes nothing: what was found is in the tree, the volume read-only */
        RECOVER_PATIENT = 1 << 3,  /* reads on block by block where the tape cannot be read */
};
/* Rolls forward over it, and writes an index. What was found is logged. 0, though the volume may be read-only
 * still, with the reason. how: enum recover_how. */
int volume_recover(Volume *v, Tree *tree, unsigned how, const struct volume_progress *progress);

/* ---- check.c */

/* False: the check is to end. options may be NULL. */
bool volume_check_goes_on(const struct volume_check_options *options, uint64_t done, uint64_t total);

/* ---- memory.c. (drive) */

struct coherency;
/* Into the cartridge's memory: whose volume this is; where its last index is, right after the commit. */
void volume_sign_memory(Volume *v);
void volume_note_index(Volume *v);
/* Where the memory says that the last index is. -ENODATA, -EOPNOTSUPP, not logged: it does not say, or what
 * it says is of another volume, or of an earlier state of this one. */
int volume_recall_index(Volume *v, struct coherency *c);

/* ---- append.c. (drive) */

/* A filemark, where one is missing before the end of data. */
int volume_end_tail(Volume *v);
/* Writes length bytes from v->buf, whose rest is padded with fill where the drive needs it. *blocks: written,
 * also on failure. */
int volume_write_buffer(Volume *v, size_t length, char fill, size_t *blocks);
/* Notes that a write failed: no more data is taken, and after anything but -ENOSPC nothing at all after one
 * more index. Returns error. */
int volume_fail(Volume *v, int error);
/* After a failed write: finds what is on the medium, and corrects the segment table and the end of data to
 * it. attempted: the length of the segment being written, if all had gone well; last: that would have been
 * all of it. */
void volume_settle(Volume *v, uint64_t attempted, bool last);
/* Data ends at object end: what was said to be written behind it is lost. */
void volume_cut(Volume *v, uint64_t end);
/* The drive's count is not ours: nothing that was written since the last index is surely where it should be.
 */
void volume_distrust(Volume *v);
/* Moves the end of data on by what was written. */
void volume_advance(Volume *v, uint64_t objects, uint64_t bytes, bool early_warning);
/* What a filemark is counted as, until the drive is asked again. LTO's take less. */
#define FILEMARK_BYTES 4096

/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* Reading forwards over segments that no index tells of: what is on the tape, by what it begins with. Writes
 * nothing and changes nothing of the volume. Drive thread only. */
#include <reelfs/pack.h>

#include "handle.h"

struct found {
        enum segment_kind kind;  /* SEGMENT_FILE: what does not begin with a token of the volume */
        uint64_t id, generation; /* as the token proves; 0: it has none */
        uint64_t first_block, filemark;
        uint64_t length;  /* bytes */
        bool ended;       /* all of it was written: a filemark is behind it, and no second one */
        bool damaged;     /* it cannot be read, or a pack not be understood, to its end */
        bool understood;  /* a pack: all its members were told, though data of them may not be readable */
        bool foreign;     /* in blocks of other lengths than segments have; length is not known */
        const char *type; /* a guess, of SEGMENT_FILE (file-type.h) */
};

/* Each may return an error, which ends the scan; but after -EUCLEAN from member the pack only counts as
 * damaged. Pointers are good until they return. */
struct scan_visitor {
        int (*member)(void *ctx, const struct found *f, const struct pack_member *m, uint64_t offset);
        /* All of a segment was seen. An empty one is not told. */
        int (*segment)(void *ctx, const struct found *f);
        /* Each block that was gone over, before it is looked at; f is not complete yet. Not those behind which
         * a filemark was searched for. */
        int (*block)(void *ctx, const struct found *f, uint64_t object, bool readable);
        void *ctx;
};

struct scan_range {
        uint64_t first;      /* object with which a segment begins, */
        uint64_t filemark;   /* filemarks before it */
        uint64_t end;        /* of data, for the progress; 0: not known */
        uint64_t id;         /* what has a token with no higher id, or of no later */
        uint64_t generation; /* generation, is a copy: nobody's data */
        uint64_t read_max; /* bytes of a nameless segment that are read before its filemark is searched for */
        bool patient; /* go on with the block behind one that cannot be read, whose bytes then count as zeros */
};
/* Searching is faster, but for a drive that has to stop and go back a bit for it. */
#define SCAN_READ_MAX (UINT64_C(1) << 30)

struct scan_result {
        uint64_t end;       /* the first object that is not there, or cannot be read */
        uint64_t filemarks; /* before it */
        bool open_tail;     /* no filemark is right before the end, though one has to be */
        bool stopped;       /* the tape cannot be read on; else the end is that of data */
        uint64_t doubtful;  /* the first object that could not be read where an index may be; 0: none */
        uint64_t highest;   /* id seen, or that of the range */
};

/* Errors: of the drive, if it is gone; -ENOMEM. That a part of the tape is not readable is none. */
int scan_segments(Volume *v, const struct scan_range *range, const struct scan_visitor *visitor,
        const struct volume_progress *progress, struct scan_result *result);

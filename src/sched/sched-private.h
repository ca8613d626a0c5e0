/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* What the scheduler's modules share.
 *
 * Locks, in order: SchedFile.lock, Sched.lock, then those inside tree and volume. SchedFile.lock guards the
 * file's bytes that are in memory: who copies into or out of a stage or an unwritten batch holds it, and
 * gives it up before it waits for room. Sched.lock guards everything else here; no one copies data, and no
 * one touches the drive, under it. */
#include <glib.h>
#include <pthread.h>

#include <reelfs/sched.h>

#include "pool.h"

struct stage;
struct job;

/* A segment in the making, small: its bytes are in chunks, in the order in which they were written. */
struct stage {
        uint64_t segment;
        SchedFile *file; /* a use of it */
        uint8_t **chunks;
        unsigned n_chunks;
        size_t length;
        bool sealed;       /* in Sched.sealed; nobody writes into it any more */
        bool urgent;       /* spilled, or somebody waits for it: no lingering */
        int64_t sealed_at; /* monotonic ns */
        uint64_t sequence; /* order of sealing */
        GList link;        /* in Sched.open or Sched.sealed */
};

/* Bytes of the stream on their way: a batch, or (data NULL) just the end of a segment. */
struct job {
        uint64_t segment, offset; /* where in it the batch begins */
        SchedFile *file;          /* a use of it */
        uint8_t *data;
        size_t length;
        unsigned filling; /* threads that copy into it */
        unsigned pins;    /* threads that copy out of it */
        bool sealed;      /* nobody begins to */
        bool last;        /* of its segment */
        uint64_t sequence;
        GList link; /* in Sched.jobs */
};

/* Memory that somebody receives the next bytes of the stream into (loan.c). */
struct loan {
        bool active;
        struct job *job; /* the free end of its batch is lent; or NULL */
        uint8_t *kept;   /* a batch to be given back at the end, since its job went without it; or NULL */
        uint8_t *next[SCHED_LOAN_IOV - 1]; /* batches for the jobs that follow */
        unsigned n_next;
};

struct SchedFile {
        Sched *sched;
        uint64_t ino;
        pthread_mutex_t lock;
        struct stage *stage; /* open one, or NULL; changes under both locks */
        /* Sched.lock: */
        unsigned opens, uses;        /* open files; stages, jobs and reads that need it */
        int flush_error, sync_error; /* losses not yet told */
};

/* Of the tape, read into a slab: length bytes of segment from offset on lie at data. */
struct span {
        uint64_t segment, offset;
        size_t length, at;
};
#define SLAB_SPANS 64

struct slab {
        uint8_t *data;
        unsigned n_spans, pins;
        uint64_t used; /* clock of the last use */
        bool touched;  /* somebody has read from it */
        struct span spans[SLAB_SPANS];
};

struct read_request {
        SchedFile *file; /* a use of it */
        uint64_t offset;
        size_t size;
        sched_read_done done;
        void *ctx;
        GList link;
};

struct sync_request {
        SchedFile *file; /* a use of it, or NULL */
        sched_sync_done done;
        void *ctx;
        GList link;
};

/* Where the tape was last read up to, and what is known of the reader's ways. Drive thread, but for slabs. */
struct reader {
        struct slab *slabs; /* Sched.lock; filled by the drive thread while pins keeps others off */
        unsigned n_slabs;
        uint64_t clock;
        uint64_t segment, offset; /* the end of the last slab read; segment 0: none */
        unsigned streak;          /* slabs in a row that were read in the order of the tape */
        struct slab *frontier;    /* the last slab read */
};

struct Sched {
        Volume *volume;
        Tree *tree;
        struct sched_options options;
        uint32_t block_length;
        bool padded;      /* the drive knows full blocks only */
        size_t stage_max; /* bytes that a stage may hold while it waits for the stream */
        pthread_t thread;

        pthread_mutex_t lock;
        pthread_cond_t work; /* for the drive thread */
        pthread_cond_t room; /* for writers: room, the stream, the end of a commit */
        struct pool pool;
        GHashTable *files;  /* ino -> SchedFile */
        GHashTable *stages; /* segment -> stage, open and sealed */
        GQueue open, sealed, jobs, reads, syncs;
        uint64_t sequence;
        unsigned waiters;

        struct {
                SchedFile *owner;
                uint64_t segment, offset; /* where the next byte goes */
                struct job *job;          /* being filled, or NULL */
                int64_t last_write;       /* monotonic ns */
                uint64_t turn;            /* bytes in this turn */
                SchedFile *claimant;      /* who is next, only to be compared; NULL: nobody */
                int64_t claimed_at;       /* when he last said so */
        } stream;

        struct loan loan;
        struct reader reader;

        uint64_t dirty;        /* bytes in stages and jobs */
        uint64_t sealed_bytes; /* of them in sealed stages */
        uint64_t left, total;  /* bytes the tape still takes, and its whole */
        uint64_t tape_segment; /* half written; 0: none. Drive thread */
        bool measure;          /* the drive is to be asked what is left */
        uint64_t measured;     /* what was written when it last was */
        bool drawing;          /* a barrier is being drawn: the stream keeps its owner */
        bool committing; /* from then until the index is written: who replaces bytes that are on the tape
                            waits */
        bool stop, finished;
        bool flushing; /* sealed stages are being written until none is left */
        bool reading;  /* drive thread: serving reads, or else writing; since when, and when it last read */
        int64_t phase_since, read_at;
        int error;      /* first loss */
        bool broken;    /* nothing more is written */
        bool read_only; /* from the start */
        uint64_t written, read, commits;
        int64_t committed_at;                   /* monotonic ns */
        const struct volume_progress *progress; /* of the last commit */
};

/* file.c: uses are counted under Sched.lock. */
void file_use(SchedFile *f);
void file_unuse(SchedFile *f);
/* A loss in f: told by flush and sync. Sched.lock held. */
void file_failed(SchedFile *f, int error);

/* stage.c, stream.c: both locks held unless said otherwise. */
struct stage *stage_new(SchedFile *f); /* NULL: memory is out */
void stage_free(struct stage *st);     /* Sched.lock */
void stage_seal(struct stage *st, bool urgent);
int stage_copy_out(struct stage *st, uint64_t offset, void *dst, size_t size); /* SchedFile.lock */
/* Puts a stage's bytes into file order, without those that no extent names any more. SchedFile.lock; the
 * stage is sealed. */
void stage_tidy(struct stage *st);
/* Ends the stream's segment; its owner, if he goes on, begins another. Sched.lock. */
void stream_seal(Sched *s);
/* The stream's unwritten job that holds byte offset of segment, or NULL. Sched.lock. */
struct job *stream_find(Sched *s, uint64_t segment, uint64_t offset);
/* One more batch for f, who owns it: the one in which lies, if that is lent and is its beginning. NULL: none
 * is free. */
struct job *stream_job(Sched *s, SchedFile *f, const void *lies);
void job_free(Sched *s, struct job *j); /* Sched.lock */

/* loan.c: Sched.lock. */
bool loan_is_in(const Sched *s, const struct job *j); /* part of its batch is lent */
/* The batch, if it begins at lies; else NULL. */
uint8_t *loan_take(Sched *s, const void *lies);
/* The job goes: true if its batch stays with the loan, which gives it back. */
bool loan_keep(Sched *s, struct job *j);
/* Moves the job's bytes to a batch that nobody receives into. SchedFile.lock too; gives up Sched.lock. False:
 * no batch is free. */
bool loan_evade(Sched *s, struct job *j);

/* reader.c */
void reader_init(Sched *s);
void reader_clear(Sched *s);
/* Drive thread, no locks held: serves one request; reads one slab ahead if that makes sense (true: it did).
 */
void reader_serve(Sched *s, struct read_request *r);
bool reader_wants_ahead(Sched *s); /* Sched.lock */
void reader_ahead(Sched *s);

/* Waits for cond, at most until deadline (monotonic ns; INT64_MAX: for ever). */
void cond_wait_until(pthread_cond_t *cond, pthread_mutex_t *lock, int64_t deadline);

/* drive.c */
void *drive_main(void *sched);

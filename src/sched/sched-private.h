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

#include <reelfs/hash.h>
#include <reelfs/sched.h>

#include "pool.h"

struct stage;
struct job;

/* The first pieces of a stage are crumbs, the others chunks. */
#define STAGE_CRUMBS 4
G_STATIC_ASSERT(STAGE_CRUMBS *POOL_CRUMB == POOL_CHUNK);

/* Bytes of a small file that have no segment yet, in the order in which they were written. */
struct stage {
        uint64_t segment;                        /* stands for one: VOLUME_STAGED or above */
        SchedFile *file;                         /* a use of it */
        uint8_t **pieces, *crumbs[STAGE_CRUMBS]; /* pieces is crumbs while these suffice */
        unsigned n_pieces;
        size_t length;
        bool sealed;       /* in Sched.sealed; nobody writes into it any more */
        bool urgent;       /* spilled, or somebody waits for it: no lingering */
        bool taken;        /* by the drive thread */
        int64_t sealed_at; /* monotonic ns */
        int64_t queued_at; /* when its writer last waited for the stream; 0: he does not */
        uint64_t sequence; /* order of opening, then of sealing */
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
        struct job
                *job; /* the end of its batch is lent: what is free of it, or was when it was lent; or NULL */
        uint8_t *kept; /* a batch to be given back at the end, since its job went without it; or NULL */
        uint8_t *next[SCHED_LOAN_IOV - 1]; /* batches for the jobs that follow */
        unsigned n_next;
};

/* What is known of a file's bytes as they are now (content.c). */
struct content {
        struct hash_parts parts;
        struct hash_sha256 *sha; /* of the bytes from the front on, while they come in order; or NULL */
        bool begun;              /* what the tree knows was taken over */
};

/* What of a file was read (check.c). */
struct check {
        struct hash_parts seen;
        uint64_t round; /* rises with every change of the file */
        bool given_up;  /* too many parts; until it is opened again */
        bool differs;   /* it is not what was written */
};

struct SchedFile {
        Sched *sched;
        uint64_t ino;
        pthread_mutex_t lock;
        struct stage *stage; /* open one, or NULL; changes under both locks */
        struct stage *rests; /* the last one sealed, or NULL; likewise */
        /* Sched.lock: */
        unsigned opens, uses; /* open files; stages, jobs and reads that need it */
        int flush_error;      /* a loss not yet told by close */
        bool failed;          /* bytes of it were lost while it was in use */
        uint64_t counted;     /* Sched.lock: the value of drawn when it last counted as fresh */
        /* SchedFile.lock: */
        uint64_t read_end; /* how far it has been read */
        struct content content;
        struct check check;
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
        uint64_t used;        /* clock of the last use */
        uint64_t run;         /* in which it was read */
        bool touched;         /* somebody has read from it */
        size_t filled, taken; /* bytes that were read into it, and that were handed out */
        struct span spans[SLAB_SPANS];
};

struct read_request {
        SchedFile *file; /* a use of it */
        uint64_t offset;
        size_t size;
        sched_read_done done;
        void *ctx;
        uint64_t round; /* of the check, if checked */
        bool checked;
        uint64_t segment, at; /* the first byte that was not in memory when it was asked for */
        bool sequential; /* the file is being read from front to back, and there is more than a slab to come
                          */
        unsigned rank; /* when the drive would have it served, from 1; 0: the drive was not asked. Sched.lock
                        */
        unsigned ranked; /* how often it was */
        int64_t since;   /* when it came to wait for the tape */
        GList link;
};

/* Slabs that one answer can lie in. */
#define PARTS_MAX 16

/* An answer without a copy: its parts lie in slabs, which are pinned. */
struct parts {
        struct iovec iov[PARTS_MAX];
        struct slab *slabs[PARTS_MAX];
        int n;
};

struct sync_request {
        SchedFile *file; /* a use of it, or NULL */
        bool all;        /* it is about all files */
        char *why;       /* it asks for writing to go on; VOLUME_WHY_MAX bytes. Or NULL */
        int refused;     /* what came of that */
        sched_sync_done done;
        void *ctx;
        GList link;
};

/* Where the tape was last read up to, and what is known of the reader's ways. A run is what is read between
 * two LOCATEs, for one program mostly. Sched.lock. */
struct reader {
        struct slab *slabs; /* filled by the drive thread while pins keeps others off */
        unsigned n_slabs;
        uint64_t clock;
        uint64_t segment, offset; /* the end of the last slab read; segment 0: none */
        bool at_end;              /* that is the end of the segment */
        unsigned streak;          /* slabs in a row that were asked for in the order of the tape */
        bool promising;           /* the run began with the front of a long file */
        uint64_t run;             /* counts them */
        uint64_t ino;             /* for whom the run began */
        int64_t run_since;        /* when */
        int64_t used_at;          /* when somebody last read from its slabs */
        int64_t locate_ns;        /* what going elsewhere costs: a mean of the last times */
        uint64_t rate;            /* bytes/s at which slabs were filled, the best of the last ones */
        int64_t advice_ns;        /* what the drive's advice cost the last time */
        bool unadvised;           /* the drive gives none */
};

/* A block that could not be read (bad.c). */
struct bad_block {
        uint64_t object; /* 0: none */
        int64_t tried_at;
        bool refused; /* somebody has asked for it */
};
#define BAD_BLOCKS 64

/* How writing goes on. Sched.lock. */
struct pace {
        enum { PACE_IDLE, PACE_FEED, PACE_GATHER } state;
        uint64_t min_rate; /* bytes/s */
        unsigned mark;     /* batches that are enough to go on with */
        bool starved;      /* somebody found no batch since gathering began */
        int64_t since;     /* when it began; or when data came to be fed, from which on the rate counts */
        uint64_t since_bytes;
        int64_t written_at; /* the last time that something went to the drive */
        uint64_t stops;
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
        GHashTable *files;     /* ino -> SchedFile */
        GHashTable *stages;    /* segment -> stage, open and sealed */
        GHashTable *differing; /* inode numbers of files that are not what was written */
        uint64_t next_stage;
        GQueue open, sealed, jobs, reads, syncs;
        bool sync_now; /* somebody waits for a commit that may not be put off */
        uint64_t sequence;
        unsigned waiters, room_waiters; /* who waits in sched_write; of these, not for the stream */
        int64_t refused_at; /* monotonic ns: when a parked writer, who comes again, last found no room */

        struct {
                SchedFile *owner;
                uint64_t segment, offset; /* where the next byte goes */
                struct job *job;          /* being filled, or NULL */
                int64_t last_write;       /* monotonic ns */
                uint64_t turn;            /* bytes in this turn */
                bool starved;             /* the owner waits for room: he does not idle */
                SchedFile *claimant;      /* who is next, only to be compared; NULL: nobody */
                int64_t claimed_at;       /* when he last said so */
                uint64_t claim;           /* sequence of his stage */
        } stream;

        struct loan loan;
        struct reader reader;
        struct {
                pthread_t thread;
                pthread_cond_t some; /* for it */
                GQueue queue;        /* of struct handed */
                unsigned pinned;     /* slabs, for these and the one that is being given */
                bool end;
        } answers; /* but for the thread, Sched.lock */
        struct {
                struct bad_block blocks[BAD_BLOCKS];
                unsigned next;    /* the one that is replaced */
                GHashTable *told; /* "INO OBJECT" */
        } bad;
        struct pace pace;

        /* The pack being written, by the drive thread alone. Others look into its batch under Sched.lock. */
        struct {
                uint64_t segment; /* 0: none */
                uint64_t offset;  /* in it, where the batch begins */
                uint8_t *data;    /* a batch, for good */
                size_t length;    /* in the batch; drive thread */
                size_t visible;   /* of that, what extents name; Sched.lock */
                unsigned pins;    /* threads that copy out of it; Sched.lock */
                size_t dirty;     /* bytes of its members that are counted as such; Sched.lock */
                int error;
                GByteArray *header, *others; /* of the next member: what comes before its data, and behind */
                GPtrArray *files; /* a use of each; those that are lost if the batch is; Sched.lock */
        } pack;

        uint64_t dirty;        /* bytes in stages and jobs */
        uint64_t sealed_bytes; /* of them in sealed stages */
        unsigned open_chunks;  /* that open stages have */
        uint64_t left, total;  /* bytes the tape still takes, and its whole */
        uint64_t tape_segment; /* half written; 0: none. Drive thread */
        bool measure;          /* the drive is to be asked what is left */
        uint64_t measured;     /* what was written when it last was */
        bool drawing;          /* a barrier is being drawn: the stream keeps its owner */
        bool committing; /* from then until the index is written: who replaces bytes that are on the tape,
                            or a hole before such, waits */
        uint64_t kept;   /* while committing: bytes of left that the index may take */
        bool stop, finished;
        bool serving; /* the drive thread reads */
        /* What came since the last barrier, and before it but is in no index yet; barriers so far, from 1. */
        struct {
                uint64_t files, bytes;
        } fresh, leaving;
        uint64_t drawn;
        bool flushing; /* sealed stages are being written until none is left */
        bool reading;  /* serving reads, or else writing; since when, and when it last read */
        int64_t phase_since, read_at;
        int64_t sleeps_until; /* the drive thread; 0: it is awake, and looks again before it sleeps */
        int error;            /* first loss */
        bool broken;          /* nothing more is written */
        bool salvage;         /* it has just broken: an index of what is good is due */
        bool losses;          /* some file has lost bytes, or had */
        uint64_t lost;        /* how many have, at the end */
        bool read_only;       /* from the start */
        uint64_t written, read, commits;
        int64_t committed_at;                   /* monotonic ns */
        const struct volume_progress *progress; /* of the last commit */
};

/* file.c: uses are counted under Sched.lock. */
void file_use(SchedFile *f);
void file_unuse(SchedFile *f);
/* size new bytes have a place. Sched.lock held. */
void file_grows(SchedFile *f, size_t size);
/* A loss in f: told by flush. Sched.lock held. */
void file_failed(SchedFile *f, int error);

/* A writer who waits for the stream says so at least this often; then nobody else can take it. */
#define WAIT_NS INT64_C(100000000)
#define CLAIM_NS (3 * WAIT_NS)

/* How long a sealed stage lingers, so that files get the names and attributes that they keep, and those that
 * live for a moment never reach the tape: while the tape is free, and while a stream would have to be cut for
 * it. */
#define LINGER_MS_DEFAULT 5000
int64_t linger_ns(const Sched *s, bool streaming);

/* stage.c, stream.c: both locks held unless said otherwise. */
/* An open one: where the last one sealed was left, if nobody waits for it, else a new one. */
struct stage *stage_open(SchedFile *f);
void stage_free(struct stage *st); /* Sched.lock */
void stage_seal(struct stage *st, bool urgent);
/* Whether num in den of the pieces that are not with open stages are with sealed ones. Sched.lock */
bool stages_fill(Sched *s, unsigned num, unsigned den);
/* Whether open stages have num in den of the chunks. Sched.lock */
bool stages_crowd(const Sched *s, unsigned num, unsigned den);
/* Its writer waits for the stream, and so does it. Sched.lock */
bool stage_is_queued(const struct stage *st);
/* Room for size bytes more, as far as there is; returns how many bytes have room now. */
size_t stage_grow(struct stage *st, size_t size);
/* The byte at offset, which has room; *n: how many from there on lie in one piece. */
uint8_t *stage_at(const struct stage *st, size_t offset, size_t *n);
int stage_copy_out(struct stage *st, uint64_t offset, void *dst, size_t size); /* SchedFile.lock */
/* Takes the hash of what the file has in the stage. SchedFile.lock; nobody writes into the stage. */
void stage_hash(struct stage *st);
/* Puts a stage's bytes into file order, without those that no extent names any more. True if they are all of
 * the file, and *attr is its. SchedFile.lock; the stage is taken. */
bool stage_tidy(struct stage *st, struct tree_attr *attr);
/* Ends the stream's segment; its owner, if he goes on, begins another. Sched.lock. */
void stream_seal(Sched *s);
/* The stream's unwritten job that holds byte offset of segment, or NULL. Sched.lock. */
struct job *stream_find(Sched *s, uint64_t segment, uint64_t offset);
/* One more batch for f, who owns it: the one in which lies, if that is lent and is its beginning. NULL: none
 * is free. */
struct job *stream_job(Sched *s, SchedFile *f, const void *lies);
void job_free(Sched *s, struct job *j); /* Sched.lock */
/* Somebody who waits may find room now. Sched.lock. */
void room_made(Sched *s);

/* content.c: SchedFile.lock held, and not Sched.lock. */
/* Before the first change. */
void content_begin(SchedFile *f);
void content_clear(SchedFile *f);
/* Before these bytes are replaced. True: they are known, and *old is their CRC; then content_change follows,
 * else content_put, or for a stage nothing. */
bool content_replaces(SchedFile *f, uint64_t offset, size_t size, uint32_t *old);
void content_put(SchedFile *f, uint64_t offset, const void *data, size_t size);
void content_change(SchedFile *f, uint64_t offset, const void *data, size_t size, uint32_t old);
/* The same for bytes in a stage: of an extent; those at at of it, which are the file's at offset. */
void content_put_staged(SchedFile *f, const struct stage *st, const struct tree_extent *e);
void content_change_staged(
        SchedFile *f, const struct stage *st, uint64_t offset, uint64_t at, size_t size, uint32_t old);
/* Before these bytes become a hole; before the file ends at offset (length UINT64_MAX) or they are zeros. */
void content_zero(SchedFile *f, uint64_t offset, uint64_t length);
void content_cut(SchedFile *f, uint64_t offset, uint64_t length);
/* Tells the tree, if all of the file is known. */
void content_settle(SchedFile *f);

/* check.c: SchedFile.lock held, and not Sched.lock, unless said otherwise. */
void check_open(SchedFile *f); /* Sched.lock; the file was not in use */
/* The file changes. */
void check_forget(SchedFile *f);
/* A read begins; -EIO: the file is not what was written. */
int check_admit(struct read_request *q, const struct tree_attr *attr);
/* No locks held. iov answers q, with all that it asks for. -EIO: with that the file is complete, and it is
 * not what was written. */
int check_answer(const struct read_request *q, const struct iovec *iov);

/* loan.c: Sched.lock. */
bool loan_is_in(const Sched *s, const struct job *j); /* part of its batch is lent */
/* The batch, if it begins at lies; else NULL. */
uint8_t *loan_take(Sched *s, const void *lies);
/* The job has got that batch, in which there may be more that is not taken yet. */
void loan_follow(Sched *s, struct job *j);
/* The job goes: true if its batch stays with the loan, which gives it back. */
bool loan_keep(Sched *s, struct job *j);
/* Moves the job's bytes to a batch that nobody receives into. SchedFile.lock too; gives up Sched.lock. False:
 * no batch is free. */
bool loan_evade(Sched *s, struct job *j);

/* pack.c: drive thread, Sched.lock held on entry and exit, and given up while the drive works. */
void pack_init(Sched *s);
void pack_clear(Sched *s);
/* Writes the sealed stage: small ones that are whole files into the pack, which is begun for it, others as a
 * segment of their own. st is gone afterwards. */
void pack_write_stage(Sched *s, struct stage *st);
void pack_end(Sched *s);
/* Where byte offset of segment is in the pack's batch, and how many bytes there are from there on, or NULL.
 * Sched.lock; others than the drive thread count themselves in pack.pins. */
const uint8_t *pack_find(Sched *s, uint64_t segment, uint64_t offset, size_t *n);

/* answer.c; drive thread, no locks held: serves one request. */
void reader_serve(Sched *s, struct read_request *r);
/* No locks held: compares, answers, unpins. */
void parts_give(struct read_request *q, const struct parts *p);

/* hand-over.c. start: 0, or a negative error. stop: when nothing is handed over any more; all are answered.
 */
int answers_start(Sched *s);
void answers_stop(Sched *s);
/* Drive thread, no locks held. True: q and its parts are the other thread's. */
bool answers_take(Sched *s, struct read_request *q, const struct parts *p);

/* reader.c */
void reader_init(Sched *s);
void reader_clear(Sched *s);
/* The span that holds byte offset of segment, whose slab is pinned, or NULL. Sched.lock. */
const struct span *slab_pin(Sched *s, uint64_t segment, uint64_t offset, struct slab **ret);
/* taken: bytes of it that were handed out. Sched.lock. */
void slab_unpin(Sched *s, struct slab *slab, size_t taken);
/* Drive thread, no locks held: gets byte offset of segment into a slab for a request; reads one slab ahead.
 */
int reader_load(Sched *s, const struct read_request *q, uint64_t segment, uint64_t offset);
bool reader_wants_ahead(Sched *s); /* Sched.lock */
void reader_ahead(Sched *s);
/* A LOCATE that costs more than this is worth being avoided. */
#define LOCATE_DEAR_NS INT64_C(20000000)
/* Blocks up to which reading on takes the place of a LOCATE. */
uint64_t reader_near(Sched *s);
/* Of bytes of the file, if they are in memory; -EAGAIN: they are not. SchedFile.lock. */
int reader_crc(SchedFile *f, uint64_t offset, size_t size, uint32_t *crc);
/* The bytes are in a slab. Sched.lock. */
bool reader_holds(Sched *s, uint64_t segment, uint64_t offset);
/* The logical object that holds byte offset of segment. False: it is not on the tape. */
bool reader_object(Sched *s, uint64_t segment, uint64_t offset, uint64_t *object);
/* Where the tape goes on after what was read last: true, or false if there is nothing more to read.
 * Sched.lock.
 */
bool reader_follows(Sched *s, uint64_t *segment, uint64_t *offset);

/* bad.c: drive thread, Sched.lock held. */
void bad_init(Sched *s);
void bad_clear(Sched *s);
void bad_note(Sched *s, uint64_t object); /* it could not be read */
void bad_forget(Sched *s, uint64_t object);
void bad_forget_all(Sched *s); /* it may have been the drive */
/* It is not worth being tried again yet. */
bool bad_is_refused(Sched *s, uint64_t object);
/* The first one from from on, before end; else end. */
uint64_t bad_first(Sched *s, uint64_t from, uint64_t end);
/* f is refused the byte at offset of segment. Gives up Sched.lock. */
void bad_tell(Sched *s, SchedFile *f, uint64_t segment, uint64_t offset);
/* advice.c; drive thread, Sched.lock held. Whether to ask the drive in which order it reaches the waiting
 * reads soonest, and doing so, which gives up the lock: they have ranks then, if the drive has an answer. */
bool advice_is_due(Sched *s);
void advice_ask(Sched *s);

/* order.c; Sched.lock held. What is to be looked at again by itself lowers *deadline. */
/* The read to be served now, out of the queue, or NULL. Drive thread: gives up the lock if the drive is to be
 * asked for its advice. */
struct read_request *order_next(Sched *s, int64_t now, int64_t *deadline);
/* Whether it is the writers' turn. commit: one is due. */
bool order_may_write(Sched *s, bool commit, int64_t now, int64_t *deadline);
/* What the tape does from now on. */
void order_set_phase(Sched *s, bool reading, int64_t now);

/* pace.c; Sched.lock held. What is to be looked at again by itself lowers *deadline. */
void pace_init(Sched *s, uint8_t density);
/* The first job may not go to the drive yet: more is to be gathered. */
bool pace_holds(Sched *s, int64_t now, int64_t *deadline);
/* Something goes to the drive. */
void pace_feeds(Sched *s, int64_t now);
/* There is nothing to be written. */
void pace_runs_dry(Sched *s, int64_t now, int64_t *deadline);
/* The tape stops for other reasons: a commit, or a read. */
void pace_ends(Sched *s);

/* loss.c; Sched.lock held on entry and exit. */
/* 0, or the error that a sync of f has to tell as long as bytes of it are lost. Gives up Sched.lock. */
int loss_of(Sched *s, SchedFile *f);
/* What a write to f ends with when nothing more is written. */
int loss_of_writer(Sched *s, SchedFile *f);
/* Files in use that have lost what was thought to be written. Gives up Sched.lock. */
void loss_tell_open_files(Sched *s);
/* Writing goes on. */
void loss_forgive(Sched *s);
/* Names of files in the tree that have lost bytes. After the drive thread; no locks held. */
uint64_t loss_count(Sched *s);

/* Waits for cond, at most until deadline (monotonic ns; INT64_MAX: for ever). */
void cond_wait_until(pthread_cond_t *cond, pthread_mutex_t *lock, int64_t deadline);

/* drive.c */
/* A write failed: nothing more is written, and the bytes of segment that are not on the tape never will be.
 * Sched.lock. */
void drive_lost(Sched *s, uint64_t segment, int error);
void *drive_main(void *sched);

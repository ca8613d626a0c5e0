/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* The scheduler owns the drive: one drive thread, one command outstanding, several batches ready behind it.
 * It decides what goes to tape when, and serves reads. Data lives in a pinned pool until the tape has it; who
 * finds no room waits here and nowhere else. All functions: any thread, unless said otherwise. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include <reelfs/volume.h>

typedef struct Sched Sched;
/* A regular file that is open or has data on its way; one for each inode, counted by opens. */
typedef struct SchedFile SchedFile;

/* Of what is written: CRC-32 of every file; also SHA-256 of files that are written from front to back; none.
 */
enum sched_hash { SCHED_HASH_CRC32, SCHED_HASH_SHA256, SCHED_HASH_NONE };

/* When an fsync returns. */
enum sched_fsync {
        SCHED_FSYNC_COMMIT, /* after a commit of its own, or one shared with those at the same time */
        SCHED_FSYNC_GROUP,  /* after a commit; there is one every SCHED_GROUP_S at most for them */
        SCHED_FSYNC_LAZY,   /* at once; the next commit for another reason has it */
};
#define SCHED_GROUP_S 10

struct sched_options {
        size_t buffer;      /* bytes of the pool; 0: the default */
        size_t stage;       /* a file longer than this takes the stream; 0: the default, 1 MiB */
        uint64_t quantum;   /* bytes of one file in a row, while others wait; 0: the default, 256 MiB */
        unsigned linger_ms; /* how long a closed small file waits for others, twice that while one streams; 0:
                             * the default, 5000 */
        unsigned idle_ms;   /* then he loses his turn who writes nothing; 0: the default, 100 */
        uint64_t commit_s;  /* seconds between timed commits; 0: none */
        bool commit_on_close; /* also when a file that was written is closed */
        enum sched_fsync fsync;
        unsigned max_waiters; /* threads that may wait for room in sched_write at once; 0: 4 */
        enum sched_hash hash;
        bool no_verify;    /* what is read is not compared with its CRC */
        uint64_t min_rate; /* bytes/s below which the drive has to stop the tape; 0: as of its medium */
};
#define SCHED_BUFFER_DEFAULT ((size_t)256 << 20)
#define SCHED_BUFFER_MIN ((size_t)8 << 20)
#define SCHED_NEVER_GATHER UINT64_MAX /* of min_rate */

/* Allocates the pool and starts the drive thread, which alone uses volume's (drive) functions from then on.
 * volume and tree are borrowed. -ENOMEM; -EINVAL: a buffer too small for the volume's block length. */
int sched_new(Volume *volume, Tree *tree, const struct sched_options *options, Sched **ret);
/* Writes out everything, commits, ends the thread. Returns 0 if all that was ever accepted is on the tape and
 * in its index; otherwise what went wrong first. Reads still waiting get -EIO, and so do syncs from now on.
 */
int sched_stop(Sched *s, const struct volume_progress *progress);
/* After sched_stop. Files still open are closed. Nobody may be in another call. */
void sched_free(Sched *s);

/* A file in use: keeps the inode. -EISDIR, -EINVAL: not a regular file; -ESTALE. */
int sched_open(Sched *s, uint64_t ino, SchedFile **ret);
void sched_release(SchedFile *f);

/* Where written bytes come from: fill puts the next size bytes at dst, 0 or -errno. */
struct sched_source {
        int (*fill)(void *ctx, void *dst, size_t size);
        bool (*interrupted)(void *ctx); /* polled while waiting, after sched_wake; NULL: never */
        void (*waits)(void *ctx);       /* before it waits; must not block, nor call back. May be NULL */
        /* Where the next byte lies in memory that sched_lend has lent. NULL: none of the data lies there.
         * fill is called all the same, with that place as dst if nothing is to be copied; they may overlap.
         */
        const void *(*lies)(void *ctx);
        void *ctx;
        /* WAIT: unless max_waiters threads do already; nor for the stream, with data that lies in lent
         * memory: who has the stream needs that. */
        enum sched_wait { SCHED_WAIT, SCHED_NO_WAIT } wait;
};
/* Takes size bytes for offset. *done: bytes taken, also on failure. Returns when the data is in the pool.
 * -EAGAIN: would have to wait, and may not; -EINTR; -EROFS: mounted read-only, or a write of other files has
 * failed; -ENOSPC: the tape is full; -EFBIG; -EIO: bytes of this file are lost. */
int sched_write(SchedFile *f, uint64_t offset, size_t size, const struct sched_source *source, size_t *done);
/* Lends memory to receive the next write into: what belongs to the file that streams then lies where it would
 * have to be copied to. iov: SCHED_LOAN_IOV elements, size bytes together; *n: how many were used, 0: nothing
 * is lent, as no file streams or memory is short. One loan at a time, until sched_lend_end; what is received,
 * and not taken by sched_write until then, is gone. */
#define SCHED_LOAN_IOV 5
void sched_lend(Sched *s, size_t size, struct iovec *iov, int *n);
void sched_lend_end(Sched *s);
/* Whether some file streams, so that sched_lend is likely to lend. */
bool sched_is_streaming(Sched *s);
/* Whether one more name, with its place in the index, still fits behind all data accepted so far. */
bool sched_has_room(Sched *s);
/* Before the file takes the name of another one: waits until a commit that is under way is over, unless all
 * of the file is on the tape, since the index of that commit would have the bytes of neither. Of source,
 * interrupted, waits and ctx count. -EINTR. */
int sched_before_replacing(Sched *s, uint64_t ino, const struct sched_source *source);
/* Makes waiting writers look at interrupted() again. Does not block. */
void sched_wake(Sched *s);

/* Gives the bytes of [offset, offset + size) that the file has, holes as zeros, by calling done once: from
 * the calling thread if they are in memory, else from the drive thread. error 0 and the data in iov, valid
 * until done returns; or -EIO, -EINTR. -EIO also: all of the file was read, and it is not what was written.
 */
typedef void (*sched_read_done)(void *ctx, int error, const struct iovec *iov, int iovcnt);
void sched_read(SchedFile *f, uint64_t offset, size_t size, sched_read_done done, void *ctx);

/* done(ctx, error) when data and an index that names it are on the medium. Callers at the same time share one
 * commit. error: of the commit; of f, as long as bytes of it are lost; f NULL: the first loss of any file,
 * until writing goes on. done: from the calling or the drive thread. */
typedef void (*sched_sync_done)(void *ctx, int error);
void sched_sync(Sched *s, SchedFile *f, sched_sync_done done, void *ctx);
/* The same for fsync(2), as the options have it; with f NULL it is about the names of a directory, whatever
 * files have lost. */
void sched_fsync(Sched *s, SchedFile *f, sched_sync_done done, void *ctx);

/* After a write that failed nothing more is written. If that has been mended, it goes on: done(ctx, 0) then,
 * with an index on the medium, and also if nothing had failed. Otherwise the error, and why, which lives
 * until then, says what is wrong. Lost bytes stay lost. */
void sched_resume(Sched *s, char why[static VOLUME_WHY_MAX], sched_sync_done done, void *ctx);

/* Takes back a read or sync that has not begun: its done is called with -EINTR. Nothing if it is not found.
 */
void sched_cancel(Sched *s, void *ctx);

/* 0, or a loss in this file that was not told since the last flush. For close(2). */
int sched_flush(SchedFile *f);

/* Size and holes, in step with writes under way. */
int sched_truncate(Sched *s, uint64_t ino, uint64_t size, int64_t now);
int sched_punch(Sched *s, uint64_t ino, uint64_t offset, uint64_t length, int64_t now);

/* What the drive is busy with, by the scheduler's orders. */
enum sched_activity {
        ACTIVITY_IDLE,
        ACTIVITY_GATHERING, /* there is something to write, but more is awaited first */
        ACTIVITY_WRITING,
        ACTIVITY_READING,
        ACTIVITY_COMMITTING,
};
/* The pool's memory. Transparent: the kernel makes huge pages where it can. */
enum pool_pages { POOL_PAGES_SMALL, POOL_PAGES_TRANSPARENT, POOL_PAGES_RESERVED };

struct sched_status {
        enum sched_activity activity;
        uint64_t pool, pool_used, dirty; /* bytes */
        uint64_t written, read;          /* bytes moved to and from the tape since the start */
        uint64_t stops; /* times that the tape had to stop in the midst of writing, since nothing came */
        uint64_t commits, seconds_since_commit;
        uint64_t files_since_commit,
                bytes_since_commit; /* that got new data, and how much; in no index yet */
        uint64_t total, remaining;  /* bytes of the tape; total 0: not known */
        uint64_t open_files, queued_reads;
        bool read_only;
        int error;     /* first loss, negative; 0: none */
        uint64_t lost; /* after sched_stop: names of files that have lost bytes */
        enum pool_pages pages;
        bool pinned; /* the pool is locked in memory */
};
void sched_get_status(Sched *s, struct sched_status *status);

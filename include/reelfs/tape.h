/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* A tape drive as SSC-5 describes it: the only place that knows CDB layouts and sense.
 * All functions: drive thread only, unless said otherwise. They log a failure once, where the cause is known,
 * in words a tape user understands, and return 0 or a negative errno: -ENOMEDIUM   no tape in the drive
 * -EMEDIUMTYPE  tape changed under us -EROFS       write protected                    -ENOSPC       end of
 * medium: nothing more can be written -EIO         medium or hardware error           -EOPNOTSUPP   the drive
 * lacks the command and there is no other way -ENODEV      the drive or the way to it is gone -ETIMEDOUT no
 * answer; the outcome is unknown -EBUSY       drive busy or reserved by another program or host */
#include <reelfs/attribute.h>
#include <reelfs/transport.h>

typedef struct Tape Tape;

/* What a command's status and sense mean. The table is in src/tape/sense.c. */
enum tape_outcome {
        TAPE_GOOD,
        TAPE_FILEMARK,      /* a filemark was met */
        TAPE_SHORT_BLOCK,   /* ILI, the block is shorter than asked */
        TAPE_LONG_BLOCK,    /* ILI, the block is longer than asked */
        TAPE_EOD,           /* end of data */
        TAPE_BOP,           /* beginning of partition met when spacing backwards */
        TAPE_EARLY_WARNING, /* success, but the end is near */
        TAPE_END_OF_MEDIUM, /* nothing (or not all) was written or read */
        TAPE_NOT_READY,     /* becoming ready: wait */
        TAPE_NO_MEDIUM,
        TAPE_MEDIUM_CHANGED, /* unit attention 28h */
        TAPE_RESET,          /* unit attention 29h, 2Ah: modes, lock and position are gone */
        TAPE_ATTENTION,      /* any other unit attention: repeat the command */
        TAPE_WRITE_PROTECTED,
        TAPE_NO_OVERWRITE, /* WORM medium or append-only mode, and something is on the tape here */
        TAPE_ILLEGAL_REQUEST,
        TAPE_MEDIUM_ERROR,
        TAPE_NO_EOD, /* 3/14/03: data ends without an end-of-data mark */
        TAPE_HARDWARE_ERROR,
        TAPE_ABORTED, /* aborted command: may be repeated when the position is known */
        TAPE_BUSY,
        TAPE_RESERVED,
        TAPE_UNKNOWN,
        TAPE_OUTCOMES
};

struct tape_sense {
        enum tape_outcome outcome;
        uint8_t key, asc, ascq;
        bool deferred; /* about an earlier command, not this one */
        bool filemark, eom, ili;
        bool has_information;
        int64_t information;
};

/* Fixed (70h, 71h) and descriptor (72h, 73h) format. Any bytes will do: what cannot be decoded is
 * TAPE_UNKNOWN. status: SAM status of the command. Any thread. */
void tape_sense_decode(uint8_t status, const uint8_t *sense, size_t length, struct tape_sense *decoded);
/* "medium error: write error (3/0c/00)": a static or caller-owned text for messages; fills text. Any thread.
 */
void tape_sense_text(const struct tape_sense *sense, char *text, size_t size);
const char *tape_outcome_name(enum tape_outcome outcome);

struct tape_position {
        uint32_t partition;
        uint64_t object; /* logical object number: blocks and filemarks both count */
        bool bop, eom;   /* at the beginning; past early warning */
};

/* What the drive and the medium can do, as probed at open. */
struct tape_info {
        char vendor[9], product[17], revision[5],
                serial[33];            /* without trailing spaces; serial may be empty */
        uint32_t min_block, max_block; /* bytes; max 0: no limit stated */
        size_t max_transfer;           /* bytes in one command, of transport and drive */
        bool fixed_only;               /* cannot write variable blocks */
        bool locate16, locate10, read_position, space16, capacity;
        bool write_protected;
        bool worm;                      /* what is on the tape stays there: writing is appending */
        bool append_only;               /* the same, but see tape_allow_overwrite */
        bool has_protection, protected; /* see tape_set_protection: the drive has it; it is on */
        bool programmable_warning;      /* see tape_set_early_warning */
        bool loaded;
        uint32_t block_length; /* in force now; 0: variable */
        uint8_t density;
        bool reserved;         /* persistently, when it was opened, and not by a process that is gone */
        uint64_t reserved_key; /* the key of who did that */
};

/* Takes the transport over, failure or not. Waits for a drive that becomes ready. An empty drive opens too:
 * loaded is false then. The block descriptor found is kept, and restored by tape_close. address: for
 * messages, copied. */
int tape_open(Transport *transport, const char *address, Tape **ret);
/* Restores the block descriptor, unlocks the medium, closes the transport. NULL is allowed. */
void tape_close(Tape *t);
const char *tape_address(Tape *t); /* any thread */
/* transport_describe: how the drive is reached, and how data moves. The caller frees. Any thread. */
char *tape_describe(Tape *t);
void tape_get_info(Tape *t, struct tape_info *info);

/* LOAD, or UNLOAD (which rewinds first); the drive says when it is done. */
int tape_load(Tape *t);
int tape_unload(Tape *t);
/* PREVENT ALLOW MEDIUM REMOVAL. A drive that lacks it is not an error. */
int tape_lock_medium(Tape *t, bool lock);

/* Sets the fixed block length by MODE SELECT (10 or 6); FIXED=1 commands then move blocks of this length.
 * Variable blocks are still possible with tape_*_block, unless the drive is fixed_only. -EMSGSIZE: outside
 * the drive's limits, or more than one command can move; both numbers are logged. */
int tape_set_block_length(Tape *t, uint32_t length);
/* Logical block protection: each block goes to the drive with its CRC32C, which the drive checks before it
 * writes, and comes back with the one that it has stored. A block that was damaged on the way is written or
 * read once more; then it is -EIO. Off at open and after tape_close. -EOPNOTSUPP (not logged): the drive has
 * no CRC32C, or fixed blocks only. */
int tape_set_protection(Tape *t, bool on);
int tape_set_compression(Tape *t, bool on); /* mode page 0Fh; a drive that lacks it is not an error */

/* Blocks that cannot be read are told by the caller, who knows what they hold. */
void tape_be_quiet(Tape *t, bool quiet);

/* Writes full blocks: iov_length(iov) is a multiple of the block length. Uses as few commands as the
 * transport takes. *written: blocks on their way to the medium, also on failure. *early_warning (may be
 * NULL): set when the drive said so; such a write is a success. */
int tape_write(Tape *t, const struct iovec *iov, int iovcnt, size_t *written, bool *early_warning);
/* Writes one block of iov_length(iov) bytes, FIXED=0. Not on a fixed_only drive (-EOPNOTSUPP). */
int tape_write_block(Tape *t, const struct iovec *iov, int iovcnt, bool *early_warning);
/* immediate: IMMED=1, no flush. Otherwise returns when everything before is on the medium. count 0 with
 * immediate false only flushes. */
int tape_write_filemarks(Tape *t, uint32_t count, bool immediate, bool *early_warning);

/* Reads at most size / block length full blocks. *nread: bytes. *outcome says why it stopped: TAPE_GOOD (all
 * read), TAPE_FILEMARK (which is passed), TAPE_SHORT_BLOCK/TAPE_LONG_BLOCK (a block of another length, whose
 * data is not given; the position is behind it), TAPE_EOD, TAPE_END_OF_MEDIUM: all of these return 0. A
 * medium error returns -EIO, with *nread the good bytes before. */
int tape_read(Tape *t, void *buf, size_t size, size_t *nread, enum tape_outcome *outcome);
/* Reads one block of any length up to size (FIXED=0; on a fixed_only drive, one fixed block). *length: its
 * bytes. *outcome: TAPE_GOOD, TAPE_FILEMARK, TAPE_LONG_BLOCK (cut at size), TAPE_EOD, TAPE_END_OF_MEDIUM. A
 * shorter block is TAPE_GOOD. */
int tape_read_block(Tape *t, void *buf, size_t size, size_t *length, enum tape_outcome *outcome);

/* Position as counted and, where the drive can say it, as verified by READ POSITION. */
int tape_get_position(Tape *t, struct tape_position *position);
/* To a logical object number of the current partition: LOCATE(16), LOCATE(10), or REWIND and SPACE, relative
 * where that is possible. A no-op when the position is known to be that one. -ENODATA: the tape ends before.
 */
int tape_locate(Tape *t, uint64_t object);
/* To the beginning of the first partition, wherever the tape was left. */
int tape_rewind(Tape *t);
/* count filemarks forwards (> 0: behind the last of them) or backwards (< 0: before it).
 * *moved (may be NULL): filemarks passed. 0 with *outcome TAPE_GOOD, TAPE_EOD or TAPE_BOP. */
int tape_space_filemarks(Tape *t, int64_t count, uint64_t *moved, enum tape_outcome *outcome);
/* To the end of data. -ENODATA (not logged): there is none to be found (a write was interrupted); the
 * position is unknown then. */
int tape_space_eod(Tape *t);
/* Before what overwrites on purpose, at the position where that will be: on a drive in append-only mode it
 * permits the next write there; nothing else may give this permission. -EROFS: a WORM tape. */
int tape_allow_overwrite(Tape *t);
/* The drive is to say early warning so many bytes (rounded up to 10^6, at most 65,535,000,000) before it
 * would by itself; every write from there on sets *early_warning, until the tape is written before that
 * place. 0: by itself. As it was after tape_close. -EOPNOTSUPP (not logged): the drive has no such thing. */
int tape_set_early_warning(Tape *t, uint64_t bytes);
/* ERASE, short (writes EOD here) or long (to the end; hours). */
int tape_erase(Tape *t, bool whole);

struct tape_capacity {
        uint64_t remaining, maximum; /* bytes, native, of the partition */
};
/* LOG SENSE, pages 31h or 17h, or the cartridge's memory. -EOPNOTSUPP (not logged): the drive does not say.
 */
int tape_get_capacity(Tape *t, struct tape_capacity *capacity);

/* The cartridge's memory (reelfs/attribute.h). None of these moves the tape. -EOPNOTSUPP (not logged): the
 * drive or the cartridge has none. -ENODATA (not logged): there is no such attribute, or the drive does not
 * take it. Written: all of them or none, on the chip when it returns; they are in ascending order of their
 * ids and take no more than 4 KiB. */
int tape_read_attribute(Tape *t, uint16_t id, struct tape_attribute *a);
int tape_write_attributes(Tape *t, const struct tape_attribute *attributes, size_t n);
/* A number that is another one whenever what is on the tape has changed (SSC-5, volume change reference).
 * Having been read, it changes with the next write. */
int tape_get_change_reference(Tape *t, uint64_t *reference);

/* Objects of the tape, both included. */
struct tape_range {
        uint64_t first, last;
};
/* Ranges that one call of tape_recommended_order takes. -EOPNOTSUPP (not logged): the drive has no such
 * thing. */
int tape_recommended_limit(Tape *t, size_t *limit);
/* The order in which the drive would read the ranges, from where the tape is now, so that it loses the least
 * time on the way: order[0] is the index of the first. Does not move the tape; true until something does.
 * -EOPNOTSUPP (not logged): the drive does not say; -E2BIG: more ranges than it takes; -ENOMEM. */
int tape_recommended_order(Tape *t, const struct tape_range *ranges, size_t n, unsigned *order);

/* TapeAlert: bit 0 is flag 1. Being read, they are cleared in most drives. -EOPNOTSUPP (not logged). */
int tape_get_alerts(Tape *t, uint64_t *flags);
/* What flag 1 to 64 says, in the words of a sentence; *serious (may be NULL): it is about losing data. Any
 * thread. */
const char *tape_alert_text(unsigned flag, bool *serious);
/* Logs the serious ones that are raised, each once, now and from now on whenever a read or write fails. */
void tape_report_alerts(Tape *t);

/* Reserves the drive for this process, or releases it, which tape_close does too: PERSISTENT RESERVE,
 * exclusive access, or RESERVE(6). What a reelfs of this machine has left that is gone is taken over. After a
 * reset the reservation is made anew. -EBUSY: somebody else has it, and the message says who. -EOPNOTSUPP. */
int tape_reserve(Tape *t, bool on);
/* Who a key belongs to, for messages: "another program or host (key 0x...)"; fills text. Any thread. */
void tape_key_text(uint64_t key, char *text, size_t size);

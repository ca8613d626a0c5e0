/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* What the modules of the tape layer share. Drive thread only. */
#include <reelfs/tape.h>

/* What MODE SENSE says and MODE SELECT takes, (6) or (10). */
struct tape_mode {
        uint8_t device_specific; /* SSC-5, mode parameter header: WP, buffered mode, speed */
        uint8_t density;
        uint32_t block_length;
        bool has_descriptor;
        uint8_t page[64];
        size_t page_length; /* 0: no page */
};

enum position_state {
        POSITION_UNKNOWN,  /* nothing may be read or written here */
        POSITION_ASSUMED,  /* as READ POSITION said at open, which is not yet proved to work */
        POSITION_DOUBTFUL, /* counted, but the drive was reset or moved by itself: verified before the next
                              use */
        POSITION_KNOWN,
};

/* What SPACE over blocks does at a filemark, as far as it has been seen. */
enum spacing {
        SPACE_UNTRIED,
        SPACE_STOPS, /* as SSC-5 has it */
        SPACE_RUNS,  /* met the end of data without having said how far it came: see count.c */
};

#define END_UNKNOWN UINT64_MAX

enum reservation { RESERVATION_NONE, RESERVATION_PERSISTENT, RESERVATION_LEGACY /* RESERVE(6) */ };

enum operation {
        OP_TEST_UNIT_READY,
        OP_REWIND,
        OP_READ_BLOCK_LIMITS,
        OP_READ,
        OP_WRITE,
        OP_WRITE_FILEMARKS,
        OP_SPACE6,
        OP_SPACE16,
        OP_INQUIRY,
        OP_MODE_SENSE6,
        OP_MODE_SENSE10,
        OP_MODE_SELECT6,
        OP_MODE_SELECT10,
        OP_ERASE,
        OP_ERASE_LONG,
        OP_LOAD,
        OP_PREVENT,
        OP_LOCATE10,
        OP_LOCATE16,
        OP_READ_POSITION,
        OP_LOG_SENSE,
        OP_REPORT_OPCODES,
        OP_RECEIVE_ORDER,
        OP_GENERATE_ORDER,
        OP_READ_ATTRIBUTE,
        OP_WRITE_ATTRIBUTE,
        OP_ALLOW_OVERWRITE,
        OP_RESERVE6,
        OP_RELEASE6,
        OP_PERSISTENT_IN,
        OP_PERSISTENT_OUT,
        OPERATIONS
};

struct Tape {
        Transport *transport;
        char *address;
        struct tape_info info;
        uint8_t *scratch; /* TAPE_SCRATCH bytes as the transport wants them aligned, for parameter data */

        bool opening;     /* unit attentions of the past are absorbed */
        bool changed;     /* the medium went away or was changed; sticky until tape_load */
        bool gone;        /* the transport said so, or there is no answer any more */
        bool silent;      /* the last command timed out: is anybody there? */
        bool settling;    /* recover() is at work */
        bool modes_stale; /* the drive was reset: what we set is gone */

        bool mode6; /* the drive lacks MODE SENSE and SELECT (10) */
        bool quiet; /* the caller tells of blocks that cannot be read */
        bool mode_changed, locked;
        bool mode_wanted;              /* t->mode is what the caller asked for, changed or found so */
        struct tape_mode former, mode; /* as found at open; in force now */
        int compression;               /* -1: left alone */
        bool outlives;                 /* see struct transport_limits */

        enum position_state state;
        uint64_t object; /* not with POSITION_UNKNOWN */
        uint32_t partition;
        uint64_t
                end; /* object number of the end of data, where we have written or found it, or END_UNKNOWN */
        enum spacing spacing;
        bool early_warning;  /* of the last write */
        uint32_t protection; /* bytes behind each block on the way: 0, or 4 */
        uint8_t *crcs;       /* those of a command, crc_stride apart */
        size_t crc_stride;
        struct iovec *wired; /* blocks and CRCs of a command, PROTECTED_IOVECS */
        uint64_t warned_at;  /* object from which on the programmed early warning holds, or END_UNKNOWN */
        bool warning_set, warning_lost;   /* by a reset: the drive does not know it any more */
        uint16_t warning, former_warning; /* programmed, in units of 10^6 bytes: now, and as found */
        bool no_log, no_attributes;       /* the drive lacks the commands */
        unsigned capacity_source;         /* see tape_get_capacity */
        unsigned timeouts[OPERATIONS]; /* s; by operation, where the drive asks for more than we would wait */
        uint64_t alerts_seen;          /* TapeAlert flags; bit 0 is flag 1 */
        bool no_alerts, watch_alerts, alerts_due;
        bool no_immed; /* the drive writes filemarks with a flush only */
        bool order_asked;
        size_t order_limit; /* see tape_recommended_limit; 0: the drive lacks it */

        enum reservation reservation; /* ours */
        uint64_t key;                 /* that we are registered with; 0: not */

        bool unsynced;   /* written since the last command that flushed the drive's buffer */
        bool write_lost; /* some of that is not on the tape, whoever was told: nothing is written until the
                            end of the data has been found */

        /* READ POSITION is believed once it has changed along with the count: there are drives that answer a
         * constant. info.read_position is cleared where it has not. */
        bool position_proved, position_asked;
        uint64_t first_answer;
};

#define TAPE_SCRATCH 4096

/* ---- command.c */
struct tape_command {
        enum operation operation;
        struct transport_command c;
        struct iovec iov; /* for command_data */
        struct tape_sense sense;
};

void command_init(struct tape_command *cmd, enum operation operation);
/* Of the table, before a drive asked for more. */
unsigned command_timeout(enum operation operation);
uint8_t command_opcode(enum operation operation);
/* Bytes that fit t->scratch and one command. */
size_t command_reply_max(const Tape *t);
/* Parameter data of size bytes in t->scratch, cleared for TRANSPORT_IN. */
void command_data(Tape *t, struct tape_command *cmd, enum transport_direction direction, size_t size);
/* Executes, waits for a drive that is busy or becomes ready, repeats after unit attentions; where a command
 * depends on modes or position they are re-established first. 0: cmd->sense says what came of it, and it is
 * about this command, not an earlier one. Negative, logged: the outcome is unknown, or the command was not
 * executed. -ECONNRESET, not logged, of commands that write only: the way to the drive was lost, and may be
 * there again. -EMSGSIZE, not logged: it was not sent; t->info.max_transfer is less from now on. */
int command_run(Tape *t, struct tape_command *cmd);
/* Logs cmd->sense as a failure and returns its error. */
int command_fail(Tape *t, const struct tape_command *cmd);
/* command_run; anything but TAPE_GOOD fails. */
int command_do(Tape *t, struct tape_command *cmd);

/* ---- mode.c */
/* -EOPNOTSUPP, not logged: the drive has no such page. subpage: 0: the page itself. */
int mode_sense(Tape *t, uint8_t page, uint8_t subpage, struct tape_mode *mode);
/* With the page, if page_length is not 0. */
int mode_select(Tape *t, const struct tape_mode *mode);
/* For a page that not every drive takes: -EOPNOTSUPP, not logged: it does not. A block length that is not the
 * one in force now is put back by tape_close. */
int mode_offer(Tape *t, const struct tape_mode *mode);
/* Reads what is in force into t->info and t->mode. */
int mode_probe(Tape *t);
/* Block length, compression and medium lock as we had set them. */
int mode_restore(Tape *t);
int medium_lock(Tape *t, bool lock);

/* ---- former.c: what the modes were, for whoever comes after a process that was killed */
/* t->former, from before mode was set. */
void former_keep(const Tape *t, const struct tape_mode *mode);
/* If the drive still has what a process set that did not restore it: t->former is from before that. */
void former_recall(Tape *t);
void former_forget(const Tape *t);

/* ---- protection.c: logical block protection */
#define PROTECTED_BLOCKS 480u /* in one command */
#define PROTECTED_IOVECS 1000
int protection_probe(Tape *t);
/* As it was set, after a reset. */
int protection_restore(Tape *t);
/* Fills t->wired with at most *count blocks from skip on, each with its CRC behind it, or room for it;
 * *count: those that fit. Returns the elements. */
int protection_wire(
        Tape *t, const struct iovec *iov, int iovcnt, size_t skip, size_t block, bool out, uint64_t *count);
/* How many of count blocks that were read into buf, from the first, fit their CRCs. */
uint64_t protection_verify(Tape *t, const uint8_t *buf, size_t block, uint64_t count);
/* Whether the one block of length bytes does; size: bytes of buf, into which its CRC came too if it is
 * shorter. */
bool protection_fits(Tape *t, const uint8_t *buf, size_t size, size_t length);
/* Blocks came whose CRC does not fit, from object on: that is where the tape is then. -EBADMSG, not logged.
 */
int protection_go_back(Tape *t, uint64_t object);
int protection_give_up(Tape *t);
/* Where the CRC of a block goes that is read by itself, which may be in the midst of another command. */
uint8_t *protection_spare(const Tape *t);
void protection_free(Tape *t);

/* ---- protect.c */
/* What may be overwritten, into t->info. */
int protect_probe(Tape *t);
/* Early warning as tape_set_early_warning had it, before a write, if it was lost; as it was before. */
void warning_renew(Tape *t);
void warning_put_back(Tape *t);
/* After each write; the position is still the one before it. */
void warning_note(Tape *t, const struct tape_sense *sense);

/* ---- probe.c */
/* TEST UNIT READY until it is or there is no tape; sets info.loaded. */
int probe_ready(Tape *t);
int probe_drive(Tape *t);
/* What the drive can do with the tape that is loaded. Leaves the position as found, or, where that cannot be
 * told, at BOP. */
int probe_medium(Tape *t);

/* ---- position.c */
void position_lost(Tape *t);
void position_known(Tape *t, uint64_t object);
/* READ POSITION. -EOPNOTSUPP, not logged: the drive does not say. -EAGAIN, not logged: it was reset
 * meanwhile, and has answered for where that has left the tape. */
int position_read(Tape *t, struct tape_position *p);
/* Compares READ POSITION with the count, until it is proved or found wrong. */
void position_prove(Tape *t);
/* After a command that leaves the count unknown: takes the drive's word. -ENOMSG, not logged: there is none
 * that can be believed; the position is lost. */
int position_resync(Tape *t);
/* -EIO, logged, if the position is not known. */
int position_require(Tape *t);
int position_rewind(Tape *t);

/* ---- space.c */
/* SPACE over blocks, count not 0, or less of them if the command takes no more; goes on counting. *outcome:
 * TAPE_GOOD, TAPE_FILEMARK (passed, and counted), TAPE_EOD, TAPE_BOP. -ENOMSG, not logged: it stopped early
 * and the drive does not say where; the position is lost. */
int space_blocks(Tape *t, int64_t count, enum tape_outcome *outcome);
/* By SPACE alone, from here if that is known and not behind object, else from the beginning. *outcome:
 * TAPE_GOOD, or TAPE_EOD, where the tape is then. */
int space_to(Tape *t, uint64_t object, enum tape_outcome *outcome);

/* SPACE over blocks from here on, forwards. *outcome as above. */
int space_forward(Tape *t, uint64_t object, enum tape_outcome *outcome);

/* ---- count.c */
/* Reads one object. *outcome: TAPE_GOOD (a block), TAPE_FILEMARK, TAPE_EOD. */
int count_object(Tape *t, enum tape_outcome *outcome);
/* As space_to. -ENOMSG, not logged: SPACE does stop at filemarks, as is known now. */
int count_to(Tape *t, uint64_t object, enum tape_outcome *outcome);
/* As tape_space_filemarks. */
int count_filemarks(Tape *t, int64_t count, uint64_t *moved, enum tape_outcome *outcome);

/* ---- locate.c */
/* To a logical object, whatever the count says about where the tape is now. */
int position_go(Tape *t, uint64_t object);

/* ---- recover.c */
/* Takes note of unit attentions 29h and 2Ah. */
void recover_note_reset(Tape *t);
/* True if modes or position must be re-established before a command that depends on them. */
bool recover_needed(const Tape *t);
int recover(Tape *t);
/* The way to the drive was lost in a command that writes count objects from start on; appending: where data
 * was known to end. -EAGAIN: there is a way again, and *done of them were found on the tape, which is behind
 * them. Other errors are logged. */
int recover_write(Tape *t, uint64_t start, uint64_t count, bool appending, uint64_t *done);

/* The last of done blocks that cmd, a WRITE, has written may be there in part, if a target was ended in the
 * midst of it: it is read back, and the tape is before it, and it is not counted, if it is not what was to be
 * written. block_bytes: with FIXED=0. -EAGAIN: writing can go on. */
int recover_confirm(Tape *t, const struct tape_command *cmd, size_t block_bytes, uint64_t *done);

/* ---- timeouts.c */
/* Asks the drive how long its commands may take. */
int timeouts_probe(Tape *t);
/* What it answers; any bytes will do. */
void timeouts_decode(Tape *t, const uint8_t *data, size_t length);

/* ---- log.c */
/* The drive has failed a command: if somebody watches, says what it makes of that. */
void alerts_after_failure(Tape *t);

/* ---- reserve-key.c: what our keys say */
enum key_owner {
        KEY_FOREIGN, /* no reelfs of this machine */
        KEY_ALIVE,   /* a process that is there */
        KEY_DEAD,    /* left behind; this process's own as well, which knows of none */
};
uint64_t key_own(void);
enum key_owner key_owner(uint64_t key);

/* ---- reserve.c */
/* Who has the drive reserved, into t->info; what a dead process of ours has left is cleared. */
int reservation_probe(Tape *t);
/* As tape_reserve had it, after a reset or when it was taken away. */
int reservation_restore(Tape *t);
void reservation_release(Tape *t);

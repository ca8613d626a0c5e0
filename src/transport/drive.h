/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* The virtual drive's inside: state, a command in hand, and the handlers of its commands. */
#include <pthread.h>

#include <reelfs/virtual.h>

#include "cartridge.h"
#include "drive-sense.h"
#include "drive-state.h"
#include "mechanics.h"
#include "settings.h"

#define DRIVE_VENDOR "REELFS  "
#define DRIVE_PRODUCT "VIRTUAL TAPE    "

/* Mode pages; their bytes, header included, are kept as they go over the wire. */
enum mode_page {
        MODE_CONTROL,
        MODE_PROTECTION,
        MODE_COMPRESSION,
        MODE_CONFIGURATION,
        MODE_EXTENSION,
        MODE_MEDIUM,
        MODE_PAGES
};
#define MODE_PAGE_MAX 32

struct drive_mode {
        uint32_t block_length; /* 0: variable */
        uint8_t buffered;      /* 0: each WRITE is on the medium when it ends */
        uint8_t pages[MODE_PAGES][MODE_PAGE_MAX];
};

struct drive {
        Transport transport;  /* first */
        pthread_mutex_t lock; /* guards all below: power cut and reset come from other threads */
        char *path;
        struct settings settings;
        Cartridge *cartridge; /* NULL: the power is cut */
        bool loaded;
        bool write_protected;
        bool prevented;     /* medium removal */
        unsigned initiator; /* that the command in hand comes from: 1 to VIRTUAL_INITIATORS */
        unsigned attentions[VIRTUAL_INITIATORS + 1]; /* pending for each: bits by the table in drive.c */
        uint64_t position;                           /* logical object number */
        uint64_t synced;  /* objects that are surely on the medium; those after are in the buffer */
        uint64_t flushed; /* at most synced: those that the host has on stable storage */
        struct drive_mode mode;
        struct drive_state state;
        bool warned; /* PROGRAMMABLE EARLY WARNING DETECTED was said, and the tape is still in that zone */
        bool overwrites; /* ALLOW OVERWRITE was given, for overwrites_at */
        uint64_t overwrites_at;
        bool open_end; /* written since there was an end of data on the medium */
        bool fenced;   /* see struct virtual_loss */
        bool losing;   /* loss is to be reported */
        struct virtual_loss loss;
        uint64_t lost_from;                                /* object; while losing */
        struct drive_state loaded_memory, previous_memory; /* see enum virtual_memory */
        virtual_hook hook;
        void *hook_context;
        bool change_noted; /* the volume change reference is another one since the load or since it was read
                            */
        uint64_t tape_alerts;               /* that nobody has read yet; bit 0 is flag 1 */
        uint64_t bytes_written, bytes_read; /* since the load */
        struct virtual_statistics statistics;
        int64_t medium_ns; /* see model.h */
        GByteArray *order; /* the list of RECEIVE RECOMMENDED ACCESS ORDER */
        struct mechanics mechanics;
        int64_t opened_ns; /* with a real clock: the model's is 0 then */
        int64_t due_ns;    /* when the model says that the command in hand is done, by the model's clock */
};

enum {
        ATTENTION_RESET = 1 << 0,
        ATTENTION_MEDIUM = 1 << 1,
        ATTENTION_RESERVATIONS_PREEMPTED = 1 << 2,
        ATTENTION_RESERVATIONS_RELEASED = 1 << 3,
        ATTENTION_REGISTRATIONS_PREEMPTED = 1 << 4,
};

/* SSC-5, TapeAlert flags */
#define ALERT(flag) (UINT64_C(1) << ((flag)-1))
#define ALERT_READ_FAILURE ALERT(5)
#define ALERT_WRITE_FAILURE ALERT(6)
#define ALERT_WRITE_PROTECT ALERT(9)
#define ALERT_NO_REMOVAL ALERT(10)
#define ALERT_MEMORY_CHIP ALERT(15)

/* A command in hand. Without a word from its handler it is good and has moved no data. */
struct request {
        struct transport_command *command;
        const uint8_t *cdb;
        size_t transferred; /* bytes */
        bool conflict;      /* RESERVATION CONFLICT */
        bool check;         /* CHECK CONDITION with this sense */
        struct sense sense;
        int error; /* the command cannot be delivered as it is */
};

/* What the drive can do. usage: the bits of the CDB that may be set, as REPORT SUPPORTED OPERATION CODES
 * says. */
enum {
        COMMAND_NEEDS_MEDIUM = 1 << 0,
        COMMAND_IGNORES_ATTENTION = 1 << 1, /* SAM-5 5.14: runs in spite of a pending unit attention */
        /* SPC-5 5.13, SPC-2 5.5.1: in spite of another initiator's reservation, or of a persistent one only
         */
        COMMAND_IGNORES_RESERVATION = 1 << 2,
        COMMAND_IGNORES_PERSISTENT = 1 << 3,
        COMMAND_SYNCHRONIZES = 1 << 4,
        COMMAND_WRITES = 1 << 5,
};
#define SERVICE_ACTION 0x1f /* of byte 1 */

struct drive_command {
        const char *name;
        uint8_t length; /* of the CDB */
        uint8_t flags;
        unsigned lacks;     /* ability without which there is no such command */
        uint32_t actions;   /* service actions, a bit for each; 0: the command has none */
        uint32_t timeout_s; /* recommended, as a full-height LTO drive has it */
        void (*run)(struct drive *d, struct request *r);
        uint8_t usage[16];
};

/* ---- drive-commands.c */
/* NULL: there is no such command. A service action that there is not finds one of the others of its operation
 * code. */
const struct drive_command *drive_command_find(const struct drive *d, uint8_t opcode, unsigned action);
void drive_report_opcodes(struct drive *d, struct request *r);

/* ---- drive.c */
/* Lock held. */
int drive_execute(struct drive *d, struct transport_command *command);
void drive_load(struct drive *d);
void drive_reset(struct drive *d);
bool drive_lacks(const struct drive *d, enum virtual_lacks ability);
/* Bytes of the capacity that objects take: those before one. */
uint64_t drive_used_before(const struct drive *d, uint64_t object);
bool drive_past_early_warning(const struct drive *d, uint64_t object);
void drive_attention(struct drive *d, unsigned initiator, unsigned attention);
void drive_request_sense(struct drive *d, struct request *r);
/* Writes the state to the key file. */
int drive_keep(struct drive *d);
/* Before each command that changes what is on the medium. On failure it must not: the memory names an index,
 * and would say that it is still the last one. */
int drive_note_change(struct drive *d);
/* What is in the buffer goes to the medium, and the end of data behind it. */
void drive_synchronize(struct drive *d);
/* What is in the buffer goes to the medium, and that to stable storage of the host: for what promises that it
 * is there. If the host fails, drive_lose_unflushed. */
void drive_flush(struct drive *d, struct request *r);
/* What a missing end of data is called. */
enum sense_code drive_no_end(const struct drive *d);
/* The object at the position ends a READ or SPACE of information more bytes, blocks or filemarks. */
void drive_stop(struct drive *d, struct request *r, int64_t information);

void request_fail(struct request *r, enum sense_code code);
void request_fail_information(struct request *r, enum sense_code code, int64_t information);
void request_invalid_field(struct request *r, unsigned byte, unsigned bit);
void request_invalid_parameter(struct request *r, unsigned byte, unsigned bit);
/* Whether the command came with what it needs for bytes of data; sets error otherwise. */
bool request_expect(struct request *r, enum transport_direction direction, uint64_t bytes);
/* Data in, cut at the command's allocation length. */
void request_reply(struct request *r, const void *data, size_t length, size_t allocation);
/* Data out. */
void request_fetch(struct request *r, void *data, size_t length);

/* ---- drive-cut.c: what becomes of data that was accepted and is not on the medium yet */
uint64_t drive_buffered(const struct drive *d);
/* The power goes, and with it the lock on the file: the cartridge can be put into another drive. cut: NULL:
 * the data in the buffer is cut at keep of its bytes. Once it is gone, these do nothing. */
int drive_cut_power(struct drive *d, const struct virtual_cut *cut, double keep);
int drive_snapshot(struct drive *d, const char *path, const struct virtual_cut *cut);
void drive_lose(struct drive *d, const struct virtual_loss *loss);
/* The host could not store what was written since it last did, says so only once, and may have forgotten it:
 * the data ends before, and r fails. */
void drive_lose_unflushed(struct drive *d, struct request *r);
/* Before each command: true if it ends with the report of a loss, and is not executed. */
bool drive_report_loss(struct drive *d, const struct drive_command *c, struct request *r);
/* What is on the tape at the position, and behind, is about to be overwritten. */
int drive_keep_remains(struct drive *d);

/* ---- drive-info.c */
void drive_inquiry(struct drive *d, struct request *r);
void drive_report_luns(struct drive *d, struct request *r);
void drive_read_block_limits(struct drive *d, struct request *r);
void drive_report_density(struct drive *d, struct request *r);
/* The same drive has the same each time. */
#define SERIAL_LENGTH 10
void drive_serial_number(const struct drive *d, char serial[static SERIAL_LENGTH + 1]);

/* ---- drive-log.c */
void drive_log_sense(struct drive *d, struct request *r);
/* Bytes of the partition. */
void drive_capacity(const struct drive *d, uint64_t *remaining, uint64_t *maximum);

/* ---- drive-memory.c */
void drive_read_attribute(struct drive *d, struct request *r);
void drive_write_attribute(struct drive *d, struct request *r);

/* ---- drive-reserve.c */
/* flags: of the command. */
bool drive_reservation_conflict(const struct drive *d, unsigned flags, const uint8_t *cdb);
/* A logical unit reset; a loss of power. */
void drive_reserve_reset(struct drive *d);
void drive_reserve_power_off(struct drive *d);
void drive_reserve(struct drive *d, struct request *r);
void drive_release(struct drive *d, struct request *r);
void drive_persistent_reserve_in(struct drive *d, struct request *r);
void drive_persistent_reserve_out(struct drive *d, struct request *r);

/* ---- drive-mode.c */
void drive_mode_reset(struct drive *d);
bool drive_mode_descriptor_sense(const struct drive *d);
/* Append-only mode. The programmable early warning begins so many bytes before early warning; 0: there is
 * none. */
bool drive_mode_append_only(const struct drive *d);
uint64_t drive_mode_early_warning(const struct drive *d);
/* Bytes of protection information behind each block that is transferred. */
#define DRIVE_PROTECTION_LENGTH 4u
bool drive_has_protection(const struct drive *d);
uint32_t drive_mode_protection(const struct drive *d, enum transport_direction direction);
void drive_mode_sense6(struct drive *d, struct request *r);
void drive_mode_sense10(struct drive *d, struct request *r);
void drive_mode_select6(struct drive *d, struct request *r);
void drive_mode_select10(struct drive *d, struct request *r);

/* ---- drive-protection.c: logical block protection. iov has blocks of length bytes, each with its
 * information behind it if the mode says so, which is neither counted in length nor on the tape. */
/* -EILSEQ: the information of the block after those that are written does not fit its data. */
int drive_append(
        struct drive *d, size_t n, uint32_t length, const struct iovec *iov, int iovcnt, size_t *written);
int drive_fetch(
        struct drive *d, size_t n, uint32_t length, const struct iovec *iov, int iovcnt, size_t *nread);

/* ---- drive-protect.c: where can be written */
/* Sets the sense if it cannot be. */
bool drive_may_write(struct drive *d, struct request *r);
void drive_allow_overwrite(struct drive *d, struct request *r);

/* ---- drive-data.c */
void drive_read(struct drive *d, struct request *r);
void drive_write(struct drive *d, struct request *r);
void drive_write_filemarks6(struct drive *d, struct request *r);
void drive_write_filemarks16(struct drive *d, struct request *r);
void drive_erase(struct drive *d, struct request *r);

/* ---- drive-time.c: the time that the model says; nothing without a model. Each is called when the command
 * has been carried out, and puts off the end of it. */
/* The model's clock. */
int64_t drive_now(const struct drive *d);
/* Between an object and the position. */
void drive_time_write(struct drive *d, uint64_t from, uint64_t bytes);
void drive_time_read(struct drive *d, uint64_t from, uint64_t bytes);
void drive_time_flush(struct drive *d);
/* To the position. */
void drive_time_locate(struct drive *d);
void drive_time_rewind(struct drive *d);
void drive_time_load(struct drive *d, bool load);
/* Waits for the end of the last command. Without the lock. */
void drive_time_wait(const struct drive *d, int64_t due_ns);

/* ---- drive-order.c */
void drive_generate_order(struct drive *d, struct request *r);
void drive_receive_order(struct drive *d, struct request *r);

/* ---- drive-position.c */
void drive_rewind(struct drive *d, struct request *r);
void drive_load_unload(struct drive *d, struct request *r);
void drive_prevent_removal(struct drive *d, struct request *r);
void drive_space6(struct drive *d, struct request *r);
void drive_space16(struct drive *d, struct request *r);
void drive_locate10(struct drive *d, struct request *r);
void drive_locate16(struct drive *d, struct request *r);
void drive_read_position(struct drive *d, struct request *r);

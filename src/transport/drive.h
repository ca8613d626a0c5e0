/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* The virtual drive's inside: state, a command in hand, and the handlers of its commands. */
#include <pthread.h>

#include <reelfs/virtual.h>

#include "cartridge.h"
#include "drive-sense.h"
#include "settings.h"

#define DRIVE_VENDOR "REELFS  "
#define DRIVE_PRODUCT "VIRTUAL TAPE    "

/* Mode pages; their bytes, header included, are kept as they go over the wire. */
enum mode_page { MODE_CONTROL, MODE_COMPRESSION, MODE_CONFIGURATION, MODE_PAGES };
#define MODE_PAGE_MAX 16

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
        bool prevented;      /* medium removal */
        unsigned attentions; /* pending unit attentions: bits by the table in drive.c */
        uint64_t position;   /* logical object number */
        uint64_t synced;     /* objects that are surely on the medium; those after are in the buffer */
        struct drive_mode mode;
        struct virtual_statistics statistics;
};

enum { ATTENTION_RESET = 1 << 0, ATTENTION_MEDIUM = 1 << 1 };

/* A command in hand. Without a word from its handler it is good and has moved no data. */
struct request {
        struct transport_command *command;
        const uint8_t *cdb;
        size_t transferred; /* bytes */
        bool check;         /* CHECK CONDITION with this sense */
        struct sense sense;
        int error; /* the command cannot be delivered as it is */
};

/* ---- drive.c */
/* Lock held. */
int drive_execute(struct drive *d, struct transport_command *command);
void drive_load(struct drive *d);
void drive_reset(struct drive *d);
bool drive_lacks(const struct drive *d, enum virtual_lacks ability);
bool drive_past_early_warning(const struct drive *d, uint64_t object);
/* What is in the buffer goes to the medium. */
void drive_synchronize(struct drive *d);
/* And the medium to stable storage of the host: for what promises that it is there. */
void drive_flush(struct drive *d, struct request *r);
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

/* ---- drive-info.c */
void drive_inquiry(struct drive *d, struct request *r);
void drive_report_luns(struct drive *d, struct request *r);
void drive_read_block_limits(struct drive *d, struct request *r);
void drive_log_sense(struct drive *d, struct request *r);

/* ---- drive-mode.c */
void drive_mode_reset(struct drive *d);
bool drive_mode_descriptor_sense(const struct drive *d);
void drive_mode_sense6(struct drive *d, struct request *r);
void drive_mode_sense10(struct drive *d, struct request *r);
void drive_mode_select6(struct drive *d, struct request *r);
void drive_mode_select10(struct drive *d, struct request *r);

/* ---- drive-data.c */
void drive_read(struct drive *d, struct request *r);
void drive_write(struct drive *d, struct request *r);
void drive_write_filemarks6(struct drive *d, struct request *r);
void drive_write_filemarks16(struct drive *d, struct request *r);
void drive_erase(struct drive *d, struct request *r);

/* ---- drive-position.c */
void drive_rewind(struct drive *d, struct request *r);
void drive_load_unload(struct drive *d, struct request *r);
void drive_prevent_removal(struct drive *d, struct request *r);
void drive_space6(struct drive *d, struct request *r);
void drive_space16(struct drive *d, struct request *r);
void drive_locate10(struct drive *d, struct request *r);
void drive_locate16(struct drive *d, struct request *r);
void drive_read_position(struct drive *d, struct request *r);

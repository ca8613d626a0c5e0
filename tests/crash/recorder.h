/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* A transport in front of a virtual drive that notes what each command leaves on the cartridge, so that the
 * cartridge can be had as it was at any of them: a tape is only ever appended to, so its file then is the
 * beginning of its file later. */
#include <glib.h>
#include <stdatomic.h>

#include <reelfs/transport.h>
#include <reelfs/virtual.h>

/* After one command. */
struct record {
        uint8_t opcode;
        bool end_is_written; /* the tape was moved since it was written: there is an end of data on it */
        bool untouched;      /* it had no end of data when the recording began, and is as it was */
        unsigned step;       /* of the workload, in which it was given */
        unsigned memory;     /* the key file then, in recording.memories */
        uint64_t size;       /* of the cartridge's file, which then is what a killed process leaves */
        uint64_t synced;     /* of it, what no power cut takes */
};

/* All that steps up to step did is on the medium; known when so many commands were done. */
struct ack {
        unsigned step;
        size_t commands;
};

/* Data that the drive has taken, and loses (virtual_lose). */
struct loss {
        unsigned percent;        /* of what is in its buffer; one object at least */
        struct virtual_loss how; /* but for its objects */
};

struct recording {
        char *path; /* of the cartridge */
        atomic_uint step;
        GMutex lock;         /* guards all below, while a drive is open */
        GArray *records;     /* of struct record; the first one is the state before any command */
        GArray *acks;        /* of struct ack, ascending */
        GPtrArray *memories; /* texts of the key file */
        unsigned struck;     /* commands that the fault injector spoilt, of drives that are closed; losses */
        const struct loss *loss; /* still to happen, if something is in the buffer at command loss_at, or as
                                    soon as something is after that; NULL: none */
        size_t loss_at;
        void (*before)(void *ctx); /* each command, by the thread that gives it; or NULL */
        void *before_ctx;
        bool overwritten; /* something on the tape was: none of the states before can be had */
        uint64_t torn_at; /* there is no end of data: what lies from here on in the file is to be overwritten;
                             0: there is one */
        bool touched;     /* and something has been written there */
        GBytes *image;    /* the file at the end; see recording_end */
        GArray *objects;  /* of uint64_t: where each begins in it, and where the last ends */
};

/* Of the cartridge at path, as it is now. torn_at: see struct recording. */
void recording_begin(struct recording *r, const char *path, uint64_t torn_at);
/* The drive for the cartridge, whose commands are added to the recording. rules: of the fault injector, which
 * stands between; NULL: none. Logs the failure. */
int recording_open(struct recording *r, const char *rules, Transport **ret);
/* How many commands there were. */
size_t recording_commands(struct recording *r);
void recording_acknowledge(struct recording *r, unsigned step);
/* Reads the cartridge; no drive is open. */
void recording_end(struct recording *r);
void recording_clear(struct recording *r);
/* A number that two recordings of the same commands have in common. */
uint32_t recording_digest(const struct recording *r);

/* How the cartridge goes on behind the last object. */
enum tail {
        TAIL_END,  /* end of data */
        TAIL_NONE, /* no end of data */
        TAIL_TORN, /* a part of a block, no end of data */
        TAIL_COUNT,
};

/* Makes the cartridge at path: the first size bytes of the recorded one, an end, and a key file. */
int recording_make(
        const struct recording *r, const char *path, uint64_t size, enum tail tail, unsigned memory);

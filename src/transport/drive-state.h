/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* What outlives a process that used the drive: what a cartridge's memory chip holds, and reservations, which
 * a real drive keeps when a host dies. Groups [memory] and [reservation] of the key file. */
#include <glib.h>

#include <reelfs/virtual.h>

/* Attributes of the host that the memory keeps, SPC-5, medium auxiliary memory attributes. */
enum memory_format { MEMORY_BINARY, MEMORY_ASCII, MEMORY_TEXT };
struct memory_attribute {
        uint16_t id;
        enum memory_format format;
        uint16_t length; /* bytes; the most of them if variable */
        bool variable;
};
#define MEMORY_ATTRIBUTES 13
extern const struct memory_attribute memory_attributes[MEMORY_ATTRIBUTES]; /* ascending by id */
#define MEMORY_BARCODE 0x0806
/* -1: the host can have no such attribute. */
int memory_find(uint16_t id);

struct drive_state {
        GBytes *attributes[MEMORY_ATTRIBUTES]; /* NULL: nonexistent */
        uint32_t change_reference;

        /* Indexed by initiator; a key of 0 is none. */
        uint64_t keys[VIRTUAL_INITIATORS + 1];
        unsigned holder; /* initiator that holds the persistent reservation; 0: there is none */
        uint8_t type;    /* of it, SPC-5, persistent reservation type codes */
        uint32_t generation;
        bool aptpl;           /* survives a loss of power */
        unsigned reserved_by; /* RESERVE; 0: nobody */
};

/* Of the cartridge at path; all empty if there is nothing. Logs the failure. -EINVAL: the groups make no
 * sense. */
int drive_state_load(const char *path, struct drive_state *state);
/* At once, and whole or not at all; the rest of the key file stays. -errno, not logged: the file cannot be
 * written. */
int drive_state_save(const char *path, const struct drive_state *state);
/* Whether it could be, as far as its directory is concerned. */
bool drive_state_can_save(const char *path);
/* Whether a host has noted there what the last index of the medium is. */
bool drive_state_names_index(const struct drive_state *state);
void drive_state_clear(struct drive_state *state);
/* What the memory chip holds now, without the reservations; copy is cleared first. */
void drive_state_remember(const struct drive_state *state, struct drive_state *copy);
/* The memory chip holds that (again). */
void drive_state_recall(struct drive_state *state, const struct drive_state *copy);
/* The key file of the cartridge at from for one at to, with the chip and the reservations of state, and
 * without faults that strike once, at a time. */
int drive_state_copy(const char *from, const char *to, const struct drive_state *state);

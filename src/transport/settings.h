/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* The key file of a cartridge (see reelfs/virtual.h). */
#include <reelfs/virtual.h>

#include "model.h"
#include "serpentine.h"

#define SETTINGS_MAX_BLOCK 0x800000u /* longest block of a drive that takes variable ones */

#define SETTINGS_UNREADABLE 16

struct settings {
        struct virtual_cartridge cartridge;
        uint64_t power_cut_after; /* commands; 0: never */
        double power_cut_keep;
        bool cut_by_objects; /* as power_cut says, not by power_cut_keep */
        struct virtual_cut power_cut;
        uint64_t lose_after; /* commands; 0: never */
        struct virtual_loss loss;
        uint32_t initiator;   /* 1 to VIRTUAL_INITIATORS */
        uint64_t tape_alerts; /* raised at load; bit 0 is flag 1 */
        struct range {
                uint64_t first, last;
        } unreadable[SETTINGS_UNREADABLE]; /* objects */
        unsigned n_unreadable;
        bool discard;         /* data that is written with FIXED=1 */
        struct model model;
        const struct serpentine_drive *drive; /* NULL: takes the time of model, or none */
        bool virtual_clock;
        uint32_t speed; /* of the drive's clock against the real one */
};

/* The name of the key file. The caller frees. */
char *settings_path(const char *path);

/* Of the cartridge at path; all members are set, defaults included. Logs the failure. -EINVAL: a value that
 * cannot be. */
int settings_load(const char *path, struct settings *settings);
/* Overwrites the key file. Values that are 0, and so mean the default, are left out. Logs the failure. */
int settings_save(const char *path, const struct virtual_cartridge *cartridge);

/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* A repair as reelfs check --repair --yes --save does it. */
#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "recorder.h"

struct repair {
        bool repaired;
        uint64_t left;  /* problems */
        uint64_t saved; /* blocks that can be read, and are overwritten */
        char text[120]; /* these, for messages */
};

/* recording: its commands are added to that; or NULL. */
int repair_volume(const char *path, struct recording *recording, struct repair *result);
/* NULL: the file cannot be read. */
GBytes *file_bytes(const char *path);

/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* What restore and verify share: progress, and an end by Ctrl-C between two commands of the drive. */
#include <signal.h>

#include <reelfs/restore.h>

struct transfer {
        bool quiet;
        int64_t began, drawn;
        sigset_t signals; /* that end it */
};

/* From here on signals wait until transfer_report looks for them: they must not end a command half way. */
void transfer_begin(struct transfer *t, bool quiet);
/* Draws, if it is time. False: it is to end. */
bool transfer_report(struct transfer *t, const struct restore_progress *p);
double transfer_seconds(const struct transfer *t);
/* The directory to copy into, which is made if it is missing: its descriptor. Logs the failure. */
int transfer_open_target(const char *path);

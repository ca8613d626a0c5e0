/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* A run in which the drive does not rest between operations: syncs are begun and not waited for, several at a
 * time, and the next operations meet the drive thread wherever it is in a commit, or in what it writes by
 * itself. Now and then one of both waits for the other, for a moment, so that they meet at any command. Such
 * a run is another one each time; what is to be said of its crashes holds for all of them (check-race.c). */
#include "work.h"

/* Before the mount; and after the unmount, before which the write that is parked comes to its end. */
void race_begin(struct work *w);
void race_end(struct work *w);
/* A sync of the file, or of all (NULL), as fsync(2) and reelfs sync do it. It acknowledges the step in which
 * it was begun. Nothing if too many are under way. */
int race_sync(struct work *w, const char *path);
/* The drive waits for a reader who may come back; while it does no operation would meet it. */
void race_await_drive(struct work *w);
/* After an operation: lets the drive do something, or not. An error that a sync was told. */
int race_pace(struct work *w);

/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* Tells a person at a terminal what is waited for, once that takes longer than one likes to wait for nothing.
 */
struct wait_note;

/* What follows may take long. NULL if nobody would see the note, or no thread can be had. */
struct wait_note *wait_note_begin(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* n may be NULL. */
void wait_note_end(struct wait_note *n);

/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* A bar on stderr, if that is a terminal; nothing otherwise. */
#include <stdint.h>

void progress_show(uint64_t done, uint64_t total, const char *text);
/* Takes the bar away, before anything else is printed. */
void progress_clear(void);

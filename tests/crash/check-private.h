/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
#include "check.h"

/* What is wrong with the bytes of a file in lost+found; NULL: they were written, whatever file they were of.
 */
const char *check_rescued(const struct window *w, GBytes *content);

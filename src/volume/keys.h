/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* Names of extended attributes: Linux's ("user.comment") and the index's keys ("comment"). The mapping is
 * injective, so that every name comes back as itself and none set through the mount becomes a key of ours,
 * "reelfs.…":
 *
 *   Linux "user.X"    key "X"; but "user.X" as it stands where X is empty or begins with "reelfs.", "linux."
 * or "user." Linux NAME else   key "linux.NAME"
 *
 * Back, the key says which it is: "reelfs.…" is ours, "user.…" is a Linux name, "linux.NAME" is NAME unless
 * NAME is empty or begins with "user." (no encoder makes these; the name is then "user.linux.NAME"), all else
 * is in "user.". */
#include <stdbool.h>

/* Both return text that the caller frees. */
char *key_from_xattr(const char *name);
/* NULL: a key of ours, no attribute of the entry. */
char *key_to_xattr(const char *key);
bool key_is_internal(const char *key);

/* Not ours in that sense: people see it as "user.reelfs-lost", and may take it away. */
#define KEY_LOST "reelfs-lost"

#define KEY_POSIX "reelfs.posix"
#define KEY_GONE "reelfs.lost"
#define KEY_LABEL "reelfs.label"
#define KEY_DEFAULTS "reelfs.defaults"
#define KEY_SEGMENTS "reelfs.segments"

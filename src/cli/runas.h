/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* The daemon's way from root to another user, once all that it needs is open. What takes root's rights at the
 * end, the unmount above all, is left to a process of its own, the steward, which obeys three words and reads
 * nothing else. */

struct runas;

/* Before there are threads. Looks whether user can do without root's rights with this drive, and starts the
 * steward. -EPERM, -EINVAL, -EACCES: what stands in the way was logged. */
int runas_prepare(const char *user, const char *address, const char *mountpoint, struct runas **ret);
/* When it is mounted, and all is open: for all threads, and for good. */
int runas_drop(struct runas *r);
/* By the steward: unmounts, if it is mounted still; has umount(8) forget the mount. r may be NULL, and before
 * the drop nothing is done. */
void runas_unmount(struct runas *r);
void runas_forget(struct runas *r);
/* Ends the steward, which removes the control socket. */
void runas_free(struct runas *r);

/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* What LTFS has no element for, as text of the attribute reelfs.posix: words KEY=VALUE with a space between,
 * in any order.
 *
 *   mode=OCTAL         with file type, st_mode of inode(7)
 *   uid=N gid=N
 *   rdev=MAJOR:MINOR   of devices
 *   link=N             id of the link group: names with the same one are one file, if their extents are the
 * same
 *
 * A word that is absent has the volume's default; words that are not known are ignored. The defaults are the
 * root's attribute reelfs.defaults, "file=OCTAL dir=OCTAL uid=N gid=N": permission bits, symbolic links have
 * 777. */
#include <stddef.h>
#include <stdint.h>

struct posix_defaults {
        uint32_t file_mode, dir_mode; /* permission bits */
        uint32_t uid, gid;
};

struct posix_attr {
        uint32_t mode; /* with file type */
        uint32_t uid, gid;
        uint64_t rdev; /* dev_t */
        uint64_t link; /* 0: in no group */
};

#define POSIX_TEXT_MAX 160

/* mode is of this type and the rest from the volume's defaults. */
void posix_default_attr(const struct posix_defaults *defaults, uint32_t type, struct posix_attr *attr);
/* Empty if all is as by default. */
void posix_to_text(const struct posix_defaults *defaults, const struct posix_attr *attr,
        char text[static POSIX_TEXT_MAX]);
/* Sets in attr what text says. -EINVAL. */
int posix_from_text(const char *text, size_t length, struct posix_attr *attr);
void posix_defaults_to_text(const struct posix_defaults *defaults, char text[static POSIX_TEXT_MAX]);
int posix_defaults_from_text(const char *text, size_t length, struct posix_defaults *defaults);

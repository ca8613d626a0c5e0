/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* What -o says, as mount(8) passes it. */
#include <glib.h>

#include <reelfs/mount.h>

struct mount_config {
        struct mount_options mount; /* .fuse is set by mount_config_finish */
        GString *fuse;              /* what goes to FUSE as it is */
        char *runas;                /* user that the daemon becomes, or NULL */
        bool sloppy;                /* ignore what is not known; set before options are taken */
};

void mount_config_init(struct mount_config *c);
void mount_config_clear(struct mount_config *c);
/* Takes a comma-separated list; several lists add up, and the last word counts. A value that makes no sense:
 * -EINVAL, and *problem says why; the caller frees it. */
int mount_config_options(struct mount_config *c, const char *list, char **problem);
/* Once all lists are in. */
void mount_config_finish(struct mount_config *c);

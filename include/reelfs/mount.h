/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* The FUSE frontend: serves a volume at a mount point until it is unmounted. */
#include <stdbool.h>

#include <reelfs/sched.h>

struct mount_options {
        const char *address;    /* of the drive, shown as the mount's source; absolute for a path */
        const char *mountpoint; /* absolute */
        const char *fuse;       /* further options for FUSE and the kernel, "a,b=c"; or NULL: nodev, suid, ro,
                                   noexec … */
        bool read_only;
        uint64_t generation; /* as it was then, read-only; 0: as it is */
        bool allow_other; /* users other than the one who mounts; permissions are checked either way */
        bool debug_fuse;
        bool reserve; /* the drive, for as long as it is mounted */
        bool lbp;     /* logical block protection */
        enum transport_io io;
        struct sched_options sched;
};

struct mount_hooks {
        void (*ready)(void *ctx); /* the mount is usable */
        /* Releases the volume and the drive, not the tree. Called once, failure or not, when nothing uses
         * them any more and before those who wait for the unmount are told: the drive is free for the next
         * one then. Returns 0 or what went wrong. */
        int (*close)(void *ctx);
};

/* Mounts, serves until it is unmounted or a signal (SIGINT, SIGTERM, SIGHUP) ends it, writes out everything,
 * closes. 0: all is on the tape. Negative: not mounted (ready was not called), or something was lost; logged.
 */
int mount_serve(Volume *volume, Tree *tree, const struct mount_options *options,
        const struct mount_hooks *hooks, void *ctx);

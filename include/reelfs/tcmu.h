/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* A drive of user space as a tape drive of this kernel, with /dev/sgN, /dev/nstN and all that belongs to it:
 * target_core_user hands the CDBs of a SCSI device to this process through a ring in shared memory, and
 * tcm_loop makes that device appear in the same kernel. Linux, root. */
#include <stdbool.h>
#include <stddef.h>

#include <reelfs/transport.h>

typedef struct Tcmu Tcmu;

#define TCMU_NAME_MAX 64 /* bytes, the terminating one included */

struct tcmu_options {
        const char *name; /* of the device in configfs: [A-Za-z0-9._-], not longer than TCMU_NAME_MAX - 1 */
        size_t max_transfer; /* bytes of one command; 0: what the transport takes */
        unsigned buffer_mib; /* of the memory that is shared with the kernel; 0: enough for a few commands */
        /* A reset of the logical unit or of the bus has come: reset(reset_target) is called, from the thread
         * that serves. NULL: nobody wants to know. */
        void (*reset)(Transport *reset_target);
        Transport *reset_target;
};

/* Where it appeared; "": there is no such node. */
struct tcmu_nodes {
        char address[32]; /* "2:0:1:0" */
        char generic[32]; /* "/dev/sg0" */
        char tape[32];    /* "/dev/nst0" */
};

/* Whether name may be one. */
bool tcmu_name_is_valid(const char *name);

/* Loads the modules that are needed, and mounts configfs. Before tcmu_start. Logs the failure: -EPERM not
 * root, -EOPNOTSUPP the kernel cannot do it. */
int tcmu_prepare(void);
/* Makes the device and serves it from a thread of its own, which alone uses t from now on. What an instance
 * of the same name has left that was killed is removed. The calling thread's signal mask is that of the new
 * one. Logs the failure: -EBUSY another process serves the name. */
int tcmu_start(Transport *t, const struct tcmu_options *options, Tcmu **ret);
void tcmu_get_nodes(const Tcmu *m, struct tcmu_nodes *nodes);
/* Removes the device, which answers until then; t is the caller's again. NULL is allowed. */
void tcmu_stop(Tcmu *m);

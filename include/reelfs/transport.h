/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* How a CDB reaches a drive. A transport executes one command at a time and reports what came back as data;
 * it interprets nothing. One thread at a time may use a Transport (in a mount: the drive thread). */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

typedef struct Transport Transport;

enum transport_direction { TRANSPORT_NONE, TRANSPORT_IN /* drive to host */, TRANSPORT_OUT };

/* SAM-5 status codes */
#define TRANSPORT_STATUS_GOOD 0x00
#define TRANSPORT_STATUS_CHECK_CONDITION 0x02
#define TRANSPORT_STATUS_BUSY 0x08
#define TRANSPORT_STATUS_RESERVATION_CONFLICT 0x18

#define TRANSPORT_SENSE_MAX 252 /* SPC-4, 4.5: the longest sense data */

struct transport_command {
        /* The command; the transport changes none of these. */
        uint8_t cdb[16];
        size_t cdb_length; /* 6, 10, 12 or 16 */
        enum transport_direction direction;
        const struct iovec *iov; /* the data, in order; belongs to the caller */
        int iovcnt;
        unsigned timeout_s;

        /* What came back. */
        uint8_t status;
        uint8_t sense[TRANSPORT_SENSE_MAX];
        size_t sense_length; /* 0: none */
        size_t residual;     /* bytes of iov that were not transferred */
};

struct transport_limits {
        size_t max_transfer; /* bytes in one command */
        size_t alignment;    /* of each iovec's base, a power of two */
};

/* What a transport is; each has a const table of these. lend and describe may be NULL. */
struct transport_ops {
        /* 0: a status came back. -ETIMEDOUT, -ENODEV, -EIO: the command's outcome is unknown. -ECONNRESET: it
         * is unknown too, but the next command may find a way to the drive again. It is never sent twice. */
        int (*execute)(Transport *t, struct transport_command *command);
        void (*limits)(Transport *t, struct transport_limits *limits);
        /* A buffer of the transport's own (mmap'ed sg); the transport keeps it until close. */
        int (*lend)(Transport *t, size_t size, void **buf);
        /* One line for people: what it is and how data moves. The caller frees. */
        char *(*describe)(Transport *t);
        void (*close)(Transport *t);
};

/* Each transport's own struct begins with this one. */
struct Transport {
        const struct transport_ops *ops;
};

/* Opens what address names: a path to a cartridge file, or iscsi://[user@]host[:port]/target/lun. read_only:
 * nothing will be written, and the address may be one that cannot be. Logs the failure. -ENOENT, -EACCES,
 * -EBUSY (in use), -EINVAL (not an address of any transport), -EMEDIUMTYPE (not a cartridge), -EOPNOTSUPP (a
 * transport that this build lacks), -ECONNREFUSED, -ETIMEDOUT (no session). */
int transport_open(const char *address, bool read_only, Transport **ret);
int transport_execute(Transport *t, struct transport_command *command);
void transport_limits(Transport *t, struct transport_limits *limits);
char *transport_describe(Transport *t);
/* NULL is allowed. */
void transport_close(Transport *t);

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
        bool outlives; /* the drive goes on, with the modes that were set, when this process is killed */
};

/* What a transport is; each has a const table of these. lend and describe may be NULL. */
struct transport_ops {
        /* 0: a status came back. -ETIMEDOUT, -ENODEV, -EIO: the command's outcome is unknown. -ECONNRESET: it
         * is unknown too, but the next command may find a way to the drive again. It is never sent twice.
         * -EMSGSIZE: it was not sent, since it would move too much at once; limits says less from now on. */
        int (*execute)(Transport *t, struct transport_command *command);
        void (*limits)(Transport *t, struct transport_limits *limits);
        /* A buffer of the transport's own (mmap'ed sg); the transport keeps it until close. There is one
         * only, and other commands may use it too: its content is good for the next command. -EOPNOTSUPP,
         * -ENOMEM. */
        int (*lend)(Transport *t, size_t size, void **buf);
        /* One line for people: what it is and how data moves. The caller frees. Any thread. */
        char *(*describe)(Transport *t);
        void (*close)(Transport *t);
};

/* Each transport's own struct begins with this one. */
struct Transport {
        const struct transport_ops *ops;
};

/* How data moves to and from a drive of the kernel's; the other transports have one way only. A way that is
 * asked for and does not take effect is no failure: a warning says so, and what is used instead. */
enum transport_io {
        TRANSPORT_IO_AUTO,     /* the best that takes effect */
        TRANSPORT_IO_DIRECT,   /* between the caller's memory and the adapter, without a copy */
        TRANSPORT_IO_MMAP,     /* through the sg driver's reserved buffer, mapped into this process */
        TRANSPORT_IO_INDIRECT, /* the kernel copies */
};
/* "auto", "direct", "mmap", "indirect". -EINVAL. */
int transport_io_parse(const char *text, enum transport_io *io);

struct transport_options {
        bool read_only; /* nothing will be written, and the address may be one that cannot be */
        enum transport_io io;
        bool tell_copy; /* say how a copy of all data could be saved */
};

/* Opens what address names: a path to a cartridge file, a drive's node (/dev/sgN, /dev/nstN,
 * /dev/bsg/H:C:T:L) or serial number (serial:NUMBER, or NUMBER alone if no file is called so), or
 * iscsi://[user@]host[:port]/target/lun. A node of the kernel's is taken for this process alone, as far as
 * that goes. Logs the failure. -ENOENT, -EACCES, -EBUSY (in use), -EINVAL (not an address of any transport),
 * -ENODEV (no tape drive), -EMEDIUMTYPE (not a cartridge), -EOPNOTSUPP (a transport that this build lacks),
 * -ECONNREFUSED, -ETIMEDOUT (no session). */
int transport_open_with(const char *address, const struct transport_options *options, Transport **ret);
int transport_open(const char *address, bool read_only, Transport **ret);
int transport_execute(Transport *t, struct transport_command *command);
void transport_limits(Transport *t, struct transport_limits *limits);
/* See transport_ops. */
int transport_lend(Transport *t, size_t size, void **buf);
char *transport_describe(Transport *t);
/* NULL is allowed. */
void transport_close(Transport *t);

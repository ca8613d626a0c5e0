/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* A tape of one partition in a SIMH .tap file: records and filemarks by logical object number, as much of it
 * as was written. Knows the container, nothing of SCSI. One thread at a time.
 *
 * A record cut off at the end of the file, or without the right length behind it, is a torn tail: what lies
 * before is good, where the data really ended nobody knows. Appending or truncating removes it. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

typedef struct Cartridge Cartridge;

enum cartridge_kind {
        CARTRIDGE_RECORD,
        CARTRIDGE_BAD_RECORD, /* was there, but cannot be read */
        CARTRIDGE_FILEMARK,
        CARTRIDGE_END,  /* end of data */
        CARTRIDGE_TORN, /* the tail is torn: no end of data to be found */
};

/* Locks the file (shared if it will not be written) and reads where its records lie. A file that cannot be
 * written opens too: see cartridge_is_writable. Logs the failure: -EBUSY in use, -EMEDIUMTYPE not a .tap,
 * -EINVAL not a file. */
int cartridge_open(const char *path, bool read_only, Cartridge **ret);
/* NULL is allowed. */
void cartridge_close(Cartridge *c);
bool cartridge_is_writable(const Cartridge *c);

/* Objects before the end of data, and the bytes of data in them. */
uint64_t cartridge_count(const Cartridge *c);
uint64_t cartridge_data(const Cartridge *c);
/* Bytes of data, filemarks, and bytes of the file before object. They look at each object between it and the
 * nearer known point. */
uint64_t cartridge_data_before(const Cartridge *c, uint64_t object);
uint64_t cartridge_filemarks_before(const Cartridge *c, uint64_t object);
/* Bytes on the tape before an object, what is between the blocks included. Quicker than
 * cartridge_data_before. */
uint64_t cartridge_place(const Cartridge *c, uint64_t object);
/* Of an object, or of what comes at count. */
enum cartridge_kind cartridge_kind(const Cartridge *c, uint64_t object);
/* Bytes of a record's data. */
int cartridge_length(const Cartridge *c, uint64_t object, uint32_t *length);

/* Reads n records from object on, each of length bytes. iov is as long as their data; for n = 1 it may be
 * shorter, and then only so much is read. At most FRAME_IOV_MAX elements. *nread: records, also on failure.
 * -EIO: the file is not what it was when it was opened, or cannot be read. */
int cartridge_read(Cartridge *c, uint64_t object, size_t n, uint32_t length, const struct iovec *iov,
        int iovcnt, size_t *nread);
/* Appends n records of length bytes each (at least 1). *written: records, also on failure; nothing remains of
 * a record that is not among them. A process that dies in here leaves a proper end of data before the
 * records. */
int cartridge_append(
        Cartridge *c, size_t n, uint32_t length, const struct iovec *iov, int iovcnt, size_t *written);
/* The same without their data: in its place is a hole, which reads as zeros. */
int cartridge_append_hollow(Cartridge *c, size_t n, uint32_t length, size_t *written);
int cartridge_append_filemarks(Cartridge *c, size_t n);
/* The end of data is before object from now on. */
int cartridge_truncate(Cartridge *c, uint64_t object);
/* Waits until the host has it on stable storage. */
int cartridge_flush(Cartridge *c);
/* What lies between object and the end of data loses its tail, keep (0.0 to 1.0) of its bytes remain, and the
 * end of data is wherever that is. Nothing but cartridge_close may follow. */
int cartridge_cut(Cartridge *c, uint64_t object, double keep);
/* How the tape goes on behind the last object that a drive got onto it before it lost its power. */
enum cartridge_tail {
        CARTRIDGE_TAIL_NONE,  /* not at all: see CARTRIDGE_TORN */
        CARTRIDGE_TAIL_BLOCK, /* with a block that cannot be read, of which a part is there; then not at all
                               */
        CARTRIDGE_TAIL_OLD,   /* with what was there before */
};
/* All of the file into another one, which is empty. */
int cartridge_copy(const Cartridge *c, int fd);
/* fd: of a copy, or -1: this cartridge's own file, and then nothing but cartridge_close may follow. It ends
 * with object, and goes on as tail says. old: what was on the tape before, for CARTRIDGE_TAIL_OLD, or NULL.
 */
int cartridge_write_tail(
        const Cartridge *c, int fd, uint64_t object, enum cartridge_tail tail, const Cartridge *old);
/* The data ends before object from now on, without an end of data (CARTRIDGE_TORN). */
int cartridge_tear(Cartridge *c, uint64_t object);
/* Bytes that the host's file system has room for. */
uint64_t cartridge_host_space(const Cartridge *c);

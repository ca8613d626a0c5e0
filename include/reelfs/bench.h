/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* Measures what it costs to move data to and from a drive, by each way that the data can take.
 *
 * A *cell* is one case: a way, WRITE or READ, bytes in a command, block length, alignment, buffers. A *round*
 * measures every cell once, in an order that is another one in each round, so that what disturbs the machine
 * for a while does not hit the same cells each time. What is reported of a cell is the median of its rounds,
 * and their spread.
 *
 * On the tape each way writes a *section* in each round: for each of its cells a *strip* of blocks and a
 * filemark. Reading cells read strips that this round has written. Without permission to write there is one
 * strip: a run of equal blocks that was found on the tape.
 *
 * One thread calls all of this, unless said otherwise; it is the drive thread of the transports used. */
#include <glib.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <reelfs/tape.h>

enum bench_move { BENCH_WRITE, BENCH_READ, BENCH_MOVES };

/* What a cell is measured for. */
enum bench_table {
        BENCH_EMPTY,     /* a command that moves (next to) nothing: what there is to be subtracted */
        BENCH_SIZES,     /* one variable block a command, from small to large */
        BENCH_FIXED,     /* several blocks of bench_options.fixed_block a command */
        BENCH_ALIGNMENT, /* buffers that do not begin at a page */
        BENCH_BUFFERS,   /* something fills the buffers, meanwhile if there are several */
        BENCH_BESIDE,    /* a thread beside it computes: how much of the CPU is left to it */
        BENCH_TABLES
};
extern const char *const bench_table_names[BENCH_TABLES];
extern const char *const bench_move_names[BENCH_MOVES];

/* How data gets from the program's memory to the adapter. */
enum bench_kind {
        BENCH_COPIED, /* by a buffer of the kernel */
        BENCH_DIRECT, /* the program's pages are handed to the adapter */
        BENCH_MAPPED, /* the kernel's buffer is mapped into the program */
        BENCH_OTHER,  /* it depends, or there is no kernel in between */
};
extern const char *const bench_kind_names[];

struct bench_cell {
        enum bench_table table;
        enum bench_move move;
        unsigned way;     /* index into the ways */
        size_t size;      /* bytes in a command */
        uint32_t block;   /* length of fixed blocks; 0: the command is one variable block */
        size_t offset;    /* of the buffer from the beginning of a page */
        unsigned buffers; /* 0: one, filled once; 1: filled before each command; more: by another thread */
        bool beside;
        GArray *samples; /* of struct bench_sample; rounds in which the cell could not be measured have none
                          */
};

struct bench_sample {
        unsigned round;
        uint64_t commands;
        int64_t wall_ns;
        int64_t cpu_ns;        /* of the drive thread, user and system; -1: the clock is too coarse */
        int64_t process_ns;    /* of all threads; -1: as before */
        uint64_t instructions; /* of the drive thread, kernel included; 0: cannot be counted here */
        double left;           /* with beside: speed of the other thread, 1.0 is that without this one;
                                  NAN: it was too short to tell */
};

struct bench_limits {
        size_t max_transfer;           /* bytes in one command */
        uint32_t min_block, max_block; /* max 0: no limit */
        bool fixed_only;               /* block length is fixed_block of the drive: min_block */
};

/* ---- Ways */
typedef struct BenchWay BenchWay;

/* All return 0 or -errno and log their failures. -EOPNOTSUPP, not logged: this way cannot do that; the cell
 * is left out. */
struct bench_way_ops {
        /* May move the tape if there is no other way of knowing where it is. Limits hold from then on. */
        int (*open)(BenchWay *w);
        void (*close)(BenchWay *w);
        void (*limits)(BenchWay *w, struct bench_limits *limits);
        /* Logical object number; 0 is the beginning. NULL: there is no such thing, and READ finds data
         * everywhere. */
        int (*tell)(BenchWay *w, uint64_t *object);
        int (*locate)(BenchWay *w, uint64_t object);
        /* What the cell's commands need to be set. */
        int (*prepare)(BenchWay *w, const struct bench_cell *cell);
        /* One command. -ENOSPC: the tape is full; -ENODATA: no block of this length here. */
        int (*write)(BenchWay *w, void *buf, size_t size);
        int (*read)(BenchWay *w, void *buf, size_t size);
        int (*empty)(BenchWay *w);
        /* Waits for what was put off, inside the measured time. NULL: nothing ever is. */
        int (*settle)(BenchWay *w);
        /* Ends a strip; everything before is with the drive then. NULL: none is needed. */
        int (*filemark)(BenchWay *w);
        /* Memory of the way's own, as long as it is open. NULL: any will do. */
        int (*lend)(BenchWay *w, size_t size, void **buf);
        void (*free)(BenchWay *w);
};

struct BenchWay {
        const struct bench_way_ops *ops;
        const char *name;   /* "sg-direct", as in tables; a literal */
        const char *family; /* direct and copied of one family are compared: "sg" */
        enum bench_kind kind;
        size_t offset;       /* added to that of each cell's buffer */
        unsigned batch;      /* commands of one call of write or read; 0 means 1 */
        const char *io;      /* mount option io= with which reelfs takes this way; NULL: it does not */
        const char *address; /* that has to be mounted for that; the way's own */
};

/* ---- Engine */
struct bench_options {
        bool write;               /* the tape may be overwritten from its beginning */
        unsigned tables;          /* bits 1 << enum bench_table */
        size_t smallest, largest; /* sizes: the first one, doubled up to the other; 0: 512, the limit */
        uint32_t fixed_block;     /* for BENCH_FIXED */
        size_t buffer_size;       /* bytes in a command for BENCH_BUFFERS and BENCH_BESIDE */
        unsigned passes;          /* over a buffer to fill it: how much work the program has with its data */
        unsigned rounds;
        uint64_t seconds;  /* in all, about; winding not counted */
        uint64_t space;    /* bytes of the tape that may be used in a round */
        uint64_t capacity; /* bytes, of the tape; 0: not known */
        /* What is going on, for a person; NULL: nobody asks. */
        void (*progress)(void *ctx, unsigned round, unsigned done, unsigned cells);
        void *ctx;
};
void bench_default_options(struct bench_options *options);

/* A run of blocks of one length. */
struct bench_strip {
        uint64_t object; /* of its first block */
        uint64_t blocks;
        uint32_t length; /* of a block */
        uint64_t used;   /* blocks that were read */
};

typedef struct Bench Bench;

/* ways: of BenchWay *; stays the caller's. found: what is to be read if options->write is false. Opens each
 * way once, to learn its limits; nothing is written yet. Logs the failure: -EINVAL, no command of these sizes
 * can be given; -ENOSPC, the tape is too small for them. */
int bench_new(
        const struct bench_options *options, GPtrArray *ways, const struct bench_strip *found, Bench **ret);
/* Runs all rounds. Logs the failure, but -EINTR: bench_cancel, and -ENOSPC: the tape is full. What was
 * measured until then stays. */
int bench_run(Bench *b);
/* From a signal handler or another thread: bench_run ends after the command in hand. */
void bench_cancel(Bench *b);
void bench_free(Bench *b);

GPtrArray *bench_ways(Bench *b);
/* Of struct bench_cell. */
GArray *bench_cells(Bench *b);
/* Rounds that were measured. */
unsigned bench_rounds(Bench *b);

/* ---- Reports. title: what was measured, one line. The caller frees what is returned. */
char *bench_text(Bench *b, const char *title);
char *bench_json(Bench *b, const char *title);
char *bench_svg(Bench *b, const char *title);

/* ---- Ways that there are. Strings but names and families are copied. */
/* The tape layer over the transport of address, with that io. */
BenchWay *bench_way_tape(const char *address, enum transport_io io, const char *name, const char *family,
        enum bench_kind kind);
/* read(2) and write(2) on the st driver's node. */
enum bench_st_mode {
        BENCH_ST_DIRECT,
        BENCH_ST_COPIED,   /* each call is one command */
        BENCH_ST_BUFFERED, /* in fixed blocks the driver makes one command of several calls */
        BENCH_ST_ASYNC,    /* and write(2) returns before the command ends */
        BENCH_ST_MODES
};
/* tries_direct: whether the driver is loaded with try_direct_io. */
BenchWay *bench_way_st(
        const char *node, enum bench_st_mode mode, bool tries_direct, const struct bench_limits *limits);
/* An array that owns its BenchWays; all ways to the drive of address. limits: as the tape layer knows them.
 */
GPtrArray *bench_ways_new(void);
GPtrArray *bench_ways_of(const char *address, const struct bench_limits *limits);
/* What the tape layer knows of them. */
void bench_tape_limits(Tape *tape, struct bench_limits *limits);
/* Where a tape is. */
struct bench_place {
        uint64_t object;
        long file, block; /* filemarks before it and blocks behind the last of them, as the st driver counts
                             them; -1: it does not know */
};
/* What the st driver knows; the drive is not open yet. place->object is left alone. */
void bench_st_place(const char *address, struct bench_place *place);
/* Winds a tape: by the st driver where there is one, which else would wind it back. Logs the failure. */
int bench_wind(const char *address, const struct bench_place *place);
/* A run of equal blocks, the longest in bytes among the first ones of the tape. -ENODATA: there is none, or
 * one so short that nothing would be measured by it; logged. -EINTR: *cancelled was set, perhaps by a signal
 * handler. Leaves the tape anywhere. */
int bench_find_strip(Tape *tape, const atomic_bool *cancelled, struct bench_strip *strip);

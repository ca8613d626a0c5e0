/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* clang-format off */
/* The virtual drive: a SCSI tape drive in user space over a cartridge in files. It interprets CDBs strictly,
 * as SSC-5 and SPC-4 say, with the sense a real drive gives.
 *
 * A cartridge is PATH, in the SIMH .tap container (little-endian 32-bit length before and after each record,
 * data padded to even, 0 a filemark), and PATH.cartridge, a GKeyFile with what the tape itself cannot hold. A
 * bare .tap is accepted: the key file is optional and defaults apply, until the drive has something to keep
 * in it. The cartridge is locked (flock) while it is open.
 *
 * What the drive accepts it writes to the file at once, so that killing the process loses nothing.
 *
 * Key file:
 *   [cartridge] barcode=TEXT  capacity=BYTES (0: unlimited)  early-warning=BYTES  write-protected=BOOL
 *               worm=BOOL  filemark-size=BYTES (of the capacity)
 *   [drive]     lacks=locate16;locate10;read-position;space16;mode10;capacity;variable;eom-position;vpd;
 *                     reserve;persistent-reserve;density;opcodes;attributes;capacity-page;volume-page;
 *                     alert-page;sequential-page;long-position;sequential-filemarks;order;
 *                     configuration-extension;medium-configuration;protection
 *               fixed-block=BYTES (with lacks=variable; default 32768)  max-transfer=BYTES
 *               missing-eod=medium-error|blank-check (the sense key of 14/03)
 *               descriptor-sense=BOOL (as long as the control mode page does not say otherwise)
 *   [model]     drive=lto5|lto8|lto9: a drive that moves a tape as that one does (reelfs-model(7)), with
 *               clock=real (the default)|virtual, speed=N (its clock runs N times as fast as the real one);
 *               or bytes-per-second=N (of the medium)  bus-bytes-per-second=N  command-us=N  buffer=BYTES:
 *               a drive that just takes its time; without any of them it takes none
 *   [test]      power-cut-after=N (commands), with power-cut-keep=R (0..1, see virtual_power_cut), or with
 *               power-cut-lost=N  power-cut-tail=end|none|block|old
 *               power-cut-memory=kept|previous|loaded (see virtual_cut)
 *               lose-after=N (commands)  lose-objects=N  lose-commands=N  lose-tail=end|none
 *               lose-current=BOOL  lose-fence=BOOL (see virtual_lose)
 *               remains=BOOL (what is overwritten is kept in PATH.remains, see VIRTUAL_TAIL_OLD)
 *               initiator=N (see virtual_set_initiator)  unreadable=N;N-M (objects)
 *               tape-alerts=N;N (flags raised at load)
 *               discard=BOOL (data of writes with FIXED=1 is not kept and reads as zeros; short blocks are,
 *               so that labels and small indexes survive: for benchmarks)
 *   [fault]     rules=TEXT, for who opens it to put the fault injector in front (see virtual_faults)
 * and, kept by the drive itself, what a real drive and the memory chip in a real cartridge keep:
 *   [memory]    change-reference=N  attribute-NNNN=HEX (WRITE ATTRIBUTE)
 *   [reservation] keys=INITIATOR:KEY;...  holder=N  type=N  generation=N  aptpl=BOOL  reserved-by=N
 */
/* clang-format on */
#include <reelfs/transport.h>

/* Abilities that an old drive lacks; a command it lacks ends with 5/20/00. */
enum virtual_lacks {
        VIRTUAL_NO_LOCATE16 = 1 << 0,
        VIRTUAL_NO_LOCATE10 = 1 << 1,
        VIRTUAL_NO_READ_POSITION = 1 << 2,
        VIRTUAL_NO_SPACE16 = 1 << 3,
        VIRTUAL_NO_MODE10 = 1 << 4,
        VIRTUAL_NO_CAPACITY = 1 << 5,         /* no LOG SENSE */
        VIRTUAL_NO_VARIABLE = 1 << 6,         /* fixed blocks only */
        VIRTUAL_NO_EOM_POSITION = 1 << 7,     /* READ POSITION without EOP: past early warning or not */
        VIRTUAL_NO_VPD = 1 << 8,              /* no vital product data pages (5/24/00) */
        VIRTUAL_NO_RESERVE = 1 << 9,          /* RESERVE and RELEASE, (6) and (10) */
        VIRTUAL_NO_PERSISTENT = 1 << 10,      /* PERSISTENT RESERVE IN and OUT */
        VIRTUAL_NO_DENSITY = 1 << 11,         /* REPORT DENSITY SUPPORT */
        VIRTUAL_NO_OPCODES = 1 << 12,         /* REPORT SUPPORTED OPERATION CODES */
        VIRTUAL_NO_ATTRIBUTES = 1 << 13,      /* READ and WRITE ATTRIBUTE: cartridges without a memory chip */
        VIRTUAL_NO_CAPACITY_PAGE = 1 << 14,   /* log page 31h (5/24/00), as all pages below */
        VIRTUAL_NO_VOLUME_PAGE = 1 << 15,     /* 17h */
        VIRTUAL_NO_ALERT_PAGE = 1 << 16,      /* 2Eh */
        VIRTUAL_NO_SEQUENTIAL_PAGE = 1 << 17, /* 0Ch */
        VIRTUAL_NO_LONG_POSITION = 1 << 18,   /* READ POSITION has the short form only */
        VIRTUAL_NO_SEQUENTIAL_FILEMARKS = 1 << 19, /* SPACE with CODE 010b */
        VIRTUAL_NO_ORDER = 1 << 20,                /* GENERATE and RECEIVE RECOMMENDED ACCESS ORDER */
        VIRTUAL_NO_EXTENSION = 1 << 21, /* mode page 10h/01h: append-only mode, programmable early warning */
        VIRTUAL_NO_MEDIUM_PAGE = 1 << 22, /* mode page 1Dh: whether the medium is WORM */
        VIRTUAL_NO_PROTECTION = 1 << 23,  /* mode page 0Ah/F0h: logical block protection, CRC32C; so with
                                             VIRTUAL_NO_VARIABLE */
        VIRTUAL_NO_ANYTHING = (1 << 24) - 1,
};

#define VIRTUAL_INITIATORS 8

struct virtual_cartridge {
        char barcode[33];
        uint64_t capacity;      /* bytes of data to the end of medium; 0: unlimited */
        uint64_t early_warning; /* bytes before the end where early warning begins; 0: capacity / 64, at least
                                   4 MiB where capacity allows */
        bool write_protected;
        bool worm;              /* the medium can be written once */
        bool append_only;       /* the drive begins in append-only mode */
        uint32_t filemark_size; /* bytes of the capacity that a filemark takes */
        bool remains;           /* what is overwritten is kept: see VIRTUAL_TAIL_OLD */
        bool blank_check;       /* a missing end of data is 8/14/03, not 3/14/03 */
        bool descriptor_sense;  /* the drive begins with D_SENSE set */
        unsigned lacks;         /* enum virtual_lacks */
        uint32_t fixed_block;  /* with VIRTUAL_NO_VARIABLE; 0: 32768; at most 65535 (READ BLOCK LIMITS says no
                                  more) */
        uint32_t max_transfer; /* 0: 8 MiB */
};

/* Makes an empty cartridge and its key file. -EEXIST: path is there already. Logs the failure. */
int virtual_create(const char *path, const struct virtual_cartridge *cartridge);

/* Opens a cartridge; the drive then reports a unit attention (28h/00h) as after any load. Logs the failure.
 */
int virtual_open(const char *path, bool read_only, Transport **ret);

/* The rules for the fault injector (reelfs/fault.h) of the cartridge at path; NULL: none. virtual_open leaves
 * them to its caller, transport_open for one. The caller frees. Logs the failure. */
int virtual_faults(const char *path, char **rules);

/* What the drive did, for tests and benchmarks. These and the test hooks below: any thread; t is one of
 * virtual_open. */
struct virtual_statistics {
        uint64_t commands, writes, reads, locates, spaces, filemarks, synchronizations;
};
void virtual_statistics(Transport *t, struct virtual_statistics *s);

/* What a modelled drive's tape did since the open, by the model's clock, in ns. The times of the tape add up
 * to the whole; all are 0 for a drive without a model. */
struct virtual_motion {
        int64_t clock_ns;
        int64_t writing_ns, reading_ns; /* the tape at speed */
        int64_t locating_ns, rewinding_ns, loading_ns;
        int64_t hitching_ns; /* stopping, going back, getting up to speed */
        int64_t standing_ns; /* nothing to do */
        uint64_t stops;   /* times that the tape had to stop since the host was late, or wanted it flushed */
        uint64_t locates; /* that moved the tape */
        double metres;
};
void virtual_motion(Transport *t, struct virtual_motion *m);
/* With clock=virtual: time passes by what commands take, and by this. */
void virtual_advance(Transport *t, int64_t ns);

/* Pulls the plug: what was written since the last synchronizing command (WRITE FILEMARKS with IMMED=0,
 * REWIND, LOCATE or SPACE, READ, LOAD UNLOAD; READ POSITION does not) is cut at keep, 0.0 to 1.0 of its
 * bytes; a record cut through is left as a torn tail, as EOD that was never written. Reservations go, but for
 * persistent ones with APTPL. From then on execute fails with -ENODEV; reopen the cartridge to go on. */
int virtual_power_cut(Transport *t, double keep);

/* Blocks and filemarks in the drive's buffer: written since the last synchronizing command. */
uint64_t virtual_buffered(Transport *t);

/* What the tape has behind the last object that got onto it. A drive writes the end of data when it stops
 * writing: when it moves or unloads the tape, not when it only flushes its buffer (WRITE FILEMARKS, IMMED=0).
 * Where it is written already, the tail is VIRTUAL_TAIL_END, whatever was asked for. */
enum virtual_tail {
        VIRTUAL_TAIL_END,   /* an end of data */
        VIRTUAL_TAIL_NONE,  /* none: READ, SPACE and LOCATE past the last object find no end of data (3/14/03,
                               or  8/14/03 with missing-eod=blank-check) */
        VIRTUAL_TAIL_BLOCK, /* a part of the next block, which cannot be read (3/11/00); behind it as
                               TAIL_NONE */
        VIRTUAL_TAIL_OLD,   /* what was there before it was overwritten, with its own end of data; an object
                               that   is overwritten in part cannot be read. Needs remains=true when it was
                               overwritten,   else as TAIL_NONE */
};

/* What the memory chip in the cartridge holds. */
enum virtual_memory {
        VIRTUAL_MEMORY_KEPT,
        VIRTUAL_MEMORY_PREVIOUS, /* what it did before the last WRITE ATTRIBUTE, change reference included */
        VIRTUAL_MEMORY_LOADED,   /* what it did when the tape was loaded */
};

struct virtual_cut {
        uint64_t lost; /* the last so many objects of the buffer; UINT64_MAX: all */
        enum virtual_tail tail;
        enum virtual_memory memory;
};
/* Pulls the plug as virtual_power_cut does, with a choice of what is left. */
int virtual_cut(Transport *t, const struct virtual_cut *cut);
/* What virtual_cut would leave, as another cartridge at path, which is overwritten; the drive goes on. NULL:
 * what is left when the process is killed, which is all. */
int virtual_snapshot(Transport *t, const char *path, const struct virtual_cut *cut);

/* Data that the drive has said it has does not get onto the tape, and it finds out later. */
struct virtual_loss {
        uint64_t objects;  /* the last so many of the buffer, as of now; all that is written after them is
                              lost too */
        uint64_t commands; /* that go by before it is reported; one that synchronizes reports it at once */
        enum virtual_tail tail; /* END or NONE */
        bool current; /* a synchronizing WRITE FILEMARKS reports it as its own failure, not as a deferred one
                       */
        bool fence;   /* from then on every command that writes fails (3/0c/00), until the tape is unloaded */
};
/* The command that reports it (deferred, 3/0c/00) is not executed; the position is then behind the last
 * object that is on the tape. */
void virtual_lose(Transport *t, const struct virtual_loss *loss);

/* Called before each command, in the thread that executes it; number: of commands since the open, this one
 * included. It may call all of the functions above. NULL: none any more. */
typedef void (*virtual_hook)(
        void *ctx, Transport *t, uint64_t number, const struct transport_command *command);
void virtual_set_hook(Transport *t, virtual_hook hook, void *ctx);

/* A reset of the drive, by another host say: rewound, modes, the medium lock and what RESERVE reserved gone;
 * unit attention 29h/00h follows. */
void virtual_reset(Transport *t);

/* Commands from now on come from another initiator, 1 (as at open, unless the key file says otherwise) to
 * VIRTUAL_INITIATORS: each has registrations, reservations and unit attentions of its own. */
void virtual_set_initiator(Transport *t, unsigned initiator);

/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* The rules of the fault injector: text to data. No I/O. */
#include <glib.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FAULT_FOREVER UINT64_MAX
#define FAULT_WHY_MAX 200

/* How a command ends that a rule strikes. */
enum fault_end {
        FAULT_UNCHANGED, /* as the drive says; it may come later, or with another residual */
        FAULT_STATUS,    /* with this status, and sense if that is CHECK CONDITION */
        FAULT_ERROR      /* not at all: the transport fails */
};

struct fault_sense {
        uint8_t key, asc, ascq;
        uint8_t flags; /* 80h filemark, 40h EOM, 20h ILI */
        bool deferred, descriptor;
        bool has_information, rest; /* rest: what was not done of the command is the information */
        int64_t information;
};

struct fault_rule {
        /* Which commands */
        bool any;
        uint32_t opcodes[256 / 32];
        char *condition; /* a file: only while it is there; NULL: always */
        uint64_t after;  /* so many of them go by first */
        uint64_t every;  /* then one of so many; 1: each */
        double chance;   /* 0 to 1 */
        uint64_t count;  /* so many are struck in all */
        bool seeded;
        uint32_t seed;

        /* What becomes of them */
        enum fault_end end;
        uint8_t status;
        struct fault_sense sense;
        int error; /* negative errno */
        bool done; /* executed all the same */
        bool has_partial, has_residual;
        uint64_t partial; /* blocks or filemarks that are executed */
        uint64_t residual;
        unsigned delay_ms;
        bool rewind; /* and the tape is rewound, as by a reset */
};

/* Rules are separated by semicolons and line ends; empty ones are left out. *ret: struct fault_rule, freed
 * with the array. -EINVAL: why says which rule, and what is wrong with it. Any text will do. */
int fault_rules_parse(const char *text, GArray **ret, char why[static FAULT_WHY_MAX]);

static inline bool fault_rule_has_opcode(const struct fault_rule *r, uint8_t opcode)
{
        return r->any || (r->opcodes[opcode / 32] >> opcode % 32 & 1);
}

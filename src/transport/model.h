/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* How long a modelled drive takes: it takes data into its buffer at the speed of its interface, and its
 * medium moves at a speed of its own, ahead of a host that reads and behind one that writes, as far as the
 * buffer goes. */
#include <stddef.h>
#include <stdint.h>

struct model {
        uint64_t bytes_per_second;     /* of the medium; 0: takes no time */
        uint64_t bus_bytes_per_second; /* of the interface; 0: takes no time */
        uint64_t command_us;           /* each READ or WRITE, beside its data */
        uint64_t buffer;               /* bytes between medium and interface */
};

/* When a command of bytes that comes at now_ns is done. *medium_ns: until when the medium is busy, the buffer
 * left out; 0 at first, kept by the caller. */
int64_t model_end(const struct model *m, int64_t now_ns, uint64_t bytes, int64_t *medium_ns);
/* Waits until then, if the model takes time at all. */
void model_wait(const struct model *m, uint64_t bytes, int64_t *medium_ns);

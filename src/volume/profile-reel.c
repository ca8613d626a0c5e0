/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "handle.h"

static int reel_end_segment(Volume *v)
{
        v->open_tail = true;
        return volume_end_tail(v);
}

const struct profile profile_reel = {
        .name = "reel",
        .partition = "a",
        .compact_index = true,
        .incremental = true,
        .end_segment = reel_end_segment,
        .find_index = reel_find_index,
};

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which ways there are to a drive. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <reelfs/bench.h>
#include <reelfs/devices.h>
#include <reelfs/log.h>

static bool parameter_is_off(const char *path)
{
        g_autofree char *text = NULL;
        return g_file_get_contents(path, &text, NULL, NULL) && strtol(text, NULL, 10) == 0;
}

static void add_sg(const char *node, GPtrArray *ways)
{
        g_ptr_array_add(ways, bench_way_tape(node, TRANSPORT_IO_INDIRECT, "sg-copied", "sg", BENCH_COPIED));
        if (parameter_is_off("/sys/module/sg/parameters/allow_dio"))
                log_notice("%s: direct I/O is off and is not measured; echo 1 "
                           ">/sys/module/sg/parameters/allow_dio turns it on",
                        node);
        else
                g_ptr_array_add(
                        ways, bench_way_tape(node, TRANSPORT_IO_DIRECT, "sg-direct", "sg", BENCH_DIRECT));
        g_ptr_array_add(ways, bench_way_tape(node, TRANSPORT_IO_MMAP, "sg-mmap", "sg", BENCH_MAPPED));
}

static void add_st(const char *node, const struct bench_limits *limits, GPtrArray *ways)
{
        if (geteuid() != 0) {
                log_notice("%s: only root can set the options of the st driver and reach a drive through it, "
                           "so it is not measured",
                        node);
                return;
        }
        /* SG_IO through this node, as reelfs does it where allow_dio is off. */
        g_ptr_array_add(ways, bench_way_tape(node, TRANSPORT_IO_DIRECT, "nst-direct", "nst", BENCH_DIRECT));
        bool tries_direct = !parameter_is_off("/sys/bus/scsi/drivers/st/try_direct_io");
        for (enum bench_st_mode mode = 0; mode < BENCH_ST_MODES; mode++)
                if (mode != BENCH_ST_DIRECT || tries_direct)
                        g_ptr_array_add(ways, bench_way_st(node, mode, tries_direct, limits));
}

static void free_way(gpointer data)
{
        BenchWay *w = data;
        w->ops->free(w);
}

GPtrArray *bench_ways_new(void)
{
        return g_ptr_array_new_with_free_func(free_way);
}

/* The name of what is no node of the kernel's. */
static const char *plain_name(const char *address)
{
        return strstr(address, "://") ? "network" : "virtual";
}

GPtrArray *bench_ways_of(const char *address, const struct bench_limits *limits)
{
        g_autoptr(Device) d = NULL;
        GPtrArray *ways = bench_ways_new();
        if (device_of_address("", address, &d) < 0) {
                const char *name = plain_name(address);
                g_ptr_array_add(ways, bench_way_tape(address, TRANSPORT_IO_AUTO, name, name, BENCH_OTHER));
                return ways;
        }
        if (d->nodes[DEVICE_SG])
                add_sg(d->nodes[DEVICE_SG], ways);
        if (d->nodes[DEVICE_BSG])
                g_ptr_array_add(ways,
                        bench_way_tape(d->nodes[DEVICE_BSG], TRANSPORT_IO_DIRECT, "bsg-direct", "bsg",
                                BENCH_DIRECT));
        if (d->nodes[DEVICE_ST])
                add_st(d->nodes[DEVICE_ST], limits, ways);
        return ways;
}

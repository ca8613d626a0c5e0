/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Leaves a tape where it was found. */
#include <errno.h>
#include <fcntl.h>
#include <linux/mtio.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <reelfs/bench.h>
#include <reelfs/devices.h>
#include <reelfs/log.h>
#include <reelfs/util.h>

/* The caller frees. NULL: there is none, or it is for root only. */
static char *st_node(const char *address)
{
        g_autoptr(Device) d = NULL;
        if (geteuid() != 0 || device_of_address("", address, &d) < 0)
                return NULL;
        return g_steal_pointer(&d->nodes[DEVICE_ST]);
}

void bench_st_place(const char *address, struct bench_place *place)
{
        g_autofree char *node = st_node(address);
        struct mtget status = { 0 };
        place->file = place->block = -1;
        int fd = node ? open(node, O_RDONLY | O_NONBLOCK | O_CLOEXEC) : -1;
        if (fd >= 0 && ioctl(fd, MTIOCGET, &status) == 0) {
                place->file = status.mt_fileno;
                place->block = status.mt_blkno;
        }
        close_fd(&fd);
}

/* So that the driver knows as much as before: of a block that it was sent to, it does not know the file.
 * False: it did not get there. */
static bool wind_by_files(const char *node, const struct bench_place *place)
{
        const struct mtop steps[] = { { MTREW, 1 }, { MTFSF, (int)place->file },
                { MTFSR, (int)place->block } };
        struct mtpos p = { 0 };
        if (place->file < 0 || place->block < 0)
                return false;
        int fd = open(node, O_RDONLY | O_CLOEXEC);
        bool there = fd >= 0;
        for (size_t i = 0; there && i < G_N_ELEMENTS(steps); i++)
                there = steps[i].mt_count == 0 || ioctl(fd, MTIOCTOP, &steps[i]) == 0;
        there = there && ioctl(fd, MTIOCPOS, &p) == 0 && (uint64_t)p.mt_blkno == place->object;
        close_fd(&fd);
        return there;
}

static int wind_by(BenchWay *w, uint64_t object)
{
        int r = w->ops->open(w);
        if (r == 0) {
                r = w->ops->locate(w, object);
                w->ops->close(w);
        }
        w->ops->free(w);
        return r;
}

int bench_wind(const char *address, const struct bench_place *place)
{
        const struct bench_limits none = { 0 };
        g_autoptr(Device) d = NULL;
        bool has_st = device_of_address("", address, &d) == 0 && d->nodes[DEVICE_ST];
        if (has_st && geteuid() != 0) {
                log_notice(
                        "%s: the tape is left at its beginning; only root can have it wound back", address);
                return 0;
        }
        if (!has_st)
                return wind_by(bench_way_tape(address, TRANSPORT_IO_AUTO, "winder", "winder", BENCH_OTHER),
                        place->object);
        if (wind_by_files(d->nodes[DEVICE_ST], place))
                return 0;
        return wind_by(bench_way_st(d->nodes[DEVICE_ST], BENCH_ST_DIRECT, true, &none), place->object);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The nodes of a drive: which is opened how and when, and what a person is told if that fails. */
#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/mtio.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>

#include <reelfs/log.h>

#include "sg.h"

/* Others hold the st node for moments: mt status, a monitor. */
#define BUSY_TRIES 20
#define BUSY_PAUSE_NS 50000000

/* The st node is opened read-only, or it would refuse a tape that is write protected, and without waiting for
 * a tape. The others without waiting for whoever has them exclusively. */
static const int open_flags[DEVICE_NODES] = {
        [DEVICE_SG] = O_RDWR | O_NONBLOCK | O_CLOEXEC,
        [DEVICE_ST] = O_RDONLY | O_NONBLOCK | O_CLOEXEC,
        [DEVICE_BSG] = O_RDWR | O_CLOEXEC,
};

int sg_open_node(struct sg *t, enum device_node node)
{
        const char *path = t->device->nodes[node];
        if (t->fds[node] >= 0)
                return 0;
        if (!path)
                return -ENOENT;
        int fd = open(path, open_flags[node]);
        if (fd < 0)
                return -errno;
        /* From here on commands wait for an error handler that is at work. */
        if (node == DEVICE_SG && fcntl(fd, F_SETFL, 0) < 0) {
                int r = -errno;
                close(fd);
                return r;
        }
        t->fds[node] = fd;
        return 0;
}

static int open_failed(const char *path, int error)
{
        static const struct {
                int error, result;
                const char *text;
        } failures[] = {
                { -EACCES, -EACCES,
                        "no permission to use the drive; that takes membership in group tape (usermod -aG "
                        "tape "
                        "USER) and a new login" },
                { -EPERM, -EACCES, "no permission to use the drive" },
                { -EBUSY, -EBUSY, "another program uses the drive; fuser -v on its nodes shows which" },
                { -ENXIO, -ENODEV, "there is no drive any more; reelfs devices lists those that are there" },
                { -ENODEV, -ENODEV, "there is no drive any more; reelfs devices lists those that are there" },
        };
        for (size_t i = 0; i < G_N_ELEMENTS(failures); i++)
                if (failures[i].error == error)
                        return log_error(failures[i].result, "%s: %s", path, failures[i].text);
        return log_error_errno(error, "%s: cannot open the drive", path);
}

/* The st driver lets one in at a time. */
static int open_guard(struct sg *t)
{
        const char *path = t->device->nodes[DEVICE_ST];
        int r = sg_open_node(t, DEVICE_ST);
        for (unsigned i = 0; r == -EBUSY && i < BUSY_TRIES; i++) {
                nanosleep(&(struct timespec){ .tv_nsec = BUSY_PAUSE_NS }, NULL);
                r = sg_open_node(t, DEVICE_ST);
        }
        t->guard_error = r;
        if (r == -EBUSY || (r < 0 && t->asked == DEVICE_ST))
                return open_failed(path ? path : t->device->id, r);
        return 0;
}

static void tell_unguarded(const struct sg *t)
{
        const char *path = t->device->nodes[DEVICE_ST];
        if (path)
                log_warning("%s: cannot be held (%s): nothing keeps other programs from moving the tape",
                        path, g_strerror(-t->guard_error));
        else
                log_debug("%s: the st driver has no node for it: nothing keeps other programs from moving "
                          "the tape",
                        t->device->nodes[t->asked]);
}

/* Without the st node, against another reelfs at least: on the sg node, by whatever node it comes. */
static int lock(struct sg *t)
{
        enum device_node node = sg_open_node(t, DEVICE_SG) == 0 ? DEVICE_SG : t->asked;
        if (flock(t->fds[node], LOCK_EX | LOCK_NB) < 0 && errno == EWOULDBLOCK)
                return open_failed(t->device->nodes[t->asked], -EBUSY);
        return 0;
}

int sg_open_nodes(struct sg *t)
{
        int r = open_guard(t);
        if (r < 0)
                return r;
        r = sg_open_node(t, t->asked);
        if (r < 0)
                return open_failed(t->device->nodes[t->asked], r);
        r = lock(t);
        if (r < 0)
                return r;
        if (t->guard_error < 0)
                tell_unguarded(t);
        return 0;
}

/* After a reset st refuses the command that follows one that does not end well, even a read that meets a
 * short block, until the tape is rewound. So both are done here: going back from the beginning never ends
 * well. */
void sg_rewind_st(struct sg *t)
{
        struct mtop rewind = { .mt_op = MTREW, .mt_count = 1 }, back = { .mt_op = MTBSF, .mt_count = 1 };
        int fd = t->fds[DEVICE_ST];
        if (fd < 0)
                return;
        int r = t->calls->ioctl(fd, MTIOCTOP, &rewind);
        if (r == 0 && t->attention && t->calls->ioctl(fd, MTIOCTOP, &back) < 0)
                r = t->calls->ioctl(fd, MTIOCTOP, &rewind);
        if (r < 0)
                log_debug("%s: cannot be rewound: %s", t->device->nodes[DEVICE_ST], g_strerror(errno));
}

/* ---- */

static int open_transport(
        Device *device, enum device_node asked, const struct transport_options *options, Transport **ret)
{
        if (device->directory && device->type != DEVICE_TYPE_TAPE) {
                log_message(LOG_ERR, 0, "%s: a SCSI device, but not a tape drive (%s %s)",
                        device->nodes[asked], device->vendor, device->product);
                device_free(device);
                return -ENODEV;
        }
        struct sg *t = sg_new(&sg_system_calls, "", device, asked);
        t->tell_copy = options->tell_copy;
        int r = sg_open_nodes(t);
        if (r == 0)
                r = sg_choose(t, options->io);
        if (r < 0)
                sg_free(t);
        else
                *ret = &t->transport;
        return r;
}

/* Without sysfs the numbers tell (Documentation/admin-guide/devices.txt). */
static int guess_node(const char *address, dev_t number, enum device_node *node, Device **ret)
{
        enum { ST_MAJOR = 9, SG_MAJOR = 21 };
        if (major(number) != ST_MAJOR && major(number) != SG_MAJOR)
                return -ENOENT;
        *node = major(number) == SG_MAJOR ? DEVICE_SG : DEVICE_ST;
        *ret = g_new0(Device, 1);
        (*ret)->nodes[*node] = g_strdup(address);
        (*ret)->id = g_strdup(address);
        return 0;
}

int sg_open(const char *address, const struct transport_options *options, Transport **ret)
{
        struct stat st;
        enum device_node node;
        Device *device;
        if (stat(address, &st) < 0)
                return log_error_errno(-errno, "%s: cannot open the drive", address);
        int r = device_of_node("", st.st_rdev, &node, &device);
        if (r < 0)
                r = guess_node(address, st.st_rdev, &node, &device);
        if (r < 0)
                return log_error(-EINVAL, "%s is neither a tape drive nor a cartridge file", address);
        if (!device->nodes[node])
                device->nodes[node] = g_strdup(address);
        return open_transport(device, node, options, ret);
}

int sg_open_device(const Device *d, const struct transport_options *options, Transport **ret)
{
        for (unsigned i = 0; i < DEVICE_NODES; i++)
                if (d->nodes[i])
                        return sg_open(d->nodes[i], options, ret);
        return log_error(-ENOENT, "%s %s: there is no node for this drive; modprobe sg makes one", d->vendor,
                d->product);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <glib.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <reelfs/devices.h>
#include <reelfs/fault.h>
#include <reelfs/log.h>
#include <reelfs/transport.h>
#include <reelfs/virtual.h>

#include "iscsi.h"
#include "settings.h"
#include "sg.h"

static int open_remote(const char *address, Transport **ret)
{
        if (!g_str_has_prefix(address, ISCSI_SCHEME))
                return log_error(-EINVAL, "%.*s: no such kind of address; drives elsewhere are iscsi://...",
                        (int)strcspn(address, ":"), address);
#ifdef HAVE_LIBISCSI
        return iscsi_open(address, ret);
#else
        return log_error(-EOPNOTSUPP, "iSCSI: this build of reelfs was made without libiscsi");
#endif
}

int transport_io_parse(const char *text, enum transport_io *io)
{
        static const char *const names[] = {
                [TRANSPORT_IO_AUTO] = "auto",
                [TRANSPORT_IO_DIRECT] = "direct",
                [TRANSPORT_IO_MMAP] = "mmap",
                [TRANSPORT_IO_INDIRECT] = "indirect",
        };
        for (unsigned i = 0; i < G_N_ELEMENTS(names); i++)
                if (strcmp(names[i], text) == 0) {
                        *io = i;
                        return 0;
                }
        return -EINVAL;
}

static int open_serial(const char *address, const struct transport_options *options, Transport **ret)
{
        g_autoptr(Device) d = NULL;
        int r = device_of_serial("", address, &d);
        if (r == -ENOTUNIQ)
                return log_error(
                        r, "%s: several drives have this serial number; name the node instead", address);
        if (r < 0)
                return log_error(-ENOENT,
                        "%s: no %stape drive has this serial number; reelfs devices lists the drives",
                        address, g_str_has_prefix(address, DEVICE_SERIAL) ? "" : "such file, and no ");
        return sg_open_device(d, options, ret);
}

static int no_file(const char *address, int error)
{
        if (error == -ENOENT && g_str_has_prefix(address, "/dev/"))
                return log_error(error,
                        "%s: no such drive; reelfs devices lists those that are there (without the modules "
                        "sg and "
                        "st, modprobe loads them, there are none)",
                        address);
        return log_error_errno(error, "%s: cannot open the tape", address);
}

/* Takes t over. */
static int inject(Transport *t, const char *rules, const char *source, Transport **ret)
{
        int r = fault_wrap(t, rules, source, ret);
        if (r < 0)
                transport_close(t);
        return r;
}

static int open_virtual(const char *path, bool read_only, Transport **ret)
{
        g_autofree char *rules = NULL;
        Transport *t;
        int r = virtual_faults(path, &rules);
        if (r == 0)
                r = virtual_open(path, read_only, &t);
        if (r == 0 && rules)
                r = inject(t, rules, path, &t);
        if (r == 0)
                *ret = t;
        return r;
}

/* Those of the kernel's nodes excepted, drives have one way only. */
static void tell_one_way(const char *address, const struct transport_options *options)
{
        if (options->io != TRANSPORT_IO_AUTO)
                log_warning("%s: io= has no effect: it is for drives with a node of the kernel's (/dev/sgN)",
                        address);
}

static int open_any(const char *address, const struct transport_options *options, Transport **ret)
{
        struct stat st;
        if (strstr(address, "://")) {
                tell_one_way("iSCSI", options);
                return open_remote(address, ret);
        }
        if (device_is_serial(address))
                return open_serial(address, options, ret);
        if (stat(address, &st) < 0)
                return no_file(address, -errno);
        if (S_ISCHR(st.st_mode))
                return sg_open(address, options, ret);
        if (!S_ISREG(st.st_mode))
                return log_error(-EINVAL, "%s is neither a tape drive nor a cartridge file", address);
        tell_one_way(address, options);
        return open_virtual(address, options->read_only, ret);
}

int transport_open_with(const char *address, const struct transport_options *options, Transport **ret)
{
        const char *rules = getenv(FAULT_ENVIRONMENT);
        Transport *t;
        int r = open_any(address, options, &t);
        if (r == 0 && rules)
                r = inject(t, rules, FAULT_ENVIRONMENT, &t);
        if (r == 0)
                *ret = t;
        return r;
}

int transport_open(const char *address, bool read_only, Transport **ret)
{
        return transport_open_with(address, &(struct transport_options){ .read_only = read_only }, ret);
}

int transport_execute(Transport *t, struct transport_command *command)
{
        command->status = TRANSPORT_STATUS_GOOD;
        command->sense_length = 0;
        command->residual = 0;
        return t->ops->execute(t, command);
}

void transport_limits(Transport *t, struct transport_limits *limits)
{
        t->ops->limits(t, limits);
}

int transport_lend(Transport *t, size_t size, void **buf)
{
        return t->ops->lend ? t->ops->lend(t, size, buf) : -EOPNOTSUPP;
}

char *transport_describe(Transport *t)
{
        return t->ops->describe ? t->ops->describe(t) : g_strdup("a SCSI tape drive");
}

void transport_close(Transport *t)
{
        if (t)
                t->ops->close(t);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <glib.h>
#include <string.h>
#include <sys/stat.h>

#include <reelfs/log.h>
#include <reelfs/transport.h>
#include <reelfs/virtual.h>

#include "iscsi.h"

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

int transport_open(const char *address, bool read_only, Transport **ret)
{
        struct stat st;
        if (strstr(address, "://"))
                return open_remote(address, ret);
        if (stat(address, &st) < 0) {
                int r = -errno;
                return log_error_errno(r, "%s: cannot open the tape", address);
        }
        if (S_ISCHR(st.st_mode) || S_ISBLK(st.st_mode))
                return log_error(-EINVAL, "%s: this build drives virtual cartridges (files) only", address);
        if (!S_ISREG(st.st_mode))
                return log_error(-EINVAL, "%s is neither a tape drive nor a cartridge file", address);
        return virtual_open(address, read_only, ret);
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

char *transport_describe(Transport *t)
{
        return t->ops->describe ? t->ops->describe(t) : g_strdup("a SCSI tape drive");
}

void transport_close(Transport *t)
{
        if (t)
                t->ops->close(t);
}

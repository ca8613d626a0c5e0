/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Whoever writes to a program must not get at the rights of its owner: the bits and the capabilities that
 * give those go with the write. The kernel sees to that, by SETATTR and REMOVEXATTR before it, where the file
 * goes through its pages. Where it goes around them it only says in the WRITE that the writer has no right to
 * keep the bits (Linux 5.4 and later), and nothing of capabilities, which go whoever writes. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <reelfs/util.h>

#include "frontend.h"

#define CAPABILITIES "security.capability"

/* Set-group-ID without execution by the group is not a privilege (it meant mandatory locking). */
static uint32_t without_privileges(uint32_t mode)
{
        mode &= ~(uint32_t)S_ISUID;
        return mode & S_IXGRP ? mode & ~(uint32_t)S_ISGID : mode;
}

int privileges_drop(struct frontend *fe, uint64_t ino, bool bits)
{
        struct tree_attr attr;
        int r = tree_getattr(fe->tree, ino, &attr);
        if (r < 0)
                return r;
        uint32_t mode = bits ? without_privileges(attr.mode) : attr.mode;
        bool changes = mode != attr.mode;
        int64_t now = now_ns();
        if (attr.has_xattrs) {
                r = tree_xattr_remove(fe->tree, ino, CAPABILITIES, now);
                if (r < 0 && r != -ENODATA)
                        return r;
                changes = changes || r == 0;
        }
        if (!changes)
                return 0;
        struct tree_attr v = { .mode = mode, .times.ctime = now };
        r = tree_setattr(fe->tree, ino, TREE_SET_CTIME | (mode != attr.mode ? TREE_SET_MODE : 0), &v, NULL);
        /* The kernel shall not go on with the mode that it knows. It takes no lock for this. */
        if (r == 0)
                fuse_lowlevel_notify_inval_inode(fe->session, ino, -1, 0);
        return r;
}

/* The kernel says it only by a flag that libfuse does not take. fuse_req_getgroups of libfuse 3.14 looks for
 * the line in memory that does not end. */
bool privileges_in_group(fuse_req_t req, gid_t gid)
{
        const struct fuse_ctx *ctx = fuse_req_ctx(req);
        if (ctx->uid == 0 || ctx->gid == gid)
                return true;
        g_autofree char *path = g_strdup_printf("/proc/%d/status", (int)ctx->pid), *status = NULL;
        if (!g_file_get_contents(path, &status, NULL, NULL))
                return false;
        char *at = strstr(status, "\nGroups:"), *end;
        for (at = at ? at + strlen("\nGroups:") : NULL; at; at = end) {
                at += strspn(at, " \t");
                unsigned long group = strtoul(at, &end, 10);
                if (end == at)
                        return false;
                if (group == gid)
                        return true;
        }
        return false;
}

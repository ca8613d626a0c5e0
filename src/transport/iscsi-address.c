/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Addresses of drives behind iSCSI, and where their CHAP secrets come from. */
#include <errno.h>
#include <glib.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <reelfs/log.h>

#include "iscsi.h"

#define SECRET_FILE_MAX 4096

static const char syntax[] = "an address of iSCSI is iscsi://[user@]host[:port]/target/lun";

static void wipe(char *text)
{
        if (text)
                explicit_bzero(text, strlen(text));
        g_free(text);
}

void iscsi_address_clear(struct iscsi_address *a)
{
        g_free(a->portal);
        g_free(a->target);
        g_free(a->user);
        wipe(a->secret);
        *a = (struct iscsi_address){ 0 };
}

/* Others see a command line and the table of mounts. */
static int take_user(struct iscsi_address *a, const char *user, size_t length)
{
        if (memchr(user, '%', length) || memchr(user, ':', length))
                return log_error(-EINVAL,
                        "an address with a password in it is not taken, since others can see it; put the "
                        "secret into REELFS_CHAP_SECRET or a file (chap-file=)");
        if (length == 0)
                return log_error(-EINVAL, "%s", syntax);
        a->user = g_strndup(user, length);
        return 0;
}

static bool take_lun(const char *text, int *lun)
{
        char *end;
        errno = 0;
        unsigned long value = strtoul(text, &end, 10);
        *lun = (int)value;
        return g_ascii_isdigit(text[0]) && *end == '\0' && errno == 0 && value <= 0x3fff;
}

static int take_parts(struct iscsi_address *a, const char *text)
{
        const char *host = text + strlen(ISCSI_SCHEME), *slash = strchr(host, '/');
        if (!g_str_has_prefix(text, ISCSI_SCHEME) || strchr(host, '?'))
                return log_error(-EINVAL, "%s", syntax);
        const char *at = slash ? g_strrstr_len(host, slash - host, "@") : strrchr(host, '@');
        if (at) {
                int r = take_user(a, host, (size_t)(at - host));
                if (r < 0)
                        return r;
                host = at + 1;
        }
        const char *lun = slash ? strrchr(slash + 1, '/') : NULL;
        if (!lun || host == slash || lun == slash + 1 || !take_lun(lun + 1, &a->lun))
                return log_error(-EINVAL, "%s: %s", host, syntax);
        a->portal = g_strndup(host, (size_t)(slash - host));
        a->target = g_strndup(slash + 1, (size_t)(lun - slash - 1));
        return 0;
}

static int read_secret(const char *path, char **secret)
{
        g_autoptr(GError) error = NULL;
        struct stat st;
        gsize length;
        if (stat(path, &st) < 0)
                return log_error_errno(-errno, "%s: cannot read the CHAP secret", path);
        if (!S_ISREG(st.st_mode) || st.st_size > SECRET_FILE_MAX)
                return log_error(-EINVAL, "%s: not a file with a CHAP secret", path);
        if (!g_file_get_contents(path, secret, &length, &error))
                return log_error(-EACCES, "%s: cannot read the CHAP secret: %s", path, error->message);
        if (st.st_mode & (S_IRGRP | S_IROTH))
                log_warning("%s: others can read this CHAP secret; chmod 600 prevents that", path);
        (*secret)[strcspn(*secret, "\r\n")] = '\0';
        return 0;
}

static int find_secret(struct iscsi_address *a)
{
        const char *secret = getenv("REELFS_CHAP_SECRET"), *path = getenv("REELFS_CHAP_FILE");
        int r = 0;
        if (secret && secret[0])
                a->secret = g_strdup(secret);
        else if (path && path[0])
                r = read_secret(path, &a->secret);
        if (r == 0 && (!a->secret || !a->secret[0]))
                r = log_error(-EACCES,
                        "%s: no CHAP secret for user %s; put it into REELFS_CHAP_SECRET or a file "
                        "(chap-file=)",
                        a->portal, a->user);
        return r;
}

int iscsi_address_parse(const char *text, struct iscsi_address *address)
{
        *address = (struct iscsi_address){ 0 };
        int r = take_parts(address, text);
        if (r == 0 && address->user)
                r = find_secret(address);
        if (r < 0)
                iscsi_address_clear(address);
        return r;
}

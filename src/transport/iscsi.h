/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* iSCSI in user space, by libiscsi: iscsi://[user@]host[:port]/iqn/lun. */
#include <stdbool.h>

#include <reelfs/transport.h>

#define ISCSI_SCHEME "iscsi://"

struct iscsi_address {
        char *portal; /* host[:port] */
        char *target; /* iqn */
        int lun;
        char *user;   /* NULL: no CHAP */
        char *secret; /* with user; wiped by iscsi_address_clear */
};

/* The address taken apart, and the CHAP secret that goes with its user: from the environment variable
 * REELFS_CHAP_SECRET, or the first line of the file that REELFS_CHAP_FILE names. Logs the failure, without
 * what may be a password. -EINVAL: not such an address, or there is a password in it; -EACCES: no secret. */
int iscsi_address_parse(const char *text, struct iscsi_address *address);
void iscsi_address_clear(struct iscsi_address *address);

/* As transport_open. -ECONNREFUSED: no session; the cause is logged. */
int iscsi_open(const char *address, Transport **ret);

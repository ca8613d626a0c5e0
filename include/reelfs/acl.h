/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* POSIX ACLs in the kernel's xattr form (linux/posix_acl_xattr.h: version 2, little-endian 8-byte entries),
 * as pure functions over bytes. FUSE with FUSE_CAP_POSIX_ACL leaves to the filesystem: inheritance, and
 * keeping mode and ACL the same. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ACL_XATTR_ACCESS "system.posix_acl_access"
#define ACL_XATTR_DEFAULT "system.posix_acl_default"

/* 0, or -EINVAL: not a valid ACL (tags once each and in order, a mask where named entries are). */
int acl_check(const void *acl, size_t size);
/* Permission bits (0777) that the ACL stands for. *minimal: it says no more than these bits do and need not
 * be kept. */
int acl_to_mode(const void *acl, size_t size, uint32_t *mode, bool *minimal);
/* The ACL after chmod to mode, in place (posix_acl_chmod: user, mask or group, other). */
int acl_set_mode(void *acl, size_t size, uint32_t mode);
/* What a new inode gets from its directory's default ACL (posix_acl_create): *mode is cut by it (no umask
 * then); *access, which the caller frees, is NULL when the mode alone says it. */
int acl_inherit(const void *dir_default, size_t size, uint32_t *mode, void **access, size_t *access_size);

/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <glib.h>
#include <linux/posix_acl.h>
#include <linux/posix_acl_xattr.h>
#include <string.h>

#include <reelfs/acl.h>

/* Semantics are those of Linux' fs/posix_acl.c: posix_acl_valid, posix_acl_equiv_mode, posix_acl_chmod and
 * posix_acl_create. Bytes: le32 version, then entries of le16 tag, le16 permissions, le32 id. */

#define HEADER_SIZE sizeof(struct posix_acl_xattr_header)
#define ENTRY_SIZE sizeof(struct posix_acl_xattr_entry)
#define UNDEFINED_ID UINT32_MAX

enum part { OWNER, GROUP, OTHER, MASK, NAMED_USER, NAMED_GROUP, PARTS };

/* In the order that entries have to have. */
static const struct {
        uint16_t tag;
        enum part part;
        bool repeats, needs_mask;
} tags[] = {
        { ACL_USER_OBJ, OWNER, false, false },
        { ACL_USER, NAMED_USER, true, true },
        { ACL_GROUP_OBJ, GROUP, false, false },
        { ACL_GROUP, NAMED_GROUP, true, true },
        { ACL_MASK, MASK, false, false },
        { ACL_OTHER, OTHER, false, false },
};

/* Where the entries are that the mode is about; 0: there is none. */
struct shape {
        size_t at[PARTS];
        bool minimal;
};

static uint16_t get16(const uint8_t *p)
{
        return (uint16_t)(p[0] | p[1] << 8);
}

static uint32_t get32(const uint8_t *p)
{
        return get16(p) | (uint32_t)get16(p + 2) << 16;
}

static uint32_t get_permissions(const uint8_t *acl, size_t at)
{
        return get16(acl + at + offsetof(struct posix_acl_xattr_entry, e_perm));
}

static void set_permissions(uint8_t *acl, size_t at, uint32_t permissions)
{
        uint8_t *p = acl + at + offsetof(struct posix_acl_xattr_entry, e_perm);
        p[0] = (uint8_t)permissions;
        p[1] = 0;
}

/* Index into tags of an entry's tag, at least from; -EINVAL. */
static int find_tag(uint16_t tag, size_t from)
{
        for (size_t i = from; i < G_N_ELEMENTS(tags); i++)
                if (tags[i].tag == tag)
                        return (int)i;
        return -EINVAL;
}

static int parse(const void *data, size_t size, struct shape *shape)
{
        const uint8_t *acl = data;
        *shape = (struct shape){ 0 };
        if (size < HEADER_SIZE || (size - HEADER_SIZE) % ENTRY_SIZE != 0 ||
                get32(acl) != POSIX_ACL_XATTR_VERSION)
                return -EINVAL;
        size_t next = 0;
        bool needs_mask = false;
        for (size_t at = HEADER_SIZE; at < size; at += ENTRY_SIZE) {
                int i = find_tag(get16(acl + at), next);
                if (i < 0 || (get_permissions(acl, at) & ~(uint32_t)(ACL_READ | ACL_WRITE | ACL_EXECUTE)))
                        return -EINVAL;
                if (tags[i].repeats &&
                        get32(acl + at + offsetof(struct posix_acl_xattr_entry, e_id)) == UNDEFINED_ID)
                        return -EINVAL;
                needs_mask |= tags[i].needs_mask;
                shape->at[tags[i].part] = at;
                next = (size_t)i + (tags[i].repeats ? 0 : 1);
        }
        if (!shape->at[OWNER] || !shape->at[GROUP] || !shape->at[OTHER] || (needs_mask && !shape->at[MASK]))
                return -EINVAL;
        shape->minimal = !needs_mask && !shape->at[MASK];
        return 0;
}

/* The entry that the mode's group bits stand for. */
static size_t group_class(const struct shape *shape)
{
        return shape->at[MASK] ? shape->at[MASK] : shape->at[GROUP];
}

int acl_check(const void *acl, size_t size)
{
        struct shape shape;
        return parse(acl, size, &shape);
}

int acl_to_mode(const void *acl, size_t size, uint32_t *mode, bool *minimal)
{
        struct shape shape;
        int r = parse(acl, size, &shape);
        if (r < 0)
                return r;
        *mode = get_permissions(acl, shape.at[OWNER]) << 6 | get_permissions(acl, group_class(&shape)) << 3 |
                get_permissions(acl, shape.at[OTHER]);
        *minimal = shape.minimal;
        return 0;
}

int acl_set_mode(void *acl, size_t size, uint32_t mode)
{
        struct shape shape;
        int r = parse(acl, size, &shape);
        if (r < 0)
                return r;
        set_permissions(acl, shape.at[OWNER], mode >> 6 & 07);
        set_permissions(acl, group_class(&shape), mode >> 3 & 07);
        set_permissions(acl, shape.at[OTHER], mode & 07);
        return 0;
}

int acl_inherit(const void *dir_default, size_t size, uint32_t *mode, void **access, size_t *access_size)
{
        uint32_t granted;
        bool minimal;
        int r = acl_to_mode(dir_default, size, &granted, &minimal);
        if (r < 0)
                return r;
        uint32_t both = *mode & (granted | ~(uint32_t)0777);
        *access = NULL;
        *access_size = 0;
        if (!minimal) {
                void *acl = g_try_malloc(size);
                if (!acl)
                        return -ENOMEM;
                memcpy(acl, dir_default, size);
                acl_set_mode(acl, size, both);
                *access = acl;
                *access_size = size;
        }
        *mode = both;
        return 0;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <glib.h>
#include <linux/posix_acl.h>
#include <string.h>

#include <reelfs/acl.h>

struct entry {
        uint16_t tag, permissions;
        uint32_t id;
};

#define NONE UINT32_MAX
#define LIST(...) \
        make((struct entry[]){ __VA_ARGS__ }, sizeof((struct entry[]){ __VA_ARGS__ }) / sizeof(struct entry))

/* The bytes are put one by one: independent of what the code under test uses. */
static GBytes *make(const struct entry *entries, size_t n)
{
        GByteArray *a = g_byte_array_new();
        g_byte_array_append(a, (const uint8_t[]){ 2, 0, 0, 0 }, 4);
        for (size_t i = 0; i < n; i++) {
                const struct entry *e = &entries[i];
                const uint8_t b[8] = { (uint8_t)e->tag, (uint8_t)(e->tag >> 8), (uint8_t)e->permissions,
                        (uint8_t)(e->permissions >> 8), (uint8_t)e->id, (uint8_t)(e->id >> 8),
                        (uint8_t)(e->id >> 16), (uint8_t)(e->id >> 24) };
                g_byte_array_append(a, b, sizeof(b));
        }
        return g_byte_array_free_to_bytes(a);
}

static int check(GBytes *acl)
{
        g_autoptr(GBytes) owned = acl;
        size_t size;
        const void *data = g_bytes_get_data(owned, &size);
        return acl_check(data, size);
}

static GBytes *minimal(uint16_t user, uint16_t group, uint16_t other)
{
        return LIST({ ACL_USER_OBJ, user, NONE }, { ACL_GROUP_OBJ, group, NONE }, { ACL_OTHER, other, NONE });
}

/* user::rwx,user:1000:rw-,group::r-x,group:100:r--,mask::rwx,other::r-- with the given permissions */
static GBytes *extended(uint16_t user, uint16_t named, uint16_t group, uint16_t mask, uint16_t other)
{
        return LIST({ ACL_USER_OBJ, user, NONE }, { ACL_USER, named, 1000 }, { ACL_GROUP_OBJ, group, NONE },
                { ACL_GROUP, 4, 100 }, { ACL_MASK, mask, NONE }, { ACL_OTHER, other, NONE });
}

static void test_valid(void)
{
        g_assert_cmpint(check(minimal(7, 5, 5)), ==, 0);
        g_assert_cmpint(check(extended(7, 6, 5, 7, 4)), ==, 0);
        /* a mask without named entries, and several of them, are fine */
        g_assert_cmpint(check(LIST({ ACL_USER_OBJ, 6, NONE }, { ACL_GROUP_OBJ, 4, NONE },
                                { ACL_MASK, 7, NONE }, { ACL_OTHER, 0, NONE })),
                ==, 0);
        g_assert_cmpint(check(LIST({ ACL_USER_OBJ, 6, NONE }, { ACL_USER, 4, 1 }, { ACL_USER, 4, 2 },
                                { ACL_GROUP_OBJ, 4, NONE }, { ACL_MASK, 7, NONE }, { ACL_OTHER, 0, NONE })),
                ==, 0);
}

static void test_invalid_entries(void)
{
        GBytes *bad[] = {
                LIST({ ACL_USER_OBJ, 7, NONE }, { ACL_GROUP_OBJ, 7, NONE }),
                LIST({ ACL_USER_OBJ, 7, NONE }, { ACL_OTHER, 7, NONE }),
                LIST({ ACL_GROUP_OBJ, 7, NONE }, { ACL_OTHER, 7, NONE }),
                LIST({ ACL_GROUP_OBJ, 7, NONE }, { ACL_USER_OBJ, 7, NONE }, { ACL_OTHER, 7, NONE }),
                LIST({ ACL_USER_OBJ, 7, NONE }, { ACL_USER_OBJ, 7, NONE }, { ACL_GROUP_OBJ, 7, NONE },
                        { ACL_OTHER, 7, NONE }),
                LIST({ ACL_USER_OBJ, 7, NONE }, { ACL_GROUP_OBJ, 7, NONE }, { ACL_OTHER, 7, NONE },
                        { ACL_OTHER, 7, NONE }),
                LIST({ ACL_USER_OBJ, 7, NONE }, { ACL_GROUP_OBJ, 7, NONE }, { ACL_MASK, 7, NONE },
                        { ACL_MASK, 7, NONE }, { ACL_OTHER, 7, NONE }),
                /* named entries without a mask, or out of their place */
                LIST({ ACL_USER_OBJ, 7, NONE }, { ACL_USER, 7, 1 }, { ACL_GROUP_OBJ, 7, NONE },
                        { ACL_OTHER, 7, NONE }),
                LIST({ ACL_USER_OBJ, 7, NONE }, { ACL_GROUP, 7, 1 }, { ACL_GROUP_OBJ, 7, NONE },
                        { ACL_MASK, 7, NONE }, { ACL_OTHER, 7, NONE }),
                LIST({ ACL_USER_OBJ, 7, NONE }, { ACL_USER, 7, NONE }, { ACL_GROUP_OBJ, 7, NONE },
                        { ACL_MASK, 7, NONE }, { ACL_OTHER, 7, NONE }),
                LIST({ ACL_USER_OBJ, 8, NONE }, { ACL_GROUP_OBJ, 7, NONE }, { ACL_OTHER, 7, NONE }),
                LIST({ ACL_USER_OBJ, 0x100, NONE }, { ACL_GROUP_OBJ, 7, NONE }, { ACL_OTHER, 7, NONE }),
                LIST({ ACL_USER_OBJ, 7, NONE }, { 3, 7, 1 }, { ACL_GROUP_OBJ, 7, NONE },
                        { ACL_OTHER, 7, NONE }),
                LIST({ 0, 7, NONE }),
        };
        for (size_t i = 0; i < G_N_ELEMENTS(bad); i++)
                g_assert_cmpint(check(bad[i]), ==, -EINVAL);
}

static void test_invalid_bytes(void)
{
        g_autoptr(GBytes) good = extended(7, 6, 5, 7, 4);
        size_t size;
        const uint8_t *data = g_bytes_get_data(good, &size);
        for (size_t n = 0; n < size; n++) {
                g_autofree uint8_t *part = g_memdup2(data, n);
                g_assert_cmpint(acl_check(part, n), ==, -EINVAL);
        }
        g_autofree uint8_t *version = g_memdup2(data, size);
        version[0] = 1;
        g_assert_cmpint(acl_check(version, size), ==, -EINVAL);
        uint32_t mode = 0;
        bool is_minimal;
        void *access;
        size_t access_size;
        g_assert_cmpint(acl_to_mode(version, size, &mode, &is_minimal), ==, -EINVAL);
        g_assert_cmpint(acl_set_mode(version, size, 0), ==, -EINVAL);
        g_assert_cmpint(acl_inherit(version, size, &mode, &access, &access_size), ==, -EINVAL);
        g_assert_cmpint(acl_check(NULL, 0), ==, -EINVAL);
}

static void assert_mode(GBytes *acl, uint32_t expected, bool expected_minimal)
{
        g_autoptr(GBytes) owned = acl;
        size_t size;
        const void *data = g_bytes_get_data(owned, &size);
        uint32_t mode;
        bool is_minimal;
        g_assert_cmpint(acl_to_mode(data, size, &mode, &is_minimal), ==, 0);
        g_assert_cmphex(mode, ==, expected);
        g_assert_true(is_minimal == expected_minimal);
}

static void test_to_mode(void)
{
        assert_mode(minimal(7, 5, 1), 0751, true);
        assert_mode(extended(6, 7, 5, 3, 4), 0634, false);
        assert_mode(LIST({ ACL_USER_OBJ, 6, NONE }, { ACL_GROUP_OBJ, 7, NONE }, { ACL_MASK, 4, NONE },
                            { ACL_OTHER, 0, NONE }),
                0640, false);
}

static void assert_set(GBytes *before, uint32_t mode, GBytes *after)
{
        g_autoptr(GBytes) owned = before, expected = after;
        size_t size;
        const void *data = g_bytes_get_data(owned, &size);
        g_autofree void *acl = g_memdup2(data, size);
        g_assert_cmpint(acl_set_mode(acl, size, mode), ==, 0);
        g_assert_cmpmem(acl, size, g_bytes_get_data(expected, NULL), g_bytes_get_size(expected));
}

static void test_set_mode(void)
{
        assert_set(minimal(7, 5, 5), 0100640, minimal(6, 4, 0));
        /* the owning group's and the named entries stay, the mask changes */
        assert_set(extended(7, 6, 5, 7, 4), 0640, extended(6, 6, 5, 4, 0));
        assert_set(extended(7, 6, 5, 0, 4), 07777, extended(7, 6, 5, 7, 7));
}

static void assert_inherited(GBytes *dir_default, uint32_t mode, uint32_t expected_mode, GBytes *expected_acl)
{
        g_autoptr(GBytes) owned = dir_default, expected = expected_acl;
        size_t size, access_size;
        const void *data = g_bytes_get_data(owned, &size);
        g_autofree void *access = NULL;
        g_assert_cmpint(acl_inherit(data, size, &mode, &access, &access_size), ==, 0);
        g_assert_cmphex(mode, ==, expected_mode);
        if (expected)
                g_assert_cmpmem(
                        access, access_size, g_bytes_get_data(expected, NULL), g_bytes_get_size(expected));
        else
                g_assert_null(access);
}

static void test_inherit(void)
{
        /* setfacl -d -m u::rwx,g::r-x,o::---; open(…, 0666): no ACL, mode 0640 */
        assert_inherited(minimal(7, 5, 0), 0100666, 0100640, NULL);
        /* with a mask: open(…, 0666) cuts owner, mask and other; group and named stay */
        assert_inherited(extended(7, 6, 5, 7, 4), 0100666, 0100664, extended(6, 6, 5, 6, 4));
        assert_inherited(extended(7, 6, 5, 5, 0), 0042777, 0042750, extended(7, 6, 5, 5, 0));
        assert_inherited(extended(7, 7, 7, 7, 7), 0100000, 0100000, extended(0, 7, 7, 0, 0));
        /* special bits are not the ACL's business */
        assert_inherited(minimal(7, 7, 7), 0106755, 0106755, NULL);
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/acl/valid", test_valid);
        g_test_add_func("/acl/invalid-entries", test_invalid_entries);
        g_test_add_func("/acl/invalid-bytes", test_invalid_bytes);
        g_test_add_func("/acl/to-mode", test_to_mode);
        g_test_add_func("/acl/set-mode", test_set_mode);
        g_test_add_func("/acl/inherit", test_inherit);
        return g_test_run();
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* ACL bytes, behind two bytes of mode. */
#include <errno.h>
#include <string.h>

#include <reelfs/acl.h>

#include "fuzz.h"

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
        return 0;
}

static void reject(const void *acl, size_t size)
{
        g_autofree uint8_t *copy = g_memdup2(acl, size);
        uint32_t mode = 0777;
        bool minimal;
        void *access;
        size_t access_size;
        g_assert_cmpint(acl_to_mode(acl, size, &mode, &minimal), ==, -EINVAL);
        g_assert_cmpint(acl_set_mode(copy, size, 0), ==, -EINVAL);
        g_assert_cmpmem(copy, size, acl, size);
        g_assert_cmpint(acl_inherit(acl, size, &mode, &access, &access_size), ==, -EINVAL);
        g_assert_cmpuint(mode, ==, 0777);
}

static void chmod_and_back(const void *acl, size_t size, uint32_t wanted)
{
        g_autofree void *copy = g_memdup2(acl, size);
        uint32_t was, is;
        bool was_minimal, minimal;
        g_assert_cmpint(acl_to_mode(acl, size, &was, &was_minimal), ==, 0);
        g_assert_cmpuint(was & ~0777u, ==, 0);
        g_assert_cmpint(acl_set_mode(copy, size, wanted), ==, 0);
        g_assert_cmpint(acl_to_mode(copy, size, &is, &minimal), ==, 0);
        g_assert_cmpuint(is, ==, wanted & 0777);
        g_assert_true(minimal == was_minimal);
        g_assert_cmpint(acl_set_mode(copy, size, was), ==, 0);
        g_assert_cmpmem(copy, size, acl, size);
}

static void inherit(const void *acl, size_t size, uint32_t wanted)
{
        g_autofree void *access = NULL;
        size_t access_size;
        uint32_t mode = wanted, granted, of_access;
        bool minimal;
        acl_to_mode(acl, size, &granted, &minimal);
        g_assert_cmpint(acl_inherit(acl, size, &mode, &access, &access_size), ==, 0);
        g_assert_cmpuint(mode, ==, wanted & (granted | ~0777u));
        g_assert_true((access == NULL) == minimal);
        if (!access)
                return;
        g_assert_cmpint(acl_to_mode(access, access_size, &of_access, &minimal), ==, 0);
        g_assert_cmpuint(of_access, ==, mode & 0777);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        struct input in = { data, size };
        uint32_t mode = take_16(&in);
        if (acl_check(in.data, in.left) < 0) {
                reject(in.data, in.left);
                return 0;
        }
        chmod_and_back(in.data, in.left, mode);
        inherit(in.data, in.left, mode);
        return 0;
}

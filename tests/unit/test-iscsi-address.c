/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Addresses of drives behind iSCSI, and that no password gets out by a message. */
#include <errno.h>
#include <glib.h>
#include <glib/gstdio.h>
#include <string.h>

#include <reelfs/log.h>

#include "../../src/transport/iscsi.h"

static GString *said;

static void sink(void *ctx, int priority, const char *text)
{
        g_string_append_printf(said, "%s\n", text);
}

static int parse(const char *text, struct iscsi_address *a)
{
        g_string_truncate(said, 0);
        return iscsi_address_parse(text, a);
}

static void test_parts(void)
{
        struct iscsi_address a;
        g_assert_cmpint(parse("iscsi://host/iqn.2026-11.x:tape/7", &a), ==, 0);
        g_assert_cmpstr(a.portal, ==, "host");
        g_assert_cmpstr(a.target, ==, "iqn.2026-11.x:tape");
        g_assert_cmpint(a.lun, ==, 7);
        g_assert_null(a.user);
        iscsi_address_clear(&a);
        g_assert_cmpint(parse("iscsi://[::1]:3261/iqn.x/0", &a), ==, 0);
        g_assert_cmpstr(a.portal, ==, "[::1]:3261");
        iscsi_address_clear(&a);
        g_assert_cmpuint(said->len, ==, 0);
}

static void test_refused(void)
{
        static const char *const wrong[] = { "iscsi://", "iscsi://host", "iscsi://host/", "iscsi://host/iqn",
                "iscsi://host/iqn/", "iscsi://host/iqn/x", "iscsi://host/iqn/1x", "iscsi://host/iqn/-1",
                "iscsi://host/iqn/16384", "iscsi:///iqn/1", "iscsi://host//1", "iscsi://@host/iqn/1",
                "iscsi://host/iqn/1?target_password=hush", "iscsi://me%hush@host/iqn/1",
                "iscsi://me:hush@host/iqn/1", "iscsi://me%hu@sh@host/iqn/1", "iscsi://me%hush@host" };
        struct iscsi_address a;
        for (size_t i = 0; i < G_N_ELEMENTS(wrong); i++) {
                g_assert_cmpint(parse(wrong[i], &a), ==, -EINVAL);
                g_assert_null(a.portal);
                g_assert_cmpuint(said->len, >, 0);
                g_assert_null(strstr(said->str, "hu"));
        }
}

static void test_secret(void)
{
        struct iscsi_address a;
        g_autofree char *path = NULL;
        int fd = g_file_open_tmp("reelfs-secret-XXXXXX", &path, NULL);
        g_assert_cmpint(fd, >=, 0);
        g_close(fd, NULL);
        g_assert_cmpint(parse("iscsi://me@host/iqn/1", &a), ==, -EACCES);
        g_setenv("REELFS_CHAP_FILE", "/no/such/file", TRUE);
        g_assert_cmpint(parse("iscsi://me@host/iqn/1", &a), ==, -ENOENT);
        g_setenv("REELFS_CHAP_FILE", path, TRUE);
        g_assert_cmpint(parse("iscsi://me@host/iqn/1", &a), ==, -EACCES);
        g_assert_true(g_file_set_contents(path, "from file\nsecond line\n", -1, NULL));
        g_chmod(path, 0600);
        g_assert_cmpint(parse("iscsi://me@host/iqn/1", &a), ==, 0);
        g_assert_cmpstr(a.user, ==, "me");
        g_assert_cmpstr(a.secret, ==, "from file");
        g_assert_cmpuint(said->len, ==, 0);
        iscsi_address_clear(&a);
        g_chmod(path, 0644);
        g_assert_cmpint(parse("iscsi://me@host/iqn/1", &a), ==, 0);
        g_assert_nonnull(strstr(said->str, "others can read"));
        g_assert_null(strstr(said->str, "from file"));
        iscsi_address_clear(&a);
        g_setenv("REELFS_CHAP_SECRET", "from environment", TRUE);
        g_assert_cmpint(parse("iscsi://me@host/iqn/1", &a), ==, 0);
        g_assert_cmpstr(a.secret, ==, "from environment");
        iscsi_address_clear(&a);
        g_unlink(path);
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_unsetenv("REELFS_CHAP_SECRET");
        g_unsetenv("REELFS_CHAP_FILE");
        said = g_string_new(NULL);
        log_set_sink(sink, NULL);
        g_test_add_func("/iscsi-address/parts", test_parts);
        g_test_add_func("/iscsi-address/refused", test_refused);
        g_test_add_func("/iscsi-address/secret", test_secret);
        int r = g_test_run();
        log_set_sink(NULL, NULL);
        g_string_free(said, TRUE);
        return r;
}

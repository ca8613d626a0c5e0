/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* Where a test has its cartridge: a directory of its own. */
#include <glib.h>
#include <glib/gstdio.h>

/* Makes the directory; path: where the cartridge is to be made. */
static inline void place_make(char **directory, char **path)
{
        *directory = g_dir_make_tmp("reelfs-test-XXXXXX", NULL);
        g_assert_nonnull(*directory);
        *path = g_build_filename(*directory, "tape.tap", NULL);
}

/* Removes both, and what else a drive makes there, or leaves there if it is killed; frees the names. */
static inline void place_clear(char *directory, char *path)
{
        static const char *const others[] = { ".cartridge", ".cartridge.new", ".remains" };
        for (gsize i = 0; i < G_N_ELEMENTS(others); i++) {
                g_autofree char *other = g_strconcat(path, others[i], NULL);
                g_unlink(other);
        }
        g_unlink(path);
        g_assert_cmpint(g_rmdir(directory), ==, 0);
        g_free(directory);
        g_free(path);
}

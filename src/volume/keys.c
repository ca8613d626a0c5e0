/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <glib.h>

#include "keys.h"

#define INTERNAL "reelfs."
#define USER "user."
#define OTHER "linux."

bool key_is_internal(const char *key)
{
        return g_str_has_prefix(key, INTERNAL);
}

char *key_from_xattr(const char *name)
{
        if (!g_str_has_prefix(name, USER))
                return g_strconcat(OTHER, name, NULL);
        const char *rest = name + sizeof(USER) - 1;
        bool ambiguous = *rest == '\0' || key_is_internal(rest) || g_str_has_prefix(rest, OTHER) ||
                g_str_has_prefix(rest, USER);
        return g_strdup(ambiguous ? name : rest);
}

char *key_to_xattr(const char *key)
{
        if (key_is_internal(key))
                return NULL;
        if (g_str_has_prefix(key, USER))
                return g_strdup(key);
        if (g_str_has_prefix(key, OTHER)) {
                const char *name = key + sizeof(OTHER) - 1;
                if (*name && !g_str_has_prefix(name, USER))
                        return g_strdup(name);
        }
        return g_strconcat(USER, key, NULL);
}

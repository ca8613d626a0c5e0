/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The fault injector's rules are any text. What is taken makes sense; what is not is said in a line of valid
 * UTF-8. */
#include <errno.h>
#include <string.h>

#include "../../src/transport/fault-rules.h"
#include "fuzz.h"

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
        discard_messages();
        return 0;
}

static void check_rule(const struct fault_rule *r)
{
        bool any = r->any;
        for (unsigned i = 0; i < 256; i++)
                any |= fault_rule_has_opcode(r, (uint8_t)i);
        g_assert_true(any);
        g_assert_true(r->every > 0 && r->count > 0 && r->chance > 0.0 && r->chance <= 1.0);
        g_assert_true(!r->condition || r->condition[0] == '/');
        g_assert_true(
                r->end != FAULT_UNCHANGED || r->has_residual || r->delay_ms > 0 || r->rewind || !r->done);
        g_assert_true((r->end == FAULT_ERROR) == (r->error < 0));
        g_assert_true(!(r->done && r->has_partial));
        g_assert_cmpuint(r->sense.key, <=, 0x0f);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        g_autofree char *text = g_strndup((const char *)data, size);
        GArray *rules = NULL;
        char why[FAULT_WHY_MAX] = "";
        int r = fault_rules_parse(text, &rules, why);
        if (r < 0) {
                g_assert_cmpint(r, ==, -EINVAL);
                g_assert_true(strncmp(why, "rule ", 5) == 0);
                g_assert_true(g_utf8_validate(why, -1, NULL));
                g_assert_null(strpbrk(why, "\n\r"));
                return 0;
        }
        for (unsigned i = 0; i < rules->len; i++)
                check_rule(&g_array_index(rules, struct fault_rule, i));
        g_array_unref(rules);
        return 0;
}

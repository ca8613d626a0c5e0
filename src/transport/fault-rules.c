/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <string.h>

#include <reelfs/transport.h>

#include "fault-rules.h"

#define DELAY_MAX_MS 3600000

enum { FLAG_FILEMARK = 0x80, FLAG_EOM = 0x40, FLAG_ILI = 0x20 };
enum { STATUS_TASK_SET_FULL = 0x28, STATUS_TASK_ABORTED = 0x40 };

struct name {
        const char *name;
        int value;
};

static const struct name statuses[] = {
        { "good", TRANSPORT_STATUS_GOOD },
        { "busy", TRANSPORT_STATUS_BUSY },
        { "conflict", TRANSPORT_STATUS_RESERVATION_CONFLICT },
        { "full", STATUS_TASK_SET_FULL },
        { "aborted", STATUS_TASK_ABORTED },
        { NULL },
};

static const struct name errors[] = {
        { "timeout", -ETIMEDOUT },
        { "nodev", -ENODEV },
        { "io", -EIO },
        { "reset", -ECONNRESET },
        { NULL },
};

static const struct name answers[] = { { "yes", true }, { "no", false }, { NULL } };

static const struct name *look_up(const struct name *names, const char *text)
{
        for (; names->name; names++)
                if (strcmp(names->name, text) == 0)
                        return names;
        return NULL;
}

/* ---- Words: each takes its value into the rule, or says what it has to be. */

static bool take_number(const char *text, uint64_t max, uint64_t *n)
{
        return g_ascii_string_to_unsigned(text, 10, 0, max, n, NULL);
}

static bool take_byte(const char *text, uint8_t *byte)
{
        guint64 n;
        if (!g_ascii_string_to_unsigned(text, 16, 0, UINT8_MAX, &n, NULL))
                return false;
        *byte = (uint8_t)n;
        return true;
}

static bool take_opcode(struct fault_rule *r, const char *value)
{
        g_auto(GStrv) codes = g_strsplit(value, ",", -1);
        r->any = false;
        for (char **code = codes; *code; code++) {
                uint8_t n;
                if (!take_byte(*code, &n))
                        return false;
                r->opcodes[n / 32] |= UINT32_C(1) << n % 32;
        }
        return *codes;
}

static bool take_if(struct fault_rule *r, const char *value)
{
        g_free(r->condition);
        r->condition = g_strdup(value);
        return value[0] == '/';
}

static bool take_after(struct fault_rule *r, const char *value)
{
        return take_number(value, UINT64_MAX - 1, &r->after);
}

static bool take_every(struct fault_rule *r, const char *value)
{
        return take_number(value, UINT64_MAX, &r->every) && r->every > 0;
}

static bool take_count(struct fault_rule *r, const char *value)
{
        if (strcmp(value, "all") != 0)
                return take_number(value, FAULT_FOREVER - 1, &r->count) && r->count > 0;
        r->count = FAULT_FOREVER;
        return true;
}

static bool take_chance(struct fault_rule *r, const char *value)
{
        char *end;
        r->chance = g_ascii_strtod(value, &end);
        return end != value && !*end && r->chance > 0.0 && r->chance <= 1.0;
}

static bool take_seed(struct fault_rule *r, const char *value)
{
        uint64_t n;
        if (!take_number(value, UINT32_MAX, &n))
                return false;
        r->seed = (uint32_t)n;
        return r->seeded = true;
}

static void end_with_check(struct fault_rule *r)
{
        r->end = FAULT_STATUS;
        r->status = TRANSPORT_STATUS_CHECK_CONDITION;
}

static bool take_sense(struct fault_rule *r, const char *value)
{
        g_auto(GStrv) parts = g_strsplit(value, "/", -1);
        struct fault_sense *s = &r->sense;
        end_with_check(r);
        return g_strv_length(parts) == 3 && take_byte(parts[0], &s->key) && s->key <= 0x0f &&
                take_byte(parts[1], &s->asc) && take_byte(parts[2], &s->ascq);
}

static bool take_attention(struct fault_rule *r, const char *value)
{
        g_auto(GStrv) parts = g_strsplit(value, "/", -1);
        end_with_check(r);
        r->sense.key = 0x06;
        return g_strv_length(parts) == 2 && take_byte(parts[0], &r->sense.asc) &&
                take_byte(parts[1], &r->sense.ascq);
}

static bool take_status(struct fault_rule *r, const char *value)
{
        const struct name *n = look_up(statuses, value);
        r->end = FAULT_STATUS;
        if (!n)
                return take_byte(value, &r->status) && r->status != TRANSPORT_STATUS_CHECK_CONDITION;
        r->status = (uint8_t)n->value;
        return true;
}

static bool take_error(struct fault_rule *r, const char *value)
{
        const struct name *n = look_up(errors, value);
        if (!n)
                return false;
        r->end = FAULT_ERROR;
        r->error = n->value;
        return true;
}

static bool take_done(struct fault_rule *r, const char *value)
{
        const struct name *n = look_up(answers, value);
        if (!n)
                return false;
        r->done = n->value;
        return true;
}

static bool take_partial(struct fault_rule *r, const char *value)
{
        r->has_partial = true;
        return take_number(value, UINT32_MAX, &r->partial);
}

static bool take_residual(struct fault_rule *r, const char *value)
{
        r->has_residual = true;
        return take_number(value, UINT32_MAX, &r->residual);
}

static bool take_information(struct fault_rule *r, const char *value)
{
        struct fault_sense *s = &r->sense;
        s->has_information = true;
        s->rest = strcmp(value, "rest") == 0;
        return s->rest || g_ascii_string_to_signed(value, 10, INT32_MIN, INT32_MAX, &s->information, NULL);
}

static bool take_delay(struct fault_rule *r, const char *value)
{
        uint64_t n;
        if (!take_number(value, DELAY_MAX_MS, &n))
                return false;
        r->delay_ms = (unsigned)n;
        return true;
}

static bool take_deferred(struct fault_rule *r, const char *value)
{
        return r->sense.deferred = true;
}

static bool take_descriptor(struct fault_rule *r, const char *value)
{
        return r->sense.descriptor = true;
}

static bool take_filemark(struct fault_rule *r, const char *value)
{
        return r->sense.flags |= FLAG_FILEMARK;
}

static bool take_eom(struct fault_rule *r, const char *value)
{
        return r->sense.flags |= FLAG_EOM;
}

static bool take_ili(struct fault_rule *r, const char *value)
{
        return r->sense.flags |= FLAG_ILI;
}

static bool take_rewind(struct fault_rule *r, const char *value)
{
        return r->rewind = true;
}

enum {
        ENDS = 1 << 0,   /* says how the command ends: one of these at most */
        SENSE = 1 << 1,  /* a part of sense data */
        ENDING = 1 << 2, /* makes sense only where the end is said */
        EFFECT = 1 << 3, /* is an effect by itself */
};

static const struct word {
        const char *name;
        unsigned flags;
        bool (*take)(struct fault_rule *r, const char *value);
        const char *expected; /* NULL: it has no value */
} words[] = {
        { "opcode", 0, take_opcode, "bytes in hexadecimal, separated by commas" },
        { "if", 0, take_if, "the absolute path of a file" },
        { "after", 0, take_after, "a number" },
        { "every", 0, take_every, "a number from 1" },
        { "count", 0, take_count, "a number from 1, or all" },
        { "chance", 0, take_chance, "a number above 0, at most 1" },
        { "seed", 0, take_seed, "a number below 2^32" },
        { "sense", ENDS | SENSE, take_sense, "key/asc/ascq, each in hexadecimal" },
        { "attention", ENDS | SENSE, take_attention, "asc/ascq, each in hexadecimal" },
        { "status", ENDS, take_status, "good, busy, conflict, full, aborted, or a byte other than 02" },
        { "error", ENDS, take_error, "timeout, nodev, io or reset" },
        { "done", ENDING, take_done, "yes or no" },
        { "partial", ENDING, take_partial, "a number of blocks" },
        { "residual", EFFECT, take_residual, "a number of bytes" },
        { "delay", EFFECT, take_delay, "milliseconds, at most an hour" },
        { "information", SENSE, take_information, "a number of 32 bits, or rest" },
        { "deferred", SENSE, take_deferred },
        { "descriptor", SENSE, take_descriptor },
        { "filemark", SENSE, take_filemark },
        { "eom", SENSE, take_eom },
        { "ili", SENSE, take_ili },
        { "rewind", EFFECT, take_rewind },
};

/* ---- Rules */

static const struct word *find_word(const char *name)
{
        for (size_t i = 0; i < G_N_ELEMENTS(words); i++)
                if (strcmp(words[i].name, name) == 0)
                        return &words[i];
        return NULL;
}

struct parser {
        size_t rule; /* from 1 */
        unsigned used, ends, flags;
        char *why;
};

static G_GNUC_PRINTF(2, 3) int fail(struct parser *p, const char *format, ...)
{
        va_list ap;
        va_start(ap, format);
        g_autofree char *text = g_strdup_vprintf(format, ap);
        va_end(ap);
        g_autofree char *valid = g_utf8_make_valid(text, -1);
        g_snprintf(p->why, FAULT_WHY_MAX, "rule %zu: %s", p->rule, valid);
        return -EINVAL;
}

/* "name=value" or "name"; cuts text. */
static int parse_word(struct parser *p, struct fault_rule *r, char *text)
{
        char *value = strchr(text, '=');
        if (value)
                *value++ = '\0';
        const struct word *w = find_word(text);
        if (!w)
                return fail(p, "there is no \"%.40s\"", text);
        unsigned bit = 1u << (w - words);
        if (p->used & bit)
                return fail(p, "%s is there twice", w->name);
        if (!w->expected && value)
                return fail(p, "%s takes no value", w->name);
        if (w->expected && (!value || !w->take(r, value)))
                return fail(p, "%s has to be %s", w->name, w->expected);
        if (!w->expected)
                w->take(r, NULL);
        p->used |= bit;
        p->flags |= w->flags;
        p->ends += w->flags & ENDS;
        return 0;
}

/* What the words say together. */
static int check(struct parser *p, const struct fault_rule *r)
{
        bool sense = r->end == FAULT_STATUS && r->status == TRANSPORT_STATUS_CHECK_CONDITION;
        if (p->ends > 1)
                return fail(p, "only one of sense, attention, status and error");
        if (p->flags & SENSE && !sense)
                return fail(p,
                        "deferred, descriptor, filemark, eom, ili and information go with sense or "
                        "attention");
        if (p->flags & ENDING && p->ends == 0)
                return fail(p, "done and partial go with sense, attention, status or error");
        if (r->has_partial && r->done)
                return fail(p, "either done=yes or partial");
        if (r->seeded && r->chance >= 1.0)
                return fail(p, "seed goes with chance");
        if (!(p->flags & (ENDS | EFFECT)))
                return fail(p,
                        "does nothing: sense, attention, status, error, residual, delay or rewind is "
                        "missing");
        return 0;
}

static int parse_rule(struct parser *p, char *text, GArray *rules)
{
        struct fault_rule r = { .any = true, .every = 1, .chance = 1.0, .count = 1 };
        int error = 0;
        char *save, *word = strtok_r(text, " \t\r", &save);
        if (!word)
                return 0;
        p->rule = rules->len + 1;
        p->used = p->ends = p->flags = 0;
        for (; word && error == 0; word = strtok_r(NULL, " \t\r", &save))
                error = parse_word(p, &r, word);
        if (error == 0)
                error = check(p, &r);
        g_array_append_val(rules, r);
        return error;
}

static void clear_rule(void *rule)
{
        g_free(((struct fault_rule *)rule)->condition);
}

int fault_rules_parse(const char *text, GArray **ret, char why[static FAULT_WHY_MAX])
{
        g_autoptr(GArray) rules = g_array_new(FALSE, TRUE, sizeof(struct fault_rule));
        g_autofree char *copy = g_strdup(text);
        struct parser p = { .why = why };
        char *save;
        g_array_set_clear_func(rules, clear_rule);
        for (char *rule = strtok_r(copy, ";\n", &save); rule; rule = strtok_r(NULL, ";\n", &save)) {
                int r = parse_rule(&p, rule, rules);
                if (r < 0)
                        return r;
        }
        *ret = g_steal_pointer(&rules);
        return 0;
}

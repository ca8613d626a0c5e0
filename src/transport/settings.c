/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <glib.h>
#include <inttypes.h>
#include <string.h>

#include <reelfs/log.h>
#include <reelfs/util.h>

#include "settings.h"

#define DEFAULT_FIXED_BLOCK 32768
#define DEFAULT_MAX_TRANSFER (8 << 20)
#define EARLY_WARNING_LEAST (UINT64_C(4) << 20)

static const struct {
        const char *name;
        unsigned bit;
} abilities[] = {
        { "locate16", VIRTUAL_NO_LOCATE16 },
        { "locate10", VIRTUAL_NO_LOCATE10 },
        { "read-position", VIRTUAL_NO_READ_POSITION },
        { "space16", VIRTUAL_NO_SPACE16 },
        { "mode10", VIRTUAL_NO_MODE10 },
        { "capacity", VIRTUAL_NO_CAPACITY },
        { "variable", VIRTUAL_NO_VARIABLE },
        { "eom-position", VIRTUAL_NO_EOM_POSITION },
        { "vpd", VIRTUAL_NO_VPD },
        { "reserve", VIRTUAL_NO_RESERVE },
        { "persistent-reserve", VIRTUAL_NO_PERSISTENT },
        { "density", VIRTUAL_NO_DENSITY },
        { "opcodes", VIRTUAL_NO_OPCODES },
        { "attributes", VIRTUAL_NO_ATTRIBUTES },
        { "capacity-page", VIRTUAL_NO_CAPACITY_PAGE },
        { "volume-page", VIRTUAL_NO_VOLUME_PAGE },
        { "alert-page", VIRTUAL_NO_ALERT_PAGE },
        { "sequential-page", VIRTUAL_NO_SEQUENTIAL_PAGE },
        { "long-position", VIRTUAL_NO_LONG_POSITION },
        { "sequential-filemarks", VIRTUAL_NO_SEQUENTIAL_FILEMARKS },
        { "order", VIRTUAL_NO_ORDER },
        { "configuration-extension", VIRTUAL_NO_EXTENSION },
        { "medium-configuration", VIRTUAL_NO_MEDIUM_PAGE },
        { "protection", VIRTUAL_NO_PROTECTION },
};

char *settings_path(const char *path)
{
        return g_strconcat(path, ".cartridge", NULL);
}

/* The first thing wrong is logged and is the error; what comes after it does not matter. */
struct reader {
        GKeyFile *file;
        const char *name; /* of the file */
        int error;
};

static void reader_fail(struct reader *r, const char *key, const char *expected)
{
        if (r->error == 0)
                r->error = log_error(-EINVAL, "%s: %s has to be %s", r->name, key, expected);
}

/* The functions below leave *value alone if the key is not there. */
static void read_number(struct reader *r, const char *group, const char *key, uint64_t max, uint64_t *value)
{
        g_autofree char *text = g_key_file_get_string(r->file, group, key, NULL);
        g_autofree char *expected = g_strdup_printf("a number, at most %" PRIu64, max);
        uint64_t n;
        if (!text)
                return;
        if (parse_size(g_strstrip(text), &n) < 0 || n > max)
                return reader_fail(r, key, expected);
        *value = n;
}

static void read_number32(struct reader *r, const char *group, const char *key, uint32_t max, uint32_t *value)
{
        uint64_t n = *value;
        read_number(r, group, key, max, &n);
        *value = (uint32_t)n;
}

static void read_flag(struct reader *r, const char *group, const char *key, bool *value)
{
        g_autoptr(GError) error = NULL;
        if (!g_key_file_has_key(r->file, group, key, NULL))
                return;
        *value = g_key_file_get_boolean(r->file, group, key, &error);
        if (error)
                reader_fail(r, key, "true or false");
}

static void read_ratio(struct reader *r, const char *group, const char *key, double *value)
{
        g_autoptr(GError) error = NULL;
        if (!g_key_file_has_key(r->file, group, key, NULL))
                return;
        *value = g_key_file_get_double(r->file, group, key, &error);
        if (error || !(*value >= 0.0 && *value <= 1.0))
                reader_fail(r, key, "a number from 0 to 1");
}

/* One of names, NULL at their end; *value is its place among them. */
static void read_choice(
        struct reader *r, const char *group, const char *key, const char *const *names, unsigned *value)
{
        g_autofree char *text = g_key_file_get_string(r->file, group, key, NULL);
        g_autofree char *expected = g_strjoinv(" or ", (char **)names);
        unsigned i = 0;
        if (!text)
                return;
        while (names[i] && strcmp(names[i], g_strstrip(text)) != 0)
                i++;
        if (!names[i])
                return reader_fail(r, key, expected);
        *value = i;
}

static void read_lacks(struct reader *r, unsigned *lacks)
{
        g_auto(GStrv) names = g_key_file_get_string_list(r->file, "drive", "lacks", NULL, NULL);
        for (char **name = names; name && *name; name++) {
                size_t i = 0;
                while (i < G_N_ELEMENTS(abilities) && strcmp(abilities[i].name, g_strstrip(*name)) != 0)
                        i++;
                if (i == G_N_ELEMENTS(abilities))
                        return reader_fail(r, "lacks", "a list of abilities that a drive can lack");
                *lacks |= abilities[i].bit;
        }
}

static void read_barcode(struct reader *r, char *barcode, size_t size)
{
        g_autofree char *text = g_key_file_get_string(r->file, "cartridge", "barcode", NULL);
        if (text && g_strlcpy(barcode, g_strstrip(text), size) >= size)
                reader_fail(r, "barcode", "at most 32 characters");
}

/* Numbers 1 to 64 of TapeAlert flags; bit 0 is flag 1. */
static void read_alerts(struct reader *r, uint64_t *alerts)
{
        gsize n = 0;
        g_autofree gint *flags = g_key_file_get_integer_list(r->file, "test", "tape-alerts", &n, NULL);
        for (gsize i = 0; i < n; i++) {
                if (flags[i] < 1 || flags[i] > 64)
                        return reader_fail(r, "tape-alerts", "a list of numbers from 1 to 64");
                *alerts |= UINT64_C(1) << (flags[i] - 1);
        }
}

/* Objects and ranges of them: "7;20-25". */
static void read_unreadable(struct reader *r, struct settings *s)
{
        gsize n = 0;
        g_auto(GStrv) ranges = g_key_file_get_string_list(r->file, "test", "unreadable", &n, NULL);
        for (gsize i = 0; i < n; i++) {
                g_auto(GStrv) ends = g_strsplit(ranges[i], "-", 2);
                struct range *range = &s->unreadable[s->n_unreadable];
                if (!ends[0] || s->n_unreadable == SETTINGS_UNREADABLE ||
                        parse_size(g_strstrip(ends[0]), &range->first) < 0 ||
                        parse_size(g_strstrip(ends[1] ?: ends[0]), &range->last) < 0)
                        return reader_fail(r, "unreadable", "a list of up to 16 numbers, or ranges of them");
                s->n_unreadable++;
        }
}

static void read_drive(struct reader *r, struct settings *s)
{
        g_autofree char *drive = g_key_file_get_string(r->file, "model", "drive", NULL);
        g_autofree char *clock = g_key_file_get_string(r->file, "model", "clock", NULL);
        s->drive = drive ? serpentine_find(g_strstrip(drive)) : NULL;
        if (drive && !s->drive)
                reader_fail(r, "drive", "lto5, lto8 or lto9");
        if (s->drive && !s->drive->orders)
                s->cartridge.lacks |= VIRTUAL_NO_ORDER;
        s->virtual_clock = clock && strcmp(g_strstrip(clock), "virtual") == 0;
        if (clock && !s->virtual_clock && strcmp(clock, "real") != 0)
                reader_fail(r, "clock", "real or virtual");
        s->speed = 1;
        read_number32(r, "model", "speed", 1000000, &s->speed);
        s->speed = MAX(s->speed, 1);
}

static void set_defaults(struct virtual_cartridge *c)
{
        if (c->early_warning == 0)
                c->early_warning = MIN(MAX(c->capacity / 64, EARLY_WARNING_LEAST), c->capacity / 2);
        if (c->fixed_block == 0)
                c->fixed_block = DEFAULT_FIXED_BLOCK;
        if (c->max_transfer == 0)
                c->max_transfer = DEFAULT_MAX_TRANSFER;
}

/* What the values say together. Returns what is wrong, or NULL. */
static const char *contradiction(const struct virtual_cartridge *c)
{
        if (c->capacity > 0 && c->early_warning > c->capacity)
                return "early warning cannot begin before the cartridge does";
        if (c->fixed_block > UINT16_MAX)
                return "fixed blocks are at most 65535 bytes long";
        return NULL;
}

static void read_power_cut(struct reader *r, struct settings *s)
{
        static const char *const tails[] = {
                [VIRTUAL_TAIL_END] = "end",
                [VIRTUAL_TAIL_NONE] = "none",
                [VIRTUAL_TAIL_BLOCK] = "block",
                [VIRTUAL_TAIL_OLD] = "old",
                NULL,
        };
        static const char *const memories[] = {
                [VIRTUAL_MEMORY_KEPT] = "kept",
                [VIRTUAL_MEMORY_PREVIOUS] = "previous",
                [VIRTUAL_MEMORY_LOADED] = "loaded",
                NULL,
        };
        static const char *const keys[] = { "power-cut-lost", "power-cut-tail", "power-cut-memory" };
        unsigned tail = VIRTUAL_TAIL_END, memory = VIRTUAL_MEMORY_KEPT;
        read_number(r, "test", "power-cut-after", UINT64_MAX, &s->power_cut_after);
        read_ratio(r, "test", "power-cut-keep", &s->power_cut_keep);
        read_number(r, "test", "power-cut-lost", UINT64_MAX, &s->power_cut.lost);
        read_choice(r, "test", "power-cut-tail", tails, &tail);
        read_choice(r, "test", "power-cut-memory", memories, &memory);
        s->power_cut.tail = tail;
        s->power_cut.memory = memory;
        for (size_t i = 0; i < G_N_ELEMENTS(keys); i++)
                s->cut_by_objects |= g_key_file_has_key(r->file, "test", keys[i], NULL);
}

static void read_loss(struct reader *r, struct settings *s)
{
        static const char *const tails[] = { [VIRTUAL_TAIL_END] = "end", [VIRTUAL_TAIL_NONE] = "none", NULL };
        unsigned tail = VIRTUAL_TAIL_END;
        read_number(r, "test", "lose-after", UINT64_MAX, &s->lose_after);
        read_number(r, "test", "lose-objects", UINT64_MAX, &s->loss.objects);
        read_number(r, "test", "lose-commands", UINT64_MAX, &s->loss.commands);
        read_choice(r, "test", "lose-tail", tails, &tail);
        read_flag(r, "test", "lose-current", &s->loss.current);
        read_flag(r, "test", "lose-fence", &s->loss.fence);
        s->loss.tail = tail;
}

/* How the drive is, as opposed to what it lacks. */
static void read_manner(struct reader *r, struct virtual_cartridge *c)
{
        static const char *const missing_eod[] = { "medium-error", "blank-check", NULL };
        unsigned blank_check = 0;
        read_choice(r, "drive", "missing-eod", missing_eod, &blank_check);
        c->blank_check = blank_check;
        read_flag(r, "drive", "descriptor-sense", &c->descriptor_sense);
        read_flag(r, "drive", "append-only", &c->append_only);
        read_flag(r, "cartridge", "worm", &c->worm);
        read_number32(r, "cartridge", "filemark-size", INT32_MAX, &c->filemark_size);
        read_flag(r, "test", "remains", &c->remains);
}

static void read_settings(struct reader *r, struct settings *s)
{
        struct virtual_cartridge *c = &s->cartridge;
        read_barcode(r, c->barcode, sizeof(c->barcode));
        read_number(r, "cartridge", "capacity", INT64_MAX, &c->capacity);
        read_number(r, "cartridge", "early-warning", INT64_MAX, &c->early_warning);
        read_flag(r, "cartridge", "write-protected", &c->write_protected);
        read_lacks(r, &c->lacks);
        read_number32(r, "drive", "fixed-block", UINT16_MAX, &c->fixed_block);
        read_number32(r, "drive", "max-transfer", INT32_MAX, &c->max_transfer);
        read_manner(r, c);
        read_power_cut(r, s);
        read_loss(r, s);
        read_number32(r, "test", "initiator", VIRTUAL_INITIATORS, &s->initiator);
        read_alerts(r, &s->tape_alerts);
        read_unreadable(r, s);
        read_flag(r, "test", "discard", &s->discard);
        read_number(r, "model", "bytes-per-second", INT64_MAX, &s->model.bytes_per_second);
        read_number(r, "model", "bus-bytes-per-second", INT64_MAX, &s->model.bus_bytes_per_second);
        read_number(r, "model", "command-us", INT32_MAX, &s->model.command_us);
        read_number(r, "model", "buffer", INT64_MAX, &s->model.buffer);
        read_drive(r, s);
}

/* A file that is not there is one without settings. */
static int load_file(GKeyFile *file, const char *name)
{
        g_autoptr(GError) error = NULL;
        if (!g_key_file_load_from_file(file, name, G_KEY_FILE_NONE, &error) &&
                !g_error_matches(error, G_FILE_ERROR, G_FILE_ERROR_NOENT))
                return log_error(
                        -EINVAL, "%s: cannot read the cartridge's key file: %s", name, error->message);
        return 0;
}

int settings_load(const char *path, struct settings *settings)
{
        g_autofree char *name = settings_path(path);
        g_autoptr(GKeyFile) file = g_key_file_new();
        struct reader r = { .file = file, .name = name };
        *settings = (struct settings){ 0 };
        int error = load_file(file, name);
        if (error < 0)
                return error;
        read_settings(&r, settings);
        const char *wrong = contradiction(&settings->cartridge);
        if (r.error == 0 && wrong)
                r.error = log_error(-EINVAL, "%s: %s", name, wrong);
        set_defaults(&settings->cartridge);
        settings->initiator = MAX(settings->initiator, 1);
        return r.error;
}

int virtual_faults(const char *path, char **rules)
{
        g_autofree char *name = settings_path(path);
        g_autoptr(GKeyFile) file = g_key_file_new();
        int r = load_file(file, name);
        if (r == 0)
                *rules = g_key_file_get_string(file, "fault", "rules", NULL);
        return r;
}

static void put_number(GKeyFile *file, const char *group, const char *key, uint64_t value)
{
        if (value > 0)
                g_key_file_set_uint64(file, group, key, value);
}

static void put_flag(GKeyFile *file, const char *group, const char *key, bool value)
{
        if (value)
                g_key_file_set_boolean(file, group, key, TRUE);
}

int settings_save(const char *path, const struct virtual_cartridge *c)
{
        g_autofree char *name = settings_path(path);
        g_autoptr(GKeyFile) file = g_key_file_new();
        g_autoptr(GError) error = NULL;
        const char *wrong = contradiction(c);
        if (wrong)
                return log_error(-EINVAL, "%s: %s", path, wrong);
        g_key_file_set_string(file, "cartridge", "barcode", c->barcode);
        g_key_file_set_uint64(file, "cartridge", "capacity", c->capacity);
        put_number(file, "cartridge", "early-warning", c->early_warning);
        g_key_file_set_boolean(file, "cartridge", "write-protected", c->write_protected);
        put_flag(file, "drive", "descriptor-sense", c->descriptor_sense);
        put_flag(file, "drive", "append-only", c->append_only);
        put_flag(file, "cartridge", "worm", c->worm);
        put_number(file, "cartridge", "filemark-size", c->filemark_size);
        put_flag(file, "test", "remains", c->remains);
        if (c->blank_check)
                g_key_file_set_string(file, "drive", "missing-eod", "blank-check");
        const char *lacks[G_N_ELEMENTS(abilities)];
        size_t n = 0;
        for (size_t i = 0; i < G_N_ELEMENTS(abilities); i++)
                if (c->lacks & abilities[i].bit)
                        lacks[n++] = abilities[i].name;
        if (n > 0)
                g_key_file_set_string_list(file, "drive", "lacks", lacks, n);
        put_number(file, "drive", "fixed-block", c->fixed_block);
        put_number(file, "drive", "max-transfer", c->max_transfer);
        if (!g_key_file_save_to_file(file, name, &error))
                return log_error(-EIO, "%s: cannot write the cartridge's key file: %s", name, error->message);
        return 0;
}

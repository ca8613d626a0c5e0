/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <reelfs/log.h>
#include <reelfs/util.h>

#include "drive-state.h"
#include "settings.h"

#define MEMORY "memory"
#define RESERVATION "reservation"

const struct memory_attribute memory_attributes[MEMORY_ATTRIBUTES] = {
        { 0x0800, MEMORY_ASCII, 8, false },    /* application vendor */
        { 0x0801, MEMORY_ASCII, 32, false },   /* application name */
        { 0x0802, MEMORY_ASCII, 8, false },    /* application version */
        { 0x0803, MEMORY_TEXT, 160, false },   /* user medium text label */
        { 0x0804, MEMORY_ASCII, 12, false },   /* date and time last written */
        { 0x0805, MEMORY_BINARY, 1, false },   /* text localization identifier */
        { 0x0806, MEMORY_ASCII, 32, false },   /* barcode */
        { 0x0807, MEMORY_TEXT, 80, false },    /* owning host textual name */
        { 0x0808, MEMORY_TEXT, 160, false },   /* media pool */
        { 0x080b, MEMORY_ASCII, 16, false },   /* application format version */
        { 0x080c, MEMORY_BINARY, 1023, true }, /* volume coherency information */
        { 0x0820, MEMORY_BINARY, 36, false },  /* medium globally unique identifier */
        { 0x0821, MEMORY_BINARY, 36, false },  /* media pool globally unique identifier */
};

int memory_find(uint16_t id)
{
        for (int i = 0; i < MEMORY_ATTRIBUTES; i++)
                if (memory_attributes[i].id == id)
                        return i;
        return -1;
}

static void attribute_key(unsigned i, char key[static 16])
{
        snprintf(key, 16, "attribute-%04x", memory_attributes[i].id);
}

/* NULL: not hexadecimal digits in pairs. */
static GBytes *from_hex(const char *hex)
{
        size_t n = strlen(hex) / 2;
        g_autofree uint8_t *data = g_malloc(n + 1);
        if (strlen(hex) % 2)
                return NULL;
        for (size_t i = 0; i < n; i++) {
                int high = g_ascii_xdigit_value(hex[2 * i]), low = g_ascii_xdigit_value(hex[2 * i + 1]);
                if (high < 0 || low < 0)
                        return NULL;
                data[i] = (uint8_t)(high << 4 | low);
        }
        return g_bytes_new(data, n);
}

static char *to_hex(GBytes *bytes)
{
        gsize n;
        const uint8_t *data = g_bytes_get_data(bytes, &n);
        GString *hex = g_string_sized_new(2 * n + 1);
        for (gsize i = 0; i < n; i++)
                g_string_append_printf(hex, "%02x", data[i]);
        return g_string_free(hex, FALSE);
}

static int load_attribute(GKeyFile *file, const char *name, unsigned i, GBytes **value)
{
        char key[16];
        attribute_key(i, key);
        g_autofree char *hex = g_key_file_get_string(file, MEMORY, key, NULL);
        if (!hex)
                return 0;
        *value = from_hex(g_strstrip(hex));
        if (*value && g_bytes_get_size(*value) > 0 && g_bytes_get_size(*value) <= memory_attributes[i].length)
                return 0;
        return log_error(-EINVAL, "%s: %s has to be 1 to %u bytes in hexadecimal", name, key,
                memory_attributes[i].length);
}

/* "INITIATOR:KEY", the key in hexadecimal. */
static int load_keys(GKeyFile *file, const char *name, uint64_t keys[static VIRTUAL_INITIATORS + 1])
{
        g_auto(GStrv) list = g_key_file_get_string_list(file, RESERVATION, "keys", NULL, NULL);
        for (char **entry = list; entry && *entry; entry++) {
                char *end;
                uint64_t initiator = g_ascii_strtoull(*entry, &end, 10);
                if (initiator < 1 || initiator > VIRTUAL_INITIATORS || *end != ':')
                        return log_error(-EINVAL, "%s: keys has to be a list of INITIATOR:KEY", name);
                keys[initiator] = g_ascii_strtoull(end + 1, NULL, 16);
        }
        return 0;
}

static unsigned load_initiator(GKeyFile *file, const char *key)
{
        int n = g_key_file_get_integer(file, RESERVATION, key, NULL);
        return n >= 1 && n <= VIRTUAL_INITIATORS ? (unsigned)n : 0;
}

static int load_reservation(GKeyFile *file, const char *name, struct drive_state *s)
{
        int r = load_keys(file, name, s->keys);
        s->holder = load_initiator(file, "holder");
        s->type = (uint8_t)(g_key_file_get_integer(file, RESERVATION, "type", NULL) & 0x0f);
        s->generation = (uint32_t)g_key_file_get_uint64(file, RESERVATION, "generation", NULL);
        s->aptpl = g_key_file_get_boolean(file, RESERVATION, "aptpl", NULL);
        s->reserved_by = load_initiator(file, "reserved-by");
        if (s->keys[s->holder] == 0)
                s->holder = 0;
        return r;
}

int drive_state_load(const char *path, struct drive_state *s)
{
        g_autofree char *name = settings_path(path);
        g_autoptr(GKeyFile) file = g_key_file_new();
        int r = 0;
        *s = (struct drive_state){ 0 };
        if (!g_key_file_load_from_file(file, name, G_KEY_FILE_NONE, NULL))
                return 0; /* settings_load has said so, if it is there */
        for (unsigned i = 0; r == 0 && i < MEMORY_ATTRIBUTES; i++)
                r = load_attribute(file, name, i, &s->attributes[i]);
        if (r == 0)
                r = load_reservation(file, name, s);
        s->change_reference = (uint32_t)g_key_file_get_uint64(file, MEMORY, "change-reference", NULL);
        if (r < 0)
                drive_state_clear(s);
        return r;
}

static void put_number(GKeyFile *file, const char *group, const char *key, uint64_t n)
{
        if (n > 0)
                g_key_file_set_uint64(file, group, key, n);
}

static void put_memory(GKeyFile *file, const struct drive_state *s)
{
        char key[16];
        for (unsigned i = 0; i < MEMORY_ATTRIBUTES; i++) {
                if (!s->attributes[i])
                        continue;
                g_autofree char *hex = to_hex(s->attributes[i]);
                attribute_key(i, key);
                g_key_file_set_string(file, MEMORY, key, hex);
        }
        put_number(file, MEMORY, "change-reference", s->change_reference);
}

static void put_reservation(GKeyFile *file, const struct drive_state *s)
{
        char *keys[VIRTUAL_INITIATORS + 1] = { NULL };
        gsize n = 0;
        for (unsigned i = 1; i <= VIRTUAL_INITIATORS; i++)
                if (s->keys[i])
                        keys[n++] = g_strdup_printf("%u:%016" PRIx64, i, s->keys[i]);
        if (n > 0)
                g_key_file_set_string_list(file, RESERVATION, "keys", (const char *const *)keys, n);
        while (n > 0)
                g_free(keys[--n]);
        put_number(file, RESERVATION, "holder", s->holder);
        put_number(file, RESERVATION, "type", s->holder ? s->type : 0);
        put_number(file, RESERVATION, "generation", s->generation);
        if (s->aptpl)
                g_key_file_set_boolean(file, RESERVATION, "aptpl", TRUE);
        put_number(file, RESERVATION, "reserved-by", s->reserved_by);
}

/* Who mounts somebody else's cartridge does not take its key file away from him. */
static void keep_owner(const char *name, int fd)
{
        struct stat st;
        if (lstat(name, &st) < 0 || !S_ISREG(st.st_mode))
                return;
        if (fchown(fd, st.st_uid, st.st_gid) < 0 || fchmod(fd, st.st_mode & 0777) < 0)
                log_debug("%s: now belongs to whoever uses the cartridge", name);
}

/* By way of a second file of a fixed name, so that a process that is killed leaves no more than that one. The
 * host's disk is not waited for: this happens at each commit. */
static int replace(const char *name, GKeyFile *file)
{
        gsize length;
        g_autofree char *text = g_key_file_to_data(file, &length, NULL);
        g_autofree char *other = g_strconcat(name, ".new", NULL);
        autofd fd = -1;
        int r = create_anew(other, &fd);
        if (r < 0)
                return r;
        keep_owner(name, fd);
        r = pwrite_all(fd, text, length, 0);
        if (r == 0 && rename(other, name) < 0)
                r = -errno;
        if (r < 0)
                unlink(other);
        return r;
}

/* The key file at from with the groups of state. */
static int merge(const char *from, const struct drive_state *s, GKeyFile *file)
{
        g_autofree char *name = settings_path(from);
        g_autoptr(GError) error = NULL;
        if (!g_key_file_load_from_file(file, name, G_KEY_FILE_KEEP_COMMENTS, &error) &&
                !g_error_matches(error, G_FILE_ERROR, G_FILE_ERROR_NOENT))
                return -EIO;
        g_key_file_remove_group(file, MEMORY, NULL);
        g_key_file_remove_group(file, RESERVATION, NULL);
        put_memory(file, s);
        put_reservation(file, s);
        return 0;
}

int drive_state_save(const char *path, const struct drive_state *s)
{
        g_autofree char *name = settings_path(path);
        g_autoptr(GKeyFile) file = g_key_file_new();
        int r = merge(path, s, file);
        return r ?: replace(name, file);
}

bool drive_state_can_save(const char *path)
{
        g_autofree char *directory = g_path_get_dirname(path);
        return faccessat(AT_FDCWD, directory, W_OK | X_OK, AT_EACCESS) == 0;
}

bool drive_state_names_index(const struct drive_state *s)
{
        enum { COHERENCY = 0x080c };
        return s->attributes[memory_find(COHERENCY)];
}

int drive_state_copy(const char *from, const char *to, const struct drive_state *s)
{
        g_autofree char *name = settings_path(to);
        g_autoptr(GKeyFile) file = g_key_file_new();
        int r = merge(from, s, file);
        g_key_file_remove_key(file, "test", "power-cut-after", NULL);
        g_key_file_remove_key(file, "test", "lose-after", NULL);
        return r == 0 && replace(name, file) == 0 ? 0 : -EIO;
}

void drive_state_remember(const struct drive_state *s, struct drive_state *copy)
{
        drive_state_clear(copy);
        drive_state_recall(copy, s);
}

void drive_state_recall(struct drive_state *s, const struct drive_state *copy)
{
        for (unsigned i = 0; i < MEMORY_ATTRIBUTES; i++) {
                GBytes *former = s->attributes[i];
                s->attributes[i] = copy->attributes[i] ? g_bytes_ref(copy->attributes[i]) : NULL;
                if (former)
                        g_bytes_unref(former);
        }
        s->change_reference = copy->change_reference;
}

void drive_state_clear(struct drive_state *s)
{
        for (unsigned i = 0; i < MEMORY_ATTRIBUTES; i++)
                if (s->attributes[i])
                        g_bytes_unref(s->attributes[i]);
        *s = (struct drive_state){ 0 };
}

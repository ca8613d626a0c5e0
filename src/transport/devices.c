/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <scsi/sg_cmds_basic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <reelfs/devices.h>
#include <reelfs/util.h>

#define VPD_MAX 252

void device_free(Device *d)
{
        if (!d)
                return;
        for (unsigned i = 0; i < DEVICE_NODES; i++)
                g_free(d->nodes[i]);
        g_free(d->id);
        g_free(d->directory);
        g_free(d->vendor);
        g_free(d->product);
        g_free(d->revision);
        g_free(d->serial);
        g_free(d);
}

/* ---- One device */

/* "" if there is none. */
static char *read_text(const char *directory, const char *name)
{
        g_autofree char *path = g_build_filename(directory, name, NULL);
        char *text = NULL;
        if (!g_file_get_contents(path, &text, NULL, NULL))
                return g_strdup("");
        return g_strstrip(text);
}

static bool is_st(const char *name)
{
        return g_str_has_prefix(name, "nst") && name[3] && strspn(name + 3, "0123456789") == strlen(name + 3);
}

/* The first entry of a class below the device, of those that wanted takes. */
static char *find_node(const struct device *d, const char *root, const char *class, const char *folder,
        bool (*wanted)(const char *name))
{
        g_autofree char *path = g_build_filename(d->directory, class, NULL);
        g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);
        const char *name;
        while (dir && (name = g_dir_read_name(dir)))
                if (!wanted || wanted(name))
                        return g_strdup_printf("%s%s%s", root, folder, name);
        return NULL;
}

static const struct {
        const char *class, *folder;
        bool (*wanted)(const char *name);
} node_classes[DEVICE_NODES] = {
        [DEVICE_SG] = { "scsi_generic", "/dev/", NULL },
        [DEVICE_ST] = { "scsi_tape", "/dev/", is_st },
        [DEVICE_BSG] = { "bsg", "/dev/bsg/", NULL },
};

/* What is not printable cannot be typed either. */
static char *serial_text(const uint8_t *text, size_t length)
{
        char *serial = g_strndup((const char *)text, length);
        for (char *p = serial; *p; p++)
                if (!g_ascii_isprint(*p))
                        *p = '?';
        return g_strstrip(serial);
}

/* SPC-5, unit serial number VPD page */
static char *page_serial(const uint8_t *page, size_t length)
{
        if (length < 4 || page[1] != 0x80)
                return NULL;
        return serial_text(page + 4, MIN((size_t)page[3], length - 4));
}

/* The kernel keeps the page of devices that claim a standard new enough. */
static char *known_serial(const struct device *d)
{
        g_autofree char *path = g_build_filename(d->directory, "vpd_pg80", NULL);
        g_autofree char *page = NULL;
        gsize length;
        if (!g_file_get_contents(path, &page, &length, NULL))
                return NULL;
        return page_serial((const uint8_t *)page, length);
}

static char *asked_serial(const struct device *d)
{
        uint8_t page[VPD_MAX] = { 0 };
        if (!d->nodes[DEVICE_SG])
                return NULL;
        autofd fd = open(d->nodes[DEVICE_SG], O_RDWR | O_NONBLOCK | O_CLOEXEC);
        if (fd < 0 || sg_ll_inquiry(fd, false, true, 0x80, page, sizeof(page), false, 0) != 0)
                return NULL;
        return page_serial(page, sizeof(page));
}

static unsigned table_size(const char *root, const char *id)
{
        g_autofree char *directory =
                g_strdup_printf("%s/sys/class/scsi_host/host%u", root, (unsigned)strtoul(id, NULL, 10));
        g_autofree char *text = read_text(directory, "sg_tablesize");
        return (unsigned)strtoul(text, NULL, 10);
}

static struct device *device_new(const char *root, const char *directory)
{
        struct device *d = g_new0(struct device, 1);
        d->directory = g_strdup(directory);
        d->id = g_path_get_basename(directory);
        d->vendor = read_text(directory, "vendor");
        d->product = read_text(directory, "model");
        d->revision = read_text(directory, "rev");
        g_autofree char *type = read_text(directory, "type");
        d->type = (unsigned)strtoul(type, NULL, 10);
        d->segments = table_size(root, d->id);
        for (unsigned i = 0; i < DEVICE_NODES; i++)
                d->nodes[i] = find_node(
                        d, root, node_classes[i].class, node_classes[i].folder, node_classes[i].wanted);
        d->serial = known_serial(d) ?: asked_serial(d) ?: g_strdup("");
        return d;
}

char *device_state(const struct device *d)
{
        char *state = read_text(d->directory, "state");
        if (state[0])
                return state;
        g_free(state);
        return NULL;
}

/* ---- All of them */

static bool is_id(const char *name)
{
        return g_ascii_isdigit(name[0]) && strspn(name, "0123456789:") == strlen(name);
}

static gint compare(gconstpointer a, gconstpointer b)
{
        const struct device *const *x = a, *const *y = b;
        g_autofree char *p = g_utf8_collate_key_for_filename((*x)->id, -1);
        g_autofree char *q = g_utf8_collate_key_for_filename((*y)->id, -1);
        return strcmp(p, q);
}

GPtrArray *devices_list(const char *root)
{
        GPtrArray *list = g_ptr_array_new_with_free_func((GDestroyNotify)device_free);
        g_autofree char *path = g_strconcat(root, "/sys/bus/scsi/devices", NULL);
        g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);
        const char *name;
        while (dir && (name = g_dir_read_name(dir))) {
                g_autofree char *directory = g_build_filename(path, name, NULL);
                g_autofree char *type = is_id(name) ? read_text(directory, "type") : g_strdup("");
                if (type[0] && strtoul(type, NULL, 10) == DEVICE_TYPE_TAPE)
                        g_ptr_array_add(list, device_new(root, directory));
        }
        g_ptr_array_sort(list, compare);
        return list;
}

/* ---- One by its address */

/* The class that a node belongs to, as its link "subsystem" says. */
static bool find_class(const char *entry, enum device_node *node)
{
        g_autofree char *link = g_build_filename(entry, "subsystem", NULL);
        g_autofree char *target = g_file_read_link(link, NULL);
        g_autofree char *name = target ? g_path_get_basename(target) : NULL;
        for (unsigned i = 0; name && i < DEVICE_NODES; i++)
                if (strcmp(node_classes[i].class, name) == 0) {
                        *node = i;
                        return true;
                }
        return false;
}

int device_of_node(const char *root, dev_t number, enum device_node *node, struct device **ret)
{
        g_autofree char *entry = g_strdup_printf("%s/sys/dev/char/%u:%u", root, major(number), minor(number));
        g_autofree char *link = g_build_filename(entry, "device", NULL);
        enum device_node class;
        if (!find_class(entry, &class))
                return -ENOENT;
        char directory[PATH_MAX];
        if (!realpath(link, directory))
                return -ENOENT;
        *ret = device_new(root, directory);
        if (node)
                *node = class;
        return 0;
}

static const char *bare_serial(const char *address)
{
        return g_str_has_prefix(address, DEVICE_SERIAL) ? address + strlen(DEVICE_SERIAL) : address;
}

bool device_is_serial(const char *address)
{
        if (g_str_has_prefix(address, DEVICE_SERIAL))
                return true;
        return address[0] && !strchr(address, '/') && access(address, F_OK) < 0 && errno == ENOENT;
}

int device_of_serial(const char *root, const char *serial, struct device **ret)
{
        const char *wanted = bare_serial(serial);
        g_autoptr(GPtrArray) list = devices_list(root);
        guint found = list->len;
        for (guint i = 0; i < list->len; i++) {
                const struct device *d = list->pdata[i];
                if (!d->serial[0] || strcmp(d->serial, wanted) != 0)
                        continue;
                if (found < list->len)
                        return -ENOTUNIQ;
                found = i;
        }
        if (found == list->len)
                return -ENODEV;
        *ret = g_ptr_array_steal_index(list, found);
        return 0;
}

int device_of_address(const char *root, const char *address, struct device **ret)
{
        struct stat st;
        if (device_is_serial(address))
                return device_of_serial(root, address, ret) == 0 ? 0 : -ENOENT;
        if (stat(address, &st) < 0 || !S_ISCHR(st.st_mode))
                return -ENOENT;
        return device_of_node(root, st.st_rdev, NULL, ret);
}

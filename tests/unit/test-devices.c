/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Tape drives as sysfs lists them, in a tree made for the purpose. */
#include <errno.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <reelfs/devices.h>

static char *root;

static void put(const char *path, const char *text, gssize length)
{
        g_autofree char *full = g_build_filename(root, path, NULL);
        g_autofree char *directory = g_path_get_dirname(full);
        g_assert_cmpint(g_mkdir_with_parents(directory, 0755), ==, 0);
        g_assert_true(g_file_set_contents(full, text, length, NULL));
}

static void add_link(const char *path, const char *target)
{
        g_autofree char *full = g_build_filename(root, path, NULL);
        g_autofree char *directory = g_path_get_dirname(full);
        g_autofree char *absolute = g_build_filename(root, target, NULL);
        g_assert_cmpint(g_mkdir_with_parents(directory, 0755), ==, 0);
        g_assert_cmpint(symlink(absolute, full), ==, 0);
}

static void add_directory(const char *path)
{
        g_autofree char *full = g_build_filename(root, path, NULL);
        g_assert_cmpint(g_mkdir_with_parents(full, 0755), ==, 0);
}

static void add_device(const char *id, const char *type, const char *model, const char *serial)
{
        g_autofree char *base = g_strdup_printf("sys/devices/%s/", id),
                        *bus = g_strdup_printf("sys/bus/scsi/devices/%s", id);
        const struct {
                const char *name, *text;
        } files[] = { { "type", type }, { "vendor", "ACME    " }, { "model", model }, { "rev", "1.0 " },
                { "state", "running\n" } };
        for (size_t i = 0; i < G_N_ELEMENTS(files); i++) {
                g_autofree char *path = g_strconcat(base, files[i].name, NULL);
                put(path, files[i].text, -1);
        }
        if (serial) {
                char page[64] = { 0x01, (char)0x80, 0, (char)strlen(serial) };
                g_autofree char *path = g_strconcat(base, "vpd_pg80", NULL);
                memcpy(page + 4, serial, strlen(serial));
                put(path, page, (gssize)(4 + strlen(serial)));
        }
        add_link(bus, base);
}

static void add_node(
        const char *id, const char *class, const char *name, unsigned major_number, unsigned minor_number)
{
        g_autofree char *directory = g_strdup_printf("sys/devices/%s/%s/%s", id, class, name);
        g_autofree char *classes = g_strdup_printf("sys/class/%s", class);
        g_autofree char *entry = g_strdup_printf("sys/dev/char/%u:%u", major_number, minor_number);
        g_autofree char *subsystem = g_build_filename(entry, "subsystem", NULL);
        g_autofree char *device = g_build_filename(entry, "device", NULL);
        g_autofree char *target = g_strdup_printf("sys/devices/%s", id);
        add_directory(directory);
        add_directory(classes);
        add_link(subsystem, classes);
        add_link(device, target);
}

static void make_machine(void)
{
        root = g_dir_make_tmp("reelfs-sysfs-XXXXXX", NULL);
        g_assert_nonnull(root);
        add_device("10:0:0:0", "1", "TAPE TEN", " HU10 ");
        add_device("2:0:0:0", "1\n", "TAPE TWO", "HU2\001");
        add_device("2:0:0:1", "8", "CHANGER", "HU2\001");
        add_device("2:0:1:0", "0", "DISK", "DISK1");
        add_device("3:0:0:0", "1", "OLD TAPE", NULL);
        add_device("4:0:0:0", "1", "TWIN", "TWIN");
        add_device("5:0:0:0", "1", "TWIN", "TWIN");
        add_directory("sys/bus/scsi/devices/host2");
        add_directory("sys/bus/scsi/devices/target2:0:0");
        put("sys/class/scsi_host/host2/sg_tablesize", "256\n", -1);
        add_node("2:0:0:0", "scsi_generic", "sg3", 21, 3);
        add_node("2:0:0:0", "bsg", "2:0:0:0", 253, 0);
        add_node("2:0:0:0", "scsi_tape", "st0", 9, 0);
        add_node("2:0:0:0", "scsi_tape", "st0a", 9, 96);
        add_node("2:0:0:0", "scsi_tape", "nst0l", 9, 160);
        add_node("2:0:0:0", "scsi_tape", "nst0", 9, 128);
        add_node("2:0:1:0", "scsi_generic", "sg4", 21, 4);
}

static void test_list(void)
{
        g_autoptr(GPtrArray) list = devices_list(root);
        static const char *const ids[] = { "2:0:0:0", "3:0:0:0", "4:0:0:0", "5:0:0:0", "10:0:0:0" };
        g_assert_cmpuint(list->len, ==, G_N_ELEMENTS(ids));
        for (guint i = 0; i < list->len; i++)
                g_assert_cmpstr(((Device *)list->pdata[i])->id, ==, ids[i]);
        const Device *d = list->pdata[0];
        g_assert_cmpstr(d->vendor, ==, "ACME");
        g_assert_cmpstr(d->product, ==, "TAPE TWO");
        g_assert_cmpstr(d->revision, ==, "1.0");
        g_assert_cmpstr(d->serial, ==, "HU2?");
        g_assert_cmpuint(d->segments, ==, 256);
        g_assert_true(g_str_has_suffix(d->nodes[DEVICE_SG], "/dev/sg3"));
        g_assert_true(g_str_has_suffix(d->nodes[DEVICE_ST], "/dev/nst0"));
        g_assert_true(g_str_has_suffix(d->nodes[DEVICE_BSG], "/dev/bsg/2:0:0:0"));
        g_autofree char *state = device_state(d);
        g_assert_cmpstr(state, ==, "running");
        const Device *old = list->pdata[1];
        g_assert_cmpstr(old->serial, ==, "");
        g_assert_null(old->nodes[DEVICE_SG]);
        g_assert_cmpuint(old->segments, ==, 0);
}

static void test_no_sysfs(void)
{
        g_autoptr(GPtrArray) list = devices_list("/no/such/root");
        Device *d;
        g_assert_cmpuint(list->len, ==, 0);
        g_assert_cmpint(device_of_node("/no/such/root", makedev(21, 3), NULL, &d), ==, -ENOENT);
        g_assert_cmpint(device_of_serial("/no/such/root", "HU10", &d), ==, -ENODEV);
}

/* Each node, rewinding ones too, leads to the same drive. */
static void test_node(void)
{
        static const struct {
                unsigned major_number, minor_number;
                enum device_node node;
        } nodes[] = { { 21, 3, DEVICE_SG }, { 9, 0, DEVICE_ST }, { 9, 128, DEVICE_ST }, { 9, 160, DEVICE_ST },
                { 253, 0, DEVICE_BSG } };
        for (size_t i = 0; i < G_N_ELEMENTS(nodes); i++) {
                g_autoptr(Device) d = NULL;
                enum device_node node;
                dev_t number = makedev(nodes[i].major_number, nodes[i].minor_number);
                g_assert_cmpint(device_of_node(root, number, &node, &d), ==, 0);
                g_assert_cmpint(node, ==, nodes[i].node);
                g_assert_cmpstr(d->id, ==, "2:0:0:0");
                g_assert_true(g_str_has_suffix(d->nodes[DEVICE_ST], "/dev/nst0"));
        }
        g_autoptr(Device) disk = NULL;
        g_assert_cmpint(device_of_node(root, makedev(21, 4), NULL, &disk), ==, 0);
        g_assert_cmpuint(disk->type, ==, 0);
        Device *none;
        g_assert_cmpint(device_of_node(root, makedev(1, 3), NULL, &none), ==, -ENOENT);
        /* A class that is none of ours. */
        add_node("2:0:0:0", "mem", "null", 1, 3);
        g_assert_cmpint(device_of_node(root, makedev(1, 3), NULL, &none), ==, -ENOENT);
}

static void test_serial(void)
{
        g_autoptr(Device) d = NULL, again = NULL;
        Device *none;
        g_assert_cmpint(device_of_serial(root, "HU10", &d), ==, 0);
        g_assert_cmpstr(d->id, ==, "10:0:0:0");
        g_assert_cmpint(device_of_address(root, "serial:HU10", &again), ==, 0);
        g_assert_cmpstr(again->id, ==, "10:0:0:0");
        g_assert_cmpint(device_of_serial(root, "TWIN", &none), ==, -ENOTUNIQ);
        g_assert_cmpint(device_of_serial(root, "DISK1", &none), ==, -ENODEV);
        g_assert_cmpint(device_of_serial(root, "", &none), ==, -ENODEV);
        g_assert_cmpint(device_of_serial(root, "serial:", &none), ==, -ENODEV);
        g_assert_cmpint(device_of_address(root, "serial:TWIN", &none), ==, -ENOENT);
        g_assert_cmpint(device_of_address(root, "/dev/null", &none), ==, -ENOENT);
}

/* A file goes before a serial number, and a path is never one. */
static void test_is_serial(void)
{
        g_autofree char *here = g_get_current_dir();
        g_assert_cmpint(chdir(root), ==, 0);
        put("HU10", "a cartridge", -1);
        g_assert_false(device_is_serial("HU10"));
        g_assert_true(device_is_serial("serial:HU10"));
        g_assert_true(device_is_serial("HU11"));
        g_assert_false(device_is_serial("./HU11"));
        g_assert_false(device_is_serial("/dev/sg99"));
        g_assert_false(device_is_serial(""));
        g_assert_cmpint(chdir(here), ==, 0);
}

static void remove_all(void)
{
        const char *argv[] = { "rm", "-rf", root, NULL };
        g_assert_true(g_spawn_sync(
                NULL, (char **)argv, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL, NULL, NULL, NULL, NULL));
        g_free(root);
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        make_machine();
        g_test_add_func("/devices/list", test_list);
        g_test_add_func("/devices/no-sysfs", test_no_sysfs);
        g_test_add_func("/devices/node", test_node);
        g_test_add_func("/devices/serial", test_serial);
        g_test_add_func("/devices/is-serial", test_is_serial);
        int status = g_test_run();
        remove_all();
        return status;
}

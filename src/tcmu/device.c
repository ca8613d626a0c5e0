/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <reelfs/log.h>
#include <reelfs/util.h>

#include "configfs.h"
#include "device.h"

#define CORE CONFIGFS "/target/core"
#define HBA CORE "/user_0"
#define LOOPBACK CONFIGFS "/target/loopback"
#define UIO "/sys/class/uio"
#define NODE_WAIT_MS 5000
#define NODE_STEP_MS 10
/* Seconds until the kernel gives up a command: only what serves it being dead takes so long. */
#define COMMAND_TIMEOUT "600"

/* A directory that only a kernel with the right module lets be made. */
static int make_root(const char *path, const char *what)
{
        int r = configfs_make_directory(path);
        if (r < 0)
                return log_error(-EOPNOTSUPP, "drives cannot be added to this kernel: it has no %s: %s: %s",
                        what, path, g_strerror(-r));
        return 0;
}

int tcmu_prepare(void)
{
        static const char *const modules[] = { "configfs", "target_core_user", "tcm_loop", "sg", "st" };
        if (geteuid() != 0)
                return log_error(-EPERM, "only root can add a drive to the kernel");
        for (size_t i = 0; i < G_N_ELEMENTS(modules); i++)
                configfs_load_module(modules[i]);
        int r = configfs_mount();
        if (r < 0)
                return log_error(-EOPNOTSUPP,
                        "drives cannot be added to this kernel: it has no configfs "
                        "(CONFIG_CONFIGFS_FS): " CONFIGFS ": %s",
                        g_strerror(-r));
        r = make_root(HBA, "target_core_user (CONFIG_TCM_USER2)");
        if (r == 0)
                r = make_root(LOOPBACK, "tcm_loop (CONFIG_LOOPBACK_TARGET)");
        return r;
}

/* A world-wide name that is always the same for a name: NAA 3, locally assigned, and its hash. */
static char *target_path(const char *name)
{
        g_autofree char *hash = g_compute_checksum_for_string(G_CHECKSUM_SHA256, name, -1);
        return g_strdup_printf(LOOPBACK "/naa.3%.15s", hash);
}

static void init(struct tcmu_device *d, const char *name)
{
        *d = (struct tcmu_device){ .name = g_strdup(name),
                .backstore = g_strconcat(HBA "/", name, NULL),
                .target = target_path(name),
                .uio = -1 };
}

static void clear(struct tcmu_device *d)
{
        if (d->map)
                munmap(d->map, d->map_size);
        close_fd(&d->uio);
        g_free(d->name);
        g_free(d->backstore);
        g_free(d->target);
        *d = (struct tcmu_device){ .uio = -1 };
}

#define HANDLER "reelfs/" /* what the configuration of a drive of ours begins with */

/* "uio3" of a drive whose configuration begins so; NULL: there is none. The caller frees. */
static char *find_uio_of(const struct tcmu_device *d, const char *handler)
{
        g_autofree char *prefix = g_strdup_printf("tcm-user/0/%s/%s", d->name, handler);
        g_autoptr(GDir) dir = g_dir_open(UIO, 0, NULL);
        const char *entry;
        while (dir && (entry = g_dir_read_name(dir))) {
                g_autofree char *path = g_build_filename(UIO, entry, NULL);
                g_autofree char *name = configfs_read(path, "name");
                if (name && g_str_has_prefix(name, prefix))
                        return g_strdup(entry);
        }
        return NULL;
}

static char *find_uio(const struct tcmu_device *d)
{
        return find_uio_of(d, HANDLER);
}

static bool await_node(const char *path)
{
        for (int i = 0; i < NODE_WAIT_MS / NODE_STEP_MS; i++) {
                if (access(path, F_OK) == 0)
                        return true;
                g_usleep(NODE_STEP_MS * 1000);
        }
        return false;
}

/* The kernel lets one process at a time open it. */
static int open_uio(struct tcmu_device *d)
{
        g_autofree char *uio = find_uio(d);
        g_autofree char *path = g_build_filename("/dev", uio ? uio : "uio", NULL);
        if (!uio || !await_node(path))
                return log_error(-ENODEV, "%s: the kernel has made no %s for the drive", d->name, path);
        d->uio = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
        int r = d->uio < 0 ? -errno : 0;
        if (r == -EBUSY)
                return log_error(
                        r, "%s: a drive of that name is there already (--name gives another one)", d->name);
        return r < 0 ? log_error_errno(r, "%s: cannot open %s to serve the drive", d->name, path) : 0;
}

static int map_memory(struct tcmu_device *d)
{
        g_autofree char *uio = find_uio(d);
        g_autofree char *attributes = g_build_filename(UIO, uio ? uio : "", "maps/map0", NULL);
        g_autofree char *size = configfs_read(attributes, "size");
        d->map_size = size ? (size_t)g_ascii_strtoull(size, NULL, 0) : 0;
        void *map = mmap(NULL, d->map_size, PROT_READ | PROT_WRITE, MAP_SHARED, d->uio, 0);
        if (map == MAP_FAILED) {
                int r = -errno;
                return log_error_errno(
                        r, "%s: cannot map the memory that is shared with the kernel", d->name);
        }
        d->map = map;
        return 0;
}

static void remove_backstore(const struct tcmu_device *d)
{
        rmdir(d->backstore);
        rmdir(HBA); /* fails as long as there are others in it */
}

/* Commands that nobody has answered are answered by the kernel, and no others taken. */
static void end_commands(const struct tcmu_device *d)
{
        g_autofree char *attributes = g_build_filename(d->backstore, "attrib", NULL);
        g_autofree char *action = g_build_filename(d->backstore, "action", NULL);
        configfs_write(attributes, "qfull_time_out", "0");
        configfs_write(action, "block_dev", "1");
        configfs_write(action, "reset_ring", "1");
}

static int remove_stale(struct tcmu_device *d)
{
        if (access(d->backstore, F_OK) < 0)
                return 0;
        g_autofree char *uio = find_uio(d), *any = find_uio_of(d, "");
        if (any && !uio)
                return log_error(-EBUSY,
                        "%s: a device of that name is there already, of another program (--name gives "
                        "another one)",
                        d->name);
        int r = uio ? open_uio(d) : 0;
        if (r < 0)
                return r;
        if (uio)
                end_commands(d);
        device_detach(d);
        close_fd(&d->uio);
        remove_backstore(d);
        if (access(d->backstore, F_OK) == 0)
                return log_error(
                        -EBUSY, "%s: the drive that a killed process has left cannot be removed", d->name);
        log_notice("%s: removed what a killed process had left of it", d->name);
        return 0;
}

/* Attributes that the device works without are marked as such: older kernels lack them. */
static int configure(const struct tcmu_device *d, const struct device_size *size)
{
        g_autofree char *control = g_strdup_printf(
                "dev_config=" HANDLER
                "%s,dev_size=1048576,hw_block_size=512,hw_max_sectors=%zu,max_data_area_mb=%u,"
                "data_pages_per_blk=16,nl_reply_supported=-1",
                d->name, size->max_transfer / 512, size->buffer_mib);
        const struct {
                const char *name, *value;
                bool optional;
        } settings[] = {
                { "control", control, false },
                { "attrib/cmd_time_out", COMMAND_TIMEOUT, true },
                { "enable", "1", false },
                { "attrib/tmr_notification", "1", true },
                /* Reservations are the drive's business. */
                { "attrib/pgr_support", "0", true },
        };
        for (size_t i = 0; i < G_N_ELEMENTS(settings); i++) {
                int r = configfs_write(d->backstore, settings[i].name, settings[i].value);
                if (r < 0 && !settings[i].optional)
                        return log_error_errno(r, "%s/%s: the kernel does not take %s", d->backstore,
                                settings[i].name, settings[i].value);
        }
        return 0;
}

int device_create(struct tcmu_device *d, const char *name, const struct device_size *size)
{
        init(d, name);
        int r = remove_stale(d);
        if (r < 0) {
                clear(d);
                return r;
        }
        r = configfs_make_directory(HBA);
        if (r == 0)
                r = configfs_make_directory(d->backstore);
        if (r < 0)
                r = log_error_errno(r, "%s: cannot be made", d->backstore);
        if (r == 0)
                r = configure(d, size);
        if (r == 0)
                r = open_uio(d);
        if (r == 0)
                r = map_memory(d);
        if (r < 0)
                device_destroy(d);
        return r;
}

int device_attach(const struct tcmu_device *d)
{
        g_autofree char *group = g_build_filename(d->target, "tpgt_1", NULL);
        g_autofree char *lun = g_build_filename(group, "lun", "lun_0", NULL);
        g_autofree char *link = g_build_filename(lun, d->name, NULL);
        g_autofree char *nexus = g_path_get_basename(d->target);
        int r = configfs_make_directory(LOOPBACK);
        if (r == 0)
                r = configfs_make_directory(d->target);
        if (r == 0)
                r = configfs_make_directory(group);
        nexus[strlen("naa.")] = '4'; /* the initiator has another name than the target */
        if (r == 0)
                r = configfs_write(group, "nexus", nexus);
        if (r == 0)
                r = configfs_make_directory(lun);
        if (r == 0 && symlink(d->backstore, link) < 0)
                r = -errno;
        return r < 0 ? log_error_errno(r, "%s: cannot become a drive of this kernel", d->name) : 0;
}

void device_detach(const struct tcmu_device *d)
{
        g_autofree char *group = g_build_filename(d->target, "tpgt_1", NULL);
        g_autofree char *lun = g_build_filename(group, "lun", "lun_0", NULL);
        g_autofree char *link = g_build_filename(lun, d->name, NULL);
        unlink(link);
        rmdir(lun);
        rmdir(group);
        rmdir(d->target);
        rmdir(LOOPBACK); /* fails as long as there are others in it */
}

void device_destroy(struct tcmu_device *d)
{
        if (d->map)
                munmap(g_steal_pointer(&d->map), d->map_size);
        close_fd(&d->uio);
        remove_backstore(d);
        clear(d);
}

/* "/dev/NAME" of what DIRECTORY/CLASS holds. */
static void find_node(const char *directory, const char *class, const char *prefix, char *node, size_t size)
{
        g_autofree char *path = g_build_filename(directory, class, NULL);
        g_autofree char *name = configfs_find(path, prefix);
        g_snprintf(node, size, "/dev/%s", name ? name : "");
        if (!name || !await_node(node))
                node[0] = '\0';
}

/* st's directory has st0, st0a, st0l, st0m and the same with n: the first name is that without a letter. */
static void find_tape(const char *directory, char *node, size_t size)
{
        g_autofree char *path = g_build_filename(directory, "scsi_tape", NULL);
        g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);
        const char *name;
        node[0] = '\0';
        while (dir && (name = g_dir_read_name(dir)))
                if (g_str_has_prefix(name, "nst") && g_ascii_isdigit(name[strlen(name) - 1]))
                        g_snprintf(node, size, "/dev/%s", name);
        if (node[0] && !await_node(node))
                node[0] = '\0';
}

void device_find_nodes(const struct tcmu_device *d, struct tcmu_nodes *nodes)
{
        g_autofree char *group = g_build_filename(d->target, "tpgt_1", NULL);
        g_autofree char *address = configfs_read(group, "address");
        *nodes = (struct tcmu_nodes){ 0 };
        g_snprintf(nodes->address, sizeof(nodes->address), "%s:0", address ? address : "?");
        g_autofree char *directory =
                g_build_filename("/sys/class/scsi_device", nodes->address, "device", NULL);
        find_node(directory, "scsi_generic", "sg", nodes->generic, sizeof(nodes->generic));
        find_tape(directory, nodes->tape, sizeof(nodes->tape));
}

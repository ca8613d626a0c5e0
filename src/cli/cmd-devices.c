/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The tape drives of this machine. A drive that somebody uses is left alone: a command of ours would take the
 * unit attention that tells its user of a reset. One that nobody uses is held while it is asked. */
#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <scsi/sg_cmds_basic.h>
#include <scsi/sg_lib.h>
#include <scsi/sg_pt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include <reelfs/devices.h>
#include <reelfs/log.h>
#include <reelfs/util.h>

#include "cli.h"
#include "json.h"

#define ATTENTIONS 5 /* that a drive may have for us before it answers */
#define REPLY 64

enum effort { QUICK, READ_AT_BEGINNING, REWIND };

enum state { STATE_UNKNOWN, STATE_FREE, STATE_IN_USE, STATE_MOUNTED, STATE_NO_PERMISSION, STATE_NO_ANSWER };

static const char *const states[] = {
        [STATE_UNKNOWN] = "unknown",
        [STATE_FREE] = "free",
        [STATE_IN_USE] = "in use",
        [STATE_MOUNTED] = "mounted",
        [STATE_NO_PERMISSION] = "no permission",
        [STATE_NO_ANSWER] = "no answer",
};

struct row {
        const Device *device;
        const char *address; /* the node to use; NULL: there is none */
        enum state state;
        bool asked, loaded, write_protected, at_beginning; /* asked: the other three are known */
        char *mountpoint;
        char *volume;  /* name; NULL: not known */
        char *content; /* of a tape that was read */
};

static void row_clear(struct row *r)
{
        g_free(r->mountpoint);
        g_free(r->volume);
        g_free(r->content);
}

/* ---- Mounted drives: their daemon knows */

static char *ask_daemon(const struct mount_entry *e)
{
        Control *c;
        const char *line;
        char *name = NULL;
        if (control_connect(e, &c) < 0)
                return NULL;
        if (control_send(c, "status") == 0)
                while (!name && control_receive(c, &line) == 0 && strcmp(line, "ok") != 0)
                        if (g_str_has_prefix(line, "name="))
                                name = g_strdup(line + strlen("name="));
        control_close(c);
        return name;
}

static bool look_at_mount(struct row *r)
{
        AUTO_MOUNT_ENTRY e = { 0 };
        if (!r->address || cli_mount_find_drive(r->address, &e) < 0 || cli_mount_is_dead(&e))
                return false;
        r->state = STATE_MOUNTED;
        r->mountpoint = g_strdup(e.mountpoint);
        r->volume = ask_daemon(&e);
        return true;
}

/* ---- Drives that nobody uses */

/* SSC-5, READ POSITION, short form: BOP */
static bool is_at_beginning(int fd)
{
        uint8_t cdb[10] = { 0x34 }, reply[20] = { 0 }, sense[64];
        struct sg_pt_base *command = construct_scsi_pt_obj();
        if (!command)
                return false;
        set_scsi_pt_cdb(command, cdb, sizeof(cdb));
        set_scsi_pt_sense(command, sense, sizeof(sense));
        set_scsi_pt_data_in(command, reply, sizeof(reply));
        bool good = do_scsi_pt(command, fd, 60, 0) == 0 &&
                get_scsi_pt_result_category(command) == SCSI_PT_RESULT_GOOD;
        destruct_scsi_pt_obj(command);
        return good && reply[0] & 0x80;
}

/* SPC-5, mode parameter header: WP in the device-specific parameter */
static bool is_write_protected(int fd)
{
        uint8_t reply[REPLY] = { 0 };
        if (sg_ll_mode_sense10(fd, false, false, 0, 0x3f, 0, reply, sizeof(reply), false, 0) == 0)
                return reply[3] & 0x80;
        return sg_ll_mode_sense6(fd, false, 0, 0x3f, 0, reply, sizeof(reply), false, 0) == 0 &&
                reply[2] & 0x80;
}

static void ask_drive(struct row *r, int fd)
{
        int result = SG_LIB_CAT_UNIT_ATTENTION;
        for (unsigned i = 0; i < ATTENTIONS && result == SG_LIB_CAT_UNIT_ATTENTION; i++)
                result = sg_ll_test_unit_ready(fd, 0, false, 0);
        if (result != 0 && result != SG_LIB_CAT_NOT_READY) {
                r->state = STATE_NO_ANSWER;
                return;
        }
        r->asked = true;
        r->loaded = result == 0;
        if (r->loaded) {
                r->write_protected = is_write_protected(fd);
                r->at_beginning = is_at_beginning(fd);
        }
}

/* Through the nodes, the st node first: it lets one in at a time. */
static void look_at_drive(struct row *r)
{
        const char *const *nodes = (const char *const *)r->device->nodes;
        autofd guard = -1, fd = -1;
        if (nodes[DEVICE_ST])
                guard = open(nodes[DEVICE_ST], O_RDONLY | O_NONBLOCK | O_CLOEXEC);
        int error = nodes[DEVICE_ST] && guard < 0 ? errno : 0;
        if (error == 0 && nodes[DEVICE_SG]) {
                fd = open(nodes[DEVICE_SG], O_RDWR | O_NONBLOCK | O_CLOEXEC);
                error = fd < 0 ? errno : 0;
                /* Without the st driver this is what reelfs holds. */
                if (fd >= 0 && guard < 0 && flock(fd, LOCK_EX | LOCK_NB) < 0 && errno == EWOULDBLOCK)
                        error = EBUSY;
        }
        r->state = error == 0                       ? STATE_FREE
                : error == EBUSY                    ? STATE_IN_USE
                : error == EACCES || error == EPERM ? STATE_NO_PERMISSION
                                                    : STATE_NO_ANSWER;
        if (error == 0)
                ask_drive(r, fd >= 0 ? fd : guard);
}

static void read_volume(struct row *r)
{
        Tape *tape;
        struct volume_identity identity;
        if (cli_tape_open(r->address, true, &tape) < 0)
                return;
        if (volume_identify(tape, &identity) == 0) {
                r->content = g_strdup(identity.description);
                if (identity.content == VOLUME_REELFS || identity.content == VOLUME_LTFS)
                        r->volume = g_strdup(identity.name);
        }
        tape_rewind(tape);
        tape_close(tape);
}

static void look(struct row *r, enum effort effort)
{
        for (unsigned i = 0; i < DEVICE_NODES && !r->address; i++)
                r->address = r->device->nodes[i];
        if (look_at_mount(r) || effort == QUICK || !r->address)
                return;
        look_at_drive(r);
        if (r->loaded && (r->at_beginning || effort == REWIND))
                read_volume(r);
}

/* ---- Telling */

static void print_json(struct json *j, const struct row *r)
{
        const Device *d = r->device;
        const struct {
                const char *key, *text;
        } texts[] = {
                { "address", r->address },
                { "tape_node", d->nodes[DEVICE_ST] },
                { "bsg_node", d->nodes[DEVICE_BSG] },
                { "id", d->id },
                { "vendor", d->vendor },
                { "product", d->product },
                { "revision", d->revision },
                { "serial", d->serial },
                { "state", states[r->state] },
                { "mounted_at", r->mountpoint },
                { "volume", r->volume },
                { "content", r->content },
        };
        json_begin(j, NULL, '{');
        for (size_t i = 0; i < G_N_ELEMENTS(texts); i++)
                if (texts[i].text)
                        json_string(j, texts[i].key, texts[i].text);
        if (r->asked)
                json_bool(j, "loaded", r->loaded);
        if (r->asked && r->loaded)
                json_bool(j, "write_protected", r->write_protected);
        json_end(j, '}');
}

/* "loaded, write protected", "empty", "mounted at /mnt/tape" … The caller frees. */
static char *state_text(const struct row *r)
{
        if (r->mountpoint)
                return g_strdup_printf("mounted at %s", r->mountpoint);
        if (!r->asked)
                return g_strdup(r->state == STATE_UNKNOWN ? "-" : states[r->state]);
        if (!r->loaded)
                return g_strdup("empty");
        return g_strdup(r->write_protected ? "loaded, write protected" : "loaded");
}

static const char *volume_text(const struct row *r)
{
        if (r->volume && r->volume[0])
                return r->volume;
        if (r->content)
                return r->content;
        return r->loaded && !r->at_beginning ? "(not at its beginning, not read)" : "-";
}

static void print_row(const struct row *r)
{
        const Device *d = r->device;
        g_autofree char *drive = g_strdup_printf("%s %s", d->vendor, d->product);
        g_autofree char *state = state_text(r), *volume = format_name(volume_text(r));
        printf("%-10s  %-10s  %-24s  %-14s  %-23s  %s\n", r->address ?: "-", d->nodes[DEVICE_ST] ?: "-",
                drive, d->serial[0] ? d->serial : "-", state, volume);
}

static int devices(enum effort effort, bool as_json)
{
        g_autoptr(GPtrArray) list = devices_list("");
        struct json j = { 0 };
        bool denied = false;
        if (as_json)
                json_begin(&j, NULL, '[');
        else if (list->len > 0)
                printf("%-10s  %-10s  %-24s  %-14s  %-23s  %s\n", "address", "tape node", "drive", "serial",
                        "tape", "volume");
        for (guint i = 0; i < list->len; i++) {
                struct row row = { .device = list->pdata[i] };
                look(&row, effort);
                if (as_json)
                        print_json(&j, &row);
                else
                        print_row(&row);
                denied |= row.state == STATE_NO_PERMISSION;
                row_clear(&row);
        }
        if (as_json)
                json_end(&j, ']');
        else if (list->len == 0)
                log_notice("the kernel knows no tape drive; if there is one, load its drivers (modprobe sg; "
                           "modprobe "
                           "st), then look at its cable and at dmesg");
        if (denied)
                log_notice("those with \"no permission\" take membership in group tape (usermod -aG tape "
                           "USER) and a "
                           "new login");
        return EXIT_SUCCESS;
}

static int run(const struct command *command, int argc, char **argv)
{
        enum { JSON = 256, OPTION_QUICK, OPTION_REWIND };
        static const struct option options[] = { { "json", no_argument, NULL, JSON },
                { "quick", no_argument, NULL, OPTION_QUICK }, { "rewind", no_argument, NULL, OPTION_REWIND },
                LONG_OPTIONS_COMMON, { NULL, 0, NULL, 0 } };
        enum effort effort = READ_AT_BEGINNING;
        bool as_json = false;
        int option, status;
        while ((option = getopt_long(argc, argv, OPTIONS_COMMON, options, NULL)) >= 0) {
                switch (option) {
                case JSON:
                        as_json = true;
                        break;
                case OPTION_QUICK:
                        effort = QUICK;
                        break;
                case OPTION_REWIND:
                        effort = REWIND;
                        break;
                default:
                        if (!command_option(command, option, &status))
                                return status;
                }
        }
        if (!command_arguments(command, argc, 0, 0, &status))
                return status;
        return devices(effort, as_json);
}

const struct command command_devices = {
        .name = "devices",
        .arguments = "",
        .summary = "list the tape drives of this machine",
        .options = "      --quick            send the drives no commands\n"
                   "      --rewind           rewind tapes that are not at their beginning, to read what they "
                   "are\n"
                   "      --json             machine-readable\n",
        .run = run,
};

/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <glib.h>
#include <poll.h>
#include <pthread.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <reelfs/log.h>
#include <reelfs/tcmu.h>
#include <reelfs/util.h>

#include "device.h"
#include "ring.h"

/* SAM-5; beside those of reelfs/transport.h. */
#define STATUS_TASK_ABORTED 0x40

#define COMMANDS_AT_ONCE 4 /* for the size of the shared memory */
#define BUFFER_LEAST_MIB 16

struct Tcmu {
        Transport *transport;
        void (*reset)(Transport *reset_target);
        Transport *reset_target;
        struct tcmu_device device;
        struct ring ring;
        struct tcmu_nodes nodes;
        int wake; /* eventfd: end serving */
        pthread_t thread;
        GArray *lost; /* ids of commands whose outcome is unknown: they are answered when they are given up */
};

/* Fixed format, without information. */
static size_t make_sense(uint8_t *sense, uint8_t key, uint8_t asc, uint8_t ascq)
{
        memset(sense, 0, 18);
        sense[0] = 0x70;
        sense[2] = key;
        sense[7] = 10;
        sense[12] = asc;
        sense[13] = ascq;
        return 18;
}

/* SAM-5, operation code: the group says how long the CDB is. 0: a form that no tape drive has. */
static size_t cdb_length(uint8_t opcode)
{
        static const uint8_t lengths[8] = { 6, 10, 10, 0, 16, 12, 0, 0 };
        return lengths[opcode >> 5];
}

/* The ring does not say which way the data goes. */
static enum transport_direction direction(uint8_t opcode, int iovcnt)
{
        static const uint8_t out[] = { 0x0a /* WRITE(6) */, 0x15 /* MODE SELECT(6) */,
                0x1d /* SEND DIAGNOSTIC */, 0x3b /* WRITE BUFFER */, 0x4c /* LOG SELECT */,
                0x55 /* MODE SELECT(10) */, 0x5f /* PERSISTENT RESERVE OUT */, 0x82 /* ALLOW OVERWRITE */,
                0x8a /* WRITE(16) */, 0x8d /* WRITE ATTRIBUTE */, 0xa4 /* MAINTENANCE OUT */,
                0xb5 /* SECURITY PROTOCOL OUT */ };
        if (iovcnt == 0)
                return TRANSPORT_NONE;
        return memchr(out, opcode, sizeof(out)) ? TRANSPORT_OUT : TRANSPORT_IN;
}

/* The drive is not asked for what cannot be. True: it was not, and c says why. */
static bool refuse(const struct ring_event *e, struct transport_command *c)
{
        if (e->iovcnt >= 0 && c->cdb_length > 0)
                return false;
        c->status = TRANSPORT_STATUS_CHECK_CONDITION;
        c->sense_length =
                e->iovcnt < 0 ? make_sense(c->sense, 0x5, 0x24, 0x00) : make_sense(c->sense, 0x5, 0x20, 0x00);
        return true;
}

/* What the transport could not deliver, as a drive would say it. False: nothing is said, as the command's
 * outcome is unknown. */
static bool explain(int error, struct transport_command *c)
{
        if (error == -ETIMEDOUT)
                return false;
        c->status = TRANSPORT_STATUS_CHECK_CONDITION;
        c->residual = iov_length(c->iov, c->iovcnt);
        if (error == -EINVAL) /* lengths that do not fit each other, or too large a transfer */
                c->sense_length = make_sense(c->sense, 0x5, 0x24, 0x00);
        else /* internal target failure */
                c->sense_length = make_sense(c->sense, 0x4, 0x44, 0x00);
        return true;
}

/* What lies in the shared memory from before is nobody's data. */
static void clear_data(const struct transport_command *c)
{
        for (int i = 0; i < c->iovcnt; i++)
                memset(c->iov[i].iov_base, 0, c->iov[i].iov_len);
}

static void notify(Tcmu *m)
{
        static const uint32_t kick = 0;
        if (write(m->device.uio, &kick, sizeof(kick)) < 0)
                log_debug("%s: the kernel does not take answers", m->device.name);
}

static void serve_command(Tcmu *m, const struct ring_event *e)
{
        struct transport_command c = { .cdb_length = cdb_length(e->cdb[0]),
                .direction = direction(e->cdb[0], e->iovcnt),
                .iov = e->iov,
                .iovcnt = MAX(e->iovcnt, 0) };
        memcpy(c.cdb, e->cdb, sizeof(c.cdb));
        bool refused = refuse(e, &c);
        int r = refused ? 0 : transport_execute(m->transport, &c);
        if (r < 0 && !explain(r, &c)) {
                g_array_append_val(m->lost, e->id);
                return;
        }
        struct ring_reply reply = { .status = c.status, .sense = c.sense, .sense_length = c.sense_length };
        if (c.direction == TRANSPORT_IN && !refused)
                reply.nread = iov_length(c.iov, c.iovcnt) - c.residual;
        if (c.direction == TRANSPORT_IN && reply.nread == 0 && c.status == TRANSPORT_STATUS_GOOD)
                clear_data(&c);
        ring_complete(&m->ring, e->id, &reply);
}

static bool names(const struct ring_event *e, uint16_t id)
{
        for (uint32_t i = 0; i < e->count; i++)
                if (e->ids[i] == id)
                        return true;
        return e->kind == RING_RESET;
}

/* Answers lost commands: those that were given up. */
static void abort_commands(Tcmu *m, const struct ring_event *e)
{
        static const struct ring_reply aborted = { .status = STATUS_TASK_ABORTED };
        g_autoptr(GArray) ids = g_steal_pointer(&m->lost);
        g_autoptr(GArray) given_up = g_array_new(FALSE, FALSE, sizeof(uint16_t));
        m->lost = g_array_new(FALSE, FALSE, sizeof(uint16_t));
        for (guint i = 0; i < ids->len; i++) {
                uint16_t id = g_array_index(ids, uint16_t, i);
                g_array_append_val(names(e, id) ? given_up : m->lost, id);
        }
        for (guint i = 0; i < given_up->len; i++)
                ring_complete(&m->ring, g_array_index(given_up, uint16_t, i), &aborted);
}

static void serve_event(Tcmu *m, const struct ring_event *e)
{
        if (e->kind == RING_COMMAND)
                serve_command(m, e);
        else
                abort_commands(m, e);
        if (e->kind == RING_RESET && m->reset)
                m->reset(m->reset_target);
        notify(m);
}

static void *serve(void *arg)
{
        Tcmu *m = arg;
        struct pollfd fds[] = { { m->device.uio, POLLIN, 0 }, { m->wake, POLLIN, 0 } };
        while (!(fds[1].revents & POLLIN)) {
                struct ring_event e;
                while (ring_next(&m->ring, &e))
                        serve_event(m, &e);
                if (poll(fds, G_N_ELEMENTS(fds), -1) < 0)
                        continue;
                uint32_t events;
                if (fds[0].revents && read(m->device.uio, &events, sizeof(events)) < 0)
                        log_debug("%s: nothing to read", m->device.name);
        }
        return NULL;
}

bool tcmu_name_is_valid(const char *name)
{
        return name[0] != '\0' && name[0] != '.' && strlen(name) < TCMU_NAME_MAX &&
                strspn(name, G_CSET_A_2_Z G_CSET_a_2_z G_CSET_DIGITS "._-") == strlen(name);
}

static void get_size(Transport *t, const struct tcmu_options *o, struct device_size *size)
{
        struct transport_limits limits;
        transport_limits(t, &limits);
        size->max_transfer =
                o->max_transfer ? MIN(o->max_transfer, limits.max_transfer) : limits.max_transfer;
        unsigned enough = (unsigned)((size->max_transfer * COMMANDS_AT_ONCE + (1 << 20) - 1) >> 20);
        size->buffer_mib = o->buffer_mib ? o->buffer_mib : MAX(enough, BUFFER_LEAST_MIB);
}

static void stop_serving(Tcmu *m)
{
        static const struct ring_event all = { .kind = RING_RESET };
        if (eventfd_write(m->wake, 1) == 0)
                pthread_join(m->thread, NULL);
        abort_commands(m, &all);
        notify(m);
}

static void release(Tcmu *m)
{
        close_fd(&m->wake);
        g_array_unref(m->lost);
        g_free(m);
}

static int start_serving(Tcmu *m)
{
        int r = ring_init(&m->ring, m->device.map, m->device.map_size);
        if (r < 0)
                return log_error(r, "%s: this kernel's target_core_user is one that reelfs does not know",
                        m->device.name);
        m->wake = eventfd(0, EFD_CLOEXEC);
        r = m->wake < 0 ? -errno : -pthread_create(&m->thread, NULL, serve, m);
        return r < 0 ? log_error_errno(r, "%s: cannot serve the drive", m->device.name) : 0;
}

int tcmu_start(Transport *t, const struct tcmu_options *o, Tcmu **ret)
{
        struct device_size size;
        Tcmu *m = g_new0(Tcmu, 1);
        m->transport = t;
        m->reset = o->reset;
        m->reset_target = o->reset_target;
        m->wake = -1;
        m->lost = g_array_new(FALSE, FALSE, sizeof(uint16_t));
        get_size(t, o, &size);
        int r = device_create(&m->device, o->name, &size);
        if (r < 0) {
                release(m);
                return r;
        }
        r = start_serving(m);
        if (r == 0) {
                r = device_attach(&m->device);
                if (r == 0) {
                        device_find_nodes(&m->device, &m->nodes);
                        *ret = m;
                        return 0;
                }
                device_detach(&m->device);
                stop_serving(m);
        }
        device_destroy(&m->device);
        release(m);
        return r;
}

void tcmu_get_nodes(const Tcmu *m, struct tcmu_nodes *nodes)
{
        *nodes = m->nodes;
}

void tcmu_stop(Tcmu *m)
{
        if (!m)
                return;
        device_detach(&m->device);
        stop_serving(m);
        device_destroy(&m->device);
        release(m);
}

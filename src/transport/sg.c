/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The transport over the kernel's nodes: commands by the node and the way that sg_choose found. */
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include <reelfs/log.h>
#include <reelfs/util.h>

#include "sg.h"

#define ALIGNMENT 4 /* that the SCSI layer wants of pages it maps: base and length */
#define RETURN_S 45 /* for a drive whose way was disrupted */
#define MS INT64_C(1000000)

/* ---- The way to the drive */

/* "" where sysfs is not there. */
static bool is_running(const char *state)
{
        return state[0] == '\0' || strcmp(state, "running") == 0;
}

/* SCSI device states that end by themselves; scsi_sysfs.c of Linux. */
static bool may_return(const char *state)
{
        static const char *const passing[] = { "created", "quiesce", "blocked", "created-blocked",
                "transport-offline" };
        for (size_t i = 0; i < G_N_ELEMENTS(passing); i++)
                if (strcmp(passing[i], state) == 0)
                        return true;
        return false;
}

/* After a disruption a command would fail as long as the transport layer of the kernel has no way to the
 * drive. */
static int await_return(struct sg *t)
{
        int64_t until = t->calls->now() + RETURN_S * 1000 * MS, pause = 10 * MS;
        for (;;) {
                g_autofree char *state = t->device->directory ? device_state(t->device) : g_strdup("");
                if (state && is_running(state))
                        break;
                if (!state || !may_return(state) || t->calls->now() >= until)
                        return -ENODEV;
                nanosleep(&(struct timespec){ .tv_nsec = pause }, NULL);
                pause = MIN(2 * pause, 500 * MS);
        }
        t->disrupted = false;
        return 0;
}

/* ---- Data */

static bool is_reserved(const struct sg *t, const struct iovec *iov)
{
        const uint8_t *base = iov->iov_base, *memory = t->memory;
        return base == memory && iov->iov_len <= t->memory_size;
}

static bool must_gather(const struct sg *t, const struct transport_command *c, size_t length)
{
        if (length == 0)
                return false;
        if (t->way == SG_MMAP && length >= SG_COUNTED)
                return c->iovcnt != 1 || !is_reserved(t, c->iov);
        return c->iovcnt > 1 && t->node != DEVICE_ST;
}

static bool is_aligned(const struct transport_command *c, size_t to)
{
        for (int i = 0; i < c->iovcnt; i++)
                if ((uintptr_t)c->iov[i].iov_base % to || c->iov[i].iov_len % ALIGNMENT)
                        return false;
        return true;
}

static void copy_data(const struct transport_command *c, uint8_t *memory, bool out)
{
        for (int i = 0; i < c->iovcnt; i++) {
                if (out)
                        memcpy(memory, c->iov[i].iov_base, c->iov[i].iov_len);
                else
                        memcpy(c->iov[i].iov_base, memory, c->iov[i].iov_len);
                memory += c->iov[i].iov_len;
        }
}

static int send_command(struct sg *t, struct transport_command *c, struct sg_answer *answer)
{
        int r = sg_send(t->calls, t->node, t->fds[t->node], t->way, c, answer);
        if (answer->stuck) {
                t->stuck = true;
                log_message(LOG_ERR, 0,
                        "%s: the kernel does not give a command back; the drive is not used any more",
                        t->device->nodes[t->node]);
        }
        if (r < 0 && answer->host)
                log_debug("%s: %s", t->device->nodes[t->node], sg_host_status_name(answer->host));
        return r;
}

/* In one piece of our own, or in the reserved buffer. */
static int send_gathered(struct sg *t, struct transport_command *c, size_t length, struct sg_answer *answer)
{
        if (length > t->memory_size)
                return -EMSGSIZE;
        struct iovec iov = { t->memory, length };
        struct transport_command copy = *c;
        copy.iov = &iov;
        copy.iovcnt = 1;
        if (c->direction == TRANSPORT_OUT || length < SG_COUNTED) /* what is not sent stays as it was */
                copy_data(c, t->memory, true);
        int r = send_command(t, &copy, answer);
        copy.iov = c->iov;
        copy.iovcnt = c->iovcnt;
        *c = copy;
        if (r == 0 && c->direction == TRANSPORT_IN)
                copy_data(c, t->memory, false);
        return r;
}

static void count(struct sg *t, const struct transport_command *c, bool gathered, bool direct)
{
        atomic_fetch_add_explicit(&t->transfers, 1, memory_order_relaxed);
        bool aligned = is_aligned(c, ALIGNMENT);
        if (t->way != SG_DIRECT || (!gathered && direct && aligned))
                return;
        if (!gathered && aligned && !direct && atomic_load(&t->reason) != SG_REFUSED)
                log_warning("%s: direct I/O is not in effect any more, data is copied: was "
                            "/sys/module/sg/parameters/allow_dio set to 0?",
                        t->device->nodes[t->node]);
        atomic_store(&t->reason, gathered ? SG_PIECES : aligned ? SG_REFUSED : SG_ALIGNMENT);
        atomic_fetch_add(&t->copied, 1);
}

static int transfer(struct sg *t, struct transport_command *c, size_t length)
{
        struct sg_answer answer = { 0 };
        bool gathered = must_gather(t, c, length);
        int r = gathered ? send_gathered(t, c, length, &answer) : send_command(t, c, &answer);
        if (r == -EMSGSIZE && !gathered && t->way == SG_DIRECT && !is_aligned(c, SG_PAGE)) {
                /* One segment more than there are pages. */
                gathered = true;
                r = send_gathered(t, c, length, &answer);
        }
        if (r == 0 && length >= SG_COUNTED)
                count(t, c, gathered, answer.direct);
        return r;
}

/* The kernel or the adapter does not take as much as it seemed. */
static int shrink(struct sg *t, size_t length)
{
        size_t half = length / 2 / SG_PAGE * SG_PAGE;
        if (half == 0)
                return log_error(-EIO, "%s: the kernel does not take a command of %zu bytes",
                        t->device->nodes[t->node], length);
        if (half < t->max_transfer) {
                t->max_transfer = half;
                log_notice("%s: %zu KiB are too much for one command; from now on it is %zu KiB",
                        t->device->nodes[t->node], length >> 10, half >> 10);
        }
        return -EMSGSIZE;
}

/* READ, WRITE, WRITE FILEMARKS, SPACE, LOCATE, REWIND, ERASE */
static bool moves_tape(uint8_t opcode)
{
        static const uint8_t movers[] = { 0x01, 0x08, 0x0a, 0x10, 0x11, 0x19, 0x2b, 0x91, 0x92 };
        return memchr(movers, opcode, sizeof(movers));
}

/* SPC-5, 4.4: fixed and descriptor format */
bool sg_is_attention(const struct transport_command *c)
{
        enum { UNIT_ATTENTION = 0x6 };
        if (c->status != TRANSPORT_STATUS_CHECK_CONDITION || c->sense_length < 3)
                return false;
        return (c->sense[(c->sense[0] & 0x7f) >= 0x72 ? 1 : 2] & 0x0f) == UNIT_ATTENTION;
}

static int execute(Transport *transport, struct transport_command *c)
{
        struct sg *t = (struct sg *)transport;
        size_t length = c->direction == TRANSPORT_NONE ? 0 : iov_length(c->iov, c->iovcnt);
        if (t->stuck)
                return -ENODEV;
        int r = t->disrupted ? await_return(t) : 0;
        if (r < 0)
                return r;
        r = transfer(t, c, length);
        t->disrupted = r == -ECONNRESET;
        t->silent = r < 0 && r != -EMSGSIZE;
        t->moved_tape |= moves_tape(c->cdb[0]);
        t->attention |= t->disrupted || (r == 0 && sg_is_attention(c));
        return r == -EMSGSIZE ? shrink(t, length) : r;
}

/* ---- The rest of the transport */

static void limits(Transport *transport, struct transport_limits *limits)
{
        const struct sg *t = (const struct sg *)transport;
        *limits = (struct transport_limits){
                .max_transfer = t->max_transfer, .alignment = SG_PAGE, .outlives = true
        };
}

static int lend(Transport *transport, size_t size, void **buf)
{
        struct sg *t = (struct sg *)transport;
        if (t->way != SG_MMAP)
                return -EOPNOTSUPP;
        if (size > t->memory_size)
                return -ENOMEM;
        *buf = t->memory;
        return 0;
}

/* "/dev/sg1: direct I/O, no copy of the data" */
static char *describe(Transport *transport)
{
        static const char *const ways[] = {
                [SG_COPY] = "indirect I/O, the kernel copies all data",
                [SG_DIRECT] = "direct I/O, no copy of the data",
                [SG_MMAP] = "mmap I/O, one copy into the driver's buffer",
        };
        static const char *const reasons[SG_REASONS] = {
                [SG_PIECES] = "its data was gathered from several places",
                [SG_ALIGNMENT] = "its address or length was not a multiple of 4",
                [SG_REFUSED] = "the kernel did not map the memory",
        };
        struct sg *t = (struct sg *)transport;
        uint64_t transfers = atomic_load(&t->transfers), copied = atomic_load(&t->copied);
        GString *text = g_string_new(NULL);
        g_string_append_printf(text, "%s, %s", t->device->nodes[t->node], ways[t->way]);
        if (t->why && t->way != SG_DIRECT)
                g_string_append_printf(text, "; no better way: %s", t->why);
        if (copied > 0)
                g_string_append_printf(text,
                        "; nevertheless %" PRIu64 " of %" PRIu64 " transfers copied (the last one: %s)",
                        copied, transfers, reasons[atomic_load(&t->reason)]);
        if (t->guard_error < 0 && t->device->nodes[DEVICE_ST])
                g_string_append_printf(text,
                        "; other programs can get at the drive, since %s cannot be held: %s",
                        t->device->nodes[DEVICE_ST], g_strerror(-t->guard_error));
        else if (t->fds[DEVICE_ST] < 0)
                g_string_append(text,
                        "; other programs can get at the drive, since the st driver has no node for it");
        else if (t->node != DEVICE_ST)
                g_string_append_printf(text, "; %s is held", t->device->nodes[DEVICE_ST]);
        return g_string_free(text, FALSE);
}

void sg_free(struct sg *t)
{
        if (t->memory)
                munmap(t->memory, t->memory_size);
        /* Of a drive that does not answer st would wait for hours. */
        if (t->moved_tape && !t->stuck && !t->silent)
                sg_rewind_st(t);
        /* The st node last: until then nobody else gets in. */
        close_fd(&t->fds[DEVICE_SG]);
        close_fd(&t->fds[DEVICE_BSG]);
        close_fd(&t->fds[DEVICE_ST]);
        device_free(t->device);
        g_free(t->why);
        g_free(t);
}

static void close_transport(Transport *transport)
{
        sg_free((struct sg *)transport);
}

static const struct transport_ops ops = {
        .execute = execute,
        .limits = limits,
        .lend = lend,
        .describe = describe,
        .close = close_transport,
};

struct sg *sg_new(const struct sg_calls *calls, const char *root, Device *device, enum device_node asked)
{
        struct sg *t = g_new0(struct sg, 1);
        t->transport.ops = &ops;
        t->calls = calls;
        t->root = root;
        t->device = device;
        t->asked = t->node = asked;
        t->reason = SG_PIECES;
        for (unsigned i = 0; i < DEVICE_NODES; i++)
                t->fds[i] = -1;
        return t;
}

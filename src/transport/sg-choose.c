/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which node carries the commands, and how data moves: what takes effect, not what was asked for. */
#include <errno.h>
#include <inttypes.h>
#include <scsi/sg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <reelfs/log.h>

#include "sg.h"

#define DIO_SWITCH "/sys/module/sg/parameters/allow_dio"
#define SEGMENTS_DEFAULT 128 /* what every adapter has */
#define TRANSFER_MIN (64u << 10)
#define INQUIRY_BYTES 36

struct choice {
        enum device_node node;
        enum sg_way way;
};

static const char *const way_names[] = { [SG_COPY] = "indirect", [SG_DIRECT] = "direct", [SG_MMAP] = "mmap" };

static void G_GNUC_PRINTF(2, 3) add_reason(GString *why, const char *format, ...)
{
        va_list ap;
        if (why->len > 0)
                g_string_append(why, "; ");
        va_start(ap, format);
        g_string_append_vprintf(why, format, ap);
        va_end(ap);
}

static bool dio_is_off(const struct sg *t)
{
        g_autofree char *path = g_strconcat(t->root, DIO_SWITCH, NULL);
        g_autofree char *text = NULL;
        return g_file_get_contents(path, &text, NULL, NULL) && strtol(text, NULL, 10) == 0;
}

/* ---- Memory */

static void drop_memory(struct sg *t)
{
        if (t->memory)
                munmap(t->memory, t->memory_size);
        t->memory = NULL;
        t->memory_size = 0;
}

static size_t table_bytes(const struct sg *t)
{
        int segments = (int)MIN(t->device->segments, INT16_MAX);
        if (segments == 0 && t->fds[DEVICE_SG] >= 0)
                t->calls->ioctl(t->fds[DEVICE_SG], SG_GET_SG_TABLESIZE, &segments);
        if (segments <= 0)
                segments = SEGMENTS_DEFAULT;
        return MIN((size_t)segments * SG_PAGE, SG_TRANSFER_MAX);
}

/* Single pages, the worst that the pool can be made of. */
static int take_memory(struct sg *t)
{
        size_t size = table_bytes(t);
        drop_memory(t);
        void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (memory == MAP_FAILED)
                return -errno;
        madvise(memory, size, MADV_NOHUGEPAGE);
        t->memory = memory;
        t->memory_size = size;
        return 0;
}

static int take_reserved(struct sg *t)
{
        int fd = t->fds[DEVICE_SG], size = (int)table_bytes(t);
        drop_memory(t);
        if (t->calls->ioctl(fd, SG_SET_RESERVED_SIZE, &size) < 0 ||
                t->calls->ioctl(fd, SG_GET_RESERVED_SIZE, &size) < 0)
                return -errno;
        size -= size % (int)SG_PAGE;
        if (size < (int)TRANSFER_MIN)
                return -ENOMEM;
        void *memory = mmap(NULL, (size_t)size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        if (memory == MAP_FAILED)
                return -errno;
        t->memory = memory;
        t->memory_size = (size_t)size;
        return 0;
}

/* ---- Trying */

/* INQUIRY with room for size bytes, of which the drive fills the first few. */
static int try_inquiry(struct sg *t, const struct choice *choice, size_t size, struct sg_answer *answer)
{
        struct iovec iov = { t->memory, size };
        struct transport_command c = {
                .cdb = { 0x12, 0, 0, 0, INQUIRY_BYTES, 0 },
                .cdb_length = 6,
                .direction = TRANSPORT_IN,
                .iov = &iov,
                .iovcnt = 1,
                .timeout_s = 60,
        };
        int r = sg_send(t->calls, choice->node, t->fds[choice->node], choice->way, &c, answer);
        t->stuck |= answer->stuck;
        return r;
}

/* As much as goes in one command. An adapter that dislikes what it was sent has taken it nevertheless. */
static int find_size(struct sg *t, const struct choice *choice, size_t *size, struct sg_answer *answer)
{
        int r;
        for (*size = t->memory_size; (r = try_inquiry(t, choice, *size, answer)) == -EMSGSIZE; *size /= 2)
                if (*size <= TRANSFER_MIN)
                        return r;
        *size -= *size % SG_PAGE;
        return r == -ECONNRESET ? 0 : r;
}

/* The kernel lets root only, by the st and bsg nodes, send what is not on a list of its own, and INQUIRY is
 * on it. PERSISTENT RESERVE IN, which changes nothing, is not. */
static bool is_filtered(struct sg *t, const struct choice *choice)
{
        enum { READ_KEYS_BYTES = 8 };
        struct iovec iov = { t->memory, READ_KEYS_BYTES };
        struct transport_command c = {
                .cdb = { 0x5e, 0, 0, 0, 0, 0, 0, 0, READ_KEYS_BYTES },
                .cdb_length = 10,
                .direction = TRANSPORT_IN,
                .iov = &iov,
                .iovcnt = 1,
                .timeout_s = 60,
        };
        struct sg_answer answer = { 0 };
        if (choice->node == DEVICE_SG)
                return false;
        int r = sg_send(t->calls, choice->node, t->fds[choice->node], choice->way, &c, &answer);
        t->stuck |= answer.stuck;
        t->attention |= r == 0 && sg_is_attention(&c);
        return r == -EPERM;
}

/* True: it takes effect. Else why has one more reason. */
static bool try_choice(struct sg *t, const struct choice *choice, GString *why, int *error)
{
        const char *path = t->device->nodes[choice->node];
        struct sg_answer answer;
        size_t size = 0;
        int r = path ? sg_open_node(t, choice->node) : -ENOENT;
        if (r < 0) {
                if (path)
                        add_reason(why, "%s: %s", path, g_strerror(-r));
                return false;
        }
        if (choice->node == DEVICE_SG && choice->way == SG_DIRECT && dio_is_off(t)) {
                add_reason(why, "direct I/O by %s is off, since " DIO_SWITCH " is 0", path);
                return false;
        }
        r = choice->way == SG_MMAP ? take_reserved(t) : take_memory(t);
        if (r == 0)
                r = *error = find_size(t, choice, &size, &answer);
        if (r == 0 && is_filtered(t, choice))
                r = *error = -EPERM;
        if (r < 0) {
                add_reason(why, "%s I/O by %s: %s", way_names[choice->way], path,
                        r == -EPERM ? "only for root (CAP_SYS_RAWIO)" : g_strerror(-r));
                return false;
        }
        if (choice->way == SG_DIRECT && !answer.direct) {
                add_reason(why, "direct I/O by %s: the kernel copies nevertheless", path);
                return false;
        }
        t->node = choice->node;
        t->way = choice->way;
        t->max_transfer = size;
        return true;
}

/* ---- Order */

static const struct choice by_copy[] = { { DEVICE_SG, SG_MMAP }, { DEVICE_SG, SG_COPY } };

static void add_direct(GArray *order, enum device_node asked)
{
        struct choice c = { asked, SG_DIRECT };
        g_array_append_val(order, c);
        for (unsigned i = 0; i < DEVICE_NODES; i++) {
                c.node = i;
                if (c.node != asked)
                        g_array_append_val(order, c);
        }
}

/* What io asks for, then what is next best. */
static GArray *make_order(enum device_node asked, enum transport_io io)
{
        GArray *order = g_array_new(FALSE, FALSE, sizeof(struct choice));
        if (io == TRANSPORT_IO_MMAP)
                g_array_append_val(order, by_copy[0]);
        if (io == TRANSPORT_IO_INDIRECT)
                g_array_append_val(order, by_copy[1]);
        add_direct(order, asked);
        g_array_append_vals(order, by_copy, G_N_ELEMENTS(by_copy));
        return order;
}

static void tell_copy(const struct sg *t)
{
        const char *path = t->device->nodes[t->asked];
        if (!t->tell_copy)
                return;
        if (dio_is_off(t))
                log_info("%s: echo 1 to " DIO_SWITCH
                         " as root saves a copy of all data (%s I/O by %s is used)",
                        path, way_names[t->way], t->device->nodes[t->node]);
        else
                log_info("%s: data is copied: %s", path, t->why ? t->why : "");
}

/* What was wanted and is not to be had is said once. */
static void tell(const struct sg *t, enum transport_io io)
{
        static const enum sg_way wanted[] = {
                [TRANSPORT_IO_DIRECT] = SG_DIRECT,
                [TRANSPORT_IO_MMAP] = SG_MMAP,
                [TRANSPORT_IO_INDIRECT] = SG_COPY,
        };
        if (io != TRANSPORT_IO_AUTO && wanted[io] != t->way)
                log_warning("%s: io=%s does not take effect; %s I/O by %s is used: %s",
                        t->device->nodes[t->asked], way_names[wanted[io]], way_names[t->way],
                        t->device->nodes[t->node], t->why ? t->why : "there is no sg node");
        else if (t->way != SG_DIRECT && io == TRANSPORT_IO_AUTO)
                tell_copy(t);
}

int sg_choose(struct sg *t, enum transport_io io)
{
        g_autoptr(GArray) order = make_order(t->asked, io);
        g_autoptr(GString) why = g_string_new(NULL);
        int error = -ENODEV;
        for (guint i = 0; i < order->len && !t->stuck; i++) {
                if (!try_choice(t, &g_array_index(order, struct choice, i), why, &error))
                        continue;
                g_free(t->why);
                t->why = why->len > 0 ? g_strdup(why->str) : NULL;
                tell(t, io);
                return 0;
        }
        return log_error(error, "%s: the drive cannot be reached: %s", t->device->nodes[t->asked],
                why->len > 0 ? why->str : "there is no node for it");
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <scsi/sg_unaligned.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <reelfs/fault.h>
#include <reelfs/util.h>

#include "recorder.h"

struct recorder {
        Transport transport; /* first; .ops = &recorder_ops */
        Transport *drive;    /* the virtual one itself */
        Transport *under;    /* the same, or the fault injector before it */
        struct recording *recording;
        uint64_t synchronizations;
};

static struct record *last_record(struct recording *r)
{
        return &g_array_index(r->records, struct record, r->records->len - 1);
}

static uint64_t size_of(const char *path)
{
        struct stat st;
        return stat(path, &st) < 0 ? 0 : (uint64_t)st.st_size;
}

/* The key file as it is, in memories. */
static unsigned note_memory(struct recording *r)
{
        g_autofree char *name = g_strconcat(r->path, ".cartridge", NULL);
        char *text = NULL;
        if (!g_file_get_contents(name, &text, NULL, NULL))
                text = g_strdup("");
        const char *last = r->memories->len > 0 ? r->memories->pdata[r->memories->len - 1] : NULL;
        if (last && strcmp(last, text) == 0)
                g_free(text);
        else
                g_ptr_array_add(r->memories, text);
        return r->memories->len - 1;
}

void recording_begin(struct recording *r, const char *path, uint64_t torn_at)
{
        *r = (struct recording){ .path = g_strdup(path), .torn_at = torn_at };
        g_mutex_init(&r->lock);
        r->records = g_array_new(FALSE, TRUE, sizeof(struct record));
        r->acks = g_array_new(FALSE, TRUE, sizeof(struct ack));
        r->memories = g_ptr_array_new_with_free_func(g_free);
        uint64_t size = torn_at ?: size_of(path);
        const struct record first = {
                .end_is_written = torn_at == 0,
                .untouched = torn_at > 0,
                .memory = note_memory(r),
                .size = size,
                .synced = size,
        };
        g_array_append_val(r->records, first);
}

void recording_clear(struct recording *r)
{
        g_clear_pointer(&r->path, g_free);
        g_clear_pointer(&r->records, g_array_unref);
        g_clear_pointer(&r->acks, g_array_unref);
        g_clear_pointer(&r->memories, g_ptr_array_unref);
        g_clear_pointer(&r->image, g_bytes_unref);
        g_clear_pointer(&r->objects, g_array_unref);
        g_mutex_clear(&r->lock);
}

size_t recording_commands(struct recording *r)
{
        g_mutex_lock(&r->lock);
        size_t n = r->records->len - 1;
        g_mutex_unlock(&r->lock);
        return n;
}

void recording_acknowledge(struct recording *r, unsigned step)
{
        g_mutex_lock(&r->lock);
        const struct ack a = { step, r->records->len - 1 };
        g_array_append_val(r->acks, a);
        g_mutex_unlock(&r->lock);
}

uint32_t recording_digest(const struct recording *r)
{
        uint32_t digest = 2166136261u;
        for (unsigned i = 0; i < r->records->len; i++) {
                const struct record *record = &g_array_index(r->records, struct record, i);
                const uint64_t parts[] = { record->opcode, record->size, record->step };
                for (unsigned k = 0; k < G_N_ELEMENTS(parts); k++)
                        digest = (digest ^ (uint32_t)(parts[k] ^ parts[k] >> 32)) * 16777619u;
        }
        return digest;
}

/* ---- The transport */

/* A drive writes the end of data when it stops writing to go elsewhere; not when it only flushes its buffer.
 */
static bool moves_tape(uint8_t opcode)
{
        static const uint8_t moving[] = { 0x01 /* REWIND */, 0x08 /* READ */, 0x11, 0x91 /* SPACE */,
                0x1b /* UNLOAD */, 0x2b, 0x92 /* LOCATE */ };
        return memchr(moving, opcode, sizeof(moving));
}

static void note(struct recorder *t, const struct transport_command *c)
{
        struct recording *r = t->recording;
        struct virtual_statistics s;
        virtual_statistics(t->drive, &s);
        g_mutex_lock(&r->lock);
        struct record now = *last_record(r);
        now.opcode = c->cdb[0];
        now.step = atomic_load(&r->step);
        r->touched = r->touched || s.writes + s.filemarks > 0;
        now.untouched = r->torn_at > 0 && !r->touched;
        now.size = now.untouched ? r->torn_at : size_of(r->path);
        now.memory = note_memory(r);
        if (now.size < last_record(r)->size)
                r->overwritten = true;
        if (now.size > last_record(r)->size)
                now.end_is_written = false;
        if (s.synchronizations > t->synchronizations)
                now.synced = now.size;
        if (moves_tape(now.opcode) && c->status == TRANSPORT_STATUS_GOOD && !now.untouched)
                now.end_is_written = true;
        t->synchronizations = s.synchronizations;
        g_array_append_val(r->records, now);
        g_mutex_unlock(&r->lock);
}

static void lose(struct recorder *t)
{
        struct recording *r = t->recording;
        uint64_t buffered = virtual_buffered(t->drive);
        if (!r->loss || buffered == 0 || recording_commands(r) < r->loss_at)
                return;
        struct virtual_loss how = r->loss->how;
        how.objects = MAX(buffered * r->loss->percent / 100, 1);
        virtual_lose(t->drive, &how);
        r->loss = NULL;
        r->struck++;
}

static int recorder_execute(Transport *t, struct transport_command *c)
{
        struct recorder *recorder = (struct recorder *)t;
        struct recording *recording = recorder->recording;
        lose(recorder);
        if (recording->before)
                recording->before(recording->before_ctx);
        int r = transport_execute(recorder->under, c);
        note(recorder, c);
        return r;
}

static void recorder_limits(Transport *t, struct transport_limits *limits)
{
        transport_limits(((struct recorder *)t)->under, limits);
}

static void recorder_close(Transport *t)
{
        struct recorder *recorder = (struct recorder *)t;
        struct fault_statistics s;
        if (recorder->under != recorder->drive && fault_statistics(recorder->under, 1, &s) == 0)
                recorder->recording->struck += (unsigned)s.fired;
        transport_close(recorder->under);
        g_free(recorder);
}

static const struct transport_ops recorder_ops = {
        .execute = recorder_execute,
        .limits = recorder_limits,
        .close = recorder_close,
};

int recording_open(struct recording *r, const char *rules, Transport **ret)
{
        Transport *drive, *under;
        int error = virtual_open(r->path, false, &drive);
        if (error < 0)
                return error;
        error = fault_wrap(drive, rules ?: "", "crash test", &under);
        if (error < 0) {
                transport_close(drive);
                return error;
        }
        struct recorder *t = g_new0(struct recorder, 1);
        t->transport.ops = &recorder_ops;
        t->drive = drive;
        t->under = under;
        t->recording = r;
        *ret = &t->transport;
        return 0;
}

/* ---- Images */

#define TAP_LENGTH_MASK 0x0fffffffu
#define TAP_BAD 0x80000000u

static uint32_t word_at(const uint8_t *data, uint64_t offset)
{
        return (uint32_t)sg_get_unaligned_le(4, data + offset);
}

static void find_objects(struct recording *r)
{
        gsize size;
        const uint8_t *data = g_bytes_get_data(r->image, &size);
        uint64_t at = 0;
        r->objects = g_array_new(FALSE, FALSE, sizeof(uint64_t));
        while (at + 4 <= size) {
                uint32_t length = word_at(data, at) & TAP_LENGTH_MASK;
                uint64_t next = at + 4 + (length > 0 ? (length + 1u) / 2 * 2 + 4 : 0);
                if (next > size)
                        break;
                g_array_append_val(r->objects, at);
                at = next;
        }
        g_array_append_val(r->objects, at);
}

void recording_end(struct recording *r)
{
        char *data;
        gsize size;
        g_assert(g_file_get_contents(r->path, &data, &size, NULL));
        r->image = g_bytes_new_take(data, size);
        find_objects(r);
}

/* What a drive that loses its power in the midst of a block leaves: something that is no object. */
static int put_tail(int fd, const struct recording *r, uint64_t size, enum tail tail)
{
        static const uint8_t mark[] = { 0xfe, 0xfe };
        gsize whole;
        const uint8_t *data = g_bytes_get_data(r->image, &whole);
        uint32_t length = size + 4 <= whole ? (word_at(data, size) & TAP_LENGTH_MASK) / 2 : 0;
        uint8_t header[4];
        int error = 0;
        if (tail == TAIL_END)
                return 0;
        if (tail == TAIL_TORN && length > 0) {
                sg_put_unaligned_le32(TAP_BAD | length, header);
                error = pwrite_all(fd, header, 4, size);
                size += 4 + (length + 1u) / 2 * 2;
                if (error == 0)
                        error = pwrite_all(fd, header, 4, size);
                size += 4;
        }
        return error ?: pwrite_all(fd, mark, sizeof(mark), size);
}

int recording_make(
        const struct recording *r, const char *path, uint64_t size, enum tail tail, unsigned memory)
{
        g_autofree char *name = g_strconcat(path, ".cartridge", NULL);
        autofd fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
        if (fd < 0)
                return -errno;
        int error = pwrite_all(fd, g_bytes_get_data(r->image, NULL), size, 0);
        if (error == 0)
                error = put_tail(fd, r, size, tail);
        if (error == 0 && !g_file_set_contents(name, r->memories->pdata[memory], -1, NULL))
                error = -EIO;
        return error;
}

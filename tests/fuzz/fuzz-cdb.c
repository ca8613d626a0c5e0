/* SPDX-License-Identifier: GPL-2.0-or-later */
/* CDBs for the virtual drive: a byte chooses the cartridge and, with bit 7, has its power cut at the end;
 * then each command is
 *
 *   1 byte   bits 0-1: direction (3: a reset instead); bits 2-3: pieces of the buffer, less one; bit 4: the
 *            CDB has another length than its operation code says; bit 5: from the second initiator; bit 6:
 * the drive loses something of its buffer first 2 bytes  little-endian: length of the buffer 6-16     the CDB
 *
 * and, if it writes, data for at most DATA_MAX bytes of each piece. What can be read in the end can be read
 * from the file by another drive as well. */
#include <reelfs/util.h>

#include "drive.h"

#define BUFFER_MAX 16384
#define DATA_MAX 64
#define COMMANDS_MAX 100

static const struct virtual_cartridge cartridges[] = {
        { .capacity = 64 << 10, .early_warning = 16 << 10 },
        { .capacity = 64 << 10, .early_warning = 16 << 10, .write_protected = true },
        { .capacity = 64 << 10, .early_warning = 16 << 10, .lacks = VIRTUAL_NO_VARIABLE, .fixed_block = 512 },
        { .capacity = 1 << 20, .lacks = VIRTUAL_NO_ANYTHING & ~VIRTUAL_NO_VARIABLE, .max_transfer = 1000 },
        { .max_transfer = 1 << 20 },
        { .max_transfer = 1 << 20, .worm = true, .capacity = 64 << 10, .filemark_size = 1000 },
        { .max_transfer = 1 << 20, .append_only = true, .remains = true, .descriptor_sense = true },
};
static char *directory, *paths[G_N_ELEMENTS(cartridges)], *key_texts[G_N_ELEMENTS(cartridges)], *plain_path;

static void remove_directory(void)
{
        g_autofree char *plain_key_file = g_strconcat(plain_path, ".cartridge", NULL);
        g_unlink(plain_path);
        g_unlink(plain_key_file);
        for (size_t i = 0; i < G_N_ELEMENTS(cartridges); i++) {
                g_autofree char *key_file = g_strconcat(paths[i], ".cartridge", NULL);
                g_autofree char *remains = g_strconcat(paths[i], ".remains", NULL);
                g_unlink(key_file);
                g_unlink(remains);
                g_unlink(paths[i]);
        }
        g_rmdir(directory);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
        discard_messages();
        directory = g_dir_make_tmp("reelfs-fuzz-XXXXXX", NULL);
        g_assert_nonnull(directory);
        plain_path = g_build_filename(directory, "plain", NULL);
        for (size_t i = 0; i < G_N_ELEMENTS(cartridges); i++) {
                paths[i] = g_strdup_printf("%s/%zu", directory, i);
                g_assert_cmpint(virtual_create(paths[i], &cartridges[i]), ==, 0);
                g_autofree char *key_file = g_strconcat(paths[i], ".cartridge", NULL);
                g_assert_true(g_file_get_contents(key_file, &key_texts[i], NULL, NULL));
        }
        atexit(remove_directory);
        return 0;
}

static size_t cdb_length(uint8_t opcode)
{
        static const size_t lengths[8] = { 6, 10, 10, 6, 16, 12, 6, 6 }; /* SPC-5, 4.2.5.1 */
        return lengths[opcode >> 5];
}

/* So many filemarks that the tape stays short. */
static void limit_filemarks(uint8_t *cdb)
{
        if (cdb[0] == 0x10)
                cdb[2] = cdb[3] = 0;
        else if (cdb[0] == 0x80)
                cdb[12] = cdb[13] = 0;
}

static void check_answer(const struct transport_command *c, size_t size)
{
        bool check = c->status == TRANSPORT_STATUS_CHECK_CONDITION;
        g_assert_true(check || c->status == TRANSPORT_STATUS_GOOD ||
                c->status == TRANSPORT_STATUS_RESERVATION_CONFLICT);
        g_assert_true(check == (c->sense_length > 0));
        g_assert_cmpuint(c->sense_length, <=, TRANSPORT_SENSE_MAX);
        g_assert_cmpuint(c->residual, <=, size);
}

/* The pieces are allocated one by one, so that writing over the end of any is seen. */
static void run(Transport *t, struct input *in)
{
        uint8_t flags = take_byte(in);
        size_t size = take_16(in) % (BUFFER_MAX + 1);
        struct iovec iov[4];
        struct transport_command c = { .direction = flags & 3,
                .iov = iov,
                .iovcnt = size > 0 ? 1 + (flags >> 2 & 3) : 0,
                .timeout_s = 1 };
        c.cdb[0] = take_byte(in);
        c.cdb_length = cdb_length(c.cdb[0]);
        for (size_t i = 1; i < c.cdb_length; i++)
                c.cdb[i] = take_byte(in);
        limit_filemarks(c.cdb);
        if (flags & 0x10)
                c.cdb_length = c.cdb_length == 16 ? 6 : 16;
        virtual_set_initiator(t, flags & 0x20 ? 2 : 1);
        if (flags & 0x40)
                virtual_lose(t,
                        &(struct virtual_loss){ .objects = c.cdb[2] & 3,
                                .commands = c.cdb[3] & 3,
                                .tail = c.cdb[4] & 1 ? VIRTUAL_TAIL_NONE : VIRTUAL_TAIL_END,
                                .current = c.cdb[4] & 2,
                                .fence = c.cdb[4] & 4 });
        if (c.direction == 3)
                return virtual_reset(t);
        for (int i = 0; i < c.iovcnt; i++) {
                size_t part = i + 1 < c.iovcnt ? size / (size_t)c.iovcnt : size - iov_length(iov, i);
                iov[i] = (struct iovec){ g_malloc0(MAX(part, 1)), part };
                for (size_t k = 0; c.direction == TRANSPORT_OUT && k < MIN(part, (size_t)DATA_MAX); k++)
                        ((uint8_t *)iov[i].iov_base)[k] = take_byte(in);
        }
        int r = transport_execute(t, &c);
        g_assert_true(r == 0 || r == -EINVAL);
        if (r == 0)
                check_answer(&c, size);
        for (int i = 0; i < c.iovcnt; i++)
                g_free(iov[i].iov_base);
}

static void take_attentions(struct fixture *f)
{
        while (none(f, CDB(0, 0, 0, 0, 0, 0)) >> 16 == 0x06)
                ;
}

/* A loss may be reported instead, once. */
static void reserve_out(struct fixture *f, uint8_t action)
{
        uint8_t list[24] = { [7] = 1, [15] = 1 };
        const uint8_t cdb[] = { 0x5f, action, 0, 0, 0, 0, 0, 0, sizeof(list), 0 };
        uint32_t code = out(f, list, sizeof(list), cdb, sizeof(cdb));
        if ((code & 0xffffff) == 0x030c00)
                code = out(f, list, sizeof(list), cdb, sizeof(cdb));
        g_assert_cmphex(code, ==, GOOD);
}

/* A reset has taken what RESERVE reserved; the rest is cleared by who registers for that. */
static void clear_reservations(struct fixture *f)
{
        virtual_set_initiator(f->t, 1);
        take_attentions(f);
        reserve_out(f, 6);
        reserve_out(f, 3);
}

/* Loaded, rewound, modes as at power on. */
static void make_ready(struct fixture *f)
{
        virtual_reset(f->t);
        take_attentions(f);
        clear_reservations(f);
        none(f, CDB(0x01, 0, 0, 0, 0, 0)); /* a loss is reported */
        none(f, CDB(0, 0, 0, 0, 0, 0));
        if (sense(f) != 0x023a00)
                return;
        g_assert_cmphex(none(f, CDB(0x1b, 0, 0, 0, 1, 0)), ==, GOOD);
        g_assert_cmphex(none(f, CDB(0, 0, 0, 0, 0, 0)), ==, 0x062800);
}

/* how: 0 to 15. */
static void cut_power(struct fixture *f, unsigned how)
{
        const struct virtual_cut cut = { .lost = how & 1 ? 1 : 0,
                .tail = (enum virtual_tail)(how >> 1 & 3),
                .memory = (enum virtual_memory)(how % 3) };
        if (how < 8)
                g_assert_cmpint(virtual_power_cut(f->t, how / 7.0), ==, 0);
        else
                g_assert_cmpint(virtual_cut(f->t, &cut), ==, 0);
}

/* The same file in a drive that lacks nothing. expected: what is to be there, or NULL. */
static void read_elsewhere(const char *path, const GByteArray *expected)
{
        struct fixture f = { .path = plain_path };
        g_autoptr(GByteArray) content = g_byte_array_new();
        g_unlink(plain_path);
        g_assert_cmpint(link(path, plain_path), ==, 0);
        g_assert_cmpint(drive_open(&f), ==, 0);
        walk(&f, content);
        if (expected)
                g_assert_cmpmem(content->data, content->len, expected->data, expected->len);
        transport_close(f.t);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        struct input in = { data, size };
        uint8_t first = take_byte(&in);
        size_t which = first % G_N_ELEMENTS(cartridges);
        struct fixture f = { .path = paths[which] };
        g_autoptr(GByteArray) content = NULL;
        g_autofree char *key_file = g_strconcat(f.path, ".cartridge", NULL);
        g_assert_cmpint(truncate(f.path, 0), ==, 0);
        g_assert_true(g_file_set_contents(key_file, key_texts[which], -1, NULL));
        g_assert_cmpint(virtual_open(f.path, false, &f.t), ==, 0);
        for (unsigned i = 0; i < COMMANDS_MAX && in.left > 0; i++)
                run(f.t, &in);
        if (first & 0x80) {
                cut_power(&f, first >> 3 & 15);
        } else if (!cartridges[which].lacks) {
                content = g_byte_array_new();
                make_ready(&f);
                walk(&f, content);
        }
        transport_close(f.t);
        read_elsewhere(f.path, content);
        return 0;
}

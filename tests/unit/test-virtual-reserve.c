/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reservations of the virtual drive, between two initiators. */
#include "virtual-fixture.h"

static const struct virtual_cartridge plain = { .barcode = "TST001L8" };

enum { REGISTER, RESERVE, RELEASE, CLEAR, PREEMPT, PREEMPT_AND_ABORT, REGISTER_AND_IGNORE };
enum { WRITE_EXCLUSIVE = 1, EXCLUSIVE = 3, EXCLUSIVE_RO = 6 };
enum { KEY_A = 0xaaaa, KEY_B = 0xbbbb };

static void as(struct fixture *f, unsigned initiator)
{
        virtual_set_initiator(f->t, initiator);
}

/* Takes the unit attention of the load. */
static void enter(struct fixture *f, unsigned initiator)
{
        as(f, initiator);
        g_assert_cmphex(none(f, CDB(0, 0, 0, 0, 0, 0)), ==, 0x062800);
}

static uint32_t order_flags(
        struct fixture *f, uint8_t action, uint8_t type, uint64_t key, uint64_t action_key, uint8_t flags)
{
        uint8_t list[24] = { [20] = flags };
        sg_put_unaligned_be64(key, list);
        sg_put_unaligned_be64(action_key, list + 8);
        return out(f, list, sizeof(list), CDB(0x5f, action, type, 0, 0, 0, 0, 0, 24, 0));
}

static uint32_t order(struct fixture *f, uint8_t action, uint8_t type, uint64_t key, uint64_t action_key)
{
        return order_flags(f, action, type, key, action_key, 0);
}

static uint32_t ready(struct fixture *f)
{
        return none(f, CDB(0, 0, 0, 0, 0, 0));
}

static uint32_t ask(struct fixture *f, uint8_t action, uint8_t *data, uint8_t size)
{
        return in(f, data, size, CDB(0x5e, action, 0, 0, 0, 0, 0, 0, size, 0));
}

static size_t registered(struct fixture *f)
{
        uint8_t data[200];
        g_assert_cmphex(ask(f, 0, data, 200), ==, GOOD);
        return sg_get_unaligned_be32(data + 4) / 8;
}

/* The key of who holds the reservation; 0: nobody. */
static uint64_t holder(struct fixture *f, uint8_t *type)
{
        uint8_t data[64];
        g_assert_cmphex(ask(f, 1, data, 64), ==, GOOD);
        if (sg_get_unaligned_be32(data + 4) == 0)
                return 0;
        *type = data[8 + 13];
        return sg_get_unaligned_be64(data + 8);
}

/* Both are there; A is registered and has it reserved. */
static void reserve(struct fixture *f, uint8_t type)
{
        fixture_create(f, &plain);
        enter(f, 2);
        as(f, 1);
        g_assert_cmphex(order(f, REGISTER, 0, 0, KEY_A), ==, GOOD);
        g_assert_cmphex(order(f, RESERVE, type, KEY_A, 0), ==, GOOD);
}

static void test_legacy(void)
{
        struct fixture f;
        uint8_t data[36];
        fixture_create(&f, &plain);
        enter(&f, 2);
        as(&f, 1);
        g_assert_cmphex(none(&f, CDB(0x16, 0, 0, 0, 0, 0)), ==, GOOD);
        g_assert_cmphex(none(&f, CDB(0x56, 0, 0, 0, 0, 0, 0, 0, 0, 0)), ==, GOOD);
        g_assert_cmphex(write_block(&f, 10, 1), ==, GOOD);
        g_assert_cmphex(order(&f, REGISTER, 0, 0, KEY_A), ==, CONFLICT);
        as(&f, 2);
        g_assert_cmphex(ready(&f), ==, CONFLICT);
        g_assert_cmphex(read_any(&f), ==, CONFLICT);
        g_assert_cmphex(none(&f, CDB(0x16, 0, 0, 0, 0, 0)), ==, CONFLICT);
        g_assert_cmphex(none(&f, CDB(0x17, 0, 0, 0, 0, 0)), ==, GOOD); /* but nothing is released */
        g_assert_cmphex(ready(&f), ==, CONFLICT);
        g_assert_cmphex(in(&f, data, 36, CDB(0x12, 0, 0, 0, 36, 0)), ==, GOOD);
        g_assert_cmphex(in(&f, data, 36, CDB(0x4d, 0, 0x40, 0, 0, 0, 0, 0, 36, 0)), ==, GOOD);
        g_assert_cmphex(none(&f, CDB(0x1e, 0, 0, 0, 1, 0)), ==, CONFLICT);
        g_assert_cmphex(none(&f, CDB(0x1e, 0, 0, 0, 0, 0)), ==, GOOD);
        /* The host dies, another one opens the drive: it is still reserved. */
        transport_close(g_steal_pointer(&f.t));
        g_assert_cmpint(virtual_open(f.path, false, &f.t), ==, 0);
        as(&f, 2);
        g_assert_cmphex(ready(&f), ==, 0x062800);
        g_assert_cmphex(ready(&f), ==, CONFLICT);
        virtual_reset(f.t);
        g_assert_cmphex(ready(&f), ==, 0x062900);
        g_assert_cmphex(none(&f, CDB(0x16, 0, 0, 0, 0, 0)), ==, GOOD);
        g_assert_cmphex(none(&f, CDB(0x57, 0, 0, 0, 0, 0, 0, 0, 0, 0)), ==, GOOD);
        as(&f, 1);
        g_assert_cmphex(ready(&f), ==, 0x062900);
        g_assert_cmphex(ready(&f), ==, 0x062800);
        g_assert_cmphex(order(&f, REGISTER, 0, 0, KEY_A), ==, GOOD);
        g_assert_cmphex(none(&f, CDB(0x16, 0, 0, 0, 0, 0)), ==, CONFLICT);
        fixture_clear(&f);
}

static void test_register(void)
{
        struct fixture f;
        uint8_t data[64], type;
        fixture_create(&f, &plain);
        enter(&f, 2);
        as(&f, 1);
        g_assert_cmphex(order(&f, RESERVE, EXCLUSIVE, KEY_A, 0), ==, CONFLICT);
        g_assert_cmphex(order(&f, REGISTER, 0, KEY_A, KEY_A), ==, CONFLICT);
        g_assert_cmphex(order(&f, REGISTER, 0, 0, 0), ==, GOOD);
        g_assert_cmpuint(registered(&f), ==, 0);
        g_assert_cmphex(order(&f, REGISTER, 0, 0, KEY_A), ==, GOOD);
        g_assert_cmphex(order(&f, REGISTER, 0, 0, KEY_B), ==, CONFLICT);
        g_assert_cmphex(order(&f, REGISTER_AND_IGNORE, 0, 0, KEY_B), ==, GOOD);
        g_assert_cmphex(order(&f, REGISTER, 0, KEY_B, KEY_A), ==, GOOD);
        as(&f, 2);
        g_assert_cmphex(order(&f, REGISTER_AND_IGNORE, 0, 77, KEY_B), ==, GOOD);
        g_assert_cmphex(ask(&f, 0, data, 64), ==, GOOD);
        g_assert_cmpuint(sg_get_unaligned_be32(data), ==, 4);
        g_assert_cmpuint(sg_get_unaligned_be32(data + 4), ==, 16);
        g_assert_cmpuint(sg_get_unaligned_be64(data + 8), ==, KEY_A);
        g_assert_cmpuint(sg_get_unaligned_be64(data + 16), ==, KEY_B);
        g_assert_cmphex(ask(&f, 2, data, 64), ==, GOOD);
        g_assert_cmpmem(data, 6, ((uint8_t[]){ 0, 8, 0x01, 0x80, 0x6a, 0 }), 6);
        g_assert_cmphex(order(&f, REGISTER, 0, KEY_B, 0), ==, GOOD);
        g_assert_cmpuint(registered(&f), ==, 1);
        g_assert_cmpuint(holder(&f, &type), ==, 0);
        fixture_clear(&f);
}

/* Who holds it may do everything; of the others, registered ones as the type says. */
static void test_conflicts(void)
{
        static const uint8_t types[] = { WRITE_EXCLUSIVE, EXCLUSIVE, 5, EXCLUSIVE_RO };
        for (size_t i = 0; i < G_N_ELEMENTS(types); i++) {
                struct fixture f;
                uint8_t data[64], type;
                bool registrants = types[i] >= 5;
                reserve(&f, types[i]);
                g_assert_cmphex(order(&f, RESERVE, types[i], KEY_A, 0), ==, GOOD); /* again */
                g_assert_cmphex(order(&f, RESERVE, types[i] == 3 ? 1 : 3, KEY_A, 0), ==, CONFLICT);
                g_assert_cmphex(write_block(&f, 10, 1), ==, GOOD);
                g_assert_cmphex(rewind_tape(&f), ==, GOOD);
                as(&f, 2);
                g_assert_cmphex(ready(&f), ==, GOOD);
                g_assert_cmphex(in(&f, data, 6, CDB(0x05, 0, 0, 0, 0, 0)), ==, GOOD);
                g_assert_cmphex(read_any(&f), ==, CONFLICT);
                g_assert_cmphex(write_block(&f, 10, 1), ==, CONFLICT);
                g_assert_cmphex(order(&f, RESERVE, types[i], KEY_B, 0), ==, CONFLICT);
                g_assert_cmphex(order(&f, REGISTER, 0, 0, KEY_B), ==, GOOD);
                g_assert_cmphex(read_any(&f), ==, registrants ? GOOD : CONFLICT);
                g_assert_cmphex(order(&f, RESERVE, types[i], KEY_B, 0), ==, CONFLICT);
                g_assert_cmphex(order(&f, RELEASE, types[i], KEY_B, 0), ==, GOOD); /* of nothing */
                g_assert_cmpuint(holder(&f, &type), ==, KEY_A);
                g_assert_cmpuint(type, ==, types[i]);
                as(&f, 1);
                g_assert_cmphex(order(&f, RELEASE, types[i] == 3 ? 1 : 3, KEY_A, 0), ==, 0x052604);
                g_assert_cmphex(order(&f, RELEASE, types[i], KEY_A, 0), ==, GOOD);
                as(&f, 2);
                if (registrants)
                        g_assert_cmphex(ready(&f), ==, 0x062a04);
                g_assert_cmphex(write_block(&f, 10, 1), ==, GOOD);
                fixture_clear(&f);
        }
}

static void test_unregister_releases(void)
{
        struct fixture f;
        uint8_t type;
        reserve(&f, EXCLUSIVE_RO);
        as(&f, 2);
        g_assert_cmphex(order(&f, REGISTER, 0, 0, KEY_B), ==, GOOD);
        as(&f, 1);
        g_assert_cmphex(order(&f, REGISTER, 0, KEY_A, 0), ==, GOOD);
        g_assert_cmpuint(holder(&f, &type), ==, 0);
        as(&f, 2);
        g_assert_cmphex(ready(&f), ==, 0x062a04);
        fixture_clear(&f);
}

static void test_clear(void)
{
        struct fixture f;
        uint8_t type;
        reserve(&f, EXCLUSIVE);
        as(&f, 2);
        g_assert_cmphex(order(&f, CLEAR, 0, KEY_B, 0), ==, CONFLICT);
        g_assert_cmphex(order(&f, REGISTER, 0, 0, KEY_B), ==, GOOD);
        g_assert_cmphex(order(&f, CLEAR, 0, KEY_B, 0), ==, GOOD);
        g_assert_cmpuint(registered(&f), ==, 0);
        g_assert_cmpuint(holder(&f, &type), ==, 0);
        as(&f, 1);
        g_assert_cmphex(ready(&f), ==, 0x062a03);
        g_assert_cmphex(ready(&f), ==, GOOD);
        fixture_clear(&f);
}

static void test_preempt(void)
{
        struct fixture f;
        uint8_t type, data[120];
        reserve(&f, EXCLUSIVE);
        as(&f, 2);
        g_assert_cmphex(order(&f, REGISTER, 0, 0, KEY_B), ==, GOOD);
        g_assert_cmphex(order(&f, PREEMPT, EXCLUSIVE, KEY_B, 0), ==, 0x052600);
        g_assert_cmphex(order(&f, PREEMPT, EXCLUSIVE, KEY_B, 77), ==, CONFLICT);
        g_assert_cmphex(order(&f, PREEMPT, WRITE_EXCLUSIVE, KEY_B, KEY_A), ==, GOOD);
        g_assert_cmpuint(holder(&f, &type), ==, KEY_B);
        g_assert_cmpuint(type, ==, WRITE_EXCLUSIVE);
        g_assert_cmphex(ask(&f, 3, data, 120), ==, GOOD);
        g_assert_cmpuint(sg_get_unaligned_be32(data + 4), ==, 48);
        g_assert_cmpuint(sg_get_unaligned_be64(data + 8), ==, KEY_B);
        g_assert_cmpmem(data + 20, 2, ((uint8_t[]){ 1, WRITE_EXCLUSIVE }), 2);
        g_assert_cmpuint(data[8 + 24], ==, 0x06);
        g_assert_cmpuint(data[8 + 24 + 11], ==, 2);
        as(&f, 1);
        g_assert_cmphex(ready(&f), ==, 0x062a05);
        g_assert_cmphex(write_block(&f, 10, 1), ==, CONFLICT);
        /* Of who does not hold it, a registration only. And with one key for both, one's own stays. */
        g_assert_cmphex(order(&f, REGISTER, 0, 0, KEY_A), ==, GOOD);
        as(&f, 2);
        g_assert_cmphex(order(&f, PREEMPT_AND_ABORT, EXCLUSIVE, KEY_B, KEY_A), ==, GOOD);
        g_assert_cmpuint(holder(&f, &type), ==, KEY_B);
        g_assert_cmpuint(type, ==, WRITE_EXCLUSIVE);
        as(&f, 1);
        g_assert_cmphex(ready(&f), ==, 0x062a05);
        g_assert_cmphex(order(&f, REGISTER, 0, 0, KEY_B), ==, GOOD);
        g_assert_cmphex(order(&f, PREEMPT, EXCLUSIVE, KEY_B, KEY_B), ==, GOOD);
        g_assert_cmpuint(registered(&f), ==, 1);
        g_assert_cmphex(write_block(&f, 10, 1), ==, GOOD);
        fixture_clear(&f);
}

/* Registrations outlive the process, and a loss of power if that was asked for. */
static void test_persistence(void)
{
        for (uint8_t aptpl = 0; aptpl < 2; aptpl++) {
                struct fixture f;
                uint8_t type, data[8];
                reserve(&f, EXCLUSIVE);
                g_assert_cmphex(order_flags(&f, REGISTER, 0, KEY_A, KEY_A, aptpl), ==, GOOD);
                fixture_reopen(&f);
                g_assert_cmpuint(holder(&f, &type), ==, KEY_A);
                g_assert_cmphex(write_block(&f, 10, 1), ==, GOOD);
                enter(&f, 2);
                g_assert_cmphex(write_block(&f, 10, 1), ==, CONFLICT);
                virtual_reset(f.t);
                g_assert_cmphex(ready(&f), ==, 0x062900);
                g_assert_cmphex(write_block(&f, 10, 1), ==, CONFLICT);
                g_assert_cmpint(virtual_power_cut(f.t, 1), ==, 0);
                fixture_reopen(&f);
                g_assert_cmpuint(holder(&f, &type), ==, aptpl ? KEY_A : 0);
                g_assert_cmphex(ask(&f, 2, data, 8), ==, GOOD);
                g_assert_cmphex(data[3], ==, 0x80 | aptpl);
                fixture_clear(&f);
        }
}

static void test_initiator_setting(void)
{
        struct fixture f;
        reserve(&f, EXCLUSIVE);
        transport_close(g_steal_pointer(&f.t));
        g_autofree char *name = g_strconcat(f.path, ".cartridge", NULL);
        g_autoptr(GKeyFile) file = g_key_file_new();
        g_assert_true(g_key_file_load_from_file(file, name, G_KEY_FILE_NONE, NULL));
        g_key_file_set_integer(file, "test", "initiator", 3);
        g_assert_true(g_key_file_save_to_file(file, name, NULL));
        fixture_open(&f, false);
        g_assert_cmphex(write_block(&f, 10, 1), ==, CONFLICT);
        fixture_clear(&f);
}

static void test_refused(void)
{
        struct fixture f;
        uint8_t list[24] = { 0 };
        reserve(&f, EXCLUSIVE);
        g_assert_cmphex(out(&f, list, 23, CDB(0x5f, 0, 0, 0, 0, 0, 0, 0, 23, 0)), ==, 0x051a00);
        g_assert_cmphex(order(&f, 7, 0, KEY_A, 0), ==, 0x052400);
        g_assert_cmphex(order(&f, RESERVE, 7, KEY_A, 0), ==, 0x052400);
        g_assert_cmphex(order(&f, RESERVE, 0x13, KEY_A, 0), ==, 0x052400);
        g_assert_cmphex(order_flags(&f, REGISTER, 0, KEY_A, KEY_A, 0x08), ==, 0x052600);
        g_assert_cmpuint(sg_get_unaligned_be16(f.c.sense + 16), ==, 20);
        g_assert_cmphex(order_flags(&f, RELEASE, EXCLUSIVE, KEY_A, 0, 0x01), ==, 0x052600);
        g_assert_cmphex(none(&f, CDB(0x5e, 4, 0, 0, 0, 0, 0, 0, 0, 0)), ==, 0x052400);
        fixture_clear(&f);
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/virtual-reserve/legacy", test_legacy);
        g_test_add_func("/virtual-reserve/register", test_register);
        g_test_add_func("/virtual-reserve/conflicts", test_conflicts);
        g_test_add_func("/virtual-reserve/unregister-releases", test_unregister_releases);
        g_test_add_func("/virtual-reserve/clear", test_clear);
        g_test_add_func("/virtual-reserve/preempt", test_preempt);
        g_test_add_func("/virtual-reserve/persistence", test_persistence);
        g_test_add_func("/virtual-reserve/initiator-setting", test_initiator_setting);
        g_test_add_func("/virtual-reserve/refused", test_refused);
        return g_test_run();
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Each operation of the tape layer, each fault, at each command of the operation: nothing gets onto the tape
 * twice, no gap is left, nothing is lost that was said to be written, and afterwards the position is the
 * right one, or known not to be known. */
#include "fault-rig.h"
#include "memory-directory.h"

#define ADDED 100  /* the first block that an operation writes */
#define AFTER 200  /* a block written after it */
#define LAST 201   /* a block written when the end of data has been looked for */
#define READ_AT 4u /* four blocks are there */
#define READ_FIRST 13

/* What the operation under test has come to. */
struct result {
        int error;
        size_t done; /* objects written, or blocks read */
};

struct operation {
        const char *name;
        void (*run)(struct rig *r, struct result *result);
        int adds[6];    /* what it writes; 0: no more */
        uint64_t at;    /* where it leaves the tape when all goes well; 0 with adds: behind them */
        bool from_read; /* begins at READ_AT */
};

/* ---- Operations */

static void op_write(struct rig *r, struct result *result)
{
        result->error = rig_write(r, ADDED, 6, &result->done);
}

static void op_write_block(struct rig *r, struct result *result)
{
        uint8_t data[100];
        struct iovec iov = { data, sizeof(data) };
        fill_block(data, sizeof(data), ADDED);
        result->error = tape_write_block(r->tape, &iov, 1, NULL);
        result->done = result->error == 0;
}

static void op_filemarks(struct rig *r, struct result *result)
{
        result->error = tape_write_filemarks(r->tape, 2, true, NULL);
        result->done = result->error == 0 ? 2 : 0;
}

static void op_synchronize(struct rig *r, struct result *result)
{
        result->error = tape_write_filemarks(r->tape, 1, false, NULL);
        result->done = result->error == 0;
}

static void check_read(const uint8_t *data, size_t bytes)
{
        g_assert_cmpuint(bytes % BLOCK, ==, 0);
        for (unsigned i = 0; i < bytes / BLOCK; i++)
                g_assert_cmpint((int)sg_get_unaligned_be32(data + i * BLOCK), ==, READ_FIRST + (int)i);
}

/* A drive that says that the medium ends is believed. */
static void end_of_read(struct result *result, enum tape_outcome outcome)
{
        if (result->error < 0)
                return;
        if (outcome == TAPE_END_OF_MEDIUM)
                result->error = -ENODATA;
        else
                g_assert_cmpint(outcome, ==, TAPE_GOOD);
}

static void op_read(struct rig *r, struct result *result)
{
        uint8_t data[4 * BLOCK];
        enum tape_outcome outcome;
        size_t bytes;
        result->error = tape_read(r->tape, data, sizeof(data), &bytes, &outcome);
        check_read(data, bytes);
        end_of_read(result, outcome);
        if (result->error == 0)
                g_assert_cmpuint(bytes, ==, sizeof(data));
}

static void op_read_block(struct rig *r, struct result *result)
{
        uint8_t data[BLOCK];
        enum tape_outcome outcome;
        size_t bytes;
        result->error = tape_read_block(r->tape, data, sizeof(data), &bytes, &outcome);
        end_of_read(result, outcome);
        if (result->error < 0)
                return;
        g_assert_cmpuint(bytes, ==, BLOCK);
        check_read(data, bytes);
}

static void op_locate(struct rig *r, struct result *result)
{
        result->error = tape_locate(r->tape, 2);
}

static void op_rewind(struct rig *r, struct result *result)
{
        result->error = tape_rewind(r->tape);
}

static void op_filemark_back(struct rig *r, struct result *result)
{
        enum tape_outcome outcome;
        uint64_t moved;
        result->error = tape_space_filemarks(r->tape, -1, &moved, &outcome);
        if (result->error == 0) {
                g_assert_cmpint(outcome, ==, TAPE_GOOD);
                g_assert_cmpuint(moved, ==, 1);
        }
}

static void op_end(struct rig *r, struct result *result)
{
        result->error = tape_space_eod(r->tape);
}

static void op_position(struct rig *r, struct result *result)
{
        struct tape_position p;
        result->error = tape_get_position(r->tape, &p);
        if (result->error == 0)
                g_assert_cmpuint(p.object, ==, READ_AT);
}

static void op_lock(struct rig *r, struct result *result)
{
        result->error = tape_lock_medium(r->tape, true);
}

static void op_length(struct rig *r, struct result *result)
{
        result->error = tape_set_block_length(r->tape, BLOCK);
}

static void op_capacity(struct rig *r, struct result *result)
{
        struct tape_capacity capacity;
        result->error = tape_get_capacity(r->tape, &capacity);
}

/* The tape before: 10 11 12 FM 13 14 15 16 FM 17 18, and the last two are not synchronized, unless the tape
 * moves to READ_AT. */
#define OBJECTS 11u

static const struct operation operations[] = {
        { "write", op_write, { 100, 101, 102, 103, 104, 105 } },
        { "write-block", op_write_block, { 100 } },
        { "filemarks", op_filemarks, { FILEMARK, FILEMARK } },
        { "synchronize", op_synchronize, { FILEMARK } },
        { "read", op_read, .at = 8, .from_read = true },
        { "read-block", op_read_block, .at = 5, .from_read = true },
        { "locate", op_locate, .at = 2 },
        { "rewind", op_rewind, .at = 0 },
        { "filemark-back", op_filemark_back, .at = 8 },
        { "end", op_end, .at = OBJECTS, .from_read = true },
        { "position", op_position, .at = READ_AT, .from_read = true },
        { "lock", op_lock, .at = OBJECTS },
        { "length", op_length, .at = OBJECTS },
        { "capacity", op_capacity, .at = OBJECTS },
};

/* ---- Faults: one, or "one & another" for the command that comes next */

static const char *const faults[] = {
        "attention=28/00",
        "attention=29/00",
        "attention=29/00 rewind",
        "attention=29/00 done=yes",
        "attention=2a/01",
        "attention=3f/01",
        "attention=3f/01 done=yes",
        "attention=29/00 count=2",
        "status=busy",
        "status=busy count=3",
        "status=busy done=yes",
        "status=full",
        "status=conflict",
        "status=aborted",
        "status=aborted partial=1",
        "sense=b/47/00",
        "sense=b/47/00 done=yes",
        "sense=b/47/00 partial=1",
        "opcode=0a,10,08 sense=b/47/00 rewind",
        "sense=b/47/00 rewind & attention=29/00",
        "sense=b/47/00 count=all",
        "sense=2/04/01",
        "sense=2/3a/00",
        "sense=3/0c/00",
        "sense=3/0c/00 information=rest",
        "sense=3/0c/00 partial=1",
        "sense=3/0c/00 partial=1 information=rest",
        "sense=3/0c/00 partial=1 information=rest descriptor",
        "sense=3/0c/00 done=yes",
        "sense=3/11/00",
        "sense=3/14/03",
        "sense=4/44/00",
        "sense=4/44/00 partial=1",
        "opcode=0a,10,08 sense=4/44/00 rewind",
        "sense=4/44/00 count=all",
        "sense=3/0c/00 deferred",
        "sense=4/44/00 deferred",
        "sense=1/18/00 deferred",
        "sense=3/0c/00 deferred count=all",
        "sense=5/20/00",
        "sense=7/27/00",
        "sense=d/00/02 eom",
        "sense=d/00/02 eom information=rest",
        "opcode=0a,10 sense=d/00/02 eom partial=1 information=rest",
        "sense=0/00/02 eom partial=1 information=rest",
        "opcode=0a,08 sense=0/00/02 eom partial=1",
        "sense=f/00/00",
        "status=22",
        "error=reset",
        "error=reset done=yes",
        "error=reset partial=1",
        "error=reset rewind",
        "error=reset partial=1 rewind",
        "error=reset count=2",
        "error=timeout",
        "error=timeout done=yes",
        "error=timeout partial=1",
        "error=timeout count=all",
        "error=nodev",
        "error=nodev done=yes",
        "error=nodev count=all",
        "error=io",
        "error=io done=yes",
        "error=io rewind & attention=29/00",
        "error=io partial=1 rewind & attention=29/00",
};

/* ---- What has to hold */

static void prepare(struct rig *r, const struct operation *o)
{
        rig_put(r, 10, 3);
        rig_mark(r, true);
        rig_put(r, READ_FIRST, 4);
        rig_mark(r, false);
        rig_put(r, 17, 2);
        if (o->from_read)
                g_assert_cmpint(tape_locate(r->tape, READ_AT), ==, 0);
}

static unsigned count_adds(const struct operation *o)
{
        unsigned n = 0;
        while (n < G_N_ELEMENTS(o->adds) && o->adds[n] != 0)
                n++;
        return n;
}

/* What the tape layer says of the position is what the drive says. Returns whether it says anything. */
static bool check_position(struct rig *r, const struct operation *o, const struct result *result, bool blind)
{
        struct tape_position p;
        if (tape_get_position(r->tape, &p) < 0)
                return false;
        if (!blind)
                g_assert_cmpuint(p.object, ==, raw_position(r));
        if (result->error == 0)
                g_assert_cmpuint(p.object, ==, o->adds[0] ? OBJECTS + count_adds(o) : o->at);
        return true;
}

/* Where data ends is found, as after a failed write, and writing goes on there. Returns the end. */
static uint64_t find_end(struct rig *r, bool *refused)
{
        struct tape_position p;
        size_t written;
        int error = tape_space_eod(r->tape);
        *refused = error == -EMEDIUMTYPE; /* it may be another tape: nothing more is done to it */
        if (*refused)
                return 0;
        g_assert_cmpint(error, ==, 0);
        g_assert_cmpint(tape_get_position(r->tape, &p), ==, 0);
        g_assert_cmpint(rig_write(r, LAST, 1, &written), ==, 0);
        return p.object;
}

/* A block is written right afterwards, wherever the tape is said to be. Only for operations that write. */
static bool write_after(struct rig *r, const struct operation *o, const struct result *result)
{
        size_t written;
        int error = rig_write(r, AFTER, 1, &written);
        if (result->error == 0 && o->adds[0])
                g_assert_cmpint(error, ==, 0);
        g_assert_cmpuint(written, ==, error == 0);
        return error == 0;
}

/* False: the fault was not met. */
static bool try_fault(const struct operation *o, const char *fault, unsigned after, unsigned lacks)
{
        g_auto(GStrv) parts = g_strsplit(fault, "&", 2);
        g_autoptr(GString) rules = g_string_new(NULL);
        for (unsigned i = 0; parts[i]; i++)
                g_string_append_printf(rules, "after=%u %s;", after + i, parts[i]);
        struct rig *r = rig_new(lacks, rules->str);
        struct result result = { 0 };
        bool wrote = false, refused, blind = lacks & VIRTUAL_NO_READ_POSITION;
        unsigned adds = count_adds(o);
        prepare(r, o);
        g_string_truncate(r->messages, 0);
        rig_arm(r);
        o->run(r, &result);
        bool met = rig_fired(r, 1) > 0;
        rig_disarm(r);
        if (met && parts[1] && rig_fired(r, 2) == 0)
                virtual_reset(r->drive); /* it is still to be heard of */
        g_test_message("%s, %s: %s", o->name, rules->str, g_strerror(-result.error));
        /* Whatever fails is said, unless it is another way that is tried. */
        if (result.error < 0 && result.error != -EOPNOTSUPP && result.error != -ENODATA)
                g_assert_cmpuint(r->messages->len, >, 0);
        g_assert_cmpuint(result.done, <=, adds);
        if (result.error == 0)
                check_position(r, o, &result, blind);
        if (adds > 0)
                wrote = write_after(r, o, &result);
        else if (result.error < 0)
                check_position(r, o, &result, blind);
        uint64_t end = find_end(r, &refused);
        g_autoptr(GArray) found = NULL;
        if (refused) {
                /* As much of it as has got onto the tape, in order. */
                g_assert_false(wrote);
                found = raw_objects(r);
                end = found->len;
        }
        g_assert_cmpuint(end, >=, OBJECTS + result.done + wrote);
        g_assert_cmpuint(end, <=, OBJECTS + adds + wrote);
        for (unsigned i = 0; i < end - OBJECTS - wrote; i++)
                rig_expect(r, o->adds[i], 1);
        if (wrote)
                rig_expect(r, AFTER, 1);
        if (refused) {
                g_autofree char *a = objects_text(found), *b = objects_text(r->objects);
                g_assert_cmpstr(a, ==, b);
        } else {
                rig_expect(r, LAST, 1);
                rig_verify(r);
        }
        rig_free(r);
        return met;
}

/* A drive that executes a command and then says that it has not is found out only if it tells its position.
 */
static bool is_hidden(const char *fault, unsigned lacks)
{
        return lacks & VIRTUAL_NO_READ_POSITION &&
                (strcmp(fault, "attention=3f/01 done=yes") == 0 ||
                        strcmp(fault, "status=busy done=yes") == 0);
}

static void sweep(const struct operation *o, unsigned lacks)
{
        for (size_t i = 0; i < G_N_ELEMENTS(faults); i++)
                for (unsigned after = 0;
                        !is_hidden(faults[i], lacks) && try_fault(o, faults[i], after, lacks); after++)
                        ;
}

static void test_matrix(const void *operation)
{
        sweep(operation, 0);
}

/* An old drive, whose position is counted. */
static void test_matrix_counting(const void *operation)
{
        sweep(operation,
                VIRTUAL_NO_READ_POSITION | VIRTUAL_NO_LOCATE10 | VIRTUAL_NO_LOCATE16 | VIRTUAL_NO_SPACE16 |
                        VIRTUAL_NO_CAPACITY);
}

int main(int argc, char **argv)
{
        use_memory();
        g_test_init(&argc, &argv, NULL);
        for (size_t i = 0; i < G_N_ELEMENTS(operations); i++) {
                g_autofree char *name = g_strdup_printf("/fault/matrix/%s", operations[i].name);
                g_autofree char *counting = g_strdup_printf("/fault/matrix/counting/%s", operations[i].name);
                g_test_add_data_func(name, &operations[i], test_matrix);
                g_test_add_data_func(counting, &operations[i], test_matrix_counting);
        }
        return g_test_run();
}

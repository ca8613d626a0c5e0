/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A volume that is written, read and committed, and a fault at each command in turn: whatever was committed
 * is there, and right, when the volume is mounted again by a drive that is well. */
#include <reelfs/fault.h>

#include "memory-directory.h"
#include "volume-rig.h"

#define FILES 3
#define SIZE (2 * RIG_BLOCK + 1)

static const char *const faults[] = {
        "attention=28/00 count=all",
        "attention=29/00 rewind",
        "attention=29/00 done=yes",
        "attention=3f/01 done=yes",
        "status=busy done=yes",
        "status=conflict",
        "sense=b/47/00 done=yes",
        "sense=b/47/00 count=all",
        "opcode=08,0a,10 sense=b/47/00 rewind",
        "sense=2/3a/00 count=all",
        "sense=3/0c/00",
        "sense=3/0c/00 partial=1 information=rest",
        "sense=3/11/00",
        "sense=3/14/03",
        "sense=4/44/00",
        "sense=4/44/00 count=all",
        "sense=3/0c/00 deferred",
        "sense=3/0c/00 deferred count=all",
        "sense=7/27/00 count=all",
        "opcode=0a,10 sense=d/00/02 eom information=rest",
        "error=reset",
        "error=reset done=yes",
        "error=reset partial=1 rewind",
        "error=timeout done=yes",
        "error=timeout count=all",
        "error=nodev partial=1",
        "error=nodev count=all",
        "error=io",
        "opcode=0a status=good",
        "opcode=10 status=good",
};

/* What came of the work. */
struct work {
        bool written[FILES], committed[FILES];
        uint64_t generation; /* of the last index that counts */
};

static void name_of(unsigned i, char name[static 16])
{
        g_snprintf(name, 16, "file-%u", i);
}

/* A reader in between. What he gets is right, or an error. */
static void read_old(struct rig *r)
{
        g_autofree char *buf = g_malloc(RIG_BLOCK);
        struct segment s;
        size_t n;
        g_assert_cmpint(volume_segment_next(r->v, 1, &s), ==, 0);
        if (volume_read(r->v, s.id, 0, buf, RIG_BLOCK, &n) == 0) {
                g_autofree uint8_t *expected = pattern(3 * RIG_BLOCK + 1, 1);
                g_assert_cmpmem(buf, n, expected, RIG_BLOCK);
        }
}

static void do_work(struct rig *r, struct work *w)
{
        struct volume_info info;
        for (unsigned i = 0; i < FILES; i++) {
                uint64_t id;
                char name[16];
                name_of(i, name);
                w->written[i] = rig_append(r, SIZE, 10 + i, &id) == 0;
                put_extent(r->tree, make_file(r->tree, TREE_ROOT, name), 0, SIZE, id, 0);
                if (i == 1)
                        read_old(r);
                if (i == 0 || rig_commit(r) < 0)
                        continue;
                for (unsigned k = 0; k <= i; k++)
                        w->committed[k] = w->written[k];
        }
        volume_get_info(r->v, &info);
        w->generation = info.generation;
}

static void load(struct rig *r, const char *rules)
{
        Transport *t;
        rig_unload(r);
        g_assert_cmpint(virtual_open(r->path, false, &t), ==, 0);
        g_assert_cmpint(fault_wrap(t, rules, "rules", &r->transport), ==, 0);
        g_assert_cmpint(tape_open(r->transport, "test", &r->tape), ==, 0);
        catch_messages();
}

static bool was_met(struct rig *r)
{
        struct fault_statistics s;
        g_assert_cmpint(fault_statistics(r->transport, 1, &s), ==, 0);
        return s.fired > 0;
}

static void verify(struct rig *r, const struct work *w)
{
        struct volume_info info;
        rig_remount(r);
        volume_get_info(r->v, &info);
        /* An index that failed with its last command may be there, and that of a recovery. */
        g_assert_cmpuint(info.generation, >=, w->generation);
        g_assert_cmpuint(info.generation, <=, w->generation + 2);
        rig_verify(r, "old", 3 * RIG_BLOCK + 1, 1);
        rig_verify(r, "new", 5 * RIG_BLOCK + 1, 2);
        for (unsigned i = 0; i < FILES; i++) {
                char name[16];
                name_of(i, name);
                if (w->committed[i])
                        rig_verify(r, name, SIZE, 10 + i);
        }
        /* What is writable is without a fault. */
        if (!volume_is_read_only(r->v))
                g_assert_cmpuint(rig_problems(r), ==, 0);
}

/* False: the fault was not met. */
static bool try_work(const char *fault, unsigned after)
{
        struct rig r;
        struct work w = { 0 };
        rig_start(&r, NULL);
        g_assert_cmpint(rig_commit(&r), ==, 0);
        g_autofree char *condition = g_build_filename(r.directory, "now", NULL);
        g_autofree char *rules = g_strdup_printf("if=%s after=%u %s", condition, after, fault);
        g_test_message("%s", rules);
        load(&r, rules);
        rig_mount(&r);
        g_assert_true(g_file_set_contents(condition, "", 0, NULL));
        do_work(&r, &w);
        bool met = was_met(&r);
        g_unlink(condition);
        if (!met)
                for (unsigned i = 0; i < FILES; i++)
                        g_assert_true(w.committed[i]);
        verify(&r, &w);
        rig_clear(&r);
        return met;
}

static void test_work(void)
{
        for (size_t i = 0; i < G_N_ELEMENTS(faults); i++)
                for (unsigned after = 0; try_work(faults[i], after); after++)
                        ;
}

/* A mount that meets a fault works or fails, and has changed nothing. */
static bool try_mount(const char *fault, unsigned after)
{
        struct rig r;
        struct volume_info info;
        rig_start(&r, NULL);
        g_assert_cmpint(rig_commit(&r), ==, 0);
        volume_get_info(r.v, &info);
        const struct work w = { .generation = info.generation };
        g_autofree char *rules = g_strdup_printf("opcode=01,08,0a,10,11,34,91,92 after=%u %s", after, fault);
        g_test_message("%s", rules);
        Transport *t;
        rig_unload(&r);
        g_assert_cmpint(virtual_open(r.path, false, &t), ==, 0);
        g_assert_cmpint(fault_wrap(t, rules, "rules", &r.transport), ==, 0);
        bool met = true;
        if (tape_open(r.transport, "test", &r.tape) == 0) {
                if (volume_open(r.tape, false, &r.v, &r.tree) == 0)
                        g_assert_cmpuint(volume_block_length(r.v), ==, RIG_BLOCK);
                met = was_met(&r);
        }
        volume_close(g_steal_pointer(&r.v));
        tree_free(g_steal_pointer(&r.tree));
        tape_close(g_steal_pointer(&r.tape));
        rig_load(&r);
        rig_mount(&r);
        verify(&r, &w);
        rig_clear(&r);
        return met;
}

static void test_mount(void)
{
        for (size_t i = 0; i < G_N_ELEMENTS(faults); i++)
                for (unsigned after = 0; !strstr(faults[i], "opcode") && try_mount(faults[i], after); after++)
                        ;
}

int main(int argc, char **argv)
{
        use_memory();
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/fault/volume/work", test_work);
        g_test_add_func("/fault/volume/mount", test_mount);
        return g_test_run();
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <glib.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "cli.h"
#include "json.h"

static const char *const kinds[] = {
        [SEGMENT_FILE] = "file",
        [SEGMENT_PACK] = "pack",
        [SEGMENT_INDEX] = "index",
};

/* Who uses a segment. */
struct use {
        char *path;     /* the first one found */
        uint64_t files; /* names with an extent in it */
};

static void use_free(void *data)
{
        struct use *use = data;
        g_free(use->path);
        g_free(use);
}

static int note_uses(void *ctx, const char *path, const struct tree_entry *e)
{
        GHashTable *uses = ctx;
        uint64_t last = 0;
        for (size_t i = 0; i < e->n_extents; i++) {
                uint64_t id = e->extents[i].segment;
                if (id == last)
                        continue;
                last = id;
                struct use *use = g_hash_table_lookup(uses, &id);
                if (!use) {
                        use = g_new0(struct use, 1);
                        use->path = g_strdup(path);
                        g_hash_table_insert(uses, g_memdup2(&id, sizeof(id)), use);
                }
                use->files++;
        }
        return 0;
}

static int by_place(const void *a, const void *b)
{
        const struct segment *s = a, *t = b;
        return (s->first_block > t->first_block) - (s->first_block < t->first_block);
}

/* Those on the tape, in its order. */
static GArray *collect(Volume *volume)
{
        struct volume_info info;
        volume_get_info(volume, &info);
        GArray *segments = g_array_new(FALSE, FALSE, sizeof(struct segment));
        struct segment s;
        for (uint64_t id = 0; volume_segment_next(volume, id, &s) == 0; id = s.id) {
                /* An index cannot state its own length. */
                if (s.first_block == info.index_block)
                        s.length = info.index_length;
                g_array_append_val(segments, s);
        }
        g_array_sort(segments, by_place);
        return segments;
}

static void print_row(const struct segment *s, uint64_t blocks, const struct use *use)
{
        g_autofree char *length = format_count(s->length);
        printf("%8" PRIu64 "  %-5s %8" PRIu64 " %12" PRIu64 " %9" PRIu64 " %18s", s->filemark, kinds[s->kind],
                s->id, s->first_block, blocks, length);
        if (use) {
                g_autofree char *name = format_name(use->path);
                printf("  %s", name);
                if (use->files > 1)
                        printf(" and %" PRIu64 " more", use->files - 1);
        }
        putchar('\n');
}

static void print_json(struct json *j, const struct segment *s, uint64_t blocks, const struct use *use)
{
        json_begin(j, NULL, '{');
        json_uint(j, "filemark", s->filemark);
        json_string(j, "kind", kinds[s->kind]);
        json_uint(j, "id", s->id);
        json_uint(j, "first_block", s->first_block);
        json_uint(j, "blocks", blocks);
        json_uint(j, "bytes", s->length);
        json_uint(j, "files", use ? use->files : 0);
        if (use)
                json_string(j, "path", use->path);
        json_end(j, '}');
}

static int segments(const char *address, bool as_json)
{
        AUTO_VOLUME v = { 0 };
        int r = cli_volume_open(address, &v);
        if (r < 0)
                return r;
        g_autoptr(GHashTable) uses = g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, use_free);
        r = cli_tree_walk(v.tree, note_uses, uses);
        if (r < 0)
                return r;
        g_autoptr(GArray) list = collect(v.volume);
        uint32_t block_length = volume_block_length(v.volume);
        struct json j = { 0 };
        if (as_json)
                json_begin(&j, NULL, '[');
        else
                printf("  mt fsf  kind        id  first block    blocks              bytes  files\n");
        for (guint i = 0; i < list->len; i++) {
                const struct segment *s = &g_array_index(list, struct segment, i);
                uint64_t blocks = s->length / block_length + (s->length % block_length > 0);
                const struct use *use = g_hash_table_lookup(uses, &s->id);
                if (as_json)
                        print_json(&j, s, blocks, use);
                else
                        print_row(s, blocks, use);
        }
        if (as_json)
                json_end(&j, ']');
        return 0;
}

static int run(const struct command *command, int argc, char **argv)
{
        bool as_json = false;
        int status;
        if (!command_parse(command, argc, argv, 1, 1, &as_json, &status))
                return status;
        return segments(argv[optind], as_json) < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

const struct command command_segments = {
        .name = "segments",
        .arguments = "ADDRESS",
        .summary = "show what lies where on the tape, for mt and dd",
        .options = "      --json             machine-readable\n",
        .run = run,
};

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the cartridge's memory is told about the volume, and what it tells. Nothing depends on it: a drive
 * without, or a memory that says something else, costs time only. Drive thread only. */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "coherency.h"
#include "handle.h"

#define LOCALIZATION_UTF8 0x81

/* The application that a library or another program finds named there. */
void volume_sign_memory(Volume *v)
{
        struct tape_attribute a[6];
        attribute_set_text(&a[0], ATTRIBUTE_VENDOR, ATTRIBUTE_ASCII, "REELFS", 8);
        attribute_set_text(&a[1], ATTRIBUTE_NAME, ATTRIBUTE_ASCII, "reelfs", 32);
        attribute_set_text(&a[2], ATTRIBUTE_VERSION, ATTRIBUTE_ASCII, REELFS_VERSION, 8);
        attribute_set_text(&a[3], ATTRIBUTE_USER_LABEL, ATTRIBUTE_TEXT, v->label.name, 160);
        a[4] = (struct tape_attribute){
                .id = ATTRIBUTE_LOCALIZATION, .length = 1, .value = { LOCALIZATION_UTF8 }
        };
        attribute_set_text(&a[5], ATTRIBUTE_FORMAT_VERSION, ATTRIBUTE_ASCII, v->info.format_version, 16);
        int r = tape_write_attributes(v->tape, a, G_N_ELEMENTS(a));
        if (r < 0)
                log_debug(
                        "%s: the cartridge's memory does not take what the volume is", tape_address(v->tape));
}

/* Behind an index that has been flushed. */
void volume_note_index(Volume *v)
{
        struct coherency c = { .generation = v->info.generation, .block = v->info.index_block };
        struct tape_attribute a = { .id = ATTRIBUTE_COHERENCY, .length = COHERENCY_LENGTH };
        int r = tape_get_change_reference(v->tape, &c.change_reference);
        memcpy(c.uuid, v->label.uuid, sizeof(c.uuid));
        coherency_encode(&c, a.value);
        if (r == 0)
                r = tape_write_attributes(v->tape, &a, 1);
        if (r < 0)
                log_debug("%s: the cartridge's memory does not know of this index", tape_address(v->tape));
}

int volume_recall_index(Volume *v, struct coherency *c)
{
        uint64_t reference;
        struct tape_attribute a;
        int r = tape_read_attribute(v->tape, ATTRIBUTE_COHERENCY, &a);
        if (r < 0)
                return r;
        if (!coherency_decode(a.value, a.length, c) || strcmp(c->uuid, v->label.uuid) != 0)
                return -ENODATA;
        r = tape_get_change_reference(v->tape, &reference);
        if (r < 0)
                return r;
        bool fresh = reference == c->change_reference && c->block >= v->content;
        log_debug("%s: the cartridge's memory names the index at object %" PRIu64 "%s", tape_address(v->tape),
                c->block, fresh ? "" : ", but something was written since");
        return fresh ? 0 : -ENODATA;
}

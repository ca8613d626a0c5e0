/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "handle.h"

static void describe_reelfs(const char *xml, size_t length, struct volume_identity *identity)
{
        struct label label;
        char why[LABEL_WHY_MAX], date[TIME_TEXT_LENGTH + 1];
        int r = label_from_xml(xml, length, &label, why);
        if (r < 0) {
                snprintf(identity->description, sizeof(identity->description), "a reelfs volume%s: %.120s",
                        r == -EPROTONOSUPPORT ? "" : " with a damaged label", why);
                return;
        }
        memcpy(identity->name, label.name, sizeof(identity->name));
        memcpy(identity->uuid, label.uuid, sizeof(identity->uuid));
        identity->block_length = label.block_length;
        format_time_ns(label.format_time, date);
        snprintf(identity->description, sizeof(identity->description),
                "the reelfs volume %.80s%s(%s), formatted %.10s", label.name, label.name[0] ? " " : "",
                label.uuid, date);
}

static void describe_ltfs(const char *xml, size_t length, struct volume_identity *identity)
{
        bool known = label_from_ltfs(xml, length, identity->uuid, &identity->block_length) == 0;
        snprintf(identity->description, sizeof(identity->description), "an LTFS volume%s%s%s",
                known ? " (" : "", identity->uuid, known ? ")" : "");
}

int volume_identify(Tape *tape, struct volume_identity *identity)
{
        char why[LABEL_WHY_MAX], volume_id[7];
        g_autofree char *xml = NULL;
        size_t length = 0;
        uint64_t end;
        *identity = (struct volume_identity){ 0 };
        int r = labels_identify(tape, &identity->content, volume_id, why);
        if (r < 0)
                return r;
        if (identity->content != VOLUME_REELFS && identity->content != VOLUME_LTFS) {
                bool blank = identity->content == VOLUME_BLANK;
                g_strlcpy(identity->description, blank ? "a blank tape" : why, sizeof(identity->description));
                return 0;
        }
        r = labels_read_xml(tape, &xml, &length, &end, why);
        if (r < 0 && r != -EUCLEAN)
                return r;
        if (r < 0)
                snprintf(identity->description, sizeof(identity->description),
                        "%s volume with a damaged label: %.100s",
                        identity->content == VOLUME_REELFS ? "a reelfs" : "an LTFS", why);
        else if (identity->content == VOLUME_REELFS)
                describe_reelfs(xml, length, identity);
        else
                describe_ltfs(xml, length, identity);
        return 0;
}

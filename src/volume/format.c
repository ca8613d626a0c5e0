/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>

#include "handle.h"

/* The largest power of two that one command of this drive moves, up to the default. */
static int default_block_length(Tape *tape, const struct tape_info *info, uint32_t *block_length)
{
        uint64_t max = MIN(info->max_transfer, info->max_block ? info->max_block : UINT32_MAX);
        *block_length = VOLUME_BLOCK_LENGTH_DEFAULT;
        while (*block_length > max)
                *block_length /= 2;
        if (*block_length < VOLUME_BLOCK_LENGTH_MIN)
                return log_error(-EMSGSIZE,
                        "%s: a volume has blocks of at least %d bytes, but the drive takes %" PRIu64
                        " at most",
                        tape_address(tape), VOLUME_BLOCK_LENGTH_MIN, max);
        if (*block_length < VOLUME_BLOCK_LENGTH_DEFAULT)
                log_notice("%s: blocks will be of %" PRIu32
                           " bytes and not of %d, since the drive takes %" PRIu64
                           " bytes at most in one command",
                        tape_address(tape), *block_length, VOLUME_BLOCK_LENGTH_DEFAULT, max);
        return 0;
}

static int choose_block_length(Tape *tape, const struct volume_format *format, uint32_t *block_length)
{
        struct tape_info info;
        tape_get_info(tape, &info);
        if (format->block_length) {
                *block_length = format->block_length;
                if (*block_length < VOLUME_BLOCK_LENGTH_MIN && !info.fixed_only)
                        return log_error(-EINVAL, "a volume has blocks of at least %d bytes, not %" PRIu32,
                                VOLUME_BLOCK_LENGTH_MIN, *block_length);
        } else if (info.fixed_only) {
                *block_length = info.block_length ? info.block_length : info.min_block;
        } else {
                return default_block_length(tape, &info, block_length);
        }
        return 0;
}

static int check_names(const struct volume_format *format)
{
        if (format->name && !label_is_volume_name(format->name))
                return log_error(-EINVAL,
                        "the volume name cannot be used: it must be UTF-8 without '/' or control characters, "
                        "and at "
                        "most 255 characters long");
        if (format->volume_id && !vol1_is_volume_id(format->volume_id))
                return log_error(-EINVAL, "the volume id cannot be used: it must be 6 characters A-Z 0-9");
        return 0;
}

/* Nothing is overwritten unless that is asked for. */
static int check_blank(Tape *tape, bool force)
{
        struct tape_info info;
        struct volume_identity identity;
        tape_get_info(tape, &info);
        if (info.write_protected)
                return log_error(-EROFS, "%s: the tape is write protected", tape_address(tape));
        if (force && !info.worm)
                return 0;
        int r = volume_identify(tape, &identity);
        if (r < 0 || identity.content == VOLUME_BLANK)
                return r;
        if (info.worm)
                return log_error(-EROFS,
                        "%s: the tape can be written only once, and it has %s; use another tape",
                        tape_address(tape), identity.description);
        return log_error(-EEXIST,
                "%s: the tape is not blank: it has %s; if that is not needed any more, use reelfs format "
                "--force",
                tape_address(tape), identity.description);
}

static int make_label(const struct volume_format *format, uint32_t block_length, struct label *label)
{
        *label = (struct label){
                .major = LABEL_VERSION_MAJOR,
                .minor = LABEL_VERSION_MINOR,
                .creator = "reelfs " REELFS_VERSION " - Linux - format",
                .format_time = now_ns(),
                .block_length = block_length,
                .compression = format->compression,
        };
        g_autofree char *uuid = g_uuid_string_random();
        g_strlcpy(label->uuid, uuid, sizeof(label->uuid));
        g_strlcpy(label->profile, profile_reel.name, sizeof(label->profile));
        g_strlcpy(label->partition, profile_reel.partition, sizeof(label->partition));
        if (format->name)
                g_strlcpy(label->name, format->name, sizeof(label->name));
        if (format->volume_id)
                g_strlcpy(label->volume_id, format->volume_id, sizeof(label->volume_id));
        if (getrandom(label->key, sizeof(label->key), 0) != sizeof(label->key))
                return log_error_errno(-EIO, "no random numbers for the volume's key");
        return 0;
}

static int make_tree(const struct volume_format *format, int64_t now, Tree **ret)
{
        g_autoptr(Tree) tree = tree_new();
        const struct tree_entry root = {
                .fileuid = TREE_ROOT,
                .ino = TREE_ROOT,
                .name = "",
                .attr = { .mode = S_IFDIR | (format->mode ? format->mode & 07777 : 0755),
                        .uid = format->uid,
                        .gid = format->gid,
                        .times = { now, now, now, now } },
                .backup_time = now,
        };
        uint64_t ino;
        int r = tree_load(tree, 0, &root, &ino);
        if (r == 0)
                *ret = g_steal_pointer(&tree);
        return r;
}

int volume_format(Tape *tape, const struct volume_format *format)
{
        struct label label;
        uint32_t block_length;
        uint64_t content;
        g_autoptr(Volume) v = NULL;
        g_autoptr(Tree) tree = NULL;
        int r = check_names(format);
        if (r == 0)
                r = check_blank(tape, format->force);
        if (r == 0)
                r = choose_block_length(tape, format, &block_length);
        if (r == 0)
                r = make_label(format, block_length, &label);
        if (r == 0)
                r = make_tree(format, label.format_time, &tree);
        if (r == 0)
                r = tape_set_block_length(tape, block_length);
        if (r == 0)
                r = tape_set_compression(tape, format->compression);
        if (r == 0)
                r = labels_write(tape, &label, format->force, &content);
        if (r == 0)
                r = volume_new(tape, &label, content, &v);
        if (r < 0)
                return r;
        volume_sign_memory(v);
        return volume_commit(v, tree, true, NULL);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* A transport that follows a script: the commands it expects, in order, and what it answers. While a tape is
 * opened it answers by itself, as a drive does that has everything but what lacks says. */
#include <glib.h>
#include <scsi/sg_unaligned.h>
#include <string.h>

#include <reelfs/log.h>
#include <reelfs/transport.h>

#define FAKE_BLOCK 1024u

/* Sense bytes with the flags of byte 2 (80h filemark, 40h EOM, 20h ILI) above the key. */
#define FM 0x80
#define EOM 0x40
#define ILI 0x20

struct step {
        const char *cdb;        /* hex, "." any digit; as much of it as matters */
        int error;              /* not delivered */
        uint8_t status;         /* other than CHECK CONDITION */
        uint8_t flags_key, asc; /* CHECK CONDITION, if one of these or check is set */
        uint8_t ascq;
        bool check, deferred;
        bool valid;
        int32_t information;
        const char *data; /* hex: parameter data of the answer, or what is to be received */
        size_t residual;
};

struct fake {
        Transport transport;
        const struct step *steps;
        size_t count, next;
        bool scripted;
        bool fallback; /* when the script has ended, answers as at open */
        bool closed;
        bool empty;
        const uint8_t *lacks; /* opcodes, ends with FFh */
        uint64_t position;
        uint8_t partition;
        bool position_unknown;
        uint32_t max_block, min_block, block_length;
        uint8_t device_specific;
        unsigned selects;
        size_t max_transfer; /* 0: 16 blocks */
};

static inline void fake_put_sense(struct transport_command *c, const struct step *s)
{
        memset(c->sense, 0, 18);
        c->status = TRANSPORT_STATUS_CHECK_CONDITION;
        c->sense_length = 18;
        c->sense[0] = (s->deferred ? 0x71 : 0x70) | (s->valid ? 0x80 : 0);
        c->sense[2] = s->flags_key;
        sg_put_unaligned_be32((uint32_t)s->information, c->sense + 3);
        c->sense[7] = 10;
        c->sense[12] = s->asc;
        c->sense[13] = s->ascq;
}

static inline void fake_reply(struct transport_command *c, const uint8_t *data, size_t length)
{
        size_t at = 0;
        for (int i = 0; i < c->iovcnt && at < length; i++) {
                size_t n = MIN(c->iov[i].iov_len, length - at);
                memcpy(c->iov[i].iov_base, data + at, n);
                at += n;
        }
}

static inline size_t fake_bytes(const char *hex, uint8_t *bytes)
{
        size_t n = 0;
        for (; hex && hex[0] && hex[1]; hex += 2)
                bytes[n++] = (uint8_t)(g_ascii_xdigit_value(hex[0]) << 4 | g_ascii_xdigit_value(hex[1]));
        return n;
}

static inline int fake_follow(struct fake *f, struct transport_command *c)
{
        char cdb[33] = "";
        for (size_t i = 0; i < c->cdb_length; i++)
                g_snprintf(cdb + 2 * i, 3, "%02x", c->cdb[i]);
        if (f->next == f->count)
                g_error("unexpected command %s", cdb);
        const struct step *s = &f->steps[f->next++];
        for (size_t i = 0; s->cdb[i]; i++)
                if (s->cdb[i] != '.' && s->cdb[i] != cdb[i])
                        g_error("step %zu: command %s, expected %s", f->next - 1, cdb, s->cdb);
        uint8_t data[256];
        size_t length = fake_bytes(s->data, data);
        if (c->direction == TRANSPORT_IN)
                fake_reply(c, data, length);
        else if (c->direction == TRANSPORT_OUT && length > 0)
                g_assert_cmpmem(c->iov[0].iov_base, MIN(c->iov[0].iov_len, length), data, length);
        c->status = s->status;
        c->residual = s->residual;
        if (s->check || s->flags_key || s->asc)
                fake_put_sense(c, s);
        return s->error;
}

static inline void fake_mode_data(struct fake *f, struct transport_command *c, bool ten)
{
        uint8_t data[64] = { 0 };
        size_t header = ten ? 8 : 4;
        data[ten ? 1 : 0] = (uint8_t)(header + 8 + 16 - (ten ? 2 : 1));
        data[ten ? 3 : 2] = f->device_specific;
        data[ten ? 7 : 3] = 8;
        data[header] = 0x5a;
        sg_put_unaligned_be24(f->block_length, data + header + 5);
        data[header + 8] = c->cdb[2] & 0x3f;
        data[header + 9] = 14;
        data[header + 10] = 0xc0; /* DCE, DCC */
        fake_reply(c, data, header + 8 + 16);
}

/* What a drive says at open. */
static inline void fake_answer(struct fake *f, struct transport_command *c)
{
        uint8_t data[64] = { 0 };
        switch (c->cdb[0]) {
        case 0x12:
                data[0] = 0x01;
                data[1] = c->cdb[2];
                memcpy(data + 8, "ACME    OLD TAPE        1.0 ", 28);
                if (c->cdb[1]) {
                        data[3] = 6;
                        memcpy(data + 4, " S123 ", 6);
                }
                return fake_reply(c, data, 36);
        case 0x05:
                sg_put_unaligned_be24(f->max_block, data + 1);
                sg_put_unaligned_be16((uint16_t)f->min_block, data + 4);
                return fake_reply(c, data, 6);
        case 0x1a:
                return fake_mode_data(f, c, false);
        case 0x5a:
                return fake_mode_data(f, c, true);
        case 0x34:
                data[0] = f->position_unknown ? 0x04 : 0;
                data[1] = f->partition;
                if (c->cdb[1] == 6) {
                        sg_put_unaligned_be64(f->position, data + 8);
                        data[0] = f->position_unknown ? 0x0c : 0;
                        data[1] = 0;
                        data[7] = f->partition;
                } else {
                        sg_put_unaligned_be32((uint32_t)f->position, data + 4);
                }
                return fake_reply(c, data, c->cdb[1] == 6 ? 32 : 20);
        case 0x15:
        case 0x55:
                f->selects++;
                sg_get_unaligned_be24((uint8_t *)c->iov[0].iov_base + (c->cdb[0] == 0x15 ? 4 : 8) + 5);
                f->block_length = sg_get_unaligned_be24(
                        (uint8_t *)c->iov[0].iov_base + (c->cdb[0] == 0x15 ? 4 : 8) + 5);
                return;
        default:
                return;
        }
}

static inline int fake_execute(Transport *t, struct transport_command *c)
{
        struct fake *f = (struct fake *)t;
        static const struct step illegal = { .flags_key = 0x5, .asc = 0x20 };
        static const struct step no_medium = { .flags_key = 0x2, .asc = 0x3a };
        c->status = TRANSPORT_STATUS_GOOD;
        c->sense_length = c->residual = 0;
        if (f->scripted && !(f->fallback && f->next == f->count))
                return fake_follow(f, c);
        for (const uint8_t *p = f->lacks; p && *p != 0xff; p++)
                if (*p == c->cdb[0]) {
                        fake_put_sense(c, &illegal);
                        return 0;
                }
        if (f->empty && c->cdb[0] == 0x00)
                fake_put_sense(c, &no_medium);
        else
                fake_answer(f, c);
        return 0;
}

static inline void fake_limits(Transport *t, struct transport_limits *limits)
{
        size_t max = ((struct fake *)t)->max_transfer;
        *limits = (struct transport_limits){ .max_transfer = max ? max : 16 * FAKE_BLOCK, .alignment = 512 };
}

static inline void fake_close(Transport *t)
{
        ((struct fake *)t)->closed = true;
}

static const struct transport_ops fake_ops = {
        .execute = fake_execute,
        .limits = fake_limits,
        .close = fake_close,
};

/* What was logged last, and how often. */
struct fake_log {
        char text[512];
        unsigned errors;
};

static inline void fake_log_sink(void *ctx, int priority, const char *text)
{
        struct fake_log *l = ctx;
        if (priority > LOG_WARNING)
                return;
        l->errors++;
        g_strlcpy(l->text, text, sizeof(l->text));
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The plainest program that writes a tape over iSCSI, or reads one that it has written: libiscsi's
 * synchronous calls, one buffer, one WRITE or READ after the other. What a mount is measured against by the
 * script iscsi beside it.
 *
 * iscsi-loop write|read PORTAL TARGET LUN BYTES BLOCK TRANSFER: prints seconds from the first command to the
 * last answer, which is to WRITE FILEMARKS after the WRITEs, and the CPU seconds of that time. */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include <iscsi/iscsi.h>
#include <iscsi/scsi-lowlevel.h>

#define ATTENTIONS_MAX 4

struct loop {
        struct iscsi_context *session;
        int lun;
        uint64_t bytes;
        uint32_t block, transfer;
        bool reads;
        uint8_t *data;
};

static double seconds(const struct timeval *tv)
{
        return (double)tv->tv_sec + (double)tv->tv_usec / 1e6;
}

static double cpu_time(void)
{
        struct rusage usage;
        getrusage(RUSAGE_SELF, &usage);
        return seconds(&usage.ru_utime) + seconds(&usage.ru_stime);
}

static double wall_time(void)
{
        struct timespec ts;
        clock_gettime(CLOCK_MONOTONIC, &ts);
        return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static int fail(const struct loop *l, const char *what)
{
        fprintf(stderr, "iscsi-loop: %s: %s\n", what, iscsi_get_error(l->session));
        return -1;
}

/* A CDB with length bytes of data; the status. */
static int command(
        struct loop *l, uint8_t cdb[static 6], enum scsi_xfer_dir direction, void *data, uint32_t length)
{
        struct scsi_task *task = scsi_create_task(6, cdb, direction, (int)length);
        if (!task)
                return SCSI_STATUS_ERROR;
        struct scsi_iovec iov = { data, length };
        if (direction == SCSI_XFER_WRITE)
                scsi_task_set_iov_out(task, &iov, 1);
        else if (direction == SCSI_XFER_READ)
                scsi_task_set_iov_in(task, &iov, 1);
        int status = SCSI_STATUS_ERROR;
        if (iscsi_scsi_command_sync(l->session, l->lun, task, NULL))
                status = task->status;
        scsi_free_scsi_task(task);
        return status;
}

static void put_be24(uint8_t *at, uint32_t value)
{
        at[0] = (uint8_t)(value >> 16);
        at[1] = (uint8_t)(value >> 8);
        at[2] = (uint8_t)value;
}

/* As the mount logs in, so that both have the same parameters. */
static int log_in(struct loop *l, const char *portal, const char *target)
{
        l->session = iscsi_create_context("iqn.2026-11.net.reelfs:bench");
        if (!l->session)
                return -1;
        iscsi_set_targetname(l->session, target);
        iscsi_set_session_type(l->session, ISCSI_SESSION_NORMAL);
        iscsi_set_header_digest(l->session, ISCSI_HEADER_DIGEST_NONE_CRC32C);
        iscsi_set_immediate_data(l->session, ISCSI_IMMEDIATE_DATA_YES);
        iscsi_set_initial_r2t(l->session, ISCSI_INITIAL_R2T_NO);
        if (iscsi_connect_sync(l->session, portal) != 0 || iscsi_login_sync(l->session) != 0)
                return fail(l, "login");
        return 0;
}

/* At the beginning of the tape, with blocks of l->block. */
static int prepare(struct loop *l)
{
        uint8_t ready[6] = { 0 }, rewind[6] = { 0x01 }, select[6] = { 0x15, 0x10, 0, 0, 12 };
        uint8_t mode[12] = { 0, 0, 0x10, 8 }; /* SPC-5, mode parameter header (6): buffered; one descriptor */
        put_be24(mode + 9, l->block);
        for (int i = 0; i < ATTENTIONS_MAX; i++)
                if (command(l, ready, SCSI_XFER_NONE, NULL, 0) == SCSI_STATUS_GOOD)
                        break;
        if (command(l, rewind, SCSI_XFER_NONE, NULL, 0) != SCSI_STATUS_GOOD)
                return fail(l, "REWIND");
        if (command(l, select, SCSI_XFER_WRITE, mode, sizeof(mode)) != SCSI_STATUS_GOOD)
                return fail(l, "MODE SELECT");
        return 0;
}

static int move_all(struct loop *l)
{
        for (uint64_t done = 0; done < l->bytes; done += l->transfer) {
                uint8_t cdb[6] = { l->reads ? 0x08 : 0x0a, 0x01 /* FIXED */ };
                put_be24(cdb + 2, l->transfer / l->block);
                if (command(l, cdb, l->reads ? SCSI_XFER_READ : SCSI_XFER_WRITE, l->data, l->transfer) !=
                        SCSI_STATUS_GOOD)
                        return fail(l, l->reads ? "READ" : "WRITE");
        }
        if (l->reads)
                return 0;
        uint8_t filemark[6] = { 0x10, 0, 0, 0, 1 };
        if (command(l, filemark, SCSI_XFER_NONE, NULL, 0) != SCSI_STATUS_GOOD)
                return fail(l, "WRITE FILEMARKS");
        return 0;
}

static int run(struct loop *l, const char *portal, const char *target)
{
        if (log_in(l, portal, target) < 0 || prepare(l) < 0)
                return -1;
        double cpu = cpu_time(), start = wall_time();
        if (move_all(l) < 0)
                return -1;
        printf("%.4f %.4f\n", wall_time() - start, cpu_time() - cpu);
        iscsi_logout_sync(l->session);
        return 0;
}

int main(int argc, char **argv)
{
        if (argc != 8) {
                fprintf(stderr, "usage: iscsi-loop write|read PORTAL TARGET LUN BYTES BLOCK TRANSFER\n");
                return 2;
        }
        struct loop l = {
                .reads = strcmp(argv[1], "read") == 0,
                .lun = atoi(argv[4]),
                .bytes = strtoull(argv[5], NULL, 10),
                .block = (uint32_t)strtoul(argv[6], NULL, 10),
                .transfer = (uint32_t)strtoul(argv[7], NULL, 10),
        };
        if (l.block == 0 || l.transfer == 0 || l.transfer % l.block != 0 || l.bytes % l.transfer != 0) {
                fprintf(stderr, "iscsi-loop: BYTES is a multiple of TRANSFER, and that of BLOCK\n");
                return 2;
        }
        l.data = aligned_alloc(4096, l.transfer);
        if (!l.data)
                return 1;
        memset(l.data, 0x5a, l.transfer);
        int r = run(&l, argv[2], argv[3]);
        if (l.session)
                iscsi_destroy_context(l.session);
        free(l.data);
        return r < 0;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is read of a file is put together, in whatever order it is asked for, until it is all of the file.
 * Then its CRC has to be that of what was written. */
#include <errno.h>
#include <inttypes.h>

#include <reelfs/log.h>
#include <reelfs/util.h>

#include "sched-private.h"

void check_open(SchedFile *f)
{
        f->check.given_up = false;
        f->check.differs = g_hash_table_contains(f->sched->differing, &f->ino);
}

void check_forget(SchedFile *f)
{
        struct check *c = &f->check;
        c->round++;
        c->given_up = false;
        hash_parts_clear(&c->seen);
        if (!c->differs)
                return;
        c->differs = false;
        pthread_mutex_lock(&f->sched->lock);
        g_hash_table_remove(f->sched->differing, &f->ino);
        pthread_mutex_unlock(&f->sched->lock);
}

int check_admit(struct read_request *q, const struct tree_attr *attr)
{
        struct check *c = &q->file->check;
        const Sched *s = q->file->sched;
        q->checked = !s->options.no_verify && attr->has_crc32 && !c->given_up;
        q->round = c->round;
        return c->differs && q->size > 0 && !s->options.no_verify ? -EIO : 0;
}

static void tell(SchedFile *f, uint32_t crc, uint32_t expected)
{
        Sched *s = f->sched;
        struct tree_extent e = { 0 };
        struct segment seg = { 0 };
        size_t n;
        g_autofree char *path = tree_path(s->tree, f->ino);
        if (tree_map(s->tree, f->ino, 0, UINT64_MAX, &e, 1, &n, NULL) == 0 && n > 0)
                volume_segment_get(s->volume, e.segment, &seg);
        log_message(LOG_ERR, 0,
                "%s: what was read is not what was written: its CRC-32 is %08x instead of %08x. It begins in "
                "segment %" PRIu64 ", at object %" PRIu64 " of the tape. Reading it fails from now on; "
                "a mount with the option noverify gives what is there",
                path ?: "a file without a name", crc, expected, seg.filemark,
                seg.first_block + e.offset / s->block_length);
}

/* All has been seen. */
static int compare(SchedFile *f, uint32_t crc, const struct tree_attr *attr)
{
        Sched *s = f->sched;
        hash_parts_clear(&f->check.seen);
        if (!attr->has_crc32 || crc == attr->crc32)
                return 0;
        tell(f, crc, attr->crc32);
        f->check.differs = true;
        pthread_mutex_lock(&s->lock);
        g_hash_table_add(s->differing, g_memdup2(&f->ino, sizeof(f->ino)));
        pthread_mutex_unlock(&s->lock);
        return -EIO;
}

/* SchedFile.lock held. */
static int put(SchedFile *f, uint64_t offset, uint64_t length, uint32_t crc)
{
        struct check *c = &f->check;
        struct tree_attr attr;
        hash_parts_put(&c->seen, offset, length, crc);
        c->given_up = c->seen.n >= HASH_PARTS_MAX;
        if (c->given_up)
                hash_parts_clear(&c->seen);
        if (c->seen.n != 1 || c->seen.part[0].offset > 0 || tree_getattr(f->sched->tree, f->ino, &attr) < 0 ||
                c->seen.part[0].length != attr.size)
                return 0;
        return compare(f, c->seen.part[0].crc, &attr);
}

/* Whether there is something in the answer that was not seen before. SchedFile.lock held. */
static bool next_unseen(const struct read_request *q, uint64_t *offset, uint64_t *length)
{
        const struct check *c = &q->file->check;
        return c->round == q->round && !c->given_up &&
                hash_parts_unknown(&c->seen, offset, q->offset + q->size, length);
}

/* Of length bytes behind the first skip ones. */
static uint32_t crc_of(const struct iovec *iov, uint64_t skip, uint64_t length)
{
        uint32_t crc = 0;
        for (; length > 0; iov++) {
                uint64_t begin = MIN(skip, iov->iov_len), size = MIN(length, iov->iov_len - begin);
                crc = hash_crc(crc, (const uint8_t *)iov->iov_base + begin, (size_t)size);
                skip -= begin;
                length -= size;
        }
        return crc;
}

int check_answer(const struct read_request *q, const struct iovec *iov)
{
        SchedFile *f = q->file;
        uint64_t offset = q->offset, length, at, same;
        int r = 0;
        if (!q->checked)
                return 0;
        pthread_mutex_lock(&f->lock);
        while (r == 0 && next_unseen(q, &offset, &length)) {
                pthread_mutex_unlock(&f->lock);
                uint32_t crc = crc_of(iov, offset - q->offset, length);
                pthread_mutex_lock(&f->lock);
                at = offset;
                /* Somebody else may have seen it meanwhile. */
                if (next_unseen(q, &at, &same) && at == offset && same >= length)
                        r = put(f, offset, length, crc);
                offset += length;
        }
        pthread_mutex_unlock(&f->lock);
        return r;
}

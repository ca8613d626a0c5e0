/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The reader of packs. Not libarchive's, which wants to pull the bytes, hands out no global header, converts
 * names, goes on behind what it does not understand, and takes a dozen formats where one is right. */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "pack-format.h"
#include "segments.h"

enum state {
        IN_HEADER,
        IN_RECORDS, /* and what fills up their last unit */
        IN_DATA,
        IN_END
};

struct PackReader {
        struct pack_visitor visitor;
        enum state state;
        int error; /* sticky */
        const char *why;
        uint64_t at;   /* in the archive: what is fed next */
        uint64_t left; /* of the state, but for IN_HEADER */
        struct header header;
        size_t filled; /* of it */
        uint8_t type;  /* of the header that the records belong to */
        char *text;    /* records */
        size_t text_size, text_filled, allocated;
        bool has_head, has_records;
        struct pack_records records;
        uint64_t end; /* where the end of the archive begins */
};

static int damaged(PackReader *r, const char *why)
{
        r->why = why;
        return -EUCLEAN;
}

/* ---- Fields of a header */

/* Octal digits up to the byte that ends the field. False: something else. */
static bool take_octal(const char *field, size_t size, uint64_t *value)
{
        *value = 0;
        for (size_t i = 0; i + 1 < size; i++) {
                if (field[i] < '0' || field[i] > '7')
                        return false;
                *value = *value << 3 | (uint64_t)(field[i] - '0');
        }
        return field[size - 1] == '\0';
}

static bool is_header(const struct header *h)
{
        uint64_t sum;
        return take_octal(h->chksum, sizeof(h->chksum) - 1, &sum) && sum == header_sum(h) &&
                memcmp(h->magic, "ustar", sizeof(h->magic)) == 0 && memcmp(h->version, "00", 2) == 0;
}

/* Where a name comes from: its record, or the field, which need not end in NUL. */
static bool take_path(const char *record, const char *field, size_t size, char *copy, const char **path)
{
        size_t length = strnlen(field, size);
        memcpy(copy, field, length);
        copy[length] = '\0';
        *path = record ? record : copy;
        if (strlen(*path) > PACK_PATH_MAX)
                return false;
        for (const char *p = *path;; p++) {
                size_t n = strcspn(p, "/");
                if (n == 0 || n > TREE_NAME_MAX || (n <= 2 && strncmp(p, "..", n) == 0))
                        return false;
                p += n;
                if (!*p)
                        return true;
        }
}

/* ---- Members */

static bool fill_attr(const struct header *h, const struct pack_records *p, struct tree_attr *a)
{
        uint64_t mode, uid, gid, mtime;
        if (!take_octal(h->mode, sizeof(h->mode), &mode) || mode > 07777 ||
                !take_octal(h->uid, sizeof(h->uid), &uid) || !take_octal(h->gid, sizeof(h->gid), &gid) ||
                !take_octal(h->size, sizeof(h->size), &a->size) ||
                !take_octal(h->mtime, sizeof(h->mtime), &mtime) || mtime > INT64_MAX / NS)
                return false;
        uid = p->has_uid ? p->uid : uid;
        gid = p->has_gid ? p->gid : gid;
        if (uid > UINT32_MAX || gid > UINT32_MAX)
                return false;
        a->mode = S_IFREG | (uint32_t)mode;
        a->uid = (uint32_t)uid;
        a->gid = (uint32_t)gid;
        a->size = p->has_size ? p->size : a->size;
        a->times.mtime = a->times.btime = p->has_mtime ? p->mtime : (int64_t)mtime * NS;
        a->times.atime = p->has_atime ? p->atime : a->times.mtime;
        a->times.ctime = p->has_ctime ? p->ctime : a->times.mtime;
        a->has_xattrs = p->n_xattrs > 0;
        return true;
}

static int take_member(PackReader *r)
{
        const struct header *h = &r->header;
        struct pack_records *p = &r->records;
        struct tree_attr attr = { 0 };
        struct pack_member m = { .attr = &attr, .xattrs = p->xattrs, .n_xattrs = p->n_xattrs };
        char name[sizeof(h->name) + 1], link[sizeof(h->linkname) + 1];
        bool is_link = h->typeflag == '1';
        if (!r->has_records)
                return damaged(r, "a member has no records");
        if (!fill_attr(h, p, &attr) || attr.size > SEGMENT_LENGTH_MAX - r->at || (is_link && attr.size > 0))
                return damaged(r, "the header of a member makes no sense");
        if (!take_path(p->path, h->name, sizeof(h->name), name, &m.path) || h->prefix[0] ||
                (is_link && !take_path(p->link, h->linkname, sizeof(h->linkname), link, &m.link)))
                return damaged(r, "a member has a path that no file can have");
        r->has_records = false;
        r->left = attr.size + pack_filling(attr.size);
        r->state = r->left > 0 ? IN_DATA : IN_HEADER;
        return r->visitor.member(r->visitor.ctx, &m, r->at);
}

/* ---- Records */

static int take_head(PackReader *r)
{
        const struct pack_records *p = &r->records;
        struct pack_head head = { .segment = p->segment, .generation = p->generation };
        if (!p->uuid || strlen(p->uuid) != sizeof(head.uuid) - 1 || !p->token ||
                strlen(p->token) != sizeof(head.token) - 1 || p->segment == 0 || p->segment > INT64_MAX)
                return damaged(r, "the global header is not one of a pack");
        memcpy(head.uuid, p->uuid, sizeof(head.uuid));
        memcpy(head.token, p->token, sizeof(head.token));
        r->has_head = true;
        return r->visitor.head(r->visitor.ctx, &head);
}

static int take_records(PackReader *r)
{
        int error;
        r->state = IN_HEADER;
        pack_records_clear(&r->records);
        error = pack_records_parse(&r->records, r->text, r->text_size, &r->why);
        if (error < 0)
                return error;
        if (r->type == 'g')
                return take_head(r);
        r->has_records = true;
        return 0;
}

static int begin_records(PackReader *r)
{
        uint64_t size;
        r->type = (uint8_t)r->header.typeflag;
        if ((r->type == 'g') == r->has_head || r->has_records)
                return damaged(r, "headers are not in their order");
        if (!take_octal(r->header.size, sizeof(r->header.size), &size) || size == 0 ||
                size > PACK_RECORDS_MAX)
                return damaged(r, "records have a length that they cannot have");
        r->text_size = (size_t)size;
        r->text_filled = 0;
        r->left = size + pack_filling(size);
        r->state = IN_RECORDS;
        return 0;
}

/* As they come, since their length proves nothing. */
static int put_records(PackReader *r, const uint8_t *data, size_t length)
{
        size_t n = MIN(length, r->text_size - r->text_filled);
        if (r->text_filled + n > r->allocated) {
                size_t more = MAX(r->text_filled + n, MIN(2 * r->allocated, (size_t)PACK_RECORDS_MAX));
                char *text = g_try_realloc(r->text, more);
                if (!text)
                        return -ENOMEM;
                r->text = text;
                r->allocated = more;
        }
        memcpy(r->text + r->text_filled, data, n);
        r->text_filled += n;
        r->left -= length;
        return r->left == 0 ? take_records(r) : 0;
}

/* ---- The archive */

static bool is_zero(const uint8_t *data, size_t length)
{
        return length == 0 || (data[0] == 0 && memcmp(data, data + 1, length - 1) == 0);
}

static int take_header(PackReader *r)
{
        const struct header *h = &r->header;
        if (is_zero((const uint8_t *)h, sizeof(*h)) && r->has_head && !r->has_records) {
                r->end = r->at - sizeof(*h);
                r->state = IN_END;
                return 0;
        }
        if (!is_header(h))
                return damaged(r, "there is no header where one has to be");
        switch (h->typeflag) {
        case 'g':
        case 'x':
                return begin_records(r);
        case '0':
        case '1':
                return take_member(r);
        default:
                return damaged(r, "a member is no file");
        }
}

/* Uses some of the bytes up; returns an error, or how many. */
static int use(PackReader *r, const uint8_t *data, size_t length, size_t *used)
{
        *used = length;
        switch (r->state) {
        case IN_HEADER:
                *used = MIN(length, sizeof(r->header) - r->filled);
                memcpy((uint8_t *)&r->header + r->filled, data, *used);
                r->filled = (r->filled + *used) % sizeof(r->header);
                r->at += *used;
                return r->filled == 0 ? take_header(r) : 0;
        case IN_RECORDS:
                *used = (size_t)MIN((uint64_t)length, r->left);
                r->at += *used;
                return put_records(r, data, *used);
        case IN_DATA:
                *used = (size_t)MIN((uint64_t)length, r->left);
                r->at += *used;
                r->left -= *used;
                r->state = r->left == 0 ? IN_HEADER : IN_DATA;
                return 0;
        default:
                r->at += length;
                return is_zero(data, length) ? 0 : damaged(r, "something is behind the end of the archive");
        }
}

int pack_reader_feed(PackReader *r, const void *data, size_t length)
{
        const uint8_t *bytes = data;
        for (size_t n; length > 0 && r->error == 0; bytes += n, length -= n)
                r->error = use(r, bytes, length, &n);
        return r->error;
}

int pack_reader_new(const struct pack_visitor *visitor, PackReader **ret)
{
        PackReader *r = g_try_new0(PackReader, 1);
        if (!r)
                return -ENOMEM;
        r->visitor = *visitor;
        r->why = "";
        *ret = r;
        return 0;
}

void pack_reader_free(PackReader *r)
{
        if (!r)
                return;
        pack_records_clear(&r->records);
        g_free(r->text);
        g_free(r);
}

bool pack_reader_is_complete(const PackReader *r)
{
        return r->error == 0 && r->state == IN_END && r->at - r->end >= (uint64_t)(2 * PACK_UNIT);
}

const char *pack_reader_why(const PackReader *r)
{
        return r->why;
}

/* ---- */

static int keep_head(void *ctx, const struct pack_head *head)
{
        *(struct pack_head *)ctx = *head;
        return -ECANCELED;
}

bool pack_probe(const void *data, size_t length, struct pack_head *head)
{
        const struct pack_visitor visitor = { .head = keep_head, .ctx = head };
        PackReader *r;
        if (pack_reader_new(&visitor, &r) < 0)
                return false;
        bool found = pack_reader_feed(r, data, length) == -ECANCELED;
        pack_reader_free(r);
        return found;
}

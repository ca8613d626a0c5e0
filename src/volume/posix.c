/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <glib.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "posix.h"

void posix_default_attr(const struct posix_defaults *defaults, uint32_t type, struct posix_attr *attr)
{
        uint32_t mode = defaults->file_mode;
        if (S_ISDIR(type))
                mode = defaults->dir_mode;
        else if (S_ISLNK(type))
                mode = 0777;
        *attr = (struct posix_attr){
                .mode = (type & S_IFMT) | mode, .uid = defaults->uid, .gid = defaults->gid
        };
}

static void add_word(char *text, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void add_word(char *text, const char *format, ...)
{
        size_t n = strlen(text);
        if (n > 0)
                text[n++] = ' ';
        va_list ap;
        va_start(ap, format);
        vsnprintf(text + n, POSIX_TEXT_MAX - n, format, ap);
        va_end(ap);
}

void posix_to_text(const struct posix_defaults *defaults, const struct posix_attr *attr,
        char text[static POSIX_TEXT_MAX])
{
        struct posix_attr usual;
        uint32_t type = attr->mode & S_IFMT;
        bool special = type != S_IFREG && type != S_IFDIR && type != S_IFLNK;
        posix_default_attr(defaults, type, &usual);
        text[0] = '\0';
        if (attr->mode != usual.mode || special)
                add_word(text, "mode=%o", attr->mode);
        if (attr->uid != usual.uid)
                add_word(text, "uid=%" PRIu32, attr->uid);
        if (attr->gid != usual.gid)
                add_word(text, "gid=%" PRIu32, attr->gid);
        if (S_ISCHR(type) || S_ISBLK(type))
                add_word(text, "rdev=%u:%u", major(attr->rdev), minor(attr->rdev));
        if (attr->link != 0)
                add_word(text, "link=%" PRIu64, attr->link);
}

void posix_defaults_to_text(const struct posix_defaults *defaults, char text[static POSIX_TEXT_MAX])
{
        snprintf(text, POSIX_TEXT_MAX, "file=%o dir=%o uid=%" PRIu32 " gid=%" PRIu32, defaults->file_mode,
                defaults->dir_mode, defaults->uid, defaults->gid);
}

/* A number of this base that ends at end, with digits only. */
static int parse_number(const char *p, const char *end, unsigned base, uint64_t max, uint64_t *number)
{
        if (p == end)
                return -EINVAL;
        uint64_t n = 0;
        for (; p < end; p++) {
                int digit = g_ascii_digit_value(*p);
                if (digit < 0 || digit >= (int)base || __builtin_mul_overflow(n, base, &n) ||
                        __builtin_add_overflow(n, digit, &n) || n > max)
                        return -EINVAL;
        }
        *number = n;
        return 0;
}

static int parse_octal(const char *p, const char *end, uint32_t max, void *field)
{
        uint64_t n;
        int r = parse_number(p, end, 8, max, &n);
        if (r == 0)
                *(uint32_t *)field = (uint32_t)n;
        return r;
}

static int parse_mode(const char *p, const char *end, void *field)
{
        return parse_octal(p, end, S_IFMT | 07777, field);
}

static int parse_permissions(const char *p, const char *end, void *field)
{
        return parse_octal(p, end, 07777, field);
}

static int parse_id(const char *p, const char *end, void *field)
{
        uint64_t n;
        int r = parse_number(p, end, 10, UINT32_MAX, &n);
        if (r == 0)
                *(uint32_t *)field = (uint32_t)n;
        return r;
}

static int parse_rdev(const char *p, const char *end, void *field)
{
        const char *colon = memchr(p, ':', (size_t)(end - p));
        uint64_t major_number, minor_number;
        if (!colon || parse_number(p, colon, 10, UINT32_MAX, &major_number) < 0 ||
                parse_number(colon + 1, end, 10, UINT32_MAX, &minor_number) < 0)
                return -EINVAL;
        *(uint64_t *)field = makedev((unsigned)major_number, (unsigned)minor_number);
        return 0;
}

static int parse_link(const char *p, const char *end, void *field)
{
        uint64_t n;
        int r = parse_number(p, end, 10, INT64_MAX, &n);
        if (r < 0 || n == 0)
                return -EINVAL;
        *(uint64_t *)field = n;
        return 0;
}

struct word {
        const char *name; /* with its '=' */
        size_t offset;
        int (*parse)(const char *p, const char *end, void *field);
};

static const struct word attr_words[] = {
        { "mode=", offsetof(struct posix_attr, mode), parse_mode },
        { "uid=", offsetof(struct posix_attr, uid), parse_id },
        { "gid=", offsetof(struct posix_attr, gid), parse_id },
        { "rdev=", offsetof(struct posix_attr, rdev), parse_rdev },
        { "link=", offsetof(struct posix_attr, link), parse_link },
};

static const struct word default_words[] = {
        { "file=", offsetof(struct posix_defaults, file_mode), parse_permissions },
        { "dir=", offsetof(struct posix_defaults, dir_mode), parse_permissions },
        { "uid=", offsetof(struct posix_defaults, uid), parse_id },
        { "gid=", offsetof(struct posix_defaults, gid), parse_id },
};

static int parse_words(const char *text, size_t length, const struct word *words, size_t n_words, void *into)
{
        const char *p = text, *end = text + length;
        while (p < end) {
                const char *space = memchr(p, ' ', (size_t)(end - p));
                const char *word_end = space ? space : end;
                for (size_t i = 0; i < n_words; i++) {
                        size_t n = strlen(words[i].name);
                        if ((size_t)(word_end - p) < n || memcmp(p, words[i].name, n) != 0)
                                continue;
                        int r = words[i].parse(p + n, word_end, (char *)into + words[i].offset);
                        if (r < 0)
                                return r;
                }
                p = space ? space + 1 : end;
        }
        return 0;
}

int posix_from_text(const char *text, size_t length, struct posix_attr *attr)
{
        return parse_words(text, length, attr_words, G_N_ELEMENTS(attr_words), attr);
}

int posix_defaults_from_text(const char *text, size_t length, struct posix_defaults *defaults)
{
        return parse_words(text, length, default_words, G_N_ELEMENTS(default_words), defaults);
}

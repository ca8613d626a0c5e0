/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <reelfs/util.h>

#define NS INT64_C(1000000000)

void close_fd(int *fd)
{
        int saved = errno;
        if (*fd >= 0)
                close(*fd);
        *fd = -1;
        errno = saved;
}

static int64_t clock_ns(clockid_t clock)
{
        struct timespec ts;
        clock_gettime(clock, &ts);
        return ts.tv_sec * NS + ts.tv_nsec;
}

int64_t now_ns(void)
{
        return clock_ns(CLOCK_REALTIME);
}

int64_t monotonic_ns(void)
{
        return clock_ns(CLOCK_MONOTONIC);
}

int parse_size(const char *text, uint64_t *bytes)
{
        static const char units[] = "KMGTPE";
        if (!g_ascii_isdigit(text[0]))
                return -EINVAL;
        errno = 0;
        char *end;
        uint64_t n = g_ascii_strtoull(text, &end, 10);
        if (errno)
                return -ERANGE;
        unsigned shift = 0;
        if (*end) {
                const char *unit = strchr(units, g_ascii_toupper(*end));
                if (unit) {
                        shift = 10 * (unsigned)(unit - units + 1);
                        end++;
                }
                if (g_ascii_strcasecmp(end, "iB") == 0 && shift)
                        end += 2;
                else if (g_ascii_strcasecmp(end, "B") == 0)
                        end++;
                if (*end)
                        return -EINVAL;
        }
        if (n > (UINT64_C(1) << 63) >> shift)
                return -ERANGE;
        *bytes = n << shift;
        return 0;
}

int parse_seconds(const char *text, uint64_t *seconds)
{
        if (!g_ascii_isdigit(text[0]))
                return -EINVAL;
        errno = 0;
        char *end;
        uint64_t n = g_ascii_strtoull(text, &end, 10), unit;
        switch (*end) {
        case '\0':
        case 's':
                unit = 1;
                break;
        case 'm':
                unit = 60;
                break;
        case 'h':
                unit = 3600;
                break;
        default:
                return -EINVAL;
        }
        if ((*end && end[1]) || errno || n > INT32_MAX / unit)
                return -EINVAL;
        *seconds = n * unit;
        return 0;
}

char *format_size(uint64_t bytes)
{
        static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB" };
        double value = (double)bytes;
        unsigned unit = 0;
        while (value >= 999.5 && unit + 1 < G_N_ELEMENTS(units)) {
                value /= 1024;
                unit++;
        }
        if (unit == 0)
                return g_strdup_printf("%u B", (unsigned)bytes);
        return g_strdup_printf("%.*f %s", value < 9.95 ? 1 : 0, value, units[unit]);
}

/* Days since 1970 and dates of the Gregorian calendar, for years from March on, by Hinnant's
 * chrono-compatible algorithms: gmtime_r and timegm take a lock, and most of the time of an index. */
#define DAYS_PER_ERA 146097  /* 400 years */
#define DAYS_TO_EPOCH 719468 /* from 0000-03-01 */

static void days_to_date(int64_t days, int *year, int *month, int *day)
{
        days += DAYS_TO_EPOCH; /* not negative: int64_t's nanoseconds begin in 1677 */
        unsigned era = (unsigned)(days / DAYS_PER_ERA), of_era = (unsigned)(days % DAYS_PER_ERA);
        unsigned y = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
        unsigned of_year = of_era - (365 * y + y / 4 - y / 100), m = (5 * of_year + 2) / 153;
        *day = (int)(of_year - (153 * m + 2) / 5 + 1);
        *month = (int)(m < 10 ? m + 3 : m - 9);
        *year = (int)(y + era * 400 + (*month <= 2));
}

static int64_t date_to_days(int year, int month, int day)
{
        int y = year - (month <= 2) + 400; /* not negative */
        int era = y / 400, of_era = y % 400;
        int of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
        return (int64_t)(era - 1) * DAYS_PER_ERA + of_era * 365 + of_era / 4 - of_era / 100 + of_year -
                DAYS_TO_EPOCH;
}

/* n digits, and what follows them. */
static char *put_digits(char *p, unsigned value, int n, char then)
{
        for (int i = n; i-- > 0; value /= 10)
                p[i] = (char)('0' + value % 10);
        p[n] = then;
        return p + n + 1;
}

void format_time_ns(int64_t ns, char text[static TIME_TEXT_LENGTH + 1])
{
        int64_t seconds = ns / NS, fraction = ns % NS;
        if (fraction < 0) {
                fraction += NS;
                seconds--;
        }
        int64_t days = seconds / 86400;
        int of_day = (int)(seconds % 86400), year, month, day;
        if (of_day < 0) {
                of_day += 86400;
                days--;
        }
        days_to_date(days, &year, &month, &day);
        char *p = put_digits(text, (unsigned)year, 4, '-');
        p = put_digits(p, (unsigned)month, 2, '-');
        p = put_digits(p, (unsigned)day, 2, 'T');
        p = put_digits(p, (unsigned)of_day / 3600, 2, ':');
        p = put_digits(p, (unsigned)of_day / 60 % 60, 2, ':');
        p = put_digits(p, (unsigned)of_day % 60, 2, '.');
        p = put_digits(p, (unsigned)fraction, 9, 'Z');
        *p = '\0';
}

/* n digits at *p as a number. */
static int take_digits(const char **p, const char *end, int n, int *value)
{
        *value = 0;
        for (int i = 0; i < n; i++, (*p)++) {
                if (*p == end || !g_ascii_isdigit(**p))
                        return -EINVAL;
                *value = *value * 10 + (**p - '0');
        }
        return 0;
}

static int take_char(const char **p, const char *end, char c)
{
        if (*p == end || **p != c)
                return -EINVAL;
        (*p)++;
        return 0;
}

int parse_time_ns(const char *text, size_t length, int64_t *ns)
{
        static const struct {
                int digits;
                char before;
        } fields[] = { { 4, 0 }, { 2, '-' }, { 2, '-' }, { 2, 'T' }, { 2, ':' }, { 2, ':' } };
        const char *p = text, *end = text + length;
        int v[G_N_ELEMENTS(fields)];
        for (unsigned i = 0; i < G_N_ELEMENTS(fields); i++) {
                if (fields[i].before && take_char(&p, end, fields[i].before) < 0)
                        return -EINVAL;
                if (take_digits(&p, end, fields[i].digits, &v[i]) < 0)
                        return -EINVAL;
        }
        int64_t fraction = 0;
        if (p < end && *p == '.') {
                int digits = 0;
                for (p++; p < end && g_ascii_isdigit(*p); p++) {
                        if (digits < 9) {
                                fraction = fraction * 10 + (*p - '0');
                                digits++;
                        }
                }
                for (; digits < 9; digits++)
                        fraction *= 10;
        }
        if (take_char(&p, end, 'Z') < 0 || p != end)
                return -EINVAL;
        if (v[1] < 1 || v[1] > 12 || v[2] < 1 || v[2] > 31 || v[3] > 23 || v[4] > 59 || v[5] > 60)
                return -EINVAL;
        int64_t seconds = date_to_days(v[0], v[1], v[2]) * 86400 + v[3] * 3600 + v[4] * 60 + v[5];
        if (seconds < 0) { /* the earliest second begins before what ns holds */
                seconds++;
                fraction -= NS;
        }
        if (__builtin_mul_overflow(seconds, NS, ns) || __builtin_add_overflow(*ns, fraction, ns))
                *ns = seconds < 0 ? INT64_MIN : INT64_MAX;
        return 0;
}

char *path_from_root(const char *path)
{
        /* GLib keeps two slashes at the beginning. */
        char *text = g_canonicalize_filename(path + strspn(path, "/"), "/");
        if (strcmp(text, "/") == 0)
                text[0] = '\0';
        return text;
}

size_t iov_length(const struct iovec *iov, int iovcnt)
{
        size_t n = 0;
        for (int i = 0; i < iovcnt; i++)
                n += iov[i].iov_len;
        return n;
}

int iov_slice(const struct iovec *iov, int iovcnt, size_t skip, size_t length, struct iovec *out)
{
        int n = 0;
        for (int i = 0; i < iovcnt && length > 0; i++) {
                if (skip >= iov[i].iov_len) {
                        skip -= iov[i].iov_len;
                        continue;
                }
                size_t take = MIN(iov[i].iov_len - skip, length);
                out[n++] = (struct iovec){ (char *)iov[i].iov_base + skip, take };
                length -= take;
                skip = 0;
        }
        return n;
}

int pread_all(int fd, void *buf, size_t size, uint64_t offset)
{
        while (size > 0) {
                ssize_t n = pread(fd, buf, size, (off_t)offset);
                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return -errno;
                if (n == 0)
                        return -ENODATA;
                buf = (char *)buf + n;
                size -= (size_t)n;
                offset += (size_t)n;
        }
        return 0;
}

int create_anew(const char *path, int *fd)
{
        unlink(path);
        *fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0666);
        return *fd < 0 ? -errno : 0;
}

int pwrite_all(int fd, const void *buf, size_t size, uint64_t offset)
{
        while (size > 0) {
                ssize_t n = pwrite(fd, buf, size, (off_t)offset);
                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return -errno;
                buf = (const char *)buf + n;
                size -= (size_t)n;
                offset += (size_t)n;
        }
        return 0;
}

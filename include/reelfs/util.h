/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* Small helpers over GLib and POSIX. No state; any thread. */
#include <glib.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

/* Closes *fd if it is not negative and sets it to -1, keeping errno. For the attribute below. */
void close_fd(int *fd);
#define autofd __attribute__((cleanup(close_fd))) int

/* Now, nanoseconds since 1970 UTC (CLOCK_REALTIME) and since some fixed point (CLOCK_MONOTONIC). */
int64_t now_ns(void);
int64_t monotonic_ns(void);

/* "64K", "1M", "512KiB", "2g": binary units, bytes without one. -EINVAL: not a size; -ERANGE: over 2^63. */
int parse_size(const char *text, uint64_t *bytes);
/* "5m", "30s", "2h", plain seconds. -EINVAL: not a time. */
int parse_seconds(const char *text, uint64_t *seconds);
/* "1.4 GiB", three digits at most. The caller frees. */
char *format_size(uint64_t bytes);

/* LTFS time, "2026-11-22T23:15:58.000000000Z", always 30 characters. ns: any value an int64_t holds. */
#define TIME_TEXT_LENGTH 30
void format_time_ns(int64_t ns, char text[static TIME_TEXT_LENGTH + 1]);
/* Takes fewer or no fraction digits as well. Years outside 1678-2261 are clamped to what ns holds. -EINVAL.
 */
int parse_time_ns(const char *text, size_t length, int64_t *ns);

/* A path on a volume as "/a/b", with no empty, "." or ".." component; "" for the root. What ".." means rests
 * on the text alone: it has to be resolved first, since below a file there is nothing. The caller frees. */
char *path_from_root(const char *path);

size_t iov_length(const struct iovec *iov, int iovcnt);
/* Fills out with the part of iov that begins skip bytes in and is length bytes long; returns the number of
 * elements, at most iovcnt. out has room for iovcnt elements. */
int iov_slice(const struct iovec *iov, int iovcnt, size_t skip, size_t length, struct iovec *out);

/* A new file for reading and writing in the place of what has the name; links are not followed, since beside
 * a cartridge from elsewhere may lie anything. */
int create_anew(const char *path, int *fd);

/* Reads or writes all of it, across EINTR and short transfers. -ENODATA: the file ends before. */
int pread_all(int fd, void *buf, size_t size, uint64_t offset);
int pwrite_all(int fd, const void *buf, size_t size, uint64_t offset);

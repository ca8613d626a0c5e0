/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reservation keys. Eight bytes, of which a drive says only that they are somebody's. Ours say that they are
 * reelfs's, of which machine and of which process, so that what a process leaves behind that is killed can be
 * told from what a living one has, here or elsewhere:
 *
 *   16 bits "rf"    24 bits of a hash of the machine's id    24 bits process id
 *
 * A process id says something within its namespace only, so that belongs to the machine: a container is
 * another one. */
#include <errno.h>
#include <glib.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "private.h"

#define PREFIX (UINT64_C(0x7266) << 48)
#define PREFIX_MASK (UINT64_C(0xffff) << 48)
#define MACHINE_MASK (UINT64_C(0xffffff) << 24)
#define PROCESS_MASK UINT64_C(0xffffff) /* Linux has process ids up to 2^22 */

/* machine-id(5): is not to be shown to others as it is. */
static uint64_t machine(void)
{
        g_autofree char *id = NULL;
        g_autofree char *text = NULL;
        if (!g_file_get_contents("/etc/machine-id", &id, NULL, NULL) || strlen(g_strstrip(id)) == 0) {
                g_free(id);
                id = g_strdup(g_get_host_name());
        }
        g_autofree char *processes = g_file_read_link("/proc/self/ns/pid", NULL);
        text = g_strconcat("reelfs reservation ", id, processes, NULL);
        g_autofree char *digest = g_compute_checksum_for_string(G_CHECKSUM_SHA256, text, -1);
        digest[6] = '\0';
        return g_ascii_strtoull(digest, NULL, 16) << 24;
}

uint64_t key_own(void)
{
        return PREFIX | machine() | ((uint64_t)getpid() & PROCESS_MASK);
}

/* The name of the file that a process runs; NULL: not to be found out. The caller frees. */
static char *program_of(const char *process)
{
        g_autofree char *link = g_strdup_printf("/proc/%s/exe", process);
        g_autofree char *path = g_file_read_link(link, NULL);
        if (!path)
                return NULL;
        if (g_str_has_suffix(path, " (deleted)")) /* another version was installed meanwhile */
                path[strlen(path) - strlen(" (deleted)")] = '\0';
        return g_path_get_basename(path);
}

/* A process id is used again one day, by another program more likely than not. */
static bool is_running(uint64_t pid)
{
        if (kill((pid_t)pid, 0) < 0 && errno != EPERM)
                return false;
        g_autofree char *process = g_strdup_printf("%" PRIu64, pid);
        g_autofree char *theirs = program_of(process), *ours = program_of("self");
        return !theirs || !ours || strcmp(theirs, ours) == 0;
}

enum key_owner key_owner(uint64_t key)
{
        uint64_t pid = key & PROCESS_MASK;
        if ((key & PREFIX_MASK) != PREFIX || (key & MACHINE_MASK) != machine())
                return KEY_FOREIGN;
        return pid > 0 && pid != (uint64_t)getpid() && is_running(pid) ? KEY_ALIVE : KEY_DEAD;
}

void tape_key_text(uint64_t key, char *text, size_t size)
{
        unsigned pid = key & PROCESS_MASK;
        switch (key_owner(key)) {
        case KEY_ALIVE:
                snprintf(text, size, "another reelfs of this machine (process %u)", pid);
                break;
        case KEY_DEAD:
                snprintf(text, size, "a reelfs of this machine that is gone (process %u)", pid);
                break;
        default:
                snprintf(text, size, "%s (key 0x%016" PRIx64 ")",
                        (key & PREFIX_MASK) == PREFIX ? "a reelfs of another machine or container"
                                                      : "another program or host",
                        key);
        }
}

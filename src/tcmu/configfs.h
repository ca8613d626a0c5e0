/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* Small files and directories of configfs and sysfs. */

#define CONFIGFS "/sys/kernel/config"

/* Writes text to DIRECTORY/NAME. */
int configfs_write(const char *directory, const char *name, const char *text);
/* Without the newline; NULL: cannot be read. The caller frees. */
char *configfs_read(const char *directory, const char *name);
/* The first name in directory that begins with prefix; NULL: there is none. The caller frees. */
char *configfs_find(const char *directory, const char *prefix);
/* 0 if it is there already. */
int configfs_make_directory(const char *path);
/* Mounts configfs if it is not. */
int configfs_mount(void);
/* Loads a module of the kernel. A failure is not one yet: it may be built in. */
void configfs_load_module(const char *name);

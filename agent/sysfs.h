/* SPDX-License-Identifier: MIT */
/* The kernel's small files: one value each. */
#ifndef AGENT_SYSFS_H
#define AGENT_SYSFS_H

#include <dirent.h>
#include <limits.h>
#include <stddef.h>

#include "common/cleanup.h"

/* For a local DIR *, which may be NULL. */
static inline void folder_close_ptr(DIR **folder)
{
	if (*folder) {
		closedir(*folder);
	}
}
#define _cleanup_folder_ _cleanup_(folder_close_ptr)

/* "folder/name". 0 or -ENAMETOOLONG. */
int sysfs_path(char path[static PATH_MAX], const char *folder, const char *name);
/* Reads folder/name without its end of line; empty when it cannot be read. 0 or -errno. */
int sysfs_read(const char *folder, const char *name, char *text, size_t size);
/* A number as C writes it; 0 when there is none. */
unsigned long sysfs_read_number(const char *folder, const char *name);
/* 0 or -errno. May wait as long as the kernel does. */
int sysfs_write(const char *folder, const char *name, const char *text);
/* The last part of what the link folder/name points to; empty when there is none. 0 or -errno. */
int sysfs_read_link(const char *folder, const char *name, char *text, size_t size);

#endif

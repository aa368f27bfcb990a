/* SPDX-License-Identifier: MIT */
/*
 * Landlock around a QEMU that runs as the seat's user: what a guest that has broken out must not
 * reach, though the user may. It says what is allowed and not what is forbidden, so all is allowed
 * but what lies in the hidden folders, and changes in the readable ones; what is created beside
 * those folders later is not allowed.
 * Opening and changing files needs Linux 5.13 or later; connecting to sockets 7.1; abstract sockets
 * and signals 6.12.
 */
#ifndef VM_CONFINE_H
#define VM_CONFINE_H

struct confinement {
	char *const *hidden;   /* folders; one that is not there yet by its canonical path */
	char *const *readable; /* folders, likewise: nothing there is written, made or removed */
	char *const *own;      /* files and folders that are allowed, also in hidden ones */
};

/* The version of the kernel's Landlock; 0: it has none. */
int confine_version(void);
#define CONFINE_SOCKETS 9 /* the first that hides sockets */

/* Confines the calling thread and what it executes, for good. 0 or -errno; -EOPNOTSUPP without
 * Landlock. Reads folders, so it is for a thread or a moment in which that may take a while. */
int confine_thread(const struct confinement *confinement);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * Starts a guest's QEMU so that it outlives us: in a session of its own, with none of our
 * descriptors but its QMP socket, its output in a file; and moves it out of our control group.
 */
#ifndef VM_LAUNCH_H
#define VM_LAUNCH_H

#include <sys/types.h>
#include <systemd/sd-event.h>

#include "vm/confine.h"

/* Descriptors that a program gets, from number LAUNCH_FIRST_FD on; -1: none for that number. */
#define LAUNCH_FIRST_FD 3
#define LAUNCH_FDS_MAX 16
struct launch_fds {
	size_t n;
	int fds[LAUNCH_FDS_MAX];
};

/*
 * Executes argv with these descriptors and its output in log_file, whose former content moves to
 * log_file.old. Behind walls (NULL: none) where the kernel has such, which is logged where it has
 * not. Returns 0 with the process in *pid, or -errno (-ENOENT: there is no such program).
 */
int launch_qemu(char *const argv[], const struct launch_fds *fds, const char *log_file,
		const struct confinement *walls, pid_t *pid);

/* The same for a program of ours, without walls and without what is mended in QEMU. */
int launch_helper(char *const argv[], const struct launch_fds *fds, const char *log_file,
		  pid_t *pid);

/* Opens the log as launch_qemu() does. A descriptor above 63, or -errno. */
int launch_log_open(const char *path);

/*
 * A file of ours: beside us when we run where we were built (a path from the top of that folder),
 * else where it was installed. mode as for access(2). Allocated; NULL: neither, or no memory.
 */
char *launch_find(const char *built, const char *installed, int mode);

/* "LD_PRELOAD=…" for QEMU, allocated; *out stays NULL when there is nothing. 0 or -ENOMEM. */
int launch_preload(char **out);

/* What QEMU gets from a process that becomes it; see proto/guest.h. Everything stays the caller's. */
struct launch_order {
	char *const *checks, *const *args;
	const int *fds;     /* GUEST_DESCRIPTORS of them */
};

/* Connects to the process of that user that listens there. A descriptor with the process in *pid,
 * or -errno: -EPERM: it is another user's; -ESRCH: it has ended, and its number may be another's,
 * but its socket is there; -ENOENT, -ECONNREFUSED: nobody listens, or not any more. */
int launch_knock(const char *socket, uid_t uid, pid_t *pid);

/* What it gets on that connection. 0 or -errno. */
int launch_hand_over(int fd, const struct launch_order *order);

/*
 * QEMU's own words about its end: the last line of its output that speaks, without the program's
 * name. Any bytes: QEMU is not trusted. Empty when there is none.
 */
void launch_last_words(const char *log_file, char *words, size_t size);

/* The unit's name, with what may not stand in one escaped as systemd-escape(1) does; allocated,
 * NULL without memory. */
char *scope_unit_name(const char *guest, pid_t pid);

/*
 * Asks the service manager, if there is one, to put the process into a scope of its own: the
 * user's manager for a user, the system's for root. Everything happens in the loop; a failure
 * leaves the process where it is, which is logged. A second process (0: none) goes with it.
 * Returns NULL when there is no manager.
 */
struct scope;
struct scope *scope_create(sd_event *event, const char *guest, pid_t pid, pid_t helper);
void scope_destroy(struct scope *scope);

#endif

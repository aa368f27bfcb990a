/* SPDX-License-Identifier: MIT */
/*
 * Starts a guest's QEMU so that it outlives us: in a session of its own, with none of our
 * descriptors but its QMP socket, its output in a file; and moves it out of our control group.
 */
#ifndef VM_LAUNCH_H
#define VM_LAUNCH_H

#include <sys/types.h>
#include <systemd/sd-event.h>

/*
 * Executes argv with qmp_fd as descriptor QEMU_QMP_FD and its output in log_file, whose former
 * content moves to log_file.old. Returns 0 with the process in *pid, or -errno (-ENOENT: there is
 * no such program).
 */
int launch_qemu(char *const argv[], int qmp_fd, const char *log_file, pid_t *pid);

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
 * leaves the process where it is, which is logged. Returns NULL when there is no manager.
 */
struct scope;
struct scope *scope_create(sd_event *event, const char *guest, pid_t pid);
void scope_destroy(struct scope *scope);

#endif

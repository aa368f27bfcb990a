/* SPDX-License-Identifier: MIT */
/* A QEMU process, ours or one from an earlier seat, watched and killed through its pidfd. */
#ifndef VM_PROCESS_H
#define VM_PROCESS_H

#include <stdbool.h>
#include <sys/types.h>
#include <systemd/sd-event.h>

struct process;

/* How it ended. Only a parent is told: for a QEMU that an earlier seat started, known is false. */
struct process_end {
	bool known;
	bool by_signal;
	int number; /* exit status or signal */
};

/* Called once from the loop. May destroy the process object. */
typedef void (*process_exited_fn)(void *data, const struct process_end *end);

/* Watches a process. Returns 0 or -errno; -ESRCH when there is none. */
int process_watch(sd_event *event, pid_t pid, process_exited_fn exited, void *data,
		  struct process **out);

/* Stops watching; the process goes on. NULL is legal. */
void process_destroy(struct process *process);

/* 0 and -1 for NULL. The descriptor stays the process object's. */
pid_t process_pid(const struct process *process);
int process_pidfd(const struct process *process);

/* SIGKILL. Returns 0 or -errno. */
int process_kill(const struct process *process);

/* The process that holds a lock on the file, as QEMU does on its -pidfile while it lives, or 0.
 * The content is not looked at: it may be old. */
pid_t process_find(const char *pid_file);

#endif

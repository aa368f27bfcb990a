/* SPDX-License-Identifier: MIT */
/* What vm.c (states), vm_link.c (connections), vm_launch.c (start) and vm_stop.c share. */
#ifndef VM_VM_PRIVATE_H
#define VM_VM_PRIVATE_H

#include "proto/guest.h"
#include "proto/input.h"
#include "vm/accel.h"
#include "vm/answers.h"
#include "vm/huge_pages.h"
#include "vm/launch.h"
#include "vm/peer.h"
#include "vm/process.h"
#include "vm/qmp.h"
#include "vm/vm.h"

/* A greeting from a QEMU that has just been started may take long on a busy machine. */
#define VM_GREETING_USEC (10 * 1000 * 1000)

/* Clients that may wait for QEMU: every seat that dies while QEMU is stopped leaves one. */
#define VM_QMP_BACKLOG 64

/* Calls on the peer connection that may wait for an answer, and messages for being written. */
#define VM_PEER_CALLS_MAX 256
#define VM_PEER_QUEUE_MAX 512

/* The two connections to QEMU. */
struct vm_link {
	int listen_fd; /* of a QEMU that was just started, until it has greeted; else -1 */
	struct qmp *qmp;
	bool qmp_ready;
	struct peer *peer;
	bool peer_up;
	bool refused; /* QEMU has no display for us; the reason stays until QMP is closed */
	sd_event_source *retry; /* enabled after a loss, until the next attempt */
	unsigned int attempts;	/* of losses that are not yet forgiven */
	uint64_t lost_ns;	/* when something was lost last */
	struct ticket greeting, status, client;
	bool probing; /* vm_link_probe() waits for its answer */
	struct list calls; /* vm_peer_call: open calls on the peer connection */
	unsigned int n_calls;
};

/*
 * How far we are in making QEMU end:
 * NONE    not asked
 * ACPI    the guest was asked; the deadline leads to QUIT
 * QUIT    QEMU was told to quit; the deadline leads to KILL
 * KILL    SIGKILL was sent, or the starter was asked to; the deadline has it asked again
 */
enum vm_stop_step { VM_STOP_NONE, VM_STOP_ACPI, VM_STOP_QUIT, VM_STOP_KILL };

struct vm_stop {
	enum vm_stop_step step;
	sd_event_source *deadline;
	bool announced;	   /* QEMU said that it ends (event SHUTDOWN) … */
	bool by_guest;	   /* … because the guest switched itself off */
	bool complained;   /* that nobody can kill it */
	bool resume_reset; /* run the guest again when the reset is done */
};

/*
 * A start at the installed level.
 * NONE      none is under way
 * ASKING    nobody knows yet whether the guest has a user of its own
 * UNIT      its starter was asked; vm_started() goes on
 * KNOCKING  the unit's process does not listen yet
 */
enum vm_installed_step {
	VM_INSTALLED_NONE,
	VM_INSTALLED_ASKING,
	VM_INSTALLED_UNIT,
	VM_INSTALLED_KNOCKING
};

struct vm_installed {
	const struct vm_starter_ops *ops; /* NULL: there is no such level */
	void *data;
	enum vm_installed_step step;
	struct vm_account account;
	sd_event_source *again; /* ASKING, KNOCKING: the next try */
	unsigned int asked;     /* tries */
};

/* The guest's devices for input. */
struct vm_input {
	uint32_t host;           /* what the host has: a bit for each enum input_kind */
	uint32_t kinds;          /* of the QEMU that is being started */
	int fds[INPUT_KINDS];    /* QEMU's ends, until it has them; valid for kinds */
	struct process *process; /* baton-input; NULL also when an earlier seat started it */
};

struct vm {
	sd_event *event;
	struct vm_config *config;
	char *run_dir, *state_dir; /* the guest's own */
	char *settings;            /* as vm_set_settings(), or NULL */
	struct list observers;
	enum vm_state state;
	char *reason;
	bool vcpus_run;
	const char *pause_reason; /* static text, or NULL */
	struct accel_probe *accel;
	struct huge_pages huge_pages; /* promised to a QEMU that is starting */
	struct process *process; /* NULL also for a foreign QEMU whose process is not known */
	struct scope *scope;
	struct vm_input input;
	struct vm_installed installed;
	struct vm_link link;
	struct vm_stop stop;
	struct answers answers;
	struct list farewells; /* sockets that QEMU has not closed yet */
	bool keys_under_way;
};

/* vm.c: a path in a folder; the caller frees it. */
char *vm_path(const char *folder, const char *file);

/* vm.c: sets state and reason (format NULL: none) and tells the observers of a change. */
__attribute__((format(printf, 3, 4))) void vm_set_state(struct vm *vm, enum vm_state state,
							const char *format, ...);

/* vm.c: the state that follows from the connections, QEMU's run state and a stop under way. */
void vm_update_state(struct vm *vm);

/* vm.c: QEMU is gone; says why in the state and its reason. end is NULL when it is not known. */
void vm_ended(struct vm *vm, const struct process_end *end);

/* vm_launch.c: starts QEMU, after the first probe of KVM if need be. 0 or -errno; failures are
 * also in state and reason. */
int vm_launch(struct vm *vm);

/* vm_launch.c: the same, when the accelerator is known. */
int vm_launch_now(struct vm *vm);
/* vm_launch.c: allocates the command line; handed: QEMU is given its files as descriptors. 0 or
 * -errno, logged. */
int vm_launch_argv(struct vm *vm, bool handed, char ***argv);
/* vm_launch.c: QEMU runs as that process, and listens on link.listen_fd. 0 or -errno, as above. */
int vm_launch_watch(struct vm *vm, pid_t pid);

/* vm_shared.c: makes the file of the memory that the guest's machine shares with the seat, for its
 * user, if it has one of its own; or a link to the device that it is. Its size in MiB; 0: there is none, and why is logged if it should
 * be. */
uint64_t vm_shared_create(struct vm *vm, const struct vm_account *account);
void vm_shared_remove(struct vm *vm);
uint64_t vm_shared_mib(const struct vm *vm); /* as it is configured, or as its device says */

/* vm_input.c: starts baton-input for a QEMU that is about to be. A guest without it has its emulated
 * devices, which is logged. */
void vm_input_start(struct vm *vm);
/* QEMU has its ends, or will not come. */
void vm_input_close(struct vm *vm);
void vm_input_finish(struct vm *vm);

/* walls.c: what is hidden from the guest's QEMU at user level, and what of it is its own. Begins
 * with zeros. 0 or -errno. */
struct vm_walls {
	char **hidden, **readable, **own;
	bool wanted; /* false: the guest's arguments forbid it */
};
int vm_walls_init(const struct vm *vm, struct vm_walls *out);
void vm_walls_finish(struct vm_walls *walls);

/* vm_installed.c: 1: the guest has a user of its own, or nobody knows yet, and the rest goes on in
 * the loop; 0: it has none; -errno: as vm_launch(). */
int vm_installed_launch(struct vm *vm);
/* True when such a start was under way, and is not any more. */
bool vm_installed_cancel(struct vm *vm);
/* Has the guest's unit killed. 0 or -errno. */
int vm_installed_kill(struct vm *vm);

/* vm_launch.c: process_exited_fn of every guest's process. */
void vm_process_exited(void *data, const struct process_end *end);

/* vm_link.c */
void vm_link_init(struct vm_link *link);
/* Connects to the QMP socket. 0 or -errno; the rest goes on in the loop. greeting_usec: how long
 * QEMU may take to answer before it counts as hung. */
int vm_link_open(struct vm *vm, uint64_t greeting_usec);
/* Closes both connections and all that waits on them; tells the observers. */
void vm_link_close(struct vm *vm);
/* Asks QEMU for its run state; the state follows when the answer is here. */
void vm_link_ask_status(struct vm *vm);
/* A hung guest: any answer to this, whenever it comes, ends that. */
void vm_link_probe(struct vm *vm);
/* A command whose answer is only logged when it is an error. 0 or -errno. */
int vm_link_command(struct vm *vm, const char *command);

/* vm_stop.c */
void vm_stop_finish(struct vm *vm);
/* What was asked for before QEMU listened. */
void vm_stop_link_ready(struct vm *vm);

/* vm_call.c: drops all open calls, without their callbacks. */
void vm_calls_drop(struct vm *vm);

/* vm_farewell.c: waits for none of them any more. */
void vm_farewells_drop(struct vm *vm);

#endif

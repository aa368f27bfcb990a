/* SPDX-License-Identifier: MIT */
/*
 * A guest: its identity, its state, its QEMU process, QMP connection and peer D-Bus connection.
 * Knows neither pixels nor keys nor sound: capture, input and audio take the peer connection from
 * here and talk to QEMU's objects on it themselves. All calls belong to the event loop's thread.
 */
#ifndef VM_VM_H
#define VM_VM_H

#include <stdbool.h>
#include <systemd/sd-bus.h>
#include <systemd/sd-event.h>

#include "common/list.h"
#include "vm/qmp.h"
#include "vm/vm_config.h"

struct vm;

/*
 * STOPPED   no QEMU. The only state in which vm_start() works.
 * STARTING  QEMU is being executed or was found; QMP or the peer connection is not up yet, or was
 *           lost and is being made anew (reason tells).
 * RUNNING   vCPUs run; the peer connection is up.
 * PAUSED    vCPUs are stopped, by us or by QEMU itself (reason tells); the connection is up.
 * STOPPING  an ACPI shutdown was asked for; after the deadline QEMU is told to quit, then killed.
 * FAILED    QEMU did not start or ended by itself with an error; reason tells. vm_start() is legal.
 */
enum vm_state {
	VM_STATE_STOPPED,
	VM_STATE_STARTING,
	VM_STATE_RUNNING,
	VM_STATE_PAUSED,
	VM_STATE_STOPPING,
	VM_STATE_FAILED,
	VM_STATE_COUNT
};

const char *vm_state_name(enum vm_state state);

/* Every function may be NULL. None may destroy the vm. */
struct vm_observer_ops {
	/* State, reason or responsiveness changed. */
	void (*changed)(struct vm *vm, void *data);
	/* The peer connection is up: objects may be called on vm_peer(). */
	void (*peer_up)(struct vm *vm, void *data);
	/* The connection is gone; slots and messages on it must be dropped now. */
	void (*peer_down)(struct vm *vm, void *data);
	/* vm_lifts_keys() is false again. */
	void (*lifted)(struct vm *vm, void *data);
	/* vm_keys_under_way() is false again. */
	void (*keys_arrived)(struct vm *vm, void *data);
	/* vm_commandable() is true: also after a lost connection, and for a QEMU that was taken
	 * over. What QEMU said before it said to nobody. */
	void (*control_up)(struct vm *vm, void *data);
	/* It is false again; calls of vm_command() that are still open are dropped. */
	void (*control_down)(struct vm *vm, void *data);
	/* QEMU's event, in the order in which it came; args is an object, valid during the call,
	 * or NULL. QEMU is not trusted: what is in it is checked by who reads it. */
	void (*event)(struct vm *vm, void *data, const char *name, const json_t *args);
};

struct vm_observer {
	struct list link; /* vm::observers; owned by the embedder */
	const struct vm_observer_ops *ops;
	void *data;
};

/*
 * Creates a guest in state STOPPED with its runtime folder run_dir/NAME (mode 0700: qmp socket,
 * log, pid file) and state_dir/NAME (UEFI variables). Takes ownership of the configuration, also
 * on failure. Returns 0 or -errno.
 */
int vm_create(sd_event *event, struct vm_config *config, const char *run_dir,
	      const char *state_dir, struct vm **out);

/* Lets go of the guest: closes the connections; a running QEMU goes on. NULL is legal. */
void vm_destroy(struct vm *vm);

void vm_add_observer(struct vm *vm, struct vm_observer *observer);
void vm_remove_observer(struct vm_observer *observer);

/*
 * The installed level: somebody who can have a guest's QEMU started under a user of the guest's
 * own. Without one, and for a guest that has no such user, QEMU runs as the seat's. A process of
 * another user can be ended over QMP, and else by who started it.
 */
struct vm_account {
	char user[32];
	uid_t uid;
};

struct vm_starter_ops {
	/* 1: the guest has this user; 0: it has none; -EAGAIN: not known yet, ask again. */
	int (*account)(void *data, const char *guest, struct vm_account *out);
	/* Has the guest's unit started (proto/guest.h): vm_started() comes later, from the loop,
	 * unless it is cancelled or this fails with -errno. */
	int (*start)(void *data, struct vm *vm);
	void (*cancel)(void *data, struct vm *vm);
	/* SIGKILL to all of the unit's processes, soon. 0 or -errno. */
	int (*kill)(void *data, struct vm *vm);
};

/* ops and data must live until the vm's end, or until another call, which ends a start under way. */
void vm_set_starter(struct vm *vm, const struct vm_starter_ops *ops, void *data);
/* The unit will wait for what it is to execute, or (-errno) why not; text may be NULL. */
void vm_started(struct vm *vm, int error, const char *text);

/* The folder of the files that say what the seat does. A QEMU of the seat's user may read them, and
 * those of guests, and not change them. 0 or -ENOMEM. */
int vm_set_settings(struct vm *vm, const char *folder);

const char *vm_name(const struct vm *vm);
unsigned int vm_slot(const struct vm *vm);
enum vm_state vm_get_state(const struct vm *vm);
/* One sentence why the state is what it is, or NULL. Lives until the next change. */
const char *vm_reason(const struct vm *vm);
const struct vm_config *vm_get_config(const struct vm *vm);
/*
 * Another configuration of the same name for the next start. Takes it, also on failure: -EBUSY
 * unless the guest is STOPPED or FAILED.
 */
int vm_set_config(struct vm *vm, struct vm_config *config);
/* QEMU's process, or 0. */
pid_t vm_pid(const struct vm *vm);
/* The same as a descriptor, which stays the vm's, or -1. */
int vm_pidfd(const struct vm *vm);
/* How much memory QEMU must be allowed to lock so that it can lend all of the guest's to a device;
 * beside that it has a device's ROMs and windows and the framebuffer mapped. */
#define VM_LOCKABLE_SLACK_MIB 1024
uint64_t vm_lockable_bytes(const struct vm *vm);

/* Takes over a QEMU that still runs from an earlier seat, if there is one. Returns 1 when found,
 * 0 when not, or -errno; -EALREADY when it is ours already. Connecting goes on in the loop. */
int vm_adopt(struct vm *vm);

/*
 * Each returns 0 when it is under way (the state follows in the loop) or -errno; vm_start()
 * -EALREADY when the guest runs; the others -ESRCH when there is no QEMU, the last three -ENOTCONN
 * while QEMU cannot be told. A QEMU that was left running is taken over instead of started.
 */
int vm_start(struct vm *vm);
int vm_shutdown(struct vm *vm); /* ACPI, then by force after VM_SHUTDOWN_DEADLINE_SEC */
int vm_kill(struct vm *vm);     /* QMP quit, SIGKILL when it does not answer */
int vm_reset(struct vm *vm);    /* a paused guest runs again afterwards */
int vm_pause(struct vm *vm);
int vm_resume(struct vm *vm);

#define VM_SHUTDOWN_DEADLINE_SEC 30
#define VM_HUNG_AFTER_USEC (2 * 1000 * 1000)

/*
 * The memory that the guest's programs share with the seat: a new descriptor, open for reading and
 * writing, with its size in bytes; or -errno (-ENOENT: this QEMU has none). The guest writes into
 * it, and its QEMU may change its size, but for that of a device.
 */
int vm_open_shared(const struct vm *vm, uint64_t *size);

/* How QEMU calls the port of baton-agent. */
#define VM_DISPLAY_PATH "/machine/peripheral/display/virtio-backend" /* of virtio-vga */
#define AGENT_PORT_ID "baton-agent"

/* A new connection to that port, which QEMU serves to one at a time; as
 * unix_connect() of fd.h. */
int vm_connect_agent(const struct vm *vm);

/* A new connection to the guest's baton-input (proto/input.h), which serves one at a time; as
 * unix_connect() of fd.h. */
int vm_connect_input(const struct vm *vm);

/* Which kinds of devices (a bit for each enum input_kind) the host has, for guests that are to have
 * the same; counts from the guest's next start on. */
void vm_set_host_input(struct vm *vm, uint32_t kinds);

/* The peer D-Bus connection, or NULL while it is down. Not a new reference. */
sd_bus *vm_peer(const struct vm *vm);

/*
 * Sends a method call on the peer connection and watches the answer: with none after
 * VM_HUNG_AFTER_USEC the guest counts as hung until it answers something again (there is no
 * periodic ping). The callback, which may be NULL, gets the reply or an error however late, or
 * nothing at all after peer_down. slot, which may be NULL, is as in sd_bus_call_async(). Returns 0
 * or -errno; -ENOBUFS when too much waits to be written or answered, -ENOTCONN while it is down.
 */
int vm_peer_call(struct vm *vm, sd_bus_message *call, sd_bus_message_handler_t callback,
		 void *data, sd_bus_slot **slot);

/* The same without an answer (NO_REPLY_EXPECTED): never waited for. */
int vm_peer_send(struct vm *vm, sd_bus_message *call);

/*
 * A command to QEMU itself, as qmp_call() of qmp.h does it: args is taken, reply comes from the
 * loop, with -ETIMEDOUT after usec. When the connection ends, reply either was called with an
 * error before control_down or is not called any more. -ENOTCONN while QEMU cannot be told.
 */
int vm_command(struct vm *vm, const char *command, json_t *args, uint64_t usec, qmp_reply_fn reply,
	       void *data);
/* Drops the replies of all commands that were given with this data. */
void vm_command_cancel(struct vm *vm, const void *data);
bool vm_commandable(const struct vm *vm);

/* True while a request of ours has gone unanswered for VM_HUNG_AFTER_USEC. */
bool vm_is_hung(const struct vm *vm);

/* For those who talk to QEMU by other means (a display listener): something arrived, it lives. */
void vm_note_alive(struct vm *vm);

/*
 * QEMU releases all keys that the guest sees pressed when it notices that a display listener has
 * gone, and the listener's connection and the one that carries keys have no order between them.
 * So a listener ends only after all keys that were typed before, or "Shift, A, switch" would
 * become "a": input says when keys are under way, at most for as long as a guest may leave them
 * unanswered.
 */
void vm_set_keys_under_way(struct vm *vm, bool under_way);
bool vm_keys_under_way(const struct vm *vm);

/*
 * And keys wait for the end of a listener, or one that is pressed meanwhile would be let go under
 * the finger. Who ends a listener gives a descriptor of its socket to vm_see_off(), which ends the
 * sending direction and owns it; vm_lifts_keys() is true until QEMU has closed its end, at most
 * for VM_FAREWELL_USEC.
 */
void vm_see_off(struct vm *vm, int fd);
bool vm_lifts_keys(const struct vm *vm);

#define VM_FAREWELL_USEC (1000 * 1000)

#endif

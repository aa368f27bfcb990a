// SPDX-License-Identifier: MIT
/*
 * A guest's two connections: QMP first, then the peer D-Bus connection that is asked for over it.
 *
 * Either may be lost while QEMU lives: another client took the display, or QEMU broke the protocol.
 * It is made anew, ever more slowly, so that nobody can keep us busy. When QEMU ends, the sockets
 * close before its process is seen to be gone: the first attempt waits long enough that the state
 * does not flicker.
 */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "common/cleanup.h"
#include "common/clock.h"
#include "common/fd.h"
#include "common/log.h"
#include "vm/command_line.h"
#include "vm/vm_private.h"

#define RETRY_FIRST_USEC (100 * 1000)
#define RETRY_DOUBLINGS 7 /* then every 12.8 s */
#define FORGIVEN_AFTER_NS (60 * NSEC_PER_SEC)

static const struct qmp_ops qmp_ops;
static const struct peer_ops peer_ops;

static void peer_begin(struct vm *vm);

void vm_link_init(struct vm_link *link)
{
	list_init(&link->calls);
	link->listen_fd = -1;
}

static void notify_peer(struct vm *vm, bool up)
{
	struct vm_observer *observer, *next;

	list_for_each_safe(observer, next, &vm->observers, link) {
		void (*call)(struct vm *, void *) = up ? observer->ops->peer_up
						       : observer->ops->peer_down;

		if (call) {
			call(vm, observer->data);
		}
	}
}

static void notify_control(struct vm *vm, bool up)
{
	struct vm_observer *observer, *next;

	list_for_each_safe(observer, next, &vm->observers, link) {
		void (*call)(struct vm *, void *) = up ? observer->ops->control_up
						       : observer->ops->control_down;

		if (call) {
			call(vm, observer->data);
		}
	}
}

static void notify_event(struct vm *vm, const char *name, const json_t *args)
{
	struct vm_observer *observer, *next;

	list_for_each_safe(observer, next, &vm->observers, link) {
		if (observer->ops->event) {
			observer->ops->event(vm, observer->data, name, args);
		}
	}
}

static void close_listener(struct vm_link *link)
{
	if (link->listen_fd >= 0) {
		close(take_fd(link->listen_fd));
	}
}

static void peer_drop(struct vm *vm)
{
	struct vm_link *link = &vm->link;
	bool was_up = link->peer_up;

	link->peer_up = false;
	answers_close(&vm->answers, &link->client);
	vm_calls_drop(vm);
	if (was_up) {
		notify_peer(vm, false);
	}
	peer_destroy(link->peer);
	link->peer = NULL;
}

/* Drops both connections; a retry that is armed stays. */
static void link_drop(struct vm *vm)
{
	struct vm_link *link = &vm->link;
	bool was_ready = link->qmp_ready;

	link->qmp_ready = false;
	link->refused = false;
	link->probing = false;
	answers_close(&vm->answers, &link->greeting);
	answers_close(&vm->answers, &link->status);
	peer_drop(vm);
	qmp_destroy(link->qmp);
	link->qmp = NULL;
	close_listener(link);
	if (was_ready) {
		notify_control(vm, false);
	}
}

void vm_link_close(struct vm *vm)
{
	link_drop(vm);
	vm->link.retry = sd_event_source_disable_unref(vm->link.retry);
	vm->link.attempts = 0;
}

/* Where the connections are now, unless losing them again and again has become the news. */
static void link_tell(struct vm *vm, const char *text)
{
	if (vm->link.attempts < RETRY_DOUBLINGS) {
		vm_update_state(vm);
	} else {
		vm_set_state(vm, vm->stop.step ? VM_STATE_STOPPING : VM_STATE_STARTING,
			     "%s again and again; stop the guest by force", text);
	}
}

static int handle_retry(sd_event_source *source, uint64_t usec, void *data)
{
	struct vm *vm = data;
	struct vm_link *link = &vm->link;

	link_tell(vm, "QEMU closes its connections");
	if (link->qmp_ready) {
		peer_begin(vm);
	} else if (!link->qmp) {
		vm_link_open(vm, VM_HUNG_AFTER_USEC);
	}
	return 0;
}

/* Something was lost, text says what. It is made anew after a while; losses that are long apart
 * are not held against anybody. */
static void link_retry(struct vm *vm, const char *text)
{
	struct vm_link *link = &vm->link;
	uint64_t now = clock_now_ns();

	if (now - link->lost_ns > FORGIVEN_AFTER_NS) {
		link->attempts = 0;
	}
	link->lost_ns = now;
	log_debug("%s: %s, connecting anew", vm->config->name, text);
	link->retry = sd_event_source_disable_unref(link->retry);
	if (sd_event_add_time_relative(vm->event, &link->retry, CLOCK_MONOTONIC,
				       (uint64_t)RETRY_FIRST_USEC << link->attempts, 1000,
				       handle_retry, vm) < 0) {
		log_error("%s: %s, and there is no memory to connect anew", vm->config->name, text);
	}
	if (link->attempts < RETRY_DOUBLINGS) {
		link->attempts++;
	}
}

/* The process behind a foreign QEMU's socket, where the kernel tells it. */
static void watch_foreign(struct vm *vm, int fd)
{
	struct ucred peer = { 0 };
	socklen_t size = sizeof(peer);

	if (vm->process || !vm->config->attach ||
	    getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0 || peer.pid <= 0) {
		return;
	}
	/* Without it the end of the connection says that QEMU is gone. */
	(void)process_watch(vm->event, peer.pid, vm_process_exited, vm, &vm->process);
}

/* A QEMU that was taken over so early that nobody could tell its process has it told by now. */
static void watch_own(struct vm *vm)
{
	_cleanup_free_ char *pid_file = NULL;
	pid_t pid;

	if (vm->process || vm->config->attach) {
		return;
	}
	pid_file = vm_path(vm->run_dir, RUN_FILE_PID);
	pid = pid_file ? process_find(pid_file) : 0;
	if (pid > 0) {
		/* Without it the end of the connection says that QEMU is gone. */
		(void)process_watch(vm->event, pid, vm_process_exited, vm, &vm->process);
	}
}

static int link_connect(struct vm *vm)
{
	_cleanup_free_ char *own = NULL;

	if (vm->config->attach) {
		return unix_connect(vm->config->attach);
	}
	own = vm_path(vm->run_dir, RUN_FILE_QMP);
	return own ? unix_connect_own(own) : -ENOMEM;
}

int vm_link_open(struct vm *vm, uint64_t greeting_usec)
{
	struct vm_link *link = &vm->link;
	int fd = link_connect(vm), r;

	if (fd < 0 && !vm->process) {
		if (vm->state == VM_STATE_STARTING || vm->state == VM_STATE_STOPPING) {
			vm_ended(vm, NULL); /* a foreign QEMU that nobody else will tell us of */
		}
		return fd;
	}
	if (fd < 0) {
		link_retry(vm, "QEMU's control socket cannot be reached");
		return 0;
	}
	watch_foreign(vm, fd);
	r = qmp_create(vm->event, fd, &qmp_ops, vm, &link->qmp);
	if (r < 0) {
		return r;
	}
	answers_open(&vm->answers, &link->greeting, greeting_usec);
	return 0;
}

/* Asks for the peer connection over QMP. */
static void peer_begin(struct vm *vm)
{
	struct vm_link *link = &vm->link;
	int r;

	peer_drop(vm);
	r = peer_create(vm->event, link->qmp, &peer_ops, vm, &link->peer);
	if (r < 0) {
		link_retry(vm, strerror(-r));
		return;
	}
	answers_open(&vm->answers, &link->client, VM_HUNG_AFTER_USEC);
}

static void log_failed_command(void *data, int error, const json_t *result, const char *text)
{
	struct vm *vm = data;

	answers_close(&vm->answers, &vm->link.client);
	if (error == -EREMOTEIO) {
		log_warning("%s: QEMU refused: %s", vm->config->name, text ? text : "no reason");
	}
	if (error == 0 || error == -EREMOTEIO) {
		answers_alive(&vm->answers);
	}
}

int vm_link_command(struct vm *vm, const char *command)
{
	struct vm_link *link = &vm->link;
	int r;

	if (!link->qmp_ready) {
		return -ENOTCONN;
	}
	r = qmp_call(link->qmp, command, NULL, -1, QMP_WAIT_FOREVER, log_failed_command, vm);
	if (r >= 0 && !link->client.open) {
		answers_open(&vm->answers, &link->client, VM_HUNG_AFTER_USEC);
	}
	return r;
}

bool vm_commandable(const struct vm *vm)
{
	return vm->link.qmp_ready;
}

int vm_command(struct vm *vm, const char *command, json_t *args, uint64_t usec, qmp_reply_fn reply,
	       void *data)
{
	if (!vm_commandable(vm)) {
		json_decref(args);
		return -ENOTCONN;
	}
	return qmp_call(vm->link.qmp, command, args, -1, usec, reply, data);
}

void vm_command_cancel(struct vm *vm, const void *data)
{
	qmp_cancel(vm->link.qmp, data);
}

/* QEMU's run states in which its virtual CPUs stand still, and what they mean to a person. */
static const struct {
	const char *status, *reason;
} pauses[] = {
	{ "paused", "paused" },
	{ "prelaunch", "not started yet" },
	{ "inmigrate", "waits for the state of another QEMU" },
	{ "postmigrate", "its state moved to another QEMU" },
	{ "io-error", "a disk of the guest cannot be written; make room, then resume" },
	{ "guest-panicked", "the guest's system crashed; reset it" },
	{ "internal-error", "QEMU cannot go on with this guest; reset it" },
	{ "watchdog", "the guest's watchdog fired; reset it" },
	{ "shutdown", "the guest has shut down" },
	{ "debug", "stopped by a debugger" },
};

static void take_status(void *data, int error, const json_t *result, const char *text)
{
	struct vm *vm = data;
	const char *status = json_string_value(json_object_get(result, "status"));

	answers_close(&vm->answers, &vm->link.status);
	if (error) {
		return; /* the connection is ending */
	}
	answers_alive(&vm->answers);
	vm->vcpus_run = json_is_true(json_object_get(result, "running"));
	vm->pause_reason = NULL;
	if (status && strcmp(status, "suspended") == 0) {
		vm->vcpus_run = true; /* asleep (S3) by its own will; keys wake it */
	}
	for (size_t i = 0; status && i < sizeof(pauses) / sizeof(pauses[0]); i++) {
		if (strcmp(status, pauses[i].status) == 0) {
			vm->pause_reason = pauses[i].reason;
		}
	}
	vm_update_state(vm);
}

void vm_link_ask_status(struct vm *vm)
{
	if (qmp_call(vm->link.qmp, "query-status", NULL, -1, QMP_WAIT_FOREVER, take_status, vm) ==
	    0) {
		answers_open(&vm->answers, &vm->link.status, VM_HUNG_AFTER_USEC);
	}
}

static void take_probe(void *data, int error, const json_t *result, const char *text)
{
	struct vm *vm = data;

	vm->link.probing = false;
	if (error == 0) {
		answers_alive(&vm->answers);
	}
}

void vm_link_probe(struct vm *vm)
{
	struct vm_link *link = &vm->link;

	/* Not watched: it is late from the start. One at a time, however long it takes. */
	if (link->qmp_ready && !link->probing &&
	    qmp_call(link->qmp, "query-status", NULL, -1, QMP_WAIT_FOREVER, take_probe, vm) == 0) {
		link->probing = true;
	}
}

static void handle_qmp_ready(void *data)
{
	struct vm *vm = data;
	struct vm_link *link = &vm->link;

	answers_close(&vm->answers, &link->greeting);
	answers_alive(&vm->answers);
	watch_own(vm);
	if (link->listen_fd >= 0) {
		/* QEMU has shortened the queue to one client when it took the socket over. */
		listen(link->listen_fd, VM_QMP_BACKLOG);
		close_listener(link);
	}
	/* Commands are answered from the main loop, which QEMU enters with all of its memory. */
	huge_pages_forget(&vm->huge_pages);
	link->qmp_ready = true;
	vm_link_ask_status(vm);
	vm_stop_link_ready(vm);
	peer_begin(vm);
	notify_control(vm, true);
}

static void handle_peer_up(void *data)
{
	struct vm *vm = data;

	answers_close(&vm->answers, &vm->link.client);
	answers_alive(&vm->answers);
	vm->link.peer_up = true;
	vm_update_state(vm);
	notify_peer(vm, true);
}

/* QMP stays: what QEMU said there last, perhaps why it ends, is still to be read. */
static void handle_peer_failed(void *data, int error, const char *text)
{
	struct vm *vm = data;

	if (error == -EREMOTEIO) {
		/* QEMU's answer will not change: it has no such display. */
		vm->link.refused = true;
		vm_set_state(vm, VM_STATE_STARTING,
			     "QEMU has no D-Bus display (%s); start it with -display dbus,p2p=yes",
			     text);
		peer_drop(vm);
		return;
	}
	link_retry(vm, text);
	peer_drop(vm);
}

static void take_shutdown(struct vm *vm, const json_t *args)
{
	vm->stop.announced = true;
	vm->stop.by_guest = json_is_true(json_object_get(args, "guest"));
}

static void handle_qmp_event(void *data, const char *name, const json_t *args)
{
	struct vm *vm = data;

	answers_alive(&vm->answers);
	if (strcmp(name, "SHUTDOWN") == 0) {
		take_shutdown(vm, args);
	} else if (strcmp(name, "RESET") == 0 && vm->stop.resume_reset) {
		vm->stop.resume_reset = false;
		vm_link_command(vm, "cont");
	} else if (strcmp(name, "STOP") == 0 || strcmp(name, "RESUME") == 0 ||
		   strcmp(name, "SUSPEND") == 0 || strcmp(name, "WAKEUP") == 0 ||
		   strcmp(name, "GUEST_PANICKED") == 0) {
		if (!vm->link.status.open) {
			vm_link_ask_status(vm);
		}
	}
	notify_event(vm, name, args);
}

static void handle_qmp_closed(void *data, int error)
{
	struct vm *vm = data;

	link_retry(vm, error == -EPROTO ? "QEMU broke the protocol of its control connection"
					: "QEMU closed its control connection");
	link_drop(vm);
}

static const struct qmp_ops qmp_ops = {
	.ready = handle_qmp_ready,
	.event = handle_qmp_event,
	.closed = handle_qmp_closed,
};

static const struct peer_ops peer_ops = {
	.up = handle_peer_up,
	.failed = handle_peer_failed,
};

// SPDX-License-Identifier: MIT
/* A guest and its states; see vm.h. */
#include "vm/vm.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "common/cleanup.h"
#include "common/fd.h"
#include "common/log.h"
#include "vm/command_line.h"
#include "vm/vm_private.h"

#define REASON_MAX 600 /* bytes */

static const char *const state_names[VM_STATE_COUNT] = {
	[VM_STATE_STOPPED] = "stopped",	  [VM_STATE_STARTING] = "starting",
	[VM_STATE_RUNNING] = "running",	  [VM_STATE_PAUSED] = "paused",
	[VM_STATE_STOPPING] = "stopping", [VM_STATE_FAILED] = "failed",
};

const char *vm_state_name(enum vm_state state)
{
	return state_names[state];
}

char *vm_path(const char *folder, const char *file)
{
	char *path;

	return asprintf(&path, "%s/%s", folder, file) < 0 ? NULL : path;
}

static void notify_changed(struct vm *vm)
{
	struct vm_observer *observer, *next;

	list_for_each_safe(observer, next, &vm->observers, link) {
		if (observer->ops->changed) {
			observer->ops->changed(vm, observer->data);
		}
	}
}

/* A reason may quote QEMU, which is not trusted: short, valid UTF-8, nothing that steers. */
static void reason_clean(char *reason)
{
	json_t *valid;

	if (strlen(reason) > REASON_MAX) {
		reason[REASON_MAX] = '\0';
	}
	valid = json_string(reason);
	for (char *c = reason; *c; c++) {
		if ((*c & 0x80) ? !valid : (*c < 0x20 || *c == 0x7f)) {
			*c = '?';
		}
	}
	json_decref(valid);
}

static bool is_same(const char *a, const char *b)
{
	return a == b || (a && b && strcmp(a, b) == 0);
}

void vm_set_state(struct vm *vm, enum vm_state state, const char *format, ...)
{
	char *reason = NULL;
	va_list args;

	if (format) {
		int r;

		va_start(args, format);
		r = vasprintf(&reason, format, args);
		va_end(args);
		reason = r < 0 ? NULL : reason;
		if (reason) {
			reason_clean(reason);
		}
	}
	if (state == vm->state && is_same(reason, vm->reason)) {
		free(reason);
		return;
	}
	vm->state = state;
	free(vm->reason);
	vm->reason = reason;
	if (state == VM_STATE_FAILED) {
		log_error("%s: %s", vm->config->name, reason ? reason : "failed");
	} else {
		log_debug("%s: %s%s%s", vm->config->name, state_names[state], reason ? ": " : "",
			  reason ? reason : "");
	}
	notify_changed(vm);
}

void vm_update_state(struct vm *vm)
{
	const struct vm_link *link = &vm->link;

	if (vm->stop.step != VM_STOP_NONE) {
		vm_set_state(vm, VM_STATE_STOPPING, NULL);
	} else if (link->refused) {
		/* Why is said already: by handle_peer_failed() in vm_link.c. */
	} else if (!link->qmp_ready || !link->peer_up) {
		vm_set_state(vm, VM_STATE_STARTING, NULL);
	} else if (vm->vcpus_run) {
		vm_set_state(vm, VM_STATE_RUNNING, NULL);
	} else if (vm->pause_reason) {
		vm_set_state(vm, VM_STATE_PAUSED, "%s", vm->pause_reason);
	} else {
		vm_set_state(vm, VM_STATE_PAUSED, NULL);
	}
}

/* A QEMU that ended without being asked to: its own words are the best explanation. */
static void set_failed(struct vm *vm, const struct process_end *end)
{
	_cleanup_free_ char *log = vm_path(vm->run_dir, RUN_FILE_LOG);
	char words[512] = "";

	if (log && !vm->config->attach) {
		launch_last_words(log, words, sizeof(words));
	}
	if (end && end->known && end->by_signal) {
		vm_set_state(vm, VM_STATE_FAILED, "QEMU was killed by signal %d (%s)%s%s",
			     end->number, strsignal(end->number), *words ? ": " : "", words);
	} else if (end && end->known && end->number == 0 && !*words) {
		vm_set_state(vm, VM_STATE_FAILED,
			     "QEMU ended at once without a word; look at its arguments (-accel kvm "
			     "does this where KVM cannot run guests)");
	} else if (end && end->known) {
		vm_set_state(vm, VM_STATE_FAILED, "QEMU ended with status %d%s%s (see %s)",
			     end->number, *words ? ": " : "", words, log ? log : RUN_FILE_LOG);
	} else {
		vm_set_state(vm, VM_STATE_FAILED, "QEMU ended unexpectedly%s%s",
			     *words ? ": " : "", words);
	}
}

void vm_ended(struct vm *vm, const struct process_end *end)
{
	struct vm_stop stop = vm->stop;

	vm_link_close(vm);
	vm_stop_finish(vm);
	process_destroy(vm->process);
	vm->process = NULL;
	scope_destroy(vm->scope);
	vm->scope = NULL;
	vm->vcpus_run = false;
	huge_pages_forget(&vm->huge_pages);
	answers_alive(&vm->answers);
	vm_shared_remove(vm);
	if (stop.step == VM_STOP_KILL) {
		vm_set_state(vm, VM_STATE_STOPPED, "stopped by force");
	} else if (stop.step != VM_STOP_NONE) {
		vm_set_state(vm, VM_STATE_STOPPED, "shut down");
	} else if (stop.announced) {
		vm_set_state(vm, VM_STATE_STOPPED, stop.by_guest ? "the guest shut itself down"
								 : "QEMU was told to quit");
	} else if (!end && vm->config->attach) {
		vm_set_state(vm, VM_STATE_STOPPED, "QEMU is gone");
	} else {
		set_failed(vm, end);
	}
}

static void handle_late(void *data, bool late)
{
	struct vm *vm = data;

	if (late) {
		log_info("%s: does not answer", vm->config->name);
		vm_link_probe(vm);
	}
	notify_changed(vm);
}

/* The common folders may be missing too, and may belong to somebody else; the guest's may not. */
static int make_folders(struct vm *vm, const char *run_dir, const char *state_dir)
{
	const char *const parents[] = { run_dir, state_dir };
	char **folders[] = { &vm->run_dir, &vm->state_dir };

	for (size_t i = 0; i < 2; i++) {
		int r;

		*folders[i] = vm_path(parents[i], vm->config->name);
		if (!*folders[i]) {
			return -ENOMEM;
		}
		r = mkdir(parents[i], 0700) < 0 && errno != EEXIST ? -errno
								    : mkdir_private(*folders[i]);
		if (r < 0) {
			log_error("%s: the folder %s cannot be used: %s", vm->config->name,
				  *folders[i], strerror(-r));
			return r;
		}
	}
	return 0;
}

DEFINE_CLEANUP(struct vm *, vm_destroy)

int vm_create(sd_event *event, struct vm_config *config, const char *run_dir,
	      const char *state_dir, struct vm **out)
{
	_cleanup_(vm_destroy_ptr) struct vm *vm = calloc(1, sizeof(*vm));
	int r;

	if (!vm) {
		vm_config_destroy(config);
		return -ENOMEM;
	}
	vm->event = sd_event_ref(event);
	vm->config = config;
	list_init(&vm->observers);
	list_init(&vm->farewells);
	vm_link_init(&vm->link);
	r = answers_init(&vm->answers, event, handle_late, vm);
	if (r >= 0) {
		r = make_folders(vm, run_dir, state_dir);
	}
	if (r < 0) {
		return r;
	}
	*out = take_ptr(vm);
	return 0;
}

void vm_destroy(struct vm *vm)
{
	if (!vm) {
		return;
	}
	accel_probe_destroy(vm->accel);
	vm_installed_cancel(vm);
	huge_pages_forget(&vm->huge_pages);
	vm_link_close(vm);
	vm_stop_finish(vm);
	scope_destroy(vm->scope);
	vm_input_finish(vm);
	process_destroy(vm->process);
	answers_finish(&vm->answers);
	vm_farewells_drop(vm);
	vm_config_destroy(vm->config);
	free(vm->run_dir);
	free(vm->state_dir);
	free(vm->settings);
	free(vm->reason);
	sd_event_unref(vm->event);
	free(vm);
}

int vm_set_settings(struct vm *vm, const char *folder)
{
	char *copy = strdup(folder);

	if (!copy) {
		return -ENOMEM;
	}
	free(vm->settings);
	vm->settings = copy;
	return 0;
}

void vm_add_observer(struct vm *vm, struct vm_observer *observer)
{
	list_append(&vm->observers, &observer->link);
}

void vm_remove_observer(struct vm_observer *observer)
{
	list_remove(&observer->link);
}

const char *vm_name(const struct vm *vm)
{
	return vm->config->name;
}

unsigned int vm_slot(const struct vm *vm)
{
	return vm->config->slot;
}

enum vm_state vm_get_state(const struct vm *vm)
{
	return vm->state;
}

const char *vm_reason(const struct vm *vm)
{
	return vm->reason;
}

const struct vm_config *vm_get_config(const struct vm *vm)
{
	return vm->config;
}

int vm_set_config(struct vm *vm, struct vm_config *config)
{
	if (vm->state != VM_STATE_STOPPED && vm->state != VM_STATE_FAILED) {
		vm_config_destroy(config);
		return -EBUSY;
	}
	vm_config_destroy(vm->config);
	vm->config = config;
	notify_changed(vm);
	return 0;
}

pid_t vm_pid(const struct vm *vm)
{
	return process_pid(vm->process);
}

int vm_pidfd(const struct vm *vm)
{
	return process_pidfd(vm->process);
}

uint64_t vm_lockable_bytes(const struct vm *vm)
{
	return (vm->config->memory_mib + vm_shared_mib(vm) + VM_LOCKABLE_SLACK_MIB) << 20;
}

sd_bus *vm_peer(const struct vm *vm)
{
	return vm->link.peer_up ? peer_bus(vm->link.peer) : NULL;
}

bool vm_is_hung(const struct vm *vm)
{
	return vm->answers.late;
}

void vm_note_alive(struct vm *vm)
{
	answers_alive(&vm->answers);
}

static bool vm_is_down(const struct vm *vm)
{
	return vm->state == VM_STATE_STOPPED || vm->state == VM_STATE_FAILED;
}

/* A foreign QEMU: what is there is taken, what is not cannot be started. */
static int vm_attach(struct vm *vm)
{
	int r = vm_link_open(vm, VM_HUNG_AFTER_USEC);

	if (r < 0) {
		vm_set_state(vm, VM_STATE_FAILED,
			     "there is no QEMU at %s (%s); start it with -qmp "
			     "unix:%s,server=on,wait=off -display dbus,p2p=yes",
			     vm->config->attach, strerror(-r), vm->config->attach);
		return r;
	}
	vm_set_state(vm, VM_STATE_STARTING, NULL);
	return 0;
}

static int vm_take_over(struct vm *vm, pid_t pid)
{
	int r = process_watch(vm->event, pid, vm_process_exited, vm, &vm->process);

	if (r < 0) {
		return r;
	}
	vm_set_state(vm, VM_STATE_STARTING, NULL);
	r = vm_link_open(vm, VM_HUNG_AFTER_USEC);
	return r < 0 ? r : 1;
}

/*
 * QEMU locks its pid file a while after it was executed, but has held its control socket from the
 * first moment on. An earlier seat may have ended in between: starting another QEMU would leave
 * two of them. Returns 1 when somebody holds it, else 0.
 */
static int vm_take_over_early(struct vm *vm)
{
	if (vm_link_open(vm, VM_GREETING_USEC) < 0) {
		vm_shared_remove(vm); /* of one that ended while there was no seat */
		return 0;
	}
	vm_set_state(vm, VM_STATE_STARTING, NULL);
	return 1;
}

int vm_adopt(struct vm *vm)
{
	_cleanup_free_ char *pid_file = NULL;
	pid_t pid;
	int r;

	if (!vm_is_down(vm)) {
		return -EALREADY;
	}
	if (vm->config->attach) {
		return vm_attach(vm) < 0 ? 0 : 1;
	}
	pid_file = vm_path(vm->run_dir, RUN_FILE_PID);
	if (!pid_file) {
		return -ENOMEM;
	}
	pid = process_find(pid_file);
	if (pid == 0) {
		return vm_take_over_early(vm);
	}
	r = vm_take_over(vm, pid);
	if (r == -ESRCH) {
		return 0; /* it ended between the two looks */
	}
	return r;
}

int vm_start(struct vm *vm)
{
	int r;

	if (!vm_is_down(vm)) {
		return -EALREADY;
	}
	if (vm->config->attach) {
		return vm_attach(vm);
	}
	r = vm_adopt(vm);
	return r != 0 ? (r < 0 ? r : 0) : vm_launch(vm);
}

int vm_pause(struct vm *vm)
{
	return vm_is_down(vm) ? -ESRCH : vm_link_command(vm, "stop");
}

int vm_resume(struct vm *vm)
{
	return vm_is_down(vm) ? -ESRCH : vm_link_command(vm, "cont");
}

/* A paused guest runs again after the reset: only then does the reset show. */
int vm_reset(struct vm *vm)
{
	if (vm_is_down(vm)) {
		return -ESRCH;
	}
	vm->stop.resume_reset = vm->state == VM_STATE_PAUSED;
	return vm_link_command(vm, "system_reset");
}

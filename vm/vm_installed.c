// SPDX-License-Identifier: MIT
/*
 * A start under a user of the guest's own; see vm_set_starter(). A unit is started for the guest,
 * the unit's process gets the command line and all that QEMU needs of ours, as descriptors, and
 * becomes QEMU. What the guest's folders hold and how it is found again is as at user level.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/fd.h"
#include "common/strv.h"
#include "vm/command_line.h"
#include "vm/vm_private.h"

#define ASK_AGAIN_USEC (50 * 1000)
#define QUESTIONS_MAX 600 /* 30 s: a busy machine takes its time */

static void installed_end(struct vm *vm)
{
	vm->installed.step = VM_INSTALLED_NONE;
	vm->installed.again = sd_event_source_disable_unref(vm->installed.again);
	vm->installed.asked = 0;
}

bool vm_installed_cancel(struct vm *vm)
{
	bool under_way = vm->installed.step != VM_INSTALLED_NONE;

	if (vm->installed.step == VM_INSTALLED_UNIT) {
		/* The unit's process waits a while for us, and ends. */
		vm->installed.ops->cancel(vm->installed.data, vm);
	}
	installed_end(vm);
	return under_way;
}

void vm_set_starter(struct vm *vm, const struct vm_starter_ops *ops, void *data)
{
	vm_installed_cancel(vm);
	vm->installed.ops = ops;
	vm->installed.data = data;
}

int vm_installed_kill(struct vm *vm)
{
	return vm->installed.ops ? vm->installed.ops->kill(vm->installed.data, vm) : -EPERM;
}

static int installed_fail(struct vm *vm, int error, const char *text)
{
	installed_end(vm);
	huge_pages_forget(&vm->huge_pages);
	vm_link_close(vm);
	vm_set_state(vm, VM_STATE_FAILED, "QEMU could not be started as user %s: %s",
		     vm->installed.account.user, text && *text ? text : strerror(-error));
	return error;
}

/* The next try. */
static int plan(struct vm *vm, sd_event_time_handler_t handler)
{
	struct vm_installed *installed = &vm->installed;

	installed->again = sd_event_source_disable_unref(installed->again);
	return sd_event_add_time_relative(vm->event, &installed->again, CLOCK_MONOTONIC,
					  ASK_AGAIN_USEC, 0, handler, vm);
}

/* ---- is there such a user? ---- */

static int handle_again(sd_event_source *source, uint64_t usec, void *data)
{
	struct vm *vm = data;

	vm->installed.step = VM_INSTALLED_NONE;
	vm_launch_now(vm);
	return 0;
}

static int ask_again(struct vm *vm)
{
	struct vm_installed *installed = &vm->installed;
	int r = installed->asked++ < QUESTIONS_MAX ? plan(vm, handle_again) : -ETIMEDOUT;

	if (r < 0) {
		installed_end(vm);
		huge_pages_forget(&vm->huge_pages);
		vm_set_state(vm, VM_STATE_FAILED,
			     "the broker does not say as which user the guest runs (%s); see "
			     "\"systemctl status baton-broker\"",
			     strerror(-r));
		return r;
	}
	installed->step = VM_INSTALLED_ASKING;
	vm_set_state(vm, VM_STATE_STARTING, NULL);
	return 1;
}

int vm_installed_launch(struct vm *vm)
{
	struct vm_installed *installed = &vm->installed;
	int r = installed->ops ? installed->ops->account(installed->data, vm->config->name,
							 &installed->account)
			       : 0;

	if (r == -EAGAIN) {
		return ask_again(vm);
	}
	installed_end(vm);
	if (r <= 0) {
		return r;
	}
	r = installed->ops->start(installed->data, vm);
	if (r < 0) {
		return installed_fail(vm, r, r == -ENOTCONN ? "the broker is not there" : NULL);
	}
	installed->step = VM_INSTALLED_UNIT;
	vm_set_state(vm, VM_STATE_STARTING, NULL);
	return 1;
}

/* ---- what QEMU gets ---- */

/* Files that QEMU opens by their paths, with what it does with them. */
static int list_checks(const struct vm_config *config, char ***out)
{
	const char *const reads[] = { config->kernel, config->initrd };
	int r = 0;

	for (char *const *disk = config->disks; disk && *disk && r >= 0; disk++) {
		r = strv_appendf(out, "w%s", *disk);
	}
	for (char *const *cdrom = config->cdroms; cdrom && *cdrom && r >= 0; cdrom++) {
		r = strv_appendf(out, "r%s", *cdrom);
	}
	for (size_t i = 0; i < sizeof(reads) / sizeof(reads[0]) && r >= 0; i++) {
		r = reads[i] ? strv_appendf(out, "r%s", reads[i]) : 0;
	}
	return r;
}

static int list_args(struct vm *vm, char ***out)
{
	_cleanup_strv_ char **argv = NULL;
	char *preload;
	int r = launch_preload(&preload);

	if (r >= 0 && preload) {
		r = strv_append_take(out, preload);
	}
	if (r >= 0) {
		r = vm_launch_argv(vm, true, &argv);
	}
	return r < 0 ? r : strv_extend(out, argv);
}

static void close_all(int (*fds)[GUEST_DESCRIPTORS])
{
	for (int i = 0; i < GUEST_DESCRIPTORS; i++) {
		if ((*fds)[i] >= 0) {
			close((*fds)[i]);
		}
	}
}

/* O_NOFOLLOW: what lies in our folders is ours; O_RDWR: a lock needs it. */
static int open_own(const char *folder, const char *file, int flags)
{
	_cleanup_free_ char *path = vm_path(folder, file);
	int fd = path ? open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW | flags, 0600) : -1;

	return !path ? -ENOMEM : fd < 0 ? -errno : fd;
}

static int open_nothing(void)
{
	int fd = open("/dev/null", O_RDWR | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

static int open_input(const struct vm_input *input, int kind)
{
	int fd;

	if (!(input->kinds >> kind & 1)) {
		return open_nothing();
	}
	fd = fcntl(input->fds[kind], F_DUPFD_CLOEXEC, 0);
	return fd < 0 ? -errno : fd;
}

/* -errno; what was opened is in fds, the rest is -1. */
static int open_descriptors(struct vm *vm, int fds[GUEST_DESCRIPTORS])
{
	_cleanup_free_ char *log = vm_path(vm->run_dir, RUN_FILE_LOG);
	_cleanup_free_ char *qmp = vm_path(vm->run_dir, RUN_FILE_QMP);
	_cleanup_free_ char *user = vm_path(vm->run_dir, RUN_FILE_QMP_USER);
	_cleanup_free_ char *agent = vm_path(vm->run_dir, RUN_FILE_AGENT);
	bool uefi = vm->config->firmware == VM_FIRMWARE_UEFI;
	uint64_t shared_size;

	if (!log || !qmp || !user || !agent) {
		return -ENOMEM;
	}
	fds[GUEST_LOG] = launch_log_open(log);
	fds[GUEST_QMP] = unix_listen(qmp, VM_QMP_BACKLOG);
	fds[GUEST_QMP_USER] = unix_listen(user, 1);
	fds[GUEST_LOCK] = open_own(vm->run_dir, RUN_FILE_PID, O_CREAT);
	fds[GUEST_UEFI] = uefi ? open_own(vm->state_dir, STATE_FILE_UEFI, 0) : open_nothing();
	fds[GUEST_SHARED] = vm_open_shared(vm, &shared_size);
	if (fds[GUEST_SHARED] == -ENOENT) {
		fds[GUEST_SHARED] = open_nothing();
	}
	fds[GUEST_AGENT] =
		command_line_has_agent(vm->config) ? unix_listen(agent, 1) : open_nothing();
	for (int kind = 0; kind < INPUT_KINDS; kind++) {
		fds[GUEST_INPUT + kind] = open_input(&vm->input, kind);
	}
	for (int i = 0; i < GUEST_DESCRIPTORS; i++) {
		if (fds[i] < 0) {
			return fds[i];
		}
	}
	return 0;
}

static int hand_over(struct vm *vm, int fd)
{
	_cleanup_(close_all) int fds[GUEST_DESCRIPTORS];
	_cleanup_strv_ char **args = NULL, **checks = NULL;
	int r;

	for (int i = 0; i < GUEST_DESCRIPTORS; i++) {
		fds[i] = -1;
	}
	vm_input_start(vm);
	r = list_args(vm, &args);
	if (r >= 0) {
		r = list_checks(vm->config, &checks);
	}
	if (r >= 0) {
		r = open_descriptors(vm, fds);
	}
	if (r >= 0) {
		r = launch_hand_over(fd, &(struct launch_order){ checks, args, fds });
	}
	if (r >= 0) {
		vm->link.listen_fd = take_fd(fds[GUEST_QMP]);
	}
	return r;
}

/* ---- its unit ---- */

static int handle_knock(sd_event_source *source, uint64_t usec, void *data);

/* -EAGAIN: others knock too, whom it will turn away. */
static bool nobody_listens(int error)
{
	return error == -ENOENT || error == -ECONNREFUSED || error == -EACCES || error == -EAGAIN;
}

/* The unit's process does not listen yet, or is another's QEMU already. */
static void knock_again(struct vm *vm, int error)
{
	char text[160];

	if (vm->installed.asked++ < QUESTIONS_MAX && plan(vm, handle_knock) >= 0) {
		vm->installed.step = VM_INSTALLED_KNOCKING;
		return;
	}
	snprintf(text, sizeof(text),
		 "baton-guest@%s.service %s; see \"journalctl -u baton-guest@%s\"",
		 vm->installed.account.user,
		 error == -ECONNREFUSED ? "runs already, and not for this seat" : "has not started",
		 vm->installed.account.user);
	installed_fail(vm, error, text);
}

static void knock(struct vm *vm)
{
	const struct vm_account *account = &vm->installed.account;
	_cleanup_close_ int fd = -1;
	char path[107];
	pid_t pid;
	int r;

	snprintf(path, sizeof(path), GUEST_SOCKET_FOLDER "/%s/" GUEST_SOCKET_NAME, account->user);
	fd = launch_knock(path, account->uid, &pid);
	if (nobody_listens(fd)) {
		knock_again(vm, fd);
		return;
	}
	installed_end(vm);
	r = fd < 0 ? fd : hand_over(vm, fd);
	vm_input_close(vm);
	if (r < 0) {
		installed_fail(vm, r,
			       r == -EPERM || r == -ESRCH
				       ? "another process listens in its place; end what runs as "
					 "that user"
				       : NULL);
	} else {
		/* baton-input is ours, and to outlive us as QEMU does. */
		vm->scope = vm->input.process ? scope_create(vm->event, vm->config->name,
							     process_pid(vm->input.process), 0)
					      : NULL;
		vm_launch_watch(vm, pid);
	}
}

static int handle_knock(sd_event_source *source, uint64_t usec, void *data)
{
	knock(data);
	return 0;
}

void vm_started(struct vm *vm, int error, const char *text)
{
	if (error < 0) {
		installed_fail(vm, error, text);
	} else {
		knock(vm);
	}
}

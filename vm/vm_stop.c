// SPDX-License-Identifier: MIT
/*
 * Ending a guest: politely over ACPI, then by QMP, then by signal. Each step has a deadline, so
 * that a guest that does not answer cannot stay for ever.
 */
#include <errno.h>
#include <string.h>

#include "common/log.h"
#include "vm/vm_private.h"

#define QUIT_DEADLINE_USEC (3 * 1000 * 1000)
#define KILL_AGAIN_USEC (1000 * 1000)

void vm_stop_finish(struct vm *vm)
{
	sd_event_source_disable_unref(vm->stop.deadline);
	vm->stop = (struct vm_stop){ 0 };
}

static void stop_step(struct vm *vm, enum vm_stop_step step);
static void kill_by_starter(struct vm *vm);

static int handle_deadline(sd_event_source *source, uint64_t usec, void *data)
{
	struct vm *vm = data;

	if (vm->stop.step == VM_STOP_KILL) {
		kill_by_starter(vm);
		return 0;
	}
	log_info("%s: does not end by itself, %s", vm->config->name,
		 vm->stop.step == VM_STOP_ACPI ? "ending QEMU" : "killing QEMU");
	stop_step(vm, vm->stop.step + 1);
	return 0;
}

static void stop_arm(struct vm *vm, uint64_t usec)
{
	sd_event_source_disable_unref(vm->stop.deadline);
	vm->stop.deadline = NULL;
	if (sd_event_add_time_relative(vm->event, &vm->stop.deadline, CLOCK_MONOTONIC, usec, 10000,
				       handle_deadline, vm) < 0) {
		stop_step(vm, VM_STOP_KILL);
	}
}

/* A paused guest cannot hear the button; it is let go for as long as it takes. */
static void press_button(struct vm *vm)
{
	if (!vm->vcpus_run) {
		vm_link_command(vm, "cont");
	}
	vm_link_command(vm, "system_powerdown");
}

/* Another user's process: at the installed level its starter may kill it, by a way on which much
 * may be away for a while. So it is asked until the process has ended. */
static void kill_by_starter(struct vm *vm)
{
	int r = vm_installed_kill(vm);

	if (r < 0 && !vm->stop.complained) {
		vm->stop.complained = true;
		log_error("%s: QEMU is another user's process (%d), which baton-broker has to kill: "
			  "%s; it is asked again until that has ended",
			  vm->config->name, (int)process_pid(vm->process),
			  r == -ENOTCONN || r == -EPERM ? "no broker is there" : strerror(-r));
	}
	vm->stop.deadline = sd_event_source_disable_unref(vm->stop.deadline);
	(void)sd_event_add_time_relative(vm->event, &vm->stop.deadline, CLOCK_MONOTONIC,
					 KILL_AGAIN_USEC, 0, handle_deadline, vm);
}

static void kill_process(struct vm *vm)
{
	int r = vm->process ? process_kill(vm->process) : 0;

	if (!vm->process) {
		/* A foreign QEMU that we cannot reach by signal: nothing is left to try. */
		vm_ended(vm, NULL);
	} else if (r == -EPERM) {
		kill_by_starter(vm);
	} else if (r < 0) {
		log_error("%s: process %d cannot be killed: %s", vm->config->name,
			  (int)process_pid(vm->process), strerror(-r));
	}
}

static void stop_step(struct vm *vm, enum vm_stop_step step)
{
	vm->stop.step = step;
	vm_update_state(vm);
	if (step == VM_STOP_ACPI) {
		stop_arm(vm, VM_SHUTDOWN_DEADLINE_SEC * 1000000ull);
		press_button(vm);
	} else if (step == VM_STOP_QUIT && vm->link.qmp_ready) {
		stop_arm(vm, QUIT_DEADLINE_USEC);
		vm_link_command(vm, "quit");
	} else {
		vm->stop.step = VM_STOP_KILL;
		kill_process(vm);
	}
}

/* Not yet executed: there is nothing to stop. */
static bool cancel_launch(struct vm *vm)
{
	if (!vm->accel && !vm_installed_cancel(vm)) {
		return false;
	}
	accel_probe_destroy(vm->accel);
	vm->accel = NULL;
	huge_pages_forget(&vm->huge_pages);
	vm_set_state(vm, VM_STATE_STOPPED, NULL);
	return true;
}

int vm_shutdown(struct vm *vm)
{
	if (vm->state == VM_STATE_STOPPED || vm->state == VM_STATE_FAILED) {
		return -ESRCH;
	}
	if (!cancel_launch(vm) && vm->stop.step == VM_STOP_NONE) {
		stop_step(vm, VM_STOP_ACPI);
	}
	return 0;
}

int vm_kill(struct vm *vm)
{
	if (vm->state == VM_STATE_STOPPED || vm->state == VM_STATE_FAILED) {
		return -ESRCH;
	}
	if (!cancel_launch(vm) && vm->stop.step < VM_STOP_QUIT) {
		stop_step(vm, vm->answers.late ? VM_STOP_KILL : VM_STOP_QUIT);
	}
	return 0;
}

void vm_stop_link_ready(struct vm *vm)
{
	if (vm->stop.step == VM_STOP_ACPI) {
		vm_link_command(vm, "system_powerdown");
	}
}

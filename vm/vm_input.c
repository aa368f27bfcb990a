// SPDX-License-Identifier: MIT
/*
 * The guest's own devices for input: starts baton-input beside QEMU, with a socket to QEMU for each
 * device. QEMU exits when nobody serves a device as it starts, and aborts when it is reset after
 * that one has gone; so the program lives as long as QEMU, and not as long as the seat.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "common/cleanup.h"
#include "common/fd.h"
#include "common/log.h"
#include "common/strv.h"
#include "vm/command_line.h"
#include "vm/vm_private.h"

#define PROGRAM "baton-input"
/* A seat may die between its connection and its packets, and the next one may be there at once. */
#define BACKLOG 8

/* Pairs of sockets: ours go to the program, from LAUNCH_FIRST_FD + 1 on. */
static int make_pairs(struct vm_input *input, uint32_t kinds, struct launch_fds *ours)
{
	for (int kind = 0; kind < INPUT_KINDS; kind++) {
		int pair[2];

		if (!(kinds >> kind & 1)) {
			continue;
		}
		if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0) {
			return -errno;
		}
		ours->fds[ours->n++] = pair[0];
		input->fds[kind] = pair[1];
		input->kinds |= 1u << kind;
	}
	return 0;
}

static int build_argv(const struct vm_input *input, char ***argv)
{
	char *program = launch_find("input/keeper/" PROGRAM, BATON_LIBEXECDIR "/" PROGRAM, X_OK);
	int fd = LAUNCH_FIRST_FD, r = program ? strv_append_take(argv, program) : -ENOENT;

	r = r < 0 ? r : strv_appendf(argv, "%d", fd);
	for (int kind = 0; kind < INPUT_KINDS && r >= 0; kind++) {
		if (input->kinds >> kind & 1) {
			r = strv_appendf(argv, "%d=%d", kind, ++fd);
		}
	}
	return r;
}

static void close_fds(struct launch_fds *fds)
{
	for (size_t i = 0; i < fds->n; i++) {
		close_fd_ptr(&fds->fds[i]);
	}
}

/* Its end is QEMU's, or QEMU's devices are dead; what is to be said then, QEMU's state says. */
static void handle_exited(void *data, const struct process_end *end)
{
	struct vm *vm = data;

	process_destroy(vm->input.process);
	vm->input.process = NULL;
	if (vm->process && (!end->known || end->by_signal || end->number != 0)) {
		log_warning("%s: " PROGRAM " has ended: the guest's virtio keyboard and pointer are "
			    "dead, and a reset ends its QEMU; shut it down and start it anew",
			    vm->config->name);
	}
}

static int execute(struct vm *vm, const struct launch_fds *fds)
{
	_cleanup_free_ char *log = vm_path(vm->run_dir, RUN_FILE_INPUT_LOG);
	_cleanup_strv_ char **argv = NULL;
	pid_t pid;
	int r = log ? build_argv(&vm->input, &argv) : -ENOMEM;

	r = r < 0 ? r : launch_helper(argv, fds, log, &pid);
	if (r < 0) {
		return r;
	}
	process_destroy(vm->input.process);
	vm->input.process = NULL;
	/* Without it, it is reaped when the seat ends. */
	(void)process_watch(vm->event, pid, handle_exited, vm, &vm->input.process);
	return 0;
}

static int start(struct vm *vm, uint32_t kinds)
{
	_cleanup_free_ char *path = vm_path(vm->run_dir, RUN_FILE_INPUT);
	_cleanup_(close_fds) struct launch_fds ours = { .n = 1, .fds = { -1 } };
	int r;

	ours.fds[0] = path ? unix_listen_packets(path, BACKLOG) : -ENOMEM;
	if (ours.fds[0] < 0) {
		return ours.fds[0];
	}
	r = make_pairs(&vm->input, kinds, &ours);
	return r < 0 ? r : execute(vm, &ours);
}

void vm_input_start(struct vm *vm)
{
	uint32_t kinds = vm_config_input_kinds(vm->config, vm->input.host);
	int r;

	vm_input_close(vm);
	if (kinds == 0) {
		return;
	}
	r = start(vm, kinds);
	if (r < 0) {
		vm_input_close(vm);
		log_warning("%s: it has its emulated keyboard and pointer alone: " PROGRAM
			    " cannot be started: %s",
			    vm->config->name, strerror(-r));
	}
}

void vm_input_close(struct vm *vm)
{
	for (int kind = 0; kind < INPUT_KINDS; kind++) {
		if (vm->input.kinds >> kind & 1) {
			close(vm->input.fds[kind]);
		}
	}
	vm->input.kinds = 0;
}

void vm_input_finish(struct vm *vm)
{
	vm_input_close(vm);
	process_destroy(vm->input.process);
	vm->input.process = NULL;
}

int vm_connect_input(const struct vm *vm)
{
	_cleanup_free_ char *path = vm_path(vm->run_dir, RUN_FILE_INPUT);

	return path ? unix_connect_own_packets(path) : -ENOMEM;
}

void vm_set_host_input(struct vm *vm, uint32_t kinds)
{
	vm->input.host = kinds;
}

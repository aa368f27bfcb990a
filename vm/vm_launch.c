// SPDX-License-Identifier: MIT
/* Starts a guest's QEMU: folders, sockets, command line, process. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/random.h>

#include "common/cleanup.h"
#include "common/fd.h"
#include "common/log.h"
#include "common/strv.h"
#include "vm/command_line.h"
#include "vm/vm_private.h"

#define UUID_LENGTH 36
/* For each GiB that is filled before QEMU listens; 0.25 s is common. */
#define FILL_GIB_USEC (1000 * 1000)
#define UEFI_VARIABLES_MAX (8 * 1024 * 1024)

/* A random identity, made at the first start and kept. */
static int load_uuid(const struct vm *vm, char uuid[UUID_LENGTH + 1])
{
	_cleanup_free_ char *path = vm_path(vm->state_dir, STATE_FILE_UUID);
	unsigned char b[16];

	if (!path) {
		return -ENOMEM;
	}
	if (file_read_tail(path, uuid, UUID_LENGTH + 1) == UUID_LENGTH &&
	    strspn(uuid, "0123456789abcdef-") == UUID_LENGTH) {
		return 0;
	}
	if (getrandom(b, sizeof(b), 0) != sizeof(b)) {
		return -errno;
	}
	b[6] = (b[6] & 0x0f) | 0x40; /* version 4, random */
	b[8] = (b[8] & 0x3f) | 0x80;
	snprintf(uuid, UUID_LENGTH + 1,
		 "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", b[0], b[1],
		 b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10], b[11], b[12], b[13], b[14],
		 b[15]);
	return file_write(path, uuid, UUID_LENGTH);
}

/* Each guest has its own copy of the firmware's variables, made at its first start. */
static int prepare_uefi(const struct vm *vm)
{
	_cleanup_free_ char *path = vm_path(vm->state_dir, STATE_FILE_UEFI), *content = NULL;
	const struct ovmf *ovmf;
	ssize_t size;

	if (vm->config->firmware != VM_FIRMWARE_UEFI || (path && access(path, F_OK) == 0)) {
		return 0;
	}
	ovmf = ovmf_find();
	content = malloc(UEFI_VARIABLES_MAX);
	if (!path || !content) {
		return -ENOMEM;
	}
	if (!ovmf) {
		return -ENOENT;
	}
	size = file_read_tail(ovmf->variables, content, UEFI_VARIABLES_MAX);
	return size < 0 ? (int)size : file_write(path, content, (size_t)size);
}

int vm_launch_argv(struct vm *vm, bool handed, char ***argv)
{
	char uuid[UUID_LENGTH + 1];
	struct command_line input = {
		.config = vm->config,
		.run_dir = vm->run_dir,
		.state_dir = vm->state_dir,
		.uuid = uuid,
		.accel = accel_get(),
		.handed = handed,
		.huge_page_kib = vm->huge_pages.page_kib,
		.input_kinds = vm->input.kinds,
		.shared_mib = vm_shared_create(vm, handed ? &vm->installed.account : NULL),
	};
	int r = load_uuid(vm, uuid);

	if (r >= 0) {
		r = prepare_uefi(vm);
	}
	if (r < 0) {
		log_error("%s: %s cannot be prepared: %s", vm->config->name, vm->state_dir,
			  strerror(-r));
		return r;
	}
	return command_line_build(&input, argv);
}

/* As QEMU's command line numbers them. */
static void list_descriptors(const struct vm *vm, struct launch_fds *fds)
{
	fds->n = 1 + INPUT_KINDS;
	fds->fds[QEMU_QMP_FD - LAUNCH_FIRST_FD] = vm->link.listen_fd;
	for (int kind = 0; kind < INPUT_KINDS; kind++) {
		fds->fds[QEMU_INPUT_FD - LAUNCH_FIRST_FD + kind] =
			vm->input.kinds >> kind & 1 ? vm->input.fds[kind] : -1;
	}
}

static int execute(struct vm *vm, pid_t *pid)
{
	struct launch_fds fds;
	_cleanup_free_ char *log = vm_path(vm->run_dir, RUN_FILE_LOG);
	_cleanup_free_ char *socket = vm_path(vm->run_dir, RUN_FILE_QMP);
	_cleanup_(vm_walls_finish) struct vm_walls walls = { 0 };
	_cleanup_strv_ char **argv = NULL;
	int r;

	if (!log || !socket) {
		return -ENOMEM;
	}
	vm_input_start(vm);
	r = vm_launch_argv(vm, false, &argv);
	if (r < 0) {
		return r;
	}
	/* We listen, QEMU inherits: there is something to connect to from the first moment. */
	r = unix_listen(socket, VM_QMP_BACKLOG);
	if (r < 0) {
		return r;
	}
	vm->link.listen_fd = r;
	list_descriptors(vm, &fds);
	r = vm_walls_init(vm, &walls);
	return r < 0 ? r
		     : launch_qemu(argv, &fds, log,
				   walls.wanted ? &(struct confinement){ walls.hidden, walls.readable,
								   walls.own }
						: NULL,
				   pid);
}

static const char *explain(int error)
{
	switch (error) {
	case -ENOENT:
		return "there is no " QEMU_BINARY "; install qemu-system-x86";
	case -ENAMETOOLONG:
		return "the path of the runtime folder is too long for a socket (107 bytes); choose "
		       "a shorter one";
	default:
		return strerror(-error);
	}
}

/* How long QEMU may take until it greets: one that fills its memory first takes longer. */
static uint64_t greeting_usec(const struct vm_config *config)
{
	return VM_GREETING_USEC + (config->lends ? config->memory_mib / 1024 * FILL_GIB_USEC : 0);
}

int vm_launch_watch(struct vm *vm, pid_t pid)
{
	int r = process_watch(vm->event, pid, vm_process_exited, vm, &vm->process);

	if (r < 0) {
		huge_pages_forget(&vm->huge_pages);
		vm_link_close(vm);
		vm_set_state(vm, VM_STATE_FAILED, "QEMU could not be watched: %s", strerror(-r));
		return r;
	}
	vm_set_state(vm, VM_STATE_STARTING, NULL);
	return vm_link_open(vm, greeting_usec(vm->config));
}

int vm_launch_now(struct vm *vm)
{
	pid_t pid;
	int r = vm_installed_launch(vm);

	if (r != 0) {
		return r < 0 ? r : 0;
	}
	r = execute(vm, &pid);
	vm_input_close(vm);
	if (r < 0) {
		huge_pages_forget(&vm->huge_pages);
		vm_link_close(vm);
		vm_set_state(vm, VM_STATE_FAILED, "QEMU could not be started: %s", explain(r));
		return r;
	}
	vm->scope = scope_create(vm->event, vm->config->name, pid, process_pid(vm->input.process));
	return vm_launch_watch(vm, pid);
}

static void handle_accel(void *data, enum accel accel)
{
	struct vm *vm = data;

	if (vm->config->lends) {
		huge_pages_promise(accel_probe_pages(vm->accel), vm->config->memory_mib,
				   &vm->huge_pages);
	}
	accel_probe_destroy(vm->accel);
	vm->accel = NULL;
	vm_launch_now(vm);
}

/* Whether it has to be looked into the machine before QEMU's command line can be written. */
static bool needs_probe(const struct vm_config *config)
{
	bool has_accel = accel_get() != ACCEL_UNKNOWN || command_line_has_accel(config);

	return !has_accel || config->lends;
}

int vm_launch(struct vm *vm)
{
	int r;

	if (!needs_probe(vm->config)) {
		return vm_launch_now(vm);
	}
	r = accel_probe_create(vm->event, handle_accel, vm, &vm->accel);
	if (r < 0) {
		vm_set_state(vm, VM_STATE_FAILED, "KVM could not be tried out: %s", strerror(-r));
		return r;
	}
	vm_set_state(vm, VM_STATE_STARTING, NULL);
	return 0;
}

void vm_process_exited(void *data, const struct process_end *end)
{
	vm_ended(data, end);
}

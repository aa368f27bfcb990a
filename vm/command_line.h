/* SPDX-License-Identifier: MIT */
/* The QEMU command line of a guest: a pure function of its configuration and folders. */
#ifndef VM_COMMAND_LINE_H
#define VM_COMMAND_LINE_H

#include <stdbool.h>

#include "vm/accel.h"
#include "vm/vm_config.h"

#define QEMU_BINARY "qemu-system-x86_64"

/* Fixed for every guest: a broken-out QEMU cannot start programs or gain rights. */
#define QEMU_SANDBOX                                                                               \
	"on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny"

/* The listening QMP socket is handed to QEMU as this descriptor. */
#define QEMU_QMP_FD 3
/* And the sockets to baton-input as these, by their kinds. */
#define QEMU_INPUT_FD 4
#define QEMU_QMP_ID "baton-qmp"

/* Files in a guest's runtime folder. */
#define RUN_FILE_QMP "qmp.sock"		  /* ours */
#define RUN_FILE_QMP_USER "qmp-user.sock" /* for the user's tools: QMP serves one client */
#define RUN_FILE_PID "pid"		  /* QEMU holds a lock on it while it lives */
#define RUN_FILE_LOG "qemu.log"		  /* its stdout and stderr */
#define RUN_FILE_SHARED "shared-memory"	  /* the guest's programs write pictures into it */
#define RUN_FILE_AGENT "agent.sock"	  /* the other end of baton-agent's port */
#define RUN_FILE_INPUT "input.sock"	  /* baton-input listens there for the seat */
#define RUN_FILE_INPUT_LOG "input.log"	  /* its stderr */

/* Files in a guest's state folder. */
#define STATE_FILE_UEFI "uefi-variables.fd"
#define STATE_FILE_UUID "uuid"

struct ovmf {
	const char *code, *variables;
};

/* The first UEFI firmware of the known places that is there, or NULL. */
const struct ovmf *ovmf_find(void);

struct command_line {
	const struct vm_config *config;
	const char *run_dir, *state_dir; /* the guest's own */
	const char *uuid;
	enum accel accel; /* ignored where the extra arguments choose one */
	/* QEMU's own files are descriptors that it is given (proto/guest.h), not paths in run_dir
	 * and state_dir, where its user may not go. */
	bool handed;
	uint64_t huge_page_kib; /* pages for the memory of a guest that lends; 0: common ones */
	uint64_t shared_mib;    /* of RUN_FILE_SHARED, which is there; 0: it is not */
	uint32_t input_kinds;   /* a bit for each device that baton-input serves */
};

/* Whether the machine has a port for baton-agent. */
bool command_line_has_agent(const struct vm_config *config);

/* Writes an argument vector for execvp() to *argv; the caller frees it with strv_free(). Returns
 * 0, -ENOMEM or -ENOENT (UEFI firmware asked for and absent). */
int command_line_build(const struct command_line *input, char ***argv);

/* The name of the option that an argument is, without the one or two dashes that QEMU takes; NULL
 * for a value. */
const char *option_name(const char *arg);

/* True when the configuration's extra arguments choose the accelerator themselves. */
bool command_line_has_accel(const struct vm_config *config);

#endif

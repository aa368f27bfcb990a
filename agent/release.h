/* SPDX-License-Identifier: MIT */
/*
 * Gives a card of the guest up: looks who has it open, and takes it from its drivers if nobody has.
 * That may wait in the kernel for ever, so a child of its own does it; who asked reads the child's
 * messages from a pipe.
 */
#ifndef AGENT_RELEASE_H
#define AGENT_RELEASE_H

#include <sys/types.h>

#include "proto/agent.h"

/* Where the kernel's files are; tests have their own. */
struct release_roots {
	const char *devices; /* "/sys/bus/pci/devices" */
	const char *proc;    /* "/proc" */
};

/*
 * Starts the child. Returns the pipe's end to read from, non-blocking, or -errno. There come whole
 * messages as the agent sends them: HOLDERs, then one DONE, with this serial and slot; none when
 * the child died. The child is reaped by the caller, for whom its number is left in *pid.
 */
int release_start(const struct release_roots *roots, struct agent_slot slot, uint32_t serial,
		  pid_t *pid);

#endif

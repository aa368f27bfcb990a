/* SPDX-License-Identifier: MIT */
/* Which processes have a node of a PCI card open. */
#ifndef AGENT_HOLDERS_H
#define AGENT_HOLDERS_H

#include <sys/types.h>

#include "proto/agent.h"

#define NODES_MAX 64

struct nodes {
	unsigned int count;
	dev_t numbers[NODES_MAX];
};

/* Adds the character devices of a PCI function, but not those of its input devices, which never
 * keep a driver. */
void nodes_add(struct nodes *nodes, const char *function);

typedef void (*holder_fn)(const struct agent_holder *holder, void *data);

/*
 * Calls for each process that has one of the nodes open, at most AGENT_HOLDERS_MAX times; `more` is
 * right in the last one. proc: "/proc". This process and `except` are left out. Returns how many
 * there are.
 */
unsigned int holders_find(const char *proc, const struct nodes *nodes, pid_t except, holder_fn fn,
			  void *data);

#endif

/* SPDX-License-Identifier: MIT */
/* What is told of the guest besides pictures: which machine and which system. */
#ifndef AGENT_MACHINE_H
#define AGENT_MACHINE_H

#include <stdbool.h>
#include <stdint.h>

struct machine {
	bool has_uuid;
	uint8_t uuid[16]; /* in the order in which it is written */
	char system[64];  /* "Debian GNU/Linux 13 (trixie)" */
};

void machine_read(struct machine *machine);

#endif

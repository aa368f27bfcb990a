/* SPDX-License-Identifier: MIT */
/* What baton-guest got from the seat: taken apart and checked. See proto/guest.h. */
#ifndef PASSTHROUGH_GUEST_GUEST_H
#define PASSTHROUGH_GUEST_GUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/guest.h"

/* Checks, variables and arguments may not be more together. */
#define GUEST_STRINGS_MAX 1024

struct guest_order {
	size_t n_checks;
	char *checks[GUEST_STRINGS_MAX];
	size_t n_variables;
	char *variables[GUEST_STRINGS_MAX];
	char *argv[GUEST_STRINGS_MAX + 1]; /* ends with NULL; at least the program */
};

/* The strings stay in the packet, which has room for size bytes. 0 or -EPROTO. */
int guest_order_parse(char *packet, size_t size, struct guest_order *out);

/* Whether QEMU will get at what it needs: NULL, or one sentence that lives until the next call. */
const char *guest_order_check(const struct guest_order *order, const char *user);

#endif

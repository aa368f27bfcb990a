// SPDX-License-Identifier: MIT
/* The seat's packet; see guest.h. */
#include "passthrough/guest/guest.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Takes the next string; NULL: the packet ends before it does. */
static char *next_string(char **at, const char *end)
{
	char *start = *at, *zero = start < end ? memchr(start, '\0', (size_t)(end - start)) : NULL;

	*at = zero ? zero + 1 : start;
	return zero ? start : NULL;
}

static int take_strings(char **at, const char *end, uint32_t n, char **out)
{
	for (uint32_t i = 0; i < n; i++) {
		out[i] = next_string(at, end);
		if (!out[i]) {
			return -EPROTO;
		}
	}
	return 0;
}

int guest_order_parse(char *packet, size_t size, struct guest_order *out)
{
	struct guest_launch head;
	char *at = packet + sizeof(head), *end = packet + size;
	char **args = out->argv;
	int r;

	*out = (struct guest_order){ 0 };
	if (size < sizeof(head)) {
		return -EPROTO;
	}
	memcpy(&head, packet, sizeof(head));
	if (head.protocol != GUEST_PROTOCOL || head.n_checks > GUEST_STRINGS_MAX ||
	    head.n_args > GUEST_STRINGS_MAX) {
		return -EPROTO;
	}
	r = take_strings(&at, end, head.n_checks, out->checks);
	r = r < 0 ? r : take_strings(&at, end, head.n_args, args);
	if (r < 0 || at != end) {
		return -EPROTO;
	}
	out->n_checks = head.n_checks;
	while (args[0] && strchr(args[0], '=')) {
		out->variables[out->n_variables++] = args[0];
		memmove(args, args + 1, GUEST_STRINGS_MAX * sizeof(*args));
	}
	return args[0] ? 0 : -EPROTO;
}

const char *guest_order_check(const struct guest_order *order, const char *user)
{
	static char text[600];

	for (size_t i = 0; i < order->n_checks; i++) {
		const char *path = order->checks[i] + 1;
		bool writes = order->checks[i][0] == 'w';

		if (access(path, writes ? R_OK | W_OK : R_OK) < 0) {
			snprintf(text, sizeof(text),
				 "user %.32s, who runs this guest, cannot %s %.400s: %s; let it "
				 "enter the folders above, and have the file",
				 user, writes ? "write" : "read", path, strerror(errno));
			return text;
		}
	}
	return NULL;
}

// SPDX-License-Identifier: MIT
/* Whether what came in on the socket is a request at all. Whoever sent something else is no seat.
 */
#include "passthrough/broker/broker.h"

/* May stand in the journal. */
static bool name_check(const char *name, size_t size)
{
	const char *end = memchr(name, '\0', size);

	while (end && name<end && * name> ' ' && *name <= '~' && *name != '@') {
		name++;
	}
	return name == end;
}

bool packet_check(const void *packet, size_t size, bool greeted, struct broker_request *out,
		  const char **why)
{
	*why = "a packet of a wrong size, an unknown verb, or no serial";
	memcpy(out, packet, MIN(size, sizeof(*out)));
	if (size != sizeof(*out) || !out->verb || out->verb >= BROKER_VERB_COUNT || !out->serial) {
		return false;
	}
	*why = "a stage that cannot stand in the journal";
	if (!name_check(out->stage.name, sizeof(out->stage.name)) ||
	    !name_check(out->stage.from, sizeof(out->stage.from)) ||
	    !name_check(out->stage.to, sizeof(out->stage.to)) || out->stage.finished > 2) {
		return false;
	}
	*why = greeted ? "a second greeting" : "no greeting";
	return greeted == (out->verb != BROKER_HELLO);
}

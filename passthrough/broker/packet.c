// SPDX-License-Identifier: MIT
/* Whether what came in on the socket is a request at all. Whoever sent something else is no seat.
 */
#include "passthrough/broker/broker.h"

#include <string.h>

bool name_check(const char *name)
{
	for (; *name; name++) {
		if (*name <= ' ' || *name > '~' || *name == '@') {
			return false;
		}
	}
	return true;
}

static bool string_ends(const char *string, size_t size)
{
	return memchr(string, '\0', size) && name_check(string);
}

bool packet_check(const void *packet, size_t size, bool greeted, struct broker_request *out,
		  const char **why)
{
	if (size != sizeof(*out)) {
		*why = "a packet of a wrong size";
		return false;
	}
	memcpy(out, packet, size);
	if (out->verb < BROKER_HELLO || out->verb >= BROKER_VERB_COUNT || out->serial == 0) {
		*why = "an unknown verb, or no serial";
	} else if (!string_ends(out->stage.name, sizeof(out->stage.name)) ||
		   !string_ends(out->stage.from, sizeof(out->stage.from)) ||
		   !string_ends(out->stage.to, sizeof(out->stage.to)) || out->stage.finished > 2) {
		*why = "a stage that cannot stand in the journal";
	} else if (greeted == (out->verb == BROKER_HELLO)) {
		*why = greeted ? "a second greeting" : "no greeting";
	} else {
		return true;
	}
	return false;
}

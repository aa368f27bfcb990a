// SPDX-License-Identifier: MIT
/* Checks what came from the broker's socket; see broker_message.h. */
#include "passthrough/broker_message.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#define ENDS(array) (memchr((array), '\0', sizeof(array)) != NULL)

static bool stage_is_sound(const struct broker_stage *stage)
{
	return ENDS(stage->name) && ENDS(stage->from) && ENDS(stage->to) && stage->finished <= 2;
}

static bool function_is_sound(const struct broker_function *function)
{
	return function->number < BROKER_FUNCTIONS_MAX && ENDS(function->driver) &&
	       ENDS(function->override) && ENDS(function->reset);
}

static bool facts_are_sound(const struct broker_facts *facts)
{
	if (facts->function_count > BROKER_FUNCTIONS_MAX || !stage_is_sound(&facts->stage)) {
		return false;
	}
	for (uint32_t i = 0; i < facts->function_count; i++) {
		if (!function_is_sound(&facts->functions[i])) {
			return false;
		}
	}
	return true;
}

static bool holder_is_sound(const struct broker_holder *holder)
{
	return ENDS(holder->command) && ENDS(holder->node);
}

static bool kind_is_sound(const struct broker_message *message)
{
	switch ((enum broker_kind)message->kind) {
	case BROKER_DONE:
		/* Without a request it is a farewell, and says why. */
		return message->serial != 0 ? message->error <= 0 : message->error < 0;
	case BROKER_CARD:
		return facts_are_sound(&message->facts);
	case BROKER_HOLDER:
		return message->serial != 0 && holder_is_sound(&message->holder);
	case BROKER_PROGRESS:
		return true;
	case BROKER_GUEST:
		return message->serial != 0 && ENDS(message->guest.name) &&
		       ENDS(message->guest.user) && !strchr(message->guest.user, '/');
	}
	return false;
}

int broker_message_check(const struct broker_message *message, size_t size)
{
	if (size != sizeof(*message) || !ENDS(message->text) || !kind_is_sound(message)) {
		return -EPROTO;
	}
	return 0;
}

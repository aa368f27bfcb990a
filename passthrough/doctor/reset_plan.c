// SPDX-License-Identifier: MIT
/* Predicts the reset of a card; see reset_plan.h. */
#include "passthrough/doctor/reset_plan.h"

#include <string.h>

/*
 * The kernel's list of a function, in the order in which it tries. One that begins with "pm" is no
 * reset of the whole function; "bus" alone is one only for what has its bus for itself, and stays
 * in the list of a function whose neighbours were found later.
 */
static bool resets_alone(const struct broker_function *function, bool alone_on_bus)
{
	static const char *const own[] = { "device_specific", "acpi", "flr", "af_flr" };

	for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++) {
		size_t length = strlen(own[i]);

		if (!strncmp(function->reset, own[i], length) &&
		    (function->reset[length] == ' ' || !function->reset[length])) {
			return true;
		}
	}
	return alone_on_bus &&
	       (!strncmp(function->reset, "bus", 3) || !strncmp(function->reset, "cxl_bus", 7));
}

enum reset_plan reset_plan(const struct card_look *look)
{
	bool single = look->facts.function_count == 1, stranger = look->neighbour[0];
	bool own = true;

	for (unsigned int i = 0; i < look->facts.function_count; i++) {
		own &= resets_alone(&look->facts.functions[i], single && !stranger);
	}
	if (single && own) {
		return RESET_PLAN_OWN;
	}
	if (look->below_bridge && !stranger) {
		return RESET_PLAN_HOT;
	}
	return own ? RESET_PLAN_OWN_EACH : RESET_PLAN_NONE;
}

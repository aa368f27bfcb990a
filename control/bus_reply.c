// SPDX-License-Identifier: MIT
/* Answers of the D-Bus API; see bus_reply.h. */
#include "control/bus_reply.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>

#include "control/control.h"
#include "control/text.h"

static const struct {
	int error;
	const char *name;
} error_names[] = {
	{ ENOENT, CONTROL_ERROR_NO_GUEST },      { EPERM, CONTROL_ERROR_NOT_PERMITTED },
	{ EACCES, CONTROL_ERROR_NOT_PERMITTED }, { EINVAL, CONTROL_ERROR_INVALID },
	{ ERANGE, CONTROL_ERROR_INVALID },       { EALREADY, CONTROL_ERROR_WRONG_STATE },
	{ EBUSY, CONTROL_ERROR_WRONG_STATE },    { ENOTCONN, CONTROL_ERROR_WRONG_STATE },
	{ ENXIO, CONTROL_ERROR_NO_CARD },
};

int bus_fail(sd_bus_error *error, int r, const char *why)
{
	const char *name = CONTROL_ERROR_FAILED;
	char sentence[512];

	for (size_t i = 0; i < sizeof(error_names) / sizeof(error_names[0]); i++) {
		if (error_names[i].error == -r) {
			name = error_names[i].name;
		}
	}
	text_clean(why ? why : strerror(-r), sentence, sizeof(sentence));
	return sd_bus_error_set(error, name, sentence);
}

int bus_answer(sd_bus_message *call, sd_bus_error *error, int r, const char *why)
{
	return r < 0 ? bus_fail(error, r, why) : sd_bus_reply_method_return(call, NULL);
}

int bus_append_entry(sd_bus_message *m, const char *key, const char *type, ...)
{
	va_list args;
	int r;

	r = sd_bus_message_open_container(m, 'e', "sv");
	if (r >= 0) {
		r = sd_bus_message_append(m, "s", key);
	}
	if (r >= 0) {
		r = sd_bus_message_open_container(m, 'v', type);
	}
	if (r >= 0) {
		va_start(args, type);
		r = sd_bus_message_appendv(m, type, args);
		va_end(args);
	}
	if (r >= 0) {
		r = sd_bus_message_close_container(m);
	}
	return r < 0 ? r : sd_bus_message_close_container(m);
}

int bus_append_text(sd_bus_message *m, const char *key, const char *text)
{
	char clean[512];

	text_clean(text ? text : "", clean, sizeof(clean));
	return bus_append_entry(m, key, "s", clean);
}

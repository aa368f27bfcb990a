// SPDX-License-Identifier: MIT
/* Sound over D-Bus; see sound_api.h. */
#include "control/sound_api.h"

#include "control/bus_reply.h"
#include "control/private.h"

int sound_api_volume(sd_bus_message *call, void *data, sd_bus_error *error)
{
	struct control *control = data;
	const char *guest, *why = NULL;
	uint32_t percent;
	int muted, r;

	r = sd_bus_message_read(call, "sub", &guest, &percent, &muted);
	if (r < 0) {
		return r;
	}
	r = control->actions->volume(control->data, guest, percent, muted, &why);
	return bus_answer(call, error, r, why);
}

int sound_api_microphone(sd_bus_message *call, void *data, sd_bus_error *error)
{
	struct control *control = data;
	const char *guest, *answer, *why = NULL;
	int r;

	r = sd_bus_message_read(call, "ss", &guest, &answer);
	if (r < 0) {
		return r;
	}
	r = control->actions->microphone(control->data, guest, answer, &why);
	return bus_answer(call, error, r, why);
}

// SPDX-License-Identifier: MIT
/* Monitors in the D-Bus API; see monitor_api.h. */
#include "control/monitor_api.h"

#include "common/cleanup.h"
#include "control/bus_reply.h"
#include "control/private.h"

struct monitor_walk {
	sd_bus_message *reply;
	int r; /* of the first append that failed */
};

static int append_monitor(sd_bus_message *m, const struct control_monitor *monitor)
{
	int r = sd_bus_message_open_container(m, 'a', "{sv}");

	if (r < 0 || (r = bus_append_text(m, "name", monitor->name)) < 0 ||
	    (r = bus_append_text(m, "card", monitor->card)) < 0 ||
	    (r = bus_append_text(m, "cable", monitor->cable)) < 0 ||
	    (r = bus_append_text(m, "path", monitor->path)) < 0 ||
	    (r = bus_append_text(m, "guest", monitor->guest)) < 0 ||
	    (r = bus_append_entry(m, "width", "u", monitor->width)) < 0 ||
	    (r = bus_append_entry(m, "height", "u", monitor->height)) < 0 ||
	    (r = bus_append_text(m, "text", monitor->text)) < 0) {
		return r;
	}
	return sd_bus_message_close_container(m);
}

static void walk_append(const struct control_monitor *monitor, void *data)
{
	struct monitor_walk *walk = data;

	if (walk->r >= 0) {
		walk->r = append_monitor(walk->reply, monitor);
	}
}

int monitor_api_list(sd_bus_message *call, void *data, sd_bus_error *error)
{
	_cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
	struct control *control = data;
	struct monitor_walk walk;
	int r;

	(void)error;
	r = sd_bus_message_new_method_return(call, &reply);
	if (r >= 0) {
		r = sd_bus_message_open_container(reply, 'a', "a{sv}");
	}
	if (r < 0) {
		return r;
	}
	walk = (struct monitor_walk){ .reply = reply };
	control->actions->each_monitor(control->data, walk_append, &walk);
	if (walk.r < 0) {
		return walk.r;
	}
	r = sd_bus_message_close_container(reply);
	return r < 0 ? r : sd_bus_send(NULL, reply, NULL);
}

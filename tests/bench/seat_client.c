// SPDX-License-Identifier: MIT
/* See seat_client.h. */
#include "tests/bench/seat_client.h"

#include <errno.h>
#include <linux/input-event-codes.h>
#include <stdio.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/clock.h"
#include "control/control.h"

#define CALL_TIMEOUT_USEC (10 * 1000 * 1000)

static int connect_bus(sd_bus **out, const char *socket_path)
{
	char address[256];
	sd_bus *bus;
	int r = sd_bus_new(&bus);

	if (r < 0) {
		return r;
	}
	snprintf(address, sizeof(address), "unix:path=%s", socket_path);
	if ((r = sd_bus_set_address(bus, address)) < 0 ||
	    (r = sd_bus_negotiate_fds(bus, true)) < 0 || (r = sd_bus_start(bus)) < 0) {
		sd_bus_unref(bus);
		return r;
	}
	*out = bus;
	return 0;
}

static int map_output(struct seat_client *client)
{
	_cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
	_cleanup_(sd_bus_message_unrefp) sd_bus_message *answer = NULL;
	int fd, r;

	r = sd_bus_call_method(client->bus, NULL, CONTROL_OBJECT, CONTROL_INTERFACE, "ExportOutput",
			       &error, &answer, NULL);
	if (r < 0) {
		fprintf(stderr, "ExportOutput: %s\n", error.message ? error.message : strerror(-r));
		return r;
	}
	r = sd_bus_message_read(answer, "h", &fd);
	return r < 0 ? r : screen_open(&client->screen, fd);
}

int seat_client_open(struct seat_client *client, const char *socket_path)
{
	int r = connect_bus(&client->bus, socket_path);

	if (r >= 0) {
		r = map_output(client);
	}
	if (r < 0) {
		fprintf(stderr, "%s: %s\n", socket_path, strerror(-r));
	}
	return r;
}

void seat_client_close(struct seat_client *client)
{
	sd_bus_flush_close_unref(client->bus);
}

static int new_key_call(struct seat_client *client, uint32_t code, bool pressed,
			sd_bus_message **out)
{
	int r = sd_bus_message_new_method_call(client->bus, out, NULL, CONTROL_OBJECT,
					       CONTROL_INTERFACE, "InjectKey");

	return r < 0 ? r : sd_bus_message_append(*out, "ub", code, pressed);
}

int seat_client_key(struct seat_client *client, uint32_t code, bool pressed)
{
	_cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
	_cleanup_(sd_bus_message_unrefp) sd_bus_message *call = NULL;
	int r = new_key_call(client, code, pressed, &call);

	if (r >= 0) {
		r = sd_bus_call(client->bus, call, CALL_TIMEOUT_USEC, &error, NULL);
	}
	if (r < 0) {
		fprintf(stderr, "InjectKey: %s\n", error.message ? error.message : strerror(-r));
	}
	return r;
}

int seat_client_post_key(struct seat_client *client, uint32_t code, bool pressed)
{
	_cleanup_(sd_bus_message_unrefp) sd_bus_message *call = NULL;
	int r = new_key_call(client, code, pressed, &call);

	if (r >= 0) {
		r = sd_bus_message_set_expect_reply(call, false);
	}
	if (r >= 0) {
		r = sd_bus_send(client->bus, call, NULL);
	}
	return r < 0 ? r : sd_bus_flush(client->bus);
}

int seat_client_start_chord(struct seat_client *client, unsigned int slot, uint64_t *chord_ns)
{
	int r = seat_client_key(client, KEY_RIGHTCTRL, true);

	if (r < 0) {
		return r;
	}
	*chord_ns = clock_now_ns();
	return seat_client_post_key(client, KEY_1 + slot - 1, true);
}

int seat_client_finish_chord(struct seat_client *client, unsigned int slot)
{
	int r = seat_client_key(client, KEY_1 + slot - 1, false);

	return r < 0 ? r : seat_client_key(client, KEY_RIGHTCTRL, false);
}

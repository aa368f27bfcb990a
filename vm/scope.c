// SPDX-License-Identifier: MIT
/*
 * Moves a QEMU process into a systemd scope of its own; see launch.h. In the seat's control group
 * it would be stopped and accounted together with the seat.
 */
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-bus.h>
#include <systemd/sd-daemon.h>

#include "common/bus_pump.h"
#include "common/cleanup.h"
#include "common/log.h"
#include "vm/launch.h"

struct scope {
	char *guest;
	sd_bus *bus;
	sd_bus_slot *slot;
	struct bus_pump *pump;
};

static void scope_close(struct scope *scope)
{
	scope->slot = sd_bus_slot_unref(scope->slot);
	bus_pump_destroy(scope->pump);
	scope->pump = NULL;
	scope->bus = sd_bus_unref(scope->bus);
}

void scope_destroy(struct scope *scope)
{
	if (!scope) {
		return;
	}
	scope_close(scope);
	free(scope->guest);
	free(scope);
}

static void log_stays(const struct scope *scope, const char *why)
{
	log_info("%s: QEMU has a session of its own but stays in this program's control group: %s",
		 scope->guest, why);
}

static int handle_reply(sd_bus_message *reply, void *data, sd_bus_error *error)
{
	struct scope *scope = data;

	if (sd_bus_message_is_method_error(reply, NULL)) {
		log_stays(scope, sd_bus_message_get_error(reply)->message);
	}
	scope_close(scope);
	return 0;
}

static void handle_closed(void *data, int error)
{
	struct scope *scope = data;

	if (scope->slot) {
		log_stays(scope, strerror(-error));
	}
	scope_close(scope);
}

char *scope_unit_name(const char *guest, pid_t pid)
{
	char *unit = NULL;
	size_t size;
	FILE *f = open_memstream(&unit, &size);

	if (!f) {
		return NULL;
	}
	fprintf(f, "baton-");
	for (const char *c = guest; *c; c++) {
		/* systemd's VALID_CHARS without the escape itself; see systemd.unit(5). */
		bool legal = isalnum((unsigned char)*c) || strchr(":-_.", *c);

		fprintf(f, legal ? "%c" : "\\x%02x", (unsigned char)*c);
	}
	fprintf(f, "-%d.scope", (int)pid);
	if (fclose(f) != 0) {
		free(unit);
		return NULL;
	}
	return unit;
}

static int scope_append(sd_bus_message *call, const char *guest, pid_t pid, pid_t helper)
{
	_cleanup_free_ char *unit = scope_unit_name(guest, pid), *description = NULL;

	if (!unit) {
		return -ENOMEM;
	}
	if (asprintf(&description, "Baton guest %s", guest) < 0) {
		description = NULL;
		return -ENOMEM;
	}
	/* A helper of 0 is no process: the array then has one entry. */
	return helper > 0
		       ? sd_bus_message_append(call, "ssa(sv)a(sa(sv))", unit, "fail", 3,
					       "Description", "s", description, "CollectMode", "s",
					       "inactive-or-failed", "PIDs", "au", 2, (uint32_t)pid,
					       (uint32_t)helper, 0)
		       : sd_bus_message_append(call, "ssa(sv)a(sa(sv))", unit, "fail", 3,
					       "Description", "s", description, "CollectMode", "s",
					       "inactive-or-failed", "PIDs", "au", 1, (uint32_t)pid,
					       0);
}

static int scope_ask(struct scope *scope, sd_event *event, pid_t pid, pid_t helper)
{
	sd_bus_message *call = NULL;
	int r = sd_bus_message_new_method_call(scope->bus, &call, "org.freedesktop.systemd1",
					       "/org/freedesktop/systemd1",
					       "org.freedesktop.systemd1.Manager",
					       "StartTransientUnit");

	if (r >= 0) {
		r = scope_append(call, scope->guest, pid, helper);
	}
	if (r >= 0) {
		r = sd_bus_call_async(scope->bus, &scope->slot, call, handle_reply, scope, 0);
	}
	sd_bus_message_unref(call);
	if (r >= 0) {
		r = bus_pump_create(scope->bus, event, SD_EVENT_PRIORITY_NORMAL, handle_closed,
				    scope, &scope->pump);
	}
	return r;
}

/* sd_bus_open_*() only begins to connect; everything that waits happens in the loop. */
static int scope_open_bus(sd_bus **bus)
{
	if (sd_booted() <= 0) {
		return -ENOMEDIUM;
	}
	return geteuid() == 0 ? sd_bus_open_system(bus) : sd_bus_open_user(bus);
}

struct scope *scope_create(sd_event *event, const char *guest, pid_t pid, pid_t helper)
{
	struct scope *scope = calloc(1, sizeof(*scope));
	int r;

	if (!scope) {
		return NULL;
	}
	scope->guest = strdup(guest);
	r = scope->guest ? scope_open_bus(&scope->bus) : -ENOMEM;
	if (r >= 0) {
		r = scope_ask(scope, event, pid, helper);
		if (r < 0) {
			log_stays(scope, strerror(-r));
		}
	}
	if (r < 0) {
		scope_destroy(scope);
		return NULL;
	}
	return scope;
}

// SPDX-License-Identifier: MIT
/* batonctl's connection, its calls, and answers turned into JSON. */
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/fd.h"
#include "control/control.h"
#include "control/ctl.h"
#include "control/text.h"

#define ANSWER_USEC (15 * 1000 * 1000)

enum ctl_status ctl_fail(enum ctl_status status, const char *format, ...)
{
	char message[1024], clean[1024];
	va_list args;

	va_start(args, format);
	vsnprintf(message, sizeof(message), format, args);
	va_end(args);
	text_clean(message, clean, sizeof(clean));
	fprintf(stderr, "batonctl: %s\n", clean);
	return status;
}

static enum ctl_status connect_failed(const char *path, int r)
{
	switch (r) {
	case -ENOENT:
	case -ECONNREFUSED:
		return ctl_fail(CTL_NO_SEAT,
				"no seat is running here (%s); start one with \"baton run\", or "
				"say with --socket where it is",
				path);
	case -EACCES:
	case -EPERM:
		return ctl_fail(CTL_NO_SEAT,
				"%s belongs to another user; run batonctl as the user of the seat",
				path);
	default:
		return ctl_fail(CTL_NO_SEAT, "cannot connect to %s: %s", path, strerror(-r));
	}
}

static int bus_start(sd_bus *bus, int fd)
{
	int r = sd_bus_set_fd(bus, fd, fd);

	if (r < 0) {
		close(fd);
		return r;
	}
	if ((r = sd_bus_negotiate_fds(bus, true)) < 0 ||
	    (r = sd_bus_set_method_call_timeout(bus, ANSWER_USEC)) < 0) {
		return r;
	}
	return sd_bus_start(bus);
}

enum ctl_status ctl_connect(struct ctl *ctl)
{
	int fd = unix_connect(ctl->socket_path), r;

	if (fd < 0) {
		return connect_failed(ctl->socket_path, fd);
	}
	r = sd_bus_new(&ctl->bus);
	if (r < 0) {
		close(fd);
		return connect_failed(ctl->socket_path, r);
	}
	r = bus_start(ctl->bus, fd);
	return r < 0 ? connect_failed(ctl->socket_path, r) : CTL_OK;
}

static enum ctl_status call_failed(struct ctl *ctl, int r, const sd_bus_error *error)
{
	if (r == -ECONNRESET || r == -ENOTCONN || r == -EPIPE) {
		return ctl_fail(CTL_NO_SEAT,
				"the seat at %s hung up: it ended, belongs to another user, or has "
				"too many clients",
				ctl->socket_path);
	}
	if (r == -ETIMEDOUT) {
		return ctl_fail(CTL_NO_SEAT, "the seat at %s does not answer; \"baton\" may hang",
				ctl->socket_path);
	}
	return ctl_fail(sd_bus_error_has_names(error, CONTROL_ERROR_NO_GUEST, CONTROL_ERROR_NO_CARD)
				? CTL_NO_GUEST
				: CTL_FAILED,
			"%s", error->message ? error->message : strerror(-r));
}

enum ctl_status ctl_call(struct ctl *ctl, sd_bus_message **reply, const char *method,
			 const char *types, ...)
{
	_cleanup_(sd_bus_message_unrefp) sd_bus_message *call = NULL;
	_cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
	va_list args;
	int r;

	r = sd_bus_message_new_method_call(ctl->bus, &call, NULL, CONTROL_OBJECT, CONTROL_INTERFACE,
					   method);
	if (r >= 0 && types) {
		va_start(args, types);
		r = sd_bus_message_appendv(call, types, args);
		va_end(args);
	}
	if (r >= 0) {
		r = sd_bus_call(ctl->bus, call, 0, &error, reply);
	}
	return r < 0 ? call_failed(ctl, r, &error) : CTL_OK;
}

/* ---- answers ---- */

/* The variant that the message stands at, as JSON; NULL for a type that the API does not have. */
static json_t *read_variant(sd_bus_message *m)
{
	union {
		const char *s;
		int b;
		int32_t i;
		uint32_t u;
		uint64_t t;
	} value;
	const char *type;

	if (sd_bus_message_peek_type(m, NULL, &type) <= 0 || strlen(type) != 1 ||
	    !strchr("sbiut", *type) || sd_bus_message_read(m, "v", type, &value) < 0) {
		return NULL;
	}
	switch (*type) {
	case 's':
		return json_string(value.s);
	case 'b':
		return json_boolean(value.b);
	case 'i':
		return json_integer(value.i);
	case 'u':
		return json_integer(value.u);
	default:
		return json_integer((json_int_t)value.t);
	}
}

/* The a{sv} that the message stands at. Entries of unknown type are left out. */
static json_t *read_dictionary(sd_bus_message *m)
{
	json_t *object = json_object();
	const char *key;

	if (sd_bus_message_enter_container(m, 'a', "{sv}") <= 0) {
		json_decref(object);
		return NULL;
	}
	while (sd_bus_message_enter_container(m, 'e', "sv") > 0) {
		json_t *value;

		if (sd_bus_message_read(m, "s", &key) < 0) {
			break;
		}
		value = read_variant(m);
		if (value) {
			json_object_set_new(object, key, value);
		} else if (sd_bus_message_skip(m, "v") < 0) {
			break;
		}
		sd_bus_message_exit_container(m);
	}
	sd_bus_message_exit_container(m);
	return object;
}

enum ctl_status ctl_get_status(struct ctl *ctl, json_t **out)
{
	_cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
	enum ctl_status status = ctl_call(ctl, &reply, "Status", NULL);

	if (status != CTL_OK) {
		return status;
	}
	*out = read_dictionary(reply);
	return *out ? CTL_OK : ctl_fail(CTL_FAILED, "the seat's answer makes no sense");
}

/* The answer of a method that gives aa{sv}, as an array of objects. */
static enum ctl_status get_list(struct ctl *ctl, const char *method, json_t **out)
{
	_cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
	enum ctl_status status = ctl_call(ctl, &reply, method, NULL);

	if (status != CTL_OK) {
		return status;
	}
	if (sd_bus_message_enter_container(reply, 'a', "a{sv}") < 0) {
		return ctl_fail(CTL_FAILED, "the seat's answer makes no sense");
	}
	*out = json_array();
	while (!sd_bus_message_at_end(reply, false)) {
		json_t *entry = read_dictionary(reply);

		if (!entry) {
			break;
		}
		json_array_append_new(*out, entry);
	}
	return CTL_OK;
}

enum ctl_status ctl_get_guests(struct ctl *ctl, json_t **out)
{
	return get_list(ctl, "ListGuests", out);
}

enum ctl_status ctl_get_cards(struct ctl *ctl, json_t **out)
{
	return get_list(ctl, "ListCards", out);
}

enum ctl_status ctl_get_monitors(struct ctl *ctl, json_t **out)
{
	return get_list(ctl, "ListMonitors", out);
}

const char *ctl_string(const json_t *object, const char *key)
{
	const char *value = json_string_value(json_object_get(object, key));

	return value ? value : "";
}

bool ctl_is_true(const json_t *object, const char *key)
{
	return json_is_true(json_object_get(object, key));
}

enum ctl_status ctl_print_json(const json_t *json)
{
	json_dumpf(json, stdout, JSON_INDENT(2));
	putchar('\n');
	return CTL_OK;
}

/* "alpha, beta" for the remedy. */
static void join_names(json_t *guests, char *out, size_t size)
{
	size_t i, used = 0;
	json_t *guest;

	snprintf(out, size, "there are none");
	json_array_foreach(guests, i, guest)
	{
		int n = snprintf(out + used, size - used, "%s%s", i ? ", " : "there are ",
				 json_string_value(json_object_get(guest, "name")));

		if (n < 0 || (size_t)n >= size - used) {
			return;
		}
		used += (size_t)n;
	}
}

static const char *match_guest(json_t *guests, const char *word)
{
	json_t *guest;
	size_t i;

	json_array_foreach(guests, i, guest)
	{
		const char *name = json_string_value(json_object_get(guest, "name"));

		if (name && !strcmp(name, word)) {
			return name;
		}
	}
	json_array_foreach(guests, i, guest)
	{
		json_int_t slot = json_integer_value(json_object_get(guest, "slot"));

		if (slot > 0 && strlen(word) == 1 && *word - '0' == slot) {
			return json_string_value(json_object_get(guest, "name"));
		}
	}
	return NULL;
}

enum ctl_status ctl_find_guest(struct ctl *ctl, const char *word, char **out)
{
	_cleanup_json_ json_t *guests = NULL;
	enum ctl_status status = ctl_get_guests(ctl, &guests);
	const char *name;
	char names[512];

	if (status != CTL_OK) {
		return status;
	}
	name = match_guest(guests, word);
	if (!name) {
		join_names(guests, names, sizeof(names));
		return ctl_fail(CTL_NO_GUEST, "no guest has the name or slot \"%s\"; %s", word,
				names);
	}
	*out = strdup(name);
	return *out ? CTL_OK : ctl_fail(CTL_FAILED, "out of memory");
}

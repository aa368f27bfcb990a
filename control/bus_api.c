// SPDX-License-Identifier: MIT
/*
 * The D-Bus interface org.baton.Seat1: turns messages into calls of the seat's actions. The same
 * object is served to every client of the private socket and to the message bus.
 *
 * All methods are marked unprivileged: of others sd-bus asks the message bus about the caller and
 * waits for the answer. Who may call is settled before a message gets here: by the uid of the
 * socket's peer, by the session bus being one user's, by the policy file on the system bus.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "common/cleanup.h"
#include "control/bus_reply.h"
#include "control/card_api.h"
#include "control/monitor_api.h"
#include "control/private.h"
#include "control/sound_api.h"

/* ---- what is there ---- */

struct guest_walk {
	sd_bus_message *reply;
	int r; /* of the first append that failed */
};

static int append_guest(sd_bus_message *m, const struct control_guest *guest)
{
	int r = sd_bus_message_open_container(m, 'a', "{sv}");

	if (r < 0 || (r = bus_append_text(m, "name", guest->name)) < 0 ||
	    (r = bus_append_entry(m, "slot", "u", guest->slot)) < 0 ||
	    (r = bus_append_text(m, "state", guest->state)) < 0 ||
	    (r = bus_append_text(m, "reason", guest->reason)) < 0 ||
	    (r = bus_append_entry(m, "focused", "b", guest->focused)) < 0 ||
	    (r = bus_append_entry(m, "pid", "i", guest->pid)) < 0 ||
	    (r = bus_append_entry(m, "width", "u", guest->width)) < 0 ||
	    (r = bus_append_entry(m, "height", "u", guest->height)) < 0 ||
	    (r = bus_append_entry(m, "live", "b", guest->live)) < 0 ||
	    (r = bus_append_entry(m, "frames", "t", guest->frames)) < 0 ||
	    (r = bus_append_entry(m, "keys_sent", "t", guest->keys_sent)) < 0 ||
	    (r = bus_append_entry(m, "keys_dropped", "t", guest->keys_dropped)) < 0 ||
	    (r = bus_append_text(m, "input", guest->input)) < 0 ||
	    (r = bus_append_text(m, "source", guest->source)) < 0 ||
	    (r = bus_append_text(m, "capture", guest->capture)) < 0 ||
	    (r = bus_append_text(m, "monitors", guest->monitors)) < 0 ||
	    (r = bus_append_text(m, "sound", guest->sound)) < 0 ||
	    (r = bus_append_entry(m, "underruns", "u", guest->underruns)) < 0 ||
	    (r = bus_append_entry(m, "volume", "u", guest->volume)) < 0 ||
	    (r = bus_append_entry(m, "muted", "b", guest->muted)) < 0 ||
	    (r = bus_append_entry(m, "microphone", "b", guest->microphone)) < 0 ||
	    (r = bus_append_text(m, "recording", guest->recording)) < 0) {
		return r;
	}
	return sd_bus_message_close_container(m);
}

static void walk_append(const struct control_guest *guest, void *data)
{
	struct guest_walk *walk = data;

	if (walk->r >= 0) {
		walk->r = append_guest(walk->reply, guest);
	}
}

static int handle_list_guests(sd_bus_message *call, void *data, sd_bus_error *error)
{
	_cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
	struct control *control = data;
	struct guest_walk walk;
	int r;

	r = sd_bus_message_new_method_return(call, &reply);
	if (r < 0) {
		return r;
	}
	r = sd_bus_message_open_container(reply, 'a', "a{sv}");
	if (r < 0) {
		return r;
	}
	walk = (struct guest_walk){ .reply = reply };
	control->actions->each_guest(control->data, walk_append, &walk);
	if (walk.r < 0) {
		return walk.r;
	}
	r = sd_bus_message_close_container(reply);
	return r < 0 ? r : sd_bus_send(NULL, reply, NULL);
}

struct focus_walk {
	char name[256], source[16], capture[256];
	uint32_t n_guests;
};

static void walk_focus(const struct control_guest *guest, void *data)
{
	struct focus_walk *walk = data;

	walk->n_guests++;
	if (guest->focused) {
		snprintf(walk->name, sizeof(walk->name), "%s", guest->name);
		snprintf(walk->source, sizeof(walk->source), "%s", guest->source);
		snprintf(walk->capture, sizeof(walk->capture), "%s",
			 guest->capture ? guest->capture : "");
	}
}

static struct focus_walk find_focus(struct control *control)
{
	struct focus_walk walk = { .name = "" };

	control->actions->each_guest(control->data, walk_focus, &walk);
	return walk;
}

static struct control_seat describe(struct control *control)
{
	struct control_seat seat = {
		.backend = "", .renderer = "", .version = "", .acceleration = ""
	};

	control->actions->describe_seat(control->data, &seat);
	return seat;
}

static int append_status(sd_bus_message *m, struct control *control)
{
	struct control_seat seat = describe(control);
	struct focus_walk focus = find_focus(control);
	int r = sd_bus_message_open_container(m, 'a', "{sv}");

	if (r < 0 || (r = bus_append_text(m, "version", seat.version)) < 0 ||
	    (r = bus_append_text(m, "backend", seat.backend)) < 0 ||
	    (r = bus_append_text(m, "renderer", seat.renderer)) < 0 ||
	    (r = bus_append_text(m, "acceleration", seat.acceleration)) < 0 ||
	    (r = bus_append_entry(m, "width", "u", seat.width)) < 0 ||
	    (r = bus_append_entry(m, "height", "u", seat.height)) < 0 ||
	    (r = bus_append_entry(m, "refresh_mhz", "u", seat.refresh_mhz)) < 0 ||
	    (r = bus_append_entry(m, "switcher", "b", seat.switcher)) < 0 ||
	    (r = bus_append_text(m, "focused", focus.name)) < 0 ||
	    (r = bus_append_text(m, "source", focus.source)) < 0 ||
	    (r = bus_append_text(m, "capture", focus.capture)) < 0 ||
	    (r = bus_append_entry(m, "guests", "u", focus.n_guests)) < 0 ||
	    (r = bus_append_entry(m, "cards", "u", seat.cards)) < 0 ||
	    (r = bus_append_text(m, "card_trouble", seat.card_trouble)) < 0 ||
	    (r = bus_append_text(m, "sound", seat.sound)) < 0) {
		return r;
	}
	return sd_bus_message_close_container(m);
}

static int handle_status(sd_bus_message *call, void *data, sd_bus_error *error)
{
	_cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
	int r;

	r = sd_bus_message_new_method_return(call, &reply);
	if (r < 0) {
		return r;
	}
	r = append_status(reply, data);
	return r < 0 ? r : sd_bus_send(NULL, reply, NULL);
}

static int get_version(sd_bus *bus, const char *path, const char *interface, const char *property,
		       sd_bus_message *reply, void *data, sd_bus_error *error)
{
	return sd_bus_message_append(reply, "s", describe(data).version);
}

static int get_backend(sd_bus *bus, const char *path, const char *interface, const char *property,
		       sd_bus_message *reply, void *data, sd_bus_error *error)
{
	return sd_bus_message_append(reply, "s", describe(data).backend);
}

static int get_focused(sd_bus *bus, const char *path, const char *interface, const char *property,
		       sd_bus_message *reply, void *data, sd_bus_error *error)
{
	struct focus_walk focus = find_focus(data);

	return sd_bus_message_append(reply, "s", focus.name);
}

/* ---- methods with one guest, or none ---- */

typedef int (*plain_action)(void *data, const char **why);
typedef int (*guest_action)(void *data, const char *guest, const char **why);

static int call_plain(struct control *control, plain_action action, sd_bus_message *call,
		      sd_bus_error *error)
{
	const char *why = NULL;
	int r = action(control->data, &why);

	return bus_answer(call, error, r, why);
}

static int call_guest(struct control *control, guest_action action, sd_bus_message *call,
		      sd_bus_error *error)
{
	const char *guest, *why = NULL;
	int r;

	r = sd_bus_message_read(call, "s", &guest);
	if (r < 0) {
		return r;
	}
	r = action(control->data, guest, &why);
	return bus_answer(call, error, r, why);
}

#define PLAIN_METHOD(noun)                                                                         \
	static int handle_##noun(sd_bus_message *call, void *data, sd_bus_error *error)            \
	{                                                                                          \
		struct control *control = data;                                                    \
                                                                                                   \
		return call_plain(control, control->actions->noun, call, error);                   \
	}

#define GUEST_METHOD(noun)                                                                         \
	static int handle_##noun(sd_bus_message *call, void *data, sd_bus_error *error)            \
	{                                                                                          \
		struct control *control = data;                                                    \
                                                                                                   \
		return call_guest(control, control->actions->noun, call, error);                   \
	}

PLAIN_METHOD(focus_next)
PLAIN_METHOD(focus_back)
PLAIN_METHOD(reload)
GUEST_METHOD(focus)
GUEST_METHOD(start)
GUEST_METHOD(shutdown)
GUEST_METHOD(kill)
GUEST_METHOD(reset)

static int handle_pause(sd_bus_message *call, void *data, sd_bus_error *error)
{
	struct control *control = data;
	const char *guest, *why = NULL;
	int paused, r;

	r = sd_bus_message_read(call, "sb", &guest, &paused);
	if (r < 0) {
		return r;
	}
	r = control->actions->pause(control->data, guest, paused, &why);
	return bus_answer(call, error, r, why);
}

static int handle_switcher(sd_bus_message *call, void *data, sd_bus_error *error)
{
	struct control *control = data;
	const char *why = NULL;
	int open, r;

	r = sd_bus_message_read(call, "b", &open);
	if (r < 0) {
		return r;
	}
	r = control->actions->switcher(control->data, open, &why);
	return bus_answer(call, error, r, why);
}

static int handle_quit(sd_bus_message *call, void *data, sd_bus_error *error)
{
	struct control *control = data;
	const char *why = NULL;
	int guests, r;

	r = sd_bus_message_read(call, "b", &guests);
	if (r < 0) {
		return r;
	}
	r = control->actions->quit(control->data, guests, &why);
	return bus_answer(call, error, r, why);
}

/* ---- screenshots ---- */

/*
 * Only memory is written to: a file of a network or FUSE file system, whose server the client may
 * be, could keep write() waiting for good. That would cost the worker alone, but a thread inside of
 * such a write cannot even be killed, so the seat's process would not be gone after its end. Only
 * memory has seals, and asking for them never reaches a file system's server.
 */
static bool fd_is_memory(int fd)
{
	return fcntl(fd, F_GET_SEALS) >= 0;
}

/* The answer goes nowhere when the client has gone meanwhile. */
static void handle_written(void *data, int result)
{
	_cleanup_(sd_bus_message_unrefp) sd_bus_message *call = data;
	_cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
	char why[128];

	if (result >= 0) {
		sd_bus_reply_method_return(call, NULL);
		return;
	}
	snprintf(why, sizeof(why), "the picture was not written: %s",
		 result == -ECANCELED ? "the seat ends" : strerror(-result));
	bus_fail(&error, -EIO, why);
	sd_bus_reply_method_error(call, &error);
}

static int handle_screenshot(sd_bus_message *call, void *data, sd_bus_error *error)
{
	struct control *control = data;
	const char *guest, *why = NULL;
	struct control_job *job;
	int fd, r;

	r = sd_bus_message_read(call, "sh", &guest, &fd);
	if (r < 0) {
		return r;
	}
	if (!fd_is_memory(fd)) {
		return bus_fail(error, -EINVAL, "the descriptor must be a memfd");
	}
	if (!worker_has_room(control->worker)) {
		return bus_fail(error, -EBUSY,
			    "other pictures are still being written; try again in a moment");
	}
	r = control->actions->screenshot(control->data, *guest ? guest : NULL, &job, &why);
	if (r < 0) {
		return bus_fail(error, r, why);
	}
	r = worker_submit(control->worker, job, fd, handle_written, call);
	if (r < 0) {
		job->destroy(job);
		return bus_fail(error, r, NULL);
	}
	sd_bus_message_ref(call); /* handle_written() answers it */
	return 1;
}

static int handle_export_output(sd_bus_message *call, void *data, sd_bus_error *error)
{
	struct control *control = data;
	const char *why = NULL;
	int fd = control->actions->export_output(control->data, &why);

	return fd < 0 ? bus_fail(error, fd, why) : sd_bus_reply_method_return(call, "h", fd);
}

/* ---- input ---- */

static int handle_inject_to(sd_bus_message *call, void *data, sd_bus_error *error)
{
	struct control *control = data;
	const char *guest, *what, *why = NULL;
	double a, b;
	int r = sd_bus_message_read(call, "ssdd", &guest, &what, &a, &b);

	if (r < 0) {
		return r;
	}
	if (!(a >= -1e6 && a <= 1e6 && b >= -1e6 && b <= 1e6)) {
		return bus_fail(error, -EINVAL, "a number is out of range");
	}
	r = control->actions->inject_to(control->data, guest, what, a, b, &why);
	return r < 0 ? bus_fail(error, r, why) : sd_bus_reply_method_return(call, NULL);
}

static int handle_record(sd_bus_message *call, void *data, sd_bus_error *error)
{
	struct control *control = data;
	const char *why = NULL;
	int fd, r = sd_bus_message_read(call, "h", &fd);

	if (r < 0) {
		return r;
	}
	r = control->actions->record(control->data, fd, &why);
	return r < 0 ? bus_fail(error, r, why) : sd_bus_reply_method_return(call, NULL);
}

typedef int (*press_action)(void *data, uint32_t code, bool pressed, const char **why);
typedef int (*point_action)(void *data, double x, double y, const char **why);

static int call_press(struct control *control, press_action action, sd_bus_message *call,
		      sd_bus_error *error)
{
	const char *why = NULL;
	uint32_t code;
	int pressed, r;

	r = sd_bus_message_read(call, "ub", &code, &pressed);
	if (r < 0) {
		return r;
	}
	r = action(control->data, code, pressed, &why);
	return bus_answer(call, error, r, why);
}

/* limit: the greatest absolute value that means anything; it also catches NaN and infinity. */
static int call_point(struct control *control, point_action action, double limit,
		      sd_bus_message *call, sd_bus_error *error)
{
	const char *why = NULL;
	double x, y;
	int r;

	r = sd_bus_message_read(call, "dd", &x, &y);
	if (r < 0) {
		return r;
	}
	if (!(x >= -limit && x <= limit && y >= -limit && y <= limit)) {
		return bus_fail(error, -ERANGE, "a coordinate is out of range");
	}
	r = action(control->data, x, y, &why);
	return bus_answer(call, error, r, why);
}

static int handle_inject_key(sd_bus_message *call, void *data, sd_bus_error *error)
{
	struct control *control = data;

	return call_press(control, control->actions->inject_key, call, error);
}

static int handle_inject_button(sd_bus_message *call, void *data, sd_bus_error *error)
{
	struct control *control = data;

	return call_press(control, control->actions->inject_button, call, error);
}

static int handle_inject_motion(sd_bus_message *call, void *data, sd_bus_error *error)
{
	struct control *control = data;

	return call_point(control, control->actions->inject_motion, 1e6, call, error);
}

static int handle_inject_absolute(sd_bus_message *call, void *data, sd_bus_error *error)
{
	struct control *control = data;

	return call_point(control, control->actions->inject_absolute, 1.0, call, error);
}

static int handle_inject_wheel(sd_bus_message *call, void *data, sd_bus_error *error)
{
	struct control *control = data;
	const char *why = NULL;
	int32_t v120, h120;
	int r;

	r = sd_bus_message_read(call, "ii", &v120, &h120);
	if (r < 0) {
		return r;
	}
	r = control->actions->inject_wheel(control->data, v120, h120, &why);
	return bus_answer(call, error, r, why);
}

#define ANYONE SD_BUS_VTABLE_UNPRIVILEGED
#define METHOD_ON_GUEST(name, handler)                                                             \
	SD_BUS_METHOD_WITH_ARGS(name, SD_BUS_ARGS("s", guest), SD_BUS_NO_RESULT, handler, ANYONE)
#define METHOD_PLAIN(name, handler) SD_BUS_METHOD(name, NULL, NULL, handler, ANYONE)

static const sd_bus_vtable vtable[] = {
	SD_BUS_VTABLE_START(0),
	SD_BUS_PROPERTY("Version", "s", get_version, 0, SD_BUS_VTABLE_PROPERTY_CONST),
	SD_BUS_PROPERTY("Backend", "s", get_backend, 0, SD_BUS_VTABLE_PROPERTY_CONST),
	SD_BUS_PROPERTY("Focused", "s", get_focused, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
	SD_BUS_METHOD_WITH_ARGS("ListGuests", SD_BUS_NO_ARGS, SD_BUS_RESULT("aa{sv}", guests),
				handle_list_guests, ANYONE),
	SD_BUS_METHOD_WITH_ARGS("Status", SD_BUS_NO_ARGS, SD_BUS_RESULT("a{sv}", status),
				handle_status, ANYONE),
	METHOD_ON_GUEST("Focus", handle_focus),
	METHOD_PLAIN("Next", handle_focus_next),
	METHOD_PLAIN("Back", handle_focus_back),
	SD_BUS_METHOD_WITH_ARGS("Switcher", SD_BUS_ARGS("b", open), SD_BUS_NO_RESULT,
				handle_switcher, ANYONE),
	SD_BUS_METHOD_WITH_ARGS("Screenshot", SD_BUS_ARGS("s", guest, "h", memfd), SD_BUS_NO_RESULT,
				handle_screenshot, ANYONE),
	METHOD_ON_GUEST("Start", handle_start),
	METHOD_ON_GUEST("Shutdown", handle_shutdown),
	METHOD_ON_GUEST("Kill", handle_kill),
	METHOD_ON_GUEST("Reset", handle_reset),
	SD_BUS_METHOD_WITH_ARGS("Pause", SD_BUS_ARGS("s", guest, "b", paused), SD_BUS_NO_RESULT,
				handle_pause, ANYONE),
	SD_BUS_METHOD_WITH_ARGS("Quit", SD_BUS_ARGS("b", guests), SD_BUS_NO_RESULT, handle_quit,
				ANYONE),
	METHOD_PLAIN("Reload", handle_reload),
	SD_BUS_METHOD_WITH_ARGS("SetVolume", SD_BUS_ARGS("s", guest, "u", percent, "b", muted),
				SD_BUS_NO_RESULT, sound_api_volume, ANYONE),
	SD_BUS_METHOD_WITH_ARGS("SetMicrophone", SD_BUS_ARGS("s", guest, "s", answer),
				SD_BUS_NO_RESULT, sound_api_microphone, ANYONE),
	SD_BUS_METHOD_WITH_ARGS("ListCards", SD_BUS_NO_ARGS, SD_BUS_RESULT("aa{sv}", cards),
				card_api_list, ANYONE),
	SD_BUS_METHOD_WITH_ARGS("ListMonitors", SD_BUS_NO_ARGS, SD_BUS_RESULT("aa{sv}", monitors),
				monitor_api_list, ANYONE),
	SD_BUS_METHOD_WITH_ARGS("GiveCard", SD_BUS_ARGS("s", card, "s", guest, "b", dark),
				SD_BUS_RESULT("s", card), card_api_give, ANYONE),
	SD_BUS_METHOD_WITH_ARGS("AnswerCard", SD_BUS_ARGS("s", card, "s", answer),
				SD_BUS_NO_RESULT, card_api_answer, ANYONE),
	SD_BUS_METHOD_WITH_ARGS("InjectKey", SD_BUS_ARGS("u", code, "b", pressed), SD_BUS_NO_RESULT,
				handle_inject_key, ANYONE),
	SD_BUS_METHOD_WITH_ARGS("InjectButton", SD_BUS_ARGS("u", code, "b", pressed),
				SD_BUS_NO_RESULT, handle_inject_button, ANYONE),
	SD_BUS_METHOD_WITH_ARGS("InjectMotion", SD_BUS_ARGS("d", dx, "d", dy), SD_BUS_NO_RESULT,
				handle_inject_motion, ANYONE),
	SD_BUS_METHOD_WITH_ARGS("InjectAbsolute", SD_BUS_ARGS("d", x, "d", y), SD_BUS_NO_RESULT,
				handle_inject_absolute, ANYONE),
	SD_BUS_METHOD_WITH_ARGS("InjectWheel", SD_BUS_ARGS("i", vertical, "i", horizontal),
				SD_BUS_NO_RESULT, handle_inject_wheel, ANYONE),
	SD_BUS_METHOD_WITH_ARGS("InjectTo", SD_BUS_ARGS("s", guest, "s", what, "d", a, "d", b),
				SD_BUS_NO_RESULT, handle_inject_to, ANYONE),
	SD_BUS_METHOD_WITH_ARGS("RecordInput", SD_BUS_ARGS("h", socket), SD_BUS_NO_RESULT,
				handle_record, ANYONE),
	SD_BUS_METHOD_WITH_ARGS("ExportOutput", SD_BUS_NO_ARGS, SD_BUS_RESULT("h", memory),
				handle_export_output, ANYONE),
	SD_BUS_SIGNAL_WITH_ARGS("FocusChanged", SD_BUS_ARGS("s", guest), 0),
	SD_BUS_SIGNAL_WITH_ARGS("GuestChanged", SD_BUS_ARGS("s", guest, "s", state), 0),
	SD_BUS_SIGNAL_WITH_ARGS("CardChanged",
				SD_BUS_ARGS("s", card, "s", state, "s", owner, "s", stage, "s", text),
				0),
	SD_BUS_VTABLE_END
};

int bus_api_add(sd_bus *bus, struct control *control)
{
	return sd_bus_add_object_vtable(bus, NULL, CONTROL_OBJECT, CONTROL_INTERFACE, vtable,
					control);
}

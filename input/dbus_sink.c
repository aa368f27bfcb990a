// SPDX-License-Identifier: MIT
/*
 * A sink over QEMU's D-Bus keyboard and mouse: turns events into calls on the guest's peer
 * connection, and follows its properties (which pointer is current, which LEDs are lit). How many
 * calls, and when, is decided in sink_flow.c and event_queue.c; nothing here waits.
 *
 * QEMU 10 aborts on a button number beyond its last one: only numbers from the tables below are
 * ever sent.
 */
#include <errno.h>
#include <linux/input-event-codes.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/clock.h"
#include "common/list.h"
#include "common/log.h"
#include "input/input.h"
#include "input/keymap.h"
#include "input/sink_flow.h"
#include "vm/vm.h"

#define CONSOLE "/org/qemu/Display1/Console_0"
#define KEYBOARD "org.qemu.Display1.Keyboard"
#define MOUSE "org.qemu.Display1.Mouse"
#define PROPERTIES "org.freedesktop.DBus.Properties"

/* org.qemu.Display1.Mouse: buttons that are held. Its wheel is event_queue.c's. */
enum { BUTTON_LEFT = 0, BUTTON_MIDDLE = 1, BUTTON_RIGHT = 2, BUTTON_SIDE = 5, BUTTON_EXTRA = 6 };

/* org.qemu.Display1.Keyboard.Modifiers */
enum { MODIFIER_SCROLL = 1, MODIFIER_NUM = 2, MODIFIER_CAPS = 4 };

struct dbus_sink;

/* An unanswered call, by its number in the flow. */
struct sink_call {
	struct dbus_sink *sink;
	sd_bus_slot *slot;
};

struct dbus_sink {
	struct input_sink base;
	sd_event *event;
	sd_event_source *timer;
	struct vm *vm;
	struct vm_observer observer;
	struct sink_flow flow;
	struct sink_call calls[SINK_FLOW_WINDOW];
	sd_bus_slot *mouse_get, *keyboard_get, *signal;
	bool absolute;
	bool warned; /* of properties that make no sense, once per connection */
};

static struct dbus_sink *to_dbus_sink(struct input_sink *base)
{
	return container_of(base, struct dbus_sink, base);
}

static uint64_t sink_now_ns(struct dbus_sink *sink)
{
	uint64_t usec;

	if (sd_event_now(sink->event, CLOCK_MONOTONIC, &usec) < 0) {
		return clock_now_ns();
	}
	return usec * NSEC_PER_USEC;
}

/* ---- properties ---- */

static void tell_changed(struct dbus_sink *sink)
{
	if (sink->base.changed) {
		sink->base.changed(&sink->base, sink->base.changed_data);
	}
}

static void set_modifiers(struct dbus_sink *sink, uint32_t modifiers)
{
	uint32_t leds = 0;

	leds |= modifiers & MODIFIER_SCROLL ? 1u << LED_SCROLLL : 0;
	leds |= modifiers & MODIFIER_NUM ? 1u << LED_NUML : 0;
	leds |= modifiers & MODIFIER_CAPS ? 1u << LED_CAPSL : 0;
	if (leds != sink->base.leds) {
		sink->base.leds = leds;
		tell_changed(sink);
	}
}

/* One entry of an a{sv}, after its key. */
static int read_property(struct dbus_sink *sink, sd_bus_message *message, const char *name)
{
	uint32_t modifiers;
	int absolute, r;

	if (strcmp(name, "IsAbsolute") == 0) {
		r = sd_bus_message_read(message, "v", "b", &absolute);
		if (r >= 0) {
			sink->absolute = absolute;
		}
		return r;
	}
	if (strcmp(name, "Modifiers") == 0) {
		r = sd_bus_message_read(message, "v", "u", &modifiers);
		if (r >= 0) {
			set_modifiers(sink, modifiers);
		}
		return r;
	}
	return sd_bus_message_skip(message, "v");
}

static int read_properties(struct dbus_sink *sink, sd_bus_message *message)
{
	const char *name;
	int r = sd_bus_message_enter_container(message, SD_BUS_TYPE_ARRAY, "{sv}");

	while (r >= 0) {
		r = sd_bus_message_enter_container(message, SD_BUS_TYPE_DICT_ENTRY, "sv");
		if (r <= 0) {
			return r;
		}
		r = sd_bus_message_read(message, "s", &name);
		if (r >= 0) {
			r = read_property(sink, message, name);
		}
		if (r >= 0) {
			r = sd_bus_message_exit_container(message);
		}
	}
	return r;
}

static int handle_properties(sd_bus_message *reply, void *data, sd_bus_error *error)
{
	struct dbus_sink *sink = data;

	if (sd_bus_message_is_method_error(reply, NULL)) {
		return 0;
	}
	if (read_properties(sink, reply) < 0 && !sink->warned) {
		sink->warned = true;
		log_warning("%s: QEMU sent input properties that make no sense", vm_name(sink->vm));
	}
	return 0;
}

static int handle_properties_changed(sd_bus_message *signal, void *data, sd_bus_error *error)
{
	const char *interface;

	if (sd_bus_message_read(signal, "s", &interface) < 0) {
		return 0;
	}
	if (strcmp(interface, MOUSE) == 0 || strcmp(interface, KEYBOARD) == 0) {
		return handle_properties(signal, data, error);
	}
	return 0;
}

static int get_properties(struct dbus_sink *sink, const char *interface,
			  sd_bus_message_handler_t callback, void *data, sd_bus_slot **slot)
{
	_cleanup_(sd_bus_message_unrefp) sd_bus_message *call = NULL;
	int r = sd_bus_message_new_method_call(vm_peer(sink->vm), &call, NULL, CONSOLE, PROPERTIES,
					       "GetAll");

	if (r >= 0) {
		r = sd_bus_message_append(call, "s", interface);
	}
	return r < 0 ? r : vm_peer_call(sink->vm, call, callback, data, slot);
}

/* ---- calls ---- */

static int make_call(struct dbus_sink *sink, const struct guest_call *call, sd_bus_message **out)
{
	bool button = call->number >= GUEST_BUTTON(0), number = false;
	const char *interface = MOUSE, *member = NULL;
	int r;

	switch (call->type) {
	case GUEST_CALL_PRESS:
	case GUEST_CALL_RELEASE:
		number = true;
		interface = button ? MOUSE : KEYBOARD;
		member = call->type == GUEST_CALL_PRESS ? "Press" : "Release";
		break;
	case GUEST_CALL_POSITION:
		member = "SetAbsPosition";
		break;
	case GUEST_CALL_MOTION:
		member = "RelMotion";
		break;
	}
	r = sd_bus_message_new_method_call(vm_peer(sink->vm), out, NULL, CONSOLE, interface,
					   member);
	if (r < 0) {
		return r;
	}
	if (number) {
		return sd_bus_message_append(
			*out, "u", button ? call->number - GUEST_BUTTON(0) : call->number);
	}
	return sd_bus_message_append(*out, call->type == GUEST_CALL_MOTION ? "ii" : "uu", call->x,
				     call->y);
}

static void sink_pump(struct dbus_sink *sink);

/* sd-bus makes up an error of this name itself when a call times out or the connection ends. */
static bool is_answer(sd_bus_message *reply)
{
	return !sd_bus_message_is_method_error(reply, SD_BUS_ERROR_NO_REPLY) &&
	       !sd_bus_message_is_method_error(reply, SD_BUS_ERROR_TIMEOUT);
}

static int handle_answer(sd_bus_message *reply, void *data, sd_bus_error *error)
{
	struct sink_call *call = data;
	struct dbus_sink *sink = call->sink;
	int number = (int)(call - sink->calls);

	call->slot = sd_bus_slot_unref(call->slot);
	if (is_answer(reply)) {
		sink_flow_answered(&sink->flow, number, sink_now_ns(sink));
	} else {
		sink_flow_lost(&sink->flow, number);
	}
	sink_pump(sink);
	return 0;
}

static void send_call(struct dbus_sink *sink, int number, const struct guest_call *call)
{
	_cleanup_(sd_bus_message_unrefp) sd_bus_message *message = NULL;
	struct sink_call *pending = &sink->calls[number];
	int r = make_call(sink, call, &message);

	if (r >= 0) {
		r = vm_peer_call(sink->vm, message, handle_answer, pending, &pending->slot);
	}
	if (r < 0) {
		if (call->type == GUEST_CALL_RELEASE) {
			event_queue_doubt(&sink->flow.queue, call->number);
		}
		sink_flow_lost(&sink->flow, number);
	}
}

static void update_timer(struct dbus_sink *sink)
{
	uint64_t deadline = sink_flow_deadline(&sink->flow);

	/* While QEMU lifts keys, its end of that is what we wait for. */
	if (deadline == UINT64_MAX || vm_lifts_keys(sink->vm)) {
		sd_event_source_set_enabled(sink->timer, SD_EVENT_OFF);
		return;
	}
	sd_event_source_set_time(sink->timer, deadline / NSEC_PER_USEC + 1);
	sd_event_source_set_enabled(sink->timer, SD_EVENT_ONESHOT);
}

/* Sends what may go, and tells the owner when that changed whether events are dropped. */
static void sink_pump(struct dbus_sink *sink)
{
	struct guest_call call;
	bool dropping;
	int number;

	while (!vm_lifts_keys(sink->vm) &&
	       (number = sink_flow_take(&sink->flow, sink_now_ns(sink), &call)) >= 0) {
		send_call(sink, number, &call);
	}
	update_timer(sink);
	vm_set_keys_under_way(sink->vm, sink_flow_busy(&sink->flow));
	dropping = sink->flow.state == SINK_FLOW_DROPPING;
	if (dropping != sink->base.dropping) {
		sink->base.dropping = dropping;
		tell_changed(sink);
	}
}

static int handle_timer(sd_event_source *source, uint64_t usec, void *data)
{
	struct dbus_sink *sink = data;

	sink_flow_elapsed(&sink->flow, sink_now_ns(sink));
	sink_pump(sink);
	return 0;
}

static void sink_probe(struct dbus_sink *sink)
{
	int number = sink_flow_probe(&sink->flow, sink_now_ns(sink));

	if (number >= 0 && get_properties(sink, KEYBOARD, handle_answer, &sink->calls[number],
					  &sink->calls[number].slot) < 0) {
		sink_flow_lost(&sink->flow, number);
	}
}

/* The queue for one event that comes in now, or NULL: it was dropped. */
static struct event_queue *sink_open(struct dbus_sink *sink)
{
	struct event_queue *queue = sink_flow_open(&sink->flow);

	if (!queue) {
		sink_probe(sink);
	}
	return queue;
}

/* ---- the sink's functions ---- */

static void feed_number(struct dbus_sink *sink, unsigned int number, bool pressed)
{
	struct event_queue *queue = sink_open(sink);

	if (queue) {
		event_queue_key(queue, number, pressed, sink_now_ns(sink));
		sink_pump(sink);
	}
}

static void dbus_sink_key(struct input_sink *base, uint32_t code, bool pressed, uint64_t time_ns)
{
	unsigned int number = keymap_qnum(code);

	if (number == 0) {
		base->stats.dropped++;
	} else {
		feed_number(to_dbus_sink(base), number, pressed);
	}
}

static int find_button(uint32_t code)
{
	switch (code) {
	case BTN_LEFT:
		return BUTTON_LEFT;
	case BTN_MIDDLE:
		return BUTTON_MIDDLE;
	case BTN_RIGHT:
		return BUTTON_RIGHT;
	case BTN_SIDE:
	case BTN_BACK:
		return BUTTON_SIDE;
	case BTN_EXTRA:
	case BTN_FORWARD:
		return BUTTON_EXTRA;
	default:
		return -ENOENT;
	}
}

static void dbus_sink_button(struct input_sink *base, uint32_t code, bool pressed, uint64_t time_ns)
{
	int button = find_button(code);

	if (button < 0) {
		base->stats.dropped++;
	} else {
		feed_number(to_dbus_sink(base), GUEST_BUTTON((unsigned int)button), pressed);
	}
}

static void dbus_sink_motion(struct input_sink *base, int32_t dx, int32_t dy, uint64_t time_ns)
{
	struct dbus_sink *sink = to_dbus_sink(base);
	struct event_queue *queue = sink_open(sink);

	if (queue) {
		event_queue_motion(queue, dx, dy, sink_now_ns(sink));
		sink_pump(sink);
	}
}

static void dbus_sink_absolute(struct input_sink *base, uint32_t x, uint32_t y, uint64_t time_ns)
{
	struct dbus_sink *sink = to_dbus_sink(base);
	struct event_queue *queue = sink_open(sink);

	if (queue) {
		event_queue_position(queue, x, y, sink_now_ns(sink));
		sink_pump(sink);
	}
}

static void dbus_sink_wheel(struct input_sink *base, int32_t v120, int32_t h120, uint64_t time_ns)
{
	struct dbus_sink *sink = to_dbus_sink(base);
	struct event_queue *queue = sink_open(sink);

	if (queue) {
		event_queue_wheel(queue, v120, h120, sink_now_ns(sink));
		sink_pump(sink);
	}
}

static bool dbus_sink_is_absolute(struct input_sink *base)
{
	return to_dbus_sink(base)->absolute;
}

static void dbus_sink_release_all(struct input_sink *base)
{
	struct dbus_sink *sink = to_dbus_sink(base);

	sink_flow_release_all(&sink->flow);
	sink_pump(sink);
}

/* ---- the connection ---- */

static void drop_slots(struct dbus_sink *sink)
{
	for (int i = 0; i < SINK_FLOW_WINDOW; i++) {
		sink->calls[i].slot = sd_bus_slot_unref(sink->calls[i].slot);
	}
	sink->mouse_get = sd_bus_slot_unref(sink->mouse_get);
	sink->keyboard_get = sd_bus_slot_unref(sink->keyboard_get);
	sink->signal = sd_bus_slot_unref(sink->signal);
}

/*
 * A seat before us may have ended with a button pressed. For its keys QEMU sees to that itself,
 * when a display listener goes.
 */
static void doubt_buttons(struct dbus_sink *sink)
{
	static const unsigned int buttons[] = { BUTTON_LEFT, BUTTON_MIDDLE, BUTTON_RIGHT,
						BUTTON_SIDE, BUTTON_EXTRA };

	for (size_t i = 0; i < sizeof(buttons) / sizeof(buttons[0]); i++) {
		event_queue_doubt(&sink->flow.queue, GUEST_BUTTON(buttons[i]));
	}
}

static int follow_properties(struct dbus_sink *sink)
{
	int r = sd_bus_match_signal_async(vm_peer(sink->vm), &sink->signal, NULL, CONSOLE,
					  PROPERTIES, "PropertiesChanged",
					  handle_properties_changed, NULL, sink);

	if (r >= 0) {
		r = get_properties(sink, MOUSE, handle_properties, sink, &sink->mouse_get);
	}
	if (r >= 0) {
		r = get_properties(sink, KEYBOARD, handle_properties, sink, &sink->keyboard_get);
	}
	return r;
}

static void handle_peer_up(struct vm *vm, void *data)
{
	struct dbus_sink *sink = data;
	int r = follow_properties(sink);

	if (r < 0) {
		log_error("%s: cannot follow QEMU's input devices: %s", vm_name(vm), strerror(-r));
	}
	doubt_buttons(sink);
	sink_flow_up(&sink->flow);
	sink_pump(sink);
}

static void handle_peer_down(struct vm *vm, void *data)
{
	struct dbus_sink *sink = data;

	drop_slots(sink);
	sink_flow_down(&sink->flow);
	sink->absolute = sink->warned = false;
	set_modifiers(sink, 0);
	sink_pump(sink);
}

/* The guest may have shown life elsewhere, while nobody presses a key that would ask it. */
static void handle_vm_changed(struct vm *vm, void *data)
{
	struct dbus_sink *sink = data;

	if (!vm_is_hung(vm)) {
		sink_flow_hint(&sink->flow);
		sink_probe(sink);
	}
}

static void handle_lifted(struct vm *vm, void *data)
{
	struct dbus_sink *sink = data;

	sink_flow_elapsed(&sink->flow, sink_now_ns(sink));
	sink_pump(sink);
}

static const struct vm_observer_ops observer_ops = {
	.changed = handle_vm_changed,
	.peer_up = handle_peer_up,
	.peer_down = handle_peer_down,
	.lifted = handle_lifted,
};

static void dbus_sink_destroy(struct input_sink *base)
{
	struct dbus_sink *sink = to_dbus_sink(base);

	if (sink->observer.ops) {
		vm_remove_observer(&sink->observer);
	}
	drop_slots(sink);
	sd_event_source_disable_unref(sink->timer);
	sd_event_unref(sink->event);
	free(sink);
}

static const struct input_sink_ops sink_ops = {
	.key = dbus_sink_key,
	.button = dbus_sink_button,
	.motion = dbus_sink_motion,
	.absolute = dbus_sink_absolute,
	.wheel = dbus_sink_wheel,
	.is_absolute = dbus_sink_is_absolute,
	.release_all = dbus_sink_release_all,
	.destroy = dbus_sink_destroy,
};

static void sink_observe(struct dbus_sink *sink)
{
	sink->observer.ops = &observer_ops;
	sink->observer.data = sink;
	vm_add_observer(sink->vm, &sink->observer);
	if (vm_peer(sink->vm)) {
		handle_peer_up(sink->vm, sink);
	}
}

int dbus_sink_create(sd_event *event, struct vm *vm, struct input_sink **out)
{
	struct dbus_sink *sink = calloc(1, sizeof(*sink));
	int r;

	if (!sink) {
		return -ENOMEM;
	}
	sink->base.ops = &sink_ops;
	sink->event = sd_event_ref(event);
	sink->vm = vm;
	sink_flow_init(&sink->flow, &sink->base.stats);
	for (int i = 0; i < SINK_FLOW_WINDOW; i++) {
		sink->calls[i].sink = sink;
	}
	r = sd_event_add_time(event, &sink->timer, CLOCK_MONOTONIC, 0, 1, handle_timer, sink);
	if (r >= 0) {
		r = sd_event_source_set_enabled(sink->timer, SD_EVENT_OFF);
	}
	if (r < 0) {
		input_sink_destroy(&sink->base);
		return r;
	}
	sink_observe(sink);
	*out = &sink->base;
	return 0;
}

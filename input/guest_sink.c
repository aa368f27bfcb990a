// SPDX-License-Identifier: MIT
/*
 * A guest's sink: each event goes to the guest's own device for it (keeper_link.h) while the guest
 * has a driver for that, and else to QEMU's emulated ones over D-Bus. So firmware, installers and
 * systems without virtio have keys from the first moment, and the way changes by itself when a
 * driver comes or goes; what was pressed on the emulated devices is let go then.
 */
#include <errno.h>
#include <linux/input-event-codes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/list.h"
#include "input/input.h"
#include "input/keeper_link.h"
#include "vm/vm.h"

#define CLICK 120 /* of a wheel */
#define ALL_KINDS ((1u << INPUT_KINDS) - 1)

struct guest_sink {
	struct input_sink base;
	struct input_sink *dbus; /* owned */
	struct keeper_link *link;
	struct vm *vm;
	struct vm_observer observer;
	struct input_sink_stats stats; /* of the link */
	uint32_t ready;                /* kinds that were so when the link changed last */
	bool stalled;
	int32_t rest_v, rest_h; /* of a click, in 120ths */
	uint32_t on_tablet;     /* bits of buttons, from BTN_LEFT on, that were pressed there */
	sd_bus_slot *question;
};

static struct guest_sink *to_guest_sink(struct input_sink *base)
{
	return container_of(base, struct guest_sink, base);
}

/* ---- what others are told of it ---- */

static void count(struct guest_sink *sink)
{
	const struct input_sink_stats *dbus = &sink->dbus->stats;

	sink->base.stats = (struct input_sink_stats){
		.sent = sink->stats.sent + dbus->sent,
		.coalesced = sink->stats.coalesced + dbus->coalesced,
		.dropped = sink->stats.dropped + dbus->dropped,
	};
}

static void update(struct guest_sink *sink)
{
	bool own = keeper_link_ready(sink->link, INPUT_KIND_KEYBOARD);
	uint32_t leds = own ? keeper_link_leds(sink->link) : sink->dbus->leds;
	bool dropping = keeper_link_dropping(sink->link) || (!own && sink->dbus->dropping);

	if (leds == sink->base.leds && dropping == sink->base.dropping) {
		return;
	}
	sink->base.leds = leds;
	sink->base.dropping = dropping;
	if (sink->base.changed) {
		sink->base.changed(&sink->base, sink->base.changed_data);
	}
}

static void handle_dbus_changed(struct input_sink *dbus, void *data)
{
	update(data);
}

/* ---- a guest that does not read ---- */

static int handle_answer(sd_bus_message *reply, void *data, sd_bus_error *error)
{
	struct guest_sink *sink = data;

	sink->question = sd_bus_slot_unref(sink->question);
	return 0;
}

/* Whether QEMU lives: the guest counts as hung when this is not answered. */
static void ask(struct guest_sink *sink)
{
	_cleanup_(sd_bus_message_unrefp) sd_bus_message *call = NULL;

	if (sink->question || !vm_peer(sink->vm)) {
		return;
	}
	if (sd_bus_message_new_method_call(vm_peer(sink->vm), &call, NULL,
					   "/org/qemu/Display1/Console_0",
					   "org.freedesktop.DBus.Properties", "GetAll") >= 0 &&
	    sd_bus_message_append(call, "s", "org.qemu.Display1.Keyboard") >= 0) {
		(void)vm_peer_call(sink->vm, call, handle_answer, sink, &sink->question);
	}
}

static void handle_peer_down(struct vm *vm, void *data)
{
	struct guest_sink *sink = data;

	sink->question = sd_bus_slot_unref(sink->question);
}

static void describe(struct guest_sink *sink, uint32_t ready)
{
	static const char *const names[INPUT_KINDS] = { "keyboard", "pointer", "tablet",
							"touch",    "pen",     "gamepad" };
	char *at = sink->base.devices, *end = at + sizeof(sink->base.devices);

	snprintf(at, (size_t)(end - at), "emulated");
	for (int i = 0; i < INPUT_KINDS; i++) {
		if (ready >> i & 1) {
			at += snprintf(at, (size_t)(end - at), "%s%s",
				       at > sink->base.devices ? ", " : "", names[i]);
		}
	}
}

static void handle_link_changed(void *data)
{
	struct guest_sink *sink = data;
	uint32_t ready = 0;
	bool stalled = keeper_link_dropping(sink->link);
	uint64_t lost = keeper_link_take_lost(sink->link);

	/* They were counted as sent. */
	lost = lost < sink->stats.sent ? lost : sink->stats.sent;
	sink->stats.sent -= lost;
	sink->stats.dropped += lost;
	count(sink);
	for (int i = 0; i < INPUT_KINDS; i++) {
		ready |= (uint32_t)keeper_link_ready(sink->link, (enum input_kind)i) << i;
	}
	if (ready & ~sink->ready) {
		sink->dbus->ops->release_all(sink->dbus);
		sink->rest_v = sink->rest_h = 0;
	}
	if (stalled && !sink->stalled) {
		ask(sink);
	}
	describe(sink, ready);
	sink->ready = ready;
	sink->stalled = stalled;
	update(sink);
}

/* ---- events ---- */

static void tell(struct guest_sink *sink, enum input_kind kind,
		 const struct input_wire_event *events, size_t n)
{
	if (keeper_link_send(sink->link, kind, events, n) < 0) {
		sink->stats.dropped++;
	} else {
		sink->stats.sent++;
	}
	count(sink);
}

static bool is_own(struct guest_sink *sink, enum input_kind kind)
{
	return keeper_link_ready(sink->link, kind);
}

static void guest_sink_key(struct input_sink *base, uint32_t code, bool pressed, uint64_t time_ns)
{
	struct guest_sink *sink = to_guest_sink(base);

	if (is_own(sink, INPUT_KIND_KEYBOARD)) {
		tell(sink, INPUT_KIND_KEYBOARD,
		     &(struct input_wire_event){ EV_KEY, (uint16_t)code, pressed }, 1);
		return;
	}
	sink->dbus->ops->key(sink->dbus, code, pressed, time_ns);
	count(sink);
}

static bool guest_sink_is_absolute(struct input_sink *base);

/* The pointer's device for what happens where it is now; -1: an emulated one. */
static int pointer_kind(struct guest_sink *sink)
{
	if (is_own(sink, INPUT_KIND_TABLET) && guest_sink_is_absolute(&sink->base)) {
		return INPUT_KIND_TABLET;
	}
	return is_own(sink, INPUT_KIND_POINTER) ? INPUT_KIND_POINTER : -1;
}

/* A button is let go where it was pressed. */
static int button_kind(struct guest_sink *sink, uint32_t code, bool pressed)
{
	uint32_t bit = code >= BTN_LEFT && code <= BTN_TASK ? 1u << (code - BTN_LEFT) : 0;
	int kind = pressed ? pointer_kind(sink)
			   : (sink->on_tablet & bit ? INPUT_KIND_TABLET : INPUT_KIND_POINTER);

	sink->on_tablet &= ~bit;
	if (pressed && kind == INPUT_KIND_TABLET) {
		sink->on_tablet |= bit;
	}
	return kind >= 0 && is_own(sink, (enum input_kind)kind) ? kind : -1;
}

static void guest_sink_button(struct input_sink *base, uint32_t code, bool pressed,
			      uint64_t time_ns)
{
	struct guest_sink *sink = to_guest_sink(base);
	int kind = button_kind(sink, code, pressed);

	if (kind >= 0) {
		tell(sink, (enum input_kind)kind,
		     &(struct input_wire_event){ EV_KEY, (uint16_t)code, pressed }, 1);
		return;
	}
	sink->dbus->ops->button(sink->dbus, code, pressed, time_ns);
	count(sink);
}

static void guest_sink_motion(struct input_sink *base, int32_t dx, int32_t dy, uint64_t time_ns)
{
	struct guest_sink *sink = to_guest_sink(base);
	struct input_wire_event events[2];
	size_t n = 0;

	if (!is_own(sink, INPUT_KIND_POINTER)) {
		sink->dbus->ops->motion(sink->dbus, dx, dy, time_ns);
		count(sink);
		return;
	}
	if (dx) {
		events[n++] = (struct input_wire_event){ EV_REL, REL_X, dx };
	}
	if (dy) {
		events[n++] = (struct input_wire_event){ EV_REL, REL_Y, dy };
	}
	tell(sink, INPUT_KIND_POINTER, events, n);
}

/* As QEMU makes its tablet's: a pixel's first value. */
static int32_t to_position(uint32_t at, uint32_t size)
{
	return size == 0 ? 0 : (int32_t)((uint64_t)at * INPUT_POSITION_MAX / size);
}

static void guest_sink_absolute(struct input_sink *base, uint32_t x, uint32_t y, uint64_t time_ns)
{
	struct guest_sink *sink = to_guest_sink(base);

	if (is_own(sink, INPUT_KIND_TABLET)) {
		const struct input_wire_event events[] = {
			{ EV_ABS, ABS_X, to_position(x, base->width) },
			{ EV_ABS, ABS_Y, to_position(y, base->height) },
		};

		tell(sink, INPUT_KIND_TABLET, events, 2);
		return;
	}
	sink->dbus->ops->absolute(sink->dbus, x, y, time_ns);
	count(sink);
}

/* Both kinds of wheel events, as the kernel's drivers send them: systems know one or the other.
 * *rest is what makes no click yet. */
static size_t add_wheel(struct input_wire_event *events, uint16_t fine, uint16_t coarse,
			int32_t v120, int32_t *rest)
{
	size_t n = 0;

	if (v120 == 0) {
		return 0;
	}
	events[n++] = (struct input_wire_event){ EV_REL, fine, v120 };
	*rest += v120;
	if (*rest / CLICK) {
		events[n++] = (struct input_wire_event){ EV_REL, coarse, *rest / CLICK };
		*rest %= CLICK;
	}
	return n;
}

static void guest_sink_wheel(struct input_sink *base, int32_t v120, int32_t h120, uint64_t time_ns)
{
	struct guest_sink *sink = to_guest_sink(base);
	struct input_wire_event events[4];
	int kind = pointer_kind(sink);
	size_t n;

	if (kind < 0) {
		sink->dbus->ops->wheel(sink->dbus, v120, h120, time_ns);
		count(sink);
		return;
	}
	/* The kernel counts up as positive. */
	n = add_wheel(events, REL_WHEEL_HI_RES, REL_WHEEL, -v120, &sink->rest_v);
	n += add_wheel(events + n, REL_HWHEEL_HI_RES, REL_HWHEEL, h120, &sink->rest_h);
	tell(sink, (enum input_kind)kind, events, n);
}

/*
 * What the guest wants is what QEMU says it has a driver for; and who has hidden the pointer, as
 * games do, wants motion. A guest that has the devices above takes either at any time.
 */
static bool guest_sink_is_absolute(struct input_sink *base)
{
	struct guest_sink *sink = to_guest_sink(base);

	if (base->pointer_hidden && is_own(sink, INPUT_KIND_POINTER)) {
		return false;
	}
	return sink->dbus->ops->is_absolute(sink->dbus);
}

static bool guest_sink_takes(struct input_sink *base, enum input_kind kind)
{
	return is_own(to_guest_sink(base), kind);
}

static void guest_sink_frame(struct input_sink *base, enum input_kind kind,
			     const struct input_wire_event *events, size_t n, uint64_t time_ns)
{
	tell(to_guest_sink(base), kind, events, n);
}

static void guest_sink_cancel(struct input_sink *base, uint32_t kinds)
{
	keeper_link_release(to_guest_sink(base)->link, kinds);
}

static void guest_sink_release_all(struct input_sink *base)
{
	struct guest_sink *sink = to_guest_sink(base);

	keeper_link_release(sink->link, ALL_KINDS);
	sink->dbus->ops->release_all(sink->dbus);
	count(sink);
}

/* ---- life ---- */

static const struct vm_observer_ops observer_ops = { .peer_down = handle_peer_down };

static void guest_sink_destroy(struct input_sink *base)
{
	struct guest_sink *sink = to_guest_sink(base);

	vm_remove_observer(&sink->observer);
	sd_bus_slot_unref(sink->question);
	keeper_link_destroy(sink->link);
	input_sink_destroy(sink->dbus);
	free(sink);
}

static const struct input_sink_ops sink_ops = {
	.key = guest_sink_key,
	.button = guest_sink_button,
	.motion = guest_sink_motion,
	.absolute = guest_sink_absolute,
	.wheel = guest_sink_wheel,
	.takes = guest_sink_takes,
	.frame = guest_sink_frame,
	.cancel = guest_sink_cancel,
	.is_absolute = guest_sink_is_absolute,
	.release_all = guest_sink_release_all,
	.destroy = guest_sink_destroy,
};

int guest_sink_create(sd_event *event, struct vm *vm, struct input_sink **out)
{
	struct guest_sink *sink = calloc(1, sizeof(*sink));
	int r;

	if (!sink) {
		return -ENOMEM;
	}
	sink->base.ops = &sink_ops;
	describe(sink, 0);
	sink->vm = vm;
	sink->observer.ops = &observer_ops;
	sink->observer.data = sink;
	vm_add_observer(vm, &sink->observer);
	r = dbus_sink_create(event, vm, &sink->dbus);
	if (r >= 0) {
		r = keeper_link_create(event, vm, handle_link_changed, sink, &sink->link);
	}
	if (r < 0) {
		input_sink_destroy(&sink->base);
		return r;
	}
	sink->dbus->changed = handle_dbus_changed;
	sink->dbus->changed_data = sink;
	*out = &sink->base;
	return 0;
}

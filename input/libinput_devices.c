// SPDX-License-Identifier: MIT
/*
 * The input devices of a seat through libinput. Motion is taken as the device sends it, since the
 * guest accelerates by itself; only touchpads, whose units mean nothing to a mouse driver, go
 * through libinput's acceleration.
 */
#include <errno.h>
#include <libinput.h>
#include <libudev.h>
#include <linux/input-event-codes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "common/cleanup.h"
#include "common/clock.h"
#include "common/list.h"
#include "common/log.h"
#include "input/input.h"
#include "input/libinput_touch.h"
#include "input/raw_devices.h"

/* libinput's scroll distance for one click of a wheel, for devices that have no clicks. */
#define SCROLL_PER_CLICK 15.0

struct host_device {
	struct list link;
	struct libinput_device *device;
	const struct device_rule *rule; /* may be NULL */
	uint32_t id;
	bool touchpad;
};

struct libinput_devices {
	struct input *input;
	struct input_node_opener opener;
	struct udev *udev;
	struct raw_devices *raw;
	struct libinput_touch touch;
	struct libinput *libinput;
	sd_event_source *io;
	struct list devices; /* of struct host_device */
	uint32_t last_id;    /* 0 is not a device */
	uint32_t leds;
	bool denied; /* a node could not be opened, and that was said */
	void (*kinds_changed)(void *data, uint32_t kinds);
	void *kinds_data;
	uint32_t kinds_told;
	const struct device_rules *rules;
	void (*pin)(void *data, uint32_t device, const char *guest);
	void *pin_data;
};

/* ---- nodes ---- */

static void log_denied(struct libinput_devices *devices, const char *path, int error)
{
	if (devices->denied) {
		return;
	}
	devices->denied = true;
	log_error("Cannot open %s: %s. Keyboard and mouse need a seat: start from a text console "
		  "with logind or seatd running (and be in seatd's group)",
		  path, strerror(-error));
}

static int open_node(const char *path, int flags, void *data)
{
	struct libinput_devices *devices = data;
	int fd;

	if (raw_devices_claim(devices->raw, path)) {
		return -ENODEV;
	}
	fd = devices->opener.open(devices->opener.data, path);

	/* A device may go before it was opened; that is nobody's fault. */
	if (fd < 0 && fd != -ENOENT && fd != -ENODEV) {
		log_denied(devices, path, fd);
	}
	return fd;
}

static void close_node(int fd, void *data)
{
	struct libinput_devices *devices = data;

	devices->opener.close(devices->opener.data, fd);
}

static const struct libinput_interface node_interface = {
	.open_restricted = open_node,
	.close_restricted = close_node,
};

/* ---- which kinds there are ---- */

static void tell_kinds(struct libinput_devices *devices)
{
	uint32_t kinds = libinput_devices_kinds(devices);

	if (devices->kinds_changed && kinds != devices->kinds_told) {
		devices->kinds_told = kinds;
		devices->kinds_changed(devices->kinds_data, kinds);
	}
}

uint32_t libinput_devices_kinds(const struct libinput_devices *devices)
{
	const struct host_device *host;
	uint32_t kinds = devices->raw ? raw_devices_kinds(devices->raw) : 0;

	list_for_each(host, &devices->devices, link) {
		if (libinput_device_has_capability(host->device, LIBINPUT_DEVICE_CAP_TOUCH)) {
			kinds |= 1u << INPUT_KIND_TOUCH;
		}
	}
	return kinds;
}

void libinput_devices_set_kinds_handler(struct libinput_devices *devices,
					void (*changed)(void *data, uint32_t kinds), void *data)
{
	devices->kinds_changed = changed;
	devices->kinds_data = data;
	tell_kinds(devices);
}

static void handle_raw_changed(void *data)
{
	tell_kinds(data);
	libinput_devices_tell_pins(data);
}

/* ---- devices ---- */

static void set_device_leds(struct host_device *device, uint32_t mask)
{
	enum libinput_led leds = 0;

	if (!libinput_device_has_capability(device->device, LIBINPUT_DEVICE_CAP_KEYBOARD)) {
		return;
	}
	leds |= mask & 1u << LED_NUML ? LIBINPUT_LED_NUM_LOCK : 0;
	leds |= mask & 1u << LED_CAPSL ? LIBINPUT_LED_CAPS_LOCK : 0;
	leds |= mask & 1u << LED_SCROLLL ? LIBINPUT_LED_SCROLL_LOCK : 0;
	libinput_device_led_update(device->device, leds);
}

/* ---- what a person says of a device ---- */

static bool choose(enum device_choice choice, bool usual)
{
	return choice == DEVICE_DEFAULT ? usual : choice == DEVICE_YES;
}

/* A device that has no such setting refuses it, and is none the worse. */
static void configure(struct host_device *host)
{
	static const struct device_rule none;
	const struct device_rule *rule = host->rule ? host->rule : &none;
	struct libinput_device *device = host->device;

	if (host->touchpad) {
		libinput_device_config_tap_set_enabled(device, choose(rule->tap, true)
								       ? LIBINPUT_CONFIG_TAP_ENABLED
								       : LIBINPUT_CONFIG_TAP_DISABLED);
	}
	if (rule->natural_scroll) {
		libinput_device_config_scroll_set_natural_scroll_enabled(
			device, rule->natural_scroll == DEVICE_YES);
	}
	if (rule->left_handed) {
		libinput_device_config_left_handed_set(device, rule->left_handed == DEVICE_YES);
	}
	if (rule->middle_emulation) {
		libinput_device_config_middle_emulation_set_enabled(
			device, rule->middle_emulation == DEVICE_YES
					? LIBINPUT_CONFIG_MIDDLE_EMULATION_ENABLED
					: LIBINPUT_CONFIG_MIDDLE_EMULATION_DISABLED);
	}
	if (rule->disable_while_typing) {
		libinput_device_config_dwt_set_enabled(device,
						       rule->disable_while_typing == DEVICE_YES
							       ? LIBINPUT_CONFIG_DWT_ENABLED
							       : LIBINPUT_CONFIG_DWT_DISABLED);
	}
	if (rule->speed) {
		/* libinput's goes from -1 to 1. */
		libinput_device_config_accel_set_speed(device, rule->speed / 50.0 - 1);
	}
}

static void tell_pin(struct libinput_devices *devices, uint32_t id, const struct device_rule *rule)
{
	if (devices->pin && rule && rule->guest) {
		devices->pin(devices->pin_data, id, rule->guest);
	}
}

static void handle_raw_added(void *data, uint32_t id, const char *name, uint32_t vendor,
			     uint32_t product)
{
	struct libinput_devices *devices = data;

	tell_pin(devices, id, device_rules_find(devices->rules, name, vendor, product));
}

void libinput_devices_tell_pins(struct libinput_devices *devices)
{
	struct host_device *host;

	list_for_each(host, &devices->devices, link) {
		tell_pin(devices, host->id, host->rule);
	}
	raw_devices_each(devices->raw, handle_raw_added, devices);
}

void libinput_devices_set_pin_handler(struct libinput_devices *devices,
				      void (*pin)(void *data, uint32_t device, const char *guest),
				      void *data)
{
	devices->pin = pin;
	devices->pin_data = data;
	libinput_devices_tell_pins(devices);
}

static void add_device(struct libinput_devices *devices, struct libinput_device *device)
{
	const struct device_rule *rule = device_rules_find(
		devices->rules, libinput_device_get_name(device),
		libinput_device_get_id_vendor(device), libinput_device_get_id_product(device));
	struct host_device *host;

	if (rule && rule->ignore == DEVICE_YES) {
		return;
	}
	host = calloc(1, sizeof(*host));

	if (!host) {
		log_error("Out of memory: %s is ignored", libinput_device_get_name(device));
		return;
	}
	host->rule = rule;
	host->device = libinput_device_ref(device);
	host->id = ++devices->last_id;
	host->touchpad = libinput_device_config_tap_get_finger_count(device) > 0;
	configure(host);
	libinput_device_set_user_data(device, host);
	list_append(&devices->devices, &host->link);
	set_device_leds(host, devices->leds);
	tell_pin(devices, host->id, rule);
	log_debug("Input device %u: %s (%s)", host->id, libinput_device_get_name(device),
		  libinput_device_get_sysname(device));
}

static void free_device(struct host_device *host)
{
	list_remove(&host->link);
	libinput_device_set_user_data(host->device, NULL);
	libinput_device_unref(host->device);
	free(host);
}

static void remove_device(struct libinput_devices *devices, struct host_device *host)
{
	input_device_gone(devices->input, host->id);
	free_device(host);
}

void libinput_devices_set_leds(struct libinput_devices *devices, uint32_t mask)
{
	struct host_device *host;

	devices->leds = mask;
	list_for_each(host, &devices->devices, link) {
		set_device_leds(host, mask);
	}
}

/* ---- events ---- */

static void translate_key(struct libinput_event_keyboard *key, struct input_event *out)
{
	out->type = INPUT_EVENT_KEY;
	out->time_ns = libinput_event_keyboard_get_time_usec(key) * NSEC_PER_USEC;
	out->code = libinput_event_keyboard_get_key(key);
	out->pressed = libinput_event_keyboard_get_key_state(key) == LIBINPUT_KEY_STATE_PRESSED;
}

static void translate_button(struct libinput_event_pointer *pointer, struct input_event *out)
{
	out->type = INPUT_EVENT_BUTTON;
	out->code = libinput_event_pointer_get_button(pointer);
	out->pressed =
		libinput_event_pointer_get_button_state(pointer) == LIBINPUT_BUTTON_STATE_PRESSED;
}

static void translate_motion(struct libinput_event_pointer *pointer, bool touchpad,
			     struct input_event *out)
{
	out->type = INPUT_EVENT_MOTION;
	if (touchpad) {
		out->dx = libinput_event_pointer_get_dx(pointer);
		out->dy = libinput_event_pointer_get_dy(pointer);
	} else {
		out->dx = libinput_event_pointer_get_dx_unaccelerated(pointer);
		out->dy = libinput_event_pointer_get_dy_unaccelerated(pointer);
	}
}

static void translate_absolute(struct libinput_event_pointer *pointer, struct input_event *out)
{
	out->type = INPUT_EVENT_ABSOLUTE;
	out->x = libinput_event_pointer_get_absolute_x_transformed(pointer, 1);
	out->y = libinput_event_pointer_get_absolute_y_transformed(pointer, 1);
}

static double scroll_120ths(struct libinput_event_pointer *pointer, enum libinput_event_type type,
			    enum libinput_pointer_axis axis)
{
	if (!libinput_event_pointer_has_axis(pointer, axis)) {
		return 0;
	}
	if (type == LIBINPUT_EVENT_POINTER_SCROLL_WHEEL) {
		return libinput_event_pointer_get_scroll_value_v120(pointer, axis);
	}
	return libinput_event_pointer_get_scroll_value(pointer, axis) * 120 / SCROLL_PER_CLICK;
}

static void translate_scroll(struct libinput_event_pointer *pointer, enum libinput_event_type type,
			     struct input_event *out)
{
	out->type = INPUT_EVENT_WHEEL;
	out->dx = scroll_120ths(pointer, type, LIBINPUT_POINTER_AXIS_SCROLL_HORIZONTAL);
	out->dy = scroll_120ths(pointer, type, LIBINPUT_POINTER_AXIS_SCROLL_VERTICAL);
}

/* False when the event is none of ours. */
static bool translate(struct libinput_event *event, bool touchpad, struct input_event *out)
{
	enum libinput_event_type type = libinput_event_get_type(event);
	struct libinput_event_pointer *pointer;

	if (type == LIBINPUT_EVENT_KEYBOARD_KEY) {
		translate_key(libinput_event_get_keyboard_event(event), out);
		return true;
	}
	switch (type) {
	case LIBINPUT_EVENT_POINTER_MOTION:
		pointer = libinput_event_get_pointer_event(event);
		translate_motion(pointer, touchpad, out);
		break;
	case LIBINPUT_EVENT_POINTER_MOTION_ABSOLUTE:
		pointer = libinput_event_get_pointer_event(event);
		translate_absolute(pointer, out);
		break;
	case LIBINPUT_EVENT_POINTER_BUTTON:
		pointer = libinput_event_get_pointer_event(event);
		translate_button(pointer, out);
		break;
	case LIBINPUT_EVENT_POINTER_SCROLL_WHEEL:
	case LIBINPUT_EVENT_POINTER_SCROLL_FINGER:
	case LIBINPUT_EVENT_POINTER_SCROLL_CONTINUOUS:
		pointer = libinput_event_get_pointer_event(event);
		translate_scroll(pointer, type, out);
		break;
	default:
		return false;
	}
	out->time_ns = libinput_event_pointer_get_time_usec(pointer) * NSEC_PER_USEC;
	return true;
}

static void handle_event(struct libinput_devices *devices, struct libinput_event *event)
{
	struct libinput_device *device = libinput_event_get_device(event);
	struct host_device *host = libinput_device_get_user_data(device);
	struct input_event translated = { 0 };

	if (libinput_event_get_type(event) == LIBINPUT_EVENT_DEVICE_ADDED) {
		add_device(devices, device);
	} else if (!host) {
		return; /* it was ignored when it came */
	} else if (libinput_event_get_type(event) == LIBINPUT_EVENT_DEVICE_REMOVED) {
		remove_device(devices, host);
	} else if (libinput_touch_take(&devices->touch, event, host->id, devices->input)) {
		return;
	} else if (translate(event, host->touchpad, &translated)) {
		translated.device = host->id;
		input_feed(devices->input, &translated);
	}
}

/* Called for what libinput has read, by its descriptor or by suspending. */
static int drain(struct libinput_devices *devices)
{
	struct libinput_event *event;
	int r = libinput_dispatch(devices->libinput);

	while ((event = libinput_get_event(devices->libinput))) {
		handle_event(devices, event);
		libinput_event_destroy(event);
	}
	tell_kinds(devices);
	return r;
}

static int handle_io(sd_event_source *source, int fd, uint32_t revents, void *data)
{
	int r = drain(data);

	if (r < 0) {
		log_error("libinput stopped working: %s", strerror(-r));
		sd_event_source_set_enabled(source, SD_EVENT_OFF);
	}
	return 0;
}

/* ---- life ---- */

void libinput_devices_suspend(struct libinput_devices *devices)
{
	libinput_suspend(devices->libinput);
	raw_devices_suspend(devices->raw);
	drain(devices);
}

int libinput_devices_resume(struct libinput_devices *devices)
{
	devices->denied = false;
	if (libinput_resume(devices->libinput) < 0) {
		log_error("libinput cannot open the input devices again");
		return -EIO;
	}
	raw_devices_resume(devices->raw);
	return drain(devices);
}

void libinput_devices_destroy(struct libinput_devices *devices)
{
	struct host_device *host, *next;

	if (!devices) {
		return;
	}
	devices->kinds_changed = NULL;
	devices->pin = NULL;
	list_for_each_safe(host, next, &devices->devices, link) {
		remove_device(devices, host);
	}
	raw_devices_destroy(devices->raw);
	sd_event_source_disable_unref(devices->io);
	libinput_unref(devices->libinput);
	udev_unref(devices->udev);
	free(devices);
}

static void handle_log(struct libinput *libinput, enum libinput_log_priority priority,
		       const char *format, va_list args)
{
	char line[512];

	vsnprintf(line, sizeof(line), format, args);
	line[strcspn(line, "\n")] = '\0';
	if (priority == LIBINPUT_LOG_PRIORITY_ERROR) {
		log_warning("libinput: %s", line);
	} else {
		log_debug("libinput: %s", line);
	}
}

static int open_seat(struct libinput_devices *devices, sd_event *event, const char *seat)
{
	int r;

	devices->udev = udev_new();
	if (!devices->udev) {
		return -ENOMEM;
	}
	r = raw_devices_create(event, devices->udev, seat, &devices->opener, devices->input,
			       &devices->last_id, handle_raw_changed, devices, &devices->raw);
	if (r < 0) {
		log_error("udev cannot be asked for pens and gamepads: %s", strerror(-r));
		return r;
	}
	devices->libinput = libinput_udev_create_context(&node_interface, devices, devices->udev);
	if (!devices->libinput) {
		return -ENOMEM;
	}
	libinput_log_set_handler(devices->libinput, handle_log);
	if (libinput_udev_assign_seat(devices->libinput, seat) < 0) {
		log_error("libinput cannot list the input devices of %s: is udev running?", seat);
		return -EIO;
	}
	return 0;
}

DEFINE_CLEANUP(struct libinput_devices *, libinput_devices_destroy)

int libinput_devices_create(sd_event *event, const char *seat,
			    const struct input_node_opener *opener,
			    const struct device_rules *rules, struct input *input,
			    struct libinput_devices **out)
{
	_cleanup_(libinput_devices_destroy_ptr) struct libinput_devices *devices =
		calloc(1, sizeof(*devices));
	int r;

	if (!devices) {
		return -ENOMEM;
	}
	list_init(&devices->devices);
	devices->opener = *opener;
	devices->rules = rules;
	devices->input = input;
	r = open_seat(devices, event, seat);
	if (r < 0) {
		return r;
	}
	r = sd_event_add_io(event, &devices->io, libinput_get_fd(devices->libinput), EPOLLIN,
			    handle_io, devices);
	if (r < 0) {
		return r;
	}
	r = drain(devices);
	if (r < 0) {
		return r;
	}
	if (list_empty(&devices->devices)) {
		log_warning("There is no input device on %s yet", seat);
	}
	*out = take_ptr(devices);
	return 0;
}

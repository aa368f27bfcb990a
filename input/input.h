/* SPDX-License-Identifier: MIT */
/*
 * Host devices in, guest events out: a device source (libinput on kms, the window's events, the
 * control API) feeds events, chords are taken out, the router sends the rest to the one sink that
 * is in front. All calls belong to the event loop's thread; time is an argument.
 */
#ifndef INPUT_INPUT_H
#define INPUT_INPUT_H

#include <stdbool.h>
#include <stdint.h>

#include "common/ini.h"

/*
 * One event of a host device. Keys and buttons are evdev codes (linux/input-event-codes.h; a code
 * from BTN_MISC on is a button). Exactly the fields of its type are set.
 */
enum input_event_type {
	INPUT_EVENT_KEY,    /* code, pressed */
	INPUT_EVENT_BUTTON, /* code, pressed */
	INPUT_EVENT_MOTION, /* dx, dy in unaccelerated device units */
	INPUT_EVENT_ABSOLUTE, /* x, y in 0..1 of the first output */
	INPUT_EVENT_WHEEL,  /* dx (right), dy (down) in 120ths of a click */
};

struct input_event {
	enum input_event_type type;
	uint32_t device;  /* who sent it: keys are held per device; 0 is the control API */
	uint64_t time_ns; /* CLOCK_MONOTONIC, of the kernel where it has one */
	uint32_t code;
	bool pressed;
	double dx, dy;
	double x, y;
};

/* A device went away: what it held is released. */

/* ---- chords ---- */

enum chord_action {
	CHORD_NONE,
	CHORD_SLOT,      /* argument: 1..9 */
	CHORD_RECENT,    /* argument: how far back to walk, +1 per further Tab while held */
	CHORD_RECENT_END, /* the host key was let go after CHORD_RECENT: settle there */
	CHORD_BACK,
	CHORD_SWITCHER,
	CHORD_VT,        /* argument: 1..12 */
	CHORD_RESCUE,
	CHORD_SEND_HOST_KEY, /* the guest in front gets a press and a release of the host key */
	CHORD_HELP_SHOW, /* the host key has been held for CHORD_HELP_HOLD_NS */
	CHORD_HELP_HIDE,
	CHORD_COUNT
};

#define CHORD_HELP_HOLD_NS (600ull * 1000 * 1000)

/* What the keys are: "[chords]" of the seat's configuration. evdev codes. */
struct chord_config {
	unsigned int host_key;      /* default KEY_RIGHTCTRL */
	unsigned int recent;        /* KEY_TAB */
	unsigned int back;          /* KEY_GRAVE */
	unsigned int switcher;      /* KEY_O */
	unsigned int rescue;        /* KEY_ESC */
	unsigned int send_host_key; /* KEY_BACKSPACE */
};

void chord_config_init(struct chord_config *config);
/* ini_parse_fn for a key by its evdev name without KEY_ ("RIGHTCTRL", "o", "F12"). */
int chord_parse_key(const char *value, void *field, char *expected, size_t size);
/* Lines "keys\tmeaning\n" for the help overlay; allocated. */
char *chord_help(const struct chord_config *config);

/* ---- the pipeline ---- */

struct input;
struct input_sink;

/* Where the guest in front is on the first output; as struct compositor_placement. */
struct pointer_transform {
	int32_t x, y;           /* of the picture, in output pixels */
	uint32_t width, height; /* of the picture on the output */
	uint32_t frame_width, frame_height;
	uint32_t output_width, output_height;
};

struct input_handlers {
	/* A chord was completed. */
	void (*chord)(void *data, enum chord_action action, unsigned int argument);
	/* With the switcher open (input_set_grab), everything that is no chord comes here. */
	void (*grabbed)(void *data, const struct input_event *event);
	/* The pointer in output pixels, for our own pointer image; called while grabbed. */
	void (*pointer)(void *data, double x, double y);
	/* Events for the sink in front are being dropped (its guest is hung), or not any more. */
	void (*dropping)(void *data, bool dropping);
};

/* event: for the hold timer of the host key only. 0 or -errno. */
struct sd_event;
int input_create(struct sd_event *event, const struct chord_config *config,
		 const struct input_handlers *handlers, void *data, struct input **out);
void input_destroy(struct input *input);

void input_feed(struct input *input, const struct input_event *event);
/* The device is gone, or its keys cannot be known any more: they are released. */
void input_device_gone(struct input *input, uint32_t device);
/* Everything held anywhere is released and forgotten (VT away, rescue). */
void input_release_all(struct input *input);

/*
 * Sends to another sink, or to none: the old one gets a release for each key and button that it
 * saw pressed; what is held now stays dead until it is pressed anew. Not owned; must be unset
 * before the sink dies.
 */
void input_set_sink(struct input *input, struct input_sink *sink);
void input_set_transform(struct input *input, const struct pointer_transform *transform);
/* While grabbed, events go to handlers.grabbed instead of the sink. */
void input_set_grab(struct input *input, bool grabbed);
/* The evdev LED bits (LED_NUML, LED_CAPSL, LED_SCROLLL as 1 << code) that the devices show now. */
void input_set_led_handler(struct input *input, void (*leds)(void *data, uint32_t mask),
			   void *data);

/* ---- sinks ---- */

/* Counters of what a sink did with its events, for status and tests. */
struct input_sink_stats {
	uint64_t sent, coalesced, dropped;
};

struct input_sink_ops {
	void (*key)(struct input_sink *sink, uint32_t code, bool pressed, uint64_t time_ns);
	void (*button)(struct input_sink *sink, uint32_t code, bool pressed, uint64_t time_ns);
	void (*motion)(struct input_sink *sink, int32_t dx, int32_t dy, uint64_t time_ns);
	/* Pixels of the guest's frame. */
	void (*absolute)(struct input_sink *sink, uint32_t x, uint32_t y, uint64_t time_ns);
	void (*wheel)(struct input_sink *sink, int32_t v120, int32_t h120, uint64_t time_ns);
	/* True when the guest's current pointer device takes positions, not motion. */
	bool (*is_absolute)(struct input_sink *sink);
	/* Lifts whatever the guest may still believe to be pressed; also after it was hung. */
	void (*release_all)(struct input_sink *sink);
	void (*destroy)(struct input_sink *sink);
};

struct input_sink {
	const struct input_sink_ops *ops;
	struct input_sink_stats stats;
	uint32_t leds; /* 1 << LED_*, as the guest wants them */
	bool dropping; /* the guest does not answer: events are dropped */
	void (*changed)(struct input_sink *sink, void *data); /* leds or dropping changed */
	void *changed_data;
};

void input_sink_destroy(struct input_sink *sink); /* NULL is legal */

struct vm;
/* A sink over QEMU's D-Bus keyboard and mouse (console 0) of this guest. It follows the peer
 * connection through restarts. 0 or -errno. */
int dbus_sink_create(struct sd_event *event, struct vm *vm, struct input_sink **out);

/* ---- libinput ---- */

struct libinput_devices;

/* How device nodes are opened: libseat's calls, handed through by the seat. */
struct input_node_opener {
	int (*open)(void *data, const char *path); /* descriptor or -errno */
	void (*close)(void *data, int fd);
	void *data;
};

/* All input devices of a seat, fed into input. Logs what to do when there is no permission. */
int libinput_devices_create(struct sd_event *event, const char *seat,
			    const struct input_node_opener *opener, struct input *input,
			    struct libinput_devices **out);
void libinput_devices_destroy(struct libinput_devices *devices); /* NULL is legal */
/* VT away: devices are closed; back: opened again. */
void libinput_devices_suspend(struct libinput_devices *devices);
int libinput_devices_resume(struct libinput_devices *devices);
void libinput_devices_set_leds(struct libinput_devices *devices, uint32_t mask);

#endif

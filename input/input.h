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
#include <systemd/sd-event.h>

#include "input/chords.h"
#include "input/device_rules.h"
#include "proto/input.h"

/*
 * One event of a host device. Keys and buttons are evdev codes (linux/input-event-codes.h; a code
 * from BTN_MISC on is a button). Exactly the fields of its type are set.
 */
enum input_event_type {
	INPUT_EVENT_KEY,      /* code, pressed */
	INPUT_EVENT_BUTTON,   /* code, pressed */
	INPUT_EVENT_MOTION,   /* dx, dy in unaccelerated device units */
	INPUT_EVENT_ABSOLUTE, /* x, y in 0..1 of the first output */
	INPUT_EVENT_WHEEL,    /* dx (right), dy (down) in 120ths of a click */
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

/* What a touch screen, a pen or a gamepad did at one moment, as the kernel's events without their
 * SYN_REPORT; values are in the ranges of proto/input.h, positions of the first output. */
struct input_frame {
	enum input_kind kind; /* TOUCH, PEN or GAMEPAD */
	uint32_t device;
	uint64_t time_ns;
	const struct input_wire_event *events;
	size_t n; /* at most INPUT_EVENTS_MAX - 1 */
};

/* ---- the pipeline ---- */

struct input;
struct input_sink;

/* Where the guest in front is on the first output; as struct compositor_placement. */
struct pointer_transform {
	int32_t x, y;           /* of the picture, in output pixels */
	uint32_t width, height; /* of the picture on the output */
	uint32_t frame_width, frame_height;
	uint32_t output_width, output_height;
	/* What positions are sent in, when that is not the picture's pixels; 0: it is. */
	uint32_t target_width, target_height;
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

/*
 * event: for the hold timer of the host key only. Any handler may be NULL; each may call the
 * functions below except input_destroy(). 0 or -errno.
 */
int input_create(sd_event *event, const struct chord_config *config,
		 const struct input_handlers *handlers, void *data, struct input **out);
/* Releases what the sink in front saw pressed. NULL is legal. */
void input_destroy(struct input *input);

/* One event of a device, at event->time_ns. Codes that the kernel does not have are ignored. */
void input_feed(struct input *input, const struct input_event *event);
/* The same for a device of many axes. */
void input_feed_frame(struct input *input, const struct input_frame *frame);
/* The device is gone, or its keys cannot be known any more: they are released. */
void input_device_gone(struct input *input, uint32_t device);
/* Everything held anywhere is released and forgotten, the host key included (VT away, the window
 * lost the keyboard). */
void input_release_all(struct input *input);

/*
 * Sends to another sink, or to none: the old one gets a release for each key and button that it
 * saw pressed; what is held now stays dead until it is pressed anew. Not owned; must be unset
 * before the sink dies.
 */
void input_set_sink(struct input *input, struct input_sink *sink);
void input_set_transform(struct input *input, const struct pointer_transform *transform);
/* The guest in front has its pointer there, in pixels of its picture: where the next motion goes on. */
void input_place_pointer(struct input *input, int32_t x, int32_t y);
/*
 * All that a device sends goes to this sink from now on, whoever is in front: no chord is taken out
 * of it, and no grab gets it. NULL: as all devices. A sink that dies must be unpinned first.
 */
int input_pin(struct input *input, uint32_t device, struct input_sink *sink);
void input_unpin_sink(struct input *input, const struct input_sink *sink);
/* Writes down what passes to the guest in front, into a socket, which is taken; -1 ends it. See
 * recorder.h. */
void input_record(struct input *input, int fd);
/* While grabbed, events go to handlers.grabbed instead of the sink, for which this is the same as
 * input_set_sink(NULL). */
void input_set_grab(struct input *input, bool grabbed);
/* Whether the keys that answer a question are chords; see chords_ask(). */
void input_set_asking(struct input *input, enum chord_question question, bool asking);
/* The handler is told which LEDs (1 << LED_NUML, LED_CAPSL, LED_SCROLLL) the devices are to show:
 * those of the guest in front, now and on each change. */
void input_set_led_handler(struct input *input, void (*leds)(void *data, uint32_t mask),
			   void *data);

/* ---- sinks ---- */

/* Counters of what a sink did with its events, for status and tests. Every event ends in exactly
 * one of them; releases that the sink adds by itself count in none. */
struct input_sink_stats {
	uint64_t sent;      /* became a call to the guest */
	uint64_t coalesced; /* went with another one: motion, wheel, what the guest knows already */
	uint64_t dropped;   /* the guest does not answer, or has no such key */
};

/* time_ns is the host event's, on CLOCK_MONOTONIC. None of these waits for the guest. */
struct input_sink_ops {
	void (*key)(struct input_sink *sink, uint32_t code, bool pressed, uint64_t time_ns);
	void (*button)(struct input_sink *sink, uint32_t code, bool pressed, uint64_t time_ns);
	void (*motion)(struct input_sink *sink, int32_t dx, int32_t dy, uint64_t time_ns);
	/* Pixels of the guest's frame. */
	void (*absolute)(struct input_sink *sink, uint32_t x, uint32_t y, uint64_t time_ns);
	void (*wheel)(struct input_sink *sink, int32_t v120, int32_t h120, uint64_t time_ns);
	/* Whether the guest has such a device; NULL: it has none. Then a batch of events for it,
	 * without a SYN_REPORT, and the end of all that is pressed and touched on those kinds. */
	bool (*takes)(struct input_sink *sink, enum input_kind kind);
	void (*frame)(struct input_sink *sink, enum input_kind kind,
		      const struct input_wire_event *events, size_t n, uint64_t time_ns);
	void (*cancel)(struct input_sink *sink, uint32_t kinds);
	/* True when the guest's current pointer device takes positions, not motion. */
	bool (*is_absolute)(struct input_sink *sink);
	/* Lifts whatever the guest may still believe to be pressed; also after it was hung. */
	void (*release_all)(struct input_sink *sink);
	void (*destroy)(struct input_sink *sink);
};

struct input_sink {
	const struct input_sink_ops *ops;
	struct input_sink_stats stats;
	/* Told to the sink by its owner: */
	uint32_t width, height; /* what positions are in */
	bool pointer_hidden;    /* the guest has a pointer, and does not show it */
	/* Told by the sink: */
	char devices[96]; /* its own that take events: "keyboard, touch"; else "emulated" */
	uint32_t leds;    /* 1 << LED_*, as the guest wants them */
	bool dropping; /* the guest does not answer: events are dropped */
	/* Belongs to the struct input that this is the sink of; may be NULL. */
	void (*changed)(struct input_sink *sink, void *data); /* leds or dropping changed */
	void *changed_data;
};

void input_sink_destroy(struct input_sink *sink); /* NULL is legal */

struct vm;
/* A sink over QEMU's D-Bus keyboard and mouse (console 0) of this guest. It follows the peer
 * connection through restarts. 0 or -errno. */
int dbus_sink_create(sd_event *event, struct vm *vm, struct input_sink **out);

/* The same, and the guest's own devices where it has drivers for them: what a guest gets. */
int guest_sink_create(sd_event *event, struct vm *vm, struct input_sink **out);

/* ---- libinput ---- */

struct libinput_devices;

/* How device nodes are opened: libseat's calls, handed through by the seat. */
struct input_node_opener {
	int (*open)(void *data, const char *path); /* descriptor or -errno */
	void (*close)(void *data, int fd);
	void *data;
};

/* All input devices of a seat, fed into input. rules stays the caller's and outlives it. Logs what to
 * do when there is no permission. */
int libinput_devices_create(sd_event *event, const char *seat,
			    const struct input_node_opener *opener,
			    const struct device_rules *rules, struct input *input,
			    struct libinput_devices **out);
/* Tells of each device that is a guest's by a rule: now, and when one comes. */
void libinput_devices_set_pin_handler(struct libinput_devices *devices,
				      void (*pin)(void *data, uint32_t device, const char *guest),
				      void *data);
/* Once more for all of them: there are other guests than before. */
void libinput_devices_tell_pins(struct libinput_devices *devices);
void libinput_devices_destroy(struct libinput_devices *devices); /* NULL is legal */
/* VT away: devices are closed; back: opened again. */
void libinput_devices_suspend(struct libinput_devices *devices);
int libinput_devices_resume(struct libinput_devices *devices);
/* Which kinds of devices there are for guests that are to have the same: a bit for each of TOUCH, PEN
 * and GAMEPAD. The handler is told now and on each change. */
uint32_t libinput_devices_kinds(const struct libinput_devices *devices);
void libinput_devices_set_kinds_handler(struct libinput_devices *devices,
					void (*changed)(void *data, uint32_t kinds), void *data);
void libinput_devices_set_leds(struct libinput_devices *devices, uint32_t mask);

#endif

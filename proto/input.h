/* SPDX-License-Identifier: MIT */
/*
 * What the seat and a guest's baton-input say to each other over a socket of packets
 * (SOCK_SEQPACKET). baton-input listens; it answers a connection with INPUT_HELLO and one
 * INPUT_STATE for each device, and lets an earlier connection go. From the seat come
 * INPUT_EVENTS and INPUT_RELEASE. What the guest sees pressed when the connection ends is released.
 *
 * All numbers are of the machine's own byte order. Who gets a packet that breaks these rules ends
 * the connection. Data only.
 */
#ifndef PROTO_INPUT_H
#define PROTO_INPUT_H

#include <stdint.h>

#define INPUT_PROTOCOL 2

/* A guest has at most one device of each kind. The numbers are also baton-input's arguments. */
enum input_kind {
	INPUT_KIND_KEYBOARD,
	INPUT_KIND_POINTER, /* motion, buttons and wheels */
	INPUT_KIND_TABLET,  /* positions of the pointer, and buttons and wheels there */
	INPUT_KIND_TOUCH,
	INPUT_KIND_PEN,
	INPUT_KIND_GAMEPAD,
	INPUT_KINDS
};

/* The largest value of a position, whose smallest is 0; QEMU's own devices have the same. */
#define INPUT_POSITION_MAX 32767
#define INPUT_PEN_MAX 65535 /* a pen's is finer */
#define INPUT_PRESSURE_MAX 8191 /* of the pen */
#define INPUT_TILT_MAX 90       /* degrees, to either side */
#define INPUT_FINGERS 10        /* slots of the touch screen */
#define INPUT_STICK_MAX 32767   /* of the gamepad, to either side */
#define INPUT_TRIGGER_MAX 1023

/* As in the kernel's struct input_event and in virtio-input's. */
struct input_wire_event {
	uint16_t type, code;
	int32_t value;
};

#define INPUT_EVENTS_MAX 128 /* in a packet */

enum input_packet_type {
	INPUT_HELLO = 1, /* value: INPUT_PROTOCOL */
	INPUT_STATE,     /* of a device; value: of enum input_device_state */
	INPUT_LEDS,      /* of the keyboard; value: 1 << LED_*, as the guest wants them */
	INPUT_DROPPED,   /* of a device that stalled; value: events that it did not get */
	INPUT_EVENTS,    /* for a device; value: how many; the last one is SYN_REPORT */
	INPUT_RELEASE,   /* value: a bit for each kind whose keys and touches are to end */
};

enum input_device_state {
	INPUT_DEVICE_ABSENT,
	INPUT_DEVICE_IDLE,    /* the guest has no driver for it, or not yet */
	INPUT_DEVICE_READY,   /* its events reach the guest */
	INPUT_DEVICE_STALLED, /* as READY, but the guest does not read: events are dropped */
};

struct input_packet {
	uint16_t type;
	uint16_t kind;
	uint32_t value;
	struct input_wire_event events[]; /* INPUT_EVENTS */
};

#endif

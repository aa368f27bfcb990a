/* SPDX-License-Identifier: MIT */
/*
 * A guest's input devices: the connections to QEMU, one for each device, and the one to the seat.
 * One thread, one poll(); nothing here waits for the guest, QEMU or the seat.
 */
#ifndef INPUT_KEEPER_KEEPER_H
#define INPUT_KEEPER_KEEPER_H

#include "input/keeper/guest_queue.h"
#include "input/keeper/vhost.h"

struct keeper_device {
	bool present; /* a connection to QEMU was given, and is there */
	enum input_device_state told;
	struct vhost vhost;
	struct guest_queue queue;
};

struct keeper {
	int listener; /* owned; SOCK_SEQPACKET */
	int seat;     /* owned; -1: nobody */
	uint32_t leds;
	struct keeper_device devices[INPUT_KINDS];
};

void keeper_init(struct keeper *keeper, int listener);
void keeper_finish(struct keeper *keeper);

/* QEMU's device of that kind is at the other end; the descriptor is taken. -EEXIST or -errno. */
int keeper_add(struct keeper *keeper, enum input_kind kind, int fd);

/* Waits for something to do, at most that long (-1: for ever), and does it. -ENOTCONN when QEMU is
 * gone, or another -errno. */
int keeper_turn(struct keeper *keeper, int timeout_ms);

/* Until QEMU is gone. 0 or -errno. */
int keeper_run(struct keeper *keeper);

/* sandbox.c: nothing is opened and nothing started from here on. 0 or -errno. */
int keeper_confine(void);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * The device's end of one vhost-user connection, as docs/interop/vhost-user.rst of QEMU has it:
 * QEMU is the front end of a device of virtio-input, and asks us for its configuration, its
 * features, and to serve its two queues. QEMU waits for the answers, so they come at once. It never
 * makes the connection anew: its device is dead without us, and its next reset ends it.
 */
#ifndef INPUT_KEEPER_VHOST_H
#define INPUT_KEEPER_VHOST_H

#include "input/keeper/vring.h"
#include "proto/input.h"

enum { VHOST_QUEUE_EVENTS, VHOST_QUEUE_STATUS, VHOST_QUEUES };

#define VHOST_FDS_MAX GUEST_REGIONS_MAX
#define VHOST_HEADER 12
#define VHOST_PAYLOAD_MAX 512

struct vhost {
	int fd; /* owned; non-blocking */
	enum input_kind kind;
	uint64_t features, protocol_features; /* as QEMU took them */
	uint8_t select, subselect;
	struct guest_memory memory;
	struct vring_queue rings[VHOST_QUEUES];
	/* The message that is being received. */
	size_t received;
	_Alignas(8) uint8_t message[VHOST_HEADER + 4 + VHOST_PAYLOAD_MAX];
	int fds[VHOST_FDS_MAX];
	size_t n_fds;
};

void vhost_init(struct vhost *vhost, int fd, enum input_kind kind);
void vhost_finish(struct vhost *vhost);

/* Reads and answers what there is. 0; -ENOTCONN at its end, another -errno when QEMU broke the
 * protocol: it is to be finished. */
int vhost_receive(struct vhost *vhost);

#endif

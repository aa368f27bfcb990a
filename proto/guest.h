/* SPDX-License-Identifier: MIT */
/*
 * How the seat tells a guest with a user of its own what to execute. The broker has the guest's
 * unit started; baton-guest, which is that unit's program and has that user already, listens on
 * GUEST_SOCKET (SOCK_SEQPACKET). The seat connects and sends one packet: struct guest_launch, then
 * n_checks + n_args strings with their zeros, with GUEST_DESCRIPTORS descriptors. baton-guest
 * becomes QEMU in the same process; an answer there is none. Whatever it has to complain of is the
 * last line that it writes to GUEST_LOG. Data only.
 *
 * QEMU thus reaches nothing of the seat's but what it was handed, whoever may enter which folder.
 */
#ifndef PROTO_GUEST_H
#define PROTO_GUEST_H

#include <stdint.h>

#include "proto/input.h"

#define GUEST_SOCKET_FOLDER "/run/baton-guest" /* /USER/launch.sock */
#define GUEST_SOCKET_NAME "launch.sock"
#define GUEST_PROTOCOL 3
#define GUEST_PACKET_MAX 65536
#define GUEST_WAIT_SEC 20 /* baton-guest waits so long for the seat */

/* In the order in which they are sent; QEMU gets the number that is added to GUEST_FIRST_FD, but
 * for the log, which is its standard output and error. */
enum guest_descriptor {
	GUEST_LOG,
	GUEST_QMP,      /* listens: the seat's control connection */
	GUEST_QMP_USER, /* listens: for the user's tools */
	GUEST_LOCK,     /* a file, which gets the pid, and which that process keeps locked */
	GUEST_UEFI,     /* the firmware's variables; /dev/null without such firmware */
	GUEST_SHARED,   /* memory for pictures, as a file; /dev/null without */
	GUEST_AGENT,    /* listens: the port of the program in the guest; /dev/null without */
	GUEST_INPUT,    /* to baton-input, for the first kind of device; /dev/null without */
	GUEST_DESCRIPTORS = GUEST_INPUT + INPUT_KINDS /* and one for each of the others */
};
#define GUEST_FIRST_FD 2 /* GUEST_QMP is 3, as at user level */

struct guest_launch {
	uint32_t protocol;
	uint32_t n_checks; /* 'r' or 'w', then a path: what QEMU must be able to read, or to write */
	uint32_t n_args;   /* of the command line; the ones before the program are NAME=VALUE */
};

#endif

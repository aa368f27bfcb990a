// SPDX-License-Identifier: MIT
/*
 * baton-input: serves the input devices of one guest. The seat starts it with the guest, and hands
 * it the ends of sockets: one on which it listens for the seat, and one to QEMU for each device.
 * It lives as long as that QEMU, whatever becomes of the seat: QEMU's devices do not survive the
 * loss of who serves them, and a seat that comes back goes on with the same ones.
 *
 * usage: baton-input LISTENER KIND=DESCRIPTOR...
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/log.h"
#include "input/keeper/keeper.h"

static struct keeper keeper;

static int usage(void)
{
	fprintf(stderr, "usage: baton-input LISTENER KIND=DESCRIPTOR...\n"
			"It is started by baton, with sockets.\n");
	return 2;
}

static int add_device(const char *argument)
{
	unsigned int kind;
	int fd;
	char end;

	if (sscanf(argument, "%u=%d%c", &kind, &fd, &end) != 2 || kind >= INPUT_KINDS || fd < 0) {
		return -1;
	}
	return keeper_add(&keeper, (enum input_kind)kind, fd);
}

int main(int argc, char **argv)
{
	int listener, r;
	char end;

	if (argc < 3 || sscanf(argv[1], "%d%c", &listener, &end) != 1) {
		return usage();
	}
	keeper_init(&keeper, listener);
	for (int i = 2; i < argc; i++) {
		if (add_device(argv[i]) < 0) {
			return usage();
		}
	}
#ifndef __SANITIZE_ADDRESS__
	r = keeper_confine();
	if (r < 0) {
		log_error("The sandbox cannot be set up: %s", strerror(-r));
		return 1;
	}
#endif
	r = keeper_run(&keeper);
	if (r < 0) {
		log_error("The guest's input devices end: %s", strerror(-r));
	}
	keeper_finish(&keeper);
	_exit(r < 0);
}

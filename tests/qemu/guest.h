/* SPDX-License-Identifier: MIT */
/* A real QEMU for tests: SeaBIOS alone, which shows a text screen within a second. */
#ifndef TESTS_QEMU_GUEST_H
#define TESTS_QEMU_GUEST_H

#include <stdbool.h>
#include <stdint.h>
#include <systemd/sd-event.h>

#include "vm/vm.h"

struct guest {
	sd_event *event;
	struct vm *vm;
	char folder[64]; /* runtime and state, in memory; removed by guest_stop() */
};

/* Starts it and waits until it runs; fails the test after 60 s. Arguments are QEMU's, appended,
 * NULL-terminated, may be NULL. */
void guest_start(struct guest *guest, const char *name, char *const *qemu_args);
/* The same with a whole configuration, which is taken. */
void guest_start_config(struct guest *guest, struct vm_config *config);
/* The same through a starter. */
void guest_start_by(struct guest *guest, struct vm_config *config, const struct vm_starter_ops *ops,
		    void *data);
/* Kills it, waits for its end and removes its folder. */
void guest_stop(struct guest *guest);

/* Runs the loop until done(data) or the deadline; what says what was waited for. */
void run_until(sd_event *event, bool (*done)(void *data), void *data, uint64_t seconds,
	       const char *what);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * A guest for passthrough: the functions of vm/vm.h that tell its QEMU something, over a model of
 * what QEMU and the guest's system do when devices are plugged in and out. Each command is carried
 * out in a turn of the loop of its own. Link fake_guest.c instead of vm_dep. It may lock 3 GiB and
 * as many bytes more as its pid is high.
 */
#ifndef TESTS_UNIT_FAKE_GUEST_H
#define TESTS_UNIT_FAKE_GUEST_H

#include "vm/vm.h"

/* Where its system sees all cards. */
#define FAKE_GUEST_BUS 7

/* Running, with its control connection up. Each function fails the test when the system does. */
struct vm *fake_guest_create(sd_event *event, const char *name, pid_t pid);
void fake_guest_destroy(struct vm *vm);

/* The connection goes and comes; what was asked is dropped, what QEMU has stays. */
void fake_guest_set_control(struct vm *vm, bool up);
/* QEMU ends, with all that it had; and is there again. */
void fake_guest_end(struct vm *vm);
void fake_guest_start(struct vm *vm);

/* Gets commands, and neither carries them out nor answers: stopped, until it is no more. */
void fake_guest_stop(struct vm *vm, bool stopped);
/* The guest's system does not let go: device_del is only remembered. */
void fake_guest_refuse(struct vm *vm, bool refuses);
/* It does now: all functions of which one was asked for go; only those that were asked for each
 * have an event, as with QEMU 10. */
void fake_guest_let_go(struct vm *vm);
/* It lets go by itself, of everything; with an event for each, or silently. */
void fake_guest_eject(struct vm *vm, bool events);
/* device_add of this id fails with this sentence; NULL: none does. */
void fake_guest_fail_add(struct vm *vm, const char *id, const char *text);
/* What QEMU has from now on: ids, separated by blanks. */
void fake_guest_set_devices(struct vm *vm, const char *ids);
/* Whether it has the root ports rp1 to rp4; true at first. */
void fake_guest_set_ports(struct vm *vm, bool ports);
/* Whether devices are realized; true at first. */
void fake_guest_set_realized(struct vm *vm, bool realized);
/* Events of device_del come before its answer. */
void fake_guest_set_hasty(struct vm *vm, bool hasty);

/* QEMU says something; args is taken. */
void fake_guest_tell(struct vm *vm, const char *event, json_t *args);

/* What QEMU has, in the order in which it came: "card.gpu.1 card.gpu.0". */
const char *fake_guest_devices(const struct vm *vm);
/* The commands that were carried out: "device_add card.gpu.0|device_del …", and arguments of the
 * last device_add. */
const char *fake_guest_commands(const struct vm *vm);
void fake_guest_forget(struct vm *vm);
const json_t *fake_guest_last_add(const struct vm *vm);

unsigned int fake_guest_resets(const struct vm *vm);
unsigned int fake_guest_kills(const struct vm *vm);
/* Called when QEMU has more or fewer devices. */
void fake_guest_on_devices(struct vm *vm, void (*changed)(void *data, struct vm *vm), void *data);

#endif

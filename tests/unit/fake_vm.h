/* SPDX-License-Identifier: MIT */
/*
 * A guest without QEMU: the functions of vm/vm.h that capture, input and audio use, over a socket
 * pair whose other end belongs to the test. Link fake_vm.c instead of vm_dep.
 */
#ifndef TESTS_UNIT_FAKE_VM_H
#define TESTS_UNIT_FAKE_VM_H

#include "vm/vm.h"

/* Fails the test without memory. */
struct vm *fake_vm_create(sd_event *event, const char *name);
void fake_vm_destroy(struct vm *vm);

/*
 * Brings the peer connection up and tells the observers. Returns the other end as a running
 * server's bus, on which the test can register objects or send signals: it belongs to the vm and
 * runs in the same event loop. Objects may still be added before the loop runs.
 */
sd_bus *fake_vm_connect(struct vm *vm);

/* Takes it down, as a QEMU that ends. */
void fake_vm_disconnect(struct vm *vm);

/* Sets vm_is_hung() and tells the observers. */
void fake_vm_set_hung(struct vm *vm, bool hung);

/* What vm_peer_call() and vm_peer_send() return from now on; 0: they work. */
void fake_vm_fail_calls(struct vm *vm, int error);

void fake_vm_set_state(struct vm *vm, enum vm_state state);

/* What vm_reason() returns: a copy that, as vm/ does, goes before the observers are told of the
 * next one. May be NULL. */
void fake_vm_set_reason(struct vm *vm, const char *reason);

/* How often vm_note_alive() was called. */
unsigned int fake_vm_notes(const struct vm *vm);

/* How often vm_see_off() was called, which closes at once. */
unsigned int fake_vm_farewells(const struct vm *vm);

/* Sets vm_lifts_keys(), and tells the observers of its end. */
void fake_vm_set_lifts(struct vm *vm, bool lifts);

/* What vm_get_config() returns, which stays the test's; NULL at first. */
void fake_vm_set_config(struct vm *vm, const struct vm_config *config);

/* What vm_open_shared() opens: a copy of the descriptor; -1: nothing. */
void fake_vm_set_shared(struct vm *vm, int fd, uint64_t size);

/* What vm_connect_agent() returns the next time: a descriptor, which is the caller's then, or
 * -errno. */
void fake_vm_set_agent(struct vm *vm, int fd);

/* What vm_connect_input() returns the next time, likewise. */
void fake_vm_set_input(struct vm *vm, int fd);

/* Sets vm_commandable() and tells the observers. */
void fake_vm_set_commandable(struct vm *vm, bool commandable);

/* The command that is not answered yet; NULL: none. There is one at a time. */
const char *fake_vm_asked(const struct vm *vm);
/* Answers it; result is taken. */
void fake_vm_answer(struct vm *vm, int error, json_t *result);

/* QEMU's event; args may be NULL. */
void fake_vm_emit(struct vm *vm, const char *name, const json_t *args);

#endif

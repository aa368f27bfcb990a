/* SPDX-License-Identifier: MIT */
/*
 * A made-up machine for baton-broker: a folder with sysfs, procfs and nodes, two cards, and the
 * broker running on it with the made-up kernel of machine_kernel.c. The test is its seat.
 *
 *   0000:01:00   a display and a sound function, reset only together; the firmware's display
 *   0000:02:00   one display function with flr
 *   0000:03:00   a bridge
 *   0000:04:00   a display whose group has a foreign member
 *   0000:05:00   not in broker.conf
 */
#ifndef TESTS_UNIT_MACHINE_H
#define TESTS_UNIT_MACHINE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "proto/broker.h"

#define DUO "0000:01:00"
#define UNO "0000:02:00"
#define HURRY 20 /* deadlines of the broker are divided by this */

struct machine {
	char root[64];
	pid_t broker;
	int log; /* what the broker says */
	int seat;
	uint32_t serial;
	/* The last ones that seat_ask() or seat_wait() saw. */
	struct broker_message done, card, guest, holder, progress;
	unsigned int n_cards, n_holders, n_progress;
};

void machine_create(struct machine *machine);
void machine_destroy(struct machine *machine);

/* Files below its root; paths are formatted. */
void machine_put(struct machine *machine, const char *text, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
void machine_remove(struct machine *machine, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
/* Content of a file, last component of a link; "" when there is none. Valid until the next call. */
const char *machine_get(struct machine *machine, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
void machine_node(struct machine *machine, const char *name, const char *device);
unsigned int machine_mode(struct machine *machine, const char *path);
/* Another host driver of a card's first function. */
void machine_host_driver(struct machine *machine, const char *card, const char *driver);
/* What goes wrong from now on, or no longer; see machine_kernel.c. */
void machine_wrong(struct machine *machine, const char *what);
void machine_right(struct machine *machine, const char *what);
void machine_release(struct machine *machine, const char *name); /* a hanging unbind */
void machine_forget_log(struct machine *machine);
bool machine_log_has(struct machine *machine, const char *line);
/* Until its systemctl was told this, line by line, and nothing else. */
void machine_wait_told(struct machine *machine, const char *text);
void machine_wait_journal(struct machine *machine, const char *card, const char *text);
/* "driver of each function": "vfio-pci vfio-pci"; "-" for none. */
const char *machine_drivers(struct machine *machine, const char *card);
/* A process of the machine, which waits to be killed. */
pid_t machine_process(struct machine *machine);

void broker_start(struct machine *machine);
int broker_wait(struct machine *machine); /* its exit status, negative: the signal */
void broker_kill(struct machine *machine);

int seat_open(struct machine *machine);     /* another connection, not greeted */
void seat_connect(struct machine *machine); /* and greets */
void seat_leave(struct machine *machine);
struct broker_request seat_request(struct machine *machine, uint32_t verb, const char *card);
void seat_send_request(struct machine *machine, const struct broker_request *request, int fd);
bool seat_receive(struct machine *machine, int fd, struct broker_message *out); /* false: closed */
/* Sends and waits for DONE; its error. */
int seat_ask(struct machine *machine, uint32_t verb, const char *card);
int seat_lend(struct machine *machine, const char *card, pid_t pid, uint64_t bytes);
int seat_wait_done(struct machine *machine, uint32_t serial);
/* Waits for news: a BROKER_CARD with serial 0 of this card with these flags, and without those. */
void seat_wait_news(struct machine *machine, const char *card, uint32_t with, uint32_t without);
struct broker_facts seat_facts_of(struct machine *machine, const char *card); /* by a LIST */
/* Asserts that every step up to this verb succeeds, from the host. */
void seat_bring(struct machine *machine, const char *card, uint32_t last);

#endif

/* SPDX-License-Identifier: MIT */
/* What the parts of the made-up cards share: fake_kms.c is the card and its memory, fake_commits.c
 * what atomic requests do to it. */
#ifndef TESTS_UNIT_FAKE_CARD_H
#define TESTS_UNIT_FAKE_CARD_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tests/unit/fake_kms.h"

/* Ids of its objects. */
enum {
	CONNECTOR = 10,
	ENCODER = 11,
	CRTC = 20,
	OTHER_CRTC = 21,
	PRIMARY = 30,
	CURSOR = 40,
	OVERLAY = 50
};

#define HANDLES_MAX 64

struct prop {
	uint32_t object;
	const char *name;
	uint64_t value;
};

struct memory {
	uint32_t width, height, stride;
	uint64_t size;
	uint8_t *pixels; /* as mapped by the code under test */
	uint32_t fb;     /* 0: none */
	bool used;
};

struct blob {
	size_t size;
	char data[FAKE_BOXES_MAX * sizeof(pixman_box32_t)];
};

/* A property's id is its place in this list plus one. */
#define PROPS 35
extern const struct prop fresh[PROPS];

struct card {
	struct fake_card *shown;
	atomic_int fd;         /* as opened by the code under test, or -1 */
	atomic_int left;       /* this descriptor was its last to be closed, or -1 */
	int card_fd, event_fd; /* a pipe: the card is its reading end */
	struct prop props[PROPS];
	struct memory memory[HANDLES_MAX];
	struct blob blobs[HANDLES_MAX];
	bool pending;
	uint64_t pending_user, previous_user;
	bool hangs;
};

extern struct card cards[FAKE_CARDS];

/* The kernel's own: two threads may ask it at once. */
extern pthread_mutex_t kernel_lock;

struct card *card_of(int fd); /* that is open under this descriptor, or NULL */
/* NULL, with errno, when the card is gone, or closed. */
struct card *card_alive(int fd);
/* Here a real driver may take its time. */
void take_time(const struct card *card);
/* The loop's thread is asking. */
bool is_loop(void);
/* Somebody else has the seat, and with it the right to send requests. */
extern atomic_bool seat_away;
uint64_t *prop_value(struct card *card, uint32_t object, const char *name);

#endif

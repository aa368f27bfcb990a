/* SPDX-License-Identifier: MIT */
/*
 * The guest's agent between a card that is made up, the seat's end of its port, and a reader of its
 * shared memory, which keeps a picture of its own by the damage that it is told.
 */
#ifndef TESTS_UNIT_AGENT_WORLD_H
#define TESTS_UNIT_AGENT_WORLD_H

#include "agent/agent.h"
#include "agent/kvmfr_producer.h"
#include "capture/lgmp_client.h"
#include "proto/agent.h"

#define WORLD_BUFFERS 8
#define WORLD_WIDTH 200u /* three tiles and a bit */
#define WORLD_HEIGHT 140u
#define WORLD_SLOT ((struct agent_slot){ 0, 1, 0 })

/* A card; its framebuffers have the numbers 1 to WORLD_BUFFERS, 0 bytes of pixels: there is none.
 */
struct fake_card {
	struct card_screen screen;
	struct card_buffer buffers[WORLD_BUFFERS + 1];
	uint8_t *pixels[WORLD_BUFFERS + 1];
	bool awake, has_vblank, asked;
	int vblank; /* an eventfd */
	int error;  /* of everything, when not 0 */
	int wake_error, read_error;
	unsigned int wakes, reading, looks;
};

struct agent_world {
	struct fake_card card;
	int fd;
	uint8_t *memory;
	size_t size;
	struct kvmfr_producer *producer;
	struct agent *agent;
	int seat; /* our end of the port; -1: none */
	struct agent_message got;
	unsigned int rings[3]; /* by bit */
	unsigned int list_count;
	struct agent_message list[2];
	/* the reader */
	struct shared_memory shared;
	struct lgmp_client client;
	struct lgmp_subscription frames, pointer;
	bool subscribed, holds; /* it does not acknowledge */
	struct kvmfr_frame_b7 frame;
	uint8_t *picture; /* rows of frame_width pixels of 4 bytes */
	unsigned int frame_count, cursor_count;
	uint64_t damaged; /* pixels, since it was set to 0 */
	struct kvmfr_cursor cursor;
	uint32_t cursor_flags;
	uint8_t shape[64 * 64 * 4];
};

/* A card that shows its buffer 1, dark grey. with_port: else readers are looked for. */
struct agent_world *agent_world_create(size_t memory, bool with_port);
void agent_world_destroy(struct agent_world *world);

/* Another framebuffer, in a format of DRM's. */
void fake_card_buffer(struct fake_card *card, uint32_t number, uint32_t width, uint32_t height,
		      uint32_t format, uint32_t bytes);
void fake_card_fill(struct fake_card *card, uint32_t number, struct kvmfr_rect rect,
		    uint32_t colour);
/* The next vertical blank comes, if it was asked for. */
void fake_card_blank(struct fake_card *card);

void agent_world_send(struct agent_world *world, enum agent_verb verb);
/* Waits for a message of that verb; rings are counted in between. */
const struct agent_message *agent_world_receive(struct agent_world *world, enum agent_verb verb);
/* Turns until the condition holds; fails after some seconds. */
void agent_world_until(struct agent_world *world, bool (*holds)(struct agent_world *world));
/* HELLO and SUBSCRIBE, or as far as there is a port, and the reader, until it has a picture. */
void agent_world_watch(struct agent_world *world);
void agent_world_leave(struct agent_world *world);
/* A vertical blank, what the agent does then, and what the reader gets of it. */
void agent_world_blank(struct agent_world *world);
/* Fails unless the reader's picture is what the card shows. */
void agent_world_expect(struct agent_world *world);

#endif

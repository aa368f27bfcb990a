// SPDX-License-Identifier: MIT
/* The agent's surroundings, made up; see agent_world.h. */
#include "tests/unit/agent_world.h"

#include "tests/unit/test.h"

#include <drm_fourcc.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/clock.h"

#define DEADLINE (20 * NSEC_PER_SEC)
#define TURNS 12 /* more than anything here needs that is ready */

/* ---- the card ---- */

static int fake_wake(void *data)
{
	struct fake_card *card = data;

	if (card->wake_error) {
		return card->wake_error;
	}
	assert_false(card->awake);
	card->awake = true;
	card->wakes++;
	card->vblank = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	assert_true(card->vblank >= 0);
	return 0;
}

static void fake_sleep(void *data)
{
	struct fake_card *card = data;

	assert_true(card->awake);
	assert_int_equal(card->reading, 0);
	close(card->vblank);
	card->awake = card->asked = false;
}

static int fake_screen(void *data, struct card_screen *out)
{
	struct fake_card *card = data;

	assert_true(card->awake);
	card->looks++;
	*out = card->screen;
	return card->error;
}

static int fake_buffer(void *data, uint32_t number, const struct card_buffer **out)
{
	struct fake_card *card = data;

	assert_true(card->awake && number <= WORLD_BUFFERS);
	*out = &card->buffers[number];
	return card->error ? card->error : card->pixels[number] ? 0 : -ENOENT;
}

static int fake_read_begin(void *data, const struct card_buffer *buffer)
{
	struct fake_card *card = data;

	if (card->read_error == 0) {
		card->reading++;
	}
	return card->read_error;
}

static void fake_read_end(void *data, const struct card_buffer *buffer)
{
	((struct fake_card *)data)->reading--;
}

static int fake_vblank(void *data, uint32_t crtc)
{
	struct fake_card *card = data;

	assert_false(card->asked);
	card->asked = card->has_vblank;
	return card->has_vblank ? 0 : -EOPNOTSUPP;
}

static int fake_fd(void *data)
{
	return ((struct fake_card *)data)->vblank;
}

static void fake_drain(void *data)
{
	eventfd_t value;

	eventfd_read(((struct fake_card *)data)->vblank, &value);
}

static const struct card_ops fake_ops = {
	.wake = fake_wake,
	.sleep = fake_sleep,
	.screen = fake_screen,
	.buffer = fake_buffer,
	.read_begin = fake_read_begin,
	.read_end = fake_read_end,
	.vblank = fake_vblank,
	.fd = fake_fd,
	.drain = fake_drain,
};

void fake_card_buffer(struct fake_card *card, uint32_t number, uint32_t width, uint32_t height,
		      uint32_t format, uint32_t bytes)
{
	static uint64_t identity;
	uint32_t pitch = width * bytes + 12;

	free(card->pixels[number]);
	/* Exactly as large as is said, so that a sanitizer sees what is read beyond. */
	card->pixels[number] = calloc(height, pitch);
	assert_non_null(card->pixels[number]);
	card->buffers[number] = (struct card_buffer){
		.identity = ++identity,
		.width = width,
		.height = height,
		.format = format,
		.pitch = pitch,
		.pixels = card->pixels[number],
	};
}

void fake_card_fill(struct fake_card *card, uint32_t number, struct kvmfr_rect rect,
		    uint32_t colour)
{
	for (uint32_t y = rect.y; y < rect.y + rect.height; y++) {
		for (uint32_t x = rect.x; x < rect.x + rect.width; x++) {
			memcpy(card->pixels[number] + (size_t)y * card->buffers[number].pitch +
				       (size_t)x * 4,
			       &colour, 4);
		}
	}
}

void fake_card_blank(struct fake_card *card)
{
	if (card->asked) {
		card->asked = false;
		assert_int_equal(eventfd_write(card->vblank, 1), 0);
	}
}

/* ---- the reader ---- */

static void copy_box(struct agent_world *world, uint64_t pixels, struct kvmfr_rect box)
{
	const struct kvmfr_frame_b7 *frame = &world->frame;

	assert_true(box.x + box.width <= frame->frame_width);
	assert_true(box.y + box.height <= frame->frame_height);
	for (uint32_t y = box.y; y < box.y + box.height; y++) {
		uint64_t at = pixels + (uint64_t)y * frame->pitch + (uint64_t)box.x * 4;

		assert_int_equal(
			shared_read(&world->shared, at,
				    world->picture + ((size_t)y * frame->frame_width + box.x) * 4,
				    (size_t)box.width * 4),
			0);
	}
	world->damaged += (uint64_t)box.width * box.height;
}

static void take_frame(struct agent_world *world, const struct lgmp_received *message)
{
	struct kvmfr_frame_b7 old = world->frame;
	struct kvmfr_frame_b7 *frame = &world->frame;
	uint64_t word;
	bool follows;

	assert_int_equal(shared_read(&world->shared, message->offset, frame, sizeof(*frame)), 0);
	follows = frame->serial == old.serial + 1 && frame->format_version == old.format_version;
	if (!follows) {
		free(world->picture);
		world->picture = calloc(frame->frame_height, (size_t)frame->frame_width * 4);
		assert_non_null(world->picture);
		frame->damage_count = 1;
		frame->damage[0] =
			(struct kvmfr_rect){ 0, 0, frame->frame_width, frame->frame_height };
	}
	word = message->offset + frame->offset;
	assert_int_equal(shared_load(&world->shared, word), frame->pitch * frame->frame_height);
	for (uint32_t i = 0; i < frame->damage_count; i++) {
		copy_box(world, word + KVMFR_WRITE_POINTER_SIZE, frame->damage[i]);
	}
	world->frame_count++;
}

static void take_cursor(struct agent_world *world, const struct lgmp_received *message)
{
	struct kvmfr_cursor *cursor = &world->cursor;

	assert_int_equal(shared_read(&world->shared, message->offset, cursor, sizeof(*cursor)), 0);
	world->cursor_flags = message->user_data;
	world->cursor_count++;
	if (message->user_data & KVMFR_CURSOR_SHAPE) {
		assert_true(cursor->pitch * cursor->height <= sizeof(world->shape));
		assert_int_equal(shared_read(&world->shared, message->offset + sizeof(*cursor),
					     world->shape, cursor->pitch * cursor->height),
				 0);
	}
}

static void reader_take(struct agent_world *world, struct lgmp_subscription *place,
			void (*take)(struct agent_world *, const struct lgmp_received *))
{
	struct lgmp_received message;

	while (lgmp_peek(&world->client, place, &message) == 1) {
		take(world, &message);
		lgmp_acknowledge(&world->client, place);
	}
}

static void reader_look(struct agent_world *world)
{
	if (lgmp_client_look(&world->client, clock_now_ns() / NSEC_PER_USEC, true) != LGMP_ALIVE ||
	    world->holds) {
		return;
	}
	if (world->subscribed &&
	    (world->frames.session != world->client.session || !world->frames.bit)) {
		world->frame = (struct kvmfr_frame_b7){ 0 };
		lgmp_subscribe(&world->client, KVMFR_QUEUE_FRAME, &world->frames);
		lgmp_subscribe(&world->client, KVMFR_QUEUE_POINTER, &world->pointer);
	}
	if (world->subscribed) {
		reader_take(world, &world->frames, take_frame);
		reader_take(world, &world->pointer, take_cursor);
	}
}

/* ---- the seat ---- */

static void take_message(struct agent_world *world)
{
	assert_true(agent_message_is_legal(&world->got, true));
	if (world->got.verb == AGENT_RING) {
		for (int bit = 0; bit < 3; bit++) {
			world->rings[bit] += world->got.ring.what >> bit & 1;
		}
	}
}

static bool seat_read(struct agent_world *world)
{
	ssize_t n = world->seat < 0
			    ? -1
			    : recv(world->seat, &world->got, sizeof(world->got), MSG_DONTWAIT);

	if (n <= 0) {
		return false;
	}
	assert_int_equal(n, sizeof(world->got));
	take_message(world);
	return true;
}

void agent_world_send(struct agent_world *world, enum agent_verb verb)
{
	struct agent_message message = { .magic = AGENT_MAGIC, .verb = verb, .serial = 7 };

	message.slot.device = AGENT_DEVICE_CAPTURED;
	if (verb == AGENT_HELLO) {
		message.hello.protocol = AGENT_PROTOCOL;
	}
	assert_int_equal(send(world->seat, &message, sizeof(message), MSG_NOSIGNAL),
			 sizeof(message));
}

const struct agent_message *agent_world_receive(struct agent_world *world, enum agent_verb verb)
{
	uint64_t end = clock_now_ns() + DEADLINE;

	while (clock_now_ns() < end) {
		while (seat_read(world)) {
			if (world->got.verb == verb) {
				return &world->got;
			}
		}
		assert_int_equal(agent_turn(world->agent, 10), 0);
	}
	fail_msg("no message of verb %d", verb);
	return NULL;
}

/* ---- all of it ---- */

void agent_world_until(struct agent_world *world, bool (*holds)(struct agent_world *world))
{
	uint64_t end = clock_now_ns() + DEADLINE;

	while (!holds(world)) {
		assert_true(clock_now_ns() < end);
		assert_int_equal(agent_turn(world->agent, 5), 0);
		fake_card_blank(&world->card);
		reader_look(world);
		while (seat_read(world)) {
		}
	}
}

static bool has_picture(struct agent_world *world)
{
	return world->frame_count > 0;
}

void agent_world_watch(struct agent_world *world)
{
	if (world->seat >= 0) {
		agent_world_send(world, AGENT_HELLO);
		agent_world_send(world, AGENT_SUBSCRIBE);
	}
	world->subscribed = true;
	agent_world_until(world, has_picture);
}

void agent_world_leave(struct agent_world *world)
{
	world->subscribed = false;
	lgmp_unsubscribe(&world->client, &world->frames);
	lgmp_unsubscribe(&world->client, &world->pointer);
}

void agent_world_blank(struct agent_world *world)
{
	fake_card_blank(&world->card);
	for (int i = 0; i < TURNS; i++) {
		assert_int_equal(agent_turn(world->agent, 0), 0);
	}
	reader_look(world);
	while (seat_read(world)) {
	}
}

void agent_world_expect(struct agent_world *world)
{
	const struct card_screen *screen = &world->card.screen;
	const struct card_buffer *buffer = &world->card.buffers[screen->buffer];

	assert_int_equal(world->frame.frame_width, screen->width);
	assert_int_equal(world->frame.frame_height, screen->height);
	for (uint32_t y = 0; y < screen->height; y++) {
		assert_memory_equal(world->picture + (size_t)y * screen->width * 4,
				    buffer->pixels + (size_t)(y + screen->y) * buffer->pitch +
					    (size_t)screen->x * 4,
				    (size_t)screen->width * 4);
	}
}

static unsigned int list_cards(struct agent_message *cards, unsigned int size, void *data)
{
	struct agent_world *world = data;

	assert_true(size >= world->list_count);
	memcpy(cards, world->list, world->list_count * sizeof(*cards));
	return world->list_count;
}

static void make_list(struct agent_world *world)
{
	struct agent_card *card = &world->list[0].card;

	world->list_count = 2;
	world->list[0].slot = WORLD_SLOT;
	card->state = AGENT_CARD_DARK;
	memcpy(card->driver, "fake", 5);
	memcpy(card->node, "card1", 6);
	world->list[1].slot = (struct agent_slot){ 0, 2, 0 };
	world->list[1].card.state = AGENT_CARD_NO_DRIVER;
}

static void make_memory(struct agent_world *world, size_t size)
{
	struct kvmfr_producer_config config = { .version = KVMFR_VERSION_B7,
						.producer = "test",
						.cursor_size = 64 * 64 * 4 };

	world->size = size;
	world->fd = memfd_create("memory", MFD_CLOEXEC);
	assert_int_equal(ftruncate(world->fd, (off_t)size), 0);
	world->memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, world->fd, 0);
	assert_true(world->memory != MAP_FAILED);
	assert_int_equal(kvmfr_producer_create(world->memory, size, &config,
					       clock_now_ns() / NSEC_PER_MSEC, &world->producer),
			 0);
	assert_int_equal(shared_memory_open(&world->shared, world->fd, size), 0);
	lgmp_client_init(&world->client, &world->shared, 1);
}

static int make_port(struct agent_world *world)
{
	int ends[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
	assert_int_equal(fcntl(ends[1], F_SETFL, O_NONBLOCK), 0);
	world->seat = ends[0];
	return ends[1];
}

struct agent_world *agent_world_create(size_t memory, bool with_port)
{
	struct agent_world *world = calloc(1, sizeof(*world));
	struct agent_config config = { .ops = &fake_ops,
				       .port = -1,
				       .look_for_readers = !with_port,
				       .slot = WORLD_SLOT,
				       .roots = { "/nowhere", "/nowhere" },
				       .list = list_cards };

	assert_non_null(world);
	world->seat = -1;
	make_list(world);
	make_memory(world, memory);
	world->card.has_vblank = true;
	world->card.screen = (struct card_screen){ .crtc = 40,
						   .width = WORLD_WIDTH,
						   .height = WORLD_HEIGHT,
						   .refresh = 60000,
						   .buffer = 1 };
	for (uint32_t i = 1; i <= 3; i++) {
		fake_card_buffer(&world->card, i, WORLD_WIDTH, WORLD_HEIGHT, DRM_FORMAT_XRGB8888,
				 4);
		fake_card_fill(&world->card, i,
			       (struct kvmfr_rect){ 0, 0, WORLD_WIDTH, WORLD_HEIGHT },
			       0x202020 * i);
	}
	config.card = &world->card;
	config.producer = world->producer;
	config.data = world;
	config.port = with_port ? make_port(world) : -1;
	assert_int_equal(agent_create(&config, &world->agent), 0);
	return world;
}

void agent_world_destroy(struct agent_world *world)
{
	agent_destroy(world->agent);
	assert_false(world->card.awake);
	kvmfr_producer_destroy(world->producer);
	shared_memory_close(&world->shared);
	munmap(world->memory, world->size);
	close(world->fd);
	if (world->seat >= 0) {
		close(world->seat);
	}
	for (int i = 0; i <= WORLD_BUFFERS; i++) {
		free(world->card.pixels[i]);
	}
	free(world->picture);
	free(world);
}

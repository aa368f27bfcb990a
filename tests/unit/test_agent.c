// SPDX-License-Identifier: MIT
/* The guest's agent: who wants pictures, what is read for it, and what the seat is told. */
#include "tests/unit/test.h"

#include <drm_fourcc.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/clock.h"
#include "tests/unit/agent_world.h"

#define MEMORY (2u << 20)

static int set_up(void **state)
{
	*state = agent_world_create(MEMORY, true);
	return 0;
}

static int set_up_without_port(void **state)
{
	*state = agent_world_create(MEMORY, false);
	return 0;
}

static int tear_down(void **state)
{
	agent_world_destroy(*state);
	return 0;
}

/* The seed is printed, and taken from BATON_TEST_SEED. */
static void seed_random(void)
{
	const char *given = getenv("BATON_TEST_SEED");
	unsigned int seed =
		given ? (unsigned int)strtoul(given, NULL, 0) : (unsigned int)clock_now_ns();

	print_message("seed %u\n", seed);
	srandom(seed);
}

static struct relay_counts counts(const struct agent_world *world)
{
	return *agent_counts(world->agent);
}

/* ---- who wants pictures ---- */

static void test_asleep(void **state)
{
	struct agent_world *world = *state;

	assert_true(agent_is_asleep(world->agent));
	assert_int_equal(agent_world_receive(world, AGENT_HELLO)->hello.features,
			 AGENT_FEATURE_CAPTURE | AGENT_FEATURE_RELEASE);
	agent_world_send(world, AGENT_HELLO);
	agent_world_receive(world, AGENT_HELLO);
	agent_world_blank(world);
	assert_true(agent_is_asleep(world->agent));
	assert_false(world->card.awake);
	assert_int_equal(counts(world).looks, 0);
}

static void test_subscription(void **state)
{
	struct agent_world *world = *state;

	agent_world_send(world, AGENT_HELLO);
	agent_world_send(world, AGENT_SUBSCRIBE);
	assert_int_equal(agent_world_receive(world, AGENT_RING)->ring.what, AGENT_RING_UNREAD);
	/* Nobody reads the shared memory yet. */
	assert_false(world->card.awake && world->card.wakes > 1);
	agent_world_watch(world);
	agent_world_expect(world);
	assert_true(world->card.awake);
	assert_true(world->rings[0] > 0);
	agent_world_send(world, AGENT_UNSUBSCRIBE);
	agent_world_blank(world);
	assert_true(agent_is_asleep(world->agent));
	assert_false(world->card.awake);
}

/* An agent that comes while the seat is there: the seat has greeted another one. */
static void test_agent_comes_later(void **state)
{
	struct agent_world *world = *state;

	agent_world_receive(world, AGENT_HELLO);
	assert_int_equal(agent_world_receive(world, AGENT_CARD)->card.state, AGENT_CARD_LIT);
	agent_world_send(world, AGENT_SUBSCRIBE);
	agent_world_receive(world, AGENT_RING);
	assert_false(agent_is_asleep(world->agent));
}

static void test_hello_ends_subscription(void **state)
{
	struct agent_world *world = *state;

	agent_world_watch(world);
	agent_world_send(world, AGENT_HELLO);
	agent_world_blank(world);
	assert_true(agent_is_asleep(world->agent));
}

static void test_seat_gone(void **state)
{
	struct agent_world *world = *state;

	agent_world_watch(world);
	close(world->seat);
	world->seat = -1;
	agent_world_blank(world);
	assert_true(agent_is_asleep(world->agent));
	assert_false(world->card.awake);
}

static bool card_closed(struct agent_world *world)
{
	return !world->card.awake;
}

static void test_reader_gone(void **state)
{
	struct agent_world *world = *state;
	unsigned int unread;

	agent_world_watch(world);
	unread = world->rings[2];
	agent_world_leave(world);
	agent_world_until(world, card_closed);
	assert_false(agent_is_asleep(world->agent));
	assert_true(world->rings[2] > unread);
	agent_world_watch(world);
	agent_world_expect(world);
}

static void test_without_port(void **state)
{
	struct agent_world *world = *state;

	assert_false(agent_is_asleep(world->agent));
	assert_false(world->card.awake);
	agent_world_watch(world);
	agent_world_expect(world);
	agent_world_leave(world);
	agent_world_until(world, card_closed);
}

static void test_other_protocol(void **state)
{
	struct agent_world *world = *state;
	struct agent_message hello = { .magic = AGENT_MAGIC, .verb = AGENT_HELLO };

	hello.hello.protocol = AGENT_PROTOCOL + 1;
	assert_int_equal(send(world->seat, &hello, sizeof(hello), 0), sizeof(hello));
	agent_world_send(world, AGENT_SUBSCRIBE);
	assert_int_equal(agent_world_receive(world, AGENT_HELLO)->hello.protocol, AGENT_PROTOCOL);
	agent_world_blank(world);
	assert_true(agent_is_asleep(world->agent));
}

/* Bytes that are no message are dropped, and the next message is understood. */
static void test_noise(void **state)
{
	struct agent_world *world = *state;
	uint32_t magic = AGENT_MAGIC;
	uint8_t noise[512];

	seed_random();
	for (int round = 0; round < 200; round++) {
		size_t size = 1 + (size_t)random() % (sizeof(noise) - 1);

		for (size_t i = 0; i < size; i++) {
			noise[i] = (uint8_t)random();
		}
		if (size > 8 && round % 2) {
			memcpy(noise + (size_t)random() % (size - 4), &magic, sizeof(magic));
		}
		assert_int_equal(send(world->seat, noise, size, 0), size);
		agent_world_blank(world);
		assert_true(agent_is_asleep(world->agent));
	}
	/* What began in the noise may need one whole message to be found out. */
	agent_world_send(world, AGENT_UNSUBSCRIBE);
	agent_world_watch(world);
	agent_world_expect(world);
}

/* ---- pictures ---- */

static void show(struct agent_world *world, uint32_t buffer)
{
	world->card.screen.buffer = buffer;
	agent_world_blank(world);
}

static void test_front_drawing(void **state)
{
	struct agent_world *world = *state;
	unsigned int frames;

	agent_world_watch(world);
	agent_world_blank(world);
	frames = world->frame_count;
	for (uint32_t i = 0; i < 10; i++) {
		fake_card_fill(&world->card, 1, (struct kvmfr_rect){ 70 + i, 70, 2, 2 }, 0xff + i);
		world->damaged = 0;
		agent_world_blank(world);
		agent_world_expect(world);
		assert_int_equal(world->damaged, 64 * 64);
	}
	assert_int_equal(world->frame_count, frames + 10);
	/* Nothing new: it is read, and not written. */
	agent_world_blank(world);
	assert_int_equal(world->frame_count, frames + 10);
}

static void test_flips(void **state)
{
	struct agent_world *world = *state;
	uint64_t reads;

	agent_world_watch(world);
	for (uint32_t i = 0; i < 12; i++) {
		fake_card_fill(&world->card, 1 + i % 2, (struct kvmfr_rect){ 0, i, 8, 1 }, i);
		show(world, 1 + i % 2);
		agent_world_expect(world);
	}
	reads = counts(world).reads;
	for (int i = 0; i < 50; i++) {
		agent_world_blank(world);
	}
	assert_int_equal(counts(world).reads, reads);
	/* One read for each flip. */
	for (uint32_t i = 0; i < 12; i++) {
		show(world, 1 + i % 2);
		agent_world_blank(world);
	}
	assert_int_equal(counts(world).reads, reads + 12);
}

/* From a compositor to the text console, which draws into what is shown. */
static void test_console_after_flips(void **state)
{
	struct agent_world *world = *state;

	agent_world_watch(world);
	for (uint32_t i = 0; i < 12; i++) {
		show(world, 1 + i % 2);
	}
	show(world, 3);
	agent_world_expect(world);
	for (uint32_t i = 0; i < 5; i++) {
		fake_card_fill(&world->card, 3, (struct kvmfr_rect){ 10 * i, 10, 5, 5 }, 0xffffff);
		agent_world_blank(world);
		agent_world_expect(world);
	}
}

/* The same number for other memory. */
static void test_number_again(void **state)
{
	struct agent_world *world = *state;

	agent_world_watch(world);
	for (uint32_t i = 0; i < 12; i++) {
		show(world, 1 + i % 2);
	}
	fake_card_buffer(&world->card, world->card.screen.buffer, WORLD_WIDTH, WORLD_HEIGHT,
			 DRM_FORMAT_XRGB8888, 4);
	agent_world_blank(world);
	agent_world_expect(world);
}

static void test_mode(void **state)
{
	struct agent_world *world = *state;
	uint32_t version;

	agent_world_watch(world);
	version = world->frame.format_version;
	fake_card_buffer(&world->card, 4, 130, 70, DRM_FORMAT_XRGB8888, 4);
	fake_card_fill(&world->card, 4, (struct kvmfr_rect){ 100, 60, 30, 10 }, 0x123456);
	world->card.screen.width = 130;
	world->card.screen.height = 70;
	show(world, 4);
	agent_world_expect(world);
	assert_int_not_equal(world->frame.format_version, version);
	agent_world_send(world, AGENT_HELLO);
	assert_int_equal(agent_world_receive(world, AGENT_CARD)->card.width, 130);
}

/* Between two modes the screen may be said to be larger than its buffer. */
static void test_screen_outside_buffer(void **state)
{
	struct agent_world *world = *state;
	unsigned int frames;

	agent_world_watch(world);
	frames = world->frame_count;
	world->card.screen.width = WORLD_WIDTH + 1;
	agent_world_blank(world);
	world->card.screen.width = WORLD_WIDTH;
	world->card.screen.y = 1;
	agent_world_blank(world);
	assert_int_equal(world->frame_count, frames);
	world->card.screen.y = 0;
	agent_world_blank(world);
	agent_world_expect(world);
}

static void test_panning(void **state)
{
	struct agent_world *world = *state;

	agent_world_watch(world);
	fake_card_buffer(&world->card, 4, 300, 300, DRM_FORMAT_XRGB8888, 4);
	fake_card_fill(&world->card, 4, (struct kvmfr_rect){ 90, 150, 30, 50 }, 0xabcdef);
	world->card.screen.x = 80;
	world->card.screen.y = 100;
	show(world, 4);
	agent_world_expect(world);
}

static void test_formats(void **state)
{
	struct agent_world *world = *state;
	const uint8_t yellow_565[] = { 0xe0, 0xff };
	uint32_t p = 1023u << 20 | 1u;

	agent_world_watch(world);
	fake_card_buffer(&world->card, 4, WORLD_WIDTH, WORLD_HEIGHT, DRM_FORMAT_RGB565, 2);
	memcpy(world->card.pixels[4], yellow_565, 2);
	show(world, 4);
	assert_memory_equal(world->picture, "\x00\xff\xff\xff\x00\x00\x00\xff", 8);
	fake_card_buffer(&world->card, 5, WORLD_WIDTH, WORLD_HEIGHT, DRM_FORMAT_XRGB2101010, 4);
	memcpy(world->card.pixels[5], &p, 4);
	show(world, 5);
	assert_int_equal(world->frame.format, KVMFR_FORMAT_RGBA10);
	memcpy(&p, world->picture, 4);
	assert_int_equal(p, 1023u | 1u << 20);
	fake_card_buffer(&world->card, 6, WORLD_WIDTH, WORLD_HEIGHT, DRM_FORMAT_YUYV, 2);
	show(world, 6);
	show(world, 1);
	agent_world_expect(world);
}

/* What cannot be read is not shown as anything else, and is read as soon as it can be. */
static void test_unreadable(void **state)
{
	struct agent_world *world = *state;
	unsigned int frames;

	agent_world_watch(world);
	for (uint32_t i = 0; i < 12; i++) {
		show(world, 1 + i % 2);
	}
	frames = world->frame_count;
	world->card.read_error = -EOPNOTSUPP;
	fake_card_fill(&world->card, 1, (struct kvmfr_rect){ 0, 0, 9, 9 }, 0x31);
	show(world, 1);
	assert_int_equal(world->frame_count, frames);
	world->card.read_error = 0;
	agent_world_blank(world);
	agent_world_expect(world);
}

static void test_dark(void **state)
{
	struct agent_world *world = *state;
	struct card_screen lit = world->card.screen;

	agent_world_watch(world);
	world->card.screen = (struct card_screen){ 0 };
	fake_card_blank(&world->card);
	assert_int_equal(agent_world_receive(world, AGENT_CARD)->card.state, AGENT_CARD_DARK);
	world->card.screen = lit;
	assert_int_equal(agent_world_receive(world, AGENT_CARD)->card.state, AGENT_CARD_LIT);
	fake_card_fill(&world->card, 1, (struct kvmfr_rect){ 0, 0, 1, 1 }, 0x99);
	agent_world_blank(world);
	agent_world_expect(world);
}

static bool reader_equal(struct agent_world *world)
{
	return memcmp(world->picture, world->card.buffers[1].pixels, 4) == 0;
}

static bool looked_often(struct agent_world *world)
{
	return world->card.looks >= 40;
}

/* A driver that tells no vertical blanks, as 6.12's virtio-gpu: by the mode's rate. */
static void test_timer(void **state)
{
	struct agent_world *world = *state;
	uint64_t began;

	world->card.has_vblank = false;
	world->card.screen.refresh = 500000;
	agent_world_watch(world);
	fake_card_fill(&world->card, 1, (struct kvmfr_rect){ 0, 0, 1, 1 }, 0x778899);
	agent_world_until(world, reader_equal);
	agent_world_expect(world);
	/* 80 ms, if the machine has nothing else to do; far from the 4 s of a heart that beats. */
	world->card.looks = 0;
	began = clock_now_ns();
	agent_world_until(world, looked_often);
	assert_true(clock_now_ns() - began < 2 * NSEC_PER_SEC);
}

/* ---- the pointer ---- */

static void test_pointer(void **state)
{
	struct agent_world *world = *state;
	struct card_cursor *cursor = &world->card.screen.cursor;
	unsigned int told;

	agent_world_watch(world);
	assert_false(world->cursor_flags & KVMFR_CURSOR_VISIBLE);
	fake_card_buffer(&world->card, 7, 64, 64, DRM_FORMAT_ARGB8888, 4);
	fake_card_fill(&world->card, 7, (struct kvmfr_rect){ 0, 0, 5, 5 }, 0xffaa5511);
	*cursor = (struct card_cursor){ .buffer = 7, .x = -3, .y = 20, .hot_x = 2, .hot_y = 1 };
	agent_world_blank(world);
	assert_int_equal(world->cursor_flags,
			 KVMFR_CURSOR_POSITION | KVMFR_CURSOR_VISIBLE | KVMFR_CURSOR_SHAPE);
	assert_int_equal(world->cursor.x, -3);
	assert_int_equal(world->cursor.hot_x, 2);
	assert_memory_equal(world->shape, "\x11\x55\xaa\xff", 4);
	told = world->cursor_count;
	agent_world_blank(world);
	assert_int_equal(world->cursor_count, told);
	/* It moves: the image is not sent again. */
	cursor->x = 50;
	agent_world_blank(world);
	assert_int_equal(world->cursor_flags, KVMFR_CURSOR_POSITION | KVMFR_CURSOR_VISIBLE);
	assert_int_equal(world->cursor.x, 50);
	/* Another image in the same memory. */
	fake_card_fill(&world->card, 7, (struct kvmfr_rect){ 0, 0, 5, 5 }, 0xff000001);
	cursor->x = 51;
	agent_world_blank(world);
	assert_memory_equal(world->shape, "\x01\x00\x00\xff", 4);
	cursor->buffer = 0;
	agent_world_blank(world);
	assert_int_equal(world->cursor_flags, KVMFR_CURSOR_POSITION);
	/* The picture was not touched by it. */
	assert_int_equal(world->frame_count, 1);
}

/* An image that changes although the pointer stays is seen after some looks. */
static void test_pointer_changes_in_place(void **state)
{
	struct agent_world *world = *state;

	agent_world_watch(world);
	fake_card_buffer(&world->card, 7, 32, 32, DRM_FORMAT_ARGB8888, 4);
	world->card.screen.cursor.buffer = 7;
	agent_world_blank(world);
	fake_card_fill(&world->card, 7, (struct kvmfr_rect){ 0, 0, 1, 1 }, 0xff00ff00);
	for (int i = 0; i < 20; i++) {
		agent_world_blank(world);
	}
	assert_memory_equal(world->shape, "\x00\xff\x00\xff", 4);
}

/* ---- cards ---- */

static void test_cards(void **state)
{
	struct agent_world *world = *state;
	const struct agent_message *told;

	agent_world_send(world, AGENT_HELLO);
	told = agent_world_receive(world, AGENT_CARD);
	assert_int_equal(told->card.state, AGENT_CARD_LIT);
	assert_int_equal(told->card.captured, 1);
	assert_int_equal(told->card.width, WORLD_WIDTH);
	assert_int_equal(told->card.refresh, 60000);
	assert_string_equal(told->card.driver, "fake");
	assert_int_equal(agent_world_receive(world, AGENT_CARD)->card.state, AGENT_CARD_NO_DRIVER);
	/* It was asked and closed again. */
	assert_false(world->card.awake);
	world->list_count = 1;
	agent_look_at_cards(world->agent);
	told = agent_world_receive(world, AGENT_CARD);
	assert_int_equal(told->card.state, AGENT_CARD_GONE);
	assert_int_equal(told->slot.bus, 2);
	world->list_count = 0;
	agent_look_at_cards(world->agent);
	assert_int_equal(agent_world_receive(world, AGENT_CARD)->card.captured, 1);
	assert_int_equal(agent_run(world->agent), 0);
}

static void test_card_gone(void **state)
{
	struct agent_world *world = *state;

	agent_world_watch(world);
	world->card.error = -ENODEV;
	agent_world_blank(world);
	assert_false(world->card.awake);
	/* The kernel is a little slower. */
	world->list_count = 0;
	assert_int_equal(agent_world_receive(world, AGENT_CARD)->card.state, AGENT_CARD_GONE);
	assert_int_equal(agent_run(world->agent), 0);
}

static void test_card_gone_while_asleep(void **state)
{
	struct agent_world *world = *state;

	world->card.wake_error = -ENOENT;
	agent_world_send(world, AGENT_HELLO);
	agent_world_send(world, AGENT_SUBSCRIBE);
	agent_world_receive(world, AGENT_RING);
	lgmp_client_look(&world->client, 1, true);
	assert_int_equal(lgmp_subscribe(&world->client, KVMFR_QUEUE_FRAME, &world->frames), 0);
	assert_int_equal(agent_run(world->agent), 0);
}

static void test_release_unknown(void **state)
{
	struct agent_world *world = *state;
	const struct agent_message *done;

	agent_world_watch(world);
	agent_world_send(world, AGENT_RELEASE);
	done = agent_world_receive(world, AGENT_DONE);
	assert_int_equal(done->done.error, -ENODEV);
	assert_int_equal(done->serial, 7);
	assert_int_equal(done->slot.bus, WORLD_SLOT.bus);
	/* It failed, so the picture goes on. */
	fake_card_fill(&world->card, 1, (struct kvmfr_rect){ 0, 0, 1, 1 }, 0x99);
	agent_world_until(world, reader_equal);
}

/* ---- anything ---- */

static void random_step(struct agent_world *world)
{
	/* Not the one that is shown: a compositor never draws into that. */
	uint32_t buffer = 1 + (world->card.screen.buffer + (uint32_t)random() % 2) % 3;
	struct kvmfr_rect rect = { (uint32_t)random() % WORLD_WIDTH,
				   (uint32_t)random() % WORLD_HEIGHT, 1, 1 };

	rect.width += (uint32_t)random() % (WORLD_WIDTH - rect.x);
	rect.height += (uint32_t)random() % (WORLD_HEIGHT - rect.y);
	switch (random() % 8) {
	case 0:
		world->card.screen.cursor.x++;
		break;
	case 1:
		agent_world_leave(world);
		world->subscribed = true;
		break;
	case 2:
		world->holds = !world->holds;
		break;
	default:
		fake_card_fill(&world->card, buffer, rect, (uint32_t)random() & 0xffffff);
		world->card.screen.buffer = buffer;
	}
	agent_world_blank(world);
}

static bool is_shown(struct agent_world *world)
{
	const struct card_buffer *buffer = &world->card.buffers[world->card.screen.buffer];

	for (uint32_t y = 0; y < WORLD_HEIGHT; y++) {
		if (memcmp(world->picture + (size_t)y * WORLD_WIDTH * 4,
			   buffer->pixels + (size_t)y * buffer->pitch, WORLD_WIDTH * 4) != 0) {
			return false;
		}
	}
	return true;
}

static void test_random(void **state)
{
	struct agent_world *world = *state;

	seed_random();
	agent_world_watch(world);
	for (int round = 0; round < 40; round++) {
		for (int i = 0; i < 10; i++) {
			random_step(world);
		}
		world->holds = false;
		agent_world_until(world, is_shown);
	}
}

int main(void)
{
#define WITH(test, setup) cmocka_unit_test_setup_teardown(test, setup, tear_down)
	const struct CMUnitTest tests[] = {
		WITH(test_asleep, set_up),
		WITH(test_subscription, set_up),
		WITH(test_agent_comes_later, set_up),
		WITH(test_hello_ends_subscription, set_up),
		WITH(test_seat_gone, set_up),
		WITH(test_reader_gone, set_up),
		WITH(test_without_port, set_up_without_port),
		WITH(test_other_protocol, set_up),
		WITH(test_noise, set_up),
		WITH(test_front_drawing, set_up),
		WITH(test_flips, set_up),
		WITH(test_console_after_flips, set_up),
		WITH(test_number_again, set_up),
		WITH(test_mode, set_up),
		WITH(test_screen_outside_buffer, set_up),
		WITH(test_panning, set_up),
		WITH(test_formats, set_up),
		WITH(test_unreadable, set_up),
		WITH(test_dark, set_up),
		WITH(test_timer, set_up),
		WITH(test_pointer, set_up),
		WITH(test_pointer_changes_in_place, set_up),
		WITH(test_cards, set_up),
		WITH(test_card_gone, set_up),
		WITH(test_card_gone_while_asleep, set_up),
		WITH(test_release_unknown, set_up),
		WITH(test_random, set_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

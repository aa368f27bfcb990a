// SPDX-License-Identifier: MIT
/* When there is a source for the picture of a guest's card, and when it is another one. */
#include "tests/unit/test.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agent/kvmfr_producer.h"
#include "capture/guest_picture.h"
#include "common/clock.h"
#include "proto/agent.h"
#include "tests/unit/fake_vm.h"
#include "tests/unit/loop.h"

#define SIZE (16u << 20)
#define DEADLINE_MS 20000

struct fixture {
	sd_event *event;
	struct vm *vm;
	struct vm_config *config;
	struct guest_picture *picture;
	int fd, agent; /* the memory; the guest's end of the port, or -1 */
	uint8_t *memory;
	struct kvmfr_producer *producer; /* NULL: none runs in the guest */
	bool still;                      /* its heart stands still */
	uint32_t width;                  /* of the picture that is sent until it is seen */
};

static uint64_t now_ms(void)
{
	return clock_now_ns() / NSEC_PER_MSEC;
}

static void start_producer(struct fixture *f)
{
	const struct kvmfr_producer_config config = { .version = KVMFR_VERSION_B7,
						      .seed = (uint32_t)now_ms(),
						      .producer = "test" };

	assert_int_equal(kvmfr_producer_create(f->memory, SIZE, &config, now_ms(), &f->producer), 0);
}

static void end_producer(struct fixture *f)
{
	kvmfr_producer_destroy(f->producer);
	f->producer = NULL;
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_true(sd_event_new(&f->event) >= 0);
	f->config = vm_config_create("guest");
	f->config->lends = true;
	f->agent = -1;
	f->vm = fake_vm_create(f->event, "guest");
	fake_vm_set_config(f->vm, f->config);
	f->fd = memfd_create("shared", MFD_CLOEXEC);
	assert_int_equal(ftruncate(f->fd, SIZE), 0);
	f->memory = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, f->fd, 0);
	assert_true(f->memory != MAP_FAILED);
	fake_vm_set_shared(f->vm, f->fd, SIZE);
	assert_int_equal(guest_picture_create(f->event, f->vm, &f->picture), 0);
	guest_picture_set_interval(f->picture, 2000);
	frame_source_set_watched(guest_picture_source(f->picture), true);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	guest_picture_destroy(f->picture);
	end_producer(f);
	fake_vm_destroy(f->vm);
	vm_config_destroy(f->config);
	munmap(f->memory, SIZE);
	close(f->fd);
	if (f->agent >= 0) {
		close(f->agent);
	}
	sd_event_unref(f->event);
	free(f);
	return 0;
}

/* QEMU starts with a port, whose other end is f->agent. */
static void add_port(struct fixture *f)
{
	int pair[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair),
			 0);
	f->agent = pair[1];
	fake_vm_set_agent(f->vm, pair[0]);
}

static void start_guest(struct fixture *f)
{
	fake_vm_set_state(f->vm, VM_STATE_RUNNING);
	fake_vm_set_commandable(f->vm, true);
}

/* What the guest does all the time. */
static void live(struct fixture *f)
{
	const struct kvmfr_picture picture = { .format = KVMFR_FORMAT_BGRA,
					       .width = f->width,
					       .height = 8,
					       .pitch = f->width * 4 };
	uint8_t *pixels;

	if (!f->producer) {
		return;
	}
	if (!f->still) {
		kvmfr_producer_tick(f->producer, now_ms());
	}
	if (f->width && kvmfr_producer_begin(f->producer, &picture, &pixels) == 0) {
		memset(pixels, 0, picture.pitch * picture.height);
		kvmfr_producer_end(f->producer);
	}
}

static bool is_shown(void *data)
{
	struct fixture *f = data;
	const struct frame *frame = guest_picture_source(f->picture)->frame;

	live(f);
	return guest_picture_shown(f->picture) == SOURCE_CARD && frame && frame->width == f->width;
}

static void show(struct fixture *f, uint32_t width)
{
	uint64_t end = now_ms() + DEADLINE_MS;

	f->width = width;
	while (!is_shown(f)) {
		assert_true(now_ms() < end);
		assert_true(sd_event_run(f->event, 1000) >= 0);
	}
	f->width = 0;
}

static bool says(struct fixture *f, const char *part)
{
	const char *obstacle = guest_picture_obstacle(f->picture);

	return obstacle && strstr(obstacle, part);
}

static void expect_nothing(struct fixture *f)
{
	assert_int_equal(guest_picture_shown(f->picture), SOURCE_NONE);
	assert_null(guest_picture_obstacle(f->picture));
}

static void say(struct fixture *f, enum agent_verb verb, uint32_t card_state)
{
	struct agent_message message = { .magic = AGENT_MAGIC, .verb = verb };

	if (verb == AGENT_HELLO) {
		message.hello.protocol = AGENT_PROTOCOL;
		message.hello.features = AGENT_FEATURE_CAPTURE;
	} else if (verb == AGENT_RING) {
		message.ring.what = AGENT_RING_FRAME;
	} else {
		message.card.state = card_state;
		message.card.captured = 1;
		message.card.width = card_state == AGENT_CARD_LIT ? 64 : 0;
		message.card.height = message.card.width;
	}
	assert_int_equal(write(f->agent, &message, sizeof(message)), sizeof(message));
	while (sd_event_run(f->event, 0) > 0) {
	}
}

/* The last of the seat's messages that have come; 0: none has. */
static uint32_t last_verb(struct fixture *f)
{
	struct agent_message message = { 0 }, last = { 0 };

	while (read(f->agent, &message, sizeof(message)) == sizeof(message)) {
		last = message;
	}
	return last.verb;
}

static void test_looked_at_while_the_guest_has_a_card(void **state)
{
	struct fixture *f = *state;

	start_producer(f);
	expect_nothing(f);
	guest_picture_set_card(f->picture, true);
	expect_nothing(f); /* no QEMU yet */
	start_guest(f);
	assert_true(says(f, "nobody has looked yet"));
	show(f, 64);
	assert_null(guest_picture_obstacle(f->picture));
	guest_picture_set_card(f->picture, false);
	expect_nothing(f);
	guest_picture_set_card(f->picture, true);
	assert_int_equal(guest_picture_shown(f->picture), SOURCE_NONE); /* not what was before */
	show(f, 80);
}

static void test_memory_that_was_asked_for_needs_no_card(void **state)
{
	struct fixture *f = *state;

	f->config->lends = false;
	start_producer(f);
	start_guest(f);
	show(f, 64);
}

static void test_ends_with_qemu(void **state)
{
	struct fixture *f = *state;

	start_producer(f);
	guest_picture_set_card(f->picture, true);
	start_guest(f);
	show(f, 64);
	/* A lost connection is nothing. */
	fake_vm_set_commandable(f->vm, false);
	assert_int_equal(guest_picture_shown(f->picture), SOURCE_CARD);
	fake_vm_set_state(f->vm, VM_STATE_STOPPED);
	expect_nothing(f);
	start_guest(f);
	show(f, 80);
}

static void test_a_reset_ends_what_was_shown(void **state)
{
	struct fixture *f = *state;

	start_producer(f);
	guest_picture_set_card(f->picture, true);
	start_guest(f);
	show(f, 64);
	fake_vm_emit(f->vm, "STOP", NULL);
	assert_int_equal(guest_picture_shown(f->picture), SOURCE_CARD);
	fake_vm_emit(f->vm, "RESET", NULL);
	assert_int_equal(guest_picture_shown(f->picture), SOURCE_NONE);
	show(f, 80);
}

static void test_guests_without_memory_say_what_to_do(void **state)
{
	struct fixture *f = *state;

	fake_vm_set_shared(f->vm, -1, 0);
	guest_picture_set_card(f->picture, true);
	start_guest(f);
	assert_true(says(f, "start it anew"));
	guest_picture_set_card(f->picture, false);
	expect_nothing(f);
	/* Nobody wanted any. */
	f->config->shared.set = true;
	guest_picture_set_card(f->picture, true);
	expect_nothing(f);
	/* It is there nevertheless: an earlier seat started the guest. */
	guest_picture_set_card(f->picture, false);
	fake_vm_set_shared(f->vm, f->fd, 64);
	guest_picture_set_card(f->picture, true);
	assert_false(says(f, "too small")); /* one guest is not looked at again and again */
	while (!says(f, "too small")) {
		assert_true(sd_event_run(f->event, DEADLINE_MS * 1000ull) > 0);
	}
}

/* As it is watched, and has something to look at. */
static void test_the_agent_is_subscribed_to(void **state)
{
	struct fixture *f = *state;

	add_port(f);
	start_guest(f);
	say(f, AGENT_HELLO, 0);
	assert_int_equal(last_verb(f), AGENT_HELLO);
	guest_picture_set_card(f->picture, true);
	assert_int_equal(last_verb(f), AGENT_SUBSCRIBE);
	frame_source_set_watched(guest_picture_source(f->picture), false);
	assert_int_equal(last_verb(f), AGENT_UNSUBSCRIBE);
	frame_source_set_watched(guest_picture_source(f->picture), true);
	assert_int_equal(last_verb(f), AGENT_SUBSCRIBE);
	guest_picture_set_card(f->picture, false);
	assert_int_equal(last_verb(f), AGENT_UNSUBSCRIBE);
}

static void show_by_agent(struct fixture *f, uint32_t width)
{
	uint64_t end = now_ms() + DEADLINE_MS;

	f->width = width;
	while (!is_shown(f)) {
		assert_true(now_ms() < end);
		say(f, AGENT_RING, 0);
	}
	f->width = 0;
}

static void test_the_agent_rings(void **state)
{
	struct fixture *f = *state;

	add_port(f);
	guest_picture_set_card(f->picture, true);
	start_guest(f);
	say(f, AGENT_HELLO, 0);
	say(f, AGENT_CARD, AGENT_CARD_LIT);
	start_producer(f);
	show_by_agent(f, 64);
	/* A change of mode is short. */
	say(f, AGENT_CARD, AGENT_CARD_DARK);
	say(f, AGENT_CARD, AGENT_CARD_LIT);
	assert_int_equal(guest_picture_shown(f->picture), SOURCE_CARD);
	say(f, AGENT_CARD, AGENT_CARD_DARK);
	assert_int_equal(guest_picture_shown(f->picture), SOURCE_CARD);
	while (guest_picture_shown(f->picture) != SOURCE_NONE) {
		live(f);
		assert_true(sd_event_run(f->event, DEADLINE_MS * 1000ull) > 0);
	}
	say(f, AGENT_CARD, AGENT_CARD_LIT);
	show_by_agent(f, 80);
	say(f, AGENT_CARD, AGENT_CARD_GONE);
	expect_nothing(f);
	assert_int_equal(last_verb(f), AGENT_SUBSCRIBE); /* it says when one is there */
	say(f, AGENT_CARD, AGENT_CARD_LIT);
	show_by_agent(f, 96);
}

static void emit_port(struct fixture *f, const char *id, bool open)
{
	json_t *args = json_pack("{s:s,s:b}", "id", id, "open", open);

	fake_vm_emit(f->vm, "VSERPORT_CHANGE", args);
	json_decref(args);
}

static void test_the_agents_end_is_seen_at_once(void **state)
{
	struct fixture *f = *state;

	add_port(f);
	guest_picture_set_card(f->picture, true);
	start_guest(f);
	say(f, AGENT_HELLO, 0);
	start_producer(f);
	show_by_agent(f, 64);
	emit_port(f, "another", false);
	emit_port(f, AGENT_PORT_ID, true);
	assert_int_equal(guest_picture_shown(f->picture), SOURCE_CARD);
	emit_port(f, AGENT_PORT_ID, false);
	assert_int_equal(guest_picture_shown(f->picture), SOURCE_NONE);
	say(f, AGENT_HELLO, 0);
	assert_int_equal(last_verb(f), AGENT_HELLO);
	say(f, AGENT_HELLO, 0);
	assert_int_equal(last_verb(f), AGENT_SUBSCRIBE);
	show_by_agent(f, 80);
}

static void test_another_agent_is_named(void **state)
{
	struct fixture *f = *state;
	struct agent_message hello = { .magic = AGENT_MAGIC,
				       .verb = AGENT_HELLO,
				       .hello = { .protocol = AGENT_PROTOCOL + 1 } };

	add_port(f);
	guest_picture_set_card(f->picture, true);
	start_guest(f);
	assert_int_equal(write(f->agent, &hello, sizeof(hello)), sizeof(hello));
	while (!says(f, "baton-agent in the guest is too new")) {
		assert_true(sd_event_run(f->event, 1000000) > 0);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(test_looked_at_while_the_guest_has_a_card),
		TEST(test_memory_that_was_asked_for_needs_no_card),
		TEST(test_ends_with_qemu),
		TEST(test_a_reset_ends_what_was_shown),
		TEST(test_guests_without_memory_say_what_to_do),
		TEST(test_the_agent_is_subscribed_to),
		TEST(test_the_agent_rings),
		TEST(test_the_agents_end_is_seen_at_once),
		TEST(test_another_agent_is_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

// SPDX-License-Identifier: MIT
/* The seat's end of the port to baton-agent, with the guest's end in the test's hands. */
#include "tests/unit/test.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "capture/agent_link.h"

struct fixture {
	sd_event *event;
	struct agent_link *link;
	int guest; /* the other end */
	unsigned int changes, rings, answers;
	int error; /* of the last answer */
	char text[160];
};

static void note_change(void *data)
{
	((struct fixture *)data)->changes++;
}

static void note_ring(void *data)
{
	((struct fixture *)data)->rings++;
}

static void note_release(void *data, int error, const char *text)
{
	struct fixture *f = data;

	f->answers++;
	f->error = error;
	snprintf(f->text, sizeof(f->text), "%s", text);
}

static const struct agent_link_handlers handlers = { note_change, note_ring, note_release };

/* Until nothing is left to do. */
static void run(struct fixture *f)
{
	while (sd_event_run(f->event, 0) > 0) {
	}
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	int pair[2];

	assert_true(sd_event_new(&f->event) >= 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair),
			 0);
	f->guest = pair[1];
	assert_int_equal(agent_link_create(f->event, pair[0], &handlers, f, &f->link), 0);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	agent_link_destroy(f->link);
	close(f->guest);
	sd_event_unref(f->event);
	free(f);
	return 0;
}

/* The next message of the seat; its verb is 0 when there is none. */
static struct agent_message take(struct fixture *f)
{
	struct agent_message message = { 0 };
	ssize_t n = read(f->guest, &message, sizeof(message));

	if (n > 0) {
		assert_int_equal(n, sizeof(message));
		assert_true(agent_message_is_legal(&message, false));
	}
	return message;
}

static void put(struct fixture *f, const void *bytes, size_t size)
{
	assert_int_equal(write(f->guest, bytes, size), size);
	run(f);
}

static struct agent_message hello_of(uint32_t protocol, uint32_t features)
{
	return (struct agent_message){ .magic = AGENT_MAGIC,
				       .verb = AGENT_HELLO,
				       .hello = { .protocol = protocol, .features = features } };
}

static void ring(struct fixture *f)
{
	struct agent_message bell = { .magic = AGENT_MAGIC, .verb = AGENT_RING };

	bell.ring.what = AGENT_RING_FRAME;
	put(f, &bell, sizeof(bell));
}

/* The answer, where a HELLO of the seat is open. */
static void say_hello(struct fixture *f)
{
	struct agent_message hello =
		hello_of(AGENT_PROTOCOL, AGENT_FEATURE_CAPTURE | AGENT_FEATURE_RELEASE);

	put(f, &hello, sizeof(hello));
}

/* As an agent that starts does, and answers then. */
static void start_agent(struct fixture *f)
{
	say_hello(f);
	assert_int_equal(take(f).verb, AGENT_HELLO);
	say_hello(f);
}

static struct agent_message card_of(uint32_t state, uint32_t captured)
{
	struct agent_message card = { .magic = AGENT_MAGIC, .verb = AGENT_CARD };

	card.slot.bus = 1;
	card.card.state = state;
	card.card.captured = captured;
	card.card.width = state == AGENT_CARD_LIT ? 640 : 0;
	card.card.height = state == AGENT_CARD_LIT ? 480 : 0;
	return card;
}

static void test_greets_and_subscribes_when_greeted(void **state)
{
	struct fixture *f = *state;
	struct agent_message hello = take(f);

	assert_int_equal(hello.verb, AGENT_HELLO);
	assert_int_equal(hello.hello.protocol, AGENT_PROTOCOL);
	agent_link_subscribe(f->link, true);
	assert_int_equal(take(f).verb, 0); /* nobody is there */
	assert_false(agent_link_captures(f->link));
	say_hello(f);
	assert_true(agent_link_captures(f->link));
	assert_int_equal(f->changes, 1);
	assert_int_equal(take(f).verb, AGENT_SUBSCRIBE);
	agent_link_subscribe(f->link, false);
	assert_int_equal(take(f).verb, AGENT_UNSUBSCRIBE);
	/* An agent that starts anew knows nothing. */
	agent_link_subscribe(f->link, true);
	assert_int_equal(take(f).verb, AGENT_SUBSCRIBE);
	start_agent(f);
	assert_int_equal(take(f).verb, AGENT_SUBSCRIBE);
	assert_int_equal(take(f).verb, 0);
}

/* Between its first word and its answer nothing counts. */
static void test_who_greets_unasked_is_greeted(void **state)
{
	struct fixture *f = *state;

	take(f);
	agent_link_subscribe(f->link, true);
	say_hello(f);
	assert_int_equal(take(f).verb, AGENT_SUBSCRIBE);
	say_hello(f);
	assert_false(agent_link_captures(f->link));
	ring(f);
	assert_int_equal(f->rings, 0);
	assert_int_equal(take(f).verb, AGENT_HELLO);
	assert_int_equal(take(f).verb, 0);
	say_hello(f);
	assert_true(agent_link_captures(f->link));
	assert_int_equal(take(f).verb, AGENT_SUBSCRIBE);
	ring(f);
	assert_int_equal(f->rings, 1);
}

/* An agent that answers each HELLO, with some of earlier days in its port: it ends subscribed. */
static void test_greetings_come_to_an_end(void **state)
{
	struct fixture *f = *state;
	bool subscribed = false;
	unsigned int heard = 0;

	agent_link_subscribe(f->link, true);
	for (int i = 0; i < 5; i++) {
		agent_link_forget(f->link);
		say_hello(f); /* each is dead before it reads */
	}
	for (struct agent_message message = take(f); message.verb != 0; message = take(f)) {
		assert_true(++heard < 100);
		subscribed = message.verb == AGENT_SUBSCRIBE;
		if (message.verb == AGENT_HELLO) {
			say_hello(f);
		}
	}
	assert_true(subscribed && agent_link_captures(f->link));
}

static void test_rings_only_after_a_greeting(void **state)
{
	struct fixture *f = *state;

	ring(f);
	assert_int_equal(f->rings, 0);
	say_hello(f);
	ring(f);
	ring(f);
	assert_int_equal(f->rings, 2);
}

static void test_an_agent_that_only_releases_does_not_capture(void **state)
{
	struct fixture *f = *state;
	struct agent_message hello = hello_of(AGENT_PROTOCOL, AGENT_FEATURE_RELEASE);

	take(f);
	agent_link_subscribe(f->link, true);
	put(f, &hello, sizeof(hello));
	assert_false(agent_link_captures(f->link));
	assert_int_equal(take(f).verb, 0);
}

static void test_other_versions_are_named(void **state)
{
	struct fixture *f = *state;
	struct agent_message hello = hello_of(AGENT_PROTOCOL + 1, AGENT_FEATURE_CAPTURE);

	assert_null(agent_link_trouble(f->link));
	put(f, &hello, sizeof(hello));
	assert_false(agent_link_captures(f->link));
	assert_non_null(strstr(agent_link_trouble(f->link), "too new"));
	ring(f);
	assert_int_equal(f->rings, 0);
	hello.hello.protocol = AGENT_PROTOCOL - 1;
	put(f, &hello, sizeof(hello));
	put(f, &hello, sizeof(hello));
	assert_non_null(strstr(agent_link_trouble(f->link), "too old"));
	say_hello(f);
	say_hello(f);
	assert_null(agent_link_trouble(f->link));
}

static void test_the_captured_card_is_kept(void **state)
{
	struct fixture *f = *state;
	struct agent_message card = card_of(AGENT_CARD_LIT, 0);

	say_hello(f);
	put(f, &card, sizeof(card));
	assert_null(agent_link_card(f->link));
	card = card_of(AGENT_CARD_LIT, 1);
	put(f, &card, sizeof(card));
	assert_int_equal(agent_link_card(f->link)->state, AGENT_CARD_LIT);
	card.slot.bus = 2; /* another one, which is not captured */
	card.card.captured = 0;
	put(f, &card, sizeof(card));
	assert_int_equal(agent_link_card(f->link)->width, 640);
	card = card_of(AGENT_CARD_GONE, 1);
	put(f, &card, sizeof(card));
	assert_int_equal(agent_link_card(f->link)->state, AGENT_CARD_GONE);
	card = card_of(AGENT_CARD_DARK, 0); /* not that any more */
	put(f, &card, sizeof(card));
	assert_null(agent_link_card(f->link));
}

static void test_a_closed_port_forgets(void **state)
{
	struct fixture *f = *state;
	struct agent_message card = card_of(AGENT_CARD_LIT, 1);
	unsigned int changes;

	say_hello(f);
	put(f, &card, sizeof(card));
	changes = f->changes;
	agent_link_forget(f->link);
	assert_int_equal(f->changes, changes + 1);
	assert_false(agent_link_captures(f->link));
	assert_null(agent_link_card(f->link));
	agent_link_forget(f->link);
	assert_int_equal(f->changes, changes + 1);
	ring(f);
	assert_int_equal(f->rings, 0);
	take(f);
	start_agent(f);
	assert_true(agent_link_captures(f->link));
}

static void test_qemus_end(void **state)
{
	struct fixture *f = *state;

	take(f);
	say_hello(f);
	close(f->guest);
	f->guest = -1;
	run(f);
	assert_false(agent_link_captures(f->link));
	agent_link_subscribe(f->link, true);
	agent_link_subscribe(f->link, false);
}

static const struct agent_slot slot = { .bus = 3, .device = 2 };

/* A greeted agent is asked; the serial. */
static uint32_t ask_release(struct fixture *f)
{
	struct agent_message message;

	assert_int_equal(agent_link_release(f->link, slot), 0);
	message = take(f);
	assert_int_equal(message.verb, AGENT_RELEASE);
	assert_memory_equal(&message.slot, &slot, sizeof(slot));
	return message.serial;
}

static void name_holder(struct fixture *f, uint32_t serial, const char *command)
{
	struct agent_message message = { .magic = AGENT_MAGIC,
					 .verb = AGENT_HOLDER,
					 .serial = serial,
					 .holder = { .pid = 12, .node = "/dev/dri/card1" } };

	snprintf(message.holder.command, sizeof(message.holder.command), "%s", command);
	put(f, &message, sizeof(message));
}

static void say_done(struct fixture *f, uint32_t serial, int error, const char *text)
{
	struct agent_message message = { .magic = AGENT_MAGIC,
					 .verb = AGENT_DONE,
					 .serial = serial,
					 .done = { .error = error } };

	snprintf(message.done.text, sizeof(message.done.text), "%s", text);
	put(f, &message, sizeof(message));
}

static void test_a_card_is_given_up(void **state)
{
	struct fixture *f = *state;
	uint32_t serial;

	take(f);
	assert_int_equal(agent_link_release(f->link, slot), -ENOTCONN);
	say_hello(f);
	serial = ask_release(f);
	assert_int_equal(agent_link_release(f->link, slot), -EBUSY);
	say_done(f, serial + 1, 0, "");
	assert_int_equal(f->answers, 0);
	say_done(f, serial, 0, "");
	assert_int_equal(f->answers, 1);
	assert_int_equal(f->error, 0);
	say_done(f, serial, -EIO, "again");
	assert_int_equal(f->answers, 1);
}

/* Its words are a guest's. */
static void test_who_keeps_a_card_is_named(void **state)
{
	struct fixture *f = *state;
	uint32_t serial;

	take(f);
	say_hello(f);
	serial = ask_release(f);
	name_holder(f, serial - 1, "old");
	name_holder(f, serial, "X\n\xff");
	name_holder(f, serial, "second");
	say_done(f, serial, -EBUSY, "somebody has it");
	assert_int_equal(f->error, -EBUSY);
	assert_string_equal(f->text, "X?? (process 12) has /dev/dri/card1 open");
	serial = ask_release(f);
	say_done(f, serial, -EBUSY, "no\tbody");
	assert_string_equal(f->text, "no?body");
}

static void test_an_agent_that_ends_gives_nothing_up(void **state)
{
	struct fixture *f = *state;
	uint32_t serial;

	take(f);
	say_hello(f);
	ask_release(f);
	agent_link_forget(f->link);
	assert_int_equal(f->answers, 1);
	assert_int_equal(f->error, -ENOTCONN);
	say_hello(f);
	take(f);
	say_hello(f);
	serial = ask_release(f);
	agent_link_cancel_release(f->link);
	say_done(f, serial, 0, "");
	assert_int_equal(f->answers, 1);
}

/* A byte at a time, behind what makes no sense. */
static void test_finds_messages_in_noise(void **state)
{
	struct fixture *f = *state;
	struct agent_message hello = hello_of(AGENT_PROTOCOL, AGENT_FEATURE_CAPTURE);
	uint8_t noise[300];

	for (size_t i = 0; i < sizeof(noise); i++) {
		noise[i] = (uint8_t)(i * 7);
	}
	/* What seems to be one has part of the next in it. */
	memcpy(noise + sizeof(noise) - 30, &hello.magic, sizeof(hello.magic));
	put(f, noise, sizeof(noise));
	assert_int_equal(f->changes, 0);
	for (size_t i = 0; i < sizeof(hello); i++) {
		put(f, (const uint8_t *)&hello + i, 1);
	}
	assert_true(agent_link_captures(f->link));
	assert_int_equal(f->changes, 1);
}

static void test_seats_own_words_are_not_taken(void **state)
{
	struct fixture *f = *state;
	struct agent_message message = { .magic = AGENT_MAGIC, .verb = AGENT_SUBSCRIBE };

	say_hello(f);
	put(f, &message, sizeof(message));
	ring(f);
	assert_int_equal(f->rings, 1);
}

/* A guest that takes nothing gets what holds in the end, and costs no memory meanwhile. */
static void test_a_guest_that_does_not_read(void **state)
{
	struct fixture *f = *state;
	struct agent_message message, last = { 0 };
	unsigned int n = 0;

	say_hello(f);
	for (int i = 0; i < 100000; i++) {
		agent_link_subscribe(f->link, i % 2 == 0);
	}
	agent_link_subscribe(f->link, true);
	while ((message = take(f)).verb != 0) {
		last = message;
		n++;
		run(f);
	}
	assert_true(n < 100000);
	assert_int_equal(last.verb, AGENT_SUBSCRIBE);
}

static void test_a_flood_gets_its_share_of_a_turn(void **state)
{
	struct fixture *f = *state;
	struct agent_message bell = { .magic = AGENT_MAGIC, .verb = AGENT_RING };
	unsigned int n = 0;

	say_hello(f);
	bell.ring.what = AGENT_RING_CURSOR;
	while (write(f->guest, &bell, sizeof(bell)) == sizeof(bell)) {
		n++;
	}
	assert_true(n > 100);
	assert_true(sd_event_run(f->event, 0) > 0);
	assert_true(f->rings <= 32);
	run(f);
	assert_int_equal(f->rings, n);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(test_greets_and_subscribes_when_greeted),
		TEST(test_who_greets_unasked_is_greeted),
		TEST(test_greetings_come_to_an_end),
		TEST(test_rings_only_after_a_greeting),
		TEST(test_an_agent_that_only_releases_does_not_capture),
		TEST(test_other_versions_are_named),
		TEST(test_the_captured_card_is_kept),
		TEST(test_a_closed_port_forgets),
		TEST(test_qemus_end),
		TEST(test_a_card_is_given_up),
		TEST(test_who_keeps_a_card_is_named),
		TEST(test_an_agent_that_ends_gives_nothing_up),
		TEST(test_finds_messages_in_noise),
		TEST(test_seats_own_words_are_not_taken),
		TEST(test_a_guest_that_does_not_read),
		TEST(test_a_flood_gets_its_share_of_a_turn),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

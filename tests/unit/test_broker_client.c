// SPDX-License-Identifier: MIT
/*
 * The seat's end of the broker's socket against a broker that answers, waits, says nonsense, ends
 * and comes back.
 */
#include "tests/unit/test.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "passthrough/broker_client.h"
#include "passthrough/card.h"
#include "tests/unit/fake_broker.h"
#include "tests/unit/loop.h"
#include "tests/unit/timers.h"

#define DEADLINE_MS 20000
#define SLOT "0000:01:00"

struct fixture {
	sd_event *event;
	char folder[32], path[64];
	struct fake_broker *broker;
	struct broker_client *client;
	struct broker_slot slot;
	unsigned int ups, downs, news, replies, dones;
	struct broker_message last_news, last_reply;
	unsigned int wanted; /* of the counter that a test waits for */
	bool ask_again;      /* a request from inside of the answer, that said … */
	int again;
};

static void on_up(void *data)
{
	((struct fixture *)data)->ups++;
}

static void on_down(void *data)
{
	struct fixture *f = data;

	f->downs++;
	assert_false(broker_client_is_up(f->client));
}

static void on_news(void *data, const struct broker_message *message)
{
	struct fixture *f = data;

	f->news++;
	f->last_news = *message;
}

static const struct broker_client_ops ops = { .up = on_up, .down = on_down, .news = on_news };

static int ask(struct fixture *f, enum broker_verb verb);

static void on_reply(void *data, const struct broker_message *message)
{
	struct fixture *f = data;

	f->replies++;
	f->dones += message->kind == BROKER_DONE;
	f->last_reply = *message;
	if (f->ask_again && message->kind == BROKER_DONE) {
		f->ask_again = false;
		f->again = ask(f, BROKER_HOLDERS);
	}
}

static int ask(struct fixture *f, enum broker_verb verb)
{
	struct broker_request request = { .verb = verb, .slot = f->slot };

	return broker_client_request(f->client, &request, -1, on_reply, f);
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	snprintf(f->folder, sizeof(f->folder), "/tmp/baton-test-XXXXXX");
	if (sd_event_new(&f->event) < 0 || !mkdtemp(f->folder)) {
		return -1;
	}
	snprintf(f->path, sizeof(f->path), "%s/broker.sock", f->folder);
	f->broker = fake_broker_create(f->event, f->path);
	fake_broker_add_card(f->broker, SLOT, 2);
	if (card_slot_parse(SLOT, &f->slot) < 0) {
		return -1;
	}
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	broker_client_destroy(f->client);
	fake_broker_destroy(f->broker);
	(void)rmdir(f->folder);
	sd_event_unref(f->event);
	free(f);
	return 0;
}

static void settle(struct fixture *f)
{
	loop_settle(f->event);
}

static bool is_up(void *data)
{
	return broker_client_is_up(((struct fixture *)data)->client);
}

static bool is_down(void *data)
{
	return !is_up(data);
}

static bool has_dones(void *data)
{
	struct fixture *f = data;

	return f->dones >= f->wanted;
}

static bool has_news(void *data)
{
	return ((struct fixture *)data)->news > 0;
}

static void wait_for(struct fixture *f, bool (*done)(void *data))
{
	assert_true(loop_until(f->event, done, f, DEADLINE_MS));
}

static void wait_dones(struct fixture *f, unsigned int n)
{
	f->wanted = n;
	wait_for(f, has_dones);
}

static void start(struct fixture *f)
{
	assert_int_equal(broker_client_create(f->event, f->path, &ops, f, &f->client), 0);
}

static void connect_it(struct fixture *f)
{
	fake_broker_listen(f->broker);
	start(f);
	wait_for(f, is_up);
}

/* ---- Requests and answers ---- */

static void test_cards_are_known(void **state)
{
	struct fixture *f = *state;
	struct broker_slot other = { .bus = 9 };
	const struct broker_facts *facts;

	fake_broker_listen(f->broker);
	start(f);
	assert_non_null(broker_client_trouble(f->client));
	assert_null(broker_client_facts(f->client, &f->slot));
	wait_for(f, is_up);
	assert_int_equal(f->ups, 1);
	assert_null(broker_client_trouble(f->client));
	facts = broker_client_facts(f->client, &f->slot);
	assert_non_null(facts);
	assert_int_equal(facts->function_count, 2);
	assert_null(broker_client_facts(f->client, &other));
	assert_int_equal(timers_left_ms(), -1);
}

static void test_answers_end_with_done(void **state)
{
	struct fixture *f = *state;

	connect_it(f);
	fake_broker_set_holder(f->broker, "Xorg");
	assert_int_equal(ask(f, BROKER_DRAIN), 0);
	assert_int_equal(f->replies, 0);
	wait_dones(f, 1);
	assert_int_equal(f->replies, 3);
	assert_int_equal(f->last_reply.error, -EBUSY);
	assert_true(broker_client_facts(f->client, &f->slot)->flags & BROKER_CARD_DRAINED);
}

static void test_late_answer_and_progress(void **state)
{
	struct fixture *f = *state;

	connect_it(f);
	fake_broker_hold(f->broker, BROKER_DRAIN, true);
	assert_int_equal(ask(f, BROKER_DRAIN), 0);
	settle(f);
	fake_broker_progress(f->broker, SLOT, "unbind waits in snd_card_free");
	settle(f);
	assert_int_equal(f->replies, 1);
	assert_int_equal(f->last_reply.kind, BROKER_PROGRESS);
	assert_string_equal(f->last_reply.text, "unbind waits in snd_card_free");
	assert_int_equal(timers_left_ms(), -1);
	fake_broker_hold(f->broker, BROKER_DRAIN, false);
	wait_dones(f, 1);
	assert_int_equal(f->last_reply.error, 0);
}

static void test_news(void **state)
{
	struct fixture *f = *state;
	struct broker_message text = { .kind = BROKER_PROGRESS, .slot = f->slot, .text = "back" };

	connect_it(f);
	fake_broker_add_card(f->broker, "0000:02:00", 1);
	fake_broker_set_note(f->broker, "0000:02:00", "it shares its group");
	fake_broker_tell(f->broker, "0000:02:00");
	wait_for(f, has_news);
	assert_int_equal(f->last_news.kind, BROKER_CARD);
	assert_non_null(broker_client_facts(f->client, &f->last_news.slot));
	assert_string_equal(broker_client_note(f->client, &f->last_news.slot),
			    "it shares its group");
	assert_string_equal(broker_client_note(f->client, &f->slot), "");
	fake_broker_send(f->broker, &text, sizeof(text));
	settle(f);
	assert_int_equal(f->news, 2);
	assert_string_equal(f->last_news.text, "back");
}

static void test_cancelled_answer_is_dropped(void **state)
{
	struct fixture *f = *state;
	int other = 0;

	connect_it(f);
	assert_int_equal(ask(f, BROKER_HOLDERS), 0);
	broker_client_cancel(f->client, &other);
	broker_client_cancel(f->client, f);
	settle(f);
	assert_int_equal(fake_broker_count(f->broker, BROKER_HOLDERS), 1);
	assert_int_equal(f->replies, 0);
	assert_true(is_up(f));
	broker_client_cancel(NULL, f);
}

/* Who gave up learns nevertheless what has become of the card. */
static void test_facts_after_cancelling_are_news(void **state)
{
	struct fixture *f = *state;

	connect_it(f);
	fake_broker_hold(f->broker, BROKER_DRAIN, true);
	assert_int_equal(ask(f, BROKER_DRAIN), 0);
	settle(f);
	broker_client_cancel(f->client, f);
	fake_broker_progress(f->broker, SLOT, "it takes long");
	fake_broker_hold(f->broker, BROKER_DRAIN, false);
	settle(f);
	assert_int_equal(f->replies, 0);
	assert_int_equal(f->news, 1);
	assert_int_equal(f->last_news.kind, BROKER_CARD);
	assert_true(f->last_news.facts.flags & BROKER_CARD_DRAINED);
	assert_true(is_up(f));
}

static void test_descriptor_goes_along(void **state)
{
	const struct broker_request request = { .verb = BROKER_LEND };
	struct fixture *f = *state;
	struct stat sent, received;
	int ends[2];

	connect_it(f);
	assert_int_equal(pipe(ends), 0);
	assert_int_equal(broker_client_request(f->client, &request, ends[0], on_reply, f), 0);
	assert_int_equal(fstat(ends[0], &sent), 0);
	close(ends[0]);
	close(ends[1]);
	wait_dones(f, 1);
	assert_int_equal(fstat(fake_broker_lent_fd(f->broker), &received), 0);
	assert_int_equal(sent.st_ino, received.st_ino);
}

static void test_requests_are_bounded(void **state)
{
	struct fixture *f = *state;

	connect_it(f);
	fake_broker_hang(f->broker, true);
	for (int i = 0; i < BROKER_CLIENT_REQUESTS_MAX; i++) {
		assert_int_equal(ask(f, BROKER_HOLDERS), 0);
	}
	assert_int_equal(ask(f, BROKER_HOLDERS), -ENOBUFS);
	settle(f);
	assert_int_equal(f->replies, 0);
	fake_broker_hang(f->broker, false);
	wait_dones(f, BROKER_CLIENT_REQUESTS_MAX);
	assert_int_equal(ask(f, BROKER_HOLDERS), 0);
}

/* All sockets of this process, the client's among them, take little from now on. */
static void narrow_sockets(void)
{
	for (int fd = 3; fd < 64; fd++) {
		(void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &(int){ 1 }, sizeof(int));
	}
}

static bool all_have_come(void *data)
{
	struct fixture *f = data;

	return fake_broker_count(f->broker, BROKER_RECORD) == BROKER_CLIENT_REQUESTS_MAX;
}

static void test_full_socket_is_waited_for(void **state)
{
	struct fixture *f = *state;

	connect_it(f);
	narrow_sockets();
	fake_broker_hang(f->broker, true);
	fake_broker_hold(f->broker, BROKER_RECORD, true);
	for (int i = 0; i < BROKER_CLIENT_REQUESTS_MAX; i++) {
		assert_int_equal(ask(f, BROKER_RECORD), 0);
	}
	settle(f);
	fake_broker_hang(f->broker, false);
	wait_for(f, all_have_come);
	/* And then it is not waited for any more. */
	settle(f);
	assert_int_equal(sd_event_run(f->event, 0), 0);
}

/* ---- The broker goes ---- */

static void test_loss_answers_each_request_once(void **state)
{
	struct fixture *f = *state;

	connect_it(f);
	fake_broker_hold(f->broker, BROKER_HOLDERS, true);
	assert_int_equal(ask(f, BROKER_HOLDERS), 0);
	assert_int_equal(ask(f, BROKER_HOLDERS), 0);
	settle(f);
	f->ask_again = true;
	fake_broker_vanish(f->broker);
	wait_dones(f, 2);
	assert_int_equal(f->last_reply.error, -ECONNRESET);
	assert_int_equal(f->replies, 2);
	assert_int_equal(f->again, -ENOTCONN);
	assert_int_equal(f->downs, 1);
	assert_int_equal(ask(f, BROKER_HOLDERS), -ENOTCONN);
	assert_null(broker_client_facts(f->client, &f->slot));
	assert_non_null(broker_client_trouble(f->client));
}

static void test_broker_comes_back(void **state)
{
	struct fixture *f = *state;

	connect_it(f);
	for (unsigned int i = 1; i <= 3; i++) {
		fake_broker_vanish(f->broker);
		wait_for(f, is_down);
		fake_broker_listen(f->broker);
		wait_for(f, is_up);
		assert_int_equal(f->ups, i + 1);
		assert_int_equal(f->downs, i);
	}
	assert_non_null(broker_client_facts(f->client, &f->slot));
	assert_int_equal(timers_left_ms(), -1);
}

static void test_another_list(void **state)
{
	struct fixture *f = *state;

	connect_it(f);
	fake_broker_destroy(f->broker);
	wait_for(f, is_down);
	f->broker = fake_broker_create(f->event, f->path);
	fake_broker_add_card(f->broker, "0000:02:00", 1);
	fake_broker_listen(f->broker);
	wait_for(f, is_up);
	assert_null(broker_client_facts(f->client, &f->slot));
}

static void test_destroyed_with_open_requests(void **state)
{
	struct fixture *f = *state;

	connect_it(f);
	assert_int_equal(ask(f, BROKER_HOLDERS), 0);
	broker_client_destroy(f->client);
	f->client = NULL;
	settle(f);
	assert_int_equal(f->replies, 0);
	broker_client_destroy(NULL);
}

/* ---- The greeting ---- */

static void test_silent_broker_costs_no_timer(void **state)
{
	struct fixture *f = *state;

	fake_broker_listen(f->broker);
	fake_broker_hold(f->broker, BROKER_HELLO, true);
	start(f);
	settle(f);
	assert_non_null(strstr(broker_client_trouble(f->client), "not answered"));
	assert_int_equal(timers_left_ms(), -1);
	fake_broker_hold(f->broker, BROKER_HELLO, false);
	wait_for(f, is_up);
}

static void test_refusal_says_why(void **state)
{
	struct fixture *f = *state;

	fake_broker_listen(f->broker);
	fake_broker_fail(f->broker, BROKER_HELLO, -EPERM, "this user is not in broker.conf");
	start(f);
	settle(f);
	assert_non_null(strstr(broker_client_trouble(f->client), "not in broker.conf"));
	assert_int_equal(f->ups + f->downs, 0);
	fake_broker_fail(f->broker, BROKER_HELLO, 0, NULL);
	wait_for(f, is_up);
}

static bool is_refused(void *data)
{
	struct fixture *f = data;
	const char *trouble = broker_client_trouble(f->client);

	return trouble && strstr(trouble, "not in broker.conf");
}

/* HELLO is on its way when the door is shut: what was said before comes after the error. */
static void test_refusal_without_a_greeting(void **state)
{
	struct fixture *f = *state;

	fake_broker_listen(f->broker);
	fake_broker_refuse(f->broker, true, "its user is not in broker.conf");
	start(f);
	wait_for(f, is_refused);
	fake_broker_refuse(f->broker, false, NULL);
	wait_for(f, is_up);
}

/* ---- Messages of a broken broker ---- */

static const struct broker_message sound = { .kind = BROKER_CARD, .slot = { .bus = 1 } };

static void long_text(struct broker_message *m)
{
	memset(m->text, 'x', sizeof(m->text));
}

static void unknown_kind(struct broker_message *m)
{
	m->kind = 5;
}

static void no_kind(struct broker_message *m)
{
	m->kind = 0;
}

static void unknown_serial(struct broker_message *m)
{
	m->serial = 4711;
}

static void done_unasked(struct broker_message *m)
{
	m->kind = BROKER_DONE;
}

static void holder_unasked(struct broker_message *m)
{
	m->kind = BROKER_HOLDER;
}

static void functions_beyond(struct broker_message *m)
{
	m->facts.function_count = BROKER_FUNCTIONS_MAX + 1;
}

static void function_beyond(struct broker_message *m)
{
	m->facts.function_count = 1;
	m->facts.functions[0].number = 8;
}

static void long_driver(struct broker_message *m)
{
	m->facts.function_count = 1;
	memset(m->facts.functions[0].driver, 'x', sizeof(m->facts.functions[0].driver));
}

static void long_stage(struct broker_message *m)
{
	memset(m->facts.stage.name, 'x', sizeof(m->facts.stage.name));
}

static void odd_stage(struct broker_message *m)
{
	m->facts.stage.finished = 3;
}

static void test_nonsense_ends_the_connection(void **state)
{
	static void (*const spoil[])(struct broker_message *) = {
		long_text,    unknown_kind,   no_kind,          unknown_serial,
		done_unasked, holder_unasked, functions_beyond, function_beyond,
		long_driver,  long_stage,     odd_stage,
	};
	struct fixture *f = *state;
	struct broker_message message;

	connect_it(f);
	for (size_t i = 0; i < sizeof(spoil) / sizeof(spoil[0]); i++) {
		message = sound;
		spoil[i](&message);
		fake_broker_send(f->broker, &message, sizeof(message));
		wait_for(f, is_down);
		assert_int_equal(f->downs, i + 1);
		assert_non_null(strstr(broker_client_trouble(f->client), "protocol"));
		broker_client_look(f->client);
		wait_for(f, is_up);
	}
	assert_int_equal(f->news, 0);
}

static void test_positive_error_ends_the_connection(void **state)
{
	struct fixture *f = *state;
	struct broker_message done = { .kind = BROKER_DONE, .slot = f->slot, .error = 1 };

	connect_it(f);
	fake_broker_hold(f->broker, BROKER_HOLDERS, true);
	assert_int_equal(ask(f, BROKER_HOLDERS), 0);
	settle(f);
	done.serial = fake_broker_last(f->broker, BROKER_HOLDERS)->serial;
	fake_broker_send(f->broker, &done, sizeof(done));
	wait_dones(f, 1);
	assert_int_equal(f->last_reply.error, -ECONNRESET);
}

static void test_wrong_sizes_end_the_connection(void **state)
{
	static const size_t sizes[] = { 1, sizeof(sound) - 1, sizeof(sound) + 1 };
	struct fixture *f = *state;
	char bytes[sizeof(sound) + 1] = { 0 };

	memcpy(bytes, &sound, sizeof(sound));
	connect_it(f);
	for (size_t i = 0; i < 3; i++) {
		fake_broker_send(f->broker, bytes, sizes[i]);
		wait_for(f, is_down);
		broker_client_look(f->client);
		wait_for(f, is_up);
	}
}

static void test_too_many_cards_end_the_connection(void **state)
{
	struct broker_message message = { .kind = BROKER_CARD };
	struct fixture *f = *state;

	connect_it(f);
	for (uint8_t i = 0; i < BROKER_CARDS_MAX; i++) {
		message.slot.bus = (uint8_t)(100 + i);
		fake_broker_send(f->broker, &message, sizeof(message));
	}
	wait_for(f, is_down);
	assert_int_equal(f->news, BROKER_CARDS_MAX - 1);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_cards_are_known, setup, teardown),
		cmocka_unit_test_setup_teardown(test_answers_end_with_done, setup, teardown),
		cmocka_unit_test_setup_teardown(test_late_answer_and_progress, setup, teardown),
		cmocka_unit_test_setup_teardown(test_news, setup, teardown),
		cmocka_unit_test_setup_teardown(test_cancelled_answer_is_dropped, setup, teardown),
		cmocka_unit_test_setup_teardown(test_facts_after_cancelling_are_news, setup, teardown),
		cmocka_unit_test_setup_teardown(test_descriptor_goes_along, setup, teardown),
		cmocka_unit_test_setup_teardown(test_requests_are_bounded, setup, teardown),
		cmocka_unit_test_setup_teardown(test_full_socket_is_waited_for, setup, teardown),
		cmocka_unit_test_setup_teardown(test_loss_answers_each_request_once, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_broker_comes_back, setup, teardown),
		cmocka_unit_test_setup_teardown(test_another_list, setup, teardown),
		cmocka_unit_test_setup_teardown(test_destroyed_with_open_requests, setup, teardown),
		cmocka_unit_test_setup_teardown(test_silent_broker_costs_no_timer, setup, teardown),
		cmocka_unit_test_setup_teardown(test_refusal_says_why, setup, teardown),
		cmocka_unit_test_setup_teardown(test_refusal_without_a_greeting, setup, teardown),
		cmocka_unit_test_setup_teardown(test_nonsense_ends_the_connection, setup, teardown),
		cmocka_unit_test_setup_teardown(test_positive_error_ends_the_connection, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_wrong_sizes_end_the_connection, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_too_many_cards_end_the_connection, setup,
						teardown),
	};

	if (argc > 1) {
		cmocka_set_test_filter(argv[1]);
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}

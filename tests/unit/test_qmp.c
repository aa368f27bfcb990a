// SPDX-License-Identifier: MIT
/*
 * The QMP client against a server of the test's own, that answers well, in pieces, late, or as a
 * hostile QEMU would. Client and server share one thread: the loop runs until nothing is left.
 */
#include "tests/unit/test.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/clock.h"
#include "tests/unit/loop.h"
#include "vm/qmp.h"

#define GREETING "{\"QMP\": {\"version\": {}, \"capabilities\": []}}\r\n"
#define AGREED "{\"return\": {}, \"id\": 1}\r\n"
#define WAIT_NS (20 * NSEC_PER_SEC)

struct fixture {
	sd_event *event;
	int server;
	struct qmp *qmp;
	int ready, events, closed, replies;
	int closed_error, reply_error;
	char event_name[64], reply_text[64];
	json_int_t reply_number;
	bool destroy_in_callback;
};

static void end_if_asked(struct fixture *f)
{
	if (f->destroy_in_callback) {
		qmp_destroy(f->qmp);
		f->qmp = NULL;
	}
}

static void on_ready(void *data)
{
	struct fixture *f = data;

	f->ready++;
}

static void on_event(void *data, const char *name, const json_t *args)
{
	struct fixture *f = data;

	f->events++;
	snprintf(f->event_name, sizeof(f->event_name), "%s", name);
	end_if_asked(f);
}

static void on_closed(void *data, int error)
{
	struct fixture *f = data;

	f->closed++;
	f->closed_error = error;
	end_if_asked(f);
}

static const struct qmp_ops ops = { .ready = on_ready, .event = on_event, .closed = on_closed };

static void on_reply(void *data, int error, const json_t *result, const char *text)
{
	struct fixture *f = data;

	f->replies++;
	f->reply_error = error;
	f->reply_number = json_integer_value(json_object_get(result, "n"));
	snprintf(f->reply_text, sizeof(f->reply_text), "%s", text ? text : "");
	end_if_asked(f);
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	int pair[2];

	if (sd_event_new(&f->event) < 0 ||
	    socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) < 0 ||
	    qmp_create(f->event, pair[0], &ops, f, &f->qmp) < 0) {
		return -1;
	}
	f->server = pair[1];
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	qmp_destroy(f->qmp);
	close(f->server);
	sd_event_unref(f->event);
	free(f);
	return 0;
}

/* Runs the loop until no source is ready. */
static void settle(struct fixture *f)
{
	loop_settle(f->event);
}

static void serve_bytes(struct fixture *f, const char *bytes, size_t size)
{
	while (size > 0) {
		ssize_t n = send(f->server, bytes, size, MSG_NOSIGNAL);

		if (n < 0) {
			assert_true(errno == EAGAIN || errno == EPIPE);
			if (errno == EPIPE) {
				return;
			}
			n = 0;
		}
		bytes += n;
		size -= (size_t)n;
		settle(f);
		if (f->closed) {
			return;
		}
	}
	settle(f);
}

static void serve(struct fixture *f, const char *text)
{
	serve_bytes(f, text, strlen(text));
}

/* What the client has written since; with the descriptor that came along, or -1. */
static const char *received(struct fixture *f, int *fd)
{
	static char text[4096];
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control;
	struct iovec part = { text, sizeof(text) - 1 };
	struct msghdr message = { .msg_iov = &part,
				  .msg_iovlen = 1,
				  .msg_control = &control,
				  .msg_controllen = sizeof(control) };
	ssize_t n;

	settle(f);
	n = recvmsg(f->server, &message, MSG_CMSG_CLOEXEC);
	text[n > 0 ? n : 0] = '\0';
	if (fd) {
		*fd = -1;
		if (CMSG_FIRSTHDR(&message)) {
			memcpy(fd, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof(int));
		}
	}
	return text;
}

static void make_ready(struct fixture *f)
{
	serve(f, GREETING);
	assert_string_equal(received(f, NULL), "{\"execute\":\"qmp_capabilities\",\"id\":1}\n");
	assert_int_equal(f->ready, 0);
	serve(f, AGREED);
	assert_int_equal(f->ready, 1);
}

static void wait_for(struct fixture *f, const int *counter)
{
	uint64_t start = clock_now_ns();

	while (*counter == 0) {
		assert_true(clock_now_ns() - start < WAIT_NS);
		assert_true(sd_event_run(f->event, 100 * 1000) >= 0);
	}
}

static int call(struct fixture *f, uint64_t usec)
{
	return qmp_call(f->qmp, "query-x", NULL, -1, usec, on_reply, f);
}

static void assert_violation(struct fixture *f)
{
	assert_int_equal(f->closed, 1);
	assert_int_equal(f->closed_error, -EPROTO);
}

static void answers_and_events_arrive(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(call(f, QMP_WAIT_FOREVER), -ENOTCONN);
	make_ready(f);
	assert_int_equal(qmp_call(f->qmp, "query-x", json_pack("{s:i}", "a", 1), -1,
				  QMP_WAIT_FOREVER, on_reply, f),
			 0);
	assert_string_equal(received(f, NULL),
			    "{\"execute\":\"query-x\",\"id\":2,\"arguments\":{\"a\":1}}\n");
	serve(f, "{\"event\": \"STOP\", \"timestamp\": {}}\n{\"return\": {\"n\": 7}, \"id\": 2}\n");
	assert_string_equal(f->event_name, "STOP");
	assert_int_equal(f->replies, 1);
	assert_int_equal(f->reply_error, 0);
	assert_int_equal(f->reply_number, 7);
}

static void refusal_has_qemus_sentence(void **state)
{
	struct fixture *f = *state;

	make_ready(f);
	call(f, QMP_WAIT_FOREVER);
	serve(f, "{\"id\": 2, \"error\": {\"class\": \"GenericError\", \"desc\": \"no way\"}}\n");
	assert_int_equal(f->reply_error, -EREMOTEIO);
	assert_string_equal(f->reply_text, "no way");
	assert_int_equal(f->closed, 0);
}

static void pieces_are_joined(void **state)
{
	struct fixture *f = *state;
	static const char text[] = GREETING AGREED "{\"event\":\"A\"}\n\r\n{\"event\":\"B\"}\r\n";

	for (size_t i = 0; i < sizeof(text) - 1; i++) {
		serve_bytes(f, text + i, 1);
	}
	assert_int_equal(f->ready, 1);
	assert_int_equal(f->events, 2);
	assert_string_equal(f->event_name, "B");
	assert_int_equal(f->closed, 0);
}

static void end_at_any_byte_is_told_once(void **state)
{
	static const char text[] = GREETING AGREED "{\"event\":\"A\"}\n{\"return\":";
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof(text); i++) {
		teardown(state);
		assert_int_equal(setup(state), 0);
		f = *state;
		serve_bytes(f, text, i);
		if (f->ready) {
			assert_int_equal(call(f, 1000 * 1000), 0);
		}
		shutdown(f->server, SHUT_RDWR);
		settle(f);
		assert_int_equal(f->closed, 1);
		assert_int_equal(f->closed_error, -ECONNRESET);
		assert_int_equal(f->replies, f->ready);
		assert_int_equal(call(f, 0), -ENOTCONN);
	}
}

static void late_answer_is_dropped(void **state)
{
	struct fixture *f = *state;

	make_ready(f);
	assert_int_equal(call(f, 1000), 0);
	wait_for(f, &f->replies);
	assert_int_equal(f->reply_error, -ETIMEDOUT);
	serve(f, "{\"return\": {}, \"id\": 2}\n");
	assert_int_equal(f->replies, 1);
	assert_int_equal(f->closed, 0);
	/* The connection goes on. */
	assert_int_equal(call(f, QMP_WAIT_FOREVER), 0);
	serve(f, "{\"return\": {\"n\": 3}, \"id\": 3}\n");
	assert_int_equal(f->reply_number, 3);
}

static void answers_come_in_any_order(void **state)
{
	struct fixture *f = *state;

	make_ready(f);
	call(f, QMP_WAIT_FOREVER);
	call(f, QMP_WAIT_FOREVER);
	serve(f, "{\"return\": {\"n\": 3}, \"id\": 3}\n");
	assert_int_equal(f->reply_number, 3);
	serve(f, "{\"return\": {\"n\": 2}, \"id\": 2}\n");
	assert_int_equal(f->reply_number, 2);
	assert_int_equal(f->replies, 2);
}

static void descriptor_goes_with_its_command(void **state)
{
	struct fixture *f = *state;
	int pair[2], fd = -1;
	char byte = 0;

	make_ready(f);
	assert_int_equal(pipe2(pair, O_CLOEXEC), 0);
	assert_int_equal(qmp_call(f->qmp, "getfd", NULL, pair[1], QMP_WAIT_FOREVER, NULL, NULL), 0);
	assert_non_null(strstr(received(f, &fd), "getfd"));
	assert_true(fd >= 0);
	close(pair[1]);
	assert_int_equal(write(fd, "x", 1), 1);
	assert_int_equal(read(pair[0], &byte, 1), 1);
	close(fd);
	/* No copy of it is left: the reader sees the end. */
	assert_int_equal(read(pair[0], &byte, 1), 0);
	close(pair[0]);
}

static void violations_end_the_connection(void **state)
{
	static const char *const violations[] = {
		"garbage\n",
		"{\n",
		"[]\n",
		"\"x\"\n",
		"{}\n",
		"{\"return\": {}}\n",
		"{\"return\": {}, \"id\": \"x\"}\n",
		"{\"return\": {}, \"id\": 0}\n",
		"{\"return\": {}, \"id\": 99}\n",
		"{\"return\": {}, \"id\": 99999999999999999999}\n",
		"{\"return\": {}, \"error\": {}, \"id\": 1}\n",
		"{\"error\": {\"desc\": \"JSON parse error\"}}\n",
		"{\"event\": 1}\n",
		"{\"event\": \"X\", \"data\": []}\n",
		"{\"event\": \"X\", \"event\": \"Y\"}\n",
		"{\"event\": \"\xff\xfe\"}\n",
		"\x01\x02\x03\n",
	};

	for (size_t i = 0; i < sizeof(violations) / sizeof(violations[0]); i++) {
		struct fixture *f;

		teardown(state);
		assert_int_equal(setup(state), 0);
		f = *state;
		make_ready(f);
		call(f, QMP_WAIT_FOREVER);
		serve(f, violations[i]);
		assert_violation(f);
		assert_int_equal(f->replies, 1);
		assert_int_equal(f->reply_error, -EPROTO);
	}
}

static void wrong_greetings_end_the_connection(void **state)
{
	static const char *const greetings[] = { "{}\n", "{\"QMP\": 1}\n", "{\"event\": \"X\"}\n",
						 AGREED,
						 GREETING "{\"error\": {}, \"id\": 1}\n" };

	for (size_t i = 0; i < sizeof(greetings) / sizeof(greetings[0]); i++) {
		struct fixture *f;

		teardown(state);
		assert_int_equal(setup(state), 0);
		f = *state;
		serve(f, greetings[i]);
		assert_violation(f);
		assert_int_equal(f->ready, 0);
	}
}

static void endless_line_ends_the_connection(void **state)
{
	struct fixture *f = *state;
	char block[4096];

	make_ready(f);
	memset(block, ' ', sizeof(block));
	for (size_t i = 0; i < 4 * QMP_LINE_MAX / sizeof(block) && !f->closed; i++) {
		serve_bytes(f, block, sizeof(block));
	}
	assert_violation(f);
}

static void longest_line_is_taken(void **state)
{
	struct fixture *f = *state;
	static char line[QMP_LINE_MAX];
	int n;

	make_ready(f);
	n = snprintf(line, sizeof(line), "{\"event\": \"LONG\", \"data\": {\"x\": \"");
	memset(line + n, 'x', sizeof(line) - (size_t)n - 4);
	memcpy(line + sizeof(line) - 4, "\"}}\n", 4);
	serve_bytes(f, line, sizeof(line));
	assert_int_equal(f->events, 1);
	assert_int_equal(f->closed, 0);
}

static void deep_json_does_not_kill(void **state)
{
	struct fixture *f = *state;
	static char line[100001];

	make_ready(f);
	memset(line, '[', sizeof(line) - 1);
	line[sizeof(line) - 2] = '\n';
	serve(f, line);
	assert_violation(f);
}

/* A QEMU that reads nothing: what we keep for it is bounded, and the caller is told. */
static void queue_is_bounded(void **state)
{
	struct fixture *f = *state;
	int accepted = 0, r;

	make_ready(f);
	while ((r = call(f, QMP_WAIT_FOREVER)) == 0) {
		accepted++;
		assert_true(accepted <= QMP_CALLS_MAX);
	}
	assert_int_equal(r, -ENOBUFS);
	/* Without answers waited for, the bytes are. */
	teardown(state);
	assert_int_equal(setup(state), 0);
	f = *state;
	make_ready(f);
	accepted = 0;
	do {
		json_t *args = json_object();
		static char text[8000];

		memset(text, 'x', sizeof(text) - 1);
		json_object_set_new(args, "x", json_string(text));
		r = qmp_call(f->qmp, "x", args, -1, QMP_WAIT_FOREVER, NULL, NULL);
		accepted += r == 0;
	} while (r == 0);
	assert_int_equal(r, -ENOBUFS);
	assert_true(accepted >= 4 && accepted <= QMP_QUEUE_MAX / 8000);
}

static void cancelled_call_is_not_answered(void **state)
{
	struct fixture *f = *state;

	make_ready(f);
	call(f, QMP_WAIT_FOREVER);
	qmp_cancel(f->qmp, f);
	serve(f, "{\"return\": {}, \"id\": 2}\n");
	assert_int_equal(f->replies, 0);
	assert_int_equal(f->closed, 0);
}

static void may_be_destroyed_in_each_callback(void **state)
{
	struct fixture *f = *state;

	make_ready(f);
	f->destroy_in_callback = true;
	serve(f, "{\"event\": \"A\"}\n{\"event\": \"B\"}\n");
	assert_int_equal(f->events, 1);

	for (int i = 0; i < 3; i++) {
		teardown(state);
		assert_int_equal(setup(state), 0);
		f = *state;
		make_ready(f);
		f->destroy_in_callback = true;
		if (i == 0) {
			call(f, QMP_WAIT_FOREVER);
			call(f, QMP_WAIT_FOREVER);
			serve(f, "{\"return\": {}, \"id\": 2}\n{\"event\": \"A\"}\n");
			assert_int_equal(f->replies, 1);
			assert_int_equal(f->events, 0);
		} else if (i == 1) {
			call(f, 1000);
			wait_for(f, &f->replies);
		} else {
			shutdown(f->server, SHUT_RDWR);
			settle(f);
			assert_int_equal(f->closed, 1);
		}
		assert_null(f->qmp);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(answers_and_events_arrive),
		TEST(refusal_has_qemus_sentence),
		TEST(pieces_are_joined),
		TEST(end_at_any_byte_is_told_once),
		TEST(late_answer_is_dropped),
		TEST(answers_come_in_any_order),
		TEST(descriptor_goes_with_its_command),
		TEST(violations_end_the_connection),
		TEST(wrong_greetings_end_the_connection),
		TEST(endless_line_ends_the_connection),
		TEST(longest_line_is_taken),
		TEST(deep_json_does_not_kill),
		TEST(queue_is_bounded),
		TEST(cancelled_call_is_not_answered),
		TEST(may_be_destroyed_in_each_callback),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

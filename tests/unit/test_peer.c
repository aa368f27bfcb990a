// SPDX-License-Identifier: MIT
/*
 * The peer D-Bus connection, asked for over QMP from a QEMU of the test's own: it takes the socket
 * that comes with getfd and answers on it as a D-Bus server, or does not.
 */
#include "tests/unit/test.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/unit/loop.h"
#include "vm/peer.h"

#define WAIT_MS 20000

struct fixture {
	sd_event *event;
	int server; /* the other end of QMP */
	struct qmp *qmp;
	struct peer *peer;
	sd_bus *bus; /* QEMU's end of the peer connection */
	bool qmp_ready, without_objects;
	int calls; /* that QEMU's end got */
	int up, failed, error;
	char text[128];
};

static void on_ready(void *data)
{
	((struct fixture *)data)->qmp_ready = true;
}

static void on_event(void *data, const char *name, const json_t *args)
{
}

static void on_qmp_closed(void *data, int error)
{
}

static const struct qmp_ops qmp_ops = {
	.ready = on_ready, .event = on_event, .closed = on_qmp_closed,
};

static void on_up(void *data)
{
	((struct fixture *)data)->up++;
}

static void on_failed(void *data, int error, const char *text)
{
	struct fixture *f = data;

	f->failed++;
	f->error = error;
	snprintf(f->text, sizeof(f->text), "%s", text);
	peer_destroy(f->peer);
	f->peer = NULL;
}

static const struct peer_ops peer_ops = { .up = on_up, .failed = on_failed };

static bool is_ready(void *data)
{
	return ((struct fixture *)data)->qmp_ready;
}

static bool is_settled(void *data)
{
	struct fixture *f = data;

	return f->up || f->failed;
}

static bool has_failed(void *data)
{
	return ((struct fixture *)data)->failed;
}

static void serve(struct fixture *f, const char *text)
{
	assert_int_equal(write(f->server, text, strlen(text)), strlen(text));
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	int pair[2];

	if (sd_event_new(&f->event) < 0 ||
	    socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) < 0 ||
	    qmp_create(f->event, pair[0], &qmp_ops, f, &f->qmp) < 0) {
		return -1;
	}
	f->server = pair[1];
	serve(f, "{\"QMP\": {}}\n{\"return\": {}, \"id\": 1}\n");
	*state = f;
	return !loop_until(f->event, is_ready, f, WAIT_MS);
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	peer_destroy(f->peer);
	qmp_destroy(f->qmp);
	if (f->bus) {
		sd_bus_detach_event(f->bus);
		sd_bus_close_unref(f->bus);
	}
	close(f->server);
	sd_event_unref(f->event);
	free(f);
	return 0;
}

static int answer_call(sd_bus_message *call, void *data, sd_bus_error *error)
{
	struct fixture *f = data;

	if (!sd_bus_message_is_method_call(call, NULL, NULL)) {
		return 0;
	}
	f->calls++;
	if (f->without_objects) {
		return sd_bus_reply_method_errorf(call, SD_BUS_ERROR_UNKNOWN_METHOD, "no object");
	}
	return sd_bus_reply_method_return(call, "v", "s", "test");
}

/* The descriptor that came with getfd. */
static int receive_fd(struct fixture *f)
{
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control;
	char text[4096];
	struct iovec part = { text, sizeof(text) };
	struct msghdr message = { .msg_iov = &part,
				  .msg_iovlen = 1,
				  .msg_control = &control,
				  .msg_controllen = sizeof(control) };
	int fd = -1;

	while (sd_event_run(f->event, 0) > 0) {
	}
	assert_true(recvmsg(f->server, &message, MSG_CMSG_CLOEXEC) > 0);
	if (CMSG_FIRSTHDR(&message)) {
		memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof(int));
	}
	return fd;
}

/* QEMU's side up to the answer to add_client. */
static void accept_peer(struct fixture *f)
{
	sd_id128_t id = SD_ID128_MAKE(01, 23, 45, 67, 89, ab, cd, ef, 01, 23, 45, 67, 89, ab, cd, ef);
	int fd;

	assert_int_equal(peer_create(f->event, f->qmp, &peer_ops, f, &f->peer), 0);
	assert_null(peer_bus(f->peer));
	fd = receive_fd(f);
	assert_true(fd >= 0);
	assert_true(sd_bus_new(&f->bus) >= 0);
	assert_true(sd_bus_set_fd(f->bus, fd, fd) >= 0);
	assert_true(sd_bus_set_server(f->bus, 1, id) >= 0);
	assert_true(sd_bus_negotiate_fds(f->bus, 1) >= 0);
	assert_true(sd_bus_add_filter(f->bus, NULL, answer_call, f) >= 0);
	assert_true(sd_bus_start(f->bus) >= 0);
	assert_true(sd_bus_attach_event(f->bus, f->event, 0) >= 0);
	serve(f, "{\"return\": {}, \"id\": 2}\n{\"return\": {}, \"id\": 3}\n");
}

static void is_up_when_an_object_has_answered(void **state)
{
	struct fixture *f = *state;

	accept_peer(f);
	assert_true(loop_until(f->event, is_settled, f, WAIT_MS));
	assert_int_equal(f->up, 1);
	assert_int_equal(f->calls, 1);
	assert_non_null(peer_bus(f->peer));
}

static void fails_where_no_object_answers(void **state)
{
	struct fixture *f = *state;

	f->without_objects = true;
	accept_peer(f);
	assert_true(loop_until(f->event, is_settled, f, WAIT_MS));
	assert_int_equal(f->up, 0);
	assert_int_equal(f->error, -EAGAIN);
}

static bool has_two_calls(void *data)
{
	return ((struct fixture *)data)->calls >= 2;
}

static void notices_that_the_objects_went(void **state)
{
	struct fixture *f = *state;

	accept_peer(f);
	assert_true(loop_until(f->event, is_settled, f, WAIT_MS));
	/* They are still there: nothing happens. */
	peer_check(f->peer);
	peer_check(f->peer);
	assert_true(loop_until(f->event, has_two_calls, f, WAIT_MS));
	f->without_objects = true;
	while (!f->failed) {
		peer_check(f->peer);
		assert_true(sd_event_run(f->event, 1000 * 1000) >= 0);
	}
	assert_int_equal(f->up, 1);
	assert_int_equal(f->error, -EAGAIN);
}

static void refusal_is_passed_on(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(peer_create(f->event, f->qmp, &peer_ops, f, &f->peer), 0);
	close(receive_fd(f));
	serve(f, "{\"return\": {}, \"id\": 2}\n"
		 "{\"error\": {\"desc\": \"protocol '@dbus-display' is invalid\"}, \"id\": 3}\n");
	assert_true(loop_until(f->event, has_failed, f, WAIT_MS));
	assert_int_equal(f->error, -EREMOTEIO);
	assert_string_equal(f->text, "protocol '@dbus-display' is invalid");
}

static void closed_socket_is_a_failure(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(peer_create(f->event, f->qmp, &peer_ops, f, &f->peer), 0);
	close(receive_fd(f));
	serve(f, "{\"return\": {}, \"id\": 2}\n{\"return\": {}, \"id\": 3}\n");
	assert_true(loop_until(f->event, has_failed, f, WAIT_MS));
	assert_int_equal(f->up, 0);
	assert_true(f->error < 0 && f->error != -EREMOTEIO);
}

static void garbage_instead_of_dbus_is_a_failure(void **state)
{
	struct fixture *f = *state;
	static const char garbage[] = "garbage\r\n\1\2\r\nOK\r\nBEGIN\r\n\xff";
	int fd;

	assert_int_equal(peer_create(f->event, f->qmp, &peer_ops, f, &f->peer), 0);
	fd = receive_fd(f);
	assert_true(write(fd, garbage, sizeof(garbage)) > 0);
	serve(f, "{\"return\": {}, \"id\": 2}\n{\"return\": {}, \"id\": 3}\n");
	assert_true(loop_until(f->event, has_failed, f, WAIT_MS));
	assert_int_equal(f->up, 0);
	close(fd);
}

static void may_go_before_qemu_answers(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(peer_create(f->event, f->qmp, &peer_ops, f, &f->peer), 0);
	close(receive_fd(f));
	peer_destroy(f->peer);
	f->peer = NULL;
	serve(f, "{\"return\": {}, \"id\": 2}\n{\"return\": {}, \"id\": 3}\n");
	while (sd_event_run(f->event, 0) > 0) {
	}
	assert_int_equal(f->up + f->failed, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(is_up_when_an_object_has_answered),
		TEST(fails_where_no_object_answers),
		TEST(notices_that_the_objects_went),
		TEST(refusal_is_passed_on),
		TEST(closed_socket_is_a_failure),
		TEST(garbage_instead_of_dbus_is_a_failure),
		TEST(may_go_before_qemu_answers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
